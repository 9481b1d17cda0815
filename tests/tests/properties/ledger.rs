//! What the application was promised: each ticket is settled once, each message arrives.

use super::Found;
use super::session::uid;
use crate::holds;
use mqtt_proto::{QoS, ReasonCode};
use mqtt_session::{GiveUp, Ticket};
use mqtt_tests::talk::{Message, Told};
use std::collections::{BTreeMap, BTreeSet};

/// The application's own book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Tickets that are not settled.
    pub(crate) open: BTreeMap<Ticket, Asked>,
    /// How the publishes were settled, by message.
    pub(crate) settled: BTreeMap<u64, (QoS, Result<ReasonCode, GiveUp>)>,
    newest: Option<Ticket>,
    /// How often each message was delivered, and in which order they first came.
    pub(crate) delivered: BTreeMap<u64, usize>,
    pub(crate) order: BTreeMap<(String, QoS), Vec<u64>>,
    /// The message that is being delivered in parts.
    parts: Option<(Message, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Publish { uid: u64, qos: QoS },
    Subscribe { filters: usize },
    Unsubscribe { filters: usize },
}

impl Ledger {
    pub(crate) fn asked(&mut self, ticket: Ticket, asked: Asked) -> Found {
        holds!(
            self.newest.is_none_or(|newest| newest < ticket),
            "{ticket:?} was issued before"
        );
        self.newest = Some(ticket);
        self.open.insert(ticket, asked);
        Ok(())
    }

    /// Messages that no answer settles.
    pub(crate) fn unanswered(&self) -> BTreeSet<Ticket> {
        let unanswered = self.open.iter().filter(
            |(_, asked)| matches!(asked, Asked::Publish { qos, .. } if *qos == QoS::AtMostOnce),
        );
        unanswered.map(|(ticket, _)| *ticket).collect()
    }

    /// Messages of QoS 1 and 2 that are not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.open
            .values()
            .filter(|asked| matches!(asked, Asked::Publish { qos, .. } if *qos > QoS::AtMostOnce))
            .count()
    }

    pub(crate) fn told(&mut self, told: &Told) -> Found {
        match told {
            Told::Published(ticket, outcome, _) => match self.open.remove(ticket) {
                Some(Asked::Publish { uid, qos }) => {
                    self.settled.insert(uid, (qos, *outcome));
                    Ok(())
                }
                other => Err(format!("{told:?} for {other:?}")),
            },
            Told::Received(ticket, ..) => match self.open.get(ticket) {
                Some(Asked::Publish {
                    qos: QoS::ExactlyOnce,
                    ..
                }) => Ok(()),
                other => Err(format!("{told:?} for {other:?}")),
            },
            Told::Subscribed(ticket, reasons) => match self.open.remove(ticket) {
                Some(Asked::Subscribe { filters }) if filters == reasons.len() => Ok(()),
                other => Err(format!("{told:?} for {other:?}")),
            },
            Told::Unsubscribed(ticket, reasons) => match self.open.remove(ticket) {
                Some(Asked::Unsubscribe { filters }) if filters == reasons.len() => Ok(()),
                other => Err(format!("{told:?} for {other:?}")),
            },
            Told::Unanswered(ticket, _) => match self.open.remove(ticket) {
                Some(Asked::Subscribe { .. } | Asked::Unsubscribe { .. }) => Ok(()),
                other => Err(format!("{told:?} for {other:?}")),
            },
            Told::DeliveryCut => {
                holds!(self.parts.take().is_some(), "cut, but nothing was begun");
                Ok(())
            }
            Told::Disconnected(..) => {
                holds!(
                    self.parts.is_none(),
                    "a delivery was begun and is not told to be cut"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A message or a part of one was delivered; `known` when the server made it. Which one it
    /// was, when it is whole.
    pub(crate) fn delivered(&mut self, part: &Message, known: bool) -> Found<Option<u64>> {
        let end = part.offset + part.payload.len();
        holds!(end <= part.total, "a part beyond the end: {part:?}");
        let whole = match self.parts.take() {
            None => {
                holds!(part.offset == 0, "a part without its beginning: {part:?}");
                part.payload.clone()
            }
            Some((first, mut payload)) => {
                holds!(part.offset == payload.len(), "a gap: {part:?}");
                let same = (
                    &first.topic,
                    first.qos,
                    first.total,
                    first.dup,
                    first.retain,
                    &first.properties,
                ) == (
                    &part.topic,
                    part.qos,
                    part.total,
                    part.dup,
                    part.retain,
                    &part.properties,
                );
                holds!(same, "parts of two messages: {first:?} {part:?}");
                payload.extend_from_slice(&part.payload);
                payload
            }
        };
        if end < part.total {
            holds!(part.token.is_none(), "a token before the last part");
            holds!(!part.payload.is_empty(), "an empty part: {part:?}");
            self.parts = Some((part.clone(), whole));
            return Ok(None);
        }
        if !known {
            return Ok(None);
        }
        let Some(uid) = uid(&whole) else {
            return Err(format!("the payload is damaged: {whole:02x?}"));
        };
        let count = self.delivered.entry(uid).or_default();
        *count += 1;
        if *count == 1 {
            let order = self.order.entry((part.topic.clone(), part.qos));
            order.or_default().push(uid);
        }
        Ok(Some(uid))
    }
}

/// Whether messages came in the order in which they were sent, some left out.
pub(crate) fn in_order<K: Ord + std::fmt::Debug>(
    came: &BTreeMap<K, Vec<u64>>,
    sent: &BTreeMap<K, Vec<u64>>,
) -> Found {
    for (lane, came) in came {
        let mut sent = sent.get(lane).into_iter().flatten();
        holds!(
            came.iter().all(|uid| sent.any(|other| other == uid)),
            "out of order on {lane:?}: {came:x?}"
        );
    }
    Ok(())
}
