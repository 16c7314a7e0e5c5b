//! What the stream layer asks of others, as narrow traits over plain values, so
//! that it can be driven by tests without configuration, formats or metrics.

use std::borrow::Cow;
use std::time::Duration;

use compact_str::CompactString;

use super::settings::InputSettings;
use crate::detector::{Effect, EventCounts};
use crate::model::log::{Feed, RecordCounts};
use crate::model::{Event, Feedback, Millis};

/// What a usable or harmless record became.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// At least one event.
    Usable(Vec<Event>),
    /// Known, and means no SMS event; why.
    Ignored(CompactString),
}

/// Why a record goes to the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable name of the reason, for machines.
    pub class: CompactString,
    /// A sentence.
    pub message: String,
}

/// Turns the bytes of a record into events. Pure: the same record always gives
/// the same answer, which is what makes the counts at an offset exact.
pub trait RecordDecoder: Send + Sync {
    /// A record of an input topic.
    fn decode(&self, input: &InputSettings, record_time: Millis, value: Option<&[u8]>) -> Result<Decoded, Refusal>;

    /// A record of the feedback topic.
    fn decode_feedback(&self, record_time: Millis, value: Option<&[u8]>) -> Result<Feedback, Refusal>;

    /// The value of a refused record with known secrets taken out.
    fn redact<'a>(&self, input: Option<&InputSettings>, value: &'a [u8]) -> Cow<'a, [u8]>;
}

/// Which output topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum OutputTopic {
    Alerts,
    Blocklist,
    Stats,
    Audit,
}

/// A record for an output topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRecord {
    /// Which topic.
    pub topic: OutputTopic,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(CompactString, Vec<u8>)>,
}

/// Turns an effect into a record. Pure.
pub trait Renderer: Send + Sync {
    /// The record for one effect.
    fn render(&self, effect: &Effect) -> OutputRecord;
}

/// Which half of the program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Half {
    Router,
    Detector,
}

impl Half {
    /// The name used in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Detector => "detector",
        }
    }
}

/// Is told what happens, for metrics, health and the live view. Every method may
/// be called from a polling thread and must return at once.
#[allow(unused_variables)]
pub trait Observer: Send + Sync {
    /// Records of a feed that were decided since the last call.
    fn records(&self, feed: &Feed, added: RecordCounts) {}
    /// One record went to the dead-letter topic.
    fn dead_letter(&self, feed: &Feed, offset: i64, class: &str, message: &str) {}
    /// How far a feed has got; `lag` is in records, `None` while unknown.
    fn feed(&self, feed: &Feed, clock: Millis, lag: Option<i64>) {}
    /// Records of an input were gone before they were read: its retention is too short.
    fn input_gap(&self, feed: &Feed, from: i64, to: i64) {}
    /// Events appended to the internal log since the last call.
    fn events_routed(&self, events: u64) {}
    /// The partitions a half now owns.
    fn assigned(&self, half: Half, partitions: usize) {}
    /// A half made a round of its loop: it is alive. Called at least once a second.
    fn alive(&self, half: Half, wall: Millis) {}
    /// A partition was paused (`true`) because its queue is full, or resumed.
    fn paused(&self, half: Half, feed: &Feed, paused: bool) {}
    /// A commit succeeded.
    fn committed(&self, half: Half, partitions: usize) {}
    /// The broker, or the client, complains of something that may pass.
    fn broker_trouble(&self, half: Half, message: &str) {}
    /// A partition of the internal log was folded up to where the last owner stopped.
    fn restored(&self, partition: i32, records: u64, took: Duration) {}
    /// What became of the events of one partition so far (totals).
    fn events(&self, partition: i32, counts: EventCounts, log_time: Millis) {}
    /// A partition's fold is no longer ours: its totals no longer count here.
    fn released(&self, partition: i32) {}
    /// An effect was acknowledged by the broker. `append_to_publish` runs from the
    /// record time of the newest event behind it to the acknowledgement.
    fn published(&self, effect: &Effect, append_to_publish: Option<Duration>) {}
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
