//! Family 1: attempts that stay silent where honest people would have verified.
//!
//! For an attempt whose honest hazard of being verified is at least h, the ratio
//! r^verified · exp((1−r)·ΔΛ) with r < 1 has mean at most one: an approval
//! multiplies by r, silence from age a to b by exp((1−r)·(Λ(b)−Λ(a))) with
//! Λ(a) = −ln(1 − p·F(a)), p the lower bound of conversion and F the latency.

use serde::{Deserialize, Serialize};

use crate::detector::baseline::{LatencyCurve, Prior};
use crate::detector::profile::PROFILES;
use crate::detector::tuning::Tuning;

/// The ages at which silence is credited, and what the shipped prior says of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stages {
    /// Age at which each stage is due, in milliseconds.
    pub(crate) due_ms: [i64; 10],
    /// What is known beforehand of the age that each stage credits.
    pub(crate) priors: [Prior; 10],
}

impl Stages {
    pub(crate) fn new(curve: &LatencyCurve, tuning: &Tuning) -> Self {
        Self {
            due_ms: tuning.silence_stages.map(|s| (s * 1_000.0) as i64),
            priors: tuning.silence_stages.map(|s| curve.at(s - tuning.silence_slack)),
        }
    }

    /// How many stages there are.
    pub(crate) fn len(&self) -> usize {
        self.due_ms.len()
    }
}

/// Honest hazard that passes while the share of verifications that have come
/// grows from `before` to `share`.
///
/// Shares are lower bounds, and an attempt is credited with the largest that held
/// at its stages so far: they may be learned meanwhile, from others, as long as
/// none exceeds the true share of its age.
pub(crate) fn hazard(before: f64, share: f64, conversion: f64) -> f64 {
    libm::log((1.0 - conversion * before) / (1.0 - conversion * share.max(before)))
}

/// What silence over `hazard` is worth to each profile, at the attempt's weight.
pub(crate) fn silence(hazard: f64, weight: f64, tuning: &Tuning) -> [f64; PROFILES] {
    tuning
        .profiles
        .map(|p| libm::exp((1.0 - p.conversion) * weight * hazard))
}

/// What an attempt's silence is worth to each profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Credit {
    /// Against ordinary conversion.
    pub(crate) ordinary: [f64; PROFILES],
    /// Against the high conversion that an enrolment asserts.
    pub(crate) high: [f64; PROFILES],
    /// Verifications that honest people would at least have made meanwhile.
    pub(crate) due: f64,
    /// Share of those who verify at all that had the time to do so meanwhile.
    pub(crate) ripe: f64,
}

impl Credit {
    /// No silence at all.
    pub(crate) const NONE: Self = Self {
        ordinary: [1.0; PROFILES],
        high: [1.0; PROFILES],
        due: 0.0,
        ripe: 0.0,
    };

    /// Silence while the share of verifications that have come grows from `before` to
    /// `share`, of an attempt with a lower bound of conversion and a weight.
    pub(crate) fn new(before: f64, share: f64, conversion: f64, weight: f64, tuning: &Tuning) -> Self {
        let credit = |conversion| silence(hazard(before, share, conversion), weight, tuning);
        Self {
            ordinary: credit(conversion),
            high: credit(conversion.max(tuning.enrolment_conversion)),
            due: conversion * (share - before).max(0.0),
            ripe: (share - before).max(0.0),
        }
    }
}

/// What an approval is worth to each profile, at the attempt's weight: a power
/// below one of an e-value is still one.
pub(crate) fn approval(weight: f64, tuning: &Tuning) -> [f64; PROFILES] {
    tuning.profiles.map(|p| {
        if weight >= 1.0 {
            p.conversion
        } else {
            libm::pow(p.conversion, weight)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The exact mean over an honest attempt's fate, whatever its true
        /// conversion above the bound and however the learned shares move below the
        /// true ones while it is open: silent through all stages, or approved
        /// within one of them.
        #[test]
        fn the_mean_under_honest_conversion_is_at_most_one(
            bound in 0.08f64..0.85,
            excess in 0.0f64..0.15,
            k in 0usize..PROFILES,
            weight in 0.1f64..=1.0,
            median in 3.0f64..300.0,
            sigma in 0.2f64..1.5,
            learned in prop::array::uniform10(0.0f64..=1.0),
            until in 0usize..=10,
        ) {
            let tuning = Tuning::default();
            let stages = Stages::new(&LatencyCurve::default(), &tuning);
            let honest = |age: f64| 0.5 * libm::erfc(-libm::log(age / median) / sigma / std::f64::consts::SQRT_2);
            let truth = bound + excess;
            let r = approval(weight, &tuning)[k];
            let (mut mean, mut factor, mut passed, mut credited) = (0.0, 1.0, 0.0, 0.0_f64);
            for (stage, part) in learned.iter().enumerate().take(until) {
                let share = honest(stages.priors[stage].age);
                mean += truth * (share - passed) * factor * r;
                let known = share * part;
                factor *= silence(hazard(credited, known, bound), weight, &tuning)[k];
                credited = credited.max(known);
                passed = share;
            }
            mean += (1.0 - truth * passed) * factor;
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }
    }
}
