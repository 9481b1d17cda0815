//! A message as the application describes it, before it is handed over.

use crate::accept::Request;
use crate::draw::PayloadSource;
use crate::error::PublishError;
use crate::message::Message;
use crate::options::whole_seconds;
use bytes::Bytes;
use mqtt_session::{PayloadFormat, Property, Publish, QoS, TopicError, TopicName};
use std::io::{self, Read, Seek};
use std::time::Duration;

/// A message to be published, made by the `publish` of a client or of a broker. Nothing happens
/// before [`send`](Publication::send).
#[derive(Debug)]
#[must_use = "a message leaves when it is sent"]
pub struct Publication<'a, To> {
    to: &'a To,
    topic: &'a str,
    payload: Bytes,
    source: Option<PayloadSource>,
    qos: QoS,
    retain: bool,
    expiry: Option<u32>,
    properties: Vec<Property<'a>>,
    response_topic: Result<(), TopicError>,
}

/// Which topic of a publication is not a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongTopic {
    /// Its own.
    Topic(TopicError),
    /// That of the answer.
    ResponseTopic(TopicError),
}

impl From<WrongTopic> for PublishError {
    fn from(wrong: WrongTopic) -> Self {
        match wrong {
            WrongTopic::Topic(error) => Self::Topic(error),
            WrongTopic::ResponseTopic(error) => Self::ResponseTopic(error),
        }
    }
}

/// What takes messages: a client, or a broker of this program.
pub trait Target: Sized {
    /// What comes of handing one over, or waits for that.
    type Sent<'a>
    where
        Self: 'a;

    /// Hands a message over.
    fn send<'a>(publication: Publication<'a, Self>) -> Self::Sent<'a>;
}

/// A target that takes messages whose payload is drawn from the application while they are sent.
pub trait Draws: Target {}

impl<To: Draws> Publication<'_, To> {
    /// Has the payload drawn from the application while it is sent, `len` bytes of it, instead of
    /// that given to `publish`: so it need not lie in memory, nor fit into the queue.
    ///
    /// `draw` is called with an offset and the place for what comes there; it says how many bytes
    /// it put there, one at least. The offsets are in order, and begin at 0 again after a
    /// connection was lost. It is called by what drives the client, which does nothing else
    /// meanwhile: it is to give what it has, and not to wait for long.
    ///
    /// Where it fails or ends too early, the token resolves to
    /// [`DeliveryError::Source`](crate::DeliveryError::Source). The server was told the length
    /// then, so that the connection has to be closed; it is made again, and all else goes on.
    /// It resolves to the same where [`Options::store_in`](crate::Options::store_in) keeps the
    /// session and the program ends first: the next one has no source for the message and gives
    /// it up, even where the server has got all of it already.
    pub fn draw_from(
        mut self,
        len: usize,
        draw: impl FnMut(usize, &mut [u8]) -> io::Result<usize> + Send + 'static,
    ) -> Self {
        self.source = Some(PayloadSource::new(len, draw));
        self
    }

    /// As [`Publication::draw_from`], with `len` bytes of a reader, such as a file, from where it
    /// is now.
    pub fn read_from(mut self, len: usize, reader: impl Read + Seek + Send + 'static) -> Self {
        self.source = Some(PayloadSource::reading(len, reader));
        self
    }
}

impl<'a, To: Target> Publication<'a, To> {
    /// Hands the message over. Where the target is a client, the message is in its queue when
    /// that has succeeded, and leaves as soon as there is a connection and the server lets it;
    /// what becomes of it is told by the token. Where the queue is full,
    /// [`WhenFull`](crate::WhenFull) says what happens.
    pub fn send(self) -> To::Sent<'a> {
        To::send(self)
    }
}

impl<'a, To> Publication<'a, To> {
    /// At QoS 0, not retained, without properties.
    pub fn new(to: &'a To, topic: &'a str, payload: Bytes) -> Self {
        Self {
            to,
            topic,
            payload,
            source: None,
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

    /// Sets a property: what was said before of the same counts no more.
    fn property(mut self, property: Property<'a>) -> Self {
        if !matches!(property, Property::UserProperty(..)) {
            let other = |former: &Property<'_>| former.id() != property.id();
            self.properties.retain(other);
        }
        self.properties.push(property);
        self
    }

    /// The answer to a request: to its response topic, with its correlation data. None where
    /// the message asks for no answer.
    pub fn answering(to: &'a To, request: &'a Message, payload: Bytes) -> Option<Self> {
        let topic = request.properties.response_topic.as_deref()?;
        let answer = Self::new(to, topic, payload).qos(request.qos);
        Some(match &request.properties.correlation_data {
            Some(data) => answer.correlation_data(data),
            None => answer,
        })
    }

    /// After how long it is of no use, if that was said.
    pub fn lifetime(&self) -> Option<Duration> {
        let seconds = self.expiry?;
        Some(Duration::from_secs(seconds.into()))
    }

    /// Where it goes.
    pub fn to(&self) -> &'a To {
        self.to
    }

    /// What a machine is handed, its topics checked.
    ///
    /// # Errors
    /// See [`WrongTopic`].
    pub fn request(&self) -> Result<Request<'_>, WrongTopic> {
        self.response_topic.map_err(WrongTopic::ResponseTopic)?;
        let topic = TopicName::new(self.topic).map_err(WrongTopic::Topic)?;
        let publish = Publish::new(topic, &self.payload)
            .qos(self.qos)
            .retain(self.retain)
            .properties(&self.properties);
        Ok(Request {
            topic: self.topic,
            publish: match self.expiry {
                Some(seconds) => publish.message_expiry_interval(seconds),
                None => publish,
            },
            payload: &self.payload,
            source: self.source.as_ref(),
            qos: self.qos,
            size: self.topic.len() + self.payload.len(),
            expires: self.expiry.is_some(),
        })
    }
}
