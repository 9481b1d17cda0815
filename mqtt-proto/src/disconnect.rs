use crate::property::{PropertiesPlan, PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::{Writer, attempt, packet_len};
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
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        // A normal disconnection leaves everything out, a reason without properties their length.
        let mut reason = ReasonCode::NORMAL_DISCONNECTION;
        let mut properties = Properties::NONE_ON_WIRE;
        if !reader.is_empty() {
            reason = reader.reason_code()?;
        }
        if !reader.is_empty() {
            (properties, _) = read_properties(reader)?;
            reader.finish()?;
        }
        Some(Self { reason, properties })
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

    /// Encodes the packet in its shortest form; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids, a packet that is too large, or a buffer that is too small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        attempt(|fault| {
            if !self.reason.is_allowed(PacketType::Disconnect, sender) {
                return fault.fail(EncodeError::ReasonCode {
                    code: self.reason,
                    packet: PacketType::Disconnect,
                });
            }
            let rules = PropertyRules::of(PacketType::Disconnect, sender);
            let properties = self.properties.plan(rules, fault)?;
            let remaining_length = self.remaining_length(&properties);
            let first_byte = PacketType::Disconnect.first_byte();
            let (mut writer, total) = Writer::begin(out, first_byte, remaining_length, 0, fault)?;
            if remaining_length > 0 {
                writer.byte(self.reason.value())?;
            }
            if properties.len > 0 {
                self.properties.write(&properties, &mut writer)?;
            }
            Some(total)
        })
    }

    fn remaining_length(&self, plan: &PropertiesPlan) -> usize {
        match (plan.len, self.reason) {
            (0, ReasonCode::NORMAL_DISCONNECTION) => 0,
            (0, _) => 1,
            _ => plan.prefixed_len().saturating_add(1),
        }
    }
}
