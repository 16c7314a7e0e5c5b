//! What the tests on a real broker share.
//!
//! They are `#[ignore]`d, because they need a broker, and fail without one:
//!
//! ```text
//! eval "$(dev/kafka up)"
//! cargo test --test 'kafka_*' -- --ignored --test-threads=1
//! dev/kafka down
//! ```
//!
//! Nothing here speaks to Kafka by Pumpwatch's own client: records are produced by
//! `Produce.java` and read by Kafka's own console consumer. `PUMPWATCH_TEST_EVENTS`
//! sets how many events the long tests use (200,000 without it).

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod broker;
pub mod check;
pub mod member;
pub mod traffic;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use broker::{Broker, Record};
use member::Member;

/// Longest that a test waits for something to happen.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How many events the long tests use.
pub fn events_wanted() -> usize {
    match std::env::var("PUMPWATCH_TEST_EVENTS") {
        Ok(text) => text.parse().expect("PUMPWATCH_TEST_EVENTS is a number"),
        Err(_) => 200_000,
    }
}

/// Tries until it works out; panics with `what` after [`PATIENCE`].
pub fn wait_until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// One deployment of Pumpwatch with topics and groups of its own.
pub struct Deployment {
    pub broker: Broker,
    prefix: String,
    folder: TempDir,
}

/// The outputs and the internal topics, by their name in the configuration.
pub const TOPICS: [(&str, &str); 8] = [
    ("events", "pumpwatch.events.v1"),
    ("snapshots", "pumpwatch.snapshots.v1"),
    ("alerts", "sms.pumping.alerts.v1"),
    ("blocklist", "sms.pumping.blocklist.v1"),
    ("stats", "sms.pumping.stats.v1"),
    ("dead_letters", "sms.pumping.dlq.v1"),
    ("audit", "sms.pumping.audit.v1"),
    ("feedback", "sms.pumping.feedback.v1"),
];

/// The canonical inputs.
pub const INPUTS: [&str; 3] = ["sms.send.v1", "sms.verification.v1", "sms.delivery.v1"];

/// Partitions of each input: enough to be shared between members.
pub const INPUT_PARTITIONS: u32 = 4;

impl Deployment {
    /// Input topics made by Kafka's own tool, all others by `pumpwatch topics create`.
    pub fn create(name: &str) -> Self {
        let deployment = Self::without_topics(name);
        for input in INPUTS {
            deployment.broker.create_topic(
                &deployment.topic(input),
                INPUT_PARTITIONS,
                &["max.message.bytes=4194304"],
            );
        }
        let created = deployment.pumpwatch(&["topics", "create"]);
        assert!(
            created.status.success(),
            "topics create: {}",
            String::from_utf8_lossy(&created.stderr)
        );
        deployment
    }

    /// Only the configuration; the broker knows none of its topics.
    pub fn without_topics(name: &str) -> Self {
        let broker = Broker::from_environment();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stamp = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("a time after 1970")
            .as_millis();
        let prefix = format!("t{}-{stamp}-{name}.", std::process::id());
        let deployment = Self { broker, prefix, folder };
        let config = deployment.default_config();
        deployment.write_config(&config);
        deployment
    }

    fn default_config(&self) -> Value {
        let topics: serde_json::Map<String, Value> = TOPICS
            .iter()
            .map(|(key, name)| ((*key).to_owned(), json!(self.topic(name))))
            .collect();
        let inputs: Vec<Value> = INPUTS
            .iter()
            .map(|name| json!({"topic": self.topic(name), "start": "earliest"}))
            .collect();
        json!({
            "kafka": {
                "brokers": self.broker.address,
                "group": self.group(),
                // A killed member is missed after six seconds instead of 45.
                "properties": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "1500"},
            },
            "topics": topics,
            "inputs": inputs,
            "detection": {"mode": "enforce"},
            "state": {"dir": self.folder.path().join("state")},
            "http": {"listen": "127.0.0.1:0"},
        })
    }

    /// Changes the configuration; JSON is YAML.
    pub fn reconfigure(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.default_config();
        change(&mut config);
        self.write_config(&config);
    }

    fn write_config(&self, config: &Value) {
        fs::write(
            self.config(),
            serde_json::to_string_pretty(config).expect("a configuration"),
        )
        .expect("a configuration can be written");
    }

    pub fn config(&self) -> PathBuf {
        self.path("pumpwatch.yaml")
    }

    /// A file of this deployment.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The full name of a topic.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub fn group(&self) -> String {
        format!("{}pumpwatch", self.prefix)
    }

    /// Runs `pumpwatch ARGS --config …` to its end.
    pub fn pumpwatch(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pumpwatch"))
            .args(args)
            .arg("--config")
            .arg(self.config())
            .output()
            .expect("pumpwatch can be started")
    }

    /// Starts a member of the group; `name` tells its logs and its state apart.
    pub fn start(&self, name: &str) -> Member {
        Member::start(&self.config(), &self.path(name))
    }

    /// Puts events on the input topics by the other client.
    pub fn produce(&self, lines: &[String], options: &[&str]) -> u64 {
        let file = self.path("produce.ndjson");
        write_lines(&file, lines);
        self.broker.produce(&self.prefix, &file, options)
    }

    /// Everything on an output topic.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        self.broker.read(&self.topic(topic))
    }

    /// Waits until all input has gone through the router and all of the internal log
    /// that was there then through the detector.
    pub fn wait_drained(&self) {
        let router = format!("{}.router", self.group());
        let ends: Vec<(String, _)> = INPUTS
            .iter()
            .map(|input| {
                let topic = self.topic(input);
                let ends = self.broker.end_offsets(&topic);
                (topic, ends)
            })
            .collect();
        for (topic, ends) in &ends {
            self.wait_committed(&router, topic, ends);
        }
        let log = self.topic("pumpwatch.events.v1");
        let ends = self.broker.end_offsets(&log);
        self.wait_committed(&format!("{}.detector", self.group()), &log, &ends);
    }

    fn wait_committed(&self, group: &str, topic: &str, ends: &std::collections::BTreeMap<i32, i64>) {
        wait_until(&format!("{group} reads all of {topic}"), || {
            let committed = self.broker.committed(group);
            let behind = |(partition, end): (&i32, &i64)| {
                *end > 0 && committed.get(&(topic.to_owned(), *partition)).is_none_or(|c| c < end)
            };
            (!ends.iter().any(behind)).then_some(())
        });
    }

    /// Folds the internal log again and returns what it gives.
    pub fn replay_from_kafka(&self) -> Replay {
        let (alerts, blocklist, summary) = (
            self.path("replayed.alerts"),
            self.path("replayed.blocklist"),
            self.path("replayed.summary"),
        );
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let output = self.pumpwatch(&[
            "replay",
            "--from-kafka",
            "--alerts",
            &text(&alerts),
            "--blocklist",
            &text(&blocklist),
            "--summary",
            &text(&summary),
        ]);
        assert!(
            output.status.success(),
            "replay --from-kafka: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Replay::read(&alerts, &blocklist, &summary)
    }
}

/// The files that `replay` writes.
pub struct Replay {
    /// One finding a line, byte for byte.
    pub alerts: Vec<String>,
    /// One change a line.
    pub blocklist: Vec<String>,
    pub summary: Value,
}

impl Replay {
    pub fn read(alerts: &Path, blocklist: &Path, summary: &Path) -> Self {
        let lines = |path: &Path| {
            let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            text.lines().map(str::to_owned).collect()
        };
        let summary_text = fs::read_to_string(summary).expect("a summary");
        Self {
            alerts: lines(alerts),
            blocklist: lines(blocklist),
            summary: serde_json::from_str(&summary_text).expect("the summary is JSON"),
        }
    }
}

pub fn write_lines(path: &Path, lines: &[String]) {
    let mut text = lines.join("\n");
    text.push('\n');
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
