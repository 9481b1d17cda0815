//! Keep Alive: how long a client may be silent.

use core::time::Duration;
use mqtt_proto::{Connect, Disconnect, Packet, Properties, Property, ReasonCode, TopicName, Will};
use mqtt_session::broker::{BrokerConfig, EndCause};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const MOMENT: Duration = Duration::from_millis(1);

fn alive(keep_alive: u16) -> Connect<'static> {
    Connect {
        keep_alive,
        ..hello("c")
    }
}

/// The connection lasts as long as it may without a word, and no longer.
#[track_caller]
fn is_given_up_after(hall: &mut Hall, connection: u64, silence: Duration) {
    hall.wait(silence - MOMENT)
        .hears_nothing(connection)
        .wait(MOMENT);
    hall.is_disconnected(connection, ReasonCode::KEEP_ALIVE_TIMEOUT);
    assert_eq!(hall.end_cause(connection), EndCause::KeepAlive);
}

// broker: MQTT-3.1.2-22
#[test]
fn one_and_a_half_intervals_of_silence_end_the_connection() {
    for keep_alive in [1, 2, 10, 60, 0x7fff, 0xffff] {
        let mut hall = hall();
        hall.joins(1, &alive(keep_alive));
        let silence = Duration::from_secs(keep_alive.into()) * 3 / 2;
        is_given_up_after(&mut hall, 1, silence);
    }
}

// broker: MQTT-3.1.2-22
#[test]
fn every_packet_of_the_client_begins_the_silence_anew() {
    let mut hall = hall();
    hall.joins(1, &alive(10));
    const SILENCE: Duration = Duration::from_secs(15);
    for packet in [
        Packet::PingReq,
        subscribe(1, &[filter("t", Q2)]),
        Packet::Publish(publish(Q0, 0, "x", b"")),
        Packet::Publish(publish(Q1, 1, "x", b"")),
        Packet::Publish(publish(Q2, 2, "x", b"")),
        pubrel(2),
        puback(9),
        pubrec(9),
        pubcomp(9),
    ] {
        hall.wait(SILENCE - MOMENT).says(1, packet);
    }
    while hall.next(1).is_some() {}
    // What the broker sends does not.
    hall.joins(2, &hello("p"));
    for _ in 0..14 {
        hall.wait(Duration::from_secs(1))
            .publishes(2, Q0, 0, "t", b"x");
        hall.gets(1, Q0, 0, "t", b"x");
    }
    is_given_up_after(&mut hall, 1, Duration::from_secs(1));
}

// broker: MQTT-3.1.2-22
#[test]
fn a_packet_that_is_coming_is_not_silence() {
    let mut hall = hall();
    hall.joins(1, &alive(10));
    for byte in [0x30, 0x06, 0x00, 0x01, b't', 0x00, b'o'] {
        hall.wait(Duration::from_secs(14)).says_bytes(1, &[byte]);
    }
    is_given_up_after(&mut hall, 1, Duration::from_secs(15));
}

// broker: MQTT-3.1.2-22
#[test]
fn with_0_a_client_may_be_silent_for_ever() {
    let mut hall = hall();
    hall.joins(1, &alive(0));
    hall.wait(Duration::from_secs(10_000_000)).silent();
    hall.says(1, Packet::PingReq).hears(1, Packet::PingResp);
}

// broker: MQTT-3.1.2-22
#[test]
fn silence_is_taken_for_a_failure_of_the_network() {
    let mut hall = hall();
    hall.joins(1, &hello("witness")).subscribes(1, "w", Q0);
    let connect = Connect {
        keep_alive: 10,
        will: Some(Will {
            qos: Q0,
            retain: false,
            topic: TopicName::new("w").unwrap(),
            payload: b"lost",
            properties: Properties::EMPTY,
        }),
        ..hello_again("c")
    };
    // Also where the transport takes nothing, DISCONNECT included.
    hall.rejoins(2, &connect, false).takes(2, 0);
    hall.wait(Duration::from_secs(15))
        .gets(1, Q0, 0, "w", b"lost");
    hall.wait(Duration::from_secs(5)).is_closed(2);
    hall.rejoins(3, &connect, true);
}

fn told(hall: &mut Hall, connection: u64) -> Option<u16> {
    hall.hears_what(connection, |packet| match packet {
        Packet::ConnAck(connack) => connack.properties.server_keep_alive(),
        other => panic!("{other:?}"),
    })
}

// broker: MQTT-3.2.2-22
#[test]
fn the_interval_is_the_clients_unless_it_is_told_another() {
    for (asked, expected) in [
        (1, None),
        (59, None),
        (60, None),
        (61, Some(60)),
        (0xffff, Some(60)),
        (0, Some(60)),
    ] {
        let mut hall = hall_with(BrokerConfig {
            maximum_keep_alive: Some(60),
            ..BrokerConfig::default()
        });
        hall.opens(1).says(1, Packet::Connect(alive(asked)));
        assert_eq!(told(&mut hall, 1), expected);
        let used = Duration::from_secs(expected.unwrap_or(asked).into());
        is_given_up_after(&mut hall, 1, used * 3 / 2);
    }
    let mut hall = hall();
    for (connection, asked) in [(1, 0), (2, 1), (3, 0xffff)] {
        let connect = Connect {
            keep_alive: asked,
            ..hello("")
        };
        hall.opens(connection)
            .says(connection, Packet::Connect(connect));
        assert_eq!(told(&mut hall, connection), None);
    }
}

// broker: MQTT-3.1.2-22
#[test]
fn the_next_connection_of_a_session_has_its_own_interval() {
    let mut hall = hall();
    let again = |keep_alive| Connect {
        keep_alive,
        ..hello_again("c")
    };
    hall.rejoins(1, &again(10), false)
        .wait(Duration::from_secs(14))
        .cut(1);
    hall.rejoins(2, &again(100), true);
    is_given_up_after(&mut hall, 2, Duration::from_secs(150));
    hall.rejoins(3, &again(0), true)
        .wait(Duration::from_secs(100_000));
    let properties = [Property::SessionExpiryInterval(0)];
    hall.says(
        3,
        Packet::Disconnect(Disconnect {
            reason: ReasonCode::NORMAL_DISCONNECTION,
            properties: Properties::new(&properties),
        }),
    );
    hall.is_closed(3);
}
