//! CONNECT: what the broker checks, and how it refuses.

use mqtt_proto::{
    Auth, Connect, Packet, Properties, Property, QoS, ReasonCode, Sender, TopicName, Will,
};
use mqtt_session::broker::{
    Access, AuthStep, Broker, BrokerConfig, ConnectionId, EndCause, Identity, Login,
};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).expect("a valid packet")
}

fn connect(client_id: &str) -> Vec<u8> {
    bytes(&Packet::Connect(hello(client_id)))
}

fn will(topic: &str, qos: QoS, retain: bool) -> Option<Will<'_>> {
    Some(Will {
        qos,
        retain,
        topic: TopicName::new(topic).expect("a topic name"),
        payload: b"will",
        properties: Properties::EMPTY,
    })
}

const METHOD: &[Property<'static>] = &[Property::AuthenticationMethod("steps")];

/// CONNECT that begins enhanced authentication.
fn hello_in_steps(client_id: &str) -> Connect<'_> {
    Connect {
        properties: Properties::new(METHOD),
        ..hello(client_id)
    }
}

fn auth(reason: ReasonCode, data: &[u8]) -> Vec<u8> {
    let properties = [
        Property::AuthenticationMethod("steps"),
        Property::AuthenticationData(data),
    ];
    bytes(&Packet::Auth(Auth {
        reason,
        properties: Properties::new(&properties),
    }))
}

/// Who comes in, and who does not.
struct Door;

/// Lets only clients whose identifier was assigned have a will.
struct Notary;

impl Access for Notary {
    fn publish(
        &mut self,
        who: &Identity<'_>,
        _: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        match who.client_id.starts_with("auto-") {
            true => Ok(()),
            false => Err(ReasonCode::NOT_AUTHORIZED),
        }
    }
}

impl Access for Door {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        match (login.client_id, login.user_name, login.password) {
            ("bad id", ..) => Err(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
            ("banned", ..) => Err(ReasonCode::BANNED),
            (_, Some("eve"), _) => Err(ReasonCode::NOT_AUTHORIZED),
            (_, Some("bob"), password) if password != Some(b"secret") => {
                Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD)
            }
            _ => Ok(()),
        }
    }

    fn publish(
        &mut self,
        _: &Identity<'_>,
        topic: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        match topic.as_str() {
            "forbidden" => Err(ReasonCode::NOT_AUTHORIZED),
            _ => Ok(()),
        }
    }

    fn authenticate(&mut self, _: ConnectionId, method: &str, data: Option<&[u8]>) -> AuthStep {
        match (method, data) {
            ("steps", None) => AuthStep::Continue(b"who".to_vec()),
            ("steps", Some(b"me")) => AuthStep::Accept(Some(b"welcome".to_vec())),
            ("steps", _) => AuthStep::Refuse(ReasonCode::NOT_AUTHORIZED),
            _ => AuthStep::Refuse(ReasonCode::BAD_AUTHENTICATION_METHOD),
        }
    }
}

fn guarded() -> Hall<Door> {
    Hall::new(Broker::with_access(BrokerConfig::default(), Door))
}

// broker: MQTT-3.1.0-2
#[test]
fn a_second_connect_is_a_protocol_error() {
    let mut hall = guarded();
    hall.joins(1, &hello("witness")).subscribes(1, "w", Q0);
    let connect = Connect {
        will: will("w", Q0, false),
        ..hello("c")
    };
    for (connection, again) in [(2, "c"), (3, "other")] {
        hall.joins(connection, &connect)
            .says(connection, Packet::Connect(hello(again)))
            .is_disconnected(connection, ReasonCode::PROTOCOL_ERROR);
        hall.gets(1, Q0, 0, "w", b"will");
    }
    // Both in one piece, and while authentication goes on.
    hall.opens(4)
        .says_bytes(4, &self::connect("c").repeat(2))
        .hears(4, welcome(false))
        .is_disconnected(4, ReasonCode::PROTOCOL_ERROR);
    hall.opens(5)
        .says(5, Packet::Connect(hello_in_steps("c")))
        .hears_what(5, |packet| assert!(matches!(packet, Packet::Auth(_))));
    hall.says(5, Packet::Connect(hello("c")))
        .is_refused(5, ReasonCode::PROTOCOL_ERROR)
        .silent();
    assert_eq!(hall.broker.load().sessions, 1);
}

// broker: MQTT-3.1.2-1, MQTT-3.1.2-2
#[test]
fn another_protocol_or_version_is_told_0x84_and_closed() {
    let mut hall = hall();
    let mut connection = 0;
    let mut refused = |first: &[u8]| {
        connection += 1;
        let mut packet = vec![0x10, u8::try_from(first.len() + 8).unwrap()];
        packet.extend_from_slice(first);
        packet.extend_from_slice(b"\x02\x00\x00\x00\x00\x03abc");
        hall.opens(connection)
            .says_bytes(connection, &packet)
            .is_refused(connection, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        assert_eq!(hall.broker.load().sessions, 0);
    };
    for name in ["MQIsdp", "mqtt", "MQT", "MQTTS", ""] {
        let length = u8::try_from(name.len()).unwrap();
        refused(&[&[0, length], name.as_bytes(), &[5]].concat());
    }
    for version in (0..=255).filter(|version| *version != 5) {
        refused(&[b"\x00\x04MQTT", &[version][..]].concat());
    }
    // A client of version 3.1.1 says less behind it.
    hall.opens(1_000)
        .says_bytes(1_000, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c")
        .is_refused(1_000, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
}

// broker: MQTT-3.1.2-3
#[test]
fn the_reserved_flag_of_connect_is_looked_at() {
    let mut hall = hall();
    let flags = |packet: &mut Vec<u8>| packet[9] |= 1;
    let full = Connect {
        will: will("w", Q2, true),
        user_name: Some("user"),
        password: Some(b"password"),
        ..hello("c")
    };
    for (connection, connect) in [(1, hello("c")), (2, hello_again("c")), (3, full)] {
        let mut packet = bytes(&Packet::Connect(connect));
        flags(&mut packet);
        hall.opens(connection)
            .says_bytes(connection, &packet)
            .is_refused(connection, ReasonCode::MALFORMED_PACKET);
    }
    assert_eq!(hall.broker.load().sessions, 0);
}

// broker: MQTT-3.1.4-1
#[test]
fn a_connect_of_the_wrong_format_is_refused_and_closed() {
    let malformed = ReasonCode::MALFORMED_PACKET;
    let protocol = ReasonCode::PROTOCOL_ERROR;
    let wrong = [
        (&b"\x10\x00"[..], malformed),                                // nothing
        (b"\x10\x06\x00\x04MQTT", malformed),                         // no version
        (b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x00\x00\x00", malformed), // half an identifier
        (
            b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00\x00",
            malformed,
        ), // a byte too many
        (
            b"\x10\x0d\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x00",
            malformed,
        ), // no will
        (
            b"\x10\x0d\x00\x04MQTT\x05\x82\x00\x00\x00\x00\x00",
            malformed,
        ), // no user name
        (
            b"\x10\x0d\x00\x04MQTT\x05\x42\x00\x00\x00\x00\x00",
            malformed,
        ), // no password
        (
            b"\x10\x0d\x00\x04MQTT\x05\x0a\x00\x00\x00\x00\x00",
            malformed,
        ), // a QoS of no will
        (
            b"\x10\x0d\x00\x04MQTT\x05\x22\x00\x00\x00\x00\x00",
            malformed,
        ), // RETAIN of no will
        (
            b"\x10\x12\x00\x04MQTT\x05\x1e\x00\x00\x00\x00\x00\x00\x00\x01w\x00", // QoS 3
            malformed,
        ),
        (
            b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x00", // Receive Maximum 0
            protocol,
        ),
        (
            b"\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x04\x17\x00\x17\x00\x00\x00", // twice
            protocol,
        ),
        (
            b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x02\x24\x01\x00\x00", // not a client's
            malformed,
        ),
    ];
    let mut hall = hall();
    for (connection, (packet, reason)) in (1..).zip(wrong) {
        hall.opens(connection).says_bytes(connection, packet);
        let told = hall.hears_what(connection, |packet| match packet {
            Packet::ConnAck(connack) => connack.reason,
            other => panic!("{other:?}"),
        });
        assert_eq!(told, reason, "{packet:02x?}");
        hall.is_closed(connection);
        let cause = hall.end_cause(connection);
        assert!(matches!(cause, EndCause::Violation(_)), "{cause:?}");
    }
    assert_eq!(hall.broker.load(), Default::default());
}

// broker: MQTT-3.1.4-1
#[test]
fn what_is_no_connect_is_closed_without_a_word() {
    let mut hall = hall();
    for (connection, first) in (1..).zip([
        &b"\xc0\x00"[..],
        b"\x30\x04\x00\x01t\x00",
        b"\x82\x07\x00\x01\x00\x00\x01t\x00",
        b"\xe0\x00",
        b"\x00\x00",
        b"\x20\x03\x00\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
    ]) {
        hall.opens(connection)
            .says_bytes(connection, first)
            .is_closed(connection);
    }
}

// broker: MQTT-3.1.4-2, MQTT-3.1.3-8, MQTT-3.2.2-7
#[test]
fn whom_the_program_refuses_is_told_why_and_closed() {
    let mut hall = guarded();
    let user = |name, password| Connect {
        user_name: Some(name),
        password,
        ..hello("c")
    };
    let forbidden = Connect {
        will: will("forbidden", Q0, false),
        ..hello("c")
    };
    let refused = [
        (hello("bad id"), ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
        (hello("banned"), ReasonCode::BANNED),
        (user("eve", None), ReasonCode::NOT_AUTHORIZED),
        (user("bob", None), ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        (
            user("bob", Some(b"x")),
            ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ),
        (forbidden, ReasonCode::NOT_AUTHORIZED),
    ];
    for (connection, (connect, reason)) in (1..).zip(refused) {
        hall.opens(connection)
            .says(connection, Packet::Connect(connect))
            .is_refused(connection, reason);
        assert_eq!(hall.end_cause(connection), EndCause::Refused(reason));
    }
    assert_eq!(hall.broker.load(), Default::default());
    hall.joins(20, &user("bob", Some(b"secret"))).silent();
}

// broker: MQTT-3.1.4-2, MQTT-3.1.3-7
#[test]
fn a_will_is_checked_under_the_identifier_that_is_assigned() {
    let mut hall = Hall::new(Broker::with_access(BrokerConfig::default(), Notary));
    let connect = |client_id| Connect {
        will: will("w", Q0, false),
        ..hello(client_id)
    };
    hall.joins(1, &connect(""));
    hall.opens(2)
        .says(2, Packet::Connect(connect("c")))
        .is_refused(2, ReasonCode::NOT_AUTHORIZED);
}

// broker: MQTT-3.1.4-2, MQTT-3.2.2-7
#[test]
fn who_fails_to_authenticate_is_told_so_and_closed() {
    let mut hall = guarded();
    let unknown = [Property::AuthenticationMethod("unknown")];
    hall.opens(1)
        .says(
            1,
            Packet::Connect(Connect {
                properties: Properties::new(&unknown),
                ..hello("c")
            }),
        )
        .is_refused(1, ReasonCode::BAD_AUTHENTICATION_METHOD);
    hall.opens(2)
        .says(2, Packet::Connect(hello_in_steps("c")))
        .hears_what(2, |packet| assert!(matches!(packet, Packet::Auth(_))));
    hall.says_bytes(2, &auth(ReasonCode::CONTINUE_AUTHENTICATION, b"you"))
        .is_refused(2, ReasonCode::NOT_AUTHORIZED);
    assert_eq!(hall.broker.load(), Default::default());
}

// broker: MQTT-3.1.4-2
#[test]
fn one_session_too_many_is_refused_and_a_known_one_is_not() {
    let mut hall = hall_with(BrokerConfig {
        sessions: 2,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello_again("a")).joins(2, &hello("b"));
    hall.opens(3)
        .says(3, Packet::Connect(hello("c")))
        .is_refused(3, ReasonCode::QUOTA_EXCEEDED);
    hall.cut(1).rejoins(4, &hello_again("a"), true);
    hall.cut(2).joins(5, &hello("c")).silent();
}

// broker: MQTT-3.2.2-12
#[test]
fn a_will_of_a_qos_that_is_not_supported_is_refused() {
    for maximum_qos in [Q0, Q1] {
        let mut hall = hall_with(BrokerConfig {
            maximum_qos,
            ..BrokerConfig::default()
        });
        for (connection, qos) in [(1, Q0), (2, Q1), (3, Q2)] {
            let connect = Connect {
                will: will("w", qos, false),
                ..hello("c")
            };
            if qos <= maximum_qos {
                hall.joins(connection, &connect).cut(connection);
            } else {
                hall.opens(connection)
                    .says(connection, Packet::Connect(connect))
                    .is_refused(connection, ReasonCode::QOS_NOT_SUPPORTED);
            }
        }
    }
}

// broker: MQTT-3.2.2-13
#[test]
fn a_retained_will_is_refused_where_nothing_is_retained() {
    let mut hall = hall_with(BrokerConfig {
        retain_available: false,
        ..BrokerConfig::default()
    });
    let connect = |retain| Connect {
        will: will("w", Q0, retain),
        ..hello("c")
    };
    hall.opens(1)
        .says(1, Packet::Connect(connect(true)))
        .is_refused(1, ReasonCode::RETAIN_NOT_SUPPORTED);
    hall.joins(2, &connect(false)).silent();
}

// broker: MQTT-3.1.4-6
#[test]
fn what_a_refused_client_says_has_no_effect() {
    let mut hall = guarded();
    hall.joins(1, &hello("witness")).subscribes(1, "#", Q0);
    let mut kept = publish(Q1, 1, "t", b"unheard");
    kept.retain = true;
    let data = [
        bytes(&Packet::Publish(kept)),
        bytes(&subscribe(1, &[filter("t", Q0)])),
        bytes(&Packet::PingReq),
        connect("c"),
    ]
    .concat();
    // Sent before it was refused.
    hall.opens(2)
        .says_bytes(2, &[connect("banned"), data.clone()].concat())
        .is_refused(2, ReasonCode::BANNED);
    // Sent while its refusal cannot leave.
    hall.opens(3).takes(3, 0).says_bytes(3, &connect("banned"));
    hall.says_bytes(3, &data).takes(3, usize::MAX);
    hall.is_refused(3, ReasonCode::BANNED);
    hall.says_bytes(3, &data).silent();
    let load = hall.broker.load();
    assert_eq!((load.connections, load.sessions), (1, 1));
    assert_eq!((load.subscriptions, load.retained), (1, 0));
}

// broker: MQTT-3.1.4-3
#[test]
fn the_same_client_on_another_connection_ends_the_first() {
    let mut hall = hall();
    let mut connects = vec![hello("c"), hello_again("c"), hello_again("c"), hello("c")];
    connects.push(hello("c"));
    hall.joins(10, &hello("witness")).subscribes(10, "#", Q0);
    hall.joins(0, &hello("c"));
    for (connection, connect) in (1..).zip(&connects) {
        hall.joins(connection, connect);
        hall.is_disconnected(connection - 1, ReasonCode::SESSION_TAKEN_OVER);
        assert_eq!(hall.end_cause(connection - 1), EndCause::TakenOver);
        // The new one works, and it alone.
        hall.publishes(connection, Q0, 0, "t", b"x");
        hall.says_bytes(connection - 1, b"\x30\x05\x00\x01t\x00y");
        hall.gets(10, Q0, 0, "t", b"x").silent();
    }
    assert_eq!(hall.broker.load().connections, 2);
}

// broker: MQTT-3.1.4-3
#[test]
fn a_connection_that_is_taken_over_hears_its_last_messages_first() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("c")).subscribes(2, "t", Q0);
    hall.takes(2, 3).takes(2, 0).publishes(1, Q0, 0, "t", b"x");
    hall.rejoins(3, &hello_again("c"), true);
    hall.publishes(1, Q0, 0, "t", b"y");
    hall.gets(3, Q0, 0, "t", b"y").takes(2, usize::MAX);
    hall.gets(2, Q0, 0, "t", b"x");
    hall.is_disconnected(2, ReasonCode::SESSION_TAKEN_OVER);
    hall.silent();
}

// broker: MQTT-3.1.3-5
#[test]
fn identifiers_of_letters_and_digits_up_to_23_bytes_are_taken() {
    const ALL: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut hall = hall();
    let mut connection = 0;
    for length in 1..=23 {
        for start in (0..=ALL.len() - length).step_by(7) {
            connection += 1;
            hall.joins(connection, &hello(&ALL[start..start + length]));
        }
    }
    for single in 0..ALL.len() {
        connection += 1;
        hall.joins(connection, &hello_again(&ALL[single..=single]));
    }
}
