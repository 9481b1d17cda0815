//! What the clients want done, and what their side of the network does to them.

use super::{MOST_POLLS, World};
use crate::network::application::{Arrival, Asked};
use crate::network::broken::{Broken, Found, Property};
use crate::network::history::shown;
use crate::network::letter::Key;
use crate::network::link::{End, Link, Way};
use crate::network::machine::{Acted, Part};
use crate::network::plan::{SHARED_TOPIC, TOPICS};
use crate::network::post::Post;
use crate::network::watch::{Fact, Line};
use crate::talk::Told;
use core::time::Duration;
use mqtt_proto::{QoS, ReasonCode, Sender, TopicName};
use mqtt_session::broker::ConnectionId;
use mqtt_session::{Cause, Connect, Instant, Publish, RequestError, Ticket};

/// Where answers go that are published while a message is lent.
const ECHOES: usize = 3;

/// An answer that was published while a message was lent, and what became of it.
type Echo = Option<(Key, QoS, Result<Ticket, RequestError>)>;

impl World {
    /// A client acts for a while, or until it has nothing to do.
    pub(super) fn poll_client(&mut self, number: usize) -> Found {
        for _ in 0..self.dice.between(1, 8) {
            let acted = self.poll_once(number);
            self.is_read(number)?;
            let peer = &mut self.peers[number];
            peer.polls += 1;
            let polls = peer.polls;
            Property::Liveness.holds(polls < MOST_POLLS, || {
                format!("client {number} acts {polls} times in a row: {acted:?}")
            })?;
            match acted {
                Acted::Timeout(at) => {
                    let now = self.now;
                    let peer = &mut self.peers[number];
                    peer.stirred = false;
                    peer.deadline = at;
                    peer.polls = 0;
                    // What has become due in this very poll is done by the next.
                    let again = core::mem::replace(&mut peer.waits_for_now, at <= now);
                    return Property::Liveness.holds(!(again && at <= now), || {
                        format!("client {number} waits for a moment that has passed")
                    });
                }
                acted => {
                    self.peers[number].waits_for_now = false;
                    self.act(number, acted)?;
                }
            }
        }
        Ok(())
    }

    fn poll_once(&mut self, number: usize) -> Acted<Echo> {
        let now = self.now;
        let peer = &mut self.peers[number];
        // What was reached is dealt with by this poll.
        if peer.deadline <= now {
            peer.deadline = Instant::NEVER;
            peer.stirred = true;
        }
        let answers = self.healed.is_none() && self.dice.percent(peer.plan.echoes);
        let qos = self
            .dice
            .pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let (machine, application) = (&mut peer.machine, &mut peer.application);
        machine.poll(now, &mut peer.input, |delivery| {
            let message = &delivery.message;
            let topic = TopicName::new(TOPICS[ECHOES]).ok()?;
            if !answers || message.topic == topic || !message.is_last() {
                return None;
            }
            let key = application.next_key(number);
            let payload = key.payload(false);
            let echo = Publish::new(topic, &payload).qos(qos);
            Some((key, qos, delivery.publish(&echo)))
        })
    }

    /// What the machine has read is seen by its watcher.
    fn is_read(&mut self, number: usize) -> Found {
        let now = self.now;
        let peer = &mut self.peers[number];
        let read = peer.has_read();
        if let Some(line) = &mut peer.line
            && !read.is_empty()
        {
            line.heard(now, &read, &mut peer.memory)?;
        }
        Ok(())
    }

    fn act(&mut self, number: usize, acted: Acted<Echo>) -> Found {
        let now = self.now;
        match acted {
            Acted::Open => {
                let (least, most) = self.weather.latency;
                let after = Duration::from_micros(self.dice.between(least, most));
                self.peers[number].dialling = Some(now.after(after));
                Ok(())
            }
            Acted::Send(bytes) => self.client_sends(number, &bytes),
            Acted::Deliver(part, echo) => self.is_delivered(number, part, echo),
            Acted::Told(Told::PayloadWanted(ticket)) => self.supplies(number, ticket),
            Acted::Told(told) => self.is_told(number, told),
            Acted::Close => {
                self.client_closes(number);
                Ok(())
            }
            Acted::Done => {
                // It was started again while it was stopping, or has stopped by itself.
                let peer = &mut self.peers[number];
                peer.stopping = false;
                if !peer.stopped {
                    peer.machine.start(now);
                }
                Ok(())
            }
            Acted::Timeout(_) => Ok(()),
        }
    }

    /// A client wants the next part of a payload, and gets it.
    fn supplies(&mut self, number: usize, ticket: Ticket) -> Found {
        let now = self.now;
        let peer = &mut self.peers[number];
        let key = peer.application.published(ticket);
        let letter = key.and_then(|key| Some((key, self.post.letters.get(&key)?)));
        let Some((key, letter)) = letter else {
            return Err(Property::Tickets.broken(format!("{ticket:?} is wanted, and is not open")));
        };
        let supplied = peer.machine.supply(now, ticket, &key.payload(letter.large));
        Property::Content.holds(supplied, || format!("another part is drawn than of {key}"))
    }

    /// The transport that a client asked for is there, or cannot be had.
    pub(super) fn dialled(&mut self, number: usize) -> Found {
        let now = self.now;
        let refused = self.dice.percent(self.weather.refused);
        let peer = &mut self.peers[number];
        peer.dialling = None;
        peer.stirred = true;
        peer.polls = 0;
        let Some(broker) = self.broker.as_mut().filter(|_| !refused) else {
            peer.machine.closed(now);
            return Ok(());
        };
        let (client_id, properties) = (peer.client_id(), peer.properties());
        let mut connect = Connect::new(&client_id);
        connect.clean_start = peer.plan.clean_start;
        connect.keep_alive = peer.plan.keep_alive;
        connect.properties = &properties;
        peer.machine
            .opened(now, &connect)
            .map_err(|error| Property::Harmony.broken(format!("{error} on opening")))?;
        let id = self.next_link;
        self.next_link += 1;
        let mut link = Link::new(id, number, &self.weather, &mut self.dice);
        if self.healed.is_some() {
            link.heal(now);
        }
        peer.link = Some(id);
        peer.links += 1;
        peer.line = Some(Line::new(Sender::Client));
        broker.opened(now, ConnectionId(id));
        self.broker_stirred = true;
        self.broker_polls = 0;
        self.lines.push(super::BrokerLine {
            link: id,
            client: number,
            line: Line::new(Sender::Server),
            retired: None,
            was_full: false,
        });
        self.links.push(link);
        self.note(|| format!("link {id} of client {number} opens"));
        Ok(())
    }

    fn client_sends(&mut self, number: usize, bytes: &[u8]) -> Found {
        let now = self.now;
        Property::Liveness.holds(!bytes.is_empty(), || "an empty send".into())?;
        let peer = &mut self.peers[number];
        let id = peer.link;
        let Some(link) = self.links.iter_mut().find(|link| Some(link.id) == id) else {
            let what = format!("client {number} sends without a transport");
            return Err(Property::Streams.broken(what));
        };
        let lost = link.dead || link.broker_end != End::Open;
        let count = link
            .up
            .write(now, bytes, lost, &self.weather, &mut self.dice);
        if count == 0 {
            return Ok(());
        }
        peer.polls = 0;
        peer.machine.sent(now, count);
        let history = &mut self.history;
        let Some(line) = &mut peer.line else {
            return Ok(());
        };
        let accepted = line.accepted_at;
        let facts = line.sent(&bytes[..count], &mut peer.memory, |packet| {
            history.note(now, || format!("client {number} ->  {}", shown(packet)));
        })?;
        for fact in facts {
            self.client_sent(number, accepted, fact)?;
        }
        Ok(())
    }

    fn client_sent(&mut self, number: usize, accepted: Instant, fact: Fact) -> Found {
        match fact {
            Fact::Published { key, dup, expiry } => {
                let Some(letter) = self.post.letters.get(&key) else {
                    let what = format!("client {number} sends {key}, which it did not take");
                    return Err(Property::Content.broken(what));
                };
                if let Some(seconds) = letter.expiry {
                    let expires = letter.at.after(Duration::from_secs(seconds.into()));
                    Post::counts_down((key, dup, expiry), letter.at, expires, accepted)?;
                }
                Ok(())
            }
            Fact::Acknowledged {
                key,
                exactly_once,
                reason,
            } => {
                let application = &mut self.peers[number].application;
                application.is_told(key, exactly_once, reason)
            }
            _ => Ok(()),
        }
    }

    fn is_delivered(&mut self, number: usize, part: Part, echo: Echo) -> Found {
        if let Some((key, qos, taken)) = echo {
            self.is_published(number, key, taken, |letter| {
                (letter.topic, letter.qos) = (TOPICS[ECHOES], qos);
            })?;
        }
        let peer = &mut self.peers[number];
        let whole = peer
            .application
            .takes_part(part.offset, &part.payload, part.is_last)?;
        let Some(payload) = whole else { return Ok(()) };
        let unknown = || Property::Content.broken(format!("{payload:?} was never published"));
        let key = Key::of(&payload).ok_or_else(unknown)?;
        let letter = self.post.letters.get(&key).ok_or_else(unknown)?;
        let arrival = Arrival {
            topic: part.topic,
            payload,
            qos: part.qos,
            token: part.token,
        };
        self.history.note(self.now, || {
            format!(
                "client {number} has {key} at qos {}, by hand: {}",
                arrival.qos as u8,
                arrival.token.is_some()
            )
        });
        let since = self.peers[key.publisher].links + 1;
        let most = since.saturating_sub(letter.links).max(1) * self.peers[number].links;
        let peer = &mut self.peers[number];
        let by_hand = peer.plan.manual && arrival.qos > QoS::AtMostOnce;
        Property::Acknowledgement.holds(by_hand == arrival.token.is_some(), || {
            format!("{key} is not to be acknowledged as the application wants it")
        })?;
        peer.application.takes(&arrival, (key, letter), most)?;
        let once = letter.qos == QoS::AtMostOnce
            || letter.qos == QoS::ExactlyOnce && arrival.qos == QoS::ExactlyOnce;
        if letter.topic == SHARED_TOPIC && once && arrival.token.is_none() {
            self.post.group.has_once(key)?;
        }
        self.seen.delivered += 1;
        if arrival.token.is_some() {
            let after = Duration::from_millis(self.dice.pick(&[0, 0, 30, 500, 3_000]));
            peer.looks = peer.looks.min(self.now.after(after));
        } else {
            self.post.has(number, key);
        }
        Ok(())
    }

    /// The application of a client acknowledges some of what it has, in any order.
    pub(super) fn looks(&mut self, number: usize) -> Found {
        let now = self.now;
        let peer = &mut self.peers[number];
        peer.looks = Instant::NEVER;
        let pending = &mut peer.application.pending;
        if pending.is_empty() {
            return Ok(());
        }
        let (token, key) = pending.swap_remove(self.dice.index(pending.len()));
        let reason = if self.healed.is_none() && self.dice.percent(peer.plan.refuses) {
            ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
        } else {
            ReasonCode::SUCCESS
        };
        peer.machine
            .acknowledge(token, reason)
            .map_err(|error| Property::Acknowledgement.broken(format!("{key}: {error}")))?;
        peer.application.answers(key, reason);
        peer.stirred = true;
        peer.polls = 0;
        if !peer.application.pending.is_empty() {
            let after = Duration::from_millis(self.dice.pick(&[0, 0, 30, 500]));
            peer.looks = now.after(after);
        }
        self.post.has(number, key);
        self.note(|| format!("client {number} answers {key} with {reason}"));
        Ok(())
    }

    fn is_told(&mut self, number: usize, told: Told) -> Found {
        let now = self.now;
        self.note(|| format!("client {number} is told {told:?}"));
        let small_broker = self.plan.broker.maximum_packet_size < 300;
        let peer = &mut self.peers[number];
        match told {
            Told::Published(ticket, outcome, _) => match peer.application.settled(ticket)? {
                Asked::Publish(key) => {
                    let letter = self.post.letters.get(&key).ok_or_else(|| lost(key))?;
                    let letter = (key, letter);
                    peer.application.may_end(now, letter, outcome, small_broker)
                }
                Asked::Request => Err(Property::Tickets.broken("a request is published")),
            },
            Told::Subscribed(ticket, _)
            | Told::Unsubscribed(ticket, _)
            | Told::Unanswered(ticket, _) => match peer.application.settled(ticket)? {
                Asked::Request => Ok(()),
                Asked::Publish(key) => {
                    let what = format!("{key} is settled as a request");
                    Err(Property::Tickets.broken(what))
                }
            },
            Told::Violation(reason, statement) => {
                let what = format!("client {number} accuses the broker: {reason}, {statement}");
                Err(Property::Harmony.broken(what))
            }
            Told::Refused(reason) => {
                let what = format!("client {number} is refused: {reason}");
                Err(Property::Harmony.broken(what))
            }
            Told::ServerDisconnect(reason) => {
                // A CONNECT that was held up on an earlier link takes the session from this one.
                let may = reason == ReasonCode::QUOTA_EXCEEDED
                    || reason == ReasonCode::KEEP_ALIVE_TIMEOUT
                    || reason == ReasonCode::SESSION_TAKEN_OVER;
                Property::Harmony
                    .holds(may, || format!("client {number} is disconnected: {reason}"))
            }
            Told::Connected { session_present } => {
                self.is_accepted(number, session_present);
                Ok(())
            }
            Told::SessionLost => {
                peer.application.lost_session = true;
                Ok(())
            }
            Told::Disconnected(cause, retry) => {
                peer.application.lost_session |= peer.plan.session_expiry == 0;
                let may_rest = peer.stopping
                    || cause == Cause::ServerDisconnect(ReasonCode::SESSION_TAKEN_OVER);
                Property::Harmony.holds(retry.is_some() || may_rest, || {
                    format!("client {number} gives up: {cause}")
                })
            }
            _ => Ok(()),
        }
    }

    /// The broker has accepted a client, as far as the client knows.
    ///
    /// A session that the client's own CONNECT began is not told from the one before when its
    /// CONNACK was lost: the standard leaves both sides at odds. An application that holds on to
    /// what it promised would have to begin anew, and so does this one.
    fn is_accepted(&mut self, number: usize, session_present: bool) {
        let id = self.peers[number].link;
        let link = self.links.iter().find(|link| Some(link.id) == id);
        let session = link.map(|link| link.session);
        let known = core::mem::replace(&mut self.peers[number].session, session);
        if session_present && known.is_some() && known != session {
            self.note(|| format!("client {number} and the broker mean different sessions"));
            self.seen.at_odds += 1;
            self.client_dies(number, false, Duration::ZERO);
        }
    }

    /// A client closes its end of its link: what it has written still arrives, mostly.
    fn client_closes(&mut self, number: usize) {
        let id = self.peers[number].link;
        let abrupt = self.healed.is_none() && self.dice.percent(15);
        if let Some(link) = self.links.iter_mut().find(|link| Some(link.id) == id) {
            link.client_end = End::Closed;
            link.pipe(Way::Up).close();
            let id = link.id;
            self.history.note(self.now, || {
                format!("client {number} closes link {id}, abruptly: {abrupt}")
            });
            if abrupt {
                let (_, broker) = self.ignorance();
                self.cut(id, (Duration::ZERO, broker));
            }
        }
        self.gone(number);
    }

    /// A client learns that its link is gone.
    pub(super) fn client_learns(&mut self, number: usize) {
        let id = self.peers[number].link;
        if let Some(link) = self.links.iter_mut().find(|link| Some(link.id) == id) {
            link.client_end = End::Closed;
        }
        self.note(|| format!("client {number} learns that its link is gone"));
        self.gone(number);
    }

    fn gone(&mut self, number: usize) {
        let peer = &mut self.peers[number];
        peer.machine.closed(self.now);
        peer.is_cut();
        self.forget_links();
    }
}

fn lost(key: Key) -> Broken {
    Property::Content.broken(format!("{key} is settled, and was never taken"))
}
