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

    /// The limits that the properties of a CONNECT set.
    #[cfg(feature = "broker")]
    pub(crate) fn of(properties: &Properties<'_>) -> Self {
        let mut limits = Self::NONE_YET;
        limits.set(properties);
        limits
    }

    /// Becomes the limits that the properties of a CONNACK set, each at its place at once.
    #[inline]
    pub(crate) fn set(&mut self, properties: &Properties<'_>) {
        let default = Self::DEFAULT;
        self.maximum_packet_size = properties
            .maximum_packet_size()
            .unwrap_or(default.maximum_packet_size);
        self.receive_maximum = properties
            .receive_maximum()
            .unwrap_or(default.receive_maximum);
        self.topic_alias_maximum = properties
            .topic_alias_maximum()
            .unwrap_or(default.topic_alias_maximum);
        self.maximum_qos = properties.maximum_qos().unwrap_or(default.maximum_qos);
        self.retain_available = properties.retain_available() != Some(false);
        self.wildcard_subscription_available =
            properties.wildcard_subscription_available().unwrap_or(true);
        self.shared_subscription_available =
            properties.shared_subscription_available().unwrap_or(true);
        self.subscription_identifier_available = properties
            .subscription_identifier_available()
            .unwrap_or(true);
    }
}

/// Bytes of an acknowledgement in its shortest form, which is the smallest there is.
pub(crate) const SHORT_ACK: usize = 4;
