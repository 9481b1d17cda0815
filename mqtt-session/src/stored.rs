//! Packets as they are stored: canonical, with the full topic and a place for the packet identifier.
//! What belongs to one transmission is written into them before it, over what the last one left.

#[cfg(any(feature = "fast", feature = "topic-alias"))]
use crate::copy::copy;
use crate::record::{Flags, Record};
#[cfg(feature = "topic-alias")]
use mqtt_proto::PropertyId;
use mqtt_proto::{PacketId, QoS};

/// Stands in for the packet identifier until the packet is first sent.
pub(crate) fn placeholder(qos: QoS) -> Option<PacketId> {
    PacketId::new(u16::from(qos != QoS::AtMostOnce))
}

pub(crate) const DUP: u8 = 0x08;

/// Writes what belongs to one transmission into a stored packet, or into its header: the packet
/// identifier, DUP, and how many seconds are left of a message that expires.
#[inline(never)]
pub(crate) fn stamp(packet: &mut [u8], record: &Record, expiry: Option<u32>) {
    let Some(first) = packet.first_mut() else {
        return;
    };
    // Nothing but messages of QoS 1 and 2 is sent again: of all else this leaves the byte as it is.
    let dup = u8::from(record.flags.has(Flags::MAYBE_SEEN)) << DUP.trailing_zeros();
    *first = *first & !DUP | dup;
    let mut at = behind_integer(packet, 1);
    if !record.flags.has(Flags::REQUEST) {
        at = at.wrapping_add(2).wrapping_add(usize::from(record.count));
    }
    // QoS 0 has none.
    if record.id != 0 {
        put(packet, at, record.id.to_be_bytes());
        at = at.wrapping_add(2);
    }
    // The machine puts Message Expiry Interval first: its identifier, then four bytes.
    if let Some(expiry) = expiry {
        let at = behind_integer(packet, at).wrapping_add(1);
        put(packet, at, expiry.to_be_bytes());
    }
}

/// Where a transmission writes into a stored message of QoS 1 or 2, or into its header: its packet
/// identifier, and how many seconds are left of one that expires.
pub(crate) fn stamped(packet: &[u8], record: &Record) -> (usize, usize) {
    let topic = behind_integer(packet, 1).saturating_add(2);
    let id = topic.saturating_add(usize::from(record.count));
    let properties = behind_integer(packet, id.saturating_add(2));
    (id, properties.saturating_add(1))
}

/// The place behind a variable byte integer.
fn behind_integer(packet: &[u8], mut at: usize) -> usize {
    while packet.get(at).is_some_and(|byte| byte & 0x80 != 0) {
        at = at.wrapping_add(1);
    }
    at.wrapping_add(1)
}

pub(crate) fn put<const N: usize>(packet: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(place) = packet.get_mut(at..)
        && let Some(place) = place.first_chunk_mut()
    {
        *place = bytes;
    }
}

/// The places of a stored PUBLISH that a transmission with a topic alias needs.
#[cfg(feature = "topic-alias")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    topic: (usize, usize),
    /// Where the packet identifier is, for QoS 1 and 2.
    id: Option<usize>,
    /// The properties, without their length.
    properties: (usize, usize),
}

/// A number of one to four bytes at the front, and its own length.
#[cfg(any(feature = "draw", feature = "topic-alias"))]
pub(crate) fn variable_integer(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        let shift = 7usize.checked_mul(at)?;
        value |= usize::from(byte & 0x7f).checked_shl(u32::try_from(shift).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, at.checked_add(1)?));
        }
    }
    None
}

#[cfg(feature = "topic-alias")]
impl Layout {
    /// Finds its way in a packet that this crate encoded.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let (first, rest) = packet.split_first()?;
        let (_, length) = variable_integer(rest)?;
        let topic_start = length.checked_add(3)?;
        let topic_len = packet.get(length.checked_add(1)?..)?.first_chunk::<2>()?;
        let topic_end = topic_start.checked_add(usize::from(u16::from_be_bytes(*topic_len)))?;
        let id = (first & 0x06 != 0).then_some(topic_end);
        let block = if id.is_some() {
            topic_end.checked_add(2)?
        } else {
            topic_end
        };
        let (len, length) = variable_integer(packet.get(block..)?)?;
        let start = block.checked_add(length)?;
        Some(Self {
            topic: (topic_start, topic_end),
            id,
            properties: (start, start.checked_add(len)?),
        })
    }

    /// Where the topic name lies when the packet begins at `start`.
    pub(crate) fn topic_range(&self, start: usize) -> (usize, usize) {
        (
            start.saturating_add(self.topic.0),
            start.saturating_add(self.topic.1),
        )
    }

    /// The topic name.
    fn topic<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        packet.get(self.topic.0..self.topic.1).unwrap_or_default()
    }

    /// Length of this packet when it is sent with a topic alias, with its topic or without.
    pub(crate) fn aliased_len(&self, packet: &[u8], with_topic: bool) -> Option<usize> {
        let remaining = self.aliased_remaining(packet, with_topic)?;
        remaining
            .checked_add(1)?
            .checked_add(integer_len(remaining))
    }

    fn aliased_remaining(&self, packet: &[u8], with_topic: bool) -> Option<usize> {
        let topic = if with_topic {
            self.topic.1.checked_sub(self.topic.0)?
        } else {
            0
        };
        let id = if self.id.is_some() { 2 } else { 0 };
        let properties = self
            .properties
            .1
            .checked_sub(self.properties.0)?
            .checked_add(3)?;
        let payload = packet.len().checked_sub(self.properties.1)?;
        topic
            .checked_add(2)?
            .checked_add(id)?
            .checked_add(integer_len(properties))?
            .checked_add(properties)?
            .checked_add(payload)
    }

    /// Writes this packet with a topic alias into `out`, which is as long as
    /// [`Layout::aliased_len`] said. The alias goes behind the other properties.
    pub(crate) fn write_aliased(
        &self,
        packet: &[u8],
        with_topic: bool,
        alias: u16,
        out: &mut [u8],
    ) -> Option<()> {
        let remaining = self.aliased_remaining(packet, with_topic)?;
        let mut out = Cursor(out);
        out.put(packet.get(..1)?)?;
        out.put_integer(remaining)?;
        let topic = if with_topic { self.topic(packet) } else { &[] };
        out.put(&u16::try_from(topic.len()).ok()?.to_be_bytes())?;
        out.put(topic)?;
        if let Some(id) = self.id {
            out.put(packet.get(id..id.checked_add(2)?)?)?;
        }
        let properties = packet.get(self.properties.0..self.properties.1)?;
        out.put_integer(properties.len().checked_add(3)?)?;
        out.put(properties)?;
        let [high, low] = alias.to_be_bytes();
        out.put(&[PropertyId::TopicAlias as u8, high, low])?;
        out.put(packet.get(self.properties.1..)?)
    }
}

#[cfg(any(feature = "fast", feature = "topic-alias"))]
#[inline]
pub(crate) fn integer_len(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Bytes being written one piece after the other.
#[cfg(any(feature = "fast", feature = "topic-alias"))]
pub(crate) struct Cursor<'o>(pub(crate) &'o mut [u8]);

#[cfg(any(feature = "fast", feature = "topic-alias"))]
impl Cursor<'_> {
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn put_array<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        let out = core::mem::take(&mut self.0);
        let (to, rest) = out.split_first_chunk_mut::<N>()?;
        *to = bytes;
        self.0 = rest;
        Some(())
    }

    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let out = core::mem::take(&mut self.0);
        let (to, rest) = out.split_at_mut_checked(bytes.len())?;
        copy(to, bytes);
        self.0 = rest;
        Some(())
    }

    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn put_integer(&mut self, mut value: usize) -> Option<()> {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                return self.put(&[low]);
            }
            self.put(&[low | 0x80])?;
        }
    }
}
