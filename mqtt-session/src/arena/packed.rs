//! Storage for a few packets that wait or are unacknowledged: blocks one behind the other. Gaps are
//! closed when the room behind the last one is too small. That takes least code, and looks at every
//! record as often as there are blocks.

use crate::copy::move_down;
use crate::record::{Flags, Record};
use crate::sender::EXPIRY_PREFIX;

/// How much of the slice is taken, from its front on. It is at most 2 GiB long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arena {
    end: u32,
}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self { end: 0 }
    }

    /// Where a longer slice would have what is new.
    pub(crate) const fn growing_end(&self) -> usize {
        self.end as usize
    }

    /// All that can be taken behind the newest block, behind `prefix` bytes.
    pub(crate) fn rest<'b>(&self, bytes: &'b mut [u8], prefix: usize) -> &'b mut [u8] {
        let start = self.growing_end().wrapping_add(prefix).min(bytes.len());
        bytes.get_mut(start..).unwrap_or_default()
    }

    /// Takes the first `len` bytes of [`Arena::rest`]; where they begin.
    pub(crate) fn take(&mut self, _bytes: &mut [u8], _slot: u16, len: usize) -> u32 {
        let offset = self.growing_end();
        self.end = offset.wrapping_add(len) as u32;
        offset as u32
    }

    /// Closes all gaps; how much is taken then.
    pub(crate) fn pack(&mut self, bytes: &mut [u8], records: &mut [Record]) -> usize {
        self.end = 0;
        loop {
            // What lies in front of `end` has its place.
            let end = self.growing_end();
            let mut next: Option<&mut Record> = None;
            for record in &mut *records {
                let at = record.offset();
                if at >= end
                    && record.flags.has(Flags::STORED)
                    && next.as_ref().is_none_or(|next| at < next.offset())
                {
                    next = Some(record);
                }
            }
            let Some(record) = next else {
                return end;
            };
            let start = record.offset();
            let prefix = if record.flags.has(Flags::EXPIRES) {
                EXPIRY_PREFIX
            } else {
                0
            };
            let len = record.len().wrapping_add(prefix);
            move_down(bytes, start, start.wrapping_add(len), end);
            record.move_block(end as u32);
            self.end = end.wrapping_add(len) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_when_gaps_are_closed() {
        let mut bytes = [0; 32];
        let mut records = [Record::EMPTY; 4];
        let mut arena = Arena::new();
        let fills = [&b"the first"[..], b"second", b"the third", b"fourth"];
        // Slots are no order.
        for (slot, fill) in [3, 1, 0, 2].into_iter().zip(fills) {
            arena.rest(&mut bytes, 0)[..fill.len()].copy_from_slice(fill);
            let offset = arena.take(&mut bytes, slot as u16, fill.len());
            records[slot].set_block(offset, fill.len());
            records[slot].flags.set(Flags::STORED);
        }
        assert_eq!(arena.rest(&mut bytes, 0).len(), 2);
        records[3].flags.clear(Flags::STORED);
        records[0].flags.clear(Flags::STORED);
        assert_eq!(arena.pack(&mut bytes, &mut records), 12);
        assert_eq!(arena.rest(&mut bytes, 0).len(), 20);
        for (slot, fill) in [(1, b"second"), (2, b"fourth")] {
            let start = records[slot].offset();
            assert_eq!(&bytes[start..start + 6], fill);
        }
        assert_eq!(arena.growing_end(), 12);
    }
}
