//! Values that more than one section shares: references to secret files,
//! properties of librdkafka, and names.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A secret that is read from a file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "SecretFile", extend("additionalProperties" = false))]
pub(super) struct FileRef {
    /// Path of the file.
    pub file: PathBuf,
}

/// A value for librdkafka: text, a number, true or false, or `{file: PATH}`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Property")]
pub(super) enum RawProperty {
    Text(PropertyText),
    File(FileRef),
}

/// The text of a property, whichever scalar it was written as.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PropertyText(pub String);

impl JsonSchema for PropertyText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PropertyText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "number", "boolean"]})
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFields {
    file: PathBuf,
}

/// Reads `{file: PATH}`. A scalar is refused without being repeated in the
/// message: somebody has just written a secret into the configuration.
struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = FileRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{file: PATH}")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileRef, A::Error> {
        let fields = FileFields::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(FileRef { file: fields.file })
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<FileRef, E> {
        Err(E::custom(
            "secrets are read from files; write {file: PATH} instead of the secret itself",
        ))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<FileRef, E> {
        self.visit_str("")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<FileRef, E> {
        self.visit_str("")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<FileRef, E> {
        self.visit_str("")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<FileRef, E> {
        self.visit_str("")
    }
}

impl<'de> Deserialize<'de> for FileRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileVisitor)
    }
}

struct PropertyVisitor;

impl<'de> Visitor<'de> for PropertyVisitor {
    type Value = RawProperty;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true, false, or {file: PATH}")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawProperty, A::Error> {
        FileVisitor.visit_map(map).map(RawProperty::File)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawProperty, E> {
        Ok(RawProperty::Text(PropertyText(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<RawProperty, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<RawProperty, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<RawProperty, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: de::Error>(self, yes: bool) -> Result<RawProperty, E> {
        self.visit_str(if yes { "true" } else { "false" })
    }
}

impl<'de> Deserialize<'de> for RawProperty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PropertyVisitor)
    }
}

/// Names may look like whole numbers (`tenant: 42`); what YAML would change on
/// the way (`1.10`, `yes`) has to be quoted.
struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text (put it in quotes)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(TextVisitor)
}

pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}
