//! What each family of the evidence saw at a place, what honest traffic would show
//! there, and both in a sentence: by the bounds that the bets were laid on.

use super::Engine;
use super::attempts::Attempt;
use super::bounds::Bounds;
use crate::detector::baseline::bin_text;
use crate::detector::evidence::hammering::Hammer;
use crate::detector::evidence::{Evidence, Null, attributes, regularity, volume};
use crate::detector::trie::Place;
use crate::model::{EvidenceItem, HOUR, MINUTE, SECOND, percent};

/// One family: its name and product, what was seen, what is usual, and the sentence.
type Family = (&'static str, f64, f64, f64, String);

impl Engine {
    /// What a place's evidence says, family by family.
    pub(super) fn items_of(&self, evidence: &Evidence, place: Place, attempt: &Attempt) -> Vec<EvidenceItem> {
        let bounds = self.bounds(attempt);
        let mut families = vec![
            verification_family(evidence, attempt),
            self.range_family(evidence, place, attempt),
            self.after_life_family(evidence, attempt),
        ];
        families.extend(self.attribute_families(evidence, &bounds, attempt));
        families.extend([
            self.volume_family(evidence, place, attempt),
            regularity_family(evidence),
        ]);
        families.push(suspects_family(evidence, &bounds));
        families.push(hammering_family(evidence));
        families
            .into_iter()
            .filter(|(_, product, ..)| *product != 1.0)
            .map(|(family, product, observed, expected, said)| {
                let log_e = libm::log(product);
                EvidenceItem {
                    family: family.into(),
                    log_e,
                    observed,
                    expected,
                    text: weighed(log_e, said),
                }
            })
            .chain(self.source_item(attempt))
            .collect()
    }

    fn range_family(&self, evidence: &Evidence, place: Place, attempt: &Attempt) -> Family {
        let (bets, flow) = self.dues(place, attempt);
        let ceiling = bets.plain.ceiling;
        let whole = match place {
            Place::Range(..) | Place::Frontier(..) => "to the country",
            _ => "of the tenant",
        };
        let since = &evidence.since;
        let passed = (flow - since.flow).max(since.attempts as f64).max(1.0);
        let inside = since.attempts as f64 / passed;
        let text = format!(
            "{} of the latest {passed:.0} attempts {whole} went here; honest traffic puts at most {} here",
            since.attempts,
            percent(ceiling)
        );
        let product = evidence.parts.digits[evidence.best_profile()];
        ("number_range", product, inside, ceiling, text)
    }

    /// How the approvals at a place came: the share that crowds at one delay, and the
    /// most that honest people show there.
    fn after_life_family(&self, evidence: &Evidence, attempt: &Attempt) -> Family {
        let product = evidence.parts.after_life[evidence.best_profile()];
        let bounds = self.apps[attempt.app as usize].latency.bin_bounds(attempt.region);
        let seen = evidence.approvals.seen();
        let (Some((bin, count)), Some(bounds)) = (evidence.approvals.crowd(), bounds) else {
            let text = format!("the latest {seen} approvals came as people's do");
            return ("after_life", product, 0.0, 0.0, text);
        };
        let (share, usual) = (f64::from(count) / f64::from(seen), bounds.upper[bin]);
        let text = format!(
            "{count} of the latest {seen} approvals came after {}; of honest people's at most {} do",
            bin_text(bin),
            percent(usual)
        );
        ("after_life", product, share, usual, text)
    }

    /// What the clients and the numbers are like.
    fn attribute_families(&self, evidence: &Evidence, bounds: &Bounds, attempt: &Attempt) -> [Family; 4] {
        let (parts, seen) = (&evidence.parts, &evidence.counters);
        let known = seen.attempts - seen.missing;
        let fresh = share(seen.fresh, seen.attempts);
        let usual_fresh = bounds
            .fresh
            .unwrap_or_else(|| self.apps[attempt.app as usize].fresh.upper(0.05, 1.3));
        let device = share(seen.device, known);
        let invalid = share(seen.invalid, seen.attempts);
        [
            (
                "novelty",
                parts.novelty,
                fresh,
                usual_fresh,
                format!(
                    "{} of the latest {:.0} numbers were never seen before; {} is usual at most",
                    percent(fresh),
                    seen.attempts,
                    percent(usual_fresh)
                ),
            ),
            geography_family(evidence, bounds),
            (
                "source_device",
                parts.device,
                device,
                bounds.device,
                format!(
                    "{} of the latest {known:.0} clients have no device of their own; {} is usual at most",
                    percent(device),
                    percent(bounds.device)
                ),
            ),
            (
                "number_validity",
                parts.validity,
                invalid,
                bounds.invalid,
                format!(
                    "{} of the latest {:.0} numbers do not exist in the numbering plan; {} is usual at most",
                    percent(invalid),
                    seen.attempts,
                    percent(bounds.invalid)
                ),
            ),
        ]
    }

    /// Attempts since the change point against what honest traffic makes in that time
    /// when it is at its busiest.
    fn volume_family(&self, evidence: &Evidence, place: Place, attempt: &Attempt) -> Family {
        let since = &evidence.since;
        let passed_ms = (self.now - evidence.start).max(SECOND);
        let honest = match place {
            Place::Range(tenant, prefix, digits) => self.honest_rate(tenant, prefix, digits),
            _ => 0.0,
        };
        // The stretch may span many hours: what the busiest of them makes.
        let (ceiling, region) = (self.ceiling_of(place, attempt), self.region_rate(attempt));
        let rate = volume::upper_rate_within(honest, ceiling, region, None);
        let most = rate * passed_ms as f64 / HOUR as f64;
        let product = evidence.parts.volume[evidence.best_profile()];
        let against = if product < 1.0 {
            "honest traffic of this range may make"
        } else {
            "honest traffic of this range makes no more than"
        };
        let text = format!(
            "{} attempts in {}; at its busiest {against} {}",
            since.attempts,
            span(passed_ms),
            few(most)
        );
        ("volume", product, since.attempts as f64, most, text)
    }
}

/// People who have not had the time to verify are not expected to have done so.
fn verification_family(evidence: &Evidence, attempt: &Attempt) -> Family {
    let since = &evidence.since;
    let attempts = since.attempts.max(1) as f64;
    let (seen, due) = (since.verified as f64 / attempts, (since.due / attempts).min(1.0));
    let text = format!(
        "{} of {} attempts were verified; of honest people at least {} would have verified by now, and {} in the end",
        since.verified,
        since.attempts,
        percent(due),
        percent(attempt.conversion)
    );
    let product = evidence.parts.verification[evidence.best_profile()];
    ("missing_verification", product, seen, due, text)
}

/// Missing clients and odd ones are bet on apart, each by a bound of its own; where the
/// bound is so high that it says nothing, so does the sentence.
fn geography_family(evidence: &Evidence, bounds: &Bounds) -> Family {
    let seen = &evidence.counters;
    let known = seen.attempts - seen.missing;
    let (missing, odd) = (share(seen.missing, seen.attempts), share(seen.odd, known));
    let of_odd = attributes::tells(bounds.odd).then(|| {
        format!(
            "{} of the latest {known:.0} clients whose place is known are abroad or on unfamiliar networks; {} is usual at most",
            percent(odd),
            percent(bounds.odd)
        )
    });
    let of_missing = attributes::tells(bounds.missing).then(|| {
        format!(
            "{} of the latest {:.0} clients do not tell where they are; {} is usual at most",
            percent(missing),
            seen.attempts,
            percent(bounds.missing)
        )
    });
    let (observed, expected) = match (&of_odd, &of_missing) {
        (Some(_), Some(_)) => {
            let both = |missing: f64, odd: f64| missing + (1.0 - missing) * odd;
            (both(missing, odd), both(bounds.missing, bounds.odd))
        }
        (None, Some(_)) => (missing, bounds.missing),
        _ => (odd, bounds.odd),
    };
    let said: Vec<String> = of_odd.into_iter().chain(of_missing).collect();
    let text = if said.is_empty() {
        "too little is known of honest clients at present to tell whether these are odd".to_owned()
    } else {
        said.join("; ")
    };
    ("source_geography", evidence.parts.geography, observed, expected, text)
}

fn regularity_family(evidence: &Evidence) -> Family {
    let uneven = evidence.rhythm.unevenness();
    let text = format!(
        "gaps that follow each other differ by {} of their sum; people's by {}",
        percent(uneven),
        percent(regularity::UNEVENNESS_HONEST)
    );
    let product = evidence.parts.regularity;
    ("regularity", product, uneven, regularity::UNEVENNESS_HONEST, text)
}

fn suspects_family(evidence: &Evidence, bounds: &Bounds) -> Family {
    let seen = &evidence.counters;
    let suspect = share(seen.suspect, seen.attempts);
    let text = format!(
        "{} of the latest {:.0} attempts went to ranges that already looked attacked; {} is usual at most",
        percent(suspect),
        seen.attempts,
        percent(bounds.suspect_share)
    );
    (
        "suspect_ranges",
        evidence.parts.suspects,
        suspect,
        bounds.suspect_share,
        text,
    )
}

fn hammering_family(evidence: &Evidence) -> Family {
    let hammer = evidence.parts.hammer;
    let honest = Hammer::honest();
    let text = format!(
        "one number was sent to {} times more while it was pending; honest people ask {honest:.1} times more at most, on average",
        hammer.resends,
    );
    let product = libm::exp(hammer.log_e(Null::Plain));
    ("hammering", product, f64::from(hammer.resends), honest, text)
}

/// A family may also speak for innocence, and says so.
pub(super) fn weighed(log_e: f64, said: String) -> String {
    if log_e < 0.0 {
        format!("{said}: that speaks for innocence")
    } else {
        said
    }
}

fn share(count: f64, of: f64) -> f64 {
    if of > 0.0 { (count / of).min(1.0) } else { 0.0 }
}

/// A length of time as people say it.
fn span(ms: i64) -> String {
    if ms < 2 * MINUTE {
        format!("{} s", ms / SECOND)
    } else if ms < 2 * HOUR {
        format!("{} min", ms / MINUTE)
    } else {
        format!("{} h", ms / HOUR)
    }
}

/// A number of attempts as people say it.
fn few(count: f64) -> String {
    if count < 0.1 {
        "a tenth of one".to_owned()
    } else if count < 10.0 {
        format!("{count:.1}")
    } else {
        format!("{count:.0}")
    }
}
