//! Numbers that cannot exist.
//!
//! Bots that draw numbers at random hit parts of the number plan in which there are none.
//! Such messages lie too far apart for any narrow range, and nobody can be hit by a block
//! of all that begins with what no number begins with: unless the plan is older than the
//! numbers, which the people who verify there tell.

use std::collections::BTreeMap;

use super::Engine;
use super::attempts::Attempt;
use crate::model::{Millis, Prefix};
use crate::number_plan::NumberPlan;

/// Suspects without a number, silent for long, that a region needs, and one prefix of them.
const TOTAL_MIN: f64 = 5.0;
const PREFIX_MIN: u32 = 2;
/// Share of mistyped numbers among people who do not verify, and how many times it must
/// be exceeded.
const MISTYPED: f64 = 0.02;
const EXCESS: f64 = 6.0;
/// Approvals that show that a prefix has numbers after all.
const NEWER_MIN: u16 = 2;

impl Engine {
    /// The prefixes without numbers over which the suspects of a refuted region since
    /// `since` are scattered, if they are more than people mistype.
    pub(super) fn void_ranges(&self, attempt: &Attempt, since: Millis) -> Vec<Prefix> {
        // Without verification nothing tells numbers that are newer than the plan.
        if attempt.is_apart() || !self.apps[attempt.app as usize].verifies() {
            return Vec::new();
        }
        let suspects = self.ripe_suspects(attempt, since);
        let plan = NumberPlan::shared();
        let mut counts: BTreeMap<Prefix, u32> = BTreeMap::new();
        for void in suspects.iter().filter_map(|s| plan.void_prefix(s.block)) {
            *counts.entry(void).or_insert(0) += 1;
        }
        let is_excess = |counts: &BTreeMap<Prefix, u32>| {
            let total = f64::from(counts.values().sum::<u32>());
            total >= TOTAL_MIN && total > EXCESS * MISTYPED * suspects.len() as f64
        };
        if !is_excess(&counts) {
            return Vec::new();
        }
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        counts.retain(|void, _| region.is_none_or(|r| r.newer.get(void).is_none_or(|n| n < NEWER_MIN)));
        if !is_excess(&counts) {
            return Vec::new();
        }
        counts.retain(|_, count| *count >= PREFIX_MIN);
        counts.into_keys().collect()
    }

    /// Who is approved shows that a range has numbers, whatever the plan says.
    pub(super) fn note_newer(&mut self, attempt: &Attempt) {
        if !attempt.attributes.invalid || !self.is_vote(attempt) {
            return;
        }
        if let Some(void) = NumberPlan::shared().void_prefix(attempt.block) {
            let tenant = &mut self.tenants[usize::from(attempt.tenant)];
            tenant.region(attempt.region, &self.hasher).newer.count(void);
        }
    }
}
