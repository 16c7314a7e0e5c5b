//! Family 6: gaps too even to be people.
//!
//! Of two successive gaps only u = g₁/(g₁ + g₂) is looked at, so that the unknown
//! rate, with its seasons, cancels. People whose rate holds still over two gaps
//! make u uniform; over-dispersed gaps, and gaps of two different rates, make
//! values near 0 and 1 more likely still. A bet with the density Beta(a, a), a > 1,
//! has mean one under the uniform law, and at most one under every law that grows
//! towards both ends. Pairs are disjoint and a is fixed before the pair; u is
//! independent of g₁ + g₂ there, which is why pairs may be left out by their sum
//! and why the bet may be multiplied with those on volume.

use serde::{Deserialize, Serialize};

use crate::model::{MINUTE, Millis, SECOND};

/// A pair of gaps must last this many times the resolution of its times: on a coarse
/// clock equal gaps are nothing unusual.
const RESOLUTIONS_MIN: i64 = 24;
/// Pairs of honest gaps with which a place begins.
const PSEUDO: f64 = 2.0;
/// Each pair keeps this much of the older ones.
const KEEP: f64 = 0.95;
/// Mean of (2u − 1)² among people.
const HONEST_SPREAD: f64 = 1.0 / 3.0;
/// The root of it: how much of their sum people's gaps differ by.
pub(crate) const UNEVENNESS_HONEST: f64 = 0.577_350_269;
/// Only gaps more even than this are bet on, and on none more even than that.
const SHAPE_MIN: f64 = 1.75;
const SHAPE_MAX: f64 = 40.0;

/// The rhythm of a place's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rhythm {
    last: Option<Millis>,
    /// First gap of an unfinished pair; 0 where none has begun.
    gap: i64,
    /// The pair's coarsest time is a multiple of this.
    resolution: i64,
    pairs: f64,
    spread: f64,
}

impl Rhythm {
    /// An attempt that happened at `time`: its ratio, 1 where it ends no pair.
    pub(crate) fn observe(&mut self, time: Millis) -> f64 {
        let Some(before) = self.last.replace(time) else {
            return 1.0;
        };
        let gap = time - before;
        if gap <= 0 {
            self.gap = 0;
            return 1.0;
        }
        if self.gap == 0 {
            self.gap = gap;
            self.resolution = resolution(before).min(resolution(time));
            return 1.0;
        }
        let sum = self.gap + gap;
        let u = self.gap as f64 / sum as f64;
        let resolution = self.resolution.min(resolution(time));
        self.gap = 0;
        if sum < RESOLUTIONS_MIN * resolution {
            return 1.0;
        }
        let ratio = density(self.shape(), u);
        self.pairs = KEEP * self.pairs + 1.0;
        self.spread = KEEP * self.spread + (2.0 * u - 1.0) * (2.0 * u - 1.0);
        ratio
    }

    /// By how much of their sum two successive gaps differ, as a root of squares: 0.58
    /// among people, 0 for a clock.
    pub(crate) fn unevenness(&self) -> f64 {
        libm::sqrt(self.mean_spread())
    }

    fn mean_spread(&self) -> f64 {
        (self.spread + PSEUDO * HONEST_SPREAD) / (self.pairs + PSEUDO)
    }

    /// The shape of the next bet: (2u − 1)² has mean 1/(2a + 1) under Beta(a, a).
    fn shape(&self) -> f64 {
        ((1.0 / self.mean_spread() - 1.0) / 2.0).min(SHAPE_MAX)
    }
}

/// How coarse the clock behind a time may be, in milliseconds; no finer than what
/// queues and networks add.
fn resolution(time: Millis) -> i64 {
    [MINUTE, SECOND]
        .into_iter()
        .find(|unit| time.0 % unit == 0)
        .unwrap_or(SECOND / 4)
}

/// Density of Beta(a, a) at u; 1 where a says nothing.
fn density(shape: f64, u: f64) -> f64 {
    if shape < SHAPE_MIN {
        return 1.0;
    }
    let whole = libm::lgamma(2.0 * shape) - 2.0 * libm::lgamma(shape);
    libm::exp(whole + (shape - 1.0) * libm::log(u * (1.0 - u)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// ∫ density(a, u)·law(u) du by the midpoint rule.
    fn mean(shape: f64, law: impl Fn(f64) -> f64) -> f64 {
        let steps = 4_000;
        let at = |i: i32| (f64::from(i) + 0.5) / f64::from(steps);
        let total: f64 = (0..steps).map(|i| law(at(i))).sum();
        (0..steps).map(|i| density(shape, at(i)) * law(at(i))).sum::<f64>() / total
    }

    proptest! {
        #[test]
        fn the_mean_over_gaps_of_one_rate_is_one(shape in 1.0f64..SHAPE_MAX) {
            prop_assert!((mean(shape, |_| 1.0) - 1.0).abs() < 1e-3);
        }

        /// Gamma gaps of any shape up to one: u has the law Beta(b, b).
        #[test]
        fn the_mean_over_more_dispersed_gaps_is_at_most_one(shape in 1.0f64..SHAPE_MAX, b in 0.2f64..=1.0) {
            prop_assert!(mean(shape, |u| libm::pow(u * (1.0 - u), b - 1.0)) <= 1.0 + 1e-3);
        }

        /// Exponential gaps whose rates differ by any factor, either way.
        #[test]
        fn the_mean_over_gaps_of_two_rates_is_at_most_one(shape in 1.0f64..SHAPE_MAX, factor in 1.0f64..100.0) {
            let law = |u: f64| factor / libm::pow(1.0 + (factor - 1.0) * u, 2.0);
            prop_assert!(mean(shape, |u| law(u) + law(1.0 - u)) <= 1.0 + 1e-3);
        }

        /// The product over a stretch of people's gaps, on a clock of whole seconds:
        /// as every factor has mean one given the past, few products are large.
        #[test]
        fn people_seldom_look_even(seeds in prop::collection::vec(1u64..1_000_000_000, 64)) {
            let mut large = 0;
            for seed in &seeds {
                let (mut rhythm, mut product, mut time, mut state) = (Rhythm::default(), 1.0, 0i64, *seed);
                for _ in 0..60 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let u = ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                    time += (-libm::log(u) * 40.0) as i64 * SECOND;
                    product *= rhythm.observe(Millis(time));
                }
                large += usize::from(product > 50.0);
            }
            prop_assert!(large <= 8, "{large} of 64 above 50");
        }
    }

    #[test]
    fn a_clock_is_told_from_people_within_some_twenty_messages() {
        let (mut rhythm, mut product) = (Rhythm::default(), 1.0);
        for i in 0..24i64 {
            product *= rhythm.observe(Millis(i * 60_000 + (i * 7_919) % 1_800));
        }
        assert!(product > libm::exp(8.0), "{product}");
        assert!(rhythm.unevenness() < 0.3);
    }

    #[test]
    fn equal_times_on_a_coarse_clock_say_nothing() {
        let mut rhythm = Rhythm::default();
        for i in 0..100 {
            assert_eq!(rhythm.observe(Millis(i * MINUTE)), 1.0);
        }
    }
}
