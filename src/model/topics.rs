//! The topics' names, where the configuration gives no others.

/// Input: sends in the canonical format.
pub const SEND: &str = "sms.send.v1";
/// Input: verifications in the canonical format.
pub const VERIFICATION: &str = "sms.verification.v1";
/// Input: delivery receipts in the canonical format.
pub const DELIVERY: &str = "sms.delivery.v1";
/// Input: verdicts and safe-list commands.
pub const FEEDBACK: &str = "sms.pumping.feedback.v1";
/// The internal log.
pub const EVENTS: &str = "pumpwatch.events.v1";
/// Snapshots of the detector's state.
pub const SNAPSHOTS: &str = "pumpwatch.snapshots.v1";
/// Findings.
pub const ALERTS: &str = "sms.pumping.alerts.v1";
/// The compacted blocklist.
pub const BLOCKLIST: &str = "sms.pumping.blocklist.v1";
/// Window statistics.
pub const STATS: &str = "sms.pumping.stats.v1";
/// Records that could not be used.
pub const DEAD_LETTERS: &str = "sms.pumping.dlq.v1";
/// The audit trail.
pub const AUDIT: &str = "sms.pumping.audit.v1";
