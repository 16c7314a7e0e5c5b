//! People who take minutes to verify: what is learned of them keeps silence from
//! accusing anybody.

mod detector_support;

use pumpwatch::detector::{Effect, Tuning};
use pumpwatch::model::{Activity, Finding, FindingKind, Level};

const SLOW: &str = r#"
description: "Attack-free days of an application whose people take two minutes."
world:
  kind: a
  duration: 5d
  tenants:
    - name: acme
      sends_per_day: 20000
      home: US
      countries: 45
      apps: [{name: signup-otp, kind: signup, share: 1, pace: {median: 2m, sigma: 1.0}}]
    - name: corner
      sends_per_day: 300
      home: GB
      countries: 15
      apps: [{name: signup-otp, kind: signup, share: 1, pace: {median: 2m, sigma: 1.0}}]
"#;

/// What is found of an attack in a scenario.
fn found(scenario: &str, seed: u64, tuning: Tuning) -> Vec<Finding> {
    let (_, effects) = detector_support::fold(scenario, seed, tuning);
    let findings = effects.into_iter().filter_map(|effect| match effect {
        Effect::Finding(finding) => Some(*finding),
        _ => None,
    });
    findings
        .filter(|f| f.kind == FindingKind::SmsPumping && f.activity == Activity::Create)
        .collect()
}

/// Two times a hundred thousand sends: the bound allows some twenty alerts.
#[test]
fn people_who_take_two_minutes_are_no_attack() {
    let found: Vec<Finding> = (1..=2).flat_map(|seed| found(SLOW, seed, Tuning::default())).collect();
    let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert!(said.len() <= 2, "{said:?}");
    assert!(found.iter().all(|f| f.level == Level::Alert), "{said:?}");
}

#[test]
fn by_the_shipped_curve_alone_they_would_look_like_one() {
    let mut tuning = Tuning::default();
    tuning.enabled.learned_latency = false;
    let found: usize = (1..=2).map(|seed| found(SLOW, seed, tuning.clone()).len()).sum();
    // Each alert is told once, and again only where more has come.
    assert!(found > 5, "{found}");
}
