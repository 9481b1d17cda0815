use crate::fields::{Fields, may_come_from};
use crate::reader::{Context, Reader};
#[cfg(feature = "fast")]
use crate::reader::{Fault, decode};
#[cfg(not(feature = "fast"))]
use crate::wrong::Wrong;
use crate::{
    Ack, Auth, ConnAck, Connect, DecodeError, DecodeErrorKind, Disconnect, FixedHeader, Packet,
    PacketId, PacketType, Publish, QoS, ReasonCodes, Sender, SubAck, Subscribe, UnsubAck,
    Unsubscribe,
};

/// What lies at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Frame<'a> {
    /// A whole packet; more input may follow it.
    Whole(RawPacket<'a>),
    /// The beginning of a packet, or nothing. Not an error.
    Partial {
        /// At least this many bytes are missing: 1 or more, and never more than the packet needs
        /// or the caller's maximum allows.
        need: usize,
    },
}

/// Finds the packet at the start of the input. Its body is not looked at yet.
///
/// `maximum_packet_size` counts the whole packet, in bytes, as Maximum Packet Size does
/// (section 3.1.2.11.4).
///
/// ```
/// use mqtt_proto::{Frame, Packet, Sender, frame};
///
/// let input = [0xd0, 0x00, 0x40, 0x02, 0x00]; // PINGRESP, then most of a PUBACK
/// let Frame::Whole(first) = frame(&input, 1024)? else { unreachable!() };
/// assert_eq!(first.decode(Sender::Server)?, Packet::PingResp);
///
/// let rest = &input[first.len()..];
/// assert_eq!(frame(rest, 1024)?, Frame::Partial { need: 1 });
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
///
/// # Errors
/// Those of [`FixedHeader::parse`], as soon as they can be seen.
#[inline]
pub fn frame(input: &[u8], maximum_packet_size: u32) -> Result<Frame<'_>, DecodeError> {
    #[cfg(feature = "fast")]
    if let Some(header) = FixedHeader::whole(input, maximum_packet_size)
        && let Some(packet) = header.packet(input)
    {
        return Ok(Frame::Whole(packet));
    }
    look_at(input, maximum_packet_size)
}

/// The packet at the start of the input, or what is the matter with it.
#[cfg_attr(feature = "fast", cold)]
#[inline(never)]
fn look_at(input: &[u8], maximum_packet_size: u32) -> Result<Frame<'_>, DecodeError> {
    let need = match FixedHeader::parse(input, maximum_packet_size)? {
        Some(header) => match header.packet(input) {
            Some(packet) => return Ok(Frame::Whole(packet)),
            None => header.packet_len().wrapping_sub(input.len()),
        },
        // The smallest packet has two bytes.
        None if input.is_empty() => 2,
        None => 1,
    };
    Ok(Frame::Partial { need })
}

/// A whole packet whose body has not been decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawPacket<'a> {
    header: FixedHeader,
    body: &'a [u8],
}

impl<'a> RawPacket<'a> {
    /// A packet whose body is there, at least as far as it is to be read.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub const fn new(header: FixedHeader, body: &'a [u8]) -> Self {
        Self { header, body }
    }

    /// Begins it with the header that is parsed, as [`FixedHeader::parse`] does; false where more
    /// bytes are asked for.
    ///
    /// # Errors
    /// The same.
    #[doc(hidden)]
    #[inline]
    pub fn begin(&mut self, input: &[u8], maximum_packet_size: u32) -> Result<bool, DecodeError> {
        self.header.fill(input, maximum_packet_size)
    }

    /// Its body, at least as far as it is to be read.
    #[doc(hidden)]
    #[inline]
    pub const fn set_body(&mut self, body: &'a [u8]) {
        self.body = body;
    }

    /// The packet type.
    #[must_use]
    #[inline]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type()
    }

    /// The fixed header.
    #[must_use]
    #[inline]
    pub const fn header(&self) -> FixedHeader {
        self.header
    }

    /// The fixed header where it lies.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub const fn header_ref(&self) -> &FixedHeader {
        &self.header
    }

    /// What follows the fixed header.
    #[must_use]
    #[inline]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Bytes of the whole packet.
    #[must_use]
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a packet is never empty")]
    pub const fn len(&self) -> usize {
        self.header.packet_len()
    }

    /// Decodes and validates the packet.
    ///
    /// # Errors
    /// Every rule that one packet alone can break, and a packet that this sender never sends
    /// (section 2.1.2).
    #[inline]
    pub fn decode(&self, sender: Sender) -> Result<Packet<'a>, DecodeError> {
        // Each arm hands the place of the result on, so that no packet is built twice.
        #[cfg(feature = "fast")]
        match self.packet_type() {
            PacketType::Publish => return publish(self, sender),
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                return ack(self, sender);
            }
            _ => {}
        }
        self.decode_rare(sender)
    }

    /// All but those that come with every message, which are fast elsewhere.
    fn decode_rare(&self, sender: Sender) -> Result<Packet<'a>, DecodeError> {
        match self.packet_type() {
            PacketType::Connect => self.connect(sender).map(Packet::Connect),
            PacketType::ConnAck => self.connack(sender).map(Packet::ConnAck),
            PacketType::Publish => self.publish(sender).map(Packet::Publish),
            PacketType::Subscribe => self.subscribe(sender).map(Packet::Subscribe),
            PacketType::SubAck => self.suback(sender).map(Packet::SubAck),
            PacketType::Unsubscribe => self.unsubscribe(sender).map(Packet::Unsubscribe),
            PacketType::UnsubAck => self.unsuback(sender).map(Packet::UnsubAck),
            PacketType::Disconnect => self.disconnect(sender).map(Packet::Disconnect),
            PacketType::Auth => self.auth(sender).map(Packet::Auth),
            PacketType::PingReq => self.validate(sender).map(|()| Packet::PingReq),
            PacketType::PingResp => self.validate(sender).map(|()| Packet::PingResp),
            kind @ (PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp) => self.ack(sender).map(|ack| wrap_ack(kind, ack)),
        }
    }

    /// Validates the packet as [`decode`](Self::decode) does, for somebody who does not need what
    /// is in it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn validate(&self, sender: Sender) -> Result<(), DecodeError> {
        match (self.packet_type(), sender) {
            (PacketType::Connect, Sender::Client) => self.connect(sender).map(|_| ()),
            (PacketType::Subscribe, Sender::Client) => self.subscribe(sender).map(|_| ()),
            (PacketType::Unsubscribe, Sender::Client) => self.unsubscribe(sender).map(|_| ()),
            // What a server never sends is refused before it is looked at.
            (packet_type, _) => self.fill(&mut Fields::none(), packet_type, sender),
        }
    }

    /// A PUBLISH.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn publish(&self, sender: Sender) -> Result<Publish<'a>, DecodeError> {
        let flags = self.header.publish_flags();
        #[cfg(feature = "fast")]
        return self.read(PacketType::Publish, sender, |reader| {
            Publish::read(flags, reader)
        });
        #[cfg(not(feature = "fast"))]
        {
            let mut fields = Fields::none();
            self.fill(&mut fields, PacketType::Publish, sender)?;
            Ok(Publish {
                dup: flags.dup(),
                qos: flags.qos(),
                retain: flags.retain(),
                topic: fields.topic,
                packet_id: fields.packet_id,
                properties: fields.properties.properties(),
                payload: fields.rest,
            })
        }
    }

    /// A PUBACK, PUBREC, PUBREL or PUBCOMP.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn ack(&self, sender: Sender) -> Result<Ack<'a>, DecodeError> {
        let kind = match self.packet_type() {
            kind @ (PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp) => kind,
            _ => PacketType::PubAck,
        };
        #[cfg(feature = "fast")]
        return self.read(kind, sender, Ack::read);
        #[cfg(not(feature = "fast"))]
        {
            let mut fields = Fields::none();
            self.fill(&mut fields, kind, sender)?;
            Ok(Ack {
                packet_id: fields.packet_id.unwrap_or(PacketId::MIN),
                reason: fields.reason,
                properties: fields.properties.properties(),
            })
        }
    }

    /// A CONNECT.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn connect(&self, sender: Sender) -> Result<Connect<'a>, DecodeError> {
        self.read(PacketType::Connect, sender, Connect::read)
    }

    /// A CONNACK.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn connack(&self, sender: Sender) -> Result<ConnAck<'a>, DecodeError> {
        let mut fields = Fields::none();
        self.fill(&mut fields, PacketType::ConnAck, sender)?;
        Ok(ConnAck {
            session_present: fields.session_present,
            reason: fields.reason,
            properties: fields.properties.properties(),
        })
    }

    /// A SUBSCRIBE.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn subscribe(&self, sender: Sender) -> Result<Subscribe<'a>, DecodeError> {
        self.read(PacketType::Subscribe, sender, Subscribe::read)
    }

    /// A SUBACK.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn suback(&self, sender: Sender) -> Result<SubAck<'a>, DecodeError> {
        self.reasons(PacketType::SubAck, sender)
    }

    /// A SUBACK or an UNSUBACK, which have the same fields, as the former.
    ///
    /// ```
    /// use mqtt_proto::{Frame, ReasonCode, Sender, frame};
    ///
    /// let input = [0xb0, 4, 0, 1, 0, 0x11]; // UNSUBACK
    /// let Frame::Whole(packet) = frame(&input, 1024)? else { unreachable!() };
    /// let answer = packet.answer(Sender::Server)?;
    /// assert_eq!(answer.reasons.iter().next(), Some(ReasonCode::NO_SUBSCRIPTION_EXISTED));
    /// assert!(packet.suback(Sender::Server).is_err());
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn answer(&self, sender: Sender) -> Result<SubAck<'a>, DecodeError> {
        let kind = match self.packet_type() {
            PacketType::UnsubAck => PacketType::UnsubAck,
            _ => PacketType::SubAck,
        };
        self.reasons(kind, sender)
    }

    fn reasons(&self, expected: PacketType, sender: Sender) -> Result<SubAck<'a>, DecodeError> {
        let mut fields = Fields::none();
        self.fill(&mut fields, expected, sender)?;
        Ok(SubAck {
            packet_id: fields.packet_id.unwrap_or(PacketId::MIN),
            properties: fields.properties.properties(),
            reasons: ReasonCodes::wire(fields.rest, fields.rest.len()),
        })
    }

    /// An UNSUBSCRIBE.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn unsubscribe(&self, sender: Sender) -> Result<Unsubscribe<'a>, DecodeError> {
        self.read(PacketType::Unsubscribe, sender, Unsubscribe::read)
    }

    /// An UNSUBACK.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn unsuback(&self, sender: Sender) -> Result<UnsubAck<'a>, DecodeError> {
        let SubAck {
            packet_id,
            properties,
            reasons,
        } = self.reasons(PacketType::UnsubAck, sender)?;
        Ok(UnsubAck {
            packet_id,
            properties,
            reasons,
        })
    }

    /// A DISCONNECT.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn disconnect(&self, sender: Sender) -> Result<Disconnect<'a>, DecodeError> {
        let mut fields = Fields::none();
        self.fill(&mut fields, PacketType::Disconnect, sender)?;
        Ok(Disconnect {
            reason: fields.reason,
            properties: fields.properties.properties(),
        })
    }

    /// An AUTH.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn auth(&self, sender: Sender) -> Result<Auth<'a>, DecodeError> {
        let mut fields = Fields::none();
        self.fill(&mut fields, PacketType::Auth, sender)?;
        Ok(Auth {
            reason: fields.reason,
            properties: fields.properties.properties(),
        })
    }

    /// Decodes and validates a packet that a server may send, whatever it is. The fields are empty
    /// before: what a packet does not have is left as it is.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    #[doc(hidden)]
    pub fn fields(&self, fields: &mut Fields<'a>, sender: Sender) -> Result<(), DecodeError> {
        self.fill(fields, self.packet_type(), sender)
    }

    /// What is in a packet of this type, which is one that a server may send, or a PINGREQ.
    #[cfg_attr(feature = "fast", inline(never))]
    fn fill(
        &self,
        fields: &mut Fields<'a>,
        expected: PacketType,
        sender: Sender,
    ) -> Result<(), DecodeError> {
        // PUBLISH has an identifier if its QoS is above 0. Of the others that are read here only
        // PUBREL has one of these flags, and an identifier.
        let with_id = self.header.publish_flags().qos() != QoS::AtMostOnce;
        #[cfg(feature = "fast")]
        return self.read(expected, sender, |reader| {
            fields.fill(reader, expected, with_id)
        });
        #[cfg(not(feature = "fast"))]
        {
            let mut reader = Reader::new(self.body, self.context(sender));
            if self.check_type(expected, sender, &mut reader).is_some() {
                fields.fill(&mut reader, expected, with_id);
            }
            reader.outcome(&self.header, self.body, sender)
        }
    }

    const fn context(&self, sender: Sender) -> Context {
        Context {
            packet_type: self.packet_type(),
            sender,
        }
    }

    /// Reads the body, if this is such a packet and the sender may send it.
    #[cfg_attr(feature = "fast", inline(always))]
    fn read<T>(
        &self,
        expected: PacketType,
        sender: Sender,
        read: impl FnOnce(&mut Reader<'a, '_>) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let context = self.context(sender);
        #[cfg(feature = "fast")]
        {
            let mut fault = Fault::NONE;
            let mut reader = Reader::new(self.body, 0, context, &mut fault);
            match self
                .check_type(expected, sender, &mut reader)
                .and_then(|()| read(&mut reader))
            {
                Some(packet) => Ok(packet),
                None => Err(fault.into_error(&self.header, self.body.len(), sender)),
            }
        }
        #[cfg(not(feature = "fast"))]
        {
            let mut reader = Reader::new(self.body, context);
            let packet = match self.check_type(expected, sender, &mut reader) {
                Some(()) => read(&mut reader),
                None => None,
            };
            reader.outcome(&self.header, self.body, sender)?;
            // Whoever answers `None` notes why.
            packet.ok_or(DecodeError::new(
                Wrong::of(DecodeErrorKind::Truncated),
                self.len(),
                Some(self.packet_type()),
                Some(sender),
            ))
        }
    }

    /// Refuses another packet, and one that this sender never sends.
    #[cfg_attr(feature = "fast", inline(always))]
    fn check_type(
        &self,
        expected: PacketType,
        sender: Sender,
        reader: &mut Reader<'a, '_>,
    ) -> Option<()> {
        let start = reader.place().minus(self.header.len());
        if self.packet_type() != expected {
            return reader.fail_at(start, DecodeErrorKind::WrongType { expected });
        }
        if !may_come_from(expected, sender) {
            return reader.fail_at(start, DecodeErrorKind::WrongDirection);
        }
        Some(())
    }
}

/// A PUBLISH, from either end.
#[cfg(feature = "fast")]
#[inline(never)]
fn publish<'a>(raw: &RawPacket<'a>, sender: Sender) -> Result<Packet<'a>, DecodeError> {
    let flags = raw.header.publish_flags();
    decode(raw.body, &raw.header, sender, |reader| {
        Publish::read(flags, reader).map(Packet::Publish)
    })
}

/// An acknowledgement of a PUBLISH, from either end.
#[cfg(feature = "fast")]
#[inline(never)]
fn ack<'a>(raw: &RawPacket<'a>, sender: Sender) -> Result<Packet<'a>, DecodeError> {
    // Nearly all are of the shortest form.
    if let &[high, low] = raw.body
        && let Some(packet_id) = PacketId::new(u16::from_be_bytes([high, low]))
    {
        return Ok(wrap_ack(raw.packet_type(), Ack::success(packet_id)));
    }
    long_ack(raw, sender)
}

#[cfg(feature = "fast")]
#[inline(never)]
fn long_ack<'a>(raw: &RawPacket<'a>, sender: Sender) -> Result<Packet<'a>, DecodeError> {
    decode(raw.body, &raw.header, sender, |reader| {
        Ack::read(reader).map(|ack| wrap_ack(raw.packet_type(), ack))
    })
}

#[cfg_attr(feature = "fast", inline(always))]
fn wrap_ack(packet_type: PacketType, ack: Ack<'_>) -> Packet<'_> {
    match packet_type {
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        _ => Packet::PubAck(ack),
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for RawPacket<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "RawPacket {{ header: {}, body: {} }}",
            self.header,
            crate::log::Size::of(self.body)
        );
    }
}
