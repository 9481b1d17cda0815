//! From one client to all that subscribe.

use super::message::Message;
use super::retained::Bounds;
use super::session::Outcome;
use super::subscribers::{Granted, Match, SessionKey};
use super::{Access, Broker, Overflow};
use crate::Instant;
use crate::request::Publish;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mqtt_proto::{Property, QoS, ReasonCode, TopicFilter};

impl<A: Access> Broker<A> {
    /// Keeps a message that says RETAIN, where that is supported.
    ///
    /// # Errors
    /// Quota exceeded.
    pub(crate) fn retain(&mut self, message: &Message<'_>) -> Result<(), ReasonCode> {
        if !message.retain || !self.config.retain_available {
            return Ok(());
        }
        let bounds = Bounds {
            messages: self.config.retained_messages,
            bytes: self.config.retained_bytes,
            levels: self.config.maximum_levels,
        };
        self.retained.replace(message, self.now, bounds)
    }

    /// Keeps a message that is published in any case. Where it cannot be kept, what was kept
    /// before is not the last any more, and goes (MQTT-3.3.1-5).
    ///
    /// # Errors
    /// Quota exceeded: nothing is kept for its topic now.
    pub(crate) fn retain_or_clear(&mut self, message: &Message<'_>) -> Result<(), ReasonCode> {
        let kept = self.retain(message);
        if kept.is_err() {
            self.retained.remove(message.topic.as_str());
        }
        kept
    }

    /// Who gets a message: the subscriptions of a session one behind the other, its own first, and
    /// one member of each group.
    pub(crate) fn receivers(&mut self, publisher: Option<SessionKey>, topic: &str) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let visits = self.filters.filters_matching(topic, |subscribers| {
            subscribers.collect(&mut matches);
        });
        self.note_visits(visits);
        // No Local (MQTT-3.8.3-3).
        matches.retain(|found| !(found.granted.no_local && Some(found.session) == publisher));
        matches.sort_by_key(|found| (found.session, found.group.is_some()));
        matches
    }

    /// Gives a message to every session that subscribes to its topic, once each, and to one
    /// member of each group; how many get it.
    pub(crate) fn route(&mut self, publisher: Option<SessionKey>, message: &Message<'_>) -> usize {
        let matches = self.receivers(publisher, message.topic.as_str());
        self.route_to(&matches, message)
    }

    /// Gives a message to its receivers; how many there are.
    pub(crate) fn route_to(&mut self, matches: &[Match], message: &Message<'_>) -> usize {
        let receivers = matches.len();
        let mut rest = matches;
        while let Some(first) = rest.first() {
            // A session gets one copy for all its own subscriptions, and one for each that it
            // shares.
            let count = if first.group.is_some() {
                1
            } else {
                rest.iter()
                    .take_while(|found| found.session == first.session && found.group.is_none())
                    .count()
            };
            let (copy, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            self.deliver(message, copy);
            rest = others;
        }
        receivers
    }

    /// Gives a message to the next member of one group.
    pub(crate) fn route_shared(&mut self, filter: &str, message: &Message<'_>) {
        let Ok(filter) = TopicFilter::new(filter) else {
            return;
        };
        let Some(name) = filter.share_name() else {
            return;
        };
        let found = self
            .filters
            .get(filter.unshared().as_str())
            .and_then(|subscribers| subscribers.choose(name));
        if let Some(found) = found {
            self.deliver(message, &[found]);
        }
    }

    /// Gives one session its copy: at the highest QoS granted (MQTT-3.3.4-2, MQTT-3.8.4-8), with
    /// the identifiers of all subscriptions it matches (MQTT-3.3.4-4).
    fn deliver(&mut self, message: &Message<'_>, copy: &[Match]) {
        let Some(first) = copy.first() else { return };
        let qos = copy.iter().map(|found| found.granted.qos).max();
        let as_published = copy.iter().any(|found| found.granted.retain_as_published);
        let ids = copy.iter().filter_map(|found| found.granted.id);
        let properties = with_identifiers(&message.properties, ids);
        let publish = Publish {
            topic: message.topic,
            payload: message.payload,
            qos: message.qos.min(qos.unwrap_or(QoS::AtMostOnce)),
            retain: message.retain && as_published,
            expiry: message.expiry,
            properties: properties.as_deref().unwrap_or(&message.properties),
        };
        self.hand_over(first.session, &publish, message.until, first.group.clone());
    }

    /// Queues a message for one session.
    fn hand_over(
        &mut self,
        key: SessionKey,
        publish: &Publish<'_>,
        until: Option<Instant>,
        group: Option<Arc<str>>,
    ) {
        self.note_message(publish.payload.len());
        let (now, overflow) = (self.now, self.config.overflow);
        let Some(session) = self.session(key) else {
            return;
        };
        let full = session.take(publish, until, group, overflow, now) == Outcome::Dropped;
        self.note_handed_over(key, publish.expiry.is_some(), full);
    }

    /// A session was handed something over: what may expire, or what found its queue full.
    fn note_handed_over(&mut self, key: SessionKey, expires: bool, full: bool) {
        let Some(session) = self.session(key) else {
            return;
        };
        let (connection, given) = (session.connection, session.given);
        if expires || session.dropped > 0 {
            self.arm_session(key);
        }
        if let Some(connection) = connection {
            // Who finds the queue full gets time to empty it: else nobody ever would.
            if full && given && self.config.overflow == Overflow::Disconnect {
                // Not here: its will would be routed while this message is.
                self.overfull.push(connection);
            }
            self.make_ready(connection);
        }
    }

    /// Sends what is retained for a filter that was just subscribed to (MQTT-3.3.1-9). Who had
    /// published it is not known any more, so that No Local does not hold it back.
    pub(crate) fn send_retained(&mut self, key: SessionKey, filter: &str, granted: Granted) {
        let (now, overflow) = (self.now, self.config.overflow);
        let Some(session) = super::session_mut(&mut self.sessions, key) else {
            return;
        };
        let mut expires = false;
        let mut full = false;
        let visits = self.retained.matching(filter, now, |message| {
            let properties = with_identifiers(&message.properties, granted.id.into_iter());
            let publish = Publish {
                topic: message.topic,
                payload: message.payload,
                qos: message.qos.min(granted.qos),
                retain: true,
                expiry: message.expiry,
                properties: properties.as_deref().unwrap_or(&message.properties),
            };
            expires |= message.expiry.is_some();
            full |= session.take(&publish, message.until, None, overflow, now) == Outcome::Dropped;
        });
        self.note_visits(visits);
        self.note_handed_over(key, expires, full);
    }

    /// Adds or replaces a subscription; whether it is a new one.
    pub(crate) fn insert_subscription(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        granted: Granted,
    ) -> bool {
        if let Some(subscribers) = self.filters.at(filter.unshared().as_str()) {
            match filter.share_name() {
                Some(name) => subscribers.join(name, filter.as_str(), key, granted),
                None => subscribers.insert(key, granted),
            }
        }
        self.session(key)
            .is_some_and(|session| session.note_filter(filter.as_str()))
    }

    /// Has the groups that a session is a member of know whether it has a connection.
    pub(crate) fn tell_groups(&mut self, key: SessionKey, connected: bool) {
        let Some(session) = super::session_mut(&mut self.sessions, key) else {
            return;
        };
        for filter in session.shared_subscriptions() {
            if let Ok(filter) = TopicFilter::new(filter)
                && let Some(name) = filter.share_name()
                && let Some(subscribers) = self.filters.get_mut(filter.unshared().as_str())
            {
                subscribers.set_connected(name, key, connected);
            }
        }
    }

    /// Removes a subscription from the tree of filters.
    pub(crate) fn remove_subscription(&mut self, key: SessionKey, filter: TopicFilter<'_>) {
        let path = filter.unshared();
        if let Some(subscribers) = self.filters.get_mut(path.as_str()) {
            match filter.share_name() {
                Some(name) => subscribers.leave(name, key),
                None => subscribers.remove(key),
            }
        }
        self.filters.prune(path.as_str());
    }
}

/// A message's properties with Subscription Identifiers behind them, where there are any.
fn with_identifiers<'a>(
    properties: &[Property<'a>],
    ids: impl Iterator<Item = u32>,
) -> Option<Vec<Property<'a>>> {
    let mut ids = ids.peekable();
    ids.peek()?;
    let ids = ids.map(Property::SubscriptionIdentifier);
    Some(properties.iter().copied().chain(ids).collect())
}
