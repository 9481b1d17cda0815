//! PUBLISH (section 3.3), from both ends.

use mqtt_proto::{
    DecodeErrorKind, EncodeError, Field, FixedHeader, HeaderFrame, Packet, PayloadFormat,
    Properties, Property, PropertyId, Publish, QoS, ReasonCode, Sender, TopicError, TopicName,
};

use crate::packets::{
    both_ways, decoded_publish, encoded, id, packet, publish, refused, unencodable,
};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;
const PROTOCOL_ERROR: ReasonCode = ReasonCode::PROTOCOL_ERROR;

/// A PUBLISH with QoS 0 to `t`, with these properties and the payload `p`.
fn with_properties(properties: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, b't', u8::try_from(properties.len()).expect("short")];
    body.extend(properties);
    body.push(b'p');
    packet(0x30, &body)
}

// covers: MQTT-2.2.1-2
#[test]
fn qos_0_has_no_packet_identifier() {
    let packet = Packet::Publish(Publish {
        payload: b"p",
        ..publish("t")
    });
    both_ways(&packet, Sender::Client, &[0x30, 5, 0, 1, b't', 0, b'p']);
    let bad = Packet::Publish(Publish {
        packet_id: Some(id(1)),
        ..publish("t")
    });
    assert_eq!(unencodable(&bad, Sender::Client), EncodeError::PacketId);
    let bad = Packet::Publish(Publish {
        qos: QoS::AtLeastOnce,
        ..publish("t")
    });
    assert_eq!(unencodable(&bad, Sender::Client), EncodeError::PacketId);
    // The byte after the topic is the property length: here 5, of which there are 4.
    let bytes = [0x30, 8, 0, 1, b't', 5, 0, 0, 0, 0];
    refused(&bytes, Sender::Server, MALFORMED, "section 2.2.2.1");
}

// covers: MQTT-2.2.1-4, pitfall 6
#[test]
fn packet_identifier_0_is_refused() {
    for first in [0x32, 0x34, 0x3a, 0x3c] {
        let bytes = packet(first, &[0, 1, b't', 0, 0, 0]);
        let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, "MQTT-2.2.1-4");
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::ZeroPacketId, 5)
        );
        refused(&bytes, Sender::Client, PROTOCOL_ERROR, "MQTT-2.2.1-3");
    }
    for first in [0x40, 0x50, 0x62, 0x70] {
        let error = refused(
            &packet(first, &[0, 0]),
            Sender::Server,
            PROTOCOL_ERROR,
            "MQTT-2.2.1-5",
        );
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::ZeroPacketId, 2)
        );
    }
    refused(
        &packet(0x82, &[0, 0, 0, 0, 1, b'a', 0]),
        Sender::Client,
        PROTOCOL_ERROR,
        "MQTT-2.2.1-3",
    );
    refused(
        &packet(0xa2, &[0, 0, 0, 0, 1, b'a']),
        Sender::Client,
        PROTOCOL_ERROR,
        "MQTT-2.2.1-3",
    );
    refused(
        &packet(0x90, &[0, 0, 0, 0]),
        Sender::Server,
        PROTOCOL_ERROR,
        "MQTT-2.2.1-6",
    );
    refused(
        &packet(0xb0, &[0, 0, 0, 0]),
        Sender::Server,
        PROTOCOL_ERROR,
        "MQTT-2.2.1-6",
    );
    assert_eq!(mqtt_proto::PacketId::new(0), None);
}

// covers: MQTT-3.3.1-2, MQTT-3.3.1-13
#[test]
fn the_flags_of_the_first_byte() {
    for first in 0x30..=0x3f_u8 {
        let (dup, retain) = (first & 8 != 0, first & 1 != 0);
        let Some(qos) = QoS::from_u8(first >> 1 & 3) else {
            continue;
        };
        let packet_id = (qos != QoS::AtMostOnce).then_some(id(0x0102));
        let packet = Packet::Publish(Publish {
            dup,
            qos,
            retain,
            packet_id,
            ..publish("t")
        });
        if dup && qos == QoS::AtMostOnce {
            assert_eq!(
                unencodable(&packet, Sender::Client),
                EncodeError::DupWithQoS0
            );
            continue;
        }
        let body: &[u8] = if packet_id.is_some() {
            &[0, 1, b't', 1, 2, 0]
        } else {
            &[0, 1, b't', 0]
        };
        both_ways(
            &packet,
            Sender::Client,
            &crate::packets::packet(first, body),
        );
        both_ways(
            &packet,
            Sender::Server,
            &crate::packets::packet(first, body),
        );
    }
}

// covers: MQTT-3.3.2-1
#[test]
fn the_topic_name_comes_first() {
    let packet = Packet::Publish(Publish {
        qos: QoS::ExactlyOnce,
        packet_id: Some(id(10)),
        payload: b"hello",
        ..publish("a/b")
    });
    both_ways(&packet, Sender::Client, b"\x34\x0d\0\x03a/b\0\x0a\0hello");
    refused(
        b"\x30\x06\0\x03\xed\xa0\x80\0",
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.4-1",
    );
    let cut = refused(
        b"\x30\x04\0\x03ab",
        Sender::Server,
        MALFORMED,
        "section 2.1.4",
    );
    assert_eq!((cut.kind(), cut.offset()), (DecodeErrorKind::Truncated, 4));
}

// covers: MQTT-3.3.2-2, MQTT-4.7.0-1
#[test]
fn a_topic_name_has_no_wildcards() {
    for text in [
        "a/+",
        "a/#",
        "+",
        "#",
        "a+b",
        "x#",
        "a/+/b",
        "0123456789abcdef/#",
    ] {
        let at = text.find(['+', '#']).expect("a wildcard");
        assert_eq!(TopicName::new(text), Err(TopicError::Wildcard { at }));
        let mut body = vec![0, u8::try_from(text.len()).expect("short")];
        body.extend(text.as_bytes());
        body.push(0);
        let bytes = packet(0x30, &body);
        let error = refused(
            &bytes,
            Sender::Server,
            ReasonCode::TOPIC_NAME_INVALID,
            "MQTT-3.3.2-2",
        );
        assert_eq!(
            error.kind(),
            DecodeErrorKind::WildcardInTopicName(Field::TopicName)
        );
        assert_eq!(error.offset(), 4 + at);
    }
    // What is not text at all is malformed, wildcard or not.
    refused(
        b"\x30\x05\0\x02#\xff\0",
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.4-1",
    );
}

// covers: MQTT-4.7.3-1, pitfall 80
#[test]
fn an_empty_topic_name_needs_an_alias() {
    let error = refused(
        &[0x30, 3, 0, 0, 0],
        Sender::Server,
        PROTOCOL_ERROR,
        "MQTT-4.7.3-1",
    );
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::EmptyTopic(Field::TopicName), 2)
    );
    let nameless = Publish {
        topic: None,
        ..publish("t")
    };
    assert_eq!(
        unencodable(&Packet::Publish(nameless), Sender::Client),
        EncodeError::MissingTopic
    );

    let list = [Property::TopicAlias(7)];
    let aliased = Packet::Publish(Publish {
        properties: Properties::new(&list),
        ..nameless
    });
    both_ways(&aliased, Sender::Client, &[0x30, 6, 0, 0, 3, 0x23, 0, 7]);

    let zero = [0x30, 6, 0, 0, 3, 0x23, 0, 0];
    let error = refused(
        &zero,
        Sender::Server,
        ReasonCode::TOPIC_ALIAS_INVALID,
        "MQTT-3.3.2-8",
    );
    assert_eq!(
        error.kind(),
        DecodeErrorKind::PropertyValue {
            property: PropertyId::TopicAlias,
            value: 0
        }
    );
    let list = [Property::TopicAlias(0)];
    let bad = Packet::Publish(Publish {
        properties: Properties::new(&list),
        ..publish("t")
    });
    assert_eq!(
        unencodable(&bad, Sender::Client),
        EncodeError::PropertyValue(PropertyId::TopicAlias)
    );
}

// covers: MQTT-3.3.2-4, pitfall 25
#[test]
fn payload_format_is_0_or_1_and_says_nothing_about_the_payload() {
    for (byte, format) in [(0, PayloadFormat::Unspecified), (1, PayloadFormat::Utf8)] {
        let bytes = with_properties(&[0x01, byte]);
        let publish = decoded_publish(&bytes, Sender::Server);
        assert_eq!(publish.properties.payload_format_indicator(), Some(format));
        assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);
    }
    for byte in [2, 255] {
        let error = refused(
            &with_properties(&[0x01, byte]),
            Sender::Server,
            PROTOCOL_ERROR,
            "section 3.3.2.3",
        );
        let property = PropertyId::PayloadFormatIndicator;
        assert_eq!(
            error.kind(),
            DecodeErrorKind::PropertyValue {
                property,
                value: byte.into()
            }
        );
    }
    let not_utf8 = packet(0x30, &[0, 1, b't', 2, 0x01, 1, 0xff]);
    assert_eq!(decoded_publish(&not_utf8, Sender::Server).payload, [0xff]);
}

// covers: MQTT-3.3.2-6
#[test]
fn message_expiry_is_surfaced_and_may_be_0() {
    for seconds in [0, 1, 3_600, u32::MAX] {
        let mut properties = vec![0x02];
        properties.extend(seconds.to_be_bytes());
        let bytes = with_properties(&properties);
        let publish = decoded_publish(&bytes, Sender::Server);
        assert_eq!(publish.properties.message_expiry_interval(), Some(seconds));
        assert_eq!(publish.payload, b"p");
    }
}

// covers: MQTT-3.3.2-13, MQTT-3.3.2-14, MQTT-3.3.2-15, pitfall 24
#[test]
fn a_response_topic_is_a_topic_name() {
    let bytes = with_properties(b"\x08\0\x05r/\xc3\xa4\x7f");
    let publish = decoded_publish(&bytes, Sender::Server);
    let topic = publish.properties.response_topic().expect("it is there");
    assert_eq!(topic.as_str(), "r/ä\u{7f}");
    assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);

    let bad = with_properties(b"\x08\0\x03\xed\xa0\x80");
    refused(&bad, Sender::Server, MALFORMED, "MQTT-1.5.4-1");
    refused(
        &with_properties(b"\x08\0\x02r\0"),
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.4-2",
    );
    for wildcard in [&b"\x08\0\x03a/#"[..], b"\x08\0\x03a/+", b"\x08\0\x01#"] {
        let error = refused(
            &with_properties(wildcard),
            Sender::Server,
            PROTOCOL_ERROR,
            "MQTT-3.3.2-14",
        );
        let field = Field::Property(PropertyId::ResponseTopic);
        assert_eq!(error.kind(), DecodeErrorKind::WildcardInTopicName(field));
    }
    let error = refused(
        &with_properties(b"\x08\0\0"),
        Sender::Server,
        PROTOCOL_ERROR,
        "MQTT-4.7.3-1",
    );
    assert_eq!(
        error.kind(),
        DecodeErrorKind::EmptyTopic(Field::Property(PropertyId::ResponseTopic))
    );
    // A property of the encoder takes a topic name, and there are none with a wildcard, and no
    // empty ones.
    assert_eq!(TopicName::new("a/#"), Err(TopicError::Wildcard { at: 2 }));
    assert_eq!(TopicName::new(""), Err(TopicError::Empty));
}

// covers: MQTT-3.3.2-16, pitfall 19
#[test]
fn correlation_data_are_any_bytes() {
    for data in [
        &b""[..],
        b"\0",
        b"\xff\xfe\0\x80",
        b"0123456789abcdef0123456789abcdef0123456789",
    ] {
        let mut properties = vec![0x09, 0, u8::try_from(data.len()).expect("short")];
        properties.extend(data);
        let bytes = with_properties(&properties);
        let publish = decoded_publish(&bytes, Sender::Server);
        assert_eq!(publish.properties.correlation_data(), Some(data));
        assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);
    }
}

// covers: MQTT-3.3.2-17, MQTT-3.3.2-18, pitfall 17
#[test]
fn user_properties_keep_order_duplicates_and_empty_texts() {
    let bytes = with_properties(
        b"\x26\0\x01b\0\x012\x02\0\0\0\x05\x26\0\x01a\0\0\x26\0\0\0\x01z\x26\0\x01b\0\x012\x26\0\0\0\0",
    );
    let publish = decoded_publish(&bytes, Sender::Server);
    let pairs: Vec<_> = publish.properties.user_properties().collect();
    assert_eq!(
        pairs,
        [("b", "2"), ("a", ""), ("", "z"), ("b", "2"), ("", "")]
    );
    assert_eq!(publish.properties.message_expiry_interval(), Some(5));
    assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);
}

// covers: MQTT-3.3.2-19, MQTT-3.3.2-20
#[test]
fn content_type_is_text_and_surfaced() {
    let bytes = with_properties(b"\x03\0\x0atext/plain");
    let publish = decoded_publish(&bytes, Sender::Server);
    assert_eq!(publish.properties.content_type(), Some("text/plain"));
    assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);
    refused(
        &with_properties(b"\x03\0\x02a\xff"),
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.4-1",
    );
    refused(
        &with_properties(b"\x03\0\x02a\0"),
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.4-2",
    );
    let list = [Property::ContentType("a\0")];
    let bad = Packet::Publish(Publish {
        properties: Properties::new(&list),
        ..crate::packets::publish("t")
    });
    let field = Field::Property(PropertyId::ContentType);
    assert_eq!(
        unencodable(&bad, Sender::Client),
        EncodeError::NulInString(field)
    );
}

// covers: MQTT-3.3.4-3, MQTT-3.3.4-4, MQTT-3.3.4-5, pitfall 14
#[test]
fn subscription_identifiers_may_be_many_and_come_from_servers_only() {
    let ids = |bytes: &[u8]| -> Vec<u32> {
        decoded_publish(bytes, Sender::Server)
            .properties
            .subscription_identifiers()
            .collect()
    };
    let three = with_properties(&[0x0b, 5, 0x0b, 0x80, 0x01, 0x0b, 5]);
    assert_eq!(ids(&three), [5, 128, 5]);
    assert_eq!(
        encoded(
            &Packet::Publish(decoded_publish(&three, Sender::Server)),
            Sender::Server
        ),
        three
    );
    assert_eq!(ids(&with_properties(&[0x0b, 1])), [1]);
    assert_eq!(
        ids(&with_properties(&[0x0b, 0xff, 0xff, 0xff, 0x7f])),
        [268_435_455]
    );
    assert_eq!(ids(&with_properties(&[])), [0_u32; 0]);

    let zero = refused(
        &with_properties(&[0x0b, 0]),
        Sender::Server,
        PROTOCOL_ERROR,
        "section 3.3.2.3",
    );
    let property = PropertyId::SubscriptionIdentifier;
    assert_eq!(
        zero.kind(),
        DecodeErrorKind::PropertyValue { property, value: 0 }
    );

    let error = refused(&three, Sender::Client, PROTOCOL_ERROR, "MQTT-3.3.4-6");
    assert_eq!(
        error.kind(),
        DecodeErrorKind::PropertyFromWrongSender(property)
    );
    for (number, sender, expected) in [
        (
            1,
            Sender::Client,
            EncodeError::PropertyNotAllowed(property, mqtt_proto::PacketType::Publish),
        ),
        (0, Sender::Server, EncodeError::PropertyValue(property)),
        (
            268_435_456,
            Sender::Server,
            EncodeError::PropertyValue(property),
        ),
    ] {
        let list = [Property::SubscriptionIdentifier(number)];
        let bad = Packet::Publish(Publish {
            properties: Properties::new(&list),
            ..publish("t")
        });
        assert_eq!(unencodable(&bad, sender), expected);
    }
}

#[test]
fn a_header_is_written_without_its_payload() {
    let whole = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(9)),
        payload: &[7; 300],
        ..publish("a/b")
    };
    let bytes = encoded(&Packet::Publish(whole), Sender::Client);
    let alone = Publish {
        payload: &[],
        ..whole
    };
    let mut header = vec![0; alone.header_len(300).expect("not too large")];
    assert_eq!(
        alone.encode_header(Sender::Client, 300, &mut header),
        Ok(header.len())
    );
    assert_eq!(bytes, [&header[..], whole.payload].concat());
    for room in 0..header.len() {
        let needed = header.len();
        let error = alone.encode_header(Sender::Client, 300, &mut vec![0; room]);
        assert_eq!(error, Err(EncodeError::BufferTooSmall { needed }));
    }
}

#[test]
fn a_header_is_read_before_its_payload_has_come() {
    let list = [Property::ContentType("text/plain")];
    let sent = Publish {
        properties: Properties::new(&list),
        payload: &[7; 300],
        ..publish("a/b")
    };
    let bytes = encoded(&Packet::Publish(sent), Sender::Client);
    let header = FixedHeader::parse(&bytes, u32::MAX)
        .expect("legal")
        .expect("complete");
    let body = &bytes[header.len()..];
    let expected_len = body.len() - 300;
    for have in 0..body.len() {
        match Publish::decode_header(header, &body[..have], Sender::Client).expect("valid") {
            HeaderFrame::Partial { need } => assert!(have + need <= expected_len && need > 0),
            HeaderFrame::Whole {
                publish,
                header_len,
            } => {
                assert!(have >= expected_len);
                assert_eq!(header_len, expected_len);
                assert_eq!(
                    publish,
                    Publish {
                        payload: &[],
                        ..sent
                    }
                );
            }
        }
    }
    let ack = FixedHeader::parse(&[0x40, 2], u32::MAX)
        .expect("legal")
        .expect("complete");
    let error = Publish::decode_header(ack, &[0, 1], Sender::Client).expect_err("no PUBLISH");
    assert!(matches!(error.kind(), DecodeErrorKind::WrongType { .. }));
}
