//! Which bytes are offered to the transport next.

use crate::pump::packet_range;
use crate::sender::Sending;
use crate::store::OutboundStore;
use crate::transmit::Transmit;

/// Which of the bytes that are queued are offered, of those that [`queued`] shows.
pub(crate) struct Offered(usize);

impl<O: OutboundStore> Sending<'_, O> {
    /// Offers what is to be sent next, if nothing is being offered.
    pub(crate) fn offer(&mut self) -> Option<Offered> {
        let tx = &mut self.out.line.tx;
        if tx.is_offered() {
            return None;
        }
        let queued = queued(tx, self.store);
        let (bytes, index) = queued
            .iter()
            .zip(0..)
            .find(|(bytes, _)| !bytes.is_empty())?;
        tx.offer(bytes.len());
        self.out.line.begin_stall(self.out.clock.now);
        Some(Offered(index))
    }

    /// Offers all that is queued, where some of it is being offered; whether that is so.
    pub(crate) fn offer_all(&mut self) -> bool {
        let tx = &mut self.out.line.tx;
        if !tx.is_offered() {
            return false;
        }
        let queued = queued(tx, self.store);
        let len = queued
            .iter()
            .fold(0, |len, bytes| bytes.len().wrapping_add(len));
        tx.offer(len);
        true
    }
}

impl Offered {
    /// The bytes themselves.
    pub(crate) fn bytes<'s, O: OutboundStore>(&self, tx: &Transmit, store: &'s O) -> &'s [u8] {
        queued(tx, store).get(self.0).copied().unwrap_or_default()
    }
}

/// All that is queued, in its order: in the buffer, what of a large packet has not been taken, and
/// in the buffer again.
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn queued<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> [&'s [u8]; 3] {
    let (transmit, arena) = store.buffers();
    let (start, at, end) = tx.queue();
    let large = tx.large();
    let is_stored = large.is_some() && !tx.is_drawing();
    let rest = match store.all_records().get(usize::from(large.slot)) {
        #[cfg(feature = "bytes")]
        _ if is_stored && large.apart => store.payload(large.slot).get(large.sent()..),
        Some(record) if is_stored => {
            let (start, end) = packet_range(record);
            arena.get(start.wrapping_add(large.sent())..end)
        }
        _ => None,
    };
    [
        transmit.get(start..at).unwrap_or_default(),
        rest.unwrap_or_default(),
        transmit.get(at..end).unwrap_or_default(),
    ]
}
