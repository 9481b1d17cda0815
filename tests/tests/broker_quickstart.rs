//! The quickstart, run as a program.

use mqtt_tests::mosquitto::{Config, require_broker};
use mqtt_tests::process::Process;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

/// It may have to be built first.
const LIMIT: Duration = Duration::from_secs(600);

/// Whether it succeeded, and what it wrote to its standard output and error.
#[track_caller]
fn quickstart(address: Option<&str>) -> (bool, String, String) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "run",
        "--quiet",
        "--package",
        "mqtt-std",
        "--example",
        "quickstart",
        "--",
    ];
    let mut command = Command::new(cargo);
    let command = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .args(address);
    let mut process = Process::spawn(command).unwrap();
    let status = process.finish(LIMIT).unwrap().expect("an end");
    (
        status.success(),
        process.output.tail(100),
        process.errors.tail(100),
    )
}

/// What the tour has to show, whichever broker it talks to.
#[track_caller]
fn check_tour(output: &str) {
    for step in [
        "connected",
        "subscribed",
        "sent",
        "acknowledged",
        "received",
        "cut",
        "session resumed",
    ] {
        assert!(output.contains(step), "no {step:?} in:\n{output}");
    }
    assert!(output.ends_with("came exactly once."), "{output}");
    let count = |text: &str| output.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        count("received      parcel   QoS 2  exactly once, too"),
        1,
        "{output}"
    );
    for qos in 0..3 {
        assert!(count(&format!("QoS {qos}")) >= 3, "{output}");
    }
    assert!(output.lines().all(|line| line.len() <= 100), "{output}");
}

#[test]
fn without_an_address_it_needs_nothing_but_itself() {
    let (succeeded, output, errors) = quickstart(None);
    assert!(succeeded, "{output}\n{errors}");
    let first = output.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("MQTT 5.0 at mqtt://127.0.0.1:"),
        "{output}"
    );
    assert!(first.ends_with("a broker inside this program"), "{output}");
    assert!(output.contains("user guest"), "{output}");
    check_tour(&output);
    assert_eq!(errors, "");
}

#[test]
fn it_shows_the_main_job_and_succeeds() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config::default());
    let (succeeded, output, errors) = quickstart(Some(&broker.url()));
    assert!(succeeded, "{output}\n{errors}");
    let first = output.lines().next().unwrap_or_default();
    assert_eq!(first, format!("MQTT 5.0 at {}", broker.url()));
    check_tour(&output);
}

#[test]
fn it_uses_the_user_and_password_of_the_address() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        users: &[("ann", "secret")],
        ..Config::default()
    });
    let (succeeded, _, errors) = quickstart(Some(&broker.url()));
    assert!(!succeeded);
    assert!(
        errors.contains("not authorized") && errors.contains("user"),
        "{errors}"
    );
    let (succeeded, output, errors) =
        quickstart(Some(&broker.url().replace("//", "//ann:secret@")));
    assert!(succeeded, "{output}\n{errors}");
}

#[test]
fn without_a_broker_it_says_what_to_do() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (succeeded, _, errors) = quickstart(Some(&format!("mqtt://{address}")));
    assert!(!succeeded);
    assert!(errors.contains("nothing listens"), "{errors}");
    assert!(errors.contains("mosquitto -p 1883"), "{errors}");
    let (succeeded, _, errors) = quickstart(Some("not an address"));
    assert!(!succeeded);
    assert!(errors.contains("must begin with mqtt://"), "{errors}");
}
