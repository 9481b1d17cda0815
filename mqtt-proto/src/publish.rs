use crate::fixed_header::PublishFlags;
use crate::property::{PropertyRules, read_properties};
#[cfg(feature = "fast")]
use crate::reader::Fault;
use crate::reader::{Context, Reader};
use crate::writer::Writer;
use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, PropertyId, QoS,
    RawPacket, Sender, TopicName, text, varint,
};
#[cfg(feature = "fast")]
use crate::{DecodeErrorKind, Field};

#[cfg(not(feature = "fast"))]
#[path = "publish_compact.rs"]
mod encode;
#[cfg(feature = "fast")]
#[path = "publish_fast.rs"]
mod encode;

/// PUBLISH: an application message on its way (section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Publish<'a> {
    /// Whether this may be a repetition of an earlier attempt; never with QoS 0 (MQTT-3.3.1-2).
    pub dup: bool,
    /// The quality of service.
    pub qos: QoS,
    /// Whether the server keeps the message, or sends a kept one.
    pub retain: bool,
    /// The topic name. `None`: it is empty on the wire, and a topic alias stands for it.
    pub topic: Option<TopicName<'a>>,
    /// The packet identifier: there exactly when the QoS is above 0 (MQTT-2.2.1-2).
    pub packet_id: Option<PacketId>,
    /// The properties.
    pub properties: Properties<'a>,
    /// The payload: bytes that the protocol does not look at. May be empty.
    pub payload: &'a [u8],
}

/// What [`Publish::decode_header`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum HeaderFrame<'a> {
    /// Everything before the payload is there and valid.
    Whole {
        /// The packet, with an empty payload.
        publish: Publish<'a>,
        /// Where in the body the payload begins, in bytes.
        header_len: usize,
    },
    /// The properties or what stands before them are not all there yet.
    Partial {
        /// At least this many bytes are missing: 1 or more, never more than the body has.
        need: usize,
    },
}

impl<'a> Publish<'a> {
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn read(flags: PublishFlags, reader: &mut Reader<'a, '_>) -> Option<Self> {
        let topic_place = reader.place();
        let topic = reader.topic_name(Field::TopicName)?;
        let qos = flags.qos();
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            _ => Some(reader.packet_id()?),
        };
        let properties = read_properties(reader)?;
        if topic.is_none() && !properties.has(PropertyId::TopicAlias) {
            return reader.fail_at(topic_place, DecodeErrorKind::EmptyTopic(Field::TopicName));
        }
        Some(Self {
            dup: flags.dup(),
            qos,
            retain: flags.retain(),
            topic,
            packet_id,
            properties: properties.properties(),
            payload: reader.rest(),
        })
    }

    /// The PUBLISH at the start of the input and its length in bytes, if it is whole, is valid, has
    /// a topic name and has no topic alias: the way of most messages, without a detour over
    /// [`frame`](crate::frame). All else is `None`, and for `frame` to tell apart.
    ///
    /// ```
    /// use mqtt_proto::{Publish, Sender};
    ///
    /// let input = [0x30, 6, 0, 1, b't', 0, b'2', b'1', 0xd0, 0];
    /// let Some((publish, len)) = Publish::decode_plain(&input, 1024, Sender::Server) else {
    ///     unreachable!()
    /// };
    /// assert_eq!(publish.payload, b"21");
    /// assert_eq!(input[len..], [0xd0, 0]);
    /// assert_eq!(Publish::decode_plain(&input[len..], 1024, Sender::Server), None);
    /// ```
    #[must_use]
    #[cfg_attr(feature = "fast", inline(always))]
    pub fn decode_plain(
        input: &'a [u8],
        maximum_packet_size: u32,
        sender: Sender,
    ) -> Option<(Self, usize)> {
        let (&first, rest) = input.split_first()?;
        let flags = PublishFlags::of(first)?;
        let (len, len_len) = varint::read(rest).ok()??;
        let (_, rest) = rest.split_at_checked(len_len)?;
        let body = rest.get(..len as usize)?;
        let packet_len = len_len.wrapping_add(len as usize).wrapping_add(1);
        if packet_len > maximum_packet_size as usize {
            return None;
        }
        let (topic_len, body) = body.split_first_chunk()?;
        let (topic, body) = body.split_at_checked(usize::from(u16::from_be_bytes(*topic_len)))?;
        let (packet_id, body) = match flags.qos() {
            QoS::AtMostOnce => (None, body),
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                let (id, body) = body.split_first_chunk()?;
                (Some(PacketId::new(u16::from_be_bytes(*id))?), body)
            }
        };
        let mut properties = Properties::NONE_ON_WIRE;
        let payload = match body {
            [0, payload @ ..] => payload,
            _ => read_plain_properties(body, sender, &mut properties)?,
        };
        let topic = text::scan(topic, text::Kind::TopicName).filter(|topic| !topic.is_empty())?;
        let publish = Self {
            dup: flags.dup(),
            qos: flags.qos(),
            retain: flags.retain(),
            topic: Some(TopicName::checked(topic)),
            packet_id,
            properties,
            payload,
        };
        Some((publish, packet_len))
    }

    /// Decodes everything but the payload, so that a payload larger than the input buffer can be
    /// taken in parts. `header` is what [`FixedHeader::parse`] gave, `body_prefix` as much of what
    /// follows it as there is; bytes of the payload in it are passed over.
    ///
    /// # Errors
    /// As [`RawPacket::decode`](crate::RawPacket::decode).
    pub fn decode_header(
        header: FixedHeader,
        body_prefix: &'a [u8],
        sender: Sender,
    ) -> Result<HeaderFrame<'a>, DecodeError> {
        let body_len = header.remaining_length() as usize;
        let body_prefix = body_prefix.get(..body_len).unwrap_or(body_prefix);
        // Another packet is refused, whatever is there of it.
        let target = if header.packet_type() == PacketType::Publish {
            header_extent(body_prefix, 0, body_len, header.publish_flags().qos())
        } else {
            0
        };
        let Some(head) = body_prefix.get(..target) else {
            let need = target.saturating_sub(body_prefix.len());
            return Ok(HeaderFrame::Partial { need });
        };
        Ok(HeaderFrame::Whole {
            publish: RawPacket::new(header, head).publish(sender)?,
            header_len: target,
        })
    }

    /// How many bytes of the packet, of which these are the first, come before its payload: as much
    /// of this as they tell, and then more than there are.
    #[doc(hidden)]
    #[must_use]
    pub fn extent(header: &FixedHeader, prefix: &[u8]) -> usize {
        let qos = header.publish_flags().qos();
        header_extent(prefix, header.len(), header.packet_len(), qos)
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let payload_len = self.payload.len();
        self.header_len(payload_len)
            .map(|len| len.saturating_add(payload_len))
    }

    /// Bytes of the packet but for its payload, when the payload has `payload_len` bytes.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn header_len(&self, payload_len: usize) -> Result<usize, EncodeError> {
        self.measure(payload_len)
    }

    /// Encodes the whole packet; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids this sender, a packet that is too large, or a buffer that is too
    /// small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        self.write_whole(sender, out)
    }

    /// Encodes everything but the payload, which has `payload_len` bytes and is sent right after;
    /// `self.payload` is ignored. The number of bytes written.
    ///
    /// ```
    /// use mqtt_proto::{Properties, Publish, QoS, Sender, TopicName};
    ///
    /// let publish = Publish {
    ///     dup: false,
    ///     qos: QoS::AtMostOnce,
    ///     retain: false,
    ///     topic: Some(TopicName::new("a/b")?),
    ///     packet_id: None,
    ///     properties: Properties::EMPTY,
    ///     payload: &[],
    /// };
    /// let mut header = [0; 16];
    /// let len = publish.encode_header(Sender::Client, 1000, &mut header)?;
    /// assert_eq!(header[..len], [0x30, 0xee, 0x07, 0, 3, b'a', b'/', b'b', 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_header(
        &self,
        sender: Sender,
        payload_len: usize,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        self.write_start(sender, payload_len, out)
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write_body(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        self.write_body_with(&self.properties, sender, writer)
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write_body_with(
        &self,
        properties: &Properties<'_>,
        sender: Sender,
        writer: &mut Writer<'_>,
    ) -> Option<()> {
        writer.known(self.topic_bytes())?;
        if let Some(id) = self.packet_id {
            writer.two(id.value())?;
        }
        if (self.qos == QoS::AtMostOnce) == self.packet_id.is_some() {
            writer.fail(EncodeError::PacketId)?;
        }
        if self.dup && self.qos == QoS::AtMostOnce {
            writer.fail(EncodeError::DupWithQoS0)?;
        }
        if self.topic.is_none() && !properties.contains(PropertyId::TopicAlias) {
            writer.fail(EncodeError::MissingTopic)?;
        }
        properties.write(PropertyRules::of(PacketType::Publish, sender), writer)
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn first_byte(&self) -> u8 {
        PacketType::Publish.first_byte()
            | u8::from(self.dup) << 3
            | (self.qos as u8) << 1
            | u8::from(self.retain)
    }

    #[inline]
    fn topic_bytes(&self) -> &'a [u8] {
        self.topic.map_or(&[], |topic| topic.as_bytes())
    }
}

/// Reads the properties in front of a payload, unless there is a topic alias among them; the
/// payload.
#[cfg_attr(feature = "fast", inline(never))]
fn read_plain_properties<'a>(
    body: &'a [u8],
    sender: Sender,
    properties: &mut Properties<'a>,
) -> Option<&'a [u8]> {
    let context = Context {
        packet_type: PacketType::Publish,
        sender,
    };
    #[cfg(feature = "fast")]
    let mut fault = Fault::NONE;
    #[cfg(feature = "fast")]
    let mut reader = Reader::new(body, 0, context, &mut fault);
    #[cfg(not(feature = "fast"))]
    let mut reader = Reader::new(body, context);
    *properties = read_properties(&mut reader)?.properties();
    let payload = reader.rest();
    #[cfg(not(feature = "fast"))]
    if reader.has_failed() {
        return None;
    }
    (!properties.contains(PropertyId::TopicAlias)).then_some(payload)
}

/// Where what comes before the payload of a PUBLISH ends, whose body lies from `start` to `end` of
/// what begins with these bytes: how many have to be there before it can be decoded, or refused with
/// the same error as if all of it were there, as much of this as `prefix` tells.
fn header_extent(prefix: &[u8], start: usize, end: usize, qos: QoS) -> usize {
    // None of these numbers is large.
    let topic = start.wrapping_add(2);
    let topic_end = match prefix.get(start..topic) {
        Some(&[high, low]) => topic.wrapping_add(usize::from(u16::from_be_bytes([high, low]))),
        _ => usize::MAX,
    };
    if topic_end > end {
        return topic.min(end);
    }
    let before_properties = topic_end.wrapping_add(if qos == QoS::AtMostOnce { 0 } else { 2 });
    let extent = match varint::read(prefix.get(before_properties..).unwrap_or_default()) {
        Ok(None) => before_properties.max(prefix.len()).wrapping_add(1),
        Err(_) => prefix.len(),
        Ok(Some((len, len_len))) => {
            let properties = before_properties.wrapping_add(len_len);
            let behind = properties.wrapping_add(len as usize);
            if behind > end { properties } else { behind }
        }
    };
    extent.min(end)
}

#[cfg(feature = "defmt")]
impl defmt::Format for Publish<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Publish {{ dup: {=bool}, qos: {}, retain: {=bool}, topic: {:?}, packet_id: {}, \
             properties: {}, payload: {} }}",
            self.dup,
            self.qos,
            self.retain,
            self.topic,
            self.packet_id,
            self.properties,
            crate::log::Size::of(self.payload)
        );
    }
}
