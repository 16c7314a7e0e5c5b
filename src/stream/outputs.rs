//! The topics that Pumpwatch owns: what they must be like, making them, and
//! telling where they differ. An existing topic is never changed.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{Quiet, admin_config};
use super::error::StreamError;
use super::settings::StreamSettings;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Copies of each partition, where there are as many brokers.
const REPLICATION: usize = 3;
/// How long the broker may take to make a topic.
const ADMIN: Duration = Duration::from_secs(30);

/// What a topic must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// Partitions it is made with.
    pub partitions: u32,
    /// Whether another number of partitions than [`TopicSpec::partitions`] is fine.
    pub partitions_free: bool,
    /// Settings on which correctness rests, with their values.
    pub required: Vec<(&'static str, String)>,
    /// Settings it is made with, which may be changed.
    pub initial: Vec<(&'static str, String)>,
}

/// What became of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It was made.
    Created,
    /// It was there already.
    Existed,
}

/// How a topic is, beside how it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Its partitions; `None` when it does not exist.
    pub partitions: Option<u32>,
    /// Copies of each partition.
    pub replication: usize,
    /// What must be changed, each a sentence.
    pub differences: Vec<String>,
}

/// Every topic that Pumpwatch needs. The inputs are someone else's; with
/// `with_inputs` those that do not exist are made too, with the broker's defaults.
pub fn wanted(settings: &StreamSettings, log_partitions: u32, with_inputs: bool) -> Vec<TopicSpec> {
    let topics = &settings.topics;
    let keep = |ms: i64| vec![("retention.ms", ms.to_string())];
    let plain = |name: &str, purpose, partitions, initial| TopicSpec {
        name: name.to_string(),
        purpose,
        partitions,
        partitions_free: true,
        required: vec![("cleanup.policy", "delete".to_string())],
        initial,
    };
    let mut all = vec![
        TopicSpec {
            name: topics.events.clone(),
            purpose: "internal log",
            partitions: log_partitions,
            partitions_free: true,
            // State is built from the first record on, so none may be deleted.
            required: vec![
                ("cleanup.policy", "delete".into()),
                ("retention.ms", "-1".into()),
                ("retention.bytes", "-1".into()),
            ],
            initial: vec![("compression.type", "producer".into())],
        },
        plain(&topics.alerts, "findings", 3, keep(30 * DAY_MS)),
        TopicSpec {
            name: topics.blocklist.clone(),
            purpose: "blocklist",
            partitions: 3,
            partitions_free: true,
            required: vec![("cleanup.policy", "compact".into())],
            // A reader that starts anew finds few superseded entries, and has a
            // day to see a tombstone.
            initial: vec![
                ("min.cleanable.dirty.ratio", "0.1".into()),
                ("segment.ms", HOUR_MS.to_string()),
                ("delete.retention.ms", DAY_MS.to_string()),
            ],
        },
        plain(&topics.stats, "window statistics", log_partitions, keep(7 * DAY_MS)),
        plain(&topics.audit, "audit", 1, keep(365 * DAY_MS)),
        plain(&topics.dead_letters, "dead letters", 3, keep(14 * DAY_MS)),
        plain(&topics.feedback, "feedback", 1, keep(30 * DAY_MS)),
    ];
    if with_inputs {
        for input in &settings.inputs {
            if all.iter().all(|spec| spec.name != input.topic) {
                all.push(TopicSpec {
                    name: input.topic.clone(),
                    purpose: "input",
                    partitions: log_partitions,
                    partitions_free: true,
                    required: Vec::new(),
                    initial: Vec::new(),
                });
            }
        }
    }
    all
}

/// Makes the topics that are not there yet, with `replication_factor` copies or,
/// without it, three where there are as many brokers.
pub fn create(
    settings: &StreamSettings,
    specs: &[TopicSpec],
    replication_factor: Option<u16>,
) -> Result<Vec<(String, Creation)>, StreamError> {
    let admin = Admin::new(settings)?;
    let brokers = admin.brokers()?;
    let replication = replication_factor.map_or(brokers.min(REPLICATION) as i32, i32::from);
    let in_sync = if replication >= REPLICATION as i32 { "2" } else { "1" };
    let new: Vec<NewTopic<'_>> = specs
        .iter()
        .map(|spec| {
            let mut topic = NewTopic::new(&spec.name, spec.partitions as i32, TopicReplication::Fixed(replication));
            for (key, value) in spec.required.iter().chain(&spec.initial) {
                topic = topic.set(key, value);
            }
            topic.set("min.insync.replicas", in_sync)
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(ADMIN))
        .operation_timeout(Some(ADMIN));
    let results =
        wait(admin.client.create_topics(&new, &options))?.map_err(|error| admin.fail("creating topics", &error))?;
    results
        .into_iter()
        .map(|result| match result {
            Ok(name) => Ok((name, Creation::Created)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => Ok((name, Creation::Existed)),
            Err((name, code)) => Err(admin.fail(&format!("creating topic `{name}`"), &KafkaError::AdminOp(code))),
        })
        .collect()
}

/// Compares the topics with what they must be.
pub fn describe(settings: &StreamSettings, specs: &[TopicSpec]) -> Result<Vec<TopicReport>, StreamError> {
    let admin = Admin::new(settings)?;
    specs.iter().map(|spec| admin.report(spec)).collect()
}

struct Admin<'a> {
    client: AdminClient<Quiet>,
    settings: &'a StreamSettings,
}

impl<'a> Admin<'a> {
    fn new(settings: &'a StreamSettings) -> Result<Self, StreamError> {
        let config = admin_config(settings, "admin");
        let client = AdminClient::from_config_and_context(&config, Quiet)
            .map_err(|error| StreamError::from_kafka("creating a client", &settings.brokers, &error))?;
        Ok(Self { client, settings })
    }

    fn inner(&self) -> &Client<Quiet> {
        self.client.inner()
    }

    fn fail(&self, what: &str, error: &KafkaError) -> StreamError {
        StreamError::from_kafka(what, &self.settings.brokers, error)
    }

    fn brokers(&self) -> Result<usize, StreamError> {
        // Of one topic: the list of all may be long. It need not exist.
        let metadata = self
            .inner()
            .fetch_metadata(Some(&self.settings.topics.events), self.settings.pace.connect)
            .map_err(|error| self.fail("asking for the brokers", &error))?;
        Ok(metadata.brokers().len().max(1))
    }

    fn report(&self, spec: &TopicSpec) -> Result<TopicReport, StreamError> {
        let what = format!("reading what topic `{}` is", spec.name);
        let mut report = TopicReport {
            name: spec.name.clone(),
            purpose: spec.purpose,
            partitions: None,
            replication: 0,
            differences: Vec::new(),
        };
        let missing = || {
            format!(
                "`{}` does not exist; create it with `pumpwatch topics create`",
                spec.name
            )
        };
        let metadata = match self
            .inner()
            .fetch_metadata(Some(&spec.name), self.settings.pace.connect)
        {
            Ok(metadata) => metadata,
            Err(error) => return Err(self.fail(&what, &error)),
        };
        let topic = metadata.topics().iter().find(|topic| topic.name() == spec.name);
        let partitions = topic.map_or(&[][..], |topic| topic.partitions());
        if let Some(code) = topic
            .and_then(rdkafka::metadata::MetadataTopic::error)
            .map(RDKafkaErrorCode::from)
            && !matches!(
                code,
                RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition
            )
        {
            return Err(self.fail(&what, &KafkaError::MetadataFetch(code)));
        }
        if partitions.is_empty() {
            report.differences.push(missing());
            return Ok(report);
        }
        report.partitions = Some(partitions.len() as u32);
        report.replication = partitions.iter().map(|p| p.replicas().len()).min().unwrap_or(0);
        if !spec.partitions_free && partitions.len() as u32 != spec.partitions {
            report.differences.push(format!(
                "`{}` has {} partitions and must have {}",
                spec.name,
                partitions.len(),
                spec.partitions
            ));
        }
        if !spec.required.is_empty() {
            self.compare_settings(spec, &mut report)?;
        }
        Ok(report)
    }

    fn compare_settings(&self, spec: &TopicSpec, report: &mut TopicReport) -> Result<(), StreamError> {
        let what = format!("reading the settings of `{}`", spec.name);
        let options = AdminOptions::new().request_timeout(Some(self.settings.pace.connect));
        let resource = ResourceSpecifier::Topic(&spec.name);
        let answers =
            wait(self.client.describe_configs([&resource], &options))?.map_err(|error| self.fail(&what, &error))?;
        for answer in answers {
            let answer = answer.map_err(|code| self.fail(&what, &KafkaError::AdminOp(code)))?;
            for (key, value) in &spec.required {
                let found = answer
                    .get(key)
                    .and_then(|entry| entry.value.as_deref())
                    .unwrap_or("unset");
                if found != value {
                    report.differences.push(format!(
                        "`{}` has {key}={found} and must have {key}={value}; change it with `kafka-configs --alter --topic {} --add-config {key}={value}`",
                        spec.name, spec.name
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Waits for an answer of the administration interface.
fn wait<F: Future>(answer: F) -> Result<F::Output, StreamError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| StreamError::Internal(format!("waiting for the broker: {error}")))?;
    Ok(runtime.block_on(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Policy;
    use crate::stream::{InputSettings, Pace, Start, Topics};

    #[test]
    fn the_log_keeps_everything_the_blocklist_is_compacted_and_nothing_is_named_twice() {
        let settings = StreamSettings {
            brokers: String::new(),
            properties: Vec::new(),
            group: "g".into(),
            topics: Topics::default(),
            inputs: vec![InputSettings {
                topic: "sms.send.v1".into(),
                format: crate::decode::Format::CANONICAL,
                tenant: None,
                app: None,
                start: Start::Earliest,
            }],
            policy: Policy::default().to_record("1"),
            privacy_key: None,
            keep_numbers: false,
            dead_letter_values: crate::stream::DeadLetterValues::Original,
            member: String::new(),
            pace: Pace::default(),
        };
        let specs = wanted(&settings, 8, true);
        let of = |name: &str| specs.iter().find(|spec| spec.name == name).unwrap();
        assert!(
            of("pumpwatch.events.v1")
                .required
                .contains(&("retention.ms", "-1".into()))
        );
        assert!(
            of("sms.pumping.blocklist.v1")
                .required
                .contains(&("cleanup.policy", "compact".into()))
        );
        let mut names: Vec<_> = specs.iter().map(|spec| &spec.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8);
        assert_eq!(wanted(&settings, 8, false).len(), 7);
    }
}
