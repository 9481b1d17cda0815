//! Requests of the application, from the call to the store: the sending half of the session
//! beside the sending half of the connection.

use crate::config::{Config, Offline};
use crate::event::Ticket;
use crate::exchanges::Exchanges;
use crate::instant::Clock;
use crate::line::{Line, Standing};
use crate::request::{Publish, RequestError};
use crate::slots::{Flags, Record, Stage};
use crate::store::OutboundStore;
use crate::stored;
use mqtt_proto::{
    EncodeError, Filters, Properties, Property, PropertyId, Publish as Packet, QoS, Sender as From,
    Subscribe, Subscription, Subscriptions, TopicFilter, Unsubscribe,
};

/// Bytes in front of a stored message that expires: when.
pub(crate) const EXPIRY_PREFIX: usize = 8;

/// The sending half of the session.
///
/// It comes with every delivery, so that an answer can be published while the message is still
/// borrowed: a request's response topic and correlation data go back without being copied.
pub struct Sender<'a> {
    pub(crate) config: &'a Config,
    pub(crate) exchanges: &'a mut Exchanges,
    pub(crate) line: &'a mut Line,
    pub(crate) store: &'a mut (dyn OutboundStore + 'static),
    pub(crate) clock: &'a mut Clock,
}

impl core::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender")
            .field("exchanges", &self.exchanges)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Sender<'_> {
    fn format(&self, fmt: defmt::Formatter<'_>) {
        defmt::write!(fmt, "Sender");
    }
}

impl Sender<'_> {
    /// Publishes a message, exactly as [`Client::publish`](crate::Client::publish) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.enqueue(publish, publish.payload.len(), false)
            .map(|(ticket, _)| ticket)
    }

    /// Takes a message in. With `apart`, only its header is stored and its payload of
    /// `payload_len` bytes is held by the store for the slot that is returned.
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
        let header = packet.header_len(payload_len)?;
        let len = header.saturating_add(payload_len);
        if self.line.is_up() && len > self.line.limits.maximum_packet_size as usize {
            return Err(RequestError::TooLarge {
                len,
                maximum: self.line.limits.maximum_packet_size,
            });
        }
        let slot = self.free_slot()?;
        if publish.qos == QoS::AtMostOnce && !apart && self.goes_straight(len) {
            return self
                .write_through(&packet, len, slot)
                .map(|ticket| (ticket, slot));
        }
        let stage = match publish.qos {
            QoS::AtMostOnce => Stage::AwaitSent,
            QoS::AtLeastOnce => Stage::AwaitPubAck,
            QoS::ExactlyOnce => Stage::AwaitPubRec,
        };
        let prefix = if publish.expiry.is_some() {
            EXPIRY_PREFIX
        } else {
            0
        };
        let stored = if apart { header } else { len };
        self.room_for(prefix.saturating_add(stored))?;
        let expires = self
            .clock
            .now
            .after(core::time::Duration::from_secs(u64::from(
                publish.expiry.unwrap_or(0),
            )));
        let parts = self.store.parts();
        let block = self
            .exchanges
            .arena
            .next(parts.arena, prefix.saturating_add(stored))
            .ok_or(RequestError::NoRoom)?;
        let (before, bytes) = block
            .split_at_mut_checked(prefix)
            .ok_or(RequestError::NoRoom)?;
        if let Some(before) = before.first_chunk_mut::<EXPIRY_PREFIX>() {
            *before = expires.as_micros().to_le_bytes();
        }
        if apart {
            packet.encode_header(From::Client, payload_len, bytes)?;
        } else {
            packet.encode(From::Client, bytes)?;
        }
        let ticket = self.exchanges.take_slot(parts.records);
        let offset = self
            .exchanges
            .arena
            .take(parts.arena, slot, prefix.saturating_add(stored));
        let mut flags = Flags::default();
        flags.set(Flags::STORED);
        if publish.expiry.is_some() {
            flags.set(Flags::EXPIRES);
            self.exchanges.next_expiry = self.exchanges.next_expiry.min(expires);
            self.clock.arm(expires);
        }
        if apart {
            flags.set(Flags::PAYLOAD_APART);
        }
        put(
            parts.records,
            slot,
            Record {
                ticket: ticket.0,
                offset,
                len: u32::try_from(stored).unwrap_or(u32::MAX),
                stage,
                flags,
                ..Record::EMPTY
            },
        );
        let queue = if stage == Stage::AwaitSent {
            &mut self.exchanges.prompt
        } else {
            &mut self.exchanges.queued
        };
        queue.push_back(parts.records, slot);
        self.line.wants_pump = true;
        Ok((ticket, slot))
    }

    fn check_publish(&self, publish: &Publish<'_>) -> Result<(), RequestError> {
        match self.line.standing {
            Standing::Up => {}
            Standing::Stopping | Standing::Over => return Err(RequestError::Stopping),
            Standing::Down => {
                if publish.qos == QoS::AtMostOnce && self.config.offline == Offline::Refuse {
                    return Err(RequestError::NotConnected);
                }
            }
        }
        if publish.qos > self.line.limits.maximum_qos {
            return Err(RequestError::QoSNotSupported {
                maximum: self.line.limits.maximum_qos,
            });
        }
        if publish.retain && !self.line.limits.retain_available {
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
        if let Some(slot) = self.exchanges.peek_slot(self.store.records()) {
            return Ok(slot);
        }
        if !self.store.grow_records() {
            return Err(RequestError::TooMany);
        }
        self.exchanges
            .peek_slot(self.store.records())
            .ok_or(RequestError::TooMany)
    }

    /// Makes room for a block of `len` bytes at the end of the arena.
    fn room_for(&mut self, len: usize) -> Result<(), RequestError> {
        let arena = &mut self.exchanges.arena;
        let parts = self.store.parts();
        if arena.fits(parts.arena, len) {
            return Ok(());
        }
        // Closing gaps pays when it frees at least half; otherwise growing is cheaper.
        let sparse = arena.live() <= parts.arena.len() / 2;
        if sparse && arena.fits_packed(parts.arena, len) {
            arena.pack(parts.arena, parts.records);
            return Ok(());
        }
        let needed = len.saturating_add(crate::arena::BLOCK_HEADER);
        if self.store.grow_arena(arena.end as usize, needed) {
            return Ok(());
        }
        let parts = self.store.parts();
        if arena.fits_packed(parts.arena, len) {
            arena.pack(parts.arena, parts.records);
            return Ok(());
        }
        // Packed, a smaller growth may do where the one above did not.
        arena.pack(parts.arena, parts.records);
        if self.store.grow_arena(arena.end as usize, needed) {
            return Ok(());
        }
        if arena.live() == 0 {
            return Err(RequestError::LargerThanStore);
        }
        Err(RequestError::NoRoom)
    }

    /// Whether a QoS 0 message can be written for the transport at once: nothing that should
    /// leave before it waits, its topic gets no alias, and there is room.
    fn goes_straight(&mut self, len: usize) -> bool {
        if self.line.standing != Standing::Up
            || self.line.alias_limit > 0
            || !self.exchanges.prompt.is_empty()
            || !self.exchanges.resume.is_empty()
        {
            return false;
        }
        self.has_room(len)
    }

    /// Whether the transmit buffer has room for `len` bytes, after growing where the store can.
    pub(crate) fn has_room(&mut self, len: usize) -> bool {
        if self.line.tx.room(self.store.transmit(), len).is_some() {
            return true;
        }
        self.store.grow_transmit(self.line.tx.wanted(len))
            && self.line.tx.room(self.store.transmit(), len).is_some()
    }

    fn write_through(
        &mut self,
        packet: &Packet<'_>,
        len: usize,
        slot: u16,
    ) -> Result<Ticket, RequestError> {
        let room = self.line.tx.room(self.store.transmit(), len);
        let out = room.ok_or(RequestError::NoRoom)?;
        let written = packet.encode(From::Client, out)?;
        self.commit(written);
        let parts = self.store.parts();
        let ticket = self.exchanges.take_slot(parts.records);
        put(
            parts.records,
            slot,
            Record {
                ticket: ticket.0,
                mark: self.line.tx.queued(),
                stage: Stage::AwaitSent,
                ..Record::EMPTY
            },
        );
        self.exchanges.sending.push_back(parts.records, slot);
        Ok(ticket)
    }

    /// Queues what was written for the transport, which may begin to stall now.
    pub(crate) fn commit(&mut self, len: usize) {
        self.begin_stall();
        self.line.tx.commit(len);
    }

    /// From the first byte that is queued on, the transport has to take some.
    pub(crate) fn begin_stall(&mut self) {
        if self.line.tx.is_empty() {
            self.line.stalled_since = self.clock.now;
            self.clock
                .arm(self.clock.now.plus_millis(self.config.ack_timeout));
        }
    }

    /// Subscribes, exactly as [`Client::subscribe`](crate::Client::subscribe) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn subscribe(
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

    /// Unsubscribes, exactly as [`Client::unsubscribe`](crate::Client::unsubscribe) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn unsubscribe(
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
        if matches!(self.line.standing, Standing::Stopping | Standing::Over) {
            return Err(RequestError::Stopping);
        }
        if self.line.is_up() {
            self.check_request(len, flags)?;
        }
        let slot = self.free_slot()?;
        self.room_for(len)?;
        let parts = self.store.parts();
        let block = self.exchanges.arena.next(parts.arena, len);
        encode(block.ok_or(RequestError::NoRoom)?)?;
        let ticket = self.exchanges.take_slot(parts.records);
        let offset = self.exchanges.arena.take(parts.arena, slot, len);
        let stage = if flags.has(Flags::SUBSCRIBE) {
            Stage::AwaitSubAck
        } else {
            Stage::AwaitUnsubAck
        };
        flags.set(Flags::STORED);
        put(
            parts.records,
            slot,
            Record {
                ticket: ticket.0,
                offset,
                len: u32::try_from(len).unwrap_or(u32::MAX),
                filters: u16::try_from(filters).unwrap_or(u16::MAX),
                stage,
                flags,
                ..Record::EMPTY
            },
        );
        self.exchanges.prompt.push_back(parts.records, slot);
        self.line.wants_pump = true;
        Ok(ticket)
    }

    /// Holds a SUBSCRIBE or UNSUBSCRIBE against the server's limits.
    fn check_request(&self, len: usize, flags: Flags) -> Result<(), RequestError> {
        let limits = &self.line.limits;
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

/// Writes a record into a slot that was just taken, which is in no queue.
fn put(records: &mut [Record], slot: u16, record: Record) {
    if let Some(place) = records.get_mut(usize::from(slot)) {
        *place = record;
    }
}
