//! Keeps the architecture: reads the paths that every file under `src/` names and
//! refuses those that go against the order of the layers or the purity of the core
//! (ARCHITECTURE.md says what both are for).

#[path = "layering/scan.rs"]
mod scan;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scan::{Reference, Source};

/// Each layer may name only those before it.
const LAYERS: [&str; 11] = [
    "model",
    "number_plan",
    "decode",
    "detector",
    "render",
    "telemetry",
    "config",
    "stream",
    "serve",
    "lab",
    "cli",
];

/// The last of the layers that compute and do nothing else.
const LAST_PURE_LAYER: &str = "render";

/// The dependencies that a pure layer may name: what computes or converts.
const PURE_DEPENDENCIES: [&str; 19] = [
    "ahash",
    "blake3",
    "compact_str",
    "flate2",
    "hdrhistogram",
    "hex",
    "jiff",
    "libm",
    "phonenumber",
    "postcard",
    "regex_syntax",
    "schemars",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "smallvec",
    "strsim",
    "thiserror",
];

/// What of the standard library reaches for the world outside.
const IMPURE_STD: [&str; 16] = [
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::hash::RandomState",
    "std::collections::hash_map::RandomState",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Macros that print.
const PRINTING: [&str; 5] = ["print!", "println!", "eprint!", "eprintln!", "dbg!"];

/// The one dependency that has a place of its own, and the place.
const KAFKA: (&str, &str) = ("rdkafka", "stream");

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 500;

/// Files that may be longer, each with its own limit and a reason.
const LONGER_FILES: [(&str, usize, &str); 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// All files of the crate as (path relative to `src/`, text), in order.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no sources under {}", src.display());
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            let name = path.strip_prefix(&src).expect("below src").display().to_string();
            (name, text)
        })
        .collect()
}

/// The names of `[dependencies]`, as code spells them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect()
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|l| *l == layer)
}

/// Whether the reference reaches `forbidden`, or imports a module or all names
/// through which it could be reached unseen.
fn reaches(reference: &Reference, forbidden: &str) -> bool {
    let path = reference.path.as_str();
    let within = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if within(path, forbidden) {
        return true;
    }
    let module = path.strip_suffix("::*").unwrap_or(path);
    reference.imported && within(forbidden, module)
}

/// Everything that is wrong with one file.
fn violations(source: &Source, dependencies: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(own) = rank(&source.layer) else {
        // `lib.rs` and `main.rs`: the map and the composition root.
        return match source.layer.as_str() {
            "lib" | "main" => wrong,
            other => vec![format!("`{other}` is no layer: see LAYERS in tests/layering.rs")],
        };
    };
    let pure = own <= rank(LAST_PURE_LAYER).expect("a layer");
    for reference in &source.references {
        let path = reference.path.as_str();
        let first = path.split("::").next().unwrap_or_default();
        let mut say = |why: String| wrong.push(format!("line {}: {path}: {why}", reference.line));

        if let Some(inner) = path.strip_prefix("crate::") {
            let target = inner.split("::").next().unwrap_or_default();
            match rank(target) {
                Some(theirs) if theirs > own => {
                    say(format!(
                        "`{}` comes before `{target}` and may not name it",
                        source.layer
                    ));
                }
                None if target == "*" => say("name what is used".to_owned()),
                _ => {}
            }
        }
        if first == KAFKA.0 && source.layer != KAFKA.1 {
            say(format!("only `{}` names {}", KAFKA.1, KAFKA.0));
        }
        if !pure {
            continue;
        }
        if dependencies.contains(first) && !PURE_DEPENDENCIES.contains(&first) {
            say(format!(
                "`{}` is pure: {first} is not among PURE_DEPENDENCIES",
                source.layer
            ));
        }
        if let Some(forbidden) = IMPURE_STD.iter().find(|f| reaches(reference, f)) {
            say(format!("`{}` is pure: no {forbidden}", source.layer));
        }
        if path.ends_with("::now") {
            say(format!("`{}` is pure: time is an argument", source.layer));
        }
        if PRINTING.contains(&path) {
            say(format!(
                "`{}` is pure: it returns data and prints nothing",
                source.layer
            ));
        }
    }
    wrong
}

#[test]
fn layers_name_only_those_before_them_and_the_core_is_pure() {
    let files = sources();
    let test_files = scan::test_only_files(&files);
    let dependencies = dependencies();
    assert!(dependencies.contains(KAFKA.0), "Cargo.toml was read: {dependencies:?}");
    let mut wrong = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| !test_files.contains(name)) {
        let source = Source::read(name, text);
        wrong.extend(
            violations(&source, &dependencies)
                .into_iter()
                .map(|v| format!("src/{name} {v}")),
        );
    }
    assert!(wrong.is_empty(), "against the architecture:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short_enough_to_read() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let exception = LONGER_FILES.iter().find(|(file, ..)| *file == name);
        let limit = exception.map_or(FILE_LINES_MAX, |(_, limit, _)| *limit);
        let lines = text.lines().count();
        if lines > limit {
            wrong.push(format!("src/{name}: {lines} lines, more than {limit}"));
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > 20 && !text.starts_with("//!"))
        .map(|(name, _)| format!("src/{name}"))
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of:\n{}", silent.join("\n"));
}

/// The checks themselves: each planted fault is seen, and what is allowed is not.
mod planted {
    use super::*;

    fn faults(file: &str, text: &str) -> usize {
        violations(&Source::read(file, text), &dependencies()).len()
    }

    #[test]
    fn a_layer_above_is_not_named() {
        assert_eq!(faults("detector/trie.rs", "use crate::stream::Router;"), 1);
        assert_eq!(faults("detector/trie.rs", "use crate::{model::E164, render::ocsf};"), 1);
        assert_eq!(faults("detector/trie.rs", "fn f() { crate::cli::main() }"), 1);
        assert_eq!(faults("detector/mod.rs", "use super::serve;"), 1);
        assert_eq!(
            faults("detector/evidence/volume.rs", "use super::super::super::lab::Run;"),
            1
        );
        assert_eq!(faults("detector/mod.rs", "use crate::*;"), 1);
        assert_eq!(faults("elsewhere/mod.rs", ""), 1);
    }

    #[test]
    fn layers_below_and_the_own_one_are_free() {
        assert_eq!(
            faults(
                "detector/trie.rs",
                "use crate::model::{E164, Prefix}; use super::window::Sum;"
            ),
            0
        );
        assert_eq!(
            faults(
                "detector/evidence/volume.rs",
                "use super::super::limits; use crate::detector::trie;"
            ),
            0
        );
        assert_eq!(
            faults("cli/run.rs", "use crate::{config, stream, serve::{self, Api}, lab};"),
            0
        );
        assert_eq!(faults("main.rs", "use pumpwatch::cli; fn main() { cli::main() }"), 0);
    }

    #[test]
    fn the_core_reaches_for_nothing_outside() {
        for text in [
            "use std::time::Instant;",
            "use std::time::{Duration, SystemTime};",
            "use std::time;",
            "use std::{fmt, fs::File};",
            "use std::*;",
            "fn f() { std::env::var(\"X\"); }",
            "fn f() { std::thread::sleep(d) }",
            "use rand::Rng;",
            "use tokio::sync::mpsc as channel;",
            "use axum;",
            "fn f() { tracing::info!(\"x\") }",
            "use jiff::Timestamp; fn f() { Timestamp::now() }",
            "fn f() { println!(\"{}\", 1) }",
        ] {
            assert_eq!(faults("model/x.rs", text), 1, "{text}");
        }
        for text in [
            "use std::time::Duration;",
            "use std::net::{IpAddr, Ipv6Addr};",
            "use std::{fmt, io::Write as _, collections::BTreeMap};",
            "// use std::fs;\n/* std::env /* nested */ std::fs */",
            "const S: &str = \"std::fs::read\"; const R: &str = r#\"\"std::env\"\"#; const C: char = '\"';",
            "#[cfg(test)]\nmod tests { use rand::Rng; fn f() { std::fs::read(p) } }",
            "#[cfg(test)]\n#[allow(x)]\nuse std::{fs, env};\nuse std::fmt;",
            "fn f<'a>(x: &'a str) -> &'static str { env!(\"CARGO_PKG_VERSION\") }",
            "let operand = 1; let brand = rand + 1;",
        ] {
            assert_eq!(faults("model/x.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn only_stream_speaks_to_kafka() {
        for file in ["model/x.rs", "serve/x.rs", "lab/x.rs", "cli/demo.rs"] {
            assert!(faults(file, "use rdkafka::ClientConfig;") > 0, "{file}");
        }
        assert_eq!(
            faults(
                "stream/x.rs",
                "use rdkafka::ClientConfig; use std::time::Instant; use tokio::time;"
            ),
            0
        );
    }

    #[test]
    fn modules_that_exist_only_in_tests_are_left_alone() {
        let files = [
            ("detector/mod.rs", "#[cfg(test)]\nmod oracle;\nmod trie;"),
            ("detector/oracle.rs", "use rand::Rng;"),
            ("detector/oracle/inner.rs", "use rand::Rng;"),
            ("detector/trie.rs", "#[cfg(test)] mod tests;"),
            ("detector/trie/tests.rs", "use rand::Rng;"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let exempt: Vec<String> = scan::test_only_files(&files).into_iter().collect();
        assert_eq!(
            exempt,
            [
                "detector/oracle.rs",
                "detector/oracle/inner.rs",
                "detector/trie/tests.rs"
            ]
        );
    }
}
