//! The command line from outside: usage, exit codes, and sentences.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, diff, is_empty, starts_with};

fn pumpwatch() -> Command {
    let mut command = Command::cargo_bin("pumpwatch").unwrap();
    // Whoever runs the tests may have an environment of their own.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PUMPWATCH") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

#[test]
fn help_names_every_command_and_every_exit_code() {
    let help = pumpwatch().arg("--help").assert().code(0).stderr(is_empty());
    let text = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    for command in [
        "run",
        "demo",
        "check",
        "replay",
        "explain",
        "decode",
        "number",
        "topics",
        "schema",
        "completions",
        "man",
        "version",
    ] {
        assert!(text.contains(&format!("  {command} ")), "{command}");
        pumpwatch()
            .args([command, "--help"])
            .assert()
            .code(0)
            .stdout(contains("Usage: pumpwatch"));
    }
    assert!(text.contains("64 configuration"));
}

#[test]
fn wrong_usage_is_code_2() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["run", "--role", "nobody"],
        &["run", "--unknown"],
        &["replay"],
        &["explain", "+998901234567"],
        &["replay", "--input", "a", "--from-kafka"],
        &["replay", "--input", "a", "--from", "2026-11-22T07:48:10Z"],
        &["replay", "--from-kafka", "--from", "yesterday"],
        &["replay", "--from-kafka", "--from", "2000", "--to", "1000"],
        &["replay", "--input", "a", "--alerts", "x", "--summary", "x"],
        &["decode", "file"],
        &["decode", "--format", "nonsense", "file"],
        &["decode", "--format", "canonical"],
        &["number"],
        &["topics"],
        &["topics", "create", "--partitions", "0"],
        &["schema", "nonsense"],
        &["completions", "nonsense"],
        &["man", "nonsense"],
        &["demo", "--for", "60"],
        &["demo", "--listen", "8080"],
        &["demo", "--listen", "0.0.0.0:8080"],
        &["--log-format", "xml", "version"],
        &["--log", "a=b=c", "version"],
    ] {
        pumpwatch()
            .args(arguments)
            .assert()
            .code(2)
            .stdout(is_empty())
            .stderr(is_empty().not());
    }
}

#[test]
fn usage_errors_say_what_to_change() {
    for (arguments, part) in [
        (
            &["decode", "--format", "twilio_event_stream", "x"][..],
            "did you mean `twilio_event_streams`?",
        ),
        (
            &["decode", "--format", "vonage_sms", "x"],
            "the format `vonage_sms` is known but not built",
        ),
        (&["demo", "--listen", "0.0.0.0:1"], "choose a loopback address"),
        (&["demo", "--for", "60"], "as in 30s, 10m or 1h"),
        (&["replay", "--from-kafka", "--to", "now"], "as in 2026-11-22T07:48:10Z"),
        (
            &["replay", "--input", "a", "--alerts", "x", "--blocklist", "x"],
            "--alerts and --blocklist both name x",
        ),
        (&["man", "nonsense"], "there is no command `nonsense`"),
        (&["rum"], "'run'"),
    ] {
        pumpwatch().args(arguments).assert().code(2).stderr(contains(part));
    }
}

#[test]
fn a_refused_configuration_is_code_64() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pumpwatch.yaml");
    std::fs::write(&file, "kafka: {brokrs: localhost}\n").unwrap();
    for command in [
        &["run"][..],
        &["check"],
        &["topics", "create"],
        &["topics", "describe"],
        &["replay", "--from-kafka"],
    ] {
        pumpwatch()
            .args(command)
            .arg("--config")
            .arg(&file)
            .assert()
            .code(64)
            .stdout(is_empty())
            .stderr(starts_with(
                "pumpwatch: unknown key `kafka.brokrs`; did you mean `brokers`?",
            ));
        pumpwatch()
            .args(command)
            .args(["--config", "missing.yaml"])
            .assert()
            .code(64)
            .stderr(starts_with("pumpwatch: cannot read the configuration missing.yaml: "));
        // No file and nothing in the environment.
        pumpwatch()
            .args(command)
            .assert()
            .code(64)
            .stderr(contains("set PUMPWATCH__KAFKA__BROKERS"));
    }
}

#[test]
fn every_problem_of_a_configuration_is_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pumpwatch.yaml");
    std::fs::write(
        &file,
        "kafka: {brokers: localhost}\ninputs: []\ndetection: {lateness: 2d}\n",
    )
    .unwrap();
    pumpwatch()
        .args(["check", "--config"])
        .arg(&file)
        .env("PUMPWATCH__HTTP__LISTEN", "0.0.0.0:80")
        .assert()
        .code(64)
        .stderr(diff(
            "pumpwatch: `inputs` is empty; name at least one topic, or remove the key to read the canonical topics\n\
             pumpwatch: `detection.lateness` is 2d, but must be from 1s to 24h\n\
             pumpwatch: `http.listen` is 0.0.0.0:80, which can be reached from other machines, so a token must be \
             asked for; set `http.tokens: {file: PATH}`, or listen on 127.0.0.1 (it was set by \
             PUMPWATCH__HTTP__LISTEN)\n",
        ));
}

#[cfg(unix)]
#[test]
fn an_environment_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    pumpwatch()
        .arg("check")
        .env("PUMPWATCH__KAFKA__BROKERS", std::ffi::OsStr::from_bytes(b"\xff"))
        .assert()
        .code(64)
        .stderr(contains("PUMPWATCH__KAFKA__BROKERS is not UTF-8"));
}

#[test]
fn an_unusable_input_is_code_65() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain.ndjson.gz");
    std::fs::write(&plain, "{}\n").unwrap();
    for (file, part) in [
        (plain.as_path(), "should hold gzip data by its name"),
        (&dir.path().join("missing"), "cannot open "),
        (dir.path(), "is a folder"),
    ] {
        pumpwatch()
            .arg("replay")
            .arg("--input")
            .arg(file)
            .assert()
            .code(65)
            .stderr(contains(part));
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file stays behind");
}

#[test]
fn every_schema_is_that_on_disk_and_without_a_name_all_are_printed() {
    let print = |arguments: &[&str]| {
        let output = pumpwatch()
            .arg("schema")
            .args(arguments)
            .assert()
            .code(0)
            .stderr(is_empty());
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&print(&[])).unwrap();
    assert_eq!(all.len(), 9);
    for (name, schema) in &all {
        let file = match name.as_str() {
            "asyncapi" | "openapi" => format!("{name}.json"),
            _ => format!("{name}.schema.json"),
        };
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("schemas")
            .join(file);
        let printed = print(&[name]);
        assert_eq!(printed, std::fs::read_to_string(path).unwrap(), "{name}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&printed).unwrap(),
            *schema,
            "{name}"
        );
    }
    for name in ["event", "finding", "block", "stats", "config", "asyncapi", "openapi"] {
        assert!(all.contains_key(name), "{name}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        pumpwatch()
            .args(["completions", shell])
            .assert()
            .code(0)
            .stdout(contains("pumpwatch").and(contains("from-kafka")));
    }
}

#[test]
fn manual_pages_are_roff() {
    pumpwatch()
        .arg("man")
        .assert()
        .code(0)
        .stdout(contains(".TH pumpwatch 1"));
    pumpwatch()
        .args(["man", "replay"])
        .assert()
        .code(0)
        .stdout(contains("pumpwatch\\-replay").and(contains("from\\-kafka")));
}

#[test]
fn the_version_is_the_crates() {
    let line = format!("pumpwatch {}\n", env!("CARGO_PKG_VERSION"));
    pumpwatch().arg("version").assert().code(0).stdout(diff(line.clone()));
    pumpwatch().arg("--version").assert().code(0).stdout(diff(line));
}

#[test]
fn the_environment_chooses_the_log_format_and_a_wrong_one_is_refused() {
    pumpwatch()
        .arg("version")
        .env("PUMPWATCH_LOG_FORMAT", "xml")
        .assert()
        .code(2)
        .stderr(diff("pumpwatch: `xml` is not a log format; use text or json\n"));
    pumpwatch()
        .arg("version")
        .env("PUMPWATCH_LOG_FORMAT", "")
        .env("RUST_LOG", "debug")
        .assert()
        .code(0);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_early_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_pumpwatch"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_file_without_one_usable_line_is_accounted_for_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.json");
    let output = assert_cmd::Command::cargo_bin("pumpwatch")
        .unwrap()
        .args(["replay", "--input", "-", "--summary"])
        .arg(&summary)
        .write_stdin(&b"\xff\xfe\x00\n{}\nnonsense\n"[..])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(65));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("line 1 is not used (invalid_utf8)"), "{said}");
    let counts: serde_json::Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!(
        counts["records"],
        serde_json::json!({"usable": 0, "ignored": 0, "dead_lettered": 3})
    );
}

#[test]
fn replaying_a_file_twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |args: &[&std::ffi::OsStr]| {
        let status = assert_cmd::Command::cargo_bin("pumpwatch")
            .unwrap()
            .args(args)
            .output()
            .unwrap()
            .status;
        assert!(status.success(), "{args:?}");
    };
    let os = std::ffi::OsStr::new;
    let events = path("events.ndjson.zst");
    run(&[
        os("simulate"),
        os("--scenario"),
        os("young-tenant"),
        os("--seed"),
        os("7"),
        os("--out"),
        events.as_os_str(),
    ]);
    let (first, second) = ((path("a1"), path("b1")), (path("a2"), path("b2")));
    for (alerts, blocklist) in [&first, &second] {
        run(&[
            os("replay"),
            os("--input"),
            events.as_os_str(),
            os("--alerts"),
            alerts.as_os_str(),
            os("--blocklist"),
            blocklist.as_os_str(),
        ]);
    }
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&first.0), read(&second.0));
    assert_eq!(read(&first.1), read(&second.1));
    assert!(read(&first.1).contains("\"op\":\"put\""), "the campaign was blocked");
}
