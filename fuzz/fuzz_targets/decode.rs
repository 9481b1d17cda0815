//! Any bytes at all, from either end. What must hold is said in `mqtt_proto::fuzz`.
//!
//! `cargo +nightly fuzz run decode`, from the root of the repository.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtt_proto::fuzz::decode(data));
