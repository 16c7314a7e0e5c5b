//! Runs worlds on several threads. Which thread runs what changes no figure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::judge::Judge;
use super::score::Outcome;
use super::suite::Job;
use super::world::{obey, reacts, watch};

/// Makes a judge that knows nothing yet.
pub type Make = Arc<dyn Fn() -> Box<dyn Judge> + Send + Sync>;

/// One of those that are compared.
#[derive(Clone)]
pub struct Entrant {
    /// Its name in the report.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// Its threshold, where it was tuned.
    pub parameter: Option<f64>,
    /// Makes one for each world.
    pub make: Make,
}

impl std::fmt::Debug for Entrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrant")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How one judge did in one world.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Which scenario.
    pub scenario: String,
    /// Which world.
    pub world: &'static str,
    /// Which seed.
    pub seed: u64,
    /// Which judge.
    pub judge: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How far an evaluation has got.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Estimated sends that are done.
    pub done: u64,
    /// Of so many.
    pub of: u64,
}

/// Told about progress, from any thread.
pub type Told<'a> = &'a (dyn Fn(Step) + Sync);

struct Task<'a> {
    job: usize,
    spec: &'a Job,
    entrants: Vec<usize>,
}

/// Sends that are done; outcomes by job and entrant.
type Found = (f64, Vec<(usize, usize, Outcome)>);

/// Every judge in every world: for each job in order, each judge in order.
pub fn run(jobs: &[Job], entrants: &[Entrant], threads: usize, told: Told<'_>) -> Vec<Run> {
    let mut tasks = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        let all: Vec<usize> = (0..entrants.len()).collect();
        // A world that reacts is another one for each judge.
        let groups: Vec<Vec<usize>> = if reacts(&job.spec) {
            all.into_iter().map(|one| vec![one]).collect()
        } else {
            vec![all]
        };
        tasks.extend(groups.into_iter().map(|entrants| Task {
            job: place,
            spec: job,
            entrants,
        }));
    }
    // The longest first, so that no thread is left alone with one at the end.
    tasks.sort_by(|a, b| b.spec.sends().total_cmp(&a.spec.sends()));
    let total: f64 = tasks.iter().map(|task| task.spec.sends()).sum();
    let next = AtomicUsize::new(0);
    let found: Mutex<Found> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcomes = run_task(task, entrants);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.0 += task.spec.sends();
                    let step = Step {
                        done: found.0 as u64,
                        of: total as u64,
                    };
                    let places = task.entrants.iter().zip(outcomes);
                    found.1.extend(places.map(|(of, outcome)| (task.job, *of, outcome)));
                    drop(found);
                    told(step);
                }
            });
        }
    });
    let (_, mut found) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(job, entrant, _)| (*job, *entrant));
    let runs = found.into_iter().map(|(job, entrant, outcome)| Run {
        scenario: jobs[job].scenario.clone(),
        world: jobs[job].world,
        seed: jobs[job].seed,
        judge: entrants[entrant].name.clone(),
        outcome,
    });
    runs.collect()
}

fn run_task(task: &Task<'_>, entrants: &[Entrant]) -> Vec<Outcome> {
    let mut judges: Vec<Box<dyn Judge>> = task.entrants.iter().map(|of| (entrants[*of].make)()).collect();
    let job = task.spec;
    if reacts(&job.spec) {
        let outcomes = judges
            .iter_mut()
            .map(|judge| obey(&job.spec, job.seed, job.veil, judge.as_mut()));
        outcomes.collect()
    } else {
        watch(&job.spec, job.seed, job.veil, &mut judges)
    }
}
