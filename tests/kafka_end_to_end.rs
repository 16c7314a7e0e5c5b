//! The main job on a real broker: mixed events from another client go in, the one
//! campaign among them comes out as one finding and its block, honest ranges stay
//! untouched, the accounts balance, and folding the log again gives the same bytes.
//! How to run it: `tests/kafka/mod.rs`.

mod kafka;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kafka::broker::Record;
use kafka::check::{self, Change, Finding};
use kafka::member::Member;
use kafka::traffic::{Accounts, CAMPAIGN_RANGE, CAMPAIGN_TENANT, Traffic};
use kafka::{Deployment, Replay, events_wanted, write_lines};

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn a_campaign_inside_mixed_traffic_is_found_and_blocked() {
    let traffic = Traffic::generate(1, events_wanted());
    let deployment = Deployment::create("end-to-end");
    let member = deployment.start("a");
    let begin = Instant::now();
    let produced = deployment.produce(&traffic.lines, &[]);
    assert_eq!(produced, traffic.lines.len() as u64, "all records were acknowledged");
    deployment.wait_drained();
    println!(
        "{produced} events through the broker and Pumpwatch in {:.1} s, producing included",
        begin.elapsed().as_secs_f64()
    );
    accounts_balance_in_the_metrics(&member, &traffic.expected);
    let status = member.terminate();
    assert!(status.success(), "a drained member ends with 0, not {status}");

    let alerts = deployment.read("sms.pumping.alerts.v1");
    let findings = check::episodes(&alerts);
    let changes: Vec<Change> = deployment
        .read("sms.pumping.blocklist.v1")
        .iter()
        .map(|record| check::block(record, "enforce"))
        .collect();
    one_finding_and_its_block(&findings, &changes, &traffic);
    honest_ranges_are_untouched(&findings, &changes, &traffic);
    no_full_number_leaks(&alerts, &traffic);
    dead_letters_are_accounted_for(&deployment, &traffic);
    statistics_and_audit_are_there(&deployment);

    let replay = deployment.replay_from_kafka();
    the_log_gives_the_same_bytes(&replay, &findings, &changes);
    accounts_balance_in_the_summary(&replay, &traffic.expected);
    the_file_gives_the_same_findings(&deployment, &traffic, &findings);
}

fn accounts_balance_in_the_metrics(member: &Member, expected: &Accounts) {
    let records = |outcome| member.metric("pumpwatch_records_total", &[("outcome", outcome)]) as u64;
    let events = |outcome| member.metric("pumpwatch_events_total", &[("outcome", outcome)]) as u64;
    let found = Accounts {
        usable: records("usable"),
        dead_lettered: records("dead_lettered"),
        counted: events("counted"),
        duplicate: events("duplicate"),
        late: events("late"),
        quarantined: events("quarantined"),
    };
    assert_eq!(found, *expected, "the metrics");
    assert_eq!(records("ignored"), 0, "nothing canonical is ignored");
    assert!(
        member.metric("pumpwatch_append_to_alert_seconds_count", &[]) > 0.0,
        "the latency of alerts is measured"
    );
    assert!(
        member.metric(
            "pumpwatch_findings_total",
            &[("kind", "sms_pumping"), ("level", "block")]
        ) > 0.0,
        "findings are counted"
    );
}

fn accounts_balance_in_the_summary(replay: &Replay, expected: &Accounts) {
    let count = |pointer: &str| {
        let found = replay.summary.pointer(pointer).and_then(serde_json::Value::as_u64);
        found.unwrap_or_else(|| panic!("no {pointer} in {}", replay.summary))
    };
    let found = Accounts {
        usable: count("/records/usable"),
        dead_lettered: count("/records/dead_lettered"),
        counted: count("/events/counted"),
        duplicate: count("/events/duplicate"),
        late: count("/events/late"),
        quarantined: count("/events/quarantined"),
    };
    assert_eq!(found, *expected, "the summary of replay --from-kafka");
}

fn one_finding_and_its_block(findings: &[Finding], changes: &[Change], traffic: &Traffic) {
    let opened: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.kind == "sms_pumping" && f.activity == 1)
        .collect();
    let [opened] = opened[..] else {
        panic!("one campaign, {} findings: {opened:#?}", opened.len());
    };
    let accuses_campaign = |prefix: &str| CAMPAIGN_RANGE.starts_with(prefix) || prefix.starts_with(CAMPAIGN_RANGE);
    let block = findings
        .iter()
        .find(|f| f.uid == opened.uid && f.level == "block")
        .expect("the episode reaches level block");
    assert!(
        block.prefixes.iter().all(|p| accuses_campaign(p)),
        "{:?}",
        block.prefixes
    );
    let leaked = traffic.campaign_times_ms.iter().filter(|t| **t <= block.time).count();
    let seconds = (block.time - traffic.campaign_times_ms[0]) as f64 / 1000.0;
    println!(
        "blocked {:?} after {leaked} of {} messages of the campaign, {seconds:.0} s after the first",
        block.prefixes,
        traffic.campaign_times_ms.len()
    );
    assert!(
        leaked * 2 < traffic.campaign_times_ms.len(),
        "more than half of the campaign had passed"
    );
    for finding in findings.iter().filter(|f| f.level == "block" && f.activity < 3) {
        for prefix in &finding.prefixes {
            let listed = changes
                .iter()
                .any(|c| c.prefix == *prefix && c.finding_uid.as_ref() == Some(&finding.uid));
            assert!(listed, "{prefix} of {} is not on the blocklist", finding.uid);
        }
    }
}

fn honest_ranges_are_untouched(findings: &[Finding], changes: &[Change], traffic: &Traffic) {
    let accused: BTreeSet<&String> = findings
        .iter()
        .filter(|f| f.kind == "sms_pumping")
        .flat_map(|f| &f.prefixes)
        .chain(changes.iter().map(|c| &c.prefix))
        .collect();
    for prefix in accused {
        let hit = traffic
            .honest_numbers
            .iter()
            .filter(|n| n.starts_with(prefix.as_str()))
            .count();
        assert_eq!(hit, 0, "{prefix} holds honest numbers");
    }
    for change in changes {
        assert_eq!(change.tenant, CAMPAIGN_TENANT, "another tenant's block: {change:?}");
    }
}

fn no_full_number_leaks(alerts: &[Record], traffic: &Traffic) {
    for record in alerts {
        let text = record.value_text();
        let leaked = traffic
            .campaign_numbers
            .iter()
            .find(|n| text.contains(n.trim_start_matches('+')));
        assert_eq!(leaked, None, "a full number in {text}");
    }
}

fn dead_letters_are_accounted_for(deployment: &Deployment, traffic: &Traffic) {
    let records = deployment.read("sms.pumping.dlq.v1");
    let origins: BTreeSet<check::Origin> = records.iter().map(|r| check::dead_letter(r).0).collect();
    assert_eq!(origins.len() as u64, traffic.expected.dead_lettered, "one origin each");
    assert_eq!(records.len() as u64, traffic.expected.dead_lettered, "none twice");
    let originals: BTreeSet<&str> = traffic.lines.iter().map(String::as_str).collect();
    for record in &records {
        assert!(originals.contains(record.value_text()), "the value is the original one");
        let value: serde_json::Value = serde_json::from_str(record.value_text()).expect("JSON");
        assert_eq!(record.key_text(), value["tenant"], "the key is the original one");
    }
}

fn statistics_and_audit_are_there(deployment: &Deployment) {
    let stats = deployment.read("sms.pumping.stats.v1");
    assert!(!stats.is_empty(), "no window closed");
    stats.iter().for_each(check::stats);
    let audit = deployment.read("sms.pumping.audit.v1");
    assert!(!audit.is_empty(), "the policy in force is an audit record");
    for record in &audit {
        let value: serde_json::Value = serde_json::from_str(record.value_text()).expect("audit records are JSON");
        assert!(value.is_object(), "{value}");
    }
}

/// What was published for each key, in order, is what the log gives again.
fn the_log_gives_the_same_bytes(replay: &Replay, findings: &[Finding], changes: &[Change]) {
    let mut published: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in findings {
        published
            .entry(finding.key.clone())
            .or_default()
            .push(finding.text.clone());
    }
    let mut replayed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in &replay.alerts {
        let value: serde_json::Value = serde_json::from_str(line).expect("findings are JSON");
        let key = value["unmapped"]["dedup_key"].as_str().expect("a key").to_owned();
        replayed.entry(key).or_default().push(line.clone());
    }
    assert_eq!(replayed, published, "alerts");

    let mut published: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for change in changes {
        published
            .entry(change.key.clone())
            .or_default()
            .push(change.text.clone());
    }
    let mut replayed: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for line in &replay.blocklist {
        let value: serde_json::Value = serde_json::from_str(line).expect("changes are JSON");
        let key = value["key"].as_str().expect("a key").to_owned();
        let text = match value["op"].as_str() {
            Some("put") => {
                let (_, text) = line.split_once("\"value\":").expect("a put has a value");
                Some(text.strip_suffix('}').expect("the value is the last field").to_owned())
            }
            Some("delete") => None,
            other => panic!("op {other:?}"),
        };
        replayed.entry(key).or_default().push(text);
    }
    assert_eq!(replayed, published, "blocklist");
}

/// Between a file and a live run: kind, key, level and prefixes; and the file twice
/// gives the same bytes.
fn the_file_gives_the_same_findings(deployment: &Deployment, traffic: &Traffic, findings: &[Finding]) {
    let file = deployment.path("traffic.ndjson");
    write_lines(&file, &traffic.lines);
    let run = |name: &str| {
        let output = |what: &str| deployment.path(&format!("{name}.{what}"));
        let [alerts, blocklist, summary] = ["alerts", "blocklist", "summary"].map(output);
        let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
        let done = deployment.pumpwatch(&[
            "replay",
            "--input",
            &text(&file),
            "--alerts",
            &text(&alerts),
            "--blocklist",
            &text(&blocklist),
            "--summary",
            &text(&summary),
        ]);
        assert!(
            done.status.success(),
            "replay: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        Replay::read(&alerts, &blocklist, &summary)
    };
    let (first, second) = (run("first"), run("second"));
    assert_eq!(first.alerts, second.alerts, "the file twice: alerts");
    assert_eq!(first.blocklist, second.blocklist, "the file twice: blocklist");
    accounts_balance_in_the_summary(&first, &traffic.expected);

    let of_file: BTreeSet<(String, String, String, String)> = first
        .alerts
        .iter()
        .map(|line| serde_json::from_str(line).expect("findings are JSON"))
        .flat_map(|value: serde_json::Value| {
            let part = |name: &str| value["unmapped"][name].as_str().expect("a text").to_owned();
            let prefixes = value["unmapped"]["prefixes"].as_array().expect("a list").clone();
            let same = (part("kind"), part("dedup_key"), part("level"));
            prefixes.into_iter().map(move |p| {
                let prefix = p["prefix"].as_str().expect("a prefix").to_owned();
                (same.0.clone(), same.1.clone(), same.2.clone(), prefix)
            })
        })
        .collect();
    let of_run: BTreeSet<(String, String, String, String)> = findings
        .iter()
        .flat_map(|f| {
            f.prefixes
                .iter()
                .map(|p| (f.kind.clone(), f.key.clone(), f.level.clone(), p.clone()))
        })
        .collect();
    assert_eq!(of_file, of_run, "kind, key, level and prefixes of file and live run");
}
