//! What leaves the program.

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::ms;
use crate::model::log::Feed;
use crate::model::{Activity, Audit, Block, BlockAction, BlockChange, Finding};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{BlockLabels, FindingLabels, ReasonLabels, VerdictLabels};

/// A record could not be used and is in the dead-letter topic, acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct RecordDeadLettered<'a> {
    /// Where it came from.
    pub feed: &'a Feed,
    /// Its offset.
    pub offset: i64,
    /// One of the decoders' fixed names: it is a label.
    pub reason: &'a str,
    /// The same in words, without the record's content.
    pub detail: &'a str,
}

impl RecordDeadLettered<'_> {
    /// Counts the record; writes at most one log line a second.
    pub fn emit(&self, metrics: &Metrics) {
        metrics
            .dead_letters
            .get_or_create(&ReasonLabels {
                reason: self.reason.to_owned(),
            })
            .inc();
        if let Some(held_back) = metrics.dead_letter_gate.pass(Instant::now()) {
            warn!(
                event = "record_dead_lettered",
                topic = self.feed.topic.as_str(),
                partition = self.feed.partition,
                offset = self.offset,
                reason = self.reason,
                held_back,
                "a record could not be used: {}",
                self.detail
            );
        }
    }
}

/// A finding is on the alerts topic, acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct FindingPublished<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// From the broker's append of the record that decided it; `None` where a
    /// timer decided.
    pub append_to_alert: Option<Duration>,
}

impl FindingPublished<'_> {
    /// Writes the log line, counts the finding, records its latency.
    pub fn emit(&self, metrics: &Metrics) {
        let finding = self.finding;
        metrics
            .findings
            .get_or_create(&FindingLabels {
                kind: finding.kind.as_str(),
                level: finding.level.as_str(),
            })
            .inc();
        if let Some(latency) = self.append_to_alert {
            metrics.append_to_alert().observe(latency);
        }
        let activity = match finding.activity {
            Activity::Create => "create",
            Activity::Update => "update",
            Activity::Close => "close",
        };
        info!(
            event = "finding_published",
            uid = %finding.uid,
            activity,
            kind = finding.kind.as_str(),
            level = finding.level.as_str(),
            dedup_key = %finding.key,
            log_time = %finding.time,
            append_to_alert_ms = self.append_to_alert.map(ms),
            "{}",
            finding.message
        );
    }
}

/// A change of the blocklist is published, acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct BlockPublished<'a> {
    /// The change.
    pub change: &'a BlockChange,
}

impl BlockPublished<'_> {
    /// Writes the log line, counts the change.
    pub fn emit(&self, metrics: &Metrics) {
        let count = |op, mode| {
            metrics.blocks.get_or_create(&BlockLabels { op, mode }).inc();
        };
        match self.change {
            BlockChange::Put(block) => {
                count("put", block.mode.as_str());
                info!(
                    event = "block_published",
                    key = %block.key,
                    action = action_name(block),
                    mode = block.mode.as_str(),
                    expires_at = %block.expires_at,
                    finding_uid = %block.finding_uid,
                    "a range is on the blocklist"
                );
            }
            BlockChange::Delete(key) => {
                // A tombstone no longer knows the mode of what it removes.
                count("delete", "any");
                debug!(event = "block_published", key = %key, "a range is off the blocklist");
            }
        }
    }
}

/// An audit entry is published, acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct AuditPublished<'a> {
    /// The entry.
    pub audit: &'a Audit,
}

impl AuditPublished<'_> {
    /// Of a verdict on a finding: writes the log line, counts it. Other entries tell of
    /// what has an event of its own, or need none.
    pub fn emit(&self, metrics: &Metrics) {
        let audit = self.audit;
        let verdict = match (audit.action.as_str(), audit.detail.as_str()) {
            ("verdict", "true_positive") => "true_positive",
            ("verdict", "false_positive") => "false_positive",
            _ => return,
        };
        metrics.verdicts.get_or_create(&VerdictLabels { verdict }).inc();
        info!(
            event = "verdict_taken",
            uid = audit.subject.as_str(),
            verdict,
            log_time = %audit.time,
            "somebody judged a finding"
        );
    }
}

fn action_name(block: &Block) -> &'static str {
    match block.action {
        BlockAction::Block => "block",
        BlockAction::Sample => "sample",
    }
}
