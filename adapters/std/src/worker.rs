//! The client's thread: it reads, writes and waits.

use crate::dialer::Dialer;
use crate::transport::{Dial, Stream};
use mqtt_driver::{Cause, Course, Credentials, Input, Next, Options, Shared, Transport};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

const WAKE: mio::Token = mio::Token(0);
const STREAM: mio::Token = mio::Token(1);

/// The client's streams, one after the other, and what tells of them.
struct Link {
    shared: Arc<Shared>,
    poll: mio::Poll,
    events: mio::Events,
    dialer: Dialer,
    stream: Option<Line>,
}

/// A stream, and what it was last known to be ready for.
struct Line {
    stream: Box<dyn Stream>,
    readable: bool,
    writable: bool,
    /// The machine's bytes were not taken: it is told when there is room again.
    blocked: bool,
    /// Writing failed. What the peer said before may still be read.
    broken: Option<io::Error>,
    /// Nothing more can be read.
    over: bool,
}

/// Wakes the thread.
struct Awaken(mio::Waker);

impl Wake for Awaken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails only when the system is out of resources; then deadlines still come.
        let _ = self.0.wake();
    }
}

/// Starts a client's thread.
pub(crate) fn start(dial: Dial, mut options: Options, once: bool) -> io::Result<Arc<Shared>> {
    let poll = mio::Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), WAKE)?;
    let shared = Shared::new(&options, Waker::from(Arc::new(Awaken(waker))));
    let dialer = Dialer::new(dial, options.take_login(), options.time_to_open());
    let link = Link {
        shared: Arc::clone(&shared),
        poll,
        events: mio::Events::with_capacity(8),
        dialer,
        stream: None,
    };
    let course = Course::new(Arc::clone(&shared), options, once);
    let thread = std::thread::Builder::new().name("mqtt".into());
    thread.spawn(move || link.run(course))?;
    Ok(shared)
}

/// Settles everything when the thread is gone, whatever it went by.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(&Cause::Panicked);
    }
}

impl Link {
    fn run(mut self, mut course: Course) {
        let ending = Ending(Arc::clone(&self.shared));
        let mut input = Course::input();
        let cause = loop {
            match course.turn(&mut self, &mut input) {
                Next::Tell => {}
                Next::Read => self.read(&mut input),
                Next::Sleep(until) => self.sleep(until),
                Next::End(cause) => break cause,
            }
        };
        self.shared.end(&cause);
        drop(ending);
    }

    /// Reads once if something may have come, so that neither side waits for the other for longer than that.
    fn read(&mut self, input: &mut Input) {
        let Some(line) = &mut self.stream else { return };
        if !line.readable || input.spare().is_empty() {
            return;
        }
        match line.stream.read(input.spare()) {
            Ok(0) => line.over = true,
            Ok(count) => input.filled(count),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => line.readable = false,
                ErrorKind::Interrupted => {}
                _ => {
                    line.broken.get_or_insert(error);
                    line.over = true;
                }
            },
        }
    }

    fn sleep(&mut self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Err(error) = self.poll.poll(&mut self.events, left)
            && error.kind() != ErrorKind::Interrupted
        {
            // Nothing can be waited for, so nothing can come.
            if let Some(line) = &mut self.stream {
                line.broken = Some(error);
                line.over = true;
            }
        }
        for event in &self.events {
            if event.token() == STREAM
                && let Some(line) = &mut self.stream
            {
                line.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                line.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
            }
        }
    }
}

impl Transport for Link {
    fn open(&mut self) -> io::Result<()> {
        self.dialer.begin(&self.shared)
    }

    fn give_up(&mut self) -> bool {
        self.dialer.give_up()
    }

    fn opened(&mut self) -> Option<Result<Credentials, Cause>> {
        let opened = self.dialer.take()?;
        Some(opened.and_then(|(stream, credentials)| {
            let mut line = Line::new(stream);
            let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
            let registry = self.poll.registry();
            registry.register(line.stream.source(), STREAM, interest)?;
            self.stream = Some(line);
            Ok(credentials)
        }))
    }

    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let line = self.stream.as_mut();
        line.map_or(Some(0), |line| line.write(bytes))
    }

    fn takes_again(&mut self) -> bool {
        let line = self.stream.as_mut();
        let freed = line.filter(|line| line.blocked && line.writable);
        freed.is_some_and(|line| std::mem::take(&mut line.blocked))
    }

    fn ended(&mut self) -> Option<Option<io::Error>> {
        let line = self.stream.as_mut()?;
        let ended = line.over || (line.broken.is_some() && !line.readable);
        ended.then(|| line.broken.take())
    }

    fn may_read(&self) -> bool {
        self.stream.as_ref().is_some_and(|line| line.readable)
    }

    fn hang_up(&mut self) {
        let Some(mut line) = self.stream.take() else {
            return;
        };
        let _ = line.stream.close();
        // Unread bytes would have the system reset the connection, and the peer lose what it has
        // not read. What comes later than now is the peer's risk.
        let mut rest = [0; 4096];
        for _ in 0..64 {
            if !matches!(line.stream.read(&mut rest), Ok(1..)) {
                break;
            }
        }
        let _ = self.poll.registry().deregister(line.stream.source());
    }
}

impl Line {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            readable: true,
            writable: true,
            blocked: false,
            broken: None,
            over: false,
        }
    }

    /// Writes what can be written now; None when that is nothing.
    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.broken.is_some() {
            return None;
        }
        match self.stream.write(bytes) {
            Ok(0) => self.fail(ErrorKind::WriteZero.into()),
            Ok(count) => return Some(count),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => return Some(0),
                ErrorKind::WouldBlock => {
                    self.blocked = true;
                    self.writable = false;
                }
                _ => self.fail(error),
            },
        }
        None
    }

    fn fail(&mut self, error: io::Error) {
        self.broken = Some(error);
        // What the peer said before it closed is worth reading: it may be the reason.
        self.readable = true;
    }
}
