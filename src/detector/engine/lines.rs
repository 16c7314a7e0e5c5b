//! How far each innocent explanation of a place must be refuted, at present.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::evidence::{Lines, lines};
use crate::detector::trie::Place;
use crate::model::{Level, MINUTE};

/// A region counts as under attack this long after it was last refuted as a whole.
const UNDER_ATTACK_MS: i64 = 15 * MINUTE;

impl Engine {
    /// The lines of a place's nulls, as e-values.
    pub(super) fn lines_at(&self, place: Place, attempt: &Attempt, level: Level) -> Lines {
        let contagion = self.tenants[usize::from(attempt.tenant)].contagion(self.now, &self.tuning);
        // An alert is about a region: a source takes nothing off its lines.
        let walking = matches!(place, Place::Range(..))
            && match level {
                Level::Block => self.is_under_attack(attempt),
                Level::Alert => self.is_region_under_attack(attempt),
            };
        let walk = if walking { self.tuning.walk } else { 0.0 };
        let lowered = contagion + walk + self.sibling_nats(place);
        let (log_a, floor) = self.line_of(level);
        lines(
            log_a,
            lowered,
            floor,
            walking,
            matches!(place, Place::Region(..)),
            &self.tuning,
        )
    }

    /// Line of the plain null and floor of every line at a level: an alert opens at
    /// a hundredth of the evidence.
    pub(super) fn line_of(&self, level: Level) -> (f64, f64) {
        match level {
            Level::Block => (self.log_a, self.tuning.floor_block),
            Level::Alert => (self.log_a - libm::log(100.0), self.tuning.floor_alert),
        }
    }

    /// Nats that live blocks right below a range take off its lines.
    fn sibling_nats(&self, place: Place) -> f64 {
        match place {
            Place::Range(tenant, prefix, _) if self.tuning.enabled.siblings => {
                self.tuning.sibling * f64::from(self.blocks.siblings(tenant, prefix).min(3))
            }
            _ => 0.0,
        }
    }

    /// Whether the attempt's region as a whole was refuted a moment ago, or one of its
    /// sources is: an attack goes on beside whatever is blocked already, and the question left is
    /// which ranges it uses.
    pub(super) fn is_under_attack(&self, attempt: &Attempt) -> bool {
        self.tuning.enabled.walk && attempt.accused.is_some() || self.is_region_under_attack(attempt)
    }

    fn is_region_under_attack(&self, attempt: &Attempt) -> bool {
        self.tuning.enabled.walk
            && self.tenants[usize::from(attempt.tenant)]
                .regions
                .get(&attempt.region)
                .is_some_and(|r| self.now < r.under_attack_until)
    }

    /// The attempt's region was refuted as a whole.
    pub(super) fn put_under_attack(&mut self, attempt: &Attempt) {
        let until = self.now + UNDER_ATTACK_MS;
        self.tenants[usize::from(attempt.tenant)]
            .region(attempt.region, &self.hasher)
            .under_attack_until = until;
    }
}
