//! The configuration as it is written: names, types and defaults, nothing checked yet.
//!
//! The JSON Schema of `pumpwatch schema config` is generated from these types,
//! so their doc comments are what an editor shows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::format::DEFAULT_FORMAT;
use super::scalars::{FileRef, RawProperty, optional_text, text};
use super::units::{Size, Span};
use crate::model::topics;

/// Configuration of Pumpwatch. Every key may also be set as an environment variable `PUMPWATCH__SECTION__KEY`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a mapping of sections (kafka, topics, inputs, …)"
)]
#[schemars(rename = "Config", title = "Pumpwatch configuration")]
pub(super) struct RawConfig {
    /// How to reach Kafka.
    pub kafka: RawKafka,
    /// Names of the topics that Pumpwatch writes, and of the one that brings feedback.
    pub topics: RawTopics,
    /// The topics to read. Default: the three canonical topics.
    pub inputs: Option<Vec<RawInput>>,
    /// What decides when something is found.
    pub detection: RawDetection,
    /// Hard limits of your own (names of ATT&CK DET0156).
    pub limits: Vec<RawLimit>,
    /// Currencies.
    pub money: RawMoney,
    /// How numbers are kept from view.
    pub privacy: RawPrivacy,
    /// What is kept of records that cannot be used.
    pub dead_letters: RawDeadLetters,
    /// Where and how much state is kept.
    pub state: RawState,
    /// The HTTP server.
    pub http: RawHttp,
}

/// How to reach Kafka.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a mapping with brokers, group, properties, allow_plaintext"
)]
#[schemars(rename = "Kafka")]
pub(super) struct RawKafka {
    /// `host:port`, several separated by commas. The only key without a default.
    #[serde(deserialize_with = "optional_text")]
    pub brokers: Option<String>,
    /// The consumer groups are this name with `.router` and `.detector`.
    #[serde(deserialize_with = "text")]
    pub group: String,
    /// Handed to librdkafka; a value `{file: PATH}` is read from that file.
    pub properties: BTreeMap<String, RawProperty>,
    /// Allows an unencrypted broker that is not on loopback.
    pub allow_plaintext: bool,
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            brokers: None,
            group: "pumpwatch".into(),
            properties: BTreeMap::new(),
            allow_plaintext: false,
        }
    }
}

/// Topic names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a mapping with events, snapshots, alerts, blocklist, stats, dead_letters, audit, feedback"
)]
#[schemars(rename = "Topics")]
pub(super) struct RawTopics {
    /// The internal log.
    #[serde(deserialize_with = "text")]
    pub events: String,
    /// Snapshots of the detector's state.
    #[serde(deserialize_with = "text")]
    pub snapshots: String,
    /// Findings.
    #[serde(deserialize_with = "text")]
    pub alerts: String,
    /// The blocklist, compacted.
    #[serde(deserialize_with = "text")]
    pub blocklist: String,
    /// Window statistics.
    #[serde(deserialize_with = "text")]
    pub stats: String,
    /// Records that could not be used.
    #[serde(deserialize_with = "text")]
    pub dead_letters: String,
    /// What was decided or told, and by whom.
    #[serde(deserialize_with = "text")]
    pub audit: String,
    /// Verdicts and safe-list commands; read, not written.
    #[serde(deserialize_with = "text")]
    pub feedback: String,
}

impl Default for RawTopics {
    fn default() -> Self {
        Self {
            events: topics::EVENTS.into(),
            snapshots: topics::SNAPSHOTS.into(),
            alerts: topics::ALERTS.into(),
            blocklist: topics::BLOCKLIST.into(),
            stats: topics::STATS.into(),
            dead_letters: topics::DEAD_LETTERS.into(),
            audit: topics::AUDIT.into(),
            feedback: topics::FEEDBACK.into(),
        }
    }
}

/// A topic to read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with topic, format, tenant, app, start")]
#[schemars(rename = "Input")]
pub(super) struct RawInput {
    /// Name of the topic.
    #[serde(deserialize_with = "text")]
    pub topic: String,
    /// How its records are written.
    #[serde(default = "default_format")]
    pub format: String,
    /// Whose messages these are, where the records do not say.
    #[serde(default, deserialize_with = "optional_text")]
    pub tenant: Option<String>,
    /// Which application's messages these are, where the records do not say.
    #[serde(default, deserialize_with = "optional_text")]
    pub app: Option<String>,
    /// Where to begin when the topic is read for the first time.
    #[serde(default)]
    pub start: RawStart,
}

fn default_format() -> String {
    DEFAULT_FORMAT.into()
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Start")]
pub(super) enum RawStart {
    /// With the oldest record.
    #[default]
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// What decides when something is found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a mapping with false_alarms_per_million, mode, lateness, tenants"
)]
#[schemars(rename = "Detection")]
pub(super) struct RawDetection {
    /// Expected false alarms in a million messages at level `block`; above 0, at most 1000.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000))]
    pub false_alarms_per_million: f64,
    /// `shadow` says what would be blocked; `enforce` blocks.
    pub mode: RawMode,
    /// How far an event's time may lie behind its record's; 1s to 24h.
    pub lateness: Span,
    /// Per tenant, what differs.
    pub tenants: BTreeMap<String, RawTenant>,
}

impl Default for RawDetection {
    fn default() -> Self {
        Self {
            false_alarms_per_million: 1.0,
            mode: RawMode::Shadow,
            lateness: Span(3_600_000),
            tenants: BTreeMap::new(),
        }
    }
}

/// Whether anything downstream should act.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Mode")]
pub(super) enum RawMode {
    /// Say what would be blocked.
    Shadow,
    /// Block.
    Enforce,
}

/// What differs for one tenant.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with mode, monthly_budget")]
#[schemars(rename = "Tenant")]
pub(super) struct RawTenant {
    /// `shadow` or `enforce`.
    pub mode: Option<RawMode>,
    /// What may be spent in a calendar month (UTC).
    pub monthly_budget: Option<RawMoneyAmount>,
}

/// An amount of money.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with amount, currency")]
#[schemars(rename = "MoneyAmount")]
pub(super) struct RawMoneyAmount {
    /// How much, in units of the currency.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub amount: f64,
    /// ISO 4217, three letters.
    pub currency: String,
}

/// One limit of your own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with name, per, and a threshold or a filter"
)]
#[schemars(rename = "Limit")]
pub(super) struct RawLimit {
    /// How findings call it.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// The sliding window in which is counted; 1s to 24h.
    #[serde(default)]
    pub time_window: Option<Span>,
    /// Sends allowed in the window.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub sms_frequency_threshold: Option<u64>,
    /// Counted apart for each of these.
    #[serde(default)]
    pub per: Option<RawScope>,
    /// `block` only per prefix or country.
    #[serde(default)]
    pub action: RawAction,
    /// Countries that may, or may not, be sent to.
    #[serde(default)]
    pub destination_country_code_filter: Option<RawCountries>,
    /// Share of one user agent in the window above which it is odd; above 0, below 1.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub user_agent_anomaly_threshold: Option<f64>,
    /// Share of sends whose client's country is not the number's, above which it is too
    /// large; above 0, below 1.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub ip_geo_variance_score: Option<f64>,
}

/// What a limit counts apart.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Scope")]
pub(super) enum RawScope {
    Number,
    Ip,
    Device,
    Asn,
    Prefix,
    Country,
}

/// What crossing a limit does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Action")]
pub(super) enum RawAction {
    /// A finding of level `alert`.
    #[default]
    Alert,
    /// A finding of level `block`, with its block.
    Block,
}

/// Countries by their ISO 3166 codes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with allow or deny")]
#[schemars(rename = "Countries")]
pub(super) struct RawCountries {
    /// Only these may be sent to.
    pub allow: Option<Vec<String>>,
    /// These may not be sent to.
    pub deny: Option<Vec<String>>,
}

/// Currencies.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with currency, rates")]
#[schemars(rename = "Money")]
pub(super) struct RawMoney {
    /// Currency of every report; ISO 4217, three letters.
    pub currency: String,
    /// What one unit of another currency is worth in `currency`.
    pub rates: BTreeMap<String, f64>,
}

impl Default for RawMoney {
    fn default() -> Self {
        Self {
            currency: "USD".into(),
            rates: BTreeMap::new(),
        }
    }
}

/// How numbers are kept from view.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with key, keep_numbers")]
#[schemars(rename = "Privacy")]
pub(super) struct RawPrivacy {
    /// The key of the pseudonyms, at least 16 bytes. Without it a salt is used that is no secret.
    pub key: Option<FileRef>,
    /// Keeps full numbers in the internal log.
    pub keep_numbers: bool,
}

/// What is kept of records that cannot be used.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with value")]
#[schemars(rename = "DeadLetters")]
pub(super) struct RawDeadLetters {
    /// `original`, or `withheld`: only its length and a keyed digest.
    pub value: RawDeadLetterValue,
}

/// How a dead letter shows the record.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DeadLetterValue")]
pub(super) enum RawDeadLetterValue {
    /// As it was.
    #[default]
    Original,
    /// Only its length and a keyed digest.
    Withheld,
}

/// Where and how much state is kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with dir, max_bytes")]
#[schemars(rename = "State")]
pub(super) struct RawState {
    /// Folder for local state.
    pub dir: PathBuf,
    /// Bound on the detector's state in memory, over all partitions; 16MiB to 1TiB.
    pub max_bytes: Size,
}

impl Default for RawState {
    fn default() -> Self {
        Self {
            dir: "./data".into(),
            max_bytes: Size(1 << 30),
        }
    }
}

/// The HTTP server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a mapping with listen, tokens")]
#[schemars(rename = "Http")]
pub(super) struct RawHttp {
    /// Address and port; one that is not on loopback needs `tokens`.
    pub listen: String,
    /// A file with one token a line, each of at least 16 characters.
    pub tokens: Option<FileRef>,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            tokens: None,
        }
    }
}
