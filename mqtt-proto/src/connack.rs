use crate::property::PropertyRules;
use crate::writer::{Writer, encode, measured};
use crate::{EncodeError, PacketType, Properties, ReasonCode, Sender};

/// CONNACK: the server's answer to CONNECT (section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnAck<'a> {
    /// Whether the server goes on with a session that it has kept; never with a failure
    /// (MQTT-3.2.2-6).
    pub session_present: bool,
    /// Whether the connection is accepted.
    pub reason: ReasonCode,
    /// The properties: the server's limits, among others.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        measured(
            || self.remaining_length(),
            |writer| self.write(Sender::Server, writer),
        )
    }

    /// Encodes the packet; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids this sender, a packet that is too large, or a buffer that is too
    /// small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        if !PacketType::ConnAck.may_come_from(sender) {
            return Err(EncodeError::WrongDirection(PacketType::ConnAck, sender));
        }
        if !self.reason.fits(PacketType::ConnAck, sender) {
            return Err(EncodeError::ReasonCode {
                code: self.reason,
                packet: PacketType::ConnAck,
            });
        }
        if self.session_present && self.reason != ReasonCode::SUCCESS {
            return Err(EncodeError::SessionPresentWithFailure);
        }
        encode(
            out,
            PacketType::ConnAck.first_byte(),
            3,
            || self.remaining_length(),
            |writer| self.write(sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        writer.array([u8::from(self.session_present), self.reason.value()])?;
        self.properties
            .write(PropertyRules::of(PacketType::ConnAck, sender), writer)
    }

    fn remaining_length(&self) -> usize {
        self.properties.prefixed_len().saturating_add(2)
    }
}
