//! Receive Maximum in both directions (section 4.9), topic aliases towards clients, and blocked
//! transports.

use core::time::Duration;
use mqtt_proto::{Connect, Packet, Properties, Property, QoS, ReasonCode, Sender};
use mqtt_session::Violation;
use mqtt_session::broker::{BrokerConfig, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// CONNECT of a kept session with one more property.
fn keeping<'a>(client_id: &'a str, properties: &'a [Property<'a>; 2]) -> Connect<'a> {
    Connect {
        properties: Properties::new(properties),
        ..hello_again(client_id)
    }
}

const fn window(size: u16) -> [Property<'static>; 2] {
    [
        Property::SessionExpiryInterval(3_600),
        Property::ReceiveMaximum(size),
    ]
}

/// Publishes so many messages of one letter at this QoS from 1, which acknowledges all.
fn publishes(hall: &mut Hall, qos: QoS, payloads: &[u8]) {
    for payload in payloads {
        hall.says(1, publishing(qos, 9, "t", core::slice::from_ref(payload)));
        if qos == Q2 {
            hall.says(1, pubrel(9));
        }
        hall.take_acks(1);
    }
}

/// The PUBLISH packets that a client has heard: payload and identifier.
#[track_caller]
fn heard(hall: &mut Hall, connection: u64) -> Vec<(u8, u16)> {
    let mut all = Vec::new();
    while let Some(bytes) = hall.next(connection) {
        match Packet::decode(&bytes, Sender::Server).expect("a valid packet") {
            Packet::Publish(publish) => all.push((
                publish.payload[0],
                publish.packet_id.map_or(0, |id| id.value()),
            )),
            other => panic!("{other:?}"),
        }
    }
    all
}

// broker: MQTT-4.9.0-1, MQTT-4.9.0-2
#[test]
fn no_more_messages_are_open_than_the_client_allows() {
    for size in [1, 2, 3, 7] {
        let properties = window(size);
        let mut hall = hall();
        hall.joins(1, &hello("p"));
        hall.joins(2, &keeping("s", &properties))
            .subscribes(2, "t", Q2);
        publishes(&mut hall, Q1, b"aaaaaaaaaa");
        let open = heard(&mut hall, 2);
        assert_eq!(open.len(), usize::from(size));
        // Each one that is acknowledged lets one more come.
        let mut open: Vec<u16> = open.into_iter().map(|(_, number)| number).collect();
        for _ in size..10 {
            hall.says(2, puback(open.remove(0)));
            let next = heard(&mut hall, 2);
            assert_eq!(next.len(), 1);
            open.push(next[0].1);
        }
        hall.says(2, puback(open[0]));
        assert_eq!(heard(&mut hall, 2), []);
    }
}

// broker: MQTT-4.9.0-1
#[test]
fn without_a_receive_maximum_it_is_65535() {
    let mut hall = hall_with(BrokerConfig {
        queue_messages: 65_534,
        queue_bytes: 64 << 20,
        transmit: 1 << 20,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("s")).subscribes(2, "t", Q1);
    for _ in 0..65 {
        publishes(&mut hall, Q1, &[b'x'; 1_000]);
        hall.history.clear();
    }
    assert_eq!(heard(&mut hall, 2).len(), 65_000);
}

// broker: MQTT-4.9.0-2
#[test]
fn a_qos_2_message_takes_its_place_until_pubcomp_or_a_pubrec_that_refuses() {
    let properties = window(1);
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &keeping("s", &properties))
        .subscribes(2, "t", Q2);
    publishes(&mut hall, Q2, b"abc");
    hall.hears(2, publishing(Q2, 1, "t", b"a"))
        .says(2, pubrec(1))
        .hears(2, pubrel(1))
        .silent();
    hall.says(2, pubcomp(1))
        .hears(2, publishing(Q2, 2, "t", b"b"));
    hall.silent();
    hall.says(2, Packet::PubRec(ack(2, ReasonCode::QUOTA_EXCEEDED)))
        .hears(2, publishing(Q2, 3, "t", b"c"));
    hall.silent();
}

// broker: MQTT-4.9.0-1, MQTT-4.9.0-2
#[test]
fn each_connection_begins_with_a_window_of_its_own() {
    let (wide, narrow) = (window(3), window(1));
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &keeping("s", &wide)).subscribes(2, "t", Q1);
    publishes(&mut hall, Q1, b"abcde");
    assert_eq!(heard(&mut hall, 2), [(b'a', 1), (b'b', 2), (b'c', 3)]);
    // Narrower: what is sent again is held back as well, in its order.
    hall.rejoins(3, &keeping("s", &narrow), true)
        .is_disconnected(2, ReasonCode::SESSION_TAKEN_OVER);
    for expected in [(b'a', 1), (b'b', 2), (b'c', 3)] {
        assert_eq!(heard(&mut hall, 3), [expected]);
        hall.says(3, puback(expected.1));
    }
    assert_eq!(heard(&mut hall, 3), [(b'd', 4)]);
    // Wider: what was unacknowledged takes its place in the new one.
    hall.rejoins(4, &keeping("s", &wide), true)
        .is_disconnected(3, ReasonCode::SESSION_TAKEN_OVER);
    assert_eq!(heard(&mut hall, 4), [(b'd', 4), (b'e', 5)]);
}

// broker: MQTT-4.9.0-3
#[test]
fn a_closed_window_holds_nothing_else_back() {
    let properties = window(1);
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &keeping("s", &properties))
        .subscribes(2, "t", Q2);
    publishes(&mut hall, Q1, b"ab");
    assert_eq!(heard(&mut hall, 2), [(b'a', 1)]);
    hall.says(2, Packet::PingReq)
        .hears(2, Packet::PingResp)
        .says(2, publishing(Q1, 1, "other", b""))
        .hears(
            2,
            Packet::PubAck(ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
        )
        .says(2, publishing(Q2, 2, "other", b""))
        .hears(
            2,
            Packet::PubRec(ack(2, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
        )
        .says(2, pubrel(2))
        .hears(2, pubcomp(2))
        .subscribes(2, "u", Q0)
        .says(1, publishing(Q0, 0, "t", b"z"))
        .hears(2, publishing(Q0, 0, "t", b"z"))
        .says(
            2,
            unsubscribe(3, &[mqtt_proto::TopicFilter::new("u").unwrap()]),
        )
        .hears(2, unsuback(3, &[ReasonCode::SUCCESS]))
        .silent();
    hall.says(2, puback(1))
        .hears(2, publishing(Q1, 2, "t", b"b"));
}

/// A broker that takes two messages at a time.
fn two() -> Hall {
    let mut hall = hall_with(BrokerConfig {
        receive_maximum: 2,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello_again("p"));
    hall
}

#[test]
fn a_client_beyond_the_receive_maximum_of_the_broker_is_disconnected() {
    // QoS 2 up to PUBREL; QoS 1 is acknowledged at once, so it counts only where that cannot
    // leave.
    let mut hall = two();
    for number in [1, 2] {
        hall.says(1, publishing(Q2, number, "t", b"")).take_acks(1);
    }
    hall.says(1, publishing_again(Q2, 2, "t", b""))
        .hears(1, pubrec(2));
    assert_eq!(hall.end_of(1), None);
    hall.says(1, publishing(Q2, 3, "t", b""));
    hall.is_disconnected(1, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
    let cause = EndCause::Violation(Violation::ReceiveMaximum);
    assert_eq!(hall.end_cause(1), cause);
    // Those in their order: PUBCOMP makes room.
    let mut hall = two();
    for number in 1..=100 {
        hall.says(1, publishing(Q2, number, "t", b"")).take_acks(1);
        if number > 1 {
            hall.says(1, pubrel(number - 1)).take_acks(1);
        }
    }
    assert_eq!(hall.end_of(1), None);
}

#[test]
fn a_new_connection_has_all_of_the_brokers_receive_maximum() {
    let mut hall = two();
    for number in [1, 2] {
        hall.says(1, publishing(Q2, number, "t", b"")).take_acks(1);
    }
    hall.cut(1).rejoins(2, &hello_again("p"), true);
    // Two new ones, though those of the old connection are not released.
    for number in [3, 4] {
        hall.says(2, publishing(Q2, number, "t", b"")).take_acks(2);
    }
    assert_eq!(hall.end_of(2), None);
    for number in [1, 2] {
        hall.says(2, pubrel(number)).hears(2, pubcomp(number));
    }
    hall.says(2, publishing(Q2, 5, "t", b""));
    hall.is_disconnected(2, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
}

#[test]
fn a_transport_that_takes_nothing_for_too_long_is_closed() {
    let config = BrokerConfig::default();
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("s")).subscribes(2, "t", Q1);
    hall.takes(2, 0);
    publishes(&mut hall, Q1, b"abc");
    hall.wait(config.send_timeout - Duration::from_millis(1))
        .takes(2, 1);
    hall.takes(2, 0);
    assert_eq!(hall.end_of(2), None);
    hall.says(1, publishing(Q0, 0, "other", b""));
    publishes(&mut hall, Q1, b"d");
    hall.wait(config.send_timeout);
    assert_eq!(hall.end_cause(2), EndCause::SendTimeout);
    // Nothing is lost by it.
    hall.rejoins(3, &hello_again("s"), true);
    let payloads: Vec<u8> = heard(&mut hall, 3).into_iter().map(|got| got.0).collect();
    assert_eq!(payloads, b"abcd");
}

#[test]
fn a_large_message_passes_through_a_small_buffer_and_a_slow_transport() {
    let mut hall = hall_with(BrokerConfig {
        transmit: 1_024,
        ..BrokerConfig::default()
    });
    let large: Vec<u8> = (0..900_000u32).map(|at| (at % 251) as u8).collect();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("s")).subscribes(2, "t", Q1);
    hall.takes(2, 1_000);
    for number in 1..=3 {
        hall.says(1, publishing(Q1, number, "t", &large))
            .hears(1, puback(number));
        hall.says(1, publishing(Q1, number, "t", b"small"))
            .hears(1, puback(number));
    }
    for number in 1..=3 {
        hall.hears(2, publishing(Q1, 2 * number - 1, "t", &large))
            .hears(2, publishing(Q1, 2 * number, "t", b"small"))
            .says(2, puback(2 * number - 1))
            .says(2, puback(2 * number));
    }
    hall.silent();
    assert_eq!(hall.broker.load().unsettled, 0);
}
