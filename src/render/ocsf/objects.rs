//! The objects of an OCSF Detection Finding 1.8.0 that a finding fills, with the
//! names and the types of that schema. Every field is one that the schema has; what
//! it has no place for stands in [`Unmapped`].
//!
//! The order of the fields is the order in the output.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{FindingKind, Level, RecommendedAction};
use crate::render::json::Decimal;

/// A finding of Pumpwatch: an OCSF Detection Finding (class 2004), version 1.8.0,
/// with the profile `security_control`. Times are epoch milliseconds.
#[derive(Serialize, JsonSchema)]
pub(in crate::render) struct DetectionFinding<'a> {
    /// 1 Create (once for each episode), 2 Update (on material change), 3 Close (once).
    #[schemars(extend("enum" = [1, 2, 3]))]
    pub(super) activity_id: u8,
    /// Caption of `activity_id`.
    pub(super) activity_name: &'static str,
    /// 2: Findings.
    #[schemars(extend("const" = 2))]
    pub(super) category_uid: u8,
    /// Caption of `category_uid`.
    pub(super) category_name: &'static str,
    /// 2004: Detection Finding.
    #[schemars(extend("const" = 2004))]
    pub(super) class_uid: u16,
    /// Caption of `class_uid`.
    pub(super) class_name: &'static str,
    /// `class_uid` × 100 + `activity_id`.
    #[schemars(extend("enum" = [200_401, 200_402, 200_403]))]
    pub(super) type_uid: u32,
    /// Caption of `type_uid`.
    pub(super) type_name: String,
    /// Log time of the decision.
    pub(super) time: i64,
    /// Event time of the first evidence.
    pub(super) start_time: i64,
    /// Event time of the last evidence.
    pub(super) end_time: i64,
    /// Minutes from UTC: always 0.
    pub(super) timezone_offset: i32,
    /// 2 Low, 3 Medium (level `alert`), 4 High (level `block`), 5 Critical (level
    /// `block`, and much money is being lost).
    #[schemars(range(min = 2, max = 5))]
    pub(super) severity_id: u8,
    /// Caption of `severity_id`.
    pub(super) severity: &'static str,
    /// 2 Medium, 3 High.
    #[schemars(range(min = 1, max = 3))]
    pub(super) confidence_id: u8,
    /// Caption of `confidence_id`.
    pub(super) confidence: &'static str,
    /// 1 New, 2 In Progress, 4 Resolved.
    #[schemars(extend("enum" = [1, 2, 4]))]
    pub(super) status_id: u8,
    /// Caption of `status_id`.
    pub(super) status: &'static str,
    /// `opened`, `updated` or `closed`.
    pub(super) status_code: &'static str,
    /// The same in words.
    pub(super) status_detail: String,
    /// Whether somebody should be alerted: not when an episode closes.
    pub(super) is_alert: bool,
    /// Messages behind the finding; left out when none was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    pub(super) count: Option<i32>,
    /// How strong the evidence is, 0 to 100; left out where there is no line to cross.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 100))]
    pub(super) risk_score: Option<i32>,
    /// One sentence that says it all.
    pub(super) message: &'a str,
    /// About this record.
    pub(super) metadata: Metadata<'a>,
    /// About the episode.
    pub(super) finding_info: FindingInfo<'a>,
    /// The accused ranges; where there are none, what the finding is about.
    pub(super) resources: Vec<Resource>,
    /// What a search may look for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) observables: Vec<Observable>,
    /// Observed against expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) anomaly_analyses: Vec<AnomalyAnalysis<'a>>,
    /// The evidence, family by family.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) evidences: Vec<Evidences<'a>>,
    /// 3 Observed: a blocker acts, not the detector.
    #[schemars(extend("const" = 3))]
    pub(super) action_id: u8,
    /// Caption of `action_id`.
    pub(super) action: &'static str,
    /// 19 Alert.
    #[schemars(extend("const" = 19))]
    pub(super) disposition_id: u8,
    /// Caption of `disposition_id`.
    pub(super) disposition: &'static str,
    /// What to do.
    pub(super) remediation: Remediation,
    /// What OCSF has no place for.
    pub(super) unmapped: Unmapped<'a>,
}

/// About this record.
#[derive(Serialize, JsonSchema)]
pub(super) struct Metadata<'a> {
    /// Version of OCSF.
    #[schemars(extend("const" = "1.8.0"))]
    pub(super) version: &'static str,
    /// Identity of this record: deterministic, so that a record published twice is
    /// recognised.
    #[schemars(regex(pattern = r"^[0-9a-f]{32}$"))]
    pub(super) uid: String,
    /// Number of this record within its episode, from 0.
    #[schemars(range(min = 0))]
    pub(super) sequence: i32,
    /// Whose traffic.
    pub(super) tenant_uid: &'a str,
    /// OCSF profiles in use.
    pub(super) profiles: [&'static str; 1],
    /// What wrote it.
    pub(super) product: Product,
    /// Who reports it.
    pub(super) reporter: Reporter,
    /// Name of the stream of findings.
    pub(super) log_name: &'static str,
    /// `time` in words, RFC 3339.
    pub(super) original_time: String,
}

/// What wrote a record.
#[derive(Serialize, JsonSchema)]
pub(super) struct Product {
    /// Identifier.
    pub(super) uid: &'static str,
    /// Name.
    pub(super) name: &'static str,
    /// Who makes it.
    pub(super) vendor_name: &'static str,
    /// Version of the program.
    pub(super) version: &'static str,
}

/// Who reports a finding.
#[derive(Serialize, JsonSchema)]
pub(super) struct Reporter {
    /// Name.
    pub(super) name: &'static str,
}

/// About an episode.
#[derive(Serialize, JsonSchema)]
pub(super) struct FindingInfo<'a> {
    /// Identity of the episode, the same in all of its records.
    #[schemars(regex(pattern = r"^[0-9a-f]{32}$"))]
    pub(super) uid: String,
    /// A heading, the same in all records of the episode.
    pub(super) title: String,
    /// Which innocent explanation was hardest to refute: `log_e_total` and
    /// `log_e_threshold` are of that one. Only where explanations were weighed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) desc: Option<String>,
    /// The kind of the finding.
    pub(super) types: [&'static str; 1],
    /// Log time at which the episode opened.
    pub(super) created_time: i64,
    /// Log time of this record.
    pub(super) modified_time: i64,
    /// Event time of the first evidence.
    pub(super) first_seen_time: i64,
    /// Event time of the last evidence.
    pub(super) last_seen_time: i64,
    /// What found it.
    pub(super) analytic: Analytic,
    /// The attack by MITRE ATT&CK; only where it is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attacks: Vec<Attack>,
    /// The first record of the episode it moved away from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) related_events: Vec<RelatedEvent<'a>>,
}

/// What found it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Analytic {
    /// Identifier.
    pub(super) uid: &'static str,
    /// Name.
    pub(super) name: &'static str,
    /// 1 Rule, 3 Statistical.
    #[schemars(extend("enum" = [1, 3]))]
    pub(super) type_id: u8,
    /// Caption of `type_id`.
    #[serde(rename = "type")]
    pub(super) caption: &'static str,
    /// Version of the detector's logic.
    pub(super) version: &'static str,
}

/// A technique of MITRE ATT&CK.
#[derive(Serialize, JsonSchema)]
pub(super) struct Attack {
    /// Version of ATT&CK.
    pub(super) version: &'static str,
    /// The tactic.
    pub(super) tactic: AttackName,
    /// The technique.
    pub(super) technique: AttackName,
    /// The sub-technique.
    pub(super) sub_technique: AttackName,
}

/// One name of MITRE ATT&CK.
#[derive(Serialize, JsonSchema)]
pub(super) struct AttackName {
    /// Identifier.
    pub(super) uid: &'static str,
    /// Name.
    pub(super) name: &'static str,
}

/// Another record.
#[derive(Serialize, JsonSchema)]
pub(super) struct RelatedEvent<'a> {
    /// Its `metadata.uid`.
    pub(super) uid: String,
    /// Its `type_uid`.
    pub(super) type_uid: u32,
    /// What it has to do with this one.
    pub(super) desc: &'a str,
}

/// What a finding is about.
#[derive(Serialize, JsonSchema)]
pub(super) struct Resource {
    /// A prefix with its plus, a region, an app, a tenant, or what broke a limit: a
    /// masked number, a /24 or /48, the first digits of a device's keyed hash, an AS.
    pub(super) name: String,
    /// `sms_destination_prefix`, `sms_destination_region`, `sms_application`, `tenant`,
    /// `sms_number`, `client_network`, `client_device` or `autonomous_system`.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// What a search may look for.
#[derive(Serialize, JsonSchema)]
pub(super) struct Observable {
    /// Where it stands in the finding.
    pub(super) name: String,
    /// 99 Other, 12 Subnet, 14 Country.
    #[schemars(extend("enum" = [12, 14, 99]))]
    pub(super) type_id: u8,
    /// `E.164 Prefix`, `Autonomous System`, or the caption of `type_id`.
    #[serde(rename = "type")]
    pub(super) caption: &'static str,
    /// The value.
    pub(super) value: String,
}

/// Observed against expected.
#[derive(Serialize, JsonSchema)]
pub(super) struct AnomalyAnalysis<'a> {
    /// What was looked at.
    pub(super) analysis_targets: Vec<AnalysisTarget>,
    /// What was observed.
    pub(super) anomalies: Vec<Reading<'a>>,
    /// What honest traffic would show.
    pub(super) baselines: Vec<Reading<'a>>,
}

/// What was looked at.
#[derive(Serialize, JsonSchema)]
pub(super) struct AnalysisTarget {
    /// Its name.
    pub(super) name: String,
    /// `prefix`, or the type of the resource.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// Values of one parameter: of an anomaly or of its baseline.
#[derive(Serialize, JsonSchema)]
pub(super) struct Reading<'a> {
    /// `conversion`, or the family of the evidence.
    pub(super) observation_parameter: &'a str,
    /// The values.
    pub(super) observations: [Observation; 1],
    /// The same in words.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) observed_pattern: &'a str,
}

/// One value.
#[derive(Serialize, JsonSchema)]
pub(super) struct Observation {
    /// A decimal number.
    pub(super) value: String,
    /// How many messages it was computed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    pub(super) count: Option<i32>,
}

/// One family of the evidence.
#[derive(Serialize, JsonSchema)]
pub(super) struct Evidences<'a> {
    /// Name of the family.
    pub(super) name: &'a str,
    /// Its numbers.
    pub(super) data: EvidenceData,
}

/// The numbers of one family of the evidence.
#[derive(Serialize, JsonSchema)]
pub(super) struct EvidenceData {
    /// Its log e-value in nats.
    pub(super) log_e: Decimal,
    /// What was seen.
    pub(super) observed: Decimal,
    /// What honest traffic would show.
    pub(super) expected: Decimal,
}

/// What to do.
#[derive(Serialize, JsonSchema)]
pub(super) struct Remediation {
    /// In words.
    pub(super) desc: String,
}

/// What OCSF has no place for.
#[derive(Serialize, JsonSchema)]
pub(super) struct Unmapped<'a> {
    /// `tenant|app|prefix`, `*` where the finding is not about one app or prefix.
    pub(super) dedup_key: String,
    /// What the finding is about.
    pub(super) kind: FindingKind,
    /// How sure, and so what may act on it.
    pub(super) level: Level,
    /// The ranges accused, as they stand now: an update replaces them.
    pub(super) prefixes: Vec<Accused>,
    /// What a playbook should do.
    pub(super) recommended_action: RecommendedAction,
    /// Epoch milliseconds until which the recommendation stands.
    pub(super) expires_at: i64,
    /// Family by family.
    pub(super) evidence: Vec<Evidence<'a>>,
    /// Log e-value against the best innocent explanation, in nats.
    pub(super) log_e_total: Decimal,
    /// The line that it crossed, in nats.
    pub(super) log_e_threshold: Decimal,
    /// Money lost.
    pub(super) estimated_loss: EstimatedLoss<'a>,
    /// `finding_info.uid` of the episode it moved away from; only when linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))]
    pub(super) moved_from: Option<String>,
    /// What decided.
    pub(super) policy: Policy<'a>,
    /// Up to five masked numbers.
    pub(super) samples: &'a [String],
}

/// An accused range.
#[derive(Serialize, JsonSchema)]
pub(super) struct Accused {
    /// Leading digits with the plus.
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{0,14}$"))]
    pub(super) prefix: String,
    /// Share of the attack in the range's traffic.
    #[schemars(range(min = 0, max = 1))]
    pub(super) attack_share: Decimal,
    /// Honest attempts an hour that a block would hit.
    pub(super) honest_per_hour: Decimal,
    /// Messages sent there since the evidence began.
    pub(super) sends: u64,
}

/// One family's contribution.
#[derive(Serialize, JsonSchema)]
pub(super) struct Evidence<'a> {
    /// Name of the family.
    pub(super) family: &'a str,
    /// Its log e-value in nats.
    pub(super) log_e: Decimal,
    /// What was seen.
    pub(super) observed: Decimal,
    /// What honest traffic would show.
    pub(super) expected: Decimal,
    /// The same in words.
    pub(super) text: &'a str,
}

/// Money lost.
#[derive(Serialize, JsonSchema)]
pub(super) struct EstimatedLoss<'a> {
    /// So far, in units of the currency, to a millionth.
    pub(super) amount: Decimal,
    /// ISO 4217 code.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub(super) currency: &'a str,
    /// Being lost an hour.
    pub(super) per_hour: Decimal,
}

/// What decided.
#[derive(Serialize, JsonSchema)]
pub(super) struct Policy<'a> {
    /// Hash of the policy in force.
    pub(super) config_hash: &'a str,
    /// Version of the detector's logic.
    pub(super) logic_version: &'static str,
}
