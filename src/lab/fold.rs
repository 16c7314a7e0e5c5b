//! Drives the detector without a broker: events in, effects out.
//!
//! A file is one feed whose clock is the largest ingest time so far, and it
//! serves every event type. Events go through the same pseudonymiser and the
//! same fold as on Kafka.

use crate::detector::{Effect, EventCounts, Input, Policy, Size, State, Tuning, step};
use crate::model::log::{
    EventBatch, Feed, FeedProgress, FeedScope, Header, LogRecord, RecordCounts, RoutedEvent, Tick,
};
use crate::model::{Event, Feedback, Millis};
use crate::number_plan::{NumberPlan, metadata_version};
use crate::stream::ingest::{Ingest, Origin};

/// Events gathered before time is told: results do not depend on it.
const BATCH: usize = 256;

/// A salt for folds that no deployment stands behind.
const SALT: [u8; 32] = *b"a fold without a deployment salt";

/// One partition's fold over one feed.
#[derive(Debug)]
pub struct Fold {
    state: State,
    ingest: Ingest,
    feed: Feed,
    clock: Millis,
    record: i64,
    offset: i64,
    batch: Vec<RoutedEvent>,
    counts: RecordCounts,
    batch_max: usize,
}

impl Fold {
    /// A fold from empty state under a policy.
    pub fn new(policy: &Policy, tuning: Tuning, secret: Option<&[u8]>, effects: &mut Vec<Effect>) -> Self {
        let header = Header {
            encoding_version: crate::model::log::ENCODING_VERSION,
            partitions: 1,
            deployment_id: 0,
            salt: SALT,
        };
        let mut fold = Self {
            state: State::with_tuning(tuning),
            ingest: Ingest::for_log(&header, secret, false),
            feed: Feed {
                topic: "file".into(),
                partition: 0,
            },
            clock: Millis::MIN,
            record: 0,
            offset: 0,
            batch: Vec::with_capacity(BATCH),
            counts: RecordCounts::default(),
            batch_max: BATCH,
        };
        fold.step(LogRecord::Header(header), effects);
        fold.step(LogRecord::Policy(policy.to_record(metadata_version())), effects);
        fold
    }

    /// Tells time after every event, for a caller that reacts to effects.
    pub fn tell_time_after(&mut self, events: usize) {
        self.batch_max = events.max(1);
    }

    /// One usable record with its events.
    pub fn usable(&mut self, events: impl IntoIterator<Item = Event>, ingest_time: Millis, effects: &mut Vec<Effect>) {
        self.counts.usable += 1;
        self.clock = self.clock.max(ingest_time);
        for (index, event) in events.into_iter().enumerate() {
            let origin = Origin {
                feed: 0,
                offset: self.record,
                index: index as u32,
                record_time: ingest_time,
                arrival: self.clock,
            };
            let routed = self.ingest.route(NumberPlan::shared(), event, origin);
            self.batch.push(routed);
        }
        self.record += 1;
        if self.batch.len() >= self.batch_max {
            self.flush(effects);
        }
    }

    /// Everything that arrives before `now` has been handed over: what is due by
    /// then is decided, for a caller that reacts to effects. A time that is over
    /// changes nothing.
    pub fn tell_time(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        if now <= self.clock {
            return;
        }
        let has_begun = self.clock > Millis::MIN;
        self.clock = now;
        if !self.batch.is_empty() {
            self.flush(effects);
        } else if has_begun {
            self.tick(now, effects);
        }
    }

    /// A further part of a usable record that was counted before: a row of a table
    /// may hold a send and, later, its verification.
    pub fn further(&mut self, events: impl IntoIterator<Item = Event>, ingest_time: Millis, effects: &mut Vec<Effect>) {
        self.counts.usable = self.counts.usable.saturating_sub(1);
        self.usable(events, ingest_time, effects);
    }

    /// One record that means no event.
    pub fn ignored(&mut self) {
        self.counts.ignored += 1;
        self.record += 1;
    }

    /// One record that cannot be used.
    pub fn dead_lettered(&mut self) {
        self.counts.dead_lettered += 1;
        self.record += 1;
    }

    /// A verdict or a safe-list command, at its place among the events.
    pub fn feedback(&mut self, feedback: Feedback, ingest_time: Millis, effects: &mut Vec<Effect>) {
        self.flush(effects);
        let record = crate::model::log::FeedbackRecord {
            feed: Feed {
                topic: "feedback".into(),
                partition: 0,
            },
            offset: self.record,
            record_time: ingest_time,
            feedback,
        };
        self.record += 1;
        self.step(LogRecord::Feedback(record), effects);
    }

    /// Hands the last events over; nothing fires after them.
    pub fn finish(&mut self, effects: &mut Vec<Effect>) {
        self.flush(effects);
        if self.record > 0 {
            self.tick(self.clock + 1, effects);
        }
    }

    /// Records so far, by what became of them.
    pub fn record_counts(&self) -> RecordCounts {
        self.counts
    }

    /// Events so far, by what became of them.
    pub fn event_counts(&self) -> EventCounts {
        self.state.counts()
    }

    /// How full the state is.
    pub fn size(&self) -> Size {
        self.state.size()
    }

    fn flush(&mut self, effects: &mut Vec<Effect>) {
        if self.batch.is_empty() {
            return;
        }
        let events = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.step(
            LogRecord::Events(EventBatch {
                feeds: vec![self.feed.clone()],
                events,
            }),
            effects,
        );
        self.tick(self.clock, effects);
    }

    fn tick(&mut self, clock: Millis, effects: &mut Vec<Effect>) {
        let progress = FeedProgress {
            feed: self.feed.clone(),
            scope: FeedScope {
                verifications: true,
                tenant: None,
            },
            next_offset: self.record,
            clock,
            started: self.record > 0,
            idle_ms: 0,
            counts: self.counts,
        };
        let tick = Tick {
            member: "fold".into(),
            generation: 0,
            wall: clock,
            feeds: vec![progress],
        };
        self.step(LogRecord::Tick(tick), effects);
    }

    fn step(&mut self, record: LogRecord, effects: &mut Vec<Effect>) {
        let input = Input {
            partition: 0,
            offset: self.offset,
            record,
        };
        self.offset += 1;
        step(&mut self.state, &input, effects);
    }
}
