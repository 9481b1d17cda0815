//! Messages that the application acknowledges.

use core::time::Duration;
use mqtt_proto::{
    Ack, EncodeError, Packet, Properties, PropertyId, Publish, QoS, ReasonCode, Sender,
};
use mqtt_session::{
    AckToken, Acknowledge, AcknowledgeError, Cause, Config, Connect, Fixed, Heap, Property, Store,
};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

fn manual<S: Store + Clone>(store: S) -> Talk<S> {
    let mut talk = Talk::new(Config::default().acknowledge(Acknowledge::Manually), store);
    talk.connects(&keeping(), connack());
    talk
}

/// The server publishes, the client delivers: what the message is acknowledged with.
#[track_caller]
fn brings<S: Store + Clone>(talk: &mut Talk<S>, qos: QoS, number: u16) -> AckToken {
    talk.server_publishes(qos, number, "a", &number.to_be_bytes());
    let came = talk.delivered();
    assert_eq!(came.payload, number.to_be_bytes());
    came.token.expect("the application is to acknowledge")
}

#[track_caller]
fn acknowledges<S: Store + Clone>(talk: &mut Talk<S>, token: AckToken) {
    talk.client.acknowledge(token, ReasonCode::SUCCESS).unwrap();
    talk.run();
}

// covers: MQTT-4.6.0-2, pitfall 70
#[test]
fn pubacks_leave_in_the_order_of_arrival_however_they_are_acknowledged() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = manual(store);
        let [a, b, c] = [3, 1, 2].map(|number| brings(&mut talk, QoS::AtLeastOnce, number));
        acknowledges(&mut talk, c);
        talk.quiet();
        acknowledges(&mut talk, a);
        talk.sends(puback(3)).quiet();
        acknowledges(&mut talk, b);
        talk.sends(puback(1)).sends(puback(2)).quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.6.0-3, pitfall 70, pitfall 71
#[test]
fn pubrecs_leave_in_the_order_of_arrival_however_they_are_acknowledged() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = manual(store);
        let [a, b] = [9, 4].map(|number| brings(&mut talk, QoS::ExactlyOnce, number));
        acknowledges(&mut talk, b);
        talk.quiet();
        acknowledges(&mut talk, a);
        talk.sends(pubrec(9)).sends(pubrec(4)).quiet();
        talk.server(pubrel(9)).sends(pubcomp(9));
        talk.server(pubrel(4)).sends(pubcomp(4)).quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 70
#[test]
fn puback_and_pubrec_share_one_order() {
    let mut talk = manual(Heap::default());
    let first = brings(&mut talk, QoS::AtLeastOnce, 1);
    let second = brings(&mut talk, QoS::ExactlyOnce, 2);
    acknowledges(&mut talk, second);
    talk.quiet();
    acknowledges(&mut talk, first);
    talk.sends(puback(1)).sends(pubrec(2)).quiet();
}

// covers: pitfall 70
#[test]
fn an_acknowledgement_for_an_earlier_connection_is_stale_and_the_message_comes_again() {
    fn scenario<S: Store + Clone>(store: S, keep: bool) {
        let mut talk = manual(store);
        let one = brings(&mut talk, QoS::AtLeastOnce, 1);
        let two = brings(&mut talk, QoS::ExactlyOnce, 2);
        let stale = |talk: &mut Talk<S>| {
            for token in [one, two] {
                let refused = talk.client.acknowledge(token, ReasonCode::SUCCESS);
                assert_eq!(refused, Err(AcknowledgeError::Stale));
            }
        };
        talk.loses_transport();
        stale(&mut talk);
        if keep {
            talk.resumes();
        } else {
            talk.connects(&keeping(), connack())
                .tells(Told::SessionLost);
        }
        stale(&mut talk);
        talk.quiet();
        for (qos, number) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
            talk.server(Packet::Publish(Publish {
                dup: true,
                ..publish(qos, number, "a", b"again")
            }));
            let came = talk.delivered();
            assert!(came.dup && came.payload == b"again");
            stale(&mut talk);
            acknowledges(&mut talk, came.token.unwrap());
            talk.sends(if number == 1 { puback(1) } else { pubrec(2) });
            talk.quiet();
        }
    }
    for keep in [true, false] {
        scenario(Heap::default(), keep);
        scenario(Small::new(), keep);
    }
}

// covers: MQTT-4.3.3-10, pitfall 66
#[test]
fn a_qos_2_message_that_was_acknowledged_before_the_cut_is_not_delivered_again() {
    let mut talk = manual(Heap::default());
    talk.takes = 0;
    let token = brings(&mut talk, QoS::ExactlyOnce, 1);
    acknowledges(&mut talk, token);
    talk.loses_transport();
    talk.takes = usize::MAX;
    talk.resumes();
    talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"again");
    talk.sends(pubrec(1)).quiet();
}

// covers: MQTT-4.3.3-10, pitfall 66
#[test]
fn a_repeat_of_what_the_application_still_holds_is_not_delivered() {
    let mut talk = manual(Heap::default());
    let token = brings(&mut talk, QoS::ExactlyOnce, 1);
    talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"again");
    talk.quiet();
    acknowledges(&mut talk, token);
    talk.sends(pubrec(1)).quiet();
}

// covers: MQTT-4.3.3-9, pitfall 68
#[test]
fn after_a_refusal_the_identifier_is_a_new_message() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = manual(store);
        let token = brings(&mut talk, QoS::ExactlyOnce, 1);
        let refused = ReasonCode::NOT_AUTHORIZED;
        talk.client.acknowledge(token, refused).unwrap();
        talk.sends_bytes(&[0x50, 3, 0, 1, 0x87]).quiet();
        let token = brings(&mut talk, QoS::ExactlyOnce, 1);
        acknowledges(&mut talk, token);
        talk.sends(pubrec(1)).quiet();
        talk.server(pubrel(1)).sends(pubcomp(1)).quiet();
        let token = brings(&mut talk, QoS::AtLeastOnce, 2);
        talk.client.acknowledge(token, refused).unwrap();
        talk.sends_bytes(&[0x40, 3, 0, 2, 0x87]).quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 68
#[test]
fn a_refusal_that_was_lost_lets_the_message_be_delivered_again() {
    let mut talk = manual(Heap::default());
    talk.takes = 0;
    let token = brings(&mut talk, QoS::ExactlyOnce, 1);
    let refused = ReasonCode::QUOTA_EXCEEDED;
    talk.client.acknowledge(token, refused).unwrap();
    talk.quiet().loses_transport();
    talk.takes = usize::MAX;
    talk.resumes();
    brings(&mut talk, QoS::ExactlyOnce, 1);
}

// covers: pitfall 75, MQTT-3.3.4-9
#[test]
fn a_refused_message_gives_its_slot_back() {
    let one = [Property::ReceiveMaximum(1)];
    let connect = Connect {
        properties: &one,
        ..Connect::new("c")
    };
    let config = Config::default().acknowledge(Acknowledge::Manually);
    let mut talk = Talk::new(config, Heap::default());
    talk.connects(&connect, connack());
    for number in 1..=3 {
        let token = brings(&mut talk, QoS::ExactlyOnce, number);
        let refused = ReasonCode::UNSPECIFIED_ERROR;
        talk.client.acknowledge(token, refused).unwrap();
        talk.sends_bytes(&[0x50, 3, 0, number as u8, 0x80]).quiet();
    }
    brings(&mut talk, QoS::AtLeastOnce, 4);
    talk.server_publishes(QoS::AtLeastOnce, 5, "a", b"");
    talk.breaks_off(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, "MQTT-3.3.4-9");
}

// covers: pitfall 70
#[test]
fn a_message_is_acknowledged_once() {
    let mut talk = manual(Heap::default());
    let first = brings(&mut talk, QoS::AtLeastOnce, 1);
    let second = brings(&mut talk, QoS::ExactlyOnce, 2);
    acknowledges(&mut talk, second);
    for _ in 0..2 {
        let refused = talk.client.acknowledge(second, ReasonCode::NOT_AUTHORIZED);
        assert_eq!(refused, Err(AcknowledgeError::Stale));
    }
    acknowledges(&mut talk, first);
    talk.sends(puback(1)).sends(pubrec(2)).quiet();
    let refused = talk.client.acknowledge(first, ReasonCode::SUCCESS);
    assert_eq!(refused, Err(AcknowledgeError::Stale));
    talk.quiet();
}

// covers: MQTT-4.3.2-4
#[test]
fn a_reason_that_a_client_may_not_give_is_refused_and_the_message_stays_open() {
    let mut talk = manual(Heap::default());
    let token = brings(&mut talk, QoS::AtLeastOnce, 1);
    for reason in [
        ReasonCode::NO_MATCHING_SUBSCRIBERS,
        ReasonCode::GRANTED_QOS_1,
        ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        ReasonCode::PROTOCOL_ERROR,
    ] {
        let refused = talk.client.acknowledge(token, reason);
        assert_eq!(refused, Err(AcknowledgeError::Reason(reason)));
    }
    talk.quiet();
    acknowledges(&mut talk, token);
    talk.sends(puback(1)).quiet();
}

// covers: MQTT-3.3.4-1
#[test]
fn a_qos_0_message_has_nothing_to_acknowledge() {
    let mut talk = manual(Heap::default());
    talk.server_publishes(QoS::AtMostOnce, 0, "a", b"0");
    assert_eq!(talk.delivered().token, None);
    talk.quiet();
}

/// What the application says with an acknowledgement.
const WHY: [Property<'static>; 2] = [
    Property::ReasonString("disk full"),
    Property::UserProperty("disk", "/var"),
];

// covers: MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3
#[test]
fn reason_string_and_user_property_go_along_unless_the_server_takes_no_packet_so_large() {
    for (qos, number) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
        for say in [&WHY[..1], &WHY[1..], &WHY[..]] {
            let full = Ack {
                properties: Properties::new(say),
                ..ack(number, ReasonCode::QUOTA_EXCEEDED)
            };
            let answer = |ack| match qos {
                QoS::AtLeastOnce => Packet::PubAck(ack),
                _ => Packet::PubRec(ack),
            };
            let len = u32::try_from(full.encoded_len().unwrap()).unwrap();
            for limit in [len, len - 1] {
                let config = Config::default().acknowledge(Acknowledge::Manually);
                let mut talk = Talk::new(config, Small::new());
                let limits = [Property::MaximumPacketSize(limit)];
                talk.connects(&keeping(), connack_with(&limits));
                let token = brings(&mut talk, qos, number);
                let said = talk
                    .client
                    .acknowledge_with(token, ReasonCode::QUOTA_EXCEEDED, say);
                said.unwrap();
                let bare = ack(number, ReasonCode::QUOTA_EXCEEDED);
                let sent = if limit == len { full } else { bare };
                talk.sends(answer(sent)).quiet();
            }
        }
    }
}

// covers: MQTT-3.4.2-2, MQTT-3.5.2-2
#[test]
fn properties_cannot_wait_for_an_older_acknowledgement() {
    let mut talk = manual(Heap::default());
    let first = brings(&mut talk, QoS::AtLeastOnce, 1);
    let second = brings(&mut talk, QoS::ExactlyOnce, 2);
    let refused = talk
        .client
        .acknowledge_with(second, ReasonCode::SUCCESS, &WHY);
    assert_eq!(refused, Err(AcknowledgeError::PropertiesCannotWait));
    talk.quiet();
    acknowledges(&mut talk, first);
    talk.sends(puback(1));
    let said = talk
        .client
        .acknowledge_with(second, ReasonCode::SUCCESS, &WHY);
    said.unwrap();
    talk.sends(Packet::PubRec(Ack {
        properties: Properties::new(&WHY),
        ..ack(2, ReasonCode::SUCCESS)
    }));
    talk.server(pubrel(2)).sends(pubcomp(2)).quiet();
}

// covers: MQTT-3.4.2-2
#[test]
fn a_property_that_does_not_belong_there_is_refused_and_the_message_stays_open() {
    let mut talk = manual(Heap::default());
    let token = brings(&mut talk, QoS::AtLeastOnce, 1);
    let wrong = [Property::ContentType("text/plain")];
    let refused = talk
        .client
        .acknowledge_with(token, ReasonCode::SUCCESS, &wrong);
    let Err(AcknowledgeError::Invalid(EncodeError::PropertyNotAllowed(id, _))) = refused else {
        panic!("not refused but {refused:?}");
    };
    assert_eq!(id, PropertyId::ContentType);
    talk.quiet();
    acknowledges(&mut talk, token);
    talk.sends(puback(1)).quiet();
}

// covers: MQTT-4.9.0-3, pitfall 74
#[test]
fn messages_that_wait_for_the_application_hold_up_no_other_packet() {
    fn scenario<S: Store + Clone>(store: S) {
        let config = Config::default().acknowledge(Acknowledge::Manually);
        let mut talk = Talk::new(config, store);
        let own = [Property::ReceiveMaximum(2)];
        let connect = Connect {
            properties: &own,
            keep_alive: 5,
            ..Connect::new("c")
        };
        talk.connects(&connect, connack());
        let ticket = talk.publishes(QoS::ExactlyOnce, "out", b"mine");
        talk.sends_publish(QoS::ExactlyOnce, 1, "out", b"mine");
        let tokens = [1, 2].map(|number| brings(&mut talk, QoS::AtLeastOnce, number));
        // The table of acknowledgements is full now.
        talk.server_publishes(QoS::AtMostOnce, 0, "a", b"0");
        talk.delivers("a", b"0");
        talk.server(pubrec(1)).sends(pubrel(1));
        talk.server(pubcomp(1)).settles(ticket, ReasonCode::SUCCESS);
        talk.server(pubrec(77)).sends_bytes(&[0x62, 3, 0, 77, 0x92]);
        talk.server(pubrel(78)).sends_bytes(&[0x70, 3, 0, 78, 0x92]);
        talk.wait(Duration::from_secs(5)).sends(Packet::PingReq);
        talk.server(Packet::PingResp).quiet();
        for token in tokens {
            acknowledges(&mut talk, token);
        }
        talk.sends(puback(1)).sends(puback(2)).quiet();
    }
    scenario(Heap::default());
    scenario(Fixed::<2, 2, 256, 128>::new());
}

// covers: pitfall 75, MQTT-3.3.4-9
#[test]
fn more_than_the_application_may_hold_breaks_the_connection_off() {
    let config = Config::default().acknowledge(Acknowledge::Manually);
    let mut talk = Talk::new(config, Fixed::<2, 2, 256, 128>::new());
    talk.connects(&keeping(), connack());
    brings(&mut talk, QoS::AtLeastOnce, 1);
    brings(&mut talk, QoS::ExactlyOnce, 2);
    talk.server_publishes(QoS::AtLeastOnce, 3, "a", b"");
    talk.breaks_off(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, "MQTT-3.3.4-9");
}

// covers: MQTT-4.3.3-11
#[test]
fn a_pubrel_before_its_pubrec_breaks_the_connection_off() {
    let mut talk = manual(Heap::default());
    brings(&mut talk, QoS::ExactlyOnce, 1);
    talk.server(pubrel(1));
    talk.breaks_off(ReasonCode::PROTOCOL_ERROR, "section 4.3.3");
}

// covers: pitfall 70
#[test]
fn an_unacknowledged_message_does_not_outlive_its_connection() {
    let mut talk = manual(Small::new());
    for round in 0..20 {
        for number in 1..=8 {
            brings(&mut talk, QoS::ExactlyOnce, number);
        }
        talk.cut().disconnected(Cause::TransportClosed);
        if round % 2 == 0 {
            talk.resumes();
        } else {
            talk.connects(&keeping(), connack())
                .tells(Told::SessionLost);
        }
        talk.quiet();
    }
}

// covers: MQTT-4.3.3-10
#[test]
fn a_refused_puback_forgets_no_qos_2_message_of_the_same_number() {
    let mut talk = talk(Config::default().acknowledge(Acknowledge::Manually));
    talk.connects(&keeping(), connack());
    talk.server_publishes(QoS::ExactlyOnce, 5, "a", b"2");
    let token = talk.delivered().token.unwrap();
    talk.client.acknowledge(token, ReasonCode::SUCCESS).unwrap();
    talk.sends(pubrec(5));
    talk.server_publishes(QoS::AtLeastOnce, 5, "a", b"1");
    let token = talk.delivered().token.unwrap();
    talk.client
        .acknowledge(token, ReasonCode::QUOTA_EXCEEDED)
        .unwrap();
    talk.loses_transport();
    talk.resumes();
    talk.server(Packet::Publish(mqtt_proto::Publish {
        dup: true,
        ..publish(QoS::ExactlyOnce, 5, "a", b"2")
    }));
    talk.sends(pubrec(5)).quiet();
}

#[test]
fn what_wants_no_acknowledgement_gets_no_token_from_a_packet_in_the_same_piece() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = manual(store);
        let token = brings(&mut talk, QoS::AtLeastOnce, 1);
        acknowledges(&mut talk, token);
        talk.sends(puback(1));
        let mut piece = [0; 32];
        // Nothing waits for it, so that the next packet is looked at at once.
        let reasons = [ReasonCode::SUCCESS];
        let first = suback(7, &reasons)
            .encode(Sender::Server, &mut piece)
            .unwrap();
        let message = Packet::Publish(publish(QoS::AtMostOnce, 0, "a", b"0"));
        let second = message.encode(Sender::Server, &mut piece[first..]).unwrap();
        talk.server_bytes(&piece[..first + second]);
        assert_eq!(talk.delivered().token, None);
        talk.quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}
