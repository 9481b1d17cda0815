//! The bytes on their way to the present transport.
//!
//! One buffer holds whole packets back to back, so that everything queued leaves in one write.
//! A packet too large to be copied there is sent from where it is stored, at its place in the
//! order. Nothing here outlives the transport.
use crate::copy::move_down;

#[cfg(feature = "draw")]
mod drawing;

#[cfg(feature = "draw")]
use drawing::Drawing;

/// Kept free for what must never fail: PINGREQ (2 bytes) and DISCONNECT with a reason (3 bytes).
pub(crate) const RESERVE: usize = 5;

/// Nothing is offered: what is offered has bytes.
const NOT_OFFERED: u32 = 0;

/// Which part of the buffer is queued, and how far the transport has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transmit {
    start: u32,
    end: u32,
    /// Places in the stream of bytes, counted from the start of the transport, wrapping.
    taken: u32,
    queued: u32,
    /// Bytes offered to the transport and not answered by `sent` yet, or [`NOT_OFFERED`].
    offered: u32,
    large: Option<Large>,
}

/// A packet, or its payload, that is sent from where it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Large {
    pub(crate) slot: u16,
    /// Where in the buffer its turn comes.
    at: u32,
    len: u32,
    sent: u32,
    /// Whether it is the payload held beside the arena, and not a whole packet in the arena.
    #[cfg(feature = "bytes")]
    pub(crate) apart: bool,
    /// Whether it is a payload that is drawn from the application, to lie in the buffer behind
    /// its header; `sent` is then how much of it does or did.
    #[cfg(feature = "draw")]
    drawing: Drawing,
}

impl Large {
    /// How much of it the transport has taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent as usize
    }
}

/// What is to be offered to the transport next.
pub(crate) enum Next {
    Nothing,
    /// This part of the buffer.
    Buffered(usize, usize),
    /// The rest of a large packet.
    Large(Large),
}

/// All that is queued, in its order.
pub(crate) struct Queue {
    /// From where to where in the buffer.
    pub(crate) before: (usize, usize),
    pub(crate) large: Option<Large>,
    /// From where to where in the buffer.
    pub(crate) behind: (usize, usize),
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
            large: None,
        }
    }

    /// Whether anything waits for the transport.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end && self.large.is_none()
    }

    pub(crate) fn large(&self) -> Option<Large> {
        self.large
    }

    /// Whether a payload is being drawn from the application: nothing but the rest of it may be
    /// written behind what is queued.
    #[inline(always)]
    pub(crate) fn is_drawing(&self) -> bool {
        #[cfg(feature = "draw")]
        let drawing = self.large.is_some_and(|large| large.drawing != Drawing::No);
        #[cfg(not(feature = "draw"))]
        let drawing = false;
        drawing
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
        self.end.saturating_sub(self.start) as usize
    }

    /// The length that the buffer must have to take `len` more bytes where it stands.
    pub(crate) fn wanted(&self, len: usize) -> usize {
        (self.end as usize)
            .saturating_add(len)
            .saturating_add(RESERVE)
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
        self.place(buffer, len, RESERVE)
    }

    /// Room for `len` bytes out of the reserve.
    pub(crate) fn reserved<'b>(
        &mut self,
        buffer: &'b mut [u8],
        len: usize,
    ) -> Option<&'b mut [u8]> {
        self.place(buffer, len, 0)
    }

    /// Room for `len` bytes behind what is queued, with so many left free behind them.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn place<'b>(
        &mut self,
        buffer: &'b mut [u8],
        len: usize,
        reserve: usize,
    ) -> Option<&'b mut [u8]> {
        if self.is_drawing() {
            return None;
        }
        let wanted = len.saturating_add(reserve);
        let behind = buffer.len().saturating_sub(self.end as usize);
        if behind < wanted {
            if reserve > 0 && !self.pays(behind, wanted) {
                return None;
            }
            self.pack(buffer);
        }
        let end = self.end as usize;
        buffer.get_mut(end..end.checked_add(len)?)
    }

    fn pack(&mut self, buffer: &mut [u8]) {
        let (start, end) = (self.start as usize, self.end as usize);
        move_down(buffer, start, end, 0);
        self.end = self.end.saturating_sub(self.start);
        if let Some(large) = &mut self.large {
            large.at = large.at.saturating_sub(self.start);
        }
        self.start = 0;
    }

    /// Queues `len` bytes that were written where [`Transmit::room`] pointed.
    #[inline]
    pub(crate) fn commit(&mut self, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.end = self.end.wrapping_add(len);
        self.queued = self.queued.wrapping_add(len);
    }

    /// Queues `len` bytes that are sent from where they are stored.
    pub(crate) fn commit_large(&mut self, slot: u16, len: usize, apart: bool) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        #[cfg(not(feature = "bytes"))]
        let _ = apart;
        self.large = Some(Large {
            slot,
            at: self.end,
            len,
            sent: 0,
            #[cfg(feature = "bytes")]
            apart,
            #[cfg(feature = "draw")]
            drawing: Drawing::No,
        });
        self.queued = self.queued.wrapping_add(len);
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

    /// What the transport should take next, unless it was offered already.
    pub(crate) fn next(&self) -> Next {
        if self.offered != NOT_OFFERED {
            return Next::Nothing;
        }
        match self.large.filter(|_| !self.is_drawing()) {
            Some(large) if large.at == self.start => Next::Large(large),
            Some(large) => Next::Buffered(self.start as usize, large.at as usize),
            None if self.start < self.end => Next::Buffered(self.start as usize, self.end as usize),
            None => Next::Nothing,
        }
    }

    /// All that is queued, while some of it is offered: what of the buffer lies before the large
    /// packet, that packet, and what lies behind it.
    pub(crate) fn queue(&self) -> Option<Queue> {
        if self.offered == NOT_OFFERED {
            return None;
        }
        let (start, end) = (self.start as usize, self.end as usize);
        let large = self.large.filter(|_| !self.is_drawing());
        let at = large.map_or(end, |large| large.at as usize);
        Some(Queue {
            before: (start, at),
            large,
            behind: (at, end),
        })
    }

    /// Notes that `len` bytes are offered.
    pub(crate) fn offer(&mut self, len: usize) {
        self.offered = u32::try_from(len).unwrap_or(u32::MAX);
    }

    /// Takes back what was offered and not answered; whether anything was.
    #[cfg(feature = "broker")]
    pub(crate) fn withdraw(&mut self) -> bool {
        core::mem::replace(&mut self.offered, NOT_OFFERED) != NOT_OFFERED
    }

    /// The transport took `len` of the bytes offered; how many that can have been.
    #[inline]
    pub(crate) fn took(&mut self, len: usize) -> u32 {
        let offered = core::mem::replace(&mut self.offered, NOT_OFFERED);
        if offered == NOT_OFFERED {
            return 0;
        }
        let len = if len < offered as usize {
            len as u32
        } else {
            offered
        };
        self.taken = self.taken.wrapping_add(len);
        let drawing = self.is_drawing();
        match &mut self.large {
            Some(large) if !drawing => {
                // What lies before it is taken first, what lies behind it last.
                let before = large.at.saturating_sub(self.start).min(len);
                self.start = self.start.saturating_add(before);
                large.sent = large.sent.saturating_add(len.saturating_sub(before));
                if large.sent >= large.len {
                    let behind = large.sent.saturating_sub(large.len);
                    self.start = self.start.saturating_add(behind);
                    self.large = None;
                }
                if self.large.is_some() {
                    return len;
                }
            }
            _ => self.start = self.start.wrapping_add(len),
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        len
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
        assert!(matches!(tx.next(), Next::Buffered(0, 6)));
        tx.offer(6);
        assert!(matches!(tx.next(), Next::Nothing));
        assert_eq!(tx.took(6), 6);
        let Next::Large(large) = tx.next() else {
            panic!("the large one is next")
        };
        assert_eq!((large.slot, large.sent()), (7, 0));
        tx.offer(100);
        assert_eq!(tx.took(60), 60);
        tx.offer(40);
        assert_eq!(tx.took(1000), 40);
        assert!(matches!(tx.next(), Next::Buffered(6, 11)));
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
            assert!(tx.queue().is_none());
            let mut left = 21;
            for take in [first, 21 - first] {
                tx.offer(left as usize);
                let all = tx.queue().unwrap();
                let large = all.large.map_or(0, |large| 10 - large.sent());
                let of = |(start, end): (usize, usize)| end - start;
                assert_eq!((of(all.before) + large + of(all.behind)) as u32, left);
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
        assert!(tx.reserved(&mut buffer, RESERVE).is_some());
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
