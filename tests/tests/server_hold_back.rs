//! Publishers that are held back, so that nothing is lost where a client reads more slowly.

use core::time::Duration;
use mqtt_proto::{Connect, Packet, Properties, Property, Publish, QoS, ReasonCode, TopicName};
use mqtt_session::Violation;
use mqtt_session::broker::{BrokerConfig, BrokerEvent, ConnectionId, EndCause, Overflow};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use std::collections::VecDeque;

const SECOND: Duration = Duration::from_secs(1);

/// A broker that keeps four messages for each client.
fn small() -> BrokerConfig {
    BrokerConfig {
        queue_messages: 4,
        overflow: Overflow::HoldBack,
        ..BrokerConfig::default()
    }
}

/// A publisher, 1, and a subscriber to everything, 2.
fn pair(config: BrokerConfig) -> Hall {
    let mut hall = hall_with(config);
    hall.joins(1, &hello("ann"))
        .joins(2, &hello("bob"))
        .subscribes(2, "#", Q2);
    hall
}

/// The subscriber's queue, filled with messages 1 to 4.
fn full(config: BrokerConfig) -> Hall {
    let mut hall = pair(config);
    for number in 1..=4 {
        hall.publishes(1, Q1, number, "t", b"x")
            .hears(1, puback(number))
            .gets(2, Q1, number, "t", b"x");
    }
    hall
}

fn dropped(hall: &mut Hall) -> u64 {
    let mut sum = 0;
    while let Some(event) = hall.event() {
        if let BrokerEvent::Dropped { count, .. } = event {
            sum += count;
        }
    }
    sum
}

#[test]
fn what_finds_a_queue_full_waits_at_its_publisher_until_there_is_room() {
    let mut hall = full(small());
    for (number, payload) in [(5, b"5"), (6, b"6"), (7, b"7")] {
        hall.publishes(1, Q1, number, "t", payload);
    }
    hall.silent();
    // What else the publisher says is heard.
    hall.says(1, Packet::PingReq).hears(1, Packet::PingResp);
    hall.says(2, puback(2))
        .hears(1, puback(5))
        .gets(2, Q1, 5, "t", b"5")
        .silent();
    hall.says(2, puback(1)).says(2, puback(3));
    for (number, payload) in [(6, b"6"), (7, b"7")] {
        hall.hears(1, puback(number))
            .gets(2, Q1, number, "t", payload);
    }
    for number in [4, 5, 6, 7] {
        hall.says(2, puback(number));
    }
    hall.wait(60 * SECOND).silent();
    assert_eq!((dropped(&mut hall), hall.broker.load().unsettled), (0, 0));
}

/// Each reads only what the other lets it: without hearing acknowledgements behind what is held
/// back, both would wait for each other.
#[test]
fn two_that_publish_to_each_other_as_fast_as_they_can_go_on() {
    const EACH: u16 = 300;
    let mut hall = hall_with(small());
    for (connection, name, topic) in [(1, "ann", "to/ann"), (2, "bob", "to/bob")] {
        hall.joins(connection, &hello(name))
            .subscribes(connection, topic, Q2);
    }
    // All that both have to say comes before either has answered anything.
    for number in 1..=EACH {
        hall.publishes(1, Q1, number, "to/bob", b"x");
        hall.publishes(2, Q2, number, "to/ann", b"x");
    }
    let mut got = [0; 2];
    let mut quiet = false;
    while !quiet {
        quiet = true;
        for connection in [1, 2] {
            while let Some(answer) = answer_to_next(&mut hall, connection, &mut got) {
                quiet = false;
                if let Some(answer) = answer {
                    hall.says_bytes(connection, &answer);
                }
            }
        }
    }
    assert_eq!(got, [EACH; 2]);
    assert_eq!((dropped(&mut hall), hall.broker.load().unsettled), (0, 0));
}

/// What a client answers to the next packet it hears, if it hears one; counts messages.
fn answer_to_next(hall: &mut Hall, connection: u64, got: &mut [u16; 2]) -> Option<Option<[u8; 4]>> {
    let packet = hall.next(connection)?;
    let packet = Packet::decode(&packet, mqtt_proto::Sender::Server).unwrap();
    let answer = match packet {
        Packet::Publish(publish) => {
            got[usize::from(connection == 2)] += 1;
            let kind = if publish.qos == Q2 { 0x50 } else { 0x40 };
            publish.packet_id.map(|id| (kind, id))
        }
        Packet::PubRec(ack) => Some((0x62, ack.packet_id)),
        Packet::PubRel(ack) => Some((0x70, ack.packet_id)),
        _ => None,
    };
    Some(answer.map(|(kind, id)| {
        let [high, low] = id.value().to_be_bytes();
        [kind, 2, high, low]
    }))
}

#[test]
fn who_subscribes_to_what_it_publishes_goes_on() {
    let mut hall = hall_with(small());
    hall.joins(1, &hello("ann")).subscribes(1, "t", Q1);
    for number in 1..=100 {
        hall.publishes(1, Q1, number, "t", b"x");
    }
    let mut got = [0; 2];
    while let Some(answer) = answer_to_next(&mut hall, 1, &mut got) {
        if let Some(answer) = answer {
            hall.says_bytes(1, &answer);
        }
    }
    assert_eq!((got[0], dropped(&mut hall)), (100, 0));
}

#[test]
fn who_makes_no_room_in_time_is_waited_for_no_more_until_half_its_queue_is_empty() {
    let mut hall = full(small());
    hall.publishes(1, Q1, 5, "t", b"5").wait(5 * SECOND);
    hall.publishes(1, Q1, 6, "t", b"6")
        .wait(14 * SECOND)
        .silent();
    hall.wait(SECOND).hears(1, puback(5));
    // What came later has waited for the same client, and goes on with it.
    hall.hears(1, puback(6)).silent();
    hall.publishes(1, Q1, 7, "t", b"7").hears(1, puback(7));
    hall.wait(2 * SECOND);
    assert_eq!(dropped(&mut hall), 3);
    // It takes what it can again, and is waited for when it has shown that it reads.
    hall.says(2, puback(1));
    hall.publishes(1, Q1, 8, "t", b"8").hears(1, puback(8));
    hall.publishes(1, Q1, 9, "t", b"9").hears(1, puback(9));
    hall.wait(2 * SECOND);
    assert_eq!(dropped(&mut hall), 1);
    hall.gets(2, Q1, 5, "t", b"8");
    for number in [2, 3] {
        hall.says(2, puback(number));
    }
    for number in 10..=12 {
        hall.publishes(1, Q1, number, "t", b"x");
    }
    hall.hears(1, puback(10))
        .hears(1, puback(11))
        .hears_nothing(1);
}

/// How long a message waits does not matter where its receiver reads on.
#[test]
fn a_client_that_reads_slowly_loses_nothing_however_long_it_takes() {
    let mut hall = pair(BrokerConfig {
        queue_messages: 100,
        ..small()
    });
    for number in 1..=300 {
        hall.publishes(1, Q1, number, "t", b"x");
    }
    for number in 1..=300 {
        hall.gets(2, Q1, number, "t", b"x")
            .wait(SECOND / 2)
            .says(2, puback(number));
    }
    assert_eq!((hall.take_acks(1), dropped(&mut hall)), (300, 0));
}

/// Less than a quarter of the queue in all the time is no progress.
#[test]
fn a_client_that_reads_next_to_nothing_is_not_waited_for() {
    let mut hall = pair(BrokerConfig {
        queue_messages: 100,
        ..small()
    });
    for number in 1..=300 {
        hall.publishes(1, Q1, number, "t", b"x");
    }
    assert_eq!(hall.take_acks(1), 100);
    for number in 1..=20 {
        hall.gets(2, Q1, number, "t", b"x").says(2, puback(number));
    }
    hall.wait(19 * SECOND);
    assert_eq!(hall.take_acks(1), 0);
    hall.wait(SECOND);
    assert_eq!(hall.take_acks(1), 200);
    hall.wait(2 * SECOND);
    assert_eq!(dropped(&mut hall), 180);
}

#[test]
fn who_always_has_something_to_say_leaves_room_to_others() {
    let mut hall = full(small());
    hall.joins(3, &hello("cy"))
        .joins(4, &hello("dora"))
        .publishes(1, Q1, 5, "t", b"ann")
        .publishes(3, Q1, 1, "t", b"cy")
        .publishes(4, Q1, 1, "t", b"dora");
    let mut number = 5;
    for _ in 0..10 {
        let mut got = Vec::new();
        for _ in 0..3 {
            number += 1;
            hall.publishes(1, Q1, number, "t", b"ann")
                .publishes(3, Q1, number, "t", b"cy")
                .publishes(4, Q1, number, "t", b"dora");
            hall.says(2, puback(number - 5));
            got.push(payload_to(&mut hall, 2));
        }
        got.sort();
        assert_eq!(got, [b"ann".to_vec(), b"cy".to_vec(), b"dora".to_vec()]);
    }
}

/// The next message that a client hears.
fn payload_to(hall: &mut Hall, connection: u64) -> Vec<u8> {
    let packet = hall.next(connection).expect("nothing came");
    match Packet::decode(&packet, mqtt_proto::Sender::Server).unwrap() {
        Packet::Publish(publish) => publish.payload.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_may_be_dropped_takes_no_room_from_what_waits_for_it() {
    let mut hall = full(BrokerConfig {
        queue_messages: 16,
        ..small()
    });
    hall.joins(3, &hello("cy"));
    for number in 5..=30 {
        hall.publishes(1, Q1, number, "t", b"x");
    }
    for number in 1..=26 {
        hall.says(2, puback(number));
        if number < 4 {
            hall.gets(2, Q1, number + 4, "t", b"x")
                .publishes(3, Q0, 0, "t", b"in between");
            continue;
        }
        hall.gets(2, Q1, number + 4, "t", b"x");
    }
    assert_eq!(hall.take_acks(1), 26);
    hall.silent().wait(2 * SECOND);
    assert_eq!(dropped(&mut hall), 3);
}

#[test]
fn others_are_not_held_up_by_a_client_that_does_not_read() {
    let mut hall = full(small());
    hall.joins(3, &hello("cy"))
        .joins(4, &hello("dora"))
        .says(
            2,
            unsubscribe(2, &[mqtt_proto::TopicFilter::new("#").unwrap()]),
        )
        .hears(2, unsuback(2, &[ReasonCode::SUCCESS]))
        .subscribes(2, "t", Q1)
        .subscribes(4, "u", Q1);
    hall.publishes(1, Q1, 5, "t", b"x").hears_nothing(1);
    for number in 1..=100 {
        hall.publishes(3, Q1, number, "u", b"x")
            .hears(3, puback(number))
            .gets(4, Q1, number, "u", b"x")
            .says(4, puback(number));
    }
    // Nor is the publisher when the client is gone.
    hall.cut(2).hears(
        1,
        Packet::PubAck(ack(5, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
    );
}

#[test]
fn a_client_without_a_connection_is_not_waited_for() {
    let mut hall = hall_with(small());
    hall.joins(1, &hello("ann"))
        .rejoins(2, &hello_again("bob"), false)
        .subscribes(2, "t", Q1)
        .cut(2)
        .forget_events();
    for number in 1..=6 {
        hall.publishes(1, Q1, number, "t", b"x")
            .hears(1, puback(number));
    }
    hall.wait(SECOND);
    assert_eq!(dropped(&mut hall), 2);
    // It is, as soon as it has one.
    hall.rejoins(3, &hello_again("bob"), true);
    hall.publishes(1, Q1, 7, "t", b"7").hears_nothing(1);
    for number in 1..=4 {
        hall.gets(3, Q1, number, "t", b"x").says(3, puback(number));
    }
    hall.hears(1, puback(7)).gets(3, Q1, 5, "t", b"7");
}

#[test]
fn what_one_client_publishes_is_taken_in_its_order() {
    let mut hall = full(small());
    hall.publishes(1, Q1, 5, "t", b"5")
        .publishes(1, Q0, 0, "t", b"at most once")
        .says(1, retaining(Q1, 6, "kept", b"6"))
        .says(1, retaining(Q0, 0, "kept", b"last"))
        .silent();
    // At QoS 0 nobody waits, and it is dropped where there is no room.
    hall.joins(3, &hello("cy"))
        .publishes(3, Q0, 0, "t", b"y")
        .silent();
    hall.says_bytes(
        2,
        b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x00\x03\x40\x02\x00\x04",
    );
    hall.hears(1, puback(5)).hears(1, puback(6));
    hall.gets(2, Q1, 5, "t", b"5")
        .gets(2, Q0, 0, "t", b"at most once");
    hall.gets(2, Q1, 6, "kept", b"6")
        .gets(2, Q0, 0, "kept", b"last");
    hall.silent();
    hall.joins(4, &hello("dora"))
        .subscribes_hearing(4, "kept", Q0);
    hall.hears(4, retaining(Q0, 0, "kept", b"last"));
}

// broker: MQTT-3.1.2-22
#[test]
fn a_publisher_that_is_not_read_is_not_taken_for_silent() {
    let mut hall = hall_with(BrokerConfig {
        held_bytes: 100,
        ..small()
    });
    let connect = Connect {
        keep_alive: 4,
        ..hello("ann")
    };
    hall.joins(1, &connect)
        .joins(2, &hello("bob"))
        .subscribes(2, "t", Q1);
    let mut number = 0;
    while hall.broker.reads(ConnectionId(1)) {
        number += 1;
        hall.publishes(1, Q1, number, "t", b"0123456789");
    }
    assert!(number > 4 && number < 15, "{number}");
    hall.wait(18 * SECOND);
    assert_eq!(hall.end_of(1), None);
    // It is given its interval from when it is read on.
    for number in 1..=4 {
        hall.says(2, puback(number));
    }
    assert!(hall.broker.reads(ConnectionId(1)));
    hall.wait(5 * SECOND);
    assert_eq!(hall.end_of(1), None);
    hall.wait(SECOND);
    assert_eq!(hall.end_of(1), Some(EndCause::KeepAlive));
}

// broker: MQTT-4.3.3-2
#[test]
fn a_publisher_that_is_cut_sends_again_what_was_held_back_and_it_comes_once() {
    for qos in [Q1, Q2] {
        let mut hall = full(small());
        hall.rejoins(3, &hello_again("cy"), false)
            .publishes(3, qos, 9, "t", b"once")
            .hears_nothing(3)
            .cut(3);
        for number in 1..=4 {
            hall.says(2, puback(number));
        }
        hall.silent();
        hall.rejoins(4, &hello_again("cy"), true)
            .says(4, publishing_again(qos, 9, "t", b"once"));
        hall.hears(4, if qos == Q1 { puback(9) } else { pubrec(9) })
            .gets(2, qos, 5, "t", b"once")
            .silent();
    }
}

#[test]
fn what_a_client_said_before_its_session_ended_counts() {
    let mut hall = full(small());
    hall.joins(3, &hello("cy")).subscribes(3, "u", Q1);
    hall.joins(4, &hello("dora"))
        .publishes(4, Q2, 1, "t", b"dropped for bob")
        .publishes(4, Q1, 2, "u", b"for cy")
        .hears_nothing(4)
        .says(4, disconnect(ReasonCode::NORMAL_DISCONNECTION));
    hall.gets(3, Q1, 1, "u", b"for cy");
    assert_eq!(
        hall.end_of(4),
        Some(EndCause::ClientDisconnect(ReasonCode::SUCCESS))
    );
}

/// What an alias stands for when its message is taken is of no concern.
#[test]
fn a_topic_alias_is_resolved_as_the_message_comes() {
    let mut hall = full(small());
    let alias = [Property::TopicAlias(1)];
    let aliased = |number, topic: Option<&'static str>| {
        Packet::Publish(Publish {
            topic: topic.map(|topic| TopicName::new(topic).unwrap()),
            properties: Properties::new(&alias),
            ..publish(Q1, number, "unused", b"x")
        })
    };
    hall.says(1, aliased(5, Some("first")))
        .says(1, aliased(6, None))
        .says(1, aliased(7, Some("second")))
        .says(1, aliased(8, None));
    for number in 1..=4 {
        hall.says(2, puback(number));
    }
    for (number, topic) in [(5, "first"), (6, "first"), (7, "second"), (8, "second")] {
        hall.hears(1, puback(number))
            .gets(2, Q1, number, topic, b"x");
    }
}

// broker: MQTT-3.3.4-9
#[test]
fn what_is_held_back_counts_against_receive_maximum() {
    let mut hall = full(BrokerConfig {
        receive_maximum: 3,
        ..small()
    });
    for number in 5..=7 {
        hall.publishes(1, Q1, number, "t", b"x");
    }
    assert_eq!(hall.end_of(1), None);
    hall.publishes(1, Q1, 8, "t", b"x");
    assert_eq!(
        hall.end_cause(1),
        EndCause::Violation(Violation::ReceiveMaximum)
    );
}

// broker: MQTT-3.3.2-6
#[test]
fn the_interval_of_a_message_that_is_held_back_counts_down() {
    let mut hall = full(small());
    let message = |number, seconds: &'static [Property<'static>]| {
        Packet::Publish(Publish {
            properties: Properties::new(seconds),
            ..publish(Q1, number, "t", b"x")
        })
    };
    hall.says(1, message(5, &[Property::MessageExpiryInterval(10)]))
        .says(1, message(6, &[Property::MessageExpiryInterval(3)]))
        .wait(4 * SECOND);
    for number in 1..=4 {
        hall.says(2, puback(number));
    }
    // The one that has expired is acknowledged, and goes nowhere.
    hall.hears(1, puback(5)).hears(1, puback(6));
    hall.hears(2, message(5, &[Property::MessageExpiryInterval(6)]))
        .silent();
}

#[test]
fn a_member_of_a_group_that_has_room_is_not_waited_for_another() {
    let mut hall = hall_with(small());
    hall.joins(1, &hello("ann"));
    for connection in [2, 3, 4] {
        let name = format!("m{connection}");
        hall.joins(connection, &hello(&name))
            .subscribes(connection, "$share/g/t", Q1);
    }
    // One of them answers, the others do not.
    let mut got = 0;
    for number in 1..=100 {
        hall.publishes(1, Q1, number, "t", b"x")
            .hears(1, puback(number));
        while hall.next(3).is_some() {
            got += 1;
            hall.says(3, puback(got));
        }
    }
    assert!(got >= 92, "{got}");
}

/// Large messages fill a queue by their bytes.
#[test]
fn a_queue_that_is_full_by_bytes_holds_back_as_well() {
    let mut hall = pair(BrokerConfig {
        queue_messages: 1_000,
        queue_bytes: 100_000,
        ..small()
    });
    let payload = vec![7; 30_000];
    let mut waits = VecDeque::new();
    for number in 1..=20 {
        hall.publishes(1, Q1, number, "t", &payload);
        waits.push_back(number);
    }
    let mut got = 0;
    while let Some(number) = waits.pop_front() {
        hall.gets(2, Q1, number, "t", &payload)
            .says(2, puback(number));
        got += 1;
    }
    assert_eq!((got, hall.take_acks(1), dropped(&mut hall)), (20, 20, 0));
    // What never fits is not waited for.
    hall.publishes(1, Q1, 21, "t", &vec![7; 200_000])
        .hears(1, puback(21));
}

#[test]
fn many_publishers_share_what_one_client_reads_and_nothing_is_lost() {
    const PUBLISHERS: u64 = 50;
    const EACH: u16 = 40;
    let mut hall = hall_with(BrokerConfig {
        queue_messages: 20,
        ..small()
    });
    hall.joins(1, &hello("reader"))
        .subscribes(1, "t", QoS::ExactlyOnce);
    for connection in 2..2 + PUBLISHERS {
        let name = format!("p{connection}");
        hall.joins(connection, &hello(&name));
        for number in 1..=EACH {
            hall.publishes(connection, Q2, number, "t", name.as_bytes());
        }
    }
    let mut got = [0; 2];
    let mut quiet = false;
    while !quiet {
        quiet = true;
        for connection in 1..2 + PUBLISHERS {
            while let Some(answer) = answer_to_next(&mut hall, connection, &mut got) {
                quiet = false;
                if let Some(answer) = answer {
                    hall.says_bytes(connection, &answer);
                }
            }
        }
    }
    assert_eq!(u64::from(got[0]), PUBLISHERS * u64::from(EACH));
    assert_eq!((dropped(&mut hall), hall.broker.load().unsettled), (0, 0));
}
