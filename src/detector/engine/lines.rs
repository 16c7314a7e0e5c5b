//! How far each innocent explanation of a place must be refuted, at present.

use super::Engine;
use super::attempts::Attempt;
use super::siege::Scope;
use crate::detector::evidence::{Lines, Null, lines};
use crate::detector::trie::Place;
use crate::model::Level;

impl Engine {
    /// The lines of a place's nulls, as e-values.
    pub(super) fn lines_at(&self, place: Place, attempt: &Attempt, level: Level) -> Lines {
        // Where nobody verifies, chance alone would carry busy places over a lower line.
        let contagion = if attempt.is_apart() && level == Level::Alert {
            0.0
        } else {
            self.tenants[usize::from(attempt.tenant)].contagion(self.now, &self.tuning)
        };
        // An alert is about a region: a source takes nothing off its lines.
        let scope = self
            .besieged(attempt)
            .filter(|scope| level == Level::Block || !matches!(scope, Scope::Source(_)))
            .filter(|_| self.may_be_besieged(place));
        let (log_a, floor) = self.line_of(level);
        let is_range = matches!(place, Place::Range(..));
        let odds = scope.map(|scope| self.siege_odds(attempt, scope, place));
        // An enrolment comes from one source: that says nothing against it.
        let of_source = matches!(scope, Some(Scope::Source(_)));
        let siege = |null| odds.filter(|_| !(of_source && null == Null::Enrolment));
        lines(log_a, contagion, floor, siege, is_range, &self.tuning)
    }

    /// Line of the plain null and floor of every line at a level: an alert opens at
    /// a hundredth of the evidence.
    pub(super) fn line_of(&self, level: Level) -> (f64, f64) {
        match level {
            Level::Block => (self.log_a, self.tuning.floor_block),
            Level::Alert => (self.log_a - super::ALERT_NATS, self.tuning.floor_alert),
        }
    }
}
