//! What the server allows on the present connection.

use crate::event::GiveUp;
use crate::record::Flags;
#[cfg(feature = "broker")]
use mqtt_proto::Properties;
use mqtt_proto::{Fields, PropertyId, QoS};

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
        let mut limits = Self::DEFAULT;
        properties.each_number(|property, number| limits.note(property, number, |_, _| {}));
        limits
    }

    /// Becomes the limits that the properties of a CONNACK set; what else has a number is shown.
    #[inline]
    pub(crate) fn set(&mut self, fields: &Fields<'_>, mut show: impl FnMut(u32, u32)) {
        *self = Self::DEFAULT;
        fields.each_number(|property, number| self.note(property, number, &mut show));
    }

    /// Why what is known of a packet is not allowed, if it is not.
    #[inline]
    pub(crate) fn refuse(&self, flags: Flags) -> Option<GiveUp> {
        // A bit for each, and a byte for each, in the same order.
        let mut asks = flags.asks();
        let mut allows = u32::from_le_bytes([
            self.retain_available.into(),
            self.wildcard_subscription_available.into(),
            self.shared_subscription_available.into(),
            self.subscription_identifier_available.into(),
        ]);
        for at in 0..4 {
            if u32::from(asks) & !allows & 1 != 0 {
                return Some(match at {
                    0 => GiveUp::RetainNotSupported,
                    1 => GiveUp::WildcardsNotSupported,
                    2 => GiveUp::SharedNotSupported,
                    _ => GiveUp::SubscriptionIdentifiersNotSupported,
                });
            }
            asks >>= 1;
            allows >>= 8;
        }
        None
    }

    #[inline(always)]
    fn note(&mut self, property: u32, number: u32, show: impl FnOnce(u32, u32)) {
        const MAXIMUM_PACKET_SIZE: u32 = PropertyId::MaximumPacketSize as u32;
        const RECEIVE_MAXIMUM: u32 = PropertyId::ReceiveMaximum as u32;
        const TOPIC_ALIAS_MAXIMUM: u32 = PropertyId::TopicAliasMaximum as u32;
        const MAXIMUM_QOS: u32 = PropertyId::MaximumQoS as u32;
        const RETAIN: u32 = PropertyId::RetainAvailable as u32;
        const WILDCARDS: u32 = PropertyId::WildcardSubscriptionAvailable as u32;
        const SHARED: u32 = PropertyId::SharedSubscriptionAvailable as u32;
        const IDENTIFIERS: u32 = PropertyId::SubscriptionIdentifierAvailable as u32;
        // A flag is 0 or 1.
        let yes = number & 1 != 0;
        match property {
            MAXIMUM_PACKET_SIZE => self.maximum_packet_size = number,
            RECEIVE_MAXIMUM => self.receive_maximum = number as u16,
            TOPIC_ALIAS_MAXIMUM => self.topic_alias_maximum = number as u16,
            MAXIMUM_QOS => {
                self.maximum_qos = if yes {
                    QoS::AtLeastOnce
                } else {
                    QoS::AtMostOnce
                };
            }
            RETAIN => self.retain_available = yes,
            WILDCARDS => self.wildcard_subscription_available = yes,
            SHARED => self.shared_subscription_available = yes,
            IDENTIFIERS => self.subscription_identifier_available = yes,
            _ => show(property, number),
        }
    }
}

/// Bytes of an acknowledgement in its shortest form, which is the smallest there is.
pub(crate) const SHORT_ACK: usize = 4;
