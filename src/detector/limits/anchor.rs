//! What a verified user of one region costs: an anchor that does not adapt.
//!
//! Every other baseline learns, and what learns can be taught, slowly enough. Money per
//! verified user is fixed from a region's first weeks on and stays. A day that costs
//! twice as much for each of its verified users is told of, whatever the reason: prices
//! that rose, messages that do not arrive, or an attack that stays below every line.
//! So what no other evidence sees costs, in each region, no more than its honest
//! traffic does.
//!
//! What is spent inside a block, while the verification feed is silent or during a known
//! outage is left out by the caller: that is told of already.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::{DAY, HOUR, Micros, Millis};

/// The anchor is fixed from so many verified users and so much time on.
const FIXED_VERIFIED: u64 = 200;
const FIXED_MS: i64 = 7 * DAY;
/// Hours that are judged together.
const HOURS: i64 = 24;
/// Over the anchor so many times is told of.
const TIMES: f64 = 2.0;
/// Verified users that the money should have bought, and standard deviations (of a
/// Poisson count) by which they must have been missed.
const EXPECTED_MIN: f64 = 20.0;
const DEVIATIONS: f64 = 4.0;
/// What was told is told again after this, while it lasts.
const TOLD_MS: i64 = DAY;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Totals {
    spent: i64,
    verified: u64,
}

/// One region's money and verified users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    since: Option<Millis>,
    /// Until the anchor is fixed.
    first: Totals,
    /// Micro-units for each verified user.
    fixed: Option<f64>,
    /// The latest hours in which anything happened.
    hours: VecDeque<(i64, Totals)>,
    told: Option<Millis>,
}

/// A day that cost too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Excess {
    /// What one verified user cost within the day, in micro-units.
    pub(crate) each: f64,
    /// What one costs by the anchor.
    pub(crate) usual: f64,
    /// Verified users of the day.
    pub(crate) verified: u64,
    /// What was spent, and what of it goes beyond the usual.
    pub(crate) spent: Micros,
    pub(crate) beyond: Micros,
}

impl Anchor {
    /// Money spent at `now`. Returns an excess of the hours that are over, when it is
    /// time to tell of one.
    pub(crate) fn spend(&mut self, now: Millis, cost: Micros) -> Option<Excess> {
        let since = *self.since.get_or_insert(now);
        let is_new_hour = self.hours.back().is_none_or(|(hour, _)| *hour != hour_of(now));
        let excess = if is_new_hour { self.excess(now) } else { None };
        if self.fixed.is_none() && now - since >= FIXED_MS && self.first.verified >= FIXED_VERIFIED {
            self.fixed = Some(self.first.spent as f64 / self.first.verified as f64).filter(|each| *each > 0.0);
        }
        self.add(now, |totals| totals.spent += cost.0);
        excess
    }

    /// One verified user.
    pub(crate) fn verify(&mut self, now: Millis) {
        self.add(now, |totals| totals.verified += 1);
    }

    fn add(&mut self, now: Millis, add: impl Fn(&mut Totals)) {
        let hour = hour_of(now);
        if self.hours.back().is_none_or(|(last, _)| *last != hour) {
            while self.hours.front().is_some_and(|(first, _)| *first <= hour - HOURS) {
                self.hours.pop_front();
            }
            self.hours.push_back((hour, Totals::default()));
        }
        if let Some((_, totals)) = self.hours.back_mut() {
            add(totals);
        }
        if self.fixed.is_none() {
            add(&mut self.first);
        }
    }

    fn excess(&mut self, now: Millis) -> Option<Excess> {
        let usual = self.fixed?;
        if self.told.is_some_and(|at| now - at < TOLD_MS) {
            return None;
        }
        let of_day = self.hours.iter().filter(|(hour, _)| *hour >= hour_of(now) - HOURS);
        let day = of_day.fold(Totals::default(), |sum, (_, one)| Totals {
            spent: sum.spent + one.spent,
            verified: sum.verified + one.verified,
        });
        let (expected, verified) = (day.spent as f64 / usual, day.verified as f64);
        let is_told = expected >= EXPECTED_MIN
            && expected >= TIMES * verified
            && expected - verified >= DEVIATIONS * libm::sqrt(expected);
        if !is_told {
            return None;
        }
        self.told = Some(now);
        Some(Excess {
            each: day.spent as f64 / verified.max(1.0),
            usual,
            verified: day.verified,
            spent: Micros(day.spent),
            beyond: Micros(day.spent - (verified * usual) as i64),
        })
    }
}

fn hour_of(time: Millis) -> i64 {
    time.0.div_euclid(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Hours of 10 messages of 0.1, of which `verified` verify; the excesses told of.
    fn hours(anchor: &mut Anchor, from: i64, count: i64, verified: i64, price: i64) -> Vec<Excess> {
        let mut told = Vec::new();
        for hour in from..from + count {
            for i in 0..10 {
                let now = Millis(hour * HOUR + i * 1_000);
                told.extend(anchor.spend(now, Micros(price)));
                if i < verified {
                    anchor.verify(now + 500);
                }
            }
        }
        told
    }

    #[test]
    fn a_slow_fall_is_told_of_once_a_day_however_slow_it_was() {
        let mut anchor = Anchor::default();
        assert_eq!(hours(&mut anchor, 0, 14 * 24, 6, 100_000), []);
        assert_eq!(
            hours(&mut anchor, 14 * 24, 30 * 24, 4, 100_000),
            [],
            "half as much again"
        );
        let told = hours(&mut anchor, 44 * 24, 5 * 24, 2, 100_000);
        assert!((4..=5).contains(&told.len()), "{told:?}");
        let excess = told[1];
        assert!((excess.usual - 1e6 / 6.0).abs() < 2e3, "{excess:?}");
        assert!((excess.each - 5e5).abs() < 2e4, "{excess:?}");
        assert!(excess.beyond.0 > excess.spent.0 / 2);
    }

    #[test]
    fn prices_that_rise_are_told_of_too() {
        let mut anchor = Anchor::default();
        hours(&mut anchor, 0, 14 * 24, 6, 100_000);
        assert!(!hours(&mut anchor, 14 * 24, 48, 6, 300_000).is_empty());
    }

    #[test]
    fn a_region_without_prices_or_users_has_no_anchor() {
        let mut anchor = Anchor::default();
        hours(&mut anchor, 0, 20 * 24, 6, 0);
        assert_eq!(anchor.fixed, None);
        let mut anchor = Anchor::default();
        assert_eq!(hours(&mut anchor, 0, 60 * 24, 0, 100_000), []);
    }

    proptest! {
        /// Whatever happened, no more than a day is kept.
        #[test]
        fn no_more_than_a_day_is_kept(steps in prop::collection::vec((0i64..40, 0i64..1_000_000), 1..200)) {
            let (mut anchor, mut now) = (Anchor::default(), Millis(0));
            for (hours, cost) in steps {
                now = now + hours * HOUR;
                anchor.spend(now, Micros(cost));
                prop_assert!(anchor.hours.len() <= HOURS as usize);
            }
        }
    }
}
