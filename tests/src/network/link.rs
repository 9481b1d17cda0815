//! One transport: bytes on their way in both directions, and how it ends.

use super::dice::Dice;
use super::plan::Weather;
use core::time::Duration;
use mqtt_session::Instant;
use std::collections::VecDeque;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// What one end of a link knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is open, as far as it knows.
    Open,
    /// It will learn at this moment that it is not.
    Learns(Instant),
    /// It is closed.
    Closed,
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) client: usize,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    pub(crate) client_end: End,
    pub(crate) broker_end: End,
    /// No byte moves any more.
    pub(crate) dead: bool,
    /// It is cut behind this byte.
    pub(crate) cut: Option<(Way, u64)>,
    /// Which of the client's sessions at the broker it is for, once the broker has accepted it.
    pub(crate) session: u32,
}

/// One direction.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    flying: VecDeque<Parcel>,
    held: usize,
    capacity: usize,
    /// Bytes that have arrived.
    arrived: u64,
    /// When the last bytes that were taken arrive.
    last: Instant,
    /// The sender is to be told when there is room.
    pub(crate) blocked: bool,
    /// The sender has closed: nothing comes behind what flies.
    closed: bool,
}

#[derive(Clone, Debug)]
struct Parcel {
    at: Instant,
    bytes: VecDeque<u8>,
}

impl Link {
    pub(crate) fn new(id: u64, client: usize, weather: &Weather, dice: &mut Dice) -> Self {
        let way = dice.pick(&[Way::Up, Way::Down]);
        let byte = dice.below(weather.cut_within);
        Self {
            id,
            client,
            up: Pipe::new(weather.capacity),
            down: Pipe::new(weather.capacity),
            client_end: End::Open,
            broker_end: End::Open,
            dead: false,
            cut: dice.percent(weather.cuts).then_some((way, byte)),
            session: 0,
        }
    }

    pub(crate) fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// How many bytes may still arrive before the cut.
    pub(crate) fn left(&self, way: Way) -> u64 {
        match self.cut {
            Some((cut, byte)) if cut == way => {
                let pipe = if way == Way::Up { &self.up } else { &self.down };
                byte.saturating_sub(pipe.arrived)
            }
            _ => u64::MAX,
        }
    }

    /// No byte moves from here on, and what was on its way is lost.
    pub(crate) fn die(&mut self) {
        self.dead = true;
        self.up.flying.clear();
        self.down.flying.clear();
    }

    /// The network is well from here on.
    pub(crate) fn heal(&mut self, now: Instant) {
        self.cut = None;
        let soon = now.after(Duration::from_millis(1));
        for pipe in [&mut self.up, &mut self.down] {
            pipe.capacity = 64 << 10;
            pipe.last = pipe.last.min(soon);
            for parcel in &mut pipe.flying {
                parcel.at = parcel.at.min(soon);
            }
        }
        for end in [&mut self.client_end, &mut self.broker_end] {
            if let End::Learns(at) = end {
                *at = (*at).min(soon);
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.client_end == End::Closed && self.broker_end == End::Closed
    }
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            flying: VecDeque::new(),
            held: 0,
            capacity,
            arrived: 0,
            last: Instant::from_micros(0),
            blocked: false,
            closed: false,
        }
    }

    /// The sender writes; how many bytes are taken.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        bytes: &[u8],
        lost: bool,
        weather: &Weather,
        dice: &mut Dice,
    ) -> usize {
        let room = self.capacity.saturating_sub(self.held);
        let count = bytes.len().min(room);
        if count == 0 {
            self.blocked = true;
            return 0;
        }
        self.held += count;
        if lost {
            return count;
        }
        let (least, most) = weather.latency;
        let mut after = dice.between(least, most);
        if dice.percent(weather.stalls) {
            after += 1_000 * dice.below(weather.stall);
        }
        // Bytes never overtake each other.
        let at = now.after(Duration::from_micros(after)).max(self.last);
        self.last = at;
        let bytes = bytes[..count].iter().copied().collect();
        self.flying.push_back(Parcel { at, bytes });
        count
    }

    /// The sender closes.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// When something is next to arrive; never, when nothing is.
    pub(crate) fn next(&self) -> Instant {
        match self.flying.front() {
            Some(parcel) => parcel.at,
            None if self.closed => self.last,
            None => Instant::NEVER,
        }
    }

    /// Whether all that arrives from now on is the end.
    pub(crate) fn ends(&self) -> bool {
        self.closed && self.flying.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    /// At most so many bytes arrive.
    pub(crate) fn arrive(&mut self, most: usize) -> Vec<u8> {
        let Some(parcel) = self.flying.front_mut() else {
            return Vec::new();
        };
        let count = parcel.bytes.len().min(most);
        let bytes: Vec<u8> = parcel.bytes.drain(..count).collect();
        if parcel.bytes.is_empty() {
            self.flying.pop_front();
        }
        self.held -= count;
        self.arrived += count as u64;
        bytes
    }
}
