//! Internal log → detector → output topics.
//!
//! One thread owns the consumer, the producer and one fold for each assigned
//! partition. A fold always begins at the partition's first record; what it says
//! about records before the committed offset was published by an earlier owner and
//! is not published again. Restoring is folding, record by record between polls,
//! so a long log never keeps the loop from its group.
//!
//! **Invariant.** The committed offset of a partition says: everything that the
//! records before it caused is acknowledged by the output topics.

mod membership;
mod partition;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};

use self::partition::PartitionTask;
use super::client::{group_consumer, partitions_of, plain_consumer, wall_now};
use super::error::{StreamError, is_authorization, is_transient};
use super::fold::{ORIGIN_HEADER, origin};
use super::group::{Committer, GroupContext, Membership, Phase, answer_assign, answer_revoke, list_of, positions_of};
use super::observer::{Half, Observer};
use super::offsets::Offsets;
use super::outbox::{Outbox, Outgoing, kafka_headers};
use super::run::Shutdown;
use super::settings::StreamSettings;
use crate::detector::Effect;
use crate::model::Millis;
use crate::model::log::Feed;
use crate::render::{self, OutputTopic};

/// Messages folded in one round, at most.
const FOLD_MAX: usize = 500;
/// Time between what the observer is told.
const TELL: Duration = Duration::from_millis(500);
/// Time between commits while output flows: what a crash makes us publish again.
const COMMIT_BUSY: Duration = Duration::from_millis(100);

/// What the detector task is handed.
#[derive(Clone)]
pub(crate) struct DetectorParts {
    pub(crate) settings: StreamSettings,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) shutdown: Shutdown,
}

/// An output record on its way, until it is acknowledged.
struct Sent {
    partition: i32,
    epoch: u64,
    effect: Effect,
    newest_record_time: Option<Millis>,
}

struct Detector<'c> {
    parts: DetectorParts,
    consumer: &'c BaseConsumer<GroupContext>,
    outbox: Outbox,
    offsets: Offsets,
    /// Partitions of the internal log.
    log_partitions: u32,
    phase: Phase,
    positioning: Vec<Feed>,
    draining: Option<membership::Drain>,
    tasks: Vec<PartitionTask>,
    sent: HashMap<usize, Sent>,
    next_tag: usize,
    paused: bool,
    committer: Committer,
    commit_in_flight: bool,
    last_commit: Instant,
    last_told: Instant,
    effects: Vec<Effect>,
}

/// Runs the detector task until shutdown; returns when everything is drained.
pub(crate) fn run(parts: DetectorParts) -> Result<(), StreamError> {
    let settings = parts.settings.clone();
    let group = settings.detector_group();
    let log_partitions = check_topics(&settings)?;
    let outbox = Outbox::new(&settings, "detector")?;
    let offsets = Offsets::start(&settings, &group, "detector")?;
    let membership = Membership::new(group_consumer(&settings, "detector", &group)?);
    let committer = Committer::start(&membership, "detector")?;
    let consumer = membership.consumer();
    consumer
        .subscribe(&[&settings.topics.events])
        .map_err(|error| StreamError::from_kafka("subscribing", &settings.brokers, &error))?;
    let now = Instant::now();
    let detector = Detector {
        parts,
        consumer,
        outbox,
        offsets,
        log_partitions,
        phase: Phase::Steady,
        positioning: Vec::new(),
        draining: None,
        tasks: Vec::new(),
        sent: HashMap::new(),
        next_tag: 0,
        paused: false,
        committer,
        commit_in_flight: false,
        last_commit: now,
        last_told: now,
        effects: Vec::new(),
    };
    detector.run()?;
    membership.leave();
    Ok(())
}

fn check_topics(settings: &StreamSettings) -> Result<u32, StreamError> {
    let consumer = plain_consumer(settings, "detector-start", &settings.detector_group())?;
    let partitions = |topic: &str| {
        partitions_of(&consumer, settings, topic, settings.pace.connect)?
            .ok_or_else(|| StreamError::TopicMissing { topic: topic.into() })
    };
    for topic in [
        OutputTopic::Alerts,
        OutputTopic::Blocklist,
        OutputTopic::Stats,
        OutputTopic::Audit,
    ] {
        partitions(settings.output_topic(topic))?;
    }
    partitions(&settings.topics.events)
}

impl Detector<'_> {
    fn run(mut self) -> Result<(), StreamError> {
        while !self.parts.shutdown.is_set() {
            self.serve_deliveries(Duration::ZERO)?;
            self.serve_group()?;
            self.serve_answers()?;
            self.fold_fetched()?;
            self.regulate()?;
            self.commit_if_due(false)?;
            self.tell();
        }
        self.drain()
    }

    fn serve_deliveries(&mut self, timeout: Duration) -> Result<(), StreamError> {
        let (sent, tasks, observer) = (&mut self.sent, &mut self.tasks, &self.parts.observer);
        self.outbox.serve(timeout, |tag| {
            let Some(sent) = sent.remove(&tag) else { return };
            // A partition that was taken away meanwhile has no more to commit.
            if let Some(task) = tasks.iter_mut().find(|task| task.partition() == sent.partition) {
                task.checkpoints.acknowledged(sent.epoch);
            }
            let latency = sent.newest_record_time.and_then(|time| {
                let passed = wall_now() - time;
                u64::try_from(passed).ok().map(Duration::from_millis)
            });
            observer.published(&sent.effect, latency);
        })
    }

    fn fold_fetched(&mut self) -> Result<(), StreamError> {
        let mut timeout = if self.outbox.is_blocked() {
            Duration::from_millis(1)
        } else {
            Duration::from_millis(5)
        };
        for _ in 0..FOLD_MAX {
            let message = match self.consumer.poll(timeout) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.consumer_error(&error)?;
                    continue;
                }
            };
            timeout = Duration::ZERO;
            let partition = message.partition();
            let Some(place) = self.tasks.iter().position(|task| task.partition() == partition) else {
                continue;
            };
            if self.tasks[place].draining {
                continue;
            }
            let value = message.payload().unwrap_or_default();
            self.fold_one(place, message.offset(), value)?;
        }
        Ok(())
    }

    fn fold_one(&mut self, place: usize, offset: i64, value: &[u8]) -> Result<(), StreamError> {
        let task = &mut self.tasks[place];
        let mut effects = std::mem::take(&mut self.effects);
        let publish = task.fold_record(&self.parts.settings, self.log_partitions, offset, value, &mut effects)?;
        if task.just_restored() {
            let (records, took) = task.restore_took();
            self.parts.observer.restored(task.partition(), records, took);
        }
        if publish {
            let (partition, newest) = (task.partition(), task.fold.newest_record_time());
            for (index, effect) in effects.drain(..).enumerate() {
                self.publish((partition, offset, index), effect, newest)?;
            }
        }
        effects.clear();
        self.effects = effects;
        Ok(())
    }

    fn publish(
        &mut self,
        (partition, offset, index): (i32, i64, usize),
        effect: Effect,
        newest_record_time: Option<Millis>,
    ) -> Result<(), StreamError> {
        let record = render::effect(&effect);
        let Some(task) = self.tasks.iter_mut().find(|task| task.partition() == partition) else {
            return Ok(());
        };
        let epoch = task.checkpoints.produced();
        task.unpublished = true;
        let tag = self.next_tag;
        self.next_tag += 1;
        self.sent.insert(
            tag,
            Sent {
                partition,
                epoch,
                effect,
                newest_record_time,
            },
        );
        self.outbox.send(Outgoing {
            topic: self.parts.settings.output_topic(record.topic).to_string(),
            key: record.key,
            value: record.value,
            headers: Some(kafka_headers(&record.headers, origin_header(partition, offset, index))),
            tag,
            ..Outgoing::default()
        })
    }

    fn consumer_error(&self, error: &KafkaError) -> Result<(), StreamError> {
        let code = error.rdkafka_error_code();
        let topic = &self.parts.settings.topics.events;
        match code {
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {}
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                return Err(StreamError::LogGap(format!(
                    "records of `{topic}` are gone before they were folded ({error}); set `retention.ms=-1` and `retention.bytes=-1` on it and name a new topic as `topics.events`"
                )));
            }
            Some(code) if is_authorization(code) => {
                return Err(StreamError::Unauthorized {
                    what: format!("reading `{topic}` as group `{}`", self.parts.settings.detector_group()),
                    cause: error.to_string(),
                });
            }
            Some(code) if is_transient(code) => {
                self.parts.observer.broker_trouble(Half::Detector, &error.to_string());
                return Ok(());
            }
            _ => {}
        }
        Err(self.client_error(&format!("reading `{topic}`"), error))
    }

    fn client_error(&self, what: &str, error: &KafkaError) -> StreamError {
        StreamError::from_kafka(what, &self.parts.settings.brokers, error)
    }

    /// Pauses everything while the outputs take nothing, and resumes.
    fn regulate(&mut self) -> Result<(), StreamError> {
        let unacknowledged: u64 = self.tasks.iter().map(|task| task.checkpoints.outstanding()).sum();
        let full = self.outbox.is_blocked() || unacknowledged >= self.parts.settings.pace.unacknowledged_max;
        if full == self.paused || self.tasks.is_empty() {
            return Ok(());
        }
        self.paused = full;
        let list = list_of(self.tasks.iter().map(|task| &task.feed));
        let done = if full {
            self.consumer.pause(&list)
        } else {
            self.consumer.resume(&list)
        };
        for task in &self.tasks {
            self.parts.observer.paused(Half::Detector, &task.feed, full);
        }
        done.map_err(|error| self.client_error("pausing the internal log", &error))
    }

    fn commit_if_due(&mut self, now: bool) -> Result<(), StreamError> {
        if self.commit_in_flight {
            return Ok(());
        }
        let output = self.tasks.iter().any(|task| task.unpublished);
        let pause = if output {
            COMMIT_BUSY
        } else {
            self.parts.settings.pace.commit
        };
        if !now && self.last_commit.elapsed() < pause {
            return Ok(());
        }
        self.last_commit = Instant::now();
        let mut positions = Vec::new();
        for task in &mut self.tasks {
            task.cut();
            if let Some(next_offset) = task.take_committable() {
                positions.push((task.feed.clone(), next_offset, task.commit_metadata()));
            }
        }
        if positions.is_empty() {
            return Ok(());
        }
        let list = positions
            .iter()
            .map(|(feed, next_offset, metadata)| (feed, *next_offset, Some(metadata.as_str())));
        let list = positions_of(list).map_err(|error| self.client_error("committing", &error))?;
        self.commit_in_flight = true;
        self.committer.commit(list)
    }

    fn tell(&mut self) {
        if self.last_told.elapsed() < TELL {
            return;
        }
        self.last_told = Instant::now();
        self.tell_now();
    }

    fn tell_now(&self) {
        self.parts.observer.alive(Half::Detector, wall_now());
        for task in &self.tasks {
            self.parts.observer.folded(task.partition(), task.fold.state());
        }
    }

    /// The end: nothing more is folded; what was said is acknowledged and committed.
    fn drain(mut self) -> Result<(), StreamError> {
        let deadline = Instant::now() + self.parts.settings.pace.drain;
        let unanswered = (self.phase, self.draining.take());
        self.phase.advance(Phase::Closing).map_err(StreamError::Internal)?;
        let outstanding = |tasks: &[PartitionTask]| tasks.iter().any(|task| task.checkpoints.outstanding() > 0);
        for task in &mut self.tasks {
            task.draining = true;
        }
        let mut committed = false;
        while outstanding(&self.tasks) || self.commit_in_flight || !committed {
            if Instant::now() >= deadline {
                return Err(StreamError::DrainTimeout {
                    what: "the detector".into(),
                    seconds: self.parts.settings.pace.drain.as_secs(),
                });
            }
            self.serve_deliveries(Duration::from_millis(5))?;
            let _ = self.consumer.poll(Duration::from_millis(5));
            self.serve_group()?;
            if !outstanding(&self.tasks) && !self.commit_in_flight && !committed {
                self.commit_if_due(true)?;
                committed = true;
            }
        }
        self.tell_now();
        self.committer.finish();
        match unanswered {
            (Phase::Positioning, _) => answer_assign(self.consumer, &list_of([])),
            (_, Some(drain)) => answer_revoke(self.consumer, &list_of(&drain.feeds)),
            _ => Ok(()),
        }
        .map_err(|error| StreamError::from_kafka("leaving the group", &self.parts.settings.brokers, &error))
    }
}

fn origin_header(partition: i32, offset: i64, index: usize) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header {
        key: ORIGIN_HEADER,
        value: Some(&origin(partition, offset, index)),
    })
}
