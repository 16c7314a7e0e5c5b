//! Why, or why not: what the detector knows of a number, and the story of a
//! finding, in words that somebody who fights fraud can read without knowing how
//! the detector is made.

mod story;

use std::fmt::Write as _;

pub use self::story::Story;
use crate::detector::{BlockView, Inspection, NumberView, PlaceView, TenantView};
use crate::model::{Explanation, percent};
use crate::number_plan::Reading;

/// Digits that the block of 100 leaves open.
const BLOCK_DIGITS: u8 = 2;

/// What an innocent explanation says, as half of a sentence.
pub fn innocence(name: &str) -> &'static str {
    match name {
        "nothing_unusual" => "ordinary traffic",
        "outage" => "an outage of a carrier or of the verifications",
        "launch" => "a launch or a flash crowd",
        "enrolment" => "a company that enrols its staff",
        "launch_in_outage" => "a launch during an outage",
        _ => "another explanation",
    }
}

/// Nats as odds: how many times likelier an attack makes it than innocence does.
fn odds(nats: f64) -> String {
    let times = |nats: f64| {
        let value = libm::exp(nats.min(690.0));
        if value < 9.95 {
            format!("{value:.1}")
        } else if value < 1e4 {
            format!("{value:.0}")
        } else {
            format!("{value:.0e}")
        }
    };
    if nats.abs() < 0.05 {
        "even".to_owned()
    } else if nats > 0.0 {
        format!("{} to 1", times(nats))
    } else {
        format!("1 to {}", times(-nats))
    }
}

/// A number as people read it: no more digits than mean something.
fn plain(value: f64) -> String {
    let text = if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    };
    match text.split_once('.') {
        Some((whole, decimals)) if decimals.trim_end_matches('0').is_empty() => whole.to_owned(),
        Some(_) => text.trim_end_matches('0').to_owned(),
        None => text,
    }
}

/// Everything about a number or range, ending with why it is not blocked, or is.
/// `typed` is what was asked for: no other form of a number is ever shown.
pub fn number(typed: &str, reading: Reading, inspection: &Inspection) -> String {
    let mut text = format!("{typed} ({}) at {}\n", inspection.region, inspection.time);
    let _ = writeln!(text, "{}", read_as(reading));
    if inspection.tenants.is_empty() {
        text.push_str("\nNo tenant has sent there yet: nothing speaks against it, and nothing is blocked.\n");
    }
    for tenant in &inspection.tenants {
        let app = tenant
            .app
            .as_ref()
            .map_or_else(String::new, |app| format!(", app {app}"));
        let _ = writeln!(text, "\nTenant {}{app}", tenant.tenant);
        let _ = writeln!(text, "  {}\n", conclusion(typed, tenant, inspection.fictitious));
        circumstances(&mut text, tenant);
        if let Some(number) = &tenant.number {
            of_number(&mut text, number);
        }
        accusation(&mut text, tenant);
        places(&mut text, tenant);
    }
    text
}

/// How the digits that were asked for are read.
fn read_as(reading: Reading) -> &'static str {
    match reading {
        Reading::Number => "Read as a number.",
        Reading::RatherNumber => {
            "Read as a number, though longer ones begin so too; with an X for each hidden digit it is read as a range."
        }
        Reading::RatherRange => "Read as a range: as a number it would be unusually short.",
        Reading::Range => "Read as a range.",
    }
}

/// One sentence: blocked since when and why, or not blocked because.
pub fn conclusion(typed: &str, tenant: &TenantView, fictitious: bool) -> String {
    if let Some(block) = tenant.blocks.iter().find(|block| block.covers) {
        return blocked(typed, tenant, block);
    }
    if fictitious {
        return format!("{typed} is not blocked because the plan gives it to nobody: it is for tests and films.");
    }
    let Some(place) = nearest(tenant) else {
        return format!("{typed} is not blocked because nothing was seen there lately.");
    };
    let (at, nothing_nearer) = match place.prefix {
        Some(_) => (format!("at {}", place_name(place)), ""),
        None => (
            "in the whole country".to_owned(),
            if tenant.places.iter().any(|p| p.prefix.is_some() && p.since.is_some()) {
                ""
            } else {
                "nothing was seen lately in its own ranges, and "
            },
        ),
    };
    if let Some(entry) = &tenant.safe_entry {
        return format!("{typed} is not blocked because the safe-list forbids it: it holds {entry}.");
    }
    if !place.mature {
        return format!(
            "{typed} is not blocked because too little was seen: {} attempts lately {at}.",
            plain(place.recent_attempts)
        );
    }
    match place.protector() {
        Some(protector) if !protector.is_refuted() => {
            let more = if tenant.app.is_some()
                || tenant.verifies && tenant.verifications_flow && tenant.stalled_apps.is_empty()
            {
                ""
            } else {
                "; silence proves nothing at present, since no verifications arrive"
            };
            format!(
                "{typed} is not blocked because {nothing_nearer}{} still explains what was seen {at}: the evidence against it is {} of {} nats{more}.",
                innocence(&protector.name),
                plain(protector.log_e.max(0.0)),
                plain(protector.line),
            )
        }
        _ if place.safe_entry.is_some() => format!(
            "{typed} is not blocked although every innocent explanation of what was seen {at} is refuted: the safe-list holds {}, which a block there would hit, and no part without it stands out.",
            place.safe_entry.as_deref().unwrap_or_default()
        ),
        _ => format!(
            "{typed} is not blocked although every innocent explanation of what was seen {at} is refuted: honest customers live there ({} attempts an hour), and no narrower part stands out.",
            plain(place.honest_per_hour)
        ),
    }
}

fn blocked(typed: &str, tenant: &TenantView, block: &BlockView) -> String {
    let finding = block
        .finding_uid
        .map_or_else(String::new, |uid| format!(", by finding {uid}"));
    let why = if block.by_limit {
        "a limit of your own asked for it"
    } else {
        "every innocent explanation was refuted"
    };
    let shadow = if tenant.mode == "shadow" {
        " The tenant is in shadow mode: nothing is to act on it."
    } else {
        ""
    };
    let with = if block.prefix == typed {
        String::new()
    } else {
        format!(" with {}", block.prefix)
    };
    if block.half_open {
        return format!(
            "{typed} lies in the half-open block {}: a share is let through and judged until {}{finding}.{shadow}",
            block.prefix, block.expires_at
        );
    }
    format!(
        "{typed} is blocked{with} since {} and until {}, because {why}{finding}.{shadow}",
        block.since, block.expires_at
    )
}

/// The place whose best protection is thinnest, of those that may accuse.
pub fn nearest(tenant: &TenantView) -> Option<&PlaceView> {
    let margin = |place: &PlaceView| place.protector().map_or(f64::NEG_INFINITY, Explanation::margin);
    let seen = || tenant.places.iter().filter(|p| p.accuses && p.since.is_some());
    let mature = seen()
        .filter(|p| p.mature)
        .max_by(|a, b| margin(a).total_cmp(&margin(b)));
    mature.or_else(|| seen().max_by(|a, b| a.recent_attempts.total_cmp(&b.recent_attempts)))
}

fn place_name(place: &PlaceView) -> String {
    match (&place.prefix, place.open_digits) {
        (Some(prefix), Some(BLOCK_DIGITS)) => format!("{prefix} (block of 100)"),
        (Some(prefix), Some(open)) => format!("{prefix} (10^{open} numbers)"),
        (Some(prefix), None) => prefix.clone(),
        (None, _) => "the whole country".to_owned(),
    }
}

fn circumstances(text: &mut String, tenant: &TenantView) {
    let mut line = |sentence: String| {
        let _ = writeln!(text, "  {sentence}");
    };
    if let Some(app) = &tenant.app {
        line(if tenant.verifies {
            format!("App {app} was judged apart until it first verified a number; this is left of it.")
        } else {
            format!(
                "App {app} has never verified a number while others of the tenant have: those of its messages that tell of their client are judged apart, by everything but missing answers."
            )
        });
    } else if !tenant.verifies {
        line("No app of the tenant has ever verified a number, so a message without an answer proves nothing.".into());
    } else if !tenant.verifications_flow {
        line("No input brings verifications at present, so a message without an answer proves nothing.".into());
    } else {
        let share = percent(tenant.conversion_lower_bound);
        line(format!("Honest people verify at least {share} of their codes here."));
    }
    for app in &tenant.stalled_apps {
        line(format!("The verifications of app {app} have stopped everywhere."));
    }
    if let Some(entry) = &tenant.safe_entry {
        line(format!("The safe-list forbids a block here: it holds {entry}."));
    }
    for limit in &tenant.limits {
        line(format!("Your own limit {limit} is broken here."));
    }
    if let Some(finding) = &tenant.finding {
        line(format!(
            "Finding {} (level {}, since {}) is open here: {} attempts, {}.",
            finding.uid,
            finding.level,
            finding.opened,
            finding.attempts,
            named(&finding.prefixes)
        ));
    }
    for block in tenant.blocks.iter().filter(|block| !block.covers).take(5) {
        line(format!(
            "Within it {} is blocked until {}.",
            block.prefix, block.expires_at
        ));
    }
}

fn named(prefixes: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = prefixes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match prefixes.len() {
        0 => "no single range".to_owned(),
        n if n > SHOWN => format!("{shown} and {} more", n - SHOWN),
        _ => shown,
    }
}

fn of_number(text: &mut String, number: &NumberView) {
    let _ = match number.last_attempt {
        Some(at) => writeln!(text, "  The number itself was last sent to at {at}."),
        None => writeln!(text, "  The number itself was not sent to lately."),
    };
    for attempt in &number.open {
        let outcome = match (attempt.verified, attempt.judged) {
            (true, _) => "verified",
            (false, true) => "not verified so far",
            (false, false) => "not verified, and not judged",
        };
        let _ = writeln!(
            text,
            "  Open attempt of app {} since {}: {outcome}.",
            attempt.app, attempt.opened
        );
    }
}

/// Where the explanations stood when the open finding last accused: what is refuted
/// then may stand at present, as evidence and lines move on.
fn accusation(text: &mut String, tenant: &TenantView) {
    let Some(finding) = tenant.finding.as_ref().filter(|f| !f.explanations.is_empty()) else {
        return;
    };
    let _ = writeln!(
        text,
        "\n  The accusation of finding {}: the evidence then against each innocent explanation (in nats, of the nats asked for)",
        finding.uid
    );
    explanations(text, "    ", &finding.explanations);
}

fn places(text: &mut String, tenant: &TenantView) {
    text.push_str("\n  Places at present, and the evidence against each innocent explanation (in nats, of the nats asked for now)\n");
    for place in &tenant.places {
        let _ = writeln!(text, "  {}", place_name(place));
        let _ = writeln!(
            text,
            "    honest history {} attempts, {} an hour, at most {} of the traffic around",
            plain(place.history),
            plain(place.honest_per_hour),
            percent(place.honest_share_max),
        );
        let Some(since) = place.since else {
            text.push_str("    nothing was seen lately\n");
            continue;
        };
        let _ = writeln!(
            text,
            "    since {since}: {} attempts, {} verified{}",
            place.attempts,
            place.verified,
            if place.accuses {
                ""
            } else {
                "; too wide to accuse by itself"
            },
        );
        explanations(text, "    ", &place.explanations);
    }
    if let Some(place) = nearest(tenant).filter(|place| !place.evidence.is_empty()) {
        let _ = writeln!(text, "\n  What speaks against {}, family by family", place_name(place));
        for item in &place.evidence {
            family(
                text,
                "  ",
                &item.family,
                item.log_e,
                item.observed,
                item.expected,
                &item.text,
            );
        }
    }
}

fn explanations(text: &mut String, indent: &str, all: &[Explanation]) {
    for explanation in all {
        let verdict = if explanation.is_refuted() { "refuted" } else { "stands" };
        let _ = writeln!(
            text,
            "{indent}{:<48} {:>8.2} of {:>6.2}  {verdict}",
            innocence(&explanation.name),
            // What is far below nothing is nothing to a reader.
            explanation.log_e.max(-9.99),
            explanation.line,
        );
    }
}

fn family(text: &mut String, indent: &str, name: &str, log_e: f64, observed: f64, expected: f64, said: &str) {
    let _ = writeln!(
        text,
        "{indent}{:<22} {log_e:>+8.2} nats, {:<14} observed {}, usual {}",
        name.replace('_', " "),
        odds(log_e),
        plain(observed),
        plain(expected),
    );
    let _ = writeln!(text, "{indent}  {said}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_and_numbers_read_as_people_say_them() {
        for (nats, said) in [
            (0.0, "even"),
            (3.0, "20 to 1"),
            (-1.1, "1 to 3.0"),
            (21.4, "2e9 to 1"),
            (1e9, "5e299 to 1"),
        ] {
            assert_eq!(odds(nats), said);
        }
        for (value, said) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (12.0, "12"),
            (1_234.56, "1235"),
            (0.0004, "0"),
            (100.0, "100"),
        ] {
            assert_eq!(plain(value), said);
        }
    }
}
