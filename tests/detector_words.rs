//! What a finding says of its evidence: numbers that fit each other, and sentences
//! that fit the numbers.

mod detector_support;

use detector_support::{laid_over, reconcile};
use pumpwatch::detector::{Effect, Tuning};
use pumpwatch::model::{Activity, Finding, FindingKind};

/// The records of a burst into one range of a country in which few honest people live,
/// five days after the tenant's first message.
fn burst() -> Vec<Finding> {
    let world = "description: test\n\
        world: {warm_up: 5d, duration: 4h, tenants: [{name: acme, sends_per_day: 6000, countries: 25}]}\n";
    let overlay = "kind: burst, tenant: acme, country: AR, start: 2h, duration: 10m, rate: 0.3";
    let (_, effects) = detector_support::fold(&laid_over(world.to_owned(), &[overlay]), 11, Tuning::default());
    let found = effects.into_iter().filter_map(|effect| match effect {
        Effect::Finding(f) if f.kind == FindingKind::SmsPumping => Some(*f),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_finding_fits_together() {
    let found = burst();
    assert!(found.iter().any(|f| f.activity == Activity::Create));
    for finding in found.iter().filter(|f| f.activity != Activity::Close) {
        reconcile(finding);
        for item in &finding.evidence {
            let text = &item.text;
            assert_eq!(text.ends_with("speaks for innocence"), item.log_e < 0.0, "{item:?}");
            assert!(!text.contains(" 0.0 %"), "{text}");
            match item.family.as_str() {
                "missing_verification" => {
                    assert!(text.contains("would have verified by now"), "{text}");
                    assert!(item.expected <= finding.expected_conversion + 1e-9, "{item:?}");
                }
                "volume" => assert!(item.expected > 0.0, "{item:?}"),
                "number_range" => assert!(text.contains(" of the latest "), "{text}"),
                _ => {}
            }
        }
    }
    let families: Vec<&str> = found
        .iter()
        .flat_map(|f| &f.evidence)
        .map(|i| i.family.as_str())
        .collect();
    for family in ["missing_verification", "number_range", "volume", "source_geography"] {
        assert!(families.contains(&family), "{family}: {families:?}");
    }
}
