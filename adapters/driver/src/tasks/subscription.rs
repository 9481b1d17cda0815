//! One reader of one filter, or of several.

use super::messages::Messages;
use super::runtime::Runtime;
use super::wait::{after, until};
use crate::error::SubscribeError;
use crate::message::Message;
use crate::shared::Shared;
use futures_core::Stream;
use mqtt_session::{QoS, ReasonCode};
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The messages that match a filter, made by [`Client::subscribe`](super::Client::subscribe), or
/// one of several, made by [`Client::subscribe_all`](super::Client::subscribe_all); read by
/// [`next`](Subscription::next) or as a [`Stream`]. It outlives connections and lost sessions.
///
/// Dropping it unsubscribes, without waiting for the answer; where others read the same filter,
/// it ends for this reader only. Where one of several filters ends, all do.
pub struct Subscription<R> {
    pub(super) shared: Arc<Shared>,
    pub(super) messages: Messages,
    /// At least one.
    pub(super) filters: Vec<String>,
    /// As many.
    pub(super) granted: Arc<[ReasonCode]>,
    pub(super) runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> Subscription<R> {
    /// The filter; the first of several.
    #[must_use]
    pub fn topic_filter(&self) -> &str {
        self.filters.first().map_or("", String::as_str)
    }

    /// The QoS that the server granted when it was asked first; the lowest of several.
    #[must_use]
    pub fn granted(&self) -> QoS {
        let lowest = self.grants().map(|(_, qos)| qos).min();
        lowest.unwrap_or(QoS::AtMostOnce)
    }

    /// Each filter, with the QoS that the server granted when it was asked first.
    pub fn grants(&self) -> impl Iterator<Item = (&str, QoS)> {
        let qos = |reason: &ReasonCode| QoS::from_u8(reason.value()).unwrap_or(QoS::AtMostOnce);
        let filters = self.filters.iter().map(String::as_str);
        filters.zip(self.granted.iter().map(qos))
    }

    /// Waits for the next message; None when the subscription has ended and everything was
    /// read. Dropping the future loses no message.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// As [`Subscription::next`], for whoever shares it.
    pub async fn recv(&self) -> Option<Message> {
        self.messages.recv().await
    }

    /// The next message, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<Message> {
        self.messages.try_recv()
    }

    /// How many messages were dropped because nobody had read them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.messages.dropped()
    }

    /// Why nothing more will come, if so: the client has ended, or a server that had lost the
    /// session refused to subscribe again.
    #[must_use]
    pub fn ended(&self) -> Option<SubscribeError> {
        self.messages.inbox.ended().flatten()
    }

    /// Ends it and waits for the server's answer, at most for `limit`.
    ///
    /// # Errors
    /// See [`SubscribeError`]. Nothing more comes out of it either way.
    pub async fn unsubscribe(self, limit: Duration) -> Result<(), SubscribeError> {
        let answer = self.shared.leave(&self.messages.inbox);
        let answer = until::<R, _>(Some(after::<R>(limit)), answer.filled()).await;
        answer.unwrap_or(Err(SubscribeError::TimedOut)).map(drop)
    }
}

impl<R> Drop for Subscription<R> {
    fn drop(&mut self) {
        self.shared.leave(&self.messages.inbox);
    }
}

impl<R: Runtime> Stream for Subscription<R> {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        Pin::new(&mut self.get_mut().messages).poll_next(cx)
    }
}

impl<R> fmt::Debug for Subscription<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("filters", &self.filters)
            .finish_non_exhaustive()
    }
}
