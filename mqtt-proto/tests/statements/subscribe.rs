//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (sections 3.8 to 3.11).

use mqtt_proto::{
    DecodeErrorKind, EncodeError, Field, Filters, Packet, PacketType, Properties, Property,
    PropertyId, QoS, ReasonCode, ReasonCodes, RetainHandling, Sender, SubAck, Subscribe,
    Subscription, SubscriptionOptions, Subscriptions, TopicError, TopicFilter, UnsubAck,
    Unsubscribe,
};

use crate::packets::{both_ways, decoded, encoded, id, packet, refused, unencodable};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;
const PROTOCOL_ERROR: ReasonCode = ReasonCode::PROTOCOL_ERROR;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).expect("a topic filter")
}

fn subscribe<'a>(list: &'a [Subscription<'a>]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        subscriptions: Subscriptions::new(list),
    })
}

/// A SUBSCRIBE to one filter with this options byte.
fn subscribe_bytes(filter: &[u8], options: u8) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0, u8::try_from(filter.len()).expect("short")];
    body.extend(filter);
    body.push(options);
    packet(0x82, &body)
}

// covers: MQTT-3.8.1-1, MQTT-3.10.1-1
#[test]
fn vectors() {
    let list = [
        Subscription {
            filter: filter("a/b"),
            options: SubscriptionOptions {
                qos: QoS::AtLeastOnce,
                ..SubscriptionOptions::default()
            },
        },
        Subscription {
            filter: filter("c/#"),
            options: SubscriptionOptions {
                qos: QoS::ExactlyOnce,
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::DoNotSend,
            },
        },
    ];
    let properties = [Property::SubscriptionIdentifier(300)];
    let packet = Packet::Subscribe(Subscribe {
        packet_id: id(10),
        properties: Properties::new(&properties),
        subscriptions: Subscriptions::new(&list),
    });
    both_ways(
        &packet,
        Sender::Client,
        b"\x82\x12\0\x0a\x03\x0b\xac\x02\0\x03a/b\x01\0\x03c/#\x2e",
    );

    let filters = [filter("a/b"), filter("$share/g/c")];
    let packet = Packet::Unsubscribe(Unsubscribe {
        packet_id: id(11),
        properties: Properties::EMPTY,
        filters: Filters::new(&filters),
    });
    both_ways(
        &packet,
        Sender::Client,
        b"\xa2\x14\0\x0b\0\0\x03a/b\0\x0a$share/g/c",
    );

    let reasons = [ReasonCode::GRANTED_QOS_1, ReasonCode::NOT_AUTHORIZED];
    let packet = Packet::SubAck(SubAck {
        packet_id: id(10),
        properties: Properties::EMPTY,
        reasons: ReasonCodes::new(&reasons),
    });
    both_ways(&packet, Sender::Server, &[0x90, 5, 0, 10, 0, 1, 0x87]);

    let reasons = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
    let packet = Packet::UnsubAck(UnsubAck {
        packet_id: id(11),
        properties: Properties::EMPTY,
        reasons: ReasonCodes::new(&reasons),
    });
    both_ways(&packet, Sender::Server, &[0xb0, 5, 0, 11, 0, 0, 0x11]);
}

// covers: MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11, MQTT-3.3.1-12, MQTT-3.3.1-13, MQTT-3.8.3-3, MQTT-3.8.3-5, pitfall 22
#[test]
fn every_options_byte() {
    for byte in 0..=255_u8 {
        let bytes = subscribe_bytes(b"a", byte);
        let (qos, handling) = (byte & 3, byte >> 4 & 3);
        if byte & 0b1100_0000 != 0 {
            let error = refused(&bytes, Sender::Client, MALFORMED, "MQTT-3.8.3-5");
            assert_eq!(
                (error.kind(), error.offset()),
                (DecodeErrorKind::SubscriptionOptions(byte), 8)
            );
        } else if qos == 3 {
            let error = refused(&bytes, Sender::Client, PROTOCOL_ERROR, "section 3.8.3.1");
            assert_eq!(error.kind(), DecodeErrorKind::InvalidSubscriptionQoS);
        } else if handling == 3 {
            let error = refused(&bytes, Sender::Client, PROTOCOL_ERROR, "section 3.8.3.1");
            assert_eq!(error.kind(), DecodeErrorKind::InvalidRetainHandling);
        } else {
            let options = SubscriptionOptions {
                qos: QoS::from_u8(qos).expect("below 3"),
                no_local: byte & 4 != 0,
                retain_as_published: byte & 8 != 0,
                retain_handling: match handling {
                    0 => RetainHandling::SendAtSubscribe,
                    1 => RetainHandling::SendIfNew,
                    _ => RetainHandling::DoNotSend,
                },
            };
            // All options that there are leave bits 6 and 7 at 0.
            both_ways(
                &subscribe(&[Subscription {
                    filter: filter("a"),
                    options,
                }]),
                Sender::Client,
                &bytes,
            );
        }
    }
}

// covers: MQTT-3.8.3-1, MQTT-3.10.3-1
#[test]
fn filters_obey_the_text_rules() {
    assert_eq!(TopicFilter::new("a\0"), Err(TopicError::Nul { at: 1 }));
    refused(
        &subscribe_bytes(b"a\0", 0),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-2",
    );
    let error = refused(
        &subscribe_bytes(b"a\xff", 0),
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-1",
    );
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::InvalidUtf8(Field::TopicFilter), 8)
    );
    refused(
        b"\xa2\x07\0\x01\0\0\x02a\0",
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-2",
    );
    refused(
        b"\xa2\x07\0\x01\0\0\x02a\xff",
        Sender::Client,
        MALFORMED,
        "MQTT-1.5.4-1",
    );
}

// covers: MQTT-3.8.3-2, MQTT-3.10.3-2
#[test]
fn there_is_at_least_one_filter() {
    assert_eq!(
        unencodable(&subscribe(&[]), Sender::Client),
        EncodeError::Empty(PacketType::Subscribe)
    );
    let error = refused(
        &packet(0x82, &[0, 1, 0]),
        Sender::Client,
        PROTOCOL_ERROR,
        "MQTT-3.8.3-2",
    );
    assert_eq!(error.kind(), DecodeErrorKind::EmptyPayload);
    let none = Packet::Unsubscribe(Unsubscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Filters::new(&[]),
    });
    assert_eq!(
        unencodable(&none, Sender::Client),
        EncodeError::Empty(PacketType::Unsubscribe)
    );
    refused(
        &packet(0xa2, &[0, 1, 0]),
        Sender::Client,
        PROTOCOL_ERROR,
        "MQTT-3.10.3-2",
    );
}

// covers: MQTT-3.8.3-4, pitfall 22
#[test]
fn no_local_is_not_for_shared_subscriptions() {
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let shared = [
        Subscription {
            filter: filter("b"),
            options,
        },
        Subscription {
            filter: filter("$share/g/a"),
            options,
        },
    ];
    assert_eq!(
        unencodable(&subscribe(&shared), Sender::Client),
        EncodeError::NoLocalOnShared
    );
    let error = refused(
        &subscribe_bytes(b"$share/g/a", 0x04),
        Sender::Client,
        PROTOCOL_ERROR,
        "MQTT-3.8.3-4",
    );
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::NoLocalOnShared, 5)
    );
    // It is for all others, and a shared subscription without it is fine.
    decoded(&subscribe_bytes(b"$shared/g/a", 0x04), Sender::Client);
    decoded(&subscribe_bytes(b"$share/g/a", 0x00), Sender::Client);
}

// covers: MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.8.2-1, MQTT-4.8.2-2, MQTT-4.7.3-1
#[test]
fn filters_on_the_wire_obey_the_rules_of_filters() {
    let cases: [(&[u8], &str, DecodeErrorKind, usize); 9] = [
        (
            b"a#",
            "MQTT-4.7.1-1",
            DecodeErrorKind::MultiLevelWildcard,
            1,
        ),
        (
            b"a/#/b",
            "MQTT-4.7.1-1",
            DecodeErrorKind::MultiLevelWildcard,
            2,
        ),
        (
            b"a+/b",
            "MQTT-4.7.1-2",
            DecodeErrorKind::SingleLevelWildcard,
            1,
        ),
        (b"$share//a", "MQTT-4.8.2-1", DecodeErrorKind::ShareName, 7),
        (b"$share/", "MQTT-4.8.2-1", DecodeErrorKind::ShareName, 7),
        (b"$share/g", "MQTT-4.8.2-2", DecodeErrorKind::ShareFilter, 8),
        (
            b"$share/g/",
            "MQTT-4.8.2-2",
            DecodeErrorKind::ShareFilter,
            9,
        ),
        (
            b"$share/+/a",
            "MQTT-4.8.2-2",
            DecodeErrorKind::ShareFilter,
            7,
        ),
        (
            b"$share/g/a#",
            "MQTT-4.7.1-1",
            DecodeErrorKind::MultiLevelWildcard,
            10,
        ),
    ];
    for (text, statement, kind, at) in cases {
        let bytes = subscribe_bytes(text, 0);
        let error = refused(
            &bytes,
            Sender::Client,
            ReasonCode::TOPIC_FILTER_INVALID,
            statement,
        );
        assert_eq!((error.kind(), error.offset()), (kind, 7 + at), "{}", error);
    }
    let empty = refused(
        &subscribe_bytes(b"", 0),
        Sender::Client,
        PROTOCOL_ERROR,
        "MQTT-4.7.3-1",
    );
    assert_eq!(
        empty.kind(),
        DecodeErrorKind::EmptyTopic(Field::TopicFilter)
    );
}

// covers: pitfall 14
#[test]
fn a_subscription_has_one_identifier() {
    let twice = packet(0x82, &[0, 1, 4, 0x0b, 1, 0x0b, 1, 0, 1, b'a', 0]);
    let error = refused(&twice, Sender::Client, PROTOCOL_ERROR, "section 3.8.2.1");
    assert_eq!(
        error.kind(),
        DecodeErrorKind::DuplicateProperty(PropertyId::SubscriptionIdentifier)
    );
    let zero = packet(0x82, &[0, 1, 2, 0x0b, 0, 0, 1, b'a', 0]);
    let error = refused(&zero, Sender::Client, PROTOCOL_ERROR, "section 3.8.2.1");
    let property = PropertyId::SubscriptionIdentifier;
    assert_eq!(
        error.kind(),
        DecodeErrorKind::PropertyValue { property, value: 0 }
    );

    let entry = [Subscription {
        filter: filter("a"),
        options: SubscriptionOptions::default(),
    }];
    let with = |list| {
        Packet::Subscribe(Subscribe {
            packet_id: id(1),
            properties: Properties::new(list),
            subscriptions: Subscriptions::new(&entry),
        })
    };
    let list = [
        Property::SubscriptionIdentifier(1),
        Property::SubscriptionIdentifier(2),
    ];
    assert_eq!(
        unencodable(&with(&list), Sender::Client),
        EncodeError::DuplicateProperty(property)
    );
    let largest = [Property::SubscriptionIdentifier(268_435_455)];
    let bytes = encoded(&with(&largest), Sender::Client);
    assert_eq!(decoded(&bytes, Sender::Client), with(&largest));
    // What a PUBLISH repeated is not passed on to a SUBSCRIBE.
    let publish = packet(0x30, &[0, 1, b't', 4, 0x0b, 1, 0x0b, 2]);
    let repeated = crate::packets::decoded_publish(&publish, Sender::Server).properties;
    let bad = Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: repeated,
        subscriptions: Subscriptions::new(&entry),
    });
    assert_eq!(
        unencodable(&bad, Sender::Client),
        EncodeError::DuplicateProperty(property)
    );
}

fn check_codes(kind: PacketType, first: u8, statement: &str, table: &[u8]) {
    for code in 0..=255 {
        let bytes = packet(first, &[0, 1, 0, table[0], code]);
        if table.contains(&code) {
            let packet = decoded(&bytes, Sender::Server);
            let reasons = match packet {
                Packet::SubAck(ack) => ack.reasons,
                Packet::UnsubAck(ack) => ack.reasons,
                other => panic!("{other:?}"),
            };
            let numbers: Vec<_> = reasons.iter().map(ReasonCode::value).collect();
            assert_eq!(numbers, [table[0], code]);
            assert_eq!(reasons.len(), 2);
            assert_eq!(encoded(&packet, Sender::Server), bytes);
            continue;
        }
        let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, statement);
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::ReasonCode(code), 6)
        );
        if let Some(code) = ReasonCode::new(code) {
            let list = [code];
            let (packet_id, properties, reasons) =
                (id(1), Properties::EMPTY, ReasonCodes::new(&list));
            let bad = match kind {
                PacketType::SubAck => Packet::SubAck(SubAck {
                    packet_id,
                    properties,
                    reasons,
                }),
                _ => Packet::UnsubAck(UnsubAck {
                    packet_id,
                    properties,
                    reasons,
                }),
            };
            assert_eq!(
                unencodable(&bad, Sender::Server),
                EncodeError::ReasonCode { code, packet: kind }
            );
        }
    }
}

// covers: MQTT-3.9.3-2, pitfall 26
#[test]
fn suback_codes() {
    let table = [
        0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2,
    ];
    check_codes(PacketType::SubAck, 0x90, "MQTT-3.9.3-2", &table);
}

// covers: MQTT-3.11.3-2, pitfall 26
#[test]
fn unsuback_codes() {
    check_codes(
        PacketType::UnsubAck,
        0xb0,
        "MQTT-3.11.3-2",
        &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
    );
}

// covers: pitfall 27
#[test]
fn an_answer_without_codes_is_refused() {
    for (first, statement) in [(0x90, "section 3.9.3"), (0xb0, "section 3.11.3")] {
        let error = refused(
            &packet(first, &[0, 1, 0]),
            Sender::Server,
            PROTOCOL_ERROR,
            statement,
        );
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::EmptyPayload, 5)
        );
    }
    let (packet_id, properties, reasons) = (id(1), Properties::EMPTY, ReasonCodes::new(&[]));
    let none = Packet::SubAck(SubAck {
        packet_id,
        properties,
        reasons,
    });
    assert_eq!(
        unencodable(&none, Sender::Server),
        EncodeError::Empty(PacketType::SubAck)
    );
    let none = Packet::UnsubAck(UnsubAck {
        packet_id,
        properties,
        reasons,
    });
    assert_eq!(
        unencodable(&none, Sender::Server),
        EncodeError::Empty(PacketType::UnsubAck)
    );
}
