//! What the numbers have come to: a change may make them smaller, and not larger again.

use std::fmt::Write;
use std::{fs, io};

const REACHED: &str = include_str!("../reached.txt");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reached.txt");

/// How much a number may vary: one in a hundred, and nothing where it is small.
const SLACK: u64 = 100;

/// A number that is measured, and what it may be at most.
#[derive(Debug, Clone)]
pub struct Budget {
    /// What it is, and its unit.
    pub name: String,
    /// What was measured.
    pub value: u64,
    /// What it may be; `None` where it is only told.
    pub limit: Option<u64>,
    /// By how much one run may differ from another beside that.
    pub varies: u64,
}

impl Budget {
    /// What it has come to earlier.
    #[must_use]
    pub fn reached(&self) -> Option<u64> {
        let lines = REACHED.lines().filter_map(|line| line.split_once("  "));
        let (value, _) = lines.into_iter().find(|(_, name)| *name == self.name)?;
        value.parse().ok()
    }

    /// Why it is too much: more than before, or over a limit that was kept before.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        let Some(reached) = self.reached() else {
            return Some(format!("{}: {}, not recorded", self.name, self.value));
        };
        let kept = |limit| reached <= limit && self.value > limit;
        let most = reached + reached / SLACK + self.varies;
        if self.value > most || self.limit.is_some_and(kept) {
            return Some(format!("{}: {}, it was {reached}", self.name, self.value));
        }
        None
    }
}

/// Writes the numbers down.
///
/// # Errors
/// Those of writing the file.
pub fn record(budgets: &[Budget]) -> io::Result<()> {
    let mut text = String::new();
    for budget in budgets {
        let _ = writeln!(text, "{}  {}", budget.value, budget.name);
    }
    fs::write(FILE, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_or_is_not_recorded_is_lost() {
        for line in REACHED.lines() {
            let (value, name) = line.split_once("  ").unwrap();
            let value = value.parse().unwrap();
            let mut budget = Budget {
                name: name.to_owned(),
                value,
                limit: Some(value),
                varies: 0,
            };
            assert_eq!(budget.lost(), None);
            budget.value += 1;
            assert!(budget.lost().is_some(), "{name} is over its limit");
            budget.limit = None;
            budget.value += value / SLACK;
            assert!(budget.lost().is_some(), "{name} has grown");
            budget.varies = 1;
            assert_eq!(budget.lost(), None, "{name} may vary by so much");
            budget.name.push_str(" of another kind");
            assert!(budget.lost().is_some(), "{name} is not recorded");
        }
    }
}
