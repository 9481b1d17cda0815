//! What the server allows on the present connection.

#[cfg(feature = "broker")]
use mqtt_proto::Properties;
use mqtt_proto::{Property, QoS};

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

    /// The limits that the properties of a CONNECT set.
    #[cfg(feature = "broker")]
    pub(crate) fn of(properties: &Properties<'_>) -> Self {
        let mut limits = Self::DEFAULT;
        properties.iter().for_each(|property| limits.set(&property));
        limits
    }

    /// Takes over what a property says, if it is about a limit.
    pub(crate) fn set(&mut self, property: &Property<'_>) {
        match *property {
            Property::MaximumPacketSize(size) => self.maximum_packet_size = size,
            Property::ReceiveMaximum(count) => self.receive_maximum = count,
            Property::TopicAliasMaximum(count) => self.topic_alias_maximum = count,
            Property::MaximumQoS(qos) => self.maximum_qos = qos,
            Property::RetainAvailable(yes) => self.retain_available = yes,
            Property::WildcardSubscriptionAvailable(yes) => {
                self.wildcard_subscription_available = yes;
            }
            Property::SharedSubscriptionAvailable(yes) => {
                self.shared_subscription_available = yes;
            }
            Property::SubscriptionIdentifierAvailable(yes) => {
                self.subscription_identifier_available = yes;
            }
            _ => {}
        }
    }
}

/// Bytes of an acknowledgement in its shortest form, which is the smallest there is.
pub(crate) const SHORT_ACK: usize = 4;
