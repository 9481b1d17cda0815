//! PUBLISH as most are: without properties, so that its length is known before it is written.

use crate::request::Publish;
use crate::stored::{Cursor, DUP, integer_len};
use mqtt_proto::{PacketType, QoS};

/// A PUBLISH without properties, whose length is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain<'a> {
    topic: &'a [u8],
    payload: &'a [u8],
    first: u8,
    remaining: usize,
}

impl<'a> Plain<'a> {
    #[inline(always)]
    pub(crate) fn new(publish: &Publish<'a>, qos: QoS) -> Self {
        let topic = publish.topic.as_bytes();
        let id = if qos == QoS::AtMostOnce { 0 } else { 2 };
        // The lengths of the topic and of the properties take three bytes; no two slices in
        // memory can be so long that this wraps.
        let remaining = topic
            .len()
            .wrapping_add(id)
            .wrapping_add(3)
            .wrapping_add(publish.payload.len());
        Self {
            topic,
            payload: publish.payload,
            first: (PacketType::Publish as u8) << 4 | (qos as u8) << 1 | u8::from(publish.retain),
            remaining,
        }
    }

    /// Bytes of the whole packet, if they are no more than `most`, which is at most what a packet
    /// can have.
    #[inline(always)]
    pub(crate) fn len_within(&self, most: u32) -> Option<u32> {
        let len = self
            .remaining
            .wrapping_add(integer_len(self.remaining))
            .wrapping_add(1);
        (len <= most as usize).then_some(len as u32)
    }

    /// Bytes of the topic name.
    #[inline(always)]
    pub(crate) fn topic_len(&self) -> u16 {
        self.topic.len() as u16
    }

    /// Writes the packet into `out`, which has exactly its length, with a packet identifier
    /// exactly where its QoS is above 0.
    #[inline(always)]
    pub(crate) fn write(&self, out: &mut [u8], id: Option<u16>) -> Option<()> {
        let mut out = Cursor(out);
        let [high, low] = self.topic_len().to_be_bytes();
        if self.remaining < 0x80 {
            out.put_array([self.first, self.remaining as u8, high, low])?;
        } else {
            out.put_array([self.first])?;
            out.put_integer(self.remaining)?;
            out.put_array([high, low])?;
        }
        out.put(self.topic)?;
        if let Some(id) = id {
            out.put_array(id.to_be_bytes())?;
        }
        out.put_array([0])?;
        out.put(self.payload)
    }
}

/// Writes packet identifier and DUP into a copy of a whole PUBLISH of QoS 1 or 2 whose topic
/// name has `topic_len` bytes.
#[inline(always)]
pub(crate) fn stamp(packet: &mut [u8], topic_len: u16, id: u16, dup: bool) {
    // The length in the fixed header follows from that of the packet.
    let length = match packet.len() {
        0..=129 => 1usize,
        130..=16_386 => 2,
        16_387..=2_097_155 => 3,
        _ => 4,
    };
    let place = length
        .saturating_add(3)
        .saturating_add(usize::from(topic_len));
    if let Some(bytes) = packet.get_mut(place..)
        && let Some(bytes) = bytes.first_chunk_mut::<2>()
    {
        *bytes = id.to_be_bytes();
    }
    if let Some(first) = packet.first_mut() {
        *first = if dup { *first | DUP } else { *first & !DUP };
    }
}
