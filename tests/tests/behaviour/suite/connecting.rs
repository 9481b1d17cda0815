//! How a connection comes about, and what is said when it does not.

use super::client::{
    self, AddressError, Awaited, Cause, Client, ConnectError, Credentials, Options, QoS,
    ReasonCode, State, Will,
};
use super::peer::{LIMIT, Server};
use mqtt_proto::{ConnAck, Packet, Properties, Property, Sender};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(300);

fn options() -> Options {
    Options::new("behaviour").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

#[track_caller]
fn cause(result: Result<Client, ConnectError>) -> Cause {
    match result.map(drop) {
        Err(ConnectError::NotConnected(cause)) => cause,
        other => panic!("not a failed connection: {other:?}"),
    }
}

#[test]
fn an_unknown_host_is_named() {
    let cause = cause(Client::connect("mqtt://nonesuch.invalid", options()));
    assert!(
        matches!(&cause, Cause::UnknownHost { host, .. } if host == "nonesuch.invalid"),
        "{cause:?}"
    );
    assert!(cause.to_string().contains("nonesuch.invalid"));
}

#[test]
fn a_port_at_which_nothing_listens_is_named() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let cause = cause(Client::connect(&format!("mqtt://{address}"), options()));
    let Cause::Unreachable {
        address: named,
        error,
    } = &cause
    else {
        panic!("{cause:?}");
    };
    assert_eq!(*named, address.to_string());
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(cause.to_string().contains("nothing listens at"), "{cause}");
}

#[test]
fn what_is_no_address_never_reaches_the_network() {
    let refused = |url: &str| match Client::connect(url, options()).map(drop) {
        Err(ConnectError::Address(error)) => error,
        other => panic!("{url}: {other:?}"),
    };
    assert_eq!(refused("localhost"), AddressError::NoScheme);
    let other = refused("coap://localhost");
    assert_eq!(other, AddressError::UnsupportedScheme("coap".into()));
    assert!(other.to_string().contains("connect_over"));
}

#[test]
fn a_server_that_never_answers_times_out() {
    let server = Server::start();
    let options = options().connect_timeout(SOON);
    let begun = Instant::now();
    let cause = cause(Client::connect(&server.url(), options));
    assert!(
        matches!(
            cause,
            Cause::TimedOut {
                what: Awaited::Accept,
                limit: SOON
            }
        ),
        "{cause:?}"
    );
    assert!(begun.elapsed() >= SOON && begun.elapsed() < LIMIT);
}

#[test]
fn a_server_that_drips_does_not_hold_the_client_beyond_its_limit() {
    let server = Server::start();
    let connack = Packet::ConnAck(ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(&[Property::ReasonString("a word that takes its time")]),
    });
    let connack = connack.to_vec(Sender::Server).unwrap();
    thread::scope(|scope| {
        let url = server.url();
        let options = options().connect_timeout(SOON);
        let client = scope.spawn(move || Client::connect(&url, options));
        let mut peer = server.accept();
        peer.expect_connect();
        peer.drip(&connack, SOON / 4);
        let cause = cause(client.join().unwrap());
        assert!(
            matches!(
                cause,
                Cause::TimedOut {
                    what: Awaited::Accept,
                    ..
                }
            ),
            "{cause:?}"
        );
    });
}

#[test]
fn a_stream_that_never_opens_times_out_and_does_not_hold_up_closing() {
    let (client, _held) = client::start_stuck(options().connect_timeout(SOON));
    let waiting = client.wait_for_state(LIMIT, |state| matches!(state, State::Waiting { .. }));
    let Some(State::Waiting { cause, .. }) = waiting else {
        panic!("{waiting:?}");
    };
    assert!(
        matches!(
            cause,
            Cause::TimedOut {
                what: Awaited::Open,
                limit: SOON
            }
        ),
        "{cause:?}"
    );

    client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let begun = Instant::now();
    let left = client.close(SOON).unwrap_err();
    assert_eq!((left.messages(), left.at_least_once, left.bytes), (1, 1, 2));
    assert!(begun.elapsed() < SOON * 4, "{:?}", begun.elapsed());
}

#[test]
fn a_refusal_is_typed_and_not_tried_again() {
    let server = Server::start();
    thread::scope(|scope| {
        let url = server.url();
        let client = scope.spawn(move || Client::connect(&url, options()));
        let mut peer = server.accept();
        peer.expect_connect();
        peer.refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        let cause = cause(client.join().unwrap());
        let Cause::Refused { reason, .. } = cause else {
            panic!("{cause:?}");
        };
        assert_eq!(reason, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        // MQTT-4.13.2-1: closed without a word.
        assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
        assert!(server.is_quiet());
    });
}

#[test]
fn a_refusal_on_a_later_connection_ends_the_client_and_is_watchable() {
    let server = Server::start();
    let (client, peer) = server.connect(options());
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let states = client.watch();
    drop(peer);
    let mut peer = server.accept();
    peer.expect_connect();
    peer.refuse(ReasonCode::NOT_AUTHORIZED);
    assert!(matches!(
        states.recv_timeout(LIMIT),
        Some(State::Waiting { .. })
    ));
    assert!(matches!(
        states.recv_timeout(LIMIT),
        Some(State::Connecting)
    ));
    let ended = states.recv_timeout(LIMIT);
    let Some(State::Ended {
        cause: Cause::Refused { reason, .. },
    }) = ended
    else {
        panic!("{ended:?}");
    };
    assert_eq!(reason, ReasonCode::NOT_AUTHORIZED);
    assert!(states.recv_timeout(LIMIT).is_none());
    assert!(
        token
            .acknowledged_timeout(LIMIT)
            .unwrap_err()
            .to_string()
            .contains("not authorized")
    );
    assert!(client.publish("t", "m").send().is_err());
    assert!(server.is_quiet());
}

#[test]
fn credentials_are_asked_for_afresh_at_each_attempt() {
    let server = Server::start();
    let mut attempt = 0;
    let options = options().credentials(move || {
        attempt += 1;
        if attempt == 2 {
            return Err("the vault is closed".into());
        }
        Ok(Credentials::new("ann", format!("secret {attempt}")))
    });
    thread::scope(|scope| {
        let url = server.url();
        let client = scope.spawn(move || Client::connect(&url, options));
        let mut peer = server.accept();
        peer.packet(|packet| match packet {
            Packet::Connect(connect) => {
                assert_eq!(connect.user_name, Some("ann"));
                assert_eq!(connect.password, Some(&b"secret 1"[..]));
            }
            other => panic!("{other:?}"),
        });
        peer.accept_session(false, &[]);
        let client = client.join().unwrap().unwrap();
        let states = client.watch();
        drop(peer);
        let mut causes = Vec::new();
        let mut peer = server.accept();
        peer.packet(|packet| match packet {
            Packet::Connect(connect) => assert_eq!(connect.password, Some(&b"secret 3"[..])),
            other => panic!("{other:?}"),
        });
        peer.accept_session(true, &[]);
        while let Some(state) = states.recv_timeout(LIMIT) {
            match state {
                State::Waiting { cause, .. } => causes.push(cause.to_string()),
                State::Connected { .. } => break,
                _ => {}
            }
        }
        assert_eq!(causes.len(), 2, "{causes:?}");
        assert!(causes[1].contains("the vault is closed"));
    });
}

#[test]
fn connect_says_what_the_options_say() {
    let server = Server::start();
    let options = Options::new("")
        .keep_alive(Duration::from_secs(7))
        .session_expiry(Duration::from_secs(60))
        .receive_maximum(9)
        .maximum_packet_size(1_000)
        .topic_aliases(0, 3)
        .user_property("k", "v")
        .will(
            Will::new("w", "gone")
                .qos(QoS::ExactlyOnce)
                .retain(true)
                .delay(Duration::from_millis(1_500))
                .content_type("text/plain"),
        );
    thread::scope(|scope| {
        let url = server.url().replace("//", "//bob:p%40ss@");
        let client = scope.spawn(move || Client::connect(&url, options));
        let mut peer = server.accept();
        peer.packet(|packet| {
            let Packet::Connect(connect) = packet else {
                panic!("{packet:?}");
            };
            assert!(connect.clean_start && connect.client_id.is_empty());
            assert_eq!(connect.keep_alive, 7);
            assert_eq!(
                (connect.user_name, connect.password),
                (Some("bob"), Some(&b"p@ss"[..]))
            );
            let asked = connect.properties;
            assert_eq!(asked.session_expiry_interval(), Some(60));
            assert_eq!(asked.receive_maximum(), Some(9));
            assert_eq!(asked.maximum_packet_size(), Some(1_000));
            assert_eq!(asked.topic_alias_maximum(), Some(3));
            assert_eq!(asked.user_properties().collect::<Vec<_>>(), [("k", "v")]);
            let will = connect.will.unwrap();
            assert_eq!((will.topic.as_str(), will.payload), ("w", &b"gone"[..]));
            assert_eq!((will.qos, will.retain), (QoS::ExactlyOnce, true));
            assert_eq!(will.properties.will_delay_interval(), Some(2));
            assert_eq!(will.properties.content_type(), Some("text/plain"));
        });
        peer.accept_session(false, &[Property::AssignedClientIdentifier("given")]);
        client.join().unwrap().unwrap();
        peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
    });
}

#[test]
fn options_that_cannot_be_sent_end_the_client_at_once() {
    let server = Server::start();
    let options = options().will(Will::new("no/#", "wildcard"));
    let failed = cause(Client::connect(&server.url(), options));
    assert!(matches!(failed, Cause::WillTopic(_)), "{failed:?}");
    let long = "x".repeat(70_000);
    let failed = cause(Client::connect(&server.url(), Options::new(long)));
    assert!(matches!(failed, Cause::Options(_)), "{failed:?}");
}

#[test]
fn a_panic_while_opening_is_a_failed_attempt() {
    let failed = cause(client::connect_panicking(options()));
    assert!(matches!(failed, Cause::Panicked), "{failed:?}");
}

#[test]
fn start_publishes_once_the_server_is_there() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::start(&format!("mqtt://{address}"), options()).unwrap();
    let token = client.publish("t", "early").send().unwrap();
    let waiting = client.wait_for_state(LIMIT, |state| matches!(state, State::Waiting { .. }));
    assert!(waiting.is_some());
    assert!(token.outcome().is_none());
    let listener = TcpListener::bind(address).unwrap();
    let server = Server::over(listener);
    let mut peer = server.accept();
    peer.expect_connect();
    peer.accept_session(false, &[]);
    peer.expect_publish("t");
    assert_eq!(
        token.acknowledged_timeout(LIMIT).unwrap(),
        ReasonCode::SUCCESS
    );
}
