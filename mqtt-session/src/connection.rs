//! The connection as a whole: its phase, what was agreed on, and its time limits.

use crate::instant::Moment;
use mqtt_proto::PacketType;

/// Where the machine is between the application's wish to connect and the end. What is asked of it is
/// about neighbours: up to [`Phase::BackOff`] there is no transport, and from there up to
/// [`Phase::Flush`] something runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Phase {
    /// Not started, or stopped and the application has been told.
    Rest,
    /// Stopped, and the application is to be told.
    ComeToRest,
    /// A transport is to be asked for.
    Dial,
    /// Waiting to connect again.
    BackOff,
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
    /// A transport was asked for.
    AwaitTransport,
}

impl Phase {
    /// Whether such a packet may come now. Packets that only a client sends do not come this far: the
    /// codec refuses them.
    pub(crate) const fn takes(self, packet: PacketType) -> bool {
        if matches!(packet, PacketType::Auth) {
            return self.reads();
        }
        let phase = match packet {
            PacketType::ConnAck => Self::AwaitConnAck,
            _ => Self::Connected,
        };
        self as u8 == phase as u8
    }

    /// Whether it has a time limit, or lasts until a moment.
    pub(crate) const fn has_deadline(self) -> bool {
        matches!(
            self,
            Self::BackOff | Self::AwaitConnAck | Self::Connected | Self::Flush
        )
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

/// What is made afresh by `opened`, besides the sending and the receiving half. Without a connection
/// there are no facts; the deadline is that of the next attempt, and the rest is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    /// By phase: until when the server has to accept, the last bytes have to leave, to wait before
    /// connecting again; connected, until when a stop has to be done or AUTH to be answered.
    pub(crate) deadline: Moment,
    /// When the server accepted, where [`Facts::ACCEPTED`] says that it did.
    pub(crate) since: Moment,
    /// The time limit of PINGRESP, as the clock keeps it; never, while it is not awaited.
    pub(crate) ping: Moment,
    /// When bytes of an unfinished packet last came in.
    pub(crate) last_life: Moment,
    /// Unread bytes when the machine last looked.
    pub(crate) unread: usize,
    /// What stands for CONNECT's Authentication Method, if it had one.
    #[cfg(feature = "auth")]
    pub(crate) method: Option<Fingerprint>,
    /// Stands for the client identifier of CONNECT, unless that was empty.
    pub(crate) client: Option<Fingerprint>,
    /// Keep Alive in seconds as the server wants it; 0: off.
    pub(crate) keep_alive: u16,
    pub(crate) facts: Facts,
}

impl Connection {
    pub(crate) const fn new() -> Self {
        Self {
            deadline: Moment::START,
            since: Moment::START,
            ping: Moment::START,
            last_life: Moment::START,
            unread: 0,
            #[cfg(feature = "auth")]
            method: None,
            client: None,
            keep_alive: 0,
            facts: Facts::NONE,
        }
    }
}

/// What is so on a connection, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Facts(u16);

impl Facts {
    /// The server accepted.
    pub(crate) const ACCEPTED: u16 = 1;
    /// CONNECT said Clean Start.
    pub(crate) const CLEAN_START: u16 = 1 << 1;
    /// CONNECT named another client than the last.
    pub(crate) const ANOTHER_CLIENT: u16 = 1 << 2;
    /// The Session Expiry Interval of CONNECT was above zero.
    pub(crate) const ASKED_TO_KEEP: u16 = 1 << 3;
    /// The Session Expiry Interval that holds is above zero.
    pub(crate) const KEPT: u16 = 1 << 4;
    /// So is what holds once DISCONNECT has left.
    pub(crate) const KEPT_AT_LAST: u16 = 1 << 5;
    /// The server asked for the next step of authentication.
    #[cfg(feature = "auth")]
    pub(crate) const CHALLENGED: u16 = 1 << 6;
    /// The server owes an answer to a re-authentication.
    #[cfg(feature = "auth")]
    pub(crate) const REAUTHENTICATING: u16 = 1 << 7;

    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn has(self, what: u16) -> bool {
        self.0 & what != 0
    }

    /// With this among them, if it is so.
    pub(crate) const fn with(self, what: u16, yes: bool) -> Self {
        Self(self.0 | if yes { what } else { 0 })
    }

    pub(crate) fn set(&mut self, what: u16, yes: bool) {
        self.0 = self.0 & !what | if yes { what } else { 0 };
    }
}

/// Stands for a string where only sameness matters and there is no room to keep it.
pub(crate) type Fingerprint = core::num::NonZero<u32>;

/// The fingerprint of a string (FNV-1a). Another string has the same once in four billion times;
/// only the application's own identifiers are held against each other with it, and what a server
/// says against what this client told it.
pub(crate) fn fingerprint(text: &[u8]) -> Fingerprint {
    let hash = text.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    Fingerprint::new(hash).unwrap_or(Fingerprint::MIN)
}
