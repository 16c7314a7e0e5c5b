//! Findings about the plant: a stalled verification feed, a missing input, too
//! many bad records, too many names, a month's budget spent. Never a block.

use compact_str::CompactString;

use super::attempts::AppIx;
use super::feed_health::HealthChange;
use super::tenant::{NAMES_MAX, OTHER};
use super::{Due, Effect, Engine};
use crate::detector::baseline::LatencyCurve;
use crate::detector::episode::Opening;
use crate::detector::limits::Overrun;
use crate::detector::order::FeedAlarm;
use crate::detector::trie::TenantIx;
use crate::model::log::Feed;
use crate::model::{Activity, DAY, EntityKey, FindingKind, HOUR, Level, RecommendedAction, SECOND};

impl Engine {
    pub(super) fn on_health(&mut self, app: AppIx, change: HealthChange, effects: &mut Vec<Effect>) {
        let known = &self.apps[app as usize];
        let key = EntityKey {
            tenant: self.tenants[usize::from(known.tenant)].name.clone(),
            app: Some(known.name.clone()),
            prefix: None,
        };
        let text = format!(
            "No verification of app {} of tenant {} arrives any more, in several countries at once: silence proves nothing until they come again",
            known.name, key.tenant
        );
        match change {
            HealthChange::Stalled => self.open_operational(FindingKind::VerificationFeedStalled, key, text, effects),
            HealthChange::Recovered => self.close_operational(FindingKind::VerificationFeedStalled, &key, effects),
        }
    }

    /// Looks at every feed that is silent: whether it is time to tell of it.
    pub(super) fn doubt_feeds(&mut self, effects: &mut Vec<Effect>) {
        let curve = LatencyCurve::default();
        for app in 0..self.apps.len() {
            let known = &self.apps[app];
            let Some(since) = known.health.doubted_since().filter(|_| known.verifies()) else {
                continue;
            };
            let open = self.attempts.opened_after(since);
            let open = open.filter(|a| a.app as usize == app && a.free).map(|attempt| {
                let seconds = (self.now - attempt.opened) as f64 / SECOND as f64;
                let share = self.share_by(attempt, curve.at(seconds));
                (attempt.region, attempt.conversion, share)
            });
            let open: Vec<_> = open.collect();
            if let Some(change) = self.apps[app].health.doubt(self.now, open.into_iter()) {
                self.on_health(app as AppIx, change, effects);
            }
        }
    }

    /// Every partition hears of every feed; the first one speaks.
    pub(crate) fn on_feed_alarm(&mut self, alarm: &FeedAlarm, effects: &mut Vec<Effect>) {
        if self.partition != 0 {
            return;
        }
        match alarm {
            FeedAlarm::Gap(feed) => {
                let text = format!(
                    "No member has read partition {} of {} for five minutes: its events are missing, and time goes on without it",
                    feed.partition, feed.topic
                );
                self.open_operational(FindingKind::InputGap, feed_key(feed), text, effects);
            }
            FeedAlarm::GapOver(feed) => self.close_operational(FindingKind::InputGap, &feed_key(feed), effects),
            FeedAlarm::BadRatio(feed, ratio) => {
                let text = format!(
                    "{:.1} % of the latest records of partition {} of {} could not be used; the dead-letter topic says why",
                    100.0 * ratio,
                    feed.partition,
                    feed.topic
                );
                self.open_operational(FindingKind::BadInputRatio, feed_key(feed), text, effects);
            }
            FeedAlarm::BadRatioOver(feed) => {
                self.close_operational(FindingKind::BadInputRatio, &feed_key(feed), effects);
            }
        }
    }

    /// Says once that tenants and apps no longer get names of their own.
    pub(super) fn tell_names_full(&mut self, effects: &mut Vec<Effect>) {
        if !self.names.is_full() || std::mem::replace(&mut self.names_full_told, true) {
            return;
        }
        let key = EntityKey {
            tenant: OTHER.into(),
            app: None,
            prefix: None,
        };
        let text =
            format!("More than {NAMES_MAX} tenants and apps appeared: further ones are counted together as {OTHER}");
        self.open_operational(FindingKind::BadInputRatio, key, text, effects);
    }

    /// A tenant's month has cost more than its budget: one finding, until the month
    /// is over.
    pub(super) fn on_overrun(&mut self, tenant: TenantIx, overrun: Overrun, effects: &mut Vec<Effect>) {
        let key = self.key_of(tenant, None);
        let text = format!(
            "Tenant {} has spent {:.2} {currency} in {}; its monthly budget is {:.2} {currency}",
            key.tenant,
            overrun.spent.to_units(),
            overrun.month,
            overrun.budget.to_units(),
            currency = self.policy.currency.as_str(),
        );
        self.close_operational(FindingKind::BudgetExceeded, &key, effects);
        self.open_operational(FindingKind::BudgetExceeded, key.clone(), text, effects);
        // Of a late event the month may be over already.
        let until = overrun.month.end().max(self.now + HOUR);
        if let Some(id) = self.episodes.about(FindingKind::BudgetExceeded, &key) {
            self.due(until, Due::Episode(id));
        }
    }

    fn open_operational(&mut self, kind: FindingKind, key: EntityKey, text: String, effects: &mut Vec<Effect>) {
        if self.episodes.about(kind, &key).is_some() {
            return;
        }
        let (now, currency) = (self.now, self.policy.currency);
        let tenant = self.names.known_tenant(&key.tenant);
        let episode = self.episodes.open(Opening {
            key,
            tenant,
            region: None,
            kind,
            level: Level::Alert,
            action: RecommendedAction::Review,
            moved_from: None,
            now,
        });
        episode.detail = text;
        episode.expires = now + DAY;
        let finding = episode.record(Activity::Create, now, currency, &self.config_hash);
        effects.push(Effect::Finding(Box::new(finding)));
    }

    fn close_operational(&mut self, kind: FindingKind, key: &EntityKey, effects: &mut Vec<Effect>) {
        if let Some(id) = self.episodes.about(kind, key) {
            self.close_episode(id, effects);
        }
    }
}

/// A feed belongs to no tenant: its finding is about the input as such.
fn feed_key(feed: &Feed) -> EntityKey {
    let app = CompactString::from(format!("{}/{}", feed.topic, feed.partition));
    EntityKey {
        tenant: "*".into(),
        app: Some(app),
        prefix: None,
    }
}
