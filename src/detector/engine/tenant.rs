//! What is kept for each tenant, app and region.

use std::collections::{BTreeMap, VecDeque};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::attempts::{AppIx, AttemptId};
use super::feed_health::FeedHealth;
use super::siege::{Siege, Usual};
use crate::detector::baseline::{Exposure, History, HoldBack, LearnedLatency, Memory, Season, Share, Votes};
use crate::detector::episode::{EpisodeId, Tally};
use crate::detector::evidence::hammering::Hammer;
use crate::detector::evidence::outage::Deliveries;
use crate::detector::limits::Anchor;
use crate::detector::trie::{Place, TenantIx};
use crate::detector::tuning::Tuning;
use crate::model::log::Token;
use crate::model::{MINUTE, Micros, Millis, Prefix, Region};

/// Attempts remembered for each region, for attribution.
const RING_MAX: usize = 1_000;
/// Confirmed blocks remembered for each tenant: more than contagion asks for.
const CONFIRMED_MAX: usize = 16;
/// Numbers, devices and networks remembered for each tenant or region.
const NUMBERS_MAX: usize = 1 << 19;
const DEVICES_MAX: usize = 1 << 17;
const HAMMERS_MAX: usize = 1 << 16;
/// Latest attempts of a tenant that are remembered, and how few elsewhere tell nothing.
const LATEST_MAX: usize = 32;
const UNTOLD_MIN: f64 = 4.0;
const ASNS_MAX: usize = 4_096;
/// Prefixes of a region that are newer than the number plan.
const NEWER_MAX: usize = 64;

/// One tenant, or one app of a tenant that is judged apart from the others.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) name: CompactString,
    /// The one app that the entry is about; `None` in a tenant's own entry.
    pub(crate) app: Option<CompactString>,
    /// Arrival of the first event.
    pub(crate) first: Millis,
    /// Attempts that are no repeats, in all regions.
    pub(crate) flow: f64,
    pub(crate) missing: Share,
    pub(crate) odd: Share,
    pub(crate) device: Share,
    pub(crate) invalid: Share,
    /// How soon the people of all apps verified lately.
    pub(crate) latency: Votes,
    /// When each number was last attempted, and whether it ever verified.
    pub(crate) numbers: Memory<Token, Known>,
    /// The number each device last asked for, and when.
    pub(crate) devices: Memory<u64, (Token, Millis)>,
    /// The latest attempts: their region, and what their clients did not tell.
    pub(crate) latest: VecDeque<Untold>,
    /// Numbers that were sent to again while they were pending.
    pub(crate) hammers: Memory<Token, Hammer>,
    /// The latest numbers that were sent to stubbornly: when, where they lie, and how
    /// stubbornly.
    pub(crate) hammered: VecDeque<(Millis, Region, Prefix, u32)>,
    pub(crate) hold: HoldBack<Place>,
    /// How often each hour of the week has become history, and what came in it.
    pub(crate) exposure: Exposure,
    pub(crate) season: Season,
    /// Approved attempts by source; its slices are those of `hold`.
    pub(crate) source_hold: HoldBack<Place>,
    /// Attempts to ranges that were half accused, among approved ones.
    pub(crate) suspect: Share,
    pub(crate) regions: BTreeMap<Region, RegionState>,
    /// Findings that a region's messages do not arrive.
    pub(crate) outages: BTreeMap<Region, EpisodeId>,
    /// Times at which a block was confirmed by the first attempt inside.
    pub(crate) confirmed: VecDeque<Millis>,
    /// Whether any app of the tenant ever verified.
    pub(crate) verifies: bool,
}

/// What is remembered of a number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) at: Millis,
    /// Whether an attempt outside any block was ever approved.
    pub(crate) verified: bool,
}

/// What one client did not tell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Untold {
    pub(crate) region: Region,
    /// Neither country nor address.
    pub(crate) place: bool,
    /// No device.
    pub(crate) device: bool,
    /// What it told is odd: abroad, or a strange network.
    pub(crate) odd: bool,
}

/// One region of a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RegionState {
    /// Attempts that are no repeats.
    pub(crate) flow: f64,
    /// When its last alert was opened, and the log e-value that it told of.
    pub(crate) alerted: Option<(Millis, f64)>,
    /// The open finding of level `alert` about it, and the place that it accuses.
    pub(crate) watched: Option<(EpisodeId, Place)>,
    /// Whether it is under attack as a whole.
    pub(crate) siege: Siege,
    /// The same of its ranges that were empty until lately.
    pub(crate) frontier: Siege,
    pub(crate) usual: Usual,
    pub(crate) device: Share,
    pub(crate) deliveries: Deliveries,
    pub(crate) suspect: Share,
    pub(crate) season: Season,
    pub(crate) anchor: Anchor,
    /// Approved attempts from each network operator.
    pub(crate) asns: Memory<u32, u16>,
    /// Approvals under prefixes without numbers, by the number plan.
    pub(crate) newer: Memory<Prefix, u16>,
    ring: VecDeque<RingEntry>,
    ring_first: u64,
}

/// A late attempt, for attribution.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct RingEntry {
    pub(crate) at: Millis,
    pub(crate) block: Prefix,
    pub(crate) digits: u8,
    pub(crate) attempt: AttemptId,
    pub(crate) verified: bool,
    pub(crate) covered: bool,
    /// Whether its number was sent to before, within a day.
    pub(crate) repeat: bool,
    /// Whether the open finding about the region has counted it.
    pub(crate) counted: bool,
    /// Its messages, and what they cost.
    pub(crate) sends: u64,
    pub(crate) cost: Micros,
}

/// One app.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) name: CompactString,
    pub(crate) tenant: TenantIx,
    pub(crate) sends: u64,
    /// Different networks that it was used from, as far as they matter.
    pub(crate) networks: Vec<u64>,
    /// The entry under which it was judged apart, once it was.
    pub(crate) entry: Option<TenantIx>,
    /// When the app was first seen to verify.
    pub(crate) verified_since: Option<Millis>,
    pub(crate) fresh: Share,
    /// Unverified attempts that were sent to again.
    pub(crate) asked: Share,
    /// How its attempts convert.
    pub(crate) history: History,
    pub(crate) latency: LearnedLatency,
    pub(crate) health: FeedHealth,
}

impl App {
    /// Whether any attempt of the app was ever approved.
    pub(crate) fn verifies(&self) -> bool {
        self.verified_since.is_some()
    }

    /// Whether attempts of the app may have been judged under an entry.
    pub(crate) fn is_under(&self, entry: TenantIx) -> bool {
        self.tenant == entry || self.entry == Some(entry)
    }
}

impl Tenant {
    pub(crate) fn new(name: CompactString, first: Millis, hasher: &crate::detector::Keyed) -> Self {
        Self {
            name,
            app: None,
            first,
            flow: 0.0,
            missing: Share::default(),
            odd: Share::default(),
            device: Share::default(),
            invalid: Share::default(),
            latency: Votes::default(),
            numbers: Memory::new(NUMBERS_MAX, hasher.clone()),
            devices: Memory::new(DEVICES_MAX, hasher.clone()),
            latest: VecDeque::new(),
            hammers: Memory::new(HAMMERS_MAX, hasher.clone()),
            hammered: VecDeque::new(),
            hold: HoldBack::new(hasher.clone()),
            exposure: Exposure::default(),
            season: Season::default(),
            source_hold: HoldBack::new(hasher.clone()),
            suspect: Share::default(),
            regions: BTreeMap::new(),
            outages: BTreeMap::new(),
            confirmed: VecDeque::new(),
            verifies: false,
        }
    }

    /// A number was sent to stubbornly, to a degree.
    pub(crate) fn note_hammered(&mut self, now: Millis, region: Region, block: Prefix, degree: u32) {
        if self.hammered.len() >= LATEST_MAX {
            self.hammered.pop_front();
        }
        self.hammered.push_back((now, region, block, degree));
    }

    /// Remembers what a client did not tell.
    pub(crate) fn note_untold(&mut self, untold: Untold) {
        if self.latest.len() >= LATEST_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(untold);
    }

    /// Upper bound of the share of clients that do not tell, as all regions but one
    /// show it at present: an application that stops telling does so everywhere.
    pub(crate) fn untold_elsewhere(&self, region: Region, what: impl Fn(&Untold) -> bool) -> f64 {
        let elsewhere = self.latest.iter().filter(|u| u.region != region);
        let (count, untold) = elsewhere.fold((0.0, 0.0), |(n, k), u| (n + 1.0, k + f64::from(u8::from(what(u)))));
        if count < UNTOLD_MIN || untold <= 2.0 * libm::sqrt(untold) {
            0.0
        } else {
            (1.3 * untold / count).min(0.95)
        }
    }

    /// A block was confirmed by the first attempt inside.
    pub(crate) fn confirm(&mut self, now: Millis) {
        self.confirmed.push_back(now);
        if self.confirmed.len() > CONFIRMED_MAX {
            self.confirmed.pop_front();
        }
    }

    /// How long new attempts are kept out of history.
    pub(crate) fn hold_ms(&self, now: Millis, tuning: &Tuning) -> i64 {
        if !tuning.enabled.hold_back {
            return 0;
        }
        let share = (tuning.hold_share * (now - self.first) as f64) as i64;
        share.clamp(tuning.hold_min_ms, tuning.hold_max_ms)
    }

    /// Length of a stretch of time in which what waits to become history is gathered.
    pub(crate) fn slice_ms(&self, now: Millis, tuning: &Tuning) -> i64 {
        (self.hold_ms(now, tuning) / 24).max(5 * MINUTE)
    }

    /// Nats that attacks under way take off the line.
    pub(crate) fn contagion(&self, now: Millis, tuning: &Tuning) -> f64 {
        let recent = self
            .confirmed
            .iter()
            .rev()
            .take_while(|at| now - **at <= tuning.contagion_ms)
            .count();
        match (tuning.enabled.contagion, recent) {
            (false, _) | (_, 0) => 0.0,
            (_, 1..=2) => tuning.contagion[0],
            (_, 3..=7) => tuning.contagion[1],
            _ => tuning.contagion[2],
        }
    }

    pub(crate) fn region(&mut self, region: Region, hasher: &crate::detector::Keyed) -> &mut RegionState {
        self.regions.entry(region).or_insert_with(|| RegionState {
            flow: 0.0,
            alerted: None,
            watched: None,
            siege: Siege::default(),
            frontier: Siege::default(),
            usual: Usual::default(),
            device: Share::default(),
            deliveries: Deliveries::default(),
            suspect: Share::default(),
            season: Season::default(),
            anchor: Anchor::default(),
            asns: Memory::new(ASNS_MAX, hasher.clone()),
            newer: Memory::new(NEWER_MAX, hasher.clone()),
            ring: VecDeque::new(),
            ring_first: 0,
        })
    }
}

impl RingEntry {
    fn add_to(&self, tally: &mut Tally) {
        tally.attempts += 1;
        tally.verified += u64::from(self.verified);
        tally.sends += self.sends;
        tally.cost.0 += self.cost.0;
    }
}

impl RegionState {
    /// Remembers an attempt; returns its number in the ring.
    pub(crate) fn remember(&mut self, entry: RingEntry) -> u64 {
        if self.ring.len() >= RING_MAX {
            self.ring.pop_front();
            self.ring_first += 1;
        }
        self.ring.push_back(entry);
        self.ring_first + self.ring.len() as u64 - 1
    }

    /// The remembered attempt, while it is.
    pub(crate) fn recall(&mut self, ring: u64) -> Option<&mut RingEntry> {
        ring.checked_sub(self.ring_first)
            .and_then(|i| self.ring.get_mut(i as usize))
    }

    /// Remembered attempts, latest first.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &RingEntry> {
        self.ring.iter().rev()
    }

    /// Counts what an accusation is about, of attempts since a time that lie in no
    /// block: all of it, and the part that no record has counted yet.
    pub(crate) fn count(&mut self, since: Millis, is_meant: impl Fn(&RingEntry) -> bool) -> (Tally, Tally) {
        let (mut all, mut new) = (Tally::default(), Tally::default());
        let latest = self.ring.iter_mut().rev().take_while(|e| e.at >= since);
        for entry in latest.filter(|e| !e.covered) {
            if !is_meant(entry) {
                continue;
            }
            entry.add_to(&mut all);
            if !std::mem::replace(&mut entry.counted, true) {
                entry.add_to(&mut new);
            }
        }
        (all, new)
    }

    /// The finding about the region is over: what it counted may count for another.
    pub(crate) fn uncount(&mut self) {
        self.watched = None;
        for entry in &mut self.ring {
            entry.counted = false;
        }
    }

    /// Marks what lies inside a new block, so that it accuses nobody else.
    pub(crate) fn cover(&mut self, prefix: Prefix) {
        for entry in &mut self.ring {
            entry.covered |= prefix.covers(entry.block);
        }
    }
}

/// Finds tenants and apps by name; gives out indices in order of appearance.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    tenants: BTreeMap<CompactString, TenantIx>,
    apps: BTreeMap<(TenantIx, CompactString), AppIx>,
}

/// Tenants and apps of one partition together; further ones fold into one name.
pub(crate) const NAMES_MAX: usize = 10_000;
/// The name that stands for all tenants or apps beyond the limit.
pub(crate) const OTHER: &str = "~other";

impl Names {
    /// The tenant's index, or the name and index to create it under, which is `next`.
    pub(crate) fn tenant(&mut self, name: &str, next: TenantIx) -> Result<TenantIx, (CompactString, TenantIx)> {
        if let Some(&ix) = self.tenants.get(name) {
            return Ok(ix);
        }
        let name = if self.is_full() { OTHER } else { name };
        if let Some(&ix) = self.tenants.get(name) {
            return Ok(ix);
        }
        self.tenants.insert(name.into(), next);
        Err((name.into(), next))
    }

    /// The app's index, or the name and index to create it under.
    pub(crate) fn app(&mut self, tenant: TenantIx, name: &str) -> Result<AppIx, (CompactString, AppIx)> {
        if let Some(&ix) = self.apps.get(&(tenant, CompactString::from(name))) {
            return Ok(ix);
        }
        let name = CompactString::from(if self.is_full() { OTHER } else { name });
        if let Some(&ix) = self.apps.get(&(tenant, name.clone())) {
            return Ok(ix);
        }
        let ix = self.apps.len() as AppIx;
        self.apps.insert((tenant, name.clone()), ix);
        Err((name, ix))
    }

    /// Whether further names fold into [`OTHER`].
    pub(crate) fn is_full(&self) -> bool {
        self.tenants.len() + self.apps.len() >= NAMES_MAX
    }

    /// The index of a tenant that has been seen; not that of an app judged apart.
    pub(crate) fn known_tenant(&self, name: &str) -> Option<TenantIx> {
        self.tenants.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_fall_silent_in_one_region_raise_no_bound_there() {
        let mut tenant = Tenant::new(
            "acme".into(),
            Millis(0),
            &crate::detector::Keyed::with_seeds(1, 2, 3, 4),
        );
        let region = |code: &str| Region::parse(code).unwrap();
        let mut note = |code: &str, place: bool, times: usize| {
            for _ in 0..times {
                tenant.note_untold(Untold {
                    region: region(code),
                    place,
                    device: true,
                    odd: false,
                });
            }
        };
        note("US", false, 16);
        note("UZ", true, 16);
        assert_eq!(tenant.untold_elsewhere(region("UZ"), |u| u.place), 0.0);
        assert_eq!(tenant.untold_elsewhere(region("US"), |u| u.place), 0.95);
    }
}
