//! The catalogue, seen from outside: the page of metrics and the log lines.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::detector::EventCounts;
use crate::model::log::{Feed, RecordCounts};
use crate::model::{
    Activity, Audit, Block, BlockAction, BlockChange, Currency, EntityKey, Finding, FindingKind, FindingUid, Level,
    Micros, Millis, Mode, Prefix, RecommendedAction,
};
use crate::telemetry::{Metrics, Role};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What `work` logs, as JSON without times.
fn logged(work: impl FnOnce()) -> String {
    let lines = Lines::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(lines.clone())
        .without_time()
        .json()
        .flatten_event(true)
        .with_target(false);
    let subscriber = tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::TRACE)
        .with(layer);
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

fn feed(topic: &str, partition: i32) -> Feed {
    Feed {
        topic: topic.into(),
        partition,
    }
}

fn key() -> EntityKey {
    EntityKey {
        tenant: "acme".into(),
        app: None,
        prefix: Prefix::parse("+9989012"),
    }
}

fn finding() -> Finding {
    let time = Millis(1_795_333_742_000);
    Finding {
        uid: FindingUid(7),
        sequence: 0,
        activity: Activity::Create,
        key: key(),
        kind: FindingKind::SmsPumping,
        level: Level::Block,
        time,
        opened: time,
        start_time: time,
        end_time: time,
        region: None,
        prefixes: Vec::new(),
        recommended_action: RecommendedAction::BlockPrefix,
        expires_at: time,
        evidence: Vec::new(),
        log_e_total: 21.0,
        log_e_threshold: 18.0,
        explanations: Vec::new(),
        limits: Vec::new(),
        attempts: 12,
        messages: 12,
        verified: 0,
        expected_conversion: 0.6,
        loss: Micros(0),
        loss_per_hour: Micros(0),
        currency: Currency::USD,
        moved_from: None,
        config_hash: "h".into(),
        samples: Vec::new(),
        message: "12 sends to +9989012 and no code came back".into(),
    }
}

fn block() -> BlockChange {
    BlockChange::Put(Block {
        key: key(),
        action: BlockAction::Block,
        mode: Mode::Shadow,
        since: Millis(1_795_333_742_000),
        expires_at: Millis(1_795_337_342_000),
        allow_ratio: 0.0,
        finding_uid: FindingUid(7),
        confidence: 0.99,
    })
}

fn emit_everything(metrics: &Metrics) {
    let feeds = [feed("sms.send.v1", 0), feed("sms.send.v1", 3)];
    let (clock, wall) = (Millis(1_795_333_740_000), Millis(1_795_333_742_500));
    let role = Role::Router;
    Started {
        role,
        member: "m-1",
        group: "pumpwatch.router",
    }
    .emit(metrics);
    ConfigLoaded {
        redacted: &serde_json::json!({"privacy": {"key": "<redacted>"}}),
    }
    .emit(metrics);
    PolicyChanged {
        before: None,
        now: "abc",
    }
    .emit(metrics);
    PartitionsAssigned {
        role,
        partitions: &feeds,
    }
    .emit(metrics);
    PartitionsRevoked {
        role,
        partitions: &feeds[..1],
    }
    .emit(metrics);
    PartitionsLost {
        role: Role::Detector,
        partitions: &[],
    }
    .emit(metrics);
    PartitionRestored {
        partition: 2,
        records: 40,
        elapsed: Duration::from_millis(1500),
    }
    .emit(metrics);
    PartitionDrained {
        role,
        partition: 3,
        elapsed: Duration::from_millis(12),
    }
    .emit(metrics);
    AssignmentChanged { role, partitions: 1 }.emit(metrics);
    OffsetsCommitted { role, partitions: 2 }.emit(metrics);
    InputGapFound {
        feed: &feeds[0],
        from: 10,
        to: 25,
    }
    .emit(metrics);
    BrokerFailed {
        role,
        error: "AllBrokersDown",
        fatal: false,
    }
    .emit(metrics);
    BrokerFailed {
        role,
        error: "AllBrokersDown",
        fatal: false,
    }
    .emit(metrics);
    BrokerFailed {
        role,
        error: "a delivery failed",
        fatal: true,
    }
    .emit(metrics);
    BackPressureOn { role, feed: &feeds[0] }.emit(metrics);
    BackPressureOn { role, feed: &feeds[1] }.emit(metrics);
    BackPressureOff { role, feed: &feeds[0] }.emit(metrics);
    FeedClockAdvanced {
        feed: &feeds[0],
        clock,
        wall,
    }
    .emit(metrics);
    LogTimeAdvanced {
        partition: 2,
        log_time: clock,
        wall,
    }
    .emit(metrics);
    for offset in 0..3 {
        RecordDeadLettered {
            feed: &feeds[0],
            offset,
            reason: "not_json",
            detail: "it is not JSON",
        }
        .emit(metrics);
    }
    FindingPublished {
        finding: &finding(),
        append_to_alert: Some(Duration::from_millis(180)),
    }
    .emit(metrics);
    BlockPublished { change: &block() }.emit(metrics);
    BlockPublished {
        change: &BlockChange::Delete(key()),
    }
    .emit(metrics);
    for action in ["verdict", "safelist_put"] {
        let audit = Audit {
            time: clock,
            action: action.into(),
            tenant: "acme".into(),
            by: "ana".into(),
            subject: FindingUid(7).to_string().into(),
            detail: "false_positive".into(),
        };
        AuditPublished { audit: &audit }.emit(metrics);
    }
    let address = "127.0.0.1:8080".parse().unwrap();
    HttpListening { address }.emit(metrics);
    HttpConnectionFailed {
        error: "header timeout",
    }
    .emit(metrics);
    ShutdownBegun {
        cause: "SIGTERM",
        deadline: Duration::from_secs(25),
    }
    .emit(metrics);
    DeadlineMissed {
        what: "drain of the detector",
        deadline: Duration::from_secs(25),
    }
    .emit(metrics);
    ShutdownFinished {
        elapsed: Duration::from_secs(1),
    }
    .emit(metrics);
}

#[test]
fn every_event_has_its_line() {
    let metrics = Metrics::new();
    insta::assert_snapshot!(logged(|| emit_everything(&metrics)));
}

#[test]
fn every_metric_is_on_the_page() {
    let metrics = Metrics::new();
    emit_everything(&metrics);
    metrics.set_state_nodes(2, 17);
    metrics.set_record_counts(
        &feed("sms.send.v1", 0),
        RecordCounts {
            usable: 5,
            ignored: 1,
            dead_lettered: 2,
        },
    );
    metrics.set_record_counts(
        &feed("sms.send.v1", 3),
        RecordCounts {
            usable: 10,
            ignored: 0,
            dead_lettered: 0,
        },
    );
    let one_ignored = RecordCounts {
        ignored: 1,
        ..RecordCounts::default()
    };
    metrics.add_record_counts(&feed("sms.send.v1", 3), one_ignored);
    metrics.set_event_counts(
        0,
        EventCounts {
            counted: 12,
            duplicate: 1,
            late: 1,
            quarantined: 1,
        },
    );
    // Within a family the order of the lines is that of a hash table.
    let page = metrics.encode();
    let mut lines: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn nothing_is_left_of_a_partition_that_has_gone() {
    let metrics = Metrics::new();
    let events = |counted| EventCounts {
        counted,
        ..EventCounts::default()
    };
    metrics.set_event_counts(0, events(10));
    metrics.set_event_counts(1, events(5));
    metrics.set_state_nodes(0, 3);
    // A fold that begins again does not pull the counter down.
    metrics.set_event_counts(0, events(2));
    assert_eq!(metrics.event_counts().counted, 15);
    metrics.forget_partition(0);
    assert_eq!(metrics.event_counts().counted, 5);
    assert!(!metrics.encode().contains("pumpwatch_state_nodes{"));

    let gone = feed("a", 0);
    metrics.set_record_counts(
        &gone,
        RecordCounts {
            usable: 7,
            ..RecordCounts::default()
        },
    );
    FeedClockAdvanced {
        feed: &gone,
        clock: Millis(0),
        wall: Millis(9),
    }
    .emit(&metrics);
    metrics.forget_feed(&gone);
    assert_eq!(metrics.record_counts(), RecordCounts::default());
    assert!(!metrics.encode().contains("topic=\"a\""));
}
