//! A verification: an approval speaks for its attempt's places and teaches what
//! honest clients look like; every outcome shows that the feed is alive.

use super::attempts::{AppIx, Attempt, AttemptId};
use super::{Effect, Engine};
use crate::detector::baseline::HeldCounts;
use crate::detector::evidence::missing_verification;
use crate::detector::trie::{Place, TenantIx};
use crate::model::log::{RoutedEvent, Token};
use crate::model::{DAY, Millis, Outcome};

/// Evidence that began earlier than this keeps nothing out of history any more.
const LEFT_OUT_MS: i64 = 7 * DAY;
/// Share of verified attempts below which next to nobody verifies.
const LEFT_OUT_SHARE: f64 = 0.1;

impl Engine {
    pub(super) fn on_verification(
        &mut self,
        tenant: TenantIx,
        app: AppIx,
        event: &RoutedEvent,
        names: [Option<Token>; 2],
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let number = event.number.as_ref().map(|n| n.token);
        let id = self.attempts.find(tenant, app, names, number);
        // A verification that names no app of its own belongs to its attempt's.
        let app = id.and_then(|id| self.attempts.get(id)).map_or(app, |a| a.app);
        let change = self.apps[app as usize].health.verification(self.now, event.time);
        if let Some(change) = change
            && self.apps[app as usize].verifies()
        {
            self.on_health(app, change, effects);
        }
        if outcome == Outcome::Failed
            && let Some(attempt) = id.and_then(|id| self.attempts.get_mut(id))
        {
            attempt.wrong |= !attempt.verified;
        }
        if outcome != Outcome::Approved {
            return;
        }
        let now = self.now;
        self.apps[app as usize].verified_since.get_or_insert(now);
        self.tenants[usize::from(tenant)].verifies = true;
        match id {
            Some(id) => self.approve(id, event.time, false, effects),
            None => self.early.put((tenant, names), (app, number), now, event.time),
        }
    }

    /// The attempt's code was approved at `time`; `early` where its send arrived later
    /// than that, so that nobody knows how long it took.
    pub(super) fn approve(&mut self, id: AttemptId, time: Millis, early: bool, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut attempt.verified, true) {
            return;
        }
        let attempt = attempt.clone();
        self.verified_window(&attempt, (time - attempt.event_time).max(0) as f64 / 1_000.0);
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        let entry = region.recall(attempt.ring);
        let counted = entry.is_some_and(|entry| {
            entry.verified = true;
            entry.counted
        });
        if counted {
            self.count_approval(&attempt);
        }
        self.forget_hammer(&attempt);
        self.note_approval(&attempt);
        let factors = missing_verification::approval(attempt.weight, &self.tuning);
        let now = self.now;
        // Whoever has verified is all that was expected of him.
        let rest = 1.0 - attempt.credited;
        for place in attempt.places() {
            if let Some(evidence) = self.trie.evidence_mut(place) {
                evidence.note_verified(attempt.opened, attempt.free, rest, attempt.conversion);
                if self.tuning.enabled.missing_verification {
                    evidence.approval(&factors);
                }
                evidence.since.last_event = evidence.since.last_event.max(time.min(now));
            }
        }
        self.approve_sources(&attempt, &factors);
        if attempt.free {
            self.apps[attempt.app as usize].health.approval(now, attempt.region);
            let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
            region.anchor.verify(now);
            self.note_arrival(&attempt, effects);
            if !early {
                self.weigh_after_life(&attempt);
            }
            let judged = f64::from(u8::from(!self.was_judged(&attempt)));
            self.hold(
                &attempt,
                HeldCounts {
                    attempts: 0.0,
                    judged,
                    verified: 1.0,
                },
            );
            self.learn_shares(&attempt);
            if !early {
                self.learn_latency(&attempt);
            }
        } else if let Some((entry, prefix, block)) = self.standing_over(attempt.app, attempt.block) {
            if let Some(episode) = self.episodes.get_mut(block.episode) {
                episode.verified += 1;
            }
            self.blocks.on_approval(entry, prefix);
        }
    }

    /// Whether the attempt was held back as one that approval could vouch for:
    /// before an app's first approval nothing could.
    fn was_judged(&self, attempt: &Attempt) -> bool {
        self.apps[attempt.app as usize]
            .verified_since
            .is_some_and(|since| attempt.opened >= since)
    }

    /// What honest clients look like is learned from approved attempts only.
    fn learn_shares(&mut self, attempt: &Attempt) {
        let has = attempt.attributes;
        self.apps[attempt.app as usize].fresh.observe(has.fresh);
        let tenant = &mut self.tenants[usize::from(attempt.tenant)];
        tenant.missing.observe(has.missing);
        tenant.invalid.observe(has.invalid);
        tenant.suspect.observe(has.suspect);
        tenant.region(attempt.region, &self.hasher).suspect.observe(has.suspect);
        if !has.missing {
            tenant.odd.observe(has.odd);
            tenant.device.observe(has.device);
            tenant.region(attempt.region, &self.hasher).device.observe(has.device);
        }
        if let Some(asn) = attempt.asn {
            tenant.region(attempt.region, &self.hasher).asns.count(asn);
        }
        self.note_newer(attempt);
    }

    /// Whether a place is suspected at level `alert` and next to nobody verifies there:
    /// then it teaches nothing, for a bounded time, so that what is real is learned in
    /// the end.
    fn is_left_out(&self, place: Place) -> bool {
        let Some(evidence) = self.trie.evidence(place) else {
            return false;
        };
        let since = evidence.since;
        self.now - evidence.start <= LEFT_OUT_MS
            && evidence.refutes_all(&self.alert_lines)
            && (since.verified as f64) < LEFT_OUT_SHARE * since.attempts as f64
    }

    /// What has waited long enough becomes history, unless it lies in a block.
    pub(super) fn release_history(&mut self, tenant: TenantIx) {
        let (now, decay) = (self.now, self.tuning.history_decay_ms);
        let hold = self.tenants[usize::from(tenant)].hold_ms(now, &self.tuning);
        self.release_sources(tenant, now - hold);
        let conversion = self.tuning.conversion_lower * self.tuning.conversion_prior;
        let known = &mut self.tenants[usize::from(tenant)];
        known.exposure.pass(known.first, now - hold, decay);
        while let Some((start, places)) = self.tenants[usize::from(tenant)].hold.release(now - hold) {
            for (place, counts) in places {
                if let Place::Range(tenant, prefix, _) = place
                    && self.blocks.covering(tenant, prefix).is_some()
                {
                    continue;
                }
                if self.is_left_out(place) {
                    continue;
                }
                let attempts = counts.vouched(conversion);
                if attempts > 0.0 || counts.judged > 0.0 {
                    let history = match place {
                        Place::App(_, app) => &mut self.apps[app as usize].history,
                        _ => &mut self.trie.touch(place).history,
                    };
                    history.learn(attempts, counts.judged, counts.verified, now, decay);
                    self.learn_season(place, start, attempts);
                }
            }
        }
    }
}
