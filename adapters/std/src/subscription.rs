//! One reader of one filter.

use crate::error::SubscribeError;
use crate::message::Message;
use crate::messages::{Buffer, Messages};
use crate::router::Answer;
use crate::shared::Shared;
use crate::slot::Slot;
use mqtt_session::{QoS, ReasonCode, RetainHandling, SubscriptionOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a filter is subscribed. A [`QoS`] alone makes one with the defaults.
///
/// ```
/// use mqtt_std::{Buffer, Overflow, QoS, SubscribeOptions};
///
/// let options = SubscribeOptions::new(QoS::AtLeastOnce)
///     .no_local(true)
///     .buffer(Buffer { messages: 1, overflow: Overflow::DropOldest, ..Buffer::default() });
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    pub(crate) options: SubscriptionOptions,
    pub(crate) buffer: Buffer,
    pub(crate) timeout: Option<Duration>,
}

impl From<QoS> for SubscribeOptions {
    fn from(qos: QoS) -> Self {
        Self::new(qos)
    }
}

impl SubscribeOptions {
    /// The most often that messages are to be delivered, and the defaults.
    #[must_use]
    pub fn new(qos: QoS) -> Self {
        Self {
            options: SubscriptionOptions {
                qos,
                no_local: false,
                retain_as_published: false,
                retain_handling: RetainHandling::SendAtSubscribe,
            },
            buffer: Buffer::default(),
            timeout: None,
        }
    }

    /// Whether to leave out what this client itself publishes.
    #[must_use]
    pub fn no_local(mut self, yes: bool) -> Self {
        self.options.no_local = yes;
        self
    }

    /// Whether messages keep the mark of being retained that they were published with.
    #[must_use]
    pub fn retain_as_published(mut self, yes: bool) -> Self {
        self.options.retain_as_published = yes;
        self
    }

    /// Which retained messages are sent at once: all by default.
    #[must_use]
    pub fn retain_handling(mut self, handling: RetainHandling) -> Self {
        self.options.retain_handling = handling;
        self
    }

    /// How much the stream holds for its reader.
    #[must_use]
    pub fn buffer(mut self, buffer: Buffer) -> Self {
        self.buffer = buffer;
        self
    }

    /// How long subscribing may take. For ever by default: without a connection it waits for
    /// the next one, and it ends with the client at the latest.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

/// The messages that match a filter: made by [`Client::subscribe`](crate::Client::subscribe),
/// read as an iterator or by the calls below. It outlives connections and lost sessions.
///
/// Dropping it unsubscribes, without waiting for the answer; where others read the same filter,
/// it ends for this reader only.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) shared: Arc<Shared>,
    pub(crate) messages: Messages,
    pub(crate) filter: String,
    pub(crate) granted: ReasonCode,
}

impl Subscription {
    /// The filter.
    #[must_use]
    pub fn topic_filter(&self) -> &str {
        &self.filter
    }

    /// The QoS that the server granted when it was asked first.
    #[must_use]
    pub fn granted(&self) -> QoS {
        QoS::from_u8(self.granted.value()).unwrap_or(QoS::AtMostOnce)
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
        let answer = self.leave();
        let deadline = Instant::now().checked_add(limit);
        let answer = answer.wait(deadline);
        answer.unwrap_or(Err(SubscribeError::TimedOut)).map(drop)
    }

    fn leave(&self) -> Arc<Slot<Answer>> {
        let now = self.shared.now();
        let mut core = self.shared.lock();
        let answer = core.ledger.router.remove(&self.messages.inbox);
        core.ledger.unasked = true;
        core.ask(now);
        self.shared.release(core);
        answer
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Iterator for Subscription {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.recv()
    }
}
