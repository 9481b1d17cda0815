//! The main paths, each in a few lines.

use core::time::Duration;
use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::{Cause, Config, Connect, Property};
use mqtt_tests::talk::*;

const KEEP: [Property<'static>; 1] = [Property::SessionExpiryInterval(3600)];

fn keeping() -> Connect<'static> {
    Connect {
        properties: &KEEP,
        ..Connect::new("c")
    }
}

#[test]
fn qos_0_settles_when_the_transport_has_taken_it() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::AtMostOnce, "a/b", b"x");
    talk.sends(Packet::Publish(publish(QoS::AtMostOnce, 0, "a/b", b"x")));
    talk.settles(ticket, ReasonCode::SUCCESS).quiet();
}

#[test]
fn qos_1_settles_with_puback() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::AtLeastOnce, "a/b", b"x");
    talk.sends(Packet::Publish(publish(QoS::AtLeastOnce, 1, "a/b", b"x")))
        .quiet();
    talk.server(puback(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

#[test]
fn qos_2_settles_with_pubcomp() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::ExactlyOnce, "a/b", b"x");
    talk.sends(Packet::Publish(publish(QoS::ExactlyOnce, 1, "a/b", b"x")))
        .quiet();
    talk.server(pubrec(1)).sends(pubrel(1)).quiet();
    talk.server(pubcomp(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

#[test]
fn inbound_messages_are_acknowledged() {
    let mut talk = connected(Config::default());
    talk.server(Packet::Publish(publish(QoS::AtMostOnce, 0, "a", b"0")))
        .delivers("a", b"0")
        .quiet();
    talk.server(Packet::Publish(publish(QoS::AtLeastOnce, 7, "a", b"1")))
        .delivers("a", b"1")
        .sends(puback(7))
        .quiet();
    talk.server(Packet::Publish(publish(QoS::ExactlyOnce, 7, "a", b"2")))
        .delivers("a", b"2")
        .sends(pubrec(7))
        .quiet();
    talk.server(Packet::Publish(publish(QoS::ExactlyOnce, 7, "a", b"2")))
        .sends(pubrec(7))
        .quiet();
    talk.server(pubrel(7)).sends(pubcomp(7)).quiet();
    talk.server(Packet::Publish(publish(QoS::ExactlyOnce, 7, "a", b"3")))
        .delivers("a", b"3")
        .sends(pubrec(7))
        .quiet();
}

#[test]
fn what_was_sent_is_sent_again_with_dup_after_a_cut() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    let three = talk.publishes(QoS::ExactlyOnce, "a", b"3");
    for _ in 0..3 {
        talk.sent();
    }
    talk.server(pubrec(2)).sends(pubrel(2)).quiet();
    talk.cut().disconnected(Cause::TransportClosed).quiet();
    let four = talk.publishes(QoS::AtLeastOnce, "a", b"4");
    talk.connects(&keeping(), session_present());
    let again = |qos, number, payload| {
        Packet::Publish(mqtt_proto::Publish {
            dup: true,
            ..publish(qos, number, "a", payload)
        })
    };
    talk.sends(pubrel(2))
        .sends(again(QoS::AtLeastOnce, 1, b"1"))
        .sends(again(QoS::ExactlyOnce, 3, b"3"))
        .sends(Packet::Publish(publish(QoS::AtLeastOnce, 4, "a", b"4")))
        .quiet();
    talk.server(puback(1)).settles(one, ReasonCode::SUCCESS);
    talk.server(pubcomp(2)).settles(two, ReasonCode::SUCCESS);
    talk.server(pubrec(3))
        .sends(pubrel(3))
        .server(pubcomp(3))
        .settles(three, ReasonCode::SUCCESS);
    talk.server(puback(4))
        .settles(four, ReasonCode::SUCCESS)
        .quiet();
    assert_eq!(talk.client.unsettled(), 0);
}

#[test]
fn a_lost_session_republishes_qos_1_and_gives_up_qos_2() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sent();
    talk.sent();
    talk.cut().disconnected(Cause::TransportClosed);
    talk.connects(&keeping(), connack());
    talk.tells(Told::SessionLost);
    talk.tells(Told::Published(
        two,
        Err(mqtt_session::GiveUp::OutcomeUnknown),
        Vec::new(),
    ));
    talk.sends(Packet::Publish(publish(QoS::AtLeastOnce, 3, "a", b"1")));
    talk.server(puback(3))
        .settles(one, ReasonCode::SUCCESS)
        .quiet();
}

#[test]
fn pings_when_silent_and_closes_without_an_answer() {
    let mut talk = connected(Config::default());
    talk.wait(Duration::from_secs(59)).quiet();
    talk.wait(Duration::from_secs(1))
        .sends(Packet::PingReq)
        .quiet();
    talk.wait(Duration::from_secs(9)).quiet();
    talk.wait(Duration::from_secs(1))
        .closes()
        .disconnected(Cause::PingTimeout);
}

#[test]
fn stop_writes_what_is_queued_then_disconnect() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::AtMostOnce, "a", b"1");
    talk.client.stop(talk.now);
    talk.sends(Packet::Publish(publish(QoS::AtMostOnce, 0, "a", b"1")));
    talk.sends_bytes(&[0xe0, 0x00]);
    talk.settles(ticket, ReasonCode::SUCCESS);
    talk.closes();
    talk.tells(Told::Disconnected(Cause::Stopped, None));
    talk.expect(Did::Done).quiet();
}

#[test]
fn a_payload_larger_than_the_buffer_comes_in_parts() {
    let mut talk = connected(Config::default());
    let payload: Vec<u8> = (0..20_000u32).map(|i| i as u8).collect();
    let packet = Packet::Publish(publish(QoS::ExactlyOnce, 9, "big", &payload));
    let bytes = packet.to_vec(Sender::Server).unwrap();
    talk.chunk = 100;
    talk.parts = true;
    talk.server_bytes(&bytes);
    let mut whole = Vec::new();
    while whole.len() < payload.len() {
        let part = talk.delivered();
        assert_eq!((part.offset, part.total), (whole.len(), payload.len()));
        assert_eq!(part.topic, "big");
        whole.extend_from_slice(&part.payload);
    }
    assert_eq!(whole, payload);
    talk.sends(pubrec(9)).quiet();
    talk.server_bytes(&bytes).sends(pubrec(9)).quiet();
    talk.server(pubrel(9)).sends(pubcomp(9)).quiet();
}

#[test]
fn a_large_publish_is_sent_from_where_it_lies() {
    let mut talk = connected(Config::default());
    let payload = vec![7; 200_000];
    let ticket = talk.publishes(QoS::AtLeastOnce, "big", &payload);
    let small = talk.publishes(QoS::AtMostOnce, "small", b"s");
    talk.takes = 999;
    talk.sends(Packet::Publish(publish(QoS::AtMostOnce, 0, "small", b"s")));
    talk.settles(small, ReasonCode::SUCCESS);
    talk.sends(Packet::Publish(publish(
        QoS::AtLeastOnce,
        1,
        "big",
        &payload,
    )))
    .quiet();
    talk.server(puback(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}
