//! QoS 0 and QoS 1 in both directions: identifiers, DUP, acknowledgements, resending.

use core::time::Duration;
use mqtt_proto::{Packet, PacketId, QoS, ReasonCode, Sender};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use std::collections::BTreeSet;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

const NOBODY: ReasonCode = ReasonCode::NO_MATCHING_SUBSCRIBERS;

/// A publisher at 1 and a subscriber with a kept session at 2.
fn pair(qos: QoS) -> Hall {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("s")).subscribes(2, "t", qos);
    hall
}

/// A QoS 1 message from 1, acknowledged there.
#[track_caller]
fn publishes(hall: &mut Hall, payload: &[u8]) {
    hall.says(1, publishing(Q1, 9, "t", payload))
        .hears(1, puback(9));
}

/// The identifier of the next message of a client.
#[track_caller]
fn identifier(hall: &mut Hall, connection: u64) -> u16 {
    hall.hears_what(connection, |packet| match packet {
        Packet::Publish(publish) => publish.packet_id.map_or(0, PacketId::value),
        other => panic!("{other:?}"),
    })
}

// broker: MQTT-4.3.1-1
#[test]
fn a_qos_0_message_is_sent_once() {
    let mut hall = pair(Q0);
    for qos in [Q0, Q1, Q2] {
        hall.says(1, publishing(qos, qos as u16, "t", b"x"))
            .take_acks(1);
        assert_eq!(
            hall.next(2).as_deref(),
            Some(&b"\x30\x05\x00\x01t\x00x"[..])
        );
    }
    // Neither what left, nor what was being sent, comes again.
    hall.takes(2, 0);
    hall.says(1, publishing(Q0, 0, "t", b"y"));
    hall.cut(2)
        .rejoins(3, &hello_again("s"), true)
        .wait(Duration::from_secs(3_000))
        .silent();
}

#[test]
fn messages_at_qos_0_wait_for_a_client_where_that_is_set() {
    for queue_qos0 in [false, true] {
        let mut hall = hall_with(BrokerConfig {
            queue_qos0,
            ..BrokerConfig::default()
        });
        hall.joins(1, &hello("p"));
        hall.joins(2, &hello_again("s")).subscribes(2, "t", Q2);
        hall.cut(2);
        for payload in [b"a", b"b"] {
            hall.says(1, publishing(Q0, 0, "t", payload));
        }
        hall.rejoins(3, &hello_again("s"), true);
        if queue_qos0 {
            hall.hears(3, publishing(Q0, 0, "t", b"a"))
                .hears(3, publishing(Q0, 0, "t", b"b"));
        }
        hall.silent();
        // Not twice.
        hall.cut(3).rejoins(4, &hello_again("s"), true).silent();
    }
}

// broker: MQTT-4.3.2-1, MQTT-4.3.3-1
#[test]
fn an_identifier_is_not_used_again_while_its_exchange_is_open() {
    let mut hall = pair(Q2);
    // QoS 1 unacknowledged, QoS 2 before PUBREC, QoS 2 before PUBCOMP.
    publishes(&mut hall, b"open");
    for number in [1, 2] {
        hall.says(1, publishing(Q2, number, "t", b"open"))
            .take_acks(1);
    }
    let mut open: BTreeSet<u16> = (0..3).map(|_| identifier(&mut hall, 2)).collect();
    assert_eq!(open.len(), 3);
    hall.says(2, pubrec(3)).hears(2, pubrel(3));
    // More messages than there are identifiers, one after the other and a few at once.
    for round in 0..33_000 {
        publishes(&mut hall, b"x");
        publishes(&mut hall, b"y");
        let (x, y) = (identifier(&mut hall, 2), identifier(&mut hall, 2));
        assert!(
            open.insert(x) && open.insert(y),
            "{x} or {y} in round {round}"
        );
        open.remove(&x);
        open.remove(&y);
        hall.says(2, puback(y)).says(2, puback(x));
        hall.history.clear();
    }
    hall.silent();
    // Nor after a cut, before or after what is sent again.
    hall.cut(2);
    publishes(&mut hall, b"new");
    hall.rejoins(3, &hello_again("s"), true);
    hall.hears(3, pubrel(3))
        .hears(3, publishing_again(Q1, 1, "t", b"open"))
        .hears(3, publishing_again(Q2, 2, "t", b"open"));
    assert!(open.insert(identifier(&mut hall, 3)));
    hall.silent();
}

// broker: MQTT-4.3.2-2
#[test]
fn the_first_sending_at_qos_1_is_not_marked() {
    let mut hall = pair(Q1);
    // Straight; held back by the transport; held back by a cut; from a publisher that says DUP.
    publishes(&mut hall, b"a");
    hall.hears(2, publishing(Q1, 1, "t", b"a"))
        .says(2, puback(1));
    hall.takes(2, 0);
    publishes(&mut hall, b"b");
    hall.takes(2, usize::MAX)
        .hears(2, publishing(Q1, 2, "t", b"b"))
        .says(2, puback(2));
    hall.takes(2, 0);
    publishes(&mut hall, b"c");
    hall.cut(2);
    publishes(&mut hall, b"d");
    hall.rejoins(3, &hello_again("s"), true);
    // 3 was given to `c`, and back.
    hall.hears(3, publishing(Q1, 4, "t", b"c"))
        .hears(3, publishing(Q1, 5, "t", b"d"))
        .says(3, puback(4))
        .says(3, puback(5));
    hall.says(1, publishing_again(Q1, 5, "t", b"e"))
        .hears(1, puback(5));
    hall.hears(3, publishing(Q1, 6, "t", b"e")).silent();
}

// broker: MQTT-4.3.2-3, MQTT-4.4.0-1
#[test]
fn a_qos_1_message_is_unacknowledged_until_its_puback() {
    let mut hall = pair(Q1);
    publishes(&mut hall, b"a");
    publishes(&mut hall, b"b");
    hall.hears(2, publishing(Q1, 1, "t", b"a"))
        .hears(2, publishing(Q1, 2, "t", b"b"));
    // Not for another one's, nor for one that is out of the blue.
    hall.says(2, puback(2)).says(2, puback(77));
    assert_eq!(hall.broker.load().unsettled, 1);
    // However long it takes, it comes again over another connection only.
    hall.wait(Duration::from_secs(100_000)).silent();
    hall.cut(2).rejoins(3, &hello_again("s"), true);
    hall.hears(3, publishing_again(Q1, 1, "t", b"a")).silent();
    hall.says(3, puback(1));
    assert_eq!(hall.broker.load().unsettled, 0);
    hall.cut(3).rejoins(4, &hello_again("s"), true).silent();
}

// broker: MQTT-4.3.2-4
#[test]
fn a_qos_1_message_is_taken_over_with_puback() {
    let mut hall = pair(Q1);
    hall.says(1, publishing(Q1, 300, "t", b"x"))
        .hears(1, puback(300))
        .hears(2, publishing(Q1, 1, "t", b"x"));
    // Its publisher may go: it is the broker's now, also where nobody is connected.
    hall.cut(2);
    hall.says(1, publishing(Q1, 65_535, "t", b"y"))
        .hears(1, puback(65_535))
        .cut(1);
    hall.rejoins(3, &hello_again("s"), true)
        .hears(3, publishing_again(Q1, 1, "t", b"x"))
        .hears(3, publishing(Q1, 2, "t", b"y"))
        .silent();
    // Nobody wants it: that is said, and is a success.
    hall.says(3, publishing(Q1, 5, "other", b""))
        .hears(3, Packet::PubAck(ack(5, NOBODY)));
}

// broker: MQTT-4.3.2-5
#[test]
fn after_puback_its_identifier_is_a_new_message_whatever_dup_says() {
    let mut hall = pair(Q1);
    for (number, packet) in [
        (1, publishing(Q1, 5, "t", b"x")),
        (2, publishing_again(Q1, 5, "t", b"x")),
        (3, publishing(Q1, 5, "t", b"x")),
    ] {
        hall.says(1, packet).hears(1, puback(5));
        hall.hears(2, publishing(Q1, number, "t", b"x"));
    }
    hall.silent();
}

// broker: MQTT-4.4.0-1
#[test]
fn everything_unacknowledged_is_sent_again_once_in_its_order_with_its_identifiers() {
    let mut hall = pair(Q2);
    publishes(&mut hall, b"1");
    for number in [2, 3, 4] {
        hall.says(1, publishing(Q2, number, "t", b"2")).take_acks(1);
    }
    publishes(&mut hall, b"5");
    for number in 1..=5 {
        assert_eq!(identifier(&mut hall, 2), number);
    }
    hall.says(2, pubrec(4)).hears(2, pubrel(4));
    hall.says(2, pubrec(3)).hears(2, pubrel(3));
    // A taking over is a cut as any other; each connection gets all of it.
    let mut last = 2;
    for connection in 3..6 {
        hall.rejoins(connection, &hello_again("s"), true)
            .is_disconnected(last, ReasonCode::SESSION_TAKEN_OVER);
        hall.hears(connection, pubrel(4))
            .hears(connection, pubrel(3))
            .hears(connection, publishing_again(Q1, 1, "t", b"1"))
            .hears(connection, publishing_again(Q2, 2, "t", b"2"))
            .hears(connection, publishing_again(Q1, 5, "t", b"5"));
        hall.wait(Duration::from_secs(10_000)).silent();
        last = connection;
    }
    // With Clean Start, none of it.
    hall.rejoins(7, &hello("s"), false)
        .is_disconnected(last, ReasonCode::SESSION_TAKEN_OVER);
    hall.silent();
    assert_eq!(hall.broker.load().unsettled, 0);
}

// broker: MQTT-4.4.0-2
#[test]
fn a_message_that_is_refused_is_acknowledged() {
    let failures = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    for reason in failures.map(|code| ReasonCode::new(code).expect("a reason code")) {
        let mut hall = pair(Q2);
        publishes(&mut hall, b"1");
        hall.says(1, publishing(Q2, 1, "t", b"2")).take_acks(1);
        hall.hears(2, publishing(Q1, 1, "t", b"1"))
            .hears(2, publishing(Q2, 2, "t", b"2"));
        hall.says(2, Packet::PubAck(ack(1, reason)))
            .says(2, Packet::PubRec(ack(2, reason)));
        hall.silent();
        assert_eq!(hall.broker.load().unsettled, 0);
        hall.cut(2).rejoins(3, &hello_again("s"), true).silent();
    }
}

// broker: MQTT-4.2-1
#[test]
fn a_conversation_is_the_same_however_its_bytes_are_cut() {
    let subscriptions = [filter("t", Q2)];
    let said = [
        (
            2,
            vec![Packet::Connect(hello("s")), subscribe(1, &subscriptions)],
        ),
        (
            1,
            vec![
                Packet::Connect(hello("p")),
                publishing(Q1, 1, "t", b"one"),
                publishing(Q2, 2, "t", b"two"),
                pubrel(2),
                publishing(Q0, 0, "t", b"three"),
                Packet::PingReq,
            ],
        ),
    ];
    let bytes = |packet: &Packet<'_>| packet.to_vec(Sender::Client).expect("it can be encoded");
    let all = |piece: usize, takes: usize| -> Vec<Vec<u8>> {
        let mut hall = hall();
        let mut heard = Vec::new();
        for (connection, packets) in &said {
            hall.opens(*connection).takes(*connection, takes);
            let bytes: Vec<u8> = packets.iter().flat_map(bytes).collect();
            for piece in bytes.chunks(piece) {
                hall.says_bytes(*connection, piece);
            }
        }
        for connection in [1, 2] {
            heard.extend(core::iter::from_fn(|| hall.next(connection)));
        }
        heard
    };
    let whole = all(usize::MAX, usize::MAX);
    assert_eq!(whole.len(), 5 + 5);
    for piece in 1..10 {
        for takes in 1..10 {
            assert_eq!(all(piece, takes), whole, "{piece} in, {takes} out");
        }
    }
}
