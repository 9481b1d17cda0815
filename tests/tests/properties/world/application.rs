//! What the application does.

use super::super::Found;
use super::super::held::Held;
use super::super::ledger::Asked;
use super::super::script::{Handed, Step};
use super::super::session::payload;
use super::{Entry, TOPICS, World};
use crate::holds;
use mqtt_proto::{
    Property, QoS, ReasonCode, RetainHandling, Subscription, SubscriptionOptions, TopicFilter,
    TopicName,
};
use mqtt_session::{AcknowledgeError, Connect, ConnectError, Publish};

const FILTERS: [&str; 3] = ["plain", "plain/too", "third"];
const WILD: [&str; 3] = ["wild/#", "+/too", "#"];
const SHARED: [&str; 3] = ["$share/g/plain", "$share/g/too", "$share/h/third"];
const SHARED_WILD: [&str; 3] = ["$share/g/#", "$share/g/+", "$share/h/+/x"];

impl<S: Held> World<S> {
    /// A call of the application.
    pub(super) fn calls(&mut self, call: &Step) -> Found {
        let now = self.at();
        match call {
            Step::Publish {
                qos,
                topic,
                len,
                retain,
                expiry,
                properties,
                how,
            } => {
                let uid = (self.step as u64 + 1) << 16;
                let payload = payload(uid, usize::from(*len));
                let topic = TOPICS[usize::from(*topic)];
                let list = [
                    Property::ContentType("text"),
                    Property::UserProperty("k", "v"),
                ];
                let name = TopicName::new(topic).expect("a topic name");
                let mut publish = Publish::new(name, &payload).qos(*qos).retain(*retain);
                if *properties {
                    publish = publish.properties(&list);
                }
                if let Some(seconds) = expiry {
                    publish = publish.message_expiry_interval(*seconds);
                }
                let client = &mut self.client;
                let result = match how {
                    Handed::Copied => client.publish(now, &publish),
                    Handed::Apart => S::publish_apart(client, now, &publish, payload.clone()),
                    Handed::Drawn => client.publish_drawn(now, &publish, payload.len()),
                };
                self.called(&result);
                if let Ok(ticket) = result {
                    if *how == Handed::Drawn {
                        self.sources.insert(ticket, payload);
                    }
                    let asked = Asked::Publish { uid, qos: *qos };
                    self.ledger.asked(ticket, asked)?;
                    let order = self.published.entry((topic.to_owned(), *qos));
                    order.or_default().push(uid);
                }
            }
            Step::Subscribe {
                filters,
                shared,
                wildcard,
                identified,
            } => self.subscribe(usize::from(*filters), *shared, *wildcard, *identified)?,
            Step::Unsubscribe { filters } => {
                let filters: Vec<_> = FILTERS[..usize::from(*filters)]
                    .iter()
                    .map(|filter| TopicFilter::new(filter).expect("a filter"))
                    .collect();
                let result = self.client.unsubscribe(now, &filters, &[]);
                self.called(&result);
                if let Ok(ticket) = result {
                    let filters = filters.len();
                    self.ledger.asked(ticket, Asked::Unsubscribe { filters })?;
                }
            }
            Step::Acknowledge {
                which,
                reason,
                properties,
            } => self.acknowledge(*which, *reason, *properties)?,
            Step::AcknowledgeStale { which } => {
                let at = usize::from(*which).checked_rem(self.stale.len());
                if let Some(token) = at.map(|at| self.stale[at]) {
                    let result = self.client.acknowledge(token, ReasonCode::SUCCESS);
                    holds!(
                        result == Err(AcknowledgeError::Stale),
                        "stale, but {result:?}"
                    );
                    self.called(&result);
                }
            }
            Step::Abandon { which } => {
                let at = usize::from(*which).checked_rem(self.ledger.open.len());
                let ticket = at.and_then(|at| self.ledger.open.keys().nth(at)).copied();
                if let Some(ticket) = ticket {
                    let result = self.client.abandon(ticket).then_some(()).ok_or(());
                    self.called(&result);
                }
            }
            Step::Authenticate { again, right } => self.authenticate(*again, *right),
            Step::Start => {
                let at_rest = self.resting;
                self.client.start(now);
                if at_rest {
                    self.resting = false;
                    self.retry = None;
                } else {
                    self.refused.insert(self.step);
                }
            }
            Step::Stop => self.client.stop(now),
            Step::StopWith { reason, expiry } => {
                const REASONS: [ReasonCode; 6] = [
                    ReasonCode::SUCCESS,
                    ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
                    ReasonCode::UNSPECIFIED_ERROR,
                    ReasonCode::SUCCESS,
                    ReasonCode::SERVER_BUSY,
                    ReasonCode::PACKET_TOO_LARGE,
                ];
                let mut properties = vec![Property::ReasonString("a reason that is long")];
                properties.extend(expiry.map(Property::SessionExpiryInterval));
                let reason = REASONS[usize::from(*reason)];
                let result = self.client.stop_with(now, reason, &properties);
                self.called(&result);
            }
            Step::OutOfPlace(which) => self.out_of_place(*which)?,
            _ => {}
        }
        Ok(())
    }

    /// Supplies the next part of what the client wants, if the application supplies anything.
    pub(super) fn supply(&mut self) -> Found {
        if self.supplies == 0 {
            return Ok(());
        }
        let Some(ticket) = self.wanted.take() else {
            return Ok(());
        };
        // What was wanted may have been given up since, with its transport.
        let Some(mut draw) = self.client.draw(self.at()) else {
            return Ok(());
        };
        let Some(source) = self.sources.get(&ticket).filter(|_| draw.ticket == ticket) else {
            return Err(format!("{ticket:?} is wanted, {draw:?} is drawn"));
        };
        let left = source.get(draw.offset..).unwrap_or_default();
        holds!(draw.total == source.len(), "another total: {draw:?}");
        let room = draw.room();
        holds!(
            !room.is_empty() && room.len() <= left.len(),
            "room for {} bytes of {}",
            room.len(),
            left.len()
        );
        let count = room.len().min(self.supplies);
        room[..count].copy_from_slice(&left[..count]);
        draw.supply(count);
        Ok(())
    }

    /// Notes whether a call took effect.
    fn called<T, E: core::fmt::Debug>(&mut self, result: &Result<T, E>) {
        if result.is_ok() {
            let calls = format!("step {}", self.step);
            self.log.push(Entry::Called(calls));
        } else {
            self.refused.insert(self.step);
        }
    }

    fn subscribe(
        &mut self,
        filters: usize,
        shared: bool,
        wildcard: bool,
        identified: bool,
    ) -> Found {
        let names = match (shared, wildcard) {
            (false, false) => FILTERS,
            (false, true) => WILD,
            (true, false) => SHARED,
            (true, true) => SHARED_WILD,
        };
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let subscriptions: Vec<_> = names[..filters]
            .iter()
            .map(|name| Subscription {
                filter: TopicFilter::new(name).expect("a filter"),
                options,
            })
            .collect();
        let identifier = [Property::SubscriptionIdentifier(7)];
        let properties = if identified { &identifier[..] } else { &[] };
        let now = self.at();
        let result = self.client.subscribe(now, &subscriptions, properties);
        self.called(&result);
        if let Ok(ticket) = result {
            self.ledger.asked(ticket, Asked::Subscribe { filters })?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, which: u8, reason: u8, said: bool) -> Found {
        const REASONS: [ReasonCode; 6] = [
            ReasonCode::SUCCESS,
            ReasonCode::SUCCESS,
            ReasonCode::SUCCESS,
            ReasonCode::NOT_AUTHORIZED,
            ReasonCode::NO_MATCHING_SUBSCRIBERS,
            ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        ];
        let Some(at) = usize::from(which).checked_rem(self.tokens.len()) else {
            return Ok(());
        };
        let (token, uid) = self.tokens[at];
        let reason = REASONS[usize::from(reason)];
        let properties = [Property::ReasonString("so")];
        let result = if said {
            self.client.acknowledge_with(token, reason, &properties)
        } else {
            self.client.acknowledge(token, reason)
        };
        self.called(&result);
        match result {
            Ok(()) => {
                self.stale.push(self.tokens.remove(at).0);
                self.acknowledged.extend(uid);
            }
            Err(AcknowledgeError::Stale) => return Err("a fresh token is called stale".into()),
            Err(_) => {}
        }
        Ok(())
    }

    pub(super) fn authenticate(&mut self, again: bool, right: bool) {
        let properties = [
            Property::AuthenticationMethod(if right { "M" } else { "N" }),
            Property::AuthenticationData(b"data"),
        ];
        let now = self.at();
        let result = if again {
            self.client.reauthenticate(now, &properties)
        } else {
            self.client.authenticate(now, &properties)
        };
        self.called(&result);
        if result.is_ok() && !again {
            self.challenged = false;
        }
    }

    /// Calls that make no sense and must do nothing.
    fn out_of_place(&mut self, which: u8) -> Found {
        let now = self.at();
        match which % 6 {
            0 if !self.is_dialling => {
                let result = self.client.opened(now, &Connect::new("x"));
                holds!(
                    result == Err(ConnectError::NotExpected),
                    "opened: {result:?}"
                );
                self.called(&result);
            }
            1 if !self.is_open && !self.is_dialling => {
                self.client.closed(now);
                self.refused.insert(self.step);
            }
            2 if self.offered.is_none() => {
                self.client.sent(now, 7);
                self.refused.insert(self.step);
            }
            3 => {
                let alias = [Property::TopicAlias(1)];
                let topic = TopicName::new("t").expect("a topic name");
                let publish = Publish::new(topic, b"x").properties(&alias);
                let result = self.client.publish(now, &publish);
                holds!(result.is_err(), "an alias was accepted");
                self.called(&result);
            }
            4 => {
                let result = self.client.subscribe(now, &[], &[]);
                holds!(result.is_err(), "an empty SUBSCRIBE was accepted");
                self.called(&result);
            }
            5 if self.offered.is_some() => {
                // Nothing was taken: what is left is offered again.
                self.client.sent(now, 0);
                self.offered = None;
            }
            _ => {}
        }
        Ok(())
    }
}
