//! Family 7: the after-life of faked conversions. Whoever sends the codes back by
//! machine does so after always the same time, and is right at the first try.
//!
//! Two bets on an approved attempt, each on what the place's approvals showed so
//! far. *Latency*: q(bin)/p(bin) with q what the place learned and p an upper
//! bound of the honest share of each bin; the mean is at most Σ q = 1. It is laid
//! only where the latest approvals crowd into one bin, which is known before. *Wrong
//! codes*: a Bernoulli bet that fewer are wrong at first than honest people's
//! lower bound w; with q ≤ w its mean w'·q/w + (1 − w')·(1 − q)/(1 − w) is at
//! most 1 for every w' ≥ w.
//!
//! A launch has ordinary people, and an enrolment asserts honest latency: both
//! must answer for these bets as the plain null does. An outage may delay, so
//! that latencies crowd later than people are, but makes nobody quicker: there
//! the bound of a bin is that of all bins up to it.
//!
//! Silence that was credited before an approval is as late as the approval: the
//! two are not independent. So where the latency bet is laid the approval gives
//! that credit back: then the mean over an attempt's fate is at most that of
//! silence and approval alone.

use serde::{Deserialize, Serialize};

use crate::detector::baseline::{BINS, BinBounds};

/// Approvals of a place that are remembered.
const SEEN_MAX: usize = 8;
/// Of these, how many must lie in one bin, apart from half of all, before a bet is laid.
const CROWD_MIN: u8 = 3;
/// What each approval leaves of the older ones in the count of wrong codes.
const KEEP: f64 = 0.99;
/// Pseudo-approvals as honest people's.
const PSEUDO: f64 = 1.0;

/// What a place's latest approvals looked like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Approvals {
    /// Bins of the latest, oldest first.
    bins: [u8; SEEN_MAX],
    seen: u8,
    /// All that are remembered, and those that were wrong at first, older ones less.
    told: f64,
    wrong: f64,
}

/// The ratios of one approval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bet {
    /// Against nulls with ordinary people.
    pub(crate) ordinary: f64,
    /// Against nulls in which messages may be late.
    pub(crate) delayed: f64,
}

impl Approvals {
    fn count(&self, bin: usize) -> u8 {
        let seen = &self.bins[..usize::from(self.seen)];
        seen.iter().filter(|b| usize::from(**b) == bin).count() as u8
    }

    /// The bin in which the latest approvals crowd, and how many of them.
    pub(crate) fn crowd(&self) -> Option<(usize, u8)> {
        let (count, bin) = (0..BINS).map(|bin| (self.count(bin), bin)).max()?;
        (count >= CROWD_MIN && 2 * count >= self.seen).then_some((bin, count))
    }

    /// Approvals remembered, at most eight.
    pub(crate) fn seen(&self) -> u8 {
        self.seen
    }

    /// The bet on a latency, where one is laid.
    pub(crate) fn latency(&self, bin: usize, bounds: &BinBounds) -> Option<Bet> {
        self.crowd()?;
        let learned = f64::from(self.count(bin)) + PSEUDO * bounds.mean[bin];
        let q = learned / (f64::from(self.seen) + PSEUDO);
        Some(Bet {
            ordinary: q / bounds.upper[bin],
            delayed: q / bounds.upper_by[bin],
        })
    }

    /// The bet on whether the first code was wrong; `honest` is a lower bound of the
    /// share of honest people of whom it is.
    pub(crate) fn first_try(&self, wrong: bool, honest: f64) -> f64 {
        let q = (honest * (self.wrong + 1.0) / (honest * self.told + 1.0)).min(honest);
        if honest <= 0.0 {
            1.0
        } else if wrong {
            q / honest
        } else {
            (1.0 - q) / (1.0 - honest)
        }
    }

    /// One more approval.
    pub(crate) fn note(&mut self, bin: usize, wrong: bool) {
        if usize::from(self.seen) == SEEN_MAX {
            self.bins.rotate_left(1);
        } else {
            self.seen += 1;
        }
        self.bins[usize::from(self.seen) - 1] = bin as u8;
        self.told = KEEP * self.told + 1.0;
        self.wrong = KEEP * self.wrong + f64::from(u8::from(wrong));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::baseline::LatencyCurve;
    use crate::detector::evidence::missing_verification::{Stages, approval, hazard, silence};
    use crate::detector::profile::PROFILES;
    use crate::detector::tuning::Tuning;
    use proptest::prelude::*;

    /// Shares of the bins, adding up to one.
    fn shares() -> impl Strategy<Value = [f64; BINS]> {
        prop::array::uniform24(0.001f64..1.0).prop_map(|raw| {
            let sum: f64 = raw.iter().sum();
            raw.map(|x| x / sum)
        })
    }

    fn bounds(honest: &[f64; BINS], slack: f64, mean: [f64; BINS]) -> BinBounds {
        BinBounds {
            mean,
            upper: honest.map(|p| (p * slack).min(1.0)),
            upper_by: std::array::from_fn(|bin| (slack * honest[..=bin].iter().sum::<f64>()).min(1.0)),
        }
    }

    fn seen(bins: &[usize]) -> Approvals {
        let mut approvals = Approvals::default();
        for &bin in bins {
            approvals.note(bin, false);
        }
        approvals
    }

    proptest! {
        #[test]
        fn the_mean_of_a_latency_is_at_most_one(honest in shares(), mean in shares(), slack in 1.0f64..3.0, bins in prop::collection::vec(0usize..4, 0..12)) {
            let (place, bounds) = (seen(&bins), bounds(&honest, slack, mean));
            let total: f64 = (0..BINS).map(|b| honest[b] * place.latency(b, &bounds).map_or(1.0, |bet| bet.ordinary)).sum();
            prop_assert!(total <= 1.0 + 1e-9, "{total}");
        }

        /// Whatever delays, each person's by whatever it likes.
        #[test]
        fn the_mean_of_a_delayed_latency_is_at_most_one(honest in shares(), mean in shares(), delays in prop::array::uniform24(0usize..BINS), bins in prop::collection::vec(0usize..4, 0..12)) {
            let (place, bounds) = (seen(&bins), bounds(&honest, 1.0, mean));
            let total: f64 = (0..BINS)
                .map(|b| honest[b] * place.latency((b + delays[b]).min(BINS - 1), &bounds).map_or(1.0, |bet| bet.delayed))
                .sum();
            prop_assert!(total <= 1.0 + 1e-9, "{total}");
        }

        #[test]
        fn the_mean_of_a_first_try_is_at_most_one(honest in 0.0f64..0.5, more in 0.0f64..0.5, told in 0usize..100, wrong in 0usize..20) {
            let mut place = Approvals::default();
            for i in 0..told {
                place.note(3, i < wrong);
            }
            let share = honest + more;
            let mean = share * place.first_try(true, honest) + (1.0 - share) * place.first_try(false, honest);
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }

        /// Silence, approval and both bets together, over an attempt's whole fate.
        #[test]
        fn the_mean_over_an_attempts_fate_is_at_most_one(honest in shares(), mean in shares(), bins in prop::collection::vec(0usize..BINS, 0..12), bound in 0.08f64..0.85, excess in 0.0f64..0.15, k in 0usize..PROFILES) {
            let tuning = Tuning::default();
            let stages = Stages::new(&LatencyCurve::default(), &tuning);
            let (place, bounds) = (seen(&bins), bounds(&honest, 1.0, mean));
            let (truth, r) = (bound + excess, approval(1.0, &tuning)[k]);
            let (mut total, mut credited, mut passed) = (0.0, 0.0, 0.0);
            for (bin, share) in honest.iter().enumerate() {
                // All stages that end at or before the bin's beginning have passed in silence.
                let age = if bin == 0 { 0.0 } else { crate::detector::baseline::EDGES[bin - 1] };
                if stages.priors.iter().any(|p| p.age == age) {
                    credited = passed;
                }
                let credit = silence(hazard(0.0, credited, bound), 1.0, &tuning)[k];
                let bet = place.latency(bin, &bounds);
                total += truth * share * r * bet.map_or(credit, |bet| bet.ordinary);
                passed += share;
            }
            total += (1.0 - truth) * silence(hazard(0.0, credited, bound), 1.0, &tuning)[k];
            prop_assert!(total <= 1.0 + 1e-9, "{total}");
        }
    }

    #[test]
    fn a_machine_shows_after_a_few_approvals_and_people_do_not() {
        let spread = [1.0 / BINS as f64; BINS];
        let bounds = bounds(&spread, 1.5, spread);
        let mut machine = Approvals::default();
        let mut gained = 1.0;
        for _ in 0..8 {
            gained *= machine.latency(6, &bounds).map_or(1.0, |bet| bet.ordinary);
            machine.note(6, false);
        }
        assert!(libm::log(gained) > 10.0, "{gained}");
        assert_eq!(machine.crowd(), Some((6, 8)));
        assert_eq!(seen(&[6, 9, 12, 15, 7, 10, 3, 11]).latency(6, &bounds), None);
    }
}
