//! What a client was measured to do, from one process to the other.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What one client did with one load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Messages done with in the span: acknowledged, taken by the stream, or received.
    pub(crate) messages: u64,
    /// Those before as well.
    pub(crate) all: u64,
    pub(crate) span: Duration,
    /// Of the whole process.
    pub(crate) cpu: Duration,
    pub(crate) allocations: u64,
    /// Half of the round trips took no longer.
    pub(crate) median: Duration,
    /// 99 of 100 round trips took no longer.
    pub(crate) worst: Duration,
    /// Messages that came and that the stream had no room for.
    pub(crate) dropped: u64,
    /// System calls a message, from a run of its own.
    pub(crate) calls: Option<f64>,
}

impl Report {
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.span.as_secs_f64()
    }

    /// CPU time a message in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages as f64
    }

    pub(crate) fn allocations(&self) -> f64 {
        self.allocations as f64 / self.messages as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans = [self.span, self.cpu, self.median, self.worst].map(|span| span.as_nanos());
        let counts = [self.messages, self.all, self.allocations, self.dropped];
        for span in spans {
            write!(f, "{span} ")?;
        }
        for count in counts {
            write!(f, "{count} ")?;
        }
        Ok(())
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u64>> = text.split_whitespace().map(|n| n.parse().ok()).collect();
        match numbers.as_deref() {
            Some(
                &[
                    span,
                    cpu,
                    median,
                    worst,
                    messages,
                    all,
                    allocations,
                    dropped,
                ],
            ) => Ok(Self {
                messages,
                all,
                span: Duration::from_nanos(span),
                cpu: Duration::from_nanos(cpu),
                allocations,
                median: Duration::from_nanos(median),
                worst: Duration::from_nanos(worst),
                dropped,
                calls: None,
            }),
            _ => Err(format!("no report: {text:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        let report = Report {
            messages: 3,
            all: 4,
            span: Duration::from_micros(6),
            cpu: Duration::from_micros(3),
            allocations: 9,
            median: Duration::from_nanos(10),
            worst: Duration::from_nanos(11),
            dropped: 12,
            calls: None,
        };
        let arrived: Report = report.to_string().parse().unwrap();
        assert_eq!(format!("{arrived:?}"), format!("{report:?}"));
        assert_eq!(arrived.rate(), 500_000.0);
        assert_eq!((arrived.cpu(), arrived.allocations()), (1.0, 3.0));
        assert!("1 2 3".parse::<Report>().is_err());
    }
}
