//! Whether people ask again, against an outage: whose code does not come presses
//! "resend".
//!
//! Of an app's attempts that stay unverified a share s is sent to again within the
//! first minutes: learned from all of them, so that an attack, which seldom asks,
//! only lowers it. An outage asserts that its victims ask at least as often. The bet
//! is a Bernoulli ratio at a lower bound l of s: a/l for an attempt that was sent to
//! again and (1 − a)/(1 − l) for one that was not, with a < l. Its mean
//! s·a/l + (1 − s)·(1 − a)/(1 − l) is 1 at s = l and less above it. It is laid only
//! against the nulls that excuse silence.

use crate::detector::baseline::Share;

/// Unverified attempts from which an app's share can be told.
const MATURE: f64 = 150.0;
/// The lower bound is this part of what was seen, beside the confidence bound.
const SLACK: f64 = 0.6;
/// Below this bound an app's people do not ask, or cannot.
const BOUND_MIN: f64 = 0.08;
/// Share of an attack's attempts that are sent to again, over the bound.
const ATTACK: f64 = 0.2;

/// The ratio of an unverified attempt that was sent to again, or was not; `None`
/// where its app's share tells nothing.
pub(crate) fn ratio(asked: &Share, again: bool) -> Option<f64> {
    if asked.total() < MATURE {
        return None;
    }
    let bound = asked.lower(SLACK);
    (bound >= BOUND_MIN).then(|| {
        if again {
            ATTACK
        } else {
            (1.0 - ATTACK * bound) / (1.0 - bound)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An app of whose unverified attempts every `one_in`th is sent to again.
    fn app(count: usize, one_in: usize) -> Share {
        let mut share = Share::default();
        for i in 0..count {
            share.observe(i % one_in == 0);
        }
        share
    }

    proptest! {
        #[test]
        fn the_mean_is_at_most_one_where_people_ask_as_often_or_oftener(one_in in 1usize..10, excess in 0.0f64..=1.0) {
            let asked = app(2_000, one_in);
            let (Some(again), Some(not)) = (ratio(&asked, true), ratio(&asked, false)) else {
                return Ok(());
            };
            let bound = asked.lower(SLACK);
            let truth = bound + (1.0 - bound) * excess;
            prop_assert!(truth * again + (1.0 - truth) * not <= 1.0 + 1e-9);
        }
    }

    #[test]
    fn an_app_whose_people_do_not_ask_tells_nothing() {
        assert_eq!(ratio(&app(100, 3), false), None, "too few");
        assert_eq!(ratio(&app(2_000, 20), false), None, "too seldom");
        assert!(ratio(&app(2_000, 3), false).unwrap() > 1.1);
    }
}
