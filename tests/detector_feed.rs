//! The operational finding that verifications do not arrive: of a feed that is dead,
//! with many people or few, and never of one where nobody happened to verify.

mod detector_support;

use detector_support::laid_over;
use pumpwatch::detector::{Effect, Tuning};
use pumpwatch::model::{Activity, Finding, FindingKind, HOUR, Level, MINUTE, Millis};

/// Findings of five days of a world whose people take `median` to verify, and when it
/// began.
fn stalls(kind: &str, median: &str, overlays: &[&str], seed: u64) -> (Vec<Finding>, Millis) {
    let app = format!("apps: [{{name: otp, kind: signup, share: 1, pace: {{median: {median}, sigma: 1.0}}}}]");
    let world = format!(
        "description: test\nworld:\n  kind: {kind}\n  duration: 5d\n  tenants:\n    - {{name: acme, sends_per_day: 20000, home: US, countries: 45, {app}}}\n    - {{name: corner, sends_per_day: 600, home: GB, countries: 15, {app}}}\n"
    );
    let (start, effects) = detector_support::fold(&laid_over(world, overlays), seed, Tuning::default());
    let found = effects.into_iter().filter_map(|effect| match effect {
        Effect::Finding(f) if f.kind == FindingKind::VerificationFeedStalled => Some(*f),
        _ => None,
    });
    (found.collect(), start)
}

#[test]
fn a_dead_feed_is_told_of_and_over_with_it() {
    for (kind, tenant, hours, within) in [("a", "acme", 4, 10 * MINUTE), ("b", "corner", 12, 8 * HOUR)] {
        let overlay = format!("kind: feed_dead, tenant: {tenant}, start: 3d 8h, duration: {hours}h");
        let (found, start) = stalls(kind, "30s", &[&overlay], 1);
        let began = start + 80 * HOUR;
        let [opened, closed] = &found[..] else {
            panic!("{kind}: {} records", found.len())
        };
        assert_eq!((opened.activity, closed.activity), (Activity::Create, Activity::Close));
        assert_eq!(
            (opened.level, opened.key.to_string()),
            (Level::Alert, format!("{tenant}|otp|*"))
        );
        assert!(
            (0..within).contains(&(opened.time - began)),
            "{kind}: {}",
            opened.time - began
        );
        let over = closed.time - began - hours * HOUR;
        assert!((0..2 * HOUR).contains(&over), "{kind}: {over}");
    }
}

#[test]
fn nobody_is_told_of_a_lull() {
    let spikes = "kind: tv_spikes, tenant: acme, start: 3d 8h, duration: 8h";
    let quiet: &[&str] = &[];
    for overlays in [quiet, &[spikes]] {
        for (kind, median) in [("a", "3m"), ("b", "30s")] {
            let (found, _) = stalls(kind, median, overlays, 3);
            assert!(found.is_empty(), "{kind} {overlays:?}: {}", found[0].message);
        }
    }
}
