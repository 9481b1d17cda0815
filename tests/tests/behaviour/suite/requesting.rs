//! Requests and answers, retained messages, counters: against the broker of the same program.

use super::client::{AnswerError, Cause, Client, Options, QoS, SubscribeError, SubscribeOptions};
use super::peer::LIMIT;
use mqtt_std::Broker;
use std::thread;
use std::time::Duration;

/// Long enough for what is there to come.
const QUIET: Duration = Duration::from_millis(300);

fn broker() -> (Broker, String) {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    (broker, url)
}

#[test]
fn each_of_many_requests_gets_its_own_answer() {
    let (_broker, url) = broker();
    let server = Client::connect(&url, Options::new("server")).unwrap();
    let questions = server.subscribe("square", QoS::AtLeastOnce).unwrap();
    let client = Client::connect(&url, Options::new("client")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            // In pairs, the second first: order is not what finds them.
            for _ in 0..10 {
                let pair = [(); 2].map(|()| questions.recv_timeout(LIMIT).unwrap());
                for question in pair.iter().rev() {
                    let number: u64 = question.text().parse().unwrap();
                    let answer = (number * number).to_string();
                    server.respond(question, answer).unwrap().send().unwrap();
                }
            }
        });
        for number in 0..20_u64 {
            let client = &client;
            scope.spawn(move || {
                let request = client.request("square", number.to_string()).expiry(LIMIT);
                let answer = request.send().unwrap();
                assert_eq!(answer.text(), (number * number).to_string());
            });
        }
    });
    // No answer went astray, and none of them was a message without a stream.
    assert!(client.unmatched().try_recv().is_none());
    assert_eq!(client.counters().received, 20);
}

#[test]
fn a_request_that_nobody_serves_says_so_and_one_that_nobody_answers_ends() {
    let (_broker, url) = broker();
    let client = Client::connect(&url, Options::new("client")).unwrap();
    let nobody = client.request("nothing/here", "?").expiry(LIMIT).send();
    assert!(
        matches!(nobody, Err(AnswerError::NoSubscriber)),
        "{nobody:?}"
    );
    let mute = Client::connect(&url, Options::new("mute")).unwrap();
    let _heard = mute.subscribe("nothing/here", QoS::AtMostOnce).unwrap();
    let second = Duration::from_secs(1);
    let silence = client.request("nothing/here", "?").expiry(second).send();
    assert!(matches!(silence, Err(AnswerError::TimedOut)), "{silence:?}");
    thread::scope(|scope| {
        let asking = scope.spawn(|| client.request("nothing/here", "?").send());
        let (asked, limit) = (|| client.counters().published == 3, LIMIT);
        wait_until(asked, limit);
        client.close(LIMIT).unwrap();
        let ended = asking.join().unwrap();
        assert!(
            matches!(ended, Err(AnswerError::Ended(Cause::Closed))),
            "{ended:?}"
        );
    });
    let late = client.request("nothing/here", "?").send();
    let closed = matches!(
        late,
        Err(AnswerError::Subscribe(SubscribeError::Ended(_)) | AnswerError::Publish(_))
    );
    assert!(closed, "{late:?}");
}

fn wait_until(done: impl Fn() -> bool, limit: Duration) {
    let deadline = std::time::Instant::now() + limit;
    while !done() {
        assert!(
            std::time::Instant::now() < deadline,
            "it does not come to it"
        );
        thread::yield_now();
    }
}

#[test]
fn answers_come_to_the_topic_that_the_options_name() {
    let (_broker, url) = broker();
    let client = Client::connect(&url, Options::new("a").response_topic("answers/a")).unwrap();
    let questions = client.subscribe("ask", QoS::AtLeastOnce).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let question = questions.recv_timeout(LIMIT).unwrap();
            let topic = question.properties.response_topic.as_deref();
            assert_eq!(topic, Some("answers/a"));
            client.respond(&question, "yes").unwrap().send().unwrap();
        });
        // Whatever else is said of the answer: it has to be found.
        let request = client.request("ask", "?").response_topic("elsewhere");
        let request = request.correlation_data(b"mine").expiry(LIMIT);
        let answer = request.send().unwrap();
        assert_eq!((&*answer.topic, &*answer.text()), ("answers/a", "yes"));
    });
    // What asks for no answer has none.
    client.publish("ask", "no request").send().unwrap();
    let message = questions.recv_timeout(LIMIT).unwrap();
    assert!(client.respond(&message, "to whom?").is_none());
}

#[test]
fn what_is_retained_is_found_and_taken_away() {
    let (_broker, url) = broker();
    let client = Client::connect(&url, Options::new("a")).unwrap();
    for (topic, payload) in [("lamps/1", "on"), ("lamps/2", "off")] {
        let message = client.publish(topic, payload).retain(true);
        let token = message.qos(QoS::AtLeastOnce).send().unwrap();
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    let kept = |filter| {
        let found = client.retained(filter, QUIET).unwrap();
        let mut found: Vec<_> = found
            .iter()
            .map(|message| (message.topic.to_string(), message.text().into_owned()))
            .collect();
        found.sort();
        found
    };
    let pair = |topic: &str, text: &str| (topic.to_owned(), text.to_owned());
    assert_eq!(
        kept("lamps/+"),
        [pair("lamps/1", "on"), pair("lamps/2", "off")]
    );
    let cleared = client.clear_retained("lamps/1").send().unwrap();
    cleared.acknowledged_timeout(LIMIT).unwrap();
    assert_eq!(kept("lamps/+"), [pair("lamps/2", "off")]);
    let nothing = client.retained("lamps/#/wrong", QUIET);
    assert!(
        matches!(nothing, Err(SubscribeError::Filter(_))),
        "{nothing:?}"
    );
}

#[test]
fn counters_tell_what_was_done_and_what_is_to_be_done() {
    let (broker, url) = broker();
    let client = Client::connect(&url, Options::new("a")).unwrap();
    let options = SubscribeOptions::new(QoS::ExactlyOnce).timeout(LIMIT);
    let messages = client.subscribe("t", options).unwrap();
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    for qos in qos {
        let token = client.publish("t", "payload").qos(qos).send().unwrap();
        token.acknowledged_timeout(LIMIT).unwrap();
        assert!(messages.recv_timeout(LIMIT).is_some());
    }
    let counters = client.counters();
    assert_eq!(
        [counters.accepted, counters.published, counters.failed],
        [3, 3, 0]
    );
    assert_eq!([counters.received, counters.dropped], [3, 0]);
    assert_eq!([counters.connections, counters.reconnects()], [1, 0]);
    assert_eq!([counters.in_flight, counters.queued], [0, 0]);
    // Each message is 2 bytes of header, 3 of topic, 7 of payload, and what its QoS adds.
    assert!(counters.bytes_sent > 3 * 12 && counters.bytes_received > 3 * 12);
    broker.shutdown(LIMIT).unwrap();
    let waiting = client.wait_for_state(LIMIT, |state| !state.is_connected());
    assert!(waiting.is_some());
    client.publish("t", "later").send().unwrap();
    client
        .publish("t", "later")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let counters = client.counters();
    assert_eq!([counters.accepted, counters.published], [5, 3]);
    assert_eq!([counters.in_flight, counters.queued], [0, 2]);
    assert!(client.close(Duration::ZERO).is_err());
}
