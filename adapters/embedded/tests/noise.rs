//! Servers that break the protocol, and lines that lose, make up and change bytes.
//!
//! MQTT has no checksum: what a raw line does to a payload, nobody but the application can notice.
//! So this is what is held here, whatever happens to the bytes:
//!
//! - Nothing panics, and what is wrong is told as an event of its type.
//! - What is delivered is what the bytes that came in say, byte by byte: the client adds no fault.
//! - An application whose payloads carry a checksum over topic and payload is never deceived.
//! - Once the line is clean, the client connects again and works. A refusal that only noise made looks
//!   like one for good; then the application starts it again.

use mqtt_proto::{Frame, Packet, Sender, frame};
use mqtt_session::{
    Cause, Config, Connect, DecodeErrorKind, PacketType, Property, Publish, QoS, TopicName,
    Violation,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::time::Duration;
use world::subject::{Did, HELLO, KINDS, Kind, Subject, client, client_with, next};
use world::{Fault, Garble, Line, Shared, World};

mod world;

const INPUT: usize = 64;

/// A line that is not to be trusted calls for a bound: a length that is garbled would have all that
/// follows taken for one payload.
const CAREFUL: Connect<'static> = Connect {
    properties: &[
        Property::SessionExpiryInterval(3600),
        Property::MaximumPacketSize(1_000),
    ],
    ..HELLO
};

const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];

/// What the client makes of a server that says this, behind CONNACK or instead of it.
fn meets(kind: Kind, said: &[u8], hello: &'static Connect<'static>) -> (Vec<Did>, Shared) {
    let world = World::new(Line::default());
    world.borrow_mut().scripts.push_back(Some(said.to_vec()));
    let mut client = client_with(kind, &world, Config::new(), INPUT, hello);
    client.start();
    let mut all = Vec::new();
    let until = world.borrow().now.after(Duration::from_secs(120));
    loop {
        let did = next(&mut *client, &world, until);
        let over = matches!(did, Did::Disconnected(..) | Did::Nothing);
        all.push(did);
        if over {
            break;
        }
    }
    // The next connection is one to the broker.
    if matches!(all.last(), Some(Did::Disconnected(_, Some(_)))) {
        assert_eq!(world.borrow().open, None, "the transport is closed");
        let did = next(&mut *client, &world, until);
        assert!(matches!(did, Did::Connected { .. }), "{did:?}");
    }
    (all, world)
}

/// The connection ends by a violation like this one, and nothing but that is told.
#[track_caller]
fn breaks(said: &[u8], is_it: impl Fn(&Violation) -> bool) {
    for kind in KINDS {
        let behind = [&ACCEPTED[..], said].concat();
        let (all, _) = meets(kind, &behind, &HELLO);
        let [
            Did::Connected { .. },
            Did::Violation(violation),
            Did::Disconnected(Cause::Violation(cause), Some(_)),
        ] = &all[..]
        else {
            panic!("{kind:?}, {said:02x?}: {all:?}");
        };
        assert!(is_it(violation), "{said:02x?}: {violation:?}");
        assert_eq!(violation, cause);
    }
}

fn publish(qos: u8, topic: usize, payload: usize) -> Vec<u8> {
    let id = if qos > 0 { 2 } else { 0 };
    let len = 2 + topic + id + 1 + payload;
    let mut bytes = vec![0x30 | qos << 1];
    let mut left = len;
    while left >= 128 {
        bytes.push((left % 128) as u8 | 128);
        left /= 128;
    }
    bytes.push(left as u8);
    bytes.extend((topic as u16).to_be_bytes());
    bytes.extend(vec![b't'; topic]);
    bytes.extend(&[0, 1][..id]);
    bytes.push(0);
    bytes.extend(vec![b'p'; payload]);
    bytes
}

#[test]
fn what_does_not_fit_the_input_ends_the_connection_and_the_next_one_works() {
    let too_large = |violation: &Violation| *violation == Violation::LargerThanBuffer;
    breaks(&publish(0, 60, 300), too_large);
    breaks(&publish(2, 42, 30), too_large);
    breaks(&[&[0x90, 0xe8, 0x07][..], &[0; 1_000]].concat(), too_large);
    breaks(&[0xe0, 0xff, 0xff, 0xff, 0x7f], too_large);
    for kind in KINDS {
        let reason = [b'r'; 100];
        let connack = [&[0x20, 106, 0, 0, 103, 0x1f, 0, 100], &reason[..]].concat();
        let (all, _) = meets(kind, &connack, &HELLO);
        assert!(
            matches!(
                all[..],
                [
                    Did::Violation(Violation::LargerThanBuffer),
                    Did::Disconnected(Cause::Violation(Violation::LargerThanBuffer), Some(_)),
                ]
            ),
            "{kind:?}: {all:?}"
        );
    }
}

#[test]
fn illegal_packets_end_the_connection_and_the_next_one_works() {
    let malformed = |violation: &Violation| matches!(violation, Violation::Packet(_));
    for said in [
        &[0x00, 0][..],
        &[0x36, 5, 0, 1, b't', 0, 1, 0],
        &[0x60, 2, 0, 1],
        &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x30, 4, 0, 9, b't', 0],
        &[0x30, 4, 0, 1, 0xff, 0],
        &[0x40, 2, 0, 0],
        &[0xd1, 0],
        &[0xff; 1_000],
    ] {
        breaks(said, malformed);
    }
    for (said, packet) in [
        (&[0x20, 3, 0, 0, 0][..], PacketType::ConnAck),
        (&[0xf0, 0], PacketType::Auth),
    ] {
        breaks(said, |violation| {
            matches!(violation, Violation::Unexpected(unexpected) if *unexpected == packet)
                || matches!(violation, Violation::Packet(_))
        });
    }
}

#[test]
fn a_packet_without_end_is_bounded_by_what_connect_says() {
    let endless = [
        &ACCEPTED[..],
        &[0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, b't', 0],
        &[b'p'; 5_000],
    ];
    for kind in KINDS {
        let (all, _) = meets(kind, &endless.concat(), &CAREFUL);
        let Did::Violation(violation) = &all[1] else {
            panic!("{kind:?}: {all:?}");
        };
        let Violation::Packet(error) = violation else {
            panic!("{violation:?}");
        };
        assert!(matches!(error.kind(), DecodeErrorKind::TooLarge { .. }));
        // Otherwise it is a payload in parts, for as long as it lasts, and its end is told.
        let world = World::new(Line::default());
        world.borrow_mut().scripts.push_back(Some(endless.concat()));
        let mut client = client(kind, &world, Config::new(), INPUT);
        client.start();
        let until = world.borrow().now.after(Duration::from_secs(5));
        let did = next(&mut *client, &world, until);
        assert!(matches!(did, Did::Connected { .. }));
        assert_eq!(next(&mut *client, &world, until), Did::Nothing);
        world.borrow_mut().ends();
        let until = until.after(Duration::from_secs(60));
        assert_eq!(next(&mut *client, &world, until), Did::DeliveryCut);
        let did = next(&mut *client, &world, until);
        assert!(matches!(
            did,
            Did::Disconnected(Cause::TransportClosed, Some(_))
        ));
        let did = next(&mut *client, &world, until);
        assert!(matches!(did, Did::Connected { .. }));
    }
}

/// A checksum that finds what a line does: CRC-32.
fn checksum(topic: &str, body: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in topic.bytes().chain(body.iter().copied()) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    (!crc).to_be_bytes()
}

fn checked(topic: &str, body: &[u8]) -> Vec<u8> {
    [&checksum(topic, body)[..], body].concat()
}

/// The PUBLISH packets in what was read over one connection, up to the first fault.
fn publishes(read: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = read;
    while let Ok(Frame::Whole(raw)) = frame(rest, 1_000) {
        match raw.decode(Sender::Server) {
            Ok(Packet::Publish(publish)) => {
                let topic = publish.topic.map_or("", |topic| topic.as_str());
                found.push((topic.to_owned(), publish.payload.to_vec()));
            }
            Ok(_) => {}
            Err(_) => break,
        }
        rest = &rest[raw.len()..];
    }
    found
}

fn faults() -> impl Strategy<Value = Vec<(usize, Fault)>> {
    let fault = prop_oneof![
        Just(Fault::Drop),
        any::<u8>().prop_map(Fault::Insert),
        (1..=u8::MAX).prop_map(Fault::Flip),
    ];
    prop::collection::vec((0..1_500usize, fault), 1..12)
}

/// What was delivered, and over which connection.
type Delivered = Vec<(usize, String, Vec<u8>)>;

/// Talks over a line with these faults, and then over a clean one: how many connections that took,
/// and how many messages came that nobody had published.
fn over_a_bad_line(kind: Kind, line: Line) -> (u64, usize) {
    let world = World::new(line);
    let mut client = client_with(kind, &world, Config::new(), INPUT, &CAREFUL);
    let mut published = Vec::new();
    let mut delivered = Delivered::new();
    client.start();
    let until = world.borrow().now.after(Duration::from_secs(400));
    let mut number = 0;
    while world.borrow().now < until {
        let pause = world.borrow().now.after(Duration::from_secs(2));
        let did = client.turn(pause, &mut |_| ());
        let quiet = did == Did::Nothing && world.borrow().now >= pause;
        takes(&mut *client, &world, did, &mut delivered);
        if quiet && number < 15 {
            let body = vec![number as u8; [3, 30, 120][number % 3]];
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][number % 3];
            let topic = format!("t/{number}");
            // The store may be full of what nobody acknowledges.
            let _ = client.publish(qos, &topic, &checked(&topic, &body));
            let served = format!("s/{number}");
            broker_publishes(&world, qos, &served, &checked(&served, &body));
            published.push((topic, body.clone()));
            published.push((served, body));
            number += 1;
        }
    }
    let said: Vec<_> = world
        .borrow()
        .read
        .iter()
        .map(|read| publishes(read))
        .collect();
    for (connection, topic, payload) in &delivered {
        assert!(
            said[*connection]
                .iter()
                .any(|(t, p)| t == topic && p == payload),
            "nobody said {topic}: {payload:02x?}"
        );
        if let Some((sum, body)) = payload.split_first_chunk::<4>()
            && *sum == checksum(topic, body)
        {
            let known = published.iter().any(|(t, b)| t == topic && b == body);
            assert!(known, "nobody published {topic}: {body:02x?}");
        }
    }
    world.borrow_mut().line.garble = None;
    works(&mut *client, &world);
    let is_known = |(_, topic, payload): &&(usize, String, Vec<u8>)| {
        published
            .iter()
            .any(|(t, body)| t == topic && checked(t, body) == *payload)
    };
    let wrong = delivered.len() - delivered.iter().filter(is_known).count();
    (world.borrow().dialled, wrong)
}

fn broker_publishes(world: &Shared, qos: QoS, topic: &str, payload: &[u8]) {
    let mut world = world.borrow_mut();
    let now = world.now;
    let topic = TopicName::new(topic).unwrap();
    let publish = Publish::new(topic, payload).qos(qos);
    world.broker.publish(now, &publish).unwrap();
    world.serve();
}

/// What an application does.
fn takes(client: &mut dyn Subject, world: &Shared, did: Did, delivered: &mut Delivered) {
    match did {
        Did::Connected { .. } => drop(client.subscribe("#")),
        Did::Done => client.start(),
        Did::Message(message) => {
            let connection = world.borrow().read.len() - 1;
            delivered.push((connection, message.topic, message.payload));
        }
        _ => {}
    }
}

/// Over a clean line, a message that is published comes back before long.
fn works(client: &mut dyn Subject, world: &Shared) {
    let until = world.borrow().now.after(Duration::from_secs(1_000));
    let mut delivered = Delivered::new();
    let mut next_attempt = world.borrow().now;
    while world.borrow().now < until {
        if world.borrow().now >= next_attempt {
            let _ = client.subscribe("#");
            let _ = client.publish(QoS::AtLeastOnce, "fresh", b"again");
            next_attempt = next_attempt.after(Duration::from_secs(50));
        }
        let did = client.turn(next_attempt.min(until), &mut |_| ());
        takes(client, world, did, &mut delivered);
        if delivered
            .iter()
            .any(|(_, topic, payload)| topic == "fresh" && payload == b"again")
        {
            return;
        }
    }
    panic!("it does not work again");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_line_that_garbles_bytes_deceives_nobody_and_is_used_again_once_it_is_clean(
        faults in faults(),
        kind in prop::sample::select(&KINDS[..]),
        gives in prop::sample::select(vec![1, 5, usize::MAX]),
        stalls in any::<bool>(),
    ) {
        over_a_bad_line(kind, Line {
            gives,
            stalls,
            garble: Some(Garble { faults, passed: 0 }),
            ..Line::default()
        });
    }
}

#[test]
fn every_byte_of_a_conversation_may_be_lost() {
    let (mut again, mut wrong) = (0, 0);
    for at in 0..400 {
        let kind = [Kind::Blocking, Kind::Dropped][at % 2];
        let garble = Garble {
            faults: vec![(at, Fault::Drop)],
            passed: 0,
        };
        let line = Line {
            garble: Some(garble),
            ..Line::default()
        };
        let (connections, unknown) = over_a_bad_line(kind, line);
        again += usize::from(connections > 1);
        wrong += unknown;
    }
    println!("{again} of 400 lost bytes ended the connection, {wrong} payloads came out wrong");
    assert!(
        again > 200 && wrong > 0,
        "the line is not as bad as it should be"
    );
}
