//! Turns that block, over transports of [`embedded_io`].

use crate::client::{AT_ONCE, Client, Machine, Output, Todo, output};
use crate::clock::Clock;
use crate::turn::Turn;
use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write};
use mqtt_session::Instant;

/// A transport that is read until a moment comes.
///
/// Whatever is [`Read`], [`Write`] and [`ReadReady`] is one: a UART, a socket of a modem. A reader
/// with a time limit of its own becomes one in [`Timed`]. Others implement this.
pub trait Transport: ErrorType {
    /// Reads at least one byte into `room`, which is not empty; 0 at the end of the stream; `None`
    /// when `until` has come first, or earlier. When `until` has come already, it takes what is there
    /// and does not wait.
    ///
    /// # Errors
    /// Those of the transport.
    fn read_until<C: Clock>(
        &mut self,
        room: &mut [u8],
        until: Instant,
        clock: &mut C,
    ) -> Result<Option<usize>, Self::Error>;

    /// Writes some of `bytes`, at least one. An error of the kind [`ErrorKind::TimedOut`] says that
    /// none could be written for now; a transport on which that can last needs such a limit.
    ///
    /// # Errors
    /// Those of the transport.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error>;

    /// Waits until what was written has left.
    ///
    /// # Errors
    /// Those of the transport.
    fn flush(&mut self) -> Result<(), Self::Error>;
}

impl<T: Read + ReadReady + Write> Transport for T {
    fn read_until<C: Clock>(
        &mut self,
        room: &mut [u8],
        until: Instant,
        clock: &mut C,
    ) -> Result<Option<usize>, Self::Error> {
        while !self.read_ready()? {
            if clock.now() >= until {
                return Ok(None);
            }
            clock.idle(until);
        }
        self.read(room).map(Some)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        Write::write(self, bytes)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Write::flush(self)
    }
}

/// A transport whose `read` gives up by itself, with an error of the kind [`ErrorKind::TimedOut`].
///
/// Deadlines are kept as exactly as that limit is short. It reads also where it is not to wait: so
/// whatever is written costs one such limit more, unless an answer comes sooner.
#[derive(Debug)]
pub struct Timed<T>(pub T);

impl<T: ErrorType> ErrorType for Timed<T> {
    type Error = T::Error;
}

impl<T: Read + Write> Transport for Timed<T> {
    fn read_until<C: Clock>(
        &mut self,
        room: &mut [u8],
        _until: Instant,
        _clock: &mut C,
    ) -> Result<Option<usize>, Self::Error> {
        match self.0.read(room) {
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            read => read.map(Some),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.0.flush()
    }
}

/// What has not failed, but did not get done either.
fn unless_timed_out<N, E: Error>(result: Result<N, E>) -> Option<Result<N, E>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => None,
        result => Some(result),
    }
}

impl<M, B, F, T, D, C> Client<'_, M, B, F, T, C>
where
    M: Machine,
    B: AsRef<[u8]> + AsMut<[u8]>,
    F: FnMut() -> Result<T, D>,
    T: Transport,
    C: Clock,
{
    /// Takes one turn: does what is to be done, waiting where that is all there is to do, and brings
    /// what there is to tell. It waits no longer than until `until`, and where [`Instant::NEVER`] is
    /// given, as long as the machine may wait: there is no need to take turns more often.
    pub fn turn_blocking(&mut self, until: Instant) -> Turn<'_, D, T::Error> {
        let mut turn = Turn::Nothing;
        if self.work_blocking(until, &mut turn) {
            self.polled(&mut turn);
        }
        turn
    }

    fn work_blocking(&mut self, until: Instant, turn: &mut Turn<'_, D, T::Error>) -> bool {
        match self.next.todo {
            Todo::Poll => true,
            Todo::Open => {
                let dialled = (self.dial)();
                self.dialled(dialled, turn)
            }
            Todo::Close => {
                if self.is_unflushed()
                    && let Some(transport) = &mut self.transport
                {
                    // It is closed all the same.
                    let _ = transport.flush();
                }
                self.closed();
                true
            }
            Todo::Wait => self.wait_blocking(until, turn),
        }
    }

    // This is not to lie below a transport being dialled.
    #[inline(never)]
    fn wait_blocking(&mut self, until: Instant, turn: &mut Turn<'_, D, T::Error>) -> bool {
        let until = self.next.deadline.min(until);
        let Some(transport) = &mut self.transport else {
            while self.clock.now() < until {
                self.clock.idle(until);
            }
            return true;
        };
        let (given, until) = match output(&mut self.machine, &self.next.left) {
            Output::Nothing => (None, until),
            Output::Flush => (unless_timed_out(transport.flush().map(|()| 0)), until),
            // More may be queued, and what comes meanwhile may not wait for long where a UART holds
            // but a few bytes.
            Output::Bytes(bytes) => (unless_timed_out(transport.write(bytes)), AT_ONCE),
        };
        let failed = self.given(given, turn);
        let mut read = None;
        let room = self.input.spare();
        if let Some(transport) = &mut self.transport
            && !room.is_empty()
        {
            let came = transport.read_until(room, until, &mut self.clock);
            read = came.transpose().and_then(unless_timed_out);
        }
        self.came(read, failed, turn)
    }
}
