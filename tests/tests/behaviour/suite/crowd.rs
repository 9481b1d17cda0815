//! Many clients in one process.

use super::client::{Client, Options, QoS, SubscribeOptions};
use super::peer::LIMIT;
use mqtt_std::Broker;
use std::fs;
use std::io::Write as _;
use std::sync::Mutex;
use std::thread;

const CLIENTS: usize = 1_000;
/// Threads of the test that do things at once.
const HANDS: usize = 8;
/// Files that one client may need: its socket, that of the broker, and in a world of threads what
/// its thread waits on.
const FILES: usize = 5;

/// How many clients there can be, by the open files that the system allows.
fn possible() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let possible = limit.unwrap_or(1024_usize).saturating_sub(400) / FILES;
    if possible < CLIENTS {
        let mut error = std::io::stderr();
        // What cannot be said changes nothing.
        let _ = writeln!(error, "{possible} clients only: see `ulimit -n`");
    }
    possible.min(CLIENTS)
}

/// Memory of this process in KiB, where the system tells.
fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_thousand_clients_in_one_process_all_get_their_messages() {
    // One world after the other: files are few.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|gone| gone.into_inner());
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let count = possible();
    let before = memory();
    let numbers: Vec<_> = (0..count).collect();
    let connected: Vec<_> = thread::scope(|scope| {
        let share = count.div_ceil(HANDS);
        let hands: Vec<_> = numbers
            .chunks(share)
            .map(|numbers| {
                let connect = |number: &usize| {
                    let options = Options::new(format!("client-{number}")).connect_timeout(LIMIT);
                    let client = Client::connect(&url, options).unwrap();
                    let options = SubscribeOptions::new(QoS::AtLeastOnce).timeout(LIMIT);
                    let topic = format!("to/{number}");
                    let messages = client.subscribe(&topic, options).unwrap();
                    (client, topic, messages)
                };
                scope.spawn(move || numbers.iter().map(connect).collect::<Vec<_>>())
            })
            .collect();
        let made = hands.into_iter().flat_map(|hand| hand.join().unwrap());
        made.collect()
    });
    assert_eq!(broker.load().connections, count);
    if let (Some(before), Some(after)) = (before, memory()) {
        println!(
            "{} KiB a client, with the broker's part",
            after.saturating_sub(before) / count as u64
        );
    }
    let tokens: Vec<_> = connected
        .iter()
        .map(|(client, topic, _)| {
            let publication = client.publish(topic, topic.clone());
            publication.qos(QoS::AtLeastOnce).send().unwrap()
        })
        .collect();
    for (_, topic, messages) in &connected {
        let message = messages.recv_timeout(LIMIT).expect("a message");
        assert_eq!(message.text(), **topic);
    }
    for token in tokens {
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    for (client, _, messages) in connected {
        assert!(messages.try_recv().is_none());
        client.close(LIMIT).unwrap();
    }
}
