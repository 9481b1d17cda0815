//! What is counted and timed.

use hdrhistogram::Histogram;
use mqtt_std::QoS;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Latencies from a microsecond to an hour, in nanoseconds, to three digits; what lies outside
/// counts as the nearest inside.
fn histogram() -> Histogram<u64> {
    const RANGE: (u64, u64) = (1_000, 3_600_000_000_000);
    Histogram::new_with_bounds(RANGE.0, RANGE.1, 3).expect("bounds that are constant, and right")
}

/// What all threads of a run count together.
pub(super) struct Meter {
    created: Instant,
    begin: OnceLock<Instant>,
    published: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    delivered: AtomicU64,
    /// When the last of what was to happen happened, in nanoseconds from the creation.
    last: AtomicU64,
    /// One for each thread that times, so that none waits for another: what has come since the
    /// last tick.
    recent: Vec<Mutex<Histogram<u64>>>,
    /// What came before, and the counts of the last tick.
    past: Mutex<Past>,
}

struct Past {
    latency: Histogram<u64>,
    at: Instant,
    published: u64,
    delivered: u64,
}

/// What has happened from one tick to the next.
pub(super) struct Tick {
    /// Since the beginning.
    pub(super) elapsed: Duration,
    /// Messages a second.
    pub(super) published: f64,
    pub(super) delivered: f64,
    /// Messages at this moment.
    pub(super) in_flight: u64,
    pub(super) latency: Histogram<u64>,
}

/// What has happened in all.
pub(super) struct Total {
    /// From the beginning to the last acknowledgement or delivery.
    pub(super) elapsed: Duration,
    pub(super) published: u64,
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) delivered: u64,
    pub(super) latency: Histogram<u64>,
}

impl Meter {
    /// For so many threads that time.
    pub(super) fn new(recorders: usize) -> Self {
        let now = Instant::now();
        Self {
            created: now,
            begin: OnceLock::new(),
            published: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            last: AtomicU64::new(0),
            recent: (0..recorders).map(|_| Mutex::new(histogram())).collect(),
            past: Mutex::new(Past {
                latency: histogram(),
                at: now,
                published: 0,
                delivered: 0,
            }),
        }
    }

    /// From here on it counts.
    pub(super) fn begin(&self) {
        let begin = *self.begin.get_or_init(Instant::now);
        locked(&self.past).at = begin;
    }

    /// The time, in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn note_published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_acknowledged(&self, now: u64) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn note_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_delivered(&self, now: u64) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    /// A message has taken so long, as the thread of this number has seen.
    pub(super) fn record(&self, recorder: usize, nanos: u64) {
        if let Some(recent) = self.recent.get(recorder) {
            locked(recent).saturating_record(nanos);
        }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// How many messages are to be delivered to so many subscribers.
    pub(super) fn expected(&self, qos: QoS, subscribers: usize) -> u64 {
        let each = match qos {
            QoS::AtMostOnce => &self.published,
            QoS::AtLeastOnce | QoS::ExactlyOnce => &self.acknowledged,
        };
        each.load(Ordering::Relaxed) * subscribers as u64
    }

    /// Begins the next interval; what was in this one.
    pub(super) fn tick(&self) -> Tick {
        let mut past = locked(&self.past);
        let latency = self.take_recent();
        // Both have the same bounds.
        past.latency += &latency;
        let now = Instant::now();
        let seconds = now.duration_since(past.at).as_secs_f64();
        let (published, delivered) = (self.published.load(Ordering::Relaxed), self.delivered());
        let settled =
            self.acknowledged.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed);
        let tick = Tick {
            elapsed: self.elapsed(now),
            published: (published - past.published) as f64 / seconds,
            delivered: (delivered - past.delivered) as f64 / seconds,
            in_flight: published.saturating_sub(settled),
            latency,
        };
        (past.at, past.published, past.delivered) = (now, published, delivered);
        tick
    }

    pub(super) fn total(&self) -> Total {
        let mut latency = locked(&self.past).latency.clone();
        latency += &self.take_recent();
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        Total {
            elapsed: self.elapsed(self.created + last),
            published: self.published.load(Ordering::Relaxed),
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            delivered: self.delivered(),
            latency,
        }
    }

    fn elapsed(&self, now: Instant) -> Duration {
        let begin = self.begin.get().copied().unwrap_or(self.created);
        now.saturating_duration_since(begin)
    }

    fn take_recent(&self) -> Histogram<u64> {
        let mut all = histogram();
        for recent in &self.recent {
            let mut recent = locked(recent);
            all += &*recent;
            recent.reset();
        }
        all
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_begin_afresh_and_the_total_has_it_all() {
        let meter = Meter::new(2);
        meter.begin();
        for nanos in [1_000_000, 2_000_000] {
            meter.note_published();
            meter.note_delivered(nanos);
            meter.record(0, nanos);
        }
        let tick = meter.tick();
        assert_eq!((tick.latency.len(), tick.in_flight), (2, 2));
        meter.note_acknowledged(1);
        meter.note_failed();
        meter.record(1, 5_000_000);
        let tick = meter.tick();
        assert_eq!((tick.latency.len(), tick.in_flight), (1, 0));
        assert_eq!((tick.published, tick.delivered), (0.0, 0.0));
        let total = meter.total();
        assert_eq!((total.latency.len(), total.delivered), (3, 2));
        let longest = Duration::from_nanos(total.latency.max());
        assert!(longest.abs_diff(Duration::from_millis(5)) < Duration::from_micros(10));
    }

    #[test]
    fn what_lies_outside_of_the_bounds_is_counted_at_them() {
        let meter = Meter::new(1);
        for nanos in [0, u64::MAX] {
            meter.record(0, nanos);
        }
        let latency = meter.total().latency;
        assert_eq!(latency.len(), 2);
        assert!(Duration::from_nanos(latency.max()) >= Duration::from_secs(3_599));
    }
}
