//! Bytes of a source record → canonical events, or a typed reason why not.
//!
//! Decoders are pure functions: no state, no clock, no file. A record has one
//! outcome: *usable* (at least one event), *ignored* (known, and no SMS event) or
//! *refused* (a dead letter). A record that holds several elements is refused as
//! a whole when one of them is, so that nothing is counted half; elements that
//! mean nothing lie beside usable ones without harm.
//!
//! What repeats a thing already told carries the same id, and deduplication folds
//! it: of events with one id the first that is read counts. Each format is one
//! file, with a table of which record gives which event, id and time, and one
//! line in [`FORMATS`].
//!
//! The rules for all formats:
//!
//! - A destination is taken as it stands or not at all; nothing is repaired.
//! - A key that stands twice in one object refuses the record.
//! - Sizes, depth, lengths and counts are bounded before they cost anything.
//! - Tenant and app of a provider's record are those of the input's
//!   configuration, else `default` (where a format says so, what the customer
//!   attached to the message comes in between).
//! - Secrets (codes, message texts) are never read; [`redact_secrets`] takes them
//!   out of a record that becomes a dead letter.
//! - Whether a time lies too far ahead or behind is the detector's question.

mod attached;
mod aws_envelope;
mod aws_sms;
mod aws_sns_delivery;
pub mod canonical;
mod cognito_custom_sms_sender;
mod elements;
mod feedback;
mod guard;
mod json;
mod node;
mod redact;
mod refusal;
mod twilio_event_streams;
mod twilio_verify;

use compact_str::CompactString;
use thiserror::Error;

pub use canonical::{FileLine, decode_line};
pub use feedback::decode_feedback;
pub use guard::{DEPTH_MAX, EVENTS_PER_RECORD_MAX, RECORD_BYTES_MAX};
pub(crate) use redact::is_secret_name;
pub use redact::redact_secrets;
pub use refusal::{IgnoreReason, Refusal, RefusalReason};

use crate::model::{DEFAULT_NAME, Event, Millis};

/// Every format of this version. To add one: its file, and its line here.
pub const FORMATS: &[&FormatInfo] = &[
    &canonical::FORMAT,
    &twilio_event_streams::FORMAT,
    &aws_sms::FORMAT,
    &aws_sns_delivery::FORMAT,
    &cognito_custom_sms_sender::FORMAT,
];

/// Formats of the contract that this version does not read.
const NOT_BUILT: &[&str] = &[
    "twilio_status_callback",
    "aws_pinpoint",
    "vonage_sms",
    "vonage_messages",
    "vonage_verify",
    "infobip",
    "sinch_sms",
    "sinch_verification",
    "smpp_receipt",
    "mapping",
];

/// What is known of a record beside its value.
#[derive(Clone, Copy, Debug)]
pub struct RecordMeta<'a> {
    /// The Kafka timestamp, or a file's ingest time.
    pub record_time: Millis,
    /// The tenant that the input's configuration names.
    pub default_tenant: Option<&'a str>,
    /// The app that the input's configuration names.
    pub default_app: Option<&'a str>,
}

impl RecordMeta<'_> {
    fn tenant(&self) -> CompactString {
        self.default_tenant.unwrap_or(DEFAULT_NAME).into()
    }

    fn app(&self) -> CompactString {
        self.default_app.unwrap_or(DEFAULT_NAME).into()
    }
}

/// What a record became that is not refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// At least one event, in the order in which they happened as far as the record tells.
    Usable(Vec<Event>),
    /// Known, and no SMS event.
    Ignored(IgnoreReason),
}

/// Which event types a format can carry. Silence of a verification counts only
/// where some feed of the tenant carries verifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carries {
    /// Sends.
    pub sends: bool,
    /// Verifications.
    pub verifications: bool,
    /// Delivery receipts.
    pub deliveries: bool,
}

/// One source format.
#[derive(Debug)]
pub struct FormatInfo {
    /// The name in the configuration and in `decode --format`.
    pub name: &'static str,
    /// Which event types it can carry.
    pub carries: Carries,
    /// Decodes one record.
    decode: fn(&RecordMeta<'_>, &str) -> Result<Decoded, Refusal>,
    /// Keys whose values are secrets, at any depth, beside those that are secrets
    /// everywhere (see `redact`); case, `-` and `_` do not matter.
    secrets: &'static [&'static str],
}

/// A format that this version reads.
#[derive(Clone, Copy)]
pub struct Format(&'static FormatInfo);

impl Format {
    /// The canonical format, the default of an input.
    pub const CANONICAL: Self = Self(&canonical::FORMAT);

    /// The format of that name.
    pub fn parse(name: &str) -> Result<Self, FormatError> {
        if let Some(info) = FORMATS.iter().find(|info| info.name == name) {
            return Ok(Self(info));
        }
        if NOT_BUILT.contains(&name) {
            return Err(FormatError::NotBuilt { name: name.to_owned() });
        }
        Err(FormatError::Unknown {
            name: refusal::clip(name),
            nearest: nearest(name),
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Which event types it can carry.
    pub fn carries(self) -> Carries {
        self.0.carries
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::CANONICAL
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Format({})", self.name())
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn nearest(name: &str) -> &'static str {
    let known = FORMATS.iter().map(|info| info.name).chain(NOT_BUILT.iter().copied());
    // Of equally near names the first listed: the order of the contract.
    known
        .min_by_key(|known| strsim::damerau_levenshtein(known, name.get(..64).unwrap_or(name)))
        .unwrap_or("canonical")
}

/// A name that is no format of this version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// It will be one.
    #[error("the format `{name}` is known but not built in this version; built are {}", built())]
    NotBuilt {
        /// The name.
        name: String,
    },
    /// It is none.
    #[error("there is no format `{name}`; did you mean `{nearest}`? Built are {}", built())]
    Unknown {
        /// The name, cut at 64 characters.
        name: String,
        /// The known name that is most like it.
        nearest: &'static str,
    },
}

fn built() -> String {
    let names: Vec<_> = FORMATS.iter().map(|info| info.name).collect();
    names.join(", ")
}

/// Decodes one record. `None` is a record without a value.
pub fn decode(format: Format, meta: &RecordMeta<'_>, value: Option<&[u8]>) -> Result<Decoded, Refusal> {
    (format.0.decode)(meta, guard::text(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract_and_errors_say_what_to_change() {
        for info in FORMATS {
            assert_eq!(Format::parse(info.name).unwrap().name(), info.name);
        }
        assert_eq!(FORMATS.len() + NOT_BUILT.len(), 15);
        let error = Format::parse("infobip").unwrap_err();
        assert!(matches!(error, FormatError::NotBuilt { .. }));
        assert_eq!(
            error.to_string(),
            "the format `infobip` is known but not built in this version; built are canonical, \
             twilio_event_streams, aws_sms, aws_sns_delivery, cognito_custom_sms_sender"
        );
        let error = Format::parse("twilio_event_stream").unwrap_err().to_string();
        assert!(error.starts_with("there is no format `twilio_event_stream`; did you mean `twilio_event_streams`?"));
    }

    #[test]
    fn class_names_are_unique() {
        let mut names: Vec<_> = RefusalReason::ALL.iter().map(|r| r.class_name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RefusalReason::ALL.len());
    }
}
