//! Findings, blocks and statistics to render.

use pumpwatch::model::{
    AccusedPrefix, Activity, Audit, Block, BlockAction, BrokenLimit, Currency, DestinationLevel, EntityKey,
    EvidenceItem, Explanation, Finding, FindingKind, FindingUid, HOUR, Level, LimitedParty, MINUTE, Micros, Millis,
    Mode, Prefix, RecommendedAction, Region, WindowStats,
};
use serde_json::Value;

pub(crate) const KINDS: [FindingKind; 7] = [
    FindingKind::SmsPumping,
    FindingKind::DeliveryOutage,
    FindingKind::VerificationFeedStalled,
    FindingKind::InputGap,
    FindingKind::BudgetExceeded,
    FindingKind::BadInputRatio,
    FindingKind::LimitExceeded,
];
pub(crate) const LEVELS: [Level; 2] = [Level::Alert, Level::Block];
pub(crate) const ACTIVITIES: [Activity; 3] = [Activity::Create, Activity::Update, Activity::Close];
pub(crate) const ACTIONS: [RecommendedAction; 5] = [
    RecommendedAction::BlockPrefix,
    RecommendedAction::RateLimit,
    RecommendedAction::RequireCaptcha,
    RecommendedAction::DisableCountry,
    RecommendedAction::Review,
];

/// Sets the field at a JSON pointer, or removes it.
pub(crate) fn set(value: &mut Value, pointer: &str, to: Option<Value>) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match to {
        Some(to) => parent.insert(field.into(), to),
        None => parent.remove(field),
    };
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

pub(crate) fn time(text: &str) -> Millis {
    Millis::parse_rfc3339(text).unwrap()
}

pub(crate) fn key(app: Option<&str>, digits: Option<&str>) -> EntityKey {
    EntityKey {
        tenant: "acme".into(),
        app: app.map(Into::into),
        prefix: digits.map(prefix),
    }
}

fn explanation(name: &str, log_e: f64, line: f64) -> Explanation {
    Explanation {
        name: name.into(),
        log_e,
        line,
    }
}

/// An attack on two ranges, at level block, as it opens.
pub(crate) fn pumping() -> Finding {
    let now = time("2026-11-22T07:49:02.250Z");
    Finding {
        uid: FindingUid(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        sequence: 0,
        activity: Activity::Create,
        key: key(None, Some("+9989012")),
        kind: FindingKind::SmsPumping,
        level: Level::Block,
        time: now,
        opened: now,
        start_time: now - 5 * MINUTE,
        end_time: now - 40,
        region: Region::parse("UZ"),
        prefixes: vec![
            AccusedPrefix {
                prefix: prefix("+9989012"),
                attack_share: 0.97,
                honest_per_hour: 0.2,
                sends: 412,
            },
            AccusedPrefix {
                prefix: prefix("+9989345"),
                attack_share: 1.0,
                honest_per_hour: 0.0,
                sends: 96,
            },
        ],
        recommended_action: RecommendedAction::BlockPrefix,
        expires_at: now + HOUR,
        evidence: vec![
            EvidenceItem {
                family: "missing_verification".into(),
                log_e: 14.123_456_78,
                observed: 2.0,
                expected: 309.88,
                text: "2 of 508 attempts were verified, 309.9 expected".into(),
            },
            EvidenceItem {
                family: "digits".into(),
                log_e: 7.3,
                observed: 96.0,
                expected: 1.75,
                text: "96 numbers followed one another".into(),
            },
        ],
        log_e_total: 21.423_456_78,
        log_e_threshold: 16.0,
        explanations: vec![
            explanation("nothing_unusual", 40.2, 16.0),
            explanation("launch_in_outage", 21.423_456_78, 16.0),
            explanation("enrolment", 31.0, 18.0),
        ],
        limits: Vec::new(),
        attempts: 508,
        messages: 508,
        verified: 2,
        expected_conversion: 0.61,
        loss: Micros(103_682_800),
        loss_per_hour: Micros(1_244_193_600),
        currency: Currency::USD,
        moved_from: None,
        config_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        samples: vec!["+9989012xxxxx".into(), "+9989345xxxxx".into()],
        message: "SMS pumping towards +9989012 and +9989345: 508 sends, 0.4 % verified, 61 % expected".into(),
    }
}

/// The same episode later.
pub(crate) fn pumping_update() -> Finding {
    let mut finding = pumping();
    finding.sequence = 1;
    finding.activity = Activity::Update;
    finding.time = finding.time + 3 * MINUTE;
    finding.prefixes.truncate(1);
    finding.loss_per_hour = Micros(999_999_999);
    finding.moved_from = Some(FindingUid(7));
    finding
}

/// Its end.
pub(crate) fn pumping_close() -> Finding {
    let mut finding = pumping();
    finding.sequence = 2;
    finding.activity = Activity::Close;
    finding.time = finding.time + 2 * HOUR;
    finding.expires_at = finding.time;
    finding
}

/// Suspicion on one app, no range named.
pub(crate) fn alert_without_prefixes() -> Finding {
    let mut finding = pumping();
    finding.level = Level::Alert;
    finding.key = key(Some("signup|otp"), None);
    finding.prefixes.clear();
    finding.samples.clear();
    finding.recommended_action = RecommendedAction::RequireCaptcha;
    finding.log_e_threshold = 11.4;
    finding
}

/// A finding about the plant.
pub(crate) fn operational(kind: FindingKind, app: Option<&str>, region: Option<&str>) -> Finding {
    let mut finding = pumping();
    finding.kind = kind;
    finding.level = Level::Alert;
    finding.key = key(app, None);
    finding.region = region.and_then(Region::parse);
    finding.prefixes.clear();
    finding.samples.clear();
    finding.evidence.clear();
    finding.explanations.clear();
    finding.recommended_action = RecommendedAction::Review;
    (finding.log_e_total, finding.log_e_threshold) = (0.0, 0.0);
    (finding.attempts, finding.verified, finding.expected_conversion) = (0, 0, 0.0);
    finding.messages = 0;
    (finding.loss, finding.loss_per_hour) = (Micros(0), Micros(0));
    finding.message = format!("{} at acme", kind.as_str());
    finding
}

/// Limits of the user's that several clients and a number broke in one moment.
pub(crate) fn limits_broken() -> Finding {
    let mut finding = operational(FindingKind::LimitExceeded, None, None);
    let broken = |name: &str, by: LimitedParty| BrokenLimit {
        name: name.into(),
        by: Some(by),
    };
    finding.limits = vec![
        broken("per-address", LimitedParty::Address("203.0.113.0/24".into())),
        broken("per-address", LimitedParty::Address("203.0.113.0/24".into())),
        broken("per-as", LimitedParty::Asn(64_500)),
        broken("per-device", LimitedParty::Device("5f3a1c09".into())),
        broken("per-number", LimitedParty::Number("+9989012345XX".into())),
    ];
    finding.recommended_action = RecommendedAction::RequireCaptcha;
    finding
}

/// Every kind, level, activity and recommended action, with ranges and without.
pub(crate) fn all_findings() -> Vec<Finding> {
    let bases = [
        limits_broken(),
        pumping(),
        pumping_update(),
        alert_without_prefixes(),
        operational(KINDS[0], None, None),
    ];
    let mut all = Vec::new();
    for base in bases {
        for kind in KINDS {
            for level in LEVELS {
                for activity in ACTIVITIES {
                    for action in ACTIONS {
                        let mut finding = base.clone();
                        finding.kind = kind;
                        finding.level = level;
                        finding.activity = activity;
                        finding.recommended_action = action;
                        all.push(finding);
                    }
                }
            }
        }
    }
    all
}

pub(crate) fn block() -> Block {
    Block {
        key: key(None, Some("+9989012")),
        action: BlockAction::Block,
        mode: Mode::Enforce,
        since: time("2026-11-22T07:49:02Z"),
        expires_at: time("2026-11-22T08:49:02Z"),
        allow_ratio: 0.0,
        finding_uid: pumping().uid,
        confidence: 0.99,
    }
}

pub(crate) fn half_open() -> Block {
    Block {
        key: key(Some("signup|otp"), Some("+9989012")),
        action: BlockAction::Sample,
        mode: Mode::Shadow,
        allow_ratio: 0.05,
        ..block()
    }
}

pub(crate) fn stats() -> WindowStats {
    WindowStats {
        tenant: "acme".into(),
        app: "signup-otp".into(),
        destination: "+99890".into(),
        level: DestinationLevel::Operator,
        region: Region::parse("UZ"),
        operator: Some("Beeline".into()),
        start: time("2026-11-22T07:48:00Z"),
        end: time("2026-11-22T07:49:00Z"),
        sends: 41,
        attempts: 37,
        verified: 1,
        blocked: 0,
        distinct_numbers: 37,
        cost: Micros(8_400_000),
        currency: Currency::USD,
        verify_p50: Some(14.0),
        verify_p95: Some(51.0),
        expected_sends: 0.4,
        expected_conversion: 0.61,
        log_e: 21.4,
        score: 97,
    }
}

pub(crate) fn quiet_stats() -> WindowStats {
    WindowStats {
        destination: "001".into(),
        level: DestinationLevel::Country,
        region: None,
        operator: None,
        verify_p50: None,
        verify_p95: None,
        ..stats()
    }
}

pub(crate) fn audit() -> Audit {
    Audit {
        time: time("2026-11-22T07:00:00Z"),
        action: "policy_changed".into(),
        tenant: "".into(),
        by: "router".into(),
        subject: "9f86d081".into(),
        detail: "the policy in force is now 9f86d081; logic 1".into(),
    }
}
