//! A client with a server that answers at once.

use std::hint::black_box;

use crate::counted::Calls;
use mqtt_session::{
    Action, Client, Config, Connect, Event, Fixed, Heap, Instant, Property, Publish, QoS, RxBuffer,
    Store, TopicName,
};

/// Sizes that hold a thousand messages of the benchmark both ways.
pub(crate) type Large = Fixed<1_024, 1_024, 200_000, 4_096>;

/// The topic has 20 bytes and the payload 64: a PUBLISH of 90 bytes with a packet identifier.
const TOPIC: &str = "site/7/room/42/therm";
const PAYLOAD: [u8; 64] = [0x5a; 64];
/// Where PUBLISH carries its packet identifier.
const ID: usize = 2 + 2 + TOPIC.len();

/// Rounds before those that are counted.
const WARM: u64 = 4_000;

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

/// How the server's answers come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The caller polls until `Timeout` before it waits for an answer, as a real one does.
    Waiting,
    /// The answer is there as soon as the bytes were taken: no poll before it.
    Prompt,
}

pub(crate) struct Peer<S> {
    calls: Calls<S>,
    now: Instant,
    pace: Pace,
}

pub(crate) fn heap() -> Peer<Heap> {
    Peer::new(Heap::default(), 4_096)
}

pub(crate) fn fixed() -> Peer<Large> {
    Peer::new(Large::new(), 4_096)
}

impl<S: Store> Peer<S> {
    /// A connected client.
    pub(crate) fn new(store: S, input: usize) -> Self {
        const PROPERTIES: &[Property<'_>] = &[Property::SessionExpiryInterval(3_600)];
        let mut peer = Self {
            calls: Calls {
                client: Client::new(Config::default(), store),
                input: RxBuffer::new(vec![0; input]),
            },
            now: Instant::from_secs(1),
            pace: Pace::Waiting,
        };
        peer.calls.client.start(peer.now);
        assert!(matches!(peer.calls.poll(peer.now), Action::Open));
        let connect = Connect {
            properties: PROPERTIES,
            ..Connect::new("benchmark")
        };
        peer.calls
            .client
            .opened(peer.now, &connect)
            .expect("CONNECT");
        peer.takes();
        peer.feeds(&[0x20, 3, 0, 0, 0]);
        assert!(matches!(
            peer.calls.poll(peer.now),
            Action::Event(Event::Connected(_))
        ));
        peer.waits();
        peer
    }

    pub(crate) fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Messages out, `batch` at a time, each round one message.
    pub(crate) fn publishes(&mut self, qos: QoS, batch: u64, rounds: u64) {
        let publish = Publish::new(topic(), black_box(&PAYLOAD)).qos(qos);
        for _ in 0..rounds / batch {
            for _ in 0..batch {
                let ticket = self.calls.publish(self.now, black_box(&publish));
                black_box(&ticket).as_ref().expect("there is room");
            }
            let first = self.takes();
            match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => self.answers(PUBACK, first, batch),
                QoS::ExactlyOnce => {
                    self.answers(PUBREC, first, batch);
                    self.takes();
                    self.answers(PUBCOMP, first, batch);
                }
            }
            for _ in 0..batch {
                self.settles();
            }
            self.waits();
        }
    }

    /// The same, one by one, with `flight` messages unacknowledged all the time; the oldest is
    /// acknowledged first.
    pub(crate) fn publishes_in_flight(&mut self, qos: QoS, flight: u16, rounds: u64) {
        let publish = Publish::new(topic(), black_box(&PAYLOAD)).qos(qos);
        for _ in 1..flight {
            let ticket = self.calls.publish(self.now, &publish);
            ticket.expect("there is room");
            self.takes();
        }
        let mut oldest = 1u16;
        // Once more than the store holds, so that it has grown to where it stays.
        for _ in 0..rounds + WARM {
            let ticket = self.calls.publish(self.now, black_box(&publish));
            black_box(&ticket).as_ref().expect("there is room");
            self.takes();
            if qos == QoS::ExactlyOnce {
                self.answers(PUBREC, oldest, 1);
                self.takes();
                self.answers(PUBCOMP, oldest, 1);
            } else {
                self.answers(PUBACK, oldest, 1);
            }
            self.settles();
            self.waits();
            oldest = next(oldest);
        }
    }

    /// Messages in, `batch` at a time, each round one message.
    pub(crate) fn receives(&mut self, qos: QoS, batch: u64, rounds: u64) {
        let mut packet = inbound(qos, &PAYLOAD);
        let mut wire = Vec::new();
        let mut id = 1u16;
        for _ in 0..rounds / batch {
            let first = id;
            wire.clear();
            for _ in 0..batch {
                if qos != QoS::AtMostOnce {
                    packet[ID..ID + 2].copy_from_slice(&id.to_be_bytes());
                    id = next(id);
                }
                wire.extend_from_slice(&packet);
            }
            self.feeds(&wire);
            for _ in 0..batch {
                self.is_delivered();
            }
            if qos != QoS::AtMostOnce {
                self.takes();
            }
            if qos == QoS::ExactlyOnce {
                self.answers(PUBREL, first, batch);
                self.takes();
            }
            self.waits();
        }
    }

    /// Polls with nothing to do.
    pub(crate) fn idles(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.waits();
        }
    }

    /// One PUBLISH with a payload of `len` bytes at QoS 0 a round, in pieces of 100 bytes.
    pub(crate) fn receives_large(&mut self, len: usize, rounds: u64) {
        let packet = inbound(QoS::AtMostOnce, &vec![0x5a; len]);
        for _ in 0..rounds {
            let mut got = 0;
            for mut piece in packet.chunks(100) {
                while !piece.is_empty() {
                    let room = self.calls.spare().len().min(piece.len());
                    self.feeds(&piece[..room]);
                    piece = &piece[room..];
                    got += self.payload_in_parts();
                }
            }
            assert_eq!(got, len);
        }
    }

    /// Bytes of payload delivered until nothing is left to do.
    fn payload_in_parts(&mut self) -> usize {
        let mut got = 0;
        loop {
            match self.calls.poll(self.now) {
                Action::Deliver(delivery) => got += delivery.message.payload.len(),
                Action::Timeout(_) => return got,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The transport takes what is offered; the packet identifier of the first PUBLISH in it.
    fn takes(&mut self) -> u16 {
        let (len, id) = match self.calls.poll(self.now) {
            Action::Send(bytes) => {
                let id = bytes.get(ID..ID + 2).map_or(0, |id| {
                    u16::from_be_bytes(id.try_into().unwrap_or_default())
                });
                (bytes.len(), id)
            }
            other => panic!("{other:?}"),
        };
        self.calls.sent(self.now, len);
        id
    }

    /// Acknowledgements come in for `count` identifiers from `first` on, all in one read.
    fn answers(&mut self, kind: u8, first: u16, count: u64) {
        if self.pace == Pace::Waiting {
            self.waits();
        }
        let mut wire = Vec::new();
        let mut id = first;
        for _ in 0..count {
            let [high, low] = id.to_be_bytes();
            wire.extend_from_slice(&[kind, 2, high, low]);
            id = next(id);
        }
        self.feeds(&wire);
    }

    /// What one read of the transport brings.
    fn feeds(&mut self, bytes: &[u8]) {
        self.calls.spare()[..bytes.len()].copy_from_slice(bytes);
        self.calls.filled(bytes.len());
    }

    fn settles(&mut self) {
        match self.calls.poll(self.now) {
            Action::Event(Event::Published { outcome, .. }) => {
                black_box(&outcome).as_ref().expect("acknowledged");
            }
            other => panic!("{other:?}"),
        }
    }

    fn is_delivered(&mut self) {
        match self.calls.poll(self.now) {
            Action::Deliver(delivery) => _ = black_box(&delivery.message),
            other => panic!("{other:?}"),
        }
    }

    fn waits(&mut self) {
        match self.calls.poll(self.now) {
            Action::Timeout(deadline) => _ = black_box(deadline),
            other => panic!("{other:?}"),
        }
    }
}

fn topic() -> TopicName<'static> {
    TopicName::new(TOPIC).expect("a topic name")
}

/// Identifiers rise from 1 and wrap after 65,535.
fn next(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

/// A PUBLISH from the server, with the packet identifier 1 where it has one.
fn inbound(qos: QoS, payload: &[u8]) -> Vec<u8> {
    mqtt_proto::Packet::Publish(mqtt_proto::Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(topic()),
        packet_id: mqtt_proto::PacketId::new(u16::from(qos != QoS::AtMostOnce)),
        properties: mqtt_proto::Properties::EMPTY,
        payload,
    })
    .to_vec(mqtt_proto::Sender::Server)
    .expect("the packet is valid")
}
