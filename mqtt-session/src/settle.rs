//! How exchanges go on and end: by the transport, by acknowledgements, by expiry.

use crate::event::{GiveUp, Ticket};
use crate::exchanges::Work;
#[cfg(not(feature = "fast"))]
use crate::instant::Alarm;
use crate::instant::{Due, Instant};
#[cfg(feature = "fast")]
use crate::line::ACK_DUE_UNKNOWN;
use crate::record::{Flags, Place, Record, Stage};
use crate::sender::{Outbox, Sending};
use crate::store::OutboundStore;
use crate::violation::Breach;
use mqtt_proto::{PacketType, ReasonCode};

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The exchange has ended with this reason.
    Settled(Ticket, ReasonCode),
    /// PUBREC was taken; PUBREL follows.
    Continues(Ticket, ReasonCode),
    /// Nothing to tell.
    Quiet,
    /// Nothing waited for it.
    Unsolicited,
    /// PUBREC for an identifier that is not in use: it wants PUBREL 0x92.
    Unknown,
}

impl<O: OutboundStore> Sending<'_, O> {
    /// The next QoS 0 message that the transport has taken whole.
    pub(crate) fn next_taken(&mut self) -> Option<Ticket> {
        let records = self.store.records();
        let tables = &self.out.exchanges.tables;
        let slot = tables.first(records, Place::Leaving)?;
        let record = records.get(usize::from(slot))?;
        if !self.out.line.tx.has_taken(record.mark) {
            return None;
        }
        let ticket = tables.ticket(record);
        self.free_block(slot);
        let exchanges = &mut self.out.exchanges;
        let records = self.store.records();
        exchanges.tables.drop(records, slot, Place::Leaving);
        // There may be more of them.
        exchanges.work.note(Work::TAKEN);
        Some(ticket)
    }

    /// PUBACK, PUBREC or PUBCOMP came in.
    ///
    /// What each does to each stage is this one table; a packet for an identifier that is not in
    /// use, or whose own packet has not left yet, changes nothing; nor does one that is wrong.
    #[inline(never)]
    pub(crate) fn acknowledged(
        &mut self,
        packet: PacketType,
        id: u16,
        reason: ReasonCode,
    ) -> Result<Answer, Breach> {
        let Some((slot, record)) = self.find(id) else {
            return Ok(match packet {
                PacketType::PubRec => Answer::Unknown,
                _ => Answer::Unsolicited,
            });
        };
        if record.flags.has(Flags::SENDING) || !record.flags.has(Flags::MAYBE_SEEN) {
            return Ok(Answer::Unsolicited);
        }
        let ticket = self.out.exchanges.tables.ticket(&record);
        let reason = match (record.stage, packet) {
            (Stage::AwaitPubAck, PacketType::PubAck) => reason,
            (Stage::AwaitPubRec, PacketType::PubRec) if reason.is_failure() => reason,
            (Stage::AwaitPubRec, PacketType::PubRec) => {
                self.go_on(slot, &record, reason);
                return Ok(Answer::Continues(ticket, reason));
            }
            // PUBREC again, after PUBREL: PUBREL again (section 4.3.3).
            (Stage::AwaitPubComp, PacketType::PubRec) if !reason.is_failure() => {
                if record.flags.has(Flags::ON_WIRE) {
                    self.releases(slot, Place::Released);
                }
                return Ok(Answer::Quiet);
            }
            (Stage::AwaitPubComp, PacketType::PubRec) => {
                return Err(Breach::OutOfOrder(packet));
            }
            (Stage::AwaitPubComp, PacketType::PubComp) => record.reason,
            // Given up here because of the server's limits, while it still held the message.
            (Stage::Reserved | Stage::Ended(_), PacketType::PubRec) if !reason.is_failure() => {
                return Ok(Answer::Unknown);
            }
            (Stage::Reserved | Stage::Ended(_) | Stage::EndedWell, _) => {
                return Ok(Answer::Unsolicited);
            }
            _ => return Err(Breach::WrongAcknowledgement(packet)),
        };
        self.finish(slot, &record);
        Ok(Answer::Settled(ticket, reason))
    }

    /// SUBACK or UNSUBACK came in with this many reason codes.
    pub(crate) fn answered(
        &mut self,
        packet: PacketType,
        id: u16,
        reasons: usize,
    ) -> Result<Option<Ticket>, Breach> {
        let Some((slot, record)) = self.find(id) else {
            return Ok(None);
        };
        let expected = match record.stage {
            Stage::AwaitSubAck => PacketType::SubAck,
            Stage::AwaitUnsubAck => PacketType::UnsubAck,
            // An identifier of a message.
            _ => PacketType::PubAck,
        };
        if packet != expected {
            return Err(Breach::WrongAcknowledgement(packet));
        }
        if !record.flags.has(Flags::ON_WIRE) {
            return Ok(None);
        }
        // What is kept of the count stops at 65,535.
        if reasons.min(usize::from(u16::MAX)) != usize::from(record.count) {
            return Err(Breach::ReasonCodeCount(packet));
        }
        self.finish(slot, &record);
        Ok(Some(self.out.exchanges.tables.ticket(&record)))
    }

    /// The record of an identifier in use: its slot, and a copy.
    fn find(&mut self, id: u16) -> Option<(u16, Record)> {
        let parts = self.store.parts();
        let slot = self.out.exchanges.tables.find_id(&parts, id)?;
        Some((slot, *parts.records.get(usize::from(slot))?))
    }

    /// PUBREC has taken a message over: its bytes are freed, and PUBREL is due.
    fn go_on(&mut self, slot: u16, record: &Record, reason: ReasonCode) {
        self.free_block(slot);
        let records = self.store.records();
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.stage = Stage::AwaitPubComp;
            record.reason = reason;
        }
        self.releases(slot, record.place());
    }

    /// PUBREL is due.
    fn releases(&mut self, slot: u16, from: Place) {
        let records = self.store.records();
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.flags.past_pubrec();
        }
        let exchanges = &mut self.out.exchanges;
        let oldest = exchanges.tables.shift(records, slot, from, Place::Release);
        exchanges.work.note(Work::PUMP);
        self.out.answered(oldest, records);
    }

    /// Takes a settled record out and frees all it held.
    fn finish(&mut self, slot: u16, record: &Record) {
        self.free_block(slot);
        let mut parts = self.store.parts();
        let tables = &mut self.out.exchanges.tables;
        tables.free_id(&mut parts, record.id);
        let oldest = tables.drop(parts.records, slot, record.place());
        self.out.answered(oldest, parts.records);
        self.out.window_is_wider(parts.records);
    }

    /// The next thing that ended without a packet from the server.
    pub(crate) fn next_ended(&mut self) -> Option<(Ticket, Flags, Result<ReasonCode, GiveUp>)> {
        let records = self.store.records();
        let tables = &mut self.out.exchanges.tables;
        let slot = tables.first(records, Place::Ended)?;
        let record = records.get_mut(usize::from(slot))?;
        let outcome = match record.stage {
            Stage::Ended(cause) => Err(cause),
            _ => Ok(record.reason),
        };
        let told = (tables.ticket(record), record.flags, outcome);
        if record.id == 0 {
            tables.drop(records, slot, Place::Ended);
        } else {
            record.stage = Stage::Reserved;
            tables.shift(records, slot, Place::Ended, Place::Reserved);
        }
        Some(told)
    }

    /// Gives up every message that was never sent and has expired, and finds the next to expire.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn expire(&mut self) -> Due {
        let mut next = Instant::NEVER;
        for place in [Place::Queued, Place::Prompt] {
            let mut at = self.first(place);
            while let Some(slot) = at {
                at = self.after(slot);
                let Some(record) = self.record(slot) else {
                    break;
                };
                match self.expires(&record) {
                    None => {}
                    Some(expires) if expires > self.out.clock.now => next = next.min(expires),
                    Some(_) => self.give_up(slot, place, GiveUp::Expired),
                }
            }
        }
        // Message Expiry Interval counts seconds: looking once a second is often enough, and
        // bounds what many messages that expire one after the other cost.
        #[cfg(feature = "fast")]
        let next = next.max(self.out.clock.now.plus_secs(1));
        let due = if next == Instant::NEVER {
            Due::NEVER
        } else {
            self.out.clock.due_at(next)
        };
        #[cfg(feature = "fast")]
        {
            self.out.exchanges.next_expiry = self.out.clock.alarm(due);
        }
        due
    }

    /// Gives up one publish, subscribe or unsubscribe that was never sent, or is not being sent
    /// again now; false when there is none with this ticket.
    pub(crate) fn abandon(&mut self, ticket: Ticket) -> bool {
        for place in [Place::Queued, Place::Prompt, Place::Resume] {
            let mut at = self.first(place);
            while let Some(slot) = at {
                at = self.after(slot);
                let tables = &self.out.exchanges.tables;
                let record = self.store.records().get(usize::from(slot));
                if record.is_some_and(|record| tables.ticket(record) == ticket) {
                    self.give_up(slot, place, GiveUp::Abandoned);
                    return true;
                }
            }
        }
        false
    }

    /// The first record in a place.
    pub(crate) fn first(&mut self, place: Place) -> Option<u16> {
        let tables = &self.out.exchanges.tables;
        tables.first(self.store.records(), place)
    }

    /// The record behind `slot` in the same place.
    pub(crate) fn after(&mut self, slot: u16) -> Option<u16> {
        let tables = &self.out.exchanges.tables;
        tables.after(self.store.records(), slot)
    }

    /// When the longest unanswered packet should have been answered; never, while there is none.
    pub(crate) fn ack_deadline(&mut self) -> Due {
        let records = self.store.records();
        #[cfg(feature = "fast")]
        {
            if self.out.line.ack_due == ACK_DUE_UNKNOWN {
                self.out.look_up_ack_due(records);
            }
            self.out.line.ack_due
        }
        #[cfg(not(feature = "fast"))]
        {
            let limit = self.out.config.ack_timeout.get();
            let mut due = Due::NEVER;
            for record in records {
                if record.flags.has(Flags::ON_WIRE) && record.place != Place::Free {
                    due = due.min(self.out.clock.after(record.sent_at(), limit));
                }
            }
            due
        }
    }

    /// The transport took `count` of the bytes offered: what it has taken whole is on the wire,
    /// and is stamped with the time.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn sent(&mut self, count: usize) {
        let line = &mut self.out.line;
        if line.tx.took(count) == 0 {
            return;
        }
        let now = self.out.clock.moment();
        line.last_sent = now;
        line.stalled_since = Alarm::NEVER;
        self.out.exchanges.work.note(Work::PUMP | Work::TAKEN);
        let mut slot = 0;
        while let Some(record) = self.store.records().get_mut(usize::from(slot)) {
            // A QoS 0 message is told of, and done with, at the next poll.
            if record.flags.has(Flags::SENDING)
                && record.place != Place::Leaving
                && self.out.line.tx.has_taken(record.mark)
            {
                record.flags.now_on_wire();
                record.mark = now.raw();
                // SUBSCRIBE and UNSUBSCRIBE are not kept for replay. Only a large one, sent from
                // where it is stored, is still there.
                if record.place == Place::Requests {
                    self.free_block(slot);
                }
            }
            slot = slot.wrapping_add(1);
        }
    }
}

impl Outbox {
    /// Something was answered; when it was the oldest on its wire, another one has been
    /// unanswered longest.
    #[cfg(not(feature = "fast"))]
    fn answered(&mut self, _oldest: bool, _records: &[Record]) {}

    /// The window is wider by one, and an identifier is free.
    #[inline]
    pub(crate) fn window_is_wider(&mut self, records: &[Record]) {
        let tables = &self.exchanges.tables;
        let waits =
            !(tables.is_empty(records, Place::Queued) && tables.is_empty(records, Place::Resume));
        if waits || self.line.blocked {
            self.exchanges.work.note(Work::PUMP);
        }
    }
}
