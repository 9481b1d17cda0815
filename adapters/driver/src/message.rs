//! A message from the server, owned.

use crate::error::AcknowledgeError;
use crate::inbox::Item;
use crate::payloads::Payloads;
use crate::shared::Shared;
use bytes::{Bytes, BytesMut};
use mqtt_session::{AckToken, PayloadFormat, Properties, Property, QoS, ReasonCode};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock, Weak};

/// A message that came. Cloning it copies neither topic nor payload.
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// The topic it was published to.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// The quality of service it was delivered with.
    pub qos: QoS,
    /// Whether the server had kept it, or it was published so and the subscription asked for
    /// that to be told.
    pub retain: bool,
    /// Whether the server says that it may have delivered it before.
    pub dup: bool,
    /// What else the publisher said.
    pub properties: Arc<MessageProperties>,
    pub(crate) receipt: Option<Receipt>,
}

/// What came with a message besides topic and payload (section 3.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageProperties {
    /// Whether the payload is text.
    pub payload_format: Option<PayloadFormat>,
    /// Seconds until the message expires, as they were when the server sent it.
    pub message_expiry_interval: Option<u32>,
    /// What the payload is, for example a MIME type.
    pub content_type: Option<String>,
    /// Where an answer is awaited.
    pub response_topic: Option<String>,
    /// What an answer has to carry.
    pub correlation_data: Option<Bytes>,
    /// Names and values, in their order.
    pub user_properties: Vec<(String, String)>,
}

impl Message {
    pub(crate) fn of(
        message: &mqtt_session::Message<'_>,
        topic: Arc<str>,
        payload: Bytes,
        receipt: Option<Receipt>,
    ) -> Self {
        Self {
            topic,
            payload,
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            properties: MessageProperties::of(&message.properties),
            receipt,
        }
    }

    /// Whether both are what was published once, as far as can be seen.
    pub(crate) fn is_copy_of(&self, other: &Self) -> bool {
        let heads = |message: &Self| (message.qos, message.retain);
        heads(self) == heads(other)
            && self.topic == other.topic
            && self.payload == other.payload
            && self.properties == other.properties
    }

    pub(crate) fn without_receipt(&self) -> Self {
        Self {
            receipt: None,
            ..self.clone()
        }
    }

    /// The payload as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.payload)
    }

    /// Acknowledges it, where [`Options::manual_acknowledgement`](crate::Options::manual_acknowledgement)
    /// leaves that to the application. Messages may be acknowledged in any order; the packets
    /// leave in the order of arrival (MQTT-4.6.0-2).
    ///
    /// # Errors
    /// See [`AcknowledgeError`]. A message that came over an earlier connection is stale: the
    /// server sends it again.
    pub fn acknowledge(&self) -> Result<(), AcknowledgeError> {
        self.acknowledge_with(ReasonCode::SUCCESS)
    }

    /// As [`Message::acknowledge`], with another reason code: 0x80 and above refuses the
    /// message, and the server does not send it again.
    ///
    /// # Errors
    /// See [`AcknowledgeError`].
    pub fn acknowledge_with(&self, reason: ReasonCode) -> Result<(), AcknowledgeError> {
        let receipt = self.receipt.as_ref().ok_or(AcknowledgeError::NotNeeded)?;
        let shared = receipt.shared.upgrade().ok_or(AcknowledgeError::Ended)?;
        shared.acknowledge(receipt.token, reason)
    }
}

impl Item for Message {
    fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("payload", &self.payload)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// What acknowledges a message, and where.
#[derive(Clone)]
pub(crate) struct Receipt {
    /// Messages lie in queues of the client's own: they must not keep it.
    pub(crate) shared: Weak<Shared>,
    pub(crate) token: AckToken,
}

/// A message that is longer than one read, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    payload: BytesMut,
    whole: Payloads,
}

impl Assembly {
    /// Takes a part; the whole payload when it was the last one.
    pub(crate) fn take(&mut self, message: &mqtt_session::Message<'_>) -> Option<Bytes> {
        if message.offset == 0 {
            if message.is_last() {
                return Some(self.whole.copy(message.payload));
            }
            self.payload.clear();
        }
        self.payload.extend_from_slice(message.payload);
        message
            .is_last()
            .then(|| std::mem::take(&mut self.payload).freeze())
    }

    /// The rest will not come.
    pub(crate) fn cut(&mut self) {
        self.payload = BytesMut::new();
    }
}

impl MessageProperties {
    pub(crate) fn of(properties: &Properties<'_>) -> Arc<Self> {
        static NONE: LazyLock<Arc<MessageProperties>> = LazyLock::new(Arc::default);
        let mut said = None;
        for property in properties {
            // What tells the client how to read the message tells the application nothing.
            if matches!(
                property,
                Property::SubscriptionIdentifier(_) | Property::TopicAlias(_)
            ) {
                continue;
            }
            let own: &mut Self = said.get_or_insert_default();
            match property {
                Property::PayloadFormatIndicator(format) => own.payload_format = Some(format),
                Property::MessageExpiryInterval(seconds) => {
                    own.message_expiry_interval = Some(seconds);
                }
                Property::ContentType(text) => own.content_type = Some(text.to_owned()),
                Property::ResponseTopic(topic) => {
                    own.response_topic = Some(topic.as_str().to_owned());
                }
                Property::CorrelationData(data) => {
                    own.correlation_data = Some(Bytes::copy_from_slice(data));
                }
                Property::UserProperty(name, value) => {
                    own.user_properties
                        .push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        said.map_or_else(|| Arc::clone(&NONE), Arc::new)
    }
}
