//! A finding as an OCSF Detection Finding 1.8.0.
//!
//! Rules that the schema leaves open:
//!
//! - `severity_id`, `confidence_id` and `risk_score` are decided in `grades`.
//! - `is_alert` is true for Create and Update and false for Close, as OCSF advises.
//! - `count` is the messages of the whole episode, attempts and resends, also those to
//!   ranges that are no longer accused. OCSF stores `integer_t` in 32 bits, so it stops
//!   at 2³¹ − 1.
//! - `resources` are the accused ranges, so that `resources[i].name` is the same
//!   range as `unmapped.prefixes[i].prefix`. Where none is accused it is what broke a
//!   limit of the user's (a client's network, a device, an autonomous system, a masked
//!   number), else what the finding's key names: a prefix, the region, an app, or the
//!   tenant.
//! - `metadata.uid` is a digest of the episode, the sequence and the activity.

mod grades;
mod objects;
mod words;

use super::json::{Decimal, Utc, digest, to_bytes};
use super::{APPLICATION_JSON, FindingFormat, Rendered};
use crate::detector::policy::LOGIC_VERSION;
use crate::model::{Activity, Finding, FindingKind, FindingUid, LimitedParty, Region};
pub(in crate::render) use objects::DetectionFinding;
use objects::{
    Accused, AnalysisTarget, Analytic, AnomalyAnalysis, Attack, AttackName, EstimatedLoss, Evidence, EvidenceData,
    Evidences, FindingInfo, Metadata, Observable, Observation, Policy, Product, Reading, RelatedEvent, Remediation,
    Reporter, Resource, Unmapped,
};

/// The version of the schema.
pub const OCSF_VERSION: &str = "1.8.0";

/// The registration of this format.
pub const FORMAT: FindingFormat = FindingFormat {
    name: "ocsf",
    content_type: APPLICATION_JSON,
    render: finding,
};

const CLASS_UID: u16 = 2004;
/// Type ids of an observable.
const OBSERVABLE_SUBNET: u8 = 12;
const OBSERVABLE_COUNTRY: u8 = 14;
const OBSERVABLE_OTHER: u8 = 99;

/// Writes a finding.
pub fn finding(finding: &Finding) -> Rendered {
    let event = detection_finding(finding);
    Rendered {
        key: finding.key.to_string(),
        value: to_bytes(&event),
        metadata_uid: event.metadata.uid,
    }
}

/// `ce_type` of a finding's record.
pub(super) fn cloud_event_type(activity: Activity) -> &'static str {
    match activity {
        Activity::Create => "sms.pumping.finding.create",
        Activity::Update => "sms.pumping.finding.update",
        Activity::Close => "sms.pumping.finding.close",
    }
}

/// `metadata.uid` of one record of an episode.
fn metadata_uid(episode: FindingUid, sequence: u32, activity: Activity) -> String {
    digest(&[
        episode.to_string().as_bytes(),
        &sequence.to_be_bytes(),
        &[activity_id(activity)],
    ])
}

fn activity_id(activity: Activity) -> u8 {
    match activity {
        Activity::Create => 1,
        Activity::Update => 2,
        Activity::Close => 3,
    }
}

fn type_uid(activity: Activity) -> u32 {
    u32::from(CLASS_UID) * 100 + u32::from(activity_id(activity))
}

fn detection_finding(f: &Finding) -> DetectionFinding<'_> {
    let activity_name = words::activity_name(f.activity);
    let (severity_id, severity) = grades::severity(f);
    let (confidence_id, confidence) = grades::confidence(f);
    let (status_id, status, status_code) = match f.activity {
        Activity::Create => (1, "New", "opened"),
        Activity::Update => (2, "In Progress", "updated"),
        Activity::Close => (4, "Resolved", "closed"),
    };
    DetectionFinding {
        activity_id: activity_id(f.activity),
        activity_name,
        category_uid: 2,
        category_name: "Findings",
        class_uid: CLASS_UID,
        class_name: "Detection Finding",
        type_uid: type_uid(f.activity),
        type_name: format!("Detection Finding: {activity_name}"),
        time: f.time.0,
        start_time: f.start_time.0,
        end_time: f.end_time.0,
        timezone_offset: 0,
        severity_id,
        severity,
        confidence_id,
        confidence,
        status_id,
        status,
        status_code,
        status_detail: words::status_detail(f),
        is_alert: f.activity != Activity::Close,
        count: count(f),
        risk_score: grades::risk_score(f),
        message: &f.message,
        metadata: metadata(f),
        finding_info: finding_info(f),
        resources: resources(f),
        observables: observables(f),
        anomaly_analyses: anomaly_analyses(f),
        evidences: evidences(f),
        action_id: 3,
        action: "Observed",
        disposition_id: 19,
        disposition: "Alert",
        remediation: Remediation {
            desc: words::remediation(f),
        },
        unmapped: unmapped(f),
    }
}

/// OCSF's `integer_t`, which consumers store in 32 bits.
fn integer(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn count(f: &Finding) -> Option<i32> {
    (f.messages > 0).then(|| integer(f.messages))
}

fn metadata(f: &Finding) -> Metadata<'_> {
    Metadata {
        version: OCSF_VERSION,
        uid: metadata_uid(f.uid, f.sequence, f.activity),
        sequence: integer(f.sequence.into()),
        tenant_uid: &f.key.tenant,
        profiles: ["security_control"],
        product: Product {
            uid: "pumpwatch",
            name: "Pumpwatch",
            vendor_name: "Pumpwatch",
            version: env!("CARGO_PKG_VERSION"),
        },
        reporter: Reporter { name: "Pumpwatch" },
        log_name: "sms.pumping.alerts.v1",
        original_time: Utc(f.time).to_string(),
    }
}

fn finding_info(f: &Finding) -> FindingInfo<'_> {
    FindingInfo {
        uid: f.uid.to_string(),
        title: words::title(f),
        desc: words::hardest(f),
        types: [f.kind.as_str()],
        created_time: f.opened.0,
        modified_time: f.time.0,
        first_seen_time: f.start_time.0,
        last_seen_time: f.end_time.0,
        analytic: analytic(f.kind),
        attacks: if f.kind == FindingKind::SmsPumping {
            vec![sms_pumping()]
        } else {
            Vec::new()
        },
        // An episode always begins with a Create of sequence 0, so the identity of
        // that record follows from the episode's.
        related_events: f
            .moved_from
            .map(|episode| RelatedEvent {
                uid: metadata_uid(episode, 0, Activity::Create),
                type_uid: type_uid(Activity::Create),
                desc: "The attack moved here from the ranges of this episode.",
            })
            .into_iter()
            .collect(),
    }
}

/// Statistical where an estimate decides, a rule where a count or a sum crosses a
/// number that somebody has set.
fn analytic(kind: FindingKind) -> Analytic {
    let (uid, name, type_id) = match kind {
        FindingKind::SmsPumping => ("pumpwatch.sms_pumping", "SMS pumping e-detector", 3),
        FindingKind::DeliveryOutage => ("pumpwatch.delivery_outage", "Delivery outage", 3),
        FindingKind::VerificationFeedStalled => ("pumpwatch.verification_feed_stalled", "Verification feed health", 3),
        FindingKind::InputGap => ("pumpwatch.input_gap", "Input continuity", 1),
        FindingKind::BudgetExceeded => ("pumpwatch.budget_exceeded", "Monthly budget", 1),
        FindingKind::BadInputRatio => ("pumpwatch.bad_input_ratio", "Share of unusable records", 1),
        FindingKind::LimitExceeded => ("pumpwatch.limit_exceeded", "Limit set by the user", 1),
    };
    let caption = if type_id == 3 { "Statistical" } else { "Rule" };
    Analytic {
        uid,
        name,
        type_id,
        caption,
        version: LOGIC_VERSION,
    }
}

/// MITRE ATT&CK T1496.003, as its version 16.1 has it.
fn sms_pumping() -> Attack {
    Attack {
        version: "16.1",
        tactic: AttackName {
            uid: "TA0040",
            name: "Impact",
        },
        technique: AttackName {
            uid: "T1496",
            name: "Resource Hijacking",
        },
        sub_technique: AttackName {
            uid: "T1496.003",
            name: "SMS Pumping",
        },
    }
}

const PREFIX_RESOURCE: &str = "sms_destination_prefix";
const REGION_RESOURCE: &str = "sms_destination_region";
const NETWORK_RESOURCE: &str = "client_network";
const ASN_RESOURCE: &str = "autonomous_system";

fn resources(f: &Finding) -> Vec<Resource> {
    if !f.prefixes.is_empty() {
        return f
            .prefixes
            .iter()
            .map(|accused| Resource {
                name: accused.prefix.to_string(),
                kind: PREFIX_RESOURCE,
            })
            .collect();
    }
    let mut parties: Vec<Resource> = Vec::new();
    for party in f.limits.iter().filter_map(|limit| limit.by.as_ref()) {
        let kind = match party {
            LimitedParty::Number(_) => "sms_number",
            LimitedParty::Address(_) => NETWORK_RESOURCE,
            LimitedParty::Device(_) => "client_device",
            LimitedParty::Asn(_) => ASN_RESOURCE,
        };
        let name = party.name();
        // Two addresses may lie in one network.
        if !parties.iter().any(|known| known.name == name && known.kind == kind) {
            parties.push(Resource { name, kind });
        }
    }
    if !parties.is_empty() {
        return parties;
    }
    let (name, kind) = match (f.key.prefix, f.region, &f.key.app) {
        (Some(prefix), _, _) => (prefix.to_string(), PREFIX_RESOURCE),
        (None, Some(region), _) => (region.to_string(), REGION_RESOURCE),
        (None, None, Some(app)) => (app.to_string(), "sms_application"),
        (None, None, None) => (f.key.tenant.to_string(), "tenant"),
    };
    vec![Resource { name, kind }]
}

/// The resources that a search knows what to do with: prefixes, networks, and the
/// country where the finding is about one.
fn observables(f: &Finding) -> Vec<Observable> {
    let of_kind = |kind: &str| match kind {
        PREFIX_RESOURCE => Some((OBSERVABLE_OTHER, "E.164 Prefix")),
        REGION_RESOURCE if f.region != Some(Region::WORLD) => Some((OBSERVABLE_COUNTRY, "Country")),
        NETWORK_RESOURCE => Some((OBSERVABLE_SUBNET, "Subnet")),
        ASN_RESOURCE => Some((OBSERVABLE_OTHER, "Autonomous System")),
        _ => None,
    };
    let resources = resources(f).into_iter().enumerate();
    resources
        .filter_map(|(i, resource)| {
            let (type_id, caption) = of_kind(resource.kind)?;
            Some(Observable {
                name: format!("resources[{i}].name"),
                type_id,
                caption,
                value: resource.name,
            })
        })
        .collect()
}

/// The conversion, where attempts were counted, and then each family of the evidence.
fn anomaly_analyses(f: &Finding) -> Vec<AnomalyAnalysis<'_>> {
    let mut anomalies = Vec::with_capacity(f.evidence.len() + 1);
    let mut baselines = Vec::with_capacity(f.evidence.len() + 1);
    if f.kind == FindingKind::SmsPumping && f.attempts > 0 {
        let conversion = Decimal::share(f.verified as f64 / f.attempts as f64);
        anomalies.push(observed("conversion", conversion, Some(integer(f.attempts)), ""));
        baselines.push(observed("conversion", Decimal::share(f.expected_conversion), None, ""));
    }
    for item in &f.evidence {
        anomalies.push(observed(&item.family, Decimal::new(item.observed), None, &item.text));
        baselines.push(observed(&item.family, Decimal::new(item.expected), None, ""));
    }
    if anomalies.is_empty() {
        return Vec::new();
    }
    let analysis_targets = resources(f)
        .into_iter()
        .map(|resource| AnalysisTarget {
            name: resource.name,
            kind: if resource.kind == PREFIX_RESOURCE {
                "prefix"
            } else {
                resource.kind
            },
        })
        .collect();
    vec![AnomalyAnalysis {
        analysis_targets,
        anomalies,
        baselines,
    }]
}

fn observed<'a>(parameter: &'a str, value: Decimal, count: Option<i32>, pattern: &'a str) -> Reading<'a> {
    Reading {
        observation_parameter: parameter,
        observations: [Observation {
            value: value.to_string(),
            count,
        }],
        observed_pattern: pattern,
    }
}

fn evidences(f: &Finding) -> Vec<Evidences<'_>> {
    f.evidence
        .iter()
        .map(|item| Evidences {
            name: &item.family,
            data: EvidenceData {
                log_e: Decimal::new(item.log_e),
                observed: Decimal::new(item.observed),
                expected: Decimal::new(item.expected),
            },
        })
        .collect()
}

fn unmapped(f: &Finding) -> Unmapped<'_> {
    Unmapped {
        dedup_key: f.key.to_string(),
        kind: f.kind,
        level: f.level,
        prefixes: f
            .prefixes
            .iter()
            .map(|accused| Accused {
                prefix: accused.prefix.to_string(),
                attack_share: Decimal::share(accused.attack_share),
                honest_per_hour: Decimal::new(accused.honest_per_hour),
                sends: accused.sends,
            })
            .collect(),
        recommended_action: f.recommended_action,
        expires_at: f.expires_at.0,
        evidence: f
            .evidence
            .iter()
            .map(|item| Evidence {
                family: &item.family,
                log_e: Decimal::new(item.log_e),
                observed: Decimal::new(item.observed),
                expected: Decimal::new(item.expected),
                text: &item.text,
            })
            .collect(),
        log_e_total: Decimal::new(f.log_e_total),
        log_e_threshold: Decimal::new(f.log_e_threshold),
        estimated_loss: EstimatedLoss {
            amount: Decimal::money(f.loss),
            currency: f.currency.as_str(),
            per_hour: Decimal::money(f.loss_per_hour),
        },
        moved_from: f.moved_from.map(|episode| episode.to_string()),
        policy: Policy {
            config_hash: &f.config_hash,
            logic_version: LOGIC_VERSION,
        },
        samples: &f.samples,
    }
}
