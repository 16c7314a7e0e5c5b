//! What of an event matters to a ledger.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use compact_str::CompactString;

use crate::detector::Policy;
use crate::model::{Destination, Event, EventBody, Micros, Millis, Outcome, Prefix, Region, SendStatus};
use crate::number_plan::NumberPlan;

/// An event, worked out once for every ledger.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it arrived.
    pub at: Millis,
    /// Whose it is.
    pub tenant: CompactString,
    /// Stands for the person: equal for equal numbers; `None` when no number is told.
    pub who: Option<u64>,
    /// Region of the number.
    pub region: Option<Region>,
    /// A price that it tells, in the report's currency.
    pub price: Option<Micros>,
    /// What happened.
    pub what: SeenWhat,
}

/// See [`Seen::what`].
#[derive(Clone, Debug)]
pub enum SeenWhat {
    /// A message.
    Send {
        /// Which app's.
        app: CompactString,
        /// The digits that are known.
        number: Prefix,
        /// It left, so it costs.
        has_left: bool,
        /// Joins with the approval.
        session: Option<CompactString>,
        /// See `session`.
        message_id: Option<CompactString>,
        /// From 0 to 1: decides where a share is let through.
        luck: f64,
    },
    /// The right code came back.
    Approved {
        /// Joins with the message.
        session: Option<CompactString>,
        /// See `session`.
        message_id: Option<CompactString>,
    },
    /// A receipt, which may tell a price.
    Receipt,
}

impl Seen {
    /// What of `event` matters; `None` for an event that means nothing here.
    pub fn of(event: &Event, at: Millis, policy: &Policy) -> Option<Self> {
        let (number, who) = match &event.to {
            Destination::Number(number) => (Prefix::from_digits(number.digits()), Some(hash(&number.digits()))),
            Destination::Masked { prefix, token } => (Some(*prefix), Some(hash(token.as_str()))),
            Destination::Unknown => (None, None),
        };
        let (price, what) = match &event.body {
            EventBody::Send(send) => (
                send.price,
                SeenWhat::Send {
                    app: event.app.clone(),
                    number: number?,
                    has_left: send.status == SendStatus::Sent,
                    session: send.session.clone(),
                    message_id: send.message_id.clone(),
                    luck: crate::lab::evaluate::judge::luck_of(&event.id),
                },
            ),
            EventBody::Verification(v) if v.outcome == Outcome::Approved => (
                None,
                SeenWhat::Approved {
                    session: v.session.clone(),
                    message_id: v.message_id.clone(),
                },
            ),
            EventBody::Verification(_) => return None,
            EventBody::Delivery(delivery) => (Some(delivery.price?), SeenWhat::Receipt),
        };
        Some(Self {
            at,
            tenant: event.tenant.clone(),
            who,
            region: number.and_then(|number| NumberPlan::shared().classify_prefix(number).region),
            price: price.and_then(|price| policy.convert(price)),
            what,
        })
    }
}

/// The same in every run: the hasher has no random key.
fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
