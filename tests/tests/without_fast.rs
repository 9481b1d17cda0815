//! The machine's tests run without the feature `fast`, too: `tests/small` names each of them, or
//! `small_input.rs`, which is one of those that it names, has it as a module.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the names of those begin with that are no tests of the machine alone, or depend on `fast`.
const OTHERS: &[(&str, &str)] = &[
    ("bare_metal_", "of an adapter"),
    ("broker_", "the broker brings `fast`"),
    ("defmt", "builds a program of its own"),
    ("embedded_", "the broker brings `fast`"),
    ("foreign_", "the broker brings `fast`"),
    ("full_store", "what `fast` is for"),
    ("harness", "of Mosquitto"),
    ("layers_", "of the adapters"),
    ("network_runs", "the broker brings `fast`"),
    ("server_", "the broker brings `fast`"),
    (
        "sizes",
        "ceilings with `fast`; without, bare metal has its own",
    ),
    ("statements", "of the tests themselves"),
    ("without_fast", "this one"),
];

#[test]
fn every_test_of_the_machine_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("small/Cargo.toml")).unwrap();
    let mut listed = named(&manifest, "path = \"../tests/");
    let modules = fs::read_to_string(root.join("tests/small_input.rs")).unwrap();
    assert!(listed.contains("small_input"), "its modules run");
    for module in named(&modules, "#[path = \"") {
        assert!(listed.insert(module.clone()), "{module} is named twice");
    }
    let mut machine = BTreeSet::new();
    let mut unused = BTreeSet::from_iter(OTHERS.iter().map(|(begin, _)| *begin));
    for entry in fs::read_dir(root.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match OTHERS.iter().find(|(begin, _)| name.starts_with(begin)) {
            Some((begin, _)) => drop(unused.remove(begin)),
            None => drop(machine.insert(name)),
        }
    }
    assert_eq!(
        listed, machine,
        "tests/small/Cargo.toml with small_input.rs, and tests/tests"
    );
    assert!(unused.is_empty(), "no test begins with {unused:?}");
}

/// The names of the files of `tests/tests` that a file names after `begin`.
fn named(text: &str, begin: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let rest = line.strip_prefix(begin)?;
        let (name, _) = rest.split_once(".rs\"")?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}
