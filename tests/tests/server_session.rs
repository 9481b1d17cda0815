//! Sessions: what is kept from one connection to the next, for how long, and under which name.

use core::time::Duration;
use mqtt_proto::{Connect, Disconnect, Packet, Properties, Property, Publish, ReasonCode};
use mqtt_session::broker::{BrokerConfig, BrokerEvent};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

fn again(publish: Publish<'_>) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: true,
        ..publish
    })
}

const NOT_FOUND: ReasonCode = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;

/// A broker with a publisher, 1, and the session "c", whose connection 2 was cut with everything
/// in it that a session can hold (section 4.1).
fn with_a_full_session() -> Hall {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    hall.rejoins(2, &hello_again("c"), false)
        .subscribes(2, "t", Q2);
    // Sent and not acknowledged, sent and half acknowledged, not sent.
    hall.publishes(1, Q1, 1, "t", b"first").hears(1, puback(1));
    hall.gets(2, Q1, 1, "t", b"first");
    hall.publishes(1, Q2, 2, "t", b"second").hears(1, pubrec(2));
    hall.gets(2, Q2, 2, "t", b"second");
    hall.publishes(1, Q2, 3, "t", b"third").hears(1, pubrec(3));
    hall.gets(2, Q2, 3, "t", b"third");
    hall.says(2, pubrec(3)).hears(2, pubrel(3));
    // Received, and not released.
    hall.publishes(2, Q2, 9, "u", b"once");
    hall.hears(
        2,
        Packet::PubRec(ack(9, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
    );
    hall.cut(2);
    hall.publishes(1, Q1, 4, "t", b"fourth").hears(1, puback(4));
    hall.subscribes(1, "u", Q0).silent();
    hall
}

/// What the client of a session that is new hears and does not hear.
fn is_new(hall: &mut Hall, connection: u64) {
    hall.hears_nothing(connection);
    // No subscription, no identifier of a message that was received.
    hall.publishes(1, Q0, 0, "t", b"x")
        .hears_nothing(connection);
    hall.says(connection, pubrel(9))
        .hears(connection, Packet::PubComp(ack(9, NOT_FOUND)));
    hall.publishes(connection, Q2, 9, "u", b"another")
        .hears(connection, pubrec(9))
        .gets(1, Q0, 0, "u", b"another");
    // Identifiers begin anew.
    hall.subscribes(connection, "t", Q1);
    hall.publishes(1, Q1, 5, "t", b"y").hears(1, puback(5));
    hall.gets(connection, Q1, 1, "t", b"y").silent();
}

// broker: MQTT-3.1.2-4, MQTT-3.1.4-4, MQTT-3.2.2-2
#[test]
fn clean_start_throws_a_kept_session_away() {
    for connect in [
        hello("c"),
        Connect {
            clean_start: true,
            ..hello_again("c")
        },
    ] {
        let mut hall = with_a_full_session();
        hall.opens(3).says(3, Packet::Connect(connect));
        hall.hears(3, welcome(false));
        is_new(&mut hall, 3);
    }
}

// broker: MQTT-3.1.2-4, MQTT-3.1.4-4, MQTT-3.2.2-2
#[test]
fn clean_start_throws_a_live_session_away() {
    let mut hall = with_a_full_session();
    hall.rejoins(3, &hello_again("c"), true);
    hall.rejoins(4, &hello("c"), false);
    while hall.next(3).is_some() {}
    is_new(&mut hall, 4);
    hall.is_closed(3);
}

// broker: MQTT-3.1.2-5, MQTT-3.1.2-23, MQTT-3.1.4-4, MQTT-3.2.2-3, MQTT-3.3.1-1
#[test]
fn without_clean_start_all_that_was_kept_goes_on() {
    let mut hall = with_a_full_session();
    hall.opens(3).says(3, Packet::Connect(hello_again("c")));
    hall.hears(3, welcome(true)).hears(3, pubrel(3));
    hall.hears(3, again(publish(Q1, 1, "t", b"first")));
    hall.hears(3, again(publish(Q2, 2, "t", b"second")));
    let fourth = hall.hears_what(3, |packet| match packet {
        Packet::Publish(Publish {
            dup,
            packet_id,
            payload,
            ..
        }) => {
            assert_eq!((dup, payload), (false, &b"fourth"[..]));
            packet_id.expect("QoS 1").value()
        }
        other => panic!("{other:?}"),
    });
    assert!(![1, 2, 3].contains(&fourth));
    hall.says(3, pubcomp(3))
        .says(3, puback(1))
        .says(3, pubrec(2));
    hall.hears(3, pubrel(2))
        .says(3, pubcomp(2))
        .says(3, puback(fourth));
    assert_eq!(hall.broker.load().unsettled, 0);
    // What was received is not taken for new, and is released.
    hall.says(3, again(publish(Q2, 9, "u", b"once")))
        .hears(3, pubrec(9));
    hall.says(3, pubrel(9)).hears(3, pubcomp(9)).silent();
    hall.publishes(3, Q2, 9, "u", b"another")
        .hears(3, pubrec(9));
    hall.gets(1, Q0, 0, "u", b"another").silent();
    // The subscription is there.
    hall.publishes(1, Q0, 0, "t", b"x")
        .gets(3, Q0, 0, "t", b"x")
        .silent();
}

// broker: MQTT-3.1.2-6, MQTT-3.1.4-4, MQTT-3.2.2-3
#[test]
fn without_clean_start_and_without_a_session_there_is_a_new_one() {
    let mut hall = hall();
    for connection in [1, 2] {
        // One that ends with its connection is none for the next.
        let connect = Connect {
            clean_start: false,
            ..hello("c")
        };
        hall.opens(connection)
            .says(connection, Packet::Connect(connect));
        hall.hears(connection, welcome(false))
            .subscribes(connection, "t", Q1);
        hall.publishes(connection, Q1, 1, "t", b"x")
            .gets(connection, Q1, 1, "t", b"x");
        hall.hears(connection, puback(1)).cut(connection);
    }
    hall.opens(3).says(3, Packet::Connect(hello_again("c")));
    hall.hears(3, welcome(false)).subscribes(3, "u", Q1).cut(3);
    hall.opens(4).says(4, Packet::Connect(hello_again("c")));
    hall.hears(4, welcome(true));
    hall.publishes(4, Q0, 0, "u", b"y")
        .gets(4, Q0, 0, "u", b"y")
        .silent();
}

fn expiring<'a>(client_id: &'a str, property: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        clean_start: false,
        properties: Properties::new(property),
        ..hello(client_id)
    }
}

// broker: MQTT-3.1.2-23, MQTT-3.2.2-3
#[test]
fn a_session_is_kept_for_its_expiry_interval() {
    const SECOND: Duration = Duration::from_secs(1);
    for (interval, kept) in [
        (1, true),
        (300, true),
        (300, false),
        (86_400, true),
        (u32::MAX, true),
    ] {
        let property = [Property::SessionExpiryInterval(interval)];
        let connect = expiring("c", &property);
        let mut hall = hall();
        // It counts from the end of the connection.
        hall.rejoins(1, &connect, false);
        hall.wait(Duration::from_secs(1_000)).cut(1);
        let limit = Duration::from_secs(interval.min(1 << 24).into());
        hall.wait(if kept { limit - SECOND / 1_000 } else { limit });
        assert_eq!(hall.broker.load().sessions, usize::from(kept));
        hall.rejoins(2, &connect, kept);
    }
}

// broker: MQTT-3.1.2-23
#[test]
fn how_long_a_session_is_kept_is_what_the_last_connect_says() {
    for (last, kept) in [(&[][..], 0), (&[Property::SessionExpiryInterval(50)], 50)] {
        let mut hall = hall();
        hall.rejoins(1, &hello_again("c"), false).cut(1);
        let connect = expiring("c", last);
        hall.rejoins(2, &connect, true).cut(2);
        if kept > 0 {
            hall.wait(Duration::from_millis(kept * 1_000 - 1));
            assert_eq!(hall.broker.load().sessions, 1);
            hall.wait(Duration::from_millis(1));
        }
        assert_eq!(hall.broker.load().sessions, 0);
        // And longer again.
        hall.rejoins(3, &connect, false);
        hall.rejoins(4, &hello_again("c"), kept > 0).cut(4);
        hall.wait(Duration::from_secs(3_599))
            .rejoins(5, &connect, true);
    }
}

// broker: MQTT-3.1.2-23
#[test]
fn disconnect_may_change_how_long_a_session_is_kept() {
    for (property, kept) in [
        (&[][..], 100),
        (&[Property::SessionExpiryInterval(0)], 0),
        (&[Property::SessionExpiryInterval(50)], 50),
        (&[Property::SessionExpiryInterval(500)], 500),
    ] {
        let mut hall = hall();
        let initially = [Property::SessionExpiryInterval(100)];
        hall.rejoins(1, &expiring("c", &initially), false);
        hall.forget_events();
        let disconnect = Disconnect {
            reason: ReasonCode::NORMAL_DISCONNECTION,
            properties: Properties::new(property),
        };
        hall.says(1, Packet::Disconnect(disconnect)).is_closed(1);
        let ended = |hall: &mut Hall| {
            let mut ended = false;
            while let Some(event) = hall.event() {
                ended |= matches!(event, BrokerEvent::SessionEnded { .. });
            }
            ended
        };
        if kept > 0 {
            hall.wait(Duration::from_millis(kept * 1_000 - 1));
            assert!(!ended(&mut hall), "{kept}");
            hall.wait(Duration::from_millis(1));
        }
        assert!(ended(&mut hall), "{kept}");
        hall.rejoins(2, &expiring("c", &initially), false);
    }
}

// broker: MQTT-3.1.2-23
#[test]
fn the_broker_may_keep_it_for_less_and_says_so() {
    let mut hall = hall_with(BrokerConfig {
        maximum_session_expiry: 60,
        ..BrokerConfig::default()
    });
    hall.opens(1).says(1, Packet::Connect(hello_again("c")));
    hall.hears_what(1, |packet| match packet {
        Packet::ConnAck(connack) => {
            assert_eq!(connack.properties.session_expiry_interval(), Some(60));
        }
        other => panic!("{other:?}"),
    });
    hall.cut(1).wait(Duration::from_secs(59));
    hall.rejoins(2, &hello_again("c"), true).cut(2);
    hall.wait(Duration::from_secs(60));
    hall.rejoins(3, &hello_again("c"), false);
}

#[test]
fn what_was_queued_at_qos_0_for_one_connection_does_not_leave_on_the_next() {
    let mut hall = hall_with(BrokerConfig {
        transmit: 256,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("p"));
    hall.joins(2, &hello_again("c")).subscribes(2, "t", Q1);
    hall.takes(2, 0);
    for _ in 0..20 {
        hall.publishes(1, Q0, 0, "t", &[b'x'; 100]);
    }
    hall.publishes(1, Q1, 1, "t", b"kept").cut(2);
    hall.rejoins(3, &hello_again("c"), true);
    hall.hears_what(3, |packet| match packet {
        Packet::Publish(publish) => assert_eq!(publish.payload, b"kept"),
        other => panic!("{other:?}"),
    });
    hall.hears_nothing(3);
}

// broker: MQTT-3.1.3-2
#[test]
fn a_session_is_that_of_one_client_identifier() {
    let mut hall = hall();
    let names = ["c", "C", "cc", "c ", "ç", "\u{63}\u{327}", "/c"];
    hall.joins(1, &hello("p"));
    for (connection, name) in (10..).zip(names) {
        hall.rejoins(connection, &hello_again(name), false);
        hall.subscribes(connection, &format!("to {name}"), Q1)
            .cut(connection);
    }
    assert_eq!(hall.broker.load().sessions, 1 + names.len());
    for name in names {
        hall.publishes(1, Q1, 1, &format!("to {name}"), name.as_bytes());
        hall.hears(1, puback(1));
    }
    for (connection, name) in (20..).zip(names) {
        hall.rejoins(connection, &hello_again(name), true);
        let topic = format!("to {name}");
        hall.gets(connection, Q1, 1, &topic, name.as_bytes())
            .silent();
    }
}
