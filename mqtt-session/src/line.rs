//! The sending half of the connection: made afresh for each transport.

use crate::event::GiveUp;
#[cfg(feature = "fast")]
use crate::instant::Instant;
use crate::instant::{Alarm, Moment};
use crate::limits::Limits;
use crate::record::{Flags, Stage};
use crate::request::RequestError;
#[cfg(feature = "topic-alias")]
use crate::topic_alias::Aliases;
use crate::transmit::Transmit;
use mqtt_proto::{Fields, QoS};

/// The packet that was unanswered longest is answered, and the next one has not been looked up.
#[cfg(feature = "fast")]
pub(crate) const ACK_DUE_UNKNOWN: Instant = Instant::from_micros(0);

#[cfg(feature = "fast")]
/// The largest packet there can be (section 2.1.4).
const LARGEST_PACKET: u32 = 268_435_460;

/// What is known of the way to the server over the present transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub(crate) struct Line {
    pub(crate) tx: Transmit,
    /// When the longest unanswered packet should have been answered; never, while there is none;
    /// or [`ACK_DUE_UNKNOWN`].
    #[cfg(feature = "fast")]
    pub(crate) ack_due: Instant,
    /// What is queued waits for room.
    #[cfg(feature = "fast")]
    pub(crate) blocked: bool,
    /// The largest message that nothing has to be looked up for: none, unless any QoS is allowed,
    /// messages may be retained, and topics get no alias.
    #[cfg(feature = "fast")]
    pub(crate) largest_plain: u32,
    /// When the transport last took a byte; before, when CONNECT was queued for it.
    pub(crate) last_sent: Moment,
    /// Since when the transport has been offered something and took nothing; never, where it was
    /// offered nothing since it last took a byte.
    pub(crate) stalled_since: Alarm,
    pub(crate) standing: Standing,
    /// What the server allows, once it has accepted the connection. Until then these are no limits,
    /// and the largest packet has zero bytes, which no server may say.
    limits: Limits,
    #[cfg(feature = "topic-alias")]
    pub(crate) aliases: Aliases,
}

/// Whether application packets may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "fast"), repr(u32))] // Short instructions reach words further behind than bytes.
pub(crate) enum Standing {
    /// There is no accepted connection.
    Down,
    /// The server accepted the connection.
    Up,
    /// The application wants to stop: what can leave leaves, then DISCONNECT.
    Stopping,
    /// DISCONNECT is queued: nothing goes behind it (MQTT-3.14.4-1).
    Over,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self {
            tx: Transmit::new(),
            #[cfg(feature = "fast")]
            blocked: false,
            #[cfg(feature = "fast")]
            ack_due: Instant::NEVER,
            #[cfg(feature = "fast")]
            largest_plain: LARGEST_PACKET,
            last_sent: Moment::START,
            stalled_since: Alarm::NEVER,
            standing: Standing::Down,
            limits: Limits::NONE_YET,
            #[cfg(feature = "topic-alias")]
            aliases: Aliases::NONE,
        }
    }

    /// The server accepted the connection with these limits, of which as many topic aliases are
    /// made use of as `alias_limit` says.
    #[cfg(feature = "broker")]
    pub(crate) fn agree(&mut self, limits: Limits, alias_limit: u16) {
        self.limits = limits;
        self.agreed(alias_limit);
    }

    /// The server accepted the connection with the limits that these properties set; it never
    /// gets more topic aliases than `aliases`. What else has a number is shown.
    #[inline]
    pub(crate) fn accept(&mut self, fields: &Fields<'_>, aliases: u16, show: impl FnMut(u32, u32)) {
        self.limits.set(fields, show);
        self.agreed(aliases.min(self.limits.topic_alias_maximum));
    }

    #[inline]
    fn agreed(&mut self, alias_limit: u16) {
        #[cfg(feature = "topic-alias")]
        {
            self.aliases.limit = alias_limit;
        }
        #[cfg(not(feature = "topic-alias"))]
        let _ = alias_limit;
        #[cfg(feature = "fast")]
        {
            let plain = alias_limit == 0
                && self.limits.maximum_qos == QoS::ExactlyOnce
                && self.limits.retain_available;
            self.largest_plain = if plain {
                self.limits.maximum_packet_size.min(LARGEST_PACKET)
            } else {
                0
            };
        }
    }

    /// Whether the server, which has accepted the connection, takes a packet of this length.
    pub(crate) const fn takes(&self, len: usize) -> bool {
        len <= self.limits.maximum_packet_size as usize
    }

    /// Whether topics may get an alias.
    #[cfg(feature = "fast")]
    pub(crate) const fn has_aliases(&self) -> bool {
        #[cfg(feature = "topic-alias")]
        return self.aliases.limit > 0;
        #[cfg(not(feature = "topic-alias"))]
        false
    }

    /// What is queued waits for room, or does not any longer. Without the feature `fast`, it is tried
    /// at every poll.
    #[inline(always)]
    pub(crate) const fn set_blocked(&mut self, blocked: bool) {
        #[cfg(feature = "fast")]
        {
            self.blocked = blocked;
        }
        #[cfg(not(feature = "fast"))]
        let _ = blocked;
    }

    /// Bytes are offered to the transport, which is held to taking some from the first time on.
    #[inline]
    pub(crate) fn begin_stall(&mut self, now: Moment) {
        if self.stalled_since == Alarm::NEVER {
            self.stalled_since = Alarm::at(now);
        }
    }

    /// Whether the server has accepted the connection with limits.
    #[inline(always)]
    const fn is_agreed(&self) -> bool {
        self.limits.maximum_packet_size != 0
    }

    /// What the server allows; the standard's defaults before it has accepted the connection.
    #[inline]
    pub(crate) const fn limits(&self) -> &Limits {
        if self.is_agreed() {
            &self.limits
        } else {
            &Limits::DEFAULT
        }
    }

    /// How many QoS 1 and QoS 2 messages the server takes at a time, once it has accepted the
    /// connection.
    #[inline]
    pub(crate) const fn receive_maximum(&self) -> u16 {
        self.limits.receive_maximum
    }

    /// Why the server's limits forbid what awaits this, of which this is known, and which has so many
    /// bytes, if they do.
    #[inline(never)]
    pub(crate) fn forbids(&self, stage: Stage, flags: Flags, len: usize) -> Option<GiveUp> {
        if !self.is_agreed() {
            return None;
        }
        let limits = &self.limits;
        let cause = if len > limits.maximum_packet_size as usize {
            GiveUp::TooLarge
        } else if stage == Stage::AwaitPubAck && limits.maximum_qos == QoS::AtMostOnce
            || stage == Stage::AwaitPubRec && limits.maximum_qos < QoS::ExactlyOnce
        {
            GiveUp::QoSNotSupported
        } else {
            return limits.refuse(flags);
        };
        Some(cause)
    }

    /// What the application is told when the server's limits forbid what has so many bytes.
    pub(crate) fn refusal(&self, cause: GiveUp, len: usize) -> RequestError {
        // First what says no more, so that only a number stands for it.
        let plain = match cause {
            GiveUp::RetainNotSupported => RequestError::RetainNotSupported,
            GiveUp::WildcardsNotSupported => RequestError::WildcardsNotSupported,
            GiveUp::SharedNotSupported => RequestError::SharedNotSupported,
            _ => RequestError::SubscriptionIdentifiersNotSupported,
        };
        if cause == GiveUp::TooLarge {
            return RequestError::TooLarge {
                len,
                maximum: self.limits.maximum_packet_size,
            };
        }
        if cause == GiveUp::QoSNotSupported {
            return RequestError::QoSNotSupported {
                maximum: self.limits.maximum_qos,
            };
        }
        plain
    }

    /// Whether application packets may leave now.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.standing, Standing::Up | Standing::Stopping)
    }
}
