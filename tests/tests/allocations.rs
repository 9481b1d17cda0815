//! A counting allocator watches the machine: with `Fixed` it is never called, with `Heap` not
//! for a message once the tables have grown.

use bytes::Bytes;
use core::time::Duration;
use mqtt_proto::{
    Ack, ConnAck, Frame, Packet, PacketId, Publish as Inbound, ReasonCodes, Sender, SubAck,
    UnsubAck, frame,
};
use mqtt_session::{
    Acknowledge, Action, Client, Config, Connect, Event, Fixed, Heap, Instant, Properties,
    Property, Publish, QoS, ReasonCode, RetainHandling, RxBuffer, Store, Subscription,
    SubscriptionOptions, TopicFilter, TopicName,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts for each thread, so that tests beside each other do not disturb the count.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn note(bytes: isize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + usize::from(bytes > 0));
    LIVE.set(LIVE.get() + bytes);
}

// SAFETY: every call is handed to the system's allocator as it is; counting touches only cells
// of this thread that need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` allocates on this thread: how often, and how many bytes it leaves behind.
fn allocated<T>(work: impl FnOnce() -> T) -> (usize, isize, T) {
    let before = (ALLOCATIONS.get(), LIVE.get());
    let result = work();
    (ALLOCATIONS.get() - before.0, LIVE.get() - before.1, result)
}

const INPUT: usize = 1_024;
const TOPIC: &str = "site/7/room/42/therm";

/// A client, its transport, and a server that answers each packet at once. None of it allocates.
struct Line<S> {
    client: Client<S>,
    input: RxBuffer<[u8; INPUT]>,
    now: Instant,
    /// What the client has sent and the server not read.
    outgoing: Bounded<16_384>,
    /// What the server has sent and the client not read.
    incoming: Bounded<16_384>,
    /// Whether the server still has the session.
    session: bool,
    /// Whether the transport is open.
    open: bool,
    /// Whether the server acknowledges.
    answers: bool,
    settled: usize,
    delivered: usize,
    connected: usize,
    done: bool,
}

/// Bytes that wait, in a fixed room.
struct Bounded<const MAX: usize> {
    bytes: [u8; MAX],
    len: usize,
}

impl<const MAX: usize> Bounded<MAX> {
    const fn new() -> Self {
        Self {
            bytes: [0; MAX],
            len: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_packet(&mut self, packet: &Packet<'_>) {
        let len = packet.encode(Sender::Server, &mut self.bytes[self.len..]);
        self.len += len.expect("the server's packet is valid and fits");
    }

    fn drain(&mut self, count: usize) {
        self.bytes.copy_within(count..self.len, 0);
        self.len -= count;
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("not zero")
}

fn ack(packet_id: PacketId) -> Ack<'static> {
    Ack {
        packet_id,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }
}

impl<S: Store> Line<S> {
    fn new(config: Config, store: S) -> Self {
        Self {
            client: Client::new(config, store),
            input: RxBuffer::new([0; INPUT]),
            now: Instant::from_secs(1),
            outgoing: Bounded::new(),
            incoming: Bounded::new(),
            session: false,
            open: false,
            answers: true,
            settled: 0,
            delivered: 0,
            connected: 0,
            done: false,
        }
    }

    /// Acts on what the client wants until neither side has anything to do.
    fn run(&mut self) {
        const PROPERTIES: &[Property<'_>] = &[
            Property::SessionExpiryInterval(3_600),
            Property::TopicAliasMaximum(4),
        ];
        let connect = Connect {
            properties: PROPERTIES,
            ..Connect::new("counted")
        };
        loop {
            match self.client.poll(self.now, &mut self.input) {
                Action::Open => {
                    self.open = true;
                    self.client
                        .opened(self.now, &connect)
                        .expect("CONNECT is accepted");
                }
                Action::Send(bytes) => {
                    self.outgoing.push(bytes);
                    let len = bytes.len();
                    self.client.sent(self.now, len);
                }
                Action::Deliver(delivery) => {
                    self.delivered += usize::from(delivery.message.is_last());
                    if let Some(token) = delivery.message.token {
                        self.client
                            .acknowledge(token, ReasonCode::SUCCESS)
                            .expect("it is the newest");
                    }
                }
                Action::Event(Event::Connected(_)) => self.connected += 1,
                Action::Event(
                    Event::Published { .. }
                    | Event::Subscribed { .. }
                    | Event::Unsubscribed { .. }
                    | Event::Unanswered { .. },
                ) => self.settled += 1,
                Action::Event(Event::Violation(violation)) => panic!("{violation}"),
                Action::Event(_) => {}
                Action::Close => {
                    self.open = false;
                    self.client.closed(self.now);
                }
                Action::Timeout(_) => {
                    self.serve();
                    if !self.feed() {
                        return;
                    }
                }
                Action::Done => {
                    self.done = true;
                    return;
                }
            }
        }
    }

    /// Moves bytes to the client; whether there were any.
    fn feed(&mut self) -> bool {
        let spare = self.input.spare();
        let count = self.incoming.len.min(spare.len());
        spare[..count].copy_from_slice(&self.incoming.bytes[..count]);
        self.input.filled(count);
        self.incoming.drain(count);
        count > 0
    }

    /// The server reads and answers.
    fn serve(&mut self) {
        loop {
            let bytes = &self.outgoing.bytes[..self.outgoing.len];
            let raw = match frame(bytes, u32::MAX).expect("the client sends packets") {
                Frame::Whole(raw) => raw,
                Frame::Partial { .. } => return,
            };
            let len = raw.len();
            let packet = raw.decode(Sender::Client).expect("a valid packet");
            let answer = answer(&packet, self.session, self.answers);
            self.session |= matches!(packet, Packet::Connect(_));
            if let Some(answer) = answer {
                self.incoming.push_packet(&answer);
            }
            self.outgoing.drain(len);
        }
    }

    fn connect(&mut self) {
        self.client.start(self.now);
        self.now = self.now.after(Duration::from_secs(120));
        self.run();
        assert!(self.client.is_connected());
    }

    fn cut(&mut self) {
        self.outgoing.len = 0;
        self.incoming.len = 0;
        self.open = false;
        self.client.closed(self.now);
        self.run();
    }

    fn publish(&mut self, qos: QoS) {
        let properties = [Property::UserProperty("unit", "celsius")];
        let publish = Publish::new(topic(), b"twenty-one and a half degrees")
            .qos(qos)
            .message_expiry_interval(3_600)
            .properties(&properties);
        self.client
            .publish(self.now, &publish)
            .expect("there is room");
    }

    fn deliver(&mut self, qos: QoS, number: u16, topic: Option<TopicName<'_>>) {
        let alias = [Property::TopicAlias(1)];
        self.incoming.push_packet(&Packet::Publish(Inbound {
            dup: false,
            qos,
            retain: false,
            topic,
            packet_id: (qos != QoS::AtMostOnce).then(|| id(number)),
            properties: Properties::new(&alias),
            payload: b"a message from the server",
        }));
    }

    /// Messages out and in at every QoS, requests, a ping, and a cut with all in flight.
    fn day(&mut self) {
        const EACH: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let (settled, delivered) = (self.settled, self.delivered);
        self.connect();
        for qos in EACH {
            self.publish(qos);
        }
        self.run();
        self.request();
        for number in 1..=2 {
            for qos in EACH {
                self.deliver(qos, number, (number == 1).then(topic));
            }
            self.run();
            self.incoming.push_packet(&Packet::PubRel(ack(id(number))));
            self.run();
        }
        self.now = self.now.after(Duration::from_secs(60));
        self.run();
        assert_eq!(self.settled - settled, 5);
        assert_eq!(self.delivered - delivered, 6);

        self.answers = false;
        for qos in EACH {
            self.publish(qos);
        }
        self.run();
        self.cut();
        self.answers = true;
        self.publish(QoS::AtLeastOnce);
        self.connect();
        self.run();
        assert_eq!(self.settled - settled, 9);
        assert_eq!(self.client.unsettled(), 0);
    }

    fn request(&mut self) {
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let filter = TopicFilter::new("site/+/room/#").expect("a topic filter");
        let subscription = Subscription { filter, options };
        self.client
            .subscribe(self.now, &[subscription], &[])
            .expect("there is room");
        self.client
            .unsubscribe(self.now, &[filter], &[])
            .expect("there is room");
        self.run();
    }

    fn stop(&mut self) {
        self.client.stop(self.now);
        self.run();
        assert!(self.done && !self.open);
        self.done = false;
        self.outgoing.len = 0;
    }
}

fn topic() -> TopicName<'static> {
    TopicName::new(TOPIC).expect("a topic name")
}

/// What the server says to a packet.
fn answer(packet: &Packet<'_>, session_present: bool, answers: bool) -> Option<Packet<'static>> {
    const ALIASES: &[Property<'_>] = &[Property::TopicAliasMaximum(2)];
    match *packet {
        Packet::Connect(_) => Some(Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(ALIASES),
        })),
        _ if !answers => None,
        Packet::Publish(publish) => publish.packet_id.map(|packet_id| match publish.qos {
            QoS::ExactlyOnce => Packet::PubRec(ack(packet_id)),
            _ => Packet::PubAck(ack(packet_id)),
        }),
        Packet::PubRel(pubrel) => Some(Packet::PubComp(ack(pubrel.packet_id))),
        Packet::Subscribe(subscribe) => Some(Packet::SubAck(SubAck {
            packet_id: subscribe.packet_id,
            properties: Properties::EMPTY,
            reasons: ReasonCodes::new(&[ReasonCode::GRANTED_QOS_2]),
        })),
        Packet::Unsubscribe(unsubscribe) => Some(Packet::UnsubAck(UnsubAck {
            packet_id: unsubscribe.packet_id,
            properties: Properties::EMPTY,
            reasons: ReasonCodes::new(&[ReasonCode::SUCCESS]),
        })),
        Packet::PingReq => Some(Packet::PingResp),
        _ => None,
    }
}

fn config(acknowledge: Acknowledge) -> Config {
    Config::default().topic_aliases(2).acknowledge(acknowledge)
}

#[test]
fn the_counter_counts() {
    let (count, bytes, kept) = allocated(|| vec![0u8; 100]);
    assert_eq!((count, bytes, kept.len()), (1, 100, 100));
}

#[test]
fn fixed_never_allocates() {
    for acknowledge in [Acknowledge::Automatically, Acknowledge::Manually] {
        let (count, _, line) = allocated(|| {
            let store = Fixed::<8, 8, 1_024, 512, 4, 32>::new();
            let mut line = Line::new(config(acknowledge), store);
            for _ in 0..3 {
                line.day();
                line.stop();
            }
            line
        });
        assert_eq!(count, 0, "{acknowledge:?}");
        assert_eq!(line.connected, 6);
    }
}

#[test]
fn heap_allocates_nothing_for_a_message_once_warm() {
    for acknowledge in [Acknowledge::Automatically, Acknowledge::Manually] {
        let mut line = Line::new(config(acknowledge), Heap::default());
        for _ in 0..2 {
            line.day();
        }
        let (count, bytes, ()) = allocated(|| {
            for _ in 0..100 {
                line.day();
            }
        });
        assert_eq!((count, bytes), (0, 0), "{acknowledge:?}");
        assert_eq!(line.connected, 1 + 102, "once, and again after each cut");
    }
}

#[test]
fn heap_holds_payloads_without_allocating_once_warm() {
    let payload = Bytes::from(vec![0x5a; 3_000]);
    let payload = payload.clone();
    let mut line = Line::new(Config::default(), Heap::default());
    line.connect();
    let round = |line: &mut Line<Heap>, answers| {
        line.answers = answers;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let publish = Publish::new(topic(), &[]).qos(qos);
            line.client
                .publish_bytes(line.now, &publish, payload.clone())
                .expect("there is room");
            line.run();
        }
        if !answers {
            line.cut();
            line.answers = true;
            line.connect();
        }
    };
    for answers in [true, false] {
        round(&mut line, answers);
    }
    let settled = line.settled;
    let (count, bytes, ()) = allocated(|| {
        for turn in 0..100 {
            round(&mut line, turn % 2 == 0);
        }
    });
    assert_eq!((count, bytes), (0, 0));
    assert_eq!(line.settled - settled, 300);
    assert_eq!(line.client.unsettled(), 0);
}

#[test]
fn an_idle_client_on_the_heap_takes_less_than_a_kilobyte() {
    let (_, heap, line) = allocated(|| {
        let mut line = Line::new(Config::default(), Heap::default());
        line.connect();
        line
    });
    let heap = usize::try_from(heap).expect("it holds at least nothing");
    let itself = size_of::<Client<Heap>>();
    println!("idle: {itself} bytes itself, {heap} on the heap");
    assert!(
        itself + heap < 1_024,
        "{itself} bytes itself, {heap} on the heap"
    );
    drop(line);
}
