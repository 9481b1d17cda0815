//! The program in `tests/defmt`, built once, and `defmt-print`, which decodes what it writes.

use mqtt_tests::mosquitto::find_program;
use mqtt_tests::required::required;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Where both lie.
pub(crate) struct Program {
    program: PathBuf,
    decoder: PathBuf,
}

/// Builds it when it is first asked for. None, after saying why, where it cannot be built or there
/// is no `defmt-print`.
pub(crate) fn program() -> Option<&'static Program> {
    static PROGRAM: OnceLock<Result<Program, String>> = OnceLock::new();
    match PROGRAM.get_or_init(find) {
        Ok(program) => Some(program),
        Err(reason) => required(Err(reason.clone())),
    }
}

fn find() -> Result<Program, String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("tests/defmt is laid out for Linux on x86-64".into());
    }
    let decoder = decoder()?;
    find_program("ld.bfd").map_err(|name| format!("{name} is not installed (binutils)"))?;
    Ok(Program {
        program: build(),
        decoder,
    })
}

/// Below the target folder, where `.ci/run setup` puts it, or wherever else programs lie.
fn decoder() -> Result<PathBuf, String> {
    let test = std::env::current_exe().unwrap();
    test.ancestors()
        .map(|folder| folder.join("tools/bin/defmt-print"))
        .find(|file| file.is_file())
        .or_else(|| find_program("defmt-print").ok())
        .ok_or_else(|| "defmt-print is not installed: run `bash .ci/run setup`".into())
}

/// A failure to build is never a reason to skip.
fn build() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("defmt");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("defmt");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(package)
        .args(["build", "--quiet", "--locked", "--target-dir"])
        .arg(&target)
        .output()
        .unwrap();
    succeeded("building tests/defmt", &output);
    target.join("debug/mqtt-defmt")
}

impl Program {
    /// The bytes that one part of it logs, as a probe would read them.
    pub(crate) fn frames(&self, part: &str) -> Vec<u8> {
        let output = Command::new(&self.program).arg(part).output().unwrap();
        succeeded(part, &output);
        output.stdout
    }

    /// What `defmt-print` makes of them, each line in this format.
    pub(crate) fn log(&self, part: &str, format: &str) -> String {
        let mut decoder = Command::new(&self.decoder)
            .args(["--show-skipped-frames", "--log-format", format, "-e"])
            .arg(&self.program)
            .arg("stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = decoder.stdin.take().unwrap();
        let frames = self.frames(part);
        let writer = std::thread::spawn(move || input.write_all(&frames));
        let output = decoder.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        succeeded("defmt-print", &output);
        String::from_utf8(output.stdout).unwrap()
    }
}

#[track_caller]
fn succeeded(what: &str, output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {errors}");
}
