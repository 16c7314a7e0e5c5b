//! Same bytes, order of arrival, bounded memory, honest traffic of its own.

use std::collections::BTreeSet;

use pumpwatch::lab::simulate::{Scenario, SimEvent, Simulator};
use pumpwatch::model::{DAY, EventBody, HOUR, MINUTE, Millis, Outcome, SECOND};

use super::{is_send, line_of, scenario};

fn digest(scenario: &Scenario, seed: u64, events: usize) -> String {
    let mut simulator = Simulator::new(scenario, seed);
    let mut hasher = blake3::Hasher::new();
    for _ in 0..events {
        let Some(event) = simulator.next() else { break };
        hasher.update(line_of(&simulator, &event).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[test]
fn same_seed_same_bytes_and_another_seed_others() {
    for name in ["mixed-a", "mixed-b", "demo"] {
        let scenario = Scenario::load(name).unwrap();
        assert_eq!(digest(&scenario, 3, 60_000), digest(&scenario, 3, 60_000), "{name}");
        assert_ne!(digest(&scenario, 3, 60_000), digest(&scenario, 4, 60_000), "{name}");
    }
}

#[test]
fn every_shipped_scenario_loads_and_arrives_in_order_with_bounded_memory() {
    let names = Scenario::builtin_names();
    assert!(names.len() >= 30);
    for name in names {
        let scenario = Scenario::load(name).unwrap();
        let mut simulator = Simulator::new(&scenario, 1);
        let mut last = Millis::MIN;
        for _ in 0..30_000 {
            let Some(event) = simulator.next() else { break };
            assert!(event.ingest >= last, "{name}: {} after {last}", event.ingest);
            assert!(simulator.pending() < 20_000, "{name}: {} pending", simulator.pending());
            last = event.ingest;
        }
    }
}

#[test]
fn what_is_pending_does_not_grow_with_the_length() {
    let mut simulator = Simulator::new(
        &scenario("  - {kind: residential_proxies, start: 1d, duration: 6d}\n"),
        1,
    );
    let mut peaks = [0usize; 7];
    while let Some(event) = simulator.next() {
        let day = (event.ingest - simulator.live_start()).div_euclid(DAY).clamp(0, 6) as usize;
        peaks[day] = peaks[day].max(simulator.pending());
    }
    // 16 messages a second, ten minutes: what can wait at most.
    assert!(peaks[6] < 20_000, "{peaks:?}");
    assert!(peaks[6] < 2 * peaks[2], "{peaks:?}");
}

#[test]
fn an_overlay_leaves_honest_traffic_untouched() {
    let honest = |overlays: &str| -> Vec<(Millis, String)> {
        Simulator::new(&scenario(overlays), 9)
            .filter(|event| event.label.is_none())
            .take(60_000)
            .map(|event| (event.ingest, event.event.id.to_string()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let alone = honest("");
    let attacked = honest("  - {kind: burst, start: 2h, rate: 4}\n  - {kind: hopping, start: 3h}\n");
    assert_eq!(alone[..50_000], attacked[..50_000]);
}

#[test]
fn the_demo_begins_its_campaign_ten_seconds_after_the_given_start() {
    let start = Millis::parse_rfc3339("2027-03-01T12:34:56.789Z").unwrap();
    let scenario = Scenario::demo().unwrap().with_warm_up(HOUR);
    let events: Vec<SimEvent> = Simulator::starting_at(&scenario, 1, start)
        .take_while(|event| event.ingest < start + MINUTE)
        .collect();
    assert!(events[0].ingest < start - 59 * MINUTE);
    let live = events.iter().filter(|event| event.ingest >= start).count();
    assert!((600..3_500).contains(&live), "{live} events in the first minute");
    let attack: Vec<&SimEvent> = events.iter().filter(|e| e.label.is_some() && is_send(e)).collect();
    assert!((150..250).contains(&attack.len()), "{} messages in 50 s", attack.len());
    assert!((10 * SECOND..15 * SECOND).contains(&(attack[0].event.time - start)));
}

/// `cargo test --release --test lab_simulate -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement: it says something in a release build on an idle core only"]
fn speed() {
    for name in ["honest-a", "honest-b"] {
        let scenario = Scenario::load(name).unwrap();
        let begun = std::time::Instant::now();
        let events = Simulator::new(&scenario, 1).count();
        let per_second = events as f64 / begun.elapsed().as_secs_f64();
        println!("{name}: {events} events, {per_second:.0} a second");
        assert!(
            cfg!(debug_assertions) || per_second > 500_000.0,
            "{per_second:.0} a second"
        );
    }
}

#[test]
fn an_oddity_that_adds_traffic_is_touched_by_those_that_twist_it() {
    let verified = |overlays: &str| {
        let launch = "  - {kind: launch, id: launch, start: 1h, duration: 3h, rate: 0.4, country: NO}\n";
        let mut simulator = Simulator::new(&scenario(&format!("{launch}{overlays}")), 4);
        let (mut sends, mut verified) = (0_u32, 0_u32);
        while let Some(event) = simulator.next() {
            if event.ingest - simulator.live_start() > 5 * HOUR {
                break;
            }
            if super::name_of(&simulator, &event).as_deref() == Some("launch") {
                sends += u32::from(is_send(&event));
                verified += u32::from(
                    matches!(&event.event.body, EventBody::Verification(said) if said.outcome == Outcome::Approved),
                );
            }
        }
        assert!(sends > 1_000, "{sends}");
        f64::from(verified) / f64::from(sends)
    };
    let usual = verified("");
    let outage = verified("  - {kind: carrier_outage, start: 1h, duration: 3h, country: NO}\n");
    let dip = verified("  - {kind: conversion_dip, start: 1h, duration: 3h, factor: 0.5}\n");
    assert!(outage < 0.4 * usual && dip < 0.8 * usual, "{usual} {outage} {dip}");
    let elsewhere = verified("  - {kind: carrier_outage, start: 1h, duration: 3h, country: DE}\n");
    assert_eq!(elsewhere, usual);
}
