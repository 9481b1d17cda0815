//! The client's thread: it does what the machine asks for, and waits.

use crate::dialer::{Dialer, Opened};
use crate::transport::{Dial, Stream};
use mqtt_driver::{Awaited, Cause, Core, Ledger, Options, Shared, State};
use mqtt_session::{Action, Event, Property, ReasonCode, RxBuffer};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

/// The largest header (a topic of 64 KiB and properties) fits into half of it. The system gives
/// the memory only as it is touched, which small messages do from the front.
const INPUT: usize = 256 << 10;

/// How many bytes are written before it is looked whether any have come, so that a peer that
/// takes all it is given is still heard.
const BUDGET: usize = 1 << 20;

const WAKE: mio::Token = mio::Token(0);
const STREAM: mio::Token = mio::Token(1);

type Input = RxBuffer<Box<[u8]>>;

pub(crate) struct Worker {
    shared: Arc<Shared>,
    options: Options,
    /// Whether the client ends when the first attempt fails.
    once: bool,
    poll: mio::Poll,
    events: mio::Events,
    dialer: Dialer,
    dial_until: Option<Instant>,
    stream: Option<Line>,
    /// What is known of the end of the connection beyond what the machine knows.
    cause: Option<Cause>,
    stopping: bool,
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

/// What the thread does next.
enum Next {
    /// Lets go of the lock for a moment: who waits is woken then.
    Tell,
    Read,
    /// Until the earliest deadline, if there is any.
    Sleep(Option<Instant>),
    End(Cause),
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
    let worker = Worker {
        shared: Arc::clone(&shared),
        options,
        once,
        poll,
        events: mio::Events::with_capacity(8),
        dialer,
        dial_until: None,
        stream: None,
        cause: None,
        stopping: false,
    };
    let thread = std::thread::Builder::new().name("mqtt".into());
    thread.spawn(move || worker.run())?;
    Ok(shared)
}

/// Settles everything when the thread is gone, whatever it went by.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(&Cause::Panicked);
    }
}

impl Worker {
    fn run(mut self) {
        let mut input = RxBuffer::new(vec![0; INPUT].into_boxed_slice());
        let shared = Arc::clone(&self.shared);
        let ending = Ending(Arc::clone(&shared));
        shared.lock().machine.start(shared.now());
        let cause = loop {
            let next = {
                let mut core = shared.lock();
                let next = self.act(&mut core, &mut input);
                core.asleep = matches!(next, Next::Sleep(_));
                next
            };
            match next {
                Next::Tell => {}
                Next::Read => self.read(&mut input),
                Next::Sleep(until) => self.sleep(until),
                Next::End(cause) => break cause,
            }
        };
        shared.end(&cause);
        drop(ending);
    }

    /// Does everything that can be done without waiting.
    fn act(&mut self, core: &mut Core, input: &mut Input) -> Next {
        let clock = Instant::now();
        let now = self.shared.machine_time(clock);
        core.asleep = false;
        self.note_stream(core, clock);
        let mut budget = BUDGET;
        let deadline = loop {
            self.note_closing(core, clock);
            core.ask(now);
            match core.machine.poll(now, input) {
                Action::Open => self.open(core, clock),
                Action::Send(bytes) => {
                    let taken = self
                        .stream
                        .as_mut()
                        .map_or(Some(0), |line| line.write(bytes));
                    if let Some(taken) = taken {
                        core.machine.sent(now, taken);
                        budget = budget.saturating_sub(taken);
                    }
                    if budget == 0 {
                        return Next::Read;
                    }
                }
                Action::Deliver(delivery) => {
                    let unheld = core.ledger.deliver(&self.shared, &delivery.message);
                    for token in unheld {
                        // Stale is as good: it is not to be acknowledged any more.
                        let _ = core.machine.acknowledge(token, ReasonCode::SUCCESS);
                    }
                    // A reader that sleeps is to read while the rest comes.
                    if core.ledger.has_to_tell() {
                        return Next::Tell;
                    }
                }
                Action::Event(event) => {
                    if let Some(end) = self.on_event(&mut core.ledger, &event) {
                        return Next::End(end);
                    }
                }
                Action::Close => {
                    self.hang_up();
                    core.machine.closed(now);
                }
                Action::Timeout(deadline) => {
                    if !self.may_stop(core, clock) {
                        break deadline;
                    }
                }
                Action::Done => return Next::End(self.cause.take().unwrap_or(Cause::Closed)),
            }
        };
        if self.stopping && core.closing.is_some_and(|closing| closing <= clock) {
            // What could be written was written; the rest has no time left.
            self.hang_up();
            return Next::End(Cause::Closed);
        }
        let has_room = !input.spare().is_empty();
        if has_room && self.stream.as_ref().is_some_and(|line| line.readable) {
            return Next::Read;
        }
        let machine = self.shared.wall_time(deadline);
        let others = [self.dial_until, core.closing];
        Next::Sleep(others.into_iter().chain([machine]).flatten().min())
    }

    fn may_stop(&self, core: &Core, clock: Instant) -> bool {
        let over = |deadline| deadline <= clock || core.ledger.unsettled() == 0;
        !self.stopping && core.closing.is_some_and(over)
    }

    /// Stops the machine once nothing is left to be settled, or the time is over.
    fn note_closing(&mut self, core: &mut Core, clock: Instant) {
        if !self.may_stop(core, clock) {
            return;
        }
        self.stopping = true;
        let now = self.shared.machine_time(clock);
        let ends = self.options.ends_session();
        let expiry = [Property::SessionExpiryInterval(0)];
        let reason = ReasonCode::NORMAL_DISCONNECTION;
        if !ends || core.machine.stop_with(now, reason, &expiry).is_err() {
            core.machine.stop(now);
        }
        if self.dialer.is_wanted() {
            self.dialer.give_up();
            self.dial_until = None;
            core.machine.closed(now);
        }
    }

    /// Tells the machine what has become of the stream since it was last asked.
    fn note_stream(&mut self, core: &mut Core, clock: Instant) {
        let now = self.shared.machine_time(clock);
        if let Some(opened) = self.dialer.take() {
            self.dial_until = None;
            self.opened(core, now, opened);
        }
        if self.dial_until.is_some_and(|until| until <= clock) {
            self.dial_until = None;
            self.dialer.give_up();
            self.cause = Some(Cause::TimedOut {
                what: Awaited::Open,
                limit: self.options.time_to_open(),
            });
            core.machine.closed(now);
        }
        let Some(line) = &mut self.stream else { return };
        if line.blocked && line.writable {
            line.blocked = false;
            core.machine.sent(now, 0);
        }
        if line.over || (line.broken.is_some() && !line.readable) {
            let broken = line.broken.take();
            let broken = broken.map(|error| Cause::Broken(Arc::new(error)));
            // What the peer said before it was gone says more.
            self.cause = self.cause.take().or(broken);
            self.hang_up();
            core.machine.closed(now);
        }
    }

    fn open(&mut self, core: &mut Core, clock: Instant) {
        core.ledger.set_state(State::Connecting);
        match self.dialer.begin(&self.shared) {
            Ok(()) => self.dial_until = clock.checked_add(self.dialer.limit),
            Err(error) => {
                self.dialer.give_up();
                self.cause = Some(Cause::NotOpened(Arc::new(error)));
                core.machine.closed(self.shared.machine_time(clock));
            }
        }
    }

    fn opened(&mut self, core: &mut Core, now: mqtt_session::Instant, opened: Opened) {
        let registered = opened.and_then(|(stream, credentials)| {
            let mut line = Line::new(stream);
            let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
            let registry = self.poll.registry();
            let result = registry.register(line.stream.source(), STREAM, interest);
            result.map_err(|error| Cause::NotOpened(Arc::new(error)))?;
            Ok((line, credentials))
        });
        let cause = match registered {
            Ok((line, credentials)) => {
                self.stream = Some(line);
                let result = self.options.lend_connect(&credentials, |connect| {
                    core.machine.opened(now, connect).map_err(Cause::Options)
                });
                match result {
                    Ok(()) => return,
                    Err(cause) => cause,
                }
            }
            Err(cause) => cause,
        };
        if matches!(cause, Cause::Options(_) | Cause::WillTopic(_)) {
            // The next attempt would fail alike.
            core.machine.stop(now);
        }
        self.cause = Some(cause);
        self.hang_up();
        core.machine.closed(now);
    }

    /// Why the client ends, if it does.
    fn on_event(&mut self, ledger: &mut Ledger, event: &Event<'_>) -> Option<Cause> {
        match event {
            Event::Connected(connack) => {
                self.once = false;
                self.cause = None;
                ledger.connected(connack.session_present);
            }
            Event::Refused(connack) => {
                self.cause = Some(Cause::Refused {
                    reason: connack.reason,
                    reason_string: owned(connack.properties.reason_string()),
                    server_reference: owned(connack.properties.server_reference()),
                });
            }
            Event::ServerDisconnect(disconnect) => {
                self.cause = Some(Cause::ServerDisconnect {
                    reason: disconnect.reason,
                    reason_string: owned(disconnect.properties.reason_string()),
                    server_reference: owned(disconnect.properties.server_reference()),
                });
            }
            Event::Violation(violation) => self.cause = Some(Cause::Violation(*violation)),
            Event::Disconnected {
                cause: known,
                retry,
            } => {
                let cause = self.cause.take();
                let cause = cause.unwrap_or_else(|| Cause::of(*known, &self.options));
                let retry = retry.and_then(|at| self.shared.wall_time(at));
                match retry.filter(|_| !self.once) {
                    Some(retry) => ledger.set_state(State::Waiting { cause, retry }),
                    None if self.stopping => return Some(Cause::Closed),
                    None => return Some(cause),
                }
            }
            Event::Published {
                ticket,
                outcome,
                properties,
            } => {
                ledger.published(*ticket, *outcome, properties);
            }
            Event::Subscribed {
                ticket,
                reasons,
                properties,
            }
            | Event::Unsubscribed {
                ticket,
                reasons,
                properties,
            } => {
                ledger.answered(*ticket, reasons, properties);
            }
            Event::Unanswered { ticket, .. } => ledger.unanswered(*ticket),
            Event::DeliveryCut => ledger.delivery_cut(),
            // `Connected` has said whether there is a session; the rest asks for nothing.
            _ => {}
        }
        None
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

    /// Closes the stream in good order: what was written is to reach the peer (MQTT-3.14.4-2).
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

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}
