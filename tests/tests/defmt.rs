//! What the two core crates say in a log of `defmt`, as `defmt-print` decodes it, and that they say
//! nothing else anywhere.
//!
//! The program that is decoded lies in `tests/defmt`, which is a workspace of its own.

#[path = "defmt/program.rs"]
mod program;
#[path = "defmt/sources.rs"]
mod sources;

use program::{Program, program};
use sources::{Sources, exported, listed};

/// What must not be in a log: passwords, data of an authentication, payloads.
const SECRETS: &[&str] = &[
    "correct horse",
    "a word",
    "client first",
    "client final",
    "server first",
    "server final",
    "salt and count",
    "proof",
    "gone for good",
    "twenty-one",
    "once a minute",
    "question 12",
    "held for later",
    "iiii",
    "secret",
];

#[track_caller]
fn must_say(program: &Program, part: &str, expected: &str) {
    let said = program.log(part, "{t} {L} {s}");
    for (index, (line, wanted)) in said.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, wanted, "line {} of {part}", index + 1);
    }
    assert_eq!(said.lines().count(), expected.lines().count(), "{said}");
}

#[test]
fn a_conversation_is_logged_and_decoded_line_by_line() {
    if let Some(program) = program() {
        let expected = include_str!("../defmt/expected/conversation.txt");
        must_say(program, "conversation", expected);
    }
}

#[test]
fn every_event_and_every_kind_of_action_is_logged() {
    if let Some(program) = program() {
        let expected = include_str!("../defmt/expected/values.txt");
        must_say(program, "values", expected);
    }
}

#[test]
fn a_log_says_of_every_error_what_its_text_says() {
    let Some(program) = program() else { return };
    let said = program.log("words", "{s}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() > 1_000, "{} lines", lines.len());
    for pair in lines.chunks(2) {
        let [text, log] = pair else {
            panic!("a line is left: {pair:?}")
        };
        let text = text.strip_prefix("words: ").expect(text);
        let log = log.strip_prefix("defmt: ").expect(log);
        assert_eq!(log, text);
        assert!(!text.is_empty());
    }
}

#[test]
fn no_secret_and_no_payload_is_in_a_log() {
    let Some(program) = program() else { return };
    for part in ["conversation", "values"] {
        let frames = program.frames(part);
        let text = program.log(part, "{s}");
        for secret in SECRETS {
            let found = frames
                .windows(secret.len())
                .any(|bytes| bytes == secret.as_bytes());
            assert!(!found, "{secret:?} is in the bytes of {part}");
            assert!(!text.contains(secret), "{secret:?} is in {part}:\n{text}");
        }
    }
}

#[test]
fn every_public_type_can_be_logged() {
    let types = listed();
    let mut missing = Vec::new();
    for name in exported() {
        if !types.contains(&name) {
            missing.push(name);
        }
    }
    assert!(
        missing.is_empty(),
        "not in tests/defmt/src/formats.rs: {missing:?}"
    );
}

#[test]
fn the_cores_log_in_no_other_way() {
    let mut found = Vec::new();
    for sources in [Sources::of("mqtt-proto"), Sources::of("mqtt-session")] {
        found.extend(sources.dependencies_but(&[
            "bytes",
            "defmt",
            "embedded-storage",
            "mqtt-proto",
        ]));
        found.extend(sources.lines_that_print());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
