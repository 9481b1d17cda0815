//! What a snapshot consists of, for the side that writes it and the side that reads it.
//!
//! ```text
//! magic 4 · version 2 · length of the whole 4
//! flags 1 · client fingerprint 4 · last packet identifier 2 · next ticket 8
//! length of the assigned client identifier 2 · the identifier
//! number of inbound QoS 2 identifiers 2 · the identifiers, rising
//! number of records 2 · the records, in the order in which they will be sent
//! checksum of all before it 4
//! ```
//!
//! A record is its head, [`Head`], and for a message that is still held microseconds until it
//! expires (8), the length of its packet (4), and the packet: with its full topic, without DUP,
//! with packet identifier 1 and a Message Expiry Interval of 0 where it has one. Of a message whose
//! payload is drawn from the application, the packet is its header alone, which announces how long
//! the payload is. All numbers are little-endian.

use crate::event::GiveUp;
use crate::exchanges::Exchanges;
use crate::record::{Flags, Place, Record, Stage};
use crate::store::OutboundStore;
use crate::tables::Tables;
use mqtt_proto::ReasonCode;

pub(crate) const MAGIC: [u8; 4] = *b"mq5s";
pub(crate) const VERSION: u16 = 1;
/// Magic, version and length.
pub(crate) const PREAMBLE: usize = 10;
pub(crate) const CHECKSUM: usize = 4;
/// Where in what is written of an identity its numbers begin.
#[cfg(feature = "alloc")]
pub(crate) const IDENTITY_NUMBERS: usize = 1 + 4;
/// No session is smaller.
pub(crate) const LEAST: usize = PREAMBLE + 1 + 4 + 2 + 8 + 2 + 2 + 2 + CHECKSUM;
/// In place of the microseconds until a message expires: it does not.
pub(crate) const LASTS: u64 = u64::MAX;
/// The longest Message Expiry Interval, in microseconds.
pub(crate) const LONGEST_INTERVAL: u64 = u32::MAX as u64 * 1_000_000;

/// There was an accepted connection, so that the fingerprint counts.
pub(crate) const ACCEPTED: u8 = 1;
/// The server should have the session.
pub(crate) const HAS_SESSION: u8 = 2;

/// How far a record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    /// PUBREC came: only the identifier is left, and PUBREC's reason.
    Released = 1,
    /// It may have been sent.
    Sent = 2,
    /// It was never sent, and has no identifier.
    Queued = 3,
    /// Given up, which is to be told; the reason is its cause.
    GivenUp = 4,
    /// Ended well, which is to be told.
    EndedWell = 5,
    /// Given up and told, and the server may hold the identifier.
    Reserved = 6,
}

impl Kind {
    pub(crate) const fn new(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Released,
            2 => Self::Sent,
            3 => Self::Queued,
            4 => Self::GivenUp,
            5 => Self::EndedWell,
            6 => Self::Reserved,
            _ => return None,
        })
    }

    /// Whether the message itself follows.
    pub(crate) const fn has_packet(self) -> bool {
        matches!(self, Self::Sent | Self::Queued)
    }
}

/// What every record begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) reason: u8,
    pub(crate) id: u16,
    pub(crate) ticket: u64,
}

pub(crate) const HEAD: usize = 12;

impl Head {
    pub(crate) fn bytes(self) -> [u8; HEAD] {
        let [id0, id1] = self.id.to_le_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = self.ticket.to_le_bytes();
        let kind = self.kind as u8;
        [kind, self.reason, id0, id1, t0, t1, t2, t3, t4, t5, t6, t7]
    }

    pub(crate) fn of(bytes: [u8; HEAD]) -> Option<Self> {
        let [kind, reason, id0, id1, ticket @ ..] = bytes;
        Some(Self {
            kind: Kind::new(kind)?,
            reason,
            id: u16::from_le_bytes([id0, id1]),
            ticket: u64::from_le_bytes(ticket),
        })
    }

    /// What is kept of a record; None for what is no message of QoS 1 or 2. `waits`: it is in the
    /// queue of those that were never sent, though it may have an identifier already.
    pub(crate) fn of_record(tables: &Tables, record: &Record, waits: bool) -> Option<Self> {
        let mut id = if waits { 0 } else { record.id };
        let (kind, reason) = match record.stage {
            Stage::AwaitPubComp => (Kind::Released, record.reason().value()),
            // Identifiers are given when a message is written for a transport, which may take it
            // at any moment.
            Stage::AwaitPubAck | Stage::AwaitPubRec if id != 0 => (Kind::Sent, source_of(record)),
            Stage::AwaitPubAck | Stage::AwaitPubRec => (Kind::Queued, source_of(record)),
            _ if record.flags.has(Flags::REQUEST) => return None,
            Stage::Ended(cause) => (Kind::GivenUp, number_of(cause)),
            // A message of QoS 0 that the transport has taken: nothing of it outlives that.
            Stage::EndedWell if !record.flags.has(Flags::MAYBE_SEEN) => return None,
            Stage::EndedWell => {
                id = 0;
                (Kind::EndedWell, record.reason().value())
            }
            Stage::Reserved => (Kind::Reserved, 0),
            Stage::AwaitSent | Stage::AwaitSubAck | Stage::AwaitUnsubAck => return None,
        };
        let ticket = if kind == Kind::Reserved {
            0
        } else {
            tables.ticket_number(record)
        };
        Some(Self {
            kind,
            reason,
            id,
            ticket,
        })
    }
}

/// In place of the reason of a message: its payload is drawn from the application.
pub(crate) const DRAWN: u8 = 1;

fn source_of(record: &Record) -> u8 {
    #[cfg(feature = "draw")]
    if record.flags.has(Flags::DRAWN) {
        return DRAWN;
    }
    let _ = record;
    0
}

const CAUSES: [GiveUp; 12] = [
    GiveUp::ConnectionLost,
    GiveUp::OutcomeUnknown,
    GiveUp::SessionDiscarded,
    GiveUp::Expired,
    GiveUp::TooLarge,
    GiveUp::QoSNotSupported,
    GiveUp::RetainNotSupported,
    GiveUp::WildcardsNotSupported,
    GiveUp::SharedNotSupported,
    GiveUp::SubscriptionIdentifiersNotSupported,
    GiveUp::Abandoned,
    GiveUp::PayloadUnfinished,
];

fn number_of(cause: GiveUp) -> u8 {
    let at = CAUSES.iter().position(|other| *other == cause);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

pub(crate) fn cause_of(number: u8) -> Option<GiveUp> {
    CAUSES.get(usize::from(number)).copied()
}

/// Whether this can be the reason of a PUBREC that took a message over.
pub(crate) fn is_success(reason: u8) -> Option<ReasonCode> {
    let reason = ReasonCode::new(reason)?;
    let allowed = reason.is_allowed(mqtt_proto::PacketType::PubRec, mqtt_proto::Sender::Server);
    (allowed && !reason.is_failure()).then_some(reason)
}

/// Walks over the records that are kept, in the order in which a cut would leave them, until
/// `each` has enough.
pub(crate) fn walk<O: OutboundStore>(
    exchanges: &Exchanges,
    store: &mut O,
    each: &mut dyn FnMut(&mut O, Head, u16, Record) -> bool,
) -> bool {
    [
        Place::Released,
        Place::Release,
        Place::Flight,
        Place::Resume,
        Place::Queued,
        Place::Ended,
        Place::Reserved,
    ]
    .into_iter()
    .all(|place| {
        let first = exchanges.tables.first(store.records(), place);
        walk_from(
            &exchanges.tables,
            first,
            place == Place::Queued,
            store,
            each,
        )
    })
}

/// Walks over a queue from one of its records on; `waits` as for [`Head::of_record`].
pub(crate) fn walk_from<O: OutboundStore>(
    tables: &Tables,
    first: Option<u16>,
    waits: bool,
    store: &mut O,
    each: &mut dyn FnMut(&mut O, Head, u16, Record) -> bool,
) -> bool {
    let mut at = first;
    while let Some(slot) = at {
        let Some(record) = store.records().get(usize::from(slot)).copied() else {
            break;
        };
        at = tables.after(store.records(), slot);
        if let Some(head) = Head::of_record(tables, &record, waits)
            && !each(store, head, slot, record)
        {
            return false;
        }
    }
    true
}

/// Whether what is written of an identity says that the server should have the session.
#[cfg(feature = "alloc")]
pub(crate) fn has_session(identity: &[u8]) -> bool {
    identity
        .first()
        .is_some_and(|flags| flags & HAS_SESSION != 0)
}

/// The last packet identifier and the next ticket in what is written of an identity.
#[cfg(feature = "alloc")]
pub(crate) fn identity_parts(identity: &[u8]) -> Option<(u16, u64)> {
    let numbers = identity.get(IDENTITY_NUMBERS..)?;
    let (last_id, behind) = numbers.split_first_chunk()?;
    let (next_ticket, behind) = behind.split_first_chunk()?;
    let (len, assigned) = behind.split_first_chunk()?;
    (usize::from(u16::from_le_bytes(*len)) == assigned.len()).then_some((
        u16::from_le_bytes(*last_id),
        u64::from_le_bytes(*next_ticket),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_causes_come_back_as_they_were() {
        for kind in 1..=6 {
            let head = Head {
                kind: Kind::new(kind).unwrap(),
                reason: 7,
                id: 0x1234,
                ticket: 0x0102_0304_0506_0708,
            };
            assert_eq!(Head::of(head.bytes()), Some(head));
        }
        assert_eq!((Kind::new(0), Kind::new(7)), (None, None));
        for cause in CAUSES {
            assert_eq!(cause_of(number_of(cause)), Some(cause));
        }
        assert_eq!(cause_of(12), None);
    }
}
