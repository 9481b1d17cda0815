//! UNSUBSCRIBE and what comes of it.

use mqtt_proto::{Connect, Properties, Property, QoS, ReasonCode, TopicFilter};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

const GONE: ReasonCode = ReasonCode::SUCCESS;
const NONE: ReasonCode = ReasonCode::NO_SUBSCRIPTION_EXISTED;

fn filters<const N: usize>(names: [&str; N]) -> [TopicFilter<'_>; N] {
    names.map(|name| TopicFilter::new(name).expect("a topic filter"))
}

// broker: MQTT-3.10.4-1
#[test]
fn filters_are_compared_character_by_character() {
    let mut hall = hall();
    hall.joins(1, &hello("c"));
    let held = ["a/+", "a/#", "$share/g/a", "x", "É"];
    hall.says(1, subscribe(1, &held.map(|name| filter(name, Q0))))
        .hears(1, suback(1, &[ReasonCode::GRANTED_QOS_0; 5]));
    // What matches the same, or is another spelling, is not the same.
    let others = [
        "a/b",
        "a/",
        "a",
        "A/+",
        "$share/h/a",
        "$share/g/a/#",
        "X",
        "x/",
        "E\u{301}",
    ];
    hall.says(1, unsubscribe(2, &filters(others)))
        .hears(1, unsuback(2, &[NONE; 9]));
    assert_eq!(hall.broker.load().subscriptions, 5);
    hall.says(1, unsubscribe(3, &filters(held)))
        .hears(1, unsuback(3, &[GONE; 5]));
    assert_eq!(hall.broker.load().subscriptions, 0);
    hall.joins(2, &hello("p"));
    for topic in ["a/b", "a", "x", "É"] {
        hall.says(2, publishing(Q0, 0, topic, b""));
    }
    hall.silent();
}

// broker: MQTT-3.10.4-4, MQTT-3.10.4-5, MQTT-3.10.4-6, MQTT-3.11.3-1, MQTT-3.11.3-2
#[test]
fn every_unsubscribe_has_one_unsuback_with_its_identifier_and_a_code_for_each_filter_in_order() {
    let mut hall = hall();
    hall.joins(1, &hello("c"));
    hall.says(1, unsubscribe(65_535, &filters(["never"])))
        .hears(1, unsuback(65_535, &[NONE]));
    hall.subscribes(1, "a", Q0).subscribes(1, "b", Q1);
    // The second `a` finds none, as if each had come by itself.
    hall.says(1, unsubscribe(9, &filters(["z", "a", "y", "b", "a"])))
        .hears(1, unsuback(9, &[NONE, GONE, NONE, GONE, NONE]));
    hall.says(1, unsubscribe(10, &filters(["b"])))
        .hears(1, unsuback(10, &[NONE]));
    hall.silent();
}

#[test]
fn nobody_unsubscribes_for_another() {
    let mut hall = hall();
    hall.joins(1, &hello("a")).joins(2, &hello("b"));
    hall.subscribes(1, "t", Q0).subscribes(1, "$share/g/t", Q0);
    hall.says(2, unsubscribe(1, &filters(["t", "$share/g/t"])))
        .hears(2, unsuback(1, &[NONE, NONE]));
    hall.says(2, publishing(Q0, 0, "t", b"x"));
    hall.hears(1, publishing(Q0, 0, "t", b"x"))
        .hears(1, publishing(Q0, 0, "t", b"x"));
    hall.silent();
}

// broker: MQTT-3.10.4-2
#[test]
fn nothing_new_comes_for_a_filter_that_is_gone() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("s"));
    hall.subscribes(2, "t/#", Q2).subscribes(2, "t/a", Q0);
    hall.says(2, unsubscribe(1, &filters(["t/#"])))
        .hears(2, unsuback(1, &[GONE]));
    hall.says(1, publishing(Q1, 1, "t/b", b"new")).take_acks(1);
    hall.hears_nothing(2);
    // Another filter that matches goes on by itself.
    hall.says(1, publishing(Q1, 2, "t/a", b"new")).take_acks(1);
    hall.hears(2, publishing(Q0, 0, "t/a", b"new"));
    // Nor for a session without a connection.
    hall.joins(3, &hello_again("k")).subscribes(3, "t/#", Q2);
    hall.says(3, unsubscribe(1, &filters(["t/#"])))
        .hears(3, unsuback(1, &[GONE]))
        .cut(3);
    hall.says(1, publishing(Q1, 3, "t/b", b"new")).take_acks(1);
    hall.rejoins(4, &hello_again("k"), true).silent();
}

// broker: MQTT-3.10.4-3
#[test]
fn deliveries_that_have_begun_are_finished_also_over_another_connection() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("s")).subscribes(2, "t", Q2);
    for number in 1..=3 {
        let qos = if number == 1 { Q1 } else { Q2 };
        hall.says(1, publishing(qos, number, "t", b"x"))
            .take_acks(1);
        hall.hears(2, publishing(qos, number, "t", b"x"));
    }
    hall.says(2, pubrec(3)).hears(2, pubrel(3));
    hall.says(2, unsubscribe(1, &filters(["t"])))
        .hears(2, unsuback(1, &[GONE]));
    // One is finished at once, the others after a cut.
    hall.says(2, pubcomp(3)).silent();
    hall.cut(2).rejoins(3, &hello_again("s"), true);
    hall.hears(3, publishing_again(Q1, 1, "t", b"x"))
        .hears(3, publishing_again(Q2, 2, "t", b"x"))
        .says(3, puback(1))
        .says(3, pubrec(2))
        .hears(3, pubrel(2))
        .says(3, pubcomp(2));
    hall.silent();
    assert_eq!(hall.broker.load().unsettled, 0);
}

// broker: MQTT-3.10.4-3
#[test]
fn what_waits_behind_the_window_is_delivered_after_unsuback() {
    let one = [Property::ReceiveMaximum(1)];
    let connect = Connect {
        properties: Properties::new(&one),
        ..hello("s")
    };
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &connect);
    hall.subscribes(2, "t", Q1);
    for number in 1..=2 {
        hall.says(1, publishing(Q1, number, "t", b"x")).take_acks(1);
    }
    hall.hears(2, publishing(Q1, 1, "t", b"x"));
    hall.says(2, unsubscribe(1, &filters(["t"])))
        .hears(2, unsuback(1, &[GONE]));
    hall.says(2, puback(1))
        .hears(2, publishing(Q1, 2, "t", b"x"))
        .says(2, puback(2))
        .silent();
}

// broker: MQTT-3.10.4-4
#[test]
fn an_unsubscribe_that_finds_no_room_for_its_answer_waits_whole() {
    let mut hall = hall_with(BrokerConfig {
        transmit: 256,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    hall.subscribes(2, "t", Q0).takes(2, 0);
    hall.says_bytes(2, &b"\xc0\x00".repeat(125));
    hall.says(2, unsubscribe(7, &filters(["t"])));
    // It has not been answered, so it has not been done either.
    assert_eq!(hall.broker.load().subscriptions, 1);
    hall.takes(2, usize::MAX);
    for _ in 0..125 {
        hall.hears(2, mqtt_proto::Packet::PingResp);
    }
    hall.hears(2, unsuback(7, &[GONE])).silent();
    assert_eq!(hall.broker.load().subscriptions, 0);
}
