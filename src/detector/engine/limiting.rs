//! The user's own limits: what a broken one opens, blocks and closes.
//!
//! A finding is about `tenant|*|prefix` where the limit is per prefix (the block
//! of 10,000) or per country (the first of the prefixes that are the country's
//! own), else about `tenant|*|*`: that key has no place for a client or a number. So
//! each limit and client has an episode of its own, told apart by the log time at
//! which it opened, which is part of its uid; what breaks limits under the same key
//! in the same moment shares one episode, whose text, evidence and resources name
//! each. At level `block` a finding names the ranges that it put on the blocklist,
//! and no other.

use super::explain::masked;
use super::{Due, Effect, Engine};
use crate::detector::baseline::honest_per_hour;
use crate::detector::episode::{Accused, EpisodeId, Opening};
use crate::detector::limits::{Breach, Scope, Sent, counted_prefix, hold_ms};
use crate::detector::policy::Limit;
use crate::detector::trie::{Place, TenantIx};
use crate::model::log::{NumberRef, RoutedEvent, RoutedSend};
use crate::model::{
    Activity, BrokenLimit, FindingKind, Level, MINUTE, Micros, Millis, Prefix, RecommendedAction, Region,
};
use crate::number_plan::NumberPlan;

/// A block of less than this is over before anybody reads of it.
const BLOCK_MS_MIN: i64 = MINUTE;

/// The send that broke a limit.
struct Culprit<'a> {
    tenant: TenantIx,
    number: &'a NumberRef,
    event_time: Millis,
    cost: Micros,
}

impl Engine {
    /// Counts a send under the tenant's budget and under every limit.
    pub(super) fn enforce_limits(
        &mut self,
        tenant: TenantIx,
        event: &RoutedEvent,
        send: &RoutedSend,
        effects: &mut Vec<Effect>,
    ) {
        let Some(number) = &event.number else { return };
        let cost = self.cost(send, number.class.region.unwrap_or(Region::WORLD));
        let name = &self.tenants[usize::from(tenant)].name;
        let budget = self.policy.tenants.get(name).and_then(|t| t.monthly_budget);
        let budget = budget.and_then(|money| self.policy.convert(money));
        if let Some(overrun) = self.budgets.spend(tenant, event.time, cost, budget) {
            self.on_overrun(tenant, overrun, effects);
        }
        let sent = Sent {
            at: self.now,
            event_time: event.time,
            cost,
        };
        let breaches = self.limits.on_send(&self.policy.limits, tenant, number, send, &sent);
        let culprit = Culprit {
            tenant,
            number,
            event_time: event.time,
            cost,
        };
        let mut told = Vec::new();
        for breach in breaches {
            self.on_breach(&breach, &culprit, &mut told, effects);
        }
    }

    /// One limit is broken. `told` are the episodes that know of this send already,
    /// since another limit that it breaks shares them.
    fn on_breach(
        &mut self,
        breach: &Breach,
        culprit: &Culprit<'_>,
        told: &mut Vec<EpisodeId>,
        effects: &mut Vec<Effect>,
    ) {
        let limit = self.policy.limits[usize::from(breach.key.limit)].clone();
        let until = self.now + hold_ms(&limit);
        let known = self.limits.standing.episode_of(&breach.key);
        let (id, activity) = match known.filter(|id| self.episodes.get_mut(*id).is_some()) {
            Some(id) => (id, None),
            None => match self.open_breach(breach, &limit, culprit, effects) {
                Some((id, activity)) => (id, Some(activity)),
                None => return,
            },
        };
        self.limits.standing.put(breach.key, id, until);
        let blocked = if limit.block {
            self.block_breach(id, breach, &limit, culprit)
        } else {
            Vec::new()
        };
        let (now, currency) = (self.now, self.policy.currency);
        let Some(episode) = self.episodes.get_mut(id) else {
            return;
        };
        if activity.is_none() && !told.contains(&id) {
            // Ranges are disjoint, so at most one of them holds the number.
            let block = culprit.number.block;
            let inside = episode.accused.iter().map(|a| a.prefix).find(|p| p.covers(block));
            episode.on_attempt(inside.unwrap_or(block), culprit.event_time, culprit.cost);
        }
        told.push(id);
        episode.expires = episode.expires.max(until);
        let changed = (!blocked.is_empty() || episode.has_grown()).then_some(Activity::Update);
        if let Some(activity) = activity.or(changed) {
            let finding = episode.record(activity, now, currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
        for prefix in blocked {
            self.publish_block(culprit.tenant, prefix, effects);
        }
    }

    /// The episode of a breach that has none yet: a new one, or the one that has
    /// the same identity because another limit opened it at the same moment.
    fn open_breach(
        &mut self,
        breach: &Breach,
        limit: &Limit,
        culprit: &Culprit<'_>,
        effects: &mut Vec<Effect>,
    ) -> Option<(EpisodeId, Activity)> {
        let (number, region) = (culprit.number, culprit.number.class.region);
        let named = named_prefixes(breach.key.scope, number);
        if !self.limits.standing.has_room(breach.key.limit) {
            return None;
        }
        let key = self.key_of(culprit.tenant, named.first().copied());
        let sample = masked(number.block, number.digits);
        let text = breach.sentence(limit, &sample, region);
        let party = breach.party(&sample);
        let now = self.now;
        let same = self.episodes.same(FindingKind::LimitExceeded, &key, now);
        let accused = self.accused_by(breach, &named, culprit);
        let episode = match same {
            // Closed within the same moment: the next send opens another.
            Some(id) => self.episodes.get_mut(id)?,
            None => self.episodes.open(Opening {
                key,
                tenant: Some(culprit.tenant),
                // A client's messages go anywhere.
                region: region.filter(|_| party.as_ref().is_none_or(|party| !party.is_client())),
                kind: FindingKind::LimitExceeded,
                level: Level::Alert,
                action: breach.action(),
                moved_from: None,
                now,
            }),
        };
        let id = episode.id;
        episode.evidence.push(breach.evidence(&text));
        let broken = BrokenLimit {
            name: limit.name.clone(),
            by: party,
        };
        if !episode.limits.contains(&broken) {
            episode.limits.push(broken);
        }
        // Those that share an episode may count the same sends: the most that one counts.
        episode.attempts = episode.attempts.max(breach.sends());
        episode.cost = episode.cost.max(breach.counted.cost);
        episode.first_event = episode
            .first_event
            .min(breach.counted.first.unwrap_or(culprit.event_time));
        if !episode.samples.contains(&sample) {
            episode.samples.push(sample);
        }
        if same.is_some() {
            episode.detail.push_str("; ");
            episode.detail.push_str(&text);
            return Some((id, Activity::Update));
        }
        episode.detail = text;
        episode.accused = accused;
        episode.last_event = culprit.event_time;
        self.due(now + hold_ms(limit), Due::Episode(id));
        if !self.limits.standing.will_have_room(breach.key.limit) {
            let detail =
                "it has as many open findings as a limit may have; further breaches open none until some close";
            let tenant = self.tenants[usize::from(culprit.tenant)].name.clone();
            self.audit(
                "limit_full",
                &tenant,
                "detector",
                &limit.name,
                detail.to_owned(),
                effects,
            );
        }
        Some((id, Activity::Create))
    }

    fn accused_by(&self, breach: &Breach, named: &[Prefix], culprit: &Culprit<'_>) -> Vec<Accused> {
        let block = culprit.number.block;
        named
            .iter()
            .map(|&prefix| Accused {
                prefix,
                honest_per_hour: self.honest_in(prefix, named.len(), culprit),
                sends: if prefix.covers(block) { breach.sends() } else { 0 },
            })
            .collect()
    }

    /// Honest attempts an hour in one of the `of` ranges that a limit names; a
    /// country's own are spread evenly over its prefixes.
    fn honest_in(&self, prefix: Prefix, of: usize, culprit: &Culprit<'_>) -> f64 {
        let class = &culprit.number.class;
        match class.region {
            Some(region) if prefix.len() <= usize::from(class.region_digits) || of > 1 => {
                let age = self.now - self.tenants[usize::from(culprit.tenant)].first;
                let history = self.history(Place::Region(culprit.tenant, region));
                honest_per_hour(&history, 6, age, &self.tuning) / of as f64
            }
            _ => self.honest_rate(culprit.tenant, prefix, culprit.number.digits),
        }
    }

    /// Blocks what the limit is about, as far as it may be blocked and no block
    /// stands over it; returns what was blocked.
    fn block_breach(&mut self, id: EpisodeId, breach: &Breach, limit: &Limit, culprit: &Culprit<'_>) -> Vec<Prefix> {
        let (tenant, number, now) = (culprit.tenant, culprit.number, self.now);
        let Some(region) = number.class.region else {
            return Vec::new();
        };
        if self.blocks.covering(tenant, number.block).is_some() {
            return Vec::new();
        }
        let is_country = matches!(breach.key.scope, Scope::Country(_));
        // The prefixes of a country are its own, however short each is.
        let region_digits = if is_country { 1 } else { number.class.region_digits };
        let named = named_prefixes(breach.key.scope, number);
        let (ttl_ms, of) = (hold_ms(limit).max(BLOCK_MS_MIN), named.len());
        let mut blocked = Vec::new();
        for prefix in named {
            if self.blocks.covering(tenant, prefix).is_some()
                || !self.may_block_in(prefix, tenant, region, region_digits)
            {
                continue;
            }
            let wanted = crate::detector::episode::Wanted {
                ttl_ms,
                is_region: false,
                by_limit: true,
                number: None,
                episode: id,
            };
            if let Some(expires) = self.blocks.put(tenant, prefix, wanted, now, &self.tuning) {
                self.due(expires, Due::Block(tenant, prefix));
                blocked.push((prefix, expires));
            }
        }
        if blocked.is_empty() {
            return Vec::new();
        }
        let honest: Vec<f64> = blocked.iter().map(|(p, _)| self.honest_in(*p, of, culprit)).collect();
        let blocks = &self.blocks;
        if let Some(episode) = self.episodes.get_mut(id) {
            let before = std::mem::take(&mut episode.accused);
            let sends = |p: Prefix| before.iter().find(|a| a.prefix == p).map_or(0, |a| a.sends);
            let new = blocked.iter().zip(honest).map(|((prefix, _), honest)| Accused {
                prefix: *prefix,
                honest_per_hour: honest,
                sends: sends(*prefix),
            });
            episode.accused = new.collect();
            let own = |p: Prefix| blocks.get(tenant, p).is_some_and(|b| b.episode == id);
            let standing = before
                .into_iter()
                .filter(|a| own(a.prefix) && !blocked.iter().any(|(p, _)| *p == a.prefix));
            episode.accused.extend(standing);
            episode.accused.sort_by_key(|a| a.prefix);
            episode.level = Level::Block;
            episode.action = if is_country {
                RecommendedAction::DisableCountry
            } else {
                RecommendedAction::BlockPrefix
            };
            episode.expires = blocked.iter().map(|(_, at)| *at).fold(episode.expires, Millis::max);
        }
        blocked.into_iter().map(|(prefix, _)| prefix).collect()
    }

    /// A limit has been kept for a while: its episode closes, or later with the
    /// last of its blocks.
    pub(super) fn on_limit_due(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        let until = self.limits.standing.until(id).filter(|until| *until > self.now);
        let Some(episode) = self.episodes.get_mut(id) else {
            return;
        };
        let (tenant, blocks) = (episode.tenant, &self.blocks);
        let own = |prefix| tenant.and_then(|t| blocks.get(t, prefix)).filter(|b| b.episode == id);
        let blocked = episode.accused.iter().filter_map(|a| own(a.prefix)).map(|b| b.expires);
        let later = blocked.max().map(|expires| expires.max(self.now + 1));
        if let Some(at) = later.max(until) {
            self.due(at, Due::Episode(id));
            return;
        }
        self.close_episode(id, effects);
        self.limits.standing.forget(id);
    }
}

/// The ranges that a limit is about: none where it is about a source or a number.
fn named_prefixes(scope: Scope, number: &NumberRef) -> Vec<Prefix> {
    match (scope, number.class.region) {
        (Scope::Prefix(prefix), _) => vec![prefix],
        (Scope::Country(_), Some(region)) => NumberPlan::shared().region_prefixes(region),
        (Scope::Country(_), None) => vec![counted_prefix(number)],
        _ => Vec::new(),
    }
}
