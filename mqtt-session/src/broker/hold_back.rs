//! Publishers that are held back: what would find the queue of a connected client full waits, with
//! all that its publisher says behind it on any topic, until there is room, or there was none for
//! too long.
//!
//! It waits unacknowledged, so that the publisher's own Receive Maximum stops it, and nothing has
//! happened yet: a publisher that goes sends it again. What is no PUBLISH is heard meanwhile. Two
//! clients that publish to each other would otherwise wait for acknowledgements that lie
//! behind each other's messages.

use super::event::ConnectionId;
use super::message::{Message, seconds_left, whole};
use super::subscribers::{Match, SessionKey};
use super::{Access, Broker};
use crate::instant::Instant;
use crate::violation::Violation;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use mqtt_proto::{Publish, QoS, ReasonCode, Sender as From, TopicName};

/// Bytes that a message may take in a queue beyond its packet: where it begins with when it
/// expires, a longer header.
const BESIDE: usize = 64;

/// How many members of a group are looked at for one with room.
const MEMBERS: usize = 8;

/// Bytes of one Subscription Identifier at most.
const IDENTIFIER: usize = 5;

/// How many messages of one publisher are taken before the others get their share of the room.
const SHARE: usize = 16;

/// Connections at which messages wait: first who has got none of its own through for longest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    places: BTreeMap<u64, ConnectionId>,
    next: u64,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self {
            places: BTreeMap::new(),
            next: 0,
        }
    }

    fn join(&mut self, connection: ConnectionId) -> u64 {
        let place = self.next;
        self.next = place.wrapping_add(1);
        self.places.insert(place, connection);
        place
    }

    fn leave(&mut self, place: Option<u64>) {
        if let Some(place) = place {
            self.places.remove(&place);
        }
    }
}

/// A PUBLISH that came from a client.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) publish: &'a Publish<'a>,
    /// Its topic, which may have been given by an alias.
    pub(crate) topic: TopicName<'a>,
    /// Whether it is a QoS 2 message that came before.
    pub(crate) seen: bool,
    /// Whether its client may publish it.
    pub(crate) allowed: Result<(), ReasonCode>,
    /// When it came.
    pub(crate) since: Instant,
}

impl<'a> Arrival<'a> {
    /// The message, with what is left of its interval (MQTT-3.3.2-6).
    pub(crate) fn message(&self, now: Instant) -> Message<'a> {
        let mut message = Message::of_publish(self.publish, self.topic);
        if self.since < now {
            message.until = message.expiry.map(|seconds| self.since.plus_secs(seconds));
            message.expiry = message
                .until
                .map(|until| seconds_left(until, now).unwrap_or(0));
        }
        message
    }
}

/// Whether there is room for a message.
pub(crate) enum Room {
    /// With these it goes to, where that was looked at.
    Enough(Option<Vec<Match>>),
    /// It has to wait.
    TooLittle,
}

/// What one client has published and is held back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog {
    messages: VecDeque<Held>,
    bytes: usize,
    /// Those that count against Receive Maximum.
    exchanges: usize,
    /// Nothing more is read before it is shorter.
    pub(crate) is_long: bool,
    /// There may be room now.
    look: bool,
    /// The place of its connection among those that wait.
    place: Option<u64>,
}

#[derive(Clone, Debug)]
struct Held {
    /// The PUBLISH as it came.
    packet: Box<[u8]>,
    /// What its topic alias stood for then.
    topic: Option<Box<str>>,
    allowed: Result<(), ReasonCode>,
    since: Instant,
    /// Whether it counts against Receive Maximum.
    is_exchange: bool,
}

impl Held {
    fn len(&self) -> usize {
        let topic = self.topic.as_ref().map_or(0, |topic| topic.len());
        self.packet.len().saturating_add(topic)
    }

    /// Its packet and its topic: what was decoded before is decoded again.
    fn decode(&self) -> Option<(Publish<'_>, TopicName<'_>)> {
        let publish = whole(&self.packet)?.publish(From::Client).ok()?;
        let topic = match &self.topic {
            Some(topic) => TopicName::new(topic).ok()?,
            None => publish.topic?,
        };
        Some((publish, topic))
    }
}

impl Backlog {
    fn push(&mut self, held: Held, bound: usize) {
        self.count_in(&held, bound);
        self.messages.push_back(held);
    }

    fn put_back(&mut self, held: Held, bound: usize) {
        self.count_in(&held, bound);
        self.messages.push_front(held);
    }

    fn count_in(&mut self, held: &Held, bound: usize) {
        self.bytes = self.bytes.saturating_add(held.len());
        self.exchanges = self.exchanges.saturating_add(held.is_exchange.into());
        self.is_long = self.bytes >= bound;
    }

    fn pop(&mut self, bound: usize) -> Option<Held> {
        let held = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(held.len());
        self.exchanges = self.exchanges.saturating_sub(held.is_exchange.into());
        self.is_long = self.bytes >= bound;
        Some(held)
    }
}

impl<A: Access> Broker<A> {
    /// Who gets a message that has just come, unless it has to wait: nothing has happened then.
    pub(crate) fn receivers_with_room(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        arrival: &Arrival<'_>,
        len: usize,
    ) -> Room {
        let waits = |backlog: &Backlog| !backlog.messages.is_empty();
        let backlog = self
            .connection(connection)
            .and_then(|found| found.backlog.as_deref());
        if backlog.is_some_and(waits) {
            // What one client publishes is taken in its order.
            return Room::TooLittle;
        }
        self.look_for_room(key, arrival, len)
    }

    /// Looks at the queues of those who get a message of `len` bytes.
    fn look_for_room(&mut self, key: SessionKey, arrival: &Arrival<'_>, len: usize) -> Room {
        if arrival.publish.qos == QoS::AtMostOnce || arrival.seen || arrival.allowed.is_err() {
            return Room::Enough(None);
        }
        let topic = arrival.topic.as_str();
        let len = len.saturating_add(topic.len()).saturating_add(BESIDE);
        for _ in 0..MEMBERS {
            let matches = self.receivers(Some(key), topic);
            match self.who_makes_wait(&matches, len) {
                None => return Room::Enough(Some(matches)),
                Some(session) => {
                    self.note_visits(matches.len());
                    let chosen = |found: &Match| found.session == session && found.group.is_some();
                    if !matches.iter().any(chosen) {
                        break;
                    }
                    // Another member of its group may have room: it is another one's turn now.
                }
            }
        }
        Room::TooLittle
    }

    /// The first session that has no room for a message of `len` bytes.
    fn who_makes_wait(&mut self, matches: &[Match], len: usize) -> Option<SessionKey> {
        let now = self.now;
        for own in matches.chunk_by(|one, other| one.session == other.session) {
            let Some(key) = own.first().map(|found| found.session) else {
                continue;
            };
            if own.iter().all(|found| found.granted.qos == QoS::AtMostOnce) {
                continue;
            }
            let Some(session) = super::session_mut(&mut self.sessions, key) else {
                continue;
            };
            let shares = own.iter().filter(|found| found.group.is_some()).count();
            let copies = shares.saturating_add((shares < own.len()).into());
            let bytes = len
                .saturating_add(own.len().saturating_mul(IDENTIFIER))
                .saturating_mul(copies);
            if session.makes_wait(copies, bytes, now, &self.config) {
                self.arm_session(key);
                return Some(key);
            }
        }
        None
    }

    /// Has a message wait at its publisher.
    ///
    /// # Errors
    /// It goes beyond Receive Maximum: what waits is not acknowledged.
    pub(crate) fn hold_back(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        arrival: &Arrival<'_>,
        bytes: &[u8],
    ) -> Result<(), Violation> {
        let (now, bound) = (self.now, self.config.held_bytes);
        let is_exchange = arrival.publish.packet_id.is_some() && !arrival.seen;
        let Some(found) = self.connections.get_mut(&connection) else {
            return Ok(());
        };
        let backlog = found.backlog.get_or_insert_default();
        let count = backlog.exchanges.saturating_add(is_exchange.into());
        if is_exchange
            && let Some(session) = super::session_mut(&mut self.sessions, key)
            && !session.halves(now).1.may_wait(count)
        {
            return Err(Violation::ReceiveMaximum);
        }
        let topic = match arrival.publish.topic {
            Some(_) => None,
            None => Some(arrival.topic.as_str().into()),
        };
        let held = Held {
            packet: bytes.into(),
            topic,
            allowed: arrival.allowed,
            since: arrival.since,
            is_exchange,
        };
        backlog.push(held, bound);
        self.wait_for_room(connection);
        Ok(())
    }

    /// Has a publisher looked at when there is room again.
    fn wait_for_room(&mut self, connection: ConnectionId) {
        if let Some(found) = self.connections.get_mut(&connection)
            && let Some(backlog) = &mut found.backlog
            && backlog.place.is_none()
        {
            backlog.place = Some(self.held.join(connection));
        }
    }

    /// A publisher's place becomes the last one: others may have waited for longer.
    fn lose_place(&mut self, connection: ConnectionId) {
        if let Some(found) = self.connections.get_mut(&connection)
            && let Some(backlog) = &mut found.backlog
        {
            self.held.leave(backlog.place.take());
        }
    }

    /// A session's queue may have room again, or may not be waited for any more.
    pub(crate) fn note_pace(&mut self, key: SessionKey) {
        let now = self.now;
        if super::session_mut(&mut self.sessions, key)
            .is_some_and(|session| session.note_pace(now, &self.config))
        {
            self.look_at_held();
        }
    }

    /// Has all that wait looked at, each in its turn.
    pub(crate) fn look_at_held(&mut self) {
        let held = core::mem::take(&mut self.held);
        for connection in held.places.values() {
            self.look_at(*connection);
        }
        self.held = held;
    }

    /// Has a publisher looked at by the next polls.
    fn look_at(&mut self, connection: ConnectionId) {
        if let Some(found) = self.connections.get_mut(&connection)
            && let Some(backlog) = &mut found.backlog
        {
            backlog.look = true;
            self.make_ready(connection);
        }
    }

    /// Takes what waits at a publisher, as far as there is room for it.
    pub(crate) fn go_on_with_held(&mut self, connection: ConnectionId) {
        let Some(found) = self.connections.get_mut(&connection) else {
            return;
        };
        let Some((key, backlog)) = found.session().zip(found.backlog.as_mut()) else {
            return;
        };
        if found.tired || !core::mem::take(&mut backlog.look) {
            return;
        }
        self.begin_turn();
        let mut taken = 0_usize;
        while let Some(held) = self.next_held(connection) {
            if taken >= SHARE || self.is_tired() {
                self.put_back(connection, held);
                self.wait_for_room(connection);
                self.look_at(connection);
                return self.end_turn(connection);
            }
            match self.take_held(connection, key, &held) {
                Ok(true) => {
                    taken = taken.saturating_add(1);
                    self.lose_place(connection);
                    self.finish_packet(connection);
                }
                Ok(false) => {
                    self.put_back(connection, held);
                    return self.wait_for_room(connection);
                }
                Err(violation) => return self.violate(connection, violation),
            }
        }
    }

    /// Takes the first message out that waits at a publisher. One that is read again has had no
    /// chance to say anything.
    fn next_held(&mut self, connection: ConnectionId) -> Option<Held> {
        let (now, bound) = (self.now, self.config.held_bytes);
        let found = self.connections.get_mut(&connection)?;
        let backlog = found.backlog.as_mut()?;
        let was_long = backlog.is_long;
        let Some(held) = backlog.pop(bound) else {
            backlog.messages = VecDeque::new();
            return None;
        };
        if was_long && !backlog.is_long {
            found.last_received = now;
            let silence = found.silence_deadline();
            self.arm_connection(connection, silence);
        }
        Some(held)
    }

    fn put_back(&mut self, connection: ConnectionId, held: Held) {
        let bound = self.config.held_bytes;
        if let Some(found) = self.connections.get_mut(&connection)
            && let Some(backlog) = &mut found.backlog
        {
            backlog.put_back(held, bound);
        }
    }

    /// Takes a message that has waited; false, and nothing has happened, where it goes on
    /// waiting.
    fn take_held(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        held: &Held,
    ) -> Result<bool, Violation> {
        let now = self.now;
        let Some((publish, topic)) = held.decode() else {
            return Ok(true);
        };
        let Some(session) = self.session(key) else {
            return Ok(true);
        };
        let (mut sender, mut receiver) = session.halves(now);
        let arrival = Arrival {
            publish: &publish,
            topic,
            seen: receiver.admit_exchange(publish.packet_id, publish.qos, &mut sender)?,
            allowed: held.allowed,
            since: held.since,
        };
        match self.look_for_room(key, &arrival, held.packet.len()) {
            Room::Enough(receivers) => {
                self.accept_publish(connection, key, &arrival, receivers.as_deref())?;
                Ok(true)
            }
            Room::TooLittle => Ok(false),
        }
    }

    /// A connection is over at which messages wait. Where its session stays, its client sends
    /// them again, for they were not acknowledged; otherwise they count as said.
    pub(crate) fn let_go(&mut self, key: SessionKey, backlog: Backlog) {
        let now = self.now;
        self.held.leave(backlog.place);
        let stays = self.session(key).is_none_or(|session| session.expiry > 0);
        if stays {
            return;
        }
        for held in backlog.messages {
            if let Some((publish, topic)) = held.decode()
                && let Some(session) = self.session(key)
                && !session
                    .halves(now)
                    .1
                    .was_received(publish.packet_id, publish.qos)
            {
                let arrival = Arrival {
                    publish: &publish,
                    topic,
                    seen: false,
                    allowed: held.allowed,
                    since: held.since,
                };
                self.publish_from(key, &arrival, None);
            }
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
#[allow(
    clippy::expect_used,
    clippy::panic,
    reason = "to fail is what it is for"
)]
impl<A: Access> Broker<A> {
    /// What waits is counted, and waits for somebody, though not for ever.
    pub(crate) fn held_hangs_together(&self) {
        let mut is_any_full = false;
        for session in self.sessions.iter().flatten() {
            if let super::session::Pace::Full { until, .. } = session.pace {
                assert!(session.connection.is_some() && until > self.now);
                assert!(self.timers.next() <= until);
                is_any_full = true;
            }
        }
        for (connection, found) in &self.connections {
            let Some(backlog) = &found.backlog else {
                continue;
            };
            let bytes = backlog.messages.iter().map(Held::len);
            assert_eq!(backlog.bytes, bytes.sum::<usize>());
            let exchanges = backlog.messages.iter().filter(|held| held.is_exchange);
            assert_eq!(backlog.exchanges, exchanges.count());
            assert_eq!(backlog.is_long, backlog.bytes >= self.config.held_bytes);
            let place = backlog.place.and_then(|place| self.held.places.get(&place));
            assert_eq!(place.is_some(), backlog.place.is_some());
            assert!(place.is_none_or(|found| found == connection));
            if backlog.messages.is_empty() {
                assert!(place.is_none());
                continue;
            }
            assert!(place.is_some());
            assert!(
                is_any_full || backlog.look || found.tired,
                "waits for nobody"
            );
            assert!(!backlog.look || found.ready || found.tired);
        }
        let places = self
            .connections
            .values()
            .filter_map(|found| found.backlog.as_ref()?.place);
        assert_eq!(places.count(), self.held.places.len());
    }
}
