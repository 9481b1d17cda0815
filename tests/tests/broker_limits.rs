//! What a real broker does not allow.

mod broker;

use broker::{connect, next, options, publish};
use mqtt_std::{Cause, Client, ConnectError, PublishError, QoS, ReasonCode, State};
use mqtt_tests::mosquitto::{Config, LIMIT, require_broker};

const ANN: &[(&str, &str)] = &[("ann", "secret")];

#[test]
fn a_wrong_password_is_a_typed_error_and_not_tried_again() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        users: ANN,
        ..Config::default()
    });
    let from = broker.log().len();
    let wrong = Client::connect(&broker.url(), options("stranger").login("ann", "wrong"));
    let Err(ConnectError::NotConnected(Cause::Refused { reason, .. })) = wrong.map(drop) else {
        panic!("not refused");
    };
    // Mosquitto makes no difference between an unknown user and a wrong password.
    assert_eq!(reason, ReasonCode::NOT_AUTHORIZED);

    let client = Client::connect(&broker.url(), options("friend").login("ann", "secret")).unwrap();
    publish(&client, "t", "m", QoS::AtLeastOnce);
    // The log is in order, and read behind the event.
    broker.wait_for_log(from, "Sending PUBACK to friend");
    let refusals = |line: &&String| line.contains("Sending CONNACK") && line.ends_with("(0, 135)");
    let log = broker.log().since(from);
    assert_eq!(log.iter().filter(refusals).count(), 1, "{}", log.join("\n"));
}

#[test]
fn the_url_carries_user_and_password() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        users: ANN,
        ..Config::default()
    });
    let url = broker.url().replace("//", "//ann:s%65cret@");
    let client = Client::connect(&url, options("url")).unwrap();
    publish(&client, "t", "m", QoS::AtLeastOnce);
}

#[test]
fn one_message_in_flight_is_kept_to_and_loses_nothing() {
    const COUNT: usize = 200;
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        max_inflight_messages: Some(1),
        ..Config::default()
    });
    let client = connect(&broker, "one-by-one");
    let messages = client.subscribe("t", QoS::ExactlyOnce).unwrap();
    let from = broker.log().len();
    let qos = |number: usize| {
        if number.is_multiple_of(2) {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        }
    };
    let send = |number: usize| {
        client
            .publish("t", number.to_string())
            .qos(qos(number))
            .send()
            .unwrap()
    };
    let tokens: Vec<_> = (0..COUNT).map(send).collect();
    for token in tokens {
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    for number in 0..COUNT {
        assert_eq!(next(&messages).text(), number.to_string());
    }
    client.close(LIMIT).unwrap();
    broker.wait_for_log(from, "Client one-by-one disconnected");
    let mut open = 0;
    for line in broker.log().since(from) {
        open += i32::from(line.contains("Received PUBLISH from one-by-one"));
        let ended = [
            "Sending PUBACK to one-by-one",
            "Sending PUBCOMP to one-by-one",
        ];
        open -= i32::from(ended.iter().any(|end| line.contains(end)));
        assert!(open <= 1, "two at a time: {line}");
    }
    assert_eq!(open, 0);
}

#[test]
fn a_message_above_the_maximum_packet_size_never_leaves() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        max_packet_size: Some(200),
        ..Config::default()
    });
    let client = connect(&broker, "small");
    let states = client.watch();
    for qos in broker::ALL {
        let refused = client.publish("t", vec![b'x'; 300]).qos(qos).send();
        let Err(PublishError::Refused(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(error.to_string().contains("200"), "{error}");
    }
    let messages = client.subscribe("t", QoS::AtLeastOnce).unwrap();
    publish(&client, "t", vec![b'y'; 150], QoS::AtLeastOnce);
    assert_eq!(next(&messages).payload.len(), 150);
    assert!(
        states.try_recv().is_none(),
        "the connection was not touched"
    );
}

#[test]
fn what_waits_is_held_against_the_limits_of_the_broker_it_meets() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        max_packet_size: Some(200),
        ..Config::default()
    });
    // Published before anything is known of the broker.
    let client = Client::start(&broker.url(), options("early")).unwrap();
    let large = client
        .publish("t", vec![0; 300])
        .qos(QoS::ExactlyOnce)
        .send();
    let small = client
        .publish("t", vec![0; 100])
        .qos(QoS::ExactlyOnce)
        .send();
    assert!(client.wait_for_state(LIMIT, State::is_connected).is_some());
    // Where the connection was quicker, it is refused at once.
    if let Ok(token) = large {
        token.acknowledged_timeout(LIMIT).unwrap_err();
    }
    small.unwrap().acknowledged_timeout(LIMIT).unwrap();
}
