//! What the transport has taken, where the records are linked in the order of writing.

use crate::event::Ticket;
use crate::exchanges::{Exchanges, Work};
use crate::instant::{Alarm, Instant, Stamp};
use crate::line::ACK_DUE_UNKNOWN;
use crate::record::{Place, Record};
use crate::sender::{Outbox, Sending};
use crate::store::OutboundStore;
use crate::tables::{Tables, WirePlace};
use crate::transmit::Transmit;

impl<O: OutboundStore> Sending<'_, O> {
    /// The transport took `count` of the bytes offered.
    pub(crate) fn sent(&mut self, count: usize) {
        if self.out.was_taken(count)
            && let Some(slot) = self.out.move_on(self.store.records())
        {
            // SUBSCRIBE and UNSUBSCRIBE are not kept for replay. Only a large one, sent from
            // where it is stored, is still there, and nothing of the kind lies behind it.
            self.free_block(slot);
        }
    }
}

impl Outbox {
    /// The transport took `len` of the bytes offered. Whether that may have completed anything.
    #[inline]
    pub(crate) fn was_taken(&mut self, len: usize) -> bool {
        if self.line.tx.took(len) == 0 {
            return false;
        }
        self.line.last_sent = self.clock.now;
        self.line.stalled_since = Alarm::NEVER;
        let exchanges = &mut self.exchanges;
        if self.line.blocked {
            exchanges.work.note(Work::PUMP);
        }
        if exchanges.tables.is_moving() {
            return true;
        }
        let leaves = !exchanges.tables.is_empty(&[], Place::Leaving);
        if self.line.tx.is_empty() && leaves {
            exchanges.work.note(Work::TAKEN);
            return false;
        }
        leaves
    }

    /// What the transport has taken whole is on the wire, and is stamped with the time. A request
    /// that is not kept any longer.
    #[inline(never)]
    pub(crate) fn move_on(&mut self, records: &mut [Record]) -> Option<u16> {
        let exchanges = &mut self.exchanges;
        let tx = &self.line.tx;
        let now = self.clock.now;
        let stamp = now.stamp();
        let tables = &mut exchanges.tables;
        let mut last = take_up(tables, WirePlace::Flight, records, tx, stamp);
        last = take_up(tables, WirePlace::Released, records, tx, stamp).or(last);
        let request = take_up(tables, WirePlace::Requests, records, tx, stamp);
        exchanges.note_taken(records, tx);
        // What was sent earlier is due earlier.
        if self.line.ack_due == Instant::NEVER && last.or(request).is_some() {
            let due = now.plus_millis(self.config.ack_timeout.get());
            self.line.ack_due = due;
            self.clock.arm(due);
        }
        request
    }

    /// Takes out the first QoS 0 message if the transport has taken it whole, and nothing it held
    /// is to be freed.
    #[inline]
    pub(crate) fn tell_taken(&mut self, records: &mut [Record]) -> Option<Ticket> {
        let exchanges = &mut self.exchanges;
        let slot = exchanges.tables.first(records, Place::Leaving)?;
        let record = records.get(usize::from(slot))?;
        if record.flags.holds() || !self.line.tx.has_taken(record.mark) {
            return None;
        }
        let ticket = exchanges.tables.ticket(record);
        exchanges.tables.drop(records, slot, Place::Leaving);
        exchanges.work.done(Work::TAKEN);
        exchanges.note_taken(records, &self.line.tx);
        Some(ticket)
    }

    /// Something was answered; when it was the oldest on its wire, another one has been
    /// unanswered longest.
    #[inline]
    pub(crate) fn answered(&mut self, oldest: bool, records: &[Record]) {
        let tables = &self.exchanges.tables;
        let others = tables
            .oldest(WirePlace::Released)
            .or(tables.oldest(WirePlace::Requests));
        let next = match (tables.oldest(WirePlace::Flight), others) {
            (None, None) => {
                self.line.ack_due = Instant::NEVER;
                return;
            }
            _ if !oldest => return,
            // Nearly always there is no choice.
            (Some(slot), None) => records.get(usize::from(slot)),
            _ => None,
        };
        self.line.ack_due = match next {
            Some(next) => next
                .sent_at()
                .deadline(self.config.ack_timeout.get(), self.clock.now),
            None => ACK_DUE_UNKNOWN,
        };
    }

    /// Looks up when the longest unanswered packet should have been answered.
    #[inline]
    pub(crate) fn look_up_ack_due(&mut self, records: &[Record]) {
        let now = self.clock.now;
        let limit = self.config.ack_timeout.get();
        let tables = &self.exchanges.tables;
        let mut due = Instant::NEVER;
        for wire in [WirePlace::Flight, WirePlace::Released, WirePlace::Requests] {
            if let Some(slot) = tables.oldest(wire)
                && let Some(record) = records.get(usize::from(slot))
            {
                due = due.min(record.sent_at().deadline(limit, now));
            }
        }
        self.line.ack_due = due;
    }
}

impl Exchanges {
    /// Notes that there is a QoS 0 message to tell, if the transport has taken it whole.
    #[inline]
    fn note_taken(&mut self, records: &[Record], tx: &Transmit) {
        if let Some(slot) = self.tables.first(records, Place::Leaving)
            && let Some(record) = records.get(usize::from(slot))
            && tx.has_taken(record.mark)
        {
            self.work.note(Work::TAKEN);
        }
    }
}

/// What the transport has taken whole goes on to what is on the wire; the last of it.
#[inline(always)]
fn take_up(
    tables: &mut Tables,
    wire: WirePlace,
    records: &mut [Record],
    tx: &Transmit,
    now: Stamp,
) -> Option<u16> {
    let mut last = None;
    while let Some(slot) = tables.untaken(wire)
        && let Some(record) = records.get_mut(usize::from(slot))
        && tx.has_taken(record.mark)
    {
        record.flags.now_on_wire();
        record.mark = now.raw();
        tables.advance(records, wire, slot);
        last = Some(slot);
    }
    last
}
