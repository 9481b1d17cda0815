//! What the sources of the core crates say: what they export, and how they log.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a core crate may use of `defmt`: what puts a value into a log that somebody else writes.
const OF_DEFMT: &[&str] = &["Format", "Formatter", "write!", "intern!"];

/// Macros that write somewhere.
const PRINTING: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];

/// Exported names that are no types: traits, and functions by their first letter.
const TRAITS: &[&str] = &["mqtt_session::Store", "mqtt_session::broker::Access"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The types that `tests/defmt` shows to be fit for a log, with the paths by which it names them.
pub(crate) fn listed() -> BTreeSet<String> {
    read(&root().join("tests/defmt/src/formats.rs"))
        .lines()
        .filter_map(|line| line.trim().strip_prefix("logs::<"))
        .map(|path| {
            let end = path.find(['<', '>']).expect("a type");
            path[..end].to_owned()
        })
        .collect()
}

/// The types that the core crates export, with their paths.
pub(crate) fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    export(
        "mqtt_proto",
        &root().join("mqtt-proto/src/lib.rs"),
        &mut names,
    );
    export(
        "mqtt_session",
        &root().join("mqtt-session/src/lib.rs"),
        &mut names,
    );
    names.retain(|name| !TRAITS.contains(&name.as_str()));
    assert!(names.len() > 70, "only {} types: {names:?}", names.len());
    names
}

/// What a module exports: what it declares itself, hands on, and has in modules that are public.
fn export(path: &str, file: &Path, names: &mut BTreeSet<String>) {
    let text = code_of(&read(file));
    let mut hidden = false;
    for item in items(&text) {
        if item.contains("#[doc(hidden)]") {
            hidden = true;
        }
        let Some(at) = item.find("pub ") else {
            continue;
        };
        let item = &item[at + "pub ".len()..];
        let (kind, rest) = item.split_once(' ').unwrap_or((item, ""));
        let name = rest
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next()
            .unwrap_or_default();
        match kind {
            "mod" if !hidden => {
                let folder = file.parent().unwrap().join(name);
                let inside = [folder.with_extension("rs"), folder.join("mod.rs")];
                let inside = inside.iter().find(|file| file.is_file()).unwrap();
                export(&format!("{path}::{name}"), inside, names);
            }
            "struct" | "enum" | "union" | "type" => {
                names.insert(format!("{path}::{name}"));
            }
            // Types of another core crate are that one's, and what is hidden is for the crates beside it.
            "use" if !hidden && !rest.starts_with("mqtt_proto") => {
                assert!(!rest.contains('*'), "what does {item} hand on?");
                let list = rest.rsplit("::").next().unwrap();
                names.extend(
                    list.split(',')
                        .map(|name| name.trim_matches(['{', '}', ' ', ';']))
                        .filter(|name| name.starts_with(|first: char| first.is_uppercase()))
                        .map(|name| format!("{path}::{name}")),
                );
            }
            _ => {}
        }
        hidden = false;
    }
}

/// The text without comments, each run of white space a space.
fn code_of(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let words = lines.flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

/// The items of a file, with what is before them, as far as `;` and `{` tell them apart.
fn items(code: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut in_use = false;
    for letter in code.chars() {
        let item = items.last_mut().unwrap();
        in_use |= item.ends_with("pub use ");
        item.push(letter);
        if letter == ';' || (letter == '{' && !in_use) || letter == '}' && !in_use {
            in_use = false;
            items.push(String::new());
        }
    }
    items
}

/// A core crate as it lies here.
pub(crate) struct Sources {
    folder: PathBuf,
}

impl Sources {
    /// The crate in this folder.
    pub(crate) fn of(folder: &str) -> Self {
        Self {
            folder: root().join(folder),
        }
    }

    /// What it depends on besides these, tests aside.
    pub(crate) fn dependencies_but(&self, allowed: &[&str]) -> Vec<String> {
        let manifest = read(&self.folder.join("Cargo.toml"));
        let mut section = "";
        let mut found = Vec::new();
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
                // `[dependencies.name]` and `[target.….dependencies]` are the same in other words.
                if section.contains("dependencies")
                    && !["[dependencies]", "[dev-dependencies]"].contains(&section)
                {
                    found.push(format!("{}: {section}", self.folder.display()));
                }
            } else if section == "[dependencies]" && !line.starts_with('#') {
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if !name.is_empty() && !allowed.contains(&name) {
                    found.push(format!("{} depends on {name}", self.folder.display()));
                }
            }
        }
        found
    }

    /// Lines of its sources that write to a stream or a log by themselves.
    pub(crate) fn lines_that_print(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.folder.join("src"), &mut files);
        assert!(files.len() > 20, "{} files", files.len());
        let mut found = Vec::new();
        for file in files {
            for (index, line) in read(&file).lines().enumerate() {
                let code = line.split("//").next().unwrap();
                if prints(code) {
                    found.push(format!("{}:{}: {}", file.display(), index + 1, line.trim()));
                }
            }
        }
        found
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn prints(code: &str) -> bool {
    let of_defmt = code.split("defmt::").skip(1);
    let mut others = of_defmt.filter(|rest| {
        let end = rest
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '!')
            .unwrap_or(rest.len());
        !OF_DEFMT.contains(&&rest[..end])
    });
    others.next().is_some()
        || code.contains("use defmt")
        || PRINTING.iter().any(|name| code.contains(name))
}

#[test]
fn a_line_that_prints_is_known() {
    assert!(prints("    println!(\"{x}\");"));
    assert!(prints("dbg!(x);"));
    assert!(prints("defmt::info!(\"{}\", x);"));
    assert!(prints("defmt::write!(f, \"x\"); defmt::panic!()"));
    assert!(prints("use defmt as log;"));
    assert!(!prints("        defmt::write!(f, \"{}\", self.0);"));
    assert!(!prints(
        "#[cfg_attr(feature = \"defmt\", derive(defmt::Format))]"
    ));
}
