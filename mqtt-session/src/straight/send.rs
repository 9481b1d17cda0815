//! The straight way to the transport: what is stored whole is copied behind what is queued.

use crate::exchanges::Work;
use crate::line::Standing;
use crate::sender::Outbox;
use crate::slots::{Flags, Stage};
use crate::store::OutboundParts;
use crate::straight::plain::stamp;
use crate::straight::short_ack::{PUBREL, SHORT_ACK, short_ack};

impl Outbox {
    /// Whether nothing is to leave before a message that is published now, and the window has
    /// room for it.
    pub(crate) fn nothing_waits(&self) -> bool {
        self.line.standing == Standing::Up
            && !self.line.blocked
            && !self.exchanges.work.has(Work::PUMP)
            && self.exchanges.queued.is_empty()
            && self.exchanges.resume.is_empty()
            && self.window_is_open()
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
            match self.exchanges.assign_id(parts.ids, slot) {
                Some(id) => record.id = id,
                None => return false,
            }
        }
        out.copy_from_slice(packet);
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
    pub(crate) fn write_release(&mut self, transmit: &mut [u8], id: u16) -> Option<u32> {
        let goes = self.line.is_up()
            && !self.line.blocked
            && !self.exchanges.work.has(Work::PUMP)
            && self.exchanges.release.is_empty();
        if !goes {
            return None;
        }
        let out = self.line.tx.room_as_it_is(transmit, SHORT_ACK)?;
        *out.first_chunk_mut()? = short_ack(PUBREL, id);
        self.line.tx.commit(SHORT_ACK);
        Some(self.line.tx.queued())
    }
}
