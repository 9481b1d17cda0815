//! What the server does not allow is refused here, before a byte is sent; what this client does
//! not allow ends the connection.

use mqtt_proto::{
    Ack, Auth, Packet, PacketId, Properties, Publish as Wire, QoS, ReasonCode, ReasonCodes, SubAck,
    Subscription, SubscriptionOptions, TopicFilter, UnsubAck,
};
use mqtt_session::{
    Acknowledge, AcknowledgeError, Cause, Config, Connect, GiveUp, Heap, Limits, Property,
    RequestError, Store, Ticket, Violation,
};
use mqtt_tests::talk::*;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn subscription(text: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: filter(text),
        options: SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        },
    }
}

fn given_up(ticket: Ticket, cause: GiveUp) -> Told {
    Told::Published(ticket, Err(cause), Vec::new())
}

/// SUBSCRIBE to one filter at QoS 0.
fn subscribes<S: Store + Clone>(
    talk: &mut Talk<S>,
    text: &str,
    properties: &[Property<'_>],
) -> Result<Ticket, RequestError> {
    let filters = [subscription(text, QoS::AtMostOnce)];
    talk.client.subscribe(talk.now, &filters, properties)
}

/// Connected, with these limits of the server.
fn limited(limits: &[Property<'_>]) -> Talk<Heap> {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack_with(limits));
    talk
}

/// The session goes on over a new connection with these limits.
fn resumed_with(talk: &mut Talk<Heap>, limits: &[Property<'_>]) {
    talk.connects(
        &keeping(),
        Packet::ConnAck(mqtt_proto::ConnAck {
            session_present: true,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(limits),
        }),
    );
}

// covers: MQTT-3.1.2-24
#[test]
fn a_packet_above_the_clients_maximum_ends_the_connection_by_its_header() {
    let properties = [Property::MaximumPacketSize(20)];
    let connect = Connect {
        properties: &properties,
        ..Connect::new("c")
    };
    let mut talk = talk(Config::default());
    talk.connects(&connect, connack());
    let largest = Wire {
        payload: b"fourteen bytes",
        ..publish(QoS::AtMostOnce, 0, "a", b"")
    };
    assert_eq!(largest.encoded_len(), Ok(20));
    talk.server(Packet::Publish(largest))
        .delivers("a", b"fourteen bytes")
        .quiet();
    // 21 bytes are announced, two have come.
    talk.server_bytes(&[0x30, 19])
        .breaks_off(ReasonCode::PACKET_TOO_LARGE, "section 4.13");
}

// covers: MQTT-3.2.2-19, MQTT-3.2.2-20, MQTT-3.9.2-1, MQTT-3.9.2-2, MQTT-3.11.2-1, MQTT-3.11.2-2
#[test]
fn an_answer_that_its_texts_make_too_large_ends_the_connection() {
    let maximum = [Property::MaximumPacketSize(32)];
    let connect = Connect {
        properties: &maximum,
        ..Connect::new("c")
    };
    let packet_id = PacketId::new(1).unwrap();
    let long = "a text of twenty eight bytes";
    for property in [
        Property::ReasonString(long),
        Property::UserProperty("key", long),
    ] {
        let properties = [property];
        let too_large = (ReasonCode::PACKET_TOO_LARGE, "section 4.13");
        let mut refused = talk(Config::default());
        refused.opens(&connect);
        refused
            .server(connack_with(&properties))
            .breaks_off(too_large.0, too_large.1);

        let mut subscribed = talk(Config::default());
        subscribed.connects(&connect, connack());
        let ticket = subscribes(&mut subscribed, "a", &[]).unwrap();
        subscribed.sent();
        let reasons = [ReasonCode::SUCCESS];
        subscribed
            .server(Packet::SubAck(SubAck {
                packet_id,
                properties: Properties::new(&properties),
                reasons: ReasonCodes::new(&reasons),
            }))
            .breaks_off(too_large.0, too_large.1)
            .tells(Told::Unanswered(ticket, GiveUp::ConnectionLost));

        let mut unsubscribed = talk(Config::default());
        unsubscribed.connects(&connect, connack());
        let ticket = unsubscribed
            .client
            .unsubscribe(unsubscribed.now, &[filter("a")], &[])
            .unwrap();
        unsubscribed.sent();
        unsubscribed
            .server(Packet::UnsubAck(UnsubAck {
                packet_id,
                properties: Properties::new(&properties),
                reasons: ReasonCodes::new(&reasons),
            }))
            .breaks_off(too_large.0, too_large.1)
            .tells(Told::Unanswered(ticket, GiveUp::ConnectionLost));
    }
}

// covers: MQTT-3.2.2-11
#[test]
fn nothing_is_published_above_maximum_qos() {
    for (maximum, above) in [
        (QoS::AtMostOnce, QoS::AtLeastOnce),
        (QoS::AtMostOnce, QoS::ExactlyOnce),
        (QoS::AtLeastOnce, QoS::ExactlyOnce),
    ] {
        let limits = [Property::MaximumQoS(maximum)];
        let mut live = limited(&limits);
        assert_eq!(
            live.client.publish(live.now, &message(above, "a", b"1")),
            Err(RequestError::QoSNotSupported { maximum })
        );
        live.quiet();
        live.publishes(maximum, "a", b"2");
        live.sends_publish(maximum, u16::from(maximum > QoS::AtMostOnce), "a", b"2");

        let mut queued = talk(Config::default());
        let ticket = queued.publishes(above, "a", b"1");
        queued.connects(&keeping(), connack_with(&limits));
        queued
            .tells(given_up(ticket, GiveUp::QoSNotSupported))
            .quiet();

        let mut resumed = limited(&[]);
        let ticket = resumed.publishes(above, "a", b"1");
        resumed.sent();
        resumed.loses_transport();
        resumed_with(&mut resumed, &limits);
        resumed
            .tells(given_up(ticket, GiveUp::QoSNotSupported))
            .quiet();
    }
}

// covers: MQTT-3.2.2-14
#[test]
fn nothing_is_retained_where_the_server_does_not_retain() {
    let limits = [Property::RetainAvailable(false)];
    let retained = message(QoS::AtLeastOnce, "a", b"1").retain(true);
    let mut live = limited(&limits);
    assert_eq!(
        live.client.publish(live.now, &retained),
        Err(RequestError::RetainNotSupported)
    );
    live.quiet();

    let mut queued = talk(Config::default());
    let ticket = queued.client.publish(queued.now, &retained).unwrap();
    queued.connects(&keeping(), connack_with(&limits));
    queued
        .tells(given_up(ticket, GiveUp::RetainNotSupported))
        .quiet();

    let mut resumed = limited(&[]);
    let ticket = resumed.client.publish(resumed.now, &retained).unwrap();
    resumed.sent();
    resumed.loses_transport();
    resumed_with(&mut resumed, &limits);
    resumed
        .tells(given_up(ticket, GiveUp::RetainNotSupported))
        .quiet();
}

// covers: MQTT-3.2.2-15, pitfall 44
#[test]
fn nothing_larger_than_the_servers_maximum_is_sent() {
    let mut talk = limited(&[Property::MaximumPacketSize(30), Property::ReceiveMaximum(1)]);
    let too_large = RequestError::TooLarge {
        len: 31,
        maximum: 30,
    };
    let payload = [7; 23];
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(
            talk.client.publish(talk.now, &message(qos, "a", &payload)),
            Err(too_large)
        );
    }
    assert_eq!(
        talk.client
            .publish(talk.now, &message(QoS::AtMostOnce, "abc", &payload)),
        Err(too_large)
    );
    let long = "x".repeat(24);
    assert_eq!(subscribes(&mut talk, &long[..23], &[]), Err(too_large));
    assert_eq!(
        talk.client.unsubscribe(talk.now, &[filter(&long)], &[]),
        Err(too_large)
    );
    talk.quiet();
    assert_eq!(talk.client.unsettled(), 0);

    // One byte less passes; the refused ones took no identifier, and not the only place there is.
    talk.publishes(QoS::AtLeastOnce, "a", &payload[..22]);
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", &payload[..22]);
    subscribes(&mut talk, &long[..22], &[]).unwrap();
    assert_eq!(talk.sent().len(), 30);
    talk.client
        .unsubscribe(talk.now, &[filter(&long[..23])], &[])
        .unwrap();
    assert_eq!(talk.sent().len(), 30);
    talk.quiet();
}

// covers: MQTT-3.2.2-15, pitfall 41
#[test]
fn what_waited_is_held_against_the_limits_of_the_new_connection() {
    let limits = [Property::MaximumPacketSize(30)];
    let mut talk = limited(&[]);
    let sent = talk.publishes(QoS::ExactlyOnce, "a", &[1; 23]);
    talk.sent();
    talk.loses_transport();
    let queued = talk.publishes(QoS::AtLeastOnce, "a", &[2; 23]);
    let fits = talk.publishes(QoS::AtLeastOnce, "a", &[3; 22]);
    let subscribed = subscribes(&mut talk, "a filter of 23 bytes xx", &[]).unwrap();
    let unsubscribed = talk
        .client
        .unsubscribe(talk.now, &[filter("a filter of 24 bytes xxx")], &[])
        .unwrap();
    resumed_with(&mut talk, &limits);
    talk.tells(given_up(sent, GiveUp::TooLarge))
        .tells(Told::Unanswered(subscribed, GiveUp::TooLarge))
        .tells(Told::Unanswered(unsubscribed, GiveUp::TooLarge))
        .tells(given_up(queued, GiveUp::TooLarge))
        .sends_publish(QoS::AtLeastOnce, 2, "a", &[3; 22])
        .quiet();
    talk.server(puback(2))
        .settles(fits, ReasonCode::SUCCESS)
        .quiet();
}

// covers: pitfall 41
#[test]
fn a_message_sent_with_an_alias_is_measured_with_its_topic() {
    let topic = "a/topic/of/25/bytes/xxxxx";
    let mut talk = talk(Config::default().topic_aliases(1));
    talk.connects(&keeping(), connack_with(&[Property::TopicAliasMaximum(1)]));
    let first = talk.publishes(QoS::AtLeastOnce, topic, b"1");
    talk.sent();
    talk.server(puback(1)).settles(first, ReasonCode::SUCCESS);
    let second = talk.publishes(QoS::AtLeastOnce, topic, b"2");
    assert!(talk.sent().len() < 20, "the alias stands for the topic");
    talk.loses_transport();
    let limits = [
        Property::TopicAliasMaximum(1),
        Property::MaximumPacketSize(20),
    ];
    resumed_with(&mut talk, &limits);
    talk.tells(given_up(second, GiveUp::TooLarge)).quiet();
}

// covers: pitfall 41
#[test]
fn the_identifier_of_a_message_given_up_after_sending_stays_taken() {
    let mut talk = limited(&[]);
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", &[1; 100]);
    talk.sent();
    talk.loses_transport();
    resumed_with(&mut talk, &[Property::MaximumPacketSize(50)]);
    talk.tells(given_up(ticket, GiveUp::TooLarge));
    // All the other identifiers are used once; 1 is never among them.
    for round in 0..65_534u32 {
        let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"");
        let packet = talk.sent();
        let id = u16::from_be_bytes([packet[5], packet[6]]);
        assert_eq!(u32::from(id), round + 2);
        talk.server(puback(id)).settles(ticket, ReasonCode::SUCCESS);
        talk.history.clear();
    }
    talk.publishes(QoS::AtLeastOnce, "a", b"");
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", b"").quiet();
}

// covers: pitfall 40
#[test]
fn every_limit_is_the_connections_own() {
    let all = [
        Property::ReceiveMaximum(1),
        Property::MaximumQoS(QoS::AtMostOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(40),
        Property::TopicAliasMaximum(3),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(false),
    ];
    let mut talk = limited(&all);
    let tight = Limits {
        maximum_packet_size: 40,
        receive_maximum: 1,
        topic_alias_maximum: 3,
        maximum_qos: QoS::AtMostOnce,
        retain_available: false,
        wildcard_subscription_available: false,
        shared_subscription_available: false,
        subscription_identifier_available: false,
    };
    assert_eq!(talk.client.limits(), &tight);
    talk.loses_transport();
    let none = Limits {
        maximum_packet_size: u32::MAX,
        receive_maximum: u16::MAX,
        topic_alias_maximum: 0,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_subscription_available: true,
        shared_subscription_available: true,
        subscription_identifier_available: true,
    };
    assert_eq!(talk.client.limits(), &none);
    talk.resumes();
    assert_eq!(talk.client.limits(), &none);
    let payload = [0; 100];
    for round in 1..=2 {
        let retained = message(QoS::ExactlyOnce, "a", &payload).retain(true);
        talk.client.publish(talk.now, &retained).unwrap();
        talk.sends(Packet::Publish(Wire {
            retain: true,
            ..publish(QoS::ExactlyOnce, round, "a", &payload)
        }));
    }
    let identified = [Property::SubscriptionIdentifier(1)];
    subscribes(&mut talk, "$share/g/#", &identified).unwrap();
    assert_eq!(talk.sent()[0], 0x82);
    talk.quiet();
}

// covers: MQTT-3.2.2-10, pitfall 42
#[test]
fn maximum_qos_binds_publishing_and_not_subscribing() {
    let mut talk = limited(&[Property::MaximumQoS(QoS::AtMostOnce)]);
    let filters = [subscription("a", QoS::ExactlyOnce)];
    let ticket = talk.client.subscribe(talk.now, &filters, &[]).unwrap();
    talk.sends_bytes(&[0x82, 7, 0, 1, 0, 0, 1, b'a', 2]);
    talk.server(suback(1, &[ReasonCode::GRANTED_QOS_0]))
        .tells(Told::Subscribed(ticket, vec![ReasonCode::GRANTED_QOS_0]))
        .quiet();
    assert_eq!(
        talk.client
            .publish(talk.now, &message(QoS::AtLeastOnce, "a", b"1")),
        Err(RequestError::QoSNotSupported {
            maximum: QoS::AtMostOnce
        }),
        "refused, not lowered"
    );
}

// covers: pitfall 43
#[test]
fn a_subscription_that_the_server_does_not_support_is_refused_here() {
    let identified = [Property::SubscriptionIdentifier(5)];
    let cases: [(Property<'_>, &str, &[Property<'_>], RequestError, GiveUp); 5] = [
        (
            Property::WildcardSubscriptionAvailable(false),
            "a/#",
            &[],
            RequestError::WildcardsNotSupported,
            GiveUp::WildcardsNotSupported,
        ),
        (
            Property::WildcardSubscriptionAvailable(false),
            "$share/g/+/b",
            &[],
            RequestError::WildcardsNotSupported,
            GiveUp::WildcardsNotSupported,
        ),
        (
            Property::SharedSubscriptionAvailable(false),
            "$share/g/a",
            &[],
            RequestError::SharedNotSupported,
            GiveUp::SharedNotSupported,
        ),
        (
            Property::SubscriptionIdentifierAvailable(false),
            "a",
            &identified,
            RequestError::SubscriptionIdentifiersNotSupported,
            GiveUp::SubscriptionIdentifiersNotSupported,
        ),
        (
            Property::MaximumPacketSize(8),
            "a",
            &[],
            RequestError::TooLarge { len: 9, maximum: 8 },
            GiveUp::TooLarge,
        ),
    ];
    for (limit, text, properties, error, cause) in cases {
        let limits = [limit];
        let mut live = limited(&limits);
        assert_eq!(subscribes(&mut live, text, properties), Err(error));
        live.quiet();

        // Asked for before the limits were known.
        let mut queued = talk(Config::default());
        let ticket = subscribes(&mut queued, text, properties).unwrap();
        queued.connects(&keeping(), connack_with(&limits));
        queued.tells(Told::Unanswered(ticket, cause)).quiet();

        let mut free = limited(&[]);
        subscribes(&mut free, text, properties).unwrap();
        assert_eq!(free.sent()[0], 0x82);
    }
}

// covers: pitfall 44
#[test]
fn an_acknowledgement_goes_without_its_texts_where_they_make_it_too_large() {
    let mut talk = talk(Config::default().acknowledge(Acknowledge::Manually));
    talk.connects(&keeping(), connack_with(&[Property::MaximumPacketSize(12)]));
    let refusal = ReasonCode::QUOTA_EXCEEDED;
    for (text, bytes) in [
        // 11 bytes with the text, then 13.
        ("so", &[0x40, 9, 0, 7, 0x97, 5, 0x1f, 0, 2, b's', b'o'][..]),
        ("full", &[0x40, 3, 0, 7, 0x97]),
    ] {
        talk.server_publishes(QoS::AtLeastOnce, 7, "a", b"x");
        let token = talk.delivered().token.unwrap();
        talk.client
            .acknowledge_with(token, refusal, &[Property::ReasonString(text)])
            .unwrap();
        talk.sends_bytes(bytes).quiet();
        assert_eq!(
            talk.client.acknowledge(token, ReasonCode::SUCCESS),
            Err(AcknowledgeError::Stale)
        );
    }
}

// covers: MQTT-3.1.2-29, pitfall 46
#[test]
fn problem_information_that_was_declined_is_a_protocol_error() {
    let declined = [
        Property::RequestProblemInformation(false),
        Property::AuthenticationMethod("m"),
    ];
    let connect = Connect {
        properties: &declined,
        ..Connect::new("c")
    };
    let method = Property::AuthenticationMethod("m");
    let reasons = [ReasonCode::SUCCESS];
    for told in [
        Property::ReasonString("because"),
        Property::UserProperty("why", "because"),
    ] {
        let alone = [told];
        let with_method = [method, told];
        let properties = Properties::new(&alone);
        let packet_id = PacketId::new(1).unwrap();
        let ack = Ack {
            packet_id,
            reason: ReasonCode::SUCCESS,
            properties,
        };
        let packets = [
            Packet::PubAck(ack),
            Packet::PubRec(ack),
            Packet::PubRel(ack),
            Packet::PubComp(ack),
            Packet::SubAck(SubAck {
                packet_id,
                properties,
                reasons: ReasonCodes::new(&reasons),
            }),
            Packet::UnsubAck(UnsubAck {
                packet_id,
                properties,
                reasons: ReasonCodes::new(&reasons),
            }),
            Packet::Auth(Auth {
                reason: ReasonCode::CONTINUE_AUTHENTICATION,
                properties: Properties::new(&with_method),
            }),
        ];
        for packet in packets {
            let mut talk = talk(Config::default());
            // In CONNACK they are allowed.
            talk.connects(&connect, connack_with(&with_method));
            // In PUBLISH too.
            talk.server(Packet::Publish(Wire {
                properties: Properties::new(&[Property::UserProperty("k", "v")]),
                ..publish(QoS::AtMostOnce, 0, "a", b"x")
            }))
            .delivers("a", b"x")
            .quiet();
            talk.server(packet)
                .ends_by(Violation::ProblemInformation(packet.packet_type()));
        }
        // And in DISCONNECT.
        let mut talk = talk(Config::default());
        talk.connects(&connect, connack_with(&with_method));
        let reason = ReasonCode::SERVER_SHUTTING_DOWN;
        talk.server(Packet::Disconnect(mqtt_proto::Disconnect {
            reason,
            properties,
        }))
        .tells(Told::ServerDisconnect(reason))
        .closes()
        .disconnected(Cause::ServerDisconnect(reason));
    }
}
