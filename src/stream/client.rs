//! How the clients of librdkafka are set up, and how their reports reach us.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka::{ClientContext, Statistics};

use super::error::{StreamError, is_transient};
use super::group::GroupContext;
use super::settings::StreamSettings;
use crate::model::Millis;

/// Settings on which exactness rests; the user's own cannot override them.
const FIXED_CONSUMER: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("isolation.level", "read_committed"),
    // Every assignment carries explicit offsets; nothing may be reset in silence.
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "false"),
];

/// Settings on which exactness rests: gapless, in order, no give-up.
const FIXED_PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("enable.gapless.guarantee", "true"),
    ("message.timeout.ms", "0"),
    // Kafka's own default partitioner, so that equal keys meet in one partition.
    ("partitioner", "murmur2_random"),
    ("delivery.report.only.error", "false"),
];

const CONSUMER: &[(&str, &str)] = &[
    ("check.crcs", "true"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "20000"),
    ("queued.max.messages.kbytes", "32768"),
    ("fetch.wait.max.ms", "100"),
    ("allow.auto.create.topics", "false"),
];

const PRODUCER: &[(&str, &str)] = &[
    ("compression.codec", "lz4"),
    ("linger.ms", "2"),
    ("queue.buffering.max.messages", "200000"),
    ("queue.buffering.max.kbytes", "131072"),
    ("allow.auto.create.topics", "false"),
];

/// Properties that only one kind of client knows; the other would warn of each.
const CONSUMER_ONLY: &[&str] = &[
    "check.crcs",
    "partition.assignment.strategy",
    "group.protocol",
    "group.instance.id",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "isolation.level",
    "group.remote.assignor",
];
const CONSUMER_ONLY_PREFIXES: &[&str] = &["fetch.", "queued.", "auto.offset.", "auto.commit", "enable.auto."];
const PRODUCER_ONLY: &[&str] = &[
    "acks",
    "request.required.acks",
    "compression.codec",
    "compression.type",
    "compression.level",
    "linger.ms",
    "partitioner",
    "retries",
    "message.send.max.retries",
    "transactional.id",
];
const PRODUCER_ONLY_PREFIXES: &[&str] = &["queue.buffering.", "batch.", "delivery.", "enable.idempotence"];

/// The wall clock: it paces, and stamps ticks; it decides nothing else.
pub(crate) fn wall_now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as i64)
}

fn is_one_of(key: &str, names: &[&str], prefixes: &[&str]) -> bool {
    names.contains(&key) || prefixes.iter().any(|prefix| key.starts_with(prefix))
}

fn base(settings: &StreamSettings, purpose: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("client.id", format!("pumpwatch-{purpose}"));
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// For plain questions: metadata, offsets, administration.
pub(crate) fn admin_config(settings: &StreamSettings, purpose: &str) -> ClientConfig {
    let mut config = base(settings, purpose);
    for (key, value) in &settings.properties {
        let own = is_one_of(key, CONSUMER_ONLY, CONSUMER_ONLY_PREFIXES)
            || is_one_of(key, PRODUCER_ONLY, PRODUCER_ONLY_PREFIXES);
        if !own {
            config.set(key, value);
        }
    }
    config
}

/// For a consumer.
pub(crate) fn consumer_config(settings: &StreamSettings, purpose: &str, group: &str) -> ClientConfig {
    let mut config = base(settings, purpose);
    set_all(&mut config, CONSUMER);
    for (key, value) in &settings.properties {
        if !is_one_of(key, PRODUCER_ONLY, PRODUCER_ONLY_PREFIXES) {
            config.set(key, value);
        }
    }
    if config.get("group.protocol") == Some("consumer") {
        // KIP-848 takes these decisions on the broker and refuses ours.
        config.remove("partition.assignment.strategy");
    }
    set_all(&mut config, FIXED_CONSUMER);
    config.set("group.id", group);
    config
}

/// For a producer.
pub(crate) fn producer_config(settings: &StreamSettings, purpose: &str) -> ClientConfig {
    let mut config = base(settings, purpose);
    set_all(&mut config, PRODUCER);
    for (key, value) in &settings.properties {
        if !is_one_of(key, CONSUMER_ONLY, CONSUMER_ONLY_PREFIXES) {
            config.set(key, value);
        }
    }
    set_all(&mut config, FIXED_PRODUCER);
    config
}

fn set_all(config: &mut ClientConfig, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        config.set(*key, *value);
    }
}

/// A consumer in a group, with its events in a queue.
pub(crate) fn group_consumer(
    settings: &StreamSettings,
    purpose: &str,
    group: &str,
) -> Result<BaseConsumer<GroupContext>, StreamError> {
    let config = consumer_config(settings, purpose, group);
    BaseConsumer::from_config_and_context(&config, GroupContext::default())
        .map_err(|error| StreamError::from_kafka("creating a consumer", &settings.brokers, &error))
}

/// A consumer without subscription, for questions and for plain reading. It never
/// joins `group`, in whose name it asks for committed offsets.
pub(crate) fn plain_consumer(
    settings: &StreamSettings,
    purpose: &str,
    group: &str,
) -> Result<BaseConsumer<Quiet>, StreamError> {
    let config = consumer_config(settings, purpose, group);
    BaseConsumer::from_config_and_context(&config, Quiet)
        .map_err(|error| StreamError::from_kafka("creating a consumer", &settings.brokers, &error))
}

/// How long a topic that the broker does not know is asked for again: one that was
/// made a moment ago may not have reached every broker.
const UNKNOWN: Duration = Duration::from_secs(2);
/// Pause before a question is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// Asks until there is an answer or an error that does not pass by itself, or
/// until `limit`. For the start: a running loop never waits.
pub(crate) fn patiently<T>(limit: Duration, mut ask: impl FnMut(Duration) -> KafkaResult<T>) -> KafkaResult<T> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(AGAIN);
        match ask(left) {
            Err(error) if error.rdkafka_error_code().is_some_and(is_transient) && left > AGAIN => {
                std::thread::sleep(AGAIN);
            }
            answer => return answer,
        }
    }
}

/// Partitions of a topic; `None` when it does not exist.
pub(crate) fn partitions_of(
    consumer: &BaseConsumer<Quiet>,
    settings: &StreamSettings,
    topic: &str,
    timeout: Duration,
) -> Result<Option<u32>, StreamError> {
    let asked = Instant::now();
    loop {
        match known_partitions(consumer, topic, timeout) {
            Ok(None) if asked.elapsed() < UNKNOWN => std::thread::sleep(AGAIN),
            Ok(answer) => return Ok(answer),
            Err(error) => {
                let what = format!("reading what topic `{topic}` is");
                return Err(StreamError::from_kafka(&what, &settings.brokers, &error));
            }
        }
    }
}

fn known_partitions(consumer: &BaseConsumer<Quiet>, topic: &str, timeout: Duration) -> KafkaResult<Option<u32>> {
    use rdkafka::error::RDKafkaErrorCode as Code;
    let metadata = match consumer.fetch_metadata(Some(topic), timeout) {
        Ok(metadata) => metadata,
        Err(error) => match error.rdkafka_error_code() {
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => return Ok(None),
            _ => return Err(error),
        },
    };
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error().map(Code::from) {
        None | Some(Code::LeaderNotAvailable) => Ok(Some(found.partitions().len() as u32).filter(|&count| count > 0)),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => Ok(None),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

/// The outcome of one produced record.
#[derive(Debug)]
pub(crate) struct Report {
    /// What the sender gave it.
    pub(crate) tag: usize,
    /// Why it was not delivered, with its topic.
    pub(crate) failure: Option<(String, KafkaError)>,
}

/// Collects delivery reports for the loop that owns the producer.
#[derive(Debug, Default)]
pub(crate) struct Deliveries(Mutex<Vec<Report>>);

impl Deliveries {
    /// Moves what was reported into `into`, which must be empty.
    pub(crate) fn swap(&self, into: &mut Vec<Report>) {
        std::mem::swap(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        forward_log(level, fac, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "pumpwatch::kafka", %error, reason, "the client reports an error");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let failure = match result {
            Ok(_) => None,
            Err((error, message)) => Some((message.topic().to_string(), error.clone())),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Report { tag, failure });
    }
}

/// An idempotent, gapless producer.
pub(crate) fn producer(settings: &StreamSettings, purpose: &str) -> Result<BaseProducer<Deliveries>, StreamError> {
    let config = producer_config(settings, purpose);
    BaseProducer::from_config_and_context(&config, Deliveries::default())
        .map_err(|error| StreamError::from_kafka("creating a producer", &settings.brokers, &error))
}

/// A client whose only events are log lines.
#[derive(Debug, Default)]
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        forward_log(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "pumpwatch::kafka", %error, reason, "the client reports an error");
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// Log lines of librdkafka go where all others go.
pub(crate) fn forward_log(level: RDKafkaLogLevel, fac: &str, message: &str) {
    use RDKafkaLogLevel as L;
    match level {
        L::Emerg | L::Alert | L::Critical | L::Error => {
            tracing::warn!(target: "pumpwatch::kafka", fac, "{message}");
        }
        L::Warning | L::Notice => tracing::info!(target: "pumpwatch::kafka", fac, "{message}"),
        L::Info | L::Debug => tracing::debug!(target: "pumpwatch::kafka", fac, "{message}"),
    }
}

/// Version of the librdkafka that is linked in.
pub fn librdkafka_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}
