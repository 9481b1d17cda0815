//! Moments within the machine, as the caller has them: nothing is converted, which is fastest.

use super::Instant;
use core::time::Duration;

/// Microseconds.
pub(super) type Ticks = u64;

pub(super) const PER_MILLI: u64 = 1_000;

pub(super) const fn ticks(micros: u64) -> Ticks {
    micros
}

pub(super) const fn ticks_of(duration: Duration) -> u128 {
    duration.as_micros()
}

pub(super) const fn duration(ticks: u64) -> Duration {
    Duration::from_micros(ticks)
}

/// A moment that has come, or until which there is time.
pub(crate) type Moment = Instant;

/// When something is due.
pub(crate) type Due = Instant;

/// A moment that may never come, kept so that never is all zero bits: a client at rest is, and a
/// static one costs no flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Alarm(u64);

impl Alarm {
    pub(crate) const NEVER: Self = Self(0);

    pub(crate) const fn at(moment: Moment) -> Self {
        Self(!moment.0)
    }

    #[inline(always)]
    pub(crate) const fn moment(self) -> Moment {
        Instant(!self.0)
    }
}

/// A moment squeezed into four bytes for the tables: milliseconds that wrap after 49 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stamp(u32);

impl Instant {
    pub(super) const fn at(ticks: u64) -> Self {
        Self(ticks)
    }

    pub(super) const fn ticks(self) -> u64 {
        self.0
    }

    /// Stands where nothing has happened yet.
    pub(crate) const START: Self = Self(0);

    /// Milliseconds since the epoch, the low 32 bits: enough to tell spans below 24 days apart.
    pub(crate) const fn stamp(self) -> Stamp {
        Stamp(super::quotient(self.0, 1_000) as u32)
    }
}

impl Stamp {
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// The moment `millis` after this stamp, seen from `now`, which is less than 24 days away.
    pub(crate) const fn deadline(self, millis: u32, now: Instant) -> Instant {
        let age = now.stamp().0.wrapping_sub(self.0);
        // An age in the upper half of the range is a stamp from the future: no age at all.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        now.plus_millis(millis.saturating_sub(age))
    }
}

/// The machine's notion of time: the latest moment it was told, and the earliest deadline.
///
/// `due` is a lower bound: whoever arms a deadline lowers it with [`Clock::arm`], and only when
/// it is reached are the deadlines looked at one by one. This keeps the idle poll at one
/// comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clock {
    pub(crate) now: Instant,
    pub(crate) due: Due,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            now: Instant(0),
            // It is looked up with the first poll: what is all zero takes no room in a program.
            due: Instant(0),
        }
    }

    /// Takes the caller's time; a step backwards counts as no time.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// This moment.
    #[inline]
    pub(crate) const fn moment(&self) -> Moment {
        self.now
    }

    /// The one helper that merges deadlines.
    pub(crate) fn arm(&mut self, due: Due) {
        self.due = self.due.min(due);
    }

    /// Arms a deadline `millis` milliseconds from now, and says when that is.
    pub(crate) fn arm_in(&mut self, millis: u32) -> Moment {
        let deadline = self.now.plus_millis(millis);
        self.arm(deadline);
        deadline
    }

    /// Starts a time limit: what is kept of it is when it ends.
    pub(crate) fn start(&mut self, millis: u32) -> Moment {
        self.arm_in(millis)
    }

    /// When a time limit of so many milliseconds ends that was started.
    #[inline]
    pub(crate) const fn end(&self, started: Moment, _millis: u32) -> Due {
        started
    }

    /// Whether any deadline may have been reached.
    pub(crate) fn is_due(&self) -> bool {
        self.has_come(self.due)
    }

    /// Nothing is due before that.
    #[inline]
    pub(crate) fn set_due(&mut self, due: Due) {
        self.due = due;
    }

    /// What is due at this moment, but not before now.
    #[inline]
    pub(crate) fn until(&self, moment: Moment) -> Due {
        moment.max(self.now)
    }

    /// What is due so many milliseconds after a moment that has come.
    #[inline]
    pub(crate) const fn after(&self, since: Moment, millis: u32) -> Due {
        since.plus_millis(millis)
    }

    /// The same, or never, where nothing has come.
    #[inline]
    pub(crate) const fn after_any(&self, since: Moment, millis: u32) -> Due {
        self.after(since, millis)
    }

    /// The same, or now if that is later.
    #[inline]
    pub(crate) fn not_before_now(&self, due: Due) -> Due {
        due.max(self.now)
    }

    /// Whether so many milliseconds have passed since a moment that has come.
    #[inline]
    pub(crate) fn has_passed(&self, since: Moment, millis: u32) -> bool {
        self.has_come(self.after(since, millis))
    }

    #[inline]
    pub(crate) fn has_come(&self, due: Due) -> bool {
        self.now >= due
    }

    /// What is due at this moment of the caller's.
    #[inline]
    pub(crate) const fn due_at(&self, at: Instant) -> Due {
        at
    }

    /// When the caller has to come back for what is due.
    #[inline]
    pub(crate) const fn instant(&self, due: Due) -> Instant {
        due
    }

    /// The caller's time at a moment that comes or has come.
    #[inline]
    pub(crate) const fn instant_of(&self, moment: Moment) -> Instant {
        moment
    }

    /// Rings for what is due.
    #[inline]
    pub(crate) const fn alarm(&self, due: Due) -> Alarm {
        Alarm::at(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_the_wrap_of_its_32_bits() {
        let before = Instant::from_millis(u64::from(u32::MAX) - 10);
        let after = Instant::from_millis(u64::from(u32::MAX) + 20);
        let deadline = before.stamp().deadline(100, after);
        assert_eq!(deadline.since(after).as_millis(), 70);
    }

    #[test]
    fn a_deadline_that_has_passed_is_now() {
        let then = Instant::from_secs(1);
        let now = Instant::from_secs(10);
        assert_eq!(then.stamp().deadline(5_000, now), now);
    }
}
