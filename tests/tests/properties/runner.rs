//! Runs a property over cases that are the same each time.

use super::Found;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed, TestError, TestRunner};

/// Runs a property over as many cases, or as `PROPTEST_CASES` asks for; `PROPTEST_RNG_SEED` gives
/// others. What fails is made small, and its seed is kept beside the test.
#[track_caller]
pub(crate) fn check<T: Strategy>(cases: u32, strategy: T, property: impl Fn(&T::Value) -> Found) {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        source_file: Some(core::panic::Location::caller().file()),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(5);
    }
    let ran = TestRunner::new(config).run(&strategy, |case| {
        property(&case).map_err(TestCaseError::fail)
    });
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n  {case:?}"),
        Err(error) => panic!("{error}"),
    }
}
