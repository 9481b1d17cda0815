//! What stands between a serial line and a broker: a modem, say. The first byte of the line opens a
//! TCP connection, and a cut ends it; the line knows nothing of either.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The relay. It ends with the line.
#[derive(Debug, Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    broker: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<TcpStream>,
    /// How many connections there were: the present one's number.
    dialled: usize,
    cuts: usize,
    /// Bytes of the line behind which the connection is cut, and what has passed since that was said.
    cut_behind: Option<Vec<u8>>,
    passed: Vec<u8>,
}

impl State {
    /// Where in these bytes of the line the connection is to be cut.
    fn cut_at(&mut self, bytes: &[u8]) -> Option<usize> {
        let last = self.cut_behind.as_ref()?;
        let before = self.passed.len();
        self.passed.extend(bytes);
        let start = self
            .passed
            .windows(last.len())
            .position(|passed| passed == last)?;
        let end = (start + last.len()).saturating_sub(before);
        self.cut_behind = None;
        Some(end)
    }
}

impl Relay {
    /// Relays between the line and the broker, in threads of its own.
    ///
    /// # Errors
    /// When the line cannot be shared between them.
    pub fn start(line: TcpStream, broker: SocketAddr) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            broker,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let this = Self { shared };
        let relay = this.clone();
        thread::spawn(move || relay.up(line));
        Ok(this)
    }

    /// Cuts the connection as soon as these bytes of the line have been handed on: no answer to them
    /// gets through.
    pub fn cut_behind(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.passed.clear();
        state.cut_behind = Some(bytes.to_vec());
    }

    /// Waits until so many connections were opened, of which so many were cut; false when `limit` has
    /// passed first.
    #[must_use]
    pub fn wait_for(&self, dialled: usize, cuts: usize, limit: Duration) -> bool {
        let waits = |state: &mut State| state.dialled < dialled || state.cuts < cuts;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.lock(), limit, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// From the line to the broker.
    fn up(&self, mut line: TcpStream) {
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = line.read(&mut bytes) {
            // An error ends the connection, not the line: the bytes are lost.
            if self.hand_on(&line, &bytes[..count]).is_err() {
                self.lock().connection = None;
            }
            self.shared.changed.notify_all();
        }
        if let Some(connection) = self.lock().connection.take() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn hand_on(&self, line: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let mut connection = match &state.connection {
            Some(connection) => connection.try_clone()?,
            None => {
                let connection = TcpStream::connect(self.shared.broker)?;
                connection.set_nodelay(true)?;
                state.dialled += 1;
                state.connection = Some(connection.try_clone()?);
                let (relay, line, number) = (self.clone(), line.try_clone()?, state.dialled);
                let answers = connection.try_clone()?;
                thread::spawn(move || relay.down(answers, line, number));
                connection
            }
        };
        let Some(end) = state.cut_at(bytes) else {
            return connection.write_all(bytes);
        };
        // What follows is written to a line that leads nowhere.
        connection.write_all(bytes.get(..end).unwrap_or(bytes))?;
        state.cuts += 1;
        state.connection = None;
        connection.shutdown(Shutdown::Both)
    }

    /// From the broker to the line, as long as this is the connection.
    fn down(&self, mut connection: TcpStream, mut line: TcpStream, number: usize) {
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = connection.read(&mut bytes) {
            let state = self.lock();
            if state.dialled != number || state.connection.is_none() {
                return;
            }
            drop(state);
            if line.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
        let mut state = self.lock();
        if state.dialled == number {
            state.connection = None;
        }
    }
}
