//! Which events were seen before: exact 128-bit identities in two generations.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::model::Millis;
use crate::model::log::Token;

/// Identities one generation holds at most; beyond it the horizon shortens.
const GENERATION_MAX: usize = 1 << 20;

/// Remembers every identity for at least the horizon, unless more than
/// [`GENERATION_MAX`] come within it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dedup {
    #[serde(with = "crate::detector::snapshot::codec::identities")]
    young: HashSet<u128, crate::detector::Keyed>,
    #[serde(with = "crate::detector::snapshot::codec::identities")]
    old: HashSet<u128, crate::detector::Keyed>,
    turned: Millis,
    overflows: u64,
}

impl Dedup {
    /// An empty memory.
    pub(crate) fn new(hasher: crate::detector::Keyed) -> Self {
        Self {
            young: HashSet::with_hasher(hasher.clone()),
            old: HashSet::with_hasher(hasher),
            turned: Millis::MIN,
            overflows: 0,
        }
    }

    /// Whether `id` is new; it is remembered from now on.
    pub(crate) fn insert(&mut self, id: Token, now: Millis, horizon_ms: i64) -> bool {
        let full = self.young.len() >= GENERATION_MAX;
        // Feeds differ in how far they have got: the horizon follows the foremost.
        let now = now.max(self.turned);
        if full || now - self.turned >= horizon_ms {
            self.overflows += u64::from(full && now - self.turned < horizon_ms);
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.turned = now;
        }
        !self.old.contains(&id.0) && self.young.insert(id.0)
    }

    /// How often memory ran out before the horizon was over.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dedup() -> Dedup {
        Dedup::new(crate::detector::Keyed::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn a_repeat_within_the_horizon_is_recognised_and_later_forgotten() {
        let mut d = dedup();
        assert!(d.insert(Token(7), Millis(0), 1_000));
        assert!(!d.insert(Token(7), Millis(900), 1_000));
        assert!(d.insert(Token(8), Millis(1_000), 1_000));
        assert!(!d.insert(Token(7), Millis(1_500), 1_000));
        assert!(d.insert(Token(9), Millis(2_000), 1_000));
        assert!(d.insert(Token(7), Millis(3_000), 1_000));
    }

    #[test]
    fn memory_is_bounded_and_an_overflow_is_counted() {
        let mut d = dedup();
        for id in 0..(3 * GENERATION_MAX as u128) {
            assert!(d.insert(Token(id), Millis(0), 1_000_000));
        }
        assert!(d.young.len() + d.old.len() <= 2 * GENERATION_MAX);
        assert!(d.overflows() >= 1);
    }
}
