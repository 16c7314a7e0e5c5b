//! `pumpwatch evaluate`: how fast, how much leaks, how often wrong.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum, ValueHint};
use serde::Serialize;

use crate::detector::{Policy, Tuning};
use crate::lab::evaluate::bound::Promise;
use crate::lab::evaluate::report::{Frame, Report, html, markdown, runs_ndjson};
use crate::lab::evaluate::run::{Entrant, Step, run};
use crate::lab::evaluate::suite::{Job, Suite, jobs};
use crate::lab::evaluate::{PUMPWATCH, ablation, detector, peers, sweep};
use crate::lab::replay::peak_rss_bytes;

use super::atomic::AtomicFile;
use super::error::{CliError, Exit};
use super::output::Output;
use super::own_data::OwnDataArgs;
use super::progress::Progress;

#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// Which worlds
    #[arg(long, value_enum, default_value_t = SuiteName::Standard)]
    suite: SuiteName,

    /// Seeds of a small scenario; a large one gets a fifth of them [default: 3, long: 2, pairs: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: Option<u32>,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    first_seed: u64,

    /// Only these scenarios, by name or file
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    only: Vec<String>,

    /// Write report.html, report.md, report.json, runs.ndjson and cost.json into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,

    /// Replace the table between the evaluation marks of this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    readme: Option<PathBuf>,

    /// Other numbers for the detector: YAML, one `name: number` a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    tuning: Option<PathBuf>,

    /// Compare with the detector without this part; `all` for each in turn
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    ablation: Vec<String>,

    /// Leave the other rules out
    #[arg(long)]
    no_peers: bool,

    /// Leave out the curves (delay by rate, by faked conversions, by honest traffic) and the frontier
    #[arg(long)]
    no_sweeps: bool,

    /// Worlds at a time [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,

    #[command(flatten)]
    own_data: OwnDataArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SuiteName {
    /// Every scenario
    Standard,
    /// Attack-free worlds with over forty million honest sends and every innocent explanation
    Long,
    /// Innocent explanations alone and in pairs; a part of `long`
    Pairs,
}

pub(super) fn execute(args: &EvaluateArgs) -> Result<(), CliError> {
    if let (Some(input), Some(out)) = (args.own_data.input(), &args.out) {
        return args.own_data.execute(input, out, !args.no_peers);
    }
    if args.own_data.has_idle_config() {
        let sentence = "--config goes with --input; simulated worlds are judged under the defaults, and --tuning";
        return Err(CliError::new(Exit::Usage, sentence));
    }
    let began = Instant::now();
    let suite = match args.suite {
        SuiteName::Standard => Suite::Standard,
        SuiteName::Long => Suite::Long,
        SuiteName::Pairs => Suite::Pairs,
    };
    let seeds = args.seeds.unwrap_or_else(|| suite.default_seeds());
    let mut jobs = jobs(suite, seeds, args.first_seed, &args.only)
        .map_err(|error| CliError::new(Exit::Input, error.to_string()))?;
    let readme = args.readme.as_deref().map(read).transpose()?;
    let policy = Policy::default();
    let tuning = tuning(args)?;
    let mut entrants = entrants(args, &policy, &tuning)?;
    if let Some(folder) = &args.out {
        make_folder(folder)?;
    }
    let threads = args.threads.map_or_else(processors, usize::from);
    if !args.no_peers {
        entrants.extend(tuned(&policy, threads)?);
    }
    let points = if suite != Suite::Standard || args.no_sweeps || !args.only.is_empty() {
        Vec::new()
    } else {
        sweep::points(seeds.div_ceil(4), args.first_seed)
            .map_err(|error| CliError::new(Exit::Internal, error.to_string()))?
    };
    // Sweeps go with the suite, so that no thread waits for the other's end.
    let of_suite = jobs.len();
    jobs.extend(points.iter().map(|point| point.job.clone()));
    let mut runs = watched("sends", &jobs, |told| run(&jobs, &entrants, threads, told));
    let of_points = runs.split_off(of_suite * entrants.len());
    let sweeps = if points.is_empty() {
        Vec::new()
    } else {
        sweep::rows(&points, &entrants, &of_points)
    };
    let frame = Frame {
        suite: suite.as_str(),
        seeds,
        first_seed: args.first_seed,
        promise: Promise {
            per_million: policy.false_alarms_per_million,
            node_kinds: tuning.node_kinds,
        },
    };
    let report = Report::new(frame, &entrants, &runs, sweeps);
    let cost = Cost::new(began, threads, &report);
    let text = markdown::markdown(&report);
    if let Some(folder) = &args.out {
        write(&folder.join("runs.ndjson"), &runs_ndjson(&runs))?;
        write(&folder.join("report.json"), &report.json())?;
        write(&folder.join("report.md"), &text)?;
        write(&folder.join("report.html"), &html::html(&report, &runs))?;
        write(&folder.join("cost.json"), &cost.json())?;
    } else {
        let mut output = Output::new();
        output.bytes(text.as_bytes())?;
        output.flush()?;
    }
    if let (Some(path), Some(readme)) = (&args.readme, readme) {
        let fresh = markdown::refreshed(&readme, &report).ok_or_else(|| {
            let sentence = format!(
                "{} has no part between <!-- evaluation:begin --> and <!-- evaluation:end -->; put the two marks where the table shall stand",
                path.display()
            );
            CliError::new(Exit::Input, sentence)
        })?;
        write(path, &fresh)?;
    }
    // A reader that is gone has been told everything that matters.
    let _ = writeln!(std::io::stderr(), "pumpwatch: {}", cost.sentence());
    Ok(())
}

/// What an evaluation took. It stands apart from the report, which is the same
/// whenever the seeds are.
#[derive(Debug, Serialize)]
struct Cost {
    worlds: u64,
    honest_sends: u64,
    judges: usize,
    threads: usize,
    elapsed_seconds: f64,
    /// Largest resident memory of the process: all judges and all threads.
    peak_rss_bytes: u64,
}

impl Cost {
    fn new(began: Instant, threads: usize, report: &Report) -> Self {
        Self {
            worlds: report.worlds,
            honest_sends: report.honest,
            judges: report.judges.len(),
            threads,
            elapsed_seconds: began.elapsed().as_secs_f64(),
            peak_rss_bytes: peak_rss_bytes(),
        }
    }

    fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("what it took always serialises");
        format!("{text}\n")
    }

    fn sentence(&self) -> String {
        format!(
            "{} worlds before {} judges took {} s; largest memory of the process {} MiB",
            self.worlds,
            self.judges,
            markdown::number(self.elapsed_seconds),
            self.peak_rss_bytes >> 20
        )
    }
}

fn usage(error: &ablation::AblationError) -> CliError {
    CliError::new(Exit::Usage, error.to_string())
}

fn tuning(args: &EvaluateArgs) -> Result<Tuning, CliError> {
    match &args.tuning {
        Some(path) => ablation::tuning(&read(path)?).map_err(|error| usage(&error)),
        None => Ok(Tuning::default()),
    }
}

fn entrants(args: &EvaluateArgs, policy: &Policy, tuning: &Tuning) -> Result<Vec<Entrant>, CliError> {
    let mut entrants = vec![detector(PUMPWATCH, "Pumpwatch", policy, tuning.clone())];
    let parts: Vec<&str> = if args.ablation.iter().any(|part| part == "all") {
        ablation::SWITCHES.to_vec()
    } else {
        args.ablation.iter().map(String::as_str).collect()
    };
    for part in parts {
        let without = ablation::without(tuning, part).map_err(|error| usage(&error))?;
        let title = format!("Pumpwatch without {}", part.replace('_', " "));
        entrants.push(detector(&format!("without {part}"), &title, policy, without));
    }
    Ok(entrants)
}

/// The other rules, at the detector's own budget of false alarms.
fn tuned(policy: &Policy, threads: usize) -> Result<Vec<Entrant>, CliError> {
    let history = peers::history().map_err(|error| CliError::new(Exit::Internal, error.to_string()))?;
    let budget = policy.false_alarms_per_million;
    Ok(watched("sends of honest history", &history, |told| {
        peers::calibrate(peers::PEERS, &history, budget, threads, told)
    }))
}

/// Work over worlds, with a bar.
fn watched<T>(what: &'static str, jobs: &[Job], work: impl FnOnce(&(dyn Fn(Step) + Sync)) -> T) -> T {
    // The total is told with the first step: worlds that react count once for each judge.
    let bar = Progress::items(jobs.iter().map(|job| job.sends() as u64).sum(), what);
    let result = work(&|step| bar.reach(step.done, step.of));
    bar.finish();
    result
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|error| CliError::new(Exit::Input, format!("cannot read {}: {error}", path.display())))
}

pub(super) fn make_folder(folder: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let sentence = format!(
            "the folder {} cannot be made: {error}; name one that can",
            folder.display()
        );
        CliError::new(Exit::Usage, sentence)
    })
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|error| {
        let sentence = format!("cannot write {}: {error}; is the disk full?", path.display());
        CliError::new(Exit::Internal, sentence)
    })?;
    file.commit()
}
