//! The schemas on disk are those of the code; the examples keep them, and what the
//! contract forbids does not.
//!
//! `UPDATE_SCHEMAS=1 cargo test --test render schemas` writes them anew.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use pumpwatch::decode::{Decoded, Format, RecordMeta, decode, decode_feedback};
use pumpwatch::detector::Effect;
use pumpwatch::model::{BlockChange, Feedback, Millis};
use pumpwatch::render::{self, schema};
use serde_json::{Value, json};

use crate::fixtures;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn validator(name: &str) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema::schema(name).unwrap())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn assert_valid(validator: &Validator, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

/// Every JSON Schema by its name.
fn schemas() -> Vec<(&'static str, Value)> {
    let rendered = schema::NAMES.iter().map(|&name| (name, schema::schema(name).unwrap()));
    rendered.chain([("config", pumpwatch::config::schema())]).collect()
}

#[test]
fn the_schemas_on_disk_are_those_of_the_code() {
    let schemas = schemas()
        .into_iter()
        .map(|(name, schema)| (format!("{name}.schema.json"), schema));
    let documents = [
        ("asyncapi.json".to_owned(), schema::asyncapi::document()),
        ("openapi.json".to_owned(), pumpwatch::serve::openapi::document()),
    ];
    for (file, document) in schemas.chain(documents) {
        let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
        let path = folder().join(&file);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            on_disk == text,
            "schemas/{file} differs: UPDATE_SCHEMAS=1 cargo test --test render schemas"
        );
    }
    assert_eq!(schema::schema("surprise"), None);
}

#[test]
fn the_schemas_are_schemas_and_name_themselves() {
    for (name, schema) in schemas() {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$id"], format!("urn:pumpwatch:schema:{name}:v1"));
        assert!(schema["description"].is_string(), "{name}");
    }
}

/// `schemas/examples/<schema>-<what>.json`.
#[test]
fn every_example_keeps_its_schema() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = stem.split_once('-').map_or(stem, |(name, _)| name);
        assert_valid(&validator(name), &read_json(&path));
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} examples");
}

/// The examples of the input are read as what they say they are.
#[test]
fn every_example_of_the_input_decodes() {
    let meta = RecordMeta {
        record_time: Millis(1_795_333_700_000),
        default_tenant: None,
        default_app: None,
    };
    let (mut events, mut commands) = (0, 0);
    for entry in std::fs::read_dir(folder().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let example = read_json(&path);
        if name.starts_with("event-") {
            let decoded = decode(Format::CANONICAL, &meta, Some(&bytes));
            let Ok(Decoded::Usable(decoded)) = decoded else {
                panic!("{name}: {decoded:?}");
            };
            assert_eq!(decoded.len(), 1, "{name}");
            assert_eq!(decoded[0].body.type_name(), example["type"], "{name}");
            assert_eq!(decoded[0].id, example["id"].as_str().unwrap(), "{name}");
            events += 1;
        } else if name.starts_with("feedback-") {
            let decoded = decode_feedback(&meta, Some(&bytes)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let kind = match decoded {
                Feedback::Verdict { .. } => "verdict",
                Feedback::Safelist { .. } => "safelist",
            };
            assert_eq!(kind, example["type"], "{name}");
            commands += 1;
        }
    }
    assert!(
        events >= 7 && commands >= 3,
        "only {events} events and {commands} commands"
    );
}

/// The example of a finding is what is written today.
#[test]
fn the_example_of_a_finding_is_a_real_one() {
    let mut finding: Value = serde_json::from_slice(&render::ocsf::finding(&fixtures::pumping()).value).unwrap();
    finding["metadata"]["product"]["version"] = "0.1.0".into();
    let path = folder().join("examples/finding-sms_pumping.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&finding).unwrap())).unwrap();
    }
    assert_eq!(read_json(&path), finding);
}

#[test]
fn everything_that_is_rendered_keeps_its_schema() {
    let of = |effect: &Effect| -> Value {
        serde_json::from_slice(&render::effect(effect).value.expect("not a tombstone")).unwrap()
    };
    let finding = validator("finding");
    for one in fixtures::all_findings() {
        assert_valid(&finding, &of(&Effect::Finding(Box::new(one))));
    }
    for block in [fixtures::block(), fixtures::half_open()] {
        assert_valid(
            &validator("block"),
            &of(&Effect::Block(block.since, BlockChange::Put(block))),
        );
    }
    for stats in [fixtures::stats(), fixtures::quiet_stats()] {
        assert_valid(&validator("stats"), &of(&Effect::Stats(Box::new(stats))));
    }
    assert_valid(&validator("audit"), &of(&Effect::Audit(fixtures::audit())));
}

fn example(file: &str) -> Value {
    read_json(&folder().join("examples").join(file))
}

/// `changes` one by one make the example invalid.
fn assert_each_refused(name: &str, file: &str, changes: &[(&str, Option<Value>)]) {
    let validator = validator(name);
    for (pointer, value) in changes {
        let mut broken = example(file);
        fixtures::set(&mut broken, pointer, value.clone());
        assert!(
            !validator.is_valid(&broken),
            "{file}: {pointer} = {value:?} was accepted"
        );
    }
}

#[test]
fn events_that_break_the_contract_are_refused() {
    assert_each_refused(
        "event",
        "event-send.json",
        &[
            ("/type", None),
            ("/type", Some(json!("sms.received"))),
            ("/id", None),
            ("/id", Some(json!(""))),
            ("/id", Some(json!(7))),
            ("/time", None),
            ("/time", Some(json!("yesterday"))),
            ("/time", Some(json!("2026-11-22T07:48:10"))),
            ("/time", Some(json!("2026-13-22T07:48:10Z"))),
            ("/time", Some(json!(1.5))),
            ("/time", Some(json!(i64::MAX))),
            ("/to", None),
            ("/to", Some(json!("998901234567"))),
            ("/to", Some(json!("+99890123456a"))),
            ("/to", Some(json!("+0123456"))),
            ("/to", Some(json!("+1234567890123456"))),
            ("/to", Some(json!(998_901_234_567_u64))),
            ("/to", Some(json!({"prefix": "+99890123"}))),
            ("/status", Some(json!("queued"))),
            ("/segments", Some(json!(0))),
            ("/segments", Some(json!(256))),
            ("/price/amount", Some(json!(-1))),
            ("/price/amount", Some(json!("0.2"))),
            ("/price/currency", Some(json!("$"))),
            ("/price/currency", None),
            ("/client/asn", Some(json!(-1))),
            ("/client/country", Some(json!("usa"))),
            ("/client/ip", Some(json!("localhost"))),
        ],
    );
    assert_each_refused(
        "event",
        "event-verification.json",
        &[
            ("/outcome", None),
            ("/outcome", Some(json!("ok"))),
            ("/to", Some(json!("x"))),
        ],
    );
    assert_each_refused(
        "event",
        "event-delivery.json",
        &[
            ("/status", None),
            ("/status", Some(json!("sent"))),
            ("/mcc", Some(json!("4"))),
            ("/mnc", Some(json!(4))),
        ],
    );
    // Without a number, something must join it with its send.
    for file in [
        "event-verification-by_session.json",
        "event-delivery-by_message_id.json",
    ] {
        let joined_by = if file.contains("session") {
            "/session"
        } else {
            "/message_id"
        };
        assert_each_refused("event", file, &[(joined_by, None), (joined_by, Some(Value::Null))]);
    }
}

#[test]
fn feedback_that_breaks_the_contract_is_refused() {
    assert_each_refused(
        "feedback",
        "feedback-verdict.json",
        &[
            ("/type", Some(json!("opinion"))),
            ("/finding_uid", None),
            ("/finding_uid", Some(json!("SM9f01"))),
            ("/verdict", Some(json!("maybe"))),
            ("/time", None),
        ],
    );
    assert_each_refused(
        "feedback",
        "feedback-safelist.json",
        &[
            ("/prefix", Some(json!("4477009"))),
            ("/op", Some(json!("remove"))),
            ("/op", None),
            ("/tenant", None),
            ("/expires_at", Some(json!("tomorrow"))),
        ],
    );
}

#[test]
fn outputs_that_break_the_contract_are_refused() {
    assert_each_refused(
        "block",
        "block-enforced.json",
        &[
            ("/action", Some(json!("captcha"))),
            ("/mode", Some(json!("on"))),
            ("/prefix", Some(json!("9989012"))),
            ("/since", Some(json!(1_795_333_742_250_i64))),
            ("/expires_at", None),
            ("/allow_ratio", Some(json!(1.5))),
            ("/finding_uid", Some(json!("…"))),
        ],
    );
    assert_each_refused(
        "stats",
        "stats-operator.json",
        &[
            ("/level", Some(json!("city"))),
            ("/sends", Some(json!(-1))),
            ("/score", Some(json!(101))),
            ("/window/end", None),
            ("/verify_seconds", Some(json!(14.0))),
        ],
    );
    assert_each_refused(
        "finding",
        "finding-sms_pumping.json",
        &[
            ("/activity_id", Some(json!(4))),
            ("/class_uid", Some(json!(2001))),
            ("/metadata/version", Some(json!("1.7.0"))),
            ("/metadata/uid", None),
            ("/finding_info/uid", Some(json!("not hex"))),
            ("/unmapped/kind", Some(json!("spam"))),
            ("/unmapped/level", Some(json!("high"))),
            ("/unmapped/recommended_action", Some(json!("nothing"))),
            ("/unmapped/moved_from", Some(Value::Null)),
            ("/unmapped/prefixes", None),
            ("/unmapped/log_e_total", Some(json!("21.4"))),
        ],
    );
    assert_each_refused(
        "audit",
        "audit-policy_changed.json",
        &[("/time", Some(json!(0))), ("/action", None)],
    );
}
