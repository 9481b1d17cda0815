use crate::property::PropertyRules;
#[cfg(feature = "fast")]
use crate::property::read_properties;
#[cfg(feature = "fast")]
use crate::reader::Reader;
use crate::writer::{Writer, encode, measured};
use crate::{EncodeError, PacketId, PacketType, Properties, ReasonCode, Sender};

/// PUBACK, PUBREC, PUBREL and PUBCOMP: a step in the exchange of a message (sections 3.4 to 3.7).
/// They differ in their type only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ack<'a> {
    /// The packet identifier of the PUBLISH (MQTT-2.2.1-5).
    pub packet_id: PacketId,
    /// How the step ended.
    pub reason: ReasonCode,
    /// The properties: a reason string, user properties.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        let packet_id = reader.packet_id()?;
        // Success without properties leaves both out, a reason without properties their length.
        let mut ack = Self::success(packet_id);
        if !reader.is_empty() {
            ack.reason = reader.reason_code()?;
        }
        if !reader.is_empty() {
            ack.properties = read_properties(reader)?.properties();
            reader.finish()?;
        }
        Some(ack)
    }

    /// What the shortest form says.
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) const fn success(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::SUCCESS,
            properties: Properties::NONE_ON_WIRE,
        }
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        measured(
            || self.remaining_length(),
            |writer| self.write(PacketType::PubAck, Sender::Client, writer),
        )
    }

    /// Encodes the packet as `kind` in its shortest form; the number of bytes written.
    ///
    /// # Errors
    /// `kind` is not PUBACK, PUBREC, PUBREL or PUBCOMP; a reason code or property that the
    /// standard forbids there; or a buffer that is too small.
    #[inline]
    pub fn encode(
        &self,
        kind: PacketType,
        sender: Sender,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        if !matches!(
            kind,
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp
        ) {
            return Err(EncodeError::NotAnAck(kind));
        }
        #[cfg(feature = "fast")]
        if self.is_shortest() {
            let Some(packet) = out.first_chunk_mut::<4>() else {
                return Err(EncodeError::BufferTooSmall { needed: 4 });
            };
            let [high, low] = self.packet_id.value().to_be_bytes();
            *packet = [kind.first_byte(), 2, high, low];
            return Ok(4);
        }
        self.encode_long(kind, sender, out)
    }

    #[cfg_attr(feature = "fast", inline(never))]
    fn encode_long(
        &self,
        kind: PacketType,
        sender: Sender,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        encode(
            out,
            kind.first_byte(),
            3,
            || self.remaining_length(),
            |writer| self.write(kind, sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, kind: PacketType, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        writer.two(self.packet_id.value())?;
        if self.is_shortest() {
            return Some(());
        }
        if !self.reason.fits(kind, sender) {
            writer.fail(EncodeError::ReasonCode {
                code: self.reason,
                packet: kind,
            })?;
        }
        writer.byte(self.reason.value())?;
        if self.properties.is_empty() {
            return Some(());
        }
        self.properties
            .write(PropertyRules::of(kind, sender), writer)
    }

    fn is_shortest(&self) -> bool {
        self.reason == ReasonCode::SUCCESS && self.properties.is_empty()
    }

    fn remaining_length(&self) -> usize {
        match (self.properties.is_empty(), self.reason) {
            (true, ReasonCode::SUCCESS) => 2,
            (true, _) => 3,
            (false, _) => self.properties.prefixed_len().saturating_add(3),
        }
    }
}
