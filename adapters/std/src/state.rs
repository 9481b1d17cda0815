//! The state of the connection as something to watch.

use crate::messages::{Inbox, Item};
use mqtt_driver::{Buffer, Overflow, State};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Item for State {
    fn size(&self) -> usize {
        0
    }
}

/// Changes nobody has looked at for so long are of no use.
pub(crate) const WATCHED: Buffer = Buffer {
    messages: 64,
    bytes: usize::MAX,
    overflow: Overflow::DropOldest,
};

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
        self.inbox.recv(None)
    }

    /// As [`States::recv`], for at most `limit`; None also when that is over.
    #[must_use]
    pub fn recv_timeout(&self, limit: Duration) -> Option<State> {
        self.inbox.recv(Instant::now().checked_add(limit))
    }

    /// The next change, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<State> {
        self.inbox.try_recv()
    }
}

impl Iterator for States {
    type Item = State;

    fn next(&mut self) -> Option<State> {
        self.recv()
    }
}
