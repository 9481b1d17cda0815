//! Time as the machine knows it: numbers that the caller hands in.

#[cfg_attr(feature = "fast", path = "instant/wide.rs")]
#[cfg_attr(not(feature = "fast"), path = "instant/narrow.rs")]
mod clock;

use core::time::Duration;

pub(crate) use clock::{Alarm, Clock, Due, Moment, Stamp};
use clock::{PER_MILLI, Ticks};

/// A moment: microseconds since an epoch of the caller's choice.
///
/// The machine has no clock. Every call that needs the time takes it as an argument. Time that
/// runs backwards is treated as no time having passed.
///
/// Without the feature `fast` a moment is kept in whole milliseconds: what of it is finer is cut off,
/// and of a duration rounded up.
///
/// ```
/// use core::time::Duration;
/// use mqtt_session::Instant;
///
/// let start = Instant::from_micros(1_000_000);
/// assert_eq!(start.after(Duration::from_millis(5)).as_micros(), 1_005_000);
/// assert_eq!(start.after(Duration::MAX), Instant::NEVER);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Ticks);

impl Instant {
    /// The deadline that does not come: nothing but input or a call moves the machine on.
    pub const NEVER: Self = Self::at(u64::MAX);

    /// A moment `micros` microseconds after the caller's epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self::at(clock::ticks(micros))
    }

    /// A moment `millis` milliseconds after the caller's epoch, at most [`Instant::NEVER`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self::at(millis.saturating_mul(PER_MILLI))
    }

    /// A moment `secs` seconds after the caller's epoch, at most [`Instant::NEVER`].
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::at(secs.saturating_mul(PER_SEC))
    }

    /// Microseconds since the caller's epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.ticks().saturating_mul(1_000 / PER_MILLI)
    }

    /// The moment `duration` later, at most [`Instant::NEVER`].
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        let ticks = clock::ticks_of(duration);
        if ticks > u64::MAX as u128 {
            return Self::NEVER;
        }
        Self::at(self.ticks().saturating_add(ticks as u64))
    }

    /// How long from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        clock::duration(self.ticks_from(earlier))
    }

    /// The first moment that is not earlier than so many microseconds after the caller's epoch.
    #[cfg(not(feature = "message-expiry"))]
    pub(crate) const fn not_before(micros: u64) -> Self {
        Self::from_micros(micros.saturating_add(1_000 / PER_MILLI - 1))
    }

    /// The moment `millis` milliseconds later.
    #[cfg(any(feature = "fast", test))]
    pub(crate) const fn plus_millis(self, millis: u32) -> Self {
        self.plus_times(millis, PER_MILLI as u32)
    }

    /// The moment `secs` seconds later.
    #[cfg(feature = "message-expiry")]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) const fn plus_secs(self, secs: u32) -> Self {
        self.plus_times(secs, PER_SEC as u32)
    }

    /// The moment `count` times so many ticks later.
    #[cfg(any(feature = "message-expiry", test))]
    const fn plus_times(self, count: u32, ticks: u32) -> Self {
        // The product of two numbers of 32 bits has at most 64.
        Self::at(
            self.ticks()
                .saturating_add((count as u64).wrapping_mul(ticks as u64)),
        )
    }

    /// Seconds from `earlier` to this moment, rounded up.
    pub(crate) const fn secs_from(self, earlier: Self) -> u32 {
        // The caller's time is at least a second away from the end of all times.
        let ticks = self.ticks_from(earlier).wrapping_add(PER_SEC - 1);
        // A second has 64 times 15,625 microseconds, and 8 times 125 milliseconds.
        let shift = PER_SEC.trailing_zeros();
        quotient(ticks >> shift, (PER_SEC >> shift) as u16) as u32
    }

    #[cfg_attr(not(feature = "fast"), inline(never))]
    const fn ticks_from(self, earlier: Self) -> u64 {
        self.ticks().saturating_sub(earlier.ticks())
    }
}

/// What a moment is counted in, of a second.
const PER_SEC: u64 = 1_000 * PER_MILLI;

#[cfg(feature = "fast")]
#[inline]
const fn quotient(of: u64, divisor: u16) -> u64 {
    match of.checked_div(divisor as u64) {
        Some(quotient) => quotient,
        None => 0,
    }
}

/// A processor of 32 bits has no instruction for it, and the routine that divides any two numbers is
/// long: this divides as one does on paper, where a digit has 16 bits.
#[cfg(not(feature = "fast"))]
#[inline(never)]
#[expect(clippy::arithmetic_side_effects)] // No divisor is 0, and a rest is less than it.
const fn quotient(of: u64, divisor: u16) -> u64 {
    let divisor = divisor as u32;
    let (high, low) = ((of >> 32) as u32, of as u32);
    let upper = ((high % divisor) << 16) | (low >> 16);
    let lower = ((upper % divisor) << 16) | (low & 0xffff);
    let low = ((upper / divisor) << 16) | (lower / divisor);
    ((high / divisor) as u64) << 32 | low as u64
}

/// In seconds.
#[cfg(feature = "defmt")]
impl defmt::Format for Instant {
    fn format(&self, f: defmt::Formatter<'_>) {
        match *self {
            Self::NEVER => defmt::write!(f, "never"),
            at => defmt::write!(f, "{=u64:us} s", at.as_micros()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        let secs = |ticks| Instant::at(ticks + 7).secs_from(Instant::at(7));
        for (ticks, expected) in [
            (0, 0),
            (1, 1),
            (PER_SEC, 1),
            (PER_SEC + 1, 2),
            (86_400 * PER_SEC - 1, 86_400),
        ] {
            assert_eq!(secs(ticks), expected, "{ticks}");
        }
        assert_eq!(secs(PER_SEC * u64::from(u32::MAX)), u32::MAX);
    }

    #[test]
    fn the_end_of_time_has_one_moment() {
        assert_eq!(Instant::NEVER.as_micros(), u64::MAX);
        assert_eq!(Instant::from_micros(u64::MAX), Instant::NEVER);
        assert_eq!(Instant::from_millis(u64::MAX), Instant::NEVER);
        assert_eq!(Instant::from_secs(u64::MAX), Instant::NEVER);
    }

    #[test]
    fn a_quotient_is_that_of_the_division() {
        let mut of = 1u64;
        for _ in 0..1_000 {
            of = of.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            for value in [of, of >> 20, of >> 40, u64::MAX, 0] {
                for divisor in [1, 1_000, 15_625, u16::MAX] {
                    let plain = value / u64::from(divisor);
                    assert_eq!(quotient(value, divisor), plain, "{value} / {divisor}");
                }
            }
        }
    }

    #[test]
    fn time_that_runs_backwards_is_no_time() {
        let mut clock = Clock::new();
        clock.advance(Instant::from_secs(5));
        clock.advance(Instant::from_secs(3));
        assert_eq!(clock.now, Instant::from_secs(5));
    }
}
