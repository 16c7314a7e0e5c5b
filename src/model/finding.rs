//! What the detector says: findings, blocks, window statistics and audit entries,
//! as data. How they look outside is `render`'s business.

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Currency, Micros, Millis, Prefix, Region};

/// Identity of a finding's episode: 128 bits, printed as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FindingUid(pub u128);

impl std::fmt::Display for FindingUid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::fmt::Debug for FindingUid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FindingUid({self})")
    }
}

/// `tenant|app|prefix`: whom a finding or a block is about. `None` prints as `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// Whose traffic.
    pub tenant: CompactString,
    /// One app, or all of them.
    pub app: Option<CompactString>,
    /// One prefix, or none in particular.
    pub prefix: Option<Prefix>,
}

impl EntityKey {
    /// A name as it stands in a key: `%` and `|` percent-encoded, so that a key
    /// always splits back into its parts.
    pub fn encode(name: &str) -> CompactString {
        if name.contains(['|', '%']) {
            name.replace('%', "%25").replace('|', "%7C").into()
        } else {
            name.into()
        }
    }
}

impl std::fmt::Display for EntityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}|", Self::encode(&self.tenant))?;
        match &self.app {
            Some(app) => write!(f, "{}|", Self::encode(app))?,
            None => write!(f, "*|")?,
        }
        match self.prefix {
            Some(prefix) => write!(f, "{prefix}"),
            None => write!(f, "*"),
        }
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The attack.
    SmsPumping,
    /// A carrier or route delivers nothing.
    DeliveryOutage,
    /// Verifications stopped arriving.
    VerificationFeedStalled,
    /// An input is missing.
    InputGap,
    /// More money was spent than was allowed.
    BudgetExceeded,
    /// Too many records of an input cannot be used.
    BadInputRatio,
    /// A limit of the user's own was crossed.
    LimitExceeded,
}

impl FindingKind {
    /// The name used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SmsPumping => "sms_pumping",
            Self::DeliveryOutage => "delivery_outage",
            Self::VerificationFeedStalled => "verification_feed_stalled",
            Self::InputGap => "input_gap",
            Self::BudgetExceeded => "budget_exceeded",
            Self::BadInputRatio => "bad_input_ratio",
            Self::LimitExceeded => "limit_exceeded",
        }
    }

    /// Whether it speaks of the plant rather than of an attack or a limit.
    pub fn is_operational(self) -> bool {
        !matches!(self, Self::SmsPumping | Self::LimitExceeded)
    }
}

/// How sure, and so what may act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Look at it.
    Alert,
    /// Safe to act on by machine.
    Block,
}

impl Level {
    /// The name used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Block => "block",
        }
    }
}

/// Where in its life an episode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// Opened, once.
    Create,
    /// Changed in a way that matters.
    Update,
    /// Over, once.
    Close,
}

/// What a playbook should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum RecommendedAction {
    BlockPrefix,
    RateLimit,
    RequireCaptcha,
    DisableCountry,
    Review,
}

impl RecommendedAction {
    /// The name used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlockPrefix => "block_prefix",
            Self::RateLimit => "rate_limit",
            Self::RequireCaptcha => "require_captcha",
            Self::DisableCountry => "disable_country",
            Self::Review => "review",
        }
    }
}

/// An accused range with who lives in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccusedPrefix {
    /// The range.
    pub prefix: Prefix,
    /// Estimated share of the attack in the range's traffic, 0 to 1.
    pub attack_share: f64,
    /// Honest attempts an hour that a block would hit, from history.
    pub honest_per_hour: f64,
    /// Sends seen in the range since the evidence began.
    pub sends: u64,
}

/// One innocent explanation of what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// `nothing_unusual`, `outage`, `launch`, `enrolment` or `launch_in_outage`.
    pub name: CompactString,
    /// Evidence against it, in nats.
    pub log_e: f64,
    /// The evidence from which it counts as refuted, in nats.
    pub line: f64,
}

impl Explanation {
    /// Whether it is refuted.
    pub fn is_refuted(&self) -> bool {
        self.log_e >= self.line
    }

    /// Nats beyond the line; negative while it still explains.
    pub fn margin(&self) -> f64 {
        self.log_e - self.line
    }
}

/// One family's contribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// Name of the family.
    pub family: CompactString,
    /// Its log e-value in nats.
    pub log_e: f64,
    /// What was seen.
    pub observed: f64,
    /// What honest traffic would show.
    pub expected: f64,
    /// The same in words.
    pub text: String,
}

/// A limit of the user's own that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenLimit {
    /// Its name.
    pub name: CompactString,
    /// What broke it; nothing where it counts ranges or countries apart, which the
    /// finding names itself.
    pub by: Option<LimitedParty>,
}

/// What a limit counts apart beside ranges and countries, as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitedParty {
    /// Messages to one number, its last digits hidden.
    Number(String),
    /// One client address, by its network: a /24 or a /48.
    Address(String),
    /// One device, by the first digits of its keyed hash.
    Device(String),
    /// An autonomous system.
    Asn(u32),
}

impl LimitedParty {
    /// Whether it is a client, and not whom the messages go to.
    pub fn is_client(&self) -> bool {
        !matches!(self, Self::Number(_))
    }

    /// What it is called where a name alone is wanted.
    pub fn name(&self) -> String {
        match self {
            Self::Number(name) | Self::Address(name) | Self::Device(name) => name.clone(),
            Self::Asn(asn) => format!("AS{asn}"),
        }
    }
}

impl std::fmt::Display for LimitedParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "one number ({number})"),
            Self::Address(network) => write!(f, "one client address of {network}"),
            Self::Device(device) => write!(f, "device {device}"),
            Self::Asn(asn) => write!(f, "AS{asn}"),
        }
    }
}

/// One record of the alerts topic, before rendering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The episode.
    pub uid: FindingUid,
    /// Number of this record within the episode, from 0.
    pub sequence: u32,
    /// Create, update or close.
    pub activity: Activity,
    /// Whom it is about; never changes within an episode.
    pub key: EntityKey,
    /// About what.
    pub kind: FindingKind,
    /// How sure.
    pub level: Level,
    /// Log time of the decision.
    pub time: Millis,
    /// Log time at which the episode opened.
    pub opened: Millis,
    /// Event time of the first evidence.
    pub start_time: Millis,
    /// Event time of the last evidence.
    pub end_time: Millis,
    /// Region of the accused numbers, where there is one.
    pub region: Option<Region>,
    /// The ranges accused as they stand now.
    pub prefixes: Vec<AccusedPrefix>,
    /// What to do.
    pub recommended_action: RecommendedAction,
    /// Until when the recommendation stands.
    pub expires_at: Millis,
    /// Family by family.
    pub evidence: Vec<EvidenceItem>,
    /// Log e-value against the best innocent explanation.
    pub log_e_total: f64,
    /// The line that it crossed.
    pub log_e_threshold: f64,
    /// Where each innocent explanation stood at the accusation; empty where none was
    /// weighed.
    pub explanations: Vec<Explanation>,
    /// The limits that were broken: the one that opened the episode first. Empty for
    /// every other kind.
    pub limits: Vec<BrokenLimit>,
    /// Attempts seen in the ranges that the episode has accused, since the evidence
    /// began.
    pub attempts: u64,
    /// Their messages: attempts and resends.
    pub messages: u64,
    /// Of the attempts, how many were verified.
    pub verified: u64,
    /// Conversion that honest traffic would show there, 0 to 1.
    pub expected_conversion: f64,
    /// Money lost so far, in the report's currency.
    pub loss: Micros,
    /// Money being lost an hour.
    pub loss_per_hour: Micros,
    /// The report's currency.
    pub currency: Currency,
    /// The episode it moved away from.
    pub moved_from: Option<FindingUid>,
    /// Hash of the policy in force.
    pub config_hash: CompactString,
    /// Up to five masked numbers.
    pub samples: Vec<String>,
    /// One sentence that says it all.
    pub message: String,
}

/// What a blocker should do with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockAction {
    /// Stop all.
    Block,
    /// Let a share through.
    Sample,
}

/// Whether anything downstream should act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Say what would be blocked.
    #[default]
    Shadow,
    /// Block.
    Enforce,
}

impl Mode {
    /// The name used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        }
    }
}

/// One entry of the blocklist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Whose, and which range.
    pub key: EntityKey,
    /// Block or sample.
    pub action: BlockAction,
    /// Shadow or enforce.
    pub mode: Mode,
    /// Since when.
    pub since: Millis,
    /// Until when.
    pub expires_at: Millis,
    /// Share let through under [`BlockAction::Sample`].
    pub allow_ratio: f64,
    /// The finding behind it.
    pub finding_uid: FindingUid,
    /// 0 to 1.
    pub confidence: f64,
}

/// A change of the blocklist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BlockChange {
    /// A new or renewed entry.
    Put(Block),
    /// The entry is gone: a tombstone.
    Delete(EntityKey),
}

/// How coarse a destination node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum DestinationLevel {
    Country,
    Operator,
    Range,
}

impl DestinationLevel {
    /// The name used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Operator => "operator",
            Self::Range => "range",
        }
    }
}

/// One minute of one destination of one app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowStats {
    /// Whose.
    pub tenant: CompactString,
    /// Which app.
    pub app: CompactString,
    /// A prefix with its plus, or the region's code for a country.
    pub destination: CompactString,
    /// How coarse.
    pub level: DestinationLevel,
    /// The region.
    pub region: Option<Region>,
    /// The operator, where known.
    pub operator: Option<CompactString>,
    /// Start of the window.
    pub start: Millis,
    /// End of the window, exclusive.
    pub end: Millis,
    /// Messages requested and not blocked.
    pub sends: u64,
    /// Attempts opened.
    pub attempts: u64,
    /// Attempts approved.
    pub verified: u64,
    /// Messages stopped before they left.
    pub blocked: u64,
    /// Different numbers.
    pub distinct_numbers: u64,
    /// Money spent.
    pub cost: Micros,
    /// Its currency.
    pub currency: Currency,
    /// Median send-to-verify latency in seconds, where any was measured.
    pub verify_p50: Option<f64>,
    /// 95th percentile of the same.
    pub verify_p95: Option<f64>,
    /// Sends that honest traffic would show in the window.
    pub expected_sends: f64,
    /// Conversion that honest traffic would show.
    pub expected_conversion: f64,
    /// Evidence at the node when the window closed, in nats.
    pub log_e: f64,
    /// The same as a risk from 0 to 100.
    pub score: u8,
}

/// One entry of the audit topic: what was decided or told, and by whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Log time.
    pub time: Millis,
    /// A fixed verb, e.g. `policy_changed`.
    pub action: CompactString,
    /// Whose; empty when it concerns all.
    pub tenant: CompactString,
    /// Who or what did it.
    pub by: CompactString,
    /// What it was about.
    pub subject: CompactString,
    /// In words.
    pub detail: String,
}
