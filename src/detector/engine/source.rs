//! Where attempts come from: the same evidence at network, device, user
//! agent and autonomous system. A source that is refuted names no number, and so blocks none; it is a reason
//! to judge the ranges that it reaches by the lines of a region under attack.

use super::Engine;
use super::attempts::{Attempt, AttemptId};
use super::bounds::{Bounds, attribute_ratios};
use super::families::weighed;
use crate::detector::baseline::{HeldCounts, source_ceiling};
use crate::detector::evidence::digits::{Bets, MARGIN};
use crate::detector::evidence::{Evidence, Lines, lines, missing_verification::Credit};
use crate::detector::profile::PROFILES;
use crate::detector::trie::{Place, Source, TenantIx};
use crate::model::{EvidenceItem, Level, Millis};

/// Stages of silence at which it is credited to sources: fewer than at ranges, as any
/// grid of stages keeps the mean and each costs a look-up for each source.
const STAGES: [usize; 3] = [5, 7, 10];
/// Nats off the lines of one network or device, which is a small part of the traffic:
/// about what it takes off the lines of ranges in its turn.
const NARROW_NATS: f64 = 8.0;
/// Share of verified attempts from which people come from a source, whatever else does.
const PEOPLE_SHARE: f64 = 0.3;

impl Engine {
    /// Evidence at every source of a free attempt. Returns the narrowest one that is
    /// refuted.
    pub(super) fn weigh_sources(&mut self, attempt: &Attempt, bounds: &Bounds) -> Option<Source> {
        // Approvals alone tell which sources people come from.
        if !self.tuning.enabled.sources || attempt.repeat || attempt.is_apart() {
            return None;
        }
        let tenant = &self.tenants[usize::from(attempt.tenant)];
        let (now, flow) = (self.now, tenant.flow);
        let approved = self.history(Place::Root(attempt.tenant)).verified();
        let mut accused = None;
        for source in attempt.sources() {
            let place = Place::Source(attempt.tenant, source);
            let tuning = &self.tuning;
            let (known, node) = self.sources.touch_known(place);
            // Most devices are seen once: nothing is kept against those.
            if !known {
                continue;
            }
            let first = node.evidence.is_none();
            let evidence = node.evidence.get_or_insert_with(|| Box::new(Evidence::new(now)));
            let own = node.history.attempts();
            let bets = Bets::of_region(source_ceiling(own, approved, structural(source), tuning), MARGIN);
            if !first {
                evidence.misses((flow - evidence.flow_seen).max(0.0), &bets, tuning);
            }
            evidence.fade(now, tuning.counter_decay_ms);
            let mut ratios = attribute_ratios(evidence, attempt, bounds, place, tuning);
            if !first {
                (ratios.digits, _) = bets.inside(tuning);
            }
            if tuning.enabled.regularity {
                ratios.regularity = evidence.rhythm.observe(attempt.event_time);
            }
            evidence.visit(now, &ratios, tuning);
            evidence.visits += 1.0;
            evidence.last = now;
            evidence.flow_seen = flow + 1.0;
            evidence.note(attempt.event_time, attempt.cost, flow);
            evidence.count(&attempt.attributes.into());
            if accused.is_none() && self.is_source_refuted(attempt.tenant, source) {
                accused = Some(source);
            }
        }
        accused
    }

    /// Whether every innocent explanation of a source is refuted.
    fn is_source_refuted(&self, tenant: TenantIx, source: Source) -> bool {
        let Some(evidence) = self.sources.evidence(Place::Source(tenant, source)) else {
            return false;
        };
        let people = evidence.since.attempts >= 5
            && evidence.since.verified as f64 >= PEOPLE_SHARE * evidence.since.attempts as f64;
        !people
            && evidence.counters.attempts >= self.tuning.attempts_min
            && evidence.may_refute(libm::exp(self.tuning.floor_block))
            && evidence.refutes_all(&self.source_lines(source))
    }

    /// What the finding says of the source that carried it.
    pub(super) fn source_item(&self, attempt: &Attempt) -> Option<EvidenceItem> {
        let source = attempt.accused?;
        let node = self.sources.get(Place::Source(attempt.tenant, source))?;
        let (evidence, own) = (node.evidence.as_ref()?, node.history.attempts());
        let approved = self.history(Place::Root(attempt.tenant)).verified();
        let (since, flow) = (evidence.since, self.tenants[usize::from(attempt.tenant)].flow);
        let all = (flow - since.flow).max(since.attempts as f64).max(1.0);
        let name = match source {
            Source::Device(_) => format!("device {source}"),
            Source::Agent(_) => format!("user agent {source}"),
            Source::Network(_) | Source::Asn(_) => source.to_string(),
        };
        let log_e = evidence.log_e(0);
        let said = format!(
            "{} of {all:.0} attempts of the tenant came from {name}; {} of them were verified",
            since.attempts, since.verified
        );
        Some(EvidenceItem {
            family: "source".into(),
            log_e,
            observed: since.attempts as f64 / all,
            expected: source_ceiling(own, approved, structural(source), &self.tuning),
            text: weighed(log_e, said),
        })
    }

    /// The lines of a source. One network or device is a small part of the traffic:
    /// there it is enough to pay for what it takes off the lines of ranges.
    fn source_lines(&self, source: Source) -> Lines {
        let (log_a, floor) = self.line_of(Level::Block);
        let lowered = match source {
            Source::Network(_) | Source::Device(_) => NARROW_NATS,
            Source::Agent(_) | Source::Asn(_) => 0.0,
        };
        lines(log_a, lowered, floor, |_| None, true, &self.tuning)
    }

    /// Credits an attempt's silence, which goes from its stage on to another, to its
    /// sources, and looks whether one of them is refuted by it.
    pub(super) fn silence_at_sources(&mut self, id: AttemptId, attempt: &Attempt, stage: usize, share: f64) {
        if !self.tuning.enabled.sources || !attempt.free || passed(stage) == passed(attempt.stage) {
            return;
        }
        let mut accused = None;
        if self.tuning.enabled.missing_verification {
            let (conversion, weight) = (attempt.conversion, attempt.weight);
            let credit = Credit::new(attempt.source_credited, share, conversion, weight, &self.tuning);
            for source in attempt.sources() {
                let place = Place::Source(attempt.tenant, source);
                if let Some(evidence) = self.sources.evidence_mut(place) {
                    evidence.silence(attempt.opened, &credit);
                    if accused.is_none() && self.is_source_refuted(attempt.tenant, source) {
                        accused = Some(source);
                    }
                }
            }
        }
        if let Some(known) = self.attempts.get_mut(id) {
            known.source_credited = share;
            known.accused = accused.or(known.accused);
        }
    }

    /// An approval speaks for an attempt's sources, and teaches how much honest
    /// traffic comes from them.
    pub(super) fn approve_sources(&mut self, attempt: &Attempt, factors: &[f64; PROFILES]) {
        if !self.tuning.enabled.sources {
            return;
        }
        for source in attempt.sources() {
            let place = Place::Source(attempt.tenant, source);
            if let Some(evidence) = self.sources.evidence_mut(place) {
                let (rest, counted) = (1.0 - attempt.source_credited, attempt.free && !attempt.repeat);
                evidence.note_verified(attempt.opened, counted, rest, attempt.conversion);
                if self.tuning.enabled.missing_verification {
                    evidence.approval(factors);
                }
            }
            if attempt.free && !matches!(source, Source::Device(_)) {
                let one = HeldCounts {
                    attempts: 1.0,
                    ..HeldCounts::default()
                };
                let hold = &mut self.tenants[usize::from(attempt.tenant)].source_hold;
                hold.add(attempt.slice, place, one);
            }
        }
    }

    /// What has waited long enough becomes the history of sources.
    pub(super) fn release_sources(&mut self, tenant: TenantIx, until: Millis) {
        let (now, decay) = (self.now, self.tuning.history_decay_ms);
        while let Some((_, places)) = self.tenants[usize::from(tenant)].source_hold.release(until) {
            for (place, counts) in places {
                let history = &mut self.sources.touch(place).history;
                history.learn(counts.attempts, 0.0, 0.0, now, decay);
            }
        }
    }
}

/// How many of the sources' stages lie at or before a stage.
fn passed(stage: usize) -> usize {
    STAGES.iter().filter(|s| **s <= stage).count()
}

/// Share of a tenant's honest attempts that one source may hold of which nothing was
/// seen.
fn structural(source: Source) -> f64 {
    match source {
        Source::Device(_) => 0.005,
        Source::Network(_) => 0.02,
        Source::Agent(_) | Source::Asn(_) => 0.2,
    }
}
