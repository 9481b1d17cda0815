use super::Publish;
use crate::writer::{measure, write_packet};
use crate::{EncodeError, Properties, Sender};

impl Publish<'_> {
    /// Bytes of the packet but for its payload.
    pub(super) fn measure(&self, payload_len: usize) -> Result<usize, EncodeError> {
        measure(payload_len, |writer| {
            self.write_body(Sender::Client, writer)
        })
    }

    pub(super) fn write_whole(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        self.encode_with(&self.properties, sender, out)
    }

    /// As [`Publish::encode`], with other properties than its own. What is made to be encoded need
    /// not lie in memory then: where its own are lent out, all of it does.
    ///
    /// # Errors
    /// The same.
    #[doc(hidden)]
    pub fn encode_with(
        &self,
        properties: &Properties<'_>,
        sender: Sender,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        write_packet(out, self.first_byte(), 0, |writer| {
            self.write_body_with(properties, sender, writer);
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
