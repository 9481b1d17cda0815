//! Runs the behaviour tests and prints what came of each in every world, as a table:
//!
//! ```sh
//! cargo run -q -p mqtt-tests --bin behaviour_table
//! ```
//!
//! It fails where a test does. A test that a world does not have is shown as –; its file says why.

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, ExitCode, Stdio};

/// The worlds by their modules, and what they are called in the table.
const WORLDS: [(&str, &str); 4] = [
    ("std_threads", "std"),
    ("tokio_many", "tokio"),
    ("tokio_one", "tokio, one thread"),
    ("smol_global", "smol"),
];

/// What came of one test, by world.
type Row = [Option<String>; WORLDS.len()];

fn main() -> ExitCode {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "-p", "mqtt-tests", "--test", "behaviour"]);
    command.stderr(Stdio::inherit());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("cargo does not run: {error}");
            return ExitCode::FAILURE;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let rows = rows(&said);
    print(&rows);
    if output.status.success() && !rows.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{said}");
    ExitCode::FAILURE
}

/// The results in what the tests print, by subject and name.
fn rows(said: &str) -> BTreeMap<(&str, &str), Row> {
    let mut rows = BTreeMap::<_, Row>::new();
    for line in said.lines() {
        let result = line
            .strip_prefix("test ")
            .and_then(|line| line.split_once(" ... "));
        let Some((path, result)) = result else {
            continue;
        };
        let parts: Vec<_> = path.split("::").collect();
        let [world, .., subject, name] = parts[..] else {
            continue;
        };
        let known = WORLDS.iter().position(|(module, _)| *module == world);
        let row = rows.entry((subject, name)).or_default();
        if let Some(cell) = known.and_then(|index| row.get_mut(index)) {
            *cell = Some(result.to_owned());
        }
    }
    rows
}

fn print(rows: &BTreeMap<(&str, &str), Row>) {
    let names: Vec<_> = WORLDS.iter().map(|(_, name)| *name).collect();
    println!("| behaviour | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(WORLDS.len()));
    let mut last = "";
    for ((subject, name), row) in rows {
        if *subject != last {
            println!("| **{}** |{}", words(subject), " |".repeat(WORLDS.len()));
            last = subject;
        }
        let cells = row.each_ref().map(|cell| cell.as_deref().unwrap_or("–"));
        println!("| {} | {} |", words(name), cells.join(" | "));
    }
    let total = |wanted: &str| {
        let cells = rows.values().flatten().flatten();
        cells.filter(|cell| *cell == wanted).count()
    };
    println!("\n–: not of that world; the file of the test says why");
    println!(
        "{} behaviours, {} results ok, {} failed",
        rows.len(),
        total("ok"),
        total("FAILED")
    );
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}
