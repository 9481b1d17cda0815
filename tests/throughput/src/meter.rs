//! Counting what a client gets done, after it has become warm.

use crate::allocations;
use crate::report::Report;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Counts messages and measures what they cost.
pub(crate) struct Meter {
    warm_up: Duration,
    span: Duration,
    begun: Instant,
    from: Option<Mark>,
    /// Messages between the marks.
    messages: u64,
    /// All messages.
    all: u64,
    trips: Vec<Duration>,
}

/// How far the process has come.
struct Mark {
    at: Instant,
    cpu: Duration,
    allocations: u64,
}

impl Mark {
    fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            at: Instant::now(),
            cpu: Duration::try_from(cpu).unwrap_or_default(),
            allocations: allocations::total(),
        }
    }
}

impl Meter {
    /// Measures for `span`, after a fifth of it to become warm.
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            warm_up: span / 5,
            span,
            begun: Instant::now(),
            from: None,
            messages: 0,
            all: 0,
            // So that it does not grow while it is measured.
            trips: Vec::with_capacity(1 << 20),
        }
    }

    /// So many messages more are done with: None while others are wanted. It looks at the clock,
    /// so that small messages are told of by the hundred.
    pub(crate) fn done(&mut self, count: u64) -> Option<Report> {
        self.all += count;
        let now = Instant::now();
        let Some(from) = &self.from else {
            if now.duration_since(self.begun) >= self.warm_up {
                self.from = Some(Mark::now());
            }
            return None;
        };
        self.messages += count;
        (now.duration_since(from.at) >= self.span).then(|| self.report(from))
    }

    /// As [`Meter::done`], for one message that was sent at `sent` and is acknowledged now.
    pub(crate) fn returned(&mut self, sent: Instant) -> Option<Report> {
        if self.from.is_some() {
            self.trips.push(sent.elapsed());
        }
        self.done(1)
    }

    fn report(&self, from: &Mark) -> Report {
        let to = Mark::now();
        let mut trips = self.trips.clone();
        trips.sort_unstable();
        let quantile = |share: f64| {
            let place = (trips.len() as f64 * share) as usize;
            trips.get(place).copied().unwrap_or_default()
        };
        Report {
            messages: self.messages,
            all: self.all,
            span: to.at.duration_since(from.at),
            cpu: to.cpu.saturating_sub(from.cpu),
            allocations: to.allocations - from.allocations,
            median: quantile(0.5),
            worst: quantile(0.99),
            dropped: 0,
            calls: None,
        }
    }
}
