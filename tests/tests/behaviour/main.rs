//! How clients behave, from one source in every world that has an adapter: threads (`mqtt-std`),
//! tokio with several threads, tokio with one, smol.
//!
//! The tests lie in `suite`, which each world compiles for itself over its `client`: the names and
//! calls of `mqtt-std`. Where a world has futures, `facade` waits for them on the thread of the
//! test. The table of the results is printed by `cargo run -p mqtt-tests --bin behaviour`.

#![forbid(unsafe_code)]
#![allow(
    clippy::duplicate_mod,
    reason = "the suite is there once for each world"
)]

mod facade;
mod outages;
mod relay;
mod smol_global;
mod std_threads;
mod tokio_many;
mod tokio_one;
