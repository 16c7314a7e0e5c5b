//! The canonical events as the contract has them, for their schema alone; `decode`
//! reads them.

use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::model::{DeliveryStatus, Outcome, SendStatus};

/// One event: a JSON object a record, or a line of a file. Fields that are not named
/// here are ignored.
#[derive(JsonSchema)]
#[serde(tag = "type")]
pub enum Event {
    /// A message was requested. Topic `sms.send.v1`.
    #[serde(rename = "sms.send")]
    Send(Box<Send>),
    /// A one-time code was checked or given up. Topic `sms.verification.v1`.
    #[serde(rename = "sms.verification")]
    Verification(Box<Verification>),
    /// The network reported on a message. Topic `sms.delivery.v1`.
    #[serde(rename = "sms.delivery")]
    Delivery(Box<Delivery>),
}

/// A message was requested.
#[derive(JsonSchema)]
pub struct Send {
    /// What every event has.
    #[serde(flatten)]
    pub common: Common,
    /// The number it goes to.
    pub to: Destination,
    /// Joins the send with its verification.
    pub session: Option<String>,
    /// Joins the send with its delivery receipts.
    pub message_id: Option<String>,
    /// Sender ID or number.
    pub sender: Option<String>,
    /// The channel; `sms`.
    pub channel: Option<String>,
    /// Parts the text was split into.
    #[schemars(range(min = 1, max = 255))]
    pub segments: Option<u8>,
    /// What the message costs.
    pub price: Option<Price>,
    /// Who asked for it.
    pub client: Option<Client>,
    /// The messaging provider.
    pub provider: Option<String>,
    /// Whether it left: `blocked` was stopped by a blocklist or by the provider, costs
    /// nothing and is still evidence.
    #[serde(default)]
    pub status: SendStatus,
}

/// A one-time code was checked or given up.
#[derive(JsonSchema)]
#[schemars(extend("anyOf" = joinable()))]
pub struct Verification {
    /// What every event has.
    #[serde(flatten)]
    pub common: Common,
    /// The number; may be missing where `session` or `message_id` is there.
    #[schemars(with = "Destination")]
    #[serde(default)]
    pub to: Option<Destination>,
    /// Joins with the send.
    pub session: Option<String>,
    /// Joins with the send.
    pub message_id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The network reported on a message.
#[derive(JsonSchema)]
#[schemars(extend("anyOf" = joinable()))]
pub struct Delivery {
    /// What every event has.
    #[serde(flatten)]
    pub common: Common,
    /// The number; may be missing where `message_id` or `session` is there.
    #[schemars(with = "Destination")]
    #[serde(default)]
    pub to: Option<Destination>,
    /// The message it is about.
    pub message_id: Option<String>,
    /// Joins with the send.
    pub session: Option<String>,
    /// What became of the message.
    pub status: DeliveryStatus,
    /// The provider's error code; empty when there is none.
    pub error_code: Option<String>,
    /// Mobile country code of the network.
    #[schemars(regex(pattern = r"^[0-9]{3}$"))]
    pub mcc: Option<String>,
    /// Mobile network code.
    #[schemars(regex(pattern = r"^[0-9]{2,3}$"))]
    pub mnc: Option<String>,
    /// What the message cost.
    pub price: Option<Price>,
}

/// What joins an event with its send: the number, the session or the message.
fn joinable() -> Value {
    json!([
        {"required": ["to"]},
        {"required": ["session"], "properties": {"session": {"type": "string"}}},
        {"required": ["message_id"], "properties": {"message_id": {"type": "string"}}},
    ])
}

/// What every event has.
#[derive(JsonSchema)]
pub struct Common {
    /// Unique for each type and tenant: a repeat is a duplicate.
    #[schemars(length(min = 1))]
    pub id: String,
    /// When it happened.
    pub time: Time,
    /// Whose message it is.
    #[serde(default = "default_name")]
    pub tenant: String,
    /// Which of the tenant's applications.
    #[serde(default = "default_name")]
    pub app: String,
    /// In files only: when the broker got the record; without it, `time`.
    pub ingest_time: Option<Time>,
}

fn default_name() -> String {
    crate::model::DEFAULT_NAME.into()
}

/// A point in time.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum Time {
    /// RFC 3339, with any offset.
    Rfc3339(
        #[schemars(
            regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"),
            extend("format" = "date-time")
        )]
        String,
    ),
    /// Epoch milliseconds.
    EpochMs(#[schemars(range(min = -62_135_596_800_000_i64, max = 253_402_300_799_999_i64))] i64),
}

/// Where a message goes.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum Destination {
    /// A full number, E.164.
    Number(#[schemars(regex(pattern = r"^\+[1-9][0-9]{6,14}$"))] String),
    /// A masked number: everything works that needs no further digit.
    Masked {
        /// The digits that are known.
        #[schemars(regex(pattern = r"^\+[1-9][0-9]{0,14}$"))]
        prefix: String,
        /// Stands for the whole number: the same number, the same token.
        #[schemars(length(min = 1))]
        token: String,
    },
}

/// An amount of money.
#[derive(JsonSchema)]
pub struct Price {
    /// In units of the currency, to a millionth.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub amount: f64,
    /// ISO 4217 code.
    #[schemars(regex(pattern = r"^[A-Za-z]{3}$"))]
    pub currency: String,
}

/// The end user's side of a request, as far as the application knows it.
#[derive(JsonSchema)]
pub struct Client {
    /// Address of the request.
    #[schemars(extend("anyOf" = [{"type": "null"}, {"format": "ipv4"}, {"format": "ipv6"}]))]
    pub ip: Option<String>,
    /// Autonomous system of that address.
    pub asn: Option<u32>,
    /// ISO 3166 code of that address's country.
    #[schemars(regex(pattern = r"^([A-Z]{2}|001)$"))]
    pub country: Option<String>,
    /// Device identifier or fingerprint.
    pub device: Option<String>,
    /// User agent of the request.
    pub user_agent: Option<String>,
}
