//! Family 1: attempts that stay silent where honest people would have verified.
//!
//! For an attempt whose honest hazard of being verified is at least h, the ratio
//! r^verified · exp((1−r)·ΔΛ) with r < 1 has mean at most one: an approval
//! multiplies by r, silence from age a to b by exp((1−r)·(Λ(b)−Λ(a))) with
//! Λ(a) = −ln(1 − p·F(a)), p the lower bound of conversion and F the latency.

use serde::{Deserialize, Serialize};

use crate::detector::baseline::LatencyCurve;
use crate::detector::tuning::{PROFILES, Tuning};

/// The shares of verifications that the stages of silence credit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stages {
    /// Age at which each stage is due, in milliseconds.
    pub(crate) due_ms: [i64; 10],
    share_by: [f64; 10],
}

impl Stages {
    pub(crate) fn new(curve: &LatencyCurve, tuning: &Tuning) -> Self {
        Self {
            due_ms: tuning.silence_stages.map(|s| (s * 1_000.0) as i64),
            share_by: tuning.silence_stages.map(|s| curve.share_by(s - tuning.silence_slack)),
        }
    }

    /// How many stages there are.
    pub(crate) fn len(&self) -> usize {
        self.due_ms.len()
    }

    /// Honest hazard that passes between the stage before and this one.
    pub(crate) fn hazard(&self, stage: usize, conversion: f64) -> f64 {
        let before = if stage == 0 { 0.0 } else { self.share_by[stage - 1] };
        libm::log((1.0 - conversion * before) / (1.0 - conversion * self.share_by[stage]))
    }
}

/// What silence over `hazard` is worth to each profile, at the attempt's weight.
pub(crate) fn silence(hazard: f64, weight: f64, tuning: &Tuning) -> [f64; PROFILES] {
    tuning
        .profiles
        .map(|p| libm::exp((1.0 - p.conversion) * weight * hazard))
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
        /// conversion above the bound: silent through all stages, or approved
        /// within one of them.
        #[test]
        fn the_mean_under_honest_conversion_is_at_most_one(bound in 0.08f64..0.85, excess in 0.0f64..0.15, k in 0usize..PROFILES, weight in 0.1f64..=1.0) {
            let tuning = Tuning::default();
            let stages = Stages::new(&LatencyCurve::default(), &tuning);
            let truth = bound + excess;
            let r = approval(weight, &tuning)[k];
            let (mut mean, mut credited, mut passed) = (0.0, 1.0, 0.0);
            for stage in 0..stages.len() {
                mean += truth * (stages.share_by[stage] - passed) * credited * r;
                credited *= silence(stages.hazard(stage, bound), weight, &tuning)[k];
                passed = stages.share_by[stage];
            }
            mean += (1.0 - truth * passed) * credited;
            prop_assert!(mean <= 1.0 + 1e-9, "{mean}");
        }
    }
}
