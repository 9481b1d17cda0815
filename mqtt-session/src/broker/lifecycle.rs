//! How connections and sessions end, and what happens to wills then.

use super::connection::{Connection, Phase};
use super::event::ConnectionId;
use super::session::{FOR_EVER, Pace};
use super::subscribers::SessionKey;
use super::timers::Due;
use super::{Access, Broker, BrokerEvent, EndCause};
use crate::instant::Instant;
use alloc::vec::Vec;
use mqtt_proto::{Disconnect, Properties, ReasonCode, Sender as From, TopicFilter};

/// What the peer is told when its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Nothing: its transport is gone.
    Gone,
    /// Nothing: its transport is closed at once.
    Silence,
    /// What was said already; then the transport is closed.
    Flush,
    /// What was queued, then DISCONNECT with this code, if it was accepted (MQTT-3.14.0-1).
    Say(ReasonCode),
}

impl<A: Access> Broker<A> {
    /// Ends a connection. Its session stays or ends, its will is published, now or later.
    pub(crate) fn end(&mut self, connection: ConnectionId, cause: EndCause, farewell: Farewell) {
        let Some(found) = self.connections.get(&connection) else {
            return;
        };
        if found.phase.is_over() {
            // It has been told; only the transport was left.
            if farewell == Farewell::Gone {
                self.forget(connection);
            }
            return;
        }
        let key = found.session();
        let backlog = self
            .connection(connection)
            .and_then(|found| found.backlog.take());
        if let (Some(key), Some(backlog)) = (key, backlog) {
            self.let_go(key, *backlog);
        }
        match farewell {
            Farewell::Gone => self.forget(connection),
            Farewell::Silence => self.close(connection),
            Farewell::Flush => self.flush(connection),
            Farewell::Say(reason) => {
                if let Some(key) = key {
                    self.say_last(connection, key, reason);
                }
                self.flush(connection);
            }
        }
        self.access.ended(connection);
        let client_id = key
            .and_then(|key| self.session(key))
            .map(|session| session.client_id.clone());
        self.events.push_back(BrokerEvent::Disconnected {
            connection,
            client_id,
            cause,
        });
        if let Some(key) = key {
            self.leave(key, cause);
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.timers.forget(Due::Connection(connection));
    }

    /// Has the caller told to close a connection, of which nothing is left.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.timers.forget(Due::Connection(connection));
        if let Some(found) = self.connections.get_mut(&connection) {
            *found = Connection::new(found.last_received, Instant::NEVER);
            found.phase = Phase::Close;
            self.closing.push_back(connection);
        }
    }

    /// The next connection that the caller is to close, and that it has not closed by itself:
    /// then its number may have come back as another one's.
    pub(crate) fn next_to_close(&mut self) -> Option<ConnectionId> {
        while let Some(connection) = self.closing.pop_front() {
            let found = self.connections.get(&connection);
            if found.is_some_and(|found| found.phase == Phase::Close) {
                self.connections.remove(&connection);
                return Some(connection);
            }
        }
        None
    }

    /// Nothing is read any more; when the last bytes have left, it is closed.
    fn flush(&mut self, connection: ConnectionId) {
        let deadline = self.now.after(self.config.close_timeout);
        if let Some(found) = self.connections.get_mut(&connection) {
            found.phase = Phase::Flush;
            found.hear_no_more();
            found.deadline = deadline;
        }
        self.arm_connection(connection, deadline);
        self.make_ready(connection);
    }

    /// Moves what is queued for the transport out of the session, which may get another
    /// transport at once, and puts DISCONNECT behind it.
    fn say_last(&mut self, connection: ConnectionId, key: SessionKey, reason: ReasonCode) {
        let now = self.now;
        let Some(session) = self.session(key) else {
            return;
        };
        let limit = session.maximum_packet_size();
        let mut left = Vec::new();
        let offered = session.sender(now).take_unsent(&mut left);
        if let Some(found) = self.connections.get_mut(&connection) {
            found.say_after_offer(&left, offered);
            let packet = Disconnect {
                reason,
                properties: Properties::EMPTY,
            };
            let mut bytes = [0; 4];
            if let Ok(len) = packet.encode(From::Server, &mut bytes)
                && len <= limit
            {
                found.say(bytes.get(..len).unwrap_or_default());
            }
        }
    }

    /// A session has lost its connection.
    fn leave(&mut self, key: SessionKey, cause: EndCause) {
        let now = self.now;
        let Some(session) = self.session(key) else {
            return;
        };
        session.detach(now);
        let was_full = matches!(session.pace, Pace::Full { .. });
        session.pace = Pace::Good;
        if was_full {
            self.look_at_held();
        }
        self.tell_groups(key, false);
        self.tell_dropped(key);
        let Some(session) = self.session(key) else {
            return;
        };
        if cause == EndCause::ClientDisconnect(ReasonCode::NORMAL_DISCONNECTION) {
            session.will = None;
        }
        if session.expiry == 0 {
            return self.end_session(key);
        }
        if session.expiry != FOR_EVER {
            session.ends = now.plus_secs(session.expiry);
        }
        match &mut session.will {
            Some(will) if will.delay > 0 => will.due = now.plus_secs(will.delay),
            Some(_) => self.publish_will(key),
            None => {}
        }
        self.arm_session(key);
    }

    /// Publishes a session's will, once (MQTT-3.1.2-10).
    pub(crate) fn publish_will(&mut self, key: SessionKey) {
        let will = self.session(key).and_then(|session| session.will.take());
        if let Some(mut will) = will {
            will.message.since = self.now;
            if let Some(message) = will.message.message(self.now) {
                // What cannot be retained is published nevertheless: nobody could be told.
                let _ = self.retain_or_clear(&message);
                self.route(Some(key), &message);
            }
        }
    }

    /// Ends a session: its will is due at the latest now, and what it shared with others goes to
    /// them.
    pub(crate) fn end_session(&mut self, key: SessionKey) {
        let now = self.now;
        self.publish_will(key);
        self.tell_dropped(key);
        let place = self.sessions.get_mut(key as usize);
        let Some(mut session) = place.and_then(Option::take) else {
            return;
        };
        self.timers.forget(Due::Session(key));
        self.by_client.remove(&session.client_id);
        for filter in &session.subscriptions {
            if let Ok(filter) = TopicFilter::new(filter) {
                self.remove_subscription(key, filter);
            }
        }
        session.orphans(now, |filter, message| self.route_shared(filter, message));
        self.vacant.push(key);
        self.events.push_back(BrokerEvent::SessionEnded {
            client_id: session.client_id,
        });
    }

    /// Tells the program, once, of messages that were dropped.
    pub(crate) fn tell_dropped(&mut self, key: SessionKey) {
        let Some(session) = self.session(key) else {
            return;
        };
        let count = core::mem::take(&mut session.dropped);
        session.tells = Instant::NEVER;
        if count > 0 {
            let client_id = session.client_id.clone();
            let event = BrokerEvent::Dropped { client_id, count };
            self.events.push_back(event);
        }
    }

    pub(crate) fn connection(&mut self, connection: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&connection)
    }
}
