//! Whom a message goes to (section 4.5), and in which order messages go (section 4.6).

use mqtt_proto::{Connect, Packet, Properties, Property, QoS, ReasonCode, Sender};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// Everything a client hears, acknowledged at once: the payloads of new messages, in order.
#[track_caller]
fn hears_all(hall: &mut Hall, connection: u64) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(bytes) = hall.next(connection) {
        match Packet::decode(&bytes, Sender::Server).expect("a valid packet") {
            Packet::Publish(publish) => {
                all.push(String::from_utf8_lossy(publish.payload).into_owned());
                let number = publish.packet_id.map_or(0, |id| id.value());
                match publish.qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => _ = hall.says(connection, puback(number)),
                    QoS::ExactlyOnce => _ = hall.says(connection, pubrec(number)),
                }
            }
            Packet::PubRel(ack) => _ = hall.says(connection, pubcomp(ack.packet_id.value())),
            Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) => {}
            other => panic!("{other:?}"),
        }
    }
    all
}

/// A message, whose publisher acknowledges all it has to.
fn publishes(hall: &mut Hall, connection: u64, qos: QoS, topic: &str, payload: &str) {
    let number = if qos == Q0 { 0 } else { 9 };
    hall.says(
        connection,
        publishing(qos, number, topic, payload.as_bytes()),
    );
    if qos == Q2 {
        hall.says(connection, pubrel(9));
    }
    hall.take_acks(connection);
}

// broker: MQTT-4.5.0-1
#[test]
fn an_accepted_message_goes_to_every_session_that_subscribes_and_to_no_other() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).subscribes(1, "t", Q0);
    hall.joins(2, &hello("live")).subscribes(2, "+", Q1);
    hall.joins(3, &hello_again("kept")).subscribes(3, "t/#", Q1);
    hall.joins(4, &hello_again("blocked"))
        .subscribes(4, "t", Q2);
    hall.joins(5, &hello("other")).subscribes(5, "t/+", Q2);
    hall.cut(3).takes(4, 0);
    hall.says(1, publishing(Q1, 1, "t", b"x"));
    hall.hears(1, publishing(Q0, 0, "t", b"x"))
        .hears(1, puback(1))
        .hears(2, publishing(Q1, 1, "t", b"x"));
    hall.silent();
    hall.takes(4, usize::MAX)
        .hears(4, publishing(Q1, 1, "t", b"x"));
    hall.rejoins(6, &hello_again("kept"), true)
        .hears(6, publishing(Q1, 1, "t", b"x"));
    hall.silent();
}

// broker: MQTT-4.5.0-1
#[test]
fn acknowledged_means_that_every_session_has_it() {
    // A queue that is full is the one exception, and the program is told.
    let mut hall = hall_with(BrokerConfig {
        queue_messages: 10,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"));
    for connection in 2..12 {
        hall.joins(connection, &hello_again(&format!("s{connection}")))
            .subscribes(connection, "#", Q1)
            .cut(connection);
    }
    for number in 1..=10 {
        hall.says(1, publishing(Q1, number, "t", b"x"))
            .hears(1, puback(number));
    }
    assert_eq!(hall.broker.load().unsettled, 100);
}

// broker: MQTT-4.6.0-5, MQTT-4.6.0-6
#[test]
fn messages_of_one_publisher_come_in_its_order_at_every_qos() {
    let three = [Property::ReceiveMaximum(3)];
    let narrow = Connect {
        properties: Properties::new(&three),
        ..hello("narrow")
    };
    for qos in [Q0, Q1, Q2] {
        for granted in [Q0, Q1, Q2] {
            let mut hall = hall();
            hall.joins(1, &hello("p"));
            hall.joins(2, &hello("s")).subscribes(2, "#", granted);
            hall.joins(3, &narrow).subscribes(3, "a", granted);
            hall.joins(4, &hello("slow")).subscribes(4, "+", granted);
            hall.takes(4, 3);
            let sent: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
            for payload in &sent {
                publishes(&mut hall, 1, qos, "a", payload);
            }
            for connection in 2..5 {
                assert_eq!(
                    hears_all(&mut hall, connection),
                    sent,
                    "{qos:?} {granted:?}"
                );
            }
        }
    }
}

// broker: MQTT-4.6.0-5, MQTT-4.6.0-6
#[test]
fn the_order_holds_over_cuts_and_for_what_waited_meanwhile() {
    for qos in [Q1, Q2] {
        let mut hall = hall();
        hall.joins(1, &hello("p"));
        hall.joins(2, &hello_again("s")).subscribes(2, "#", qos);
        let mut connection = 2;
        let mut sent = Vec::new();
        let mut received: Vec<String> = Vec::new();
        for round in 0..20 {
            for part in 0..4 {
                let payload = format!("{round:02}.{part}");
                // Cut in the middle of what is sent, and published to while nobody is there.
                match part {
                    1 => _ = hall.takes_more(connection, 5),
                    2 => {
                        received.extend(hears_all(&mut hall, connection));
                        hall.cut(connection);
                    }
                    _ => {}
                }
                publishes(&mut hall, 1, qos, "t", &payload);
                sent.push(payload);
            }
            connection += 1;
            hall.rejoins(connection, &hello_again("s"), true);
            if round % 3 == 2 {
                received.extend(hears_all(&mut hall, connection));
            }
        }
        received.extend(hears_all(&mut hall, connection));
        // What was sent twice counts the first time.
        let mut once: Vec<String> = Vec::new();
        for payload in received {
            if !once.contains(&payload) {
                once.push(payload);
            }
        }
        assert_eq!(once, sent, "{qos:?}");
        assert_eq!(hall.broker.load().unsettled, 0);
    }
}

// broker: MQTT-4.6.0-5
#[test]
fn messages_from_two_publishers_come_in_the_order_of_their_arrival() {
    let mut hall = hall();
    hall.joins(1, &hello("a")).joins(2, &hello("b"));
    hall.joins(3, &hello("s")).subscribes(3, "#", Q2);
    let mut sent = Vec::new();
    for number in 0..30 {
        let payload = number.to_string();
        publishes(&mut hall, 1 + number % 2, Q1, "t", &payload);
        sent.push(payload);
    }
    assert_eq!(hears_all(&mut hall, 3), sent);
}

#[test]
fn acknowledgements_come_in_the_order_of_messages() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).subscribes(1, "have", Q0);
    // With and without subscribers, which have codes of their own.
    let nobody = ReasonCode::NO_MATCHING_SUBSCRIBERS;
    hall.takes(1, 0);
    for number in 1..=20 {
        let topic = if number % 3 == 0 { "have" } else { "none" };
        let qos = if number % 2 == 0 { Q1 } else { Q2 };
        hall.says(1, publishing(qos, number, topic, b""));
    }
    hall.takes(1, usize::MAX);
    let mut order = Vec::new();
    while let Some(bytes) = hall.next(1) {
        match Packet::decode(&bytes, Sender::Server).expect("a valid packet") {
            Packet::PubAck(ack) | Packet::PubRec(ack) => {
                let number = ack.packet_id.value();
                let expected = if number % 3 == 0 {
                    ReasonCode::SUCCESS
                } else {
                    nobody
                };
                assert_eq!(ack.reason, expected);
                order.push(number);
            }
            Packet::Publish(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(order, (1..=20).collect::<Vec<u16>>());
    // PUBCOMP in the order of PUBREL.
    for number in [19, 3, 1] {
        hall.says(1, pubrel(number));
    }
    for number in [19, 3, 1] {
        hall.hears(1, pubcomp(number));
    }
}
