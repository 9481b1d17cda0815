//! How often the client writes, in the conversation that it has on the board: here each batch of its
//! server is read at once, which a serial line does not promise.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::ErrorType;
use mqtt_embedded::Clock;
use mqtt_embedded::blocking::Transport;

use crate::peer;

/// How long the client may be silent.
const LIMIT: Duration = Duration::from_secs(20);

/// The shortest time that a socket waits.
const AT_ONCE: Duration = Duration::from_micros(1);

/// Writes to the transport, and batches that there were to write.
///
/// # Errors
/// What the client did that was not its part.
pub fn count() -> io::Result<(u32, u32)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    server.set_read_timeout(Some(LIMIT))?;
    let server = thread::spawn(move || peer::converse(&server));
    let writes = Cell::new(0);
    // It is opened more than once, and always the same, as a serial line is.
    let dial = || {
        Ok::<_, Infallible>(Line {
            stream: &stream,
            writes: &writes,
        })
    };
    let clock = Time(Instant::now());
    let mut machine = conversation::MACHINE;
    let mut input = [0; conversation::INPUT];
    conversation::converse(&mut conversation::client(
        &mut machine,
        &mut input,
        dial,
        clock,
    ));
    let batches = server
        .join()
        .map_err(|_| io::Error::other("the server panicked"))??;
    Ok((writes.get(), batches))
}

fn is_time_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

struct Time(Instant);

impl Clock for Time {
    fn now(&mut self) -> mqtt_session::Instant {
        mqtt_session::Instant::from_secs(0).after(self.0.elapsed())
    }

    fn idle(&mut self, until: mqtt_session::Instant) {
        thread::sleep(until.since(self.now()));
    }
}

struct Line<'a> {
    stream: &'a TcpStream,
    writes: &'a Cell<u32>,
}

impl ErrorType for Line<'_> {
    type Error = io::Error;
}

impl Transport for Line<'_> {
    fn read_until<C: Clock>(
        &mut self,
        room: &mut [u8],
        until: mqtt_session::Instant,
        clock: &mut C,
    ) -> io::Result<Option<usize>> {
        let wait = until.since(clock.now()).clamp(AT_ONCE, LIMIT);
        self.stream.set_read_timeout(Some(wait))?;
        match self.stream.read(room) {
            Err(error) if is_time_up(&error) => Ok(None),
            read => read.map(Some),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.set(self.writes.get() + 1);
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
