//! What is wrong with the world outside becomes a dead letter or a sentence that says
//! what to change; nothing is skipped in silence. How to run it: `tests/kafka/mod.rs`.

mod kafka;

use std::collections::BTreeMap;
use std::process::Output;

use kafka::broker::{Broker, Record};
use kafka::member::free_address;
use kafka::traffic::{BEGIN_MS, rfc3339};
use kafka::{Deployment, check, wait_until, write_lines};
use serde_json::{Value, json};

const BROKER_UNAVAILABLE: i32 = 69;

fn sentence(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it went well: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn a_missing_broker_is_named() {
    let deployment = Deployment::without_topics("no-broker");
    let nobody = free_address();
    deployment.reconfigure(|config| config["kafka"]["brokers"] = json!(nobody));
    for command in [&["check"][..], &["run"], &["topics", "describe"]] {
        let output = deployment.pumpwatch(command);
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(BROKER_UNAVAILABLE), "{command:?}: {text}");
        assert!(text.contains(&nobody), "{command:?} names the address: {text}");
    }
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn missing_topics_are_named_with_the_command_that_makes_them() {
    let deployment = Deployment::without_topics("no-topics");
    for command in ["check", "run"] {
        let text = sentence(&deployment.pumpwatch(&[command]));
        // `check` names every missing topic, `run` stops at the first.
        let named = if command == "check" { "pumpwatch.events.v1" } else { "" };
        assert!(text.contains(&deployment.topic(named)), "{command}: {text}");
        assert!(text.contains("topics create"), "{command}: {text}");
    }
    // Made twice is made once.
    for _ in 0..2 {
        let created = deployment.pumpwatch(&["topics", "create"]);
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    }
    let described = deployment.pumpwatch(&["topics", "describe"]);
    let text = String::from_utf8_lossy(&described.stdout).into_owned();
    assert!(
        described.status.success() && text.contains(&deployment.topic("sms.pumping.alerts.v1")),
        "{text}"
    );
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_SASL_BROKERS"]
fn missing_permission_is_named() {
    let deployment = Deployment::create("no-permission");
    deployment.reconfigure(|config| {
        config["kafka"]["brokers"] = json!(Broker::sasl_address());
        config["kafka"]["properties"] = json!({
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "limited",
            "sasl.password": "limited",
        });
    });
    let text = sentence(&deployment.pumpwatch(&["check"])).to_lowercase();
    let says_why = ["authoriz", "permission", "not allowed", "acl"]
        .iter()
        .any(|w| text.contains(w));
    assert!(says_why, "{text}");
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_SASL_BROKERS"]
fn a_wrong_password_is_named() {
    let deployment = Deployment::create("wrong-password");
    deployment.reconfigure(|config| {
        config["kafka"]["brokers"] = json!(Broker::sasl_address());
        config["kafka"]["properties"] = json!({
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "admin",
            "sasl.password": "guessed",
        });
    });
    let output = deployment.pumpwatch(&["check"]);
    let text = sentence(&output).to_lowercase();
    assert!(text.contains("authentication") || text.contains("password"), "{text}");
    assert!(!text.contains("guessed"), "a password in an error: {text}");
}

/// A send that is all right but for `change`.
fn send(id: &str, change: &Value) -> Value {
    let mut event = json!({
        "type": "sms.send", "id": id, "time": rfc3339(BEGIN_MS), "to": "+447700900123", "tenant": "acme",
    });
    for (name, value) in change.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event
}

/// Values that are dead letters, each with a word its reason must contain.
fn hostile_values() -> Vec<(Vec<u8>, &'static str)> {
    let text = |value: Value| value.to_string().into_bytes();
    let without = |name: &str| {
        let mut event = send("x", &json!({}));
        event.as_object_mut().expect("an object").remove(name);
        text(event)
    };
    vec![
        (Vec::new(), "empty"),
        (vec![0x00, 0xff, 0xfe, 0x80, 0x01], ""),
        (b"not json".to_vec(), "JSON"),
        (b"[1,2,3]".to_vec(), ""),
        (br#"{"type":"sms.send","id":"#.to_vec(), "JSON"),
        ([vec![b'['; 100_000], vec![b']'; 100_000]].concat(), ""),
        (text(send("a", &json!({"type": "sms.telepathy"}))), "type"),
        (without("type"), "type"),
        (without("id"), "id"),
        (without("time"), "time"),
        (without("to"), "to"),
        (text(send("b", &json!({"to": "+44770090O123"}))), "to"),
        (text(send("c", &json!({"to": "447700900123"}))), "to"),
        (text(send("d", &json!({"to": "+４４7700900123"}))), "to"),
        (text(send("e", &json!({"time": "yesterday"}))), "time"),
        (text(send("f", &json!({"time": "2026-03-02T00:00:00"}))), "time"),
        (text(send("g", &json!({"id": ""}))), "id"),
        (text(send("h", &json!({"tenant": "t".repeat(1_000_000)}))), "tenant"),
        (text(send("i", &json!({"filler": "x".repeat(3_000_000)}))), ""),
    ]
}

fn described(topic: &str, value: Option<&[u8]>, n: usize) -> String {
    let mut record = json!({
        "topic": topic, "partition": 0, "timestamp": BEGIN_MS, "key": format!("key-{n}"),
        "headers": {"x-origin": format!("test {n}")},
    });
    if let Some(value) = value {
        record["value_base64"] = json!(base64(value));
    }
    record.to_string()
}

#[test]
#[ignore = "needs a real broker: PUMPWATCH_TEST_BROKERS"]
fn each_unusable_record_becomes_one_dead_letter_with_its_origin() {
    let deployment = Deployment::create("dead-letters");
    let hostile = hostile_values();
    let mut lines: Vec<String> = hostile
        .iter()
        .enumerate()
        .map(|(n, (value, _))| described("sms.send.v1", Some(value), n))
        .collect();
    // A tombstone is a record too.
    let tombstone = lines.len();
    lines.push(described("sms.send.v1", None, tombstone));
    // Usable: one of each outcome.
    let usable = [
        send("good", &json!({})),
        send("good", &json!({})),
        send("ancient", &json!({"time": "1970-01-02T00:00:00Z"})),
        send("future", &json!({"time": "2099-01-01T00:00:00Z"})),
    ];
    for event in &usable {
        lines.push(described(
            "sms.send.v1",
            Some(event.to_string().as_bytes()),
            lines.len(),
        ));
    }
    let file = deployment.path("records.ndjson");
    write_lines(&file, &lines);
    deployment.broker.produce(&deployment.topic(""), &file, &["--records"]);

    let member = deployment.start("a");
    deployment.wait_drained();
    let bad = hostile.len() as u64 + 1;
    wait_until("the accounts are complete", || {
        let total = member.metric("pumpwatch_records_total", &[]);
        (total as u64 >= lines.len() as u64).then_some(())
    });
    let records = |outcome| member.metric("pumpwatch_records_total", &[("outcome", outcome)]) as u64;
    let events = |outcome| member.metric("pumpwatch_events_total", &[("outcome", outcome)]) as u64;
    assert_eq!(
        [records("dead_lettered"), records("usable"), records("ignored")],
        [bad, usable.len() as u64, 0]
    );
    assert_eq!(
        [
            events("counted"),
            events("duplicate"),
            events("late"),
            events("quarantined")
        ],
        [1, 1, 1, 1]
    );
    assert!(member.terminate().success(), "drained");

    let letters = deployment.read("sms.pumping.dlq.v1");
    assert_eq!(letters.len() as u64, bad, "one each");
    let topic = deployment.topic("sms.send.v1");
    let by_offset: BTreeMap<i64, (&Record, String)> = letters
        .iter()
        .map(|record| {
            let ((from, partition, offset), reason) = check::dead_letter(record);
            assert_eq!((from, partition), (topic.clone(), 0), "its origin");
            (offset, (record, reason))
        })
        .collect();
    for (n, (value, word)) in hostile.iter().enumerate() {
        let (letter, reason) = &by_offset[&(n as i64)];
        assert!(
            reason.to_lowercase().contains(&word.to_lowercase()),
            "record {n}: {reason} has no {word}"
        );
        assert_eq!(letter.key_text(), format!("key-{n}"));
        assert_eq!(letter.header("x-origin"), Some(format!("test {n}").as_str()));
        let kept = letter.value.as_deref().unwrap_or_default();
        if kept.len() < value.len() {
            assert!(value.len() > 900_000, "record {n} was cut without need");
            assert!(
                letter.header("pumpwatch-truncated").is_some(),
                "record {n}: no header says so"
            );
            assert!(value.starts_with(kept), "record {n}: what is kept is its beginning");
        } else {
            assert_eq!(kept, value, "record {n}");
        }
    }
    let (letter, _) = &by_offset[&(tombstone as i64)];
    assert_eq!(
        letter.value.as_deref().unwrap_or_default(),
        b"",
        "a tombstone has no value"
    );
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
