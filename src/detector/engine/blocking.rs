//! Blocks and their findings: put in force, renewed by attempts inside, half-
//! opened, lifted.

use super::attempts::{Attempt, ranges};
use super::{Due, Effect, Engine};
use crate::detector::Policy;
use crate::detector::episode::{Accused, BlockEvent, Cover, EpisodeId, Opening, Phase, Wanted};
use crate::detector::trie::{Place, TenantIx};
use crate::model::{
    Activity, Block, BlockAction, BlockChange, DAY, Explanation, FindingKind, HOUR, Level, Prefix, RecommendedAction,
};

/// What a block is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// A range that is pumped.
    Range,
    /// A whole region.
    Region,
    /// One number, in whose hundred others live: such a block is as short as can be.
    Number,
}

impl Engine {
    /// Blocks of every prefix what may be blocked, under one finding; whether any was.
    pub(super) fn block_all(
        &mut self,
        prefixes: &[Prefix],
        aim: Aim,
        evidence_at: Place,
        attempt: &Attempt,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let tenant = attempt.tenant;
        let wanted: Vec<Prefix> = prefixes
            .iter()
            .flat_map(|p| self.blockable(*p, attempt))
            .filter(|p| {
                self.blocks
                    .covering(tenant, *p)
                    .is_none_or(|(_, b)| b.phase == Phase::HalfOpen)
            })
            .collect();
        let Some(&first) = wanted.first() else { return false };
        let is_whole = prefixes.iter().all(|p| wanted.contains(p));
        let known = self.episodes.attack_on(tenant, attempt.region);
        let id = known.unwrap_or_else(|| self.open_attack(attempt, first, Level::Block, evidence_at));
        let crossing = self.crossing(evidence_at, attempt, Level::Block);
        let explanations = self.explanations(evidence_at, attempt, Level::Block);
        self.drop_unblocked(tenant, id);
        for &prefix in &wanted {
            self.block_one(prefix, aim, id, evidence_at, attempt, effects);
        }
        self.unwatch(attempt);
        self.explain(id, evidence_at, crossing, attempt);
        let now = self.now;
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.level = Level::Block;
            // What was told of once is not told of as less.
            if explanations.iter().all(Explanation::is_refuted) || episode.explanations.is_empty() {
                episode.explanations = explanations;
            }
            episode.action = if aim == Aim::Region && is_whole {
                RecommendedAction::DisableCountry
            } else {
                RecommendedAction::BlockPrefix
            };
            let activity = if known.is_some() {
                Activity::Update
            } else {
                Activity::Create
            };
            let finding = episode.record(activity, now, self.policy.currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
        for &prefix in &wanted {
            self.publish_block(tenant, prefix, effects);
        }
        true
    }

    /// A finding of level `block` names only ranges that are blocked: what an
    /// alert merely suspected gives way.
    fn drop_unblocked(&mut self, tenant: TenantIx, id: EpisodeId) {
        let blocks = &self.blocks;
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.accused.retain(|a| blocks.get(tenant, a.prefix).is_some());
        }
    }

    /// Opens the episode of an attack of which there is evidence at a place.
    pub(super) fn open_attack(&mut self, attempt: &Attempt, prefix: Prefix, level: Level, at: Place) -> EpisodeId {
        let tenant = attempt.tenant;
        let began = self.trie.evidence(at).map_or(self.now, |e| e.start);
        let since = self.now - self.tuning.contagion_ms;
        let sketch = self.sketch(at, attempt, began);
        let moved_from = self.episodes.moved(tenant, |e| e.may_have_moved(since, began, &sketch));
        let key = self.key_of(tenant, Some(prefix));
        let episode = self.episodes.open(Opening {
            key,
            tenant: Some(tenant),
            region: Some(attempt.region),
            kind: FindingKind::SmsPumping,
            level,
            action: RecommendedAction::Review,
            moved_from,
            now: self.now,
        });
        episode.first_event = attempt.event_time;
        episode.last_event = attempt.event_time;
        episode.sketch = sketch;
        episode.id
    }

    /// Puts one block into force and takes what it swallows out of the way: nar-
    /// rower blocks, waiting history, suspects.
    fn block_one(
        &mut self,
        prefix: Prefix,
        aim: Aim,
        id: EpisodeId,
        evidence_at: Place,
        attempt: &Attempt,
        effects: &mut Vec<Effect>,
    ) {
        let (tenant, now) = (attempt.tenant, self.now);
        let honest = if aim == Aim::Region {
            self.region_rate(attempt)
        } else {
            self.honest_rate(tenant, prefix, attempt.digits)
        };
        let wanted = Wanted {
            ttl_ms: self.first_life(honest, aim, tenant),
            is_region: aim == Aim::Region,
            by_limit: false,
            number: (aim == Aim::Number).then_some(attempt.number),
            episode: id,
        };
        let Some(expires) = self.blocks.put(tenant, prefix, wanted, now, &self.tuning) else {
            return;
        };
        self.due(expires, Due::Block(tenant, prefix));
        self.swallow(tenant, prefix, id, effects);
        self.forget_held(tenant, prefix, attempt);
        self.forget_latencies(tenant, attempt.region);
        let sends = self.count_covered(prefix, aim, id, evidence_at, attempt);
        if let Some(episode) = self.episodes.get_mut(id) {
            let accused = Accused {
                prefix,
                honest_per_hour: honest,
                sends,
            };
            episode.accuse(accused, aim == Aim::Number);
            let first = episode.blocked.map_or(now, |(first, _)| first);
            episode.blocked = Some((first, now));
            episode.expires = episode.expires.max(expires);
        }
    }

    /// How long a block stands at first, in milliseconds: shorter than the rate of honest
    /// people allows, since those that recur stand longer each time.
    fn first_life(&self, honest_per_hour: f64, aim: Aim, tenant: TenantIx) -> i64 {
        let tuning = &self.tuning;
        let hours = tuning.ttl_share / honest_per_hour;
        let allowed = (hours * HOUR as f64).min(tuning.ttl_max_ms as f64);
        // Who lives in a range is known no longer than the tenant is.
        let known_ms = self.now - self.tenants[usize::from(tenant)].first;
        let ttl_max = match aim {
            Aim::Range => tuning.ttl_max_ms,
            Aim::Region => tuning.ttl_country_ms,
            Aim::Number => tuning.ttl_min_ms,
        };
        let first = (tuning.ttl_first * allowed) as i64;
        first.min(known_ms).max(tuning.ttl_min_ms).min(ttl_max)
    }

    /// Narrower blocks of the same episode give way to the new one.
    fn swallow(&mut self, tenant: TenantIx, prefix: Prefix, id: EpisodeId, effects: &mut Vec<Effect>) {
        let accused = self.episodes.get(id).map(|e| e.accused.as_slice()).unwrap_or_default();
        let inside = accused.iter().map(|a| a.prefix);
        let inside: Vec<Prefix> = inside.filter(|p| *p != prefix && prefix.covers(*p)).collect();
        for narrower in inside {
            if self.blocks.remove(tenant, narrower).is_some() {
                let key = self.key_of(tenant, Some(narrower));
                effects.push(Effect::Block(self.now, BlockChange::Delete(key)));
            }
        }
    }

    fn forget_held(&mut self, tenant: TenantIx, prefix: Prefix, attempt: &Attempt) {
        let at = Place::Range(tenant, prefix, attempt.digits);
        let mut above: Vec<Place> = ranges(tenant, prefix, attempt.digits, attempt.calling_digits)
            .map(|(_, p)| p)
            .filter(|p| *p != at)
            .collect();
        above.extend([attempt.region_place(), Place::Root(tenant)]);
        let inside = |place: &Place| matches!(place, Place::Range(t, p, _) if *t == tenant && prefix.covers(*p));
        self.tenants[usize::from(tenant)].hold.forget(inside, at, &above);
    }

    pub(super) fn publish_block(&mut self, tenant: TenantIx, prefix: Prefix, effects: &mut Vec<Effect>) {
        let Some(standing) = self.blocks.get(tenant, prefix).cloned() else {
            return;
        };
        let Some(episode) = self.episodes.get_mut(standing.episode) else {
            return;
        };
        let half_open = standing.phase == Phase::HalfOpen;
        let block = Block {
            mode: self.policy.mode_of(&self.tenants[usize::from(tenant)].name),
            action: if half_open {
                BlockAction::Sample
            } else {
                BlockAction::Block
            },
            since: standing.since,
            expires_at: standing.expires,
            allow_ratio: if half_open { self.tuning.half_open_ratio } else { 0.0 },
            finding_uid: episode.uid,
            confidence: if standing.by_limit {
                1.0
            } else {
                confidence(episode.log_e_total)
            },
            key: self.key_of(tenant, Some(prefix)),
        };
        effects.push(Effect::Block(self.now, BlockChange::Put(block)));
    }

    /// Another policy is in force: who acts on the blocklist must learn at once of
    /// every standing block whose mode it changed.
    pub(super) fn republish_modes(&mut self, before: &Policy, effects: &mut Vec<Effect>) {
        for (tenant, prefix) in self.blocks.all() {
            let name = &self.tenants[usize::from(tenant)].name;
            if self.policy.mode_of(name) != before.mode_of(name) {
                self.publish_block(tenant, prefix, effects);
            }
        }
    }

    /// An attempt inside a standing block.
    pub(super) fn on_covered(&mut self, tenant: TenantIx, attempt: &Attempt, cover: Cover, effects: &mut Vec<Effect>) {
        let standing = self.blocks.get(tenant, cover.prefix);
        let by_limit = standing.is_some_and(|b| b.by_limit);
        let is_meant = !by_limit && standing.is_none_or(|b| b.is_about(attempt.number));
        let expires = standing.map(|b| b.expires);
        // A limit's block tells of no attack, and its breaches are counted apart.
        if cover.confirms && !by_limit {
            self.tenants[usize::from(tenant)].confirm(self.now);
        }
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(cover.episode) {
            if is_meant {
                episode.on_attempt(cover.prefix, attempt.event_time, attempt.cost);
                episode.sketch.note(attempt.app, attempt.sources());
            }
            episode.expires = episode.expires.max(expires.unwrap_or(now));
            if !by_limit && episode.has_grown() {
                let finding = episode.record(Activity::Update, now, currency, &self.config_hash);
                effects.push(Effect::Finding(Box::new(finding)));
            }
        }
        if cover.renewed {
            self.publish_block(tenant, cover.prefix, effects);
        }
    }

    /// A block's time may be up.
    pub(super) fn on_block_due(&mut self, tenant: TenantIx, prefix: Prefix, effects: &mut Vec<Effect>) {
        match self.blocks.on_due(tenant, prefix, self.now) {
            None => {}
            Some(BlockEvent::Later(at)) => self.due(at, Due::Block(tenant, prefix)),
            Some(BlockEvent::HalfOpened(until)) => {
                self.due(until, Due::Block(tenant, prefix));
                self.publish_block(tenant, prefix, effects);
            }
            Some(BlockEvent::Gone(episode)) => self.drop_range(tenant, prefix, episode, effects),
        }
    }

    /// A block is gone: a tombstone, and the end of the episode with its last one.
    pub(super) fn drop_range(&mut self, tenant: TenantIx, prefix: Prefix, id: EpisodeId, effects: &mut Vec<Effect>) {
        effects.push(Effect::Block(
            self.now,
            BlockChange::Delete(self.key_of(tenant, Some(prefix))),
        ));
        let Some(episode) = self.episodes.get_mut(id) else {
            return;
        };
        if episode.accused.len() > 1 {
            episode.lapse(prefix);
            return;
        }
        self.close_episode(id, effects);
    }

    pub(super) fn close_episode(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        if let Some(mut episode) = self.episodes.close(id) {
            if let (FindingKind::SmsPumping, Some(tenant), Some(region)) =
                (episode.kind, episode.tenant, episode.region)
            {
                let known = &mut self.tenants[usize::from(tenant)];
                known.region(region, &self.hasher).uncount();
            }
            let finding = episode.record(Activity::Close, self.now, self.policy.currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
    }
}

/// One minus the chance that honest traffic would show this: never quite one.
fn confidence(log_e: f64) -> f64 {
    (1.0 - libm::exp(-log_e)).clamp(0.5, 0.9999)
}

/// A safe-list entry made by a verdict lasts this long.
pub(super) const VERDICT_SAFE_MS: i64 = 7 * DAY;
