//! Moments within the machine, squeezed into four bytes: milliseconds that wrap after 49 days. What
//! is told apart is less than 24 days away, as every time limit is.

use super::{Instant, quotient};
use crate::config::LONGEST;
use core::time::Duration;

/// Milliseconds of 64 bits that lie among words.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Ticks {
    low: u32,
    high: u32,
}

pub(super) const PER_MILLI: u64 = 1;

/// The end of time stays what it is.
pub(super) const fn ticks(micros: u64) -> u64 {
    match micros {
        u64::MAX => u64::MAX,
        _ => quotient(micros, 1_000),
    }
}

pub(super) const fn ticks_of(duration: Duration) -> u128 {
    duration.as_micros().div_ceil(1_000)
}

pub(super) const fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks)
}

/// As the number.
impl core::fmt::Debug for Ticks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Instant(*self).ticks().fmt(f)
    }
}

impl Ord for Ticks {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        Instant(*self).ticks().cmp(&Instant(*other).ticks())
    }
}

impl PartialOrd for Ticks {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Instant {
    pub(super) const fn at(ticks: u64) -> Self {
        Self(Ticks {
            low: ticks as u32,
            high: (ticks >> 32) as u32,
        })
    }

    pub(super) const fn ticks(self) -> u64 {
        (self.0.high as u64) << 32 | self.0.low as u64
    }
}

/// A moment that has come, or until which there is time; or never, which is all zero bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Moment(u32);

/// A moment that may never come.
pub(crate) type Alarm = Moment;

/// When a record was sent.
pub(crate) type Stamp = Moment;

impl Moment {
    pub(crate) const NEVER: Self = Self(0);
    /// Stands where nothing has happened yet.
    pub(crate) const START: Self = Self(0);

    /// Rings at this moment.
    pub(crate) const fn at(moment: Self) -> Self {
        moment
    }

    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// A moment that may never come is one.
    pub(crate) const fn moment(self) -> Self {
        self
    }
}

/// When something is due: in so many milliseconds, which are none where it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Due(i32);

impl Due {
    pub(crate) const NEVER: Self = Self(i32::MAX);
}

/// The machine's notion of time: the latest moment it was told. What is due is looked up at every
/// poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clock {
    /// The caller's time when `stamp` last moved.
    pub(crate) now: Instant,
    /// The same moment, never zero once there was one.
    stamp: u32,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            now: Instant::at(0),
            stamp: 0,
        }
    }

    /// Takes the caller's time; a step backwards counts as no time. One that is longer than any
    /// time limit counts as the longest: whatever was armed has come then.
    #[inline(always)]
    pub(crate) fn advance(&mut self, now: Instant) {
        advance(now, self);
    }

    /// This moment.
    pub(crate) const fn moment(&self) -> Moment {
        Moment(self.stamp)
    }

    /// When so many milliseconds have passed.
    #[inline(always)]
    pub(crate) fn arm_in(&self, millis: u32) -> Moment {
        Moment(self.stamp.wrapping_add(millis).max(1))
    }

    /// Whether any deadline may have been reached.
    pub(crate) const fn is_due(&self) -> bool {
        true
    }

    /// Nothing is due before that.
    pub(crate) fn set_due(&self, _due: Due) {}

    /// What is due at this moment, but not before now.
    pub(crate) fn until(&self, moment: Moment) -> Due {
        match moment {
            Moment::NEVER => Due::NEVER,
            Moment(at) => Due((at.wrapping_sub(self.stamp) as i32).max(0)),
        }
    }

    /// What is due so many milliseconds after a moment that has come.
    pub(crate) const fn after(&self, since: Moment, millis: u32) -> Due {
        Due(millis.saturating_sub(self.stamp.wrapping_sub(since.0)) as i32)
    }

    /// The same, or never, where nothing has come.
    pub(crate) const fn after_any(&self, since: Moment, millis: u32) -> Due {
        match since {
            Moment::NEVER => Due::NEVER,
            _ => self.after(since, millis),
        }
    }

    /// Whether so many milliseconds have passed since a moment that has come.
    pub(crate) const fn has_passed(&self, since: Moment, millis: u32) -> bool {
        self.stamp.wrapping_sub(since.0) >= millis
    }

    /// Starts a time limit: what is kept of it is when it began.
    pub(crate) const fn start(&self, _millis: u32) -> Moment {
        self.moment()
    }

    /// When a time limit of so many milliseconds ends that was started.
    pub(crate) const fn end(&self, started: Moment, millis: u32) -> Due {
        self.after_any(started, millis)
    }

    /// The same, or now if that is later.
    pub(crate) const fn not_before_now(&self, due: Due) -> Due {
        due
    }

    pub(crate) const fn has_come(&self, due: Due) -> bool {
        due.0 <= 0
    }

    /// What is due at this moment of the caller's: what is further away than any time limit, when
    /// the longest of these has passed.
    #[cfg(feature = "message-expiry")]
    pub(crate) fn due_at(&self, at: Instant) -> Due {
        Due(limited(at.ticks_from(self.now)) as i32)
    }

    /// When the caller has to come back for what is due.
    #[inline(never)]
    pub(crate) const fn instant(&self, due: Due) -> Instant {
        // A caller whose time is nearly over has to come back at its end.
        match self.now.ticks().checked_add(due.0 as u32 as u64) {
            Some(ticks) if due.0 != Due::NEVER.0 => Instant::at(ticks),
            _ => Instant::NEVER,
        }
    }

    /// The caller's time at a moment that comes; now, if it has come.
    pub(crate) fn instant_of(&self, moment: Moment) -> Instant {
        self.instant(self.until(moment))
    }
}

/// The time comes first, and stays in the registers that a clock has put it into.
fn advance(now: Instant, clock: &mut Clock) {
    let mut millis = 0;
    if let Some(passed) = now.ticks().checked_sub(clock.now.ticks()) {
        millis = limited(passed);
        clock.now = now;
    }
    clock.stamp = clock.stamp.wrapping_add(millis).max(1);
}

/// So many milliseconds, at most the longest time limit.
fn limited(millis: u64) -> u32 {
    if (millis >> 32) as u32 == 0 {
        (millis as u32).min(LONGEST)
    } else {
        LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Clock {
        let mut clock = Clock::new();
        clock.advance(Instant::from_millis(millis));
        clock
    }

    #[test]
    fn a_deadline_survives_the_wrap_of_its_32_bits() {
        let mut clock = at(1);
        for _ in 0..6 {
            let sent = clock.moment();
            let deadline = clock.arm_in(100);
            clock.advance(clock.now.plus_millis(70));
            assert_eq!(clock.until(deadline), Due(30));
            assert_eq!(clock.after(sent, 100), Due(30));
            clock.advance(clock.now.plus_millis(LONGEST - 10));
            assert!(clock.has_come(clock.until(deadline)));
            assert!(clock.has_come(clock.after(sent, 100)));
        }
    }

    #[test]
    fn what_is_returned_and_reached_has_come() {
        let mut clock = Clock::new();
        for micros in [1, 999, 1_000, 123_456_789, 1 << 40, (1 << 40) + 1_001] {
            clock.advance(Instant::from_micros(micros));
            let deadline = clock.arm_in(7);
            let instant = clock.instant(clock.until(deadline));
            clock.advance(Instant::from_micros(instant.as_micros() - 1));
            assert!(!clock.has_come(clock.until(deadline)));
            clock.advance(instant);
            assert!(clock.has_come(clock.until(deadline)));
        }
    }

    #[test]
    fn whatever_was_armed_has_come_after_any_time() {
        for millis in [
            (1u64 << 31) + 5,
            1 << 32,
            3 << 31,
            1 << 40,
            u64::MAX / 1_000,
        ] {
            let mut clock = at(5);
            let never = clock.until(Moment::NEVER);
            let deadlines = [1, LONGEST].map(|limit| clock.arm_in(limit));
            clock.advance(Instant::from_millis(millis));
            for deadline in deadlines {
                assert!(clock.has_come(clock.until(deadline)));
            }
            assert_eq!(clock.now, Instant::from_millis(millis));
            assert_eq!(clock.instant(never), Instant::NEVER);
        }
    }

    #[test]
    fn nothing_is_due_behind_the_end_of_time() {
        let clock = at(u64::MAX - 5);
        let due = clock.until(clock.arm_in(7));
        assert_eq!(clock.instant(due), Instant::NEVER);
        let due = clock.until(clock.arm_in(4));
        assert_eq!(clock.instant(due), Instant::from_millis(u64::MAX - 1));
    }

    #[cfg(feature = "message-expiry")]
    #[test]
    fn what_is_too_far_away_is_due_with_the_longest_limit() {
        let clock = at(5);
        let due = clock.due_at(Instant::from_secs(10_000_000));
        assert_eq!(due, Due(LONGEST as i32));
        assert_eq!(clock.due_at(Instant::from_micros(5_001)), Due(1));
        assert_eq!(clock.due_at(Instant::from_micros(5_000)), Due(0));
    }
}
