//! What becomes of exchanges when the transport is gone, and when the session is.

#[cfg(feature = "fast")]
mod linked;
#[cfg(not(feature = "fast"))]
mod scanned;

use crate::event::GiveUp;
use crate::record::{Place, Stage};
use crate::sender::Sending;
use crate::store::OutboundStore;
#[cfg(not(feature = "fast"))]
use crate::tables::oldest;

impl<O: OutboundStore> Sending<'_, O> {
    fn give_up_all(&mut self, place: Place, cause: GiveUp) {
        self.end_all(place, Stage::Ended(cause));
    }

    /// Ends all that is in a place, in its order.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn end_all(&mut self, place: Place, stage: Stage) {
        #[cfg(feature = "fast")]
        while let Some(slot) = self.first(place) {
            self.end(slot, place, stage);
        }
        #[cfg(not(feature = "fast"))]
        while let Some((_slot, record)) = oldest(self.store.records(), place) {
            self.out.end(record, stage);
            #[cfg(feature = "bytes")]
            self.store.release_payload(_slot);
        }
    }

    /// Messages wait again that did not wait a moment ago: which of them expires first is found
    /// out at the next poll.
    #[cfg(feature = "fast")]
    fn look_for_expired(&mut self) {
        let now = self.out.clock.until(self.out.clock.moment());
        self.out.expires_by(now);
    }

    /// How many bytes the present transport gets for a record that was written for it.
    #[cfg(any(
        feature = "fast",
        feature = "bytes",
        feature = "draw",
        feature = "topic-alias"
    ))]
    fn written_len(&mut self, slot: u16) -> usize {
        #[cfg(feature = "topic-alias")]
        if let Some(len) = self.aliased_len(slot) {
            return len;
        }
        let Some(record) = self.record(slot) else {
            return 0;
        };
        let payload = self.payload_len(slot, &record).unwrap_or(0);
        record.len().saturating_add(payload)
    }
}
