//! The finding that a region's messages do not arrive: opened, updated and closed
//! by what numbers that verified before show. It changes nothing else.

use super::attempts::Attempt;
use super::{Effect, Engine};
use crate::detector::episode::{Episode, EpisodeId, Opening};
use crate::detector::evidence::outage::Deliveries;
use crate::detector::evidence::{PRODUCT_MIN, missing_verification};
use crate::detector::trie::TenantIx;
use crate::model::{Activity, DAY, EvidenceItem, FindingKind, Level, Prefix, RecommendedAction, Region};
use crate::number_plan::NumberPlan;

impl Engine {
    fn deliveries(&mut self, attempt: &Attempt) -> &mut Deliveries {
        let tenant = &mut self.tenants[usize::from(attempt.tenant)];
        &mut tenant.region(attempt.region, &self.hasher).deliveries
    }

    /// A free attempt opens.
    pub(super) fn expect_delivery(&mut self, attempt: &Attempt) {
        if self.tuning.enabled.outage_findings && attempt.returning && self.apps[attempt.app as usize].verifies() {
            let conversion = attempt.conversion;
            self.deliveries(attempt).attempt(conversion);
        }
    }

    /// The first receipt of a free attempt.
    pub(super) fn on_first_receipt(&mut self, attempt: &Attempt, lost: bool, effects: &mut Vec<Effect>) {
        if self.tuning.enabled.outage_findings && attempt.returning {
            self.deliveries(attempt).receipt(lost);
            self.judge_deliveries(attempt, effects);
        }
    }

    /// A returning number stays silent while honest verifications grow to `share`.
    pub(super) fn miss_returning(&mut self, attempt: &Attempt, share: f64, effects: &mut Vec<Effect>) {
        let fresh = self.apps[attempt.app as usize].health.is_fresh();
        let arrived = attempt.receipt == super::attempts::Receipt::Delivered;
        if self.tuning.enabled.outage_findings && attempt.returning && fresh && !arrived {
            let hazard = missing_verification::hazard(attempt.credited, share, attempt.conversion);
            self.deliveries(attempt).silence(hazard);
            self.judge_deliveries(attempt, effects);
        }
    }

    /// A free attempt was approved: its number has verified, and its message came.
    pub(super) fn note_arrival(&mut self, attempt: &Attempt, effects: &mut Vec<Effect>) {
        let numbers = &mut self.tenants[usize::from(attempt.tenant)].numbers;
        // What came with an attack is no acquaintance.
        let is_person = attempt.accused.is_none() && !attempt.attributes.suspect;
        if let Some(mut known) = numbers.get(&attempt.number) {
            known.verified |= is_person;
            numbers.put(attempt.number, known);
        }
        if self.tuning.enabled.outage_findings && attempt.returning {
            let conversion = attempt.conversion;
            self.deliveries(attempt).approval(conversion);
            self.judge_deliveries(attempt, effects);
        }
    }

    fn judge_deliveries(&mut self, attempt: &Attempt, effects: &mut Vec<Effect>) {
        let (tenant, region) = (attempt.tenant, attempt.region);
        let line = libm::exp(self.line_of(Level::Alert).0);
        let open = self.tenants[usize::from(tenant)].outages.get(&region).copied();
        // A verdict may have closed it meanwhile.
        let known = open.map(|id| self.episodes.get(id).is_some());
        let deliveries = self.deliveries(attempt);
        let (receipts, silence) = deliveries.e_values();
        match (open, known) {
            (None, _) if receipts.max(silence) >= line => {
                deliveries.found();
                self.open_outage(tenant, region, attempt, effects);
            }
            (None, _) => {}
            (Some(_), Some(false)) => self.forget_outage(tenant, region),
            (Some(id), _) if deliveries.is_over() => self.close_outage(tenant, region, id, effects),
            (Some(id), _) => {
                self.describe_outage(tenant, region, id);
                if self.episodes.get(id).is_some_and(Episode::has_grown) {
                    self.tell_outage(id, Activity::Update, effects);
                }
            }
        }
    }

    fn open_outage(&mut self, tenant: TenantIx, region: Region, attempt: &Attempt, effects: &mut Vec<Effect>) {
        let key = self.key_of(tenant, region_prefix(region));
        // Regions of one calling code share a key: their findings must differ in time.
        if self
            .episodes
            .same(FindingKind::DeliveryOutage, &key, self.now)
            .is_some()
        {
            return;
        }
        let episode = self.episodes.open(Opening {
            key,
            tenant: Some(tenant),
            region: Some(region),
            kind: FindingKind::DeliveryOutage,
            level: Level::Alert,
            action: RecommendedAction::Review,
            moved_from: None,
            now: self.now,
        });
        episode.first_event = attempt.event_time;
        let id = episode.id;
        self.tenants[usize::from(tenant)].outages.insert(region, id);
        self.describe_outage(tenant, region, id);
        self.tell_outage(id, Activity::Create, effects);
    }

    fn close_outage(&mut self, tenant: TenantIx, region: Region, id: EpisodeId, effects: &mut Vec<Effect>) {
        self.describe_outage(tenant, region, id);
        self.forget_outage(tenant, region);
        self.close_episode(id, effects);
    }

    fn forget_outage(&mut self, tenant: TenantIx, region: Region) {
        let known = &mut self.tenants[usize::from(tenant)];
        known.outages.remove(&region);
        known.region(region, &self.hasher).deliveries.restart();
    }

    /// Outages of which nothing was heard for a day are over, for all one knows.
    pub(super) fn end_stale_outages(&mut self, effects: &mut Vec<Effect>) {
        for tenant in 0..self.tenants.len() {
            let open = self.tenants[tenant].outages.clone();
            for (region, id) in open {
                if self.episodes.get(id).is_none_or(|e| self.now >= e.expires) {
                    self.close_outage(tenant as TenantIx, region, id, effects);
                }
            }
        }
    }

    /// Writes what is known into the episode.
    fn describe_outage(&mut self, tenant: TenantIx, region: Region, id: EpisodeId) {
        let line = self.line_of(Level::Alert).0;
        let known = self.tenants[usize::from(tenant)].region(region, &self.hasher);
        let seen = known.deliveries.clone();
        let Some(episode) = self.episodes.get_mut(id) else {
            return;
        };
        let (receipts, silence) = seen.e_values();
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let lost = share(seen.lost, seen.told);
        let converted = share(seen.approved, seen.attempts);
        let by_receipts = format!(
            "{} of {} messages to numbers that verified before were not delivered ({:.0} %); {:.0} % is usual at most",
            seen.lost,
            seen.told,
            100.0 * lost,
            100.0 * seen.lost_bound()
        );
        let by_silence = format!(
            "{} of {} attempts of numbers that verified before were verified ({:.0} %); at least {:.0} % is usual",
            seen.approved,
            seen.attempts,
            100.0 * converted,
            100.0 * seen.conversion
        );
        let said = if receipts >= silence { &by_receipts } else { &by_silence };
        episode.detail = format!("Messages to {region} do not arrive: {said}");
        let item = |family: &str, e: f64, observed, expected, text| EvidenceItem {
            family: family.into(),
            log_e: libm::log(e.max(PRODUCT_MIN)),
            observed,
            expected,
            text,
        };
        episode.evidence = vec![
            item("delivery_receipts", receipts, lost, seen.lost_bound(), by_receipts),
            item("returning_numbers", silence, converted, seen.conversion, by_silence),
        ];
        episode.evidence.retain(|i| i.log_e > 0.0);
        if episode.log_e_threshold == 0.0 {
            (episode.log_e_total, episode.log_e_threshold) = (libm::log(receipts.max(silence)), line);
        }
        (episode.attempts, episode.verified) = (seen.attempts.max(seen.told), seen.approved);
        episode.expected_conversion = seen.conversion;
        episode.last_event = self.now;
        episode.expires = self.now + DAY;
    }

    fn tell_outage(&mut self, id: EpisodeId, activity: Activity, effects: &mut Vec<Effect>) {
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(id) {
            let finding = episode.record(activity, now, currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
    }
}

/// What all numbers of a region begin with.
fn region_prefix(region: Region) -> Option<Prefix> {
    let all = NumberPlan::shared().region_prefixes(region);
    let first = *all.first()?;
    (1..=first.len())
        .rev()
        .map(|len| first.truncated(len))
        .find(|common| all.iter().all(|prefix| common.covers(*prefix)))
}
