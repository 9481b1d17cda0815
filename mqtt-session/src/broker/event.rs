//! What a broker wants done, and what it tells.

use crate::instant::Instant;
use crate::violation::{Told, Violation};
use alloc::boxed::Box;
use mqtt_proto::{ReasonCode, Sender};

/// A connection, by a number of the caller's choice. A number is free again when
/// [`BrokerAction::Close`] has named it, or the caller has said that the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionId(pub u64);

/// What to do next. Borrowed bytes live until the next call.
#[derive(Debug, PartialEq, Eq)]
pub enum BrokerAction<'a> {
    /// Write these bytes to a connection, and say with [`Broker::sent`](super::Broker::sent) how
    /// many of them were taken: 0 where it can take none now. They are offered once until then.
    Send {
        /// Where to.
        connection: ConnectionId,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// Close a connection. It is forgotten already.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Something the program may want to know.
    Event(BrokerEvent),
    /// There is nothing to do before bytes come, or this moment. One that has come already: a
    /// connection has kept the broker busy, and goes on at the next poll. Look first what others
    /// have sent.
    Timeout(Instant),
}

/// What is sent is counted: there are payloads in it.
#[cfg(feature = "defmt")]
impl defmt::Format for BrokerAction<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Send { connection, bytes } => defmt::write!(
                f,
                "Send {{ connection: {}, bytes: {} }}",
                connection,
                crate::log::Size::of(bytes)
            ),
            Self::Close { connection } => {
                defmt::write!(f, "Close {{ connection: {} }}", connection);
            }
            Self::Event(event) => defmt::write!(f, "Event({})", event),
            Self::Timeout(deadline) => defmt::write!(f, "Timeout({})", deadline),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BrokerEvent {
    /// A client is connected.
    Connected {
        /// On this connection.
        connection: ConnectionId,
        /// As this client.
        client_id: Box<str>,
        /// Whether it goes on with a session that was kept.
        session_present: bool,
    },
    /// A connection is over.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// Whose; `None` where no client was accepted on it.
        client_id: Option<Box<str>>,
        /// Why.
        cause: EndCause,
    },
    /// A session is over: its subscriptions and what waited in it are gone.
    SessionEnded {
        /// Whose.
        client_id: Box<str>,
    },
    /// Messages for a client were dropped because its queue was full or its connection could not
    /// take them, see [`Overflow`](super::Overflow).
    Dropped {
        /// Whose.
        client_id: Box<str>,
        /// How many since it was last told.
        count: u64,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// The transport was closed without a word.
    TransportClosed,
    /// The client sent DISCONNECT with this code.
    ClientDisconnect(ReasonCode),
    /// The client was refused with this code, or with none where it could not be told.
    Refused(ReasonCode),
    /// The client broke the protocol.
    Violation(Violation),
    /// No CONNECT, or no end of authentication, within the time limit.
    ConnectTimeout,
    /// Nothing came for one and a half keep alive intervals (MQTT-3.1.2-22).
    KeepAlive,
    /// The transport took no byte within the time limit.
    SendTimeout,
    /// The same client connected again (MQTT-3.1.4-3).
    TakenOver,
    /// Its queue was full, and the policy is to disconnect.
    QueueFull,
    /// A re-authentication was refused with this code.
    NotAuthenticated(ReasonCode),
    /// The broker was told to disconnect it with this code.
    Ordered(ReasonCode),
}

crate::words::words! { EndCause:
    Self::TransportClosed => "the transport was closed";
    Self::ClientDisconnect(reason) => "the client disconnected: {}", reason;
    Self::Refused(reason) => "the client was refused: {}", reason;
    Self::Violation(violation) =>
        "the client broke the protocol: {}", Told(violation, Sender::Client);
    Self::ConnectTimeout => "the client did not connect in time";
    Self::KeepAlive => "the client was silent for too long";
    Self::SendTimeout => "the client took no byte for too long";
    Self::TakenOver => "the client connected again";
    Self::QueueFull => "too much waited for the client";
    Self::NotAuthenticated(reason) => "the client failed to authenticate again: {}", reason;
    Self::Ordered(reason) => "disconnected by the program: {}", reason;
}
