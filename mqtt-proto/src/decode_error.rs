use crate::wrong::{Named, What, Wrong};
use crate::{Field, PacketType, PropertyId, ReasonCode, Sender};

/// Why bytes are not a valid packet: what is wrong, where, and how to answer.
///
/// ```
/// use mqtt_proto::{Packet, ReasonCode, Sender};
///
/// let error = Packet::decode(&[0x6a, 0x02, 0x00, 0x01], Sender::Server).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "malformed PUBREL at byte 0: header flags 0x0a, must be 0x02 (MQTT-3.6.1-1, answer 0x81)",
/// );
/// assert_eq!(error.reason(), ReasonCode::MALFORMED_PACKET);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeError {
    // What is wrong, in parts, so that all of it takes three words.
    named: Named,
    packet_type: Option<PacketType>,
    sender: Option<Sender>,
    number: u32,
    /// Where; of a packet that is too large, which is so at its start, the bytes that it has.
    place: u32,
}

impl DecodeError {
    /// One to be overwritten.
    #[doc(hidden)]
    pub const BLANK: Self = Self::new(Wrong::of(DecodeErrorKind::ReservedType), 0, None, None);

    /// A packet that is too large is so at its start, and `offset` tells how many bytes it has.
    #[cold]
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) const fn new(
        wrong: Wrong,
        offset: usize,
        packet_type: Option<PacketType>,
        sender: Option<Sender>,
    ) -> Self {
        // A packet has at most 268,435,460 bytes.
        #[expect(clippy::cast_possible_truncation)]
        let place = offset as u32;
        let Wrong { named, number } = wrong;
        Self {
            named,
            packet_type,
            sender,
            number,
            place,
        }
    }

    const fn wrong(&self) -> Wrong {
        Wrong {
            named: self.named,
            number: self.number,
        }
    }

    /// The packet that is wrong; `None` only for the reserved type 0.
    #[must_use]
    pub const fn packet_type(&self) -> Option<PacketType> {
        self.packet_type
    }

    /// Where it is wrong: bytes from the first byte of the packet.
    #[must_use]
    pub const fn offset(&self) -> usize {
        if self.named.is(What::TooLarge) {
            0
        } else {
            self.place as usize
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.wrong().kind(self.packet_type, self.place)
    }

    /// The reason code to answer with, in a DISCONNECT or a CONNACK (section 4.13).
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        self.wrong().reason()
    }

    /// The same of a packet from a server: there is less to tell apart.
    #[doc(hidden)]
    #[must_use]
    pub const fn reason_of_servers(&self) -> ReasonCode {
        self.wrong().reason_of_servers()
    }

    /// The statement of the standard that is broken, `MQTT-2.1.3-1`, or the place that says so,
    /// `section 2.2.2.2`, where no numbered statement does.
    #[must_use]
    pub const fn statement(&self) -> &'static str {
        use DecodeErrorKind as Kind;
        use PacketType as Type;
        match (self.kind(), self.packet_type) {
            (Kind::ReservedType | Kind::WrongDirection | Kind::WrongType { .. }, _) => {
                "section 2.1.2"
            }
            (Kind::WrongFlags { .. }, Some(Type::PubRel)) => "MQTT-3.6.1-1",
            (Kind::WrongFlags { .. }, Some(Type::Subscribe)) => "MQTT-3.8.1-1",
            (Kind::WrongFlags { .. }, Some(Type::Unsubscribe)) => "MQTT-3.10.1-1",
            (Kind::WrongFlags { .. }, Some(Type::Disconnect)) => "MQTT-3.14.1-1",
            (Kind::WrongFlags { .. }, Some(Type::Auth)) => "MQTT-3.15.1-1",
            (Kind::WrongFlags { .. }, _) => "MQTT-2.1.3-1",
            (Kind::InvalidQoS, _) => "MQTT-3.3.1-4",
            (Kind::DupWithQoS0, _) => "MQTT-3.3.1-2",
            (Kind::VarintTooLong, _) => "section 1.5.5",
            (Kind::VarintNotMinimal, _) => "MQTT-1.5.5-1",
            (Kind::TooLarge { .. }, _) => "section 4.13",
            (Kind::Truncated | Kind::TrailingBytes { .. }, _) => "section 2.1.4",
            (Kind::MissingPropertyLength, _) => "MQTT-2.2.2-1",
            (Kind::PropertiesTooLong { .. }, _) => "section 2.2.2.1",
            (Kind::InvalidUtf8(Field::Property(PropertyId::UserProperty)), _) => "MQTT-1.5.7-1",
            (Kind::NulInText(Field::Property(PropertyId::UserProperty)), _) => "MQTT-1.5.7-1",
            (Kind::InvalidUtf8(_), _) => "MQTT-1.5.4-1",
            (Kind::NulInText(_), _) => "MQTT-1.5.4-2",
            (Kind::ProtocolName, _) => "MQTT-3.1.2-1",
            (Kind::ProtocolVersion(_), _) => "MQTT-3.1.2-2",
            (Kind::ConnectFlags(_), _) => "MQTT-3.1.2-3",
            (Kind::WillFlagsWithoutWill(flags), _) if flags & 0x18 != 0 => "MQTT-3.1.2-11",
            (Kind::WillFlagsWithoutWill(_), _) => "MQTT-3.1.2-13",
            (Kind::InvalidWillQoS, _) => "MQTT-3.1.2-12",
            (Kind::ConnAckFlags(_), _) => "MQTT-3.2.2-1",
            (Kind::SessionPresentWithFailure, _) => "MQTT-3.2.2-6",
            (Kind::WildcardInTopicName(Field::TopicName), _) => "MQTT-3.3.2-2",
            (Kind::WildcardInTopicName(Field::Property(_)), _) => "MQTT-3.3.2-14",
            (Kind::WildcardInTopicName(_), _) => "MQTT-4.7.0-1",
            (Kind::EmptyTopic(_), _) => "MQTT-4.7.3-1",
            (Kind::MultiLevelWildcard, _) => "MQTT-4.7.1-1",
            (Kind::SingleLevelWildcard, _) => "MQTT-4.7.1-2",
            (Kind::ShareName, _) => "MQTT-4.8.2-1",
            (Kind::ShareFilter, _) => "MQTT-4.8.2-2",
            (Kind::ZeroPacketId, Some(Type::Publish)) => match self.sender {
                Some(Sender::Server) => "MQTT-2.2.1-4",
                _ => "MQTT-2.2.1-3",
            },
            (Kind::ZeroPacketId, Some(Type::Subscribe | Type::Unsubscribe)) => "MQTT-2.2.1-3",
            (Kind::ZeroPacketId, Some(Type::SubAck | Type::UnsubAck)) => "MQTT-2.2.1-6",
            (Kind::ZeroPacketId, _) => "MQTT-2.2.1-5",
            (Kind::UnknownProperty(_) | Kind::PropertyNotAllowed(_), _) => "section 2.2.2.2",
            (Kind::PropertyFromWrongSender(PropertyId::SessionExpiryInterval), _) => {
                "MQTT-3.14.2-2"
            }
            (Kind::PropertyFromWrongSender(PropertyId::SubscriptionIdentifier), _) => {
                "MQTT-3.3.4-6"
            }
            (Kind::PropertyFromWrongSender(_), _) => "section 3.14.2.2",
            (
                Kind::PropertyValue {
                    property: PropertyId::TopicAlias,
                    ..
                },
                _,
            ) => "MQTT-3.3.2-8",
            (
                Kind::PropertyValue {
                    property: PropertyId::MaximumQoS,
                    ..
                },
                _,
            ) => "section 3.2.2.3.4",
            (Kind::DuplicateProperty(_) | Kind::PropertyValue { .. }, packet) => {
                properties_section(packet)
            }
            (Kind::MissingProperty(_), Some(Type::Auth)) => "section 3.15.2.2.2",
            (Kind::MissingProperty(_), _) => "section 3.1.2.11.10",
            (Kind::ReasonCode(_), Some(Type::ConnAck)) => "MQTT-3.2.2-8",
            (Kind::ReasonCode(_), Some(Type::PubAck)) => "MQTT-3.4.2-1",
            (Kind::ReasonCode(_), Some(Type::PubRec)) => "MQTT-3.5.2-1",
            (Kind::ReasonCode(_), Some(Type::PubRel)) => "MQTT-3.6.2-1",
            (Kind::ReasonCode(_), Some(Type::PubComp)) => "MQTT-3.7.2-1",
            (Kind::ReasonCode(_), Some(Type::SubAck)) => "MQTT-3.9.3-2",
            (Kind::ReasonCode(_), Some(Type::UnsubAck)) => "MQTT-3.11.3-2",
            (Kind::ReasonCode(_), Some(Type::Disconnect)) => "MQTT-3.14.2-1",
            (Kind::ReasonCode(_), _) => "MQTT-3.15.2-1",
            (Kind::SubscriptionOptions(_), _) => "MQTT-3.8.3-5",
            (Kind::InvalidSubscriptionQoS | Kind::InvalidRetainHandling, _) => "section 3.8.3.1",
            (Kind::NoLocalOnShared, _) => "MQTT-3.8.3-4",
            (Kind::EmptyPayload, Some(Type::Subscribe)) => "MQTT-3.8.3-2",
            (Kind::EmptyPayload, Some(Type::Unsubscribe)) => "MQTT-3.10.3-2",
            (Kind::EmptyPayload, Some(Type::SubAck)) => "section 3.9.3",
            (Kind::EmptyPayload, _) => "section 3.11.3",
        }
    }
}

/// The section that lists the properties of a packet.
const fn properties_section(packet: Option<PacketType>) -> &'static str {
    match packet {
        Some(PacketType::Connect) => "section 3.1.2.11",
        Some(PacketType::ConnAck) => "section 3.2.2.3",
        Some(PacketType::Publish) => "section 3.3.2.3",
        Some(PacketType::PubAck) => "section 3.4.2.2",
        Some(PacketType::PubRec) => "section 3.5.2.2",
        Some(PacketType::PubRel) => "section 3.6.2.2",
        Some(PacketType::PubComp) => "section 3.7.2.2",
        Some(PacketType::Subscribe) => "section 3.8.2.1",
        Some(PacketType::SubAck) => "section 3.9.2.1",
        Some(PacketType::Unsubscribe) => "section 3.10.2.1",
        Some(PacketType::UnsubAck) => "section 3.11.2.1",
        Some(PacketType::Disconnect) => "section 3.14.2.2",
        Some(PacketType::Auth) => "section 3.15.2.2",
        _ => "section 2.2.2",
    }
}

/// What is wrong with a packet, with the offending number where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Packet type 0.
    ReservedType,
    /// The low four bits of the first byte are not what the packet type prescribes.
    WrongFlags {
        /// The bits received.
        found: u8,
        /// The bits prescribed.
        expected: u8,
    },
    /// A PUBLISH with both QoS bits set.
    InvalidQoS,
    /// A PUBLISH with DUP and QoS 0.
    DupWithQoS0,
    /// A variable byte integer goes on after its fourth byte.
    VarintTooLong,
    /// A variable byte integer takes more bytes than its value needs.
    VarintNotMinimal,
    /// The packet is larger than the caller allows.
    TooLarge {
        /// Size of the whole packet in bytes.
        len: u32,
        /// What the caller allows, in bytes.
        maximum: u32,
    },
    /// This end never sends such a packet.
    WrongDirection,
    /// Another packet than the caller asked for; not the peer's fault.
    WrongType {
        /// What the caller asked for; for acknowledgements PUBACK stands for all four.
        expected: PacketType,
    },
    /// A field ends after the packet, or after the properties it belongs to.
    Truncated,
    /// The packet ends where the length of its properties should be.
    MissingPropertyLength,
    /// The properties end after the packet.
    PropertiesTooLong {
        /// Length of the properties in bytes.
        len: u32,
    },
    /// Bytes after the last field.
    TrailingBytes {
        /// How many.
        count: u32,
    },
    /// A text is not UTF-8, or encodes a surrogate.
    InvalidUtf8(Field),
    /// A text contains U+0000.
    NulInText(Field),
    /// The protocol name is not `MQTT`.
    ProtocolName,
    /// The protocol version is not 5.
    ProtocolVersion(u8),
    /// The reserved bit of the connect flags is set.
    ConnectFlags(u8),
    /// Will QoS or Will Retain is set without a will.
    WillFlagsWithoutWill(u8),
    /// Will QoS 3.
    InvalidWillQoS,
    /// A reserved bit of the acknowledge flags is set.
    ConnAckFlags(u8),
    /// A refusing CONNACK reports a session.
    SessionPresentWithFailure,
    /// A topic name contains `+` or `#`.
    WildcardInTopicName(Field),
    /// A topic name or filter has no character; in a PUBLISH also no topic alias stands for it.
    EmptyTopic(Field),
    /// A `#` in a topic filter is not alone in the last level.
    MultiLevelWildcard,
    /// A `+` in a topic filter is not alone in its level.
    SingleLevelWildcard,
    /// The share name of a topic filter is empty.
    ShareName,
    /// The share name of a topic filter has a wildcard, or no filter follows it.
    ShareFilter,
    /// Packet identifier 0.
    ZeroPacketId,
    /// A property number that the standard does not name.
    UnknownProperty(u32),
    /// The property does not belong into this packet.
    PropertyNotAllowed(PropertyId),
    /// The property belongs into this packet, but only when the other end sends it.
    PropertyFromWrongSender(PropertyId),
    /// The property occurs twice.
    DuplicateProperty(PropertyId),
    /// The value is outside the range of the property.
    PropertyValue {
        /// The property.
        property: PropertyId,
        /// Its value.
        value: u32,
    },
    /// The property must be there.
    MissingProperty(PropertyId),
    /// The reason code does not belong into this packet, or not from this sender.
    ReasonCode(u8),
    /// Bit 6 or 7 of the subscription options is set.
    SubscriptionOptions(u8),
    /// A subscription asks for QoS 3.
    InvalidSubscriptionQoS,
    /// A subscription asks for Retain Handling 3.
    InvalidRetainHandling,
    /// No Local on a shared subscription.
    NoLocalOnShared,
    /// No topic filter, or no reason code, in the payload.
    EmptyPayload,
}

crate::words::words! { DecodeErrorKind:
    Self::ReservedType => "packet type 0 is reserved";
    Self::WrongFlags { found, expected } => "header flags {:#04x}, must be {:#04x}", found, expected;
    Self::InvalidQoS => "QoS 3";
    Self::DupWithQoS0 => "DUP with QoS 0";
    Self::VarintTooLong => "a variable byte integer of more than 4 bytes";
    Self::VarintNotMinimal => "a variable byte integer longer than it needs to be";
    Self::TooLarge { len, maximum } =>
        "the packet has {} bytes, at most {} are accepted", len, maximum;
    Self::WrongDirection => "this end never sends it";
    Self::WrongType { expected } => "{} was asked for", expected;
    Self::Truncated => "a field runs past its end";
    Self::MissingPropertyLength => "the property length is missing";
    Self::PropertiesTooLong { len } => "properties of {} bytes run past its end", len;
    Self::TrailingBytes { count } => "{} bytes after the last field", count;
    Self::InvalidUtf8(field) => "{} is not UTF-8", field;
    Self::NulInText(field) => "{} contains U+0000", field;
    Self::ProtocolName => "the protocol name is not \"MQTT\"";
    Self::ProtocolVersion(version) => "protocol version {}, must be 5", version;
    Self::ConnectFlags(flags) => "connect flags {:#04x}, bit 0 is reserved", flags;
    Self::WillFlagsWithoutWill(flags) =>
        "connect flags {:#04x} describe a will that is not there", flags;
    Self::InvalidWillQoS => "will QoS 3";
    Self::ConnAckFlags(flags) => "acknowledge flags {:#04x}, bits 1 to 7 are reserved", flags;
    Self::SessionPresentWithFailure => "session present with a failure";
    Self::WildcardInTopicName(field) => "a wildcard in {}", field;
    Self::EmptyTopic(field) => "{} is empty", field;
    Self::MultiLevelWildcard => "'#' is not alone in the last level of its filter";
    Self::SingleLevelWildcard => "'+' is not alone in its level";
    Self::ShareName => "the share name is empty";
    Self::ShareFilter => "the share name has a wildcard, or no filter follows it";
    Self::ZeroPacketId => "packet identifier 0";
    Self::UnknownProperty(id) => "unknown property {:#04x}", id;
    Self::PropertyNotAllowed(id) => "property {} is not allowed here", id;
    Self::PropertyFromWrongSender(id) => "property {} is not allowed from this sender", id;
    Self::DuplicateProperty(id) => "property {} occurs twice", id;
    Self::PropertyValue { property, value } => "property {} cannot be {}", property, value;
    Self::MissingProperty(id) => "property {} is missing", id;
    Self::ReasonCode(code) => "reason code {:#04x} is not allowed here", code;
    Self::SubscriptionOptions(options) =>
        "subscription options {:#04x}, bits 6 and 7 are reserved", options;
    Self::InvalidSubscriptionQoS => "a subscription with QoS 3";
    Self::InvalidRetainHandling => "a subscription with retain handling 3";
    Self::NoLocalOnShared => "no local on a shared subscription";
    Self::EmptyPayload => "the payload is empty";
}

impl core::fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DecodeError")
            .field("kind", &self.kind())
            .field("offset", &self.offset())
            .field("packet_type", &self.packet_type)
            .field("sender", &self.sender)
            .finish()
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let reason = self.reason();
        f.write_str(match reason {
            ReasonCode::MALFORMED_PACKET => "malformed ",
            ReasonCode::PACKET_TOO_LARGE => "too large ",
            _ => "invalid ",
        })?;
        match self.packet_type {
            Some(packet_type) => write!(f, "{packet_type}")?,
            None => f.write_str("packet")?,
        }
        write!(
            f,
            " at byte {}: {} ({}, answer 0x{:02x})",
            self.offset(),
            self.kind(),
            self.statement(),
            reason.value()
        )
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for DecodeError {
    fn format(&self, f: defmt::Formatter<'_>) {
        let reason = self.reason();
        // Inside of a struct the hint of a text keeps it from being quoted.
        let manner = match reason {
            ReasonCode::MALFORMED_PACKET => defmt::intern!("malformed"),
            ReasonCode::PACKET_TOO_LARGE => defmt::intern!("too large"),
            _ => defmt::intern!("invalid"),
        };
        match self.packet_type {
            Some(packet_type) => defmt::write!(f, "{=istr:a} {}", manner, packet_type),
            None => defmt::write!(f, "{=istr:a} packet", manner),
        }
        defmt::write!(
            f,
            " at byte {=usize}: {} ({=str:a}, answer {=u8:#04x})",
            self.offset(),
            self.kind(),
            self.statement(),
            reason.value()
        );
    }
}

impl core::error::Error for DecodeError {}
