//! Bytes that no server should send, pieces in any size, and calls that make no sense.

use core::time::Duration;
use mqtt_proto::{Ack, Frame, Packet, PacketId, PacketType, Properties, QoS, ReasonCode, Sender};
use mqtt_proto::{Subscription, SubscriptionOptions, TopicFilter, frame};
use mqtt_session::{
    Acknowledge, Action, Cause, Client, Config, Connect, Heap, Instant, Property, RxBuffer,
    Violation,
};
use mqtt_tests::input::INPUT;
use mqtt_tests::talk::*;
use std::collections::BTreeMap;

/// An acknowledgement of the server.
fn answer(kind: PacketType, number: u16, reason: ReasonCode) -> Packet<'static> {
    let ack = Ack {
        packet_id: PacketId::new(number).unwrap(),
        reason,
        properties: Properties::EMPTY,
    };
    match kind {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        _ => Packet::PubComp(ack),
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_its_answer_and_its_statement() {
    for (bytes, reason, text) in [
        (
            &[0x6a, 2, 0, 1][..],
            ReasonCode::MALFORMED_PACKET,
            "malformed PUBREL at byte 0: header flags 0x0a, must be 0x02 (MQTT-3.6.1-1, answer 0x81)",
        ),
        (
            &[0x30, 4, 0, 1, b'#', 0],
            ReasonCode::TOPIC_NAME_INVALID,
            "invalid PUBLISH at byte 4: a wildcard in topic name (MQTT-3.3.2-2, answer 0x90)",
        ),
        (
            &[0x32, 6, 0, 1, b'a', 0, 0, 0],
            ReasonCode::PROTOCOL_ERROR,
            "invalid PUBLISH at byte 5: packet identifier 0 (MQTT-2.2.1-4, answer 0x82)",
        ),
        (
            &[0xd0, 0x80, 0x80, 0x80, 0x80],
            ReasonCode::MALFORMED_PACKET,
            "malformed PINGRESP at byte 1: a variable byte integer of more than 4 bytes (section 1.5.5, answer 0x81)",
        ),
        (
            &[0x20, 3, 0, 0, 0],
            ReasonCode::PROTOCOL_ERROR,
            "CONNACK may not come now (MQTT-3.2.0-2, answer 0x82)",
        ),
    ] {
        let mut talk = connected(Config::default());
        talk.server_bytes(bytes);
        talk.next();
        talk.sends(disconnect(reason)).closes();
        match talk.next() {
            Did::Told(Told::Disconnected(Cause::Violation(violation), Some(_))) => {
                assert_eq!(violation.to_string(), text);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_or_at_the_wrong_time_ends_the_connection() {
    let sent = |qos| {
        let mut talk = talk(Config::default());
        talk.connects(&keeping(), connack());
        talk.publishes(qos, "a", b"x");
        talk.sent();
        talk
    };
    for (qos, kind) in [
        (QoS::AtLeastOnce, PacketType::PubRec),
        (QoS::AtLeastOnce, PacketType::PubComp),
        (QoS::ExactlyOnce, PacketType::PubAck),
        (QoS::ExactlyOnce, PacketType::PubComp),
    ] {
        let mut talk = sent(qos);
        talk.server(answer(kind, 1, ReasonCode::SUCCESS))
            .ends_by(Violation::WrongAcknowledgement(kind))
            .quiet();
        assert_eq!(talk.client.unsettled(), 1, "the exchange goes on");
    }
    // PUBREC took the message; it cannot be refused any more.
    let mut released = sent(QoS::ExactlyOnce);
    released.server(pubrec(1)).sends(pubrel(1));
    released
        .server(answer(PacketType::PubRec, 1, ReasonCode::QUOTA_EXCEEDED))
        .ends_by(Violation::OutOfOrder(PacketType::PubRec));
    let mut released = sent(QoS::ExactlyOnce);
    released.server(pubrec(1)).sends(pubrel(1));
    released
        .server(puback(1))
        .ends_by(Violation::WrongAcknowledgement(PacketType::PubAck));
    // PUBREL answers a PUBREC that was never sent.
    let mut unanswered = connected(Config::default().acknowledge(Acknowledge::Manually));
    unanswered
        .server_publishes(QoS::ExactlyOnce, 7, "a", b"x")
        .delivered();
    unanswered
        .server(pubrel(7))
        .ends_by(Violation::OutOfOrder(PacketType::PubRel));
}

#[test]
fn more_messages_than_the_client_takes_end_the_connection() {
    let properties = [Property::ReceiveMaximum(2)];
    let connect = Connect {
        properties: &properties,
        ..Connect::new("c")
    };
    let mut talk = talk(Config::default().acknowledge(Acknowledge::Manually));
    talk.connects(&connect, connack());
    for (id, qos) in [(1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce)] {
        talk.server_publishes(qos, id, "a", b"x").delivered();
    }
    talk.server_publishes(QoS::AtMostOnce, 0, "a", b"x")
        .delivered();
    talk.server_publishes(QoS::AtLeastOnce, 3, "a", b"x")
        .ends_by(Violation::ReceiveMaximum);
}

#[test]
fn a_packet_that_can_never_fit_the_input_ends_the_connection() {
    // The payload of a PUBLISH may be larger than the buffer, nothing else may.
    let reasons = [ReasonCode::SUCCESS; 5_000];
    let large = suback(1, &reasons).to_vec(Sender::Server).unwrap();
    let mut talk = connected(Config::default());
    talk.server_bytes(&large[..3])
        .ends_by(Violation::LargerThanBuffer);

    // Three quarters of the buffer are for its topic name and properties.
    let topic = "t".repeat(3_070);
    let payload = [0; 2_000];
    let large = Packet::Publish(publish(QoS::AtMostOnce, 0, &topic, &payload));
    let mut talk = connected(Config::default());
    talk.server_bytes(&large.to_vec(Sender::Server).unwrap()[..100])
        .ends_by(Violation::LargerThanBuffer);

    // Before CONNACK it is not even looked at.
    let mut early = talk_awaiting_connack();
    let large = Packet::Publish(publish(QoS::AtMostOnce, 0, "t", &[0; 5_000]));
    early
        .server_bytes(&large.to_vec(Sender::Server).unwrap()[..100])
        .ends_by(Violation::Unexpected(PacketType::Publish));
}

fn talk_awaiting_connack() -> Talk<Heap> {
    let mut talk = talk(Config::default());
    talk.opens(&Connect::new("c"));
    talk
}

#[test]
fn whatever_three_bytes_come_first_the_client_waits_or_breaks_off() {
    for accepted in [false, true] {
        let mut start = talk_awaiting_connack();
        if accepted {
            start.server(connack());
            start.next();
        }
        start.run();
        for first in 0..=u8::MAX {
            for second in [0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0xff] {
                for third in [0, 1, 2, 0x18, 0x80, 0xff] {
                    let bytes = [first, second, third, 0, third, 0, 0, 0];
                    let mut client = start.client.clone();
                    let mut input = RxBuffer::new([0; 64]);
                    input.spare()[..8].copy_from_slice(&bytes);
                    input.filled(8);
                    must_come_to_rest(&mut client, &mut input, start.now, &bytes);
                }
            }
        }
    }
}

/// The client waits, or ends the connection after a DISCONNECT that says why.
fn must_come_to_rest(
    client: &mut Client<Heap>,
    input: &mut RxBuffer<[u8; 64]>,
    now: Instant,
    bytes: &[u8],
) {
    let mut broken = None;
    let mut last = Vec::new();
    for _ in 0..30 {
        match client.poll(now, input) {
            Action::Send(out) => {
                last = out.to_vec();
                client.sent(now, last.len());
            }
            Action::Event(mqtt_session::Event::Violation(violation)) => {
                broken = Some(violation.reason());
            }
            Action::Event(_) | Action::Deliver(_) => {}
            Action::Close => {
                if let Some(reason) = broken {
                    assert!(
                        last.ends_with(&[0xe0, 1, reason.value()]),
                        "{bytes:02x?} is answered by {last:02x?}"
                    );
                }
                return;
            }
            Action::Timeout(_) => {
                assert_eq!(broken, None, "{bytes:02x?}");
                return;
            }
            other => panic!("{bytes:02x?} leads to {other:?}"),
        }
    }
    panic!("{bytes:02x?} never comes to rest");
}

/// What the server says in the conversation that is cut into pieces below.
fn servers_part() -> Vec<u8> {
    let properties = [
        Property::UserProperty("k", "v"),
        Property::SubscriptionIdentifier(300),
    ];
    let with_properties = Packet::Publish(mqtt_proto::Publish {
        properties: Properties::new(&properties),
        retain: true,
        ..publish(QoS::ExactlyOnce, 7, "in/two", &[9; 300])
    });
    let packets = [
        Packet::Publish(publish(QoS::AtMostOnce, 0, "in/zero", b"")),
        pubrec(99),
        pubrec(1),
        Packet::Publish(publish(QoS::AtLeastOnce, 7, "in/one", b"seven")),
        with_properties,
        puback(2),
        Packet::PingResp,
        pubrel(7),
        suback(3, &[ReasonCode::GRANTED_QOS_1]),
        pubrel(98),
        puback(97),
        Packet::Publish(publish(QoS::AtMostOnce, 0, "in/last", b"x")),
    ];
    packets
        .iter()
        .flat_map(|packet| packet.to_vec(Sender::Server).unwrap())
        .collect()
}

/// What the client did in that conversation: packets by their kind in their order, and the rest
/// in its order.
fn in_pieces(size: usize) -> (BTreeMap<u8, Vec<Vec<u8>>>, Vec<Did>) {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    talk.publishes(QoS::ExactlyOnce, "out/two", b"2");
    talk.publishes(QoS::AtLeastOnce, "out/one", b"1");
    let filters = [Subscription {
        filter: TopicFilter::new("in/#").unwrap(),
        options: SubscriptionOptions::default(),
    }];
    talk.run();
    talk.client.subscribe(talk.now, &filters, &[]).unwrap();
    talk.run();
    talk.chunk = size;
    talk.server_bytes(&servers_part());
    talk.server(pubcomp(1));
    talk.server(disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
    talk.cut();
    let (mut packets, mut rest) = (BTreeMap::<u8, Vec<Vec<u8>>>::new(), Vec::new());
    while !matches!(rest.last(), Some(Did::Told(Told::Disconnected(..)))) {
        match talk.next() {
            Did::Sent(bytes) => packets.entry(bytes[0]).or_default().push(bytes),
            other => rest.push(other),
        }
    }
    talk.quiet();
    (packets, rest)
}

// covers: pitfall 86
#[test]
fn the_pieces_that_packets_come_in_make_no_difference() {
    let whole = in_pieces(usize::MAX);
    let kinds: Vec<u8> = whole.0.keys().copied().collect();
    assert_eq!(kinds, [0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82]);
    assert_eq!(whole.1.len(), 10, "{:?}", whole.1);
    for size in 1..servers_part().len() {
        assert_eq!(in_pieces(size), whole, "in pieces of {size}");
    }
}

// covers: pitfall 87
#[test]
fn every_write_holds_whole_packets() {
    let now = Instant::from_secs(1);
    let config = Config::default().topic_aliases(2);
    let mut client = Client::new(config, Heap::default());
    let mut input = RxBuffer::new(vec![0; INPUT]);
    let mut writes = 0;
    let mut packets = 0;
    let mut drive = |client: &mut Client<Heap>, input: &mut RxBuffer<Vec<u8>>, said: &[u8]| {
        input.spare()[..said.len()].copy_from_slice(said);
        input.filled(said.len());
        loop {
            match client.poll(now, input) {
                Action::Send(bytes) => {
                    writes += 1;
                    let mut rest = bytes;
                    while !rest.is_empty() {
                        let Ok(Frame::Whole(packet)) = frame(rest, u32::MAX) else {
                            panic!("a write ends in the middle of a packet: {bytes:02x?}");
                        };
                        packets += 1;
                        rest = &rest[packet.len()..];
                    }
                    let count = bytes.len();
                    client.sent(now, count);
                }
                Action::Open => client.opened(now, &keeping()).unwrap(),
                Action::Timeout(_) => break,
                _ => {}
            }
        }
    };
    client.start(now);
    drive(&mut client, &mut input, &[]);
    let limits = [Property::TopicAliasMaximum(2)];
    let accepted = connack_with(&limits).to_vec(Sender::Server).unwrap();
    drive(&mut client, &mut input, &accepted);
    for round in 0..50 {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let payload = vec![7; round * 10];
            client.publish(now, &message(qos, "a", &payload)).unwrap();
        }
    }
    // One larger than all the way to the transport.
    let large = [7; 200_000];
    client
        .publish(now, &message(QoS::AtLeastOnce, "a", &large))
        .unwrap();
    drive(&mut client, &mut input, &servers_part()[..50]);
    assert_eq!(client.unsettled(), 101);
    assert!(packets > 150, "{packets}");
    assert!(writes < 10, "{writes} writes for {packets} packets");
}

#[test]
fn half_a_packet_of_the_last_transport_is_forgotten() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    talk.server_bytes(&[0x32, 20, 0, 1, b'a']).quiet();
    talk.loses_transport();
    assert!(talk.input.is_empty());
    talk.resumes();
    talk.server_publishes(QoS::AtMostOnce, 0, "b", b"x")
        .delivers("b", b"x")
        .quiet();
}

#[test]
fn every_cause_says_what_happened() {
    let violation = Violation::NoAssignedClientIdentifier;
    for (cause, text) in [
        (Cause::NotOpened, "the transport could not be opened"),
        (Cause::TransportClosed, "the transport was closed"),
        (
            Cause::Refused(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
            "the server refused the connection: bad user name or password (0x86)",
        ),
        (
            Cause::ServerDisconnect(ReasonCode::SESSION_TAKEN_OVER),
            "the server disconnected: session taken over (0x8e)",
        ),
        (
            Cause::Violation(violation),
            "the server broke the protocol: no client identifier assigned in answer to an empty \
             one (MQTT-3.1.3-7, answer 0x82)",
        ),
        (Cause::ConnectTimeout, "the server did not accept in time"),
        (
            Cause::PingTimeout,
            "the server did not answer a ping in time",
        ),
        (Cause::AckTimeout, "an acknowledgement did not come in time"),
        (
            Cause::SendTimeout,
            "the transport took no bytes for too long",
        ),
        (Cause::Stopped, "stopped by the application"),
    ] {
        assert_eq!(cause.to_string(), text);
    }
}

#[test]
fn garbage_without_end_is_read_once_and_no_further() {
    let mut talk = connected(Config::default());
    talk.server_bytes(&[0xff; 4_096]);
    talk.next();
    talk.sent();
    talk.expect(Did::Close);
    // The server goes on talking to a client that does not listen any more.
    for _ in 0..10 {
        let spare = talk.input.spare();
        let count = spare.len();
        spare.fill(0xff);
        talk.input.filled(count);
        talk.wait(Duration::from_secs(1)).quiet();
    }
    talk.cut();
    talk.next();
    talk.quiet();
    assert!(talk.input.is_empty());
}
