//! How soon honest people type their code: the distribution of send-to-verify
//! latency, slower than it is, so that silence counts for less and never for more.

use super::learned_latency::Prior;

/// Cumulative share of the honest verifications that have come by some age.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatencyCurve {
    median_seconds: f64,
    sigma: f64,
    ever: f64,
}

impl Default for LatencyCurve {
    /// The shipped prior: log-normal around 28 s, three in a hundred never.
    fn default() -> Self {
        Self {
            median_seconds: 28.0,
            sigma: 0.95,
            ever: 0.97,
        }
    }
}

/// How much faster than the prior people may be found to be.
const FASTER: f64 = 2.0;

impl LatencyCurve {
    /// What the curve says of an age, in seconds.
    pub(crate) fn at(&self, age: f64) -> Prior {
        Prior {
            age,
            share: self.share_by(age),
            share_max: self.share_by(FASTER * age),
        }
    }

    /// Share of verifications that come within `age` seconds, 0 to 1.
    pub(crate) fn share_by(&self, age: f64) -> f64 {
        if age <= 0.0 {
            return 0.0;
        }
        let z = libm::log(age / self.median_seconds) / self.sigma;
        self.ever * 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ten shares that the stages of silence credit with two seconds of slack.
    #[test]
    fn the_prior_gives_the_published_shares() {
        let curve = LatencyCurve::default();
        let expected = [0.020, 0.091, 0.203, 0.351, 0.513, 0.654, 0.779, 0.879, 0.945, 0.967];
        let stages = [6.0, 10.0, 15.0, 22.0, 32.0, 45.0, 65.0, 100.0, 180.0, 400.0];
        for (stage, share) in stages.iter().zip(expected) {
            assert!((curve.share_by(stage - 2.0) - share).abs() < 1e-3, "{stage}");
        }
        assert_eq!(curve.share_by(0.0), 0.0);
    }
}
