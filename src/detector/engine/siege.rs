//! What is under attack as a whole, and how surely an attempt in it is the attack's.
//!
//! A campaign that is spread over hundreds of ranges shows in what they have in
//! common long before it shows in each of them. Where that has been refuted as a
//! whole it is *under siege* for a while: the question left is which of its ranges
//! the attack uses, and they are judged by lower lines. Two things are watched so:
//! a region, and its *frontier*: what returns to narrow ranges in which nobody was
//! ever seen before, which in a busy country is next to nobody but an attack.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::attempts::Attempt;
use super::judge::ACCUSING_CLASS_MAX;
use super::send::Step;
use super::tenant::RegionState;
use crate::detector::baseline::{kept, region_ceiling};
use crate::detector::evidence::Evidence;
use crate::detector::evidence::digits::Bets;
use crate::detector::trie::{Place, Source};
use crate::model::{DAY, HOUR, MINUTE, Millis};

/// What was refuted as a whole stays under siege this long.
const SIEGE_MS: i64 = 15 * MINUTE;
/// Nats over the line of a block that a besieged scope's evidence keeps.
const SPARE_NATS: f64 = 10.0;
/// Stages after which an attempt's silence is held to tell: those up to 65 seconds.
pub(super) const RIPE_STAGE: usize = 7;
/// Share of the honest approvals that have come by then.
const RIPE_SHARE: f64 = 0.75;
/// Fates are forgotten with this time constant.
const FADE_MS: f64 = 2.0 * HOUR as f64;
/// What is usual is forgotten with this one.
const USUAL_MS: f64 = DAY as f64;
/// Fates that must be known before they tell how much of the flow is attack.
const FATES_MIN: f64 = 5.0;
/// Attempts in history from which a range is lived in.
pub(super) const LIVED_IN: f64 = 3.0;
/// Share of verified attempts that shows people.
const HONEST_SHARE: f64 = 0.65;
/// Nats that they take off a line at most, and where somebody was seen before.
const ODDS_MAX: f64 = 5.0;
const ONCE_SEEN_ODDS_MAX: f64 = 3.0;
/// Nats that they take off more, once they are this high, in a range of the frontier; and
/// the attempts in history from which the range around it is lived in, so that it may
/// well be people's turn.
const EMPTY_ODDS: f64 = 1.0;
const EMPTY_ODDS_FROM: f64 = 2.0;
pub(super) const AROUND_LIVED_IN: f64 = 10.0;

/// Ranges that may belong to a region's frontier, the history that the region needs,
/// and the attempts in the last hours that make the next one a return.
const FRONTIER_CLASSES: [u8; 2] = [3, 4];
const FRONTIER_HISTORY_MIN: f64 = 200.0;
const FRONTIER_RECENT: f64 = 0.3;

/// What an attempt may share with an attack that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Its region.
    Region,
    /// The ranges of its region that were empty until lately.
    Frontier,
    /// One of its sources.
    Source(Source),
}

/// A scope's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Siege {
    until: Option<Millis>,
    silent: f64,
    approved: f64,
    at: Millis,
}

impl Siege {
    fn is_on(&self, now: Millis) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn fade(&mut self, now: Millis) {
        let keep = kept(self.at, now, FADE_MS);
        self.silent *= keep;
        self.approved *= keep;
        self.at = now;
    }

    /// An attempt has stayed silent for long.
    fn silence(&mut self, now: Millis) {
        self.fade(now);
        self.silent += 1.0;
    }

    /// An attempt was approved, perhaps after it had been counted as silent.
    fn approval(&mut self, now: Millis, was_silent: bool) {
        self.fade(now);
        self.approved += 1.0;
        if was_silent {
            self.silent = (self.silent - 1.0).max(0.0);
        }
    }

    /// Fates that are remembered at present.
    fn fates(mut self, now: Millis) -> f64 {
        self.fade(now);
        self.silent + self.approved
    }

    /// Nats by which one of the latest attempts is likelier the attack's than not: at
    /// least a part `conversion` of the honest ones is approved, so that those who
    /// were tell how many the honest can be.
    fn odds(mut self, now: Millis, conversion: f64) -> f64 {
        self.fade(now);
        let fates = self.silent + self.approved;
        if fates < FATES_MIN {
            return 0.0;
        }
        let honest = (self.approved + 0.5) / (conversion * RIPE_SHARE);
        nats_over(fates, honest)
    }
}

/// Nats by which one of `all` is likelier not one of the `honest`.
fn nats_over(all: f64, honest: f64) -> f64 {
    if honest >= all {
        return 0.0;
    }
    libm::log((all - honest) / honest).clamp(0.0, ODDS_MAX)
}

/// How much of a region's traffic comes to its frontier while nothing is suspected there.
/// An attack at the frontier raises it, in favour of those who are judged by it; one that
/// goes to ranges where people live lowers it by no more than it adds to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usual {
    frontier: f64,
    all: f64,
    at: Millis,
}

impl Usual {
    fn note(&mut self, now: Millis, at_frontier: bool) {
        let keep = kept(self.at, now, USUAL_MS);
        self.frontier = self.frontier * keep + f64::from(u8::from(at_frontier));
        self.all = self.all * keep + 1.0;
        self.at = now;
    }

    /// Upper bound of the frontier's share, where enough was seen lately.
    fn share(&self, now: Millis) -> Option<f64> {
        let keep = kept(self.at, now, USUAL_MS);
        let share = region_ceiling(self.frontier * keep, self.all * keep);
        (share < 1.0).then_some(share)
    }
}

impl Engine {
    /// A free attempt that is no repeat counts for what is usual at its region's frontier.
    pub(super) fn note_usual(&mut self, attempt: &Attempt) {
        let now = self.now;
        let evidence = self.trie.evidence(attempt.frontier_place());
        let is_quiet = evidence.is_none_or(|e| !self.is_suspicious(e));
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        if is_quiet && !region.siege.is_on(now) && !region.frontier.is_on(now) {
            region.usual.note(now, attempt.frontier);
        }
    }

    /// Whether it returns to a narrow range in which nobody was ever seen before
    /// today, in a region that is well known.
    pub(super) fn is_at_frontier(&self, steps: &[Step], region: f64) -> bool {
        if region < FRONTIER_HISTORY_MIN {
            return false;
        }
        steps
            .iter()
            .filter(|s| FRONTIER_CLASSES.contains(&s.class))
            .any(|step| {
                step.history.is_empty()
                    && self
                        .trie
                        .evidence(step.place)
                        .is_some_and(|e| e.attempts_at(self.now, self.tuning.counter_decay_ms) >= FRONTIER_RECENT)
            })
    }

    /// Whether any of an attempt's ranges was half accused before it.
    pub(super) fn is_suspect(&mut self, steps: &[Step], region: f64, flow: f64) -> bool {
        if !self.tuning.enabled.suspects {
            return false;
        }
        let tuning = &self.tuning;
        steps.iter().filter(|s| s.class <= ACCUSING_CLASS_MAX).any(|step| {
            let Some(evidence) = self.trie.evidence_mut(step.place) else {
                return false;
            };
            if !evidence.refutes_all(&self.suspect_lines) {
                return false;
            }
            // What went elsewhere in the meantime is paid back first.
            if tuning.enabled.digits {
                let bets = Bets::of_range(step.class, step.ceiling, region, tuning);
                evidence.misses((flow - evidence.flow_seen).max(0.0), &bets, tuning);
                evidence.flow_seen = flow.max(evidence.flow_seen);
            }
            evidence.refutes_all(&self.suspect_lines)
        })
    }

    /// The scope under siege that an attempt lies in.
    pub(super) fn besieged(&self, attempt: &Attempt) -> Option<Scope> {
        // Whether an app's verifications flow tells nothing of what is judged without.
        // Who verified on an earlier day is somebody.
        if !self.tuning.enabled.siege || attempt.is_apart() || attempt.returning {
            return None;
        }
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region)?;
        let scope = if region.siege.is_on(self.now) {
            Some(Scope::Region)
        } else if attempt.frontier && region.frontier.is_on(self.now) {
            Some(Scope::Frontier)
        } else {
            attempt.accused.map(Scope::Source)
        };
        // Where nobody ever verified, no silence was held against anything.
        let app = &self.apps[attempt.app as usize];
        scope.filter(|scope| !app.verifies() || self.is_witnessed(attempt, *scope))
    }

    /// Whether enough is held against an attempt's region that its ranges must be told apart.
    pub(super) fn is_region_suspected(&self, attempt: &Attempt) -> bool {
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        let evidence = self.trie.evidence(attempt.region_place());
        region.is_some_and(|known| known.siege.is_on(self.now)) || evidence.is_some_and(|e| self.is_suspicious(e))
    }

    /// Whether the feed of verifications was alive while the evidence against a scope
    /// came together, and is.
    pub(super) fn is_witnessed(&self, attempt: &Attempt, scope: Scope) -> bool {
        let evidence = self.scope_evidence(attempt, scope);
        let health = &self.apps[attempt.app as usize].health;
        health.is_fresh_beside(attempt.region, self.now) && evidence.is_none_or(|e| !health.has_failed_since(e.start))
    }

    /// Whether a place may be judged by the lines of a siege: not where people live,
    /// nor where those who come verify as people do, nor, while few came, if any did.
    pub(super) fn may_be_besieged(&self, place: Place) -> bool {
        if !matches!(place, Place::Range(..)) || self.history(place).attempts() >= LIVED_IN {
            return false;
        }
        let evidence = self.trie.evidence(place);
        let since = evidence.map(|e| e.since).unwrap_or_default();
        if (since.attempts as f64) < FATES_MIN {
            // What is counted since the change point forgets approvals; these do not.
            since.verified == 0 && evidence.is_none_or(|e| e.approvals.seen() == 0)
        } else {
            (since.verified as f64) < HONEST_SHARE * since.attempts as f64
        }
    }

    /// The evidence against a scope of an attempt.
    pub(super) fn scope_evidence(&self, attempt: &Attempt, scope: Scope) -> Option<&Evidence> {
        match scope {
            Scope::Region => self.trie.evidence(attempt.region_place()),
            Scope::Frontier => self.trie.evidence(attempt.frontier_place()),
            Scope::Source(source) => self.sources.evidence(Place::Source(attempt.tenant, source)),
        }
    }

    /// Nats by which it is likelier than not that an attempt at a place is the attack's.
    pub(super) fn siege_odds(&self, attempt: &Attempt, scope: Scope, place: Place) -> f64 {
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        let Some(region) = region.filter(|_| !matches!(scope, Scope::Source(_))) else {
            return 0.0;
        };
        let at_frontier = if attempt.frontier {
            self.frontier_odds(attempt, region)
        } else {
            0.0
        };
        let odds = match scope {
            Scope::Frontier => at_frontier,
            _ if region.frontier.is_on(self.now) => self.region_odds(attempt).max(at_frontier),
            _ => self.region_odds(attempt),
        };
        // What returns to ranges that were empty until lately is told from the rest,
        // where nearly all of it is the attack's.
        if !self.history(place).is_empty() {
            odds.min(ONCE_SEEN_ODDS_MAX)
        } else if at_frontier >= EMPTY_ODDS_FROM && self.is_empty_around(place, attempt) {
            odds.max(at_frontier) + EMPTY_ODDS
        } else {
            odds
        }
    }

    /// The odds in all of an attempt's region.
    pub(super) fn region_odds(&self, attempt: &Attempt) -> f64 {
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        region.map_or(0.0, |region| region.siege.odds(self.now, attempt.conversion))
    }

    /// The odds at a region's frontier: by how few of its attempts are approved, or, where
    /// those are a minority, since approvals may be faked, by how many there are beside the
    /// rest of the region, of which no more than a known share comes to its frontier.
    fn frontier_odds(&self, attempt: &Attempt, region: &RegionState) -> f64 {
        let by_fate = region.frontier.odds(self.now, attempt.conversion);
        let share = region.usual.share(self.now).unwrap_or_else(|| {
            let own = self.history(attempt.frontier_place()).attempts();
            region_ceiling(own, self.history(attempt.region_place()).attempts())
        });
        let here = region.frontier.fates(self.now);
        if by_fate <= 0.0 || share >= 1.0 || here < FATES_MIN {
            return by_fate;
        }
        let elsewhere = (region.siege.fates(self.now) - here).max(0.0);
        let mean = elsewhere * share / (1.0 - share);
        by_fate.max(nats_over(here, mean + 1.0))
    }

    /// Whether next to nobody was ever seen in the range one digit wider either.
    fn is_empty_around(&self, place: Place, attempt: &Attempt) -> bool {
        let class = place.class().unwrap_or_default();
        let around = attempt.ranges().find(|(m, _)| *m == class + 1);
        around.is_some_and(|(_, around)| self.history(around).attempts() < AROUND_LIVED_IN)
    }

    /// A scope of the attempt was refuted as a whole. It stays under siege while its
    /// attempts keep the evidence up: honest ones bring it down within a dozen or two.
    pub(super) fn besiege(&mut self, attempt: &Attempt, scope: Scope) {
        let until = self.now + SIEGE_MS;
        let place = match scope {
            Scope::Region => attempt.region_place(),
            Scope::Frontier => attempt.frontier_place(),
            // A source is refuted anew for each attempt.
            Scope::Source(_) => return,
        };
        if let Some(evidence) = self.trie.evidence_mut(place) {
            evidence.give_up_beyond(libm::exp(self.log_a + SPARE_NATS));
        }
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        let siege = match scope {
            Scope::Frontier => &mut region.frontier,
            _ => &mut region.siege,
        };
        siege.until = Some(until);
    }

    /// An attempt's silence goes from its stage on to another.
    pub(super) fn note_silence(&mut self, attempt: &Attempt, stage: usize) {
        if !attempt.free || attempt.repeat || attempt.stage >= RIPE_STAGE || stage < RIPE_STAGE {
            return;
        }
        let now = self.now;
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        region.siege.silence(now);
        if attempt.frontier {
            region.frontier.silence(now);
        }
    }

    /// A free attempt was approved.
    pub(super) fn note_approval(&mut self, attempt: &Attempt) {
        if !attempt.free || attempt.repeat {
            return;
        }
        let (now, was_silent) = (self.now, attempt.stage >= RIPE_STAGE);
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        region.siege.approval(now, was_silent);
        if attempt.frontier {
            region.frontier.approval(now, was_silent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn siege(silent: usize, approved: usize) -> Siege {
        let mut siege = Siege::default();
        for _ in 0..silent {
            siege.silence(Millis(0));
        }
        for _ in 0..approved {
            siege.approval(Millis(0), false);
        }
        siege
    }

    #[test]
    fn ordinary_conversion_gives_no_odds_and_silence_gives_many() {
        assert_eq!(siege(4, 0).odds(Millis(0), 0.45), 0.0, "too few");
        assert_eq!(siege(55, 45).odds(Millis(0), 0.45), 0.0);
        let all = siege(60, 0).odds(Millis(0), 0.45);
        assert!(all > 2.5 && all <= ODDS_MAX, "{all}");
        let faked = siege(90, 10).odds(Millis(0), 0.45);
        assert!(faked > 0.0 && faked < 1.5, "{faked}");
    }

    #[test]
    fn what_is_over_the_honest_is_the_attacks() {
        assert_eq!(nats_over(10.0, 10.0), 0.0);
        assert_eq!(nats_over(10.0, 6.0), 0.0, "the lesser part");
        assert!((nats_over(20.0, 2.0) - libm::log(9.0)).abs() < 1e-12);
        assert_eq!(nats_over(1e6, 1.0), ODDS_MAX);
    }

    #[test]
    fn what_is_usual_at_a_frontier_is_known_once_enough_was_seen_and_fades() {
        let mut usual = Usual::default();
        for i in 0..1_000 {
            assert!(i > 199 || usual.share(Millis(i)).is_none(), "{i}");
            usual.note(Millis(i), i % 50 == 0);
        }
        let share = usual.share(Millis(1_000)).unwrap();
        assert!((0.02..0.06).contains(&share), "{share}");
        assert_eq!(usual.share(Millis(7 * DAY)), None, "a week later nothing of it is left");
    }

    #[test]
    fn a_late_approval_takes_its_silence_back_and_all_is_forgotten() {
        let mut known = siege(10, 0);
        known.approval(Millis(0), true);
        assert_eq!((known.silent, known.approved), (9.0, 1.0));
        known.fade(Millis(24 * HOUR));
        assert_eq!(known.odds(Millis(24 * HOUR), 0.45), 0.0);
    }
}
