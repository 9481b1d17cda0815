//! Conversations between a client and a scripted server, under virtual time.
//!
//! A test says what the server sends and what the client does; everything the client does has to
//! be expected, in its order, or the conversation fails with its whole history.

#![allow(
    dead_code,
    reason = "each test program uses its part of the vocabulary"
)]

use crate::input::INPUT;
use core::time::Duration;
use mqtt_proto::{ConnAck, Frame, Packet, Publish as Pub, QoS, ReasonCode, Sender, frame};
use mqtt_session::{
    Action, Cause, Client, Config, Connect, Event, Heap, Instant, RxBuffer, Store, Ticket,
    Violation,
};
use std::collections::VecDeque;

// This file may have any path, and they lie beside it.
#[path = "talk/packets.rs"]
mod packets;
#[path = "talk/told.rs"]
mod told;

pub use packets::*;
pub use told::{Did, Message, Told};

use told::printed;

/// One client, its input, its time, and a server that says what the test says.
pub struct Talk<S> {
    /// The client itself, for what has no word here.
    pub client: Client<S>,
    /// Its input.
    pub input: RxBuffer<Vec<u8>>,
    /// The time.
    pub now: Instant,
    /// What the client did and the test has not expected yet.
    did: VecDeque<Did>,
    /// The deadline of the last poll.
    pub deadline: Instant,
    /// How many bytes the transport takes at a time; 0: it is blocked.
    pub takes: usize,
    /// Whether the transport was offered bytes while it was blocked.
    offered: bool,
    /// Bytes that left but are no whole packet yet.
    wire: Vec<u8>,
    /// Payloads to be drawn, by ticket. One that is not here is asked for in vain, and that is told.
    pub sources: Vec<(Ticket, Vec<u8>)>,
    /// How many bytes of them the application supplies at a time.
    pub supplies: usize,
    /// How many bytes the server's packets come in at a time.
    pub chunk: usize,
    /// Whether parts of messages are taken as they come. Otherwise they are put together first.
    pub parts: bool,
    /// What has come of a message whose last part has not.
    unfinished: Option<Message>,
    /// What happened, for the message of a failure.
    pub history: Vec<String>,
}

/// A talk with a `Heap` client that has not started.
pub fn talk(config: Config) -> Talk<Heap> {
    Talk::new(config, Heap::default())
}

/// A `Heap` client whose connection was just accepted, without session expiry.
pub fn connected(config: Config) -> Talk<Heap> {
    let mut talk = talk(config);
    talk.connects(&Connect::new("c"), connack());
    talk
}

/// All that a client knows, without the bytes of its two buffers: a refused call may leave traces
/// where nothing is kept.
pub fn knowledge<S: core::fmt::Debug>(client: &Client<S>) -> String {
    let mut text = format!("{client:?}");
    for buffer in ["arena: [", "transmit: ["] {
        while let Some(start) = text.find(buffer) {
            let end = text[start..]
                .find(']')
                .map_or(text.len(), |end| start + end);
            text.replace_range(start..end, "");
        }
    }
    text
}

impl<S: Store + Clone> Talk<S> {
    /// A talk with a client that has not started.
    pub fn new(config: Config, store: S) -> Self {
        Self {
            client: Client::new(config, store),
            input: RxBuffer::new(vec![0; INPUT]),
            now: Instant::from_secs(1_000),
            did: VecDeque::new(),
            deadline: Instant::NEVER,
            takes: usize::MAX,
            offered: false,
            wire: Vec::new(),
            sources: Vec::new(),
            supplies: usize::MAX,
            chunk: usize::MAX,
            parts: false,
            unfinished: None,
            history: Vec::new(),
        }
    }

    /// Polls until there is nothing to do, and keeps what the client did.
    pub fn run(&mut self) -> &mut Self {
        for _ in 0..100_000 {
            let action = self.client.poll(self.now, &mut self.input);
            let did = match action {
                Action::Open => Did::Open,
                Action::Send(bytes) => {
                    let taken = bytes.len().min(self.takes);
                    self.wire.extend_from_slice(&bytes[..taken]);
                    if taken == 0 {
                        self.offered = true;
                    } else {
                        self.client.sent(self.now, taken);
                        self.split_packets();
                    }
                    continue;
                }
                Action::Deliver(delivery) => {
                    let m = delivery.message;
                    Did::Delivered(Message {
                        topic: m.topic.as_str().to_owned(),
                        payload: m.payload.to_vec(),
                        offset: m.offset,
                        total: m.total,
                        qos: m.qos,
                        retain: m.retain,
                        dup: m.dup,
                        properties: printed(&m.properties),
                        token: m.token,
                    })
                }
                Action::Event(Event::PayloadWanted { ticket }) => {
                    if self.supply(ticket) {
                        continue;
                    }
                    Did::Told(Told::PayloadWanted(ticket))
                }
                Action::Event(event) => Did::Told(event.into()),
                Action::Close => Did::Close,
                Action::Done => Did::Done,
                Action::Timeout(deadline) => {
                    self.deadline = deadline;
                    return self;
                }
            };
            self.note(did);
        }
        panic!(
            "the client never comes to rest:\n{}",
            self.history.join("\n")
        );
    }

    /// Supplies the next part of a payload, if the application has it.
    pub fn supply(&mut self, ticket: Ticket) -> bool {
        let source = self.sources.iter().find(|(of, _)| *of == ticket);
        let Some((_, payload)) = source else {
            return false;
        };
        let mut draw = self.client.draw(self.now).expect("a part is wanted");
        assert_eq!((draw.ticket, draw.total), (ticket, payload.len()));
        let offset = draw.offset;
        let room = draw.room();
        let count = room.len().min(self.supplies);
        room[..count].copy_from_slice(&payload[offset..offset + count]);
        draw.supply(count);
        true
    }

    fn note(&mut self, did: Did) {
        let did = match did {
            Did::Delivered(message) => match self.put_together(message) {
                Some(whole) => Did::Delivered(whole),
                None => return,
            },
            Did::Told(Told::DeliveryCut) => {
                self.unfinished = None;
                did
            }
            did => did,
        };
        self.history.push(format!(
            "{:>10} client {did:?}",
            self.now.as_micros() / 1000
        ));
        self.did.push_back(did);
    }

    /// The message, once all its parts have come.
    fn put_together(&mut self, part: Message) -> Option<Message> {
        if self.parts {
            return Some(part);
        }
        let message = match self.unfinished.take() {
            None => part,
            Some(mut message) => {
                assert_eq!(part.offset, message.payload.len());
                message.payload.extend(part.payload);
                Message {
                    token: part.token,
                    ..message
                }
            }
        };
        if message.payload.len() < message.total {
            self.unfinished = Some(message);
            return None;
        }
        Some(message)
    }

    fn split_packets(&mut self) {
        while let Ok(Frame::Whole(raw)) = frame(&self.wire, u32::MAX) {
            let len = raw.len();
            let rest = self.wire.split_off(len);
            let packet = core::mem::replace(&mut self.wire, rest);
            Packet::decode(&packet, Sender::Client).expect("the client sends valid packets");
            self.note(Did::Sent(packet));
        }
    }

    /// The transport takes bytes again.
    pub fn unblock(&mut self) -> &mut Self {
        self.takes = usize::MAX;
        if core::mem::take(&mut self.offered) {
            self.client.sent(self.now, 0);
        }
        self.run()
    }

    /// Time passes; the client is polled at the end of it.
    pub fn wait(&mut self, span: Duration) -> &mut Self {
        self.now = self.now.after(span);
        self.history.push(format!(
            "{:>10} (after {span:?})",
            self.now.as_micros() / 1000
        ));
        self.run()
    }

    /// Time passes up to the client's own deadline.
    pub fn wait_until_due(&mut self) -> &mut Self {
        assert_ne!(
            self.deadline,
            Instant::NEVER,
            "nothing is due:\n{}",
            self.history.join("\n")
        );
        self.now = self.now.max(self.deadline);
        self.run()
    }

    /// The server sends bytes, in the talk's chunks. What it sends to a client that has asked for the
    /// end of the transport lies there unread.
    pub fn server_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.history.push(format!(
            "{:>10} server {bytes:02x?}",
            self.now.as_micros() / 1000
        ));
        let mut rest = bytes;
        while !rest.is_empty() {
            let spare = self.input.spare();
            let count = rest.len().min(spare.len()).min(self.chunk);
            if count == 0 && self.did.contains(&Did::Close) {
                break;
            }
            assert!(
                count > 0,
                "the input buffer is full:\n{}",
                self.history.join("\n")
            );
            spare[..count].copy_from_slice(&rest[..count]);
            self.input.filled(count);
            rest = &rest[count..];
            self.run();
        }
        self
    }

    /// The server sends a packet.
    pub fn server(&mut self, packet: Packet<'_>) -> &mut Self {
        let bytes = packet
            .to_vec(Sender::Server)
            .expect("the server's packet is valid");
        self.server_bytes(&bytes)
    }

    /// The next thing the client did, if it did anything that was not expected yet.
    pub fn did(&mut self) -> Option<Did> {
        self.did.pop_front()
    }

    /// The next thing the client did.
    #[expect(
        clippy::should_implement_trait,
        reason = "a conversation has no end to iterate to"
    )]
    pub fn next(&mut self) -> Did {
        match self.did.pop_front() {
            Some(did) => did,
            None => panic!("the client did nothing more:\n{}", self.history.join("\n")),
        }
    }

    /// The next thing the client does is this.
    #[track_caller]
    pub fn expect(&mut self, expected: Did) -> &mut Self {
        self.run();
        let did = self.next();
        assert_eq!(did, expected, "\n{}", self.history.join("\n"));
        self
    }

    /// The client sends exactly this packet, byte by byte.
    #[track_caller]
    pub fn sends(&mut self, packet: Packet<'_>) -> &mut Self {
        let bytes = packet
            .to_vec(Sender::Client)
            .expect("the expected packet is valid");
        self.expect(Did::Sent(bytes))
    }

    /// The client sends exactly these bytes as one packet.
    #[track_caller]
    pub fn sends_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.expect(Did::Sent(bytes.to_vec()))
    }

    /// The client sends some packet: its bytes.
    #[track_caller]
    pub fn sent(&mut self) -> Vec<u8> {
        self.run();
        match self.next() {
            Did::Sent(bytes) => bytes,
            other => panic!("no packet but {other:?}\n{}", self.history.join("\n")),
        }
    }

    /// The client tells of this event.
    #[track_caller]
    pub fn tells(&mut self, told: Told) -> &mut Self {
        self.expect(Did::Told(told))
    }

    /// The client delivers a message: it is returned for a closer look.
    #[track_caller]
    pub fn delivered(&mut self) -> Message {
        self.run();
        match self.next() {
            Did::Delivered(message) => message,
            other => panic!("no delivery but {other:?}\n{}", self.history.join("\n")),
        }
    }

    /// The client delivers this.
    #[track_caller]
    pub fn delivers(&mut self, topic: &str, payload: &[u8]) -> &mut Self {
        let message = self.delivered();
        assert_eq!(message.topic, topic, "\n{}", self.history.join("\n"));
        assert_eq!(message.payload, payload, "\n{}", self.history.join("\n"));
        self
    }

    /// The client did nothing that was not expected yet.
    #[track_caller]
    pub fn quiet(&mut self) -> &mut Self {
        self.run();
        assert!(
            self.did.is_empty(),
            "unexpected: {:?}\n{}",
            self.did,
            self.history.join("\n")
        );
        self
    }

    /// The client gives up the connection: the transport is closed for it.
    #[track_caller]
    pub fn closes(&mut self) -> &mut Self {
        self.expect(Did::Close);
        self.cut()
    }

    /// The transport is gone.
    pub fn cut(&mut self) -> &mut Self {
        self.history
            .push(format!("{:>10} (cut)", self.now.as_micros() / 1000));
        self.wire.clear();
        self.offered = false;
        self.client.closed(self.now);
        self.run()
    }

    /// What is told when a connection ends with a new attempt to come.
    #[track_caller]
    pub fn disconnected(&mut self, cause: Cause) -> &mut Self {
        self.run();
        match self.next() {
            Did::Told(Told::Disconnected(told, Some(_))) if told == cause => self,
            other => panic!(
                "not disconnected by {cause:?} but {other:?}\n{}",
                self.history.join("\n")
            ),
        }
    }

    /// The server broke the protocol: the client says how, tells the server, and closes; a new
    /// attempt is to come.
    #[track_caller]
    pub fn ends_by(&mut self, violation: Violation) -> &mut Self {
        self.tells(Told::Violation(violation.reason(), violation.statement()))
            .sends(disconnect(violation.reason()))
            .closes()
            .disconnected(Cause::Violation(violation))
    }

    /// The connection ended and no other is to come: the client says so once, and rests.
    #[track_caller]
    pub fn rests(&mut self, cause: Cause) -> &mut Self {
        self.tells(Told::Disconnected(cause, None))
            .expect(Did::Done)
            .quiet();
        assert_eq!(
            self.deadline,
            Instant::NEVER,
            "\n{}",
            self.history.join("\n")
        );
        self
    }

    /// Starts where the client is at rest, waits where it backs off, opens the transport, and
    /// takes CONNECT: its bytes.
    #[track_caller]
    pub fn opens(&mut self, connect: &Connect<'_>) -> Vec<u8> {
        self.client.start(self.now);
        self.run();
        if self.did.is_empty() {
            self.wait_until_due();
        }
        self.expect(Did::Open);
        self.client
            .opened(self.now, connect)
            .expect("CONNECT is accepted by the client");
        self.sent()
    }

    /// Opens a connection, and the server answers.
    #[track_caller]
    pub fn connects(&mut self, connect: &Connect<'_>, answer: Packet<'_>) -> &mut Self {
        self.opens(connect);
        let Packet::ConnAck(ConnAck {
            session_present, ..
        }) = answer
        else {
            panic!("the answer to CONNECT is CONNACK");
        };
        self.server(answer);
        self.tells(Told::Connected { session_present })
    }

    /// The application publishes.
    #[track_caller]
    pub fn publishes(&mut self, qos: QoS, topic: &str, payload: &[u8]) -> Ticket {
        self.history.push(format!(
            "{:>10} publish {topic} {payload:02x?}",
            self.now.as_micros() / 1000
        ));
        self.client
            .publish(self.now, &message(qos, topic, payload))
            .expect("published")
    }

    /// The application publishes a payload that it supplies when it is asked for it.
    #[track_caller]
    pub fn publishes_drawn(&mut self, qos: QoS, topic: &str, payload: &[u8]) -> Ticket {
        let ticket = self.announces(qos, topic, payload.len());
        self.sources.push((ticket, payload.to_vec()));
        ticket
    }

    /// The application announces a payload.
    #[track_caller]
    pub fn announces(&mut self, qos: QoS, topic: &str, total: usize) -> Ticket {
        self.history.push(format!(
            "{:>10} publish {topic}, {total} bytes to be drawn",
            self.now.as_micros() / 1000
        ));
        self.client
            .publish_drawn(self.now, &message(qos, topic, &[]), total)
            .expect("published")
    }

    /// The client sends this PUBLISH for the first time: DUP is clear.
    #[track_caller]
    pub fn sends_publish(
        &mut self,
        qos: QoS,
        number: u16,
        topic: &str,
        payload: &[u8],
    ) -> &mut Self {
        self.sends(Packet::Publish(publish(qos, number, topic, payload)))
    }

    /// The client sends this PUBLISH again: DUP is set.
    #[track_caller]
    pub fn resends_publish(
        &mut self,
        qos: QoS,
        number: u16,
        topic: &str,
        payload: &[u8],
    ) -> &mut Self {
        self.sends(Packet::Publish(Pub {
            dup: true,
            ..publish(qos, number, topic, payload)
        }))
    }

    /// The server publishes, DUP clear.
    pub fn server_publishes(
        &mut self,
        qos: QoS,
        number: u16,
        topic: &str,
        payload: &[u8],
    ) -> &mut Self {
        self.server(Packet::Publish(publish(qos, number, topic, payload)))
    }

    /// The transport is gone, and the client says so.
    #[track_caller]
    pub fn loses_transport(&mut self) -> &mut Self {
        self.cut().disconnected(Cause::TransportClosed)
    }

    /// Connects again, and the server still has the session.
    #[track_caller]
    pub fn resumes(&mut self) -> &mut Self {
        self.connects(&keeping(), session_present())
    }

    /// The client tells of a violation, sends DISCONNECT with its reason, and closes.
    #[track_caller]
    pub fn breaks_off(&mut self, reason: ReasonCode, statement: &'static str) -> &mut Self {
        self.tells(Told::Violation(reason, statement));
        self.sends_bytes(&[0xe0, 0x01, reason.value()]);
        self.closes();
        match self.next() {
            Did::Told(Told::Disconnected(Cause::Violation(violation), _))
                if violation.reason() == reason => {}
            other => panic!("not broken off but {other:?}\n{}", self.history.join("\n")),
        }
        self
    }

    /// A publish is settled by the server's word.
    #[track_caller]
    pub fn settles(&mut self, ticket: Ticket, reason: ReasonCode) -> &mut Self {
        self.tells(Told::Published(ticket, Ok(reason), Vec::new()))
    }
}
