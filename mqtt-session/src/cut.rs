//! What becomes of exchanges when the transport is gone, and when the session is.

use crate::config::Lost;
use crate::event::GiveUp;
use crate::line::Line;
use crate::pump::packet_range;
use crate::sender::Sending;
use crate::slots::{Flags, Queue, Stage};
use crate::store::OutboundStore;
use crate::stored::Layout;

impl<O: OutboundStore> Sending<'_, O> {
    /// The transport is gone: what outlives it is put back into order, the rest is settled.
    /// `accepted`: whether the server had accepted the connection.
    pub(crate) fn cut(&mut self, accepted: bool) {
        let line = core::mem::replace(&mut self.out.line, Line::new(self.out.clock.now));
        #[cfg(feature = "draw")]
        self.cut_unfinished(&line);
        self.sort_out_flight(&line);
        let records = self.store.records();
        let exchanges = &mut self.out.exchanges;
        for (wire, again) in [
            (&mut exchanges.flight, &mut exchanges.resume),
            (&mut exchanges.released, &mut exchanges.release),
        ] {
            let mut written = wire.cut();
            let mut at = written.first();
            while let Some(slot) = at {
                at = Queue::after(records, slot);
                if let Some(record) = records.get_mut(usize::from(slot)) {
                    record.flags.forget_transport();
                }
            }
            written.append(records, again);
            *again = written;
        }
        while let Some(slot) = self.out.exchanges.leaving.pop_front(self.store.records()) {
            // Taken whole, although that has not been told yet.
            let taken = self
                .record(slot)
                .is_some_and(|record| line.tx.has_taken(record.mark));
            if taken {
                self.end(slot, Stage::EndedWell);
            } else {
                self.give_up(slot, GiveUp::ConnectionLost);
            }
        }
        let mut lost = self.out.exchanges.requests.cut();
        if accepted {
            let prompt = core::mem::replace(&mut self.out.exchanges.prompt, Queue::EMPTY);
            lost.append(self.store.records(), &mut { prompt });
        }
        while let Some(slot) = lost.pop_front(self.store.records()) {
            self.give_up(slot, GiveUp::ConnectionLost);
        }
    }

    /// Messages that were written for the transport but not taken whole: what it may have begun
    /// to send stays with what was sent, what it did not touch goes back to where it came from.
    fn sort_out_flight(&mut self, line: &Line) {
        let mut untouched = Queue::EMPTY;
        let mut again = Queue::EMPTY;
        let mut at = self.out.exchanges.flight.untaken();
        while let Some(slot) = at {
            let written = self.written_len(slot);
            let parts = self.store.parts();
            at = Queue::after(parts.records, slot);
            let Some(record) = parts.records.get_mut(usize::from(slot)) else {
                continue;
            };
            let begun = line.tx.has_begun(record.mark, written);
            let seen = record.flags.has(Flags::MAYBE_SEEN);
            if begun {
                record.flags.set(Flags::MAYBE_SEEN);
                continue;
            }
            record.flags.forget_transport();
            let id = record.id;
            if !seen {
                record.id = 0;
            }
            self.out.exchanges.flight.remove(parts.records, slot);
            // In the order of sending, those that were sent before as well: all of them were
            // written ahead of what is new.
            if seen {
                again.push_back(parts.records, slot);
            } else {
                untouched.push_back(parts.records, slot);
                self.out.exchanges.free_id(parts.ids, id);
            }
        }
        let records = self.store.records();
        again.append(records, &mut self.out.exchanges.resume);
        self.out.exchanges.resume = again;
        untouched.append(records, &mut self.out.exchanges.queued);
        self.out.exchanges.queued = untouched;
        self.look_for_expired();
    }

    /// Messages wait again that did not wait a moment ago: which of them expires first is found
    /// out at the next poll.
    fn look_for_expired(&mut self) {
        self.out.exchanges.next_expiry = self.out.exchanges.next_expiry.min(self.out.clock.now);
        self.out.clock.arm(self.out.clock.now);
    }

    /// How many bytes the present transport gets for a record that was written for it.
    fn written_len(&mut self, slot: u16) -> usize {
        let Some(record) = self.record(slot) else {
            return 0;
        };
        let payload = self.payload_len(slot, &record);
        let whole = (record.len as usize).saturating_add(payload);
        let with_topic = record.flags.has(Flags::ALIAS_SET);
        if !with_topic && !record.flags.has(Flags::ALIAS_ALONE) {
            return whole;
        }
        let (start, end) = packet_range(&record);
        let packet = self.store.arena().get(start..end).unwrap_or_default();
        let aliased = Layout::of(packet).and_then(|layout| layout.aliased_len(packet, with_topic));
        aliased.unwrap_or(whole)
    }

    /// The session is gone on the server's side, or is thrown away (`discarded`): nothing of it
    /// may be sent again under its old identifiers (MQTT-3.2.2-5).
    pub(crate) fn session_lost(&mut self, discarded: bool) {
        // Past PUBREC the server has the message: that counts as acknowledged.
        while let Some(slot) = self.out.exchanges.release.pop_front(self.store.records()) {
            self.end(slot, Stage::EndedWell);
        }
        let mut again = Queue::EMPTY;
        while let Some(slot) = self.out.exchanges.resume.pop_front(self.store.records()) {
            let Some(record) = self.record(slot) else {
                continue;
            };
            let policy = match record.stage {
                Stage::AwaitPubAck => self.out.config.qos1_lost,
                _ => self.out.config.qos2_lost,
            };
            if discarded {
                self.give_up(slot, GiveUp::SessionDiscarded);
            } else if policy == Lost::GiveUp {
                self.give_up(slot, GiveUp::OutcomeUnknown);
            } else {
                let parts = self.store.parts();
                self.out.exchanges.free_id(parts.ids, record.id);
                if let Some(record) = parts.records.get_mut(usize::from(slot)) {
                    record.id = 0;
                    record.flags.clear(Flags::MAYBE_SEEN);
                }
                again.push_back(parts.records, slot);
            }
        }
        let records = self.store.records();
        again.append(records, &mut self.out.exchanges.queued);
        self.out.exchanges.queued = again;
        self.look_for_expired();
        let parts = self.store.parts();
        let mut at = self.out.exchanges.ended.first();
        while let Some(slot) = at {
            at = Queue::after(parts.records, slot);
            if let Some(record) = parts.records.get_mut(usize::from(slot)) {
                let id = core::mem::take(&mut record.id);
                self.out.exchanges.free_id(parts.ids, id);
            }
        }
        while let Some(slot) = self.out.exchanges.reserved.pop_front(self.store.records()) {
            let parts = self.store.parts();
            if let Some(record) = parts.records.get_mut(usize::from(slot)) {
                let id = core::mem::take(&mut record.id);
                self.out.exchanges.free_id(parts.ids, id);
            }
            self.out.exchanges.slots.give_back(parts.records, slot);
        }
    }
}
