use crate::reader::Reader;
use crate::{DecodeErrorKind, QoS, TopicFilter};

/// One subscription of a SUBSCRIBE: a topic filter and what is asked for (section 3.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Subscription<'a> {
    /// Which topic names.
    pub filter: TopicFilter<'a>,
    /// How.
    pub options: SubscriptionOptions,
}

/// How messages of a subscription are to be sent (section 3.8.3.1). The default asks for QoS 0 and
/// leaves every option at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubscriptionOptions {
    /// Highest quality of service at which messages are sent.
    pub qos: QoS,
    /// The client's own messages are not sent back to it; not for shared subscriptions
    /// (MQTT-3.8.3-4).
    pub no_local: bool,
    /// The RETAIN flag is kept as it was published (MQTT-3.3.1-13).
    pub retain_as_published: bool,
    /// What happens to retained messages when the subscription is made.
    pub retain_handling: RetainHandling,
}

/// What happens to retained messages when a subscription is made (section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum RetainHandling {
    /// 0: they are sent (MQTT-3.3.1-9).
    #[default]
    SendAtSubscribe = 0,
    /// 1: they are sent if the subscription did not exist (MQTT-3.3.1-10).
    SendIfNew = 1,
    /// 2: they are not sent (MQTT-3.3.1-11).
    DoNotSend = 2,
}

const QOS: u8 = 0b0000_0011;
const NO_LOCAL: u8 = 0b0000_0100;
const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
const RETAIN_HANDLING_SHIFT: u8 = 4;
const RESERVED: u8 = 0b1100_0000;

impl SubscriptionOptions {
    pub(crate) fn from_byte(byte: u8) -> Result<Self, DecodeErrorKind> {
        if byte & RESERVED != 0 {
            return Err(DecodeErrorKind::SubscriptionOptions(byte));
        }
        let qos = QoS::from_u8(byte & QOS).ok_or(DecodeErrorKind::InvalidSubscriptionQoS)?;
        let retain_handling = match byte >> RETAIN_HANDLING_SHIFT {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeErrorKind::InvalidRetainHandling),
        };
        Ok(Self {
            qos,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }

    // By reference, each field is read where it lies, and not the whole taken apart again.
    pub(crate) const fn byte(&self) -> u8 {
        let upper = (self.retain_handling as u8) << 1 | self.retain_as_published as u8;
        (upper << 1 | self.no_local as u8) << 2 | self.qos as u8
    }
}

impl<'a> Subscription<'a> {
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        let filter_place = reader.place();
        let filter = reader.topic_filter()?;
        let place = reader.place();
        let options = match SubscriptionOptions::from_byte(reader.byte()?) {
            Ok(options) => options,
            Err(kind) => return reader.fail_at(place, kind),
        };
        if options.no_local && filter.is_shared() {
            return reader.fail_at(filter_place, DecodeErrorKind::NoLocalOnShared);
        }
        Some(Self { filter, options })
    }
}
