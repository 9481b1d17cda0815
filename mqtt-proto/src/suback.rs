use crate::reason_list::ReasonList;
use crate::{EncodeError, PacketId, PacketType, Properties, ReasonCodes, Sender};

/// SUBACK: the server's answer to SUBSCRIBE (section 3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubAck<'a> {
    /// The packet identifier of the SUBSCRIBE (MQTT-2.2.1-6).
    pub packet_id: PacketId,
    /// The properties: a reason string, user properties.
    pub properties: Properties<'a>,
    /// One reason code for each subscription asked for, in the same order (MQTT-3.9.3-1).
    pub reasons: ReasonCodes<'a>,
}

impl<'a> SubAck<'a> {
    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// A property that cannot be encoded, or a packet that is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        self.list().encoded_len()
    }

    /// Encodes the packet; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids, a packet that is too large, or a buffer that is too small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        self.list().encode(PacketType::SubAck, sender, out)
    }

    fn list(&self) -> ReasonList<'a> {
        ReasonList {
            packet_id: self.packet_id,
            properties: self.properties,
            reasons: self.reasons,
        }
    }
}
