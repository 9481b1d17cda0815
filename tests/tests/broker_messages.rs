//! Messages through a real broker, with its own programs on the other side.

mod broker;

use broker::{ALL, connect, next, publish};
use mqtt_std::{QoS, RetainHandling, SubscribeOptions};
use mqtt_tests::mosquitto::{Config, LIMIT, Received, require_broker};
use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[test]
fn every_qos_passes_both_ways() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let client = connect(&broker, "both-ways");

    let mut other = broker.subscribe(&["-t", "up/#", "-q", "2"]);
    for qos in ALL {
        let (topic, text) = (format!("up/{}", qos as u8), format!("at {}, ü", qos as u8));
        publish(&client, &topic, text.clone(), qos);
        let got = other.receive();
        assert_eq!((got.topic, got.qos, got.retain), (topic, qos as u8, false));
        assert_eq!(got.payload, text.as_bytes());
    }
    assert_eq!(other.pending(), []);

    let messages = client.subscribe("down/#", QoS::ExactlyOnce).unwrap();
    assert_eq!(messages.granted(), QoS::ExactlyOnce);
    for qos in ["0", "1", "2"] {
        broker.publish(&["-t", "down/t", "-m", qos, "-q", qos]);
        let got = next(&messages);
        assert_eq!((&*got.topic, &*got.text()), ("down/t", qos));
        assert_eq!(got.qos as u8, qos.parse().unwrap());
        assert!(!got.retain && !got.dup);
    }
    client.close(LIMIT).unwrap();
    assert!(client.unmatched().try_recv().is_none());
}

#[test]
fn large_and_empty_payloads_arrive_as_they_are() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let client = connect(&broker, "sizes");
    let messages = client.subscribe("echo", QoS::AtLeastOnce).unwrap();
    for size in [0, 1, 1_023, 1_024, 65_536, 300_000, 5_000_000] {
        let payload: Vec<u8> = (0..size).map(|n: u32| (n % 253) as u8).collect();
        publish(&client, "echo", payload.clone(), QoS::AtLeastOnce);
        assert!(next(&messages).payload == payload, "{size} bytes");
    }
}

#[test]
fn retained_messages_are_kept_told_apart_and_cleared() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let client = connect(&broker, "keeper");
    let token = client
        .publish("kept/by-us", "1")
        .qos(QoS::AtLeastOnce)
        .retain(true)
        .send();
    token.unwrap().acknowledged_timeout(LIMIT).unwrap();
    broker.publish(&["-t", "kept/by-them", "-m", "2", "-q", "1", "-r"]);

    let mut other = broker.subscribe(&["-t", "kept/by-us", "-q", "1"]);
    let got = other.receive();
    assert!(got.retain && got.payload == b"1");

    let all = client.subscribe("kept/#", QoS::AtLeastOnce).unwrap();
    let mut seen =
        [next(&all), next(&all)].map(|m| (m.topic.to_string(), m.text().into_owned(), m.retain));
    seen.sort();
    let kept = |topic: &str, text: &str| (topic.to_owned(), text.to_owned(), true);
    assert_eq!(seen, [kept("kept/by-them", "2"), kept("kept/by-us", "1")]);

    let only_new =
        SubscribeOptions::new(QoS::AtLeastOnce).retain_handling(RetainHandling::DoNotSend);
    let later = client.subscribe("kept/by-us", only_new).unwrap();
    let token = client
        .publish("kept/by-us", "")
        .qos(QoS::AtLeastOnce)
        .retain(true)
        .send();
    token.unwrap().acknowledged_timeout(LIMIT).unwrap();
    let cleared = next(&later);
    assert!(cleared.payload.is_empty() && !cleared.retain, "{cleared:?}");
    broker.publish(&["-t", "kept/mark", "-m", "end", "-q", "1"]);
    let mut after = broker.subscribe(&["-t", "kept/by-us", "-t", "kept/by-them", "-q", "1"]);
    assert_eq!(after.receive().topic, "kept/by-them");
    assert_eq!(after.pending(), []);
}

#[test]
fn overlapping_subscriptions_each_get_a_message_once() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let client = connect(&broker, "overlap");
    let wide = client.subscribe("a/#", QoS::AtLeastOnce).unwrap();
    let narrow = client.subscribe("a/+/c", QoS::ExactlyOnce).unwrap();
    for number in 0..5 {
        broker.publish(&["-t", "a/b/c", "-m", &number.to_string(), "-q", "2"]);
    }
    broker.publish(&["-t", "a/end/c", "-m", "end", "-q", "2"]);
    for stream in [wide, narrow] {
        let texts: Vec<_> = stream
            .map(|message| message.text().into_owned())
            .take_while(|text| text != "end")
            .collect();
        assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    }
}

#[test]
fn a_shared_subscription_shares() {
    const COUNT: usize = 40;
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let (sender, shared) = channel();
    let mut members = Vec::new();
    for name in ["one", "two"] {
        let client = connect(&broker, name);
        let work = client
            .subscribe("$share/group/work/+", QoS::AtLeastOnce)
            .unwrap();
        let sender = sender.clone();
        thread::spawn(move || {
            for message in work {
                let done = (name, message.text().into_owned());
                if sender.send(done).is_err() {
                    break;
                }
            }
        });
        members.push(client);
    }
    let publisher = connect(&broker, "publisher");
    for number in 0..COUNT {
        publish(
            &publisher,
            &format!("work/{number}"),
            number.to_string(),
            QoS::AtLeastOnce,
        );
    }
    let done: Vec<_> = (0..COUNT)
        .map(|_| shared.recv_timeout(LIMIT).unwrap())
        .collect();
    let distinct: BTreeSet<_> = done.iter().map(|(_, text)| text).collect();
    assert_eq!(distinct.len(), COUNT, "{done:?}");
    for name in ["one", "two"] {
        assert!(done.iter().any(|(member, _)| *member == name), "{done:?}");
    }
    // What was published last comes last, so nothing came twice.
    publish(&publisher, "work/end", "end", QoS::AtLeastOnce);
    assert_eq!(shared.recv_timeout(LIMIT).unwrap().1, "end");
}

#[test]
fn a_request_is_answered_with_its_correlation_data() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let service = connect(&broker, "service");
    let requests = service
        .subscribe("service/double", QoS::AtLeastOnce)
        .unwrap();
    let answers = thread::spawn(move || {
        for request in requests.take(2) {
            let number: u32 = request.text().parse().unwrap();
            let topic = request.properties.response_topic.as_deref().unwrap();
            let data = request.properties.correlation_data.as_deref().unwrap();
            let answer = service
                .publish(topic, (number * 2).to_string())
                .correlation_data(data);
            answer
                .qos(QoS::AtLeastOnce)
                .send()
                .unwrap()
                .acknowledged_timeout(LIMIT)
                .unwrap();
        }
    });

    // Asked by Mosquitto's own programs.
    let mut inbox = broker.subscribe(&["-t", "inbox/theirs", "-q", "1"]);
    let response = ["-D", "publish", "response-topic", "inbox/theirs"];
    let correlation = ["-D", "publish", "correlation-data", "c 7"];
    let request = ["-t", "service/double", "-m", "21", "-q", "1"];
    broker.publish(&[&request[..], &response, &correlation].concat());
    let expected = Received {
        topic: "inbox/theirs".into(),
        qos: 1,
        retain: false,
        payload: b"42".to_vec(),
        response_topic: String::new(),
        correlation_data: "c 7".into(),
    };
    assert_eq!(inbox.receive(), expected);

    // Asked by another client of ours, with bytes that are no text.
    let asker = connect(&broker, "asker");
    let inbox = asker.subscribe("inbox/ours", QoS::AtLeastOnce).unwrap();
    let request = asker
        .publish("service/double", "4")
        .response_topic("inbox/ours");
    request
        .correlation_data(b"\x00\xff")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let answer = next(&inbox);
    assert_eq!(answer.text(), "8");
    assert_eq!(
        answer.properties.correlation_data.as_deref(),
        Some(&b"\x00\xff"[..])
    );
    answers.join().unwrap();
}

#[test]
fn ten_thousand_messages_of_each_qos_come_through_in_order() {
    const COUNT: usize = 10_000;
    let Some(mosquitto) = require_broker() else {
        return;
    };
    // Mosquitto drops what is queued for a client beyond 1,000 messages by default.
    let broker = mosquitto.start(Config {
        lines: &["max_queued_messages 0"],
        ..Config::default()
    });
    let client = connect(&broker, "flood");
    for qos in ALL {
        let topic = format!("flood/{}", qos as u8);
        let messages = client.subscribe(&topic, qos).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let send = |n: usize| {
                    client
                        .publish(&topic, n.to_string())
                        .qos(qos)
                        .send()
                        .unwrap()
                };
                let tokens: Vec<_> = (0..COUNT).map(send).collect();
                for token in tokens {
                    token.acknowledged_timeout(LIMIT).unwrap();
                }
            });
            for number in 0..COUNT {
                let message = next(&messages);
                assert_eq!(message.text(), number.to_string(), "at {qos:?}");
            }
        });
        assert_eq!(messages.dropped(), 0);
        messages.unsubscribe(LIMIT).unwrap();
    }
    client.close(Duration::from_secs(5)).unwrap();
}
