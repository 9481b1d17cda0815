//! Storage for packets that wait or are unacknowledged: blocks one behind the other in one slice,
//! beginning at its front again when its end is reached.
//!
//! Taking is a step of a pointer, freeing a mark. What is acknowledged in the order of sending
//! leaves no gaps; others are closed when there is no room otherwise. Each block begins with six
//! bytes that name its record, so that closing gaps is one walk over the blocks and needs no order
//! among the records.

use crate::record::Record;
use crate::store::OutboundParts;
use crate::tables::NIL;

/// So few bytes are moved for any room at all.
const MOVED_AT_ONCE: usize = 4096;

/// Of more, gaps must be at least one part in so many: so many bytes are moved for each that
/// becomes free, at most.
const SHARE: usize = 16;

/// Bytes in front of each block: the record it belongs to and its length.
pub(crate) const BLOCK_HEADER: usize = 6;

/// Which parts of the slice are taken, and how much of them is alive. The slice is at most 2 GiB
/// long, so sums of places and lengths within it do not wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arena {
    /// The oldest block: what lies before it is free, or taken from the front on.
    first: u32,
    /// Behind the newest block.
    end: u32,
    /// Behind the last block at the end of the slice, if newer ones begin at its front.
    turn: u32,
    live: u32,
}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self {
            first: 0,
            end: 0,
            turn: 0,
            live: 0,
        }
    }

    /// Bytes taken by living blocks, their headers included.
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// Where what is free behind the newest block ends.
    #[cfg_attr(feature = "fast", inline(always))]
    fn limit(&self, bytes: &[u8]) -> usize {
        if self.turn == 0 {
            bytes.len()
        } else {
            self.first as usize
        }
    }

    /// Whether `len` bytes can be taken behind the newest block as it is.
    #[inline]
    pub(crate) fn fits(&self, bytes: &[u8], len: usize) -> bool {
        let end = (self.end as usize).saturating_add(len);
        end.saturating_add(BLOCK_HEADER) <= self.limit(bytes)
    }

    /// Begins at the front again, if `len` bytes can be taken there. What is free at the end is
    /// given up until the next turn, so enough has to be free at the front.
    #[cold]
    pub(crate) fn turn(&mut self, bytes: &[u8], len: usize) -> bool {
        let turns = self.turn == 0
            && len.saturating_add(BLOCK_HEADER) <= self.first as usize
            && pays(bytes, self.first as usize);
        if turns {
            self.turn = self.end;
            self.end = 0;
        }
        turns
    }

    /// Where a longer slice would have what is new: behind all blocks as they lie, or as they lie
    /// without gaps where the newest are at the front.
    pub(crate) fn growing_end(&self) -> usize {
        if self.turn == 0 {
            self.end as usize
        } else {
            self.live as usize
        }
    }

    /// Whether the newest blocks are at the front.
    pub(crate) fn is_turned(&self) -> bool {
        self.turn != 0
    }

    /// Whether closing the gaps would make room for `len` bytes.
    pub(crate) fn fits_packed(&self, bytes: &[u8], len: usize) -> bool {
        let free = bytes.len().saturating_sub(self.live as usize);
        len.saturating_add(BLOCK_HEADER) <= free
    }

    /// Whether closing the gaps frees enough for what it moves. Where a full store gets a little
    /// room with each acknowledgement, closing them each time would move everything each time.
    pub(crate) fn pays_to_pack(&self, bytes: &[u8]) -> bool {
        pays(bytes, bytes.len().saturating_sub(self.live as usize))
    }

    /// All that can be taken behind the newest block, behind `prefix` bytes.
    pub(crate) fn rest<'b>(&self, bytes: &'b mut [u8], prefix: usize) -> &'b mut [u8] {
        let start = (self.end as usize)
            .saturating_add(BLOCK_HEADER)
            .saturating_add(prefix);
        let limit = self.limit(bytes);
        bytes.get_mut(start..limit).unwrap_or_default()
    }

    /// The place behind the newest block for one of `len`: its header and its bytes, if it fits
    /// as it is.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn place<'b>(
        &self,
        bytes: &'b mut [u8],
        len: usize,
    ) -> Option<(&'b mut [u8; BLOCK_HEADER], &'b mut [u8])> {
        let start = self.end as usize;
        let end = start.checked_add(len)?.wrapping_add(BLOCK_HEADER);
        if self.turn != 0 && end > self.first as usize {
            return None;
        }
        bytes
            .get_mut(start..end)?
            .split_first_chunk_mut::<BLOCK_HEADER>()
    }

    /// Takes the place that [`Arena::place`] showed, for the record `slot`; the block's offset.
    #[cfg_attr(feature = "fast", inline(always))]
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

    /// Takes the block that [`Arena::rest`] showed, for the record `slot`; its offset.
    pub(crate) fn take(&mut self, bytes: &mut [u8], slot: u16, len: usize) -> u32 {
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        match self.place(bytes, len) {
            Some((header, _)) => self.take_place(header, slot, size),
            None => 0,
        }
    }

    /// Gives the block at `offset` back.
    #[inline]
    pub(crate) fn free(&mut self, bytes: &mut [u8], offset: u32) {
        let start = offset.wrapping_sub(BLOCK_HEADER as u32);
        let Some(header) = bytes.get_mut(start as usize..) else {
            return;
        };
        let Some((_, len)) = read_header(header) else {
            return;
        };
        let total = len.wrapping_add(BLOCK_HEADER as u32);
        self.live = self.live.wrapping_sub(total);
        if self.live == 0 {
            *self = Self::new();
            return;
        }
        write_header(header, NIL, len);
        if start == self.first {
            self.skip_dead(bytes);
        } else if start.wrapping_add(total) == self.end {
            self.end = start;
            if start == 0 {
                // Nothing is left at the front.
                self.end = self.turn;
                self.turn = 0;
            }
        }
    }

    /// Goes on to the oldest block that is alive; there is one.
    #[cfg_attr(feature = "fast", inline(always))]
    fn skip_dead(&mut self, bytes: &[u8]) {
        while let Some((NIL, len)) = bytes.get(self.first as usize..).and_then(read_header) {
            self.first = self
                .first
                .wrapping_add(len)
                .wrapping_add(BLOCK_HEADER as u32);
            if self.first == self.turn {
                self.first = 0;
                self.turn = 0;
            }
        }
    }

    /// Gives the block of a record back.
    #[inline]
    pub(crate) fn free_block(&mut self, parts: &mut OutboundParts<'_>, slot: u16) {
        if let Some(record) = parts.records.get(usize::from(slot)) {
            self.free(parts.arena, record.offset);
        }
    }

    /// Closes the gaps and tells the records where their blocks went.
    pub(crate) fn pack(&mut self, bytes: &mut [u8], records: &mut [Record]) {
        let mut to = 0;
        if self.turn != 0 {
            to = pack_blocks(bytes, records, 0, self.end as usize, to);
            self.end = self.turn;
        }
        to = pack_blocks(bytes, records, self.first as usize, self.end as usize, to);
        let live = u32::try_from(to).unwrap_or(u32::MAX);
        *self = Self {
            first: 0,
            end: live,
            turn: 0,
            live,
        };
    }
}

/// Whether `free` bytes are enough to make room of.
fn pays(bytes: &[u8], free: usize) -> bool {
    bytes.len() <= MOVED_AT_ONCE || free >= bytes.len() / SHARE
}

/// Moves the living blocks between two places to `to` and behind it, which is not behind them;
/// where the last of them ends then.
fn pack_blocks(
    bytes: &mut [u8],
    records: &mut [Record],
    mut from: usize,
    end: usize,
    mut to: usize,
) -> usize {
    while from < end {
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
    to
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
        arena.rest(bytes, 0)[..fill.len()].copy_from_slice(fill);
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

    /// Blocks are taken and freed in any order, those of the model at the same places as those of
    /// the records: none is ever written over, and packing keeps them all.
    #[test]
    fn blocks_keep_their_bytes_around_the_end_of_the_slice() {
        let mut bytes = [0; 96];
        let mut records = [Record::EMPTY; 8];
        let mut arena = Arena::default();
        let mut model: [Option<(u8, usize)>; 8] = [None; 8];
        let (mut seed, mut turns, mut packs) = (7u32, 0, 0);
        for step in 0..20_000u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let slot = (seed >> 8) as usize % 8;
            let len = (seed >> 16) as usize % 20;
            match model[slot] {
                Some(_) => {
                    arena.free(&mut bytes, records[slot].offset);
                    model[slot] = None;
                }
                None => {
                    if !arena.fits(&bytes, len) && arena.turn(&bytes, len) {
                        turns += 1;
                    } else if !arena.fits(&bytes, len) && arena.fits_packed(&bytes, len) {
                        arena.pack(&mut bytes, &mut records);
                        packs += 1;
                    }
                    if arena.fits(&bytes, len) {
                        let fill = [step as u8; 20];
                        put(
                            &mut arena,
                            &mut bytes,
                            &mut records,
                            slot as u16,
                            &fill[..len],
                        );
                        model[slot] = Some((step as u8, len));
                    }
                }
            }
            let mut live = 0;
            for (slot, held) in model.iter().enumerate() {
                if let Some((fill, len)) = held {
                    assert_eq!(block(&bytes, &records, slot), &[*fill; 20][..*len]);
                    live += len + BLOCK_HEADER;
                }
            }
            assert_eq!(arena.live(), live);
        }
        assert!(turns > 100 && packs > 100, "{turns} {packs}");
    }

    #[test]
    fn what_is_freed_in_order_needs_no_packing() {
        let mut bytes = [0; 100];
        let mut records = [Record::EMPTY; 4];
        let mut arena = Arena::default();
        for step in 0..1_000usize {
            let slot = step % 4;
            if step >= 4 {
                arena.free(&mut bytes, records[slot].offset);
            }
            assert!(arena.fits(&bytes, 14) || arena.turn(&bytes, 14), "{step}");
            put(
                &mut arena,
                &mut bytes,
                &mut records,
                slot as u16,
                &[step as u8; 14],
            );
        }
    }
}
