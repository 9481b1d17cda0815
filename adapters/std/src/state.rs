//! The state of the connection as something to look at, wait for and watch.

use crate::error::Cause;
use crate::messages::{Buffer, Inbox, Item, Overflow};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the client is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// A connection is being made.
    Connecting,
    /// The server has accepted.
    Connected {
        /// Whether the server still had the session. Without one, what was subscribed is being
        /// subscribed again.
        session_present: bool,
    },
    /// The connection is gone, and the next attempt waits.
    Waiting {
        /// Why the connection is gone.
        cause: Cause,
        /// When the next attempt will be made.
        retry: Instant,
    },
    /// The client has ended for good: closed, or because trying again cannot help.
    Ended {
        /// Why.
        cause: Cause,
    },
}

impl State {
    /// Whether the server has accepted.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    /// Whether the client has ended for good.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected {
                session_present: true,
            } => f.write_str("connected, session resumed"),
            Self::Connected {
                session_present: false,
            } => f.write_str("connected, new session"),
            Self::Waiting { cause, .. } => write!(f, "waiting to connect again: {cause}"),
            Self::Ended { cause } => write!(f, "ended: {cause}"),
        }
    }
}

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
