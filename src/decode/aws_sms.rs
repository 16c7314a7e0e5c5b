//! AWS End User Messaging SMS: the events of a configuration set's destinations,
//! plain or wrapped (EventBridge, SNS, CloudWatch Logs: see `aws_envelope`).
//!
//! | `eventType` | Send | Receipt |
//! |---|---|---|
//! | `TEXT_PENDING`, `TEXT_QUEUED`, `TEXT_SENT` | `sent` | none |
//! | `TEXT_SUCCESSFUL`, `TEXT_DELIVERED` (interchangeable by country) | `sent` | `delivered` |
//! | `TEXT_UNREACHABLE`, `TEXT_CARRIER_UNREACHABLE` | `sent` | `undelivered` |
//! | `TEXT_BLOCKED`, `TEXT_CARRIER_BLOCKED`, `TEXT_SPAM` | `sent` | `rejected` |
//! | `TEXT_TTL_EXPIRED` | `sent` | `expired` |
//! | `TEXT_UNKNOWN` | `sent` | `unknown` |
//! | `TEXT_INVALID`, `TEXT_INVALID_MESSAGE` | `failed` | `failed` |
//! | `TEXT_PROTECT_BLOCKED` | `blocked` | `rejected` |
//! | `MEDIA_*`, `VOICE_*`, `RCS_*`, anything with `rcsBusinessId` | ignored | |
//! | inbound messages (`inboundMessageId`), registration changes | ignored | |
//!
//! | Event | Id | Time |
//! |---|---|---|
//! | send | `messageId` | `messageRequestTimestamp`, else `eventTimestamp`, else the wrapping's |
//! | receipt | `messageId:` and its status | `eventTimestamp`, else the wrapping's, else the send's |
//!
//! Every event of a message tells its send again, with the same id and the same
//! time; the first that is read decides about `sent`, `failed` or `blocked`.
//!
//! An event without `destinationPhoneNumber` (as EventBridge publishes them) is a
//! receipt joined by its message id, never a send; a status on the way then says
//! nothing and is ignored. No number is taken from `originationPhoneNumber`. The
//! price is `totalMessagePrice` and `totalCarrierFee` together, in US dollars; a
//! blocked message costs nothing. `context` is the customer's own (see
//! `attached`): tenant, app, session and client are taken from it.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::aws_envelope::{Unwrapped, decode_wrapped};
use super::canonical::NAME_BYTES_MAX;
use super::elements::Outcome;
use super::refusal::{IgnoreReason, Refusal, RefusalReason};
use super::{Carries, Decoded, FormatInfo, RecordMeta, attached, json};
use crate::model::{
    Currency, Delivery, DeliveryStatus, Destination, Event, EventBody, Micros, Millis, Money, Send, SendStatus,
};

pub(super) const FORMAT: FormatInfo = FormatInfo {
    name: "aws_sms",
    carries: Carries {
        sends: true,
        verifications: false,
        deliveries: true,
    },
    decode,
    secrets: &["messageBody"],
};

fn decode(meta: &RecordMeta<'_>, text: &str) -> Result<Decoded, Refusal> {
    decode_wrapped(text, &|unwrapped| event(meta, unwrapped))
}

/// What an event type says of the message.
type Meaning = (SendStatus, Option<(DeliveryStatus, &'static str)>);

fn meaning(event_type: &str) -> Option<Meaning> {
    use DeliveryStatus as D;
    use SendStatus as S;
    Some(match event_type.strip_prefix("TEXT_")? {
        "PENDING" | "QUEUED" | "SENT" => (S::Sent, None),
        "SUCCESSFUL" | "DELIVERED" => (S::Sent, Some((D::Delivered, "delivered"))),
        "UNREACHABLE" | "CARRIER_UNREACHABLE" => (S::Sent, Some((D::Undelivered, "undelivered"))),
        "BLOCKED" | "CARRIER_BLOCKED" | "SPAM" => (S::Sent, Some((D::Rejected, "rejected"))),
        "TTL_EXPIRED" => (S::Sent, Some((D::Expired, "expired"))),
        "UNKNOWN" => (S::Sent, Some((D::Unknown, "unknown"))),
        "INVALID" | "INVALID_MESSAGE" => (S::Failed, Some((D::Failed, "failed"))),
        "PROTECT_BLOCKED" => (S::Blocked, Some((D::Rejected, "rejected"))),
        _ => return None,
    })
}

fn event(meta: &RecordMeta<'_>, unwrapped: &Unwrapped<'_>) -> Outcome {
    let event = unwrapped.event;
    if let Some(reason) = means_no_sms(unwrapped) {
        return Ok(Err(reason));
    }
    let event_type = json::scalar(event, "eventType").ok_or_else(|| no_type(event))?;
    let (send_status, receipt) = meaning(&event_type).ok_or_else(|| Refusal::unknown_type("eventType", &event_type))?;
    let to = json::destination(event, "destinationPhoneNumber", "destinationPhoneNumber")?;
    let message_id = json::id(event, "messageId", "messageId")?;
    let requested = json::time(event, "messageRequestTimestamp", "messageRequestTimestamp")?;
    let reported = json::time(event, "eventTimestamp", "eventTimestamp")?.or(unwrapped.time);
    let context = event.get("context").unwrap_or(&Value::Null);
    let (tenant, app) = attached::owner(meta, context);
    let session = attached::session(context);
    let price = if send_status == SendStatus::Blocked {
        None
    } else {
        price(event)
    };
    let make = |time: Option<Millis>, id: CompactString, body: EventBody| -> Result<Event, Refusal> {
        Ok(Event {
            id,
            time: time.ok_or_else(|| Refusal::missing("eventTimestamp"))?,
            tenant: tenant.clone(),
            app: app.clone(),
            to: to.map_or(Destination::Unknown, Destination::Number),
            body,
        })
    };
    let mut events = Vec::with_capacity(2);
    if to.is_some() {
        let send = Send {
            session: session.clone(),
            message_id: Some(message_id.clone()),
            sender: json::name(event, "originationPhoneNumber", NAME_BYTES_MAX),
            segments: json::segments(event, "totalMessageParts"),
            price,
            client: attached::client(context),
            provider: Some("aws".into()),
            status: send_status,
        };
        events.push(make(requested.or(reported), message_id.clone(), EventBody::Send(send))?);
    }
    if let Some((status, word)) = receipt {
        let id = format_compact!("{message_id}:{word}");
        let delivery = Delivery {
            message_id: Some(message_id),
            session,
            status,
            error_code: error_code(&event_type, status),
            mcc: network_code(event, "mcc", 3),
            mnc: network_code(event, "mnc", 2),
            price,
        };
        events.push(make(reported.or(requested), id, EventBody::Delivery(delivery))?);
    }
    if events.is_empty() {
        return Ok(Err(IgnoreReason::IntermediateStatus));
    }
    Ok(Ok(events))
}

/// Known events of the same service about something else.
fn means_no_sms(unwrapped: &Unwrapped<'_>) -> Option<IgnoreReason> {
    let event = unwrapped.event;
    let told = |key: &str| event.get(key).is_some_and(|value| !value.is_null());
    let event_type = event.get("eventType").and_then(Value::as_str).unwrap_or_default();
    if ["MEDIA_", "VOICE_", "RCS_"]
        .iter()
        .any(|other| event_type.starts_with(other))
        || told("rcsBusinessId")
    {
        return Some(IgnoreReason::OtherChannel);
    }
    if !event_type.is_empty() {
        return None;
    }
    if told("inboundMessageId") {
        return Some(IgnoreReason::InboundMessage);
    }
    let registration = unwrapped
        .detail_type
        .is_some_and(|name| name.starts_with("Registration"));
    (registration || told("registrationId") || told("registrationArn")).then_some(IgnoreReason::OtherEvent)
}

fn no_type(event: &Value) -> Refusal {
    if event.get("event_type").is_some() {
        return Refusal::new(
            RefusalReason::WrongFormat,
            "the record has `event_type` and no `eventType`: it is an event of Amazon Pinpoint, whose format is `aws_pinpoint`",
        );
    }
    if event.get("notification").is_some() && event.get("delivery").is_some() {
        return Refusal::new(
            RefusalReason::WrongFormat,
            "the record is a delivery log of Amazon SNS, whose format is `aws_sns_delivery`",
        );
    }
    Refusal::missing("eventType")
}

/// The event type without its `TEXT_`, for what did not arrive.
fn error_code(event_type: &str, status: DeliveryStatus) -> CompactString {
    match status {
        DeliveryStatus::Delivered => CompactString::default(),
        _ => event_type.strip_prefix("TEXT_").unwrap_or(event_type).into(),
    }
}

fn price(event: &Value) -> Option<Money> {
    let message = json::amount(event, "totalMessagePrice")?;
    let fee = json::amount(event, "totalCarrierFee")
        .filter(|fee| *fee >= 0.0)
        .unwrap_or(0.0);
    us_dollars(message + fee)
}

/// An amount in US dollars; nothing where it is negative, absurd or no number.
pub(super) fn us_dollars(amount: f64) -> Option<Money> {
    Micros::from_units(amount).map(|micros| Money {
        micros,
        currency: Currency::USD,
    })
}

/// A network code of `digits_min` to three digits.
fn network_code(event: &Value, key: &str, digits_min: usize) -> Option<CompactString> {
    json::name(event, key, 3).filter(|code| code.len() >= digits_min && code.bytes().all(|b| b.is_ascii_digit()))
}
