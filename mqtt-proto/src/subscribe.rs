use crate::property::{PropertyRules, read_properties};
use crate::reader::Reader;
use crate::writer::{encode, packet_len};
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
        let (properties, _) = read_properties(reader)?;
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
            properties,
            subscriptions: Subscriptions::wire(payload, len),
        })
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        packet_len(
            self.subscriptions
                .iter()
                .map(|entry| entry.filter.as_str().len().saturating_add(3))
                .fold(
                    self.properties.prefixed_len().saturating_add(2),
                    usize::saturating_add,
                ),
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
        if self
            .subscriptions
            .iter()
            .any(|entry| entry.options.no_local && entry.filter.is_shared())
        {
            return Err(EncodeError::NoLocalOnShared);
        }
        encode(
            out,
            PacketType::Subscribe.first_byte(),
            7,
            || self.encoded_len(),
            |writer| {
                writer.two(self.packet_id.value())?;
                self.properties
                    .write(PropertyRules::of(PacketType::Subscribe, sender), writer)?;
                for entry in self.subscriptions {
                    writer.binary(entry.filter.as_str().as_bytes())?;
                    writer.byte(entry.options.to_byte())?;
                }
                Some(())
            },
        )
    }
}
