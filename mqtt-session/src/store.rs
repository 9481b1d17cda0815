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

use crate::id_table::IdEntry;
use crate::owed::Owed;
use crate::record::Record;

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

/// The tables of the receiving half.
#[doc(hidden)]
pub struct InboundParts<'a> {
    /// Identifiers of QoS 2 messages between PUBLISH and PUBREL.
    pub(crate) received: &'a mut [IdEntry],
    /// PUBACK and PUBREC that wait, in order of arrival.
    pub(crate) acks: &'a mut [Owed],
    /// PUBCOMP, and PUBREL for what is unknown.
    pub(crate) releases: &'a mut [Owed],
}

/// What the receiving half needs of a store.
#[doc(hidden)]
pub trait InboundStore: 'static {
    fn parts(&mut self) -> InboundParts<'_>;
    /// The identifiers of QoS 2 messages alone.
    fn received(&mut self) -> &mut [IdEntry];
    /// The most messages that can be unacknowledged at a time: Receive Maximum.
    fn receive_maximum(&self) -> u16;
    /// Makes the three tables longer, if their bound allows. Rings must start at zero.
    fn grow(&mut self) -> bool;
    /// How many topics can be kept for inbound aliases.
    fn alias_capacity(&self) -> u16;
    /// The topic of an alias from 1; empty when unset.
    fn alias(&self, alias: u16) -> &[u8];
    /// Keeps a topic for an alias; false when it is too long.
    fn set_alias(&mut self, alias: u16, topic: &[u8]) -> bool;
    /// Forgets all inbound aliases.
    fn clear_aliases(&mut self);
    /// The client identifier that the server assigned; empty when it assigned none.
    fn assigned_client_id(&self) -> &str;
    /// Keeps the client identifier that the server assigned; false when it is too long.
    fn set_assigned_client_id(&mut self, id: &str) -> bool;
}
