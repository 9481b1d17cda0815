//! How exchanges go on and end: by the transport, by acknowledgements, by a cut.

use crate::config::Lost;
use crate::event::{GiveUp, Ticket};
use crate::exchanges::{Exchanges, Work};
use crate::id_table;
use crate::instant::Instant;
use crate::line::{ACK_DUE_UNKNOWN, Line};
use crate::pump::packet_range;
use crate::sender::{Outbox, Sender};
use crate::slots::{Flags, Queue, Record, Stage};
use crate::stored::Layout;
use crate::violation::Violation;
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
    /// It has to wait: there is no room for what it would be answered with.
    NoRoom,
    /// PUBREC for an identifier that is not in use: it wants PUBREL 0x92.
    Unknown,
}

impl Sender<'_> {
    /// The transport took `len` of the bytes offered.
    pub(crate) fn sent(&mut self, len: usize) {
        if self.out.line.tx.took(len) == 0 {
            return;
        }
        let now = self.out.clock.now;
        self.out.line.last_sent = now;
        self.out.line.stalled_since = now;
        if self.out.line.blocked {
            self.out.exchanges.work.note(Work::PUMP);
        }
        self.move_on();
    }

    /// Moves on what the transport has taken whole, up to a QoS 0 message: that is settled, and
    /// is to be told first.
    fn move_on(&mut self) {
        while let Some(slot) = self.out.exchanges.sending.first() {
            let out = &mut *self.out;
            let records = self.store.records();
            let Some(record) = records.get_mut(usize::from(slot)) else {
                return;
            };
            if !out.line.tx.has_taken(record.mark) {
                return;
            }
            // What was sent earlier is due earlier.
            let first = !out.exchanges.awaits_answer();
            let (queue, exchange) = match record.stage {
                Stage::AwaitPubAck | Stage::AwaitPubRec => (&mut out.exchanges.flight, true),
                Stage::AwaitPubComp => (&mut out.exchanges.released, true),
                Stage::AwaitSubAck | Stage::AwaitUnsubAck => (&mut out.exchanges.requests, false),
                Stage::AwaitSent | Stage::Ended(_) | Stage::EndedWell | Stage::Reserved => {
                    out.exchanges.work.note(Work::TELL);
                    return;
                }
            };
            record.flags.now_on_wire();
            record.mark = out.clock.now.stamp().raw();
            out.exchanges.sending.pop_front(records);
            queue.push_back(records, slot);
            if first {
                let due = out.clock.now.plus_millis(out.config.ack_timeout);
                out.line.ack_due = due;
                out.clock.arm(due);
            }
            if exchange {
                out.line.sending_exchanges = out.line.sending_exchanges.saturating_sub(1);
            } else {
                // SUBSCRIBE and UNSUBSCRIBE are not kept for replay.
                self.free_block(slot);
            }
        }
    }

    /// The next QoS 0 message that the transport has taken whole.
    pub(crate) fn next_taken(&mut self) -> Option<Ticket> {
        let slot = self.out.exchanges.sending.first()?;
        let records = self.store.records();
        let record = records.get(usize::from(slot))?;
        if record.stage != Stage::AwaitSent || !self.out.line.tx.has_taken(record.mark) {
            return None;
        }
        let ticket = Ticket(record.ticket);
        let holds = record.flags.has(Flags::STORED) || record.flags.has(Flags::PAYLOAD_APART);
        self.out.exchanges.sending.pop_front(records);
        if holds {
            self.free_block(slot);
        }
        self.out
            .exchanges
            .slots
            .give_back(self.store.records(), slot);
        self.move_on();
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
    ) -> Result<Answer, Violation> {
        let Some((slot, at, record)) = self.find(id) else {
            return Ok(match packet {
                PacketType::PubRec => Answer::Unknown,
                _ => Answer::Unsolicited,
            });
        };
        if record.flags.has(Flags::SENDING) || !record.flags.has(Flags::MAYBE_SEEN) {
            return Ok(Answer::Unsolicited);
        }
        let ticket = Ticket(record.ticket);
        match (record.stage, packet) {
            (Stage::AwaitPubAck, PacketType::PubAck) => {
                self.finish(slot, at, &record);
                Ok(Answer::Settled(ticket, reason))
            }
            (Stage::AwaitPubRec, PacketType::PubRec) if reason.is_failure() => {
                self.finish(slot, at, &record);
                Ok(Answer::Settled(ticket, reason))
            }
            (Stage::AwaitPubRec, PacketType::PubRec) => {
                self.go_on(slot, &record, reason);
                Ok(Answer::Continues(ticket, reason))
            }
            // PUBREC again, after PUBREL: PUBREL again (section 4.3.3).
            (Stage::AwaitPubComp, PacketType::PubRec) if !reason.is_failure() => {
                if record.flags.has(Flags::ON_WIRE) {
                    self.out.line.ack_due = ACK_DUE_UNKNOWN;
                    let records = self.store.records();
                    self.out.exchanges.released.remove(records, slot);
                    if let Some(record) = records.get_mut(usize::from(slot)) {
                        record.flags.clear(Flags::ON_WIRE);
                    }
                    self.out.exchanges.release.push_back(records, slot);
                    self.out.exchanges.work.note(Work::PUMP);
                }
                Ok(Answer::Quiet)
            }
            (Stage::AwaitPubComp, PacketType::PubRec) => Err(Violation::OutOfOrder(packet)),
            (Stage::AwaitPubComp, PacketType::PubComp) => {
                self.finish(slot, at, &record);
                Ok(Answer::Settled(ticket, record.reason))
            }
            // Given up here because of the server's limits, while it still held the message.
            (Stage::Reserved | Stage::Ended(_), PacketType::PubRec) if !reason.is_failure() => {
                Ok(Answer::Unknown)
            }
            (Stage::Reserved | Stage::Ended(_) | Stage::EndedWell, _) => Ok(Answer::Unsolicited),
            _ => Err(Violation::WrongAcknowledgement(packet)),
        }
    }

    /// SUBACK or UNSUBACK came in with this many reason codes.
    pub(crate) fn answered(
        &mut self,
        packet: PacketType,
        id: u16,
        reasons: usize,
    ) -> Result<Option<Ticket>, Violation> {
        let Some((slot, at, record)) = self.find(id) else {
            return Ok(None);
        };
        match (record.stage, packet) {
            (Stage::AwaitSubAck, PacketType::SubAck)
            | (Stage::AwaitUnsubAck, PacketType::UnsubAck) => {
                if !record.flags.has(Flags::ON_WIRE) {
                    return Ok(None);
                }
                // What is kept of the count stops at 65,535.
                if u16::try_from(reasons).unwrap_or(u16::MAX) != record.count {
                    return Err(Violation::ReasonCodeCount(packet));
                }
                self.finish(slot, at, &record);
                Ok(Some(Ticket(record.ticket)))
            }
            _ => Err(Violation::WrongAcknowledgement(packet)),
        }
    }

    /// The record of an identifier in use: its slot, its place in the table, and a copy.
    fn find(&mut self, id: u16) -> Option<(u16, usize, Record)> {
        let parts = self.store.parts();
        let (at, slot) = id_table::locate(parts.ids, id)?;
        let record = parts.records.get(usize::from(slot))?;
        Some((slot, at, *record))
    }

    /// PUBREC has taken a message over: its bytes are freed, and PUBREL is due.
    fn go_on(&mut self, slot: u16, record: &Record, reason: ReasonCode) {
        let parts = self.store.parts();
        queue_of(&mut self.out.exchanges, record).remove(parts.records, slot);
        self.out.look_for_next_answer();
        if record.flags.has(Flags::STORED) {
            self.out.exchanges.arena.free(parts.arena, record.offset);
        }
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            record.stage = Stage::AwaitPubComp;
            record.reason = reason;
            record.flags.past_pubrec();
        }
        self.out.exchanges.release.push_back(parts.records, slot);
        if record.flags.has(Flags::PAYLOAD_APART) {
            self.store.release_payload(slot);
        }
        self.release(slot);
    }

    /// Takes a settled record out and frees all it held.
    fn finish(&mut self, slot: u16, at: usize, record: &Record) {
        let parts = self.store.parts();
        queue_of(&mut self.out.exchanges, record).remove(parts.records, slot);
        self.out.look_for_next_answer();
        if record.flags.has(Flags::STORED) {
            self.out.exchanges.arena.free(parts.arena, record.offset);
        }
        self.out.exchanges.free_id_at(parts.ids, at);
        self.out.exchanges.slots.give_back(parts.records, slot);
        // The window is wider by one, and an identifier is free.
        let waits = !(self.out.exchanges.queued.is_empty() && self.out.exchanges.resume.is_empty());
        if waits || self.out.line.blocked {
            self.out.exchanges.work.note(Work::PUMP);
        }
        if record.flags.has(Flags::PAYLOAD_APART) {
            self.store.release_payload(slot);
        }
    }

    /// The next thing that ended without a packet from the server.
    pub(crate) fn next_ended(&mut self) -> Option<(Ticket, Flags, Result<ReasonCode, GiveUp>)> {
        let slot = self.out.exchanges.ended.first()?;
        let records = self.store.records();
        self.out.exchanges.ended.remove(records, slot);
        let record = records.get_mut(usize::from(slot))?;
        let outcome = match record.stage {
            Stage::Ended(cause) => Err(cause),
            _ => Ok(record.reason),
        };
        let told = (Ticket(record.ticket), record.flags, outcome);
        if record.id == 0 {
            self.out.exchanges.slots.give_back(records, slot);
        } else {
            record.stage = Stage::Reserved;
            self.out.exchanges.reserved.push_back(records, slot);
        }
        Some(told)
    }

    /// The transport is gone: what outlives it is put back into order, the rest is settled.
    /// `accepted`: whether the server had accepted the connection.
    pub(crate) fn cut(&mut self, accepted: bool) {
        let line = core::mem::replace(&mut self.out.line, Line::new(self.out.clock.now));
        self.sort_out_sending(&line);
        let records = self.store.records();
        for queue in [self.out.exchanges.flight, self.out.exchanges.released] {
            let mut at = queue.first();
            while let Some(slot) = at {
                at = Queue::after(records, slot);
                if let Some(record) = records.get_mut(usize::from(slot)) {
                    record.flags.clear(Flags::ON_WIRE);
                    record.flags.clear(Flags::ALIAS_SET);
                    record.flags.clear(Flags::ALIAS_ALONE);
                }
            }
        }
        let exchanges = &mut self.out.exchanges;
        let mut later = core::mem::replace(&mut exchanges.resume, exchanges.flight);
        exchanges.flight = Queue::EMPTY;
        exchanges.resume.append(records, &mut later);
        let mut later = core::mem::replace(&mut exchanges.release, exchanges.released);
        exchanges.released = Queue::EMPTY;
        exchanges.release.append(records, &mut later);
        while let Some(slot) = self.out.exchanges.requests.pop_front(self.store.records()) {
            self.give_up(slot, GiveUp::ConnectionLost);
        }
        if accepted {
            while let Some(slot) = self.out.exchanges.prompt.pop_front(self.store.records()) {
                self.give_up(slot, GiveUp::ConnectionLost);
            }
        }
    }

    /// What was written for the transport but not taken whole: what it may have begun to send
    /// joins what was sent, what it did not touch goes back to where it came from.
    fn sort_out_sending(&mut self, line: &Line) {
        let mut untouched = Queue::EMPTY;
        let mut unreleased = Queue::EMPTY;
        let mut again = Queue::EMPTY;
        while let Some(slot) = self.out.exchanges.sending.pop_front(self.store.records()) {
            let written = self.written_len(slot);
            let records = self.store.records();
            let Some(record) = records.get_mut(usize::from(slot)) else {
                continue;
            };
            let begun = line.tx.has_begun(record.mark, written);
            let mark = record.mark;
            record.flags.clear(Flags::SENDING);
            record.flags.clear(Flags::ALIAS_SET);
            record.flags.clear(Flags::ALIAS_ALONE);
            let seen = record.flags.has(Flags::MAYBE_SEEN);
            match record.stage {
                Stage::AwaitPubComp => unreleased.push_back(records, slot),
                // In the order of sending, those that were sent before as well: all of them were
                // written ahead of what is new.
                Stage::AwaitPubAck | Stage::AwaitPubRec if begun => {
                    record.flags.set(Flags::MAYBE_SEEN);
                    self.out.exchanges.flight.push_back(records, slot);
                }
                Stage::AwaitPubAck | Stage::AwaitPubRec if seen => again.push_back(records, slot),
                Stage::AwaitPubAck | Stage::AwaitPubRec => {
                    let id = core::mem::take(&mut record.id);
                    untouched.push_back(records, slot);
                    let parts = self.store.parts();
                    self.out.exchanges.free_id(parts.ids, id);
                }
                // Taken whole, although that has not been told yet.
                Stage::AwaitSent if line.tx.has_taken(mark) => self.end(slot, Stage::EndedWell),
                _ => self.give_up(slot, GiveUp::ConnectionLost),
            }
        }
        let records = self.store.records();
        again.append(records, &mut self.out.exchanges.resume);
        self.out.exchanges.resume = again;
        unreleased.append(records, &mut self.out.exchanges.release);
        self.out.exchanges.release = unreleased;
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
        let whole = (record.len as usize).saturating_add(self.store.payload(slot).len());
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

    /// Gives up every message that was never sent and has expired, and finds the next to expire.
    pub(crate) fn expire(&mut self) {
        let mut next = Instant::NEVER;
        for prompt in [false, true] {
            let mut at = if prompt {
                self.out.exchanges.prompt.first()
            } else {
                self.out.exchanges.queued.first()
            };
            while let Some(slot) = at {
                at = Queue::after(self.store.records(), slot);
                let Some(record) = self.record(slot) else {
                    break;
                };
                let Some(expires) = self.expires(&record) else {
                    continue;
                };
                if expires > self.out.clock.now {
                    next = next.min(expires);
                    continue;
                }
                let records = self.store.records();
                if prompt {
                    self.out.exchanges.prompt.remove(records, slot);
                } else {
                    self.out.exchanges.queued.remove(records, slot);
                }
                self.give_up(slot, GiveUp::Expired);
            }
        }
        // Message Expiry Interval counts seconds: looking once a second is often enough, and
        // bounds what many messages that expire one after the other cost.
        let soonest = self.out.clock.now.plus_secs(1);
        self.out.exchanges.next_expiry = if next == Instant::NEVER {
            next
        } else {
            next.max(soonest)
        };
    }

    /// Gives up one publish, subscribe or unsubscribe that has not been settled; false when
    /// there is none with this ticket.
    pub(crate) fn abandon(&mut self, ticket: Ticket) -> bool {
        for place in Place::ALL {
            let mut at = place.queue(&mut self.out.exchanges).first();
            while let Some(slot) = at {
                let records = self.store.records();
                at = Queue::after(records, slot);
                let found = records
                    .get(usize::from(slot))
                    .is_some_and(|record| record.ticket == ticket.0);
                if found {
                    let mut queue = *place.queue(&mut self.out.exchanges);
                    queue.remove(records, slot);
                    *place.queue(&mut self.out.exchanges) = queue;
                    self.give_up(slot, GiveUp::Abandoned);
                    return true;
                }
            }
        }
        false
    }

    /// When the longest unanswered packet should have been answered.
    pub(crate) fn ack_deadline(&mut self) -> Instant {
        if self.out.line.ack_due != ACK_DUE_UNKNOWN {
            return self.out.line.ack_due;
        }
        let now = self.out.clock.now;
        let limit = self.out.config.ack_timeout;
        let exchanges = &self.out.exchanges;
        let oldest = [exchanges.flight, exchanges.released, exchanges.requests];
        let records = self.store.records();
        let mut deadline = Instant::NEVER;
        for queue in oldest {
            if !queue.is_empty()
                && let Some(record) = queue
                    .first()
                    .and_then(|slot| records.get(usize::from(slot)))
            {
                deadline = deadline.min(record.sent_at().deadline(limit, now));
            }
        }
        self.out.line.ack_due = deadline;
        deadline
    }
}

/// The queues of what can be given up on the application's wish: what was never sent, and what
/// is not being sent again now.
#[derive(Clone, Copy)]
enum Place {
    Queued,
    Prompt,
    Resume,
}

impl Place {
    const ALL: [Self; 3] = [Self::Queued, Self::Prompt, Self::Resume];

    fn queue(self, exchanges: &mut Exchanges) -> &mut Queue {
        match self {
            Self::Queued => &mut exchanges.queued,
            Self::Prompt => &mut exchanges.prompt,
            Self::Resume => &mut exchanges.resume,
        }
    }
}

impl Outbox {
    /// What was answered may have been unanswered longest.
    fn look_for_next_answer(&mut self) {
        self.line.ack_due = if self.exchanges.awaits_answer() {
            ACK_DUE_UNKNOWN
        } else {
            Instant::NEVER
        };
    }
}

/// The queue that a sent record is in, by its stage and by how far it has come.
fn queue_of<'e>(exchanges: &'e mut Exchanges, record: &Record) -> &'e mut Queue {
    let on_wire = record.flags.has(Flags::ON_WIRE);
    match record.stage {
        Stage::AwaitPubComp if on_wire => &mut exchanges.released,
        Stage::AwaitPubComp => &mut exchanges.release,
        Stage::AwaitSubAck | Stage::AwaitUnsubAck => &mut exchanges.requests,
        _ if on_wire => &mut exchanges.flight,
        _ => &mut exchanges.resume,
    }
}
