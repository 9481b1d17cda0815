//! Full stores: what is refused, that it changes nothing, and how they are usable again.

use core::fmt::Debug;
use mqtt_proto::{Packet, QoS, ReasonCode};
use mqtt_session::{
    Config, Fixed, GiveUp, Heap, HeapLimits, Property, RequestError, Store, Subscription,
    SubscriptionOptions, TopicFilter,
};
use mqtt_tests::talk::*;

const LIMITS: HeapLimits = HeapLimits {
    exchanges: 3,
    bytes: 256,
    transmit: 128,
    receive_maximum: 4,
};

fn bounded() -> Heap {
    Heap::new(LIMITS)
}

type Bounded = Fixed<3, 4, 256, 128>;

fn kept<S: Store + Clone + Debug>(store: S) -> Talk<S> {
    let mut talk = Talk::new(Config::default(), store);
    talk.connects(&keeping(), connack());
    talk
}

#[track_caller]
fn refuses<S: Store + Clone + Debug>(
    talk: &mut Talk<S>,
    qos: QoS,
    payload: &[u8],
    error: RequestError,
) {
    let unsettled = talk.client.unsettled();
    let before = format!("{:?}", talk.client);
    let asked = message(qos, "a", payload);
    assert_eq!(talk.client.publish(talk.now, &asked), Err(error));
    assert_eq!(talk.client.unsettled(), unsettled);
    // Gaps in the store may be closed for the attempt; what it holds is the same.
    if error == RequestError::TooMany {
        assert_eq!(format!("{:?}", talk.client), before);
    }
    talk.quiet();
}

// covers: pitfall 65
#[test]
fn a_store_with_as_many_exchanges_as_it_can_hold_refuses_one_more_until_one_has_ended() {
    fn scenario<S: Store + Clone + Debug>(store: S) {
        let mut talk = kept(store);
        let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
        let three = talk.publishes(QoS::ExactlyOnce, "a", b"3");
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
        talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"2");
        talk.sends_publish(QoS::ExactlyOnce, 3, "a", b"3");
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            refuses(&mut talk, qos, b"4", RequestError::TooMany);
        }
        let subscription = Subscription {
            filter: TopicFilter::new("s").unwrap(),
            options: SubscriptionOptions::default(),
        };
        let refused = talk.client.subscribe(talk.now, &[subscription], &[]);
        assert_eq!(refused, Err(RequestError::TooMany));

        // What comes in is answered all the same.
        talk.server_publishes(QoS::ExactlyOnce, 9, "in", b"x");
        talk.delivers("in", b"x").sends(pubrec(9));
        talk.server(pubrel(9)).sends(pubcomp(9));

        // PUBREC ends no exchange.
        talk.server(pubrec(2)).sends(pubrel(2));
        refuses(&mut talk, QoS::AtLeastOnce, b"4", RequestError::TooMany);
        talk.server(pubcomp(2)).settles(two, ReasonCode::SUCCESS);
        let four = talk.publishes(QoS::AtLeastOnce, "a", b"4");
        talk.sends_publish(QoS::AtLeastOnce, 4, "a", b"4");
        refuses(&mut talk, QoS::AtLeastOnce, b"5", RequestError::TooMany);

        talk.server(puback(1)).settles(one, ReasonCode::SUCCESS);
        talk.server(puback(4)).settles(four, ReasonCode::SUCCESS);
        talk.server(Packet::PubRec(ack(3, ReasonCode::QUOTA_EXCEEDED)));
        talk.settles(three, ReasonCode::QUOTA_EXCEEDED).quiet();
        for number in 5..200 {
            let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"x");
            talk.sends_publish(QoS::AtLeastOnce, number, "a", b"x");
            talk.server(puback(number));
            talk.settles(ticket, ReasonCode::SUCCESS);
        }
    }
    scenario(bounded());
    scenario(Bounded::new());
}

// covers: MQTT-4.3.3-6
#[test]
fn pubrec_frees_the_bytes_of_a_message_and_what_is_left_keeps_its_own() {
    fn scenario<S: Store + Clone + Debug>(store: S) {
        let mut talk = kept(store);
        let [first, second] = [[1; 100], [2; 100]];
        talk.publishes(QoS::ExactlyOnce, "a", &first);
        talk.publishes(QoS::ExactlyOnce, "a", &second);
        talk.sends_publish(QoS::ExactlyOnce, 1, "a", &first);
        talk.sends_publish(QoS::ExactlyOnce, 2, "a", &second);
        refuses(&mut talk, QoS::ExactlyOnce, &[3; 100], RequestError::NoRoom);
        talk.server(pubrec(1)).sends(pubrel(1));
        let third = [3; 120];
        talk.publishes(QoS::ExactlyOnce, "a", &third);
        talk.sends_publish(QoS::ExactlyOnce, 3, "a", &third);
        talk.loses_transport().resumes();
        talk.sends(pubrel(1));
        talk.resends_publish(QoS::ExactlyOnce, 2, "a", &second);
        talk.resends_publish(QoS::ExactlyOnce, 3, "a", &third)
            .quiet();
    }
    scenario(bounded());
    scenario(Bounded::new());
}

// covers: MQTT-4.3.2-3
#[test]
fn a_message_larger_than_the_whole_store_is_refused_as_that() {
    fn scenario<S: Store + Clone + Debug>(store: S) {
        let mut talk = kept(store);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            refuses(&mut talk, qos, &[0; 300], RequestError::LargerThanStore);
        }
        talk.publishes(QoS::AtLeastOnce, "a", b"1");
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
        // Not now, and not later: that it can never be stored has to show also while the store
        // holds something.
        refuses(
            &mut talk,
            QoS::AtLeastOnce,
            &[0; 300],
            RequestError::LargerThanStore,
        );
        talk.publishes(QoS::AtLeastOnce, "a", &[2; 200]);
        talk.sends_publish(QoS::AtLeastOnce, 2, "a", &[2; 200]);
    }
    scenario(bounded());
    scenario(Bounded::new());
}

// covers: MQTT-4.3.2-3
#[test]
fn gaps_between_messages_are_closed_and_every_message_keeps_its_bytes() {
    fn scenario<S: Store + Clone + Debug>(store: S) {
        let mut talk = kept(store);
        let payload = |number: u16, len: usize| vec![number as u8; len];
        let mut held: Vec<(u16, usize)> = Vec::new();
        let mut next = 0;
        // Sizes that never leave the same gap twice; the oldest or the middle one goes.
        for round in 0..300 {
            let len = 20 + (round * 37) % 50;
            while held.len() < 3 {
                next += 1;
                talk.publishes(QoS::AtLeastOnce, "a", &payload(next, len));
                talk.sends_publish(QoS::AtLeastOnce, next, "a", &payload(next, len));
                held.push((next, len));
            }
            let (number, _) = held.remove(round % 3);
            talk.server(puback(number));
            assert!(matches!(talk.next(), Did::Told(Told::Published(..))));
        }
        talk.loses_transport().resumes();
        for (number, len) in held {
            let payload = payload(number, len);
            talk.resends_publish(QoS::AtLeastOnce, number, "a", &payload);
        }
        talk.quiet();
    }
    scenario(bounded());
    scenario(Bounded::new());
}

// covers: MQTT-4.3.2-3
#[test]
fn payloads_held_as_bytes_do_not_count_for_the_bound_on_bytes() {
    let mut talk = kept(bounded());
    let payload = bytes::Bytes::from(vec![5; 10_000]);
    let header = message(QoS::AtLeastOnce, "a", b"");
    for number in 1..=3 {
        let held = talk
            .client
            .publish_bytes(talk.now, &header, payload.clone());
        held.unwrap();
        talk.sends_publish(QoS::AtLeastOnce, number, "a", &payload);
    }
    let refused = talk
        .client
        .publish_bytes(talk.now, &header, payload.clone());
    assert_eq!(refused, Err(RequestError::TooMany));
    assert!(!payload.is_unique());
    for number in 1..=3 {
        talk.server(puback(number));
        assert!(matches!(talk.next(), Did::Told(Told::Published(..))));
    }
    // Nothing of them is kept once they are settled.
    assert!(payload.is_unique());
}

// covers: pitfall 65
#[test]
fn a_full_store_is_usable_again_after_what_was_in_it_was_given_up() {
    fn scenario<S: Store + Clone + Debug>(store: S) {
        let mut talk = kept(store);
        for round in 0..10 {
            let tickets: Vec<_> = (0..3)
                .map(|_| talk.publishes(QoS::ExactlyOnce, "a", &[0; 60]))
                .collect();
            for _ in 0..3 {
                talk.sent();
            }
            refuses(&mut talk, QoS::ExactlyOnce, b"", RequestError::TooMany);
            talk.loses_transport().connects(&keeping(), connack());
            talk.tells(Told::SessionLost);
            for ticket in tickets {
                let cause = GiveUp::OutcomeUnknown;
                talk.tells(Told::Published(ticket, Err(cause), Vec::new()));
            }
            talk.quiet();
            assert_eq!(talk.client.unsettled(), 0, "round {round}");
        }
    }
    scenario(bounded());
    scenario(Bounded::new());
}

// covers: pitfall 44, MQTT-3.2.2-15
#[test]
fn a_message_the_server_would_not_take_leaves_nothing_behind() {
    fn scenario<S: Store + Clone + Debug>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        let limits = [Property::MaximumPacketSize(30), Property::ReceiveMaximum(2)];
        talk.connects(&keeping(), connack_with(&limits));
        for len in [23, 100, 200] {
            let error = RequestError::TooLarge {
                len: len + if len < 120 { 8 } else { 9 },
                maximum: 30,
            };
            for _ in 0..5 {
                refuses(&mut talk, QoS::AtLeastOnce, &vec![0; len], error);
            }
        }
        for number in 1..=2 {
            talk.publishes(QoS::AtLeastOnce, "a", &[0; 22]);
            talk.sends_publish(QoS::AtLeastOnce, number, "a", &[0; 22]);
        }
    }
    scenario(bounded());
    scenario(Bounded::new());
}
