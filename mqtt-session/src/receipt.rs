//! What is known of one message that came in, or owed for it: a small entry.
//!
//! An acknowledgement is state until there is room to write it, so a blocked output never keeps
//! the machine from reading what a server within its Receive Maximum may send.

use mqtt_proto::{PacketType, ReasonCode};

/// An identifier of the server's, and how far its exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Zero in a free entry.
    pub(crate) id: u16,
    pub(crate) stage: Stage,
    /// What the acknowledgement that is owed says.
    pub(crate) reason: ReasonCode,
}

/// How far an exchange is. What is asked of it is about neighbours: up to [`Stage::Open`], it takes
/// a place in this connection's Receive Maximum (section 4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// PUBCOMP is owed.
    PubComp,
    /// PUBACK is owed, once the application has acknowledged.
    PubAckAwaited,
    PubAck,
    /// PUBREC is owed, once the application has acknowledged.
    PubRecAwaited,
    PubRec,
    /// PUBREC was written for the present transport; PUBREL is awaited.
    Open,
    /// PUBREC was written for an earlier transport; PUBLISH or PUBREL comes again.
    Earlier,
    /// PUBCOMP is owed for a message that came over an earlier connection or is not known: it
    /// takes no place in this connection's Receive Maximum.
    PubCompUncounted,
    /// PUBREL is owed in answer to a PUBREC for an unknown identifier.
    PubRel,
}

impl Receipt {
    /// Whether a QoS 2 message counts as received: acknowledged, whether that has left or not, and
    /// not released. One that the application holds unacknowledged comes again.
    pub(crate) fn is_received(&self) -> bool {
        self.stage.is_known() && self.stage != Stage::PubRecAwaited && !self.reason.is_failure()
    }

    /// A free entry, all of whose bits are zero.
    pub(crate) const FREE: Self = Self {
        id: 0,
        stage: Stage::PubComp,
        reason: ReasonCode::SUCCESS,
    };
}

impl Stage {
    /// The packet that is owed and may leave.
    pub(crate) fn ready(self) -> Option<PacketType> {
        Some(match self {
            Self::PubAck => PacketType::PubAck,
            Self::PubRec => PacketType::PubRec,
            Self::PubComp | Self::PubCompUncounted => PacketType::PubComp,
            Self::PubRel => PacketType::PubRel,
            Self::PubAckAwaited | Self::PubRecAwaited | Self::Open | Self::Earlier => return None,
        })
    }

    /// Whether PUBACK or PUBREC is owed or awaited: they leave in the order of arrival
    /// (MQTT-4.6.0-2, MQTT-4.6.0-3).
    pub(crate) fn is_ack(self) -> bool {
        self >= Self::PubAckAwaited && self <= Self::PubRec
    }

    /// Whether the identifier stands for a QoS 2 message between PUBLISH and PUBREL.
    pub(crate) fn is_known(self) -> bool {
        self >= Self::PubRecAwaited && self <= Self::Earlier
    }

    /// Whether it belongs to a QoS 2 message, whose identifier has one entry.
    pub(crate) fn is_exactly_once(self) -> bool {
        self == Self::PubComp || self >= Self::PubRecAwaited && self != Self::PubRel
    }
}
