use crate::wrong::Wrong;
use crate::{
    Ack, Auth, ConnAck, Connect, DecodeError, DecodeErrorKind, Disconnect, EncodeError, Frame,
    PacketType, Publish, Sender, SubAck, Subscribe, UnsubAck, Unsubscribe, frame,
};

/// A control packet, borrowed from the bytes it was decoded from or from what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Packet<'a> {
    /// A client asks for a connection.
    Connect(Connect<'a>),
    /// The server's answer to CONNECT.
    ConnAck(ConnAck<'a>),
    /// An application message.
    Publish(Publish<'a>),
    /// Acknowledges a QoS 1 PUBLISH.
    PubAck(Ack<'a>),
    /// A QoS 2 PUBLISH was received.
    PubRec(Ack<'a>),
    /// A QoS 2 PUBLISH is released.
    PubRel(Ack<'a>),
    /// A QoS 2 exchange is complete.
    PubComp(Ack<'a>),
    /// A client asks for subscriptions.
    Subscribe(Subscribe<'a>),
    /// The server's answer to SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// A client gives subscriptions up.
    Unsubscribe(Unsubscribe<'a>),
    /// The server's answer to UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// A client shows that it is alive.
    PingReq,
    /// The server's answer to PINGREQ.
    PingResp,
    /// The last packet on a connection.
    Disconnect(Disconnect<'a>),
    /// A step of enhanced authentication.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// The packet type.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Decodes one whole packet, which is all there is in `bytes`. For a stream of packets see
    /// [`frame`].
    ///
    /// ```
    /// use mqtt_proto::{Packet, PacketId, ReasonCode, Sender};
    ///
    /// let Packet::PubAck(ack) = Packet::decode(&[0x40, 3, 0, 7, 0x10], Sender::Server)? else {
    ///     unreachable!()
    /// };
    /// assert_eq!(Some(ack.packet_id), PacketId::new(7));
    /// assert_eq!(ack.reason, ReasonCode::NO_MATCHING_SUBSCRIBERS);
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// Every rule that one packet alone can break; [`DecodeErrorKind::Truncated`] if the packet is
    /// longer than `bytes`, [`DecodeErrorKind::TrailingBytes`] if it is shorter.
    pub fn decode(bytes: &'a [u8], sender: Sender) -> Result<Self, DecodeError> {
        let wrong = |offset, kind| {
            let packet_type = bytes
                .first()
                .and_then(|first| PacketType::from_u8(first >> 4));
            DecodeError::new(Wrong::of(kind), offset, packet_type, Some(sender))
        };
        match frame(bytes, u32::MAX)? {
            Frame::Whole(packet) if packet.len() == bytes.len() => packet.decode(sender),
            Frame::Whole(packet) => {
                let count = bytes.len().saturating_sub(packet.len());
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                Err(wrong(
                    packet.len(),
                    DecodeErrorKind::TrailingBytes { count },
                ))
            }
            Frame::Partial { .. } => Err(wrong(bytes.len(), DecodeErrorKind::Truncated)),
        }
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// A text, binary data or property that cannot be encoded, or a packet that is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(packet) => packet.encoded_len(),
            Self::ConnAck(packet) => packet.encoded_len(),
            Self::Publish(packet) => packet.encoded_len(),
            Self::PubAck(packet)
            | Self::PubRec(packet)
            | Self::PubRel(packet)
            | Self::PubComp(packet) => packet.encoded_len(),
            Self::Subscribe(packet) => packet.encoded_len(),
            Self::SubAck(packet) => packet.encoded_len(),
            Self::Unsubscribe(packet) => packet.encoded_len(),
            Self::UnsubAck(packet) => packet.encoded_len(),
            Self::PingReq | Self::PingResp => Ok(2),
            Self::Disconnect(packet) => packet.encoded_len(),
            Self::Auth(packet) => packet.encoded_len(),
        }
    }

    /// Encodes the packet in its shortest form; the number of bytes written. After an error the
    /// contents of `out` are unspecified.
    ///
    /// # Errors
    /// What the standard forbids this sender, a packet that is too large, or a buffer that is too
    /// small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(sender, out),
            Self::ConnAck(packet) => packet.encode(sender, out),
            Self::Publish(packet) => packet.encode(sender, out),
            Self::PubAck(packet)
            | Self::PubRec(packet)
            | Self::PubRel(packet)
            | Self::PubComp(packet) => packet.encode(self.packet_type(), sender, out),
            Self::Subscribe(packet) => packet.encode(sender, out),
            Self::SubAck(packet) => packet.encode(sender, out),
            Self::Unsubscribe(packet) => packet.encode(sender, out),
            Self::UnsubAck(packet) => packet.encode(sender, out),
            Self::PingReq | Self::PingResp => {
                let packet_type = self.packet_type();
                if !packet_type.may_come_from(sender) {
                    return Err(EncodeError::WrongDirection(packet_type, sender));
                }
                encode_ping(sender, out)
            }
            Self::Disconnect(packet) => packet.encode(sender, out),
            Self::Auth(packet) => packet.encode(sender, out),
        }
    }

    /// The encoded packet in a vector of its own.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), but for the buffer.
    #[cfg(feature = "alloc")]
    pub fn to_vec(&self, sender: Sender) -> Result<alloc::vec::Vec<u8>, EncodeError> {
        let mut bytes = alloc::vec![0; self.encoded_len()?];
        let len = self.encode(sender, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Appends the encoded packet; nothing is appended on an error.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), but for the buffer.
    #[cfg(feature = "bytes")]
    pub fn encode_into(
        &self,
        sender: Sender,
        buffer: &mut bytes::BytesMut,
    ) -> Result<(), EncodeError> {
        let start = buffer.len();
        buffer.resize(start.saturating_add(self.encoded_len()?), 0);
        let result = self.encode(sender, buffer.get_mut(start..).unwrap_or_default());
        buffer.truncate(start.saturating_add(result.unwrap_or(0)));
        result.map(|_| ())
    }
}

/// Encodes what this sender keeps the connection alive with, a client PINGREQ and a server
/// PINGRESP, without the way over [`Packet`], which has the code of all packets in tow; the number
/// of bytes written, 2.
///
/// ```
/// let mut packet = [0; 2];
/// assert_eq!(mqtt_proto::encode_ping(mqtt_proto::Sender::Client, &mut packet), Ok(2));
/// assert_eq!(packet, [0xc0, 0]);
/// ```
///
/// # Errors
/// The buffer has less than 2 bytes.
#[inline]
pub fn encode_ping(sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
    let packet_type = match sender {
        Sender::Client => PacketType::PingReq,
        Sender::Server => PacketType::PingResp,
    };
    let Some(packet) = out.first_chunk_mut::<2>() else {
        return Err(EncodeError::BufferTooSmall { needed: 2 });
    };
    *packet = [packet_type.first_byte(), 0];
    Ok(2)
}
