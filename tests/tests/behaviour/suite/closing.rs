//! Closing and dropping: in good order, by the deadline, and for good.

use super::client::{
    Cause, Client, DeliveryError, Options, PublishError, Queue, ReasonCode, State, WhenFull,
};
use super::peer::{LIMIT, Server};
use mqtt_proto::{Packet, PacketType, QoS};
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(200);

fn options() -> Options {
    Options::new("behaviour").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

/// The deadline, and some time for the threads of a loaded machine to run.
#[track_caller]
fn assert_in_time(begun: Instant, limit: Duration) {
    let taken = begun.elapsed();
    assert!(taken < limit + Duration::from_secs(2), "{taken:?}");
}

// covers: MQTT-3.14.4-2
#[test]
fn goodbye_is_the_last_packet_and_the_end_of_the_stream_follows() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options().session_expiry(Duration::ZERO));
    client.publish("t", "m").send().unwrap();
    client.close(LIMIT).unwrap();
    peer.expect_publish("t");
    assert_eq!(peer.rest(), [0xe0, 0x00]);
    assert!(client.state().is_ended());
    assert!(server.is_quiet(), "a closed client must not come back");
}

#[test]
fn closing_ends_a_session_that_nobody_goes_on_with() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    client.close(LIMIT).unwrap();
    peer.packet(|packet| match packet {
        Packet::Disconnect(disconnect) => {
            assert_eq!(disconnect.reason, ReasonCode::NORMAL_DISCONNECTION);
            assert_eq!(disconnect.properties.session_expiry_interval(), Some(0));
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
}

#[test]
fn closing_waits_for_acknowledgements() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let token = client
        .publish("t", "m")
        .qos(QoS::ExactlyOnce)
        .send()
        .unwrap();
    thread::scope(|scope| {
        let closed = scope.spawn(|| client.close(LIMIT));
        let (id, ..) = peer.expect_publish("t");
        peer.ack(PacketType::PubRec, id);
        peer.expect_ack(PacketType::PubRel);
        assert!(token.outcome().is_none());
        peer.ack(PacketType::PubComp, id);
        closed.join().unwrap().unwrap();
    });
    assert_eq!(token.outcome().unwrap().unwrap(), ReasonCode::SUCCESS);
    peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
}

#[test]
fn a_silent_peer_is_left_by_the_deadline_with_goodbye() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    client
        .publish("q/1", "four")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let token = client
        .publish("q/2", "five5")
        .qos(QoS::ExactlyOnce)
        .send()
        .unwrap();
    let begun = Instant::now();
    let left = client.close(SOON).unwrap_err();
    assert_in_time(begun, SOON);
    assert!(begun.elapsed() >= SOON);
    assert_eq!(
        (left.at_most_once, left.at_least_once, left.exactly_once),
        (0, 1, 1)
    );
    assert_eq!(left.bytes, 3 + 4 + 3 + 5);
    assert!(matches!(
        token.outcome(),
        Some(Err(DeliveryError::Ended(Cause::Closed)))
    ));
    assert_eq!(client.close(SOON).unwrap_err(), left);
    peer.expect_publish("q/1");
    peer.expect_publish("q/2");
    peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
}

#[test]
fn a_peer_that_takes_nothing_is_left_by_the_deadline() {
    let server = Server::start();
    let (client, _peer) = server.connect(options());
    // More than the buffers between the two can hold.
    client.publish("t", vec![0; 50_000_000]).send().unwrap();
    let begun = Instant::now();
    let left = client.close(SOON).unwrap_err();
    assert_in_time(begun, SOON);
    assert_eq!((left.at_most_once, left.bytes), (1, 50_000_001));
}

#[test]
fn closing_during_a_reconnect_with_a_full_queue_keeps_the_deadline() {
    let server = Server::start();
    let queue = Queue {
        messages: 5,
        when_full: WhenFull::Refuse,
        ..Queue::default()
    };
    let options = options().queue(queue).reconnect_between(LIMIT, LIMIT);
    let (client, peer) = server.connect(options);
    drop(peer);
    assert!(
        client
            .wait_for_state(LIMIT, |state| matches!(state, State::Waiting { .. }))
            .is_some()
    );
    while client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .is_ok()
    {}
    let begun = Instant::now();
    assert_eq!(client.close(SOON).unwrap_err().messages(), 5);
    assert_in_time(begun, SOON);
}

#[test]
fn closing_while_the_server_takes_its_time_to_accept_again_keeps_the_deadline() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let token = client.publish("t", "m").qos(QoS::ExactlyOnce);
    let token = token.send().unwrap();
    peer.expect_publish("t");
    drop(peer);
    let mut peer = server.accept();
    assert!(!peer.expect_connect());
    let begun = Instant::now();
    let left = client.close(SOON).unwrap_err();
    assert_in_time(begun, SOON);
    assert_eq!((left.messages(), left.exactly_once), (1, 1));
    assert!(matches!(
        token.outcome(),
        Some(Err(DeliveryError::Ended(Cause::Closed)))
    ));
    while peer.next(|_| ()).is_some() {}
    assert!(server.is_quiet());
}

#[test]
fn closing_with_a_full_queue_tells_those_who_wait_for_room() {
    let server = Server::start();
    let queue = Queue {
        messages: 5,
        ..Queue::default()
    };
    let (client, mut peer) = server.connect(options().queue(queue));
    let publish = || client.publish("t", "m").qos(QoS::AtLeastOnce).send();
    let tokens = [(); 5].map(|()| publish().unwrap());
    for _ in &tokens {
        peer.expect_publish("t");
    }
    thread::scope(|scope| {
        let waiting = [(); 3].map(|()| scope.spawn(publish));
        let begun = Instant::now();
        assert_eq!(client.close(SOON).unwrap_err().messages(), 5);
        assert_in_time(begun, SOON);
        for publisher in waiting {
            let refused = publisher.join().unwrap();
            assert!(
                matches!(refused, Err(PublishError::Ended(Cause::Closed))),
                "{refused:?}"
            );
        }
    });
    for token in tokens {
        assert!(token.outcome().unwrap().is_err());
    }
    peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
}

#[test]
fn closing_between_connections_with_nothing_left_does_not_wait() {
    let server = Server::start();
    let (client, peer) = server.connect(options().reconnect_between(LIMIT, LIMIT));
    drop(peer);
    assert!(
        client
            .wait_for_state(LIMIT, |state| matches!(state, State::Waiting { .. }))
            .is_some()
    );
    let begun = Instant::now();
    client.close(LIMIT * 10).unwrap();
    assert_in_time(begun, SOON);
}

#[test]
fn what_waits_is_delivered_by_a_close_that_outlasts_the_reconnect() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let (id, ..) = peer.expect_publish("t");
    thread::scope(|scope| {
        let closed = scope.spawn(|| client.close(LIMIT));
        drop(peer);
        let mut peer = server.reconnect(true);
        assert_eq!(peer.expect_publish("t"), (id, QoS::AtLeastOnce, true));
        peer.ack(PacketType::PubAck, id);
        closed.join().unwrap().unwrap();
        peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
    });
    assert!(token.outcome().unwrap().is_ok());
}

#[test]
fn dropping_the_last_handle_says_goodbye_and_resolves_every_token() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let other = client.clone();
    drop(client);
    let token = other
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let states = other.watch();
    let begun = Instant::now();
    drop(other);
    assert_in_time(begun, SOON);
    let ended = token.acknowledged_timeout(LIMIT);
    assert!(
        matches!(ended, Err(DeliveryError::Ended(Cause::Closed))),
        "{ended:?}"
    );
    assert!(matches!(
        states.recv_timeout(LIMIT),
        Some(State::Ended {
            cause: Cause::Closed
        })
    ));
    assert!(states.recv().is_none());
    peer.expect_publish("t");
    peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
    assert!(server.is_quiet());
}

#[test]
fn without_reconnecting_the_end_of_the_connection_is_the_end_of_the_client() {
    let server = Server::start();
    let (client, peer) = server.connect(options().reconnect(false));
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    drop(peer);
    let ended = token.acknowledged_timeout(LIMIT);
    assert!(matches!(ended, Err(DeliveryError::Ended(_))), "{ended:?}");
    assert!(client.wait_for_state(LIMIT, State::is_ended).is_some());
    let begun = Instant::now();
    assert_eq!(client.close(LIMIT).unwrap_err().messages(), 1);
    assert_in_time(begun, SOON);
}

#[test]
fn a_server_that_says_goodbye_is_believed() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let states = client.watch();
    peer.send(&Packet::Disconnect(mqtt_proto::Disconnect {
        reason: ReasonCode::SERVER_SHUTTING_DOWN,
        properties: mqtt_proto::Properties::new(&[mqtt_proto::Property::ReasonString(
            "back at noon",
        )]),
    }));
    let state = states.recv_timeout(LIMIT);
    let Some(State::Waiting {
        cause:
            Cause::ServerDisconnect {
                reason,
                reason_string,
                ..
            },
        retry,
    }) = state
    else {
        panic!("{state:?}");
    };
    assert_eq!(reason, ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(reason_string.as_deref(), Some("back at noon"));
    assert!(retry <= Instant::now() + SOON);
    // Nothing is said back (MQTT-4.13.2-1).
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
    server.reconnect(true);
    let begun = Instant::now();
    let ended: Result<(), _> = Client::close(&client, LIMIT);
    ended.unwrap();
    assert_in_time(begun, SOON);
}
