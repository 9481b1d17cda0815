//! How the broker ends a connection whose client is wrong, and what becomes of all others.

use mqtt_proto::{
    Connect, Packet, PacketType, Properties, Property, QoS, ReasonCode, TopicName, Will,
};
use mqtt_session::Violation;
use mqtt_session::broker::{BrokerConfig, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// CONNECT with a will, of a kept session.
fn mortal() -> Connect<'static> {
    Connect {
        will: Some(Will {
            qos: Q1,
            retain: false,
            topic: TopicName::new("will").expect("a topic"),
            payload: b"gone",
            properties: Properties::EMPTY,
        }),
        ..hello_again("mortal")
    }
}

/// Bytes that a connected client may not say, and how it is told.
const WRONG: &[(&[u8], u8)] = &[
    // A reserved type, and flags that are not those of their packet.
    (b"\x00\x00", 0x81),
    (b"\xc1\x00", 0x81),
    (b"\x80\x06\x00\x01\x00\x00\x01t", 0x81),
    (b"\xa0\x06\x00\x01\x00\x00\x01t", 0x81),
    // Lengths: too long, not the shortest, beyond the packet, behind its end.
    (b"\xc0\xff\xff\xff\xff\x7f", 0x81),
    (b"\xc0\x80\x00", 0x81),
    (b"\x30\x03\x00\x05t", 0x81),
    (b"\xc0\x01\x00", 0x81),
    // QoS 3, DUP at QoS 0, identifier 0.
    (b"\x36\x06\x00\x01t\x00\x01\x00", 0x81),
    (b"\x38\x04\x00\x01t\x00", 0x81),
    (b"\x32\x06\x00\x01t\x00\x00\x00", 0x82),
    (b"\x82\x07\x00\x00\x00\x00\x01t\x00", 0x82),
    // Text: not UTF-8, surrogates, NUL.
    (b"\x30\x05\x00\x02\xc3\x28\x00", 0x81),
    (b"\x30\x06\x00\x03\xed\xa0\x80\x00", 0x81),
    (b"\x30\x04\x00\x01\x00\x00", 0x81),
    // Topics: wildcards, none at all, an alias that stands for none, one that is too high.
    (b"\x30\x04\x00\x01#\x00", 0x90),
    (b"\x30\x03\x00\x00\x00", 0x82),
    (b"\x30\x06\x00\x00\x03\x23\x00\x01", 0x82),
    (b"\x30\x07\x00\x01t\x03\x23\x00\x00", 0x94),
    (b"\x30\x07\x00\x01t\x03\x23\x00\x21", 0x94),
    // Properties: unknown, of another packet, twice.
    (b"\x30\x06\x00\x01t\x02\x7f\x00", 0x81),
    (b"\x30\x07\x00\x01t\x03\x21\x00\x01", 0x81),
    (b"\x30\x08\x00\x01t\x04\x01\x00\x01\x00", 0x82),
    // SUBSCRIBE: no filter, reserved bits, a third QoS, a third handling, No Local on a share.
    (b"\x82\x03\x00\x01\x00", 0x82),
    (b"\x82\x07\x00\x01\x00\x00\x01t\x40", 0x81),
    (b"\x82\x07\x00\x01\x00\x00\x01t\x03", 0x82),
    (b"\x82\x07\x00\x01\x00\x00\x01t\x30", 0x82),
    (b"\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x04", 0x82),
    (b"\x82\x08\x00\x01\x00\x00\x02t#\x00", 0x8f),
    (b"\xa2\x03\x00\x01\x00", 0x82),
    // Packets that only a server sends, or that come once.
    (b"\x20\x03\x00\x00\x00", 0x82),
    (b"\xd0\x00", 0x82),
    (b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x", 0x82),
    // Acknowledgements with a code that is not theirs.
    (b"\x40\x03\x00\x01\x92", 0x82),
];

// broker: MQTT-4.13.1-1, MQTT-4.13.2-1
#[test]
fn whoever_is_wrong_is_told_why_and_closed_and_nobody_else_is() {
    for (bytes, code) in WRONG {
        let mut hall = hall();
        hall.joins(1, &mortal());
        hall.joins(2, &hello("other")).subscribes(2, "will", Q0);
        // What comes with it is not looked at any more.
        let mut said = bytes.to_vec();
        said.extend_from_slice(b"\xc0\x00");
        hall.says_bytes(1, &said);
        let reason = ReasonCode::new(*code).expect("a reason code");
        hall.is_disconnected(1, reason);
        match hall.end_cause(1) {
            EndCause::Violation(violation) => assert_eq!(violation.reason(), reason),
            other => panic!("{other:?} for {bytes:02x?}"),
        }
        hall.hears(2, publishing(Q0, 0, "will", b"gone"))
            .says(2, Packet::PingReq)
            .hears(2, Packet::PingResp);
        // The client may come again, and has its session.
        hall.rejoins(3, &mortal(), true);
    }
}

// broker: MQTT-4.13.1-1
#[test]
fn what_is_no_connect_is_closed_without_a_word() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x00\x00",
        b"\xc0\x00",
        b"\x30\x04\x00\x01t\x00",
        b"\xe0\x00",
    ] {
        let mut hall = hall();
        hall.opens(1).says_bytes(1, bytes).is_closed(1);
        assert!(matches!(hall.end_cause(1), EndCause::Violation(_)));
        assert_eq!(hall.broker.load(), Default::default());
    }
}

// broker: MQTT-4.13.1-1, MQTT-4.13.2-1
#[test]
fn a_connect_that_is_wrong_is_refused_and_closed() {
    let rest = b"\x02\x00\x00\x00\x00\x01x";
    let connect = |head: &[u8], rest: &[u8]| {
        let mut bytes = vec![0x10, (head.len() + rest.len()) as u8];
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(rest);
        bytes
    };
    let head = b"\x00\x04MQTT\x05";
    for (bytes, code) in [
        // Another version, another name.
        (connect(b"\x00\x04MQTT\x04", rest), 0x84),
        (connect(b"\x00\x04MQTX\x05", rest), 0x84),
        // Reserved flags; will QoS 3; will flags without a will.
        (connect(head, b"\x03\x00\x00\x00\x00\x01x"), 0x81),
        (
            connect(head, b"\x1e\x00\x00\x00\x00\x01x\x00\x00\x01w\x00\x00"),
            0x81,
        ),
        (connect(head, b"\x22\x00\x00\x00\x00\x01x"), 0x81),
        // A client identifier that ends beyond the packet; bytes behind the end.
        (connect(head, b"\x02\x00\x00\x00\x00\x05x"), 0x81),
        (connect(head, b"\x02\x00\x00\x00\x00\x01xy"), 0x81),
        // Receive Maximum 0, Authentication Data without a method.
        (
            connect(head, b"\x02\x00\x00\x03\x21\x00\x00\x00\x01x"),
            0x82,
        ),
        (
            connect(head, b"\x02\x00\x00\x04\x16\x00\x01y\x00\x01x"),
            0x82,
        ),
        // A TLS handshake, which begins as a CONNECT with wrong flags.
        (b"\x16\x03\x01\x02\x00".to_vec(), 0x81),
    ] {
        let mut hall = hall();
        let reason = ReasonCode::new(code).expect("a reason code");
        hall.opens(1)
            .says_bytes(1, &bytes)
            .hears(1, refused(reason))
            .is_closed(1);
        assert!(matches!(hall.end_cause(1), EndCause::Violation(_)));
        assert_eq!(hall.broker.load(), Default::default());
    }
}

// broker: MQTT-4.13.1-1
#[test]
fn what_was_right_before_the_wrong_packet_has_been_done() {
    let mut hall = hall();
    hall.joins(1, &hello("a"));
    hall.joins(2, &hello("b")).subscribes(2, "t", Q1);
    let mut bytes = publishing(Q1, 1, "t", b"x")
        .to_vec(mqtt_proto::Sender::Client)
        .expect("it can be encoded");
    bytes.extend_from_slice(b"\xc1\x00");
    hall.says_bytes(1, &bytes)
        .hears(1, puback(1))
        .is_disconnected(1, ReasonCode::MALFORMED_PACKET);
    hall.hears(2, publishing(Q1, 1, "t", b"x")).silent();
}

// broker: MQTT-4.13.2-1
#[test]
fn whoever_is_told_of_a_failure_is_closed_whether_it_hears_it_or_not() {
    let limits = BrokerConfig {
        sessions: 1,
        ..BrokerConfig::default()
    };
    let mut hall = hall_with(limits.clone());
    hall.joins(1, &hello("a")).opens(2).takes(2, 0);
    hall.says(2, Packet::Connect(hello("b")))
        .wait(limits.close_timeout)
        .is_closed(2);
    let full = ReasonCode::QUOTA_EXCEEDED;
    assert_eq!(hall.end_cause(2), EndCause::Refused(full));
    hall.takes(1, 0).says_bytes(1, b"\xc1\x00");
    hall.wait(limits.close_timeout).is_closed(1);
    // A code that a client may say as it goes is no other.
    hall.joins(3, &hello("c"));
    hall.says(3, disconnect(ReasonCode::UNSPECIFIED_ERROR))
        .is_closed(3);
}

#[test]
fn a_packet_is_too_large_before_it_has_come() {
    let mut hall = hall_with(BrokerConfig {
        maximum_packet_size: 1_000,
        maximum_connect_size: 100,
        ..BrokerConfig::default()
    });
    // 1,000 bytes pass, 1,001 do not, and three bytes are enough to say so.
    hall.joins(1, &hello("c"));
    let payload = [b'x'; 993];
    hall.says(1, publishing(Q0, 0, "t", &payload))
        .says(1, publishing(Q1, 1, "t", &payload[..991]))
        .take_acks(1);
    assert_eq!(hall.end_of(1), None);
    hall.says_bytes(1, b"\x30\xe6\x07");
    hall.is_disconnected(1, ReasonCode::PACKET_TOO_LARGE);
    // CONNECT has a limit of its own.
    hall.opens(2).says_bytes(2, b"\x10\x62");
    assert_eq!(hall.end_of(2), None);
    hall.opens(3).says_bytes(3, b"\x10\x63");
    assert!(matches!(hall.end_cause(3), EndCause::Violation(_)));
}

#[test]
fn a_second_connect_ends_the_connection_and_leaves_its_session() {
    let mut hall = hall();
    hall.joins(1, &hello_again("c")).subscribes(1, "t", Q2);
    hall.says(1, Packet::Connect(hello("c")));
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
    let violation = Violation::Unexpected(PacketType::Connect);
    assert_eq!(hall.end_cause(1), EndCause::Violation(violation));
    hall.rejoins(2, &hello_again("c"), true);
    assert_eq!(hall.broker.load().subscriptions, 1);
}

#[test]
fn what_the_broker_does_not_support_is_said_as_that() {
    let mut hall = hall_with(BrokerConfig {
        maximum_qos: Q0,
        retain_available: false,
        topic_alias_maximum: 0,
        ..BrokerConfig::default()
    });
    let alias = [Property::TopicAlias(1)];
    let aliased = Packet::Publish(mqtt_proto::Publish {
        properties: Properties::new(&alias),
        ..publish(Q0, 0, "t", b"")
    });
    for (connection, packet, reason) in [
        (
            1,
            publishing(Q1, 1, "t", b""),
            ReasonCode::QOS_NOT_SUPPORTED,
        ),
        (
            2,
            retaining(Q0, 0, "t", b""),
            ReasonCode::RETAIN_NOT_SUPPORTED,
        ),
        (3, aliased, ReasonCode::TOPIC_ALIAS_INVALID),
    ] {
        hall.joins(connection, &hello("c"));
        hall.says(connection, packet);
        hall.is_disconnected(connection, reason);
    }
}
