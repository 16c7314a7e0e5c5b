//! `replay --against` and `evaluate --input` from the outside.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

fn pumpwatch() -> Command {
    Command::cargo_bin("pumpwatch").unwrap()
}

const SCENARIO: &str = "description: d\n\
    world: {duration: 2d, tenants: [{name: acme, sends_per_day: 6000, countries: 20}]}\n\
    overlays: [{kind: burst, tenant: acme, app: signup-otp, start: 1d 5h, duration: 1h, messages: 900, rate: 0.5, country: UZ}]\n";

/// Two days of traffic with a campaign of 900 messages.
fn traffic(folder: &Path) -> String {
    let scenario = folder.join("own.yaml");
    fs::write(&scenario, SCENARIO).unwrap();
    let events = folder.join("events.ndjson.zst").display().to_string();
    pumpwatch()
        .args(["simulate", "--seed", "5", "--out", &events, "--scenario"])
        .arg(&scenario)
        .assert()
        .success();
    events
}

fn config(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_backtest_says_what_appears_vanishes_and_moves() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let events = traffic(folder.path());
    let strict = config(
        folder.path(),
        "strict.yaml",
        "detection: {false_alarms_per_million: 0.0001}\n",
    );
    let limit = "limits: [{name: total, time_window: 1h, sms_frequency_threshold: 100, per: country}]\n";
    let loose = config(
        folder.path(),
        "loose.yaml",
        &format!("detection: {{false_alarms_per_million: 100}}\n{limit}"),
    );
    let run = |against: &str, comparison: &str| {
        let output = pumpwatch()
            .args(["replay", "--input", &events, "--config", &strict, "--against", against])
            .arg("--comparison")
            .arg(at(comparison))
            .arg("--alerts")
            .arg(at("alerts.ndjson"))
            .assert()
            .success();
        (
            String::from_utf8(output.get_output().stdout.clone()).unwrap(),
            json(&at(comparison)),
        )
    };
    let (text, found) = run(&loose, "moved.json");
    // A limit is the second's alone; the campaign is found by both, sooner by the second.
    let appear = found["appear"].as_array().unwrap();
    assert!(
        appear.iter().any(|episode| episode["kind"] == "limit_exceeded"),
        "{found:#}"
    );
    assert_eq!(found["vanish"], serde_json::json!([]), "{found:#}");
    let moved = found["move"].as_array().unwrap();
    let campaign = moved.iter().find(|moved| moved["before"]["region"] == "UZ").unwrap();
    assert!(
        campaign["blocked_later_seconds"].as_f64().unwrap() < 0.0,
        "{campaign:#}"
    );
    assert!(campaign["stopped_messages_more"].as_i64().unwrap() > 0, "{campaign:#}");
    assert!(campaign["stopped_cost_more"].as_f64().unwrap() > 0.0, "{campaign:#}");
    let (first, second) = (
        &found["first"]["stopped_messages"],
        &found["second"]["stopped_messages"],
    );
    assert!(
        first.as_u64().unwrap() > 700 && second.as_u64() > first.as_u64(),
        "{found:#}"
    );
    for part in ["# Backtest: ", "## Appear", "## Move", "earlier", "USD"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The outputs are the first configuration's.
    let alone = at("alone.ndjson");
    pumpwatch()
        .args(["replay", "--input", &events, "--config", &strict, "--alerts"])
        .arg(&alone)
        .assert()
        .success();
    assert_eq!(fs::read(&alone).unwrap(), fs::read(at("alerts.ndjson")).unwrap());

    let (_, same) = run(&strict, "same.json");
    assert_eq!(
        (&same["appear"], &same["move"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert!(same["unchanged"].as_u64().unwrap() > 0);
}

#[test]
fn a_report_on_own_data_has_the_figures_and_no_full_number() {
    let folder = tempfile::tempdir().unwrap();
    let events = traffic(folder.path());
    let run = |out: &str| {
        let out = folder.path().join(out);
        pumpwatch()
            .args(["evaluate", "--input", &events, "--out"])
            .arg(&out)
            .assert()
            .success();
        out
    };
    let (one, two) = (run("one"), run("two"));
    for name in ["report.html", "report.md", "report.json"] {
        assert_eq!(
            fs::read(one.join(name)).unwrap(),
            fs::read(two.join(name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(fs::read_dir(&one).unwrap().count(), 3);
    let report = json(&one.join("report.json"));
    let budgets: Vec<f64> = report["settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|setting| setting["false_alarms_per_million"].as_f64().unwrap())
        .collect();
    assert_eq!(budgets, [1.0, 0.1, 10.0]);
    assert_eq!(report["rules"].as_array().unwrap().len(), 2);
    let main = &report["settings"][0];
    let stopped = main["stopped_messages"].as_u64().unwrap();
    assert!((800..=1_000).contains(&stopped), "{main:#}");
    assert!(main["saved"]["amount"].as_f64().unwrap() > 100.0, "{main:#}");
    let campaign = report["campaigns"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["region"] == "UZ")
        .unwrap();
    assert_eq!(campaign["level"], "block");
    assert!(campaign["sends_before"].as_u64().unwrap() < 60, "{campaign:#}");
    // Bars add up to the whole.
    let bars: u64 = report["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| bar["messages"].as_u64().unwrap())
        .sum();
    assert_eq!(Some(bars), report["traffic"]["messages"].as_u64());
    let full = regex::Regex::new(r"\+[0-9]{11,}").unwrap();
    for name in ["report.html", "report.md", "report.json"] {
        let text = fs::read_to_string(one.join(name)).unwrap();
        assert!(!full.is_match(&text), "{name}: {:?}", full.find(&text));
    }
    let page = fs::read_to_string(one.join("report.html")).unwrap();
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
}

#[test]
fn what_cannot_be_reported_on_leaves_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let only = folder.path().join("only.ndjson");
    let line = r#"{"type":"sms.verification","id":"1","time":"2026-11-22T07:48:10Z","to":"+998901234567","outcome":"approved"}"#;
    fs::write(&only, format!("{line}\n")).unwrap();
    let garbage = folder.path().join("garbage.ndjson");
    fs::write(&garbage, "x\n").unwrap();
    let out = folder.path().join("out");
    let (only, garbage) = (only.display().to_string(), garbage.display().to_string());
    let out_name = out.display().to_string();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--input", &only, "--out", &out_name], 65, "no message that was sent"),
        (
            &["--input", &garbage, "--out", &out_name],
            65,
            "no line of the input is a canonical event",
        ),
        (
            &["--input", "none.parquet", "--out", &out_name],
            65,
            "cannot open none.parquet",
        ),
        (&["--input", &only], 2, "--out"),
        (&["--input", &only, "--out", &out_name, "--seeds", "2"], 2, "--seeds"),
        (&["--config", "x.yaml"], 2, "--config goes with --input"),
    ];
    for (args, code, sentence) in cases {
        let output = pumpwatch()
            .current_dir(folder.path())
            .arg("evaluate")
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(sentence), "{sentence}: {said}");
        assert!(!out.exists() || fs::read_dir(&out).unwrap().count() == 0);
    }
}
