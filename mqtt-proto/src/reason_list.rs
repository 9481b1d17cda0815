use crate::fixed_header::packet_len;
use crate::property::{PropertiesPlan, PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::Writer;
use crate::{DecodeErrorKind, EncodeError, PacketId, PacketType, Properties, ReasonCodes, Sender};

/// What SUBACK and UNSUBACK have in common: everything but their type and their reason codes.
pub(crate) struct ReasonList<'a> {
    pub(crate) packet_id: PacketId,
    pub(crate) properties: Properties<'a>,
    pub(crate) reasons: ReasonCodes<'a>,
}

impl<'a> ReasonList<'a> {
    #[inline(always)]
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        let packet_id = reader.packet_id()?;
        let context = reader.context();
        let rules = PropertyRules::of(context.packet_type, context.sender);
        let (properties, _) = read_properties(reader, rules)?;
        if reader.is_empty() {
            return reader.fail(DecodeErrorKind::EmptyPayload);
        }
        let payload = reader.rest();
        while !reader.is_empty() {
            reader.reason_code()?;
        }
        Some(Self {
            packet_id,
            properties,
            reasons: ReasonCodes::wire(payload, payload.len()),
        })
    }

    pub(crate) fn encoded_len(&self, kind: PacketType) -> Result<usize, EncodeError> {
        let properties = self.properties.plan(kind, PropertyRules::UNCHECKED)?;
        packet_len(self.remaining_length(&properties))
    }

    pub(crate) fn encode(
        &self,
        kind: PacketType,
        sender: Sender,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        if !kind.may_come_from(sender) {
            return Err(EncodeError::WrongDirection(kind, sender));
        }
        if self.reasons.is_empty() {
            return Err(EncodeError::Empty(kind));
        }
        if let Some(code) = self
            .reasons
            .iter()
            .find(|code| !code.is_allowed(kind, sender))
        {
            return Err(EncodeError::ReasonCode { code, packet: kind });
        }
        let properties = self
            .properties
            .plan(kind, PropertyRules::of(kind, sender))?;
        let remaining_length = self.remaining_length(&properties);
        let total = packet_len(remaining_length)?;
        let write = |writer: &mut Writer<'_>| {
            writer.byte(kind.first_byte())?;
            writer.varint(u32::try_from(remaining_length).ok()?)?;
            writer.two(self.packet_id.value())?;
            self.properties.write(&properties, writer)?;
            self.reasons
                .iter()
                .try_for_each(|code| writer.byte(code.value()))
        };
        write(&mut Writer::new(out)).ok_or(EncodeError::BufferTooSmall { needed: total })?;
        Ok(total)
    }

    fn remaining_length(&self, properties: &PropertiesPlan) -> usize {
        properties
            .prefixed_len()
            .saturating_add(self.reasons.len())
            .saturating_add(2)
    }
}
