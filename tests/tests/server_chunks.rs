//! How bytes are cut on their way in makes no difference: the same bytes in any pieces, of several
//! connections in the same order, have the broker say and tell the same.
//!
//! Two things are left out, since they are no matter of cutting: acknowledgements of messages
//! that the client cannot have got yet, and what was on its way to a client that said DISCONNECT,
//! which is not sent any more.

use mqtt_proto::{
    Connect, Packet, Properties, Property, Publish, QoS, ReasonCode, Sender, SubscriptionOptions,
    TopicName, Will,
};
use mqtt_session::broker::{BrokerConfig, BrokerEvent, ConnectionId};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use proptest::prelude::*;

const CONNECTIONS: u64 = 4;

/// What a client says at once.
#[derive(Clone, Debug)]
struct Said {
    connection: u64,
    bytes: Vec<u8>,
    /// Nothing may be on its way to the client when it says this.
    alone: bool,
}

fn topic() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("a"),
        Just("a/b"),
        Just("b"),
        Just("$x"),
        Just("nobody/hears")
    ]
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(Q0), Just(Q1), Just(Q2)]
}

fn bytes_of(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).expect("a valid packet")
}

fn connect() -> impl Strategy<Value = Vec<u8>> {
    let client = prop_oneof![Just("ann"), Just("bob"), Just("cy"), Just("")];
    (
        client,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(client_id, kept, with_will, aliases, will_retained)| {
            let mut properties = Vec::new();
            if kept {
                properties.push(Property::SessionExpiryInterval(100));
            }
            if aliases {
                properties.push(Property::TopicAliasMaximum(2));
            }
            let will = Will {
                qos: Q1,
                retain: will_retained,
                topic: TopicName::new("a").expect("a topic"),
                payload: b"will",
                properties: Properties::EMPTY,
            };
            bytes_of(&Packet::Connect(Connect {
                clean_start: !kept || client_id.is_empty(),
                properties: Properties::new(&properties),
                will: with_will.then_some(will),
                ..hello(client_id)
            }))
        })
}

fn subscribing() -> impl Strategy<Value = Vec<u8>> {
    let filters = prop_oneof![
        Just("a"),
        Just("#"),
        Just("a/+"),
        Just("$share/g/#"),
        Just("$share/g/a"),
        Just("$x"),
    ];
    (filters, qos(), any::<bool>(), any::<bool>()).prop_map(|(filter, qos, no_local, gone)| {
        if gone && no_local {
            return bytes_of(&unsubscribe(
                3,
                &[mqtt_proto::TopicFilter::new(filter).expect("a filter")],
            ));
        }
        let options = SubscriptionOptions {
            qos,
            no_local: no_local && !filter.starts_with("$share"),
            retain_as_published: gone,
            ..SubscriptionOptions::default()
        };
        bytes_of(&subscribe(3, &[filter_with(filter, options)]))
    })
}

fn publishing_something() -> impl Strategy<Value = Vec<u8>> {
    (topic(), qos(), 1..20u16, any::<[bool; 5]>(), 0..200usize).prop_map(
        |(topic, qos, number, [expires, aliased, user, retain, alone], len)| {
            let payload = vec![b'p'; len];
            let mut properties = Vec::new();
            if expires {
                properties.push(Property::MessageExpiryInterval(9));
            }
            if aliased {
                properties.push(Property::TopicAlias(1));
            }
            if user {
                properties.push(Property::UserProperty("k", "v"));
            }
            let number = if qos == Q0 { 0 } else { number };
            let said = publish(qos, number, topic, &payload);
            bytes_of(&Packet::Publish(Publish {
                retain,
                properties: Properties::new(&properties),
                topic: said.topic.filter(|_| !(aliased && alone)),
                ..said
            }))
        },
    )
}

fn said() -> impl Strategy<Value = Said> {
    let bytes = prop_oneof![
        3 => connect(),
        4 => subscribing(),
        12 => publishing_something(),
        2 => (1..20u16).prop_map(|number| bytes_of(&pubrel(number))),
        1 => (1_000..1_002u16).prop_map(|number| bytes_of(&pubrec(number))),
        1 => Just(bytes_of(&Packet::PingReq)),
        1 => prop::collection::vec(any::<u8>(), 1..20),
    ];
    let leaves = Just(bytes_of(&disconnect(ReasonCode::SUCCESS)));
    let what = prop_oneof![
        30 => bytes.prop_map(|bytes| (bytes, false)),
        1 => leaves.prop_map(|bytes| (bytes, true)),
    ];
    (1..=CONNECTIONS, what).prop_map(|(connection, (bytes, alone))| Said {
        connection,
        bytes,
        alone,
    })
}

/// All connections connect, then they say what they say.
fn conversation() -> impl Strategy<Value = Vec<Said>> {
    let connects = prop::collection::vec(connect(), CONNECTIONS as usize);
    (connects, prop::collection::vec(said(), 0..60)).prop_map(|(connects, said)| {
        let connects = (1..).zip(connects).map(|(connection, bytes)| Said {
            connection,
            bytes,
            alone: false,
        });
        connects.chain(said).collect()
    })
}

/// What came of it: what every connection heard, and all events.
fn outcome(mut hall: Hall) -> (Vec<Vec<Vec<u8>>>, Vec<BrokerEvent>) {
    hall.run();
    let heard = (1..=CONNECTIONS).map(|connection| {
        let mut packets = Vec::new();
        while let Some(packet) = hall.next(connection) {
            packets.push(packet);
        }
        packets
    });
    let heard = heard.collect();
    let mut events = Vec::new();
    while let Some(event) = hall.event() {
        events.push(event);
    }
    (heard, events)
}

fn opened() -> Hall {
    let mut hall = hall_with(BrokerConfig::default());
    for connection in 1..=CONNECTIONS {
        hall.opens(connection);
    }
    hall
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn pieces_make_no_difference(
        conversation in conversation(),
        cuts in prop::collection::vec((1usize..100, any::<bool>()), 1..40),
    ) {
        // Packet by packet, each with its answers.
        let mut whole = opened();
        for said in &conversation {
            whole.says_bytes(said.connection, &said.bytes);
        }

        // What one connection says in a row as one stream, cut anywhere, looked at now and then.
        let mut pieces = opened();
        let mut cuts = cuts.iter().cycle();
        let mut at = 0;
        while at < conversation.len() {
            let connection = conversation[at].connection;
            let mut stream = conversation[at].bytes.clone();
            at += 1;
            while at < conversation.len()
                && conversation[at].connection == connection
                && !conversation[at].alone
            {
                stream.extend_from_slice(&conversation[at].bytes);
                at += 1;
            }
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (len, looks) = cuts.next().expect("at least one");
                let (piece, left) = rest.split_at((*len).min(rest.len()));
                pieces.broker.received(pieces.now, ConnectionId(connection), piece);
                if *looks {
                    pieces.run();
                }
                rest = left;
            }
            if conversation.get(at).is_some_and(|next| next.alone) {
                pieces.run();
            }
        }
        prop_assert_eq!(outcome(whole), outcome(pieces));
    }
}
