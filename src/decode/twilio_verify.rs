//! The Verify events of Twilio Event Streams.
//!
//! A verification (`VE…`) sends codes in attempts (`VL…`); each attempt by SMS is a
//! send of its own, and the verification is the session that joins them.
//!
//! | `type` (after `com.twilio.accountsecurity.verify.`) | Events | Id | Time |
//! |---|---|---|---|
//! | `verification.*` | for each SMS attempt that it lists: send | `attempt_sid` | the attempt's, else the event's (`pending`) or `created_at` |
//! | `verification.approved`, `.canceled`, `.expired` | also the verification | `verification_sid:approved`, … | the event's |
//! | `verification.max-attempts-reached` (or with `_`) | no more: five sends reach it as well as five checks, so it proves no wrong code | | |
//! | `verification.*` whose attempts are all of another channel | ignored | | |
//! | `message.sent` by SMS | send | `attempt_sid` | the event's |
//! | `message.delivered`, `.read`, `.undelivered`, `.failed` by SMS | send | `attempt_sid` | `created_at`, else the event's |
//! | | receipt | `attempt_sid:delivered`, … | the event's |
//! | `attempt-dlr.*` (older, `dlr_status`) | as `message.*` | | |
//! | `message.*` of another channel | ignored | | |
//!
//! Each event of the lifecycle lists all attempts so far, so a send is told
//! several times, always under its `attempt_sid`, which `message.*` uses too. An
//! attempt without its sid is `verification_sid#` and its place in the list. A send
//! is `blocked` when its error code is a block by the provider (30450, 30453,
//! 60410, 60605), else `failed` when its message failed; the first telling that
//! is read decides, and `pending` usually comes before the code is known.
//!
//! `expired_at` says when the verification will expire and is no outcome. A
//! verification without a number is joined by its session; a send without one is
//! refused. `mcc` and `mnc` are swapped in published samples: they are taken only
//! where `mcc` has the three digits that it must have.

use compact_str::{CompactString, format_compact};
use serde_json::Value;

use super::elements::Outcome;
use super::refusal::{IgnoreReason, Refusal};
use super::twilio_event_streams::{About, PROVIDER, data, error_code, is_block, time};
use super::{RecordMeta, attached, json};
use crate::model::{
    Delivery, DeliveryStatus, Destination, Event, EventBody, Millis, Outcome as VerificationOutcome, Send, SendStatus,
    Verification,
};

/// `name` is the type after `com.twilio.accountsecurity.verify.`, `kind` all of it.
pub(super) fn element(meta: &RecordMeta<'_>, event: &Value, name: &str, kind: &str) -> Outcome {
    match name.split_once('.') {
        Some(("verification", step)) => {
            let step = Step::parse(step).ok_or_else(|| Refusal::unknown_type("type", kind))?;
            lifecycle(meta, event, step)
        }
        Some(("message" | "attempt-dlr", status)) => {
            let status = MessageStatus::parse(status).ok_or_else(|| Refusal::unknown_type("type", kind))?;
            message(meta, event, status)
        }
        _ => Ok(Err(IgnoreReason::OtherEvent)),
    }
}

#[derive(Clone, Copy)]
enum Step {
    Pending,
    MaxAttempts,
    Ended(VerificationOutcome, &'static str),
}

impl Step {
    fn parse(step: &str) -> Option<Self> {
        Some(match step {
            "pending" => Self::Pending,
            "approved" => Self::Ended(VerificationOutcome::Approved, "approved"),
            "canceled" => Self::Ended(VerificationOutcome::Canceled, "canceled"),
            "expired" => Self::Ended(VerificationOutcome::Expired, "expired"),
            "max-attempts-reached" | "max_attempts_reached" => Self::MaxAttempts,
            _ => return None,
        })
    }
}

fn lifecycle(meta: &RecordMeta<'_>, event: &Value, step: Step) -> Outcome {
    let data = data(event)?;
    let attempts = data.get("send_code_attempts").unwrap_or(&Value::Null);
    let list = attempts
        .get("attempts")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let by_sms = |attempt: &Value| json::scalar(attempt, "channel").is_some_and(|c| c.eq_ignore_ascii_case("sms"));
    if !list.is_empty() && !list.iter().any(by_sms) {
        return unnamed_channel(list);
    }
    // Without a list the channel is not told; an address that is no number tells it.
    if list.is_empty()
        && data
            .get("to")
            .and_then(Value::as_str)
            .is_some_and(|to| to.contains('@'))
    {
        return Ok(Err(IgnoreReason::OtherChannel));
    }
    let to = json::destination(data, "to", "data.to")?;
    let verification_sid = json::id(data, "verification_sid", "data.verification_sid")?;
    let about = About {
        time: time(event, data)?,
        tenant: meta.tenant(),
        app: meta.app(),
        to: to.map_or(Destination::Unknown, Destination::Number),
    };
    let mut events = Vec::with_capacity(list.len() + 1);
    if to.is_some() {
        let untimed = match step {
            Step::Pending => about.time,
            _ => json::time(data, "created_at", "data.created_at")?.unwrap_or(about.time),
        };
        for (index, attempt) in list.iter().enumerate().filter(|(_, attempt)| by_sms(attempt)) {
            events.push(attempt_send(&about, &verification_sid, index, attempt, untimed)?);
        }
    }
    if let Step::Ended(outcome, word) = step {
        let body = EventBody::Verification(Verification {
            session: Some(verification_sid.clone()),
            message_id: None,
            outcome,
        });
        events.push(about.event(format_compact!("{verification_sid}:{word}"), body));
    }
    if events.is_empty() {
        return nothing_told(attempts, to.is_none() && !list.is_empty());
    }
    Ok(Ok(events))
}

/// No attempt says that it went by SMS: ignored, unless one says nothing at all.
fn unnamed_channel(list: &[Value]) -> Outcome {
    if list.iter().all(|attempt| json::scalar(attempt, "channel").is_some()) {
        Ok(Err(IgnoreReason::OtherChannel))
    } else {
        Err(Refusal::missing("data.send_code_attempts.attempts.channel"))
    }
}

fn nothing_told(attempts: &Value, number_is_missing: bool) -> Outcome {
    if number_is_missing {
        return Err(Refusal::missing("data.to"));
    }
    match json::integer(attempts, "count") {
        Some(0) => Ok(Err(IgnoreReason::NothingSent)),
        // Codes went out, and neither their channel nor their ids are told.
        _ => Err(Refusal::missing("data.send_code_attempts.attempts")),
    }
}

fn attempt_send(
    about: &About,
    verification_sid: &CompactString,
    index: usize,
    attempt: &Value,
    untimed: Millis,
) -> Result<Event, Refusal> {
    let sid = json::optional_id(attempt, "attempt_sid", "data.send_code_attempts.attempts.attempt_sid")?
        .unwrap_or_else(|| format_compact!("{verification_sid}#{}", index + 1));
    // An attempt's own time is optional: where it cannot be read, the fallback stands.
    let time = json::time(attempt, "time", "time").ok().flatten().unwrap_or(untimed);
    let failed = json::scalar(attempt, "delivery_status").is_some_and(|s| s.eq_ignore_ascii_case("failed"));
    let send = sms_send(
        &sid,
        verification_sid,
        attempt,
        send_status(&error_code(attempt, "error_code"), failed),
    );
    Ok(about.event_at(time, sid, EventBody::Send(send)))
}

fn send_status(error_code: &str, failed: bool) -> SendStatus {
    match (is_block(error_code), failed) {
        (true, _) => SendStatus::Blocked,
        (false, true) => SendStatus::Failed,
        (false, false) => SendStatus::Sent,
    }
}

/// `object` is what bears the tags: an attempt, or a message event's data.
fn sms_send(sid: &CompactString, session: &CompactString, object: &Value, status: SendStatus) -> Send {
    Send {
        session: Some(session.clone()),
        message_id: Some(sid.clone()),
        segments: json::segments(object, "number_segments"),
        client: attached::client(object.get("tags").unwrap_or(&Value::Null)),
        provider: Some(PROVIDER.into()),
        status,
        ..Send::default()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum MessageStatus {
    Sent,
    Ended(DeliveryStatus, &'static str),
}

impl MessageStatus {
    fn parse(status: &str) -> Option<Self> {
        Some(match status {
            "sent" => Self::Sent,
            // Who reads a message has it.
            "delivered" | "read" => Self::Ended(DeliveryStatus::Delivered, "delivered"),
            "undelivered" => Self::Ended(DeliveryStatus::Undelivered, "undelivered"),
            "failed" => Self::Ended(DeliveryStatus::Failed, "failed"),
            _ => return None,
        })
    }
}

fn message(meta: &RecordMeta<'_>, event: &Value, status: MessageStatus) -> Outcome {
    let data = data(event)?;
    let channel = json::scalar(data, "channel").ok_or_else(|| Refusal::missing("data.channel"))?;
    if !channel.eq_ignore_ascii_case("sms") {
        return Ok(Err(IgnoreReason::OtherChannel));
    }
    let to = json::destination(data, "to", "data.to")?.ok_or_else(|| Refusal::missing("data.to"))?;
    let sid = json::id(data, "attempt_sid", "data.attempt_sid")?;
    let session = json::id(data, "verification_sid", "data.verification_sid")?;
    let error_code = error_code(data, "error_code");
    let about = About {
        time: time(event, data)?,
        tenant: meta.tenant(),
        app: meta.app(),
        to: Destination::Number(to),
    };
    let failed = matches!(status, MessageStatus::Ended(DeliveryStatus::Failed, _));
    let send = sms_send(&sid, &session, data, send_status(&error_code, failed));
    let MessageStatus::Ended(status, word) = status else {
        return Ok(Ok(vec![about.event(sid, EventBody::Send(send))]));
    };
    // A receipt may come hours later: the send keeps the time of the message.
    let sent_at = json::time(data, "created_at", "data.created_at")?
        .filter(|created| *created <= about.time)
        .unwrap_or(about.time);
    let mcc = json::name(data, "mcc", 3).filter(|mcc| mcc.len() == 3 && digits(mcc));
    let delivery = Delivery {
        message_id: Some(sid.clone()),
        session: Some(session),
        status,
        error_code,
        mnc: json::name(data, "mnc", 3).filter(|mnc| mcc.is_some() && digits(mnc)),
        mcc,
        price: None,
    };
    Ok(Ok(vec![
        about.event_at(sent_at, sid.clone(), EventBody::Send(send)),
        about.event(format_compact!("{sid}:{word}"), EventBody::Delivery(delivery)),
    ]))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}
