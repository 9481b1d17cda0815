//! What goes on after a cut when the server still has the session.

use core::time::Duration;
use mqtt_proto::{Packet, QoS, ReasonCode};
use mqtt_session::{Action, Config, Fixed, GiveUp, Heap, Property, Store, Ticket};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

fn kept<S: Store + Clone>(store: S) -> Talk<S> {
    let mut talk = Talk::new(Config::default(), store);
    talk.connects(&keeping(), connack());
    talk
}

/// Connects again to a server that still has the session and sets these limits.
fn resumes_with<S: Store + Clone>(talk: &mut Talk<S>, limits: &[Property<'_>]) {
    let accepted = Packet::ConnAck(mqtt_proto::ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: mqtt_proto::Properties::new(limits),
    });
    talk.connects(&keeping(), accepted);
}

#[track_caller]
fn given_up<S: Store + Clone>(talk: &mut Talk<S>, ticket: Ticket, cause: GiveUp) {
    talk.tells(Told::Published(ticket, Err(cause), Vec::new()));
}

// covers: MQTT-3.3.1-1, MQTT-4.4.0-1, MQTT-4.3.3-3, pitfall 53
#[test]
fn an_unacknowledged_publish_is_sent_again_with_dup_and_its_old_identifier() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(store);
        let plain = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
        let retained = message(QoS::AtLeastOnce, "a", b"2").retain(true);
        let retained = talk.client.publish(talk.now, &retained).unwrap();
        assert_eq!(talk.sent()[0], 0x33);
        let twice = talk.publishes(QoS::ExactlyOnce, "a", b"3");
        talk.sends_publish(QoS::ExactlyOnce, 3, "a", b"3");
        // Twice, so that the second time it is resent from what was resent.
        for _ in 0..2 {
            talk.loses_transport().resumes();
            assert_eq!(talk.sent(), [0x3a, 7, 0, 1, b'a', 0, 1, 0, b'1']);
            assert_eq!(talk.sent(), [0x3b, 7, 0, 1, b'a', 0, 2, 0, b'2']);
            assert_eq!(talk.sent(), [0x3c, 7, 0, 1, b'a', 0, 3, 0, b'3']);
            talk.quiet();
        }
        talk.server(puback(1)).settles(plain, ReasonCode::SUCCESS);
        talk.server(puback(2))
            .settles(retained, ReasonCode::SUCCESS);
        talk.server(pubrec(3)).sends(pubrel(3));
        talk.server(pubcomp(3)).settles(twice, ReasonCode::SUCCESS);
        talk.loses_transport().resumes().quiet();
        assert_eq!(talk.client.unsettled(), 0);
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.3.3-5, MQTT-4.3.3-6, MQTT-4.4.0-1, pitfall 53
#[test]
fn past_pubrec_only_pubrel_is_sent_again_as_it_was() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(store);
        let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
        talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1");
        talk.server(pubrec(1)).sends_bytes(&[0x62, 2, 0, 1]);
        for _ in 0..2 {
            talk.loses_transport().resumes();
            talk.sends_bytes(&[0x62, 2, 0, 1]).quiet();
        }
        // The server may have finished with it before the cut.
        let unknown = ack(1, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
        talk.server(Packet::PubComp(unknown))
            .settles(ticket, ReasonCode::SUCCESS);
        talk.loses_transport().resumes().quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.3.3-6
#[test]
fn a_pubrel_that_never_left_is_sent_over_the_next_transport() {
    let mut talk = kept(Heap::default());
    talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1");
    talk.takes = 0;
    talk.server(pubrec(1)).quiet();
    talk.loses_transport();
    talk.takes = usize::MAX;
    talk.resumes();
    talk.sends(pubrel(1)).quiet();
}

// covers: MQTT-4.4.0-1, pitfall 52
#[test]
fn nothing_is_sent_again_on_a_live_connection_however_long_it_lasts() {
    let patient = Config::default().ack_timeout(Duration::from_secs(86_400));
    let mut talk = Talk::new(patient, Heap::default());
    talk.connects(&keeping(), connack());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.publishes(QoS::ExactlyOnce, "a", b"3");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"2");
    talk.sends_publish(QoS::ExactlyOnce, 3, "a", b"3");
    talk.server(pubrec(3)).sends(pubrel(3));
    for _ in 0..180 {
        talk.wait(Duration::from_secs(60)).sends(Packet::PingReq);
        talk.server(Packet::PingResp).quiet();
    }
}

// covers: pitfall 52
#[test]
fn nothing_is_sent_again_when_the_server_lost_the_session() {
    let mut talk = kept(Heap::default());
    let qos_2 = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1");
    let released = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"2");
    talk.server(pubrec(2)).sends(pubrel(2));
    talk.loses_transport().connects(&keeping(), connack());
    talk.tells(Told::SessionLost);
    talk.settles(released, ReasonCode::SUCCESS);
    given_up(&mut talk, qos_2, GiveUp::OutcomeUnknown);
    talk.quiet();
}

// covers: pitfall 55, MQTT-4.9.0-2
#[test]
fn new_messages_queue_behind_the_replay_and_the_replay_keeps_receive_maximum() {
    let mut talk = kept(Heap::default());
    let mut tickets = Vec::new();
    for payload in [b"1", b"2", b"3"] {
        tickets.push(talk.publishes(QoS::AtLeastOnce, "a", payload));
        talk.sent();
    }
    talk.loses_transport();
    tickets.push(talk.publishes(QoS::AtLeastOnce, "a", b"4"));
    resumes_with(&mut talk, &[Property::ReceiveMaximum(1)]);
    tickets.push(talk.publishes(QoS::AtLeastOnce, "a", b"5"));
    for (number, payload) in [(1, b"1"), (2, b"2"), (3, b"3")] {
        talk.resends_publish(QoS::AtLeastOnce, number, "a", payload)
            .quiet();
        talk.server(puback(number));
        talk.settles(tickets[usize::from(number) - 1], ReasonCode::SUCCESS);
    }
    for (number, payload) in [(4, b"4"), (5, b"5")] {
        talk.sends_publish(QoS::AtLeastOnce, number, "a", payload)
            .quiet();
        talk.server(puback(number));
        talk.settles(tickets[usize::from(number) - 1], ReasonCode::SUCCESS);
    }
    talk.quiet();
}

/// Two messages to one topic are cut after so many bytes and resumed: how long the first was,
/// and the first byte of each when it is sent again.
fn cut_after(taken: usize, aliases: u16) -> (usize, [u8; 2]) {
    let mut talk = Talk::new(Config::default().topic_aliases(aliases), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::TopicAliasMaximum(1)]));
    talk.takes = 0;
    talk.publishes(QoS::AtLeastOnce, "a/longer/topic", b"1");
    talk.publishes(QoS::ExactlyOnce, "a/longer/topic", b"2");
    talk.run();
    talk.client.sent(talk.now, 0);
    let mut wire = Vec::new();
    while wire.len() < taken {
        let Action::Send(bytes) = talk.client.poll(talk.now, &mut talk.input) else {
            panic!("bytes are left to send");
        };
        wire.push(bytes[0]);
        talk.client.sent(talk.now, 1);
    }
    talk.loses_transport();
    talk.takes = usize::MAX;
    talk.resumes();
    let again = [talk.sent()[0], talk.sent()[0]];
    talk.quiet();
    (wire.get(1).map_or(0, |rest| 2 + usize::from(*rest)), again)
}

// covers: pitfall 53, pitfall 56, MQTT-3.3.1-1
#[test]
fn dup_is_set_from_the_first_byte_that_the_transport_took() {
    for (aliases, both) in [(0, 2 * 22), (1, 25 + 11)] {
        let (first_len, _) = cut_after(both, aliases);
        for taken in 0..=both {
            let (_, again) = cut_after(taken, aliases);
            let seen = again.map(|byte| byte & 8 != 0);
            assert_eq!(
                seen,
                [taken > 0, taken > first_len],
                "{taken} of {both} bytes were taken, the first message has {first_len}"
            );
        }
    }
}

// covers: MQTT-4.3.3-7, pitfall 76
#[test]
fn a_message_that_was_sent_completes_though_it_has_expired() {
    let mut talk = kept(Heap::default());
    let mut tickets = Vec::new();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let publish = message(qos, "a", b"1").message_expiry_interval(1);
        tickets.push(talk.client.publish(talk.now, &publish).unwrap());
        talk.sent();
    }
    talk.loses_transport().wait(Duration::from_secs(10));
    talk.expect(Did::Open);
    talk.client.opened(talk.now, &keeping()).unwrap();
    talk.sent();
    talk.server(session_present()).tells(Told::Connected {
        session_present: true,
    });
    assert_eq!(talk.sent()[0], 0x3a);
    assert_eq!(talk.sent()[0], 0x3c);
    talk.server(puback(1))
        .settles(tickets[0], ReasonCode::SUCCESS);
    talk.server(pubrec(2)).sends(pubrel(2));
    talk.server(pubcomp(2))
        .settles(tickets[1], ReasonCode::SUCCESS);
    talk.quiet();
}

// covers: MQTT-3.2.2-11, MQTT-3.2.2-14, MQTT-3.2.2-15
#[test]
fn what_the_new_limits_forbid_is_given_up_instead_of_being_sent_again() {
    let cases = [
        (
            Property::MaximumQoS(QoS::AtMostOnce),
            GiveUp::QoSNotSupported,
        ),
        (Property::RetainAvailable(false), GiveUp::RetainNotSupported),
        (Property::MaximumPacketSize(8), GiveUp::TooLarge),
    ];
    for (limit, cause) in cases {
        let mut talk = kept(Small::new());
        let mut tickets = Vec::new();
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let publish = message(qos, "a", b"1").retain(true);
            tickets.push(talk.client.publish(talk.now, &publish).unwrap());
            talk.sent();
        }
        talk.loses_transport();
        let waited = message(QoS::ExactlyOnce, "a", b"2").retain(true);
        tickets.push(talk.client.publish(talk.now, &waited).unwrap());
        resumes_with(&mut talk, &[limit]);
        for ticket in tickets {
            given_up(&mut talk, ticket, cause);
        }
        talk.quiet();
        assert_eq!(talk.client.unsettled(), 0);
    }
}

/// A talk in which the QoS 2 message with identifier 2 was sent and then given up.
fn with_identifier_2_reserved() -> Talk<Small> {
    let mut talk = kept(Small::new());
    let qos_1 = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let qos_2 = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sent();
    talk.sent();
    talk.loses_transport();
    resumes_with(&mut talk, &[Property::MaximumPacketSize(8)]);
    given_up(&mut talk, qos_1, GiveUp::TooLarge);
    given_up(&mut talk, qos_2, GiveUp::TooLarge);
    talk.quiet();
    talk
}

/// The identifiers of QoS 1 messages that are published and settled until one comes again.
fn round_of_identifiers<S: Store + Clone>(talk: &mut Talk<S>) -> Vec<u16> {
    let mut ids: Vec<u16> = Vec::new();
    loop {
        let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"");
        let sent = talk.sent();
        let number = u16::from_be_bytes([sent[5], sent[6]]);
        talk.server(puback(number));
        talk.settles(ticket, ReasonCode::SUCCESS);
        if ids.first() == Some(&number) {
            return ids;
        }
        ids.push(number);
    }
}

// covers: pitfall 64, MQTT-2.2.1-3
#[test]
fn the_identifier_of_a_qos_2_message_given_up_on_resume_stays_reserved_while_the_session_lives() {
    let mut talk = with_identifier_2_reserved();
    let ids = round_of_identifiers(&mut talk);
    assert_eq!(ids.len(), 65_534);
    assert!(!ids.contains(&2) && ids.contains(&1));

    talk.loses_transport().connects(&keeping(), connack());
    talk.tells(Told::SessionLost);
    let ids = round_of_identifiers(&mut talk);
    assert_eq!(ids.len(), 65_535);
}

// covers: pitfall 60
#[test]
fn a_late_pubrec_for_a_message_given_up_on_resume_is_answered_as_unknown() {
    let mut talk = with_identifier_2_reserved();
    talk.server(pubrec(2)).sends_bytes(&[0x62, 3, 0, 2, 0x92]);
    let unknown = ack(2, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
    talk.server(Packet::PubComp(unknown)).quiet();
    assert!(talk.client.is_connected());
}

// covers: MQTT-3.3.2-7
#[test]
fn what_was_sent_by_its_alias_alone_is_sent_again_with_its_topic() {
    let mut talk = Talk::new(Config::default().topic_aliases(1), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::TopicAliasMaximum(1)]));
    talk.publishes(QoS::AtLeastOnce, "a/long/topic", b"1");
    talk.publishes(QoS::AtLeastOnce, "a/long/topic", b"2");
    talk.sent();
    let second = talk.sent();
    let Ok(Packet::Publish(second)) = Packet::decode(&second, mqtt_proto::Sender::Client) else {
        panic!("a PUBLISH is due");
    };
    assert_eq!(second.topic, None);
    talk.loses_transport().resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a/long/topic", b"1");
    talk.resends_publish(QoS::AtLeastOnce, 2, "a/long/topic", b"2");
    talk.quiet();
}
