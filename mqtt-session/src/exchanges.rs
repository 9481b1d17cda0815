//! The sending half of the session: what outlives a transport.

use crate::arena::Arena;
use crate::id_table::{self, IdEntry};
use crate::instant::Instant;
use crate::slots::{Queue, Slots};

/// What the next poll has to look at: nothing is looked for that nobody noted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work(u8);

impl Work {
    /// Something may have to be told.
    pub(crate) const TELL: u8 = 1;
    /// Something may be able to leave that could not before.
    pub(crate) const PUMP: u8 = 2;

    pub(crate) fn note(&mut self, what: u8) {
        self.0 |= what;
    }

    pub(crate) fn done(&mut self, what: u8) {
        self.0 &= !what;
    }

    pub(crate) const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Every record is in exactly one of these queues, from the call that made it to the event that
/// settles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exchanges {
    pub(crate) work: Work,
    pub(crate) slots: Slots,
    /// QoS 1 and 2 messages that were never sent, in order of publishing.
    pub(crate) queued: Queue,
    /// What no window holds back: QoS 0 messages, SUBSCRIBE, UNSUBSCRIBE.
    pub(crate) prompt: Queue,
    /// Written for the present transport, which has not taken the last byte yet.
    pub(crate) sending: Queue,
    /// QoS 1 and 2 messages on the wire, in order of first sending.
    pub(crate) flight: Queue,
    /// Sent over an earlier transport and to be sent again, in order of first sending.
    pub(crate) resume: Queue,
    /// PUBREL on the wire, in order of PUBREC.
    pub(crate) released: Queue,
    /// PUBREL to be sent, in order of PUBREC.
    pub(crate) release: Queue,
    /// SUBSCRIBE and UNSUBSCRIBE on the wire.
    pub(crate) requests: Queue,
    /// Ended, and to be told.
    pub(crate) ended: Queue,
    /// Given up, identifier kept from use while the session lives.
    pub(crate) reserved: Queue,
    pub(crate) arena: Arena,
    last_id: u16,
    /// As many as there are entries in the table of identifiers: at most 65,535.
    ids_in_use: u16,
    /// When the first of the messages that wait expires.
    pub(crate) next_expiry: Instant,
}

impl Exchanges {
    pub(crate) const fn new() -> Self {
        Self {
            work: Work(0),
            slots: Slots::new(),
            queued: Queue::EMPTY,
            prompt: Queue::EMPTY,
            sending: Queue::EMPTY,
            flight: Queue::EMPTY,
            resume: Queue::EMPTY,
            released: Queue::EMPTY,
            release: Queue::EMPTY,
            requests: Queue::EMPTY,
            ended: Queue::EMPTY,
            reserved: Queue::EMPTY,
            arena: Arena { end: 0, live: 0 },
            last_id: 0,
            ids_in_use: 0,
            next_expiry: Instant::NEVER,
        }
    }

    /// The next packet identifier: rising from 1, wrapping, never one in use (MQTT-2.2.1-3).
    /// `None` when all are in use.
    #[inline]
    pub(crate) fn assign_id(&mut self, ids: &mut [IdEntry], slot: u16) -> Option<u16> {
        let id = self.last_id.checked_add(1).unwrap_or(1);
        if !id_table::insert_at_home(ids, id, slot) {
            return self.search_id(ids, slot);
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
    pub(crate) fn free_id(&mut self, ids: &mut [IdEntry], id: u16) {
        if id_table::remove(ids, id) {
            self.ids_in_use = self.ids_in_use.wrapping_sub(1);
        }
    }

    /// Gives the identifier at a place in the table back.
    pub(crate) fn free_id_at(&mut self, ids: &mut [IdEntry], at: usize) {
        id_table::remove_at(ids, at);
        self.ids_in_use = self.ids_in_use.wrapping_sub(1);
    }

    /// Whether anything on the wire awaits an answer.
    pub(crate) const fn awaits_answer(&self) -> bool {
        !(self.flight.is_empty() && self.released.is_empty() && self.requests.is_empty())
    }

    /// Messages of QoS 1 and 2 that are not settled.
    pub(crate) fn unsettled(&self) -> usize {
        [
            self.queued,
            self.flight,
            self.resume,
            self.released,
            self.release,
        ]
        .iter()
        .map(|queue| usize::from(queue.len()))
        .fold(0, usize::saturating_add)
    }
}
