//! From a refuted place to the ranges that are named and blocked.

use super::attempts::{Attempt, ranges};
use super::{Due, Effect, Engine};
use crate::detector::baseline::honest_per_hour;
use crate::detector::episode::{Accused, BlockEvent, Cover, EpisodeId, Opening, Phase};
use crate::detector::trie::attribution::{self, Suspect};
use crate::detector::trie::{CLASS_MIN, Place, TenantIx};
use crate::model::{
    Activity, Block, BlockAction, BlockChange, DAY, EntityKey, FindingKind, HOUR, Level, Millis, Prefix,
    RecommendedAction,
};
use crate::number_plan;

/// Honest attempts an hour from which a range counts as lived in.
const LIVED_IN: f64 = 0.05;
/// A lived-in range is blocked as a whole only above this many times its honest rate.
const LIVED_IN_EXCESS: f64 = 20.0;
/// Widest range that widening may name.
const WIDEN_CLASS_MAX: u8 = 5;
/// Honest attempts an hour below which a wider range counts as empty.
const EMPTY: f64 = 0.01;
/// A region's suspects: how far back, and how few are too few.
const REGION_LOOK_BACK_MS: i64 = 6 * HOUR;
const REGION_SUSPECTS_MIN: usize = 10;
/// Share of the region's suspects that named prefixes must hold.
const REGION_COVERED: f64 = 0.7;
/// A country is blocked only above this many times its honest rate.
const REGION_EXCESS: f64 = 9.0;
/// Age and history below which a tenant does not know where its customers live.
const YOUNG_MS: i64 = 36 * HOUR;
const YOUNG_HISTORY: f64 = 50.0;
const YOUNG_SHARE: f64 = 0.05;
/// An alert that comes to nothing closes after this.
const ALERT_MS: i64 = 2 * HOUR;

impl Engine {
    /// Unverified attempts of the attempt's region since `since` that lie in no
    /// block, among numbers of the same length.
    pub(super) fn suspects(&self, attempt: &Attempt, since: Millis) -> Vec<Suspect> {
        let Some(region) = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region) else {
            return Vec::new();
        };
        region
            .latest()
            .take_while(|e| e.at >= since)
            .filter(|e| !e.verified && !e.covered && e.digits == attempt.digits)
            .map(|e| Suspect {
                block: e.block,
                digits: e.digits,
            })
            .collect()
    }

    /// Honest attempts an hour in a range, from history.
    pub(super) fn honest_rate(&self, tenant: TenantIx, prefix: Prefix, digits: u8) -> f64 {
        let age = self.now - self.tenants[usize::from(tenant)].first;
        let class = digits.saturating_sub(prefix.len() as u8);
        honest_per_hour(
            &self.history(Place::Range(tenant, prefix, digits)),
            class,
            age,
            &self.tuning,
        )
    }

    /// Honest attempts an hour in the attempt's region, from history.
    pub(super) fn region_rate(&self, attempt: &Attempt) -> f64 {
        let age = self.now - self.tenants[usize::from(attempt.tenant)].first;
        honest_per_hour(&self.history(attempt.region_place()), 6, age, &self.tuning)
    }

    /// A range is refuted: names the narrowest part of it that carries the excess,
    /// or nothing where honest people live and no part stands out.
    pub(super) fn accuse_range(
        &mut self,
        place: Place,
        class: u8,
        attempt: &Attempt,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Place::Range(tenant, prefix, digits) = place else {
            return false;
        };
        let start = self
            .trie
            .get(place)
            .and_then(|n| n.evidence.as_ref())
            .map_or(self.now, |e| e.start);
        let (named, named_class) = if class == CLASS_MIN {
            (prefix, class)
        } else {
            let suspects: Vec<_> = self
                .suspects(attempt, start)
                .into_iter()
                .filter(|s| prefix.covers(s.block))
                .collect();
            let whole = self.ceiling_of(place, attempt);
            let relative =
                |sub: Prefix, _: u8| (self.ceiling_of(Place::Range(tenant, sub, digits), attempt) / whole).min(1.0);
            match attribution::narrow(&suspects, digits, class, relative) {
                Some((sub, q)) => self.first_empty_parent(tenant, sub, q, digits),
                None => {
                    let honest = self.honest_rate(tenant, prefix, digits);
                    let hours = ((self.now - start).max(60_000)) as f64 / HOUR as f64;
                    if honest > LIVED_IN && suspects.len() as f64 / hours < LIVED_IN_EXCESS * honest {
                        return false;
                    }
                    (prefix, class)
                }
            }
        };
        let (named, _) = self.widen(named, named_class, attempt);
        self.block_all(&[named], false, place, attempt, effects)
    }

    /// One digit less, where nobody ever lived there either.
    fn first_empty_parent(&self, tenant: TenantIx, sub: Prefix, class: u8, digits: u8) -> (Prefix, u8) {
        match sub.parent() {
            Some(parent) if class < 4 && self.history(Place::Range(tenant, parent, digits)).attempts() < 1.0 => {
                (parent, class + 1)
            }
            _ => (sub, class),
        }
    }

    /// Blocking the first hundred alone starves its parent of evidence while the
    /// campaign walks on: takes in wider ranges that hold more suspects and next
    /// to no honest history.
    fn widen(&self, named: Prefix, class: u8, attempt: &Attempt) -> (Prefix, u8) {
        let (mut best, mut best_class) = (named, class);
        if !self.tuning.enabled.widening || class > 4 || !named.covers(attempt.block) {
            return (best, best_class);
        }
        let suspects = self.suspects(attempt, self.now - 2 * HOUR);
        let count = |p: Prefix| suspects.iter().filter(|s| p.covers(s.block)).count() as f64;
        let empty = |p: Prefix| self.history(Place::Range(attempt.tenant, p, attempt.digits)).attempts() < 1.0;
        if class == CLASS_MIN
            && let Some(thousand) = named.parent()
            && empty(thousand)
        {
            (best, best_class) = (thousand, CLASS_MIN + 1);
        }
        let mut held = count(best);
        for (q, place) in ranges(attempt.tenant, attempt.block, attempt.digits, attempt.calling_digits) {
            let Place::Range(_, wider, _) = place else { continue };
            if q <= best_class || q > WIDEN_CLASS_MAX {
                continue;
            }
            let x = count(wider);
            let lonely = self.honest_rate(attempt.tenant, wider, attempt.digits)
                < EMPTY.max(0.03 * libm::exp10(f64::from(q) - 4.0))
                && self.history(place).attempts() < 2.0;
            if x >= held + 2.0 && x >= 1.3 * held && lonely {
                (best, best_class, held) = (wider, q, x);
            }
        }
        (best, best_class)
    }

    /// A region is refuted: names the prefixes that carry the excess, or the
    /// country where next to nobody lives.
    pub(super) fn accuse_region(&mut self, attempt: &Attempt, effects: &mut Vec<Effect>) -> bool {
        let place = attempt.region_place();
        let start = self
            .trie
            .get(place)
            .and_then(|n| n.evidence.as_ref())
            .map_or(self.now, |e| e.start);
        let since = start.max(self.now - REGION_LOOK_BACK_MS);
        let suspects = self.suspects(attempt, since);
        if suspects.len() < REGION_SUSPECTS_MIN {
            return false;
        }
        let total = suspects.len() as f64;
        for class in CLASS_MIN..=6 {
            if attempt.digits <= class + attempt.calling_digits {
                continue;
            }
            let mut chosen = Vec::new();
            let mut covered = 0.0;
            for (prefix, count) in attribution::count_by_prefix(&suspects, attempt.digits, class) {
                let honest = self.ceiling_of(Place::Range(attempt.tenant, prefix, attempt.digits), attempt);
                if count >= 3 && f64::from(count) > 6.0 * honest * total + 2.0 {
                    chosen.push(prefix);
                    covered += f64::from(count);
                }
            }
            if covered >= REGION_COVERED * total {
                return self.block_all(&chosen, false, place, attempt, effects) && self.wipe_region(attempt);
            }
        }
        let hours = ((self.now - since).max(60_000)) as f64 / HOUR as f64;
        if !self.may_block_country(attempt) || total / hours <= REGION_EXCESS * self.region_rate(attempt) {
            return false;
        }
        let prefixes = number_plan::NumberPlan::shared().region_prefixes(attempt.region);
        self.block_all(&prefixes, true, place, attempt, effects) && self.wipe_region(attempt)
    }

    fn wipe_region(&mut self, attempt: &Attempt) -> bool {
        let now = self.now;
        if let Some(evidence) = self
            .trie
            .get_mut(attempt.region_place())
            .and_then(|n| n.evidence.as_mut())
        {
            evidence.clear(now);
        }
        true
    }

    /// A country block needs a baseline that says that next to nobody lives there.
    pub(super) fn may_block_country(&self, attempt: &Attempt) -> bool {
        let age = self.now - self.tenants[usize::from(attempt.tenant)].first;
        let root = self.history(Place::Root(attempt.tenant)).attempts();
        let own = self.history(attempt.region_place()).attempts();
        age >= YOUNG_MS || (root >= YOUNG_HISTORY && own <= YOUNG_SHARE * root)
    }

    /// Whether blocking the prefix would hit nobody outside the accused region,
    /// and nobody whom the user declared safe.
    fn may_block(&self, prefix: Prefix, attempt: &Attempt) -> bool {
        let name = &self.tenants[usize::from(attempt.tenant)].name;
        let foreign = number_plan::NumberPlan::shared()
            .sole_region(prefix)
            .is_some_and(|r| r != attempt.region);
        let shared = prefix.len() < usize::from(attempt.calling_digits);
        !foreign && !shared && !self.safelist.touches(name, prefix, self.now)
    }

    /// Blocks every prefix that may be blocked, under one finding; whether any was.
    pub(super) fn block_all(
        &mut self,
        prefixes: &[Prefix],
        is_region: bool,
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
        for &prefix in &wanted {
            self.block_one(prefix, is_region, id, attempt, effects);
        }
        self.explain(id, evidence_at, attempt);
        let now = self.now;
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.level = Level::Block;
            episode.action = if is_region {
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

    fn open_attack(&mut self, tenant: TenantIx, attempt: &Attempt, prefix: Prefix, level: Level) -> EpisodeId {
        let moved_from = self
            .episodes
            .latest_block_of(tenant, self.now - self.tuning.contagion_ms);
        let key = EntityKey {
            tenant: self.tenants[usize::from(tenant)].name.clone(),
            app: None,
            prefix: Some(prefix),
        };
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
    fn block_one(
        &mut self,
        prefix: Prefix,
        is_region: bool,
        id: EpisodeId,
        attempt: &Attempt,
        effects: &mut Vec<Effect>,
    ) {
        let (tenant, now) = (attempt.tenant, self.now);
        let honest = if is_region {
            self.region_rate(attempt)
        } else {
            self.honest_rate(tenant, prefix, attempt.digits)
        };
        let hours = self.tuning.ttl_share / honest;
        let ttl = ((hours * HOUR as f64) as i64).clamp(self.tuning.ttl_min_ms, self.tuning.ttl_max_ms);
        let ttl = if is_region {
            ttl.min(self.tuning.ttl_country_ms)
        } else {
            ttl
        };
        let Some(expires) = self.blocks.put(tenant, prefix, ttl, is_region, id, now, &self.tuning) else {
            return;
        };
        self.due(expires, Due::Block(tenant, prefix));
        let swallowed = self.swallow(tenant, prefix, id, effects);
        self.forget_held(tenant, prefix, attempt);
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
                    BlockChange::Delete(self.block_key(tenant, accused.prefix)),
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

    pub(super) fn block_key(&self, tenant: TenantIx, prefix: Prefix) -> EntityKey {
        EntityKey {
            tenant: self.tenants[usize::from(tenant)].name.clone(),
            app: None,
            prefix: Some(prefix),
        }
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
            confidence: confidence(episode.log_e_total),
            key: self.block_key(tenant, prefix),
        };
        effects.push(Effect::Block(self.now, BlockChange::Put(block)));
    }

    /// An attempt inside a standing block.
    pub(super) fn on_covered(&mut self, tenant: TenantIx, attempt: &Attempt, cover: Cover, effects: &mut Vec<Effect>) {
        if cover.confirms {
            self.tenants[usize::from(tenant)].confirmed.push_back(self.now);
        }
        let (now, currency) = (self.now, self.policy.currency);
        let expires = self.blocks.get(tenant, cover.prefix).map(|b| b.expires);
        if let Some(episode) = self.episodes.get_mut(cover.episode) {
            episode.on_attempt(cover.prefix, attempt.event_time, attempt.cost);
            episode.expires = episode.expires.max(expires.unwrap_or(now));
            if episode.has_grown() {
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
            BlockChange::Delete(self.block_key(tenant, prefix)),
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

    /// Suspicious, not safe to act on: one finding of level `alert` for a region
    /// at a time.
    pub(super) fn alert(&mut self, place: Place, attempt: &Attempt, effects: &mut Vec<Effect>) {
        let tenant = attempt.tenant;
        if self.episodes.attack_on(tenant, attempt.region).is_some() {
            return;
        }
        let prefix = match place {
            Place::Range(_, prefix, _) => prefix,
            _ => attempt.block.truncated(usize::from(attempt.calling_digits)),
        };
        if !self.may_block(prefix, attempt) {
            return;
        }
        let honest = match place {
            Place::Range(..) => self.honest_rate(tenant, prefix, attempt.digits),
            _ => self.region_rate(attempt),
        };
        let sends = self
            .trie
            .get(place)
            .and_then(|n| n.evidence.as_ref())
            .map_or(1, |e| e.since.attempts);
        let id = self.open_attack(tenant, attempt, prefix, Level::Alert);
        self.explain(id, place, attempt);
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.accused = vec![Accused {
                prefix,
                honest_per_hour: honest,
                sends,
            }];
            episode.expires = now + ALERT_MS;
            let finding = episode.record(Activity::Create, now, currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
        self.due(now + ALERT_MS, Due::Episode(id));
    }

    /// An alert that never became a block closes.
    pub(super) fn on_episode_due(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        if self
            .episodes
            .get_mut(id)
            .is_some_and(|e| e.level == Level::Alert && e.kind == FindingKind::SmsPumping)
        {
            self.close_episode(id, effects);
        }
    }
}

/// One minus the chance that honest traffic would show this: never quite one.
fn confidence(log_e: f64) -> f64 {
    (1.0 - libm::exp(-log_e)).clamp(0.5, 0.9999)
}

/// A safe-list entry made by a verdict lasts this long.
pub(super) const VERDICT_SAFE_MS: i64 = 7 * DAY;
