//! DISCONNECT in both directions, and what the program itself ends.

use core::time::Duration;
use mqtt_proto::{
    Connect, Disconnect, Packet, PacketType, Properties, Property, QoS, ReasonCode, Sender,
    TopicName, Will,
};
use mqtt_session::Violation;
use mqtt_session::broker::{BrokerConfig, BrokerEvent, ConnectionId, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;

/// CONNECT with a will, whose session ends with its connection.
fn mortal(client_id: &str) -> Connect<'_> {
    Connect {
        will: Some(Will {
            qos: Q0,
            retain: false,
            topic: TopicName::new("will").expect("a topic"),
            payload: b"gone",
            properties: Properties::EMPTY,
        }),
        ..hello(client_id)
    }
}

fn all_codes() -> impl Iterator<Item = ReasonCode> {
    (0..=u8::MAX).filter_map(ReasonCode::new)
}

/// The violation that ended a connection.
#[track_caller]
fn violation(hall: &mut Hall, connection: u64) -> Violation {
    match hall.end_cause(connection) {
        EndCause::Violation(violation) => violation,
        other => panic!("{other:?}"),
    }
}

// broker: MQTT-3.14.0-1
#[test]
fn no_disconnect_leaves_before_an_accepting_connack() {
    let method = [Property::AuthenticationMethod("none")];
    let authenticating = Connect {
        properties: Properties::new(&method),
        ..hello("c")
    };
    // Malformed, too early, refused, too late, ordered by the program.
    let mut hall = hall();
    hall.opens(1).says_bytes(1, b"\x00\x00").is_closed(1);
    hall.opens(2).says(2, Packet::PingReq).is_closed(2);
    hall.opens(3)
        .says_bytes(3, b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x00\x00\x00\x00");
    hall.hears(3, refused(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION))
        .is_closed(3);
    hall.opens(4).says(4, Packet::Connect(authenticating));
    hall.hears(4, refused(ReasonCode::BAD_AUTHENTICATION_METHOD))
        .is_closed(4);
    hall.opens(5);
    let (now, id) = (hall.now, ConnectionId(5));
    hall.broker
        .disconnect(now, id, ReasonCode::ADMINISTRATIVE_ACTION);
    hall.run().hears_nothing(5);
    hall.wait(Duration::from_secs(11)).is_closed(5);
    assert_eq!(hall.end_cause(5), EndCause::ConnectTimeout);
    hall.opens(6);
    let now = hall.now;
    hall.broker.shut_down(now);
    hall.run().is_closed(6);
}

// broker: MQTT-3.14.1-1
#[test]
fn flags_of_disconnect_are_zero() {
    for first in 0xe1..=0xef {
        let mut hall = hall();
        hall.joins(1, &mortal("c")).joins(2, &hello("w"));
        hall.subscribes(2, "will", Q0);
        hall.says_bytes(1, &[first, 0]);
        hall.is_disconnected(1, ReasonCode::MALFORMED_PACKET);
        assert_eq!(violation(&mut hall, 1).statement(), "MQTT-3.14.1-1");
        // It did not say goodbye.
        hall.hears(2, publishing(Q0, 0, "will", b"gone"));
    }
}

// broker: MQTT-3.14.2-1
#[test]
fn disconnect_comes_with_codes_for_clients_only() {
    let table = [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ];
    // The standard contradicts its own table for these two.
    let tolerated = [0x8c, 0x9b];
    for code in 0..=u8::MAX {
        let mut hall = hall();
        hall.joins(1, &hello("c")).says_bytes(1, &[0xe0, 1, code]);
        if table.contains(&code) || tolerated.contains(&code) {
            let reason = ReasonCode::new(code).expect("a code of the table");
            hall.is_closed(1);
            assert_eq!(hall.end_cause(1), EndCause::ClientDisconnect(reason));
        } else {
            hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
            assert_eq!(violation(&mut hall, 1).statement(), "MQTT-3.14.2-1");
        }
    }
}

// broker: MQTT-3.14.2-1, MQTT-3.14.2-2, MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-4.13.2-1
#[test]
fn the_program_disconnects_with_codes_for_servers_only() {
    let table = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95,
        0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ];
    for code in all_codes() {
        let mut hall = hall();
        hall.joins(1, &hello("c"));
        let now = hall.now;
        hall.broker.disconnect(now, ConnectionId(1), code);
        hall.run();
        if table.contains(&code.value()) {
            // The code and nothing else; then the transport is closed.
            let expected = match code.value() {
                0 => vec![0xe0, 0],
                code => vec![0xe0, 1, code],
            };
            assert_eq!(hall.next(1), Some(expected));
            hall.is_closed(1);
            assert_eq!(hall.end_cause(1), EndCause::Ordered(code));
        } else {
            hall.silent().says(1, Packet::PingReq);
            hall.hears(1, Packet::PingResp);
        }
    }
}

// broker: MQTT-3.14.2-2, MQTT-3.14.2-3, MQTT-3.14.2-4
#[test]
fn a_disconnect_is_its_code_and_nothing_else() {
    let limit = [
        Property::MaximumPacketSize(16),
        Property::SessionExpiryInterval(60),
    ];
    let connect = Connect {
        properties: Properties::new(&limit),
        keep_alive: 1,
        ..hello("c")
    };
    let mut hall = hall();
    for (connection, bytes, code) in [
        (1, &b"\xc1\x00"[..], 0x81),
        (2, b"\x30\x03\x00\x01+", 0x90),
        (3, b"", 0x8d),
    ] {
        hall.joins(connection, &connect)
            .says_bytes(connection, bytes)
            .wait(Duration::from_secs(2));
        assert_eq!(hall.next(connection), Some(vec![0xe0, 1, code]));
        hall.is_closed(connection);
    }
    // Taken over.
    hall.joins(4, &connect).joins(5, &connect);
    assert_eq!(hall.next(4), Some(vec![0xe0, 1, 0x8e]));
}

// broker: MQTT-3.14.4-1
#[test]
fn nothing_leaves_after_disconnect() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello_again("s"));
    hall.subscribes(2, "t", Q1);
    hall.takes(2, 0);
    hall.says(1, publishing(Q1, 1, "t", b"before")).take_acks(1);
    let now = hall.now;
    let reason = ReasonCode::ADMINISTRATIVE_ACTION;
    hall.broker.disconnect(now, ConnectionId(2), reason);
    // Neither messages nor answers to what still comes in.
    hall.run()
        .says(1, publishing(Q1, 2, "t", b"after"))
        .take_acks(1);
    hall.says(2, Packet::PingReq)
        .says(2, subscribe(3, &[filter("u", Q0)]))
        .says(2, publishing(Q1, 1, "t", b"too late"));
    hall.takes(2, 1)
        .hears(2, publishing(Q1, 1, "t", b"before"))
        .is_disconnected(2, reason);
    // It did nothing, and what came after is kept for the session.
    assert_eq!(hall.broker.load().subscriptions, 1);
    hall.rejoins(3, &hello_again("s"), true);
    hall.hears(3, publishing_again(Q1, 1, "t", b"before"))
        .hears(3, publishing(Q1, 2, "t", b"after"))
        .silent();
}

// broker: MQTT-3.14.4-2
#[test]
fn a_transport_that_does_not_take_the_disconnect_is_closed_all_the_same() {
    let config = BrokerConfig::default();
    let mut hall = hall();
    hall.joins(1, &hello("c")).takes(1, 0);
    let now = hall.now;
    hall.broker.shut_down(now);
    hall.run().wait(config.close_timeout);
    hall.is_closed(1);
    assert_eq!(hall.broker.load().connections, 0);
}

// broker: MQTT-3.14.4-1, MQTT-4.13.2-1
#[test]
fn a_client_that_disconnects_is_closed_without_a_word() {
    for code in [0x00, 0x04, 0x80, 0x82, 0x97] {
        let mut hall = hall();
        hall.joins(1, &hello("c"));
        // What lies behind it is not read.
        hall.says_bytes(1, &[0xe0, 1, code, 0xc0, 0x00])
            .is_closed(1);
        assert_eq!(hall.broker.load().connections, 0);
    }
}

// broker: MQTT-3.14.4-3
#[test]
fn a_normal_disconnect_discards_the_will_and_no_other_does() {
    let codes = [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ];
    for code in codes.map(|code| ReasonCode::new(code).expect("a code of the table")) {
        let mut hall = hall();
        hall.joins(1, &mortal("c")).joins(2, &hello("w"));
        hall.subscribes(2, "will", Q0);
        hall.says(1, disconnect(code)).is_closed(1);
        if code != ReasonCode::NORMAL_DISCONNECTION {
            hall.hears(2, publishing(Q0, 0, "will", b"gone"));
        }
        hall.wait(Duration::from_secs(100_000)).silent();
    }
}

// broker: MQTT-3.14.4-3
#[test]
fn a_discarded_will_does_not_come_back_with_the_session() {
    let hour = [Property::SessionExpiryInterval(3_600)];
    let connect = Connect {
        properties: Properties::new(&hour),
        clean_start: false,
        ..mortal("c")
    };
    let mut hall = hall();
    hall.joins(1, &hello("w")).subscribes(1, "will", Q0);
    hall.joins(2, &connect)
        .says(2, disconnect(ReasonCode::NORMAL_DISCONNECTION));
    hall.rejoins(3, &hello_again("c"), true).cut(3);
    hall.wait(Duration::from_secs(3_600)).silent();
    assert_eq!(hall.broker.load().sessions, 1);
}

#[test]
fn disconnect_changes_how_long_the_session_lives() {
    let with = |expiry: u32| {
        let expiry = [Property::SessionExpiryInterval(expiry)];
        Packet::Disconnect(Disconnect {
            reason: ReasonCode::NORMAL_DISCONNECTION,
            properties: Properties::new(&expiry),
        })
        .to_vec(Sender::Client)
        .expect("it can be encoded")
    };
    let mut hall = hall_with(BrokerConfig {
        maximum_session_expiry: 5_000,
        ..BrokerConfig::default()
    });
    // Shorter; to nothing; longer, as far as the broker allows.
    hall.rejoins(1, &hello_again("a"), false)
        .says_bytes(1, &with(10));
    hall.wait(Duration::from_secs(9))
        .rejoins(2, &hello_again("a"), true)
        .says_bytes(2, &with(0));
    hall.rejoins(3, &hello_again("a"), false)
        .says_bytes(3, &with(u32::MAX));
    hall.wait(Duration::from_secs(4_999))
        .rejoins(4, &hello_again("a"), true)
        .says_bytes(4, &with(u32::MAX));
    hall.wait(Duration::from_secs(5_000))
        .rejoins(5, &hello_again("a"), false);
    // From nothing to something it may not go (section 3.14.2.2.2).
    hall.joins(6, &mortal("b")).subscribes(5, "will", Q0);
    hall.says_bytes(6, &with(10));
    hall.is_disconnected(6, ReasonCode::PROTOCOL_ERROR);
    hall.hears(5, publishing(Q0, 0, "will", b"gone"));
    assert_eq!(violation(&mut hall, 6), Violation::SessionExpiry);
    hall.joins(7, &hello("c"))
        .says_bytes(7, &with(0))
        .is_closed(7);
    let normal = EndCause::ClientDisconnect(ReasonCode::NORMAL_DISCONNECTION);
    assert_eq!(hall.end_cause(7), normal);
}

#[test]
fn a_server_reference_from_a_client_is_refused() {
    let reference = [Property::ServerReference("elsewhere")];
    let packet = Packet::Disconnect(Disconnect {
        reason: ReasonCode::NORMAL_DISCONNECTION,
        properties: Properties::new(&reference),
    });
    let bytes = packet.to_vec(Sender::Server).expect("a server says so");
    let mut hall = hall();
    hall.joins(1, &hello("c")).says_bytes(1, &bytes);
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
    assert!(matches!(violation(&mut hall, 1), Violation::Packet(error)
        if error.packet_type() == Some(PacketType::Disconnect)));
}

#[test]
fn shutting_down_tells_everyone_and_keeps_sessions() {
    let mut hall = hall();
    hall.joins(1, &hello("ends")).joins(2, &hello_again("kept"));
    hall.subscribes(2, "t", Q1);
    let now = hall.now;
    hall.broker.shut_down(now);
    hall.run();
    for connection in [1, 2] {
        hall.is_disconnected(connection, ReasonCode::SERVER_SHUTTING_DOWN);
    }
    let load = hall.broker.load();
    assert_eq!(
        (load.connections, load.sessions, load.subscriptions),
        (0, 1, 1)
    );
    // It is a broker as before.
    hall.rejoins(3, &hello_again("kept"), true);
    let ended = BrokerEvent::SessionEnded {
        client_id: "ends".into(),
    };
    assert!(core::iter::from_fn(|| hall.event()).any(|event| event == ended));
}
