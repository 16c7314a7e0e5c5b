//! Environment variables laid over the configuration file.
//!
//! `PUMPWATCH__KAFKA__BROKERS` sets `kafka.brokers`: a double underscore nests,
//! names are lower-cased, a number counts through a list. The value is read as
//! YAML, so that lists and mappings fit in, and taken as plain text where it is
//! not YAML. Below `kafka.properties` an underscore stands for a dot, which
//! shells do not allow in names; below mappings with names of the user's own
//! (tenants, rates) a name that is there already is found in any case.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ConfigError;

/// Variables that begin so belong to the configuration.
pub const ENV_PREFIX: &str = "PUMPWATCH__";

/// More than enough for every list of the configuration.
const LIST_ITEMS_MAX: usize = 1_000;

/// Which variable set which path.
pub(super) type Origins = BTreeMap<String, String>;

/// Lays every variable that begins with [`ENV_PREFIX`] over the tree.
pub(super) fn overlay<'a>(
    tree: &mut Value,
    variables: impl IntoIterator<Item = &'a (String, String)>,
) -> Result<Origins, ConfigError> {
    // In the order of names a section comes before what is inside it, so
    // `PUMPWATCH__KAFKA` and `PUMPWATCH__KAFKA__BROKERS` may both be set.
    let ours: BTreeMap<&str, &str> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(ENV_PREFIX))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut origins = Origins::new();
    for (variable, text) in ours {
        let segments: Vec<&str> = variable[ENV_PREFIX.len()..].split("__").collect();
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(ConfigError::Shape(format!(
                "the environment variable {variable} names no key; write it as PUMPWATCH__SECTION__KEY"
            )));
        }
        if text.trim().is_empty() {
            return Err(ConfigError::Shape(format!(
                "the environment variable {variable} is empty; give it a value or unset it"
            )));
        }
        let value = serde_saphyr::from_str_with_options(text, super::yaml_options())
            .unwrap_or_else(|_| Value::String(text.to_owned()));
        let path = set(tree, &segments, value).map_err(|reason| {
            ConfigError::Shape(format!(
                "the environment variable {variable} cannot be applied: {reason}"
            ))
        })?;
        origins.insert(path, variable.to_owned());
    }
    Ok(origins)
}

/// Sets the value, making mappings on the way; gives its path as serde writes it.
fn set(tree: &mut Value, segments: &[&str], value: Value) -> Result<String, String> {
    let mut node = tree;
    let mut path = String::new();
    for segment in segments {
        if node.is_null() {
            *node = Value::Object(Map::new());
        }
        node = match node {
            Value::Array(items) => {
                let index = list_index(segment, items.len(), &path)?;
                if index == items.len() {
                    items.push(Value::Null);
                }
                path = format!("{path}[{index}]");
                &mut items[index]
            }
            Value::Object(map) => {
                let key = key_for(segment, map, &path);
                path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                map.entry(key).or_insert(Value::Null)
            }
            _ => return Err(format!("`{path}` is a single value and has nothing inside")),
        };
    }
    *node = value;
    Ok(path)
}

fn list_index(segment: &str, len: usize, path: &str) -> Result<usize, String> {
    let index: usize = segment
        .parse()
        .map_err(|_| format!("`{path}` is a list; `{segment}` should be the number of an item, from 0"))?;
    if index > len || index >= LIST_ITEMS_MAX {
        return Err(format!("`{path}` has {len} items; the next one is number {len}"));
    }
    Ok(index)
}

/// The key that a segment means inside the mapping at `path`.
fn key_for(segment: &str, map: &Map<String, Value>, path: &str) -> String {
    let lower = segment.to_lowercase();
    let wanted = match path {
        "kafka.properties" => lower.replace('_', "."),
        "money.rates" => segment.to_uppercase(),
        _ => lower,
    };
    map.keys()
        .find(|key| key.eq_ignore_ascii_case(&wanted))
        .cloned()
        .unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn laid_over(mut tree: Value, variables: &[(&str, &str)]) -> Result<Value, String> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        overlay(&mut tree, &variables)
            .map(|_| tree)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn sections_are_made_and_values_are_yaml() {
        let tree = laid_over(
            Value::Null,
            &[
                ("PUMPWATCH__KAFKA__BROKERS", "a:9092,b:9092"),
                ("PUMPWATCH__KAFKA__ALLOW_PLAINTEXT", "true"),
                ("PUMPWATCH__KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SSL"),
                ("PUMPWATCH__KAFKA__PROPERTIES__SASL_PASSWORD__FILE", "/run/p"),
                ("PUMPWATCH__HTTP__LISTEN", "[::1]:8080"),
                ("PUMPWATCH__INPUTS", "[{topic: x}]"),
                ("PUMPWATCH__INPUTS__0__FORMAT", "canonical"),
                ("PUMPWATCH__INPUTS__1__TOPIC", "y"),
                ("OTHER", "ignored"),
                ("PUMPWATCH_LOG_FORMAT", "ignored"),
            ],
        )
        .unwrap();
        assert_eq!(
            tree,
            json!({
                "kafka": {"brokers": "a:9092,b:9092", "allow_plaintext": true,
                          "properties": {"security.protocol": "SSL", "sasl.password": {"file": "/run/p"}}},
                "http": {"listen": "[::1]:8080"},
                "inputs": [{"topic": "x", "format": "canonical"}, {"topic": "y"}],
            })
        );
    }

    #[test]
    fn names_that_are_there_are_found_in_any_case() {
        let tree = laid_over(
            json!({"detection": {"tenants": {"Acme": {}}}, "money": {"rates": {"EUR": 1.0}}}),
            &[
                ("PUMPWATCH__DETECTION__TENANTS__ACME__MODE", "enforce"),
                ("PUMPWATCH__DETECTION__TENANTS__NEW__MODE", "shadow"),
                ("PUMPWATCH__MONEY__RATES__EUR", "1.08"),
                ("PUMPWATCH__MONEY__RATES__GBP", "1.3"),
            ],
        )
        .unwrap();
        assert_eq!(
            tree,
            json!({"detection": {"tenants": {"Acme": {"mode": "enforce"}, "new": {"mode": "shadow"}}},
                   "money": {"rates": {"EUR": 1.08, "GBP": 1.3}}})
        );
    }

    #[test]
    fn what_cannot_be_applied_is_named() {
        for (name, value, part) in [
            ("PUMPWATCH__", "x", "names no key"),
            ("PUMPWATCH__KAFKA____BROKERS", "x", "names no key"),
            ("PUMPWATCH__KAFKA__BROKERS", " ", "is empty"),
            ("PUMPWATCH__HTTP__X", "x", "single value"),
            ("PUMPWATCH__INPUTS__FIRST", "x", "should be the number"),
            ("PUMPWATCH__INPUTS__5__TOPIC", "x", "the next one is number 1"),
        ] {
            let error = laid_over(json!({"http": 5, "inputs": [{}]}), &[(name, value)]).unwrap_err();
            assert!(error.contains(part) && error.contains(name), "{error}");
        }
    }
}
