//! What the tests claim to cover.
//!
//! A claim is a line comment, `// covers: MQTT-1.5.4-1, pitfall 18` for the client or
//! `// broker: MQTT-3.1.2-22` for the broker, directly above a test's attributes. Several may
//! follow each other; doc comments, other comments and attributes may stand between them and the
//! function. A claim anywhere else is an error rather than ignored: it would look like coverage
//! and be none.

use core::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Point;

/// A test's claim to cover one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// What is covered.
    pub point: Point,
    /// The test function that covers it.
    pub test: String,
    /// The file that holds it, as it was handed in.
    pub file: PathBuf,
    /// Line of the comment, from 1.
    pub line: usize,
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            point, test, line, ..
        } = self;
        write!(f, "{}:{line}: {test} cites {point}", self.file.display())
    }
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Well-formed claims above tests, for the client.
    pub citations: Vec<Citation>,
    /// Well-formed claims above tests, for the broker.
    pub of_broker: Vec<Citation>,
    /// Comments that look like a claim and are none, one line each.
    pub problems: Vec<String>,
}

impl Found {
    /// Scans the `.rs` files below `folders` of `root`, in a fixed order, without build
    /// output and hidden folders.
    ///
    /// # Errors
    /// A folder or file that cannot be read.
    pub fn below(root: &Path, folders: &[&str]) -> io::Result<Self> {
        let mut files = Vec::new();
        for folder in folders {
            collect(&root.join(folder), &mut files)?;
        }
        files.sort();
        let mut found = Self::default();
        for file in files {
            let source = fs::read_to_string(&file)?;
            let name = file.strip_prefix(root).unwrap_or(&file);
            found.scan(name, &source);
        }
        Ok(found)
    }

    /// Scans the text of one file.
    pub fn scan(&mut self, file: &Path, source: &str) {
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        for (index, text) in lines.iter().enumerate() {
            let Some(claim) = Claim::in_comment(text) else {
                continue;
            };
            let line = index + 1;
            let claimed = claim
                .points()
                .and_then(|points| Ok((points, test_below(&lines, line)?)));
            match claimed {
                Ok((points, test)) => {
                    let citations = match claim.mark {
                        Mark::Covers => &mut self.citations,
                        Mark::Broker => &mut self.of_broker,
                    };
                    citations.extend(points.into_iter().map(|point| Citation {
                        point,
                        test: test.clone(),
                        file: file.to_owned(),
                        line,
                    }));
                }
                Err(why) => self
                    .problems
                    .push(format!("{}:{line}: {why}", file.display())),
            }
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if path.is_dir() {
            if !hidden && name != "target" {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// For whom a comment claims something.
#[derive(Clone, Copy)]
enum Mark {
    Covers,
    Broker,
}

impl Mark {
    const fn text(self) -> &'static str {
        match self {
            Self::Covers => "// covers: ",
            Self::Broker => "// broker: ",
        }
    }

    /// The mark without its slashes and spaces.
    const fn word(self) -> &'static str {
        match self {
            Self::Covers => "covers:",
            Self::Broker => "broker:",
        }
    }
}

/// A comment that claims to cover something.
struct Claim<'a> {
    mark: Mark,
    comment: &'a str,
}

impl<'a> Claim<'a> {
    /// Whatever a reader would take for a claim, so that a misspelt one is not passed over.
    fn in_comment(line: &'a str) -> Option<Self> {
        let text = line.strip_prefix("//")?.trim_start_matches(['/', '!', ' ']);
        let begins = |mark: &Mark| {
            let word = text.get(..mark.word().len());
            word.is_some_and(|word| word.eq_ignore_ascii_case(mark.word()))
        };
        let mark = [Mark::Covers, Mark::Broker].into_iter().find(begins)?;
        Some(Self {
            mark,
            comment: line,
        })
    }

    fn points(&self) -> Result<Vec<Point>, String> {
        let mark = self.mark.text();
        let list = self
            .comment
            .strip_prefix(mark)
            .ok_or_else(|| format!("must begin with `{mark}`"))?;
        let points = list.split(',').map(|item| point(item.trim()));
        let points: Vec<Point> = points.collect::<Result<_, _>>()?;
        let pitfall = points.iter().any(|p| matches!(p, Point::Pitfall(_)));
        match self.mark {
            Mark::Broker if pitfall => Err("pitfalls are a client's".into()),
            _ => Ok(points),
        }
    }
}

fn point(item: &str) -> Result<Point, String> {
    if item.starts_with("MQTT-") {
        return Ok(Point::Statement(item.to_owned()));
    }
    item.strip_prefix("pitfall ")
        .and_then(|number| number.parse().ok())
        .map(Point::Pitfall)
        .ok_or_else(|| format!("`{item}` is neither `MQTT-n.n.n-n` nor `pitfall n`"))
}

/// The name of the test function whose attributes begin at or after `lines[from]`.
fn test_below(lines: &[&str], from: usize) -> Result<String, String> {
    let (mut is_test, mut is_ignored, mut open_brackets) = (false, false, 0_usize);
    for line in lines.iter().skip(from) {
        let attribute = open_brackets > 0 || line.starts_with("#[");
        if attribute {
            is_test |= names_a_test(line);
            is_ignored |= line.starts_with("#[ignore");
            open_brackets += line.matches('[').count();
            open_brackets = open_brackets.saturating_sub(line.matches(']').count());
        } else if !line.starts_with("//") {
            let name = function_name(line).filter(|_| is_test);
            let name = name.ok_or("does not stand directly above a test function")?;
            return match is_ignored {
                true => Err(format!("{name} is ignored, so it covers nothing")),
                false => Ok(name.to_owned()),
            };
        }
    }
    Err("stands above nothing".into())
}

/// `#[test]`, or a runtime's own such as `#[tokio::test(flavor = "..")]`.
fn names_a_test(attribute: &str) -> bool {
    let path = attribute.trim_start_matches("#[");
    let path = path.split([']', '(']).next().unwrap_or(path).trim();
    path == "test" || path.ends_with("::test")
}

fn function_name(line: &str) -> Option<&str> {
    let at = match line.starts_with("fn ") {
        true => 3,
        false => line.find(" fn ")? + 4,
    };
    let name = line.get(at..)?;
    name.get(..name.find(['(', '<'])?)
}
