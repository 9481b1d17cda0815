//! From the queues to the transport: what may leave is written behind what is already leaving.

use crate::event::GiveUp;
use crate::exchanges::{Exchanges, Work};
use crate::id_table;
use crate::sender::{EXPIRY_PREFIX, Outbox, Sending};
use crate::slots::{Flags, Queue, Record, Stage};
use crate::store::OutboundStore;
use crate::stored::Layout;
use crate::transmit::Large;
use mqtt_proto::{Ack, PacketId, PacketType, Properties, QoS, ReasonCode};

/// What became of the record at the front of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It left its queue: the next one may be looked at.
    Moved,
    /// It has to wait for room.
    Blocked,
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Writes what may leave, in this order: PUBREL, what an earlier transport left unfinished,
    /// what no window holds back, new messages as far as the window allows.
    pub(crate) fn pump(&mut self) {
        if !self.out.line.is_up() {
            return;
        }
        let step = self.pump_queues();
        self.out.line.blocked |= step == Step::Blocked || self.out.line.tx.large().is_some();
    }

    fn pump_queues(&mut self) -> Step {
        if self.out.line.tx.large().is_some() {
            return Step::Blocked;
        }
        while let Some(slot) = self.out.exchanges.release.first() {
            if self.send_release(slot) == Step::Blocked {
                return Step::Blocked;
            }
        }
        while let Some(slot) = self.out.exchanges.resume.first()
            && self.out.window_is_open()
        {
            if self.send(slot, Source::Resume) == Step::Blocked {
                return Step::Blocked;
            }
        }
        while let Some(slot) = self.out.exchanges.prompt.first() {
            if self.send(slot, Source::Prompt) == Step::Blocked {
                return Step::Blocked;
            }
        }
        if !self.out.exchanges.resume.is_empty() {
            return Step::Moved;
        }
        while let Some(slot) = self.out.exchanges.queued.first()
            && self.out.window_is_open()
        {
            if self.send(slot, Source::Queued) == Step::Blocked {
                return Step::Blocked;
            }
        }
        Step::Moved
    }

    /// Whether everything that may leave has been written: what is left waits for the server.
    pub(crate) fn is_drained(&self) -> bool {
        let exchanges = &self.out.exchanges;
        let waiting = !exchanges.release.is_empty()
            || !exchanges.prompt.is_empty()
            || (self.out.window_is_open()
                && !(exchanges.resume.is_empty() && exchanges.queued.is_empty()));
        !waiting && self.out.line.tx.large().is_none()
    }

    fn send_release(&mut self, slot: u16) -> Step {
        let Some(record) = self.record(slot) else {
            return Step::Blocked;
        };
        if !self.write_ack(PacketType::PubRel, record.id, ReasonCode::SUCCESS) {
            return Step::Blocked;
        }
        let mark = self.out.line.tx.queued();
        let records = self.store.records();
        self.out.exchanges.release.remove(records, slot);
        self.out.exchanges.released.push_back(records, slot);
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.mark = mark;
            record.flags.set(Flags::SENDING);
        }
        Step::Moved
    }

    /// Writes an acknowledgement in its shortest form; false when there is no room.
    pub(crate) fn write_ack(&mut self, kind: PacketType, id: u16, reason: ReasonCode) -> bool {
        let Some(packet_id) = PacketId::new(id) else {
            return true;
        };
        let len = if reason == ReasonCode::SUCCESS { 4 } else { 5 };
        if !self.has_room(len) {
            return false;
        }
        let Some(out) = self.out.line.tx.room(self.store.transmit(), len) else {
            return false;
        };
        let ack = Ack {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        };
        match ack.encode(kind, self.out.side, out) {
            Ok(written) => self.commit(written),
            // The kinds and reasons used here can all be encoded.
            Err(_) => debug_assert!(false, "an acknowledgement that cannot be encoded"),
        }
        true
    }

    pub(crate) fn record(&mut self, slot: u16) -> Option<Record> {
        self.store.records().get(usize::from(slot)).copied()
    }

    /// Sends the packet at the front of a queue, or gives it up when it may not be sent.
    fn send(&mut self, slot: u16, from: Source) -> Step {
        #[cfg(feature = "fast")]
        {
            let mut parts = self.store.parts();
            if self.out.copy_plainly(slot, &mut parts) {
                let exchanges = &mut self.out.exchanges;
                from.queue(exchanges).pop_front(parts.records);
                exchanges.flight.push_back(parts.records, slot);
                return Step::Moved;
            }
        }
        match self.send_with_care(slot, from) {
            // Nothing is written behind a large packet before that has left.
            Step::Moved if self.out.line.tx.large().is_some() => Step::Blocked,
            step => step,
        }
    }

    fn send_with_care(&mut self, slot: u16, from: Source) -> Step {
        let Some(record) = self.record(slot) else {
            return Step::Blocked;
        };
        let expires = self.expires(&record);
        let seen = record.flags.has(Flags::MAYBE_SEEN);
        let expired = expires.is_some_and(|at| at <= self.out.clock.now);
        let forbidden = if expired && !seen {
            Some(GiveUp::Expired)
        } else {
            self.forbidden(slot, &record)
        };
        if let Some(cause) = forbidden {
            self.leave(slot, from);
            self.give_up(slot, cause);
            return Step::Moved;
        }
        // A server takes an interval of zero for none at all, so one second is the least.
        let left = expires.map(|at| at.whole_secs_since(self.out.clock.now).max(1));
        let acknowledged = record.stage != Stage::AwaitSent;
        let mut id = record.id;
        if acknowledged && id == 0 {
            match self.out.exchanges.assign_id(self.store.ids(), slot) {
                Some(assigned) => id = assigned,
                None => return Step::Blocked,
            }
            if let Some(record) = self.store.records().get_mut(usize::from(slot)) {
                record.id = id;
            }
        }
        if !self.write(slot, &record, id, left) {
            return Step::Blocked;
        }
        self.leave(slot, from);
        let mark = self.out.line.tx.queued();
        let exchange = record.is_exchange();
        let parts = self.store.parts();
        let exchanges = &mut self.out.exchanges;
        match record.stage {
            Stage::AwaitSent => exchanges.leaving.push_back(parts.records, slot),
            Stage::AwaitSubAck | Stage::AwaitUnsubAck => {
                exchanges.requests.push_back(parts.records, slot);
            }
            _ => exchanges.flight.push_back(parts.records, slot),
        }
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            record.mark = mark;
            record.flags.set(Flags::SENDING);
            // SUBSCRIBE and UNSUBSCRIBE are not kept for replay, QoS 0 is not either.
            let large = self
                .out
                .line
                .tx
                .large()
                .is_some_and(|large| large.slot == slot);
            if !exchange && !large && record.flags.has(Flags::STORED) {
                record.flags.clear(Flags::STORED);
                let offset = record.offset;
                self.out.exchanges.arena.free(parts.arena, offset);
            }
        }
        Step::Moved
    }

    fn leave(&mut self, slot: u16, from: Source) {
        let queue = from.queue(&mut self.out.exchanges);
        queue.remove(self.store.records(), slot);
    }

    /// When a stored message expires, if it does.
    pub(crate) fn expires(&mut self, record: &Record) -> Option<crate::Instant> {
        if !record.flags.has(Flags::EXPIRES) || !record.flags.has(Flags::STORED) {
            return None;
        }
        let arena = self.store.arena();
        let at = arena
            .get(record.offset as usize..)?
            .first_chunk::<EXPIRY_PREFIX>()?;
        Some(crate::Instant::from_micros(u64::from_le_bytes(*at)))
    }

    /// Why the limits of this connection forbid a packet, if they do.
    fn forbidden(&mut self, slot: u16, record: &Record) -> Option<GiveUp> {
        let limits = self.out.line.limits;
        let payload = if record.flags.has(Flags::PAYLOAD_APART) {
            self.store.payload(slot).len()
        } else {
            0
        };
        let (start, end) = packet_range(record);
        let len = end.saturating_sub(start).saturating_add(payload);
        if len > limits.maximum_packet_size as usize {
            return Some(GiveUp::TooLarge);
        }
        match record.stage {
            Stage::AwaitSubAck => {
                if record.flags.has(Flags::WILDCARD) && !limits.wildcard_subscription_available {
                    return Some(GiveUp::WildcardsNotSupported);
                }
                if record.flags.has(Flags::SHARED) && !limits.shared_subscription_available {
                    return Some(GiveUp::SharedNotSupported);
                }
                if record.flags.has(Flags::IDENTIFIED) && !limits.subscription_identifier_available
                {
                    return Some(GiveUp::SubscriptionIdentifiersNotSupported);
                }
                None
            }
            Stage::AwaitPubAck if limits.maximum_qos < QoS::AtLeastOnce => {
                Some(GiveUp::QoSNotSupported)
            }
            Stage::AwaitPubRec if limits.maximum_qos < QoS::ExactlyOnce => {
                Some(GiveUp::QoSNotSupported)
            }
            Stage::AwaitSent | Stage::AwaitPubAck | Stage::AwaitPubRec
                if !limits.retain_available =>
            {
                let first = self.store.arena().get(start).copied().unwrap_or(0);
                (first & 1 != 0).then_some(GiveUp::RetainNotSupported)
            }
            _ => None,
        }
    }

    /// Writes a stored packet for the transport: into the transmit buffer, or as a large packet
    /// to be sent from where it is. False when there is no room.
    fn write(&mut self, slot: u16, record: &Record, id: u16, expiry: Option<u32>) -> bool {
        let (start, end) = packet_range(record);
        let len = end.saturating_sub(start);
        let dup = record.flags.has(Flags::MAYBE_SEEN);
        let publish = matches!(
            record.stage,
            Stage::AwaitSent | Stage::AwaitPubAck | Stage::AwaitPubRec
        );
        let apart = record.flags.has(Flags::PAYLOAD_APART);
        if !publish {
            return self.write_request(start, len, id);
        }
        // Prepared where it is stored; what is written here is overwritten by the next
        // transmission.
        let Some(packet) = self.store.arena().get_mut(start..end) else {
            return false;
        };
        let Some(layout) = Layout::of(packet) else {
            return false;
        };
        layout.apply(packet, id, dup, expiry);
        if self.out.line.alias_limit > 0
            && !apart
            && self.write_aliased(slot, (start, end), &layout)
        {
            return true;
        }
        if self.has_room(len) {
            let room = self.out.line.tx.room(self.store.transmit(), len);
            if room.is_none() {
                return false;
            }
            self.copy(start, len);
            if apart {
                let payload = self.store.payload(slot).len();
                if payload > 0 {
                    self.out.line.tx.commit_large(slot, payload, true);
                }
            }
            return true;
        }
        // Too large to wait for room: it is sent from where it lies, behind what is queued.
        let transmit = self.store.transmit().len();
        if apart || len.saturating_add(crate::transmit::RESERVE) <= transmit / 2 {
            return false;
        }
        self.out.line.tx.commit_large(slot, len, false);
        true
    }

    /// Copies stored bytes behind what is queued, where there is room for them.
    fn copy(&mut self, start: usize, len: usize) {
        let parts = self.store.parts();
        if let Some(out) = self.out.line.tx.room(parts.transmit, len)
            && let Some(packet) = start
                .checked_add(len)
                .and_then(|end| parts.arena.get(start..end))
        {
            out.copy_from_slice(packet);
        }
        self.commit(len);
    }

    fn write_request(&mut self, start: usize, len: usize, id: u16) -> bool {
        if !self.has_room(len) {
            return self.write_large_request(start, len, id);
        }
        self.stamp_request(start, id);
        self.copy(start, len);
        true
    }

    /// A request too large for the transmit buffer.
    fn write_large_request(&mut self, start: usize, len: usize, id: u16) -> bool {
        let transmit = self.store.transmit().len();
        if len.saturating_add(crate::transmit::RESERVE) <= transmit / 2 {
            return false;
        }
        let Some(slot) = id_table::find(self.store.ids(), id) else {
            return false;
        };
        self.stamp_request(start, id);
        self.out.line.tx.commit_large(slot, len, false);
        true
    }

    /// Writes the packet identifier behind the fixed header of a SUBSCRIBE or UNSUBSCRIBE.
    fn stamp_request(&mut self, start: usize, id: u16) {
        let arena = self.store.arena();
        let Some(packet) = arena.get_mut(start..) else {
            return;
        };
        let length = packet
            .iter()
            .skip(1)
            .take_while(|byte| **byte & 0x80 != 0)
            .count();
        if let Some(place) = packet.get_mut(length.saturating_add(2)..)
            && let Some(bytes) = place.first_chunk_mut::<2>()
        {
            *bytes = id.to_be_bytes();
        }
    }

    /// Writes a message with a topic alias, where its topic has or gets one, the packet is
    /// within the server's limit, and there is room. The alias is committed with the packet.
    fn write_aliased(&mut self, slot: u16, (start, end): (usize, usize), layout: &Layout) -> bool {
        let Some((alias, with_topic)) = self.choose_alias(start, layout) else {
            return false;
        };
        let parts = self.store.parts();
        let len = parts
            .arena
            .get(start..end)
            .and_then(|packet| layout.aliased_len(packet, with_topic));
        let Some(len) = len.filter(|len| *len <= self.out.line.limits.maximum_packet_size as usize)
        else {
            return false;
        };
        if !self.has_room(len) {
            return false;
        }
        let (from, to) = layout.topic_range(start);
        if with_topic && !self.store.keep_alias(alias, from, to) {
            return false;
        }
        let parts = self.store.parts();
        let Some(packet) = parts.arena.get(start..end) else {
            return false;
        };
        let out = self.out.line.tx.room(parts.transmit, len);
        let written = out.and_then(|out| layout.write_aliased(packet, with_topic, alias, out));
        if written.is_none() {
            return false;
        }
        let how = if with_topic {
            self.out.line.alias_was_set();
            Flags::ALIAS_SET
        } else {
            Flags::ALIAS_ALONE
        };
        if let Some(record) = self.store.records().get_mut(usize::from(slot)) {
            record.flags.set(how);
        }
        self.commit(len);
        true
    }

    /// The alias for a message's topic, and whether the topic has to go with it.
    fn choose_alias(&mut self, start: usize, layout: &Layout) -> Option<(u16, bool)> {
        let (from, to) = layout.topic_range(start);
        if let Some(alias) = self.store.find_alias(self.out.line.aliases_set(), from, to) {
            return Some((alias, false));
        }
        let alias = self.out.line.alias_to_set()?;
        Some((alias, true))
    }

    /// Ends what is in no queue now: it will be told. The identifier of a QoS 2 message that the
    /// server may have seen stays taken.
    pub(crate) fn give_up(&mut self, slot: u16, cause: GiveUp) {
        self.end(slot, Stage::Ended(cause));
    }

    /// Moves what is in no queue to those that have ended, freeing what it held.
    pub(crate) fn end(&mut self, slot: u16, stage: Stage) {
        self.free_block(slot);
        let records = self.store.records();
        let Some(record) = records.get_mut(usize::from(slot)) else {
            return;
        };
        let id = record.id;
        let keeps_id = record.stage == Stage::AwaitPubRec
            && record.flags.has(Flags::MAYBE_SEEN)
            && matches!(
                stage,
                Stage::Ended(
                    GiveUp::TooLarge
                        | GiveUp::QoSNotSupported
                        | GiveUp::RetainNotSupported
                        | GiveUp::Abandoned
                )
            );
        record.stage = stage;
        record.flags.clear(Flags::SENDING);
        record.flags.clear(Flags::ON_WIRE);
        let frees_id = !keeps_id && id != 0;
        if frees_id {
            record.id = 0;
        }
        self.out.exchanges.ended.push_back(records, slot);
        self.out.exchanges.work.note(Work::TELL);
        if frees_id {
            self.out.exchanges.free_id(self.store.ids(), id);
        }
    }

    /// Gives the arena block and the payload of a record back.
    pub(crate) fn free_block(&mut self, slot: u16) {
        let Some(record) = self.store.records().get_mut(usize::from(slot)) else {
            return;
        };
        let apart = record.flags.has(Flags::PAYLOAD_APART);
        record.flags.clear(Flags::PAYLOAD_APART);
        if record.flags.has(Flags::STORED) {
            record.flags.clear(Flags::STORED);
            let offset = record.offset;
            self.out.exchanges.arena.free(self.store.arena(), offset);
        }
        if apart {
            self.store.release_payload(slot);
        }
    }

    /// Which bytes of a large packet are to be offered next: of its arena, or of its payload.
    pub(crate) fn large_range(&mut self, large: &Large) -> (usize, usize) {
        if large.apart {
            return (large.sent(), self.store.payload(large.slot).len());
        }
        match self.record(large.slot) {
            Some(record) => {
                let (start, end) = packet_range(&record);
                (start.saturating_add(large.sent()), end)
            }
            None => (0, 0),
        }
    }
}

/// Which queue a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Resume,
    Prompt,
    Queued,
}

impl Source {
    fn queue(self, exchanges: &mut Exchanges) -> &mut Queue {
        match self {
            Self::Resume => &mut exchanges.resume,
            Self::Prompt => &mut exchanges.prompt,
            Self::Queued => &mut exchanges.queued,
        }
    }
}

impl Outbox {
    /// Whether one more PUBLISH fits the server's Receive Maximum (MQTT-3.3.4-7). An exchange
    /// past PUBREC counts until PUBCOMP, also when it began on an earlier connection: servers
    /// count it so.
    #[inline]
    pub(crate) fn window_is_open(&self) -> bool {
        self.exchanges.open() < self.line.limits.receive_maximum
    }
}

/// Where in the arena the packet of a record lies, behind the moment it expires.
pub(crate) fn packet_range(record: &Record) -> (usize, usize) {
    let prefix = if record.flags.has(Flags::EXPIRES) {
        EXPIRY_PREFIX
    } else {
        0
    };
    let start = (record.offset as usize).saturating_add(prefix);
    (start, start.saturating_add(record.len as usize))
}
