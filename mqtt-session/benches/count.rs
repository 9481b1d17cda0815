//! Counts the instructions of the client's calls, and of nothing else: a case runs in a child
//! process under `valgrind --tool=callgrind`, which collects only while it is inside a function of
//! the module `counted`. It runs once with many rounds and once with none; the difference, divided
//! by the rounds, is what one round costs. It does not depend on the load of the machine.

use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Something to be counted.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Prepares, then runs this many rounds.
    pub(crate) rounds: fn(u64),
}

const CHILD: &str = "--count-case";
/// The functions whose instructions count, with all they call.
const COUNTED: &str = "--toggle-collect=*counted::Calls*";

/// Runs a case if this is the process that is to be counted, and says whether it was.
pub(crate) fn is_child(cases: &[Case]) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, name, rounds] = arguments.as_slice() else {
        return false;
    };
    if flag != CHILD {
        return false;
    }
    let case = cases
        .iter()
        .find(|case| case.name == name)
        .expect("the parent names a case");
    (case.rounds)(rounds.parse().expect("the parent passes a number"));
    true
}

/// Whether valgrind is there; says how to get it if not.
pub(crate) fn can_count() -> bool {
    let tried = Command::new("valgrind").arg("--version").output();
    if let Err(error) = &tried {
        eprintln!(
            "valgrind cannot be run ({error}); install it, for example: apt-get install valgrind"
        );
    }
    tried.is_ok()
}

/// Whether the program was called with this word.
pub(crate) fn has_argument(word: &str) -> bool {
    std::env::args().any(|argument| argument == word)
}

/// Instructions of one round of each, averaged over `rounds` and rounded to the nearest. As many run
/// at a time as there are processors, which makes no difference to the numbers.
pub(crate) fn counts(cases: &[Case], rounds: u64) -> Vec<u64> {
    let next = AtomicUsize::new(0);
    let counts: Vec<_> = cases.iter().map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, place)) = cases.get(at).zip(counts.get(at)) else {
                        return;
                    };
                    place.store(count(case, rounds), Ordering::Relaxed);
                }
            });
        }
    });
    counts.into_iter().map(AtomicU64::into_inner).collect()
}

/// Instructions of one round.
fn count(case: &Case, rounds: u64) -> u64 {
    let many = total(case, rounds);
    let none = total(case, 0);
    (many.saturating_sub(none) + rounds / 2) / rounds
}

/// Instructions of all the client's calls in a child process.
fn total(case: &Case, rounds: u64) -> u64 {
    let program = std::env::current_exe().expect("a running program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(COUNTED)
        .arg(program)
        .args([CHILD, case.name, &rounds.to_string()])
        .output()
        .expect("valgrind has been found");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} failed under valgrind:\n{report}",
        case.name
    );
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("valgrind says no number of instructions:\n{report}"));
    assert_ne!(collected, 0, "no call was recognised by its name");
    collected
}
