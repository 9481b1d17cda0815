//! What the application is owed: outcomes of what it handed over, messages, the state.

use crate::buffer::{Buffer, Overflow};
use crate::counters::Counters;
use crate::draw::Sources;
use crate::error::{Cause, DeliveryError, SubscribeError, Undelivered};
use crate::inbox::Inbox;
use crate::message::{Assembly, Message, Receipt};
use crate::options::Options;
use crate::requests::Requests;
use crate::router::{Router, Standing};
use crate::shared::Shared;
use crate::slot::Slot;
use crate::state::State;
use crate::tickets::Tickets;
use crate::trace::Trace;
use crate::waiters::Wakes;
use mqtt_session::{
    AckToken, Client, GiveUp, Heap, Instant, Properties, Property, QoS, ReasonCode, ReasonCodes,
    RequestError, Subscription, Ticket, TopicFilter, TopicName,
};
use std::sync::{Arc, Weak};

/// How an accepted message ended: the reason code of PUBACK or PUBREC, or why there is none.
pub type Outcome = Result<ReasonCode, DeliveryError>;

/// Changes nobody has looked at for so long are of no use.
const WATCHED: Buffer = Buffer {
    messages: 64,
    bytes: usize::MAX,
    overflow: Overflow::DropOldest,
};

/// Messages that come before a reader that sleeps is woken: it is to read while others come, but
/// not to be woken for each.
const BATCH: usize = 64;

/// Messages that come before others on the same thread have their turn, such as a reader that was
/// woken and has not run.
const TURN: usize = 1024;

/// What is kept for the application beside the machine.
#[derive(Debug)]
pub(crate) struct Ledger {
    pending: Tickets<Pending>,
    pub(crate) load: Undelivered,
    pub(crate) sources: Sources,
    pub(crate) router: Router,
    pub(crate) requests: Requests,
    pub(crate) counters: Counters,
    pub(crate) trace: Trace,
    pub(crate) state: State,
    watchers: Vec<Weak<Inbox<State>>>,
    assembly: Assembly,
    /// The topic of the message that came last.
    last_topic: Arc<str>,
    /// Who is to be woken when the lock is free.
    pub(crate) wakes: Wakes,
    /// What was unsettled when the client ended.
    left: Option<Undelivered>,
    /// The queue has become shorter.
    pub(crate) freed: bool,
    /// The state has changed.
    pub(crate) changed: bool,
    /// There are filters that the server has to be asked for.
    pub(crate) unasked: bool,
}

/// What a ticket of the machine stands for.
#[derive(Debug)]
pub(crate) enum Pending {
    Publish {
        slot: Arc<Slot<Outcome>>,
        qos: QoS,
        size: usize,
    },
    /// The subscription identifier of the filter.
    Subscribe(u32),
    Unsubscribe(u32),
}

impl Ledger {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pending: Tickets::new(),
            load: Undelivered::default(),
            sources: Sources::default(),
            router: Router::new(options.unmatched, !options.clean_start),
            requests: Requests::default(),
            counters: Counters::default(),
            trace: Trace::new(&options.client_id),
            state: State::Connecting,
            watchers: Vec::new(),
            assembly: Assembly::default(),
            last_topic: Arc::default(),
            wakes: Wakes::default(),
            left: None,
            freed: false,
            changed: false,
            unasked: false,
        }
    }

    /// Whether who waits is to be told before more comes, when so many messages have come.
    pub(crate) fn has_to_tell(&self, messages: usize) -> bool {
        let woken = messages >= BATCH && !self.wakes.is_empty();
        self.wakes.urgent || woken || messages >= TURN
    }

    /// How many accepted messages are not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.load.messages()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    /// The client is somewhere else now.
    pub(crate) fn set_state(&mut self, state: State) {
        self.trace.state(&state);
        let wakes = &mut self.wakes;
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(watcher) => {
                watcher.push(state.clone(), wakes, drop);
                true
            }
            None => false,
        });
        self.state = state;
        self.changed = true;
    }

    pub(crate) fn watch(&mut self) -> Arc<Inbox<State>> {
        let inbox = Inbox::new(WATCHED);
        if self.is_ended() {
            inbox.end(None, &mut self.wakes);
        } else {
            // The state may stay as it is for long, while watchers come and go.
            self.watchers.retain(|watcher| watcher.strong_count() > 0);
            self.watchers.push(Arc::downgrade(&inbox));
        }
        inbox
    }

    /// The machine has issued a ticket.
    pub(crate) fn expect(&mut self, ticket: Ticket, pending: Pending) {
        if let Pending::Publish { qos, size, .. } = pending {
            *count(&mut self.load, qos) += 1;
            self.counters.accepted += 1;
            self.load.bytes += size;
        }
        self.pending.insert(ticket.number(), pending);
    }

    /// A publish is settled.
    pub(crate) fn published(
        &mut self,
        ticket: Ticket,
        outcome: Result<ReasonCode, GiveUp>,
        properties: &Properties<'_>,
    ) {
        let Some(Pending::Publish { slot, qos, size }) = self.pending.remove(ticket.number())
        else {
            return;
        };
        *count(&mut self.load, qos) -= 1;
        self.load.bytes -= size;
        self.freed = true;
        let given_up = self.sources.settled(ticket, outcome.err());
        let outcome: Outcome = match outcome {
            Ok(reason) if reason.is_failure() => Err(DeliveryError::Refused {
                reason,
                reason_string: properties.reason_string().map(str::to_owned),
            }),
            Ok(reason) => Ok(reason),
            Err(cause) => Err(given_up.unwrap_or(DeliveryError::GivenUp(cause))),
        };
        let ended = match &outcome {
            Ok(_) => &mut self.counters.published,
            Err(_) => &mut self.counters.failed,
        };
        *ended += 1;
        self.trace.settled(qos, outcome.is_ok());
        slot.fill(outcome, &mut self.wakes);
    }

    /// SUBACK or UNSUBACK has come.
    pub(crate) fn answered(
        &mut self,
        ticket: Ticket,
        reasons: &ReasonCodes<'_>,
        properties: &Properties<'_>,
    ) {
        let reason = reasons
            .iter()
            .next()
            .unwrap_or(ReasonCode::UNSPECIFIED_ERROR);
        let answer = if reason.is_failure() {
            Err(SubscribeError::Refused {
                reason,
                reason_string: properties.reason_string().map(str::to_owned),
            })
        } else {
            Ok(reason)
        };
        let wakes = &mut self.wakes;
        // The store has one table for these and for messages.
        self.freed = true;
        match self.pending.remove(ticket.number()) {
            Some(Pending::Subscribe(id)) => {
                // A stream that ends takes its other filters along.
                self.unasked |= answer.is_err();
                self.router.subscribed(id, answer, wakes);
            }
            Some(Pending::Unsubscribe(id)) => self.router.unsubscribed(id, answer, wakes),
            Some(Pending::Publish { .. }) | None => {}
        }
    }

    /// SUBACK or UNSUBACK will not come: the filter is asked for again on the next connection.
    pub(crate) fn unanswered(&mut self, ticket: Ticket) {
        if let Some(Pending::Subscribe(id) | Pending::Unsubscribe(id)) =
            self.pending.remove(ticket.number())
        {
            self.router.unanswered(id);
            self.unasked = true;
            self.freed = true;
        }
    }

    /// The server has accepted.
    pub(crate) fn connected(&mut self, session_present: bool) {
        self.router.connected(session_present, &mut self.wakes);
        self.unasked = true;
        self.counters.connections += 1;
        self.set_state(State::Connected { session_present });
    }

    /// Hands a message, or a part of one, to its streams; what acknowledges each copy for which
    /// there was no room.
    #[must_use = "nobody else acknowledges what was dropped"]
    pub(crate) fn deliver(
        &mut self,
        shared: &Arc<Shared>,
        message: &mqtt_session::Message<'_>,
    ) -> Vec<AckToken> {
        let mut unheld = Vec::new();
        if let Some(payload) = self.assembly.take(message) {
            let receipt = message.token.map(|token| Receipt {
                shared: Arc::downgrade(shared),
                token,
            });
            let topic = self.topic(message.topic);
            let own = Message::of(message, topic, payload, receipt);
            self.counters.received += 1;
            self.trace.received(&own.topic, own.qos, own.payload.len());
            if self.requests.take(&own, &mut self.wakes) {
                return message.token.into_iter().collect();
            }
            let dropped_so_far = &mut self.counters.dropped;
            let trace = &self.trace;
            let (topic, properties) = (message.topic, &message.properties);
            let wakes = &mut self.wakes;
            self.router
                .deliver(topic, properties, own, wakes, |dropped| {
                    *dropped_so_far += 1;
                    trace.dropped(&dropped.topic);
                    unheld.extend(dropped.receipt.map(|receipt| receipt.token));
                });
        }
        unheld
    }

    /// The topic of a message: mostly that of the last one, which is not copied again.
    fn topic(&mut self, name: TopicName<'_>) -> Arc<str> {
        if *self.last_topic != *name.as_str() {
            self.last_topic = name.as_str().into();
        }
        Arc::clone(&self.last_topic)
    }

    /// The rest of a message that has come in part will not come.
    pub(crate) fn delivery_cut(&mut self) {
        self.assembly.cut();
    }

    /// Asks the server for what it does not know yet: as far as the machine has room, and on a
    /// live connection only, where its limits are known.
    pub(crate) fn ask(&mut self, machine: &mut Client<Heap>, now: Instant) {
        if !self.unasked || !machine.is_connected() {
            return;
        }
        self.unasked = false;
        for leaving in &mut self.router.leaving {
            if leaving.standing != Standing::Wanted {
                continue;
            }
            let Ok(filter) = TopicFilter::new(&leaving.filter) else {
                continue;
            };
            match machine.unsubscribe(now, &[filter], &[]) {
                Ok(ticket) => {
                    leaving.standing = Standing::Asked;
                    self.pending
                        .insert(ticket.number(), Pending::Unsubscribe(leaving.id));
                }
                // Only the size can be wrong, and the same filter was subscribed.
                Err(_) => self.unasked = true,
            }
        }
        let identified = machine.limits().subscription_identifier_available;
        let mut refused = Vec::new();
        for route in &mut self.router.routes {
            if route.standing != Standing::Wanted {
                continue;
            }
            let Ok(filter) = TopicFilter::new(&route.filter) else {
                continue;
            };
            let subscription = Subscription {
                filter,
                options: route.options,
            };
            let id = [Property::SubscriptionIdentifier(route.id)];
            let properties = if identified { &id[..] } else { &[] };
            match machine.subscribe(now, &[subscription], properties) {
                Ok(ticket) => {
                    route.standing = Standing::Asked;
                    self.pending
                        .insert(ticket.number(), Pending::Subscribe(route.id));
                }
                Err(RequestError::TooMany | RequestError::NoRoom | RequestError::Stopping) => {
                    self.unasked = true;
                }
                Err(error) => refused.push((route.id, SubscribeError::Invalid(error))),
            }
        }
        for (id, why) in refused {
            self.unasked = true;
            self.router.subscribed(id, Err(why), &mut self.wakes);
        }
    }

    /// Settles all that is not settled; what that was. The first cause counts.
    pub(crate) fn end(&mut self, cause: &Cause) -> Undelivered {
        if let Some(left) = self.left {
            return left;
        }
        let left = std::mem::take(&mut self.load);
        self.left = Some(left);
        for pending in self.pending.drain() {
            if let Pending::Publish { slot, .. } = pending {
                slot.fill(Err(DeliveryError::Ended(cause.clone())), &mut self.wakes);
            }
        }
        self.sources.clear();
        self.router.end(cause, &mut self.wakes);
        self.requests.end(cause, &mut self.wakes);
        self.set_state(State::Ended {
            cause: cause.clone(),
        });
        for watcher in self
            .watchers
            .drain(..)
            .filter_map(|watcher| watcher.upgrade())
        {
            watcher.end(None, &mut self.wakes);
        }
        self.freed = true;
        left
    }
}

/// The messages of one quality of service among those that are not settled.
fn count(load: &mut Undelivered, qos: QoS) -> &mut usize {
    match qos {
        QoS::AtMostOnce => &mut load.at_most_once,
        QoS::AtLeastOnce => &mut load.at_least_once,
        QoS::ExactlyOnce => &mut load.exactly_once,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_that_have_gone_leave_nothing_behind() {
        let mut ledger = Ledger::new(&Options::new("a"));
        let stays = ledger.watch();
        for _ in 0..1_000 {
            drop(ledger.watch());
        }
        assert!(ledger.watchers.len() < 10, "{}", ledger.watchers.len());
        ledger.set_state(State::Connecting);
        assert!(stays.try_next().is_some());
    }
}
