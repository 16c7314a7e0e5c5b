//! From a refuted place to the ranges that are named and blocked.

use std::collections::BTreeSet;

use super::attempts::{Attempt, ranges};
use super::blocking::Aim;
use super::siege::{RIPE_STAGE, Scope};
use super::tenant::RegionState;
use super::{Due, Effect, Engine};
use crate::detector::baseline::honest_per_hour;
use crate::detector::episode::{Accused, EpisodeId};
use crate::detector::evidence::Evidence;
use crate::detector::trie::attribution::{self, Suspect};
use crate::detector::trie::{CLASS_MAX, CLASS_MIN, Place, TenantIx};
use crate::model::{Activity, FindingKind, HOUR, Level, Millis, Prefix, Region};
use crate::number_plan;

/// Honest attempts an hour from which a range counts as lived in.
pub(super) const LIVED_IN: f64 = 0.05;
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
/// Honest attempts an hour from which a country counts as lived in.
const REGION_LIVED_IN: f64 = 0.05;
/// Verified attempts over suspects above which somebody lives in a country after all.
const REGION_VERIFIED: f64 = 0.1;
/// Blocks of 100 numbers with somebody verified in them, and the share of all that those
/// must be at least, from which people live in a country.
const PEOPLE_MIN: usize = 8;
const PEOPLE_SHARE: f64 = 0.03;
/// A country is blocked only above this many times its honest rate.
const REGION_EXCESS: f64 = 9.0;
/// Nats by which an attempt to a region must be likelier an attack's than not for its
/// empty ranges to be blocked as such.
const SURE_ODDS: f64 = 3.0;
/// Age and history below which a tenant does not know where its customers live.
const YOUNG_MS: i64 = 36 * HOUR;
const YOUNG_HISTORY: f64 = 50.0;
const YOUNG_SHARE: f64 = 0.05;
/// An alert that comes to nothing closes after this.
const ALERT_MS: i64 = 2 * HOUR;
/// What was told of a region once and came to nothing is not told again before this.
const QUIET_MS: i64 = 12 * HOUR;
/// Nats by which evidence that was told of once must have grown to be told again.
const GROWN: f64 = 4.6;

/// Narrowest class of which it is asked whether what is suspected fills it.
const FILLED_CLASS_MIN: u8 = 4;

impl Engine {
    /// Unverified attempts of the attempt's region since `since` that lie in no
    /// block, among numbers of the same length. Who asks again later is one, not two.
    pub(super) fn suspects(&self, attempt: &Attempt, since: Millis) -> Vec<Suspect> {
        let mut suspects = self.suspects_of_region(attempt, since, self.now);
        suspects.retain(|s| s.digits == attempt.digits);
        suspects
    }

    /// The same among numbers of every length that were opened until `until`.
    fn suspects_of_region(&self, attempt: &Attempt, since: Millis, until: Millis) -> Vec<Suspect> {
        let Some(region) = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region) else {
            return Vec::new();
        };
        region
            .latest()
            .take_while(|e| e.at >= since)
            .filter(|e| e.at <= until && !e.verified && !e.covered && !e.repeat)
            .map(|e| Suspect {
                block: e.block,
                digits: e.digits,
            })
            .collect()
    }

    /// The same without those who have only just asked and are not silent yet.
    pub(super) fn ripe_suspects(&self, attempt: &Attempt, since: Millis) -> Vec<Suspect> {
        self.suspects_of_region(attempt, since, self.now - self.stages.due_ms[RIPE_STAGE - 1])
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
        let start = self.trie.evidence(place).map_or(self.now, |e| e.start);
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
            if let Some((sub, q)) = attribution::narrow(&suspects, digits, class, relative) {
                self.first_empty_parent(tenant, sub, q, digits)
            } else {
                if !self.is_filled(&suspects, tenant, prefix, digits) {
                    return false;
                }
                let honest = self.honest_rate(tenant, prefix, digits);
                let hours = ((self.now - start).max(60_000)) as f64 / HOUR as f64;
                if honest > LIVED_IN && suspects.len() as f64 / hours < LIVED_IN_EXCESS * honest {
                    return false;
                }
                (prefix, class)
            }
        };
        let (wide, _) = self.widen(named, named_class, attempt);
        // Where what is safe forbids the wider range and its parts, the range itself.
        self.block_all(&[wide], Aim::Range, place, attempt, effects)
            || (wide != named && self.block_all(&[named], Aim::Range, place, attempt, effects))
    }

    /// One digit less, where nobody ever lived there either.
    fn first_empty_parent(&self, tenant: TenantIx, sub: Prefix, class: u8, digits: u8) -> (Prefix, u8) {
        match sub.parent() {
            Some(parent) if class < 4 && self.is_empty(Place::Range(tenant, parent, digits)) => (parent, class + 1),
            _ => (sub, class),
        }
    }

    /// Whether nobody was ever seen in a range before, and it is not people who come now.
    fn is_empty(&self, range: Place) -> bool {
        self.history(range).is_empty() && !self.do_people_verify(range)
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
        let empty = |p: Prefix| self.is_empty(Place::Range(attempt.tenant, p, attempt.digits));
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
                && self.history(place).attempts() < 2.0
                && !self.do_people_verify(place);
            let filled = self.is_filled(&suspects, attempt.tenant, wider, attempt.digits);
            if x >= held + 2.0 && x >= 1.3 * held && filled && lonely {
                (best, best_class, held) = (wider, q, x);
            }
        }
        (best, best_class)
    }

    /// Whether what is suspected in a range, or blocked there already, fills it: a
    /// few attacked parts are no reason to block all ten where somebody lives.
    fn is_filled(&self, suspects: &[Suspect], tenant: TenantIx, range: Prefix, digits: u8) -> bool {
        let class = digits.saturating_sub(range.len() as u8);
        if class < FILLED_CLASS_MIN {
            return true;
        }
        let parts = attribution::count_by_prefix(suspects, digits, class - 1);
        let suspected = parts.keys().filter(|p| range.covers(**p)).count();
        let blocked = self.blocks.siblings(tenant, range) as usize;
        let empty = class == FILLED_CLASS_MIN && self.is_empty(Place::Range(tenant, range, digits));
        empty || suspected + blocked >= usize::from(class) - 1
    }

    /// A region is refuted: names the prefixes that carry the excess, or the
    /// country where next to nobody lives.
    pub(super) fn accuse_region(&mut self, attempt: &Attempt, effects: &mut Vec<Effect>) -> bool {
        let place = attempt.region_place();
        let start = self.trie.evidence(place).map_or(self.now, |e| e.start);
        let since = start.max(self.now - REGION_LOOK_BACK_MS);
        let suspects = self.suspects_of_region(attempt, since, self.now);
        if suspects.len() < REGION_SUSPECTS_MIN {
            return false;
        }
        // What else is suspected speaks on.
        let void = self.void_ranges(attempt, since);
        if self.block_all(&void, Aim::Range, place, attempt, effects) {
            return true;
        }
        let total = suspects.len() as f64;
        let hours = ((self.now - since).max(60_000)) as f64 / HOUR as f64;
        let is_flood = total / hours > REGION_EXCESS * self.region_rate(attempt);
        let excess = self.ranges_in_excess(attempt, &suspects);
        let named = excess.or_else(|| is_flood.then(|| self.empty_ranges(attempt, since)).flatten());
        if let Some(named) = named {
            return self.block_all(&named, Aim::Range, place, attempt, effects) && self.wipe_region(attempt);
        }
        // Without verification nothing tells a country's first customers from an attack
        // on all of it.
        if attempt.is_apart() {
            return false;
        }
        if !is_flood || self.is_peopled_country(attempt, since, total) || !self.may_block_country(attempt) {
            return false;
        }
        let prefixes = number_plan::NumberPlan::shared().region_prefixes(attempt.region);
        self.block_all(&prefixes, Aim::Region, place, attempt, effects) && self.wipe_region(attempt)
    }

    /// Whether people verify in a country that `total` suspects accuse: a share of them, or
    /// fewer from many ranges, if they are no machines.
    fn is_peopled_country(&self, attempt: &Attempt, since: Millis, total: f64) -> bool {
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        let entries = region.into_iter().flat_map(RegionState::latest);
        let verified: Vec<Prefix> = entries
            .take_while(|e| e.at >= since)
            .filter(|e| e.verified)
            .map(|e| e.block)
            .collect();
        let evidence = self.trie.evidence(attempt.region_place());
        let ever = evidence.map(|e| e.since).unwrap_or_default();
        let share = verified.len() as f64 / total;
        // One who verifies over and over is one.
        let people = verified.iter().collect::<BTreeSet<_>>().len();
        let machines = evidence.is_some_and(Evidence::is_machine_like);
        share > REGION_VERIFIED
            || ever.verified as f64 > REGION_VERIFIED * ever.attempts as f64
            || (people >= PEOPLE_MIN && share > PEOPLE_SHARE && !machines)
    }

    /// The prefixes that hold more of a region's suspects than honest traffic would put
    /// there, in the narrowest class in which they hold most of them.
    fn ranges_in_excess(&self, attempt: &Attempt, suspects: &[Suspect]) -> Option<Vec<Prefix>> {
        let total = suspects.len() as f64;
        Self::most_of(attempt, suspects, CLASS_MAX, |prefix, count| {
            let honest = self.ceiling_of(Place::Range(attempt.tenant, prefix, attempt.digits), attempt);
            f64::from(count) > 6.0 * honest * total + 2.0
        })
    }

    /// Where nearly all of what comes to a region is an attack's, the same of prefixes in
    /// which nobody was ever seen: an attack that is spread evenly over a region in excess
    /// of none of its ranges.
    fn empty_ranges(&self, attempt: &Attempt, since: Millis) -> Option<Vec<Prefix>> {
        let sure = !attempt.is_apart()
            && self.region_odds(attempt) >= SURE_ODDS
            && self.is_witnessed(attempt, Scope::Region)
            && self.knows_its_customers(attempt);
        if !sure {
            return None;
        }
        let empty = |prefix, _| {
            let place = Place::Range(attempt.tenant, prefix, attempt.digits);
            let verified = self.trie.evidence(place).map_or(0, |e| e.since.verified);
            verified == 0 && self.history(place).is_empty()
        };
        let ripe = self.ripe_suspects(attempt, since);
        Self::most_of(attempt, &ripe, WIDEN_CLASS_MAX, empty)
    }

    /// The prefixes among numbers as long as the attempt's, up to a class, that hold most of
    /// a region's suspects.
    fn most_of(
        attempt: &Attempt,
        suspects: &[Suspect],
        class_max: u8,
        is_meant: impl Fn(Prefix, u32) -> bool,
    ) -> Option<Vec<Prefix>> {
        let widest = attempt.digits.saturating_sub(attempt.calling_digits + 1).min(class_max);
        attribution::most_of(suspects, attempt.digits, widest, REGION_COVERED, is_meant)
    }

    /// A region where people live was refuted and nothing came of it: approvals, which
    /// would take the evidence back, never come where an app is judged apart.
    pub(super) fn restart_apart(&mut self, attempt: &Attempt, blocked: bool) {
        if attempt.is_apart() && !blocked && self.region_rate(attempt) > REGION_LIVED_IN {
            self.wipe_region(attempt);
        }
    }

    fn wipe_region(&mut self, attempt: &Attempt) -> bool {
        let now = self.now;
        if let Some(evidence) = self.trie.evidence_mut(attempt.region_place()) {
            evidence.clear(now);
        }
        true
    }

    /// A country block needs a baseline that says that next to nobody lives there.
    pub(super) fn may_block_country(&self, attempt: &Attempt) -> bool {
        // What no country owns has nothing in common but that.
        let is_country = attempt.region != Region::WORLD;
        is_country && self.knows_its_customers(attempt) && self.region_rate(attempt) <= REGION_LIVED_IN
    }

    /// Whether the tenant's history tells that none of its customers live in a place.
    fn knows_its_customers(&self, attempt: &Attempt) -> bool {
        let age = self.now - self.tenants[usize::from(attempt.tenant)].first;
        let root = self.history(Place::Root(attempt.tenant)).attempts();
        let own = self.history(attempt.region_place()).attempts();
        age >= YOUNG_MS || (root >= YOUNG_HISTORY && own <= YOUNG_SHARE * root)
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
        if !self.may_name(prefix, attempt) {
            return;
        }
        let now = self.now;
        let crossing = self.crossing(place, attempt, Level::Alert);
        let start = self.trie.evidence(place).map_or(now, |e| e.start);
        let region = self.tenants[usize::from(tenant)].region(attempt.region, &self.hasher);
        // What was told and came to nothing is told again only where more has come.
        let is_stale = |(at, told): (Millis, f64)| now - at < QUIET_MS || (start < at && crossing.0 < told + GROWN);
        if region.alerted.is_some_and(is_stale) {
            return;
        }
        region.alerted = Some((now, crossing.0));
        let honest = match place {
            Place::Range(..) => self.honest_rate(tenant, prefix, attempt.digits),
            _ => self.region_rate(attempt),
        };
        let id = self.open_attack(attempt, prefix, Level::Alert, place);
        let sends = self.watch(id, place, attempt);
        let explanations = self.explanations(place, attempt, Level::Alert);
        self.explain(id, place, crossing, attempt);
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.accused = vec![Accused {
                prefix,
                honest_per_hour: honest,
                sends,
            }];
            episode.expires = now + ALERT_MS;
            episode.explanations = explanations;
            let finding = episode.record(Activity::Create, now, currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
        self.due(now + ALERT_MS, Due::Episode(id));
    }

    /// An alert that never became a block closes; so does what a limit or a budget
    /// opened, when its time is up.
    pub(super) fn on_episode_due(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        let about = self.episodes.get_mut(id).map(|e| (e.kind, e.level));
        match about {
            Some((FindingKind::SmsPumping, Level::Alert) | (FindingKind::BudgetExceeded, _)) => {
                self.close_episode(id, effects);
            }
            Some((FindingKind::LimitExceeded, _)) => self.on_limit_due(id, effects),
            Some(_) => {}
            None => self.limits.standing.forget(id),
        }
    }
}
