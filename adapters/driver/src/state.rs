//! The state of the connection as something to look at.

use crate::error::Cause;
use crate::inbox::Item;
use std::fmt;
use std::time::Instant;

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

    /// What has become of the first attempt of a client that makes no other before it has
    /// succeeded; None while it goes on.
    #[must_use]
    pub fn first_attempt(&self) -> Option<Result<(), Cause>> {
        match self {
            // Only a client that was connected waits for another attempt: a server may accept and
            // go in one breath.
            Self::Connected { .. } | Self::Waiting { .. } => Some(Ok(())),
            Self::Ended { cause } => Some(Err(cause.clone())),
            Self::Connecting => None,
        }
    }
}

impl Item for State {
    fn size(&self) -> usize {
        0
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
