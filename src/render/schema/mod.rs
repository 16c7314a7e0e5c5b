//! JSON Schemas (draft 2020-12) of everything that goes in and comes out. They are
//! made from types, so they cannot drift from what is written: the outputs' from the
//! very structs that are serialised, the inputs' from structs that mirror the
//! contract and exist for nothing else.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

pub mod asyncapi;
pub mod event;
pub mod feedback;

use super::audit::AuditValue;
use super::blocklist::BlockValue;
use super::ocsf::DetectionFinding;
use super::stats::StatsValue;
use event::Event;
use feedback::Feedback;

/// Every name that [`schema`] knows.
pub const NAMES: [&str; 6] = ["event", "feedback", "finding", "block", "stats", "audit"];

/// The schema of this name; `None` for a name that is not in [`NAMES`].
pub fn schema(name: &str) -> Option<Value> {
    Some(match name {
        "event" => of_input::<Event>("event", "Canonical event"),
        "feedback" => of_input::<Feedback>("feedback", "Feedback"),
        "finding" => of_output::<DetectionFinding<'static>>("finding", "Finding"),
        "block" => of_output::<BlockValue<'static>>("block", "Blocklist entry"),
        "stats" => of_output::<StatsValue<'static>>("stats", "Window statistics"),
        "audit" => of_output::<AuditValue<'static>>("audit", "Audit entry"),
        _ => return None,
    })
}

/// The schema of something that is read: what has a default may be missing.
/// `name` becomes part of `$id`.
pub fn of_input<T: JsonSchema>(name: &str, title: &str) -> Value {
    document::<T>(name, title, SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of something that is written: what is always written is required.
/// `name` becomes part of `$id`.
pub fn of_output<T: JsonSchema>(name: &str, title: &str) -> Value {
    document::<T>(name, title, SchemaSettings::draft2020_12().for_serialize())
}

fn document<T: JsonSchema>(name: &str, title: &str, settings: SchemaSettings) -> Value {
    let mut schema = settings
        .with_transform(RecursiveTransform(tidy))
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("$id".into(), format!("urn:pumpwatch:schema:{name}:v1").into());
    schema.insert("title".into(), title.into());
    schema.to_value()
}

/// For documents that hold the schemas of several types under `#/components/schemas`,
/// as AsyncAPI and OpenAPI do: references point there.
pub fn components(settings: SchemaSettings) -> SchemaGenerator {
    settings
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .with_transform(RecursiveTransform(tidy))
        .into_generator()
}

/// Formats of the standard. Strict validators refuse a schema with another one, such
/// as the integer widths that the generator adds.
const FORMATS: [&str; 3] = ["date-time", "ipv4", "ipv6"];

fn tidy(schema: &mut Schema) {
    if schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| !FORMATS.contains(&format))
    {
        schema.remove("format");
    }
    // Descriptions are comments of the source, where lines are broken to fit.
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
