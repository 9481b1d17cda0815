//! Many tasks that publish and read at once, and drop what does not come within microseconds.

use super::Own;
use super::client::{Options, QoS, Queue};
use super::peer::LIMIT;
use crate::facade::{World, limited};
use mqtt_driver::tasks::{Client, Runtime};
use mqtt_std::Broker;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

type Within = <Own as World>::Runtime;

const PUBLISHERS: usize = 8;
const READERS: usize = 4;
const MESSAGES: usize = 100;

/// How long something may take at its n-th time: mostly not long enough.
fn patience(time: usize) -> Duration {
    Duration::from_micros(time as u64 * 37 % 11 * 50)
}

#[test]
fn whatever_many_tasks_drop_what_was_accepted_is_read_once() {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let queue = Queue {
        messages: 3,
        ..Queue::default()
    };
    let from = Options::new("from").queue(queue);
    let from = Own::wait(Client::<Within>::connect(&url, from)).unwrap();
    let to = Own::wait(Client::<Within>::connect(&url, Options::new("to"))).unwrap();
    let messages = Own::wait(to.subscribe("t", QoS::ExactlyOnce)).unwrap();
    let messages = Arc::new(messages);
    let ((accepts, accepted), (reads, read)) = (channel(), channel());
    Own::wait(async {
        for publisher in 0..PUBLISHERS {
            let (client, accepts) = (from.clone(), accepts.clone());
            let publish_all = async move {
                for number in 0..MESSAGES {
                    let text = format!("{publisher}.{number}");
                    let publication = client.publish("t", text.clone());
                    let publishing = publication.qos(QoS::ExactlyOnce).send();
                    let limit = patience(number + publisher);
                    if let Some(token) = limited::<Within, _>(limit, publishing).await {
                        token.unwrap();
                        accepts.send(text).unwrap();
                    }
                }
            };
            Within::spawn(publish_all).unwrap();
        }
        for reader in 0..READERS {
            let (messages, reads) = (Arc::clone(&messages), reads.clone());
            let read_all = async move {
                for time in reader.. {
                    let limit = patience(time);
                    match limited::<Within, _>(limit, messages.recv()).await {
                        Some(Some(message)) => reads.send(message.text().into_owned()).unwrap(),
                        Some(None) => break,
                        None => {}
                    }
                }
            };
            Within::spawn(read_all).unwrap();
        }
    });
    drop((accepts, reads));
    let mut accepted: Vec<String> = accepted.iter().collect();
    let next = |_: &String| read.recv_timeout(LIMIT).expect("a message");
    let mut arrived: Vec<String> = accepted.iter().map(next).collect();
    Own::wait(from.close(LIMIT)).unwrap();
    Own::wait(to.close(LIMIT)).unwrap();
    // The readers end with their client.
    arrived.extend(read.iter());
    accepted.sort_unstable();
    arrived.sort_unstable();
    assert_eq!(arrived, accepted);
    assert!(accepted.len() >= PUBLISHERS, "{}", accepted.len());
}
