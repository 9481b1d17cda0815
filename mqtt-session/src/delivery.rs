//! Messages from the server, as they are lent to the application.

use crate::answer::Sender;
use crate::event::Ticket;
use crate::request::{Publish, RequestError};
use core::num::NonZero;
use mqtt_proto::{Properties, QoS, TopicName};

/// A message, and beside it the sending half of the session.
///
/// ```
/// use mqtt_session::{Delivery, Publish, RequestError, Ticket};
///
/// /// Answers a request where it asked to be answered, without copying a byte of it.
/// fn answer(delivery: &mut Delivery<'_>) -> Option<Result<Ticket, RequestError>> {
///     let message = &delivery.message;
///     let topic = message.properties.response_topic()?;
///     let correlation = message.properties.correlation_data().map(mqtt_session::Property::CorrelationData);
///     let answer = Publish::new(topic, b"done").properties(correlation.as_slice());
///     Some(delivery.sender.publish(&answer))
/// }
/// ```
#[derive(Debug)]
pub struct Delivery<'a> {
    /// What came.
    pub message: Message<'a>,
    /// Publishes, subscribes and unsubscribes while the message is borrowed.
    pub sender: Sender<'a>,
}

/// A message, or a part of one. It is borrowed until the next call of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub struct Message<'a> {
    /// The QoS it was delivered with.
    pub qos: QoS,
    /// Whether it comes from the server's store of retained messages, or was published with
    /// RETAIN and the subscription asked for Retain As Published.
    pub retain: bool,
    /// Whether the server says it delivers it again: it may have been delivered before and not
    /// acknowledged. Never set for a QoS 2 message that was acknowledged.
    pub dup: bool,
    /// The topic name, whole also when the server sent an alias for it.
    pub topic: TopicName<'a>,
    /// The payload, or the part of it from `offset` on.
    pub payload: &'a [u8],
    /// Where in the whole payload this part begins, in bytes. 0 for a whole message.
    pub offset: usize,
    /// Length of the whole payload in bytes.
    pub total: usize,
    /// All properties of the PUBLISH.
    pub properties: Properties<'a>,
    /// What to acknowledge it with, where the application does that: for QoS 1 and 2, with the
    /// last part.
    pub token: Option<AckToken>,
}

impl Message<'_> {
    /// Whether this is a whole message or the last part of one.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.offset.wrapping_add(self.payload.len()) >= self.total
    }
}

impl Delivery<'_> {
    /// Publishes while the message is borrowed.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.sender.publish(publish)
    }
}

/// As the message alone.
#[cfg(feature = "defmt")]
impl defmt::Format for Delivery<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        self.message.format(f);
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Message<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Message {{ topic: {:?}, payload: {}, offset: {=usize}, total: {=usize}, qos: {}, \
             retain: {=bool}, dup: {=bool}, properties: {}, token: {} }}",
            self.topic,
            crate::log::Size::of(self.payload),
            self.offset,
            self.total,
            self.qos,
            self.retain,
            self.dup,
            self.properties,
            self.token
        );
    }
}

/// What acknowledges one message, once; a later connection makes it stale. Without the feature `fast`
/// it is told apart from the 2^31 that came before it and come behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AckToken(pub(crate) NonZero<Number>);

/// What messages are counted in.
#[cfg(feature = "fast")]
pub(crate) type Number = u64;
/// What messages are counted in. It wraps: what is told apart is less than 2^31 messages away.
#[cfg(not(feature = "fast"))]
pub(crate) type Number = u32;
