//! Folds the internal log once more, from its first record to its end as it is
//! now, and hands out what it says: byte for byte what the live run published.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Quiet, partitions_of, patiently, plain_consumer};
use super::error::{StreamError, is_transient};
use super::fold::{FoldError, PartitionFold};
use super::handover::{Continued, LogHandover};
use super::header;
use super::offsets::offsets_at;
use super::settings::StreamSettings;
use crate::detector::{Effect, EventCounts};
use crate::model::Millis;
use crate::model::log::{Feed, LogRecord, PolicyRecord, RecordCounts};

/// What of the log to fold, and how.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    /// Leave out what was said before this log time. State is built from the first
    /// record in any case.
    pub from: Option<Millis>,
    /// Stop once log time is past this.
    pub to: Option<Millis>,
    /// Put this policy in the place of every one in the log: a backtest.
    pub policy: Option<PolicyRecord>,
}

/// Something the fold says, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Partition of the internal log.
    pub partition: i32,
    /// Offset of the record that caused it.
    pub offset: i64,
    /// Place among the effects of that record.
    pub index: usize,
    /// Log time after that record.
    pub log_time: Millis,
    /// What.
    pub effect: Effect,
}

/// Takes what the fold says, in the order of partitions and offsets.
pub trait ReplaySink {
    /// One effect.
    fn said(&mut self, said: Said) -> std::io::Result<()>;

    /// A partition is done.
    #[allow(unused_variables)]
    fn ended(&mut self, fold: &PartitionFold) {}

    /// How many records of the log are done, of how many.
    #[allow(unused_variables)]
    fn progress(&mut self, done: u64, of: u64) {}
}

/// The accounts of a whole log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Records of the inputs, by what became of them.
    pub records: RecordCounts,
    /// Events, by what became of them.
    pub events: EventCounts,
    /// Log time of the first events and of the end.
    pub first_time: Option<Millis>,
    /// The latest log time reached.
    pub last_time: Option<Millis>,
    /// Records of the internal log that were folded.
    pub log_records: u64,
}

/// Folds every partition of the internal log in order.
pub fn replay_log(
    settings: &StreamSettings,
    options: &ReplayOptions,
    sink: &mut dyn ReplaySink,
) -> Result<ReplaySummary, StreamError> {
    continue_log(settings, options, &mut LogHandover::default(), sink)
}

/// The same, from where an earlier replay ended, or leaving a place for a later
/// one. The summary is about what was folded here.
pub fn continue_log(
    settings: &StreamSettings,
    options: &ReplayOptions,
    handover: &mut LogHandover,
    sink: &mut dyn ReplaySink,
) -> Result<ReplaySummary, StreamError> {
    let topic = &settings.topics.events;
    let consumer = plain_consumer(settings, "replay", &settings.detector_group())?;
    let partitions = partitions_of(&consumer, settings, topic, settings.pace.connect)?
        .ok_or_else(|| StreamError::TopicMissing { topic: topic.clone() })?;
    let feeds: Vec<Feed> = (0..partitions as i32)
        .map(|partition| Feed {
            topic: topic.as_str().into(),
            partition,
        })
        .collect();
    let ask = |kind| {
        patiently(settings.pace.connect, |left| offsets_at(&consumer, &feeds, kind, left))
            .map_err(|error| StreamError::from_kafka(&format!("reading `{topic}`"), &settings.brokers, &error))
    };
    for (feed, low) in ask(Offset::Beginning)? {
        if low > 0 {
            return Err(header::gap(topic, feed.partition, low));
        }
    }
    let ends = ask(Offset::End)?;
    if ends.len() != feeds.len() {
        return Err(StreamError::BrokerUnavailable {
            brokers: settings.brokers.clone(),
            cause: format!("a partition of `{topic}` has no leader"),
        });
    }
    let found = match handover.state {
        Some(_) => header::find(settings, &consumer)?,
        None => None,
    };
    let continued = Continued::begin(handover, topic, found.as_ref())?;
    let mut replay = Replay {
        settings,
        options,
        sink,
        partitions,
        counts: continued.counts_before().clone(),
        continued,
        summary: ReplaySummary::default(),
        total: ends.iter().map(|&(_, end)| end as u64).sum(),
    };
    for (feed, end) in &ends {
        replay.partition(&consumer, feed, *end)?;
    }
    for (feed, counts) in &replay.counts {
        let before = replay.continued.counts_before().get(feed).copied().unwrap_or_default();
        replay.summary.records.usable += counts.usable - before.usable;
        replay.summary.records.ignored += counts.ignored - before.ignored;
        replay.summary.records.dead_lettered += counts.dead_lettered - before.dead_lettered;
    }
    let (events, before) = (&mut replay.summary.events, replay.continued.events_before());
    events.counted -= before.counted;
    events.duplicate -= before.duplicate;
    events.late -= before.late;
    events.quarantined -= before.quarantined;
    replay.continued.end(handover, &replay.counts);
    Ok(replay.summary)
}

struct Replay<'a> {
    settings: &'a StreamSettings,
    options: &'a ReplayOptions,
    sink: &'a mut dyn ReplaySink,
    partitions: u32,
    /// The largest counts that any tick names for a feed.
    counts: BTreeMap<Feed, RecordCounts>,
    continued: Continued,
    summary: ReplaySummary,
    total: u64,
}

impl Replay<'_> {
    fn partition(&mut self, consumer: &BaseConsumer<Quiet>, feed: &Feed, end: i64) -> Result<(), StreamError> {
        let topic = &self.settings.topics.events;
        let fail = |error| StreamError::from_kafka(&format!("reading `{topic}`"), &self.settings.brokers, &error);
        let mut fold = self.continued.open(topic, feed.partition, end)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, feed.partition, Offset::Offset(fold.next_offset()))
            .map_err(fail)?;
        consumer.assign(&list).map_err(fail)?;
        let mut effects = Vec::new();
        if let (Some(policy), true) = (&self.options.policy, fold.header().is_some()) {
            fold.adopt(policy.clone(), &mut effects);
            effects.clear();
        }
        let mut heard = Instant::now();
        while fold.next_offset() < end {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if message.partition() == feed.partition => {
                    heard = Instant::now();
                    let value = message.payload().unwrap_or_default();
                    if !self.record(&mut fold, message.offset(), value, &mut effects)? {
                        break;
                    }
                }
                Some(Err(error)) if !error.rdkafka_error_code().is_some_and(is_transient) => return Err(fail(error)),
                _ if heard.elapsed() > self.settings.pace.connect * 3 => {
                    return Err(StreamError::BrokerUnavailable {
                        brokers: self.settings.brokers.clone(),
                        cause: format!("partition {} of `{topic}` delivers nothing more", feed.partition),
                    });
                }
                _ => {}
            }
        }
        self.continued.close(&fold);
        self.sink.ended(&fold);
        let counts = fold.state().counts();
        let events = &mut self.summary.events;
        events.counted += counts.counted;
        events.duplicate += counts.duplicate;
        events.late += counts.late;
        events.quarantined += counts.quarantined;
        let reached = fold.state().log_time();
        if reached > Millis::MIN {
            self.summary.last_time = self.summary.last_time.max(Some(reached));
        }
        Ok(())
    }

    /// Folds one record; tells whether to go on.
    fn record(
        &mut self,
        fold: &mut PartitionFold,
        offset: i64,
        value: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<bool, StreamError> {
        let (counts, summary, options) = (&mut self.counts, &mut self.summary, self.options);
        fold.apply_mapped(offset, value, effects, |record| {
            match &record {
                LogRecord::Tick(tick) => {
                    for progress in &tick.feeds {
                        let known = counts.entry(progress.feed.clone()).or_default();
                        *known = larger(*known, progress.counts);
                    }
                }
                LogRecord::Events(batch) => {
                    let first = batch.events.iter().map(|event| event.arrival).min();
                    summary.first_time = match (summary.first_time, first) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
                _ => {}
            }
            match (record, &options.policy) {
                (LogRecord::Policy(_), Some(policy)) => LogRecord::Policy(policy.clone()),
                (record, _) => record,
            }
        })
        .map_err(|error| self.fold_error(fold.partition(), offset, error))?;
        if offset == 0
            && let Some(header) = fold.header()
        {
            header::check(&self.settings.topics.events, header, self.partitions)?;
        }
        self.summary.log_records += 1;
        if self.summary.log_records.is_multiple_of(256) {
            self.sink.progress(self.summary.log_records, self.total);
        }
        let log_time = fold.state().log_time();
        let wanted = self.options.from.is_none_or(|from| log_time >= from);
        let past = self.options.to.is_some_and(|to| log_time > to);
        for (index, effect) in effects.drain(..).enumerate() {
            if wanted && !past {
                let said = Said {
                    partition: fold.partition(),
                    offset,
                    index,
                    log_time,
                    effect,
                };
                self.sink.said(said).map_err(StreamError::Output)?;
            }
        }
        Ok(!past)
    }

    fn fold_error(&self, partition: i32, offset: i64, error: FoldError) -> StreamError {
        let topic = self.settings.topics.events.clone();
        match error {
            FoldError::Decode(cause) => StreamError::LogRecord {
                topic,
                partition,
                offset,
                cause,
            },
            other => StreamError::LogGap(format!("partition {partition} of `{topic}`: {other}")),
        }
    }
}

fn larger(a: RecordCounts, b: RecordCounts) -> RecordCounts {
    RecordCounts {
        usable: a.usable.max(b.usable),
        ignored: a.ignored.max(b.ignored),
        dead_lettered: a.dead_lettered.max(b.dead_lettered),
    }
}
