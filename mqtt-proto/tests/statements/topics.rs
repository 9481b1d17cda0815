//! Topic names, topic filters and matching (sections 4.7 and 4.8.2).

use mqtt_proto::{TopicError, TopicFilter, TopicName};

fn matches(filter: &str, topic: &str) -> bool {
    let filter = TopicFilter::new(filter).expect("a topic filter");
    filter.matches(TopicName::new(topic).expect("a topic name"))
}

// covers: MQTT-4.7.0-1
#[test]
fn wildcards_belong_in_filters() {
    for text in ["a/+/b", "#", "+", "a/#"] {
        let at = text.find(['+', '#']).expect("a wildcard");
        assert_eq!(TopicName::new(text), Err(TopicError::Wildcard { at }));
        let filter = TopicFilter::new(text).expect("a topic filter");
        assert!(filter.has_wildcard());
    }
    assert!(
        !TopicFilter::new("a/b")
            .expect("a topic filter")
            .has_wildcard()
    );
}

// covers: MQTT-4.7.1-1, pitfall 23
#[test]
fn the_multi_level_wildcard_stands_alone_and_last() {
    for good in ["#", "a/#", "/#", "a//#", "+/#", "$SYS/#"] {
        assert_eq!(
            TopicFilter::new(good).map(|filter| filter.as_str()),
            Ok(good)
        );
    }
    for (bad, at) in [
        ("a#", 1),
        ("a/#/b", 2),
        ("##", 0),
        ("#/", 0),
        ("#a", 0),
        ("a/b#", 3),
        ("+#", 1),
        ("a/##", 2),
    ] {
        let error = TopicFilter::new(bad).expect_err(bad);
        let expected = if bad == "+#" {
            TopicError::MisplacedSingleLevel { at: 0 }
        } else {
            TopicError::MisplacedMultiLevel { at }
        };
        assert_eq!(error, expected, "{bad}");
        assert_eq!(error.position(), if bad == "+#" { 0 } else { at });
    }
}

// covers: MQTT-4.7.1-2, pitfall 23
#[test]
fn the_single_level_wildcard_fills_its_level() {
    for good in ["+", "a/+/b", "+/+", "/+", "+/", "+/a/#", "a/+"] {
        TopicFilter::new(good).expect(good);
    }
    for (bad, at) in [("a+", 1), ("a/b+", 3), ("+a", 0), ("++", 0), ("a/+b/c", 2)] {
        assert_eq!(
            TopicFilter::new(bad),
            Err(TopicError::MisplacedSingleLevel { at }),
            "{bad}"
        );
    }
}

// covers: MQTT-4.7.2-1
#[test]
fn a_leading_wildcard_does_not_match_a_leading_dollar() {
    for (filter, topic, expected) in [
        ("#", "$SYS/x", false),
        ("+/x", "$SYS/x", false),
        ("+", "$SYS", false),
        ("+/#", "$SYS/x", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/+", "$SYS/x", true),
        ("$SYS/#", "$SYS", true),
        ("a/#", "a/$b", true),
        ("a/+", "a/$b", true),
        ("$share/g/#", "$SYS/x", false),
        ("$share/g/$SYS/#", "$SYS/x", true),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} and {topic}");
    }
}

// covers: MQTT-4.7.3-1, MQTT-4.7.3-2, pitfall 23
#[test]
fn names_and_filters_are_not_empty_and_have_no_nul() {
    assert_eq!(TopicName::new(""), Err(TopicError::Empty));
    assert_eq!(TopicFilter::new(""), Err(TopicError::Empty));
    assert_eq!(TopicName::new("a\0b"), Err(TopicError::Nul { at: 1 }));
    assert_eq!(TopicFilter::new("a\0b"), Err(TopicError::Nul { at: 1 }));
    for good in ["/", " ", "a//b", "//", "/a", "a/"] {
        assert_eq!(TopicName::new(good).map(|name| name.as_str()), Ok(good));
        TopicFilter::new(good).expect(good);
    }
}

// covers: MQTT-4.7.3-3
#[test]
fn names_and_filters_have_at_most_65535_bytes() {
    let long = "x".repeat(65_536);
    assert_eq!(
        TopicName::new(&long),
        Err(TopicError::TooLong { len: 65_536 })
    );
    assert_eq!(
        TopicFilter::new(&long),
        Err(TopicError::TooLong { len: 65_536 })
    );
    let limit = &long[1..];
    assert_eq!(
        TopicName::new(limit).map(|name| name.as_str().len()),
        Ok(65_535)
    );
    let publish = crate::packets::publish(limit);
    let bytes = crate::packets::encoded(
        &mqtt_proto::Packet::Publish(publish),
        mqtt_proto::Sender::Client,
    );
    let decoded = crate::packets::decoded_publish(&bytes, mqtt_proto::Sender::Client);
    assert_eq!(decoded.topic.map(|topic| topic.as_str()), Some(limit));
    // Bytes count, not characters.
    let wide = "ä".repeat(32_768);
    assert_eq!(
        TopicName::new(&wide),
        Err(TopicError::TooLong { len: 65_536 })
    );
}

// covers: MQTT-4.7.3-4
#[test]
fn matching_compares_bytes() {
    for (filter, topic) in [
        ("ACCOUNTS", "Accounts"),
        ("/a", "a"),
        ("a", "a/"),
        ("a//b", "a/b"),
        ("\u{e4}", "a\u{308}"),
        ("a", " a"),
    ] {
        assert!(!matches(filter, topic), "{filter} and {topic}");
    }
    for same in ["ACCOUNTS", "/a", "a/", "a//b", "\u{e4}", "/"] {
        assert!(matches(same, same));
    }
}

// covers: pitfall 23
#[test]
fn levels_match_one_by_one() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/tennis/player1/#", "sport/tennis/player2", false),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("#", "a/b/c", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/b/#", "a/b", true),
        ("a/+/c", "a//c", true),
        ("a/b", "a/b/c", false),
        ("a/b/c", "a/b", false),
        ("a/+/+/#", "a/b", false),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} and {topic}");
    }
}

// covers: MQTT-4.8.2-1, MQTT-4.8.2-2, pitfall 23
#[test]
fn shared_subscriptions_have_a_name_and_a_filter() {
    let shared = |text| {
        let filter = TopicFilter::new(text).expect("a topic filter");
        (
            filter.share_name(),
            filter.unshared().as_str(),
            filter.is_shared(),
        )
    };
    assert_eq!(shared("$share/g/a"), (Some("g"), "a", true));
    assert_eq!(shared("$share/name//x"), (Some("name"), "/x", true));
    assert_eq!(shared("$share/g/#"), (Some("g"), "#", true));
    assert_eq!(shared("$share/g/+/a"), (Some("g"), "+/a", true));
    assert_eq!(shared("$shared/g/a"), (None, "$shared/g/a", false));
    assert_eq!(shared("$share"), (None, "$share", false));
    assert_eq!(shared("a/$share/g/a"), (None, "a/$share/g/a", false));
    for (bad, error) in [
        ("$share//a", TopicError::EmptyShareName { at: 7 }),
        ("$share//x", TopicError::EmptyShareName { at: 7 }),
        ("$share/", TopicError::EmptyShareName { at: 7 }),
        ("$share/g", TopicError::ShareWithoutFilter { at: 8 }),
        ("$share/g/", TopicError::ShareWithoutFilter { at: 9 }),
        ("$share/g+/a", TopicError::WildcardInShareName { at: 8 }),
        ("$share/#/a", TopicError::WildcardInShareName { at: 7 }),
        ("$share/g/a#", TopicError::MisplacedMultiLevel { at: 10 }),
    ] {
        assert_eq!(TopicFilter::new(bad), Err(error), "{bad}");
    }
    assert!(matches("$share/g/a/+", "a/b"));
    assert!(matches("$share/g//x", "/x"));
    assert!(!matches("$share/g/a", "$share/g/a"));
}

#[test]
fn errors_say_what_and_where() {
    let message = |text| TopicFilter::new(text).expect_err("bad").to_string();
    assert_eq!(message(""), "it is empty (MQTT-4.7.3-1)");
    assert_eq!(
        message("a/#/b"),
        "'#' at byte 2 must stand alone in the last level (MQTT-4.7.1-1)"
    );
    assert_eq!(
        message("a+"),
        "'+' at byte 1 must stand alone in its level (MQTT-4.7.1-2)"
    );
    assert_eq!(
        message("$share/g"),
        "no filter after the share name at byte 8 (MQTT-4.8.2-2)"
    );
    assert_eq!(
        TopicName::new("a/+").expect_err("bad").to_string(),
        "a wildcard at byte 2 (MQTT-4.7.0-1)"
    );
}
