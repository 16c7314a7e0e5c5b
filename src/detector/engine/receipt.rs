//! A delivery receipt: whether an attempt's message arrived speaks for or against
//! an outage at its places.

use super::Engine;
use super::attempts::AppIx;
use crate::detector::evidence::receipts;
use crate::detector::trie::TenantIx;
use crate::model::DeliveryStatus;
use crate::model::log::{RoutedEvent, Token};

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
        if std::mem::replace(&mut attempt.receipted, true) || !attempt.free {
            return;
        }
        let attempt = attempt.clone();
        // A message that arrives does not refute a dead feed of verifications.
        let health = &self.apps[attempt.app as usize].health;
        if !health.is_fresh() || health.has_lost(attempt.opened) {
            return;
        }
        for place in attempt.ranges().map(|(_, p)| p).chain([attempt.region_place()]) {
            if let Some(evidence) = self.trie.get_mut(place).and_then(|n| n.evidence.as_mut()) {
                evidence.receipt(factor);
            }
        }
    }
}
