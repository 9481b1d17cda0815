//! Builds the programs of the firmware workspace for another processor.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The firmware's workspace.
const WORKSPACE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../adapters/embedded/firmware"
);

/// Debian's compiler, which comes with the sources of core.
const COMPILER: &str = "/usr/bin/rustc";
const CORE: &str = "/usr/lib/rustlib/src/rust/library/core";

/// The processors, by the name of the compiler's target.
pub const CORTEX_M0: &str = "thumbv6m-none-eabi";
/// The one that QEMU's board has, and that the budgets are for.
pub const CORTEX_M3: &str = "thumbv7m-none-eabi";
/// With a unit for floating point.
pub const CORTEX_M4F: &str = "thumbv7em-none-eabihf";

/// A compiler and a linker for bare metal.
#[derive(Debug, Clone)]
pub struct Toolchain {
    linker: PathBuf,
}

impl Toolchain {
    /// Looks for both.
    ///
    /// # Errors
    /// What is missing, and which package brings it.
    pub fn find() -> Result<Self, String> {
        if !Path::new(COMPILER).is_file() || !Path::new(CORE).is_dir() {
            return Err(format!(
                "no {COMPILER} with {CORE} is installed (rustc-web, rust-web-src)"
            ));
        }
        let linker = linker().ok_or("the Rust toolchain has no rust-lld")?;
        Ok(Self { linker })
    }

    /// Builds a program as it is released, and says where it lies.
    ///
    /// # Errors
    /// What the compiler or the linker said.
    pub fn build(&self, program: &Program<'_>) -> Result<PathBuf, String> {
        let folder = target_folder().join("bare-metal");
        // The same program with other features lies in the same place: it is taken from there before
        // another one is built. So what they have in common is built once.
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let linker = format!(
            "CARGO_TARGET_{}_LINKER",
            program.target.to_uppercase().replace('-', "_")
        );
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(WORKSPACE)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", COMPILER)
            .env(linker, &self.linker)
            .args(["build", "-q", "--release", "--locked", "-Zbuild-std=core"])
            .args(["--target", program.target, "--bin", program.name])
            .args(["-p", program.package, "--features", program.features])
            .arg("--target-dir")
            .arg(&folder);
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let folder = folder.join(program.target);
        let features = program.features.replace(',', "+");
        let kept = folder.join(format!("{}-{features}", program.name));
        fs::copy(folder.join("release").join(program.name), &kept)
            .map_err(|error| error.to_string())?;
        Ok(kept)
    }
}

/// One program of the firmware's workspace.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// The package.
    pub package: &'a str,
    /// The binary.
    pub name: &'a str,
    /// The compiler's target.
    pub target: &'a str,
    /// Features of the package, separated by commas.
    pub features: &'a str,
}

/// Where this workspace's own programs are built.
#[must_use]
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    )
}

/// The linker that comes with every Rust toolchain.
fn linker() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let hosts = sysroot.join("lib/rustlib").read_dir().ok()?;
    hosts
        .flatten()
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|linker| linker.is_file())
}
