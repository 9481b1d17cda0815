//! Topic names and filters (section 4.7): which are taken, and which match.

use mqtt_proto::{Connect, Packet, Properties, QoS, ReasonCode, TopicFilter, TopicName, Will};
use mqtt_session::broker::{BrokerConfig, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;

/// With a byte count of two bytes in front.
fn text(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("at most 65,535 bytes");
    [&len.to_be_bytes()[..], content].concat()
}

/// A packet with this first byte and these parts, whose length is below 2^21.
fn raw(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = body.len();
    let low = |shift: usize| (len >> shift & 0x7f) as u8;
    let mut bytes = vec![first, low(0) | 0x80, low(7) | 0x80, low(14)];
    if len < 128 {
        bytes = vec![first, low(0)];
    } else if len < 16_384 {
        bytes = vec![first, low(0) | 0x80, low(7)];
    }
    bytes.extend(body);
    bytes
}

fn publish_of(topic: &[u8]) -> Vec<u8> {
    raw(0x30, &[&text(topic), b"\x00"])
}

fn subscribe_to(filter: &[u8]) -> Vec<u8> {
    raw(0x82, &[b"\x00\x01\x00", &text(filter), b"\x00"])
}

fn unsubscribe_from(filter: &[u8]) -> Vec<u8> {
    raw(0xa2, &[b"\x00\x01\x00", &text(filter)])
}

/// With which code a connection ends that says this; `None`, it stays.
fn told(bytes: &[u8]) -> Option<u8> {
    let mut hall = hall();
    hall.joins(1, &hello("c")).says_bytes(1, bytes);
    match hall.end_of(1)? {
        EndCause::Violation(violation) => {
            hall.is_disconnected(1, violation.reason());
            Some(violation.reason().value())
        }
        other => panic!("{other:?}"),
    }
}

// broker: MQTT-4.7.0-1
#[test]
fn wildcards_are_for_filters_and_not_for_names() {
    for name in ["#", "+", "a/#", "a/+/b", "a+", "#a", "+/"] {
        assert_eq!(told(&publish_of(name.as_bytes())), Some(0x90), "{name}");
        // Nor in the topic of a will, nor where an answer is to go.
        let will = raw(
            0x10,
            &[
                &text(b"MQTT"),
                b"\x05\x06\x00\x00\x00",
                &text(b"c"),
                b"\x00",
                &text(name.as_bytes()),
                &text(b"gone"),
            ],
        );
        let mut hall = hall();
        hall.opens(1)
            .says_bytes(1, &will)
            .hears(1, refused(ReasonCode::TOPIC_NAME_INVALID))
            .is_closed(1);
        let response = [&b"\x08"[..], &text(name.as_bytes())].concat();
        let len = [response.len() as u8];
        let answer = raw(0x30, &[&text(b"t"), &len, &response]);
        assert_eq!(told(&answer), Some(0x82), "{name}");
    }
    for filter in ["#", "+", "a/#", "a/+/b"] {
        assert_eq!(told(&subscribe_to(filter.as_bytes())), None, "{filter}");
    }
}

// broker: MQTT-4.7.1-1
#[test]
fn the_multi_level_wildcard_is_the_last_level() {
    for filter in ["#", "a/#", "/#", "+/#", "$share/g/#", "$share/g/a/#"] {
        assert_eq!(told(&subscribe_to(filter.as_bytes())), None, "{filter}");
        assert_eq!(told(&unsubscribe_from(filter.as_bytes())), None, "{filter}");
    }
    for filter in [
        "a#",
        "#a",
        "a/#/b",
        "##",
        "a/b#",
        "#/",
        "#/+",
        "$share/g/a#",
    ] {
        assert_eq!(
            told(&subscribe_to(filter.as_bytes())),
            Some(0x8f),
            "{filter}"
        );
        assert_eq!(
            told(&unsubscribe_from(filter.as_bytes())),
            Some(0x8f),
            "{filter}"
        );
    }
}

// broker: MQTT-4.7.1-2
#[test]
fn the_single_level_wildcard_is_a_whole_level() {
    for filter in ["+", "a/+/b", "+/+", "+/", "/+", "$share/g/+/a"] {
        assert_eq!(told(&subscribe_to(filter.as_bytes())), None, "{filter}");
        assert_eq!(told(&unsubscribe_from(filter.as_bytes())), None, "{filter}");
    }
    for filter in ["a+", "+a", "a/b+", "++", "a/+b/c", "+#", "$share/g/a+"] {
        assert_eq!(
            told(&subscribe_to(filter.as_bytes())),
            Some(0x8f),
            "{filter}"
        );
        assert_eq!(
            told(&unsubscribe_from(filter.as_bytes())),
            Some(0x8f),
            "{filter}"
        );
    }
}

/// Which of these filters get a message to this topic, from a broker that holds them all.
fn matching<'f>(filters: &[&'f str], topic: &str) -> Vec<&'f str> {
    let mut hall = hall();
    for (connection, topics) in (1..).zip(filters) {
        hall.joins(connection, &hello(&format!("c{connection}")))
            .subscribes(connection, topics, Q0);
    }
    hall.joins(999, &hello("p"))
        .says(999, publishing(Q0, 0, topic, b"x"));
    let live: Vec<&str> = (1..)
        .zip(filters)
        .filter(|(connection, _)| hall.next(*connection).is_some())
        .map(|(_, filter)| *filter)
        .collect();
    // What is retained is found by the same rules.
    hall.says(999, retaining(Q0, 0, topic, b"x"));
    let kept: Vec<&str> = (1..)
        .zip(filters)
        .filter(|(connection, topics)| {
            hall.next(*connection);
            hall.subscribes_hearing(*connection, topics, Q0);
            hall.next(*connection).is_some()
        })
        .map(|(_, filter)| *filter)
        .collect();
    assert_eq!(live, kept, "{topic}");
    live
}

// broker: MQTT-4.7.2-1
#[test]
fn wildcards_in_the_first_level_do_not_match_a_leading_dollar() {
    let filters = ["#", "+/x", "+/#", "$SYS/#", "$SYS/x", "$SYS/+", "+", "$SYS"];
    assert_eq!(matching(&filters, "$SYS/x"), ["$SYS/#", "$SYS/x", "$SYS/+"]);
    assert_eq!(matching(&filters, "$SYS"), ["$SYS/#", "$SYS"]);
    assert_eq!(matching(&filters, "a/x"), ["#", "+/x", "+/#"]);
    // A dollar in another place is nothing special.
    assert_eq!(
        matching(&["#", "a/+", "a/$x"], "a/$x"),
        ["#", "a/+", "a/$x"]
    );
    assert_eq!(matching(&["#", "+", "a$"], "a$"), ["#", "+", "a$"]);
    // Shares follow the same rule.
    let shared = ["$share/a/#", "$share/b/+/x", "$share/c/$SYS/x"];
    let mut hall = hall();
    for (connection, topics) in (1..).zip(shared) {
        hall.joins(connection, &hello(topics))
            .subscribes(connection, topics, Q0);
    }
    hall.joins(9, &hello("p"))
        .says(9, publishing(Q0, 0, "$SYS/x", b""))
        .hears(3, publishing(Q0, 0, "$SYS/x", b""))
        .silent();
}

// broker: MQTT-4.7.3-4
#[test]
fn matching_compares_characters_and_nothing_else() {
    for (topic, others) in [
        (
            "ACCOUNTS",
            &["Accounts", "ACCOUNTS/", "/ACCOUNTS", "ACCOUNTS "][..],
        ),
        ("/a", &["a", "a/", "//a"]),
        ("a b", &["a%20b", "a+b ", "a  b"]),
        ("\u{e9}", &["e\u{301}", "\u{c9}", "e"]),
        ("a//b", &["a/b", "a///b"]),
        ("a/../b", &["b", "a/b"]),
        ("\u{fb01}", &["fi"]),
        ("\u{feff}a", &["a"]),
    ] {
        let others: Vec<&str> = others
            .iter()
            .copied()
            .filter(|other| !other.contains('+'))
            .collect();
        let all = [&[topic][..], &others].concat();
        assert_eq!(matching(&all, topic), [topic]);
        for other in others {
            assert_eq!(matching(&[topic], other), Vec::<&str>::new(), "{other}");
        }
    }
}

#[test]
fn levels_match_as_the_standard_shows() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "sport/tennis/player1/#",
            &[
                "sport/tennis/player1",
                "sport/tennis/player1/ranking",
                "sport/tennis/player1/score/wimbledon",
            ],
            &[
                "sport/tennis/player2",
                "sport/tennis",
                "sport/tennis/player1x",
            ],
        ),
        ("sport/#", &["sport", "sport/"], &["sports", "/sport"]),
        (
            "sport/tennis/+",
            &["sport/tennis/player1", "sport/tennis/"],
            &["sport/tennis/player1/ranking", "sport/tennis"],
        ),
        ("sport/+", &["sport/"], &["sport"]),
        ("+/+", &["/finance", "a/b"], &["finance", "/finance/x"]),
        ("/+", &["/finance"], &["finance", "//"]),
        ("+", &["finance"], &["/finance"]),
        ("+/tennis/#", &["a/tennis", "/tennis/x"], &["tennis"]),
        ("#", &["a", "/", "a/b/c/d/e/f"], &[]),
        ("/", &["/"], &["a", "//"]),
    ];
    for (filter, matched, others) in cases {
        for topic in *matched {
            assert_eq!(matching(&[filter], topic), [*filter], "{topic}");
        }
        for topic in *others {
            assert_eq!(
                matching(&[filter], topic),
                Vec::<&str>::new(),
                "{filter} {topic}"
            );
        }
    }
}

// broker: MQTT-4.7.3-1
#[test]
fn names_and_filters_have_a_character() {
    assert_eq!(told(&publish_of(b"")), Some(0x82));
    assert_eq!(told(&publish_of(b" ")), None);
    assert_eq!(told(&publish_of(b"/")), None);
    assert_eq!(told(&subscribe_to(b"")), Some(0x82));
    assert_eq!(told(&unsubscribe_from(b"")), Some(0x82));
    assert_eq!(told(&subscribe_to(b"/")), None);
    assert_eq!(told(&subscribe_to(b"$share/g/")), Some(0x8f));
}

// broker: MQTT-4.7.3-2
#[test]
fn names_and_filters_have_no_nul() {
    for name in [&b"\0"[..], b"a\0", b"a/\0/b"] {
        assert_eq!(told(&publish_of(name)), Some(0x81));
        assert_eq!(told(&subscribe_to(name)), Some(0x81));
        assert_eq!(told(&unsubscribe_from(name)), Some(0x81));
    }
}

// broker: MQTT-4.7.3-3
#[test]
fn names_and_filters_have_up_to_65535_bytes() {
    let longest = "x".repeat(65_535);
    let mut hall = hall_with(BrokerConfig {
        transmit: 1 << 20,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    hall.subscribes(2, &longest, Q1);
    hall.says(1, publishing(Q1, 1, &longest, b"x"))
        .hears(1, puback(1))
        .hears(2, publishing(Q1, 1, &longest, b"x"));
    // One byte less is another topic: nothing is cut off.
    hall.says(1, publishing(Q0, 0, &longest[1..], b"x"))
        .silent();
    hall.says(2, unsubscribe(3, &[TopicFilter::new(&longest).unwrap()]))
        .hears(2, unsuback(3, &[ReasonCode::SUCCESS]));
    // Neither the program nor a client has a way to say a longer one.
    assert!(TopicName::new(&"x".repeat(65_536)).is_err());
    assert!(TopicFilter::new(&"x".repeat(65_536)).is_err());
}

#[test]
fn a_will_keeps_to_the_same_rules_as_a_message() {
    let longest = "/".repeat(30_000);
    let connect = Connect {
        will: Some(Will {
            qos: Q0,
            retain: false,
            topic: TopicName::new(&longest).expect("a topic name"),
            payload: b"gone",
            properties: Properties::EMPTY,
        }),
        ..hello("c")
    };
    let mut hall = hall();
    hall.joins(1, &hello("w")).subscribes(1, "#", Q0);
    hall.joins(2, &connect).cut(2);
    hall.hears_what(1, |packet| match packet {
        Packet::Publish(publish) => {
            assert_eq!(
                publish.topic.map(|topic| topic.as_str().len()),
                Some(30_000)
            );
        }
        other => panic!("{other:?}"),
    });
}
