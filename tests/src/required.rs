//! Programs of others that a test needs and may not find.

use std::env;
use std::io::{self, Write};

/// What was found; None, after saying why, where it is missing, so that a test can return.
///
/// # Panics
/// Where it is missing although the environment variable `MQTT_REQUIRE_BROKER` is set (to
/// anything but nothing and `0`), as it is in CI.
pub fn required<T>(found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            let required = env::var_os("MQTT_REQUIRE_BROKER").unwrap_or_default();
            assert!(required.is_empty() || required == "0", "{reason}");
            // Not `eprintln!`, which the test runner hides when a test passes.
            let _ = writeln!(io::stderr(), "skipped: {reason}");
            None
        }
    }
}
