//! Window statistics: one minute of one destination.

use schemars::JsonSchema;
use serde::Serialize;

use super::json::{Decimal, Utc, to_bytes};
use super::{Envelope, OutputTopic, RenderedRecord};
use crate::model::{DestinationLevel, EntityKey, Region, WindowStats};

/// What went to one destination in one minute, beside what honest traffic would
/// show.
#[derive(Serialize, JsonSchema)]
pub(super) struct StatsValue<'a> {
    /// Whose traffic.
    tenant: &'a str,
    /// Which of the tenant's applications.
    app: &'a str,
    /// Leading digits with the plus, or the region's code where the destination is a country.
    destination: &'a str,
    /// How coarse the destination is.
    level: DestinationLevel,
    /// ISO 3166 code of the region, `001` for none in particular; null when unknown.
    region: Option<&'a str>,
    /// The operator; null when unknown.
    operator: Option<&'a str>,
    /// The window.
    window: Window,
    /// Messages requested and not blocked.
    sends: u64,
    /// Attempts opened: resends to a number that is still pending are the same attempt.
    attempts: u64,
    /// Attempts whose code was approved.
    verified: u64,
    /// Messages that a blocklist or the provider stopped.
    blocked: u64,
    /// Different numbers.
    distinct_numbers: u64,
    /// Money spent.
    cost: Cost<'a>,
    /// Time from send to approval.
    verify_seconds: VerifySeconds,
    /// What honest traffic would show.
    expected: Expected,
    /// Evidence of pumping at the destination when the window closed, in nats.
    log_e: Decimal,
    /// The same as a risk.
    #[schemars(range(max = 100))]
    score: u8,
}

/// When it began and ended.
#[derive(Serialize, JsonSchema)]
struct Window {
    /// Its first instant, RFC 3339.
    start: Utc,
    /// The first instant after it.
    end: Utc,
}

/// Money spent.
#[derive(Serialize, JsonSchema)]
struct Cost<'a> {
    /// In units of the currency, to a millionth.
    amount: Decimal,
    /// ISO 4217 code.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    currency: &'a str,
}

/// Quantiles of the time from send to approval, in seconds.
#[derive(Serialize, JsonSchema)]
struct VerifySeconds {
    /// Median; null when none was measured in the window.
    p50: Option<Decimal>,
    /// 95th percentile; null when none was measured in the window.
    p95: Option<Decimal>,
}

/// What honest traffic would show in the window.
#[derive(Serialize, JsonSchema)]
struct Expected {
    /// Messages.
    sends: Decimal,
    /// Verified attempts over attempts.
    #[schemars(range(min = 0, max = 1))]
    conversion: Decimal,
}

/// The record of the statistics topic, keyed `tenant|app|destination`.
pub fn record(stats: &WindowStats) -> RenderedRecord {
    let key = format!(
        "{}|{}|{}",
        EntityKey::encode(&stats.tenant),
        EntityKey::encode(&stats.app),
        EntityKey::encode(&stats.destination)
    );
    let value = value(stats);
    let envelope = Envelope::of_content("sms.pumping.stats", Utc(stats.end), &key, Some(&value));
    RenderedRecord {
        topic: OutputTopic::Stats,
        key: Some(key.into_bytes()),
        value: Some(value),
        headers: envelope.headers(),
    }
}

/// One line of JSON.
pub fn value(stats: &WindowStats) -> Vec<u8> {
    to_bytes(&StatsValue {
        tenant: &stats.tenant,
        app: &stats.app,
        destination: &stats.destination,
        level: stats.level,
        region: stats.region.as_ref().map(Region::as_str),
        operator: stats.operator.as_deref(),
        window: Window {
            start: Utc(stats.start),
            end: Utc(stats.end),
        },
        sends: stats.sends,
        attempts: stats.attempts,
        verified: stats.verified,
        blocked: stats.blocked,
        distinct_numbers: stats.distinct_numbers,
        cost: Cost {
            amount: Decimal::money(stats.cost),
            currency: stats.currency.as_str(),
        },
        verify_seconds: VerifySeconds {
            p50: stats.verify_p50.map(Decimal::new),
            p95: stats.verify_p95.map(Decimal::new),
        },
        expected: Expected {
            sends: Decimal::new(stats.expected_sends),
            conversion: Decimal::share(stats.expected_conversion),
        },
        log_e: Decimal::new(stats.log_e),
        score: stats.score.min(100),
    })
}
