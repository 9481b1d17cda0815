//! Instructions of a whole exchange: the application's call, what is sent, what comes back.
//!
//! `cargo bench -p mqtt-session --features bytes --bench instructions`. What it has come to is in
//! `reached.txt`: with `-- --check` a count above that, or above its limit, is a failure, and
//! `-- --record` writes it anew after something has become faster.
//!
//! Counted is all that runs inside the client's calls that a message needs: `publish`, every
//! `poll`, `sent`, and the input buffer's `spare` and `filled`. Not counted is what the caller does
//! between them: copying bytes into the buffer, as a read of a socket would, and looking at actions.

mod count;
mod counted;
mod peer;
mod reached;

use std::process::ExitCode;

use count::Case;
use mqtt_session::{Heap, QoS};
use peer::{Pace, Peer, fixed, heap};

const ROUNDS: u64 = 2_000;
/// What a table shows for a case that has no limit of its own.
const NONE: u64 = u64::MAX;

/// A case, its limit, and what is aimed at.
struct Row {
    case: Case,
    limit: u64,
    aim: u64,
}

const fn row(name: &'static str, limit: u64, aim: u64, rounds: fn(u64)) -> Row {
    Row {
        case: Case { name, rounds },
        limit,
        aim,
    }
}

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

#[rustfmt::skip]
const EXCHANGES: &[Row] = &[
    row("out QoS 0, Heap", 400, 250, |n| heap().publishes(Q0, 1, n)),
    row("out QoS 1, Heap", 900, 600, |n| heap().publishes(Q1, 1, n)),
    row("out QoS 2, Heap", 1_400, 900, |n| heap().publishes(Q2, 1, n)),
    row("in  QoS 0, Heap", 400, 300, |n| heap().receives(Q0, 1, n)),
    row("in  QoS 1, Heap", 600, 450, |n| heap().receives(Q1, 1, n)),
    row("in  QoS 2, Heap", 1_200, 900, |n| heap().receives(Q2, 1, n)),
    row("out QoS 0, Fixed", 400, 250, |n| fixed().publishes(Q0, 1, n)),
    row("out QoS 1, Fixed", 900, 600, |n| fixed().publishes(Q1, 1, n)),
    row("out QoS 2, Fixed", 1_400, 900, |n| fixed().publishes(Q2, 1, n)),
    row("in  QoS 0, Fixed", 400, 300, |n| fixed().receives(Q0, 1, n)),
    row("in  QoS 1, Fixed", 600, 450, |n| fixed().receives(Q1, 1, n)),
    row("in  QoS 2, Fixed", 1_200, 900, |n| fixed().receives(Q2, 1, n)),
];

#[rustfmt::skip]
const PROMPT: &[Row] = &[
    row("out QoS 1, Heap, prompt", 900, 600, |n| heap().with_pace(Pace::Prompt).publishes(Q1, 1, n)),
    row("out QoS 2, Heap, prompt", 1_400, 900, |n| heap().with_pace(Pace::Prompt).publishes(Q2, 1, n)),
    row("in  QoS 2, Heap, prompt", 1_200, 900, |n| heap().with_pace(Pace::Prompt).receives(Q2, 1, n)),
    row("out QoS 1, Fixed, prompt", 900, 600, |n| fixed().with_pace(Pace::Prompt).publishes(Q1, 1, n)),
    row("out QoS 2, Fixed, prompt", 1_400, 900, |n| fixed().with_pace(Pace::Prompt).publishes(Q2, 1, n)),
    row("in  QoS 2, Fixed, prompt", 1_200, 900, |n| fixed().with_pace(Pace::Prompt).receives(Q2, 1, n)),
];

#[rustfmt::skip]
const BATCHES: &[Row] = &[
    row("out QoS 0, Heap, 10 at a time", NONE, NONE, |n| heap().publishes(Q0, 10, n)),
    row("out QoS 1, Heap, 10 at a time", NONE, NONE, |n| heap().publishes(Q1, 10, n)),
    row("out QoS 2, Heap, 10 at a time", NONE, NONE, |n| heap().publishes(Q2, 10, n)),
    row("in  QoS 0, Heap, 10 at a time", NONE, NONE, |n| heap().receives(Q0, 10, n)),
    row("in  QoS 1, Heap, 10 at a time", NONE, NONE, |n| heap().receives(Q1, 10, n)),
    row("in  QoS 2, Heap, 10 at a time", NONE, NONE, |n| heap().receives(Q2, 10, n)),
    row("out QoS 0, Fixed, 10 at a time", NONE, NONE, |n| fixed().publishes(Q0, 10, n)),
    row("out QoS 1, Fixed, 10 at a time", NONE, NONE, |n| fixed().publishes(Q1, 10, n)),
    row("out QoS 2, Fixed, 10 at a time", NONE, NONE, |n| fixed().publishes(Q2, 10, n)),
    row("in  QoS 0, Fixed, 10 at a time", NONE, NONE, |n| fixed().receives(Q0, 10, n)),
    row("in  QoS 1, Fixed, 10 at a time", NONE, NONE, |n| fixed().receives(Q1, 10, n)),
    row("in  QoS 2, Fixed, 10 at a time", NONE, NONE, |n| fixed().receives(Q2, 10, n)),
];

#[rustfmt::skip]
const IN_FLIGHT: &[Row] = &[
    row("out QoS 1, Heap, 1 in flight", 900, 600, |n| heap().publishes_in_flight(Q1, 1, n)),
    row("out QoS 1, Heap, 10 in flight", 900, 600, |n| heap().publishes_in_flight(Q1, 10, n)),
    row("out QoS 1, Heap, 100 in flight", 900, 600, |n| heap().publishes_in_flight(Q1, 100, n)),
    row("out QoS 1, Heap, 1,000 in flight", 900, 600, |n| heap().publishes_in_flight(Q1, 1_000, n)),
    row("out QoS 2, Heap, 1 in flight", 1_400, 900, |n| heap().publishes_in_flight(Q2, 1, n)),
    row("out QoS 2, Heap, 10 in flight", 1_400, 900, |n| heap().publishes_in_flight(Q2, 10, n)),
    row("out QoS 2, Heap, 100 in flight", 1_400, 900, |n| heap().publishes_in_flight(Q2, 100, n)),
    row("out QoS 2, Heap, 1,000 in flight", 1_400, 900, |n| heap().publishes_in_flight(Q2, 1_000, n)),
    row("out QoS 1, Fixed, 1 in flight", 900, 600, |n| fixed().publishes_in_flight(Q1, 1, n)),
    row("out QoS 1, Fixed, 10 in flight", 900, 600, |n| fixed().publishes_in_flight(Q1, 10, n)),
    row("out QoS 1, Fixed, 100 in flight", 900, 600, |n| fixed().publishes_in_flight(Q1, 100, n)),
    row("out QoS 1, Fixed, 1,000 in flight", 900, 600, |n| fixed().publishes_in_flight(Q1, 1_000, n)),
    row("out QoS 2, Fixed, 1 in flight", 1_400, 900, |n| fixed().publishes_in_flight(Q2, 1, n)),
    row("out QoS 2, Fixed, 10 in flight", 1_400, 900, |n| fixed().publishes_in_flight(Q2, 10, n)),
    row("out QoS 2, Fixed, 100 in flight", 1_400, 900, |n| fixed().publishes_in_flight(Q2, 100, n)),
    row("out QoS 2, Fixed, 1,000 in flight", 1_400, 900, |n| fixed().publishes_in_flight(Q2, 1_000, n)),
];

const IDLE: &[Row] = &[
    row("idle poll, Heap", NONE, NONE, |n| heap().idles(n)),
    row("idle poll, Fixed", NONE, NONE, |n| fixed().idles(n)),
];

/// One message in pieces of 100 bytes, into a buffer that holds it and into one of 4 KiB.
struct Drip {
    len: usize,
    whole: Case,
    parts: Case,
}

impl Drip {
    fn cases(&self) -> [Case; 2] {
        [self.whole, self.parts]
    }
}

const fn drip(len: usize, names: [&'static str; 2], rounds: [fn(u64); 2]) -> Drip {
    let [whole, parts] = names;
    let [whole_rounds, parts_rounds] = rounds;
    Drip {
        len,
        whole: Case {
            name: whole,
            rounds: whole_rounds,
        },
        parts: Case {
            name: parts,
            rounds: parts_rounds,
        },
    }
}

const KIB_64: usize = 64 << 10;
const KIB_256: usize = 256 << 10;
const MIB: usize = 1 << 20;

#[rustfmt::skip]
const DRIPS: &[Drip] = &[
    drip(KIB_64, ["64 KiB whole", "64 KiB in parts"], [|n| whole(KIB_64, n), |n| parts(KIB_64, n)]),
    drip(KIB_256, ["256 KiB whole", "256 KiB in parts"], [|n| whole(KIB_256, n), |n| parts(KIB_256, n)]),
    drip(MIB, ["1 MiB whole", "1 MiB in parts"], [|n| whole(MIB, n), |n| parts(MIB, n)]),
];

fn whole(len: usize, rounds: u64) {
    Peer::new(Heap::default(), len + 1_024).receives_large(len, rounds);
}

fn parts(len: usize, rounds: u64) {
    heap().receives_large(len, rounds);
}

fn main() -> ExitCode {
    let tables: [(&str, &[Row]); 5] = [
        (
            "one message at a time, polled until Timeout before each wait",
            EXCHANGES,
        ),
        (
            "one message at a time, answered before the next poll",
            PROMPT,
        ),
        ("ten messages at a time, for each of them", BATCHES),
        ("others in flight all the time", IN_FLIGHT),
        ("nothing to do", IDLE),
    ];
    let rows = tables.iter().flat_map(|(_, rows)| rows.iter());
    let drips = DRIPS.iter().flat_map(Drip::cases);
    let cases: Vec<Case> = rows.map(|row| row.case).chain(drips).collect();
    if count::is_child(&cases) {
        return ExitCode::SUCCESS;
    }
    if !count::can_count() {
        return ExitCode::FAILURE;
    }
    let mut counts = Vec::new();
    for (title, rows) in tables {
        print_table(title, rows, &mut counts);
    }
    let grown = print_drips();
    let goals = tables.iter().flat_map(|(_, rows)| rows.iter());
    let missed = goals
        .zip(&counts)
        .filter(|(row, (_, count))| *count > row.limit)
        .count();
    println!("\n{missed} of {} cases are above their limit", counts.len());
    if count::has_argument("--record") {
        reached::record(&counts);
        return ExitCode::SUCCESS;
    }
    let lost = reached::lost(&counts);
    if count::has_argument("--check") && missed + lost + grown > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Counts, prints, and keeps the counts.
fn print_table(title: &str, rows: &[Row], counts: &mut Vec<(&'static str, u64)>) {
    println!(
        "\n{title}\n{:<36} {:>12} {:>7} {:>7}",
        "case", "instructions", "limit", "aim"
    );
    let cases: Vec<Case> = rows.iter().map(|row| row.case).collect();
    for (Row { case, limit, aim }, count) in rows.iter().zip(count::counts(&cases, ROUNDS)) {
        let (limit, aim) = (shown(*limit), shown(*aim));
        println!("{:<36} {count:>12} {limit:>7} {aim:>7}", case.name);
        counts.push((case.name, count));
    }
}

fn shown(bound: u64) -> String {
    if bound == NONE {
        String::from("-")
    } else {
        bound.to_string()
    }
}

/// Counts and prints instructions per byte, which must not grow with the size by more than a
/// tenth; how many do.
fn print_drips() -> usize {
    println!(
        "\none QoS 0 message in pieces of 100 bytes\n{:<36} {:>12} {:>7} {:>7}",
        "case", "instructions", "a byte", "most"
    );
    let mut above = 0;
    let mut first = [None; 2];
    let cases: Vec<Case> = DRIPS.iter().flat_map(Drip::cases).collect();
    let mut counts = count::counts(&cases, 2).into_iter();
    for drip in DRIPS {
        for ((case, first), count) in drip.cases().iter().zip(&mut first).zip(&mut counts) {
            let per_byte = count as f64 / drip.len as f64;
            let most = *first.get_or_insert(per_byte) * 1.1;
            println!("{:<36} {count:>12} {per_byte:>7.2} {most:>7.2}", case.name);
            above += usize::from(per_byte > most);
        }
    }
    above
}
