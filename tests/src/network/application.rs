//! The application of one client: its tickets, its messages, and what it makes of them.

use super::broken::{Found, Property};
use super::letter::{Key, Letter};
use super::plan::SHARED_TOPIC;
use super::post::matches;
use mqtt_proto::{QoS, ReasonCode};
use mqtt_session::{AckToken, GiveUp, Instant, Ticket};
use std::collections::{BTreeMap, BTreeSet};

/// What was asked for with a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Publish(Key),
    Request,
}

/// A message as it was delivered, whole.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) token: Option<AckToken>,
}

/// The application, for one life of its client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Application {
    pub(crate) life: u16,
    numbers: u32,
    tickets: BTreeMap<Ticket, Asked>,
    newest: Option<Ticket>,
    /// Messages to be acknowledged by hand.
    pub(crate) pending: Vec<(AckToken, Key)>,
    /// How it has answered on this connection what is not acknowledged on the wire.
    answers: BTreeMap<Key, Vec<ReasonCode>>,
    /// How often each message came.
    came: BTreeMap<Key, u32>,
    consumed: BTreeSet<Key>,
    order: BTreeMap<(usize, u16, String, QoS, QoS), u32>,
    pub(crate) filters: BTreeSet<&'static str>,
    part: Vec<u8>,
    /// The broker lost its session, or it was not kept.
    pub(crate) lost_session: bool,
}

impl Application {
    pub(crate) fn new(life: u16) -> Self {
        Self {
            life,
            ..Self::default()
        }
    }

    pub(crate) fn next_key(&mut self, publisher: usize) -> Key {
        self.numbers += 1;
        Key {
            publisher,
            life: self.life,
            number: self.numbers,
        }
    }

    pub(crate) fn asked(&mut self, ticket: Ticket, asked: Asked) -> Found {
        Property::Tickets.holds(self.newest < Some(ticket), || {
            format!("{ticket:?} was issued before")
        })?;
        self.newest = Some(ticket);
        self.tickets.insert(ticket, asked);
        Ok(())
    }

    /// A ticket is settled; what was asked for with it.
    pub(crate) fn settled(&mut self, ticket: Ticket) -> Result<Asked, super::broken::Broken> {
        self.tickets.remove(&ticket).ok_or_else(|| {
            Property::Tickets.broken(format!("{ticket:?} is settled, and is not open"))
        })
    }

    /// Which message a ticket stands for that is not settled.
    pub(crate) fn published(&self, ticket: Ticket) -> Option<Key> {
        match self.tickets.get(&ticket)? {
            Asked::Publish(key) => Some(*key),
            _ => None,
        }
    }

    /// Whether the outcome of a publish is one that can have come about.
    pub(crate) fn may_end(
        &self,
        now: Instant,
        (key, letter): (Key, &Letter),
        outcome: Result<ReasonCode, GiveUp>,
        small_broker: bool,
    ) -> Found {
        let acknowledged = letter.qos > QoS::AtMostOnce;
        let may = match outcome {
            Ok(reason) => !reason.is_failure() && (letter.arrivals > 0 || !acknowledged),
            Err(GiveUp::ConnectionLost) => !acknowledged,
            Err(GiveUp::OutcomeUnknown) => letter.qos == QoS::ExactlyOnce && self.lost_session,
            Err(GiveUp::Expired) => letter.expiry.is_some_and(|seconds| {
                let span = core::time::Duration::from_secs(seconds.into());
                now >= letter.at.after(span)
            }),
            Err(GiveUp::TooLarge) => letter.large && small_broker,
            Err(_) => false,
        };
        let arrivals = letter.arrivals;
        Property::Tickets.holds(may, || {
            format!("{key} ends with {outcome:?}, and came to the broker {arrivals} times")
        })
    }

    /// Every ticket is settled.
    pub(crate) fn is_settled(&self) -> Found {
        Property::Tickets.holds(self.tickets.is_empty(), || {
            format!("never settled: {:?}", self.tickets)
        })
    }

    pub(crate) fn has_open_tickets(&self) -> bool {
        !self.tickets.is_empty()
    }

    /// A part of a message came; the whole of it, when that was the last part.
    pub(crate) fn takes_part(
        &mut self,
        offset: usize,
        part: &[u8],
        is_last: bool,
    ) -> Result<Option<Vec<u8>>, super::broken::Broken> {
        if offset == 0 {
            self.part.clear();
        }
        let at = self.part.len();
        Property::Content.holds(at == offset, || {
            format!("a part at {offset} behind {at} bytes")
        })?;
        self.part.extend_from_slice(part);
        Ok(is_last.then(|| core::mem::take(&mut self.part)))
    }

    /// A message came. `most`: how often it can have come over this many links.
    pub(crate) fn takes(
        &mut self,
        arrival: &Arrival,
        (key, letter): (Key, &Letter),
        most: u32,
    ) -> Found {
        let same = arrival.topic == letter.topic
            && arrival.payload == key.payload(letter.large)
            && arrival.qos <= letter.qos;
        Property::Content.holds(same, || format!("{key} is not what was published"))?;
        let wanted = self.filters.iter();
        let wanted = wanted.into_iter().any(|f| matches(f, letter.topic));
        Property::Content.holds(wanted, || format!("{key}: nobody subscribed"))?;

        let count = self.came.entry(key).or_insert(0);
        *count += 1;
        let count = *count;
        let once =
            |property: Property| property.holds(count == 1, || format!("{key} came {count} times"));
        match (letter.qos, arrival.qos) {
            (QoS::AtMostOnce, _) => once(Property::AtMostOnce)?,
            // In a group it may have been on its way at QoS 1 in between.
            (QoS::ExactlyOnce, QoS::AtMostOnce) if letter.topic != SHARED_TOPIC => {
                once(Property::ExactlyOnce)?;
            }
            (QoS::ExactlyOnce, QoS::ExactlyOnce) => {
                Property::ExactlyOnce.holds(!self.consumed.contains(&key), || {
                    format!("{key} came again though it was consumed")
                })?;
            }
            _ => Property::AtLeastOnce.holds(count <= most, || {
                format!("{key} came {count} times over links enough for {most}")
            })?,
        }
        // A QoS 1 message that was routed twice may have been routed first to nobody.
        let routed_once = letter.qos != QoS::AtLeastOnce || letter.arrivals <= 1;
        // What another member of a group leaves behind comes later.
        if count == 1 && routed_once && letter.topic != SHARED_TOPIC {
            let topic = arrival.topic.clone();
            let line = (key.publisher, key.life, topic, letter.qos, arrival.qos);
            let last = self.order.entry(line).or_insert(0);
            let before = core::mem::replace(last, key.number);
            Property::Order.holds(before < key.number, || {
                format!("{key} comes behind number {before}")
            })?;
        }
        match arrival.token {
            Some(token) => self.pending.push((token, key)),
            None if arrival.qos > QoS::AtMostOnce => self.answers(key, ReasonCode::SUCCESS),
            None => {}
        }
        Ok(())
    }

    /// The application has answered a message.
    pub(crate) fn answers(&mut self, key: Key, reason: ReasonCode) {
        self.answers.entry(key).or_default().push(reason);
        if !reason.is_failure() {
            self.consumed.insert(key);
        }
    }

    /// PUBACK, or PUBREC, left for a message.
    pub(crate) fn is_told(&mut self, key: Key, exactly_once: bool, reason: ReasonCode) -> Found {
        // What was consumed over an earlier connection is acknowledged again by the machine.
        if exactly_once && !reason.is_failure() && self.consumed.contains(&key) {
            return Ok(());
        }
        let answers = self.answers.entry(key).or_default();
        match answers.iter().position(|answer| *answer == reason) {
            Some(at) => {
                answers.remove(at);
                Ok(())
            }
            None => Err(Property::Acknowledgement.broken(format!(
                "{key} is answered with {reason}, the application said {answers:?}"
            ))),
        }
    }

    /// The connection is over.
    pub(crate) fn is_cut(&mut self) {
        self.pending.clear();
        self.answers.clear();
    }
}
