//! Tables for any number of records: queues of records linked by indices, and a map of packet
//! identifiers, so that each step costs the same whatever else is in flight.

use super::NIL;
use super::queues::{Queue, Slots, Wire};
use crate::event::Ticket;
use crate::id_table::{self, IdEntry};
use crate::record::{KeptTicket, Place, Record};
use crate::store::OutboundParts;

/// Where the records are, and which packet identifiers they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tables {
    slots: Slots,
    queued: Queue,
    prompt: Queue,
    leaving: Queue,
    flight: Wire,
    resume: Queue,
    released: Wire,
    release: Queue,
    requests: Wire,
    ended: Queue,
    reserved: Queue,
    aside: Queue,
    last_id: u16,
    /// As many as there are entries in the table of identifiers: at most 65,535.
    ids_in_use: u16,
}

impl Tables {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Slots::new(),
            queued: Queue::EMPTY,
            prompt: Queue::EMPTY,
            leaving: Queue::EMPTY,
            flight: Wire::EMPTY,
            resume: Queue::EMPTY,
            released: Wire::EMPTY,
            release: Queue::EMPTY,
            requests: Wire::EMPTY,
            ended: Queue::EMPTY,
            reserved: Queue::EMPTY,
            aside: Queue::EMPTY,
            last_id: 0,
            ids_in_use: 0,
        }
    }

    /// A free slot, still free.
    #[inline]
    pub(crate) fn peek(&self, records: &[Record]) -> Option<u16> {
        self.slots.peek(records)
    }

    /// Takes the slot that [`Tables::peek`] showed, with its identifier and its reason cleared,
    /// and issues a ticket for it. It is in no place yet.
    #[inline]
    pub(crate) fn take(&mut self, records: &mut [Record], slot: u16) -> Ticket {
        self.slots.take(records, slot)
    }

    /// The next free slot, still free. There may be no record for it.
    #[inline(always)]
    pub(crate) const fn next_slot(&self) -> u16 {
        self.slots.next()
    }

    /// Takes the slot that [`Tables::next_slot`] named for a record that is made anew, whole, and
    /// issues a ticket for it. It is in no place yet.
    #[inline(always)]
    pub(crate) fn take_next(&mut self, record: &Record) -> Ticket {
        self.slots.take_next(record)
    }

    /// Whether so many slots are free.
    #[cfg(feature = "broker")]
    pub(crate) fn has_free(&self, records: &[Record], count: usize) -> bool {
        self.slots.has_free(records, count)
    }

    /// The ticket of a record.
    #[inline]
    pub(crate) const fn ticket(&self, record: &Record) -> Ticket {
        Ticket(record.ticket)
    }

    /// The number of the ticket of a record.
    pub(crate) const fn ticket_number(&self, record: &Record) -> u64 {
        record.ticket
    }

    /// The packet identifier that was assigned last, and the number of the next ticket.
    pub(crate) const fn numbers(&self) -> (u16, u64) {
        (self.last_id, self.slots.next_ticket)
    }

    /// Goes on from numbers that were kept.
    pub(crate) const fn go_on_from(&mut self, last_id: u16, next_ticket: u64) {
        self.last_id = last_id;
        self.slots.next_ticket = next_ticket;
    }

    /// The number of a ticket below the next, as a record keeps it.
    pub(crate) const fn kept_ticket(&self, number: u64) -> Option<KeptTicket> {
        Some(number)
    }

    /// Puts a record that was kept, with its ticket and its identifier, into the slot that
    /// [`Tables::peek`] showed and behind the others of a place; false, and nothing has changed,
    /// when its identifier is in use.
    pub(crate) fn restore(
        &mut self,
        parts: &mut OutboundParts<'_>,
        slot: u16,
        record: Record,
        place: Place,
    ) -> bool {
        if record.id != 0 {
            if id_table::find(parts.ids, record.id).is_some()
                || !id_table::insert(parts.ids, record.id, slot)
            {
                return false;
            }
            self.ids_in_use = self.ids_in_use.wrapping_add(1);
        }
        let next_ticket = self.slots.next_ticket;
        self.slots.take(parts.records, slot);
        self.slots.next_ticket = next_ticket;
        if let Some(place) = parts.records.get_mut(usize::from(slot)) {
            *place = record;
        }
        self.push(parts.records, slot, place);
        true
    }

    /// Forgets all, as if nothing had ever been there.
    pub(crate) fn clear(&mut self, parts: &mut OutboundParts<'_>) {
        *self = Self::new();
        id_table::clear(parts.ids);
    }

    /// The last record in a place.
    #[cfg(feature = "alloc")]
    pub(crate) fn last(&self, _records: &[Record], place: Place) -> Option<u16> {
        let tail = self.queue(place).tail;
        (tail != NIL).then_some(tail)
    }

    /// The record before `slot` in the same place.
    #[cfg(feature = "alloc")]
    pub(crate) fn before(&self, records: &[Record], slot: u16) -> Option<u16> {
        let prev = records.get(usize::from(slot))?.prev;
        (prev != NIL).then_some(prev)
    }

    /// What was reserved last: if what this ticket stood for was, and told just now, that.
    #[cfg(feature = "alloc")]
    pub(crate) fn reserved_last(&self, records: &[Record], _ticket: Ticket) -> Option<u16> {
        self.last(records, Place::Reserved)
    }

    /// The first PUBREL in its place that the transport may not have taken whole.
    #[cfg(feature = "alloc")]
    pub(crate) fn first_leaving_release(&self, _records: &[Record]) -> Option<u16> {
        self.released.untaken()
    }

    #[inline(always)]
    const fn queue(&self, place: Place) -> &Queue {
        match place {
            Place::Queued => &self.queued,
            Place::Prompt => &self.prompt,
            Place::Leaving => &self.leaving,
            Place::Flight => &self.flight.queue,
            Place::Resume => &self.resume,
            Place::Released => &self.released.queue,
            Place::Release => &self.release,
            Place::Requests => &self.requests.queue,
            Place::Ended => &self.ended,
            Place::Reserved => &self.reserved,
            Place::Aside => &self.aside,
        }
    }

    #[inline(always)]
    const fn queue_mut(&mut self, place: Place) -> &mut Queue {
        match place {
            Place::Queued => &mut self.queued,
            Place::Prompt => &mut self.prompt,
            Place::Leaving => &mut self.leaving,
            Place::Flight => &mut self.flight.queue,
            Place::Resume => &mut self.resume,
            Place::Released => &mut self.released.queue,
            Place::Release => &mut self.release,
            Place::Requests => &mut self.requests.queue,
            Place::Ended => &mut self.ended,
            Place::Reserved => &mut self.reserved,
            Place::Aside => &mut self.aside,
        }
    }

    /// The first record in a place.
    #[inline(always)]
    pub(crate) const fn first(&self, _records: &[Record], place: Place) -> Option<u16> {
        self.queue(place).first()
    }

    /// The record behind `slot` in the same place.
    #[inline]
    pub(crate) fn after(&self, records: &[Record], slot: u16) -> Option<u16> {
        Queue::after(records, slot)
    }

    /// Whether nothing is in a place.
    #[inline(always)]
    pub(crate) const fn is_empty(&self, _records: &[Record], place: Place) -> bool {
        self.queue(place).is_empty()
    }

    /// Puts a record that is in no place behind the others in one.
    #[inline(always)]
    pub(crate) fn push(&mut self, records: &mut [Record], slot: u16, place: Place) {
        match place {
            Place::Flight => self.flight.push_back(records, slot),
            Place::Released => self.released.push_back(records, slot),
            Place::Requests => self.requests.push_back(records, slot),
            _ => self.queue_mut(place).push_back(records, slot),
        }
    }

    /// Takes a record out of the place it is in; whether it was the first there.
    #[inline(always)]
    fn remove(&mut self, records: &mut [Record], slot: u16, place: Place) -> bool {
        let queue = self.queue_mut(place);
        let first = queue.head == slot;
        if first {
            queue.pop_front(records);
        } else {
            queue.remove(records, slot);
        }
        first
    }

    /// Takes a record from one place to another; whether it was the first where it was.
    #[inline(always)]
    pub(crate) fn shift(
        &mut self,
        records: &mut [Record],
        slot: u16,
        from: Place,
        to: Place,
    ) -> bool {
        let first = self.remove(records, slot, from);
        self.push(records, slot, to);
        first
    }

    /// Gives back the slot of a record that is in a place; whether it was the first there.
    #[inline(always)]
    pub(crate) fn drop(&mut self, records: &mut [Record], slot: u16, place: Place) -> bool {
        let first = self.remove(records, slot, place);
        self.slots.give_back(records, slot);
        first
    }

    /// Puts all that is in one place in front of what is in another.
    pub(crate) fn prepend(&mut self, records: &mut [Record], from: Place, to: Place) {
        let mut front = core::mem::replace(self.queue_mut(from), Queue::EMPTY);
        front.append(records, self.queue_mut(to));
        *self.queue_mut(to) = front;
    }

    /// The transport is gone: it takes nothing more of what was written for it.
    pub(crate) fn cut(&mut self) {
        self.flight.untaken = NIL;
        self.released.untaken = NIL;
        self.requests.untaken = NIL;
    }

    /// PUBLISH of QoS 1 and 2 and PUBREL that are written or to be written: what counts for the
    /// server's Receive Maximum. Each is a record of its own, so that these cannot be too many
    /// to count.
    #[inline]
    pub(crate) const fn open(&self, _records: &[Record]) -> u16 {
        self.flight
            .queue
            .len
            .wrapping_add(self.released.queue.len)
            .wrapping_add(self.release.len)
    }

    /// Messages of QoS 1 and 2 that wait to be sent, for the first time or again.
    pub(crate) fn waiting(&self, _records: &[Record]) -> usize {
        usize::from(self.queued.len).wrapping_add(usize::from(self.resume.len))
    }

    /// Whether the transport has yet to take something whole that awaits an answer then.
    #[inline]
    pub(crate) const fn is_moving(&self) -> bool {
        self.flight.untaken != NIL || self.released.untaken != NIL || self.requests.untaken != NIL
    }

    /// What the transport is to take whole next, of those that await an answer then.
    #[inline(always)]
    pub(crate) const fn untaken(&self, wire: WirePlace) -> Option<u16> {
        self.wire(wire).untaken()
    }

    /// The transport has taken what [`Tables::untaken`] named.
    #[inline(always)]
    pub(crate) fn advance(&mut self, records: &[Record], wire: WirePlace, slot: u16) {
        let next = Queue::after(records, slot);
        match wire {
            WirePlace::Flight => self.flight.advance(next),
            WirePlace::Released => self.released.advance(next),
            WirePlace::Requests => self.requests.advance(next),
        }
    }

    /// What the transport took longest ago of those that await an answer.
    #[inline(always)]
    pub(crate) const fn oldest(&self, wire: WirePlace) -> Option<u16> {
        self.wire(wire).oldest()
    }

    #[inline(always)]
    const fn wire(&self, wire: WirePlace) -> &Wire {
        match wire {
            WirePlace::Flight => &self.flight,
            WirePlace::Released => &self.released,
            WirePlace::Requests => &self.requests,
        }
    }

    /// Starts over with empty tables, if no record is in use; whether that is so.
    #[cfg(feature = "broker")]
    pub(crate) fn forget_unused(&mut self) -> bool {
        let unused = self.ids_in_use == 0
            && self.open(&[]) == 0
            && self.waiting(&[]) == 0
            && [&self.prompt, &self.leaving, &self.ended, &self.reserved]
                .iter()
                .all(|queue| queue.is_empty())
            && self.requests.queue.is_empty();
        if unused {
            self.slots.start_over();
        }
        unused
    }

    /// The record that has an identifier.
    #[inline]
    pub(crate) fn find_id(&self, parts: &OutboundParts<'_>, id: u16) -> Option<u16> {
        id_table::find(parts.ids, id)
    }

    /// The next packet identifier: rising from 1, wrapping, never one in use (MQTT-2.2.1-3).
    /// The record has it then. `None` when all are in use.
    pub(crate) fn assign_id(&mut self, parts: &mut OutboundParts<'_>, slot: u16) -> Option<u16> {
        let id = self.assign_id_in(parts.ids, slot)?;
        parts.records.get_mut(usize::from(slot))?.id = id;
        Some(id)
    }

    /// The next identifier, which the record has yet to be told.
    #[inline(never)]
    pub(crate) fn assign_id_in(&mut self, ids: &mut [IdEntry], slot: u16) -> Option<u16> {
        self.assign_id_at_home(ids, slot)
            .or_else(|| self.search_id(ids, slot))
    }

    /// The next identifier, if its place in the table is free, which is nearly always so.
    #[inline(always)]
    pub(crate) fn assign_id_at_home(&mut self, ids: &mut [IdEntry], slot: u16) -> Option<u16> {
        let id = self.last_id.checked_add(1).unwrap_or(1);
        if !id_table::insert_at_home(ids, id, slot) {
            return None;
        }
        self.last_id = id;
        self.ids_in_use = self.ids_in_use.wrapping_add(1);
        Some(id)
    }

    /// The next identifier where the place of the first candidate is taken.
    #[cold]
    fn search_id(&mut self, ids: &mut [IdEntry], slot: u16) -> Option<u16> {
        if self.ids_in_use == u16::MAX {
            return None;
        }
        let mut id = self.last_id;
        // One step more than there are identifiers in use always finds a free one.
        for _ in 0..=self.ids_in_use {
            id = id.checked_add(1).unwrap_or(1);
            if id_table::find(ids, id).is_none() {
                if !id_table::insert(ids, id, slot) {
                    return None;
                }
                self.last_id = id;
                self.ids_in_use = self.ids_in_use.wrapping_add(1);
                return Some(id);
            }
        }
        None
    }

    /// Gives an identifier back.
    pub(crate) fn free_id(&mut self, parts: &mut OutboundParts<'_>, id: u16) {
        if id_table::remove(parts.ids, id) {
            self.ids_in_use = self.ids_in_use.wrapping_sub(1);
        }
    }

    /// Gives the identifier at a place in the table back.
    #[inline]
    pub(crate) fn free_id_at(&mut self, ids: &mut [IdEntry], at: usize) {
        id_table::remove_at(ids, at);
        self.ids_in_use = self.ids_in_use.wrapping_sub(1);
    }
}

/// The places in which records await an answer from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WirePlace {
    Flight,
    Released,
    Requests,
}
