//! Connections to the broker of `mqtt-std` that are cut while messages flow.

mod embedded;

use embedded::{ALL, LIMIT, broker, next, options, publish};
use mqtt_proto::QoS;
use mqtt_std::transport::Tcp;
use mqtt_std::{Cause, Client, Message, Options};
use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The present connection of a client, to be cut from outside.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Option<TcpStream>>>);

impl Wire {
    fn connect(&self, address: SocketAddr, options: Options) -> Client {
        let wire = self.clone();
        let open = move |limit: Duration| -> Result<Tcp, Cause> {
            let socket = TcpStream::connect_timeout(&address, limit)?;
            *wire.0.lock().unwrap() = Some(socket.try_clone()?);
            Ok(Tcp::new(socket)?)
        };
        Client::connect_over(open, options).unwrap()
    }

    /// Cuts it without a word of MQTT, if there is one.
    fn cut(&self) {
        if let Some(socket) = self.0.lock().unwrap().take() {
            // It may be gone already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn cuts_lose_nothing_and_double_nothing_at_qos_2() {
    const PAIRS: usize = 6;
    const MESSAGES: usize = 900;
    const CUTS: usize = 60;
    let broker = broker();
    let address = broker.local_addr();
    let wires: Vec<Wire> = (0..2 * PAIRS).map(|_| Wire::default()).collect();
    let quick = |id: String| {
        let options = options(&id);
        options.reconnect_between(Duration::from_millis(1), Duration::from_millis(20))
    };
    let pairs: Vec<_> = (0..PAIRS)
        .map(|number| {
            let from = wires[2 * number].connect(address, quick(format!("from-{number}")));
            let to = wires[2 * number + 1].connect(address, quick(format!("to-{number}")));
            let filter = format!("to/{number}/+");
            let messages = to.subscribe(&filter, QoS::ExactlyOnce).unwrap();
            (from, to, messages)
        })
        .collect();

    let progress = AtomicUsize::new(0);
    let received = thread::scope(|scope| {
        for (number, (from, ..)) in pairs.iter().enumerate() {
            scope.spawn(move || {
                let mut tokens = Vec::new();
                for count in 0..MESSAGES {
                    let qos = ALL[1 + count % 2];
                    let topic = format!("to/{number}/{}", qos as u8);
                    let message = from.publish(&topic, count.to_string()).qos(qos);
                    tokens.push(message.send().unwrap());
                }
                for token in tokens {
                    token.acknowledged_timeout(LIMIT).unwrap();
                }
                // Behind everything else, also behind what would come twice.
                publish(from, &format!("to/{number}/2"), "end", QoS::ExactlyOnce);
            });
        }
        let readers: Vec<_> = pairs
            .iter()
            .map(|(_, _, messages)| {
                let (wires, progress) = (&wires, &progress);
                scope.spawn(move || -> Vec<Message> {
                    let mut received = Vec::new();
                    loop {
                        let message = next(messages);
                        if message.text() == "end" {
                            break;
                        }
                        received.push(message);
                        // What has come decides when the next one is cut, and whose.
                        let all = progress.fetch_add(1, Ordering::Relaxed);
                        let step = PAIRS * MESSAGES / CUTS;
                        if all % step == 0 {
                            wires[all / step * 7 % wires.len()].cut();
                        }
                    }
                    received
                })
            })
            .collect();
        let read = |reader: thread::ScopedJoinHandle<'_, _>| reader.join().unwrap();
        readers.into_iter().map(read).collect::<Vec<_>>()
    });
    for (number, messages) in received.iter().enumerate() {
        let mut by_topic: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for message in messages {
            let count = message.text().parse().unwrap();
            by_topic.entry(&message.topic).or_default().push(count);
        }
        let exactly_once = &by_topic[&*format!("to/{number}/2")];
        let expected: Vec<usize> = (1..MESSAGES).step_by(2).collect();
        assert_eq!(*exactly_once, expected);
        // Repeated after a cut, and in order apart from that.
        let at_least_once = &by_topic[&*format!("to/{number}/1")];
        let mut firsts: Vec<usize> = Vec::new();
        for count in at_least_once {
            if !firsts.contains(count) {
                firsts.push(*count);
            }
        }
        let expected: Vec<usize> = (0..MESSAGES).step_by(2).collect();
        assert_eq!(firsts, expected);
    }
    for (from, to, _) in &pairs {
        from.close(LIMIT).unwrap();
        to.close(LIMIT).unwrap();
    }
    broker.shutdown(LIMIT).unwrap();
}
