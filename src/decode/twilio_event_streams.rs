//! Twilio Event Streams: CloudEvents 1.0, one object a record or a list of them.
//!
//! | `type` (after `com.twilio.`) | Events | Id | Time |
//! |---|---|---|---|
//! | `messaging.message.queued`, `.sent` | send, `sent` | `messageSid` | the event's |
//! | `messaging.message.delivered`, `.read` | send, `sent` | `messageSid` | the event's |
//! | | receipt, `delivered` | `messageSid:delivered` | the event's |
//! | `messaging.message.undelivered` | send, `sent` | `messageSid` | the event's |
//! | | receipt, `undelivered` | `messageSid:undelivered` | the event's |
//! | `messaging.message.failed` | send, `failed` | `messageSid` | the event's |
//! | | receipt, `failed` | `messageSid:failed` | the event's |
//! | `messaging.inbound-message.*` | ignored | | |
//! | `messaging.message.*` to or from `whatsapp:…` and other channels | ignored | | |
//! | `accountsecurity.verify.*` | see `twilio_verify` | | |
//! | any other product's | ignored | | |
//!
//! *The event's time* is `time`, else `data.timestamp`, else `data.created_at`
//! (some published samples carry a timestamp in `datacontenttype` and no `time`).
//! The `type` decides, not `messageStatus`, where the two disagree.
//!
//! An `errorCode` of 30450, 30453, 60410 or 60605 is a block by the provider: the
//! send is `blocked`. Every status tells the send again under the same id, so a
//! stream that subscribes to some of them only, or that lost one, still has its
//! sends. The limits of that, since decoders keep no state:
//!
//! - the first status that is read decides about `sent`, `failed` or `blocked`;
//! - these events bear no time of the request, so a status that comes after
//!   the deduplication horizon counts as a send of its own: choose
//!   `detection.lateness` at least as long as the messages' validity period.
//!
//! `mcc` and `mnc` are those of the sending number, and `body` is nobody's
//! business: neither is read.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::canonical::NAME_BYTES_MAX;
use super::elements::{Outcome, decode_each};
use super::refusal::{IgnoreReason, Refusal};
use super::{Carries, Decoded, FormatInfo, RecordMeta, attached, json, twilio_verify};
use crate::model::{Delivery, DeliveryStatus, Destination, Event, EventBody, Millis, Send, SendStatus};

pub(super) const FORMAT: FormatInfo = FormatInfo {
    name: "twilio_event_streams",
    carries: Carries {
        sends: true,
        verifications: true,
        deliveries: true,
    },
    decode,
    secrets: &["body", "code"],
};

pub(super) const PROVIDER: &str = "twilio";

fn decode(meta: &RecordMeta<'_>, text: &str) -> Result<Decoded, Refusal> {
    decode_each(&json::parse(text)?, |event, _| element(meta, event))
}

fn element(meta: &RecordMeta<'_>, event: &Value) -> Outcome {
    let kind = json::scalar(event, "type").ok_or_else(|| Refusal::missing("type"))?;
    let Some(name) = kind.strip_prefix("com.twilio.") else {
        return Err(Refusal::unknown_type("type", &kind));
    };
    if let Some(status) = name.strip_prefix("messaging.message.") {
        return message(meta, event, status, &kind);
    }
    if let Some(name) = name.strip_prefix("accountsecurity.verify.") {
        return twilio_verify::element(meta, event, name, &kind);
    }
    Ok(Err(match name.split('.').next() {
        _ if name.starts_with("messaging.inbound-message.") => IgnoreReason::InboundMessage,
        Some("eventstreams") => IgnoreReason::Control,
        _ => IgnoreReason::OtherEvent,
    }))
}

/// The object in which an event speaks.
pub(super) fn data(event: &Value) -> Result<&Value, Refusal> {
    event
        .get("data")
        .filter(|data| data.is_object())
        .ok_or_else(|| Refusal::missing("data"))
}

/// The event's time, by the order of the table above.
pub(super) fn time(event: &Value, data: &Value) -> Result<Millis, Refusal> {
    let places = [
        (event, "time", "time"),
        (data, "timestamp", "data.timestamp"),
        (data, "created_at", "data.created_at"),
    ];
    for (object, key, field) in places {
        if let Some(time) = json::time(object, key, field)? {
            return Ok(time);
        }
    }
    Err(Refusal::missing("time"))
}

/// Whether the provider itself stopped the message for fraud or geography.
pub(super) fn is_block(error_code: &str) -> bool {
    matches!(error_code, "30450" | "30453" | "60410" | "60605")
}

/// Whether an address names another channel, as in `whatsapp:+998…`.
fn other_channel(data: &Value, key: &str) -> bool {
    data.get(key)
        .and_then(Value::as_str)
        .and_then(|text| text.split_once(':'))
        .is_some_and(|(channel, _)| !channel.is_empty() && channel.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

fn message(meta: &RecordMeta<'_>, event: &Value, status: &str, kind: &str) -> Outcome {
    let receipt = match status {
        "queued" | "sent" => None,
        "delivered" | "read" => Some((DeliveryStatus::Delivered, "delivered")),
        "undelivered" => Some((DeliveryStatus::Undelivered, "undelivered")),
        "failed" => Some((DeliveryStatus::Failed, "failed")),
        _ => return Err(Refusal::unknown_type("type", kind)),
    };
    let data = data(event)?;
    if other_channel(data, "to") || other_channel(data, "from") {
        return Ok(Err(IgnoreReason::OtherChannel));
    }
    let to = json::destination(data, "to", "data.to")?.ok_or_else(|| Refusal::missing("data.to"))?;
    let sid = json::id(data, "messageSid", "data.messageSid")?;
    let error_code = error_code(data, "errorCode");
    let tags = data.get("tags").unwrap_or(&Value::Null);
    let session = attached::session(tags);
    let about = About {
        time: time(event, data)?,
        tenant: meta.tenant(),
        app: meta.app(),
        to: Destination::Number(to),
    };
    let send_status = match receipt {
        _ if is_block(&error_code) => SendStatus::Blocked,
        Some((DeliveryStatus::Failed, _)) => SendStatus::Failed,
        _ => SendStatus::Sent,
    };
    let send = Send {
        session: session.clone(),
        message_id: Some(sid.clone()),
        sender: json::name(data, "from", NAME_BYTES_MAX),
        segments: json::segments(data, "numberOfSegments"),
        client: attached::client(tags),
        provider: Some(PROVIDER.into()),
        status: send_status,
        price: None,
    };
    let mut events = vec![about.event(sid.clone(), EventBody::Send(send))];
    if let Some((status, word)) = receipt {
        let id = format_compact!("{sid}:{word}");
        let delivery = Delivery {
            message_id: Some(sid),
            session,
            status,
            error_code,
            mcc: None,
            mnc: None,
            price: None,
        };
        events.push(about.event(id, EventBody::Delivery(delivery)));
    }
    Ok(Ok(events))
}

/// What the events of one element have in common.
pub(super) struct About {
    pub(super) time: Millis,
    pub(super) tenant: CompactString,
    pub(super) app: CompactString,
    pub(super) to: Destination,
}

impl About {
    pub(super) fn event(&self, id: CompactString, body: EventBody) -> Event {
        self.event_at(self.time, id, body)
    }

    pub(super) fn event_at(&self, time: Millis, id: CompactString, body: EventBody) -> Event {
        Event {
            id,
            time,
            tenant: self.tenant.clone(),
            app: self.app.clone(),
            to: self.to.clone(),
            body,
        }
    }
}

/// The error code as text; none is the empty text, and so is 0.
pub(super) fn error_code(object: &Value, key: &str) -> CompactString {
    json::name(object, key, NAME_BYTES_MAX)
        .filter(|code| code != "0")
        .unwrap_or_default()
}
