//! A session is written down, in pieces.

use super::crc::Crc32;
use super::layout::{ACCEPTED, CHECKSUM, HAS_SESSION, Head, LASTS, MAGIC, PREAMBLE, VERSION, walk};
use crate::connection::Fingerprint;
use crate::machine::{Machine, Stores};
use crate::pump::packet_range;
use crate::record::{Flags, Record};
use crate::store::{InboundStore, OutboundStore};
use crate::stored::{DUP, stamped};

/// Where pieces go; false ends the writing.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> bool;

/// How many identifiers are put in order at a time: a bit each.
const WINDOW: u16 = 2048;

/// Writes the session; whether the sink took all of it.
pub(crate) fn export<O: OutboundStore, I: InboundStore>(
    machine: &Machine,
    stores: Stores<'_, O, I>,
    len: usize,
    sink: Sink<'_>,
) -> bool {
    let mut crc = Crc32::new();
    let whole = write(machine, stores, len, &mut |piece| {
        crc.update(piece);
        sink(piece)
    });
    whole && sink(&crc.value().to_le_bytes())
}

/// How many bytes [`export`] writes.
pub(crate) fn len<O: OutboundStore, I: InboundStore>(
    machine: &Machine,
    stores: Stores<'_, O, I>,
) -> usize {
    let mut len = CHECKSUM;
    write(machine, stores, 0, &mut |piece| {
        len = len.saturating_add(piece.len());
        true
    });
    len
}

fn write<O: OutboundStore, I: InboundStore>(
    machine: &Machine,
    stores: Stores<'_, O, I>,
    len: usize,
    sink: Sink<'_>,
) -> bool {
    let mut preamble = [0; PREAMBLE];
    let [m0, m1, m2, m3] = MAGIC;
    let [v0, v1] = VERSION.to_le_bytes();
    let [l0, l1, l2, l3] = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    preamble.copy_from_slice(&[m0, m1, m2, m3, v0, v1, l0, l1, l2, l3]);
    let mut received = 0u16;
    write_received(stores.inbound, &mut |_| {
        received = received.saturating_add(1);
        true
    });
    let mut records = 0u16;
    walk(
        &machine.out.exchanges,
        stores.outbound,
        &mut |_, _, _, _| {
            records = records.saturating_add(1);
            true
        },
    );
    sink(&preamble)
        && write_identity(machine, stores.inbound, sink)
        && sink(&received.to_le_bytes())
        && write_received(stores.inbound, sink)
        && sink(&records.to_le_bytes())
        && walk(
            &machine.out.exchanges,
            stores.outbound,
            &mut |store, head, slot, record| {
                let left = left(machine, store, &record);
                let left = left.map_or(LASTS, |left| left.min(LASTS.saturating_sub(1)));
                write_record(store, head, slot, &record, left, sink)
            },
        )
}

/// Whose session it is, and the numbers that go on rising.
pub(crate) fn write_identity<I: InboundStore>(
    machine: &Machine,
    inbound: &mut I,
    sink: Sink<'_>,
) -> bool {
    let identity = &machine.identity;
    let mut flags = 0;
    if identity.accepted {
        flags |= ACCEPTED;
    }
    if identity.has_session {
        flags |= HAS_SESSION;
    }
    let assigned = inbound.assigned_client_id().as_bytes();
    let assigned_len = u16::try_from(assigned.len()).unwrap_or(u16::MAX);
    let (last_id, next_ticket) = machine.out.exchanges.tables.numbers();
    let client = identity.client.map_or(0, Fingerprint::get);
    sink(&[flags])
        && sink(&client.to_le_bytes())
        && sink(&last_id.to_le_bytes())
        && sink(&next_ticket.to_le_bytes())
        && sink(&assigned_len.to_le_bytes())
        && sink(assigned)
}

/// The identifiers of inbound QoS 2 messages that count as received, each once and rising,
/// whatever the store's order is.
fn write_received<I: InboundStore>(inbound: &mut I, sink: Sink<'_>) -> bool {
    for window in 0..u16::MAX / WINDOW + 1 {
        let mut bits = [0u32; WINDOW as usize / 32];
        let mut any = false;
        inbound.each_received(&mut |id| {
            if id / WINDOW == window
                && let Some(word) = bits.get_mut(usize::from(id % WINDOW / 32))
            {
                *word |= 1u32.wrapping_shl(u32::from(id % 32));
                any = true;
            }
        });
        if !any {
            continue;
        }
        for (word, at) in bits.iter().zip(0u16..) {
            for bit in (0..32u16).filter(|bit| word.wrapping_shr(u32::from(*bit)) & 1 != 0) {
                let id = window
                    .wrapping_mul(WINDOW)
                    .wrapping_add(at.wrapping_mul(32))
                    .wrapping_add(bit);
                if !sink(&id.to_le_bytes()) {
                    return false;
                }
            }
        }
    }
    true
}

/// How many microseconds are left of a stored message that expires.
#[cfg(feature = "message-expiry")]
fn left<O: OutboundStore>(machine: &Machine, store: &mut O, record: &Record) -> Option<u64> {
    let now = machine.out.clock.now.as_micros();
    expires(store, record).map(|at| at.saturating_sub(now))
}

/// How many microseconds are left of a stored message that expires: all of them.
#[cfg(not(feature = "message-expiry"))]
fn left<O: OutboundStore>(_: &Machine, store: &mut O, record: &Record) -> Option<u64> {
    if !record.flags.has(Flags::EXPIRES) || !record.flags.has(Flags::STORED) {
        return None;
    }
    let (start, end) = packet_range(record);
    let packet = store.arena().get(start..end)?;
    let (_, interval) = stamped(packet, record);
    let seconds = packet.get(interval..)?.first_chunk()?;
    Some(u64::from(u32::from_be_bytes(*seconds)).wrapping_mul(1_000_000))
}

/// When a stored message expires, in microseconds of the machine's time.
#[cfg(feature = "message-expiry")]
pub(crate) fn expires<O: OutboundStore>(store: &mut O, record: &Record) -> Option<u64> {
    if !record.flags.has(Flags::EXPIRES) || !record.flags.has(Flags::STORED) {
        return None;
    }
    let at = store.arena().get(record.offset()..)?;
    at.first_chunk().map(|at| u64::from_le_bytes(*at))
}

/// Writes a record, and its message while it is held.
pub(crate) fn write_record<O: OutboundStore>(
    store: &O,
    head: Head,
    slot: u16,
    record: &Record,
    left: u64,
    sink: Sink<'_>,
) -> bool {
    if !sink(&head.bytes()) {
        return false;
    }
    if !head.kind.has_packet() {
        return true;
    }
    let (start, end) = packet_range(record);
    let (_, arena) = store.buffers();
    let packet = arena.get(start..end).unwrap_or_default();
    let payload = payload_apart(store, slot, record);
    let len = packet.len().saturating_add(payload.len());
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    sink(&left.to_le_bytes())
        && sink(&len.to_le_bytes())
        && write_packet(packet, record, sink)
        && (payload.is_empty() || sink(payload))
}

/// The payload that is held beside the arena, where it is.
pub(crate) fn payload_apart<'o, O: OutboundStore>(
    store: &'o O,
    slot: u16,
    record: &Record,
) -> &'o [u8] {
    #[cfg(feature = "bytes")]
    if record.flags.has(Flags::PAYLOAD_APART) {
        return store.payload(slot);
    }
    let _ = (store, slot, record);
    &[]
}

/// Writes a packet without what a transmission has stamped on it.
fn write_packet(packet: &[u8], record: &Record, sink: Sink<'_>) -> bool {
    let (id, interval) = stamped(packet, record);
    let piece = |from: usize, to: usize| packet.get(from..to).unwrap_or_default();
    let first = packet.first().copied().unwrap_or_default() & !DUP;
    let behind_id = id.saturating_add(2);
    if !(sink(&[first]) && sink(piece(1, id)) && sink(&1u16.to_be_bytes())) {
        return false;
    }
    if !record.flags.has(Flags::EXPIRES) {
        return sink(piece(behind_id, packet.len()));
    }
    let behind = interval.saturating_add(4);
    sink(piece(behind_id, interval)) && sink(&[0; 4]) && sink(piece(behind, packet.len()))
}
