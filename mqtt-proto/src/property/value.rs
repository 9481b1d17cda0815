use super::PropertyId;
#[cfg(feature = "defmt")]
use crate::log::Size;
use crate::{QoS, TopicName};

/// What the Payload Format Indicator says about a payload (section 3.3.2.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum PayloadFormat {
    /// 0: bytes of any kind, the same as no indicator.
    #[default]
    Unspecified = 0,
    /// 1: UTF-8 text. Whether that is true is not checked here.
    Utf8 = 1,
}

/// One property: its identifier and its value (section 2.2.2.2).
///
/// A decoded property keeps the rules of its type. One made by hand is checked when it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Property<'a> {
    /// Whether the payload is text or unspecified bytes.
    PayloadFormatIndicator(PayloadFormat) = 0x01,
    /// Lifetime of the message in seconds.
    MessageExpiryInterval(u32) = 0x02,
    /// What the payload is, for example a MIME type.
    ContentType(&'a str) = 0x03,
    /// Where an answer to this message is awaited.
    ResponseTopic(TopicName<'a>) = 0x08,
    /// Bytes by which the requester knows which request an answer belongs to; at most 65,535.
    CorrelationData(&'a [u8]) = 0x09,
    /// Number of the subscription, 1..=268,435,455.
    SubscriptionIdentifier(u32) = 0x0b,
    /// How long the session outlives the connection, in seconds; `u32::MAX` is for ever.
    SessionExpiryInterval(u32) = 0x11,
    /// The client identifier that the server chose.
    AssignedClientIdentifier(&'a str) = 0x12,
    /// The keep alive interval that replaces the client's, in seconds; 0 turns it off.
    ServerKeepAlive(u16) = 0x13,
    /// Name of the method of enhanced authentication.
    AuthenticationMethod(&'a str) = 0x15,
    /// Bytes of the authentication method; at most 65,535.
    AuthenticationData(&'a [u8]) = 0x16,
    /// Whether the server may send reason strings and user properties with acknowledgements.
    RequestProblemInformation(bool) = 0x17,
    /// How long the server waits before it publishes the will, in seconds.
    WillDelayInterval(u32) = 0x18,
    /// Whether the client asks for Response Information.
    RequestResponseInformation(bool) = 0x19,
    /// Basis for response topics, chosen by the server.
    ResponseInformation(&'a str) = 0x1a,
    /// Other servers to use, separated by spaces.
    ServerReference(&'a str) = 0x1c,
    /// The reason in words, for people who diagnose.
    ReasonString(&'a str) = 0x1f,
    /// How many QoS 1 and QoS 2 messages may be unacknowledged at once, 1..=65,535.
    ReceiveMaximum(u16) = 0x21,
    /// Highest topic alias accepted; 0 means none.
    TopicAliasMaximum(u16) = 0x22,
    /// Number that stands for the topic name, 1..=65,535.
    TopicAlias(u16) = 0x23,
    /// Highest quality of service the server supports: 0 or 1; absent means 2.
    MaximumQoS(QoS) = 0x24,
    /// Whether the server keeps retained messages.
    RetainAvailable(bool) = 0x25,
    /// A name and a value that the standard does not interpret; the only property that repeats everywhere.
    UserProperty(&'a str, &'a str) = 0x26,
    /// Largest packet accepted, in bytes, 1 and up; absent means no limit but the protocol's.
    MaximumPacketSize(u32) = 0x27,
    /// Whether filters may have wildcards.
    WildcardSubscriptionAvailable(bool) = 0x28,
    /// Whether subscriptions may have identifiers.
    SubscriptionIdentifierAvailable(bool) = 0x29,
    /// Whether filters may begin with `$share/`.
    SharedSubscriptionAvailable(bool) = 0x2a,
}

/// The value of a property.
#[cfg_attr(
    feature = "fast",
    expect(dead_code, reason = "built for speed, only numbers are looked at")
)]
pub(super) enum Value<'a> {
    /// A number of any width, a flag or the like.
    Number(u32),
    /// Text or binary data.
    Bytes(&'a [u8]),
    /// A name and a value.
    Pair(&'a str, &'a str),
}

impl Property<'_> {
    /// Its value, as one of the few kinds that there are.
    #[inline(always)]
    pub(super) fn value(&self) -> Value<'_> {
        match *self {
            Self::PayloadFormatIndicator(format) => Value::Number(format as u32),
            Self::MaximumQoS(qos) => Value::Number(qos as u32),
            Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => Value::Number(u32::from(flag)),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => Value::Number(u32::from(value)),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value)
            | Self::SubscriptionIdentifier(value) => Value::Number(value),
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => Value::Bytes(text.as_bytes()),
            Self::ResponseTopic(topic) => Value::Bytes(topic.as_bytes()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => Value::Bytes(bytes),
            Self::UserProperty(name, value) => Value::Pair(name, value),
        }
    }

    /// Which property this is.
    #[must_use]
    #[inline]
    pub const fn id(&self) -> PropertyId {
        match self {
            Self::PayloadFormatIndicator(..) => PropertyId::PayloadFormatIndicator,
            Self::MessageExpiryInterval(..) => PropertyId::MessageExpiryInterval,
            Self::ContentType(..) => PropertyId::ContentType,
            Self::ResponseTopic(..) => PropertyId::ResponseTopic,
            Self::CorrelationData(..) => PropertyId::CorrelationData,
            Self::SubscriptionIdentifier(..) => PropertyId::SubscriptionIdentifier,
            Self::SessionExpiryInterval(..) => PropertyId::SessionExpiryInterval,
            Self::AssignedClientIdentifier(..) => PropertyId::AssignedClientIdentifier,
            Self::ServerKeepAlive(..) => PropertyId::ServerKeepAlive,
            Self::AuthenticationMethod(..) => PropertyId::AuthenticationMethod,
            Self::AuthenticationData(..) => PropertyId::AuthenticationData,
            Self::RequestProblemInformation(..) => PropertyId::RequestProblemInformation,
            Self::WillDelayInterval(..) => PropertyId::WillDelayInterval,
            Self::RequestResponseInformation(..) => PropertyId::RequestResponseInformation,
            Self::ResponseInformation(..) => PropertyId::ResponseInformation,
            Self::ServerReference(..) => PropertyId::ServerReference,
            Self::ReasonString(..) => PropertyId::ReasonString,
            Self::ReceiveMaximum(..) => PropertyId::ReceiveMaximum,
            Self::TopicAliasMaximum(..) => PropertyId::TopicAliasMaximum,
            Self::TopicAlias(..) => PropertyId::TopicAlias,
            Self::MaximumQoS(..) => PropertyId::MaximumQoS,
            Self::RetainAvailable(..) => PropertyId::RetainAvailable,
            Self::UserProperty(..) => PropertyId::UserProperty,
            Self::MaximumPacketSize(..) => PropertyId::MaximumPacketSize,
            Self::WildcardSubscriptionAvailable(..) => PropertyId::WildcardSubscriptionAvailable,
            Self::SubscriptionIdentifierAvailable(..) => {
                PropertyId::SubscriptionIdentifierAvailable
            }
            Self::SharedSubscriptionAvailable(..) => PropertyId::SharedSubscriptionAvailable,
        }
    }
}

/// Data is counted: it may be long, and that of an authentication is secret.
#[cfg(feature = "defmt")]
impl defmt::Format for Property<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let id = self.id();
        match *self {
            Self::PayloadFormatIndicator(format) => defmt::write!(f, "{}: {}", id, format),
            Self::ResponseTopic(topic) => defmt::write!(f, "{}: {:?}", id, topic),
            Self::MaximumQoS(qos) => defmt::write!(f, "{}: {}", id, qos),
            Self::UserProperty(name, value) => {
                defmt::write!(f, "{}: {=str:?} = {=str:?}", id, name, value);
            }
            Self::CorrelationData(data) | Self::AuthenticationData(data) => {
                defmt::write!(f, "{}: {}", id, Size::of(data));
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => defmt::write!(f, "{}: {=str:?}", id, text),
            Self::MessageExpiryInterval(number)
            | Self::SubscriptionIdentifier(number)
            | Self::SessionExpiryInterval(number)
            | Self::WillDelayInterval(number)
            | Self::MaximumPacketSize(number) => defmt::write!(f, "{}: {=u32}", id, number),
            Self::ServerKeepAlive(number)
            | Self::ReceiveMaximum(number)
            | Self::TopicAliasMaximum(number)
            | Self::TopicAlias(number) => defmt::write!(f, "{}: {=u16}", id, number),
            Self::RequestProblemInformation(yes)
            | Self::RequestResponseInformation(yes)
            | Self::RetainAvailable(yes)
            | Self::WildcardSubscriptionAvailable(yes)
            | Self::SubscriptionIdentifierAvailable(yes)
            | Self::SharedSubscriptionAvailable(yes) => defmt::write!(f, "{}: {=bool}", id, yes),
        }
    }
}
