//! Which properties a packet may carry, how often, and with which values (section 2.2.2.2): one
//! line for each property, and all else is read from that.

use super::PropertyId as Id;
use crate::carrier::Carrier;
use crate::{PacketType, Sender};

const WILL: u16 = Carrier::WILL.bit();
const CONNECT: u16 = Carrier::CONNECT.bit();
const CONNACK: u16 = bits(&[PacketType::ConnAck]);
const PUBLISH_SERVER: u16 = Carrier::PUBLISH_OF_SERVER.bit();
const PUBLISH: u16 = Carrier::PUBLISH_OF_CLIENT.bit() | PUBLISH_SERVER;
/// They carry a reason and what explains it.
const ACKS: u16 = bits(&[
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
    PacketType::SubAck,
    PacketType::UnsubAck,
]);
const SUBSCRIBE: u16 = bits(&[PacketType::Subscribe]);
const UNSUBSCRIBE: u16 = bits(&[PacketType::Unsubscribe]);
const DISCONNECT_CLIENT: u16 = Carrier::DISCONNECT_OF_CLIENT.bit();
const DISCONNECT_SERVER: u16 = Carrier::DISCONNECT_OF_SERVER.bit();
const DISCONNECT: u16 = DISCONNECT_CLIENT | DISCONNECT_SERVER;
const AUTH: u16 = Carrier::AUTH.bit();

const fn bits(packets: &[PacketType]) -> u16 {
    let mut set = 0;
    let mut rest = packets;
    while let [packet, tail @ ..] = rest {
        set |= Carrier::of(*packet, Sender::Server).bit();
        rest = tail;
    }
    set
}

/// Whether the property may occur.
#[inline]
pub(super) const fn allows(carrier: Carrier, id: Id) -> bool {
    carrier.is_in(line(id).carriers)
}

/// Whether the property, which may not occur in the packet, may when the other end sends it.
#[cfg(not(feature = "fast"))]
#[inline]
pub(super) const fn is_of_peer(packet: PacketType, id: Id) -> bool {
    let both = match packet {
        PacketType::Publish => PUBLISH,
        PacketType::Disconnect => DISCONNECT,
        _ => 0,
    };
    line(id).carriers & both != 0
}

/// Whether the property may occur more than once: a server repeats Subscription Identifier
/// (MQTT-3.3.4-4).
#[inline]
pub(super) const fn repeats(carrier: Carrier, id: Id) -> bool {
    match id {
        Id::UserProperty => true,
        Id::SubscriptionIdentifier => carrier.is(Carrier::PUBLISH_OF_SERVER),
        _ => false,
    }
}

/// Whether a property may stand where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    /// It may not occur.
    NotAllowed,
    /// It may occur, but not again.
    Again,
}

/// Whether Authentication Method must be there (section 3.15.2.2.2).
#[inline]
pub(super) const fn needs_method(carrier: Carrier) -> bool {
    carrier.is(Carrier::AUTH)
}

/// Whether Authentication Method must be there if Authentication Data is, which say nothing
/// without it (section 3.1.2.11.10).
#[inline]
pub(super) const fn needs_method_for_data(carrier: Carrier) -> bool {
    carrier.is(Carrier::CONNECT)
}

/// In the discriminant of a number that is not 0.
const NOT_ZERO: u8 = 0x10;

/// How a value is encoded, and which values there are. Of a number of fixed width the low bits of
/// the discriminant are its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shape {
    /// One byte, 0 or 1.
    Flag = 1,
    Two = 2,
    /// Two bytes, not 0.
    Count = NOT_ZERO | 2,
    Four = 4,
    /// Four bytes, not 0.
    Size = NOT_ZERO | 4,
    /// A variable byte integer, not 0.
    Varint = NOT_ZERO,
    Text = 0x20,
    Topic = 0x28,
    /// Two texts.
    Pair = 0x30,
    Binary = 0x40,
}

impl Shape {
    /// How many bytes a number takes; 0 if it is a variable byte integer, or none.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn width(self) -> usize {
        self as usize & 7
    }

    /// Whether it is a number.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn is_number(self) -> bool {
        (self as u8) < Self::Text as u8
    }

    /// Whether a number has such a value.
    #[cfg(feature = "fast")]
    pub(super) const fn admits(self, value: u32) -> bool {
        match self {
            Self::Flag => value <= 1,
            Self::Count | Self::Size => value != 0,
            Self::Varint => value.wrapping_sub(1) < crate::varint::MAX,
            _ => true,
        }
    }

    /// Whether a number has such a value.
    #[cfg(not(feature = "fast"))]
    #[inline(never)]
    pub(super) const fn admits(self, value: u32) -> bool {
        let most = match self {
            Self::Flag => 1,
            Self::Varint => crate::varint::MAX,
            _ => u32::MAX,
        };
        value <= most && (value != 0 || self as u8 & NOT_ZERO == 0)
    }
}

/// What there is to know about a property.
#[derive(Clone, Copy)]
struct Line {
    shape: Shape,
    /// Its place among those of the standard, in the order of their numbers.
    #[cfg(not(feature = "fast"))]
    index: u8,
    /// Where it may occur.
    carriers: u16,
}

const NOWHERE: Line = Line {
    shape: Shape::Flag,
    #[cfg(not(feature = "fast"))]
    index: 0,
    carriers: 0,
};

/// By number. A client never sends Subscription Identifier with a PUBLISH (MQTT-3.3.4-6); in
/// DISCONNECT, Session Expiry Interval is the client's (MQTT-3.14.2-2), Server Reference the
/// server's.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const LINES: [Line; 43] = {
    let mut lines = [NOWHERE; 43];
    #[cfg(not(feature = "fast"))]
    let mut index = 0;
    let mut rest: &[(Id, Shape, u16)] = &[
        (Id::PayloadFormatIndicator, Shape::Flag, WILL | PUBLISH),
        (Id::MessageExpiryInterval, Shape::Four, WILL | PUBLISH),
        (Id::ContentType, Shape::Text, WILL | PUBLISH),
        (Id::ResponseTopic, Shape::Topic, WILL | PUBLISH),
        (Id::CorrelationData, Shape::Binary, WILL | PUBLISH),
        (
            Id::SubscriptionIdentifier,
            Shape::Varint,
            PUBLISH_SERVER | SUBSCRIBE,
        ),
        (
            Id::SessionExpiryInterval,
            Shape::Four,
            CONNECT | CONNACK | DISCONNECT_CLIENT,
        ),
        (Id::AssignedClientIdentifier, Shape::Text, CONNACK),
        (Id::ServerKeepAlive, Shape::Two, CONNACK),
        (
            Id::AuthenticationMethod,
            Shape::Text,
            CONNECT | CONNACK | AUTH,
        ),
        (
            Id::AuthenticationData,
            Shape::Binary,
            CONNECT | CONNACK | AUTH,
        ),
        (Id::RequestProblemInformation, Shape::Flag, CONNECT),
        (Id::WillDelayInterval, Shape::Four, WILL),
        (Id::RequestResponseInformation, Shape::Flag, CONNECT),
        (Id::ResponseInformation, Shape::Text, CONNACK),
        (
            Id::ServerReference,
            Shape::Text,
            CONNACK | DISCONNECT_SERVER,
        ),
        (
            Id::ReasonString,
            Shape::Text,
            CONNACK | ACKS | DISCONNECT | AUTH,
        ),
        (Id::ReceiveMaximum, Shape::Count, CONNECT | CONNACK),
        (Id::TopicAliasMaximum, Shape::Two, CONNECT | CONNACK),
        (Id::TopicAlias, Shape::Count, PUBLISH),
        (Id::MaximumQoS, Shape::Flag, CONNACK),
        (Id::RetainAvailable, Shape::Flag, CONNACK),
        (
            Id::UserProperty,
            Shape::Pair,
            WILL | CONNECT | CONNACK | PUBLISH | ACKS | SUBSCRIBE | UNSUBSCRIBE | DISCONNECT | AUTH,
        ),
        (Id::MaximumPacketSize, Shape::Size, CONNECT | CONNACK),
        (Id::WildcardSubscriptionAvailable, Shape::Flag, CONNACK),
        (Id::SubscriptionIdentifierAvailable, Shape::Flag, CONNACK),
        (Id::SharedSubscriptionAvailable, Shape::Flag, CONNACK),
    ];
    while let [(id, shape, carriers), tail @ ..] = rest {
        lines[*id as usize] = Line {
            shape: *shape,
            #[cfg(not(feature = "fast"))]
            index,
            carriers: *carriers,
        };
        #[cfg(not(feature = "fast"))]
        {
            index += 1;
        }
        rest = tail;
    }
    lines
};

#[inline]
#[expect(clippy::indexing_slicing, reason = "all identifiers are below 43")]
const fn line(id: Id) -> Line {
    LINES[id as usize]
}

impl Id {
    /// All in a set of one word.
    #[cfg(not(feature = "fast"))]
    #[inline]
    pub(super) const fn bit(self) -> u32 {
        1 << (line(self).index & 31)
    }

    #[inline]
    pub(crate) const fn shape(self) -> Shape {
        line(self).shape
    }
}

/// Set in a set of present properties when Subscription Identifier occurs more than once.
#[cfg(feature = "fast")]
pub(super) const REPEATED_SUBSCRIPTION_ID: u64 = 1 << 63;

/// All identifiers are below 43, so that a set of them is one word.
#[cfg(feature = "fast")]
#[inline]
pub(super) const fn bit(id: Id) -> u64 {
    1 << (id as u8)
}

#[cfg(feature = "fast")]
#[inline]
pub(super) const fn has(set: u64, id: Id) -> bool {
    set & bit(id) != 0
}
