//! What an episode is told of its evidence: the items, the crossing, masked samples.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::episode::EpisodeId;
use crate::detector::evidence::{Lines, NULLS};
use crate::detector::trie::Place;
use crate::model::{EvidenceItem, Level, Prefix};

/// Masked samples a finding shows.
const SAMPLES_MAX: usize = 5;

impl Engine {
    /// Writes what is known at `place` into the episode.
    pub(super) fn explain(&mut self, id: EpisodeId, place: Place, crossing: (f64, f64), attempt: &Attempt) {
        let evidence_items = self.evidence_items(place, attempt);
        let samples = self.samples(id, attempt);
        let Some(evidence) = self.trie.evidence(place) else {
            return;
        };
        let since = evidence.since;
        let Some(episode) = self.episodes.get_mut(id) else {
            return;
        };
        episode.evidence = evidence_items;
        // What was told of once is not told of as less.
        if crossing.0 >= crossing.1 || episode.log_e_threshold == 0.0 {
            (episode.log_e_total, episode.log_e_threshold) = crossing;
        }
        episode.expected_conversion = attempt.conversion;
        episode.samples = samples;
        if since.attempts > 0 {
            episode.first_event = episode.first_event.min(since.first_event);
            episode.last_event = episode.last_event.max(since.last_event);
        }
    }

    /// The null that was hardest to refute at a place: its log e-value and the line
    /// that it had to cross, with all that lowers it at present.
    pub(super) fn crossing(&self, place: Place, attempt: &Attempt, level: Level) -> (f64, f64) {
        let Some(evidence) = self.trie.evidence(place) else {
            return (0.0, self.log_a);
        };
        let hammer = evidence.parts.hammer;
        let own = self.hammer_lines();
        let hardest = |against: &dyn Fn(usize) -> f64, lines: &Lines| {
            let against = |(j, line): (usize, &Option<f64>)| line.map(|line| (against(j), libm::log(line)));
            let all = lines.iter().enumerate().filter_map(against);
            all.min_by(|a, b| (a.0 - a.1).total_cmp(&(b.0 - b.1)))
        };
        let crossing = if hammer.resends > 0 && Self::is_hammered(&own, hammer) {
            hardest(&|j| hammer.log_e(NULLS[j]), &own)
        } else {
            hardest(&|j| evidence.log_e(j), &self.lines_at(place, attempt, level))
        };
        crossing.unwrap_or((0.0, self.log_a))
    }

    fn evidence_items(&self, place: Place, attempt: &Attempt) -> Vec<EvidenceItem> {
        let evidence = self.trie.evidence(place);
        evidence.map_or_else(Vec::new, |evidence| self.items_of(evidence, place, attempt))
    }

    /// Numbers of the latest unverified attempts in the accused ranges, their last
    /// digits hidden.
    fn samples(&mut self, id: EpisodeId, attempt: &Attempt) -> Vec<String> {
        let accused: Vec<Prefix> = self
            .episodes
            .get_mut(id)
            .map(|e| e.accused.iter().map(|a| a.prefix).collect())
            .unwrap_or_default();
        let region = self.tenants[usize::from(attempt.tenant)].regions.get(&attempt.region);
        let latest = region.into_iter().flat_map(super::tenant::RegionState::latest);
        let inside = latest.filter(|e| !e.verified && accused.iter().any(|p| p.covers(e.block)));
        let mut samples: Vec<String> = Vec::new();
        let own = std::iter::once((attempt.block, attempt.digits));
        for (block, digits) in own.chain(inside.map(|e| (e.block, e.digits))) {
            let sample = masked(block, digits);
            if !samples.contains(&sample) {
                samples.push(sample);
            }
            if samples.len() == SAMPLES_MAX {
                break;
            }
        }
        samples
    }
}

/// A number of which only its block is shown; at least two digits are hidden.
pub(super) fn masked(block: Prefix, digits: u8) -> String {
    let hidden = usize::from(digits).saturating_sub(block.len()).max(2);
    format!("{block}{}", "X".repeat(hidden))
}
