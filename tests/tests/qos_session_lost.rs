//! What becomes of messages when the server lost the session, or the client threw it away.

use mqtt_proto::{QoS, ReasonCode};
use mqtt_session::{Config, Connect, Fixed, GiveUp, Heap, Lost, Property, Store, Ticket};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

fn kept<S: Store + Clone>(config: Config, store: S) -> Talk<S> {
    let mut talk = Talk::new(config, store);
    talk.connects(&keeping(), connack());
    talk
}

/// Connects again to a server that lost the session.
#[track_caller]
fn comes_back_without_session<S: Store + Clone>(talk: &mut Talk<S>) {
    talk.loses_transport().connects(&keeping(), connack());
    talk.tells(Told::SessionLost);
}

#[track_caller]
fn given_up<S: Store + Clone>(talk: &mut Talk<S>, ticket: Ticket, cause: GiveUp) {
    talk.tells(Told::Published(ticket, Err(cause), Vec::new()));
}

// covers: pitfall 34, pitfall 56, MQTT-3.2.2-5
#[test]
fn messages_never_sent_stay_queued_and_are_sent() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
        let first = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
        talk.publishes(QoS::ExactlyOnce, "a", b"2");
        talk.publishes(QoS::AtLeastOnce, "a", b"3");
        talk.quiet();
        comes_back_without_session(&mut talk);
        // What was sent is published again, ahead of what was not, under a new identifier.
        talk.sends_publish(QoS::AtLeastOnce, 2, "a", b"1");
        talk.sends_publish(QoS::ExactlyOnce, 3, "a", b"2");
        talk.sends_publish(QoS::AtLeastOnce, 4, "a", b"3").quiet();
        talk.server(puback(2)).settles(first, ReasonCode::SUCCESS);
        assert_eq!(talk.client.unsettled(), 2);
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 34, MQTT-3.2.2-5
#[test]
fn what_was_sent_follows_the_policy_for_its_qos() {
    use Lost::{GiveUp as Drop, Republish};
    for (qos_1, qos_2) in [
        (Republish, Drop),
        (Republish, Republish),
        (Drop, Drop),
        (Drop, Republish),
    ] {
        let config = Config::default()
            .qos1_when_session_lost(qos_1)
            .qos2_when_session_lost(qos_2);
        let mut talk = kept(config, Small::new());
        let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
        let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
        talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"2");
        comes_back_without_session(&mut talk);
        if qos_1 == Drop {
            given_up(&mut talk, one, GiveUp::OutcomeUnknown);
        }
        if qos_2 == Drop {
            given_up(&mut talk, two, GiveUp::OutcomeUnknown);
        }
        let mut number = 3;
        if qos_1 == Republish {
            talk.sends_publish(QoS::AtLeastOnce, number, "a", b"1");
            number += 1;
        }
        if qos_2 == Republish {
            talk.sends_publish(QoS::ExactlyOnce, number, "a", b"2");
        }
        talk.quiet();
    }
}

// covers: pitfall 34, MQTT-3.2.2-5
#[test]
fn an_exchange_past_pubrec_counts_as_acknowledged_and_is_never_published_again() {
    let config = Config::default().qos2_when_session_lost(Lost::Republish);
    let mut talk = kept(config, Heap::default());
    let written = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    let waiting = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sent();
    talk.sent();
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.takes = 0;
    talk.server(mqtt_proto::Packet::PubRec(ack(
        2,
        ReasonCode::NO_MATCHING_SUBSCRIBERS,
    )));
    talk.quiet().loses_transport();
    talk.takes = usize::MAX;
    talk.connects(&keeping(), connack())
        .tells(Told::SessionLost);
    talk.settles(written, ReasonCode::SUCCESS);
    talk.settles(waiting, ReasonCode::NO_MATCHING_SUBSCRIBERS);
    talk.quiet();
    assert_eq!(talk.client.unsettled(), 0);
}

// covers: pitfall 34, MQTT-3.2.2-5
#[test]
fn inbound_qos_2_identifiers_are_forgotten() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(Config::default(), store);
        talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"1");
        talk.delivers("a", b"1").sends(pubrec(1));
        comes_back_without_session(&mut talk);
        talk.server(pubrel(1)).sends_bytes(&[0x70, 3, 0, 1, 0x92]);
        talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"another");
        talk.delivers("a", b"another").sends(pubrec(1)).quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 34, pitfall 54
#[test]
fn what_is_published_again_keeps_its_order() {
    let config = Config::default().qos2_when_session_lost(Lost::Republish);
    let mut talk = kept(config, Heap::default());
    for (qos, payload) in [
        (QoS::ExactlyOnce, b"1"),
        (QoS::AtLeastOnce, b"2"),
        (QoS::ExactlyOnce, b"3"),
        (QoS::AtLeastOnce, b"4"),
    ] {
        talk.publishes(qos, "a", payload);
        talk.sent();
    }
    talk.loses_transport();
    talk.publishes(QoS::AtLeastOnce, "a", b"5");
    talk.connects(&keeping(), connack())
        .tells(Told::SessionLost);
    talk.sends_publish(QoS::ExactlyOnce, 5, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 6, "a", b"2");
    talk.sends_publish(QoS::ExactlyOnce, 7, "a", b"3");
    talk.sends_publish(QoS::AtLeastOnce, 8, "a", b"4");
    talk.sends_publish(QoS::AtLeastOnce, 9, "a", b"5");
    talk.quiet();
}

// covers: pitfall 36, MQTT-4.3.2-3
#[test]
fn without_session_expiry_a_cut_is_the_end_of_the_session() {
    let mut talk = connected(Config::default());
    let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sent();
    talk.sent();
    talk.loses_transport();
    given_up(&mut talk, two, GiveUp::OutcomeUnknown);
    talk.quiet();
    talk.connects(&Connect::new("c"), connack());
    talk.sends_publish(QoS::AtLeastOnce, 3, "a", b"1").quiet();
    talk.server(puback(3)).settles(one, ReasonCode::SUCCESS);
}

// covers: pitfall 35
#[test]
fn a_clean_start_discards_what_was_sent_and_keeps_what_was_not() {
    let config = Config::default().clean_start_always(true);
    let mut talk = Talk::new(config, Heap::default());
    let clean = Connect {
        clean_start: true,
        ..keeping()
    };
    talk.connects(&clean, connack());
    let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sent();
    talk.sent();
    talk.loses_transport();
    let three = talk.publishes(QoS::ExactlyOnce, "a", b"3");
    talk.connects(&clean, connack());
    given_up(&mut talk, one, GiveUp::SessionDiscarded);
    given_up(&mut talk, two, GiveUp::SessionDiscarded);
    talk.sends_publish(QoS::ExactlyOnce, 3, "a", b"3").quiet();
    talk.server(pubrec(3)).sends(pubrel(3));
    talk.server(pubcomp(3)).settles(three, ReasonCode::SUCCESS);
}
