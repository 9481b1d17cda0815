//! An application message on its way through the broker, and one that is kept.

use crate::instant::Instant;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mqtt_proto::{
    PacketId, Property, PropertyId, Publish, QoS, RawPacket, Sender as From, TopicName, Will, frame,
};

/// A message as it came in: what is forwarded of it (MQTT-3.3.2-4, MQTT-3.3.2-15 to 18,
/// MQTT-3.3.2-20), and how long it lives.
#[derive(Clone, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicName<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// What is left of its Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
    /// When it expires, where some of its interval has passed: what is left is no whole number of
    /// seconds then.
    pub(crate) until: Option<Instant>,
    /// All others, in their order, without those that concern one connection only.
    pub(crate) properties: Vec<Property<'a>>,
}

impl<'a> Message<'a> {
    fn new(
        topic: TopicName<'a>,
        payload: &'a [u8],
        qos: QoS,
        retain: bool,
        given: impl Iterator<Item = Property<'a>>,
    ) -> Self {
        let mut expiry = None;
        let mut properties = Vec::new();
        for property in given {
            match property {
                Property::MessageExpiryInterval(seconds) => expiry = Some(seconds),
                property => match property.id() {
                    PropertyId::TopicAlias
                    | PropertyId::WillDelayInterval
                    | PropertyId::SubscriptionIdentifier => {}
                    _ => properties.push(property),
                },
            }
        }
        Self {
            topic,
            payload,
            qos,
            retain,
            expiry,
            until: None,
            properties,
        }
    }

    /// What a PUBLISH says, whose topic may have been given by an alias.
    pub(crate) fn of_publish(publish: &Publish<'a>, topic: TopicName<'a>) -> Self {
        Self::new(
            topic,
            publish.payload,
            publish.qos,
            publish.retain,
            publish.properties.iter(),
        )
    }

    pub(crate) fn of_will(will: &Will<'a>) -> Self {
        let properties = will.properties.iter();
        Self::new(will.topic, will.payload, will.qos, will.retain, properties)
    }

    /// Whether its properties are such as a client may give a message. Those that come in a packet
    /// are; those that the program gives need not be.
    pub(crate) fn has_legal_properties(&self) -> bool {
        let concerns_connection = |property: &Property<'_>| {
            matches!(
                property.id(),
                PropertyId::MessageExpiryInterval | PropertyId::TopicAlias
            )
        };
        if self.properties.is_empty() {
            return true;
        }
        if self.properties.iter().any(concerns_connection) {
            return false;
        }
        let bare = Message {
            payload: &[],
            ..self.clone()
        };
        bare.keep(Instant::NEVER).is_some()
    }

    /// To be kept from `since` on; `None` if it is too large for a packet.
    pub(crate) fn keep(&self, since: Instant) -> Option<Kept> {
        let publish = Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: Some(self.topic),
            // Stands in for the one of a later transmission.
            packet_id: PacketId::new(u16::from(self.qos != QoS::AtMostOnce)),
            properties: mqtt_proto::Properties::new(&self.properties),
            payload: self.payload,
        };
        let mut packet = alloc::vec![0; publish.encoded_len().ok()?];
        publish.encode(From::Client, &mut packet).ok()?;
        Some(Kept {
            packet: packet.into_boxed_slice(),
            expiry: self.expiry,
            since,
        })
    }
}

/// A message that is kept: retained, or a will.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// A PUBLISH without a Message Expiry Interval.
    packet: Box<[u8]>,
    expiry: Option<u32>,
    /// From when on it counts down.
    pub(crate) since: Instant,
}

impl Kept {
    /// Bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.packet.len()
    }

    /// Its topic, also when it has expired.
    pub(crate) fn topic(&self) -> Option<&str> {
        let publish = whole(&self.packet)?.publish(From::Client).ok()?;
        publish.topic.map(|topic| topic.as_str())
    }

    /// When it expires; never, if it does not.
    pub(crate) fn expires(&self) -> Instant {
        self.expiry
            .map_or(Instant::NEVER, |seconds| self.since.plus_secs(seconds))
    }

    /// The message, with what is left of its interval (MQTT-3.3.2-6); `None` when it has expired
    /// (MQTT-3.3.2-5).
    pub(crate) fn message(&self, now: Instant) -> Option<Message<'_>> {
        let publish = whole(&self.packet)?.publish(From::Client).ok()?;
        let mut message = Message::of_publish(&publish, publish.topic?);
        if self.expiry.is_some() {
            message.expiry = Some(seconds_left(self.expires(), now)?);
            message.until = Some(self.expires());
        }
        Some(message)
    }
}

/// What is left of an interval, in seconds, rounded up; `None` when nothing is.
pub(crate) fn seconds_left(expires: Instant, now: Instant) -> Option<u32> {
    let micros = expires.since(now).as_micros();
    if micros == 0 {
        return None;
    }
    Some(u32::try_from(micros.div_ceil(1_000_000)).unwrap_or(u32::MAX))
}

/// A packet that this crate encoded.
pub(crate) fn whole(bytes: &[u8]) -> Option<RawPacket<'_>> {
    match frame(bytes, u32::MAX) {
        Ok(mqtt_proto::Frame::Whole(raw)) => Some(raw),
        _ => None,
    }
}
