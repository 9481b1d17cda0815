//! A client that connects again while its old connection is in the middle of something.

use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::broker::{BrokerConfig, BrokerEvent, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

const TAKEN_OVER: ReasonCode = ReasonCode::SESSION_TAKEN_OVER;

/// A publisher at 1, and a client with a kept session at 2.
fn pair(transmit: usize) -> Hall {
    let mut hall = hall_with(BrokerConfig {
        transmit,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("c")).subscribes(2, "t", Q2);
    hall
}

/// A large payload that shows where a byte of it belongs.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 253) as u8).collect()
}

/// The old transport gets the rest of what was begun, so that nothing it hears is cut in two; the
/// new one gets it again from the start.
#[test]
fn a_packet_cut_at_any_byte_is_finished_on_the_old_and_whole_on_the_new_connection() {
    // The second is too large for the buffer, and leaves from where it is kept.
    for (transmit, len) in [(64 << 10, 40), (256, 2_000)] {
        let payload = pattern(len);
        let whole = publishing(Q1, 1, "t", &payload)
            .to_vec(Sender::Server)
            .expect("it can be encoded");
        let step = if len > 100 { 97 } else { 1 };
        for taken in (0..=whole.len()).step_by(step) {
            let mut hall = pair(transmit);
            hall.takes_more(2, taken);
            hall.says(1, publishing(Q1, 9, "t", &payload)).take_acks(1);
            hall.says(1, publishing(Q0, 0, "t", b"small"));
            hall.rejoins(3, &hello_again("c"), true);
            hall.hears(3, publishing_again(Q1, 1, "t", &payload))
                .hears_nothing(3);
            hall.takes(2, 11).hears(2, publishing(Q1, 1, "t", &payload));
            hall.hears(2, publishing(Q0, 0, "t", b"small"));
            hall.is_disconnected(2, TAKEN_OVER);
            assert_eq!(hall.end_cause(2), EndCause::TakenOver);
            hall.says(3, puback(1)).silent();
            assert_eq!(hall.broker.load().unsettled, 0);
        }
    }
}

#[test]
fn half_a_packet_from_the_old_connection_is_nothing_to_the_new_one() {
    let bytes = publishing(Q1, 9, "t", b"payload")
        .to_vec(Sender::Client)
        .expect("it can be encoded");
    for at in 1..bytes.len() {
        let mut hall = pair(64 << 10);
        hall.says_bytes(2, &bytes[..at]);
        hall.rejoins(3, &hello_again("c"), true)
            .is_disconnected(2, TAKEN_OVER);
        // Neither half means anything any more.
        hall.says_bytes(2, &bytes[at..]).silent();
        hall.says(3, publishing(Q1, 9, "t", b"whole"))
            .hears(3, publishing(Q1, 1, "t", b"whole"))
            .hears(3, puback(9))
            .silent();
    }
}

#[test]
fn what_waited_for_room_to_be_answered_is_not_done() {
    let mut hall = pair(256);
    hall.takes(2, 0)
        .says_bytes(2, &b"\xc0\x00".repeat(125))
        .says(2, subscribe(5, &[filter("u", Q0)]))
        .says(2, publishing(Q2, 6, "t", b"x"));
    hall.rejoins(3, &hello_again("c"), true);
    assert_eq!(hall.broker.load().subscriptions, 1);
    hall.takes(2, usize::MAX);
    for _ in 0..125 {
        hall.hears(2, Packet::PingResp);
    }
    hall.is_disconnected(2, TAKEN_OVER);
    // It was not answered, so its client says it again.
    hall.says(3, subscribe(5, &[filter("u", Q0)]))
        .hears(3, suback(5, &[ReasonCode::GRANTED_QOS_0]));
    hall.says(3, publishing_again(Q2, 6, "t", b"x"))
        .hears(3, publishing(Q2, 1, "t", b"x"))
        .hears(3, pubrec(6));
    hall.silent();
}

#[test]
fn a_chain_of_connections_leaves_the_last_one() {
    let mut hall = pair(64 << 10);
    for connection in 3..20 {
        hall.says(1, publishing(Q2, 9, "t", b"x")).take_acks(1);
        hall.says(1, pubrel(9)).take_acks(1);
        hall.rejoins(connection, &hello_again("c"), true);
        assert_eq!(hall.end_cause(connection - 1), EndCause::TakenOver);
    }
    let load = hall.broker.load();
    assert_eq!((load.connections, load.sessions), (2, 2));
    assert_eq!((load.unsettled, load.subscriptions), (17, 1));
    for number in 1..=17 {
        hall.hears(19, publishing_again(Q2, number, "t", b"x"))
            .says(19, pubrec(number));
    }
    for number in 1..=17 {
        hall.hears(19, pubrel(number)).says(19, pubcomp(number));
    }
    assert_eq!(hall.broker.load().unsettled, 0);
    // One connected, one disconnected, each.
    let (mut connected, mut ended) = (0, 0);
    while let Some(event) = hall.event() {
        match event {
            BrokerEvent::Connected { .. } => connected += 1,
            BrokerEvent::Disconnected { .. } => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((connected, ended), (19, 17));
}

#[test]
fn a_taking_over_with_clean_start_leaves_nothing_of_the_old_session() {
    let mut hall = pair(64 << 10);
    hall.takes_more(2, 3);
    for number in [1, 2] {
        hall.says(1, publishing(Q2, number, "t", b"x")).take_acks(1);
    }
    hall.says(2, publishing(Q2, 5, "t", b"own"));
    hall.rejoins(3, &hello("c"), false);
    let load = hall.broker.load();
    assert_eq!((load.subscriptions, load.unsettled), (0, 0));
    // The identifier of its message, half released, is a new one's.
    hall.says(3, pubrel(5)).hears(
        3,
        Packet::PubComp(ack(5, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND)),
    );
    hall.silent();
}
