//! What the machine tells the application besides messages.

use crate::instant::Instant;
use crate::violation::Violation;
use mqtt_proto::{Auth, ConnAck, Disconnect, Properties, ReasonCode, ReasonCodes};

/// What a call handed over, and what its one settling event names again.
///
/// A ticket is never issued twice by the same machine. Without the features `fast` and `alloc` it
/// has 32 bits, and comes again when 2^32 others were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(pub(crate) TicketNumber);

#[cfg(any(feature = "fast", feature = "alloc"))]
pub(crate) type TicketNumber = u64;
#[cfg(not(any(feature = "fast", feature = "alloc")))]
pub(crate) type TicketNumber = u32;

impl Ticket {
    /// The number of this ticket; tickets are issued in rising order.
    #[must_use]
    #[cfg_attr(
        any(feature = "fast", feature = "alloc"),
        expect(clippy::unnecessary_cast, reason = "there it is as wide")
    )]
    pub const fn number(self) -> u64 {
        self.0 as u64
    }

    /// The ticket that has this number.
    pub(crate) const fn of(number: u64) -> Self {
        Self(number as TicketNumber)
    }
}

/// Something the application should know. Borrowed parts live until the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event<'a> {
    /// The server accepted the connection.
    Connected(ConnAck<'a>),
    /// The server lost the session (Session Present = 0 where one was kept): its subscriptions
    /// are gone, and what was in flight follows [`Config`](crate::Config)'s policy.
    SessionLost,
    /// The server refused the connection; `Disconnected` follows.
    Refused(ConnAck<'a>),
    /// The server ended the connection; `Disconnected` follows.
    ServerDisconnect(Disconnect<'a>),
    /// The peer broke the protocol; it is told why, and `Disconnected` follows.
    Violation(Violation),
    /// The connection is over, or could not be made.
    Disconnected {
        /// Why.
        cause: Cause,
        /// When the machine will ask for the next transport; `None`: it will not.
        retry: Option<Instant>,
    },
    /// A publish is settled.
    Published {
        /// What [`Client::publish`](crate::Client::publish) returned.
        ticket: Ticket,
        /// The reason code of PUBACK or PUBREC, which may be a refusal (0x80 and above); success
        /// for QoS 0 when the transport has taken the last byte; or why it was given up.
        outcome: Result<ReasonCode, GiveUp>,
        /// The properties of PUBACK, of PUBCOMP, or of a PUBREC that refuses.
        properties: Properties<'a>,
    },
    /// The server took a QoS 2 message and said something with it: PUBREC with properties.
    /// The ticket is settled later, by PUBCOMP.
    Received {
        /// What [`Client::publish`](crate::Client::publish) returned.
        ticket: Ticket,
        /// PUBREC's reason code, below 0x80.
        reason: ReasonCode,
        /// PUBREC's properties.
        properties: Properties<'a>,
    },
    /// The server released a QoS 2 message that was delivered earlier and said something with it:
    /// PUBREL with properties. PUBCOMP is the machine's.
    Released {
        /// PUBREL's reason code.
        reason: ReasonCode,
        /// PUBREL's properties.
        properties: Properties<'a>,
    },
    /// A subscribe is answered: one reason code for each filter, in their order.
    Subscribed {
        /// What [`Client::subscribe`](crate::Client::subscribe) returned.
        ticket: Ticket,
        /// Granted QoS or failure for each filter (MQTT-3.9.3-1).
        reasons: ReasonCodes<'a>,
        /// SUBACK's properties.
        properties: Properties<'a>,
    },
    /// An unsubscribe is answered: one reason code for each filter, in their order.
    Unsubscribed {
        /// What [`Client::unsubscribe`](crate::Client::unsubscribe) returned.
        ticket: Ticket,
        /// The result for each filter (MQTT-3.11.3-1).
        reasons: ReasonCodes<'a>,
        /// UNSUBACK's properties.
        properties: Properties<'a>,
    },
    /// A subscribe or unsubscribe will not be answered.
    Unanswered {
        /// What the call returned.
        ticket: Ticket,
        /// Why.
        cause: GiveUp,
    },
    /// The server wants authentication to go on; answer with
    /// `Client::authenticate`.
    Challenge(Auth<'a>),
    /// A re-authentication succeeded.
    Reauthenticated(Auth<'a>),
    /// The next part of a payload is wanted that `Client::publish_drawn` announced: it goes where
    /// `Client::draw` points. This is told once for each part, and with the feature `draw` only.
    PayloadWanted {
        /// What `publish_drawn` returned.
        ticket: Ticket,
    },
    /// A message that was being delivered in parts will not be finished on this connection.
    /// A QoS 1 or QoS 2 message comes again, from its start.
    DeliveryCut,
}

/// Why something handed over did not end with the server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// The connection ended before a QoS 0 message was sent or a SUBSCRIBE or UNSUBSCRIBE was
    /// answered.
    ConnectionLost,
    /// The server lost the session before it acknowledged: it may have the message or not.
    OutcomeUnknown,
    /// A Clean Start threw the session away before the server acknowledged.
    SessionDiscarded,
    /// Its Message Expiry Interval passed before it was first sent.
    Expired,
    /// The server's Maximum Packet Size is smaller (MQTT-3.2.2-15).
    TooLarge,
    /// The server's Maximum QoS is lower (MQTT-3.2.2-11).
    QoSNotSupported,
    /// The server does not store retained messages (MQTT-3.2.2-14).
    RetainNotSupported,
    /// The server does not support wildcard subscriptions.
    WildcardsNotSupported,
    /// The server does not support shared subscriptions.
    SharedNotSupported,
    /// The server does not support subscription identifiers.
    SubscriptionIdentifiersNotSupported,
    /// The application called [`Client::abandon`](crate::Client::abandon).
    Abandoned,
    /// A payload drawn from the application was begun and not finished: the application abandoned
    /// it, or supplied nothing for [`Config::ack_timeout`](crate::Config::ack_timeout). The server
    /// got no whole message over that transport.
    PayloadUnfinished,
}

crate::words::words! { GiveUp:
    Self::ConnectionLost => "the connection was lost first";
    Self::OutcomeUnknown => "the server lost the session: the outcome is unknown";
    Self::SessionDiscarded => "a clean start discarded the session";
    Self::Expired => "the message expired before it was sent";
    Self::TooLarge => "larger than the server's maximum packet size";
    Self::QoSNotSupported => "above the server's maximum QoS";
    Self::RetainNotSupported => "the server does not support retained messages";
    Self::WildcardsNotSupported => "the server does not support wildcard subscriptions";
    Self::SharedNotSupported => "the server does not support shared subscriptions";
    Self::SubscriptionIdentifiersNotSupported =>
        "the server does not support subscription identifiers";
    Self::Abandoned => "abandoned by the application";
    Self::PayloadUnfinished => "the application did not supply the payload it announced";
}

impl core::error::Error for GiveUp {}

/// Why a connection ended or did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)] // What a client begins with is all zero, so that a static one takes no room in a program.
pub enum Cause {
    /// The transport ended without a word.
    TransportClosed,
    /// The transport could not be opened.
    NotOpened,
    /// The server refused the connection with this code.
    Refused(ReasonCode),
    /// The server sent DISCONNECT with this code.
    ServerDisconnect(ReasonCode),
    /// The peer broke the protocol.
    Violation(Violation),
    /// No accepting CONNACK within the time limit.
    ConnectTimeout,
    /// No answer to the AUTH of a re-authentication within the time limit.
    AuthTimeout,
    /// No PINGRESP within the time limit.
    PingTimeout,
    /// An acknowledgement did not come within the time limit.
    AckTimeout,
    /// The transport took no byte within the time limit.
    SendTimeout,
    /// The application called [`Client::stop`](crate::Client::stop).
    Stopped,
    /// A payload drawn from the application was begun and not finished, so that nothing else
    /// could follow on that transport.
    PayloadUnfinished,
}

impl Event<'_> {
    /// A publish is settled by the server, or by the transport, without properties.
    #[cfg(feature = "fast")]
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn published(ticket: Ticket, reason: ReasonCode) -> Self {
        Self::Published {
            ticket,
            outcome: Ok(reason),
            properties: Properties::EMPTY,
        }
    }
}

impl Cause {
    /// Whether connecting again the same way cannot help: the machine stops by itself then.
    ///
    /// ```
    /// use mqtt_session::{Cause, ReasonCode};
    ///
    /// assert!(Cause::Refused(ReasonCode::BAD_USER_NAME_OR_PASSWORD).is_permanent());
    /// assert!(!Cause::Refused(ReasonCode::SERVER_BUSY).is_permanent());
    /// assert!(Cause::ServerDisconnect(ReasonCode::SESSION_TAKEN_OVER).is_permanent());
    /// ```
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        *self == Self::Stopped || self.is_refusal()
    }

    /// Whether it is the server that will not have it otherwise.
    pub(crate) fn is_refusal(&self) -> bool {
        let (Self::Refused(reason) | Self::ServerDisconnect(reason)) = self else {
            return matches!(self, Self::Violation(Violation::UnknownSession));
        };
        matches!(
            *reason,
            ReasonCode::MALFORMED_PACKET
                | ReasonCode::PROTOCOL_ERROR
                | ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
                | ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
                | ReasonCode::BAD_USER_NAME_OR_PASSWORD
                | ReasonCode::NOT_AUTHORIZED
                | ReasonCode::BANNED
                | ReasonCode::BAD_AUTHENTICATION_METHOD
                | ReasonCode::SESSION_TAKEN_OVER
                | ReasonCode::TOPIC_NAME_INVALID
                | ReasonCode::PACKET_TOO_LARGE
                | ReasonCode::PAYLOAD_FORMAT_INVALID
                | ReasonCode::RETAIN_NOT_SUPPORTED
                | ReasonCode::QOS_NOT_SUPPORTED
                | ReasonCode::SERVER_MOVED
        )
    }
}

crate::words::words! { Cause:
    Self::NotOpened => "the transport could not be opened";
    Self::TransportClosed => "the transport was closed";
    Self::Refused(reason) => "the server refused the connection: {}", reason;
    Self::ServerDisconnect(reason) => "the server disconnected: {}", reason;
    Self::Violation(violation) => "the server broke the protocol: {}", violation;
    Self::ConnectTimeout => "the server did not accept in time";
    Self::AuthTimeout => "the server did not answer a re-authentication in time";
    Self::PingTimeout => "the server did not answer a ping in time";
    Self::AckTimeout => "an acknowledgement did not come in time";
    Self::SendTimeout => "the transport took no bytes for too long";
    Self::PayloadUnfinished => "a payload was not supplied to its end";
    Self::Stopped => "stopped by the application";
}

impl core::error::Error for Cause {}
