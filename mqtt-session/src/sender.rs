//! Requests of the application, from the call to the store: the sending half of the session
//! beside the sending half of the connection.

use crate::config::Config;
use crate::event::{GiveUp, Ticket};
use crate::exchanges::{Exchanges, Work};
use crate::instant::{Clock, Instant, Moment};
use crate::line::{Line, Standing};
use crate::record::{Flags, Needs, Place, Stage};
use crate::request::{Publish, RequestError};
use crate::store::OutboundStore;
use crate::stored;
#[cfg(any(feature = "bytes", feature = "draw"))]
use crate::transmit::RESERVE;
use mqtt_proto::{
    EncodeError, Properties, Property, PropertyId, Publish as Packet, QoS, Sender as From,
};

/// Bytes in front of a stored message that expires: when.
pub(crate) const EXPIRY_PREFIX: usize = 8;

/// The sending half of the session with that of its store, borrowed for one call.
pub(crate) struct Sending<'a, O> {
    pub(crate) out: &'a mut Outbox,
    pub(crate) store: &'a mut O,
}

/// What sending needs besides the store, so that one reference hands it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Outbox {
    pub(crate) clock: Clock,
    /// Of the session.
    pub(crate) exchanges: Exchanges,
    /// Of the connection: made afresh for each.
    pub(crate) line: Line,
    pub(crate) config: Config,
    /// Which end of the connection this is: it decides what may be sent.
    #[cfg(feature = "broker")]
    side: From,
}

impl Outbox {
    pub(crate) const fn new(side: From, config: Config) -> Self {
        #[cfg(not(feature = "broker"))]
        let _ = side;
        Self {
            clock: Clock::new(),
            exchanges: Exchanges::new(),
            line: Line::new(Moment::START),
            config,
            #[cfg(feature = "broker")]
            side,
        }
    }

    /// Which end of the connection this is; without a broker there are none but clients.
    #[inline(always)]
    pub(crate) const fn side(&self) -> From {
        #[cfg(feature = "broker")]
        return self.side;
        #[cfg(not(feature = "broker"))]
        From::Client
    }
}

/// What is to be kept until it is settled.
pub(crate) struct Kept<'e> {
    pub(crate) stage: Stage,
    /// What is known of it.
    pub(crate) flags: Flags,
    /// Topic filters, or bytes of the topic name.
    pub(crate) count: usize,
    pub(crate) retain: bool,
    pub(crate) expires: Option<Instant>,
    /// Bytes of a payload that the store holds beside the arena.
    pub(crate) apart: usize,
    /// Encodes it, a message without the payload that is held apart.
    pub(crate) encode: &'e dyn Fn(&mut [u8]) -> Result<usize, EncodeError>,
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Publishes a message.
    pub(crate) fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        #[cfg(feature = "fast")]
        if let Some(ticket) = self.out.publish_straight(self.store, publish) {
            return Ok(ticket);
        }
        self.publish_with_care(publish)
    }

    #[cfg_attr(feature = "fast", inline(never))]
    fn publish_with_care(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.enqueue(publish, None).map(|(ticket, _)| ticket)
    }

    /// Takes any message in. With `apart`, only its header is stored and its payload of so many
    /// bytes is held by the store for the slot that is returned.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn enqueue(
        &mut self,
        publish: &Publish<'_>,
        apart: Option<usize>,
    ) -> Result<(Ticket, u16), RequestError> {
        if publish.qos == QoS::AtMostOnce
            && self.out.line.standing == Standing::Down
            && !self.out.config.queues_offline()
        {
            return Err(RequestError::NotConnected);
        }
        for property in publish.properties {
            let id = property.id();
            if matches!(
                id,
                PropertyId::MessageExpiryInterval | PropertyId::TopicAlias
            ) {
                return Err(RequestError::OwnProperty(id));
            }
        }
        let expiry = [Property::MessageExpiryInterval(publish.expiry.unwrap_or(0))];
        let own = publish.expiry.map_or(0, |_| 1);
        let mut flags = Flags::default();
        let (stage, packet_id) = match publish.qos {
            QoS::AtMostOnce => (Stage::AwaitSent, None),
            QoS::AtLeastOnce => (Stage::AwaitPubAck, stored::placeholder()),
            QoS::ExactlyOnce => (Stage::AwaitPubRec, stored::placeholder()),
        };
        if apart.is_some() {
            flags.set(Flags::PAYLOAD_APART);
        }
        let packet = Packet {
            dup: false,
            qos: publish.qos,
            retain: publish.retain,
            topic: Some(publish.topic),
            packet_id,
            properties: Properties::chain(
                expiry.get(..own).unwrap_or_default(),
                publish.properties,
            ),
            payload: if apart.is_some() {
                &[]
            } else {
                publish.payload
            },
        };
        #[cfg(feature = "fast")]
        if publish.qos == QoS::AtMostOnce
            && apart.is_none()
            && publish.expiry != Some(0)
            && let Some(written) = self.write_through(&packet)?
        {
            return Ok(written);
        }
        let side = self.out.side();
        self.keep(&Kept {
            stage,
            flags,
            retain: publish.retain,
            count: publish.topic.as_str().len(),
            expires: publish
                .expiry
                .map(|seconds| self.out.clock.now.plus_secs(seconds)),
            apart: apart.unwrap_or(0),
            encode: &|out| match apart {
                #[cfg(any(feature = "bytes", feature = "draw"))]
                Some(payload_len) => packet.encode_header(side, payload_len, out),
                _ => packet.encode(side, out),
            },
        })
    }

    /// Takes in what is to be kept until it is settled.
    #[inline(never)]
    pub(crate) fn keep(&mut self, kept: &Kept<'_>) -> Result<(Ticket, u16), RequestError> {
        if matches!(self.out.line.standing, Standing::Stopping | Standing::Over) {
            return Err(RequestError::Stopping);
        }
        let needs = Needs::of(kept.stage, kept.flags, kept.retain);
        self.allow(needs, 0)?;
        let slot = self.free_slot()?;
        let prefix = kept.expires.map_or(0, |_| EXPIRY_PREFIX);
        let len = loop {
            let room = self.out.exchanges.arena.rest(self.store.arena(), prefix);
            match (kept.encode)(room) {
                Ok(len) => break len,
                Err(EncodeError::BufferTooSmall { needed }) => {
                    self.allow(needs, needed.saturating_add(kept.apart))?;
                    self.room_for(prefix.saturating_add(needed))?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.allow(needs, len.saturating_add(kept.apart))?;
        #[cfg(any(feature = "bytes", feature = "draw"))]
        if kept.flags.has(Flags::PAYLOAD_APART)
            && !self.store.grow_transmit(len.saturating_add(RESERVE))
        {
            // Its header could never be written in front of its payload.
            return Err(RequestError::LargerThanStore);
        }
        let parts = self.store.parts();
        let exchanges = &mut self.out.exchanges;
        let mut flags = kept.flags;
        flags.set(Flags::STORED);
        if let Some(expires) = kept.expires {
            flags.set(Flags::EXPIRES);
            let place = exchanges.arena.rest(parts.arena, 0);
            if let Some(place) = place.first_chunk_mut::<EXPIRY_PREFIX>() {
                *place = expires.as_micros().to_le_bytes();
            }
            #[cfg(feature = "fast")]
            {
                let due = self.out.clock.due_at(expires);
                self.out.expires_by(due);
            }
        }
        let exchanges = &mut self.out.exchanges;
        let block = prefix.wrapping_add(len);
        let offset = exchanges.arena.take(parts.arena, slot, block);
        let ticket = exchanges.tables.take(parts.records, slot);
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            record.offset = offset;
            // What fits the arena is below 2 GiB; what is kept of a count of filters stops.
            record.len = len as u32;
            record.count = u16::try_from(kept.count).unwrap_or(u16::MAX);
            record.stage = kept.stage;
            record.flags = flags;
        }
        // What nothing goes before is written at once, and passes no queue of what waits.
        #[cfg(feature = "fast")]
        if kept.stage.is_exchange() && self.out.nothing_waits(&self.store.parts()) {
            let mut parts = self.store.parts();
            if self.out.copy_plainly(slot, &mut parts) {
                let tables = &mut self.out.exchanges.tables;
                tables.push(parts.records, slot, Place::Flight);
                return Ok((ticket, slot));
            }
        }
        let exchanges = &mut self.out.exchanges;
        let place = if kept.stage.is_exchange() {
            Place::Queued
        } else {
            Place::Prompt
        };
        exchanges.tables.push(self.store.records(), slot, place);
        exchanges.work.note(Work::PUMP);
        Ok((ticket, slot))
    }

    /// Refuses what the server does not allow. Without a connection everything is allowed.
    pub(crate) fn allow(&self, needs: Needs, len: usize) -> Result<(), RequestError> {
        let limits = self.out.line.limits();
        Err(match self.out.line.forbids(needs, len) {
            None => return Ok(()),
            Some(GiveUp::TooLarge) => RequestError::TooLarge {
                len,
                maximum: limits.maximum_packet_size,
            },
            Some(GiveUp::QoSNotSupported) => RequestError::QoSNotSupported {
                maximum: limits.maximum_qos,
            },
            Some(GiveUp::RetainNotSupported) => RequestError::RetainNotSupported,
            Some(GiveUp::WildcardsNotSupported) => RequestError::WildcardsNotSupported,
            Some(GiveUp::SharedNotSupported) => RequestError::SharedNotSupported,
            Some(_) => RequestError::SubscriptionIdentifiersNotSupported,
        })
    }

    /// A free slot, still free; makes the table longer where the store can.
    pub(crate) fn free_slot(&mut self) -> Result<u16, RequestError> {
        loop {
            let tables = &self.out.exchanges.tables;
            if let Some(slot) = tables.peek(self.store.records()) {
                return Ok(slot);
            }
            if !self.store.grow_records() {
                return Err(RequestError::TooMany);
            }
        }
    }

    /// Makes room for a block of `len` bytes in the arena, where there is none as it is.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn room_for(&mut self, len: usize) -> Result<(), RequestError> {
        let end = self.out.exchanges.arena.growing_end();
        if self.store.grow_arena(end, len) {
            return Ok(());
        }
        Err(if len > self.store.arena_limit() {
            RequestError::LargerThanStore
        } else {
            RequestError::NoRoom
        })
    }

    /// Whether the transmit buffer has room for `len` bytes, after growing where the store can.
    #[inline]
    pub(crate) fn has_room(&mut self, len: usize) -> bool {
        let capacity = self.store.transmit().len();
        self.out.line.tx.fits(capacity, len) || self.make_room(len)
    }

    #[cold]
    fn make_room(&mut self, len: usize) -> bool {
        let tx = &self.out.line.tx;
        !tx.is_drawing()
            && self.store.grow_transmit(tx.wanted(len))
            && tx.fits(self.store.transmit().len(), len)
    }

    /// Queues what was written for the transport.
    pub(crate) fn commit(&mut self, len: usize) {
        self.out.line.tx.commit(len);
    }
}
