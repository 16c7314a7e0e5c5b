//! What honest clients' attributes are bounded by, and what that makes of one
//! attempt's.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::evidence::{Evidence, Ratios, attributes};
use crate::detector::trie::Place;
use crate::detector::tuning::Tuning;

/// Approvals a share must rest on before it is trusted.
const SHARE_MATURE: f64 = 60.0;
/// The same for the share of clients that tell nothing about themselves.
const MISSING_MATURE: f64 = 150.0;
/// The same for novelty: in the first days everything is new.
const FRESH_MATURE: f64 = 150.0;
/// Where more than this share is new, novelty says nothing.
const FRESH_MAX: f64 = 0.9;
/// Least honest share of attempts to ranges that are half accused, and how much more
/// than among approved attempts it may be: such ranges convert badly.
const SUSPECT_FLOOR: f64 = 0.02;
const SUSPECT_SLACK: f64 = 2.0;
/// Upper bounds of the honest shares of attributes; `None` where a share is not
/// mature and the family is off.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) missing: f64,
    pub(super) odd: f64,
    pub(super) device: f64,
    pub(super) invalid: f64,
    pub(super) fresh: Option<f64>,
    suspect: Option<f64>,
    /// The same whether or not it is mature.
    pub(super) suspect_share: f64,
    /// Shares that an attack under way in the region has shown; zero where none is.
    lead: Lead,
}

#[derive(Clone, Copy, Default)]
struct Lead {
    missing: f64,
    odd: f64,
    device: f64,
    fresh: f64,
}

impl Engine {
    pub(super) fn bounds(&self, attempt: &Attempt) -> Bounds {
        let tenant = &self.tenants[usize::from(attempt.tenant)];
        let missing = if tenant.missing.total() < MISSING_MATURE {
            0.95
        } else {
            tenant.missing.upper(0.01, 1.5)
        };
        let missing = missing.max(tenant.untold_elsewhere(attempt.region, |u| u.place));
        let odd = tenant
            .odd
            .upper(0.02, 1.5)
            .max(if tenant.odd.total() < SHARE_MATURE { 0.3 } else { 0.0 })
            .max(if tenant.verifies {
                0.0
            } else {
                tenant.untold_elsewhere(attempt.region, |u| u.odd)
            });
        let device = if tenant.device.total() < SHARE_MATURE {
            // Whether the tenant's clients have devices at all is not known yet.
            if attempt.device.is_none() { 1.0 } else { 0.5 }
        } else {
            let own = tenant.device.upper(0.02, 1.5);
            let region = tenant
                .regions
                .get(&attempt.region)
                .map(|r| r.device)
                .unwrap_or_default();
            own.max(if region.total() > 50.0 {
                region.upper(0.02, 1.5)
            } else {
                1.5 * own
            })
            .min(0.95)
        };
        let device = device.max(tenant.untold_elsewhere(attempt.region, |u| u.device && !u.place));
        let fresh = self.apps[attempt.app as usize].fresh;
        let fresh = (fresh.total() >= FRESH_MATURE)
            .then(|| fresh.upper(0.05, 1.3))
            .filter(|p| *p <= FRESH_MAX);
        let own = tenant.suspect.upper(SUSPECT_FLOOR, SUSPECT_SLACK);
        let region = tenant.regions.get(&attempt.region).map(|r| r.suspect);
        let region = region.filter(|r| r.total() > SHARE_MATURE);
        let region = region.map_or(own, |r| r.upper(SUSPECT_FLOOR, SUSPECT_SLACK));
        let suspect_share = own.max(region);
        let suspect = (tenant.suspect.total() >= FRESH_MATURE).then_some(suspect_share);
        Bounds {
            missing,
            odd,
            device,
            invalid: tenant.invalid.upper(0.01, 1.5),
            fresh,
            suspect,
            suspect_share,
            lead: self.lead(attempt),
        }
    }

    /// The bounds once it is known whether an attack comes from the attempt's sources.
    pub(super) fn with_lead(&self, bounds: &Bounds, attempt: &Attempt) -> Bounds {
        Bounds {
            lead: self.lead(attempt),
            ..*bounds
        }
    }

    /// What the clients of an attack under way look like, from all that is under siege.
    fn lead(&self, attempt: &Attempt) -> Lead {
        let Some(scope) = self.besieged(attempt) else {
            return Lead::default();
        };
        let Some(seen) = self.scope_evidence(attempt, scope).map(|e| e.counters) else {
            return Lead::default();
        };
        let known = (seen.attempts - seen.missing).max(1.0);
        Lead {
            missing: seen.missing / seen.attempts.max(1.0),
            odd: seen.odd / known,
            device: seen.device / known,
            fresh: seen.fresh / seen.attempts.max(1.0),
        }
    }
}

/// The ratios of an attempt's attributes at one place.
pub(super) fn attribute_ratios(
    evidence: &Evidence,
    attempt: &Attempt,
    bounds: &Bounds,
    place: Place,
    tuning: &Tuning,
) -> Ratios {
    let mut ratios = Ratios::default();
    if attempt.repeat {
        return ratios;
    }
    let is_source = matches!(place, Place::Source(..));
    let (seen, has, on) = (&evidence.counters, &attempt.attributes, &tuning.enabled);
    let lead = &bounds.lead;
    // Where its client is belongs to a source: an exit of many networks is abroad always.
    if on.geography && !is_source {
        ratios.geography = attributes::bet(has.missing, seen.missing, seen.attempts, bounds.missing, lead.missing);
        if !has.missing {
            ratios.geography *= attributes::bet(has.odd, seen.odd, seen.attempts - seen.missing, bounds.odd, lead.odd);
        }
    }
    if on.device && !has.missing && !is_source {
        ratios.device = attributes::bet(
            has.device,
            seen.device,
            seen.attempts - seen.missing,
            bounds.device,
            lead.device,
        );
    }
    if on.validity && !matches!(place, Place::Range(..)) {
        ratios.validity = attributes::bet(has.invalid, seen.invalid, seen.attempts, bounds.invalid, 0.0);
    }
    if on.novelty
        && let Some(bound) = bounds.fresh
    {
        ratios.novelty = attributes::bet(has.fresh, seen.fresh, seen.attempts, bound, lead.fresh);
    }
    if on.suspects
        && !matches!(place, Place::Range(..))
        && let Some(bound) = bounds.suspect
    {
        ratios.suspects = attributes::bet(has.suspect, seen.suspect, seen.attempts, bound, 0.0);
    }
    ratios
}
