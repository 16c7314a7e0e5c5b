//! Window statistics: what each destination of an app did in a minute, beside
//! what honest traffic would have done.

use super::attempts::{AppIx, Attempt};
use super::{Due, Effect, Engine};
use crate::detector::baseline::honest_per_hour;
use crate::detector::trie::Place;
use crate::detector::window::{ClosedWindow, Destination, SendSample};
use crate::model::log::{NumberRef, RoutedSend};
use crate::model::{MINUTE, Micros, Prefix, Region, SendStatus, WindowStats};

/// Digits beyond the region's own that make an operator or number-type range.
const OPERATOR_DIGITS: usize = 2;
/// Nats that stand for the middle of the risk scale.
const SCORE_MIDDLE: f64 = 8.0;

impl Engine {
    pub(super) fn count_window(
        &mut self,
        app: AppIx,
        number: &NumberRef,
        send: &RoutedSend,
        cost: Micros,
        opens_attempt: bool,
    ) {
        let region = number.class.region.unwrap_or(Region::WORLD);
        let own = usize::from(number.class.region_digits);
        let destinations = self.destinations(app, region, own, number.block, number.digits);
        let sample = SendSample {
            blocked: send.status == SendStatus::Blocked,
            opens_attempt,
            number: number.token,
            cost,
        };
        self.windows.on_send(self.now, app, &destinations, &sample);
        self.plan_windows();
    }

    pub(super) fn verified_window(&mut self, attempt: &Attempt, latency_seconds: f64) {
        let own = usize::from(attempt.calling_digits);
        let destinations = self.destinations(attempt.app, attempt.region, own, attempt.block, attempt.digits);
        self.windows
            .on_verified(self.now, attempt.app, &destinations, latency_seconds);
        self.plan_windows();
    }

    /// The country, the operator's or number type's range, and the flagged prefix.
    fn destinations(
        &self,
        app: AppIx,
        region: Region,
        own: usize,
        block: Prefix,
        digits: u8,
    ) -> smallvec::SmallVec<[Destination; 3]> {
        let mut out = smallvec::SmallVec::new();
        out.push(Destination::country(Some(region)));
        let operator = block.truncated(own + OPERATOR_DIGITS);
        out.push(Destination::operator(Some(region), operator));
        if let Some((_, flagged, _)) = self.standing_over(app, block)
            && flagged.len() > operator.len()
        {
            out.push(Destination::range(Some(region), flagged, digits));
        }
        out
    }

    fn plan_windows(&mut self) {
        let Some(next) = self.windows.next_close() else { return };
        if self.windows_due.is_none_or(|due| next < due) {
            self.windows_due = Some(next);
            self.due(next, Due::Windows);
        }
    }

    /// Windows that ended become statistics.
    pub(super) fn on_windows_due(&mut self, effects: &mut Vec<Effect>) {
        if self.windows_due.is_some_and(|due| due <= self.now) {
            self.windows_due = None;
        }
        let mut closed = Vec::new();
        self.windows.close_until(self.now, &mut closed);
        for window in closed {
            let stats = self.window_stats(&window);
            effects.push(Effect::Stats(Box::new(stats)));
        }
        self.plan_windows();
    }

    fn window_stats(&self, window: &ClosedWindow) -> WindowStats {
        let app = &self.apps[window.app as usize];
        let entry = self.entry_of(window.app);
        let tenant = &self.tenants[usize::from(entry)];
        let region = window.destination.region().unwrap_or(Region::WORLD);
        let place = match window.destination.prefix() {
            None => Place::Region(entry, region),
            Some(prefix) => Place::Range(entry, prefix, window.destination.digits()),
        };
        let history = self.history(place);
        let age = self.now - tenant.first;
        let class = place.class().unwrap_or(6);
        let minutes = (window.end - window.start) as f64 / MINUTE as f64;
        let expected_sends = honest_per_hour(&history, class, age, &self.tuning) * minutes / 60.0
            * self.hour(entry, region).map_or(1.0, |hour| hour.region.middle());
        let histories = [self.history(Place::Root(entry)), history];
        let conversion = crate::detector::baseline::conversion_lower_bound(histories.iter(), &self.tuning);
        let log_e = self.trie.evidence(place).map_or(0.0, |e| e.log_e(0).max(0.0));
        WindowStats {
            tenant: tenant.name.clone(),
            app: app.name.clone(),
            destination: match window.destination.prefix() {
                Some(prefix) => prefix.to_string().into(),
                None => region.as_str().into(),
            },
            level: window.destination.level(),
            region: Some(region),
            operator: None,
            start: window.start,
            end: window.end,
            sends: window.sends,
            attempts: window.attempts,
            verified: window.verified,
            blocked: window.blocked,
            distinct_numbers: window.distinct_numbers,
            cost: window.cost,
            currency: self.policy.currency,
            verify_p50: window.verify_p50,
            verify_p95: window.verify_p95,
            expected_sends,
            expected_conversion: conversion / self.tuning.conversion_lower,
            log_e,
            score: score(log_e),
        }
    }
}

/// A risk from 0 to 100: a logistic curve over the evidence.
fn score(log_e: f64) -> u8 {
    if log_e <= 0.0 {
        return 0;
    }
    (100.0 / (1.0 + libm::exp(-(log_e - SCORE_MIDDLE) / 2.0)))
        .round()
        .min(100.0) as u8
}
