//! What can go wrong, sorted by whose doing it is.

use crate::address::AddressError;
use crate::options::Options;
use crate::tls_error::TlsError;
use crate::websocket_error::WebSocketError;
use mqtt_session::{
    AcknowledgeError as Refusal, Cause as MachineCause, GiveUp, ReasonCode, RequestError,
    TopicError, Violation,
};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a connection ended or did not come about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    // The network's doing: trying again may help.
    /// The name of the host has no address.
    UnknownHost {
        /// The host.
        host: String,
        /// What the resolver said.
        error: Arc<io::Error>,
    },
    /// None of the host's addresses took the connection.
    Unreachable {
        /// Host and port.
        address: String,
        /// What the last attempt ended with.
        error: Arc<io::Error>,
    },
    /// The stream could not be opened, or the function that opens it failed.
    NotOpened(Arc<io::Error>),
    /// Reading or writing failed.
    Broken(Arc<io::Error>),
    /// The peer closed the stream without a word.
    StreamClosed,
    /// TLS could not be agreed on, or broke.
    Tls(TlsError),
    /// WebSocket could not be agreed on, or broke.
    WebSocket(WebSocketError),
    /// Something took longer than its limit.
    TimedOut {
        /// What did not happen.
        what: Awaited,
        /// The limit.
        limit: Duration,
    },

    // The server's doing.
    /// The server refused the connection.
    Refused {
        /// Why.
        reason: ReasonCode,
        /// Why, in the server's words.
        reason_string: Option<String>,
        /// Which server to use instead.
        server_reference: Option<String>,
    },
    /// The server ended the connection.
    ServerDisconnect {
        /// Why.
        reason: ReasonCode,
        /// Why, in the server's words.
        reason_string: Option<String>,
        /// Which server to use instead.
        server_reference: Option<String>,
    },
    /// The server broke the protocol.
    Violation(Violation),

    // The application's doing.
    /// The options make a CONNECT packet that cannot be sent.
    Options(mqtt_session::ConnectError),
    /// The payload of a message ended too early, or could not be read: nothing else could follow
    /// on that connection. The message's token says more.
    PayloadUnfinished,
    /// The topic of the will is not a topic name.
    WillTopic(TopicError),
    /// The function that gives the credentials failed.
    Credentials(Arc<dyn std::error::Error + Send + Sync>),
    /// The application closed the client, or dropped its last handle.
    Closed,
    /// The client's thread or task ended by a panic, or the function that opens streams panicked.
    Panicked,
    /// The runtime that drove the client was shut down.
    RuntimeGone,
}

/// What a time limit was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Awaited {
    /// The stream to be opened, name resolution included.
    Open,
    /// The server to accept.
    Accept,
    /// The answer to a ping.
    Pong,
    /// An acknowledgement.
    Acknowledgement,
    /// The stream to take a byte.
    Write,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost { host, error } => {
                write!(f, "the host {host:?} is not known: {error}; check the name")
            }
            Self::Unreachable { address, error } => match error.kind() {
                io::ErrorKind::ConnectionRefused => write!(
                    f,
                    "nothing listens at {address}: is the server running, and is that its port?"
                ),
                _ => write!(f, "{address} cannot be reached: {error}"),
            },
            Self::NotOpened(error) => write!(f, "the stream could not be opened: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::StreamClosed => f.write_str("the other side closed the connection"),
            Self::Tls(error) => error.fmt(f),
            Self::WebSocket(error) => error.fmt(f),
            Self::TimedOut { what, limit } => {
                let what = match what {
                    Awaited::Open => "the connection was not open",
                    Awaited::Accept => {
                        "the server did not accept, if it is an MQTT 5 server at all,"
                    }
                    Awaited::Pong => "the server did not answer a ping",
                    Awaited::Acknowledgement => "the server did not acknowledge",
                    Awaited::Write => "the connection took no bytes",
                };
                write!(f, "{what} within {limit:?}")
            }
            Self::Refused {
                reason,
                reason_string,
                server_reference,
            } => {
                write!(f, "the server refused the connection: {reason}")?;
                in_words(f, reason_string, server_reference)
            }
            Self::ServerDisconnect {
                reason,
                reason_string,
                server_reference,
            } => {
                write!(f, "the server disconnected: {reason}")?;
                in_words(f, reason_string, server_reference)
            }
            Self::Violation(violation) => write!(f, "the server broke the protocol: {violation}"),
            Self::Options(error) => write!(f, "the options cannot be sent: {error}"),
            Self::PayloadUnfinished => {
                f.write_str("a payload could not be drawn from the application to its end")
            }
            Self::WillTopic(error) => write!(f, "the topic of the will: {error}"),
            Self::Credentials(error) => write!(f, "there are no credentials: {error}"),
            Self::Closed => f.write_str("the client was closed"),
            Self::Panicked => f.write_str("the client's thread panicked"),
            Self::RuntimeGone => f.write_str("the runtime that drove the client was shut down"),
        }
    }
}

fn in_words(
    f: &mut fmt::Formatter<'_>,
    reason_string: &Option<String>,
    server_reference: &Option<String>,
) -> fmt::Result {
    if let Some(words) = reason_string {
        write!(f, ", {words:?}")?;
    }
    if let Some(server) = server_reference {
        write!(f, "; it refers to {server}")?;
    }
    Ok(())
}

impl std::error::Error for Cause {}

impl Cause {
    /// What the machine says of the end of a connection, where nothing more is known of it.
    pub(crate) fn of(cause: MachineCause, options: &Options) -> Self {
        let timed_out = |what, limit| Self::TimedOut { what, limit };
        match cause {
            MachineCause::Refused(reason) => Self::Refused {
                reason,
                reason_string: None,
                server_reference: None,
            },
            MachineCause::ServerDisconnect(reason) => Self::ServerDisconnect {
                reason,
                reason_string: None,
                server_reference: None,
            },
            MachineCause::Violation(violation) => Self::Violation(violation),
            MachineCause::ConnectTimeout => timed_out(Awaited::Accept, options.connect_timeout),
            MachineCause::PingTimeout => timed_out(Awaited::Pong, options.ping_timeout),
            MachineCause::AckTimeout => timed_out(Awaited::Acknowledgement, options.ack_timeout),
            MachineCause::SendTimeout => timed_out(Awaited::Write, options.ack_timeout),
            MachineCause::PayloadUnfinished => Self::PayloadUnfinished,
            MachineCause::Stopped => Self::Closed,
            _ => Self::StreamClosed,
        }
    }
}

impl Cause {
    /// What a stream ended with. A layer over it knows more than that something broke.
    #[must_use]
    pub fn broken(error: io::Error) -> Self {
        Self::told(&error).unwrap_or_else(|| Self::Broken(Arc::new(error)))
    }

    fn told(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?;
        let tls = || inner.downcast_ref().cloned().map(Self::Tls);
        let websocket = || inner.downcast_ref().cloned().map(Self::WebSocket);
        tls().or_else(websocket)
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::told(&error).unwrap_or_else(|| Self::NotOpened(Arc::new(error)))
    }
}

impl From<TlsError> for Cause {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// Why a client could not be connected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none.
    Address(AddressError),
    /// The settings for TLS cannot be used.
    Tls(TlsError),
    /// The operating system gave no thread, or nothing to wait on.
    System(Arc<io::Error>),
    /// The client needs a runtime to be driven by, and was not made inside of one.
    NoRuntime,
    /// The connection did not come about.
    NotConnected(Cause),
}

impl From<AddressError> for ConnectError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl From<TlsError> for ConnectError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::System(Arc::new(error))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::System(error) => write!(f, "the client's thread cannot be started: {error}"),
            Self::NoRuntime => {
                f.write_str("there is no runtime here: make the client inside of one")
            }
            Self::NotConnected(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why a message was not accepted for publishing. Nothing has changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic is not a topic name.
    Topic(TopicError),
    /// The response topic is not a topic name.
    ResponseTopic(TopicError),
    /// Larger than the whole queue may ever be.
    LargerThanQueue {
        /// Bytes of topic and payload.
        len: usize,
        /// What [`Options::queue`](crate::Options::queue) allows.
        maximum: usize,
    },
    /// The queue is full, and [`WhenFull::Refuse`](crate::WhenFull::Refuse) or its time limit
    /// wants that to be told.
    QueueFull,
    /// The message cannot be sent, or the server does not allow it.
    Refused(RequestError),
    /// The client is closing or has ended.
    Ended(Cause),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::ResponseTopic(error) => write!(f, "response topic: {error}"),
            Self::LargerThanQueue { len, maximum } => {
                write!(f, "{len} bytes do not fit a queue of {maximum}")
            }
            Self::QueueFull => f.write_str("the queue of messages to be sent is full"),
            Self::Refused(error) => error.fmt(f),
            Self::Ended(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for PublishError {}

/// Why an accepted message did not end with the server's acknowledgement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The server refused the message.
    Refused {
        /// Why, 0x80 or above.
        reason: ReasonCode,
        /// Why, in the server's words.
        reason_string: Option<String>,
    },
    /// It was given up.
    GivenUp(GiveUp),
    /// Its payload was to be drawn from the application, and ended too early or could not be
    /// read. The server has not got the message by this attempt.
    Source(Arc<io::Error>),
    /// The client has ended first: the server may have the message or not.
    Ended(Cause),
    /// The time given for waiting is over; the message goes on, and waiting again is possible.
    TimedOut,
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                reason,
                reason_string,
            } => {
                write!(f, "the server refused the message: {reason}")?;
                in_words(f, reason_string, &None)
            }
            Self::GivenUp(cause) => cause.fmt(f),
            Self::Source(error) => write!(f, "its payload could not be drawn: {error}"),
            Self::Ended(cause) => write!(f, "not acknowledged: {cause}"),
            Self::TimedOut => f.write_str("not acknowledged yet"),
        }
    }
}

impl std::error::Error for DeliveryError {}

/// Why there is no subscription, or why it could not be ended in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The filter is not a topic filter.
    Filter(TopicError),
    /// The request cannot be sent, or the server does not support it.
    Invalid(RequestError),
    /// The server refused.
    Refused {
        /// Why, 0x80 or above.
        reason: ReasonCode,
        /// Why, in the server's words.
        reason_string: Option<String>,
    },
    /// One filter of several, for which there was to be one stream.
    OneOf {
        /// The filter.
        filter: Box<str>,
        /// What is wrong with it.
        error: Box<SubscribeError>,
    },
    /// There was to be a stream, and for no filter.
    NoFilter,
    /// The client is closing or has ended.
    Ended(Cause),
    /// The server did not answer within the time limit.
    TimedOut,
}

impl SubscribeError {
    /// The same, for one filter of several.
    pub(crate) fn for_one_of_several(self, filter: &str) -> Self {
        match self {
            Self::Filter(_) | Self::Invalid(_) | Self::Refused { .. } => Self::OneOf {
                filter: filter.into(),
                error: Box::new(self),
            },
            Self::OneOf { .. } | Self::NoFilter | Self::Ended(_) | Self::TimedOut => self,
        }
    }
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(error) => error.fmt(f),
            Self::Invalid(error) => error.fmt(f),
            Self::Refused {
                reason,
                reason_string,
            } => {
                write!(f, "the server refused: {reason}")?;
                in_words(f, reason_string, &None)
            }
            Self::OneOf { filter, error } => write!(f, "{filter:?}: {error}"),
            Self::NoFilter => f.write_str("there is no filter to subscribe to"),
            Self::Ended(cause) => cause.fmt(f),
            Self::TimedOut => f.write_str("the server did not answer in time"),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// Why a request has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnswerError {
    /// The topic that answers come to could not be subscribed.
    Subscribe(SubscribeError),
    /// The request was not accepted for publishing.
    Publish(PublishError),
    /// The request did not reach the server, or was refused.
    Delivery(DeliveryError),
    /// Nobody has subscribed to the topic of the request, says the server.
    NoSubscriber,
    /// No answer came in time.
    TimedOut,
    /// The client has ended first.
    Ended(Cause),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribe(error) => write!(f, "answers cannot be received: {error}"),
            Self::Publish(error) => error.fmt(f),
            Self::Delivery(error) => error.fmt(f),
            Self::NoSubscriber => f.write_str("nobody subscribes to the topic of the request"),
            Self::TimedOut => f.write_str("no answer came in time"),
            Self::Ended(cause) => write!(f, "no answer came: {cause}"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Why a message could not be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcknowledgeError {
    /// It has nothing to acknowledge: it came at QoS 0, or the client acknowledges by itself.
    NotNeeded,
    /// The client has ended.
    Ended,
    /// The machine refused, see there.
    Refused(Refusal),
}

impl fmt::Display for AcknowledgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded => f.write_str("there is nothing to acknowledge"),
            Self::Ended => f.write_str("the client has ended"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AcknowledgeError {}

/// What was left when a client was closed: accepted, and not acknowledged by its deadline. The
/// server may have some of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Undelivered {
    /// Messages of QoS 0 that the stream did not take.
    pub at_most_once: usize,
    /// Messages of QoS 1 without an acknowledgement.
    pub at_least_once: usize,
    /// Messages of QoS 2 without an acknowledgement.
    pub exactly_once: usize,
    /// Bytes of their topics and payloads.
    pub bytes: usize,
}

impl Undelivered {
    /// How many messages that is.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.at_most_once + self.at_least_once + self.exactly_once
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages were not acknowledged ({} at QoS 0, {} at QoS 1, {} at QoS 2; {} bytes)",
            self.messages(),
            self.at_most_once,
            self.at_least_once,
            self.exactly_once,
            self.bytes
        )
    }
}

impl std::error::Error for Undelivered {}
