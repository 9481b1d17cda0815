//! Text on the wire (sections 1.5.4 and 1.5.7).

use mqtt_proto::{
    DecodeErrorKind, EncodeError, Field, Packet, Properties, Property, PropertyId, Publish,
    ReasonCode, Sender, TopicError, TopicName,
};

use crate::packets::{connect, decoded_publish, encoded, packet, publish, refused, unencodable};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;

/// Bytes that are not UTF-8: a surrogate (once called "U+FFFF" in a well-known test set, pitfall
/// 18), a lone continuation, an overlong NUL, a cut sequence, more than U+10FFFF.
const NOT_UTF8: [&[u8]; 6] = [
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\x80",
    b"\xc0\x80",
    b"\xe2\x82",
    b"\xf4\x90\x80\x80",
];

/// A PUBLISH with QoS 0 to this topic.
fn publish_to(topic: &[u8]) -> Vec<u8> {
    let mut body = vec![0, u8::try_from(topic.len()).expect("a short topic")];
    body.extend(topic);
    body.push(0);
    packet(0x30, &body)
}

/// A PUBLISH to `t` with one user property.
fn publish_with_pair(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut properties = vec![0x26];
    for text in [name, value] {
        properties.extend([0, u8::try_from(text.len()).expect("a short text")]);
        properties.extend(text);
    }
    let mut body = vec![
        0,
        1,
        b't',
        u8::try_from(properties.len()).expect("few properties"),
    ];
    body.extend(properties);
    packet(0x30, &body)
}

// covers: MQTT-1.5.4-1, MQTT-3.3.2-1, pitfall 18
#[test]
fn text_is_utf8_without_surrogates() {
    for bad in NOT_UTF8 {
        // In the first bytes of a text and behind many others, which are scanned in blocks.
        for before in [0, 1, 7, 15, 16, 40] {
            let topic = ["x".repeat(before).as_bytes(), bad].concat();
            let error = refused(
                &publish_to(&topic),
                Sender::Server,
                MALFORMED,
                "MQTT-1.5.4-1",
            );
            assert_eq!(error.kind(), DecodeErrorKind::InvalidUtf8(Field::TopicName));
            assert_eq!(error.offset(), 4 + before, "{error}");
        }
    }
    // The types of the encoder admit `&str` only, which is UTF-8.
    assert!(
        NOT_UTF8
            .iter()
            .all(|bytes| core::str::from_utf8(bytes).is_err())
    );
}

// covers: MQTT-1.5.4-2
#[test]
fn text_has_no_nul() {
    for (before, after) in [
        (0, 0),
        (0, 9),
        (1, 1),
        (7, 0),
        (8, 8),
        (15, 1),
        (16, 0),
        (31, 1),
        (40, 40),
    ] {
        let text = format!("{}\0{}", "x".repeat(before), "y".repeat(after));
        let error = refused(
            &publish_to(text.as_bytes()),
            Sender::Server,
            MALFORMED,
            "MQTT-1.5.4-2",
        );
        assert_eq!(error.kind(), DecodeErrorKind::NulInText(Field::TopicName));
        assert_eq!(error.offset(), 4 + before);
        assert_eq!(TopicName::new(&text), Err(TopicError::Nul { at: before }));

        let list = [Property::ReasonString(&text)];
        let disconnect = Packet::Disconnect(mqtt_proto::Disconnect {
            reason: ReasonCode::UNSPECIFIED_ERROR,
            properties: Properties::new(&list),
        });
        let field = Field::Property(PropertyId::ReasonString);
        assert_eq!(
            unencodable(&disconnect, Sender::Server),
            EncodeError::NulInString(field)
        );
    }
    let named = Packet::Connect(mqtt_proto::Connect {
        user_name: Some("a\0"),
        ..connect()
    });
    assert_eq!(
        unencodable(&named, Sender::Client),
        EncodeError::NulInString(Field::UserName)
    );
}

// covers: MQTT-1.5.4-2, MQTT-1.5.4-1
#[test]
fn every_text_of_a_connect_is_checked() {
    let good = Packet::Connect(mqtt_proto::Connect {
        client_id: "client",
        user_name: Some("user"),
        will: Some(mqtt_proto::Will {
            qos: mqtt_proto::QoS::AtMostOnce,
            retain: false,
            topic: crate::packets::topic("will"),
            payload: b"",
            properties: Properties::new(&[Property::ContentType("type")]),
        }),
        ..connect()
    });
    let bytes = encoded(&good, Sender::Client);
    for text in ["client", "user", "will", "type"] {
        let at = bytes
            .windows(text.len())
            .position(|part| part == text.as_bytes())
            .expect("it is there");
        let mut bad = bytes.clone();
        bad[at + 1] = 0;
        assert_eq!(
            refused(&bad, Sender::Client, MALFORMED, "MQTT-1.5.4-2").offset(),
            at + 1
        );
        bad[at + 1] = 0xff;
        assert_eq!(
            refused(&bad, Sender::Client, MALFORMED, "MQTT-1.5.4-1").offset(),
            at + 1
        );
    }
}

// covers: MQTT-1.5.4-3
#[test]
fn a_byte_order_mark_is_ordinary_text() {
    let bytes = publish_to(b"\xef\xbb\xbfa");
    let publish = decoded_publish(&bytes, Sender::Server);
    assert_eq!(publish.topic.expect("a topic").as_str(), "\u{feff}a");
    assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);
}

// covers: pitfall 18
#[test]
fn control_characters_and_noncharacters_are_accepted() {
    for text in [
        "\u{1}",
        "a\u{7f}b",
        "\u{9f}",
        "\u{ffff}",
        "\u{fdd0}",
        "tab\there",
        "\u{10ffff}",
    ] {
        let bytes = publish_to(text.as_bytes());
        let publish = decoded_publish(&bytes, Sender::Server);
        assert_eq!(publish.topic.expect("a topic").as_str(), text);
        assert_eq!(encoded(&Packet::Publish(publish), Sender::Server), bytes);
    }
}

// covers: MQTT-1.5.7-1
#[test]
fn both_texts_of_a_pair_obey_the_rules() {
    for bad in NOT_UTF8 {
        let error = refused(
            &publish_with_pair(bad, b"v"),
            Sender::Client,
            MALFORMED,
            "MQTT-1.5.7-1",
        );
        assert_eq!(error.offset(), 9);
        let error = refused(
            &publish_with_pair(b"n", bad),
            Sender::Client,
            MALFORMED,
            "MQTT-1.5.7-1",
        );
        assert_eq!(error.offset(), 12);
    }
    refused(
        &publish_with_pair(b"n\0", b"v"),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.7-1",
    );
    refused(
        &publish_with_pair(b"n", b"\0v"),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.7-1",
    );

    let field = Field::Property(PropertyId::UserProperty);
    for (name, value) in [("n\0", "v"), ("n", "\0v")] {
        let list = [Property::UserProperty(name, value)];
        let bad = Packet::Publish(Publish {
            properties: Properties::new(&list),
            ..publish("t")
        });
        assert_eq!(
            unencodable(&bad, Sender::Client),
            EncodeError::NulInString(field)
        );
    }
}

// covers: MQTT-4.7.3-3
#[test]
fn text_of_more_than_65535_bytes_is_not_cut_but_refused() {
    let long = "x".repeat(65_536);
    let limit = &long[1..];
    let list = [Property::UserProperty("n", &long)];
    let bad = Packet::Publish(Publish {
        properties: Properties::new(&list),
        ..publish("t")
    });
    let field = Field::Property(PropertyId::UserProperty);
    assert_eq!(
        bad.encode(Sender::Client, &mut vec![0; 140_000]),
        Err(EncodeError::StringTooLong(field))
    );
    let list = [Property::CorrelationData(long.as_bytes())];
    let bad = Packet::Publish(Publish {
        properties: Properties::new(&list),
        ..publish("t")
    });
    let field = Field::Property(PropertyId::CorrelationData);
    assert_eq!(
        bad.encode(Sender::Client, &mut vec![0; 140_000]),
        Err(EncodeError::BinaryTooLong(field))
    );
    let list = [
        Property::UserProperty(limit, limit),
        Property::CorrelationData(limit.as_bytes()),
    ];
    let good = Packet::Publish(Publish {
        properties: Properties::new(&list),
        ..publish("t")
    });
    let bytes = encoded(&good, Sender::Client);
    assert_eq!(Packet::decode(&bytes, Sender::Client), Ok(good));
}
