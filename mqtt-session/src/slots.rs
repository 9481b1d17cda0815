//! The table of outbound exchanges: records that move between queues without being copied.
//!
//! Every record is in exactly one [`Queue`], linked by indices, so that taking one out of the
//! middle costs the same whatever else is in flight.

use crate::event::Ticket;
use crate::instant::Stamp;
use mqtt_proto::ReasonCode;

/// The index that names no record.
pub(crate) const NIL: u16 = u16::MAX;

/// One thing the application handed over: its ticket, its bytes, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub(crate) ticket: u64,
    /// Where its block lies in the arena, and how long the packet in it is.
    pub(crate) offset: u32,
    pub(crate) len: u32,
    /// While it is being sent: the place in the stream after its last byte. Once sent: when.
    pub(crate) mark: u32,
    /// The packet identifier, zero while it has none.
    pub(crate) id: u16,
    /// The next record of its queue; while its slot is free, the next free slot.
    next: u16,
    prev: u16,
    /// Topic filters in a SUBSCRIBE or UNSUBSCRIBE; bytes of the topic name in a PUBLISH.
    pub(crate) count: u16,
    pub(crate) stage: Stage,
    pub(crate) flags: Flags,
    /// PUBREC's reason while PUBCOMP is awaited; the outcome while it waits to be told.
    pub(crate) reason: ReasonCode,
}

/// What the record stands for, named for what is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// A QoS 0 PUBLISH: the transport has to take its last byte.
    AwaitSent,
    /// A QoS 1 PUBLISH.
    AwaitPubAck,
    /// A QoS 2 PUBLISH whose payload is still kept.
    AwaitPubRec,
    /// A QoS 2 exchange past PUBREC: only its identifier is left.
    AwaitPubComp,
    AwaitSubAck,
    AwaitUnsubAck,
    /// Ended, waiting to be told to the application.
    Ended(crate::event::GiveUp),
    /// Ended well, waiting to be told.
    EndedWell,
    /// Given up, but the server may hold the identifier: it stays taken while the session lives.
    Reserved,
}

/// Facts about a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flags(u16);

impl Flags {
    /// An earlier transmission may have reached the server.
    pub(crate) const MAYBE_SEEN: Self = Self(1);
    /// Its block begins with the moment it expires.
    pub(crate) const EXPIRES: Self = Self(1 << 1);
    /// Its payload is held by the store beside the arena.
    pub(crate) const PAYLOAD_APART: Self = Self(1 << 2);
    /// It has a block in the arena.
    pub(crate) const STORED: Self = Self(1 << 3);
    /// It is a SUBSCRIBE.
    pub(crate) const SUBSCRIBE: Self = Self(1 << 4);
    /// A message written from the store.
    #[cfg(feature = "fast")]
    pub(crate) const STORED_SENDING: Self = Self(Self::STORED.0 | Self::SENDING.0);
    /// It is an UNSUBSCRIBE.
    pub(crate) const UNSUBSCRIBE: Self = Self(1 << 5);
    /// It has a filter with a wildcard.
    pub(crate) const WILDCARD: Self = Self(1 << 6);
    /// It has a filter of a shared subscription.
    pub(crate) const SHARED: Self = Self(1 << 7);
    /// It has a subscription identifier.
    pub(crate) const IDENTIFIED: Self = Self(1 << 8);
    /// It was written for the present transport, which has not taken all of it.
    pub(crate) const SENDING: Self = Self(1 << 9);
    /// Every byte of it was taken by the present transport.
    pub(crate) const ON_WIRE: Self = Self(1 << 10);

    /// The present transport got it with a topic alias instead of its topic.
    pub(crate) const ALIAS_ALONE: Self = Self(1 << 11);
    /// The present transport got it with its topic and a topic alias for it.
    pub(crate) const ALIAS_SET: Self = Self(1 << 12);

    /// Its payload is drawn from the application while it is sent.
    #[cfg(feature = "draw")]
    pub(crate) const DRAWN: Self = Self(1 << 13);
    /// Its payload was begun to be drawn, and will not be finished.
    #[cfg(feature = "draw")]
    pub(crate) const UNFINISHED: Self = Self(1 << 14);
    /// Only its header is in the arena.
    #[cfg(feature = "draw")]
    pub(crate) const HEADER_ALONE: Self = Self(Self::PAYLOAD_APART.0 | Self::DRAWN.0);
    /// Only its header is in the arena.
    #[cfg(not(feature = "draw"))]
    pub(crate) const HEADER_ALONE: Self = Self::PAYLOAD_APART;

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }

    /// The transport has taken every byte of it.
    #[inline]
    pub(crate) fn now_on_wire(&mut self) {
        self.0 = self.0 & !Self::SENDING.0 | Self::ON_WIRE.0 | Self::MAYBE_SEEN.0;
    }

    /// The transport is gone: what belonged to it is forgotten.
    pub(crate) fn forget_transport(&mut self) {
        self.0 &= !(Self::SENDING.0 | Self::ON_WIRE.0 | Self::ALIAS_SET.0 | Self::ALIAS_ALONE.0);
    }

    /// Whether the store holds bytes for it.
    #[inline]
    pub(crate) const fn holds(self) -> bool {
        self.0 & (Self::STORED.0 | Self::PAYLOAD_APART.0) != 0
    }

    /// Whether it is on the wire, with nothing to be freed beside the arena.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) const fn awaits_answer(self) -> bool {
        self.0 & (Self::ON_WIRE.0 | Self::PAYLOAD_APART.0) == Self::ON_WIRE.0
    }

    /// PUBREC came: nothing of it is stored any more, and nothing of what follows is sent.
    #[inline]
    pub(crate) fn past_pubrec(&mut self) {
        self.0 &= !(Self::STORED.0 | Self::PAYLOAD_APART.0 | Self::ON_WIRE.0);
    }

    /// Whether it is stored whole and nothing has to be looked up before it can be sent.
    #[cfg(feature = "fast")]
    pub(crate) const fn is_plain(self) -> bool {
        self.0 & !Self::MAYBE_SEEN.0 == Self::STORED.0
    }
}

impl Record {
    /// A record in no queue, for filling tables.
    pub(crate) const EMPTY: Self = Self {
        ticket: 0,
        offset: 0,
        len: 0,
        mark: 0,
        id: 0,
        next: NIL,
        prev: NIL,
        count: 0,
        stage: Stage::AwaitSent,
        flags: Flags(0),
        reason: ReasonCode::SUCCESS,
    };

    /// Whether this is a PUBLISH that is acknowledged.
    pub(crate) fn is_exchange(&self) -> bool {
        matches!(
            self.stage,
            Stage::AwaitPubAck | Stage::AwaitPubRec | Stage::AwaitPubComp
        )
    }

    /// The time stamp in `mark` once the record is on the wire.
    pub(crate) fn sent_at(&self) -> Stamp {
        Stamp::from_raw(self.mark)
    }
}

/// The slots that no record uses: those given back, last in first out, and those never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slots {
    free: u16,
    fresh: u16,
    next_ticket: u64,
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self {
            free: NIL,
            fresh: 0,
            next_ticket: 1,
        }
    }

    /// A free slot, still free.
    #[inline]
    pub(crate) fn peek(&self, records: &[Record]) -> Option<u16> {
        if self.free != NIL {
            return Some(self.free);
        }
        (usize::from(self.fresh) < records.len()).then_some(self.fresh)
    }

    /// Whether so many slots are free.
    #[cfg(feature = "broker")]
    pub(crate) fn has_free(&self, records: &[Record], count: usize) -> bool {
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

    /// Takes the slot that [`Slots::peek`] showed, with its identifier and its reason cleared,
    /// and issues a ticket for it. It is in no queue yet.
    #[inline]
    pub(crate) fn take(&mut self, records: &mut [Record], slot: u16) -> Ticket {
        if let Some(record) = records.get_mut(usize::from(slot)) {
            if self.free == slot {
                self.free = record.next;
            } else {
                self.fresh = self.fresh.saturating_add(1);
            }
            record.id = 0;
            record.reason = ReasonCode::SUCCESS;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        ticket
    }

    /// The next free slot, still free. There may be no record for it.
    #[cfg(feature = "fast")]
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn next(&self) -> u16 {
        if self.free == NIL {
            self.fresh
        } else {
            self.free
        }
    }

    /// Takes the slot that [`Slots::next`] named for a record that is made anew, whole, and issues
    /// a ticket for it. The record is in no queue yet.
    #[cfg(feature = "fast")]
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn take_next(&mut self, record: &Record) -> Ticket {
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
    pub(crate) fn start_over(&mut self) {
        self.free = NIL;
        self.fresh = 0;
    }

    /// Gives a slot back that is in no queue.
    #[inline]
    pub(crate) fn give_back(&mut self, records: &mut [Record], slot: u16) {
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.next = self.free;
            self.free = slot;
        }
    }
}

/// A queue of records: first in, first out, and removal anywhere, all in constant time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    head: u16,
    tail: u16,
    /// At most as many as there are records, so counting neither wraps nor saturates.
    len: u16,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self {
        head: NIL,
        tail: NIL,
        len: 0,
    };

    pub(crate) const fn len(&self) -> u16 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) const fn first(&self) -> Option<u16> {
        if self.head == NIL {
            None
        } else {
            Some(self.head)
        }
    }

    #[inline]
    pub(crate) fn push_back(&mut self, records: &mut [Record], slot: u16) {
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
    pub(crate) fn pop_front(&mut self, records: &mut [Record]) -> Option<u16> {
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
    pub(crate) fn remove(&mut self, records: &mut [Record], slot: u16) {
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
    pub(crate) fn append(&mut self, records: &mut [Record], other: &mut Self) {
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
    pub(crate) fn after(records: &[Record], slot: u16) -> Option<u16> {
        match records.get(usize::from(slot)) {
            Some(record) if record.next != NIL => Some(record.next),
            _ => None,
        }
    }
}

/// What was written for the present transport, in the order of writing: first what the transport
/// has taken whole, then the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wire {
    queue: Queue,
    /// The first record that the transport has not taken whole.
    untaken: u16,
}

impl Wire {
    pub(crate) const EMPTY: Self = Self {
        queue: Queue::EMPTY,
        untaken: NIL,
    };

    /// Records on the wire and on the way there.
    pub(crate) const fn len(&self) -> u16 {
        self.queue.len
    }

    /// The first record that the transport has not taken whole.
    #[inline]
    pub(crate) const fn untaken(&self) -> Option<u16> {
        if self.untaken == NIL {
            None
        } else {
            Some(self.untaken)
        }
    }

    /// The record that was taken longest ago.
    #[inline]
    pub(crate) const fn oldest(&self) -> Option<u16> {
        if self.queue.head == self.untaken {
            None
        } else {
            Some(self.queue.head)
        }
    }

    /// A record is written for the transport.
    #[inline]
    pub(crate) fn push_back(&mut self, records: &mut [Record], slot: u16) {
        self.queue.push_back(records, slot);
        if self.untaken == NIL {
            self.untaken = slot;
        }
    }

    /// The transport has taken the first untaken record, behind which `next` lies.
    #[inline]
    pub(crate) fn advance(&mut self, next: Option<u16>) {
        self.untaken = next.unwrap_or(NIL);
    }

    /// Takes a record out that the transport has taken, or any when the transport is gone and
    /// [`Wire::cut`] follows; whether it was the oldest.
    #[inline]
    pub(crate) fn remove(&mut self, records: &mut [Record], slot: u16) -> bool {
        let oldest = self.queue.head == slot;
        self.queue.remove(records, slot);
        oldest
    }

    /// The transport is gone: all of it, in the order of writing.
    pub(crate) fn cut(&mut self) -> Queue {
        core::mem::replace(self, Self::EMPTY).queue
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
        assert_eq!((front.len(), back.len()), (4, 0));
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
        assert!(!wire.remove(&mut records, 0));
        assert!(wire.remove(&mut records, 2));
        assert_eq!((wire.oldest(), wire.untaken()), (None, Some(3)));
        wire.push_back(&mut records, 1);
        wire.advance(Queue::after(&records, 3));
        wire.advance(Queue::after(&records, 1));
        assert_eq!((wire.oldest(), wire.untaken()), (Some(3), None));
        assert_eq!(order(&wire.cut(), &records), [3, 1]);
        assert_eq!(wire, Wire::EMPTY);
    }
}
