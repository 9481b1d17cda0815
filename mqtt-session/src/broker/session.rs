//! A client's session: the halves that the client's own machine is made of as well, its
//! subscriptions, and its will.

use super::message::{Kept, Message, seconds_left, whole};
use super::subscribers::Granted;
use super::{BrokerConfig, Overflow};
use crate::arena::Arena;
use crate::broker::event::ConnectionId;
use crate::config::{Config, Offline};
use crate::event::Ticket;
use crate::exchanges::Work;
use crate::instant::Instant;
use crate::limits::Limits;
use crate::line::{Line, Standing};
use crate::offer::first;
use crate::receipts::{Intake, Receipts, Receiver};
use crate::request::{Publish, RequestError};
use crate::sender::{Outbox, Sending};
use crate::store::{Heap, HeapLimits, InboundStore, OutboundStore, Store};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;
use mqtt_proto::{QoS, Sender as From};

/// How long messages that are dropped are counted before the program is told.
const TELL_DROPPED: Duration = Duration::from_secs(1);

/// Bytes for messages that are kept though nothing waits.
const KEPT_ARENA: usize = 64 << 10;

/// Messages, or bytes of them, by which a full queue gets shorter before publishers go on: a
/// quarter of a short one.
const ROOM: usize = 64;
const ROOM_BYTES: usize = 64 << 10;

/// Session Expiry Interval of a session that never ends.
pub(crate) const FOR_EVER: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<str>,
    pub(crate) user_name: Option<Box<str>>,
    pub(crate) connection: Option<ConnectionId>,
    /// The sending half, with the sending half of the present connection.
    out: Outbox,
    /// The receiving half, with the receiving half of the present connection.
    receipts: Receipts,
    intake: Intake,
    store: Heap,
    /// The filters subscribed to, as they were given.
    pub(crate) subscriptions: BTreeSet<Box<str>>,
    /// Their bytes.
    pub(crate) filter_bytes: usize,
    /// Subscriptions for which what is retained has not been handed over yet: that goes on when
    /// the client comes back.
    pub(crate) replay: VecDeque<(Box<str>, Granted)>,
    /// Session Expiry Interval in seconds.
    pub(crate) expiry: u32,
    /// When it ends; never, while it has a connection.
    pub(crate) ends: Instant,
    pub(crate) will: Option<StoredWill>,
    /// Messages of shared subscriptions that are not settled, by their tickets.
    shared: BTreeMap<u64, Arc<str>>,
    /// Messages dropped that the program has not been told of.
    pub(crate) dropped: u64,
    /// When it is told at the latest.
    pub(crate) tells: Instant,
    /// Whether the present connection was given a message.
    pub(crate) given: bool,
    pub(crate) pace: Pace,
}

/// Whether publishers wait for a session's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// None does.
    Good,
    /// Its queue was found full, with so much in it, and has not got much shorter.
    Full {
        /// When that has lasted too long.
        until: Instant,
        messages: usize,
        bytes: usize,
    },
    /// They have waited in vain: none does until its queue is half empty.
    TooSlow,
}

#[derive(Clone, Debug)]
pub(crate) struct StoredWill {
    pub(crate) message: Kept,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// When it is published; never, while the connection lasts.
    pub(crate) due: Instant,
}

/// What became of a message for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is on its way, or waits.
    Taken,
    /// It is dropped, as the standard or the settings want it.
    Passed,
    /// It is dropped because too much waits.
    Dropped,
}

impl Session {
    pub(crate) fn new(client_id: &str, config: &BrokerConfig) -> Self {
        let offline = if config.queue_qos0 {
            Offline::Queue
        } else {
            Offline::Refuse
        };
        Self {
            client_id: client_id.into(),
            user_name: None,
            connection: None,
            out: Outbox::new(From::Server, Config::new().qos0_offline(offline)),
            receipts: Receipts::new(),
            intake: Intake::new(),
            store: Heap::new(HeapLimits {
                exchanges: config.queue_messages,
                bytes: config.queue_bytes,
                transmit: config.transmit,
                receive_maximum: config.receive_maximum,
            }),
            subscriptions: BTreeSet::new(),
            filter_bytes: 0,
            replay: VecDeque::new(),
            expiry: 0,
            ends: Instant::NEVER,
            will: None,
            shared: BTreeMap::new(),
            dropped: 0,
            tells: Instant::NEVER,
            given: false,
            pace: Pace::Good,
        }
    }

    /// Both halves at once.
    pub(crate) fn halves(
        &mut self,
        now: Instant,
    ) -> (
        Sending<'_, <Heap as Store>::Outbound>,
        Receiver<'_, <Heap as Store>::Inbound>,
    ) {
        self.out.clock.advance(now);
        let (outbound, inbound) = self.store.split();
        (
            Sending {
                out: &mut self.out,
                store: outbound,
            },
            Receiver {
                receipts: &mut self.receipts,
                intake: &mut self.intake,
                store: inbound,
            },
        )
    }

    pub(crate) fn sender(&mut self, now: Instant) -> Sending<'_, <Heap as Store>::Outbound> {
        self.halves(now).0
    }

    /// Offers what is to be sent next; whether there is any.
    pub(crate) fn offer(&mut self, now: Instant) -> bool {
        let sender = self.sender(now);
        let has_any = sender.out.line.tx.has_to_offer();
        if has_any {
            sender.out.offer(sender.store);
        }
        has_any
    }

    /// The bytes that were just offered.
    pub(crate) fn offered(&mut self) -> &[u8] {
        let (outbound, _) = self.store.split();
        first(&self.out.line.tx, outbound)
    }

    pub(crate) fn maximum_packet_size(&self) -> usize {
        self.out.line.limits().maximum_packet_size as usize
    }

    /// The topic that an alias of this connection stands for.
    pub(crate) fn alias(&mut self, alias: u16) -> Option<&str> {
        let (_, inbound) = self.store.split();
        let topic = core::str::from_utf8(inbound.alias(alias)).ok()?;
        (!topic.is_empty()).then_some(topic)
    }

    /// A connection begins: CONNACK goes first, then what waits.
    pub(crate) fn attach(
        &mut self,
        connection: ConnectionId,
        limits: Limits,
        intake: Intake,
        aliases: u16,
    ) {
        self.connection = Some(connection);
        self.ends = Instant::NEVER;
        self.given = false;
        self.pace = Pace::Good;
        self.intake = intake;
        let (outbound, inbound) = self.store.split();
        inbound.clear_aliases();
        let mut line = Line::new();
        let aliases = aliases
            .min(limits.topic_alias_maximum)
            .min(outbound.alias_capacity());
        line.agree(limits, aliases);
        line.standing = Standing::Up;
        self.out.line = line;
        self.out.exchanges.work.note(Work::PUMP);
    }

    /// The connection is over: what outlives it is put into order.
    pub(crate) fn detach(&mut self, now: Instant) {
        self.connection = None;
        let (mut sender, mut receiver) = self.halves(now);
        sender.cut(true);
        receiver.cut();
        self.settle(now);
        // What only a connection needs is not kept for one that may never come.
        self.store.release_connection();
        if self.out.exchanges.tables.forget_unused() {
            self.out.exchanges.arena = Arena::new();
            self.store.release_outbound();
        } else if self.out.exchanges.arena.live() < self.store.arena_len() / 2 {
            self.store.pack(&mut self.out.exchanges.arena);
        }
    }

    /// Gives memory back that a full queue needed and an empty one does not.
    pub(crate) fn relax(&mut self) {
        if self.out.exchanges.arena.live() == 0 && self.store.arena_len() > KEPT_ARENA {
            self.store.pack(&mut self.out.exchanges.arena);
        }
    }

    /// Writes a packet that may not be split from what it answers; false when there is no room.
    pub(crate) fn write(
        &mut self,
        len: usize,
        now: Instant,
        encode: impl FnOnce(&mut [u8]) -> bool,
    ) -> bool {
        let mut sender = self.sender(now);
        if !sender.has_room(len) {
            return false;
        }
        let Some(out) = sender.out.line.tx.room(sender.store.transmit(), len) else {
            return false;
        };
        if encode(out) {
            sender.commit(len);
        }
        true
    }

    /// Whether a packet of this many bytes can be written now.
    pub(crate) fn has_room(&mut self, len: usize, now: Instant) -> bool {
        let mut sender = self.sender(now);
        let fits = sender.has_room(len);
        if !fits {
            sender.out.line.set_blocked(true);
        }
        fits
    }

    /// Writes what may leave.
    pub(crate) fn pump(&mut self, now: Instant) {
        if !self.out.exchanges.work.is_none() {
            self.out.exchanges.work.done(Work::PUMP);
            self.out.line.set_blocked(false);
            let (mut sender, mut receiver) = self.halves(now);
            receiver.pump(&mut sender);
            if sender.out.line.is_up() {
                sender.pump();
            }
            self.settle(now);
        }
    }

    /// Writes what may leave now, where nothing waits for room already.
    pub(crate) fn write_what_may_leave(&mut self, now: Instant) {
        if self.connection.is_some() && !self.out.line.blocked {
            self.pump(now);
        }
    }

    /// What ended by itself needs no answer here.
    fn settle(&mut self, now: Instant) {
        self.out.exchanges.work.done(Work::TELL);
        loop {
            let mut sender = self.sender(now);
            let ticket = match sender.next_ended() {
                Some((ticket, _, _)) => ticket,
                None => match sender.next_taken() {
                    Some(ticket) => ticket,
                    None => break,
                },
            };
            self.shared.remove(&ticket.number());
        }
    }

    /// The client acknowledged this message, or refused it (MQTT-4.8.2-6).
    pub(crate) fn settled(&mut self, ticket: Ticket) {
        self.shared.remove(&ticket.number());
    }

    /// The transport took some of the bytes offered.
    pub(crate) fn sent(&mut self, count: usize, now: Instant) {
        let sender = self.sender(now);
        if sender.out.was_taken(count) {
            // Nothing here is sent that is not kept for replay.
            sender.out.move_on(sender.store.records());
        }
        self.settle(now);
    }

    /// A message for this client.
    pub(crate) fn take(
        &mut self,
        message: &Publish<'_>,
        until: Option<Instant>,
        group: Option<Arc<str>>,
        overflow: Overflow,
        now: Instant,
    ) -> Outcome {
        if message.qos == QoS::AtMostOnce && matches!(self.pace, Pace::Full { .. }) {
            // The room that comes is for those that wait for it.
            self.note_dropped(now);
            return Outcome::Dropped;
        }
        loop {
            match self.sender(now).publish_until(message, until) {
                Ok(ticket) => {
                    if let Some(group) = group.filter(|_| message.qos != QoS::AtMostOnce) {
                        self.shared.insert(ticket.number(), group);
                    }
                    self.given = true;
                    self.write_what_may_leave(now);
                    return Outcome::Taken;
                }
                Err(RequestError::TooMany | RequestError::NoRoom) => {
                    let oldest =
                        overflow == Overflow::DropOldest && self.drop_oldest(message.qos, now);
                    self.note_dropped(now);
                    if !oldest {
                        return Outcome::Dropped;
                    }
                }
                Err(RequestError::LargerThanStore) => {
                    self.note_dropped(now);
                    return Outcome::Passed;
                }
                // Too large for the client: as if it had been sent (MQTT-3.1.2-25).
                Err(_) => return Outcome::Passed,
            }
        }
    }

    /// A message was dropped: the program is told, but not of each.
    fn note_dropped(&mut self, now: Instant) {
        if self.dropped == 0 {
            self.tells = now.after(TELL_DROPPED);
        }
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Drops the message that has waited longest for one of this QoS; false when there is none.
    fn drop_oldest(&mut self, qos: QoS, now: Instant) -> bool {
        let dropped = self.sender(now).drop_oldest(qos);
        self.settle(now);
        dropped
    }

    /// Whether a publisher has to wait with so many messages, of so many bytes together: their
    /// client has a connection, and no room.
    pub(crate) fn makes_wait(
        &mut self,
        count: usize,
        bytes: usize,
        now: Instant,
        config: &BrokerConfig,
    ) -> bool {
        match self.pace {
            _ if self.connection.is_none() => false,
            Pace::TooSlow => false,
            Pace::Full { .. } => true,
            Pace::Good => {
                let waits = !self.sender(now).has_room_for_messages(count, bytes);
                if waits {
                    self.pace = Pace::Full {
                        until: now.after(config.hold_timeout),
                        messages: self.unsettled(),
                        bytes: self.out.exchanges.arena.live(),
                    };
                }
                waits
            }
        }
    }

    /// Whether publishers need not wait any more since just now: there is room again, or there
    /// was none for too long.
    pub(crate) fn note_pace(&mut self, now: Instant, config: &BrokerConfig) -> bool {
        let (messages, bytes) = (self.unsettled(), self.out.exchanges.arena.live());
        let (count, size) = (usize::from(config.queue_messages), config.queue_bytes);
        match self.pace {
            Pace::Good => false,
            Pace::Full {
                until,
                messages: then,
                bytes: full,
            } => {
                // Not each message that leaves a full queue has all publishers looked at.
                if messages.saturating_add(ROOM.min(count.div_ceil(4))) <= then
                    || bytes.saturating_add(ROOM_BYTES.min(size.div_ceil(4))) <= full
                {
                    self.pace = Pace::Good;
                    return true;
                }
                if until <= now {
                    self.pace = Pace::TooSlow;
                    return true;
                }
                false
            }
            Pace::TooSlow => {
                if messages <= count / 2 && bytes <= size / 2 {
                    self.pace = Pace::Good;
                }
                false
            }
        }
    }

    /// When something is due without a connection or besides it.
    pub(crate) fn deadline(&self) -> Instant {
        let will = self.will.as_ref().map_or(Instant::NEVER, |will| will.due);
        let expiry = self.out.exchanges.next_expiry.moment();
        let waits = match self.pace {
            Pace::Full { until, .. } => until,
            Pace::Good | Pace::TooSlow => Instant::NEVER,
        };
        self.ends.min(will).min(expiry).min(self.tells).min(waits)
    }

    /// Drops what has expired.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.out.exchanges.next_expiry.moment() <= now {
            self.sender(now).expire();
            self.settle(now);
        }
    }

    /// Since when the transport has taken nothing of what waits for it; `None` while nothing
    /// does.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        (!self.out.line.tx.is_empty()).then_some(self.out.line.stalled_since.moment())
    }

    /// A filter is subscribed to; whether it was not before.
    pub(crate) fn note_filter(&mut self, filter: &str) -> bool {
        let is_new = self.subscriptions.insert(filter.into());
        if is_new {
            self.filter_bytes = self.filter_bytes.saturating_add(filter.len());
        }
        is_new
    }

    /// A filter is not subscribed to any more; whether it was.
    pub(crate) fn forget_filter(&mut self, filter: &str) -> bool {
        let was = self.subscriptions.remove(filter);
        if was {
            self.filter_bytes = self.filter_bytes.saturating_sub(filter.len());
        }
        was
    }

    /// The filters of the groups that it is a member of.
    pub(crate) fn shared_subscriptions(&self) -> impl Iterator<Item = &str> {
        const SHARED: &str = "$share/";
        let from = (Bound::Included(SHARED), Bound::Unbounded);
        let filters = self
            .subscriptions
            .range::<str, _>(from)
            .map(|filter| &**filter);
        filters.take_while(|filter| filter.starts_with(SHARED))
    }

    /// How many messages wait, or are unacknowledged.
    pub(crate) fn unsettled(&self) -> usize {
        let records = self.store.outbound().all_records();
        let tables = &self.out.exchanges.tables;
        tables
            .waiting(records)
            .wrapping_add(usize::from(tables.open(records)))
    }

    /// The session is over: messages of shared subscriptions that another member may get, with
    /// their filters. A QoS 2 message that was sent is not among them (MQTT-4.8.2-5).
    pub(crate) fn orphans(&mut self, now: Instant, mut visit: impl FnMut(&str, &Message<'_>)) {
        let shared = core::mem::take(&mut self.shared);
        if shared.is_empty() {
            return;
        }
        let mut orphans: Vec<(u64, Vec<u8>, Option<Instant>)> = Vec::new();
        self.sender(now)
            .for_each_waiting(|ticket, packet, expires| {
                if shared.contains_key(&ticket.number()) {
                    orphans.push((ticket.number(), packet.into(), expires));
                }
            });
        for (ticket, packet, expires) in orphans {
            let publish = whole(&packet).and_then(|raw| raw.publish(From::Server).ok());
            let Some((publish, filter)) = publish.zip(shared.get(&ticket)) else {
                continue;
            };
            let Some(topic) = publish.topic else { continue };
            let mut message = Message::of_publish(&publish, topic);
            message.expiry = match expires {
                Some(expires) => match seconds_left(expires, now) {
                    Some(left) => Some(left),
                    None => continue,
                },
                None => None,
            };
            visit(filter, &message);
        }
    }
}
