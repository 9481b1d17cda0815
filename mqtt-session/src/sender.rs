//! Requests of the application, from the call to the store: the sending half of the session
//! beside the sending half of the connection.

use crate::config::{Config, Offline};
use crate::event::Ticket;
use crate::exchanges::{Exchanges, Work};
use crate::instant::{Clock, Instant};
use crate::line::{Line, Standing};
use crate::request::{Publish, RequestError};
use crate::slots::{Flags, Stage};
use crate::store::OutboundStore;
use crate::stored;
use crate::transmit::RESERVE;
use mqtt_proto::{
    EncodeError, Filters, Properties, Property, PropertyId, Publish as Packet, QoS, Sender as From,
    Subscribe, Subscription, Subscriptions, TopicFilter, Unsubscribe,
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
    pub(crate) side: From,
}

impl Outbox {
    pub(crate) const fn new(side: From, config: Config) -> Self {
        Self {
            clock: Clock::new(),
            exchanges: Exchanges::new(),
            line: Line::new(Instant::from_micros(0)),
            config,
            side,
        }
    }
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
    pub(crate) fn publish_with_care(
        &mut self,
        publish: &Publish<'_>,
    ) -> Result<Ticket, RequestError> {
        self.enqueue(publish, publish.payload.len(), false)
            .map(|(ticket, _)| ticket)
    }

    /// Takes any message in. With `apart`, only its header is stored and its payload of
    /// `payload_len` bytes is held by the store for the slot that is returned.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn enqueue(
        &mut self,
        publish: &Publish<'_>,
        payload_len: usize,
        apart: bool,
    ) -> Result<(Ticket, u16), RequestError> {
        self.check_publish(publish)?;
        let expiry = [Property::MessageExpiryInterval(publish.expiry.unwrap_or(0))];
        let own = if publish.expiry.is_some() {
            &expiry[..]
        } else {
            &[]
        };
        let packet = Packet {
            dup: false,
            qos: publish.qos,
            retain: publish.retain,
            topic: Some(publish.topic),
            packet_id: if publish.qos == QoS::AtMostOnce {
                None
            } else {
                stored::placeholder()
            },
            properties: Properties::chain(own, publish.properties),
            payload: if apart { &[] } else { publish.payload },
        };
        let slot = self.free_slot()?;
        // What expires at once is given up, as it is where it waits: servers take an interval of
        // zero for none at all.
        let lives = publish.expiry != Some(0);
        if publish.qos == QoS::AtMostOnce && !apart && lives && self.goes_straight() {
            // Encoded once, straight to where it leaves from; what does not fit there is stored.
            match packet.encode(self.out.side, self.out.line.tx.spare(self.store.transmit())) {
                Ok(len) => {
                    self.check_len(len)?;
                    return Ok((self.write_through(len, slot), slot));
                }
                Err(EncodeError::BufferTooSmall { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let prefix = if publish.expiry.is_some() {
            EXPIRY_PREFIX
        } else {
            0
        };
        let stored = self.store_packet(&packet, payload_len, apart, prefix)?;
        let len = if apart {
            stored.saturating_add(payload_len)
        } else {
            stored
        };
        self.check_len(len)?;
        if apart && !self.store.grow_transmit(stored.saturating_add(RESERVE)) {
            // Its header could never be written in front of its payload.
            return Err(RequestError::LargerThanStore);
        }
        let parts = self.store.parts();
        let block = prefix.saturating_add(stored);
        let mut flags = Flags::STORED;
        if apart {
            flags.set(Flags::PAYLOAD_APART);
        }
        if let Some(seconds) = publish.expiry {
            flags.set(Flags::EXPIRES);
            let expires = self.out.clock.now.plus_secs(seconds);
            let place = self.out.exchanges.arena.next(parts.arena, block);
            if let Some(place) = place.and_then(|place| place.first_chunk_mut::<EXPIRY_PREFIX>()) {
                *place = expires.as_micros().to_le_bytes();
            }
            self.out.exchanges.next_expiry = self.out.exchanges.next_expiry.min(expires);
            self.out.clock.arm(expires);
        }
        let offset = self.out.exchanges.arena.take(parts.arena, slot, block);
        let ticket = self.out.exchanges.slots.take(parts.records, slot);
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            record.ticket = ticket.0;
            record.offset = offset;
            record.len = u32::try_from(stored).unwrap_or(u32::MAX);
            record.count = u16::try_from(publish.topic.as_str().len()).unwrap_or(u16::MAX);
            record.stage = match publish.qos {
                QoS::AtMostOnce => Stage::AwaitSent,
                QoS::AtLeastOnce => Stage::AwaitPubAck,
                QoS::ExactlyOnce => Stage::AwaitPubRec,
            };
            record.flags = flags;
        }
        // What nothing goes before is written at once, and passes no queue of what waits.
        #[cfg(feature = "fast")]
        if self.out.nothing_waits() {
            let mut parts = self.store.parts();
            if self.out.copy_plainly(slot, &mut parts) {
                self.out.exchanges.flight.push_back(parts.records, slot);
                return Ok((ticket, slot));
            }
        }
        let exchanges = &mut self.out.exchanges;
        let queue = match publish.qos {
            QoS::AtMostOnce => &mut exchanges.prompt,
            QoS::AtLeastOnce | QoS::ExactlyOnce => &mut exchanges.queued,
        };
        queue.push_back(self.store.records(), slot);
        exchanges.work.note(Work::PUMP);
        Ok((ticket, slot))
    }

    /// Holds the length of a packet against the server's limit, where that is known.
    fn check_len(&self, len: usize) -> Result<(), RequestError> {
        let maximum = self.out.line.limits.maximum_packet_size;
        if len > maximum as usize && self.out.line.is_up() {
            return Err(RequestError::TooLarge { len, maximum });
        }
        Ok(())
    }

    /// Encodes a message behind what the arena holds, where it is not taken yet; its length
    /// there. With `apart`, only its header.
    fn store_packet(
        &mut self,
        packet: &Packet<'_>,
        payload_len: usize,
        apart: bool,
        prefix: usize,
    ) -> Result<usize, RequestError> {
        let side = self.out.side;
        let encode = |out: &mut [u8]| {
            if apart {
                packet.encode_header(side, payload_len, out)
            } else {
                packet.encode(side, out)
            }
        };
        let needed = match encode(self.out.exchanges.arena.rest(self.store.arena(), prefix)) {
            Err(EncodeError::BufferTooSmall { needed }) => needed,
            encoded => return Ok(encoded?),
        };
        let total = if apart {
            needed.saturating_add(payload_len)
        } else {
            needed
        };
        self.check_len(total)?;
        self.room_for(prefix.saturating_add(needed))?;
        Ok(encode(
            self.out.exchanges.arena.rest(self.store.arena(), prefix),
        )?)
    }

    fn check_publish(&self, publish: &Publish<'_>) -> Result<(), RequestError> {
        match self.out.line.standing {
            Standing::Up => {}
            Standing::Stopping | Standing::Over => return Err(RequestError::Stopping),
            Standing::Down => {
                if publish.qos == QoS::AtMostOnce && self.out.config.offline == Offline::Refuse {
                    return Err(RequestError::NotConnected);
                }
            }
        }
        if publish.qos > self.out.line.limits.maximum_qos {
            return Err(RequestError::QoSNotSupported {
                maximum: self.out.line.limits.maximum_qos,
            });
        }
        if publish.retain && !self.out.line.limits.retain_available {
            return Err(RequestError::RetainNotSupported);
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
        Ok(())
    }

    /// A free slot, still free; makes the table longer where the store can.
    fn free_slot(&mut self) -> Result<u16, RequestError> {
        if let Some(slot) = self.out.exchanges.slots.peek(self.store.records()) {
            return Ok(slot);
        }
        if !self.store.grow_records() {
            return Err(RequestError::TooMany);
        }
        self.out
            .exchanges
            .slots
            .peek(self.store.records())
            .ok_or(RequestError::TooMany)
    }

    /// Makes room for a block of `len` bytes in the arena.
    pub(crate) fn room_for(&mut self, len: usize) -> Result<(), RequestError> {
        let arena = &mut self.out.exchanges.arena;
        let parts = self.store.parts();
        if arena.fits(parts.arena, len) || arena.turn(parts.arena, len) {
            return Ok(());
        }
        // Closing gaps pays when it frees at least half; otherwise growing is cheaper.
        let sparse = arena.live() <= parts.arena.len() / 2;
        if sparse && arena.fits_packed(parts.arena, len) {
            arena.pack(parts.arena, parts.records);
            return Ok(());
        }
        let needed = len.saturating_add(crate::arena::BLOCK_HEADER);
        if self.grow_arena(needed) {
            return Ok(());
        }
        if needed > self.store.arena_limit() {
            return Err(RequestError::LargerThanStore);
        }
        // Packed, a smaller growth may do where the one above did not.
        let arena = &mut self.out.exchanges.arena;
        let fits = arena.live().saturating_add(needed) <= self.store.arena_limit();
        if !fits || !arena.pays_to_pack(self.store.arena()) {
            return Err(RequestError::NoRoom);
        }
        let parts = self.store.parts();
        arena.pack(parts.arena, parts.records);
        if arena.fits(parts.arena, len) || self.grow_arena(needed) {
            return Ok(());
        }
        Err(RequestError::NoRoom)
    }

    /// Makes the arena longer, so that `needed` bytes can be taken in one piece.
    fn grow_arena(&mut self, needed: usize) -> bool {
        let arena = &mut self.out.exchanges.arena;
        if !self.store.grow_arena(arena.growing_end(), needed) {
            return false;
        }
        if arena.is_turned() {
            let parts = self.store.parts();
            arena.pack(parts.arena, parts.records);
        }
        true
    }

    /// Whether a QoS 0 message can be written for the transport at once: nothing that should
    /// leave before it waits, and its topic gets no alias.
    fn goes_straight(&self) -> bool {
        self.out.line.standing == Standing::Up
            && self.out.line.alias_limit == 0
            && self.out.exchanges.prompt.is_empty()
            && self.out.exchanges.resume.is_empty()
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

    /// A QoS 0 message of `len` bytes was written for the transport.
    fn write_through(&mut self, len: usize, slot: u16) -> Ticket {
        self.commit(len);
        let records = self.store.records();
        let ticket = self.out.exchanges.slots.take(records, slot);
        self.out.exchanges.leaving.push_back(records, slot);
        if let Some(record) = records.get_mut(usize::from(slot)) {
            record.ticket = ticket.0;
            record.mark = self.out.line.tx.queued();
            record.stage = Stage::AwaitSent;
            record.flags = Flags::SENDING;
        }
        ticket
    }

    /// Queues what was written for the transport.
    pub(crate) fn commit(&mut self, len: usize) {
        self.out.line.tx.commit(len);
    }

    /// Subscribes.
    pub(crate) fn subscribe(
        &mut self,
        subscriptions: &[Subscription<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        let mut needs = Flags::SUBSCRIBE;
        for subscription in subscriptions {
            if subscription.filter.is_shared() {
                needs.set(Flags::SHARED);
            }
            if subscription.filter.has_wildcard() {
                needs.set(Flags::WILDCARD);
            }
        }
        if properties
            .iter()
            .any(|p| p.id() == PropertyId::SubscriptionIdentifier)
        {
            needs.set(Flags::IDENTIFIED);
        }
        let packet = stored::placeholder().map(|packet_id| Subscribe {
            packet_id,
            properties: Properties::new(properties),
            subscriptions: Subscriptions::new(subscriptions),
        });
        let packet = packet.ok_or(RequestError::NoRoom)?;
        let len = packet.encoded_len()?;
        self.request(len, subscriptions.len(), needs, |out| {
            packet.encode(From::Client, out)
        })
    }

    /// Unsubscribes.
    pub(crate) fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        let packet = stored::placeholder().map(|packet_id| Unsubscribe {
            packet_id,
            properties: Properties::new(properties),
            filters: Filters::new(filters),
        });
        let packet = packet.ok_or(RequestError::NoRoom)?;
        let len = packet.encoded_len()?;
        self.request(len, filters.len(), Flags::UNSUBSCRIBE, |out| {
            packet.encode(From::Client, out)
        })
    }

    /// Stores a SUBSCRIBE or UNSUBSCRIBE until it can leave.
    fn request(
        &mut self,
        len: usize,
        filters: usize,
        mut flags: Flags,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<Ticket, RequestError> {
        if matches!(self.out.line.standing, Standing::Stopping | Standing::Over) {
            return Err(RequestError::Stopping);
        }
        if self.out.line.is_up() {
            self.check_request(len, flags)?;
        }
        let slot = self.free_slot()?;
        self.room_for(len)?;
        let parts = self.store.parts();
        let block = self.out.exchanges.arena.next(parts.arena, len);
        encode(block.ok_or(RequestError::NoRoom)?)?;
        let offset = self.out.exchanges.arena.take(parts.arena, slot, len);
        let subscribes = flags.has(Flags::SUBSCRIBE);
        flags.set(Flags::STORED);
        let ticket = self.out.exchanges.slots.take(parts.records, slot);
        self.out.exchanges.prompt.push_back(parts.records, slot);
        if let Some(record) = parts.records.get_mut(usize::from(slot)) {
            record.ticket = ticket.0;
            record.offset = offset;
            record.len = u32::try_from(len).unwrap_or(u32::MAX);
            record.count = u16::try_from(filters).unwrap_or(u16::MAX);
            record.stage = if subscribes {
                Stage::AwaitSubAck
            } else {
                Stage::AwaitUnsubAck
            };
            record.flags = flags;
        }
        self.out.exchanges.work.note(Work::PUMP);
        Ok(ticket)
    }

    /// Holds a SUBSCRIBE or UNSUBSCRIBE against the server's limits.
    fn check_request(&self, len: usize, flags: Flags) -> Result<(), RequestError> {
        let limits = &self.out.line.limits;
        if len > limits.maximum_packet_size as usize {
            return Err(RequestError::TooLarge {
                len,
                maximum: limits.maximum_packet_size,
            });
        }
        if flags.has(Flags::WILDCARD) && !limits.wildcard_subscription_available {
            return Err(RequestError::WildcardsNotSupported);
        }
        if flags.has(Flags::SHARED) && !limits.shared_subscription_available {
            return Err(RequestError::SharedNotSupported);
        }
        if flags.has(Flags::IDENTIFIED) && !limits.subscription_identifier_available {
            return Err(RequestError::SubscriptionIdentifiersNotSupported);
        }
        Ok(())
    }
}
