//! A payload that is drawn from the application: its parts come to lie in the buffer, behind its
//! header, and behind them nothing else until the last has come.

use super::{At, Large, RESERVE, Transmit};

/// How a large packet is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Drawing {
    /// It is stored.
    No,
    /// The application is to be asked for the next part.
    Due,
    /// The application was asked.
    Asked,
}

/// How far a payload has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) slot: u16,
    /// Bytes supplied.
    pub(crate) offset: usize,
    pub(crate) total: usize,
}

impl Transmit {
    /// A payload of `len` bytes is to follow the header that was queued last.
    pub(crate) fn begin_drawing(&mut self, slot: u16, len: usize) {
        self.commit_large(slot, len, false);
        self.large.drawing = Drawing::Due;
    }

    /// The payload that is being drawn.
    pub(crate) fn drawn(&self) -> Option<Drawn> {
        self.is_drawing().then_some(Drawn {
            slot: self.large.slot,
            offset: self.large.sent(),
            total: self.large.len as usize,
        })
    }

    /// Whether the transport has taken all that the application supplied.
    pub(crate) fn waits_for_parts(&self) -> bool {
        self.is_drawing() && self.start == self.end
    }

    /// Bytes of a buffer of `capacity` that the next part may have, once what is queued is moved
    /// to the front where that pays.
    fn room_for_part(&self, capacity: usize) -> usize {
        let behind = capacity.saturating_sub(self.end as usize);
        let in_front = self.start as usize;
        let room = if in_front >= self.live() {
            behind.saturating_add(in_front)
        } else {
            behind
        };
        room.saturating_sub(RESERVE)
    }

    /// Whether the application is to be asked for the next part now, which is done once: when
    /// there is room for the rest or for half a buffer, so that no part is needlessly small.
    pub(crate) fn asks_for_part(&mut self, capacity: usize) -> bool {
        let room = self.room_for_part(capacity);
        let empty = self.start == self.end;
        let large = &mut self.large;
        let left = large.len.saturating_sub(large.sent) as usize;
        let asks = large.drawing == Drawing::Due && (empty || room >= left.min(capacity / 2));
        if asks {
            large.drawing = Drawing::Asked;
        }
        asks
    }

    /// Where the next part of the payload goes: as much as there is room for.
    pub(crate) fn place_part(&mut self, buffer: &mut [u8]) -> (usize, usize) {
        let behind = buffer.len().saturating_sub(self.end as usize);
        let room = self.room_for_part(buffer.len());
        let left = self
            .drawn()
            .map_or(0, |drawn| drawn.total.saturating_sub(drawn.offset));
        let len = room.min(left);
        if behind < len.saturating_add(RESERVE) {
            self.pack(buffer);
        }
        let end = self.end as usize;
        (end, end.saturating_add(len))
    }

    /// The next `len` bytes lie where [`Transmit::place_part`] said. Whether they were the last.
    pub(crate) fn supply(&mut self, len: usize) -> bool {
        let large = &mut self.large;
        let left = large.len.saturating_sub(large.sent);
        let len = u32::try_from(len).unwrap_or(left).min(left);
        // They were counted as queued with their header.
        self.end = (self.end as usize).saturating_add(len as usize) as At;
        large.sent = large.sent.saturating_add(len);
        large.drawing = Drawing::Due;
        let last = large.sent == large.len;
        if last {
            *large = Large::NONE;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn what_was_sent_before_takes_no_room_from_a_part() {
        let mut buffer = [0; 64];
        let mut tx = Transmit::new();
        assert!(tx.append(&mut buffer, &[0; 19]));
        tx.offer(19);
        assert_eq!(tx.took(19), 19);
        assert!(tx.append(&mut buffer, &[0; 30]));
        tx.begin_drawing(7, 20);
        assert!(tx.asks_for_part(buffer.len()));
        let (start, end) = tx.place_part(&mut buffer);
        assert_eq!(end - start, 20);
    }

    /// A payload of 100 bytes goes through a buffer of 32, whatever the transport takes at a time,
    /// and nothing comes between.
    #[test]
    fn the_parts_follow_the_header_in_their_order_and_nothing_comes_between() {
        for takes in 1..=32 {
            for supplies in 1..=32 {
                let mut buffer = [0; 32];
                let mut tx = Transmit::new();
                tx.room(&mut buffer, 6).unwrap().copy_from_slice(b"header");
                tx.commit(6);
                tx.begin_drawing(7, 100);
                let mut wire = Vec::new();
                let mut next = 0u8;
                while !tx.is_empty() {
                    if tx.asks_for_part(buffer.len()) {
                        assert!(!tx.asks_for_part(buffer.len()));
                        assert!(tx.room(&mut buffer, 1).is_none());
                        assert!(!tx.append(&mut buffer, &[0xc0]));
                        #[cfg(feature = "fast")]
                        assert!(tx.spare(&mut buffer).is_empty());
                        let (start, end) = tx.place_part(&mut buffer);
                        assert!(start < end && end <= buffer.len() - RESERVE);
                        let part = &mut buffer[start..end];
                        let len = part.len().min(supplies);
                        for byte in &mut part[..len] {
                            *byte = next;
                            next += 1;
                        }
                        assert_eq!(tx.supply(len), next == 100);
                    }
                    let (start, _, end) = tx.queue();
                    if start < end {
                        let taken = &buffer[start..end.min(start + takes)];
                        wire.extend_from_slice(taken);
                        tx.offer(end - start);
                        tx.took(taken.len());
                    }
                }
                assert_eq!(wire[..6], *b"header");
                assert!(wire[6..].iter().copied().eq(0..100));
                assert!(tx.has_taken(106) && !tx.has_taken(107));
                assert!(tx.room(&mut buffer, 4).is_some());
            }
        }
    }
}
