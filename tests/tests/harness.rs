//! The broker harness itself, with Mosquitto's own clients on both sides.

use mqtt_tests::mosquitto::{Config, Received, require_broker};

fn message(topic: &str, qos: u8, payload: &[u8]) -> Received {
    Received {
        topic: topic.to_owned(),
        qos,
        retain: false,
        payload: payload.to_owned(),
        response_topic: String::new(),
        correlation_data: String::new(),
    }
}

#[test]
fn messages_pass_with_their_properties_and_retained_ones_are_marked() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    assert_eq!(broker.url(), format!("mqtt://{}", broker.address()));
    broker.publish(&["-t", "a/kept", "-m", "old", "-q", "1", "-r"]);
    let mut subscriber = broker.subscribe(&["-t", "a/#", "-q", "2"]);
    let kept = Received {
        retain: true,
        ..message("a/kept", 1, b"old")
    };
    assert_eq!(subscriber.receive(), kept);

    broker.publish(&["-t", "b/other", "-m", "not subscribed", "-q", "2"]);
    broker.publish(&["-t", "a/none", "-n"]);
    let properties = ["response-topic", "re/ply", "correlation-data", "c 7"];
    let [response, topic, correlation, data] = properties;
    let with_response = ["-D", "publish", response, topic];
    let with_correlation = ["-D", "publish", correlation, data];
    let text = ["-t", "a/b", "-m", "tab\tand ä", "-q", "2"];
    broker.publish(&[&text[..], &with_response, &with_correlation].concat());
    assert_eq!(subscriber.receive(), message("a/none", 0, b""));
    let asked = Received {
        response_topic: topic.to_owned(),
        correlation_data: data.to_owned(),
        ..message("a/b", 2, "tab\tand ä".as_bytes())
    };
    assert_eq!(subscriber.receive(), asked);
    assert_eq!(subscriber.pending(), []);
}

#[test]
fn a_saved_session_survives_a_kill_and_a_stop_on_the_same_port() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let mut broker = mosquitto.start(Config {
        persistence: true,
        ..Config::default()
    });
    let address = broker.address();
    let session = ["-i", "keeper", "-c", "-x", "3600", "-t", "k/#", "-q", "2"];
    drop(broker.subscribe(&session));

    broker.publish(&["-t", "k/1", "-m", "saved", "-q", "2"]);
    broker.save();
    broker.publish(&["-t", "k/2", "-m", "lost with the power", "-q", "2"]);
    broker.kill();
    let refused = broker.try_publish(&["-t", "k/3", "-m", "nobody"]);
    assert!(refused.is_err());

    broker.restart();
    assert_eq!(broker.address(), address);
    broker.publish(&["-t", "k/4", "-m", "stopped in peace", "-q", "1"]);
    broker.stop();
    broker.restart();
    let mut subscriber = broker.subscribe(&session);
    // At QoS 2 `mosquitto_sub` prints a message at PUBREL, so the other one may be first.
    let mut messages = [subscriber.receive(), subscriber.receive()];
    messages.sort_by(|a, b| a.topic.cmp(&b.topic));
    let kept = [
        message("k/1", 2, b"saved"),
        message("k/4", 1, b"stopped in peace"),
    ];
    assert_eq!(messages, kept);
}

#[test]
fn only_users_with_their_password_are_admitted() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        users: &[("ann", "secret"), ("bob", "hidden")],
        ..Config::default()
    });
    let message = ["-t", "t", "-m", "m", "-q", "1"];
    broker.publish(&message);
    broker.publish(&[&message[..], &["-u", "bob", "-P", "hidden"]].concat());
    let wrong = broker.try_publish(&[&message[..], &["-u", "bob", "-P", "secret"]].concat());
    assert!(wrong.unwrap_err().contains("Not authorized"));
}

#[test]
fn the_limits_of_the_configuration_hold() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        max_inflight_messages: Some(1),
        max_packet_size: Some(100),
        lines: &["max_qos 1"],
        ..Config::default()
    });
    let mut subscriber = broker.subscribe(&["-t", "t", "-q", "2"]);
    // `mosquitto_pub` holds back what the broker forbids, and calls that no failure.
    let large = "x".repeat(200);
    broker.publish(&["-t", "t", "-m", &large, "-q", "1"]);
    broker.publish(&["-t", "t", "-m", "twice acknowledged", "-q", "2"]);
    broker.publish(&["-t", "t", "-m", "small", "-q", "1"]);
    assert_eq!(subscriber.receive(), message("t", 1, b"small"));
}
