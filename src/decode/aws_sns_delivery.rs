//! The delivery logs that Amazon SNS writes to CloudWatch Logs for direct SMS: one
//! object a record, a list, or a CloudWatch subscription (see `aws_envelope`).
//!
//! A log line is the only record of its send, so each gives both:
//!
//! | Event | Id | Time |
//! |---|---|---|
//! | send | `notification.messageId` | `notification.timestamp` (UTC where it has no zone) |
//! | receipt | the same, `:` and its status | the same |
//!
//! A message published to a topic has one message id for all its recipients, so
//! with `delivery.deliveryId` the id is `messageId/deliveryId`, and with
//! `notification.topicArn` alone a hash of the recipient takes its place.
//!
//! | `status` | `providerResponse` | Send | Receipt |
//! |---|---|---|---|
//! | `SUCCESS` | any | `sent` | `delivered` |
//! | `FAILURE` | the destination or phone is on a list of blocked ones or opted out; the price would exceed the maximum | `blocked` | `rejected` |
//! | | spam, blocked by carrier or phone | `sent` | `rejected` |
//! | | unreachable, unavailable, unknown error | `sent` | `undelivered` |
//! | | invalid number or body | `failed` | `failed` |
//! | | anything else | `sent` | `failed` |
//! | missing or another | any | `sent` | `unknown` |
//! | logs of other protocols (`delivery.destination` is a URL, an ARN or an address) | | ignored | |
//!
//! `mcc` is a number that has lost its leading zeros, of which it can have had only
//! so many as make three digits; of `mnc` the width is not known, so it stays as
//! it is; 0 is none. Numbers may arrive with an `X` in place of digits: a dead
//! letter. A failure may show a price; a blocked message costs nothing.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::aws_envelope::{Unwrapped, decode_wrapped};
use super::aws_sms::us_dollars;
use super::canonical::NAME_BYTES_MAX;
use super::elements::Outcome;
use super::refusal::{IgnoreReason, Refusal, RefusalReason};
use super::{Carries, Decoded, FormatInfo, RecordMeta, json};
use crate::model::{Delivery, DeliveryStatus, Destination, E164, Event, EventBody, Send, SendStatus};

pub(super) const FORMAT: FormatInfo = FormatInfo {
    name: "aws_sns_delivery",
    carries: Carries {
        sends: true,
        verifications: false,
        deliveries: true,
    },
    decode,
    secrets: &[],
};

fn decode(meta: &RecordMeta<'_>, text: &str) -> Result<Decoded, Refusal> {
    decode_wrapped(text, &|unwrapped| log_line(meta, unwrapped))
}

fn log_line(meta: &RecordMeta<'_>, unwrapped: &Unwrapped<'_>) -> Outcome {
    let line = unwrapped.event;
    let part = |key: &'static str| line.get(key).filter(|part| part.is_object());
    let (Some(notification), Some(delivery)) = (part("notification"), part("delivery")) else {
        return Err(no_log_line(line));
    };
    if is_other_protocol(delivery) {
        return Ok(Err(IgnoreReason::OtherChannel));
    }
    let to = json::destination(delivery, "destination", "delivery.destination")?
        .ok_or_else(|| Refusal::missing("delivery.destination"))?;
    let message_id = json::id(notification, "messageId", "notification.messageId")?;
    let message_id = match json::name(delivery, "deliveryId", 48) {
        Some(delivery_id) => format_compact!("{message_id}/{delivery_id}"),
        None if notification.get("topicArn").is_some() => format_compact!("{message_id}/{}", recipient(to)),
        None => message_id,
    };
    let time = json::time(notification, "timestamp", "notification.timestamp")?
        .or(unwrapped.time)
        .ok_or_else(|| Refusal::missing("notification.timestamp"))?;
    let status = json::scalar(line, "status").or_else(|| json::scalar(delivery, "deliveryStatus"));
    let response = json::scalar(delivery, "providerResponse").unwrap_or_default();
    let (send_status, status, word) = meaning(status.as_deref(), &response);
    let price = json::amount(delivery, "priceInUSD")
        .filter(|_| send_status != SendStatus::Blocked)
        .and_then(us_dollars);
    let make = |id: CompactString, body: EventBody| Event {
        id,
        time,
        tenant: meta.tenant(),
        app: meta.app(),
        to: Destination::Number(to),
        body,
    };
    let send = Send {
        message_id: Some(message_id.clone()),
        segments: json::segments(delivery, "numberOfMessageParts"),
        price,
        provider: Some("aws".into()),
        status: send_status,
        ..Send::default()
    };
    let receipt_id = format_compact!("{message_id}:{word}");
    let receipt = Delivery {
        message_id: Some(message_id.clone()),
        session: None,
        status,
        error_code: error_code(&response, status),
        mcc: json::integer(delivery, "mcc")
            .filter(|mcc| (1..=999).contains(mcc))
            .map(|mcc| format_compact!("{mcc:03}")),
        mnc: json::name(delivery, "mnc", 3).filter(|mnc| mnc.bytes().all(|b| b.is_ascii_digit()) && mnc != "0"),
        price,
    };
    Ok(Ok(vec![
        make(message_id, EventBody::Send(send)),
        make(receipt_id, EventBody::Delivery(receipt)),
    ]))
}

fn no_log_line(line: &Value) -> Refusal {
    if line.get("eventType").is_some() {
        return Refusal::new(
            RefusalReason::WrongFormat,
            "the record has an `eventType`: it is an event of AWS End User Messaging, whose format is `aws_sms`",
        );
    }
    let missing = if line.get("notification").is_some_and(Value::is_object) {
        "delivery"
    } else {
        "notification"
    };
    Refusal::missing(missing)
}

/// SNS writes the same kind of log for HTTP, Lambda, SQS and push endpoints.
fn is_other_protocol(delivery: &Value) -> bool {
    let destination = delivery.get("destination").and_then(Value::as_str).unwrap_or_default();
    delivery.get("smsType").is_none()
        && (["http://", "https://", "arn:"]
            .iter()
            .any(|start| destination.starts_with(start))
            || destination.contains('@'))
}

fn meaning(status: Option<&str>, response: &str) -> (SendStatus, DeliveryStatus, &'static str) {
    match status {
        Some(status) if status.eq_ignore_ascii_case("success") => {
            return (SendStatus::Sent, DeliveryStatus::Delivered, "delivered");
        }
        Some(status) if status.eq_ignore_ascii_case("failure") => {}
        _ => return (SendStatus::Sent, DeliveryStatus::Unknown, "unknown"),
    }
    let response = response.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| response.contains(word));
    if says(&[
        "blacklisted",
        "denylisted",
        "blocked list",
        "deny list",
        "block list",
        "blocklist",
        "opted out",
        "exceed max price",
    ]) {
        (SendStatus::Blocked, DeliveryStatus::Rejected, "rejected")
    } else if says(&["spam", "blocked"]) {
        (SendStatus::Sent, DeliveryStatus::Rejected, "rejected")
    } else if says(&["invalid"]) {
        (SendStatus::Failed, DeliveryStatus::Failed, "failed")
    } else if says(&["unreachable", "unavailable", "unknown error"]) {
        (SendStatus::Sent, DeliveryStatus::Undelivered, "undelivered")
    } else {
        (SendStatus::Sent, DeliveryStatus::Failed, "failed")
    }
}

/// SNS has no codes: its sentence is one, for what did not arrive.
fn error_code(response: &str, status: DeliveryStatus) -> CompactString {
    if status == DeliveryStatus::Delivered || response.len() > NAME_BYTES_MAX {
        return CompactString::default();
    }
    response.into()
}

/// A destination's digits hashed, to tell recipients of one message id apart.
fn recipient(to: E164) -> CompactString {
    let hash = blake3::hash(&to.digits().to_le_bytes()).to_hex();
    CompactString::from(&hash[..16])
}
