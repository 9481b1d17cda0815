//! What the program around the broker does itself: publish, disconnect, shut down, count.

use core::time::Duration;
use mqtt_proto::{
    PayloadFormat, Properties, Property, Publish as Pub, QoS, ReasonCode, SubscriptionOptions,
    TopicName,
};
use mqtt_session::Publish;
use mqtt_session::broker::{
    BrokerConfig, BrokerEvent, BrokerLoad, ConnectionId, EndCause, Overflow,
};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// The program publishes; the broker acts on it.
#[track_caller]
fn publishes(hall: &mut Hall, message: &Publish<'_>) -> Result<(), ReasonCode> {
    let result = hall.broker.publish(hall.now, message);
    hall.run();
    result
}

#[test]
fn a_message_of_the_program_goes_to_all_who_subscribe() {
    let mut hall = hall();
    for (connection, qos) in [(1, Q0), (2, Q1), (3, Q2)] {
        hall.joins(connection, &hello(&format!("c{connection}")))
            .subscribes(connection, "t", qos);
    }
    hall.joins(4, &hello_again("kept"))
        .subscribes(4, "#", Q1)
        .cut(4);
    assert_eq!(publishes(&mut hall, &message(Q2, "t", b"x")), Ok(()));
    hall.hears(1, publishing(Q0, 0, "t", b"x"))
        .hears(2, publishing(Q1, 1, "t", b"x"))
        .hears(3, publishing(Q2, 1, "t", b"x"));
    hall.rejoins(5, &hello_again("kept"), true)
        .hears(5, publishing(Q1, 1, "t", b"x"))
        .silent();
    // No Local is about clients, and the program is none; members of a share take turns.
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    hall.says(1, subscribe(1, &[filter_with("u", options)]))
        .hears(1, suback(1, &[ReasonCode::GRANTED_QOS_0]));
    hall.subscribes(2, "$share/g/u", Q0)
        .subscribes(3, "$share/g/u", Q0);
    for member in [2, 3, 2] {
        assert_eq!(publishes(&mut hall, &message(Q0, "u", b"y")), Ok(()));
        hall.hears(1, publishing(Q0, 0, "u", b"y"))
            .hears(member, publishing(Q0, 0, "u", b"y"))
            .hears(5, publishing(Q0, 0, "u", b"y"))
            .silent();
    }
}

#[test]
fn a_message_of_the_program_is_retained_and_expires_as_any_other() {
    let mut hall = hall();
    let kept = message(Q1, "t", b"x").retain(true);
    let expiring = kept.message_expiry_interval(10);
    assert_eq!(publishes(&mut hall, &expiring), Ok(()));
    hall.wait(Duration::from_secs(4));
    let left = [Property::MessageExpiryInterval(6)];
    hall.joins(1, &hello("a")).subscribes(1, "t", Q0).hears(
        1,
        mqtt_proto::Packet::Publish(Pub {
            retain: true,
            properties: Properties::new(&left),
            ..publish(Q0, 0, "t", b"x")
        }),
    );
    hall.wait(Duration::from_secs(6));
    hall.joins(2, &hello("b")).subscribes(2, "t", Q0).silent();
    // Without an interval it stays, until an empty one removes it.
    assert_eq!(publishes(&mut hall, &kept), Ok(()));
    assert_eq!(hall.broker.load().retained, 1);
    let empty = message(Q0, "t", b"").retain(true);
    assert_eq!(publishes(&mut hall, &empty), Ok(()));
    assert_eq!(hall.broker.load().retained, 0);
}

#[test]
fn a_message_of_the_program_that_cannot_be_retained_is_routed_and_said_so() {
    let mut hall = hall_with(BrokerConfig {
        retained_messages: 1,
        maximum_levels: 3,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("c")).subscribes(1, "#", Q0);
    for (topic, result) in [
        ("a/b/c", Ok(())),
        ("other", Err(ReasonCode::QUOTA_EXCEEDED)),
        ("a/b/c/d", Err(ReasonCode::QUOTA_EXCEEDED)),
        ("a/b/c", Ok(())),
    ] {
        let kept = message(Q0, topic, b"x").retain(true);
        assert_eq!(publishes(&mut hall, &kept), result, "{topic}");
        hall.hears(1, publishing(Q0, 0, topic, b"x")).silent();
    }
    assert_eq!(hall.broker.load().retained, 1);
}

#[test]
fn properties_of_the_program_go_along_where_a_client_may_send_them() {
    let good = [
        Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        Property::ContentType("text/plain"),
        Property::ResponseTopic(TopicName::new("answer").unwrap()),
        Property::CorrelationData(b"7"),
        Property::UserProperty("k", "v"),
        Property::UserProperty("k", "v"),
    ];
    let mut hall = hall();
    hall.joins(1, &hello("c")).subscribes(1, "t", Q1);
    let plain = message(Q1, "t", b"x");
    assert_eq!(publishes(&mut hall, &plain.properties(&good)), Ok(()));
    hall.hears(
        1,
        mqtt_proto::Packet::Publish(Pub {
            properties: Properties::new(&good),
            ..publish(Q1, 1, "t", b"x")
        }),
    );
    // The others would reach nobody: it is told, and nothing is retained either.
    for bad in [
        &[Property::TopicAlias(1)][..],
        &[Property::MessageExpiryInterval(5)],
        &[Property::SubscriptionIdentifier(1)],
        &[Property::ContentType("a"), Property::ContentType("b")],
        &[Property::ReasonString("no")],
        &[Property::WillDelayInterval(1)],
        &[Property::UserProperty("\0", "")],
    ] {
        let refused = Err(ReasonCode::PROTOCOL_ERROR);
        let kept = plain.retain(true).properties(bad);
        assert_eq!(publishes(&mut hall, &kept), refused, "{bad:?}");
    }
    hall.silent();
    assert_eq!(hall.broker.load().retained, 0);
}

#[test]
fn the_program_disconnects_one_client() {
    let mut hall = hall();
    hall.joins(1, &hello_again("a")).joins(2, &hello("b"));
    let (now, reason) = (hall.now, ReasonCode::ADMINISTRATIVE_ACTION);
    for connection in [1, 1, 7] {
        hall.broker
            .disconnect(now, ConnectionId(connection), reason);
    }
    hall.run().is_disconnected(1, reason).silent();
    assert_eq!(hall.end_cause(1), EndCause::Ordered(reason));
    hall.rejoins(3, &hello_again("a"), true);
    assert_eq!(hall.end_of(2), None);
}

#[test]
fn what_there_is_can_be_counted_and_is_nothing_in_the_end() {
    let mut hall = hall();
    assert_eq!(hall.broker.load(), BrokerLoad::default());
    hall.joins(1, &hello("a"))
        .joins(2, &hello_again("b"))
        .opens(3);
    hall.subscribes(2, "t", Q1).subscribes(2, "u", Q2);
    hall.says(1, retaining(Q1, 1, "t", b"x")).take_acks(1);
    hall.says(1, publishing(Q2, 2, "u", b"x")).take_acks(1);
    let expected = BrokerLoad {
        connections: 3,
        sessions: 2,
        subscriptions: 2,
        unsettled: 2,
        retained: 1,
    };
    assert_eq!(hall.broker.load(), expected);
    let now = hall.now;
    hall.broker.shut_down(now);
    hall.run();
    let kept = BrokerLoad {
        connections: 0,
        sessions: 1,
        ..expected
    };
    assert_eq!(hall.broker.load(), kept);
    assert_eq!(
        publishes(&mut hall, &message(Q0, "t", b"").retain(true)),
        Ok(())
    );
    hall.wait(Duration::from_secs(3_600));
    assert_eq!(hall.broker.load(), BrokerLoad::default());
    assert_eq!(hall.deadline, mqtt_session::Instant::NEVER);
}

/// Sends seven messages to `slow`, which acknowledges none, where there is room for three.
fn overflows(overflow: Overflow, connected: bool) -> Hall {
    let mut hall = hall_with(BrokerConfig {
        queue_messages: 3,
        overflow,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p")).joins(2, &hello_again("slow"));
    hall.subscribes(2, "t", Q1);
    if connected {
        hall.takes(2, 0);
    } else {
        hall.cut(2);
    }
    hall.forget_events();
    for payload in [b"a", b"b", b"c", b"d", b"e", b"f", b"g"] {
        hall.says(1, publishing(Q1, 9, "t", payload))
            .hears(1, puback(9));
    }
    hall.wait(Duration::from_secs(1));
    hall
}

/// Which messages a client gets when it comes back.
fn rest(hall: &mut Hall) -> Vec<u8> {
    hall.rejoins(3, &hello_again("slow"), true);
    core::iter::from_fn(|| hall.next(3))
        .map(|packet| packet[packet.len() - 1])
        .collect()
}

/// How many messages were dropped, according to the events.
fn dropped(hall: &mut Hall) -> u64 {
    core::iter::from_fn(|| hall.event())
        .filter_map(|event| match event {
            BrokerEvent::Dropped { client_id, count } => {
                assert_eq!(&*client_id, "slow");
                Some(count)
            }
            _ => None,
        })
        .sum()
}

#[test]
fn each_policy_keeps_what_it_says_and_tells_what_it_drops() {
    // For a client without a connection, two of them are the same.
    for (overflow, kept) in [
        (Overflow::DropNewest, b"abc"),
        (Overflow::DropOldest, b"efg"),
        (Overflow::Disconnect, b"abc"),
    ] {
        let mut hall = overflows(overflow, false);
        assert_eq!(dropped(&mut hall), 4, "{overflow:?}");
        assert_eq!(rest(&mut hall), kept, "{overflow:?}");
    }
}

#[test]
fn what_was_begun_is_not_dropped_for_what_is_new() {
    // All three were written for the transport, so all are older than what comes.
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        let mut hall = overflows(overflow, true);
        assert_eq!(dropped(&mut hall), 4, "{overflow:?}");
        assert_eq!(rest(&mut hall), b"abc", "{overflow:?}");
    }
}

#[test]
fn a_client_that_cannot_keep_up_is_disconnected_where_that_is_the_policy() {
    let mut hall = overflows(Overflow::Disconnect, true);
    assert_eq!(hall.end_cause(2), EndCause::QueueFull);
    // From then on it is a client without a connection.
    assert_eq!(dropped(&mut hall), 4);
    hall.takes(2, usize::MAX);
    for (number, payload) in (1..).zip([b"a", b"b", b"c"]) {
        hall.hears(2, publishing(Q1, number, "t", payload));
    }
    hall.is_disconnected(2, ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(rest(&mut hall), b"abc");
}

#[test]
fn bytes_are_bounded_as_messages_are() {
    for (overflow, kept) in [
        (Overflow::DropNewest, &b"012"[..]),
        (Overflow::DropOldest, &b"789"[..]),
    ] {
        let mut hall = hall_with(BrokerConfig {
            queue_bytes: 4_000,
            overflow,
            ..BrokerConfig::default()
        });
        hall.joins(1, &hello("p")).joins(2, &hello_again("slow"));
        hall.subscribes(2, "t", Q1).cut(2);
        for digit in b'0'..=b'9' {
            hall.says(1, publishing(Q1, 9, "t", &[digit; 1_200]))
                .take_acks(1);
        }
        hall.wait(Duration::from_secs(1));
        assert_eq!(dropped(&mut hall), 7, "{overflow:?}");
        assert_eq!(rest(&mut hall), kept, "{overflow:?}");
    }
}
