//! Hostile clients: each is ended with its own cause or held within its bounds, and a pair of
//! well-behaved clients exchanges QoS 2 messages throughout.

use core::time::Duration;
use mqtt_proto::{
    Connect, DecodeErrorKind, Packet, PacketType, Properties, Property, Publish, ReasonCode,
    Sender, TopicName, Will,
};
use mqtt_session::Violation;
use mqtt_session::broker::{BrokerConfig, ConnectionId, EndCause, Overflow};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use proptest::prelude::*;

/// The well-behaved pair.
const TELLER: u64 = 1_000_001;
const HEARER: u64 = 1_000_002;

/// A hall with the pair in it.
fn hall_with_pair(config: BrokerConfig) -> Hall {
    let mut hall = hall_with(config);
    hall.joins(TELLER, &hello("teller"))
        .joins(HEARER, &hello("hearer"))
        .subscribes(HEARER, "pair/#", Q2);
    pair_talks(&mut hall);
    hall
}

/// One QoS 2 message from one to the other, every packet of it as it should be.
#[track_caller]
fn pair_talks(hall: &mut Hall) {
    hall.publishes(TELLER, Q2, 7, "pair/x", b"well");
    hall.hears(TELLER, pubrec(7)).says(TELLER, pubrel(7));
    hall.hears(TELLER, pubcomp(7));
    let id = hall.hears_what(HEARER, |packet| match packet {
        Packet::Publish(publish) => {
            assert_eq!((publish.qos, publish.payload), (Q2, &b"well"[..]));
            publish.packet_id.expect("QoS 2 has one").value()
        }
        other => panic!("{other:?}"),
    });
    hall.says(HEARER, pubrec(id)).hears(HEARER, pubrel(id));
    hall.says(HEARER, pubcomp(id));
    hall.hears_nothing(HEARER).hears_nothing(TELLER);
}

fn bytes_of(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).expect("a valid packet")
}

/// 65,535 bytes, of which 30,000 are separators.
fn deepest() -> String {
    let mut topic = "ab/".repeat(5_535);
    topic.push_str(&"a/".repeat(24_465));
    topic.truncate(65_535);
    while topic.matches('/').count() > 30_000 {
        let at = topic.find('/').unwrap();
        topic.replace_range(at..=at, "x");
    }
    assert_eq!(topic.len(), 65_535);
    topic
}

#[track_caller]
fn violation(hall: &mut Hall, connection: u64) -> Violation {
    match hall.end_cause(connection) {
        EndCause::Violation(violation) => violation,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_end_in_a_cause_or_a_time_limit(
        streams in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 1..6),
        piece in 1usize..50,
    ) {
        let mut hall = hall_with_pair(BrokerConfig::default());
        for (id, (joins, bytes)) in (1u64..).zip(&streams) {
            if *joins {
                let connect = Connect { keep_alive: 10, ..hello("x") };
                hall.joins(id, &Connect { client_id: &format!("h{id}"), ..connect });
            } else {
                hall.opens(id);
            }
            for piece in bytes.chunks(piece) {
                hall.says_bytes(id, piece);
            }
        }
        pair_talks(&mut hall);
        hall.wait(Duration::from_secs(20));
        for (id, _) in (1u64..).zip(&streams) {
            hall.end_cause(id);
        }
        pair_talks(&mut hall);
        prop_assert_eq!(hall.broker.load().connections, 2);
    }
}

/// Anything that looked at the packet, or moved it, with each byte would take 10^12 steps.
#[test]
fn a_large_packet_may_come_byte_by_byte() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    hall.joins(1, &hello("slow")).subscribes(HEARER, "slow", Q0);
    let payload = vec![b'.'; (1 << 20) - 20];
    let bytes = bytes_of(&publishing(Q0, 0, "slow", &payload));
    for byte in &bytes {
        hall.broker
            .received(hall.now, ConnectionId(1), core::slice::from_ref(byte));
    }
    hall.run().gets(HEARER, Q0, 0, "slow", &payload);
    pair_talks(&mut hall);
}

#[test]
fn a_length_beyond_the_bound_ends_it_before_anything_is_kept() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    // 256 MiB of CONNECT, and of PUBLISH.
    hall.opens(1).says_bytes(1, &[0x10, 0xff, 0xff, 0xff, 0x7f]);
    hall.hears(1, refused(ReasonCode::PACKET_TOO_LARGE))
        .is_closed(1);
    hall.joins(2, &hello("x"))
        .says_bytes(2, &[0x30, 0xff, 0xff, 0xff, 0x7f])
        .is_disconnected(2, ReasonCode::PACKET_TOO_LARGE);
    for connection in [1, 2] {
        let Violation::Packet(error) = violation(&mut hall, connection) else {
            panic!("a packet")
        };
        assert!(matches!(error.kind(), DecodeErrorKind::TooLarge { .. }));
    }
    pair_talks(&mut hall);
}

#[test]
fn what_comes_behind_a_packet_that_ends_it_is_not_looked_at() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    let behind = bytes_of(&publishing(Q0, 0, "pair/x", b"behind"));
    let enders = [
        bytes_of(&disconnect(ReasonCode::SUCCESS)),
        bytes_of(&Packet::Connect(hello("again"))),
        vec![0x00, 0x00],
        vec![0x36, 0x00],
        bytes_of(&Packet::Publish(Publish {
            topic: None,
            properties: Properties::new(&[Property::TopicAlias(9)]),
            ..publish(Q0, 0, "x", b"")
        })),
    ];
    for (connection, ender) in (1u64..).zip(enders) {
        hall.joins(connection, &hello("x"));
        let mut bytes = ender;
        bytes.extend_from_slice(&behind);
        hall.says_bytes(connection, &bytes);
        hall.says_bytes(connection, &behind);
        hall.end_cause(connection);
        hall.hears_nothing(HEARER);
    }
    pair_talks(&mut hall);
}

#[test]
fn ten_thousand_that_never_say_connect_are_closed_each_with_its_event() {
    const MANY: u64 = 10_000;
    let mut hall = hall_with_pair(BrokerConfig::default());
    for connection in 1..=MANY {
        hall.opens(connection);
        // Some begin one.
        if connection % 3 == 0 {
            hall.says_bytes(connection, b"\x10\x40\x00\x04MQTT\x05");
        }
    }
    assert_eq!(hall.broker.load().connections as u64, MANY + 2);
    pair_talks(&mut hall);
    hall.wait(Duration::from_secs(10));
    for connection in [1, 3, MANY] {
        assert_eq!(hall.end_cause(connection), EndCause::ConnectTimeout);
        hall.is_closed(connection);
    }
    let mut ended = 0;
    while let Some(event) = hall.event() {
        ended += u64::from(matches!(
            event,
            mqtt_session::broker::BrokerEvent::Disconnected {
                cause: EndCause::ConnectTimeout,
                client_id: None,
                ..
            }
        ));
    }
    assert_eq!(ended, MANY);
    assert_eq!(hall.broker.load().connections, 2);
    pair_talks(&mut hall);
}

#[test]
fn a_flood_of_connects_of_one_client_leaves_one_session_and_one_connection() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    for connection in 1..=1_000 {
        hall.joins(connection, &hello_again("same"));
        if connection == 1 {
            hall.subscribes(connection, "storm", Q1);
        } else {
            // What its predecessor left unacknowledged comes again.
            hall.hears_what(connection, |packet| {
                assert!(matches!(packet, Packet::Publish(publish) if publish.dup));
            });
            let mut last = Vec::new();
            while let Some(packet) = hall.next(connection - 1) {
                last = packet;
            }
            let told = disconnect(ReasonCode::SESSION_TAKEN_OVER);
            assert_eq!(last, told.to_vec(Sender::Server).unwrap());
            hall.is_closed(connection - 1);
            assert_eq!(hall.end_cause(connection - 1), EndCause::TakenOver);
            hall.forget_events();
        }
        if connection % 50 == 1 {
            hall.publishes(TELLER, Q1, 1, "storm", b"x")
                .hears(TELLER, puback(1));
        }
        if connection % 100 == 0 {
            pair_talks(&mut hall);
        }
    }
    assert_eq!(hall.broker.load().connections, 3);
    assert_eq!(hall.broker.load().sessions, 3);
    assert_eq!(hall.broker.load().subscriptions, 2);
    assert_eq!(hall.broker.load().unsettled, 20);
}

#[test]
fn those_taken_over_that_take_no_byte_are_closed_in_time() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    for connection in 1..=100 {
        hall.opens(connection)
            .takes(connection, 0)
            .says(connection, Packet::Connect(hello_again("same")));
    }
    assert_eq!(hall.broker.load().connections, 102);
    hall.wait(Duration::from_secs(5));
    // The last one is alive, but takes nothing.
    assert_eq!(hall.broker.load().connections, 3);
    hall.wait(Duration::from_secs(30));
    assert_eq!(hall.end_cause(100), EndCause::SendTimeout);
    pair_talks(&mut hall);
}

#[test]
fn the_deepest_topic_there_can_be_costs_nobody_else_anything() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    let topic = deepest();
    hall.joins(1, &hello("deep")).joins(2, &hello("all"));
    hall.subscribes(2, "+/+/+/#", Q0);
    // As a topic.
    hall.publishes(1, Q1, 1, &topic, b"x").hears(1, puback(1));
    hall.gets(2, Q0, 0, &topic, b"x");
    // Retained: routed to nobody, since it is refused.
    hall.says(1, retaining(Q1, 2, &topic, b"x"));
    hall.hears(1, Packet::PubAck(ack(2, ReasonCode::QUOTA_EXCEEDED)));
    assert_eq!(hall.broker.load().retained, 0);
    // As a filter, once with wildcards on every level that has room for one.
    let wild = "+/".repeat(30_000);
    for filters in [&topic, &wild] {
        hall.says(1, subscribe(3, &[filter(filters, Q2)]));
        hall.hears(1, suback(3, &[ReasonCode::QUOTA_EXCEEDED]));
    }
    assert_eq!(hall.broker.load().subscriptions, 2);
    // As a will, as long as a CONNECT may be.
    let will = topic.split_at(64_000).0;
    let connect = Connect {
        will: Some(Will {
            qos: Q1,
            retain: true,
            topic: TopicName::new(will).unwrap(),
            payload: b"gone",
            properties: Properties::EMPTY,
        }),
        ..hello("mourned")
    };
    hall.joins(3, &connect).cut(3);
    hall.gets(2, Q0, 0, will, b"gone");
    assert_eq!(hall.broker.load().retained, 0);
    pair_talks(&mut hall);
}

#[test]
fn filters_of_wildcards_only_match_topics_of_their_depth() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    hall.joins(1, &hello("wild")).joins(2, &hello("deep"));
    let levels = |count: usize, level: &str| vec![level; count].join("/");
    for depth in 1..=128 {
        hall.says(1, subscribe(1, &[filter(&levels(depth, "+"), Q0)]));
        hall.hears(1, suback(1, &[ReasonCode::GRANTED_QOS_0]));
    }
    hall.says(1, subscribe(1, &[filter(&levels(129, "+"), Q0)]));
    hall.hears(1, suback(1, &[ReasonCode::QUOTA_EXCEEDED]));
    for depth in [1, 128, 129, 20_000] {
        let topic = levels(depth, "a");
        hall.publishes(2, Q0, 0, &topic, b"x");
        if depth <= 128 {
            hall.gets(1, Q0, 0, &topic, b"x");
        }
        hall.hears_nothing(1);
    }
    pair_talks(&mut hall);
}

#[test]
fn a_flood_of_subscriptions_ends_at_the_bound_and_leaves_nothing_behind() {
    let mut hall = hall_with_pair(BrokerConfig {
        subscriptions: 2_000,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("greedy"));
    for round in 0..30 {
        let names: Vec<String> = (0..100).map(|n| format!("f/{round}/{n}/+")).collect();
        let filters: Vec<_> = names.iter().map(|name| filter(name, Q0)).collect();
        hall.says(1, subscribe(1, &filters));
        let expected = if round < 20 {
            ReasonCode::GRANTED_QOS_0
        } else {
            ReasonCode::QUOTA_EXCEEDED
        };
        hall.hears(1, suback(1, &[expected; 100]));
    }
    assert_eq!(hall.broker.load().subscriptions, 2_001);
    // One that is held may still be replaced.
    hall.says(1, subscribe(2, &[filter("f/0/0/+", Q2)]));
    hall.hears(1, suback(2, &[ReasonCode::GRANTED_QOS_2]));
    hall.cut(1);
    assert_eq!(hall.broker.load().subscriptions, 1);
    pair_talks(&mut hall);
}

#[test]
fn long_filters_count_by_their_bytes() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    hall.joins(1, &hello("greedy"));
    let long = "x".repeat(60_000);
    let granted = |hall: &mut Hall, name: &str| {
        hall.says(1, subscribe(1, &[filter(name, Q0)]));
        hall.hears_what(1, |packet| match packet {
            Packet::SubAck(suback) => !suback.reasons.iter().any(ReasonCode::is_failure),
            other => panic!("{other:?}"),
        })
    };
    let mut names = (0..100).map(|n| format!("{n}/{long}"));
    let held: Vec<String> = names
        .by_ref()
        .take_while(|name| granted(&mut hall, name))
        .collect();
    assert_eq!(held.len(), (1 << 20) / 60_003);
    // One less is one more.
    assert!(!granted(&mut hall, &names.next().unwrap()));
    hall.says(
        1,
        unsubscribe(1, &[mqtt_proto::TopicFilter::new(&held[0]).unwrap()]),
    );
    hall.hears(1, unsuback(1, &[ReasonCode::SUCCESS]));
    assert!(granted(&mut hall, &names.next().unwrap()));
    pair_talks(&mut hall);
}

#[test]
fn who_never_reads_is_given_up_and_who_publishes_to_it_is_not_held_up() {
    let mut hall = hall_with_pair(BrokerConfig {
        queue_messages: 1_000,
        overflow: Overflow::DropNewest,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("deaf"))
        .subscribes(1, "#", Q2)
        .takes(1, 0);
    hall.joins(2, &hello("loud"));
    for number in 1..=5_000 {
        hall.publishes(2, Q1, number, "noise", b"0123456789")
            .hears(2, puback(number));
        if number % 1_000 == 0 {
            pair_talks(&mut hall);
        }
    }
    assert!(hall.broker.load().unsettled <= 1_000);
    hall.wait(Duration::from_secs(30));
    assert_eq!(hall.end_cause(1), EndCause::SendTimeout);
    assert_eq!(hall.broker.load().unsettled, 0);
    pair_talks(&mut hall);
}

#[test]
fn who_never_acknowledges_gets_as_many_as_it_allows_and_no_more_wait_than_may() {
    let mut hall = hall_with_pair(BrokerConfig {
        queue_messages: 50,
        overflow: Overflow::DropNewest,
        ..BrokerConfig::default()
    });
    let five = [Property::ReceiveMaximum(5)];
    let connect = Connect {
        properties: Properties::new(&five),
        ..hello("mute")
    };
    hall.joins(1, &connect).subscribes(1, "noise", Q2);
    hall.joins(2, &hello("loud"));
    for number in 1..=500 {
        hall.publishes(2, Q1, number, "noise", b"x")
            .hears(2, puback(number));
    }
    for id in 1..=5 {
        hall.gets(1, Q1, id, "noise", b"x");
    }
    hall.hears_nothing(1);
    assert_eq!(hall.broker.load().unsettled, 50);
    pair_talks(&mut hall);
}

#[test]
fn acknowledgements_of_nothing_are_answered_as_fast_as_the_answers_are_read() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    for (connection, packet, answered) in [
        (1, puback(9), false),
        (2, pubcomp(9), false),
        (3, pubrec(9), true),
        (4, pubrel(9), true),
    ] {
        hall.joins(connection, &hello(&format!("h{connection}")))
            .takes(connection, 0);
        let flood = bytes_of(&packet).repeat(1_000);
        let mut said = 0;
        // As much as would be read of it, and no end to it.
        while hall.broker.reads(ConnectionId(connection)) && said < 1_000 {
            hall.says_bytes(connection, &flood);
            said += 1;
        }
        assert_eq!(said < 1_000, answered, "{packet:?}");
        pair_talks(&mut hall);
        hall.takes(connection, usize::MAX);
        let mut heard = 0;
        while hall.next(connection).is_some() {
            heard += 1;
        }
        assert_eq!(heard, if answered { said * 1_000 } else { 0 });
        assert!(hall.broker.reads(ConnectionId(connection)));
    }
    pair_talks(&mut hall);
}

#[test]
fn pings_are_answered_as_fast_as_the_answers_are_read() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    hall.joins(1, &hello("pinging")).takes(1, 0);
    let flood = bytes_of(&Packet::PingReq).repeat(10_000);
    let mut said = 0;
    while hall.broker.reads(ConnectionId(1)) {
        hall.says_bytes(1, &flood);
        said += 10_000;
        assert!(said < 1_000_000, "read without end");
    }
    // A little room is not looked at each time.
    hall.takes(1, 1_000).takes(1, usize::MAX);
    let mut heard = 0;
    while hall.next(1).is_some() {
        heard += 1;
    }
    assert_eq!(heard, said);
    pair_talks(&mut hall);
}

#[test]
fn aliases_out_of_range_and_never_set_are_told_apart() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    let aliased = |topic: Option<&'static str>, alias: &'static [Property<'static>]| {
        Packet::Publish(Publish {
            topic: topic.map(|topic| TopicName::new(topic).unwrap()),
            properties: Properties::new(alias),
            ..publish(Q0, 0, "x", b"x")
        })
    };
    for (connection, topic, alias, found) in [
        (
            1,
            Some("t"),
            &[Property::TopicAlias(33)],
            Violation::TopicAlias(33),
        ),
        (
            2,
            Some("t"),
            &[Property::TopicAlias(65_535)],
            Violation::TopicAlias(65_535),
        ),
        (
            3,
            None,
            &[Property::TopicAlias(32)],
            Violation::UnknownTopicAlias(32),
        ),
    ] {
        hall.joins(connection, &hello("x"))
            .says(connection, aliased(topic, alias));
        assert_eq!(violation(&mut hall, connection), found);
        hall.hears_what(connection, |packet| {
            assert!(matches!(packet, Packet::Disconnect(told) if told.reason == found.reason()));
        });
    }
    pair_talks(&mut hall);
}

#[test]
fn identifiers_held_open_are_bounded_and_deliver_once() {
    let mut hall = hall_with_pair(BrokerConfig {
        receive_maximum: 10,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("holder"))
        .subscribes(HEARER, "held", Q0);
    for number in 1..=10 {
        // Twice each: an identifier in use stands for the message that has it.
        for _ in 0..2 {
            hall.publishes(1, Q2, number, "held", b"x")
                .hears(1, pubrec(number));
        }
        hall.gets(HEARER, Q0, 0, "held", b"x").hears_nothing(HEARER);
    }
    hall.publishes(1, Q2, 11, "held", b"x")
        .is_disconnected(1, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
    assert_eq!(violation(&mut hall, 1), Violation::ReceiveMaximum);
    hall.hears_nothing(HEARER);
    pair_talks(&mut hall);
}

/// More than Receive Maximum without reading an answer, at QoS 1.
#[test]
fn messages_beyond_receive_maximum_end_it_when_no_answer_was_read() {
    let mut hall = hall_with_pair(BrokerConfig {
        receive_maximum: 10,
        transmit: 256,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("hasty")).takes(1, 0);
    let mut ended = false;
    for number in 1..=1_000 {
        hall.publishes(1, Q1, number, "x", b"x");
        if hall.end_of(1).is_some() {
            ended = true;
            break;
        }
    }
    assert!(ended, "held without end");
    assert_eq!(violation(&mut hall, 1), Violation::ReceiveMaximum);
    pair_talks(&mut hall);
}

#[test]
fn a_flood_of_retained_messages_ends_at_the_bounds_and_may_be_taken_back() {
    let mut hall = hall_with_pair(BrokerConfig {
        retained_messages: 100,
        retained_bytes: 20_000,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("flooder"));
    let keep = |hall: &mut Hall, topic: &str, payload: &[u8]| -> ReasonCode {
        hall.says(1, retaining(Q1, 1, topic, payload));
        hall.hears_what(1, |packet| match packet {
            Packet::PubAck(ack) => ack.reason,
            other => panic!("{other:?}"),
        })
    };
    const KEPT: ReasonCode = ReasonCode::NO_MATCHING_SUBSCRIBERS;
    for number in 0..100 {
        assert_eq!(keep(&mut hall, &format!("r/{number}"), b"x"), KEPT);
    }
    for number in 100..1_000 {
        let reason = keep(&mut hall, &format!("r/{number}"), b"x");
        assert_eq!(reason, ReasonCode::QUOTA_EXCEEDED);
    }
    assert_eq!(hall.broker.load().retained, 100);
    // Replacing is no more of them, but may be more bytes.
    assert_eq!(keep(&mut hall, "r/0", &[0; 10_000]), KEPT);
    assert_eq!(
        keep(&mut hall, "r/1", &[0; 10_000]),
        ReasonCode::QUOTA_EXCEEDED
    );
    for number in 0..100 {
        assert_eq!(keep(&mut hall, &format!("r/{number}"), b""), KEPT);
    }
    assert_eq!(hall.broker.load().retained, 0);
    pair_talks(&mut hall);
}

#[test]
fn retained_messages_that_have_expired_make_room_for_others() {
    let mut hall = hall_with_pair(BrokerConfig {
        retained_messages: 3,
        ..BrokerConfig::default()
    });
    let lives = [Property::MessageExpiryInterval(5)];
    for topic in ["a", "$b", "a/c"] {
        hall.says(
            TELLER,
            Packet::Publish(Publish {
                retain: true,
                properties: Properties::new(&lives),
                ..publish(Q0, 0, topic, b"x")
            }),
        );
    }
    let refused = Packet::PubAck(ack(1, ReasonCode::QUOTA_EXCEEDED));
    let taken = Packet::PubAck(ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS));
    hall.says(TELLER, retaining(Q1, 1, "d", b"x"))
        .hears(TELLER, refused);
    hall.wait(Duration::from_secs(5));
    hall.says(TELLER, retaining(Q1, 1, "d", b"x"))
        .hears(TELLER, taken);
    assert_eq!(hall.broker.load().retained, 1);
    pair_talks(&mut hall);
}

#[test]
fn calls_for_connections_that_are_unknown_or_over_do_nothing() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    let nobody = ConnectionId(77);
    hall.broker.received(hall.now, nobody, b"x");
    hall.broker.sent(hall.now, nobody, usize::MAX);
    hall.broker.closed(hall.now, nobody);
    hall.broker
        .disconnect(hall.now, nobody, ReasonCode::ADMINISTRATIVE_ACTION);
    assert!(!hall.broker.reads(nobody));
    // More is said to have been taken than was offered, and before anything was.
    hall.joins(1, &hello("x"));
    hall.broker.sent(hall.now, ConnectionId(1), usize::MAX);
    hall.takes(1, 0).says(1, Packet::PingReq);
    hall.broker.sent(hall.now, ConnectionId(1), usize::MAX);
    hall.broker.sent(hall.now, ConnectionId(1), usize::MAX);
    hall.takes(1, usize::MAX);
    hall.says(1, Packet::PingReq);
    hall.hears(1, Packet::PingResp).hears_nothing(1);
    pair_talks(&mut hall);
}

#[test]
fn a_packet_that_only_servers_send_is_told_as_what_it_is() {
    let mut hall = hall_with_pair(BrokerConfig::default());
    for (connection, packet) in (1u64..).zip([
        PacketType::ConnAck,
        PacketType::SubAck,
        PacketType::UnsubAck,
        PacketType::PingResp,
    ]) {
        hall.joins(connection, &hello("x"))
            .says_bytes(connection, &[(packet as u8) << 4, 0]);
        match violation(&mut hall, connection) {
            Violation::Packet(error) => assert_eq!(error.packet_type(), Some(packet)),
            Violation::Unexpected(found) => assert_eq!(found, packet),
            other => panic!("{other:?}"),
        }
        hall.hears_what(connection, |packet| {
            assert!(matches!(packet, Packet::Disconnect(_)));
        });
    }
    pair_talks(&mut hall);
}

/// Each policy that drops keeps the pair exchanging while another client's queue is full all the time.
#[test]
fn a_full_queue_is_the_business_of_its_client_alone() {
    for overflow in [
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::Disconnect,
    ] {
        let mut hall = hall_with_pair(BrokerConfig {
            queue_messages: 20,
            queue_bytes: 2_000,
            overflow,
            ..BrokerConfig::default()
        });
        hall.joins(1, &hello("loud"));
        let mut connection = 2;
        hall.joins(connection, &hello_again("mute"))
            .subscribes(connection, "noise", Q2);
        for number in 1..=500u16 {
            hall.publishes(1, Q1, number, "noise", &vec![0; usize::from(number % 300)])
                .hears(1, puback(number));
            if hall.end_of(connection).is_some() {
                connection += 1;
                hall.joins(connection, &hello_again("mute"));
            }
            if number % 50 == 0 {
                pair_talks(&mut hall);
            }
        }
        assert!(hall.broker.load().unsettled <= 20);
        let once = usize::from(overflow == Overflow::Disconnect);
        assert_eq!(connection, 2 + once as u64, "{overflow:?}");
    }
}
