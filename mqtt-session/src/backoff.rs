//! How long to wait before connecting again.

use crate::config::Config;

/// Doubles from one failure to the next; a random half is taken off, so that many clients of one
/// server do not come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backoff {
    failures: u8,
    random: u32,
}

impl Backoff {
    pub(crate) const fn new(config: &Config) -> Self {
        // A state of zero would stay zero.
        let random = config.seed ^ 0x9e37_79b9;
        Self {
            failures: 0,
            random: if random == 0 { 1 } else { random },
        }
    }

    /// The connection has proved stable: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait in milliseconds.
    pub(crate) fn next(&mut self, config: &Config) -> u32 {
        let doubled = u64::from(config.backoff_min)
            .checked_shl(u32::from(self.failures.min(31)))
            .unwrap_or(u64::MAX);
        let longest = u64::from(config.backoff_max.max(config.backoff_min));
        let wait = u32::try_from(doubled.min(longest)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let half = wait / 2;
        let off = self.step().checked_rem(half.saturating_add(1)).unwrap_or(0);
        wait.saturating_sub(off)
    }

    /// Xorshift: enough to keep clients apart, and the same for the same seed.
    fn step(&mut self) -> u32 {
        let mut x = self.random;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random = x;
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn waits_double_up_to_the_longest_and_lose_at_most_half() {
        let config = Config::new()
            .reconnect_between(Duration::from_secs(1), Duration::from_secs(8))
            .seed(7);
        let mut backoff = Backoff::new(&config);
        for longest in [1_000, 2_000, 4_000, 8_000, 8_000, 8_000] {
            let wait = backoff.next(&config);
            assert!(
                wait <= longest && wait >= longest / 2,
                "{wait} of {longest}"
            );
        }
        backoff.reset();
        assert!(backoff.next(&config) <= 1_000);
    }

    #[test]
    fn two_seeds_wait_differently_and_one_seed_alike() {
        let waits = |seed| {
            let config = Config::new().seed(seed);
            let mut backoff = Backoff::new(&config);
            core::array::from_fn::<u32, 8, _>(|_| backoff.next(&config))
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn two_hundred_failures_do_not_overflow() {
        let config = Config::new().reconnect_between(Duration::MAX, Duration::MAX);
        let mut backoff = Backoff::new(&config);
        for _ in 0..400 {
            assert!(backoff.next(&config) > 0);
        }
    }
}
