//! What a broker needs of a client's sending half besides what the client itself does: to move
//! bytes to where they leave without the session, and to look at what waits.

use crate::Instant;
use crate::event::{GiveUp, Ticket};
use crate::pump::packet_range;
use crate::record::{Flags, Place, Stage};
use crate::request::{Full, Publish, RequestError};
use crate::sender::{EXPIRY_PREFIX, Sending};
use crate::store::OutboundStore;
use alloc::vec::Vec;
use mqtt_proto::QoS;

impl<O: OutboundStore> Sending<'_, O> {
    /// Takes out what is queued for the transport and was not taken yet; it counts as sent from
    /// here on. Whether its front was offered, and `sent` has yet to answer that.
    pub(crate) fn take_unsent(&mut self, into: &mut Vec<u8>) -> bool {
        let offered = self.out.line.tx.withdraw();
        while self.out.line.tx.has_to_offer() {
            let bytes = self.out.offer(self.store);
            into.extend_from_slice(bytes);
            self.out.line.tx.took(bytes.len());
        }
        offered
    }

    /// Publishes a message that expires at this moment, which its interval says in whole seconds only.
    pub(crate) fn publish_until(
        &mut self,
        publish: &Publish<'_>,
        until: Option<Instant>,
    ) -> Result<Ticket, RequestError> {
        let Some(until) = until else {
            return self.publish(publish);
        };
        let (ticket, slot) = self.enqueue(publish, None)?;
        let parts = self.store.parts();
        if let Some(record) = parts.records.get(usize::from(slot))
            && record.flags.has(Flags::STORED)
            && let Some(block) = parts.arena.get_mut(record.offset as usize..)
            && let Some(place) = block.first_chunk_mut::<EXPIRY_PREFIX>()
        {
            *place = until.as_micros().to_le_bytes();
        }
        self.out.expires_by(until);
        Ok(ticket)
    }

    /// Whether so many messages, of so many bytes together, are taken now as soon as ever: there
    /// is room for them, or there never is.
    pub(crate) fn has_room_for_messages(&mut self, count: usize, bytes: usize) -> bool {
        let free = |sender: &mut Self| {
            let tables = &sender.out.exchanges.tables;
            tables.has_free(sender.store.records(), count)
        };
        while !free(self) {
            if !self.store.grow_records() {
                return false;
            }
        }
        self.room_for(bytes) != Err(Full::Now)
    }

    /// Drops the message that has waited longest and was never sent, for one of this QoS: one at
    /// QoS 0 takes the place of no other. False when there is none.
    pub(crate) fn drop_oldest(&mut self, qos: QoS) -> bool {
        let prompt = self.first(Place::Prompt);
        let queued = self.first(Place::Queued);
        let queued = queued.filter(|_| qos != QoS::AtMostOnce);
        let oldest = [prompt, queued]
            .into_iter()
            .flatten()
            .filter_map(|slot| Some((self.record(slot)?.ticket, slot)))
            .min();
        let Some((_, slot)) = oldest else {
            return false;
        };
        let place = if Some(slot) == prompt {
            Place::Prompt
        } else {
            Place::Queued
        };
        self.give_up(slot, place, GiveUp::Abandoned);
        true
    }

    /// Visits every message without a connection that may still be given to someone else: QoS 1
    /// without PUBACK, and QoS 2 that was never sent. Its packet, and when it expires.
    pub(crate) fn for_each_waiting(
        &mut self,
        mut visit: impl FnMut(Ticket, &[u8], Option<Instant>),
    ) {
        for place in [Place::Resume, Place::Queued] {
            let mut at = self.first(place);
            while let Some(slot) = at {
                at = self.after(slot);
                let Some(record) = self.record(slot) else {
                    return;
                };
                let seen = record.flags.has(Flags::MAYBE_SEEN);
                let free = match record.stage {
                    Stage::AwaitPubAck => true,
                    Stage::AwaitPubRec => !seen,
                    _ => false,
                };
                if free {
                    let expires = self.expires(&record);
                    let (start, end) = packet_range(&record);
                    let packet = self.store.arena().get(start..end).unwrap_or_default();
                    visit(Ticket(record.ticket), packet, expires);
                }
            }
        }
    }
}
