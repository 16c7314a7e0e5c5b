//! What is wrong with a configuration, in sentences that say what to change.

use std::path::PathBuf;

use thiserror::Error;

/// Why a configuration was refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is missing or may not be read.
    #[error("cannot read the configuration {path}: {reason}; name an existing file with --config")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is far larger than a configuration.
    #[error("the configuration {path} holds more than {max} bytes; is it the right file?")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The bound, in bytes.
        max: u64,
    },
    /// Not YAML.
    #[error("{file}:{line}:{column}: this is not valid YAML: {reason}")]
    Yaml {
        /// Name of the file.
        file: String,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What the parser stumbled over.
        reason: String,
    },
    /// A key that does not exist, or a value of the wrong type.
    #[error("{0}")]
    Shape(String),
    /// Values that are not allowed: every one that was found.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

impl ConfigError {
    /// The problems, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

/// `; did you mean …?` when a known name is near, else nothing.
pub(super) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(wrong, known) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}

/// The known name that a typing error is most likely to have come from.
fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Below this similarity a suggestion is noise.
    const SIMILARITY_MIN: f64 = 0.7;
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Turns serde's message about the value at `path` into a sentence.
///
/// The messages are those of `serde::de::Error`'s provided methods, which every
/// derived implementation uses; one that is not recognised is passed on as it is.
pub(super) fn shape_sentence(path: &str, message: &str) -> String {
    let at = |path: &str| {
        if path.is_empty() || path == "." {
            "the configuration".to_owned()
        } else {
            format!("`{path}`")
        }
    };
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (wrong, known) = quoted_names(rest);
        let full = full_key(path, wrong);
        let hint = did_you_mean(wrong, known.iter().copied());
        let listed = if known.is_empty() {
            "nothing".to_owned()
        } else {
            known.join(", ")
        };
        return format!("unknown key `{full}`{hint} (known here: {listed})");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (wrong, known) = quoted_names(rest);
        let hint = did_you_mean(wrong, known.iter().copied());
        return format!(
            "{} cannot be `{wrong}`{hint} (known here: {})",
            at(path),
            known.join(", ")
        );
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let (missing, _) = quoted_names(rest);
        return format!("{} lacks `{missing}`; add it", at(path));
    }
    if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.split_once(", expected "))
    {
        return format!(
            "{} is {}, but must be {}",
            at(path),
            plain_value(found),
            plain_type(expected)
        );
    }
    format!("{}: {message}", at(path))
}

/// `kafka` and `brokrs` give `kafka.brokrs`; the path may end in the key already.
fn full_key(path: &str, key: &str) -> String {
    if path.is_empty() || path == "." || path == key {
        key.to_owned()
    } else if path.ends_with(&format!(".{key}")) {
        path.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The first name in backticks, and the others.
fn quoted_names(text: &str) -> (&str, Vec<&str>) {
    let mut names = text.split('`').skip(1).step_by(2);
    let first = names.next().unwrap_or_default();
    (first, names.collect())
}

/// Serde's names of values, as a user would say them.
fn plain_value(found: &str) -> &str {
    match found {
        "map" => "a mapping",
        "sequence" => "a list",
        other => other.strip_prefix("string ").unwrap_or(other),
    }
}

/// Rust's names of types, as a user would say them.
fn plain_type(expected: &str) -> &str {
    match expected {
        "f64" => "a number",
        "u64" | "u32" => "a whole number, zero or more",
        "a boolean" => "true or false",
        "a string" | "path string" => "text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("brokrs", ["brokers", "group"]), Some("brokers"));
        assert_eq!(nearest("Broker", ["brokers", "group"]), Some("brokers"));
        assert_eq!(nearest("xyzzy", ["brokers", "group"]), None);
    }

    #[test]
    fn a_message_of_another_kind_is_passed_on() {
        assert_eq!(shape_sentence("a.b", "odd"), "`a.b`: odd");
        assert_eq!(shape_sentence(".", "odd"), "the configuration: odd");
    }
}
