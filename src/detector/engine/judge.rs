//! Silence, second by second, and the test whether a place must be accused.

use super::attempts::{Attempt, AttemptId};
use super::siege::{AROUND_LIVED_IN, LIVED_IN, Scope};
use super::{Due, Effect, Engine};
use crate::detector::baseline::{ceiling_within, region_ceiling};
use crate::detector::evidence::Evidence;
use crate::detector::evidence::digits::{Bets, MARGIN, MARGIN_WITHIN_HOUR};
use crate::detector::evidence::missing_verification::Credit;
use crate::detector::order::Order;
use crate::detector::trie::Place;
use crate::model::{Level, SECOND};

/// How long a stage is put off while silence proves nothing.
const PUT_OFF_MS: i64 = 30 * SECOND;
/// Widest class that accuses on its own; beyond it is only the region.
pub(super) const ACCUSING_CLASS_MAX: u8 = 5;
/// Attempts since the change point before which nothing is accused where people live.
const LIVED_IN_ATTEMPTS: u64 = 4;
/// Widest range whose people speak for a part of it.
const AROUND_CLASS_MAX: u8 = 4;
/// Stage of silence, 32 seconds, before which a single attempt accuses nothing.
const SINGLE_STAGE: usize = 5;

impl Engine {
    /// The next stage of an attempt's silence is due.
    pub(super) fn on_silence(&mut self, id: AttemptId, order: &Order, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(id) else { return };
        if attempt.verified {
            return;
        }
        let app = &self.apps[attempt.app as usize];
        let tenant = &self.tenants[usize::from(attempt.tenant)].name;
        if !app.verifies() || app.health.is_stalled() || !order.verifications_flow(tenant) {
            self.due(self.now + PUT_OFF_MS, Due::Silence(id));
            return;
        }
        if app.health.has_lost(attempt.opened) {
            return;
        }
        let attempt = attempt.clone();
        // What comes late is not missing yet.
        let lag = app.health.lag_ms();
        let age = self.now - attempt.opened - lag;
        let mut stage = attempt.stage;
        let mut share = attempt.credited;
        while stage < self.stages.len() && self.stages.due_ms[stage] <= age {
            share = share.max(self.verified_by(&attempt, stage));
            stage += 1;
        }
        if let Some(known) = self.attempts.get_mut(id) {
            known.stage = stage;
            known.credited = share;
        }
        if stage < self.stages.len() {
            self.due(attempt.opened + self.stages.due_ms[stage] + lag, Due::Silence(id));
        }
        if stage == attempt.stage {
            return;
        }
        if self.tuning.enabled.missing_verification {
            let (conversion, weight) = (attempt.conversion, attempt.weight);
            let credit = Credit::new(attempt.credited, share, conversion, weight, &self.tuning);
            for place in attempt.places() {
                if let Some(evidence) = self.trie.evidence_mut(place) {
                    evidence.silence(attempt.opened, &credit);
                }
            }
        }
        self.note_silence(&attempt, stage);
        self.silence_at_sources(id, &attempt, stage, share);
        self.miss_returning(&attempt, share, effects);
        self.weigh_delivered(&attempt, stage, id);
        self.weigh_patience(&attempt, stage);
        self.judge(id, effects);
    }

    /// Tests the attempt's places, narrowest first, then its region. The first
    /// accusation that leads to a block ends the test.
    pub(super) fn judge(&mut self, id: AttemptId, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(id).cloned() else {
            return;
        };
        let mut suspicious = None;
        // Where nobody verifies, nothing pays back what a busy region gathers by chance.
        let may_alert = |place: Place| match place {
            Place::Frontier(..) => false,
            Place::Region(..) => !attempt.is_apart(),
            _ => true,
        };
        let ranges = attempt
            .ranges()
            .filter(|(m, _)| *m <= ACCUSING_CLASS_MAX)
            .map(|(m, p)| (Some(m), p));
        let frontier = attempt.frontier.then(|| (None, attempt.frontier_place()));
        for (class, place) in ranges.chain(frontier).chain([(None, attempt.region_place())]) {
            if class.is_none() && !self.tuning.enabled.country {
                continue;
            }
            match self.refuted(place, class, &attempt) {
                Some(Level::Block) => {
                    let blocked = match (class, place) {
                        (Some(class), _) => self.accuse_range(place, class, &attempt, effects),
                        (None, Place::Frontier(..)) => {
                            self.besiege(&attempt, Scope::Frontier);
                            continue;
                        }
                        (None, _) => {
                            self.besiege(&attempt, Scope::Region);
                            let blocked = self.accuse_region(&attempt, effects);
                            self.restart_apart(&attempt, blocked);
                            blocked
                        }
                    };
                    if blocked {
                        return;
                    }
                    suspicious = suspicious.or(may_alert(place).then_some(place));
                }
                Some(Level::Alert) if may_alert(place) => suspicious = suspicious.or(Some(place)),
                _ => {}
            }
        }
        if let Some(place) = suspicious {
            self.alert(place, &attempt, effects);
        }
    }

    /// The highest level at which every innocent explanation of a place is refuted.
    fn refuted(&mut self, place: Place, class: Option<u8>, attempt: &Attempt) -> Option<Level> {
        let evidence = self.trie.evidence(place)?;
        if !self.is_suspicious(evidence) || !self.has_seen_enough(place, class, attempt, evidence) {
            return None;
        }
        self.settle(place, attempt);
        if self.is_peopled(place, attempt) {
            return None;
        }
        let evidence = self.trie.evidence(place)?;
        [Level::Block, Level::Alert]
            .into_iter()
            .find(|level| evidence.refutes_all(&self.lines_at(place, attempt, *level)))
    }

    /// Whether plain evidence is near any line: a cheap look before the real test.
    pub(super) fn is_suspicious(&self, evidence: &Evidence) -> bool {
        evidence.may_refute(libm::exp(self.tuning.floor_alert))
    }

    /// Whether people come to a place: nearly all of them verify, or nearly all in a range
    /// around it do and most in it.
    fn is_peopled(&self, place: Place, attempt: &Attempt) -> bool {
        if self.do_people_verify(place) {
            return true;
        }
        let Some(class) = place.class() else { return false };
        let mut around = attempt
            .ranges()
            .filter(|(m, _)| (class + 1..=AROUND_CLASS_MAX).contains(m));
        self.trie.evidence(place).is_some_and(Evidence::do_most_verify)
            && around.any(|(_, range)| self.do_people_verify(range))
    }

    /// Whether nearly all who came to a place since its change point verify, as people do.
    pub(super) fn do_people_verify(&self, place: Place) -> bool {
        self.trie.evidence(place).is_some_and(Evidence::is_peopled)
    }

    /// Whether a place has seen as many attempts as it must have before it may accuse: where
    /// people live, one more, since three of them meet by chance once in tens of millions of
    /// sends.
    pub(super) fn has_seen_enough(
        &self,
        place: Place,
        class: Option<u8>,
        attempt: &Attempt,
        evidence: &Evidence,
    ) -> bool {
        let remembered = evidence.counters.attempts;
        if class.is_some() && self.is_lived_in_around(place, attempt) {
            // Those of three hours ago count for less, and those from before the change point
            // not at all.
            remembered >= self.tuning.attempts_min + 0.55 && evidence.since.attempts >= LIVED_IN_ATTEMPTS
        } else if class.is_none() || self.besieged(attempt).is_none() {
            remembered >= self.tuning.attempts_min
        } else if attempt.stage < SINGLE_STAGE {
            remembered >= self.tuning.attempts_min_siege.max(1.5)
        } else {
            remembered >= self.tuning.attempts_min_siege
        }
    }

    /// Whether people live in a range, or in the ten thousand numbers around it.
    fn is_lived_in_around(&self, place: Place, attempt: &Attempt) -> bool {
        let around = attempt.ranges().find(|(m, _)| *m == AROUND_CLASS_MAX);
        self.history(place).attempts() >= LIVED_IN
            || (place.class() < Some(AROUND_CLASS_MAX)
                && around.is_some_and(|(_, range)| self.history(range).attempts() >= AROUND_LIVED_IN))
    }

    /// Pays back what went elsewhere since the place was last visited, so that no
    /// test sees more evidence than the process has.
    fn settle(&mut self, place: Place, attempt: &Attempt) {
        if !self.tuning.enabled.digits {
            return;
        }
        let (bets, flow) = self.dues(place, attempt);
        let tuning = &self.tuning;
        if let Some(evidence) = self.trie.evidence_mut(place) {
            let missed = (flow - evidence.flow_seen).max(0.0);
            evidence.misses(missed, &bets, tuning);
            evidence.flow_seen = flow.max(evidence.flow_seen);
        }
    }

    /// The digits' bets at a place, and the flow of what encloses it, by which they are
    /// paid back: of a range's and a frontier's region, of a region's tenant.
    pub(super) fn dues(&self, place: Place, attempt: &Attempt) -> (Bets, f64) {
        let tenant = &self.tenants[usize::from(attempt.tenant)];
        let attempts = |place| self.history(place).attempts();
        let region = attempts(attempt.region_place());
        let region_flow = tenant.regions.get(&attempt.region).map_or(0.0, |r| r.flow);
        match (place, place.class()) {
            (Place::Range(..), Some(class)) => {
                let ceiling = self.ceiling_of(place, attempt);
                (Bets::of_range(class, ceiling, region, &self.tuning), region_flow)
            }
            (Place::Frontier(..), _) => (
                Bets::of_region(region_ceiling(attempts(place), region), MARGIN),
                region_flow,
            ),
            // A region's share of all swings with the hour; the others' of their own does not.
            _ => {
                let hour = self.hour_of(attempt);
                let (swing, margin) = hour.map_or((1.0, MARGIN), |hour| (hour.swing(), MARGIN_WITHIN_HOUR));
                let ceiling = region_ceiling(attempts(place) * swing, attempts(Place::Root(attempt.tenant)));
                (Bets::of_region(ceiling, margin), tenant.flow)
            }
        }
    }

    /// Honest ceiling of one range's share of its region.
    pub(super) fn ceiling_of(&self, place: Place, attempt: &Attempt) -> f64 {
        let region = self.history(attempt.region_place()).attempts();
        let mut wider: Option<(f64, f64)> = None;
        let Place::Range(tenant, prefix, digits) = place else {
            return 1.0;
        };
        for (class, step) in super::attempts::ranges(tenant, prefix, digits, attempt.calling_digits).rev() {
            let own = self.history(step).attempts();
            wider = Some((ceiling_within(wider, own, region, class, &self.tuning), own));
        }
        wider.map_or(1.0, |(bound, _)| bound)
    }
}
