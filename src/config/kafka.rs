//! The `kafka` section: brokers, encryption, and the properties of librdkafka
//! that may not be touched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use serde::{Serialize, Serializer};

use super::raw::RawKafka;
use super::scalars::RawProperty;
use super::secret::{Secret, read_secret};
use super::validate::Problems;
use super::{Brokers, error::did_you_mean};

/// How to reach Kafka.
#[derive(Clone, Debug, Serialize)]
pub struct Kafka {
    /// `host:port`, at least one unless the command does without Kafka.
    pub brokers: Vec<String>,
    /// What the consumer groups' names begin with.
    pub group: String,
    /// For librdkafka, by name; none that exactness rests on.
    pub properties: BTreeMap<String, PropertyValue>,
    /// Whether an unencrypted broker off loopback is allowed.
    pub allow_plaintext: bool,
}

impl Kafka {
    /// The brokers as librdkafka's `bootstrap.servers` wants them.
    pub fn bootstrap_servers(&self) -> String {
        self.brokers.join(",")
    }

    /// Consumer group of the router.
    pub fn router_group(&self) -> String {
        format!("{}.router", self.group)
    }

    /// Consumer group of the detector.
    pub fn detector_group(&self) -> String {
        format!("{}.detector", self.group)
    }
}

/// The value of a librdkafka property.
#[derive(Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// May be shown.
    Plain(String),
    /// Read from a file, or the value of a property whose name says that it is secret.
    Secret(Secret),
}

impl PropertyValue {
    /// The text for librdkafka.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            // Validation has checked that it is text.
            Self::Secret(secret) => secret.expose_str().unwrap_or_default(),
        }
    }
}

impl std::fmt::Debug for PropertyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Secret(secret) => write!(f, "{secret:?}"),
        }
    }
}

impl Serialize for PropertyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Secret(secret) => secret.serialize(serializer),
        }
    }
}

const COMMITS: &str = "Pumpwatch commits an offset only after the output before it is acknowledged";
const ORDER: &str =
    "the internal log must be written in order and without gaps, which Pumpwatch's own settings guarantee";
const REPORTS: &str = "Pumpwatch waits for every delivery report before it commits";
const ASSIGNMENT: &str = "Pumpwatch hands partitions over one by one and relies on cooperative rebalancing";
const POSITIONS: &str = "Pumpwatch starts each partition at the position that it knows";
const PARTITIONING: &str = "the partition of a record is fixed by its tenant";
const READING: &str = "Pumpwatch reads committed, undamaged records only";

/// Properties that are refused, with the reason.
const REFUSED: [(&str, &str); 36] = [
    ("acks", ORDER),
    (
        "allow.auto.create.topics",
        "topics are made by `pumpwatch topics create`, with the settings that they need",
    ),
    ("auto.commit.enable", COMMITS),
    ("auto.commit.interval.ms", COMMITS),
    (
        "auto.offset.reset",
        "set `start` of the input instead; later positions are known",
    ),
    ("bootstrap.servers", "set `kafka.brokers` instead"),
    ("check.crcs", READING),
    ("delivery.report.only.error", REPORTS),
    ("delivery.timeout.ms", ORDER),
    ("enable.auto.commit", COMMITS),
    ("enable.auto.offset.store", COMMITS),
    ("enable.gapless.guarantee", ORDER),
    ("enable.idempotence", ORDER),
    ("enable.partition.eof", POSITIONS),
    ("group.id", "set `kafka.group` instead"),
    ("isolation.level", READING),
    ("max.in.flight", ORDER),
    ("max.in.flight.requests.per.connection", ORDER),
    ("message.send.max.retries", ORDER),
    ("message.timeout.ms", ORDER),
    ("metadata.broker.list", "set `kafka.brokers` instead"),
    ("msg_order_cmp", ORDER),
    ("offset.store.method", COMMITS),
    ("offset.store.path", COMMITS),
    ("offset.store.sync.interval.ms", COMMITS),
    ("partition.assignment.strategy", ASSIGNMENT),
    ("partitioner", PARTITIONING),
    ("produce.offset.report", REPORTS),
    ("queuing.strategy", ORDER),
    ("request.required.acks", ORDER),
    ("retries", ORDER),
    ("sticky.partitioning.linger.ms", PARTITIONING),
    (
        "test.mock.broker.rtt",
        "the embedded broker belongs to `pumpwatch demo`",
    ),
    (
        "test.mock.num.brokers",
        "the embedded broker belongs to `pumpwatch demo`",
    ),
    ("transaction.timeout.ms", "exactness does not rest on transactions"),
    ("transactional.id", "exactness does not rest on transactions"),
];

/// Values of `security.protocol`, and whether they encrypt.
const PROTOCOLS: [(&str, bool); 4] = [
    ("plaintext", false),
    ("sasl_plaintext", false),
    ("ssl", true),
    ("sasl_ssl", true),
];

pub(super) fn validate(raw: RawKafka, need: Brokers, problems: &mut Problems) -> Kafka {
    let brokers = validate_brokers(raw.brokers.as_deref(), need, problems);
    if !is_kafka_name(&raw.group, 200) {
        problems.add(
            "kafka.group",
            format!(
                "is `{}`, which is not a group name; use up to 200 letters, digits, dots, hyphens and underscores",
                raw.group
            ),
        );
    }
    let properties = validate_properties(raw.properties, problems);
    refuse_plaintext(&brokers, &properties, raw.allow_plaintext, problems);
    Kafka {
        brokers,
        group: raw.group,
        properties,
        allow_plaintext: raw.allow_plaintext,
    }
}

/// Kafka's rule for topic names, which serves for groups too.
pub(super) fn is_kafka_name(name: &str, len_max: usize) -> bool {
    (1..=len_max).contains(&name.len())
        && name != "."
        && name != ".."
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn validate_brokers(raw: Option<&str>, need: Brokers, problems: &mut Problems) -> Vec<String> {
    let Some(list) = raw else {
        if need == Brokers::Required {
            problems.add(
                "kafka.brokers",
                "is not set and has no default; write `kafka: {brokers: host:9092}` in the file given by --config, \
                 or set PUMPWATCH__KAFKA__BROKERS",
            );
        }
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut brokers = Vec::new();
    for entry in list.split(',').map(str::trim) {
        if let Err(reason) = check_broker(entry) {
            problems.note("kafka.brokers", reason);
        } else if seen.insert(entry) {
            brokers.push(entry.to_owned());
        }
    }
    brokers
}

/// `host:port`, `host`, `[ipv6]:port`.
fn check_broker(entry: &str) -> Result<(), String> {
    if entry.is_empty() {
        return Err("an entry is empty; write host:port, several separated by commas".into());
    }
    if entry.contains("://") {
        return Err(format!(
            "`{entry}` names a protocol; write host:port and set `kafka.properties.security.protocol`"
        ));
    }
    let (host, port) = split_broker(entry);
    let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
    };
    if port_is_good && host_is_good {
        Ok(())
    } else {
        Err(format!(
            "`{entry}` is not an address; write host:port with a port from 1 to 65535, an IPv6 address in brackets"
        ))
    }
}

fn split_broker(entry: &str) -> (&str, Option<&str>) {
    let host_end = entry.rfind(']').map_or(0, |end| end + 1);
    match entry[host_end..].find(':') {
        Some(colon) => (&entry[..host_end + colon], Some(&entry[host_end + colon + 1..])),
        None => (entry, None),
    }
}

fn is_loopback(broker: &str) -> bool {
    let (host, _) = split_broker(broker);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn validate_properties(raw: BTreeMap<String, RawProperty>, problems: &mut Problems) -> BTreeMap<String, PropertyValue> {
    let mut properties = BTreeMap::new();
    for (written, value) in raw {
        let path = format!("kafka.properties.{written}");
        let name = written.trim().to_lowercase();
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            problems.add(&path, format!("may not be set: {reason}; remove it"));
            continue;
        }
        let Some(value) = property_value(&path, &name, value, problems) else {
            continue;
        };
        if properties.insert(name, value).is_some() {
            problems.add(&path, "is set twice, in different case; remove one of them");
        }
    }
    if let Some(PropertyValue::Plain(protocol)) = properties.get("security.protocol")
        && !PROTOCOLS
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(protocol.trim()))
    {
        let known = PROTOCOLS.map(|(name, _)| name);
        problems.add(
            "kafka.properties.security.protocol",
            format!(
                "cannot be `{protocol}`{} (known here: {})",
                did_you_mean(protocol, known),
                known.join(", ")
            ),
        );
    }
    properties
}

fn property_value(path: &str, name: &str, raw: RawProperty, problems: &mut Problems) -> Option<PropertyValue> {
    match raw {
        RawProperty::Text(text) if is_secret_name(name) => Some(PropertyValue::Secret(Secret::new(text.0))),
        RawProperty::Text(text) => Some(PropertyValue::Plain(text.0)),
        RawProperty::File(reference) => match read_secret(&reference.file) {
            Ok(secret) if secret.expose_str().is_some_and(|text| !text.contains('\0')) => {
                Some(PropertyValue::Secret(secret))
            }
            Ok(_) => {
                problems.note(
                    path,
                    format!("the file {} does not hold text", reference.file.display()),
                );
                None
            }
            Err(error) => {
                problems.note(path, error.to_string());
                None
            }
        },
    }
}

/// Errs towards hiding: a hidden path costs a look into the file, a shown password more.
fn is_secret_name(name: &str) -> bool {
    const MARKS: [&str; 8] = [
        "password",
        "secret",
        "pem",
        "assertion",
        "oauthbearer.config",
        "credential",
        "private.key",
        "ssl_key",
    ];
    MARKS.iter().any(|mark| name.contains(mark))
}

fn refuse_plaintext(
    brokers: &[String],
    properties: &BTreeMap<String, PropertyValue>,
    allowed: bool,
    problems: &mut Problems,
) {
    let protocol = properties
        .get("security.protocol")
        .map_or("plaintext", PropertyValue::expose)
        .trim();
    let encrypted = PROTOCOLS
        .iter()
        .any(|(name, encrypted)| *encrypted && name.eq_ignore_ascii_case(protocol));
    if encrypted || allowed {
        return;
    }
    if let Some(broker) = brokers.iter().find(|broker| !is_loopback(broker)) {
        problems.add(
            "kafka.brokers",
            format!(
                "names {broker}, which is not on this machine, and the connection would not be encrypted; set \
                 `kafka.properties.security.protocol` to ssl or sasl_ssl, or `kafka.allow_plaintext: true` \
                 if the network between is trusted"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_addresses() {
        for good in [
            "a",
            "a:1",
            "kafka-0.kafka:9092",
            "127.0.0.1:9092",
            "[::1]:9092",
            "[fe80::1]",
            "my_host:9092",
        ] {
            assert_eq!(check_broker(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            ":9092",
            "a:0",
            "a:65536",
            "a:b",
            "ssl://a:9092",
            "::1:9092",
            "[::1",
            "a b:1",
            "[x]:1",
        ] {
            assert!(check_broker(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for yes in ["localhost:9092", "LOCALHOST", "127.0.0.1:1", "127.9.9.9", "[::1]:9092"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.example.com:9092", "10.0.0.1:9092", "[::2]:9092", "kafka"] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn the_table_of_refusals_is_sorted_and_lower_case() {
        assert!(REFUSED.is_sorted_by_key(|(name, _)| *name));
        assert!(REFUSED.iter().all(|(name, _)| *name == name.to_lowercase()));
    }
}
