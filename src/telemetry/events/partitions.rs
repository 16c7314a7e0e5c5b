//! Partitions and feeds.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::{lag_seconds, ms};
use crate::model::Millis;
use crate::model::log::Feed;
use crate::telemetry::metrics::{FeedLabels, PartitionLabels, RebalanceLabels, RoleLabels};
use crate::telemetry::{Metrics, Role};

/// `topic-0,topic-3`, for a log field.
fn listed(partitions: &[Feed]) -> String {
    let names: Vec<String> = partitions
        .iter()
        .map(|feed| format!("{}-{}", feed.topic, feed.partition))
        .collect();
    names.join(",")
}

fn count_rebalance(metrics: &Metrics, role: Role, change: &'static str, partitions: &[Feed]) {
    metrics
        .rebalances
        .get_or_create(&RebalanceLabels { role, change })
        .inc_by(partitions.len() as u64);
}

/// What this member owns after a rebalance.
#[derive(Clone, Copy, Debug)]
pub struct AssignmentChanged {
    /// Which half.
    pub role: Role,
    /// How many partitions it owns now.
    pub partitions: usize,
}

impl AssignmentChanged {
    /// Writes the log line, sets the gauge.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .assigned
            .get_or_create(&RoleLabels { role: self.role })
            .set(self.partitions as i64);
        info!(
            event = "assignment_changed",
            role = self.role.as_str(),
            partitions = self.partitions,
            "partitions owned by the {}: {}",
            self.role,
            self.partitions
        );
    }
}

/// Partitions were handed to this member.
#[derive(Clone, Copy, Debug)]
pub struct PartitionsAssigned<'a> {
    /// Which half.
    pub role: Role,
    /// The partitions added; may be empty.
    pub partitions: &'a [Feed],
}

impl PartitionsAssigned<'_> {
    /// Writes the log line, counts the partitions.
    pub fn emit(&self, metrics: &Metrics) {
        count_rebalance(metrics, self.role, "assigned", self.partitions);
        info!(
            event = "partitions_assigned",
            role = self.role.as_str(),
            partitions = listed(self.partitions),
            "partitions assigned: {}",
            self.partitions.len()
        );
    }
}

/// Partitions are handed to another member; what was done is committed.
#[derive(Clone, Copy, Debug)]
pub struct PartitionsRevoked<'a> {
    /// Which half.
    pub role: Role,
    /// The partitions given up; may be empty.
    pub partitions: &'a [Feed],
}

impl PartitionsRevoked<'_> {
    /// Writes the log line, counts the partitions.
    pub fn emit(&self, metrics: &Metrics) {
        count_rebalance(metrics, self.role, "revoked", self.partitions);
        info!(
            event = "partitions_revoked",
            role = self.role.as_str(),
            partitions = listed(self.partitions),
            "partitions revoked: {}",
            self.partitions.len()
        );
    }
}

/// Partitions have another owner already; what was not committed is discarded.
#[derive(Clone, Copy, Debug)]
pub struct PartitionsLost<'a> {
    /// Which half.
    pub role: Role,
    /// The partitions lost.
    pub partitions: &'a [Feed],
}

impl PartitionsLost<'_> {
    /// Writes the log line, counts the partitions.
    pub fn emit(&self, metrics: &Metrics) {
        count_rebalance(metrics, self.role, "lost", self.partitions);
        warn!(
            event = "partitions_lost",
            role = self.role.as_str(),
            partitions = listed(self.partitions),
            "partitions lost, since the group went on without this member: {}",
            self.partitions.len()
        );
    }
}

/// The state of a partition is as it was when its last output was published.
#[derive(Clone, Copy, Debug)]
pub struct PartitionRestored {
    /// Partition of the internal log.
    pub partition: i32,
    /// Records folded again.
    pub records: u64,
    /// What it took.
    pub elapsed: Duration,
}

impl PartitionRestored {
    /// Writes the log line, sets the gauge.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .restore_seconds
            .get_or_create(&PartitionLabels {
                partition: self.partition,
            })
            .set(self.elapsed.as_secs_f64());
        info!(
            event = "partition_restored",
            partition = self.partition,
            records = self.records,
            elapsed_ms = ms(self.elapsed),
            "partition {} restored",
            self.partition
        );
    }
}

/// Everything read from a partition has been published and committed.
#[derive(Clone, Copy, Debug)]
pub struct PartitionDrained {
    /// Which half.
    pub role: Role,
    /// The partition.
    pub partition: i32,
    /// What it took.
    pub elapsed: Duration,
}

impl PartitionDrained {
    /// Writes the log line.
    pub fn emit(&self, _: &Metrics) {
        info!(
            event = "partition_drained",
            role = self.role.as_str(),
            partition = self.partition,
            elapsed_ms = ms(self.elapsed),
            "partition {} of the {} drained",
            self.partition,
            self.role
        );
    }
}

/// Offsets were committed.
#[derive(Clone, Copy, Debug)]
pub struct OffsetsCommitted {
    /// Which half.
    pub role: Role,
    /// Of how many partitions.
    pub partitions: usize,
}

impl OffsetsCommitted {
    /// Writes the log line (debug), counts the commit.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.commits.get_or_create(&RoleLabels { role: self.role }).inc();
        debug!(
            event = "offsets_committed",
            role = self.role.as_str(),
            partitions = self.partitions,
            "offsets committed"
        );
    }
}

/// Records of an input, or of the internal log, were gone before they were read.
#[derive(Clone, Copy, Debug)]
pub struct InputGapFound<'a> {
    /// Where.
    pub feed: &'a Feed,
    /// The first offset that is missing.
    pub from: i64,
    /// The first that is there again.
    pub to: i64,
}

impl InputGapFound<'_> {
    /// Writes the log line, counts the records.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .input_gaps
            .get_or_create(&FeedLabels::from(self.feed))
            .inc_by(u64::try_from(self.to - self.from).unwrap_or(0));
        error!(
            event = "input_gap_found",
            topic = self.feed.topic.as_str(),
            partition = self.feed.partition,
            from = self.from,
            to = self.to,
            "records of {} were deleted before they were read; lengthen its retention",
            self.feed.topic
        );
    }
}

/// The Kafka client reported an error.
#[derive(Clone, Copy, Debug)]
pub struct BrokerFailed<'a> {
    /// Which half.
    pub role: Role,
    /// The client's words.
    pub error: &'a str,
    /// Whether the process ends over it.
    pub fatal: bool,
}

impl BrokerFailed<'_> {
    /// Writes the log line (at most one a second unless fatal), counts the error.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .broker_errors
            .get_or_create(&RoleLabels { role: self.role })
            .inc();
        if self.fatal {
            error!(
                event = "broker_failed",
                role = self.role.as_str(),
                error = self.error,
                fatal = true,
                "the {} cannot go on: {}",
                self.role,
                self.error
            );
        } else if let Some(held_back) = metrics.broker_error_gate.pass(std::time::Instant::now()) {
            warn!(
                event = "broker_failed",
                role = self.role.as_str(),
                error = self.error,
                fatal = false,
                held_back,
                "the broker failed and is tried again: {}",
                self.error
            );
        }
    }
}

/// A partition is paused until what was read of it is dealt with.
#[derive(Clone, Copy, Debug)]
pub struct BackPressureOn<'a> {
    /// Which half.
    pub role: Role,
    /// The partition.
    pub feed: &'a Feed,
}

impl BackPressureOn<'_> {
    /// Writes the log line, raises the gauge.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.paused.get_or_create(&RoleLabels { role: self.role }).inc();
        info!(
            event = "back_pressure_on",
            role = self.role.as_str(),
            topic = self.feed.topic.as_str(),
            partition = self.feed.partition,
            "reading is paused: what was read is not dealt with yet"
        );
    }
}

/// Reading of the partition goes on.
#[derive(Clone, Copy, Debug)]
pub struct BackPressureOff<'a> {
    /// Which half.
    pub role: Role,
    /// The partition.
    pub feed: &'a Feed,
}

impl BackPressureOff<'_> {
    /// Writes the log line, lowers the gauge.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.paused.get_or_create(&RoleLabels { role: self.role }).dec();
        info!(
            event = "back_pressure_off",
            role = self.role.as_str(),
            topic = self.feed.topic.as_str(),
            partition = self.feed.partition,
            "reading goes on"
        );
    }
}

/// A feed's clock, as it is told in a tick.
#[derive(Clone, Copy, Debug)]
pub struct FeedClockAdvanced<'a> {
    /// Which feed.
    pub feed: &'a Feed,
    /// Its clock.
    pub clock: Millis,
    /// The wall clock.
    pub wall: Millis,
}

impl FeedClockAdvanced<'_> {
    /// Sets the gauge, writes the log line (trace: it comes every second).
    pub fn emit(&self, metrics: &Metrics) {
        let Some(lag) = lag_seconds(self.clock, self.wall) else {
            return;
        };
        metrics
            .feed_clock_lag
            .get_or_create(&FeedLabels::from(self.feed))
            .set(lag);
        tracing::trace!(
            event = "feed_clock_advanced",
            topic = self.feed.topic.as_str(),
            partition = self.feed.partition,
            clock = %self.clock,
            lag_seconds = lag,
            "clock of a feed"
        );
    }
}

/// Log time of a partition, after a tick.
#[derive(Clone, Copy, Debug)]
pub struct LogTimeAdvanced {
    /// Partition of the internal log.
    pub partition: i32,
    /// Its log time.
    pub log_time: Millis,
    /// The wall clock.
    pub wall: Millis,
}

impl LogTimeAdvanced {
    /// Sets the gauge, writes the log line (trace: it comes every second).
    pub fn emit(&self, metrics: &Metrics) {
        let Some(lag) = lag_seconds(self.log_time, self.wall) else {
            return;
        };
        metrics
            .log_time_lag
            .get_or_create(&PartitionLabels {
                partition: self.partition,
            })
            .set(lag);
        tracing::trace!(
            event = "log_time_advanced",
            partition = self.partition,
            log_time = %self.log_time,
            lag_seconds = lag,
            "log time"
        );
    }
}
