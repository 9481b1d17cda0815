//! Wills: when they are published, when not, and what is published.

use core::time::Duration;
use mqtt_proto::{
    Connect, Disconnect, Packet, PayloadFormat, Properties, Property, Publish, ReasonCode,
    Subscription, SubscriptionOptions, TopicName, Will,
};
use mqtt_session::broker::{Broker, BrokerConfig, ConnectionId, Overflow};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

fn will<'a>(payload: &'a [u8], properties: &'a [Property<'a>]) -> Will<'a> {
    Will {
        qos: Q1,
        retain: false,
        topic: TopicName::new("will").expect("a topic name"),
        payload,
        properties: Properties::new(properties),
    }
}

const DELAY: u64 = 30;
const DELAYED: &[Property<'static>] = &[Property::WillDelayInterval(30)];

/// A client whose will is published as soon as it is gone.
fn mortal(client_id: &str) -> Connect<'_> {
    Connect {
        will: Some(will(b"gone", &[])),
        ..hello(client_id)
    }
}

/// A client whose session is kept for an hour, and whose will waits for half a minute.
fn delayed(client_id: &str) -> Connect<'_> {
    Connect {
        will: Some(will(b"gone", DELAYED)),
        ..hello_again(client_id)
    }
}

/// A broker whose connection 1 hears of wills.
fn witnessed() -> Hall {
    witnessed_by(BrokerConfig::default())
}

fn witnessed_by(config: BrokerConfig) -> Hall {
    let mut hall = Hall::new(Broker::new(config));
    hall.joins(1, &hello("witness")).subscribes(1, "will", Q0);
    hall
}

/// A moment before, nothing is heard; then the will is.
#[track_caller]
fn comes_after(hall: &mut Hall, seconds: u64) {
    const MOMENT: Duration = Duration::from_millis(1);
    if seconds > 0 {
        hall.wait(Duration::from_secs(seconds) - MOMENT)
            .hears_nothing(1);
        hall.wait(MOMENT);
    }
    hall.gets(1, Q0, 0, "will", b"gone").hears_nothing(1);
}

/// Nothing is heard, however long one waits.
#[track_caller]
fn never_comes(hall: &mut Hall) {
    hall.hears_nothing(1)
        .wait(Duration::from_secs(1_000_000))
        .hears_nothing(1);
}

/// DISCONNECT with this code.
fn leaves(reason: ReasonCode, properties: &'static [Property<'static>]) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::new(properties),
    })
}

type End = fn(&mut Hall);

/// Every way in which a connection ends but DISCONNECT 0x00. The connection is 2, its keep alive
/// 10 seconds.
const ENDS: [(&str, End); 12] = [
    ("the transport is cut", |hall| {
        hall.cut(2);
    }),
    ("silence", |hall| {
        hall.wait(Duration::from_secs(15));
    }),
    ("a wrong packet", |hall| {
        hall.says_bytes(2, b"\x00\x00");
    }),
    ("a second CONNECT", |hall| {
        hall.says(2, Packet::Connect(hello("x")));
    }),
    ("a wrong alias", |hall| {
        hall.says_bytes(2, b"\x30\x06\x00\x00\x03\x23\x00\x09");
    }),
    ("DISCONNECT 0x04", |hall| {
        hall.says(2, leaves(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE, &[]));
    }),
    ("DISCONNECT 0x80", |hall| {
        hall.says(2, leaves(ReasonCode::UNSPECIFIED_ERROR, &[]));
    }),
    ("DISCONNECT 0x93", |hall| {
        hall.says(2, leaves(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, &[]));
    }),
    ("an order", |hall| {
        let reason = ReasonCode::ADMINISTRATIVE_ACTION;
        hall.broker.disconnect(hall.now, ConnectionId(2), reason);
        hall.run();
    }),
    ("a takeover", |hall| {
        hall.joins(3, &hello_again("c"));
    }),
    ("a transport that takes nothing", |hall| {
        hall.says_bytes(2, b"\xc0\x00").takes(2, 0);
        for _ in 0..5 {
            hall.says_bytes(2, b"\xc0\x00").wait(Duration::from_secs(9));
        }
    }),
    ("a full queue", |hall| {
        for number in 1..=3 {
            hall.publishes(1, Q1, number, "flood", b"")
                .hears(1, puback(number));
        }
    }),
];

// broker: MQTT-3.1.2-7, MQTT-3.1.2-8
#[test]
fn a_will_is_published_after_every_end_but_a_normal_one() {
    for (what, end) in ENDS {
        println!("{what}");
        for session in [hello("c"), hello_again("c")] {
            let mut hall = witnessed_by(BrokerConfig {
                queue_messages: 2,
                overflow: Overflow::Disconnect,
                ..BrokerConfig::default()
            });
            let connect = Connect {
                will: Some(will(b"gone", &[])),
                keep_alive: 10,
                ..session
            };
            hall.joins(2, &connect)
                .subscribes(2, "flood", Q1)
                .hears_nothing(1);
            end(&mut hall);
            hall.gets(1, Q0, 0, "will", b"gone");
            never_comes(&mut hall);
        }
    }
}

// broker: MQTT-3.1.2-8, MQTT-3.1.2-10
#[test]
fn a_will_is_not_published_after_a_normal_end() {
    for connect in [mortal("c"), delayed("c")] {
        let mut hall = witnessed();
        hall.joins(2, &connect);
        hall.says(2, leaves(ReasonCode::NORMAL_DISCONNECTION, &[]))
            .is_closed(2);
        // Nor when its session ends.
        never_comes(&mut hall);
        assert_eq!(hall.broker.load().sessions, 1);
    }
    // Nor is it there for the next connection of the session.
    let mut hall = witnessed();
    hall.joins(2, &delayed("c"));
    hall.says(2, leaves(ReasonCode::NORMAL_DISCONNECTION, &[]))
        .is_closed(2);
    hall.rejoins(3, &hello_again("c"), true).cut(3);
    never_comes(&mut hall);
}

// broker: MQTT-3.1.2-8
#[test]
fn a_will_waits_for_its_delay_or_for_the_end_of_its_session() {
    // How long the session is kept, and when the will comes.
    for (expiry, comes) in [
        (0, 0),
        (10, 10),
        (DELAY, DELAY),
        (DELAY + 1, DELAY),
        (3_600, DELAY),
    ] {
        let mut hall = witnessed();
        let property = [Property::SessionExpiryInterval(expiry.try_into().unwrap())];
        let connect = Connect {
            properties: Properties::new(&property),
            ..delayed("c")
        };
        hall.rejoins(2, &connect, false);
        hall.wait(Duration::from_secs(1_000)).cut(2);
        comes_after(&mut hall, comes);
        never_comes(&mut hall);
    }
}

// broker: MQTT-3.1.2-8
#[test]
fn a_delayed_will_comes_at_once_when_its_session_is_ended() {
    let mut hall = witnessed();
    // By its own DISCONNECT.
    const NOW: &[Property<'static>] = &[Property::SessionExpiryInterval(0)];
    hall.joins(2, &delayed("c"));
    hall.says(2, leaves(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE, NOW))
        .is_closed(2);
    comes_after(&mut hall, 0);
    // By Clean Start on the next connection, also where the first still lasts.
    hall.joins(3, &delayed("c")).cut(3).hears_nothing(1);
    hall.joins(4, &hello("c"));
    comes_after(&mut hall, 0);
    hall.joins(5, &delayed("d")).joins(6, &hello("d"));
    comes_after(&mut hall, 0);
    never_comes(&mut hall);
}

// broker: MQTT-3.1.2-10
#[test]
fn a_will_is_published_once() {
    for connect in [
        delayed("c"),
        Connect {
            will: mortal("c").will,
            ..hello_again("c")
        },
    ] {
        let mut hall = witnessed();
        hall.joins(2, &connect)
            .cut(2)
            .wait(Duration::from_secs(DELAY));
        hall.gets(1, Q0, 0, "will", b"gone");
        // The session goes on without one.
        hall.rejoins(3, &hello_again("c"), true).cut(3);
        never_comes(&mut hall);
    }
}

// broker: MQTT-3.1.3-9, MQTT-3.1.2-8
#[test]
fn a_connection_within_the_delay_cancels_the_will() {
    let mut hall = witnessed();
    let mut connection = 2;
    hall.rejoins(2, &delayed("c"), false);
    for wait in [0, 1, DELAY - 1] {
        hall.cut(connection).wait(Duration::from_secs(wait));
        connection += 1;
        hall.rejoins(connection, &delayed("c"), true);
        hall.wait(Duration::from_secs(2 * DELAY)).hears_nothing(1);
    }
    // Nor does a takeover of the session publish it.
    hall.rejoins(10, &hello_again("c"), true);
    hall.is_disconnected(connection, ReasonCode::SESSION_TAKEN_OVER);
    never_comes(&mut hall);
}

// broker: MQTT-3.1.2-7
#[test]
fn a_will_is_that_of_the_last_connection() {
    let mut hall = witnessed();
    let other = Connect {
        will: Some(will(b"other", DELAYED)),
        ..hello_again("c")
    };
    hall.rejoins(2, &delayed("c"), false).cut(2);
    hall.rejoins(3, &other, true).cut(3);
    hall.wait(Duration::from_secs(DELAY))
        .gets(1, Q0, 0, "will", b"other");
    // Each client has its own.
    hall.rejoins(4, &other, true).joins(5, &mortal("d")).cut(5);
    comes_after(&mut hall, 0);
    hall.cut(4)
        .wait(Duration::from_secs(DELAY))
        .gets(1, Q0, 0, "will", b"other");
    never_comes(&mut hall);
}

/// A subscription that keeps RETAIN.
fn as_published(topics: &str) -> Subscription<'_> {
    Subscription {
        options: SubscriptionOptions {
            retain_as_published: true,
            ..SubscriptionOptions::default()
        },
        ..filter(topics, Q0)
    }
}

// broker: MQTT-3.1.2-14, MQTT-3.1.2-15
#[test]
fn a_will_is_retained_if_it_says_so() {
    for retain in [false, true] {
        let mut hall = hall();
        hall.joins(1, &hello("early"));
        hall.says(1, subscribe(1, &[as_published("will")]));
        hall.hears(1, suback(1, &[ReasonCode::GRANTED_QOS_0]));
        let connect = Connect {
            will: Some(Will {
                retain,
                ..will(b"gone", &[])
            }),
            ..hello("c")
        };
        let sent = Packet::Publish(Publish {
            retain,
            ..publish(Q0, 0, "will", b"gone")
        });
        hall.joins(2, &connect)
            .joins(3, &hello("between"))
            .subscribes(3, "will", Q0);
        hall.hears_nothing(3).cut(2);
        hall.hears(1, sent).gets(3, Q0, 0, "will", b"gone");
        hall.joins(4, &hello("late")).subscribes(4, "will", Q0);
        if retain {
            hall.hears(4, sent);
        }
        hall.silent();
        assert_eq!(hall.broker.load().retained, usize::from(retain));
    }
}

// broker: MQTT-3.1.2-15
#[test]
fn a_retained_will_replaces_what_was_retained() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    let kept = Publish {
        retain: true,
        ..publish(Q0, 0, "will", b"before")
    };
    hall.says(1, Packet::Publish(kept));
    let last = |payload| Connect {
        will: Some(Will {
            retain: true,
            ..will(payload, &[])
        }),
        ..hello("c")
    };
    hall.joins(2, &last(b"after")).cut(2);
    hall.joins(3, &hello("late")).subscribes(3, "will", Q0);
    hall.hears(
        3,
        Packet::Publish(Publish {
            payload: b"after",
            ..kept
        }),
    );
    // Without a payload it removes it.
    hall.joins(4, &last(b""))
        .cut(4)
        .gets(3, Q0, 0, "will", b"")
        .silent();
    assert_eq!(hall.broker.load().retained, 0);
}

// broker: MQTT-3.1.3-10
#[test]
fn a_will_is_published_as_it_was_given() {
    let given = [
        Property::UserProperty("b", "1"),
        Property::WillDelayInterval(5),
        Property::UserProperty("a", ""),
        Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        Property::UserProperty("b", "1"),
        Property::ContentType("text/plain"),
        Property::UserProperty("", "0"),
        Property::ResponseTopic(TopicName::new("answers").unwrap()),
        Property::CorrelationData(b"\0\xff"),
        Property::UserProperty("b", "0"),
    ];
    for qos in [Q0, Q1, Q2] {
        let mut hall = hall();
        hall.joins(1, &hello("witness")).subscribes(1, "#", Q2);
        let connect = Connect {
            will: Some(Will {
                qos,
                ..will(b"text", &given)
            }),
            ..hello_again("c")
        };
        hall.joins(2, &connect).cut(2).wait(Duration::from_secs(5));
        hall.hears_what(1, |packet| {
            let Packet::Publish(publish) = packet else {
                panic!("{packet:?}");
            };
            assert_eq!((publish.qos, publish.payload), (qos, &b"text"[..]));
            assert_eq!(publish.topic.map(|topic| topic.as_str()), Some("will"));
            let pairs: Vec<_> = publish.properties.user_properties().collect();
            assert_eq!(
                pairs,
                [("b", "1"), ("a", ""), ("b", "1"), ("", "0"), ("b", "0")]
            );
            // Everything but the delay.
            let all: Vec<_> = publish.properties.iter().collect();
            let kept =
                |property: &&Property<'_>| !matches!(property, Property::WillDelayInterval(_));
            assert_eq!(all, given.iter().filter(kept).copied().collect::<Vec<_>>());
        });
    }
}

// broker: MQTT-3.1.2-8
#[test]
fn the_expiry_interval_of_a_will_begins_when_it_is_published() {
    let mut hall = hall();
    let properties = [
        Property::WillDelayInterval(30),
        Property::MessageExpiryInterval(7),
    ];
    let connect = Connect {
        will: Some(will(b"gone", &properties)),
        ..hello_again("c")
    };
    hall.rejoins(1, &hello_again("away"), false)
        .subscribes(1, "will", Q1)
        .cut(1);
    hall.joins(2, &connect)
        .wait(Duration::from_secs(100))
        .cut(2);
    hall.wait(Duration::from_secs(34))
        .rejoins(3, &hello_again("away"), true);
    let left = [Property::MessageExpiryInterval(3)];
    hall.hears(
        3,
        Packet::Publish(Publish {
            properties: Properties::new(&left),
            ..publish(Q1, 1, "will", b"gone")
        }),
    );
}

// broker: MQTT-3.1.2-7
#[test]
fn a_client_that_was_refused_has_no_will() {
    let mut hall = witnessed_by(BrokerConfig {
        sessions: 1,
        ..BrokerConfig::default()
    });
    hall.opens(2).says(2, Packet::Connect(mortal("c")));
    hall.is_refused(2, ReasonCode::QUOTA_EXCEEDED);
    never_comes(&mut hall);
}
