//! Shared subscriptions (section 4.8.2): one member of each share gets a message.

use core::time::Duration;
use mqtt_proto::{
    Connect, Packet, Properties, Property, Publish, QoS, ReasonCode, SubscriptionOptions,
    TopicFilter,
};
use mqtt_session::broker::{BrokerConfig, Overflow};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

const SHARE: &str = "$share/g/t";

/// A publisher at 1, and members with kept sessions from 2 on.
fn members(count: u64, qos: QoS) -> Hall {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for connection in 2..2 + count {
        hall.joins(connection, &hello_again(&format!("m{connection}")))
            .subscribes(connection, SHARE, qos);
    }
    hall
}

/// A message of 1 to `t`.
#[track_caller]
fn publishes(hall: &mut Hall, qos: QoS, payload: &[u8]) {
    let number = if qos == Q0 { 0 } else { 9 };
    hall.says(1, publishing(qos, number, "t", payload));
    if qos == Q2 {
        hall.says(1, pubrel(9));
    }
    hall.take_acks(1);
}

/// Who has heard a message: exactly one, which is told.
#[track_caller]
fn who(hall: &mut Hall, connections: core::ops::Range<u64>) -> u64 {
    let heard: Vec<u64> = connections
        .filter(|connection| hall.next(*connection).is_some())
        .collect();
    assert_eq!(heard.len(), 1, "{}", hall.history.join("\n"));
    heard[0]
}

#[test]
fn messages_go_round_evenly() {
    let mut hall = members(4, Q0);
    let mut counts = [0; 4];
    for _ in 0..400 {
        publishes(&mut hall, Q1, b"x");
        counts[who(&mut hall, 2..6) as usize - 2] += 1;
    }
    assert_eq!(counts, [100; 4]);
}

#[test]
fn shares_are_apart_by_their_name_and_by_their_filter() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for (connection, topics) in [
        (2, "$share/g/t"),
        (3, "$share/h/t"),
        (4, "$share/g/+"),
        (5, "$share/g/#"),
        (6, "t"),
        (7, "$share/g/u"),
    ] {
        hall.joins(connection, &hello(&format!("c{connection}")))
            .subscribes(connection, topics, Q0);
    }
    publishes(&mut hall, Q0, b"x");
    for connection in 2..7 {
        hall.hears(connection, publishing(Q0, 0, "t", b"x"));
    }
    hall.silent();
}

#[test]
fn one_client_is_a_member_of_several_shares_and_subscribes_for_itself() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("c"));
    for topics in ["$share/g/t", "$share/h/t", "t", "#"] {
        hall.subscribes(2, topics, Q0);
    }
    publishes(&mut hall, Q0, b"x");
    // One for each share, and one for its own two.
    for _ in 0..3 {
        hall.hears(2, publishing(Q0, 0, "t", b"x"));
    }
    hall.silent();
    assert_eq!(hall.broker.load().subscriptions, 4);
}

// broker: MQTT-4.8.2-3
#[test]
fn each_member_gets_what_it_was_granted() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for (connection, qos) in [(2, Q0), (3, Q1), (4, Q2)] {
        hall.joins(connection, &hello(&format!("m{connection}")))
            .subscribes(connection, SHARE, qos);
    }
    for published in [Q0, Q1, Q2] {
        for (connection, granted) in [(2, Q0), (3, Q1), (4, Q2)] {
            publishes(&mut hall, published, b"x");
            let qos = hall.hears_what(connection, |packet| match packet {
                Packet::Publish(publish) => publish.qos,
                other => panic!("{other:?}"),
            });
            assert_eq!(qos, published.min(granted));
            hall.silent();
        }
    }
}

// broker: MQTT-4.8.2-3
#[test]
fn a_message_that_is_handed_on_keeps_to_what_the_next_member_was_granted() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("a")).subscribes(2, SHARE, Q2);
    hall.joins(3, &hello("b")).subscribes(3, SHARE, Q1);
    hall.takes(2, 0);
    publishes(&mut hall, Q2, b"x");
    // Not a byte of it was sent, so another member may have it.
    hall.cut(2).hears(3, publishing(Q1, 1, "t", b"x")).silent();
}

#[test]
fn options_and_identifiers_are_those_of_the_member() {
    let mut hall = hall();
    let id = [Property::SubscriptionIdentifier(42)];
    let as_published = SubscriptionOptions {
        qos: Q1,
        retain_as_published: true,
        ..SubscriptionOptions::default()
    };
    hall.joins(1, &hello("p")).joins(2, &hello("a"));
    hall.says(2, subscribe_as(1, &id, &[filter_with(SHARE, as_published)]))
        .hears(2, suback(1, &[ReasonCode::GRANTED_QOS_1]));
    hall.joins(3, &hello("b")).subscribes(3, SHARE, Q0);
    let expected = Packet::Publish(Publish {
        retain: true,
        properties: Properties::new(&id),
        ..publish(Q0, 0, "t", b"x")
    });
    hall.says(1, retaining(Q0, 0, "t", b"x")).hears(2, expected);
    hall.says(1, retaining(Q0, 0, "t", b"x"))
        .hears(3, publishing(Q0, 0, "t", b"x"));
    hall.silent();
    // What was retained is not sent to members.
    hall.subscribes(3, SHARE, Q1).silent();
}

#[test]
fn no_local_is_nothing_for_shares() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    let no_local = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let mut bytes = subscribe(1, &[filter_with("abcdefghij", no_local)])
        .to_vec(mqtt_proto::Sender::Client)
        .expect("it can be encoded");
    let at = bytes.len() - 11;
    bytes[at..at + 10].copy_from_slice(SHARE.as_bytes());
    hall.says_bytes(1, &bytes);
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
    // A member gets what it published itself.
    let mut hall = members(0, Q0);
    hall.subscribes(1, SHARE, Q0);
    publishes(&mut hall, Q0, b"x");
    hall.hears(1, publishing(Q0, 0, "t", b"x"));
}

#[test]
fn members_without_a_connection_wait_behind_those_that_have_one() {
    let mut hall = members(3, Q1);
    hall.cut(2);
    for expected in [3, 4, 3, 4] {
        publishes(&mut hall, Q1, b"x");
        assert_eq!(who(&mut hall, 3..5), expected);
    }
    hall.rejoins(5, &hello_again("m2"), true).silent();
    // Where nobody has one, each gets its share for later.
    for connection in 3..6 {
        hall.cut(connection);
    }
    for _ in 0..6 {
        publishes(&mut hall, Q1, b"y");
    }
    for (connection, name) in [(6, "m2"), (7, "m3"), (8, "m4")] {
        hall.rejoins(connection, &hello_again(name), true);
        let new = core::iter::from_fn(|| hall.next(connection))
            .filter(|bytes| bytes[0] & 8 == 0)
            .count();
        assert_eq!(new, 2, "{name}");
    }
}

#[test]
fn what_a_vanished_member_did_not_acknowledge_goes_to_another_in_its_order() {
    let mut hall = members(1, Q1);
    // One acknowledged, one sent, one in the middle of being sent, one that waits.
    publishes(&mut hall, Q1, b"done");
    hall.hears(2, publishing(Q1, 1, "t", b"done"))
        .says(2, puback(1));
    publishes(&mut hall, Q1, b"1");
    hall.hears(2, publishing(Q1, 2, "t", b"1")).takes_more(2, 3);
    publishes(&mut hall, Q1, b"2");
    publishes(&mut hall, Q1, b"3");
    hall.joins(3, &hello("other")).subscribes(3, SHARE, Q1);
    // Its session goes on as long as it may: nobody else gets anything.
    hall.cut(2).wait(Duration::from_secs(3_599)).silent();
    hall.wait(Duration::from_secs(1));
    for (number, payload) in (1..).zip([b"1", b"2", b"3"]) {
        hall.hears(3, publishing(Q1, number, "t", payload));
    }
    hall.silent();
}

#[test]
fn what_was_left_goes_round_among_those_that_remain_on_every_kind_of_end() {
    let ends: [fn(&mut Hall); 4] = [
        // A session of its connection's length, cut; DISCONNECT; Clean Start; unreadable bytes.
        |hall| _ = hall.cut(2),
        |hall| _ = hall.says(2, disconnect(ReasonCode::NORMAL_DISCONNECTION)),
        |hall| _ = hall.joins(20, &hello("m2")),
        |hall| _ = hall.says_bytes(2, b"\x00\x00"),
    ];
    for end in ends {
        let mut hall = hall();
        hall.joins(1, &hello("p"));
        for connection in 2..5 {
            hall.joins(connection, &hello(&format!("m{connection}")));
        }
        hall.subscribes(2, SHARE, Q1);
        for payload in [b"a", b"b", b"c", b"d"] {
            publishes(&mut hall, Q1, payload);
        }
        for connection in [3, 4] {
            hall.subscribes(connection, SHARE, Q1);
        }
        end(&mut hall);
        hall.hears(3, publishing(Q1, 1, "t", b"a"))
            .hears(3, publishing(Q1, 2, "t", b"c"))
            .hears(4, publishing(Q1, 1, "t", b"b"))
            .hears(4, publishing(Q1, 2, "t", b"d"));
        hall.hears_nothing(3).hears_nothing(4);
    }
}

#[test]
fn what_nobody_is_left_for_is_gone() {
    let mut hall = members(1, Q1);
    publishes(&mut hall, Q1, b"x");
    hall.cut(2).wait(Duration::from_secs(3_600));
    assert_eq!(hall.broker.load().unsettled, 0);
    hall.joins(3, &hello("later"))
        .subscribes(3, SHARE, Q1)
        .silent();
}

#[test]
fn a_member_that_unsubscribes_finishes_what_it_has() {
    let mut hall = members(2, Q1);
    publishes(&mut hall, Q1, b"x");
    hall.hears(2, publishing(Q1, 1, "t", b"x"));
    hall.says(2, unsubscribe(1, &[TopicFilter::new(SHARE).unwrap()]))
        .hears(2, unsuback(1, &[ReasonCode::SUCCESS]));
    for _ in 0..3 {
        publishes(&mut hall, Q1, b"y");
        assert_eq!(who(&mut hall, 2..4), 3);
    }
    hall.says(2, puback(1)).cut(2);
    hall.wait(Duration::from_secs(3_600)).silent();
}

// broker: MQTT-4.8.2-4
#[test]
fn a_qos_2_message_that_was_sent_is_finished_by_its_member() {
    let mut hall = members(2, Q2);
    publishes(&mut hall, Q2, b"x");
    publishes(&mut hall, Q2, b"y");
    // One before PUBREC, one before PUBCOMP.
    hall.hears(2, publishing(Q2, 1, "t", b"x"));
    hall.hears(3, publishing(Q2, 1, "t", b"y"))
        .says(3, pubrec(1))
        .hears(3, pubrel(1));
    hall.cut(2).cut(3);
    hall.wait(Duration::from_secs(3_599)).silent();
    hall.rejoins(4, &hello_again("m2"), true);
    hall.rejoins(5, &hello_again("m3"), true);
    hall.hears(4, publishing_again(Q2, 1, "t", b"x"))
        .says(4, pubrec(1))
        .hears(4, pubrel(1))
        .says(4, pubcomp(1));
    hall.hears(5, pubrel(1)).says(5, pubcomp(1)).silent();
    assert_eq!(hall.broker.load().unsettled, 0);
}

// broker: MQTT-4.8.2-5
#[test]
fn a_qos_2_message_that_was_sent_goes_to_nobody_else() {
    let mut hall = members(1, Q2);
    // Before PUBREC, in the middle of being sent, before PUBCOMP; one that waits.
    publishes(&mut hall, Q2, b"1");
    publishes(&mut hall, Q2, b"2");
    hall.hears(2, publishing(Q2, 1, "t", b"1"))
        .hears(2, publishing(Q2, 2, "t", b"2"))
        .says(2, pubrec(2))
        .hears(2, pubrel(2));
    hall.takes_more(2, 3);
    publishes(&mut hall, Q2, b"3");
    publishes(&mut hall, Q2, b"4");
    hall.joins(3, &hello("other")).subscribes(3, SHARE, Q2);
    hall.cut(2).wait(Duration::from_secs(3_600));
    // Only the one of which nothing was sent.
    hall.hears(3, publishing(Q2, 1, "t", b"4")).silent();
    assert_eq!(hall.broker.load().unsettled, 1);
}

// broker: MQTT-4.8.2-6
#[test]
fn a_shared_message_that_is_refused_goes_to_nobody_else() {
    let mut hall = members(2, Q2);
    let refusal = ReasonCode::UNSPECIFIED_ERROR;
    publishes(&mut hall, Q1, b"x");
    hall.hears(2, publishing(Q1, 1, "t", b"x"))
        .says(2, Packet::PubAck(ack(1, refusal)))
        .silent();
    publishes(&mut hall, Q2, b"y");
    hall.hears(3, publishing(Q2, 1, "t", b"y"))
        .says(3, Packet::PubRec(ack(1, refusal)))
        .silent();
    // Neither at once nor when a session ends.
    assert_eq!(hall.broker.load().unsettled, 0);
    hall.cut(2).wait(Duration::from_secs(3_600)).silent();
    hall.says(3, disconnect(ReasonCode::NORMAL_DISCONNECTION))
        .silent();
}

#[test]
fn what_is_handed_on_expires_as_it_would_have() {
    let mut hall = members(1, Q1);
    hall.cut(2);
    for seconds in [100, 3_700] {
        let expiry = [Property::MessageExpiryInterval(seconds)];
        let packet = Packet::Publish(Publish {
            properties: Properties::new(&expiry),
            ..publish(Q1, 9, "t", b"x")
        });
        hall.says(1, packet).take_acks(1);
    }
    hall.joins(3, &hello("other")).subscribes(3, SHARE, Q1);
    hall.wait(Duration::from_secs(3_600));
    let left = [Property::MessageExpiryInterval(100)];
    hall.hears(
        3,
        Packet::Publish(Publish {
            properties: Properties::new(&left),
            ..publish(Q1, 1, "t", b"x")
        }),
    )
    .silent();
}

#[test]
fn a_member_whose_queue_is_full_drops_its_own_share_only() {
    let mut hall = hall_with(BrokerConfig {
        queue_messages: 2,
        overflow: Overflow::DropNewest,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"));
    for connection in [2, 3] {
        hall.joins(connection, &hello(&format!("m{connection}")))
            .subscribes(connection, SHARE, Q1);
    }
    // One acknowledges nothing, the other everything.
    for number in 1..=4 {
        publishes(&mut hall, Q1, b"x");
        publishes(&mut hall, Q1, b"x");
        hall.hears(3, publishing(Q1, number, "t", b"x"))
            .says(3, puback(number));
    }
    for number in 1..=2 {
        hall.hears(2, publishing(Q1, number, "t", b"x"));
    }
    hall.silent();
}

#[test]
fn a_connection_that_is_taken_over_keeps_its_place() {
    let mut hall = members(2, Q0);
    publishes(&mut hall, Q1, b"x");
    assert_eq!(who(&mut hall, 2..4), 2);
    let again = Connect {
        keep_alive: 60,
        ..hello_again("m2")
    };
    hall.rejoins(4, &again, true)
        .is_disconnected(2, ReasonCode::SESSION_TAKEN_OVER);
    for expected in [3, 4, 3, 4] {
        publishes(&mut hall, Q1, b"x");
        assert_eq!(who(&mut hall, 2..5), expected);
    }
}
