//! Every metric of the program, by the names of the design.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::detector::EventCounts;
use crate::model::log::{Feed, RecordCounts};

use super::gate::Gate;
use super::latency::LatencyHistogram;
use super::totals::Totals;

/// Media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of seconds or of anything else that is not whole.
type RealGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Which half of the program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sources to internal log.
    Router,
    /// Internal log to findings.
    Detector,
}

impl Role {
    /// `"router"` or `"detector"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Detector => "detector",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl EncodeLabelValue for Role {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FindingLabels {
    pub kind: &'static str,
    pub level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BlockLabels {
    pub op: &'static str,
    pub mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct VerdictLabels {
    pub verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RoleLabels {
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RebalanceLabels {
    pub role: Role,
    pub change: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PartitionLabels {
    pub partition: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FeedLabels {
    pub topic: String,
    pub partition: i32,
}

impl From<&Feed> for FeedLabels {
    fn from(feed: &Feed) -> Self {
        Self {
            topic: feed.topic.to_string(),
            partition: feed.partition,
        }
    }
}

/// Every metric; shared by reference or in an [`Arc`], all methods from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    totals: Arc<Totals>,
    append_to_alert: Arc<LatencyHistogram>,
    pub(super) findings: Family<FindingLabels, Counter>,
    pub(super) blocks: Family<BlockLabels, Counter>,
    pub(super) verdicts: Family<VerdictLabels, Counter>,
    pub(super) dead_letters: Family<ReasonLabels, Counter>,
    pub(super) broker_errors: Family<RoleLabels, Counter>,
    pub(super) commits: Family<RoleLabels, Counter>,
    pub(super) rebalances: Family<RebalanceLabels, Counter>,
    pub(super) assigned: Family<RoleLabels, Gauge>,
    pub(super) paused: Family<RoleLabels, Gauge>,
    pub(super) policy_changes: Counter,
    pub(super) deadlines_missed: Counter,
    pub(super) http_failures: Counter,
    pub(super) input_gaps: Family<FeedLabels, Counter>,
    pub(super) restore_seconds: Family<PartitionLabels, RealGauge>,
    pub(super) log_time_lag: Family<PartitionLabels, RealGauge>,
    pub(super) feed_clock_lag: Family<FeedLabels, RealGauge>,
    state_nodes: Family<PartitionLabels, Gauge>,
    pub(super) dead_letter_gate: Gate,
    pub(super) broker_error_gate: Gate,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers a metric and hands it back.
fn register<M>(registry: &mut Registry, name: &str, help: &str, metric: &M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register(name, help, metric.clone());
    metric.clone()
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        r.register(
            "pumpwatch_build",
            "Version of the program and of the detector's logic",
            Info::new([
                ("version", env!("CARGO_PKG_VERSION")),
                ("logic", crate::detector::policy::LOGIC_VERSION),
            ]),
        );
        let totals = Arc::new(Totals::default());
        r.register_collector(Box::new(Arc::clone(&totals)));
        let append_to_alert = Arc::new(LatencyHistogram::new(
            "pumpwatch_append_to_alert_seconds",
            "From the broker's append of the deciding record to the acknowledged finding",
        ));
        r.register_collector(Box::new(Arc::clone(&append_to_alert)));
        // In the order in which they are printed; the counters get their `_total` there.
        let findings = register(r, "pumpwatch_findings", "Finding records published", &Family::default());
        let blocks = register(r, "pumpwatch_blocks", "Blocklist records published", &Family::default());
        let verdicts = register(
            r,
            "pumpwatch_verdicts",
            "Verdicts on findings, as they were acted on",
            &Family::default(),
        );
        let dead_letters = register(
            r,
            "pumpwatch_dead_letters",
            "Records dead-lettered by this process",
            &Family::default(),
        );
        let broker_errors = register(
            r,
            "pumpwatch_broker_errors",
            "Errors of the Kafka client",
            &Family::default(),
        );
        let commits = register(r, "pumpwatch_commits", "Offset commits", &Family::default());
        let rebalances = register(
            r,
            "pumpwatch_rebalances",
            "Partitions that changed hands: assigned, revoked or lost",
            &Family::default(),
        );
        let assigned = register(
            r,
            "pumpwatch_partitions_assigned",
            "Partitions owned now",
            &Family::default(),
        );
        let paused = register(
            r,
            "pumpwatch_partitions_paused",
            "Partitions held back by back-pressure now",
            &Family::default(),
        );
        let policy_changes = register(
            r,
            "pumpwatch_policy_changes",
            "Policies put in force",
            &Counter::default(),
        );
        let deadlines_missed = register(
            r,
            "pumpwatch_deadlines_missed",
            "Deadlines of draining or stopping that passed",
            &Counter::default(),
        );
        let http_failures = register(
            r,
            "pumpwatch_http_connection_failures",
            "HTTP connections that ended early",
            &Counter::default(),
        );
        let input_gaps = register(
            r,
            "pumpwatch_input_gap_records",
            "Records that were gone before they were read",
            &Family::default(),
        );
        let restore_seconds = register(
            r,
            "pumpwatch_restore_seconds",
            "What the last restore of the partition took",
            &Family::default(),
        );
        let log_time_lag = register(
            r,
            "pumpwatch_log_time_lag_seconds",
            "How far log time lies behind the wall clock",
            &Family::default(),
        );
        let feed_clock_lag = register(
            r,
            "pumpwatch_feed_clock_lag_seconds",
            "How far the feed's clock lies behind the wall clock",
            &Family::default(),
        );
        let state_nodes = register(
            r,
            "pumpwatch_state_nodes",
            "Destination nodes in the partition's state",
            &Family::default(),
        );
        Self {
            registry,
            totals,
            append_to_alert,
            findings,
            blocks,
            verdicts,
            dead_letters,
            broker_errors,
            commits,
            rebalances,
            assigned,
            paused,
            policy_changes,
            deadlines_missed,
            http_failures,
            input_gaps,
            restore_seconds,
            log_time_lag,
            feed_clock_lag,
            state_nodes,
            dead_letter_gate: Gate::new(Duration::from_secs(1)),
            broker_error_gate: Gate::new(Duration::from_secs(1)),
        }
    }

    /// The page for `/metrics`, of media type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut page = String::with_capacity(4096);
        encode(&mut page, &self.registry).expect("writing to a string does not fail");
        page
    }

    /// What became of the events of a partition so far, as its state counts them.
    pub fn set_event_counts(&self, partition: i32, counts: EventCounts) {
        self.totals.set_events(partition, counts);
    }

    /// What became of the records of a feed so far, as its progress counts them.
    pub fn set_record_counts(&self, feed: &Feed, counts: RecordCounts) {
        self.totals.set_records(feed, counts);
    }

    /// Records of a feed that were decided since the last call.
    pub fn add_record_counts(&self, feed: &Feed, added: RecordCounts) {
        self.totals.add_records(feed, added);
    }

    /// Events so far, over the partitions owned.
    pub fn event_counts(&self) -> EventCounts {
        self.totals.events()
    }

    /// Records so far, over the feeds owned.
    pub fn record_counts(&self) -> RecordCounts {
        self.totals.records()
    }

    /// The partition has another owner, who counts for it from now on: the sum
    /// over all members stays exact. Prometheus sees a counter that is reset.
    pub fn forget_partition(&self, partition: i32) {
        self.totals.forget_events(partition);
        let labels = PartitionLabels { partition };
        self.log_time_lag.remove(&labels);
        self.restore_seconds.remove(&labels);
        self.state_nodes.remove(&labels);
    }

    /// The same for a feed.
    pub fn forget_feed(&self, feed: &Feed) {
        self.totals.forget_records(feed);
        self.feed_clock_lag.remove(&FeedLabels::from(feed));
    }

    /// How many destination nodes a partition's state holds.
    pub fn set_state_nodes(&self, partition: i32, nodes: u64) {
        self.state_nodes
            .get_or_create(&PartitionLabels { partition })
            .set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }

    /// From the broker's append to the acknowledged finding.
    pub fn append_to_alert(&self) -> &LatencyHistogram {
        &self.append_to_alert
    }
}

/// A panic ends the process, so a poisoned lock is only ever seen on the way out.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
