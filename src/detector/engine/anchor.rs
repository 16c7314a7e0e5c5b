//! Money per verified user, region by region, beside what it was in the first weeks.

use super::attempts::AttemptId;
use super::operations::Said;
use super::{Due, Effect, Engine};
use crate::detector::limits::Excess;
use crate::detector::trie::TenantIx;
use crate::model::{DAY, FindingKind, Micros, Region};
use crate::number_plan::NumberPlan;

impl Engine {
    /// A message of a free attempt was paid for. What is told of by other findings is
    /// left out, and apps whose users never verify.
    pub(super) fn spend_on(&mut self, id: AttemptId, cost: Micros, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(id) else { return };
        let (tenant, region, free) = (attempt.tenant, attempt.region, attempt.free && !attempt.is_apart());
        let app = &self.apps[attempt.app as usize];
        let is_told = self.tenants[usize::from(tenant)].outages.contains_key(&region);
        if !self.tuning.enabled.anchor || !free || is_told || !app.verifies() || app.health.is_stalled() {
            return;
        }
        let now = self.now;
        let known = self.tenants[usize::from(tenant)].region(region, &self.hasher);
        if let Some(excess) = known.anchor.spend(now, cost) {
            self.on_excess(tenant, region, excess, effects);
        }
    }

    /// A verified user of one region has cost too much for a day.
    fn on_excess(&mut self, tenant: TenantIx, region: Region, excess: Excess, effects: &mut Vec<Effect>) {
        let prefixes = NumberPlan::shared().region_prefixes(region);
        let key = self.key_of(tenant, prefixes.first().copied());
        let [each, usual] = [excess.each, excess.usual].map(|micros| micros / 1e6);
        let currency = self.policy.currency.as_str();
        let text = format!(
            "A verified user in {} has cost {each:.2} {currency} within a day, {:.1} times the {usual:.2} {currency} of the first weeks: {:.2} {currency} were spent and {} users verified. Prices, deliveries or an attack below every line may be the reason",
            region.as_str(),
            each / usual,
            excess.spent.to_units(),
            excess.verified,
        );
        let said = Said {
            family: "money_per_verified_user",
            observed: each,
            expected: usual,
            text,
        };
        let now = self.now;
        self.close_operational(FindingKind::BudgetExceeded, &key, effects);
        let episode = self.new_operational(FindingKind::BudgetExceeded, key, said);
        episode.cost = excess.beyond;
        (episode.first_event, episode.last_event) = (now - DAY, now);
        let id = episode.id;
        self.tell_operational(id, effects);
        self.due(now + DAY, Due::Episode(id));
    }
}
