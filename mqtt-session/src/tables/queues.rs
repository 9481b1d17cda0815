//! Records in queues, linked by indices, and the slots that are free.

use super::NIL;
use crate::event::Ticket;
use crate::record::Record;
use mqtt_proto::ReasonCode;

/// The slots that no record uses: those given back, last in first out, and those never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slots {
    pub(super) free: u16,
    pub(super) fresh: u16,
    pub(super) next_ticket: u64,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self {
            free: NIL,
            fresh: 0,
            next_ticket: 1,
        }
    }

    /// A free slot, still free.
    #[inline]
    pub(super) fn peek(&self, records: &[Record]) -> Option<u16> {
        if self.free != NIL {
            return Some(self.free);
        }
        (usize::from(self.fresh) < records.len()).then_some(self.fresh)
    }

    /// Whether so many slots are free.
    #[cfg(feature = "broker")]
    pub(super) fn has_free(&self, records: &[Record], count: usize) -> bool {
        let mut found = records.len().saturating_sub(usize::from(self.fresh));
        let mut free = self.free;
        while found < count
            && let Some(record) = records.get(usize::from(free))
        {
            found = found.saturating_add(1);
            free = record.next;
        }
        found >= count
    }

    /// Takes the slot that [`Slots::peek`] showed, and issues a ticket for it.
    #[inline]
    pub(super) fn take(&mut self, records: &mut [Record], slot: u16) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        if let Some(record) = records.get_mut(usize::from(slot)) {
            if self.free == slot {
                self.free = record.next;
            } else {
                self.fresh = self.fresh.saturating_add(1);
            }
            record.ticket = ticket.0;
            record.id = 0;
            record.reason = ReasonCode::SUCCESS;
        }
        ticket
    }

    /// The next free slot, still free. There may be no record for it.
    #[inline(always)]
    pub(super) const fn next(&self) -> u16 {
        if self.free == NIL {
            self.fresh
        } else {
            self.free
        }
    }

    /// Takes the slot that [`Slots::next`] named for a record that is made anew, whole, and issues
    /// a ticket for it. The record is in no queue yet.
    #[inline(always)]
    pub(super) fn take_next(&mut self, record: &Record) -> Ticket {
        if self.free == NIL {
            self.fresh = self.fresh.wrapping_add(1);
        } else {
            self.free = record.next;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        ticket
    }

    /// No slot is in use, and the table is empty again.
    #[cfg(feature = "broker")]
    pub(super) fn start_over(&mut self) {
        self.free = NIL;
        self.fresh = 0;
    }

    /// Gives a slot back that is in no queue.
    #[inline]
    pub(super) fn give_back(&mut self, records: &mut [Record], slot: u16) {
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.next = self.free;
            self.free = slot;
        }
    }
}

/// A queue of records: first in, first out, and removal anywhere, all in constant time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    pub(super) head: u16,
    pub(super) tail: u16,
    /// At most as many as there are records, so counting neither wraps nor saturates.
    pub(super) len: u16,
}

impl Queue {
    pub(super) const EMPTY: Self = Self {
        head: NIL,
        tail: NIL,
        len: 0,
    };

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) const fn first(&self) -> Option<u16> {
        if self.head == NIL {
            None
        } else {
            Some(self.head)
        }
    }

    #[inline]
    pub(super) fn push_back(&mut self, records: &mut [Record], slot: u16) {
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.prev = self.tail;
            record.next = NIL;
        }
        match records.get_mut(usize::from(self.tail)) {
            Some(last) => last.next = slot,
            None => self.head = slot,
        }
        self.tail = slot;
        self.len = self.len.wrapping_add(1);
    }

    #[inline]
    pub(super) fn pop_front(&mut self, records: &mut [Record]) -> Option<u16> {
        let slot = self.head;
        self.head = records.get(usize::from(slot))?.next;
        match records.get_mut(usize::from(self.head)) {
            Some(first) => first.prev = NIL,
            None => self.tail = NIL,
        }
        self.len = self.len.wrapping_sub(1);
        Some(slot)
    }

    /// Takes a record out that is in this queue.
    #[inline]
    pub(super) fn remove(&mut self, records: &mut [Record], slot: u16) {
        let Some(&Record { prev, next, .. }) = records.get(usize::from(slot)) else {
            return;
        };
        match records.get_mut(usize::from(prev)) {
            Some(before) => before.next = next,
            None => self.head = next,
        }
        match records.get_mut(usize::from(next)) {
            Some(after) => after.prev = prev,
            None => self.tail = prev,
        }
        self.len = self.len.wrapping_sub(1);
    }

    /// Puts all of `other` behind what is here, leaving `other` empty.
    pub(super) fn append(&mut self, records: &mut [Record], other: &mut Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            core::mem::swap(self, other);
            return;
        }
        if let Some(last) = records.get_mut(usize::from(self.tail)) {
            last.next = other.head;
        }
        if let Some(first) = records.get_mut(usize::from(other.head)) {
            first.prev = self.tail;
        }
        self.tail = other.tail;
        self.len = self.len.saturating_add(other.len);
        *other = Self::EMPTY;
    }

    /// The record behind `slot` in the same queue.
    #[inline]
    pub(super) fn after(records: &[Record], slot: u16) -> Option<u16> {
        match records.get(usize::from(slot)) {
            Some(record) if record.next != NIL => Some(record.next),
            _ => None,
        }
    }
}

/// What was written for the present transport, in the order of writing: first what the transport
/// has taken whole, then the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wire {
    pub(super) queue: Queue,
    /// The first record that the transport has not taken whole.
    pub(super) untaken: u16,
}

impl Wire {
    pub(super) const EMPTY: Self = Self {
        queue: Queue::EMPTY,
        untaken: NIL,
    };

    /// The first record that the transport has not taken whole.
    #[inline]
    pub(super) const fn untaken(&self) -> Option<u16> {
        if self.untaken == NIL {
            None
        } else {
            Some(self.untaken)
        }
    }

    /// The record that was taken longest ago.
    #[inline]
    pub(super) const fn oldest(&self) -> Option<u16> {
        if self.queue.head == self.untaken {
            None
        } else {
            Some(self.queue.head)
        }
    }

    /// A record is written for the transport.
    #[inline]
    pub(super) fn push_back(&mut self, records: &mut [Record], slot: u16) {
        self.queue.push_back(records, slot);
        if self.untaken == NIL {
            self.untaken = slot;
        }
    }

    /// The transport has taken the first untaken record, behind which `next` lies.
    #[inline]
    pub(super) fn advance(&mut self, next: Option<u16>) {
        self.untaken = next.unwrap_or(NIL);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn order(queue: &Queue, records: &[Record]) -> Vec<u16> {
        let mut slots = Vec::new();
        let mut at = queue.first();
        while let Some(slot) = at {
            slots.push(slot);
            at = Queue::after(records, slot);
        }
        slots
    }

    #[test]
    fn a_queue_keeps_its_order_through_removals_anywhere() {
        let mut records = [Record::EMPTY; 5];
        let mut queue = Queue::EMPTY;
        for slot in 0..5 {
            queue.push_back(&mut records, slot);
        }
        queue.remove(&mut records, 2);
        queue.remove(&mut records, 0);
        queue.remove(&mut records, 4);
        assert_eq!(order(&queue, &records), [1, 3]);
        queue.remove(&mut records, 3);
        assert_eq!(queue.pop_front(&mut records), Some(1));
        assert_eq!(queue.pop_front(&mut records), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn appending_keeps_both_orders_and_empties_the_other() {
        let mut records = [Record::EMPTY; 4];
        let (mut front, mut back) = (Queue::EMPTY, Queue::EMPTY);
        front.push_back(&mut records, 3);
        front.push_back(&mut records, 1);
        back.push_back(&mut records, 0);
        back.push_back(&mut records, 2);
        front.append(&mut records, &mut back);
        assert_eq!(order(&front, &records), [3, 1, 0, 2]);
        assert_eq!((front.len, back.len), (4, 0));
        back.append(&mut records, &mut front);
        assert_eq!(order(&back, &records), [3, 1, 0, 2]);
        assert!(front.is_empty());
    }

    #[test]
    fn a_wire_knows_what_was_taken_last_and_what_longest_ago() {
        let mut records = [Record::EMPTY; 4];
        let mut wire = Wire::EMPTY;
        assert_eq!((wire.oldest(), wire.untaken()), (None, None));
        for slot in [2, 0, 3] {
            wire.push_back(&mut records, slot);
        }
        assert_eq!((wire.oldest(), wire.untaken()), (None, Some(2)));
        wire.advance(Queue::after(&records, 2));
        wire.advance(Queue::after(&records, 0));
        assert_eq!((wire.oldest(), wire.untaken()), (Some(2), Some(3)));
        wire.queue.remove(&mut records, 0);
        wire.queue.remove(&mut records, 2);
        assert_eq!((wire.oldest(), wire.untaken()), (None, Some(3)));
        wire.push_back(&mut records, 1);
        wire.advance(Queue::after(&records, 3));
        wire.advance(Queue::after(&records, 1));
        assert_eq!((wire.oldest(), wire.untaken()), (Some(3), None));
        assert_eq!(order(&wire.queue, &records), [3, 1]);
    }
}
