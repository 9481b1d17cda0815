//! Full queues and answers that are too large: what the broker does where something has to give.

use core::time::Duration;
use mqtt_proto::{
    Auth, Connect, Packet, Properties, Property, QoS, ReasonCode, Sender, TopicFilter,
};
use mqtt_session::Violation;
use mqtt_session::broker::{
    Access, AuthStep, Broker, BrokerAction, BrokerConfig, BrokerEvent, ConnectionId, EndCause,
    Overflow,
};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn say(qos: QoS, number: u16, topic: &'static str, payload: &'static [u8]) -> Packet<'static> {
    Packet::Publish(publish(qos, number, topic, payload))
}

/// A broker whose queues hold few messages, and whose buffers few bytes.
fn small(overflow: Overflow) -> Hall {
    hall_with(BrokerConfig {
        queue_messages: 4,
        transmit: 256,
        overflow,
        ..BrokerConfig::default()
    })
}

/// A publisher, 1, and a kept session, 2, that subscribes to everything and is not connected.
fn with_offline(overflow: Overflow) -> Hall {
    let mut hall = small(overflow);
    hall.joins(1, &hello("publisher"));
    hall.rejoins(2, &hello_again("kept"), false)
        .subscribes(2, "#", Q2)
        .cut(2)
        .forget_events();
    hall
}

fn dropped(hall: &mut Hall) -> u64 {
    let mut sum = 0;
    while let Some(event) = hall.event() {
        if let BrokerEvent::Dropped { client_id, count } = event {
            assert_eq!(&*client_id, "kept");
            sum += count;
        }
    }
    sum
}

#[test]
fn what_is_dropped_for_a_client_without_a_connection_is_told_within_a_second() {
    let mut hall = with_offline(Overflow::DropNewest);
    for number in 1..=7 {
        hall.says(1, say(Q1, number, "t", b"x"))
            .hears(1, puback(number));
    }
    assert_eq!(dropped(&mut hall), 0);
    hall.wait(Duration::from_secs(1));
    assert_eq!(dropped(&mut hall), 3);
    // And once only, until there is more.
    hall.wait(Duration::from_secs(60));
    assert_eq!(dropped(&mut hall), 0);
    hall.says(1, say(Q1, 8, "t", b"x"))
        .wait(Duration::from_secs(1));
    assert_eq!(dropped(&mut hall), 1);
}

#[test]
fn what_was_dropped_is_told_before_the_session_ends() {
    let mut hall = small(Overflow::DropNewest);
    hall.joins(1, &hello("publisher"))
        .joins(2, &hello("kept"))
        .subscribes(2, "#", Q0)
        .takes(2, 0);
    for _ in 0..300 {
        hall.says(1, say(Q0, 0, "t", b"0123456789"));
    }
    hall.forget_events().cut(2);
    assert!(matches!(
        hall.event(),
        Some(BrokerEvent::Disconnected { .. })
    ));
    assert!(matches!(hall.event(), Some(BrokerEvent::Dropped { count, .. }) if count > 200));
    assert!(matches!(
        hall.event(),
        Some(BrokerEvent::SessionEnded { .. })
    ));
}

#[test]
fn the_oldest_give_way_to_the_newest_where_that_is_the_policy() {
    let mut hall = with_offline(Overflow::DropOldest);
    for (number, payload) in [b"1", b"2", b"3", b"4", b"5", b"6"].into_iter().enumerate() {
        let number = u16::try_from(number + 1).unwrap();
        hall.says(1, say(Q1, number, "t", payload))
            .hears(1, puback(number));
    }
    hall.rejoins(3, &hello_again("kept"), true);
    for (id, payload) in [b"3", b"4", b"5", b"6"].into_iter().enumerate() {
        let id = u16::try_from(id + 1).unwrap();
        hall.hears(3, say(Q1, id, "t", payload));
    }
    hall.hears_nothing(3);
    assert_eq!(dropped(&mut hall), 2);
}

/// Messages at QoS 0 that wait for a slow client are older than one at QoS 1 that comes.
#[test]
fn a_message_at_qos_1_takes_the_place_of_the_oldest_at_qos_0_and_not_the_other_way() {
    // What is in the buffer already is dropped no more; it holds fewer messages than these.
    let mut hall = hall_with(BrokerConfig {
        queue_messages: 40,
        transmit: 256,
        overflow: Overflow::DropOldest,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("publisher"))
        .joins(2, &hello("kept"))
        .subscribes(2, "#", Q1)
        .takes(2, 0);
    let flood = |hall: &mut Hall| {
        for _ in 0..100 {
            hall.says(1, say(Q0, 0, "flood", b"0123456789"));
        }
    };
    flood(&mut hall);
    for number in 1..=2 {
        hall.says(1, say(Q1, number, "t", b"kept"))
            .hears(1, puback(number));
    }
    flood(&mut hall);
    hall.takes(2, usize::MAX);
    let mut kept = 0;
    while let Some(packet) = hall.next(2) {
        let packet = Packet::decode(&packet, Sender::Server).unwrap();
        kept += usize::from(matches!(packet, Packet::Publish(publish) if publish.qos == Q1));
    }
    assert_eq!(kept, 2);
}

#[test]
fn a_client_that_comes_back_to_a_full_queue_gets_time_to_empty_it() {
    let mut hall = small(Overflow::Disconnect);
    hall.joins(1, &hello("publisher"));
    hall.rejoins(2, &hello_again("kept"), false)
        .subscribes(2, "#", Q1);
    for number in 1..=5 {
        hall.says(1, say(Q1, number, "t", b"x"))
            .hears(1, puback(number));
    }
    assert_eq!(hall.end_cause(2), EndCause::QueueFull);
    hall.forget_events();
    hall.rejoins(3, &hello_again("kept"), true);
    hall.says(1, say(Q1, 6, "t", b"x")).hears(1, puback(6));
    for id in 1..=4 {
        hall.says(3, puback(id));
    }
    // It has made room, so that it is told again when that is used up.
    for number in 7..=11 {
        hall.says(1, say(Q1, number, "t", b"x"))
            .hears(1, puback(number));
    }
    assert_eq!(hall.end_cause(3), EndCause::QueueFull);
}

/// Who is ended because its queue is full may have a will that fills another queue.
#[test]
fn wills_of_clients_that_are_disconnected_for_full_queues_disconnect_others_once_each() {
    let mut hall = small(Overflow::Disconnect);
    hall.joins(1, &hello("publisher"));
    let will = |topic| mqtt_proto::Will {
        qos: Q1,
        retain: false,
        topic: mqtt_proto::TopicName::new(topic).unwrap(),
        payload: b"gone",
        properties: Properties::EMPTY,
    };
    for connection in 2..=5 {
        let name = format!("c{connection}");
        let connect = Connect {
            will: Some(will("t")),
            ..hello(&name)
        };
        hall.joins(connection, &connect)
            .subscribes(connection, "t", Q1);
    }
    for number in 1..=6 {
        hall.says(1, say(Q1, number, "t", b"x"));
    }
    for connection in 2..=5 {
        assert_eq!(hall.end_cause(connection), EndCause::QueueFull);
    }
    assert_eq!(hall.broker.load().connections, 1);
    assert_eq!(hall.broker.load().sessions, 1);
}

/// The broker's side of a connection may have been polled away before the caller closes it.
#[test]
fn a_number_that_comes_back_is_not_closed_for_the_connection_before() {
    let mut broker = Broker::new(BrokerConfig::default());
    let (now, id) = (mqtt_session::Instant::from_secs(1), ConnectionId(1));
    broker.opened(now, id);
    broker.received(now, id, b"not MQTT at all");
    // Until the caller has been told, or says so itself, the number is in use.
    broker.opened(now, id);
    broker.received(
        now,
        id,
        b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02me",
    );
    assert!(!broker.reads(id));
    broker.closed(now, id);
    broker.opened(now, id);
    assert!(broker.reads(id));
    let mut actions = Vec::new();
    loop {
        match broker.poll(now) {
            BrokerAction::Timeout(_) => break,
            BrokerAction::Event(event) => actions.push(event),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(actions.len(), 1);
    assert_eq!(broker.load().connections, 1);
}

#[test]
fn a_subscribe_whose_suback_can_never_be_sent_is_refused_whole() {
    let mut hall = small(Overflow::DropNewest);
    hall.joins(1, &hello("greedy"));
    let names: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let filters: Vec<_> = names.iter().map(|name| filter(name, Q0)).collect();
    hall.says(1, subscribe(1, &filters[..200]));
    hall.hears_what(1, |packet| {
        assert!(matches!(packet, Packet::SubAck(suback) if suback.reasons.iter().count() == 200));
    });
    hall.says(1, subscribe(2, &filters));
    hall.is_disconnected(1, ReasonCode::PACKET_TOO_LARGE);
    let violation = Violation::AnswerTooLarge(mqtt_proto::PacketType::Subscribe);
    assert_eq!(hall.end_cause(1), EndCause::Violation(violation));
}

#[test]
fn a_subscribe_whose_suback_its_client_would_not_take_subscribes_to_nothing() {
    let mut hall = hall();
    let small = [
        Property::MaximumPacketSize(100),
        Property::SessionExpiryInterval(100),
    ];
    let connect = Connect {
        properties: Properties::new(&small),
        ..hello("small")
    };
    hall.joins(1, &connect);
    let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let filters: Vec<_> = names.iter().map(|name| filter(name, Q0)).collect();
    hall.says(1, subscribe(1, &filters));
    hall.is_disconnected(1, ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(hall.broker.load().subscriptions, 0);

    // UNSUBSCRIBE alike.
    hall.joins(2, &connect).subscribes(2, "1", Q0);
    let filters: Vec<_> = names
        .iter()
        .map(|name| TopicFilter::new(name).unwrap())
        .collect();
    hall.says(
        2,
        Packet::Unsubscribe(mqtt_proto::Unsubscribe {
            packet_id: mqtt_proto::PacketId::new(1).unwrap(),
            properties: Properties::EMPTY,
            filters: mqtt_proto::Filters::new(&filters),
        }),
    );
    hall.is_disconnected(2, ReasonCode::PACKET_TOO_LARGE);
    assert_eq!(hall.broker.load().subscriptions, 1);
}

/// A broker whose words in CONNACK have no room in its buffer.
#[test]
fn a_connack_that_never_finds_room_is_replaced_by_a_refusal() {
    const LONG: &str = match core::str::from_utf8(&[b'r'; 300]) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    };
    let mut hall = hall_with(BrokerConfig {
        transmit: 256,
        response_information: Some(LONG),
        ..BrokerConfig::default()
    });
    let asks = [Property::RequestResponseInformation(true)];
    let connect = Connect {
        properties: Properties::new(&asks),
        ..hello("curious")
    };
    hall.opens(1).says(1, Packet::Connect(connect));
    hall.hears(1, refused(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR))
        .is_closed(1);
    assert_eq!(hall.broker.load().sessions, 0);
    hall.joins(2, &hello("curious"));
}

/// Answers every step of an authentication with a long challenge.
#[derive(Default)]
struct Endless {
    steps: usize,
}

impl Access for Endless {
    fn authenticate(&mut self, _: ConnectionId, _: &str, _: Option<&[u8]>) -> AuthStep {
        self.steps += 1;
        AuthStep::Continue(vec![0; 1_000])
    }
}

#[test]
fn a_client_that_reads_no_challenge_gets_no_second_one() {
    let mut hall = Hall::new(Broker::with_access(
        BrokerConfig::default(),
        Endless::default(),
    ));
    let method = [Property::AuthenticationMethod("endless")];
    let connect = Connect {
        properties: Properties::new(&method),
        ..hello("prover")
    };
    let auth = Packet::Auth(Auth {
        reason: ReasonCode::CONTINUE_AUTHENTICATION,
        properties: Properties::new(&method),
    })
    .to_vec(Sender::Client)
    .unwrap();
    hall.opens(1).takes(1, 0);
    hall.says(1, Packet::Connect(connect));
    hall.says_bytes(1, &auth.repeat(5_000));
    assert_eq!(hall.broker.access().steps, 1);
    assert!(!hall.broker.reads(ConnectionId(1)));
    // It goes on as it reads.
    hall.takes(1, usize::MAX);
    assert_eq!(hall.broker.access().steps, 5_001);
    assert!(hall.broker.reads(ConnectionId(1)));
    hall.wait(Duration::from_secs(10));
    assert_eq!(hall.end_cause(1), EndCause::ConnectTimeout);
}

/// Identifiers of earlier connections are held as well; what goes beyond is not routed, so that
/// it is not routed twice.
#[test]
fn a_qos_2_message_that_cannot_be_remembered_is_not_routed() {
    let mut hall = hall_with(BrokerConfig {
        receive_maximum: 2,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("subscriber")).subscribes(1, "t", Q0);
    let mut next = 1;
    let mut routed = 0;
    let mut ended = None;
    for connection in 2..10 {
        hall.joins(connection, &{
            let mut connect = hello_again("holder");
            connect.clean_start = false;
            connect
        });
        for _ in 0..2 {
            hall.says(connection, say(Q2, next, "t", b"x"));
            next += 1;
            match hall.next(connection) {
                Some(packet) if packet[0] == 0x50 => routed += 1,
                _ => ended = Some(connection),
            }
            if ended.is_some() {
                break;
            }
        }
        if ended.is_some() {
            break;
        }
        hall.cut(connection);
    }
    let ended = ended.expect("held without end");
    assert_eq!(
        hall.end_cause(ended),
        EndCause::Violation(Violation::ReceiveMaximum)
    );
    let mut heard = 0;
    while hall.next(1).is_some() {
        heard += 1;
    }
    assert_eq!(heard, routed);
}
