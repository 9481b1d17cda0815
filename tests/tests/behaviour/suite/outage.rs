//! A server that goes away during traffic, and comes back.

use super::client::{Client, Options, QoS, Queue, State};
use super::peer::LIMIT;
use crate::outages;
use crate::relay::Relay;
use mqtt_std::Broker;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(1_200);
/// Messages in all, and of them before the outage.
const MESSAGES: usize = 2_000;
const BEFORE: usize = 1_000;

#[test]
fn a_server_that_is_away_for_ten_seconds_costs_nothing_but_time() {
    outages::wait_for(module_path!());
}

pub(crate) fn outage() {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let (up, down) = (
        Relay::to(broker.local_addr()),
        Relay::to(broker.local_addr()),
    );
    let options = |id: &str| {
        let queue = Queue {
            messages: 100,
            ..Queue::default()
        };
        let options = Options::new(id).reconnect_between(FIRST, LONGEST);
        options.queue(queue)
    };
    let publisher = Client::connect(&up.url(), options("publisher")).unwrap();
    let reader = Client::connect(&down.url(), options("reader")).unwrap();
    let messages = reader.subscribe("numbers/#", QoS::ExactlyOnce).unwrap();
    let states = publisher.watch();
    let (is_away, goes_on) = channel();
    let (has_some, some) = channel();
    let from = &publisher;
    let seen = thread::scope(|scope| {
        scope.spawn(move || {
            let publish = |number: usize| {
                let (topic, qos) = match number % 2 {
                    1 => ("numbers/1", QoS::AtLeastOnce),
                    _ => ("numbers/2", QoS::ExactlyOnce),
                };
                let publication = from.publish(topic, number.to_string());
                publication.qos(qos).send().unwrap()
            };
            let mut tokens: Vec<_> = (0..BEFORE).map(publish).collect();
            goes_on.recv().unwrap();
            tokens.extend((BEFORE..MESSAGES).map(publish));
            for token in tokens {
                token.acknowledged_timeout(LIMIT).unwrap();
            }
            let end = from.publish("numbers/end", "").qos(QoS::ExactlyOnce);
            end.send().unwrap();
        });
        let reading = scope.spawn(move || {
            let mut seen = [Vec::new(), Vec::new()];
            while let Some(message) = messages.recv_timeout(AWAY + LIMIT) {
                let of_qos = match &*message.topic {
                    "numbers/1" => &mut seen[0],
                    "numbers/2" => &mut seen[1],
                    _ => return seen,
                };
                of_qos.push(message.text().parse::<usize>().unwrap());
                if of_qos.len() == BEFORE / 10 {
                    has_some.send(()).unwrap();
                }
            }
            panic!("no end after {} and {}", seen[0].len(), seen[1].len());
        });
        some.recv().unwrap();
        let cut = Instant::now();
        for relay in [&up, &down] {
            relay.goes_away();
        }
        is_away.send(()).unwrap();
        let mut waited = false;
        while let Some(left) = AWAY.checked_sub(cut.elapsed()) {
            let state = states.recv_timeout(left);
            waited |= matches!(state, Some(State::Waiting { .. }));
            assert!(!matches!(state, Some(State::Connected { .. })));
        }
        assert!(waited);
        for relay in [&up, &down] {
            assert_backed_off(cut, &relay.comes_back());
        }
        reading.join().unwrap()
    });

    let [mut one, two] = seen;
    let all = |rest| (0..MESSAGES).filter(move |number| number % 2 == rest);
    assert_eq!(two, all(0).collect::<Vec<_>>());
    one.sort_unstable();
    one.dedup();
    assert_eq!(one, all(1).collect::<Vec<_>>());
    for client in [&publisher, &reader] {
        assert_eq!(client.counters().reconnects(), 1);
    }
    while let Some(state) = states.recv_timeout(LIMIT) {
        if let State::Connected { session_present } = state {
            assert!(session_present);
            break;
        }
    }
    publisher.close(LIMIT).unwrap();
}

/// Waits double from the first to the longest, and a random part, at most half, is taken off.
fn assert_backed_off(cut: Instant, attempts: &[Instant]) {
    let doubled = std::iter::successors(Some(FIRST), |wait| Some((*wait * 2).min(LONGEST)));
    assert!(attempts.len() >= 5, "{} attempts", attempts.len());
    // An attempt may be seen late on a loaded machine, but none comes too early.
    let mut earliest = Duration::ZERO;
    for (attempt, wait) in attempts.iter().zip(doubled.clone()) {
        earliest += wait / 2;
        let after = attempt.duration_since(cut);
        assert!(after >= earliest, "{after:?} instead of {earliest:?}");
    }
    let gaps = attempts.windows(2).map(|pair| pair[1] - pair[0]);
    let shares: Vec<_> = gaps
        .zip(doubled.skip(1))
        .map(|(gap, wait)| gap.div_duration_f64(wait))
        .collect();
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let most = shares.iter().copied().fold(0.0, f64::max);
    assert!(most - least > 0.02, "no jitter: {shares:?}");
}
