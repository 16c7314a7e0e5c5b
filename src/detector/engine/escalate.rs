//! A campaign that walks on: where several live blocks share a region and the
//! leak goes on, the block rises to the common prefix of what still leaks.

use super::accuse::LIVED_IN;
use super::attempts::Attempt;
use super::blocking::Aim;
use super::{Effect, Engine};
use crate::detector::trie::CLASS_MAX;
use crate::detector::trie::attribution::{self, Suspect};
use crate::model::{HOUR, MINUTE, Millis, Prefix, SECOND};

/// Live blocks of an episode, and their youth, that make a walk likely.
const BLOCKS_MIN: usize = 3;
const BLOCKS_YOUNG_MS: i64 = 4 * HOUR;
/// An attempt this old and silent counts as leaked.
const LEAKED_AGE_MS: i64 = 22 * SECOND;
/// How many must have leaked, and how many more than were verified.
const LEAKED_MIN: f64 = 8.0;
const LEAKED_RATIO: f64 = 8.0;
/// Share of the leaked attempts that the common prefix must hold.
const COMMON_SHARE: f64 = 0.9;

impl Engine {
    /// Looks at what leaked beside an episode's blocks.
    pub(super) fn escalate(&mut self, attempt: &Attempt, effects: &mut Vec<Effect>) {
        if !self.tuning.enabled.escalation {
            return;
        }
        let Some(since) = self.walk_began(attempt) else { return };
        let Some(region) = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region) else {
            return;
        };
        let now = self.now;
        let (mut leaked, mut verified) = (Vec::new(), 0.0);
        for entry in region.latest().take_while(|e| e.at >= since) {
            if entry.covered || entry.digits != attempt.digits {
                continue;
            }
            if entry.verified {
                verified += 1.0;
            } else if now - entry.at >= LEAKED_AGE_MS {
                leaked.push(Suspect {
                    block: entry.block,
                    digits: entry.digits,
                });
            }
        }
        let hours = (now - since) as f64 / HOUR as f64;
        let count = leaked.len() as f64;
        if count < LEAKED_MIN + 3.0 * self.region_rate(attempt) * hours || count < LEAKED_RATIO * (verified + 0.5) {
            return;
        }
        let shortest = usize::from(attempt.calling_digits);
        let Some(prefix) = attribution::common_prefix(&leaked, COMMON_SHARE, shortest) else {
            return;
        };
        self.raise(prefix, attempt, effects);
    }

    /// Since when the episode's young blocks chase a campaign, where they do.
    fn walk_began(&mut self, attempt: &Attempt) -> Option<Millis> {
        let id = self.episodes.attack_on(attempt.tenant, attempt.region)?;
        let prefixes: Vec<Prefix> = self.episodes.get_mut(id)?.accused.iter().map(|a| a.prefix).collect();
        if prefixes.len() < BLOCKS_MIN {
            return None;
        }
        let now = self.now;
        let young: Vec<Millis> = prefixes
            .iter()
            .filter_map(|p| self.blocks.get(attempt.tenant, *p))
            .filter(|b| !b.is_region && now - b.since <= BLOCKS_YOUNG_MS)
            .map(|b| b.since)
            .collect();
        if young.len() < BLOCKS_MIN {
            return None;
        }
        young.iter().min().map(|first| (*first - 10 * MINUTE).max(now - HOUR))
    }

    /// Blocks the common prefix, where next to nobody lives in it; one that is wider
    /// than the ranges whose history is kept only under the guards of a country block.
    fn raise(&mut self, prefix: Prefix, attempt: &Attempt, effects: &mut Vec<Effect>) {
        let whole = prefix.len() <= usize::from(attempt.calling_digits);
        let is_wide = attempt.digits.saturating_sub(prefix.len() as u8) > CLASS_MAX;
        let is_lived_in = if is_wide {
            !self.may_block_country(attempt)
        } else {
            self.honest_rate(attempt.tenant, prefix, attempt.digits) > LIVED_IN
        };
        if is_lived_in {
            return;
        }
        let aim = if whole { Aim::Region } else { Aim::Range };
        self.block_all(&[prefix], aim, attempt.region_place(), attempt, effects);
    }
}
