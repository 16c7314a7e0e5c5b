//! Configuration: what is written (`raw`), turned once into what is valid ([`Config`]).
//!
//! A YAML file and the environment make one tree (`env`); the tree is read into
//! raw types that refuse unknown keys; validation checks each value and what
//! they mean together, and reports every problem it finds. Nothing else in the
//! program reads the file or the environment's `PUMPWATCH__…` variables.

mod env;
mod error;
mod format;
mod kafka;
mod limits;
mod raw;
mod scalars;
mod secret;
mod units;
mod validate;

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use compact_str::CompactString;
use serde::Serialize;
use serde_json::Value;

use crate::detector::Policy;
use crate::render::schema::of_input;

pub use env::ENV_PREFIX;
pub use error::ConfigError;
pub use format::{DEFAULT_FORMAT, check_format};
pub use kafka::{Kafka, PropertyValue};
pub use secret::{REDACTED, SECRET_BYTES_MAX, Secret, SecretError, read_secret};
pub use units::{Size, Span};
pub use validate::parse_listen;

/// The largest configuration file that is read: 1 MiB.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Over how many partitions `state.max_bytes` is divided: the internal log's default.
pub const STATE_PARTITIONS: u64 = 8;

/// A configuration that has been checked. `Debug` and `Serialize` show no secret.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// Topics written, and the feedback topic.
    pub topics: Topics,
    /// Topics read. Never empty.
    pub inputs: Vec<InputTopic>,
    /// `detection`, `limits` and `money`, as they travel in the internal log.
    pub policy: Policy,
    /// How numbers are kept from view.
    pub privacy: Privacy,
    /// What is kept of records that cannot be used.
    pub dead_letters: DeadLetters,
    /// Local state.
    pub state: StateStore,
    /// The HTTP server.
    pub http: Http,
}

/// Names of the topics beside the inputs; all different, all legal in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topics {
    /// The internal log.
    pub events: String,
    /// Snapshots of the detector's state.
    pub snapshots: String,
    /// Findings.
    pub alerts: String,
    /// The blocklist.
    pub blocklist: String,
    /// Window statistics.
    pub stats: String,
    /// Dead letters.
    pub dead_letters: String,
    /// Audit.
    pub audit: String,
    /// Verdicts and safe-list commands; read.
    pub feedback: String,
}

impl Topics {
    /// Every topic with its key in the configuration, in the contract's order.
    pub fn named(&self) -> [(&'static str, &str); 8] {
        [
            ("events", &self.events),
            ("snapshots", &self.snapshots),
            ("alerts", &self.alerts),
            ("blocklist", &self.blocklist),
            ("stats", &self.stats),
            ("dead_letters", &self.dead_letters),
            ("audit", &self.audit),
            ("feedback", &self.feedback),
        ]
    }
}

/// One topic to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputTopic {
    /// Its name.
    pub topic: String,
    /// A format that [`check_format`] accepts.
    pub format: String,
    /// The tenant where records name none.
    pub tenant: Option<CompactString>,
    /// The app where records name none.
    pub app: Option<CompactString>,
    /// Where to begin at the first start.
    pub start: Start,
}

/// Where an input is begun when nothing has been committed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With its oldest record.
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// How numbers are kept from view.
#[derive(Clone, Debug, Serialize)]
pub struct Privacy {
    /// Key of the pseudonyms, at least 16 bytes; `None`: the salt of the log's header.
    pub key: Option<Secret>,
    /// Whether the internal log keeps full numbers.
    pub keep_numbers: bool,
}

/// What a dead letter shows of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetters {
    /// The record as it was.
    Original,
    /// Its length and a keyed digest.
    Withheld,
}

/// Local state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateStore {
    /// Its folder.
    pub dir: PathBuf,
    /// Bound in bytes over all partitions.
    pub max_bytes: u64,
}

/// The HTTP server.
#[derive(Clone, Debug, Serialize)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Tokens that open everything but health and metrics; empty: no token is asked for (loopback only).
    pub tokens: Vec<Secret>,
}

/// Whether a command can do without Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brokers {
    /// `kafka.brokers` must be set.
    Required,
    /// `kafka.brokers` may be missing; the list is then empty.
    Optional,
}

impl Config {
    /// Reads the file (if one is named), lays the variables over it, and checks the result.
    ///
    /// # Errors
    /// Every [`ConfigError`]; its sentences say what to change.
    pub fn load(path: Option<&Path>, variables: &[(String, String)], brokers: Brokers) -> Result<Self, ConfigError> {
        let (name, yaml) = match path {
            Some(path) => (path.display().to_string(), read_file(path)?),
            None => ("the configuration".to_owned(), String::new()),
        };
        Self::parse(&name, &yaml, variables, brokers)
    }

    /// The same for YAML that is at hand; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        name: &str,
        yaml: &str,
        variables: &[(String, String)],
        brokers: Brokers,
    ) -> Result<Self, ConfigError> {
        let mut tree = parse_yaml(name, yaml)?;
        let origins = env::overlay(&mut tree, variables)?;
        drop_nulls(&mut tree);
        if tree.is_null() {
            tree = Value::Object(serde_json::Map::new());
        }
        refuse_lists(&tree, &mut Vec::new())
            .map_err(|(path, sentence)| ConfigError::Shape(validate::with_origin(&origins, &path, sentence)))?;
        let raw: raw::RawConfig = serde_path_to_error::deserialize(&tree).map_err(|error| {
            let path = error.path().to_string();
            let sentence = error::shape_sentence(&path, &error.inner().to_string());
            ConfigError::Shape(validate::with_origin(&origins, &path, sentence))
        })?;
        validate::validate(raw, &origins, brokers)
    }

    /// The configuration in force, for the log: every secret is [`REDACTED`].
    pub fn redacted(&self) -> Value {
        serde_json::to_value(self).expect("a configuration always serialises")
    }
}

/// The JSON Schema of the configuration file.
pub fn schema() -> Value {
    of_input::<raw::RawConfig>("config", "Pumpwatch configuration")
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: secret::plain_io_reason(&error),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
            max: CONFIG_BYTES_MAX,
        });
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: "it is not UTF-8 text".into(),
    })
}

/// YAML 1.2 booleans only: under the old rules the country code `NO` is false.
fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    }
}

fn parse_yaml(name: &str, yaml: &str) -> Result<Value, ConfigError> {
    if yaml.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str_with_options(yaml, yaml_options()).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        ConfigError::Yaml {
            file: name.to_owned(),
            line,
            column,
            reason: one_line(&error.to_string()),
        }
    })
}

/// The parser's own words, without the place, which is printed before them, and
/// without its advice to programmers.
fn one_line(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    let end = [" at line ", ", set DuplicateKeyPolicy"]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min()
        .unwrap_or(line.len());
    line[..end].to_owned()
}

/// Derived types take a list for a mapping, its items in the order of the
/// fields: `kafka: [localhost]` would pass. Only these keys are lists.
fn refuse_lists(tree: &Value, path: &mut Vec<String>) -> Result<(), (String, String)> {
    match tree {
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            path.push(key.clone());
            refuse_lists(value, path)?;
            path.pop();
            Ok(())
        }),
        Value::Array(items) => {
            let keys: Vec<&str> = path.iter().map(String::as_str).collect();
            let is_list = matches!(
                keys[..],
                ["inputs" | "limits"] | ["limits", _, "destination_country_code_filter", "allow" | "deny"]
            );
            if !is_list {
                let shown = path.join(".").replace(".[", "[");
                let subject = if shown.is_empty() {
                    "the configuration".to_owned()
                } else {
                    format!("`{shown}`")
                };
                let sentence = format!("{subject} cannot be a list; only inputs, limits, allow and deny are");
                return Err((shown, sentence));
            }
            items.iter().enumerate().try_for_each(|(index, item)| {
                path.push(format!("[{index}]"));
                refuse_lists(item, path)?;
                path.pop();
                Ok(())
            })
        }
        _ => Ok(()),
    }
}

/// A key without a value (`limits:` with everything below commented out) is a key that is not set.
fn drop_nulls(tree: &mut Value) {
    match tree {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
