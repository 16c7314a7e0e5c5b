//! Innocent explanations, alone and in pairs, as generated scenarios: `pairs-1-a` to
//! `pairs-10-b`. Every kind alone and every two kinds of [`InnocentKind`] have a
//! stretch of time with one tenant in which they overlap.
//!
//! Ten worlds of seven tenants of 20,000 sends a day with three stretches of two
//! days each, after four plain days, hold all 210. Where both kinds are about one
//! country it is the same for both. Rates are those of the shipped innocent
//! scenarios in proportion to the tenants' traffic.

use std::fmt::Write as _;

use super::overlay::InnocentKind;
use super::overlay_file::INNOCENT;
use super::presets::innocent_preset;
use super::scenario::WorldKind;
use crate::model::{DAY, HOUR};

/// Worlds that it takes.
pub const WORLDS: usize = 10;

const TENANTS: [(&str, &str); 7] = [
    ("acme", "US"),
    ("globex", "DE"),
    ("initech", "IN"),
    ("hooli", "BR"),
    ("umbrella", "GB"),
    ("wonka", "FR"),
    ("stark", "MX"),
];

/// Countries that each tenant serves: so few that it is known of some, whatever the
/// seed, that they are or are not among them.
const SERVED: usize = 30;
/// Countries that each of the tenants serves.
const OLD_COUNTRIES: [&str; 9] = ["IN", "BR", "GB", "DE", "MX", "FR", "ES", "IT", "CA"];
/// Countries that none of them does.
const NEW_COUNTRIES: [&str; 5] = ["NO", "FI", "IE", "HU", "MA"];

/// Plain days at the beginning.
const PLAIN_MS: i64 = 4 * DAY;
const STRETCH_MS: i64 = 2 * DAY;
/// A stretch begins with so much plain traffic: the alarms in it are those of the
/// stretch before, if anything is late.
const PAUSE_MS: i64 = 6 * HOUR;
/// What would last longer is cut off.
const LONGEST_MS: i64 = DAY;

/// One or two kinds with a stretch of time of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Name of the first kind.
    pub first: &'static str,
    /// Name of the second; the same as of the first when it is alone.
    pub second: &'static str,
    /// Whose traffic.
    pub tenant: &'static str,
    /// From when on alarms about that tenant are its own, relative to the start.
    pub start_ms: i64,
    /// Until when.
    pub end_ms: i64,
    /// Its overlays: kind, begin and length in milliseconds.
    overlays: Vec<(usize, i64, i64)>,
    country: Option<&'static str>,
}

/// Names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    INNOCENT.iter().map(|(name, ..)| *name)
}

/// Names of the scenarios, in both constructions of the honest world.
pub fn names() -> Vec<String> {
    let worlds = (1..=WORLDS).flat_map(|world| ["a", "b"].map(|kind| format!("pairs-{world}-{kind}")));
    worlds.collect()
}

/// The number of the world that a scenario's name, with or without its letter, is
/// about.
pub fn number(name: &str) -> Option<usize> {
    let text = name.strip_prefix("pairs-")?;
    let text = text
        .strip_suffix("-a")
        .or_else(|| text.strip_suffix("-b"))
        .unwrap_or(text);
    let number: usize = text.parse().ok()?;
    // No other spelling of the number is a name.
    ((1..=WORLDS).contains(&number) && number.to_string() == text).then_some(number)
}

/// The stretches of the world of that number, from 1 to [`WORLDS`]; none otherwise.
pub fn stretches(world: usize) -> Vec<Stretch> {
    let all = combinations().into_iter().enumerate();
    all.filter(|(number, _)| number % WORLDS + 1 == world)
        .map(|(number, kinds)| stretch(number, kinds))
        .collect()
}

/// Every kind alone, then every two; those of equal distance follow each other, so
/// that no kind comes twice in a row in one world.
fn combinations() -> Vec<(usize, usize)> {
    let kinds = INNOCENT.len();
    let at_distance = |distance: usize| {
        // Half way round each pair is met from both sides.
        let count = if 2 * distance == kinds { distance } else { kinds };
        (0..count).map(move |first| (first, (first + distance) % kinds))
    };
    (0..=kinds / 2).flat_map(at_distance).collect()
}

fn stretch(number: usize, (first, second): (usize, usize)) -> Stretch {
    let place = number / WORLDS;
    let tenant = TENANTS[place % TENANTS.len()].0;
    let begin = PLAIN_MS + STRETCH_MS * (place / TENANTS.len()) as i64;
    // At another hour each, from six to five in the afternoon.
    let start = begin + PAUSE_MS + (5 * number as i64 % 12) * HOUR;
    let (long, short) = if length(first) >= length(second) {
        (first, second)
    } else {
        (second, first)
    };
    let mut overlays = vec![(long, start, length(long))];
    if first != second {
        // The shorter one in the middle of the longer, and not both at once.
        let gap = ((length(long) - length(short)) / 2).max(length(short) / 4);
        overlays.push((short, start + gap, length(short)));
    }
    Stretch {
        first: INNOCENT[first].0,
        second: INNOCENT[second].0,
        tenant,
        start_ms: start,
        end_ms: begin + STRETCH_MS + PAUSE_MS,
        country: country((first, second), number),
        overlays,
    }
}

fn length(kind: usize) -> i64 {
    let (_, preset) = innocent_preset(INNOCENT[kind].1);
    match INNOCENT[kind].1 {
        InnocentKind::FeedDead => 4 * HOUR,
        _ => preset.min(LONGEST_MS),
    }
}

/// The country that both are about. One that is launched is new; else it matters
/// only that two kinds have the same.
fn country((first, second): (usize, usize), number: usize) -> Option<&'static str> {
    let takes_one = |kind: usize| INNOCENT[kind].2.contains(&"country");
    let is_launch = |kind: usize| INNOCENT[kind].1 == InnocentKind::Launch;
    let place = number / WORLDS;
    if is_launch(first) || is_launch(second) {
        Some(NEW_COUNTRIES[place % NEW_COUNTRIES.len()])
    } else if first != second && takes_one(first) && takes_one(second) {
        Some(OLD_COUNTRIES[(number + place) % OLD_COUNTRIES.len()])
    } else {
        None
    }
}

/// What a kind takes beside its times.
fn settings(kind: usize, with_launch: bool, country: Option<&str>) -> String {
    let (_, kind, keys) = INNOCENT[kind];
    let own = match kind {
        InnocentKind::Launch => ", rate: 0.33",
        InnocentKind::MarketingBlast => ", rate: 6.7",
        InnocentKind::Enrolment => ", app: login-otp",
        InnocentKind::LoadTest => ", rate: 3.3",
        InnocentKind::EventWifi => ", rate: 0.1",
        InnocentKind::ConversionDip => ", factor: 0.85",
        InnocentKind::UserImport => ", rate: 0.17",
        InnocentKind::TvSpikes => ", rate: 2.7",
        _ => "",
    };
    // These are about people whom the tenant has already: where a country is new
    // they are everywhere.
    let is_about_users = matches!(
        kind,
        InnocentKind::MarketingBlast | InnocentKind::Holiday | InnocentKind::ClockShift
    );
    match country {
        Some(country) if keys.contains(&"country") && !(with_launch && is_about_users) => {
            format!("{own}, country: {country}")
        }
        _ => own.into(),
    }
}

/// The scenario of that name as its file would stand there; `None` when it is none
/// of them.
pub fn text(name: &str) -> Option<String> {
    let number = number(name)?;
    let kind = match name.rsplit_once('-')?.1 {
        "a" => WorldKind::A,
        "b" => WorldKind::B,
        _ => return None,
    };
    Some(write(number, kind, &stretches(number)))
}

fn write(number: usize, kind: WorldKind, stretches: &[Stretch]) -> String {
    let letter = if kind == WorldKind::A { "a" } else { "b" };
    let last = stretches.iter().map(|stretch| stretch.end_ms).max().unwrap_or_default();
    let mut text = format!(
        "description: \"Innocent explanations, alone and in pairs: world {number} of {WORLDS}.\"\n\
         world:\n  kind: {letter}\n  duration: {}m\n  tenants:\n",
        last / 60_000
    );
    for (name, home) in TENANTS {
        let _ = writeln!(
            text,
            "    - {{name: {name}, sends_per_day: 20000, home: {home}, countries: {SERVED}}}"
        );
    }
    text.push_str("overlays:\n");
    for (place, stretch) in stretches.iter().enumerate() {
        let with_launch = [stretch.first, stretch.second].contains(&"launch");
        for (kind, start, length) in &stretch.overlays {
            let (name, of) = (INNOCENT[*kind].0, stretch.tenant);
            let _ = writeln!(
                text,
                "  - {{kind: {name}, id: {place}-{name}, tenant: {of}, start: {}m, duration: {}m{}}}",
                start / 60_000,
                length / 60_000,
                settings(*kind, with_launch, stretch.country)
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::simulate::{OverlayKind, Scenario};
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_alone_once_and_beside_every_other_once() {
        let all: Vec<Stretch> = (1..=WORLDS).flat_map(stretches).collect();
        let mut found = BTreeSet::new();
        for stretch in &all {
            let (a, b) = (stretch.first, stretch.second);
            assert!(found.insert((a.min(b), a.max(b))), "{a} {b} twice");
        }
        let n = kinds().count();
        assert_eq!(found.len(), n * (n + 1) / 2);
        assert!(stretches(0).is_empty() && stretches(WORLDS + 1).is_empty());
    }

    #[test]
    fn two_of_a_stretch_overlap_and_keep_to_it() {
        for stretch in (1..=WORLDS).flat_map(stretches) {
            let end = |(_, start, length): &(usize, i64, i64)| start + length;
            assert!(
                stretch
                    .overlays
                    .iter()
                    .all(|one| stretch.start_ms <= one.1 && end(one) <= stretch.end_ms - PAUSE_MS + HOUR && one.2 > 0)
            );
            if let [a, b] = &stretch.overlays[..] {
                let common = end(a).min(end(b)) - a.1.max(b.1);
                assert!(2 * common >= a.2.min(b.2), "{} {}", stretch.first, stretch.second);
            }
        }
        for world in 1..=WORLDS {
            for stretch in stretches(world) {
                let others = stretches(world);
                let beside = others
                    .iter()
                    .filter(|other| other.tenant == stretch.tenant && other.start_ms != stretch.start_ms);
                for other in beside {
                    assert!(other.start_ms >= stretch.end_ms || other.end_ms <= stretch.start_ms);
                }
            }
        }
    }

    #[test]
    fn all_of_them_are_valid_and_two_with_a_country_share_it() {
        assert_eq!(names().len(), 2 * WORLDS);
        for name in names() {
            let scenario = Scenario::load(&name).unwrap();
            assert_eq!(scenario.world.kind == WorldKind::B, name.ends_with("-b"));
            for (place, stretch) in stretches(number(&name).unwrap()).iter().enumerate() {
                let own = scenario
                    .overlays
                    .iter()
                    .filter(|o| o.id.split('-').next() == Some(&place.to_string()));
                let countries: BTreeSet<usize> = own
                    .filter_map(|overlay| match &overlay.kind {
                        OverlayKind::Innocent(_, spec) => spec.country,
                        OverlayKind::Attack(_) => panic!("an attack"),
                    })
                    .collect();
                assert!(countries.len() <= 1, "{} {}", stretch.first, stretch.second);
            }
        }
        for wrong in ["pairs-0-a", "pairs-11-a", "pairs-1-c", "pairs-01-a", "pairs-1", "pairs"] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }
}
