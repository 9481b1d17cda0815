use crate::varint;
use crate::wrong::Wrong;
use crate::{DecodeError, DecodeErrorKind, PacketType, QoS, RawPacket};

// Lengths of packets are counted in `usize`.
const _: () = assert!(usize::BITS >= 32);

/// The fixed header (section 2.1): packet type, flags and Remaining Length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FixedHeader {
    packet_type: PacketType,
    flags: u8,
    len: u8,
    remaining_length: u32,
}

impl FixedHeader {
    /// Parses the header at the start of the input. `Ok(None)` asks for more bytes: a header has
    /// at most 5.
    ///
    /// Nothing that can be known to be wrong is waited for: the first byte alone shows a reserved
    /// type or wrong flags, and the header alone a packet above `maximum_packet_size` (in bytes,
    /// the whole packet).
    ///
    /// # Errors
    /// Packet type 0, wrong flags (MQTT-2.1.3-1), QoS 3 (MQTT-3.3.1-4), DUP with QoS 0
    /// (MQTT-3.3.1-2), a Remaining Length of more than four bytes or not in its shortest form
    /// (MQTT-1.5.5-1), and a packet above the maximum.
    #[inline]
    pub fn parse(input: &[u8], maximum_packet_size: u32) -> Result<Option<Self>, DecodeError> {
        let mut header = Self::NONE;
        let is_whole = header.fill(input, maximum_packet_size)?;
        Ok(is_whole.then_some(header))
    }

    /// To be filled.
    #[doc(hidden)]
    pub const NONE: Self = Self {
        packet_type: PacketType::Connect,
        flags: 0,
        len: 0,
        remaining_length: 0,
    };

    /// Becomes what [`parse`](Self::parse) says; false where more bytes are asked for.
    ///
    /// # Errors
    /// The same.
    #[doc(hidden)]
    #[inline]
    pub fn fill(&mut self, input: &[u8], maximum_packet_size: u32) -> Result<bool, DecodeError> {
        #[cfg(feature = "fast")]
        if let Some(header) = Self::whole(input, maximum_packet_size) {
            *self = header;
            return Ok(true);
        }
        self.look_at(input, maximum_packet_size)
    }

    /// The header, if it is all there and nothing is wrong with it.
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn whole(input: &[u8], maximum_packet_size: u32) -> Option<Self> {
        let (&first, rest) = input.split_first()?;
        let packet_type = packet_type(first)?;
        let (remaining_length, length_len) = varint::read(rest).ok()??;
        #[expect(clippy::cast_possible_truncation)]
        let len = (length_len as u8).wrapping_add(1);
        let header = Self {
            packet_type,
            flags: first & 0x0f,
            len,
            remaining_length,
        };
        if header.packet_len() > maximum_packet_size as usize {
            None
        } else {
            Some(header)
        }
    }

    /// The header, or what is the matter with it.
    #[cfg_attr(feature = "fast", cold, inline(never))]
    fn look_at(&mut self, input: &[u8], maximum_packet_size: u32) -> Result<bool, DecodeError> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(false);
        };
        let (offset, wrong) = 'wrong: {
            let packet_type = match checked(first) {
                Ok(packet_type) => packet_type,
                Err(wrong) => break 'wrong (0, wrong),
            };
            match varint::read(rest) {
                Ok(None) => return Ok(false),
                Ok(Some((remaining_length, length_len))) => {
                    #[expect(clippy::cast_possible_truncation)]
                    let len = (length_len as u8).wrapping_add(1);
                    let packet_len = remaining_length.wrapping_add(u32::from(len));
                    if packet_len <= maximum_packet_size {
                        *self = Self {
                            packet_type,
                            flags: first & 0x0f,
                            len,
                            remaining_length,
                        };
                        return Ok(true);
                    }
                    let kind = DecodeErrorKind::TooLarge {
                        len: packet_len,
                        maximum: maximum_packet_size,
                    };
                    (packet_len as usize, Wrong::of(kind))
                }
                Err(error) => (1, error.wrong()),
            }
        };
        let packet_type = PacketType::from_u8(first >> 4);
        Err(DecodeError::new(wrong, offset, packet_type, None))
    }

    /// The packet type.
    #[must_use]
    #[inline]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The low four bits of the first byte.
    #[must_use]
    #[inline]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// Bytes after the header, 0..=268,435,455.
    #[must_use]
    #[inline]
    pub const fn remaining_length(&self) -> u32 {
        self.remaining_length
    }

    /// Bytes of the header itself, 2..=5.
    #[must_use]
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of the whole packet.
    #[must_use]
    #[inline]
    pub const fn packet_len(&self) -> usize {
        // At most 268,435,455 and 5.
        (self.remaining_length as usize).wrapping_add(self.len as usize)
    }

    /// The packet that begins with this header, which is the one at the start of the input; `None`
    /// if it is not all there.
    ///
    /// ```
    /// use mqtt_proto::{FixedHeader, Packet, Sender};
    ///
    /// let input = [0xd0, 0x00, 0x40, 0x02, 0x00]; // PINGRESP, then most of a PUBACK
    /// let Some(header) = FixedHeader::parse(&input, 1024)? else { unreachable!() };
    /// let Some(packet) = header.packet(&input) else { unreachable!() };
    /// assert_eq!(packet.decode(Sender::Server)?, Packet::PingResp);
    ///
    /// let rest = &input[header.packet_len()..];
    /// let Some(header) = FixedHeader::parse(rest, 1024)? else { unreachable!() };
    /// assert_eq!((header.packet(rest), header.packet_len()), (None, 4));
    /// # Ok::<(), mqtt_proto::DecodeError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn packet<'a>(&self, input: &'a [u8]) -> Option<RawPacket<'a>> {
        let body = input.get(self.len()..self.packet_len())?;
        Some(RawPacket::new(*self, body))
    }

    /// The flags of a PUBLISH.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub const fn publish_flags(&self) -> PublishFlags {
        PublishFlags(self.flags)
    }
}

/// The low four bits of the first byte of a PUBLISH (sections 3.3.1.1 to 3.3.1.3).
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct PublishFlags(u8);

impl PublishFlags {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Those in the first byte of a packet, if that is a legal one of a PUBLISH.
    #[inline]
    pub(crate) fn of(first: u8) -> Option<Self> {
        match packet_type(first) {
            Some(PacketType::Publish) => Some(Self(first & 0x0f)),
            _ => None,
        }
    }

    /// Whether it may have come before.
    #[must_use]
    #[inline]
    pub const fn dup(self) -> bool {
        self.0 & 0b1000 != 0
    }

    /// Both bits set has been refused with the first byte.
    #[must_use]
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "two bits are below four")]
    pub const fn qos(self) -> QoS {
        const BY_BITS: [QoS; 4] = [
            QoS::AtMostOnce,
            QoS::AtLeastOnce,
            QoS::ExactlyOnce,
            QoS::ExactlyOnce,
        ];
        BY_BITS[(self.0 >> 1 & 0b11) as usize]
    }

    /// Whether a server is to keep it, or has kept it.
    #[must_use]
    #[inline]
    pub const fn retain(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The packet type, if the first byte of a packet is legal, or what is wrong with it: both QoS bits
/// of a PUBLISH (MQTT-3.3.1-4), its DUP with QoS 0 (MQTT-3.3.1-2), or other flags than prescribed.
const fn checked(first: u8) -> Result<PacketType, Wrong> {
    let found = first & 0x0f;
    let Some(packet_type) = PacketType::from_u8(first >> 4) else {
        return Err(Wrong::of(DecodeErrorKind::ReservedType));
    };
    let expected = packet_type.flags();
    if matches!(packet_type, PacketType::Publish) {
        if found & 0b0110 == 0b0110 {
            return Err(Wrong::of(DecodeErrorKind::InvalidQoS));
        }
        if found & 0b1110 == 0b1000 {
            return Err(Wrong::of(DecodeErrorKind::DupWithQoS0));
        }
    } else if found != expected {
        return Err(Wrong::of(DecodeErrorKind::WrongFlags { found, expected }));
    }
    Ok(packet_type)
}

/// The packet types of all legal first bytes (section 2.1.3).
#[cfg(feature = "fast")]
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const PACKET_TYPES: [Option<PacketType>; 256] = {
    let mut table = [None; 256];
    let mut first = 0;
    while first < 256 {
        table[first] = match checked(first as u8) {
            Ok(packet_type) => Some(packet_type),
            Err(_) => None,
        };
        first += 1;
    }
    table
};

/// The packet type, if the first byte of a packet is legal.
#[cfg_attr(feature = "fast", inline(always))]
fn packet_type(first: u8) -> Option<PacketType> {
    #[cfg(feature = "fast")]
    return *PACKET_TYPES.get(usize::from(first))?;
    #[cfg(not(feature = "fast"))]
    checked(first).ok()
}
