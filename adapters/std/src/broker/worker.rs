//! The broker's thread: it does what the machine asks for, and waits.
//!
//! It goes in turns. Each does a bounded amount of work, for each connection and for all
//! together, then looks at the clock and at what else has become ready: nobody who sends or takes
//! without end holds up anyone else.

use super::ConnectionId;
use super::error::ShutdownError;
use super::line::{Heard, Line, Written};
use super::listener::{Accepted, Listener};
use super::notice::Notice;
use super::options::BrokerOptions;
use super::shared::{Core, Shared};
use mio::{Interest, Token};
use mqtt_session::broker::BrokerAction;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The buffer that all connections are read into: what one of them is heard for at a time, and
/// what is taken in before the machine's answers are written.
const INPUT: usize = 64 << 10;

/// Bytes read and written in one turn.
const BUDGET: usize = 1 << 20;

/// Connections accepted in one turn.
const ACCEPTS: usize = 64;

const WAKE: Token = Token(0);
const LISTENER: Token = Token(1);
/// Connections have their number, from here on, as their token.
const FIRST: u64 = 2;

struct Worker {
    shared: Arc<Shared>,
    poll: mio::Poll,
    events: mio::Events,
    listener: Listener,
    lines: HashMap<u64, Line>,
    /// Connections at a time.
    most: usize,
    /// The number of the next connection.
    next: u64,
    /// Connections that may have something to be read, each once.
    heard: VecDeque<u64>,
    /// Connections that have room again.
    roomy: Vec<u64>,
    input: Box<[u8]>,
    saying_goodbye: bool,
    /// Connections cut before they had taken the last bytes for them.
    cut_off: usize,
}

/// What the thread does next.
enum Next {
    Sleep(Option<Instant>),
    End,
}

/// Starts a broker's thread.
pub(super) fn start(
    listener: TcpListener,
    options: BrokerOptions,
) -> io::Result<(Arc<Shared>, JoinHandle<()>)> {
    let poll = mio::Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), WAKE)?;
    let listener = Listener::new(listener, poll.registry(), LISTENER)?;
    let shared = Arc::new(Shared::new(options.config, options.access, waker));
    let worker = Worker {
        shared: Arc::clone(&shared),
        poll,
        events: mio::Events::with_capacity(1024),
        listener,
        lines: HashMap::new(),
        most: options.connections,
        next: FIRST,
        heard: VecDeque::new(),
        roomy: Vec::new(),
        input: vec![0; INPUT].into_boxed_slice(),
        saying_goodbye: false,
        cut_off: 0,
    };
    let thread = std::thread::Builder::new().name("mqtt-broker".into());
    let thread = thread.spawn(move || worker.run())?;
    Ok((shared, thread))
}

/// Tells that the thread is gone, whatever it went by.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(Err(ShutdownError::Panicked));
    }
}

impl Worker {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _ending = Ending(Arc::clone(&shared));
        let cut_off = loop {
            let mut core = shared.lock();
            let clock = Instant::now();
            match self.turn(&mut core, clock) {
                Next::Sleep(until) => {
                    core.asleep = until.is_none_or(|until| until > clock);
                    shared.stand_back(core);
                    self.sleep(until);
                }
                Next::End => break self.cut_off,
            }
        };
        // Sockets are closed before it is told that they are.
        drop(self);
        shared.end(match cut_off {
            0 => Ok(()),
            connections => Err(ShutdownError::CutOff { connections }),
        });
    }

    /// A bounded amount of what can be done without waiting.
    fn turn(&mut self, core: &mut Core, clock: Instant) -> Next {
        core.asleep = false;
        let now = self.shared.machine_time(clock);
        let closing = self.shared.closing();
        if closing.is_some() && !self.saying_goodbye {
            self.saying_goodbye = true;
            self.listener.close();
            core.machine.shut_down(now);
        }
        self.accept(core, clock);
        while let Some(number) = self.roomy.pop() {
            core.machine.sent(now, ConnectionId(number), 0);
        }
        let deadline = self.serve(core);
        if let Some(closing) = closing {
            if closing <= clock {
                self.cut_off += self.lines.len();
                return Next::End;
            }
            if self.lines.is_empty() {
                return Next::End;
            }
        }
        if !self.heard.is_empty() {
            return Next::Sleep(Some(clock));
        }
        let others = [self.listener.next(clock), closing];
        Next::Sleep(others.into_iter().chain([deadline]).flatten().min())
    }

    /// Takes in a bounded number of those who want to be.
    fn accept(&mut self, core: &mut Core, clock: Instant) {
        for _ in 0..ACCEPTS {
            match self.listener.accept(clock) {
                Accepted::Connection(stream, peer) if self.lines.len() >= self.most => {
                    drop(stream);
                    core.tell(&Notice::TurnedAway { peer });
                }
                Accepted::Connection(mut stream, peer) => {
                    let number = self.next;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let registry = self.poll.registry();
                    let result = token(number).and_then(|token| {
                        // Small packets leave at once. Where the peer has gone already, that is
                        // found out as it is read.
                        let _ = stream.set_nodelay(true);
                        registry.register(&mut stream, token, interest)
                    });
                    if let Err(error) = result {
                        let error = Arc::new(error);
                        let retry = Duration::ZERO;
                        core.tell(&Notice::NotAccepted { error, retry });
                        continue;
                    }
                    self.next += 1;
                    let connection = ConnectionId(number);
                    self.lines.insert(number, Line::new(stream));
                    core.machine
                        .opened(self.shared.machine_time(clock), connection);
                    core.tell(&Notice::Opened { connection, peer });
                    self.hear_again(number);
                }
                Accepted::Nothing => return,
                Accepted::Failed(error, retry) => {
                    let error = Arc::new(error);
                    core.tell(&Notice::NotAccepted { error, retry });
                    return;
                }
            }
        }
    }

    /// Reads each connection once that may have something, and does what follows, within the
    /// budget. Until when nothing else is to be done.
    fn serve(&mut self, core: &mut Core) -> Option<Instant> {
        let mut budget = BUDGET;
        let mut pending = 0;
        for _ in 0..self.heard.len() {
            if budget == 0 {
                break;
            }
            let Some(number) = self.heard.pop_front() else {
                break;
            };
            let count = self.hear(core, number);
            budget = budget.saturating_sub(count);
            pending += count;
            if pending >= INPUT {
                // Answers to many leave together, but not so late that queues fill up.
                pending = 0;
                self.act(core, &mut budget);
            }
        }
        // What is due is done whatever is left of the budget.
        let mut rest = budget.max(INPUT);
        self.act(core, &mut rest)
    }

    /// Reads a connection once; how many bytes came.
    fn hear(&mut self, core: &mut Core, number: u64) -> usize {
        let Some(line) = self.lines.get_mut(&number) else {
            return 0;
        };
        line.queued = false;
        let connection = ConnectionId(number);
        let heard = if core.machine.reads(connection) {
            line.read(&mut self.input)
        } else {
            // It is read on when the machine's bytes have been taken.
            Heard::Nothing
        };
        let broken = line.broken;
        let now = self.shared.machine_time(Instant::now());
        match heard {
            Heard::Bytes(count) => {
                let bytes = self.input.get(..count).unwrap_or_default();
                core.machine.received(now, connection, bytes);
                self.hear_again(number);
                return count;
            }
            Heard::Nothing if !broken => {}
            Heard::Nothing | Heard::End => {
                self.lines.remove(&number);
                core.machine.closed(now, connection);
            }
        }
        0
    }

    /// Has a connection read in the next turn, if that may give something.
    fn hear_again(&mut self, number: u64) {
        if let Some(line) = self.lines.get_mut(&number)
            && line.readable
            && !line.queued
        {
            line.queued = true;
            self.heard.push_back(number);
        }
    }

    /// Does what the machine wants, until it wants nothing more or the budget is used up. Until
    /// when nothing else is to be done.
    fn act(&mut self, core: &mut Core, budget: &mut usize) -> Option<Instant> {
        let clock = Instant::now();
        let now = self.shared.machine_time(clock);
        loop {
            if *budget == 0 {
                return Some(clock);
            }
            match core.machine.poll(now) {
                BrokerAction::Send { connection, bytes } => {
                    let number = connection.0;
                    match self.lines.get_mut(&number).map(|line| line.write(bytes)) {
                        Some(Written::Taken(count)) => {
                            *budget = budget.saturating_sub(count);
                            core.machine.sent(now, connection, count);
                            self.hear_again(number);
                        }
                        Some(Written::Blocked) => {}
                        Some(Written::Broken) => {
                            // What the peer said before it was gone may be its goodbye.
                            if let Some(line) = self.lines.get_mut(&number) {
                                line.readable = true;
                            }
                            self.hear_again(number);
                        }
                        None => core.machine.closed(now, connection),
                    }
                }
                BrokerAction::Close { connection } => {
                    if let Some(line) = self.lines.remove(&connection.0) {
                        if self.saying_goodbye && (line.blocked || line.broken) {
                            self.cut_off += 1;
                        }
                        line.hang_up();
                    }
                }
                BrokerAction::Event(event) => core.tell(&Notice::Event(event)),
                BrokerAction::Timeout(deadline) => return self.shared.wall_time(deadline),
            }
        }
    }

    /// Waits until something is ready, or that moment has come.
    fn sleep(&mut self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Err(error) = self.poll.poll(&mut self.events, left)
            && error.kind() != ErrorKind::Interrupted
        {
            // Without a way to wait there is nothing that could be done.
            panic!("the broker cannot wait for its sockets: {error}");
        }
        for event in &self.events {
            match event.token() {
                WAKE => {}
                LISTENER => self.listener.ready = true,
                Token(number) => {
                    let number = number as u64;
                    let Some(line) = self.lines.get_mut(&number) else {
                        continue;
                    };
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        line.readable = true;
                        if !line.queued {
                            line.queued = true;
                            self.heard.push_back(number);
                        }
                    }
                    let writable =
                        event.is_writable() || event.is_write_closed() || event.is_error();
                    if line.blocked && writable {
                        line.blocked = false;
                        self.roomy.push(number);
                    }
                }
            }
        }
    }
}

/// A number is a token as it is, unless there were more than the platform can count.
fn token(number: u64) -> io::Result<Token> {
    let number = usize::try_from(number);
    number.map(Token).map_err(io::Error::other)
}
