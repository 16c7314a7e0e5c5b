//! A record that cannot be used, on its way to the dead-letter topic. What it looks
//! like is `render`'s business; here it is taken from a Kafka message.

use std::borrow::Cow;

use rdkafka::message::{BorrowedMessage, Headers, Message, OwnedHeaders};

use crate::decode::{Format, redact_secrets};
use crate::model::log::Feed;
use crate::render::Header;
use crate::render::dead_letter::{DeadLetter, Disclosure, Stage, record};
use crate::stream::outbox::{Outgoing, kafka_headers};
use crate::stream::settings::DeadLetterValues;

/// Bytes of key, value and headers together, at most: below the usual limit of a
/// broker and of librdkafka (1,000,000) with room for what the protocol adds.
const BYTES_MAX: usize = 950_000;

/// Why a record was refused.
pub(crate) struct Reason<'a> {
    /// Declared format of the input; `None` for feedback.
    pub(crate) format: Option<Format>,
    /// One word for each kind.
    pub(crate) class: &'a str,
    /// A sentence.
    pub(crate) message: &'a str,
}

/// The dead letter of a message.
pub(crate) fn outgoing(
    topic: &str,
    feed: &Feed,
    message: &BorrowedMessage<'_>,
    reason: &Reason<'_>,
    values: DeadLetterValues,
    digest_key: &[u8; 32],
) -> Outgoing {
    let original: Vec<Header> = message
        .headers()
        .map(|headers| headers.iter().map(|header| owned(&header)).collect())
        .unwrap_or_default();
    // The format knows secrets of its own; `render` takes out what any may hold.
    let value = message.payload().map(|value| match reason.format {
        Some(format) if values == DeadLetterValues::Original => redact_secrets(format, value),
        _ => Cow::Borrowed(value),
    });
    let letter = DeadLetter {
        topic: &feed.topic,
        partition: feed.partition,
        offset: message.offset(),
        stage: Stage::Decode,
        format: reason.format.map_or("feedback", Format::name),
        reason: reason.class,
        message: reason.message,
        key: message.key(),
        value: value.as_deref(),
        headers: &original,
    };
    let disclosure = match values {
        DeadLetterValues::Original => Disclosure::Original,
        DeadLetterValues::Withheld => Disclosure::Withheld { key: digest_key },
    };
    let rendered = record(&letter, disclosure, BYTES_MAX);
    Outgoing {
        topic: topic.to_string(),
        key: rendered.key,
        value: rendered.value,
        headers: Some(kafka_headers(&rendered.headers, OwnedHeaders::new())),
        timestamp: message.timestamp().to_millis().filter(|&ms| ms >= 0),
        ..Outgoing::default()
    }
}

fn owned(header: &rdkafka::message::Header<'_, &[u8]>) -> Header {
    Header {
        name: Cow::Owned(header.key.to_string()),
        value: header.value.map(<[u8]>::to_vec),
    }
}
