use crate::{PacketType, Sender};

/// What a rule depends on where properties and reason codes are allowed, as a number below 16, so
/// that a set of carriers is a `u16`. The packet types have their own numbers; a will, and what
/// depends on the sender, have 0 and those of the packets that carry neither.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carrier(u8);

impl Carrier {
    pub(crate) const WILL: Self = Self(PacketType::PingReq as u8);
    pub(crate) const CONNECT: Self = Self(PacketType::Connect as u8);
    pub(crate) const PUBLISH_OF_SERVER: Self = Self(PacketType::Publish as u8);
    // Either comes from the other end if the same bits are turned.
    pub(crate) const PUBLISH_OF_CLIENT: Self = Self(PacketType::PingResp as u8);
    pub(crate) const DISCONNECT_OF_CLIENT: Self = Self(0);
    pub(crate) const DISCONNECT_OF_SERVER: Self = Self(PacketType::Disconnect as u8);
    pub(crate) const AUTH: Self = Self(PacketType::Auth as u8);

    #[inline(always)]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> Self {
        match (packet, sender) {
            (PacketType::Publish, Sender::Client) => Self::PUBLISH_OF_CLIENT,
            (PacketType::Disconnect, Sender::Client) => Self::DISCONNECT_OF_CLIENT,
            _ => Self(packet as u8),
        }
    }

    /// The same from the other end, if that makes a difference.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn peer(self) -> Self {
        const TWO_SIDED: u16 = Carrier::PUBLISH_OF_SERVER.bit()
            | Carrier::PUBLISH_OF_CLIENT.bit()
            | Carrier::DISCONNECT_OF_CLIENT.bit()
            | Carrier::DISCONNECT_OF_SERVER.bit();
        const SIDE: u8 = Carrier::PUBLISH_OF_CLIENT.0 ^ Carrier::PUBLISH_OF_SERVER.0;
        const { assert!(SIDE == Carrier::DISCONNECT_OF_CLIENT.0 ^ Carrier::DISCONNECT_OF_SERVER.0) };
        if self.is_in(TWO_SIDED) {
            Self(self.0 ^ SIDE)
        } else {
            self
        }
    }

    /// As the number that it has.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    /// What has this number.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn of_number(number: u8) -> Self {
        Self(number & 15)
    }

    /// The set of this one.
    pub(crate) const fn bit(self) -> u16 {
        1 << (self.0 & 15)
    }

    #[inline]
    pub(crate) const fn is_in(self, set: u16) -> bool {
        set >> (self.0 & 15) & 1 != 0
    }

    pub(crate) const fn is(self, other: Self) -> bool {
        self.0 == other.0
    }
}
