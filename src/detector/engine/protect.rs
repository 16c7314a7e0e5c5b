//! What must not be blocked: other regions, and what the user declared safe.
//!
//! A safe number or range protects itself, not all that lies around it: a wider
//! range that holds it is blocked in parts, those that hold what is suspected and
//! touch nothing safe.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::trie::TenantIx;
use crate::detector::trie::attribution::Suspect;
use crate::model::{HOUR, Prefix, Region};
use crate::number_plan;

/// How far back suspects are looked for that the parts of a range must hold.
const LOOK_BACK_MS: i64 = 6 * HOUR;
/// Share of a range's suspects that must lie outside what is safe there: otherwise
/// what is safe may be all that is the matter.
const OUTSIDE_MIN: f64 = 0.7;
/// Parts of a range that are named at most, those with most suspects first.
const PARTS_MAX: usize = 50;

impl Engine {
    /// Whether blocking the prefix would hit nobody outside the region, whose own
    /// prefixes have `region_digits` or more, and nobody whom the user declared safe.
    pub(super) fn may_block_in(&self, prefix: Prefix, tenant: TenantIx, region: Region, region_digits: u8) -> bool {
        is_own(prefix, region, region_digits) && self.safe_entry(tenant, prefix).is_none()
    }

    /// Whether an alert may name the prefix, which hits nobody: unless the attempt
    /// itself or the whole prefix is safe.
    pub(super) fn may_name(&self, prefix: Prefix, attempt: &Attempt) -> bool {
        let is_safe = |inside: Prefix| self.safe_in(attempt.tenant, inside).iter().any(|s| s.covers(inside));
        is_own(prefix, attempt.region, attempt.calling_digits) && !is_safe(prefix) && !is_safe(attempt.block)
    }

    /// The first entry of the safe-list that a block of the prefix would touch.
    pub(super) fn safe_entry(&self, tenant: TenantIx, prefix: Prefix) -> Option<Prefix> {
        self.safe_in(tenant, prefix).first().copied()
    }

    fn safe_in(&self, tenant: TenantIx, prefix: Prefix) -> Vec<Prefix> {
        let known = &self.tenants[usize::from(tenant)];
        self.safelist
            .touching(&known.name, known.app.as_deref(), prefix, self.now)
    }

    /// The prefix, where all of it may be blocked; where only the safe-list forbids
    /// it, the fewest ranges in it that hold its suspects and touch nothing safe.
    pub(super) fn blockable(&self, prefix: Prefix, attempt: &Attempt) -> Vec<Prefix> {
        if !is_own(prefix, attempt.region, attempt.calling_digits) {
            return Vec::new();
        }
        let safe = self.safe_in(attempt.tenant, prefix);
        if safe.is_empty() {
            return vec![prefix];
        }
        let inside: Vec<Prefix> = self
            .suspects(attempt, self.now - LOOK_BACK_MS)
            .into_iter()
            .map(|Suspect { block, .. }| block)
            .filter(|block| prefix.covers(*block))
            .collect();
        let mut parts = free_parts(prefix, &safe, &inside);
        let outside: usize = parts.iter().map(|(_, count)| count).sum();
        if (outside as f64) < OUTSIDE_MIN * inside.len() as f64 {
            return Vec::new();
        }
        parts.sort_by_key(|(part, count)| (std::cmp::Reverse(*count), *part));
        parts.truncate(PARTS_MAX);
        let mut parts: Vec<Prefix> = parts.into_iter().map(|(part, _)| part).collect();
        parts.sort_unstable();
        parts
    }
}

/// Whether a prefix holds numbers of the region alone.
fn is_own(prefix: Prefix, region: Region, region_digits: u8) -> bool {
    let foreign = number_plan::NumberPlan::shared()
        .sole_region(prefix)
        .is_some_and(|r| r != region);
    !foreign && prefix.len() >= usize::from(region_digits)
}

/// The widest parts of a range that hold some of `blocks` and touch nothing of
/// `safe`, with how many each holds.
fn free_parts(range: Prefix, safe: &[Prefix], blocks: &[Prefix]) -> Vec<(Prefix, usize)> {
    if blocks.is_empty() || safe.iter().any(|s| s.covers(range)) {
        return Vec::new();
    }
    let within: Vec<Prefix> = safe.iter().copied().filter(|s| range.covers(*s)).collect();
    if within.is_empty() {
        return vec![(range, blocks.len())];
    }
    let mut narrower: Vec<Prefix> = blocks
        .iter()
        .filter(|b| b.len() > range.len())
        .map(|b| b.truncated(range.len() + 1))
        .collect();
    narrower.sort_unstable();
    narrower.dedup();
    let parts = narrower.into_iter().flat_map(|part| {
        let inside: Vec<Prefix> = blocks.iter().copied().filter(|b| part.covers(*b)).collect();
        free_parts(part, &within, &inside)
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(n: u64) -> Prefix {
        Prefix::from_digits(n).unwrap()
    }

    #[test]
    fn a_safe_number_costs_its_hundred_alone() {
        let blocks: Vec<Prefix> = (0..100).map(|i| prefix(9_989_012_300 + i)).collect();
        let parts = free_parts(prefix(99_890_123), &[prefix(998_901_235_555)], &blocks);
        let named: Vec<Prefix> = parts.iter().map(|(part, _)| *part).collect();
        assert_eq!(parts.iter().map(|(_, count)| count).sum::<usize>(), 99);
        assert_eq!(named.len(), 18);
        assert!(named.contains(&prefix(998_901_230)) && named.contains(&prefix(9_989_012_354)));
        assert!(!named.iter().any(|p| p.covers(prefix(9_989_012_355))));
    }

    #[test]
    fn only_parts_with_suspects_are_named_and_what_is_safe_has_none() {
        let blocks = [prefix(9_989_012_301), prefix(9_989_012_302)];
        let range = prefix(99_890_123);
        let parts = |safe: &[u64]| {
            let safe: Vec<Prefix> = safe.iter().map(|n| prefix(*n)).collect();
            free_parts(range, &safe, &blocks)
        };
        assert_eq!(parts(&[998_901_239]), [(prefix(998_901_230), 2)]);
        assert_eq!(parts(&[]), [(range, 2)]);
        assert_eq!(parts(&[9_989_012_301]), [(prefix(9_989_012_302), 1)]);
        assert!(parts(&[998_901_230]).is_empty());
        assert!(parts(&[998]).is_empty());
    }
}
