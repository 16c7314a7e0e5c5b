//! A record that cannot be used, as it goes to the dead-letter topic: original
//! key, value and headers, and why. Cut where the broker would not take it.

use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

use crate::model::log::Feed;
use crate::stream::doors::{RecordDecoder, Refusal};
use crate::stream::ingest::Ingest;
use crate::stream::outbox::Outgoing;
use crate::stream::settings::{DeadLetterValues, InputSettings};

/// Bytes of key, value and headers together, at most: below the usual limit of a
/// broker and of librdkafka (1,000,000) with room for what the protocol adds.
pub(crate) const BYTES_MAX: usize = 950_000;
const KEY_BYTES_MAX: usize = 64 * 1024;
const HEADERS_BYTES_MAX: usize = 128 * 1024;
const MESSAGE_BYTES_MAX: usize = 2_000;

/// What the dead letter is made of, apart from Kafka's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The original record.
pub(crate) struct Original<'a> {
    pub(crate) feed: &'a Feed,
    pub(crate) offset: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// Writes the letter. `redacted` is the value without its secrets; `digest` makes
/// the keyed digest of a withheld one.
pub(crate) fn write(
    original: &Original<'_>,
    refusal: &Refusal,
    mode: DeadLetterValues,
    redacted: Option<&[u8]>,
    digest: impl Fn(&[u8]) -> String,
) -> Letter {
    let mut headers: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    let own = |name: &str, value: String| (name.to_string(), Some(value.into_bytes()));
    headers.push(own("__connect.errors.topic", original.feed.topic.to_string()));
    headers.push(own("__connect.errors.partition", original.feed.partition.to_string()));
    headers.push(own("__connect.errors.offset", original.offset.to_string()));
    headers.push(own("__connect.errors.stage", "VALUE_CONVERTER".into()));
    headers.push(own("__connect.errors.class.name", refusal.class.to_string()));
    headers.push(own(
        "__connect.errors.exception.message",
        truncated(&refusal.message, MESSAGE_BYTES_MAX).to_string(),
    ));

    let mut cuts = Vec::new();
    let mut bytes: usize = 0;
    for (name, value) in &original.headers {
        let size = name.len() + value.map_or(0, <[u8]>::len);
        if bytes + size > HEADERS_BYTES_MAX {
            cuts.push("headers".to_string());
            break;
        }
        bytes += size;
        headers.push(((*name).to_string(), value.map(<[u8]>::to_vec)));
    }
    let key = original.key.map(|key| cut(key, KEY_BYTES_MAX, "key", &mut cuts));
    let value = match (mode, original.value) {
        (_, None) => None,
        (DeadLetterValues::Original, Some(_)) => redacted.map(|value| {
            let room = BYTES_MAX - HEADERS_BYTES_MAX - KEY_BYTES_MAX - MESSAGE_BYTES_MAX;
            cut(value, room, "value", &mut cuts)
        }),
        (DeadLetterValues::Withheld, Some(value)) => {
            headers.push(own("pumpwatch-withheld-length", value.len().to_string()));
            headers.push(own("pumpwatch-withheld-digest", digest(value)));
            Some(Vec::new())
        }
    };
    if !cuts.is_empty() {
        headers.push(own("pumpwatch-cut", cuts.join(", ")));
    }
    Letter { key, value, headers }
}

fn cut(bytes: &[u8], max: usize, what: &str, cuts: &mut Vec<String>) -> Vec<u8> {
    if bytes.len() > max {
        cuts.push(format!("{what} of {} bytes", bytes.len()));
    }
    bytes[..bytes.len().min(max)].to_vec()
}

fn truncated(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The dead letter of a message, ready to be produced.
pub(crate) fn outgoing(
    topic: &str,
    feed: &Feed,
    message: &BorrowedMessage<'_>,
    refusal: &Refusal,
    (mode, input): (DeadLetterValues, Option<&InputSettings>),
    (decoder, ingest): (&dyn RecordDecoder, &Ingest),
) -> Outgoing {
    let original = Original {
        feed,
        offset: message.offset(),
        key: message.key(),
        value: message.payload(),
        headers: message
            .headers()
            .map(|headers| headers.iter().map(|h| (h.key, h.value)).collect())
            .unwrap_or_default(),
    };
    let redacted = message.payload().map(|value| decoder.redact(input, value));
    let letter = write(&original, refusal, mode, redacted.as_deref(), |value| {
        ingest.digest(value)
    });
    let mut headers = OwnedHeaders::new_with_capacity(letter.headers.len());
    for (key, value) in &letter.headers {
        headers = headers.insert(Header {
            key,
            value: value.as_deref(),
        });
    }
    Outgoing {
        topic: topic.to_string(),
        partition: None,
        key: letter.key,
        value: letter.value,
        headers: Some(headers),
        timestamp: message.timestamp().to_millis().filter(|&ms| ms >= 0),
        tag: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(mode: DeadLetterValues, value: &[u8], headers: Vec<(&str, Option<&[u8]>)>) -> Letter {
        let feed = Feed {
            topic: "sms.send.v1".into(),
            partition: 3,
        };
        let original = Original {
            feed: &feed,
            offset: 17,
            key: Some(b"k"),
            value: Some(value),
            headers,
        };
        let refusal = Refusal {
            class: "not_json".into(),
            message: "é".repeat(5_000),
        };
        write(&original, &refusal, mode, Some(value), |value| {
            format!("digest of {}", value.len())
        })
    }

    fn header<'a>(letter: &'a Letter, name: &str) -> Option<&'a str> {
        let (_, value) = letter.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    #[test]
    fn a_letter_says_where_from_and_why_and_keeps_the_original_headers() {
        let letter = letter(DeadLetterValues::Original, b"{", vec![("traceparent", Some(b"00-1"))]);
        assert_eq!(letter.value.as_deref(), Some(b"{".as_slice()));
        assert_eq!(header(&letter, "__connect.errors.topic"), Some("sms.send.v1"));
        assert_eq!(header(&letter, "__connect.errors.partition"), Some("3"));
        assert_eq!(header(&letter, "__connect.errors.offset"), Some("17"));
        assert_eq!(header(&letter, "__connect.errors.class.name"), Some("not_json"));
        assert_eq!(header(&letter, "traceparent"), Some("00-1"));
        assert_eq!(header(&letter, "pumpwatch-cut"), None);
        assert!(header(&letter, "__connect.errors.exception.message").unwrap().len() <= 2_000);
    }

    #[test]
    fn what_the_broker_would_refuse_is_cut_and_says_so() {
        let value = vec![b'x'; 20_000_000];
        let huge = vec![b'h'; 500_000];
        let letter = letter(
            DeadLetterValues::Original,
            &value,
            vec![("huge", Some(&huge)), ("small", Some(b"1"))],
        );
        let size = letter.value.as_ref().unwrap().len()
            + letter
                .headers
                .iter()
                .map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len))
                .sum::<usize>();
        assert!(size < BYTES_MAX, "{size}");
        assert_eq!(
            header(&letter, "pumpwatch-cut"),
            Some("headers, value of 20000000 bytes")
        );
    }

    #[test]
    fn a_withheld_value_shows_only_length_and_digest() {
        let letter = letter(DeadLetterValues::Withheld, b"+998901234567", vec![]);
        assert_eq!(letter.value.as_deref(), Some(b"".as_slice()));
        assert_eq!(header(&letter, "pumpwatch-withheld-length"), Some("13"));
        assert_eq!(header(&letter, "pumpwatch-withheld-digest"), Some("digest of 13"));
    }
}
