//! What is known of one message that came in, or owed for it: a small entry.
//!
//! An acknowledgement is state until there is room to write it, so a blocked output never keeps
//! the machine from reading what a server within its Receive Maximum may send.

use core::num::NonZero;
use mqtt_proto::{PacketType, QoS, ReasonCode};

/// First bytes of acknowledgements.
pub(crate) const PUBACK: u8 = (PacketType::PubAck as u8) << 4;
pub(crate) const PUBREC: u8 = (PacketType::PubRec as u8) << 4;
/// With the flags it must have (MQTT-3.6.1-1).
pub(crate) const PUBREL: u8 = (PacketType::PubRel as u8) << 4 | 0b10;
pub(crate) const PUBCOMP: u8 = (PacketType::PubComp as u8) << 4;

/// An identifier of the server's, and how far its exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    pub(crate) id: u16,
    pub(crate) stage: Stage,
    /// What the acknowledgement that is owed says.
    pub(crate) reason: ReasonCode,
}

/// How far an exchange is. What is asked of it is about neighbours: from [`Stage::PubComp`] up to
/// [`Stage::Open`], it takes a place in this connection's Receive Maximum (section 4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// There is none: the entry is free.
    Free,
    /// PUBREL is owed in answer to a PUBREC for an unknown identifier.
    PubRel,
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
}

impl Receipt {
    /// Whether a QoS 2 message counts as received: acknowledged, whether that has left or not, and
    /// not released. One that the application holds unacknowledged comes again.
    pub(crate) fn is_received(&self) -> bool {
        self.stage >= Stage::PubRec && self.stage <= Stage::Earlier && !self.reason.is_failure()
    }

    /// It was written.
    #[inline]
    pub(crate) fn end(&mut self) {
        if self.stage == Stage::PubRec && !self.reason.is_failure() {
            self.stage = Stage::Open;
        } else {
            // After a failure the identifier is a new message's (MQTT-4.3.3-9).
            *self = Self::FREE;
        }
    }

    /// A free entry, all of whose bits are zero.
    pub(crate) const FREE: Self = Self {
        id: 0,
        stage: Stage::Free,
        reason: ReasonCode::SUCCESS,
    };
}

/// For each stage the first byte of the packet that is owed and may leave.
pub(crate) struct Ready([Option<NonZero<u8>>; 10]);

#[expect(clippy::indexing_slicing, reason = "there is one for each stage")]
impl Ready {
    /// PUBREL and PUBCOMP, which leave whatever else is owed.
    pub(crate) const OTHERS: Self = {
        let mut ready = [None; 10];
        ready[Stage::PubRel as usize] = NonZero::new(PUBREL);
        ready[Stage::PubComp as usize] = NonZero::new(PUBCOMP);
        ready[Stage::PubCompUncounted as usize] = NonZero::new(PUBCOMP);
        Self(ready)
    };
    /// All of them.
    pub(crate) const ALL: Self = {
        let mut ready = Self::OTHERS.0;
        ready[Stage::PubAck as usize] = NonZero::new(PUBACK);
        ready[Stage::PubRec as usize] = NonZero::new(PUBREC);
        Self(ready)
    };

    #[inline]
    pub(crate) fn of(&self, stage: Stage) -> Option<NonZero<u8>> {
        self.0[stage as usize]
    }
}

impl Stage {
    /// What is owed for a message that came in, where it is to be acknowledged; each that the
    /// application has to acknowledge first lies before the other.
    #[inline]
    pub(crate) const fn of_ack(qos: QoS, awaited: bool) -> Self {
        const PUBACK_AWAITED: u8 = Stage::PubAckAwaited as u8;
        const PUBACK: u8 = Stage::PubAck as u8;
        const PUBREC_AWAITED: u8 = Stage::PubRecAwaited as u8;
        let ready = if matches!(qos, QoS::ExactlyOnce) {
            Self::PubRec as u8
        } else {
            PUBACK
        };
        match ready.wrapping_sub(awaited as u8) {
            PUBACK_AWAITED => Self::PubAckAwaited,
            PUBACK => Self::PubAck,
            PUBREC_AWAITED => Self::PubRecAwaited,
            _ => Self::PubRec,
        }
    }

    /// The first byte of the packet that is owed and may leave.
    #[cfg(any(feature = "alloc", test))]
    #[inline]
    pub(crate) fn ready(self) -> Option<NonZero<u8>> {
        Ready::ALL.of(self)
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
        self == Self::PubComp || self >= Self::PubRecAwaited
    }
}
