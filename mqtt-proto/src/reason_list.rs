use crate::payload_list::Source;
use crate::property::PropertyRules;
use crate::writer::{Writer, encode, measured};
use crate::{EncodeError, PacketId, PacketType, Properties, ReasonCodes, Sender};

/// What SUBACK and UNSUBACK have in common: everything but their type and their reason codes.
pub(crate) struct ReasonList<'a> {
    pub(crate) packet_id: PacketId,
    pub(crate) properties: Properties<'a>,
    pub(crate) reasons: ReasonCodes<'a>,
}

impl<'a> ReasonList<'a> {
    pub(crate) fn encoded_len(&self) -> Result<usize, EncodeError> {
        measured(
            || self.remaining_length(),
            |writer| self.write(PacketType::SubAck, Sender::Server, writer),
        )
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
        if let Some(code) = self.reasons.iter().find(|code| !code.fits(kind, sender)) {
            return Err(EncodeError::ReasonCode { code, packet: kind });
        }
        let at_least = self.reasons.len().saturating_add(3);
        encode(
            out,
            kind.first_byte(),
            at_least,
            || self.remaining_length(),
            |writer| self.write(kind, sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, kind: PacketType, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        writer.two(self.packet_id.value())?;
        self.properties
            .write(PropertyRules::of(kind, sender), writer)?;
        match self.reasons.source() {
            Source::Wire { bytes, .. } => writer.block(bytes)?,
            Source::List(list) => {
                for code in list {
                    writer.byte(code.value())?;
                }
            }
        }
        Some(())
    }

    fn remaining_length(&self) -> usize {
        self.properties
            .prefixed_len()
            .saturating_add(self.reasons.len())
            .saturating_add(2)
    }
}
