//! Ceilings on what the machine takes in memory.
//!
//! `cargo test -p mqtt-tests --test sizes -- --nocapture` prints what it takes now.

use mqtt_session::{
    AckToken, Action, Client, Config, Connect, Delivery, Event, Fixed, Heap, Instant, Limits,
    Message, Publish, RxBuffer, Sender, Ticket, Violation,
};
use std::mem::size_of;

/// The least arena and transmit buffer, to see what is beside them.
const ARENA: usize = 64;
const TRANSMIT: usize = 64;

type Beside<const OUT: usize, const IN: usize> = Fixed<OUT, IN, ARENA, TRANSMIT>;

fn without_buffers<const OUT: usize, const IN: usize>() -> usize {
    size_of::<Client<Beside<OUT, IN>>>() - ARENA - TRANSMIT
}

#[track_caller]
fn holds(what: &str, bytes: usize, ceiling: usize) {
    println!("{what:<48} {bytes:>5} bytes, ceiling {ceiling}");
    assert!(
        bytes <= ceiling,
        "{what}: {bytes} bytes, the ceiling is {ceiling}"
    );
}

#[test]
fn a_fixed_client_without_its_buffers_is_small() {
    holds(
        "Client, 8 exchanges each way",
        without_buffers::<8, 8>(),
        848,
    );
    holds(
        "Client, 1 exchange each way",
        without_buffers::<1, 1>(),
        544,
    );
    let out = without_buffers::<108, 8>() - without_buffers::<8, 8>();
    holds("100 exchanges out", out, 3_600);
    let inbound = without_buffers::<8, 108>() - without_buffers::<8, 8>();
    holds("100 exchanges in", inbound, 1_200);
}

#[test]
fn what_passes_between_machine_and_caller_is_small() {
    holds("Action", size_of::<Action<'_>>(), 128);
    holds("Event", size_of::<Event<'_>>(), 72);
    holds("Delivery", size_of::<Delivery<'_>>(), 128);
    holds("Message", size_of::<Message<'_>>(), 104);
    holds("Sender", size_of::<Sender<'_>>(), 24);
    holds("Publish", size_of::<Publish<'_>>(), 64);
    holds("Connect", size_of::<Connect<'_>>(), 144);
    holds("Config", size_of::<Config>(), 44);
    holds("Limits", size_of::<Limits>(), 16);
    holds("Violation", size_of::<Violation>(), 20);
    holds("Ticket", size_of::<Ticket>(), 8);
    holds("AckToken", size_of::<AckToken>(), 8);
    holds("Instant", size_of::<Instant>(), 8);
    holds(
        "RxBuffer beside its bytes",
        size_of::<RxBuffer<[u8; 0]>>(),
        40,
    );
    holds(
        "Client on the heap, by itself",
        size_of::<Client<Heap>>(),
        728,
    );
}
