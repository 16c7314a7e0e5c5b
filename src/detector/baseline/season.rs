//! Seasons: how traffic goes through the hours of the week, in UTC.
//!
//! A season is told by two counts for each of the 168 hours: attempts that have left
//! the hold-back, and how often that hour has passed meanwhile. Their ratio over the
//! mean rate is the hour's *factor*. Factors are drawn by pseudo-attempts to what is
//! known of more traffic: an hour of the week to the same hour of all days, a region to
//! its tenant. So the first days tell of days and the first weeks of weeks.

use serde::{Deserialize, Serialize};

use crate::model::{HOUR, Millis};

/// Hours of a week, and of a day.
const HOURS: usize = 168;
const DAY_HOURS: usize = 24;
/// Pseudo-attempts with which a factor is drawn to the wider one.
const PSEUDO: f64 = 10.0;
/// Hours that must have passed before seasons are told: two days.
const EXPOSED_MIN: f64 = 47.5;

/// The hour of the week in which a time lies.
fn hour_of(time: Millis) -> usize {
    time.0.div_euclid(HOUR).rem_euclid(HOURS as i64) as usize
}

/// How often each hour of the week has passed, fading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exposure {
    hours: Vec<f64>,
    /// The next whole hour since the epoch; `None` before the first.
    next: Option<i64>,
    total: f64,
}

impl Exposure {
    /// All whole hours up to `until` have passed, of a tenant first seen at `first`.
    pub(crate) fn pass(&mut self, first: Millis, until: Millis, decay_ms: f64) {
        let end = until.0.div_euclid(HOUR);
        let begin = self.next.unwrap_or(first.0.div_euclid(HOUR) + 1);
        if end <= begin {
            return;
        }
        self.hours.resize(HOURS, 0.0);
        let keep = libm::exp(-(HOUR as f64) / decay_ms);
        // What lies more than a year back has faded.
        for hour in begin.max(end - 53 * HOURS as i64)..end {
            for count in &mut self.hours {
                *count *= keep;
            }
            self.hours[hour.rem_euclid(HOURS as i64) as usize] += 1.0;
            self.total = self.total * keep + 1.0;
        }
        self.next = Some(end);
    }

    /// Whether enough hours have passed to tell of seasons.
    pub(crate) fn is_mature(&self) -> bool {
        self.total >= EXPOSED_MIN
    }
}

/// Attempts by hour of the week, fading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Season {
    hours: Vec<f64>,
    total: f64,
    at: Millis,
}

/// The least and the largest factor around an hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Factors {
    pub(crate) least: f64,
    pub(crate) largest: f64,
}

impl Factors {
    /// What is likely within the hour.
    pub(crate) fn middle(self) -> f64 {
        libm::sqrt(self.least * self.largest)
    }
}

impl Season {
    /// Attempts of a stretch of time that began at `start` become history.
    pub(crate) fn learn(&mut self, start: Millis, attempts: f64, now: Millis, decay_ms: f64) {
        self.hours.resize(HOURS, 0.0);
        let keep = super::kept(self.at, now, decay_ms);
        for count in &mut self.hours {
            *count *= keep;
        }
        self.hours[hour_of(start)] += attempts;
        self.total = self.total * keep + attempts;
        self.at = now;
    }

    /// Factors of all hours of the day around `time`: an hour before and after, since
    /// stretches of time do not begin with the hour. `of` is the wider season.
    pub(crate) fn factors(&self, time: Millis, exposure: &Exposure, of: Option<&Self>) -> Factors {
        let around = [-1, 0, 1].map(|shift| self.factor(hour_of(time + shift * HOUR), exposure, of));
        Factors {
            least: around.iter().copied().fold(f64::INFINITY, f64::min),
            largest: around.iter().copied().fold(0.0, f64::max),
        }
    }

    /// The rate in an hour of the week over the mean rate.
    fn factor(&self, hour: usize, exposure: &Exposure, of: Option<&Self>) -> f64 {
        if self.hours.is_empty() || exposure.total <= 0.0 {
            return of.map_or(1.0, |wider| wider.factor(hour, exposure, None));
        }
        let rate = self.total / exposure.total;
        let drawn = |seen: f64, passed: f64, to: f64| (seen + PSEUDO * to) / (rate * passed + PSEUDO);
        let wider = if let Some(wider) = of {
            wider.factor(hour, exposure, None)
        } else {
            let of_day = (hour % DAY_HOURS..HOURS).step_by(DAY_HOURS);
            let (seen, passed) = of_day.fold((0.0, 0.0), |(n, e), h| (n + self.hours[h], e + exposure.hours[h]));
            drawn(seen, passed, 1.0)
        };
        drawn(self.hours[hour], exposure.hours[hour], wider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DAY;
    use proptest::prelude::*;

    /// `days` of traffic whose rate an hour is `rate` times what `shape` says of it.
    fn weeks(days: i64, rate: f64, shape: impl Fn(usize) -> f64) -> (Season, Exposure) {
        let decay = 30.0 * DAY as f64;
        let (mut season, mut exposure) = (Season::default(), Exposure::default());
        for hour in 0..days * 24 {
            let start = Millis(hour * HOUR);
            season.learn(start, rate * shape(hour_of(start)), start + HOUR, decay);
        }
        exposure.pass(Millis(-HOUR), Millis(days * DAY), decay);
        (season, exposure)
    }

    fn night(hour: usize) -> f64 {
        if hour % 24 < 8 { 0.1 } else { 1.45 }
    }

    #[test]
    fn nights_are_quiet_after_days_and_weekends_after_weeks() {
        let (season, exposure) = weeks(3, 200.0, night);
        assert!(exposure.is_mature());
        let at = |days: i64, hours: i64| season.factors(Millis(days * DAY + hours * HOUR), &exposure, None);
        assert!((0.08..0.25).contains(&at(5, 4).largest), "{:?}", at(5, 4));
        assert!((1.3..1.6).contains(&at(6, 15).least), "{:?}", at(6, 15));
        let weekend = |hour: usize| if hour < 48 { 0.4 } else { 1.24 };
        let (season, exposure) = weeks(28, 50.0, weekend);
        let at = |hours: i64| season.factors(Millis(hours * HOUR), &exposure, None).largest;
        assert!(at(24) < 0.6 && at(100) > 1.1, "{} {}", at(24), at(100));
    }

    #[test]
    fn a_region_of_which_little_is_known_goes_with_its_tenant() {
        let (tenant, exposure) = weeks(10, 500.0, night);
        let few = Season::default();
        let at = Millis(12 * DAY + 4 * HOUR);
        assert_eq!(
            few.factors(at, &exposure, Some(&tenant)),
            tenant.factors(at, &exposure, None)
        );
        // One that wakes when its tenant sleeps is told apart.
        let (owl, _) = weeks(10, 100.0, |hour| if hour % 24 < 8 { 2.0 } else { 0.5 });
        assert!(owl.factors(at, &exposure, Some(&tenant)).least > 1.5);
    }

    #[test]
    fn a_tenant_of_a_day_knows_no_seasons() {
        let mut exposure = Exposure::default();
        exposure.pass(Millis(0), Millis(DAY), 30.0 * DAY as f64);
        assert!(!exposure.is_mature());
    }

    proptest! {
        /// Whatever came, the mean factor over the hours that passed is one.
        #[test]
        fn factors_are_shares_of_the_mean(counts in prop::collection::vec(0.0f64..500.0, HOURS)) {
            let (season, exposure) = weeks(7, 1.0, |hour| counts[hour]);
            let mean = (0..HOURS).map(|hour| season.factor(hour, &exposure, None)).sum::<f64>() / HOURS as f64;
            prop_assert!((0.8..1.25).contains(&mean), "{mean}");
        }
    }
}
