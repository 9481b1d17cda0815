//! Where connections come from.

use super::error::BindError;
use mio::net::{TcpListener, TcpStream};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long nothing is accepted after the system could not: what is lacking, file descriptors
/// for example, is rarely there at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens at the first of the addresses that allows it.
pub(super) fn bind(address: impl ToSocketAddrs) -> Result<std::net::TcpListener, BindError> {
    let unknown = |error| BindError::Address(Arc::new(error));
    let mut last = None;
    for address in address.to_socket_addrs().map_err(unknown)? {
        // Of mio's making, for its longer queue of connections that are to be accepted.
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener.into()),
            Err(error) => last = Some(BindError::at(address, error)),
        }
    }
    let none = || {
        unknown(io::Error::new(
            ErrorKind::NotFound,
            "the name has no address",
        ))
    };
    Err(last.unwrap_or_else(none))
}

pub(super) struct Listener {
    listener: Option<TcpListener>,
    /// Accepting may give something.
    pub(super) ready: bool,
    /// Until when nothing is accepted.
    pause: Option<Instant>,
}

/// What accepting brought.
pub(super) enum Accepted {
    Connection(TcpStream, SocketAddr),
    /// Nothing now.
    Nothing,
    /// The system could not, and is asked again after a pause.
    Failed(io::Error, Duration),
}

impl Listener {
    pub(super) fn new(
        listener: std::net::TcpListener,
        registry: &mio::Registry,
        token: mio::Token,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, token, mio::Interest::READABLE)?;
        Ok(Self {
            listener: Some(listener),
            ready: true,
            pause: None,
        })
    }

    /// Nobody is accepted any more, and the port is free.
    pub(super) fn close(&mut self) {
        self.listener = None;
        self.ready = false;
        self.pause = None;
    }

    /// From when on accepting may give something: None where an event has to come first.
    pub(super) fn next(&self, clock: Instant) -> Option<Instant> {
        self.ready.then(|| self.pause.unwrap_or(clock))
    }

    pub(super) fn accept(&mut self, clock: Instant) -> Accepted {
        let Some(listener) = &self.listener else {
            return Accepted::Nothing;
        };
        if !self.ready || self.pause.is_some_and(|until| until > clock) {
            return Accepted::Nothing;
        }
        self.pause = None;
        loop {
            match listener.accept() {
                Ok((stream, peer)) => return Accepted::Connection(stream, peer),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.ready = false;
                        return Accepted::Nothing;
                    }
                    // Whoever came has gone again: that is no fault of the next one.
                    ErrorKind::Interrupted
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::ConnectionReset => {}
                    _ => {
                        self.pause = clock.checked_add(PAUSE);
                        return Accepted::Failed(error, PAUSE);
                    }
                },
            }
        }
    }
}
