//! Many runs at once, and what is told of one that fails.

use super::{Broken, Plan, Seen, lives, run};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs that shortening a script may take.
const SHORTENING: usize = 1_500;

/// Runs the seeds from `first` on, `count` of them, on all cores; how much has happened.
///
/// # Errors
/// The lowest seed that fails among those that were run, and what it breaks.
pub fn run_all(first: u64, count: u64) -> Result<Seen, (u64, Broken)> {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let seen = Mutex::new(Seen::default());
    let found: Mutex<Option<(u64, Broken)>> = Mutex::new(None);
    let work = || {
        let mut mine = Seen::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            match run(&Plan::of(seed)) {
                Ok(more) => mine.add(more),
                Err(broken) => {
                    failed.store(true, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    if found.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                        *found = Some((seed, broken));
                    }
                }
            }
        }
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(mine);
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    match found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(found) => Err(found),
        None => Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.published += other.published;
        self.delivered += other.delivered;
        self.cuts += other.cuts;
        self.deaths += other.deaths;
        self.at_odds += other.at_odds;
    }
}

/// The shortest script found that breaks the same promise: first without its end, then without
/// single steps.
fn shortened(plan: &Plan, broken: &Broken) -> Plan {
    let fails = |plan: &Plan| matches!(run(plan), Err(found) if found.property == broken.property);
    let mut kept = plan.clone();
    let mut runs = 0;
    let mut at = 1;
    while at <= kept.steps.len() && runs < SHORTENING {
        let mut shorter = kept.clone();
        shorter.steps.truncate(at);
        runs += 1;
        if fails(&shorter) {
            kept = shorter;
            break;
        }
        at += 1;
    }
    let mut again = true;
    while again && runs < SHORTENING {
        again = false;
        for at in (0..kept.steps.len()).rev() {
            let mut shorter = kept.clone();
            shorter.steps.remove(at);
            runs += 1;
            if fails(&shorter) {
                kept = shorter;
                again = true;
            }
        }
    }
    kept
}

/// Tells what a plan breaks: the shortest script that shows it, its history, and the command
/// that runs it again. `None`: it breaks nothing.
#[must_use]
pub fn report(plan: &Plan) -> Option<String> {
    let broken = run(plan).err()?;
    let short = shortened(plan, &broken);
    let (result, history) = lives(&short, true);
    let broken = result.err().unwrap_or(broken);
    let steps: Vec<String> = short.steps.iter().map(|s| s.number.to_string()).collect();
    let (seed, all) = (plan.seed, plan.steps.len());
    let mut told = format!("seed {seed}: {broken}\n\n");
    told += &format!("broker: {:?}\nweather: {:?}\n", short.broker, short.weather);
    for (number, client) in short.clients.iter().enumerate() {
        told += &format!("client {number}: {client:?}\n");
    }
    told += &format!("\n{} of {all} steps are left:\n", steps.len());
    told += &history.join("\n");
    told += &format!(
        "\n\nto run just this again:\n\
         NETWORK_SEED={seed} NETWORK_STEPS={} cargo test -q -p mqtt-tests --test network_runs one_seed\n",
        steps.join(","),
    );
    Some(told)
}
