//! Clients that say anything, and a caller that calls in any order. What must hold is said in
//! `mqtt_session::broker::fuzz`.
//!
//! `cargo +nightly fuzz run broker`, from the root of the repository.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtt_session::broker::fuzz::broker(data));
