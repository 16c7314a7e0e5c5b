//! Families 3 and 4, and validity: attributes that an attempt has or has not.
//!
//! A place learns how often an attribute occurs among its own attempts and bets
//! on that rate against the honest upper bound p: q/p when present, (1−q)/(1−p)
//! when absent. As q ≥ p is fixed before the attempt, the mean is at most one for
//! every true rate up to p.

/// No place bets on more than this.
const RATE_MAX: f64 = 0.97;
/// Above this honest bound an attribute is so common that it says nothing.
const BOUND_MAX: f64 = 0.9;
/// Pseudo-attempts at the honest bound with which a place begins.
const PSEUDO: f64 = 3.0;

/// Whether an attribute with such an honest bound tells anything.
pub(crate) fn tells(bound: f64) -> bool {
    bound < BOUND_MAX
}

/// The ratio of one attempt for an attribute seen `seen` times in `attempts`;
/// `lead` is the share that is expected where little was seen yet, should an
/// attack that is known elsewhere arrive here. Any bet that was laid before the
/// attempt keeps the mean at one or below.
pub(crate) fn bet(present: bool, seen: f64, attempts: f64, bound: f64, lead: f64) -> f64 {
    if !tells(bound) {
        return 1.0;
    }
    let rate = ((seen + PSEUDO * lead.max(bound)) / (attempts + PSEUDO))
        .max(bound)
        .min(RATE_MAX);
    if rate <= bound {
        return 1.0;
    }
    if present {
        rate / bound
    } else {
        (1.0 - rate) / (1.0 - bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mean_is_at_most_one_up_to_the_bound(bound in 0.001f64..0.99, part in 0.0f64..=1.0, attempts in 0.0f64..1e4, share in 0.0f64..=1.0, lead in 0.0f64..=1.0) {
            let truth = bound * part;
            let seen = attempts * share;
            let mean = truth * bet(true, seen, attempts, bound, lead) + (1.0 - truth) * bet(false, seen, attempts, bound, lead);
            prop_assert!(mean <= 1.0 + 1e-9);
        }
    }
}
