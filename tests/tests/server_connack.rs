//! CONNACK: when it comes, what it says, and what it leaves out.

use mqtt_proto::{
    Auth, ConnAck, Connect, Packet, PacketType, Properties, Property, Publish, ReasonCode, Sender,
};
use mqtt_session::broker::{Access, AuthStep, Broker, BrokerConfig, ConnectionId, Login};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const METHOD: &[Property<'static>] = &[Property::AuthenticationMethod("steps")];

/// Refuses with the code that is set; authenticates in two steps.
#[derive(Default)]
struct Door {
    refuse: Option<ReasonCode>,
    refuse_step: Option<ReasonCode>,
}

impl Access for Door {
    fn login(&mut self, _: &Login<'_>) -> Result<(), ReasonCode> {
        self.refuse.map_or(Ok(()), Err)
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, data: Option<&[u8]>) -> AuthStep {
        match (self.refuse_step, data) {
            (Some(reason), _) => AuthStep::Refuse(reason),
            (None, None) => AuthStep::Continue(b"who".to_vec()),
            (None, Some(_)) => AuthStep::Accept(Some(b"welcome".to_vec())),
        }
    }
}

fn guarded() -> Hall<Door> {
    Hall::new(Broker::with_access(
        BrokerConfig::default(),
        Door::default(),
    ))
}

fn auth(reason: ReasonCode) -> Packet<'static> {
    const BOTH: &[Property<'static>] = &[
        Property::AuthenticationMethod("steps"),
        Property::AuthenticationData(b"me"),
    ];
    Packet::Auth(Auth {
        reason,
        properties: Properties::new(BOTH),
    })
}

fn kind(bytes: &[u8]) -> PacketType {
    PacketType::from_u8(bytes[0] >> 4).expect("a packet")
}

/// The CONNACK that a client hears, handed to `look`.
fn connack<A: Access, R>(
    hall: &mut Hall<A>,
    connection: u64,
    look: impl FnOnce(&ConnAck<'_>) -> R,
) -> R {
    hall.hears_what(connection, |packet| match packet {
        Packet::ConnAck(connack) => look(&connack),
        other => panic!("{other:?}"),
    })
}

// broker: MQTT-3.1.4-5, MQTT-3.2.0-1
#[test]
fn success_comes_first_whatever_waits() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.rejoins(2, &hello_again("c"), false)
        .subscribes(2, "#", Q2);
    hall.publishes(1, Q2, 1, "t", b"released")
        .hears(1, pubrec(1));
    hall.gets(2, Q2, 1, "t", b"released");
    hall.says(2, pubrec(1)).hears(2, pubrel(1));
    hall.publishes(1, Q1, 2, "t", b"sent").hears(1, puback(2));
    hall.gets(2, Q1, 2, "t", b"sent").cut(2);
    hall.publishes(1, Q1, 3, "t", b"waits").hears(1, puback(3));
    // CONNECT, and at once what is answered.
    let mut bytes = Packet::Connect(hello_again("c"))
        .to_vec(Sender::Client)
        .unwrap();
    bytes.extend_from_slice(b"\xc0\x00");
    hall.opens(3).says_bytes(3, &bytes).hears(3, welcome(true));
    let mut rest = Vec::new();
    while let Some(packet) = hall.next(3) {
        rest.push(kind(&packet));
    }
    rest.sort();
    assert_eq!(
        rest,
        [
            PacketType::Publish,
            PacketType::Publish,
            PacketType::PubRel,
            PacketType::PingResp
        ]
    );
}

// broker: MQTT-3.1.4-5, MQTT-3.2.0-1, MQTT-3.2.0-2
#[test]
fn only_auth_comes_before_it_and_no_other_follows() {
    let mut hall = guarded();
    hall.joins(1, &hello("p"));
    let mut heard = Vec::new();
    let mut collect = |hall: &mut Hall<Door>| {
        while let Some(packet) = hall.next(2) {
            heard.push(kind(&packet));
        }
    };
    let connect = Connect {
        properties: Properties::new(METHOD),
        ..hello("c")
    };
    hall.opens(2).says(2, Packet::Connect(connect));
    hall.publishes(1, Q0, 0, "t", b"x");
    collect(&mut hall);
    hall.says(2, auth(ReasonCode::CONTINUE_AUTHENTICATION));
    collect(&mut hall);
    hall.says(2, subscribe(1, &[filter("#", Q1)]));
    hall.publishes(1, Q1, 1, "t", b"x").says(2, puback(1));
    hall.says(2, Packet::PingReq);
    hall.says(2, auth(ReasonCode::RE_AUTHENTICATE));
    hall.publishes(2, Q2, 1, "t", b"x").says(2, pubrel(1));
    collect(&mut hall);
    hall.broker.shut_down(hall.now);
    hall.run();
    collect(&mut hall);
    assert_eq!(heard[..2], [PacketType::Auth, PacketType::ConnAck]);
    let again = heard[2..]
        .iter()
        .filter(|kind| **kind == PacketType::ConnAck);
    assert_eq!(again.count(), 0);
    assert_eq!(heard.last(), Some(&PacketType::Disconnect));
    for kind in [PacketType::SubAck, PacketType::PingResp, PacketType::Auth] {
        assert!(heard[2..].contains(&kind), "{heard:?}");
    }
}

/// The codes of section 3.2.2.2 that refuse.
const REFUSALS: [u8; 21] = [
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
];

// broker: MQTT-3.2.2-1, MQTT-3.2.2-6, MQTT-3.2.2-7, MQTT-3.2.2-8
#[test]
fn a_refusal_has_a_code_of_its_table_no_session_and_ends_the_connection() {
    let mut hall = guarded();
    // There is a session, so Session Present would be true.
    hall.joins(1, &hello_again("c")).cut(1);
    let mut connection = 1;
    for reason in (0..=255).filter_map(ReasonCode::new) {
        for enhanced in [false, true] {
            connection += 1;
            let door = hall.broker.access();
            door.refuse = Some(reason).filter(|_| !enhanced);
            door.refuse_step = Some(reason).filter(|_| enhanced);
            let connect = Connect {
                properties: Properties::new(if enhanced { METHOD } else { &[] }),
                ..hello_again("c")
            };
            hall.opens(connection)
                .says(connection, Packet::Connect(connect));
            let heard = hall.next(connection).expect("CONNACK");
            assert_eq!(heard[..3], *b"\x20\x03\x00", "{reason:?}");
            assert_eq!(heard.len(), 5);
            assert!(REFUSALS.contains(&heard[3]), "{:#04x}", heard[3]);
            // What the table has is told as it is.
            let told = reason.value();
            assert!(heard[3] == told || !REFUSALS.contains(&told), "{told:#04x}");
            hall.is_closed(connection);
        }
    }
    assert!(connection > 80);
    *hall.broker.access() = Door::default();
    hall.opens(500).says(500, Packet::Connect(hello_again("c")));
    assert_eq!(hall.next(500).expect("CONNACK")[2..4], [1, 0]);
}

// broker: MQTT-3.2.2-1
#[test]
fn all_flags_but_session_present_are_zero() {
    let mut hall = hall();
    for (connection, (connect, flags)) in (1..).zip([
        (hello("c"), 0),
        (hello_again("c"), 0),
        (hello_again("c"), 1),
        (hello(""), 0),
    ]) {
        hall.opens(connection)
            .says(connection, Packet::Connect(connect));
        let heard = hall.next(connection).expect("CONNACK");
        assert_eq!(heard[2..4], [flags, 0]);
    }
}

// broker: MQTT-3.1.3-6, MQTT-3.1.3-7, MQTT-3.2.2-16
#[test]
fn an_empty_client_identifier_is_answered_by_one_that_nobody_has() {
    let mut hall = hall();
    // A client may have taken what would have been assigned.
    hall.joins(1, &hello("auto-1"))
        .joins(2, &hello_again("auto-3"))
        .cut(2);
    let mut assigned = Vec::new();
    for connection in 3..8 {
        let connect = if connection % 2 == 0 {
            hello("")
        } else {
            hello_again("")
        };
        hall.opens(connection)
            .says(connection, Packet::Connect(connect));
        assigned.push(connack(&mut hall, connection, |connack| {
            assert_eq!(connack.reason, ReasonCode::SUCCESS);
            assert!(!connack.session_present);
            let id = connack.properties.assigned_client_identifier();
            id.expect("an identifier").to_owned()
        }));
    }
    let mut all = assigned.clone();
    all.extend(["auto-1".into(), "auto-3".into()]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 7);
    assert_eq!(hall.broker.load().sessions, 7);

    // It goes on as if the client had given it: it names the session from here on.
    hall.subscribes(3, "t", Q1).cut(3);
    hall.publishes(1, Q1, 1, "t", b"kept");
    hall.rejoins(9, &hello_again(&assigned[0]), true);
    hall.gets(9, Q1, 1, "t", b"kept");
    hall.rejoins(10, &hello_again(&assigned[2]), true);
    hall.is_disconnected(5, ReasonCode::SESSION_TAKEN_OVER);
}

// broker: MQTT-3.1.3-7
#[test]
fn none_is_assigned_to_a_client_that_has_one() {
    let mut hall = hall();
    hall.opens(1).says(1, Packet::Connect(hello("c")));
    hall.hears(1, welcome(false));
}

// broker: MQTT-3.1.2-28
#[test]
fn response_information_comes_only_where_it_was_asked_for() {
    let mut hall = hall_with(BrokerConfig {
        response_information: Some("answers/"),
        ..BrokerConfig::default()
    });
    for (connection, (request, told)) in (1..).zip([
        (None, None),
        (Some(false), None),
        (Some(true), Some("answers/")),
    ]) {
        let properties: Vec<Property<'_>> = request
            .map(Property::RequestResponseInformation)
            .into_iter()
            .collect();
        let connect = Connect {
            properties: Properties::new(&properties),
            ..hello("c")
        };
        hall.opens(connection)
            .says(connection, Packet::Connect(connect));
        connack(&mut hall, connection, |connack| {
            assert_eq!(connack.properties.response_information(), told);
        });
    }
}

// broker: MQTT-3.1.2-29
#[test]
fn no_problem_information_is_sent_to_who_wants_none() {
    let mut hall = guarded();
    hall.joins(1, &hello("p"));
    let wants = [
        Property::RequestProblemInformation(false),
        Property::AuthenticationMethod("steps"),
    ];
    let connect = Connect {
        properties: Properties::new(&wants),
        ..hello("c")
    };
    hall.opens(2).says(2, Packet::Connect(connect));
    hall.says(2, auth(ReasonCode::CONTINUE_AUTHENTICATION));
    hall.says(2, subscribe(1, &[filter("t", Q2), filter("u/#", Q1)]));
    hall.says_bytes(2, b"\xa2\x06\x00\x02\x00\x00\x01x");
    hall.says(2, auth(ReasonCode::RE_AUTHENTICATE));
    hall.publishes(2, Q1, 1, "nobody", b"")
        .publishes(2, Q2, 2, "nobody", b"");
    hall.says(2, pubrel(2))
        .says(2, pubrel(9))
        .says(2, pubrec(9));
    let carried = [Property::UserProperty("k", "v")];
    for (qos, number) in [(Q0, 0), (Q1, 1), (Q2, 2)] {
        let message = Publish {
            properties: Properties::new(&carried),
            ..publish(qos, number, "t", b"")
        };
        hall.says(1, Packet::Publish(message));
    }
    hall.says(2, puback(1))
        .says(2, pubrec(2))
        .says(2, pubcomp(2));
    hall.says(2, Packet::PingReq);
    hall.says(2, Packet::Connect(hello("c")));
    let mut kinds = Vec::new();
    while let Some(bytes) = hall.next(2) {
        let kind = kind(&bytes);
        let packet = Packet::decode(&bytes, Sender::Server).unwrap();
        let properties = match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) => ack.properties,
            Packet::PubComp(ack) => ack.properties,
            Packet::SubAck(suback) => suback.properties,
            Packet::UnsubAck(unsuback) => unsuback.properties,
            Packet::Auth(auth) => auth.properties,
            _ => Properties::EMPTY,
        };
        assert_eq!(properties.reason_string(), None);
        assert_eq!(properties.user_properties().count(), 0);
        kinds.push(kind);
    }
    kinds.sort();
    kinds.dedup();
    // One of each that a server sends.
    assert_eq!(kinds.len(), 11, "{kinds:?}");
}

// broker: MQTT-3.2.2-19, MQTT-3.2.2-20
#[test]
fn connack_has_no_words_that_could_make_it_too_large() {
    let mut hall = guarded();
    let mut connection = 0;
    let mut accepted = 0;
    let mut refusals = 0;
    for maximum in 1..=60 {
        for (refuse, method) in [(false, false), (true, false), (false, true), (true, true)] {
            connection += 1;
            let reason = Some(ReasonCode::BANNED).filter(|_| refuse);
            hall.broker.access().refuse = reason;
            let mut properties = vec![Property::MaximumPacketSize(maximum)];
            properties.extend(method.then_some(METHOD).into_iter().flatten());
            let connect = Connect {
                properties: Properties::new(&properties),
                ..hello("")
            };
            hall.opens(connection)
                .says(connection, Packet::Connect(connect));
            if method {
                let heard = hall.next(connection);
                let Some(heard) = heard else {
                    // The challenge itself would have been too large.
                    hall.is_closed(connection);
                    continue;
                };
                assert!(
                    heard.len() <= maximum as usize,
                    "{heard:02x?} above {maximum}"
                );
                hall.says(connection, auth(ReasonCode::CONTINUE_AUTHENTICATION));
            }
            let Some(heard) = hall.next(connection) else {
                hall.is_closed(connection);
                continue;
            };
            assert!(
                heard.len() <= maximum as usize,
                "{heard:02x?} above {maximum}"
            );
            let Ok(Packet::ConnAck(connack)) = Packet::decode(&heard, Sender::Server) else {
                panic!("{heard:02x?}");
            };
            let expected = match connack.reason {
                ReasonCode::PACKET_TOO_LARGE => !refuse && maximum < 50,
                reason => reason.is_failure() == refuse,
            };
            assert!(expected, "{connack:?}");
            assert_eq!(connack.properties.reason_string(), None);
            assert_eq!(connack.properties.user_properties().count(), 0);
            if connack.reason.is_failure() {
                refusals += 1;
            } else {
                accepted += 1;
            }
        }
    }
    // A refusal takes 5 bytes.
    assert!(refusals > 36 && accepted > 10, "{refusals} {accepted}");
}
