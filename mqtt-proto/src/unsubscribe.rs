use crate::payload_list::Source;
use crate::property::{PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::{Writer, encode, measured};
use crate::{DecodeErrorKind, EncodeError, Filters, PacketId, PacketType, Properties, Sender};

/// UNSUBSCRIBE: a client gives subscriptions up (section 3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unsubscribe<'a> {
    /// The packet identifier, which UNSUBACK repeats (MQTT-2.2.1-6).
    pub packet_id: PacketId,
    /// The properties: user properties only.
    pub properties: Properties<'a>,
    /// The topic filters: at least one (MQTT-3.10.3-2).
    pub filters: Filters<'a>,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        let packet_id = reader.packet_id()?;
        let properties = read_properties(reader)?;
        if reader.is_empty() {
            return reader.fail(DecodeErrorKind::EmptyPayload);
        }
        let payload = reader.rest();
        let mut len = 0_usize;
        while !reader.is_empty() {
            reader.topic_filter()?;
            len = len.wrapping_add(1);
        }
        Some(Self {
            packet_id,
            properties: properties.properties(),
            filters: Filters::wire(payload, len),
        })
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        measured(
            || self.remaining_length(),
            |writer| self.write(Sender::Client, writer),
        )
    }

    /// Encodes the packet; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids this sender, a packet that is too large, or a buffer that is too
    /// small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        if !PacketType::Unsubscribe.may_come_from(sender) {
            return Err(EncodeError::WrongDirection(PacketType::Unsubscribe, sender));
        }
        if self.filters.is_empty() {
            return Err(EncodeError::Empty(PacketType::Unsubscribe));
        }
        encode(
            out,
            PacketType::Unsubscribe.first_byte(),
            6,
            || self.remaining_length(),
            |writer| self.write(sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        writer.two(self.packet_id.value())?;
        self.properties
            .write(PropertyRules::of(PacketType::Unsubscribe, sender), writer)?;
        match self.filters.source() {
            Source::Wire { bytes, .. } => writer.block(bytes)?,
            Source::List(list) => {
                for filter in list {
                    writer.known(filter.as_str().as_bytes())?;
                }
            }
        }
        Some(())
    }

    fn remaining_length(&self) -> usize {
        self.filters
            .iter()
            .map(|filter| filter.as_str().len().saturating_add(2))
            .fold(
                self.properties.prefixed_len().saturating_add(2),
                usize::saturating_add,
            )
    }
}
