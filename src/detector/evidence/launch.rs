//! What a launch and an enrolment assert, and so what can refute them.
//!
//! A launch spreads over the numbers of its range: no hundred takes more than a
//! quarter of its thousand, and only a small share of a range is reached in an
//! hour. An enrolment is done by people at desks from one network.

use crate::detector::tuning::Tuning;
use crate::model::Prefix;

/// Share of its thousand that a hundred takes at most in a launch.
const FILL_HONEST: f64 = 0.25;
/// Share that the bet against it assumes.
const FILL_ATTACK: f64 = 0.9;
/// Share of neighbours in time that come from one network in an enrolment.
const SAME_NETWORK: f64 = 0.7;
/// Share that the bet against it assumes.
const SAME_NETWORK_ATTACK: f64 = 0.1;
/// Share of an enrolment's attempts whose numbers lie near the one before.
const NEAR_HONEST: f64 = 0.8;
/// Share that the bet against it assumes.
const NEAR_ATTACK: f64 = 0.25;
/// Rates over the asserted ones that the bets assume, in equal parts.
const SURGES: [f64; 2] = [4.0, 40.0];
/// What one gap may be worth at most: honest crowds come in clusters.
const GAP_MAX: f64 = 7.4;

/// Against a launch: `elsewhere` attempts of the thousand missed this hundred
/// since the last visit, and whether the present attempt counts as a hit.
pub(crate) fn fill(elsewhere: f64, hit: bool) -> f64 {
    let missed = libm::exp(elsewhere.max(0.0) * libm::log((1.0 - FILL_ATTACK) / (1.0 - FILL_HONEST)));
    if hit {
        missed * FILL_ATTACK / FILL_HONEST
    } else {
        missed
    }
}

/// Against people at desks: an attempt from the same or from another network.
pub(crate) fn network_change(same: bool) -> f64 {
    if same {
        SAME_NETWORK_ATTACK / SAME_NETWORK
    } else {
        (1.0 - SAME_NETWORK_ATTACK) / (1.0 - SAME_NETWORK)
    }
}

/// Against people of one company: whether an attempt's block of 100 lies within
/// a thousand numbers of the one before, in a range that is wider.
pub(crate) fn scatter(is_near: bool) -> f64 {
    if is_near {
        NEAR_ATTACK / NEAR_HONEST
    } else {
        (1.0 - NEAR_ATTACK) / (1.0 - NEAR_HONEST)
    }
}

/// Whether two blocks of 100 lie within a thousand numbers of each other.
pub(crate) fn is_near(a: Prefix, b: Prefix) -> bool {
    a.len() == b.len() && a.digits().abs_diff(b.digits()) < 10
}

/// Against a rate of at most `per_second`: the gap since the last visit.
fn rate(per_second: f64, gap_seconds: f64) -> f64 {
    let sum: f64 = SURGES
        .iter()
        .map(|surge| surge * libm::exp(-(surge - 1.0) * per_second * gap_seconds) / SURGES.len() as f64)
        .sum();
    sum.min(GAP_MAX)
}

/// Against a launch in a range of class m: it reaches a small share an hour.
pub(crate) fn launch_rate(class: u8, gap_seconds: f64, tuning: &Tuning) -> f64 {
    rate(
        tuning.launch_reach * libm::exp10(f64::from(class)) / 3_600.0,
        gap_seconds,
    )
}

/// Against an enrolment: people at desks.
pub(crate) fn desk_rate(gap_seconds: f64, tuning: &Tuning) -> f64 {
    rate(tuning.enrolment_rate, gap_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fill_bet_has_mean_at_most_one(part in 0.0f64..=1.0) {
            let truth = FILL_HONEST * part;
            prop_assert!(truth * fill(0.0, true) + (1.0 - truth) * fill(1.0, false) <= 1.0 + 1e-9);
        }

        #[test]
        fn the_network_bet_has_mean_at_most_one(excess in 0.0f64..=0.3) {
            let truth = SAME_NETWORK + excess;
            prop_assert!(truth * network_change(true) + (1.0 - truth) * network_change(false) <= 1.0 + 1e-9);
        }

        #[test]
        fn the_scatter_bet_has_mean_at_most_one(excess in 0.0f64..=0.2) {
            let truth = NEAR_HONEST + excess;
            prop_assert!(truth * scatter(true) + (1.0 - truth) * scatter(false) <= 1.0 + 1e-9);
        }

        /// Exponential gaps of any rate up to the asserted one: the integral is
        /// the sum of θλ/(λ + (θ−1)λ₀), in closed form.
        #[test]
        fn the_rate_bet_has_mean_at_most_one(asserted in 1e-4f64..10.0, part in 0.01f64..=1.0) {
            let truth = asserted * part;
            let steps = 20_000;
            let horizon = 40.0 / truth;
            let dt = horizon / f64::from(steps);
            let mean: f64 = (0..steps)
                .map(|i| {
                    let t = (f64::from(i) + 0.5) * dt;
                    rate(asserted, t) * truth * libm::exp(-truth * t) * dt
                })
                .sum();
            prop_assert!(mean <= 1.0 + 5e-2, "{mean}");
        }
    }
}
