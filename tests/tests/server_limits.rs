//! Limits that the two ends set for each other.

use mqtt_proto::{
    Connect, Filters, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode, Subscribe,
    Subscriptions, TopicFilter, Unsubscribe,
};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

fn again(publish: Publish<'_>) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: true,
        ..publish
    })
}

/// A client with these properties, whose session is kept if they say so.
fn limited<'a>(client_id: &'a str, properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        clean_start: false,
        properties: Properties::new(properties),
        ..hello(client_id)
    }
}

/// A payload for which PUBLISH to `t` has `len` bytes, at most 129, without properties.
fn payload(qos: QoS, len: usize) -> Vec<u8> {
    let header = if qos == Q0 { 6 } else { 8 };
    vec![b'x'; len.checked_sub(header).expect("room for a header")]
}

const HOUR: Property<'static> = Property::SessionExpiryInterval(3600);

// broker: MQTT-3.1.2-24, MQTT-3.1.2-25
#[test]
fn a_message_above_the_clients_maximum_is_dropped_as_if_it_had_been_sent() {
    let maximum = [HOUR, Property::MaximumPacketSize(60)];
    for qos in [Q0, Q1, Q2] {
        let mut hall = hall();
        hall.joins(1, &hello("p"));
        hall.joins(2, &limited("small", &maximum))
            .subscribes(2, "t", qos);
        hall.joins(3, &hello("large")).subscribes(3, "t", Q0);
        let mut number = 0;
        for len in [60, 61, 59, 100, 60] {
            let payload = payload(qos, len);
            hall.publishes(1, Q2, 1, "t", &payload).hears(1, pubrec(1));
            hall.says(1, pubrel(1)).hears(1, pubcomp(1));
            hall.gets(3, Q0, 0, "t", &payload);
            if len <= 60 {
                number += u16::from(qos > Q0);
                hall.gets(2, qos, number, "t", &payload);
            }
            hall.silent();
        }
        // Nothing of it stays behind.
        assert_eq!(hall.broker.load().unsettled, usize::from(number));
        hall.cut(2).rejoins(4, &limited("small", &maximum), true);
        for number in 1..=number {
            let heard = hall.next(4).expect("a message");
            assert!(heard.len() <= 60 && heard[0] & 0x08 != 0, "{number}");
        }
        hall.hears_nothing(4);
    }
}

// broker: MQTT-3.1.2-24, MQTT-3.1.2-25
#[test]
fn what_the_broker_adds_to_a_message_counts() {
    let mut hall = hall();
    let maximum = [Property::MaximumPacketSize(60)];
    hall.joins(1, &hello("p"))
        .joins(2, &limited("small", &maximum));
    let identifier = [Property::SubscriptionIdentifier(200)];
    hall.says(
        2,
        Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(1).unwrap(),
            properties: Properties::new(&identifier),
            subscriptions: Subscriptions::new(&[filter("t", Q1)]),
        }),
    );
    hall.hears(2, suback(1, &[ReasonCode::GRANTED_QOS_1]));
    // Three bytes for the identifier.
    hall.publishes(1, Q1, 1, "t", &payload(Q1, 58))
        .hears(1, puback(1))
        .hears_nothing(2);
    hall.publishes(1, Q1, 1, "t", &payload(Q1, 57))
        .hears(1, puback(1));
    assert_eq!(hall.next(2).expect("a message").len(), 60);
    // Its retained copy, too.
    let kept = |len| {
        Packet::Publish(Publish {
            retain: true,
            ..publish(Q0, 0, "r", Vec::leak(payload(Q0, len)))
        })
    };
    for (len, comes) in [(60, true), (61, false)] {
        hall.says(1, kept(len)).subscribes(2, "r", Q0);
        assert_eq!(hall.next(2).map(|heard| heard.len()), comes.then_some(len));
    }
}

// broker: MQTT-3.1.2-24, MQTT-3.1.2-25
#[test]
fn what_waited_is_held_against_the_maximum_of_the_connection_it_leaves_on() {
    let mut hall = hall();
    let (wide, narrow) = ([HOUR], [HOUR, Property::MaximumPacketSize(60)]);
    hall.joins(1, &hello("p"))
        .joins(2, &limited("s", &wide))
        .subscribes(2, "t", Q2);
    hall.publishes(1, Q1, 1, "t", &payload(Q1, 61))
        .gets(2, Q1, 1, "t", &payload(Q1, 61));
    hall.publishes(1, Q2, 1, "t", &payload(Q2, 60))
        .gets(2, Q2, 2, "t", &payload(Q2, 60));
    hall.cut(2);
    hall.publishes(1, Q1, 2, "t", &payload(Q1, 100));
    hall.publishes(1, Q1, 3, "t", &payload(Q1, 20));
    hall.rejoins(3, &limited("s", &narrow), true);
    hall.hears(3, again(publish(Q2, 2, "t", &payload(Q2, 60))));
    let heard = hall.next(3).expect("the message that fits");
    assert_eq!(heard.len(), 20);
    hall.hears_nothing(3);
    assert_eq!(hall.broker.load().unsettled, 2);
}

/// How many bytes each packet has that a client hears.
fn lengths<A: mqtt_session::broker::Access>(hall: &mut Hall<A>, connection: u64) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(heard) = hall.next(connection) {
        lengths.push(heard.len());
    }
    lengths
}

// broker: MQTT-3.1.2-24
#[test]
fn no_packet_of_any_kind_is_above_the_clients_maximum() {
    const MAXIMUM: u32 = 30;
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    let maximum = [
        Property::MaximumPacketSize(MAXIMUM),
        Property::TopicAliasMaximum(8),
    ];
    let filters: Vec<String> = (0..40).map(|number| format!("f/{number}")).collect();
    let mut connection = 1;
    let mut answered = 0;
    for count in [1, 20, 24, 25, 40] {
        for unsubscribes in [false, true] {
            connection += 1;
            hall.joins(connection, &limited("c", &maximum));
            let wanted = &filters[..count];
            if unsubscribes {
                let wanted: Vec<_> = wanted
                    .iter()
                    .map(|f| TopicFilter::new(f).unwrap())
                    .collect();
                hall.says(
                    connection,
                    Packet::Unsubscribe(Unsubscribe {
                        packet_id: PacketId::new(1).unwrap(),
                        properties: Properties::EMPTY,
                        filters: Filters::new(&wanted),
                    }),
                );
            } else {
                let wanted: Vec<_> = wanted.iter().map(|f| filter(f, Q1)).collect();
                hall.says(connection, subscribe(1, &wanted));
            }
            // The fixed header, the identifier, no properties, the codes.
            if 5 + count <= MAXIMUM as usize {
                assert_eq!(lengths(&mut hall, connection), [5 + count]);
                answered += 1;
            } else {
                // An answer that cannot be given ends the connection rather than being awaited.
                hall.is_disconnected(connection, ReasonCode::PACKET_TOO_LARGE);
                assert_eq!(hall.broker.load().subscriptions, 0);
            }
        }
    }
    assert_eq!(answered, 8);
    connection += 1;
    hall.joins(connection, &limited("c", &maximum))
        .subscribes(connection, "#", Q2);
    for len in 10..60 {
        let topic = "t".repeat(len / 2);
        hall.publishes(1, Q2, 1, &topic, &vec![b'x'; len / 2])
            .says(1, pubrel(1));
        hall.publishes(1, Q0, 0, &topic, b"");
        hall.publishes(connection, Q1, 1, "nobody", b"")
            .says(connection, pubrec(0x7000));
    }
    hall.says(connection, Packet::PingReq);
    hall.says_bytes(connection, b"\x00\x00");
    let lengths = lengths(&mut hall, connection);
    assert!(lengths.len() > 60, "{}", lengths.len());
    assert!(
        lengths.iter().all(|len| *len <= MAXIMUM as usize),
        "{lengths:?}"
    );
}

// broker: MQTT-3.2.2-9
#[test]
fn a_broker_without_qos_1_or_2_says_so() {
    for (maximum_qos, told) in [(Q0, Some(Q0)), (Q1, Some(Q1)), (Q2, None)] {
        let mut hall = hall_with(BrokerConfig {
            maximum_qos,
            ..BrokerConfig::default()
        });
        hall.opens(1).says(1, Packet::Connect(hello("c")));
        hall.hears_what(1, |packet| match packet {
            Packet::ConnAck(connack) => assert_eq!(connack.properties.maximum_qos(), told),
            other => panic!("{other:?}"),
        });
    }
}

// broker: MQTT-3.2.2-10
#[test]
fn a_broker_without_qos_1_or_2_takes_subscriptions_of_any() {
    for maximum_qos in [Q0, Q1] {
        let mut hall = hall_with(BrokerConfig {
            maximum_qos,
            ..BrokerConfig::default()
        });
        hall.joins(1, &hello("c"));
        let granted = [Q0, Q1, Q2].map(|qos| ReasonCode::new(qos.min(maximum_qos) as u8).unwrap());
        hall.says(
            1,
            subscribe(1, &[filter("a", Q0), filter("b", Q1), filter("c", Q2)]),
        );
        hall.hears(1, suback(1, &granted));
        for topic in ["a", "b", "c"] {
            hall.publishes(1, Q0, 0, topic, b"")
                .gets(1, Q0, 0, topic, b"");
        }
        hall.silent();
    }
}

// broker: MQTT-3.3.4-9
#[test]
fn no_more_messages_are_unacknowledged_than_the_client_allows() {
    for maximum in [1, 2, 5] {
        let window = [HOUR, Property::ReceiveMaximum(maximum)];
        let mut hall = hall();
        hall.joins(1, &hello("p"))
            .joins(2, &limited("s", &window))
            .subscribes(2, "t", Q2);
        for number in 1..=12 {
            let qos = if number % 2 == 0 { Q1 } else { Q2 };
            hall.publishes(1, qos, number, "t", b"x")
                .says(1, pubrel(number));
        }
        for number in 1..=12 {
            // So many are open, no matter what is said of the first but its end.
            if number == 1 {
                for open in 1..=maximum {
                    let qos = if open % 2 == 0 { Q1 } else { Q2 };
                    hall.gets(2, qos, open, "t", b"x");
                }
                hall.hears_nothing(2);
            }
            if number % 2 == 0 {
                hall.says(2, puback(number));
            } else {
                hall.says(2, pubrec(number))
                    .hears(2, pubrel(number))
                    .hears_nothing(2);
                hall.says(2, pubcomp(number));
            }
            let next = number + maximum;
            if next <= 12 {
                hall.gets(2, if next % 2 == 0 { Q1 } else { Q2 }, next, "t", b"x");
            }
            hall.hears_nothing(2);
        }
        assert_eq!(hall.broker.load().unsettled, 0);
    }
}

// broker: MQTT-3.3.4-9
#[test]
fn a_resumed_session_keeps_to_the_maximum_of_its_new_connection() {
    let (wide, narrow) = ([HOUR], [HOUR, Property::ReceiveMaximum(2)]);
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &limited("s", &wide))
        .subscribes(2, "t", Q1);
    for number in 1..=5 {
        hall.publishes(1, Q1, 1, "t", b"x")
            .gets(2, Q1, number, "t", b"x");
    }
    hall.cut(2).publishes(1, Q1, 1, "t", b"y");
    hall.rejoins(3, &limited("s", &narrow), true);
    let first = |number| again(publish(Q1, number, "t", b"x"));
    hall.hears(3, first(1)).hears(3, first(2)).hears_nothing(3);
    hall.says(3, puback(1)).hears(3, first(3)).hears_nothing(3);
    hall.says(3, puback(2))
        .says(3, puback(3))
        .hears(3, first(4))
        .hears(3, first(5));
    hall.hears_nothing(3)
        .says(3, puback(5))
        .gets(3, Q1, 6, "t", b"y")
        .hears_nothing(3);
}

// broker: MQTT-3.3.4-10
#[test]
fn a_full_window_holds_only_messages_back() {
    let window = [Property::ReceiveMaximum(2)];
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &limited("s", &window))
        .subscribes(2, "t", Q2);
    for number in 1..=4 {
        hall.publishes(1, Q2, number, "t", b"x")
            .hears(1, pubrec(number));
    }
    hall.gets(2, Q2, 1, "t", b"x")
        .gets(2, Q2, 2, "t", b"x")
        .hears_nothing(2);
    // Every other packet leaves at once.
    hall.says(2, Packet::PingReq).hears(2, Packet::PingResp);
    hall.publishes(2, Q1, 1, "u", b"");
    hall.hears(
        2,
        Packet::PubAck(ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
    );
    hall.publishes(2, Q2, 2, "u", b"");
    hall.hears(
        2,
        Packet::PubRec(ack(2, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
    );
    hall.says(2, pubrel(2)).hears(2, pubcomp(2));
    hall.says(2, subscribe(1, &[filter("v", Q0)]));
    hall.hears(2, suback(1, &[ReasonCode::GRANTED_QOS_0]));
    let filters = [TopicFilter::new("v").unwrap()];
    hall.says(
        2,
        Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::new(2).unwrap(),
            properties: Properties::EMPTY,
            filters: Filters::new(&filters),
        }),
    );
    hall.hears(2, unsuback(2, &[ReasonCode::SUCCESS]));
    hall.says(2, pubrec(1)).hears(2, pubrel(1)).hears_nothing(2);
    // Nor does it hold back what needs no acknowledgement.
    hall.publishes(1, Q0, 0, "t", b"prompt")
        .gets(2, Q0, 0, "t", b"prompt");
    hall.says_bytes(2, b"\x00")
        .is_disconnected(2, ReasonCode::MALFORMED_PACKET);
}
