//! Events and feedback in the canonical format, and what `decode` prints of a record.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use crate::decode::{Decoded, Format, RecordMeta, decode};
use crate::model::{
    Client, Delivery, DeliveryStatus, Destination, Event, EventBody, Feedback, Millis, Money, Outcome, Prefix, Send,
    SendStatus, Verification,
};

/// Writes an event as its canonical JSON object, in the order of the contract;
/// what is not known is left out. A number is written as it is, so this is for
/// the canonical topics and for the user's own terminal only.
#[derive(Clone, Copy, Debug)]
pub struct CanonicalEvent<'a>(pub &'a Event);

/// The event as a JSON value.
pub fn event_json(event: &Event) -> serde_json::Value {
    serde_json::to_value(CanonicalEvent(event)).expect("an event has text keys and finite numbers only")
}

impl Serialize for CanonicalEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", event.body.type_name())?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("time", &Rfc3339(event.time))?;
        if let EventBody::Delivery(delivery) = &event.body {
            optional(&mut map, "message_id", delivery.message_id.as_ref())?;
        }
        match &event.to {
            Destination::Number(number) => map.serialize_entry("to", &Shown(number))?,
            Destination::Masked { prefix, token } => map.serialize_entry("to", &Masked(*prefix, token))?,
            Destination::Unknown => {}
        }
        map.serialize_entry("tenant", &event.tenant)?;
        map.serialize_entry("app", &event.app)?;
        match &event.body {
            EventBody::Send(send) => send_fields(&mut map, send)?,
            EventBody::Verification(verification) => verification_fields(&mut map, verification)?,
            EventBody::Delivery(delivery) => delivery_fields(&mut map, delivery)?,
        }
        map.end()
    }
}

fn send_fields<M: SerializeMap>(map: &mut M, send: &Send) -> Result<(), M::Error> {
    optional(map, "session", send.session.as_ref())?;
    optional(map, "message_id", send.message_id.as_ref())?;
    optional(map, "sender", send.sender.as_ref())?;
    map.serialize_entry("channel", "sms")?;
    optional(map, "segments", send.segments.as_ref())?;
    optional(map, "price", send.price.map(Price).as_ref())?;
    if send.client != Client::default() {
        map.serialize_entry("client", &ClientFields(&send.client))?;
    }
    optional(map, "provider", send.provider.as_ref())?;
    let status = match send.status {
        SendStatus::Sent => "sent",
        SendStatus::Blocked => "blocked",
        SendStatus::Failed => "failed",
    };
    map.serialize_entry("status", status)
}

fn verification_fields<M: SerializeMap>(map: &mut M, verification: &Verification) -> Result<(), M::Error> {
    optional(map, "session", verification.session.as_ref())?;
    optional(map, "message_id", verification.message_id.as_ref())?;
    let outcome = match verification.outcome {
        Outcome::Approved => "approved",
        Outcome::Failed => "failed",
        Outcome::Expired => "expired",
        Outcome::Canceled => "canceled",
    };
    map.serialize_entry("outcome", outcome)
}

fn delivery_fields<M: SerializeMap>(map: &mut M, delivery: &Delivery) -> Result<(), M::Error> {
    optional(map, "session", delivery.session.as_ref())?;
    let status = match delivery.status {
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Undelivered => "undelivered",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Rejected => "rejected",
        DeliveryStatus::Expired => "expired",
        DeliveryStatus::Unknown => "unknown",
    };
    map.serialize_entry("status", status)?;
    map.serialize_entry("error_code", &delivery.error_code)?;
    optional(map, "mcc", delivery.mcc.as_ref())?;
    optional(map, "mnc", delivery.mnc.as_ref())?;
    optional(map, "price", delivery.price.map(Price).as_ref())
}

fn optional<M: SerializeMap, T: Serialize>(map: &mut M, key: &'static str, value: Option<&T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, value))
}

/// A time as RFC 3339 in UTC, with three digits of a second where it has a fraction.
struct Rfc3339(Millis);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(self.0.0) {
            Ok(time) if self.0.0 % 1_000 != 0 => serializer.collect_str(&format_args!("{time:.3}")),
            _ => serializer.collect_str(&self.0),
        }
    }
}

/// A number or prefix as its text, not as the integer that it is inside.
struct Shown<'a, T>(&'a T);

impl<T: std::fmt::Display> Serialize for Shown<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

struct Masked<'a>(Prefix, &'a str);

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("prefix", &Shown(&self.0))?;
        map.serialize_entry("token", self.1)?;
        map.end()
    }
}

struct Price(Money);

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("amount", &self.0.micros.to_units())?;
        map.serialize_entry("currency", &self.0.currency)?;
        map.end()
    }
}

struct ClientFields<'a>(&'a Client);

impl Serialize for ClientFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let client = self.0;
        let mut map = serializer.serialize_map(None)?;
        optional(&mut map, "ip", client.ip.as_ref().map(Shown).as_ref())?;
        optional(&mut map, "asn", client.asn.as_ref())?;
        optional(&mut map, "country", client.country.as_ref())?;
        optional(&mut map, "device", client.device.as_ref())?;
        optional(&mut map, "user_agent", client.user_agent.as_ref())?;
        map.end()
    }
}

/// Writes a feedback command as its canonical JSON object.
#[derive(Clone, Copy, Debug)]
pub struct CanonicalFeedback<'a>(pub &'a Feedback);

impl Serialize for CanonicalFeedback<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Feedback::Verdict {
                id,
                time,
                finding_uid,
                true_positive,
                by,
            } => {
                map.serialize_entry("type", "verdict")?;
                map.serialize_entry("id", id)?;
                map.serialize_entry("time", &Rfc3339(*time))?;
                map.serialize_entry("finding_uid", finding_uid)?;
                let verdict = if *true_positive {
                    "true_positive"
                } else {
                    "false_positive"
                };
                map.serialize_entry("verdict", verdict)?;
                map.serialize_entry("by", by)?;
            }
            Feedback::Safelist {
                id,
                time,
                tenant,
                app,
                prefix,
                put,
                expires_at,
                by,
                reason,
            } => {
                map.serialize_entry("type", "safelist")?;
                map.serialize_entry("id", id)?;
                map.serialize_entry("time", &Rfc3339(*time))?;
                map.serialize_entry("tenant", tenant)?;
                map.serialize_entry("app", app)?;
                map.serialize_entry("prefix", &Shown(prefix))?;
                map.serialize_entry("op", if *put { "put" } else { "delete" })?;
                optional(&mut map, "expires_at", expires_at.map(Rfc3339).as_ref())?;
                map.serialize_entry("by", by)?;
                map.serialize_entry("reason", reason)?;
            }
        }
        map.end()
    }
}

/// What one record becomes: a line of the output of `pumpwatch decode`.
#[derive(Clone, Debug, Serialize)]
pub struct DecodeReport {
    record: u64,
    result: &'static str,
    reason: Option<String>,
    #[serde(serialize_with = "canonical_list")]
    events: Vec<Event>,
}

impl DecodeReport {
    /// `usable`, `ignored` or `dead_letter`.
    pub fn result(&self) -> &'static str {
        self.result
    }
}

/// Decodes a record and says what it becomes. `reason` is null for a usable
/// record, else the stable name of the reason, a colon, and the sentence.
pub fn decode_report(format: Format, meta: &RecordMeta<'_>, record_number: u64, value: &[u8]) -> DecodeReport {
    let (result, reason, events) = match decode(format, meta, Some(value)) {
        Ok(Decoded::Usable(events)) => ("usable", None, events),
        Ok(Decoded::Ignored(reason)) => {
            let reason = format!("{}: {}", reason.class_name(), reason.sentence());
            ("ignored", Some(reason), Vec::new())
        }
        Err(refusal) => {
            let reason = format!("{}: {refusal}", refusal.class_name());
            ("dead_letter", Some(reason), Vec::new())
        }
    };
    DecodeReport {
        record: record_number,
        result,
        reason,
        events,
    }
}

fn canonical_list<S: Serializer>(events: &[Event], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(events.len()))?;
    for event in events {
        list.serialize_element(&CanonicalEvent(event))?;
    }
    list.end()
}
