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

/// A part of a moment, by its letter for strftime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part(char);

impl Part {
    pub(crate) fn of(letter: char) -> Option<Self> {
        const LETTERS: &str = "YCymBbhdeFjaAuwHIMpSsNTRDzZnt";
        LETTERS.contains(letter).then_some(Self(letter))
    }
}

impl Timestamp {
    /// A part of it, in UTC and in English.
    pub(crate) fn part(self, part: Part) -> String {
        let seconds = self.0.as_secs();
        let days = seconds / 86_400;
        let (year, month, day) = date(days);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        // The first day was a Thursday.
        let weekday = (days + 4) % 7;
        let name = |names: &[&'static str], index: u64| {
            let name = usize::try_from(index)
                .ok()
                .and_then(|index| names.get(index));
            (*name.unwrap_or(&"")).to_owned()
        };
        let short = |name: String| name.chars().take(3).collect();
        match part.0 {
            'Y' => format!("{year:04}"),
            'C' => format!("{:02}", year / 100),
            'y' => format!("{:02}", year % 100),
            'm' => format!("{month:02}"),
            'B' => name(&MONTHS, month - 1),
            'b' | 'h' => short(name(&MONTHS, month - 1)),
            'd' => format!("{day:02}"),
            'e' => format!("{day:2}"),
            'F' => format!("{year:04}-{month:02}-{day:02}"),
            'D' => format!("{month:02}/{day:02}/{:02}", year % 100),
            'j' => format!("{:03}", days - first_day(year) + 1),
            'A' => name(&WEEKDAYS, weekday),
            'a' => short(name(&WEEKDAYS, weekday)),
            'w' => weekday.to_string(),
            'u' => (if weekday == 0 { 7 } else { weekday }).to_string(),
            'H' => format!("{hour:02}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'p' => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'R' => format!("{hour:02}:{minute:02}"),
            's' => seconds.to_string(),
            'N' => format!("{:09}", self.0.subsec_nanos()),
            'z' => "+0000".to_owned(),
            'Z' => "UTC".to_owned(),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            _ => String::new(),
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Days from 1970-01-01 to the first of January of a year from then on.
fn first_day(year: u64) -> u64 {
    let before = year - 1;
    365 * year + before / 4 - before / 100 + before / 400 - 719_527
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

    #[track_caller]
    fn in_parts(seconds: u64, letters: &str, text: &str) {
        let time = Timestamp(Duration::new(seconds, 42));
        let parts = letters
            .chars()
            .map(|letter| time.part(Part::of(letter).unwrap()));
        assert_eq!(parts.collect::<Vec<_>>().join(" "), text);
    }

    #[test]
    fn each_letter_has_its_part() {
        // 2024-02-29T23:59:59, as `date -u -d @1709251199` has it.
        in_parts(
            1_709_251_199,
            "YCymBbhde",
            "2024 20 24 02 February Feb Feb 29 29",
        );
        in_parts(
            1_709_251_199,
            "FDjaAuw",
            "2024-02-29 02/29/24 060 Thu Thursday 4 4",
        );
        in_parts(1_709_251_199, "HIpMSTR", "23 11 PM 59 59 23:59:59 23:59");
        in_parts(
            1_709_251_199,
            "sNzZnt",
            "1709251199 000000042 +0000 UTC \n \t",
        );
        // A Sunday, at noon and at midnight, and a day with one digit.
        in_parts(1_704_585_600, "aAuweHIp", "Sun Sunday 7 0  7 00 12 AM");
        in_parts(1_704_628_800, "HIp", "12 12 PM");
        assert_eq!(Part::of('Q'), None);
    }

    #[test]
    fn each_year_begins_with_its_first_day() {
        for year in 1970..2500 {
            assert_eq!(date(first_day(year)), (year, 1, 1));
        }
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
