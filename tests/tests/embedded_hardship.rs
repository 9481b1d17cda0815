//! The broker of `mqtt-std` under clients that are many, slow, deaf or loud.

mod embedded;

use embedded::{ALL, LIMIT, Raw, broker, connect, end_of, next, notice, publish};
use mqtt_proto::{Packet, QoS, ReasonCode, Sender as From, TopicName};
use mqtt_std::broker::{Access, Broker, BrokerConfig, BrokerOptions, EndCause, Identity, Notice};
use mqtt_tests::hall::{filter, hello, subscribe};
use mqtt_tests::process::Process;
use mqtt_tests::talk;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many of `wanted` connections there can be: both ends of each are files of this process.
fn connections(wanted: usize) -> usize {
    const OTHERS: usize = 400;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let possible = limit.unwrap_or(1024_usize).saturating_sub(OTHERS) / 2;
    if possible < wanted {
        let _ = writeln!(
            std::io::stderr(),
            "{possible} connections instead of {wanted}: see `ulimit -n`"
        );
    }
    possible.min(wanted)
}

#[test]
fn thousands_of_idle_connections_do_not_slow_down_the_others() {
    let broker = broker();
    let count = connections(2_000);
    let mut idle: Vec<Raw> = (0..count)
        .map(|number| {
            let id = format!("idle-{number}");
            let mut raw = Raw::join(&broker, &hello(&id));
            if number % 100 == 0 {
                raw.subscribe("for/all", QoS::AtLeastOnce);
            }
            raw
        })
        .collect();
    assert_eq!(broker.load().connections, count);

    let (from, to) = (connect(&broker, "from"), connect(&broker, "to"));
    let messages = to.subscribe("busy/#", QoS::ExactlyOnce).unwrap();
    for number in 0..300 {
        publish(&from, "busy/x", number.to_string(), ALL[number % 3]);
    }
    let mut got: Vec<usize> = (0..300)
        .map(|_| next(&messages).text().parse().unwrap())
        .collect();
    got.sort_unstable();
    assert!(got.into_iter().eq(0..300));

    // They are all still there, and those that want something get it.
    publish(&from, "for/all", "x", QoS::AtLeastOnce);
    for (number, raw) in idle.iter_mut().enumerate() {
        if number % 100 == 0 {
            assert_eq!(raw.hear_message(), b"x");
        }
        raw.ping();
    }
    drop(idle);
    wait_for_connections(&broker, 2);
}

/// Returns when the broker has no more than this many connections.
#[track_caller]
fn wait_for_connections(broker: &Broker, count: usize) {
    let until = Instant::now() + LIMIT;
    while broker.load().connections > count {
        assert!(Instant::now() < until, "{:?}", broker.load());
        thread::yield_now();
    }
}

#[test]
fn a_peer_that_never_reads_is_given_up_and_harms_nobody() {
    let config = BrokerConfig {
        send_timeout: Duration::from_millis(300),
        ..BrokerConfig::default()
    };
    let options = BrokerOptions::new().config(config);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let notices = broker.watch();
    let mut deaf = Raw::join(&broker, &hello("deaf"));
    deaf.subscribe("news/#", QoS::AtLeastOnce);
    let (from, to) = (connect(&broker, "from"), connect(&broker, "to"));
    let messages = to.subscribe("news/#", QoS::AtLeastOnce).unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(end_of(&notices, Some("deaf")), EndCause::SendTimeout);
            ended.store(true, Ordering::Relaxed);
        });
        let until = Instant::now() + LIMIT;
        let mut number = 0;
        // Each message waits for the one before: the deaf peer's queue is the only one that fills.
        while !ended.load(Ordering::Relaxed) {
            assert!(Instant::now() < until, "the deaf peer is not given up");
            let payload = vec![number as u8; 50_000];
            publish(&from, "news/x", payload.clone(), QoS::AtLeastOnce);
            assert!(next(&messages).payload == payload, "message {number}");
            number += 1;
        }
    });
}

#[test]
fn a_peer_that_asks_and_never_reads_is_no_longer_read_and_loses_nothing() {
    let broker = broker();
    let mut deaf = Raw::join(&broker, &hello("deaf"));
    // Pings, until nothing more is taken: the answers fill the way back, so the broker stops
    // reading, and the way there fills as well.
    let pings = Packet::PingReq.to_vec(From::Client).unwrap().repeat(8_192);
    deaf.stream.set_nonblocking(true).unwrap();
    let mut asked = 0;
    let mut other = Raw::join(&broker, &hello("other"));
    let mut refused = 0;
    // The broker has had its turn between two refusals.
    while refused < 50 {
        match deaf.stream.write(&pings[asked % 2..]) {
            Ok(count) => {
                asked += count;
                refused = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refused += 1;
                other.ping();
            }
            Err(error) => panic!("{error}"),
        }
        assert!(asked < 1 << 30, "it reads on and on");
    }
    deaf.stream.set_nonblocking(false).unwrap();
    thread::scope(|scope| {
        let mut stream = deaf.stream.try_clone().unwrap();
        // The last ping may have left in half.
        let rest = &pings[asked % 2..2];
        scope.spawn(move || stream.write_all(rest).unwrap());
        let answer = Packet::PingResp.to_vec(From::Server).unwrap();
        let mut left = answer.len() * (asked / 2 + 1);
        let mut heard = vec![0; 1 << 16];
        while left > 0 {
            let most = left.min(heard.len());
            deaf.stream.read_exact(&mut heard[..most]).unwrap();
            assert!(heard[..most].chunks(2).all(|chunk| chunk == answer));
            left -= most;
        }
    });
    deaf.ping();
}

#[test]
fn who_publishes_faster_than_a_client_reads_is_not_read_meanwhile() {
    const MESSAGES: u16 = 400;
    let config = BrokerConfig {
        queue_messages: 10,
        held_bytes: 100_000,
        hold_timeout: LIMIT,
        ..BrokerConfig::default()
    };
    let broker = Broker::bind_with("127.0.0.1:0", BrokerOptions::new().config(config)).unwrap();
    let mut reader = Raw::join(&broker, &hello("reader"));
    reader.subscribe("t", QoS::AtLeastOnce);
    let mut writer = Raw::join(&broker, &hello("writer"));
    let payload = |number: u16| [&number.to_be_bytes()[..], &[0; 50_000]].concat();
    let writing = thread::spawn(move || {
        for number in 1..=MESSAGES {
            let payload = payload(number);
            let message = talk::publish(QoS::AtLeastOnce, number, "t", &payload);
            writer.say(&Packet::Publish(message));
        }
        writer
    });
    let mut heard = Vec::new();
    for number in 1..=MESSAGES {
        assert!(reader.hear_message() == payload(number), "{number}");
        heard.push(number);
        if number >= 10 {
            // More than the system would keep for a socket is still to be said.
            assert!(number > 10 || !writing.is_finished());
            for number in heard.drain(..) {
                reader.say(&talk::puback(number));
            }
        }
    }
    let mut writer = writing.join().unwrap();
    for number in 1..=MESSAGES {
        writer.hear(|packet| assert_eq!(packet, talk::puback(number)));
    }
}

/// Nothing else than that has it read on: it is sent nothing meanwhile, and sends nothing.
#[test]
fn who_is_not_read_is_read_on_when_what_was_held_back_is_taken() {
    let config = BrokerConfig {
        queue_messages: 1,
        hold_timeout: LIMIT,
        ..BrokerConfig::default()
    };
    let broker = Broker::bind_with("127.0.0.1:0", BrokerOptions::new().config(config)).unwrap();
    let mut reader = Raw::join(&broker, &hello("reader"));
    reader.subscribe("t", QoS::AtLeastOnce);
    let mut writer = Raw::join(&broker, &hello("writer"));
    for number in [1, 2] {
        let message = talk::publish(QoS::AtLeastOnce, number, "t", b"x");
        writer.say(&Packet::Publish(message));
    }
    // So many that they are taken in several turns, and some lie in the socket.
    let small = Packet::Publish(talk::publish(QoS::AtMostOnce, 0, "u", b""));
    let small = small.to_vec(From::Client).unwrap();
    let mut rest = small.repeat(1_400_000 / small.len());
    rest.extend(Packet::PingReq.to_vec(From::Client).unwrap());
    writer.stream.write_all(&rest).unwrap();
    for number in [1, 2] {
        assert_eq!(reader.hear_message(), b"x");
        reader.say(&talk::puback(number));
        writer.hear(|packet| assert_eq!(packet, talk::puback(number)));
    }
    writer.hear(|packet| assert_eq!(packet, Packet::PingResp));
}

#[test]
fn a_peer_that_sends_byte_by_byte_is_served_like_any_other() {
    let broker = broker();
    let mut slow = Raw::open(&broker);
    let mut quick = Raw::join(&broker, &hello("quick"));
    let packets = [
        Packet::Connect(hello("slow")),
        subscribe(7, &[filter("slow/#", QoS::AtLeastOnce)]),
        Packet::Publish(talk::publish(QoS::AtLeastOnce, 9, "slow/x", b"dripping")),
        Packet::PingReq,
    ]
    .map(|packet| packet.to_vec(From::Client).unwrap());
    for byte in packets.concat() {
        slow.stream.write_all(&[byte]).unwrap();
        // Meanwhile the broker has its turns, so that it sees the bytes one by one.
        quick.ping();
    }
    let heard: Vec<String> = (0..5)
        .map(|_| slow.hear(|packet| packet.packet_type().to_string()))
        .collect();
    assert_eq!(heard[..2], ["CONNACK", "SUBACK"]);
    for kind in ["PUBACK", "PUBLISH", "PINGRESP"] {
        assert!(heard.iter().any(|heard| heard == kind), "{heard:?}");
    }
}

/// Holds the broker up at messages for `gate` until the test wants it to go on.
struct Gate {
    reached: Sender<()>,
    go_on: Receiver<()>,
}

impl Access for Gate {
    fn publish(
        &mut self,
        _: &Identity<'_>,
        topic: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        if topic.as_str() == "gate" {
            self.reached.send(()).unwrap();
            self.go_on.recv_timeout(LIMIT).unwrap();
        }
        Ok(())
    }
}

// Where a reset leaves what has come before it to be read.
#[cfg(target_os = "linux")]
#[test]
fn a_goodbye_is_heard_though_writing_to_its_sender_fails() {
    let (reached, at_gate) = channel();
    let (open, go_on) = channel();
    let options = BrokerOptions::new().access(Gate { reached, go_on });
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let notices = broker.watch();
    let mut other = Raw::join(&broker, &hello("other"));
    for _ in 0..10 {
        let mut hasty = Raw::join(&broker, &hello("hasty"));
        hasty.subscribe("#", QoS::AtMostOnce);
        // Something that it does not read: the system will reset the connection.
        broker.publish("news", "x").send().unwrap();
        hasty.stream.peek(&mut [0]).unwrap();
        // While the broker is about to write to it, it says goodbye and is gone.
        let message = talk::publish(QoS::AtMostOnce, 0, "gate", b"x");
        other.say(&Packet::Publish(message));
        at_gate.recv_timeout(LIMIT).unwrap();
        hasty.say(&talk::disconnect(ReasonCode::SUCCESS));
        drop(hasty);
        open.send(()).unwrap();
        let end = end_of(&notices, Some("hasty"));
        assert_eq!(end, EndCause::ClientDisconnect(ReasonCode::SUCCESS));
    }
}

#[test]
fn a_client_that_floods_holds_up_neither_others_nor_timers() {
    let config = BrokerConfig {
        connect_timeout: Duration::from_millis(500),
        ..BrokerConfig::default()
    };
    let options = BrokerOptions::new().config(config);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let notices = broker.watch();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..3 {
            let mut loud = Raw::join(&broker, &hello(&format!("loud-{number}")));
            let stop = &stop;
            scope.spawn(move || {
                let message = talk::publish(QoS::AtMostOnce, 0, "flood", &[0; 100]);
                let message = Packet::Publish(message).to_vec(From::Client).unwrap();
                let flood = message.repeat(1_000);
                while !stop.load(Ordering::Relaxed) {
                    loud.stream.write_all(&flood).unwrap();
                }
            });
        }
        // Has not said CONNECT in time.
        let silent = Raw::open(&broker);
        let (from, to) = (connect(&broker, "from"), connect(&broker, "to"));
        let messages = to.subscribe("calm", QoS::ExactlyOnce).unwrap();
        for number in 0..100 {
            publish(&from, "calm", number.to_string(), QoS::ExactlyOnce);
            assert_eq!(next(&messages).text(), number.to_string());
        }
        assert_eq!(end_of(&notices, None), EndCause::ConnectTimeout);
        // The program's own calls get their turn as well.
        for _ in 0..100 {
            broker.publish("calm", "own").send().unwrap();
            assert_eq!(next(&messages).text(), "own");
        }
        stop.store(true, Ordering::Relaxed);
        drop(silent);
    });
}

#[test]
fn more_connections_than_allowed_are_turned_away() {
    let options = BrokerOptions::new().connections(2);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let notices = broker.watch();
    let mut first = Raw::join(&broker, &hello("first"));
    let second = Raw::join(&broker, &hello("second"));
    let mut third = Raw::open(&broker);
    assert_eq!(third.next(|packet| format!("{packet:?}")), None);
    let turned_away = notice(&notices, |notice| match notice {
        Notice::TurnedAway { peer } => Some(*peer),
        _ => None,
    });
    assert_eq!(turned_away, third.stream.local_addr().unwrap());
    first.ping();
    drop(second);
    assert_eq!(end_of(&notices, Some("second")), EndCause::TransportClosed);
    Raw::join(&broker, &hello("fourth")).ping();
}

/// Set where the test runs itself as a program that may have few files open.
const FEW_FILES: &str = "MQTT_TESTS_FEW_FILES";

#[cfg(unix)]
#[test]
fn where_the_system_has_no_more_files_it_waits_and_goes_on() {
    if std::env::var_os(FEW_FILES).is_some() {
        return out_of_files();
    }
    let test = "where_the_system_has_no_more_files_it_waits_and_goes_on";
    let program = std::env::current_exe().unwrap();
    let script = format!("ulimit -n 64 && exec \"$0\" --exact {test} --nocapture");
    let mut command = Command::new("sh");
    let command = command.arg("-c").arg(script).arg(program);
    let mut process = Process::spawn(command.env(FEW_FILES, "1")).unwrap();
    let status = process.finish(2 * LIMIT).unwrap().expect("an end");
    let (output, errors) = (process.output.tail(50), process.errors.tail(50));
    assert!(status.success(), "{output}\n{errors}");
    assert!(output.contains("files ran out and came back"), "{output}");
}

fn out_of_files() {
    let broker = broker();
    let notices = broker.watch();
    let mut first = Raw::join(&broker, &hello("first"));
    // The system takes connections in before the broker accepts them.
    let mut more = Vec::new();
    while let Ok(raw) = Raw::try_open(&broker) {
        more.push(raw);
    }
    let failed = || {
        notice(&notices, |notice| match notice {
            Notice::NotAccepted { retry, .. } => Some(*retry),
            _ => None,
        })
    };
    let retry = failed();
    let begin = Instant::now();
    for _ in 0..5 {
        failed();
        first.ping();
    }
    // It is tried again, but not all the time.
    let least = 4 * retry;
    assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
    drop(more);
    Raw::join(&broker, &hello("late")).ping();
    first.ping();
    println!("files ran out and came back");
}
