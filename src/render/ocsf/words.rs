//! The sentences of a finding that are not the detector's own.

use crate::model::{Activity, DAY, Finding, FindingKind, HOUR, Level, MINUTE, RecommendedAction, SECOND};
use crate::render::explain::innocence;
use crate::render::json::{Decimal, Utc};

/// Ranges that are named one by one in a sentence; `unmapped.prefixes` has them all.
const NAMED_MAX: usize = 5;

/// Caption of `activity_id`.
pub(super) fn activity_name(activity: Activity) -> &'static str {
    match activity {
        Activity::Create => "Create",
        Activity::Update => "Update",
        Activity::Close => "Close",
    }
}

/// A heading made from the key and the limit that opened the episode, which never
/// change within it.
pub(super) fn title(f: &Finding) -> String {
    let first = f.limits.first();
    let limit = first.map_or_else(
        || "Limit exceeded".into(),
        |limit| format!("Limit {} exceeded", limit.name),
    );
    let heading = match f.kind {
        FindingKind::SmsPumping => "SMS pumping",
        FindingKind::DeliveryOutage => "Delivery outage",
        FindingKind::VerificationFeedStalled => "Verification feed stalled",
        FindingKind::InputGap => "Input gap",
        FindingKind::BudgetExceeded => "Budget exceeded",
        FindingKind::BadInputRatio => "Too many unusable records",
        FindingKind::LimitExceeded => limit.as_str(),
    };
    let towards = match (f.key.prefix, first.and_then(|limit| limit.by.as_ref())) {
        (Some(prefix), _) => format!(" towards {prefix}"),
        (None, Some(party)) if party.is_client() => format!(" by {party}"),
        (None, Some(party)) => format!(" towards {party}"),
        (None, None) => String::new(),
    };
    let app = f
        .key
        .app
        .as_ref()
        .map_or_else(String::new, |app| format!(", app {app}"));
    format!("{heading}{towards}{app}")
}

/// The innocent explanation that was hardest to refute, with the evidence against it
/// and its line, and what became of the others; nothing where none was weighed.
pub(super) fn hardest(f: &Finding) -> Option<String> {
    let margins = f.explanations.iter().enumerate();
    let (ix, hardest) = margins.min_by(|(_, a), (_, b)| a.margin().total_cmp(&b.margin()))?;
    let others = f.explanations.iter().enumerate().filter(|(i, _)| *i != ix);
    let (count, refuted) = others.fold((0, 0), |(count, refuted), (_, explanation)| {
        (count + 1, refuted + usize::from(explanation.is_refuted()))
    });
    let others = match (count, refuted) {
        (0, _) => "no other was weighed".to_owned(),
        (1, 1) => "the other one was refuted by more".to_owned(),
        (all, refuted) if all == refuted => format!("the other {all} were refuted by more"),
        (all, refuted) => format!("of the other {all} {refuted} were refuted"),
    };
    Some(format!(
        "Hardest to refute: {}, {:.1} of {:.1} nats; {others}. What an explanation excuses does not speak against it, so the families of evidence do not add up to that.",
        innocence(&hardest.name),
        hardest.log_e,
        hardest.line,
    ))
}

/// What this record says of the episode.
pub(super) fn status_detail(f: &Finding) -> String {
    let level = f.level.as_str();
    match f.activity {
        Activity::Create => format!("The episode opened at level {level}."),
        Activity::Update => format!("The episode changed; it stands at level {level}."),
        Activity::Close if came_to_nothing(f) => format!(
            "The episode is over: it did not grow into a block within {}.",
            span(f.expires_at.0.saturating_sub(f.opened.0))
        ),
        Activity::Close => "The episode is over.".into(),
    }
}

/// Whether it closes because an attack was suspected for its whole time, and no more.
fn came_to_nothing(f: &Finding) -> bool {
    f.kind == FindingKind::SmsPumping
        && (f.activity, f.level) == (Activity::Close, Level::Alert)
        && f.time >= f.expires_at
}

/// What to do about it.
pub(super) fn remediation(f: &Finding) -> String {
    if came_to_nothing(f) {
        return "Nothing was blocked for it, and it is no longer watched. Look at the evidence if you know of nothing that explains it.".into();
    }
    if f.activity == Activity::Close {
        return "Nothing more to do: the episode is over. Lift what was put in place by hand for it.".into();
    }
    if let Some(sentences) = for_parties(f) {
        return sentences;
    }
    let target = target(f);
    let until = until(f);
    match f.recommended_action {
        RecommendedAction::BlockPrefix => format!(
            "Block {target}{until}, and require a CAPTCHA before a code is sent.{}",
            blast_radius(f)
        ),
        RecommendedAction::RateLimit => format!("Limit the rate of messages to {target}{until}."),
        RecommendedAction::RequireCaptcha => {
            format!("Require a CAPTCHA before a code is sent to {target}{until}.")
        }
        RecommendedAction::DisableCountry => {
            let country = f.region.map_or(target, |region| region.to_string());
            format!("Disable sending to {country}{until}.{}", blast_radius(f))
        }
        RecommendedAction::Review => review(f.kind).into(),
    }
}

/// What to do about those that broke a limit, where it is about clients or numbers.
fn for_parties(f: &Finding) -> Option<String> {
    let until = until(f);
    let listed = |clients: bool| {
        let parties = f.limits.iter().filter_map(|limit| limit.by.as_ref());
        let mut names: Vec<String> = Vec::new();
        for name in parties
            .filter(|party| party.is_client() == clients)
            .map(ToString::to_string)
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| list(names))
    };
    let limited = listed(false).map(|numbers| format!("Limit the rate of messages to {numbers}{until}."));
    let asked = listed(true).map(|clients| format!("Require a CAPTCHA of {clients} before a code is sent{until}."));
    let sentences: Vec<String> = limited.into_iter().chain(asked).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn review(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::SmsPumping => {
            "Look at the evidence; where you know of no launch, campaign or test that explains it, block the ranges."
        }
        FindingKind::DeliveryOutage => {
            "Ask the provider about the route, and send by another one until messages are delivered again."
        }
        FindingKind::VerificationFeedStalled => {
            "Find out why verifications no longer arrive; until they do, silence after a message proves nothing."
        }
        FindingKind::InputGap => {
            "Find out why the input is missing: is its topic readable, and does a member of the router group own it?"
        }
        FindingKind::BudgetExceeded => {
            "Look at what the money was spent on; raise the tenant's monthly_budget if the spending is right."
        }
        FindingKind::BadInputRatio => {
            "Read the reasons on the dead-letter topic; most often the format declared for the input is not the one sent."
        }
        FindingKind::LimitExceeded => "Look at what crossed the limit; change the limit if the traffic is right.",
    }
}

/// The accused ranges, or what stands in their place.
fn target(f: &Finding) -> String {
    if f.prefixes.is_empty() {
        return match (f.key.prefix, f.region) {
            (Some(prefix), _) => prefix.to_string(),
            (None, Some(region)) => region.to_string(),
            (None, None) => "the destinations concerned".into(),
        };
    }
    list(f.prefixes.iter().map(|accused| accused.prefix.to_string()).collect())
}

/// `a, b and c`; of many only the first.
fn list(mut names: Vec<String>) -> String {
    let unnamed = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    if unnamed > 0 {
        names.push(format!("{unnamed} more"));
    }
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// ` until <time> (<span>)`, or nothing where the recommendation has no future.
fn until(f: &Finding) -> String {
    let span_ms = f.expires_at.0.saturating_sub(f.time.0);
    if span_ms <= 0 {
        return String::new();
    }
    format!(" until {} ({})", Utc(f.expires_at), span(span_ms))
}

/// The two largest units of a span, the rest cut.
fn span(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
    let Some(first) = UNITS.iter().position(|&(unit, _)| ms >= unit) else {
        return "less than a second".into();
    };
    let (unit, name) = UNITS[first];
    let whole = format!("{} {name}", ms / unit);
    match UNITS.get(first + 1) {
        Some(&(smaller, name)) if ms % unit >= smaller => format!("{whole} {} {name}", ms % unit / smaller),
        _ => whole,
    }
}

fn blast_radius(f: &Finding) -> String {
    if f.prefixes.is_empty() {
        return String::new();
    }
    let honest_per_hour = f.prefixes.iter().map(|accused| accused.honest_per_hour).sum();
    format!(
        " A block there would hit about {} honest attempts an hour.",
        Decimal::new(honest_per_hour)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (ms, text) in [
            (1, "less than a second"),
            (SECOND, "1 s"),
            (90 * SECOND, "1 min 30 s"),
            (6 * HOUR, "6 h"),
            (2 * DAY + 3 * HOUR + MINUTE, "2 d 3 h"),
            (DAY + MINUTE, "1 d"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
