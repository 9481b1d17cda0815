//! What the server allows on the present connection.

use mqtt_proto::{Properties, QoS};

/// The limits of CONNACK; each starts at the standard's default, for each connection anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    /// The largest packet the server takes, in bytes, header included.
    pub maximum_packet_size: u32,
    /// How many QoS 1 and QoS 2 messages may be unacknowledged at a time.
    pub receive_maximum: u16,
    /// The highest topic alias; 0: none.
    pub topic_alias_maximum: u16,
    /// The highest QoS of a publish.
    pub maximum_qos: QoS,
    /// Whether retained messages are stored.
    pub retain_available: bool,
    /// Whether filters may have wildcards.
    pub wildcard_subscription_available: bool,
    /// Whether filters may begin with `$share/`.
    pub shared_subscription_available: bool,
    /// Whether SUBSCRIBE may have an identifier.
    pub subscription_identifier_available: bool,
}

impl Limits {
    /// No limits but the standard's own.
    pub(crate) const DEFAULT: Self = Self {
        maximum_packet_size: u32::MAX,
        receive_maximum: u16::MAX,
        topic_alias_maximum: 0,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_subscription_available: true,
        shared_subscription_available: true,
        subscription_identifier_available: true,
    };

    /// What stands where nothing is agreed on: all zero bits.
    pub(crate) const NONE_YET: Self = Self {
        maximum_packet_size: 0,
        receive_maximum: 0,
        topic_alias_maximum: 0,
        maximum_qos: QoS::AtMostOnce,
        retain_available: false,
        wildcard_subscription_available: false,
        subscription_identifier_available: false,
        shared_subscription_available: false,
    };

    /// The limits that the properties of a CONNACK set.
    pub(crate) fn of(properties: &Properties<'_>) -> Self {
        let default = Self::DEFAULT;
        Self {
            maximum_packet_size: properties
                .maximum_packet_size()
                .unwrap_or(default.maximum_packet_size),
            receive_maximum: properties
                .receive_maximum()
                .unwrap_or(default.receive_maximum),
            topic_alias_maximum: properties
                .topic_alias_maximum()
                .unwrap_or(default.topic_alias_maximum),
            maximum_qos: properties.maximum_qos().unwrap_or(default.maximum_qos),
            retain_available: properties
                .retain_available()
                .unwrap_or(default.retain_available),
            wildcard_subscription_available: properties
                .wildcard_subscription_available()
                .unwrap_or(default.wildcard_subscription_available),
            shared_subscription_available: properties
                .shared_subscription_available()
                .unwrap_or(default.shared_subscription_available),
            subscription_identifier_available: properties
                .subscription_identifier_available()
                .unwrap_or(default.subscription_identifier_available),
        }
    }
}

/// Bytes of an acknowledgement in its shortest form, which is the smallest there is.
pub(crate) const SHORT_ACK: usize = 4;
