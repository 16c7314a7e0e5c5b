//! The canonical format: one JSON object a record.
//!
//! | `type` | Event | Id | Time | Needs |
//! |---|---|---|---|---|
//! | `sms.send` | send | `id` | `time` | `to` |
//! | `sms.verification` | verification | `id` | `time` | `outcome`, and `to` or `session` or `message_id` |
//! | `sms.delivery` | receipt | `id` | `time` | `to` or `session` or `message_id` |
//! | any, with a `channel` other than `sms` | ignored | | | |
//!
//! This format is our own contract, so a known field with a wrong value refuses
//! the record and is named, optional ones too; unknown fields, and fields of
//! another event type, are passed over. `null` and `""` are the same as missing. A
//! field that stands twice refuses the record. A receipt without `status` is
//! `unknown`. What a record says of tenant and app goes before the input's
//! configuration.
//!
//! Reading is the hot path of a file replay: the object is scanned once, texts
//! are borrowed, nothing is built in between.

use compact_str::CompactString;
use serde::Deserialize;

use super::json::parse_refusal;
use super::node::Node;
use super::refusal::{IgnoreReason, Refusal, RefusalReason};
use super::{Carries, Decoded, FormatInfo, RecordMeta, guard};
use crate::model::{
    Client, Currency, Delivery, DeliveryStatus, Destination, E164, Event, EventBody, Micros, Millis, Money, Outcome,
    Prefix, Region, Send, SendStatus, Verification,
};

pub(super) const FORMAT: FormatInfo = FormatInfo {
    name: "canonical",
    carries: Carries {
        sends: true,
        verifications: true,
        deliveries: true,
    },
    decode,
    secrets: &["code", "otp", "body", "text", "password"],
};

/// The longest id, session, message id or device, in bytes.
pub const ID_BYTES_MAX: usize = 256;
/// The longest tenant, app, sender, provider, token or error code, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// The longest user agent, in bytes.
pub const USER_AGENT_BYTES_MAX: usize = 1_024;

const SEND_STATUSES: [(&str, SendStatus); 3] = [
    ("sent", SendStatus::Sent),
    ("blocked", SendStatus::Blocked),
    ("failed", SendStatus::Failed),
];
const OUTCOMES: [(&str, Outcome); 4] = [
    ("approved", Outcome::Approved),
    ("failed", Outcome::Failed),
    ("expired", Outcome::Expired),
    ("canceled", Outcome::Canceled),
];
const DELIVERY_STATUSES: [(&str, DeliveryStatus); 6] = [
    ("delivered", DeliveryStatus::Delivered),
    ("undelivered", DeliveryStatus::Undelivered),
    ("failed", DeliveryStatus::Failed),
    ("rejected", DeliveryStatus::Rejected),
    ("expired", DeliveryStatus::Expired),
    ("unknown", DeliveryStatus::Unknown),
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Node<'a>,
    #[serde(borrow)]
    id: Node<'a>,
    #[serde(borrow)]
    time: Node<'a>,
    #[serde(borrow)]
    ingest_time: Node<'a>,
    #[serde(borrow)]
    to: Node<'a, RawMasked<'a>>,
    #[serde(borrow)]
    tenant: Node<'a>,
    #[serde(borrow)]
    app: Node<'a>,
    #[serde(borrow)]
    session: Node<'a>,
    #[serde(borrow)]
    message_id: Node<'a>,
    #[serde(borrow)]
    sender: Node<'a>,
    #[serde(borrow)]
    channel: Node<'a>,
    #[serde(borrow)]
    segments: Node<'a>,
    #[serde(borrow)]
    price: Node<'a, RawPrice<'a>>,
    #[serde(borrow)]
    client: Node<'a, RawClient<'a>>,
    #[serde(borrow)]
    provider: Node<'a>,
    #[serde(borrow)]
    status: Node<'a>,
    #[serde(borrow)]
    outcome: Node<'a>,
    #[serde(borrow)]
    error_code: Node<'a>,
    #[serde(borrow)]
    mcc: Node<'a>,
    #[serde(borrow)]
    mnc: Node<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMasked<'a> {
    #[serde(borrow)]
    prefix: Node<'a>,
    #[serde(borrow)]
    token: Node<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPrice<'a> {
    #[serde(borrow)]
    amount: Node<'a>,
    #[serde(borrow)]
    currency: Node<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawClient<'a> {
    #[serde(borrow)]
    ip: Node<'a>,
    #[serde(borrow)]
    asn: Node<'a>,
    #[serde(borrow)]
    country: Node<'a>,
    #[serde(borrow)]
    device: Node<'a>,
    #[serde(borrow)]
    user_agent: Node<'a>,
}

#[derive(Clone, Copy)]
enum Kind {
    Send,
    Verification,
    Delivery,
}

/// One line of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLine {
    /// What the line says.
    pub decoded: Decoded,
    /// When the broker got the record: `ingest_time`, or without it the event's time.
    pub ingest_time: Millis,
}

/// Decodes a line of a file of canonical events, with the time at which the
/// broker got it. `meta.record_time` is not looked at.
pub fn decode_line(meta: &RecordMeta<'_>, value: &[u8]) -> Result<FileLine, Refusal> {
    let raw = scan(guard::text(Some(value))?)?;
    let ingest_time = raw.ingest_time.time("ingest_time")?;
    let (decoded, event_time) = raw.decode(meta)?;
    Ok(FileLine {
        decoded,
        ingest_time: ingest_time.unwrap_or(event_time),
    })
}

fn decode(meta: &RecordMeta<'_>, text: &str) -> Result<Decoded, Refusal> {
    scan(text)?.decode(meta).map(|(decoded, _)| decoded)
}

fn scan(text: &str) -> Result<RawEvent<'_>, Refusal> {
    // A list would be read field by field in order of declaration.
    if !text.trim_start().starts_with('{') {
        // Broken JSON is named as such before its shape is.
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| parse_refusal(&error))?;
        return Err(Refusal::new(
            RefusalReason::NotAnObject,
            "a canonical record is one JSON object; send one event a record",
        ));
    }
    serde_json::from_str(text).map_err(|error| parse_refusal(&error))
}

impl RawEvent<'_> {
    fn decode(&self, meta: &RecordMeta<'_>) -> Result<(Decoded, Millis), Refusal> {
        let kind = self.kind()?;
        let time = self.time.time("time")?.ok_or_else(|| Refusal::missing("time"))?;
        if let Some(channel) = self.channel.text("channel", NAME_BYTES_MAX)?
            && !channel.eq_ignore_ascii_case("sms")
        {
            return Ok((Decoded::Ignored(IgnoreReason::OtherChannel), time));
        }
        let event = Event {
            id: self.id.required_text("id", ID_BYTES_MAX)?.into(),
            time,
            tenant: match self.tenant.name("tenant", NAME_BYTES_MAX)? {
                Some(tenant) => tenant.into(),
                None => meta.tenant(),
            },
            app: match self.app.name("app", NAME_BYTES_MAX)? {
                Some(app) => app.into(),
                None => meta.app(),
            },
            to: self.destination()?,
            body: match kind {
                Kind::Send => EventBody::Send(self.send()?),
                Kind::Verification => EventBody::Verification(self.verification()?),
                Kind::Delivery => EventBody::Delivery(self.delivery()?),
            },
        };
        let joined = match &event.body {
            EventBody::Send(_) => false,
            EventBody::Verification(v) => v.session.is_some() || v.message_id.is_some(),
            EventBody::Delivery(d) => d.session.is_some() || d.message_id.is_some(),
        };
        if event.to == Destination::Unknown && !joined {
            return Err(Refusal::missing("to"));
        }
        Ok((Decoded::Usable(vec![event]), time))
    }

    fn kind(&self) -> Result<Kind, Refusal> {
        match self.kind.required_text("type", usize::MAX)? {
            "sms.send" => Ok(Kind::Send),
            "sms.verification" => Ok(Kind::Verification),
            "sms.delivery" => Ok(Kind::Delivery),
            other => Err(Refusal::unknown_type("type", other)),
        }
    }

    fn destination(&self) -> Result<Destination, Refusal> {
        match &self.to {
            Node::Missing => Ok(Destination::Unknown),
            Node::Text(text) if text.is_empty() => Ok(Destination::Unknown),
            Node::Text(text) => E164::parse(text)
                .map(Destination::Number)
                .ok_or_else(|| Refusal::destination("to", text)),
            Node::Object(masked) => {
                let prefix = masked.prefix.required_text("to.prefix", usize::MAX)?;
                let prefix = Prefix::parse(prefix).ok_or_else(|| {
                    Refusal::new(
                        RefusalReason::BadNumber,
                        "`to.prefix` must be a plus, then 1 to 15 digits, the first not zero",
                    )
                })?;
                let token = masked.token.required_text("to.token", NAME_BYTES_MAX)?;
                Ok(Destination::Masked {
                    prefix,
                    token: token.into(),
                })
            }
            other => Err(Refusal::destination_type("to", other.kind())),
        }
    }

    fn send(&self) -> Result<Send, Refusal> {
        Ok(Send {
            session: owned(self.session.text("session", ID_BYTES_MAX)?),
            message_id: owned(self.message_id.text("message_id", ID_BYTES_MAX)?),
            sender: owned(self.sender.text("sender", NAME_BYTES_MAX)?),
            segments: self.segments.integer("segments", 1, 255)?.map(|n| n as u8),
            price: self.price()?,
            client: self.client()?,
            provider: owned(self.provider.text("provider", NAME_BYTES_MAX)?),
            status: self.status.word("status", &SEND_STATUSES)?.unwrap_or_default(),
        })
    }

    fn verification(&self) -> Result<Verification, Refusal> {
        Ok(Verification {
            session: owned(self.session.text("session", ID_BYTES_MAX)?),
            message_id: owned(self.message_id.text("message_id", ID_BYTES_MAX)?),
            outcome: self
                .outcome
                .word("outcome", &OUTCOMES)?
                .ok_or_else(|| Refusal::missing("outcome"))?,
        })
    }

    fn delivery(&self) -> Result<Delivery, Refusal> {
        Ok(Delivery {
            message_id: owned(self.message_id.text("message_id", ID_BYTES_MAX)?),
            session: owned(self.session.text("session", ID_BYTES_MAX)?),
            status: self
                .status
                .word("status", &DELIVERY_STATUSES)?
                .unwrap_or(DeliveryStatus::Unknown),
            error_code: self
                .error_code
                .text("error_code", NAME_BYTES_MAX)?
                .unwrap_or_default()
                .into(),
            mcc: network_code(&self.mcc, "mcc", 3, "a text of 3 digits")?,
            mnc: network_code(&self.mnc, "mnc", 1, "a text of 1 to 3 digits")?,
            price: self.price()?,
        })
    }

    fn price(&self) -> Result<Option<Money>, Refusal> {
        let Some(raw) = self.price.object("price")? else {
            return Ok(None);
        };
        let amount = raw.amount.number("price.amount")?;
        let amount = amount.ok_or_else(|| Refusal::missing("price.amount"))?;
        let micros = Micros::from_units(amount)
            .ok_or_else(|| Refusal::invalid("price.amount", "from 0 to 1000000, in units of the currency"))?;
        let currency = raw.currency.required_text("price.currency", NAME_BYTES_MAX)?;
        let currency = Currency::parse(currency)
            .ok_or_else(|| Refusal::invalid("price.currency", "a currency of three letters, as in USD"))?;
        Ok(Some(Money { micros, currency }))
    }

    fn client(&self) -> Result<Client, Refusal> {
        let Some(raw) = self.client.object("client")? else {
            return Ok(Client::default());
        };
        let country = match raw.country.text("client.country", NAME_BYTES_MAX)? {
            Some(text) => Some(
                Region::parse(text)
                    .ok_or_else(|| Refusal::invalid("client.country", "a country of two capital letters, as in US"))?,
            ),
            None => None,
        };
        Ok(Client {
            ip: raw.ip.address("client.ip")?,
            asn: raw.asn.integer("client.asn", 0, i64::from(u32::MAX))?.map(|n| n as u32),
            country,
            device: owned(raw.device.text("client.device", ID_BYTES_MAX)?),
            user_agent: owned(raw.user_agent.text("client.user_agent", USER_AGENT_BYTES_MAX)?),
        })
    }
}

fn owned(text: Option<&str>) -> Option<CompactString> {
    text.map(CompactString::from)
}

/// A mobile country or network code: digits, as text, since leading zeros count.
fn network_code(node: &Node<'_>, field: &str, digits_min: usize, must: &str) -> Result<Option<CompactString>, Refusal> {
    let Some(text) = node.text(field, usize::MAX)? else {
        return Ok(None);
    };
    if (digits_min..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(Some(text.into()))
    } else {
        Err(Refusal::invalid(field, must))
    }
}
