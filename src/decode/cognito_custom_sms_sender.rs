//! Amazon Cognito's custom SMS sender trigger, as its Lambda function passes it on.
//!
//! | `request.type`, else `triggerSource` | Event | Id | Time |
//! |---|---|---|---|
//! | `customSMSSenderRequestV1`, `CustomSMSSender_*` | send, `sent` | a hash, see below | the record's |
//! | `customEmailSenderRequestV1`, `CustomEmailSender_*` | ignored | | |
//! | other triggers of Cognito | ignored | | |
//!
//! The record bears no time and no id. Its own timestamp is the event's time, and
//! the id is 128 bits of BLAKE3, in hex, over user pool, client, user, trigger,
//! number and record time: a record that Kafka holds twice with one timestamp
//! (a producer's retry) is one send; two codes for one user lie apart in time.
//! `request.code` is never read, not even into the hash, since a code that was
//! decrypted on the way could be guessed back out of it.
//!
//! A record without `phone_number` is refused. The client's address is known only
//! where the caller passes it in `clientMetadata` (see `attached`).

use compact_str::CompactString;
use serde_json::Value;

use super::elements::{Outcome, decode_each};
use super::refusal::{IgnoreReason, Refusal};
use super::{Carries, Decoded, FormatInfo, RecordMeta, attached, json};
use crate::model::{Destination, Event, EventBody, Send};

pub(super) const FORMAT: FormatInfo = FormatInfo {
    name: "cognito_custom_sms_sender",
    carries: Carries {
        sends: true,
        verifications: false,
        deliveries: false,
    },
    decode,
    secrets: &["code"],
};

const OTHER_TRIGGERS: [&str; 12] = [
    "CustomEmailSender_",
    "CustomMessage_",
    "PreSignUp_",
    "PostConfirmation_",
    "PreAuthentication_",
    "PostAuthentication_",
    "TokenGeneration_",
    "DefineAuthChallenge_",
    "CreateAuthChallenge_",
    "VerifyAuthChallengeResponse_",
    "UserMigration_",
    "InboundFederation_",
];

fn decode(meta: &RecordMeta<'_>, text: &str) -> Result<Decoded, Refusal> {
    decode_each(&json::parse(text)?, |event, index| trigger(meta, event, index))
}

fn trigger(meta: &RecordMeta<'_>, event: &Value, index: usize) -> Outcome {
    let request = event.get("request").unwrap_or(&Value::Null);
    let source = json::scalar(event, "triggerSource").unwrap_or_default();
    match json::scalar(request, "type").as_deref() {
        Some("customSMSSenderRequestV1") => {}
        Some("customEmailSenderRequestV1") => return Ok(Err(IgnoreReason::OtherChannel)),
        _ if source.starts_with("CustomSMSSender_") => {}
        _ if source.starts_with("CustomEmailSender_") => return Ok(Err(IgnoreReason::OtherChannel)),
        _ if OTHER_TRIGGERS.iter().any(|other| source.starts_with(other)) => {
            return Ok(Err(IgnoreReason::OtherEvent));
        }
        _ if source.is_empty() => return Err(Refusal::missing("triggerSource")),
        _ => return Err(Refusal::unknown_type("triggerSource", &source)),
    }
    let attributes = request.get("userAttributes").unwrap_or(&Value::Null);
    let field = "request.userAttributes.phone_number";
    let to = json::destination(attributes, "phone_number", field)?.ok_or_else(|| Refusal::missing(field))?;
    let metadata = request.get("clientMetadata").unwrap_or(&Value::Null);
    let to = Destination::Number(to);
    Ok(Ok(vec![Event {
        id: identity(meta, event, &source, &to, index),
        time: meta.record_time,
        tenant: meta.tenant(),
        app: meta.app(),
        to,
        body: EventBody::Send(Send {
            client: attached::client(metadata),
            provider: Some("aws_cognito".into()),
            ..Send::default()
        }),
    }]))
}

/// See the module's documentation. `index` tells elements of one list apart.
fn identity(meta: &RecordMeta<'_>, event: &Value, source: &str, to: &Destination, index: usize) -> CompactString {
    let mut hasher = blake3::Hasher::new();
    let caller = event.get("callerContext").unwrap_or(&Value::Null);
    let number = match to {
        Destination::Number(number) => number.digits(),
        Destination::Masked { .. } | Destination::Unknown => 0,
    };
    for text in [
        json::scalar(event, "userPoolId").unwrap_or_default(),
        json::scalar(caller, "clientId").unwrap_or_default(),
        json::scalar(event, "userName").unwrap_or_default(),
        source.into(),
    ] {
        // Lengths keep two texts from running into each other.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&number.to_le_bytes());
    hasher.update(&meta.record_time.0.to_le_bytes());
    hasher.update(&(index as u64).to_le_bytes());
    let hash = hasher.finalize().to_hex();
    CompactString::from(&hash[..32])
}
