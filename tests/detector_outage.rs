//! The operational finding that messages do not arrive: found in an outage and over
//! with it; never in quiet traffic, under attack or where the feed of verifications
//! fails.

mod detector_support;

use detector_support::laid_over;
use pumpwatch::detector::{Effect, Tuning};
use pumpwatch::model::{Activity, Finding, FindingKind, HOUR, Level, Millis};

/// Outage findings of five days with these overlays, and when the world began.
fn outages(kind: &str, overlays: &[&str], seed: u64) -> (Vec<Finding>, Millis, usize) {
    let world = format!(
        "description: test\nworld:\n  kind: {kind}\n  duration: 5d\n  tenants:\n    - {{name: acme, sends_per_day: 20000, home: US, countries: 45}}\n    - {{name: corner, sends_per_day: 300, home: GB, countries: 15}}\n"
    );
    let (start, effects) = detector_support::fold(&laid_over(world, overlays), seed, Tuning::default());
    let blocks = effects.iter().filter(|e| matches!(e, Effect::Block(..))).count();
    let found = effects.into_iter().filter_map(|effect| match effect {
        Effect::Finding(f) if f.kind == FindingKind::DeliveryOutage => Some(*f),
        _ => None,
    });
    (found.collect(), start, blocks)
}

#[test]
fn an_outage_is_found_told_in_numbers_and_over_with_it() {
    for kind in ["a", "b"] {
        let overlay = "kind: carrier_outage, tenant: acme, start: 3d 14h, duration: 3h, country: US";
        let (found, start, blocks) = outages(kind, &[overlay], 1);
        let (first, last) = (found.first().unwrap(), found.last().unwrap());
        let began = start + 86 * HOUR;
        assert_eq!((first.activity, last.activity), (Activity::Create, Activity::Close));
        assert_eq!((first.level, first.region.unwrap().as_str()), (Level::Alert, "US"));
        assert!(
            found.iter().all(|f| f.uid == first.uid && f.prefixes.is_empty()),
            "{kind}"
        );
        assert!(
            (0..HOUR).contains(&(first.time - began)),
            "{kind}: {}",
            first.time - began
        );
        assert!(
            (3 * HOUR..5 * HOUR).contains(&(last.time - began)),
            "{kind}: {}",
            last.time - began
        );
        assert_eq!(first.key.to_string(), "acme|*|+1");
        assert!(
            first.message.starts_with("Messages to US do not arrive: "),
            "{}",
            first.message
        );
        assert!(first.log_e_total >= first.log_e_threshold && !first.evidence.is_empty());
        let numbers = first.message.chars().filter(char::is_ascii_digit).count();
        assert!(numbers >= 5, "{}", first.message);
        assert_eq!(blocks, 0);
    }
}

#[test]
fn nothing_else_looks_like_an_outage() {
    let attack = "kind: burst, tenant: acme, app: signup-otp, start: 3d 4h";
    let undeliverable = "kind: residential_proxies, id: nowhere, tenant: acme, app: signup-otp, start: 4d 4h, country: busy, invalid_share: 1.0";
    let dead = "kind: feed_dead, tenant: acme, start: 2d 12h, duration: 5h";
    let dead_small = "kind: feed_dead, id: small, tenant: corner, start: 2d, duration: 12h";
    let dip = "kind: conversion_dip, tenant: acme, start: 3d 12h, duration: 6h";
    let quiet: &[&str] = &[];
    for overlays in [quiet, &[attack, undeliverable], &[dead, dead_small, dip]] {
        for kind in ["a", "b"] {
            let (found, ..) = outages(kind, overlays, 2);
            let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
            assert!(said.is_empty(), "{kind} {overlays:?}: {said:?}");
        }
    }
}
