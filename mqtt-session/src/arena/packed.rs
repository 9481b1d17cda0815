//! Storage for a few packets that wait or are unacknowledged: blocks without gaps, which are closed
//! whenever one becomes free. That takes least code, and moves what is left each time.

use crate::copy::move_down;
use crate::record::{Flags, Record};
use crate::sender::EXPIRY_PREFIX;
use crate::store::OutboundParts;

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
        let start = (self.end as usize).wrapping_add(prefix);
        bytes.get_mut(start..).unwrap_or_default()
    }

    /// Takes the first `len` bytes of [`Arena::rest`]; where they begin.
    pub(crate) fn take(&mut self, _bytes: &mut [u8], _slot: u16, len: usize) -> u32 {
        let offset = self.end;
        self.end = self.end.wrapping_add(len as u32);
        offset
    }

    /// Gives the block of a record back.
    #[inline(never)]
    pub(crate) fn free_block(&mut self, parts: &mut OutboundParts<'_>, slot: u16) {
        let Some(record) = parts.records.get(usize::from(slot)) else {
            return;
        };
        let start = record.offset;
        let prefix = if record.flags.has(Flags::EXPIRES) {
            EXPIRY_PREFIX as u32
        } else {
            0
        };
        let len = record.len.wrapping_add(prefix);
        let (from, end) = (start.wrapping_add(len) as usize, self.end as usize);
        move_down(parts.arena, from, end, start as usize);
        self.end = self.end.wrapping_sub(len);
        for record in parts.records.iter_mut() {
            move_up(record, start, len);
        }
    }
}

/// A block that lay behind what is free now lies so much nearer to the front.
fn move_up(record: &mut Record, start: u32, len: u32) {
    if record.flags.has(Flags::STORED) && record.offset > start {
        record.offset = record.offset.wrapping_sub(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_when_others_become_free() {
        let mut bytes = [0; 32];
        let mut transmit = [0; 0];
        let mut records = [Record::EMPTY; 3];
        let mut arena = Arena::new();
        for (slot, fill) in [&b"first"[..], b"the second", b"third"].iter().enumerate() {
            arena.rest(&mut bytes, 0)[..fill.len()].copy_from_slice(fill);
            let offset = arena.take(&mut bytes, slot as u16, fill.len());
            records[slot].offset = offset;
            records[slot].len = fill.len() as u32;
            records[slot].flags.set(Flags::STORED);
        }
        let mut parts = OutboundParts {
            records: &mut records,
            arena: &mut bytes,
            transmit: &mut transmit,
        };
        arena.free_block(&mut parts, 1);
        records[1].flags.clear(Flags::STORED);
        for (slot, fill) in [(0, b"first"), (2, b"third")] {
            let start = records[slot].offset as usize;
            assert_eq!(&bytes[start..start + 5], fill);
        }
        assert_eq!(arena.growing_end(), 10);
    }
}
