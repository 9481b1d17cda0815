//! Instructions to decode and encode a packet, with full validation.
//!
//! `cargo bench -p mqtt-proto --bench instructions`, with `-- --check` to fail above a limit.

#[path = "callgrind.rs"]
mod callgrind;

use std::hint::black_box;
use std::process::ExitCode;

use callgrind::Case;
use mqtt_proto::{
    Ack, Connect, EncodeError, Frame, Packet, PacketId, PacketType, Properties, Property, Publish,
    QoS, ReasonCode, Sender, TopicName, Will, frame,
};

fn main() -> ExitCode {
    callgrind::run(&[
        Case {
            name: "decode PUBLISH, QoS 0, 64 bytes",
            limit: 300,
            rounds: |rounds| decode(Packet::Publish(publish_qos0()), rounds),
        },
        Case {
            name: "decode PUBLISH, QoS 1, 1 KiB, 3 properties",
            limit: 700,
            rounds: |rounds| decode(Packet::Publish(publish_qos1()), rounds),
        },
        Case {
            name: "decode PUBACK",
            limit: 160,
            rounds: |rounds| decode(Packet::PubAck(puback()), rounds),
        },
        Case {
            name: "decode CONNECT, will, user name, password, 4 properties",
            limit: 1_200,
            rounds: |rounds| decode(Packet::Connect(connect()), rounds),
        },
        Case {
            name: "encode PUBLISH, QoS 0, 64 bytes",
            limit: 220,
            rounds: |rounds| encode(publish_qos0(), Publish::encode, rounds),
        },
        Case {
            name: "encode PUBLISH, QoS 1, 1 KiB, 3 properties",
            limit: 560,
            rounds: |rounds| encode(publish_qos1(), Publish::encode, rounds),
        },
        Case {
            name: "encode PUBACK",
            limit: 60,
            rounds: |rounds| {
                encode(
                    puback(),
                    |ack, sender, out| ack.encode(PacketType::PubAck, sender, out),
                    rounds,
                )
            },
        },
        Case {
            name: "encode CONNECT, will, user name, password, 4 properties",
            limit: 500,
            rounds: |rounds| encode(connect(), Connect::encode, rounds),
        },
        // Texts among the properties are scanned and measured: what that adds.
        Case {
            name: "decode CONNECT, texts among the properties",
            limit: 1_200,
            rounds: |rounds| decode(Packet::Connect(connect_with_texts()), rounds),
        },
        Case {
            name: "encode CONNECT, texts among the properties",
            limit: 700,
            rounds: |rounds| encode(connect_with_texts(), Connect::encode, rounds),
        },
    ])
}

/// Finds and decodes a packet, as a receiver does.
fn decode(packet: Packet<'_>, rounds: u64) {
    let mut buffer = [0; 2048];
    let len = packet
        .encode(Sender::Client, &mut buffer)
        .expect("the packet is valid");
    let input = &buffer[..len];
    for _ in 0..rounds {
        match frame(black_box(input), black_box(65_536)) {
            Ok(Frame::Whole(packet)) => _ = black_box(&packet.decode(black_box(Sender::Client))),
            other => panic!("{other:?}"),
        }
    }
}

/// Encodes a packet whose type the caller knows, the payload included.
fn encode<T>(
    packet: T,
    encode: impl Fn(&T, Sender, &mut [u8]) -> Result<usize, EncodeError>,
    rounds: u64,
) {
    let mut buffer = [0; 2048];
    for _ in 0..rounds {
        _ = black_box(&encode(
            black_box(&packet),
            black_box(Sender::Client),
            black_box(&mut buffer),
        ));
    }
}

/// A topic of 20 bytes, a payload of 64, no properties.
fn publish_qos0() -> Publish<'static> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: Some(TopicName::new("site/7/room/42/therm").expect("a topic name")),
        packet_id: None,
        properties: Properties::EMPTY,
        payload: &[0x5a; 64],
    }
}

/// A topic of 30 bytes, a payload of 1 KiB, two user properties and a message expiry interval.
fn publish_qos1() -> Publish<'static> {
    const PROPERTIES: &[Property<'_>] = &[
        Property::MessageExpiryInterval(3_600),
        Property::UserProperty("unit", "celsius"),
        Property::UserProperty("sensor", "bme280-0042"),
    ];
    Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: Some(TopicName::new("site/7/room/42/thermometer/raw").expect("a topic name")),
        packet_id: PacketId::new(4_711),
        properties: Properties::new(PROPERTIES),
        payload: &[0x5a; 1_024],
    }
}

fn puback() -> Ack<'static> {
    Ack {
        packet_id: PacketId::new(4_711).expect("not 0"),
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}

fn connect() -> Connect<'static> {
    const PROPERTIES: &[Property<'_>] = &[
        Property::SessionExpiryInterval(3_600),
        Property::ReceiveMaximum(20),
        Property::MaximumPacketSize(65_536),
    ];
    const WILL_PROPERTIES: &[Property<'_>] = &[Property::WillDelayInterval(30)];
    Connect {
        clean_start: false,
        keep_alive: 60,
        client_id: "thermometer-0042",
        properties: Properties::new(PROPERTIES),
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: TopicName::new("site/7/room/42/status").expect("a topic name"),
            payload: b"offline",
            properties: Properties::new(WILL_PROPERTIES),
        }),
        user_name: Some("site-7-devices"),
        password: Some(b"correct horse battery"),
    }
}

/// The same with a user property and the will's content type.
fn connect_with_texts() -> Connect<'static> {
    const PROPERTIES: &[Property<'_>] = &[
        Property::SessionExpiryInterval(3_600),
        Property::ReceiveMaximum(20),
        Property::UserProperty("firmware", "2.4.1"),
    ];
    const WILL_PROPERTIES: &[Property<'_>] = &[
        Property::WillDelayInterval(30),
        Property::ContentType("text/plain"),
    ];
    let connect = connect();
    Connect {
        properties: Properties::new(PROPERTIES),
        will: connect.will.map(|will| Will {
            properties: Properties::new(WILL_PROPERTIES),
            ..will
        }),
        ..connect
    }
}
