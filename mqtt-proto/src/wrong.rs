use crate::{DecodeErrorKind, Field, PacketType, PropertyId, ReasonCode};

/// What is wrong with a packet, in two words: a [`DecodeErrorKind`] before anybody asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wrong {
    pub(crate) what: What,
    /// Of some kinds.
    pub(crate) field: Field,
    /// Of other kinds.
    pub(crate) number: u32,
}

/// A [`DecodeErrorKind`] without what belongs to it. In the order of the answers to them, so that
/// few comparisons tell those apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum What {
    ReservedType,
    WrongFlags,
    InvalidQoS,
    DupWithQoS0,
    MissingPropertyLength,
    VarintTooLong,
    VarintNotMinimal,
    Truncated,
    PropertiesTooLong,
    TrailingBytes,
    InvalidUtf8,
    NulInText,
    ConnectFlags,
    WillFlagsWithoutWill,
    InvalidWillQoS,
    ConnAckFlags,
    UnknownProperty,
    PropertyNotAllowed,
    SubscriptionOptions,
    ProtocolName,
    ProtocolVersion,
    MultiLevelWildcard,
    SingleLevelWildcard,
    ShareName,
    ShareFilter,
    TooLarge,
    WildcardInTopicName,
    PropertyValue,
    WrongDirection,
    WrongType,
    SessionPresentWithFailure,
    EmptyTopic,
    ZeroPacketId,
    PropertyFromWrongSender,
    DuplicateProperty,
    MissingProperty,
    ReasonCode,
    InvalidSubscriptionQoS,
    InvalidRetainHandling,
    NoLocalOnShared,
    EmptyPayload,
}

impl Wrong {
    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub(crate) const fn of(kind: DecodeErrorKind) -> Self {
        use DecodeErrorKind as Kind;
        const NOTHING: Field = Field::ProtocolName;
        let (what, field, number) = match kind {
            Kind::ReservedType => (What::ReservedType, NOTHING, 0),
            Kind::WrongFlags { found, .. } => (What::WrongFlags, NOTHING, found as u32),
            Kind::InvalidQoS => (What::InvalidQoS, NOTHING, 0),
            Kind::DupWithQoS0 => (What::DupWithQoS0, NOTHING, 0),
            Kind::VarintTooLong => (What::VarintTooLong, NOTHING, 0),
            Kind::VarintNotMinimal => (What::VarintNotMinimal, NOTHING, 0),
            Kind::TooLarge { maximum, .. } => (What::TooLarge, NOTHING, maximum),
            Kind::WrongDirection => (What::WrongDirection, NOTHING, 0),
            Kind::WrongType { expected } => (What::WrongType, NOTHING, expected as u32),
            Kind::Truncated => (What::Truncated, NOTHING, 0),
            Kind::MissingPropertyLength => (What::MissingPropertyLength, NOTHING, 0),
            Kind::PropertiesTooLong { len } => (What::PropertiesTooLong, NOTHING, len),
            Kind::TrailingBytes { count } => (What::TrailingBytes, NOTHING, count),
            Kind::InvalidUtf8(field) => (What::InvalidUtf8, field, 0),
            Kind::NulInText(field) => (What::NulInText, field, 0),
            Kind::ProtocolName => (What::ProtocolName, NOTHING, 0),
            Kind::ProtocolVersion(number) => (What::ProtocolVersion, NOTHING, number as u32),
            Kind::ConnectFlags(number) => (What::ConnectFlags, NOTHING, number as u32),
            Kind::WillFlagsWithoutWill(number) => {
                (What::WillFlagsWithoutWill, NOTHING, number as u32)
            }
            Kind::InvalidWillQoS => (What::InvalidWillQoS, NOTHING, 0),
            Kind::ConnAckFlags(number) => (What::ConnAckFlags, NOTHING, number as u32),
            Kind::SessionPresentWithFailure => (What::SessionPresentWithFailure, NOTHING, 0),
            Kind::WildcardInTopicName(field) => (What::WildcardInTopicName, field, 0),
            Kind::EmptyTopic(field) => (What::EmptyTopic, field, 0),
            Kind::MultiLevelWildcard => (What::MultiLevelWildcard, NOTHING, 0),
            Kind::SingleLevelWildcard => (What::SingleLevelWildcard, NOTHING, 0),
            Kind::ShareName => (What::ShareName, NOTHING, 0),
            Kind::ShareFilter => (What::ShareFilter, NOTHING, 0),
            Kind::ZeroPacketId => (What::ZeroPacketId, NOTHING, 0),
            Kind::UnknownProperty(number) => (What::UnknownProperty, NOTHING, number),
            Kind::PropertyNotAllowed(id) => (What::PropertyNotAllowed, Field::Property(id), 0),
            Kind::PropertyFromWrongSender(id) => {
                (What::PropertyFromWrongSender, Field::Property(id), 0)
            }
            Kind::DuplicateProperty(id) => (What::DuplicateProperty, Field::Property(id), 0),
            Kind::PropertyValue { property, value } => {
                (What::PropertyValue, Field::Property(property), value)
            }
            Kind::MissingProperty(id) => (What::MissingProperty, Field::Property(id), 0),
            Kind::ReasonCode(number) => (What::ReasonCode, NOTHING, number as u32),
            Kind::SubscriptionOptions(number) => {
                (What::SubscriptionOptions, NOTHING, number as u32)
            }
            Kind::InvalidSubscriptionQoS => (What::InvalidSubscriptionQoS, NOTHING, 0),
            Kind::InvalidRetainHandling => (What::InvalidRetainHandling, NOTHING, 0),
            Kind::NoLocalOnShared => (What::NoLocalOnShared, NOTHING, 0),
            Kind::EmptyPayload => (What::EmptyPayload, NOTHING, 0),
        };
        Self {
            what,
            field,
            number,
        }
    }

    /// As [`of`](Self::of), of a kind that says in which field it is.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn in_field(what: What, field: Field) -> Self {
        Self {
            what,
            field,
            number: 0,
        }
    }

    /// The kind, of a packet of this type, with so many bytes if they are too many.
    #[expect(clippy::cast_possible_truncation, reason = "it was made from a byte")]
    pub(crate) const fn kind(self, packet_type: Option<PacketType>, len: u32) -> DecodeErrorKind {
        use DecodeErrorKind as Kind;
        let Self {
            what,
            field,
            number,
        } = self;
        match what {
            What::ReservedType => Kind::ReservedType,
            What::WrongFlags => Kind::WrongFlags {
                found: number as u8,
                expected: match packet_type {
                    Some(packet_type) => packet_type.flags(),
                    None => 0,
                },
            },
            What::InvalidQoS => Kind::InvalidQoS,
            What::DupWithQoS0 => Kind::DupWithQoS0,
            What::VarintTooLong => Kind::VarintTooLong,
            What::VarintNotMinimal => Kind::VarintNotMinimal,
            What::TooLarge => Kind::TooLarge {
                len,
                maximum: number,
            },
            What::WrongDirection => Kind::WrongDirection,
            What::WrongType => Kind::WrongType {
                expected: match PacketType::from_u8(number as u8) {
                    Some(expected) => expected,
                    None => PacketType::Connect,
                },
            },
            What::Truncated => Kind::Truncated,
            What::MissingPropertyLength => Kind::MissingPropertyLength,
            What::PropertiesTooLong => Kind::PropertiesTooLong { len: number },
            What::TrailingBytes => Kind::TrailingBytes { count: number },
            What::InvalidUtf8 => Kind::InvalidUtf8(field),
            What::NulInText => Kind::NulInText(field),
            What::ProtocolName => Kind::ProtocolName,
            What::ProtocolVersion => Kind::ProtocolVersion(number as u8),
            What::ConnectFlags => Kind::ConnectFlags(number as u8),
            What::WillFlagsWithoutWill => Kind::WillFlagsWithoutWill(number as u8),
            What::InvalidWillQoS => Kind::InvalidWillQoS,
            What::ConnAckFlags => Kind::ConnAckFlags(number as u8),
            What::SessionPresentWithFailure => Kind::SessionPresentWithFailure,
            What::WildcardInTopicName => Kind::WildcardInTopicName(field),
            What::EmptyTopic => Kind::EmptyTopic(field),
            What::MultiLevelWildcard => Kind::MultiLevelWildcard,
            What::SingleLevelWildcard => Kind::SingleLevelWildcard,
            What::ShareName => Kind::ShareName,
            What::ShareFilter => Kind::ShareFilter,
            What::ZeroPacketId => Kind::ZeroPacketId,
            What::UnknownProperty => Kind::UnknownProperty(number),
            What::PropertyNotAllowed => Kind::PropertyNotAllowed(property(field)),
            What::PropertyFromWrongSender => Kind::PropertyFromWrongSender(property(field)),
            What::DuplicateProperty => Kind::DuplicateProperty(property(field)),
            What::PropertyValue => Kind::PropertyValue {
                property: property(field),
                value: number,
            },
            What::MissingProperty => Kind::MissingProperty(property(field)),
            What::ReasonCode => Kind::ReasonCode(number as u8),
            What::SubscriptionOptions => Kind::SubscriptionOptions(number as u8),
            What::InvalidSubscriptionQoS => Kind::InvalidSubscriptionQoS,
            What::InvalidRetainHandling => Kind::InvalidRetainHandling,
            What::NoLocalOnShared => Kind::NoLocalOnShared,
            What::EmptyPayload => Kind::EmptyPayload,
        }
    }

    /// How a packet that is wrong in this way is answered.
    pub(crate) const fn reason(self) -> ReasonCode {
        let what = self.what as u8;
        if what <= What::SubscriptionOptions as u8 {
            return ReasonCode::MALFORMED_PACKET;
        }
        if what <= What::ProtocolVersion as u8 {
            return ReasonCode::UNSUPPORTED_PROTOCOL_VERSION;
        }
        if what <= What::ShareFilter as u8 {
            return ReasonCode::TOPIC_FILTER_INVALID;
        }
        match (self.what, self.field) {
            (What::TooLarge, _) => ReasonCode::PACKET_TOO_LARGE,
            (What::WildcardInTopicName, Field::Property(_)) => ReasonCode::PROTOCOL_ERROR,
            (What::WildcardInTopicName, _) => ReasonCode::TOPIC_NAME_INVALID,
            (What::PropertyValue, Field::Property(PropertyId::TopicAlias)) => {
                ReasonCode::TOPIC_ALIAS_INVALID
            }
            _ => ReasonCode::PROTOCOL_ERROR,
        }
    }
}

/// The property that is wrong, where one is.
const fn property(field: Field) -> PropertyId {
    match field {
        Field::Property(id) => id,
        _ => PropertyId::UserProperty,
    }
}
