//! The bytes on their way to the present transport.
//!
//! One buffer holds whole packets back to back, so that everything queued leaves in one write.
//! A packet too large to be copied there is sent from where it is stored, at its place in the
//! order. Nothing here outlives the transport.
use crate::copy::{copy, move_down};

#[cfg(feature = "draw")]
mod drawing;

#[cfg(feature = "draw")]
use drawing::Drawing;

/// Kept free for what must never fail: PINGREQ (2 bytes) and DISCONNECT with a reason (3 bytes).
pub(crate) const RESERVE: usize = 5;

/// Nothing else that is queued whole is so short as the longest of these.
const LONGEST_RESERVED: usize = 3;

/// Nothing is offered: what is offered has bytes.
const NOT_OFFERED: u32 = 0;

/// A place in the buffer.
#[cfg(any(feature = "fast", feature = "alloc"))]
type At = u32;
#[cfg(not(any(feature = "fast", feature = "alloc")))]
type At = u16;

/// How long a large packet is, or a payload.
#[cfg(any(feature = "fast", feature = "alloc", feature = "draw"))]
type Length = u32;
#[cfg(not(any(feature = "fast", feature = "alloc", feature = "draw")))]
type Length = u16;

/// Which part of the buffer is queued, and how far the transport has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transmit {
    start: At,
    end: At,
    /// Places in the stream of bytes, counted from the start of the transport, wrapping.
    taken: u32,
    queued: u32,
    /// Bytes offered to the transport and not answered by `sent` yet, or [`NOT_OFFERED`].
    offered: u32,
    large: Large,
}

/// A packet, or its payload, that is sent from where it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Large {
    pub(crate) slot: u16,
    /// How much of what is queued in the buffer leaves before it.
    before: At,
    /// Of none there is.
    len: Length,
    sent: Length,
    /// Whether it is the payload held beside the arena, and not a whole packet in the arena.
    #[cfg(feature = "bytes")]
    pub(crate) apart: bool,
    /// Whether it is a payload that is drawn from the application, to lie in the buffer behind
    /// its header; `sent` is then how much of it does or did.
    #[cfg(feature = "draw")]
    drawing: Drawing,
}

impl Large {
    const NONE: Self = Self {
        slot: 0,
        before: 0,
        len: 0,
        sent: 0,
        #[cfg(feature = "bytes")]
        apart: false,
        #[cfg(feature = "draw")]
        drawing: Drawing::No,
    };

    /// Whether there is one.
    #[inline]
    pub(crate) const fn is_some(&self) -> bool {
        self.len != 0
    }

    /// How much of it the transport has taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent as usize
    }
}

/// What became of an offer of all that is queued in the buffer.
#[cfg(feature = "fast")]
pub(crate) enum Buffered {
    /// There is nothing to offer.
    Nothing,
    /// The transport has not answered the last offer yet.
    Pending,
    /// This part of the buffer is offered now.
    Offered(usize, usize),
    /// There is a large packet, so that nothing was offered.
    Large,
}

impl Transmit {
    pub(crate) const fn new() -> Self {
        Self {
            start: 0,
            end: 0,
            taken: 0,
            queued: 0,
            offered: NOT_OFFERED,
            large: Large::NONE,
        }
    }

    /// Whether anything waits for the transport.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        #[cfg(feature = "fast")]
        return self.start == self.end && !self.large.is_some();
        #[cfg(not(feature = "fast"))]
        {
            self.taken == self.queued
        }
    }

    /// The packet that is sent from where it is stored, or none.
    pub(crate) const fn large(&self) -> &Large {
        &self.large
    }

    /// Whether a payload is being drawn from the application: nothing but the rest of it may be
    /// written behind what is queued.
    #[inline(always)]
    pub(crate) fn is_drawing(&self) -> bool {
        #[cfg(feature = "draw")]
        let drawing = self.large.drawing != Drawing::No;
        #[cfg(not(feature = "draw"))]
        let drawing = false;
        drawing
    }

    /// Whether the transport has taken all that the application supplied of a payload.
    #[cfg(not(feature = "draw"))]
    const fn waits_for_parts(&self) -> bool {
        false
    }

    /// The place in the stream after the last queued byte.
    pub(crate) fn queued(&self) -> u32 {
        self.queued
    }

    /// Whether the transport has taken everything up to `mark`.
    #[inline]
    pub(crate) fn has_taken(&self, mark: u32) -> bool {
        // A distance in the upper half of the range is a mark ahead.
        self.taken.wrapping_sub(mark) <= u32::MAX / 2
    }

    /// Whether the transport has taken part of what ends at `mark` and is `len` bytes long.
    pub(crate) fn has_begun(&self, mark: u32, len: usize) -> bool {
        let start = mark.wrapping_sub(u32::try_from(len).unwrap_or(u32::MAX));
        let into = self.taken.wrapping_sub(start);
        into != 0 && into <= u32::MAX / 2
    }

    /// Bytes queued and not taken.
    fn live(&self) -> usize {
        (self.end as usize).saturating_sub(self.start as usize)
    }

    /// The length that the buffer must have to take `len` more bytes: in a small one, once what is
    /// queued is moved to the front.
    pub(crate) fn wanted(&self, len: usize) -> usize {
        let before = if cfg!(feature = "fast") {
            self.end as usize
        } else {
            self.live()
        };
        before.saturating_add(len).saturating_add(RESERVE)
    }

    /// Whether [`Transmit::room`] has room for `len` bytes in a buffer of `capacity`.
    #[inline]
    pub(crate) fn fits(&self, capacity: usize, len: usize) -> bool {
        let wanted = len.saturating_add(RESERVE);
        let behind = capacity.saturating_sub(self.end as usize);
        !self.is_drawing() && (behind >= wanted || self.pays(behind, wanted))
    }

    /// Whether moving what is queued to the front makes room, and at least as much is free there,
    /// so that moving stays linear in the bytes sent. In a small buffer it pays always.
    fn pays(&self, behind: usize, wanted: usize) -> bool {
        let in_front = self.start as usize;
        (cfg!(not(feature = "fast")) || in_front >= self.live())
            && behind.saturating_add(in_front) >= wanted
    }

    /// Room for `len` bytes behind what is queued, leaving the reserve free, as it is now.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) fn room_as_it_is<'b>(
        &self,
        buffer: &'b mut [u8],
        len: usize,
    ) -> Option<&'b mut [u8]> {
        let start = self.end as usize;
        let end = start.wrapping_add(len);
        if end.wrapping_add(RESERVE) > buffer.len() || self.is_drawing() {
            return None;
        }
        buffer.get_mut(start..end)
    }

    /// All the room behind what is queued, leaving the reserve free, as it is now.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) fn spare<'b>(&self, buffer: &'b mut [u8]) -> &'b mut [u8] {
        if self.is_drawing() {
            return &mut [];
        }
        let end = buffer.len().saturating_sub(RESERVE);
        buffer.get_mut(self.end as usize..end).unwrap_or_default()
    }

    /// Room for `len` bytes behind what is queued, leaving the reserve free.
    pub(crate) fn room<'b>(&mut self, buffer: &'b mut [u8], len: usize) -> Option<&'b mut [u8]> {
        if self.behind(buffer, len, RESERVE).is_none() {
            self.makes_room(buffer, len, RESERVE);
        }
        self.behind(buffer, len, RESERVE)
    }

    /// Room for `len` bytes behind what is queued, with so many left free behind them, as it is now.
    fn behind<'b>(&self, buffer: &'b mut [u8], len: usize, reserve: usize) -> Option<&'b mut [u8]> {
        let rest = buffer.get_mut(self.end as usize..)?;
        // No sum of what fits in memory is too large.
        if rest.len() < len.wrapping_add(reserve) || self.is_drawing() {
            return None;
        }
        rest.get_mut(..len)
    }

    /// Moves what is queued to the front, where that pays; whether it did.
    fn makes_room(&mut self, buffer: &mut [u8], len: usize, reserve: usize) -> bool {
        let behind = buffer.len().saturating_sub(self.end as usize);
        let pays = cfg!(not(feature = "fast"))
            || reserve == 0
            || self.pays(behind, len.wrapping_add(reserve));
        if self.start == 0 || self.is_drawing() || !pays {
            return false;
        }
        self.pack(buffer);
        true
    }

    fn pack(&mut self, buffer: &mut [u8]) {
        move_down(buffer, self.start as usize, self.end as usize, 0);
        self.end = self.end.wrapping_sub(self.start);
        self.start = 0;
    }

    /// Queues a packet, leaving the reserve free unless it is for this one; false when there is no
    /// room.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn append(&mut self, buffer: &mut [u8], bytes: &[u8]) -> bool {
        debug_assert!(bytes.len() > LONGEST_RESERVED || matches!(bytes, [0xc0 | 0xe0, ..]));
        let reserve = if bytes.len() > LONGEST_RESERVED {
            RESERVE
        } else {
            0
        };
        loop {
            if let Some(out) = self.behind(buffer, bytes.len(), reserve) {
                copy(out, bytes);
                self.commit(bytes.len());
                return true;
            }
            if !self.makes_room(buffer, bytes.len(), reserve) {
                return false;
            }
        }
    }

    /// Queues `len` bytes that were written where [`Transmit::room`] pointed.
    #[inline]
    pub(crate) fn commit(&mut self, len: usize) {
        self.end = self.end.wrapping_add(len as At);
        self.queued = self.queued.wrapping_add(len as u32);
    }

    /// Queues `len` bytes that are sent from where they are stored.
    pub(crate) fn commit_large(&mut self, slot: u16, len: usize, apart: bool) {
        #[cfg(not(feature = "bytes"))]
        let _ = apart;
        self.large = Large {
            slot,
            before: self.end.wrapping_sub(self.start),
            len: len as Length,
            sent: 0,
            #[cfg(feature = "bytes")]
            apart,
            #[cfg(feature = "draw")]
            drawing: Drawing::No,
        };
        self.queued = self.queued.wrapping_add(len as u32);
    }

    /// Offers all of the buffer that is queued, if nothing is offered and no large packet is
    /// among it.
    #[cfg(feature = "fast")]
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn offer_buffered(&mut self) -> Buffered {
        if self.large.is_some() {
            Buffered::Large
        } else if self.start == self.end {
            Buffered::Nothing
        } else if self.offered != NOT_OFFERED {
            Buffered::Pending
        } else {
            self.offered = self.end.wrapping_sub(self.start);
            Buffered::Offered(self.start as usize, self.end as usize)
        }
    }

    /// Whether anything is offered that the transport has not answered.
    pub(crate) const fn is_offered(&self) -> bool {
        self.offered != NOT_OFFERED
    }

    /// All that is queued, as places of the buffer: where it begins, where the turn of the large
    /// packet is, if there is one that is stored, and where it ends.
    pub(crate) fn queue(&self) -> (usize, usize, usize) {
        let (start, end) = (self.start as usize, self.end as usize);
        let at = if self.large.is_some() && !self.is_drawing() {
            start.wrapping_add(self.large.before as usize)
        } else {
            end
        };
        (start, at, end)
    }

    /// Whether there is anything that the transport was not offered.
    pub(crate) fn has_to_offer(&self) -> bool {
        self.offered == NOT_OFFERED && !self.is_empty() && !self.waits_for_parts()
    }

    /// Notes that `len` bytes are offered.
    pub(crate) fn offer(&mut self, len: usize) {
        self.offered = len as u32;
    }

    /// Notes that all is offered that is queued.
    pub(crate) fn offer_all(&mut self) {
        self.offered = if self.is_drawing() {
            self.live() as u32
        } else {
            self.queued.wrapping_sub(self.taken)
        };
    }

    /// Takes back what was offered and not answered; whether anything was.
    #[cfg(feature = "broker")]
    pub(crate) fn withdraw(&mut self) -> bool {
        core::mem::replace(&mut self.offered, NOT_OFFERED) != NOT_OFFERED
    }

    /// The transport took `len` of the bytes offered; how many that can have been: none, where
    /// nothing is offered.
    #[inline]
    pub(crate) fn took(&mut self, len: usize) -> u32 {
        let offered = core::mem::replace(&mut self.offered, NOT_OFFERED);
        let taken = if len < offered as usize {
            len as u32
        } else {
            offered
        };
        self.taken = self.taken.wrapping_add(taken);
        let len = taken as usize;
        let mut start = self.start as usize;
        let drawing = self.is_drawing();
        // With the feature `fast`, nearly always there is no large packet.
        if drawing || cfg!(feature = "fast") && !self.large.is_some() {
            start = start.wrapping_add(len);
        } else {
            // What lies before a large packet is taken first, what lies behind it last. Of none,
            // nothing lies before it, and it is taken already.
            let large = &mut self.large;
            let before = (large.before as usize).min(len);
            large.before = large.before.wrapping_sub(before as At);
            let sent = (large.sent as usize).wrapping_add(len.wrapping_sub(before));
            start = start.wrapping_add(before);
            match sent.checked_sub(large.len as usize) {
                Some(behind) => {
                    start = start.wrapping_add(behind);
                    *large = Large::NONE;
                }
                None => large.sent = sent as Length,
            }
        }
        self.start = start as At;
        // In a small buffer there is always time to move nothing to the front; a payload that is drawn
        // wants to know how much room there is.
        let resets = cfg!(any(feature = "fast", feature = "draw"));
        if resets && self.start == self.end && (drawing || !self.large.is_some()) {
            self.start = 0;
            self.end = 0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(tx: &mut Transmit, buffer: &mut [u8], bytes: &[u8]) -> bool {
        match tx.room(buffer, bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                tx.commit(bytes.len());
                true
            }
            None => false,
        }
    }

    #[test]
    fn a_large_packet_keeps_its_place_between_small_ones() {
        let mut buffer = [0; 32];
        let mut tx = Transmit::new();
        assert!(queue(&mut tx, &mut buffer, b"before"));
        tx.commit_large(7, 100, false);
        assert!(queue(&mut tx, &mut buffer, b"after"));
        assert_eq!(tx.queue(), (0, 6, 11));
        tx.offer(6);
        assert!(tx.is_offered());
        assert_eq!(tx.took(6), 6);
        assert!(!tx.is_offered());
        assert_eq!(tx.queue(), (6, 6, 11));
        assert_eq!((tx.large().slot, tx.large().sent()), (7, 0));
        tx.offer(100);
        assert_eq!(tx.took(60), 60);
        tx.offer(40);
        assert_eq!(tx.took(1000), 40);
        assert!(!tx.large().is_some());
        assert_eq!(tx.queue(), (6, 11, 11));
        assert!(tx.has_taken(106) && !tx.has_taken(107));
    }

    #[test]
    fn what_is_taken_may_end_anywhere_before_in_and_behind_a_large_packet() {
        for first in 0..=21 {
            let mut buffer = [0; 32];
            let mut tx = Transmit::new();
            assert!(queue(&mut tx, &mut buffer, b"before"));
            tx.commit_large(7, 10, true);
            assert!(queue(&mut tx, &mut buffer, b"after"));
            let mut left = 21;
            for take in [first, 21 - first] {
                if left == 0 {
                    // There is nothing to offer.
                    break;
                }
                tx.offer(left as usize);
                let (start, _, end) = tx.queue();
                let large = match tx.large() {
                    large if large.is_some() => 10 - large.sent(),
                    _ => 0,
                };
                assert_eq!((end - start + large) as u32, left);
                assert_eq!(tx.took(take as usize), take);
                left -= take;
            }
            assert!(tx.is_empty() && tx.has_taken(21) && !tx.has_taken(22));
        }
    }

    #[test]
    fn the_reserve_stays_free_until_it_is_asked_for() {
        let mut buffer = [0; 16];
        let mut tx = Transmit::new();
        assert!(queue(&mut tx, &mut buffer, &[1; 11]));
        assert!(!queue(&mut tx, &mut buffer, &[2]));
        assert!(!tx.append(&mut buffer, &[2; 4]));
        assert!(tx.append(&mut buffer, &[0xc0, 0]));
        assert!(tx.append(&mut buffer, &[0xe0, 1, 0x82]));
    }

    #[test]
    fn taking_more_than_was_offered_counts_what_was_offered() {
        let mut buffer = [0; 32];
        let mut tx = Transmit::new();
        assert_eq!(tx.took(5), 0);
        assert!(queue(&mut tx, &mut buffer, b"abc"));
        assert_eq!(tx.took(3), 0);
        tx.offer(3);
        assert_eq!(tx.took(usize::MAX), 3);
        assert!(tx.is_empty());
    }
}
