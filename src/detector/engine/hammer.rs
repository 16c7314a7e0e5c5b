//! One number that is sent to again and again. Resends are folded into their
//! attempt, so no other family sees them.
//!
//! A single number is no prefix that can be told in clear: what is blocked is its
//! block of 100. Its neighbours are innocent, so that block is short and lives on only
//! while that very number is sent to.

use super::attempts::{Attempt, AttemptId, ranges};
use super::blocking::Aim;
use super::siege::LIVED_IN;
use super::{Effect, Engine};
use crate::detector::evidence::{Lines, NULLS, Null, hammering::Hammer, lines};
use crate::detector::trie::{CLASS_MIN, Place, TenantIx};
use crate::model::{DAY, Level, Micros, Prefix};

/// Resends of one number that are stubborn (twice as many are so to a higher degree), and
/// how many other numbers must be sent to to the same degree within a day, elsewhere,
/// before none of them is held to be an attack: then it is the way of the app, or of its
/// people. Among many people some are always stubborn, but few go on and on.
const STUBBORN: u32 = 6;
const ELSEWHERE_MIN: usize = 3;
/// Class of the ranges of which it is asked whether people live there.
const LIVED_IN_CLASS: u8 = 4;

impl Engine {
    /// A send to a number with a pending attempt.
    pub(super) fn on_resend(&mut self, id: AttemptId, cost: Micros, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(id).cloned() else {
            return;
        };
        self.count_resend(&attempt, cost, effects);
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
        let degree = stubbornness(hammer.resends);
        if let Some(degree) = degree.filter(|degree| hammer.resends == STUBBORN << degree) {
            let tenant = &mut self.tenants[usize::from(attempt.tenant)];
            tenant.note_hammered(now, attempt.region, attempt.block, degree);
        }
        if Self::is_hammered(&self.hammer_lines(), hammer)
            && !self.is_hammered_elsewhere(&attempt, degree.unwrap_or_default())
        {
            self.block_all(&[attempt.block], Aim::Number, place, &attempt, effects);
        }
    }

    /// Whether numbers in other places are hammered to a degree as well: then it is the app that
    /// sends again by itself, or a carrier that fails everywhere.
    fn is_hammered_elsewhere(&self, attempt: &Attempt, degree: u32) -> bool {
        let known = &self.tenants[usize::from(attempt.tenant)];
        let latest = known.hammered.iter();
        let alike = latest.filter(|(at, .., other)| self.now - *at <= DAY && *other == degree);
        let elsewhere = alike.filter(|(_, region, block, _)| {
            *region != attempt.region || self.is_lived_in(attempt.tenant, *block, attempt.digits, attempt.block)
        });
        elsewhere.count() >= ELSEWHERE_MIN
    }

    /// Whether another block of 100 than `own` lies where people live.
    fn is_lived_in(&self, tenant: TenantIx, block: Prefix, digits: u8, own: Prefix) -> bool {
        let apart = block.truncated(block.len().saturating_sub(2)) != own.truncated(own.len().saturating_sub(2));
        let mut around = ranges(tenant, block, digits, 0).filter(|(class, _)| *class == LIVED_IN_CLASS);
        apart && around.any(|(_, place)| self.history(place).attempts() >= LIVED_IN)
    }

    /// An approval shows that somebody is there who reads the codes.
    pub(super) fn forget_hammer(&mut self, attempt: &Attempt) {
        let known = &mut self.tenants[usize::from(attempt.tenant)].hammers;
        if known.get(&attempt.number).is_some() {
            known.put(attempt.number, Hammer::default());
        }
    }

    /// The lines that one number must cross: an attack elsewhere makes nobody less
    /// patient, and lowers none of them; neither a launch nor an enrolment makes
    /// anybody ask again.
    pub(super) fn hammer_lines(&self) -> Lines {
        let (log_a, floor) = self.line_of(Level::Block);
        let mut lines = lines(log_a, 0.0, floor, |_| None, true, &self.tuning);
        for (null, line) in NULLS.iter().zip(&mut lines) {
            if !matches!(null, Null::Plain | Null::Outage) {
                *line = None;
            }
        }
        lines
    }

    pub(super) fn is_hammered(lines: &Lines, hammer: Hammer) -> bool {
        let mut all = NULLS.iter().zip(lines);
        all.all(|(null, line)| line.is_none_or(|line| hammer.log_e(*null) >= libm::log(line)))
    }
}

/// The degree to which so many resends are stubborn.
fn stubbornness(resends: u32) -> Option<u32> {
    (resends / STUBBORN).checked_ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_resends_are_one_degree_more() {
        let degrees = [5, 6, 11, 12, 23, 24, 48].map(stubbornness);
        assert_eq!(degrees, [None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(3)]);
    }
}
