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
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;
use std::{env, fs, io};

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
    let whole = run(&build(&copy, &place, None)?)?;
    if whole != "survives" {
        return Err(format!("without any mutation: {whole}").into());
    }
    let width = mutations.iter().map(|mutation| mutation.name.len()).max();
    let width = width.unwrap_or(0);
    let mut caught = 0;
    let mut tell = |mutation: &Mutation, found: String| {
        let survives = found == "survives" || found.starts_with("FAILED");
        caught += usize::from(!survives);
        let verdict = if survives { "NOT CAUGHT" } else { "caught by" };
        println!("{:width$}  {verdict}  {found}", mutation.name);
        if survives {
            println!("{:width$}  {}", "", mutation.breaks);
        }
    };
    thread::scope(|scope| {
        // While the seeds of one are run, the next is built: much of that needs one processor only.
        let mut running: Option<(&Mutation, ScopedJoinHandle<'_, String>)> = None;
        for mutation in &mutations {
            let built = build(&copy, &place, Some(mutation));
            if let Some((before, handle)) = running.take() {
                tell(before, joined(handle));
            }
            running = Some((mutation, scope.spawn(move || judge(built))));
        }
        if let Some((last, handle)) = running {
            tell(last, joined(handle));
        }
    });
    let (all, seconds) = (mutations.len(), begun.elapsed().as_secs());
    println!("{caught} of {all} mutations are caught, {SEEDS} seeds each at most, {seconds} s");
    Ok(caught == all)
}

/// What the seeds found in what was built.
fn judge(built: Result<PathBuf, String>) -> String {
    match built {
        Ok(program) => run(&program).unwrap_or_else(|error| format!("FAILED to run: {error}")),
        Err(why) => why,
    }
}

fn joined(handle: ScopedJoinHandle<'_, String>) -> String {
    handle
        .join()
        .unwrap_or_else(|_| "FAILED: the thread that ran it panicked".into())
}

/// Applies a mutation to the copy, builds it, and takes it back: the program, or why there is none.
fn build(copy: &Path, place: &Path, mutation: Option<&Mutation>) -> Result<PathBuf, String> {
    let mut originals = Vec::new();
    let built = apply(copy, mutation, &mut originals)
        .and_then(|()| compile(copy, place, mutation))
        .map_err(|error| format!("FAILED {error}"));
    restore(&originals).map_err(|error| format!("FAILED to restore: {error}"))?;
    built
}

/// Changes what a mutation changes, and notes what was there.
fn apply(
    copy: &Path,
    mutation: Option<&Mutation>,
    originals: &mut Vec<(PathBuf, String)>,
) -> Outcome<()> {
    for change in mutation.iter().flat_map(|mutation| &mutation.changes) {
        let file = copy.join(&change.file);
        let text = fs::read_to_string(&file)?;
        let count = text.matches(&change.before).count();
        if count != 1 {
            return Err(format!("to apply: {} has its lines {count} times", change.file).into());
        }
        fs::write(&file, text.replace(&change.before, &change.after))?;
        originals.push((file, text));
    }
    Ok(())
}

/// Takes changes back, the last one first.
fn restore(originals: &[(PathBuf, String)]) -> io::Result<()> {
    for (file, text) in originals.iter().rev() {
        fs::write(file, text)?;
    }
    Ok(())
}

/// Builds the copy; the program lies where the next one is not built over it.
fn compile(copy: &Path, place: &Path, mutation: Option<&Mutation>) -> Outcome<PathBuf> {
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
        return Err(format!("to build:\n{}", why.join("\n")).into());
    }
    let name = mutation.map_or("whole", |mutation| &mutation.name);
    let program = place.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    fs::copy(
        target.join(format!("debug/mutations{}", env::consts::EXE_SUFFIX)),
        &program,
    )?;
    Ok(program)
}

/// Runs the seeds against a program, which is not kept: what they found.
fn run(program: &Path) -> Outcome<String> {
    let run = Command::new(program).arg(INSIDE).output()?;
    fs::remove_file(program)?;
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
