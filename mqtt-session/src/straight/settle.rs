//! The straight way of answers: what nearly every PUBACK, PUBREC and PUBCOMP does.

use crate::event::Ticket;
use crate::exchanges::Work;
use crate::id_table;
use crate::record::{Flags, Place, Stage};
use crate::sender::Outbox;
use crate::store::{OutboundParts, OutboundStore};
use mqtt_proto::{PacketType, ReasonCode};

impl Outbox {
    /// The way of nearly every PUBACK and PUBCOMP: it is the one that is awaited, for a message
    /// that is on the wire and held in one piece, and says no more than that all is well. What is
    /// settled with which reason. In all other cases nothing changes, and
    /// [`Sender::acknowledged`] sees to it.
    #[inline(always)]
    pub(crate) fn settle_in_turn(
        &mut self,
        parts: OutboundParts<'_>,
        packet: PacketType,
        id: u16,
    ) -> Option<(Ticket, ReasonCode)> {
        let (at, slot) = id_table::locate(parts.ids, id)?;
        let record = parts.records.get_mut(usize::from(slot))?;
        let exchanges = &mut self.exchanges;
        if !record.flags.awaits_answer() {
            return None;
        }
        let ticket = Ticket(record.ticket);
        let reason = record.reason;
        let place = match (packet, record.stage) {
            (PacketType::PubAck, Stage::AwaitPubAck) => {
                exchanges.arena.free(parts.arena, record.offset);
                Place::Flight
            }
            (PacketType::PubComp, Stage::AwaitPubComp) => Place::Released,
            _ => return None,
        };
        exchanges.tables.free_id_at(parts.ids, at);
        let oldest = exchanges.tables.drop(parts.records, slot, place);
        self.answered(oldest, parts.records);
        self.window_is_wider(parts.records);
        Some((ticket, reason))
    }

    /// The same for PUBREC; false where it goes another way.
    #[inline(never)]
    pub(crate) fn release_in_turn<O: OutboundStore>(&mut self, store: &mut O, id: u16) -> bool {
        let parts = store.parts();
        let Some((_, slot)) = id_table::locate(parts.ids, id) else {
            return false;
        };
        let Some(record) = parts.records.get_mut(usize::from(slot)) else {
            return false;
        };
        if record.stage != Stage::AwaitPubRec || !record.flags.awaits_answer() {
            return false;
        }
        let exchanges = &mut self.exchanges;
        exchanges.arena.free(parts.arena, record.offset);
        record.stage = Stage::AwaitPubComp;
        record.flags.past_pubrec();
        let id = record.id;
        let (mark, place) = match self.write_release(parts.records, parts.transmit, id) {
            Some(mark) => (Some(mark), Place::Released),
            None => (None, Place::Release),
        };
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            match mark {
                Some(mark) => {
                    record.mark = mark;
                    record.flags.set(Flags::SENDING);
                }
                None => self.exchanges.work.note(Work::PUMP),
            }
        }
        let tables = &mut self.exchanges.tables;
        let oldest = tables.shift(parts.records, slot, Place::Flight, place);
        self.answered(oldest, parts.records);
        true
    }
}
