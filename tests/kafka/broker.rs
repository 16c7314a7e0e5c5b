//! The real broker, reached through Kafka's own tools and client.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// One record as Kafka's console consumer prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    /// Epoch milliseconds.
    pub timestamp: i64,
    /// In their order; names can repeat.
    pub headers: Vec<(String, String)>,
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Record {
    pub fn key_text(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().expect("a key")).expect("a key in UTF-8")
    }

    pub fn value_text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).expect("a value in UTF-8")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Separators that no text in the tests contains.
const BETWEEN_FIELDS: char = '\u{1f}';
const BETWEEN_HEADERS: char = '\u{1e}';
const AFTER_RECORD: char = '\u{1d}';
const NULL: &str = "\u{1a}NULL";

pub struct Broker {
    /// `host:port` of the plaintext listener.
    pub address: String,
}

impl Broker {
    pub fn from_environment() -> Self {
        let address = std::env::var("PUMPWATCH_TEST_BROKERS").unwrap_or_else(|_| {
            panic!("PUMPWATCH_TEST_BROKERS names no broker: start one with  eval \"$(dev/kafka up)\"")
        });
        Self { address }
    }

    /// The listener where the user `limited` may do nothing.
    pub fn sasl_address() -> String {
        std::env::var("PUMPWATCH_TEST_SASL_BROKERS").unwrap_or_else(|_| {
            panic!("PUMPWATCH_TEST_SASL_BROKERS names no broker: start one with  eval \"$(dev/kafka up)\"")
        })
    }

    fn tool(&self, args: &[&str]) -> Output {
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dev/kafka"))
            .args(args)
            .env("PUMPWATCH_TEST_BROKERS", &self.address)
            .output()
            .expect("dev/kafka can be started")
    }

    fn tool_text(&self, args: &[&str]) -> String {
        let output = self.tool(args);
        assert!(
            output.status.success(),
            "dev/kafka {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("the tool prints UTF-8")
    }

    pub fn create_topic(&self, topic: &str, partitions: u32, configs: &[&str]) {
        let partitions = partitions.to_string();
        let mut args = vec!["topics", "--create", "--topic", topic, "--partitions", &partitions];
        for config in configs {
            args.extend(["--config", config]);
        }
        self.tool_text(&args);
    }

    /// The end offset of each partition.
    pub fn end_offsets(&self, topic: &str) -> BTreeMap<i32, i64> {
        let text = self.tool_text(&["offsets", "--topic", topic]);
        let ends: BTreeMap<i32, i64> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.rsplit(':');
                let end = fields.next()?.parse().ok()?;
                let partition = fields.next()?.parse().ok()?;
                Some((partition, end))
            })
            .collect();
        assert!(!ends.is_empty(), "no such topic: {topic}");
        ends
    }

    /// What a consumer group has committed; empty while it does not exist.
    pub fn committed(&self, group: &str) -> BTreeMap<(String, i32), i64> {
        let rows = self.describe_group(&[group]);
        rows.into_iter()
            .filter_map(|row| {
                let partition = row.get("PARTITION")?.parse().ok()?;
                let offset = row.get("CURRENT-OFFSET")?.parse().ok()?;
                Some(((row.get("TOPIC")?.clone(), partition), offset))
            })
            .collect()
    }

    /// Number of partitions of each live member of a group.
    pub fn members(&self, group: &str) -> BTreeMap<String, u32> {
        let rows = self.describe_group(&[group, "--members"]);
        rows.into_iter()
            .filter_map(|row| {
                let partitions = row.get("#PARTITIONS")?.parse().ok()?;
                Some((row.get("CONSUMER-ID")?.clone(), partitions))
            })
            .collect()
    }

    /// The tool's table, a map from column to cell for each row.
    fn describe_group(&self, args: &[&str]) -> Vec<BTreeMap<String, String>> {
        let mut all = vec!["groups", "--describe", "--group"];
        all.extend(args);
        let output = self.tool(&all);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().skip_while(|line| !line.starts_with("GROUP "));
        let Some(header) = lines.next() else {
            return Vec::new();
        };
        let columns: Vec<&str> = header.split_whitespace().collect();
        lines
            .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter(|cells| cells.len() == columns.len())
            .map(|cells| columns.iter().map(|c| (*c).to_owned()).zip(cells).collect())
            .collect()
    }

    /// Runs `Produce.java`; returns how many records were acknowledged.
    pub fn produce(&self, topic_prefix: &str, file: &Path, options: &[&str]) -> u64 {
        let file = file.to_str().expect("a path in UTF-8");
        let mut args = vec!["produce", "--topic-prefix", topic_prefix];
        args.extend(options);
        args.push(file);
        let report = self.tool_text(&args);
        let report: serde_json::Value = serde_json::from_str(report.trim()).expect("a report in JSON");
        report["records"].as_u64().expect("a count")
    }

    /// All committed records of a topic, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        let property = |name: &str, value: &str| format!("{name}={value}");
        let properties = [
            property("print.timestamp", "true"),
            property("print.partition", "true"),
            property("print.offset", "true"),
            property("print.headers", "true"),
            property("print.key", "true"),
            property("key.separator", &BETWEEN_FIELDS.to_string()),
            property("headers.separator", &BETWEEN_HEADERS.to_string()),
            property("line.separator", &AFTER_RECORD.to_string()),
            property("null.literal", NULL),
        ];
        let mut args = vec![
            "console-consumer",
            "--topic",
            topic,
            "--from-beginning",
            "--timeout-ms",
            "3000",
            "--isolation-level",
            "read_committed",
        ];
        for property in &properties {
            args.extend(["--formatter-property", property]);
        }
        let output = self.tool(&args);
        assert!(
            output.status.success(),
            "console consumer of {topic}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut records: Vec<Record> = output
            .stdout
            .split(|b| *b == AFTER_RECORD as u8)
            .filter(|text| !text.is_empty())
            .map(parse_record)
            .collect();
        records.sort();
        records
    }
}

fn parse_record(text: &[u8]) -> Record {
    let fields: Vec<&[u8]> = text.splitn(6, |b| *b == BETWEEN_FIELDS as u8).collect();
    let [timestamp, partition, offset, headers, key, value] = fields[..] else {
        panic!("not a record: {}", String::from_utf8_lossy(text));
    };
    let after = |field: &[u8], label: &str| {
        let field = std::str::from_utf8(field).expect("UTF-8");
        let number = field
            .strip_prefix(label)
            .unwrap_or_else(|| panic!("{field}: no {label}"));
        number.parse::<i64>().expect("a number")
    };
    let blob = |field: &[u8]| (field != NULL.as_bytes()).then(|| field.to_vec());
    Record {
        timestamp: after(timestamp, "CreateTime:"),
        partition: i32::try_from(after(partition, "Partition:")).expect("a partition"),
        offset: after(offset, "Offset:"),
        headers: parse_headers(headers),
        key: blob(key),
        value: blob(value),
    }
}

fn parse_headers(text: &[u8]) -> Vec<(String, String)> {
    if text == b"NO_HEADERS" || text.is_empty() {
        return Vec::new();
    }
    String::from_utf8_lossy(text)
        .split(BETWEEN_HEADERS)
        .map(|header| {
            let (name, value) = header.split_once(':').expect("name:value");
            (name.to_owned(), value.to_owned())
        })
        .collect()
}
