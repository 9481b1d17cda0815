//! From the queues to the transport: what may leave is written behind what is already leaving.

use crate::event::GiveUp;
use crate::exchanges::Work;
#[cfg(feature = "message-expiry")]
use crate::instant::Instant;
use crate::receipt::{PUBREL, Receipt};
use crate::record::{Flags, Place, Record, Stage};
use crate::sender::{EXPIRY_PREFIX, Outbox, Sending};
use crate::store::OutboundStore;
use crate::stored::stamp;
use crate::transmit::RESERVE;
use mqtt_proto::ReasonCode;

/// In which order what waits leaves: PUBREL, what an earlier transport left unfinished, what no
/// window holds back, new messages as far as the window allows.
const ORDER: [Place; 4] = [Place::Release, Place::Resume, Place::Prompt, Place::Queued];

impl<O: OutboundStore> Sending<'_, O> {
    /// Writes what may leave, in its order, while application packets may. Whether that is all:
    /// what is left waits for the server.
    pub(crate) fn pump(&mut self) -> bool {
        // Nothing is written behind a large packet before that has left.
        while !self.out.line.tx.large().is_some() {
            let Some((slot, place)) = self.next_to_leave() else {
                return true;
            };
            if !self.send(slot, place) {
                break;
            }
        }
        self.out.line.set_blocked(true);
        false
    }

    /// The record that is to leave next, and where it is.
    fn next_to_leave(&mut self) -> Option<(u16, Place)> {
        for &place in &ORDER {
            let Some(slot) = self.first(place) else {
                continue;
            };
            let windowed = place == Place::Resume || place == Place::Queued;
            if !windowed || self.out.window_is_open(self.store.records()) {
                return Some((slot, place));
            }
        }
        None
    }

    /// A record was written for the transport, which has not taken it yet.
    fn moves(&mut self, slot: u16, #[cfg(feature = "fast")] from: Place, to: Place) {
        let mark = self.out.line.tx.queued();
        let records = self.store.records();
        #[cfg(feature = "fast")]
        self.out.exchanges.tables.shift(records, slot, from, to);
        if let Some(record) = records.get_mut(usize::from(slot)) {
            #[cfg(not(feature = "fast"))]
            {
                record.place = to;
            }
            record.mark = mark;
            record.flags.set(Flags::SENDING);
        }
    }

    /// Writes an acknowledgement with this first byte in its shortest form; false when there is no
    /// room.
    #[inline(never)]
    pub(crate) fn write_ack(&mut self, first: u8, receipt: Receipt) -> bool {
        let rest = match receipt.reason {
            ReasonCode::SUCCESS => 2u32,
            _ => 3,
        };
        let head = u32::from(first) << 24 | rest << 16 | u32::from(receipt.id);
        let packet = u64::from(receipt.reason.value()) << 32 | u64::from(head.swap_bytes());
        let packet = packet.to_le_bytes();
        let len = (rest as usize).wrapping_add(2);
        let packet = packet.get(..len).unwrap_or_default();
        self.grow_for(len);
        let tx = &mut self.out.line.tx;
        tx.append(self.store.transmit(), packet)
    }

    #[cfg(any(
        feature = "fast",
        feature = "bytes",
        feature = "draw",
        feature = "message-expiry",
        feature = "topic-alias"
    ))]
    pub(crate) fn record(&mut self, slot: u16) -> Option<Record> {
        self.store.records().get(usize::from(slot)).copied()
    }

    /// Sends the packet that is next in a place, or gives it up when it may not be sent. False
    /// when it has to wait for room.
    fn send(&mut self, slot: u16, from: Place) -> bool {
        #[cfg(feature = "fast")]
        if from != Place::Release {
            let mut parts = self.store.parts();
            if self.out.copy_plainly(slot, &mut parts) {
                let tables = &mut self.out.exchanges.tables;
                tables.shift(parts.records, slot, from, Place::Flight);
                return true;
            }
        }
        let Some(record) = self.store.records().get(usize::from(slot)) else {
            return false;
        };
        let record = *record;
        let written = if from == Place::Release {
            let receipt = Receipt {
                id: record.id,
                ..Receipt::FREE
            };
            self.write_ack(PUBREL, receipt)
        } else {
            #[cfg(feature = "message-expiry")]
            let expires = self.expires(&record);
            let apart = self.payload_len(slot, &record);
            #[cfg_attr(not(feature = "fast"), expect(unused_mut))]
            let mut flags = record.flags;
            #[cfg(feature = "fast")]
            if self
                .store
                .arena()
                .get(packet_range(&record).0)
                .is_some_and(|first| first & 1 != 0)
            {
                // Of other packets than PUBLISH the first byte has that bit clear.
                flags.set(Flags::RETAIN);
            }
            let len = record.len().saturating_add(apart.unwrap_or(0));
            let forbidden = self.out.line.forbids(record.stage, flags, len);
            #[cfg(feature = "message-expiry")]
            let forbidden = if expires.is_some_and(|at| at <= self.out.clock.now)
                && !record.flags.has(Flags::MAYBE_SEEN)
            {
                Some(GiveUp::Expired)
            } else {
                forbidden
            };
            if let Some(cause) = forbidden {
                self.end(slot, from, Stage::Ended(cause));
                return true;
            }
            if record.stage != Stage::AwaitSent && record.id == 0 {
                let mut parts = self.store.parts();
                let id = self.out.exchanges.tables.assign_id(&mut parts, slot);
                if id.is_none() {
                    return false;
                }
            }
            // A server takes an interval of zero for none at all, so one second is the least.
            #[cfg(feature = "message-expiry")]
            let left = expires.map(|at| at.secs_from(self.out.clock.now).max(1));
            #[cfg(not(feature = "message-expiry"))]
            let left = None;
            self.write(slot, apart, left)
        };
        if !written {
            return false;
        }
        let to = match from {
            Place::Release => Place::Released,
            Place::Prompt if record.stage == Stage::AwaitSent => Place::Leaving,
            Place::Prompt => Place::Requests,
            _ => Place::Flight,
        };
        self.moves(
            slot,
            #[cfg(feature = "fast")]
            from,
            to,
        );
        // SUBSCRIBE and UNSUBSCRIBE are not kept for replay, QoS 0 is not either.
        if from == Place::Prompt && !self.out.line.tx.large().is_some() {
            self.free_block(slot);
        }
        true
    }

    /// How much of a message is not in the arena: its payload, where only its header is.
    pub(crate) fn payload_len(&mut self, slot: u16, record: &Record) -> Option<usize> {
        #[cfg(feature = "draw")]
        if record.flags.has(Flags::DRAWN) {
            return Some(self.drawn_len(record));
        }
        #[cfg(feature = "bytes")]
        if record.flags.has(Flags::PAYLOAD_APART) {
            return Some(self.store.payload(slot).len());
        }
        let _ = (slot, record);
        None
    }

    /// When a stored message expires, if it does.
    #[cfg(feature = "message-expiry")]
    pub(crate) fn expires(&mut self, record: &Record) -> Option<Instant> {
        if !record.flags.has(Flags::EXPIRES) || !record.flags.has(Flags::STORED) {
            return None;
        }
        let arena = self.store.arena();
        let at = arena
            .get(record.offset()..)?
            .first_chunk::<EXPIRY_PREFIX>()?;
        Some(Instant::from_micros(u64::from_le_bytes(*at)))
    }

    /// Writes a stored packet for the transport, of a message that expires with the seconds that are
    /// left: into the transmit buffer, or as a large packet to be sent from where it is. False when
    /// there is no room.
    fn write(&mut self, slot: u16, apart: Option<usize>, left: Option<u32>) -> bool {
        let parts = self.store.parts();
        let Some(record) = parts.records.get(usize::from(slot)) else {
            return false;
        };
        let (start, end) = packet_range(record);
        let Some(packet) = parts.arena.get_mut(start..end) else {
            return false;
        };
        stamp(packet, record, left);
        #[cfg(feature = "topic-alias")]
        if apart.is_none()
            && self.record(slot).is_some_and(|r| r.stage.is_publish())
            && let Some(written) = self.write_aliased(slot, (start, end))
        {
            return written;
        }
        let len = end.wrapping_sub(start);
        self.grow_for(len);
        let parts = self.store.parts();
        let Some(packet) = parts.arena.get(start..end) else {
            return false;
        };
        if self.out.line.tx.append(parts.transmit, packet) {
            if let Some(payload) = apart.filter(|len| *len > 0) {
                self.queue_payload(slot, payload);
            }
            return true;
        }
        // Too large to wait for room: it is sent from where it lies, behind what is queued.
        let transmit = self.store.transmit().len();
        if apart.is_some() || len.saturating_add(RESERVE) <= transmit / 2 {
            return false;
        }
        self.out.line.tx.commit_large(slot, len, false);
        true
    }

    /// Queues the payload of a message whose header is queued.
    fn queue_payload(&mut self, slot: u16, len: usize) {
        #[cfg(feature = "draw")]
        if self
            .record(slot)
            .is_some_and(|record| record.flags.has(Flags::DRAWN))
        {
            self.out.line.tx.begin_drawing(slot, len);
            return;
        }
        self.out.line.tx.commit_large(slot, len, true);
    }

    /// Ends what is in a place with this cause: it will be told.
    pub(crate) fn give_up(&mut self, slot: u16, from: Place, cause: GiveUp) {
        self.end(slot, from, Stage::Ended(cause));
    }

    /// Moves a record to those that have ended, freeing what it held. The identifier of a QoS 2
    /// message that the server may have seen stays taken.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn end(&mut self, slot: u16, _from: Place, stage: Stage) {
        if let Some(record) = self.store.records().get_mut(usize::from(slot)) {
            self.out.end(record, stage);
        }
        #[cfg(feature = "bytes")]
        self.store.release_payload(slot);
    }

    /// Moves a record to those that have ended, freeing what it held. The identifier of a QoS 2
    /// message that the server may have seen stays taken.
    #[cfg(feature = "fast")]
    #[inline(never)]
    pub(crate) fn end(&mut self, slot: u16, from: Place, stage: Stage) {
        self.free_block(slot);
        let mut parts = self.store.parts();
        let Some(record) = parts.records.get_mut(usize::from(slot)) else {
            return;
        };
        // Where the session is lost, it is free again.
        let keeps_id = record.stage == Stage::AwaitPubRec && record.flags.has(Flags::MAYBE_SEEN);
        record.stage = stage;
        record.flags.forget_transport();
        let id = if keeps_id {
            0
        } else {
            core::mem::take(&mut record.id)
        };
        let exchanges = &mut self.out.exchanges;
        exchanges
            .tables
            .shift(parts.records, slot, from, Place::Ended);
        exchanges.work.note(Work::TELL);
        if id != 0 {
            exchanges.tables.free_id(&mut parts, id);
        }
    }

    /// Gives the arena block and the payload of a record back.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn free_block(&mut self, slot: u16) {
        #[cfg_attr(not(feature = "fast"), expect(unused_mut))]
        let mut parts = self.store.parts();
        let Some(record) = parts.records.get_mut(usize::from(slot)) else {
            return;
        };
        #[cfg(any(feature = "fast", feature = "bytes"))]
        let flags = record.flags;
        record.flags.clear(Flags::PAYLOAD_APART);
        record.flags.clear(Flags::STORED);
        #[cfg(feature = "fast")]
        if flags.has(Flags::STORED) {
            self.out.exchanges.arena.free_block(&mut parts, slot);
        }
        #[cfg(feature = "bytes")]
        if flags.has(Flags::PAYLOAD_APART) {
            self.store.release_payload(slot);
        }
    }
}

#[cfg(not(feature = "fast"))]
impl Outbox {
    /// Moves a record to those that have ended; its block is free. The identifier of a QoS 2 message
    /// that the server may have seen stays taken.
    #[inline(never)]
    pub(crate) fn end(&mut self, record: &mut Record, stage: Stage) {
        // Where the session is lost, it is free again.
        if record.stage != Stage::AwaitPubRec || !record.flags.has(Flags::MAYBE_SEEN) {
            record.id = 0;
        }
        record.stage = stage;
        record.flags.end();
        record.place = Place::Ended;
        self.exchanges.tables.put_behind(record);
        self.exchanges.work.note(Work::TELL);
    }
}

impl Outbox {
    /// Whether one more PUBLISH fits the server's Receive Maximum (MQTT-3.3.4-7). An exchange
    /// past PUBREC counts until PUBCOMP, also when it began on an earlier connection: servers
    /// count it so.
    #[inline]
    pub(crate) fn window_is_open(&self, records: &[Record]) -> bool {
        self.exchanges.tables.open(records) < self.line.receive_maximum()
    }
}

/// Where in the arena the packet of a record lies, behind the moment it expires.
pub(crate) fn packet_range(record: &Record) -> (usize, usize) {
    let prefix = if record.flags.has(Flags::EXPIRES) {
        EXPIRY_PREFIX
    } else {
        0
    };
    let start = record.offset().wrapping_add(prefix);
    (start, start.wrapping_add(record.len()))
}
