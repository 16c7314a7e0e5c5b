//! Family 5: more attempts than honest traffic would make.
//!
//! For gaps of a process whose rate is at most λ, θ·exp(−(θ−1)·λ·Δt) has mean at
//! most one for every θ ≥ 1. Each profile bets on one θ, so that the mixture over
//! rates lies across profiles and costs nothing inside a step.

use crate::detector::profile::PROFILES;
use crate::detector::tuning::Tuning;

/// The honest rate is over-dispersed and seasonal: its bound is this many times the
/// mean, where the hour of the week is known this many times that hour's mean, and a
/// little more that matters where the mean is tiny.
const BURSTINESS: f64 = 6.0;
const BURSTINESS_WITHIN_HOUR: f64 = 3.0;
const EXTRA_PER_HOUR: f64 = 2.0;
/// No hour is believed to be quieter than this.
const FACTOR_MIN: f64 = 0.2;

/// Upper bound of the honest rate an hour, from its long-run mean and the factor of the
/// present hour, where that is known.
pub(crate) fn upper_rate(honest_per_hour: f64, factor: Option<f64>) -> f64 {
    let times = factor.map_or(BURSTINESS, |f| BURSTINESS_WITHIN_HOUR * f.max(FACTOR_MIN));
    times * honest_per_hour + EXTRA_PER_HOUR
}

/// The same of a range: no more than what its region makes at most, times the largest
/// share of it that honest traffic puts there.
pub(crate) fn upper_rate_within(own: f64, ceiling: f64, region: f64, factor: Option<f64>) -> f64 {
    upper_rate(own, factor).min(ceiling * upper_rate(region, factor))
}

/// The ratio of an attempt that came `gap_seconds` after the one before.
pub(crate) fn gap(upper_per_hour: f64, gap_seconds: f64, tuning: &Tuning) -> [f64; PROFILES] {
    let due = upper_per_hour / 3_600.0 * gap_seconds.max(0.0);
    tuning.profiles.map(|p| p.surge * libm::exp(-(p.surge - 1.0) * due))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Closed form: ∫ λe^{−λt}·θe^{−(θ−1)ut} dt = θλ/(λ+(θ−1)u) ≤ 1 for λ ≤ u;
        /// the code's ratio is checked against it at random gaps.
        #[test]
        fn the_mean_over_exponential_gaps_is_at_most_one(upper in 1.0f64..1e4, part in 0.01f64..=1.0, t in 0.0f64..10.0) {
            let tuning = Tuning::default();
            let (u, l) = (upper / 3_600.0, upper * part / 3_600.0);
            for (p, got) in tuning.profiles.iter().zip(gap(upper, t, &tuning)) {
                let want = p.surge * libm::exp(-(p.surge - 1.0) * u * t);
                prop_assert!((got - want).abs() <= 1e-9 * want.max(1.0));
                prop_assert!(p.surge * l / (l + (p.surge - 1.0) * u) <= 1.0 + 1e-9);
            }
        }
    }
}
