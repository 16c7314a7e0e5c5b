//! Family 2: where the numbers lie.
//!
//! Honest traffic puts at most a share p0 of the enclosing flow into a place. An
//! attack of profile k puts a share Q. The ratio is Q/p0 for an attempt inside
//! and (1−Q)/(1−p0) for one elsewhere; its mean p·Q/p0 + (1−p)(1−Q)/(1−p0) is at
//! most one for every true share p ≤ p0 < Q.

use crate::detector::profile::{PROFILES, Profile};
use crate::detector::tuning::Tuning;

/// The bet at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bet {
    /// Largest honest share.
    pub(crate) ceiling: f64,
    /// Bet only on attacks that take this many times the honest share: a region's
    /// share swings with the time of day.
    pub(crate) margin: f64,
}

/// Both bets at a place: against ordinary traffic and against a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bets {
    /// Against the share that ordinary traffic showed or may show.
    pub(crate) plain: Bet,
    /// Against the share that even a launch leaves to so narrow a range.
    pub(crate) launch: Option<Bet>,
}

/// A launch may favour a range this many times over its structural ceiling.
const LAUNCH_FAVOUR: f64 = 4.0;
/// In a region that is well known a launch lands where people live: no more than this
/// part of it goes to a range where next to nobody was seen, and so many times the
/// honest ceiling to one that is lived in. It begins at so many attempts in history.
const LAUNCH_KNOWN_PART: f64 = 0.1;
const LAUNCH_KNOWN_FAVOUR: f64 = 20.0;
const LAUNCH_KNOWN_MIN: f64 = 500.0;
/// Widest class of which a launch asserts that it is not all there is.
const LAUNCH_CLASS_MAX: u8 = 5;

impl Bets {
    /// An attempt inside: against ordinary traffic, and against a launch.
    pub(crate) fn inside(&self, tuning: &Tuning) -> ([f64; PROFILES], [f64; PROFILES]) {
        let launch = self.launch.map(|bet| bet.inside(|p| p.launch_share, tuning));
        (
            self.plain.inside(|p| p.share, tuning),
            launch.unwrap_or([1.0; PROFILES]),
        )
    }

    /// `count` attempts elsewhere, in the same order.
    pub(crate) fn elsewhere(&self, count: f64, tuning: &Tuning) -> ([f64; PROFILES], [f64; PROFILES]) {
        let launch = self.launch.map(|bet| bet.elsewhere(count, |p| p.launch_share, tuning));
        (
            self.plain.elsewhere(count, |p| p.share, tuning),
            launch.unwrap_or([1.0; PROFILES]),
        )
    }

    /// The bets at a range of class m with an honest ceiling, in a region with so many
    /// attempts in history.
    pub(crate) fn of_range(class: u8, ceiling: f64, region: f64, tuning: &Tuning) -> Self {
        let launch = (class <= LAUNCH_CLASS_MAX).then(|| {
            let widest = LAUNCH_FAVOUR * tuning.structural[usize::from(class.clamp(2, 6) - 2)];
            let part = (LAUNCH_KNOWN_MIN / region.max(1.0)).clamp(LAUNCH_KNOWN_PART, 1.0);
            Bet {
                ceiling: widest.min((part * widest).max(LAUNCH_KNOWN_FAVOUR * ceiling)),
                margin: 1.0,
            }
        });
        Self {
            plain: Bet { ceiling, margin: 1.0 },
            launch,
        }
    }

    /// The bets at a region or a source: a launch may be in one country alone, and a
    /// crowd in one place.
    pub(crate) fn of_region(ceiling: f64, margin: f64) -> Self {
        Self {
            plain: Bet { ceiling, margin },
            launch: None,
        }
    }
}

/// A region's or source's share must exceed its upper bound this many times to be bet
/// on, as shares swing with the time of day; less where the hour is accounted for.
pub(crate) const MARGIN: f64 = 4.0;
pub(crate) const MARGIN_WITHIN_HOUR: f64 = 2.0;

impl Bet {
    fn applies(&self, share: f64) -> bool {
        share > self.margin * self.ceiling && self.ceiling < 1.0
    }

    /// An attempt inside; `share` is what each profile bets on.
    fn inside(&self, share: impl Fn(&Profile) -> f64, tuning: &Tuning) -> [f64; PROFILES] {
        tuning.profiles.map(|p| {
            let share = share(&p);
            if self.applies(share) { share / self.ceiling } else { 1.0 }
        })
    }

    /// `count` attempts elsewhere.
    fn elsewhere(&self, count: f64, share: impl Fn(&Profile) -> f64, tuning: &Tuning) -> [f64; PROFILES] {
        if count <= 0.0 {
            return [1.0; PROFILES];
        }
        let honest = libm::log1p(-self.ceiling.min(0.999_999));
        tuning.profiles.map(|p| {
            let share = share(&p);
            if self.applies(share) {
                libm::exp(count * (libm::log1p(-share) - honest))
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

    #[test]
    fn a_launch_in_a_known_country_goes_where_people_live() {
        let tuning = Tuning::default();
        let ceiling = |class, seen, region| Bets::of_range(class, seen, region, &tuning).launch.unwrap().ceiling;
        assert_eq!(ceiling(4, 0.12, 0.0), 0.48, "a country never seen");
        assert_eq!(ceiling(4, 1e-4, 300.0), 0.48);
        assert!(
            (ceiling(4, 1e-4, 50_000.0) - 0.048).abs() < 1e-12,
            "nobody was seen there"
        );
        assert!((ceiling(4, 0.01, 50_000.0) - 0.2).abs() < 1e-12, "lived in");
        assert_eq!(ceiling(4, 0.3, 50_000.0), 0.48);
    }

    proptest! {
        #[test]
        fn the_mean_is_at_most_one_below_the_ceiling(ceiling in 1e-6f64..0.99, part in 0.0f64..=1.0, margin in 1.0f64..4.0) {
            let tuning = Tuning::default();
            let bet = Bet { ceiling, margin };
            let truth = ceiling * part;
            for (inside, elsewhere) in bet.inside(|p| p.share, &tuning).iter().zip(bet.elsewhere(1.0, |p| p.share, &tuning)) {
                prop_assert!(truth * inside + (1.0 - truth) * elsewhere <= 1.0 + 1e-9);
            }
        }
    }
}
