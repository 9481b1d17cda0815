//! The broker and the packets that acknowledge: PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK
//! and PINGRESP, as they come in and as they leave.

use mqtt_proto::{
    Connect, Packet, Properties, Property, QoS, ReasonCode, Sender, TopicFilter, TopicName,
};
use mqtt_session::Violation;
use mqtt_session::broker::{Access, Broker, BrokerConfig, EndCause, Identity};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// What becomes of a connection that says such a packet: `None`, it stays.
fn ends(bytes: &[u8]) -> Option<Violation> {
    let mut hall = hall();
    hall.joins(1, &hello("c")).says_bytes(1, bytes);
    match hall.end_of(1)? {
        EndCause::Violation(violation) => {
            hall.is_disconnected(1, violation.reason());
            Some(violation)
        }
        other => panic!("{other:?}"),
    }
}

/// The reason codes with which a packet may come in, of all 256.
fn taken(first: u8) -> Vec<u8> {
    let mut taken = Vec::new();
    for code in 0..=u8::MAX {
        match ends(&[first, 3, 0, 1, code]) {
            None => taken.push(code),
            Some(violation) => assert_eq!(violation.reason(), ReasonCode::PROTOCOL_ERROR),
        }
    }
    taken
}

// broker: MQTT-3.4.2-1
#[test]
fn puback_comes_with_codes_of_its_table_only() {
    let table = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    assert_eq!(taken(0x40), table);
    assert_eq!(
        ends(b"\x40\x03\x00\x01\x92").map(|violation| violation.statement()),
        Some("MQTT-3.4.2-1")
    );
}

// broker: MQTT-3.5.2-1
#[test]
fn pubrec_comes_with_codes_of_its_table_only() {
    let table = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    assert_eq!(taken(0x50), table);
    assert_eq!(
        ends(b"\x50\x03\x00\x01\x01").map(|violation| violation.statement()),
        Some("MQTT-3.5.2-1")
    );
}

// broker: MQTT-3.6.2-1
#[test]
fn pubrel_comes_with_codes_of_its_table_only() {
    assert_eq!(taken(0x62), [0x00, 0x92]);
    assert_eq!(
        ends(b"\x62\x03\x00\x01\x80").map(|violation| violation.statement()),
        Some("MQTT-3.6.2-1")
    );
}

// broker: MQTT-3.7.2-1
#[test]
fn pubcomp_comes_with_codes_of_its_table_only() {
    assert_eq!(taken(0x70), [0x00, 0x92]);
    assert_eq!(
        ends(b"\x70\x03\x00\x01\x80").map(|violation| violation.statement()),
        Some("MQTT-3.7.2-1")
    );
}

/// Answers every publish with one code, allowed in an acknowledgement or not.
struct Refusing(ReasonCode);

impl Access for Refusing {
    fn publish(
        &mut self,
        _: &Identity<'_>,
        _: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        Err(self.0)
    }
}

// broker: MQTT-3.4.2-1, MQTT-3.5.2-1
#[test]
fn what_the_program_refuses_with_is_said_in_a_code_of_the_table() {
    for code in (0..=u8::MAX).filter_map(ReasonCode::new) {
        let failures = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
        let told = if failures.contains(&code.value()) {
            code
        } else {
            ReasonCode::NOT_AUTHORIZED
        };
        let broker = Broker::with_access(BrokerConfig::default(), Refusing(code));
        let mut hall = Hall::new(broker);
        hall.joins(1, &hello("c"));
        hall.says(1, publishing(Q1, 1, "t", b""))
            .hears(1, Packet::PubAck(ack(1, told)));
        hall.says(1, publishing(Q2, 2, "t", b""))
            .hears(1, Packet::PubRec(ack(2, told)));
    }
}

// broker: MQTT-3.6.1-1
#[test]
fn pubrel_has_its_flags_in_both_directions() {
    for first in [0x60, 0x61, 0x63, 0x64, 0x66, 0x6a] {
        let violation = ends(&[first, 2, 0, 1]).expect("its flags are wrong");
        assert_eq!(violation.reason(), ReasonCode::MALFORMED_PACKET);
        assert_eq!(violation.statement(), "MQTT-3.6.1-1");
    }
    // What the broker sends, at once and again after a cut.
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("s")).subscribes(2, "t", Q2);
    hall.says(1, publishing(Q2, 1, "t", b""))
        .hears(1, pubrec(1));
    hall.hears(2, publishing(Q2, 1, "t", b""));
    hall.says(2, pubrec(1));
    assert_eq!(hall.next(2).as_deref(), Some(&b"\x62\x02\x00\x01"[..]));
    hall.cut(2).rejoins(3, &hello_again("s"), true);
    assert_eq!(hall.next(3).as_deref(), Some(&b"\x62\x02\x00\x01"[..]));
}

/// CONNECT of a client that takes its CONNACK and hardly anything else.
fn small<'a>(client_id: &'a str, properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        properties: Properties::new(properties),
        ..hello(client_id)
    }
}

/// The length of CONNACK as the broker says it here.
const LEAST: u32 = 16;

// broker: MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3, MQTT-3.6.2-2, MQTT-3.6.2-3
// broker: MQTT-3.7.2-2, MQTT-3.7.2-3, MQTT-3.9.2-1, MQTT-3.9.2-2, MQTT-3.11.2-1, MQTT-3.11.2-2
#[test]
fn no_acknowledgement_carries_what_could_make_it_too_large() {
    let limit = [Property::MaximumPacketSize(LEAST)];
    let broker = Broker::with_access(
        BrokerConfig::default(),
        Refusing(ReasonCode::QUOTA_EXCEEDED),
    );
    let mut hall = Hall::new(broker);
    hall.opens(1).says(1, Packet::Connect(small("c", &limit)));
    let connack = hall.next(1).expect("CONNACK fits");
    assert_eq!(connack.len(), LEAST as usize);
    // Each is told the whole reason by its code, in the shortest form there is.
    hall.says(1, publishing(Q1, 1, "t", b""));
    assert_eq!(hall.next(1).as_deref(), Some(&b"\x40\x03\x00\x01\x97"[..]));
    hall.says(1, publishing(Q2, 2, "t", b""));
    assert_eq!(hall.next(1).as_deref(), Some(&b"\x50\x03\x00\x02\x97"[..]));
    hall.says(1, pubrel(3));
    assert_eq!(hall.next(1).as_deref(), Some(&b"\x70\x03\x00\x03\x92"[..]));
    hall.says(1, pubrec(4));
    assert_eq!(hall.next(1).as_deref(), Some(&b"\x62\x03\x00\x04\x92"[..]));
    hall.says(1, subscribe(5, &[filter("a", Q1)]));
    assert_eq!(
        hall.next(1).as_deref(),
        Some(&b"\x90\x04\x00\x05\x00\x01"[..])
    );
    let none = [TopicFilter::new("b").unwrap()];
    hall.says(1, unsubscribe(6, &none));
    assert_eq!(
        hall.next(1).as_deref(),
        Some(&b"\xb0\x04\x00\x06\x00\x11"[..])
    );
    hall.silent();
}

#[test]
fn properties_of_acknowledgements_that_come_in_are_taken() {
    let why = [
        Property::ReasonString("because"),
        Property::UserProperty("k", "v"),
        Property::UserProperty("k", "v"),
    ];
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("s")).subscribes(2, "t", Q2);
    let with = |number| mqtt_proto::Ack {
        properties: Properties::new(&why),
        ..ack(number, ReasonCode::SUCCESS)
    };
    hall.says(1, publishing(Q1, 1, "t", b""))
        .hears(1, puback(1));
    hall.hears(2, publishing(Q1, 1, "t", b""))
        .says(2, Packet::PubAck(with(1)));
    hall.says(1, publishing(Q2, 2, "t", b""))
        .hears(1, pubrec(2));
    hall.hears(2, publishing(Q2, 2, "t", b""))
        .says(2, Packet::PubRec(with(2)))
        .hears(2, pubrel(2))
        .says(2, Packet::PubComp(with(2)));
    hall.says(1, Packet::PubRel(with(2))).hears(1, pubcomp(2));
    hall.silent();
    assert_eq!(hall.broker.load().unsettled, 0);
}

// broker: MQTT-3.12.4-1
#[test]
fn every_pingreq_is_answered() {
    let mut hall = hall();
    hall.joins(1, &hello("c"));
    for _ in 0..3 {
        hall.says(1, Packet::PingReq).hears(1, Packet::PingResp);
    }
    hall.says_bytes(1, &b"\xc0\x00".repeat(1_000));
    for _ in 0..1_000 {
        hall.hears(1, Packet::PingResp);
    }
    hall.silent();
}

// broker: MQTT-3.12.4-1
#[test]
fn pingreq_that_finds_no_room_for_its_answer_waits_for_it() {
    const COUNT: usize = 1_000;
    let mut hall = hall_with(BrokerConfig {
        transmit: 256,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("c")).takes(1, 0);
    hall.says_bytes(1, &b"\xc0\x00".repeat(COUNT));
    hall.hears_nothing(1).takes(1, 7);
    for _ in 0..COUNT {
        hall.hears(1, Packet::PingResp);
    }
    hall.silent();
}

#[test]
fn an_acknowledgement_says_who_sent_it() {
    // PUBACK, PUBREC, PUBREL and PUBCOMP go both ways, the others only one way.
    for bytes in [
        &b"\x90\x04\x00\x01\x00\x00"[..],
        b"\xb0\x04\x00\x01\x00\x00",
        b"\xd0\x00",
    ] {
        let violation = ends(bytes).expect("a server says so");
        assert_eq!(violation.reason(), ReasonCode::PROTOCOL_ERROR);
        assert!(Packet::decode(bytes, Sender::Server).is_ok());
    }
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .says(1, publishing(Q0, 0, "t", b""));
    hall.silent();
}
