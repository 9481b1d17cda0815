#[cfg(not(feature = "fast"))]
use crate::carrier::Carrier;
use crate::{PacketType, Sender};

/// One byte that tells how an operation ended (section 2.4); 0x80 and above are failures.
///
/// The constants are all codes of the standard; 0x00 has several names. Which of them a packet
/// may carry depends on its type and its sender: [`ReasonCode::is_allowed`].
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(u8);

impl ReasonCode {
    /// Success.
    pub const SUCCESS: Self = Self(0x00);
    /// Normal disconnection: the will is not published (DISCONNECT).
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    /// The subscription is accepted with QoS 0 at most (SUBACK).
    pub const GRANTED_QOS_0: Self = Self(0x00);
    /// The subscription is accepted with QoS 1 at most (SUBACK).
    pub const GRANTED_QOS_1: Self = Self(0x01);
    /// The subscription is accepted with QoS 2 at most (SUBACK).
    pub const GRANTED_QOS_2: Self = Self(0x02);
    /// The client leaves and wants its will published (DISCONNECT).
    pub const DISCONNECT_WITH_WILL_MESSAGE: Self = Self(0x04);
    /// The message was accepted, but nobody subscribes to its topic (PUBACK, PUBREC).
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// There was no such subscription (UNSUBACK).
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    /// The authentication goes on with another step (AUTH).
    pub const CONTINUE_AUTHENTICATION: Self = Self(0x18);
    /// The client begins a re-authentication (AUTH).
    pub const RE_AUTHENTICATE: Self = Self(0x19);
    /// An error that the sender does not name, or none of the other codes fits.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The packet could not be parsed.
    pub const MALFORMED_PACKET: Self = Self(0x81);
    /// The packet breaks a rule that no other code names.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// The packet is valid, but the receiver does not process it.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    /// The server does not speak the version asked for (CONNACK).
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    /// The client identifier is not accepted (CONNACK).
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    /// The server does not accept the user name or the password (CONNACK).
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    /// The peer has no right to do this.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// The server is not available (CONNACK).
    pub const SERVER_UNAVAILABLE: Self = Self(0x88);
    /// The server is busy; try again later.
    pub const SERVER_BUSY: Self = Self(0x89);
    /// The client has been banned (CONNACK).
    pub const BANNED: Self = Self(0x8a);
    /// The server is shutting down (DISCONNECT).
    pub const SERVER_SHUTTING_DOWN: Self = Self(0x8b);
    /// The authentication method is not supported or not the one in use.
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8c);
    /// Nothing came for one and a half keep alive intervals (DISCONNECT).
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8d);
    /// Another connection came with the same client identifier (DISCONNECT).
    pub const SESSION_TAKEN_OVER: Self = Self(0x8e);
    /// The topic filter is well formed but not accepted.
    pub const TOPIC_FILTER_INVALID: Self = Self(0x8f);
    /// The topic name is well formed but not accepted.
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    /// The packet identifier belongs to another exchange that is still open.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// The packet identifier is not known (PUBREL, PUBCOMP).
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// More unacknowledged messages came than Receive Maximum allows (DISCONNECT).
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// The topic alias is 0 or above the maximum (DISCONNECT).
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// The packet is larger than the receiver allows.
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    /// Data comes too fast (DISCONNECT).
    pub const MESSAGE_RATE_TOO_HIGH: Self = Self(0x96);
    /// A limit set by the implementation or its administrator is exceeded.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// The connection is closed by an administrator (DISCONNECT).
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    /// The payload is not what its Payload Format Indicator says.
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);
    /// The server does not keep retained messages.
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9a);
    /// The quality of service is above the Maximum QoS of the server.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9b);
    /// The client should use another server for now.
    pub const USE_ANOTHER_SERVER: Self = Self(0x9c);
    /// The client should use another server from now on.
    pub const SERVER_MOVED: Self = Self(0x9d);
    /// The server offers no shared subscriptions.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9e);
    /// Connections come too fast.
    pub const CONNECTION_RATE_EXCEEDED: Self = Self(0x9f);
    /// The connection has lasted as long as it may (DISCONNECT).
    pub const MAXIMUM_CONNECT_TIME: Self = Self(0xa0);
    /// The server offers no subscription identifiers.
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: Self = Self(0xa1);
    /// The server offers no subscriptions with wildcards.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xa2);

    /// The code with this number; `None` if the standard names no such code.
    #[must_use]
    #[inline]
    pub const fn new(number: u8) -> Option<Self> {
        if NAMED & bit(number) != 0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number as on the wire.
    #[must_use]
    #[inline]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether the operation failed: 0x80 and above.
    #[must_use]
    #[inline]
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    /// Whether the standard lets this sender put the code into such a packet (the tables of
    /// sections 3.2.2.2, 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1, 3.9.3, 3.11.3, 3.14.2.1, 3.15.2.1).
    ///
    /// Encoding refuses what this refuses. Decoding also accepts, in a DISCONNECT, 0x8C from both
    /// ends and 0x9B from a client, because section 2.4 and section 3.3.4 contradict the table.
    #[must_use]
    #[inline]
    pub const fn is_allowed(self, packet: PacketType, sender: Sender) -> bool {
        allowed(packet, sender) != 0 && self.fits(packet, sender)
    }

    /// As [`is_allowed`](Self::is_allowed), in a packet that has a reason code and comes from this
    /// sender.
    #[inline]
    pub(crate) const fn fits(self, packet: PacketType, sender: Sender) -> bool {
        #[cfg(feature = "fast")]
        return accepted(self.0, packet, sender, false);
        #[cfg(not(feature = "fast"))]
        {
            accepted(self.0, Carrier::of_reason(packet, sender))
                && tolerated(packet, sender) & bit(self.0) == 0
        }
    }

    /// A received code, if it is acceptable in such a packet.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) const fn received(number: u8, packet: PacketType, sender: Sender) -> Option<Self> {
        if accepted(number, packet, sender, true) {
            Some(Self(number))
        } else {
            None
        }
    }

    /// A received code, if it is acceptable there.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn received(number: u8, carrier: Carrier) -> Option<Self> {
        if accepted(number, carrier) {
            Some(Self(number))
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self.0 {
            0x00 => "success",
            0x01 => "granted QoS 1",
            0x02 => "granted QoS 2",
            0x04 => "disconnect with will message",
            0x10 => "no matching subscribers",
            0x11 => "no subscription existed",
            0x18 => "continue authentication",
            0x19 => "re-authenticate",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8c => "bad authentication method",
            0x8d => "keep alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter invalid",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x92 => "packet identifier not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9a => "retain not supported",
            0x9b => "QoS not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9e => "shared subscriptions not supported",
            0x9f => "connection rate exceeded",
            0xa0 => "maximum connect time",
            0xa1 => "subscription identifiers not supported",
            0xa2 => "wildcard subscriptions not supported",
            _ => "unnamed",
        }
    }
}

/// One bit for each code of the standard: 0x00..=0x19, then 0x80..=0xA2. 0 for any other number.
#[inline]
const fn bit(number: u8) -> u64 {
    match number {
        0..=0x19 => 1 << number,
        0x80..=0xa2 => 1 << (number & 0x3f).wrapping_add(0x1a),
        _ => 0,
    }
}

const fn bits(numbers: &[u8]) -> u64 {
    let mut set = 0;
    let mut rest = numbers;
    while let [first, tail @ ..] = rest {
        set |= bit(*first);
        rest = tail;
    }
    set
}

const NAMED: u64 = bits(&[0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19])
    | bits(&[
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e,
        0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d,
        0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ]);
const CONNACK: u64 = bits(&[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
]);
const PUBACK: u64 = bits(&[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const PUBREL: u64 = bits(&[0x00, 0x92]);
const SUBACK: u64 = bits(&[
    0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2,
]);
const UNSUBACK: u64 = bits(&[0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]);
const DISCONNECT_BOTH: u64 = bits(&[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);
const DISCONNECT_CLIENT: u64 = DISCONNECT_BOTH | bits(&[0x04]);
const DISCONNECT_SERVER: u64 = DISCONNECT_BOTH
    | bits(&[
        0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ]);
const AUTH_CLIENT: u64 = bits(&[0x18, 0x19]);
const AUTH_SERVER: u64 = bits(&[0x00, 0x18]);

#[inline]
const fn allowed(packet: PacketType, sender: Sender) -> u64 {
    match (packet, sender) {
        (PacketType::ConnAck, Sender::Server) => CONNACK,
        (PacketType::PubAck | PacketType::PubRec, _) => PUBACK,
        (PacketType::PubRel | PacketType::PubComp, _) => PUBREL,
        (PacketType::SubAck, Sender::Server) => SUBACK,
        (PacketType::UnsubAck, Sender::Server) => UNSUBACK,
        (PacketType::Disconnect, Sender::Client) => DISCONNECT_CLIENT,
        (PacketType::Disconnect, Sender::Server) => DISCONNECT_SERVER,
        (PacketType::Auth, Sender::Client) => AUTH_CLIENT,
        (PacketType::Auth, Sender::Server) => AUTH_SERVER,
        _ => 0,
    }
}

/// What is accepted though the table of the packet does not list it: 0x8C is a DISCONNECT code in
/// section 2.4, and section 3.3.4 tells a client to send 0x9B.
#[inline]
const fn tolerated(packet: PacketType, sender: Sender) -> u64 {
    match (packet, sender) {
        (PacketType::Disconnect, Sender::Client) => bit(0x8c) | bit(0x9b),
        (PacketType::Disconnect, Sender::Server) => bit(0x8c),
        _ => 0,
    }
}

/// Whether the packet may carry the code, or is tolerated with it.
#[cfg(feature = "fast")]
#[inline]
const fn accepted(number: u8, packet: PacketType, sender: Sender, tolerant: bool) -> bool {
    let more = if tolerant {
        tolerated(packet, sender)
    } else {
        0
    };
    (allowed(packet, sender) | more) & bit(number) != 0
}

/// Whether the packet may carry the code, or is tolerated with it.
#[cfg(not(feature = "fast"))]
#[inline]
const fn accepted(number: u8, carrier: Carrier) -> bool {
    /// Of each code a set of pairs of carriers: those of a pair have the same codes, or one of them has
    /// none.
    #[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
    const SETS: [u8; END] = {
        let mut sets = [0; END];
        let mut number = 0;
        while number < LAST {
            let mut packets: &[PacketType] = &PacketType::ALL;
            while let ([packet, rest @ ..], Some(index)) = (packets, place(number)) {
                let mut senders: &[Sender] = &[Sender::Client, Sender::Server];
                while let [sender, others @ ..] = senders {
                    let carrier = Carrier::of_reason(*packet, *sender);
                    let codes = allowed(*packet, *sender) | tolerated(*packet, *sender);
                    if codes & bit(number) != 0 && !carrier.is(Carrier::AUTH) {
                        sets[index] |= carrier.pair();
                    }
                    senders = others;
                }
                packets = rest;
            }
            number += 1;
        }
        sets
    };
    const LAST: u8 = 0xa3;
    const END: usize = 61;
    /// There are codes in two ranges.
    #[inline]
    const fn place(number: u8) -> Option<usize> {
        let number = number as usize;
        match number {
            0..0x1a => Some(number),
            0x80..0xa3 => Some(number.wrapping_sub(0x80 - 0x1a)),
            _ => None,
        }
    }
    if carrier.is(Carrier::AUTH) {
        // Two codes, and its neighbour has none of them but the first.
        return matches!(number, 0x00 | 0x18);
    }
    match place(number) {
        // Always: but not every compiler sees it.
        #[expect(clippy::indexing_slicing, reason = "it is held against the end")]
        Some(index) if index < END => SETS[index] & carrier.pair() != 0,
        _ => false,
    }
}

/// Whether a code is accepted exactly where it is allowed or tolerated.
#[cfg(not(feature = "fast"))]
const _: () = {
    let mut number = u8::MIN;
    loop {
        let mut packets: &[PacketType] = &PacketType::ALL;
        while let [packet, rest @ ..] = packets {
            let mut senders: &[Sender] = &[Sender::Client, Sender::Server];
            while let [sender, others @ ..] = senders {
                let codes = allowed(*packet, *sender) | tolerated(*packet, *sender);
                if codes != 0 {
                    let accepted = accepted(number, Carrier::of_reason(*packet, *sender));
                    assert!(accepted == (codes & bit(number) != 0));
                }
                senders = others;
            }
            packets = rest;
        }
        if number == u8::MAX {
            break;
        }
        number += 1;
    }
};

#[cfg(not(feature = "fast"))]
impl Carrier {
    /// Other than with properties, it depends on the sender of AUTH, too.
    #[inline(always)]
    pub(crate) const fn of_reason(packet: PacketType, sender: Sender) -> Self {
        match (packet, sender) {
            (PacketType::Auth, Sender::Client) => Self::PUBLISH_OF_CLIENT,
            _ => Self::of(packet, sender),
        }
    }
}

impl core::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (0x{:02x})", self.name(), self.0)
    }
}

impl core::fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ReasonCode {
    fn format(&self, f: defmt::Formatter<'_>) {
        let name = crate::words::Plain(self.name());
        defmt::write!(f, "{} ({=u8:#04x})", name, self.0);
    }
}
