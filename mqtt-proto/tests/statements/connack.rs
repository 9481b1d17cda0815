//! CONNACK (section 3.2): a server writes it, a client checks it.

use mqtt_proto::{
    ConnAck, DecodeErrorKind, EncodeError, Packet, Properties, Property, PropertyId, QoS,
    ReasonCode, Sender,
};

use crate::packets::{both_ways, decoded, packet, refused, unencodable};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;
const PROTOCOL_ERROR: ReasonCode = ReasonCode::PROTOCOL_ERROR;

fn connack(bytes: &[u8]) -> ConnAck<'_> {
    match decoded(bytes, Sender::Server) {
        Packet::ConnAck(connack) => connack,
        other => panic!("{other:?}"),
    }
}

fn accepted() -> ConnAck<'static> {
    ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}

// covers: MQTT-3.2.2-1
#[test]
fn only_session_present_is_a_flag() {
    for flags in 0..=255_u8 {
        let bytes = packet(0x20, &[flags, 0, 0]);
        if flags <= 1 {
            assert_eq!(connack(&bytes).session_present, flags == 1);
            let packet = Packet::ConnAck(ConnAck {
                session_present: flags == 1,
                ..accepted()
            });
            both_ways(&packet, Sender::Server, &bytes);
        } else {
            let error = refused(&bytes, Sender::Server, MALFORMED, "MQTT-3.2.2-1");
            assert_eq!(
                (error.kind(), error.offset()),
                (DecodeErrorKind::ConnAckFlags(flags), 2)
            );
        }
    }
}

// covers: MQTT-3.2.2-6
#[test]
fn a_refusal_reports_no_session() {
    for code in (0x80..=0xff).filter_map(ReasonCode::new) {
        if !code.is_allowed(mqtt_proto::PacketType::ConnAck, Sender::Server) {
            continue;
        }
        let bytes = packet(0x20, &[1, code.value(), 0]);
        let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, "MQTT-3.2.2-6");
        assert_eq!(error.kind(), DecodeErrorKind::SessionPresentWithFailure);
        let bad = Packet::ConnAck(ConnAck {
            session_present: true,
            reason: code,
            ..accepted()
        });
        assert_eq!(
            unencodable(&bad, Sender::Server),
            EncodeError::SessionPresentWithFailure
        );
    }
}

// covers: MQTT-3.2.2-8, pitfall 26
#[test]
fn reason_codes_come_from_the_table() {
    let table = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95,
        0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ];
    for code in 0..=255 {
        let bytes = packet(0x20, &[0, code, 0]);
        if table.contains(&code) {
            let reason = ReasonCode::new(code).expect("named");
            both_ways(
                &Packet::ConnAck(ConnAck {
                    reason,
                    ..accepted()
                }),
                Sender::Server,
                &bytes,
            );
            continue;
        }
        let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, "MQTT-3.2.2-8");
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::ReasonCode(code), 3)
        );
        if let Some(code) = ReasonCode::new(code) {
            let bad = Packet::ConnAck(ConnAck {
                reason: code,
                ..accepted()
            });
            let packet = mqtt_proto::PacketType::ConnAck;
            assert_eq!(
                unencodable(&bad, Sender::Server),
                EncodeError::ReasonCode { code, packet }
            );
        }
    }
}

// covers: MQTT-3.2.2-9, pitfall 15
#[test]
fn maximum_qos_is_0_or_1_or_absent() {
    for (byte, qos) in [(0, QoS::AtMostOnce), (1, QoS::AtLeastOnce)] {
        let bytes = packet(0x20, &[0, 0, 2, 0x24, byte]);
        assert_eq!(connack(&bytes).properties.maximum_qos(), Some(qos));
    }
    let absent = packet(0x20, &[0, 0, 0]);
    assert_eq!(connack(&absent).properties.maximum_qos(), None);
    for byte in [2, 3, 255] {
        let bytes = packet(0x20, &[0, 0, 2, 0x24, byte]);
        let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, "section 3.2.2.3.4");
        let kind = DecodeErrorKind::PropertyValue {
            property: PropertyId::MaximumQoS,
            value: byte.into(),
        };
        assert_eq!((error.kind(), error.offset()), (kind, 6));
    }
    let twice = packet(0x20, &[0, 0, 4, 0x24, 1, 0x24, 1]);
    let error = refused(&twice, Sender::Server, PROTOCOL_ERROR, "section 3.2.2.3");
    assert_eq!(
        error.kind(),
        DecodeErrorKind::DuplicateProperty(PropertyId::MaximumQoS)
    );
    let list = [Property::MaximumQoS(QoS::ExactlyOnce)];
    let bad = Packet::ConnAck(ConnAck {
        properties: Properties::new(&list),
        ..accepted()
    });
    assert_eq!(
        unencodable(&bad, Sender::Server),
        EncodeError::PropertyValue(PropertyId::MaximumQoS)
    );
}

// covers: pitfall 15
#[test]
fn flags_among_the_properties_are_0_or_1() {
    let flags = [
        (PropertyId::RetainAvailable, 0x25),
        (PropertyId::WildcardSubscriptionAvailable, 0x28),
        (PropertyId::SubscriptionIdentifierAvailable, 0x29),
        (PropertyId::SharedSubscriptionAvailable, 0x2a),
    ];
    for (property, id) in flags {
        for value in 0..=255 {
            let bytes = packet(0x20, &[0, 0, 2, id, value]);
            if value <= 1 {
                let found = connack(&bytes)
                    .properties
                    .iter()
                    .next()
                    .expect("one property");
                assert_eq!(found.id(), property);
            } else {
                let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, "section 3.2.2.3");
                assert_eq!(
                    error.kind(),
                    DecodeErrorKind::PropertyValue {
                        property,
                        value: value.into()
                    }
                );
            }
        }
    }
    for (property, id) in [
        (PropertyId::RequestProblemInformation, 0x17),
        (PropertyId::RequestResponseInformation, 0x19),
    ] {
        for value in [0, 1, 2] {
            let bytes = packet(
                0x10,
                &[0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0, 2, id, value, 0, 0],
            );
            if value <= 1 {
                decoded(&bytes, Sender::Client);
            } else {
                let error = refused(&bytes, Sender::Client, PROTOCOL_ERROR, "section 3.1.2.11");
                assert_eq!(
                    error.kind(),
                    DecodeErrorKind::PropertyValue { property, value: 2 }
                );
            }
        }
    }
}

// covers: pitfall 16
#[test]
fn receive_maximum_and_maximum_packet_size_are_not_0_others_may_be() {
    let connect_with = |property: &[u8]| {
        let mut body = b"\0\x04MQTT\x05\0\0\0".to_vec();
        body.push(u8::try_from(property.len()).expect("short"));
        body.extend(property);
        body.extend([0, 0]);
        packet(0x10, &body)
    };
    let connack_with = |property: &[u8]| {
        let mut body = vec![0, 0, u8::try_from(property.len()).expect("short")];
        body.extend(property);
        packet(0x20, &body)
    };
    for (property, bytes) in [
        (PropertyId::ReceiveMaximum, &[0x21, 0, 0][..]),
        (PropertyId::MaximumPacketSize, &[0x27, 0, 0, 0, 0]),
    ] {
        let kind = DecodeErrorKind::PropertyValue { property, value: 0 };
        assert_eq!(
            refused(
                &connect_with(bytes),
                Sender::Client,
                PROTOCOL_ERROR,
                "section 3.1.2.11"
            )
            .kind(),
            kind
        );
        assert_eq!(
            refused(
                &connack_with(bytes),
                Sender::Server,
                PROTOCOL_ERROR,
                "section 3.2.2.3"
            )
            .kind(),
            kind
        );
        let mut one = bytes.to_vec();
        *one.last_mut().expect("not empty") = 1;
        decoded(&connect_with(&one), Sender::Client);
        decoded(&connack_with(&one), Sender::Server);
    }
    let none = connack_with(&[0x22, 0, 0, 0x13, 0, 0]);
    let properties = connack(&none).properties;
    assert_eq!(
        (
            properties.topic_alias_maximum(),
            properties.server_keep_alive()
        ),
        (Some(0), Some(0))
    );
    for property in [Property::ReceiveMaximum(0), Property::MaximumPacketSize(0)] {
        let list = [property];
        let bad = Packet::ConnAck(ConnAck {
            properties: Properties::new(&list),
            ..accepted()
        });
        assert_eq!(
            unencodable(&bad, Sender::Server),
            EncodeError::PropertyValue(property.id())
        );
    }
}
