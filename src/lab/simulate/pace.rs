//! How long people, or those who pretend to be people, take to send a code back.

use serde::Deserialize;

use super::draw::{Rng, log_normal};
use super::scenario::span;

/// A log-normal delay between a message and its code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Median, in milliseconds.
    pub median_ms: i64,
    /// Standard deviation of its logarithm.
    pub sigma: f64,
}

impl Pace {
    /// One delay in milliseconds, within the life of a code.
    pub(super) fn draw(self, rng: &mut Rng) -> i64 {
        log_normal(rng, self.median_ms as f64, self.sigma).clamp(1_500.0, 595_000.0) as i64
    }
}

/// A pace as it is written in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPace {
    median: String,
    sigma: f64,
}

impl RawPace {
    pub(super) fn check(&self) -> Result<Pace, String> {
        let median_ms = span("median", &self.median)?;
        if median_ms == 0 || !(0.0..=3.0).contains(&self.sigma) {
            return Err("the median of a pace must be above 0 and its sigma lie between 0 and 3".into());
        }
        Ok(Pace {
            median_ms,
            sigma: self.sigma,
        })
    }
}
