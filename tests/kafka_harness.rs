//! The tools of the other `kafka_*` tests, tried by themselves: a test is worth as
//! much as its traffic and its reader.

mod kafka;

use std::collections::BTreeSet;

use kafka::broker::{Broker, Record};
use kafka::check;
use kafka::traffic::{Accounts, BEGIN_MS, CAMPAIGN_RANGE, Traffic};
use kafka::write_lines;
use serde_json::{Value, json};

#[test]
fn traffic_is_the_same_every_time_and_its_accounts_add_up() {
    let traffic = Traffic::generate(7, 20_000);
    assert_eq!(traffic.lines, Traffic::generate(7, 20_000).lines);
    assert_ne!(traffic.lines, Traffic::generate(8, 20_000).lines);
    assert_eq!(traffic.lines.len(), 20_000);
    let Accounts {
        usable,
        dead_lettered,
        counted,
        duplicate,
        late,
        quarantined,
    } = traffic.expected;
    assert_eq!(usable + dead_lettered, 20_000);
    assert_eq!(counted + duplicate + late + quarantined, usable);
    for fate in [dead_lettered, duplicate, late, quarantined] {
        assert!(fate > 10, "{:?}", traffic.expected);
    }
    let mut ids = BTreeSet::new();
    let mut last = String::new();
    let mut repeated = 0;
    for line in &traffic.lines {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let ingest = event["ingest_time"].as_str().expect("a time").to_owned();
        let padded = ingest.replace('Z', ".000Z")[..23].to_owned();
        assert!(padded >= last, "lines are in the order of arrival");
        last = padded;
        let id = (
            event["type"].to_string(),
            event["tenant"].to_string(),
            event["id"].to_string(),
        );
        repeated += u64::from(!ids.insert(id));
    }
    assert_eq!(repeated, duplicate, "ids are unique but for the duplicates");
}

#[test]
fn the_campaign_lies_inside_and_shares_no_range_with_honest_people() {
    let traffic = Traffic::generate(7, 20_000);
    assert_eq!(traffic.campaign_times_ms.len(), 150);
    let first = traffic.campaign_times_ms[0] - BEGIN_MS;
    assert!(first > 30 * 60_000, "honest traffic comes first: {first} ms");
    assert!(traffic.honest_numbers.len() > 3_000);
    assert!(
        !traffic
            .honest_numbers
            .iter()
            .any(|n| n.starts_with(&CAMPAIGN_RANGE[..6]))
    );
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn what_the_other_client_wrote_is_read_back_in_every_part() {
    let broker = Broker::from_environment();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prefix = format!("t{}-harness.", std::process::id());
    let topic = format!("{prefix}any");
    broker.create_topic(&topic, 2, &[]);
    assert_eq!(broker.end_offsets(&topic), [(0, 0), (1, 0)].into());

    let file = folder.path().join("records.ndjson");
    let lines = [
        json!({"topic": "any", "partition": 1, "timestamp": BEGIN_MS, "key": "k", "value_base64": "AAEKCf8=",
               "headers": {"a": "b,c:d", "e": "f"}}),
        json!({"topic": "any", "partition": 1, "timestamp": BEGIN_MS + 1, "key": "k"}),
        json!({"topic": "any", "partition": 0, "timestamp": BEGIN_MS + 2, "value": "é"}),
    ];
    write_lines(&file, &lines.map(|line| line.to_string()));
    assert_eq!(broker.produce(&prefix, &file, &["--records"]), 3);

    let records = broker.read(&topic);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        Record {
            partition: 0,
            offset: 0,
            timestamp: BEGIN_MS + 2,
            headers: vec![],
            key: None,
            value: Some("é".into()),
        },
        Record {
            partition: 1,
            offset: 0,
            timestamp: BEGIN_MS,
            headers: vec![header("a", "b,c:d"), header("e", "f")],
            key: Some(b"k".to_vec()),
            value: Some(vec![0x00, 0x01, 0x0a, 0x09, 0xff]),
        },
        Record {
            partition: 1,
            offset: 1,
            timestamp: BEGIN_MS + 1,
            headers: vec![],
            key: Some(b"k".to_vec()),
            value: None,
        },
    ];
    assert_eq!(records, expected);
    assert_eq!(broker.end_offsets(&topic), [(0, 1), (1, 2)].into());
    assert!(broker.committed("nobody").is_empty() && broker.members("nobody").is_empty());
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn canonical_events_go_to_the_topic_of_their_type_with_key_and_record_time() {
    let broker = Broker::from_environment();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prefix = format!("t{}-canonical.", std::process::id());
    let traffic = Traffic::generate(9, 5_000);
    for topic in kafka::INPUTS {
        broker.create_topic(&format!("{prefix}{topic}"), kafka::INPUT_PARTITIONS, &[]);
    }
    let file = folder.path().join("traffic.ndjson");
    write_lines(&file, &traffic.lines);
    assert_eq!(broker.produce(&prefix, &file, &[]), 5_000);

    let mut read = Vec::new();
    for topic in kafka::INPUTS {
        for record in broker.read(&format!("{prefix}{topic}")) {
            let event: Value = serde_json::from_str(record.value_text()).expect("JSON");
            assert_eq!(format!("{}.v1", event["type"].as_str().expect("a type")), topic);
            assert_eq!(record.key_text(), event["tenant"]);
            assert_eq!(kafka::traffic::rfc3339(record.timestamp), event["ingest_time"]);
            read.push(record.value_text().to_owned());
        }
    }
    read.sort();
    let mut written = traffic.lines;
    written.sort();
    assert_eq!(read, written);
}

/// A record as the contract wants it.
fn published(key: &str, value: Option<&Value>) -> Record {
    let headers = [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", "f840948c3d2e78398accc2e209284949"),
        ("ce_type", "sms.pumping.finding"),
        ("ce_source", "/pumpwatch/detector"),
        ("ce_time", "2026-03-02T07:49:02.25Z"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("pumpwatch-origin", "3/4711/0"),
    ];
    Record {
        partition: 0,
        offset: 0,
        timestamp: BEGIN_MS,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|value| value.to_string().into_bytes()),
    }
}

const KEY: &str = "acme|*|+9989012";

fn example_finding() -> Value {
    json!({
        "class_uid": 2004, "category_uid": 2, "activity_id": 1, "type_uid": 200_401, "time": BEGIN_MS,
        "start_time": BEGIN_MS - 300_000, "end_time": BEGIN_MS, "severity_id": 4, "confidence_id": 3,
        "status_id": 1, "is_alert": true, "message": "SMS pumping towards +9989012",
        "metadata": {"version": "1.8.0", "uid": "f840948c3d2e78398accc2e209284949",
                     "product": {"name": "Pumpwatch", "version": "0.1.0"}},
        "finding_info": {"uid": "0123456789abcdef0011223344556677", "title": "SMS pumping", "types": ["sms_pumping"],
            "analytic": {"uid": "e-detector", "type_id": 3},
            "attacks": [{"version": "16.1", "tactic": {"uid": "TA0040"}, "technique": {"uid": "T1496"},
                         "sub_technique": {"uid": "T1496.003"}}]},
        "resources": [{"name": "+9989012", "type": "sms_destination_prefix"}],
        "observables": [{"name": "resources[0].name", "type_id": 99, "type": "E.164 Prefix", "value": "+9989012"}],
        "anomaly_analyses": [{"analysis_targets": [{"name": "+9989012"}], "anomalies": [{}], "baselines": [{}]}],
        "remediation": {"desc": "Block the prefix"},
        "unmapped": {"dedup_key": KEY, "kind": "sms_pumping", "level": "block",
            "prefixes": [{"prefix": "+9989012", "attack_share": 0.97, "honest_per_hour": 0.2, "sends": 412}],
            "recommended_action": "block_prefix", "expires_at": BEGIN_MS + 3_600_000,
            "evidence": [{"family": "missing_verification", "log_e": 21.4, "observed": 2.0, "expected": 309.9,
                          "text": "2 of 508 attempts were verified"}],
            "log_e_total": 21.4, "log_e_threshold": 16.0,
            "estimated_loss": {"amount": 103.68, "currency": "USD", "per_hour": 1244.19},
            "policy": {"config_hash": "9f86d081", "logic_version": "1"}, "samples": ["+9989012xxxxx"]},
    })
}

fn example_block() -> Value {
    json!({"tenant": "acme", "app": "*", "prefix": "+9989012", "action": "block", "mode": "enforce",
           "since": "2026-03-02T07:49:02Z", "expires_at": "2026-03-02T08:49:02Z", "allow_ratio": 0.0,
           "finding_uid": "0123456789abcdef0011223344556677", "confidence": 0.99})
}

fn example_stats() -> Value {
    json!({"tenant": "acme", "app": "signup-otp", "destination": "+99890", "level": "operator", "region": "UZ",
           "operator": "Beeline", "window": {"start": "2026-03-02T07:48:00Z", "end": "2026-03-02T07:49:00Z"},
           "sends": 41, "attempts": 37, "verified": 1, "blocked": 0, "distinct_numbers": 37,
           "cost": {"amount": 8.4, "currency": "USD"}, "verify_seconds": {"p50": 14.0, "p95": 51.0},
           "expected": {"sends": 0.4, "conversion": 0.61}, "log_e": 21.4, "score": 97})
}

/// JSON pointers to every field, at every depth.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |name: &str, inner: &Value| {
        let pointer = format!("{at}/{name}");
        pointers(inner, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| visit(name, inner)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, inner)| visit(&n.to_string(), inner)),
        _ => {}
    }
}

/// Which fields can be missing without the check noticing.
fn unnoticed(example: &Value, check: impl Fn(&Value) + std::panic::RefUnwindSafe) -> Vec<String> {
    check(example);
    let mut all = Vec::new();
    pointers(example, "", &mut all);
    all.retain(|pointer| {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let mut changed = example.clone();
        match changed.pointer_mut(parent).expect("a parent") {
            Value::Object(fields) => drop(fields.remove(name)),
            Value::Array(items) => drop(items.remove(name.parse().expect("an index"))),
            other => panic!("{other} has no fields"),
        }
        std::panic::catch_unwind(|| check(&changed)).is_ok()
    });
    all
}

#[test]
fn the_checks_notice_every_field_that_is_missing() {
    assert_eq!(
        unnoticed(&example_finding(), |value| drop(check::finding(&published(
            KEY,
            Some(value)
        )))),
        // Optional in OCSF, or an entry of a list that may be empty.
        [
            "/anomaly_analyses/0/analysis_targets/0/name",
            "/anomaly_analyses/0/baselines/0",
            "/anomaly_analyses/0/baselines",
            "/anomaly_analyses/0",
            "/observables/0/name",
            "/observables/0/type",
            "/observables/0/type_id",
            "/resources/0/type",
            "/unmapped/samples/0",
        ]
    );
    let of_block = |value: &Value| drop(check::block(&published(KEY, Some(value)), "enforce"));
    assert_eq!(unnoticed(&example_block(), of_block), [""; 0]);
    let of_stats = |value: &Value| check::stats(&published("acme|signup-otp|+99890", Some(value)));
    // The names are there only where the plan knows them, the quantiles where somebody verified.
    assert_eq!(
        unnoticed(&example_stats(), of_stats),
        ["/operator", "/region", "/verify_seconds/p50", "/verify_seconds/p95"]
    );
    assert_eq!(check::block(&published(KEY, None), "enforce").text, None, "a tombstone");
}

#[test]
fn the_checks_refuse_wrong_headers_and_values() {
    let refused = |record: Record| {
        let fails = std::panic::catch_unwind(|| drop(check::finding(&record))).is_err();
        assert!(fails, "accepted: {record:?}");
    };
    let good = published(KEY, Some(&example_finding()));
    check::finding(&good);
    for n in 0..good.headers.len() {
        let mut record = good.clone();
        record.headers.remove(n);
        refused(record);
    }
    refused(published("acme|*|+99890", Some(&example_finding())));
    for (pointer, wrong) in [
        ("/type_uid", json!(200_402)),
        ("/unmapped/samples/0", json!("+998901234567")),
        ("/unmapped/level", json!("warning")),
        ("/unmapped/recommended_action", json!("panic")),
        ("/unmapped/log_e_total", json!(15.9)),
        ("/unmapped/prefixes/0/attack_share", json!(1.2)),
        ("/unmapped/expires_at", json!(BEGIN_MS - 1)),
        ("/finding_info/uid", json!("0123")),
        ("/start_time", json!(BEGIN_MS + 1)),
    ] {
        let mut value = example_finding();
        *value.pointer_mut(pointer).expect("a field") = wrong;
        refused(published(KEY, Some(&value)));
    }
}

#[test]
fn an_episode_is_created_once_and_ends_once() {
    let lives = |activities: &[u64]| {
        let records: Vec<Record> = activities
            .iter()
            .enumerate()
            .map(|(n, activity)| {
                let mut value = example_finding();
                value["activity_id"] = json!(activity);
                value["type_uid"] = json!(200_400 + activity);
                value["metadata"]["uid"] = json!(format!("{n:032x}"));
                published(KEY, Some(&value))
            })
            .collect();
        std::panic::catch_unwind(|| check::episodes(&records).len()).ok()
    };
    assert_eq!(lives(&[1, 2, 2, 3]), Some(4));
    for wrong in [&[2][..], &[1, 1], &[1, 3, 2], &[3]] {
        assert_eq!(lives(wrong), None, "{wrong:?}");
    }
    // Published twice after a crash: the same bytes once more are no event.
    let twice = [
        published(KEY, Some(&example_finding())),
        published(KEY, Some(&example_finding())),
    ];
    assert_eq!(check::episodes(&twice).len(), 1);
}
