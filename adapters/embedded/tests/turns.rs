//! What a client does in its turns, whether it blocks or waits in async functions, and whatever is
//! dropped meanwhile.

use mqtt_embedded::Failed;
use mqtt_session::{
    Acknowledge, Cause, Config, Connect, ConnectError, GiveUp, Instant, Property, Publish, QoS,
    ReasonCode, TopicName,
};
use std::rc::Rc;
use std::time::Duration;
use world::subject::{Did, KINDS, Kind, Subject, client, client_with, next, settle};
use world::wire::Broken;
use world::{Line, Shared, World};

mod world;

/// The smallest buffer that is promised to do.
const SMALL: usize = 64;
const LARGE: usize = 512;

fn started(kind: Kind, world: &Shared, input: usize) -> Box<dyn Subject> {
    let mut client = client(kind, world, Config::new(), input);
    client.start();
    client
}

fn connected(kind: Kind, world: &Shared, input: usize) -> Box<dyn Subject> {
    let mut client = started(kind, world, input);
    let did = next(&mut *client, world, soon(world));
    assert!(matches!(did, Did::Connected { .. }), "{did:?}");
    client
}

fn soon(world: &Shared) -> Instant {
    world.borrow().now.after(Duration::from_secs(5))
}

fn broker_publishes(world: &Shared, qos: QoS, topic: &str, payload: &[u8]) {
    let mut world = world.borrow_mut();
    let now = world.now;
    let topic = TopicName::new(topic).unwrap();
    let publish = Publish::new(topic, payload).qos(qos);
    world.broker.publish(now, &publish).unwrap();
    world.serve();
}

/// Payloads of all sizes, each by itself.
fn payload(number: usize) -> Vec<u8> {
    let len = [0, 1, 9, 40, 200, 700][number % 6];
    (0..len).map(|at| (at * 7 + number) as u8).collect()
}

const MESSAGES: usize = 18;

/// The broker took it, and has nobody to give it to.
const NOBODY: Result<ReasonCode, GiveUp> = Ok(ReasonCode::NO_MATCHING_SUBSCRIBERS);

/// Subscribes, publishes at each QoS what comes back, answers each message while it is borrowed, and
/// stops: what was told.
fn converse(client: &mut dyn Subject, world: &Shared) -> Vec<Did> {
    client.start();
    let mut all = Vec::new();
    let mut published = 0;
    let mut answered = 0;
    let until = Instant::from_micros(world.borrow().now.as_micros() + 3_600_000_000);
    loop {
        let did = client.turn(until, &mut |delivery| {
            let message = delivery.message;
            if message.topic.as_str().starts_with("out/") {
                let topic = TopicName::new("answer").unwrap();
                let answer = Publish::new(topic, b"yes").qos(QoS::ExactlyOnce);
                delivery.publish(&answer).unwrap();
                answered += 1;
            }
        });
        assert!(world.borrow().now < until, "{all:?}");
        let ended = did == Did::Done;
        match did {
            Did::Nothing => continue,
            Did::Connected {
                session_present: false,
            } => {
                client.subscribe("#").unwrap();
            }
            _ => {}
        }
        let ready = all.iter().any(|did| matches!(did, Did::Subscribed(_)));
        // A request does not outlive a cut, nor a message at QoS 0.
        let lost = matches!(&did, Did::OtherEvent(event) if event.starts_with("Unanswered"));
        if matches!(
            did,
            Did::Connected {
                session_present: true
            }
        ) && !ready
            || lost
        {
            let again = all
                .iter()
                .rev()
                .any(|did| matches!(did, Did::Connected { .. }));
            if again || !lost {
                client.subscribe("#").unwrap();
            }
        }
        all.push(did);
        let ready = all.iter().any(|did| matches!(did, Did::Subscribed(_)));
        if ready && published < MESSAGES && client.unsettled() < 3 {
            let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][published % 2];
            let topic = format!("out/{published}");
            client.publish(qos, &topic, &payload(published)).unwrap();
            published += 1;
        }
        let answers = all.iter().filter(|did| is_message(did, "answer")).count();
        if published == MESSAGES && answers >= MESSAGES && client.unsettled() == 0 {
            client.stop();
        }
        if ended {
            assert!(answered >= MESSAGES);
            return all;
        }
    }
}

fn is_message(did: &Did, topic: &str) -> bool {
    matches!(did, Did::Message(message) if message.topic == topic)
}

/// Everything arrived as it was published: QoS 2 once, QoS 1 at least once.
#[track_caller]
fn all_arrived(all: &[Did]) {
    for number in 0..MESSAGES {
        let topic = format!("out/{number}");
        let arrived: Vec<_> = all
            .iter()
            .filter_map(|did| match did {
                Did::Message(message) if message.topic == topic => Some(message),
                _ => None,
            })
            .collect();
        assert!(!arrived.is_empty(), "{topic} did not arrive: {all:?}");
        for message in &arrived {
            assert_eq!(message.payload, payload(number), "{topic}");
        }
        if number % 2 == 1 {
            assert_eq!(arrived.len(), 1, "{topic}");
        }
    }
    assert_eq!(all.last(), Some(&Did::Done));
}

#[test]
fn a_conversation_is_the_same_in_any_pieces_and_whoever_drops_what() {
    for kind in KINDS {
        for input in [SMALL, LARGE] {
            for (gives, takes) in [(usize::MAX, usize::MAX), (1, 1), (7, usize::MAX), (64, 3)] {
                for (stalls, buffers) in [(false, false), (true, false), (true, true)] {
                    let world = World::new(Line {
                        gives,
                        takes,
                        stalls,
                        buffers,
                        ..Line::default()
                    });
                    let mut client = client(kind, &world, Config::new(), input);
                    let all = converse(&mut *client, &world);
                    all_arrived(&all);
                    let parts = all
                        .iter()
                        .any(|did| matches!(did, Did::Message(m) if m.parts > 1));
                    assert!(parts, "{kind:?} {input}");
                    assert_eq!(world.borrow().dialled, 1);
                }
            }
        }
    }
}

#[test]
fn a_turn_dropped_at_any_one_await_changes_nothing() {
    let line = Line {
        stalls: true,
        gives: 50,
        takes: 50,
        ..Line::default()
    };
    let mut count = 0;
    loop {
        let world = World::new(line.clone());
        let kind = Kind::DroppedAt(count);
        let mut client = client(kind, &world, Config::new(), SMALL);
        all_arrived(&converse(&mut *client, &world));
        if client.awaits() <= count {
            break;
        }
        count += 1;
    }
    assert!(count > 50, "only {count} awaits");
}

#[test]
fn a_cut_at_any_byte_loses_and_doubles_nothing() {
    for kind in [Kind::Blocking, Kind::Dropped, Kind::Halves] {
        for (breaks, stalls) in [(false, true), (true, false)] {
            let mut cut_after = 1;
            loop {
                let world = World::new(Line {
                    cut_after,
                    breaks,
                    stalls,
                    ..Line::default()
                });
                let mut client = client(kind, &world, Config::new(), SMALL);
                let all = converse(&mut *client, &world);
                all_arrived(&all);
                let dialled = world.borrow().dialled;
                if dialled == 1 {
                    break;
                }
                let failures = all.iter().filter(|did| {
                    matches!(
                        did,
                        Did::Failed(Failed::Read(Broken::Cut) | Failed::Write(Broken::Cut))
                    )
                });
                if breaks {
                    assert_eq!(failures.count(), 1, "{all:?}");
                }
                // Every byte of the first exchanges, and then now and then one.
                cut_after += if cut_after < 200 { 1 } else { 43 };
            }
            assert!(cut_after > 3_000, "{cut_after}");
        }
    }
}

#[test]
fn what_is_queued_leaves_in_one_write() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = connected(kind, &world, LARGE);
        assert_eq!(world.borrow().writes.len(), 1, "CONNECT");
        client.subscribe("in/#").unwrap();
        client.subscribe("more").unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            client.publish(qos, "a", b"1").unwrap();
        }
        world.borrow_mut().writes.clear();
        settle(&mut *client, &world, 1);
        let writes = core::mem::take(&mut world.borrow_mut().writes);
        let types: Vec<_> = writes.iter().map(|bytes| bytes[0] >> 4).collect();
        // All five; then PUBREL, once PUBREC has come.
        assert_eq!(types, [8, 6], "{kind:?} {writes:02x?}");
        // Three messages come in one read, and are acknowledged in one write.
        let mut bytes = vec![0x32, 7, 0, 4];
        bytes.extend(b"in/1");
        bytes[1] = 9;
        bytes.extend([0, 1, 0]);
        let second = [&bytes[..8], &[0, 2, 0]].concat();
        let third = [&[0x34], &bytes[1..8], &[0, 3, 0]].concat();
        world.borrow_mut().says(&[bytes, second, third].concat());
        let all = settle(&mut *client, &world, 1);
        assert_eq!(all.iter().filter(|did| is_message(did, "in/1")).count(), 3);
        let writes = &world.borrow().writes;
        let expected = [0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x50, 2, 0, 3];
        assert_eq!(writes[0], expected, "{kind:?}");
    }
}

#[test]
fn what_is_asked_for_between_turns_leaves_at_once() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = connected(kind, &world, SMALL);
        settle(&mut *client, &world, 1);
        let before = world.borrow().now;
        let ticket = client.publish(QoS::AtLeastOnce, "a", b"1").unwrap();
        let did = next(&mut *client, &world, soon(&world));
        assert_eq!(did, Did::Published(ticket, NOBODY), "{kind:?}");
        assert_eq!(world.borrow().now, before, "{kind:?}");
    }
}

#[test]
fn what_cannot_be_dialled_is_told_and_tried_again_when_the_machine_says() {
    for kind in KINDS {
        let world = World::new(Line {
            refuses: 3,
            ..Line::default()
        });
        let mut client = started(kind, &world, SMALL);
        for _ in 0..3 {
            let did = next(&mut *client, &world, soon(&world));
            assert_eq!(did, Did::Failed(Failed::Dial(Broken::Refused)));
            let did = next(&mut *client, &world, soon(&world));
            let Did::Disconnected(Cause::NotOpened, Some(retry)) = did else {
                panic!("{did:?}");
            };
            assert!(retry > world.borrow().now);
        }
        let did = next(&mut *client, &world, soon(&world));
        assert_eq!(
            did,
            Did::Connected {
                session_present: false
            }
        );
    }
}

#[test]
fn a_connect_that_cannot_be_sent_is_told() {
    const SPACIOUS: Connect<'static> = Connect {
        properties: &[Property::TopicAliasMaximum(500)],
        ..Connect::new("c")
    };
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = client_with(kind, &world, Config::new(), SMALL, &SPACIOUS);
        client.start();
        let did = next(&mut *client, &world, soon(&world));
        let expected = ConnectError::TopicAliasMaximum { store: 0 };
        assert_eq!(did, Did::Failed(Failed::Connect(expected)));
        let did = next(&mut *client, &world, soon(&world));
        assert!(matches!(did, Did::Disconnected(Cause::NotOpened, Some(_))));
        assert_eq!(world.borrow().open, None);
    }
}

#[test]
fn a_line_that_takes_nothing_is_read_all_the_same_and_given_up_in_time() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = connected(kind, &world, SMALL);
        client.subscribe("in").unwrap();
        let did = next(&mut *client, &world, soon(&world));
        assert!(matches!(did, Did::Subscribed(_)));
        world.borrow_mut().line.takes = 0;
        let ticket = client.publish(QoS::AtLeastOnce, "a", b"1").unwrap();
        assert_eq!(client.turn(soon(&world), &mut |_| ()), Did::Nothing);
        broker_publishes(&world, QoS::AtMostOnce, "in", &[7; 300]);
        let until = world.borrow().now.after(Duration::from_secs(1));
        let did = loop {
            let did = client.turn(until, &mut |_| ());
            if did != Did::Nothing {
                break did;
            }
            // A blocking writer has its own time limit.
            let now = world.borrow().now.after(Duration::from_millis(10));
            if kind == Kind::Blocking {
                world.borrow_mut().pass_until(now);
            }
            assert!(world.borrow().now < until, "{kind:?}");
        };
        assert!(is_message(&did, "in"), "{did:?}");
        let did = loop {
            let did = client.turn(Instant::from_secs(5_000), &mut |_| ());
            if did != Did::Nothing {
                break did;
            }
            let now = world.borrow().now.after(Duration::from_millis(10));
            if kind == Kind::Blocking {
                world.borrow_mut().pass_until(now);
            }
        };
        let given_up = matches!(
            did,
            Did::Disconnected(Cause::SendTimeout | Cause::AckTimeout, Some(_))
        );
        assert!(given_up, "{did:?}");
        world.borrow_mut().line.takes = usize::MAX;
        let until = world.borrow().now.after(Duration::from_secs(100));
        let did = next(&mut *client, &world, until);
        assert_eq!(
            did,
            Did::Connected {
                session_present: true
            }
        );
        let did = next(&mut *client, &world, until);
        assert_eq!(did, Did::Published(ticket, NOBODY));
    }
}

#[test]
fn the_last_words_of_a_server_are_heard_though_it_takes_no_more() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = connected(kind, &world, SMALL);
        settle(&mut *client, &world, 1);
        world.borrow_mut().says(&[0xe0, 1, 0x89]);
        world.borrow_mut().ends();
        client.publish(QoS::AtLeastOnce, "a", b"1").unwrap();
        let did = next(&mut *client, &world, soon(&world));
        assert_eq!(
            did,
            Did::ServerDisconnect(ReasonCode::SERVER_BUSY),
            "{kind:?}"
        );
        let did = loop {
            match next(&mut *client, &world, soon(&world)) {
                Did::Failed(Failed::Write(Broken::Cut)) => {}
                did => break did,
            }
        };
        let cause = Cause::ServerDisconnect(ReasonCode::SERVER_BUSY);
        assert!(
            matches!(did, Did::Disconnected(told, Some(_)) if told == cause),
            "{did:?}"
        );
    }
}

#[test]
fn stopping_says_goodbye_and_starting_goes_on_with_the_session() {
    for kind in KINDS {
        let world = World::new(Line {
            buffers: true,
            ..Line::default()
        });
        let mut client = connected(kind, &world, SMALL);
        client.publish(QoS::AtMostOnce, "a", b"1").unwrap();
        client.stop();
        let all = settle(&mut *client, &world, 1);
        assert_eq!(
            all[1..],
            [Did::Disconnected(Cause::Stopped, None), Did::Done],
            "{all:?}"
        );
        let last = world.borrow().writes.concat();
        assert_eq!(last[last.len() - 2..], [0xe0, 0], "{kind:?}");
        // It was flushed, too: the broker knows.
        assert_eq!(world.borrow().broker.load().connections, 0);
        assert_eq!(world.borrow().open, None);
        client.start();
        let did = next(&mut *client, &world, soon(&world));
        assert_eq!(
            did,
            Did::Connected {
                session_present: true
            }
        );
    }
}

#[test]
fn stopping_while_a_transport_is_awaited_dials_no_more() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = started(kind, &world, SMALL);
        assert_eq!(client.turn(soon(&world), &mut |_| ()), Did::Nothing);
        client.stop();
        let all = settle(&mut *client, &world, 1);
        assert_eq!(all, [Did::Disconnected(Cause::Stopped, None), Did::Done]);
        assert_eq!(world.borrow().dialled, 0);
    }
}

#[test]
fn the_application_acknowledges_between_turns() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let config = Config::new().acknowledge(Acknowledge::Manually);
        let mut client = client(kind, &world, config, SMALL);
        client.start();
        next(&mut *client, &world, soon(&world));
        client.subscribe("in").unwrap();
        next(&mut *client, &world, soon(&world));
        broker_publishes(&world, QoS::AtLeastOnce, "in", &[1; 150]);
        let Did::Message(message) = next(&mut *client, &world, soon(&world)) else {
            panic!("a message has come");
        };
        assert!(message.parts > 1);
        settle(&mut *client, &world, 1);
        world.borrow_mut().writes.clear();
        client.acknowledge(message.token.expect("it comes with the last part"));
        settle(&mut *client, &world, 1);
        assert_eq!(world.borrow().writes, [[0x40, 2, 0, 1]], "{kind:?}");
    }
}

#[test]
fn an_idle_client_pings_and_costs_few_turns() {
    for kind in KINDS {
        let world = World::new(Line::default());
        let mut client = connected(kind, &world, SMALL);
        world.borrow_mut().writes.clear();
        let until = world.borrow().now.after(Duration::from_secs(600));
        let mut turns = 0;
        while world.borrow().now < until {
            assert_eq!(client.turn(until, &mut |_| ()), Did::Nothing);
            turns += 1;
        }
        let pings = world.borrow().writes.len();
        assert!((9..=10).contains(&pings), "{pings}");
        assert!(
            turns <= 8 * pings,
            "{turns} turns for {pings} pings with {kind:?}"
        );
    }
}

#[test]
fn a_transport_with_a_time_limit_of_its_own_is_one() {
    use mqtt_embedded::blocking::{Timed, Transport};
    let world = World::new(Line::default());
    let mut transport = Timed(world::wire::dial(&world).unwrap());
    let mut clock = world::subject::time(&world);
    world.borrow_mut().says(b"ab");
    let mut room = [0; 8];
    let read = transport.read_until(&mut room, Instant::NEVER, &mut clock);
    assert_eq!(read, Ok(Some(2)));
    drop(Rc::clone(&world));
}
