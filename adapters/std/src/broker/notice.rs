//! What a broker tells of what happens.

use super::{BrokerEvent, ConnectionId};
use crate::wait::wait;
use mqtt_driver::{Buffer, Cause, Inbox, Item, Overflow};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// An address and its port.
    Tcp(SocketAddr),
    /// A program on this machine, through a socket in the file system.
    Unix,
}

impl PartialEq<SocketAddr> for Peer {
    fn eq(&self, other: &SocketAddr) -> bool {
        matches!(self, Self::Tcp(address) if address == other)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("this machine"),
        }
    }
}

/// Something that happened on a broker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Somebody opened a connection; whether a client is accepted on it is told by
    /// [`BrokerEvent::Connected`].
    Opened {
        /// Its number in everything that is told of it.
        connection: ConnectionId,
        /// Where from.
        peer: Peer,
    },
    /// A connection was closed as it came: there are as many as
    /// [`BrokerOptions::connections`](super::BrokerOptions::connections) allows.
    TurnedAway {
        /// Where from.
        peer: Peer,
    },
    /// On a connection TLS or WebSocket was not agreed on, or broken.
    Failed {
        /// Its number.
        connection: ConnectionId,
        /// Why.
        cause: Cause,
    },
    /// The system could not give the next connection, for example because the program has as
    /// many files open as it may. Those that are open go on.
    NotAccepted {
        /// What it said.
        error: Arc<io::Error>,
        /// When it is tried again.
        retry: Duration,
    },
    /// A client has come or gone, a session has ended, or messages were dropped.
    Event(BrokerEvent),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { connection, peer } => {
                write!(f, "connection {} from {peer}", connection.0)
            }
            Self::TurnedAway { peer } => {
                write!(f, "a connection from {peer} was one too many")
            }
            Self::Failed { connection, cause } => {
                write!(f, "connection {}: {cause}", connection.0)
            }
            Self::NotAccepted { error, retry } => write!(
                f,
                "a connection could not be accepted: {error}; trying again in {retry:?}"
            ),
            Self::Event(event) => match event {
                BrokerEvent::Connected {
                    connection,
                    client_id,
                    session_present,
                } => {
                    let session = if *session_present { "kept" } else { "new" };
                    let number = connection.0;
                    write!(
                        f,
                        "{client_id} on connection {number}, with a {session} session"
                    )
                }
                BrokerEvent::Disconnected {
                    connection,
                    client_id,
                    cause,
                } => {
                    let who = client_id.as_deref().unwrap_or("nobody");
                    write!(f, "connection {} of {who} is over: {cause}", connection.0)
                }
                BrokerEvent::SessionEnded { client_id } => {
                    write!(f, "the session of {client_id} is over")
                }
                BrokerEvent::Dropped { client_id, count } => {
                    write!(f, "{count} messages for {client_id} were dropped")
                }
                other => write!(f, "{other:?}"),
            },
        }
    }
}

impl Item for Notice {
    fn size(&self) -> usize {
        0
    }
}

/// Nobody reads a longer history.
pub(super) const WATCHED: Buffer = Buffer {
    messages: 10_000,
    bytes: usize::MAX,
    overflow: Overflow::DropOldest,
};

/// What happens on a broker, from the moment it was made: see
/// [`Broker::watch`](super::Broker::watch). It ends with the broker.
#[derive(Debug)]
pub struct Notices {
    pub(super) inbox: Arc<Inbox<Notice>>,
}

impl Notices {
    /// Waits for the next notice; None when the broker has ended and all were read.
    #[must_use]
    pub fn recv(&self) -> Option<Notice> {
        wait(None, self.inbox.next()).flatten()
    }

    /// As [`Notices::recv`], for at most `limit`; None also when that is over.
    #[must_use]
    pub fn recv_timeout(&self, limit: Duration) -> Option<Notice> {
        wait(Instant::now().checked_add(limit), self.inbox.next()).flatten()
    }

    /// The next notice, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<Notice> {
        self.inbox.try_next()
    }

    /// How many notices were dropped because nobody had read them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }
}

impl Iterator for Notices {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        self.recv()
    }
}
