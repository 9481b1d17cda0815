//! A session is read again. Nothing in it is believed: what is taken over is what an export could
//! have written.

use super::Kept;
use super::crc::Crc32;
use super::error::ImportError;
use super::layout::{
    ACCEPTED, CHECKSUM, DRAWN, HAS_SESSION, HEAD, Head, Kind, LASTS, LEAST, LONGEST_INTERVAL,
    MAGIC, PREAMBLE, VERSION, cause_of, is_success, walk_from,
};
use crate::connection::{Fingerprint, Phase};
use crate::exchanges::{Exchanges, Work};
use crate::instant::Instant;
use crate::machine::{Identity, Machine, Stores};
use crate::record::{Flags, Place, Record, Stage};
use crate::sender::EXPIRY_PREFIX;
use crate::store::{InboundStore, OutboundStore};
#[cfg(not(feature = "message-expiry"))]
use crate::stored::{put, stamped};
use mqtt_proto::{Property, PropertyId, QoS};

/// Bytes that are read from the front.
struct Source<'b> {
    rest: &'b [u8],
    at: usize,
}

impl<'b> Source<'b> {
    fn wrong<T>(&self) -> Result<T, ImportError> {
        Err(ImportError::Inconsistent { at: self.at })
    }

    fn ensure(&self, holds: bool) -> Result<(), ImportError> {
        if holds { Ok(()) } else { self.wrong() }
    }

    fn bytes(&mut self, len: usize) -> Result<&'b [u8], ImportError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return self.wrong();
        };
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        match self.bytes(N)?.first_chunk() {
            Some(bytes) => Ok(*bytes),
            None => self.wrong(),
        }
    }

    fn u8(&mut self) -> Result<u8, ImportError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, ImportError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ImportError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ImportError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}

/// Takes a session over; nothing has changed where that fails.
pub(crate) fn import<O: OutboundStore, I: InboundStore>(
    machine: &mut Machine,
    stores: Stores<'_, O, I>,
    now: Instant,
    bytes: &[u8],
) -> Result<(), ImportError> {
    let Stores { outbound, inbound } = stores;
    let exchanges = &machine.out.exchanges;
    let fresh = machine.phase == Phase::Rest
        && !machine.identity.accepted
        && *exchanges == Exchanges::new();
    if !fresh {
        return Err(ImportError::InUse);
    }
    let mut source = checked(bytes)?;
    machine.out.clock.advance(now);
    let mut restoring = Restoring {
        machine,
        stores: Stores { outbound, inbound },
        last: [None; 2],
    };
    let result = restoring.take_over(&mut source);
    if result.is_err() {
        restoring.undo();
    }
    result
}

/// The part behind the preamble of bytes that are what they say they are.
fn checked(bytes: &[u8]) -> Result<Source<'_>, ImportError> {
    let Some((preamble, _)) = bytes.split_first_chunk::<PREAMBLE>() else {
        return Err(ImportError::TooShort);
    };
    let [m0, m1, m2, m3, v0, v1, l0, l1, l2, l3] = *preamble;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(ImportError::NotASession);
    }
    let version = u16::from_le_bytes([v0, v1]);
    if version != VERSION {
        return Err(ImportError::Version(version));
    }
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let whole = bytes.get(..len).ok_or(ImportError::TooShort)?;
    if len < LEAST {
        return Err(ImportError::TooShort);
    }
    let Some((content, checksum)) = whole.split_last_chunk::<CHECKSUM>() else {
        return Err(ImportError::TooShort);
    };
    let mut crc = Crc32::new();
    crc.update(content);
    if crc.value() != u32::from_le_bytes(*checksum) {
        return Err(ImportError::Checksum);
    }
    let rest = content.get(PREAMBLE..).unwrap_or_default();
    Ok(Source { rest, at: PREAMBLE })
}

/// A machine that takes a session over.
struct Restoring<'a, O, I> {
    machine: &'a mut Machine,
    stores: Stores<'a, O, I>,
    /// The last ticket among the messages that may have been sent, and among those that were not:
    /// both rise.
    last: [Option<u64>; 2],
}

impl<O: OutboundStore, I: InboundStore> Restoring<'_, O, I> {
    fn take_over(&mut self, source: &mut Source<'_>) -> Result<(), ImportError> {
        let next_ticket = self.take_identity(source)?;
        let received = source.u16()?;
        let mut last = 0;
        for _ in 0..received {
            let id = source.u16()?;
            source.ensure(id > last)?;
            last = id;
            if !self.stores.inbound.remember(id) {
                return Err(ImportError::DoesNotFit);
            }
        }
        let records = source.u16()?;
        let mut kind = Kind::Released;
        for _ in 0..records {
            let Some(head) = Head::of(source.array::<HEAD>()?) else {
                return source.wrong();
            };
            // Those that have ended come in any order.
            let group = match head.kind {
                Kind::EndedWell => Kind::GivenUp,
                kind => kind,
            };
            source.ensure(group >= kind && head.ticket < next_ticket)?;
            kind = group;
            self.take_record(source, head)?;
        }
        source.ensure(source.rest.is_empty())?;
        let exchanges = &mut self.machine.out.exchanges;
        let records = self.stores.outbound.records();
        let tables = &exchanges.tables;
        let server_knows = received != 0
            || [Place::Release, Place::Resume, Place::Reserved]
                .into_iter()
                .any(|place| !tables.is_empty(records, place));
        source.ensure(self.machine.identity.has_session || !server_knows)?;
        if !tables.is_empty(records, Place::Ended) {
            exchanges.work.note(Work::TELL);
        }
        Ok(())
    }

    /// Whose session it is; the next ticket.
    fn take_identity(&mut self, source: &mut Source<'_>) -> Result<u64, ImportError> {
        let flags = source.u8()?;
        let client = source.u32()?;
        let accepted = flags & ACCEPTED != 0;
        let has_session = flags & HAS_SESSION != 0;
        source.ensure(flags & !(ACCEPTED | HAS_SESSION) == 0)?;
        source.ensure(accepted || (!has_session && client == 0))?;
        self.machine.identity = Identity {
            client: Fingerprint::new(client),
            has_session,
            accepted,
        };
        let last_id = source.u16()?;
        let next_ticket = source.u64()?;
        source.ensure(next_ticket != 0)?;
        let tables = &mut self.machine.out.exchanges.tables;
        tables.go_on_from(last_id, next_ticket);
        let len = source.u16()?;
        let Ok(assigned) = core::str::from_utf8(source.bytes(usize::from(len))?) else {
            return source.wrong();
        };
        source.ensure(accepted || assigned.is_empty())?;
        if !assigned.is_empty()
            && !self
                .stores
                .inbound
                .set_assigned_client_id(assigned.as_bytes())
        {
            return Err(ImportError::DoesNotFit);
        }
        Ok(next_ticket)
    }

    fn take_record(&mut self, source: &mut Source<'_>, head: Head) -> Result<(), ImportError> {
        let may_have_id = head.kind == Kind::GivenUp;
        let has_id = matches!(head.kind, Kind::Released | Kind::Sent | Kind::Reserved);
        source.ensure((head.id != 0) == has_id || may_have_id)?;
        source.ensure((head.ticket == 0) == (head.kind == Kind::Reserved))?;
        let mut record = Record::EMPTY;
        // What is reserved has lost its ticket: none is too old for it.
        if head.kind != Kind::Reserved {
            let tables = &self.machine.out.exchanges.tables;
            record.ticket = tables
                .kept_ticket(head.ticket)
                .ok_or(ImportError::DoesNotFit)?;
        }
        record.id = head.id;
        record.flags.set(Flags::MAYBE_SEEN);
        match head.kind {
            Kind::Sent | Kind::Queued => {
                source.ensure(matches!(head.reason, 0 | DRAWN))?;
                let [sent, queued] = &mut self.last;
                let last = if head.kind == Kind::Sent {
                    sent
                } else {
                    queued
                };
                let rises = last.is_none_or(|last| last < head.ticket);
                *last = Some(head.ticket);
                source.ensure(rises)?;
                return self.take_message(source, head, record);
            }
            Kind::Reserved => {
                source.ensure(head.reason == 0)?;
                record.stage = Stage::Reserved;
            }
            Kind::Released | Kind::EndedWell => {
                let Some(reason) = is_success(head.reason) else {
                    return source.wrong();
                };
                record.set_reason(reason);
                record.stage = if head.kind == Kind::Released {
                    Stage::AwaitPubComp
                } else {
                    Stage::EndedWell
                };
            }
            Kind::GivenUp => {
                let Some(cause) = cause_of(head.reason) else {
                    return source.wrong();
                };
                record.stage = Stage::Ended(cause);
            }
        }
        self.place(source, head.kind, record, &[], None)
    }

    /// A message with its packet, which must be one that this machine would have stored.
    fn take_message(
        &mut self,
        source: &mut Source<'_>,
        head: Head,
        mut record: Record,
    ) -> Result<(), ImportError> {
        let left = source.u64()?;
        let len = source.u32()? as usize;
        let packet = source.bytes(len)?;
        let Some(kept) = Kept::of(packet) else {
            return source.wrong();
        };
        let publish = kept.publish;
        let drawn = head.reason == DRAWN;
        source.ensure(if drawn {
            kept.payload.is_empty()
        } else {
            kept.missing == 0
        })?;
        if drawn && !cfg!(feature = "draw") {
            return Err(ImportError::PayloadDrawn);
        }
        let Some(topic) = publish.topic else {
            return source.wrong();
        };
        let interval = publish.properties.iter().next();
        let expires = matches!(interval, Some(Property::MessageExpiryInterval(0)));
        let alias = publish.properties.topic_alias().is_some();
        let more = publish
            .properties
            .iter()
            .skip(usize::from(expires))
            .any(|property| property.id() == PropertyId::MessageExpiryInterval);
        let stamped = publish.packet_id.is_some_and(|id| id.value() == 1);
        source.ensure(stamped && !publish.dup && !alias && !more && expires == (left != LASTS))?;
        record.stage = match publish.qos {
            QoS::AtMostOnce => return source.wrong(),
            QoS::AtLeastOnce => Stage::AwaitPubAck,
            QoS::ExactlyOnce => Stage::AwaitPubRec,
        };
        record.count = u16::try_from(topic.as_bytes().len()).unwrap_or(u16::MAX);
        record.set_block(0, len);
        record.flags = Flags::STORED;
        #[cfg(feature = "draw")]
        if drawn {
            record.flags.set(Flags::DRAWN);
            let transmit = len.saturating_add(crate::transmit::RESERVE);
            if !self.stores.outbound.grow_transmit(transmit) {
                // The header could never be written in front of the payload.
                return Err(ImportError::DoesNotFit);
            }
        }
        if publish.retain {
            record.flags.set(Flags::RETAIN);
        }
        if head.kind == Kind::Sent {
            record.flags.set(Flags::MAYBE_SEEN);
        }
        let mut at = None;
        if expires {
            record.flags.set(Flags::EXPIRES);
            let now = self.machine.out.clock.now;
            // Of more, the seconds could not be told.
            source.ensure(left <= LONGEST_INTERVAL)?;
            let micros = now.as_micros().saturating_add(left);
            at = Some(micros);
            #[cfg(feature = "message-expiry")]
            if head.kind == Kind::Queued {
                #[cfg(feature = "fast")]
                {
                    let out = &mut self.machine.out;
                    out.expires_by(out.clock.due_at(Instant::from_micros(micros)));
                }
            }
        }
        self.place(source, head.kind, record, packet, at)
    }

    /// Gives a record a slot, its packet a block, and itself a place in the queue of its kind. What
    /// expires does so when this is the machine's time in microseconds.
    fn place(
        &mut self,
        source: &Source<'_>,
        kind: Kind,
        record: Record,
        packet: &[u8],
        expires: Option<u64>,
    ) -> Result<(), ImportError> {
        let ticket = self.machine.out.exchanges.tables.ticket_number(&record);
        source.ensure(kind == Kind::Reserved || self.is_new(kind, ticket))?;
        let full = |_| ImportError::DoesNotFit;
        let mut sender = self.machine.sender(&mut *self.stores.outbound);
        let slot = sender.free_slot().ok_or(ImportError::DoesNotFit)?;
        let prefix = if expires.is_some() { EXPIRY_PREFIX } else { 0 };
        let len = prefix.saturating_add(packet.len());
        let mut record = record;
        if kind.has_packet() {
            let arena = &sender.out.exchanges.arena;
            if arena.rest(sender.store.arena(), 0).len() < len {
                sender.room_for(len).map_err(full)?;
            }
            let arena = &mut sender.out.exchanges.arena;
            let rest = arena.rest(sender.store.arena(), 0);
            let Some(block) = rest.get_mut(..len) else {
                return Err(ImportError::DoesNotFit);
            };
            if let Some((place, behind)) = block.split_at_mut_checked(prefix) {
                if let (Some(at), Some(place)) = (expires, place.first_chunk_mut()) {
                    *place = at.to_le_bytes();
                }
                behind.copy_from_slice(packet);
                #[cfg(not(feature = "message-expiry"))]
                if let Some(at) = expires {
                    // Nothing counts down: what is left is what is sent.
                    let (_, interval) = stamped(behind, &record);
                    let left = Instant::not_before(at).secs_from(sender.out.clock.now);
                    put(behind, interval, left.to_be_bytes());
                }
            }
            let offset = arena.take(sender.store.arena(), slot, len);
            record.set_block(offset, record.len());
        }
        let place = match kind {
            Kind::Released => Place::Release,
            Kind::Sent => Place::Resume,
            Kind::Queued => Place::Queued,
            Kind::GivenUp | Kind::EndedWell => Place::Ended,
            Kind::Reserved => Place::Reserved,
        };
        let tables = &mut sender.out.exchanges.tables;
        let mut parts = sender.store.parts();
        source.ensure(tables.restore(&mut parts, slot, record, place))
    }

    /// Whether no record has this ticket yet. Nearly always there is little to be looked at:
    /// tickets of messages rise, and few have ended or are past PUBREC.
    fn is_new(&mut self, kind: Kind, ticket: u64) -> bool {
        let [sent, _] = self.last;
        let rises = match kind {
            Kind::Sent => true,
            Kind::Queued => sent.is_none_or(|sent| sent < ticket),
            _ => false,
        };
        let tables = &self.machine.out.exchanges.tables;
        [
            (Place::Release, true),
            (Place::Ended, true),
            (Place::Resume, !rises),
            (Place::Queued, !kind.has_packet()),
        ]
        .into_iter()
        .all(|(place, looked_at)| {
            let first = tables.first(self.stores.outbound.records(), place);
            walk_from(
                tables,
                first.filter(|_| looked_at),
                false,
                self.stores.outbound,
                &mut |_, head, _, _| head.ticket != ticket,
            )
        })
    }

    /// Makes the client as new as it was.
    fn undo(&mut self) {
        let exchanges = &mut self.machine.out.exchanges;
        exchanges.tables.clear(&mut self.stores.outbound.parts());
        *exchanges = Exchanges::new();
        self.machine.identity = Identity {
            client: None,
            has_session: false,
            accepted: false,
        };
        self.stores.inbound.clear();
        self.stores.inbound.set_assigned_client_id(b"");
    }
}
