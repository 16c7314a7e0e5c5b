//! Findings about the plant: a stalled verification feed, a missing input, too
//! many bad records, too many names, a month's budget spent. Never a block.

use compact_str::CompactString;

use super::attempts::AppIx;
use super::feed_health::HealthChange;
use super::tenant::{NAMES_MAX, OTHER};
use super::{Due, Effect, Engine};
use crate::detector::baseline::LatencyCurve;
use crate::detector::episode::{Episode, EpisodeId, Opening};
use crate::detector::limits::Overrun;
use crate::detector::order::{BAD_RATIO, FeedAlarm, OWNERLESS_MS};
use crate::detector::trie::TenantIx;
use crate::model::log::Feed;
use crate::model::{
    Activity, DAY, EntityKey, EvidenceItem, FindingKind, HOUR, Level, MINUTE, Micros, RecommendedAction, SECOND,
    percent,
};

/// What is wrong: something counted, and what is expected of it or put up with. It has
/// no likelihood, so it weighs nothing.
pub(super) struct Said {
    pub(super) family: &'static str,
    pub(super) observed: f64,
    pub(super) expected: f64,
    pub(super) text: String,
}

impl Engine {
    pub(super) fn on_health(&mut self, app: AppIx, change: HealthChange, effects: &mut Vec<Effect>) {
        let known = &self.apps[app as usize];
        let key = EntityKey {
            tenant: self.tenants[usize::from(known.tenant)].name.clone(),
            app: Some(known.name.clone()),
            prefix: None,
        };
        match change {
            HealthChange::Stalled { since, overdue } => {
                let said = Said {
                    family: "verification_feed",
                    observed: 0.0,
                    expected: overdue,
                    text: format!(
                        "No verification of app {} of tenant {} has arrived since {since}, where at least {overdue:.1} were due outside the busiest country: silence proves nothing until they come again",
                        known.name, key.tenant
                    ),
                };
                self.open_operational(FindingKind::VerificationFeedStalled, key, said, effects);
            }
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
            FeedAlarm::Gap(feed, silent_ms) => {
                let minutes = *silent_ms as f64 / MINUTE as f64;
                let said = Said {
                    family: "input_gap",
                    observed: minutes,
                    expected: OWNERLESS_MS as f64 / MINUTE as f64,
                    text: format!(
                        "No member has read partition {} of {} for {minutes:.1} minutes: its events are missing, and time goes on without it",
                        feed.partition, feed.topic
                    ),
                };
                self.open_operational(FindingKind::InputGap, feed_key(feed), said, effects);
            }
            FeedAlarm::GapOver(feed) => self.close_operational(FindingKind::InputGap, &feed_key(feed), effects),
            FeedAlarm::BadRatio(feed, ratio) => {
                let said = Said {
                    family: "bad_input_ratio",
                    observed: *ratio,
                    expected: BAD_RATIO,
                    text: format!(
                        "{} of the latest records of partition {} of {} could not be used, where {} are put up with; the dead-letter topic says why",
                        percent(*ratio),
                        feed.partition,
                        feed.topic,
                        percent(BAD_RATIO)
                    ),
                };
                self.open_operational(FindingKind::BadInputRatio, feed_key(feed), said, effects);
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
        let said = Said {
            family: "names",
            observed: NAMES_MAX as f64 + 1.0,
            expected: NAMES_MAX as f64,
            text: format!(
                "More than {NAMES_MAX} tenants and apps appeared: further ones are counted together as {OTHER}"
            ),
        };
        self.open_operational(FindingKind::BadInputRatio, key, said, effects);
    }

    /// A tenant's month has cost more than its budget: one finding, until the month
    /// is over.
    pub(super) fn on_overrun(&mut self, tenant: TenantIx, overrun: Overrun, effects: &mut Vec<Effect>) {
        let key = self.key_of(tenant, None);
        let (spent, budget) = (overrun.spent.to_units(), overrun.budget.to_units());
        let said = Said {
            family: "budget",
            observed: spent,
            expected: budget,
            text: format!(
                "Tenant {} has spent {spent:.2} {currency} in {}; its monthly budget is {budget:.2} {currency}",
                key.tenant,
                overrun.month,
                currency = self.policy.currency.as_str(),
            ),
        };
        self.close_operational(FindingKind::BudgetExceeded, &key, effects);
        let episode = self.new_operational(FindingKind::BudgetExceeded, key.clone(), said);
        // What goes beyond the budget is lost, over the time in which all was spent.
        episode.cost = Micros(overrun.spent.0 - overrun.budget.0);
        (episode.first_event, episode.last_event) = (overrun.first, overrun.last);
        let id = episode.id;
        self.tell_operational(id, effects);
        // Of a late event the month may be over already.
        let until = overrun.month.end().max(self.now + HOUR);
        self.due(until, Due::Episode(id));
    }

    fn open_operational(&mut self, kind: FindingKind, key: EntityKey, said: Said, effects: &mut Vec<Effect>) {
        if self.episodes.about(kind, &key).is_none() {
            let id = self.new_operational(kind, key, said).id;
            self.tell_operational(id, effects);
        }
    }

    /// An episode that says this; its first record is still to be made.
    pub(super) fn new_operational(&mut self, kind: FindingKind, key: EntityKey, said: Said) -> &mut Episode {
        let now = self.now;
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
        episode.expires = now + DAY;
        episode.evidence = vec![EvidenceItem {
            family: said.family.into(),
            log_e: 0.0,
            observed: said.observed,
            expected: said.expected,
            text: said.text.clone(),
        }];
        episode.detail = said.text;
        episode
    }

    pub(super) fn tell_operational(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(id) {
            let finding = episode.record(Activity::Create, now, currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
    }

    pub(super) fn close_operational(&mut self, kind: FindingKind, key: &EntityKey, effects: &mut Vec<Effect>) {
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
