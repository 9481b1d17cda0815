use crate::payload_list::Source;
use crate::property::{PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::{Writer, encode, measured};
use crate::{
    DecodeErrorKind, EncodeError, PacketId, PacketType, Properties, Sender, Subscription,
    Subscriptions,
};

/// SUBSCRIBE: a client asks for subscriptions (section 3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Subscribe<'a> {
    /// The packet identifier, which SUBACK repeats (MQTT-2.2.1-6).
    pub packet_id: PacketId,
    /// The properties: a subscription identifier, user properties.
    pub properties: Properties<'a>,
    /// The subscriptions: at least one (MQTT-3.8.3-2).
    pub subscriptions: Subscriptions<'a>,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        let packet_id = reader.packet_id()?;
        let properties = read_properties(reader)?;
        if reader.is_empty() {
            return reader.fail(DecodeErrorKind::EmptyPayload);
        }
        let payload = reader.rest();
        let mut len = 0_usize;
        while !reader.is_empty() {
            Subscription::read(reader)?;
            len = len.wrapping_add(1);
        }
        Some(Self {
            packet_id,
            properties: properties.properties(),
            subscriptions: Subscriptions::wire(payload, len),
        })
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
        if !PacketType::Subscribe.may_come_from(sender) {
            return Err(EncodeError::WrongDirection(PacketType::Subscribe, sender));
        }
        if self.subscriptions.is_empty() {
            return Err(EncodeError::Empty(PacketType::Subscribe));
        }
        encode(
            out,
            PacketType::Subscribe.first_byte(),
            7,
            || self.remaining_length(),
            |writer| self.write(sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        writer.two(self.packet_id.value())?;
        self.properties
            .write(PropertyRules::of(PacketType::Subscribe, sender), writer)?;
        match self.subscriptions.source() {
            Source::Wire { bytes, .. } => writer.block(bytes)?,
            Source::List(list) => {
                for entry in list {
                    if entry.options.no_local && entry.filter.is_shared() {
                        writer.fail(EncodeError::NoLocalOnShared)?;
                    }
                    writer.known(entry.filter.as_str().as_bytes())?;
                    writer.byte(entry.options.byte())?;
                }
            }
        }
        Some(())
    }

    fn remaining_length(&self) -> usize {
        self.subscriptions
            .iter()
            .map(|entry| entry.filter.as_str().len().saturating_add(3))
            .fold(
                self.properties.prefixed_len().saturating_add(2),
                usize::saturating_add,
            )
    }
}
