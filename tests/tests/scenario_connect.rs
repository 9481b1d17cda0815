//! How a connection comes about: CONNECT first, one CONNACK, and everything that can go wrong
//! between them.

use core::time::Duration;
use mqtt_proto::{
    Auth, ConnAck, Connect as Wire, EncodeError, Packet, PacketType, Properties, PropertyId, QoS,
    ReasonCode, Sender, Subscription, TopicFilter, TopicName, Will,
};
use mqtt_session::{
    Action, Cause, Config, Connect, ConnectError, Event, Fixed, Instant, Offline, Property,
    Violation,
};
use mqtt_tests::talk::*;

fn decoded(connect: &[u8]) -> Wire<'_> {
    match Packet::decode(connect, Sender::Client) {
        Ok(Packet::Connect(connect)) => connect,
        other => panic!("not CONNECT: {other:?}"),
    }
}

// covers: MQTT-3.1.0-1, pitfall 29
#[test]
fn connect_goes_first_and_all_else_waits_for_connack() {
    let mut talk = talk(Config::default());
    let published = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let filters = [Subscription {
        filter: TopicFilter::new("b").unwrap(),
        options: Default::default(),
    }];
    let subscribed = talk.client.subscribe(talk.now, &filters, &[]).unwrap();
    let connect = talk.opens(&Connect::new("c"));
    assert_eq!(connect[0], 0x10);
    talk.quiet();
    talk.wait(Duration::from_secs(5)).quiet();
    talk.server(connack()).tells(Told::Connected {
        session_present: false,
    });
    assert_eq!(talk.sent()[0], 0x82);
    talk.sends(Packet::Publish(publish(QoS::AtLeastOnce, 2, "a", b"1")))
        .quiet();
    talk.server(suback(1, &[ReasonCode::GRANTED_QOS_0]))
        .tells(Told::Subscribed(
            subscribed,
            vec![ReasonCode::GRANTED_QOS_0],
        ));
    talk.server(puback(2))
        .settles(published, ReasonCode::SUCCESS)
        .quiet();
}

// covers: MQTT-3.1.0-2
#[test]
fn a_second_connect_is_refused_here() {
    let mut talk = talk(Config::default());
    let connect = Connect::new("c");
    let now = talk.now;
    assert_eq!(
        talk.client.opened(now, &connect),
        Err(ConnectError::NotExpected)
    );
    talk.opens(&connect);
    assert_eq!(
        talk.client.opened(now, &connect),
        Err(ConnectError::NotExpected)
    );
    talk.quiet();
    talk.server(connack()).tells(Told::Connected {
        session_present: false,
    });
    assert_eq!(
        talk.client.opened(now, &connect),
        Err(ConnectError::NotExpected)
    );
    talk.quiet();
}

// covers: MQTT-3.1.0-2, pitfall 28
#[test]
fn what_only_a_client_sends_is_a_protocol_error_from_the_server() {
    let connect = Packet::Connect(Wire {
        clean_start: false,
        keep_alive: 0,
        client_id: "s",
        properties: Properties::EMPTY,
        will: None,
        user_name: None,
        password: None,
    });
    let connect = connect.to_vec(Sender::Client).unwrap();
    for bytes in [
        &connect[..],
        &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0],
        &[0xa2, 6, 0, 1, 0, 0, 1, b'a'],
        &[0xc0, 0],
    ] {
        let mut early = talk(Config::default());
        early.opens(&Connect::new("c"));
        let mut live = connected(Config::default());
        for talk in [&mut early, &mut live] {
            talk.server_bytes(bytes)
                .breaks_off(ReasonCode::PROTOCOL_ERROR, "section 2.1.2");
        }
    }
    // There is no packet of type 0.
    let mut talk = connected(Config::default());
    talk.server_bytes(&[0x00, 0])
        .breaks_off(ReasonCode::MALFORMED_PACKET, "section 2.1.2");
}

/// Every packet that a server can send, valid by itself.
fn from_the_server() -> [(PacketType, Packet<'static>); 11] {
    const METHOD: &[Property<'static>] = &[Property::AuthenticationMethod("m")];
    let packets = [
        connack(),
        Packet::Publish(publish(QoS::AtMostOnce, 0, "a", b"x")),
        puback(9),
        pubrec(9),
        pubrel(9),
        pubcomp(9),
        suback(9, &[ReasonCode::GRANTED_QOS_0]),
        unsuback(9, &[ReasonCode::SUCCESS]),
        Packet::PingResp,
        disconnect(ReasonCode::NORMAL_DISCONNECTION),
        Packet::Auth(Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            properties: Properties::new(METHOD),
        }),
    ];
    packets.map(|packet| (packet.packet_type(), packet))
}

fn with_method() -> Connect<'static> {
    const METHOD: &[Property<'static>] = &[Property::AuthenticationMethod("m")];
    Connect {
        properties: METHOD,
        ..Connect::new("c")
    }
}

// covers: MQTT-3.2.0-1, MQTT-3.14.0-1, pitfall 30
#[test]
fn before_connack_only_connack_and_auth_are_taken() {
    for (kind, packet) in from_the_server() {
        let mut talk = talk(Config::default());
        talk.opens(&with_method());
        match kind {
            // Taken, and found to lack the method.
            PacketType::ConnAck => {
                talk.server(packet).ends_by(Violation::AuthenticationMethod);
            }
            PacketType::Auth => {
                talk.server(packet)
                    .tells(Told::Challenge(vec!["AuthenticationMethod(\"m\")".into()]))
                    .quiet();
            }
            _ => {
                talk.server(packet).ends_by(Violation::Unexpected(kind));
            }
        }
    }
}

// covers: MQTT-3.2.0-2, pitfall 30
#[test]
fn once_connected_every_packet_but_connack_is_taken() {
    for stopping in [false, true] {
        for (kind, packet) in from_the_server() {
            let mut talk = talk(Config::default());
            let accepted = [Property::AuthenticationMethod("m")];
            talk.connects(&with_method(), connack_with(&accepted));
            if stopping {
                // Something has to be on its way, or DISCONNECT leaves at once.
                talk.takes = 0;
                talk.publishes(QoS::AtMostOnce, "large", &[0; 100_000]);
                talk.run();
                talk.client.stop(talk.now);
            }
            talk.server(packet);
            match kind {
                PacketType::ConnAck => {
                    talk.tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.0-2"));
                }
                PacketType::Auth => {
                    // No re-authentication runs.
                    talk.tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-4.12.0-2"));
                }
                PacketType::Publish => {
                    talk.delivers("a", b"x").quiet();
                }
                PacketType::Disconnect => {
                    talk.tells(Told::ServerDisconnect(ReasonCode::NORMAL_DISCONNECTION))
                        .expect(Did::Close)
                        .quiet();
                }
                PacketType::PubRec | PacketType::PubRel => {
                    if !stopping {
                        assert_eq!(talk.sent()[1], 3, "answered with 0x92");
                    }
                    talk.quiet();
                }
                _ => {
                    let counted = u32::from(kind != PacketType::PingResp);
                    assert_eq!(talk.client.unsolicited(), counted, "{kind}");
                    talk.quiet();
                }
            }
        }
    }
}

#[test]
fn what_comes_behind_the_last_packet_is_not_looked_at() {
    for (kind, packet) in from_the_server() {
        // DISCONNECT is queued but has not left.
        let mut flushing = connected(Config::default());
        flushing.takes = 0;
        flushing.client.stop(flushing.now);
        flushing.quiet();
        flushing.server(packet).quiet();
        flushing.unblock().sends_bytes(&[0xe0, 0x00]).closes();
        flushing.rests(Cause::Stopped);

        // The caller was asked to close.
        let mut closing = connected(Config::default());
        closing
            .server(disconnect(ReasonCode::SERVER_SHUTTING_DOWN))
            .tells(Told::ServerDisconnect(ReasonCode::SERVER_SHUTTING_DOWN))
            .expect(Did::Close);
        closing.server(packet).quiet();
        closing.cut();
        closing.disconnected(Cause::ServerDisconnect(ReasonCode::SERVER_SHUTTING_DOWN));

        // There is no transport.
        let mut waiting = connected(Config::default());
        waiting.loses_transport();
        let deadline = waiting.deadline;
        waiting.server(packet).quiet();
        assert_eq!(waiting.deadline, deadline, "{kind}");
    }
}

// covers: MQTT-3.1.4-5
#[test]
fn a_server_that_does_not_answer_connect_is_given_up() {
    let config = Config::default().connect_timeout(Duration::from_secs(7));
    let mut talk = talk(config);
    talk.opens(&Connect::new("c"));
    talk.wait(Duration::from_millis(6_999)).quiet();
    talk.wait(Duration::from_millis(1))
        .closes()
        .disconnected(Cause::ConnectTimeout)
        .quiet();
}

// covers: MQTT-3.1.4-5
#[test]
fn a_server_that_answers_a_byte_a_second_has_no_longer() {
    let mut talk = talk(Config::default());
    talk.opens(&Connect::new("c"));
    let properties = [Property::ReasonString("a long story")];
    let answer = connack_with(&properties).to_vec(Sender::Server).unwrap();
    for byte in &answer[..9] {
        talk.wait(Duration::from_secs(1)).quiet();
        talk.server_bytes(&[*byte]).quiet();
    }
    talk.wait(Duration::from_secs(1))
        .closes()
        .disconnected(Cause::ConnectTimeout);
}

// covers: MQTT-3.2.2-7, MQTT-4.13.2-1, pitfall 31
#[test]
fn after_a_refusal_the_client_closes_without_a_word() {
    let mut talk = talk(Config::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.opens(&Connect::new("c"));
    talk.server(refused(ReasonCode::SERVER_BUSY))
        .tells(Told::Refused(ReasonCode::SERVER_BUSY))
        .closes()
        .disconnected(Cause::Refused(ReasonCode::SERVER_BUSY))
        .quiet();
}

// covers: MQTT-3.1.4-6
#[test]
fn what_was_asked_for_before_a_refusal_has_not_been_sent() {
    let mut talk = talk(Config::default().qos0_offline(Offline::Queue));
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    let now = talk.now;
    let filter = TopicFilter::new("b").unwrap();
    let unsubscribed = talk.client.unsubscribe(now, &[filter], &[]).unwrap();
    let at_most_once = talk.publishes(QoS::AtMostOnce, "c", b"2");
    talk.opens(&Connect::new("c"));
    talk.server(refused(ReasonCode::SERVER_BUSY))
        .tells(Told::Refused(ReasonCode::SERVER_BUSY))
        .closes()
        .disconnected(Cause::Refused(ReasonCode::SERVER_BUSY))
        .quiet();
    // Nor are they lost when the server breaks the protocol, or the client stops.
    talk.opens(&Connect::new("c"));
    talk.server(Packet::PingResp)
        .ends_by(Violation::Unexpected(PacketType::PingResp))
        .quiet();
    talk.opens(&Connect::new("c"));
    talk.client.stop(talk.now);
    talk.sends_bytes(&[0xe0, 0x00])
        .closes()
        .rests(Cause::Stopped);
    assert_eq!(talk.client.unsettled(), 1);
    talk.connects(&Connect::new("c"), connack());
    assert_eq!(talk.sent()[0], 0xa2);
    talk.sends_publish(QoS::AtMostOnce, 0, "c", b"2")
        .sends_publish(QoS::ExactlyOnce, 2, "a", b"1")
        .settles(at_most_once, ReasonCode::SUCCESS);
    talk.server(unsuback(1, &[ReasonCode::SUCCESS]))
        .tells(Told::Unsubscribed(unsubscribed, vec![ReasonCode::SUCCESS]));
    talk.server(pubrec(2)).sends(pubrel(2));
    talk.server(pubcomp(2))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

/// What CONNACK may refuse with, and whether trying again the same way can help.
const REFUSALS: [(ReasonCode, bool); 21] = [
    (ReasonCode::UNSPECIFIED_ERROR, true),
    (ReasonCode::MALFORMED_PACKET, false),
    (ReasonCode::PROTOCOL_ERROR, false),
    (ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, true),
    (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, false),
    (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, false),
    (ReasonCode::BAD_USER_NAME_OR_PASSWORD, false),
    (ReasonCode::NOT_AUTHORIZED, false),
    (ReasonCode::SERVER_UNAVAILABLE, true),
    (ReasonCode::SERVER_BUSY, true),
    (ReasonCode::BANNED, false),
    (ReasonCode::BAD_AUTHENTICATION_METHOD, false),
    (ReasonCode::TOPIC_NAME_INVALID, false),
    (ReasonCode::PACKET_TOO_LARGE, false),
    (ReasonCode::QUOTA_EXCEEDED, true),
    (ReasonCode::PAYLOAD_FORMAT_INVALID, false),
    (ReasonCode::RETAIN_NOT_SUPPORTED, false),
    (ReasonCode::QOS_NOT_SUPPORTED, false),
    (ReasonCode::USE_ANOTHER_SERVER, true),
    (ReasonCode::SERVER_MOVED, false),
    (ReasonCode::CONNECTION_RATE_EXCEEDED, true),
];

// covers: MQTT-3.1.3-8, MQTT-3.2.2-12, MQTT-3.2.2-13, MQTT-4.12.0-1
#[test]
fn every_refusal_is_told_and_only_a_passing_one_is_tried_again() {
    for (reason, passing) in REFUSALS {
        let mut talk = talk(Config::default());
        talk.opens(&Connect::new("c"));
        talk.server(refused(reason))
            .tells(Told::Refused(reason))
            .closes();
        if passing {
            talk.disconnected(Cause::Refused(reason)).quiet();
            talk.wait_until_due().expect(Did::Open);
        } else {
            talk.rests(Cause::Refused(reason));
            talk.wait(Duration::from_secs(86_400)).quiet();
        }
    }
}

// covers: pitfall 32
#[test]
fn session_present_with_a_refusal_is_malformed() {
    let mut talk = talk(Config::default());
    talk.opens(&Connect::new("c"));
    talk.server_bytes(&[0x20, 0x03, 0x01, 0x87, 0x00])
        .breaks_off(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.2-6");
}

// covers: MQTT-3.1.2-28
#[test]
fn response_information_that_was_not_asked_for_does_no_harm() {
    let mut talk = talk(Config::default());
    let properties = [Property::ResponseInformation("answers/c")];
    talk.connects(&Connect::new("c"), connack_with(&properties))
        .quiet();
    assert!(talk.client.is_connected());
}

// covers: MQTT-3.1.3-6, MQTT-3.2.2-16
#[test]
fn what_connack_says_is_told_whole() {
    let properties = [
        Property::AssignedClientIdentifier("srv-7"),
        Property::ReasonString("welcome"),
        Property::ResponseInformation("answers/srv-7"),
        Property::UserProperty("k", "v"),
        Property::UserProperty("k", "w"),
    ];
    let mut talk = talk(Config::default());
    talk.opens(&Connect {
        properties: &[Property::RequestResponseInformation(true)],
        ..Connect::new("")
    });
    let bytes = connack_with(&properties).to_vec(Sender::Server).unwrap();
    talk.input.spare()[..bytes.len()].copy_from_slice(&bytes);
    talk.input.filled(bytes.len());
    let action = talk.client.poll(talk.now, &mut talk.input);
    let Action::Event(Event::Connected(told)) = action else {
        panic!("not connected but {action:?}");
    };
    let told: Vec<_> = told.properties.iter().collect();
    assert_eq!(told, properties);
}

// covers: pitfall 47
#[test]
fn a_server_reference_is_told_and_never_followed() {
    for (reason, again) in [
        (ReasonCode::USE_ANOTHER_SERVER, true),
        (ReasonCode::SERVER_MOVED, false),
    ] {
        let reference = [Property::ServerReference("other:1883 [::1]:1884")];
        let refusal = Packet::ConnAck(ConnAck {
            session_present: false,
            reason,
            properties: Properties::new(&reference),
        });
        let mut talk = talk(Config::default());
        talk.opens(&Connect::new("c"));
        let bytes = refusal.to_vec(Sender::Server).unwrap();
        talk.input.spare()[..bytes.len()].copy_from_slice(&bytes);
        talk.input.filled(bytes.len());
        let action = talk.client.poll(talk.now, &mut talk.input);
        let Action::Event(Event::Refused(told)) = action else {
            panic!("not refused but {action:?}");
        };
        assert_eq!(
            told.properties.server_reference(),
            Some("other:1883 [::1]:1884")
        );
        talk.closes();
        if again {
            // The same transport is asked for: where it leads is the caller's choice.
            talk.disconnected(Cause::Refused(reason));
            talk.wait_until_due().expect(Did::Open).quiet();
        } else {
            talk.rests(Cause::Refused(reason));
        }
    }
}

#[test]
fn a_transport_that_cannot_be_opened_is_asked_for_again() {
    let mut talk = talk(Config::default());
    talk.client.start(talk.now);
    talk.expect(Did::Open).quiet();
    assert_eq!(talk.deadline, Instant::NEVER, "opening is the caller's");
    talk.client.closed(talk.now);
    talk.disconnected(Cause::NotOpened).quiet();
    talk.wait_until_due().expect(Did::Open).quiet();
}

// covers: pitfall 51
#[test]
fn the_will_and_the_session_expire_each_by_its_own_interval() {
    let will = Will {
        qos: QoS::ExactlyOnce,
        retain: true,
        topic: TopicName::new("last/words").unwrap(),
        payload: b"gone",
        properties: Properties::new(&[Property::WillDelayInterval(30)]),
    };
    for expiry in [None, Some(0), Some(10), Some(3_600)] {
        let properties = expiry.map(Property::SessionExpiryInterval);
        let mut talk = talk(Config::default());
        let bytes = talk.opens(&Connect {
            will: Some(will),
            properties: properties.as_slice(),
            ..Connect::new("c")
        });
        let connect = decoded(&bytes);
        assert_eq!(connect.will, Some(will));
        assert_eq!(connect.properties.session_expiry_interval(), expiry);
    }
}

#[test]
fn credentials_are_fresh_for_each_connection() {
    let mut talk = talk(Config::default());
    for password in [b"one", b"two"] {
        let bytes = talk.opens(&Connect {
            user_name: Some("u"),
            password: Some(password),
            keep_alive: 30,
            ..Connect::new("c")
        });
        let connect = decoded(&bytes);
        assert_eq!(connect.user_name, Some("u"));
        assert_eq!(connect.password, Some(&password[..]));
        assert_eq!(connect.keep_alive, 30);
        talk.loses_transport();
    }
}

#[test]
fn a_connect_that_cannot_be_sent_is_refused_and_can_be_put_right() {
    let mut talk = Talk::new(Config::default(), Fixed::<2, 4, 64, 64, 3, 16>::new());
    let now = talk.now;
    talk.client.start(now);
    talk.expect(Did::Open);
    let before = knowledge(&talk.client);
    let data_alone = [Property::AuthenticationData(b"d")];
    let not_of_connect = [Property::TopicAlias(1)];
    let too_many = [Property::ReceiveMaximum(5)];
    let too_many_aliases = [Property::TopicAliasMaximum(4)];
    let with = |properties| Connect {
        properties,
        ..Connect::new("c")
    };
    let method = PropertyId::AuthenticationMethod;
    for (connect, error) in [
        (
            with(&data_alone),
            ConnectError::Invalid(EncodeError::MissingProperty(method)),
        ),
        (
            with(&not_of_connect),
            ConnectError::Invalid(EncodeError::PropertyNotAllowed(
                PropertyId::TopicAlias,
                PacketType::Connect,
            )),
        ),
        (with(&too_many), ConnectError::ReceiveMaximum { store: 4 }),
        (
            with(&too_many_aliases),
            ConnectError::TopicAliasMaximum { store: 3 },
        ),
        (
            Connect::new("fifty-bytes-are-too-many-for-a-client-identifier-x"),
            ConnectError::TransmitBuffer { needed: 73 },
        ),
    ] {
        assert_eq!(talk.client.opened(now, &connect), Err(error));
        assert_eq!(knowledge(&talk.client), before, "{error}");
        talk.quiet();
    }
    talk.client.opened(now, &Connect::new("c")).unwrap();
    let bytes = talk.sent();
    // The store has room for four messages, and CONNECT says so.
    assert_eq!(decoded(&bytes).properties.receive_maximum(), Some(4));
}
