//! How exchanges go on and end: by the transport, by acknowledgements, by expiry.

use crate::event::{GiveUp, Ticket};
use crate::exchanges::{Exchanges, Work};
use crate::id_table;
use crate::instant::{Instant, Stamp};
use crate::line::ACK_DUE_UNKNOWN;
use crate::sender::{Outbox, Sending};
use crate::slots::{Flags, Queue, Record, Stage, Wire};
use crate::store::OutboundStore;
use crate::transmit::Transmit;
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

impl<O: OutboundStore> Sending<'_, O> {
    /// The next QoS 0 message that the transport has taken whole.
    pub(crate) fn next_taken(&mut self) -> Option<Ticket> {
        if let Some(slot) = self.out.exchanges.leaving.first()
            && let Some(record) = self.record(slot)
            && self.out.line.tx.has_taken(record.mark)
        {
            self.free_block(slot);
        }
        self.out.tell_taken(self.store.records())
    }

    /// PUBACK, PUBREC or PUBCOMP came in.
    ///
    /// What each does to each stage is this one table; a packet for an identifier that is not in
    /// use, or whose own packet has not left yet, changes nothing; nor does one that is wrong.
    #[cfg_attr(feature = "fast", inline(never))]
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
                    let records = self.store.records();
                    let oldest = self.out.exchanges.released.remove(records, slot);
                    self.out.answered(oldest, records);
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
        self.leave_wire(slot, record);
        self.free_block(slot);
        let records = self.store.records();
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.stage = Stage::AwaitPubComp;
            record.reason = reason;
            record.flags.past_pubrec();
        }
        self.out.exchanges.release.push_back(records, slot);
        self.out.exchanges.work.note(Work::PUMP);
    }

    /// Takes a settled record out and frees all it held.
    fn finish(&mut self, slot: u16, at: usize, record: &Record) {
        self.leave_wire(slot, record);
        self.free_block(slot);
        let parts = self.store.parts();
        self.out.exchanges.free_id_at(parts.ids, at);
        self.out.exchanges.slots.give_back(parts.records, slot);
        self.out.window_is_wider();
    }

    /// Takes a record that is answered out of its queue: that of the wire, or of what was sent
    /// over an earlier transport and is not sent again any more.
    fn leave_wire(&mut self, slot: u16, record: &Record) {
        let records = self.store.records();
        let exchanges = &mut self.out.exchanges;
        let on_wire = record.flags.has(Flags::ON_WIRE);
        let oldest = match record.stage {
            Stage::AwaitSubAck | Stage::AwaitUnsubAck => exchanges.requests.remove(records, slot),
            Stage::AwaitPubComp if on_wire => exchanges.released.remove(records, slot),
            _ if on_wire => exchanges.flight.remove(records, slot),
            Stage::AwaitPubComp => {
                exchanges.release.remove(records, slot);
                false
            }
            _ => {
                exchanges.resume.remove(records, slot);
                false
            }
        };
        self.out.answered(oldest, records);
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
        if self.out.line.ack_due == ACK_DUE_UNKNOWN {
            self.out.look_up_ack_due(self.store.records());
        }
        self.out.line.ack_due
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
    /// The transport took `len` of the bytes offered. Whether that may have completed anything.
    #[inline]
    pub(crate) fn was_taken(&mut self, len: usize) -> bool {
        if self.line.tx.took(len) == 0 {
            return false;
        }
        self.line.last_sent = self.clock.now;
        self.line.stalled_since = Instant::NEVER;
        let exchanges = &mut self.exchanges;
        if self.line.blocked {
            exchanges.work.note(Work::PUMP);
        }
        if exchanges.is_moving() {
            return true;
        }
        if self.line.tx.is_empty() && !exchanges.leaving.is_empty() {
            exchanges.work.note(Work::TAKEN);
            return false;
        }
        !exchanges.leaving.is_empty()
    }

    /// What the transport has taken whole is on the wire, and is stamped with the time. A request
    /// that is not kept any longer.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn move_on(&mut self, records: &mut [Record]) -> Option<u16> {
        let exchanges = &mut self.exchanges;
        let tx = &self.line.tx;
        let now = self.clock.now;
        let stamp = now.stamp();
        let mut last = take_up(&mut exchanges.flight, records, tx, stamp);
        if exchanges.released.untaken().is_some() {
            last = take_up(&mut exchanges.released, records, tx, stamp).or(last);
        }
        let mut request = None;
        if exchanges.requests.untaken().is_some() {
            request = take_up(&mut exchanges.requests, records, tx, stamp);
        }
        if !exchanges.leaving.is_empty() {
            exchanges.note_taken(records, tx);
        }
        // What was sent earlier is due earlier.
        if self.line.ack_due == Instant::NEVER && last.or(request).is_some() {
            let due = now.plus_millis(self.config.ack_timeout);
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
        let slot = exchanges.leaving.first()?;
        let record = records.get_mut(usize::from(slot))?;
        if record.flags.holds() || !self.line.tx.has_taken(record.mark) {
            return None;
        }
        let ticket = Ticket(record.ticket);
        exchanges.leaving.pop_front(records);
        exchanges.slots.give_back(records, slot);
        exchanges.work.done(Work::TAKEN);
        if !exchanges.leaving.is_empty() {
            exchanges.note_taken(records, &self.line.tx);
        }
        Some(ticket)
    }

    /// Something was answered; when it was the oldest on its wire, another one has been
    /// unanswered longest.
    #[inline]
    pub(crate) fn answered(&mut self, oldest: bool, records: &[Record]) {
        let exchanges = &self.exchanges;
        let others = exchanges.released.oldest().or(exchanges.requests.oldest());
        let next = match (exchanges.flight.oldest(), others) {
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
                .deadline(self.config.ack_timeout, self.clock.now),
            None => ACK_DUE_UNKNOWN,
        };
    }

    /// Looks up when the longest unanswered packet should have been answered.
    #[inline]
    pub(crate) fn look_up_ack_due(&mut self, records: &[Record]) {
        let now = self.clock.now;
        let limit = self.config.ack_timeout;
        let exchanges = &self.exchanges;
        let mut due = Instant::NEVER;
        for wire in [&exchanges.flight, &exchanges.released, &exchanges.requests] {
            if let Some(slot) = wire.oldest()
                && let Some(record) = records.get(usize::from(slot))
            {
                due = due.min(record.sent_at().deadline(limit, now));
            }
        }
        self.line.ack_due = due;
    }

    /// The window is wider by one, and an identifier is free.
    #[inline]
    pub(crate) fn window_is_wider(&mut self) {
        let waits = !(self.exchanges.queued.is_empty() && self.exchanges.resume.is_empty());
        if waits || self.line.blocked {
            self.exchanges.work.note(Work::PUMP);
        }
    }
}

impl Exchanges {
    /// Notes that there is a QoS 0 message to tell, if the transport has taken it whole.
    #[inline]
    fn note_taken(&mut self, records: &[Record], tx: &Transmit) {
        if let Some(slot) = self.leaving.first()
            && let Some(record) = records.get(usize::from(slot))
            && tx.has_taken(record.mark)
        {
            self.work.note(Work::TAKEN);
        }
    }
}

/// What the transport has taken whole goes on to what is on the wire; the last of it.
#[cfg_attr(feature = "fast", inline(always))]
fn take_up(wire: &mut Wire, records: &mut [Record], tx: &Transmit, now: Stamp) -> Option<u16> {
    let mut last = None;
    while let Some(slot) = wire.untaken()
        && let Some(record) = records.get_mut(usize::from(slot))
        && tx.has_taken(record.mark)
    {
        record.flags.now_on_wire();
        record.mark = now.raw();
        wire.advance(Queue::after(records, slot));
        last = Some(slot);
    }
    last
}
