//! Storage for packets that wait or are unacknowledged: blocks back to back in one slice.
//!
//! Taking is a step of a pointer, freeing a mark; the gaps are closed when the end is reached.
//! Each block begins with six bytes that name its record, so that closing gaps is one walk over
//! the blocks and needs no order among the records.

use crate::slots::{NIL, Record};

/// So few bytes are moved for any room at all.
const MOVED_AT_ONCE: u32 = 4096;

/// Of more, gaps must be at least one part in so many: so many bytes are moved for each that
/// becomes free, at most.
const SHARE: u32 = 16;

/// Bytes in front of each block: the record it belongs to and its length.
pub(crate) const BLOCK_HEADER: usize = 6;

/// How much of the slice is taken, and how much of that is alive. The slice is at most 2 GiB long,
/// so sums of places and lengths within it do not wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arena {
    pub(crate) end: u32,
    pub(crate) live: u32,
}

impl Arena {
    /// Bytes taken by living blocks, their headers included.
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// Whether `len` bytes can be taken from the end as it is.
    pub(crate) fn fits(&self, bytes: &[u8], len: usize) -> bool {
        let free = bytes.len().saturating_sub(self.end as usize);
        len.saturating_add(BLOCK_HEADER) <= free
    }

    /// Whether closing the gaps would make room for `len` bytes.
    pub(crate) fn fits_packed(&self, bytes: &[u8], len: usize) -> bool {
        let free = bytes.len().saturating_sub(self.live as usize);
        len.saturating_add(BLOCK_HEADER) <= free
    }

    /// Whether closing the gaps frees enough for what it moves. Where a full store gets a little
    /// room with each acknowledgement, closing them each time would move everything each time.
    pub(crate) fn pays_to_pack(&self) -> bool {
        let gaps = self.end.saturating_sub(self.live);
        self.end <= MOVED_AT_ONCE || gaps >= self.end / SHARE
    }

    /// All that can be taken at the end, behind `prefix` bytes.
    pub(crate) fn rest<'b>(&self, bytes: &'b mut [u8], prefix: usize) -> &'b mut [u8] {
        let start = (self.end as usize)
            .saturating_add(BLOCK_HEADER)
            .saturating_add(prefix);
        bytes.get_mut(start..).unwrap_or_default()
    }

    /// The bytes that a block of `len` taken next would have.
    #[inline]
    pub(crate) fn next<'b>(&self, bytes: &'b mut [u8], len: usize) -> Option<&'b mut [u8]> {
        let start = (self.end as usize).checked_add(BLOCK_HEADER)?;
        bytes.get_mut(start..start.checked_add(len)?)
    }

    /// Takes the block that [`Arena::next`] showed, for the record `slot`; its offset.
    #[inline]
    pub(crate) fn take(&mut self, bytes: &mut [u8], slot: u16, len: usize) -> u32 {
        let start = self.end as usize;
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        if let Some(header) = bytes.get_mut(start..) {
            write_header(header, slot, size);
        }
        let total = size.wrapping_add(BLOCK_HEADER as u32);
        let offset = self.end.wrapping_add(BLOCK_HEADER as u32);
        self.end = self.end.wrapping_add(total);
        self.live = self.live.wrapping_add(total);
        offset
    }

    /// The place at the end for a block of `len`: its header and its bytes, if it fits as it is.
    #[inline]
    pub(crate) fn place<'b>(
        &self,
        bytes: &'b mut [u8],
        len: usize,
    ) -> Option<(&'b mut [u8; BLOCK_HEADER], &'b mut [u8])> {
        let (header, rest) = bytes
            .get_mut(self.end as usize..)?
            .split_first_chunk_mut::<BLOCK_HEADER>()?;
        Some((header, rest.get_mut(..len)?))
    }

    /// Takes the place that [`Arena::place`] showed, for the record `slot`; the block's offset.
    #[inline]
    pub(crate) fn take_place(
        &mut self,
        header: &mut [u8; BLOCK_HEADER],
        slot: u16,
        len: u32,
    ) -> u32 {
        write_header(header, slot, len);
        let total = len.wrapping_add(BLOCK_HEADER as u32);
        let offset = self.end.wrapping_add(BLOCK_HEADER as u32);
        self.end = self.end.wrapping_add(total);
        self.live = self.live.wrapping_add(total);
        offset
    }

    /// Gives the block at `offset` back.
    #[inline]
    pub(crate) fn free(&mut self, bytes: &mut [u8], offset: u32) {
        let start = offset.saturating_sub(BLOCK_HEADER as u32);
        let Some(header) = bytes.get_mut(start as usize..) else {
            return;
        };
        let Some((_, len)) = read_header(header) else {
            return;
        };
        write_header(header, NIL, len);
        let total = len.wrapping_add(BLOCK_HEADER as u32);
        self.live = self.live.saturating_sub(total);
        if self.live == 0 {
            self.end = 0;
        } else if start.wrapping_add(total) == self.end {
            self.end = start;
        }
    }

    /// Closes the gaps and tells the records where their blocks went.
    pub(crate) fn pack(&mut self, bytes: &mut [u8], records: &mut [Record]) {
        let (mut from, mut to) = (0usize, 0usize);
        while from < self.end as usize {
            let Some((slot, len)) = bytes.get(from..).and_then(read_header) else {
                break;
            };
            let total = (len as usize).saturating_add(BLOCK_HEADER);
            let next = from.saturating_add(total);
            if slot != NIL && next <= bytes.len() {
                bytes.copy_within(from..next, to);
                if let Some(record) = records.get_mut(usize::from(slot)) {
                    record.offset = u32::try_from(to.saturating_add(BLOCK_HEADER)).unwrap_or(0);
                }
                to = to.saturating_add(total);
            }
            from = next;
        }
        self.end = u32::try_from(to).unwrap_or(u32::MAX);
        self.live = self.end;
    }
}

fn write_header(bytes: &mut [u8], slot: u16, len: u32) {
    if let Some((slot_bytes, rest)) = bytes.split_first_chunk_mut::<2>() {
        *slot_bytes = slot.to_le_bytes();
        if let Some(len_bytes) = rest.first_chunk_mut::<4>() {
            *len_bytes = len.to_le_bytes();
        }
    }
}

fn read_header(bytes: &[u8]) -> Option<(u16, u32)> {
    let (slot, rest) = bytes.split_first_chunk::<2>()?;
    let len = rest.first_chunk::<4>()?;
    Some((u16::from_le_bytes(*slot), u32::from_le_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(arena: &mut Arena, bytes: &mut [u8], records: &mut [Record], slot: u16, fill: &[u8]) {
        assert!(arena.fits(bytes, fill.len()));
        arena.next(bytes, fill.len()).unwrap().copy_from_slice(fill);
        let offset = arena.take(bytes, slot, fill.len());
        records[usize::from(slot)].offset = offset;
        records[usize::from(slot)].len = fill.len() as u32;
    }

    fn block<'b>(bytes: &'b [u8], records: &[Record], slot: usize) -> &'b [u8] {
        let start = records[slot].offset as usize;
        &bytes[start..start + records[slot].len as usize]
    }

    #[test]
    fn blocks_keep_their_bytes_when_gaps_are_closed() {
        let mut bytes = [0; 64];
        let mut records = [Record::EMPTY; 4];
        let mut arena = Arena::default();
        for (slot, fill) in [&b"first"[..], b"second", b"third", b"fourth"]
            .iter()
            .enumerate()
        {
            put(&mut arena, &mut bytes, &mut records, slot as u16, fill);
        }
        let free = records[1].offset;
        arena.free(&mut bytes, free);
        assert!(!arena.fits(&bytes, 20));
        assert!(arena.fits_packed(&bytes, 18));
        arena.pack(&mut bytes, &mut records);
        assert!(arena.fits(&bytes, 18));
        assert_eq!(block(&bytes, &records, 0), b"first");
        assert_eq!(block(&bytes, &records, 2), b"third");
        assert_eq!(block(&bytes, &records, 3), b"fourth");
    }

    #[test]
    fn an_empty_arena_starts_over() {
        let mut bytes = [0; 32];
        let mut records = [Record::EMPTY; 2];
        let mut arena = Arena::default();
        for _ in 0..10 {
            put(&mut arena, &mut bytes, &mut records, 0, b"one block");
            put(&mut arena, &mut bytes, &mut records, 1, b"two");
            let (first, second) = (records[0].offset, records[1].offset);
            arena.free(&mut bytes, first);
            arena.free(&mut bytes, second);
            assert_eq!(arena, Arena::default());
        }
    }
}
