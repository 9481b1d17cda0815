//! Which properties a packet may carry, how often, and with which values (section 2.2.2.2): one
//! line for each property, and all else is read from that.

#[cfg(not(feature = "fast"))]
use core::num::NonZero;

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
#[cfg(feature = "fast")]
#[inline]
pub(super) const fn allows(carrier: Carrier, id: Id) -> bool {
    carrier.is_in(carriers(id))
}

/// Whether the property may occur more than once: a server repeats Subscription Identifier
/// (MQTT-3.3.4-4).
#[inline]
pub(super) const fn repeats(carrier: Carrier, number: u32) -> bool {
    number == Id::UserProperty as u32
        || number == Id::SubscriptionIdentifier as u32 && carrier.is(Carrier::PUBLISH_OF_SERVER)
}

/// Whether a property may stand where it stands.
#[cfg(feature = "fast")]
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

/// How a value is encoded, and which values there are.
#[cfg(feature = "fast")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
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
    /// Two texts.
    Pair,
    Binary,
}

#[cfg(feature = "fast")]
impl Shape {
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

/// How a value is encoded, and which values there are, as a number below 16.
#[cfg(not(feature = "fast"))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape(u8);

/// Of a number the three low bits are its bytes, and the fourth is set if it is not 0. What is no
/// number has the two lowest bits.
#[cfg(not(feature = "fast"))]
#[expect(non_upper_case_globals, reason = "built for speed, they are variants")]
impl Shape {
    /// One byte, 0 or 1.
    pub(crate) const Flag: Self = Self(1);
    pub(crate) const Two: Self = Self(2);
    /// Two bytes, not 0.
    pub(crate) const Count: Self = Self(8 | 2);
    pub(crate) const Four: Self = Self(4);
    /// Four bytes, not 0.
    pub(crate) const Size: Self = Self(8 | 4);
    /// A variable byte integer, not 0.
    pub(crate) const Varint: Self = Self(8);
    pub(crate) const Text: Self = Self(3);
    pub(crate) const Topic: Self = Self(7);
    /// Two texts.
    pub(crate) const Pair: Self = Self(11);
    pub(crate) const Binary: Self = Self(15);
}

#[cfg(not(feature = "fast"))]
impl Shape {
    /// How many bytes a number takes; 0 if it is a variable byte integer.
    pub(crate) const fn width(self) -> usize {
        (self.0 & 7) as usize
    }

    /// The width of the number with which a value begins: where it is none itself, that is its length.
    pub(crate) const fn prefix(self) -> usize {
        if self.is_number() { self.width() } else { 2 }
    }

    /// Whether it is a number.
    pub(crate) const fn is_number(self) -> bool {
        self.0 & 3 != 3
    }

    /// Whether a number has such a value.
    #[inline(never)]
    pub(crate) const fn admits(self, value: u32) -> bool {
        let least = (self.0 >> 3) as u32;
        let span = match self {
            Self::Flag => 1,
            Self::Varint => crate::varint::MAX - 1,
            _ => u32::MAX.wrapping_sub(least),
        };
        value.wrapping_sub(least) <= span
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

#[cfg(feature = "fast")]
#[inline]
#[expect(clippy::indexing_slicing, reason = "all identifiers are below 43")]
const fn line(id: Id) -> Line {
    LINES[id as usize]
}

/// The lines with less bytes: of each the shape and, below it, the number of a set. What looks for
/// one of the two does not look for the other: so they are two.
#[cfg(not(feature = "fast"))]
static SHAPES: [u8; 43] = PACKED.0;

/// Where a property may occur. There are not so many ways.
#[cfg(not(feature = "fast"))]
static SETS: [u16; 16] = PACKED.1;

#[cfg(not(feature = "fast"))]
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const PACKED: ([u8; 43], [u16; 16]) = {
    let mut lines = [0; 43];
    let mut sets = [0; 16];
    let mut number = 0;
    while number < LINES.len() {
        let Line { shape, carriers } = LINES[number];
        if carriers != 0 {
            let mut set = 0;
            while sets[set] != carriers && sets[set] != 0 {
                set += 1;
            }
            sets[set] = carriers;
            lines[number] = shape.0 << 4 | set as u8;
        }
        number += 1;
    }
    (lines, sets)
};

/// Where the property may occur.
#[cfg(feature = "fast")]
#[inline(always)]
pub(super) const fn carriers(id: Id) -> u16 {
    line(id).carriers
}

/// A property as the number that it has on the wire, of which nobody knows which property that is,
/// and above it what there is to know about it: one word to hand on.
#[cfg(not(feature = "fast"))]
#[derive(Clone, Copy)]
pub(crate) struct Known(NonZero<u32>);

#[cfg(not(feature = "fast"))]
impl Known {
    /// The property of this number, if there is one.
    #[inline(always)]
    pub(crate) fn of(number: u32) -> Option<Self> {
        match SHAPES.get(number as usize) {
            None | Some(0) => None,
            Some(line) => NonZero::new(u32::from(*line) << 8 | number).map(Self),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "all identifiers are below 43")]
    pub(crate) const fn id(id: Id) -> Self {
        match NonZero::new((SHAPES[id as usize] as u32) << 8 | id as u32) {
            Some(known) => Self(known),
            // No identifier is 0.
            None => Self(NonZero::<u32>::MIN),
        }
    }

    pub(crate) const fn number(self) -> u32 {
        self.0.get() & 0xff
    }

    pub(crate) const fn is(self, id: Id) -> bool {
        self.number() == id as u32
    }

    pub(crate) const fn shape(self) -> Shape {
        Shape((self.0.get() >> 12) as u8)
    }

    /// Where it may occur.
    #[expect(clippy::indexing_slicing, reason = "four bits are below 16")]
    pub(super) const fn carriers(self) -> u16 {
        SETS[(self.0.get() >> 8 & 15) as usize]
    }

    /// In a set of one word: those that do not occur together may have the same.
    pub(super) const fn bit(self) -> u32 {
        let number = self.number();
        1_u32.rotate_right(number.wrapping_add(number >> 5))
    }
}

/// Whether those that may occur with the same carrier have a bit each.
#[cfg(not(feature = "fast"))]
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const _: () = {
    let mut carrier = 0;
    while carrier < 16 {
        let mut set = 0;
        let mut rest: &[Id] = &Id::ALL;
        while let [id, tail @ ..] = rest {
            if LINES[*id as usize].carriers >> carrier & 1 != 0 {
                let bit = Known::id(*id).bit();
                assert!(set & bit == 0);
                set |= bit;
            }
            rest = tail;
        }
        carrier += 1;
    }
};

impl Id {
    #[cfg(feature = "fast")]
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
