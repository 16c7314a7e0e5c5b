//! The `limits` section: the user's own hard limits.

use std::collections::BTreeSet;

use crate::detector::policy::{Limit, LimitScope};
use crate::model::{DAY, Region, SECOND};

use super::raw::{RawAction, RawLimit, RawScope};
use super::units::Span;
use super::validate::{Problems, share};

/// Findings carry the name, so it is bounded.
const NAME_LEN_MAX: usize = 64;
const LIMITS_MAX: usize = 100;

pub(super) fn validate(raw: Vec<RawLimit>, problems: &mut Problems) -> Vec<Limit> {
    if raw.len() > LIMITS_MAX {
        problems.add(
            "limits",
            format!("holds {} limits; at most {LIMITS_MAX} are kept", raw.len()),
        );
    }
    let mut names = BTreeSet::new();
    raw.into_iter()
        .enumerate()
        .map(|(index, limit)| {
            let path = format!("limits[{index}]");
            if !names.insert(limit.name.clone()) {
                problems.add(
                    &format!("{path}.name"),
                    format!(
                        "is `{}`, as is the name of another limit; give each its own",
                        limit.name
                    ),
                );
            }
            validate_limit(&path, &limit, problems)
        })
        .collect()
}

fn validate_limit(path: &str, raw: &RawLimit, problems: &mut Problems) -> Limit {
    let at = |key: &str| format!("{path}.{key}");
    let name_is_good = (1..=NAME_LEN_MAX).contains(&raw.name.len())
        && raw
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !name_is_good {
        problems.add(
            &at("name"),
            format!("is not a name; use 1 to {NAME_LEN_MAX} letters, digits, dots, hyphens and underscores"),
        );
    }
    let filter = raw.destination_country_code_filter.clone().unwrap_or_default();
    let (allow_regions, deny_regions) = (
        regions(
            &at("destination_country_code_filter.allow"),
            filter.allow.as_deref(),
            problems,
        ),
        regions(
            &at("destination_country_code_filter.deny"),
            filter.deny.as_deref(),
            problems,
        ),
    );
    if let Some(both) = allow_regions.iter().find(|region| deny_regions.contains(region)) {
        problems.add(
            &at("destination_country_code_filter"),
            format!("both allows and denies {both}; keep one"),
        );
    }
    let has_filter = filter.allow.is_some() || filter.deny.is_some();
    for (key, value) in [
        ("user_agent_anomaly_threshold", raw.user_agent_anomaly_threshold),
        ("ip_geo_variance_score", raw.ip_geo_variance_score),
    ] {
        if let Some(value) = value {
            share(&at(key), value, problems);
        }
    }
    if raw.sms_frequency_threshold == Some(0) {
        problems.add(&at("sms_frequency_threshold"), "must be at least 1");
    }
    check_window(path, raw, has_filter, problems);
    let per = scope(path, raw, problems);
    let block = raw.action == RawAction::Block;
    if block && !matches!(per, LimitScope::Prefix | LimitScope::Country) {
        problems.add(
            &at("action"),
            "may be `block` per prefix or country only, since nothing else can be put on the blocklist; \
             use `action: alert`, or `per: prefix` or `per: country`",
        );
    }
    Limit {
        name: raw.name.as_str().into(),
        time_window_ms: raw.time_window.map(|window| window.0),
        sms_frequency_threshold: raw.sms_frequency_threshold,
        per,
        block,
        allow_regions,
        deny_regions,
        user_agent_anomaly_threshold: raw.user_agent_anomaly_threshold,
        ip_geo_variance_score: raw.ip_geo_variance_score,
    }
}

fn counts_something(raw: &RawLimit) -> bool {
    raw.sms_frequency_threshold.is_some()
        || raw.user_agent_anomaly_threshold.is_some()
        || raw.ip_geo_variance_score.is_some()
}

fn check_window(path: &str, raw: &RawLimit, has_filter: bool, problems: &mut Problems) {
    match (raw.time_window, counts_something(raw)) {
        (Some(Span(ms)), true) if !(SECOND..=DAY).contains(&ms) => problems.add(
            &format!("{path}.time_window"),
            format!("is {}, but must be from 1s to 24h", Span(ms)),
        ),
        (None, true) => problems.add(
            path,
            "has a threshold but no window to count in; add `time_window`, as in 10m",
        ),
        (Some(_), false) => problems.add(
            path,
            "has a `time_window` but nothing to count in it; add `sms_frequency_threshold`, \
             `user_agent_anomaly_threshold` or `ip_geo_variance_score`",
        ),
        (None, false) if !has_filter => problems.add(
            path,
            "limits nothing; add `sms_frequency_threshold` with `time_window`, or `destination_country_code_filter`",
        ),
        _ => {}
    }
}

/// A country filter alone is per country; a threshold has to say what is counted apart.
fn scope(path: &str, raw: &RawLimit, problems: &mut Problems) -> LimitScope {
    match raw.per {
        Some(RawScope::Number) => LimitScope::Number,
        Some(RawScope::Ip) => LimitScope::Ip,
        Some(RawScope::Device) => LimitScope::Device,
        Some(RawScope::Asn) => LimitScope::Asn,
        Some(RawScope::Prefix) => LimitScope::Prefix,
        Some(RawScope::Country) => LimitScope::Country,
        None if !counts_something(raw) => LimitScope::Country,
        None => {
            problems.add(
                path,
                "does not say what is counted apart; add `per: number`, ip, device, asn, prefix or country",
            );
            LimitScope::Country
        }
    }
}

fn regions(path: &str, codes: Option<&[String]>, problems: &mut Problems) -> Vec<Region> {
    let Some(codes) = codes else {
        return Vec::new();
    };
    if codes.is_empty() {
        problems.add(path, "is empty; name at least one country, or remove it");
    }
    let mut found = BTreeSet::new();
    for (index, code) in codes.iter().enumerate() {
        match region(code) {
            Ok(region) => {
                found.insert(region);
            }
            Err(reason) => problems.note(&format!("{path}[{index}]"), reason),
        }
    }
    // Sorted: the policy's canonical form, and so its hash, does not depend on the order in the file.
    found.into_iter().collect()
}

/// Territories of ISO 3166 that have no numbers of their own: naming them is no mistake.
const WITHOUT_NUMBERS: [&str; 7] = ["AQ", "BV", "GS", "HM", "PN", "TF", "UM"];

fn region(code: &str) -> Result<Region, String> {
    let upper = code.to_ascii_uppercase();
    let known =
        WITHOUT_NUMBERS.contains(&upper.as_str()) || phonenumber::metadata::DATABASE.by_id(upper.as_str()).is_some();
    match Region::parse(&upper) {
        Some(region) if known => Ok(region),
        _ if upper == "UK" => Err("`UK` is not a country code of ISO 3166; the United Kingdom is GB".into()),
        _ => Err(format!(
            "`{code}` is not a country code of ISO 3166; write two letters, as in US or UZ"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_checked_against_the_number_plan() {
        for good in ["US", "us", "GB", "NO", "UZ", "XK", "AQ"] {
            assert!(region(good).is_ok(), "{good}");
        }
        for bad in ["UK", "XX", "USA", "", "1", "Ü", "+1"] {
            assert!(region(bad).is_err(), "{bad}");
        }
    }
}
