//! What the application cannot have: each refusal says why, and leaves nothing behind.

use mqtt_proto::{EncodeError, PacketType, QoS, ReasonCode};
use mqtt_session::{
    Config, Connect, Fixed, Heap, HeapLimits, Offline, Property, PropertyId, RequestError, Store,
    Subscription, SubscriptionOptions, Ticket, TopicFilter, TopicName,
};
use mqtt_tests::talk::*;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

/// SUBSCRIBE to one filter at QoS 0.
fn subscribes<S: Store + Clone>(talk: &mut Talk<S>, text: &str) -> Result<Ticket, RequestError> {
    let filters = [Subscription {
        filter: filter(text),
        options: SubscriptionOptions::default(),
    }];
    talk.client.subscribe(talk.now, &filters, &[])
}

#[test]
fn qos_0_without_a_connection_is_refused_or_waits_as_configured() {
    let mut refusing = talk(Config::default());
    assert_eq!(
        refusing
            .client
            .publish(refusing.now, &message(QoS::AtMostOnce, "a", b"1")),
        Err(RequestError::NotConnected)
    );

    let mut queueing = talk(Config::default().qos0_offline(Offline::Queue));
    let ticket = queueing.publishes(QoS::AtMostOnce, "a", b"1");
    queueing.connects(&Connect::new("c"), connack());
    queueing
        .sends_publish(QoS::AtMostOnce, 0, "a", b"1")
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

#[test]
fn a_store_that_is_full_says_what_it_lacks_and_recovers() {
    type Small = Fixed<2, 2, 64, 128>;
    let mut talk = Talk::new(Config::default(), Small::new());
    talk.connects(&keeping(), connack());
    let before = knowledge(&talk.client);
    assert_eq!(
        talk.client
            .publish(talk.now, &message(QoS::AtLeastOnce, "a", &[0; 64])),
        Err(RequestError::LargerThanStore)
    );
    assert_eq!(knowledge(&talk.client), before);
    let first = talk.publishes(QoS::AtLeastOnce, "a", &[1; 30]);
    let before = knowledge(&talk.client);
    assert_eq!(
        talk.client
            .publish(talk.now, &message(QoS::AtLeastOnce, "a", &[0; 30])),
        Err(RequestError::NoRoom)
    );
    assert_eq!(knowledge(&talk.client), before);
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    let before = knowledge(&talk.client);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        assert_eq!(
            talk.client.publish(talk.now, &message(qos, "a", b"")),
            Err(RequestError::TooMany)
        );
    }
    assert_eq!(subscribes(&mut talk, "a"), Err(RequestError::TooMany));
    assert_eq!(knowledge(&talk.client), before);
    talk.sent();
    talk.sent();
    talk.server(puback(1)).settles(first, ReasonCode::SUCCESS);
    talk.publishes(QoS::AtLeastOnce, "a", &[3; 30]);
    talk.sends_publish(QoS::AtLeastOnce, 3, "a", &[3; 30])
        .quiet();
}

#[test]
fn the_bounds_of_a_heap_hold() {
    let limits = HeapLimits {
        exchanges: 2,
        bytes: 64,
        ..HeapLimits::default()
    };
    let mut talk = Talk::new(Config::default(), Heap::new(limits));
    let refused = |talk: &mut Talk<Heap>, payload: &[u8]| {
        talk.client
            .publish(talk.now, &message(QoS::AtLeastOnce, "a", payload))
            .unwrap_err()
    };
    assert_eq!(refused(&mut talk, &[0; 64]), RequestError::LargerThanStore);
    talk.publishes(QoS::AtLeastOnce, "a", &[1; 30]);
    assert_eq!(refused(&mut talk, &[0; 30]), RequestError::NoRoom);
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    assert_eq!(refused(&mut talk, b""), RequestError::TooMany);
    assert_eq!(talk.client.unsettled(), 2);
}

#[test]
fn what_the_standard_forbids_to_publish_or_subscribe_is_refused() {
    let mut talk = connected(Config::default());
    let now = talk.now;
    for (property, error) in [
        (
            Property::TopicAlias(1),
            RequestError::OwnProperty(PropertyId::TopicAlias),
        ),
        (
            Property::MessageExpiryInterval(1),
            RequestError::OwnProperty(PropertyId::MessageExpiryInterval),
        ),
        (
            Property::ReasonString("no"),
            RequestError::Invalid(EncodeError::PropertyNotAllowed(
                PropertyId::ReasonString,
                PacketType::Publish,
            )),
        ),
        (
            Property::SubscriptionIdentifier(1),
            RequestError::Invalid(EncodeError::PropertyNotAllowed(
                PropertyId::SubscriptionIdentifier,
                PacketType::Publish,
            )),
        ),
    ] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let properties = [property];
            let publish = message(qos, "a", b"1").properties(&properties);
            assert_eq!(talk.client.publish(now, &publish), Err(error));
        }
    }
    let empty = RequestError::Invalid(EncodeError::Empty(PacketType::Subscribe));
    assert_eq!(talk.client.subscribe(now, &[], &[]), Err(empty));
    let empty = RequestError::Invalid(EncodeError::Empty(PacketType::Unsubscribe));
    assert_eq!(talk.client.unsubscribe(now, &[], &[]), Err(empty));
    let own = [Subscription {
        filter: filter("$share/g/a"),
        options: SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::default()
        },
    }];
    assert_eq!(
        talk.client.subscribe(now, &own, &[]),
        Err(RequestError::Invalid(EncodeError::NoLocalOnShared))
    );
    talk.quiet();
    assert!(
        TopicName::new("a/#").is_err(),
        "there is no such topic name"
    );
    // Nothing of all that took an identifier.
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
}
