//! Drives the detector without a broker: events in, effects out.
//!
//! A file is one feed whose clock is the largest ingest time so far, and it
//! serves every event type. Events go through the same pseudonymiser and the
//! same fold as on Kafka.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::detector::snapshot::{self, SnapshotError, SnapshotKind};
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
    /// Place in a log that is nowhere written, for what names it.
    offset: i64,
    batch: Vec<RoutedEvent>,
    /// Events handed over since time was last told.
    untold: usize,
    counts: RecordCounts,
    batch_max: usize,
    /// What the fold began with.
    before: (RecordCounts, EventCounts),
}

/// A fold between two inputs: all but the keys, which are no state.
#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    clock: Millis,
    record: i64,
    untold: usize,
    counts: RecordCounts,
    key: [u8; 8],
}

/// Why a fold cannot go on from a snapshot.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RestoreError {
    /// The snapshot itself is of no use.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It knows the numbers under other pseudonyms.
    #[error("the state was made with another `privacy.key`, so that no number would be known again; name the same key")]
    Key,
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
            feed: file_feed(),
            clock: Millis::MIN,
            record: 0,
            offset: 0,
            batch: Vec::with_capacity(BATCH),
            untold: 0,
            counts: RecordCounts::default(),
            batch_max: BATCH,
            before: Default::default(),
        };
        fold.step(LogRecord::Header(header), effects);
        fold.step(LogRecord::Policy(policy.to_record(metadata_version())), effects);
        fold
    }

    /// The fold that [`Fold::to_snapshot`] wrote, under the policy it had, or under
    /// another from here on.
    ///
    /// # Errors
    /// A snapshot that cannot be used, and another key than it was made with.
    pub fn from_snapshot(
        bytes: &[u8],
        policy: Option<&Policy>,
        tuning: &Tuning,
        secret: Option<&[u8]>,
        effects: &mut Vec<Effect>,
    ) -> Result<Self, RestoreError> {
        let saved: Saved = snapshot::read(SnapshotKind::File, bytes)?;
        saved.state.made_with(tuning)?;
        let header = saved.state.header().cloned();
        let header = header.ok_or_else(|| SnapshotError::Unreadable("it has no header".into()))?;
        let ingest = Ingest::for_log(&header, secret, false);
        if ingest.fingerprint() != saved.key {
            return Err(RestoreError::Key);
        }
        let before = (saved.counts, saved.state.counts());
        let mut fold = Self {
            state: saved.state,
            ingest,
            feed: file_feed(),
            clock: saved.clock,
            record: saved.record,
            offset: 0,
            batch: Vec::with_capacity(BATCH),
            untold: saved.untold,
            counts: saved.counts,
            batch_max: BATCH,
            before,
        };
        if let Some(policy) = policy {
            fold.step(LogRecord::Policy(policy.to_record(metadata_version())), effects);
        }
        Ok(fold)
    }

    /// The fold as bytes, to go on later with what comes next. What the last
    /// moment's passing would decide is left to that, as if there had been no
    /// pause; so [`Fold::finish`] must not have been called before.
    pub fn to_snapshot(&mut self, effects: &mut Vec<Effect>) -> Vec<u8> {
        self.hand_over(effects);
        let saved = Saved {
            state: std::mem::take(&mut self.state),
            clock: self.clock,
            record: self.record,
            untold: self.untold,
            counts: self.counts,
            key: self.ingest.fingerprint(),
        };
        let bytes = snapshot::write(SnapshotKind::File, &saved);
        self.state = saved.state;
        bytes
    }

    /// The largest ingest time so far; [`Millis::MIN`] before the first record.
    pub fn clock(&self) -> Millis {
        self.clock
    }

    /// The detector's state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The keys under which it knows numbers.
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
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
        if self.untold + self.batch.len() >= self.batch_max {
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
        if self.untold + self.batch.len() > 0 {
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

    /// Records since the fold began or was restored, by what became of them.
    pub fn record_counts(&self) -> RecordCounts {
        let (now, before) = (self.counts, self.before.0);
        RecordCounts {
            usable: now.usable - before.usable,
            ignored: now.ignored - before.ignored,
            dead_lettered: now.dead_lettered - before.dead_lettered,
        }
    }

    /// Events since the fold began or was restored, by what became of them.
    pub fn event_counts(&self) -> EventCounts {
        let (now, before) = (self.state.counts(), self.before.1);
        EventCounts {
            counted: now.counted - before.counted,
            duplicate: now.duplicate - before.duplicate,
            late: now.late - before.late,
            quarantined: now.quarantined - before.quarantined,
        }
    }

    /// How full the state is.
    pub fn size(&self) -> Size {
        self.state.size()
    }

    fn flush(&mut self, effects: &mut Vec<Effect>) {
        self.hand_over(effects);
        if std::mem::take(&mut self.untold) > 0 {
            self.tick(self.clock, effects);
        }
    }

    /// Gives the detector the events that have gathered; time stands still.
    fn hand_over(&mut self, effects: &mut Vec<Effect>) {
        if self.batch.is_empty() {
            return;
        }
        self.untold += self.batch.len();
        let events = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.step(
            LogRecord::Events(EventBatch {
                feeds: vec![self.feed.clone()],
                events,
            }),
            effects,
        );
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

fn file_feed() -> Feed {
    Feed {
        topic: "file".into(),
        partition: 0,
    }
}
