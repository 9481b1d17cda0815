use core::num::NonZero;

use crate::{DecodeErrorKind, Field, PacketType, PropertyId, ReasonCode};

/// What is wrong with a packet, in two words: a [`DecodeErrorKind`] before anybody asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wrong {
    pub(crate) named: Named,
    /// Of some kinds.
    pub(crate) number: u32,
}

/// What is wrong, and with which field, if it is one: two numbers in one, which is handed on without
/// a place in memory. In most, there is but the lower one, which short instructions hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Named(NonZero<u16>);

impl Named {
    #[inline(always)]
    pub(crate) const fn new(what: What, of: Of) -> Self {
        match NonZero::new((of.0 as u16) << 8 | what as u16) {
            Some(number) => Self(number),
            // What is wrong is never 0.
            None => Self(NonZero::<u16>::MIN),
        }
    }

    /// What has this number, and no field.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn of_number(what: u16) -> Option<Self> {
        match NonZero::new(what & 0xff) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    pub(crate) const fn is(self, what: What) -> bool {
        self.what() == what as u16
    }

    /// As the number that it has.
    const fn what(self) -> u16 {
        self.0.get() & 0xff
    }

    const fn of(self) -> Of {
        Of((self.0.get() >> 8) as u8)
    }
}

/// The field that an error is about, as a number: that of its property, or one behind those. So
/// nobody who reads a number has to make a property of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Of(u8);

impl Of {
    /// Of no field.
    pub(crate) const NOTHING: Self = Self(0);

    /// The property of this number.
    #[cfg(not(feature = "fast"))]
    #[expect(clippy::cast_possible_truncation, reason = "there are none above 42")]
    pub(crate) const fn property(number: u32) -> Self {
        Self(number as u8)
    }

    pub(crate) const fn field(field: Field) -> Self {
        Self(match field {
            Field::Property(id) => id as u8,
            Field::ProtocolName => 0x40,
            Field::ClientId => 0x41,
            Field::WillTopic => 0x42,
            Field::WillPayload => 0x43,
            Field::UserName => 0x44,
            Field::Password => 0x45,
            Field::TopicName => 0x46,
            Field::TopicFilter => 0x47,
        })
    }

    pub(crate) const fn id(id: PropertyId) -> Self {
        Self(id as u8)
    }

    #[cfg(not(feature = "fast"))]
    pub(crate) const fn is(self, id: PropertyId) -> bool {
        self.0 == id as u8
    }

    const fn is_property(self) -> bool {
        self.0 < 0x40
    }

    /// The property, where it is one.
    const fn property_id(self) -> PropertyId {
        match PropertyId::from_u32(self.0 as u32) {
            Some(id) => id,
            None => PropertyId::UserProperty,
        }
    }

    const fn get(self) -> Field {
        match (PropertyId::from_u32(self.0 as u32), self.0) {
            (Some(id), _) => Field::Property(id),
            (None, 0x41) => Field::ClientId,
            (None, 0x42) => Field::WillTopic,
            (None, 0x43) => Field::WillPayload,
            (None, 0x44) => Field::UserName,
            (None, 0x45) => Field::Password,
            (None, 0x46) => Field::TopicName,
            (None, 0x47) => Field::TopicFilter,
            (None, _) => Field::ProtocolName,
        }
    }
}

macro_rules! whats {
    ($first:ident, $($name:ident),+) => {
        /// A [`DecodeErrorKind`] without what belongs to it. In the order of the answers to them, so
        /// that few comparisons tell those apart.
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum What {
            // 0 is none.
            $first = 1,
            $($name),+
        }

        impl What {
            /// What has this number.
            #[expect(clippy::indexing_slicing, reason = "six bits are below 64")]
            const fn of(number: u16) -> Self {
                const BY_NUMBER: [What; 64] = {
                    let mut by_number = [What::EmptyPayload; 64];
                    by_number[What::$first as usize] = What::$first;
                    $(by_number[What::$name as usize] = What::$name;)+
                    by_number
                };
                BY_NUMBER[(number & 63) as usize]
            }
        }
    };
}

whats! {
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
    EmptyPayload
}

impl Wrong {
    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub(crate) const fn of(kind: DecodeErrorKind) -> Self {
        use DecodeErrorKind as Kind;
        const NOTHING: Of = Of::NOTHING;
        let (what, of, number) = match kind {
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
            Kind::InvalidUtf8(field) => (What::InvalidUtf8, Of::field(field), 0),
            Kind::NulInText(field) => (What::NulInText, Of::field(field), 0),
            Kind::ProtocolName => (What::ProtocolName, NOTHING, 0),
            Kind::ProtocolVersion(number) => (What::ProtocolVersion, NOTHING, number as u32),
            Kind::ConnectFlags(number) => (What::ConnectFlags, NOTHING, number as u32),
            Kind::WillFlagsWithoutWill(number) => {
                (What::WillFlagsWithoutWill, NOTHING, number as u32)
            }
            Kind::InvalidWillQoS => (What::InvalidWillQoS, NOTHING, 0),
            Kind::ConnAckFlags(number) => (What::ConnAckFlags, NOTHING, number as u32),
            Kind::SessionPresentWithFailure => (What::SessionPresentWithFailure, NOTHING, 0),
            Kind::WildcardInTopicName(field) => (What::WildcardInTopicName, Of::field(field), 0),
            Kind::EmptyTopic(field) => (What::EmptyTopic, Of::field(field), 0),
            Kind::MultiLevelWildcard => (What::MultiLevelWildcard, NOTHING, 0),
            Kind::SingleLevelWildcard => (What::SingleLevelWildcard, NOTHING, 0),
            Kind::ShareName => (What::ShareName, NOTHING, 0),
            Kind::ShareFilter => (What::ShareFilter, NOTHING, 0),
            Kind::ZeroPacketId => (What::ZeroPacketId, NOTHING, 0),
            Kind::UnknownProperty(number) => (What::UnknownProperty, NOTHING, number),
            Kind::PropertyNotAllowed(id) => (What::PropertyNotAllowed, Of::id(id), 0),
            Kind::PropertyFromWrongSender(id) => (What::PropertyFromWrongSender, Of::id(id), 0),
            Kind::DuplicateProperty(id) => (What::DuplicateProperty, Of::id(id), 0),
            Kind::PropertyValue { property, value } => {
                (What::PropertyValue, Of::id(property), value)
            }
            Kind::MissingProperty(id) => (What::MissingProperty, Of::id(id), 0),
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
            named: Named::new(what, of),
            number,
        }
    }

    /// The kind, of a packet of this type, with so many bytes if they are too many.
    #[expect(clippy::cast_possible_truncation, reason = "it was made from a byte")]
    pub(crate) const fn kind(self, packet_type: Option<PacketType>, len: u32) -> DecodeErrorKind {
        use DecodeErrorKind as Kind;
        let Self { named, number } = self;
        let of = named.of();
        match What::of(named.what()) {
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
            What::InvalidUtf8 => Kind::InvalidUtf8(of.get()),
            What::NulInText => Kind::NulInText(of.get()),
            What::ProtocolName => Kind::ProtocolName,
            What::ProtocolVersion => Kind::ProtocolVersion(number as u8),
            What::ConnectFlags => Kind::ConnectFlags(number as u8),
            What::WillFlagsWithoutWill => Kind::WillFlagsWithoutWill(number as u8),
            What::InvalidWillQoS => Kind::InvalidWillQoS,
            What::ConnAckFlags => Kind::ConnAckFlags(number as u8),
            What::SessionPresentWithFailure => Kind::SessionPresentWithFailure,
            What::WildcardInTopicName => Kind::WildcardInTopicName(of.get()),
            What::EmptyTopic => Kind::EmptyTopic(of.get()),
            What::MultiLevelWildcard => Kind::MultiLevelWildcard,
            What::SingleLevelWildcard => Kind::SingleLevelWildcard,
            What::ShareName => Kind::ShareName,
            What::ShareFilter => Kind::ShareFilter,
            What::ZeroPacketId => Kind::ZeroPacketId,
            What::UnknownProperty => Kind::UnknownProperty(number),
            What::PropertyNotAllowed => Kind::PropertyNotAllowed(of.property_id()),
            What::PropertyFromWrongSender => Kind::PropertyFromWrongSender(of.property_id()),
            What::DuplicateProperty => Kind::DuplicateProperty(of.property_id()),
            What::PropertyValue => Kind::PropertyValue {
                property: of.property_id(),
                value: number,
            },
            What::MissingProperty => Kind::MissingProperty(of.property_id()),
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
        let what = self.named.what();
        if what <= What::SubscriptionOptions as u16 || what > What::ShareFilter as u16 {
            return self.reason_of_servers();
        }
        if what <= What::ProtocolVersion as u16 {
            return ReasonCode::UNSUPPORTED_PROTOCOL_VERSION;
        }
        ReasonCode::TOPIC_FILTER_INVALID
    }

    /// The same of a packet from a server, in which neither a protocol nor a topic filter is named.
    pub(crate) const fn reason_of_servers(self) -> ReasonCode {
        const WRONG_ALIAS: Named = Named::new(What::PropertyValue, Of::id(PropertyId::TopicAlias));
        let what = self.named.what();
        if what <= What::SubscriptionOptions as u16 {
            ReasonCode::MALFORMED_PACKET
        } else if what == What::TooLarge as u16 {
            ReasonCode::PACKET_TOO_LARGE
        } else if what == What::WildcardInTopicName as u16 && !self.named.of().is_property() {
            ReasonCode::TOPIC_NAME_INVALID
        } else if self.named.0.get() == WRONG_ALIAS.0.get() {
            ReasonCode::TOPIC_ALIAS_INVALID
        } else {
            ReasonCode::PROTOCOL_ERROR
        }
    }
}
