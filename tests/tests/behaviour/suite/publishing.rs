//! Publishing: what is accepted, what resolves a token, and what a cut does to it.

use super::client::{
    Bytes, Cause, DeliveryError, GiveUp, Lost, Offline, Options, PublishError, Queue, ReasonCode,
    State, WhenFull,
};
use super::peer::{LIMIT, Server};
use mqtt_proto::{Packet, PacketType, Property, QoS};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

fn options() -> Options {
    Options::new("behaviour").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

#[test]
fn each_qos_resolves_its_token() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let zero = client.publish("q/0", "m").send().unwrap();
    assert_eq!(
        zero.acknowledged_timeout(LIMIT).unwrap(),
        ReasonCode::SUCCESS
    );
    assert_eq!(peer.expect_publish("q/0"), (0, QoS::AtMostOnce, false));

    let one = client
        .publish("q/1", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let (id, ..) = peer.expect_publish("q/1");
    assert!(one.outcome().is_none());
    peer.ack(PacketType::PubAck, id);
    assert_eq!(
        one.acknowledged_timeout(LIMIT).unwrap(),
        ReasonCode::SUCCESS
    );

    let two = client
        .publish("q/2", "m")
        .qos(QoS::ExactlyOnce)
        .send()
        .unwrap();
    let (id, ..) = peer.expect_publish("q/2");
    peer.ack(PacketType::PubRec, id);
    assert_eq!(peer.expect_ack(PacketType::PubRel), id);
    assert!(matches!(
        two.acknowledged_timeout(Duration::from_millis(1)),
        Err(DeliveryError::TimedOut)
    ));
    peer.ack(PacketType::PubComp, id);
    assert_eq!(
        two.acknowledged_timeout(LIMIT).unwrap(),
        ReasonCode::SUCCESS
    );
    assert_eq!(client.unsettled().messages(), 0);
}

#[test]
fn everything_said_with_a_message_is_sent() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let token = client
        .publish("t", vec![7; 5_000])
        .retain(true)
        .expiry(Duration::from_secs(60))
        .content_type("application/octet-stream")
        .response_topic("re/ply")
        .correlation_data(b"c7")
        .user_property("k", "v")
        .send()
        .unwrap();
    peer.packet(|packet| {
        let Packet::Publish(publish) = packet else {
            panic!("{packet:?}");
        };
        assert!(publish.retain);
        assert_eq!(publish.payload, [7; 5_000]);
        let properties = publish.properties;
        assert_eq!(properties.message_expiry_interval(), Some(60));
        assert_eq!(properties.content_type(), Some("application/octet-stream"));
        assert_eq!(properties.response_topic().unwrap().as_str(), "re/ply");
        assert_eq!(properties.correlation_data(), Some(&b"c7"[..]));
        assert_eq!(
            properties.user_properties().collect::<Vec<_>>(),
            [("k", "v")]
        );
    });
    token.acknowledged_timeout(LIMIT).unwrap();
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let server = Server::start();
    let limits = [
        Property::MaximumQoS(QoS::AtMostOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(100),
    ];
    let (client, mut peer) = server.connect_with(options(), &limits);
    let error = |error: Result<_, PublishError>| error.map(drop).unwrap_err();
    let wildcard = error(client.publish("a/#", "m").send());
    assert!(matches!(wildcard, PublishError::Topic(_)), "{wildcard:?}");
    let response = error(client.publish("a", "m").response_topic("").send());
    assert!(
        matches!(response, PublishError::ResponseTopic(_)),
        "{response:?}"
    );
    for publication in [
        client.publish("a", "m").qos(QoS::AtLeastOnce),
        client.publish("a", "m").retain(true),
        client.publish("a", vec![0; 100]),
        client.publish("a", vec![0; 10_000]),
    ] {
        let refused = error(publication.send());
        assert!(matches!(refused, PublishError::Refused(_)), "{refused:?}");
    }
    assert_eq!(client.unsettled().messages(), 0);
    client.publish("after", "m").send().unwrap();
    peer.expect_publish("after");
}

#[test]
fn a_refused_message_says_why() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let (id, ..) = peer.expect_publish("t");
    peer.send(&Packet::PubAck(mqtt_proto::Ack {
        packet_id: mqtt_proto::PacketId::new(id).unwrap(),
        reason: ReasonCode::QUOTA_EXCEEDED,
        properties: mqtt_proto::Properties::new(&[Property::ReasonString("too much")]),
    }));
    let refused = token.acknowledged_timeout(LIMIT).unwrap_err();
    let DeliveryError::Refused {
        reason,
        reason_string,
    } = &refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(*reason, ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(reason_string.as_deref(), Some("too much"));
    assert!(refused.to_string().contains("too much"));
}

#[test]
fn a_cut_is_resumed_with_dup_in_the_order_of_first_sending() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let publish = |topic, qos| client.publish(topic, "m").qos(qos).send().unwrap();
    let one = publish("q/1", QoS::AtLeastOnce);
    let two = publish("q/2", QoS::ExactlyOnce);
    let three = publish("q/3", QoS::ExactlyOnce);
    let (first, ..) = peer.expect_publish("q/1");
    let (second, ..) = peer.expect_publish("q/2");
    let (third, ..) = peer.expect_publish("q/3");
    peer.ack(PacketType::PubRec, third);
    assert_eq!(peer.expect_ack(PacketType::PubRel), third);
    drop(peer);

    let mut peer = server.reconnect(true);
    // What PUBREC has released goes on with PUBREL; the rest is sent again.
    assert_eq!(peer.expect_ack(PacketType::PubRel), third);
    assert_eq!(peer.expect_publish("q/1"), (first, QoS::AtLeastOnce, true));
    assert_eq!(peer.expect_publish("q/2"), (second, QoS::ExactlyOnce, true));
    let late = publish("q/4", QoS::AtLeastOnce);
    let (fourth, _, dup) = peer.expect_publish("q/4");
    assert!(!dup);
    peer.ack(PacketType::PubAck, fourth);
    peer.ack(PacketType::PubAck, first);
    peer.ack(PacketType::PubRec, second);
    assert_eq!(peer.expect_ack(PacketType::PubRel), second);
    peer.ack(PacketType::PubComp, third);
    peer.ack(PacketType::PubComp, second);
    for token in [one, two, three, late] {
        assert_eq!(
            token.acknowledged_timeout(LIMIT).unwrap(),
            ReasonCode::SUCCESS
        );
    }
}

#[test]
fn a_lost_session_follows_the_policy() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let publish = |topic, qos| client.publish(topic, "m").qos(qos).send().unwrap();
    let one = publish("q/1", QoS::AtLeastOnce);
    let two = publish("q/2", QoS::ExactlyOnce);
    peer.expect_publish("q/1");
    peer.expect_publish("q/2");
    drop(peer);
    let mut peer = server.reconnect(false);
    let (id, _, dup) = peer.expect_publish("q/1");
    assert!(!dup, "it is a new message");
    peer.ack(PacketType::PubAck, id);
    assert_eq!(
        one.acknowledged_timeout(LIMIT).unwrap(),
        ReasonCode::SUCCESS
    );
    let unknown = two.acknowledged_timeout(LIMIT).unwrap_err();
    assert!(
        matches!(unknown, DeliveryError::GivenUp(GiveUp::OutcomeUnknown)),
        "{unknown:?}"
    );
}

#[test]
fn a_lost_session_follows_another_policy() {
    let server = Server::start();
    let options = options().when_session_lost(Lost::GiveUp, Lost::Republish);
    let (client, mut peer) = server.connect(options);
    let publish = |topic, qos| client.publish(topic, "m").qos(qos).send().unwrap();
    let one = publish("q/1", QoS::AtLeastOnce);
    let _two = publish("q/2", QoS::ExactlyOnce);
    peer.expect_publish("q/1");
    peer.expect_publish("q/2");
    drop(peer);
    let mut peer = server.reconnect(false);
    assert!(!peer.expect_publish("q/2").2);
    let unknown = one.acknowledged_timeout(LIMIT).unwrap_err();
    assert!(
        matches!(unknown, DeliveryError::GivenUp(GiveUp::OutcomeUnknown)),
        "{unknown:?}"
    );
}

#[test]
fn without_a_connection_messages_wait_or_are_refused() {
    let server = Server::start();
    let options = options()
        .reconnect_between(LIMIT, LIMIT)
        .qos0_offline(Offline::Refuse);
    let (client, peer) = server.connect(options);
    drop(peer);
    assert!(
        client
            .wait_for_state(LIMIT, |state| matches!(state, State::Waiting { .. }))
            .is_some()
    );
    let refused = client.publish("t", "m").send();
    assert!(
        matches!(refused, Err(PublishError::Refused(_))),
        "{refused:?}"
    );
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    assert_eq!(client.unsettled().at_least_once, 1);
    assert!(token.outcome().is_none());
}

fn queue(messages: usize, bytes: usize, when_full: WhenFull) -> Queue {
    Queue {
        messages,
        bytes,
        when_full,
    }
}

#[test]
fn a_full_queue_refuses_at_once_or_after_a_while() {
    let soon = Duration::from_millis(50);
    for when_full in [WhenFull::Refuse, WhenFull::BlockFor(soon)] {
        let server = Server::start();
        let (client, mut peer) = server.connect(options().queue(queue(2, 100, when_full)));
        let publish =
            |payload: &'static str| client.publish("t", payload).qos(QoS::AtLeastOnce).send();
        let first = publish("1").unwrap();
        publish("2").unwrap();
        assert!(matches!(publish("3"), Err(PublishError::QueueFull)));
        let (id, ..) = peer.expect_publish("t");
        peer.ack(PacketType::PubAck, id);
        first.acknowledged_timeout(LIMIT).unwrap();
        publish("4").unwrap();
        assert_eq!(client.unsettled().at_least_once, 2);
    }
}

#[test]
fn a_queue_is_full_by_bytes_too() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options().queue(queue(9, 1_000, WhenFull::Refuse)));
    let publish = |len| {
        client
            .publish("t", vec![0; len])
            .qos(QoS::AtLeastOnce)
            .send()
    };
    let first = publish(600).unwrap();
    assert!(matches!(publish(600), Err(PublishError::QueueFull)));
    let larger = publish(1_000);
    assert!(
        matches!(
            larger,
            Err(PublishError::LargerThanQueue {
                len: 1_001,
                maximum: 1_000
            })
        ),
        "{larger:?}"
    );
    let (id, ..) = peer.expect_publish("t");
    peer.ack(PacketType::PubAck, id);
    first.acknowledged_timeout(LIMIT).unwrap();
    publish(600).unwrap();
}

#[test]
fn a_blocked_publish_goes_on_when_there_is_room() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options().queue(queue(1, 1_000, WhenFull::Block)));
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let publish = |_| {
                client
                    .publish("t", "m")
                    .qos(QoS::AtLeastOnce)
                    .send()
                    .unwrap()
            };
            let tokens: Vec<_> = (0..100).map(publish).collect();
            for token in tokens {
                token.acknowledged_timeout(LIMIT).unwrap();
            }
        });
        for _ in 0..100 {
            let (id, ..) = peer.expect_publish("t");
            peer.ack(PacketType::PubAck, id);
        }
        publisher.join().unwrap();
    });
}

#[test]
fn a_blocked_publish_ends_with_the_client() {
    let server = Server::start();
    let (client, _peer) = server.connect(options().queue(queue(1, 1_000, WhenFull::Block)));
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let (begun, begins) = channel();
    let other = client.clone();
    let publisher = thread::spawn(move || {
        begun.send(()).unwrap();
        other.publish("t", "m").qos(QoS::AtLeastOnce).send()
    });
    begins.recv().unwrap();
    assert_eq!(
        client
            .close(Duration::from_millis(50))
            .unwrap_err()
            .messages(),
        1
    );
    let ended = publisher.join().unwrap();
    assert!(
        matches!(ended, Err(PublishError::Ended(Cause::Closed))),
        "{ended:?}"
    );
    let ended = token.acknowledged_timeout(LIMIT);
    assert!(
        matches!(ended, Err(DeliveryError::Ended(Cause::Closed))),
        "{ended:?}"
    );
}

#[test]
fn a_hundred_thousand_at_qos_1_pass_a_queue_of_ten_while_nobody_reads() {
    pass_a_queue_of_ten(QoS::AtLeastOnce);
}

#[test]
fn a_hundred_thousand_at_qos_0_pass_a_queue_of_ten_while_nobody_reads() {
    pass_a_queue_of_ten(QoS::AtMostOnce);
}

fn pass_a_queue_of_ten(qos: QoS) {
    const COUNT: usize = 100_000;
    let server = Server::start();
    let (client, mut peer) = server.connect(options().queue(queue(10, 10_000, WhenFull::Block)));
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                let payload = Bytes::from(number.to_string());
                client.publish("t", payload).qos(qos).send().unwrap();
            }
        });
        for number in 0..COUNT {
            let (id, ..) = peer.expect_publish("t");
            // Echoed: it comes in on a stream that nobody reads.
            peer.publish("t", number.to_string().as_bytes(), QoS::AtMostOnce, 0);
            if qos == QoS::AtLeastOnce {
                peer.ack(PacketType::PubAck, id);
            }
        }
    });
    // What comes behind all the others has come.
    peer.publish("end", b"", QoS::AtLeastOnce, 1);
    assert_eq!(peer.expect_ack(PacketType::PubAck), 1);
    client.close(LIMIT).unwrap();
    let unread = client.unmatched();
    let dropped = unread.dropped();
    assert_eq!(unread.count() as u64 + dropped, COUNT as u64 + 1);
}
