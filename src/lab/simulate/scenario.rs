//! Scenario files: raw YAML → checked scenario. Everything that a world and its
//! overlays are made of, without the seed. Unknown keys are refused.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::builtin::BUILTIN;
use super::countries;
use super::overlay::OverlaySpec;
use super::overlay_file::RawOverlay;
use super::pace::{Pace, RawPace};
use super::pairs;
use super::presets::{standard_apps, standard_tenants};
use crate::model::{DAY, HOUR, MINUTE, Millis, SECOND};

/// Why a scenario cannot be used or a simulation not be written.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Neither a shipped scenario nor a file.
    #[error("no scenario is called `{name}` and no such file exists; {hint}")]
    UnknownScenario {
        /// What was asked for.
        name: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// The file is there but cannot be read.
    #[error("the scenario file {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not a scenario.
    #[error("the scenario `{name}` is not valid: {reason}")]
    Invalid {
        /// Name or path.
        name: String,
        /// What to change.
        reason: String,
    },
    /// An output cannot be written. Nothing half-written is left behind.
    #[error("the output {path} cannot be written: {source}")]
    Unwritable {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Which of the differently constructed worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorldKind {
    /// Zipf countries, Poisson-gamma counts, log-normal latency, people spread
    /// over all ranges, carrier-grade NAT, complete records.
    #[default]
    A,
    /// Log-normal country weights, Markov-modulated rates, Weibull-mixture
    /// latency, people clustered in few blocks of few prefixes, home networks
    /// and much IPv6, records with fields missing.
    B,
}

/// What an application sends codes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppKind {
    /// New accounts: many numbers never seen before.
    Signup,
    /// Returning users.
    Login,
    /// Forgotten passwords.
    Reset,
    /// Notifications and marketing: nothing is ever verified, and no client asks.
    Marketing,
    /// A public form that texts a link: people ask, and nothing is ever verified.
    Link,
}

impl AppKind {
    /// Whether its codes are sent back.
    pub(super) fn verifies(self) -> bool {
        !matches!(self, Self::Marketing | Self::Link)
    }

    /// Whether people ask for its messages, each from his client.
    pub(super) fn is_asked(self) -> bool {
        self != Self::Marketing
    }
}

/// One application of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct AppSpec {
    /// Its name in the events.
    pub name: String,
    /// What it does.
    pub kind: AppKind,
    /// Its share of the tenant's sends; shares are normalised.
    pub share: f64,
    /// How long its people take to send the code back; `None`: as the world's do.
    pub pace: Option<Pace>,
}

/// One tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantSpec {
    /// Its name in the events.
    pub name: String,
    /// Mean sends a day.
    pub sends_per_day: f64,
    /// Its home market, a place in the table of countries.
    pub(super) home: usize,
    /// How many countries it serves, the home market included.
    pub countries: usize,
    /// Users it has at the beginning.
    pub users: u64,
    /// When its traffic begins, relative to the scenario's start; `None`: long ago.
    pub joins_ms: Option<i64>,
    /// Its applications.
    pub apps: Vec<AppSpec>,
}

/// A world without its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldSpec {
    /// Which construction.
    pub kind: WorldKind,
    /// Where scenario time 0 lies.
    pub start: Millis,
    /// Honest history generated before the start.
    pub warm_up_ms: i64,
    /// How long it goes on after the start.
    pub duration_ms: i64,
    /// Who sends.
    pub tenants: Vec<TenantSpec>,
}

/// World, overlays and their times: all but the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name, or the path it was read from.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The honest world.
    pub world: WorldSpec,
    /// Attacks and oddities laid over it.
    pub overlays: Vec<OverlaySpec>,
}

impl Scenario {
    /// A shipped scenario by its name (those of [`pairs`] among them), otherwise a
    /// file by its path.
    pub fn load(name_or_path: &str) -> Result<Self, LabError> {
        if let Some((name, text)) = BUILTIN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name, text);
        }
        if let Some(text) = pairs::text(name_or_path) {
            return Self::parse(name_or_path, &text);
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            return Err(LabError::UnknownScenario {
                name: name_or_path.into(),
                hint: nearest(name_or_path, BUILTIN.iter().map(|(name, _)| *name)),
            });
        }
        let text = std::fs::read_to_string(path).map_err(|source| LabError::Unreadable {
            path: name_or_path.into(),
            source,
        })?;
        Self::parse(name_or_path, &text)
    }

    /// The scenarios that are shipped with the program.
    pub fn builtin_names() -> Vec<&'static str> {
        BUILTIN.iter().map(|(name, _)| *name).collect()
    }

    /// Reads YAML.
    pub fn parse(name: &str, text: &str) -> Result<Self, LabError> {
        let invalid = |reason: String| LabError::Invalid {
            name: name.into(),
            reason,
        };
        let raw: RawScenario = serde_saphyr::from_str(text).map_err(|error| invalid(sentence(&error.to_string())))?;
        raw.check(name).map_err(invalid)
    }

    /// What `pumpwatch demo` shows: honest traffic, and a campaign ten seconds
    /// after the start.
    pub fn demo() -> Result<Self, LabError> {
        Self::load("demo")
    }

    /// The same scenario with another length of honest history before its start,
    /// in milliseconds.
    #[must_use]
    pub fn with_warm_up(mut self, warm_up_ms: i64) -> Self {
        self.world.warm_up_ms = warm_up_ms.max(0);
        self
    }

    /// The same scenario in the other construction of the honest world.
    #[must_use]
    pub fn in_world(mut self, kind: WorldKind) -> Self {
        self.world.kind = kind;
        self
    }
}

/// The parser's own message on one line, with the nearest key where one is unknown.
fn sentence(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let mut quoted = line.split('`');
    let known = line.split_once("expected one of ").map(|(_, names)| names);
    match (line.contains("unknown"), quoted.nth(1), known) {
        (true, Some(asked), Some(known)) => {
            let hint = nearest(asked, known.split(", ").map(|name| name.trim_matches('`')));
            if hint.starts_with("did") {
                format!("{line}; {hint}")
            } else {
                line.into()
            }
        }
        _ => line.into(),
    }
}

/// "did you mean …", or the list of what there is.
pub(super) fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let best = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(asked, name), *name))
        .min();
    match best {
        Some((distance, name)) if distance <= 1 + asked.len() / 3 => format!("did you mean `{name}`?"),
        _ => format!("known: {}", known.join(", ")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    description: String,
    world: RawWorld,
    #[serde(default)]
    overlays: Vec<RawOverlay>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorld {
    #[serde(default)]
    kind: WorldKind,
    start: Option<String>,
    warm_up: Option<String>,
    duration: String,
    tenants: Option<Vec<RawTenant>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTenant {
    name: String,
    sends_per_day: f64,
    #[serde(default = "home")]
    home: String,
    #[serde(default = "countries_served")]
    countries: usize,
    users: Option<u64>,
    joins: Option<String>,
    apps: Option<Vec<RawApp>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApp {
    name: String,
    kind: AppKind,
    share: f64,
    pace: Option<RawPace>,
}

impl RawApp {
    fn check(self) -> Result<AppSpec, String> {
        let pace = self.pace.as_ref().map(RawPace::check).transpose()?;
        Ok(AppSpec {
            name: self.name,
            kind: self.kind,
            share: self.share,
            pace,
        })
    }
}

fn home() -> String {
    "US".into()
}

fn countries_served() -> usize {
    40
}

/// A Monday: weekly cycles begin where people expect them.
const DEFAULT_START: &str = "2026-11-02T00:00:00Z";

impl RawScenario {
    fn check(self, name: &str) -> Result<Scenario, String> {
        let start_text = self.world.start.as_deref().unwrap_or(DEFAULT_START);
        let start = Millis::parse_rfc3339(start_text)
            .ok_or_else(|| format!("world.start `{start_text}` is not a time; write it like {DEFAULT_START}"))?;
        let tenants: Vec<TenantSpec> = match self.world.tenants {
            Some(raw) => raw.into_iter().map(RawTenant::check).collect::<Result<_, _>>()?,
            None => standard_tenants(),
        };
        if tenants.is_empty() {
            return Err("world.tenants is empty; name at least one tenant or leave the key out".into());
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = tenants.iter().find(|tenant| !names.insert(&tenant.name)) {
            return Err(format!("two tenants are called `{}`; names must differ", twice.name));
        }
        let world = WorldSpec {
            kind: self.world.kind,
            start,
            warm_up_ms: self
                .world
                .warm_up
                .as_deref()
                .map_or(Ok(0), |t| span("world.warm_up", t))?,
            duration_ms: span("world.duration", &self.world.duration)?,
            tenants,
        };
        let mut overlays = Vec::new();
        for (i, raw) in self.overlays.into_iter().enumerate() {
            let number = i + 1;
            let spec = raw
                .check(number, &world)
                .map_err(|reason| format!("overlay {number}: {reason}"))?;
            if overlays.iter().any(|other: &OverlaySpec| other.id == spec.id) {
                return Err(format!(
                    "overlay {number}: the id `{}` is taken; give it another",
                    spec.id
                ));
            }
            overlays.push(spec);
        }
        Ok(Scenario {
            name: name.into(),
            description: self.description,
            world,
            overlays,
        })
    }
}

impl RawTenant {
    fn check(self) -> Result<TenantSpec, String> {
        let Self {
            name, sends_per_day, ..
        } = self;
        if name.is_empty() || name.len() > 64 {
            return Err("a tenant's name must have 1 to 64 characters".into());
        }
        if !(1.0..=50_000_000.0).contains(&sends_per_day) {
            return Err(format!(
                "tenant `{name}`: sends_per_day must lie between 1 and 50000000"
            ));
        }
        let home = country("home", &self.home).map_err(|reason| format!("tenant `{name}`: {reason}"))?;
        if !(1..=80).contains(&self.countries) {
            return Err(format!("tenant `{name}`: countries must lie between 1 and 80"));
        }
        let joins_ms = self.joins.as_deref().map(|t| span("joins", t)).transpose()?;
        let apps = match self.apps {
            None => standard_apps(),
            Some(raw) => {
                let apps: Result<_, String> = raw.into_iter().map(RawApp::check).collect();
                apps.map_err(|reason| format!("tenant `{name}`: {reason}"))?
            }
        };
        let shares_good = apps.iter().all(|app| app.share.is_finite() && app.share > 0.0);
        if apps.is_empty() || apps.len() > 16 || !shares_good {
            return Err(format!(
                "tenant `{name}`: give it 1 to 16 apps, each with a share above 0"
            ));
        }
        let own = if joins_ms.is_some() {
            0
        } else {
            (sends_per_day * 15.0) as u64
        };
        Ok(TenantSpec {
            name,
            sends_per_day,
            home,
            countries: self.countries,
            users: self.users.unwrap_or(own),
            joins_ms,
            apps,
        })
    }
}

/// The place of a region code in the table of countries.
pub(super) fn country(key: &str, code: &str) -> Result<usize, String> {
    countries::position(code).ok_or_else(|| {
        let known: Vec<&str> = countries::COUNTRIES.iter().map(|c| c.region).collect();
        format!(
            "{key} `{code}` is not a country of the simulator; it has {}",
            known.join(" ")
        )
    })
}

/// Reads `2d`, `1d 12h`, `90m`, `10s`, `500ms`; milliseconds.
pub(super) fn span(key: &str, text: &str) -> Result<i64, String> {
    let wrong = || format!("{key} `{text}` is not a duration; write it like 90s, 15m, 3h or 1d 12h");
    let mut total = 0i64;
    let mut parts = 0;
    for part in text.split_whitespace() {
        let split = part.find(|ch: char| !ch.is_ascii_digit()).ok_or_else(wrong)?;
        let value: i64 = part[..split].parse().map_err(|_| wrong())?;
        let unit = match &part[split..] {
            "ms" => 1,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return Err(wrong()),
        };
        total = value
            .checked_mul(unit)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= 5_000 * DAY)
            .ok_or_else(wrong)?;
        parts += 1;
    }
    if parts == 0 { Err(wrong()) } else { Ok(total) }
}
