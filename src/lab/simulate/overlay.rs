//! What can be laid over an honest world: attacks with their habits, innocent
//! oddities with theirs, and how a scenario file says so.

use serde::Deserialize;

use super::scenario::{WorldSpec, country, nearest, span};
use crate::model::{HOUR, MINUTE};

/// Where a campaign sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This country (place in the table).
    Country(usize),
    /// Countries that the tenant does not serve, the dear ones first.
    Unseen,
    /// Among the tenant's three busiest countries.
    Busy,
    /// Among the tenant's least busy ones.
    Rare,
}

/// How numbers are drawn inside a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Uniformly.
    Uniform,
    /// One after the other, with gaps of one to three.
    Sequential,
    /// The same few again and again.
    Few,
}

/// Where the requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Home connections all over the world.
    Residential,
    /// Home and mobile networks of the destination's own country.
    Local,
    /// Data centres.
    Datacenter,
}

/// What the requests show as devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// A new one each time.
    Fresh,
    /// A small pool.
    Pool,
    /// None.
    Missing,
}

/// How messages lie in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// At random.
    Random,
    /// At even gaps.
    Even,
    /// With the daily cycle of the tenant, most at its peak hours.
    Cover,
}

/// What the attacker does when blocked (closed loop).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Goes to new ranges.
    Hop,
    /// Goes to new ranges at a third of the rate.
    Slow,
    /// Goes to new ranges and fakes more conversions.
    Fake,
    /// Gives up.
    Stop,
    /// Goes on as if nothing had happened.
    Ignore,
}

/// How faked conversions lie in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FakeLatency {
    /// As people do.
    Plausible,
    /// Within a second of always the same delay.
    Narrow,
}

/// An attack campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackSpec {
    /// Where it sends.
    pub target: Target,
    /// To how many countries.
    pub countries: usize,
    /// Mean messages a second.
    pub rate: f64,
    /// It ends after so many.
    pub messages: u64,
    /// Number ranges at a time.
    pub ranges: usize,
    /// Each spans 10^block_digits numbers.
    pub block_digits: u32,
    /// How numbers are drawn.
    pub numbers: Numbers,
    /// How many with [`Numbers::Few`].
    pub few: u64,
    /// Share of messages to numbers that do not exist: a third of too short or
    /// too long ones, a third in ranges the plan does not have, a third valid by
    /// the plan and never delivered.
    pub invalid_share: f64,
    /// Share of messages whose code is sent back.
    pub converted_share: f64,
    /// When it is sent back.
    pub latency: FakeLatency,
    /// Where requests come from.
    pub source: Source,
    /// From how many addresses; 0: a new one each time or two.
    pub addresses: u64,
    /// What they show as devices.
    pub devices: Devices,
    /// How messages lie in time.
    pub timing: Timing,
    /// It moves to new ranges at this interval (open loop); 0: never.
    pub hop_every_ms: i64,
    /// How long after a block it reacts (closed loop).
    pub hop_after_ms: i64,
    /// How often it moves at most.
    pub hops: u32,
    /// What it does when blocked.
    pub on_block: Reaction,
    /// Messages of a probe that goes first.
    pub probe: u64,
    /// How long before.
    pub probe_before_ms: i64,
}

/// An innocent oddity.
#[derive(Clone, Debug, PartialEq)]
pub struct InnocentSpec {
    /// One country, or (where the kind allows) all.
    pub country: Option<usize>,
    /// Messages a second, where the kind adds traffic.
    pub rate: f64,
    /// By what something is multiplied.
    pub factor: f64,
    /// What share is touched.
    pub share: f64,
    /// By how long something is late or shifted.
    pub delay_ms: i64,
}

/// Names of attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum AttackKind {
    Burst,
    Adjacent,
    ResidentialProxies,
    MinutesBurst,
    Drip,
    UnseenCountry,
    ProbeFirst,
    FakedConversions,
    Hopping,
    PeakCover,
    ManyRanges,
    LowAndSlow,
    Million,
    Hammering,
}

/// Names of innocent oddities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum InnocentKind {
    Launch,
    MarketingBlast,
    CarrierOutage,
    FeedLate,
    FeedDead,
    FeedStall,
    Enrolment,
    LoadTest,
    Disorder,
    Holiday,
    PriceChange,
    NewRange,
    EventWifi,
    AppRelease,
    Masked,
    ClockShift,
    ClientFieldsLost,
    ConversionDip,
    UserImport,
    TvSpikes,
}

/// What an overlay is.
#[derive(Clone, Debug, PartialEq)]
pub enum OverlayKind {
    /// An attack.
    Attack(AttackSpec),
    /// Anything else that looks odd.
    Innocent(InnocentKind, InnocentSpec),
}

/// One overlay of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct OverlaySpec {
    /// Label of its events.
    pub id: String,
    /// Name of its kind, as in the file.
    pub kind_name: &'static str,
    /// Which tenant, by place.
    pub tenant: usize,
    /// Which app of that tenant, by place; `None`: all (oddities only).
    pub app: Option<usize>,
    /// Begin, relative to the scenario's start.
    pub start_ms: i64,
    /// How long.
    pub duration_ms: i64,
    /// What it is.
    pub kind: OverlayKind,
}

const ATTACKS: &[(&str, AttackKind)] = &[
    ("burst", AttackKind::Burst),
    ("adjacent", AttackKind::Adjacent),
    ("residential_proxies", AttackKind::ResidentialProxies),
    ("minutes_burst", AttackKind::MinutesBurst),
    ("drip", AttackKind::Drip),
    ("unseen_country", AttackKind::UnseenCountry),
    ("probe_first", AttackKind::ProbeFirst),
    ("faked_conversions", AttackKind::FakedConversions),
    ("hopping", AttackKind::Hopping),
    ("peak_cover", AttackKind::PeakCover),
    ("many_ranges", AttackKind::ManyRanges),
    ("low_and_slow", AttackKind::LowAndSlow),
    ("million", AttackKind::Million),
    ("hammering", AttackKind::Hammering),
];

const INNOCENT: &[(&str, InnocentKind, &[&str])] = &[
    ("launch", InnocentKind::Launch, &["country", "rate"]),
    ("marketing_blast", InnocentKind::MarketingBlast, &["country", "rate"]),
    ("carrier_outage", InnocentKind::CarrierOutage, &["country", "share"]),
    ("feed_late", InnocentKind::FeedLate, &["delay"]),
    ("feed_dead", InnocentKind::FeedDead, &[]),
    ("feed_stall", InnocentKind::FeedStall, &[]),
    ("enrolment", InnocentKind::Enrolment, &["country", "rate"]),
    ("load_test", InnocentKind::LoadTest, &["rate"]),
    ("disorder", InnocentKind::Disorder, &["share", "delay"]),
    ("holiday", InnocentKind::Holiday, &["country", "factor"]),
    ("price_change", InnocentKind::PriceChange, &["country", "factor"]),
    ("new_range", InnocentKind::NewRange, &["country", "rate"]),
    ("event_wifi", InnocentKind::EventWifi, &["country", "rate"]),
    ("app_release", InnocentKind::AppRelease, &["share"]),
    ("masked", InnocentKind::Masked, &[]),
    ("clock_shift", InnocentKind::ClockShift, &["country", "delay"]),
    ("client_fields_lost", InnocentKind::ClientFieldsLost, &["share"]),
    ("conversion_dip", InnocentKind::ConversionDip, &["factor"]),
    ("user_import", InnocentKind::UserImport, &["country", "rate"]),
    ("tv_spikes", InnocentKind::TvSpikes, &["country", "rate"]),
];

const ATTACK_KEYS: &[&str] = &[
    "country",
    "countries",
    "rate",
    "messages",
    "ranges",
    "block_digits",
    "numbers",
    "few",
    "invalid_share",
    "converted_share",
    "latency",
    "source",
    "addresses",
    "devices",
    "timing",
    "hop_every",
    "hop_after",
    "hops",
    "on_block",
    "probe",
    "probe_before",
];

/// An overlay as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverlay {
    kind: String,
    id: Option<String>,
    tenant: Option<String>,
    app: Option<String>,
    start: String,
    duration: Option<String>,
    country: Option<String>,
    countries: Option<usize>,
    rate: Option<f64>,
    messages: Option<u64>,
    ranges: Option<usize>,
    block_digits: Option<u32>,
    numbers: Option<Numbers>,
    few: Option<u64>,
    invalid_share: Option<f64>,
    converted_share: Option<f64>,
    latency: Option<FakeLatency>,
    source: Option<Source>,
    addresses: Option<u64>,
    devices: Option<Devices>,
    timing: Option<Timing>,
    hop_every: Option<String>,
    hop_after: Option<String>,
    hops: Option<u32>,
    on_block: Option<Reaction>,
    probe: Option<u64>,
    probe_before: Option<String>,
    factor: Option<f64>,
    share: Option<f64>,
    delay: Option<String>,
}

impl RawOverlay {
    pub(super) fn check(self, number: usize, world: &WorldSpec) -> Result<OverlaySpec, String> {
        let attack = ATTACKS.iter().find(|(name, _)| *name == self.kind);
        let innocent = INNOCENT.iter().find(|(name, ..)| *name == self.kind);
        let (kind_name, allowed) = match (attack, innocent) {
            (Some((name, _)), _) => (*name, ATTACK_KEYS),
            (_, Some((name, _, keys))) => (*name, *keys),
            _ => {
                let names = ATTACKS.iter().map(|a| a.0).chain(INNOCENT.iter().map(|i| i.0));
                return Err(format!(
                    "no kind is called `{}`; {}",
                    self.kind,
                    nearest(&self.kind, names)
                ));
            }
        };
        self.refuse_meaningless(kind_name, allowed)?;
        let (tenant, app) = self.whom(world, attack.is_some())?;
        let start_ms = span("start", &self.start)?;
        let (kind, duration_default) = match (attack, innocent) {
            (Some(&(_, kind)), _) => self.attack(kind)?,
            (_, Some(&(_, kind, _))) => self.innocent(kind)?,
            _ => unreachable!("one of the two was found above"),
        };
        let duration_ms = match &self.duration {
            Some(text) => span("duration", text)?,
            None => duration_default,
        };
        if duration_ms == 0 {
            return Err("a duration of 0 does nothing; leave the overlay out or give it one".into());
        }
        Ok(OverlaySpec {
            id: self.id.unwrap_or_else(|| format!("{kind_name}-{number}")),
            kind_name,
            tenant,
            app,
            start_ms,
            duration_ms,
            kind,
        })
    }

    fn whom(&self, world: &WorldSpec, attack: bool) -> Result<(usize, Option<usize>), String> {
        let tenant = match &self.tenant {
            None => 0,
            Some(name) => world.tenants.iter().position(|t| t.name == *name).ok_or_else(|| {
                let hint = nearest(name, world.tenants.iter().map(|t| t.name.as_str()));
                format!("no tenant is called `{name}`; {hint}")
            })?,
        };
        let apps = &world.tenants[tenant].apps;
        let app = match &self.app {
            // An attack goes through one door: the first app.
            None => attack.then_some(0),
            Some(name) => Some(apps.iter().position(|a| a.name == *name).ok_or_else(|| {
                format!(
                    "no app is called `{name}`; {}",
                    nearest(name, apps.iter().map(|a| a.name.as_str()))
                )
            })?),
        };
        Ok((tenant, app))
    }

    fn refuse_meaningless(&self, kind: &str, allowed: &[&str]) -> Result<(), String> {
        let given = [
            ("country", self.country.is_some()),
            ("countries", self.countries.is_some()),
            ("rate", self.rate.is_some()),
            ("messages", self.messages.is_some()),
            ("ranges", self.ranges.is_some()),
            ("block_digits", self.block_digits.is_some()),
            ("numbers", self.numbers.is_some()),
            ("few", self.few.is_some()),
            ("invalid_share", self.invalid_share.is_some()),
            ("converted_share", self.converted_share.is_some()),
            ("latency", self.latency.is_some()),
            ("source", self.source.is_some()),
            ("addresses", self.addresses.is_some()),
            ("devices", self.devices.is_some()),
            ("timing", self.timing.is_some()),
            ("hop_every", self.hop_every.is_some()),
            ("hop_after", self.hop_after.is_some()),
            ("hops", self.hops.is_some()),
            ("on_block", self.on_block.is_some()),
            ("probe", self.probe.is_some()),
            ("probe_before", self.probe_before.is_some()),
            ("factor", self.factor.is_some()),
            ("share", self.share.is_some()),
            ("delay", self.delay.is_some()),
        ];
        match given.iter().find(|(key, is)| *is && !allowed.contains(key)) {
            Some((key, _)) => Err(format!(
                "`{key}` means nothing for {kind}; it takes start, duration, tenant, app{}{}",
                if allowed.is_empty() { "" } else { ", " },
                allowed.join(", ")
            )),
            None => Ok(()),
        }
    }

    fn attack(&self, kind: AttackKind) -> Result<(OverlayKind, i64), String> {
        let (mut spec, duration) = preset(kind);
        if let Some(text) = &self.country {
            spec.target = match text.as_str() {
                "unseen" => Target::Unseen,
                "busy" => Target::Busy,
                "rare" => Target::Rare,
                code => Target::Country(country("country", code)?),
            };
        }
        set(&mut spec.countries, self.countries, "countries", 1, 40)?;
        set(&mut spec.messages, self.messages, "messages", 1, 1_000_000_000)?;
        set(&mut spec.ranges, self.ranges, "ranges", 1, 5_000)?;
        set(&mut spec.block_digits, self.block_digits, "block_digits", 1, 6)?;
        set(&mut spec.few, self.few, "few", 1, 10_000)?;
        set(&mut spec.addresses, self.addresses, "addresses", 0, 10_000_000)?;
        set(&mut spec.hops, self.hops, "hops", 0, 1_000)?;
        set(&mut spec.probe, self.probe, "probe", 0, 1_000)?;
        set(&mut spec.rate, self.rate, "rate (messages a second)", 1e-6, 10_000.0)?;
        set(&mut spec.invalid_share, self.invalid_share, "invalid_share", 0.0, 1.0)?;
        set(
            &mut spec.converted_share,
            self.converted_share,
            "converted_share",
            0.0,
            1.0,
        )?;
        spec.numbers = self.numbers.unwrap_or(spec.numbers);
        spec.latency = self.latency.unwrap_or(spec.latency);
        spec.source = self.source.unwrap_or(spec.source);
        spec.devices = self.devices.unwrap_or(spec.devices);
        spec.timing = self.timing.unwrap_or(spec.timing);
        spec.on_block = self.on_block.unwrap_or(spec.on_block);
        for (field, text, key) in [
            (&mut spec.hop_every_ms, &self.hop_every, "hop_every"),
            (&mut spec.hop_after_ms, &self.hop_after, "hop_after"),
            (&mut spec.probe_before_ms, &self.probe_before, "probe_before"),
        ] {
            if let Some(text) = text {
                *field = span(key, text)?;
            }
        }
        Ok((OverlayKind::Attack(spec), duration))
    }

    fn innocent(&self, kind: InnocentKind) -> Result<(OverlayKind, i64), String> {
        let (mut spec, duration) = innocent_preset(kind);
        if let Some(code) = &self.country {
            spec.country = Some(country("country", code)?);
        }
        set(&mut spec.rate, self.rate, "rate (messages a second)", 1e-6, 10_000.0)?;
        set(&mut spec.factor, self.factor, "factor", 0.0, 1_000.0)?;
        set(&mut spec.share, self.share, "share", 0.0, 1.0)?;
        if let Some(text) = &self.delay {
            spec.delay_ms = span("delay", text)?;
        }
        Ok((OverlayKind::Innocent(kind, spec), duration))
    }
}

fn set<T: PartialOrd + Copy + std::fmt::Display>(
    field: &mut T,
    value: Option<T>,
    key: &str,
    low: T,
    high: T,
) -> Result<(), String> {
    if let Some(value) = value {
        if !(value >= low && value <= high) {
            return Err(format!("{key} is {value}; it must lie between {low} and {high}"));
        }
        *field = value;
    }
    Ok(())
}

/// What each kind of attack does unless the file says otherwise, after the
/// incident reports, and for how long.
fn preset(kind: AttackKind) -> (AttackSpec, i64) {
    let base = AttackSpec {
        target: Target::Rare,
        countries: 1,
        rate: 1.0,
        messages: u64::MAX,
        ranges: 1,
        block_digits: 4,
        numbers: Numbers::Uniform,
        few: 5,
        invalid_share: 0.2,
        converted_share: 0.02,
        latency: FakeLatency::Plausible,
        source: Source::Residential,
        addresses: 300,
        devices: Devices::Fresh,
        timing: Timing::Random,
        hop_every_ms: 0,
        hop_after_ms: 4 * MINUTE,
        hops: 0,
        on_block: Reaction::Ignore,
        probe: 0,
        probe_before_ms: 3 * HOUR,
    };
    match kind {
        AttackKind::Burst => (base, 4 * HOUR),
        AttackKind::Adjacent => {
            let spec = AttackSpec {
                numbers: Numbers::Sequential,
                invalid_share: 0.0,
                ..base
            };
            (spec, 2 * HOUR)
        }
        AttackKind::ResidentialProxies => {
            let spec = AttackSpec {
                rate: 16.0,
                addresses: 600,
                block_digits: 5,
                ranges: 3,
                ..base
            };
            (spec, 4 * HOUR)
        }
        AttackKind::MinutesBurst => (
            AttackSpec {
                rate: 16.0,
                block_digits: 5,
                ..base
            },
            3 * MINUTE,
        ),
        AttackKind::Drip => {
            let spec = AttackSpec {
                rate: 3.0 * 100.0 / 3_600.0,
                ranges: 100,
                block_digits: 3,
                ..base
            };
            (spec, 72 * HOUR)
        }
        AttackKind::UnseenCountry => {
            let spec = AttackSpec {
                target: Target::Unseen,
                rate: 0.05,
                messages: 200,
                ..base
            };
            (spec, 6 * HOUR)
        }
        AttackKind::ProbeFirst => (AttackSpec { probe: 10, ..base }, 4 * HOUR),
        AttackKind::FakedConversions => (
            AttackSpec {
                converted_share: 0.4,
                invalid_share: 0.0,
                ..base
            },
            4 * HOUR,
        ),
        AttackKind::Hopping => {
            let spec = AttackSpec {
                hop_every_ms: 10 * MINUTE,
                hops: 8,
                on_block: Reaction::Hop,
                ..base
            };
            (spec, 3 * HOUR)
        }
        AttackKind::PeakCover => {
            let spec = AttackSpec {
                target: Target::Busy,
                timing: Timing::Cover,
                rate: 0.1,
                ..base
            };
            (spec, 48 * HOUR)
        }
        AttackKind::ManyRanges => (
            AttackSpec {
                countries: 8,
                ranges: 40,
                block_digits: 3,
                ..base
            },
            6 * HOUR,
        ),
        AttackKind::LowAndSlow => {
            let spec = AttackSpec {
                target: Target::Busy,
                rate: 0.02,
                ranges: 50,
                block_digits: 3,
                source: Source::Local,
                invalid_share: 0.05,
                converted_share: 0.1,
                timing: Timing::Cover,
                ..base
            };
            (spec, 120 * HOUR)
        }
        AttackKind::Million => {
            let spec = AttackSpec {
                rate: 1_000_000.0 / (5.0 * 86_400.0),
                messages: 1_000_000,
                countries: 3,
                ranges: 12,
                block_digits: 5,
                addresses: 0,
                ..base
            };
            (spec, 120 * HOUR)
        }
        AttackKind::Hammering => {
            let spec = AttackSpec {
                numbers: Numbers::Few,
                rate: 0.1,
                invalid_share: 0.0,
                converted_share: 0.0,
                ..base
            };
            (spec, HOUR)
        }
    }
}

fn innocent_preset(kind: InnocentKind) -> (InnocentSpec, i64) {
    let base = InnocentSpec {
        country: None,
        rate: 1.0,
        factor: 1.0,
        share: 1.0,
        delay_ms: 0,
    };
    match kind {
        InnocentKind::Launch | InnocentKind::UserImport => (base, 8 * HOUR),
        InnocentKind::MarketingBlast => (InnocentSpec { rate: 20.0, ..base }, HOUR),
        InnocentKind::CarrierOutage => (InnocentSpec { share: 0.9, ..base }, 2 * HOUR),
        InnocentKind::FeedLate => (
            InnocentSpec {
                delay_ms: 20 * MINUTE,
                ..base
            },
            4 * HOUR,
        ),
        InnocentKind::FeedDead | InnocentKind::FeedStall => (base, 2 * HOUR),
        InnocentKind::Enrolment => (InnocentSpec { rate: 0.1, ..base }, HOUR),
        InnocentKind::LoadTest => (InnocentSpec { rate: 10.0, ..base }, HOUR),
        InnocentKind::Disorder => {
            let spec = InnocentSpec {
                share: 0.1,
                delay_ms: 10 * MINUTE,
                ..base
            };
            (spec, 12 * HOUR)
        }
        InnocentKind::Holiday => (InnocentSpec { factor: 3.0, ..base }, 24 * HOUR),
        InnocentKind::PriceChange => (InnocentSpec { factor: 1.6, ..base }, 240 * HOUR),
        InnocentKind::NewRange => (InnocentSpec { rate: 0.05, ..base }, 72 * HOUR),
        InnocentKind::EventWifi => (InnocentSpec { rate: 0.3, ..base }, 5 * HOUR),
        InnocentKind::AppRelease => (InnocentSpec { share: 0.7, ..base }, 72 * HOUR),
        InnocentKind::Masked | InnocentKind::ClientFieldsLost => (base, 48 * HOUR),
        InnocentKind::ClockShift => (InnocentSpec { delay_ms: HOUR, ..base }, 240 * HOUR),
        InnocentKind::ConversionDip => (InnocentSpec { factor: 0.9, ..base }, 48 * HOUR),
        InnocentKind::TvSpikes => (InnocentSpec { rate: 8.0, ..base }, 6 * HOUR),
    }
}
