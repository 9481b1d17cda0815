//! What can go wrong with a broker, sorted by call.

use mqtt_session::TopicError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

/// Why a broker could not be started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The address is none, or its name is not known.
    Address(Arc<io::Error>),
    /// Another program, or this one, listens there already.
    InUse(SocketAddr),
    /// The system does not allow it; ports below 1024 often need a right of their own.
    NotPermitted(SocketAddr),
    /// It cannot be listened there for another reason, such as an address that is not this
    /// machine's.
    NotBound {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// There can be no socket at the path.
    #[cfg(unix)]
    Socket {
        /// Where.
        path: std::path::PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// The settings for TLS cannot be used.
    Tls(mqtt_driver::TlsError),
    /// The operating system gave no thread, or nothing to wait on.
    System(Arc<io::Error>),
}

impl BindError {
    pub(super) fn at(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::AddrInUse => Self::InUse(address),
            ErrorKind::PermissionDenied => Self::NotPermitted(address),
            _ => Self::NotBound {
                address,
                error: Arc::new(error),
            },
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => write!(f, "the address to listen at: {error}"),
            Self::InUse(address) => write!(
                f,
                "something listens at {address} already; port 0 takes one that is free"
            ),
            Self::NotPermitted(address) => write!(
                f,
                "the system does not allow to listen at {address}; ports from 1024 on are free \
                 to all"
            ),
            Self::NotBound { address, error } => write!(f, "cannot listen at {address}: {error}"),
            #[cfg(unix)]
            Self::Socket { path, error } => match error.kind() {
                ErrorKind::AddrInUse => write!(
                    f,
                    "there is something at {} already, or somebody listens there",
                    path.display()
                ),
                _ => write!(f, "cannot listen at {}: {error}", path.display()),
            },
            Self::Tls(error) => error.fmt(f),
            Self::System(error) => write!(f, "the broker's thread cannot be started: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Why a message of the program's own was not taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerPublishError {
    /// The topic is not a topic name.
    Topic(TopicError),
    /// The response topic is not a topic name.
    ResponseTopic(TopicError),
    /// It went to those who have subscribed, but is not retained: the broker keeps as many as it
    /// may, or none, or the topic is deeper than it allows.
    NotRetained,
    /// The broker has been shut down, or its thread panicked.
    Ended,
}

impl fmt::Display for BrokerPublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::ResponseTopic(error) => write!(f, "response topic: {error}"),
            Self::NotRetained => f.write_str("the message was sent on, but not retained"),
            Self::Ended => f.write_str("the broker has ended"),
        }
    }
}

impl std::error::Error for BrokerPublishError {}

/// What a shutdown left undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Connections that were cut before they had taken the last bytes for them.
    CutOff {
        /// How many.
        connections: usize,
    },
    /// The thread has not ended in time: an [`Access`](super::Access) takes long to answer. It
    /// ends when that returns.
    Stuck,
    /// The thread had ended by a panic, in an [`Access`](super::Access) or by a fault here.
    Panicked,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { connections } => write!(
                f,
                "{connections} connections were cut before they had taken the last bytes for them"
            ),
            Self::Stuck => f.write_str("the broker's thread has not ended in time"),
            Self::Panicked => f.write_str("the broker's thread panicked"),
        }
    }
}

impl std::error::Error for ShutdownError {}
