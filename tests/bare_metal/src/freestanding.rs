//! Builds the program that runs on this machine without a library of the operating system.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::cross::target_folder;

const WORKSPACE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../adapters/embedded/freestanding"
);

/// Builds it with these features, and says where it lies.
///
/// # Errors
/// What the compiler or the linker said.
pub fn build(features: &str) -> Result<PathBuf, String> {
    let folder = target_folder().join("freestanding");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        // Where its own settings for the linker are found; those of the environment go before them.
        .current_dir(WORKSPACE)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .args(["build", "-q", "--release", "--locked"])
        .args(["--features", features, "--target-dir"])
        .arg(&folder);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(folder.join("release/freestanding"))
}
