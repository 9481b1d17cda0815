use crate::reader::Reader;
use crate::{
    Ack, Auth, ConnAck, Connect, DecodeError, DecodeErrorKind, Disconnect, FixedHeader, Packet,
    PacketType, Publish, Sender, SubAck, Subscribe, UnsubAck, Unsubscribe,
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
    let Some(header) = FixedHeader::parse(input, maximum_packet_size)? else {
        // The smallest packet has two bytes.
        return Ok(Frame::Partial {
            need: if input.is_empty() { 2 } else { 1 },
        });
    };
    let packet_len = header.packet_len();
    match input.get(header.len()..packet_len) {
        Some(body) => Ok(Frame::Whole(RawPacket { header, body })),
        None => Ok(Frame::Partial {
            need: packet_len.saturating_sub(input.len()),
        }),
    }
}

/// A whole packet whose body has not been decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RawPacket<'a> {
    header: FixedHeader,
    body: &'a [u8],
}

impl<'a> RawPacket<'a> {
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
    pub fn decode(&self, sender: Sender) -> Result<Packet<'a>, DecodeError> {
        Ok(match self.packet_type() {
            PacketType::Publish => Packet::Publish(self.publish(sender)?),
            PacketType::PubAck => Packet::PubAck(self.ack(sender)?),
            PacketType::PubRec => Packet::PubRec(self.ack(sender)?),
            PacketType::PubRel => Packet::PubRel(self.ack(sender)?),
            PacketType::PubComp => Packet::PubComp(self.ack(sender)?),
            PacketType::Connect => Packet::Connect(self.connect(sender)?),
            PacketType::ConnAck => Packet::ConnAck(self.connack(sender)?),
            PacketType::Subscribe => Packet::Subscribe(self.subscribe(sender)?),
            PacketType::SubAck => Packet::SubAck(self.suback(sender)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(self.unsubscribe(sender)?),
            PacketType::UnsubAck => Packet::UnsubAck(self.unsuback(sender)?),
            PacketType::PingReq => {
                self.reader(PacketType::PingReq, sender)?.finish()?;
                Packet::PingReq
            }
            PacketType::PingResp => {
                self.reader(PacketType::PingResp, sender)?.finish()?;
                Packet::PingResp
            }
            PacketType::Disconnect => Packet::Disconnect(self.disconnect(sender)?),
            PacketType::Auth => Packet::Auth(self.auth(sender)?),
        })
    }

    /// A PUBLISH.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    #[inline]
    pub fn publish(&self, sender: Sender) -> Result<Publish<'a>, DecodeError> {
        Publish::read(self.header, self.reader(PacketType::Publish, sender)?)
    }

    /// A PUBACK, PUBREC, PUBREL or PUBCOMP.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    #[inline]
    pub fn ack(&self, sender: Sender) -> Result<Ack<'a>, DecodeError> {
        match self.packet_type() {
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                Ack::read(self.reader_unchecked(sender))
            }
            _ => Err(self.wrong_type(PacketType::PubAck, sender)),
        }
    }

    /// A CONNECT.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn connect(&self, sender: Sender) -> Result<Connect<'a>, DecodeError> {
        Connect::read(self.reader(PacketType::Connect, sender)?)
    }

    /// A CONNACK.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn connack(&self, sender: Sender) -> Result<ConnAck<'a>, DecodeError> {
        ConnAck::read(self.reader(PacketType::ConnAck, sender)?)
    }

    /// A SUBSCRIBE.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn subscribe(&self, sender: Sender) -> Result<Subscribe<'a>, DecodeError> {
        Subscribe::read(self.reader(PacketType::Subscribe, sender)?)
    }

    /// A SUBACK.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn suback(&self, sender: Sender) -> Result<SubAck<'a>, DecodeError> {
        SubAck::read(self.reader(PacketType::SubAck, sender)?)
    }

    /// An UNSUBSCRIBE.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn unsubscribe(&self, sender: Sender) -> Result<Unsubscribe<'a>, DecodeError> {
        Unsubscribe::read(self.reader(PacketType::Unsubscribe, sender)?)
    }

    /// An UNSUBACK.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn unsuback(&self, sender: Sender) -> Result<UnsubAck<'a>, DecodeError> {
        UnsubAck::read(self.reader(PacketType::UnsubAck, sender)?)
    }

    /// A DISCONNECT.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn disconnect(&self, sender: Sender) -> Result<Disconnect<'a>, DecodeError> {
        Disconnect::read(self.reader(PacketType::Disconnect, sender)?)
    }

    /// An AUTH.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or another packet ([`DecodeErrorKind::WrongType`]).
    pub fn auth(&self, sender: Sender) -> Result<Auth<'a>, DecodeError> {
        Auth::read(self.reader(PacketType::Auth, sender)?)
    }

    /// A reader of the body, if this is such a packet and the sender may send it.
    #[inline]
    fn reader(&self, expected: PacketType, sender: Sender) -> Result<Reader<'a>, DecodeError> {
        if self.packet_type() != expected {
            return Err(self.wrong_type(expected, sender));
        }
        if !expected.may_come_from(sender) {
            return Err(self
                .reader_unchecked(sender)
                .error_at(0, DecodeErrorKind::WrongDirection));
        }
        Ok(self.reader_unchecked(sender))
    }

    #[inline]
    fn reader_unchecked(&self, sender: Sender) -> Reader<'a> {
        Reader::new(self.body, self.len(), self.packet_type(), sender)
    }

    #[cold]
    fn wrong_type(&self, expected: PacketType, sender: Sender) -> DecodeError {
        self.reader_unchecked(sender)
            .error_at(0, DecodeErrorKind::WrongType { expected })
    }
}
