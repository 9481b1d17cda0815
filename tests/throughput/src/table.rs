//! The numbers, each beside what it is to be.

use crate::child::Counter;
use crate::clients::Client;
use crate::load::{Load, Way};
use crate::report::Report;
use std::time::Duration;

pub(crate) fn head(counter: Counter) {
    let calls = counter.name().unwrap_or("not counted");
    println!("A target stands behind the number; ! where it is not met. Yardstick: bare, by-hand.");
    println!("System calls: {calls}.\n");
    println!(
        "{:<24} {:<10} {:>20} {:>13} {:>14} {:>14} {:>7}",
        "", "", "messages/s", "of yardstick", "CPU µs/message", "calls/message", "allocs"
    );
}

pub(crate) fn rows(load: Load, reports: &[(Client, Report)]) {
    let yardstick = reports.iter().find(|(client, _)| client.is_yardstick());
    let targets = load.targets();
    let mut title = load.title;
    for (client, report) in reports {
        let ours = client.is_ours();
        let at_least = |value: f64, target: Option<f64>, show: fn(f64) -> String| {
            let target = target.filter(|_| ours);
            beside(value, target, show, value >= target.unwrap_or(0.0), '≥')
        };
        let at_most = |value: f64, target: Option<f64>| {
            let target = target.filter(|_| ours);
            beside(
                value,
                target,
                decimal,
                value <= target.unwrap_or(f64::MAX),
                '≤',
            )
        };
        let share = yardstick.map(|(_, other)| report.rate() / other.rate());
        println!(
            "{:<24} {:<10} {:>20} {:>13} {:>14} {:>14} {:>7}",
            std::mem::take(&mut title),
            client.name(),
            at_least(report.rate(), targets.rate, grouped),
            share.map_or(String::new(), |share| at_least(
                share,
                targets.share,
                decimal
            )),
            at_most(report.cpu(), targets.cpu),
            report
                .calls
                .map_or(String::new(), |calls| at_most(calls, targets.calls)),
            decimal(report.allocations()),
        );
        if load.way == Way::RoundTrip {
            let times = yardstick
                .map(|(_, other)| report.median.as_secs_f64() / other.median.as_secs_f64())
                .map_or(String::new(), |times| {
                    format!(", {} of the yardstick's", at_most(times, targets.median))
                });
            let (median, worst) = (micros(report.median), micros(report.worst));
            println!(
                "{:<24} {:<10} p50 {median} µs{times}; p99 {worst} µs",
                "", ""
            );
        }
        if report.dropped > 0 {
            let dropped = report.dropped as f64 / (report.all + report.dropped) as f64;
            println!(
                "{:<35} {:.1} % dropped: more came than was read",
                "",
                dropped * 100.0
            );
        }
    }
}

pub(crate) fn foot(counter: Counter, free: bool) {
    if !free {
        println!("\nEach client has one core; the broker runs where it likes.");
    }
    if counter == Counter::Strace {
        println!("strace slows the client down: more may leave in one call than without it.");
    }
}

fn beside(
    value: f64,
    target: Option<f64>,
    show: fn(f64) -> String,
    met: bool,
    sign: char,
) -> String {
    match target {
        Some(target) => {
            let miss = if met { "" } else { "!" };
            format!("{miss}{} {sign}{}", show(value), show(target))
        }
        None => show(value),
    }
}

fn decimal(value: f64) -> String {
    format!("{value:.2}")
}

fn micros(span: Duration) -> String {
    format!("{:.1}", span.as_secs_f64() * 1e6)
}

/// A whole number with its digits in threes.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_threes() {
        let shown = [7.0, 999.4, 1_000.0, 1_234_567.0].map(grouped);
        assert_eq!(shown, ["7", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_miss_is_marked() {
        let at_most = |value: f64| beside(value, Some(0.5), decimal, value <= 0.5, '≤');
        assert_eq!([at_most(0.4), at_most(0.6)], ["0.40 ≤0.50", "!0.60 ≤0.50"]);
        assert_eq!(beside(1.0, None, decimal, true, '≤'), "1.00");
    }
}
