//! Standing blocks, by tenant and prefix.
//!
//! | phase | attempt inside | time is up |
//! |---|---|---|
//! | Closed (blocks all) | covered; renews when several came lately, up to a time | several attempts lately: renewed; else HalfOpen |
//! | HalfOpen (lets a share through) | free, judged like any other | gone |
//!
//! A block that a limit of the user's asked for never half-opens: it goes. One that
//! stands for a single number is renewed by attempts to that number alone: whoever else
//! lives in its hundred does not prolong it.
//!
//! A new accusation of a half-open block closes it again for twice as long, up
//! to the cap; the memory of how often it recurred outlives the block.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::EpisodeId;
use crate::detector::trie::TenantIx;
use crate::detector::tuning::Tuning;
use crate::model::log::Token;
use crate::model::{Millis, Prefix};

/// Attempts inside that renew a block which has less than half of its time left.
const RENEWING_ATTEMPTS: u32 = 3;
/// Attempts that one approved attempt inside takes back: people came, not an attack.
const TAKEN_BACK: u32 = 3;
/// Times to live after which a block is renewed no more, but must be proved anew: who
/// lives inside cannot speak for himself while nothing comes through.
const UNPROVED_MAX: i64 = 4;
/// Doublings of the time to live that recurrence can bring.
const RECURRENCES_MAX: u32 = 4;

/// Which part of its life a block is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Closed,
    HalfOpen,
}

/// One standing block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StandingBlock {
    pub(crate) phase: Phase,
    pub(crate) since: Millis,
    pub(crate) expires: Millis,
    pub(crate) ttl_ms: i64,
    pub(crate) recent: u32,
    pub(crate) confirmed: bool,
    pub(crate) episode: EpisodeId,
    pub(crate) is_region: bool,
    pub(crate) by_limit: bool,
    pub(crate) number: Option<Token>,
}

impl StandingBlock {
    /// Whether attempts to a number are what it is there for.
    pub(crate) fn is_about(&self, number: Token) -> bool {
        self.number.is_none_or(|of| of == number)
    }
}

/// A block as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) ttl_ms: i64,
    pub(crate) is_region: bool,
    /// A limit of the user's asks for it: it is no evidence of an attack, lives as
    /// long as it is told, and goes without letting a share through first.
    pub(crate) by_limit: bool,
    /// The one number for whose sake all of its hundred is blocked.
    pub(crate) number: Option<Token>,
    pub(crate) episode: EpisodeId,
}

/// What an attempt found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) prefix: Prefix,
    pub(crate) episode: EpisodeId,
    /// It was the first attempt inside.
    pub(crate) confirms: bool,
    /// The block's time was extended.
    pub(crate) renewed: bool,
}

/// What became of a block when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockEvent {
    /// It was renewed in the meantime: ask again then.
    Later(Millis),
    /// It lets a share through until then.
    HalfOpened(Millis),
    /// It is gone.
    Gone(EpisodeId),
}

/// All blocks of a partition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Blocks {
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    standing: HashMap<(TenantIx, Prefix), StandingBlock, crate::detector::Keyed>,
    /// Lengths of the tenant's blocked prefixes, so that look-ups are few.
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    lengths: HashMap<TenantIx, BTreeMap<u8, u32>, crate::detector::Keyed>,
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    children: HashMap<(TenantIx, Prefix), u32, crate::detector::Keyed>,
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    recurrences: HashMap<(TenantIx, Prefix), (u32, Millis), crate::detector::Keyed>,
}

impl Blocks {
    pub(crate) fn new(hasher: crate::detector::Keyed) -> Self {
        Self {
            standing: HashMap::with_hasher(hasher.clone()),
            lengths: HashMap::with_hasher(hasher.clone()),
            children: HashMap::with_hasher(hasher.clone()),
            recurrences: HashMap::with_hasher(hasher),
        }
    }

    /// The shortest standing block over a number's block of 100.
    pub(crate) fn covering(&self, tenant: TenantIx, block: Prefix) -> Option<(Prefix, &StandingBlock)> {
        self.lengths.get(&tenant)?.keys().find_map(|&len| {
            if usize::from(len) > block.len() {
                return None;
            }
            let prefix = block.truncated(usize::from(len));
            self.standing.get(&(tenant, prefix)).map(|b| (prefix, b))
        })
    }

    /// Notes an attempt to `number` of `block`; `None` when it is free to go.
    pub(crate) fn on_attempt(&mut self, tenant: TenantIx, block: Prefix, number: Token, now: Millis) -> Option<Cover> {
        let (prefix, _) = self.covering(tenant, block)?;
        let standing = self.standing.get_mut(&(tenant, prefix)).expect("it was just found");
        if standing.phase == Phase::HalfOpen {
            return None;
        }
        standing.recent += u32::from(standing.is_about(number));
        let confirms = !std::mem::replace(&mut standing.confirmed, true);
        let renewed = standing.recent >= RENEWING_ATTEMPTS
            && 2 * (standing.expires - now) < standing.ttl_ms
            && now - standing.since < UNPROVED_MAX * standing.ttl_ms;
        if renewed {
            standing.expires = now + standing.ttl_ms;
            standing.recent = 0;
        }
        Some(Cover {
            prefix,
            episode: standing.episode,
            confirms,
            renewed,
        })
    }

    /// An attempt inside a block was approved.
    pub(crate) fn on_approval(&mut self, tenant: TenantIx, prefix: Prefix) {
        if let Some(standing) = self.standing.get_mut(&(tenant, prefix)) {
            standing.recent = standing.recent.saturating_sub(TAKEN_BACK);
        }
    }

    /// Puts a block for `ttl_ms`, longer where the prefix was blocked before;
    /// `None` when a closed block stands there already.
    pub(crate) fn put(
        &mut self,
        tenant: TenantIx,
        prefix: Prefix,
        wanted: Wanted,
        now: Millis,
        tuning: &Tuning,
    ) -> Option<Millis> {
        let Wanted {
            ttl_ms,
            is_region,
            by_limit,
            number,
            episode,
        } = wanted;
        if self
            .standing
            .get(&(tenant, prefix))
            .is_some_and(|b| b.phase == Phase::Closed)
        {
            return None;
        }
        let cap = if is_region {
            tuning.ttl_country_ms
        } else {
            tuning.ttl_max_ms
        };
        let times = match self.recurrences.get(&(tenant, prefix)) {
            Some((times, last)) if !by_limit && now - *last <= 2 * tuning.ttl_max_ms => times + 1,
            _ => 0,
        };
        if !by_limit {
            self.recurrences.insert((tenant, prefix), (times, now));
        }
        let ttl_ms = ttl_ms.saturating_mul(1 << times.min(RECURRENCES_MAX)).min(cap);
        let block = StandingBlock {
            phase: Phase::Closed,
            since: now,
            expires: now + ttl_ms,
            ttl_ms,
            recent: 0,
            confirmed: false,
            episode,
            is_region,
            by_limit,
            number,
        };
        if self.standing.insert((tenant, prefix), block).is_none() {
            *self
                .lengths
                .entry(tenant)
                .or_default()
                .entry(prefix.len() as u8)
                .or_default() += 1;
            if let (Some(parent), false) = (prefix.parent(), by_limit) {
                *self.children.entry((tenant, parent)).or_default() += 1;
            }
        }
        Some(now + ttl_ms)
    }

    /// Takes a block away; returns it.
    pub(crate) fn remove(&mut self, tenant: TenantIx, prefix: Prefix) -> Option<StandingBlock> {
        let block = self.standing.remove(&(tenant, prefix))?;
        if let Some(lengths) = self.lengths.get_mut(&tenant) {
            let len = prefix.len() as u8;
            if let Some(count) = lengths.get_mut(&len) {
                *count -= 1;
                if *count == 0 {
                    lengths.remove(&len);
                }
            }
        }
        if !block.by_limit
            && let Some(parent) = prefix.parent()
            && let Some(count) = self.children.get_mut(&(tenant, parent))
        {
            *count -= 1;
            if *count == 0 {
                self.children.remove(&(tenant, parent));
            }
        }
        Some(block)
    }

    /// A block's time may be up.
    pub(crate) fn on_due(&mut self, tenant: TenantIx, prefix: Prefix, now: Millis) -> Option<BlockEvent> {
        let block = self.standing.get_mut(&(tenant, prefix))?;
        if block.expires > now {
            return Some(BlockEvent::Later(block.expires));
        }
        if block.phase == Phase::HalfOpen || block.by_limit {
            let episode = block.episode;
            self.remove(tenant, prefix);
            return Some(BlockEvent::Gone(episode));
        }
        block.phase = Phase::HalfOpen;
        block.expires = now + block.ttl_ms / 4;
        block.recent = 0;
        Some(BlockEvent::HalfOpened(block.expires))
    }

    /// The tenant's blocks that lie in a prefix or hold it, in order of prefix.
    pub(crate) fn touching(&self, tenant: TenantIx, prefix: Prefix) -> Vec<(Prefix, EpisodeId)> {
        let mut found: Vec<_> = self
            .standing
            .iter()
            .filter(|((t, p), _)| *t == tenant && (p.covers(prefix) || prefix.covers(*p)))
            .map(|((_, p), block)| (*p, block.episode))
            .collect();
        found.sort_unstable();
        found
    }

    /// Every standing block, in order of tenant and prefix.
    pub(crate) fn all(&self) -> Vec<(TenantIx, Prefix)> {
        let mut all: Vec<_> = self.standing.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// The block at exactly this prefix.
    pub(crate) fn get(&self, tenant: TenantIx, prefix: Prefix) -> Option<&StandingBlock> {
        self.standing.get(&(tenant, prefix))
    }

    /// Live blocks exactly one digit below a prefix.
    pub(crate) fn siblings(&self, tenant: TenantIx, prefix: Prefix) -> u32 {
        self.children.get(&(tenant, prefix)).copied().unwrap_or(0)
    }

    /// Forgets recurrences that no longer matter.
    pub(crate) fn prune(&mut self, before: Millis) {
        self.recurrences.retain(|_, (_, last)| *last >= before);
    }

    /// How many blocks stand.
    pub(crate) fn len(&self) -> usize {
        self.standing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HOUR;

    fn blocks() -> Blocks {
        Blocks::new(crate::detector::Keyed::with_seeds(1, 2, 3, 4))
    }

    fn wanted(ttl_ms: i64) -> Wanted {
        Wanted {
            ttl_ms,
            is_region: false,
            by_limit: false,
            number: None,
            episode: 1,
        }
    }

    fn prefix(n: u64) -> Prefix {
        Prefix::from_digits(n).unwrap()
    }

    #[test]
    fn a_block_lives_while_its_campaign_does_then_half_opens_then_goes() {
        let (mut blocks, tuning) = (blocks(), Tuning::default());
        let p = prefix(9_989_012);
        assert_eq!(
            blocks.put(0, p, wanted(2 * HOUR), Millis(0), &tuning),
            Some(Millis(2 * HOUR))
        );
        assert_eq!(blocks.put(0, p, wanted(2 * HOUR), Millis(5), &tuning), None);
        let inside = prefix(9_989_012_345);
        let mut attempt = |tenant, now| blocks.on_attempt(tenant, inside, Token(7), now);
        assert!(attempt(0, Millis(1)).unwrap().confirms);
        assert!(!attempt(0, Millis(2)).unwrap().renewed);
        assert!(attempt(0, Millis(HOUR + 1)).unwrap().renewed);
        assert_eq!(attempt(1, Millis(3)), None);
        assert_eq!(
            blocks.on_due(0, p, Millis(2 * HOUR)),
            Some(BlockEvent::Later(Millis(3 * HOUR + 1)))
        );
        assert_eq!(
            blocks.on_due(0, p, Millis(3 * HOUR + 1)),
            Some(BlockEvent::HalfOpened(Millis(3 * HOUR + 1 + HOUR / 2)))
        );
        assert_eq!(blocks.on_attempt(0, inside, Token(7), Millis(3 * HOUR + 2)), None);
        assert_eq!(blocks.on_due(0, p, Millis(4 * HOUR)), Some(BlockEvent::Gone(1)));
        assert_eq!(blocks.len(), 0);
        assert_eq!(blocks.on_due(0, p, Millis(5 * HOUR)), None);
    }

    #[test]
    fn who_verifies_inside_renews_nothing_and_no_block_lives_on_unproved() {
        let (mut blocks, tuning) = (blocks(), Tuning::default());
        let p = prefix(9_989_012);
        let inside = prefix(9_989_012_345);
        blocks.put(0, p, wanted(2 * HOUR), Millis(0), &tuning);
        let late = Millis(HOUR + 1);
        for _ in 0..10 {
            assert!(!blocks.on_attempt(0, inside, Token(1), late).unwrap().renewed);
            blocks.on_approval(0, p);
        }
        let renewals: Vec<i64> = (1..20)
            .map(|i| i * HOUR / 2)
            .filter(|at| (0..3).any(|_| blocks.on_attempt(0, inside, Token(1), Millis(*at)).unwrap().renewed))
            .collect();
        assert!(
            renewals.len() > 3 && renewals.iter().all(|at| *at < 8 * HOUR),
            "{renewals:?}"
        );
        let until = blocks.get(0, p).unwrap().expires;
        assert!(matches!(blocks.on_due(0, p, until), Some(BlockEvent::HalfOpened(_))));
    }

    #[test]
    fn only_the_number_that_is_meant_renews_the_block_of_its_hundred() {
        let (mut blocks, tuning) = (blocks(), Tuning::default());
        let p = prefix(9_989_012_345);
        let hammered = Wanted {
            number: Some(Token(7)),
            ..wanted(2 * HOUR)
        };
        blocks.put(0, p, hammered, Millis(0), &tuning);
        for i in 0..100 {
            let cover = blocks.on_attempt(0, p, Token(8), Millis(HOUR + 1 + i)).unwrap();
            assert!(!cover.renewed, "a neighbour");
        }
        let mut renewed = (0..3).map(|i| {
            blocks
                .on_attempt(0, p, Token(7), Millis(HOUR + 200 + i))
                .unwrap()
                .renewed
        });
        assert!(renewed.any(|renewed| renewed));
    }

    #[test]
    fn a_limits_block_goes_at_once_and_speaks_for_no_attack() {
        let (mut blocks, tuning) = (blocks(), Tuning::default());
        let p = prefix(9_989_012);
        let limited = Wanted {
            by_limit: true,
            ..wanted(HOUR)
        };
        for _ in 0..2 {
            assert_eq!(blocks.put(0, p, limited, Millis(0), &tuning), Some(Millis(HOUR)));
            assert_eq!(blocks.siblings(0, prefix(998_901)), 0);
            assert_eq!(blocks.on_due(0, p, Millis(HOUR)), Some(BlockEvent::Gone(1)));
        }
        assert_eq!(blocks.len(), 0);
    }

    #[test]
    fn recurrence_lengthens_the_time_up_to_the_cap() {
        let (mut blocks, tuning) = (blocks(), Tuning::default());
        let p = prefix(9_989_012);
        let mut now = Millis(0);
        let mut last = 0;
        for _ in 0..8 {
            let until = blocks.put(0, p, wanted(2 * HOUR), now, &tuning).unwrap();
            assert!(until - now >= last && until - now <= tuning.ttl_max_ms);
            last = until - now;
            blocks.remove(0, p);
            now = until;
        }
        assert_eq!(last, 32 * HOUR);
    }

    #[test]
    fn siblings_are_counted_one_digit_below() {
        let (mut blocks, tuning) = (blocks(), Tuning::default());
        for n in [9_989_012, 9_989_013, 99_890_145] {
            blocks.put(0, prefix(n), wanted(HOUR), Millis(0), &tuning);
        }
        assert_eq!(blocks.siblings(0, prefix(998_901)), 2);
        blocks.remove(0, prefix(9_989_012));
        assert_eq!(blocks.siblings(0, prefix(998_901)), 1);
    }
}
