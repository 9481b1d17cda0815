//! How exchanges go on and end: by the transport, by acknowledgements, by expiry.

use crate::event::{Event, GiveUp, Ticket};
use crate::exchanges::Work;
#[cfg(not(feature = "fast"))]
use crate::instant::Alarm;
use crate::instant::Due;
#[cfg(feature = "message-expiry")]
use crate::instant::Instant;
#[cfg(feature = "fast")]
use crate::line::ACK_DUE_UNKNOWN;
use crate::record::{Flags, Place, Record, Stage};
use crate::sender::{Outbox, Sending};
use crate::store::OutboundStore;
#[cfg(not(feature = "fast"))]
use crate::tables::{find_id, oldest};
use crate::violation::Breach;
use mqtt_proto::{Fields, PacketType, ReasonCode};

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
    #[cfg(feature = "fast")]
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
    #[cfg_attr(feature = "fast", inline(never))]
    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub(crate) fn acknowledged(
        &mut self,
        packet: PacketType,
        id: u16,
        reason: ReasonCode,
    ) -> Result<Answer, Breach> {
        #[cfg(feature = "fast")]
        let found = self.find(id);
        #[cfg(feature = "fast")]
        let found = found.as_ref().map(|(slot, record)| (*slot, record));
        #[cfg(not(feature = "fast"))]
        let found = find_id(self.store.records(), id);
        let Some((_slot, record)) = found else {
            return Ok(match packet {
                PacketType::PubRec => Answer::Unknown,
                _ => Answer::Unsolicited,
            });
        };
        if record.flags.has(Flags::SENDING) || !record.flags.has(Flags::MAYBE_SEEN) {
            return Ok(Answer::Unsolicited);
        }
        let failed = reason.is_failure();
        if matches!(
            record.stage,
            Stage::Ended(_) | Stage::EndedWell | Stage::Reserved
        ) {
            // Given up here because of the server's limits, while it still held the message.
            let held = packet == PacketType::PubRec
                && !failed
                && !matches!(record.stage, Stage::EndedWell);
            return Ok(if held {
                Answer::Unknown
            } else {
                Answer::Unsolicited
            });
        }
        if packet == PacketType::PubRec && record.stage == Stage::AwaitPubComp {
            // PUBREC again, after PUBREL: PUBREL again (section 4.3.3).
            if failed {
                return Err(Breach::OutOfOrder(packet));
            }
            if record.flags.has(Flags::ON_WIRE) {
                #[cfg(feature = "fast")]
                self.releases(_slot, Place::Released);
                #[cfg(not(feature = "fast"))]
                self.out.releases(record);
            }
            return Ok(Answer::Quiet);
        }
        let awaits = match packet {
            PacketType::PubAck => Stage::AwaitPubAck,
            PacketType::PubRec => Stage::AwaitPubRec,
            _ => Stage::AwaitPubComp,
        };
        if record.stage != awaits {
            return Err(Breach::WrongAcknowledgement(packet));
        }
        let told = if packet == PacketType::PubComp {
            record.reason()
        } else {
            reason
        };
        let ticket = self.out.exchanges.tables.ticket(record);
        if packet == PacketType::PubRec && !failed {
            #[cfg(feature = "fast")]
            self.go_on(_slot, record.place(), reason);
            #[cfg(not(feature = "fast"))]
            self.out.goes_on(record, reason);
            #[cfg(all(feature = "bytes", not(feature = "fast")))]
            self.store.release_payload(_slot);
            return Ok(Answer::Continues(ticket, reason));
        }
        #[cfg(feature = "fast")]
        self.finish(_slot, record);
        #[cfg(not(feature = "fast"))]
        record.finish();
        #[cfg(all(feature = "bytes", not(feature = "fast")))]
        self.store.release_payload(_slot);
        Ok(Answer::Settled(ticket, told))
    }

    /// SUBACK or UNSUBACK came in with this many reason codes.
    pub(crate) fn answered(
        &mut self,
        packet: PacketType,
        id: u16,
        reasons: usize,
    ) -> Result<Option<Ticket>, Breach> {
        #[cfg(feature = "fast")]
        let found = self.find(id);
        #[cfg(feature = "fast")]
        let found = found.as_ref().map(|(slot, record)| (*slot, record));
        #[cfg(not(feature = "fast"))]
        let found = find_id(self.store.records(), id);
        let Some((_slot, record)) = found else {
            return Ok(None);
        };
        let awaits = if packet == PacketType::UnsubAck {
            Stage::AwaitUnsubAck
        } else {
            Stage::AwaitSubAck
        };
        if record.stage != awaits {
            return Err(Breach::WrongAcknowledgement(packet));
        }
        if !record.flags.has(Flags::ON_WIRE) {
            return Ok(None);
        }
        // What is kept of the count stops at 65,535.
        #[cfg(any(feature = "fast", feature = "alloc"))]
        let reasons = reasons.min(usize::from(u16::MAX));
        if reasons != usize::from(record.count) {
            return Err(Breach::ReasonCodeCount(packet));
        }
        let ticket = self.out.exchanges.tables.ticket(record);
        #[cfg(feature = "fast")]
        self.finish(_slot, record);
        #[cfg(not(feature = "fast"))]
        record.finish();
        #[cfg(all(feature = "bytes", not(feature = "fast")))]
        self.store.release_payload(_slot);
        Ok(Some(ticket))
    }

    /// The record of an identifier in use: its slot, and a copy.
    #[cfg(feature = "fast")]
    fn find(&mut self, id: u16) -> Option<(u16, Record)> {
        let parts = self.store.parts();
        let slot = self.out.exchanges.tables.find_id(&parts, id)?;
        Some((slot, *parts.records.get(usize::from(slot))?))
    }

    /// PUBREC has taken a message over: its bytes are freed, and PUBREL is due.
    #[cfg(feature = "fast")]
    fn go_on(&mut self, slot: u16, from: Place, reason: ReasonCode) {
        self.free_block(slot);
        let records = self.store.records();
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.stage = Stage::AwaitPubComp;
            record.set_reason(reason);
        }
        self.releases(slot, from);
    }

    /// PUBREL is due.
    #[cfg(feature = "fast")]
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
    #[cfg(feature = "fast")]
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
    #[cfg(not(feature = "fast"))]
    fn next_ended(&mut self) -> Option<(Ticket, Flags, Result<ReasonCode, GiveUp>)> {
        let (_, record) = oldest(self.store.records(), Place::Ended)?;
        let outcome = match record.stage {
            Stage::Ended(cause) => Err(cause),
            _ => Ok(record.reason()),
        };
        let ticket = self.out.exchanges.tables.ticket(record);
        record.place = Place::Free;
        if record.id != 0 {
            record.stage = Stage::Reserved;
            record.place = Place::Reserved;
        }
        Some((ticket, record.flags, outcome))
    }

    /// The next thing that ended without a packet from the server.
    #[cfg(feature = "fast")]
    pub(crate) fn next_ended(&mut self) -> Option<(Ticket, Flags, Result<ReasonCode, GiveUp>)> {
        let records = self.store.records();
        let tables = &mut self.out.exchanges.tables;
        let slot = tables.first(records, Place::Ended)?;
        let record = records.get_mut(usize::from(slot))?;
        let outcome = match record.stage {
            Stage::Ended(cause) => Err(cause),
            _ => Ok(record.reason()),
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

    /// Tells the next thing that ended without a packet from the server, or by the transport alone;
    /// whether there is any.
    pub(crate) fn tell(&mut self, event: &mut Event<'_>) -> bool {
        let Some((ticket, flags, outcome)) = self.next_ended() else {
            self.out.exchanges.work.done(Work::TELL);
            // This notes more work when there is more of it.
            #[cfg(feature = "fast")]
            if let Some(ticket) = self.next_taken() {
                *event = Event::published(ticket, ReasonCode::SUCCESS);
                return true;
            }
            return false;
        };
        *event = Event::Published {
            ticket,
            outcome,
            // As those of a packet without any: an empty list takes a constant to copy.
            properties: Fields::none().properties(),
        };
        // Of a request there is another word for that.
        if let Err(cause) = outcome
            && flags.has(Flags::REQUEST)
        {
            *event = Event::Unanswered { ticket, cause };
        }
        true
    }

    /// Gives up every message that was never sent and has expired, and finds the next to expire.
    #[cfg(feature = "message-expiry")]
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

    /// Nothing expires.
    #[cfg(not(feature = "message-expiry"))]
    pub(crate) fn expire(&mut self) -> Due {
        Due::NEVER
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
    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub(crate) fn first(&mut self, place: Place) -> Option<u16> {
        #[cfg(not(feature = "fast"))]
        return oldest(self.store.records(), place).map(|(slot, _)| slot);
        #[cfg(feature = "fast")]
        let tables = &self.out.exchanges.tables;
        #[cfg(feature = "fast")]
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
                if record.flags.has(Flags::ON_WIRE) {
                    // It has come. Where that is not made use of, the loop is shorter.
                    due = due.min(self.out.clock.after_any(record.sent_at(), limit));
                }
            }
            due
        }
    }

    /// The transport took `count` of the bytes offered: what it has taken whole is on the wire,
    /// and is stamped with the time.
    #[cfg(not(feature = "fast"))]
    #[inline(never)]
    pub(crate) fn sent(&mut self, count: usize) {
        let line = &mut self.out.line;
        if line.tx.took(count) == 0 {
            return;
        }
        let now = self.out.clock.moment();
        line.last_sent = now;
        line.stalled_since = Alarm::NEVER;
        self.out.exchanges.work.note(Work::PUMP | Work::TAKEN);
        self.end_taken();
        // What is left of QoS 0 has not been taken.
        let tx = &self.out.line.tx;
        for record in self.store.records() {
            if tx.has_taken(record.mark) && record.flags.has(Flags::SENDING) {
                // SUBSCRIBE and UNSUBSCRIBE are not kept for replay. Only a large one, sent from
                // where it is stored, is still there.
                if record.place == Place::Requests {
                    record.flags.clear(Flags::STORED);
                }
                record.mark = now.raw();
                record.flags.now_on_wire();
            }
        }
    }
}

#[cfg(not(feature = "fast"))]
impl<O: OutboundStore> Sending<'_, O> {
    /// Ends the QoS 0 messages that the transport has taken whole, in their order.
    pub(crate) fn end_taken(&mut self) {
        while let Some((_slot, record)) = oldest(self.store.records(), Place::Leaving)
            && self.out.line.tx.has_taken(record.mark)
        {
            self.out.end(record, Stage::EndedWell);
            #[cfg(feature = "bytes")]
            self.store.release_payload(_slot);
        }
    }
}

#[cfg(not(feature = "fast"))]
impl Outbox {
    /// PUBREC has taken a message over: its bytes are freed, and PUBREL is due.
    fn goes_on(&mut self, record: &mut Record, reason: ReasonCode) {
        record.stage = Stage::AwaitPubComp;
        record.set_reason(reason);
        self.releases(record);
    }

    /// PUBREL is due.
    fn releases(&mut self, record: &mut Record) {
        record.flags.past_pubrec();
        // One that was sent before keeps its order.
        if record.place != Place::Released {
            self.exchanges.tables.put_behind(record);
        }
        record.place = Place::Release;
        self.exchanges.work.note(Work::PUMP);
    }
}

#[cfg(feature = "fast")]
impl Outbox {
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
