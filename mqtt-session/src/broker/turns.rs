//! Turns: what a packet costs depends on what others have subscribed to and retained, so that a
//! few bytes may cost much. Who has caused a certain effort waits until all others have had their
//! turn, those included whose bytes the caller has not read yet.

use super::event::ConnectionId;
use super::{Access, Broker};
use crate::instant::Instant;

/// What a turn may cost, in nodes visited and messages handed over: some milliseconds.
pub(crate) const TURN: usize = 1 << 16;

/// Bytes that are copied at the cost of one message.
const BYTES: usize = 256;

/// What it costs to hand a message with so long a payload over.
pub(crate) const fn cost_of(payload: usize) -> usize {
    (payload / BYTES).saturating_add(1)
}

impl<A: Access> Broker<A> {
    /// A connection's input is about to be read.
    pub(crate) fn begin_turn(&mut self) {
        self.effort = self.turn;
    }

    /// So many nodes were visited.
    pub(crate) fn note_visits(&mut self, visits: usize) {
        self.effort = self.effort.saturating_sub(visits);
    }

    /// A message with so long a payload was handed over.
    pub(crate) fn note_message(&mut self, payload: usize) {
        self.note_visits(cost_of(payload));
    }

    /// Whether the turn is over.
    pub(crate) fn is_tired(&self) -> bool {
        self.effort == 0
    }

    /// What is left of a connection's input waits for its next turn.
    pub(crate) fn end_turn(&mut self, connection: ConnectionId) {
        if let Some(found) = self.connection(connection) {
            found.waits = Some(0);
            found.tired = true;
            self.tired.push_back(connection);
        }
    }

    /// When there is something to do at the latest: at once where turns are to begin.
    pub(crate) fn next_deadline(&mut self) -> Instant {
        if self.tired.is_empty() {
            return self.timers.next();
        }
        for connection in core::mem::take(&mut self.tired) {
            if let Some(found) = self.connection(connection)
                && core::mem::take(&mut found.tired)
            {
                self.make_ready(connection);
            }
        }
        self.now
    }

    /// Hands over what is retained for the filters a client has just subscribed to; false when
    /// its turn is over before that is done.
    pub(crate) fn replay(&mut self, connection: ConnectionId) -> bool {
        loop {
            let tired = self.is_tired();
            let key = self
                .connection(connection)
                .and_then(|found| found.session());
            let session = key.and_then(|key| Some((key, self.session(key)?)));
            let Some((key, session)) = session.filter(|(_, session)| !session.replay.is_empty())
            else {
                return true;
            };
            if tired {
                return false;
            }
            if let Some((filter, granted)) = session.replay.pop_front() {
                self.send_retained(key, &filter, granted);
                self.end_overfull();
            }
        }
    }
}
