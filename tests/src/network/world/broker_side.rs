//! What the broker wants done, and what its side of the network does to it.

use super::{MOST_POLLS, World};
use crate::network::broken::{Found, Property};
use crate::network::history::shown;
use crate::network::link::{End, Way};
use crate::network::plan::SHARED_TOPIC;
use crate::network::post::Post;
use crate::network::watch::Fact;
use mqtt_session::broker::{BrokerAction, BrokerEvent, ConnectionId, EndCause};
use mqtt_session::{Instant, ReasonCode};

/// What a poll returned, without the borrow.
enum Acted {
    Send(u64, Vec<u8>),
    Close(u64),
    Event(BrokerEvent),
    Timeout(Instant),
}

impl World {
    /// The broker acts for a while, or until it has nothing to do.
    pub(super) fn poll_broker(&mut self) -> Found {
        for _ in 0..self.dice.between(1, 12) {
            let now = self.now;
            let Some(broker) = &mut self.broker else {
                return Ok(());
            };
            let acted = match broker.poll(now) {
                BrokerAction::Send { connection, bytes } => Acted::Send(connection.0, bytes.into()),
                BrokerAction::Close { connection } => Acted::Close(connection.0),
                BrokerAction::Event(event) => Acted::Event(event),
                BrokerAction::Timeout(at) => Acted::Timeout(at),
            };
            self.broker_stirred = true;
            self.broker_deadline = Instant::NEVER;
            self.broker_polls += 1;
            let polls = self.broker_polls;
            if !matches!(acted, Acted::Timeout(_)) {
                self.broker_waits_for_now = false;
            }
            Property::Liveness.holds(polls < MOST_POLLS, || {
                format!("the broker acts {polls} times in a row")
            })?;
            match acted {
                Acted::Send(id, bytes) => self.broker_sends(id, &bytes)?,
                Acted::Close(id) => self.broker_closes(id)?,
                Acted::Event(event) => self.broker_tells(event)?,
                Acted::Timeout(at) => {
                    self.broker_stirred = false;
                    self.broker_deadline = at;
                    self.broker_polls = 0;
                    // What has become due in this very poll is done by the next.
                    let again = core::mem::replace(&mut self.broker_waits_for_now, at <= now);
                    return Property::Liveness.holds(!(again && at <= now), || {
                        "the broker waits for a moment that has passed".into()
                    });
                }
            }
        }
        Ok(())
    }

    fn broker_sends(&mut self, id: u64, bytes: &[u8]) -> Found {
        let now = self.now;
        Property::Liveness.holds(!bytes.is_empty(), || "an empty send".into())?;
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            let what = format!("the broker sends over link {id}, which it closed");
            return Err(Property::Streams.broken(what));
        };
        let lost = link.dead || link.client_end != End::Open;
        let down = &mut link.down;
        let count = down.write(now, bytes, lost, &self.weather, &mut self.dice);
        if let Some(found) = self.lines.iter_mut().find(|line| line.link == id) {
            found.was_full |= count < bytes.len();
        }
        if count == 0 {
            return Ok(());
        }
        self.broker_polls = 0;
        if let Some(broker) = &mut self.broker {
            broker.sent(now, ConnectionId(id), count);
        }
        let history = &mut self.history;
        let Some(found) = self.lines.iter_mut().find(|line| line.link == id) else {
            return Ok(());
        };
        let (client, retired) = (found.client, found.retired.is_some());
        let memory = match &mut found.retired {
            Some(memory) => memory,
            None => &mut self.memories[client],
        };
        let accepted = found.line.accepted_at;
        let facts = found.line.sent(&bytes[..count], memory, |packet| {
            history.note(now, || {
                format!("            broker -> {client} ({id})  {}", shown(packet))
            });
        })?;
        for fact in facts {
            self.broker_sent((id, client, retired), accepted, fact)?;
        }
        Ok(())
    }

    fn broker_sent(
        &mut self,
        (id, client, retired): (u64, usize, bool),
        accepted: Instant,
        fact: Fact,
    ) -> Found {
        match fact {
            Fact::Published { key, dup, expiry } => {
                let Some(letter) = self.post.letters.get(&key) else {
                    let what = format!("the broker sends {key}, which nobody published");
                    return Err(Property::Content.broken(what));
                };
                // What goes from one member of a group to another counts whole seconds anew.
                let counts = letter.expiry.is_some() && letter.topic != SHARED_TOPIC;
                match letter.expires.filter(|_| counts) {
                    // How long it has waited is known from when it came on.
                    Some(expires) => {
                        Post::counts_down((key, dup, expiry), letter.at, expires, accepted)
                    }
                    None => Ok(()),
                }
            }
            Fact::Acknowledged { key, reason, .. } => self.post.taken_over(key, reason),
            Fact::Granted { id: asked, reasons } if !retired => {
                self.post.boxes[client].granted(id, asked, &reasons);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Bytes come to the broker.
    pub(super) fn broker_hears(&mut self, id: u64, client: usize, bytes: &[u8]) -> Found {
        let now = self.now;
        let Some(broker) = &mut self.broker else {
            return Ok(());
        };
        broker.received(now, ConnectionId(id), bytes);
        self.broker_stirred = true;
        self.broker_polls = 0;
        let Some(found) = self.lines.iter_mut().find(|line| line.link == id) else {
            return Ok(());
        };
        if found.retired.is_some() {
            return Ok(());
        }
        let facts = found.line.heard(now, bytes, &mut self.memories[client])?;
        for fact in facts {
            match fact {
                Fact::Came { key, expiry } => self.post.came(now, key, expiry)?,
                Fact::AsksFor { id: asked, filters } => {
                    self.post.asks_for(client, id, asked, filters);
                }
                Fact::AsksNoMore { filters } => self.post.asks_no_more(client, &filters),
                _ => {}
            }
        }
        Ok(())
    }

    fn broker_tells(&mut self, event: BrokerEvent) -> Found {
        self.note(|| format!("            broker: {event:?}"));
        match event {
            BrokerEvent::Connected {
                connection,
                client_id,
                session_present,
            } => {
                let Some(client) = number(&client_id) else {
                    return Ok(());
                };
                self.sessions[client] += u32::from(!session_present);
                let link = self.links.iter_mut().find(|link| link.id == connection.0);
                if let Some(link) = link {
                    link.session = self.sessions[client];
                }
            }
            BrokerEvent::Disconnected {
                connection,
                client_id,
                cause,
            } => {
                let accused = matches!(cause, EndCause::Violation(_) | EndCause::Refused(_));
                Property::Harmony.holds(!accused, || {
                    format!("the broker accuses {client_id:?}: {cause}")
                })?;
                self.retire(connection.0, client_id.is_some(), cause);
            }
            BrokerEvent::SessionEnded { client_id } => {
                if let Some(client) = number(&client_id) {
                    self.post.session_ends(client);
                }
            }
            BrokerEvent::Dropped { client_id, count } => {
                if let Some(client) = number(&client_id) {
                    self.post.drops(client, count);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A connection is over; `accepted`: a session has lost it.
    fn retire(&mut self, id: u64, accepted: bool, cause: EndCause) {
        let Some(found) = self.lines.iter_mut().find(|line| line.link == id) else {
            return;
        };
        let farewell = !matches!(
            cause,
            EndCause::TransportClosed
                | EndCause::ClientDisconnect(ReasonCode::NORMAL_DISCONNECTION)
                | EndCause::SendTimeout
        );
        let memory = &mut self.memories[found.client];
        found.retired = Some(memory.clone());
        if accepted {
            found.line.clone().ends(memory);
            memory.unsure |= farewell || found.was_full;
        }
        self.forget_links();
    }

    /// The broker closes its end of a link: what it has written still arrives, mostly.
    fn broker_closes(&mut self, id: u64) -> Found {
        let abrupt = self.healed.is_none() && self.dice.percent(15);
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            let what = format!("link {id} is closed twice");
            return Err(Property::Streams.broken(what));
        };
        link.broker_end = End::Closed;
        link.pipe(Way::Down).close();
        self.note(|| format!("            broker closes link {id}, abruptly: {abrupt}"));
        if abrupt {
            let (client, _) = self.ignorance();
            self.cut(id, (client, core::time::Duration::ZERO));
        }
        self.broker_polls = 0;
        self.forget_links();
        Ok(())
    }

    /// The broker learns that a link is gone.
    pub(super) fn broker_learns(&mut self, id: u64) {
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return;
        };
        if link.broker_end == End::Closed {
            return;
        }
        link.broker_end = End::Closed;
        if let Some(broker) = &mut self.broker {
            broker.closed(self.now, ConnectionId(id));
        }
        self.broker_stirred = true;
        self.broker_polls = 0;
        self.note(|| format!("            broker learns that link {id} is gone"));
        self.forget_links();
    }
}

/// Which client has this identifier.
fn number(client_id: &str) -> Option<usize> {
    client_id.strip_prefix("client-")?.parse().ok()
}
