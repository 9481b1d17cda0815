//! The sending half of the connection: made afresh for each transport.

use crate::instant::Instant;
use crate::limits::Limits;
use crate::transmit::Transmit;
use mqtt_proto::QoS;

/// The packet that was unanswered longest is answered, and the next one has not been looked up.
pub(crate) const ACK_DUE_UNKNOWN: Instant = Instant::from_micros(0);

/// The largest packet there can be (section 2.1.4).
const LARGEST_PACKET: u32 = 268_435_460;

/// What is known of the way to the server over the present transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) tx: Transmit,
    pub(crate) limits: Limits,
    pub(crate) standing: Standing,
    /// When the longest unanswered packet should have been answered; never, while there is none;
    /// or [`ACK_DUE_UNKNOWN`].
    pub(crate) ack_due: Instant,
    /// What is queued waits for room.
    pub(crate) blocked: bool,
    /// The largest message that nothing has to be looked up for: none, unless any QoS is allowed,
    /// messages may be retained, and topics get no alias.
    pub(crate) largest_plain: u32,
    /// Outbound topic aliases: how many are set, and which is replaced next.
    aliases_set: u16,
    alias_next: u16,
    /// How many may be set.
    pub(crate) alias_limit: u16,
    /// When the transport last took a byte.
    pub(crate) last_sent: Instant,
    /// Since when the transport has been offered something and took nothing; never, where it was
    /// offered nothing since it last took a byte.
    pub(crate) stalled_since: Instant,
}

/// Whether application packets may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            tx: Transmit::new(),
            limits: Limits::DEFAULT,
            standing: Standing::Down,
            blocked: false,
            ack_due: Instant::NEVER,
            largest_plain: LARGEST_PACKET,
            aliases_set: 0,
            alias_next: 1,
            alias_limit: 0,
            last_sent: now,
            stalled_since: Instant::NEVER,
        }
    }

    /// The server accepted the connection with these limits, of which as many topic aliases are
    /// made use of as `alias_limit` says.
    pub(crate) fn agree(&mut self, limits: Limits, alias_limit: u16) {
        self.limits = limits;
        self.alias_limit = alias_limit;
        let plain =
            alias_limit == 0 && limits.maximum_qos == QoS::ExactlyOnce && limits.retain_available;
        self.largest_plain = if plain {
            limits.maximum_packet_size.min(LARGEST_PACKET)
        } else {
            0
        };
    }

    /// Bytes are offered to the transport, which is held to taking some from the first time on.
    #[inline]
    pub(crate) fn begin_stall(&mut self, now: Instant) {
        self.stalled_since = self.stalled_since.min(now);
    }

    /// Whether application packets may leave now.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.standing, Standing::Up | Standing::Stopping)
    }

    /// How many aliases are set: those from 1 on.
    pub(crate) fn aliases_set(&self) -> u16 {
        self.aliases_set
    }

    /// The alias to be given to a new topic: an unused one, or else the longest set one.
    pub(crate) fn alias_to_set(&self) -> Option<u16> {
        if self.alias_limit == 0 {
            return None;
        }
        Some(self.alias_next)
    }

    /// The alias that [`Line::alias_to_set`] named is set.
    pub(crate) fn alias_was_set(&mut self) {
        self.aliases_set = self.aliases_set.max(self.alias_next);
        self.alias_next = if self.alias_next >= self.alias_limit {
            1
        } else {
            self.alias_next.saturating_add(1)
        };
    }
}
