//! How the broker of `mqtt-std` ends.

mod embedded;

use embedded::{ALL, LIMIT, Raw, broker, connect, next, notice, options, url};
use mqtt_proto::{Packet, QoS};
use mqtt_std::broker::{
    Access, Broker, BrokerConfig, BrokerEvent, BrokerOptions, BrokerPublishError, Login, Notice,
    Notices, ShutdownError,
};
use mqtt_std::{Cause, Client, ReasonCode, State};
use mqtt_tests::hall::hello;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn while_messages_flow_everyone_is_told_and_what_was_acknowledged_arrived() {
    const PAIRS: usize = 6;
    let broker = broker();
    let publishers: Vec<Client> = (0..PAIRS)
        .map(|number| {
            let options = options(&format!("publisher-{number}")).reconnect(false);
            Client::connect(&url(&broker), options).unwrap()
        })
        .collect();
    let subscribers: Vec<_> = (0..PAIRS)
        .map(|number| {
            let options = options(&format!("subscriber-{number}")).reconnect(false);
            let client = Client::connect(&url(&broker), options).unwrap();
            let topic = format!("flow/{number}");
            let messages = client.subscribe(&topic, QoS::ExactlyOnce).unwrap();
            (client, messages)
        })
        .collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (number, publisher) in publishers.iter().enumerate() {
            let stop = &stop;
            scope.spawn(move || {
                for count in 0.. {
                    let topic = format!("flow/{number}");
                    let message = publisher.publish(&topic, vec![b'x'; 300]);
                    let token = message.qos(ALL[count % 3]).send();
                    if token.is_err() || stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        // It flows, for everyone.
        for (_, messages) in &subscribers {
            for _ in 0..30 {
                next(messages);
            }
        }
        broker.shutdown(LIMIT).unwrap();
        stop.store(true, Ordering::Relaxed);
        let clients = publishers.iter();
        for client in clients.chain(subscribers.iter().map(|(client, _)| client)) {
            let state = client.wait_for_state(LIMIT, State::is_ended).unwrap();
            let told = matches!(
                &state,
                State::Ended { cause: Cause::ServerDisconnect { reason, .. } }
                    if *reason == ReasonCode::SERVER_SHUTTING_DOWN
            );
            assert!(told, "{state}");
        }
    });
    // Nothing listens any more, and the port is free.
    assert!(TcpStream::connect(broker.local_addr()).is_err());
    drop(TcpListener::bind(broker.local_addr()).unwrap());
}

#[test]
fn a_peer_that_takes_nothing_does_not_hold_it_up() {
    let config = BrokerConfig {
        close_timeout: LIMIT,
        queue_bytes: 48 << 20,
        ..BrokerConfig::default()
    };
    let options = BrokerOptions::new().config(config);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let mut deaf = Raw::join(&broker, &hello("deaf"));
    deaf.subscribe("#", QoS::ExactlyOnce);
    let mut fine = Raw::join(&broker, &hello("fine"));
    // Far more than the buffers of both sockets take.
    let notices = broker.watch();
    let dropped = || {
        matches!(
            notices.try_recv(),
            Some(Notice::Event(BrokerEvent::Dropped { .. }))
        )
    };
    while !dropped() {
        let message = broker.publish("noise", vec![0; 100_000]);
        message.qos(QoS::AtLeastOnce).send().unwrap();
    }
    let begin = Instant::now();
    let result = broker.shutdown(Duration::from_millis(300));
    assert_eq!(result, Err(ShutdownError::CutOff { connections: 1 }));
    assert!(begin.elapsed() < LIMIT / 2, "{:?}", begin.elapsed());
    assert_eq!(broker.shutdown(LIMIT), result);
    fine.hear(|packet| match packet {
        Packet::Disconnect(disconnect) => {
            assert_eq!(disconnect.reason, ReasonCode::SERVER_SHUTTING_DOWN);
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(fine.next(|packet| format!("{packet:?}")), None);
}

#[test]
fn dropping_it_tells_everyone_too() {
    let broker = broker();
    let client = Client::connect(&url(&broker), options("one").reconnect(false)).unwrap();
    let notices = broker.watch();
    // Has not said CONNECT.
    let mut silent = Raw::open(&broker);
    wait_until_open(&notices, &silent);
    drop(broker);
    let state = client.wait_for_state(LIMIT, State::is_ended).unwrap();
    assert!(state.to_string().contains("shutting down"), "{state}");
    assert_eq!(silent.next(|packet| format!("{packet:?}")), None);
}

/// Returns when the broker has accepted a connection.
#[track_caller]
fn wait_until_open(notices: &Notices, raw: &Raw) {
    let address = raw.stream.local_addr().unwrap();
    notice(notices, |notice| match notice {
        Notice::Opened { peer, .. } => (*peer == address).then_some(()),
        _ => None,
    });
}

/// Says that it was asked, and answers when the test wants it.
struct Slow {
    asked: Sender<()>,
    answers: Receiver<()>,
}

impl Access for Slow {
    fn login(&mut self, _: &Login<'_>) -> Result<(), ReasonCode> {
        self.asked.send(()).unwrap();
        let _ = self.answers.recv();
        Ok(())
    }
}

#[test]
fn an_access_that_does_not_answer_does_not_hold_up_the_caller() {
    let (asked, questions) = channel();
    let (answer, answers) = channel();
    let options = BrokerOptions::new().access(Slow { asked, answers });
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    answer.send(()).unwrap();
    let _first = connect(&broker, "first");
    questions.recv_timeout(LIMIT).unwrap();
    let mut second = Raw::open(&broker);
    second.say(&Packet::Connect(hello("second")));
    questions.recv_timeout(LIMIT).unwrap();
    let begin = Instant::now();
    let result = broker.shutdown(Duration::from_millis(50));
    assert_eq!(result, Err(ShutdownError::Stuck));
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    drop(answer);
    // Late, but in good order.
    assert_eq!(broker.shutdown(LIMIT), Ok(()));
}

/// Has a fault.
struct Faulty;

impl Access for Faulty {
    fn login(&mut self, _: &Login<'_>) -> Result<(), ReasonCode> {
        panic!("a fault in the program's own code");
    }
}

#[test]
fn a_panic_of_the_access_ends_it_and_is_told() {
    let options = BrokerOptions::new().access(Faulty);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let notices = broker.watch();
    let mut raw = Raw::open(&broker);
    raw.say(&Packet::Connect(hello("a")));
    assert_eq!(raw.next(|packet| format!("{packet:?}")), None);
    assert!(notices.count() >= 1, "the notices end");
    let refused = broker.publish("t", "x").send();
    assert_eq!(refused, Err(BrokerPublishError::Ended));
    assert_eq!(broker.shutdown(LIMIT), Err(ShutdownError::Panicked));
}
