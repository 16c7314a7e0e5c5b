//! The blocklist: an entry for each range, a tombstone when it is gone.

use schemars::JsonSchema;
use serde::Serialize;

use super::json::{Decimal, Utc, to_bytes};
use super::{Envelope, OutputTopic, RenderedRecord};
use crate::model::{Block, BlockAction, BlockChange, Millis, Mode};

/// A range of numbers that should be blocked. Whoever acts on it must honour
/// `expires_at` without being told: the detector may be down when it passes.
#[derive(Serialize, JsonSchema)]
pub(super) struct BlockValue<'a> {
    /// Whose traffic.
    tenant: &'a str,
    /// Which of the tenant's applications; `*` for all.
    app: &'a str,
    /// Leading digits of the blocked numbers, with the plus.
    #[schemars(regex(pattern = r"^(\+[1-9][0-9]{0,14}|\*)$"))]
    prefix: String,
    /// `block` stops all, `sample` lets a share through.
    action: BlockAction,
    /// `enforce`, or `shadow`: nothing downstream should act on it.
    mode: Mode,
    /// Since when, RFC 3339.
    since: Utc,
    /// Until when, RFC 3339.
    expires_at: Utc,
    /// Share of messages to let through, 0 to 1; 0 unless `action` is `sample`.
    #[schemars(range(min = 0, max = 1))]
    allow_ratio: Decimal,
    /// `finding_info.uid` of the finding behind it.
    #[schemars(regex(pattern = r"^[0-9a-f]{32}$"))]
    finding_uid: String,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    confidence: Decimal,
}

impl<'a> BlockValue<'a> {
    fn new(block: &'a Block) -> Self {
        Self {
            tenant: &block.key.tenant,
            app: block.key.app.as_deref().unwrap_or("*"),
            prefix: block.key.prefix.map_or_else(|| "*".into(), |prefix| prefix.to_string()),
            action: block.action,
            mode: block.mode,
            since: Utc(block.since),
            expires_at: Utc(block.expires_at),
            allow_ratio: Decimal::share(block.allow_ratio),
            finding_uid: block.finding_uid.to_string(),
            confidence: Decimal::share(block.confidence),
        }
    }
}

/// One line of the file that `--blocklist` names. Every line has the same four
/// fields; `value` is null where the entry is deleted.
#[derive(Serialize)]
struct Line<'a> {
    time: Utc,
    op: &'static str,
    key: String,
    value: Option<BlockValue<'a>>,
}

/// The record of the blocklist topic, keyed `tenant|app|prefix`, for a change decided at log time `time`.
pub fn record(time: Millis, change: &BlockChange) -> RenderedRecord {
    let (kind, key, value) = match change {
        BlockChange::Put(block) => ("sms.pumping.block.put", &block.key, Some(value(block))),
        BlockChange::Delete(key) => ("sms.pumping.block.delete", key, None),
    };
    let key = key.to_string();
    let envelope = Envelope::of_content(kind, Utc(time), &key, value.as_deref());
    RenderedRecord {
        topic: OutputTopic::Blocklist,
        key: Some(key.into_bytes()),
        value,
        headers: envelope.headers(),
    }
}

/// The same change as a line of a file, without the line feed.
pub fn line(time: Millis, change: &BlockChange) -> Vec<u8> {
    let (op, key, value) = match change {
        BlockChange::Put(block) => ("put", &block.key, Some(BlockValue::new(block))),
        BlockChange::Delete(key) => ("delete", key, None),
    };
    to_bytes(&Line {
        time: Utc(time),
        op,
        key: key.to_string(),
        value,
    })
}

/// The value of one entry: one line of JSON.
pub fn value(block: &Block) -> Vec<u8> {
    to_bytes(&BlockValue::new(block))
}
