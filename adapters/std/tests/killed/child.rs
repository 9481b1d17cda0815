//! The program that is killed.

use crate::journal::{self, What};
use mqtt_std::{Client, Fsync, Message, Options, QoS, SubscribeOptions};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Publishes and gets until it is killed, or told to publish no more.
pub(crate) fn run(url: &str, folder: &Path, fsync: &str) -> ! {
    let (fsync, publishes) = match fsync {
        "never" => (Fsync::Never, true),
        "every" => (Fsync::Every(5), true),
        "interval" => (Fsync::Interval(Duration::from_millis(10)), true),
        "always" => (Fsync::Always, true),
        _ => (Fsync::Never, false),
    };
    let before = journal::read(folder);
    let done = Arc::new(journal::open(folder).expect("a file"));
    let options = Options::new("child")
        .store_in(folder.join("session"), fsync)
        .manual_acknowledgement(true)
        .reconnect_between(Duration::from_millis(20), Duration::from_millis(100));
    let client = Client::start(url, options).expect("a client");
    let intends = |number| before.contains(&(What::Intends, number));
    for left in client.restored() {
        if left.topic.is_some() {
            let number = number(&left.payload);
            assert!(intends(number), "{number} was never published");
        }
    }
    let getting = {
        let (client, done) = (client.clone(), Arc::clone(&done));
        thread::spawn(move || {
            // What comes before the server has answered is for this subscription, too.
            let options = SubscribeOptions::new(QoS::ExactlyOnce).unmatched(true);
            let messages = client.subscribe("in/#", options).expect("a subscription");
            journal::write(&done, What::Subscribed, 0);
            for message in messages {
                gets(&message, &done);
            }
        })
    };
    if publishes {
        let last = before.iter().filter(|(what, _)| *what == What::Intends);
        let first = last.map(|(_, number)| number + 1).max().unwrap_or(0);
        for number in first.. {
            journal::write(&done, What::Intends, number);
            let (topic, qos) = if number.is_multiple_of(3) {
                ("out/1", QoS::AtLeastOnce)
            } else {
                ("out/2", QoS::ExactlyOnce)
            };
            let publish = client.publish(topic, number.to_string());
            let token = publish.qos(qos).send().expect("accepted");
            journal::write(&done, What::Accepted, number);
            if number.is_multiple_of(16) {
                token.acknowledged().expect("acknowledged");
            }
        }
    }
    getting.join().expect("it goes on until it is killed");
    panic!("the client has ended: {:?}", client.state());
}

fn number(payload: &[u8]) -> u64 {
    let text = std::str::from_utf8(payload).expect("text");
    text.parse().expect("a number")
}

fn gets(message: &Message, done: &File) {
    let number = number(&message.payload);
    journal::write(done, What::Got, number);
    // Over a connection that is gone there is nothing to acknowledge: it comes again.
    if message.acknowledge().is_ok() {
        journal::write(done, What::Acknowledged, number);
    }
}
