//! Subscribing and unsubscribing: each request has its own answer, and each filter its own result.

use core::time::Duration;
use mqtt_proto::{Filters, Packet, PacketId};
use mqtt_proto::{
    PacketType, Properties, QoS, ReasonCode, RetainHandling, Subscribe, Subscription,
    SubscriptionOptions, Subscriptions, TopicFilter, Unsubscribe,
};
use mqtt_session::{Cause, Config, Connect, Fixed, GiveUp, Heap, Property, Ticket, Violation};
use mqtt_tests::talk::*;

const GRANTED_0: ReasonCode = ReasonCode::GRANTED_QOS_0;
const GRANTED_1: ReasonCode = ReasonCode::GRANTED_QOS_1;
const GRANTED_2: ReasonCode = ReasonCode::GRANTED_QOS_2;
const REFUSED: ReasonCode = ReasonCode::NOT_AUTHORIZED;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn subscription(text: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: filter(text),
        options: SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        },
    }
}

/// Subscribes to filters at QoS 2, and the packet leaves: its identifier is `id`.
#[track_caller]
fn subscribes(talk: &mut Talk<Heap>, id: u16, filters: &[&str]) -> Ticket {
    let subscriptions: Vec<_> = filters
        .iter()
        .map(|text| subscription(text, QoS::ExactlyOnce))
        .collect();
    let ticket = talk
        .client
        .subscribe(talk.now, &subscriptions, &[])
        .unwrap();
    talk.sends(Packet::Subscribe(Subscribe {
        packet_id: PacketId::new(id).unwrap(),
        properties: Properties::EMPTY,
        subscriptions: Subscriptions::new(&subscriptions),
    }));
    ticket
}

/// Unsubscribes, and the packet leaves: its identifier is `id`.
#[track_caller]
fn unsubscribes(talk: &mut Talk<Heap>, id: u16, filters: &[&str]) -> Ticket {
    let filters: Vec<_> = filters.iter().map(|text| filter(text)).collect();
    let ticket = talk.client.unsubscribe(talk.now, &filters, &[]).unwrap();
    talk.sends(Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketId::new(id).unwrap(),
        properties: Properties::EMPTY,
        filters: Filters::new(&filters),
    }));
    ticket
}

#[test]
fn a_subscription_leaves_with_all_its_options() {
    let mut talk = connected(Config::default());
    let all = [Subscription {
        filter: filter("a/+"),
        options: SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        },
    }];
    let properties = [
        Property::SubscriptionIdentifier(300),
        Property::UserProperty("k", "v"),
    ];
    talk.client.subscribe(talk.now, &all, &properties).unwrap();
    talk.sends_bytes(&[
        0x82, 19, 0, 1, 10, 0x0b, 0xac, 0x02, 0x26, 0, 1, b'k', 0, 1, b'v', 0, 3, b'a', b'/', b'+',
        0x2d,
    ])
    .quiet();
    let user = [Property::UserProperty("k", "v")];
    talk.client
        .unsubscribe(talk.now, &[filter("a/+")], &user)
        .unwrap();
    talk.sends_bytes(&[
        0xa2, 15, 0, 2, 7, 0x26, 0, 1, b'k', 0, 1, b'v', 0, 3, b'a', b'/', b'+',
    ])
    .quiet();
}

// covers: MQTT-3.8.4-1, MQTT-3.10.4-4
#[test]
fn a_request_is_open_until_it_is_answered_or_the_connection_ends() {
    let mut talk = connected(Config::default());
    let subscribed = subscribes(&mut talk, 1, &["a"]);
    let unsubscribed = unsubscribes(&mut talk, 2, &["b"]);
    talk.wait(Duration::from_secs(29)).quiet();
    talk.server(suback(1, &[GRANTED_0]))
        .tells(Told::Subscribed(subscribed, vec![GRANTED_0]));
    talk.server(unsuback(2, &[ReasonCode::SUCCESS]))
        .tells(Told::Unsubscribed(unsubscribed, vec![ReasonCode::SUCCESS]))
        .quiet();

    let subscribed = subscribes(&mut talk, 3, &["a"]);
    let unsubscribed = unsubscribes(&mut talk, 4, &["b"]);
    talk.wait(Duration::from_secs(30))
        .closes()
        .disconnected(Cause::AckTimeout)
        .tells(Told::Unanswered(subscribed, GiveUp::ConnectionLost))
        .tells(Told::Unanswered(unsubscribed, GiveUp::ConnectionLost))
        .quiet();
    // Nothing of them is repeated.
    talk.connects(&Connect::new("c"), connack()).quiet();
}

// covers: MQTT-3.8.4-2, MQTT-3.10.4-5
#[test]
fn answers_find_their_requests_in_any_order() {
    let mut talk = connected(Config::default());
    let first = subscribes(&mut talk, 1, &["a"]);
    let second = subscribes(&mut talk, 2, &["b"]);
    let third = unsubscribes(&mut talk, 3, &["c"]);
    let fourth = unsubscribes(&mut talk, 4, &["d"]);
    talk.server(unsuback(4, &[ReasonCode::NO_SUBSCRIPTION_EXISTED]))
        .tells(Told::Unsubscribed(
            fourth,
            vec![ReasonCode::NO_SUBSCRIPTION_EXISTED],
        ));
    talk.server(suback(2, &[GRANTED_1]))
        .tells(Told::Subscribed(second, vec![GRANTED_1]));
    talk.server(suback(1, &[GRANTED_2]))
        .tells(Told::Subscribed(first, vec![GRANTED_2]));
    talk.server(unsuback(3, &[ReasonCode::SUCCESS]))
        .tells(Told::Unsubscribed(third, vec![ReasonCode::SUCCESS]))
        .quiet();
}

// covers: MQTT-3.8.4-5, MQTT-3.8.4-7, MQTT-3.9.3-1
#[test]
fn each_filter_has_its_own_result_in_their_order() {
    let mut talk = connected(Config::default());
    let filters = ["a", "b/#", "c/+", "d", "$share/g/e"];
    let ticket = subscribes(&mut talk, 1, &filters);
    // Less than was asked for is granted: that is no error.
    let reasons = [
        GRANTED_2,
        REFUSED,
        GRANTED_0,
        ReasonCode::TOPIC_FILTER_INVALID,
        GRANTED_1,
    ];
    talk.server(suback(1, &reasons))
        .tells(Told::Subscribed(ticket, reasons.to_vec()))
        .quiet();
    assert!(talk.client.is_connected());
}

// covers: MQTT-3.10.4-5, MQTT-3.10.4-6, MQTT-3.11.3-1
#[test]
fn each_filter_given_up_has_its_own_result_in_their_order() {
    let mut talk = connected(Config::default());
    let ticket = unsubscribes(&mut talk, 1, &["a", "b", "c"]);
    let reasons = [
        ReasonCode::NO_SUBSCRIPTION_EXISTED,
        ReasonCode::SUCCESS,
        REFUSED,
    ];
    talk.server(unsuback(1, &reasons))
        .tells(Told::Unsubscribed(ticket, reasons.to_vec()))
        .quiet();
}

// covers: MQTT-3.8.4-6, MQTT-3.11.3-1
#[test]
fn another_number_of_results_than_filters_is_a_protocol_error() {
    for reasons in [&[GRANTED_0][..], &[GRANTED_0; 3]] {
        let mut subscribed = connected(Config::default());
        let ticket = subscribes(&mut subscribed, 1, &["a", "b"]);
        subscribed
            .server(suback(1, reasons))
            .ends_by(Violation::ReasonCodeCount(PacketType::SubAck))
            .tells(Told::Unanswered(ticket, GiveUp::ConnectionLost))
            .quiet();

        let mut unsubscribed = connected(Config::default());
        let ticket = unsubscribes(&mut unsubscribed, 1, &["a", "b"]);
        unsubscribed
            .server(unsuback(1, reasons))
            .ends_by(Violation::ReasonCodeCount(PacketType::UnsubAck))
            .tells(Told::Unanswered(ticket, GiveUp::ConnectionLost))
            .quiet();
    }
}

#[test]
fn the_answer_to_another_request_is_a_protocol_error() {
    let mut swapped = connected(Config::default());
    subscribes(&mut swapped, 1, &["a"]);
    swapped
        .server(unsuback(1, &[ReasonCode::SUCCESS]))
        .ends_by(Violation::WrongAcknowledgement(PacketType::UnsubAck));

    let mut published = connected(Config::default());
    published.publishes(QoS::AtLeastOnce, "a", b"");
    published.sent();
    published
        .server(suback(1, &[GRANTED_0]))
        .ends_by(Violation::WrongAcknowledgement(PacketType::SubAck));

    let mut acknowledged = connected(Config::default());
    subscribes(&mut acknowledged, 1, &["a"]);
    acknowledged
        .server(puback(1))
        .ends_by(Violation::WrongAcknowledgement(PacketType::PubAck));
}

#[test]
fn an_answer_that_nothing_waits_for_is_ignored_and_counted() {
    let mut talk = connected(Config::default());
    talk.server(suback(1, &[GRANTED_0]))
        .server(unsuback(9, &[ReasonCode::SUCCESS]))
        .quiet();
    assert_eq!(talk.client.unsolicited(), 2);
    // The second answer to the same request is one of them.
    let ticket = subscribes(&mut talk, 1, &["a"]);
    talk.server(suback(1, &[GRANTED_0]))
        .tells(Told::Subscribed(ticket, vec![GRANTED_0]));
    talk.server(suback(1, &[GRANTED_0])).quiet();
    assert_eq!(talk.client.unsolicited(), 3);
    assert!(talk.client.is_connected());
}

// covers: MQTT-3.10.4-3
#[test]
fn what_was_begun_before_unsuback_is_finished_after_it() {
    let mut talk = connected(Config::default());
    let ticket = subscribes(&mut talk, 1, &["a"]);
    talk.server(suback(1, &[GRANTED_2]))
        .tells(Told::Subscribed(ticket, vec![GRANTED_2]));
    talk.server_publishes(QoS::ExactlyOnce, 7, "a", b"1")
        .delivers("a", b"1")
        .sends(pubrec(7));
    let ticket = unsubscribes(&mut talk, 2, &["a"]);
    talk.server(unsuback(2, &[ReasonCode::SUCCESS]))
        .tells(Told::Unsubscribed(ticket, vec![ReasonCode::SUCCESS]));
    talk.server(pubrel(7)).sends(pubcomp(7));
    talk.server_publishes(QoS::AtLeastOnce, 8, "a", b"2")
        .delivers("a", b"2")
        .sends(puback(8))
        .quiet();
}

// covers: MQTT-3.3.2-3
#[test]
fn a_message_that_matches_no_subscription_is_delivered_and_acknowledged() {
    let mut talk = connected(Config::default());
    talk.server_publishes(QoS::AtLeastOnce, 3, "never/asked/for", b"x")
        .delivers("never/asked/for", b"x")
        .sends(puback(3))
        .quiet();
    assert!(talk.client.is_connected());
}

#[test]
fn a_request_made_without_a_connection_waits_for_one() {
    let mut talk = talk(Config::default());
    let subscriptions = [subscription("a", QoS::AtMostOnce)];
    let waiting = talk
        .client
        .subscribe(talk.now, &subscriptions, &[])
        .unwrap();
    // One attempt fails, and another is refused.
    talk.client.start(talk.now);
    talk.expect(Did::Open);
    talk.client.closed(talk.now);
    talk.disconnected(Cause::NotOpened).quiet();
    talk.opens(&Connect::new("c"));
    talk.server(refused(ReasonCode::SERVER_BUSY))
        .tells(Told::Refused(ReasonCode::SERVER_BUSY))
        .closes()
        .disconnected(Cause::Refused(ReasonCode::SERVER_BUSY))
        .quiet();
    talk.connects(&Connect::new("c"), connack());
    assert_eq!(talk.sent()[0], 0x82);
    talk.server(suback(1, &[GRANTED_0]))
        .tells(Told::Subscribed(waiting, vec![GRANTED_0]))
        .quiet();
}

#[test]
fn a_request_cut_off_is_settled_and_not_repeated() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let sent = subscribes(&mut talk, 1, &["a"]);
    talk.takes = 0;
    let subscriptions = [subscription("b", QoS::AtMostOnce)];
    let unsent = talk
        .client
        .subscribe(talk.now, &subscriptions, &[])
        .unwrap();
    talk.quiet();
    talk.cut().disconnected(Cause::TransportClosed);
    let mut settled = Vec::new();
    for _ in 0..2 {
        match talk.next() {
            Did::Told(Told::Unanswered(ticket, GiveUp::ConnectionLost)) => settled.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    settled.sort();
    assert_eq!(settled, [sent, unsent]);
    talk.takes = usize::MAX;
    talk.resumes().quiet();
    // Its identifier died with it: the answer to it is nobody's.
    talk.server(suback(1, &[GRANTED_0])).quiet();
    assert_eq!(talk.client.unsolicited(), 1);
}

#[test]
fn a_request_larger_than_the_way_to_the_transport_leaves_whole() {
    let long = "x".repeat(300);
    let mut talk = Talk::new(Config::default(), Fixed::<4, 4, 1024, 128>::new());
    talk.connects(&Connect::new("c"), connack());
    let filters = [filter(&long)];
    let ticket = talk.client.unsubscribe(talk.now, &filters, &[]).unwrap();
    talk.takes = 7;
    let sent = talk.sent();
    assert_eq!((sent[0], sent.len()), (0xa2, 308));
    talk.server(unsuback(1, &[ReasonCode::SUCCESS]))
        .tells(Told::Unsubscribed(ticket, vec![ReasonCode::SUCCESS]))
        .quiet();
}
