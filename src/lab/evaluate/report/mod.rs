//! What an evaluation found, for machines and for people.

mod bound;
pub mod html;
pub mod markdown;
mod pairs;
mod plots;

use serde::Serialize;

pub(crate) use plots::escaped;

use super::bound::{Bound, Promise, bounds};
use super::pairs::{PairTable, tables};
use super::run::{Entrant, Run};
use super::sweep::{Frontier, SweepRow, frontiers};
use super::table::{Row, groups, row};

/// The style of every page.
pub(crate) const STYLE: &str = include_str!("style.css");

/// One of those that were compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its name in the tables.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// Its threshold, where it was tuned to the false-alarm budget.
    pub parameter: Option<f64>,
}

/// All that an evaluation found. It says nothing of the time and memory it took:
/// the same seeds give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Version of the program.
    pub version: &'static str,
    /// Version of the detector's logic.
    pub logic: &'static str,
    /// Which suite.
    pub suite: &'static str,
    /// Seeds of a small scenario.
    pub seeds: u32,
    /// The first of them.
    pub first_seed: u64,
    /// Worlds that were run.
    pub worlds: u64,
    /// Honest sends, and events, in all of them (once for each, whoever watched).
    pub honest: u64,
    /// See `honest`.
    pub events: u64,
    /// What the detector promises.
    pub promise: Promise,
    /// The same against what it did in the worlds without an attack, for each level.
    pub bounds: Vec<Bound>,
    /// Those compared; the detector first.
    pub judges: Vec<Compared>,
    /// A row for each group and judge.
    pub rows: Vec<Row>,
    /// Innocent explanations alone and in pairs, for each judge; empty when none was run.
    pub pairs: Vec<PairTable>,
    /// A row for each point of each sweep and judge; empty when none was run.
    pub sweeps: Vec<SweepRow>,
    /// The largest rate of money that each judge left unseen for a week.
    pub frontiers: Vec<Frontier>,
}

/// What was run.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Which suite.
    pub suite: &'static str,
    /// Seeds of a small scenario.
    pub seeds: u32,
    /// The first of them.
    pub first_seed: u64,
    /// What the detector promises.
    pub promise: Promise,
}

impl Report {
    /// Puts the runs together.
    pub fn new(frame: Frame, entrants: &[Entrant], runs: &[Run], sweeps: Vec<SweepRow>) -> Self {
        let first = entrants.first().map_or("", |entrant| entrant.name.as_str());
        let own: Vec<&Run> = runs.iter().filter(|run| run.judge == first).collect();
        let rows = groups(runs)
            .iter()
            .flat_map(|group| entrants.iter().map(|entrant| row(runs, &entrant.name, group)))
            .collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            logic: crate::detector::policy::LOGIC_VERSION,
            suite: frame.suite,
            seeds: frame.seeds,
            first_seed: frame.first_seed,
            worlds: own.len() as u64,
            honest: own.iter().map(|run| run.outcome.honest).sum(),
            events: own.iter().map(|run| run.outcome.events).sum(),
            promise: frame.promise,
            bounds: bounds(runs, first, frame.promise),
            judges: entrants
                .iter()
                .map(|entrant| Compared {
                    name: entrant.name.clone(),
                    title: entrant.title.clone(),
                    parameter: entrant.parameter,
                })
                .collect(),
            rows,
            pairs: tables(runs, entrants.iter().map(|entrant| entrant.name.as_str())),
            frontiers: frontiers(&sweeps),
            sweeps,
        }
    }

    /// The row of a judge in a group.
    pub fn find(&self, judge: &str, group: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.judge == judge && row.group == group)
    }

    /// The groups in their order.
    pub fn groups(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.rows {
            if names.last() != Some(&row.group.as_str()) {
                names.push(&row.group);
            }
        }
        names
    }

    /// As JSON, a line each for what changes apart.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report always serialises");
        text.push('\n');
        text
    }
}

/// Every run, one JSON object a line.
pub fn runs_ndjson(runs: &[Run]) -> String {
    let mut text = String::new();
    for run in runs {
        text.push_str(&serde_json::to_string(run).expect("a run always serialises"));
        text.push('\n');
    }
    text
}
