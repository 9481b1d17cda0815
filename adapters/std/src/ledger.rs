//! What the application is owed: outcomes of what it handed over, messages, the state.

use crate::messages::Inbox;
use crate::router::{Router, Standing};
use crate::slot::Slot;
use crate::state::{States, WATCHED};
use crate::token::Outcome;
use mqtt_driver::{Buffer, Cause, DeliveryError, State, SubscribeError, Undelivered};
use mqtt_session::{
    Client, GiveUp, Heap, Instant, Properties, Property, QoS, ReasonCode, ReasonCodes,
    RequestError, Subscription, Ticket, TopicFilter,
};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

#[derive(Debug)]
pub(crate) struct Ledger {
    pending: HashMap<Ticket, Pending>,
    pub(crate) load: Undelivered,
    pub(crate) router: Router,
    pub(crate) state: State,
    watchers: Vec<Weak<Inbox<State>>>,
    /// What was unsettled when the client ended.
    left: Option<Undelivered>,
    /// The queue has become shorter.
    pub(crate) freed: bool,
    /// The state has changed, or the queue is empty.
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
    pub(crate) fn new(unmatched: Buffer, adopts: bool) -> Self {
        Self {
            pending: HashMap::new(),
            load: Undelivered::default(),
            router: Router::new(unmatched, adopts),
            state: State::Connecting,
            watchers: Vec::new(),
            left: None,
            freed: false,
            changed: false,
            unasked: false,
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state.is_ended()
    }

    pub(crate) fn set_state(&mut self, state: State) {
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(watcher) => {
                watcher.push(state.clone(), drop);
                true
            }
            None => false,
        });
        self.state = state;
        self.changed = true;
    }

    pub(crate) fn watch(&mut self) -> States {
        let inbox = Inbox::new(WATCHED);
        if self.is_ended() {
            inbox.end(None);
        } else {
            self.watchers.push(Arc::downgrade(&inbox));
        }
        States { inbox }
    }

    /// The machine has issued a ticket.
    pub(crate) fn expect(&mut self, ticket: Ticket, pending: Pending) {
        if let Pending::Publish { qos, size, .. } = pending {
            *count(&mut self.load, qos) += 1;
            self.load.bytes += size;
        }
        self.pending.insert(ticket, pending);
    }

    /// A publish is settled.
    pub(crate) fn published(
        &mut self,
        ticket: Ticket,
        outcome: Result<ReasonCode, GiveUp>,
        properties: &Properties<'_>,
    ) {
        let Some(Pending::Publish { slot, qos, size }) = self.pending.remove(&ticket) else {
            return;
        };
        *count(&mut self.load, qos) -= 1;
        self.load.bytes -= size;
        self.freed = true;
        self.changed |= self.load.messages() == 0;
        slot.fill(match outcome {
            Ok(reason) if reason.is_failure() => Err(DeliveryError::Refused {
                reason,
                reason_string: properties.reason_string().map(str::to_owned),
            }),
            Ok(reason) => Ok(reason),
            Err(cause) => Err(DeliveryError::GivenUp(cause)),
        });
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
        match self.pending.remove(&ticket) {
            Some(Pending::Subscribe(id)) => self.router.subscribed(id, answer),
            Some(Pending::Unsubscribe(id)) => self.router.unsubscribed(id, answer),
            Some(Pending::Publish { .. }) | None => {}
        }
    }

    /// SUBACK or UNSUBACK will not come: the filter is asked for again on the next connection.
    pub(crate) fn unanswered(&mut self, ticket: Ticket) {
        if let Some(Pending::Subscribe(id) | Pending::Unsubscribe(id)) =
            self.pending.remove(&ticket)
        {
            self.router.unanswered(id);
            self.unasked = true;
        }
    }

    pub(crate) fn connected(&mut self, session_present: bool) {
        self.router.connected(session_present);
        self.unasked = true;
        self.set_state(State::Connected { session_present });
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
                        .insert(ticket, Pending::Unsubscribe(leaving.id));
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
                    self.pending.insert(ticket, Pending::Subscribe(route.id));
                }
                Err(RequestError::TooMany | RequestError::NoRoom | RequestError::Stopping) => {
                    self.unasked = true;
                }
                Err(error) => refused.push((route.id, SubscribeError::Invalid(error))),
            }
        }
        for (id, why) in refused {
            self.router.subscribed(id, Err(why));
        }
    }

    /// Settles all that is not settled; what that was. The first cause counts.
    pub(crate) fn end(&mut self, cause: &Cause) -> Undelivered {
        if let Some(left) = self.left {
            return left;
        }
        let left = std::mem::take(&mut self.load);
        self.left = Some(left);
        for (_, pending) in self.pending.drain() {
            if let Pending::Publish { slot, .. } = pending {
                slot.fill(Err(DeliveryError::Ended(cause.clone())));
            }
        }
        self.router.end(cause);
        self.set_state(State::Ended {
            cause: cause.clone(),
        });
        for watcher in self
            .watchers
            .drain(..)
            .filter_map(|watcher| watcher.upgrade())
        {
            watcher.end(None);
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
