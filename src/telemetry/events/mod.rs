//! The catalogue of internal events: each is one struct whose `emit` writes its
//! log line and its metric.
//!
//! | Module | Events |
//! |---|---|
//! | `life` | the process: started, configuration, policy, shutdown, deadlines, HTTP |
//! | `partitions` | partitions and feeds: assigned, revoked, lost, restored, drained, committed, gaps, clocks, back-pressure, broker errors |
//! | `output` | what leaves: dead letters, findings, blocks, verdicts that were taken |

mod life;
mod output;
mod partitions;

pub use life::{
    ConfigLoaded, DeadlineMissed, HttpConnectionFailed, HttpListening, PolicyChanged, ShutdownBegun, ShutdownFinished,
    Started,
};
pub use output::{AuditPublished, BlockPublished, FindingPublished, RecordDeadLettered};
pub use partitions::{
    AssignmentChanged, BackPressureOff, BackPressureOn, BrokerFailed, FeedClockAdvanced, InputGapFound,
    LogTimeAdvanced, OffsetsCommitted, PartitionDrained, PartitionRestored, PartitionsAssigned, PartitionsLost,
    PartitionsRevoked,
};

/// Milliseconds for a log field.
fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds from a time to the wall clock, for a gauge; `None` before the clock has begun.
fn lag_seconds(time: crate::model::Millis, wall: crate::model::Millis) -> Option<f64> {
    (time > crate::model::Millis::MIN).then(|| wall.seconds_since(time).max(0.0))
}

#[cfg(test)]
mod tests;
