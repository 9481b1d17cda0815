//! What the child has done, a line each, in a file that outlives it: a line is written by one
//! call, so that a program that is killed leaves whole lines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What a line says about a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It is about to be published.
    Intends,
    /// Publishing it has returned.
    Accepted,
    /// It has come.
    Got,
    /// Acknowledging it has returned.
    Acknowledged,
    /// The client is subscribed.
    Subscribed,
}

const WORDS: [(What, &str); 5] = [
    (What::Intends, "intends"),
    (What::Accepted, "accepted"),
    (What::Got, "got"),
    (What::Acknowledged, "acknowledged"),
    (What::Subscribed, "subscribed"),
];

/// Where the file is.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("done")
}

/// Opens the file to append to it.
pub(crate) fn open(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path(folder))
}

/// Writes a line.
pub(crate) fn write(mut file: &File, what: What, number: u64) {
    let word = WORDS.iter().find(|(other, _)| *other == what).unwrap().1;
    let line = format!("{word} {number}\n");
    file.write_all(line.as_bytes()).expect("the file takes it");
}

/// All lines so far.
pub(crate) fn read(folder: &Path) -> Vec<(What, u64)> {
    let text = fs::read_to_string(path(folder)).unwrap_or_default();
    let line = |line: &str| {
        let (word, number) = line.split_once(' ').expect("a line");
        let (what, _) = WORDS.iter().find(|(_, other)| *other == word).unwrap();
        (*what, number.parse().expect("a number"))
    };
    text.lines().map(line).collect()
}
