//! A broker at the other end of a line, under virtual time, and clients of every kind over it.

#![allow(dead_code, reason = "each test program uses its part of the world")]

pub(crate) mod subject;
pub(crate) mod wire;

use mqtt_session::Instant;
use mqtt_session::broker::{Broker, BrokerAction, BrokerConfig, ConnectionId};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What all parts of the world share.
pub(crate) type Shared = Rc<RefCell<World>>;

/// The line, the broker and the time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) broker: Broker,
    broker_due: Instant,
    /// What the async client waits for.
    pub(crate) timer: Instant,
    /// The connection that is open, and how many there have been.
    pub(crate) open: Option<u64>,
    pub(crate) dialled: u64,
    /// Bytes on their way to the client, and whether the end of the stream lies behind them.
    to_client: VecDeque<u8>,
    ended: bool,
    /// Bytes that wait to be flushed.
    unflushed: Vec<u8>,
    pub(crate) line: Line,
    /// What the peer of each connection says instead of the broker, where it is none.
    pub(crate) scripts: VecDeque<Option<Vec<u8>>>,
    scripted: bool,
    /// Each write of the present connection.
    pub(crate) writes: Vec<Vec<u8>>,
    /// All that the client has read over each connection.
    pub(crate) read: Vec<Vec<u8>>,
    /// Bytes of all connections so far, to and from the broker.
    pub(crate) sent_up: usize,
    pub(crate) sent_down: usize,
    /// Whether the last poll of a future was pending for no reason.
    pub(crate) stalled: bool,
    noise: u64,
}

/// How the line behaves.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Bytes that are read and written at a time, at most.
    pub(crate) gives: usize,
    pub(crate) takes: usize,
    /// Whether what is written stays where it is until it is flushed.
    pub(crate) buffers: bool,
    /// Whether futures are pending now and then for no reason.
    pub(crate) stalls: bool,
    /// How many attempts to dial fail.
    pub(crate) refuses: u64,
    /// The connection ends when so many bytes have passed, in both directions together.
    pub(crate) cut_after: usize,
    /// Whether the end is an error, or the end of the stream.
    pub(crate) breaks: bool,
    /// What the bytes become on their way: up to the broker, and down.
    pub(crate) garble: Option<Garble>,
}

/// A line that loses, makes up and changes bytes while it is not clean.
#[derive(Clone, Debug)]
pub(crate) struct Garble {
    /// Faults by the byte they are at, counted over both directions and all connections.
    pub(crate) faults: Vec<(usize, Fault)>,
    pub(crate) passed: usize,
}

/// What happens to a byte.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Drop,
    Insert(u8),
    Flip(u8),
}

impl Default for Line {
    fn default() -> Self {
        Self {
            gives: usize::MAX,
            takes: usize::MAX,
            buffers: false,
            stalls: false,
            refuses: 0,
            cut_after: usize::MAX,
            breaks: false,
            garble: None,
        }
    }
}

impl World {
    pub(crate) fn new(line: Line) -> Shared {
        Rc::new(RefCell::new(Self {
            now: Instant::from_secs(1_000),
            broker: Broker::new(BrokerConfig::default()),
            broker_due: Instant::NEVER,
            timer: Instant::NEVER,
            open: None,
            dialled: 0,
            to_client: VecDeque::new(),
            ended: false,
            unflushed: Vec::new(),
            line,
            scripts: VecDeque::new(),
            scripted: false,
            writes: Vec::new(),
            read: Vec::new(),
            sent_up: 0,
            sent_down: 0,
            stalled: false,
            noise: 0x9e37_79b9_7f4a_7c15,
        }))
    }

    /// A connection comes about, unless the line refuses it.
    fn dial(&mut self) -> Option<u64> {
        assert_eq!(self.open, None, "the last transport is still open");
        self.dialled += 1;
        if self.dialled <= self.line.refuses {
            return None;
        }
        let id = self.dialled;
        self.open = Some(id);
        self.writes.clear();
        self.read.push(Vec::new());
        match self.scripts.pop_front().flatten() {
            Some(bytes) => {
                self.scripted = true;
                self.push_down(&bytes);
            }
            None => {
                self.broker.opened(self.now, ConnectionId(id));
                self.serve();
            }
        }
        Some(id)
    }

    /// The client has let its transport go.
    fn hang_up(&mut self, id: u64) {
        assert_eq!(self.open, Some(id));
        self.open = None;
        self.to_client.clear();
        self.unflushed.clear();
        self.ended = false;
        self.scripted = false;
        self.broker.closed(self.now, ConnectionId(id));
        self.serve();
    }

    fn is_cut(&self) -> bool {
        self.sent_up + self.sent_down >= self.line.cut_after
    }

    /// The line carries on after a cut.
    fn mend(&mut self) {
        self.line.cut_after = usize::MAX;
    }

    /// Bytes reach the broker.
    fn push_up(&mut self, bytes: &[u8]) {
        let left = self
            .line
            .cut_after
            .saturating_sub(self.sent_up + self.sent_down);
        let bytes = &bytes[..bytes.len().min(left)];
        self.sent_up += bytes.len();
        if self.scripted {
            return;
        }
        let bytes = self.garbled(bytes);
        if let Some(id) = self.open {
            self.broker.received(self.now, ConnectionId(id), &bytes);
        }
        self.serve();
    }

    fn push_down(&mut self, bytes: &[u8]) {
        let bytes = self.garbled(bytes);
        self.to_client.extend(bytes);
    }

    fn garbled(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(garble) = &mut self.line.garble else {
            return bytes.to_vec();
        };
        let mut garbled = Vec::new();
        for &byte in bytes {
            let mut byte = Some(byte);
            for (_, fault) in garble.faults.iter().filter(|(at, _)| *at == garble.passed) {
                match *fault {
                    Fault::Drop => byte = None,
                    Fault::Insert(more) => garbled.push(more),
                    Fault::Flip(bits) => byte = byte.map(|byte| byte ^ bits),
                }
            }
            garbled.extend(byte);
            garble.passed += 1;
        }
        garbled
    }

    /// The broker does what is to be done.
    pub(crate) fn serve(&mut self) {
        loop {
            match self.broker.poll(self.now) {
                BrokerAction::Send { connection, bytes } => {
                    let bytes = bytes.to_vec();
                    self.broker.sent(self.now, connection, bytes.len());
                    if self.open == Some(connection.0) {
                        self.push_down(&bytes);
                    }
                }
                BrokerAction::Close { connection } => {
                    self.ended |= self.open == Some(connection.0);
                }
                BrokerAction::Event(_) => {}
                BrokerAction::Timeout(due) if due <= self.now => {}
                BrokerAction::Timeout(due) => {
                    self.broker_due = due;
                    return;
                }
            }
        }
    }

    /// Time passes, up to what anybody waits for.
    pub(crate) fn pass_until(&mut self, moment: Instant) {
        let next = moment.min(self.broker_due);
        assert_ne!(next, Instant::NEVER, "everyone waits for ever");
        self.now = self.now.max(next);
        self.serve();
    }

    /// The peer says this.
    pub(crate) fn says(&mut self, bytes: &[u8]) {
        self.to_client.extend(bytes);
    }

    /// The peer has nothing more to say, and takes nothing.
    pub(crate) fn ends(&mut self) {
        self.ended = true;
    }

    /// Whether a future is to be pending for no reason, the next time.
    fn stalls(&mut self) -> bool {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let stalls = self.line.stalls && self.noise & 1 == 0;
        self.stalled |= stalls;
        stalls
    }
}
