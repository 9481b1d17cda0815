//! The standard, statement by statement: every one that binds a client is covered by a test
//! that says so, and every one that binds a server by a test of the broker.
//!
//! `cargo test -p mqtt-tests --test statements -- --nocapture` prints the counts.

use std::path::Path;

use mqtt_tests::statements::citations::{Citation, Found};
use mqtt_tests::statements::{Audit, Catalogue, NotYet, Statement};

/// Statements that bind a client and wait for a part that is not built.
const NOT_YET: &[NotYet] = &[];

/// Statements that bind a server and that no test of the broker can show yet.
const BROKER_EXCUSED: &[NotYet] = &[];

/// Where tests stand that may claim to cover something.
const FOLDERS: &[&str] = &["mqtt-proto", "mqtt-session", "adapters", "tests"];

fn catalogue() -> Catalogue {
    let statements = include_str!("../spec/normative.csv");
    let pitfalls = include_str!("../spec/pitfalls.csv");
    Catalogue::read(statements, pitfalls).unwrap()
}

/// The claims of the whole workspace.
fn found() -> Found {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Found::below(root, FOLDERS).unwrap()
}

fn audit() -> Audit {
    Audit {
        catalogue: catalogue(),
        citations: found().citations,
        not_yet: NOT_YET.to_vec(),
    }
}

fn audit_of_broker() -> Audit {
    Audit {
        catalogue: catalogue(),
        citations: found().of_broker,
        not_yet: BROKER_EXCUSED.to_vec(),
    }
}

#[track_caller]
fn must_be_empty(what: &str, lines: &[String]) {
    let count = lines.len();
    assert!(count == 0, "{count} {what}:\n{}", lines.join("\n"));
}

#[test]
fn the_catalogue_is_whole() {
    let Catalogue {
        statements,
        pitfalls,
    } = catalogue();
    let rows = |layer| {
        let rows = || statements.iter().filter(|s| s.layer == layer);
        (rows().count(), rows().filter(|s| s.binds_client()).count())
    };
    assert_eq!(statements.len(), 251);
    assert_eq!(rows("codec"), (83, 53));
    assert_eq!(rows("session"), (128, 76));
    assert_eq!(rows("adapter"), (6, 5));
    let of_server = statements.iter().filter(|s| s.binds_server());
    assert_eq!(of_server.count(), 202);
    assert_eq!(pitfalls.len(), 87);
}

#[test]
fn every_claim_stands_above_a_test() {
    must_be_empty("comments that claim nothing", &found().problems);
}

#[test]
fn every_cited_point_exists() {
    let unknown = [audit().unknown(), audit_of_broker().unknown()].concat();
    must_be_empty("citations of what is not in spec/", &unknown);
}

#[test]
fn every_codec_statement_is_covered() {
    let missing = audit().uncovered_statements(|s| s.layer == "codec");
    must_be_empty("codec statements without a test", &missing);
}

#[test]
fn every_session_statement_of_a_client_is_covered() {
    let missing = audit().uncovered_statements(|s| s.layer == "session" && s.binds_client());
    must_be_empty("session statements without a test", &missing);
}

#[test]
fn every_adapter_statement_of_a_client_is_covered_or_excused() {
    let missing = audit().uncovered_statements(|s| s.layer == "adapter" && s.binds_client());
    must_be_empty("adapter statements without a test", &missing);
}

#[test]
fn every_pitfall_of_a_client_is_covered() {
    must_be_empty("pitfalls without a test", &audit().uncovered_pitfalls());
}

#[test]
fn every_statement_of_a_server_is_covered_or_excused() {
    let missing = audit_of_broker().uncovered_statements(Statement::binds_server);
    must_be_empty("statements without a test of the broker", &missing);
}

#[test]
fn no_test_of_the_broker_cites_what_binds_only_clients() {
    let misplaced = audit_of_broker().misplaced(Statement::binds_server);
    must_be_empty("claims and excuses of what binds only clients", &misplaced);
}

#[test]
fn every_excuse_is_still_needed() {
    must_be_empty("excuses to strike", &audit().idle_excuses());
    let of_broker = audit_of_broker().idle_excuses();
    must_be_empty("excuses of the broker to strike", &of_broker);
}

#[test]
fn the_counts_are_printed() {
    let table = audit().table();
    println!("\n{table}\n");
    assert!(table.contains("all statements") && table.contains("/251"));
    let counts = audit_of_broker().counts("statements of a broker", Statement::binds_server);
    println!("{counts}\n");
    assert!(counts.contains("/202"));
}

/// The checks themselves, on a catalogue of three rows and files of a few lines. (The sample
/// sources are one-line literals, so that the scan of this very file does not see them.)
mod checker {
    use super::*;
    use mqtt_tests::statements::Point;

    const STATEMENTS: &str = "id,section,role,layer,paraphrase,client_test\n\
        MQTT-1.5.4-1,1.5.4,both,codec,Text is UTF-8.,t\n\
        MQTT-4.2-1,4.2,both,adapter,\"Ordered, lossless.\",t\n\
        MQTT-4.4.0-1,4.4.0,server,session,Resend.,t\n";
    const PITFALLS: &str =
        "number,touches_client,layer,title\n1,yes,codec,Length\n2,no,server-only,Will\n";

    fn scan(source: &str) -> Found {
        let mut found = Found::default();
        found.scan(Path::new("sample.rs"), source);
        found
    }

    /// The one problem of a source that makes no valid claim.
    #[track_caller]
    fn problem(source: &str) -> String {
        let mut found = scan(source);
        assert_eq!((found.citations.len(), found.problems.len()), (0, 1));
        found.problems.remove(0)
    }

    fn audit(source: &str, not_yet: &[NotYet]) -> Audit {
        let found = scan(source);
        assert_eq!(found.problems, Vec::<String>::new());
        Audit {
            catalogue: Catalogue::read(STATEMENTS, PITFALLS).unwrap(),
            citations: [found.citations, found.of_broker].concat(),
            not_yet: not_yet.to_vec(),
        }
    }

    #[test]
    fn claims_are_read_with_test_and_line() {
        let found = scan(
            "// covers: MQTT-1.5.4-1, pitfall 1\n// covers: MQTT-4.2-1\n/// Doc.\n// Why.\n\
             #[cfg(\n  all()\n)]\n#[test]\nfn one() {}\n\n  proptest! {\n    // covers: pitfall 2\n\
             #[test]\n    fn two(x in 0..9) {}\n}\n// covers: pitfall 7\n\
             #[tokio::test(flavor = \"current_thread\")]\nasync fn three() {}",
        );
        assert_eq!(found.problems, Vec::<String>::new());
        let read: Vec<_> = found
            .citations
            .iter()
            .map(|c| (c.point.to_string(), c.test.as_str(), c.line))
            .collect();
        let expected = [
            ("MQTT-1.5.4-1", "one", 1),
            ("pitfall 1", "one", 1),
            ("MQTT-4.2-1", "one", 2),
            ("pitfall 2", "two", 12),
            ("pitfall 7", "three", 16),
        ];
        assert_eq!(read, expected.map(|(p, t, l)| (p.to_owned(), t, l)));
        assert_eq!(found.citations[1].point, Point::Pitfall(1));
    }

    #[test]
    fn claims_for_the_broker_stand_apart() {
        let found = scan(
            "// covers: MQTT-1.5.4-1\n// broker: MQTT-1.5.4-1, MQTT-4.2-1\n#[test]\nfn a() {}",
        );
        assert_eq!(found.problems, Vec::<String>::new());
        let ids = |citations: &[Citation]| -> Vec<String> {
            citations.iter().map(|c| c.point.to_string()).collect()
        };
        assert_eq!(ids(&found.citations), ["MQTT-1.5.4-1"]);
        assert_eq!(ids(&found.of_broker), ["MQTT-1.5.4-1", "MQTT-4.2-1"]);
        let pitfall = problem("// broker: pitfall 1\n#[test]\nfn a() {}");
        assert_eq!(pitfall, "sample.rs:1: pitfalls are a client's");
    }

    #[test]
    fn a_claim_for_the_broker_or_excuse_of_what_binds_only_clients_is_found() {
        const ROWS: &str = "id,section,role,layer,paraphrase,client_test\n\
            MQTT-1.5.4-1,1.5.4,both,codec,p,t\nMQTT-3.1.0-1,3.1,client,session,p,t\n";
        let claims = "// broker: MQTT-1.5.4-1, MQTT-3.1.0-1\n#[test]\nfn a() {}";
        const EXCUSE: NotYet = NotYet {
            id: "MQTT-3.1.0-1",
            reason: "r",
        };
        let audit = Audit {
            catalogue: Catalogue::read(ROWS, PITFALLS).unwrap(),
            ..audit(claims, &[EXCUSE])
        };
        assert_eq!(
            audit.misplaced(Statement::binds_server),
            [
                "sample.rs:1: a cites MQTT-3.1.0-1",
                "MQTT-3.1.0-1 needs no excuse"
            ]
        );
    }

    #[test]
    fn a_stray_claim_is_a_problem() {
        let stray = "sample.rs:1: does not stand directly above a test function";
        assert_eq!(problem("// covers: pitfall 1\nfn helper() {}"), stray);
        assert_eq!(problem("// covers: pitfall 1\n\n#[test]\nfn a() {}"), stray);
        assert_eq!(problem("// covers: pitfall 1\nlet x = 1;"), stray);
        assert_eq!(
            problem("#[test]\nfn a() {}\n// covers: pitfall 1"),
            "sample.rs:3: stands above nothing"
        );
        assert_eq!(
            problem("// covers: pitfall 1\n#[test]\n#[ignore]\nfn a() {}"),
            "sample.rs:1: a is ignored, so it covers nothing"
        );
    }

    #[test]
    fn a_misspelt_claim_is_a_problem() {
        let test = "#[test]\nfn a() {}";
        for comment in [
            "/// covers: pitfall 1",
            "// Covers: pitfall 1",
            "//covers: pitfall 1",
            "/// broker: MQTT-4.2-1",
            "// Broker: MQTT-4.2-1",
        ] {
            assert!(problem(&format!("{comment}\n{test}")).contains("must begin with"));
        }
        for (list, item) in [
            ("pitfall 1,", "``"),
            ("pitfall one", "`pitfall one`"),
            ("1.5.4-1", "`1.5.4-1`"),
        ] {
            assert!(problem(&format!("// covers: {list}\n{test}")).contains(item));
        }
    }

    #[test]
    fn an_unknown_point_is_found() {
        let claims = "// covers: MQTT-9.9.9-9, MQTT-4.2-1, pitfall 1, pitfall 3";
        let audit = audit(&format!("{claims}\n#[test]\nfn a() {{}}"), &[]);
        let expected = ["MQTT-9.9.9-9", "pitfall 3"];
        assert_eq!(
            audit.unknown(),
            expected.map(|point| format!("sample.rs:1: a cites {point}"))
        );
    }

    #[test]
    fn an_uncovered_statement_or_pitfall_is_found() {
        let audit = audit("// covers: MQTT-4.2-1\n#[test]\nfn a() {}", &[]);
        assert_eq!(
            audit.uncovered_statements(|_| true),
            [
                "MQTT-1.5.4-1 (both): Text is UTF-8.",
                "MQTT-4.4.0-1 (server): Resend."
            ]
        );
        assert_eq!(
            audit.uncovered_statements(|s| s.binds_client()),
            ["MQTT-1.5.4-1 (both): Text is UTF-8."]
        );
        assert_eq!(audit.uncovered_pitfalls(), ["pitfall 1: Length"]);
    }

    #[test]
    fn an_excuse_holds_until_it_is_covered() {
        const EXCUSES: &[NotYet] = &[
            NotYet {
                id: "MQTT-1.5.4-1",
                reason: "r",
            },
            NotYet {
                id: "MQTT-9.9.9-9",
                reason: "r",
            },
        ];
        let excused = audit("", EXCUSES);
        let codec = excused.uncovered_statements(|s| s.layer == "codec");
        assert_eq!(codec, Vec::<String>::new());
        assert_eq!(excused.idle_excuses(), ["MQTT-9.9.9-9 does not exist"]);
        assert!(excused.table().ends_with("not yet MQTT-9.9.9-9: r"));

        let covered = audit("// covers: MQTT-1.5.4-1\n#[test]\nfn a() {}", &EXCUSES[..1]);
        assert_eq!(
            covered.idle_excuses(),
            ["MQTT-1.5.4-1 is covered: strike it from the list"]
        );
    }
}
