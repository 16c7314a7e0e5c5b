//! How soon an application's people verify: who votes on it, what is learned, and
//! what silence of some age is worth by it.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::baseline::{Prior, bin_of};
use crate::detector::evidence::after_life::Bet;
use crate::detector::evidence::missing_verification::Credit;
use crate::model::{Region, SECOND};

impl Engine {
    /// Whether a free attempt that opens now may vote.
    pub(super) fn may_vote(&mut self, attempt: &Attempt) -> bool {
        let app = &mut self.apps[attempt.app as usize];
        if attempt.repeat || !app.verifies() || app.health.is_stalled() {
            return false;
        }
        let width = self.tenants[usize::from(attempt.tenant)].slice_ms(self.now, &self.tuning);
        app.latency.enrol(attempt.region, self.now, width)
    }

    /// An approval tells how soon people verify, unless it lay in a feed that stood.
    pub(super) fn learn_latency(&mut self, attempt: &Attempt) {
        let seconds = self.seconds_open(attempt);
        let app = &mut self.apps[attempt.app as usize];
        if !attempt.voter || app.health.has_lost(attempt.opened) {
            return;
        }
        let bin = app.latency.vote(attempt.region, attempt.opened, seconds, attempt.wrong);
        self.tenants[usize::from(attempt.tenant)].latency.add(bin);
    }

    fn seconds_open(&self, attempt: &Attempt) -> f64 {
        (self.now - attempt.opened) as f64 / SECOND as f64
    }

    /// Whether an approval came as those of machines do, at each of its places.
    pub(super) fn weigh_after_life(&mut self, attempt: &Attempt) {
        let app = &self.apps[attempt.app as usize];
        if !self.tuning.enabled.after_life || attempt.repeat || app.health.has_lost(attempt.opened) {
            return;
        }
        let bin = bin_of(self.seconds_open(attempt));
        let bounds = app.latency.bin_bounds(attempt.region);
        let honest_wrong = app.latency.wrong_at_least();
        let tuning = &self.tuning;
        let credit = Credit::new(0.0, attempt.credited, attempt.conversion, attempt.weight, tuning);
        for place in attempt.places() {
            let Some(evidence) = self.trie.evidence_mut(place) else {
                continue;
            };
            let first_try = evidence.approvals.first_try(attempt.wrong, honest_wrong);
            let latency = bounds.as_ref().and_then(|b| evidence.approvals.latency(bin, b));
            let is_laid = latency.is_some() && tuning.enabled.missing_verification;
            let latency = latency.unwrap_or(Bet {
                ordinary: 1.0,
                delayed: 1.0,
            });
            let bet = Bet {
                ordinary: latency.ordinary * first_try,
                delayed: latency.delayed * first_try,
            };
            evidence.after_life(bet, if is_laid { &credit } else { &Credit::NONE });
            evidence.approvals.note(bin, attempt.wrong);
        }
    }

    /// Lower bound of the share of verifications that have come when a stage of an
    /// attempt's silence is due.
    pub(super) fn verified_by(&self, attempt: &Attempt, stage: usize) -> f64 {
        self.share_by(attempt, self.stages.priors[stage])
    }

    /// The same for any age of which a prior tells.
    pub(super) fn share_by(&self, attempt: &Attempt, prior: Prior) -> f64 {
        if !self.tuning.enabled.learned_latency {
            return prior.share;
        }
        let others = &self.tenants[usize::from(attempt.tenant)].latency;
        let app = &self.apps[attempt.app as usize];
        app.latency.share_by(prior, attempt.region, others, self.now)
    }

    /// Votes that have waited long enough are believed.
    pub(super) fn release_latencies(&mut self) {
        let now = self.now;
        for app in &mut self.apps {
            if !app.latency.is_idle() {
                let hold = self.tenants[usize::from(app.tenant)].hold_ms(now, &self.tuning);
                app.latency.release(now - hold, now);
            }
        }
    }

    /// A region turned out to be attacked: what waits there teaches nothing.
    pub(super) fn forget_latencies(&mut self, tenant: crate::detector::trie::TenantIx, region: Region) {
        for app in self.apps.iter_mut().filter(|app| app.tenant == tenant) {
            app.latency.forget(region);
        }
    }
}
