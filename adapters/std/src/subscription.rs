//! One reader of one filter, or of several.

use crate::messages::Messages;
use crate::wait::wait;
use mqtt_driver::{Message, Shared, SubscribeError};
use mqtt_session::{QoS, ReasonCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The messages that match a filter, made by [`Client::subscribe`](crate::Client::subscribe), or
/// one of several, made by [`Client::subscribe_all`](crate::Client::subscribe_all); read as an iterator or by the calls below. It outlives connections and lost sessions.
///
/// Dropping it unsubscribes, without waiting for the answer; where others read the same filter,
/// it ends for this reader only. Where one of several filters ends, all do.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) shared: Arc<Shared>,
    pub(crate) messages: Messages,
    /// At least one.
    pub(crate) filters: Vec<String>,
    /// As many.
    pub(crate) granted: Arc<[ReasonCode]>,
}

impl Subscription {
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

    /// Waits for the next message; None when the subscription has ended and everything was read.
    #[must_use]
    pub fn recv(&self) -> Option<Message> {
        self.messages.recv()
    }

    /// As [`Subscription::recv`], for at most `limit`; None also when that is over.
    #[must_use]
    pub fn recv_timeout(&self, limit: Duration) -> Option<Message> {
        self.messages.recv_timeout(limit)
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
    pub fn unsubscribe(self, limit: Duration) -> Result<(), SubscribeError> {
        let answer = self.shared.leave(&self.messages.inbox);
        let deadline = Instant::now().checked_add(limit);
        let answer = wait(deadline, answer.filled());
        answer.unwrap_or(Err(SubscribeError::TimedOut)).map(drop)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.leave(&self.messages.inbox);
    }
}

impl Iterator for Subscription {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.recv()
    }
}
