//! The AsyncAPI and OpenAPI documents: whole, and true of what is rendered.

use std::collections::BTreeSet;

use pumpwatch::config::{Brokers, Config};
use pumpwatch::decode::Format;
use pumpwatch::detector::Effect;
use pumpwatch::model::BlockChange;
use pumpwatch::render::dead_letter::{self, DeadLetter, Disclosure, Stage};
use pumpwatch::render::schema::asyncapi;
use pumpwatch::render::{self, Header, ORIGIN_HEADER, RenderedRecord};
use pumpwatch::serve::openapi;
use serde_json::{Map, Value, json};

use crate::fixtures;

/// Every `$ref` of the document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn assert_whole(document: &Value) {
    let mut found = Vec::new();
    references(document, &mut found);
    assert!(!found.is_empty());
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("no reference leaves the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(found.contains(&reference.as_str()), "nothing refers to {name}");
    }
    for text in ["title", "version", "description"] {
        assert!(document["info"][text].is_string(), "info.{text}");
    }
}

fn assert_schema(document: &Value, schema: &Value) {
    let valid = if document.get("asyncapi").is_some() {
        jsonschema::draft7::meta::is_valid(schema)
    } else {
        jsonschema::draft202012::meta::is_valid(schema)
    };
    assert!(valid, "{schema:#}");
}

#[test]
fn the_asyncapi_document_is_whole() {
    let document = asyncapi::document();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_whole(&document);
    for schema in document["components"]["schemas"].as_object().unwrap().values() {
        assert_schema(&document, schema);
    }
    let messages = document["components"]["messages"].as_object().unwrap();
    for (name, message) in messages {
        assert_eq!(message["name"], **name);
        assert!(
            message["title"].is_string() && message["contentType"].is_string(),
            "{name}"
        );
        assert_schema(&document, &message["payload"]);
        for part in ["headers", "bindings"].iter().filter_map(|part| message.get(part)) {
            assert_schema(&document, part.pointer("/kafka/key").unwrap_or(part));
        }
    }
    let channels = document["channels"].as_object().unwrap();
    let mut used = BTreeSet::new();
    for (name, channel) in channels {
        assert!(
            channel["address"].is_string() && channel["description"].is_string(),
            "{name}"
        );
        let messages = channel["messages"].as_object().unwrap();
        assert!(!messages.is_empty(), "{name}");
        for (key, message) in messages {
            assert_eq!(message["$ref"], format!("#/components/messages/{key}"));
            used.insert(key);
        }
    }
    assert!(used.into_iter().eq(messages.keys()), "every message is on a channel");
    let mut operated = BTreeSet::new();
    for operation in document["operations"].as_object().unwrap().values() {
        assert!(["send", "receive"].contains(&operation["action"].as_str().unwrap()));
        operated.insert(operation["channel"]["$ref"].as_str().unwrap().to_owned());
    }
    let all: BTreeSet<_> = channels.keys().map(|name| format!("#/channels/{name}")).collect();
    assert_eq!(operated, all);
}

/// The topics of a configuration that names none. Nothing reads or writes the topic of
/// snapshots yet, so it is not told of.
#[test]
fn the_channels_are_the_topics_of_the_default_configuration() {
    let document = asyncapi::document();
    let addresses: BTreeSet<&str> = document["channels"]
        .as_object()
        .unwrap()
        .values()
        .map(|channel| channel["address"].as_str().unwrap())
        .collect();
    let config = Config::parse("defaults", "", &[], Brokers::Optional).unwrap();
    let topics: BTreeSet<&str> = config
        .topics
        .named()
        .into_iter()
        .filter(|(key, _)| *key != "snapshots")
        .map(|(_, topic)| topic)
        .chain(config.inputs.iter().map(|input| input.topic.as_str()))
        .collect();
    assert_eq!(addresses, topics);
}

/// Key, headers and value of a record against the message of that name.
fn assert_described(document: &Value, name: &str, record: &RenderedRecord) {
    let message = &document["components"]["messages"][name];
    let check = |part: &str, value: &Value| {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "allOf": [{"$ref": format!("#/components/messages/{name}/{part}")}],
            "components": document["components"],
        });
        let validator = jsonschema::draft7::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap_or_else(|error| panic!("{name}/{part}: {error}"));
        let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}/{part}: {errors:?}\n{value:#}");
    };
    let text = |bytes: &[u8]| Value::from(std::str::from_utf8(bytes).unwrap());
    check("bindings/kafka/key", &record.key.as_deref().map_or(Value::Null, text));
    let headers: Map<String, Value> = record
        .headers
        .iter()
        .map(|header| {
            (
                header.name.to_string(),
                header.value.as_deref().map_or(Value::Null, text),
            )
        })
        .collect();
    for header in headers.keys() {
        assert!(
            message["headers"]["properties"].get(header).is_some(),
            "{name} does not tell of {header}"
        );
    }
    check("headers", &Value::Object(headers));
    let value = record.value.as_deref().map_or(Value::Null, |bytes| {
        serde_json::from_slice(bytes).unwrap_or_else(|_| text(bytes))
    });
    check("payload", &value);
}

#[test]
fn what_is_rendered_is_described() {
    let document = asyncapi::document();
    let published = |name: &str, effect: &Effect| {
        let mut record = render::effect(effect);
        record.headers.push(Header::text(ORIGIN_HEADER, "3/141/0"));
        assert_described(&document, name, &record);
    };
    for finding in fixtures::all_findings() {
        published("finding", &Effect::Finding(Box::new(finding)));
    }
    for block in [fixtures::block(), fixtures::half_open()] {
        published(
            "unblock",
            &Effect::Block(block.since, BlockChange::Delete(block.key.clone())),
        );
        published("block", &Effect::Block(block.since, BlockChange::Put(block)));
    }
    for stats in [fixtures::stats(), fixtures::quiet_stats()] {
        published("stats", &Effect::Stats(Box::new(stats)));
    }
    published("audit", &Effect::Audit(fixtures::audit()));
}

#[test]
fn dead_letters_are_described() {
    let document = asyncapi::document();
    let long = "x".repeat(5_000);
    for (format, stage, disclosure) in [
        (Some(Format::CANONICAL), Stage::Decode, Disclosure::Original),
        (None, Stage::Normalise, Disclosure::Withheld { key: &[7; 32] }),
    ] {
        let letter = DeadLetter {
            topic: "sms.send.v1",
            partition: 3,
            offset: 42,
            stage,
            format,
            reason: "not_json",
            message: "the value is not JSON",
            key: Some(b"acme"),
            value: Some(long.as_bytes()),
            headers: &[],
        };
        let record = dead_letter::record(&letter, disclosure, 4_096);
        assert_described(&document, "deadLetter", &record);
    }
}

#[test]
fn examples_of_the_input_keep_the_messages() {
    let document = asyncapi::document();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples");
    for (file, message, other) in [
        ("event-send.json", "send", "delivery"),
        ("event-verification.json", "verification", "send"),
        ("event-delivery.json", "delivery", "verification"),
        ("feedback-verdict.json", "verdict", "safelist"),
        ("feedback-safelist.json", "safelist", "verdict"),
    ] {
        let example: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        let accepts = |message: &str| {
            let schema = json!({
                "$schema": "http://json-schema.org/draft-07/schema#",
                "allOf": [{"$ref": format!("#/components/messages/{message}/payload")}],
                "components": document["components"],
            });
            jsonschema::draft7::new(&schema).unwrap().is_valid(&example)
        };
        assert!(accepts(message), "{file} is no {message}");
        assert!(!accepts(other), "{file} is a {other} too");
    }
}

#[test]
fn the_openapi_document_is_whole() {
    let document = openapi::document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_whole(&document);
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        assert!(path.starts_with('/') && operation["summary"].is_string(), "{path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
        for (scheme, _) in operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|s| s.as_object().unwrap())
        {
            assert!(schemes.contains_key(scheme), "{path}: {scheme}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                status.parse::<u16>().is_ok() && response["description"].is_string(),
                "{path}"
            );
            for content in response["content"].as_object().unwrap().values() {
                assert_schema(&document, &content["schema"]);
            }
        }
    }
    for schema in document["components"]["schemas"].as_object().unwrap().values() {
        assert_schema(&document, schema);
    }
}
