//! Which bytes are offered to the transport next.

use crate::pump::packet_range;
use crate::sender::Outbox;
use crate::store::OutboundStore;
use crate::transmit::Transmit;

impl Outbox {
    /// Offers what is to be sent next.
    pub(crate) fn offer<'s, O: OutboundStore>(&mut self, store: &'s O) -> &'s [u8] {
        let bytes = first(&self.line.tx, store);
        self.line.tx.offer(bytes.len());
        self.line.begin_stall(self.clock.moment());
        bytes
    }

    /// Offers all that is queued, where some of it is being offered.
    pub(crate) fn offer_all<'s, O: OutboundStore>(&mut self, store: &'s O) -> [&'s [u8]; 3] {
        if !self.line.tx.is_offered() {
            return [&[]; 3];
        }
        self.line.tx.offer_all();
        queued(&self.line.tx, store)
    }
}

/// What is to be sent next, or is being sent.
pub(crate) fn first<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> &'s [u8] {
    // What lies behind a large packet is never first.
    let [before, large, _] = queued(tx, store);
    if before.is_empty() { large } else { before }
}

/// All that is queued, in its order: in the buffer, what of a large packet has not been taken, and
/// in the buffer again.
#[cfg_attr(not(feature = "fast"), inline(never))]
fn queued<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> [&'s [u8]; 3] {
    let (transmit, arena) = store.buffers();
    let (start, at, end) = tx.queue();
    let large = tx.large();
    let is_stored = large.is_some() && !tx.is_drawing();
    let rest = match store.all_records().get(usize::from(large.slot)) {
        #[cfg(feature = "bytes")]
        _ if is_stored && large.apart => part(store.payload(large.slot), large.sent(), usize::MAX),
        Some(record) if is_stored => {
            let (start, end) = packet_range(record);
            part(arena, start.wrapping_add(large.sent()), end)
        }
        _ => &[],
    };
    [part(transmit, start, at), rest, part(transmit, at, end)]
}

/// The bytes from one place to another; none where there are not so many.
#[cfg_attr(not(feature = "fast"), inline(never))]
fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}
