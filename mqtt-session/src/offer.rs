//! Which bytes are offered to the transport next.

use crate::sender::Sending;
use crate::store::OutboundStore;
use crate::transmit::{Large, Next};

/// Bytes that are offered, by where they lie.
pub(crate) struct Offered {
    source: Source,
    start: usize,
    end: usize,
}

enum Source {
    Transmit,
    Arena,
    #[cfg(feature = "bytes")]
    Payload(u16),
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Offers what is to be sent next, if nothing is being offered.
    pub(crate) fn offer(&mut self) -> Option<Offered> {
        let offered = match self.out.line.tx.next() {
            Next::Nothing => return None,
            Next::Buffered(start, end) => Offered {
                source: Source::Transmit,
                start,
                end,
            },
            Next::Large(large) => self.place_of(&large),
        };
        let len = offered.end.saturating_sub(offered.start);
        self.out.line.tx.offer(len);
        self.out.line.begin_stall(self.out.clock.moment());
        Some(offered)
    }
}

/// All that is queued, by where it lies.
pub(crate) struct OfferedAll {
    before: (usize, usize),
    large: Option<Offered>,
    behind: (usize, usize),
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Offers all that is queued, where some of it is being offered.
    pub(crate) fn offer_all(&mut self) -> Option<OfferedAll> {
        let all = self.out.line.tx.queue()?;
        let large = all.large.map(|large| self.place_of(&large));
        let len = |(start, end): (usize, usize)| end.saturating_sub(start);
        let of_large = large
            .as_ref()
            .map_or(0, |large| len((large.start, large.end)));
        let in_buffer = len(all.before).saturating_add(len(all.behind));
        self.out.line.tx.offer(in_buffer.saturating_add(of_large));
        Some(OfferedAll {
            before: all.before,
            large,
            behind: all.behind,
        })
    }

    /// What of a large packet has not been taken.
    fn place_of(&mut self, large: &Large) -> Offered {
        let (start, end) = self.large_range(large);
        #[cfg(feature = "bytes")]
        if large.apart {
            let source = Source::Payload(large.slot);
            return Offered { source, start, end };
        }
        let source = Source::Arena;
        Offered { source, start, end }
    }
}

impl OfferedAll {
    /// The bytes themselves, in their order.
    pub(crate) fn slices<'s, O: OutboundStore>(&self, store: &'s O) -> [&'s [u8]; 3] {
        let (transmit, arena) = store.buffers();
        let buffered = |(start, end)| transmit.get(start..end).unwrap_or_default();
        let large = self.large.as_ref().map(|large| {
            let whole = match large.source {
                Source::Transmit => transmit,
                Source::Arena => arena,
                #[cfg(feature = "bytes")]
                Source::Payload(slot) => store.payload(slot),
            };
            whole.get(large.start..large.end).unwrap_or_default()
        });
        let large = large.unwrap_or_default();
        [buffered(self.before), large, buffered(self.behind)]
    }
}

impl Offered {
    /// The bytes themselves.
    pub(crate) fn bytes<'s, O: OutboundStore>(&self, store: &'s mut O) -> &'s [u8] {
        let whole = match self.source {
            Source::Transmit => store.transmit(),
            Source::Arena => store.arena(),
            #[cfg(feature = "bytes")]
            Source::Payload(slot) => store.payload(slot),
        };
        whole.get(self.start..self.end).unwrap_or_default()
    }
}
