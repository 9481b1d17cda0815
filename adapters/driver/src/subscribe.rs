//! How filters are subscribed.

use crate::buffer::Buffer;
use mqtt_session::{QoS, RetainHandling, SubscriptionOptions};
use std::time::Duration;

/// How a filter is subscribed. A [`QoS`] alone makes one with the defaults.
///
/// ```
/// use mqtt_driver::{Buffer, Overflow, SubscribeOptions};
/// use mqtt_session::QoS;
///
/// let options = SubscribeOptions::new(QoS::AtLeastOnce)
///     .no_local(true)
///     .buffer(Buffer { messages: 1, overflow: Overflow::DropOldest, ..Buffer::default() });
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// What the server is asked for.
    pub options: SubscriptionOptions,
    /// How much the stream holds for its reader.
    pub buffer: Buffer,
    /// Whether what matches no subscription comes out of the stream as well.
    pub unmatched: bool,
    /// How long subscribing may take; for ever without.
    pub timeout: Option<Duration>,
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
            unmatched: false,
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

    /// Whether what matches no subscription of the client comes out of this stream as well, in
    /// its place in the order of arrival, beginning with what has come already. Of several
    /// streams that are to have it, the last one does.
    #[must_use]
    pub fn unmatched(mut self, yes: bool) -> Self {
        self.unmatched = yes;
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
