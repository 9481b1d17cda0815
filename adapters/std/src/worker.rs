//! The client's thread: it reads, writes and waits.

use crate::dialer::Dialer;
use crate::transport::{Dial, Stream};
use mqtt_driver::{
    Cause, ConnectError, Course, Credentials, Line, Next, Options, Shared, Transport,
};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;
use std::time::Instant;

const WAKE: mio::Token = mio::Token(0);
const STREAM: mio::Token = mio::Token(1);

/// The client's streams, one after the other, and what tells of them.
struct Link {
    shared: Arc<Shared>,
    poll: mio::Poll,
    events: mio::Events,
    dialer: Dialer,
    line: Option<Line<Box<dyn Stream>>>,
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
pub(crate) fn start(
    dial: Dial,
    mut options: Options,
    once: bool,
) -> Result<Arc<Shared>, ConnectError> {
    let poll = mio::Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), WAKE)?;
    let waker = Waker::from(Arc::new(Awaken(waker)));
    let shared = Shared::open(&options, waker, Instant::now)?;
    let dialer = Dialer::new(dial, options.take_login(), options.time_to_open());
    let link = Link {
        shared: Arc::clone(&shared),
        poll,
        events: mio::Events::with_capacity(8),
        dialer,
        line: None,
    };
    let course = Course::new(Arc::clone(&shared), options, once);
    let thread = thread::Builder::new().name("mqtt".into());
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
                // On a busy machine, who was woken runs before its stream is full.
                Next::Tell => thread::yield_now(),
                Next::Read => {
                    if let Some(line) = &mut self.line {
                        line.read(&mut input);
                    }
                }
                Next::Sleep(until) => self.sleep(until),
                Next::End(cause) => break cause,
            }
        };
        self.shared.end(&cause);
        drop(ending);
    }

    fn sleep(&mut self, until: Option<Instant>) {
        if self.line.as_mut().is_some_and(|line| !line.flush()) {
            return;
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Err(error) = self.poll.poll(&mut self.events, left)
            && error.kind() != ErrorKind::Interrupted
            && let Some(line) = &mut self.line
        {
            line.lost(error);
        }
        for event in &self.events {
            if event.token() == STREAM
                && let Some(line) = &mut self.line
            {
                line.ready();
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
            registry.register(line.stream().source(), STREAM, interest)?;
            self.line = Some(line);
            Ok(credentials)
        }))
    }

    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let line = self.line.as_mut();
        line.map_or(Some(0), |line| line.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        let line = self.line.as_mut();
        line.map_or(Some(0), |line| line.write_vectored(slices))
    }

    fn takes_again(&mut self) -> bool {
        self.line.as_mut().is_some_and(Line::takes_again)
    }

    fn ended(&mut self) -> Option<Option<io::Error>> {
        self.line.as_mut()?.ended()
    }

    fn may_read(&self) -> bool {
        self.line.as_ref().is_some_and(Line::may_read)
    }

    fn hang_up(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.hang_up();
            let _ = self.poll.registry().deregister(line.stream().source());
        }
    }
}
