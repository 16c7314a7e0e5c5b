//! The rules that are in use elsewhere, as published. Each has one threshold,
//! which [`calibrate`] sets so that all of them keep the same budget of false
//! alarms on the same honest history. Each is a file and a line of [`PEERS`].

mod conversion;
mod ears;
mod glr;
mod history;
mod limits;
mod nb_cusum;
mod rule;
mod velocity;
mod volume;

use std::sync::Arc;

use super::judge::Judge;
use super::run::{Entrant, Run, Told, run};
use super::suite::Job;
use crate::lab::simulate::{LabError, Scenario};
use crate::model::DAY;

/// A rule with the thresholds it may be tuned to.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name in the report.
    pub name: &'static str,
    /// What it does, with what the threshold is.
    pub title: &'static str,
    /// Thresholds to choose from, the most sensitive first.
    pub grid: &'static [f64],
    /// Makes one for a threshold.
    pub make: fn(f64) -> Box<dyn Judge>,
}

/// All of them.
pub const PEERS: &[Peer] = &[
    velocity::PEER,
    volume::PEER,
    conversion::PEER,
    ears::C2,
    ears::C3,
    nb_cusum::PEER,
    glr::PEER,
    limits::PEER,
];

/// Seeds of the honest history; no evaluation begins there.
const CALIBRATION_SEED: u64 = 4_000_000_000;

/// Days of it: two and a half million sends in both worlds.
const CALIBRATION_DAYS: i64 = 10;

/// The honest history on which thresholds are set: both worlds.
pub fn history() -> Result<Vec<Job>, LabError> {
    let both = ["honest-a", "honest-b"].into_iter();
    let jobs = both.map(|name| {
        let mut spec = Scenario::load(name)?;
        spec.world.duration_ms = spec.world.duration_ms.min(CALIBRATION_DAYS * DAY);
        Ok(Job::new(name, spec, CALIBRATION_SEED))
    });
    jobs.collect()
}

/// Each peer at the most sensitive threshold that keeps `budget` false blocks
/// per million honest sends on `history`; at the last of its grid when none does.
/// A higher threshold never alarms more, so halving the grid finds it.
pub fn calibrate(peers: &[Peer], history: &[Job], budget: f64, threads: usize, told: Told<'_>) -> Vec<Entrant> {
    let mut searches: Vec<(usize, usize)> = peers.iter().map(|peer| (0, peer.grid.len() - 1)).collect();
    while searches.iter().any(|(low, high)| low < high) {
        let open: Vec<usize> = (0..peers.len()).filter(|i| searches[*i].0 < searches[*i].1).collect();
        let middle = |(low, high): (usize, usize)| usize::midpoint(low, high);
        let entrants: Vec<Entrant> = open
            .iter()
            .map(|i| entrant(&peers[*i], peers[*i].grid[middle(searches[*i])]))
            .collect();
        let runs = run(history, &entrants, threads, told);
        for (i, entrant) in open.into_iter().zip(&entrants) {
            let tried = middle(searches[i]);
            if false_block_rate(&runs, &entrant.name) <= budget {
                searches[i].1 = tried;
            } else {
                searches[i].0 = tried + 1;
            }
        }
    }
    let found = peers.iter().zip(searches);
    found
        .map(|(peer, (place, _))| entrant(peer, peer.grid[place]))
        .collect()
}

fn entrant(peer: &Peer, threshold: f64) -> Entrant {
    let make = peer.make;
    Entrant {
        name: peer.name.into(),
        title: peer.title.into(),
        parameter: Some(threshold),
        make: Arc::new(move || make(threshold)),
    }
}

fn false_block_rate(runs: &[Run], name: &str) -> f64 {
    let own = runs.iter().filter(|run| run.judge == name);
    let (alarms, honest) = own.fold((0, 0), |(alarms, honest), run| {
        (alarms + run.outcome.false_blocks, honest + run.outcome.honest)
    });
    alarms as f64 * 1e6 / (honest as f64).max(1.0)
}
