//! An overlay as a scenario file says it: names of kinds, which keys each takes,
//! and the checks with their sentences.

use serde::Deserialize;

use super::overlay::{
    Agents, AttackKind, Devices, FakeLatency, InnocentKind, Numbers, OverlayKind, OverlaySpec, Reaction, Source,
    Target, Timing,
};
use super::pace::RawPace;
use super::presets::{attack_preset, innocent_preset};
use super::scenario::{WorldSpec, country, nearest, span};

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

/// Innocent oddities: names, and the keys that each takes.
pub(super) const INNOCENT: &[(&str, InnocentKind, &[&str])] = &[
    ("launch", InnocentKind::Launch, &["country", "rate"]),
    (
        "marketing_blast",
        InnocentKind::MarketingBlast,
        &["country", "rate", "sorted"],
    ),
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
    "pace",
    "source",
    "addresses",
    "devices",
    "agents",
    "timing",
    "hop_every",
    "hop_after",
    "hops",
    "on_block",
    "probe",
    "probe_before",
    "probe_every",
    "probe_converted",
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
    latency: Option<RawLatency>,
    pace: Option<RawPace>,
    source: Option<Source>,
    addresses: Option<u64>,
    devices: Option<Devices>,
    agents: Option<Agents>,
    timing: Option<Timing>,
    hop_every: Option<String>,
    hop_after: Option<String>,
    hops: Option<u32>,
    on_block: Option<Reaction>,
    probe: Option<u64>,
    probe_before: Option<String>,
    probe_every: Option<String>,
    probe_converted: Option<f64>,
    factor: Option<f64>,
    share: Option<f64>,
    delay: Option<String>,
    sorted: Option<bool>,
}

/// Names of the shipped delays of faked conversions.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawLatency {
    Plausible,
    Narrow,
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
            ("pace", self.pace.is_some()),
            ("source", self.source.is_some()),
            ("addresses", self.addresses.is_some()),
            ("devices", self.devices.is_some()),
            ("agents", self.agents.is_some()),
            ("timing", self.timing.is_some()),
            ("hop_every", self.hop_every.is_some()),
            ("hop_after", self.hop_after.is_some()),
            ("hops", self.hops.is_some()),
            ("on_block", self.on_block.is_some()),
            ("probe", self.probe.is_some()),
            ("probe_before", self.probe_before.is_some()),
            ("probe_every", self.probe_every.is_some()),
            ("probe_converted", self.probe_converted.is_some()),
            ("factor", self.factor.is_some()),
            ("share", self.share.is_some()),
            ("delay", self.delay.is_some()),
            ("sorted", self.sorted.is_some()),
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
        let (mut spec, duration) = attack_preset(kind);
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
        if let Some(share) = self.probe_converted {
            set(
                spec.probe_converted.insert(share),
                Some(share),
                "probe_converted",
                0.0,
                1.0,
            )?;
        }
        spec.numbers = self.numbers.unwrap_or(spec.numbers);
        spec.latency = match (&self.pace, self.latency) {
            (Some(_), Some(_)) => return Err("give `latency` or `pace`, not both".into()),
            (Some(pace), None) => FakeLatency::Own(pace.check()?),
            (None, Some(RawLatency::Plausible)) => FakeLatency::Plausible,
            (None, Some(RawLatency::Narrow)) => FakeLatency::Narrow,
            (None, None) => spec.latency,
        };
        spec.source = self.source.unwrap_or(spec.source);
        spec.devices = self.devices.unwrap_or(spec.devices);
        spec.agents = self.agents.unwrap_or(spec.agents);
        spec.timing = self.timing.unwrap_or(spec.timing);
        spec.on_block = self.on_block.unwrap_or(spec.on_block);
        for (field, text, key) in [
            (&mut spec.hop_every_ms, &self.hop_every, "hop_every"),
            (&mut spec.hop_after_ms, &self.hop_after, "hop_after"),
            (&mut spec.probe_before_ms, &self.probe_before, "probe_before"),
            (&mut spec.probe_every_ms, &self.probe_every, "probe_every"),
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
        spec.sorted = self.sorted.unwrap_or(spec.sorted);
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
