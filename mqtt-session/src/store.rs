//! Where the machine keeps what must outlive a call: one interface, two stores.
//!
//! The machine is compiled for the store it is used with: on a microcontroller there is one, and
//! where its sizes are known and what it cannot do, a good part of the code is not there.

mod fixed;
#[cfg(feature = "alloc")]
mod heap;

pub use fixed::Fixed;
#[cfg(feature = "alloc")]
pub use heap::{Heap, HeapLimits};
#[cfg(feature = "alloc")]
pub(crate) use heap::{identifiers, longer};

#[cfg(feature = "fast")]
use crate::id_table::IdEntry;
use crate::receipt::{Receipt, Stage};
use crate::record::Record;
use core::num::NonZero;

/// A store for [`Client`](crate::Client): [`Fixed`] or, with the feature `alloc`, `Heap`.
///
/// The trait is sealed: what a store must promise is between it and the machine.
pub trait Store: sealed::Sealed {
    #[doc(hidden)]
    type Outbound: OutboundStore;
    #[doc(hidden)]
    type Inbound: InboundStore;
    /// The two halves, which a delivery borrows apart: the message from one, the sending half of
    /// the session with the other.
    #[doc(hidden)]
    fn split(&mut self) -> (&mut Self::Outbound, &mut Self::Inbound);
    /// The sending half, to be read.
    #[doc(hidden)]
    fn outbound(&self) -> &Self::Outbound;
}

pub(crate) mod sealed {
    /// Keeps [`Store`](super::Store) to this crate.
    #[expect(unnameable_types, reason = "a sealed trait is public and out of reach")]
    pub trait Sealed {}
}

/// The tables of the sending half.
#[doc(hidden)]
pub struct OutboundParts<'a> {
    pub(crate) records: &'a mut [Record],
    #[cfg(feature = "fast")]
    pub(crate) ids: &'a mut [IdEntry],
    pub(crate) arena: &'a mut [u8],
    pub(crate) transmit: &'a mut [u8],
}

/// What the sending half needs of a store.
#[doc(hidden)]
pub trait OutboundStore: 'static {
    /// Whether any of it can be longer than it is.
    const GROWS: bool;
    fn parts(&mut self) -> OutboundParts<'_>;
    /// The records alone.
    fn records(&mut self) -> &mut [Record];
    /// The records, to be read.
    fn all_records(&self) -> &[Record];
    /// The arena alone.
    fn arena(&mut self) -> &mut [u8];
    /// The transmit buffer alone.
    fn transmit(&mut self) -> &mut [u8];
    /// The transmit buffer and the arena, to be read.
    fn buffers(&self) -> (&[u8], &[u8]);
    /// Makes the table of records longer, if its bound allows.
    fn grow_records(&mut self) -> bool;
    /// Makes room for `len` more bytes at the end of the arena, if its bound allows.
    fn grow_arena(&mut self, end: usize, len: usize) -> bool;
    /// The most bytes the arena can ever have.
    fn arena_limit(&self) -> usize;
    /// Makes the transmit buffer at least `len` bytes long, if its bound allows.
    fn grow_transmit(&mut self, len: usize) -> bool;
    /// The payload held for a record beside the arena.
    #[cfg(feature = "bytes")]
    fn payload(&self, slot: u16) -> &[u8];
    /// Lets go of a payload held beside the arena.
    #[cfg(feature = "bytes")]
    fn release_payload(&mut self, slot: u16);
    /// How many topics can be kept for outbound aliases.
    #[cfg(feature = "topic-alias")]
    fn alias_capacity(&self) -> u16;
    /// Which of the aliases from 1 to `set` stands for the topic at this place in the arena.
    #[cfg(feature = "topic-alias")]
    fn find_alias(&self, set: u16, start: usize, end: usize) -> Option<u16>;
    /// Keeps the topic at this place in the arena for an alias; false when it is too long.
    #[cfg(feature = "topic-alias")]
    fn keep_alias(&mut self, alias: u16, start: usize, end: usize) -> bool;
}

/// What the receiving half needs of a store: what is known of messages that came in, the topics of
/// aliases, and the client identifier that the server assigned.
#[doc(hidden)]
pub trait InboundStore: 'static {
    /// The most messages that can be unacknowledged at a time: Receive Maximum.
    fn receive_maximum(&self) -> u16;
    /// How many messages take a place in this connection's Receive Maximum.
    fn outstanding(&self) -> u16;
    /// How many PUBACK and PUBREC are owed, or awaited from the application.
    fn acks(&self) -> u16;
    /// One of these, by how many came before it.
    fn ack(&mut self, index: u16) -> Option<&mut Receipt>;
    /// How far a QoS 2 message between PUBLISH and PUBREL is.
    fn known(&mut self, id: u16) -> Option<Stage>;
    /// Adds what is owed, or awaited from the application. Of a QoS 2 message that is known, it
    /// takes the place. False, and nothing has changed, when there is no room.
    fn put(&mut self, receipt: Receipt) -> bool;
    /// Has each acknowledgement that may leave written, as long as that can be; whether it could.
    fn write_ready(&mut self, write: impl FnMut(NonZero<u8>, Receipt) -> bool) -> bool;
    /// This one was written, which may leave: a PUBREC lets its message wait for PUBREL, others end
    /// it.
    fn written(&mut self, receipt: Receipt);
    /// The transport is gone. What was not acknowledged comes again; what was, is remembered.
    fn cut(&mut self);
    /// The session is gone.
    fn clear(&mut self);
    /// Every QoS 2 message that counts as received, in no order that means anything.
    fn each_received(&mut self, each: &mut dyn FnMut(u16));
    /// A QoS 2 message of an earlier connection, where none of this one is known; false, and
    /// nothing has changed, when there is no room.
    fn remember(&mut self, id: u16) -> bool;
    /// Whether no PUBACK or PUBREC is owed or awaited, and fewer messages than `most` take a place
    /// in this connection's Receive Maximum.
    #[cfg(feature = "fast")]
    fn takes_plainly(&self, most: u16) -> bool;
    /// A new QoS 2 message whose PUBREC leaves at once; false, and nothing has changed, unless
    /// that is as simple as it nearly always is.
    #[cfg(feature = "fast")]
    fn open_plainly(&mut self, id: u16) -> bool;
    /// A message is released whose PUBCOMP leaves at once; false, and nothing has changed, unless
    /// that is as simple as it nearly always is.
    #[cfg(feature = "fast")]
    fn release_plainly(&mut self, id: u16) -> bool;
    /// How many topics can be kept for inbound aliases.
    fn alias_capacity(&self) -> u16;
    /// The topic of an alias from 1; empty when unset.
    #[cfg(feature = "topic-alias")]
    fn alias(&self, alias: u16) -> &[u8];
    /// Keeps a topic for an alias; false when it is too long.
    #[cfg(feature = "topic-alias")]
    fn set_alias(&mut self, alias: u16, topic: &[u8]) -> bool;
    /// Forgets all inbound aliases.
    fn clear_aliases(&mut self);
    /// The client identifier that the server assigned; empty when it assigned none.
    fn assigned_client_id(&self) -> &str;
    /// Keeps the client identifier that the server assigned, which is text; false when it is too
    /// long.
    fn set_assigned_client_id(&mut self, id: &[u8]) -> bool;
}
