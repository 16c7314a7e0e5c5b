//! A delivery receipt: whether an attempt's message arrived speaks for or against
//! an outage at its places.

use super::Engine;
use super::attempts::{AppIx, Attempt, AttemptId, Receipt};
use crate::detector::evidence::receipts;
use crate::detector::trie::TenantIx;
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
        message: Option<Token>,
        session: Option<Token>,
        status: DeliveryStatus,
    ) {
        if !self.tuning.enabled.receipts {
            return;
        }
        let Some(factor) = receipts::ratio(status) else { return };
        let by_name = [message, session]
            .into_iter()
            .flatten()
            .find_map(|name| self.attempts.of_session(tenant, name));
        let by_number = || {
            event
                .number
                .as_ref()
                .and_then(|n| self.attempts.of_number(app, n.token))
        };
        let Some(attempt) = by_name.or_else(by_number).and_then(|id| self.attempts.get_mut(id)) else {
            return;
        };
        if attempt.receipt != Receipt::Awaited || !attempt.free {
            return;
        }
        if status == DeliveryStatus::Delivered {
            attempt.receipt = Receipt::Delivered;
            return;
        }
        attempt.receipt = Receipt::Weighed;
        let attempt = attempt.clone();
        self.weigh_receipt(&attempt, factor);
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
            self.weigh_receipt(attempt, factor);
        }
    }

    fn weigh_receipt(&mut self, attempt: &Attempt, factor: f64) {
        for place in attempt.ranges().map(|(_, p)| p).chain([attempt.region_place()]) {
            if let Some(evidence) = self.trie.get_mut(place).and_then(|n| n.evidence.as_mut()) {
                evidence.receipt(factor);
            }
        }
    }
}
