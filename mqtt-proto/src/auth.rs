use crate::property::{PropertyRules, has, read_properties};
use crate::reader::Reader;
use crate::writer::{Writer, encode, measured};
use crate::{DecodeErrorKind, EncodeError, PacketType, Properties, PropertyId, ReasonCode, Sender};

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
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        // Section 3.15.2.1 lets the shortest form stand for success without properties, section
        // 3.15.2.2.2 wants a method in every AUTH: only what has a method is accepted.
        let missing = DecodeErrorKind::MissingProperty(PropertyId::AuthenticationMethod);
        if reader.is_empty() {
            return reader.fail(missing);
        }
        let reason = reader.reason_code()?;
        if reader.is_empty() {
            return reader.fail(missing);
        }
        let place = reader.place();
        let (properties, present) = read_properties(reader)?;
        reader.finish()?;
        if !has(present, PropertyId::AuthenticationMethod) {
            return reader.fail_at(place, missing);
        }
        Some(Self { reason, properties })
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
