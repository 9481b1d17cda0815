//! The examples of `mqtt-embedded`, run as programs over the loopback.

use mqtt_tests::process::Process;
use std::process::Command;
use std::time::Duration;

/// They may have to be built first.
const LIMIT: Duration = Duration::from_secs(600);

/// What it wrote.
#[track_caller]
fn example(name: &str, features: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--quiet", "--package", "mqtt-embedded"])
        .args(["--features", features, "--example", name]);
    let mut process = Process::spawn(&mut command).unwrap();
    let status = process.finish(LIMIT).unwrap().expect("an end");
    let output = process.output.tail(100);
    let errors = process.errors.tail(100);
    assert!(status.success(), "{output}\n{errors}");
    assert_eq!(errors, "");
    output
}

#[track_caller]
fn shows(output: &str, lines: &[&str]) {
    for line in lines {
        let count = output
            .lines()
            .filter(|shown| shown.starts_with(line))
            .count();
        assert_eq!(count, 1, "{line:?} in:\n{output}");
    }
}

#[test]
fn a_blocking_client_publishes_and_receives_at_each_qos() {
    shows(
        &example("blocking", ""),
        &[
            "connected to 127.0.0.1:",
            "received at QoS 0: 21.4",
            "received at QoS 1: 21.5",
            "received at QoS 2: 21.6",
            "received at QoS 1: 2000 bytes in parts",
            "done",
        ],
    );
}

#[test]
fn a_task_of_embassy_measures_answers_and_survives_a_cut() {
    let output = example("embassy", "embassy-time");
    shows(
        &output,
        &[
            "cut",
            "received sensors/7/temperature: 21.0",
            "received sensors/7/temperature: 21.3",
            "received sensors/7/ask: battery?",
            "received sensors/7/answer: full",
            "done, 4 readings received",
        ],
    );
    let sessions: Vec<_> = output
        .lines()
        .filter_map(|line| line.split_once(", session "))
        .map(|(_, session)| session)
        .collect();
    assert_eq!(sessions, ["new", "resumed"], "{output}");
}
