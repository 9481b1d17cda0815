//! The way of nearly every message: there is nothing special about it, nothing is to leave before
//! it, and there is room as it is. It is written for the transport by the call that publishes it.
//! Where any of this does not hold nothing changes, and [`Sender`](crate::Sender) takes it in.

use crate::copy::copy;
use crate::event::Ticket;
use crate::line::{Line, Standing};
use crate::record::{Flags, Place, Record, Stage};
use crate::request::{Publish, RequestError};
use crate::sender::{Outbox, Sending};
use crate::store::{OutboundParts, OutboundStore};
use crate::straight::plain::Plain;
use mqtt_proto::{EncodeError, Publish as Packet, QoS, ReasonCode};

impl Outbox {
    /// Publishes a message if it may go straight.
    #[inline(always)]
    pub(crate) fn publish_straight<O: OutboundStore>(
        &mut self,
        store: &mut O,
        publish: &Publish<'_>,
    ) -> Option<Ticket> {
        if publish.qos == QoS::AtMostOnce {
            let parts = store.parts();
            self.publish_once(parts.records, parts.transmit, publish)
        } else {
            self.publish_kept(&mut store.parts(), publish)
        }
    }

    /// A QoS 0 message: written, and not kept.
    #[inline(never)]
    fn publish_once(
        &mut self,
        records: &mut [Record],
        transmit: &mut [u8],
        publish: &Publish<'_>,
    ) -> Option<Ticket> {
        let exchanges = &mut self.exchanges;
        let alone = exchanges.tables.is_empty(records, Place::Prompt)
            && exchanges.tables.is_empty(records, Place::Resume);
        if !self.line.takes_plainly(publish) || !alone {
            return None;
        }
        let packet = Plain::new(publish, QoS::AtMostOnce);
        let len = packet.len_within(self.line.largest_plain)?;
        let room = self.line.tx.room_as_it_is(transmit, len as usize)?;
        let slot = exchanges.tables.next_slot();
        let record = records.get_mut(usize::from(slot))?;
        let ticket = exchanges.tables.take_next(record);
        self.line.tx.commit(len as usize);
        record.ticket = ticket.0;
        record.mark = self.line.tx.queued();
        record.id = 0;
        record.reason = ReasonCode::SUCCESS;
        record.stage = Stage::AwaitSent;
        record.flags = Flags::SENDING;
        exchanges.tables.push(records, slot, Place::Leaving);
        packet.write(room, None);
        Some(ticket)
    }

    /// A message of QoS 1 or 2: stored as it is written.
    #[inline(never)]
    fn publish_kept(
        &mut self,
        parts: &mut OutboundParts<'_>,
        publish: &Publish<'_>,
    ) -> Option<Ticket> {
        if !self.line.takes_plainly(publish) || !self.nothing_waits(parts) {
            return None;
        }
        let packet = Plain::new(publish, publish.qos);
        let len = packet.len_within(self.line.largest_plain)?;
        let exchanges = &mut self.exchanges;
        let room = self.line.tx.room_as_it_is(parts.transmit, len as usize)?;
        let Some((header, block)) = exchanges.arena.place(parts.arena, len as usize) else {
            // Once it begins at its front again, it has room.
            let turned = exchanges.arena.turn(parts.arena, len as usize);
            return if turned {
                self.publish_kept(parts, publish)
            } else {
                None
            };
        };
        let slot = exchanges.tables.next_slot();
        let record = parts.records.get_mut(usize::from(slot))?;
        let id = exchanges.tables.assign_id_at_home(parts.ids, slot)?;
        let ticket = exchanges.tables.take_next(record);
        self.line.tx.commit(len as usize);
        record.ticket = ticket.0;
        record.offset = exchanges.arena.take_place(header, slot, len);
        record.len = len;
        record.mark = self.line.tx.queued();
        record.id = id;
        record.count = packet.topic_len();
        record.reason = ReasonCode::SUCCESS;
        record.stage = if publish.qos == QoS::AtLeastOnce {
            Stage::AwaitPubAck
        } else {
            Stage::AwaitPubRec
        };
        record.flags = Flags::STORED_SENDING;
        exchanges.tables.push(parts.records, slot, Place::Flight);
        packet.write(block, Some(id));
        copy(room, block);
        Some(ticket)
    }
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Encodes a QoS 0 message straight to where it leaves from, where nothing should leave before
    /// it and its topic gets no alias. `None`: it does not fit there, and is stored.
    pub(crate) fn write_through(
        &mut self,
        packet: &Packet<'_>,
    ) -> Result<Option<(Ticket, u16)>, RequestError> {
        let line = &self.out.line;
        let tables = &self.out.exchanges.tables;
        let records = self.store.records();
        let straight = line.standing == Standing::Up
            && !line.has_aliases()
            && tables.is_empty(records, Place::Prompt)
            && tables.is_empty(records, Place::Resume);
        if !straight {
            return Ok(None);
        }
        let mut asks = Flags::default();
        if packet.retain {
            asks.set(Flags::RETAIN);
            // What asks for nothing more is refused for its length alone.
            self.allow(asks, 0)?;
        }
        let slot = self.free_slot().ok_or(RequestError::TooMany)?;
        let len = match packet.encode(
            self.out.side(),
            self.out.line.tx.spare(self.store.transmit()),
        ) {
            Ok(len) => len,
            Err(EncodeError::BufferTooSmall { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.allow(asks, len)?;
        self.commit(len);
        let records = self.store.records();
        let ticket = self.out.exchanges.tables.take(records, slot);
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.mark = self.out.line.tx.queued();
            record.stage = Stage::AwaitSent;
            record.flags = Flags::SENDING;
        }
        let tables = &mut self.out.exchanges.tables;
        tables.push(records, slot, Place::Leaving);
        Ok(Some((ticket, slot)))
    }
}

impl Line {
    /// Whether a message that is not too large may leave as it is.
    #[inline(always)]
    fn takes_plainly(&self, publish: &Publish<'_>) -> bool {
        publish.expiry.is_none() && publish.properties.is_empty() && self.standing == Standing::Up
    }
}
