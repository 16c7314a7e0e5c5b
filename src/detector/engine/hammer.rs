//! One number that is sent to again and again. Resends are folded into their
//! attempt, so no other family sees them.
//!
//! A single number is no prefix that can be told in clear: what is blocked is its
//! block of 100. Its neighbours are innocent, so that block is short and lives on only
//! while that very number is sent to.

use super::attempts::{Attempt, AttemptId};
use super::blocking::Aim;
use super::{Effect, Engine};
use crate::detector::evidence::{Lines, NULLS, Null, hammering::Hammer, lines};
use crate::detector::trie::{CLASS_MIN, Place};
use crate::model::Level;

impl Engine {
    /// A send to a number with a pending attempt.
    pub(super) fn on_resend(&mut self, id: AttemptId, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(id).cloned() else {
            return;
        };
        let app = &self.apps[attempt.app as usize];
        if !self.tuning.enabled.hammering
            || !attempt.free
            || attempt.is_apart()
            || !app.verifies()
            || app.health.is_stalled()
        {
            return;
        }
        let now = self.now;
        let known = &mut self.tenants[usize::from(attempt.tenant)].hammers;
        let mut hammer = known.get(&attempt.number).unwrap_or_default();
        hammer.strike(now);
        known.put(attempt.number, hammer);
        let place = Place::Range(attempt.tenant, attempt.block, attempt.digits);
        if place.class() != Some(CLASS_MIN) {
            return;
        }
        if let Some(evidence) = self.trie.evidence_mut(place) {
            evidence.parts.hammer = hammer;
        }
        if Self::is_hammered(&self.hammer_lines(&attempt), hammer) {
            self.block_all(&[attempt.block], Aim::Number, place, &attempt, effects);
        }
    }

    /// An approval shows that somebody is there who reads the codes.
    pub(super) fn forget_hammer(&mut self, attempt: &Attempt) {
        let known = &mut self.tenants[usize::from(attempt.tenant)].hammers;
        if known.get(&attempt.number).is_some() {
            known.put(attempt.number, Hammer::default());
        }
    }

    /// The lines that one number must cross: what lies beside it lowers none of them.
    pub(super) fn hammer_lines(&self, attempt: &Attempt) -> Lines {
        let contagion = self.tenants[usize::from(attempt.tenant)].contagion(self.now, &self.tuning);
        let (log_a, floor) = self.line_of(Level::Block);
        lines(log_a, contagion, floor, |_| None, true, &self.tuning)
    }

    pub(super) fn is_hammered(lines: &Lines, hammer: Hammer) -> bool {
        NULLS
            .iter()
            .zip(lines)
            .filter(|(null, _)| matches!(null, Null::Plain | Null::Outage))
            .all(|(null, line)| line.is_none_or(|line| hammer.log_e(*null) >= libm::log(line)))
    }
}
