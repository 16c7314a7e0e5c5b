//! What the outside sees: the detector's effects as records of the output topics.
//!
//! | File | What it writes |
//! |---|---|
//! | `ocsf` | a finding as an OCSF Detection Finding 1.8.0, the native form |
//! | `blocklist` | an entry of the compacted blocklist, its tombstone, and the line of the `--blocklist` file |
//! | `stats` | one minute of one destination |
//! | `audit` | one entry of the audit trail |
//! | `canonical` | events and feedback in the canonical format, and what `decode` prints |
//! | `dead_letter` | a record that could not be used, with its origin and the reason |
//! | `explain` | why, or why not: a number or a finding in words |
//! | `schema` | the JSON Schemas of all of these and of the input, made from the same types, and AsyncAPI |
//! | `json` | how numbers and times are printed |
//!
//! Everything here is a pure function of its arguments: the same effect gives the
//! same bytes, on any machine and at any time. A further form of a finding is one
//! file and one line in [`FINDING_FORMATS`].
//!
//! Headers are those that belong to the content: `content-type` and CloudEvents in
//! binary mode. Where a record comes from and which trace it belongs to is known
//! only where it is published, and added there.

use std::borrow::Cow;

use crate::detector::Effect;
use crate::model::Finding;
use json::Utc;

pub mod audit;
pub mod blocklist;
pub mod canonical;
pub mod dead_letter;
pub mod explain;
mod json;
pub mod ocsf;
pub mod schema;
pub mod stats;

/// Which of the output topics a record is for. Their names are configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputTopic {
    /// Findings.
    Alerts,
    /// The compacted blocklist.
    Blocklist,
    /// Window statistics.
    Stats,
    /// The audit trail.
    Audit,
    /// Records that could not be used.
    DeadLetters,
}

/// A record header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value; Kafka knows headers without one.
    pub value: Option<Vec<u8>>,
}

impl Header {
    /// A header with a text value.
    pub fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name: Cow::Borrowed(name),
            value: Some(value.into().into_bytes()),
        }
    }
}

/// A record as it is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedRecord {
    /// Where to.
    pub topic: OutputTopic,
    /// Its key; only a dead letter may lack one, as its original did.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// A finding in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The dedup key, `tenant|app|prefix`.
    pub key: String,
    /// The value: one line of UTF-8 JSON.
    pub value: Vec<u8>,
    /// Identity of the record, 32 hex digits: the same for the same record of the
    /// same log, whenever and however often it is published.
    pub metadata_uid: String,
}

/// One way to write a finding.
#[derive(Clone, Copy, Debug)]
pub struct FindingFormat {
    /// How configuration calls it.
    pub name: &'static str,
    /// Media type of its value.
    pub content_type: &'static str,
    /// Writes it.
    pub render: fn(&Finding) -> Rendered,
}

/// Every way to write a finding; the first is the native one.
pub const FINDING_FORMATS: &[FindingFormat] = &[ocsf::FORMAT];

/// The header that says where in the internal log a record comes from. Whoever
/// publishes adds it.
pub const ORIGIN_HEADER: &str = "pumpwatch-origin";

/// The media type of every value written here.
pub(crate) const APPLICATION_JSON: &str = "application/json";

/// An effect of the detector as a record.
pub fn effect(effect: &Effect) -> RenderedRecord {
    match effect {
        Effect::Finding(finding) => finding_record(finding),
        Effect::Block(time, change) => blocklist::record(*time, change),
        Effect::Stats(stats) => stats::record(stats),
        Effect::Audit(audit) => audit::record(audit),
    }
}

fn finding_record(finding: &Finding) -> RenderedRecord {
    let rendered = ocsf::finding(finding);
    let envelope = Envelope {
        kind: ocsf::cloud_event_type(finding.activity),
        id: rendered.metadata_uid,
        time: Utc(finding.time),
        content_type: Some(ocsf::FORMAT.content_type),
    };
    RenderedRecord {
        topic: OutputTopic::Alerts,
        key: Some(rendered.key.into_bytes()),
        value: Some(rendered.value),
        headers: envelope.headers(),
    }
}

/// What CloudEvents wants to know of a record.
struct Envelope {
    /// `ce_type`.
    kind: &'static str,
    /// `ce_id`, deterministic.
    id: String,
    /// `ce_time`, log time.
    time: Utc,
    /// Of the value; a tombstone has none.
    content_type: Option<&'static str>,
}

impl Envelope {
    /// Of a record that bears no identity of its own: its id is a digest of all
    /// that it says.
    fn of_content(kind: &'static str, time: Utc, key: &str, value: Option<&[u8]>) -> Self {
        let id = json::digest(&[
            kind.as_bytes(),
            key.as_bytes(),
            time.to_string().as_bytes(),
            value.unwrap_or_default(),
        ]);
        Self {
            kind,
            id,
            time,
            content_type: value.map(|_| APPLICATION_JSON),
        }
    }

    /// Headers of the Kafka binding in binary mode.
    fn headers(self) -> Vec<Header> {
        let mut headers = Vec::with_capacity(6);
        headers.extend(self.content_type.map(|media| Header::text("content-type", media)));
        headers.push(Header::text("ce_specversion", "1.0"));
        headers.push(Header::text("ce_type", self.kind));
        headers.push(Header::text("ce_source", "/pumpwatch/detector"));
        headers.push(Header::text("ce_id", self.id));
        headers.push(Header::text("ce_time", self.time.to_string()));
        headers
    }
}
