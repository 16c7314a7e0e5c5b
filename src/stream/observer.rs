//! What the stream layer tells: one narrow trait, so that metrics, health and the
//! live view stay outside.

use std::time::Duration;

use crate::detector::{Effect, State};
use crate::model::Millis;
use crate::model::log::{Feed, RecordCounts};

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
    /// Records of a feed by what became of them, since the deployment began.
    fn records(&self, feed: &Feed, total: RecordCounts) {}
    /// A feed is no longer ours: its totals no longer count here.
    fn feed_released(&self, feed: &Feed) {}
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
    /// How a partition's state stands: its counts are totals since the log began.
    fn folded(&self, partition: i32, state: &State) {}
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
