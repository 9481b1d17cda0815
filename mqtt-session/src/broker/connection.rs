//! A connection, from its opening to its close: its phase, the bytes that are not whole packets
//! yet, and the bytes that leave outside of any session.

use crate::instant::Instant;
use crate::receipts::Intake;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mqtt_proto::PacketType;

use super::hold_back::Backlog;
use super::subscribers::SessionKey;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// CONNECT has to come.
    AwaitConnect,
    /// CONNECT came, and enhanced authentication goes on.
    Authenticate,
    /// CONNECT was accepted for this session.
    Connected(SessionKey),
    /// The last bytes leave; then it is closed. Nothing is read any more.
    Flush,
    /// The caller has yet to be told to close it: until then its number is in use.
    Close,
}

impl Phase {
    /// Whether a packet may come. CONNECT comes first, and once (MQTT-3.1.0-1, MQTT-3.1.0-2).
    ///
    /// Packets that only a server sends do not come this far: the codec refuses them.
    pub(crate) const fn takes(self, packet: PacketType) -> bool {
        use PacketType::{
            Auth, ConnAck, Connect, Disconnect, PingReq, PingResp, PubAck, PubComp, PubRec, PubRel,
            Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
        };
        match self {
            Self::AwaitConnect => matches!(packet, Connect),
            Self::Authenticate => matches!(packet, Auth | Disconnect),
            Self::Connected(_) => match packet {
                Publish | PubAck | PubRec | PubRel | PubComp | Subscribe | Unsubscribe
                | PingReq | Disconnect | Auth => true,
                Connect | ConnAck | SubAck | UnsubAck | PingResp => false,
            },
            Self::Flush | Self::Close => false,
        }
    }

    /// Whether it has ended, as far as its client is concerned.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Flush | Self::Close)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// Bytes that came and are no whole packet yet, or wait for room.
    pub(crate) input: Vec<u8>,
    /// Looking at the input pays when it has this many bytes.
    pub(crate) wanted: usize,
    /// Whole packets wait in the input for room to answer them: so many bytes for the first.
    pub(crate) waits: Option<usize>,
    /// Its turn is over: others come first.
    pub(crate) tired: bool,
    /// Bytes that leave outside of a session: before there is one, or when it is gone.
    tail: Tail,
    /// Until when CONNECT has to be accepted, or the last bytes have to leave.
    pub(crate) deadline: Instant,
    /// When bytes last came.
    pub(crate) last_received: Instant,
    /// Keep Alive in seconds; 0: off.
    pub(crate) keep_alive: u16,
    /// CONNECT, while authentication goes on.
    pub(crate) connect: Option<Box<[u8]>>,
    /// The largest packet that CONNECT allows, in bytes (MQTT-3.1.2-24).
    pub(crate) maximum_packet_size: u32,
    /// CONNECT's Authentication Method.
    pub(crate) method: Option<Box<str>>,
    /// A re-authentication goes on: the client is to answer.
    pub(crate) reauthenticates: bool,
    /// Whether CONNECT's Session Expiry Interval was above 0 (section 3.14.2.2.2).
    pub(crate) may_expire_later: bool,
    /// What it published and is held back, if anything was lately.
    pub(crate) backlog: Option<Box<Backlog>>,
    /// Whether it is in the queue of those that may have something to send.
    pub(crate) ready: bool,
}

#[derive(Clone, Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    taken: usize,
    /// Offered, and not answered yet.
    offered: bool,
}

impl Connection {
    pub(crate) fn new(now: Instant, deadline: Instant) -> Self {
        Self {
            phase: Phase::AwaitConnect,
            input: Vec::new(),
            wanted: 0,
            waits: None,
            tired: false,
            tail: Tail::default(),
            deadline,
            last_received: now,
            keep_alive: 0,
            connect: None,
            maximum_packet_size: u32::MAX,
            method: None,
            reauthenticates: false,
            may_expire_later: false,
            backlog: None,
            ready: false,
        }
    }

    pub(crate) fn session(&self) -> Option<SessionKey> {
        match self.phase {
            Phase::Connected(session) => Some(session),
            _ => None,
        }
    }

    /// Nothing that comes is looked at any more.
    pub(crate) fn hear_no_more(&mut self) {
        self.input = Vec::new();
        self.waits = None;
        self.connect = None;
    }

    /// Adds bytes that leave outside of a session.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        // As much as it is, and no more than a DISCONNECT behind it: it may be a full buffer, and
        // that of many connections.
        self.tail.bytes.reserve_exact(bytes.len().saturating_add(4));
        self.tail.bytes.extend_from_slice(bytes);
    }

    /// Bytes that an unfinished `sent` answers lie before these: they were offered from elsewhere.
    pub(crate) fn say_after_offer(&mut self, bytes: &[u8], offered: bool) {
        self.say(bytes);
        self.tail.offered |= offered;
    }

    /// Whether all that leaves outside of a session has left.
    pub(crate) fn has_said_all(&self) -> bool {
        self.tail.taken >= self.tail.bytes.len()
    }

    /// The bytes to be offered next, once.
    pub(crate) fn offer(&mut self) -> bool {
        if self.tail.offered || self.has_said_all() {
            return false;
        }
        self.tail.offered = true;
        true
    }

    pub(crate) fn offered(&self) -> &[u8] {
        self.tail.bytes.get(self.tail.taken..).unwrap_or_default()
    }

    /// The transport took some of the bytes offered.
    pub(crate) fn sent(&mut self, count: usize) {
        if !core::mem::take(&mut self.tail.offered) {
            return;
        }
        let len = self.tail.bytes.len();
        self.tail.taken = self.tail.taken.saturating_add(count).min(len);
        if self.tail.taken == len {
            self.tail.bytes.clear();
            self.tail.taken = 0;
        }
    }

    /// When a client that says nothing is given up: one and a half keep alive intervals after
    /// its last byte (MQTT-3.1.2-22). Who is not read is not silent.
    pub(crate) fn silence_deadline(&self) -> Instant {
        if self.backlog.as_ref().is_some_and(|backlog| backlog.is_long) {
            return Instant::NEVER;
        }
        match u32::from(self.keep_alive) {
            0 => Instant::NEVER,
            seconds => self
                .last_received
                .plus_millis(seconds.saturating_mul(1_500)),
        }
    }
}

/// What CONNECT and the settings agree on for what comes in.
pub(crate) fn intake(
    receive_maximum: u16,
    topic_alias_maximum: u16,
    maximum_packet_size: u32,
    problem_information: bool,
) -> Intake {
    Intake {
        receive_maximum,
        topic_alias_maximum,
        maximum_packet_size,
        problem_information,
        ..Intake::new()
    }
}
