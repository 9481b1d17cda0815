//! Tables for a few records: they are looked at one by one, which takes least code and memory.

use crate::event::Ticket;
use crate::record::{KeptTicket, Place, Record};
use crate::store::OutboundParts;

/// What is counted; where a record is, it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tables {
    /// Tickets issued.
    tickets: u64,
    /// PUBRECs taken, and exchanges ended.
    releases: u32,
    last_id: u16,
}

impl Tables {
    pub(crate) const fn new() -> Self {
        Self {
            tickets: 0,
            releases: 0,
            last_id: 0,
        }
    }

    /// A free slot, still free.
    pub(crate) fn peek(&self, records: &mut [Record]) -> Option<u16> {
        oldest(records, Place::Free).map(|(slot, _)| slot)
    }

    /// Issues a ticket.
    pub(crate) fn issue(&mut self) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1);
        Ticket::of(self.tickets)
    }

    /// The ticket of a record.
    #[cfg(feature = "alloc")]
    pub(crate) fn ticket(&self, record: &Record) -> Ticket {
        Ticket(self.ticket_number(record))
    }

    /// The ticket of a record.
    #[cfg(not(feature = "alloc"))]
    pub(crate) fn ticket(&self, record: &Record) -> Ticket {
        Ticket(record.ticket)
    }

    /// The number of the ticket of a record: less than 2^32 were issued since.
    pub(crate) fn ticket_number(&self, record: &Record) -> u64 {
        let since = (self.tickets as u32).wrapping_sub(record.ticket);
        self.tickets.wrapping_sub(u64::from(since))
    }

    /// The packet identifier that was assigned last, and the number of the next ticket.
    pub(crate) const fn numbers(&self) -> (u16, u64) {
        (self.last_id, self.tickets.wrapping_add(1))
    }

    /// Goes on from numbers that were kept.
    pub(crate) const fn go_on_from(&mut self, last_id: u16, next_ticket: u64) {
        self.last_id = last_id;
        self.tickets = next_ticket.wrapping_sub(1);
    }

    /// The number of a ticket below the next, as a record keeps it; None when more than 2^31 were
    /// issued since: of two, it could not be told any longer which is the older one.
    pub(crate) const fn kept_ticket(&self, number: u64) -> Option<KeptTicket> {
        if self.tickets.wrapping_sub(number) > i32::MAX as u64 {
            return None;
        }
        Some(number as KeptTicket)
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
        if record.id != 0 && find_id(parts.records, record.id).is_some() {
            return false;
        }
        let mut record = record;
        if place == Place::Reserved {
            // It has lost its ticket, and needs another only to have an order: one so old that no
            // message has it.
            let before = parts.records.iter().filter(|other| other.place == place);
            record.ticket = (self.tickets as u32)
                .wrapping_sub(1 << 30)
                .wrapping_add(before.count() as u32);
        }
        if let Some(place) = parts.records.get_mut(usize::from(slot)) {
            *place = record;
        }
        self.push(parts.records, slot, place);
        true
    }

    /// Forgets all, as if nothing had ever been there.
    pub(crate) fn clear(&mut self, parts: &mut OutboundParts<'_>) {
        *self = Self::new();
        for record in parts.records.iter_mut() {
            *record = Record::EMPTY;
        }
    }

    /// The last record in a place.
    #[cfg(feature = "alloc")]
    pub(crate) fn last(&self, records: &[Record], place: Place) -> Option<u16> {
        self.previous(records, place, None)
    }

    /// The record before `slot` in the same place.
    #[cfg(feature = "alloc")]
    pub(crate) fn before(&self, records: &[Record], slot: u16) -> Option<u16> {
        let record = records.get(usize::from(slot))?;
        self.previous(records, record.place, Some(order(record)))
    }

    /// The youngest record in a place, of those that are older than one of this order.
    #[cfg(feature = "alloc")]
    fn previous(&self, records: &[Record], place: Place, than: Option<u32>) -> Option<u16> {
        let mut found = None;
        let mut youngest = 0;
        for (record, slot) in records.iter().zip(0u16..) {
            let its = order(record);
            if record.place == place
                && than.is_none_or(|than| is_before(its, than))
                && (found.is_none() || is_before(youngest, its))
            {
                youngest = its;
                found = Some(slot);
            }
        }
        found
    }

    /// What this ticket stood for, if it is reserved now.
    #[cfg(feature = "alloc")]
    pub(crate) fn reserved_last(&self, records: &[Record], ticket: Ticket) -> Option<u16> {
        let mut slots = records.iter().zip(0u16..);
        slots.find_map(|(record, slot)| {
            (record.place == Place::Reserved && self.ticket(record) == ticket).then_some(slot)
        })
    }

    /// The first PUBREL in its place that the transport may not have taken whole.
    #[cfg(feature = "alloc")]
    pub(crate) fn first_leaving_release(&self, records: &[Record]) -> Option<u16> {
        self.first(records, Place::Released)
    }

    /// The first record in a place.
    pub(crate) fn first(&self, records: &[Record], place: Place) -> Option<u16> {
        next(records, place, None)
    }

    /// The record behind `slot` in the same place.
    pub(crate) fn after(&self, records: &[Record], slot: u16) -> Option<u16> {
        let record = records.get(usize::from(slot))?;
        next(records, record.place, Some(order(record)))
    }

    /// Whether nothing is in a place.
    pub(crate) fn is_empty(&self, records: &[Record], place: Place) -> bool {
        self.first(records, place).is_none()
    }

    /// Puts a record that is in no place into one. Its order there is that of tickets, and of
    /// PUBREC or of the end where that came.
    fn push(&mut self, records: &mut [Record], slot: u16, place: Place) {
        if let Some(record) = records.get_mut(usize::from(slot)) {
            if matches!(place, Place::Release | Place::Ended) {
                self.put_behind(record);
            }
            record.place = place;
        }
    }

    /// A record that got its PUBREC or ended goes behind all that did before. Its block is free, and
    /// what described that serves to remember.
    #[inline]
    pub(crate) fn put_behind(&mut self, record: &mut Record) {
        self.releases = self.releases.wrapping_add(1);
        record.set_order(self.releases);
    }

    /// PUBLISH of QoS 1 and 2 and PUBREL that are written or to be written: what counts for the
    /// server's Receive Maximum.
    pub(crate) fn open(&self, records: &[Record]) -> u16 {
        let mut open = 0u16;
        for record in records {
            if matches!(
                record.place,
                Place::Flight | Place::Released | Place::Release
            ) {
                open = open.wrapping_add(1);
            }
        }
        open
    }

    /// Messages of QoS 1 and 2 that wait to be sent, for the first time or again.
    pub(crate) fn waiting(&self, records: &[Record]) -> usize {
        let waits = |record: &&Record| matches!(record.place, Place::Queued | Place::Resume);
        records.iter().filter(waits).count()
    }

    /// The next packet identifier: rising from 1, wrapping, never one in use (MQTT-2.2.1-3). The
    /// record has it then.
    pub(crate) fn assign_id(&mut self, parts: &mut OutboundParts<'_>, slot: u16) -> Option<u16> {
        // There are more identifiers than records, of which this one has none: that is the number 0,
        // which is taken so.
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if find_id(parts.records, self.last_id).is_none() {
                break;
            }
        }
        let record = parts.records.get_mut(usize::from(slot))?;
        record.id = self.last_id;
        Some(self.last_id)
    }
}

/// The record that has an identifier, and its slot: a free one has none.
#[inline(never)]
pub(crate) fn find_id(records: &mut [Record], id: u16) -> Option<(u16, &mut Record)> {
    let mut slot = 0;
    for record in records {
        if record.id == id {
            return Some((slot, record));
        }
        slot = slot.wrapping_add(1);
    }
    None
}

/// The oldest record in a place, and its slot. No count of what there was is needed for that, so
/// that few arguments are handed over.
#[inline(never)]
pub(crate) fn oldest(records: &mut [Record], place: Place) -> Option<(u16, &mut Record)> {
    let mut found = None;
    let mut oldest = 0;
    let mut slot = 0u16;
    for record in records {
        let its = order(record);
        // Negative: it is older than the oldest so far.
        let since = its.wrapping_sub(oldest) as i32;
        if record.place == place && !(found.is_some() && since >= 0) {
            oldest = its;
            found = Some((slot, record));
        }
        slot = slot.wrapping_add(1);
    }
    found
}

/// The oldest record in a place, of those that are younger than one of this order.
fn next(records: &[Record], place: Place, than: Option<u32>) -> Option<u16> {
    let mut found = None;
    let mut oldest = 0;
    for (record, slot) in records.iter().zip(0u16..) {
        let its = order(record);
        if record.place == place
            && than.is_none_or(|than| is_before(than, its))
            && (found.is_none() || is_before(its, oldest))
        {
            oldest = its;
            found = Some(slot);
        }
    }
    found
}

/// When a record was made, or got its PUBREC, or ended: the order of its place. It wraps.
fn order(record: &Record) -> u32 {
    match record.place {
        Place::Release | Place::Released | Place::Ended => record.order(),
        _ => record.ticket,
    }
}

/// Whether what has the order `one` came before what has the order `other`. At most 2^31 lie between
/// two that are there at the same time.
const fn is_before(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) < 0
}
