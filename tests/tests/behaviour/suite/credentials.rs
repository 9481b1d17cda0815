//! Credentials that no longer hold: what ends the client, and what it recovers from.

use super::client::{Cause, Client, Credentials, Options, QoS, State};
use super::peer::{LIMIT, Peer, Server};
use mqtt_proto::{Packet, PacketType, ReasonCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn options() -> Options {
    Options::new("behaviour").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

/// The client, once it has logged in with the first password.
fn connect(server: &Server, options: Options) -> (Client, Peer) {
    thread::scope(|scope| {
        let url = server.url();
        let client = scope.spawn(move || Client::connect(&url, options));
        let mut peer = server.accept();
        expect_login(&mut peer, 1);
        peer.accept_session(false, &[]);
        (client.join().unwrap().unwrap(), peer)
    })
}

#[track_caller]
fn expect_login(peer: &mut Peer, time: usize) {
    peer.packet(|packet| match packet {
        Packet::Connect(connect) => {
            assert_eq!(connect.user_name, Some("ann"));
            let password = format!("password {time}");
            assert_eq!(connect.password, Some(password.as_bytes()));
        }
        other => panic!("{other:?}"),
    });
}

fn recovers(options: Options) {
    let server = Server::start();
    let (client, mut peer) = connect(&server, options);
    let messages = client.unmatched();
    let token = client.publish("t", "m").qos(QoS::AtLeastOnce);
    let token = token.send().unwrap();
    let (id, ..) = peer.expect_publish("t");
    // The password has expired: the server ends the connection, turns the old one down for now,
    // then does not even answer.
    peer.send(&Packet::Disconnect(mqtt_proto::Disconnect {
        reason: ReasonCode::MAXIMUM_CONNECT_TIME,
        properties: mqtt_proto::Properties::EMPTY,
    }));
    let mut peer = server.accept();
    expect_login(&mut peer, 2);
    peer.refuse(ReasonCode::QUOTA_EXCEEDED);
    let mut peer = server.accept();
    expect_login(&mut peer, 3);
    drop(peer);
    let mut peer = server.accept();
    expect_login(&mut peer, 4);
    peer.accept_session(true, &[]);
    assert_eq!(peer.expect_publish("t"), (id, QoS::AtLeastOnce, true));
    peer.ack(PacketType::PubAck, id);
    token.acknowledged_timeout(LIMIT).unwrap();
    peer.publish("t", b"as before", QoS::AtMostOnce, 0);
    assert_eq!(messages.recv_timeout(LIMIT).unwrap().text(), "as before");
}

#[test]
fn renewed_by_a_function_they_let_the_client_recover() {
    let mut time = 0;
    recovers(options().credentials(move || {
        time += 1;
        Ok(Credentials::new("ann", format!("password {time}")))
    }));
}

#[test]
fn renewed_by_a_future_they_let_the_client_recover() {
    let time = Arc::new(AtomicUsize::new(0));
    recovers(options().credentials_async(move || {
        let time = Arc::clone(&time);
        async move {
            let time = time.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Credentials::new("ann", format!("password {time}")))
        }
    }));
}

#[test]
fn refused_as_wrong_they_end_the_client_with_a_typed_error() {
    let server = Server::start();
    let (client, peer) = connect(&server, options().login("ann", "password 1"));
    drop(peer);
    let mut peer = server.accept();
    expect_login(&mut peer, 1);
    peer.refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    let state = client.wait_for_state(LIMIT, State::is_ended);
    let Some(State::Ended {
        cause: Cause::Refused { reason, .. },
    }) = state
    else {
        panic!("{state:?}");
    };
    assert_eq!(reason, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
    assert!(server.is_quiet());
}

#[test]
fn refused_as_wrong_and_renewed_they_let_the_client_recover() {
    for reason in [
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
    ] {
        let server = Server::start();
        let mut time = 0;
        let (client, mut peer) = connect(
            &server,
            options().credentials(move || {
                time += 1;
                Ok(Credentials::new("ann", format!("password {time}")))
            }),
        );
        let token = client.publish("t", "m").qos(QoS::ExactlyOnce);
        let token = token.send().unwrap();
        let (id, ..) = peer.expect_publish("t");
        drop(peer);
        let mut peer = server.accept();
        expect_login(&mut peer, 2);
        peer.refuse(reason);
        let mut peer = server.accept();
        expect_login(&mut peer, 3);
        peer.accept_session(true, &[]);
        assert_eq!(peer.expect_publish("t"), (id, QoS::ExactlyOnce, true));
        peer.ack(PacketType::PubRec, id);
        assert_eq!(peer.expect_ack(PacketType::PubRel), id);
        peer.ack(PacketType::PubComp, id);
        token.acknowledged_timeout(LIMIT).unwrap();
    }
}

#[test]
fn refused_as_wrong_and_not_renewed_they_are_not_tried_again() {
    let server = Server::start();
    let credentials = || Ok(Credentials::new("ann", "password 1"));
    let (client, peer) = connect(&server, options().credentials(credentials));
    drop(peer);
    let mut peer = server.accept();
    expect_login(&mut peer, 1);
    peer.refuse(ReasonCode::NOT_AUTHORIZED);
    // A stream is opened for the attempt, and closed without a word.
    let mut peer = server.accept();
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
    let state = client.wait_for_state(LIMIT, State::is_ended);
    let Some(State::Ended {
        cause: Cause::Refused { reason, .. },
    }) = state
    else {
        panic!("{state:?}");
    };
    assert_eq!(reason, ReasonCode::NOT_AUTHORIZED);
    assert!(server.is_quiet());
}

#[test]
fn that_never_come_do_not_hold_up_closing() {
    let server = Server::start();
    let never = || std::future::pending::<Result<Credentials, _>>();
    let client = Client::start(&server.url(), options().credentials_async(never)).unwrap();
    let token = client.publish("t", "m").qos(QoS::AtLeastOnce);
    token.send().unwrap();
    let begun = Instant::now();
    let left = client.close(Duration::from_millis(50)).unwrap_err();
    assert_eq!(left.messages(), 1);
    assert!(begun.elapsed() < LIMIT);
}
