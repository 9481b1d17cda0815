//! The broker's thread: it does what the machine asks for, and waits.
//!
//! It goes in turns. Each does a bounded amount of work, for each connection and for all
//! together, then looks at the clock and at what else has become ready: nobody who sends or takes
//! without end holds up anyone else.

use super::ConnectionId;
use super::endpoint::Bound;
use super::error::ShutdownError;
use super::line::{Line, Written};
use super::listener::{Accepted, Listener};
use super::notice::{Notice, Peer};
use super::options::BrokerOptions;
use super::shared::{Core, Shared};
use crate::transport::{Socket, Stream as _};
use mio::{Interest, Token};
use mqtt_driver::{Cause, ServerLayers};
use mqtt_session::broker::BrokerAction;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, ErrorKind};
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
/// Connections have their number, from here on, as their token; listeners have the last tokens.
const FIRST: u64 = 1;

struct Worker {
    shared: Arc<Shared>,
    poll: mio::Poll,
    events: mio::Events,
    listeners: Vec<Listener>,
    lines: HashMap<u64, Line>,
    /// Connections at a time.
    most: usize,
    /// The number of the next connection.
    next: u64,
    /// Connections that may have something to be read, each once.
    heard: VecDeque<u64>,
    /// Connections that the machine does not want to be read now.
    unread: BTreeSet<u64>,
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
    bound: Vec<Bound>,
    options: BrokerOptions,
) -> io::Result<(Arc<Shared>, JoinHandle<()>)> {
    let poll = mio::Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), WAKE)?;
    let registry = poll.registry();
    let listeners = bound
        .into_iter()
        .enumerate()
        .map(|(index, bound)| Listener::new(bound, registry, listener_token(index)));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let shared = Arc::new(Shared::new(options.config, options.access, waker));
    let worker = Worker {
        shared: Arc::clone(&shared),
        poll,
        events: mio::Events::with_capacity(1024),
        listeners,
        lines: HashMap::new(),
        most: options.connections,
        next: FIRST,
        heard: VecDeque::new(),
        unread: BTreeSet::new(),
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
            self.listeners.iter_mut().for_each(Listener::close);
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
        let listeners = self.listeners.iter().filter_map(|one| one.next(clock));
        let others = [closing, deadline].into_iter().flatten();
        Next::Sleep(listeners.chain(others).min())
    }

    /// Takes in a bounded number of those who want to be.
    fn accept(&mut self, core: &mut Core, clock: Instant) {
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS {
                let Some(listener) = self.listeners.get_mut(index) else {
                    break;
                };
                match listener.accept(clock) {
                    Accepted::Connection(socket, peer) if self.lines.len() >= self.most => {
                        drop(socket);
                        core.tell(&Notice::TurnedAway { peer });
                    }
                    Accepted::Connection(socket, peer) => {
                        let layers = listener.layers.clone();
                        if let Err(error) = self.admit(core, clock, socket, peer, &layers) {
                            let error = Arc::new(error);
                            let retry = Duration::ZERO;
                            core.tell(&Notice::NotAccepted { error, retry });
                        }
                    }
                    Accepted::Nothing => break,
                    Accepted::Failed(error, retry) => {
                        let error = Arc::new(error);
                        core.tell(&Notice::NotAccepted { error, retry });
                        break;
                    }
                }
            }
        }
    }

    /// A connection begins.
    fn admit(
        &mut self,
        core: &mut Core,
        clock: Instant,
        mut socket: Socket,
        peer: Peer,
        layers: &ServerLayers,
    ) -> io::Result<()> {
        let number = self.next;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(socket.source(), token(number)?, interest)?;
        let stream = layers.over(socket).map_err(io::Error::other)?;
        self.next += 1;
        let connection = ConnectionId(number);
        self.lines.insert(number, Line::new(stream));
        core.machine
            .opened(self.shared.machine_time(clock), connection);
        core.tell(&Notice::Opened { connection, peer });
        self.hear_again(number);
        Ok(())
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
        let deadline = self.act(core, &mut rest);
        for number in std::mem::take(&mut self.unread) {
            if core.machine.reads(ConnectionId(number)) {
                self.hear_again(number);
            } else if self.lines.contains_key(&number) {
                self.unread.insert(number);
            }
        }
        deadline
    }

    /// Reads a connection once; how many bytes came.
    fn hear(&mut self, core: &mut Core, number: u64) -> usize {
        let Some(line) = self.lines.get_mut(&number) else {
            return 0;
        };
        line.queued = false;
        let connection = ConnectionId(number);
        let reads = core.machine.reads(connection);
        let count = if reads {
            line.stream.read_into(&mut self.input)
        } else {
            self.unread.insert(number);
            0
        };
        let now = self.shared.machine_time(Instant::now());
        if count > 0 {
            let bytes = self.input.get(..count).unwrap_or_default();
            core.machine.received(now, connection, bytes);
            self.hear_again(number);
            return count;
        }
        // What a layer answers to what it has read.
        line.stream.flush();
        let ended = match line.stream.ended() {
            None if !reads && line.stream.is_broken() => Some(None),
            ended => ended,
        };
        let Some(error) = ended else {
            if reads {
                self.hear_again(number);
            }
            return 0;
        };
        self.lines.remove(&number);
        if let Some(cause @ (Cause::Tls(_) | Cause::WebSocket(_))) = error.map(Cause::broken) {
            core.tell(&Notice::Failed { connection, cause });
        }
        core.machine.closed(now, connection);
        0
    }

    /// Has a connection read in the next turn, if that may give something.
    fn hear_again(&mut self, number: u64) {
        if let Some(line) = self.lines.get_mut(&number)
            && line.stream.may_read()
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
                            self.hear_again(number);
                        }
                        None => core.machine.closed(now, connection),
                    }
                }
                BrokerAction::Close { connection } => {
                    if let Some(Line { mut stream, .. }) = self.lines.remove(&connection.0) {
                        if self.saying_goodbye && (stream.holds_back() || stream.is_broken()) {
                            self.cut_off += 1;
                        }
                        stream.hang_up();
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
                Token(number) => {
                    let index = usize::MAX - number;
                    if let Some(listener) = self.listeners.get_mut(index) {
                        listener.heard();
                        continue;
                    }
                    let number = number as u64;
                    let Some(line) = self.lines.get_mut(&number) else {
                        continue;
                    };
                    line.stream.ready();
                    if line.stream.takes_again() {
                        self.roomy.push(number);
                    }
                    if !line.queued {
                        line.queued = true;
                        self.heard.push_back(number);
                    }
                }
            }
        }
    }
}

fn listener_token(index: usize) -> Token {
    Token(usize::MAX - index)
}

/// A number is a token as it is, unless there were more than the platform can count.
fn token(number: u64) -> io::Result<Token> {
    let number = usize::try_from(number);
    number.map(Token).map_err(io::Error::other)
}
