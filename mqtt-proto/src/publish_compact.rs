use super::Publish;
use crate::writer::{measure, write_packet};
use crate::{EncodeError, Sender};

impl Publish<'_> {
    /// Bytes of the packet but for its payload.
    pub(super) fn measure(&self, payload_len: usize) -> Result<usize, EncodeError> {
        measure(payload_len, |writer| {
            self.write_body(Sender::Client, writer)
        })
    }

    pub(super) fn write_whole(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        write_packet(out, self.first_byte(), 0, |writer| {
            self.write_body(sender, writer);
            writer.block(self.payload)
        })
    }

    pub(super) fn write_start(
        &self,
        sender: Sender,
        payload_len: usize,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        write_packet(out, self.first_byte(), payload_len, |writer| {
            self.write_body(sender, writer)
        })
    }
}
