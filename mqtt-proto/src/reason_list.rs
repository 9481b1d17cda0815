use crate::property::{PropertiesPlan, PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::{Writer, attempt, packet_len};
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
        let (properties, _) = read_properties(reader)?;
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
        attempt(|fault| {
            let properties = self.properties.plan(PropertyRules::UNCHECKED, fault)?;
            packet_len(self.remaining_length(&properties), fault)
        })
    }

    pub(crate) fn encode(
        &self,
        kind: PacketType,
        sender: Sender,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        attempt(|fault| {
            if !kind.may_come_from(sender) {
                return fault.fail(EncodeError::WrongDirection(kind, sender));
            }
            if self.reasons.is_empty() {
                return fault.fail(EncodeError::Empty(kind));
            }
            if let Some(code) = self
                .reasons
                .iter()
                .find(|code| !code.is_allowed(kind, sender))
            {
                return fault.fail(EncodeError::ReasonCode { code, packet: kind });
            }
            let properties = self
                .properties
                .plan(PropertyRules::of(kind, sender), fault)?;
            let remaining_length = self.remaining_length(&properties);
            let (mut writer, total) =
                Writer::begin(out, kind.first_byte(), remaining_length, 0, fault)?;
            writer.two(self.packet_id.value())?;
            self.properties.write(&properties, &mut writer)?;
            for code in self.reasons {
                writer.byte(code.value())?;
            }
            Some(total)
        })
    }

    fn remaining_length(&self, properties: &PropertiesPlan) -> usize {
        properties
            .prefixed_len()
            .saturating_add(self.reasons.len())
            .saturating_add(2)
    }
}
