//! Packet identifiers: rising from 1, wrapping behind 65,535, never one in use.

use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::{
    Config, Fixed, Heap, HeapLimits, RequestError, Store, Subscription, SubscriptionOptions,
    TopicFilter,
};
use mqtt_tests::MANY;
use mqtt_tests::talk::*;

/// The identifier of the packet that the client sends next.
fn sent_id<S: Store + Clone>(talk: &mut Talk<S>) -> u16 {
    match Packet::decode(&talk.sent(), Sender::Client).unwrap() {
        Packet::Publish(publish) => publish.packet_id.unwrap().value(),
        Packet::Subscribe(subscribe) => subscribe.packet_id.value(),
        other => panic!("{other:?} has no identifier of its own"),
    }
}

fn publishes<S: Store + Clone>(talk: &mut Talk<S>, qos: QoS) -> u16 {
    talk.publishes(qos, "a", b"");
    sent_id(talk)
}

/// The server's PUBACK settles a message.
fn settles<S: Store + Clone>(talk: &mut Talk<S>, number: u16) {
    talk.server(puback(number));
    let settled = talk.next();
    let Did::Told(Told::Published(_, Ok(ReasonCode::SUCCESS), _)) = settled else {
        panic!("not settled but {settled:?}");
    };
}

/// Publishes and settles until the identifier `last` has been used.
fn uses_up_to<S: Store + Clone>(talk: &mut Talk<S>, last: u16) {
    loop {
        let number = publishes(talk, QoS::AtLeastOnce);
        settles(talk, number);
        if number == last {
            return;
        }
    }
}

fn subscribes<S: Store + Clone>(talk: &mut Talk<S>) -> u16 {
    let subscription = Subscription {
        filter: TopicFilter::new("s").unwrap(),
        options: SubscriptionOptions::default(),
    };
    let asked = talk.client.subscribe(talk.now, &[subscription], &[]);
    asked.unwrap();
    sent_id(talk)
}

// covers: MQTT-2.2.1-3, MQTT-4.3.2-1, MQTT-4.3.3-1, pitfall 64
#[test]
fn identifiers_wrap_and_skip_zero_and_every_kind_that_is_in_use() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        talk.connects(&keeping(), connack());
        assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 1);
        assert_eq!(publishes(&mut talk, QoS::ExactlyOnce), 2);
        assert_eq!(publishes(&mut talk, QoS::ExactlyOnce), 3);
        talk.server(pubrec(3)).sends(pubrel(3));
        assert_eq!(subscribes(&mut talk), 4);
        uses_up_to(&mut talk, 65_535);
        assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 5);
        settles(&mut talk, 1);
        talk.server(pubcomp(3));
        talk.next();
        uses_up_to(&mut talk, 65_535);
        assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 1);
        assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 3);
        assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 6);
    }
    scenario(Heap::default());
    scenario(Fixed::<8, 8, 1024, 256>::new());
}

// covers: pitfall 64
#[test]
fn an_identifier_stays_in_use_over_a_cut_as_long_as_the_session_lives() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack());
    assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 1);
    assert_eq!(publishes(&mut talk, QoS::ExactlyOnce), 2);
    talk.server(pubrec(2)).sends(pubrel(2));
    assert_eq!(subscribes(&mut talk), 3);
    talk.loses_transport();
    talk.next();
    talk.resumes().sends(pubrel(2));
    assert_eq!(sent_id(&mut talk), 1);
    uses_up_to(&mut talk, 65_535);
    // SUBSCRIBE's died with its connection.
    assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 3);
    assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 4);
}

// covers: MQTT-2.2.1-3, pitfall 65
#[test]
fn with_as_many_in_use_as_a_store_can_hold_the_next_is_refused_until_one_is_free() {
    let limits = HeapLimits {
        exchanges: MANY,
        ..HeapLimits::default()
    };
    let mut talk = Talk::new(Config::default(), Heap::new(limits));
    talk.connects(&keeping(), connack());
    let before = u16::MAX - MANY;
    uses_up_to(&mut talk, before);
    for number in before + 1..=u16::MAX {
        assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), number);
    }
    let asked = message(QoS::AtLeastOnce, "a", b"");
    let refused = talk.client.publish(talk.now, &asked);
    assert_eq!(refused, Err(RequestError::TooMany));
    talk.quiet();
    assert_eq!(talk.client.unsettled(), usize::from(MANY));
    let (one, other) = (before + 30, before + 20);
    settles(&mut talk, one);
    assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), 1);
    settles(&mut talk, 1);
    uses_up_to(&mut talk, before);
    settles(&mut talk, other);
    assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), other);
    assert_eq!(publishes(&mut talk, QoS::AtLeastOnce), one);
    let refused = talk.client.publish(talk.now, &asked);
    assert_eq!(refused, Err(RequestError::TooMany));
}
