//! What the script says, and what dies and comes back.

use super::World;
use crate::network::application::Asked;
use crate::network::broken::{Found, Property};
use crate::network::letter::{Key, Letter};
use crate::network::link::{End, Way};
use crate::network::plan::{FILTERS, TOPICS, What};
use crate::network::watch::Memory;
use core::time::Duration;
use mqtt_proto::{QoS, Subscription, SubscriptionOptions, TopicFilter, TopicName};
use mqtt_session::broker::{Broker, ConnectionId};
use mqtt_session::{Publish, RequestError};

impl World {
    /// The next step of the script; behind the last, the network heals.
    pub(super) fn step(&mut self) -> Found {
        let Some(step) = self.plan.steps.get(self.next_step).cloned() else {
            self.heal();
            return Ok(());
        };
        self.next_step += 1;
        self.note(|| format!("step {}: {:?}", step.number, step.what));
        match step.what {
            What::Publish {
                client,
                topic,
                qos,
                count,
                large,
                held,
                expiry,
            } => {
                for _ in 0..count {
                    let message = (TOPICS[topic], qos, large, expiry);
                    self.publish(client, message, held)?;
                }
                Ok(())
            }
            What::Subscribe {
                client,
                filter,
                qos,
            } => self.subscribe(client, FILTERS[filter], qos),
            What::Unsubscribe { client, filter } => self.unsubscribe(client, FILTERS[filter]),
            What::Stop { client } => {
                let peer = &mut self.peers[client];
                if peer.away.is_none() {
                    peer.machine.stop(self.now);
                    (peer.stopped, peer.stopping) = (true, true);
                    peer.stirred = true;
                }
                Ok(())
            }
            What::Start { client } => {
                self.start(client);
                Ok(())
            }
            What::Cut { client, learns } => {
                if let Some(link) = self.peers[client].link {
                    let (client, broker) = learns;
                    let learns = (Duration::from_millis(client), Duration::from_millis(broker));
                    self.cut(link, learns);
                }
                Ok(())
            }
            What::ClientDies {
                client,
                keeps,
                away,
            } => {
                self.client_dies(client, keeps, Duration::from_millis(away));
                Ok(())
            }
            What::BrokerDies { keeps, away } => {
                self.broker_dies(keeps, Duration::from_millis(away));
                Ok(())
            }
        }
    }

    fn publish(
        &mut self,
        client: usize,
        (topic, qos, large, expiry): (&'static str, QoS, bool, Option<u32>),
        held: bool,
    ) -> Found {
        let now = self.now;
        let peer = &mut self.peers[client];
        let Ok(name) = TopicName::new(topic) else {
            return Ok(());
        };
        if peer.away.is_some() {
            return Ok(());
        }
        let key = peer.application.next_key(client);
        let payload = key.payload(large);
        let mut publish = Publish::new(name, &payload).qos(qos);
        if let Some(seconds) = expiry {
            publish = publish.message_expiry_interval(seconds);
        }
        // Of those that are not copied, every other one is drawn when it is sent.
        let taken = match (held, key.number % 2) {
            (false, _) => peer.machine.publish(now, &publish),
            (true, 0) => peer.machine.publish_held(now, &publish, payload.clone()),
            (true, _) => peer.machine.publish_drawn(now, &publish, payload.len()),
        };
        peer.stirred = true;
        self.is_published(client, key, taken, |letter| {
            (letter.topic, letter.qos) = (topic, qos);
            (letter.large, letter.expiry) = (large, expiry);
        })
    }

    /// The machine has answered a publish.
    pub(super) fn is_published(
        &mut self,
        client: usize,
        key: Key,
        taken: Result<mqtt_session::Ticket, RequestError>,
        fill: impl FnOnce(&mut Letter),
    ) -> Found {
        self.note(|| format!("client {client} publishes {key}: {taken:?}"));
        let peer = &mut self.peers[client];
        peer.polls = 0;
        match taken {
            Ok(ticket) => {
                let mut letter = Letter {
                    topic: TOPICS[0],
                    qos: QoS::AtMostOnce,
                    large: false,
                    expiry: None,
                    at: self.now,
                    links: peer.links,
                    arrivals: 0,
                    expires: None,
                };
                fill(&mut letter);
                self.seen.published += 1;
                self.post.letters.insert(key, letter);
                peer.application.asked(ticket, Asked::Publish(key))
            }
            Err(
                RequestError::NotConnected
                | RequestError::Stopping
                | RequestError::TooMany
                | RequestError::NoRoom
                | RequestError::LargerThanStore
                | RequestError::TooLarge { .. },
            ) => Ok(()),
            Err(error) => Err(Property::Harmony.broken(format!("{key} is refused: {error}"))),
        }
    }

    fn subscribe(&mut self, client: usize, filter: &'static str, qos: QoS) -> Found {
        let now = self.now;
        let peer = &mut self.peers[client];
        let Ok(name) = TopicFilter::new(filter) else {
            return Ok(());
        };
        if peer.away.is_some() {
            return Ok(());
        }
        let options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        let to = Subscription {
            filter: name,
            options,
        };
        peer.stirred = true;
        peer.polls = 0;
        if let Ok(ticket) = peer.machine.subscribe(now, to) {
            peer.application.filters.insert(filter);
            peer.application.asked(ticket, Asked::Request)?;
        }
        Ok(())
    }

    fn unsubscribe(&mut self, client: usize, filter: &'static str) -> Found {
        let now = self.now;
        let peer = &mut self.peers[client];
        let Ok(name) = TopicFilter::new(filter) else {
            return Ok(());
        };
        if peer.away.is_some() {
            return Ok(());
        }
        peer.stirred = true;
        peer.polls = 0;
        match peer.machine.unsubscribe(now, name) {
            Ok(ticket) => peer.application.asked(ticket, Asked::Request),
            Err(_) => Ok(()),
        }
    }

    fn start(&mut self, client: usize) {
        let peer = &mut self.peers[client];
        if peer.away.is_none() {
            peer.machine.start(self.now);
            peer.stopped = false;
            peer.stirred = true;
            peer.polls = 0;
        }
    }

    /// A client dies: its transport is closed by its system, or nobody is left to close it.
    pub(super) fn client_dies(&mut self, client: usize, keeps: bool, away: Duration) {
        let now = self.now;
        if self.peers[client].away.is_some() {
            return;
        }
        if let Some(link) = self.peers[client].link {
            let (_, learns) = self.ignorance();
            self.cut(link, (Duration::ZERO, learns));
            if let Some(link) = self.links.iter_mut().find(|found| found.id == link) {
                link.client_end = End::Closed;
            }
        }
        let seed = self.plan.seed;
        let peer = &mut self.peers[client];
        peer.dialling = None;
        peer.away = Some(now.after(away));
        if keeps {
            peer.machine = peer.machine.clone();
            peer.is_cut();
        } else {
            let away = peer.away;
            peer.reborn(seed);
            peer.away = away;
        }
        self.seen.deaths += 1;
        self.forget_links();
    }

    pub(super) fn client_returns(&mut self, client: usize) {
        let now = self.now;
        let peer = &mut self.peers[client];
        peer.away = None;
        peer.stirred = true;
        peer.polls = 0;
        peer.machine.closed(now);
        if !peer.stopped {
            peer.machine.start(now);
        }
        self.note(|| format!("client {client} is back"));
    }

    fn broker_dies(&mut self, keeps: bool, away: Duration) {
        if self.broker_away.is_some() {
            return;
        }
        let dying = self.broker.take();
        let open: Vec<u64> = self.links.iter().map(|link| link.id).collect();
        for id in open {
            let (learns, _) = self.ignorance();
            self.cut(id, (learns, Duration::ZERO));
        }
        if keeps {
            self.kept = dying.clone();
        } else {
            self.kept = None;
            self.post.is_lost();
            self.memories.fill(Memory::default());
            self.lines.clear();
            for link in &mut self.links {
                link.broker_end = End::Closed;
            }
            self.forget_links();
        }
        self.broker_away = Some(self.now.after(away));
        self.seen.deaths += 1;
    }

    pub(super) fn broker_returns(&mut self) {
        let config = self.plan.broker.clone();
        let back = self.kept.take().unwrap_or_else(|| Broker::new(config));
        self.broker = Some(back);
        self.broker_away = None;
        self.broker_stirred = true;
        self.broker_polls = 0;
        self.note(|| "the broker is back".into());
        // Its transports are gone, and it learns of it before anything else comes.
        let open: Vec<u64> = self.links.iter().map(|link| link.id).collect();
        for id in open {
            self.broker_learns(id);
        }
    }

    /// Traffic stops, and the network is well from here on.
    fn heal(&mut self) {
        let now = self.now;
        self.note(|| "the network heals".into());
        self.healed = Some(now);
        let weather = &mut self.weather;
        weather.latency = (0, 1_000);
        (weather.stalls, weather.cuts, weather.refused) = (0, 0, 0);
        weather.capacity = 64 << 10;
        let dead: Vec<u64> = self.links.iter().map(|link| link.id).collect();
        for link in &mut self.links {
            link.heal(now);
        }
        // A sender that waits for room finds some.
        for id in dead {
            let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
                continue;
            };
            let (client, dead) = (link.client, link.dead);
            let up = core::mem::take(&mut link.pipe(Way::Up).blocked);
            let down = core::mem::take(&mut link.pipe(Way::Down).blocked);
            if up && !dead && self.peers[client].link == Some(id) {
                self.peers[client].machine.sent(now, 0);
                self.peers[client].stirred = true;
            }
            if let Some(broker) = self.broker.as_mut().filter(|_| down && !dead) {
                broker.sent(now, ConnectionId(id), 0);
                self.broker_stirred = true;
            }
        }
        self.broker_away = self.broker_away.map(|_| now);
        for client in 0..self.peers.len() {
            let peer = &mut self.peers[client];
            peer.away = peer.away.map(|_| now);
            peer.stopped = false;
            self.start(client);
        }
    }
}
