use crate::property::PropertyRules;
use crate::writer::{Writer, encode, measured};
use crate::{EncodeError, PacketType, Properties, ReasonCode, Sender};

/// AUTH: a step of enhanced authentication, from either end (section 3.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Auth<'a> {
    /// Success from a server, another step from either end, re-authentication from a client.
    pub reason: ReasonCode,
    /// The properties; Authentication Method is always among them (section 3.15.2.2.2).
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
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
        if !self.reason.fits(PacketType::Auth, sender) {
            return Err(EncodeError::ReasonCode {
                code: self.reason,
                packet: PacketType::Auth,
            });
        }
        encode(
            out,
            PacketType::Auth.first_byte(),
            2,
            || self.remaining_length(),
            |writer| self.write(sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        writer.byte(self.reason.value())?;
        self.properties
            .write(PropertyRules::of(PacketType::Auth, sender), writer)
    }

    fn remaining_length(&self) -> usize {
        self.properties.prefixed_len().saturating_add(1)
    }
}
