//! Message Expiry Interval of what the client publishes.

use core::time::Duration;
use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::{Cause, Config, Fixed, GiveUp, Heap, Offline, Property, Store, Ticket};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn publishes<S: Store + Clone>(talk: &mut Talk<S>, qos: QoS, expiry: u32) -> Ticket {
    let publish = message(qos, "a", b"1").message_expiry_interval(expiry);
    talk.client.publish(talk.now, &publish).unwrap()
}

/// The Message Expiry Interval of the PUBLISH that the client sends next.
#[track_caller]
fn sends_interval<S: Store + Clone>(talk: &mut Talk<S>) -> u32 {
    let packet = talk.sent();
    match Packet::decode(&packet, Sender::Client) {
        Ok(Packet::Publish(publish)) => publish.properties.message_expiry_interval().unwrap(),
        other => panic!("no PUBLISH but {other:?}"),
    }
}

#[track_caller]
fn expires<S: Store + Clone>(talk: &mut Talk<S>, ticket: Ticket) {
    talk.tells(Told::Published(ticket, Err(GiveUp::Expired), Vec::new()));
}

// covers: pitfall 76
#[test]
fn a_message_that_waited_goes_out_with_the_time_that_is_left() {
    fn scenario<S: Store + Clone>(store: S) {
        let config = Config::default().qos0_offline(Offline::Queue);
        let mut talk = Talk::new(config, store);
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce] {
            publishes(&mut talk, qos, 60);
        }
        talk.wait(Duration::from_millis(20_500));
        talk.connects(&keeping(), connack());
        // Started seconds count whole: 0 would be no time at all.
        for _ in 0..3 {
            assert_eq!(sends_interval(&mut talk), 40);
        }
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 76
#[test]
fn a_message_that_is_sent_at_once_goes_out_with_its_own_interval() {
    let mut talk = connected(Config::default());
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce] {
        publishes(&mut talk, qos, 7);
        assert_eq!(sends_interval(&mut talk), 7);
    }
}

// covers: pitfall 76, MQTT-4.3.3-7
#[test]
fn a_message_that_was_never_sent_is_given_up_the_moment_it_expires() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        let late = publishes(&mut talk, QoS::AtLeastOnce, 20);
        let soon = publishes(&mut talk, QoS::ExactlyOnce, 10);
        let never = talk.publishes(QoS::AtLeastOnce, "a", b"2");
        talk.run();
        assert_eq!(talk.deadline, talk.now.after(seconds(10)));
        talk.wait(Duration::from_millis(9_999)).quiet();
        talk.wait(Duration::from_millis(1));
        expires(&mut talk, soon);
        talk.quiet();
        talk.wait_until_due();
        expires(&mut talk, late);
        talk.connects(&keeping(), connack());
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"2");
        talk.server(puback(1)).settles(never, ReasonCode::SUCCESS);
        assert_eq!(talk.client.unsettled(), 0);
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 76
#[test]
fn a_message_that_expires_behind_a_full_window_is_not_sent() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    let expiring = publishes(&mut talk, QoS::AtLeastOnce, 5);
    talk.publishes(QoS::AtLeastOnce, "a", b"3");
    talk.wait(seconds(5));
    expires(&mut talk, expiring);
    talk.quiet().server(puback(1));
    talk.next();
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", b"3").quiet();
}

// covers: pitfall 76
#[test]
fn a_message_that_no_transport_took_a_byte_of_expires_as_one_that_waits() {
    fn scenario<S: Store + Clone>(store: S) {
        let config = Config::default().reconnect_between(seconds(3600), seconds(3600));
        let mut talk = Talk::new(config, store);
        talk.connects(&keeping(), connack());
        talk.takes = 0;
        let soon = publishes(&mut talk, QoS::AtLeastOnce, 5);
        let late = publishes(&mut talk, QoS::AtLeastOnce, 20);
        // What is on its way to the transport does not expire on the way.
        talk.run().wait(seconds(6)).quiet();
        talk.loses_transport();
        expires(&mut talk, soon);
        talk.quiet();
        talk.wait(seconds(14));
        expires(&mut talk, late);
        talk.quiet();
        assert_eq!(talk.client.unsettled(), 0);
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.3.3-7, pitfall 76
#[test]
fn what_the_transport_began_to_take_does_not_expire_any_more() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack());
    talk.takes = 0;
    let ticket = publishes(&mut talk, QoS::ExactlyOnce, 1);
    talk.run();
    talk.client.sent(talk.now, 1);
    talk.run().wait(seconds(20)).quiet();
    talk.cut().disconnected(Cause::TransportClosed).quiet();
    talk.takes = usize::MAX;
    talk.resumes();
    // A server takes no interval of 0 for "expired", so a second is the least.
    assert_eq!(sends_interval(&mut talk), 1);
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(pubcomp(1)).settles(ticket, ReasonCode::SUCCESS);
}

// covers: pitfall 76
#[test]
fn a_message_published_again_after_a_lost_session_still_expires() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack());
    let ticket = publishes(&mut talk, QoS::AtLeastOnce, 30);
    talk.sent();
    talk.loses_transport();
    talk.connects(&keeping(), connack_with(&[Property::ReceiveMaximum(1)]));
    talk.tells(Told::SessionLost);
    assert_eq!(sends_interval(&mut talk), 30);
    talk.loses_transport().wait(seconds(10));
    talk.expect(Did::Open);
    talk.client.opened(talk.now, &keeping()).unwrap();
    talk.sent();
    talk.server(connack()).tells(Told::Connected {
        session_present: false,
    });
    talk.tells(Told::SessionLost);
    assert_eq!(sends_interval(&mut talk), 20);
    talk.server(puback(3)).settles(ticket, ReasonCode::SUCCESS);
}
