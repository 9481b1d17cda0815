//! A message on its way into the queue.

use crate::client::Client;
use crate::token::Token;
use crate::wait::wait;
use bytes::Bytes;
use mqtt_driver::{PublishError, Request, whole_seconds};
use mqtt_session::{PayloadFormat, Property, Publish, QoS, TopicError, TopicName};
use std::time::{Duration, Instant};

/// A message to be published, made by [`Client::publish`] or by a broker's `publish`. Nothing
/// happens before [`send`](Publication::send).
#[derive(Debug)]
#[must_use = "a message leaves with `send`"]
pub struct Publication<'a, To = Client> {
    pub(crate) to: &'a To,
    pub(crate) topic: &'a str,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    expiry: Option<u32>,
    properties: Vec<Property<'a>>,
    pub(crate) response_topic: Result<(), TopicError>,
}

impl<'a, To> Publication<'a, To> {
    pub(crate) fn new(to: &'a To, topic: &'a str, payload: Bytes) -> Self {
        Self {
            to,
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            expiry: None,
            properties: Vec::new(),
            response_topic: Ok(()),
        }
    }

    /// How often it is to arrive: at most once by default, at least once, or exactly once.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the server keeps it for later subscribers.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// After how long it is of no use, in whole seconds. It counts from now: what has not left
    /// by then is given up, and what has left is dropped by the server.
    pub fn expiry(mut self, span: Duration) -> Self {
        self.expiry = Some(whole_seconds(span));
        self
    }

    /// What the payload is, for example a MIME type.
    pub fn content_type(self, content_type: &'a str) -> Self {
        self.property(Property::ContentType(content_type))
    }

    /// Whether the payload is text.
    pub fn payload_format(self, format: PayloadFormat) -> Self {
        self.property(Property::PayloadFormatIndicator(format))
    }

    /// Where an answer is awaited.
    pub fn response_topic(mut self, topic: &'a str) -> Self {
        match TopicName::new(topic) {
            Ok(topic) => self.property(Property::ResponseTopic(topic)),
            Err(error) => {
                self.response_topic = Err(error);
                self
            }
        }
    }

    /// What an answer has to carry.
    pub fn correlation_data(self, data: &'a [u8]) -> Self {
        self.property(Property::CorrelationData(data))
    }

    /// Adds a user property.
    pub fn user_property(self, name: &'a str, value: &'a str) -> Self {
        self.property(Property::UserProperty(name, value))
    }

    fn property(mut self, property: Property<'a>) -> Self {
        self.properties.push(property);
        self
    }

    /// What the machine is handed, its topic checked.
    pub(crate) fn publish<'b>(&'b self, topic: TopicName<'b>) -> Publish<'b> {
        let publish = Publish::new(topic, &self.payload)
            .qos(self.qos)
            .retain(self.retain)
            .properties(&self.properties);
        match self.expiry {
            Some(seconds) => publish.message_expiry_interval(seconds),
            None => publish,
        }
    }
}

impl Publication<'_> {
    /// Hands the message over. When this returns it is in the queue, and leaves as soon as there
    /// is a connection and the server lets it; what becomes of it is told by the token.
    ///
    /// Where the queue is full, [`WhenFull`](crate::WhenFull) says what happens.
    ///
    /// # Errors
    /// See [`PublishError`]; nothing has changed then.
    pub fn send(self) -> Result<Token, PublishError> {
        self.response_topic.map_err(PublishError::ResponseTopic)?;
        let topic = TopicName::new(self.topic).map_err(PublishError::Topic)?;
        let request = Request {
            publish: self.publish(topic),
            payload: &self.payload,
            qos: self.qos,
            size: self.topic.len() + self.payload.len(),
        };
        let shared = self.to.shared();
        let limit = shared.patience();
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let slot = wait(deadline, shared.accept(&request)).unwrap_or(Err(PublishError::QueueFull));
        Ok(Token {
            slot: slot?,
            qos: self.qos,
        })
    }
}
