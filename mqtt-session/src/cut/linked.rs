//! What becomes of exchanges where the records of a place are linked in their order.

use crate::event::GiveUp;
use crate::line::Line;
use crate::record::{Flags, Place, Stage};
use crate::sender::Sending;
use crate::store::OutboundStore;

impl<O: OutboundStore> Sending<'_, O> {
    /// The transport is gone: what outlives it is put back into order, the rest is settled.
    /// `accepted`: whether the server had accepted the connection.
    pub(crate) fn cut(&mut self, accepted: bool) {
        let line = core::mem::replace(&mut self.out.line, Line::new());
        self.out.exchanges.tables.cut();
        #[cfg(feature = "draw")]
        self.cut_unfinished(&line.tx);
        // Those of the flight that the transport may have begun to send stay with what was sent:
        // all of them were written ahead of what waits to be sent again. What it did not touch
        // goes back to where it came from.
        let mut at = self.first(Place::Flight);
        while let Some(slot) = at {
            at = self.after(slot);
            let written = self.written_len(slot);
            let mut parts = self.store.parts();
            let Some(record) = parts.records.get_mut(usize::from(slot)) else {
                continue;
            };
            if record.flags.has(Flags::SENDING) && line.tx.has_begun(record.mark, written) {
                record.flags.set(Flags::MAYBE_SEEN);
            }
            record.flags.forget_transport();
            if !record.flags.has(Flags::MAYBE_SEEN) {
                let id = core::mem::take(&mut record.id);
                let tables = &mut self.out.exchanges.tables;
                tables.shift(parts.records, slot, Place::Flight, Place::Aside);
                tables.free_id(&mut parts, id);
            }
        }
        self.bring_back(Place::Flight, Place::Resume);
        self.bring_back(Place::Aside, Place::Queued);
        let mut at = self.first(Place::Released);
        while let Some(slot) = at {
            at = self.after(slot);
            if let Some(record) = self.store.records().get_mut(usize::from(slot)) {
                record.flags.forget_transport();
            }
        }
        self.bring_back(Place::Released, Place::Release);
        while let Some(slot) = self.first(Place::Leaving) {
            let record = self.store.records().get(usize::from(slot));
            // Taken whole, although that has not been told yet.
            let stage = if record.is_some_and(|record| line.tx.has_taken(record.mark)) {
                Stage::EndedWell
            } else {
                Stage::Ended(GiveUp::ConnectionLost)
            };
            self.end(slot, Place::Leaving, stage);
        }
        self.give_up_all(Place::Requests, GiveUp::ConnectionLost);
        if accepted {
            self.give_up_all(Place::Prompt, GiveUp::ConnectionLost);
        }
        self.look_for_expired();
    }

    /// Puts all that is in one place in front of what is in another.
    fn bring_back(&mut self, from: Place, to: Place) {
        let records = self.store.records();
        self.out.exchanges.tables.prepend(records, from, to);
    }

    /// The session is gone on the server's side, or is thrown away (`discarded`): nothing of it
    /// may be sent again under its old identifiers (MQTT-3.2.2-5).
    pub(crate) fn session_lost(&mut self, discarded: bool) {
        // Past PUBREC the server has the message: that counts as acknowledged.
        self.end_all(Place::Release, Stage::EndedWell);
        while let Some(slot) = self.first(Place::Resume) {
            let mut parts = self.store.parts();
            let Some(record) = parts.records.get_mut(usize::from(slot)) else {
                break;
            };
            let again = if record.stage == Stage::AwaitPubAck {
                !self.out.config.gives_up_qos1()
            } else {
                self.out.config.publishes_qos2_again()
            };
            if discarded {
                self.give_up(slot, Place::Resume, GiveUp::SessionDiscarded);
            } else if !again {
                self.give_up(slot, Place::Resume, GiveUp::OutcomeUnknown);
            } else {
                record.flags.clear(Flags::MAYBE_SEEN);
                let id = core::mem::take(&mut record.id);
                let tables = &mut self.out.exchanges.tables;
                tables.shift(parts.records, slot, Place::Resume, Place::Aside);
                tables.free_id(&mut parts, id);
            }
        }
        self.bring_back(Place::Aside, Place::Queued);
        self.look_for_expired();
        // Identifiers that were kept from use are free.
        let mut at = self.first(Place::Ended);
        while let Some(slot) = at {
            at = self.after(slot);
            self.forget_id(slot);
        }
        while let Some(slot) = self.first(Place::Reserved) {
            self.forget_id(slot);
            let records = self.store.records();
            let tables = &mut self.out.exchanges.tables;
            tables.drop(records, slot, Place::Reserved);
        }
    }

    fn forget_id(&mut self, slot: u16) {
        let mut parts = self.store.parts();
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            let id = core::mem::take(&mut record.id);
            self.out.exchanges.tables.free_id(&mut parts, id);
        }
    }
}
