//! The tools of the other `kafka_*` tests, tried by themselves: a test is worth as
//! much as its traffic and its reader.

mod kafka;

use std::collections::BTreeSet;

use kafka::broker::{Broker, Record};
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
