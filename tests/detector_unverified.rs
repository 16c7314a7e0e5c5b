//! A company that reports no verifications: what is left to judge by are digits,
//! numbers, clients and volume.

mod detector_support;

use detector_support::{fold_changed, laid_over};
use pumpwatch::detector::{Effect, Tuning};
use pumpwatch::model::{Activity, BlockChange, EventBody, Finding, FindingKind, Level, Prefix};

fn scenario(kind: &str, overlay: &str) -> String {
    let world = format!(
        "description: test\nworld:\n  kind: {kind}\n  duration: 5d\n  tenants:\n    - {{name: acme, sends_per_day: 8000, home: US, countries: 30}}\n"
    );
    laid_over(world, &[overlay])
}

/// Findings of pumping and the prefixes that were blocked.
fn judged(kind: &str, overlay: &str, seed: u64) -> (Vec<Finding>, Vec<Prefix>) {
    let (_, _, effects) = fold_changed(&scenario(kind, overlay), seed, Tuning::default(), |event| {
        if matches!(event.body, EventBody::Verification(_)) {
            event.tenant = "elsewhere".into();
        }
    });
    let mut blocked = Vec::new();
    let mut found = Vec::new();
    for effect in effects {
        match effect {
            Effect::Block(_, BlockChange::Put(block)) => blocked.extend(block.key.prefix),
            Effect::Finding(finding) if finding.kind == FindingKind::SmsPumping => found.push(*finding),
            _ => {}
        }
    }
    (found, blocked)
}

#[test]
fn who_comes_by_an_operator_that_nobody_vouched_for_is_no_stranger() {
    for kind in ["a", "b"] {
        for overlay in [
            "kind: enrolment, tenant: acme, start: 4d 10h",
            "kind: launch, tenant: acme, start: 4d 10h",
        ] {
            let (found, blocked) = judged(kind, overlay, 1);
            assert!(blocked.is_empty(), "{kind}: {overlay}: {blocked:?}");
            let opened = found.iter().filter(|f| f.activity == Activity::Create);
            assert!(opened.count() <= 1, "{kind}: {overlay}");
        }
    }
}

#[test]
fn a_burst_is_blocked_without_a_single_verification() {
    for kind in ["a", "b"] {
        let overlay = "kind: burst, tenant: acme, app: signup-otp, start: 4d 3h";
        let (found, blocked) = judged(kind, overlay, 1);
        let first = found.iter().find(|f| f.level == Level::Block).unwrap();
        assert!(!blocked.is_empty());
        assert!(first.attempts <= 30, "{}", first.message);
    }
}
