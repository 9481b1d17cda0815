//! Which bytes are offered to the transport next.

use crate::sender::Sender;
use crate::store::OutboundStore;
use crate::transmit::Next;

/// Bytes that are offered, by where they lie.
pub(crate) struct Offered {
    source: Source,
    start: usize,
    end: usize,
}

enum Source {
    Transmit,
    Arena,
    Payload(u16),
}

impl Sender<'_> {
    /// Offers what is to be sent next, if nothing is being offered.
    pub(crate) fn offer(&mut self) -> Option<Offered> {
        let (source, start, end) = match self.out.line.tx.next() {
            Next::Nothing => return None,
            Next::Buffered(start, end) => (Source::Transmit, start, end),
            Next::Large(large) => {
                let (start, end) = self.large_range(&large);
                let source = if large.apart {
                    Source::Payload(large.slot)
                } else {
                    Source::Arena
                };
                (source, start, end)
            }
        };
        self.out.line.tx.offer(end.saturating_sub(start));
        self.out.line.begin_stall(self.out.clock.now);
        Some(Offered { source, start, end })
    }
}

impl Offered {
    /// The bytes themselves.
    pub(crate) fn bytes<'s>(&self, store: &'s mut (dyn OutboundStore + 'static)) -> &'s [u8] {
        let whole = match self.source {
            Source::Transmit => store.transmit(),
            Source::Arena => store.arena(),
            Source::Payload(slot) => store.payload(slot),
        };
        whole.get(self.start..self.end).unwrap_or_default()
    }
}
