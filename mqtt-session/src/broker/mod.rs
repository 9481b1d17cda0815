//! The MQTT 5.0 server as a pure state machine: the second role of this crate.
//!
//! It routes between clients over any number of connections. As for the client, bytes and
//! timestamps go in; what to send, what to close and when to come back comes out. The halves of
//! every session, with QoS 1 and 2, quotas, topic aliases and limits, are the client's own.
//!
//! It is for development, tests, gateways and small sites: everything is kept in memory.
//!
//! ```
//! use mqtt_session::broker::{Broker, BrokerAction, BrokerConfig, ConnectionId};
//! use mqtt_session::Instant;
//!
//! let mut broker = Broker::new(BrokerConfig::default());
//! let (now, connection) = (Instant::from_secs(0), ConnectionId(7));
//! broker.opened(now, connection);
//! broker.received(now, connection, b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02me");
//! # broker.poll(now);
//! let BrokerAction::Send { connection: to, bytes } = broker.poll(now) else { panic!("CONNACK") };
//! assert_eq!((to, bytes[0]), (connection, 0x20));
//! let count = bytes.len();
//! broker.sent(now, connection, count);
//! assert!(matches!(broker.poll(now), BrokerAction::Timeout(_)));
//! ```

mod access;
mod config;
mod connection;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod fuzz_test;
mod handshake;
mod hold_back;
mod lifecycle;
mod message;
mod packets;
mod retained;
mod route;
mod session;
mod subscribers;
mod subscribing;
mod takeover;
mod timers;
mod tree;
mod turns;

pub use access::{Access, AllowAll, AuthStep, Identity, Login};
pub use config::{BrokerConfig, Overflow};
pub use event::{BrokerAction, BrokerEvent, ConnectionId, EndCause};

use crate::instant::Instant;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use connection::{Connection, Phase};
use lifecycle::Farewell;
use message::Message;
use mqtt_proto::ReasonCode;
use retained::Retained;
use session::Session;
use subscribers::{SessionKey, Subscribers};
use timers::Timers;
use tree::TopicTree;

/// Unread bytes of one connection beyond which the caller should not read on.
const READ_AHEAD: usize = 64 << 10;

/// Bytes of an input buffer that are kept for the next packet.
const KEPT_INPUT: usize = 4 << 10;

/// An MQTT 5.0 server that does no I/O.
///
/// The loop around it is the same for every runtime; `A` answers who may do what:
///
/// 1. A connection comes: [`Broker::opened`].
/// 2. Bytes come: [`Broker::received`], as long as [`Broker::reads`] says so.
/// 3. Act on [`Broker::poll`] until it returns [`BrokerAction::Timeout`]; then wait for bytes of
///    any connection, for room where `sent` said that not all was taken, or for that moment.
/// 4. A transport is gone: [`Broker::closed`].
///
/// No bytes from the network and no order of calls panics, and what one connection can make the
/// broker keep is bounded by [`BrokerConfig`].
#[derive(Clone, Debug)]
pub struct Broker<A = AllowAll> {
    config: BrokerConfig,
    access: A,
    now: Instant,
    connections: BTreeMap<ConnectionId, Connection>,
    sessions: Vec<Option<Box<Session>>>,
    /// Numbers of sessions that are free.
    vacant: Vec<SessionKey>,
    by_client: BTreeMap<Box<str>, SessionKey>,
    filters: TopicTree<Subscribers>,
    retained: Retained,
    timers: Timers,
    /// Connections that may have something to send.
    ready: VecDeque<ConnectionId>,
    /// Connections to be closed.
    closing: VecDeque<ConnectionId>,
    events: VecDeque<BrokerEvent>,
    /// Connections whose queues were full, and whose clients are to be told.
    overfull: Vec<ConnectionId>,
    /// Client identifiers assigned so far.
    assigned: u64,
    /// What the connection whose input is read may still cost before it is another one's turn.
    effort: usize,
    /// What a turn may cost.
    turn: usize,
    /// Connections whose turn is over, and whose input is not.
    tired: VecDeque<ConnectionId>,
    /// Connections that wait until a message of theirs is taken.
    held: hold_back::Line,
}

/// How many it serves; not what it holds.
#[cfg(feature = "defmt")]
impl<A> defmt::Format for Broker<A> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Broker {{ connections: {=usize}, sessions: {=usize}, retained: {=usize} }}",
            self.connections.len(),
            self.by_client.len(),
            self.retained.len()
        );
    }
}

/// How much a broker holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BrokerLoad {
    /// Open connections, accepted or not.
    pub connections: usize,
    /// Sessions, connected or kept.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// QoS 1 and QoS 2 messages for clients that are not settled.
    pub unsettled: usize,
    /// Retained messages.
    pub retained: usize,
}

impl Broker<AllowAll> {
    /// A broker that lets everyone do everything.
    #[must_use]
    pub fn new(config: BrokerConfig) -> Self {
        Self::with_access(config, AllowAll)
    }
}

impl<A: Access> Broker<A> {
    /// A broker that asks `access` who may do what. Settings outside their range are taken as the
    /// nearest inside.
    #[must_use]
    pub fn with_access(config: BrokerConfig, access: A) -> Self {
        Self {
            config: config.checked(),
            access,
            now: Instant::from_micros(0),
            connections: BTreeMap::new(),
            sessions: Vec::new(),
            vacant: Vec::new(),
            by_client: BTreeMap::new(),
            filters: TopicTree::new(),
            retained: Retained::new(),
            timers: Timers::new(),
            ready: VecDeque::new(),
            closing: VecDeque::new(),
            events: VecDeque::new(),
            overfull: Vec::new(),
            assigned: 0,
            effort: 0,
            turn: turns::TURN,
            tired: VecDeque::new(),
            held: hold_back::Line::new(),
        }
    }

    /// What answers who may do what.
    pub fn access(&mut self) -> &mut A {
        &mut self.access
    }

    /// Time that runs backwards is no time.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// A transport was accepted. Its CONNECT has to come within
    /// [`connect_timeout`](BrokerConfig::connect_timeout). Does nothing when the number is in
    /// use.
    pub fn opened(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        if self.connections.contains_key(&connection) {
            return;
        }
        let deadline = self.now.after(self.config.connect_timeout);
        let opened = Connection::new(self.now, deadline);
        self.connections.insert(connection, opened);
        self.arm_connection(connection, deadline);
    }

    /// The transport is closed: without DISCONNECT, so the will is due (MQTT-3.1.2-8). Does
    /// nothing where the broker has closed it.
    pub fn closed(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        self.end(connection, EndCause::TransportClosed, Farewell::Gone);
        self.end_overfull();
    }

    /// Bytes came in. All of them are taken; whole packets are processed at once, as long as
    /// there is room for the answers.
    pub fn received(&mut self, now: Instant, connection: ConnectionId, bytes: &[u8]) {
        self.advance(now);
        let Some(found) = self.connections.get_mut(&connection) else {
            return;
        };
        if found.phase.is_over() || bytes.is_empty() {
            return;
        }
        found.last_received = self.now;
        let mut input = core::mem::take(&mut found.input);
        if input.is_empty() {
            // Nearly always whole packets come; only what is left of them is copied.
            let used = self.read(connection, bytes);
            input.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            input.extend_from_slice(bytes);
            if input.len() >= found.wanted && found.waits.is_none() {
                let used = self.read(connection, &input);
                input.drain(..used.min(input.len()));
            }
        }
        self.keep_input(connection, input);
        self.end_overfull();
    }

    /// Puts back what was not read, giving up memory that a large packet needed: what many
    /// connections keep while they are idle adds up.
    fn keep_input(&mut self, connection: ConnectionId, mut input: Vec<u8>) {
        if let Some(found) = self.connections.get_mut(&connection)
            && !found.phase.is_over()
        {
            if input.capacity() > KEPT_INPUT && input.len() < input.capacity() / 4 {
                input.shrink_to(KEPT_INPUT);
            }
            found.input = input;
        }
    }

    /// Whether bytes of a connection should be read. False while its output is blocked and much
    /// waits for that, while much that it has published is held back, and when it is about to be
    /// closed: then look again after [`Broker::sent`] and [`Broker::poll`].
    #[must_use]
    pub fn reads(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|found| {
            let full = found.waits.is_some() && found.input.len() >= READ_AHEAD;
            let held = found
                .backlog
                .as_ref()
                .is_some_and(|backlog| backlog.is_long);
            !full && !held && !found.phase.is_over()
        })
    }

    /// The transport took `count` of the bytes of [`BrokerAction::Send`]. 0 has what is left
    /// offered again: say it when there is room again.
    pub fn sent(&mut self, now: Instant, connection: ConnectionId, count: usize) {
        self.advance(now);
        let now = self.now;
        let Some(found) = self.connections.get_mut(&connection) else {
            return;
        };
        let key = found.session();
        if found.has_said_all() {
            if let Some(key) = key {
                if let Some(session) = self.session(key) {
                    session.sent(count, now);
                }
                self.note_pace(key);
            }
        } else {
            found.sent(count);
        }
        self.make_ready(connection);
    }

    /// Publishes a message of the program's own, as if a client had: it is routed, and retained
    /// if it says so.
    ///
    /// # Errors
    /// [`ReasonCode::PROTOCOL_ERROR`] for properties that a client may not give a message, or that
    /// [`Publish::properties`](crate::Publish::properties) excludes: nothing has changed then.
    /// [`ReasonCode::QUOTA_EXCEEDED`] when it cannot be retained; it is routed nevertheless, and
    /// nothing is retained for its topic.
    pub fn publish(
        &mut self,
        now: Instant,
        publish: &crate::Publish<'_>,
    ) -> Result<(), ReasonCode> {
        self.advance(now);
        let message = Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expiry: publish.expiry,
            until: None,
            properties: publish.properties.to_vec(),
        };
        if !message.has_legal_properties() {
            return Err(ReasonCode::PROTOCOL_ERROR);
        }
        let kept = self.retain_or_clear(&message);
        self.route(None, &message);
        self.end_overfull();
        kept
    }

    /// Disconnects one client, with a reason code that a server's DISCONNECT may carry. Nothing
    /// happens on connections that are not accepted, or with another code.
    pub fn disconnect(&mut self, now: Instant, connection: ConnectionId, reason: ReasonCode) {
        self.advance(now);
        let allowed = reason.is_allowed(
            mqtt_proto::PacketType::Disconnect,
            mqtt_proto::Sender::Server,
        );
        let accepted = self
            .connections
            .get(&connection)
            .and_then(Connection::session);
        if allowed && accepted.is_some() {
            self.end(connection, EndCause::Ordered(reason), Farewell::Say(reason));
            self.end_overfull();
        }
    }

    /// Ends every connection: accepted ones with DISCONNECT 0x8B, Server shutting down. Sessions
    /// stay. Poll until [`BrokerLoad::connections`] is 0.
    pub fn shut_down(&mut self, now: Instant) {
        self.advance(now);
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        let reason = ReasonCode::SERVER_SHUTTING_DOWN;
        for connection in all {
            self.end(connection, EndCause::Ordered(reason), Farewell::Say(reason));
        }
        self.end_overfull();
    }

    /// How much there is. The cost grows with the number of sessions.
    #[must_use]
    pub fn load(&self) -> BrokerLoad {
        let sessions = || self.sessions.iter().flatten();
        BrokerLoad {
            connections: self.connections.len(),
            sessions: sessions().count(),
            subscriptions: sessions()
                .map(|session| session.subscriptions.len())
                .fold(0, usize::saturating_add),
            unsettled: sessions()
                .map(|session| session.unsettled())
                .fold(0, usize::saturating_add),
            retained: self.retained.len(),
        }
    }

    /// What to do next; see [`BrokerAction`]. `Timeout` comes when there is nothing else to do.
    ///
    /// It never fails and never panics. In this order it does what is due at `now`, tells what
    /// has happened, closes what is to be closed, offers each connection what is to be sent, and
    /// returns the one earliest deadline.
    pub fn poll(&mut self, now: Instant) -> BrokerAction<'_> {
        self.advance(now);
        self.on_due();
        self.end_overfull();
        let mut offered = None;
        loop {
            if let Some(event) = self.events.pop_front() {
                return BrokerAction::Event(event);
            }
            if let Some(connection) = self.next_to_close() {
                return BrokerAction::Close { connection };
            }
            let Some(connection) = self.ready.pop_front() else {
                break;
            };
            offered = self.serve(connection).map(|offer| (connection, offer));
            if offered.is_some() {
                break;
            }
        }
        match offered {
            Some((connection, offer)) => BrokerAction::Send {
                connection,
                bytes: self.bytes(connection, &offer),
            },
            None => BrokerAction::Timeout(self.next_deadline()),
        }
    }

    /// Reads what waits in a connection's input, writes what may leave, and offers it.
    fn serve(&mut self, connection: ConnectionId) -> Option<Offer> {
        let found = self.connections.get_mut(&connection)?;
        found.ready = false;
        self.go_on_with_held(connection);
        if self.may_go_on(connection) {
            let found = self.connections.get_mut(&connection)?;
            found.waits = None;
            let mut input = core::mem::take(&mut found.input);
            let used = self.read(connection, &input);
            input.drain(..used.min(input.len()));
            self.keep_input(connection, input);
            self.end_overfull();
        }
        let now = self.now;
        let found = self.connections.get_mut(&connection)?;
        if found.offer() {
            return Some(Offer::Tail);
        }
        if !found.has_said_all() {
            return None;
        }
        if found.phase == Phase::Flush {
            self.close(connection);
            return None;
        }
        let key = found.session()?;
        let session = session_mut(&mut self.sessions, key)?;
        session.pump(now);
        session.relax();
        if !session.offer(now) {
            return None;
        }
        let deadline = session.stalled_since().map(|since| {
            let limit = self.config.send_timeout;
            since.after(limit)
        });
        self.tell_dropped(key);
        if let Some(deadline) = deadline {
            self.arm_connection(connection, deadline);
        }
        Some(Offer::Session(key))
    }

    /// Whether what waits in a connection's input has the room now that it waits for. Without
    /// that it is not looked at: it may be large, and room may come byte by byte.
    fn may_go_on(&mut self, connection: ConnectionId) -> bool {
        let now = self.now;
        let found = self.connections.get(&connection);
        let Some(found) = found.filter(|found| !found.tired && found.has_said_all()) else {
            return false;
        };
        let Some(needed) = found.waits else {
            return false;
        };
        let session = found.session();
        session
            .and_then(|key| self.session(key))
            .is_none_or(|session| session.has_room(needed, now))
    }

    /// Ends connections whose queues were full. Not while a message is routed: their wills would
    /// be routed within it.
    pub(crate) fn end_overfull(&mut self) {
        while let Some(connection) = self.overfull.pop() {
            let farewell = Farewell::Say(ReasonCode::QUOTA_EXCEEDED);
            self.end(connection, EndCause::QueueFull, farewell);
        }
    }

    /// The bytes that were just offered.
    fn bytes(&mut self, connection: ConnectionId, offer: &Offer) -> &[u8] {
        match offer {
            Offer::Tail => self
                .connections
                .get(&connection)
                .map(Connection::offered)
                .unwrap_or_default(),
            Offer::Session(key) => session_mut(&mut self.sessions, *key)
                .map(Session::offered)
                .unwrap_or_default(),
        }
    }

    /// Has a connection looked at by the next polls.
    fn make_ready(&mut self, connection: ConnectionId) {
        if let Some(found) = self.connections.get_mut(&connection)
            && !found.ready
        {
            found.ready = true;
            self.ready.push_back(connection);
        }
    }

    fn session(&mut self, key: SessionKey) -> Option<&mut Session> {
        session_mut(&mut self.sessions, key)
    }
}

/// Where bytes that are offered lie.
enum Offer {
    Tail,
    Session(SessionKey),
}

/// Apart from the broker's other parts, which are borrowed beside it.
fn session_mut(sessions: &mut [Option<Box<Session>>], key: SessionKey) -> Option<&mut Session> {
    sessions.get_mut(key as usize)?.as_deref_mut()
}
