//! A client that blocks, as a program without an executor has it; here over TCP of the host.
//!
//! `cargo run -p mqtt-embedded --example blocking` brings a broker along, and with an address it talks
//! to another one. It publishes at QoS 0, 1 and 2, gets back what it has published, and a payload
//! larger than its input buffer in parts.

use mqtt_embedded::blocking::Transport;
use mqtt_embedded::{Client, Clock, Turn, connect};
use mqtt_session::{
    Config, Connect, Event, Fixed, Instant, Properties, Publish, QoS, Subscription,
    SubscriptionOptions, TopicFilter, TopicName, Will,
};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const STATE: &str = "sensors/7/state";
const LARGE: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(address) => run(&address),
        None => {
            let broker = mqtt_std::Broker::bind("127.0.0.1:0")?;
            run(&broker.local_addr().to_string())?;
            broker.shutdown(Duration::from_secs(5))?;
            Ok(())
        }
    }
}

fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let hello = Connect {
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: TopicName::new(STATE)?,
            payload: b"vanished",
            properties: Properties::EMPTY,
        }),
        ..connect("sensor-7")
    };
    let mut client = Client::new(
        mqtt_session::Client::new(Config::new(), Fixed::<8, 8, 4096, 256>::new()),
        [0; 128],
        &hello,
        || TcpStream::connect(address).map(Tcp),
        Time(std::time::Instant::now()),
    );
    let large = vec![b'x'; LARGE];
    let messages: [(QoS, &[u8]); 4] = [
        (QoS::AtMostOnce, b"21.4"),
        (QoS::AtLeastOnce, b"21.5"),
        (QoS::ExactlyOnce, b"21.6"),
        (QoS::AtLeastOnce, &large),
    ];
    let mut received = 0;
    let mut settled = 0;
    client.start();
    loop {
        match client.turn_blocking(Instant::NEVER) {
            Turn::Event(Event::Connected(_)) => {
                println!("connected to {address}");
                client.subscribe(&[Subscription {
                    filter: TopicFilter::new("sensors/#")?,
                    options: SubscriptionOptions {
                        qos: QoS::ExactlyOnce,
                        ..SubscriptionOptions::default()
                    },
                }])?;
            }
            Turn::Event(Event::Subscribed { .. }) => {
                for (qos, payload) in messages {
                    let topic = TopicName::new("sensors/7/temperature")?;
                    client.publish(&Publish::new(topic, payload).qos(qos))?;
                }
            }
            Turn::Event(Event::Published { outcome, .. }) => {
                println!("settled: {}", outcome?);
                settled += 1;
            }
            Turn::Message(delivery) => {
                let message = delivery.message;
                let qos = message.qos as u8;
                if message.total <= 8 {
                    let text = String::from_utf8_lossy(message.payload);
                    println!("received at QoS {qos}: {text}");
                } else if message.is_last() {
                    println!("received at QoS {qos}: {} bytes in parts", message.total);
                }
                received += usize::from(message.is_last());
            }
            Turn::Event(event) => println!("{event:?}"),
            Turn::Failed(failed) => println!("{failed}"),
            Turn::Nothing => {}
            Turn::Done => break,
        }
        if received == messages.len() && settled == messages.len() {
            client.stop();
        }
    }
    println!("done");
    Ok(())
}

/// A socket as a transport. What implements `Read`, `ReadReady` and `Write` of `embedded-io`, as a
/// UART does, is one without any of this.
struct Tcp(TcpStream);

impl embedded_io::ErrorType for Tcp {
    type Error = io::Error;
}

impl Transport for Tcp {
    fn read_until<C: Clock>(
        &mut self,
        room: &mut [u8],
        until: Instant,
        clock: &mut C,
    ) -> io::Result<Option<usize>> {
        // The system knows no limit of zero.
        let limit = until.since(clock.now()).max(Duration::from_millis(1));
        self.0.set_read_timeout(Some(limit))?;
        match self.0.read(room) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Time of the host.
struct Time(std::time::Instant);

impl Clock for Time {
    fn now(&mut self) -> Instant {
        Instant::from_micros(self.0.elapsed().as_micros() as u64)
    }

    fn idle(&mut self, until: Instant) {
        std::thread::sleep(until.since(self.now()));
    }
}
