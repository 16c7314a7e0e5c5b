//! One field of a canonical record, read without judging and without copying, so
//! that a wrong value can be refused by its name.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json::whole;
use super::refusal::Refusal;
use crate::model::Millis;

/// A field's value as it stands; `T` is what an object in its place is read as.
#[derive(Debug, Default)]
pub(super) enum Node<'a, T = IgnoredAny> {
    /// Not there, or null.
    #[default]
    Missing,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// An object.
    Object(T),
    /// A boolean or a list.
    Other(&'static str),
}

impl<T> Node<'_, T> {
    /// The type's name, for sentences.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Object(_) => "an object",
            Self::Other(kind) => kind,
        }
    }

    /// A text of at most `bytes_max` bytes; an empty one counts as missing.
    pub(super) fn text(&self, field: &str, bytes_max: usize) -> Result<Option<&str>, Refusal> {
        match self {
            Self::Missing => Ok(None),
            Self::Text(text) if text.is_empty() => Ok(None),
            Self::Text(text) if text.len() > bytes_max => Err(Refusal::too_long(field, text.len(), bytes_max)),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(Refusal::invalid(field, &format!("a text, not {}", self.kind()))),
        }
    }

    /// The same, required.
    pub(super) fn required_text(&self, field: &str, bytes_max: usize) -> Result<&str, Refusal> {
        self.text(field, bytes_max)?.ok_or_else(|| Refusal::missing(field))
    }

    /// A name that goes into keys: no control characters, and not the `*` that stands for all.
    pub(super) fn name(&self, field: &str, bytes_max: usize) -> Result<Option<&str>, Refusal> {
        let name = self.text(field, bytes_max)?;
        match name {
            Some("*") => Err(Refusal::invalid(field, "a name; `*` stands for all")),
            Some(name) if name.contains(char::is_control) => {
                Err(Refusal::invalid(field, "a name without control characters"))
            }
            name => Ok(name),
        }
    }

    /// One word of a list.
    pub(super) fn word<W: Copy>(&self, field: &str, words: &[(&str, W)]) -> Result<Option<W>, Refusal> {
        let Some(text) = self.text(field, usize::MAX)? else {
            return Ok(None);
        };
        if let Some((_, word)) = words.iter().find(|(name, _)| *name == text) {
            return Ok(Some(*word));
        }
        let names: Vec<_> = words.iter().map(|(name, _)| format!("`{name}`")).collect();
        Err(Refusal::invalid(field, &format!("one of {}", names.join(", "))))
    }

    /// A whole number from `min` to `max`.
    pub(super) fn integer(&self, field: &str, min: i64, max: i64) -> Result<Option<i64>, Refusal> {
        let value = match self {
            Self::Missing => return Ok(None),
            Self::Integer(value) => Some(*value),
            Self::Float(value) => whole(*value),
            _ => None,
        };
        value
            .filter(|value| (min..=max).contains(value))
            .map(Some)
            .ok_or_else(|| Refusal::invalid(field, &format!("a whole number from {min} to {max}")))
    }

    /// A number.
    pub(super) fn number(&self, field: &str) -> Result<Option<f64>, Refusal> {
        match self {
            Self::Missing => Ok(None),
            Self::Integer(value) => Ok(Some(*value as f64)),
            Self::Float(value) => Ok(Some(*value)),
            _ => Err(Refusal::invalid(field, &format!("a number, not {}", self.kind()))),
        }
    }

    /// RFC 3339 with any offset, or whole epoch milliseconds.
    pub(super) fn time(&self, field: &str) -> Result<Option<Millis>, Refusal> {
        let time = match self {
            Self::Missing => return Ok(None),
            Self::Text(text) if text.is_empty() => return Ok(None),
            Self::Integer(ms) => Millis::from_epoch_ms(*ms),
            Self::Float(ms) => whole(*ms).and_then(Millis::from_epoch_ms),
            Self::Text(text) => Millis::parse_rfc3339(text),
            Self::Object(_) | Self::Other(_) => None,
        };
        time.map(Some).ok_or_else(|| Refusal::bad_time(field))
    }

    /// An IPv4 or IPv6 address.
    pub(super) fn address(&self, field: &str) -> Result<Option<IpAddr>, Refusal> {
        let Some(text) = self.text(field, usize::MAX)? else {
            return Ok(None);
        };
        let address: IpAddr = text.parse().map_err(|_| Refusal::invalid(field, "an IP address"))?;
        Ok(Some(address.to_canonical()))
    }

    /// An object.
    pub(super) fn object(&self, field: &str) -> Result<Option<&T>, Refusal> {
        match self {
            Self::Missing => Ok(None),
            Self::Object(object) => Ok(Some(object)),
            _ => Err(Refusal::invalid(field, &format!("an object, not {}", self.kind()))),
        }
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Node<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor(PhantomData))
    }
}

struct NodeVisitor<'a, T>(PhantomData<(&'a (), T)>);

impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for NodeVisitor<'a, T> {
    type Value = Node<'a, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Missing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Node::Other("a boolean"))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Node::Object)
    }
}
