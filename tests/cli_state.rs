//! A replay in parts, the state handed over: the same bytes as in one go.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;

fn pumpwatch() -> Command {
    Command::cargo_bin("pumpwatch").unwrap()
}

const SCENARIO: &str = "description: d\n\
    world: {duration: 8h, tenants: [{name: acme, sends_per_day: 3000, countries: 20}]}\n\
    overlays:\n\
    - {kind: hopping, tenant: acme, start: 5h, duration: 2h, rate: 0.3, hops: 3}\n\
    - {kind: disorder, start: 2h, duration: 5h}\n";

struct Files {
    folder: tempfile::TempDir,
    lines: Vec<String>,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (scenario, events) = (folder.path().join("own.yaml"), folder.path().join("all"));
        fs::write(&scenario, SCENARIO).unwrap();
        let mut simulate = pumpwatch();
        simulate.args(["simulate", "--seed", "3", "--scenario"]).arg(&scenario);
        simulate.arg("--out").arg(&events).assert().success();
        let mut lines: Vec<String> = fs::read_to_string(&events)
            .unwrap()
            .lines()
            .map(|line| format!("{line}\n"))
            .collect();
        // A stretch of lines that cannot be used is a finding of its own.
        for at in (900..1_200).step_by(4) {
            "{}\n".clone_into(&mut lines[at]);
        }
        fs::write(&events, lines.concat()).unwrap();
        Self { folder, lines }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Replays a file into `NAME.alerts`, `NAME.blocklist` and `NAME.summary`.
    fn replay(&self, name: &str, more: &[(&str, &Path)]) -> Command {
        let mut command = pumpwatch();
        command.args(["replay", "--input"]).arg(self.path(name));
        for output in ["alerts", "blocklist", "summary"] {
            command
                .arg(format!("--{output}"))
                .arg(self.path(&format!("{name}.{output}")));
        }
        for (flag, path) in more {
            command.arg(flag).arg(path);
        }
        command
    }

    fn summary(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(&format!("{name}.summary"))).unwrap()
    }
}

#[test]
fn two_halves_with_the_state_handed_over_are_the_whole() {
    let files = Files::new();
    let whole_state = files.path("whole.state");
    files.replay("all", &[]).assert().success();
    let whole = (files.bytes("all.alerts"), files.bytes("all.blocklist"));
    assert!(whole.0.len() > 5_000 && !whole.1.is_empty());
    files
        .replay("all", &[("--save-state", &whole_state)])
        .assert()
        .success();

    let n = files.lines.len();
    let state = files.path("state");
    let (mut parts_seen, mut moved) = (0, 0);
    for cut in [1, 1_000, n * 2 / 5, n / 2, n - 1] {
        fs::write(files.path("first"), files.lines[..cut].concat()).unwrap();
        fs::write(files.path("second"), files.lines[cut..].concat()).unwrap();
        files.replay("first", &[("--save-state", &state)]).assert().success();
        files.replay("second", &[("--state", &state)]).assert().success();
        for (output, whole) in [("alerts", &whole.0), ("blocklist", &whole.1)] {
            let parts = [
                files.bytes(&format!("first.{output}")),
                files.bytes(&format!("second.{output}")),
            ];
            parts_seen += usize::from(!parts[0].is_empty() && !parts[1].is_empty());
            assert!(&parts.concat() == whole, "{output}, cut after line {cut}");
        }
        let (a, b, all) = (files.summary("first"), files.summary("second"), files.summary("all"));
        for (group, name) in [
            ("records", "usable"),
            ("records", "dead_lettered"),
            ("events", "counted"),
            ("events", "late"),
        ] {
            let of = |summary: &serde_json::Value| summary[group][name].as_u64().unwrap();
            assert_eq!(of(&a) + of(&b), of(&all), "{group} {name}, cut after line {cut}");
        }
        let end = files.path("end.state");
        let handed = [("--state", state.as_path()), ("--save-state", end.as_path())];
        files.replay("second", &handed).assert().success();
        moved += usize::from(files.bytes("end.state") == files.bytes("whole.state"));
    }
    assert!(parts_seen >= 2, "a cut falls into the attack");
    assert_eq!(moved, 5, "the state at the end is that of one replay");
}

/// A table of the sends among the events, with their approvals beside them.
fn table(lines: &[String]) -> Vec<String> {
    let events = lines.iter().filter_map(|line| serde_json::from_str(line).ok());
    let mut events: Vec<serde_json::Value> = events
        .filter(|event: &serde_json::Value| event["to"].is_string())
        .collect();
    events.sort_by_key(|event| event["ingest_time"].to_string());
    let cell = |event: &serde_json::Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let row = |event: &serde_json::Value| {
        let names = ["type", "ingest_time", "id", "tenant", "app", "session", "to", "outcome"];
        format!("{}\n", names.map(|name| cell(event, name)).join(","))
    };
    let outcomes = |event: &&serde_json::Value| event["type"] != "delivery";
    events.iter().filter(outcomes).map(row).collect()
}

#[test]
fn a_state_is_handed_from_one_table_to_the_next_and_to_lines() {
    const HEADER: &str = "type,time,id,tenant,app,session,to,outcome\n";
    let files = Files::new();
    let rows = table(&files.lines);
    let write = |name: &str, rows: &[String]| fs::write(files.path(name), HEADER.to_owned() + &rows.concat()).unwrap();
    write("all.csv", &rows);
    files.replay("all.csv", &[]).assert().success();
    let whole = (files.bytes("all.csv.alerts"), files.bytes("all.csv.blocklist"));
    assert!(whole.0.len() > 5_000 && !whole.1.is_empty());

    let state = files.path("state");
    // Rows of one moment stay together: a table is sorted by time within itself.
    let time = |row: &String| row.split(',').nth(1).unwrap().to_owned();
    let cut = (rows.len() * 2 / 5..rows.len())
        .find(|&at| time(&rows[at]) != time(&rows[at - 1]))
        .unwrap();
    write("first.csv", &rows[..cut]);
    write("second.csv", &rows[cut..]);
    files
        .replay("first.csv", &[("--save-state", &state)])
        .assert()
        .success();
    files.replay("second.csv", &[("--state", &state)]).assert().success();
    for (output, whole) in [("alerts", &whole.0), ("blocklist", &whole.1)] {
        let parts = ["first", "second"].map(|part| files.bytes(&format!("{part}.csv.{output}")));
        assert!(&parts.concat() == whole, "{output}");
    }
    // A finding of the second part is told from both.
    let told = files.bytes("second.csv.alerts");
    let told: serde_json::Value = serde_json::from_slice(told.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let uid = told["finding_info"]["uid"].as_str().unwrap();
    let mut explain = pumpwatch();
    explain
        .args(["explain", uid, "--tenant", "acme", "--input"])
        .arg(files.path("second.csv"));
    let explained = explain.arg("--state").arg(&state).assert().success();
    explained.stdout(predicate::str::contains(uid));
    // What a table left, lines go on from: what was heard lately is known again.
    files.replay("all", &[("--state", &state)]).assert().success();
    assert!(files.summary("all")["events"]["duplicate"].as_u64().unwrap() > 1_000);
}

#[test]
fn a_comparison_has_no_state() {
    let files = Files::new();
    let (state, config) = (files.path("state"), files.path("other.yaml"));
    fs::write(&config, "{}\n").unwrap();
    for flag in ["--state", "--save-state"] {
        let command = &mut files.replay("all", &[(flag, &state), ("--against", &config)]);
        command.assert().code(2).stderr(predicate::str::contains(format!(
            "{flag} is the state of one configuration, and --against compares two"
        )));
        assert!(!state.exists());
    }
}

#[test]
fn a_state_that_cannot_be_used_gets_a_sentence_and_nothing_is_written() {
    let files = Files::new();
    let (state, other) = (files.path("state"), files.path("other"));
    let key = files.path("key");
    let config = files.path("keyed.yaml");
    fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    fs::write(&config, format!("privacy: {{key: {{file: {}}}}}\n", key.display())).unwrap();
    files.replay("all", &[("--save-state", &state)]).assert().success();
    let written = fs::read(&state).unwrap();
    for name in ["alerts", "blocklist", "summary"] {
        fs::remove_file(files.path(&format!("all.{name}"))).unwrap();
    }

    fs::write(&other, &written[..written.len() / 2]).unwrap();
    let refused = |more: &[(&str, &Path)], code: i32, sentence: &str| {
        let assert = files.replay("all", more).assert();
        assert
            .code(code)
            .stderr(predicate::str::contains(sentence).and(predicate::str::contains("panicked").not()));
        assert!(!files.path("all.alerts").exists());
    };
    refused(&[("--state", &other)], 65, "it was cut off");
    fs::write(&other, "{}").unwrap();
    refused(&[("--state", &other)], 65, "it is no state of Pumpwatch");
    refused(&[("--state", &files.path("none"))], 65, "cannot open");
    refused(
        &[("--state", &state), ("--config", &config)],
        64,
        "another `privacy.key`",
    );
    refused(&[("--save-state", &files.path("no/such"))], 2, "cannot write");
    let alerts = files.path("all.alerts");
    refused(&[("--save-state", &alerts)], 2, "give each its own file");

    let mut command = pumpwatch();
    command.args([
        "replay",
        "--from-kafka",
        "--to",
        "2026-11-22T00:00:00Z",
        "--save-state",
        "x",
    ]);
    command.assert().code(2).stderr(predicate::str::contains("--to"));
}
