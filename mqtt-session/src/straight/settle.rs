//! The straight way of answers: what nearly every PUBACK, PUBREC and PUBCOMP does.

use crate::event::Ticket;
use crate::exchanges::Work;
use crate::id_table;
use crate::sender::Outbox;
use crate::slots::{Flags, Stage};
use crate::store::OutboundParts;
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
        let oldest = match (packet, record.stage) {
            (PacketType::PubAck, Stage::AwaitPubAck) => {
                exchanges.arena.free(parts.arena, record.offset);
                exchanges.flight.remove(parts.records, slot)
            }
            (PacketType::PubComp, Stage::AwaitPubComp) => {
                exchanges.released.remove(parts.records, slot)
            }
            _ => return None,
        };
        exchanges.free_id_at(parts.ids, at);
        exchanges.slots.give_back(parts.records, slot);
        self.answered(oldest, parts.records);
        self.window_is_wider();
        Some((ticket, reason))
    }

    /// The same for PUBREC; false where it goes another way.
    #[inline(always)]
    pub(crate) fn release_in_turn(&mut self, mut parts: OutboundParts<'_>, id: u16) -> bool {
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
        let oldest = exchanges.flight.remove(parts.records, slot);
        self.answered(oldest, parts.records);
        self.release(&mut parts, slot, ReasonCode::SUCCESS);
        true
    }

    /// PUBREC has taken over a message that is in no queue now: PUBREL is due, and leaves at once
    /// where it can.
    #[inline(always)]
    fn release(&mut self, parts: &mut OutboundParts<'_>, slot: u16, reason: ReasonCode) {
        let Some(record) = parts.records.get_mut(usize::from(slot)) else {
            return;
        };
        record.stage = Stage::AwaitPubComp;
        record.reason = reason;
        record.flags.past_pubrec();
        match self.write_release(parts.transmit, record.id) {
            Some(mark) => {
                record.mark = mark;
                record.flags.set(Flags::SENDING);
                self.exchanges.released.push_back(parts.records, slot);
            }
            None => {
                self.exchanges.release.push_back(parts.records, slot);
                self.exchanges.work.note(Work::PUMP);
            }
        }
    }
}
