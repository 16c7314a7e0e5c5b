//! What a look inside the detector shows: plain data, for people and for machines.

use compact_str::CompactString;
use serde::Serialize;

use crate::model::log::{NumberRef, Token};
use crate::model::{EvidenceItem, Explanation, FindingUid, Millis, Prefix, Region};

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The block of 100 of a number, or a range.
    pub prefix: Prefix,
    /// Digits of the numbers; 0 when that is not known.
    pub digits: u8,
    /// The region that owns it; [`Region::WORLD`] when none does.
    pub region: Region,
    /// Digits of the shortest prefix that is the region's own.
    pub region_digits: u8,
    /// The number itself under its pseudonym, where one number is asked about.
    pub number: Option<Token>,
    /// Only this tenant.
    pub tenant: Option<CompactString>,
}

impl Subject {
    /// A number, or a range of which `digits` more are hidden.
    pub fn new(number: &NumberRef, is_whole: bool, tenant: Option<&str>) -> Self {
        Self {
            prefix: number.block,
            digits: number.digits,
            region: number.class.region.unwrap_or(Region::WORLD),
            region_digits: number.class.region_digits,
            number: is_whole.then_some(number.token),
            tenant: tenant.map(Into::into),
        }
    }
}

/// Everything known about a subject at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The moment: log time.
    #[serde(serialize_with = "rfc3339")]
    pub time: Millis,
    /// Hash of the policy in force.
    pub config_hash: CompactString,
    /// The region that owns the subject.
    pub region: Region,
    /// Whether the numbers are fictitious by the plan: nobody can hold them.
    pub fictitious: bool,
    /// Tenants that ever sent to the region, or the one that was asked for.
    pub tenants: Vec<TenantView>,
}

/// What is known of a subject for one tenant, or for one of its apps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TenantView {
    /// Its name.
    pub tenant: CompactString,
    /// The one app that this is about: while it never verifies and others of the tenant
    /// do, its people are judged apart and without verification. `None`: all other
    /// apps.
    pub app: Option<CompactString>,
    /// Its first event.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: Millis,
    /// `shadow` or `enforce`.
    pub mode: &'static str,
    /// Whether any of its apps, or the one app, ever verified a number: silence is
    /// evidence only then.
    pub verifies: bool,
    /// Whether verifications can arrive at present; while not, silence proves nothing.
    pub verifications_flow: bool,
    /// Apps whose verifications have stopped everywhere.
    pub stalled_apps: Vec<CompactString>,
    /// Whether the tenant's safe-list forbids a block here.
    pub safelisted: bool,
    /// The entry of the safe-list that forbids it.
    pub safe_entry: Option<String>,
    /// The number itself; only where one number was asked about.
    pub number: Option<NumberView>,
    /// Blocks that cover the subject or lie in it, in order of prefix.
    pub blocks: Vec<BlockView>,
    /// The open finding of an attack on the region.
    pub finding: Option<FindingView>,
    /// Limits of the user's own that are broken here, with their scope.
    pub limits: Vec<CompactString>,
    /// Honest people verify at least this share of attempts here.
    pub conversion_lower_bound: f64,
    /// The places of its path, narrowest first; the region comes last.
    pub places: Vec<PlaceView>,
}

/// What is remembered of one number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberView {
    /// Its last attempt; `None` when the tenant has not seen it lately.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub last_attempt: Option<Millis>,
    /// Its attempts that are still open.
    pub open: Vec<OpenAttempt>,
}

/// An attempt that is still open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenAttempt {
    /// Of which app.
    pub app: CompactString,
    /// When it began.
    #[serde(serialize_with = "rfc3339")]
    pub opened: Millis,
    /// Whether its code was approved.
    pub verified: bool,
    /// Whether it is judged: not inside a block, not of an app that never verifies.
    pub judged: bool,
}

/// One standing block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockView {
    /// What is blocked.
    pub prefix: String,
    /// Whether it covers the subject, rather than lying within it.
    pub covers: bool,
    /// Whether it lets a share through.
    pub half_open: bool,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub since: Millis,
    /// Until when, unless renewed.
    #[serde(serialize_with = "rfc3339")]
    pub expires_at: Millis,
    /// Whether a limit of the user's asked for it.
    pub by_limit: bool,
    /// The finding that it belongs to; `None` when that is over.
    #[serde(serialize_with = "uid_or_null")]
    pub finding_uid: Option<FindingUid>,
}

/// An open finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingView {
    /// Its uid.
    #[serde(serialize_with = "uid")]
    pub uid: FindingUid,
    /// `alert` or `block`.
    pub level: &'static str,
    /// When it opened.
    #[serde(serialize_with = "rfc3339")]
    pub opened: Millis,
    /// What it accuses.
    pub prefixes: Vec<String>,
    /// Attempts it counts.
    pub attempts: u64,
    /// Where each innocent explanation stood when it was last accused.
    pub explanations: Vec<Explanation>,
}

/// One place with what speaks for and against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceView {
    /// The range; `None` for the region.
    pub prefix: Option<String>,
    /// What the safe-list holds here, or around it: a block of all of it is forbidden.
    pub safe_entry: Option<String>,
    /// Digits that the range leaves open; `None` for the region.
    pub open_digits: Option<u8>,
    /// Whether it may accuse by itself: the widest ranges only lead to others.
    pub accuses: bool,
    /// Whether it has seen enough attempts to accuse.
    pub mature: bool,
    /// Attempts that its history counts, fading over weeks.
    pub history: f64,
    /// Honest attempts an hour, from that history.
    pub honest_per_hour: f64,
    /// Largest share of the enclosing traffic that honest people bring here.
    pub honest_share_max: f64,
    /// Attempts lately, no repeats, fading over hours.
    pub recent_attempts: f64,
    /// Since when its evidence counts; `None` when nothing was seen.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub since: Option<Millis>,
    /// Attempts since then.
    pub attempts: u64,
    /// Of them verified.
    pub verified: u64,
    /// What they cost, in units of the report's currency.
    pub cost: f64,
    /// Innocent explanations, each with its evidence and its line; empty when
    /// nothing was seen here.
    pub explanations: Vec<Explanation>,
    /// What speaks against it, family by family.
    pub evidence: Vec<EvidenceItem>,
}

impl PlaceView {
    /// The explanation that protects the place best: farthest from its line.
    pub fn protector(&self) -> Option<&Explanation> {
        self.explanations
            .iter()
            .min_by(|a, b| a.margin().total_cmp(&b.margin()))
    }

    /// Whether no explanation is left.
    pub fn is_refuted(&self) -> bool {
        self.protector().is_some_and(Explanation::is_refuted)
    }
}

// The signatures are serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn rfc3339<S: serde::Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::ref_option)]
fn rfc3339_or_null<S: serde::Serializer>(time: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn uid<S: serde::Serializer>(uid: &FindingUid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(uid)
}

#[allow(clippy::ref_option)]
fn uid_or_null<S: serde::Serializer>(uid: &Option<FindingUid>, serializer: S) -> Result<S::Ok, S::Error> {
    match uid {
        Some(uid) => serializer.collect_str(uid),
        None => serializer.serialize_none(),
    }
}
