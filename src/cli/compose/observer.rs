//! What the stream layer tells, as metrics, log lines and health.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::detector::{Effect, State};
use crate::model::Millis;
use crate::model::log::{Feed, RecordCounts};
use crate::stream::{Half, Observer};
use crate::telemetry::events::{
    AssignmentChanged, AuditPublished, BackPressureOff, BackPressureOn, BlockPublished, BrokerFailed,
    FeedClockAdvanced, FindingPublished, InputGapFound, LogTimeAdvanced, OffsetsCommitted, PartitionRestored,
    RecordDeadLettered,
};
use crate::telemetry::{Condition, Health, Heartbeat, Metrics, Role};

/// A half that makes no round of its loop for this long is dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Hears the stream layer.
#[derive(Debug)]
pub(in crate::cli) struct Telemetry {
    metrics: Arc<Metrics>,
    router: Option<(Heartbeat, Condition)>,
    detector: Option<(Heartbeat, Condition)>,
}

impl Telemetry {
    /// For the halves that this process runs.
    pub(in crate::cli) fn new(metrics: Arc<Metrics>, health: &Health, router: bool, detector: bool) -> Self {
        let half = |name: &str| {
            let heartbeat = health.watch(name, SILENCE_MAX);
            (
                heartbeat,
                health.condition(name, "has not joined its consumer group yet"),
            )
        };
        Self {
            metrics,
            router: router.then(|| half("router")),
            detector: detector.then(|| half("detector")),
        }
    }

    fn half(&self, half: Half) -> Option<&(Heartbeat, Condition)> {
        match half {
            Half::Router => self.router.as_ref(),
            Half::Detector => self.detector.as_ref(),
        }
    }
}

fn role(half: Half) -> Role {
    match half {
        Half::Router => Role::Router,
        Half::Detector => Role::Detector,
    }
}

fn wall() -> Millis {
    Millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as i64,
    )
}

impl Observer for Telemetry {
    fn records(&self, feed: &Feed, total: RecordCounts) {
        self.metrics.set_record_counts(feed, total);
    }

    fn feed_released(&self, feed: &Feed) {
        self.metrics.forget_feed(feed);
    }

    fn dead_letter(&self, feed: &Feed, offset: i64, class: &str, message: &str) {
        RecordDeadLettered {
            feed,
            offset,
            reason: class,
            detail: message,
        }
        .emit(&self.metrics);
    }

    fn feed(&self, feed: &Feed, clock: Millis, _lag: Option<i64>) {
        FeedClockAdvanced {
            feed,
            clock,
            wall: wall(),
        }
        .emit(&self.metrics);
    }

    fn input_gap(&self, feed: &Feed, from: i64, to: i64) {
        InputGapFound { feed, from, to }.emit(&self.metrics);
    }

    fn assigned(&self, half: Half, partitions: usize) {
        AssignmentChanged {
            role: role(half),
            partitions,
        }
        .emit(&self.metrics);
        if let Some((_, condition)) = self.half(half) {
            // A member without partitions is a standby, and ready to take over.
            condition.holds();
        }
    }

    fn alive(&self, half: Half, _wall: Millis) {
        if let Some((heartbeat, _)) = self.half(half) {
            heartbeat.beat();
        }
    }

    fn paused(&self, half: Half, feed: &Feed, paused: bool) {
        let role = role(half);
        if paused {
            BackPressureOn { role, feed }.emit(&self.metrics);
        } else {
            BackPressureOff { role, feed }.emit(&self.metrics);
        }
    }

    fn committed(&self, half: Half, partitions: usize) {
        OffsetsCommitted {
            role: role(half),
            partitions,
        }
        .emit(&self.metrics);
    }

    fn broker_trouble(&self, half: Half, message: &str) {
        BrokerFailed {
            role: role(half),
            error: message,
            fatal: false,
        }
        .emit(&self.metrics);
    }

    fn restored(&self, partition: i32, records: u64, took: Duration) {
        PartitionRestored {
            partition,
            records,
            elapsed: took,
        }
        .emit(&self.metrics);
    }

    fn folded(&self, partition: i32, state: &State) {
        self.metrics.set_event_counts(partition, state.counts());
        self.metrics.set_state_nodes(partition, state.size().nodes as u64);
        LogTimeAdvanced {
            partition,
            log_time: state.log_time(),
            wall: wall(),
        }
        .emit(&self.metrics);
    }

    fn released(&self, partition: i32) {
        self.metrics.forget_partition(partition);
    }

    fn published(&self, effect: &Effect, append_to_publish: Option<Duration>) {
        match effect {
            Effect::Finding(finding) => {
                FindingPublished {
                    finding,
                    append_to_alert: append_to_publish,
                }
                .emit(&self.metrics);
            }
            Effect::Block(_, change) => BlockPublished { change }.emit(&self.metrics),
            Effect::Audit(audit) => AuditPublished { audit }.emit(&self.metrics),
            Effect::Stats(_) => {}
        }
    }
}
