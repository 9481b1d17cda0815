//! Topic aliases, which stand for a topic on one connection, in one direction.

use mqtt_proto::{Connect, Packet, Properties, Property, Publish, ReasonCode, Sender};
use mqtt_session::broker::{BrokerConfig, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;
use std::collections::BTreeMap;

/// A message of a client with an alias; with an empty topic, under the alias alone.
fn aliased<A: mqtt_session::broker::Access>(
    hall: &mut Hall<A>,
    connection: u64,
    topic: &str,
    alias: u16,
    payload: &[u8],
) {
    let [high, low] = alias.to_be_bytes();
    let rest = [
        &u16::try_from(topic.len()).unwrap().to_be_bytes(),
        topic.as_bytes(),
        &[3, 0x23, high, low],
        payload,
    ]
    .concat();
    let header = [0x30, u8::try_from(rest.len()).unwrap()];
    hall.says_bytes(connection, &[&header[..], &rest].concat());
}

/// A client that allows so many aliases.
fn allowing<'a>(client_id: &'a str, properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        properties: Properties::new(properties),
        ..hello_again(client_id)
    }
}

/// What one client hears, with its aliases resolved as a client would.
#[derive(Default)]
struct Listener {
    topics: BTreeMap<u16, String>,
    /// Aliases in the order in which they came.
    aliases: Vec<Option<u16>>,
    /// How many messages came without their topic.
    short: usize,
}

impl Listener {
    /// The topic of the next message.
    #[track_caller]
    fn hears(&mut self, hall: &mut Hall, connection: u64) -> String {
        hall.hears_what(connection, |packet| {
            let Packet::Publish(publish) = packet else {
                panic!("{packet:?}");
            };
            let alias = publish.properties.topic_alias();
            self.aliases.push(alias);
            match (publish.topic, alias) {
                (Some(topic), None) => topic.as_str().to_owned(),
                (Some(topic), Some(alias)) => {
                    self.topics.insert(alias, topic.as_str().to_owned());
                    topic.as_str().to_owned()
                }
                (None, Some(alias)) => {
                    self.short += 1;
                    let known = self.topics.get(&alias).expect("an alias that was set up");
                    known.clone()
                }
                (None, None) => panic!("no topic at all"),
            }
        })
    }
}

// broker: MQTT-3.3.2-12
#[test]
fn every_alias_up_to_the_maximum_is_taken() {
    for topic_alias_maximum in [1, 32, 300] {
        let mut hall = hall_with(BrokerConfig {
            topic_alias_maximum,
            ..BrokerConfig::default()
        });
        hall.opens(1).says(1, Packet::Connect(hello("p")));
        let told = hall.hears_what(1, |packet| match packet {
            Packet::ConnAck(connack) => connack.properties.topic_alias_maximum(),
            other => panic!("{other:?}"),
        });
        assert_eq!(told, Some(topic_alias_maximum));
        hall.joins(2, &hello("s")).subscribes(2, "#", Q0);
        for alias in 1..=topic_alias_maximum {
            let topic = format!("topic/{alias}");
            aliased(&mut hall, 1, &topic, alias, b"set");
            hall.gets(2, Q0, 0, &topic, b"set");
        }
        for alias in (1..=topic_alias_maximum).rev() {
            aliased(&mut hall, 1, "", alias, b"used");
            hall.gets(2, Q0, 0, &format!("topic/{alias}"), b"used");
        }
        // Another topic replaces the one before.
        aliased(&mut hall, 1, "other", 1, b"");
        aliased(&mut hall, 1, "", 1, b"");
        hall.gets(2, Q0, 0, "other", b"")
            .gets(2, Q0, 0, "other", b"")
            .silent();
    }
}

// broker: MQTT-3.3.2-12
#[test]
fn the_widest_range_of_aliases_is_taken_to_its_end() {
    let mut hall = hall_with(BrokerConfig {
        topic_alias_maximum: 0xffff,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"))
        .joins(2, &hello("s"))
        .subscribes(2, "#", Q0);
    for alias in [0xffff, 1, 0x8000, 0x7fff] {
        let topic = format!("topic/{alias}");
        aliased(&mut hall, 1, &topic, alias, b"set");
        aliased(&mut hall, 1, "", alias, b"used");
        hall.gets(2, Q0, 0, &topic, b"set")
            .gets(2, Q0, 0, &topic, b"used");
    }
}

// broker: MQTT-3.3.2-8, MQTT-3.3.2-12
#[test]
fn an_alias_of_0_or_above_the_maximum_ends_the_connection() {
    for (maximum, alias) in [(32, 0), (32, 33), (32, 0xffff), (0, 1), (0, 0)] {
        for topic in ["t", ""] {
            let mut hall = hall_with(BrokerConfig {
                topic_alias_maximum: maximum,
                ..BrokerConfig::default()
            });
            hall.joins(1, &hello("s"))
                .subscribes(1, "#", Q0)
                .joins(2, &hello("p"));
            aliased(&mut hall, 2, topic, alias, b"");
            hall.is_disconnected(2, ReasonCode::TOPIC_ALIAS_INVALID);
            hall.silent();
        }
    }
}

// broker: MQTT-3.3.2-7
#[test]
fn an_alias_is_forgotten_with_the_connection_that_set_it_up() {
    let mut hall = hall();
    hall.joins(1, &hello("s")).subscribes(1, "#", Q0);
    hall.joins(2, &hello_again("p"));
    aliased(&mut hall, 2, "t", 1, b"1");
    aliased(&mut hall, 2, "", 1, b"2");
    hall.gets(1, Q0, 0, "t", b"1").gets(1, Q0, 0, "t", b"2");
    // Not for another client, not for the next connection of the session, not after a takeover.
    hall.joins(3, &hello("other"));
    aliased(&mut hall, 3, "", 1, b"3");
    hall.is_disconnected(3, ReasonCode::PROTOCOL_ERROR);
    hall.rejoins(4, &hello_again("p"), true);
    hall.is_disconnected(2, ReasonCode::SESSION_TAKEN_OVER);
    aliased(&mut hall, 4, "", 1, b"4");
    hall.is_disconnected(4, ReasonCode::PROTOCOL_ERROR);
    assert!(matches!(hall.end_cause(4), EndCause::Violation(_)));
    hall.rejoins(5, &hello_again("p"), true);
    aliased(&mut hall, 5, "u", 1, b"5");
    aliased(&mut hall, 5, "", 1, b"6");
    hall.gets(1, Q0, 0, "u", b"5")
        .gets(1, Q0, 0, "u", b"6")
        .silent();
}

// broker: MQTT-3.3.2-7
#[test]
fn an_alias_of_the_publisher_does_not_go_further() {
    let mut hall = hall();
    let allowed = [Property::TopicAliasMaximum(5)];
    hall.joins(1, &hello("without")).subscribes(1, "#", Q0);
    hall.joins(2, &allowing("with", &allowed))
        .subscribes(2, "#", Q0);
    hall.joins(3, &hello("p"));
    aliased(&mut hall, 3, "t", 32, b"x");
    aliased(&mut hall, 3, "", 32, b"y");
    hall.gets(1, Q0, 0, "t", b"x").gets(1, Q0, 0, "t", b"y");
    let mut listener = Listener::default();
    assert_eq!(
        [listener.hears(&mut hall, 2), listener.hears(&mut hall, 2)],
        ["t", "t"]
    );
    assert!(listener.aliases.iter().flatten().all(|alias| *alias <= 5));
}

// broker: MQTT-3.1.2-26, MQTT-3.3.2-11, MQTT-3.3.2-8
#[test]
fn aliases_that_are_sent_are_above_0_and_within_the_clients_maximum() {
    for maximum in [1, 2, 5, 16, 100, 0xffff] {
        let mut hall = hall();
        let allowed = [Property::TopicAliasMaximum(maximum)];
        hall.joins(1, &hello("p"))
            .joins(2, &allowing("s", &allowed))
            .subscribes(2, "#", Q1);
        let mut listener = Listener::default();
        for round in 0..300_u32 {
            // Some topics come often, others once.
            let topic = match round % 4 {
                0 | 1 => "often/a".to_owned(),
                2 => format!("some/{}", round % 40),
                _ => format!("once/{round}"),
            };
            if round % 2 == 0 {
                hall.publishes(1, Q0, 0, &topic, b"x");
                assert_eq!(listener.hears(&mut hall, 2), topic);
            } else {
                hall.publishes(1, Q1, 1, &topic, b"x").hears(1, puback(1));
                assert_eq!(listener.hears(&mut hall, 2), topic);
                hall.says(2, puback((round / 2 + 1).try_into().unwrap()));
            }
        }
        let used = || listener.aliases.iter().flatten();
        assert!(
            used().all(|alias| (1..=maximum).contains(alias)),
            "{maximum}"
        );
        assert!(used().count() > 0 && listener.short > 0, "{maximum}");
    }
}

// broker: MQTT-3.1.2-27
#[test]
fn no_alias_is_sent_to_who_allows_none() {
    let mut hall = hall();
    let zero = [Property::TopicAliasMaximum(0)];
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello("absent")).subscribes(2, "#", Q1);
    hall.joins(3, &allowing("zero", &zero))
        .subscribes(3, "#", Q1);
    let mut listener = Listener::default();
    for number in 1..=20 {
        hall.publishes(1, Q0, 0, "often", b"x")
            .publishes(1, Q1, number, "often", b"x");
        for connection in [2, 3] {
            assert_eq!(listener.hears(&mut hall, connection), "often");
            assert_eq!(listener.hears(&mut hall, connection), "often");
        }
    }
    assert!(listener.aliases.iter().all(Option::is_none));
}

// broker: MQTT-3.3.2-7, MQTT-3.1.2-26
#[test]
fn a_connection_begins_without_the_aliases_of_the_last() {
    let mut hall = hall();
    let (many, few) = (
        [Property::TopicAliasMaximum(10)],
        [Property::TopicAliasMaximum(2)],
    );
    let session = Property::SessionExpiryInterval(3600);
    let (many, few) = ([session, many[0]], [session, few[0]]);
    hall.joins(1, &hello("p"))
        .joins(2, &allowing("s", &many))
        .subscribes(2, "#", Q1);
    let mut first = Listener::default();
    for number in 1..=10 {
        hall.publishes(1, Q1, number, &format!("t/{}", number % 5), b"x");
        first.hears(&mut hall, 2);
    }
    assert!(first.short > 0);
    // Nothing was acknowledged: all of it comes again, and resolves without what was.
    for (connection, connect, maximum) in [
        (3, allowing("s", &few), 2),
        (4, hello_again("s"), 0),
        (5, allowing("s", &many), 10),
    ] {
        hall.cut(connection - 1).rejoins(connection, &connect, true);
        let mut listener = Listener::default();
        for number in 1..=10 {
            let topic = listener.hears(&mut hall, connection);
            assert_eq!(topic, format!("t/{}", number % 5));
        }
        assert!(
            listener
                .aliases
                .iter()
                .flatten()
                .all(|alias| *alias <= maximum)
        );
        hall.hears_nothing(connection);
    }
}

// broker: MQTT-3.3.2-7
#[test]
fn an_alias_that_never_left_is_not_relied_on() {
    let mut hall = hall();
    let allowed = [
        Property::SessionExpiryInterval(3600),
        Property::TopicAliasMaximum(4),
    ];
    hall.joins(1, &hello("p"))
        .joins(2, &allowing("s", &allowed))
        .subscribes(2, "#", Q0);
    hall.takes(2, 0)
        .publishes(1, Q0, 0, "t", b"1")
        .publishes(1, Q0, 0, "t", b"2");
    hall.takes(2, usize::MAX);
    let mut listener = Listener::default();
    assert_eq!(
        [listener.hears(&mut hall, 2), listener.hears(&mut hall, 2)],
        ["t", "t"]
    );
    // Cut while the message that sets it up has not left.
    hall.cut(2).rejoins(3, &allowing("s", &allowed), true);
    hall.takes(3, 0).publishes(1, Q0, 0, "u", b"1").cut(3);
    hall.rejoins(4, &allowing("s", &allowed), true)
        .publishes(1, Q0, 0, "u", b"2");
    let heard = hall.next(4).expect("a message");
    let packet = Packet::decode(&heard, Sender::Server).unwrap();
    let Packet::Publish(Publish { topic, payload, .. }) = packet else {
        panic!("{packet:?}");
    };
    assert_eq!(
        (topic.map(|topic| topic.as_str()), payload),
        (Some("u"), &b"2"[..])
    );
}
