//! The connection as a whole: its phase, what was agreed on, and its time limits.

use crate::event::Cause;
use crate::instant::Instant;
use mqtt_proto::PacketType;

/// Where the machine is between the application's wish to connect and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Phase {
    /// Not started, or stopped and the application has been told.
    Rest,
    /// Stopped, and the application is to be told.
    ComeToRest,
    /// A transport is to be asked for.
    Dial,
    /// A transport was asked for.
    AwaitTransport,
    /// CONNECT was queued.
    AwaitConnAck,
    /// The server accepted.
    Connected,
    /// The last bytes leave, DISCONNECT behind them; then the transport is closed.
    Flush,
    /// The transport is to be closed.
    Close,
    /// The caller was told to close the transport.
    AwaitClosed,
    /// Waiting to connect again.
    BackOff,
}

/// What a packet from the server may do in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is processed.
    Take,
    /// It breaks the protocol.
    Break,
}

impl Phase {
    /// The table: what each of the fifteen packets does in each phase that reads.
    ///
    /// Packets that only a client sends do not come this far: the codec refuses them.
    pub(crate) const fn verdict(self, packet: PacketType) -> Verdict {
        use PacketType::{
            Auth, ConnAck, Connect, Disconnect, PingReq, PingResp, PubAck, PubComp, PubRec, PubRel,
            Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
        };
        match self {
            Self::AwaitConnAck => match packet {
                ConnAck | Auth => Verdict::Take,
                Connect | Publish | PubAck | PubRec | PubRel | PubComp | Subscribe | SubAck
                | Unsubscribe | UnsubAck | PingReq | PingResp | Disconnect => Verdict::Break,
            },
            Self::Connected => match packet {
                Publish | PubAck | PubRec | PubRel | PubComp | SubAck | UnsubAck | PingResp
                | Disconnect | Auth => Verdict::Take,
                Connect | ConnAck | Subscribe | Unsubscribe | PingReq => Verdict::Break,
            },
            Self::Rest
            | Self::ComeToRest
            | Self::Dial
            | Self::AwaitTransport
            | Self::Flush
            | Self::Close
            | Self::AwaitClosed
            | Self::BackOff => Verdict::Break,
        }
    }

    /// Whether bytes are offered to the transport.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::AwaitConnAck | Self::Connected | Self::Flush)
    }

    /// Whether packets are read.
    pub(crate) const fn reads(self) -> bool {
        matches!(self, Self::AwaitConnAck | Self::Connected)
    }
}

/// What is made afresh by `opened`, besides the sending and the receiving half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    /// By phase: until when the server has to accept, the last bytes have to leave, to wait before
    /// connecting again; connected, until when a stop has to be done or AUTH to be answered.
    pub(crate) deadline: Instant,
    /// When the server accepted.
    pub(crate) since: Instant,
    /// Until when PINGRESP has to come; never, while it is not awaited.
    pub(crate) ping_due: Instant,
    /// When bytes of an unfinished packet last came in.
    pub(crate) last_life: Instant,
    /// Unread bytes when the machine last looked.
    pub(crate) unread: usize,
    /// Keep Alive in seconds as the server wants it; 0: off.
    pub(crate) keep_alive: u16,
    /// Session Expiry Interval in seconds: what CONNECT said, and what holds.
    pub(crate) asked_expiry: u32,
    pub(crate) expiry: u32,
    /// What DISCONNECT says instead, once that has left.
    pub(crate) last_expiry: Option<u32>,
    /// What stands for CONNECT's Authentication Method.
    pub(crate) method: Option<u64>,
    /// Whether the server asked for the next step of authentication.
    pub(crate) challenged: bool,
    /// Whether the server owes an answer to a re-authentication.
    pub(crate) reauthenticating: bool,
    pub(crate) clean_start: bool,
    /// Stands for the client identifier of CONNECT, unless that was empty.
    pub(crate) client: Option<u64>,
    /// Whether CONNECT's client identifier was empty.
    pub(crate) anonymous: bool,
    /// Whether CONNECT named another client than the last.
    pub(crate) another_client: bool,
    /// Why it ends, once that is known.
    pub(crate) cause: Option<Cause>,
}

impl Connection {
    pub(crate) const fn new() -> Self {
        Self {
            deadline: Instant::NEVER,
            since: Instant::NEVER,
            ping_due: Instant::NEVER,
            last_life: Instant::from_micros(0),
            unread: 0,
            keep_alive: 0,
            asked_expiry: 0,
            expiry: 0,
            last_expiry: None,
            method: None,
            challenged: false,
            reauthenticating: false,
            clean_start: false,
            client: None,
            anonymous: false,
            another_client: false,
            cause: None,
        }
    }
}

/// Stands for a string where only sameness matters and there is no room to keep it (FNV-1a).
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
