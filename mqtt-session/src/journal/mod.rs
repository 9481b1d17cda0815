//! A session as a log of its changes, for a file that is only appended to.
//!
//! A [snapshot](crate::snapshot) is as long as the session; what changes with a message is a few
//! bytes. A [`Journal`] knows what was written, compares that with the client where it can have
//! changed, and writes entries for the difference; an [`Image`] takes the entries in again and
//! makes a snapshot of them. Nothing in the client knows of it, so that it costs nothing where it
//! is not used.
//!
//! The entries are bytes; how they are kept, told apart and checked is the caller's.
//!
//! ```
//! use mqtt_session::journal::{Entries, Image, Journal};
//! use mqtt_session::{Client, Config, Heap, Instant, Publish, QoS, TopicName};
//!
//! #[derive(Default)]
//! struct Log(Vec<Vec<u8>>, Vec<u8>);
//!
//! impl Entries for Log {
//!     fn piece(&mut self, bytes: &[u8]) {
//!         self.1.extend_from_slice(bytes);
//!     }
//!     fn end(&mut self) {
//!         self.0.push(std::mem::take(&mut self.1));
//!     }
//! }
//!
//! let (mut log, mut journal, wall) = (Log::default(), Journal::new(), 0);
//! let mut client = Client::new(Config::default(), Heap::default());
//! let publish = Publish::new(TopicName::new("t")?, b"21.5").qos(QoS::ExactlyOnce);
//! let ticket = client.publish(Instant::from_secs(1), &publish)?;
//! journal.published(&mut client, ticket, wall, &mut log);
//!
//! let mut image = Image::new();
//! for entry in &log.0 {
//!     image.apply(entry)?;
//! }
//! let mut again = Client::new(Config::default(), Heap::default());
//! again.import(Instant::from_secs(0), &image.snapshot(wall))?;
//! again.each_unsettled(|left| assert_eq!((left.ticket, left.payload), (ticket, &b"21.5"[..])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When to call what
//!
//! - [`Journal::published`] after each publish, before it counts as accepted.
//! - [`Journal::sending`] when [`Action::Send`](crate::Action::Send) has come, before any of its
//!   bytes are written. What it wrote has to be kept first.
//! - [`Journal::settled`] for each event [`Published`](crate::Event::Published).
//! - [`Journal::all`] for the events [`Connected`](crate::Event::Connected) and
//!   [`Disconnected`](crate::Event::Disconnected), with which much can change; and to begin a new
//!   log, with a new journal.
//!
//! The rest may be kept whenever there is time, in its order. Moments are kept by a clock that
//! goes on over restarts, in microseconds since any epoch, such as that of Unix.

mod image;

pub use image::{Image, Unreadable};

use crate::client::Client;
use crate::event::Ticket;
use crate::record::{Place, Record};
use crate::snapshot::{Head, Kind, LASTS, expires, walk, walk_from, write_identity, write_record};
use crate::store::{InboundStore, OutboundStore, Store};
use crate::tables::Tables;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What an entry begins with.
pub(crate) mod tag {
    /// A message, as a record of a snapshot, but with the moment at which it expires.
    pub(crate) const MESSAGE: u8 = 1;
    /// The head of a record that was written before.
    pub(crate) const MOVED: u8 = 2;
    /// A ticket that is settled.
    pub(crate) const SETTLED: u8 = 3;
    /// Identifiers of inbound QoS 2 messages that are received, and that are released.
    pub(crate) const RECEIVED: u8 = 4;
    pub(crate) const FORGOTTEN: u8 = 5;
    /// Whose session it is, as a snapshot has it.
    pub(crate) const IDENTITY: u8 = 6;
    /// An identifier that the server may hold, and one that it does not any more.
    pub(crate) const RESERVED: u8 = 7;
    pub(crate) const FREED: u8 = 8;
}

/// Where entries go.
pub trait Entries {
    /// Part of an entry.
    fn piece(&mut self, bytes: &[u8]);
    /// The pieces since the last call are one entry.
    fn end(&mut self);
}

/// A bit for each packet identifier.
type Bits = Box<[u64; 1024]>;

/// What was written of a session.
#[derive(Clone, Debug)]
pub struct Journal {
    /// The head of each message, by its ticket.
    known: BTreeMap<u64, Head>,
    received: Bits,
    /// How many bits are set in it.
    received_count: usize,
    now_received: Bits,
    /// In the order in which they were given up.
    reserved: Vec<u16>,
    identity: Vec<u8>,
}

/// How much there is of it.
#[cfg(feature = "defmt")]
impl defmt::Format for Journal {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (known, received) = (self.known.len(), self.received_count);
        defmt::write!(
            f,
            "Journal {{ known: {=usize}, received: {=usize} }}",
            known,
            received
        );
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

/// What entries are made from and go to.
struct Writing<'w> {
    tables: &'w Tables,
    known: &'w mut BTreeMap<u64, Head>,
    entries: &'w mut dyn Entries,
    /// What the wall clock is ahead of the machine's by, wrapping.
    ahead: u64,
}

impl Writing<'_> {
    /// Writes what is new about a record.
    fn note<O: OutboundStore>(&mut self, store: &mut O, head: Head, slot: u16, record: &Record) {
        match self.known.get(&head.ticket) {
            Some(known) if *known == head => return,
            Some(_) => {
                self.entries.piece(&[tag::MOVED]);
                self.entries.piece(&head.bytes());
            }
            None => {
                let at = expires(store, record).map(|at| at.wrapping_add(self.ahead));
                let at = at.map_or(LASTS, |at| at.min(LASTS.saturating_sub(1)));
                self.entries.piece(&[tag::MESSAGE]);
                write_record(store, head, slot, record, at, &mut |piece| {
                    self.entries.piece(piece);
                    true
                });
            }
        }
        self.entries.end();
        self.known.insert(head.ticket, head);
    }

    /// The first of the records at the end of a queue that are not known as they are: whatever is
    /// sent for the first time is sent behind what was sent before.
    fn unknown(&self, records: &[Record], place: Place) -> Option<u16> {
        let mut first = None;
        let mut at = self.tables.last(records, place);
        while let Some(slot) = at
            && let Some(head) = records
                .get(usize::from(slot))
                .and_then(|record| Head::of_record(self.tables, record, false))
            && self.known.get(&head.ticket) != Some(&head)
        {
            first = Some(slot);
            at = self.tables.before(records, slot);
        }
        first
    }

    /// Notes all records of a queue from one on.
    fn note_from<O: OutboundStore>(&mut self, first: Option<u16>, store: &mut O) {
        walk_from(
            self.tables,
            first,
            false,
            store,
            &mut |store, head, slot, record| {
                self.note(store, head, slot, &record);
                true
            },
        );
    }
}

impl Journal {
    /// Of a log that is empty.
    #[must_use]
    pub fn new() -> Self {
        Self {
            known: BTreeMap::new(),
            received: Box::new([0; 1024]),
            received_count: 0,
            now_received: Box::new([0; 1024]),
            reserved: Vec::new(),
            identity: Vec::new(),
        }
    }

    /// A message was published with this ticket; `wall` is the time. Nothing is written for QoS 0.
    pub fn published<S: Store>(
        &mut self,
        client: &mut Client<S>,
        ticket: Ticket,
        wall: u64,
        entries: &mut dyn Entries,
    ) {
        let (machine, stores) = client.split();
        let tables = &machine.out.exchanges.tables;
        let mut writing = Writing {
            tables,
            known: &mut self.known,
            entries,
            ahead: wall.wrapping_sub(machine.out.clock.now.as_micros()),
        };
        for place in [Place::Flight, Place::Queued] {
            let last = tables.last(stores.outbound.records(), place);
            walk_from(
                tables,
                last,
                place == Place::Queued,
                stores.outbound,
                &mut |store, head, slot, record| {
                    if head.ticket == ticket.0 {
                        writing.note(store, head, slot, &record);
                    }
                    true
                },
            );
        }
    }

    /// Bytes are about to be written: notes all that they depend on.
    pub fn sending<S: Store>(
        &mut self,
        client: &mut Client<S>,
        wall: u64,
        entries: &mut dyn Entries,
    ) {
        let (machine, stores) = client.split();
        let tables = &machine.out.exchanges.tables;
        let mut writing = Writing {
            tables,
            known: &mut self.known,
            entries,
            ahead: wall.wrapping_sub(machine.out.clock.now.as_micros()),
        };
        // What the transport has taken was noted before it took it.
        let records = stores.outbound.records();
        for first in [
            tables.first_leaving_release(records),
            tables.first(records, Place::Release),
            writing.unknown(records, Place::Flight),
        ] {
            writing.note_from(first, stores.outbound);
        }
        self.note_received(client, entries);
    }

    /// An event has told that a ticket is settled.
    pub fn settled<S: Store>(
        &mut self,
        client: &mut Client<S>,
        ticket: Ticket,
        entries: &mut dyn Entries,
    ) {
        if self.known.remove(&ticket.0).is_none() {
            return;
        }
        entries.piece(&[tag::SETTLED]);
        entries.piece(&ticket.0.to_le_bytes());
        entries.end();
        // Its identifier may have to stay.
        let (machine, stores) = client.split();
        let tables = &machine.out.exchanges.tables;
        let last = tables.reserved_last(stores.outbound.records(), ticket);
        walk_from(
            tables,
            last,
            false,
            stores.outbound,
            &mut |_, head, _, _| {
                if !self.reserved.contains(&head.id) {
                    self.reserved.push(head.id);
                    note_id(tag::RESERVED, head.id, entries);
                }
                true
            },
        );
    }

    /// Notes all that is new, wherever it is.
    pub fn all<S: Store>(&mut self, client: &mut Client<S>, wall: u64, entries: &mut dyn Entries) {
        let (machine, stores) = client.split();
        let mut reserved = Vec::new();
        let mut writing = Writing {
            tables: &machine.out.exchanges.tables,
            known: &mut self.known,
            entries: &mut *entries,
            ahead: wall.wrapping_sub(machine.out.clock.now.as_micros()),
        };
        walk(
            &machine.out.exchanges,
            stores.outbound,
            &mut |store, head, slot, record| {
                match head.kind {
                    Kind::Released | Kind::Sent | Kind::Queued => {
                        writing.note(store, head, slot, &record);
                    }
                    Kind::Reserved => {
                        reserved.push(head.id);
                    }
                    // To be told, and noted when that is.
                    Kind::GivenUp | Kind::EndedWell => {}
                }
                true
            },
        );
        // Behind the messages: they have their identifiers in another order than that of the last.
        let mut identity = Vec::new();
        write_identity(machine, stores.inbound, &mut |piece| {
            identity.extend_from_slice(piece);
            true
        });
        if identity != self.identity {
            entries.piece(&[tag::IDENTITY]);
            entries.piece(&identity);
            entries.end();
            self.identity = identity;
        }
        // There are few: messages that the server had and whose limits then changed.
        for id in reserved.iter().filter(|id| !self.reserved.contains(id)) {
            note_id(tag::RESERVED, *id, entries);
        }
        for id in self.reserved.iter().filter(|id| !reserved.contains(id)) {
            note_id(tag::FREED, *id, entries);
        }
        self.reserved = reserved;
        self.note_received(client, entries);
    }

    /// Notes which identifiers of inbound messages have come and gone.
    fn note_received<S: Store>(&mut self, client: &mut Client<S>, entries: &mut dyn Entries) {
        let (_, stores) = client.split();
        let mut count = 0usize;
        let now = &mut *self.now_received;
        now.fill(0);
        stores.inbound.each_received(&mut |id| {
            if let Some(word) = now.get_mut(usize::from(id / 64)) {
                *word |= 1u64.wrapping_shl(u32::from(id % 64));
            }
            count = count.wrapping_add(1);
        });
        if count == 0 && self.received_count == 0 {
            return;
        }
        self.received_count = count;
        for ((new, old), at) in now.iter().zip(self.received.iter()).zip(0u16..) {
            let mut changed = new ^ old;
            while changed != 0 {
                let bit = changed.trailing_zeros();
                changed &= changed.wrapping_sub(1);
                let id = at.wrapping_mul(64).wrapping_add(bit as u16);
                let is_new = new.wrapping_shr(bit) & 1 != 0;
                let tag = if is_new {
                    tag::RECEIVED
                } else {
                    tag::FORGOTTEN
                };
                note_id(tag, id, entries);
            }
        }
        core::mem::swap(&mut self.received, &mut self.now_received);
    }
}

fn note_id(tag: u8, id: u16, entries: &mut dyn Entries) {
    entries.piece(&[tag]);
    entries.piece(&id.to_le_bytes());
    entries.end();
}
