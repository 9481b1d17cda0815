//! Which statements of the standard the tests cover.
//!
//! The [`Catalogue`] lists the numbered statements and the points that clients get wrong;
//! [`citations`] finds what each test claims to cover; an [`Audit`] holds one against the
//! other.

pub mod citations;

use core::fmt::{self, Write as _};
use std::collections::{BTreeMap, BTreeSet};

use crate::csv::{self, CsvError};
use citations::Citation;

/// What a test can cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A numbered statement of the standard, such as `MQTT-3.1.2-22`.
    Statement(String),
    /// A numbered point of `spec/pitfalls.csv`.
    Pitfall(u16),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(id) => f.write_str(id),
            Self::Pitfall(number) => write!(f, "pitfall {number}"),
        }
    }
}

/// One row of `spec/normative.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The standard's own number.
    pub id: String,
    /// Whom it binds: `client`, `server` or `both`.
    pub role: String,
    /// Where it is kept: `codec`, `session`, `adapter` or `untestable-application`.
    pub layer: String,
    /// What it says, in short.
    pub paraphrase: String,
}

impl Statement {
    /// Whether it binds a client.
    pub fn binds_client(&self) -> bool {
        matches!(self.role.as_str(), "client" | "both")
    }

    /// Whether it binds a server.
    pub fn binds_server(&self) -> bool {
        matches!(self.role.as_str(), "server" | "both")
    }
}

/// One row of `spec/pitfalls.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pitfall {
    /// From 1, without gaps.
    pub number: u16,
    /// Whether a client can fall into it.
    pub touches_client: bool,
    /// What it is about, in short.
    pub title: String,
}

/// Everything a test can cite.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The numbered statements, in the standard's order.
    pub statements: Vec<Statement>,
    /// The points that clients get wrong.
    pub pitfalls: Vec<Pitfall>,
}

impl Catalogue {
    /// Reads the two tables.
    ///
    /// # Errors
    /// A text that is not such a table, a number that is not one, or a number out of order.
    pub fn read(statements: &str, pitfalls: &str) -> Result<Self, CsvError> {
        let header = [
            "id",
            "section",
            "role",
            "layer",
            "paraphrase",
            "client_test",
        ];
        let statements = csv::table(statements, header)?
            .into_iter()
            .map(|[id, _, role, layer, paraphrase, _]| Statement {
                id,
                role,
                layer,
                paraphrase,
            })
            .collect();
        let pitfalls = csv::table(pitfalls, ["number", "touches_client", "layer", "title"])?
            .into_iter()
            .zip(1..)
            .map(|([number, touches_client, _, title], expected)| {
                let wrong = |what: String| CsvError {
                    line: usize::from(expected) + 1,
                    what,
                };
                if number.parse() != Ok(expected) {
                    return Err(wrong(format!("number {number}, must be {expected}")));
                }
                let touches_client = match touches_client.as_str() {
                    "yes" => true,
                    "no" => false,
                    other => return Err(wrong(format!("{other}, must be yes or no"))),
                };
                Ok(Pitfall {
                    number: expected,
                    touches_client,
                    title,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            statements,
            pitfalls,
        })
    }

    fn contains(&self, point: &Point) -> bool {
        match point {
            Point::Statement(id) => self.statements.iter().any(|s| s.id == *id),
            Point::Pitfall(number) => self.pitfalls.iter().any(|p| p.number == *number),
        }
    }
}

/// A statement that no test can cover yet, or that none can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotYet {
    /// The statement.
    pub id: &'static str,
    /// What has to be built first, or why nothing would show it.
    pub reason: &'static str,
}

/// The claims for the client, or those for the broker, held against the catalogue.
#[derive(Debug, Clone)]
pub struct Audit {
    /// What there is to cover.
    pub catalogue: Catalogue,
    /// What the tests claim to cover.
    pub citations: Vec<Citation>,
    /// What is excused, and why.
    pub not_yet: Vec<NotYet>,
}

impl Audit {
    /// Citations of what does not exist, one line each.
    pub fn unknown(&self) -> Vec<String> {
        self.citations
            .iter()
            .filter(|citation| !self.catalogue.contains(&citation.point))
            .map(ToString::to_string)
            .collect()
    }

    /// Citations and excuses of statements that `bound` does not pick, one line each.
    pub fn misplaced(&self, bound: impl Fn(&Statement) -> bool) -> Vec<String> {
        let binds_others = |id: &str| {
            let mut statements = self.catalogue.statements.iter();
            statements.any(|s| s.id == id && !bound(s))
        };
        let citations = self
            .citations
            .iter()
            .filter(|citation| matches!(&citation.point, Point::Statement(id) if binds_others(id)));
        let excuses = self.not_yet.iter().filter(|excuse| binds_others(excuse.id));
        citations
            .map(ToString::to_string)
            .chain(excuses.map(|excuse| format!("{} needs no excuse", excuse.id)))
            .collect()
    }

    /// Statements that `required` picks, no test covers and nothing excuses, one line each.
    pub fn uncovered_statements(&self, required: impl Fn(&Statement) -> bool) -> Vec<String> {
        let covered = self.covered();
        self.catalogue
            .statements
            .iter()
            .filter(|s| required(s))
            .filter(|s| !covered.contains(&Point::Statement(s.id.clone())))
            .filter(|s| !self.not_yet.iter().any(|excuse| excuse.id == s.id))
            .map(|s| format!("{} ({}): {}", s.id, s.role, s.paraphrase))
            .collect()
    }

    /// Points that touch a client and that no test covers, one line each.
    pub fn uncovered_pitfalls(&self) -> Vec<String> {
        let covered = self.covered();
        self.catalogue
            .pitfalls
            .iter()
            .filter(|p| p.touches_client && !covered.contains(&Point::Pitfall(p.number)))
            .map(|p| format!("pitfall {}: {}", p.number, p.title))
            .collect()
    }

    /// Excuses that excuse nothing: the statement is covered by now, or does not exist.
    pub fn idle_excuses(&self) -> Vec<String> {
        let covered = self.covered();
        self.not_yet
            .iter()
            .filter_map(|excuse| {
                let point = Point::Statement(excuse.id.to_owned());
                if covered.contains(&point) {
                    Some(format!("{point} is covered: strike it from the list"))
                } else if !self.catalogue.contains(&point) {
                    Some(format!("{point} does not exist"))
                } else {
                    None
                }
            })
            .collect()
    }

    /// Covered of all, by layer and role, with the excuses below.
    pub fn table(&self) -> String {
        const ROLES: [&str; 3] = ["client", "both", "server"];
        let covered = self.covered();
        let mut counts = BTreeMap::<(&str, &str), Count>::new();
        let mut layers = Vec::new();
        let mut sum = Count::default();
        for statement in &self.catalogue.statements {
            let hit = covered.contains(&Point::Statement(statement.id.clone()));
            let place = (statement.layer.as_str(), statement.role.as_str());
            counts.entry(place).or_default().add(hit);
            sum.add(hit);
            if !layers.contains(&place.0) {
                layers.push(place.0);
            }
        }
        let mut pitfalls = Count::default();
        for pitfall in self.catalogue.pitfalls.iter().filter(|p| p.touches_client) {
            pitfalls.add(covered.contains(&Point::Pitfall(pitfall.number)));
        }
        let tests: BTreeSet<_> = self.citations.iter().map(|c| (&c.file, &c.test)).collect();

        let mut out = format!("{:<24}", "statements covered");
        for role in ROLES {
            let _ = write!(out, "{role:>10}");
        }
        for layer in layers {
            let _ = write!(out, "\n{layer:<24}");
            for role in ROLES {
                let count = counts.get(&(layer, role)).copied().unwrap_or_default();
                let _ = write!(out, "{:>10}", count.to_string());
            }
        }
        let _ = write!(out, "\n{:<24}{:>10}", "all statements", sum.to_string());
        let _ = write!(
            out,
            "\n{:<24}{:>10}",
            "pitfalls of a client",
            pitfalls.to_string()
        );
        let _ = write!(out, "\n{:<24}{:>10}", "tests that cite", tests.len());
        for excuse in &self.not_yet {
            let _ = write!(out, "\nnot yet {}: {}", excuse.id, excuse.reason);
        }
        out
    }

    /// Covered of those that `required` picks, by layer, with the number of tests and of excuses.
    pub fn counts(&self, what: &str, required: impl Fn(&Statement) -> bool) -> String {
        let covered = self.covered();
        let mut layers = Vec::<(&str, Count)>::new();
        let mut sum = Count::default();
        for statement in self.catalogue.statements.iter().filter(|s| required(s)) {
            let hit = covered.contains(&Point::Statement(statement.id.clone()));
            sum.add(hit);
            match layers.iter_mut().find(|(name, _)| *name == statement.layer) {
                Some((_, count)) => count.add(hit),
                None => {
                    let mut count = Count::default();
                    count.add(hit);
                    layers.push((&statement.layer, count));
                }
            }
        }
        let tests: BTreeSet<_> = self.citations.iter().map(|c| (&c.file, &c.test)).collect();
        let mut out = format!("{what:<24}{:>10}", sum.to_string());
        for (layer, count) in layers {
            let _ = write!(out, "\n{layer:<24}{:>10}", count.to_string());
        }
        let _ = write!(out, "\n{:<24}{:>10}", "tests that cite", tests.len());
        let _ = write!(out, "\n{:<24}{:>10}", "excused", self.not_yet.len());
        out
    }

    fn covered(&self) -> BTreeSet<Point> {
        self.citations.iter().map(|c| c.point.clone()).collect()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    covered: usize,
    all: usize,
}

impl Count {
    fn add(&mut self, covered: bool) {
        self.all += 1;
        self.covered += usize::from(covered);
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.all {
            0 => f.write_str("-"),
            _ => write!(f, "{}/{}", self.covered, self.all),
        }
    }
}
