//! The store without an allocator: every size is chosen at compile time.

use super::{InboundStore, OutboundParts, OutboundStore, Store, sealed};
use crate::copy::copy;
#[cfg(feature = "fast")]
use crate::id_table::IdEntry;
use crate::receipt::{Receipt, Stage};
use crate::receipt_list;
use crate::record::Record;
use core::num::NonZero;

/// A store of fixed size, for targets without an allocator.
///
/// - `OUT`: what may be outbound at a time: messages waiting or unacknowledged, subscribe and
///   unsubscribe requests. At most 65,534.
/// - `IN`: inbound QoS 1 and QoS 2 messages unacknowledged at a time; advertised as Receive
///   Maximum. At least 1, at most 32,767. Twice as many are remembered: messages of an earlier
///   connection that wait for PUBREL do not count. They are looked at one by one: for hundreds
///   of messages at a time, `Heap` is the better store.
/// - `ARENA`: bytes for the packets that wait or are unacknowledged. With the feature `fast` there
///   are 6 bytes beside each, and with `message-expiry` 8 beside each that expires. At most 65,535
///   without the features `alloc` and `fast`.
/// - `TRANSMIT`: bytes for what goes to the transport next; CONNECT must fit in. At most as many.
/// - `ALIASES`: topics kept for topic aliases, in each direction. They are looked up one by one.
/// - `TOPIC`: the longest topic name that is kept for an alias.
/// - `CLIENT_ID`: the longest client identifier that the server may assign, in bytes. At most
///   65,535.
///
/// ```
/// use mqtt_session::{Client, Config, Fixed};
///
/// let client = Client::new(Config::default(), Fixed::<8, 8, 1024, 256>::new());
/// # let _ = client;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fixed<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize = 0,
    const TOPIC: usize = 0,
    const CLIENT_ID: usize = 64,
> {
    outbound: Outbound<OUT, ARENA, TRANSMIT, ALIASES, TOPIC>,
    inbound: Inbound<IN, ALIASES, TOPIC, CLIENT_ID>,
}

/// Its sizes; what it holds is the client's to tell.
#[cfg(feature = "defmt")]
impl<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> defmt::Format for Fixed<OUT, IN, ARENA, TRANSMIT, ALIASES, TOPIC, CLIENT_ID>
{
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Fixed<{=usize}, {=usize}, {=usize}, {=usize}, {=usize}, {=usize}, {=usize}>",
            OUT,
            IN,
            ARENA,
            TRANSMIT,
            ALIASES,
            TOPIC,
            CLIENT_ID
        );
    }
}

#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbound<
    const OUT: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
> {
    records: [Record; OUT],
    #[cfg(feature = "fast")]
    ids: [IdEntry; OUT],
    arena: [u8; ARENA],
    transmit: [u8; TRANSMIT],
    #[cfg(feature = "topic-alias")]
    aliases: Aliases<ALIASES, TOPIC>,
}

#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inbound<
    const IN: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> {
    /// As many of earlier connections as of this one.
    receipts: [[Receipt; IN]; 2],
    /// How many of these may be in use: what is behind them is not looked at.
    #[cfg(feature = "fast")]
    used: u16,
    #[cfg(feature = "topic-alias")]
    aliases: Aliases<ALIASES, TOPIC>,
    client_id: Text<CLIENT_ID>,
}

/// The longest buffer in which a place can be kept.
const LARGEST_BUFFER: usize = if cfg!(any(feature = "fast", feature = "alloc")) {
    u32::MAX as usize / 2
} else {
    u16::MAX as usize
};

/// A few bytes and how many of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Text<const MAX: usize> {
    len: u16,
    bytes: [u8; MAX],
}

impl<const MAX: usize> Text<MAX> {
    const EMPTY: Self = Self {
        len: 0,
        bytes: [0; MAX],
    };

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn set(&mut self, text: &[u8]) -> bool {
        let (Some(bytes), Ok(len)) = (self.bytes.get_mut(..text.len()), u16::try_from(text.len()))
        else {
            return false;
        };
        copy(bytes, text);
        self.len = len;
        true
    }
}

#[cfg(feature = "topic-alias")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Aliases<const ALIASES: usize, const TOPIC: usize>([Text<TOPIC>; ALIASES]);

#[cfg(feature = "topic-alias")]
impl<const ALIASES: usize, const TOPIC: usize> Aliases<ALIASES, TOPIC> {
    const EMPTY: Self = Self([Text::EMPTY; ALIASES]);

    fn capacity(&self) -> u16 {
        u16::try_from(ALIASES).unwrap_or(u16::MAX)
    }

    fn get(&self, alias: u16) -> &[u8] {
        let index = usize::from(alias).wrapping_sub(1);
        self.0.get(index).map(Text::as_bytes).unwrap_or_default()
    }

    fn set(&mut self, alias: u16, topic: &[u8]) -> bool {
        let index = usize::from(alias).wrapping_sub(1);
        self.0.get_mut(index).is_some_and(|text| text.set(topic))
    }

    fn clear(&mut self) {
        for text in &mut self.0 {
            text.len = 0;
        }
    }
}

impl<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> Fixed<OUT, IN, ARENA, TRANSMIT, ALIASES, TOPIC, CLIENT_ID>
{
    /// An empty store. Sizes outside the ranges above do not compile.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(OUT >= 1 && OUT < u16::MAX as usize, "OUT is 1 to 65,534");
            assert!(IN >= 1 && IN <= i16::MAX as usize, "IN is 1 to 32,767");
            // Places in a buffer have 16 bits without the features `alloc` and `fast`.
            assert!(
                ARENA <= LARGEST_BUFFER,
                "ARENA is at most 65,535, or 2 GiB with `alloc` or `fast`"
            );
            assert!(
                TRANSMIT >= 64 && TRANSMIT <= LARGEST_BUFFER,
                "TRANSMIT is 64 to 65,535, or to 2 GiB with `alloc` or `fast`"
            );
            assert!(ALIASES <= u16::MAX as usize, "ALIASES is at most 65,535");
            assert!(TOPIC <= u16::MAX as usize, "TOPIC is at most 65,535");
            assert!(
                CLIENT_ID <= u16::MAX as usize,
                "CLIENT_ID is at most 65,535"
            );
        }
        Self {
            outbound: Outbound {
                records: [Record::EMPTY; OUT],
                #[cfg(feature = "fast")]
                ids: [IdEntry::FREE; OUT],
                arena: [0; ARENA],
                transmit: [0; TRANSMIT],
                #[cfg(feature = "topic-alias")]
                aliases: Aliases::EMPTY,
            },
            inbound: Inbound {
                receipts: [[Receipt::FREE; IN]; 2],
                #[cfg(feature = "fast")]
                used: 0,
                #[cfg(feature = "topic-alias")]
                aliases: Aliases::EMPTY,
                client_id: Text::EMPTY,
            },
        }
    }
}

impl<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> Default for Fixed<OUT, IN, ARENA, TRANSMIT, ALIASES, TOPIC, CLIENT_ID>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> sealed::Sealed for Fixed<OUT, IN, ARENA, TRANSMIT, ALIASES, TOPIC, CLIENT_ID>
{
}

impl<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> Store for Fixed<OUT, IN, ARENA, TRANSMIT, ALIASES, TOPIC, CLIENT_ID>
{
    type Outbound = Outbound<OUT, ARENA, TRANSMIT, ALIASES, TOPIC>;
    type Inbound = Inbound<IN, ALIASES, TOPIC, CLIENT_ID>;

    fn split(&mut self) -> (&mut Self::Outbound, &mut Self::Inbound) {
        (&mut self.outbound, &mut self.inbound)
    }

    fn outbound(&self) -> &Self::Outbound {
        &self.outbound
    }
}

impl<
    const OUT: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
> OutboundStore for Outbound<OUT, ARENA, TRANSMIT, ALIASES, TOPIC>
{
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

    const GROWS: bool = false;

    fn grow_records(&mut self) -> bool {
        false
    }

    fn grow_arena(&mut self, _end: usize, _len: usize) -> bool {
        false
    }

    fn arena_limit(&self) -> usize {
        ARENA
    }

    fn grow_transmit(&mut self, len: usize) -> bool {
        len <= TRANSMIT
    }

    #[cfg(feature = "bytes")]
    fn payload(&self, _slot: u16) -> &[u8] {
        &[]
    }

    #[cfg(feature = "bytes")]
    fn release_payload(&mut self, _slot: u16) {}

    #[cfg(feature = "topic-alias")]
    fn alias_capacity(&self) -> u16 {
        self.aliases.capacity()
    }

    #[cfg(feature = "topic-alias")]
    fn find_alias(&self, set: u16, start: usize, end: usize) -> Option<u16> {
        let topic = self.arena.get(start..end)?;
        (1..=set).find(|alias| self.aliases.get(*alias) == topic)
    }

    #[cfg(feature = "topic-alias")]
    fn keep_alias(&mut self, alias: u16, start: usize, end: usize) -> bool {
        let topic = self.arena.get(start..end);
        topic.is_some_and(|topic| self.aliases.set(alias, topic))
    }
}

impl<const IN: usize, const ALIASES: usize, const TOPIC: usize, const CLIENT_ID: usize>
    Inbound<IN, ALIASES, TOPIC, CLIENT_ID>
{
    fn list(&self) -> &[Receipt] {
        let all = self.receipts.as_flattened();
        #[cfg(feature = "fast")]
        let all = all.get(..usize::from(self.used)).unwrap_or(all);
        all
    }

    /// Those that are free behind all others are not looked at.
    #[cfg(feature = "fast")]
    #[inline]
    fn forget_free(&mut self) {
        while let Some(Receipt {
            stage: Stage::Free, ..
        }) = self.list().last()
        {
            self.used = self.used.wrapping_sub(1);
        }
    }

    fn list_mut(&mut self) -> &mut [Receipt] {
        let all = self.receipts.as_flattened_mut();
        #[cfg(feature = "fast")]
        let all = all.get_mut(..usize::from(self.used)).unwrap_or_default();
        all
    }
}

impl<const IN: usize, const ALIASES: usize, const TOPIC: usize, const CLIENT_ID: usize> InboundStore
    for Inbound<IN, ALIASES, TOPIC, CLIENT_ID>
{
    fn receive_maximum(&self) -> u16 {
        u16::try_from(IN).unwrap_or(u16::MAX)
    }

    fn outstanding(&self) -> u16 {
        receipt_list::outstanding(self.list())
    }

    fn acks(&self) -> u16 {
        receipt_list::acks(self.list())
    }

    fn ack(&mut self, index: u16) -> Option<&mut Receipt> {
        receipt_list::ack(self.list_mut(), index)
    }

    #[inline(always)]
    fn known(&mut self, id: u16) -> Option<Stage> {
        let entry = receipt_list::known(self.list_mut(), id);
        entry.map(|entry| entry.stage)
    }

    fn put(&mut self, receipt: Receipt) -> bool {
        #[cfg(feature = "fast")]
        {
            // A free place among them is used before one more is looked at from now on.
            let is_full = self.list().iter().all(|entry| entry.stage != Stage::Free);
            let all = self.receipts.as_flattened_mut();
            let len = all
                .len()
                .min(usize::from(self.used).wrapping_add(usize::from(is_full)));
            let put = receipt_list::put(all.get_mut(..len).unwrap_or_default(), receipt);
            self.used = u16::try_from(len).unwrap_or(u16::MAX);
            put
        }
        #[cfg(not(feature = "fast"))]
        receipt_list::put(self.list_mut(), receipt)
    }

    fn write_ready(&mut self, write: impl FnMut(NonZero<u8>, Receipt) -> bool) -> bool {
        receipt_list::write_ready(self.list_mut(), write)
    }

    fn written(&mut self, receipt: Receipt) {
        receipt_list::written(self.list_mut(), receipt);
    }

    fn cut(&mut self) {
        receipt_list::cut(self.list_mut());
    }

    fn clear(&mut self) {
        receipt_list::clear(self.list_mut());
    }

    fn each_received(&mut self, each: &mut dyn FnMut(u16)) {
        receipt_list::each_received(self.list(), each);
    }

    fn remember(&mut self, id: u16) -> bool {
        let mut remembered = 0usize;
        self.each_received(&mut |_| remembered = remembered.wrapping_add(1));
        // The rest of the room is for the messages of the next connection.
        remembered < IN
            && self.put(Receipt {
                id,
                stage: Stage::Earlier,
                ..Receipt::FREE
            })
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    fn takes_plainly(&self, most: u16) -> bool {
        receipt_list::open(self.list()).is_some_and(|open| open < most)
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    fn open_plainly(&mut self, id: u16) -> bool {
        if receipt_list::known(self.list_mut(), id).is_some() {
            return false;
        }
        let all = self.receipts.as_flattened_mut();
        let Some(place) = all.get_mut(usize::from(self.used)) else {
            return false;
        };
        *place = Receipt {
            id,
            stage: Stage::Open,
            ..Receipt::FREE
        };
        self.used = self.used.wrapping_add(1);
        true
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    fn release_plainly(&mut self, id: u16) -> bool {
        match receipt_list::known(self.list_mut(), id) {
            Some(entry) if !entry.stage.is_ack() => *entry = Receipt::FREE,
            _ => return false,
        }
        self.forget_free();
        true
    }

    fn alias_capacity(&self) -> u16 {
        #[cfg(feature = "topic-alias")]
        return self.aliases.capacity();
        #[cfg(not(feature = "topic-alias"))]
        0
    }

    #[cfg(feature = "topic-alias")]
    fn alias(&self, alias: u16) -> &[u8] {
        self.aliases.get(alias)
    }

    #[cfg(feature = "topic-alias")]
    fn set_alias(&mut self, alias: u16, topic: &[u8]) -> bool {
        self.aliases.set(alias, topic)
    }

    fn clear_aliases(&mut self) {
        #[cfg(feature = "topic-alias")]
        self.aliases.clear();
    }

    fn assigned_client_id(&self) -> &str {
        // Where there is no room for any, nothing is to be linked that makes text of it.
        if CLIENT_ID == 0 {
            return "";
        }
        // It came as text.
        core::str::from_utf8(self.client_id.as_bytes()).unwrap_or_default()
    }

    fn set_assigned_client_id(&mut self, id: &[u8]) -> bool {
        self.client_id.set(id)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use crate::connected::connected;
    use crate::{Action, Event, Fixed, Instant, Publish, QoS, RequestError, TopicName};
    use std::boxed::Box;
    use std::vec::Vec;

    /// Places and lengths have 16 bits each where that is the largest store there is.
    #[test]
    fn the_largest_store_of_16_bits_is_used_to_its_last_byte() {
        const SIZE: usize = 65_535;
        let now = Instant::from_secs(1);
        let (client, mut input) = connected(now, Fixed::<3, 1, SIZE, SIZE>::new());
        let mut client = Box::new(client);
        let topic = TopicName::new("t").unwrap();
        // Beside the payload a packet has 10 bytes, and with the feature `fast` its block 6 more.
        let most = SIZE - if cfg!(feature = "fast") { 16 } else { 10 };
        for round in 1..=3u8 {
            let payload = std::vec![round; most];
            let publish = |len| Publish::new(topic, &payload[..len]).qos(QoS::AtLeastOnce);
            client.publish(now, &publish(most)).unwrap();
            let none = client.publish(now, &publish(1));
            assert_eq!(none, Err(RequestError::NoRoom));
            let mut wire = Vec::new();
            loop {
                match client.poll(now, &mut input) {
                    Action::Send(bytes) => {
                        let count = bytes.len().min(20_000);
                        wire.extend_from_slice(&bytes[..count]);
                        client.sent(now, count);
                    }
                    Action::Timeout(_) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(wire.len(), most + 10);
            assert!(wire.ends_with(&payload));
            input.spare()[..4].copy_from_slice(&[0x40, 2, 0, round]);
            input.filled(4);
            let acknowledged = client.poll(now, &mut input);
            assert!(matches!(
                acknowledged,
                Action::Event(Event::Published { outcome: Ok(_), .. })
            ));
        }
    }
}
