//! What the counts have come to: a change may make them smaller, and not larger again.

use std::fmt::Write;

const REACHED: &str = include_str!("reached.txt");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/reached.txt");

/// How much a count may vary with the compiler's mood: two in a hundred.
const SLACK: u64 = 50;

/// Prints the cases that were cheaper before; how many they are. A case that is not recorded
/// counts as one of them, so that the record stays whole.
pub(crate) fn lost(counts: &[(&str, u64)]) -> usize {
    let mut lost = 0;
    for (name, count) in counts {
        let reached = REACHED
            .lines()
            .filter_map(|line| line.split_once("  "))
            .find(|(_, recorded)| recorded == name)
            .and_then(|(count, _)| count.parse::<u64>().ok());
        match reached {
            Some(reached) if *count <= reached + reached / SLACK => continue,
            Some(reached) => println!("{name}: {count}, it was {reached}"),
            None => println!("{name}: {count}, not recorded"),
        }
        lost += 1;
    }
    lost
}

/// Writes the counts down.
pub(crate) fn record(counts: &[(&str, u64)]) {
    let mut text = String::new();
    for (name, count) in counts {
        writeln!(text, "{count}  {name}").expect("a string takes everything");
    }
    std::fs::write(FILE, text).expect("the record can be written");
    println!("recorded in {FILE}");
}
