//! Requests of the application, from the call to the store: the sending half of the session
//! beside the sending half of the connection.

#[cfg(not(feature = "fast"))]
use crate::answer::Answer;
use crate::config::Config;
use crate::event::Ticket;
use crate::exchanges::{Exchanges, Work};
use crate::instant::Clock;
#[cfg(feature = "message-expiry")]
use crate::instant::Instant;
use crate::line::{Line, Standing};
#[cfg(not(feature = "fast"))]
use crate::record::KeptTicket;
use crate::record::{Flags, Place, Stage};
#[cfg(not(feature = "fast"))]
use crate::request::Full;
use crate::request::{Publish, RequestError};
use crate::store::OutboundStore;
use crate::stored;
#[cfg(not(feature = "fast"))]
use crate::tables::oldest;
#[cfg(any(feature = "bytes", feature = "draw"))]
use crate::transmit::RESERVE;
use core::cell::Cell;
use mqtt_proto::{
    EncodeError, Properties, Property, PropertyId, Publish as Packet, QoS, Sender as From,
};

/// Bytes in front of a stored message that expires: when.
#[cfg(feature = "message-expiry")]
pub(crate) const EXPIRY_PREFIX: usize = 8;
#[cfg(not(feature = "message-expiry"))]
pub(crate) const EXPIRY_PREFIX: usize = 0;

/// What was taken in: its ticket, and its slot where that is asked for.
#[cfg(any(feature = "fast", feature = "bytes", feature = "draw"))]
pub(crate) type Taken = (Ticket, u16);
#[cfg(not(any(feature = "fast", feature = "bytes", feature = "draw")))]
pub(crate) type Taken = Ticket;

#[cfg(any(feature = "fast", feature = "bytes", feature = "draw"))]
const fn taken(ticket: Ticket, slot: u16) -> Taken {
    (ticket, slot)
}
#[cfg(not(any(feature = "fast", feature = "bytes", feature = "draw")))]
const fn taken(ticket: Ticket, _slot: u16) -> Taken {
    ticket
}

/// The ticket of what was taken in.
#[cfg(any(feature = "fast", feature = "bytes", feature = "draw"))]
pub(crate) fn ticket_of(taken: Result<Taken, RequestError>) -> Result<Ticket, RequestError> {
    taken.map(|(ticket, _)| ticket)
}
#[cfg(not(any(feature = "fast", feature = "bytes", feature = "draw")))]
#[inline(always)]
pub(crate) const fn ticket_of(taken: Result<Taken, RequestError>) -> Result<Ticket, RequestError> {
    taken
}

/// The sending half of the session with that of its store, borrowed for one call.
pub(crate) struct Sending<'a, O> {
    pub(crate) out: &'a mut Outbox,
    pub(crate) store: &'a mut O,
}

/// What sending needs besides the store, so that one reference hands it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub(crate) struct Outbox {
    pub(crate) clock: Clock,
    /// Of the connection: made afresh for each.
    pub(crate) line: Line,
    pub(crate) config: Config,
    /// Of the session.
    pub(crate) exchanges: Exchanges,
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
            line: Line::new(),
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

/// What is kept of a count of filters, or of a length: it stops at 65,535.
#[cfg(any(feature = "fast", feature = "alloc"))]
fn counted(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// What is kept of a count of filters, or of a length: in less than 64 KiB there are not more.
#[cfg(not(any(feature = "fast", feature = "alloc")))]
const fn counted(count: usize) -> u16 {
    count as u16
}

/// What is to be kept until it is settled.
pub(crate) struct Kept<'e> {
    pub(crate) stage: Stage,
    /// What is known of it. In a cell, so that all of this is read where it is wanted: otherwise the
    /// stack would hold it a second time while the packet is encoded.
    pub(crate) flags: Cell<Flags>,
    /// Topic filters, or bytes of the topic name.
    pub(crate) count: usize,
    #[cfg(feature = "message-expiry")]
    pub(crate) expires: Option<Instant>,
    /// Bytes of a payload that the store holds beside the arena.
    #[cfg(any(feature = "bytes", feature = "draw"))]
    pub(crate) apart: Option<usize>,
    pub(crate) packet: &'e dyn Storable,
}

/// A packet that can be kept.
pub(crate) trait Storable {
    /// Encodes it: a message without a payload of so many bytes that is held apart.
    fn encode(
        &self,
        #[cfg(any(feature = "bytes", feature = "draw"))] apart: Option<usize>,
        out: &mut [u8],
    ) -> Result<usize, EncodeError>;
}

/// The packet of a message, with the properties that are the machine's to set.
#[inline(always)]
fn packet_of<'p>(publish: &Publish<'p>, own: &'p [Property<'p>]) -> Packet<'p> {
    Packet {
        dup: false,
        qos: publish.qos,
        retain: publish.retain,
        topic: Some(publish.topic),
        packet_id: stored::placeholder(publish.qos),
        properties: Properties::chain(own, publish.properties),
        payload: publish.payload,
    }
}

/// Its packet is made where it is encoded, so that the stack does not hold it longer.
#[cfg(not(feature = "fast"))]
impl Storable for Publish<'_> {
    fn encode(
        &self,
        #[cfg(any(feature = "bytes", feature = "draw"))] apart: Option<usize>,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let own = self.expiry.map(Property::MessageExpiryInterval);
        #[cfg(any(feature = "bytes", feature = "draw"))]
        if let Some(payload_len) = apart {
            return packet_of(self, own.as_slice()).encode_header(From::Client, payload_len, out);
        }
        let properties = Properties::chain(own.as_slice(), self.properties);
        packet_of(self, &[]).encode_with(&properties, From::Client, out)
    }
}

/// With which end of the connection sends it.
#[cfg(feature = "fast")]
impl Storable for (Packet<'_>, From) {
    fn encode(
        &self,
        #[cfg(any(feature = "bytes", feature = "draw"))] apart: Option<usize>,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        #[cfg(any(feature = "bytes", feature = "draw"))]
        if let Some(payload_len) = apart {
            return self.0.encode_header(self.1, payload_len, out);
        }
        self.0.encode(self.1, out)
    }
}

impl Kept<'_> {
    /// Bytes of a payload that the store holds beside the arena.
    const fn apart(&self) -> usize {
        #[cfg(any(feature = "bytes", feature = "draw"))]
        if let Some(apart) = self.apart {
            return apart;
        }
        0
    }

    /// Bytes in front of it in the arena.
    const fn prefix(&self) -> usize {
        #[cfg(feature = "message-expiry")]
        if self.expires.is_some() {
            return EXPIRY_PREFIX;
        }
        0
    }
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Publishes a message.
    #[cfg(feature = "fast")]
    pub(crate) fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        if let Some(ticket) = self.out.publish_straight(self.store, publish) {
            return Ok(ticket);
        }
        self.publish_with_care(publish)
    }

    #[cfg(feature = "fast")]
    #[inline(never)]
    fn publish_with_care(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        ticket_of(self.enqueue(publish, None))
    }

    /// Publishes a message.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.store.publish(self.out, publish)
    }

    /// Takes any message in. With `apart`, only its header is stored and its payload of so many
    /// bytes is held by the store for the slot that is returned.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn enqueue(
        &mut self,
        publish: &Publish<'_>,
        apart: Option<usize>,
    ) -> Result<Taken, RequestError> {
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
        let mut flags = Flags::default();
        let stage = match publish.qos {
            QoS::AtMostOnce => Stage::AwaitSent,
            QoS::AtLeastOnce => Stage::AwaitPubAck,
            QoS::ExactlyOnce => Stage::AwaitPubRec,
        };
        if apart.is_some() {
            flags.set(Flags::PAYLOAD_APART);
        }
        if publish.expiry.is_some() {
            flags.set(Flags::EXPIRES);
        }
        if publish.retain {
            flags.set(Flags::RETAIN);
        }
        #[cfg(feature = "fast")]
        let own = publish.expiry.map(Property::MessageExpiryInterval);
        #[cfg(feature = "fast")]
        let packet = (packet_of(publish, own.as_slice()), self.out.side());
        #[cfg(feature = "fast")]
        if publish.qos == QoS::AtMostOnce
            && apart.is_none()
            && publish.expiry != Some(0)
            && let Some(written) = self.write_through(&packet.0)?
        {
            return Ok(written);
        }
        let kept = Kept {
            stage,
            flags: Cell::new(flags),
            count: publish.topic.as_bytes().len(),
            #[cfg(feature = "message-expiry")]
            expires: publish
                .expiry
                .map(|seconds| self.out.clock.now.plus_secs(seconds)),
            #[cfg(any(feature = "bytes", feature = "draw"))]
            apart,
            #[cfg(feature = "fast")]
            packet: &packet,
            #[cfg(not(feature = "fast"))]
            packet: publish,
        };
        #[cfg(any(feature = "fast", feature = "bytes", feature = "draw"))]
        return self.keep(&kept);
        #[cfg(not(any(feature = "fast", feature = "bytes", feature = "draw")))]
        self.store.keep(self.out, &kept)
    }

    /// Takes in what is to be kept until it is settled.
    #[cfg_attr(
        any(feature = "fast", feature = "bytes", feature = "draw"),
        inline(never)
    )]
    pub(crate) fn keep(&mut self, kept: &Kept<'_>) -> Result<Taken, RequestError> {
        if matches!(self.out.line.standing, Standing::Stopping | Standing::Over) {
            return Err(RequestError::Stopping);
        }
        let (prefix, apart) = (kept.prefix(), kept.apart());
        // What is known of it is held against the limits: first what it is, then how long, and
        // again when it has been encoded to where there is room for it.
        let (mut slot, mut len, mut whole) = (0, 0, false);
        loop {
            if let Some(cause) = self.out.line.forbids(kept.stage, kept.flags.get(), len) {
                return Err(self.out.line.refusal(cause, len));
            }
            if whole {
                break;
            }
            if len == 0 {
                let Some(free) = self.free_slot() else {
                    return Err(RequestError::TooMany);
                };
                slot = free;
            } else {
                self.room_for(prefix.saturating_add(len).saturating_sub(apart))?;
            }
            let room = self.out.exchanges.arena.rest(self.store.arena(), prefix);
            let encoded = kept.packet.encode(
                #[cfg(any(feature = "bytes", feature = "draw"))]
                kept.apart,
                room,
            );
            let encoded = match encoded {
                Ok(len) => {
                    whole = true;
                    len
                }
                Err(EncodeError::BufferTooSmall { needed }) => needed,
                Err(error) => return Err(error.into()),
            };
            len = encoded.saturating_add(apart);
        }
        let len = len.saturating_sub(apart);
        #[cfg(any(feature = "bytes", feature = "draw"))]
        if kept.flags.get().has(Flags::PAYLOAD_APART)
            && !self.store.grow_transmit(len.saturating_add(RESERVE))
        {
            // Its header could never be written in front of its payload.
            return Err(RequestError::LargerThanStore);
        }
        let parts = self.store.parts();
        let mut flags = kept.flags.get();
        flags.set(Flags::STORED);
        #[cfg(feature = "message-expiry")]
        if let Some(expires) = kept.expires {
            let place = self.out.exchanges.arena.rest(parts.arena, 0);
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
        let place = if kept.stage.is_exchange() {
            Place::Queued
        } else {
            Place::Prompt
        };
        let block = prefix.wrapping_add(len);
        let offset = exchanges.arena.take(parts.arena, slot, block);
        #[cfg(feature = "fast")]
        let ticket = exchanges.tables.take(parts.records, slot);
        #[cfg(feature = "fast")]
        let record = parts.records.get_mut(usize::from(slot));
        #[cfg(not(feature = "fast"))]
        let ticket = exchanges.tables.issue();
        #[cfg(not(feature = "fast"))]
        let record = oldest(parts.records, Place::Free).map(|(_, record)| record);
        if let Some(record) = record {
            record.set_block(offset, len);
            record.count = counted(kept.count);
            record.stage = kept.stage;
            record.flags = flags;
            #[cfg(not(feature = "fast"))]
            {
                record.ticket = ticket.0 as KeptTicket;
                record.place = place;
            }
        }
        // What nothing goes before is written at once, and passes no queue of what waits.
        #[cfg(feature = "fast")]
        if kept.stage.is_exchange() && self.out.nothing_waits(&self.store.parts()) {
            let mut parts = self.store.parts();
            if self.out.copy_plainly(slot, &mut parts) {
                let tables = &mut self.out.exchanges.tables;
                tables.push(parts.records, slot, Place::Flight);
                return Ok(taken(ticket, slot));
            }
        }
        let exchanges = &mut self.out.exchanges;
        #[cfg(feature = "fast")]
        exchanges.tables.push(self.store.records(), slot, place);
        exchanges.work.note(Work::PUMP);
        Ok(taken(ticket, slot))
    }

    /// Refuses a QoS 0 message that the server does not allow. Without a connection everything is allowed.
    #[cfg(feature = "fast")]
    pub(crate) fn allow(&self, flags: Flags, len: usize) -> Result<(), RequestError> {
        match self.out.line.forbids(Stage::AwaitSent, flags, len) {
            None => Ok(()),
            Some(cause) => Err(self.out.line.refusal(cause, len)),
        }
    }

    /// A free slot, still free; makes the table longer where the store can.
    pub(crate) fn free_slot(&mut self) -> Option<u16> {
        loop {
            let tables = &self.out.exchanges.tables;
            if let Some(slot) = tables.peek(self.store.records()) {
                return Some(slot);
            }
            if !self.store.grow_records() {
                return None;
            }
        }
    }

    /// Makes room for a block of `len` bytes in the arena, where there is none as it is.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn room_for(&mut self, len: usize) -> Result<(), Full> {
        if len > self.store.arena_limit() {
            return Err(Full::Ever);
        }
        let arena = &mut self.out.exchanges.arena;
        let parts = self.store.parts();
        let end = arena.pack(parts.arena, parts.records);
        let room = parts.arena.len().wrapping_sub(end);
        if len <= room || self.store.grow_arena(end, len) {
            return Ok(());
        }
        Err(Full::Now)
    }

    /// Whether the transmit buffer has room for `len` bytes, after growing where the store can.
    #[inline]
    pub(crate) fn has_room(&mut self, len: usize) -> bool {
        self.grow_for(len);
        self.out.line.tx.fits(self.store.transmit().len(), len)
    }

    /// Makes the transmit buffer longer where it has no room for `len` bytes and the store can.
    #[inline]
    pub(crate) fn grow_for(&mut self, len: usize) {
        if O::GROWS && !self.out.line.tx.fits(self.store.transmit().len(), len) {
            self.make_room(len);
        }
    }

    #[cold]
    fn make_room(&mut self, len: usize) {
        let tx = &self.out.line.tx;
        if !tx.is_drawing() {
            self.store.grow_transmit(tx.wanted(len));
        }
    }

    /// Queues what was written for the transport.
    pub(crate) fn commit(&mut self, len: usize) {
        self.out.line.tx.commit(len);
    }
}
