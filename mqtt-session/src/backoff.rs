//! How long to wait before connecting again.

use crate::config::Config;

/// Doubles from one failure to the next; a random half is taken off, so that many clients of one
/// server do not come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backoff {
    failures: u8,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { failures: 0 }
    }

    /// The connection has proved stable: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait in milliseconds. The seed goes on to the next.
    pub(crate) fn next(&mut self, config: &mut Config) -> u32 {
        let first = config.backoff_min.get();
        let longest = config.backoff_max.get().max(first);
        let doublings = u32::from(self.failures);
        let mut wait = first.wrapping_shl(doublings);
        // No more failures are counted than make it longer; of no wait at all, any number does not.
        // Since they were counted, the limits may have been changed: what would lose its highest bit
        // is longer than any.
        if wait < longest && doublings < first.leading_zeros() {
            self.failures = self.failures.wrapping_add(1) % 32;
        } else {
            wait = longest;
        }
        // A random number below 1 of 32 bits behind the point, times the half.
        let half = u64::from(wait / 2).wrapping_add(1);
        let off = half.wrapping_mul(u64::from(step(&mut config.seed))) >> 32;
        wait.wrapping_sub(off as u32)
    }
}

/// A linear congruential generator that comes by every number: enough to keep clients apart, and the
/// same for the same seed. Seeds that differ in their low bits differ in the high ones, which decide.
fn step(seed: &mut u32) -> u32 {
    const GOLDEN: u32 = 0x9e37_79b9;
    *seed = seed.wrapping_add(1).wrapping_mul(GOLDEN);
    *seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn waits_double_up_to_the_longest_and_lose_at_most_half() {
        let mut config = Config::new()
            .reconnect_between(Duration::from_secs(1), Duration::from_secs(8))
            .seed(7);
        let mut backoff = Backoff::new();
        for longest in [1_000, 2_000, 4_000, 8_000, 8_000, 8_000] {
            let wait = backoff.next(&mut config);
            assert!(
                wait <= longest && wait >= longest / 2,
                "{wait} of {longest}"
            );
        }
        backoff.reset();
        assert!(backoff.next(&mut config) <= 1_000);
    }

    #[test]
    fn limits_that_are_raised_amid_failures_are_kept() {
        let millis = Duration::from_millis;
        let mut config = Config::new().reconnect_between(millis(1), millis(60_000));
        let mut backoff = Backoff::new();
        for _ in 0..40 {
            backoff.next(&mut config);
        }
        let hour = 3_600_000;
        config = config.reconnect_between(millis(hour), millis(24 * hour));
        for _ in 0..40 {
            let wait = u64::from(backoff.next(&mut config));
            assert!((12 * hour..=24 * hour).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn no_first_wait_is_none_however_often_it_fails() {
        let mut config = Config::new().reconnect_between(Duration::ZERO, Duration::from_secs(60));
        let mut backoff = Backoff::new();
        for _ in 0..600 {
            assert_eq!(backoff.next(&mut config), 0);
        }
    }

    #[test]
    fn two_seeds_wait_differently_and_one_seed_alike() {
        let waits = |seed| {
            let mut config = Config::new().seed(seed);
            let mut backoff = Backoff::new();
            core::array::from_fn::<u32, 8, _>(|_| backoff.next(&mut config))
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn devices_that_are_counted_through_spread_over_the_half() {
        let mut eighths = [0; 8];
        for seed in 0..800 {
            let wait = Backoff::new().next(&mut Config::new().seed(seed));
            eighths[(wait as usize - 500).min(499) * 8 / 500] += 1;
        }
        assert!(eighths.iter().all(|count| *count > 50), "{eighths:?}");
    }

    #[test]
    fn two_hundred_failures_do_not_overflow() {
        let mut config = Config::new().reconnect_between(Duration::MAX, Duration::MAX);
        let mut backoff = Backoff::new();
        for _ in 0..400 {
            assert!(backoff.next(&mut config) > 0);
        }
    }
}
