//! A counting allocator watches the broker: what a client can make it keep, and that it is given
//! back.
//!
//! The bounds are what was seen, rounded up to leave some room: they are here to notice what
//! grows without one.

use core::time::Duration;
use mqtt_proto::{Connect, Packet, Properties, Property, Publish, Sender, TopicName};
use mqtt_session::Instant;
use mqtt_session::broker::{Broker, BrokerAction, BrokerConfig, ConnectionId};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts for each thread, so that tests beside each other do not disturb the count.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it is; counting touches only a cell
// of this thread that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::from_secs(1_000);

/// A broker whose clients hear all it says, and forget it.
struct Watched {
    broker: Broker,
    now: Instant,
    /// Those that take nothing.
    deaf: Vec<ConnectionId>,
}

impl Watched {
    fn new(config: BrokerConfig) -> Self {
        Self {
            broker: Broker::new(config),
            now: NOW,
            deaf: Vec::with_capacity(16),
        }
    }

    fn run(&mut self) {
        loop {
            match self.broker.poll(self.now) {
                BrokerAction::Send { connection, bytes } => {
                    let count = bytes.len();
                    if !self.deaf.contains(&connection) {
                        self.broker.sent(self.now, connection, count);
                    }
                }
                BrokerAction::Timeout(deadline) if deadline > self.now => return,
                _ => {}
            }
        }
    }

    fn says(&mut self, connection: u64, packet: &Packet<'_>) {
        let bytes = packet.to_vec(Sender::Client).expect("a valid packet");
        self.broker
            .received(self.now, ConnectionId(connection), &bytes);
        self.run();
    }

    fn joins(&mut self, connection: u64, connect: Connect<'_>) {
        self.broker.opened(self.now, ConnectionId(connection));
        self.says(connection, &Packet::Connect(connect));
        assert!(self.broker.reads(ConnectionId(connection)), "accepted");
    }

    fn cut(&mut self, connection: u64) {
        self.broker.closed(self.now, ConnectionId(connection));
        self.run();
    }

    /// Bytes that the work leaves behind in the broker.
    fn keeps(&mut self, work: impl FnOnce(&mut Self)) -> isize {
        let before = LIVE.get();
        work(self);
        LIVE.get() - before
    }
}

/// What something that is done so many times leaves behind each time.
#[track_caller]
fn each(total: isize, count: usize, at_most: isize, what: &str) {
    let each = total / count as isize;
    println!("{what}: {each} bytes");
    assert!(each <= at_most, "{what}: {each} bytes, at most {at_most}");
}

#[test]
fn a_connection_that_says_nothing() {
    let mut watched = Watched::new(BrokerConfig::default());
    let kept = watched.keeps(|watched| {
        for connection in 1..=10_000 {
            watched.broker.opened(NOW, ConnectionId(connection));
        }
        watched.run();
    });
    each(kept, 10_000, 600, "a silent connection");
    let kept = watched.keeps(|watched| {
        watched.now = NOW.after(Duration::from_secs(10));
        watched.run();
    });
    assert!(watched.broker.load().connections == 0);
    each(-kept, 10_000, isize::MAX, "given back with each");
    assert!(-kept > 10_000 * 300);
}

#[test]
fn a_connection_that_begins_the_largest_connect_there_may_be() {
    let mut watched = Watched::new(BrokerConfig::default());
    // Of 64 KiB, all but the last byte.
    let mut bytes = vec![0x10, 0xfc, 0xff, 0x03];
    bytes.extend_from_slice(b"\x00\x04MQTT\x05\x02\x00\x00");
    bytes.resize((64 << 10) - 1, 0);
    let kept = watched.keeps(|watched| {
        for connection in 1..=100 {
            watched.broker.opened(NOW, ConnectionId(connection));
            for piece in bytes.chunks(1_000) {
                watched
                    .broker
                    .received(NOW, ConnectionId(connection), piece);
            }
        }
        watched.run();
    });
    each(kept, 100, 130 << 10, "an unfinished CONNECT");
}

#[test]
fn a_connected_client_that_is_idle() {
    let mut watched = Watched::new(BrokerConfig::default());
    let names: Vec<String> = (0..300).map(|n| format!("client-{n}")).collect();
    let kept = watched.keeps(|watched| {
        for (connection, name) in (1u64..).zip(&names) {
            watched.joins(connection, hello(name));
            watched.says(connection, &subscribe(1, &[filter(name, Q1)]));
        }
    });
    each(kept, 300, 3_000, "an idle client with a subscription");

    // One large message each: what it needed is given back when it is done with.
    let payload = vec![0; 200_000];
    let before = LIVE.get();
    for (connection, name) in (1u64..).zip(&names) {
        watched.says(connection, &publishing(Q1, 1, name, &payload));
        watched.says(connection, &puback(1));
    }
    // The buffer to the transport stays, up to its bound.
    each(
        LIVE.get() - before,
        300,
        70 << 10,
        "more for a client that had a message of 200,000 bytes",
    );
}

#[test]
fn a_kept_session_without_a_connection() {
    let mut watched = Watched::new(BrokerConfig::default());
    let names: Vec<String> = (0..50).map(|n| format!("client-{n}")).collect();
    let long = "t".repeat(60_000);
    let kept = watched.keeps(|watched| {
        for (connection, name) in (1u64..).zip(&names) {
            watched.joins(connection, hello_again(name));
            watched.says(connection, &subscribe(1, &[filter(name, Q1)]));
            // Aliases for long topics, a large message, and a thousand small ones.
            for alias in 1..=32 {
                watched.says(
                    connection,
                    &Packet::Publish(Publish {
                        topic: Some(TopicName::new(&long).unwrap()),
                        properties: Properties::new(&[Property::TopicAlias(alias)]),
                        ..publish(Q0, 0, "x", b"")
                    }),
                );
            }
            watched.says(connection, &publishing(Q1, 1, name, &[0; 100_000]));
            watched.says(connection, &puback(1));
            for id in 2..100 {
                watched.says(connection, &publishing(Q1, 1, name, b"x"));
                watched.says(connection, &puback(id));
            }
            watched.cut(connection);
        }
    });
    assert_eq!(watched.broker.load().sessions, 50);
    each(kept, 50, 2_500, "a kept session");
    let kept = watched.keeps(|watched| {
        watched.now = NOW.after(Duration::from_secs(3_600));
        watched.run();
    });
    assert_eq!(watched.broker.load().sessions, 0);
    assert!(-kept > 50 * 500, "{kept}");
}

#[test]
fn subscriptions_however_deep_cost_what_their_filters_are_long() {
    let mut watched = Watched::new(BrokerConfig::default());
    watched.joins(1, hello("greedy"));
    let deep = "a/".repeat(120);
    let names: Vec<String> = (0..2_000).map(|n| format!("{n}/{deep}{n}")).collect();
    let kept = watched.keeps(|watched| {
        for names in names.chunks(500) {
            let filters: Vec<_> = names.iter().map(|name| filter(name, Q0)).collect();
            watched.says(1, &subscribe(1, &filters));
        }
    });
    assert_eq!(watched.broker.load().subscriptions, 2_000);
    each(kept, 2_000, 1_500, "a subscription of 122 levels");
    let given_back = -watched.keeps(|watched| watched.cut(1));
    assert!(given_back > kept / 2, "{given_back} of {kept}");
}

#[test]
fn retained_messages_however_deep_cost_what_they_are_long() {
    let mut watched = Watched::new(BrokerConfig::default());
    watched.joins(1, hello("greedy"));
    let deep = "a/".repeat(120);
    let names: Vec<String> = (0..2_000).map(|n| format!("{n}/{deep}{n}")).collect();
    let kept = watched.keeps(|watched| {
        for name in &names {
            watched.says(1, &retaining(Q0, 0, name, b"x"));
        }
    });
    assert_eq!(watched.broker.load().retained, 2_000);
    each(kept, 2_000, 1_300, "a retained message of 122 levels");
}

#[test]
fn a_client_that_reads_nothing_while_others_publish() {
    const QUEUE: usize = 1 << 20;
    let mut watched = Watched::new(BrokerConfig {
        queue_bytes: QUEUE,
        ..BrokerConfig::default()
    });
    watched.joins(1, hello("loud"));
    watched.joins(2, hello_again("deaf"));
    watched.says(2, &subscribe(1, &[filter("#", Q2)]));
    watched.deaf.push(ConnectionId(2));
    let payload = [0; 1_000];
    let kept = watched.keeps(|watched| {
        for number in 1..=5_000 {
            watched.says(1, &publishing(Q1, number, "noise", &payload));
        }
    });
    each(kept, 1, 2 * QUEUE as isize, "a client that reads nothing");
    // It ends, and comes back to read: then nothing is left of that.
    watched.now = NOW.after(Duration::from_secs(30));
    watched.deaf.clear();
    let left = watched.keeps(|watched| {
        watched.run();
        watched.joins(3, hello_again("deaf"));
        let mut id = 1;
        while watched.broker.load().unsettled > 0 {
            watched.says(3, &puback(id));
            id += 1;
        }
    });
    assert!(kept + left < 300 << 10, "{} bytes are left", kept + left);
}

#[test]
fn who_floods_what_wants_an_answer_and_reads_none() {
    let mut watched = Watched::new(BrokerConfig::default());
    for (connection, packet) in (1u64..).zip([
        pubrel(9),
        pubrec(9),
        Packet::PingReq,
        subscribe(1, &[filter("x", Q0)]),
        publishing(Q2, 5, "x", b"x"),
        puback(9),
    ]) {
        let name = format!("flood-{connection}");
        watched.joins(connection, hello(&name));
        watched.deaf.push(ConnectionId(connection));
        let flood = packet.to_vec(Sender::Client).unwrap().repeat(1_000);
        let kept = watched.keeps(|watched| {
            for _ in 0..300 {
                if watched.broker.reads(ConnectionId(connection)) {
                    watched
                        .broker
                        .received(NOW, ConnectionId(connection), &flood);
                    watched.run();
                }
            }
        });
        each(kept, 1, 400 << 10, &format!("a flood of {packet:?}"));
    }
}

#[test]
fn a_storm_of_takeovers_of_those_that_read_nothing() {
    let mut watched = Watched::new(BrokerConfig::default());
    watched.joins(1, hello("loud"));
    watched.joins(2, hello_again("same"));
    watched.says(2, &subscribe(1, &[filter("#", Q1)]));
    for number in 1..=2_000 {
        watched.says(1, &publishing(Q1, number, "noise", &[0; 100]));
    }
    watched.deaf.reserve(200);
    let kept = watched.keeps(|watched| {
        for connection in 3..103 {
            watched.deaf.push(ConnectionId(connection));
            watched.broker.opened(NOW, ConnectionId(connection));
            watched.says(connection, &Packet::Connect(hello_again("same")));
        }
    });
    // What each was about to get is held until its time to take it is over.
    each(
        kept,
        100,
        140 << 10,
        "a connection taken over that reads nothing",
    );
    let given_back = -watched.keeps(|watched| {
        watched.now = NOW.after(Duration::from_secs(5));
        watched.run();
    });
    assert!(given_back > kept / 2, "{given_back} of {kept}");
}
