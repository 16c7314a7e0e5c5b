//! A scenario's events, folded by the detector.

use pumpwatch::detector::{Effect, Policy, Tuning};
use pumpwatch::lab::fold::Fold;
use pumpwatch::lab::simulate::{Scenario, Simulator};
use pumpwatch::model::Millis;

/// When a scenario's world began, and everything that the detector said of it.
pub(crate) fn fold(scenario: &str, seed: u64, tuning: Tuning) -> (Millis, Vec<Effect>) {
    let scenario = Scenario::parse("test", scenario).unwrap();
    let mut effects = Vec::new();
    let mut fold = Fold::new(&Policy::default(), tuning, None, &mut effects);
    let simulator = Simulator::new(&scenario, seed);
    let start = simulator.live_start();
    for event in simulator {
        fold.usable([event.event.clone()], event.ingest, &mut effects);
    }
    fold.finish(&mut effects);
    (start, effects)
}
