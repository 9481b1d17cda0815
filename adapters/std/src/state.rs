//! The state of the connection as something to watch.

use crate::wait::wait;
use mqtt_driver::{Inbox, State};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The changes of the state, from the moment it was made: see
/// [`Client::watch`](crate::Client::watch). It holds the last 64; the last of all is
/// [`State::Ended`].
#[derive(Debug)]
pub struct States {
    pub(crate) inbox: Arc<Inbox<State>>,
}

impl States {
    /// Waits for the next change; None behind the last.
    #[must_use]
    pub fn recv(&self) -> Option<State> {
        wait(None, self.inbox.next()).flatten()
    }

    /// As [`States::recv`], for at most `limit`; None also when that is over.
    #[must_use]
    pub fn recv_timeout(&self, limit: Duration) -> Option<State> {
        wait(Instant::now().checked_add(limit), self.inbox.next()).flatten()
    }

    /// The next change, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<State> {
        self.inbox.try_next()
    }
}

impl Iterator for States {
    type Item = State;

    fn next(&mut self) -> Option<State> {
        self.recv()
    }
}
