//! Messages from the client at QoS 0, 1 and 2, on one live connection.

use core::time::Duration;
use mqtt_proto::{Ack, EncodeError, Packet, Properties, PropertyId, QoS, ReasonCode, TopicFilter};
use mqtt_session::{
    Config, Fixed, GiveUp, Heap, Offline, Property, RequestError, Store, Subscription,
    SubscriptionOptions,
};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

/// A kept session on a connection that was just accepted.
fn kept<S: Store + Clone>(store: S) -> Talk<S> {
    let mut talk = Talk::new(Config::default(), store);
    talk.connects(&keeping(), connack());
    talk
}

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

fn subscription(of: &str) -> Subscription<'_> {
    Subscription {
        filter: filter(of),
        options: SubscriptionOptions::default(),
    }
}

/// The packet identifier of a PUBLISH (topic of one byte), SUBSCRIBE or UNSUBSCRIBE.
fn packet_id(packet: &[u8]) -> u16 {
    match Packet::decode(packet, mqtt_proto::Sender::Client).unwrap() {
        Packet::Publish(publish) => publish.packet_id.unwrap().value(),
        Packet::Subscribe(subscribe) => subscribe.packet_id.value(),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.packet_id.value(),
        other => panic!("{other:?} has no identifier of its own"),
    }
}

// covers: MQTT-4.3.2-2, MQTT-4.3.3-2, pitfall 56
#[test]
fn a_first_transmission_has_dup_0_also_when_it_waited_for_a_connection() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        talk.publishes(QoS::AtLeastOnce, "a", b"waited");
        talk.publishes(QoS::ExactlyOnce, "a", b"waited");
        talk.connects(&keeping(), connack());
        assert_eq!(talk.sent()[0], 0x32);
        assert_eq!(talk.sent()[0], 0x34);
        talk.publishes(QoS::AtLeastOnce, "a", b"live");
        talk.publishes(QoS::ExactlyOnce, "a", b"live");
        assert_eq!(talk.sent()[0], 0x32);
        assert_eq!(talk.sent()[0], 0x34);
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 56
#[test]
fn what_was_queued_for_a_transport_that_took_nothing_is_still_a_first_transmission() {
    let mut talk = kept(Heap::default());
    talk.takes = 0;
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.run().loses_transport();
    talk.takes = usize::MAX;
    talk.resumes();
    // The identifier that was never seen on a wire is not the message's any more.
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", b"1").quiet();
}

// covers: MQTT-4.3.1-1, pitfall 77
#[test]
fn a_qos_0_message_is_sent_once_and_never_again() {
    let mut talk = kept(Heap::default());
    let plain = talk.publishes(QoS::AtMostOnce, "a", b"1");
    assert_eq!(talk.sent()[0], 0x30);
    talk.settles(plain, ReasonCode::SUCCESS);
    let retained = message(QoS::AtMostOnce, "a", b"2").retain(true);
    let retained = talk.client.publish(talk.now, &retained).unwrap();
    assert_eq!(talk.sent()[0], 0x31);
    talk.settles(retained, ReasonCode::SUCCESS);
    talk.loses_transport().resumes().quiet();
}

// covers: MQTT-4.3.1-1, pitfall 77
#[test]
fn a_qos_0_message_that_a_cut_catches_is_given_up_and_not_sent_again() {
    let mut talk = kept(Heap::default());
    talk.takes = 3;
    let cut = talk.publishes(QoS::AtMostOnce, "a", b"a longer message");
    talk.takes = 0;
    talk.run().cut();
    talk.disconnected(mqtt_session::Cause::TransportClosed);
    talk.tells(Told::Published(
        cut,
        Err(GiveUp::ConnectionLost),
        Vec::new(),
    ));
    talk.takes = usize::MAX;
    talk.resumes().quiet();
}

// covers: pitfall 77
#[test]
fn a_qos_0_message_without_a_connection_follows_the_policy() {
    let mut talk = talk(Config::default());
    let refused = talk
        .client
        .publish(talk.now, &message(QoS::AtMostOnce, "a", b"1"));
    assert_eq!(refused, Err(RequestError::NotConnected));

    let mut talk = mqtt_tests::talk::talk(Config::default().qos0_offline(Offline::Queue));
    let ticket = talk.publishes(QoS::AtMostOnce, "a", b"1");
    talk.connects(&keeping(), connack());
    talk.sends_publish(QoS::AtMostOnce, 0, "a", b"1");
    talk.settles(ticket, ReasonCode::SUCCESS).quiet();
}

// covers: MQTT-4.3.2-1, MQTT-4.3.3-1, MQTT-2.2.1-3, pitfall 63
#[test]
fn publish_subscribe_and_unsubscribe_draw_on_one_space_of_identifiers() {
    let mut talk = connected(Config::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.client
        .subscribe(talk.now, &[subscription("s")], &[])
        .unwrap();
    talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.client
        .unsubscribe(talk.now, &[filter("u")], &[])
        .unwrap();
    let mut ids: Vec<u16> = (0..4).map(|_| packet_id(&talk.sent())).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4]);
    talk.quiet();
}

// covers: MQTT-4.3.2-3
#[test]
fn a_qos_1_message_stays_unacknowledged_until_its_own_puback() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    assert_eq!(talk.client.unsettled(), 1);
    talk.server(puback(2)).quiet();
    assert_eq!(talk.client.unsettled(), 1);
    talk.server(puback(1)).settles(ticket, ReasonCode::SUCCESS);
    assert_eq!(talk.client.unsettled(), 0);
}

// covers: MQTT-4.3.3-4, MQTT-2.2.1-5
#[test]
fn a_pubrec_below_0x80_is_answered_by_pubrel_with_its_identifier() {
    let mut talk = connected(Config::default());
    for (number, reason) in [
        (1, ReasonCode::SUCCESS),
        (2, ReasonCode::NO_MATCHING_SUBSCRIBERS),
    ] {
        let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
        talk.sends_publish(QoS::ExactlyOnce, number, "a", b"1");
        talk.server(Packet::PubRec(ack(number, reason)));
        talk.sends_bytes(&[0x62, 2, 0, number as u8]).quiet();
        talk.server(pubcomp(number)).settles(ticket, reason).quiet();
    }
}

// covers: MQTT-4.3.3-4, MQTT-4.4.0-2, pitfall 57
#[test]
fn a_refusing_pubrec_ends_the_exchange_and_frees_identifier_and_quota() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
        let refused = talk.publishes(QoS::ExactlyOnce, "a", b"1");
        let next = talk.publishes(QoS::ExactlyOnce, "a", b"2");
        talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1").quiet();
        talk.server(Packet::PubRec(ack(1, ReasonCode::QUOTA_EXCEEDED)));
        talk.settles(refused, ReasonCode::QUOTA_EXCEEDED);
        talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"2").quiet();
        // Identifier 1 is nobody's now.
        talk.server(Packet::PubRec(ack(1, ReasonCode::SUCCESS)));
        talk.sends_bytes(&[0x62, 3, 0, 1, 0x92]).quiet();
        talk.server(Packet::PubRec(ack(2, ReasonCode::UNSPECIFIED_ERROR)));
        talk.settles(next, ReasonCode::UNSPECIFIED_ERROR);
        talk.loses_transport().resumes().quiet();
        assert_eq!(talk.client.unsettled(), 0);
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.4.0-2, pitfall 58
#[test]
fn a_refusing_puback_completes_the_exchange_and_nothing_is_sent_again() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
    let refused = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let next = talk.publishes(QoS::AtLeastOnce, "a", b"2");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1").quiet();
    talk.server(Packet::PubAck(ack(1, ReasonCode::QUOTA_EXCEEDED)));
    talk.settles(refused, ReasonCode::QUOTA_EXCEEDED);
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", b"2");
    talk.server(puback(2)).settles(next, ReasonCode::SUCCESS);
    talk.loses_transport().resumes().quiet();
}

// covers: pitfall 59
#[test]
fn pubcomp_frees_identifier_and_quota_whatever_its_code() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
    let one = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1");
    talk.server(pubrec(1)).sends(pubrel(1)).quiet();
    talk.server(Packet::PubComp(ack(
        1,
        ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
    )));
    // The server took the message with its PUBREC: that is what the ticket reports.
    talk.settles(one, ReasonCode::SUCCESS);
    talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"2").quiet();
    // Identifier 1 is nobody's now: another PUBCOMP is counted and nothing else.
    talk.server(pubcomp(1)).quiet();
    assert_eq!(talk.client.unsolicited(), 1);
}

// covers: pitfall 60
#[test]
fn an_unknown_pubrec_is_answered_by_pubrel_0x92_and_the_connection_stays() {
    let mut talk = connected(Config::default());
    talk.server(pubrec(77)).sends_bytes(&[0x62, 3, 0, 77, 0x92]);
    talk.server(pubcomp(77)).quiet();
    assert!(talk.client.is_connected());
}

// covers: pitfall 61
#[test]
fn an_unknown_puback_or_pubcomp_is_ignored_and_counted() {
    let mut talk = connected(Config::default());
    talk.server(puback(5)).quiet();
    talk.server(pubcomp(5)).quiet();
    assert_eq!(talk.client.unsolicited(), 2);
    assert!(talk.client.is_connected());
}

// covers: pitfall 61, MQTT-2.2.1-5
#[test]
fn an_acknowledgement_of_the_wrong_kind_breaks_the_connection_off() {
    let cases = [
        (QoS::ExactlyOnce, puback(1)),
        (QoS::ExactlyOnce, pubcomp(1)),
        (QoS::AtLeastOnce, pubrec(1)),
        (QoS::AtLeastOnce, pubcomp(1)),
    ];
    for (qos, wrong) in cases {
        let mut talk = kept(Heap::default());
        talk.publishes(qos, "a", b"1");
        talk.sends_publish(qos, 1, "a", b"1");
        talk.server(wrong);
        talk.breaks_off(ReasonCode::PROTOCOL_ERROR, "MQTT-2.2.1-5");
        assert_eq!(talk.client.unsettled(), 1);
    }
}

// covers: pitfall 62
#[test]
fn a_second_pubrec_after_pubrel_is_answered_by_pubrel_again() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sent();
    talk.server(pubrec(1)).sends(pubrel(1)).quiet();
    talk.server(pubrec(1)).sends(pubrel(1)).quiet();
    talk.server(pubcomp(1)).settles(ticket, ReasonCode::SUCCESS);
    talk.quiet();
    assert_eq!(talk.client.unsettled(), 0);
}

// covers: pitfall 62
#[test]
fn a_refusing_pubrec_after_pubrel_breaks_the_connection_off() {
    let mut talk = kept(Heap::default());
    talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sent();
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(Packet::PubRec(ack(1, ReasonCode::UNSPECIFIED_ERROR)));
    talk.breaks_off(ReasonCode::PROTOCOL_ERROR, "section 4.3.3");
}

// covers: pitfall 63
#[test]
fn the_same_identifier_may_be_open_in_both_directions() {
    let mut talk = connected(Config::default());
    let ticket = talk.publishes(QoS::ExactlyOnce, "out", b"mine");
    talk.sends_publish(QoS::ExactlyOnce, 1, "out", b"mine");
    talk.server_publishes(QoS::ExactlyOnce, 1, "in", b"theirs");
    talk.delivers("in", b"theirs").sends(pubrec(1));
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(pubrel(1)).sends(pubcomp(1));
    talk.server(pubcomp(1)).settles(ticket, ReasonCode::SUCCESS);
    talk.quiet();
}

// covers: pitfall 64
#[test]
fn a_publish_keeps_its_identifier_over_a_cut_and_a_subscribe_does_not() {
    let mut talk = kept(Heap::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    let subscribe = talk
        .client
        .subscribe(talk.now, &[subscription("s")], &[])
        .unwrap();
    assert_eq!(packet_id(&talk.sent()), 2);
    talk.loses_transport();
    talk.tells(Told::Unanswered(subscribe, GiveUp::ConnectionLost));
    talk.resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", b"1").quiet();
    talk.server(suback(2, &[ReasonCode::GRANTED_QOS_0])).quiet();
    assert_eq!(talk.client.unsolicited(), 1);
}

// covers: MQTT-2.2.1-6
#[test]
fn an_answer_to_a_request_that_nobody_made_completes_nothing() {
    let mut talk = connected(Config::default());
    let subscribe = talk
        .client
        .subscribe(talk.now, &[subscription("s")], &[])
        .unwrap();
    assert_eq!(packet_id(&talk.sent()), 1);
    talk.server(suback(2, &[ReasonCode::GRANTED_QOS_0]));
    talk.server(unsuback(3, &[ReasonCode::SUCCESS])).quiet();
    assert_eq!(talk.client.unsolicited(), 2);
    talk.server(suback(1, &[ReasonCode::GRANTED_QOS_0]))
        .tells(Told::Subscribed(subscribe, vec![ReasonCode::GRANTED_QOS_0]))
        .quiet();
}

// covers: MQTT-2.2.1-6
#[test]
fn an_unsuback_for_a_subscribe_breaks_the_connection_off() {
    let mut talk = connected(Config::default());
    let subscribe = talk
        .client
        .subscribe(talk.now, &[subscription("s")], &[])
        .unwrap();
    talk.sent();
    talk.server(unsuback(1, &[ReasonCode::SUCCESS]));
    talk.breaks_off(ReasonCode::PROTOCOL_ERROR, "MQTT-2.2.1-5");
    talk.tells(Told::Unanswered(subscribe, GiveUp::ConnectionLost));
}

// covers: MQTT-3.3.1-3
#[test]
fn a_message_that_came_with_dup_is_forwarded_without() {
    let mut talk = connected(Config::default());
    talk.server(Packet::Publish(mqtt_proto::Publish {
        dup: true,
        ..publish(QoS::AtLeastOnce, 9, "in", b"again")
    }));
    let came = talk.delivered();
    assert!(came.dup);
    talk.sends(puback(9));
    talk.publishes(came.qos, &came.topic, &came.payload);
    talk.sends_publish(QoS::AtLeastOnce, 1, "in", b"again")
        .quiet();
}

// covers: MQTT-3.3.4-6
#[test]
fn a_publish_with_a_subscription_identifier_is_refused_and_leaves_nothing_behind() {
    let mut talk = connected(Config::default());
    let properties = [Property::SubscriptionIdentifier(1)];
    let with = message(QoS::AtLeastOnce, "a", b"1").properties(&properties);
    let refused = talk.client.publish(talk.now, &with);
    let wrong = EncodeError::PropertyNotAllowed(
        PropertyId::SubscriptionIdentifier,
        mqtt_proto::PacketType::Publish,
    );
    assert_eq!(refused, Err(RequestError::Invalid(wrong)));
    assert_eq!(talk.client.unsettled(), 0);
    talk.quiet();
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1").quiet();
}

// covers: MQTT-3.6.2-2, MQTT-3.6.2-3
#[test]
fn pubrel_carries_neither_reason_string_nor_user_property() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::MaximumPacketSize(9)]));
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1");
    let told = [
        Property::ReasonString("a reason longer than the server takes"),
        Property::UserProperty("name", "value"),
    ];
    talk.server(Packet::PubRec(Ack {
        properties: Properties::new(&told),
        ..ack(1, ReasonCode::SUCCESS)
    }));
    let told = told
        .iter()
        .map(|property| format!("{property:?}"))
        .collect();
    talk.tells(Told::Received(ticket, ReasonCode::SUCCESS, told));
    talk.sends_bytes(&[0x62, 2, 0, 1]).quiet();
}

// covers: MQTT-4.3.2-3, MQTT-4.3.3-3
#[test]
fn a_payload_that_is_held_as_bytes_takes_the_same_way_and_is_sent_again_whole() {
    let mut talk = kept(Heap::default());
    let payload = vec![0x5a; 5_000];
    let mut tickets = Vec::new();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let header = message(qos, "a", b"");
        let held = bytes::Bytes::from(payload.clone());
        let ticket = talk.client.publish_bytes(talk.now, &header, held);
        tickets.push(ticket.unwrap());
    }
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", &payload);
    talk.sends_publish(QoS::ExactlyOnce, 2, "a", &payload);
    talk.loses_transport().resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", &payload);
    talk.resends_publish(QoS::ExactlyOnce, 2, "a", &payload)
        .quiet();
    talk.server(puback(1))
        .settles(tickets[0], ReasonCode::SUCCESS);
    talk.server(pubrec(2)).sends(pubrel(2));
    talk.server(pubcomp(2))
        .settles(tickets[1], ReasonCode::SUCCESS);
    talk.quiet();
    assert_eq!(talk.client.unsettled(), 0);
}

// covers: pitfall 52, MQTT-4.4.0-1
#[test]
fn a_missing_acknowledgement_closes_the_transport_and_repeats_nothing_on_it() {
    let mut talk = kept(Heap::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    talk.wait(Duration::from_secs(29)).quiet();
    talk.wait(Duration::from_secs(1)).closes();
    talk.disconnected(mqtt_session::Cause::AckTimeout);
    talk.resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", b"1").quiet();
}
