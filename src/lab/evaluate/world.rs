//! One world before one or more judges.

use super::judge::{Decision, Judge};
use super::score::{Outcome, Score};
use super::truth::{Truth, sent_of};
use crate::lab::simulate::{OverlayKind, Reaction, Scenario, SimEvent, Simulator};
use crate::model::Millis;

/// Whether a campaign of the scenario reacts to being blocked. Then each judge
/// gets a world of its own, which obeys its blocks; otherwise all judges watch
/// the same one in shadow mode.
pub fn reacts(scenario: &Scenario) -> bool {
    scenario.overlays.iter().any(|overlay| match &overlay.kind {
        OverlayKind::Attack(attack) => match attack.on_block {
            Reaction::Ignore => false,
            Reaction::Stop => true,
            Reaction::Hop | Reaction::Slow | Reaction::Fake => attack.hops > 0,
        },
        OverlayKind::Innocent(..) => false,
    })
}

/// What is done to an event before anybody sees it.
pub type Veil = fn(&mut SimEvent);

/// Leaves an event as it is.
pub fn no_veil(_: &mut SimEvent) {}

/// Runs a scenario before all judges at once; none of them is obeyed.
pub fn watch(scenario: &Scenario, seed: u64, veil: Veil, judges: &mut [Box<dyn Judge>]) -> Vec<Outcome> {
    let mut simulator = Simulator::new(scenario, seed);
    let mut truth = Truth::default();
    let mut scores: Vec<Score> = judges.iter().map(|_| Score::default()).collect();
    let mut said = Vec::new();
    for mut event in simulator.by_ref() {
        veil(&mut event);
        let sent = sent_of(&event);
        for (judge, score) in judges.iter_mut().zip(&mut scores) {
            judge.tell_time(event.ingest, &mut said);
            take(score, &mut said, event.ingest, &truth);
            if let Some(sent) = &sent {
                score.sent(sent, false);
            }
        }
        truth.note(&event);
        for (judge, score) in judges.iter_mut().zip(&mut scores) {
            judge.see(&event, &mut said);
            take(score, &mut said, event.ingest, &truth);
        }
    }
    let labels = simulator.labels();
    scores.into_iter().map(|score| score.outcome(&truth, &labels)).collect()
}

/// Runs a scenario before one judge whose blocks are obeyed: what they cover is
/// reported as blocked, and attackers react.
pub fn obey(scenario: &Scenario, seed: u64, veil: Veil, judge: &mut dyn Judge) -> Outcome {
    let mut simulator = Simulator::new(scenario, seed);
    let mut truth = Truth::default();
    let mut score = Score::default();
    let mut said = Vec::new();
    while let Some(mut event) = simulator.next() {
        veil(&mut event);
        judge.tell_time(event.ingest, &mut said);
        tell(&mut simulator, &said);
        take(&mut score, &mut said, event.ingest, &truth);
        if let Some(sent) = sent_of(&event) {
            score.sent(&sent, true);
        }
        truth.note(&event);
        judge.see(&event, &mut said);
        tell(&mut simulator, &said);
        take(&mut score, &mut said, event.ingest, &truth);
    }
    score.outcome(&truth, &simulator.labels())
}

fn take(score: &mut Score, said: &mut Vec<Decision>, now: Millis, truth: &Truth) {
    for decision in said.drain(..) {
        score.decided(&decision, now, truth);
    }
}

fn tell(simulator: &mut Simulator, said: &[Decision]) {
    for decision in said {
        match decision {
            Decision::Block {
                tenant,
                app,
                prefix,
                until,
                allow_ratio,
            } => {
                if *allow_ratio > 0.0 {
                    simulator.on_sample(tenant, app.as_deref(), *prefix, *until, *allow_ratio);
                } else {
                    simulator.on_block(tenant, app.as_deref(), *prefix, *until);
                }
            }
            Decision::Lift { tenant, app, prefix } => simulator.on_unblock(tenant, app.as_deref(), *prefix),
            Decision::Alert { .. } => {}
        }
    }
}
