//! The sending half of the session: what outlives a transport.

use crate::arena::Arena;
use crate::id_table::{self, IdEntry};
use crate::instant::Instant;
use crate::slots::{Queue, Slots, Wire};

/// What the next poll has to look at: nothing is looked for that nobody noted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work(u8);

impl Work {
    /// The transport has taken a QoS 0 message, which is to be told.
    pub(crate) const TAKEN: u8 = 4;
    /// Something may have to be told, a QoS 0 message that was taken among it.
    pub(crate) const TELL: u8 = 1 | Self::TAKEN;
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

    #[cfg(feature = "fast")]
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this is all there is to do.
    #[cfg(feature = "fast")]
    pub(crate) const fn is_only(self, what: u8) -> bool {
        self.0 == what
    }
}

/// Every record is in exactly one of these queues, in that of the wire from its writing on, from the call that made it to the event that
/// settles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exchanges {
    pub(crate) work: Work,
    pub(crate) slots: Slots,
    /// QoS 1 and 2 messages that were never sent, in order of publishing.
    pub(crate) queued: Queue,
    /// What no window holds back: QoS 0 messages, SUBSCRIBE, UNSUBSCRIBE.
    pub(crate) prompt: Queue,
    /// QoS 0 messages written for the present transport, until they are told to be taken.
    pub(crate) leaving: Queue,
    /// QoS 1 and 2 messages on the wire, in order of first sending.
    pub(crate) flight: Wire,
    /// Sent over an earlier transport and to be sent again, in order of first sending.
    pub(crate) resume: Queue,
    /// PUBREL on the wire, in order of PUBREC.
    pub(crate) released: Wire,
    /// PUBREL to be sent, in order of PUBREC.
    pub(crate) release: Queue,
    /// SUBSCRIBE and UNSUBSCRIBE on the wire.
    pub(crate) requests: Wire,
    /// Ended, and to be told.
    pub(crate) ended: Queue,
    /// Given up, identifier kept from use while the session lives.
    pub(crate) reserved: Queue,
    pub(crate) arena: Arena,
    /// The identifier that was assigned last.
    pub(crate) last_id: u16,
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
            leaving: Queue::EMPTY,
            flight: Wire::EMPTY,
            resume: Queue::EMPTY,
            released: Wire::EMPTY,
            release: Queue::EMPTY,
            requests: Wire::EMPTY,
            ended: Queue::EMPTY,
            reserved: Queue::EMPTY,
            arena: Arena::new(),
            last_id: 0,
            ids_in_use: 0,
            next_expiry: Instant::NEVER,
        }
    }

    /// The next packet identifier: rising from 1, wrapping, never one in use (MQTT-2.2.1-3).
    /// `None` when all are in use.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn assign_id(&mut self, ids: &mut [IdEntry], slot: u16) -> Option<u16> {
        self.assign_id_at_home(ids, slot)
            .or_else(|| self.search_id(ids, slot))
    }

    /// The next identifier, if its place in the table is free, which is nearly always so.
    #[cfg_attr(feature = "fast", inline(always))]
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

    /// Takes an identifier that a message had when the session was kept; false when it is in use.
    pub(crate) fn take_id(&mut self, ids: &mut [IdEntry], id: u16, slot: u16) -> bool {
        let free = id_table::find(ids, id).is_none() && id_table::insert(ids, id, slot);
        if free {
            self.ids_in_use = self.ids_in_use.wrapping_add(1);
        }
        free
    }

    /// Gives an identifier back.
    pub(crate) fn free_id(&mut self, ids: &mut [IdEntry], id: u16) {
        if id_table::remove(ids, id) {
            self.ids_in_use = self.ids_in_use.wrapping_sub(1);
        }
    }

    /// Gives the identifier at a place in the table back.
    #[inline]
    pub(crate) fn free_id_at(&mut self, ids: &mut [IdEntry], at: usize) {
        id_table::remove_at(ids, at);
        self.ids_in_use = self.ids_in_use.wrapping_sub(1);
    }

    /// Whether the transport has yet to take something whole that awaits an answer then.
    #[inline]
    pub(crate) const fn is_moving(&self) -> bool {
        self.flight.untaken().is_some()
            || self.released.untaken().is_some()
            || self.requests.untaken().is_some()
    }

    /// Whether anything on the wire awaits an answer.
    #[inline]
    pub(crate) const fn awaits_answer(&self) -> bool {
        self.flight.oldest().is_some()
            || self.released.oldest().is_some()
            || self.requests.oldest().is_some()
    }

    /// PUBLISH of QoS 1 and 2 and PUBREL that are written or to be written: what counts for the
    /// server's Receive Maximum. Each is a record of its own, so that these cannot be too many
    /// to count.
    #[inline]
    pub(crate) const fn open(&self) -> u16 {
        self.flight
            .len()
            .wrapping_add(self.released.len())
            .wrapping_add(self.release.len())
    }

    /// Starts over with empty tables, if no record is in use; whether that is so.
    #[cfg(feature = "broker")]
    pub(crate) fn forget_unused(&mut self) -> bool {
        let unused = self.ids_in_use == 0
            && self.unsettled() == 0
            && [&self.prompt, &self.leaving, &self.ended, &self.reserved]
                .iter()
                .all(|queue| queue.is_empty())
            && self.requests.len() == 0;
        if unused {
            self.slots.start_over();
            self.arena = Arena::new();
        }
        unused
    }

    /// Messages of QoS 1 and 2 that are not settled.
    pub(crate) fn waiting(&self) -> usize {
        usize::from(self.queued.len()).wrapping_add(usize::from(self.resume.len()))
    }

    pub(crate) fn unsettled(&self) -> usize {
        usize::from(self.open()).wrapping_add(self.waiting())
    }
}
