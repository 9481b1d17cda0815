//! QoS 2 in both directions, step by step and over cuts.

use core::time::Duration;
use mqtt_proto::{Packet, Properties, Property, Publish, QoS, ReasonCode, TopicName};
use mqtt_session::broker::{Access, Broker, BrokerConfig, EndCause, Identity};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

const NOT_FOUND: ReasonCode = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;

/// A publisher at 1 and a subscriber at 2, both with kept sessions.
fn pair() -> Hall {
    let mut hall = hall();
    hall.joins(1, &hello_again("p"));
    hall.joins(2, &hello_again("s")).subscribes(2, "t", Q2);
    hall
}

/// A message at QoS 2 goes to 2, whose publisher has nothing more to do with it.
#[track_caller]
fn publishes(hall: &mut Hall, payload: &[u8]) {
    hall.says(1, publishing(Q2, 9, "t", payload))
        .hears(1, pubrec(9))
        .says(1, pubrel(9))
        .hears(1, pubcomp(9));
}

// broker: MQTT-4.3.3-2
#[test]
fn the_first_sending_at_qos_2_is_not_marked() {
    let mut hall = pair();
    publishes(&mut hall, b"a");
    hall.hears(2, publishing(Q2, 1, "t", b"a")).takes(2, 0);
    publishes(&mut hall, b"b");
    hall.cut(2);
    publishes(&mut hall, b"c");
    hall.rejoins(3, &hello_again("s"), true);
    hall.hears(3, publishing_again(Q2, 1, "t", b"a"))
        .hears(3, publishing(Q2, 3, "t", b"b"))
        .hears(3, publishing(Q2, 4, "t", b"c"))
        .silent();
}

// broker: MQTT-4.3.3-3
#[test]
fn a_qos_2_message_is_unacknowledged_until_its_pubrec() {
    let mut hall = pair();
    publishes(&mut hall, b"x");
    hall.hears(2, publishing(Q2, 1, "t", b"x"));
    // Not for another identifier, and not for PUBCOMP.
    hall.says(2, pubrec(2))
        .hears(2, Packet::PubRel(ack(2, NOT_FOUND)));
    hall.cut(2).rejoins(3, &hello_again("s"), true);
    hall.hears(3, publishing_again(Q2, 1, "t", b"x"));
    hall.cut(3).rejoins(4, &hello_again("s"), true);
    hall.hears(4, publishing_again(Q2, 1, "t", b"x"));
    hall.says(4, pubrec(1)).hears(4, pubrel(1)).silent();
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_ends_the_connection() {
    for wrong in [puback(1), pubcomp(1)] {
        let mut hall = pair();
        publishes(&mut hall, b"x");
        hall.hears(2, publishing(Q2, 1, "t", b"x")).says(2, wrong);
        hall.is_disconnected(2, ReasonCode::PROTOCOL_ERROR);
        // The message is as it was.
        hall.rejoins(3, &hello_again("s"), true)
            .hears(3, publishing_again(Q2, 1, "t", b"x"));
    }
}

// broker: MQTT-4.3.3-4
#[test]
fn pubrec_is_answered_by_pubrel_unless_it_refuses() {
    for code in [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
        let reason = ReasonCode::new(code).expect("a reason code");
        let mut hall = pair();
        publishes(&mut hall, b"x");
        hall.hears(2, publishing(Q2, 1, "t", b"x"))
            .says(2, Packet::PubRec(ack(1, reason)));
        if reason.is_failure() {
            hall.silent();
            assert_eq!(hall.broker.load().unsettled, 0);
        } else {
            hall.hears(2, pubrel(1));
            assert_eq!(hall.broker.load().unsettled, 1);
        }
    }
}

// broker: MQTT-4.3.3-5, MQTT-4.3.3-6
#[test]
fn pubrel_is_sent_again_until_pubcomp_and_publish_is_not() {
    let mut hall = pair();
    publishes(&mut hall, b"x");
    hall.hears(2, publishing(Q2, 1, "t", b"x"))
        .says(2, pubrec(1))
        .hears(2, pubrel(1));
    for connection in 3..6 {
        hall.cut(connection - 1)
            .rejoins(connection, &hello_again("s"), true)
            .hears(connection, pubrel(1))
            .silent();
        assert_eq!(hall.broker.load().unsettled, 1);
    }
    // PUBREC again has PUBREL again, on a live connection as well.
    hall.says(5, pubrec(1)).hears(5, pubrel(1)).silent();
    hall.says(5, pubcomp(1));
    assert_eq!(hall.broker.load().unsettled, 0);
    hall.cut(5).rejoins(6, &hello_again("s"), true).silent();
}

// broker: MQTT-4.3.3-6
#[test]
fn pubrel_that_was_never_written_counts_as_sent() {
    let mut hall = pair();
    publishes(&mut hall, b"x");
    hall.hears(2, publishing(Q2, 1, "t", b"x")).takes(2, 0);
    hall.says(2, pubrec(1)).cut(2);
    hall.rejoins(3, &hello_again("s"), true)
        .hears(3, pubrel(1))
        .silent();
}

/// A message that expires two seconds after it was published, to 2.
fn publishes_expiring(hall: &mut Hall) {
    let expiry = [Property::MessageExpiryInterval(2)];
    let packet = Packet::Publish(Publish {
        properties: Properties::new(&expiry),
        ..publish(Q2, 9, "t", b"x")
    });
    hall.says(1, packet)
        .hears(1, pubrec(9))
        .says(1, pubrel(9))
        .hears(1, pubcomp(9));
}

// broker: MQTT-4.3.3-7
#[test]
fn what_was_sent_expires_no_more() {
    let mut hall = pair();
    publishes_expiring(&mut hall);
    let number = hall.hears_what(2, |packet| match packet {
        Packet::Publish(publish) => publish.packet_id.map(|id| id.value()),
        other => panic!("{other:?}"),
    });
    hall.wait(Duration::from_secs(100))
        .cut(2)
        .wait(Duration::from_secs(100));
    hall.rejoins(3, &hello_again("s"), true);
    hall.hears_what(3, |packet| match packet {
        Packet::Publish(publish) => {
            assert!(publish.dup);
            assert_eq!(publish.packet_id.map(|id| id.value()), number);
        }
        other => panic!("{other:?}"),
    });
    hall.says(3, pubrec(1)).hears(3, pubrel(1));
    hall.says(3, pubcomp(1)).silent();
    // What never left does.
    hall.cut(3);
    publishes_expiring(&mut hall);
    hall.wait(Duration::from_secs(2));
    assert_eq!(hall.broker.load().unsettled, 0);
    hall.rejoins(4, &hello_again("s"), true).silent();
}

// broker: MQTT-4.3.3-13
#[test]
fn the_sequence_goes_on_after_the_message_has_expired() {
    let mut hall = pair();
    // Towards the broker.
    let expiry = [Property::MessageExpiryInterval(1)];
    let packet = Packet::Publish(Publish {
        properties: Properties::new(&expiry),
        ..publish(Q2, 9, "t", b"x")
    });
    hall.says(1, packet).hears(1, pubrec(9));
    assert!(hall.next(2).is_some());
    hall.wait(Duration::from_secs(50));
    hall.says(1, pubrel(9)).hears(1, pubcomp(9));
    // Towards the client, over another connection too.
    hall.says(2, pubrec(1)).hears(2, pubrel(1));
    hall.wait(Duration::from_secs(50))
        .cut(2)
        .rejoins(3, &hello_again("s"), true)
        .hears(3, pubrel(1))
        .says(3, pubcomp(1))
        .silent();
    // Expired at once: nobody gets it, and it is acknowledged as any other.
    let expiry = [Property::MessageExpiryInterval(0)];
    let packet = Packet::Publish(Publish {
        properties: Properties::new(&expiry),
        ..publish(Q2, 10, "t", b"x")
    });
    hall.says(1, packet).hears(1, pubrec(10));
    hall.says(1, pubrel(10)).hears(1, pubcomp(10)).silent();
}

// broker: MQTT-4.3.3-8
#[test]
fn a_qos_2_message_is_taken_over_with_pubrec() {
    let mut hall = pair();
    hall.cut(2);
    hall.says(1, publishing(Q2, 301, "t", b"x"))
        .hears(1, pubrec(301))
        .cut(1);
    hall.rejoins(3, &hello_again("s"), true)
        .hears(3, publishing(Q2, 1, "t", b"x"))
        .silent();
}

/// Refuses what is said to `no`.
struct Refusing;

impl Access for Refusing {
    fn publish(
        &mut self,
        _: &Identity<'_>,
        topic: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        match topic.as_str() {
            "no" => Err(ReasonCode::NOT_AUTHORIZED),
            _ => Ok(()),
        }
    }
}

// broker: MQTT-4.3.3-9
#[test]
fn after_a_pubrec_that_refuses_its_identifier_is_a_new_message() {
    let mut hall = Hall::new(Broker::with_access(BrokerConfig::default(), Refusing));
    hall.joins(1, &hello_again("p"));
    hall.joins(2, &hello("s")).subscribes(2, "#", Q2);
    let refused = Packet::PubRec(ack(5, ReasonCode::NOT_AUTHORIZED));
    // Refused each time, not taken for a repetition.
    hall.says(1, publishing(Q2, 5, "no", b"x"))
        .hears(1, refused);
    hall.says(1, publishing_again(Q2, 5, "no", b"x"))
        .hears(1, refused);
    hall.says(1, pubrel(5))
        .hears(1, Packet::PubComp(ack(5, NOT_FOUND)));
    hall.cut(1).rejoins(3, &hello_again("p"), true);
    hall.says(3, publishing(Q2, 5, "yes", b"y"))
        .hears(3, pubrec(5));
    hall.hears(2, publishing(Q2, 1, "yes", b"y")).silent();
}

// broker: MQTT-4.3.3-10
#[test]
fn until_pubrel_a_repetition_has_pubrec_and_is_not_delivered() {
    let mut hall = pair();
    hall.says(1, publishing(Q2, 9, "t", b"x"))
        .hears(1, pubrec(9));
    hall.hears(2, publishing(Q2, 1, "t", b"x"));
    for packet in [
        publishing_again(Q2, 9, "t", b"x"),
        publishing(Q2, 9, "t", b"x"),
    ] {
        hall.says(1, packet).hears(1, pubrec(9));
    }
    // A kept session remembers it, and does so again.
    for connection in 3..6 {
        let last = if connection == 3 { 1 } else { connection - 1 };
        hall.cut(last).rejoins(connection, &hello_again("p"), true);
        hall.says(connection, publishing_again(Q2, 9, "t", b"x"))
            .hears(connection, pubrec(9));
    }
    hall.silent();
    // Another identifier is another message.
    hall.says(5, publishing(Q2, 10, "t", b"y"))
        .hears(5, pubrec(10));
    hall.hears(2, publishing(Q2, 2, "t", b"y"));
    hall.says(5, pubrel(9)).hears(5, pubcomp(9)).silent();
    // A session that ends forgets.
    hall.cut(5).rejoins(6, &hello("p"), false);
    hall.says(6, publishing(Q2, 10, "t", b"z"))
        .hears(6, pubrec(10));
    hall.hears(2, publishing(Q2, 3, "t", b"z"));
}

// broker: MQTT-4.3.3-10
#[test]
fn a_pubrec_that_never_left_is_sent_for_the_repetition() {
    let mut hall = pair();
    hall.takes(1, 0).says(1, publishing(Q2, 9, "t", b"x"));
    hall.hears(2, publishing(Q2, 1, "t", b"x")).cut(1);
    hall.rejoins(3, &hello_again("p"), true);
    hall.says(3, publishing_again(Q2, 9, "t", b"x"))
        .hears(3, pubrec(9))
        .silent();
}

// broker: MQTT-4.3.3-11
#[test]
fn pubrel_is_answered_by_pubcomp_with_its_identifier() {
    let mut hall = pair();
    for number in [9, 300, 65_535] {
        hall.says(1, publishing(Q2, number, "t", b"x"))
            .hears(1, pubrec(number));
    }
    // In any order, over another connection, and where nothing is known of it.
    hall.says(1, pubrel(300)).hears(1, pubcomp(300));
    hall.cut(1).rejoins(3, &hello_again("p"), true);
    for number in [65_535, 9] {
        hall.says(3, pubrel(number)).hears(3, pubcomp(number));
    }
    for number in [9, 300, 1] {
        hall.says(3, pubrel(number))
            .hears(3, Packet::PubComp(ack(number, NOT_FOUND)));
    }
    hall.hears_nothing(3);
    assert_eq!(hall.end_of(3), None::<EndCause>);
}

// broker: MQTT-4.3.3-12
#[test]
fn after_pubcomp_its_identifier_is_a_new_message() {
    let mut hall = pair();
    for (number, packet) in [
        (1, publishing(Q2, 9, "t", b"x")),
        (2, publishing(Q2, 9, "t", b"x")),
        (3, publishing_again(Q2, 9, "t", b"x")),
    ] {
        hall.says(1, packet).hears(1, pubrec(9));
        hall.hears(2, publishing(Q2, number, "t", b"x"));
        hall.says(1, pubrel(9)).hears(1, pubcomp(9));
    }
    hall.silent();
}

// broker: MQTT-4.1.0-1
#[test]
fn a_session_keeps_its_state_as_long_as_its_connection_lasts() {
    // With a Session Expiry Interval of 0.
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("s")).subscribes(2, "t", Q2);
    hall.says(1, publishing(Q2, 7, "t", b"x"))
        .hears(1, pubrec(7));
    hall.hears(2, publishing(Q2, 1, "t", b"x"))
        .says(2, pubrec(1))
        .hears(2, pubrel(1));
    hall.says(1, publishing(Q1, 8, "t", b"y"))
        .hears(1, puback(8));
    hall.hears(2, publishing(Q1, 2, "t", b"y"));
    hall.wait(Duration::from_secs(30 * 86_400)).silent();
    // Identifiers of both directions, messages, subscriptions.
    hall.says(1, publishing_again(Q2, 7, "t", b"x"))
        .hears(1, pubrec(7))
        .says(1, pubrel(7))
        .hears(1, pubcomp(7));
    hall.says(2, pubcomp(1)).says(2, puback(2)).silent();
    assert_eq!(hall.broker.load().unsettled, 0);
    hall.says(1, publishing(Q0, 0, "t", b"z"))
        .hears(2, publishing(Q0, 0, "t", b"z"));
}

// broker: MQTT-4.1.0-2
#[test]
fn a_session_is_gone_when_it_has_expired_without_a_connection() {
    let mut hall = pair();
    publishes(&mut hall, b"x");
    hall.says(1, publishing(Q2, 5, "t", b"y"))
        .hears(1, pubrec(5));
    hall.cut(1).cut(2);
    let load = hall.broker.load();
    assert_eq!(
        (load.sessions, load.subscriptions, load.unsettled),
        (2, 1, 2)
    );
    hall.wait(Duration::from_millis(3_599_999));
    assert_eq!(hall.broker.load().sessions, 2);
    hall.wait(Duration::from_millis(1));
    assert_eq!(hall.broker.load(), Default::default());
    // None of it comes back.
    hall.rejoins(3, &hello_again("s"), false).silent();
    hall.rejoins(4, &hello_again("p"), false);
    hall.says(4, pubrel(5))
        .hears(4, Packet::PubComp(ack(5, NOT_FOUND)));
    hall.says(4, publishing(Q0, 0, "t", b"z")).silent();
}
