//! The user's own hard limits and monthly budgets: what is counted, and when a
//! limit is broken. No evidence and no probability: these findings stand outside
//! the bound on false alarms.
//!
//! Time is log time, so counts do not depend on how events are batched; a send
//! counts whether it left or was blocked, and whether or not it is a resend. A
//! send that does not tell what a limit counts by (no address, no device) does
//! not count there. Counters of all limits together keep to a fixed number of
//! bytes; under a flood of keys the idle ones are forgotten first.

mod anchor;
mod breach;
mod budget;
mod standing;
mod table;
mod window;

pub(crate) use anchor::{Anchor, Excess};
pub(crate) use breach::{Breach, Broken};
pub(crate) use budget::{Budgets, Overrun};
pub(crate) use standing::Standing;

use serde::{Deserialize, Serialize};

use self::table::Table;
use self::window::{AgentWindow, Counter, ShareWindow, SlidingCount};
pub(crate) use self::window::{Counted, Sent};
use super::policy::{Limit, LimitScope};
use super::trie::TenantIx;
use crate::model::log::{NumberRef, RoutedSend, Token};
use crate::model::{DAY, Prefix, Region};
use crate::number_plan;

/// Bytes that the counters of all limits of a partition take at most.
const BYTES_MAX: usize = 64 << 20;

/// What a send is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Scope {
    Number(Token),
    Ip(u64),
    Device(u64),
    Asn(u32),
    Prefix(Prefix),
    Country(Region),
}

/// One counter: a limit, whose traffic, and what it counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) limit: u16,
    pub(crate) tenant: TenantIx,
    pub(crate) scope: Scope,
}

/// The range that a limit per prefix counts under and blocks: the number's block
/// of 10,000, which no full number can be told from; of a masked number, what it
/// shows. Never shorter than the region's own prefix.
pub(crate) fn counted_prefix(number: &NumberRef) -> Prefix {
    if number.digits == 0 {
        return number.block;
    }
    let known = number.digits.saturating_sub(4).max(number.class.region_digits);
    number.block.truncated(usize::from(known))
}

/// How long a broken limit stays so without a further breach: its window; a
/// filter has none and stays a day.
pub(crate) fn hold_ms(limit: &Limit) -> i64 {
    limit.time_window_ms.unwrap_or(DAY)
}

/// The counters of every limit, and the breaches that are open.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    tables: Vec<Table<Key>>,
    pub(crate) standing: Standing,
}

impl Limits {
    /// Counters for these limits, all at nothing.
    pub(crate) fn new(limits: &[Limit], hasher: &crate::detector::Keyed) -> Self {
        let bytes_max = BYTES_MAX / limits.len().max(1);
        Self {
            tables: limits.iter().map(|_| Table::new(bytes_max, hasher.clone())).collect(),
            standing: Standing::default(),
        }
    }

    /// Counts one send under every limit; returns those that it breaks.
    pub(crate) fn on_send(
        &mut self,
        limits: &[Limit],
        tenant: TenantIx,
        number: &NumberRef,
        send: &RoutedSend,
        sent: &Sent,
    ) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for ((ix, limit), table) in (0u16..).zip(limits).zip(&mut self.tables) {
            let Some(scope) = scope_of(limit.per, number, send) else {
                continue;
            };
            let key = Key {
                limit: ix,
                tenant,
                scope,
            };
            // Both are looked at, so that a counter goes on behind a filter.
            let counted = count(limit, key, number, send, sent, table);
            let filtered = filtered(limit, number.class.region).map(|broken| (broken, [sent].into_iter().collect()));
            if let Some((broken, counted)) = filtered.or(counted) {
                breaches.push(Breach {
                    key,
                    broken,
                    counted,
                    network: send.network,
                });
            }
        }
        breaches
    }
}

fn scope_of(per: LimitScope, number: &NumberRef, send: &RoutedSend) -> Option<Scope> {
    match per {
        LimitScope::Number => Some(Scope::Number(number.token)),
        LimitScope::Ip => send.ip.map(Scope::Ip),
        LimitScope::Device => send.device.map(Scope::Device),
        LimitScope::Asn => send.asn.map(Scope::Asn),
        LimitScope::Prefix => Some(Scope::Prefix(counted_prefix(number))),
        LimitScope::Country => Some(Scope::Country(number.class.region.unwrap_or(Region::WORLD))),
    }
}

/// A number that no country owns is denied by nobody, and allowed only where all are.
fn filtered(limit: &Limit, region: Option<Region>) -> Option<Broken> {
    if region.is_some_and(|r| limit.deny_regions.contains(&r)) {
        return Some(Broken::Denied);
    }
    let allowed = limit.allow_regions.is_empty() || region.is_some_and(|r| limit.allow_regions.contains(&r));
    (!allowed).then_some(Broken::NotAllowed)
}

fn count(
    limit: &Limit,
    key: Key,
    number: &NumberRef,
    send: &RoutedSend,
    sent: &Sent,
    table: &mut Table<Key>,
) -> Option<(Broken, Counted)> {
    let window_ms = limit.time_window_ms?;
    let (agents, geography) = (limit.user_agent_anomaly_threshold, limit.ip_geo_variance_score);
    let make = || Counter {
        sends: limit.sms_frequency_threshold.map(|n| SlidingCount::new(window_ms, n)),
        agents: agents.map(|_| Box::new(AgentWindow::new(window_ms))),
        geography: geography.map(|_| Box::new(ShareWindow::new(window_ms))),
    };
    table.with(key, make, |counter| {
        let sends = counter.sends.as_mut().map(|s| s.push(sent));
        let agents = (counter.agents.as_mut())
            .zip(send.user_agent)
            .map(|(window, agent)| window.push(agent, sent));
        let geography = (counter.geography.as_mut())
            .zip(send.country.zip(number.class.region))
            .map(|(window, (from, to))| window.push(!number_plan::same_country(from, to), sent));
        let too_many = sends
            .zip(limit.sms_frequency_threshold)
            .filter(|(counted, allowed)| counted.sends > *allowed)
            .map(|(counted, allowed)| (Broken::Frequency { allowed }, counted));
        let one_agent = agents
            .zip(limit.user_agent_anomaly_threshold)
            .filter(|(part, allowed)| part.exceeds(*allowed))
            .map(|(part, allowed)| (Broken::UserAgent { part, allowed }, part.of));
        let abroad = geography
            .zip(limit.ip_geo_variance_score)
            .filter(|(part, allowed)| part.exceeds(*allowed))
            .map(|(part, allowed)| (Broken::Geography { part, allowed }, part.of));
        too_many.or(one_agent).or(abroad)
    })
}

#[cfg(test)]
mod tests;
