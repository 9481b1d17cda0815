//! Rules for single packets: the broker enforces them on what comes in and keeps them on what it
//! sends.

use mqtt_proto::{
    Auth, Connect, Filters, Packet, PacketId, Properties, Property, Publish, ReasonCode, Sender,
    Subscribe, Subscriptions, TopicFilter, TopicName, Unsubscribe, Will,
};
use mqtt_session::broker::{Access, AuthStep, Broker, BrokerConfig, ConnectionId};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

/// Where a text stands that is then replaced by other bytes.
const MARK: &str = "mark";

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).expect("a valid packet")
}

/// The packet with other bytes, as many, for the one `MARK` in it.
fn with_text(packet: &Packet<'_>, text: &[u8]) -> Vec<u8> {
    assert_eq!(text.len(), MARK.len());
    let mut bytes = bytes(packet);
    let windows = || bytes.windows(MARK.len());
    assert_eq!(windows().filter(|w| *w == MARK.as_bytes()).count(), 1);
    let at = windows().position(|w| w == MARK.as_bytes()).unwrap();
    bytes[at..at + text.len()].copy_from_slice(text);
    bytes
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("not zero")
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).expect("a topic name")
}

/// Every CONNECT with a text at another place, and what it says besides.
fn connects(mut visit: impl FnMut(&Packet<'_>)) {
    let properties = [
        Property::UserProperty(MARK, "v"),
        Property::UserProperty("k", MARK),
        Property::AuthenticationMethod(MARK),
    ];
    for property in &properties {
        visit(&Packet::Connect(Connect {
            properties: Properties::new(core::slice::from_ref(property)),
            ..hello("c")
        }));
    }
    visit(&Packet::Connect(hello(MARK)));
    visit(&Packet::Connect(Connect {
        user_name: Some(MARK),
        ..hello("c")
    }));
    let of_will = [
        Property::ContentType(MARK),
        Property::ResponseTopic(topic(MARK)),
        Property::UserProperty(MARK, "v"),
        Property::UserProperty("k", MARK),
    ];
    for (name, properties) in [(MARK, &[][..]), ("w", &of_will[..])] {
        // Without properties, the topic is what is marked.
        let each = properties
            .chunks(1)
            .chain(properties.is_empty().then_some(properties));
        for properties in each {
            visit(&Packet::Connect(Connect {
                will: Some(Will {
                    qos: Q0,
                    retain: false,
                    topic: topic(name),
                    payload: b"",
                    properties: Properties::new(properties),
                }),
                ..hello("c")
            }));
        }
    }
}

/// Every other packet of a client with a text at another place.
fn packets(mut visit: impl FnMut(&Packet<'_>)) {
    let user = [
        [Property::UserProperty(MARK, "v")],
        [Property::UserProperty("k", MARK)],
    ];
    let texts = [
        [Property::ContentType(MARK)],
        [Property::ResponseTopic(topic(MARK))],
    ];
    visit(&Packet::Publish(publish(Q0, 0, MARK, b"")));
    for properties in texts.iter().chain(&user) {
        visit(&Packet::Publish(Publish {
            properties: Properties::new(properties),
            ..publish(Q1, 1, "t", b"")
        }));
    }
    visit(&subscribe(1, &[filter(MARK, Q0)]));
    let filters = [TopicFilter::new(MARK).unwrap()];
    let other = [TopicFilter::new("t").unwrap()];
    visit(&Packet::Unsubscribe(Unsubscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Filters::new(&filters),
    }));
    let reason = [[Property::ReasonString(MARK)]];
    for properties in reason.iter().chain(&user) {
        let properties = Properties::new(properties);
        let ack = |reason| mqtt_proto::Ack {
            properties,
            ..ack(1, reason)
        };
        visit(&Packet::PubAck(ack(ReasonCode::SUCCESS)));
        visit(&Packet::PubRec(ack(ReasonCode::SUCCESS)));
        visit(&Packet::PubRel(ack(ReasonCode::SUCCESS)));
        visit(&Packet::PubComp(ack(ReasonCode::SUCCESS)));
        visit(&Packet::Disconnect(mqtt_proto::Disconnect {
            reason: ReasonCode::NORMAL_DISCONNECTION,
            properties,
        }));
    }
    for properties in &user {
        let properties = Properties::new(properties);
        visit(&Packet::Subscribe(Subscribe {
            packet_id: id(1),
            properties,
            subscriptions: Subscriptions::new(&[filter("t", Q0)]),
        }));
        visit(&Packet::Unsubscribe(Unsubscribe {
            packet_id: id(1),
            properties,
            filters: Filters::new(&other),
        }));
    }
    let method = [Property::AuthenticationMethod(MARK)];
    visit(&Packet::Auth(Auth {
        reason: ReasonCode::RE_AUTHENTICATE,
        properties: Properties::new(&method),
    }));
}

/// A client whose text is this, wherever it stands, is told that its packet is malformed.
fn is_malformed_everywhere(text: &[u8]) {
    let mut hall = hall();
    let mut connection = 0;
    let mut refused = 0;
    connects(|packet| {
        connection += 1;
        hall.opens(connection)
            .says_bytes(connection, &with_text(packet, text))
            .is_refused(connection, ReasonCode::MALFORMED_PACKET);
        refused += 1;
    });
    assert_eq!(refused, 10);
    packets(|packet| {
        connection += 1;
        hall.joins(connection, &hello("c"))
            .says_bytes(connection, &with_text(packet, text))
            .is_disconnected(connection, ReasonCode::MALFORMED_PACKET);
        refused += 1;
    });
    assert_eq!(refused, 37);
}

// broker: MQTT-1.5.4-1, MQTT-1.5.7-1, MQTT-3.3.2-1, MQTT-3.3.2-13, MQTT-3.3.2-19
#[test]
fn text_that_is_not_utf8_ends_the_connection_wherever_it_stands() {
    for text in [
        b"a\xed\xa0\x80", // D800
        b"\xed\xbf\xbfa", // DFFF
        b"\xc0\x80aa",    // NUL in two bytes
        b"aa\xe2\x82",    // cut short
        b"a\xffaa",
        b"\xf4\x90\x80\x80", // beyond 10FFFF
    ] {
        is_malformed_everywhere(text);
    }
}

// broker: MQTT-1.5.4-2, MQTT-1.5.7-1
#[test]
fn nul_ends_the_connection_wherever_it_stands() {
    is_malformed_everywhere(b"a\0bc");
    is_malformed_everywhere(b"abc\0");
}

// broker: MQTT-1.5.4-3
#[test]
fn a_byte_order_mark_is_text_as_any_other() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("marked"))
        .subscribes(2, "\u{feff}a", Q0);
    hall.joins(3, &hello("plain")).subscribes(3, "a", Q0);
    let kept = [
        Property::ContentType("\u{feff}"),
        Property::UserProperty("\u{feff}k", "v\u{feff}"),
    ];
    let message = Packet::Publish(Publish {
        properties: Properties::new(&kept),
        ..publish(Q0, 0, "\u{feff}a", b"\xef\xbb\xbf")
    });
    hall.says(1, message).hears(2, message).silent();
    // A client identifier with one names another session than the one without.
    hall.joins(4, &hello("\u{feff}plain")).silent();
    assert_eq!(hall.broker.load().connections, 4);
}

// broker: MQTT-1.5.5-1
#[test]
fn a_number_that_is_longer_than_it_must_be_ends_the_connection() {
    let long = [
        &b"\xc0\x80\x00"[..],                             // PINGREQ of 0 bytes
        b"\x30\x84\x00\x00\x01t\x00",                     // PUBLISH of 4 bytes
        b"\x30\x05\x00\x01t\x80\x00",                     // its properties
        b"\x30\x80\x80\x80\x80\x01",                      // five bytes
        b"\x30\xff\xff\xff\xff\x7f",                      // five bytes
        b"\x82\x09\x00\x01\x03\x0b\x81\x00\x00\x01t\x00", // a subscription identifier
        b"\x82\x80\x00",
    ];
    let mut hall = hall();
    for (connection, bytes) in (1..).zip(long) {
        hall.joins(connection, &hello("c"))
            .says_bytes(connection, bytes)
            .is_disconnected(connection, ReasonCode::MALFORMED_PACKET);
    }
    let mut connect = bytes(&Packet::Connect(hello("c")));
    connect.splice(1..2, [connect[1] | 0x80, 0]);
    hall.opens(100)
        .says_bytes(100, &connect)
        .is_refused(100, ReasonCode::MALFORMED_PACKET);
}

// broker: MQTT-1.5.5-1
#[test]
fn lengths_and_identifiers_that_are_sent_are_as_short_as_can_be() {
    let mut hall = hall_with(BrokerConfig {
        maximum_packet_size: 4 << 20,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("s")).subscribes(2, "t", Q1);
    for (number, (remaining, head)) in (1..).zip([
        (127_usize, &b"\x7f"[..]),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (2_097_152, b"\x80\x80\x80\x01"),
    ]) {
        for qos in [Q0, Q1] {
            // Beside the payload: the topic, an identifier at QoS 1, no properties.
            let payload = vec![b'x'; remaining - 4 - if qos == Q1 { 2 } else { 0 }];
            let number = if qos == Q1 { number } else { 0 };
            hall.publishes(1, qos, number, "t", &payload);
            let heard = hall.next(2).expect("a message");
            assert_eq!(heard[1..=head.len()], *head);
            assert_eq!(heard.len(), 1 + head.len() + remaining);
            if qos == Q1 {
                hall.hears(1, puback(number)).says(2, puback(number));
            }
        }
    }
    for (number, (identifier, encoded)) in (1..).zip([
        (1_u32, &b"\x0b\x01"[..]),
        (127, b"\x0b\x7f"),
        (128, b"\x0b\x80\x01"),
        (16_383, b"\x0b\xff\x7f"),
        (16_384, b"\x0b\x80\x80\x01"),
        (2_097_151, b"\x0b\xff\xff\x7f"),
        (2_097_152, b"\x0b\x80\x80\x80\x01"),
        (268_435_455, b"\x0b\xff\xff\xff\x7f"),
    ]) {
        let property = [Property::SubscriptionIdentifier(identifier)];
        hall.says(
            2,
            Packet::Subscribe(Subscribe {
                packet_id: id(number),
                properties: Properties::new(&property),
                subscriptions: Subscriptions::new(&[filter("t", Q0)]),
            }),
        );
        hall.hears(2, suback(number, &[ReasonCode::GRANTED_QOS_0]));
        hall.publishes(1, Q0, 0, "t", b"");
        let heard = hall.next(2).expect("a message");
        let length = u8::try_from(encoded.len()).unwrap();
        assert_eq!(heard[5..], [&[length], encoded].concat());
    }
}

// broker: MQTT-2.1.3-1
#[test]
fn wrong_flags_of_the_fixed_header_end_the_connection() {
    let mut hall = hall();
    let mut connection = 0;
    for (kind, right) in [
        (0x1, 0b0000),
        (0x4, 0b0000),
        (0x5, 0b0000),
        (0x6, 0b0010),
        (0x7, 0b0000),
        (0x8, 0b0010),
        (0xa, 0b0010),
        (0xc, 0b0000),
        (0xe, 0b0000),
        (0xf, 0b0000),
    ] {
        for flags in (0..16).filter(|flags| *flags != right) {
            connection += 1;
            hall.joins(connection, &hello("c"))
                .says_bytes(connection, &[kind << 4 | flags, 0])
                .is_disconnected(connection, ReasonCode::MALFORMED_PACKET);
        }
    }
    for flags in 1..16 {
        let mut connect = bytes(&Packet::Connect(hello("other")));
        connect[0] |= flags;
        connection += 1;
        hall.opens(connection)
            .says_bytes(connection, &connect)
            .is_refused(connection, ReasonCode::MALFORMED_PACKET);
    }
    assert_eq!(connection, 165);
}

/// Accepts a method of one step.
struct OneStep;

impl Access for OneStep {
    fn authenticate(&mut self, _: ConnectionId, _: &str, _: Option<&[u8]>) -> AuthStep {
        AuthStep::Accept(None)
    }
}

// broker: MQTT-2.1.3-1, MQTT-2.2.2-1, MQTT-2.2.1-2, MQTT-3.3.2-1
#[test]
fn packets_are_sent_with_the_flags_of_their_kind_and_an_empty_list_as_zero() {
    let mut hall = Hall::new(Broker::with_access(BrokerConfig::default(), OneStep));
    let method = [Property::AuthenticationMethod("m")];
    hall.opens(1).says(
        1,
        Packet::Connect(Connect {
            properties: Properties::new(&method),
            ..hello("c")
        }),
    );
    let heard = |hall: &mut Hall<OneStep>| hall.next(1).expect("a packet");
    assert_eq!(heard(&mut hall)[..1], [0x20]);
    hall.says(
        1,
        Packet::Auth(Auth {
            reason: ReasonCode::RE_AUTHENTICATE,
            properties: Properties::new(&method),
        }),
    );
    assert_eq!(heard(&mut hall), b"\xf0\x06\x00\x04\x15\x00\x01m");
    hall.says(1, subscribe(1, &[filter("t", Q2)]));
    assert_eq!(heard(&mut hall), b"\x90\x04\x00\x01\x00\x02");
    hall.says(
        1,
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id(2),
            properties: Properties::EMPTY,
            filters: Filters::new(&[TopicFilter::new("u").unwrap()]),
        }),
    );
    assert_eq!(heard(&mut hall), b"\xb0\x04\x00\x02\x00\x11");
    hall.publishes(1, Q0, 0, "t", b"");
    assert_eq!(heard(&mut hall), b"\x30\x04\x00\x01t\x00");
    hall.publishes(1, Q1, 1, "t", b"");
    let mut both = [heard(&mut hall), heard(&mut hall)];
    both.sort();
    assert_eq!(both[0], b"\x32\x06\x00\x01t\x00\x01\x00");
    assert_eq!(both[1], b"\x40\x02\x00\x01");
    hall.says(1, puback(1)).publishes(1, Q2, 1, "t", b"");
    let mut both = [heard(&mut hall), heard(&mut hall)];
    both.sort();
    assert_eq!(both[0], b"\x34\x06\x00\x01t\x00\x02\x00");
    assert_eq!(both[1], b"\x50\x02\x00\x01");
    hall.says(1, pubrec(2));
    assert_eq!(heard(&mut hall), b"\x62\x02\x00\x02");
    hall.says(1, pubrel(1));
    assert_eq!(heard(&mut hall), b"\x70\x02\x00\x01");
    hall.says(1, Packet::PingReq);
    assert_eq!(heard(&mut hall), b"\xd0\x00");
    hall.says_bytes(1, b"\x00");
    assert_eq!(heard(&mut hall), b"\xe0\x01\x81");
    hall.is_closed(1);

    hall.opens(2).says_bytes(2, b"\x10\x07\x00\x04MQTT\x06");
    assert_eq!(hall.next(2).expect("CONNACK"), b"\x20\x03\x00\x84\x00");
}

// broker: MQTT-2.2.2-1
#[test]
fn a_packet_without_the_length_of_its_properties_ends_the_connection() {
    let mut hall = hall();
    for (connection, packet) in (1..).zip([
        &b"\x30\x03\x00\x01t"[..],    // PUBLISH
        b"\x32\x05\x00\x01t\x00\x01", // at QoS 1
        b"\x82\x02\x00\x01",          // SUBSCRIBE
        b"\xa2\x02\x00\x01",          // UNSUBSCRIBE
    ]) {
        hall.joins(connection, &hello("c"))
            .says_bytes(connection, packet)
            .is_disconnected(connection, ReasonCode::MALFORMED_PACKET);
    }
    hall.opens(9)
        .says_bytes(9, b"\x10\x0a\x00\x04MQTT\x05\x02\x00\x00")
        .is_refused(9, ReasonCode::MALFORMED_PACKET);
}

// broker: MQTT-3.3.1-2, MQTT-3.3.1-4
#[test]
fn dup_at_qos_0_and_qos_3_end_the_connection() {
    let mut hall = hall();
    let mut connection = 0;
    for first in [0x38, 0x39, 0x36, 0x37, 0x3e, 0x3f] {
        for rest in [&b"\x04\x00\x01t\x00"[..], b"\x06\x00\x01t\x00\x01\x00"] {
            connection += 1;
            hall.joins(connection, &hello("c"))
                .says_bytes(connection, &[&[first], rest].concat())
                .is_disconnected(connection, ReasonCode::MALFORMED_PACKET);
        }
    }
}

// broker: MQTT-3.3.2-2, MQTT-3.3.2-14
#[test]
fn wildcards_in_topic_names_end_the_connection() {
    let mut hall = hall();
    let mut connection = 0;
    let marked = [Property::ResponseTopic(topic(MARK))];
    let asking = Publish {
        properties: Properties::new(&marked),
        ..publish(Q0, 0, "t", b"")
    };
    let messages = [
        (publish(Q0, 0, MARK, b""), ReasonCode::TOPIC_NAME_INVALID),
        (publish(Q1, 1, MARK, b""), ReasonCode::TOPIC_NAME_INVALID),
        (asking, ReasonCode::PROTOCOL_ERROR),
    ];
    for text in [b"mar#", b"ma/#", b"m+rk", b"+/rk", b"#/rk"] {
        for (message, reason) in messages {
            connection += 1;
            hall.joins(connection, &hello("c"))
                .says_bytes(connection, &with_text(&Packet::Publish(message), text))
                .is_disconnected(connection, reason);
        }
    }
}
