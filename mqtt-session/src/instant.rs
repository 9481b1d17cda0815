//! Time as the machine knows it: numbers that the caller hands in.

#[cfg_attr(feature = "fast", path = "instant/wide.rs")]
#[cfg_attr(not(feature = "fast"), path = "instant/narrow.rs")]
mod clock;

use core::time::Duration;

pub(crate) use clock::{Alarm, Clock, Due, Moment, Stamp};

/// A moment: microseconds since an epoch of the caller's choice.
///
/// The machine has no clock. Every call that needs the time takes it as an argument. Time that
/// runs backwards is treated as no time having passed.
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
pub struct Instant(u64);

impl Instant {
    /// The deadline that does not come: nothing but input or a call moves the machine on.
    pub const NEVER: Self = Self(u64::MAX);

    /// A moment `micros` microseconds after the caller's epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A moment `millis` milliseconds after the caller's epoch, at most [`Instant::NEVER`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// A moment `secs` seconds after the caller's epoch, at most [`Instant::NEVER`].
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the caller's epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, at most [`Instant::NEVER`].
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        let micros = duration.as_micros();
        if micros > u64::MAX as u128 {
            return Self::NEVER;
        }
        Self(self.0.saturating_add(micros as u64))
    }

    /// How long from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The moment `millis` milliseconds later.
    #[cfg(any(feature = "fast", test))]
    pub(crate) const fn plus_millis(self, millis: u32) -> Self {
        self.plus_times(millis, 1_000)
    }

    /// The moment `secs` seconds later.
    #[cfg(feature = "message-expiry")]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) const fn plus_secs(self, secs: u32) -> Self {
        self.plus_times(secs, 1_000_000)
    }

    /// The moment `count` times `micros` microseconds later.
    #[cfg(any(feature = "message-expiry", test))]
    const fn plus_times(self, count: u32, micros: u32) -> Self {
        // The product of two numbers of 32 bits has at most 64.
        Self(
            self.0
                .saturating_add((count as u64).wrapping_mul(micros as u64)),
        )
    }

    /// Seconds from `earlier` to this moment, rounded up.
    pub(crate) const fn secs_from(self, earlier: Self) -> u32 {
        // The caller's time is at least a second away from the end of all times.
        let micros = self.micros_from(earlier).wrapping_add(999_999);
        // A second has 64 times 15,625 microseconds.
        quotient(micros >> 6, 15_625)
    }

    #[cfg_attr(not(feature = "fast"), inline(never))]
    const fn micros_from(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The low 32 bits of the quotient.
#[cfg(feature = "fast")]
#[inline]
const fn quotient(of: u64, divisor: u16) -> u32 {
    match of.checked_div(divisor as u64) {
        Some(quotient) => quotient as u32,
        None => 0,
    }
}

/// The low 32 bits of the quotient. A processor of 32 bits has no instruction for it, and the
/// routine that divides any two numbers is long: this divides as one does on paper, where a digit
/// has 16 bits.
#[cfg(not(feature = "fast"))]
#[inline(never)]
#[expect(clippy::arithmetic_side_effects)] // No divisor is 0, and a rest is less than it.
const fn quotient(of: u64, divisor: u16) -> u32 {
    let divisor = divisor as u32;
    let low = of as u32;
    let rest = (of >> 32) as u32 % divisor;
    let upper = (rest << 16) | (low >> 16);
    let lower = ((upper % divisor) << 16) | (low & 0xffff);
    ((upper / divisor) << 16) | (lower / divisor)
}

/// In seconds.
#[cfg(feature = "defmt")]
impl defmt::Format for Instant {
    fn format(&self, f: defmt::Formatter<'_>) {
        match *self {
            Self::NEVER => defmt::write!(f, "never"),
            Self(micros) => defmt::write!(f, "{=u64:us} s", micros),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        let secs = |micros| Instant::from_micros(micros + 7).secs_from(Instant::from_micros(7));
        for (micros, expected) in [
            (0, 0),
            (1, 1),
            (1_000_000, 1),
            (1_000_001, 2),
            (86_399_999_999, 86_400),
        ] {
            assert_eq!(secs(micros), expected, "{micros}");
        }
        let most = 1_000_000 * u64::from(u32::MAX);
        assert_eq!(secs(most), u32::MAX);
    }

    #[test]
    fn a_quotient_has_the_low_bits_of_the_division() {
        let mut of = 1u64;
        for _ in 0..1_000 {
            of = of.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            for value in [of, of >> 20, of >> 40, u64::MAX, 0] {
                for divisor in [1, 1_000, 15_625, u16::MAX] {
                    let plain = value / u64::from(divisor);
                    assert_eq!(
                        quotient(value, divisor),
                        plain as u32,
                        "{value} / {divisor}"
                    );
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
