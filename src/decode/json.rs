//! JSON of providers, read leniently: optional fields may be missing or of another
//! scalar type. Two things are strict: a key that stands twice in one object
//! refuses the record (which of two destinations is meant cannot be known), and a
//! destination is taken only from a text that is an E.164 number as it stands.

use std::borrow::Cow;
use std::fmt;

use compact_str::CompactString;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::guard;
use super::refusal::{Refusal, RefusalReason, clip};
use crate::model::{E164, Millis};

/// The longest identifier that is taken from a provider, in bytes; what is made
/// of it (a status is appended) stays within the canonical format's 256.
pub(super) const PROVIDER_ID_BYTES_MAX: usize = 200;

/// Parses a text that [`guard`] has let through.
pub(super) fn parse(text: &str) -> Result<Value, Refusal> {
    serde_json::from_str::<Tree>(text)
        .map(|tree| tree.0)
        .map_err(|error| parse_refusal(&error))
}

/// Parses JSON that stood inside a JSON string.
pub(super) fn parse_nested(text: &str) -> Result<Value, Refusal> {
    guard::check_depth(text)?;
    parse(text)
}

/// What a JSON error is to us. Syntax messages hold positions and no data.
pub(super) fn parse_refusal(error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    if let Some(rest) = message.strip_prefix("duplicate field `") {
        let key = rest.split('`').next().unwrap_or_default();
        return Refusal::new(
            RefusalReason::DuplicateField,
            format!(
                "the field {:?} stands twice in one object, so its value is not known",
                clip(key)
            ),
        );
    }
    Refusal::new(RefusalReason::NotJson, format!("the record is not JSON: {message}"))
}

/// A JSON value without duplicate keys.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree(Value::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(Tree(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Tree(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate field `{}`", clip(&key))));
            }
            let Tree(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(Tree(Value::Object(map)))
    }
}

/// The name of a value's type, for sentences.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A text or a number as text; anything else, and an empty text, is nothing.
pub(super) fn scalar<'v>(object: &'v Value, key: &str) -> Option<Cow<'v, str>> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// An optional name: nothing where it is missing, of another kind, or too long.
pub(super) fn name(object: &Value, key: &str, bytes_max: usize) -> Option<CompactString> {
    scalar(object, key)
        .filter(|text| text.len() <= bytes_max && !text.contains(char::is_control))
        .map(CompactString::from)
}

/// A required identifier; `field` is its path in sentences.
pub(super) fn id(object: &Value, key: &str, field: &str) -> Result<CompactString, Refusal> {
    optional_id(object, key, field)?.ok_or_else(|| Refusal::missing(field))
}

/// An identifier that may be missing, but not too long.
pub(super) fn optional_id(object: &Value, key: &str, field: &str) -> Result<Option<CompactString>, Refusal> {
    match scalar(object, key) {
        Some(text) if text.len() > PROVIDER_ID_BYTES_MAX => {
            Err(Refusal::too_long(field, text.len(), PROVIDER_ID_BYTES_MAX))
        }
        text => Ok(text.map(CompactString::from)),
    }
}

/// An optional whole number, also as text.
pub(super) fn integer(object: &Value, key: &str) -> Option<i64> {
    match object.get(key)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Parts of the text; nothing where they are not 1 to 255.
pub(super) fn segments(object: &Value, key: &str) -> Option<u8> {
    integer(object, key)
        .and_then(|n| u8::try_from(n).ok())
        .filter(|n| *n > 0)
}

/// An optional amount, also as text. Whether it is sensible is the caller's question.
pub(super) fn amount(object: &Value, key: &str) -> Option<f64> {
    match object.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A float that is a whole number and exact as such.
pub(super) fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// A destination: nothing where it is missing or null, a refusal where it is
/// anything but an E.164 number. Never repaired.
pub(super) fn destination(object: &Value, key: &str, field: &str) -> Result<Option<E164>, Refusal> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => E164::parse(text)
            .map(Some)
            .ok_or_else(|| Refusal::destination(field, text)),
        Some(other) => Err(Refusal::destination_type(field, kind(other))),
    }
}

/// A time: nothing where it is missing, null or empty; a refusal where it cannot be read.
/// Epoch milliseconds as number or text, RFC 3339, or (as Amazon writes it, and
/// meaning UTC) `2016-06-28 00:40:34.558`.
pub(super) fn time(object: &Value, key: &str, field: &str) -> Result<Option<Millis>, Refusal> {
    let value = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(value) => value,
    };
    let time = match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().and_then(whole))
            .and_then(Millis::from_epoch_ms),
        Value::String(text) => time_text(text),
        _ => None,
    };
    time.map(Some).ok_or_else(|| Refusal::bad_time(field))
}

fn time_text(text: &str) -> Option<Millis> {
    if let Ok(ms) = text.parse::<i64>() {
        // Fewer digits than milliseconds had in 2001 could be a year or a date.
        return (text.len() >= 12).then(|| Millis::from_epoch_ms(ms)).flatten();
    }
    Millis::parse_rfc3339(text).or_else(|| utc_without_zone(text))
}

fn utc_without_zone(text: &str) -> Option<Millis> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() >= 19
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b' '
        && bytes[13] == b':'
        && bytes[16] == b':'
        && bytes[19..].iter().all(|b| b.is_ascii_digit() || *b == b'.');
    shaped.then(|| Millis::parse_rfc3339(&format!("{text}Z"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"to":"+12065550100","to":"+12065550101"}"#,
            r#"[{"a":{"to":1,"x":2,"to":1}}]"#,
            r#"{"to":1,"t\u006f":2}"#,
        ] {
            assert_eq!(parse(text).unwrap_err().reason, RefusalReason::DuplicateField, "{text}");
        }
    }

    #[test]
    fn times_of_every_documented_form_are_read_and_no_other() {
        let of = |value: Value| time(&json!({ "t": value }), "t", "t").map(|t| t.map(|t| t.to_string()));
        for (value, text) in [
            (json!(1_785_153_895_407_i64), "2026-07-27T12:04:55.407Z"),
            (json!("1785153895407"), "2026-07-27T12:04:55.407Z"),
            (json!(1.785_153_895_407e12), "2026-07-27T12:04:55.407Z"),
            (json!("2016-06-28 00:40:34.558"), "2016-06-28T00:40:34.558Z"),
            (json!("2016-06-28 00:40:34"), "2016-06-28T00:40:34Z"),
            (json!("2022-02-02T09:20:25.336676Z"), "2022-02-02T09:20:25.336Z"),
            (json!("2022-02-02T10:20:25+01:00"), "2022-02-02T09:20:25Z"),
        ] {
            assert_eq!(of(value).unwrap().as_deref(), Some(text));
        }
        for nothing in [json!(null), json!("")] {
            assert_eq!(of(nothing).unwrap(), None);
        }
        for bad in [
            json!("soon"),
            json!("2026"),
            json!(true),
            json!(0.5),
            json!(1e300),
            json!("2016-06-28"),
            json!({}),
        ] {
            assert_eq!(of(bad.clone()).unwrap_err().reason, RefusalReason::BadTime, "{bad}");
        }
    }

    #[test]
    fn a_destination_is_never_repaired() {
        let of = |value: Value| destination(&json!({ "to": value }), "to", "to");
        assert_eq!(of(json!("+12065550100")).unwrap().unwrap().to_string(), "+12065550100");
        assert_eq!(of(json!(null)).unwrap(), None);
        for bad in [
            json!("12065550100"),
            json!(12_065_550_100_i64),
            json!("+1 206 555 0100"),
            json!("+1206555O100"),
            json!(" +12065550100"),
            json!("+1206555010０"),
            json!(["+12065550100"]),
        ] {
            assert_eq!(of(bad.clone()).unwrap_err().reason, RefusalReason::BadNumber, "{bad}");
        }
        assert_eq!(
            of(json!("+1XXX5550100")).unwrap_err().reason,
            RefusalReason::MaskedNumber
        );
    }
}
