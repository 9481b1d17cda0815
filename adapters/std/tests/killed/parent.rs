//! The broker, the other side of every message, and whoever kills the child.

use crate::journal::{self, What};
use mqtt_std::{Broker, Client, Options, QoS};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

/// What has to happen happens within this.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(seed: u64, lives: u64) {
    let began = Instant::now();
    let folder = env::temp_dir().join(format!("mqtt-killed-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let broker = Broker::bind("127.0.0.1:0").expect("a broker");
    let url = format!("mqtt://{}", broker.local_addr());
    let watcher = Client::connect(&url, Options::new("watcher")).expect("a client");
    let coming = watch(&watcher);
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut roll = |most: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 8) % most
    };
    let mut told = 0;
    for life in 0..lives {
        let fsync = ["never", "every", "interval", "always"][roll(4) as usize];
        let mut child = start(&url, &folder, fsync);
        if life == 0 {
            // Whoever publishes to it before that publishes to nobody.
            until(|| done(&folder, What::Subscribed).contains(&0), &mut child);
        }
        for _ in 0..roll(8) {
            tell(&broker, told);
            told += 1;
        }
        // The moment is what this is about; nothing is waited for.
        thread::sleep(Duration::from_micros(roll(60_000)));
        kill(child);
    }
    let mut child = start(&url, &folder, "stop");
    let mut came: BTreeMap<u64, usize> = BTreeMap::new();
    let mut order = Vec::new();
    until(
        || {
            for number in coming.try_iter() {
                *came.entry(number).or_default() += 1;
                order.push(number);
            }
            let accepted = done(&folder, What::Accepted);
            let got = done(&folder, What::Got);
            accepted.iter().all(|number| came.contains_key(number))
                && (0..told).all(|number| got.contains(&number))
        },
        &mut child,
    );
    kill(child);
    check(&folder, &came, &order, told);
    let twice = came.values().filter(|count| **count > 1).count();
    println!(
        "{lives} lives with seed {seed}, {} messages out ({twice} at QoS 1 more than once), {told} \
         in, in {:.1?}",
        came.len(),
        began.elapsed()
    );
    fs::remove_dir_all(&folder).expect("it was made here");
    watcher.close(LIMIT).expect("an end");
    broker.shutdown(LIMIT).expect("an end");
}

/// What the child publishes, as it comes.
fn watch(watcher: &Client) -> Receiver<u64> {
    let messages = watcher.subscribe("out/#", QoS::ExactlyOnce);
    let messages = messages.expect("a subscription");
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for message in messages {
            let number = message.text().parse().expect("a number");
            if sender.send(number).is_err() {
                break;
            }
        }
    });
    receiver
}

fn tell(broker: &Broker, number: u64) {
    let (topic, qos) = if number.is_multiple_of(3) {
        ("in/1", QoS::AtLeastOnce)
    } else {
        ("in/2", QoS::ExactlyOnce)
    };
    let publish = broker.publish(topic, number.to_string());
    publish.qos(qos).send().expect("published");
}

fn start(url: &str, folder: &Path, fsync: &str) -> Killed {
    let own = env::current_exe().expect("this program");
    let mut command = Command::new(own);
    command.args(["child", url]).arg(folder).arg(fsync);
    let child = command.stdin(Stdio::null()).spawn();
    Killed(child.expect("a child"))
}

/// The child, which never outlives its owner.
struct Killed(Child);

impl Killed {
    /// It must not end by itself.
    fn lives(&mut self) {
        let ended = self.0.try_wait().expect("its state");
        assert!(ended.is_none(), "the child ended by itself: {ended:?}");
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().expect("it is killed");
        self.0.wait().expect("it has ended");
    }
}

/// Kills it, unless it has ended before, which it must not.
fn kill(mut child: Killed) {
    child.lives();
}

/// Waits for something that the child brings about.
fn until(mut reached: impl FnMut() -> bool, child: &mut Killed) {
    let deadline = Instant::now() + LIMIT;
    while !reached() {
        assert!(Instant::now() < deadline, "it does not come to that");
        child.lives();
        thread::sleep(Duration::from_millis(5));
    }
}

fn done(folder: &Path, wanted: What) -> BTreeSet<u64> {
    let lines = journal::read(folder).into_iter();
    lines
        .filter(|(what, _)| *what == wanted)
        .map(|(_, number)| number)
        .collect()
}

fn check(folder: &Path, came: &BTreeMap<u64, usize>, order: &[u64], told: u64) {
    let at_least_once = |number: u64| number.is_multiple_of(3);
    let intended = done(folder, What::Intends);
    for number in done(folder, What::Accepted) {
        assert!(came.contains_key(&number), "{number} was lost");
    }
    for (number, count) in came {
        assert!(intended.contains(number), "{number} was never published");
        let right = *count == 1 || at_least_once(*number);
        assert!(right, "{number} came {count} times");
    }
    let exactly_once: Vec<u64> = order
        .iter()
        .copied()
        .filter(|n| !at_least_once(*n))
        .collect();
    assert!(exactly_once.is_sorted(), "the order is another");
    let mut acknowledged = BTreeSet::new();
    for (what, number) in journal::read(folder) {
        match what {
            What::Got => assert!(
                at_least_once(number) || !acknowledged.contains(&number),
                "{number} was delivered again"
            ),
            What::Acknowledged => {
                acknowledged.insert(number);
            }
            _ => {}
        }
    }
    assert_eq!(done(folder, What::Got).len() as u64, told);
}
