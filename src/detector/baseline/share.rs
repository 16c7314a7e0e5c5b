//! Forgetting shares of yes/no attributes, as upper bounds.

use serde::{Deserialize, Serialize};

/// Each observation keeps this much of the older ones: a memory of some 10,000.
const KEEP: f64 = 0.9999;

/// How often an attribute was present among honest attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    present: f64,
    total: f64,
}

impl Share {
    /// One honest attempt, with or without the attribute.
    pub(crate) fn observe(&mut self, present: bool) {
        self.total = KEEP * self.total + 1.0;
        self.present = KEEP * self.present + f64::from(u8::from(present));
    }

    /// Attempts remembered.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// Lower bound of the honest share: two standard deviations below the mean, and
    /// a factor `slack` below one.
    pub(crate) fn lower(&self, slack: f64) -> f64 {
        (slack * (self.present - 2.0 * libm::sqrt(self.present)) / self.total.max(1.0)).max(0.0)
    }

    /// Upper bound of the honest share: `slack` times the mean with a prior of one
    /// in twenty, plus half of `floor`, within [`floor`, 0.95].
    pub(crate) fn upper(&self, floor: f64, slack: f64) -> f64 {
        (slack * (self.present + 1.0) / (self.total + 20.0) + floor / 2.0)
            .max(floor)
            .min(0.95)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bound_lies_above_what_was_seen(seen in prop::collection::vec(any::<bool>(), 100..400)) {
            let mut share = Share::default();
            for &x in &seen {
                share.observe(x);
            }
            let mean = seen.iter().filter(|x| **x).count() as f64 / seen.len() as f64;
            prop_assert!(share.upper(0.02, 1.5) >= mean.min(0.95) - 1e-9);
        }
    }
}
