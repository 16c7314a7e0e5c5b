//! A scenario's events, folded by the detector.
#![allow(dead_code)] // not every test needs all

use std::fmt::Write as _;

use pumpwatch::detector::{Effect, Policy, Tuning};
use pumpwatch::lab::fold::Fold;
use pumpwatch::lab::simulate::{Scenario, Simulator};
use pumpwatch::model::{Event, Finding, Millis};

/// A scenario: a world, and what is laid over it.
pub(crate) fn laid_over(mut world: String, overlays: &[&str]) -> String {
    if !overlays.is_empty() {
        world.push_str("overlays:\n");
    }
    for overlay in overlays {
        writeln!(world, "  - {{{overlay}}}").unwrap();
    }
    world
}

/// When a scenario's world began, and everything that the detector said of it.
pub(crate) fn fold(scenario: &str, seed: u64, tuning: Tuning) -> (Millis, Vec<Effect>) {
    let (start, _, effects) = fold_changed(scenario, seed, tuning, |_| {});
    (start, effects)
}

/// The same of events that are changed first, and the fold as it is after the last.
pub(crate) fn fold_changed(
    scenario: &str,
    seed: u64,
    tuning: Tuning,
    mut change: impl FnMut(&mut Event),
) -> (Millis, Fold, Vec<Effect>) {
    let scenario = Scenario::parse("test", scenario).unwrap();
    let mut effects = Vec::new();
    let mut fold = Fold::new(&Policy::default(), tuning, None, &mut effects);
    let simulator = Simulator::new(&scenario, seed);
    let start = simulator.live_start();
    for sim in simulator {
        let mut event = sim.event.clone();
        change(&mut event);
        fold.usable([event], sim.ingest, &mut effects);
    }
    fold.finish(&mut effects);
    (start, fold, effects)
}

/// A finding's total and line are those of the explanation that was hardest to refute.
pub(crate) fn reconcile(finding: &Finding) {
    let margins = finding.explanations.iter();
    let hardest = margins.min_by(|a, b| a.margin().total_cmp(&b.margin())).unwrap();
    assert!(
        (hardest.log_e - finding.log_e_total).abs() < 1e-5 && (hardest.line - finding.log_e_threshold).abs() < 1e-5,
        "{} of {}, but {:?}",
        finding.log_e_total,
        finding.log_e_threshold,
        finding.explanations
    );
}
