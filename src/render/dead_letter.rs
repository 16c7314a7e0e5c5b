//! A record that could not be used, as a record of the dead-letter topic.
//!
//! It bears the original key, value and headers, and after them where it came from
//! and why it is here, under the names that Kafka Connect uses:
//!
//! | Header | Value |
//! |---|---|
//! | `__connect.errors.topic`, `.partition`, `.offset` | where it was read |
//! | `__connect.errors.stage` | the step that refused it, see [`Stage`] |
//! | `__connect.errors.class.name` | the decoder: the declared format of the input |
//! | `__connect.errors.exception.class.name` | the reason, one word for each kind |
//! | `__connect.errors.exception.message` | the reason in a sentence |
//! | `pumpwatch-truncated` | what was cut, with its original length in bytes: `value=20971520` |
//! | `pumpwatch-withheld` | what is withheld: `value`, `key`, `headers` |
//!
//! Known secrets are redacted in every case (see [`redact_secrets`]). Under
//! [`Disclosure::Withheld`] the value becomes `{"length":n,"digest":"…"}`; a key or
//! header in which seven digits stand in a row may hold a number, and is left out.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::json::to_bytes;
use super::{APPLICATION_JSON, Header, OutputTopic, RenderedRecord};
use crate::decode::{Format, is_secret_name, redact_secrets};
use crate::model::E164_DIGITS_MIN;

/// Longest reason that is written, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_024;
/// Bytes kept free for `pumpwatch-truncated` and the record's own framing.
const FRAMING_BYTES: usize = 256;
const OWN_HEADERS: &str = "__connect.errors.";
const TRUNCATED: &str = "pumpwatch-truncated";
const WITHHELD: &str = "pumpwatch-withheld";

/// A record that could not be used.
#[derive(Clone, Debug)]
pub struct DeadLetter<'a> {
    /// Topic it was read from.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The step that refused it.
    pub stage: Stage,
    /// The declared format of the input; `None` for feedback.
    pub format: Option<Format>,
    /// The reason, one word for each kind.
    pub reason: &'a str,
    /// The reason in a sentence; cut after 1,024 bytes.
    pub message: &'a str,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [Header],
}

/// The step that refused a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its bytes could not be decoded: `VALUE_CONVERTER`, as Connect calls it.
    Decode,
    /// It was decoded and what it says cannot be used: `TRANSFORMATION`.
    Normalise,
}

impl Stage {
    /// The name that Kafka Connect gives the step.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "VALUE_CONVERTER",
            Self::Normalise => "TRANSFORMATION",
        }
    }
}

/// How much of a dead letter's value may be shown.
#[derive(Clone, Copy)]
pub enum Disclosure<'a> {
    /// All of it but known secrets.
    Original,
    /// Its length and a digest under this key, so that equal values are recognised
    /// by whoever has the key and guessed by nobody.
    Withheld {
        /// Key of the digest.
        key: &'a [u8; 32],
    },
}

/// What stands for a withheld value.
#[derive(Serialize, JsonSchema)]
pub(super) struct Withheld {
    /// Bytes of the value.
    length: usize,
    /// Keyed digest of the value, 64 hex digits: equal values have equal digests.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    digest: String,
}

/// The record for the dead-letter topic. Key, value and headers together stay within
/// `bytes_max` as long as that leaves room for the reason itself (about 2 KiB).
pub fn record(letter: &DeadLetter<'_>, disclosure: Disclosure<'_>, bytes_max: usize) -> RenderedRecord {
    let mut headers = own_headers(letter);
    let mut room = Room::new(bytes_max.saturating_sub(FRAMING_BYTES + size(&headers)));
    let shown = Shown::new(letter, disclosure);

    // The reason always fits; then the key, then the headers, and the value has what is left.
    let key = shown.key.map(|key| room.cut("key", key.len(), key, bytes_max / 4));
    let originals = if size(&shown.headers) > bytes_max / 4 {
        room.notes.push(format!("headers={}", size(&shown.headers)));
        Vec::new()
    } else {
        room.bytes = room.bytes.saturating_sub(size(&shown.headers));
        shown.headers
    };
    let original_length = letter.value.map_or(0, <[u8]>::len);
    let value = shown
        .value
        .map(|value| room.cut("value", original_length, &value, usize::MAX));

    if !room.notes.is_empty() {
        headers.push(Header::text(TRUNCATED, room.notes.join(",")));
    }
    if !shown.withheld.is_empty() {
        headers.push(Header::text(WITHHELD, shown.withheld.join(",")));
    }
    RenderedRecord {
        topic: OutputTopic::DeadLetters,
        key,
        value,
        headers: originals.into_iter().chain(headers).collect(),
    }
}

/// The bytes that are left, and what had to be cut for them.
struct Room {
    bytes: usize,
    notes: Vec<String>,
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self {
            bytes,
            notes: Vec::new(),
        }
    }

    fn cut(&mut self, what: &str, original_length: usize, bytes: &[u8], bytes_max: usize) -> Vec<u8> {
        let kept = bytes.len().min(bytes_max).min(self.bytes);
        if kept < bytes.len() {
            self.notes.push(format!("{what}={original_length}"));
        }
        self.bytes -= kept;
        bytes[..kept].to_vec()
    }
}

/// What of the original may be shown.
struct Shown<'a> {
    key: Option<&'a [u8]>,
    value: Option<Cow<'a, [u8]>>,
    headers: Vec<Header>,
    withheld: Vec<&'static str>,
}

impl<'a> Shown<'a> {
    fn new(letter: &DeadLetter<'a>, disclosure: Disclosure<'_>) -> Self {
        // A dead letter that is fed back and dies again bears one reason, the last.
        let headers = letter
            .headers
            .iter()
            .filter(|header| !is_own(&header.name))
            .map(without_secret);
        match disclosure {
            Disclosure::Original => Self {
                key: letter.key,
                value: letter.value.map(|value| redact_secrets(letter.format, value)),
                headers: headers.collect(),
                withheld: Vec::new(),
            },
            Disclosure::Withheld { key } => Self::withheld(letter, headers.collect(), key),
        }
    }

    fn withheld(letter: &DeadLetter<'a>, headers: Vec<Header>, digest_key: &[u8; 32]) -> Self {
        let mut withheld = Vec::new();
        let value = letter.value.map(|value| {
            withheld.push("value");
            let digest = blake3::keyed_hash(digest_key, value).to_hex().to_string();
            Cow::Owned(to_bytes(&Withheld {
                length: value.len(),
                digest,
            }))
        });
        let key = letter.key.filter(|key| !may_hold_number(key));
        if key.is_none() && letter.key.is_some() {
            withheld.push("key");
        }
        let count = headers.len();
        // The media type was that of the value, which is another one now.
        let media_type = |header: &Header| header.name.eq_ignore_ascii_case("content-type");
        let mut headers: Vec<Header> = headers
            .into_iter()
            .filter(|header| !header.value.as_deref().is_some_and(may_hold_number))
            .collect();
        if headers.len() < count {
            withheld.push("headers");
        }
        headers.retain(|header| !media_type(header));
        if value.is_some() {
            headers.push(Header::text("content-type", APPLICATION_JSON));
        }
        Self {
            key,
            value,
            headers,
            withheld,
        }
    }
}

fn own_headers(letter: &DeadLetter<'_>) -> Vec<Header> {
    vec![
        Header::text("__connect.errors.topic", letter.topic),
        Header::text("__connect.errors.partition", letter.partition.to_string()),
        Header::text("__connect.errors.offset", letter.offset.to_string()),
        Header::text("__connect.errors.stage", letter.stage.as_str()),
        Header::text("__connect.errors.class.name", format_name(letter.format)),
        Header::text("__connect.errors.exception.class.name", letter.reason),
        Header::text("__connect.errors.exception.message", cut_text(letter.message)),
    ]
}

/// How the header calls the decoder.
pub(super) fn format_name(format: Option<Format>) -> &'static str {
    format.map_or("feedback", Format::name)
}

fn cut_text(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn is_own(name: &str) -> bool {
    name.starts_with(OWN_HEADERS) || name == TRUNCATED || name == WITHHELD
}

fn without_secret(header: &Header) -> Header {
    if is_secret_name(header.name.as_bytes()) {
        Header {
            name: header.name.clone(),
            value: Some(b"[redacted]".to_vec()),
        }
    } else {
        header.clone()
    }
}

/// Whether as many digits stand in a row as the shortest number has.
fn may_hold_number(bytes: &[u8]) -> bool {
    let mut run = 0;
    bytes.iter().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run >= E164_DIGITS_MIN
    })
}

fn size(headers: &[Header]) -> usize {
    // Ten bytes for the two lengths of each header.
    headers
        .iter()
        .map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len) + 10)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letter<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a [Header]) -> DeadLetter<'a> {
        DeadLetter {
            topic: "sms.send.v1",
            partition: 3,
            offset: 42,
            stage: Stage::Decode,
            format: Some(Format::CANONICAL),
            reason: "not_json",
            message: "the value is not JSON: expected `,` at byte 17",
            key,
            value,
            headers,
        }
    }

    fn header<'a>(record: &'a RenderedRecord, name: &str) -> Option<&'a str> {
        let header = record.headers.iter().find(|header| header.name == name)?;
        std::str::from_utf8(header.value.as_deref()?).ok()
    }

    fn bytes_of(record: &RenderedRecord) -> usize {
        record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len) + size(&record.headers)
    }

    #[test]
    fn the_original_comes_back_with_its_origin_and_the_reason() {
        let headers = [
            Header::text("trace", "abc"),
            Header {
                name: "empty".into(),
                value: None,
            },
        ];
        let record = record(
            &letter(Some(b"+998901234567"), Some(b"{oops"), &headers),
            Disclosure::Original,
            1 << 20,
        );
        assert_eq!(record.topic, OutputTopic::DeadLetters);
        assert_eq!(record.key.as_deref(), Some(&b"+998901234567"[..]));
        assert_eq!(record.value.as_deref(), Some(&b"{oops"[..]));
        assert_eq!(record.headers[..2], headers);
        for (name, value) in [
            ("__connect.errors.topic", "sms.send.v1"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "42"),
            ("__connect.errors.stage", "VALUE_CONVERTER"),
            ("__connect.errors.class.name", "canonical"),
            ("__connect.errors.exception.class.name", "not_json"),
            (
                "__connect.errors.exception.message",
                "the value is not JSON: expected `,` at byte 17",
            ),
        ] {
            assert_eq!(header(&record, name), Some(value));
        }
        assert_eq!(header(&record, TRUNCATED), None);
    }

    #[test]
    fn a_tombstone_and_a_missing_key_stay_what_they_are() {
        for disclosure in [Disclosure::Original, Disclosure::Withheld { key: &[7; 32] }] {
            let record = record(&letter(None, None, &[]), disclosure, 1 << 20);
            assert_eq!((record.key.as_deref(), record.value.as_deref()), (None, None));
        }
    }

    #[test]
    fn a_value_beyond_the_brokers_limit_is_cut_and_says_so() {
        let value = vec![b'x'; 20 << 20];
        let record = record(&letter(None, Some(&value), &[]), Disclosure::Original, 1_000_000);
        assert_eq!(header(&record, TRUNCATED), Some("value=20971520"));
        assert!(
            (990_000..=1_000_000).contains(&bytes_of(&record)),
            "{}",
            bytes_of(&record)
        );
    }

    #[test]
    fn withheld_shows_length_and_digest_and_nothing_that_could_be_a_number() {
        let headers = [
            Header::text("to", "+998901234567"),
            Header::text("trace", "abc"),
            Header::text("content-type", "text/plain"),
        ];
        let value = b"{\"to\":\"+998901234567\"}";
        let letter = letter(Some(b"acme/998901234567"), Some(value), &headers);
        let withheld = |key: &[u8; 32]| record(&letter, Disclosure::Withheld { key }, 1 << 20);
        let one = withheld(&[7; 32]);
        let json: serde_json::Value = serde_json::from_slice(one.value.as_deref().unwrap()).unwrap();
        assert_eq!(json["length"], value.len());
        assert_eq!(json["digest"].as_str().unwrap().len(), 64);
        assert_eq!(header(&one, "trace"), Some("abc"));
        assert_eq!(header(&one, "content-type"), Some("application/json"));
        assert_eq!(header(&one, WITHHELD), Some("value,key,headers"));
        assert_eq!(one.key, None);
        let everything = format!("{one:?}");
        assert!(!everything.contains("998901234567"));
        assert_eq!(one, withheld(&[7; 32]));
        assert_ne!(one.value, withheld(&[8; 32]).value);
    }

    #[test]
    fn a_letter_that_dies_again_bears_the_last_reason_alone() {
        let first = record(&letter(None, Some(b"x"), &[]), Disclosure::Original, 1 << 20);
        let again = record(&letter(None, Some(b"x"), &first.headers), Disclosure::Original, 1 << 20);
        assert_eq!(again.headers, first.headers);
    }

    #[test]
    fn a_secret_header_is_redacted() {
        let headers = [Header::text("Authorization", "Bearer abc")];
        let record = record(&letter(None, Some(b"x"), &headers), Disclosure::Original, 1 << 20);
        assert_eq!(header(&record, "Authorization"), Some("[redacted]"));
    }

    proptest! {
        #[test]
        fn never_larger_than_the_limit(
            key in 0usize..20_000, value in 0usize..20_000, header in 0usize..20_000,
            message in ".{0,2000}", limit in 4_096usize..16_384, withheld: bool,
        ) {
            let (key, value) = (vec![b'k'; key], vec![b'v'; value]);
            let headers = [Header { name: "h".into(), value: Some(vec![b'h'; header]) }];
            let mut letter = letter(Some(&key), Some(&value), &headers);
            letter.message = &message;
            let disclosure = if withheld { Disclosure::Withheld { key: &[1; 32] } } else { Disclosure::Original };
            prop_assert!(bytes_of(&record(&letter, disclosure, limit)) <= limit);
        }
    }
}
