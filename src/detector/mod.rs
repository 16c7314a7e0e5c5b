//! The pure core: one state machine per partition of the internal log.
//!
//! [`step`] is the only door. It is handed a record of the log and returns what
//! the outside must be told; it knows no clock, no network and no randomness.

pub mod policy;
pub mod window;

pub use policy::Policy;

use crate::model::log::LogRecord;
use crate::model::{Audit, BlockChange, Finding, Millis, WindowStats};

/// A record of the internal log and its place.
#[derive(Clone, Debug)]
pub struct Input {
    /// Partition of the internal log.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// The record.
    pub record: LogRecord,
}

/// Something the outside must be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// For the alerts topic.
    Finding(Box<Finding>),
    /// For the blocklist topic, with the log time of the decision.
    Block(Millis, BlockChange),
    /// For the statistics topic.
    Stats(Box<WindowStats>),
    /// For the audit topic.
    Audit(Audit),
}

/// What became of the events so far: events of usable records = the sum of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Taken into account.
    pub counted: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Too far behind their record.
    pub late: u64,
    /// From the future.
    pub quarantined: u64,
}

/// The detector's whole knowledge of one partition.
#[derive(Debug, Default)]
pub struct State {
    counts: EventCounts,
    log_time: Millis,
}

impl State {
    /// What became of the events so far.
    pub fn counts(&self) -> EventCounts {
        self.counts
    }

    /// How far time has got in this partition; [`Millis::MIN`] before the first tick.
    pub fn log_time(&self) -> Millis {
        self.log_time
    }
}

/// Folds one record into the state; effects are appended in the order in which
/// they must be published.
pub fn step(state: &mut State, input: &Input, effects: &mut Vec<Effect>) {
    let _ = (state, input, effects);
}
