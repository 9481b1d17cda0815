//! Receive Maximum, both ways.

use core::time::Duration;
use mqtt_proto::{Packet, QoS, ReasonCode};
use mqtt_session::{
    Cause, Config, Connect, Fixed, Heap, Property, Store, Subscription, SubscriptionOptions,
    TopicFilter,
};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

/// A kept session with a server that takes so many messages at a time.
fn with_window<S: Store + Clone>(store: S, receive_maximum: u16) -> Talk<S> {
    let mut talk = Talk::new(Config::default(), store);
    let limits = [Property::ReceiveMaximum(receive_maximum)];
    talk.connects(&keeping(), connack_with(&limits));
    talk
}

#[track_caller]
fn some_settles<S: Store + Clone>(talk: &mut Talk<S>) {
    let did = talk.next();
    let Did::Told(Told::Published(_, Ok(_), _)) = did else {
        panic!("nothing settles, but {did:?}");
    };
}

// covers: MQTT-3.3.4-7, MQTT-4.9.0-1, pitfall 72
#[test]
fn puback_pubcomp_and_a_refusing_pubrec_open_the_window_and_pubrec_does_not() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = with_window(store, 2);
        for _ in 0..2 {
            talk.publishes(QoS::ExactlyOnce, "a", b"");
        }
        for _ in 0..3 {
            talk.publishes(QoS::AtLeastOnce, "a", b"");
        }
        talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"");
        talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"").quiet();
        talk.server(pubrec(1)).sends(pubrel(1)).quiet();
        talk.server(pubcomp(1));
        some_settles(&mut talk);
        talk.sends_publish(QoS::AtLeastOnce, 3, "a", b"").quiet();
        talk.server(Packet::PubRec(ack(2, ReasonCode::NOT_AUTHORIZED)));
        some_settles(&mut talk);
        talk.sends_publish(QoS::AtLeastOnce, 4, "a", b"").quiet();
        talk.server(puback(3));
        some_settles(&mut talk);
        talk.sends_publish(QoS::AtLeastOnce, 5, "a", b"").quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.9.0-2, pitfall 55
#[test]
fn with_a_window_of_one_an_offline_queue_leaves_one_by_one() {
    let mut talk = Talk::new(Config::default(), Small::new());
    let tickets: Vec<_> = (0..5)
        .map(|_| talk.publishes(QoS::ExactlyOnce, "a", b""))
        .collect();
    talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
    for (ticket, number) in tickets.into_iter().zip(1..) {
        talk.sends_publish(QoS::ExactlyOnce, number, "a", b"")
            .quiet();
        talk.server(pubrec(number)).sends(pubrel(number)).quiet();
        talk.server(pubcomp(number));
        talk.settles(ticket, ReasonCode::SUCCESS);
    }
    talk.quiet();
}

// covers: MQTT-4.9.0-1, pitfall 73
#[test]
fn the_window_starts_afresh_on_each_connection() {
    let mut talk = with_window(Heap::default(), 2);
    for _ in 0..6 {
        talk.publishes(QoS::AtLeastOnce, "a", b"");
    }
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"");
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", b"").quiet();
    // Without the property it is 65,535.
    talk.loses_transport().resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", b"");
    talk.resends_publish(QoS::AtLeastOnce, 2, "a", b"");
    for number in 3..=6 {
        talk.sends_publish(QoS::AtLeastOnce, number, "a", b"");
    }
    talk.quiet();
}

// covers: MQTT-4.9.0-1
#[test]
fn a_window_of_zero_is_a_protocol_error_and_none_is_the_largest() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.opens(&keeping());
    talk.server_bytes(&[0x20, 6, 0, 0, 3, 0x21, 0, 0]);
    talk.breaks_off(ReasonCode::PROTOCOL_ERROR, "section 3.2.2.3");
    talk.connects(&keeping(), connack());
    assert_eq!(talk.client.limits().receive_maximum, 65_535);
}

// covers: pitfall 72, pitfall 73
#[test]
fn a_pubcomp_for_a_pubrel_of_the_last_connection_does_not_widen_the_window() {
    let mut talk = with_window(Heap::default(), 2);
    talk.publishes(QoS::ExactlyOnce, "a", b"");
    talk.publishes(QoS::ExactlyOnce, "a", b"");
    for number in [1, 2] {
        talk.sends_publish(QoS::ExactlyOnce, number, "a", b"");
    }
    for number in [1, 2] {
        talk.server(pubrec(number)).sends(pubrel(number));
    }
    talk.loses_transport();
    for _ in 0..4 {
        talk.publishes(QoS::AtLeastOnce, "a", b"");
    }
    let accepted = mqtt_proto::ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: mqtt_proto::Properties::new(&[Property::ReceiveMaximum(2)]),
    };
    talk.connects(&keeping(), Packet::ConnAck(accepted));
    // PUBREL leaves at once; the exchanges behind it still count, which is the safe side.
    talk.sends(pubrel(1)).sends(pubrel(2)).quiet();
    talk.server(pubcomp(1));
    some_settles(&mut talk);
    talk.sends_publish(QoS::AtLeastOnce, 3, "a", b"").quiet();
    talk.server(pubcomp(2));
    some_settles(&mut talk);
    talk.sends_publish(QoS::AtLeastOnce, 4, "a", b"").quiet();
    // An acknowledgement of nothing gives nothing back.
    talk.server(pubcomp(2)).server(puback(9)).quiet();
}

// covers: MQTT-3.3.4-8, MQTT-4.9.0-3, pitfall 74
#[test]
fn a_full_window_holds_back_nothing_but_qos_1_and_2() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = with_window(store, 1);
        talk.publishes(QoS::ExactlyOnce, "a", b"1");
        talk.publishes(QoS::AtLeastOnce, "a", b"2");
        talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1").quiet();

        let filter = TopicFilter::new("s").unwrap();
        let subscription = Subscription {
            filter,
            options: SubscriptionOptions::default(),
        };
        let asked = talk.client.subscribe(talk.now, &[subscription], &[]);
        assert_eq!(talk.sent()[0], 0x82);
        talk.server(suback(2, &[ReasonCode::GRANTED_QOS_0]));
        talk.tells(Told::Subscribed(
            asked.unwrap(),
            vec![ReasonCode::GRANTED_QOS_0],
        ));
        let asked = talk.client.unsubscribe(talk.now, &[filter], &[]);
        assert_eq!(talk.sent()[0], 0xa2);
        talk.server(unsuback(3, &[ReasonCode::SUCCESS]));
        talk.tells(Told::Unsubscribed(
            asked.unwrap(),
            vec![ReasonCode::SUCCESS],
        ));

        // QoS 0 passes what waits, also on the same topic: Receive Maximum does not bind it.
        let passes = talk.publishes(QoS::AtMostOnce, "a", b"0");
        talk.sends_publish(QoS::AtMostOnce, 0, "a", b"0");
        talk.settles(passes, ReasonCode::SUCCESS);

        talk.server_publishes(QoS::AtLeastOnce, 7, "in", b"1");
        talk.delivers("in", b"1").sends(puback(7));
        talk.server_publishes(QoS::ExactlyOnce, 8, "in", b"2");
        talk.delivers("in", b"2").sends(pubrec(8));
        talk.server(pubrel(8)).sends(pubcomp(8));
        talk.server(pubrec(1)).sends(pubrel(1)).quiet();
        talk.wait(Duration::from_secs(20)).quiet();

        assert_eq!(talk.client.unsettled(), 2);
        talk.client.stop(talk.now);
        talk.sends(disconnect(ReasonCode::NORMAL_DISCONNECTION));
        talk.closes();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-3.3.4-8
#[test]
fn a_full_window_does_not_hold_back_pingreq() {
    let config = Config::default().ack_timeout(Duration::from_secs(600));
    let mut talk = Talk::new(config, Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    talk.wait(Duration::from_secs(60)).sends(Packet::PingReq);
    talk.server(Packet::PingResp).quiet();
}

// covers: MQTT-3.3.4-9, pitfall 75
#[test]
fn a_message_counts_for_the_servers_window_until_its_puback_has_been_written() {
    let mut talk = Talk::new(Config::default(), Fixed::<2, 8, 256, 64>::new());
    let own = [Property::ReceiveMaximum(3)];
    let connect = Connect {
        properties: &own,
        ..Connect::new("c")
    };
    talk.connects(&connect, connack());
    talk.takes = 0;
    // The blocked transport's 64 bytes take 14 PUBACKs, with 5 bytes kept free; then three
    // more are owed, and that is all that was allowed.
    for number in 1..=14 + 3 {
        talk.server_publishes(QoS::AtLeastOnce, number, "a", b"");
        talk.delivers("a", b"").quiet();
    }
    talk.server_publishes(QoS::AtLeastOnce, 99, "a", b"");
    talk.tells(Told::Violation(
        ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
        "MQTT-3.3.4-9",
    ));
    talk.wait(Duration::from_secs(5)).closes();
    let told = talk.next();
    assert!(matches!(
        told,
        Did::Told(Told::Disconnected(Cause::Violation(_), Some(_)))
    ));
}
