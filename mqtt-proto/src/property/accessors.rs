#[cfg(not(feature = "fast"))]
use super::Source;
use super::{PayloadFormat, Properties, Property, PropertyId};
use crate::{QoS, TopicName};

/// The value of a property that occurs at most once.
#[cfg(feature = "fast")]
macro_rules! single {
    ($(#[$doc:meta])* $name:ident, $id:ident, $value:ty, $convert:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> Option<$value> {
            match self.find(PropertyId::$id)? {
                Property::$id(value) => Some(value),
                _ => None,
            }
        }
    };
}

/// The value of a property that occurs at most once. Other values than that of the one that is
/// asked for are not made, so that there is no code for them.
#[cfg(not(feature = "fast"))]
macro_rules! single {
    ($(#[$doc:meta])* $name:ident, $id:ident, $value:ty, $convert:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline(always)]
        pub fn $name(&self) -> Option<$value> {
            match self.0 {
                Source::Wire(validated) => validated.$convert(PropertyId::$id),
                Source::List(first, rest) => {
                    first.iter().chain(rest).find_map(|property| match property {
                        Property::$id(value) => Some(*value),
                        _ => None,
                    })
                }
            }
        }
    };
}

/// Accessors: the first property of each kind, `None` if there is none.
impl<'a> Properties<'a> {
    single! {
        /// Whether the payload is text or unspecified bytes.
        payload_format_indicator, PayloadFormatIndicator, PayloadFormat, payload_format
    }
    single! {
        /// Lifetime of the message in seconds.
        message_expiry_interval, MessageExpiryInterval, u32, four
    }
    single! {
        /// What the payload is, for example a MIME type.
        content_type, ContentType, &'a str, text
    }
    single! {
        /// Where an answer to this message is awaited.
        response_topic, ResponseTopic, TopicName<'a>, topic
    }
    single! {
        /// Bytes by which the requester knows which request an answer belongs to; at most 65,535.
        correlation_data, CorrelationData, &'a [u8], binary
    }
    single! {
        /// How long the session outlives the connection, in seconds; `u32::MAX` is for ever.
        session_expiry_interval, SessionExpiryInterval, u32, four
    }
    single! {
        /// The client identifier that the server chose.
        assigned_client_identifier, AssignedClientIdentifier, &'a str, text
    }
    single! {
        /// The keep alive interval that replaces the client's, in seconds; 0 turns it off.
        server_keep_alive, ServerKeepAlive, u16, two
    }
    single! {
        /// Name of the method of enhanced authentication.
        authentication_method, AuthenticationMethod, &'a str, text
    }
    single! {
        /// Bytes of the authentication method; at most 65,535.
        authentication_data, AuthenticationData, &'a [u8], binary
    }
    single! {
        /// Whether the server may send reason strings and user properties with acknowledgements.
        request_problem_information, RequestProblemInformation, bool, flag
    }
    single! {
        /// How long the server waits before it publishes the will, in seconds.
        will_delay_interval, WillDelayInterval, u32, four
    }
    single! {
        /// Whether the client asks for Response Information.
        request_response_information, RequestResponseInformation, bool, flag
    }
    single! {
        /// Basis for response topics, chosen by the server.
        response_information, ResponseInformation, &'a str, text
    }
    single! {
        /// Other servers to use, separated by spaces.
        server_reference, ServerReference, &'a str, text
    }
    single! {
        /// The reason in words, for people who diagnose.
        reason_string, ReasonString, &'a str, text
    }
    single! {
        /// How many QoS 1 and QoS 2 messages may be unacknowledged at once, 1..=65,535.
        receive_maximum, ReceiveMaximum, u16, two
    }
    single! {
        /// Highest topic alias accepted; 0 means none.
        topic_alias_maximum, TopicAliasMaximum, u16, two
    }
    single! {
        /// Number that stands for the topic name, 1..=65,535.
        topic_alias, TopicAlias, u16, two
    }
    single! {
        /// Highest quality of service the server supports: 0 or 1; absent means 2.
        maximum_qos, MaximumQoS, QoS, qos
    }
    single! {
        /// Whether the server keeps retained messages.
        retain_available, RetainAvailable, bool, flag
    }
    single! {
        /// Largest packet accepted, in bytes, 1 and up; absent means no limit but the protocol's.
        maximum_packet_size, MaximumPacketSize, u32, four
    }
    single! {
        /// Whether filters may have wildcards.
        wildcard_subscription_available, WildcardSubscriptionAvailable, bool, flag
    }
    single! {
        /// Whether subscriptions may have identifiers.
        subscription_identifier_available, SubscriptionIdentifierAvailable, bool, flag
    }
    single! {
        /// Whether filters may begin with `$share/`.
        shared_subscription_available, SharedSubscriptionAvailable, bool, flag
    }

    /// The bytes of the client identifier that the server chose, for which they are not checked to
    /// be text again.
    #[doc(hidden)]
    #[must_use]
    pub fn assigned_client_identifier_bytes(&self) -> Option<&'a [u8]> {
        #[cfg(feature = "fast")]
        return self.assigned_client_identifier().map(str::as_bytes);
        #[cfg(not(feature = "fast"))]
        match self.0 {
            Source::Wire(validated) => validated.binary(PropertyId::AssignedClientIdentifier),
            Source::List(..) => self.assigned_client_identifier().map(str::as_bytes),
        }
    }

    /// The bytes of the authentication method's name, for which they are not checked to be text again.
    #[doc(hidden)]
    #[must_use]
    pub fn authentication_method_bytes(&self) -> Option<&'a [u8]> {
        #[cfg(feature = "fast")]
        return self.authentication_method().map(str::as_bytes);
        #[cfg(not(feature = "fast"))]
        match self.0 {
            Source::Wire(validated) => validated.binary(PropertyId::AuthenticationMethod),
            Source::List(..) => self.authentication_method().map(str::as_bytes),
        }
    }

    /// Names and values of the user properties, in their order; they may repeat.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The subscription identifiers, in their order; a PUBLISH may carry several (MQTT-3.3.4-4).
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(value) => Some(value),
            _ => None,
        })
    }
}
