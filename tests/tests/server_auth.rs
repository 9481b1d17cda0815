//! Enhanced authentication before CONNACK and on a live connection.

use core::time::Duration;
use mqtt_proto::{
    Auth, ConnAck, Connect, Packet, PacketType, Properties, Property, QoS, ReasonCode, Sender,
};
use mqtt_session::Violation;
use mqtt_session::broker::{Access, AuthStep, Broker, BrokerConfig, ConnectionId, EndCause, Login};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;

const METHOD: Property<'static> = Property::AuthenticationMethod("SCRAM");
const CONTINUE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;
const AGAIN: ReasonCode = ReasonCode::RE_AUTHENTICATE;

/// Knows one method. The client begins with `hello`, is asked `who?` until it says `me`, and is
/// refused with [`Gate::refusal`] when it says `you`. All else is accepted without data.
struct Gate {
    refusal: ReasonCode,
    /// What was asked, in order.
    asked: Vec<String>,
}

impl Access for Gate {
    fn authenticate(
        &mut self,
        connection: ConnectionId,
        method: &str,
        data: Option<&[u8]>,
    ) -> AuthStep {
        let data = data.map(|data| String::from_utf8_lossy(data).into_owned());
        self.asked.push(format!("{} {data:?}", connection.0));
        match (method, data.as_deref()) {
            ("SCRAM", Some("hello")) => AuthStep::Continue(b"who?".to_vec()),
            ("SCRAM", Some("me")) => AuthStep::Accept(Some(b"welcome".to_vec())),
            ("SCRAM", Some("long")) => AuthStep::Continue(vec![b'x'; 60_000]),
            ("SCRAM", Some("endless")) => AuthStep::Continue(vec![b'x'; 70_000]),
            ("SCRAM", Some("you")) => AuthStep::Refuse(self.refusal),
            ("SCRAM", _) => AuthStep::Accept(None),
            _ => AuthStep::Refuse(ReasonCode::BAD_AUTHENTICATION_METHOD),
        }
    }

    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        self.asked.push(format!("{} login", login.connection.0));
        match login.user_name {
            Some("nobody") => Err(self.refusal),
            _ => Ok(()),
        }
    }

    fn ended(&mut self, connection: ConnectionId) {
        self.asked.push(format!("{} ended", connection.0));
    }
}

fn gate(refusal: ReasonCode) -> Hall<Gate> {
    let gate = Gate {
        refusal,
        asked: Vec::new(),
    };
    Hall::new(Broker::with_access(BrokerConfig::default(), gate))
}

fn open_gate() -> Hall<Gate> {
    gate(ReasonCode::NOT_AUTHORIZED)
}

fn asked(hall: &mut Hall<Gate>) -> Vec<String> {
    core::mem::take(&mut hall.broker.access().asked)
}

/// CONNECT with these properties.
fn with<'a>(properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        properties: Properties::new(properties),
        ..hello("c")
    }
}

/// A client says AUTH.
#[track_caller]
fn auth(hall: &mut Hall<Gate>, connection: u64, reason: ReasonCode, data: &str) {
    let properties = [METHOD, Property::AuthenticationData(data.as_bytes())];
    hall.says(
        connection,
        Packet::Auth(Auth {
            reason,
            properties: Properties::new(&properties),
        }),
    );
}

/// A client hears AUTH, and only that.
#[track_caller]
fn hears_auth(hall: &mut Hall<Gate>, connection: u64, reason: ReasonCode, data: Option<&str>) {
    let mut properties = vec![METHOD];
    properties.extend(data.map(|data| Property::AuthenticationData(data.as_bytes())));
    let packet = Packet::Auth(Auth {
        reason,
        properties: Properties::new(&properties),
    });
    hall.hears(connection, packet).hears_nothing(connection);
}

/// A client that has authenticated after one question.
fn authenticated() -> Hall<Gate> {
    let mut hall = open_gate();
    let hello = [METHOD, Property::AuthenticationData(b"hello")];
    hall.opens(1).says(1, Packet::Connect(with(&hello)));
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    auth(&mut hall, 1, CONTINUE, "me");
    hall.hears_what(1, |packet| {
        assert!(matches!(packet, Packet::ConnAck(ConnAck { reason, .. })
            if reason == ReasonCode::SUCCESS));
    });
    hall
}

// broker: MQTT-4.12.0-1
#[test]
fn a_method_that_is_not_known_is_refused() {
    let other = [Property::AuthenticationMethod("OTHER")];
    let bad = refused(ReasonCode::BAD_AUTHENTICATION_METHOD);
    let mut known = open_gate();
    known
        .opens(1)
        .says(1, Packet::Connect(with(&other)))
        .hears(1, bad)
        .is_closed(1);
    // So is any, where the program knows none.
    let method = [METHOD];
    let mut none = hall();
    none.opens(1)
        .says(1, Packet::Connect(with(&method)))
        .hears(1, bad)
        .is_closed(1);
}

// broker: MQTT-4.12.0-2, MQTT-4.12.0-5
#[test]
fn the_client_is_asked_as_often_as_it_takes() {
    let mut hall = open_gate();
    let hello = [METHOD, Property::AuthenticationData(b"hello")];
    hall.opens(1).says(1, Packet::Connect(with(&hello)));
    for _ in 0..3 {
        // The method goes with every AUTH.
        hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
        assert_eq!(hall.broker.load().sessions, 0);
        auth(&mut hall, 1, CONTINUE, "hello");
    }
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    auth(&mut hall, 1, CONTINUE, "me");
    // And with CONNACK, together with the last data.
    let answer = [
        Property::ReceiveMaximum(1_000),
        Property::MaximumPacketSize(1 << 20),
        Property::TopicAliasMaximum(32),
        METHOD,
        Property::AuthenticationData(b"welcome"),
    ];
    hall.hears(
        1,
        Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&answer),
        }),
    );
    let steps = ["hello", "hello", "hello", "hello", "me"];
    let mut expected: Vec<String> = steps.map(|data| format!("1 Some({data:?})")).to_vec();
    expected.push("1 login".into());
    assert_eq!(asked(&mut hall), expected);
    hall.subscribes(1, "t", Q1);
}

// broker: MQTT-4.12.0-5
#[test]
fn a_method_that_needs_no_question_is_repeated_in_connack() {
    for data in [None, Some(Property::AuthenticationData(b"secret"))] {
        let mut properties = vec![METHOD];
        properties.extend(data);
        let mut hall = open_gate();
        hall.opens(1).says(1, Packet::Connect(with(&properties)));
        hall.hears_what(1, |packet| match packet {
            Packet::ConnAck(connack) => {
                assert_eq!(connack.reason, ReasonCode::SUCCESS);
                assert_eq!(connack.properties.authentication_method(), Some("SCRAM"));
                assert_eq!(connack.properties.authentication_data(), None);
            }
            other => panic!("{other:?}"),
        });
    }
}

// broker: MQTT-4.12.0-4
#[test]
fn a_client_may_be_refused_at_any_step() {
    let table = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
        0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ];
    for code in (0..=u8::MAX).filter_map(ReasonCode::new) {
        let told = if table.contains(&code.value()) {
            code
        } else {
            ReasonCode::NOT_AUTHORIZED
        };
        // At once; after a question; with the right answer, but as someone who may not come.
        let mut hall = gate(code);
        let you = [METHOD, Property::AuthenticationData(b"you")];
        hall.opens(1).says(1, Packet::Connect(with(&you)));
        hall.hears(1, refused(told)).is_closed(1);
        assert_eq!(hall.end_cause(1), EndCause::Refused(told));
        let start = [METHOD, Property::AuthenticationData(b"hello")];
        hall.opens(2).says(2, Packet::Connect(with(&start)));
        hears_auth(&mut hall, 2, CONTINUE, Some("who?"));
        auth(&mut hall, 2, CONTINUE, "you");
        hall.hears(2, refused(told)).is_closed(2);
        let nobody = Connect {
            user_name: Some("nobody"),
            ..with(&start)
        };
        hall.opens(3).says(3, Packet::Connect(nobody));
        hears_auth(&mut hall, 3, CONTINUE, Some("who?"));
        auth(&mut hall, 3, CONTINUE, "me");
        hall.hears(3, refused(told)).is_closed(3);
        assert_eq!(hall.broker.load(), Default::default());
    }
}

#[test]
fn who_does_not_answer_in_time_is_closed() {
    let mut hall = open_gate();
    let start = [METHOD, Property::AuthenticationData(b"hello")];
    hall.opens(1).says(1, Packet::Connect(with(&start)));
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    hall.wait(Duration::from_millis(9_999));
    auth(&mut hall, 1, CONTINUE, "hello");
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    // One limit for all of it.
    hall.wait(Duration::from_millis(1)).is_closed(1);
    assert_eq!(hall.end_cause(1), EndCause::ConnectTimeout);
    assert_eq!(asked(&mut hall).last().map(String::as_str), Some("1 ended"));
}

#[test]
fn until_connack_only_auth_and_disconnect_may_come() {
    let start = [METHOD, Property::AuthenticationData(b"hello")];
    let connect = with(&start);
    for packet in [
        Packet::Connect(connect),
        publishing(Q0, 0, "t", b""),
        subscribe(1, &[filter("t", Q0)]),
        Packet::PingReq,
        puback(1),
    ] {
        let mut hall = open_gate();
        hall.opens(1).says(1, Packet::Connect(connect));
        hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
        hall.says(1, packet)
            .hears(1, refused(ReasonCode::PROTOCOL_ERROR))
            .is_closed(1);
        let violation = Violation::Unexpected(packet.packet_type());
        assert_eq!(hall.end_cause(1), EndCause::Violation(violation));
    }
    let mut hall = open_gate();
    hall.opens(1).says(1, Packet::Connect(connect));
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    hall.says(1, disconnect(ReasonCode::NORMAL_DISCONNECTION))
        .is_closed(1);
}

// broker: MQTT-4.12.0-6
#[test]
fn without_a_method_there_is_no_auth_in_either_direction() {
    let mut hall = open_gate();
    hall.opens(1).says(1, Packet::Connect(hello("c")));
    hall.hears(1, welcome(false)).silent();
    assert_eq!(asked(&mut hall), ["1 login"]);
    auth(&mut hall, 1, AGAIN, "me");
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
    let violation = Violation::Unexpected(PacketType::Auth);
    assert_eq!(hall.end_cause(1), EndCause::Violation(violation));
    // Nor before CONNECT.
    hall.opens(2);
    auth(&mut hall, 2, CONTINUE, "me");
    hall.is_closed(2);
    assert_eq!(asked(&mut hall), ["1 ended", "2 ended"]);
}

// broker: MQTT-3.15.1-1
#[test]
fn flags_of_auth_are_zero() {
    for first in 0xf1..=0xff {
        // On a live connection, and before CONNACK.
        let properties = b"\x08\x15\x00\x05SCRAM";
        let mut bytes = vec![first, 10, 0x19];
        bytes.extend(properties);
        let mut hall = authenticated();
        hall.says_bytes(1, &bytes);
        hall.is_disconnected(1, ReasonCode::MALFORMED_PACKET);
        let mut hall = open_gate();
        let start = [METHOD, Property::AuthenticationData(b"hello")];
        hall.opens(1).says(1, Packet::Connect(with(&start)));
        hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
        bytes[2] = 0x18;
        hall.says_bytes(1, &bytes);
        hall.hears(1, refused(ReasonCode::MALFORMED_PACKET))
            .is_closed(1);
        match hall.end_cause(1) {
            EndCause::Violation(violation) => {
                assert_eq!(violation.statement(), "MQTT-3.15.1-1");
            }
            other => panic!("{other:?}"),
        }
    }
}

// broker: MQTT-3.15.2-1
#[test]
fn auth_comes_with_codes_for_clients_only() {
    for code in 0..=u8::MAX {
        let mut bytes = vec![0xf0, 10, code];
        bytes.extend(b"\x08\x15\x00\x05SCRAM");
        // A live connection begins with 0x19, the first one goes on with 0x18.
        for (due, live) in [(0x19, true), (0x18, false)] {
            let mut hall = if live {
                authenticated()
            } else {
                let mut hall = open_gate();
                let start = [METHOD, Property::AuthenticationData(b"hello")];
                hall.opens(1).says(1, Packet::Connect(with(&start)));
                hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
                hall
            };
            hall.says_bytes(1, &bytes);
            if code == due {
                assert_eq!(hall.end_of(1), None);
                assert!(hall.next(1).is_some());
            } else if live {
                hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
            } else {
                hall.hears(1, refused(ReasonCode::PROTOCOL_ERROR))
                    .is_closed(1);
            }
        }
    }
}

// broker: MQTT-3.15.2-1, MQTT-4.12.0-5
#[test]
fn a_live_connection_authenticates_again_and_goes_on_meanwhile() {
    let mut hall = authenticated();
    hall.subscribes(1, "t", Q0);
    asked(&mut hall);
    for _ in 0..2 {
        auth(&mut hall, 1, AGAIN, "hello");
        hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
        hall.says(1, publishing(Q0, 0, "t", b"x"))
            .hears(1, publishing(Q0, 0, "t", b"x"));
        auth(&mut hall, 1, CONTINUE, "hello");
        hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
        auth(&mut hall, 1, CONTINUE, "me");
        hears_auth(&mut hall, 1, ReasonCode::SUCCESS, Some("welcome"));
        auth(&mut hall, 1, AGAIN, "");
        hears_auth(&mut hall, 1, ReasonCode::SUCCESS, None);
    }
    assert_eq!(asked(&mut hall).len(), 8);
    hall.says(1, Packet::PingReq).hears(1, Packet::PingResp);
}

#[test]
fn a_question_waits_until_the_transport_has_taken_all_before_it() {
    for takes in [1, 7, usize::MAX] {
        let mut hall = authenticated();
        hall.takes(1, 0).says_bytes(1, &b"\xc0\x00".repeat(100));
        asked(&mut hall);
        auth(&mut hall, 1, AGAIN, "hello");
        hall.says(1, Packet::PingReq);
        assert_eq!(asked(&mut hall), Vec::<String>::new());
        hall.takes(1, takes);
        for _ in 0..100 {
            hall.hears(1, Packet::PingResp);
        }
        hall.hears_what(1, |packet| assert!(matches!(packet, Packet::Auth(_))));
        hall.hears(1, Packet::PingResp).silent();
        assert_eq!(asked(&mut hall).len(), 1);
        auth(&mut hall, 1, CONTINUE, "me");
        hears_auth(&mut hall, 1, ReasonCode::SUCCESS, Some("welcome"));
    }
}

#[test]
fn authentication_is_not_begun_twice_nor_gone_on_with_unasked() {
    let wrong = |hall: &mut Hall<Gate>, reason| {
        auth(hall, 1, reason, "hello");
        hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
        let violation = Violation::AuthenticationReason(reason);
        assert_eq!(hall.end_cause(1), EndCause::Violation(violation));
    };
    let mut hall = authenticated();
    wrong(&mut hall, CONTINUE);
    let mut hall = authenticated();
    auth(&mut hall, 1, AGAIN, "hello");
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    wrong(&mut hall, AGAIN);
    // After its end, it is begun again.
    let mut hall = authenticated();
    auth(&mut hall, 1, AGAIN, "me");
    hears_auth(&mut hall, 1, ReasonCode::SUCCESS, Some("welcome"));
    wrong(&mut hall, CONTINUE);
}

// broker: MQTT-4.12.0-5
#[test]
fn another_method_than_that_of_connect_ends_the_connection() {
    let other = [Property::AuthenticationMethod("OTHER")];
    let packet = |reason| {
        Packet::Auth(Auth {
            reason,
            properties: Properties::new(&other),
        })
    };
    let cause = EndCause::Violation(Violation::AuthenticationMethod);
    let mut hall = authenticated();
    hall.says(1, packet(AGAIN));
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
    assert_eq!(hall.end_cause(1), cause);
    let mut hall = open_gate();
    let start = [METHOD, Property::AuthenticationData(b"hello")];
    hall.opens(1).says(1, Packet::Connect(with(&start)));
    hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
    hall.says(1, packet(CONTINUE))
        .hears(1, refused(ReasonCode::PROTOCOL_ERROR))
        .is_closed(1);
    assert_eq!(hall.end_cause(1), cause);
}

// broker: MQTT-4.12.1-2
#[test]
fn a_re_authentication_that_fails_ends_the_connection() {
    let table = [
        0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96,
        0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ];
    for code in (0..=u8::MAX).filter_map(ReasonCode::new) {
        let told = if table.contains(&code.value()) {
            code
        } else {
            ReasonCode::NOT_AUTHORIZED
        };
        for asked_first in [false, true] {
            let mut hall = authenticated();
            hall.broker.access().refusal = code;
            if asked_first {
                auth(&mut hall, 1, AGAIN, "hello");
                hears_auth(&mut hall, 1, CONTINUE, Some("who?"));
                auth(&mut hall, 1, CONTINUE, "you");
            } else {
                auth(&mut hall, 1, AGAIN, "you");
            }
            hall.is_disconnected(1, told);
            assert_eq!(hall.end_cause(1), EndCause::NotAuthenticated(told));
        }
    }
}

// broker: MQTT-3.15.2-2, MQTT-3.15.2-3
#[test]
fn auth_is_its_method_and_data_and_never_larger_than_the_client_takes() {
    // AUTH for `hello` has 19 bytes.
    for (limit, fits) in [(u32::MAX, true), (19, true), (18, false)] {
        let start = [
            METHOD,
            Property::AuthenticationData(b"hello"),
            Property::MaximumPacketSize(limit),
        ];
        let mut hall = open_gate();
        hall.opens(1).says(1, Packet::Connect(with(&start)));
        if fits {
            let bytes = hall.next(1).expect("AUTH");
            assert_eq!(
                &bytes[..],
                b"\xf0\x11\x18\x0f\x15\x00\x05SCRAM\x16\x00\x04who?"
            );
        } else {
            hall.hears(1, refused(ReasonCode::PACKET_TOO_LARGE))
                .is_closed(1);
        }
    }
    // On a live connection, what cannot be asked ends it.
    let too_large = ReasonCode::PACKET_TOO_LARGE;
    let impossible = ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR;
    for (limit, data, reason) in [
        (60_018, "long", too_large),
        (u32::MAX, "endless", impossible),
    ] {
        let start = [METHOD, Property::MaximumPacketSize(limit)];
        let mut hall = open_gate();
        hall.joins(1, &with(&start));
        auth(&mut hall, 1, AGAIN, data);
        hall.is_disconnected(1, reason);
    }
    let start = [METHOD, Property::MaximumPacketSize(60_019)];
    let mut hall = open_gate();
    hall.joins(1, &with(&start));
    auth(&mut hall, 1, AGAIN, "long");
    assert_eq!(hall.next(1).map(|bytes| bytes.len()), Some(60_019));
}

#[test]
fn auth_from_a_server_is_not_what_a_client_says() {
    let packet = Packet::Auth(Auth {
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(&[METHOD]),
    });
    assert!(packet.to_vec(Sender::Client).is_err());
    let mut hall = authenticated();
    let bytes = packet.to_vec(Sender::Server).expect("a server says so");
    hall.says_bytes(1, &bytes);
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
}
