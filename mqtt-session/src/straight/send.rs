//! The straight way to the transport: what is stored whole is copied behind what is queued.

use crate::copy::copy;
use crate::exchanges::Work;
use crate::line::Standing;
use crate::record::{Flags, Place, Record, Stage};
use crate::sender::Outbox;
use crate::store::OutboundParts;
use crate::straight::plain::stamp;
use crate::straight::short_ack::{PUBREL, SHORT_ACK, short_ack};

impl Outbox {
    /// Whether nothing is to leave before a message that is published now, and the window has
    /// room for it.
    #[inline(always)]
    pub(crate) fn nothing_waits(&self, parts: &OutboundParts<'_>) -> bool {
        let tables = &self.exchanges.tables;
        self.line.standing == Standing::Up
            && !self.line.blocked
            && !self.exchanges.work.has(Work::PUMP)
            && tables.is_empty(parts.records, Place::Queued)
            && tables.is_empty(parts.records, Place::Resume)
            && self.window_is_open(parts.records)
    }

    /// Copies a message of QoS 1 or 2 that is stored whole and that no limit can forbid behind
    /// what is queued for the transport. False: it is something else, or there is no room as it
    /// is. Its place is in `flight` from here on.
    pub(crate) fn copy_plainly(&mut self, slot: u16, parts: &mut OutboundParts<'_>) -> bool {
        let Some(record) = parts.records.get_mut(usize::from(slot)) else {
            return false;
        };
        let len = record.len as usize;
        let start = record.offset as usize;
        if !record.flags.is_plain()
            || !matches!(record.stage, Stage::AwaitPubAck | Stage::AwaitPubRec)
            || len > self.line.largest_plain as usize
        {
            return false;
        }
        let Some(packet) = parts.arena.get(start..start.wrapping_add(len)) else {
            return false;
        };
        let Some(out) = self.line.tx.room(parts.transmit, len) else {
            return false;
        };
        if record.id == 0 {
            let id = self.exchanges.tables.assign_id_in(parts.ids, slot);
            match id {
                Some(id) => record.id = id,
                None => return false,
            }
        }
        copy(out, packet);
        let seen = record.flags.has(Flags::MAYBE_SEEN);
        stamp(out, record.count, record.id, seen);
        record.flags.set(Flags::SENDING);
        self.line.tx.commit(len);
        record.mark = self.line.tx.queued();
        true
    }

    /// Writes PUBREL straight behind what is queued, where it may leave and there is room as it
    /// is; the place in the stream behind it.
    #[inline(always)]
    pub(crate) fn write_release(
        &mut self,
        records: &[Record],
        transmit: &mut [u8],
        id: u16,
    ) -> Option<u32> {
        let goes = self.line.is_up()
            && !self.line.blocked
            && !self.exchanges.work.has(Work::PUMP)
            && self.exchanges.tables.is_empty(records, Place::Release);
        if !goes {
            return None;
        }
        let out = self.line.tx.room_as_it_is(transmit, SHORT_ACK)?;
        *out.first_chunk_mut()? = short_ack(PUBREL, id);
        self.line.tx.commit(SHORT_ACK);
        Some(self.line.tx.queued())
    }
}
