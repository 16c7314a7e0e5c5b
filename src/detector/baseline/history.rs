//! Attempts seen at a place in the past, and the bounds that follow from them.

use serde::{Deserialize, Serialize};

use crate::detector::tuning::Tuning;
use crate::model::{DAY, HOUR, Millis};

/// Widest class that is bounded by the range one digit wider, and the history that the
/// region needs for it.
const BELOW_CLASS_MAX: u8 = 4;
const BELOW_HISTORY_MIN: f64 = 200.0;

/// Attempts, as they fade, below which nobody was there.
const NOBODY: f64 = 0.5;

/// Forgetting counts of honest attempts at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    attempts: f64,
    judged: f64,
    verified: f64,
    at: Millis,
}

impl History {
    /// Adds counts that have left the hold-back; older ones fade with `decay_ms`.
    pub(crate) fn learn(&mut self, attempts: f64, judged: f64, verified: f64, now: Millis, decay_ms: f64) {
        let keep = if self.at == Millis::default() {
            1.0
        } else {
            libm::exp(-((now - self.at) as f64) / decay_ms)
        };
        self.attempts = self.attempts * keep + attempts;
        self.judged = self.judged * keep + judged;
        self.verified = self.verified * keep + verified;
        self.at = now;
    }

    /// Whether nobody was ever seen here, as of the last learning: one who came three weeks
    /// before it is forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.attempts < NOBODY
    }

    /// Attempts, as of the last learning.
    pub(crate) fn attempts(&self) -> f64 {
        self.attempts
    }

    /// Approved attempts, as of the last learning.
    pub(crate) fn verified(&self) -> f64 {
        self.verified
    }

    /// Shrinks a conversion estimate towards what was seen here.
    fn shrink(&self, prior: f64, pseudo: f64) -> f64 {
        (self.verified + pseudo * prior) / (self.judged + pseudo)
    }
}

/// Upper bound of the number that honest traffic may show where `n` were seen.
fn upper(n: f64) -> f64 {
    1.3 * n + 2.0 * libm::sqrt(n)
}

/// Largest share of a region's honest attempts that may fall into a range of
/// class m, from history and structure alone.
fn ceiling(own: f64, region: f64, class: u8, tuning: &Tuning) -> f64 {
    let structural = tuning.structural[usize::from(class.clamp(2, 6) - 2)];
    let pseudo = tuning.structural_weight;
    ((upper(own) + pseudo * structural) / (region + pseudo)).min(1.0)
}

/// The same where the range one digit wider is known, with its ceiling and its own
/// attempts: in a region with history enough that tells more.
pub(crate) fn ceiling_within(wider: Option<(f64, f64)>, own: f64, region: f64, class: u8, tuning: &Tuning) -> f64 {
    let bound = ceiling(own, region, class, tuning);
    match wider {
        Some((above, above_own)) if class <= BELOW_CLASS_MAX && region > BELOW_HISTORY_MIN => {
            bound.min(ceiling_below(above, own, above_own))
        }
        _ => bound,
    }
}

fn ceiling_below(parent: f64, own: f64, parent_own: f64) -> f64 {
    parent * ((upper(own) + 1.2) / (parent_own + 3.0)).min(1.0)
}

/// Largest share of a tenant's honest attempts that may go to a region; one
/// while the tenant has too little history to tell.
pub(crate) fn region_ceiling(own: f64, root: f64) -> f64 {
    if root < 200.0 {
        1.0
    } else {
        ((1.5 * own + 2.0 * libm::sqrt(own) + 4.0) / (root + 1.0)).min(1.0)
    }
}

/// Lower bound of honest conversion: the prior shrunk through wider places to
/// narrower ones, and a safety factor.
///
/// The first place is the whole tenant. How other regions convert tells little of
/// one that was never seen: there the bound is that of a region that converts badly.
pub(crate) fn conversion_lower_bound<'a>(places: impl Iterator<Item = &'a History>, tuning: &Tuning) -> f64 {
    let (mut mean, mut local) = (tuning.conversion_prior, 0.0_f64);
    for (i, history) in places.enumerate() {
        mean = history.shrink(mean, tuning.conversion_shrinkage);
        if i > 0 {
            local = local.max(history.judged);
        }
    }
    let bound = tuning.conversion_lower * mean;
    let known = local / (local + tuning.conversion_shrinkage);
    let cautious = bound.min(tuning.conversion_unseen);
    (cautious + (bound - cautious) * known).clamp(0.08, 0.85)
}

/// Largest share of a tenant's honest attempts that may come from one source of which
/// `own` of `all` approved ones came; one while there is too little history to tell.
pub(crate) fn source_ceiling(own: f64, all: f64, structural: f64, tuning: &Tuning) -> f64 {
    if all < 200.0 {
        return 1.0;
    }
    let pseudo = tuning.structural_weight;
    ((upper(own) + pseudo * structural) / (all + pseudo)).min(1.0)
}

/// How much less an app's attempts convert than all of the tenant's, at most 1: what
/// a region shows is what its apps show together.
pub(crate) fn relative_conversion(app: &History, all: &History, tuning: &Tuning) -> f64 {
    let pseudo = tuning.conversion_shrinkage;
    let mean = all.shrink(tuning.conversion_prior, pseudo);
    (app.shrink(mean, pseudo) / mean).min(1.0)
}

/// Honest attempts an hour at a place: history over the time in which it was
/// gathered, and a small prior that keeps it above zero.
pub(crate) fn honest_per_hour(history: &History, class: u8, tenant_age_ms: i64, tuning: &Tuning) -> f64 {
    // A region of which nothing was seen is no likelier to be lived in than a range of
    // a hundred thousand numbers.
    let prior = 0.02 * libm::exp10(f64::from(class.min(5)) - 4.0);
    let age = ((tenant_age_ms - tuning.hold_max_ms).max(DAY)) as f64;
    let remembered = tuning.history_decay_ms * -libm::expm1(-age / tuning.history_decay_ms);
    (history.attempts() + prior) / (remembered / HOUR as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ceiling_is_a_share_and_never_below_what_was_seen(own in 0f64..1e6, rest in 0f64..1e6, class in 2u8..=6) {
            let c = ceiling(own, own + rest, class, &Tuning::default());
            prop_assert!(c > 0.0 && c <= 1.0);
            prop_assert!(c * (own + rest + 20.0) >= own.min(own + rest) - 1e-6);
        }

        #[test]
        fn a_source_may_hold_what_it_held(own in 0f64..1e6, rest in 0f64..1e6, structural in 0.0f64..0.5) {
            let c = source_ceiling(own, own + rest, structural, &Tuning::default());
            prop_assert!((0.0..=1.0).contains(&c));
            prop_assert!(c * (own + rest + 20.0) >= own.min(own + rest) - 1e-6);
        }

        #[test]
        fn the_conversion_bound_lies_below_the_mean(judged in 1f64..1e5, share in 0.3f64..0.95) {
            let mut h = History::default();
            h.learn(judged, judged, judged * share, Millis(1), 1e12);
            let bound = conversion_lower_bound([h].iter(), &Tuning::default());
            prop_assert!(bound <= share.max(0.55));
            prop_assert!(bound >= 0.08);
        }
    }

    #[test]
    fn a_region_never_seen_may_convert_badly() {
        let tuning = Tuning::default();
        let with = |attempts: f64, share: f64| {
            let mut h = History::default();
            h.learn(attempts, attempts, attempts * share, Millis(1), 1e12);
            h
        };
        let tenant = with(100_000.0, 0.8);
        let unseen = conversion_lower_bound([tenant, History::default()].iter(), &tuning);
        assert!((unseen - tuning.conversion_unseen).abs() < 1e-9);
        let known = conversion_lower_bound([tenant, with(10_000.0, 0.8)].iter(), &tuning);
        assert!((0.62..0.64).contains(&known), "{known}");
    }

    #[test]
    fn a_country_never_seen_is_bounded_by_structure_alone() {
        assert_eq!(ceiling(0.0, 0.0, 2, &Tuning::default()), 0.01);
        assert_eq!(ceiling(0.0, 0.0, 4, &Tuning::default()), 0.12);
    }

    #[test]
    fn an_app_is_expected_to_convert_as_it_did_and_never_better_than_all() {
        let tuning = Tuning::default();
        let of = |judged: f64, verified: f64| {
            let mut history = History::default();
            history.learn(judged, judged, verified, Millis(1), tuning.history_decay_ms);
            history
        };
        let all = of(10_000.0, 6_000.0);
        assert_eq!(relative_conversion(&History::default(), &all, &tuning), 1.0);
        assert_eq!(relative_conversion(&of(1_000.0, 900.0), &all, &tuning), 1.0);
        let low = relative_conversion(&of(1_000.0, 300.0), &all, &tuning);
        assert!((0.5..0.53).contains(&low), "{low}");
    }
}
