//! What must hold for a broker whatever its clients say and whatever order its caller calls in.
//! Not part of the API: it is here for the fuzz target, which only passes bytes on, and for tests.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "to fail is what it is for"
)]

use super::{
    Access, AuthStep, Broker, BrokerAction, BrokerConfig, BrokerEvent, ConnectionId, Identity,
    Overflow, Phase,
};
use crate::{Instant, Publish};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use mqtt_proto::{
    Ack, Auth, Connect, Disconnect, Filters, Frame, Packet, PacketId, Properties, Property, QoS,
    ReasonCode, RetainHandling, Sender, Subscribe, Subscription, SubscriptionOptions,
    Subscriptions, TopicFilter, TopicName, Unsubscribe, Will, frame,
};

/// Connections that a script speaks of.
const CONNECTIONS: u8 = 6;
/// How many actions in a row may come without anything new coming in.
const MOST_ACTIONS: usize = 50_000;
/// The longest that any session lasts without a connection, in seconds.
const LONGEST: u32 = 1_000;

const CLIENTS: [&str; 5] = ["", "ann", "bob", "cy", "dora"];
const TOPICS: [&str; 8] = [
    "a",
    "a/b",
    "a/b/c",
    "/",
    "$x/a",
    "b",
    "no/way",
    "a/b/c/d/e/f/g/h",
];
const FILTERS: [&str; 12] = [
    "a",
    "#",
    "+",
    "a/+",
    "a/#",
    "+/b/#",
    "/",
    "$x/#",
    "$share/g/a/#",
    "$share/h/#",
    "$share/g/a",
    "a/b/c/d/e/f/g/h",
];

/// Runs a script: calls of the caller, and packets and bytes of the clients.
pub fn broker(data: &[u8]) {
    let mut script = Script { data };
    let mut world = World::new(&mut script);
    while !script.data.is_empty() {
        let op = script.byte();
        world.step(op, &mut script);
        if op < 0xc0 {
            world.drain();
        }
    }
    world.finish();
}

/// Bytes that decide; zeros when they are used up.
struct Script<'a> {
    data: &'a [u8],
}

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        match self.data.split_first() {
            Some((&first, rest)) => {
                self.data = rest;
                first
            }
            None => 0,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    fn connection(&mut self) -> ConnectionId {
        ConnectionId(u64::from(self.byte() % CONNECTIONS))
    }

    fn qos(&mut self) -> QoS {
        self.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
    }

    fn id(&mut self) -> PacketId {
        PacketId::new(u16::from(self.byte() % 8) + 1).expect("above zero")
    }
}

/// Who may do what, with something of everything.
#[derive(Clone, Debug, Default)]
struct Moody {
    steps: usize,
}

impl Access for Moody {
    fn publish(
        &mut self,
        _: &Identity<'_>,
        topic: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        match topic.as_str().starts_with("no") {
            true => Err(ReasonCode::NOT_AUTHORIZED),
            false => Ok(()),
        }
    }

    fn authenticate(&mut self, _: ConnectionId, method: &str, data: Option<&[u8]>) -> AuthStep {
        self.steps += 1;
        match (method, self.steps % 3) {
            ("m", 1) => AuthStep::Continue(data.unwrap_or(b"?").into()),
            ("m", 2) => AuthStep::Accept(None),
            _ => AuthStep::Refuse(ReasonCode::NOT_AUTHORIZED),
        }
    }
}

/// The caller's end of a connection.
#[derive(Default)]
struct End {
    /// What the broker sent and is no whole packet yet.
    heard: Vec<u8>,
    /// How many bytes the transport takes at a time.
    takes: usize,
    /// Bytes that were offered and of which nothing was said.
    offered: Option<Vec<u8>>,
    /// What it has yet to answer.
    owed: Vec<[u8; 4]>,
    /// It has been told that the connection is over.
    told: bool,
}

struct World {
    broker: Broker<Moody>,
    config: BrokerConfig,
    now: Instant,
    ends: BTreeMap<ConnectionId, End>,
    /// Clients that are connected, by their connections.
    clients: BTreeMap<ConnectionId, String>,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let choice = script.byte();
        let config = BrokerConfig {
            overflow: match choice % 4 {
                0 => Overflow::DropNewest,
                1 => Overflow::DropOldest,
                2 => Overflow::Disconnect,
                _ => Overflow::HoldBack,
            },
            held_bytes: 300,
            maximum_session_expiry: LONGEST,
            maximum_packet_size: if choice & 132 == 132 { 100 } else { 2_000 },
            maximum_connect_size: 300,
            receive_maximum: if choice & 8 == 0 { 100 } else { 2 },
            topic_alias_maximum: 2,
            maximum_levels: 6,
            sessions: 3,
            subscriptions: 5,
            subscription_bytes: 30,
            queue_messages: if choice & 16 == 0 { 100 } else { 4 },
            queue_bytes: 3_000,
            queue_qos0: choice & 32 != 0,
            transmit: 256,
            retained_messages: 3,
            retained_bytes: 500,
            maximum_keep_alive: (choice & 80 == 80).then_some(20),
            maximum_qos: if choice > 0xe0 {
                QoS::AtLeastOnce
            } else {
                QoS::ExactlyOnce
            },
            ..BrokerConfig::default()
        };
        let mut broker = Broker::with_access(config.clone(), Moody::default());
        if choice & 9 == 9 {
            broker.turn = 5;
        }
        Self {
            broker,
            config,
            now: Instant::from_secs(1),
            ends: BTreeMap::new(),
            clients: BTreeMap::new(),
        }
    }

    fn step(&mut self, op: u8, script: &mut Script<'_>) {
        let connection = script.connection();
        match op % 32 {
            0 => self.open(connection),
            1 => {
                self.broker.closed(self.now, connection);
                // Whoever closes by itself knows that it is over, but not why.
                self.ends.remove(&connection);
            }
            2 => {
                let len = usize::from(script.byte()).min(script.data.len());
                let (bytes, rest) = script.data.split_at(len);
                script.data = rest;
                self.broker.received(self.now, connection, bytes);
            }
            3..=5 => self.connect(connection, script),
            6..=8 => self.subscribe(connection, script),
            9..=15 => self.publish(connection, script),
            16..=21 => self.answer(connection, script),
            22 => self.acknowledge(connection, script),
            23 => self.say_little(connection, script),
            24 | 25 => {
                let takes = script.pick(&[0, 1, 7, 100, usize::MAX]);
                if let Some(end) = self.ends.get_mut(&connection) {
                    end.takes = takes;
                }
            }
            26 | 27 => {
                let count = script.pick(&[0, 1, 5, 1_000, usize::MAX]);
                self.sent(connection, count);
            }
            28 => {
                let seconds = script.pick(&[0, 1, 1, 1, 5, 31, 200, 0]);
                self.now = self.now.after(Duration::from_secs(seconds));
                if seconds == 0 {
                    // Time that runs backwards is no time.
                    self.broker.closed(Instant::from_secs(0), ConnectionId(99));
                }
            }
            29 | 30 => {
                let publish = Publish {
                    qos: script.qos(),
                    retain: script.byte() & 1 != 0,
                    expiry: script.pick(&[None, Some(0), Some(10)]),
                    ..Publish::new(
                        TopicName::new(script.pick(&TOPICS)).expect("a topic"),
                        b"of the program",
                    )
                };
                let _ = self.broker.publish(self.now, &publish);
            }
            _ => match script.byte() {
                0 => self.broker.shut_down(self.now),
                choice if choice < 100 => {
                    let reason = script.pick(&[
                        ReasonCode::ADMINISTRATIVE_ACTION,
                        ReasonCode::SUCCESS,
                        ReasonCode::GRANTED_QOS_1,
                    ]);
                    self.broker.disconnect(self.now, connection, reason);
                }
                _ => {}
            },
        }
    }

    /// A client answers what it has heard: the first, or all of it.
    fn answer(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        let Some(end) = self.ends.get_mut(&connection) else {
            return;
        };
        let count = script.pick(&[1, usize::MAX]).min(end.owed.len());
        let owed: Vec<[u8; 4]> = end.owed.drain(..count).collect();
        for packet in owed {
            self.broker.received(self.now, connection, &packet);
        }
    }

    fn open(&mut self, connection: ConnectionId) {
        self.broker.opened(self.now, connection);
        self.ends.entry(connection).or_insert(End {
            takes: usize::MAX,
            ..End::default()
        });
    }

    /// A client says a packet, at once or in two pieces.
    fn say(&mut self, connection: ConnectionId, packet: &Packet<'_>, script: &mut Script<'_>) {
        let Ok(bytes) = packet.to_vec(Sender::Client) else {
            return;
        };
        let cut = usize::from(script.byte()) % (2 * bytes.len());
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        for piece in [first, second] {
            self.broker.received(self.now, connection, piece);
        }
    }

    fn connect(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        if self.clients.contains_key(&connection) && script.byte() > 20 {
            return;
        }
        self.open(connection);
        let flags = script.byte();
        let mut properties = Vec::new();
        if flags & 2 != 0 {
            properties.push(Property::SessionExpiryInterval(
                script.pick(&[10, u32::MAX]),
            ));
        }
        if flags & 4 != 0 {
            properties.push(Property::ReceiveMaximum(script.pick(&[1, 2, u16::MAX])));
        }
        if flags & 8 != 0 {
            properties.push(Property::MaximumPacketSize(script.pick(&[20, 60, 60, 200])));
        }
        if flags & 16 != 0 {
            properties.push(Property::TopicAliasMaximum(script.pick(&[1, 9])));
        }
        if flags & 40 == 40 {
            properties.push(Property::AuthenticationMethod(
                script.pick(&["m", "m", "m", "n"]),
            ));
        }
        let delay = [Property::WillDelayInterval(script.pick(&[3, 20]))];
        let will = (flags & 64 != 0).then(|| Will {
            qos: script.qos(),
            retain: script.byte() & 1 != 0,
            topic: TopicName::new(script.pick(&TOPICS)).expect("a topic"),
            payload: b"last",
            properties: Properties::new(if flags & 128 != 0 { &delay } else { &[] }),
        });
        let connect = Connect {
            clean_start: flags & 1 != 0,
            keep_alive: script.pick(&[0, 0, 0, 4]),
            client_id: script.pick(&CLIENTS),
            properties: Properties::new(&properties),
            will,
            user_name: None,
            password: None,
        };
        self.say(connection, &Packet::Connect(connect), script);
    }

    fn subscribe(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        let count = script.byte();
        let filters: Vec<TopicFilter<'_>> = (0..=count % 4)
            .map(|_| TopicFilter::new(script.pick(&FILTERS)).expect("a filter"))
            .collect();
        let packet_id = script.id();
        if count & 0x80 != 0 {
            let packet = Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties: Properties::EMPTY,
                filters: Filters::new(&filters),
            });
            return self.say(connection, &packet, script);
        }
        let subscriptions: Vec<Subscription<'_>> = filters
            .into_iter()
            .map(|filter| Subscription {
                filter,
                options: SubscriptionOptions {
                    qos: script.qos(),
                    no_local: !filter.is_shared() && script.byte() & 1 != 0,
                    retain_as_published: script.byte() & 1 != 0,
                    retain_handling: script.pick(&[
                        RetainHandling::SendAtSubscribe,
                        RetainHandling::SendIfNew,
                        RetainHandling::DoNotSend,
                    ]),
                },
            })
            .collect();
        let id = [Property::SubscriptionIdentifier(7)];
        let packet = Packet::Subscribe(Subscribe {
            packet_id,
            properties: Properties::new(if count & 0x40 != 0 { &id } else { &[] }),
            subscriptions: Subscriptions::new(&subscriptions),
        });
        self.say(connection, &packet, script);
    }

    fn publish(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        let flags = script.byte();
        let mut properties = Vec::new();
        if flags & 1 != 0 {
            properties.push(Property::MessageExpiryInterval(script.pick(&[0, 2, 100])));
        }
        if flags & 2 != 0 {
            properties.push(Property::TopicAlias(script.pick(&[1, 1, 1, 1, 2, 2, 2, 3])));
        }
        if flags & 4 != 0 {
            properties.push(Property::UserProperty("k", "v"));
        }
        let payload = [0x70; 1_500];
        let qos = script.qos();
        let topic = TopicName::new(script.pick(&TOPICS)).expect("a topic");
        let publish = mqtt_proto::Publish {
            dup: flags & 8 != 0 && qos != QoS::AtMostOnce,
            qos,
            retain: flags & 16 != 0,
            topic: (flags & 54 != 54).then_some(topic),
            packet_id: (qos != QoS::AtMostOnce).then(|| script.id()),
            properties: Properties::new(&properties),
            payload: &payload[..script.pick(&[0, 1, 20, 200, 1_500])],
        };
        let many = if flags & 0xc0 == 0xc0 { 20 } else { 1 };
        for _ in 0..many {
            self.say(connection, &Packet::Publish(publish), script);
        }
    }

    fn acknowledge(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        let kind = script.byte() % 4;
        let ack = Ack {
            packet_id: script.id(),
            reason: match (kind, script.byte() % 4) {
                (0 | 1, 1) => ReasonCode::UNSPECIFIED_ERROR,
                (2 | 3, 1) => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
                _ => ReasonCode::SUCCESS,
            },
            properties: Properties::EMPTY,
        };
        let packet = match kind {
            0 => Packet::PubAck(ack),
            1 => Packet::PubRec(ack),
            2 => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        };
        self.say(connection, &packet, script);
    }

    fn say_little(&mut self, connection: ConnectionId, script: &mut Script<'_>) {
        let method = [Property::AuthenticationMethod("m")];
        let later = [Property::SessionExpiryInterval(script.pick(&[0, 5]))];
        let packet = match script.byte() % 4 {
            0 => Packet::PingReq,
            1 => Packet::Disconnect(Disconnect {
                reason: script.pick(&[
                    ReasonCode::SUCCESS,
                    ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
                ]),
                properties: Properties::new(if script.byte() & 1 != 0 { &later } else { &[] }),
            }),
            _ => Packet::Auth(Auth {
                reason: script.pick(&[
                    ReasonCode::CONTINUE_AUTHENTICATION,
                    ReasonCode::RE_AUTHENTICATE,
                ]),
                properties: Properties::new(&method),
            }),
        };
        self.say(connection, &packet, script);
    }

    /// The caller answers an offer, or says so without one.
    fn sent(&mut self, connection: ConnectionId, count: usize) {
        if let Some(end) = self.ends.get_mut(&connection)
            && let Some(offered) = end.offered.take()
        {
            let taken = count.min(offered.len());
            end.hear(&offered[..taken]);
        }
        self.broker.sent(self.now, connection, count);
    }

    /// Acts on what the broker wants until it wants nothing.
    fn drain(&mut self) {
        for _ in 0..MOST_ACTIONS {
            match self.broker.poll(self.now) {
                BrokerAction::Send { connection, bytes } => {
                    assert!(!bytes.is_empty(), "an empty send");
                    let end = self.ends.get_mut(&connection);
                    let end = end.expect("a send to a closed connection");
                    assert!(end.offered.is_none(), "offered twice");
                    let count = end.takes.min(bytes.len());
                    if count == 0 {
                        end.offered = Some(bytes.into());
                        continue;
                    }
                    end.hear(&bytes[..count]);
                    self.broker.sent(self.now, connection, count);
                }
                BrokerAction::Close { connection } => {
                    let end = self.ends.remove(&connection);
                    let end = end.expect("a closed connection is closed again");
                    assert!(end.told, "closed without an event");
                }
                BrokerAction::Event(event) => self.note(&event),
                BrokerAction::Timeout(deadline) => {
                    self.check();
                    // Else someone's turn is over, and goes on.
                    if deadline > self.now {
                        return;
                    }
                }
            }
        }
        panic!("the broker does not come to rest");
    }

    fn note(&mut self, event: &BrokerEvent) {
        match event {
            BrokerEvent::Connected {
                connection,
                client_id,
                ..
            } => {
                let before = self.clients.insert(*connection, (**client_id).into());
                assert_eq!(before, None, "connected twice");
            }
            BrokerEvent::Disconnected {
                connection,
                client_id,
                ..
            } => {
                let client = self.clients.remove(connection);
                assert_eq!(client.as_deref(), client_id.as_deref());
                if let Some(end) = self.ends.get_mut(connection) {
                    end.told = true;
                }
            }
            BrokerEvent::SessionEnded { client_id } => {
                assert!(!self.clients.values().any(|client| **client == **client_id));
            }
            BrokerEvent::Dropped { count, .. } => assert!(*count > 0),
        }
    }

    /// The load is within the bounds, and all that refers to something finds it.
    fn check(&self) {
        let load = self.broker.load();
        assert!(load.connections <= self.ends.len());
        assert!(load.sessions <= self.config.sessions);
        assert!(load.subscriptions <= load.sessions * self.config.subscriptions);
        assert!(load.unsettled <= load.sessions * usize::from(self.config.queue_messages));
        assert!(load.retained <= self.config.retained_messages);
        let distinct: BTreeSet<&String> = self.clients.values().collect();
        assert_eq!(distinct.len(), self.clients.len(), "one client on two");
        self.broker.hangs_together();
    }

    /// Everyone goes, and time passes until no session is left.
    fn finish(mut self) {
        for connection in 0..CONNECTIONS {
            self.broker
                .closed(self.now, ConnectionId(u64::from(connection)));
        }
        self.ends.clear();
        self.drain();
        self.now = self.now.after(Duration::from_secs(u64::from(LONGEST) + 1));
        self.drain();
        assert!(self.clients.is_empty());
        let load = self.broker.load();
        assert_eq!((load.connections, load.sessions), (0, 0));
        assert_eq!(self.broker.filters.len(), 0, "filters of nobody");
        assert!(self.broker.by_client.is_empty());
        assert_eq!(self.broker.timers.next(), Instant::NEVER);
    }
}

impl End {
    /// What a client hears is a stream of valid packets.
    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        loop {
            let len = match frame(&self.heard, u32::MAX) {
                Ok(Frame::Whole(raw)) => {
                    let packet = raw.decode(Sender::Server).expect("a valid packet");
                    let answer = match packet {
                        Packet::Publish(publish) => publish.packet_id.map(|id| match publish.qos {
                            QoS::ExactlyOnce => (0x50, id),
                            _ => (0x40, id),
                        }),
                        Packet::PubRec(ack) if !ack.reason.is_failure() => {
                            Some((0x62, ack.packet_id))
                        }
                        Packet::PubRel(ack) => Some((0x70, ack.packet_id)),
                        _ => None,
                    };
                    self.owed.extend(answer.map(|(first, id)| {
                        let [high, low] = id.value().to_be_bytes();
                        [first, 2, high, low]
                    }));
                    raw.len()
                }
                Ok(Frame::Partial { .. }) => return,
                Err(error) => panic!("nonsense: {error}"),
            };
            self.heard.drain(..len);
        }
    }
}

impl<A: Access> Broker<A> {
    /// Connections and sessions refer to each other, and sessions are found by their clients.
    fn hangs_together(&self) {
        for (connection, found) in &self.connections {
            if let Phase::Connected(key) = found.phase {
                let session = self.sessions[key as usize].as_ref().expect("a session");
                assert_eq!(session.connection, Some(*connection));
            }
        }
        for (key, session) in self.sessions.iter().enumerate() {
            let key = u32::try_from(key).expect("few sessions");
            let Some(session) = session else {
                assert!(self.vacant.contains(&key));
                continue;
            };
            assert_eq!(self.by_client.get(&session.client_id), Some(&key));
            if let Some(connection) = session.connection {
                assert_eq!(self.connections[&connection].phase, Phase::Connected(key));
            }
            let bytes = session.subscriptions.iter().map(|filter| filter.len());
            assert_eq!(session.filter_bytes, bytes.sum());
            assert!(session.filter_bytes <= self.config.subscription_bytes);
            for filter in &session.subscriptions {
                let filter = TopicFilter::new(filter).expect("a filter");
                let found = self.filters.get(filter.unshared().as_str());
                let found = found.expect("a subscription");
                if let Some(name) = filter.share_name() {
                    let connected = session.connection.is_some();
                    assert_eq!(found.has_connected(name, key), connected);
                }
            }
        }
        self.held_hangs_together();
        assert_eq!(
            self.by_client.len(),
            self.sessions.iter().flatten().count(),
            "sessions of nobody"
        );
    }
}
