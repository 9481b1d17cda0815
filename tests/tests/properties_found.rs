//! What the properties have found, each as the shortest conversation that shows it.

use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::{Acknowledge, Cause, Config, Connect, Fixed, GiveUp, Property};
use mqtt_tests::input::INPUT;
use mqtt_tests::talk::*;

// covers: pitfall 75
#[test]
fn a_growing_store_remembers_as_many_open_qos_2_messages_as_it_advertises() {
    let mut talk = connected(Config::default());
    for id in 1..=100 {
        talk.server(Packet::Publish(publish(QoS::ExactlyOnce, id, "a", b"2")))
            .delivers("a", b"2")
            .sends(pubrec(id))
            .quiet();
    }
    for id in 1..=100 {
        talk.server(Packet::Publish(publish(QoS::ExactlyOnce, id, "a", b"2")))
            .sends(pubrec(id))
            .quiet();
        talk.server(pubrel(id)).sends(pubcomp(id)).quiet();
    }
}

// covers: pitfall 86
#[test]
fn a_message_of_which_no_part_was_delivered_is_not_told_to_be_cut() {
    let mut talk = connected(Config::default());
    let payload = [7; 10_000];
    let packet = Packet::Publish(publish(QoS::AtLeastOnce, 1, "big", &payload));
    let bytes = packet.to_vec(Sender::Server).unwrap();
    talk.server_bytes(&bytes[..20]).quiet();
    talk.cut().disconnected(Cause::TransportClosed).quiet();
}

// covers: pitfall 41
#[test]
fn what_the_server_does_not_allow_is_told_before_the_client_waits() {
    let mut talk = talk(Config::default());
    let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.opens(&Connect::new("c"));
    talk.server(connack_with(&[Property::MaximumQoS(QoS::AtMostOnce)]));
    let session_present = false;
    assert_eq!(talk.next(), Did::Told(Told::Connected { session_present }));
    let outcome = Err(GiveUp::QoSNotSupported);
    let given_up = Told::Published(ticket, outcome, Vec::new());
    assert_eq!(talk.next(), Did::Told(given_up));
}

// covers: MQTT-3.3.1-1, pitfall 34
#[test]
fn a_message_published_anew_has_no_dup_however_often_it_was_sent_before() {
    let mut talk = talk(Config::default());
    let session = [Property::SessionExpiryInterval(3_600)];
    let connect = Connect {
        properties: &session,
        ..Connect::new("c")
    };
    talk.connects(&connect, connack());
    let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let sent = publish(QoS::AtLeastOnce, 1, "a", b"1");
    talk.sends(Packet::Publish(sent));
    talk.cut().disconnected(Cause::TransportClosed);
    let no_retain = [Property::RetainAvailable(false)];
    let resumed = Packet::ConnAck(mqtt_proto::ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: mqtt_proto::Properties::new(&no_retain),
    });
    talk.connects(&connect, resumed);
    talk.sends(Packet::Publish(mqtt_proto::Publish { dup: true, ..sent }));
    talk.cut().disconnected(Cause::TransportClosed);
    talk.connects(&connect, connack()).tells(Told::SessionLost);
    talk.sends(Packet::Publish(publish(QoS::AtLeastOnce, 2, "a", b"1")));
    talk.server(puback(2)).settles(ticket, ReasonCode::SUCCESS);
}

// covers: MQTT-4.6.0-2
#[test]
fn an_acknowledgement_with_properties_lets_those_behind_it_leave() {
    let mut talk = connected(Config::default().acknowledge(Acknowledge::Manually));
    for id in [1, 2] {
        talk.server(Packet::Publish(publish(QoS::AtLeastOnce, id, "a", b"1")));
    }
    let first = talk.delivered().token.unwrap();
    let second = talk.delivered().token.unwrap();
    let client = &mut talk.client;
    client.acknowledge(second, ReasonCode::SUCCESS).unwrap();
    talk.quiet();
    let properties = [Property::ReasonString("so")];
    talk.client
        .acknowledge_with(first, ReasonCode::SUCCESS, &properties)
        .unwrap();
    let first = mqtt_proto::Ack {
        properties: mqtt_proto::Properties::new(&properties),
        ..ack(1, ReasonCode::SUCCESS)
    };
    talk.sends(Packet::PubAck(first)).sends(puback(2)).quiet();
}

// covers: pitfall 86
#[test]
fn a_header_too_large_for_the_buffer_is_refused_alike_in_one_piece_and_in_many() {
    for chunk in [usize::MAX, 1] {
        let mut talk = connected(Config::default());
        talk.chunk = chunk;
        // A topic name that leaves less than a quarter of the buffer, and is no UTF-8.
        let [high, low] = u16::try_from(INPUT / 4 * 3).unwrap().to_be_bytes();
        let mut bytes = vec![0x30, 0xa0, 0x9c, 0x01, high, low];
        bytes.resize(INPUT, 0xff);
        talk.server_bytes(&bytes[..if chunk == 1 { 6 } else { INPUT }]);
        let reason = ReasonCode::PACKET_TOO_LARGE;
        talk.tells(Told::Violation(reason, "section 3.1.2.11.4"));
        talk.sends(disconnect(reason)).closes();
    }
}

// covers: MQTT-3.3.4-9, pitfall 75
#[test]
fn messages_of_an_earlier_connection_take_no_place_in_receive_maximum() {
    let mut talk = Talk::new(Config::default(), Fixed::<4, 2, 256, 64>::new());
    let session = [Property::SessionExpiryInterval(3_600)];
    let connect = Connect {
        properties: &session,
        ..Connect::new("c")
    };
    let inbound = |id| Packet::Publish(publish(QoS::ExactlyOnce, id, "a", b"2"));
    talk.connects(&connect, connack());
    for id in [1, 2] {
        talk.server(inbound(id))
            .delivers("a", b"2")
            .sends(pubrec(id));
    }
    talk.cut().disconnected(Cause::TransportClosed);
    talk.connects(&connect, session_present());
    // The output is full, so that PUBCOMP has to wait.
    talk.takes = 0;
    talk.publishes(QoS::AtLeastOnce, "a", &[7; 50]);
    talk.server(pubrel(1)).server(pubrel(2));
    for id in [3, 4] {
        talk.server(inbound(id)).delivers("a", b"2").quiet();
    }
    talk.unblock();
    talk.sends(Packet::Publish(publish(QoS::AtLeastOnce, 1, "a", &[7; 50])));
    let mut answers: Vec<_> = (0..4).map(|_| talk.sent()).collect();
    answers.sort();
    let expected = [pubrec(3), pubrec(4), pubcomp(1), pubcomp(2)];
    assert_eq!(answers, expected.map(|p| p.to_vec(Sender::Client).unwrap()));
}
