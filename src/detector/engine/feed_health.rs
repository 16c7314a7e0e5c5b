//! Whether an app's verifications still arrive.
//!
//! Judged without the region that dominates: an attack that *is* the traffic
//! must not be able to declare the feed dead and so excuse itself.
//!
//! A feed that falls silent is believed in two steps. At the first doubt silence proves
//! nothing any more: to err here costs seconds. Somebody is told only once chance no
//! longer explains it: gaps between approvals that come at random are exponential, and
//! of the thousands a day some are long. So more is asked for, of attempts alone that
//! people have had the time to verify, and for minutes.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::detector::baseline::kept;
use crate::model::{MINUTE, Millis, Region, SECOND};

/// Expected approvals outside the dominating region before a stall is believed.
const EXPECTED_MIN: f64 = 5.0;
/// Approvals that people had the time for, outside the dominating region, and the
/// silence before somebody is told. Counted cautiously and without a region, they are
/// less than half of those that honest people give: by chance alone a gap of that
/// length comes once in a million approvals.
const OVERDUE_MIN: f64 = 6.0;
const SILENCE_MIN_MS: i64 = 3 * MINUTE;
/// Attempts opened this long before the feed's last event may wait for one that never came.
const LOOK_BACK_MS: i64 = 3 * MINUTE;
/// A feed that was silent for longer has failed; shorter lulls come by chance.
const FAILURE_MS: i64 = LOOK_BACK_MS + 5 * MINUTE;
/// Expected approvals since the last timely event up to which the feed counts as alive.
const UNTOLD_MAX: f64 = 2.0;
/// Latest verifications that tell how late the feed is, and which of them, the least
/// late first: stragglers come always.
const LAGS: usize = 16;
const LAG_RANK: usize = 13;
/// Each verification keeps this much of what is usual for the feed: learned latencies
/// know of that already.
const LAG_KEEP: f64 = 0.999;
/// Less than this is the way of every feed.
const LAG_MIN_MS: i64 = 5 * SECOND;
/// Share of the expected conversion that is counted on.
const CAUTION: f64 = 0.8;
/// Of the approvals expected lately so many must have come in other regions before
/// a region that converts badly is held against it: a feed that loses half of what it
/// carries is never silent.
const PARTIAL_MIN: f64 = 0.6;
/// Expected approvals on which that is judged, and how long they are remembered.
const PARTIAL_EXPECTED_MIN: f64 = 8.0;
const PARTIAL_FADE_MS: f64 = 30.0 * MINUTE as f64;

/// What happened to an app's verification feed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum HealthChange {
    /// It fell silent at some time, and not by chance: so many approvals should have
    /// come since, outside the region that dominates.
    Stalled { since: Millis, overdue: f64 },
    /// It speaks again, after that.
    Recovered,
}

/// Approvals of the last while in one region, expected and seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Lately {
    expected: f64,
    seen: f64,
    at: Millis,
}

impl Lately {
    fn faded(&self, now: Millis) -> Self {
        let keep = kept(self.at, now, PARTIAL_FADE_MS);
        Self {
            expected: self.expected * keep,
            seen: self.seen * keep,
            at: now,
        }
    }
}

/// Expected approvals since the last verification event of any outcome.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FeedHealth {
    expected: BTreeMap<Region, f64>,
    lately: BTreeMap<Region, Lately>,
    /// Expected approvals since the last verification event that was no straggler.
    untold: f64,
    last: Millis,
    /// How late the latest verifications were, in milliseconds.
    lags: VecDeque<i64>,
    usual_lag: f64,
    stalled: Option<Millis>,
    /// Whether somebody was told.
    told: bool,
    /// Attempts opened from here until the feed spoke again may have lost their
    /// verification with it.
    lost: Option<(Millis, Option<Millis>)>,
}

impl FeedHealth {
    /// One free attempt that should convert with at least `conversion`.
    pub(crate) fn attempt(&mut self, now: Millis, region: Region, conversion: f64) {
        *self.expected.entry(region).or_default() += CAUTION * conversion;
        self.untold += CAUTION * conversion;
        self.lately(region, now).expected += CAUTION * conversion;
        if self.stalled.is_none() && beside_largest(&self.expected) > EXPECTED_MIN && now - self.last > MINUTE {
            self.stalled = Some(now);
            self.lost = Some((self.last - LOOK_BACK_MS, None));
        }
    }

    /// Since when the feed has been silent, while that is doubted and nobody was told.
    pub(crate) fn doubted_since(&self) -> Option<Millis> {
        self.stalled.filter(|_| !self.told).map(|_| self.last)
    }

    /// The feed has gone on being silent. `open` are the attempts since then that may
    /// yet be verified: their region, conversion and the share of honest people who
    /// would have verified by now.
    pub(crate) fn doubt(
        &mut self,
        now: Millis,
        open: impl Iterator<Item = (Region, f64, f64)>,
    ) -> Option<HealthChange> {
        let since = self.doubted_since().filter(|since| now - *since >= SILENCE_MIN_MS)?;
        let mut overdue = self.expected.clone();
        for (region, conversion, share) in open {
            if let Some(expected) = overdue.get_mut(&region) {
                *expected -= CAUTION * conversion * (1.0 - share);
            }
        }
        let overdue = beside_largest(&overdue);
        self.told = overdue > OVERDUE_MIN;
        self.told.then_some(HealthChange::Stalled { since, overdue })
    }

    /// A verification event arrived that happened at `event_time`.
    pub(crate) fn verification(&mut self, now: Millis, event_time: Millis) -> Option<HealthChange> {
        self.expected.clear();
        self.last = now;
        let timely = now - event_time <= 30 * SECOND;
        if self.lags.len() >= LAGS {
            self.lags.pop_front();
        }
        let lag = (now - event_time).max(0);
        self.lags.push_back(lag);
        self.usual_lag = LAG_KEEP * self.usual_lag + (1.0 - LAG_KEEP) * lag as f64;
        if timely {
            self.untold = 0.0;
        }
        if self.stalled.is_some_and(|since| timely && now - since >= 20 * SECOND) {
            self.stalled = None;
            self.lost = self.lost.map(|(from, _)| (from, Some(now)));
            return std::mem::take(&mut self.told).then_some(HealthChange::Recovered);
        }
        None
    }

    /// By how much later than usual the feed's verifications come at present, in
    /// milliseconds. So much younger is each silence.
    pub(crate) fn lag_ms(&self) -> i64 {
        let late = self.lags.iter().filter(|lag| **lag >= LAG_MIN_MS).count();
        if self.lags.len() < LAGS || late < LAGS - LAG_RANK {
            return 0;
        }
        let mut sorted: Vec<i64> = self.lags.iter().copied().collect();
        sorted.sort_unstable();
        let excess = sorted[LAG_RANK] - self.usual_lag as i64;
        if excess < LAG_MIN_MS { 0 } else { excess }
    }

    /// A free attempt to a region was approved.
    pub(crate) fn approval(&mut self, now: Millis, region: Region) {
        self.lately(region, now).seen += 1.0;
    }

    fn lately(&mut self, region: Region, now: Millis) -> &mut Lately {
        let lately = self.lately.entry(region).or_default();
        *lately = lately.faded(now);
        lately
    }

    /// Whether the feed has just shown that it is alive and in time, so that an
    /// approval that is missing is not its fault.
    pub(crate) fn is_fresh(&self) -> bool {
        self.stalled.is_none() && self.untold < UNTOLD_MAX
    }

    /// The same as far as other regions than this one can tell: an attack on it waits
    /// for approvals in vain.
    pub(crate) fn is_fresh_beside(&self, region: Region, now: Millis) -> bool {
        let others = self.expected.iter().filter(|(other, _)| **other != region);
        self.stalled.is_none()
            && others.map(|(_, expected)| expected).sum::<f64>() < UNTOLD_MAX
            && !self.is_partial_beside(region, now)
    }

    /// Whether too few of the approvals that other regions should have seen came.
    fn is_partial_beside(&self, region: Region, now: Millis) -> bool {
        let others = self.lately.iter().filter(|(other, _)| **other != region);
        let (expected, seen) = others.fold((0.0, 0.0), |(expected, seen), (_, lately)| {
            let lately = lately.faded(now);
            (expected + lately.expected, seen + lately.seen)
        });
        expected >= PARTIAL_EXPECTED_MIN && seen < PARTIAL_MIN * expected
    }

    /// Whether the verification of an attempt opened at `opened` may be lost.
    pub(crate) fn has_lost(&self, opened: Millis) -> bool {
        self.lost
            .is_some_and(|(from, until)| opened >= from && until.is_none_or(|until| opened < until))
    }

    /// Whether the feed failed for long at any time since `start`: what was gathered
    /// since then may rest on verifications that never came.
    pub(crate) fn has_failed_since(&self, start: Millis) -> bool {
        self.lost
            .is_some_and(|(from, until)| until.is_none_or(|until| until >= start && until - from >= FAILURE_MS))
    }

    /// Whether silence proves nothing at present.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }
}

/// The sum without the largest.
fn beside_largest(expected: &BTreeMap<Region, f64>) -> f64 {
    let sum: f64 = expected.values().sum();
    sum - expected.values().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str) -> Region {
        Region::parse(code).unwrap()
    }

    #[test]
    fn an_attack_that_is_the_traffic_cannot_stall_the_feed() {
        let mut health = FeedHealth::default();
        health.verification(Millis(0), Millis(0));
        for i in 0..10_000 {
            health.attempt(Millis(i * 100), region("UZ"), 0.5);
            assert!(!health.is_stalled());
        }
    }

    #[test]
    fn a_feed_that_falls_behind_makes_silences_younger_and_stragglers_do_not() {
        let mut health = FeedHealth::default();
        let mut now = Millis(0);
        let mut verify = |health: &mut FeedHealth, lag: i64| {
            now = now + SECOND;
            health.verification(now, now - lag);
        };
        for i in 0..200 {
            verify(&mut health, if i % 16 == 0 { 600 * SECOND } else { SECOND });
        }
        assert_eq!(health.lag_ms(), 0, "stragglers");
        for _ in 0..LAGS {
            verify(&mut health, 300 * SECOND);
        }
        assert!(
            (200 * SECOND..=300 * SECOND).contains(&health.lag_ms()),
            "{}",
            health.lag_ms()
        );
        for _ in 0..5_000 {
            verify(&mut health, 300 * SECOND);
        }
        assert_eq!(health.lag_ms(), 0, "that is usual by now, and latencies know of it");
    }

    #[test]
    fn what_a_dead_feed_swallowed_is_lost_and_nothing_else_is() {
        let mut health = FeedHealth::default();
        health.verification(Millis(1_000 * SECOND), Millis(1_000 * SECOND));
        assert!(health.is_fresh());
        let mut now = Millis(1_000 * SECOND);
        while !health.is_stalled() {
            now = now + SECOND;
            for code in ["DE", "FR", "US"] {
                health.attempt(now, region(code), 0.5);
            }
        }
        assert!(!health.is_fresh());
        assert!(health.has_lost(now), "as long as it is silent");
        let back = now + 3_600 * SECOND;
        health.verification(back, back);
        assert!(health.has_lost(now) && !health.has_lost(back));
        assert!(!health.has_lost(Millis(1_000 * SECOND) - 10 * MINUTE));
        assert!(health.is_fresh());
    }

    #[test]
    fn silence_in_many_regions_is_a_stall_and_a_timely_event_ends_it() {
        let mut health = FeedHealth::default();
        health.verification(Millis(0), Millis(0));
        let silent = silence(&mut health, 200);
        assert!(health.is_stalled());
        let told = health.doubt(Millis(200 * SECOND), silent.iter().map(|(r, c, _)| (*r, *c, 0.9)));
        let Some(HealthChange::Stalled { since, overdue }) = told else {
            panic!("{told:?}");
        };
        assert_eq!(since, Millis(0));
        assert!((OVERDUE_MIN..100.0).contains(&overdue), "{overdue}");
        assert_eq!(health.doubt(Millis(260 * SECOND), std::iter::empty()), None, "once");
        assert_eq!(health.verification(Millis(300 * SECOND), Millis(100 * SECOND)), None);
        assert_eq!(
            health.verification(Millis(300 * SECOND), Millis(299 * SECOND)),
            Some(HealthChange::Recovered)
        );
    }

    /// One attempt a second in four regions, none of them verified.
    fn silence(health: &mut FeedHealth, seconds: usize) -> Vec<(Region, f64, i64)> {
        let attempt = |i: usize| {
            let (region, opened) = (region(["DE", "FR", "US", "GB"][i % 4]), i as i64);
            health.attempt(Millis(opened * SECOND), region, 0.5);
            (region, 0.5, opened)
        };
        (0..seconds).map(attempt).collect()
    }

    #[test]
    fn a_lull_is_doubted_at_once_and_told_only_when_people_had_the_time() {
        let mut health = FeedHealth::default();
        health.verification(Millis(0), Millis(0));
        let silent = silence(&mut health, 100);
        assert!(health.is_stalled(), "silence proves nothing");
        let all = |share: f64| silent.iter().map(move |(r, c, _)| (*r, *c, share));
        assert_eq!(health.doubt(Millis(100 * SECOND), all(1.0)), None, "not for minutes");
        assert_eq!(health.doubt(Millis(240 * SECOND), all(0.1)), None, "people are slow");
        let back = Millis(250 * SECOND);
        assert_eq!(health.verification(back, back), None, "nobody was told");
        assert!(!health.is_stalled() && health.doubted_since().is_none());
    }

    #[test]
    fn an_attack_on_one_region_does_not_hide_that_the_feed_is_alive_and_others_may() {
        let mut health = FeedHealth::default();
        health.verification(Millis(0), Millis(0));
        for i in 0..100 {
            health.attempt(Millis(i * 100), region("UZ"), 0.5);
        }
        let now = Millis(10_000);
        assert!(health.is_fresh_beside(region("UZ"), now));
        for i in 0..8 {
            health.attempt(Millis(10_000 + i), region("DE"), 0.5);
        }
        assert!(
            !health.is_fresh_beside(region("UZ"), now),
            "nobody in Germany verifies either"
        );
    }

    #[test]
    fn evidence_that_a_long_failure_reaches_into_is_tainted_and_a_lull_taints_none() {
        let failed = |minutes: i64| {
            let mut health = FeedHealth::default();
            health.verification(Millis(0), Millis(0));
            silence(&mut health, 100);
            assert!(health.is_stalled());
            let back = Millis(minutes * MINUTE);
            health.verification(back, back);
            assert!(!health.has_failed_since(back + 1), "what began later");
            health.has_failed_since(back - MINUTE)
        };
        assert!(failed(240));
        assert!(!failed(3));
    }

    #[test]
    fn a_feed_that_carries_a_part_is_no_witness() {
        let fresh = |every: usize| {
            let mut health = FeedHealth::default();
            health.verification(Millis(0), Millis(0));
            for i in 0..200 {
                let now = Millis(i as i64 * 5 * SECOND);
                let region = region(["DE", "FR"][i % 2]);
                health.attempt(now, region, 0.5);
                if i % every == 0 {
                    health.verification(now, now);
                    health.approval(now, region);
                }
            }
            health.is_fresh_beside(region("UZ"), Millis(1_000 * SECOND))
        };
        assert!(fresh(2));
        assert!(!fresh(5), "a fifth of all attempts where half should");
    }
}
