//! Messages through the broker, from one client to others.

use core::time::Duration;
use mqtt_proto::{Packet, Properties, Property, Publish, QoS, ReasonCode, TopicName, Will};
use mqtt_session::broker::EndCause;
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn say(qos: QoS, number: u16, topic: &str, payload: &'static [u8]) -> Packet<'static> {
    let topic: &'static str = String::leak(topic.to_owned());
    Packet::Publish(publish(qos, number, topic, payload))
}

#[test]
fn a_message_goes_to_whom_it_may_concern_at_the_lower_qos() {
    let mut hall = hall();
    hall.joins(1, &hello("publisher"));
    for (connection, qos) in [(2, Q0), (3, Q1), (4, Q2)] {
        hall.joins(connection, &hello(&format!("s{connection}")));
        hall.subscribes(connection, "a/+", qos);
    }
    hall.joins(5, &hello("other")).subscribes(5, "b", Q2);

    hall.says(1, say(Q2, 9, "a/b", b"x")).hears(1, pubrec(9));
    hall.hears(2, say(Q0, 0, "a/b", b"x"));
    hall.hears(3, say(Q1, 1, "a/b", b"x"));
    hall.hears(4, say(Q2, 1, "a/b", b"x"));
    hall.silent();
    hall.says(1, pubrel(9)).hears(1, pubcomp(9));
    hall.says(3, puback(1));
    hall.says(4, pubrec(1)).hears(4, pubrel(1));
    hall.says(4, pubcomp(1)).silent();
    assert_eq!(hall.broker.load().unsettled, 0);
}

#[test]
fn a_kept_session_gets_what_came_meanwhile_and_what_it_did_not_acknowledge() {
    let mut hall = hall();
    hall.joins(1, &hello("publisher"));
    hall.rejoins(2, &hello_again("kept"), false)
        .subscribes(2, "#", Q2);
    hall.says(1, say(Q1, 1, "t", b"sent")).hears(1, puback(1));
    hall.hears(2, say(Q1, 1, "t", b"sent")).cut(2);
    hall.says(1, say(Q2, 2, "t", b"waits")).hears(1, pubrec(2));
    hall.says(1, say(Q0, 0, "t", b"lost"));
    hall.rejoins(3, &hello_again("kept"), true);
    hall.hears(
        3,
        Packet::Publish(Publish {
            dup: true,
            ..publish(Q1, 1, "t", b"sent")
        }),
    );
    hall.hears(3, say(Q2, 2, "t", b"waits")).silent();
}

#[test]
fn a_will_is_published_when_the_transport_is_cut_and_not_after_disconnect() {
    let connect = |id| mqtt_proto::Connect {
        will: Some(Will {
            qos: Q1,
            retain: false,
            topic: TopicName::new("will").expect("a topic"),
            payload: b"gone",
            properties: Properties::EMPTY,
        }),
        ..hello(id)
    };
    let mut hall = hall();
    hall.joins(1, &hello("witness")).subscribes(1, "will", Q0);
    hall.joins(2, &connect("a")).cut(2);
    hall.hears(1, say(Q0, 0, "will", b"gone"));
    hall.joins(3, &connect("b"));
    hall.says(3, disconnect(ReasonCode::NORMAL_DISCONNECTION))
        .is_closed(3);
    hall.silent();
    assert_eq!(
        hall.end_cause(3),
        EndCause::ClientDisconnect(ReasonCode::NORMAL_DISCONNECTION)
    );
}

#[test]
fn a_retained_message_comes_with_the_subscription_and_expires() {
    let mut hall = hall();
    let expiry = [Property::MessageExpiryInterval(10)];
    hall.joins(1, &hello("publisher"));
    hall.says(
        1,
        Packet::Publish(Publish {
            retain: true,
            properties: Properties::new(&expiry),
            ..publish(Q1, 1, "t", b"kept")
        }),
    );
    hall.hears(
        1,
        Packet::PubAck(ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
    );
    hall.wait(Duration::from_secs(4));
    hall.joins(2, &hello("early")).subscribes(2, "+", Q1);
    let left = [Property::MessageExpiryInterval(6)];
    hall.hears(
        2,
        Packet::Publish(Publish {
            retain: true,
            properties: Properties::new(&left),
            ..publish(Q1, 1, "t", b"kept")
        }),
    );
    hall.wait(Duration::from_secs(6));
    hall.joins(3, &hello("late"))
        .subscribes(3, "+", Q1)
        .silent();
    assert_eq!(hall.broker.load().retained, 0);
}

#[test]
fn a_client_that_connects_again_takes_its_session_over() {
    let mut hall = hall();
    hall.rejoins(1, &hello_again("same"), false)
        .subscribes(1, "t", Q1);
    hall.rejoins(2, &hello_again("same"), true);
    hall.is_disconnected(1, ReasonCode::SESSION_TAKEN_OVER);
    hall.joins(3, &hello("p"));
    hall.says(3, say(Q0, 0, "t", b"x"))
        .hears(2, say(Q0, 0, "t", b"x"));
    hall.silent();
}

#[test]
fn messages_of_a_shared_subscription_go_round() {
    let mut hall = hall();
    hall.joins(1, &hello("p"));
    for connection in 2..5 {
        hall.joins(connection, &hello(&format!("s{connection}")));
        hall.subscribes(connection, "$share/group/t", Q1);
    }
    for (round, connection) in [2, 3, 4, 2, 3, 4].into_iter().enumerate() {
        hall.says(1, say(Q0, 0, "t", b"x"));
        hall.hears(connection, say(Q0, 0, "t", b"x")).silent();
        let _ = round;
    }
    // What a member that is gone did not acknowledge goes to another.
    hall.says(1, say(Q1, 1, "t", b"work")).hears(1, puback(1));
    hall.hears(2, say(Q1, 1, "t", b"work")).cut(2);
    hall.hears(3, say(Q1, 1, "t", b"work"))
        .says(3, puback(1))
        .silent();
}

#[test]
fn a_silent_client_is_given_up_after_one_and_a_half_keep_alives() {
    let mut hall = hall();
    let connect = mqtt_proto::Connect {
        keep_alive: 10,
        ..hello("c")
    };
    hall.joins(1, &connect);
    hall.wait(Duration::from_secs(14))
        .says(1, Packet::PingReq)
        .hears(1, Packet::PingResp);
    hall.wait(Duration::from_millis(14_999)).silent();
    hall.wait(Duration::from_millis(1));
    hall.is_disconnected(1, ReasonCode::KEEP_ALIVE_TIMEOUT);
    assert_eq!(hall.end_cause(1), EndCause::KeepAlive);
}
