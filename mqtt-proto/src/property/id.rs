/// The properties of the standard, numbered as on the wire (section 2.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PropertyId {
    /// Whether the payload is text or unspecified bytes.
    PayloadFormatIndicator = 0x01,
    /// Lifetime of the message in seconds.
    MessageExpiryInterval = 0x02,
    /// What the payload is, for example a MIME type.
    ContentType = 0x03,
    /// Where an answer to this message is awaited.
    ResponseTopic = 0x08,
    /// Bytes by which the requester knows which request an answer belongs to; at most 65,535.
    CorrelationData = 0x09,
    /// Number of the subscription, 1..=268,435,455.
    SubscriptionIdentifier = 0x0b,
    /// How long the session outlives the connection, in seconds; `u32::MAX` is for ever.
    SessionExpiryInterval = 0x11,
    /// The client identifier that the server chose.
    AssignedClientIdentifier = 0x12,
    /// The keep alive interval that replaces the client's, in seconds; 0 turns it off.
    ServerKeepAlive = 0x13,
    /// Name of the method of enhanced authentication.
    AuthenticationMethod = 0x15,
    /// Bytes of the authentication method; at most 65,535.
    AuthenticationData = 0x16,
    /// Whether the server may send reason strings and user properties with acknowledgements.
    RequestProblemInformation = 0x17,
    /// How long the server waits before it publishes the will, in seconds.
    WillDelayInterval = 0x18,
    /// Whether the client asks for Response Information.
    RequestResponseInformation = 0x19,
    /// Basis for response topics, chosen by the server.
    ResponseInformation = 0x1a,
    /// Other servers to use, separated by spaces.
    ServerReference = 0x1c,
    /// The reason in words, for people who diagnose.
    ReasonString = 0x1f,
    /// How many QoS 1 and QoS 2 messages may be unacknowledged at once, 1..=65,535.
    ReceiveMaximum = 0x21,
    /// Highest topic alias accepted; 0 means none.
    TopicAliasMaximum = 0x22,
    /// Number that stands for the topic name, 1..=65,535.
    TopicAlias = 0x23,
    /// Highest quality of service the server supports: 0 or 1; absent means 2.
    MaximumQoS = 0x24,
    /// Whether the server keeps retained messages.
    RetainAvailable = 0x25,
    /// A name and a value that the standard does not interpret; the only property that repeats everywhere.
    UserProperty = 0x26,
    /// Largest packet accepted, in bytes, 1 and up; absent means no limit but the protocol's.
    MaximumPacketSize = 0x27,
    /// Whether filters may have wildcards.
    WildcardSubscriptionAvailable = 0x28,
    /// Whether subscriptions may have identifiers.
    SubscriptionIdentifierAvailable = 0x29,
    /// Whether filters may begin with `$share/`.
    SharedSubscriptionAvailable = 0x2a,
}

impl PropertyId {
    /// All properties in the order of their numbers.
    pub const ALL: [Self; 27] = [
        Self::PayloadFormatIndicator,
        Self::MessageExpiryInterval,
        Self::ContentType,
        Self::ResponseTopic,
        Self::CorrelationData,
        Self::SubscriptionIdentifier,
        Self::SessionExpiryInterval,
        Self::AssignedClientIdentifier,
        Self::ServerKeepAlive,
        Self::AuthenticationMethod,
        Self::AuthenticationData,
        Self::RequestProblemInformation,
        Self::WillDelayInterval,
        Self::RequestResponseInformation,
        Self::ResponseInformation,
        Self::ServerReference,
        Self::ReasonString,
        Self::ReceiveMaximum,
        Self::TopicAliasMaximum,
        Self::TopicAlias,
        Self::MaximumQoS,
        Self::RetainAvailable,
        Self::UserProperty,
        Self::MaximumPacketSize,
        Self::WildcardSubscriptionAvailable,
        Self::SubscriptionIdentifierAvailable,
        Self::SharedSubscriptionAvailable,
    ];

    /// The property with this number; `None` if the standard names no such property.
    #[must_use]
    #[cfg_attr(feature = "fast", inline)]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0x01 => Self::PayloadFormatIndicator,
            0x02 => Self::MessageExpiryInterval,
            0x03 => Self::ContentType,
            0x08 => Self::ResponseTopic,
            0x09 => Self::CorrelationData,
            0x0b => Self::SubscriptionIdentifier,
            0x11 => Self::SessionExpiryInterval,
            0x12 => Self::AssignedClientIdentifier,
            0x13 => Self::ServerKeepAlive,
            0x15 => Self::AuthenticationMethod,
            0x16 => Self::AuthenticationData,
            0x17 => Self::RequestProblemInformation,
            0x18 => Self::WillDelayInterval,
            0x19 => Self::RequestResponseInformation,
            0x1a => Self::ResponseInformation,
            0x1c => Self::ServerReference,
            0x1f => Self::ReasonString,
            0x21 => Self::ReceiveMaximum,
            0x22 => Self::TopicAliasMaximum,
            0x23 => Self::TopicAlias,
            0x24 => Self::MaximumQoS,
            0x25 => Self::RetainAvailable,
            0x26 => Self::UserProperty,
            0x27 => Self::MaximumPacketSize,
            0x28 => Self::WildcardSubscriptionAvailable,
            0x29 => Self::SubscriptionIdentifierAvailable,
            0x2a => Self::SharedSubscriptionAvailable,
            _ => return None,
        })
    }

    /// The name as the standard writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PayloadFormatIndicator => "Payload Format Indicator",
            Self::MessageExpiryInterval => "Message Expiry Interval",
            Self::ContentType => "Content Type",
            Self::ResponseTopic => "Response Topic",
            Self::CorrelationData => "Correlation Data",
            Self::SubscriptionIdentifier => "Subscription Identifier",
            Self::SessionExpiryInterval => "Session Expiry Interval",
            Self::AssignedClientIdentifier => "Assigned Client Identifier",
            Self::ServerKeepAlive => "Server Keep Alive",
            Self::AuthenticationMethod => "Authentication Method",
            Self::AuthenticationData => "Authentication Data",
            Self::RequestProblemInformation => "Request Problem Information",
            Self::WillDelayInterval => "Will Delay Interval",
            Self::RequestResponseInformation => "Request Response Information",
            Self::ResponseInformation => "Response Information",
            Self::ServerReference => "Server Reference",
            Self::ReasonString => "Reason String",
            Self::ReceiveMaximum => "Receive Maximum",
            Self::TopicAliasMaximum => "Topic Alias Maximum",
            Self::TopicAlias => "Topic Alias",
            Self::MaximumQoS => "Maximum QoS",
            Self::RetainAvailable => "Retain Available",
            Self::UserProperty => "User Property",
            Self::MaximumPacketSize => "Maximum Packet Size",
            Self::WildcardSubscriptionAvailable => "Wildcard Subscription Available",
            Self::SubscriptionIdentifierAvailable => "Subscription Identifier Available",
            Self::SharedSubscriptionAvailable => "Shared Subscription Available",
        }
    }
}

impl core::fmt::Display for PropertyId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PropertyId {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::words::Plain(self.name()).format(f);
    }
}
