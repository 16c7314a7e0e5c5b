//! Every number that the detector's judgement rests on, in one place.
//!
//! They are starting values: each says what it means, and the evaluation shows
//! how results move when it is halved or doubled. The laboratory runs the
//! detector with other values (ablations); production always uses the default.

use serde::{Deserialize, Serialize};

use super::profile::{PROFILES, Profile, SHIPPED};
use crate::model::{DAY, HOUR, MINUTE};

/// The tunable numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The mixture over attack profiles.
    pub profiles: [Profile; PROFILES],
    /// Kinds of node that one event touches: the D of the bound D·N/A.
    pub node_kinds: f64,
    /// No line of level `block` lies below this many nats, whatever lowers it.
    pub floor_block: f64,
    /// No line of level `alert` lies below this many nats.
    pub floor_alert: f64,
    /// Attempts that a node must have seen before it may accuse.
    pub attempts_min: f64,
    /// Time constant of a node's counters.
    pub counter_decay_ms: f64,
    /// A further send to a pending number within this time is a resend.
    pub pending_ms: i64,
    /// A second attempt to a number within this time is a repeat.
    pub repeat_ms: i64,
    /// Weight of a repeat's silence.
    pub repeat_weight: f64,
    /// Sends without any approval after which an app counts as one that does not verify.
    pub unverified_app_sends: u64,
    /// Ages, in seconds, at which silence is credited.
    pub silence_stages: [f64; 10],
    /// Slack taken off an age before its silence counts, in seconds.
    pub silence_slack: f64,
    /// Prior conversion where nothing was learned.
    pub conversion_prior: f64,
    /// Pseudo-attempts of the shrinkage from one level to the next.
    pub conversion_shrinkage: f64,
    /// The honest lower bound is this share of the mean.
    pub conversion_lower: f64,
    /// Lower bound of honest conversion in a region of which nothing was seen.
    pub conversion_unseen: f64,
    /// Conversion that an enrolment asserts.
    pub enrolment_conversion: f64,
    /// Structural ceiling of the share of a region's honest attempts that a block of 10^m numbers holds, m = 2…6.
    pub structural: [f64; 5],
    /// Pseudo-attempts of the structural ceiling.
    pub structural_weight: f64,
    /// Hold-back: the largest, the smallest, and the share of the tenant's age.
    pub hold_max_ms: i64,
    /// See `hold_max_ms`.
    pub hold_min_ms: i64,
    /// See `hold_max_ms`.
    pub hold_share: f64,
    /// Time constant with which history forgets, in milliseconds.
    pub history_decay_ms: f64,
    /// Nats off the line for one, three and eight confirmed blocks of the tenant within [`Tuning::contagion_ms`].
    pub contagion: [f64; 3],
    /// See `contagion`.
    pub contagion_ms: i64,
    /// Attempts that a range under siege must have seen.
    pub attempts_min_siege: f64,
    /// Time to live of a block: share of an expected honest send's waiting time.
    pub ttl_share: f64,
    /// Share of the time that the honest rate allows for which a prefix is blocked at
    /// first; each recurrence doubles it.
    pub ttl_first: f64,
    /// Shortest and longest time to live.
    pub ttl_min_ms: i64,
    /// See `ttl_min_ms`.
    pub ttl_max_ms: i64,
    /// Longest time to live of a country's block.
    pub ttl_country_ms: i64,
    /// Share let through while a block is half-open.
    pub half_open_ratio: f64,
    /// Share of a launch's range that it reaches an hour.
    pub launch_reach: f64,
    /// Attempts a second that an enrolment makes at most.
    pub enrolment_rate: f64,
    /// Which evidence is used; all of it by default.
    pub enabled: Enabled,
}

/// Switches for ablations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Enabled {
    pub missing_verification: bool,
    pub learned_latency: bool,
    pub after_life: bool,
    pub digits: bool,
    pub novelty: bool,
    pub geography: bool,
    pub device: bool,
    pub validity: bool,
    pub volume: bool,
    pub seasons: bool,
    pub anchor: bool,
    pub votes: bool,
    pub regularity: bool,
    pub suspects: bool,
    pub sources: bool,
    pub agents: bool,
    pub receipts: bool,
    pub patience: bool,
    pub outage_findings: bool,
    pub hammering: bool,
    pub outage_null: bool,
    pub launch_null: bool,
    pub enrolment_null: bool,
    pub common_change_point: bool,
    pub contagion: bool,
    pub siege: bool,
    pub frontier: bool,
    pub widening: bool,
    pub country: bool,
    pub hold_back: bool,
}

impl Default for Enabled {
    fn default() -> Self {
        Self {
            missing_verification: true,
            learned_latency: true,
            after_life: true,
            digits: true,
            novelty: true,
            geography: true,
            device: true,
            validity: true,
            volume: true,
            seasons: true,
            anchor: true,
            votes: true,
            regularity: true,
            suspects: true,
            sources: true,
            agents: true,
            receipts: true,
            patience: true,
            outage_findings: true,
            hammering: true,
            outage_null: true,
            launch_null: true,
            enrolment_null: true,
            common_change_point: true,
            contagion: true,
            siege: true,
            frontier: true,
            widening: true,
            country: true,
            hold_back: true,
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            profiles: SHIPPED,
            // Five ranges, the region and its frontier, and four sources.
            node_kinds: 11.0,
            floor_block: 6.0,
            floor_alert: 5.0,
            attempts_min: 2.5,
            counter_decay_ms: 6.0 * HOUR as f64,
            pending_ms: 10 * MINUTE,
            repeat_ms: DAY,
            repeat_weight: 0.3,
            unverified_app_sends: 60,
            silence_stages: [6.0, 10.0, 15.0, 22.0, 32.0, 45.0, 65.0, 100.0, 180.0, 400.0],
            silence_slack: 2.0,
            conversion_prior: 0.55,
            conversion_shrinkage: 30.0,
            conversion_lower: 0.8,
            conversion_unseen: 0.4,
            enrolment_conversion: 0.6,
            structural: [0.01, 0.03, 0.12, 0.35, 0.7],
            structural_weight: 20.0,
            hold_max_ms: DAY,
            hold_min_ms: 30 * MINUTE,
            hold_share: 0.15,
            history_decay_ms: 30.0 * DAY as f64,
            contagion: [3.0, 4.5, 6.0],
            contagion_ms: 2 * HOUR,
            attempts_min_siege: 0.9,
            ttl_share: 0.5,
            ttl_first: 0.5,
            ttl_min_ms: 2 * HOUR,
            ttl_max_ms: 2 * DAY,
            ttl_country_ms: 2 * HOUR,
            half_open_ratio: 0.1,
            launch_reach: 0.02,
            enrolment_rate: 0.35,
            enabled: Enabled::default(),
        }
    }
}
