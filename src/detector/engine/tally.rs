//! What an attack has cost so far: every attempt, resend and approval that an
//! episode is about is counted once, from the beginning of the evidence to its last
//! record.

use super::attempts::{Attempt, AttemptId};
use super::blocking::Aim;
use super::{Effect, Engine};
use crate::detector::episode::{EpisodeId, Sketch, StandingBlock, Tally};
use crate::detector::evidence::Since;
use crate::detector::trie::Place;
use crate::model::{Activity, HOUR, Micros, Millis, Prefix};

/// What lies in a newly blocked range is part of the attack from the beginning of the
/// evidence, and for at least so long.
const LOOK_BACK_MS: i64 = HOUR;

/// Attempts by which a new attack is compared with another.
const SKETCHED_MAX: usize = 30;

impl Engine {
    /// Counts what a new block covers. Returns how many messages went there.
    pub(super) fn count_covered(
        &mut self,
        prefix: Prefix,
        aim: Aim,
        id: EpisodeId,
        evidence_at: Place,
        attempt: &Attempt,
    ) -> u64 {
        let evidence = self.trie.evidence(evidence_at);
        let since = evidence.map_or(self.now, |e| e.start).min(self.now - LOOK_BACK_MS);
        let known = evidence.map(|e| Tally::from(e.since)).unwrap_or_default();
        let attempts = &self.attempts;
        // A block for one number's sake is about its messages alone.
        let is_meant =
            |id: AttemptId| aim != Aim::Number || attempts.get(id).is_some_and(|a| a.number == attempt.number);
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        let (mut all, mut new) = region.count(since, |e| prefix.covers(e.block) && is_meant(e.attempt));
        region.cover(prefix);
        let Some(episode) = self.episodes.get_mut(id) else {
            return 0;
        };
        // In a busy region the evidence may reach farther back than single attempts.
        let is_within = aim == Aim::Range && matches!(evidence_at, Place::Range(_, p, _) if prefix.covers(p));
        if episode.attempts == 0 && is_within && known.attempts > new.attempts {
            (all, new) = (known, known);
        }
        episode.add(new);
        all.sends
    }

    /// Counts what an alert is about, and goes on counting while it is open. Returns
    /// how many messages went there.
    pub(super) fn watch(&mut self, id: EpisodeId, place: Place, attempt: &Attempt) -> u64 {
        let evidence = self.trie.evidence(place);
        let since = evidence.map_or(self.now, |e| e.start);
        let known = evidence.map(|e| Tally::from(e.since)).unwrap_or_default();
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        let (_, new) = region.count(since, |e| is_at(place, e.block, e.digits));
        region.watched = Some((id, place));
        let seen = if known.attempts > new.attempts { known } else { new };
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.add(seen);
        }
        seen.sends
    }

    /// One more attempt: part of an open alert where it lies at the accused place.
    pub(super) fn count_watched(&mut self, attempt: AttemptId, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.attempts.get(attempt).cloned() else {
            return;
        };
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        let Some((id, place)) = region.watched else { return };
        if !is_at(place, attempt.block, attempt.digits) {
            return;
        }
        if let Some(entry) = region.recall(attempt.ring) {
            entry.counted = true;
        }
        if let Some(episode) = self.episodes.get_mut(id) {
            let accused = episode.accused.first().map_or(attempt.block, |a| a.prefix);
            episode.on_attempt(accused, attempt.event_time, attempt.cost);
            episode.sketch.note(attempt.app, attempt.sources());
        }
        self.tell_growth(id, effects);
    }

    /// One more message of an open attempt: it costs as much as the first.
    pub(super) fn count_resend(&mut self, attempt: &Attempt, cost: Micros, effects: &mut Vec<Effect>) {
        if attempt.free {
            for place in attempt.places() {
                if let Some(evidence) = self.trie.evidence_mut(place) {
                    evidence.note_resend(attempt.opened, cost);
                }
            }
        }
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        let counted = region.recall(attempt.ring).is_some_and(|entry| {
            entry.sends += 1;
            entry.cost.0 += cost.0;
            entry.counted
        });
        let id = if counted {
            self.episodes.attack_on(attempt.tenant, attempt.region)
        } else if attempt.free {
            None
        } else {
            let standing = self.standing_over(attempt.app, attempt.block);
            let counts = |b: &StandingBlock| !b.by_limit && b.is_about(attempt.number);
            standing.filter(|(_, _, b)| counts(b)).map(|(_, _, b)| b.episode)
        };
        let Some(id) = id else { return };
        if let Some(episode) = self.episodes.get_mut(id) {
            episode.on_message(attempt.block, cost);
        }
        self.tell_growth(id, effects);
    }

    /// An attempt was approved that the open finding about its region has counted.
    pub(super) fn count_approval(&mut self, attempt: &Attempt) {
        let id = self.episodes.attack_on(attempt.tenant, attempt.region);
        if let Some(episode) = id.and_then(|id| self.episodes.get_mut(id)) {
            episode.verified += 1;
        }
    }

    /// Where the attempts at a place come from since the evidence there began, as far as
    /// they are still open and lie in no block.
    pub(super) fn sketch(&self, place: Place, attempt: &Attempt, began: Millis) -> Sketch {
        let mut sketch = Sketch::default();
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        let latest = region.into_iter().flat_map(super::tenant::RegionState::latest);
        let here = latest
            .take_while(|e| e.at >= began)
            .filter(|e| !e.covered && !e.verified && is_at(place, e.block, e.digits));
        let open = here.filter_map(|e| self.attempts.get(e.attempt)).take(SKETCHED_MAX);
        for attempt in open.chain([attempt]) {
            sketch.note(attempt.app, attempt.sources());
        }
        sketch
    }

    /// Another record, where so much more has happened that it is worth one.
    fn tell_growth(&mut self, id: EpisodeId, effects: &mut Vec<Effect>) {
        let (now, currency) = (self.now, self.policy.currency);
        if let Some(episode) = self.episodes.get_mut(id)
            && episode.has_grown()
        {
            let finding = episode.record(Activity::Update, now, currency, &self.config_hash);
            effects.push(Effect::Finding(Box::new(finding)));
        }
    }

    /// An alert has risen to a block, by which it counts from here on.
    pub(super) fn unwatch(&mut self, attempt: &Attempt) {
        let region = self.tenants[usize::from(attempt.tenant)].region(attempt.region, &self.hasher);
        region.watched = None;
    }
}

impl From<Since> for Tally {
    fn from(since: Since) -> Self {
        Self {
            attempts: since.attempts,
            verified: since.verified,
            sends: since.sends,
            cost: since.cost,
        }
    }
}

/// Whether an attempt lies at the place that an alert about its region accuses.
fn is_at(place: Place, block: Prefix, digits: u8) -> bool {
    match place {
        Place::Range(_, prefix, of) => of == digits && prefix.covers(block),
        _ => true,
    }
}
