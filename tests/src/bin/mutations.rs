//! Shows that the random runs over the simulated network catch faults: breaks a copy of the
//! machine in one way after the other, and runs the seeds against each.
//!
//! ```sh
//! cargo run -q -p mqtt-tests --bin mutations                    # all of tests/mutations
//! cargo run -q -p mqtt-tests --bin mutations dup_forgotten      # one of them
//! ```
//!
//! A mutation is a text: what it breaks, then for each place `=== file`, the lines as they are,
//! `=== becomes`, and the lines instead. It fails when the lines are not there exactly once, when
//! the result does not build, and when no run finds a broken promise.

use mqtt_tests::network::{Plan, report, run_all};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs};

/// Seeds that each mutation may live through.
const SEEDS: u64 = 5_000;
/// What the copy consists of.
const COPIED: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "mqtt-proto",
    "mqtt-session",
    "adapters",
    "tests",
];
/// How the copy, run by this program, is told to run seeds.
const INSIDE: &str = "--seeds";

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Mutation {
    name: String,
    breaks: String,
    changes: Vec<Change>,
}

struct Change {
    file: String,
    before: String,
    after: String,
}

fn main() -> ExitCode {
    let given: Vec<String> = env::args().skip(1).collect();
    if given.first().is_some_and(|first| first == INSIDE) {
        return seeds();
    }
    match all(&given) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the seeds in this process: the first line says what came of it.
fn seeds() -> ExitCode {
    // A mutation may panic; that it did is in the result.
    std::panic::set_hook(Box::new(|_| {}));
    match run_all(1, SEEDS) {
        Ok(_) => println!("survives"),
        Err((seed, broken)) => {
            println!("{} (seed {seed})", broken.property);
            if env::var_os("NETWORK_HISTORY").is_some() {
                println!("{}", report(&Plan::of(seed)).unwrap_or_default());
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs the mutations of these names, or all; whether each was caught.
fn all(names: &[String]) -> Outcome<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("no workspace")?;
    let mutations = read(&root.join("tests/mutations"), names)?;
    if mutations.is_empty() {
        return Err("there is no such mutation".into());
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let place = target.join("mutations");
    let copy = place.join("workspace");
    let _ = fs::remove_dir_all(&copy);
    for part in COPIED {
        copy_all(&root.join(part), &copy.join(part))?;
    }
    let begun = Instant::now();
    let whole = judge(&copy, &place, None)?;
    if whole != "survives" {
        return Err(format!("without any mutation: {whole}").into());
    }
    let width = mutations.iter().map(|mutation| mutation.name.len()).max();
    let width = width.unwrap_or(0);
    let mut caught = 0;
    for mutation in &mutations {
        let found = judge(&copy, &place, Some(mutation)).unwrap_or_else(|error| error.to_string());
        let survives = found == "survives" || found.starts_with("FAILED");
        caught += usize::from(!survives);
        let verdict = if survives { "NOT CAUGHT" } else { "caught by" };
        println!("{:width$}  {verdict}  {found}", mutation.name);
        if survives {
            println!("{:width$}  {}", "", mutation.breaks);
        }
    }
    let (all, seconds) = (mutations.len(), begun.elapsed().as_secs());
    println!("{caught} of {all} mutations are caught, {SEEDS} seeds each at most, {seconds} s");
    Ok(caught == all)
}

/// Applies a mutation to the copy, builds it, runs the seeds, and takes it back.
fn judge(copy: &Path, place: &Path, mutation: Option<&Mutation>) -> Outcome<String> {
    let mut originals = Vec::new();
    for change in mutation.iter().flat_map(|mutation| &mutation.changes) {
        let file = copy.join(&change.file);
        let text = fs::read_to_string(&file)?;
        let count = text.matches(&change.before).count();
        if count != 1 {
            restore(&originals)?;
            return Ok(format!(
                "FAILED to apply: {} has its lines {count} times",
                change.file
            ));
        }
        fs::write(&file, text.replace(&change.before, &change.after))?;
        originals.push((file, text));
    }
    let found = build_and_run(copy, place);
    restore(&originals)?;
    found
}

/// Takes changes back, the last one first.
fn restore(originals: &[(PathBuf, String)]) -> Outcome<()> {
    for (file, text) in originals.iter().rev() {
        fs::write(file, text)?;
    }
    Ok(())
}

fn build_and_run(copy: &Path, place: &Path) -> Outcome<String> {
    let target = place.join("target");
    let built = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "-q", "-p", "mqtt-tests", "--bin", "mutations"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", &target)
        // From one mutation to the next little changes, also where nothing else is built so.
        .env("CARGO_INCREMENTAL", "1")
        .env("RUSTFLAGS", "--cap-lints allow")
        .output()?;
    if !built.status.success() {
        let why = String::from_utf8_lossy(&built.stderr);
        let why: Vec<&str> = why.lines().take(12).collect();
        return Ok(format!("FAILED to build:\n{}", why.join("\n")));
    }
    let run = Command::new(target.join("debug/mutations"))
        .arg(INSIDE)
        .output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    match said.lines().next() {
        Some(_) => Ok(said.trim_end().into()),
        None => Ok(format!("an end of the process: {}", run.status)),
    }
}

fn read(folder: &Path, names: &[String]) -> Outcome<Vec<Mutation>> {
    let mut mutations = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|kind| kind == "txt")
            && (names.is_empty() || names.iter().any(|given| *given == name))
        {
            let text = fs::read_to_string(&path)?;
            let mutation = parse(&name, &text);
            mutations.push(mutation.ok_or_else(|| format!("{} is no mutation", path.display()))?);
        }
    }
    mutations.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(mutations)
}

fn parse(name: &str, text: &str) -> Option<Mutation> {
    let mut parts = text.split("=== ");
    let breaks = parts.next()?.trim().to_owned();
    let mut changes = Vec::new();
    while let Some(before) = parts.next() {
        let (file, before) = before.split_once('\n')?;
        let (becomes, after) = parts.next()?.split_once('\n')?;
        if becomes != "becomes" {
            return None;
        }
        changes.push(Change {
            file: file.into(),
            before: before.trim_end_matches('\n').into(),
            after: after.trim_end_matches('\n').into(),
        });
    }
    (!changes.is_empty()).then(|| Mutation {
        name: name.into(),
        breaks,
        changes,
    })
}

/// Copies a file, or a folder with all that is in it.
fn copy_all(from: &Path, to: &Path) -> Outcome<()> {
    if !from.is_dir() {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from, to)?;
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
