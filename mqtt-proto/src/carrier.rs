use crate::{PacketType, Sender};

/// What a rule depends on where properties and reason codes are allowed, as a number below 16, so
/// that a set of carriers is a `u16`. The packet types have their own numbers; a will, and what
/// depends on the sender, have 0 and those of the packets that carry neither.
///
/// Built for size, above that number there is that of the packet that it is, or is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carrier(u8);

impl Carrier {
    pub(crate) const WILL: Self = Self::new(PacketType::PingReq as u8, PacketType::Connect);
    pub(crate) const CONNECT: Self = Self::all(PacketType::Connect);
    pub(crate) const PUBLISH_OF_SERVER: Self = Self::all(PacketType::Publish);
    // Either comes from the other end if the same bits are turned.
    pub(crate) const PUBLISH_OF_CLIENT: Self =
        Self::new(PacketType::PingResp as u8, PacketType::Publish);
    pub(crate) const DISCONNECT_OF_CLIENT: Self = Self::new(0, PacketType::Disconnect);
    pub(crate) const DISCONNECT_OF_SERVER: Self = Self::all(PacketType::Disconnect);
    pub(crate) const AUTH: Self = Self::all(PacketType::Auth);

    #[inline(always)]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> Self {
        match (packet, sender) {
            (PacketType::Publish, Sender::Client) => Self::PUBLISH_OF_CLIENT,
            (PacketType::Disconnect, Sender::Client) => Self::DISCONNECT_OF_CLIENT,
            _ => Self::all(packet),
        }
    }

    /// With this number, for that packet or a part of it.
    #[inline(always)]
    const fn new(number: u8, packet: PacketType) -> Self {
        const ABOVE: u8 = if cfg!(feature = "fast") { 0 } else { 0xf0 };
        Self((packet as u8) << 4 & ABOVE | number)
    }

    /// The packet, where nothing else has its number.
    #[inline(always)]
    const fn all(packet: PacketType) -> Self {
        Self::new(packet as u8, packet)
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

    /// The packet that it is, or is a part of.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn packet(self) -> PacketType {
        match PacketType::from_u8(self.0 >> 4) {
            Some(packet) => packet,
            // There is one in every number.
            None => PacketType::Connect,
        }
    }

    /// The set of this one.
    pub(crate) const fn bit(self) -> u16 {
        1 << (self.0 & 15)
    }

    /// The set of the pair that it belongs to with one of its neighbours.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn pair(self) -> u8 {
        1 << (self.0 >> 1 & 7)
    }

    #[inline]
    pub(crate) const fn is_in(self, set: u16) -> bool {
        set >> (self.0 & 15) & 1 != 0
    }

    pub(crate) const fn is(self, other: Self) -> bool {
        self.0 == other.0
    }
}
