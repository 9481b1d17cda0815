//! What is due when: one ordered set for all connections and sessions.
//!
//! A timer is set for the earliest moment at which something can be due, and moved only when it
//! is reached: bytes that come in move no timer.

use super::event::ConnectionId;
use super::lifecycle::Farewell;
use super::subscribers::SessionKey;
use super::{Access, Broker, EndCause, Phase};
use crate::instant::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use mqtt_proto::ReasonCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Connection(ConnectionId),
    Session(SessionKey),
}

#[derive(Clone, Debug)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, Due)>,
    set: BTreeMap<Due, Instant>,
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self {
            queue: BTreeSet::new(),
            set: BTreeMap::new(),
        }
    }

    /// Has something looked at no later than at this moment: the one helper that merges
    /// deadlines.
    pub(crate) fn arm(&mut self, due: Due, at: Instant) {
        if at == Instant::NEVER {
            return;
        }
        match self.set.get(&due) {
            Some(set) if *set <= at => return,
            Some(set) => {
                self.queue.remove(&(*set, due));
            }
            None => {}
        }
        self.set.insert(due, at);
        self.queue.insert((at, due));
    }

    /// Forgets what is no more.
    pub(crate) fn forget(&mut self, due: Due) {
        if let Some(set) = self.set.remove(&due) {
            self.queue.remove(&(set, due));
        }
    }

    /// The earliest moment.
    pub(crate) fn next(&self) -> Instant {
        self.queue.first().map_or(Instant::NEVER, |(at, _)| *at)
    }

    /// Takes out what is due first, if it is due at `now`.
    fn take(&mut self, now: Instant) -> Option<Due> {
        if self.next() > now {
            return None;
        }
        let (_, due) = self.queue.pop_first()?;
        self.set.remove(&due);
        Some(due)
    }
}

impl<A: Access> Broker<A> {
    pub(crate) fn arm_connection(&mut self, connection: ConnectionId, at: Instant) {
        self.timers.arm(Due::Connection(connection), at);
    }

    pub(crate) fn arm_session(&mut self, key: SessionKey) {
        let deadline = self.session(key).map(|session| session.deadline());
        if let Some(at) = deadline {
            self.timers.arm(Due::Session(key), at);
        }
    }

    /// Acts on every deadline that has been reached. Each that is set anew lies in the future.
    pub(crate) fn on_due(&mut self) {
        while let Some(due) = self.timers.take(self.now) {
            match due {
                Due::Connection(connection) => self.on_due_connection(connection),
                Due::Session(key) => self.on_due_session(key),
            }
        }
    }

    fn on_due_connection(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some(found) = self.connections.get(&connection) else {
            return;
        };
        let (phase, deadline, silence) = (found.phase, found.deadline, found.silence_deadline());
        let next = match phase {
            Phase::AwaitConnect | Phase::Authenticate => {
                if deadline <= now {
                    return self.end(connection, EndCause::ConnectTimeout, Farewell::Silence);
                }
                deadline
            }
            Phase::Flush => {
                if deadline <= now {
                    return self.close(connection);
                }
                deadline
            }
            Phase::Close => Instant::NEVER,
            Phase::Connected(key) => {
                let limit = self.config.send_timeout;
                let stalled = self
                    .session(key)
                    .and_then(|session| session.stalled_since())
                    .map_or(Instant::NEVER, |since| since.after(limit));
                if silence <= now {
                    let reason = ReasonCode::KEEP_ALIVE_TIMEOUT;
                    return self.end(connection, EndCause::KeepAlive, Farewell::Say(reason));
                }
                if stalled <= now {
                    return self.end(connection, EndCause::SendTimeout, Farewell::Silence);
                }
                silence.min(stalled)
            }
        };
        self.arm_connection(connection, next);
    }

    fn on_due_session(&mut self, key: SessionKey) {
        let now = self.now;
        let Some(session) = self.session(key) else {
            return;
        };
        session.expire(now);
        self.note_pace(key);
        let Some(session) = self.session(key) else {
            return;
        };
        if session.tells <= now {
            self.tell_dropped(key);
        }
        let Some(session) = self.session(key) else {
            return;
        };
        if session.ends <= now {
            return self.end_session(key);
        }
        if session.will.as_ref().is_some_and(|will| will.due <= now) {
            self.publish_will(key);
        }
        self.arm_session(key);
    }
}
