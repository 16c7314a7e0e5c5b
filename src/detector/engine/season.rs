//! What the hour of the week makes of the honest rates at a tenant and its regions.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::baseline::Factors;
use crate::detector::trie::{Place, TenantIx};
use crate::model::{Millis, Region};

/// The hour at a region, beside that of the whole tenant.
#[derive(Clone, Copy)]
pub(super) struct Hour {
    pub(super) region: Factors,
    pub(super) tenant: Factors,
}

/// A tenant's quietest hours are not believed to be quieter than this.
const QUIET: f64 = 0.1;

impl Hour {
    /// How many times its mean share the region may take of the tenant's traffic now.
    pub(super) fn swing(self) -> f64 {
        self.region.largest / self.tenant.least.max(QUIET)
    }
}

impl Engine {
    /// The present hour; `None` while the tenant is too young to know its seasons.
    pub(super) fn hour(&self, tenant: TenantIx, region: Region) -> Option<Hour> {
        let known = &self.tenants[usize::from(tenant)];
        if !self.tuning.enabled.seasons || !known.exposure.is_mature() {
            return None;
        }
        let whole = known.season.factors(self.now, &known.exposure, None);
        let region = known.regions.get(&region).map_or(whole, |r| {
            r.season.factors(self.now, &known.exposure, Some(&known.season))
        });
        Some(Hour { region, tenant: whole })
    }

    /// The present hour at an attempt's region.
    pub(super) fn hour_of(&self, attempt: &Attempt) -> Option<Hour> {
        self.hour(attempt.tenant, attempt.region)
    }

    /// Attempts of a stretch of time that began at `start` tell of the hour.
    pub(super) fn learn_season(&mut self, place: Place, start: Millis, attempts: f64) {
        let (now, decay) = (self.now, self.tuning.history_decay_ms);
        match place {
            Place::Root(tenant) => {
                let season = &mut self.tenants[usize::from(tenant)].season;
                season.learn(start, attempts, now, decay);
            }
            Place::Region(tenant, region) => {
                let known = &mut self.tenants[usize::from(tenant)];
                let season = &mut known.region(region, &self.hasher).season;
                season.learn(start, attempts, now, decay);
            }
            _ => {}
        }
    }
}
