//! Confidence intervals: exact ones for shares, rates and quantiles.

use serde::Serialize;

/// Error on each side of a two-sided 95 % interval.
const TAIL: f64 = 0.025;
/// Halvings of an interval: more than a double can tell apart.
const STEPS: usize = 80;
/// Counts above this are approximated by the normal distribution.
const EXACT_MAX: u64 = 20_000;

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// What was observed; `None` where nothing could be (no trial, or more than
    /// the share of the quantile never came to an end).
    pub value: Option<f64>,
    /// Lower end; `None` when it is unbounded or unknown.
    pub low: Option<f64>,
    /// Upper end; `None` when it is unbounded or unknown.
    pub high: Option<f64>,
}

impl Estimate {
    /// Nothing was observed.
    pub const UNKNOWN: Self = Self {
        value: None,
        low: None,
        high: None,
    };
}

/// Share of `hits` in `trials` with the Clopper–Pearson interval.
pub fn share(hits: u64, trials: u64) -> Estimate {
    if trials == 0 {
        return Estimate::UNKNOWN;
    }
    let value = hits as f64 / trials as f64;
    let low = if hits == 0 {
        0.0
    } else {
        // The share at which so many hits or more would be a rare event.
        solve(0.0, value, |p| binomial_above(hits, trials, p) < TAIL)
    };
    let high = if hits == trials {
        1.0
    } else {
        solve(value, 1.0, |p| 1.0 - binomial_above(hits + 1, trials, p) > TAIL)
    };
    Estimate {
        value: Some(value),
        low: Some(low),
        high: Some(high),
    }
}

/// Events per million of `exposure` with the exact Poisson interval.
pub fn per_million(events: u64, exposure: u64) -> Estimate {
    if exposure == 0 {
        return Estimate::UNKNOWN;
    }
    let scale = 1e6 / exposure as f64;
    let (low, high) = poisson(events);
    Estimate {
        value: Some(events as f64 * scale),
        low: Some(low * scale),
        high: Some(high * scale),
    }
}

/// The 95 % interval of a Poisson mean of which `events` were seen.
pub fn poisson(events: u64) -> (f64, f64) {
    poisson_between(events, TAIL, 1.96)
}

/// The 95 % lower bound and the 95 % upper bound, each on its own, of a Poisson
/// mean of which `events` were seen.
pub fn poisson_one_sided(events: u64) -> (f64, f64) {
    poisson_between(events, 2.0 * TAIL, 1.645)
}

/// `deviations`: as many as leave `tail` on each side of a normal distribution.
fn poisson_between(events: u64, tail: f64, deviations: f64) -> (f64, f64) {
    let k = events as f64;
    if events > EXACT_MAX {
        let width = deviations * k.sqrt();
        return (k - width, k + width);
    }
    let top = k + 12.0 * (k + 1.0).sqrt() + 12.0;
    let low = if events == 0 {
        0.0
    } else {
        solve(0.0, k, |mean| 1.0 - poisson_up_to(events - 1, mean) < tail)
    };
    (low, solve(k, top, |mean| poisson_up_to(events, mean) > tail))
}

/// The quantile `of` (0 to 1) of `values`, which must be sorted; `endless` more
/// never came to an end and lie above all of them. The interval is that of the
/// order statistics, whatever the distribution.
pub fn quantile(values: &[f64], endless: usize, of: f64) -> Estimate {
    let count = values.len() + endless;
    if count == 0 {
        return Estimate::UNKNOWN;
    }
    let at = |rank: usize| values.get(rank).copied();
    let rank = ((of * count as f64).ceil() as usize).clamp(1, count) - 1;
    let n = count as u64;
    // The outermost ranks beyond which the quantile lies but for a tail.
    let lows = (0..count).take_while(|low| 1.0 - binomial_above(*low as u64 + 1, n, of) <= TAIL);
    let high = (0..count).find(|high| binomial_above(*high as u64 + 1, n, of) <= TAIL);
    Estimate {
        value: at(rank),
        low: lows.last().and_then(at),
        high: high.and_then(at),
    }
}

/// The point up to which `is_before` holds; it holds on a first part only.
fn solve(mut low: f64, mut high: f64, is_before: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if is_before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(X ≥ hits) for X binomial.
fn binomial_above(hits: u64, trials: u64, p: f64) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    if p <= 0.0 || hits > trials {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    let n = trials as f64;
    let (log_p, log_q) = (libm::log(p), libm::log1p(-p));
    let all = libm::lgamma(n + 1.0);
    let term = |x: u64| {
        let x = x as f64;
        libm::exp(all - libm::lgamma(x + 1.0) - libm::lgamma(n - x + 1.0) + x * log_p + (n - x) * log_q)
    };
    // The shorter tail is summed.
    if hits as f64 > n * p {
        (hits..=trials).map(term).sum::<f64>().min(1.0)
    } else {
        (1.0 - (0..hits).map(term).sum::<f64>()).max(0.0)
    }
}

/// P(X ≤ events) for X Poisson.
fn poisson_up_to(events: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let log_mean = libm::log(mean);
    let term = |x: u64| libm::exp(x as f64 * log_mean - mean - libm::lgamma(x as f64 + 1.0));
    (0..=events).map(term).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!(
            (found - expected).abs() <= 0.002 * expected.abs().max(0.01),
            "{found} {expected}"
        );
    }

    #[test]
    fn the_intervals_are_those_of_the_tables() {
        // Clopper and Pearson; Garwood.
        let found = share(9, 10);
        near(found.low, 0.5550);
        near(found.high, 0.9975);
        near(share(0, 20).high, 0.1684);
        near(share(20, 20).low, 0.8316);
        let (low, high) = poisson(0);
        assert_eq!(low, 0.0);
        near(Some(high), 3.6889);
        let (low, high) = poisson(10);
        near(Some(low), 4.7954);
        near(Some(high), 18.3904);
        near(per_million(2, 20_000_000).value, 0.1);
        let (low, high) = poisson_one_sided(0);
        assert_eq!(low, 0.0);
        near(Some(high), 2.9957);
        let (low, high) = poisson_one_sided(10);
        near(Some(low), 5.4254);
        near(Some(high), 16.9622);
    }

    #[test]
    fn quantiles_know_what_never_ended() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let median = quantile(&values, 0, 0.5);
        assert_eq!(median.value, Some(50.0));
        assert_eq!((median.low, median.high), (Some(40.0), Some(61.0)));
        assert_eq!(quantile(&values[..10], 90, 0.5).value, None);
        assert_eq!(quantile(&[], 0, 0.5), Estimate::UNKNOWN);
        assert_eq!(quantile(&[7.0], 0, 0.95).value, Some(7.0));
        assert_eq!(share(0, 0), Estimate::UNKNOWN);
        assert_eq!(per_million(0, 0), Estimate::UNKNOWN);
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_estimate(trials in 1u64..400, hits in 0u64..400) {
            let hits = hits.min(trials);
            let found = share(hits, trials);
            let (value, low, high) = (found.value.unwrap(), found.low.unwrap(), found.high.unwrap());
            prop_assert!(0.0 <= low && low <= value && value <= high && high <= 1.0);
            let (low, high) = poisson(hits);
            prop_assert!(low <= hits as f64 && hits as f64 <= high);
        }
    }
}
