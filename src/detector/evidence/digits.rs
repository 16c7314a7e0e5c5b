//! Family 2: where the numbers lie.
//!
//! Honest traffic puts at most a share p0 of the enclosing flow into a place. An
//! attack of profile k puts a share Q. The ratio is Q/p0 for an attempt inside
//! and (1−Q)/(1−p0) for one elsewhere; its mean p·Q/p0 + (1−p)(1−Q)/(1−p0) is at
//! most one for every true share p ≤ p0 < Q.

use crate::detector::tuning::{PROFILES, Tuning};

/// The bet at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bet {
    /// Largest honest share.
    pub(crate) ceiling: f64,
    /// Bet only on attacks that take this many times the honest share: a region's
    /// share swings with the time of day.
    pub(crate) margin: f64,
}

impl Bet {
    fn applies(&self, share: f64) -> bool {
        share > self.margin * self.ceiling && self.ceiling < 1.0
    }

    /// An attempt inside.
    pub(crate) fn inside(&self, tuning: &Tuning) -> [f64; PROFILES] {
        tuning.profiles.map(|p| {
            if self.applies(p.share) {
                p.share / self.ceiling
            } else {
                1.0
            }
        })
    }

    /// `count` attempts elsewhere.
    pub(crate) fn elsewhere(&self, count: f64, tuning: &Tuning) -> [f64; PROFILES] {
        if count <= 0.0 {
            return [1.0; PROFILES];
        }
        let honest = libm::log1p(-self.ceiling.min(0.999_999));
        tuning.profiles.map(|p| {
            if self.applies(p.share) {
                libm::exp(count * (libm::log1p(-p.share) - honest))
            } else {
                1.0
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mean_is_at_most_one_below_the_ceiling(ceiling in 1e-6f64..0.99, part in 0.0f64..=1.0, margin in 1.0f64..4.0) {
            let tuning = Tuning::default();
            let bet = Bet { ceiling, margin };
            let truth = ceiling * part;
            for (inside, elsewhere) in bet.inside(&tuning).iter().zip(bet.elsewhere(1.0, &tuning)) {
                prop_assert!(truth * inside + (1.0 - truth) * elsewhere <= 1.0 + 1e-9);
            }
        }
    }
}
