//! A delivery receipt: whether an attempt's message arrived speaks for or against
//! an outage at its places.

use super::attempts::{AppIx, Attempt, AttemptId, Receipt};
use super::{Effect, Engine};
use crate::detector::evidence::receipts;
use crate::detector::trie::{Place, TenantIx};
use crate::model::DeliveryStatus;
use crate::model::log::{RoutedEvent, Token};

/// Stage of silence by which most honest people have answered.
const ANSWERED_STAGE: usize = 5;

impl Engine {
    /// The first receipt that tells an attempt's fate counts; further ones repeat it
    /// or are about a resend.
    pub(super) fn on_receipt(
        &mut self,
        tenant: TenantIx,
        app: AppIx,
        event: &RoutedEvent,
        names: [Option<Token>; 2],
        status: DeliveryStatus,
        effects: &mut Vec<Effect>,
    ) {
        if !self.tuning.enabled.receipts {
            return;
        }
        let Some(factor) = receipts::ratio(status) else { return };
        let number = event.number.as_ref().map(|n| n.token);
        let id = self.attempts.find(tenant, app, names, number);
        let Some(attempt) = id.and_then(|id| self.attempts.get_mut(id)) else {
            return;
        };
        if attempt.receipt != Receipt::Awaited || !attempt.free {
            return;
        }
        let lost = status != DeliveryStatus::Delivered;
        attempt.receipt = if lost { Receipt::Weighed } else { Receipt::Delivered };
        let attempt = attempt.clone();
        self.on_first_receipt(&attempt, lost, effects);
        if lost {
            self.weigh_against_outage(&attempt, factor);
        }
    }

    /// A message that arrived and was not answered in good time, though the feed of
    /// verifications is alive: no outage explains that.
    pub(super) fn weigh_delivered(&mut self, attempt: &Attempt, stage: usize, id: AttemptId) {
        let health = &self.apps[attempt.app as usize].health;
        if attempt.receipt != Receipt::Delivered || stage < ANSWERED_STAGE || !health.is_fresh() {
            return;
        }
        if let Some(known) = self.attempts.get_mut(id) {
            known.receipt = Receipt::Weighed;
        }
        if let Some(factor) = receipts::ratio(DeliveryStatus::Delivered) {
            self.weigh_against_outage(attempt, factor);
        }
    }

    /// Evidence for or against an outage at an attempt's places and sources.
    pub(super) fn weigh_against_outage(&mut self, attempt: &Attempt, factor: f64) {
        for place in attempt.places() {
            if let Some(evidence) = self.trie.evidence_mut(place) {
                evidence.against_outage(factor);
            }
        }
        for source in attempt.sources() {
            let place = Place::Source(attempt.tenant, source);
            if let Some(evidence) = self.sources.evidence_mut(place) {
                evidence.against_outage(factor);
            }
        }
    }
}
