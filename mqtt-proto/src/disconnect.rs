use crate::property::PropertyRules;
use crate::writer::{Writer, encode, measured};
use crate::{EncodeError, PacketType, Properties, ReasonCode, Sender};

/// DISCONNECT: the last packet on a connection, from either end (section 3.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Disconnect<'a> {
    /// Why.
    pub reason: ReasonCode,
    /// The properties.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
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

    /// Encodes the packet in its shortest form; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids this sender, a packet that is too large, or a buffer that is too
    /// small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        if !self.reason.fits(PacketType::Disconnect, sender) {
            return Err(EncodeError::ReasonCode {
                code: self.reason,
                packet: PacketType::Disconnect,
            });
        }
        encode(
            out,
            PacketType::Disconnect.first_byte(),
            0,
            || self.remaining_length(),
            |writer| self.write(sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        if self.properties.is_empty() {
            return match self.reason {
                ReasonCode::NORMAL_DISCONNECTION => Some(()),
                reason => writer.byte(reason.value()),
            };
        }
        writer.byte(self.reason.value())?;
        self.properties
            .write(PropertyRules::of(PacketType::Disconnect, sender), writer)
    }

    fn remaining_length(&self) -> usize {
        match (self.properties.is_empty(), self.reason) {
            (true, ReasonCode::NORMAL_DISCONNECTION) => 0,
            (true, _) => 1,
            (false, _) => self.properties.prefixed_len().saturating_add(1),
        }
    }
}
