//! What every packet looks like on the wire, and what the types say about themselves.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use mqtt_proto::{
    Ack, Auth, ConnAck, DecodeError, DecodeErrorKind, Disconnect, EncodeError, Field, Filters,
    Packet, PacketId, PacketType, Properties, Property, PropertyId, Publish, QoS, ReasonCode,
    ReasonCodes, Sender, Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
};

use crate::packets::{both_ways, connect, decoded, encoded, id, publish, topic};

#[test]
fn one_of_each() {
    let client = Sender::Client;
    let server = Sender::Server;
    both_ways(
        &Packet::Connect(mqtt_proto::Connect {
            clean_start: true,
            keep_alive: 60,
            client_id: "c1",
            ..connect()
        }),
        client,
        b"\x10\x0f\0\x04MQTT\x05\x02\0\x3c\0\0\x02c1",
    );
    let list = [
        Property::AssignedClientIdentifier("c1"),
        Property::ServerKeepAlive(30),
    ];
    both_ways(
        &Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&list),
        }),
        server,
        b"\x20\x0b\0\0\x08\x12\0\x02c1\x13\0\x1e",
    );
    let list = [
        Property::MessageExpiryInterval(60),
        Property::UserProperty("k", "v"),
    ];
    both_ways(
        &Packet::Publish(Publish {
            dup: true,
            qos: QoS::ExactlyOnce,
            retain: true,
            packet_id: Some(id(258)),
            properties: Properties::new(&list),
            payload: b"21.5",
            ..publish("a/b")
        }),
        server,
        b"\x3d\x18\0\x03a/b\x01\x02\x0c\x02\0\0\0\x3c\x26\0\x01k\0\x01v21.5",
    );
    let ack = |reason| Ack {
        packet_id: id(258),
        reason,
        properties: Properties::EMPTY,
    };
    both_ways(
        &Packet::PubAck(ack(ReasonCode::SUCCESS)),
        client,
        &[0x40, 2, 1, 2],
    );
    both_ways(
        &Packet::PubRec(ack(ReasonCode::NO_MATCHING_SUBSCRIBERS)),
        server,
        &[0x50, 3, 1, 2, 0x10],
    );
    both_ways(
        &Packet::PubRel(ack(ReasonCode::SUCCESS)),
        client,
        &[0x62, 2, 1, 2],
    );
    both_ways(
        &Packet::PubComp(ack(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND)),
        server,
        &[0x70, 3, 1, 2, 0x92],
    );
    both_ways(&Packet::PingReq, client, &[0xc0, 0]);
    both_ways(&Packet::PingResp, server, &[0xd0, 0]);
    let list = [Property::ReasonString("bye")];
    both_ways(
        &Packet::Disconnect(Disconnect {
            reason: ReasonCode::SERVER_SHUTTING_DOWN,
            properties: Properties::new(&list),
        }),
        server,
        b"\xe0\x08\x8b\x06\x1f\0\x03bye",
    );
    let list = [
        Property::AuthenticationMethod("SCRAM"),
        Property::AuthenticationData(&[1, 2]),
    ];
    both_ways(
        &Packet::Auth(Auth {
            reason: ReasonCode::RE_AUTHENTICATE,
            properties: Properties::new(&list),
        }),
        client,
        b"\xf0\x0f\x19\x0d\x15\0\x05SCRAM\x16\0\x02\x01\x02",
    );
}

#[test]
fn errors_are_small_and_say_what_to_do() {
    assert!(
        size_of::<DecodeError>() <= 24,
        "{}",
        size_of::<DecodeError>()
    );
    assert!(
        size_of::<EncodeError>() <= 24,
        "{}",
        size_of::<EncodeError>()
    );
    let message =
        |bytes: &[u8], sender| Packet::decode(bytes, sender).expect_err("bad").to_string();
    assert_eq!(
        message(&[0x30, 4, 0, 1, b'#', 0], Sender::Server),
        "invalid PUBLISH at byte 4: a wildcard in topic name (MQTT-3.3.2-2, answer 0x90)"
    );
    assert_eq!(
        message(&[0x20, 5, 0, 0, 2, 0x24, 2], Sender::Server),
        "invalid CONNACK at byte 6: property Maximum QoS cannot be 2 (section 3.2.2.3.4, answer 0x82)"
    );
    assert_eq!(
        message(&[0x20, 4, 0, 0, 1, 0x7e], Sender::Server),
        "malformed CONNACK at byte 5: unknown property 0x7e (section 2.2.2.2, answer 0x81)"
    );
    assert_eq!(
        message(&[0x00, 0], Sender::Server),
        "malformed packet at byte 0: packet type 0 is reserved (section 2.1.2, answer 0x81)"
    );
    let large = mqtt_proto::frame(&[0x30, 0x7f], 100).expect_err("too large");
    assert_eq!(
        large.to_string(),
        "too large PUBLISH at byte 0: the packet has 129 bytes, at most 100 are accepted (section 4.13, answer 0x95)"
    );
    assert_eq!(
        EncodeError::PropertyNotAllowed(PropertyId::TopicAlias, PacketType::ConnAck).to_string(),
        "property Topic Alias is not allowed in this CONNACK"
    );
    assert_eq!(
        EncodeError::NulInString(Field::ClientId).to_string(),
        "client identifier contains U+0000 (MQTT-1.5.4-2)"
    );
}

#[test]
fn a_decode_error_tells_its_parts() {
    let error = Packet::decode(&[0x40, 2, 0, 0], Sender::Client).expect_err("identifier 0");
    assert_eq!(error.packet_type(), Some(PacketType::PubAck));
    assert_eq!(error.offset(), 2);
    assert_eq!(error.kind(), DecodeErrorKind::ZeroPacketId);
    assert_eq!(error.reason(), ReasonCode::PROTOCOL_ERROR);
    assert_eq!(error.statement(), "MQTT-2.2.1-5");
    let cut = Packet::decode(&[0x40, 2, 0], Sender::Client).expect_err("cut");
    assert_eq!((cut.kind(), cut.offset()), (DecodeErrorKind::Truncated, 3));
    let nothing = Packet::decode(&[], Sender::Client).expect_err("nothing");
    assert_eq!(
        (nothing.kind(), nothing.packet_type()),
        (DecodeErrorKind::Truncated, None)
    );
}

#[test]
fn names_of_codes_and_types() {
    assert_eq!(
        ReasonCode::NOT_AUTHORIZED.to_string(),
        "not authorized (0x87)"
    );
    assert_eq!(
        format!("{:?}", ReasonCode::QUOTA_EXCEEDED),
        "quota exceeded (0x97)"
    );
    assert_eq!(ReasonCode::new(0x03), None);
    assert_eq!(ReasonCode::new(0xa3), None);
    assert_eq!(ReasonCode::new(0xff), None);
    let named: Vec<_> = (0..=255).filter_map(ReasonCode::new).collect();
    assert_eq!(named.len(), 43);
    for code in named {
        assert!(!code.to_string().starts_with("unnamed"), "{code}");
        assert_eq!(code.is_failure(), code.value() >= 0x80);
    }
    assert_eq!(PacketType::Publish.to_string(), "PUBLISH");
    assert_eq!(format!("{:<8}|", PacketType::PubAck), "PUBACK  |");
    for (number, packet_type) in (1..).zip(PacketType::ALL) {
        assert_eq!(PacketType::from_u8(number), Some(packet_type));
    }
    assert_eq!(
        (PacketType::from_u8(0), PacketType::from_u8(16)),
        (None, None)
    );
    assert_eq!(
        PacketId::new(7).map(|id| (id.value(), id.to_string())),
        Some((7, "7".to_string()))
    );
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn views_and_lists_are_equal_and_hash_alike() {
    let properties = [
        Property::ReasonString("r"),
        Property::UserProperty("a", "b"),
    ];
    let filters = [
        TopicFilter::new("a").expect("a filter"),
        TopicFilter::new("b/+").expect("a filter"),
    ];
    let entries = filters.map(|filter| Subscription {
        filter,
        options: SubscriptionOptions::default(),
    });
    let reasons = [ReasonCode::SUCCESS, ReasonCode::QUOTA_EXCEEDED];
    let packets = [
        Packet::SubAck(mqtt_proto::SubAck {
            packet_id: id(1),
            properties: Properties::new(&properties),
            reasons: ReasonCodes::new(&reasons),
        }),
        Packet::Subscribe(mqtt_proto::Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            subscriptions: Subscriptions::new(&entries),
        }),
        Packet::Unsubscribe(mqtt_proto::Unsubscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            filters: Filters::new(&filters),
        }),
    ];
    for packet in packets {
        let sender = if packet.packet_type().may_come_from(Sender::Client) {
            Sender::Client
        } else {
            Sender::Server
        };
        let bytes = encoded(&packet, sender);
        let view = decoded(&bytes, sender);
        assert_eq!(view, packet);
        assert_eq!(hash(&view), hash(&packet));
        assert_eq!(format!("{view:?}"), format!("{packet:?}"));
    }
    assert_eq!(Properties::default(), Properties::EMPTY);
    assert!(Properties::EMPTY.is_empty() && Properties::EMPTY.iter().next().is_none());
    let view = Subscriptions::new(&entries);
    assert_eq!((view.len(), view.is_empty()), (2, false));
    assert_eq!(view.iter().len(), 2);
    assert!(view.into_iter().eq(entries));
    assert!(Filters::new(&[]).is_empty());
    assert_eq!(format!("{:?}", Filters::new(&filters)), r#"["a", "b/+"]"#);
    assert_eq!(format!("{:?} {}", topic("a"), topic("a")), r#""a" a"#);
}
