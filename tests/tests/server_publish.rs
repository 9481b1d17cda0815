//! PUBLISH through the broker: what it is answered, who gets it, and with which header.

use mqtt_proto::{
    Filters, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode, Subscribe,
    Subscriptions, TopicFilter, Unsubscribe,
};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use std::collections::BTreeSet;

fn again(publish: Publish<'_>) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: true,
        ..publish
    })
}

fn nobody(number: u16) -> mqtt_proto::Ack<'static> {
    ack(number, ReasonCode::NO_MATCHING_SUBSCRIBERS)
}

/// Subscribes with an identifier, and it is granted.
fn subscribes_as(hall: &mut Hall, connection: u64, identifier: u32, topics: &str, qos: QoS) {
    let properties = [Property::SubscriptionIdentifier(identifier)];
    hall.says(
        connection,
        Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(1).unwrap(),
            properties: Properties::new(&properties),
            subscriptions: Subscriptions::new(&[filter(topics, qos)]),
        }),
    );
    let granted = ReasonCode::new(qos as u8).unwrap();
    hall.hears(connection, suback(1, &[granted]));
}

/// QoS, payload and Subscription Identifiers, in order, of what a client hears next.
fn message(hall: &mut Hall, connection: u64) -> (QoS, Vec<u8>, Vec<u32>) {
    hall.hears_what(connection, |packet| match packet {
        Packet::Publish(publish) => {
            let mut ids: Vec<u32> = publish.properties.subscription_identifiers().collect();
            ids.sort();
            (publish.qos, publish.payload.to_vec(), ids)
        }
        other => panic!("{other:?}"),
    })
}

// broker: MQTT-3.3.4-1, MQTT-2.2.1-5
#[test]
fn a_publish_is_answered_as_its_qos_demands_with_its_own_identifier() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &hello("s"))
        .subscribes(2, "t", Q0);
    hall.publishes(1, Q0, 0, "t", b"")
        .publishes(1, Q0, 0, "nobody", b"")
        .hears_nothing(1);
    for id in [1, 2, 255, 256, 0x7fff, 0x8000, 0xffff] {
        hall.publishes(1, Q1, id, "t", b"").hears(1, puback(id));
        hall.publishes(1, Q1, id, "nobody", b"")
            .hears(1, Packet::PubAck(nobody(id)));
        hall.publishes(1, Q2, id, "t", b"").hears(1, pubrec(id));
        hall.says(1, pubrel(id)).hears(1, pubcomp(id));
        hall.publishes(1, Q2, id, "nobody", b"")
            .hears(1, Packet::PubRec(nobody(id)));
        hall.says(1, pubrel(id))
            .hears(1, pubcomp(id))
            .hears_nothing(1);
    }
    // Many at a time, released in another order.
    for id in [30, 10, 20] {
        hall.publishes(1, Q2, id, "t", b"").hears(1, pubrec(id));
    }
    for id in [20, 30, 10] {
        hall.says(1, pubrel(id))
            .hears(1, pubcomp(id))
            .hears_nothing(1);
    }
}

// broker: MQTT-2.2.1-5
#[test]
fn pubrel_repeats_the_identifier_of_its_message() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &hello("s"))
        .subscribes(2, "t", Q2);
    for number in 1..=3 {
        hall.publishes(1, Q2, number, "t", b"")
            .gets(2, Q2, number, "t", b"");
    }
    for number in [2, 3, 1] {
        hall.says(2, pubrec(number))
            .hears(2, pubrel(number))
            .hears_nothing(2);
    }
}

// broker: MQTT-2.2.1-6
#[test]
fn suback_and_unsuback_repeat_the_identifier_of_their_request() {
    let mut hall = hall();
    hall.joins(1, &hello("c"));
    let filters = [TopicFilter::new("t").unwrap()];
    for (own, id) in (1..).zip([1, 2, 255, 256, 0x7fff, 0x8000, 0xffff, 1]) {
        hall.says(1, subscribe(id, &[filter("t", Q1)]));
        hall.hears(1, suback(id, &[ReasonCode::GRANTED_QOS_1]));
        // The same number is in use for something else on either side.
        hall.publishes(1, Q1, id, "t", b"")
            .gets(1, Q1, own, "t", b"")
            .hears(1, puback(id));
        hall.says(
            1,
            Packet::Unsubscribe(Unsubscribe {
                packet_id: PacketId::new(id).unwrap(),
                properties: Properties::EMPTY,
                filters: Filters::new(&filters),
            }),
        );
        hall.hears(1, unsuback(id, &[ReasonCode::SUCCESS]));
        hall.says(1, puback(own)).hears_nothing(1);
    }
}

// broker: MQTT-2.2.1-4
#[test]
fn identifiers_are_those_that_are_free_and_never_zero() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &hello("s"))
        .subscribes(2, "t", Q2);
    let next = |hall: &mut Hall| {
        let id = hall.hears_what(2, |packet| match packet {
            Packet::Publish(publish) => publish.packet_id.expect("QoS 1 or 2").value(),
            other => panic!("{other:?}"),
        });
        hall.history.clear();
        id
    };
    // These stay open: a message, a message that was received, one that was refused.
    hall.publishes(1, Q1, 1, "t", b"").hears(1, puback(1));
    hall.publishes(1, Q2, 2, "t", b"").hears(1, pubrec(2));
    hall.publishes(1, Q2, 3, "t", b"").hears(1, pubrec(3));
    let open: BTreeSet<u16> = (0..3).map(|_| next(&mut hall)).collect();
    assert_eq!(open.len(), 3);
    let received = *open.last().unwrap();
    hall.says(2, pubrec(received)).hears(2, pubrel(received));
    // Once round all there are.
    let mut seen = BTreeSet::new();
    for _ in 0..70_000 {
        hall.publishes(1, Q1, 9, "t", b"").hears(1, puback(9));
        let id = next(&mut hall);
        assert!(!open.contains(&id), "{id} is in use");
        seen.insert(id);
        hall.says(2, puback(id));
    }
    assert!(seen.len() > 60_000, "{}", seen.len());
}

// broker: MQTT-2.2.1-2
#[test]
fn what_is_sent_at_qos_0_has_no_identifier() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &hello("s"))
        .subscribes(2, "t", Q0);
    for (qos, number) in [(Q0, 0), (Q1, 0x7878), (Q2, 0x7979)] {
        hall.publishes(1, qos, number, "t", b"pay");
        assert_eq!(hall.next(2).expect("PUBLISH"), b"\x30\x07\x00\x01t\x00pay");
    }
    // What lies behind the topic at QoS 0 is the length of the properties.
    hall.says_bytes(1, b"\x30\x06\x00\x01t\x00\x00\x07")
        .gets(2, Q0, 0, "t", b"\x00\x07");
}

// broker: MQTT-3.3.1-1
#[test]
fn what_is_delivered_again_is_marked_and_keeps_its_identifier() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("s")).subscribes(2, "t", Q2);
    hall.publishes(1, Q1, 1, "t", b"a")
        .publishes(1, Q2, 2, "t", b"b");
    hall.gets(2, Q1, 1, "t", b"a").gets(2, Q2, 2, "t", b"b");
    for connection in 3..6 {
        hall.cut(connection - 1)
            .rejoins(connection, &hello_again("s"), true);
        hall.hears(connection, again(publish(Q1, 1, "t", b"a")));
        hall.hears(connection, again(publish(Q2, 2, "t", b"b")));
    }
    hall.says(5, puback(1))
        .says(5, pubrec(2))
        .hears(5, pubrel(2));
    hall.cut(5)
        .rejoins(6, &hello_again("s"), true)
        .hears(6, pubrel(2))
        .hears_nothing(6);
}

// broker: MQTT-3.3.1-1
#[test]
fn what_never_left_is_not_marked() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    let window = [
        Property::SessionExpiryInterval(3600),
        Property::ReceiveMaximum(1),
    ];
    let connect = mqtt_proto::Connect {
        properties: Properties::new(&window),
        ..hello_again("s")
    };
    hall.joins(2, &connect).subscribes(2, "t", Q2);
    hall.publishes(1, Q1, 1, "t", b"left")
        .publishes(1, Q1, 2, "t", b"waited");
    hall.gets(2, Q1, 1, "t", b"left").hears_nothing(2).cut(2);
    hall.publishes(1, Q2, 3, "t", b"offline");
    hall.rejoins(3, &connect, true);
    hall.hears(3, again(publish(Q1, 1, "t", b"left")))
        .says(3, puback(1));
    hall.gets(3, Q1, 2, "t", b"waited").says(3, puback(2));
    hall.gets(3, Q2, 3, "t", b"offline");
}

// broker: MQTT-3.3.1-3, MQTT-3.3.1-2
#[test]
fn dup_is_not_passed_on() {
    let mut hall = hall();
    hall.joins(1, &hello_again("p"));
    for (connection, qos) in [(2, Q0), (3, Q1), (4, Q2)] {
        hall.joins(connection, &hello_again(&format!("s{connection}")));
        hall.subscribes(connection, "t", qos);
    }
    hall.says(1, again(publish(Q1, 1, "t", b"1")))
        .hears(1, puback(1));
    hall.says(1, again(publish(Q2, 2, "t", b"2")))
        .hears(1, pubrec(2));
    hall.gets(2, Q0, 0, "t", b"1").gets(2, Q0, 0, "t", b"2");
    hall.gets(3, Q1, 1, "t", b"1").gets(3, Q1, 2, "t", b"2");
    hall.gets(4, Q1, 1, "t", b"1")
        .gets(4, Q2, 2, "t", b"2")
        .silent();
    // Nor is it missing where it came without.
    hall.publishes(1, Q1, 3, "t", b"3")
        .gets(3, Q1, 3, "t", b"3")
        .cut(3);
    hall.rejoins(5, &hello_again("s3"), true);
    for number in 1..=3 {
        let payload = number.to_string();
        hall.hears(5, again(publish(Q1, number, "t", payload.as_bytes())));
    }
    hall.hears_nothing(5);
}

// broker: MQTT-3.3.2-3
#[test]
fn a_message_comes_under_its_topic_to_filters_that_match_it() {
    let topics = ["a", "a/b", "a/b/c", "/a", "a/", "b", "A", "$a/b", "aa"];
    let filters = [
        ("a", &["a"][..]),
        ("a/b", &["a/b"]),
        ("+", &["a", "b", "A", "aa"]),
        ("a/+", &["a/b", "a/"]),
        ("+/b", &["a/b"]),
        ("a/#", &["a", "a/b", "a/b/c", "a/"]),
        ("+/+", &["a/b", "/a", "a/"]),
        ("#", &["a", "a/b", "a/b/c", "/a", "a/", "b", "A", "aa"]),
        ("$a/#", &["$a/b"]),
        ("x", &[]),
    ];
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for (connection, (topics, _)) in (2..).zip(filters) {
        hall.joins(connection, &hello(topics))
            .subscribes(connection, topics, Q0);
    }
    for topic in topics {
        hall.publishes(1, Q0, 0, topic, topic.as_bytes());
    }
    for (connection, (_, matching)) in (2..).zip(filters) {
        for topic in matching {
            hall.gets(connection, Q0, 0, topic, topic.as_bytes());
        }
        hall.hears_nothing(connection);
    }
}

// broker: MQTT-3.3.4-2
#[test]
fn overlapping_subscriptions_get_the_highest_qos_of_all() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    for (topics, qos) in [
        ("a/#", Q0),
        ("a/+", Q2),
        ("+/b", Q1),
        ("a/b", Q0),
        ("#", Q1),
    ] {
        hall.subscribes(2, topics, qos);
    }
    hall.publishes(1, Q2, 1, "a/b", b"")
        .gets(2, Q2, 1, "a/b", b"");
    hall.publishes(1, Q1, 2, "a/b", b"")
        .gets(2, Q1, 2, "a/b", b"");
    hall.publishes(1, Q0, 0, "a/b", b"")
        .gets(2, Q0, 0, "a/b", b"");
    hall.publishes(1, Q2, 3, "x/b", b"")
        .gets(2, Q1, 3, "x/b", b"");
    hall.hears_nothing(2);
}

// broker: MQTT-3.3.4-3, MQTT-3.3.4-4
#[test]
fn one_copy_carries_the_identifiers_of_all_subscriptions_that_match() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    subscribes_as(&mut hall, 2, 1, "a/#", Q0);
    subscribes_as(&mut hall, 2, 268_435_455, "+/b", Q1);
    subscribes_as(&mut hall, 2, 7, "a/+", Q0);
    subscribes_as(&mut hall, 2, 9, "other", Q2);
    hall.subscribes(2, "a/b", Q0);
    hall.publishes(1, Q2, 1, "a/b", b"x");
    assert_eq!(
        message(&mut hall, 2),
        (Q1, b"x".to_vec(), vec![1, 7, 268_435_455])
    );
    hall.publishes(1, Q0, 0, "a/c", b"y");
    assert_eq!(message(&mut hall, 2), (Q0, b"y".to_vec(), vec![1, 7]));
    hall.publishes(1, Q0, 0, "other", b"z");
    assert_eq!(message(&mut hall, 2), (Q0, b"z".to_vec(), vec![9]));
    // The identifier of a subscription that is replaced is replaced, or goes.
    subscribes_as(&mut hall, 2, 8, "a/+", Q0);
    hall.subscribes(2, "a/#", Q0)
        .publishes(1, Q0, 0, "a/c", b"w");
    assert_eq!(message(&mut hall, 2), (Q0, b"w".to_vec(), vec![8]));
    hall.hears_nothing(2);
}

// broker: MQTT-3.3.4-3, MQTT-3.3.4-5
#[test]
fn copies_of_their_own_carry_the_identifier_of_their_own_subscription() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    subscribes_as(&mut hall, 2, 1, "$share/one/t/#", Q1);
    subscribes_as(&mut hall, 2, 2, "$share/two/t/+", Q0);
    subscribes_as(&mut hall, 2, 3, "t/a", Q2);
    subscribes_as(&mut hall, 2, 4, "#", Q0);
    hall.publishes(1, Q2, 1, "t/a", b"x");
    let mut copies: Vec<_> = (0..3).map(|_| message(&mut hall, 2)).collect();
    copies.sort();
    let x = || b"x".to_vec();
    assert_eq!(
        copies,
        [
            (Q0, x(), vec![2]),
            (Q1, x(), vec![1]),
            (Q2, x(), vec![3, 4])
        ]
    );
    hall.hears_nothing(2);
}

// broker: MQTT-3.3.4-3
#[test]
fn identifiers_outlive_the_connection_with_their_subscriptions() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello_again("s"));
    subscribes_as(&mut hall, 2, 5, "t", Q1);
    hall.publishes(1, Q1, 1, "t", b"sent");
    assert_eq!(message(&mut hall, 2), (Q1, b"sent".to_vec(), vec![5]));
    hall.cut(2).publishes(1, Q1, 2, "t", b"waits");
    hall.rejoins(3, &hello_again("s"), true);
    assert_eq!(message(&mut hall, 3), (Q1, b"sent".to_vec(), vec![5]));
    assert_eq!(message(&mut hall, 3), (Q1, b"waits".to_vec(), vec![5]));
    hall.publishes(1, Q0, 0, "t", b"new");
    assert_eq!(message(&mut hall, 3), (Q0, b"new".to_vec(), vec![5]));
}

// broker: MQTT-3.3.1-4
#[test]
fn nothing_is_granted_or_sent_above_the_maximum_qos() {
    let mut hall = hall_with(BrokerConfig {
        maximum_qos: Q1,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    hall.says(2, subscribe(1, &[filter("t", Q2)]));
    hall.hears(2, suback(1, &[ReasonCode::GRANTED_QOS_1]));
    hall.publishes(1, Q1, 1, "t", b"").gets(2, Q1, 1, "t", b"");
    hall.publishes(1, Q2, 2, "t", b"").hears(1, puback(1));
    hall.is_disconnected(1, ReasonCode::QOS_NOT_SUPPORTED);
    hall.silent();
}
