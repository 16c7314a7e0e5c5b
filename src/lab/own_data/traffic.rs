//! What the traffic is: how much, where to, and what the events do not tell.

use std::collections::BTreeMap;

use ahash::AHashSet;
use serde::Serialize;

use crate::lab::ledger::{Amount, Prices, Seen, SeenWhat, Sum};
use crate::model::{Event, EventBody, HOUR, Millis, Region, SendStatus};

/// Countries that a report lists.
const COUNTRIES_MAX: usize = 15;

/// Gathers it.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    first: Option<Millis>,
    last: Option<Millis>,
    tenants: AHashSet<compact_str::CompactString>,
    people: AHashSet<u64>,
    sends: Sum,
    held: u64,
    approvals: u64,
    /// Sends that tell each of these.
    told: Told,
    countries: BTreeMap<Option<Region>, (Sum, u64)>,
    /// By the hour since 1970.
    hours: BTreeMap<i64, Sum>,
}

#[derive(Debug, Default)]
struct Told {
    sends: u64,
    price: u64,
    source: u64,
    join: u64,
}

/// The traffic in a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Traffic {
    /// Arrival of the first event and of the last.
    pub first_time: Option<String>,
    /// See `first_time`.
    pub last_time: Option<String>,
    /// Days between them.
    pub days: f64,
    /// Tenants.
    pub tenants: u64,
    /// Messages that left.
    pub messages: u64,
    /// Messages that were stopped or failed before: they cost nothing.
    pub messages_not_sent: u64,
    /// Different numbers that messages were asked for.
    pub numbers: u64,
    /// What the messages cost.
    pub cost: Amount,
    /// Approved verifications.
    pub verifications: u64,
    /// Countries by what was spent there, the first of them.
    pub countries: Vec<Country>,
    /// How many countries there are in all.
    pub countries_in_all: u64,
    /// What the events do not tell.
    pub lacks: Lacks,
}

/// One country of the traffic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Country {
    /// Its region's code; `?` where no number plan knows the number.
    pub region: String,
    /// Messages that left.
    pub messages: u64,
    /// What they cost.
    pub cost: f64,
    /// Approved verifications whose number is told.
    pub verifications: u64,
}

/// Shares of the messages, from 0 to 1, that do not tell a thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lacks {
    /// No price.
    pub price: f64,
    /// Neither an address, nor a network, nor a device of the client.
    pub source: f64,
    /// Neither a session nor a message id: approvals are joined by number.
    pub join: f64,
    /// There is no approved verification at all.
    pub verifications: bool,
}

impl Gathering {
    /// One more event.
    pub(super) fn take(&mut self, event: &Event, at: Millis, seen: &Seen, prices: &mut Prices) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        if let Some(price) = seen.price {
            prices.learn(seen.region, price);
        }
        match &seen.what {
            SeenWhat::Send { .. } => {
                if !self.tenants.contains(&seen.tenant) {
                    self.tenants.insert(seen.tenant.clone());
                }
                self.people.extend(seen.who);
                let EventBody::Send(send) = &event.body else { return };
                let client = &send.client;
                self.told.sends += 1;
                self.told.price += u64::from(send.price.is_some());
                self.told.join += u64::from(send.session.is_some() || send.message_id.is_some());
                self.told.source += u64::from(client.ip.is_some() || client.asn.is_some() || client.device.is_some());
                if send.status != SendStatus::Sent {
                    self.held += 1;
                    return;
                }
                self.sends.add(seen.region, seen.price);
                let country = self.countries.entry(seen.region).or_default();
                country.0.add(seen.region, seen.price);
                let hour = self.hours.entry(at.0.div_euclid(HOUR)).or_default();
                hour.add(seen.region, seen.price);
            }
            SeenWhat::Approved { .. } => {
                self.approvals += 1;
                if seen.who.is_some() {
                    self.countries.entry(seen.region).or_default().1 += 1;
                }
            }
            SeenWhat::Receipt => {}
        }
    }

    /// Messages by the hour since 1970.
    pub(super) fn hours(&self) -> &BTreeMap<i64, Sum> {
        &self.hours
    }

    /// The traffic as a report shows it.
    pub(super) fn traffic(&self, prices: &Prices) -> Traffic {
        let mut countries: Vec<Country> = self
            .countries
            .iter()
            .filter(|(_, (sum, _))| sum.messages > 0)
            .map(|(region, (sum, verifications))| Country {
                region: region.map_or_else(|| "?".into(), |region| region.as_str().into()),
                messages: sum.messages,
                cost: prices.value(sum).amount,
                verifications: *verifications,
            })
            .collect();
        countries.sort_by(|a, b| b.cost.total_cmp(&a.cost).then(b.messages.cmp(&a.messages)));
        let countries_in_all = countries.len() as u64;
        countries.truncate(COUNTRIES_MAX);
        let sends = self.told.sends.max(1) as f64;
        let lack = |told: u64| 1.0 - told as f64 / sends;
        Traffic {
            first_time: self.first.map(|time| time.to_string()),
            last_time: self.last.map(|time| time.to_string()),
            days: self
                .first
                .zip(self.last)
                .map_or(0.0, |(first, last)| last.seconds_since(first) / 86_400.0),
            tenants: self.tenants.len() as u64,
            messages: self.sends.messages,
            messages_not_sent: self.held,
            numbers: self.people.len() as u64,
            cost: prices.value(&self.sends),
            verifications: self.approvals,
            countries,
            countries_in_all,
            lacks: Lacks {
                price: lack(self.told.price),
                source: lack(self.told.source),
                join: lack(self.told.join),
                verifications: self.approvals == 0,
            },
        }
    }
}
