//! Neither decoding nor encoding allocates, whatever the packet and whether it is valid or not.

#[path = "strategies/mod.rs"]
mod strategies;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mqtt_proto::{Frame, Packet, PacketType, Sender, frame};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

/// Counts what the thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1, 2, 3]))), 1);
}

#[test]
fn decoding_and_encoding_allocate_nothing() {
    let config = ProptestConfig {
        rng_seed: RngSeed::Fixed(0x6d71_7474),
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let mut out = vec![0; 32 * 1024];
    let both = [Sender::Client, Sender::Server];
    for (packet_type, sender) in PacketType::ALL
        .into_iter()
        .flat_map(|packet| both.map(|sender| (packet, sender)))
    {
        if !packet_type.may_come_from(sender) {
            continue;
        }
        for _ in 0..50 {
            let sent = strategies::packet_of(packet_type, sender)
                .new_tree(&mut runner)
                .expect("a packet can be made")
                .current();
            let mut bytes = sent.encoded();
            sent.with(|packet| {
                let count = allocations(|| {
                    packet.encode(sender, &mut out).expect("it is valid");
                    assert!(packet.encode(sender, &mut out[..1]).is_err());
                });
                assert_eq!(count, 0, "encoding {packet:?}");
            });
            let mut round = |bytes: &[u8]| {
                allocations(|| {
                    if let Ok(Frame::Whole(raw)) = frame(bytes, u32::MAX)
                        && let Ok(packet) = raw.decode(sender)
                    {
                        read_everything(&packet);
                        packet.encode(sender, &mut out).expect("it was decoded");
                    }
                })
            };
            assert_eq!(round(&bytes), 0, "decoding {packet_type}");
            let last = bytes.len() - 1;
            bytes[last] ^= 0x80;
            assert_eq!(
                round(&bytes),
                0,
                "decoding {packet_type} with a flipped bit"
            );
        }
    }
}

/// Goes through all that a packet lends.
fn read_everything(packet: &Packet<'_>) {
    let properties = match packet {
        Packet::Publish(publish) => publish.properties,
        Packet::Subscribe(subscribe) => {
            assert!(subscribe.subscriptions.iter().count() > 0);
            subscribe.properties
        }
        Packet::SubAck(ack) => {
            assert!(ack.reasons.iter().count() > 0);
            ack.properties
        }
        Packet::Connect(connect) => connect.properties,
        _ => return,
    };
    std::hint::black_box(properties.iter().count());
    std::hint::black_box(properties.user_properties().count());
    std::hint::black_box(properties.reason_string());
}
