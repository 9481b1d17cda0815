//! CONNECT (section 3.1): a client writes it, a server checks it.

use mqtt_proto::{
    Connect, DecodeErrorKind, EncodeError, Field, Packet, Properties, Property, PropertyId, QoS,
    ReasonCode, Sender, TopicError, TopicName, Will,
};

use crate::packets::{both_ways, connect, decoded, encoded, packet, refused, topic, unencodable};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;
/// Where the connect flags are.
const FLAGS: usize = 9;

fn will() -> Will<'static> {
    Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: topic("w"),
        payload: b"",
        properties: Properties::EMPTY,
    }
}

/// A CONNECT with these flags, and these bytes after the properties.
fn with_flags(flags: u8, payload: &[u8]) -> Vec<u8> {
    packet(
        0x10,
        &[&[0, 4, b'M', b'Q', b'T', b'T', 5, flags, 0, 0, 0], payload].concat(),
    )
}

/// Client identifier, will properties, will topic and payload, user name, password: all empty
/// but the topic.
fn payload_for(flags: u8) -> Vec<u8> {
    let mut payload = vec![0, 0];
    if flags & 0x04 != 0 {
        payload.extend([0, 0, 1, b'w', 0, 0]);
    }
    for flag in [0x80, 0x40] {
        if flags & flag != 0 {
            payload.extend([0, 0]);
        }
    }
    payload
}

/// Every combination of what may be left out or chosen.
fn all_shapes() -> Vec<Connect<'static>> {
    let mut all = Vec::new();
    for bits in 0..32_u8 {
        let has = |bit: u8| bits >> bit & 1 == 1;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            all.push(Connect {
                clean_start: has(0),
                user_name: has(1).then_some("u"),
                password: has(2).then_some(b"p"),
                will: has(3).then_some(Will {
                    qos,
                    retain: has(4),
                    ..will()
                }),
                ..connect()
            });
        }
    }
    all
}

// covers: MQTT-3.1.2-1, MQTT-3.1.2-2
#[test]
fn protocol_name_and_version() {
    let bytes = encoded(&Packet::Connect(connect()), Sender::Client);
    assert_eq!(bytes[2..9], [0, 4, b'M', b'Q', b'T', b'T', 5]);

    let mut other = bytes.clone();
    other[5] = b'q';
    let error = refused(
        &other,
        Sender::Client,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        "MQTT-3.1.2-1",
    );
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::ProtocolName, 2)
    );
    let older = packet(0x10, b"\0\x06MQIsdp\x03\0\0\0\0\0\0");
    refused(
        &older,
        Sender::Client,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        "MQTT-3.1.2-1",
    );
    for version in [0, 3, 4, 6, 255] {
        let mut other = bytes.clone();
        other[8] = version;
        let error = refused(
            &other,
            Sender::Client,
            ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            "MQTT-3.1.2-2",
        );
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::ProtocolVersion(version), 8)
        );
    }
    // The refusal that answers it is a CONNACK like any other.
    match decoded(&packet(0x20, &[0, 0x84, 0]), Sender::Server) {
        Packet::ConnAck(connack) => {
            assert_eq!(connack.reason, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION)
        }
        other => panic!("{other:?}"),
    }
}

// covers: MQTT-3.1.2-3
#[test]
fn the_reserved_flag_is_zero() {
    for connect in all_shapes() {
        assert_eq!(
            encoded(&Packet::Connect(connect), Sender::Client)[FLAGS] & 1,
            0
        );
    }
    for flags in (1..=255_u8).step_by(2) {
        let error = refused(
            &with_flags(flags, &payload_for(flags)),
            Sender::Client,
            MALFORMED,
            "MQTT-3.1.2-3",
        );
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::ConnectFlags(flags), FLAGS)
        );
    }
}

// covers: MQTT-3.1.2-9, pitfall 20
#[test]
fn a_will_has_properties_topic_and_payload_even_if_empty() {
    let packet = Packet::Connect(Connect {
        will: Some(will()),
        ..connect()
    });
    let mut expected = vec![0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x04, 0, 0, 0];
    expected.extend([0, 0]); // client identifier
    expected.extend([0, 0, 1, b'w', 0, 0]); // properties, topic, payload
    both_ways(&packet, Sender::Client, &expected);

    // Each of the three is missed.
    for len in 0..6 {
        let cut = with_flags(0x04, &payload_for(0x04)[..2 + len]);
        Packet::decode(&cut, Sender::Client).expect_err("a will is cut");
    }
    let error = refused(
        &with_flags(0x04, &[0, 0]),
        Sender::Client,
        MALFORMED,
        "MQTT-2.2.2-1",
    );
    assert_eq!(error.kind(), DecodeErrorKind::MissingPropertyLength);

    // Its length has two bytes.
    let long = vec![7; 65_536];
    let limit = Packet::Connect(Connect {
        will: Some(Will {
            payload: &long[1..],
            ..will()
        }),
        ..connect()
    });
    let bytes = encoded(&limit, Sender::Client);
    assert_eq!(decoded(&bytes, Sender::Client), limit);
    let over = Packet::Connect(Connect {
        will: Some(Will {
            payload: &long,
            ..will()
        }),
        ..connect()
    });
    assert_eq!(
        over.encode(Sender::Client, &mut vec![0; 70_000]),
        Err(EncodeError::BinaryTooLong(Field::WillPayload))
    );
}

// covers: MQTT-3.1.2-11, MQTT-3.1.2-13, pitfall 21
#[test]
fn without_a_will_its_qos_and_retain_are_zero() {
    for connect in all_shapes() {
        let flags = encoded(&Packet::Connect(connect), Sender::Client)[FLAGS];
        match connect.will {
            None => assert_eq!(flags & 0b0011_1100, 0),
            Some(will) => {
                assert_eq!(flags & 0b0000_0100, 0b0000_0100);
                assert_eq!(flags >> 3 & 0b11, will.qos as u8);
                assert_eq!(flags >> 5 & 1, u8::from(will.retain));
            }
        }
    }
    for flags in (0..=255_u8).filter(|flags| flags & 0b0011_1000 != 0 && flags & 0b101 == 0) {
        let statement = if flags & 0b0001_1000 != 0 {
            "MQTT-3.1.2-11"
        } else {
            "MQTT-3.1.2-13"
        };
        let error = refused(
            &with_flags(flags, &payload_for(flags)),
            Sender::Client,
            MALFORMED,
            statement,
        );
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::WillFlagsWithoutWill(flags), FLAGS)
        );
    }
}

// covers: MQTT-3.1.2-12
#[test]
fn will_qos_3_is_refused() {
    for flags in [0x1c, 0x1e, 0x3c, 0xfe] {
        let error = refused(
            &with_flags(flags, &payload_for(flags)),
            Sender::Client,
            MALFORMED,
            "MQTT-3.1.2-12",
        );
        assert_eq!(error.kind(), DecodeErrorKind::InvalidWillQoS);
    }
    // The type has no such value.
    assert_eq!(QoS::from_u8(3), None);
}

// covers: MQTT-3.1.2-16, MQTT-3.1.2-17, MQTT-3.1.2-18, MQTT-3.1.2-19, pitfall 19
#[test]
fn user_name_and_password_are_there_when_their_flags_are() {
    /// User name, password, connect flags, fields.
    type Shape = (
        Option<&'static str>,
        Option<&'static [u8]>,
        u8,
        &'static [u8],
    );
    let cases: [Shape; 6] = [
        (None, None, 0x00, &[]),
        (Some(""), None, 0x80, &[0, 0]),
        (Some("u"), None, 0x80, &[0, 1, b'u']),
        (None, Some(b""), 0x40, &[0, 0]),
        // A password alone is legal in version 5, and binary: NUL and what is not UTF-8 are.
        (None, Some(b"\0\xff"), 0x40, &[0, 2, 0, 0xff]),
        (Some("u"), Some(b"p"), 0xc0, &[0, 1, b'u', 0, 1, b'p']),
    ];
    for (user_name, password, flags, fields) in cases {
        let packet = Packet::Connect(Connect {
            user_name,
            password,
            ..connect()
        });
        let bytes = with_flags(flags, &[&[0, 0], fields].concat());
        both_ways(&packet, Sender::Client, &bytes);
        // The flag without the field, and the field without the flag.
        if flags != 0 {
            let missing = with_flags(flags, &[0, 0]);
            assert_eq!(
                refused(&missing, Sender::Client, MALFORMED, "section 2.1.4").kind(),
                DecodeErrorKind::Truncated
            );
            let surplus = with_flags(0, &[&[0, 0], fields].concat());
            let count = u32::try_from(fields.len()).expect("few");
            assert_eq!(
                refused(&surplus, Sender::Client, MALFORMED, "section 2.1.4").kind(),
                DecodeErrorKind::TrailingBytes { count }
            );
        }
    }
    let over = Packet::Connect(Connect {
        password: Some(&[0; 65_536]),
        ..connect()
    });
    assert_eq!(
        over.encode(Sender::Client, &mut vec![0; 70_000]),
        Err(EncodeError::BinaryTooLong(Field::Password))
    );
}

// covers: MQTT-3.1.3-1, MQTT-3.1.3-3, MQTT-3.1.3-12, MQTT-3.1.3-11
#[test]
fn the_fields_of_the_payload_come_in_their_order() {
    let list = [Property::SessionExpiryInterval(0x0102_0304)];
    let will_list = [Property::WillDelayInterval(5)];
    let packet = Packet::Connect(Connect {
        clean_start: true,
        keep_alive: 0x1234,
        client_id: "c",
        properties: Properties::new(&list),
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: topic("w/t"),
            payload: b"gone",
            properties: Properties::new(&will_list),
        }),
        user_name: Some("u"),
        password: Some(&[0xff]),
    });
    let mut expected = vec![
        0x10,
        42,
        0,
        4,
        b'M',
        b'Q',
        b'T',
        b'T',
        5,
        0b1110_1110,
        0x12,
        0x34,
    ];
    expected.extend([5, 0x11, 1, 2, 3, 4]); // properties
    expected.extend([0, 1, b'c']); // client identifier
    expected.extend([5, 0x18, 0, 0, 0, 5]); // will properties
    expected.extend(b"\0\x03w/t"); // will topic
    expected.extend(b"\0\x04gone"); // will payload
    expected.extend(b"\0\x01u"); // user name
    expected.extend([0, 1, 0xff]); // password
    both_ways(&packet, Sender::Client, &expected);

    // An empty client identifier is there, too, right after the properties.
    let bytes = encoded(&Packet::Connect(connect()), Sender::Client);
    assert_eq!(bytes[12..], [0, 0, 0]);
    let without = packet_without_client_id();
    assert_eq!(
        refused(&without, Sender::Client, MALFORMED, "section 2.1.4").kind(),
        DecodeErrorKind::Truncated
    );
}

fn packet_without_client_id() -> Vec<u8> {
    with_flags(0, &[])
}

// covers: MQTT-3.1.3-4, MQTT-3.1.3-11, MQTT-3.1.3-12, MQTT-4.7.0-1
#[test]
fn the_texts_of_the_payload_obey_the_rules() {
    let bad = Packet::Connect(Connect {
        client_id: "a\0b",
        ..connect()
    });
    assert_eq!(
        unencodable(&bad, Sender::Client),
        EncodeError::NulInString(Field::ClientId)
    );
    let bad = Packet::Connect(Connect {
        user_name: Some("\0"),
        ..connect()
    });
    assert_eq!(
        unencodable(&bad, Sender::Client),
        EncodeError::NulInString(Field::UserName)
    );
    refused(
        &with_flags(0, &[0, 1, 0]),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-2",
    );
    refused(
        &with_flags(0, &[0, 3, 0xed, 0xa0, 0x80]),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-1",
    );
    refused(
        &with_flags(0x80, &[0, 0, 0, 3, 0xed, 0xa0, 0x80]),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-1",
    );

    // The topic of a will is a topic name.
    assert_eq!(TopicName::new("w\0"), Err(TopicError::Nul { at: 1 }));
    assert_eq!(TopicName::new("w/#"), Err(TopicError::Wildcard { at: 2 }));
    let with_topic = |topic: &[u8]| {
        let mut payload = vec![0, 0, 0, 0, u8::try_from(topic.len()).expect("short")];
        payload.extend(topic);
        payload.extend([0, 0]);
        with_flags(0x04, &payload)
    };
    refused(
        &with_topic(b"w\0"),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-2",
    );
    let error = refused(
        &with_topic(b"w/+"),
        Sender::Client,
        ReasonCode::TOPIC_NAME_INVALID,
        "MQTT-4.7.0-1",
    );
    assert_eq!(
        error.kind(),
        DecodeErrorKind::WildcardInTopicName(Field::WillTopic)
    );
    let error = refused(
        &with_topic(b""),
        Sender::Client,
        ReasonCode::PROTOCOL_ERROR,
        "MQTT-4.7.3-1",
    );
    assert_eq!(error.kind(), DecodeErrorKind::EmptyTopic(Field::WillTopic));
}

// covers: MQTT-3.1.3-10
#[test]
fn user_properties_of_the_will_keep_their_order() {
    let list = [
        Property::UserProperty("a", "1"),
        Property::UserProperty("b", "2"),
        Property::UserProperty("a", "1"),
    ];
    let will = Will {
        properties: Properties::new(&list),
        ..will()
    };
    let packet = Packet::Connect(Connect {
        will: Some(will),
        ..connect()
    });
    let bytes = encoded(&packet, Sender::Client);
    assert_eq!(
        bytes[15..37],
        *b"\x15\x26\0\x01a\0\x011\x26\0\x01b\0\x012\x26\0\x01a\0\x011"
    );
    match decoded(&bytes, Sender::Client) {
        Packet::Connect(Connect {
            will: Some(will), ..
        }) => {
            let pairs: Vec<_> = will.properties.user_properties().collect();
            assert_eq!(pairs, [("a", "1"), ("b", "2"), ("a", "1")]);
        }
        other => panic!("{other:?}"),
    }
}

// covers: pitfall 85
#[test]
fn authentication_data_needs_a_method() {
    let data = Property::AuthenticationData(b"d");
    let alone = [data];
    let bad = Packet::Connect(Connect {
        properties: Properties::new(&alone),
        ..connect()
    });
    let missing = EncodeError::MissingProperty(PropertyId::AuthenticationMethod);
    assert_eq!(unencodable(&bad, Sender::Client), missing);
    let bytes = packet(0x10, b"\0\x04MQTT\x05\0\0\0\x04\x16\0\x01d\0\0");
    let error = refused(
        &bytes,
        Sender::Client,
        ReasonCode::PROTOCOL_ERROR,
        "section 3.1.2.11.10",
    );
    assert_eq!(
        error.kind(),
        DecodeErrorKind::MissingProperty(PropertyId::AuthenticationMethod)
    );
    for list in [
        [data, Property::AuthenticationMethod("m")],
        [Property::AuthenticationMethod("m"), data],
    ] {
        let good = Packet::Connect(Connect {
            properties: Properties::new(&list),
            ..connect()
        });
        assert_eq!(
            decoded(&encoded(&good, Sender::Client), Sender::Client),
            good
        );
    }
}
