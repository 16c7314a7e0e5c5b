//! What the detector knows about one number or range, and about one finding: the
//! only look inside that there is. It changes nothing and decides nothing.

use compact_str::CompactString;

use super::Engine;
use super::attempts::{AppIx, Attempt, Attributes, ranges};
use crate::detector::baseline::conversion_lower_bound;
use crate::detector::episode::{Episode, Phase};
use crate::detector::evidence::{Evidence, Lines, NULLS, Null};
use crate::detector::inspection::{
    BlockView, FindingView, Inspection, NumberView, OpenAttempt, PlaceView, Subject, TenantView,
};
use crate::detector::limits::Scope;
use crate::detector::trie::{Place, TenantIx};
use crate::detector::{Policy, State};
use crate::model::log::Token;
use crate::model::{Explanation, FindingUid, Level, Micros, Prefix};
use crate::number_plan;

/// Widest class that accuses on its own; see `judge`.
const ACCUSING_CLASS_MAX: u8 = super::judge::ACCUSING_CLASS_MAX;
/// Blocks that are named at most.
const BLOCKS_MAX: usize = 50;

impl State {
    /// Everything known about a subject at present; `None` before the log has begun.
    pub fn inspect(&self, subject: &Subject) -> Option<Inspection> {
        let engine = self.engine.as_ref()?;
        let tenants = (0..engine.tenants.len()).filter_map(|ix| {
            let tenant = &engine.tenants[ix];
            let wanted = match &subject.tenant {
                Some(name) => *name == tenant.name,
                None => tenant.regions.contains_key(&subject.region),
            };
            let flow = self.order.verifications_exist(&tenant.name) && self.order.verifications_flow(&tenant.name);
            wanted.then(|| engine.inspect_tenant(ix as TenantIx, subject, flow))
        });
        Some(Inspection {
            time: engine.now,
            config_hash: engine.config_hash.clone(),
            region: subject.region,
            fictitious: number_plan::is_fictitious(subject.prefix),
            tenants: tenants.collect(),
        })
    }

    /// An open finding; `None` when it is closed or belongs to another partition.
    pub fn inspect_finding(&self, uid: FindingUid) -> Option<FindingView> {
        let engine = self.engine.as_ref()?;
        let known = engine.episodes.by_uid(uid)?;
        engine.episodes.get(known.id).map(finding_view)
    }

    /// The policy in force; `None` before the log has begun.
    pub fn policy(&self) -> Option<&Policy> {
        self.engine.as_ref().map(|engine| &engine.policy)
    }
}

impl Engine {
    /// Where every innocent explanation of a place stands against its line; empty
    /// when nothing was seen there.
    pub(super) fn explanations(&self, place: Place, attempt: &Attempt, level: Level) -> Vec<Explanation> {
        let Some(evidence) = self.trie.evidence(place) else {
            return Vec::new();
        };
        let hammer = evidence.parts.hammer;
        let own = self.hammer_lines();
        if hammer.resends > 0 && Self::is_hammered(&own, hammer) {
            return standing(&own, |j| hammer.log_e(NULLS[j]));
        }
        self.explanations_of(evidence, place, attempt, level)
    }

    fn explanations_of(&self, evidence: &Evidence, place: Place, attempt: &Attempt, level: Level) -> Vec<Explanation> {
        standing(&self.lines_at(place, attempt, level), |j| evidence.log_e(j))
    }

    fn inspect_tenant(&self, tenant: TenantIx, subject: &Subject, verifications_flow: bool) -> TenantView {
        let known = &self.tenants[usize::from(tenant)];
        let attempt = self.attempt_at(tenant, subject);
        let apps = || self.apps.iter().filter(|app| app.tenant == tenant);
        let name = &known.name;
        let mut places: Vec<PlaceView> = attempt
            .ranges()
            .filter(|(_, place)| matches!(place, Place::Range(_, p, _) if p.len() <= subject.prefix.len()))
            .map(|(class, place)| self.inspect_place(place, Some(class), &attempt))
            .collect();
        places.push(self.inspect_place(attempt.region_place(), None, &attempt));
        TenantView {
            tenant: name.clone(),
            app: known.app.clone(),
            first_seen: known.first,
            mode: self.policy.mode_of(name).as_str(),
            verifies: match known.app {
                Some(_) => self.apps[attempt.app as usize].verifies(),
                None => known.verifies,
            },
            verifications_flow,
            stalled_apps: apps()
                .filter(|app| app.verifies() && app.health.is_stalled())
                .map(|app| app.name.clone())
                .collect(),
            safelisted: self.safe_entry(tenant, subject.prefix).is_some(),
            safe_entry: self.safe_entry(tenant, subject.prefix).map(|entry| entry.to_string()),
            number: subject.number.map(|token| self.inspect_number(tenant, token)),
            blocks: self.inspect_blocks(tenant, subject.prefix),
            finding: self
                .episodes
                .attack_on(tenant, subject.region)
                .and_then(|id| self.episodes.get(id))
                .map(finding_view),
            limits: self.inspect_limits(tenant, subject),
            conversion_lower_bound: six(attempt.conversion),
            places,
        }
    }

    /// An attempt as it would be made now, for the functions that judge one.
    fn attempt_at(&self, tenant: TenantIx, subject: &Subject) -> Attempt {
        let (block, region) = (subject.prefix, subject.region);
        let digits = self.digits_of(tenant, subject);
        let wide = ranges(tenant, block, digits, subject.region_digits).next_back();
        let places = [Place::Root(tenant), Place::Region(tenant, region)];
        let nodes = places.into_iter().chain(wide.map(|(_, place)| place));
        let histories = nodes.filter_map(|place| self.trie.get(place)).map(|node| &node.history);
        // What is usual for new numbers is learned by app: the busiest stands for all.
        let apps = self.apps.iter().enumerate().filter(|(_, app)| app.is_under(tenant));
        let app = apps.max_by_key(|(_, app)| app.sends).map_or(0, |(ix, _)| ix as AppIx);
        Attempt {
            tenant,
            owner: self.apps.get(app as usize).map_or(tenant, |app| app.tenant),
            app,
            opened: self.now,
            event_time: self.now,
            number: subject.number.unwrap_or(Token(0)),
            names: smallvec::SmallVec::new(),
            receipt: super::attempts::Receipt::Awaited,
            block,
            digits,
            region,
            calling_digits: subject.region_digits,
            asn: None,
            network: None,
            device: None,
            agent: None,
            accused: None,
            attributes: Attributes::default(),
            repeat: false,
            weight: 1.0,
            conversion: conversion_lower_bound(histories, &self.tuning),
            cost: Micros(0),
            stage: 0,
            credited: 0.0,
            voter: false,
            returning: false,
            source_credited: 0.0,
            verified: false,
            asked: false,
            wrong: false,
            free: true,
            frontier: false,
            slice: 0,
            ring: 0,
        }
    }

    /// How long the numbers of a range are: as asked for, else the length that most
    /// of what is known here has.
    fn digits_of(&self, tenant: TenantIx, subject: &Subject) -> u8 {
        if subject.digits > 0 {
            return subject.digits;
        }
        let shortest = subject.prefix.len() as u8 + 2;
        let seen = |digits: &u8| {
            let node = self.trie.get(Place::Range(tenant, subject.prefix, *digits));
            node.map_or(0.0, |n| {
                n.history.attempts() + n.evidence.as_ref().map_or(0.0, |e| e.visits)
            })
        };
        let by_use = (shortest..=15).filter(|digits| seen(digits) > 0.0);
        let busiest = by_use.max_by(|a, b| seen(a).total_cmp(&seen(b)));
        busiest.unwrap_or_else(|| {
            // As long as the numbers that were sent to lately; without any, as for a
            // masked number.
            let region = self.tenants[usize::from(tenant)].regions.get(&subject.region);
            let latest = region.into_iter().flat_map(super::tenant::RegionState::latest);
            let mut lengths = [0u32; 16];
            for entry in latest {
                lengths[usize::from(entry.digits).min(15)] += 1;
            }
            let commonest = (shortest..=15).max_by_key(|digits| lengths[usize::from(*digits)]);
            commonest
                .filter(|digits| lengths[usize::from(*digits)] > 0)
                .unwrap_or(subject.prefix.len() as u8 + 4)
        })
    }

    fn inspect_place(&self, place: Place, class: Option<u8>, attempt: &Attempt) -> PlaceView {
        let (prefix, honest_per_hour) = match place {
            Place::Range(tenant, prefix, digits) => {
                (Some(prefix.to_string()), self.honest_rate(tenant, prefix, digits))
            }
            _ => (None, self.region_rate(attempt)),
        };
        let evidence = self.settled(place, attempt);
        let seen = evidence.as_ref();
        let explanations = seen.map_or_else(Vec::new, |e| self.explanations_of(e, place, attempt, Level::Block));
        let mut items = seen.map_or_else(Vec::new, |e| self.items_of(e, place, attempt));
        for item in &mut items {
            (item.log_e, item.observed, item.expected) = (six(item.log_e), six(item.observed), six(item.expected));
        }
        PlaceView {
            prefix,
            open_digits: class,
            safe_entry: self.safe_entry_at(place, attempt).map(|entry| entry.to_string()),
            accuses: class.map_or(self.tuning.enabled.country, |m| m <= ACCUSING_CLASS_MAX),
            mature: seen.is_some_and(|e| self.has_seen_enough(place, class, attempt, e)),
            history: six(self.history(place).attempts()),
            honest_per_hour: six(honest_per_hour),
            honest_share_max: six(self.dues(place, attempt).0.plain.ceiling),
            recent_attempts: seen.map_or(0.0, |e| six(e.counters.attempts)),
            since: seen.map(|e| e.start),
            attempts: seen.map_or(0, |e| e.since.attempts),
            verified: seen.map_or(0, |e| e.since.verified),
            cost: seen.map_or(0.0, |e| e.since.cost.to_units()),
            explanations,
            evidence: items,
        }
    }

    /// What is safe in a place, or holds it, and so may have kept a block away.
    fn safe_entry_at(&self, place: Place, attempt: &Attempt) -> Option<Prefix> {
        if let Place::Range(tenant, prefix, _) = place {
            return self.safe_entry(tenant, prefix);
        }
        let own = number_plan::NumberPlan::shared().region_prefixes(attempt.region);
        own.into_iter()
            .find_map(|prefix| self.safe_entry(attempt.tenant, prefix))
    }

    /// The evidence at a place once what went elsewhere is paid back, as the test
    /// does it before it judges.
    fn settled(&self, place: Place, attempt: &Attempt) -> Option<Evidence> {
        let mut evidence = self.trie.get(place)?.evidence.as_deref()?.clone();
        if self.tuning.enabled.digits {
            let (bets, flow) = self.dues(place, attempt);
            let missed = (flow - evidence.flow_seen).max(0.0);
            evidence.misses(missed, &bets, &self.tuning);
        }
        Some(evidence)
    }

    fn inspect_number(&self, tenant: TenantIx, token: Token) -> NumberView {
        let open = (0..self.apps.len() as AppIx)
            .filter(|app| self.apps[*app as usize].is_under(tenant))
            .filter_map(|app| self.attempts.get(self.attempts.of_number(app, token)?))
            .filter(|attempt| attempt.tenant == tenant)
            .map(|attempt| OpenAttempt {
                app: self.apps[attempt.app as usize].name.clone(),
                opened: attempt.opened,
                verified: attempt.verified,
                judged: attempt.free,
            });
        NumberView {
            last_attempt: self.tenants[usize::from(tenant)]
                .numbers
                .get(&token)
                .map(|known| known.at),
            open: open.collect(),
        }
    }

    fn inspect_blocks(&self, tenant: TenantIx, prefix: Prefix) -> Vec<BlockView> {
        let touching = self.blocks.touching(tenant, prefix);
        let views = touching.into_iter().take(BLOCKS_MAX).filter_map(|(blocked, episode)| {
            let block = self.blocks.get(tenant, blocked)?;
            Some(BlockView {
                prefix: blocked.to_string(),
                covers: blocked.covers(prefix),
                half_open: block.phase == Phase::HalfOpen,
                since: block.since,
                expires_at: block.expires,
                by_limit: block.by_limit,
                finding_uid: self.episodes.get(episode).map(|e| e.uid),
            })
        });
        views.collect()
    }

    fn inspect_limits(&self, tenant: TenantIx, subject: &Subject) -> Vec<CompactString> {
        let broken = self.limits.standing.keys().filter(|key| key.tenant == tenant);
        let mut names: Vec<CompactString> = broken
            .filter(|key| match key.scope {
                Scope::Prefix(prefix) => prefix.covers(subject.prefix) || subject.prefix.covers(prefix),
                Scope::Country(region) => region == subject.region,
                Scope::Number(token) => subject.number == Some(token),
                Scope::Ip(_) | Scope::Device(_) | Scope::Asn(_) => false,
            })
            .filter_map(|key| Some(self.policy.limits.get(usize::from(key.limit))?.name.clone()))
            .collect();
        names.dedup();
        names
    }
}

fn finding_view(episode: &Episode) -> FindingView {
    FindingView {
        uid: episode.uid,
        level: episode.level.as_str(),
        opened: episode.opened,
        prefixes: episode.accused.iter().map(|a| a.prefix.to_string()).collect(),
        attempts: episode.attempts,
        explanations: episode.explanations.clone(),
    }
}

/// Each explanation that applies, with what speaks against it.
fn standing(lines: &Lines, against: impl Fn(usize) -> f64) -> Vec<Explanation> {
    let standing = NULLS.iter().zip(lines).enumerate();
    standing
        .filter_map(|(j, (null, line))| {
            line.map(|line| Explanation {
                name: name_of(*null).into(),
                log_e: six(against(j)),
                line: six(libm::log(line)),
            })
        })
        .collect()
}

fn name_of(null: Null) -> &'static str {
    match null {
        Null::Plain => "nothing_unusual",
        Null::Outage => "outage",
        Null::Launch => "launch",
        Null::Enrolment => "enrolment",
        Null::LaunchInOutage => "launch_in_outage",
    }
}

/// Six decimals, as everywhere outside.
fn six(x: f64) -> f64 {
    let rounded = libm::round(x * 1e6) / 1e6;
    if rounded.is_finite() { rounded + 0.0 } else { 0.0 }
}
