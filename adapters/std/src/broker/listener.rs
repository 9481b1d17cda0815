//! Where connections come from.

use super::endpoint::{Bound, Sockets};
use super::notice::Peer;
#[cfg(unix)]
use crate::transport::Unix;
use crate::transport::{Socket, Tcp};
use mio::event::Source;
use mqtt_driver::ServerLayers;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// How long nothing is accepted after the system could not: what is lacking, file descriptors
/// for example, is rarely there at once.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    sockets: Option<Sockets>,
    pub(super) layers: ServerLayers,
    /// Accepting may give something.
    ready: bool,
    /// Until when nothing is accepted.
    pause: Option<Instant>,
}

/// What accepting brought.
pub(super) enum Accepted {
    Connection(Socket, Peer),
    /// Nothing now.
    Nothing,
    /// The system could not, and is asked again after a pause.
    Failed(io::Error, Duration),
}

impl Listener {
    pub(super) fn new(
        bound: Bound,
        registry: &mio::Registry,
        token: mio::Token,
    ) -> io::Result<Self> {
        let mut sockets = bound.sockets;
        let source: &mut dyn Source = match &mut sockets {
            Sockets::Tcp(listener) => listener,
            #[cfg(unix)]
            Sockets::Unix(listener, _) => listener,
        };
        registry.register(source, token, mio::Interest::READABLE)?;
        Ok(Self {
            sockets: Some(sockets),
            layers: bound.layers,
            ready: true,
            pause: None,
        })
    }

    /// Nobody is accepted any more, and the port or the path is free.
    pub(super) fn close(&mut self) {
        self.sockets = None;
        self.ready = false;
        self.pause = None;
    }

    /// Somebody may have come. Where the program holds the same socket, that is told also when it
    /// is closed here.
    pub(super) fn heard(&mut self) {
        self.ready = self.sockets.is_some();
    }

    /// From when on accepting may give something: None where an event has to come first.
    pub(super) fn next(&self, clock: Instant) -> Option<Instant> {
        self.ready.then(|| self.pause.unwrap_or(clock))
    }

    pub(super) fn accept(&mut self, clock: Instant) -> Accepted {
        let Some(sockets) = &self.sockets else {
            return Accepted::Nothing;
        };
        if !self.ready || self.pause.is_some_and(|until| until > clock) {
            return Accepted::Nothing;
        }
        self.pause = None;
        loop {
            match sockets.accept() {
                Ok((socket, peer)) => return Accepted::Connection(socket, peer),
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

impl Sockets {
    fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Socket::Tcp(Tcp::accepted(stream)), Peer::Tcp(peer)))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(Unix::accepted(stream)), Peer::Unix))
            }
        }
    }
}

#[cfg(unix)]
impl Drop for Sockets {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Endpoint;

    #[test]
    fn a_closed_listener_has_nothing_to_be_accepted_whatever_is_heard_of_it() {
        let poll = mio::Poll::new().unwrap();
        let bound = Endpoint::tcp("127.0.0.1:0").bind().unwrap();
        let mut listener = Listener::new(bound, poll.registry(), mio::Token(7)).unwrap();
        let now = Instant::now();
        assert!(matches!(listener.accept(now), Accepted::Nothing));
        assert_eq!(listener.next(now), None);
        listener.heard();
        assert_eq!(listener.next(now), Some(now));
        listener.close();
        listener.heard();
        assert_eq!(listener.next(now), None);
    }
}
