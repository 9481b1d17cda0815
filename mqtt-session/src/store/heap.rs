//! The store on the heap: small when idle, growing up to configured bounds.

use super::{InboundStore, OutboundParts, OutboundStore, Store, sealed};
use crate::id_table::{self, IdEntry};
use crate::receipt::{Receipt, Stage};
use crate::receipt_index::ReceiptIndex;
use crate::record::Record;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZero;

/// The bounds of a [`Heap`]. Each is a hard limit; what would pass it is refused or waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HeapLimits {
    /// Messages and requests that wait or are unacknowledged at a time. At most 65,534;
    /// 65,534 by default.
    pub exchanges: u16,
    /// Bytes for packets that wait or are unacknowledged, payloads held as `Bytes` not counted.
    /// At most 2 GiB; 64 MiB by default.
    pub bytes: usize,
    /// Bytes on the way to the transport. At least 64; 64 KiB by default. CONNECT must fit in.
    pub transmit: usize,
    /// Inbound QoS 1 and QoS 2 messages unacknowledged at a time; advertised as Receive Maximum
    /// when below 65,535. At least 1; 65,535 by default.
    pub receive_maximum: u16,
}

impl Default for HeapLimits {
    fn default() -> Self {
        Self {
            exchanges: u16::MAX - 1,
            bytes: 64 << 20,
            transmit: 64 << 10,
            receive_maximum: u16::MAX,
        }
    }
}

/// A store on the heap. Once warm it allocates nothing per message.
///
/// ```
/// use mqtt_session::{Client, Config, Heap, HeapLimits};
///
/// let limits = HeapLimits { exchanges: 1_000, bytes: 1 << 20, ..HeapLimits::default() };
/// let client = Client::new(Config::default(), Heap::new(limits));
/// # let _ = client;
/// ```
#[derive(Clone, Debug)]
pub struct Heap {
    outbound: Outbound,
    inbound: Inbound,
}

/// Its bounds; what it holds is the client's to tell.
#[cfg(feature = "defmt")]
impl defmt::Format for Heap {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Heap({})", self.outbound.limits);
    }
}

#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    limits: HeapLimits,
    records: Vec<Record>,
    ids: Vec<IdEntry>,
    arena: Vec<u8>,
    transmit: Vec<u8>,
    #[cfg(feature = "topic-alias")]
    aliases: Vec<Vec<u8>>,
    #[cfg(feature = "bytes")]
    payloads: Vec<bytes::Bytes>,
}

#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Inbound {
    receipts: ReceiptIndex,
    #[cfg(feature = "topic-alias")]
    aliases: Vec<Vec<u8>>,
    client_id: Box<str>,
}

impl Default for Heap {
    fn default() -> Self {
        Self::new(HeapLimits::default())
    }
}

impl Heap {
    /// An empty store that has allocated nothing yet. Limits outside their range are taken as
    /// the nearest one inside.
    #[must_use]
    pub fn new(limits: HeapLimits) -> Self {
        let most = (u32::MAX / 2) as usize;
        Self {
            outbound: Outbound {
                limits: HeapLimits {
                    exchanges: limits.exchanges.clamp(1, u16::MAX - 1),
                    bytes: limits.bytes.min(most),
                    transmit: limits.transmit.clamp(64, most),
                    receive_maximum: limits.receive_maximum.max(1),
                },
                ..Outbound::default()
            },
            inbound: Inbound {
                receipts: ReceiptIndex::new(limits.receive_maximum.max(1)),
                ..Inbound::default()
            },
        }
    }

    /// Holds a payload for a record beside the arena.
    #[cfg(feature = "bytes")]
    pub(crate) fn hold_payload(&mut self, slot: u16, payload: bytes::Bytes) {
        let index = usize::from(slot);
        let payloads = &mut self.outbound.payloads;
        if payloads.len() <= index {
            let len = self.outbound.records.len().max(index.saturating_add(1));
            payloads.resize(len, bytes::Bytes::new());
        }
        if let Some(place) = payloads.get_mut(index) {
            *place = payload;
        }
    }
}

/// Giving memory back, for one of many sessions of which most are idle.
#[cfg(feature = "broker")]
impl Heap {
    /// The connection is over: what is kept for one is let go of.
    pub(crate) fn release_connection(&mut self) {
        self.outbound.transmit = Vec::new();
        self.outbound.aliases = Vec::new();
        self.inbound.aliases = Vec::new();
        self.inbound.receipts.release();
    }

    /// No record is in use, and the arena is empty.
    pub(crate) fn release_outbound(&mut self) {
        self.outbound.records = Vec::new();
        self.outbound.ids = Vec::new();
        self.outbound.arena = Vec::new();
    }

    /// How long the arena is at present.
    pub(crate) fn arena_len(&self) -> usize {
        self.outbound.arena.len()
    }

    /// Makes the arena as short as it can be.
    pub(crate) fn pack(&mut self, arena: &mut crate::arena::Arena) {
        let outbound = &mut self.outbound;
        arena.pack(&mut outbound.arena, &mut outbound.records);
        // Without gaps, what is alive is all there is.
        outbound.arena.truncate(arena.live());
        outbound.arena.shrink_to_fit();
    }
}

impl sealed::Sealed for Heap {}

impl Store for Heap {
    type Outbound = Outbound;
    type Inbound = Inbound;

    fn split(&mut self) -> (&mut Self::Outbound, &mut Self::Inbound) {
        (&mut self.outbound, &mut self.inbound)
    }

    fn outbound(&self) -> &Self::Outbound {
        &self.outbound
    }
}

/// The next length of a table that doubles: at least `least`, at most `most`, and more than now.
pub(crate) fn longer(now: usize, least: usize, most: usize) -> Option<usize> {
    let len = now.saturating_mul(2).max(least).min(most);
    (len > now).then_some(len)
}

/// The length of a table for so many packet identifiers: half empty, so that searches stay short
/// however they lie, and a power of two, so that those behind the last one, which begin at 1
/// again, do not fall upon those before it.
pub(crate) fn identifiers(count: usize) -> usize {
    count.saturating_mul(2).next_power_of_two()
}

/// Makes a buffer just as long: by itself it would take up to twice as much, beyond its bound.
fn lengthen(buffer: &mut Vec<u8>, len: usize) {
    buffer.reserve_exact(len.saturating_sub(buffer.len()));
    buffer.resize(len, 0);
}

impl OutboundStore for Outbound {
    fn parts(&mut self) -> OutboundParts<'_> {
        OutboundParts {
            records: &mut self.records,
            #[cfg(feature = "fast")]
            ids: &mut self.ids,
            arena: &mut self.arena,
            transmit: &mut self.transmit,
        }
    }

    fn records(&mut self) -> &mut [Record] {
        &mut self.records
    }

    fn all_records(&self) -> &[Record] {
        &self.records
    }

    fn arena(&mut self) -> &mut [u8] {
        &mut self.arena
    }

    fn transmit(&mut self) -> &mut [u8] {
        &mut self.transmit
    }

    fn buffers(&self) -> (&[u8], &[u8]) {
        (&self.transmit, &self.arena)
    }

    const GROWS: bool = true;

    fn grow_records(&mut self) -> bool {
        let Some(len) = longer(self.records.len(), 4, usize::from(self.limits.exchanges)) else {
            return false;
        };
        self.records.resize(len, Record::EMPTY);
        let mut ids = alloc::vec![IdEntry::FREE; identifiers(len)];
        id_table::rehash(&self.ids, &mut ids);
        self.ids = ids;
        true
    }

    fn grow_arena(&mut self, end: usize, len: usize) -> bool {
        let needed = end.saturating_add(len);
        match longer(self.arena.len(), needed.max(64), self.limits.bytes) {
            Some(size) if size >= needed => {
                lengthen(&mut self.arena, size);
                true
            }
            _ => false,
        }
    }

    fn arena_limit(&self) -> usize {
        self.limits.bytes
    }

    fn grow_transmit(&mut self, len: usize) -> bool {
        if self.transmit.len() >= len {
            return true;
        }
        match longer(self.transmit.len(), len.max(64), self.limits.transmit) {
            Some(size) if size >= len => {
                lengthen(&mut self.transmit, size);
                true
            }
            _ => false,
        }
    }

    #[cfg(feature = "bytes")]
    fn payload(&self, slot: u16) -> &[u8] {
        let payload = self.payloads.get(usize::from(slot));
        payload.map(AsRef::as_ref).unwrap_or_default()
    }

    #[cfg(feature = "bytes")]
    fn release_payload(&mut self, slot: u16) {
        if let Some(payload) = self.payloads.get_mut(usize::from(slot)) {
            *payload = bytes::Bytes::new();
        }
    }

    #[cfg(feature = "topic-alias")]
    fn alias_capacity(&self) -> u16 {
        u16::MAX
    }

    #[cfg(feature = "topic-alias")]
    fn find_alias(&self, set: u16, start: usize, end: usize) -> Option<u16> {
        let topic = self.arena.get(start..end)?;
        (1..=set).find(|alias| alias_topic(&self.aliases, *alias) == topic)
    }

    #[cfg(feature = "topic-alias")]
    fn keep_alias(&mut self, alias: u16, start: usize, end: usize) -> bool {
        let topic = self.arena.get(start..end);
        topic.is_some_and(|topic| set_alias_topic(&mut self.aliases, alias, topic))
    }
}

#[cfg(feature = "topic-alias")]
fn alias_topic(aliases: &[Vec<u8>], alias: u16) -> &[u8] {
    let index = usize::from(alias).wrapping_sub(1);
    aliases.get(index).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(feature = "topic-alias")]
fn set_alias_topic(aliases: &mut Vec<Vec<u8>>, alias: u16, topic: &[u8]) -> bool {
    let index = usize::from(alias).wrapping_sub(1);
    if aliases.len() < usize::from(alias) {
        aliases.resize(usize::from(alias), Vec::new());
    }
    let Some(place) = aliases.get_mut(index) else {
        return false;
    };
    place.clear();
    place.extend_from_slice(topic);
    true
}

#[cfg(feature = "broker")]
impl Inbound {
    /// Remembers a new QoS 2 message before it is acknowledged; false when there is no room.
    pub(crate) fn remember(&mut self, id: u16) -> bool {
        self.receipts.remember(id)
    }
}

impl InboundStore for Inbound {
    fn receive_maximum(&self) -> u16 {
        self.receipts.most()
    }

    #[inline]
    fn outstanding(&self) -> u16 {
        self.receipts.outstanding()
    }

    #[inline]
    fn acks(&self) -> u16 {
        self.receipts.acks()
    }

    fn ack(&mut self, index: u16) -> Option<&mut Receipt> {
        self.receipts.ack(index)
    }

    fn known(&mut self, id: u16) -> Option<Stage> {
        self.receipts.known(id)
    }

    fn put(&mut self, receipt: Receipt) -> bool {
        self.receipts.put(receipt)
    }

    fn write_ready(&mut self, mut write: impl FnMut(NonZero<u8>, Receipt) -> bool) -> bool {
        while let Some(receipt) = self.receipts.next()
            && let Some(packet) = receipt.stage.ready()
        {
            if !write(packet, receipt) {
                return false;
            }
            self.receipts.written(receipt);
        }
        true
    }

    fn written(&mut self, receipt: Receipt) {
        self.receipts.written(receipt);
    }

    fn cut(&mut self) {
        self.receipts.cut();
    }

    fn clear(&mut self) {
        self.receipts.clear();
    }

    fn each_received(&mut self, each: &mut dyn FnMut(u16)) {
        self.receipts.each_received(each);
    }

    fn remember(&mut self, id: u16) -> bool {
        self.receipts.remember_earlier(id)
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    fn takes_plainly(&self, most: u16) -> bool {
        self.receipts.acks() == 0 && self.receipts.outstanding() < most
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    fn open_plainly(&mut self, id: u16) -> bool {
        self.receipts.open_plainly(id)
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    fn release_plainly(&mut self, id: u16) -> bool {
        self.receipts.release_plainly(id)
    }

    fn alias_capacity(&self) -> u16 {
        if cfg!(feature = "topic-alias") {
            u16::MAX
        } else {
            0
        }
    }

    #[cfg(feature = "topic-alias")]
    fn alias(&self, alias: u16) -> &[u8] {
        alias_topic(&self.aliases, alias)
    }

    #[cfg(feature = "topic-alias")]
    fn set_alias(&mut self, alias: u16, topic: &[u8]) -> bool {
        set_alias_topic(&mut self.aliases, alias, topic)
    }

    fn clear_aliases(&mut self) {
        #[cfg(feature = "topic-alias")]
        for topic in &mut self.aliases {
            topic.clear();
        }
    }

    fn assigned_client_id(&self) -> &str {
        &self.client_id
    }

    fn set_assigned_client_id(&mut self, id: &[u8]) -> bool {
        core::str::from_utf8(id)
            .map(|id| self.client_id = id.into())
            .is_ok()
    }
}

#[cfg(all(test, feature = "fast"))]
mod tests {
    use super::*;

    #[test]
    fn identifiers_that_begin_at_1_again_fall_upon_no_others() {
        let count = 10_500;
        let mut store = Heap::new(HeapLimits {
            exchanges: count,
            ..HeapLimits::default()
        });
        while store.outbound.grow_records() {}
        assert_eq!(store.outbound.records.len(), usize::from(count));
        let mut received = alloc::vec![IdEntry::FREE; identifiers(usize::from(count))];
        for table in [&mut store.outbound.ids, &mut received] {
            let mut id = u16::MAX - count / 2;
            for _ in 0..count {
                assert!(id_table::insert_at_home(table, id, 0), "{id}");
                id = id.checked_add(1).unwrap_or(1);
            }
        }
    }
}
