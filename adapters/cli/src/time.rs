//! When a message came, as text.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment as time since 1970-01-01T00:00:00Z. It is shown in UTC, to the microsecond (RFC 3339).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) Duration);

impl Timestamp {
    pub(crate) fn now() -> Self {
        // A clock before 1970 is not set at all.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let micros = self.0.subsec_micros();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
        )
    }
}

/// The date so many days after 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year, and its cycle of
    // 146,097 days (400 years) begins there.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March, of 31, 30, 31, 30, 31 days again and again.
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * cycle + year + carried, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(seconds: u64, text: &str) {
        let time = Timestamp(Duration::new(seconds, 1_500));
        assert_eq!(time.to_string(), format!("{text}.000001Z"));
    }

    #[test]
    fn days_around_leap_days_and_ends_of_years() {
        shown(0, "1970-01-01T00:00:00");
        shown(68_169_599, "1972-02-28T23:59:59");
        shown(68_169_600, "1972-02-29T00:00:00");
        shown(951_868_800, "2000-03-01T00:00:00");
        shown(1_704_067_199, "2023-12-31T23:59:59");
        shown(1_709_251_199, "2024-02-29T23:59:59");
        shown(4_107_542_400, "2100-03-01T00:00:00");
    }

    #[test]
    fn days_follow_each_other() {
        let mut before = date(0);
        for days in 1..200_000 {
            let (year, month, day) = date(days);
            let next = match before {
                (y, m, d) if (year, month) == (y, m) => d + 1 == day,
                (y, m, d) => {
                    d >= 28
                        && day == 1
                        && ((year, month) == (y, m + 1) || (m == 12 && (year, month) == (y + 1, 1)))
                }
            };
            assert!(next, "{before:?} then {year}-{month}-{day}");
            before = (year, month, day);
        }
    }
}
