//! Whether an app's verifications still arrive.
//!
//! Judged without the region that dominates: an attack that *is* the traffic
//! must not be able to declare the feed dead and so excuse itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{MINUTE, Millis, Region, SECOND};

/// Expected approvals outside the dominating region before a stall is believed.
const EXPECTED_MIN: f64 = 5.0;
/// Attempts opened this long before the feed's last event may wait for one that never came.
const LOOK_BACK_MS: i64 = 3 * MINUTE;
/// Expected approvals since the last timely event up to which the feed counts as alive.
const UNTOLD_MAX: f64 = 2.0;
/// Share of the expected conversion that is counted on.
const CAUTION: f64 = 0.8;

/// What happened to an app's verification feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthChange {
    /// It fell silent.
    Stalled,
    /// It speaks again.
    Recovered,
}

/// Expected approvals since the last verification event of any outcome.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FeedHealth {
    expected: BTreeMap<Region, f64>,
    /// Expected approvals since the last verification event that was no straggler.
    untold: f64,
    last: Millis,
    stalled: Option<Millis>,
    /// Attempts opened from here until the feed spoke again may have lost their
    /// verification with it.
    lost: Option<(Millis, Option<Millis>)>,
}

impl FeedHealth {
    /// One free attempt that should convert with at least `conversion`.
    pub(crate) fn attempt(&mut self, now: Millis, region: Region, conversion: f64) -> Option<HealthChange> {
        *self.expected.entry(region).or_default() += CAUTION * conversion;
        self.untold += CAUTION * conversion;
        let sum: f64 = self.expected.values().sum();
        let largest = self.expected.values().copied().fold(0.0, f64::max);
        if self.stalled.is_none() && sum - largest > EXPECTED_MIN && now - self.last > MINUTE {
            self.stalled = Some(now);
            self.lost = Some((self.last - LOOK_BACK_MS, None));
            return Some(HealthChange::Stalled);
        }
        None
    }

    /// A verification event arrived that happened at `event_time`.
    pub(crate) fn verification(&mut self, now: Millis, event_time: Millis) -> Option<HealthChange> {
        self.expected.clear();
        self.last = now;
        let timely = now - event_time <= 30 * SECOND;
        if timely {
            self.untold = 0.0;
        }
        if self.stalled.is_some_and(|since| timely && now - since >= 20 * SECOND) {
            self.stalled = None;
            self.lost = self.lost.map(|(from, _)| (from, Some(now)));
            return Some(HealthChange::Recovered);
        }
        None
    }

    /// Whether the feed has just shown that it is alive and in time, so that an
    /// approval that is missing is not its fault.
    pub(crate) fn is_fresh(&self) -> bool {
        self.stalled.is_none() && self.untold < UNTOLD_MAX
    }

    /// The same as far as other regions than this one can tell: an attack on it waits
    /// for approvals in vain.
    pub(crate) fn is_fresh_beside(&self, region: Region) -> bool {
        let others = self.expected.iter().filter(|(other, _)| **other != region);
        self.stalled.is_none() && others.map(|(_, expected)| expected).sum::<f64>() < UNTOLD_MAX
    }

    /// Whether the verification of an attempt opened at `opened` may be lost.
    pub(crate) fn has_lost(&self, opened: Millis) -> bool {
        self.lost
            .is_some_and(|(from, until)| opened >= from && until.is_none_or(|until| opened < until))
    }

    /// Whether silence proves nothing at present.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }
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
            assert_eq!(health.attempt(Millis(i * 100), region("UZ"), 0.5), None);
        }
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
        let stalled = (0..200).find_map(|i| {
            let code = ["DE", "FR", "US", "GB"][i % 4];
            health.attempt(Millis(i as i64 * SECOND), region(code), 0.5)
        });
        assert_eq!(stalled, Some(HealthChange::Stalled));
        assert!(health.is_stalled());
        assert_eq!(health.verification(Millis(300 * SECOND), Millis(100 * SECOND)), None);
        assert_eq!(
            health.verification(Millis(300 * SECOND), Millis(299 * SECOND)),
            Some(HealthChange::Recovered)
        );
    }

    #[test]
    fn an_attack_on_one_region_does_not_hide_that_the_feed_is_alive_and_others_may() {
        let mut health = FeedHealth::default();
        health.verification(Millis(0), Millis(0));
        for i in 0..100 {
            health.attempt(Millis(i * 100), region("UZ"), 0.5);
        }
        assert!(health.is_fresh_beside(region("UZ")));
        for i in 0..8 {
            health.attempt(Millis(10_000 + i), region("DE"), 0.5);
        }
        assert!(
            !health.is_fresh_beside(region("UZ")),
            "nobody in Germany verifies either"
        );
    }
}
