use crate::Sender;

/// The fifteen control packets, numbered as in the first byte of the fixed header (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// CONNECT: a client asks for a connection (section 3.1).
    Connect = 1,
    /// CONNACK: the server's answer to CONNECT (section 3.2).
    ConnAck = 2,
    /// PUBLISH: an application message (section 3.3).
    Publish = 3,
    /// PUBACK: acknowledges a QoS 1 PUBLISH (section 3.4).
    PubAck = 4,
    /// PUBREC: a QoS 2 PUBLISH was received (section 3.5).
    PubRec = 5,
    /// PUBREL: a QoS 2 PUBLISH is released (section 3.6).
    PubRel = 6,
    /// PUBCOMP: a QoS 2 exchange is complete (section 3.7).
    PubComp = 7,
    /// SUBSCRIBE: a client asks for subscriptions (section 3.8).
    Subscribe = 8,
    /// SUBACK: the server's answer to SUBSCRIBE (section 3.9).
    SubAck = 9,
    /// UNSUBSCRIBE: a client gives subscriptions up (section 3.10).
    Unsubscribe = 10,
    /// UNSUBACK: the server's answer to UNSUBSCRIBE (section 3.11).
    UnsubAck = 11,
    /// PINGREQ: a client shows that it is alive (section 3.12).
    PingReq = 12,
    /// PINGRESP: the server's answer to PINGREQ (section 3.13).
    PingResp = 13,
    /// DISCONNECT: the last packet on a connection (section 3.14).
    Disconnect = 14,
    /// AUTH: a step of enhanced authentication (section 3.15).
    Auth = 15,
}

impl PacketType {
    /// All packet types in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The packet type with this number; `None` for 0, which is reserved, and above 15.
    #[must_use]
    #[inline]
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// Whether this end may send such a packet (section 2.1.2, column "direction of flow").
    #[must_use]
    #[inline]
    pub const fn may_come_from(self, sender: Sender) -> bool {
        const OF_CLIENT: u16 = 1 << PacketType::Connect as u8
            | 1 << PacketType::Subscribe as u8
            | 1 << PacketType::Unsubscribe as u8
            | 1 << PacketType::PingReq as u8;
        const OF_SERVER: u16 = 1 << PacketType::ConnAck as u8
            | 1 << PacketType::SubAck as u8
            | 1 << PacketType::UnsubAck as u8
            | 1 << PacketType::PingResp as u8;
        let of_other = match sender {
            Sender::Client => OF_SERVER,
            Sender::Server => OF_CLIENT,
        };
        of_other >> self as u8 & 1 == 0
    }

    /// The fixed flag bits of the first byte (section 2.1.3); those of PUBLISH are not fixed.
    pub(crate) const fn flags(self) -> u8 {
        const MARKED: u16 = 1 << PacketType::PubRel as u8
            | 1 << PacketType::Subscribe as u8
            | 1 << PacketType::Unsubscribe as u8;
        ((MARKED >> self as u8 & 1) as u8) << 1
    }

    /// The first byte of every such packet but PUBLISH, whose flags come in addition.
    #[inline]
    pub(crate) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.flags()
    }
}

crate::words::names! { PacketType:
    Self::Connect => "CONNECT";
    Self::ConnAck => "CONNACK";
    Self::Publish => "PUBLISH";
    Self::PubAck => "PUBACK";
    Self::PubRec => "PUBREC";
    Self::PubRel => "PUBREL";
    Self::PubComp => "PUBCOMP";
    Self::Subscribe => "SUBSCRIBE";
    Self::SubAck => "SUBACK";
    Self::Unsubscribe => "UNSUBSCRIBE";
    Self::UnsubAck => "UNSUBACK";
    Self::PingReq => "PINGREQ";
    Self::PingResp => "PINGRESP";
    Self::Disconnect => "DISCONNECT";
    Self::Auth => "AUTH";
}
