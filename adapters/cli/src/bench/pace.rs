//! When the next message is due, and whether there is to be another one.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What all publishers share.
pub(super) struct Pace {
    /// Messages that are left to be published.
    left: AtomicU64,
    /// From one message of a publisher to its next; None: as fast as it goes.
    interval: Option<Duration>,
    begin: Instant,
    stopped: Mutex<bool>,
    stopping: Condvar,
}

impl Pace {
    pub(super) fn new(
        rate: Option<NonZeroU64>,
        count: Option<NonZeroU64>,
        publishers: NonZeroUsize,
    ) -> Self {
        let interval =
            rate.map(|rate| Duration::from_secs_f64(publishers.get() as f64 / rate.get() as f64));
        Self {
            left: AtomicU64::new(count.map_or(u64::MAX, NonZeroU64::get)),
            interval,
            begin: Instant::now(),
            stopped: Mutex::new(false),
            stopping: Condvar::new(),
        }
    }

    /// Waits until a publisher may publish its message of this number; false when there is to be
    /// none. What is late is made up for.
    pub(super) fn next(&self, number: u64) -> bool {
        let due = self
            .interval
            .map(|interval| self.begin + interval.mul_f64(number as f64));
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(due) = due
            && !*stopped
        {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.stopping.wait_timeout(stopped, left);
            stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let one_less = |left: u64| left.checked_sub(1);
        !*stopped
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
    }

    /// There is to be no other message.
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopping.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    #[test]
    fn so_many_messages_are_published_and_no_more() {
        let pace = Pace::new(None, NonZeroU64::new(100), ONE);
        let published = thread::scope(|scope| {
            let publish = || (0..).take_while(|number| pace.next(*number)).count();
            let publishers = [(); 4].map(|()| scope.spawn(publish));
            publishers.map(|publisher| publisher.join().unwrap())
        });
        assert_eq!(published.iter().sum::<usize>(), 100);
    }

    #[test]
    fn no_message_is_published_before_it_is_due() {
        let pace = Pace::new(NonZeroU64::new(1_000), None, ONE);
        let begin = pace.begin;
        for number in 0..20 {
            assert!(pace.next(number));
            assert!(begin.elapsed() >= Duration::from_millis(number));
        }
    }

    #[test]
    fn who_waits_for_its_turn_is_stopped_at_once() {
        let pace = Pace::new(
            NonZeroU64::new(1),
            None,
            NonZeroUsize::new(100_000).unwrap(),
        );
        thread::scope(|scope| {
            let publisher = scope.spawn(|| pace.next(1));
            pace.stop();
            assert!(!publisher.join().unwrap());
        });
        assert!(!pace.next(0));
    }
}
