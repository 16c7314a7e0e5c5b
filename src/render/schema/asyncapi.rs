//! All topics in one AsyncAPI 3.0 document, under their default names: what is read
//! and written, with key, headers and value.
//!
//! Values are the types from which the JSON Schemas are made, here in draft 07, which
//! every AsyncAPI tool reads. Keys and headers are described by hand; a test holds
//! them against what is rendered.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::super::audit::AuditValue;
use super::super::blocklist::BlockValue;
use super::super::dead_letter::{Stage, Withheld, format_name};
use super::super::ocsf::{DetectionFinding, cloud_event_type};
use super::super::stats::StatsValue;
use super::super::{APPLICATION_JSON, ORIGIN_HEADER};
use super::components;
use super::event::Event;
use super::feedback::Feedback;
use crate::decode::{FORMATS, Format};
use crate::model::{Activity, topics};

/// The version of the specification.
pub const ASYNCAPI_VERSION: &str = "3.0.0";

/// The document.
pub fn document() -> Value {
    let mut input = components(SchemaSettings::draft07().for_deserialize());
    let mut output = components(SchemaSettings::draft07().for_serialize());
    let messages = messages(&mut input, &mut output);
    let mut schemas = input.take_definitions(true);
    schemas.extend(output.take_definitions(true));
    json!({
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Pumpwatch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Finds SMS pumping in the sends and verifications of a company and says so on topics of its own. \
                 Topics bear their default names; the configuration may give others, and inputs in other formats: {}.",
                FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", "),
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": APPLICATION_JSON,
        "channels": CHANNELS.iter().map(|channel| (channel.name.to_owned(), channel.object())).collect::<Map<_, _>>(),
        "operations": operations(),
        "components": {"messages": messages, "schemas": schemas},
    })
}

/// One topic.
struct Channel {
    name: &'static str,
    address: &'static str,
    description: &'static str,
    /// Names of the messages on it.
    messages: &'static [&'static str],
    read: bool,
    written: bool,
    /// Settings of the topic without which it does not work: the name and, in JSON, the value.
    settings: &'static [(&'static str, &'static str)],
}

impl Channel {
    const fn read(name: &'static str, address: &'static str, messages: &'static [&'static str]) -> Self {
        Self {
            name,
            address,
            description: "",
            messages,
            read: true,
            written: false,
            settings: &[],
        }
    }

    const fn written(name: &'static str, address: &'static str, messages: &'static [&'static str]) -> Self {
        Self {
            read: false,
            written: true,
            ..Self::read(name, address, messages)
        }
    }

    const fn about(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    fn object(&self) -> Value {
        let messages: Map<_, _> = self
            .messages
            .iter()
            .map(|name| ((*name).to_owned(), reference(&format!("components/messages/{name}"))))
            .collect();
        let mut object = json!({
            "address": self.address,
            "description": self.description,
            "messages": messages,
        });
        if !self.settings.is_empty() {
            let settings: Map<_, _> = self
                .settings
                .iter()
                .map(|(name, value)| {
                    let value = serde_json::from_str(value).expect("the table's values are JSON");
                    ((*name).to_owned(), value)
                })
                .collect();
            object["bindings"] = json!({"kafka": {"topicConfiguration": settings, "bindingVersion": BINDING_VERSION}});
        }
        object
    }
}

const BINDING_VERSION: &str = "0.5.0";
const EVENT_MESSAGES: &[&str] = &["send", "verification", "delivery"];

const CHANNELS: &[Channel] = &[
    Channel::read("sends", topics::SEND, EVENT_MESSAGES)
        .about("Messages that were requested. The type of an event is in the event: any may be on any of the three."),
    Channel::read("verifications", topics::VERIFICATION, EVENT_MESSAGES)
        .about("What became of the one-time codes. Any event may be here."),
    Channel::read("deliveries", topics::DELIVERY, EVENT_MESSAGES)
        .about("What the networks report. Any event may be here."),
    Channel::read("feedback", topics::FEEDBACK, &["verdict", "safelist"])
        .about("What analysts and playbooks tell the detector."),
    Channel {
        written: true,
        settings: &[
            ("cleanup.policy", r#"["delete"]"#),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
        ],
        ..Channel::read("log", topics::EVENTS, &["logRecord"])
    }
    .about("The internal log: between router and detector, and for replays. Nobody else writes it; all of it is kept."),
    Channel::written("alerts", topics::ALERTS, &["finding"]).about("Findings."),
    Channel {
        settings: &[("cleanup.policy", r#"["compact"]"#)],
        ..Channel::written("blocklist", topics::BLOCKLIST, &["block", "unblock"])
    }
    .about("The ranges that should be blocked now; compacted."),
    Channel::written("stats", topics::STATS, &["stats"]).about("One record for each active destination and minute."),
    Channel::written("audit", topics::AUDIT, &["audit"]).about("What was decided or told, and by whom."),
    Channel::written("deadLetters", topics::DEAD_LETTERS, &["deadLetter"]).about("Records that could not be used."),
];

fn operations() -> Map<String, Value> {
    let mut operations = Map::new();
    for channel in CHANNELS {
        let mut name = channel.name.to_owned();
        name[..1].make_ascii_uppercase();
        for (does, verb, action) in [(channel.read, "read", "receive"), (channel.written, "write", "send")] {
            if does {
                operations.insert(
                    format!("{verb}{name}"),
                    json!({"action": action, "channel": reference(&format!("channels/{}", channel.name))}),
                );
            }
        }
    }
    operations
}

fn reference(path: &str) -> Value {
    json!({"$ref": format!("#/{path}")})
}

/// One kind of record.
struct Message {
    title: &'static str,
    /// Null: any, and not looked at.
    key: Value,
    /// Null: none that matter.
    headers: Value,
    payload: Value,
    content_type: &'static str,
}

impl Message {
    fn read(title: &'static str, payload: Value) -> Self {
        Self {
            title,
            key: Value::Null,
            headers: Value::Null,
            payload,
            content_type: APPLICATION_JSON,
        }
    }

    fn written(title: &'static str, key: Value, types: &[&str], payload: Value) -> Self {
        let headers = cloud_event_headers(types, payload["type"] != "null");
        Self {
            key,
            headers,
            ..Self::read(title, payload)
        }
    }

    fn object(self, name: &str) -> Value {
        let mut object = json!({
            "name": name,
            "title": self.title,
            "contentType": self.content_type,
            "payload": self.payload,
        });
        if !self.headers.is_null() {
            object["headers"] = self.headers;
        }
        if !self.key.is_null() {
            object["bindings"] = json!({"kafka": {"key": self.key, "bindingVersion": BINDING_VERSION}});
        }
        object
    }
}

fn messages(input: &mut SchemaGenerator, output: &mut SchemaGenerator) -> Map<String, Value> {
    let event = input.subschema_for::<Event>().to_value();
    let feedback = input.subschema_for::<Feedback>().to_value();
    let all = [
        (
            "send",
            Message::read("A message was requested", of_type(&event, "sms.send")),
        ),
        (
            "verification",
            Message::read(
                "A one-time code was checked or given up",
                of_type(&event, "sms.verification"),
            ),
        ),
        (
            "delivery",
            Message::read("The network reported on a message", of_type(&event, "sms.delivery")),
        ),
        (
            "verdict",
            Message::read("A judgement on a finding", of_type(&feedback, "verdict")),
        ),
        (
            "safelist",
            Message::read(
                "A prefix goes on the safe-list or off it",
                of_type(&feedback, "safelist"),
            ),
        ),
        ("logRecord", log_record()),
        (
            "finding",
            Message::written(
                "A finding",
                key("The dedup key, `tenant|app|prefix`, `*` where the finding is not about one app or prefix."),
                &[Activity::Create, Activity::Update, Activity::Close].map(cloud_event_type),
                output.subschema_for::<DetectionFinding<'static>>().to_value(),
            ),
        ),
        (
            "block",
            Message::written(
                "A range to block",
                key(BLOCK_KEY),
                &["sms.pumping.block.put"],
                output.subschema_for::<BlockValue<'static>>().to_value(),
            ),
        ),
        (
            "unblock",
            Message::written(
                "A range to block no longer",
                key(BLOCK_KEY),
                &["sms.pumping.block.delete"],
                json!({"type": "null", "description": "A tombstone: no value."}),
            ),
        ),
        (
            "stats",
            Message::written(
                "A minute of a destination",
                key("`tenant|app|destination`."),
                &["sms.pumping.stats"],
                output.subschema_for::<StatsValue<'static>>().to_value(),
            ),
        ),
        (
            "audit",
            Message::written(
                "An entry of the audit trail",
                json!({"type": "string", "minLength": 1, "description": "The tenant; `*` where the entry concerns all."}),
                &["sms.pumping.audit"],
                output.subschema_for::<AuditValue<'static>>().to_value(),
            ),
        ),
        ("deadLetter", dead_letter(output)),
    ];
    all.into_iter()
        .map(|(name, message)| (name.to_owned(), message.object(name)))
        .collect()
}

const BLOCK_KEY: &str = "`tenant|app|prefix`, `*` for any app.";

/// A key of three parts. A `|` or `%` inside a name is percent-encoded.
fn key(description: &str) -> Value {
    json!({
        "type": "string",
        "pattern": r"^[^|]*\|[^|]*\|[^|]*$",
        "description": format!("{description} A `|` or `%` inside a name is percent-encoded."),
    })
}

fn of_type(any: &Value, kind: &str) -> Value {
    json!({"allOf": [any, {"properties": {"type": {"const": kind}}, "required": ["type"]}]})
}

fn log_record() -> Message {
    Message {
        content_type: "application/octet-stream",
        ..Message::read(
            "A record of the internal log",
            json!({"description": "Opaque: a versioned binary encoding, read and written by Pumpwatch alone. There is no key; the partition is that of the tenant."}),
        )
    }
}

/// Headers of the CloudEvents binding in binary mode, and where the record comes from.
fn cloud_event_headers(types: &[&str], has_value: bool) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let mut properties = json!({
        "ce_specversion": {"const": "1.0"},
        "ce_type": {"enum": types},
        "ce_source": {"const": "/pumpwatch/detector"},
        "ce_id": {
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "Identity of the record: the same when it is published again.",
        },
        "ce_time": {"type": "string", "format": "date-time", "description": "Log time of the decision."},
    });
    properties[ORIGIN_HEADER] = text("`partition/offset/index` in the internal log.");
    properties[ORIGIN_HEADER]["pattern"] = json!("^[0-9]+/[0-9]+/[0-9]+$");
    if has_value {
        properties["content-type"] = json!({"const": APPLICATION_JSON});
    }
    headers(&properties, &[])
}

/// Every header is there but the `optional`.
fn headers(properties: &Value, optional: &[&str]) -> Value {
    let required: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter(|name| !optional.contains(&name.as_str()))
        .collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn dead_letter(output: &mut SchemaGenerator) -> Message {
    let number = |description: &str| json!({"type": "string", "pattern": "^[0-9]+$", "description": description});
    let text = |description: &str| json!({"type": "string", "description": description});
    let decoders: Vec<&str> = FORMATS
        .iter()
        .filter_map(|format| Format::parse(format.name).ok())
        .map(Some)
        .chain([None])
        .map(format_name)
        .collect();
    let stages = [Stage::Decode, Stage::Normalise].map(Stage::as_str);
    let properties = json!({
        "__connect.errors.topic": text("Topic where the record was read."),
        "__connect.errors.partition": number("Its partition."),
        "__connect.errors.offset": number("Its offset."),
        "__connect.errors.stage": {
            "enum": stages,
            "description": "The step that refused the record.",
        },
        "__connect.errors.class.name": {"enum": decoders, "description": "The decoder."},
        "__connect.errors.exception.class.name": text("The reason, one word for each kind."),
        "__connect.errors.exception.message": text("The reason in a sentence."),
        "content-type": text("The original's, or `application/json` where the value is withheld."),
        "pumpwatch-truncated": text("What was cut, with its original length in bytes: `value=20971520`."),
        "pumpwatch-withheld": text("What is withheld: `value`, `key`, `headers`."),
    });
    let withheld = output.subschema_for::<Withheld>().to_value();
    Message {
        title: "A record that could not be used",
        key: json!({"description": "The original key, or none."}),
        headers: headers(
            &properties,
            &["content-type", "pumpwatch-truncated", "pumpwatch-withheld"],
        ),
        payload: json!({
            "description": "The original value without known secrets, under the media type that its headers name, or, where the configuration withholds it, its length and digest. The original headers come first.",
            "anyOf": [{"description": "The original value."}, withheld],
        }),
        content_type: "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schema_of_an_input_hides_one_of_an_output() {
        let mut input = components(SchemaSettings::draft07().for_deserialize());
        let mut output = components(SchemaSettings::draft07().for_serialize());
        messages(&mut input, &mut output);
        for (name, schema) in input.definitions() {
            assert!(
                output.definitions().get(name).is_none_or(|other| other == schema),
                "{name} is two things"
            );
        }
    }
}
