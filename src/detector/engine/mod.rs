//! The engine of one partition: what each event does to evidence, history,
//! blocks and findings, at its place in log time.

mod accuse;
mod anchor;
mod apart;
mod attempts;
mod blocking;
mod bounds;
mod early;
mod explain;
mod families;
mod feed_health;
mod feedback;
mod hammer;
mod inspect;
mod judge;
mod latency;
mod limiting;
mod lines;
mod operations;
mod outage;
mod patience;
mod prices;
mod protect;
mod receipt;
mod season;
mod send;
mod siege;
mod source;
mod stats;
mod tally;
mod tenant;
mod verify;
mod void;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use self::attempts::{AppIx, AttemptId, Attempts};
use self::early::EarlyApprovals;
use self::tenant::{App, Names, Tenant};
use super::baseline::LatencyCurve;
use super::episode::{Blocks, EpisodeId, Episodes, Safelist};
use super::evidence::missing_verification::Stages;
use super::evidence::{Lines, lines};
use super::limits::{Budgets, Limits};
use super::order::{Dedup, Order};
use super::policy::Policy;
use super::timers::Timers;
use super::trie::{TenantIx, Trie};
use super::tuning::Tuning;
use super::window::Windows;
use super::{Effect, EventCounts, Size};
use crate::model::log::{PolicyRecord, RoutedBody, RoutedEvent};
use crate::model::{MINUTE, Millis, Prefix};

/// Event time may lie this far ahead of record time.
const FUTURE_MS: i64 = 5 * MINUTE;
/// Bytes that one node and its evidence take, for the cap.
const NODE_BYTES: u64 = 900;
/// One node in so many is one of a source: a flood of them takes no room from the
/// destinations.
const SOURCE_PART: usize = 8;

/// Something due at an absolute log time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Due {
    /// The next stage of an attempt's silence.
    Silence(AttemptId),
    /// A block's time may be up.
    Block(TenantIx, Prefix),
    /// An alert that came to nothing, a limit that is kept again, a month that is over.
    Episode(EpisodeId),
    /// Windows close.
    Windows,
    /// Old attempts close, held-back ones become history.
    Housekeeping,
}

/// Everything one partition knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) policy: Policy,
    pub(crate) config_hash: CompactString,
    pub(crate) tuning: Tuning,
    pub(crate) log_a: f64,
    /// Evidence from which a range is half accused.
    suspect_lines: Lines,
    /// Evidence from which a place is suspected, with nothing that lowers it.
    alert_lines: Lines,
    pub(crate) stages: Stages,
    pub(crate) partition: i32,
    hasher: crate::detector::Keyed,
    pub(crate) now: Millis,
    names: Names,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) apps: Vec<App>,
    pub(crate) trie: Trie,
    /// The same for sources, in a set of their own.
    pub(crate) sources: Trie,
    pub(crate) attempts: Attempts,
    early: EarlyApprovals,
    timers: Timers<Due>,
    dedup: Dedup,
    pub(crate) blocks: Blocks,
    pub(crate) episodes: Episodes,
    pub(crate) safelist: Safelist,
    pub(crate) windows: Windows,
    pub(crate) limits: Limits,
    pub(crate) budgets: Budgets,
    pub(crate) counts: EventCounts,
    names_full_told: bool,
    /// Whether the next housekeeping is due; it rests while nothing is open or held back.
    keeping_house: bool,
    windows_due: Option<Millis>,
}

/// Attempts kept open at most.
const ATTEMPTS_MAX: usize = 1 << 20;
/// An alert opens at a hundredth of the evidence of a block: ln 100.
const ALERT_NATS: f64 = 4.605_170_185_988_092;
/// Destinations with windows at most.
const WINDOWS_MAX: usize = 16_384;

impl Engine {
    /// An engine that knows nothing, with hash tables keyed by the log's salt.
    pub(crate) fn new(salt: &[u8; 32], tuning: Tuning) -> Self {
        let word = |i: usize| u64::from_le_bytes(salt[8 * i..8 * i + 8].try_into().expect("eight bytes"));
        let hasher = crate::detector::Keyed::with_seeds(word(0), word(1), word(2), word(3));
        let policy = Policy::default();
        let stages = Stages::new(&LatencyCurve::default(), &tuning);
        let nodes_max = (policy.state_bytes_max / NODE_BYTES) as usize;
        Self {
            log_a: log_a(&policy, &tuning),
            suspect_lines: suspect_lines(log_a(&policy, &tuning), &tuning),
            alert_lines: alert_lines(log_a(&policy, &tuning), &tuning),
            policy,
            config_hash: CompactString::default(),
            stages,
            partition: 0,
            now: Millis::MIN,
            names: Names::default(),
            tenants: Vec::new(),
            apps: Vec::new(),
            trie: Trie::new(nodes_max - nodes_max / SOURCE_PART, hasher.clone()),
            sources: Trie::new(nodes_max / SOURCE_PART, hasher.clone()),
            attempts: Attempts::new(ATTEMPTS_MAX, hasher.clone()),
            early: EarlyApprovals::new(&hasher),
            timers: Timers::new(),
            dedup: Dedup::new(hasher.clone()),
            blocks: Blocks::new(hasher.clone()),
            episodes: Episodes::default(),
            safelist: Safelist::default(),
            windows: Windows::new(WINDOWS_MAX, word(0)),
            limits: Limits::default(),
            budgets: Budgets::default(),
            counts: EventCounts::default(),
            names_full_told: false,
            keeping_house: false,
            windows_due: None,
            tuning,
            hasher,
        }
    }

    /// Another policy is in force from here on.
    pub(crate) fn adopt(&mut self, policy: Policy, record: &PolicyRecord, effects: &mut Vec<Effect>) {
        let before = if self.config_hash.is_empty() {
            "none".to_owned()
        } else {
            self.config_hash.to_string()
        };
        let detail = format!(
            "before: {before}; number plan {}, logic {}",
            record.number_plan, record.logic
        );
        if self.partition == 0 {
            self.audit("policy_changed", "", "router", &record.config_hash, detail, effects);
        }
        self.log_a = log_a(&policy, &self.tuning);
        self.suspect_lines = suspect_lines(self.log_a, &self.tuning);
        self.alert_lines = alert_lines(self.log_a, &self.tuning);
        let nodes_max = (policy.state_bytes_max / NODE_BYTES) as usize;
        self.trie.set_cap(nodes_max - nodes_max / SOURCE_PART);
        self.sources.set_cap(nodes_max / SOURCE_PART);
        if policy.limits != self.policy.limits {
            self.limits = Limits::new(&policy.limits, &self.hasher);
        }
        if policy.currency != self.policy.currency {
            self.budgets.restart();
        }
        let before = std::mem::replace(&mut self.policy, policy);
        self.config_hash.clone_from(&record.config_hash);
        self.republish_modes(&before, effects);
    }

    /// Moves time to `to`, doing what falls due on the way.
    pub(crate) fn advance(&mut self, to: Millis, order: &Order, effects: &mut Vec<Effect>) {
        while let Some((at, due)) = self.timers.pop_due(to) {
            self.now = self.now.max(at);
            match due {
                Due::Silence(id) => self.on_silence(id, order, effects),
                Due::Block(tenant, prefix) => self.on_block_due(tenant, prefix, effects),
                Due::Episode(id) => self.on_episode_due(id, effects),
                Due::Windows => self.on_windows_due(effects),
                Due::Housekeeping => self.on_housekeeping(effects),
            }
        }
        self.now = self.now.max(to);
    }

    /// How full the engine is.
    pub(crate) fn size(&self) -> Size {
        Size {
            nodes: self.trie.len() + self.sources.len(),
            evictions: self.trie.evictions() + self.sources.evictions(),
            attempts: self.attempts.len(),
            timers: self.timers.len(),
            blocks: self.blocks.len(),
            episodes: self.episodes.len(),
            dedup_overflows: self.dedup.overflows(),
            ..Size::default()
        }
    }

    fn due(&mut self, at: Millis, due: Due) {
        self.timers.set(at, due);
    }

    /// Counts an event as what it is, as soon as it is read; only one that counts
    /// goes on to its place in time.
    pub(crate) fn accept(&mut self, event: &RoutedEvent) -> bool {
        let counts = &mut self.counts;
        let outcome = if event.time - event.record_time > FUTURE_MS {
            &mut counts.quarantined
        } else if event.record_time - event.time > self.policy.lateness_ms {
            &mut counts.late
        } else if !self.dedup.insert(event.id, event.arrival, self.policy.lateness_ms) {
            &mut counts.duplicate
        } else {
            counts.counted += 1;
            return true;
        };
        *outcome += 1;
        false
    }

    /// One event at its place in time.
    pub(crate) fn on_event(&mut self, event: &RoutedEvent, order: &Order, effects: &mut Vec<Effect>) {
        self.advance(event.arrival, order, effects);
        if !self.keeping_house {
            self.keeping_house = true;
            self.due(self.now.floor_to(MINUTE) + MINUTE, Due::Housekeeping);
        }
        let tenant = self.tenant_ix(&event.tenant, effects);
        let app = self.app_ix(tenant, &event.app, effects);
        match &event.body {
            RoutedBody::Send(send) => {
                self.on_send(app, event, send, order, effects);
                self.enforce_limits(tenant, event, send, effects);
            }
            RoutedBody::Verification {
                session,
                message_id,
                outcome,
            } => {
                self.on_verification(tenant, app, event, [*session, *message_id], *outcome, effects);
            }
            RoutedBody::Delivery {
                message_id,
                session,
                status,
                ..
            } => {
                self.on_receipt(tenant, app, event, [*message_id, *session], *status, effects);
            }
        }
    }

    fn tenant_ix(&mut self, name: &str, effects: &mut Vec<Effect>) -> TenantIx {
        match self.names.tenant(name, self.tenants.len() as TenantIx) {
            Ok(ix) => ix,
            Err((name, ix)) => {
                self.tenants.push(Tenant::new(name, self.now, &self.hasher));
                self.tell_names_full(effects);
                ix
            }
        }
    }

    fn app_ix(&mut self, tenant: TenantIx, name: &str, effects: &mut Vec<Effect>) -> AppIx {
        match self.names.app(tenant, name) {
            Ok(ix) => ix,
            Err((name, ix)) => {
                self.apps.push(App {
                    name,
                    tenant,
                    sends: 0,
                    networks: Vec::new(),
                    entry: None,
                    verified_since: None,
                    history: super::baseline::History::default(),
                    fresh: super::baseline::Share::default(),
                    asked: super::baseline::Share::default(),
                    latency: super::baseline::LearnedLatency::default(),
                    health: feed_health::FeedHealth::default(),
                });
                self.tell_names_full(effects);
                ix
            }
        }
    }

    /// Every minute: attempts past their time close, held-back ones that have
    /// waited long enough become history, recurrences that no longer matter go.
    fn on_housekeeping(&mut self, effects: &mut Vec<Effect>) {
        self.attempts.close_before(self.now - 2 * self.tuning.pending_ms);
        for tenant in 0..self.tenants.len() {
            self.release_history(tenant as TenantIx);
        }
        self.release_latencies();
        self.end_stale_outages(effects);
        self.doubt_feeds(effects);
        self.blocks.prune(self.now - 2 * self.tuning.ttl_max_ms);
        self.keeping_house = self.attempts.len() > 0 || self.tenants.iter().any(|t| !t.hold.is_empty());
        if self.keeping_house {
            self.due(self.now + MINUTE, Due::Housekeeping);
        }
    }
}

/// Half of the evidence, in nats, that a range needs where its region is under attack.
fn suspect_lines(log_a: f64, tuning: &Tuning) -> Lines {
    lines(log_a, 0.0, tuning.floor_block, |_| Some(0.0), true, tuning).map(|line| line.map(libm::sqrt))
}

/// The lines of level `alert` at a region.
fn alert_lines(log_a: f64, tuning: &Tuning) -> Lines {
    lines(log_a - ALERT_NATS, 0.0, tuning.floor_alert, |_| None, false, tuning)
}

/// The line of the plain null: D/rate, from the false alarms that are allowed in
/// a million messages.
fn log_a(policy: &Policy, tuning: &Tuning) -> f64 {
    libm::log(tuning.node_kinds * 1e6 / policy.false_alarms_per_million)
}
