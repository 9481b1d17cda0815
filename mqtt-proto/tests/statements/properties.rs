//! Properties (section 2.2.2): which packet may carry which, how often, and how they are read.

use mqtt_proto::{
    DecodeErrorKind, EncodeError, Packet, PacketType, PayloadFormat, Properties, Property,
    PropertyId, Publish, QoS, ReasonCode, Sender,
};

use crate::packets::{
    decoded, decoded_publish, encoded, packet, publish, refused, topic, unencodable,
};

/// Where properties stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    In(PacketType),
    Will,
}

/// One legal encoding of each property.
fn sample(id: PropertyId) -> Vec<u8> {
    let value: &[u8] = match id {
        PropertyId::PayloadFormatIndicator
        | PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::MaximumQoS
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => &[1],
        PropertyId::ServerKeepAlive
        | PropertyId::ReceiveMaximum
        | PropertyId::TopicAliasMaximum
        | PropertyId::TopicAlias => &[0, 9],
        PropertyId::MessageExpiryInterval
        | PropertyId::SessionExpiryInterval
        | PropertyId::WillDelayInterval
        | PropertyId::MaximumPacketSize => &[0, 0, 0, 9],
        PropertyId::SubscriptionIdentifier => &[9],
        PropertyId::UserProperty => b"\0\x01n\0\x01v",
        _ => b"\0\x01x",
    };
    [&[id as u8], value].concat()
}

/// The same as the encoder gets it.
fn sample_value(id: PropertyId) -> Property<'static> {
    let flag = true;
    match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(9),
        PropertyId::ContentType => Property::ContentType("x"),
        PropertyId::ResponseTopic => Property::ResponseTopic(topic("x")),
        PropertyId::CorrelationData => Property::CorrelationData(b"x"),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(9),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(9),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier("x"),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(9),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod("x"),
        PropertyId::AuthenticationData => Property::AuthenticationData(b"x"),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(9),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag),
        PropertyId::ResponseInformation => Property::ResponseInformation("x"),
        PropertyId::ServerReference => Property::ServerReference("x"),
        PropertyId::ReasonString => Property::ReasonString("x"),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(9),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(9),
        PropertyId::TopicAlias => Property::TopicAlias(9),
        PropertyId::MaximumQoS => Property::MaximumQoS(QoS::AtLeastOnce),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag),
        PropertyId::UserProperty => Property::UserProperty("n", "v"),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(9),
        PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag),
        PropertyId::SubscriptionIdentifierAvailable => {
            Property::SubscriptionIdentifierAvailable(flag)
        }
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
    }
}

/// A packet with these properties.
fn with(place: Place, properties: &[u8]) -> Vec<u8> {
    let mut block = vec![u8::try_from(properties.len()).expect("short")];
    block.extend(properties);
    let (first, before, after): (u8, &[u8], &[u8]) = match place {
        Place::In(PacketType::Connect) => (0x10, b"\0\x04MQTT\x05\0\0\0", &[0, 0]),
        Place::Will => (0x10, b"\0\x04MQTT\x05\x04\0\0\0\0\0", &[0, 1, b'w', 0, 0]),
        Place::In(PacketType::ConnAck) => (0x20, &[0, 0], &[]),
        Place::In(PacketType::Publish) => (0x30, &[0, 1, b't'], &[]),
        Place::In(PacketType::PubAck) => (0x40, &[0, 1, 0], &[]),
        Place::In(PacketType::PubRec) => (0x50, &[0, 1, 0], &[]),
        Place::In(PacketType::PubRel) => (0x62, &[0, 1, 0], &[]),
        Place::In(PacketType::PubComp) => (0x70, &[0, 1, 0], &[]),
        Place::In(PacketType::Subscribe) => (0x82, &[0, 1], &[0, 1, b'a', 0]),
        Place::In(PacketType::SubAck) => (0x90, &[0, 1], &[0]),
        Place::In(PacketType::Unsubscribe) => (0xa2, &[0, 1], &[0, 1, b'a']),
        Place::In(PacketType::UnsubAck) => (0xb0, &[0, 1], &[0]),
        Place::In(PacketType::Disconnect) => (0xe0, &[0], &[]),
        Place::In(PacketType::Auth) => (0xf0, &[0x18], &[]),
        Place::In(other) => panic!("{other} has no properties"),
    };
    packet(first, &[before, &block, after].concat())
}

/// The table of section 2.2.2.2, in its order of rows; what only one end may send is said.
fn allowed(id: PropertyId, place: Place, sender: Sender) -> bool {
    use PacketType as Type;
    use Place::In;
    use PropertyId as Id;
    match id {
        Id::PayloadFormatIndicator
        | Id::MessageExpiryInterval
        | Id::ContentType
        | Id::ResponseTopic
        | Id::CorrelationData => place == Place::Will || place == In(Type::Publish),
        Id::SubscriptionIdentifier => {
            place == In(Type::Subscribe) || (place == In(Type::Publish) && sender == Sender::Server)
        }
        Id::SessionExpiryInterval => {
            place == In(Type::Connect)
                || place == In(Type::ConnAck)
                || (place == In(Type::Disconnect) && sender == Sender::Client)
        }
        Id::AssignedClientIdentifier
        | Id::ServerKeepAlive
        | Id::ResponseInformation
        | Id::MaximumQoS
        | Id::RetainAvailable
        | Id::WildcardSubscriptionAvailable
        | Id::SubscriptionIdentifierAvailable
        | Id::SharedSubscriptionAvailable => place == In(Type::ConnAck),
        Id::AuthenticationMethod | Id::AuthenticationData => {
            [In(Type::Connect), In(Type::ConnAck), In(Type::Auth)].contains(&place)
        }
        Id::RequestProblemInformation | Id::RequestResponseInformation => {
            place == In(Type::Connect)
        }
        Id::WillDelayInterval => place == Place::Will,
        Id::ServerReference => {
            place == In(Type::ConnAck)
                || (place == In(Type::Disconnect) && sender == Sender::Server)
        }
        Id::ReasonString => [
            In(Type::ConnAck),
            In(Type::PubAck),
            In(Type::PubRec),
            In(Type::PubRel),
            In(Type::PubComp),
            In(Type::SubAck),
            In(Type::UnsubAck),
            In(Type::Disconnect),
            In(Type::Auth),
        ]
        .contains(&place),
        Id::ReceiveMaximum | Id::TopicAliasMaximum | Id::MaximumPacketSize => {
            place == In(Type::Connect) || place == In(Type::ConnAck)
        }
        Id::TopicAlias => place == In(Type::Publish),
        Id::UserProperty => true,
    }
}

/// Every place that has properties, with each end that may send it.
fn places() -> Vec<(Place, Sender)> {
    let mut all = vec![(Place::Will, Sender::Client)];
    for packet_type in PacketType::ALL {
        if matches!(packet_type, PacketType::PingReq | PacketType::PingResp) {
            continue;
        }
        for sender in [Sender::Client, Sender::Server] {
            if packet_type.may_come_from(sender) {
                all.push((Place::In(packet_type), sender));
            }
        }
    }
    all
}

/// What must accompany a property for the packet to be valid: a method.
fn companion(id: PropertyId, place: Place) -> Vec<u8> {
    let connect_data =
        id == PropertyId::AuthenticationData && place == Place::In(PacketType::Connect);
    if connect_data
        || (place == Place::In(PacketType::Auth) && id != PropertyId::AuthenticationMethod)
    {
        sample(PropertyId::AuthenticationMethod)
    } else {
        Vec::new()
    }
}

// covers: pitfall 12
#[test]
fn each_packet_carries_its_own_properties_only() {
    for (place, sender) in places() {
        for id in PropertyId::ALL {
            let bytes = with(place, &[sample(id), companion(id, place)].concat());
            if allowed(id, place, sender) {
                let packet = decoded(&bytes, sender);
                assert_eq!(encoded(&packet, sender).last(), bytes.last());
                assert_eq!(decoded(&encoded(&packet, sender), sender), packet);
                continue;
            }
            let error = Packet::decode(&bytes, sender).expect_err("a property that is not allowed");
            // Legal from the other end: it is a protocol error; in no packet of this type: malformed.
            let expected = if allowed(id, place, sender.peer()) {
                (
                    DecodeErrorKind::PropertyFromWrongSender(id),
                    ReasonCode::PROTOCOL_ERROR,
                )
            } else {
                (
                    DecodeErrorKind::PropertyNotAllowed(id),
                    ReasonCode::MALFORMED_PACKET,
                )
            };
            assert_eq!(
                (error.kind(), error.reason()),
                expected,
                "{id} in {place:?} from {sender}"
            );
        }
    }
}

// covers: pitfall 12
#[test]
fn the_encoder_puts_no_property_where_it_does_not_belong() {
    for (place, sender) in places() {
        for id in PropertyId::ALL {
            // The properties of a valid packet, exchanged for this one.
            let method = Property::AuthenticationMethod("x");
            let list = [sample_value(id), method];
            let needs_method = !companion(id, place).is_empty();
            let properties = Properties::new(if needs_method { &list } else { &list[..1] });
            let bytes = with(place, &companion(PropertyId::UserProperty, place));
            let mut packet = decoded(&bytes, sender);
            match (&mut packet, place) {
                (Packet::Connect(connect), Place::Will) => {
                    connect.will.as_mut().expect("a will").properties = properties;
                }
                (Packet::Connect(packet), _) => packet.properties = properties,
                (Packet::ConnAck(packet), _) => packet.properties = properties,
                (Packet::Publish(packet), _) => packet.properties = properties,
                (
                    Packet::PubAck(packet)
                    | Packet::PubRec(packet)
                    | Packet::PubRel(packet)
                    | Packet::PubComp(packet),
                    _,
                ) => packet.properties = properties,
                (Packet::Subscribe(packet), _) => packet.properties = properties,
                (Packet::SubAck(packet), _) => packet.properties = properties,
                (Packet::Unsubscribe(packet), _) => packet.properties = properties,
                (Packet::UnsubAck(packet), _) => packet.properties = properties,
                (Packet::Disconnect(packet), _) => packet.properties = properties,
                (Packet::Auth(packet), _) => packet.properties = properties,
                (other, _) => panic!("{other:?}"),
            }
            let result = packet.encode(sender, &mut [0; 100]);
            if allowed(id, place, sender) {
                let len = result.expect("a property that is allowed");
                assert_eq!(packet.encoded_len(), Ok(len));
                continue;
            }
            let expected = EncodeError::PropertyNotAllowed(id, packet.packet_type());
            assert_eq!(result, Err(expected), "{id} in {place:?} from {sender}");
        }
    }
}

// covers: pitfall 13
#[test]
fn no_property_twice_but_user_properties_and_subscription_identifiers() {
    for (place, sender) in places() {
        for id in PropertyId::ALL
            .into_iter()
            .filter(|id| allowed(*id, place, sender))
        {
            let twice = [companion(id, place), sample(id), sample(id)].concat();
            let bytes = with(place, &twice);
            let repeatable = id == PropertyId::UserProperty
                || (id == PropertyId::SubscriptionIdentifier
                    && place == Place::In(PacketType::Publish));
            if repeatable {
                let packet = decoded(&bytes, sender);
                assert_eq!(encoded(&packet, sender), bytes);
                continue;
            }
            let error = Packet::decode(&bytes, sender).expect_err("a property twice");
            assert_eq!(
                error.kind(),
                DecodeErrorKind::DuplicateProperty(id),
                "{place:?}"
            );
            assert_eq!(error.reason(), ReasonCode::PROTOCOL_ERROR);
            assert_eq!(bytes[error.offset()], id as u8, "the second of them");
        }
    }
    let (first, rest) = (
        [Property::MessageExpiryInterval(1)],
        [Property::MessageExpiryInterval(1)],
    );
    let bad = Packet::Publish(Publish {
        properties: Properties::chain(&first, &rest),
        ..publish("t")
    });
    let expected = EncodeError::DuplicateProperty(PropertyId::MessageExpiryInterval);
    assert_eq!(unencodable(&bad, Sender::Client), expected);
}

#[test]
fn unknown_properties_keep_their_number() {
    for (bytes, number) in [
        (&[0x00][..], 0),
        (&[0x04], 4),
        (&[0x2b], 43),
        (&[0x7f], 127),
        (&[0x80, 0x01], 128),
    ] {
        let bytes = with(Place::In(PacketType::ConnAck), bytes);
        let error = refused(
            &bytes,
            Sender::Server,
            ReasonCode::MALFORMED_PACKET,
            "section 2.2.2.2",
        );
        assert_eq!(
            (error.kind(), error.offset()),
            (DecodeErrorKind::UnknownProperty(number), 5)
        );
    }
    // A number in a longer form than it needs, though there is such a property.
    let long = with(Place::In(PacketType::ConnAck), &[0x9f, 0x00, 0, 1, b'x']);
    refused(
        &long,
        Sender::Server,
        ReasonCode::MALFORMED_PACKET,
        "MQTT-1.5.5-1",
    );
}

// covers: pitfall 17
#[test]
fn order_is_free_and_kept() {
    let list = [
        Property::UserProperty("z", "1"),
        Property::CorrelationData(b"c"),
        Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        Property::UserProperty("a", "2"),
        Property::MessageExpiryInterval(7),
    ];
    for split in 0..=list.len() {
        let (first, rest) = list.split_at(split);
        let sent = Packet::Publish(Publish {
            properties: Properties::chain(first, rest),
            ..publish("t")
        });
        let bytes = encoded(&sent, Sender::Client);
        let publish = decoded_publish(&bytes, Sender::Client);
        assert!(publish.properties.iter().eq(list));
        assert_eq!(Packet::Publish(publish), sent);
        assert_eq!(publish.properties.wire_bytes(), Some(&bytes[6..]));
    }
    // Another order is another value.
    let other = [list[1], list[0]];
    assert_ne!(Properties::new(&other), Properties::new(&list[..2]));
    assert_ne!(Properties::new(&list[..1]), Properties::new(&list[..2]));
}

#[test]
fn every_accessor_finds_its_property_decoded_or_not() {
    macro_rules! check {
        ($place:expr, $sender:expr, $($accessor:ident: $variant:ident($value:expr)),+ $(,)?) => {$(
            let list = [Property::UserProperty("n", "v"), Property::$variant($value)];
            let own = Properties::new(&list);
            assert_eq!(own.$accessor(), Some($value));
            assert_eq!(Properties::EMPTY.$accessor(), None);
            let id = list[1].id();
            let others = [sample(PropertyId::UserProperty), companion(id, $place)].concat();
            let bytes = with($place, &[others.clone(), sample(id)].concat());
            assert_eq!(properties_at(&bytes, $place, $sender).$accessor(), Some($value), "{id}");
            let bytes = with($place, &others);
            assert_eq!(properties_at(&bytes, $place, $sender).$accessor(), None, "{id}");
        )+};
    }
    check!(
        Place::Will, Sender::Client,
        payload_format_indicator: PayloadFormatIndicator(PayloadFormat::Utf8),
        message_expiry_interval: MessageExpiryInterval(9),
        content_type: ContentType("x"),
        response_topic: ResponseTopic(topic("x")),
        correlation_data: CorrelationData(&b"x"[..]),
        will_delay_interval: WillDelayInterval(9),
    );
    check!(
        Place::In(PacketType::Connect), Sender::Client,
        session_expiry_interval: SessionExpiryInterval(9),
        authentication_data: AuthenticationData(&b"x"[..]),
        request_problem_information: RequestProblemInformation(true),
        request_response_information: RequestResponseInformation(true),
        receive_maximum: ReceiveMaximum(9),
        topic_alias_maximum: TopicAliasMaximum(9),
        maximum_packet_size: MaximumPacketSize(9),
    );
    check!(
        Place::In(PacketType::ConnAck), Sender::Server,
        assigned_client_identifier: AssignedClientIdentifier("x"),
        server_keep_alive: ServerKeepAlive(9),
        authentication_method: AuthenticationMethod("x"),
        response_information: ResponseInformation("x"),
        server_reference: ServerReference("x"),
        reason_string: ReasonString("x"),
        maximum_qos: MaximumQoS(QoS::AtLeastOnce),
        retain_available: RetainAvailable(true),
        wildcard_subscription_available: WildcardSubscriptionAvailable(true),
        subscription_identifier_available: SubscriptionIdentifierAvailable(true),
        shared_subscription_available: SharedSubscriptionAvailable(true),
    );
    check!(Place::In(PacketType::Publish), Sender::Server, topic_alias: TopicAlias(9));
}

fn properties_at(bytes: &[u8], place: Place, sender: Sender) -> Properties<'_> {
    match decoded(bytes, sender) {
        Packet::Connect(connect) if place == Place::Will => {
            connect.will.expect("a will").properties
        }
        Packet::Connect(packet) => packet.properties,
        Packet::ConnAck(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lengths_around_the_limits_of_a_length_byte() {
    // The block is written where a one-byte length leaves it, and moved if the length takes more.
    for len in [
        0, 1, 120, 121, 122, 123, 124, 130, 16_370, 16_376, 16_377, 16_378, 16_379, 16_380, 16_390,
    ] {
        let value = "v".repeat(len);
        let list = [Property::UserProperty("n", &value)];
        for payload in [&b""[..], b"p", &[7; 127], &[7; 200]] {
            let sent = Packet::Publish(Publish {
                properties: Properties::new(&list),
                payload,
                ..publish("t")
            });
            let bytes = encoded(&sent, Sender::Client);
            assert_eq!(decoded(&bytes, Sender::Client), sent);
            let needed = bytes.len();
            for room in [needed - 1, needed / 2, 1, 0] {
                let error = sent.encode(Sender::Client, &mut vec![0; room]);
                assert_eq!(error, Err(EncodeError::BufferTooSmall { needed }));
            }
        }
    }
}

#[test]
fn names_and_numbers() {
    for id in PropertyId::ALL {
        assert_eq!(PropertyId::from_u32(id as u32), Some(id));
        assert_eq!(sample_value(id).id(), id);
        assert_eq!(id.to_string(), id.name());
    }
    let known: Vec<_> = (0..256).filter_map(PropertyId::from_u32).collect();
    assert_eq!(known, PropertyId::ALL);
    assert_eq!(PropertyId::MaximumQoS.to_string(), "Maximum QoS");
}
