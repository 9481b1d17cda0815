//! Receiving: which stream a message goes to, and what keeps streams going.

use super::client::{
    AcknowledgeError, Buffer, Cause, Client, Options, Overflow, ReasonCode, RetainHandling,
    SubscribeError, SubscribeOptions, Subscription,
};
use super::peer::{LIMIT, Peer, Server, publish_bytes};
use mqtt_proto::{Packet, PacketType, Property, QoS};
use std::thread;
use std::time::Duration;

fn options() -> Options {
    Options::new("behaviour").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

/// Subscribes while the peer grants; with the subscription identifier.
#[track_caller]
fn subscribe(
    client: &Client,
    peer: &mut Peer,
    filter: &str,
    options: impl Into<SubscribeOptions>,
) -> (Subscription, Option<u32>) {
    // So that a peer that fails does not leave the other thread waiting.
    let options = options.into().timeout(LIMIT);
    thread::scope(|scope| {
        let subscription = scope.spawn(move || client.subscribe(filter, options));
        let id = peer.grant(filter, QoS::AtLeastOnce);
        (subscription.join().unwrap().unwrap(), id)
    })
}

#[track_caller]
fn next(subscription: &Subscription) -> String {
    let message = subscription.recv_timeout(LIMIT);
    message.expect("a message").text().into_owned()
}

#[test]
fn messages_go_where_their_filter_says_and_the_rest_to_the_unmatched() {
    let server = Server::start();
    let (client, mut peer) = server.connect_with(
        options(),
        &[Property::SubscriptionIdentifierAvailable(false)],
    );
    let (rooms, id) = subscribe(&client, &mut peer, "rooms/+/light", QoS::AtLeastOnce);
    assert_eq!(id, None);
    assert_eq!(
        (rooms.topic_filter(), rooms.granted()),
        ("rooms/+/light", QoS::AtLeastOnce)
    );
    let (all, _) = subscribe(&client, &mut peer, "$share/group/rooms/#", QoS::AtLeastOnce);
    peer.publish("rooms/7/light", b"on", QoS::AtMostOnce, 0);
    peer.publish("rooms/7/door", b"open", QoS::AtLeastOnce, 1);
    peer.publish("garden", b"wet", QoS::ExactlyOnce, 2);
    assert_eq!(next(&rooms), "on");
    assert_eq!([next(&all), next(&all)], ["on", "open"]);
    let other = client.unmatched().recv_timeout(LIMIT).unwrap();
    assert_eq!(
        (&*other.topic, &other.payload[..], other.qos),
        ("garden", &b"wet"[..], QoS::ExactlyOnce)
    );
    assert_eq!(peer.expect_ack(PacketType::PubAck), 1);
    assert_eq!(peer.expect_ack(PacketType::PubRec), 2);
    assert!(rooms.try_recv().is_none() && all.try_recv().is_none());
}

#[test]
fn a_copy_for_each_overlapping_subscription_goes_to_its_own_stream_only() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let (one, first) = subscribe(&client, &mut peer, "a/#", QoS::AtLeastOnce);
    let (two, second) = subscribe(&client, &mut peer, "a/b", QoS::AtLeastOnce);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first, second);
    let id = Property::SubscriptionIdentifier;
    peer.publish_with("a/b", b"for one", QoS::AtMostOnce, 0, &[id(first)]);
    peer.publish_with("a/b", b"for two", QoS::AtMostOnce, 0, &[id(second)]);
    peer.publish_with(
        "a/b",
        b"for both",
        QoS::AtMostOnce,
        0,
        &[id(second), id(first)],
    );
    // For a subscription that has ended meanwhile: the others have their own copies.
    peer.publish_with("a/b", b"stray", QoS::AtMostOnce, 0, &[id(77)]);
    peer.publish_with("a/b", b"end", QoS::AtMostOnce, 0, &[id(first), id(second)]);
    assert_eq!(
        [next(&one), next(&one), next(&one)],
        ["for one", "for both", "end"]
    );
    assert_eq!(
        [next(&two), next(&two), next(&two)],
        ["for two", "for both", "end"]
    );
    assert_eq!(
        client.unmatched().recv_timeout(LIMIT).unwrap().text(),
        "stray"
    );
}

#[test]
fn two_readers_of_one_filter_both_get_everything_and_the_last_one_unsubscribes() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let (one, first) = subscribe(&client, &mut peer, "a", QoS::AtLeastOnce);
    let (two, second) = subscribe(&client, &mut peer, "a", QoS::AtLeastOnce);
    assert_eq!(first, second);
    peer.publish_with(
        "a",
        b"1",
        QoS::AtMostOnce,
        0,
        &[Property::SubscriptionIdentifier(first.unwrap())],
    );
    assert_eq!([next(&one), next(&two)], ["1", "1"]);
    drop(one);
    peer.publish("a", b"2", QoS::AtMostOnce, 0);
    assert_eq!(next(&two), "2");
    thread::scope(|scope| {
        let gone = scope.spawn(move || two.unsubscribe(LIMIT));
        let id = peer.expect_unsubscribe("a");
        peer.unsuback(id);
        gone.join().unwrap().unwrap();
    });
    peer.publish("a", b"3", QoS::AtMostOnce, 0);
    assert_eq!(client.unmatched().recv_timeout(LIMIT).unwrap().text(), "3");
}

#[test]
fn a_lost_session_is_subscribed_again_and_its_streams_go_on() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let wanted = SubscribeOptions::new(QoS::ExactlyOnce)
        .no_local(true)
        .retain_as_published(true)
        .retain_handling(RetainHandling::DoNotSend);
    let (kept, id) = subscribe(&client, &mut peer, "a/+", wanted);
    let (dropped, _) = subscribe(&client, &mut peer, "b", QoS::AtMostOnce);
    drop(dropped);
    let unsubscribed = peer.expect_unsubscribe("b");
    drop(peer);

    let mut peer = server.reconnect(false);
    let again = peer.packet(|packet| {
        let Packet::Subscribe(subscribe) = packet else {
            panic!("{packet:?}");
        };
        let subscription = subscribe.subscriptions.iter().next().unwrap();
        assert_eq!(subscription.filter.as_str(), "a/+");
        assert_eq!(
            subscription.options,
            mqtt_proto::SubscriptionOptions {
                qos: QoS::ExactlyOnce,
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::DoNotSend,
            }
        );
        assert_eq!(subscribe.properties.subscription_identifiers().next(), id);
        subscribe.packet_id.value()
    });
    assert!(again >= 1 && unsubscribed >= 1);
    peer.suback(again, ReasonCode::GRANTED_QOS_2);
    peer.publish("a/b", b"still there", QoS::AtMostOnce, 0);
    assert_eq!(next(&kept), "still there");
    // With the session kept, nothing is asked for again.
    drop(peer);
    let mut peer = server.reconnect(true);
    peer.publish("a/c", b"kept", QoS::AtLeastOnce, 5);
    assert_eq!(peer.expect_ack(PacketType::PubAck), 5);
    assert_eq!(next(&kept), "kept");
}

#[test]
fn one_stream_for_several_filters_is_in_order_and_outlives_a_lost_session() {
    let filters = ["a/+", "b", "c"];
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let wanted = SubscribeOptions::new(QoS::AtLeastOnce).timeout(LIMIT);
    let (mut several, ids) = thread::scope(|scope| {
        let several = scope.spawn(|| client.subscribe_all(filters, wanted));
        // The server lowers one of them.
        let qos = [QoS::AtLeastOnce, QoS::AtMostOnce, QoS::AtLeastOnce];
        let ids = [0, 1, 2].map(|n| peer.grant(filters[n], qos[n]).unwrap());
        (several.join().unwrap().unwrap(), ids)
    });
    assert_eq!(
        several.grants().collect::<Vec<_>>(),
        [
            ("a/+", QoS::AtLeastOnce),
            ("b", QoS::AtMostOnce),
            ("c", QoS::AtLeastOnce)
        ]
    );
    assert_eq!(
        (several.topic_filter(), several.granted()),
        ("a/+", QoS::AtMostOnce)
    );
    let publish = |peer: &mut Peer, topic, payload: &str, n: usize| {
        let id = [Property::SubscriptionIdentifier(ids[n])];
        peer.publish_with(topic, payload.as_bytes(), QoS::AtMostOnce, 0, &id);
    };
    for (topic, payload, n) in [
        ("c", "1", 2),
        ("a/x", "2", 0),
        ("b", "3", 1),
        ("a/y", "4", 0),
    ] {
        publish(&mut peer, topic, payload, n);
    }
    let read: String = several
        .by_ref()
        .take(4)
        .map(|m| m.text().into_owned())
        .collect();
    assert_eq!(read, "1234");
    drop(peer);

    let mut peer = server.reconnect(false);
    for filter in filters {
        peer.grant(filter, QoS::AtLeastOnce);
    }
    publish(&mut peer, "b", "again", 1);
    assert_eq!(next(&several), "again");
    // Refused now, one of them ends the others.
    drop(peer);
    let mut peer = server.reconnect(false);
    peer.grant("a/+", QoS::AtLeastOnce);
    let (id, _) = peer.expect_subscribe("b");
    peer.expect_subscribe("c");
    peer.suback(id, ReasonCode::NOT_AUTHORIZED);
    assert!(several.recv().is_none());
    let ended = several.ended();
    let Some(SubscribeError::OneOf { filter, .. }) = &ended else {
        panic!("{ended:?}");
    };
    assert_eq!(&**filter, "b");
    peer.expect_unsubscribe("a/+");
    peer.expect_unsubscribe("c");
}

#[test]
fn of_several_filters_the_one_that_is_wrong_is_named() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let wrong = |filters: &[&str]| client.subscribe_all(filters, QoS::AtMostOnce).unwrap_err();
    assert!(matches!(wrong(&[]), SubscribeError::NoFilter));
    let error = wrong(&["a", "a/#/b"]).to_string();
    assert!(error.starts_with(r#""a/#/b": "#), "{error}");
    thread::scope(|scope| {
        let refused = scope.spawn(|| wrong(&["open", "secret"]));
        let (open, _) = peer.expect_subscribe("open");
        let (secret, _) = peer.expect_subscribe("secret");
        peer.suback(open, ReasonCode::SUCCESS);
        peer.suback(secret, ReasonCode::NOT_AUTHORIZED);
        let error = refused.join().unwrap().to_string();
        assert!(
            error.starts_with(r#""secret": the server refused"#),
            "{error}"
        );
    });
    let id = peer.expect_unsubscribe("open");
    peer.unsuback(id);
}

#[test]
fn what_a_cut_left_unanswered_is_asked_again() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let (gone, _) = subscribe(&client, &mut peer, "gone", QoS::AtMostOnce);
    thread::scope(|scope| {
        let wanted = scope.spawn(|| client.subscribe("wanted", QoS::AtMostOnce));
        peer.expect_subscribe("wanted");
        let leaving = scope.spawn(move || gone.unsubscribe(LIMIT));
        peer.expect_unsubscribe("gone");
        drop(peer);
        let mut peer = server.reconnect(true);
        let id = peer.expect_unsubscribe("gone");
        peer.unsuback(id);
        peer.grant("wanted", QoS::AtMostOnce);
        leaving.join().unwrap().unwrap();
        wanted.join().unwrap().unwrap();
    });
}

#[test]
fn a_refused_subscription_says_why() {
    let server = Server::start();
    let limits = [Property::WildcardSubscriptionAvailable(false)];
    let (client, mut peer) = server.connect_with(options(), &limits);
    let wrong = client.subscribe("a/#/b", QoS::AtMostOnce).unwrap_err();
    assert!(matches!(wrong, SubscribeError::Filter(_)), "{wrong:?}");
    let wildcard = client.subscribe("a/#", QoS::AtMostOnce).unwrap_err();
    assert!(
        matches!(wildcard, SubscribeError::Invalid(_)),
        "{wildcard:?}"
    );
    thread::scope(|scope| {
        let refused = scope.spawn(|| client.subscribe("secret", QoS::AtMostOnce));
        let (id, _) = peer.expect_subscribe("secret");
        peer.suback(id, ReasonCode::NOT_AUTHORIZED);
        let refused = refused.join().unwrap().unwrap_err();
        let SubscribeError::Refused { reason, .. } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(reason, ReasonCode::NOT_AUTHORIZED);
    });
    let short = SubscribeOptions::new(QoS::AtMostOnce).timeout(Duration::from_millis(20));
    let late = client.subscribe("late", short).unwrap_err();
    assert!(matches!(late, SubscribeError::TimedOut), "{late:?}");
    peer.expect_subscribe("late");
    peer.expect_unsubscribe("late");
}

#[test]
fn a_slow_reader_holds_up_neither_acknowledgements_nor_others() {
    const COUNT: u16 = 5_000;
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let tiny = |overflow| {
        let buffer = Buffer {
            messages: 3,
            overflow,
            ..Buffer::default()
        };
        SubscribeOptions::new(QoS::AtLeastOnce).buffer(buffer)
    };
    let (oldest, _) = subscribe(&client, &mut peer, "a/+", tiny(Overflow::DropOldest));
    let (newest, _) = subscribe(&client, &mut peer, "+/b", tiny(Overflow::DropNewest));
    let (quick, _) = subscribe(&client, &mut peer, "a/b", QoS::AtLeastOnce);
    for id in 1..=COUNT {
        peer.publish("a/b", id.to_string().as_bytes(), QoS::AtLeastOnce, id);
    }
    for id in 1..=COUNT {
        assert_eq!(peer.expect_ack(PacketType::PubAck), id);
        assert_eq!(next(&quick), id.to_string());
    }
    assert_eq!(
        [oldest.dropped(), newest.dropped()],
        [u64::from(COUNT) - 3; 2]
    );
    assert_eq!(
        [next(&oldest), next(&oldest), next(&oldest)],
        ["4998", "4999", "5000"]
    );
    assert_eq!(
        [next(&newest), next(&newest), next(&newest)],
        ["1", "2", "3"]
    );
}

#[test]
fn a_message_is_acknowledged_when_the_application_says_so() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options().manual_acknowledgement(true));
    let (messages, _) = subscribe(&client, &mut peer, "a", QoS::ExactlyOnce);
    peer.publish("a", b"1", QoS::AtLeastOnce, 1);
    peer.publish("a", b"2", QoS::ExactlyOnce, 2);
    peer.publish("a", b"3", QoS::AtLeastOnce, 3);
    peer.publish("a", b"0", QoS::AtMostOnce, 0);
    let next = || messages.recv_timeout(LIMIT).unwrap();
    let (first, second, third, zero) = (next(), next(), next(), next());
    assert_eq!(zero.acknowledge(), Err(AcknowledgeError::NotNeeded));
    third.acknowledge().unwrap();
    second.acknowledge_with(ReasonCode::SUCCESS).unwrap();
    // Nothing may overtake the first.
    let token = client.publish("mark", "m").send().unwrap();
    token.acknowledged_timeout(LIMIT).unwrap();
    peer.expect_publish("mark");
    first.acknowledge().unwrap();
    assert_eq!(peer.expect_ack(PacketType::PubAck), 1);
    assert_eq!(peer.expect_ack(PacketType::PubRec), 2);
    assert_eq!(peer.expect_ack(PacketType::PubAck), 3);
    assert!(matches!(
        first.acknowledge(),
        Err(AcknowledgeError::Refused(_))
    ));

    peer.publish("a", b"4", QoS::AtLeastOnce, 4);
    let unacknowledged = next();
    drop(peer);
    let mut peer = server.reconnect(true);
    peer.publish("a", b"4", QoS::AtLeastOnce, 4);
    let again = next();
    assert!(matches!(
        unacknowledged.acknowledge(),
        Err(AcknowledgeError::Refused(_))
    ));
    again.acknowledge().unwrap();
    assert_eq!(peer.expect_ack(PacketType::PubAck), 4);
    drop(client);
    assert!(messages.recv().is_none());
    assert_eq!(again.acknowledge(), Err(AcknowledgeError::Ended));
}

#[test]
fn what_falls_out_of_a_buffer_is_acknowledged_for_the_application() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options().manual_acknowledgement(true));
    let one = SubscribeOptions::new(QoS::AtLeastOnce).buffer(Buffer {
        messages: 1,
        ..Buffer::default()
    });
    let (messages, _) = subscribe(&client, &mut peer, "a", one);
    peer.publish("a", b"1", QoS::AtLeastOnce, 1);
    peer.publish("a", b"2", QoS::AtLeastOnce, 2);
    assert_eq!(peer.expect_ack(PacketType::PubAck), 1);
    messages.recv_timeout(LIMIT).unwrap().acknowledge().unwrap();
    assert_eq!(peer.expect_ack(PacketType::PubAck), 2);
}

#[test]
fn a_message_larger_than_any_read_arrives_whole_with_its_properties() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let (messages, _) = subscribe(&client, &mut peer, "big", QoS::AtLeastOnce);
    let payload: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let properties = [
        Property::ContentType("bytes"),
        Property::CorrelationData(b"c"),
        Property::UserProperty("k", "v"),
    ];
    peer.publish_with("big", &payload, QoS::AtLeastOnce, 9, &properties);
    let message = messages.recv_timeout(LIMIT).unwrap();
    assert!(message.payload == payload);
    assert_eq!(message.properties.content_type.as_deref(), Some("bytes"));
    assert_eq!(
        message.properties.correlation_data.as_deref(),
        Some(&b"c"[..])
    );
    assert_eq!(
        message.properties.user_properties,
        [("k".to_owned(), "v".to_owned())]
    );
    assert_eq!(peer.expect_ack(PacketType::PubAck), 9);

    // Cut in the middle: what comes then is a new beginning.
    let whole = publish_bytes("big", &payload, QoS::AtLeastOnce, 10, &[]);
    peer.send_bytes(&whole[..2_000_000]).unwrap();
    drop(peer);
    let mut peer = server.reconnect(true);
    peer.send_bytes(&whole).unwrap();
    assert!(messages.recv_timeout(LIMIT).unwrap().payload == payload);
    assert_eq!(peer.expect_ack(PacketType::PubAck), 10);
}

#[test]
fn a_program_that_goes_on_with_a_session_gets_what_came_meanwhile() {
    let server = Server::start();
    thread::scope(|scope| {
        let url = server.url();
        let client = scope.spawn(move || Client::connect(&url, options().clean_start(false)));
        let mut peer = server.accept();
        assert!(!peer.expect_connect());
        peer.accept_session(true, &[]);
        peer.publish("old/topic", b"meanwhile", QoS::AtLeastOnce, 1);
        let client = client.join().unwrap().unwrap();
        assert_eq!(
            client.unmatched().recv_timeout(LIMIT).unwrap().text(),
            "meanwhile"
        );
        assert_eq!(peer.expect_ack(PacketType::PubAck), 1);
        // What was subscribed by that program has an identifier of its time.
        let (mine, _) = subscribe(&client, &mut peer, "old/topic", QoS::AtLeastOnce);
        let foreign = [Property::SubscriptionIdentifier(77)];
        peer.publish_with("old/topic", b"now", QoS::AtMostOnce, 0, &foreign);
        assert_eq!(next(&mine), "now");
        std::mem::forget(mine);
        let unsubscribed = scope.spawn(move || {
            client.unsubscribe("old/#", LIMIT).unwrap();
            client.close(LIMIT).unwrap();
        });
        let id = peer.expect_unsubscribe("old/#");
        peer.unsuback(id);
        peer.packet(|packet| match packet {
            // The session stays: nothing is said about its expiry.
            Packet::Disconnect(disconnect) => assert!(disconnect.properties.is_empty()),
            other => panic!("{other:?}"),
        });
        unsubscribed.join().unwrap();
    });
}

#[test]
fn streams_end_with_the_client_after_what_was_read() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let (messages, _) = subscribe(&client, &mut peer, "a", QoS::AtMostOnce);
    let unmatched = client.unmatched();
    peer.publish("a", b"last", QoS::AtLeastOnce, 1);
    peer.expect_ack(PacketType::PubAck);
    drop(client);
    assert_eq!(next(&messages), "last");
    assert!(messages.recv().is_none());
    assert!(matches!(
        messages.ended(),
        Some(SubscribeError::Ended(Cause::Closed))
    ));
    assert!(unmatched.recv().is_none() && unmatched.has_ended());
}
