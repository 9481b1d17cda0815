//! What a client did, and what it told, owned so that it can be kept and compared.

use mqtt_proto::{Properties, QoS, ReasonCode};
use mqtt_session::{AckToken, Cause, Event, GiveUp, Instant, Ticket};

/// Something the client did, owned so that it can be kept and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// Asked for a transport.
    Open,
    /// A whole packet left, with these bytes.
    Sent(Vec<u8>),
    /// Delivered a message or a part of one.
    Delivered(Message),
    /// Told of an event.
    Told(Told),
    /// Asked for the transport to be closed.
    Close,
    /// Came to rest.
    Done,
}

/// A delivered message or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of mqtt_session::Message, owned")]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub offset: usize,
    pub total: usize,
    pub qos: QoS,
    pub retain: bool,
    pub dup: bool,
    pub properties: Vec<String>,
    pub token: Option<AckToken>,
}

/// An event, owned. Properties are kept as they print.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants of mqtt_session::Event, owned")]
pub enum Told {
    Connected {
        session_present: bool,
    },
    SessionLost,
    Refused(ReasonCode),
    ServerDisconnect(ReasonCode),
    /// The reason code that goes to the server, and the statement broken.
    Violation(ReasonCode, &'static str),
    Disconnected(Cause, Option<Instant>),
    Published(Ticket, Result<ReasonCode, GiveUp>, Vec<String>),
    Received(Ticket, ReasonCode, Vec<String>),
    Released(ReasonCode, Vec<String>),
    Subscribed(Ticket, Vec<ReasonCode>),
    Unsubscribed(Ticket, Vec<ReasonCode>),
    Unanswered(Ticket, GiveUp),
    Challenge(Vec<String>),
    Reauthenticated,
    DeliveryCut,
    PayloadWanted(Ticket),
}

pub(crate) fn printed(properties: &Properties<'_>) -> Vec<String> {
    properties.iter().map(|p| format!("{p:?}")).collect()
}

impl From<Event<'_>> for Told {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Connected(connack) => Self::Connected {
                session_present: connack.session_present,
            },
            Event::SessionLost => Self::SessionLost,
            Event::Refused(connack) => Self::Refused(connack.reason),
            Event::ServerDisconnect(disconnect) => Self::ServerDisconnect(disconnect.reason),
            Event::Violation(violation) => {
                Self::Violation(violation.reason(), violation.statement())
            }
            Event::Disconnected { cause, retry } => Self::Disconnected(cause, retry),
            Event::Published {
                ticket,
                outcome,
                properties,
            } => Self::Published(ticket, outcome, printed(&properties)),
            Event::Received {
                ticket,
                reason,
                properties,
            } => Self::Received(ticket, reason, printed(&properties)),
            Event::Released { reason, properties } => Self::Released(reason, printed(&properties)),
            Event::Subscribed {
                ticket, reasons, ..
            } => Self::Subscribed(ticket, reasons.iter().collect()),
            Event::Unsubscribed {
                ticket, reasons, ..
            } => Self::Unsubscribed(ticket, reasons.iter().collect()),
            Event::Unanswered { ticket, cause } => Self::Unanswered(ticket, cause),
            Event::Challenge(auth) => Self::Challenge(printed(&auth.properties)),
            Event::Reauthenticated(_) => Self::Reauthenticated,
            Event::DeliveryCut => Self::DeliveryCut,
            Event::PayloadWanted { ticket } => Self::PayloadWanted(ticket),
            other => panic!("an event without a word for it: {other:?}"),
        }
    }
}
