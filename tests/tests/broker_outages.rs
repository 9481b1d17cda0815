//! A real broker that goes away, and connections that are cut.

mod broker;

use broker::{Wire, connect, next, options, publish};
use mqtt_std::{Client, Options, QoS, State, Subscription, Will};
use mqtt_tests::mosquitto::{Broker, Config, LIMIT, require_broker};
use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[test]
fn the_will_is_published_on_a_cut_and_not_on_goodbye() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let mut other = broker.subscribe(&["-t", "will/#", "-q", "2"]);
    let will = || Will::new("will/state", "gone").qos(QoS::ExactlyOnce);

    let polite = Client::connect(&broker.url(), options("polite").will(will())).unwrap();
    publish(&polite, "will/polite", "here", QoS::AtLeastOnce);
    polite.close(LIMIT).unwrap();

    let wire = Wire::default();
    let options = options("cut").will(will()).reconnect(false);
    let cut = Client::connect_over(wire.opener(broker.address()), options).unwrap();
    publish(&cut, "will/cut", "here", QoS::AtLeastOnce);
    wire.cut();
    assert!(cut.wait_for_state(LIMIT, State::is_ended).is_some());

    let mut topics = Vec::new();
    while topics.len() < 3 {
        let message = other.receive();
        topics.push((message.topic, message.payload));
    }
    let seen: Vec<_> = topics
        .iter()
        .map(|(topic, text)| (topic.as_str(), &text[..]))
        .collect();
    let expected: [(&str, &[u8]); 3] = [
        ("will/polite", b"here"),
        ("will/cut", b"here"),
        ("will/state", b"gone"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(other.pending(), []);
}

#[test]
fn an_idle_connection_is_kept_alive() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    // Mosquitto gives up a client after one and a half of the interval.
    let options = options("idle").keep_alive(Duration::from_secs(1));
    let client = Client::connect(&broker.url(), options).unwrap();
    let messages = client.subscribe("t", QoS::AtMostOnce).unwrap();
    let states = client.watch();
    let mut from = broker.log().len();
    for _ in 0..3 {
        let ping = broker.log().wait_for(from, LIMIT, |line| {
            line.contains("Received PINGREQ from idle")
        });
        from = ping.expect("a ping").0 + 1;
    }
    assert!(states.try_recv().is_none());
    broker.publish(&["-t", "t", "-m", "still here"]);
    assert_eq!(next(&messages).text(), "still here");
}

#[test]
fn a_cut_connection_comes_back_with_its_session() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let wire = Wire::default();
    let client = Client::connect_over(wire.opener(broker.address()), options("cut")).unwrap();
    let messages = client.subscribe("t/#", QoS::ExactlyOnce).unwrap();
    for round in 0..5 {
        let mut states = client.watch();
        wire.cut();
        // Sent by others while nobody is connected, and by ourselves at the same time.
        broker.publish(&["-t", "t/them", "-m", &round.to_string(), "-q", "2"]);
        let ours = client
            .publish("t/us", round.to_string())
            .qos(QoS::ExactlyOnce)
            .send()
            .unwrap();
        let mut texts =
            [next(&messages), next(&messages)].map(|m| format!("{} {}", m.topic, m.text()));
        texts.sort();
        assert_eq!(texts, [format!("t/them {round}"), format!("t/us {round}")]);
        ours.acknowledged_timeout(LIMIT).unwrap();
        let resumed = states.find(State::is_connected);
        assert!(
            matches!(
                resumed,
                Some(State::Connected {
                    session_present: true
                })
            ),
            "{resumed:?}"
        );
    }
    client.close(LIMIT).unwrap();
    assert!(messages.recv().is_none());
}

/// Mosquitto 2.0 saves a session only when its last connection did not ask for a clean start.
fn saved(client_id: &str) -> Options {
    options(client_id).clean_start(false)
}

const STREAM: [(&str, QoS); 2] = [("count/1", QoS::AtLeastOnce), ("count/2", QoS::ExactlyOnce)];

/// How often each number has come, at QoS 1 and at QoS 2.
#[derive(Default)]
struct Tally([BTreeMap<usize, usize>; 2]);

impl Tally {
    #[track_caller]
    fn read(&mut self, messages: &Subscription) {
        let message = next(messages);
        let place = usize::from(message.topic.ends_with('2'));
        let number = message.text().parse().unwrap();
        *self.0[place].entry(number).or_default() += 1;
    }

    /// Below this, every number has come on both topics.
    fn complete(&self) -> usize {
        let gap = |numbers: &BTreeMap<usize, usize>| {
            let expected = numbers.keys().zip(0..);
            expected
                .take_while(|(number, place)| **number == *place)
                .count()
        };
        gap(&self.0[0]).min(gap(&self.0[1]))
    }
}

/// Numbers pass from client to client at both QoS while `outage` happens to the broker.
fn traffic_through(broker: &mut Broker, outage: impl FnOnce(&mut Broker) + Send) {
    const BEFORE: usize = 200;
    // Of more than 20 messages in flight to a client, Mosquitto 2.0 forgets in a restart which it
    // has released already, and publishes them again: that is its doing, and no client can tell.
    const WINDOW: usize = 8;
    let publisher = Client::connect(&broker.url(), saved("publisher")).unwrap();
    let subscriber = Client::connect(&broker.url(), saved("subscriber")).unwrap();
    let messages = subscriber.subscribe("count/+", QoS::ExactlyOnce).unwrap();
    let states = [publisher.watch(), subscriber.watch()];
    let mut tally = Tally::default();
    let mut tokens = Vec::new();
    let mut count = 0;
    thread::scope(|scope| {
        let (begin, begun) = channel();
        let outage = scope.spawn(move || {
            begun.recv().unwrap();
            outage(broker);
        });
        // Before the outage, through it, and behind it.
        let mut end = usize::MAX;
        while count < end {
            if count == BEFORE {
                begin.send(()).unwrap();
            }
            if end == usize::MAX && outage.is_finished() {
                end = count + BEFORE;
            }
            for (topic, qos) in STREAM {
                let publication = publisher.publish(topic, count.to_string()).qos(qos);
                tokens.push(publication.send().unwrap());
            }
            count += 1;
            while count - tally.complete() >= WINDOW {
                tally.read(&messages);
            }
        }
        while tally.complete() < count {
            tally.read(&messages);
        }
    });
    for token in tokens {
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    let doubled = tally.0[1].iter().filter(|(_, times)| **times > 1);
    assert_eq!(doubled.collect::<Vec<_>>(), [], "doubled at QoS 2");
    // What was published last comes last: nothing was doubled behind the count.
    publish(&publisher, "count/2", count.to_string(), QoS::ExactlyOnce);
    loop {
        let last = next(&messages);
        if last.qos == QoS::ExactlyOnce {
            assert_eq!(last.text(), count.to_string());
            break;
        }
    }
    for mut states in states {
        assert!(matches!(states.next(), Some(State::Waiting { .. })));
        let resumed = states.find(State::is_connected);
        assert!(
            matches!(
                resumed,
                Some(State::Connected {
                    session_present: true
                })
            ),
            "{resumed:?}"
        );
    }
    publisher.close(LIMIT).unwrap();
}

#[test]
fn a_broker_that_restarts_in_mid_traffic_loses_and_doubles_nothing() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let mut broker = mosquitto.start(Config {
        persistence: true,
        lines: &["max_queued_messages 0"],
        ..Config::default()
    });
    // SIGTERM: Mosquitto saves what it has acknowledged, and what it owes, before it ends.
    traffic_through(&mut broker, |broker| {
        broker.stop();
        broker.restart();
    });
}

#[test]
fn a_broker_killed_behind_its_last_save_goes_on_from_there() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let mut broker = mosquitto.start(Config {
        persistence: true,
        ..Config::default()
    });
    let client = Client::connect(&broker.url(), saved("kept")).unwrap();
    let messages = client.subscribe("t/#", QoS::ExactlyOnce).unwrap();
    publish(&client, "t/1", "before", QoS::ExactlyOnce);
    assert_eq!(next(&messages).text(), "before");
    // What is answered lies behind PUBREC, and then behind PUBCOMP: Mosquitto has got both.
    publish(&client, "u/1", "round", QoS::AtLeastOnce);
    publish(&client, "u/2", "trip", QoS::AtLeastOnce);
    // What Mosquitto acknowledges behind a save is lost with the power; so nothing passes now.
    broker.save();
    let mut states = client.watch();
    broker.kill();
    let waiting = states.next();
    assert!(
        matches!(waiting, Some(State::Waiting { .. })),
        "{waiting:?}"
    );
    let tokens = STREAM.map(|(_, qos)| client.publish("t/2", "meanwhile").qos(qos).send().unwrap());
    broker.restart();
    let resumed = states.find(State::is_connected);
    assert!(
        matches!(
            resumed,
            Some(State::Connected {
                session_present: true
            })
        ),
        "{resumed:?}"
    );
    for token in tokens {
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    publish(&client, "t/3", "after", QoS::ExactlyOnce);
    let texts = [next(&messages), next(&messages), next(&messages)].map(|m| m.text().into_owned());
    assert_eq!(texts, ["meanwhile", "meanwhile", "after"]);
}

#[test]
fn a_broker_that_forgets_everything_is_told_everything_again() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let mut broker = mosquitto.start(Config::default());
    let client = connect(&broker, "again");
    let first = client.subscribe("a/+", QoS::AtLeastOnce).unwrap();
    let second = client.subscribe("b", QoS::ExactlyOnce).unwrap();
    let mut states = client.watch();
    broker.kill();
    let from = broker.log().len();
    broker.restart();
    let connected = states.find(State::is_connected);
    assert!(
        matches!(
            connected,
            Some(State::Connected {
                session_present: false
            })
        ),
        "{connected:?}"
    );
    // One SUBSCRIBE for each, as each has an identifier of its own.
    broker.wait_for_log(from, "Sending SUBACK to again");
    publish(&client, "a/x", "1", QoS::AtLeastOnce);
    publish(&client, "b", "2", QoS::ExactlyOnce);
    assert_eq!(next(&first).text(), "1");
    assert_eq!(next(&second).text(), "2");
}
