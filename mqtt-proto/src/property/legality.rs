//! Which properties a packet may carry, how often, and with which values (section 2.2.2.2): one
//! line for each property, and all else is read from that.

use super::PropertyId as Id;
use crate::{PacketType, Sender};

/// What carries properties: a bit of [`Line::carriers`]. The packet types have their numbers; a
/// will has the number 0, which is no packet's, and what depends on the sender those of the packets
/// that carry none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Carrier(u8);

const WILL: u16 = 1;
const CONNECT: u16 = 1 << 1;
const CONNACK: u16 = 1 << 2;
const PUBLISH_SERVER: u16 = 1 << 3;
/// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK.
const ACKS: u16 = 0b1010_1111_0000;
const SUBSCRIBE: u16 = 1 << 8;
const UNSUBSCRIBE: u16 = 1 << 10;
const PUBLISH_CLIENT: u16 = 1 << 12;
const DISCONNECT_CLIENT: u16 = 1 << 13;
const DISCONNECT_SERVER: u16 = 1 << 14;
const AUTH: u16 = 1 << 15;
const PUBLISH: u16 = PUBLISH_CLIENT | PUBLISH_SERVER;
const DISCONNECT: u16 = DISCONNECT_CLIENT | DISCONNECT_SERVER;

impl Carrier {
    pub(super) const WILL: Self = Self(0);

    pub(super) const fn of(packet: PacketType, sender: Sender) -> Self {
        Self(match (packet, sender) {
            (PacketType::Publish, Sender::Client) => 12,
            (PacketType::Disconnect, Sender::Client) => 13,
            _ => packet as u8,
        })
    }

    /// The same packet, sent by the other end.
    #[cfg(not(feature = "fast"))]
    pub(super) const fn of_peer(self) -> Self {
        Self(match self.0 {
            3 => 12,
            12 => 3,
            13 => 14,
            14 => 13,
            same => same,
        })
    }

    /// Whether Authentication Method must be there (section 3.15.2.2.2).
    pub(super) const fn needs_method(self) -> bool {
        1_u16 << self.0 == AUTH
    }

    /// Whether Authentication Method must be there if Authentication Data is, which say nothing
    /// without it (section 3.1.2.11.10).
    pub(super) const fn needs_method_for_data(self) -> bool {
        1_u16 << self.0 == CONNECT
    }

    /// Whether the property may occur.
    pub(super) const fn allows(self, id: Id) -> bool {
        line(id).carriers >> self.0 & 1 != 0
    }

    /// Whether the property may occur more than once: a server repeats Subscription Identifier
    /// (MQTT-3.3.4-4).
    pub(super) const fn repeats(self, id: Id) -> bool {
        matches!(id, Id::UserProperty)
            || matches!(id, Id::SubscriptionIdentifier) && 1_u16 << self.0 == PUBLISH_SERVER
    }
}

/// How a value is encoded, and which values there are.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    /// One byte, 0 or 1.
    Flag,
    Two,
    /// Two bytes, not 0.
    Count,
    Four,
    /// Four bytes, not 0.
    Size,
    /// A variable byte integer, not 0.
    Varint,
    Text,
    Topic,
    Binary,
    /// Two texts.
    Pair,
}

impl Shape {
    #[cfg(not(feature = "fast"))]
    /// How many bytes a number takes; 0 if it is a variable byte integer, or none.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::Flag => 1,
            Self::Two | Self::Count => 2,
            Self::Four | Self::Size => 4,
            _ => 0,
        }
    }

    /// Whether a number has such a value.
    pub(super) const fn admits(self, value: u32) -> bool {
        match self {
            Self::Flag => value <= 1,
            Self::Count | Self::Size => value != 0,
            Self::Varint => value.wrapping_sub(1) < crate::varint::MAX,
            _ => true,
        }
    }
}

/// What there is to know about a property.
#[derive(Clone, Copy)]
struct Line {
    shape: Shape,
    /// Where it may occur.
    carriers: u16,
}

const NOWHERE: Line = Line {
    shape: Shape::Flag,
    carriers: 0,
};

/// By number. A client never sends Subscription Identifier with a PUBLISH (MQTT-3.3.4-6); in
/// DISCONNECT, Session Expiry Interval is the client's (MQTT-3.14.2-2), Server Reference the
/// server's.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const LINES: [Line; 43] = {
    let mut lines = [NOWHERE; 43];
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
            carriers: *carriers,
        };
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
    #[inline]
    pub(super) const fn shape(self) -> Shape {
        line(self).shape
    }
}

/// Set in a set of present properties when Subscription Identifier occurs more than once.
#[cfg(feature = "fast")]
pub(super) const REPEATED_SUBSCRIPTION_ID: u64 = 1 << 63;

/// All identifiers are below 43, so that a set of them is one word.
#[inline]
pub(crate) const fn bit(id: Id) -> u64 {
    1 << (id as u8)
}

#[inline]
pub(crate) const fn has(set: u64, id: Id) -> bool {
    set & bit(id) != 0
}
