//! Topic aliases, both ways: they save bytes, and live exactly as long as one transport.

use mqtt_proto::{Packet, Properties, Publish as Wire, QoS, ReasonCode};
use mqtt_session::{
    Config, Connect, Fixed, Heap, Property, PropertyId, RequestError, Store, Ticket, Violation,
};
use mqtt_tests::talk::*;

/// CONNECT of a client that takes this many aliases.
fn taking<'a>(properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        properties,
        ..Connect::new("c")
    }
}

/// PUBLISH at QoS 0 with an alias, and with the topic it stands for or without.
fn aliased<'a>(topic: &'a str, properties: &'a [Property<'a>], payload: &'a [u8]) -> Packet<'a> {
    let whole = publish(QoS::AtMostOnce, 0, "x", payload);
    Packet::Publish(Wire {
        topic: mqtt_proto::TopicName::new(topic).ok(),
        properties: Properties::new(properties),
        ..whole
    })
}

const ONE: &[Property<'static>] = &[Property::TopicAlias(1)];
const TWO: &[Property<'static>] = &[Property::TopicAlias(2)];

/// Connected to a server that takes `theirs`, with a client that sets up `own`.
fn connected_with(own: u16, theirs: u16) -> Talk<Heap> {
    let limits = [Property::TopicAliasMaximum(theirs)];
    let mut talk = talk(Config::default().topic_aliases(own));
    talk.connects(&keeping(), connack_with(&limits));
    talk
}

/// Publishes at QoS 0 and tells the topic and the alias that were sent.
fn publishes<S: Store + Clone>(talk: &mut Talk<S>, topic: &str) -> (String, Option<u16>) {
    let ticket = talk.publishes(QoS::AtMostOnce, topic, b"x");
    let sent = topic_and_alias(&talk.sent());
    talk.settles(ticket, ReasonCode::SUCCESS);
    sent
}

fn topic_and_alias(bytes: &[u8]) -> (String, Option<u16>) {
    let Ok(Packet::Publish(sent)) = Packet::decode(bytes, mqtt_proto::Sender::Client) else {
        panic!("no PUBLISH: {bytes:02x?}");
    };
    let topic = sent.topic.map_or("", |topic| topic.as_str());
    (topic.to_owned(), sent.properties.topic_alias())
}

fn full(topic: &str, alias: u16) -> (String, Option<u16>) {
    (topic.to_owned(), Some(alias))
}

fn plain(topic: &str) -> (String, Option<u16>) {
    (topic.to_owned(), None)
}

// covers: MQTT-3.1.2-26, MQTT-3.3.2-11, pitfall 80
#[test]
fn an_alias_above_the_clients_maximum_ends_the_connection() {
    let properties = [Property::TopicAliasMaximum(10)];
    for alias in [11, 12, u16::MAX] {
        for topic in ["a", ""] {
            let mut talk = talk(Config::default());
            talk.connects(&taking(&properties), connack());
            talk.server(aliased(topic, &[Property::TopicAlias(alias)], b"x"))
                .ends_by(Violation::TopicAlias(alias));
        }
    }
}

// covers: MQTT-3.1.2-27, pitfall 79
#[test]
fn a_client_that_allows_no_alias_takes_none() {
    for properties in [&[][..], &[Property::TopicAliasMaximum(0)]] {
        let mut talk = talk(Config::default());
        talk.connects(&taking(properties), connack());
        talk.server(aliased("a", ONE, b"x"))
            .ends_by(Violation::TopicAlias(1));
    }
}

// covers: MQTT-3.3.2-8, pitfall 80
#[test]
fn alias_zero_is_refused_both_ways() {
    let properties = [Property::TopicAliasMaximum(10)];
    for topic in [&[0, 1, b'a'][..], &[0, 0]] {
        let mut talk = talk(Config::default());
        talk.connects(&taking(&properties), connack());
        let mut bytes = vec![0x30, topic.len() as u8 + 4];
        bytes.extend_from_slice(topic);
        bytes.extend_from_slice(&[3, 0x23, 0, 0]);
        talk.server_bytes(&bytes)
            .breaks_off(ReasonCode::TOPIC_ALIAS_INVALID, "MQTT-3.3.2-8");
    }
    for alias in [0, 1, 6] {
        let mut talk = connected_with(5, 5);
        let properties = [Property::TopicAlias(alias)];
        let publish = message(QoS::AtMostOnce, "a", b"x").properties(&properties);
        assert_eq!(
            talk.client.publish(talk.now, &publish),
            Err(RequestError::OwnProperty(PropertyId::TopicAlias))
        );
        talk.quiet();
    }
}

// covers: MQTT-3.3.2-10, pitfall 80
#[test]
fn every_alias_up_to_the_clients_maximum_is_taken() {
    let properties = [Property::TopicAliasMaximum(10)];
    let mut talk = talk(Config::default());
    talk.connects(&taking(&properties), connack());
    for alias in 1..=10 {
        let topic = format!("t/{alias}");
        talk.server(aliased(&topic, &[Property::TopicAlias(alias)], b"x"))
            .delivers(&topic, b"x");
    }
    for alias in (1..=10).rev() {
        talk.server(aliased("", &[Property::TopicAlias(alias)], b"y"))
            .delivers(&format!("t/{alias}"), b"y");
    }
    // A topic with an alias that is taken replaces its topic, and no other.
    talk.server(aliased("new", ONE, b"z")).delivers("new", b"z");
    talk.server(aliased("", ONE, b"z")).delivers("new", b"z");
    talk.server(aliased("", TWO, b"z")).delivers("t/2", b"z");
    talk.quiet();
}

// covers: pitfall 80
#[test]
fn an_alias_that_was_never_set_stands_for_nothing() {
    let properties = [Property::TopicAliasMaximum(10)];
    let mut talk = talk(Config::default());
    talk.connects(&taking(&properties), connack());
    talk.server(aliased("a", ONE, b"x")).delivers("a", b"x");
    talk.server(aliased("", TWO, b"x"))
        .ends_by(Violation::UnknownTopicAlias(2));
}

// covers: pitfall 80
#[test]
fn a_message_needs_a_topic_or_an_alias() {
    let properties = [Property::TopicAliasMaximum(10)];
    let mut talk = talk(Config::default());
    talk.connects(&taking(&properties), connack());
    talk.server_bytes(&[0x30, 3, 0, 0, 0])
        .breaks_off(ReasonCode::PROTOCOL_ERROR, "MQTT-4.7.3-1");
}

// covers: pitfall 80
#[test]
fn a_duplicate_that_is_not_delivered_sets_its_alias_all_the_same() {
    let properties = [
        Property::TopicAliasMaximum(10),
        Property::SessionExpiryInterval(3600),
    ];
    let mut talk = talk(Config::default());
    talk.connects(&taking(&properties), connack());
    talk.server_publishes(QoS::ExactlyOnce, 7, "a", b"x")
        .delivers("a", b"x")
        .sends(pubrec(7));
    talk.loses_transport();
    talk.connects(&taking(&properties), session_present());
    talk.server(Packet::Publish(Wire {
        dup: true,
        properties: Properties::new(ONE),
        ..publish(QoS::ExactlyOnce, 7, "a", b"x")
    }))
    .sends(pubrec(7))
    .quiet();
    talk.server(aliased("", ONE, b"y"))
        .delivers("a", b"y")
        .quiet();
}

// covers: MQTT-3.3.2-7, pitfall 78
#[test]
fn inbound_aliases_end_with_their_connection() {
    let properties = [
        Property::TopicAliasMaximum(10),
        Property::SessionExpiryInterval(3600),
    ];
    let mut talk = talk(Config::default());
    talk.connects(&taking(&properties), connack());
    talk.server(aliased("a", ONE, b"x")).delivers("a", b"x");
    talk.loses_transport();
    talk.connects(&taking(&properties), session_present());
    talk.server(aliased("", ONE, b"x"))
        .ends_by(Violation::UnknownTopicAlias(1));
}

#[test]
fn a_topic_that_cannot_be_kept_for_its_alias_ends_the_connection() {
    let properties = [Property::TopicAliasMaximum(2)];
    let mut talk = Talk::new(Config::default(), Fixed::<2, 2, 64, 128, 2, 8>::new());
    talk.connects(&taking(&properties), connack());
    talk.server(aliased("8/bytes/", ONE, b"x"))
        .delivers("8/bytes/", b"x");
    talk.server(aliased("", ONE, b"y"))
        .delivers("8/bytes/", b"y");
    talk.server(aliased("9/bytes//", TWO, b"x"))
        .ends_by(Violation::TopicAliasTooLong);
}

// covers: MQTT-3.2.2-17, MQTT-3.3.2-9, MQTT-3.3.2-12
#[test]
fn outbound_aliases_run_from_one_to_the_servers_maximum() {
    let mut talk = connected_with(100, 5);
    let topics = ["t/1", "t/2", "t/3", "t/4", "t/5"];
    for (topic, alias) in topics.iter().zip(1..) {
        assert_eq!(publishes(&mut talk, topic), full(topic, alias));
    }
    for (topic, alias) in topics.iter().zip(1..) {
        assert_eq!(publishes(&mut talk, topic), full("", alias), "{topic}");
    }
    // A sixth topic takes over an alias and names itself with it.
    assert_eq!(publishes(&mut talk, "t/6"), full("t/6", 1));
    assert_eq!(publishes(&mut talk, "t/6"), full("", 1));
    assert_eq!(publishes(&mut talk, "t/2"), full("", 2));
    assert_eq!(publishes(&mut talk, "t/1"), full("t/1", 2));
    assert_eq!(publishes(&mut talk, "t/1"), full("", 2));

    // The client's own bound holds as well.
    let mut modest = connected_with(1, 5);
    assert_eq!(publishes(&mut modest, "t/1"), full("t/1", 1));
    assert_eq!(publishes(&mut modest, "t/2"), full("t/2", 1));
    assert_eq!(publishes(&mut modest, "t/2"), full("", 1));
}

// covers: MQTT-3.2.2-18, pitfall 79
#[test]
fn a_server_that_allows_no_alias_gets_none() {
    for limits in [&[][..], &[Property::TopicAliasMaximum(0)]] {
        let mut talk = talk(Config::default().topic_aliases(u16::MAX));
        talk.connects(&Connect::new("c"), connack_with(limits));
        for _ in 0..2 {
            assert_eq!(publishes(&mut talk, "a"), plain("a"));
        }
    }
    // And without the option none is set up.
    let mut off = connected_with(0, 5);
    for _ in 0..2 {
        assert_eq!(publishes(&mut off, "a"), plain("a"));
    }
}

// covers: MQTT-3.3.2-7, MQTT-3.3.2-9, pitfall 78
#[test]
fn what_is_sent_again_names_its_topic() {
    let mut talk = connected_with(10, 10);
    let mut tickets: Vec<Ticket> = Vec::new();
    for alias in [full("a", 1), full("", 1), full("", 1)] {
        tickets.push(talk.publishes(QoS::AtLeastOnce, "a", b"x"));
        assert_eq!(topic_and_alias(&talk.sent()), alias);
    }
    talk.loses_transport();
    // The new server takes one alias only, the next none.
    let limits = [Property::TopicAliasMaximum(1)];
    talk.connects(
        &keeping(),
        Packet::ConnAck(mqtt_proto::ConnAck {
            session_present: true,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&limits),
        }),
    );
    for alias in [full("a", 1), full("", 1), full("", 1)] {
        assert_eq!(topic_and_alias(&talk.sent()), alias);
    }
    talk.quiet();
    talk.loses_transport();
    talk.resumes();
    for id in 1..=3 {
        talk.resends_publish(QoS::AtLeastOnce, id, "a", b"x");
    }
    for (id, ticket) in (1..).zip(tickets) {
        talk.server(puback(id)).settles(ticket, ReasonCode::SUCCESS);
    }
    talk.quiet();
}

// covers: pitfall 81
#[test]
fn a_refused_message_sets_no_alias() {
    let limits = [
        Property::TopicAliasMaximum(5),
        Property::MaximumPacketSize(30),
    ];
    let mut talk = talk(Config::default().topic_aliases(5));
    talk.connects(&keeping(), connack_with(&limits));
    for (qos, payload) in [(QoS::AtMostOnce, [0; 40]), (QoS::ExactlyOnce, [0; 40])] {
        talk.client
            .publish(talk.now, &message(qos, "a", &payload))
            .unwrap_err();
    }
    assert_eq!(publishes(&mut talk, "a"), full("a", 1));
    assert_eq!(publishes(&mut talk, "a"), full("", 1));
    // The topic fits, the topic with its alias does not: it goes without one.
    let topic = "a/topic/of/20/bytes/";
    let ticket = talk.publishes(QoS::AtMostOnce, topic, b"12345");
    assert_eq!(topic_and_alias(&talk.sent()), plain(topic));
    talk.settles(ticket, ReasonCode::SUCCESS);
    assert_eq!(publishes(&mut talk, "b"), full("b", 2));
    talk.quiet();
}

// covers: pitfall 81
#[test]
fn a_message_given_up_before_it_was_written_sets_no_alias() {
    let mut talk = connected_with(5, 5);
    talk.takes = 0;
    let mut waiting = Vec::new();
    // Fills the way to the transport, so that what is behind it is not written.
    for _ in 0..70 {
        waiting.push(talk.publishes(QoS::AtLeastOnce, "filler", &[0; 1_000]));
    }
    talk.run();
    let ticket = talk.publishes(QoS::AtLeastOnce, "given/up", b"x");
    let last = talk.publishes(QoS::AtLeastOnce, "given/up", b"y");
    assert!(talk.client.abandon(ticket));
    talk.unblock();
    let mut sent = Vec::new();
    for _ in 0..72 {
        match talk.next() {
            Did::Sent(bytes) => sent.push(topic_and_alias(&bytes)),
            Did::Told(Told::Published(told, Err(cause), _)) => {
                assert_eq!((told, cause), (ticket, mqtt_session::GiveUp::Abandoned));
            }
            other => panic!("{other:?}"),
        }
    }
    talk.quiet();
    assert_eq!(sent.first(), Some(&full("filler", 1)));
    assert_eq!(sent.get(1), Some(&full("", 1)));
    // The first that names the topic is the one that was not given up.
    assert_eq!(sent.last(), Some(&full("given/up", 2)));
    assert!(last > ticket);
}

#[test]
fn a_small_store_gives_aliases_only_to_topics_it_can_keep() {
    let limits = [Property::TopicAliasMaximum(50)];
    let config = Config::default().topic_aliases(50);
    let mut talk = Talk::new(config, Fixed::<4, 4, 256, 128, 2, 4>::new());
    talk.connects(&Connect::new("c"), connack_with(&limits));
    assert_eq!(publishes(&mut talk, "long/topic"), plain("long/topic"));
    assert_eq!(publishes(&mut talk, "t/1"), full("t/1", 1));
    assert_eq!(publishes(&mut talk, "t/2"), full("t/2", 2));
    assert_eq!(publishes(&mut talk, "t/3"), full("t/3", 1));
    assert_eq!(publishes(&mut talk, "t/2"), full("", 2));
    assert_eq!(publishes(&mut talk, "long/topic"), plain("long/topic"));
}
