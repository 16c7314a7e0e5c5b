//! `simulate` and `evaluate` from the outside.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;

fn pumpwatch() -> Command {
    Command::cargo_bin("pumpwatch").unwrap()
}

const SCENARIO: &str = "description: d\n\
    world: {duration: 6h, tenants: [{name: acme, sends_per_day: 4000, countries: 20}]}\n\
    overlays: [{kind: burst, tenant: acme, app: signup-otp, start: 5h, duration: 20m, rate: 0.5, country: UZ}]\n";

fn scenario(folder: &Path) -> String {
    let path = folder.join("own.yaml");
    fs::write(&path, SCENARIO).unwrap();
    path.display().to_string()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn simulated_traffic_replays() {
    let folder = tempfile::tempdir().unwrap();
    let own = scenario(folder.path());
    let (events, labels) = (
        folder.path().join("events.ndjson.zst"),
        folder.path().join("labels.ndjson"),
    );
    let run = |seed: &str, out: &Path| {
        let mut command = pumpwatch();
        command
            .args(["simulate", "--scenario", &own, "--seed", seed, "--out"])
            .arg(out);
        command
    };
    let output = run("7", &events).arg("--labels").arg(&labels).assert().success();
    let summary: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert!(summary["attack_sends"].as_u64().unwrap() > 300, "{summary}");
    let label: serde_json::Value = serde_json::from_str(fs::read_to_string(&labels).unwrap().trim()).unwrap();
    assert_eq!((&label["kind"], &label["attack"]), (&"burst".into(), &true.into()));

    let again = folder.path().join("again.ndjson.zst");
    run("7", &again).assert().success();
    assert_eq!(fs::read(&events).unwrap(), fs::read(&again).unwrap());
    run("8", &again).assert().success();
    assert_ne!(fs::read(&events).unwrap(), fs::read(&again).unwrap());

    let replayed = pumpwatch().args(["replay", "--input"]).arg(&events).assert().success();
    let replayed: serde_json::Value = serde_json::from_slice(&replayed.get_output().stdout).unwrap();
    assert_eq!(replayed["records"]["usable"], summary["events"]);
    assert_eq!(replayed["records"]["dead_lettered"], 0);
}

#[test]
fn wrong_use_gets_a_sentence_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = scenario(folder.path());
    let out = folder.path().join("missing").join("x.ndjson");
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["simulate", "--scenario", "brust", "--out", "x"],
            65,
            "did you mean `burst`",
        ),
        (
            &["simulate", "--scenario", &own, "--out", out.to_str().unwrap()],
            2,
            "cannot be written",
        ),
        (&["simulate", "--scenario", &own], 2, "--out"),
        (
            &["simulate", "--scenario", &own, "--to-kafka", "--speed", "fast"],
            2,
            "--speed",
        ),
        (&["evaluate", "--only", "brust"], 65, "did you mean `burst`"),
        (
            &["evaluate", "--only", "burst", "--ablation", "digit"],
            2,
            "no part is called `digit`",
        ),
        (
            &["evaluate", "--only", "burst", "--readme", "/no/such"],
            65,
            "cannot read /no/such",
        ),
    ];
    for (args, code, sentence) in cases {
        let assert = pumpwatch().current_dir(folder.path()).args(args).assert();
        assert.code(code).stderr(predicate::str::contains(sentence));
    }
    assert_eq!(names(folder.path()), ["own.yaml"]);
}

#[test]
fn a_broker_that_is_not_there_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let own = scenario(folder.path());
    for (broker, code) in [("127.0.0.1:1", 69), ("kafka.example.com:9092", 64)] {
        let assert = pumpwatch()
            .args([
                "simulate",
                "--scenario",
                &own,
                "--to-kafka",
                "--speed",
                "0",
                "--brokers",
                broker,
            ])
            .assert();
        assert.code(code).stderr(predicate::str::starts_with("pumpwatch: "));
    }
}

#[test]
fn an_evaluation_writes_its_report_and_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let own = scenario(folder.path());
    let readme = folder.path().join("README.md");
    fs::write(&readme, "# X\n<!-- evaluation:begin -->\n<!-- evaluation:end -->\n").unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (out, threads) in [(&one, "1"), (&two, "2")] {
        pumpwatch()
            .args([
                "evaluate",
                "--only",
                &own,
                "--seeds",
                "2",
                "--no-peers",
                "--ablation",
                "digits,device",
            ])
            .args(["--threads", threads, "--out"])
            .arg(out)
            .arg("--readme")
            .arg(&readme)
            .assert()
            .success();
    }
    assert_eq!(
        names(&one),
        ["cost.json", "report.html", "report.json", "report.md", "runs.ndjson"]
    );
    let cost: serde_json::Value = serde_json::from_slice(&fs::read(one.join("cost.json")).unwrap()).unwrap();
    assert!(
        cost["peak_rss_bytes"].as_u64().unwrap() > 1 << 20 && cost["judges"] == 3,
        "{cost}"
    );
    for name in names(&one).into_iter().filter(|name| name != "cost.json") {
        assert_eq!(
            fs::read(one.join(&name)).unwrap(),
            fs::read(two.join(&name)).unwrap(),
            "{name}"
        );
    }
    let report: serde_json::Value = serde_json::from_slice(&fs::read(one.join("report.json")).unwrap()).unwrap();
    let judges = report["judges"].as_array().unwrap();
    assert_eq!(judges.len(), 3);
    assert_eq!(report["rows"][0]["campaigns"], 2);
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.contains("| without digits |"), "{text}");

    fs::write(&readme, "# X\n").unwrap();
    let mut command = pumpwatch();
    command
        .args(["evaluate", "--only", &own, "--seeds", "1", "--no-peers", "--readme"])
        .arg(&readme);
    command
        .assert()
        .code(65)
        .stderr(predicate::str::contains("evaluation:begin"));
}
