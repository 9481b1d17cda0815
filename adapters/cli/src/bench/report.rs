//! How the results of a run are told.

use super::BenchArgs;
use super::meter::{Meter, Tick, Total};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

const NANOS_PER_MICRO: f64 = 1_000.0;
const MIB: f64 = 1_048_576.0;

/// Tells on standard error what the last interval was like: on a terminal on one line, which
/// each tick writes anew.
pub(super) fn live(tick: &Tick, delivers: bool) {
    let mut stderr = io::stderr().lock();
    let line = live_line(tick, delivers);
    // Who does not want to read it does not have to.
    let _ = if stderr.is_terminal() {
        write!(stderr, "\r{line}\x1b[K")
    } else {
        writeln!(stderr, "{line}")
    };
}

/// What follows begins on a line of its own.
pub(super) fn end_live() {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K");
    }
}

fn live_line(tick: &Tick, delivers: bool) -> String {
    let mut line = format!(
        "{:4} s  published {}/s",
        tick.elapsed.as_secs(),
        grouped(tick.published.round() as u64)
    );
    if delivers {
        let _ = write!(
            line,
            "  delivered {}/s",
            grouped(tick.delivered.round() as u64)
        );
    }
    let _ = write!(line, "  in flight {}", grouped(tick.in_flight));
    if !tick.latency.is_empty() {
        let _ = write!(
            line,
            "  latency p50 {}  p99 {}  max {}",
            span(tick.latency.value_at_quantile(0.5)),
            span(tick.latency.value_at_quantile(0.99)),
            span(tick.latency.max()),
        );
    }
    line
}

/// What came of a run. In JSON, the fields in their order.
#[derive(Serialize)]
pub(super) struct Summary {
    publishers: usize,
    subscribers: usize,
    qos: u8,
    payload_bytes: usize,
    seconds: f64,
    published: u64,
    acknowledged: u64,
    /// Messages that were given up or refused.
    failed: u64,
    delivered: u64,
    /// Of those that were to be delivered.
    missing: u64,
    /// Of the missing, those that came faster than this program took them.
    dropped_here: u64,
    published_per_second: f64,
    delivered_per_second: f64,
    /// None when there was nothing to be timed.
    latency: Option<Latency>,
}

#[derive(Serialize)]
struct Latency {
    /// What it is measured to.
    to: &'static str,
    min_us: f64,
    mean_us: f64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

impl Latency {
    fn new(to: &'static str, latency: &Histogram<u64>) -> Option<Self> {
        let micros = |nanos: u64| rounded(nanos as f64 / NANOS_PER_MICRO);
        let quantile = |part| micros(latency.value_at_quantile(part));
        (!latency.is_empty()).then(|| Self {
            to,
            min_us: micros(latency.min()),
            mean_us: rounded(latency.mean() / NANOS_PER_MICRO),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: micros(latency.max()),
        })
    }
}

impl Summary {
    pub(super) fn new(args: &BenchArgs, meter: &Meter, dropped_here: u64) -> Self {
        let Total {
            elapsed,
            published,
            acknowledged,
            failed,
            delivered,
            latency,
        } = meter.total();
        let expected = meter.expected(args.qos, args.subscribers);
        let seconds = elapsed.as_secs_f64();
        let rate = |count: u64| {
            if seconds > 0.0 {
                rounded(count as f64 / seconds)
            } else {
                0.0
            }
        };
        let to = if args.subscribers > 0 {
            "delivery"
        } else {
            "acknowledgement"
        };
        Self {
            publishers: args.publishers.get(),
            subscribers: args.subscribers,
            qos: args.qos as u8,
            payload_bytes: args.size,
            seconds: rounded(seconds),
            published,
            acknowledged,
            failed,
            delivered,
            missing: expected.saturating_sub(delivered),
            dropped_here,
            published_per_second: rate(published),
            delivered_per_second: rate(delivered),
            latency: Latency::new(to, &latency),
        }
    }

    /// Messages that were to be delivered and were not.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    pub(super) fn json(&self) -> String {
        // Numbers and constant names: nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "{} publishing, {} subscribing, QoS {}, {} bytes each, {:.2} s\n\n{:14}{:>14}{:>14}{:>12}\n",
            self.publishers,
            self.subscribers,
            self.qos,
            grouped(self.payload_bytes as u64),
            self.seconds,
            "",
            "messages",
            "a second",
            "MiB/s",
        );
        let mut row = |name: &str, count: u64, rate: Option<f64>| {
            let _ = write!(table, "{name:14}{:>14}", grouped(count));
            if let Some(rate) = rate {
                let mib = rate * self.payload_bytes as f64 / MIB;
                let _ = write!(table, "{:>14}{mib:>12.2}", grouped(rate.round() as u64));
            }
            table.push('\n');
        };
        row("published", self.published, Some(self.published_per_second));
        row("acknowledged", self.acknowledged, None);
        if self.failed > 0 {
            row("failed", self.failed, None);
        }
        if self.subscribers > 0 {
            row("delivered", self.delivered, Some(self.delivered_per_second));
            row("missing", self.missing, None);
        }
        if self.dropped_here > 0 {
            row("dropped here", self.dropped_here, None);
        }
        if let Some(latency) = &self.latency {
            let _ = write!(table, "\nlatency from publishing to {}\n", latency.to);
            let heads = ["min", "mean", "p50", "p90", "p99", "p99.9", "max"];
            let values = [
                latency.min_us,
                latency.mean_us,
                latency.p50_us,
                latency.p90_us,
                latency.p99_us,
                latency.p999_us,
                latency.max_us,
            ];
            for head in heads {
                let _ = write!(table, "{head:>10}");
            }
            table.push('\n');
            for micros in values {
                let _ = write!(table, "{:>10}", span((micros * NANOS_PER_MICRO) as u64));
            }
        }
        table.trim_end().to_owned()
    }
}

/// With three decimals.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// A span of nanoseconds with three digits and its unit.
fn span(nanos: u64) -> String {
    let value = nanos as f64;
    let (value, unit) = match nanos {
        0..1_000_000 => (value / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        _ => (value / 1e9, "s"),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_easy_to_read() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        let spans = [1_234, 56_789, 999_400, 1_234_567, 98_765_432, 2_500_000_000];
        assert_eq!(
            spans.map(span),
            [
                "1.23 µs", "56.8 µs", "999 µs", "1.23 ms", "98.8 ms", "2.50 s"
            ]
        );
    }
}
