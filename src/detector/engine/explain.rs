//! The finding's evidence in numbers and words, family by family.

use super::Engine;
use super::attempts::Attempt;
use super::bounds::{SUSPECT_FLOOR, SUSPECT_SLACK};
use crate::detector::baseline::{bin_text, region_ceiling};
use crate::detector::episode::EpisodeId;
use crate::detector::evidence::hammering::Hammer;
use crate::detector::evidence::{Evidence, Null, regularity};
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
        let (since, first) = (evidence.since, evidence.since.first_event);
        let Some(episode) = self.episodes.get_mut(id) else {
            return;
        };
        episode.evidence = evidence_items;
        // A block that rises to a common prefix rests on the evidence of those below.
        if crossing.0 >= crossing.1 || episode.log_e_threshold == 0.0 {
            (episode.log_e_total, episode.log_e_threshold) = crossing;
        }
        episode.expected_conversion = attempt.conversion;
        episode.samples = samples;
        if episode.attempts == 0 || since.attempts > episode.attempts {
            episode.attempts = since.attempts;
            episode.verified = since.verified;
            episode.cost = since.cost;
        }
        episode.first_event = episode.first_event.min(first);
        episode.last_event = episode.last_event.max(since.last_event);
    }

    /// The null that was hardest to refute at a place: its log e-value and the line
    /// that it had to cross, with all that lowers it at present.
    pub(super) fn crossing(&self, place: Place, attempt: &Attempt, level: Level) -> (f64, f64) {
        let Some(evidence) = self.trie.evidence(place) else {
            return (0.0, self.log_a);
        };
        let hammer = evidence.parts.hammer;
        let own = self.hammer_lines(attempt);
        if hammer.resends > 0 && Self::is_hammered(&own, hammer) {
            return (hammer.log_e(Null::Plain), own[0].map_or(self.log_a, libm::log));
        }
        self.lines_at(place, attempt, level)
            .iter()
            .enumerate()
            .filter_map(|(j, line)| line.map(|line| (evidence.log_e(j), libm::log(line))))
            .min_by(|a, b| (a.0 - a.1).total_cmp(&(b.0 - b.1)))
            .unwrap_or((0.0, self.log_a))
    }

    fn evidence_items(&self, place: Place, attempt: &Attempt) -> Vec<EvidenceItem> {
        let evidence = self.trie.evidence(place);
        evidence.map_or_else(Vec::new, |evidence| self.items_of(evidence, place, attempt))
    }

    /// What a place's evidence says, family by family.
    pub(super) fn items_of(&self, evidence: &Evidence, place: Place, attempt: &Attempt) -> Vec<EvidenceItem> {
        let k = evidence.best_profile();
        let (parts, seen, since) = (&evidence.parts, &evidence.counters, &evidence.since);
        let share = |count: f64| {
            if seen.attempts > 0.0 {
                count / seen.attempts
            } else {
                0.0
            }
        };
        let tenant = &self.tenants[usize::from(attempt.tenant)];
        let converted = if since.attempts > 0 {
            since.verified as f64 / since.attempts as f64
        } else {
            0.0
        };
        let (ceiling, whole) = if let Place::Range(..) = place {
            (self.ceiling_of(place, attempt), "the country's")
        } else {
            let own = self.history(place).attempts();
            (
                region_ceiling(own, self.history(Place::Root(attempt.tenant)).attempts()),
                "all",
            )
        };
        let flow = match place {
            Place::Range(..) => tenant.regions.get(&attempt.region).map_or(0.0, |r| r.flow),
            _ => tenant.flow,
        };
        let passed = (flow - since.flow).max(since.attempts as f64).max(1.0);
        let inside = since.attempts as f64 / passed;
        let percent = |x: f64| format!("{:.1} %", 100.0 * x);
        let fresh = self.apps[attempt.app as usize].fresh.upper(0.05, 1.3);
        let (crowded, usual, after_life) = self.after_life_text(evidence, attempt);
        let items = [
            (
                "missing_verification",
                parts.verification[k],
                converted,
                attempt.conversion,
                format!(
                    "{} of {} attempts were verified; honest people verify at least {}",
                    since.verified,
                    since.attempts,
                    percent(attempt.conversion)
                ),
            ),
            (
                "number_range",
                parts.digits[k],
                inside,
                ceiling,
                format!(
                    "{} of {whole} attempts went here; honest traffic puts at most {} here",
                    percent(inside),
                    percent(ceiling)
                ),
            ),
            ("after_life", parts.after_life[k], crowded, usual, after_life),
            (
                "novelty",
                parts.novelty,
                share(seen.fresh),
                fresh,
                format!(
                    "{} of the numbers were never seen before; {} is usual at most",
                    percent(share(seen.fresh)),
                    percent(fresh)
                ),
            ),
            (
                "source_geography",
                parts.geography,
                share(seen.odd + seen.missing),
                tenant.odd.upper(0.02, 1.5),
                format!(
                    "{} of the clients are abroad, on unfamiliar networks or unknown; {} is usual at most",
                    percent(share(seen.odd + seen.missing)),
                    percent(tenant.odd.upper(0.02, 1.5))
                ),
            ),
            (
                "source_device",
                parts.device,
                share(seen.device),
                tenant.device.upper(0.02, 1.5),
                format!(
                    "{} of the attempts share a device with another number; {} is usual at most",
                    percent(share(seen.device)),
                    percent(tenant.device.upper(0.02, 1.5))
                ),
            ),
            (
                "number_validity",
                parts.validity,
                share(seen.invalid),
                tenant.invalid.upper(0.01, 1.5),
                format!(
                    "{} of the numbers do not exist in the numbering plan; {} is usual at most",
                    percent(share(seen.invalid)),
                    percent(tenant.invalid.upper(0.01, 1.5))
                ),
            ),
            (
                "volume",
                parts.volume[k],
                since.attempts as f64,
                0.0,
                format!(
                    "{} attempts, faster than honest traffic of this range at its busiest",
                    since.attempts
                ),
            ),
            (
                "regularity",
                parts.regularity,
                evidence.rhythm.unevenness(),
                regularity::UNEVENNESS_HONEST,
                format!(
                    "gaps that follow each other differ by {} of their sum; people's by {}",
                    percent(evidence.rhythm.unevenness()),
                    percent(regularity::UNEVENNESS_HONEST)
                ),
            ),
            (
                "suspect_ranges",
                parts.suspects,
                share(seen.suspect),
                tenant.suspect.upper(SUSPECT_FLOOR, SUSPECT_SLACK),
                format!(
                    "{} of the attempts went to ranges that already looked attacked; {} is usual at most",
                    percent(share(seen.suspect)),
                    percent(tenant.suspect.upper(SUSPECT_FLOOR, SUSPECT_SLACK))
                ),
            ),
            (
                "hammering",
                libm::exp(parts.hammer.log_e(Null::Plain)),
                f64::from(parts.hammer.resends),
                Hammer::honest(parts.hammer.resends),
                format!(
                    "one number was sent to {} times more while it was pending",
                    parts.hammer.resends
                ),
            ),
        ];
        items
            .into_iter()
            .filter(|(_, product, ..)| *product != 1.0)
            .map(|(family, product, observed, expected, text)| EvidenceItem {
                family: family.into(),
                log_e: libm::log(product),
                observed,
                expected,
                text,
            })
            .chain(self.source_item(attempt))
            .collect()
    }

    /// How the approvals at a place came: the share that crowds at one delay, the most
    /// that honest people show there, and the sentence.
    fn after_life_text(&self, evidence: &Evidence, attempt: &Attempt) -> (f64, f64, String) {
        let bounds = self.apps[attempt.app as usize].latency.bin_bounds(attempt.region);
        let seen = evidence.approvals.seen();
        let (Some((bin, count)), Some(bounds)) = (evidence.approvals.crowd(), bounds) else {
            let text = format!("the latest {seen} approvals came as people's do");
            return (0.0, 0.0, text);
        };
        let (share, usual) = (f64::from(count) / f64::from(seen), bounds.upper[bin]);
        let text = format!(
            "{count} of the latest {seen} approvals came after {}; of honest people's at most {:.1} % do",
            bin_text(bin),
            100.0 * usual
        );
        (share, usual, text)
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
