//! What each kind of overlay does, and who sends, unless the file says otherwise.

use super::countries;
use super::overlay::{
    Agents, AttackKind, AttackSpec, Devices, FakeLatency, InnocentKind, InnocentSpec, Numbers, Reaction, Source,
    Target, Timing,
};
use super::scenario::{AppKind, AppSpec, TenantSpec};
use crate::model::{HOUR, MINUTE, SECOND};

/// A burst of the kind that incident reports tell of.
fn plain() -> AttackSpec {
    AttackSpec {
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
        agents: Agents::Ordinary,
        timing: Timing::Random,
        hop_every_ms: 0,
        hop_after_ms: 4 * MINUTE,
        hops: 0,
        on_block: Reaction::Ignore,
        probe: 0,
        probe_before_ms: 3 * HOUR,
        probe_every_ms: 37 * SECOND,
        probe_converted: None,
    }
}

/// What each kind of attack does unless the file says otherwise, after the
/// incident reports, and for how long.
pub(super) fn attack_preset(kind: AttackKind) -> (AttackSpec, i64) {
    let base = plain();
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
        _ => patient_preset(kind),
    }
}

/// Those that take their time or spread out.
fn patient_preset(kind: AttackKind) -> (AttackSpec, i64) {
    let base = plain();
    match kind {
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
        _ => (base, 4 * HOUR),
    }
}

pub(super) fn innocent_preset(kind: InnocentKind) -> (InnocentSpec, i64) {
    let base = InnocentSpec {
        country: None,
        rate: 1.0,
        factor: 1.0,
        share: 1.0,
        delay_ms: 0,
        sorted: false,
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
        InnocentKind::NewRange => (InnocentSpec { rate: 0.01, ..base }, 72 * HOUR),
        InnocentKind::EventWifi => (InnocentSpec { rate: 0.3, ..base }, 5 * HOUR),
        InnocentKind::AppRelease => (InnocentSpec { share: 0.7, ..base }, 72 * HOUR),
        InnocentKind::Masked | InnocentKind::ClientFieldsLost => (base, 48 * HOUR),
        InnocentKind::ClockShift => (InnocentSpec { delay_ms: HOUR, ..base }, 240 * HOUR),
        InnocentKind::ConversionDip => (InnocentSpec { factor: 0.9, ..base }, 48 * HOUR),
        InnocentKind::TvSpikes => (InnocentSpec { rate: 8.0, ..base }, 6 * HOUR),
    }
}

/// The apps of a tenant unless the file says otherwise.
pub(super) fn standard_apps() -> Vec<AppSpec> {
    [
        ("signup-otp", AppKind::Signup, 0.35),
        ("login-otp", AppKind::Login, 0.45),
        ("password-reset", AppKind::Reset, 0.1),
        ("notices", AppKind::Marketing, 0.1),
    ]
    .map(|(name, kind, share)| AppSpec {
        name: name.into(),
        kind,
        share,
        pace: None,
    })
    .into()
}

/// Five tenants from a corner shop to a large one.
pub(super) fn standard_tenants() -> Vec<TenantSpec> {
    [
        ("acme", 100_000.0, "US", 60),
        ("globex", 20_000.0, "DE", 45),
        ("initech", 5_000.0, "IN", 30),
        ("hooli", 2_000.0, "BR", 40),
        ("corner", 300.0, "GB", 15),
    ]
    .map(|(name, sends_per_day, home, countries)| TenantSpec {
        name: name.into(),
        sends_per_day,
        home: countries::position(home).unwrap_or(0),
        countries,
        users: (sends_per_day * 15.0) as u64,
        joins_ms: None,
        apps: standard_apps(),
    })
    .into()
}
