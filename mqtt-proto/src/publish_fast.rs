use core::num::NonZeroUsize;

use super::Publish;
use crate::writer::{EncodeFault, Outline, attempt, packet_len, write_packet};
use crate::{EncodeError, Sender};

impl Publish<'_> {
    /// Bytes of the packet but for its payload.
    pub(super) fn measure(&self, payload_len: usize) -> Result<usize, EncodeError> {
        let header = self
            .least_len()
            .saturating_add(self.properties.prefixed_len());
        packet_len(header.saturating_add(payload_len)).map(|len| len.saturating_sub(payload_len))
    }

    #[inline(always)]
    pub(super) fn write_whole(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        attempt(
            |fault| {
                let header_len = self.write_header(sender, self.payload.len(), out, fault)?;
                let place = out.get_mut(header_len.get()..)?;
                place
                    .get_mut(..self.payload.len())?
                    .copy_from_slice(self.payload);
                header_len.checked_add(self.payload.len())
            },
            || self.encoded_len(),
        )
    }

    #[inline(always)]
    pub(super) fn write_start(
        &self,
        sender: Sender,
        payload_len: usize,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        attempt(
            |fault| self.write_header(sender, payload_len, out, fault),
            || self.measure(payload_len),
        )
    }

    /// Writes everything but the payload; how many bytes that takes.
    #[inline(never)]
    fn write_header(
        &self,
        sender: Sender,
        payload_len: usize,
        out: &mut [u8],
        fault: &mut EncodeFault,
    ) -> Option<NonZeroUsize> {
        let outline = Outline {
            // No harm if this wraps: the packet is refused when its length is known.
            at_least: self.least_len().wrapping_add(1).wrapping_add(payload_len),
            absent: payload_len,
        };
        write_packet(
            out,
            outline,
            fault,
            || self.first_byte(),
            |writer| self.write_body(sender, writer),
        )
    }

    /// The Remaining Length without properties and payload.
    #[inline(always)]
    fn least_len(&self) -> usize {
        let packet_id_len = if self.packet_id.is_some() { 2 } else { 0 };
        self.topic_bytes()
            .len()
            .wrapping_add(2)
            .wrapping_add(packet_id_len)
    }
}
