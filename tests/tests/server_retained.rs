//! Retained messages: what is stored, who gets it, and how it is marked.

use mqtt_proto::{
    Connect, Filters, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    RetainHandling, Subscribe, Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
    TopicName, Unsubscribe, Will,
};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

fn retained<'a>(qos: QoS, number: u16, topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish {
        retain: true,
        ..publish(qos, number, topic, payload)
    })
}

/// A broker whose client 1 says what is retained, at QoS 0.
fn hall_of(kept: &[(&str, &[u8])]) -> Hall {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for (topic, payload) in kept {
        hall.says(1, retained(Q0, 0, topic, payload));
    }
    hall
}

/// Subscribes with this handling of what is retained; it is granted at QoS 1.
fn subscribes_with(hall: &mut Hall, connection: u64, topics: &str, handling: RetainHandling) {
    let subscription = Subscription {
        options: SubscriptionOptions {
            retain_handling: handling,
            qos: Q1,
            ..SubscriptionOptions::default()
        },
        ..filter(topics, Q1)
    };
    hall.says(connection, subscribe(1, &[subscription]));
    hall.hears(connection, suback(1, &[ReasonCode::GRANTED_QOS_1]));
}

fn unsubscribes(hall: &mut Hall, connection: u64, topics: &str) {
    let filters = [TopicFilter::new(topics).unwrap()];
    hall.says(
        connection,
        Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::new(1).unwrap(),
            properties: Properties::EMPTY,
            filters: Filters::new(&filters),
        }),
    );
    hall.hears(connection, unsuback(1, &[ReasonCode::SUCCESS]));
}

/// What one that subscribes to everything now gets of what is retained.
#[track_caller]
fn is_kept(hall: &mut Hall, expected: &[(&str, &[u8])]) {
    hall.joins(99, &hello("late")).subscribes(99, "#", Q2);
    let mut heard = Vec::new();
    while let Some(bytes) = hall.next(99) {
        heard.push(bytes);
    }
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(topic, payload)| {
            let packet = retained(Q0, 0, topic, payload);
            packet.to_vec(mqtt_proto::Sender::Server).unwrap()
        })
        .collect();
    heard.sort();
    expected.sort();
    assert_eq!(heard, expected);
    assert_eq!(hall.broker.load().retained, expected.len());
    hall.cut(99);
}

// broker: MQTT-3.3.1-5
#[test]
fn the_last_retained_message_of_each_topic_is_kept() {
    let mut hall = hall_of(&[
        ("a", b"1"),
        ("b", b"2"),
        ("a", b"3"),
        ("/a", b"4"),
        ("a/", b"5"),
    ]);
    is_kept(
        &mut hall,
        &[("a", b"3"), ("b", b"2"), ("/a", b"4"), ("a/", b"5")],
    );
    // With all of it: QoS and properties are those of the last.
    let words = [
        Property::ContentType("text"),
        Property::UserProperty("k", "v"),
    ];
    let last = Publish {
        retain: true,
        properties: Properties::new(&words),
        ..publish(Q2, 1, "a", b"6")
    };
    hall.says(1, Packet::Publish(last));
    hall.joins(2, &hello("late")).subscribes(2, "a", Q2);
    hall.hears(2, Packet::Publish(last)).hears_nothing(2);
    let last = Publish {
        retain: true,
        ..publish(Q1, 2, "a", b"7")
    };
    hall.says(1, Packet::Publish(last));
    hall.joins(3, &hello("later")).subscribes(3, "a", Q2);
    hall.hears(3, retained(Q1, 1, "a", b"7")).hears_nothing(3);
}

// broker: MQTT-3.3.1-6, MQTT-3.3.1-7
#[test]
fn an_empty_message_removes_what_is_kept_and_is_not_kept() {
    let mut hall = hall_of(&[("a", b"1"), ("b", b"2")]);
    hall.joins(2, &hello("early"))
        .subscribes(2, "c", Q0)
        .subscribes(2, "a", Q0);
    hall.hears(2, retained(Q0, 0, "a", b"1"));
    // It goes to who subscribes already as any other does.
    hall.says(1, retained(Q0, 0, "a", b""))
        .gets(2, Q0, 0, "a", b"");
    is_kept(&mut hall, &[("b", b"2")]);
    hall.says(1, retained(Q0, 0, "a", b""))
        .gets(2, Q0, 0, "a", b"");
    hall.says(1, retained(Q0, 0, "c", b""))
        .gets(2, Q0, 0, "c", b"");
    is_kept(&mut hall, &[("b", b"2")]);
    hall.says(1, retained(Q1, 1, "b", b""));
    hall.says(1, retained(Q2, 2, "d", b"")).says(1, pubrel(2));
    is_kept(&mut hall, &[]);
    // And there is room for another.
    hall.says(1, retained(Q0, 0, "a", b"3"))
        .gets(2, Q0, 0, "a", b"3");
    is_kept(&mut hall, &[("a", b"3")]);
}

// broker: MQTT-3.3.1-8
#[test]
fn a_message_without_retain_neither_is_kept_nor_changes_what_is() {
    let mut hall = hall_of(&[("a", b"1")]);
    for (number, topic, payload) in [(1, "a", &b"2"[..]), (2, "a", b""), (3, "b", b"3")] {
        hall.publishes(1, Q0, 0, topic, payload);
        hall.publishes(1, Q1, number, topic, payload);
        hall.publishes(1, Q2, number, topic, payload)
            .says(1, pubrel(number));
        is_kept(&mut hall, &[("a", b"1")]);
    }
}

// broker: MQTT-3.3.1-9
#[test]
fn handling_0_sends_what_is_kept_each_time() {
    let mut hall = hall_of(&[("a/b", b"1"), ("a/c", b"2"), ("b", b"3")]);
    hall.joins(2, &hello_again("c"));
    const EACH: RetainHandling = RetainHandling::SendAtSubscribe;
    for _ in 0..3 {
        subscribes_with(&mut hall, 2, "a/b", EACH);
        hall.hears(2, retained(Q0, 0, "a/b", b"1")).hears_nothing(2);
    }
    hall.cut(2)
        .rejoins(3, &hello_again("c"), true)
        .hears_nothing(3);
    subscribes_with(&mut hall, 3, "a/b", EACH);
    hall.hears(3, retained(Q0, 0, "a/b", b"1"));
    // Every message that matches, for every filter.
    subscribes_with(&mut hall, 3, "a/+", EACH);
    let mut both: Vec<_> = (0..2).map(|_| hall.next(3).expect("a message")).collect();
    both.sort();
    assert!(both[0].ends_with(b"a/b\x001") && both[1].ends_with(b"a/c\x002"));
    hall.says(
        3,
        subscribe(1, &[filter("b", Q0), filter("a/c", Q0), filter("x", Q0)]),
    );
    hall.hears(3, suback(1, &[ReasonCode::GRANTED_QOS_0; 3]));
    hall.hears(3, retained(Q0, 0, "b", b"3"))
        .hears(3, retained(Q0, 0, "a/c", b"2"));
    hall.hears_nothing(3);
}

// broker: MQTT-3.3.1-10
#[test]
fn handling_1_sends_what_is_kept_to_a_new_subscription() {
    let mut hall = hall_of(&[("a", b"1")]);
    const NEW: RetainHandling = RetainHandling::SendIfNew;
    hall.joins(2, &hello_again("c"));
    subscribes_with(&mut hall, 2, "a", NEW);
    hall.hears(2, retained(Q0, 0, "a", b"1"));
    subscribes_with(&mut hall, 2, "a", NEW);
    hall.hears_nothing(2);
    // Another filter is another subscription.
    subscribes_with(&mut hall, 2, "+", NEW);
    hall.hears(2, retained(Q0, 0, "a", b"1"));
    // What was kept with the session is not new, what was given up is.
    hall.cut(2).rejoins(3, &hello_again("c"), true);
    subscribes_with(&mut hall, 3, "a", NEW);
    hall.hears_nothing(3);
    unsubscribes(&mut hall, 3, "a");
    subscribes_with(&mut hall, 3, "a", NEW);
    hall.hears(3, retained(Q0, 0, "a", b"1"));
    hall.joins(4, &hello("c"));
    subscribes_with(&mut hall, 4, "a", NEW);
    hall.hears(4, retained(Q0, 0, "a", b"1")).hears_nothing(4);
}

// broker: MQTT-3.3.1-11
#[test]
fn handling_2_sends_nothing_that_is_kept() {
    let mut hall = hall_of(&[("a", b"1"), ("b", b"2")]);
    hall.joins(2, &hello("c"));
    for topics in ["a", "a", "#"] {
        subscribes_with(&mut hall, 2, topics, RetainHandling::DoNotSend);
        hall.hears_nothing(2);
    }
    hall.says(1, retained(Q0, 0, "a", b"new"))
        .gets(2, Q0, 0, "a", b"new")
        .hears_nothing(2);
}

// broker: MQTT-3.3.1-12, MQTT-3.3.1-13
#[test]
fn retain_is_forwarded_as_the_subscription_wants_it() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for (connection, as_published) in [(2, false), (3, true)] {
        hall.joins(connection, &hello_again(&format!("s{connection}")));
        let options = SubscriptionOptions {
            retain_as_published: as_published,
            qos: Q1,
            ..SubscriptionOptions::default()
        };
        let subscription = Subscription {
            options,
            ..filter("t", Q1)
        };
        hall.says(connection, subscribe(1, &[subscription]));
        hall.hears(connection, suback(1, &[ReasonCode::GRANTED_QOS_1]));
    }
    hall.says(1, retained(Q0, 0, "t", b"kept"));
    hall.gets(2, Q0, 0, "t", b"kept")
        .hears(3, retained(Q0, 0, "t", b"kept"));
    hall.publishes(1, Q0, 0, "t", b"not");
    hall.gets(2, Q0, 0, "t", b"not").gets(3, Q0, 0, "t", b"not");
    // Also what waits for its client.
    hall.cut(2).cut(3).says(1, retained(Q1, 1, "t", b"later"));
    hall.publishes(1, Q1, 2, "t", b"last");
    hall.rejoins(4, &hello_again("s2"), true)
        .rejoins(5, &hello_again("s3"), true);
    hall.gets(4, Q1, 1, "t", b"later")
        .gets(4, Q1, 2, "t", b"last");
    hall.hears(5, retained(Q1, 1, "t", b"later"))
        .gets(5, Q1, 2, "t", b"last");
    hall.hears_nothing(4).hears_nothing(5);
}

// broker: MQTT-3.3.1-9
#[test]
fn what_comes_for_a_subscription_is_marked_as_retained_and_as_its_own() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .says(1, retained(Q2, 1, "t", b"kept"));
    for (connection, qos) in [(2, Q0), (3, Q1), (4, Q2)] {
        hall.joins(connection, &hello(&format!("s{connection}")));
        let identifier = [Property::SubscriptionIdentifier(7)];
        hall.says(
            connection,
            Packet::Subscribe(Subscribe {
                packet_id: PacketId::new(1).unwrap(),
                properties: Properties::new(&identifier),
                subscriptions: Subscriptions::new(&[filter("t", qos)]),
            }),
        );
        hall.hears(
            connection,
            suback(1, &[ReasonCode::new(qos as u8).unwrap()]),
        );
        let number = u16::from(qos > Q0);
        hall.hears(
            connection,
            Packet::Publish(Publish {
                retain: true,
                properties: Properties::new(&identifier),
                ..publish(qos, number, "t", b"kept")
            }),
        );
        hall.hears_nothing(connection);
    }
    // A shared subscription gets none (section 4.8.2).
    hall.joins(5, &hello("s5"))
        .subscribes(5, "$share/g/t", Q0)
        .hears_nothing(5);
}

// broker: MQTT-3.3.1-5
#[test]
fn where_there_is_no_room_a_message_is_refused_or_what_was_kept_goes() {
    let mut hall = hall_with(BrokerConfig {
        retained_bytes: 100,
        ..BrokerConfig::default()
    });
    let large = [b'x'; 100];
    hall.joins(1, &hello("p"))
        .joins(2, &hello("s"))
        .subscribes(2, "#", Q0);
    hall.says(1, retained(Q0, 0, "a", b"1"))
        .gets(2, Q0, 0, "a", b"1");
    // One that is refused is not published at all, and has replaced nothing.
    for (qos, number) in [(Q1, 1), (Q2, 2)] {
        hall.says(1, retained(qos, number, "a", &large));
        let refused = ack(number, ReasonCode::QUOTA_EXCEEDED);
        match qos {
            QoS::ExactlyOnce => hall.hears(1, Packet::PubRec(refused)),
            _ => hall.hears(1, Packet::PubAck(refused)),
        };
        hall.silent();
        is_kept(&mut hall, &[("a", b"1")]);
    }
    // One that cannot be refused is published: what was kept is not the last any more.
    hall.says(1, retained(Q0, 0, "a", &large))
        .gets(2, Q0, 0, "a", &large);
    is_kept(&mut hall, &[]);
    let last = Connect {
        will: Some(Will {
            qos: Q1,
            retain: true,
            topic: TopicName::new("b").unwrap(),
            payload: &large,
            properties: Properties::EMPTY,
        }),
        ..hello("c")
    };
    hall.says(1, retained(Q0, 0, "b", b"2"))
        .gets(2, Q0, 0, "b", b"2");
    hall.joins(3, &last).cut(3).gets(2, Q0, 0, "b", &large);
    is_kept(&mut hall, &[]);
}
