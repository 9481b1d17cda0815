//! What a message carries besides its payload, and how long it lives.

use core::time::Duration;
use mqtt_proto::{Connect, Packet, PayloadFormat, Properties, Property, Publish, QoS, TopicName};
use mqtt_session::broker::BrokerConfig;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

fn with<'a>(publish: Publish<'a>, properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Publish(Publish {
        properties: Properties::new(properties),
        ..publish
    })
}

/// Sets of properties that a message may have.
fn sets() -> Vec<Vec<Property<'static>>> {
    let answers = TopicName::new("answers/ü").unwrap();
    let long: &'static str = "x".repeat(0xffff).leak();
    vec![
        vec![],
        vec![Property::PayloadFormatIndicator(PayloadFormat::Utf8)],
        vec![Property::PayloadFormatIndicator(PayloadFormat::Unspecified)],
        vec![Property::ResponseTopic(answers)],
        vec![Property::CorrelationData(b"")],
        vec![Property::CorrelationData(b"\0\xff\xed\xa0\x80")],
        vec![Property::CorrelationData(long.as_bytes())],
        vec![Property::ContentType("")],
        vec![Property::ContentType("text/ü")],
        vec![Property::ContentType(long)],
        vec![Property::UserProperty("", "")],
        vec![
            Property::UserProperty("b", "1"),
            Property::UserProperty("a", "2"),
            Property::UserProperty("b", "1"),
            Property::UserProperty("b", "0"),
            Property::UserProperty(long, long),
            Property::UserProperty("", "ü"),
        ],
        vec![
            Property::UserProperty("first", "1"),
            Property::CorrelationData(b"7"),
            Property::UserProperty("second", "2"),
            Property::ContentType("c"),
            Property::PayloadFormatIndicator(PayloadFormat::Utf8),
            Property::UserProperty("first", "3"),
            Property::ResponseTopic(answers),
        ],
    ]
}

// broker: MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20
#[test]
fn properties_are_forwarded_unchanged_and_in_order() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for (connection, qos) in [(2, Q0), (3, Q1), (4, Q2)] {
        hall.joins(connection, &hello(&format!("s{connection}")));
        hall.subscribes(connection, "t", qos);
    }
    for (number, set) in (1..).zip(sets()) {
        hall.history.clear();
        // What says that the payload is text is not held against it.
        hall.says(1, with(publish(Q2, number, "t", b"\xff"), &set))
            .hears(1, pubrec(number));
        hall.hears(2, with(publish(Q0, 0, "t", b"\xff"), &set));
        hall.hears(3, with(publish(Q1, number, "t", b"\xff"), &set));
        hall.hears(4, with(publish(Q2, number, "t", b"\xff"), &set));
    }
    hall.silent();
}

// broker: MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20
#[test]
fn properties_are_kept_with_what_waits_and_with_what_is_retained() {
    for set in sets() {
        let mut hall = hall();
        hall.joins(1, &hello("p"))
            .rejoins(2, &hello_again("s"), false);
        hall.subscribes(2, "+", Q1);
        let kept = Publish {
            retain: true,
            ..publish(Q1, 1, "t", b"x")
        };
        hall.says(1, with(kept, &set)).hears(1, puback(1));
        hall.hears(2, with(publish(Q1, 1, "t", b"x"), &set)).cut(2);
        hall.says(1, with(publish(Q1, 2, "u", b"y"), &set))
            .hears(1, puback(2));
        let again = Publish {
            dup: true,
            ..publish(Q1, 1, "t", b"x")
        };
        hall.rejoins(3, &hello_again("s"), true)
            .hears(3, with(again, &set));
        hall.hears(3, with(publish(Q1, 2, "u", b"y"), &set));
        // To a new subscription, and to another member of a group.
        hall.joins(4, &hello("a"))
            .subscribes(4, "t", Q1)
            .hears(4, with(kept, &set));
        hall.joins(5, &hello("b")).subscribes(5, "$share/g/v", Q1);
        hall.says(1, with(publish(Q1, 3, "v", b"z"), &set))
            .hears(1, puback(3));
        hall.hears(3, with(publish(Q1, 3, "v", b"z"), &set));
        hall.hears(5, with(publish(Q1, 1, "v", b"z"), &set));
        hall.joins(6, &hello("c"))
            .subscribes(6, "$share/g/v", Q1)
            .cut(5);
        hall.hears(6, with(publish(Q1, 1, "v", b"z"), &set))
            .silent();
    }
}

fn expiring<'a>(qos: QoS, number: u16, payload: &'a [u8], left: &'a [Property<'a>]) -> Packet<'a> {
    with(publish(qos, number, "t", payload), left)
}

/// A message that lives for so many seconds.
const fn lives(seconds: u32) -> [Property<'static>; 1] {
    [Property::MessageExpiryInterval(seconds)]
}

// broker: MQTT-3.3.2-5, MQTT-3.3.2-6
#[test]
fn what_waits_for_its_client_expires_or_comes_with_what_is_left() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .rejoins(2, &hello_again("s"), false);
    hall.subscribes(2, "t", Q2).cut(2);
    for (number, (qos, seconds)) in (1..).zip([(Q1, 10), (Q2, 20), (Q1, 11), (Q2, 10), (Q1, 3_600)])
    {
        hall.says(
            1,
            expiring(
                qos,
                number,
                &seconds.to_string().into_bytes(),
                &lives(seconds),
            ),
        );
    }
    hall.publishes(1, Q1, 9, "t", b"for ever");
    hall.wait(Duration::from_secs(10));
    assert_eq!(hall.broker.load().unsettled, 4);
    hall.rejoins(3, &hello_again("s"), true);
    hall.hears(3, expiring(Q2, 1, b"20", &lives(10)));
    hall.hears(3, expiring(Q1, 2, b"11", &lives(1)));
    hall.hears(3, expiring(Q1, 3, b"3600", &lives(3_590)));
    hall.gets(3, Q1, 4, "t", b"for ever").hears_nothing(3);
}

// broker: MQTT-3.3.2-5, MQTT-3.3.2-6
#[test]
fn what_waits_for_the_window_or_the_transport_expires_or_comes_with_what_is_left() {
    let mut hall = hall_with(BrokerConfig {
        send_timeout: Duration::from_secs(1_000),
        ..BrokerConfig::default()
    });
    let window = [Property::ReceiveMaximum(1)];
    let connect = Connect {
        properties: Properties::new(&window),
        ..hello("s")
    };
    hall.joins(1, &hello("p"))
        .joins(2, &connect)
        .subscribes(2, "t", Q1);
    hall.publishes(1, Q1, 1, "t", b"first")
        .gets(2, Q1, 1, "t", b"first");
    hall.says(1, expiring(Q1, 2, b"short", &lives(5)));
    hall.says(1, expiring(Q1, 3, b"long", &lives(50)))
        .hears_nothing(2);
    hall.wait(Duration::from_secs(5)).says(2, puback(1));
    hall.hears(2, expiring(Q1, 2, b"long", &lives(45)))
        .says(2, puback(2))
        .hears_nothing(2);
    // A message that fills what is on the way, and those behind it.
    hall.takes(2, 0).publishes(1, Q0, 0, "t", &[0; 100_000]);
    hall.says(1, expiring(Q1, 4, b"short", &lives(5)));
    hall.says(1, expiring(Q1, 5, b"long", &lives(50)));
    hall.wait(Duration::from_secs(7)).takes(2, usize::MAX);
    hall.gets(2, Q0, 0, "t", &[0; 100_000]);
    hall.hears(2, expiring(Q1, 3, b"long", &lives(43)))
        .hears_nothing(2);
}

// broker: MQTT-3.3.2-5, MQTT-3.3.2-6
#[test]
fn what_is_retained_expires_or_comes_with_what_is_left() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    let kept = |left: &'static [Property<'static>]| {
        Packet::Publish(Publish {
            retain: true,
            properties: Properties::new(left),
            ..publish(Q0, 0, "t", b"kept")
        })
    };
    const TEN: &[Property<'static>] = &lives(10);
    const ONE: &[Property<'static>] = &lives(1);
    const TWO: &[Property<'static>] = &lives(2);
    hall.says(1, kept(TEN));
    for (connection, (millis, left)) in (2..).zip([
        (0, Some(TEN)),
        // What is left is rounded up.
        (8_001, Some(TWO)),
        (999, Some(ONE)),
        (999, Some(ONE)),
        (1, None),
    ]) {
        hall.wait(Duration::from_millis(millis));
        hall.joins(connection, &hello(""))
            .subscribes(connection, "t", Q1);
        if let Some(left) = left {
            hall.hears(connection, kept(left));
        }
        hall.silent();
    }
}

// broker: MQTT-3.3.2-6
#[test]
fn what_does_not_wait_comes_as_it_was_and_what_comes_again_with_what_is_left() {
    let mut hall = hall();
    hall.joins(1, &hello("p"))
        .joins(2, &hello_again("s"))
        .subscribes(2, "t", Q2);
    for (number, seconds) in [(1, 1), (2, 10), (3, u32::MAX)] {
        hall.says(1, expiring(Q1, number, b"x", &lives(seconds)));
        hall.hears(2, expiring(Q1, number, b"x", &lives(seconds)));
    }
    hall.says(2, puback(1)).wait(Duration::from_secs(4));
    hall.cut(2).rejoins(3, &hello_again("s"), true);
    for (number, left) in [(2, lives(6)), (3, lives(u32::MAX - 4))] {
        let again = Publish {
            dup: true,
            ..publish(Q1, number, "t", b"x")
        };
        hall.hears(3, with(again, &left));
    }
    hall.hears_nothing(3);
}
