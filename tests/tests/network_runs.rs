//! Random runs of clients and a broker over a simulated network.
//!
//! ```sh
//! cargo test -q -p mqtt-tests --test network_runs                        # 10,000 seeds
//! NETWORK_RUNS=1000000 NETWORK_FIRST=7 cargo test -q -p mqtt-tests --test network_runs
//! NETWORK_SEED=17 cargo test -q -p mqtt-tests --test network_runs one_seed
//! ```

use mqtt_tests::network::{Plan, report, run, run_all};

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
fn everything_promised_holds_in_random_runs() {
    let count = given("NETWORK_RUNS").unwrap_or(10_000);
    let first = given("NETWORK_FIRST").unwrap_or(1);
    match run_all(first, count) {
        Ok(seen) => {
            println!("{count} runs: {seen:?}");
            // What holds in runs where little happens says little; a few may be quiet.
            if count >= 1_000 {
                assert!(seen.published > 20 * count && seen.delivered > 10 * count);
                assert!(seen.cuts > count && seen.deaths > count / 2);
            }
        }
        Err((seed, broken)) => {
            println!("BROKEN {:?} in seed {seed}", broken.property);
            if std::env::var_os("NETWORK_BRIEF").is_some() {
                panic!("seed {seed}: {broken}");
            }
            panic!("{}", report(&Plan::of(seed)).unwrap_or_default());
        }
    }
}

/// The seed, and the steps of its script, that the environment names; else the first.
#[test]
fn one_seed() {
    let mut plan = Plan::of(given("NETWORK_SEED").unwrap_or(1));
    if let Ok(steps) = std::env::var("NETWORK_STEPS") {
        let numbers = steps.split(',').filter(|number| !number.is_empty());
        let numbers: Vec<usize> = numbers.map(|n| n.parse().expect("a number")).collect();
        plan = plan.only(&numbers);
    }
    if let Some(told) = report(&plan) {
        panic!("{told}");
    }
}

#[test]
fn a_run_is_the_same_again() {
    for seed in 1..50 {
        let plan = Plan::of(seed);
        assert_eq!(run(&plan).ok(), run(&plan).ok(), "seed {seed}");
    }
}
