//! The canonical events: what every source format is decoded into.

use std::net::IpAddr;

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{E164, Millis, Money, Prefix, Region};

/// The name that stands for a tenant or app that the source does not name.
pub const DEFAULT_NAME: &str = "default";

/// One message-related event, as decoded, before its number is pseudonymised.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique per event type and tenant; a repeat is a duplicate.
    pub id: CompactString,
    /// When it happened, by its source.
    pub time: Millis,
    /// Whose message it is.
    pub tenant: CompactString,
    /// Which of the tenant's applications.
    pub app: CompactString,
    /// The number it is about. Never missing on a send.
    pub to: Destination,
    /// What happened.
    pub body: EventBody,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A full number.
    Number(E164),
    /// A number whose last digits the source keeps to itself.
    Masked {
        /// The digits that are known.
        prefix: Prefix,
        /// What stands for the whole number: the same number, the same token.
        token: CompactString,
    },
    /// Not told: the event is joined by its session or message id.
    Unknown,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventBody {
    /// A message was requested.
    Send(Send),
    /// A one-time code was checked or given up.
    Verification(Verification),
    /// The network reported on a message.
    Delivery(Delivery),
}

impl EventBody {
    /// The canonical type name.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Send(_) => "sms.send",
            Self::Verification(_) => "sms.verification",
            Self::Delivery(_) => "sms.delivery",
        }
    }
}

/// One SMS request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Send {
    /// Joins the send with its verification.
    pub session: Option<CompactString>,
    /// Joins the send with its delivery receipts.
    pub message_id: Option<CompactString>,
    /// Sender ID or number.
    pub sender: Option<CompactString>,
    /// Parts the text was split into, 1 to 255.
    pub segments: Option<u8>,
    /// What the message costs.
    pub price: Option<Money>,
    /// Who asked for it.
    pub client: Client,
    /// The messaging provider.
    pub provider: Option<CompactString>,
    /// Whether it left.
    pub status: SendStatus,
}

/// The end user's side of a request, as far as the application knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// Address of the request.
    pub ip: Option<IpAddr>,
    /// Autonomous system of that address.
    pub asn: Option<u32>,
    /// Country of that address.
    pub country: Option<Region>,
    /// Device identifier or fingerprint.
    pub device: Option<CompactString>,
    /// User agent of the request.
    pub user_agent: Option<CompactString>,
}

/// Whether a requested message left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SendStatus {
    /// It was handed to the network.
    #[default]
    Sent,
    /// A blocklist or the provider stopped it: it costs nothing and is still evidence.
    Blocked,
    /// It could not be sent for another reason.
    Failed,
}

/// The end of a one-time-password check.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// Joins with the send.
    pub session: Option<CompactString>,
    /// Joins with the send where the source knows the message.
    pub message_id: Option<CompactString>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a verification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The right code came back.
    Approved,
    /// A wrong code came back.
    Failed,
    /// Nothing came back in time.
    Expired,
    /// The application gave it up.
    Canceled,
}

/// A delivery receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The message it is about.
    pub message_id: Option<CompactString>,
    /// Joins with the send where the source knows the session.
    pub session: Option<CompactString>,
    /// What became of the message.
    pub status: DeliveryStatus,
    /// The provider's error code; empty when there is none.
    pub error_code: CompactString,
    /// Mobile country code of the network, three digits.
    pub mcc: Option<CompactString>,
    /// Mobile network code, two or three digits.
    pub mnc: Option<CompactString>,
    /// What the message cost.
    pub price: Option<Money>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum DeliveryStatus {
    Delivered,
    Undelivered,
    Failed,
    Rejected,
    Expired,
    Unknown,
}

/// What an analyst or a playbook tells the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Feedback {
    /// A judgement on a finding.
    Verdict {
        /// Unique id of the command.
        id: CompactString,
        /// When it was given.
        time: Millis,
        /// The finding it judges.
        finding_uid: CompactString,
        /// True when the finding was right.
        true_positive: bool,
        /// Who says so.
        by: CompactString,
    },
    /// Puts a prefix on the safe-list or takes it off.
    Safelist {
        /// Unique id of the command.
        id: CompactString,
        /// When it was given.
        time: Millis,
        /// Whose safe-list.
        tenant: CompactString,
        /// An app, or `*` for all.
        app: CompactString,
        /// The numbers that are safe.
        prefix: Prefix,
        /// `true` to put, `false` to delete.
        put: bool,
        /// When it lapses; `None`: never.
        expires_at: Option<Millis>,
        /// Who says so.
        by: CompactString,
        /// Why.
        reason: CompactString,
    },
}

impl Feedback {
    /// The tenant whose partition it goes to; a verdict bears none and goes to all.
    pub fn tenant(&self) -> Option<&str> {
        match self {
            Self::Verdict { .. } => None,
            Self::Safelist { tenant, .. } => Some(tenant),
        }
    }
}
