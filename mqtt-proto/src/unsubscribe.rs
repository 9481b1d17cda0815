use crate::property::{PropertiesPlan, PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::{Writer, attempt, packet_len};
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
        let (properties, _) = read_properties(reader)?;
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
            properties,
            filters: Filters::wire(payload, len),
        })
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// A property that cannot be encoded, or a packet that is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        attempt(|fault| {
            let properties = self.properties.plan(PropertyRules::UNCHECKED, fault)?;
            packet_len(self.remaining_length(&properties), fault)
        })
    }

    /// Encodes the packet; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids, a packet that is too large, or a buffer that is too small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        attempt(|fault| {
            if !PacketType::Unsubscribe.may_come_from(sender) {
                return fault.fail(EncodeError::WrongDirection(PacketType::Unsubscribe, sender));
            }
            if self.filters.is_empty() {
                return fault.fail(EncodeError::Empty(PacketType::Unsubscribe));
            }
            let rules = PropertyRules::of(PacketType::Unsubscribe, sender);
            let properties = self.properties.plan(rules, fault)?;
            let remaining_length = self.remaining_length(&properties);
            let first_byte = PacketType::Unsubscribe.first_byte();
            let (mut writer, total) = Writer::begin(out, first_byte, remaining_length, 0, fault)?;
            writer.two(self.packet_id.value())?;
            self.properties.write(&properties, &mut writer)?;
            for filter in self.filters {
                writer.binary(filter.as_str().as_bytes())?;
            }
            Some(total)
        })
    }

    fn remaining_length(&self, properties: &PropertiesPlan) -> usize {
        self.filters
            .iter()
            .map(|filter| filter.as_str().len().saturating_add(2))
            .fold(
                properties.prefixed_len().saturating_add(2),
                usize::saturating_add,
            )
    }
}
