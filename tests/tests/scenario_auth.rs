//! Enhanced authentication: AUTH before CONNACK, re-authentication, and what neither side may do.

use core::time::Duration;
use mqtt_proto::{Auth, ConnAck, EncodeError, Packet, Properties, PropertyId, QoS, ReasonCode};
use mqtt_proto::{Subscription, TopicFilter};
use mqtt_session::{
    Cause, Config, Connect, ConnectError, ControlError, Fixed, Heap, Property, Violation,
};
use mqtt_tests::talk::*;

const METHOD: Property<'static> = Property::AuthenticationMethod("SCRAM");

/// CONNECT with a method and the first of its data.
fn authenticating() -> Connect<'static> {
    const FIRST: &[Property<'static>] = &[METHOD, Property::AuthenticationData(b"hello")];
    Connect {
        properties: FIRST,
        ..Connect::new("c")
    }
}

fn auth<'a>(reason: ReasonCode, properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Auth(Auth {
        reason,
        properties: Properties::new(properties),
    })
}

const CONTINUE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;

fn challenge(data: &str) -> Told {
    Told::Challenge(vec![
        "AuthenticationMethod(\"SCRAM\")".into(),
        data.to_owned(),
    ])
}

/// Connected after one challenge and its answer.
fn authenticated() -> Talk<Heap> {
    let mut talk = talk(Config::default());
    talk.connects(&authenticating(), connack_with(&[METHOD]));
    talk
}

/// A re-authentication runs: AUTH 0x19 was sent.
fn reauthenticating() -> Talk<Heap> {
    let mut talk = authenticated();
    talk.client.reauthenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(ReasonCode::RE_AUTHENTICATE, &[METHOD]))
        .quiet();
    talk
}

// covers: MQTT-3.1.2-30, pitfall 29
#[test]
fn until_connack_only_auth_and_disconnect_leave() {
    let connect = Connect {
        keep_alive: 1,
        ..authenticating()
    };
    let mut talk = talk(Config::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let filters = [Subscription {
        filter: TopicFilter::new("a").unwrap(),
        options: Default::default(),
    }];
    talk.client.subscribe(talk.now, &filters, &[]).unwrap();
    talk.opens(&connect);
    for step in 0..4u8 {
        // Keep Alive passes, and no PINGREQ leaves.
        talk.wait(Duration::from_secs(2)).quiet();
        let data = [METHOD, Property::AuthenticationData(&[step])];
        talk.server(auth(CONTINUE, &data));
        talk.tells(challenge(&format!("AuthenticationData([{step}])")))
            .quiet();
        talk.client.authenticate(talk.now, &data).unwrap();
        talk.sends(auth(CONTINUE, &data)).quiet();
    }
    talk.client.stop(talk.now);
    talk.sends_bytes(&[0xe0, 0x00])
        .closes()
        .rests(Cause::Stopped);
}

// covers: MQTT-4.12.0-3, MQTT-4.12.0-5, pitfall 83
#[test]
fn a_challenge_is_told_and_its_answer_leaves_with_the_method() {
    let mut talk = talk(Config::default());
    talk.opens(&authenticating());
    talk.server(auth(
        CONTINUE,
        &[METHOD, Property::AuthenticationData(b"prove")],
    ));
    talk.tells(challenge("AuthenticationData([112, 114, 111, 118, 101])"))
        .quiet();
    talk.client
        .authenticate(talk.now, &[METHOD, Property::AuthenticationData(b"k")])
        .unwrap();
    talk.sends_bytes(&[
        0xf0, 14, 0x18, 12, 0x15, 0, 5, b'S', b'C', b'R', b'A', b'M', 0x16, 0, 1, b'k',
    ])
    .quiet();
    talk.server(connack_with(&[METHOD]))
        .tells(Told::Connected {
            session_present: false,
        })
        .quiet();
    assert!(talk.client.is_connected());
}

#[test]
fn one_challenge_has_one_answer() {
    let mut talk = talk(Config::default());
    talk.opens(&authenticating());
    // Nothing was asked yet.
    let early = talk.client.authenticate(talk.now, &[METHOD]);
    assert_eq!(early, Err(ControlError::NotNow));
    talk.server(auth(CONTINUE, &[METHOD]))
        .tells(Told::Challenge(vec![
            "AuthenticationMethod(\"SCRAM\")".into(),
        ]));
    talk.client.authenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(CONTINUE, &[METHOD]));
    let again = talk.client.authenticate(talk.now, &[METHOD]);
    assert_eq!(again, Err(ControlError::NotNow));
    talk.quiet();
}

// covers: MQTT-4.12.0-5, pitfall 83
#[test]
fn an_answer_with_another_method_or_none_is_refused_here() {
    let mut talk = talk(Config::default());
    talk.opens(&authenticating());
    talk.server(auth(CONTINUE, &[METHOD]));
    talk.next();
    for properties in [
        &[][..],
        &[Property::AuthenticationData(b"k")],
        &[Property::AuthenticationMethod("PLAIN")],
        &[Property::AuthenticationMethod("SCRAM-SHA-1")],
        &[Property::AuthenticationMethod("scram")],
    ] {
        let refused = talk.client.authenticate(talk.now, properties);
        assert_eq!(refused, Err(ControlError::Method));
    }
    talk.quiet();
    talk.client.authenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(CONTINUE, &[METHOD])).quiet();
}

// covers: MQTT-4.12.0-5, pitfall 83
#[test]
fn the_server_keeps_to_the_method_of_connect() {
    let other = [Property::AuthenticationMethod("PLAIN")];
    let mut talk = talk(Config::default());
    talk.opens(&authenticating());
    talk.server(auth(CONTINUE, &other))
        .ends_by(Violation::AuthenticationMethod);
    for accepted in [&other[..], &[]] {
        talk.opens(&authenticating());
        talk.server(connack_with(accepted))
            .ends_by(Violation::AuthenticationMethod);
    }
    let mut live = reauthenticating();
    live.server(auth(ReasonCode::SUCCESS, &other))
        .ends_by(Violation::AuthenticationMethod);
    // Without any method AUTH is wrong by itself.
    let mut bare = reauthenticating();
    bare.server_bytes(&[0xf0, 0])
        .breaks_off(ReasonCode::PROTOCOL_ERROR, "section 3.15.2.2.2");
}

// covers: MQTT-4.12.0-2, pitfall 84
#[test]
fn before_connack_the_server_can_only_ask_on() {
    let mut talk = talk(Config::default());
    talk.opens(&authenticating());
    talk.server(auth(ReasonCode::SUCCESS, &[METHOD]))
        .ends_by(Violation::AuthenticationReason(ReasonCode::SUCCESS));
    // 0x19 is for clients.
    talk.opens(&authenticating());
    talk.server_bytes(&[0xf0, 10, 0x19, 8, 0x15, 0, 5, b'S', b'C', b'R', b'A', b'M'])
        .breaks_off(ReasonCode::PROTOCOL_ERROR, "MQTT-3.15.2-1");
}

// covers: MQTT-4.12.0-1, MQTT-4.12.0-4
#[test]
fn the_server_can_refuse_at_any_step() {
    for (steps, reason) in [
        (0, ReasonCode::BAD_AUTHENTICATION_METHOD),
        (0, ReasonCode::NOT_AUTHORIZED),
        (1, ReasonCode::NOT_AUTHORIZED),
        (3, ReasonCode::NOT_AUTHORIZED),
    ] {
        let mut talk = talk(Config::default());
        talk.opens(&authenticating());
        for _ in 0..steps {
            talk.server(auth(CONTINUE, &[METHOD]));
            talk.next();
            talk.client.authenticate(talk.now, &[METHOD]).unwrap();
            talk.sent();
        }
        talk.server(refused(reason))
            .tells(Told::Refused(reason))
            .closes();
        // No endless retry with the same credentials.
        talk.rests(Cause::Refused(reason));
    }
}

// covers: MQTT-4.12.0-6, MQTT-4.12.0-7, pitfall 82
#[test]
fn without_a_method_there_is_no_auth() {
    let mut talk = talk(Config::default());
    talk.opens(&Connect::new("c"));
    let now = talk.now;
    for properties in [&[][..], &[METHOD]] {
        assert_eq!(
            talk.client.authenticate(now, properties),
            Err(ControlError::Method)
        );
    }
    talk.server(auth(CONTINUE, &[METHOD]))
        .ends_by(Violation::Unexpected(mqtt_proto::PacketType::Auth));

    talk.opens(&Connect::new("c"));
    talk.server(connack_with(&[METHOD]))
        .ends_by(Violation::AuthenticationMethod);

    talk.connects(&Connect::new("c"), connack());
    for properties in [&[][..], &[METHOD]] {
        let now = talk.now;
        for refused in [
            talk.client.authenticate(now, properties),
            talk.client.reauthenticate(now, properties),
        ] {
            assert_eq!(refused, Err(ControlError::Method));
        }
    }
    talk.quiet();
    // Not answered by AUTH but by the end.
    talk.server(auth(CONTINUE, &[METHOD]))
        .ends_by(Violation::Unexpected(mqtt_proto::PacketType::Auth));
}

// covers: MQTT-4.12.1-1, pitfall 84
#[test]
fn a_re_authentication_runs_beside_other_traffic() {
    let mut talk = reauthenticating();
    let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    talk.server_publishes(QoS::AtLeastOnce, 9, "b", b"2")
        .delivers("b", b"2")
        .sends(puback(9));
    talk.server(auth(CONTINUE, &[METHOD]))
        .tells(Told::Challenge(vec![
            "AuthenticationMethod(\"SCRAM\")".into(),
        ]));
    talk.server(puback(1)).settles(ticket, ReasonCode::SUCCESS);
    talk.client.authenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(CONTINUE, &[METHOD])).quiet();
    talk.server(auth(ReasonCode::SUCCESS, &[METHOD]))
        .tells(Told::Reauthenticated)
        .quiet();
    // It is over: the next may begin, and a challenge without one is wrong.
    let late = talk.client.authenticate(talk.now, &[METHOD]);
    assert_eq!(late, Err(ControlError::NotNow));
    talk.client.reauthenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(ReasonCode::RE_AUTHENTICATE, &[METHOD]))
        .quiet();
}

#[test]
fn a_re_authentication_is_answered_in_time_or_ends_the_connection() {
    let limit = Duration::from_secs(10);
    let mut silent = reauthenticating();
    silent.wait(limit - Duration::from_millis(1)).quiet();
    silent.wait(Duration::from_millis(1)).closes();
    silent.disconnected(Cause::AuthTimeout);

    // The application may take its time, the server may not.
    let mut slow = reauthenticating();
    slow.server(auth(CONTINUE, &[METHOD]))
        .tells(Told::Challenge(vec![
            "AuthenticationMethod(\"SCRAM\")".into(),
        ]));
    slow.wait(limit * 2).quiet();
    slow.client.authenticate(slow.now, &[METHOD]).unwrap();
    slow.sends(auth(CONTINUE, &[METHOD])).quiet();
    slow.wait_until_due().closes();
    slow.disconnected(Cause::AuthTimeout);

    let mut answered = reauthenticating();
    answered
        .server(auth(ReasonCode::SUCCESS, &[METHOD]))
        .tells(Told::Reauthenticated);
    answered.wait(limit * 2).quiet();
}

// Stopping has its own time limit, whatever the server answers meanwhile.
#[test]
fn a_stop_during_a_re_authentication_keeps_its_time_limit() {
    let mut talk = reauthenticating();
    talk.takes = 0;
    talk.client.stop(talk.now);
    talk.server(auth(ReasonCode::SUCCESS, &[METHOD]));
    talk.wait(Duration::from_secs(5));
    let did: Vec<Did> = std::iter::from_fn(|| talk.did()).collect();
    assert!(did.contains(&Did::Close), "{did:?}");
}

// covers: MQTT-4.12.1-1, pitfall 84
#[test]
fn a_re_authentication_begins_after_connack_and_one_at_a_time() {
    let mut early = talk(Config::default());
    early.opens(&authenticating());
    let refused = early.client.reauthenticate(early.now, &[METHOD]);
    assert_eq!(refused, Err(ControlError::NotNow));
    early.quiet();

    let mut twice = reauthenticating();
    let refused = twice.client.reauthenticate(twice.now, &[METHOD]);
    assert_eq!(refused, Err(ControlError::NotNow));
    twice.quiet();

    let mut other = authenticated();
    let method = [Property::AuthenticationMethod("PLAIN")];
    let refused = other.client.reauthenticate(other.now, &method);
    assert_eq!(refused, Err(ControlError::Method));
    other.quiet();
}

// covers: pitfall 84
#[test]
fn on_a_live_connection_the_server_asks_only_when_asked() {
    for reason in [CONTINUE, ReasonCode::SUCCESS] {
        let mut talk = authenticated();
        talk.server(auth(reason, &[METHOD]))
            .ends_by(Violation::AuthenticationReason(reason));
    }
    // A new connection has no re-authentication running.
    let mut talk = reauthenticating();
    talk.loses_transport();
    talk.connects(&authenticating(), connack_with(&[METHOD]));
    talk.server(auth(ReasonCode::SUCCESS, &[METHOD]))
        .ends_by(Violation::AuthenticationReason(ReasonCode::SUCCESS));
}

// covers: MQTT-4.12.1-2, pitfall 84
#[test]
fn a_failed_re_authentication_ends_the_connection() {
    // The client is not content with the server.
    for reason in [
        ReasonCode::UNSPECIFIED_ERROR,
        ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
    ] {
        let mut talk = reauthenticating();
        for not_a_clients in [
            ReasonCode::NOT_AUTHORIZED,
            ReasonCode::BAD_AUTHENTICATION_METHOD,
        ] {
            assert_eq!(
                talk.client.stop_with(talk.now, not_a_clients, &[]),
                Err(ControlError::Reason(not_a_clients))
            );
        }
        talk.client.stop_with(talk.now, reason, &[]).unwrap();
        talk.sends(disconnect(reason))
            .closes()
            .rests(Cause::Stopped);
    }
    // The server is not content with the client.
    let mut talk = reauthenticating();
    let reason = ReasonCode::NOT_AUTHORIZED;
    talk.server(disconnect(reason))
        .tells(Told::ServerDisconnect(reason))
        .closes()
        .rests(Cause::ServerDisconnect(reason));
}

// covers: MQTT-3.15.2-2, MQTT-3.15.2-3
#[test]
fn auth_goes_without_its_texts_where_they_make_it_too_large() {
    let limits = [METHOD, Property::MaximumPacketSize(24)];
    let data = Property::AuthenticationData(b"k");
    for text in [
        Property::ReasonString("because"),
        Property::UserProperty("k", "v"),
    ] {
        let mut talk = talk(Config::default());
        talk.connects(&authenticating(), connack_with(&limits));
        // 12 bytes, 4 of data and a text of 7 are 23 or 26.
        talk.client
            .reauthenticate(talk.now, &[METHOD, data, text])
            .unwrap();
        let whole = [METHOD, data, text];
        let least = [METHOD, data];
        match text {
            Property::UserProperty(..) => {
                talk.sends(auth(ReasonCode::RE_AUTHENTICATE, &whole));
            }
            _ => {
                talk.sends(auth(ReasonCode::RE_AUTHENTICATE, &least));
            }
        }
        talk.quiet();
        // What cannot be left out can be too large.
        talk.server(auth(CONTINUE, &[METHOD]));
        talk.next();
        let large = [METHOD, Property::AuthenticationData(&[0; 10])];
        assert_eq!(
            talk.client.authenticate(talk.now, &large),
            Err(ControlError::TooLarge)
        );
        talk.quiet();
        talk.client.authenticate(talk.now, &[METHOD]).unwrap();
        talk.sends(auth(CONTINUE, &[METHOD])).quiet();
    }
}

// covers: MQTT-3.15.2-2, MQTT-3.15.2-3
#[test]
fn before_connack_no_limit_is_known_and_auth_goes_whole() {
    let mut talk = talk(Config::default());
    talk.opens(&authenticating());
    talk.server(auth(CONTINUE, &[METHOD]));
    talk.next();
    let long = "x".repeat(1_000);
    let whole = [
        METHOD,
        Property::ReasonString(&long),
        Property::UserProperty("k", "v"),
    ];
    talk.client.authenticate(talk.now, &whole).unwrap();
    talk.sends(auth(CONTINUE, &whole)).quiet();
}

// covers: pitfall 85
#[test]
fn data_without_a_method_is_refused_both_ways() {
    let data = [Property::AuthenticationData(b"k")];
    let mut talk = talk(Config::default());
    talk.client.start(talk.now);
    talk.expect(Did::Open);
    let connect = Connect {
        properties: &data,
        ..Connect::new("c")
    };
    let missing = EncodeError::MissingProperty(PropertyId::AuthenticationMethod);
    assert_eq!(
        talk.client.opened(talk.now, &connect),
        Err(ConnectError::Invalid(missing))
    );
    talk.client.opened(talk.now, &authenticating()).unwrap();
    talk.sent();
    talk.server_bytes(&[0xf0, 6, 0x18, 4, 0x16, 0, 1, b'k'])
        .breaks_off(ReasonCode::PROTOCOL_ERROR, "section 3.15.2.2.2");
}

#[test]
fn auth_that_cannot_be_sent_changes_nothing() {
    let mut talk = Talk::new(Config::default(), Fixed::<2, 2, 64, 64>::new());
    talk.opens(&Connect {
        properties: &[METHOD],
        ..Connect::new("c")
    });
    talk.server(auth(CONTINUE, &[METHOD]));
    talk.next();
    let before = knowledge(&talk.client);
    for (properties, error) in [
        (
            &[METHOD, Property::AuthenticationData(&[0; 60])][..],
            ControlError::NoRoom,
        ),
        (
            &[METHOD, METHOD],
            ControlError::Invalid(EncodeError::DuplicateProperty(
                PropertyId::AuthenticationMethod,
            )),
        ),
    ] {
        assert_eq!(talk.client.authenticate(talk.now, properties), Err(error));
        assert_eq!(knowledge(&talk.client), before, "{error}");
    }
    talk.client.authenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(CONTINUE, &[METHOD])).quiet();
}

#[test]
fn a_resumed_session_is_authenticated_afresh() {
    let connect = Connect {
        properties: &[METHOD, Property::SessionExpiryInterval(3600)],
        ..Connect::new("c")
    };
    let mut talk = talk(Config::default());
    talk.connects(&connect, connack_with(&[METHOD]));
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.loses_transport();
    talk.opens(&connect);
    talk.server(auth(CONTINUE, &[METHOD]));
    talk.next();
    talk.client.authenticate(talk.now, &[METHOD]).unwrap();
    talk.sends(auth(CONTINUE, &[METHOD])).quiet();
    talk.server(Packet::ConnAck(ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(&[METHOD]),
    }))
    .tells(Told::Connected {
        session_present: true,
    })
    .resends_publish(QoS::AtLeastOnce, 1, "a", b"1")
    .quiet();
}
