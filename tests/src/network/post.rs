//! What is owed to whom: messages that the broker has taken over, and the subscribers that must
//! get them.
//!
//! All of it follows from what the broker's side of the wire shows. Where that leaves it open
//! whether a subscription was in place when a message was routed, nothing is owed.

use super::broken::{Broken, Found, Property};
use super::letter::{Key, Letter};
use super::plan::{SHARED, SHARED_TOPIC};
use core::time::Duration;
use mqtt_proto::{QoS, ReasonCode, TopicFilter, TopicName};
use mqtt_session::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// All messages, and all that is owed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Post {
    pub(crate) letters: BTreeMap<Key, Letter>,
    pub(crate) boxes: Vec<MailBox>,
    pub(crate) group: Group,
}

/// What the broker has for one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct MailBox {
    /// Subscriptions that are in place for certain, and their QoS.
    filters: BTreeMap<String, QoS>,
    /// SUBSCRIBEs that are not answered, by link and identifier.
    asked: BTreeMap<(u64, u16), Vec<String>>,
    /// Messages that came while a subscription was in place, not acknowledged by the broker.
    coming: BTreeMap<Key, QoS>,
    /// Messages that are owed.
    owed: BTreeMap<Key, QoS>,
    /// How many the broker has told to have dropped.
    dropped: u64,
    /// It may be a member of the group.
    may_share: bool,
}

/// What the broker has for the one group that shares a subscription.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    coming: BTreeMap<Key, QoS>,
    /// Messages that one of the members must get.
    owed: BTreeMap<Key, QoS>,
    dropped: u64,
    /// Messages that a member got, and that no one may get again.
    had: BTreeSet<Key>,
}

impl Group {
    /// Who is a member changes: where a message goes that comes now is not certain.
    fn changes(&mut self) {
        self.coming.clear();
    }

    fn comes(&mut self, key: Key, qos: Option<QoS>) {
        match qos {
            Some(qos) => drop(self.coming.insert(key, qos)),
            None => drop(self.coming.remove(&key)),
        }
    }

    /// The session of a member is over: what was for it at QoS 1 goes to another
    /// (MQTT-4.8.2-5, section 4.8.2); `members`: the lowest QoS that those have.
    fn loses_a_member(&mut self, members: Option<QoS>, letters: &BTreeMap<Key, Letter>) {
        self.changes();
        let once = |key: &Key| {
            letters
                .get(key)
                .is_some_and(|letter| letter.qos == QoS::AtLeastOnce)
        };
        let goes_on = members.is_some_and(|qos| qos > QoS::AtMostOnce);
        self.owed.retain(|key, _| goes_on && once(key));
    }

    /// A member got a message that arrives at most once.
    pub(crate) fn has_once(&mut self, key: Key) -> Found {
        Property::ExactlyOnce.holds(self.had.insert(key), || {
            format!("{key} came to two members of a group")
        })
    }
}

fn nothing_is_owed(owed: &BTreeMap<Key, QoS>, dropped: u64, who: impl FnOnce() -> String) -> Found {
    let missing = owed.len();
    match owed.iter().next_back() {
        Some((key, qos)) if missing as u64 > dropped => {
            let property = match qos {
                QoS::ExactlyOnce => Property::ExactlyOnce,
                _ => Property::AtLeastOnce,
            };
            Err(property.broken(format!(
                "{key} never came to {}: {missing} are missing, {dropped} told as dropped",
                who()
            )))
        }
        _ => Ok(()),
    }
}

/// Whether a filter matches a topic; both are valid.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    match (TopicFilter::new(filter), TopicName::new(topic)) {
        (Ok(filter), Ok(topic)) => filter.matches(topic),
        _ => false,
    }
}

impl MailBox {
    /// The QoS at which a message to this topic comes for certain.
    fn qos_of(&self, topic: &str) -> Option<QoS> {
        let filters = self.filters.iter();
        let fitting = filters.filter(|(filter, _)| *filter != SHARED && matches(filter, topic));
        fitting.map(|(_, qos)| *qos).max()
    }

    /// The session is over, and all that waited in it.
    fn empty(&mut self) {
        self.filters.clear();
        self.asked.clear();
        self.coming.clear();
        self.owed.clear();
        self.dropped = 0;
        self.may_share = false;
    }

    fn asks_for(&mut self, link: u64, id: u16, filters: Vec<String>) {
        // From here until SUBACK the old subscription holds, or the new one.
        for filter in &filters {
            if let Some(granted) = self.filters.get_mut(filter) {
                *granted = QoS::AtMostOnce;
            }
        }
        self.asked.insert((link, id), filters);
    }

    pub(crate) fn granted(&mut self, link: u64, id: u16, reasons: &[ReasonCode]) {
        let filters = self.asked.remove(&(link, id)).unwrap_or_default();
        for (filter, reason) in filters.into_iter().zip(reasons) {
            if let Some(qos) = QoS::from_u8(reason.value()) {
                self.filters.insert(filter, qos);
            }
        }
    }
}

impl Post {
    /// A client asks the broker for these filters.
    pub(crate) fn asks_for(&mut self, client: usize, link: u64, id: u16, filters: Vec<String>) {
        let shares = filters.iter().any(|filter| filter == SHARED);
        let mail = &mut self.boxes[client];
        mail.asks_for(link, id, filters);
        if shares {
            mail.may_share = true;
            // From here until SUBACK it is a member at an unknown QoS, or none.
            mail.filters.remove(SHARED);
            self.group.changes();
        }
    }

    /// A client's session is over.
    pub(crate) fn session_ends(&mut self, client: usize) {
        let shared = self.boxes[client].may_share;
        self.boxes[client].empty();
        if shared {
            let members = self.members();
            self.group.loses_a_member(members, &self.letters);
        }
    }

    /// The broker tells that it has dropped messages for a client.
    pub(crate) fn drops(&mut self, client: usize, count: u64) {
        self.boxes[client].dropped += count;
        self.group.dropped += count;
    }

    /// The lowest QoS among the members of the group; `None` where there is none, or it is not
    /// certain who they are.
    fn members(&self) -> Option<QoS> {
        let members = self.boxes.iter().filter(|mail| mail.may_share);
        let granted: Option<Vec<QoS>> = members
            .map(|mail| mail.filters.get(SHARED).copied())
            .collect();
        granted?.into_iter().min()
    }

    /// A client asks the broker to forget these filters.
    pub(crate) fn asks_no_more(&mut self, client: usize, filters: &[String]) {
        if filters.iter().any(|filter| filter == SHARED) {
            self.group.changes();
        }
        let mail = &mut self.boxes[client];
        for filter in filters {
            mail.filters.remove(filter);
            for asked in mail.asked.values_mut() {
                // An answer that is still to come says nothing about what holds by then.
                if asked.contains(filter) {
                    asked.clear();
                }
            }
            let letters = &self.letters;
            mail.coming.retain(|key, _| {
                let topic = letters.get(key).map_or("", |letter| letter.topic);
                !matches(filter, topic)
            });
        }
    }

    /// A PUBLISH came to the broker whole.
    pub(crate) fn came(&mut self, now: Instant, key: Key, expiry: Option<u32>) -> Found {
        let members = self.members();
        let letter = self.letters.get_mut(&key);
        let letter =
            letter.ok_or_else(|| Property::Content.broken(format!("{key} was not published")))?;
        letter.arrivals += 1;
        let first = letter.arrivals == 1;
        if let Some(seconds) = expiry {
            let expires = now.after(Duration::from_secs(seconds.into()));
            letter.expires = letter.expires.max(Some(expires));
        }
        if letter.topic == SHARED_TOPIC {
            let qos = members.map(|qos| qos.min(letter.qos));
            self.group.comes(key, qos.filter(|_| first));
            return Ok(());
        }
        for mail in &mut self.boxes {
            let qos = mail.qos_of(letter.topic).map(|qos| qos.min(letter.qos));
            match (qos, mail.coming.get(&key)) {
                // One that comes again may have been routed the first time.
                (Some(qos), None) if first => drop(mail.coming.insert(key, qos)),
                (Some(qos), Some(before)) => drop(mail.coming.insert(key, qos.min(*before))),
                _ => drop(mail.coming.remove(&key)),
            }
        }
        Ok(())
    }

    /// The broker acknowledged a message: it is routed.
    pub(crate) fn taken_over(&mut self, key: Key, reason: ReasonCode) -> Found {
        let none = reason == ReasonCode::NO_MATCHING_SUBSCRIBERS;
        Property::Acknowledgement.holds(reason == ReasonCode::SUCCESS || none, || {
            format!("the broker refuses {key}: {reason}")
        })?;
        let expires = self.letters.get(&key).is_some_and(|l| l.expiry.is_some());
        let boxes = self.boxes.iter_mut();
        let boxes = boxes.map(|mail| (&mut mail.coming, &mut mail.owed));
        let group = (&mut self.group.coming, &mut self.group.owed);
        for (coming, owed) in boxes.chain([group]) {
            if let Some(qos) = coming.remove(&key)
                && qos > QoS::AtMostOnce
                && !expires
            {
                owed.insert(key, qos);
            }
        }
        Ok(())
    }

    /// The broker has come back without what it knew.
    pub(crate) fn is_lost(&mut self) {
        self.boxes.iter_mut().for_each(MailBox::empty);
        self.group = Group::default();
    }

    /// A client's application has a message.
    pub(crate) fn has(&mut self, client: usize, key: Key) {
        self.boxes[client].owed.remove(&key);
        self.boxes[client].coming.remove(&key);
        self.group.owed.remove(&key);
        self.group.coming.remove(&key);
    }

    /// A client does not get messages this large.
    pub(crate) fn has_no_room(&mut self, client: usize) {
        let letters = &self.letters;
        let fits = |key: &Key| !letters.get(key).is_some_and(|letter| letter.large);
        self.boxes[client].owed.retain(|key, _| fits(key));
        self.group.owed.retain(|key, _| fits(key));
    }

    /// Nothing is owed beyond what the broker has told to be dropped.
    pub(crate) fn is_delivered(&self) -> Found {
        for (client, mail) in self.boxes.iter().enumerate() {
            let who = || format!("client {client}");
            nothing_is_owed(&mail.owed, mail.dropped, who)?;
        }
        nothing_is_owed(&self.group.owed, self.group.dropped, || "the group".into())
    }

    /// A message is sent with this interval on a connection that was accepted at `accepted`; it
    /// expires at `expires`, and waited from `since` on.
    pub(crate) fn counts_down(
        (key, dup, left): (Key, bool, Option<u32>),
        since: Instant,
        expires: Instant,
        accepted: Instant,
    ) -> Result<(), Broken> {
        let from = accepted.max(since);
        let micros = expires.since(from).as_micros();
        Property::Expiry.holds(dup || micros > 0, || {
            format!("{key} is sent though expired")
        })?;
        let most = micros.div_ceil(1_000_000).max(1);
        let fits = left.is_some_and(|left| u128::from(left) <= most);
        Property::Expiry.holds(fits, || {
            format!("{key} is sent with an interval of {left:?}, {most} s are left")
        })
    }
}
