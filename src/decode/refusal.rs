//! Why a record gave no event: refused (a dead letter) or ignored (known, and no
//! SMS event). Reasons are few and stable, since they label metrics and dead
//! letters; the sentence beside them says what to change. No sentence quotes a
//! telephone number or an identifier of a person.

use thiserror::Error;

/// The class of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// A record without a value.
    Tombstone,
    /// A value of no bytes, of white space alone, or an empty list.
    Empty,
    /// More bytes than [`super::RECORD_BYTES_MAX`].
    TooLarge,
    /// Nested deeper than [`super::DEPTH_MAX`].
    TooDeep,
    /// More events in one record than [`super::EVENTS_PER_RECORD_MAX`].
    TooManyEvents,
    /// Begins with the header of a schema registry.
    RegistryFramed,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Text that is not JSON.
    NotJson,
    /// JSON of another shape than an object.
    NotAnObject,
    /// A key stands twice in one object.
    DuplicateField,
    /// An event type that the format does not have.
    UnknownType,
    /// A record of another format.
    WrongFormat,
    /// A required field is missing, null or empty.
    MissingField,
    /// A field has a value that it cannot have.
    InvalidField,
    /// A text is longer than its field allows.
    FieldTooLong,
    /// A time that cannot be read or lies outside the years 1 to 9999.
    BadTime,
    /// A destination that is no E.164 number.
    BadNumber,
    /// A destination with digits hidden, so that numbers cannot be told apart.
    MaskedNumber,
}

impl RefusalReason {
    /// Every reason, for tables and metrics.
    pub const ALL: [Self; 18] = [
        Self::Tombstone,
        Self::Empty,
        Self::TooLarge,
        Self::TooDeep,
        Self::TooManyEvents,
        Self::RegistryFramed,
        Self::InvalidUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::DuplicateField,
        Self::UnknownType,
        Self::WrongFormat,
        Self::MissingField,
        Self::InvalidField,
        Self::FieldTooLong,
        Self::BadTime,
        Self::BadNumber,
        Self::MaskedNumber,
    ];

    /// The stable name in dead letters and metrics.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::TooManyEvents => "too_many_events",
            Self::RegistryFramed => "registry_framed",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::DuplicateField => "duplicate_field",
            Self::UnknownType => "unknown_type",
            Self::WrongFormat => "wrong_format",
            Self::MissingField => "missing_field",
            Self::InvalidField => "invalid_field",
            Self::FieldTooLong => "field_too_long",
            Self::BadTime => "bad_time",
            Self::BadNumber => "bad_number",
            Self::MaskedNumber => "masked_number",
        }
    }
}

/// A record that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The class.
    pub reason: RefusalReason,
    detail: String,
}

impl Refusal {
    pub(super) fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }

    /// The stable name of the class.
    pub fn class_name(&self) -> &'static str {
        self.reason.class_name()
    }

    /// A record of `bytes` bytes, more than [`super::RECORD_BYTES_MAX`].
    pub fn too_large(bytes: u64) -> Self {
        let max = super::RECORD_BYTES_MAX;
        Self::new(
            RefusalReason::TooLarge,
            format!("the record has {bytes} bytes, more than the {max} that are read"),
        )
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::new(
            RefusalReason::MissingField,
            format!("the required field `{field}` is missing or empty"),
        )
    }

    pub(super) fn invalid(field: &str, must: &str) -> Self {
        Self::new(RefusalReason::InvalidField, format!("`{field}` must be {must}"))
    }

    pub(super) fn too_long(field: &str, bytes: usize, max: usize) -> Self {
        Self::new(
            RefusalReason::FieldTooLong,
            format!("`{field}` has {bytes} bytes, more than the {max} that are allowed"),
        )
    }

    pub(super) fn bad_time(field: &str) -> Self {
        Self::new(
            RefusalReason::BadTime,
            format!(
                "`{field}` must be a time in RFC 3339 with an offset, or whole epoch milliseconds, in the years 1 to 9999"
            ),
        )
    }

    pub(super) fn unknown_type(field: &str, value: &str) -> Self {
        Self::new(
            RefusalReason::UnknownType,
            format!("`{field}` is {:?}, which this format does not have", clip(value)),
        )
    }

    /// Says what is wrong with a destination without showing it.
    pub(super) fn destination(field: &str, text: &str) -> Self {
        let body = text.strip_prefix('+').unwrap_or(text);
        // A run of hiding characters among digits, as providers write it.
        let hidden = |c: char| matches!(c, 'X' | 'x' | '*' | '•' | '…' | '#');
        if body.contains(hidden)
            && body.contains(|c: char| c.is_ascii_digit())
            && body.chars().all(|c| hidden(c) || c.is_ascii_digit())
        {
            return Self::new(
                RefusalReason::MaskedNumber,
                format!(
                    "`{field}` is a number with digits hidden; numbers that look the same cannot be told apart, so send it whole, or as a prefix with a token in the canonical format"
                ),
            );
        }
        let why = if !text.starts_with('+') {
            "it does not begin with a plus".to_owned()
        } else if body.contains(|c: char| !c.is_ascii_digit()) {
            "it has characters other than digits after the plus".to_owned()
        } else if body.starts_with('0') {
            "its first digit is zero".to_owned()
        } else {
            format!("it has {} digits", body.len())
        };
        Self::new(
            RefusalReason::BadNumber,
            format!("`{field}` is not an E.164 number (a plus, then 7 to 15 digits, the first not zero): {why}"),
        )
    }

    pub(super) fn destination_type(field: &str, kind: &str) -> Self {
        Self::new(
            RefusalReason::BadNumber,
            format!("`{field}` is {kind}, not a text with an E.164 number (a plus, then 7 to 15 digits)"),
        )
    }

    /// The same refusal, saying in which element of a list it lies (from 1).
    #[must_use]
    pub(super) fn in_element(mut self, number: usize) -> Self {
        self.detail = format!("element {number}: {}", self.detail);
        self
    }
}

/// At most 64 characters of a text that came from outside.
pub(super) fn clip(text: &str) -> String {
    if text.chars().nth(64).is_some() {
        text.chars().take(64).chain(std::iter::once('…')).collect()
    } else {
        text.to_owned()
    }
}

/// Why a known record means no SMS event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoreReason {
    /// A message that somebody sent to us.
    InboundMessage,
    /// Voice, e-mail, WhatsApp, pictures, push: not SMS.
    OtherChannel,
    /// An event of the same provider about something else.
    OtherEvent,
    /// A status on the way, of a message whose number is not told.
    IntermediateStatus,
    /// A verification that has sent nothing.
    NothingSent,
    /// The transport speaking of itself: subscription and sink tests.
    Control,
}

impl IgnoreReason {
    /// The stable name in metrics and in the output of `decode`.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::InboundMessage => "inbound_message",
            Self::OtherChannel => "other_channel",
            Self::OtherEvent => "other_event",
            Self::IntermediateStatus => "intermediate_status",
            Self::NothingSent => "nothing_sent",
            Self::Control => "control",
        }
    }

    /// The sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::InboundMessage => "an inbound message is not an SMS that was sent",
            Self::OtherChannel => "the message went another way than SMS",
            Self::OtherEvent => "the provider's event is about something else than an SMS",
            Self::IntermediateStatus => "a status on the way, of a message whose number is not told, says nothing new",
            Self::NothingSent => "the verification has sent no message",
            Self::Control => "the transport speaks of itself",
        }
    }
}
