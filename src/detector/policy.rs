//! What the user may set about detection: the validated `detection`, `limits`
//! and `money` sections. It travels in the internal log, so a fold needs nothing
//! else; its canonical form is the JSON of these types, keys in a fixed order.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::log::PolicyRecord;
use crate::model::{Currency, HOUR, Micros, Mode, Money, Region};

/// Version of the detector's logic: raised whenever the same log would give
/// other findings.
pub const LOGIC_VERSION: &str = "9";

/// Version of the shipped table of message prices.
pub const PRICES_VERSION: &str = "1";

/// Everything that decides what the detector finds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// A: expected false alarms in a million messages at level `block`.
    pub false_alarms_per_million: f64,
    /// Mode of tenants that name none.
    pub mode: Mode,
    /// How far event time may lie behind record time, in milliseconds.
    pub lateness_ms: i64,
    /// Cap on the bytes of one partition's state.
    pub state_bytes_max: u64,
    /// Per tenant, what differs.
    pub tenants: BTreeMap<CompactString, TenantPolicy>,
    /// The user's own limits.
    pub limits: Vec<Limit>,
    /// Currency of every report.
    pub currency: Currency,
    /// What one unit of another currency is worth in [`Policy::currency`].
    pub rates: BTreeMap<Currency, f64>,
}

/// What differs for one tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantPolicy {
    /// Shadow or enforce.
    pub mode: Option<Mode>,
    /// Money that may be spent in a calendar month (UTC).
    pub monthly_budget: Option<Money>,
}

/// One limit of the user's own (names of ATT&CK DET0156).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// How findings call it.
    pub name: CompactString,
    /// Sliding window in milliseconds.
    pub time_window_ms: Option<i64>,
    /// Sends allowed in the window.
    pub sms_frequency_threshold: Option<u64>,
    /// Counted apart for each of these.
    pub per: LimitScope,
    /// Alert, or block (prefix and country only).
    pub block: bool,
    /// Regions that may be sent to; empty: all.
    pub allow_regions: Vec<Region>,
    /// Regions that may not be sent to.
    pub deny_regions: Vec<Region>,
    /// Share of one user agent in the window above which it is odd, 0 to 1.
    pub user_agent_anomaly_threshold: Option<f64>,
    /// Share of sends whose client country is not the number's, 0 to 1.
    pub ip_geo_variance_score: Option<f64>,
}

/// What a limit counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum LimitScope {
    Number,
    Ip,
    Device,
    Asn,
    Prefix,
    Country,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            false_alarms_per_million: 1.0,
            mode: Mode::Shadow,
            lateness_ms: HOUR,
            state_bytes_max: 1 << 27,
            tenants: BTreeMap::new(),
            limits: Vec::new(),
            currency: Currency::USD,
            rates: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// The record that puts this policy in force.
    pub fn to_record(&self, number_plan: &str) -> PolicyRecord {
        let canonical = serde_json::to_string(self).expect("a policy always serialises");
        let config_hash = hex::encode(Sha256::digest(canonical.as_bytes())).into();
        PolicyRecord {
            canonical,
            config_hash,
            number_plan: number_plan.into(),
            prices: PRICES_VERSION.into(),
            logic: LOGIC_VERSION.into(),
        }
    }

    /// Reads the policy back; an error names what this version does not know.
    pub fn from_record(record: &PolicyRecord) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&record.canonical)
    }

    /// Mode of one tenant.
    pub fn mode_of(&self, tenant: &str) -> Mode {
        self.tenants.get(tenant).and_then(|t| t.mode).unwrap_or(self.mode)
    }

    /// An amount in the report's currency; `None` without a rate.
    pub fn convert(&self, money: Money) -> Option<Micros> {
        if money.currency == self.currency {
            return Some(money.micros);
        }
        let rate = self.rates.get(&money.currency)?;
        Some(Micros((money.micros.0 as f64 * rate).round() as i64))
    }
}
