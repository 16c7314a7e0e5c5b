//! The audit trail: what was decided or told, and by whom.

use schemars::JsonSchema;
use serde::Serialize;

use super::json::{Utc, to_bytes};
use super::{Envelope, OutputTopic, RenderedRecord};
use crate::model::{Audit, EntityKey};

/// One entry of the audit trail.
#[derive(Serialize, JsonSchema)]
pub(super) struct AuditValue<'a> {
    /// Log time, RFC 3339.
    time: Utc,
    /// What was done: a fixed verb, as in `policy_changed`.
    action: &'a str,
    /// Whose; `*` when it concerns all.
    tenant: &'a str,
    /// Who or what did it.
    by: &'a str,
    /// What it was about.
    subject: &'a str,
    /// The same in words.
    detail: &'a str,
}

/// The record of the audit topic, keyed by tenant so that one tenant's entries
/// stay in order; the key is `*` where the entry concerns all.
pub fn record(audit: &Audit) -> RenderedRecord {
    let key = EntityKey::encode(tenant(audit)).into_string();
    let value = value(audit);
    let envelope = Envelope::of_content("sms.pumping.audit", Utc(audit.time), &key, Some(&value));
    RenderedRecord {
        topic: OutputTopic::Audit,
        key: Some(key.into_bytes()),
        value: Some(value),
        headers: envelope.headers(),
    }
}

/// One line of JSON.
pub fn value(audit: &Audit) -> Vec<u8> {
    to_bytes(&AuditValue {
        time: Utc(audit.time),
        action: &audit.action,
        tenant: tenant(audit),
        by: &audit.by,
        subject: &audit.subject,
        detail: &audit.detail,
    })
}

fn tenant(audit: &Audit) -> &str {
    if audit.tenant.is_empty() { "*" } else { &audit.tenant }
}
