//! How a peer breaks the protocol, what it is told, and which statement says so.

use crate::words::{Plain, words};
use mqtt_proto::{DecodeError, PacketType, ReasonCode, Sender};

/// What the peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)] // So that what a [`Breach`] says lies in the same places.
pub enum Violation {
    /// A packet that is wrong by itself.
    Packet(DecodeError),
    /// A packet that may not come now.
    Unexpected(PacketType),
    /// A packet larger than the input buffer, or a PUBLISH header larger than half of it.
    LargerThanBuffer,
    /// Session Present in answer to Clean Start.
    SessionPresentAfterCleanStart,
    /// Session Present without a session here.
    UnknownSession,
    /// No Assigned Client Identifier for an empty one.
    NoAssignedClientIdentifier,
    /// An Assigned Client Identifier though the client sent its own.
    UnwantedClientIdentifier,
    /// The Assigned Client Identifier is longer than the store can keep.
    ClientIdentifierTooLong,
    /// An Authentication Method that is missing or not the one of CONNECT.
    AuthenticationMethod,
    /// AUTH with a reason code that does not fit the state.
    AuthenticationReason(ReasonCode),
    /// More unacknowledged messages than Receive Maximum allows.
    ReceiveMaximum,
    /// A topic alias above Topic Alias Maximum.
    TopicAlias(u16),
    /// An empty topic name with an alias that was never set.
    UnknownTopicAlias(u16),
    /// A topic for an alias that is longer than the store can keep.
    TopicAliasTooLong,
    /// An acknowledgement of the wrong kind for its packet identifier.
    WrongAcknowledgement(PacketType),
    /// A refusing PUBREC after PUBREL, or PUBREL before PUBREC.
    OutOfOrder(PacketType),
    /// A packet whose answer is larger than its sender takes, or than can be sent.
    AnswerTooLarge(PacketType),
    /// SUBACK or UNSUBACK with another number of reason codes than filters.
    ReasonCodeCount(PacketType),
    /// Reason String or User Property though Request Problem Information was 0.
    ProblemInformation(PacketType),
    /// A QoS above the server's maximum.
    QoSNotSupported,
    /// A retained message for a server that keeps none.
    RetainNotSupported,
    /// A Session Expiry Interval in DISCONNECT though CONNECT had none above 0.
    SessionExpiry,
}

/// What the peer did wrong beside sending a packet that is wrong by itself, as small as it is handed
/// on within the machine: each stands for the [`Violation`] of its name, and has its number, so that
/// there is nothing to look up.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Breach {
    Unexpected(PacketType) = 1,
    LargerThanBuffer = 2,
    SessionPresentAfterCleanStart = 3,
    UnknownSession = 4,
    NoAssignedClientIdentifier = 5,
    UnwantedClientIdentifier = 6,
    ClientIdentifierTooLong = 7,
    AuthenticationMethod = 8,
    #[cfg(feature = "auth")]
    AuthenticationReason(ReasonCode) = 9,
    ReceiveMaximum = 10,
    TopicAlias(u16) = 11,
    #[cfg(feature = "topic-alias")]
    UnknownTopicAlias(u16) = 12,
    #[cfg(feature = "topic-alias")]
    TopicAliasTooLong = 13,
    WrongAcknowledgement(PacketType) = 14,
    OutOfOrder(PacketType) = 15,
    ReasonCodeCount(PacketType) = 17,
    ProblemInformation(PacketType) = 18,
}

impl From<Breach> for Violation {
    #[inline]
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::Unexpected(packet) => Self::Unexpected(packet),
            Breach::LargerThanBuffer => Self::LargerThanBuffer,
            Breach::SessionPresentAfterCleanStart => Self::SessionPresentAfterCleanStart,
            Breach::UnknownSession => Self::UnknownSession,
            Breach::NoAssignedClientIdentifier => Self::NoAssignedClientIdentifier,
            Breach::UnwantedClientIdentifier => Self::UnwantedClientIdentifier,
            Breach::ClientIdentifierTooLong => Self::ClientIdentifierTooLong,
            Breach::AuthenticationMethod => Self::AuthenticationMethod,
            #[cfg(feature = "auth")]
            Breach::AuthenticationReason(reason) => Self::AuthenticationReason(reason),
            Breach::ReceiveMaximum => Self::ReceiveMaximum,
            Breach::TopicAlias(alias) => Self::TopicAlias(alias),
            #[cfg(feature = "topic-alias")]
            Breach::UnknownTopicAlias(alias) => Self::UnknownTopicAlias(alias),
            #[cfg(feature = "topic-alias")]
            Breach::TopicAliasTooLong => Self::TopicAliasTooLong,
            Breach::WrongAcknowledgement(packet) => Self::WrongAcknowledgement(packet),
            Breach::OutOfOrder(packet) => Self::OutOfOrder(packet),
            Breach::ReasonCodeCount(packet) => Self::ReasonCodeCount(packet),
            Breach::ProblemInformation(packet) => Self::ProblemInformation(packet),
        }
    }
}

impl Violation {
    /// Becomes this one, as a whole: where the compiler sees of what it is made, it copies that in parts
    /// which are no words.
    pub(crate) const fn set(&mut self, violation: &Self) {
        *self = *violation;
    }

    /// The reason code that goes to the peer in DISCONNECT.
    #[must_use]
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Packet(error) => error.reason(),
            Self::AnswerTooLarge(_) => ReasonCode::PACKET_TOO_LARGE,
            Self::QoSNotSupported => ReasonCode::QOS_NOT_SUPPORTED,
            Self::RetainNotSupported => ReasonCode::RETAIN_NOT_SUPPORTED,
            _ => self.reason_of_servers(),
        }
    }

    /// The same of what a server did: there is less to tell apart.
    pub(crate) fn reason_of_servers(&self) -> ReasonCode {
        match self {
            Self::Packet(error) => error.reason_of_servers(),
            Self::LargerThanBuffer => ReasonCode::PACKET_TOO_LARGE,
            Self::ReceiveMaximum => ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
            Self::TopicAlias(_) => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::TopicAliasTooLong | Self::ClientIdentifierTooLong => ReasonCode::QUOTA_EXCEEDED,
            _ => ReasonCode::PROTOCOL_ERROR,
        }
    }

    /// Whether it is about such a packet by itself.
    #[cfg(feature = "broker")]
    pub(crate) fn is_of(&self, packet: PacketType) -> bool {
        matches!(self, Self::Packet(error) if error.packet_type() == Some(packet))
    }

    /// The statement of the standard that a server broke with it, or the section that rules it.
    #[must_use]
    pub fn statement(&self) -> &'static str {
        self.statement_for(Sender::Server)
    }

    /// The statement of the standard that the sender broke with it, or the section that rules it.
    ///
    /// ```
    /// use mqtt_proto::Sender;
    /// use mqtt_session::Violation;
    ///
    /// let violation = Violation::ReceiveMaximum;
    /// assert_eq!(violation.statement_for(Sender::Client), "MQTT-3.3.4-7");
    /// assert_eq!(violation.statement_for(Sender::Server), "MQTT-3.3.4-9");
    /// ```
    #[must_use]
    pub fn statement_for(&self, sender: Sender) -> &'static str {
        match (self, sender) {
            (Self::ReceiveMaximum, Sender::Client) => "MQTT-3.3.4-7",
            (Self::TopicAlias(0), Sender::Client) => "MQTT-3.3.2-8",
            (Self::TopicAlias(_), Sender::Client) => "MQTT-3.3.2-9",
            (Self::Unexpected(PacketType::Auth), Sender::Client) => "MQTT-4.12.0-7",
            (Self::Unexpected(PacketType::Connect), _) => "MQTT-3.1.0-2",
            (Self::Unexpected(_), Sender::Client) => "MQTT-3.1.0-1",
            (violation, _) => violation.statement_of_server(),
        }
    }

    fn statement_of_server(&self) -> &'static str {
        match self {
            Self::Packet(error) => error.statement(),
            Self::Unexpected(PacketType::ConnAck) => "MQTT-3.2.0-2",
            Self::Unexpected(PacketType::Disconnect) => "MQTT-3.14.0-1",
            Self::Unexpected(PacketType::Auth) => "MQTT-4.12.0-6",
            Self::Unexpected(_) => "MQTT-3.2.0-1",
            Self::LargerThanBuffer => "section 3.1.2.11.4",
            Self::SessionPresentAfterCleanStart => "MQTT-3.2.2-2",
            Self::UnknownSession => "MQTT-3.2.2-4",
            Self::NoAssignedClientIdentifier => "MQTT-3.1.3-7",
            Self::UnwantedClientIdentifier | Self::ClientIdentifierTooLong => "MQTT-3.2.2-16",
            Self::AuthenticationMethod => "MQTT-4.12.0-5",
            Self::AuthenticationReason(_) => "MQTT-4.12.0-2",
            Self::ReceiveMaximum => "MQTT-3.3.4-9",
            Self::TopicAlias(_) => "MQTT-3.3.2-11",
            Self::UnknownTopicAlias(_) => "MQTT-3.3.2-7",
            Self::TopicAliasTooLong => "MQTT-3.3.2-10",
            Self::WrongAcknowledgement(_) => "MQTT-2.2.1-5",
            Self::OutOfOrder(_) => "section 4.3.3",
            Self::AnswerTooLarge(_) => "MQTT-3.1.2-24",
            Self::ReasonCodeCount(PacketType::UnsubAck) => "MQTT-3.10.4-6",
            Self::ReasonCodeCount(_) => "MQTT-3.8.4-6",
            Self::ProblemInformation(_) => "MQTT-3.1.2-29",
            Self::QoSNotSupported => "MQTT-3.2.2-11",
            Self::RetainNotSupported => "MQTT-3.2.2-14",
            Self::SessionExpiry => "section 3.14.2.2.2",
        }
    }
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self::Packet(error)
    }
}

words! { Violation:
    violation => "{}", Told(violation, Sender::Server);
}

/// A violation as it is told of this sender: what was done, which statement says so, and what it
/// is answered.
pub(crate) struct Told<'a>(pub(crate) &'a Violation, pub(crate) Sender);

words! { Told<'_>:
    Self(Violation::Packet(error), _) => "{}", error;
    Self(violation, sender) => "{} ({}, answer {:#04x})",
        Done(violation), Plain(violation.statement_for(*sender)), violation.reason().value();
}

/// What was done, alone.
struct Done<'a>(&'a Violation);

words! { Done<'_>:
    Self(Violation::Packet(error)) => "{}", error;
    Self(Violation::Unexpected(packet)) => "{} may not come now", packet;
    Self(Violation::LargerThanBuffer) => "packet does not fit the input buffer";
    Self(Violation::SessionPresentAfterCleanStart) => "session present in answer to clean start";
    Self(Violation::UnknownSession) => "session present, but there is no session on this side";
    Self(Violation::NoAssignedClientIdentifier) =>
        "no client identifier assigned in answer to an empty one";
    Self(Violation::UnwantedClientIdentifier) =>
        "client identifier assigned though the client sent its own";
    Self(Violation::ClientIdentifierTooLong) =>
        "assigned client identifier is longer than the store can keep";
    Self(Violation::AuthenticationMethod) =>
        "authentication method is missing or not the one of CONNECT";
    Self(Violation::AuthenticationReason(reason)) => "AUTH may not say {} now", reason;
    Self(Violation::ReceiveMaximum) => "more unacknowledged messages than allowed";
    Self(Violation::TopicAlias(alias)) => "topic alias {} is above the maximum", alias;
    Self(Violation::UnknownTopicAlias(alias)) => "topic alias {} was never set", alias;
    Self(Violation::TopicAliasTooLong) => "topic for an alias is longer than the store can keep";
    Self(Violation::WrongAcknowledgement(packet)) =>
        "{} is the wrong answer for this packet identifier", packet;
    Self(Violation::OutOfOrder(packet)) => "{} out of order", packet;
    Self(Violation::AnswerTooLarge(packet)) => "the answer to {} is too large to be sent", packet;
    Self(Violation::ReasonCodeCount(packet)) =>
        "{} has another number of reason codes than filters", packet;
    Self(Violation::ProblemInformation(packet)) =>
        "{} carries problem information that was not requested", packet;
    Self(Violation::QoSNotSupported) => "the QoS is above the server's maximum";
    Self(Violation::RetainNotSupported) => "retained, though the server keeps no messages";
    Self(Violation::SessionExpiry) => "session expiry interval though CONNECT had none above 0";
}

impl core::error::Error for Violation {}
