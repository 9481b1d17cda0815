//! What the tests of the broker of `mqtt-std` share: clients, and bare sockets.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "shared by test binaries")]

use mqtt_proto::{Connect, Frame, Packet, QoS, Sender, frame};
use mqtt_std::broker::{Broker, BrokerEvent, EndCause, Notice, Notices};
use mqtt_std::{Client, Message, Options, Subscription};
use mqtt_tests::hall::{filter, subscribe};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long anything that should happen at once may take on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(30);

pub const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub fn broker() -> Broker {
    Broker::bind("127.0.0.1:0").unwrap()
}

pub fn url(broker: &Broker) -> String {
    format!("mqtt://{}", broker.local_addr())
}

/// Options that come back quickly.
pub fn options(client_id: &str) -> Options {
    Options::new(client_id)
        .reconnect_between(Duration::from_millis(20), Duration::from_millis(200))
        .connect_timeout(LIMIT)
}

#[track_caller]
pub fn connect(broker: &Broker, client_id: &str) -> Client {
    Client::connect(&url(broker), options(client_id)).unwrap()
}

/// The next message, waited for.
#[track_caller]
pub fn next(subscription: &Subscription) -> Message {
    match subscription.recv_timeout(LIMIT) {
        Some(message) => message,
        None => panic!(
            "no message on {}; {:?}",
            subscription.topic_filter(),
            subscription.ended()
        ),
    }
}

/// Publishes and waits for the acknowledgement.
#[track_caller]
pub fn publish(client: &Client, topic: &str, payload: impl Into<mqtt_std::Bytes>, qos: QoS) {
    let token = client.publish(topic, payload).qos(qos).send().unwrap();
    token.acknowledged_timeout(LIMIT).unwrap();
}

/// The next notice that `wanted` makes something of, waited for.
#[track_caller]
pub fn notice<T>(notices: &Notices, wanted: impl Fn(&Notice) -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while let Some(notice) = notices.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if let Some(found) = wanted(&notice) {
            return found;
        }
        seen.push(notice.to_string());
    }
    panic!("it was not told; what was: {seen:#?}");
}

/// How the connection of a client ended, or of one that never was accepted.
#[track_caller]
pub fn end_of(notices: &Notices, client_id: Option<&str>) -> EndCause {
    notice(notices, |notice| match notice {
        Notice::Event(BrokerEvent::Disconnected {
            client_id: who,
            cause,
            ..
        }) if who.as_deref() == client_id => Some(*cause),
        _ => None,
    })
}

/// A bare socket that speaks packets.
pub struct Raw {
    pub stream: TcpStream,
    heard: Vec<u8>,
    used: usize,
}

impl Raw {
    #[track_caller]
    pub fn open(broker: &Broker) -> Self {
        Self::try_open(broker).unwrap()
    }

    pub fn try_open(broker: &Broker) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&broker.local_addr(), LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self {
            stream,
            heard: Vec::new(),
            used: 0,
        })
    }

    /// A client that was accepted.
    #[track_caller]
    pub fn join(broker: &Broker, connect: &Connect<'_>) -> Self {
        let mut raw = Self::open(broker);
        raw.say(&Packet::Connect(*connect));
        raw.hear(|packet| match packet {
            Packet::ConnAck(connack) => assert!(!connack.reason.is_failure(), "{connack:?}"),
            other => panic!("{other:?}"),
        });
        raw
    }

    #[track_caller]
    pub fn say(&mut self, packet: &Packet<'_>) {
        let bytes = packet.to_vec(Sender::Client).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    #[track_caller]
    pub fn subscribe(&mut self, topics: &str, qos: QoS) {
        self.say(&subscribe(1, &[filter(topics, qos)]));
        self.hear(|packet| match packet {
            Packet::SubAck(suback) => {
                let granted: Vec<_> = suback.reasons.iter().collect();
                assert_eq!(granted.len(), 1);
                assert_eq!(granted[0].value(), qos as u8);
            }
            other => panic!("{other:?}"),
        });
    }

    /// The next packet; None at the end of the stream.
    #[track_caller]
    pub fn next<T>(&mut self, look: impl FnOnce(Packet<'_>) -> T) -> Option<T> {
        self.heard.drain(..std::mem::take(&mut self.used));
        let len = loop {
            match frame(&self.heard, u32::MAX).unwrap() {
                Frame::Whole(raw) => break raw.len(),
                Frame::Partial { .. } => {}
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    assert!(self.heard.is_empty(), "half a packet: {:?}", self.heard);
                    return None;
                }
                Ok(count) => self.heard.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the broker is silent: {error}"),
            }
        };
        self.used = len;
        let packet = Packet::decode(&self.heard[..len], Sender::Server).unwrap();
        Some(look(packet))
    }

    /// The next packet, which has to come.
    #[track_caller]
    pub fn hear<T>(&mut self, look: impl FnOnce(Packet<'_>) -> T) -> T {
        self.next(look).expect("the broker closed the connection")
    }

    /// The payload of the next packet, which has to be a PUBLISH.
    #[track_caller]
    pub fn hear_message(&mut self) -> Vec<u8> {
        self.hear(|packet| match packet {
            Packet::Publish(publish) => publish.payload.to_vec(),
            other => panic!("{other:?}"),
        })
    }

    /// The answer to a ping shows that everything before it was processed.
    #[track_caller]
    pub fn ping(&mut self) {
        self.say(&Packet::PingReq);
        self.hear(|packet| assert!(matches!(packet, Packet::PingResp), "{packet:?}"));
    }
}
