//! Blocks and their findings: put in force, renewed by attempts inside, half-
//! opened, lifted.

use super::attempts::{Attempt, ranges};
use super::{Due, Effect, Engine};
use crate::detector::episode::{Accused, BlockEvent, Cover, EpisodeId, Opening, Phase, Wanted};
use crate::detector::trie::{Place, TenantIx};
use crate::model::{
    Activity, Block, BlockAction, BlockChange, DAY, Explanation, FindingKind, HOUR, Level, Prefix, RecommendedAction,
    Region,
};
use crate::number_plan;

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
    /// Whether blocking the prefix would hit nobody outside the accused region,
    /// and nobody whom the user declared safe.
    pub(super) fn may_block(&self, prefix: Prefix, attempt: &Attempt) -> bool {
        self.may_block_in(prefix, attempt.tenant, attempt.region, attempt.calling_digits)
    }

    /// The same for any region whose own prefixes have `region_digits` or more.
    pub(super) fn may_block_in(&self, prefix: Prefix, tenant: TenantIx, region: Region, region_digits: u8) -> bool {
        let known = &self.tenants[usize::from(tenant)];
        let foreign = number_plan::NumberPlan::shared()
            .sole_region(prefix)
            .is_some_and(|r| r != region);
        let shared = prefix.len() < usize::from(region_digits);
        !foreign
            && !shared
            && !self
                .safelist
                .touches(&known.name, known.app.as_deref(), prefix, self.now)
    }

    /// Blocks every prefix that may be blocked, under one finding; whether any was.
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
            .copied()
            .filter(|p| self.may_block(*p, attempt))
            .filter(|p| {
                self.blocks
                    .covering(tenant, *p)
                    .is_none_or(|(_, b)| b.phase == Phase::HalfOpen)
            })
            .collect();
        let Some(&first) = wanted.first() else { return false };
        let known = self.episodes.attack_on(tenant, attempt.region);
        let id = known.unwrap_or_else(|| self.open_attack(tenant, attempt, first, Level::Block));
        let crossing = self.crossing(evidence_at, attempt, Level::Block);
        let explanations = self.explanations(evidence_at, attempt, Level::Block);
        self.drop_unblocked(tenant, id);
        for &prefix in &wanted {
            self.block_one(prefix, aim, id, attempt, effects);
        }
        self.explain(id, evidence_at, crossing, attempt);
        let now = self.now;
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.level = Level::Block;
            // A block that rises to a common prefix rests on the evidence of those below.
            if explanations.iter().all(Explanation::is_refuted) || episode.explanations.is_empty() {
                episode.explanations = explanations;
            }
            episode.action = if aim == Aim::Region {
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

    pub(super) fn open_attack(
        &mut self,
        tenant: TenantIx,
        attempt: &Attempt,
        prefix: Prefix,
        level: Level,
    ) -> EpisodeId {
        let moved_from = self
            .episodes
            .latest_block_of(tenant, self.now - self.tuning.contagion_ms);
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
        episode.id
    }

    /// Puts one block into force and takes what it swallows out of the way: nar-
    /// rower blocks, waiting history, suspects.
    fn block_one(&mut self, prefix: Prefix, aim: Aim, id: EpisodeId, attempt: &Attempt, effects: &mut Vec<Effect>) {
        let (tenant, now) = (attempt.tenant, self.now);
        let honest = if aim == Aim::Region {
            self.region_rate(attempt)
        } else {
            self.honest_rate(tenant, prefix, attempt.digits)
        };
        let hours = self.tuning.ttl_share / honest;
        // Who lives in a range is known no longer than the tenant is.
        let known_ms = now - self.tenants[usize::from(tenant)].first;
        let ttl_max = match aim {
            Aim::Range => self.tuning.ttl_max_ms,
            Aim::Region => self.tuning.ttl_country_ms,
            Aim::Number => self.tuning.ttl_min_ms,
        };
        let wanted = Wanted {
            ttl_ms: ((hours * HOUR as f64) as i64)
                .min(known_ms)
                .max(self.tuning.ttl_min_ms)
                .min(ttl_max),
            is_region: aim == Aim::Region,
            by_limit: false,
            number: (aim == Aim::Number).then_some(attempt.number),
            episode: id,
        };
        let Some(expires) = self.blocks.put(tenant, prefix, wanted, now, &self.tuning) else {
            return;
        };
        self.due(expires, Due::Block(tenant, prefix));
        let swallowed = self.swallow(tenant, prefix, id, effects);
        self.forget_held(tenant, prefix, attempt);
        self.forget_latencies(tenant, attempt.region);
        let region = self.tenants[usize::from(tenant)].region(attempt.region, &self.hasher);
        let before = region
            .latest()
            .filter(|e| !e.covered && !e.verified && prefix.covers(e.block))
            .count() as u64;
        region.cover(prefix);
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.accused.retain(|a| !prefix.covers(a.prefix));
            episode.accused.push(Accused {
                prefix,
                honest_per_hour: honest,
                sends: before + swallowed,
            });
            episode.accused.sort_by_key(|a| a.prefix);
            episode.expires = episode.expires.max(expires);
        }
    }

    /// Narrower blocks of the same tenant give way to the new one.
    fn swallow(&mut self, tenant: TenantIx, prefix: Prefix, id: EpisodeId, effects: &mut Vec<Effect>) -> u64 {
        let Some(episode) = self.episodes.get_mut(id) else {
            return 0;
        };
        let inside: Vec<Accused> = episode
            .accused
            .iter()
            .filter(|a| a.prefix != prefix && prefix.covers(a.prefix))
            .cloned()
            .collect();
        let mut sends = 0;
        for accused in inside {
            sends += accused.sends;
            if self.blocks.remove(tenant, accused.prefix).is_some() {
                effects.push(Effect::Block(
                    self.now,
                    BlockChange::Delete(self.key_of(tenant, Some(accused.prefix))),
                ));
            }
        }
        sends
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

    /// An attempt inside a standing block.
    pub(super) fn on_covered(&mut self, tenant: TenantIx, attempt: &Attempt, cover: Cover, effects: &mut Vec<Effect>) {
        let standing = self.blocks.get(tenant, cover.prefix).map(|b| (b.expires, b.by_limit));
        let by_limit = standing.is_some_and(|(_, by_limit)| by_limit);
        // A limit's block tells of no attack, and its breaches are counted apart.
        if cover.confirms && !by_limit {
            self.tenants[usize::from(tenant)].confirm(self.now);
        }
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(cover.episode) {
            if !by_limit {
                episode.on_attempt(cover.prefix, attempt.event_time, attempt.cost);
            }
            episode.expires = episode.expires.max(standing.map_or(now, |(expires, _)| expires));
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
            episode.accused.retain(|a| a.prefix != prefix);
            return;
        }
        self.close_episode(id, effects);
    }

    pub(super) fn close_episode(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        if let Some(mut episode) = self.episodes.close(id) {
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
