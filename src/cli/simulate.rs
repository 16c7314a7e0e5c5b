//! `pumpwatch simulate`: traffic with known truth, to a file or to Kafka.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, ValueHint};

use crate::config::Brokers;
use crate::lab::simulate::{LabError, Limits, Scenario, SimEvent, Simulator, Summary, simulate_to_file};
use crate::model::Millis;
use crate::render::canonical::CanonicalEvent;
use crate::stream::outputs::{describe, wanted};
use crate::stream::{DEFAULT_LOG_PARTITIONS, Feeder};

use super::atomic::AtomicFile;
use super::compose::stream_settings;
use super::config_args::ConfigArgs;
use super::error::{CliError, Exit};
use super::output::Output;
use super::progress::Progress;
use super::{values, wall_clock};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target").required(true).args(["out", "to_kafka"]))]
pub(super) struct SimulateArgs {
    /// A shipped scenario by name, or one of your own by path
    #[arg(long, value_name = "NAME|FILE")]
    scenario: String,

    /// The same scenario and seed give the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Write canonical events here, one a line; compressed where the name ends in .gz or .zst
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Write what each attack and oddity did here, one JSON object a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    labels: Option<PathBuf>,

    /// Stop after so many events
    #[arg(long, value_name = "N")]
    events: Option<u64>,

    /// Where the scenario's time 0 lies [default: the scenario's own; now with --to-kafka --speed 1]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    start: Option<Millis>,

    /// Write to the canonical topics of a broker
    #[arg(long)]
    to_kafka: bool,

    /// With --to-kafka: multiple of real time; 0 is as fast as possible
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    speed: f64,

    /// With --to-kafka: the brokers [default: those of the configuration]
    #[arg(long, value_name = "HOST:PORT,…", requires = "to_kafka", conflicts_with = "out")]
    brokers: Option<String>,

    #[command(flatten)]
    config: ConfigArgs,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.0..=1e6).contains(speed));
    speed.ok_or_else(|| "write a number from 0 to 1000000, as in 1, 60 or 0.5".into())
}

pub(super) fn execute(args: &SimulateArgs) -> Result<(), CliError> {
    let mut scenario = Scenario::load(&args.scenario).map_err(|error| CliError::new(Exit::Input, error.to_string()))?;
    if let Some(start) = args.start {
        scenario.world.start = start;
    } else if args.to_kafka && args.speed == 1.0 {
        scenario.world.start = wall_clock();
    }
    let summary = if args.to_kafka {
        to_kafka(args, &scenario)?
    } else {
        to_file(args, &scenario)?
    };
    let mut output = Output::new();
    output.json_line(&summary)?;
    output.flush()
}

/// A bar over simulated time.
struct Elapsed {
    bar: Progress,
    start: Millis,
    told: i64,
}

impl Elapsed {
    fn new(scenario: &Scenario) -> Self {
        let world = &scenario.world;
        let seconds = (world.warm_up_ms + world.duration_ms) / 1_000;
        Self {
            bar: Progress::items(seconds as u64, "simulated seconds"),
            start: world.start - world.warm_up_ms,
            told: 0,
        }
    }

    fn tell(&mut self, now: Millis) {
        let seconds = (now - self.start) / 1_000;
        self.bar.advance((seconds - self.told).max(0) as u64);
        self.told = self.told.max(seconds);
    }
}

fn to_file(args: &SimulateArgs, scenario: &Scenario) -> Result<Summary, CliError> {
    let out = args.out.as_deref().unwrap_or(std::path::Path::new("-"));
    if args.labels.as_deref() == Some(out) {
        let sentence = format!("--out and --labels both name {}; give each its own file", out.display());
        return Err(CliError::new(Exit::Usage, sentence));
    }
    let mut elapsed = Elapsed::new(scenario);
    let limits = Limits {
        events_max: args.events,
    };
    let mut told = |_, now| elapsed.tell(now);
    let written = simulate_to_file(scenario, args.seed, out, args.labels.as_deref(), limits, &mut told);
    elapsed.bar.finish();
    written.map_err(|error| {
        let exit = match error {
            LabError::Unwritable { .. } => Exit::Usage,
            _ => Exit::Input,
        };
        CliError::new(exit, format!("{error}; name a file in a folder that can be written"))
    })
}

fn to_kafka(args: &SimulateArgs, scenario: &Scenario) -> Result<Summary, CliError> {
    let config = args
        .config
        .load_with_brokers(args.brokers.as_deref(), Brokers::Required)?;
    let settings = stream_settings(&config)?;
    // Asked first, so that a broker that is not there is told at once.
    describe(&settings, &wanted(&settings, DEFAULT_LOG_PARTITIONS, true))?;
    let mut feeder = Feeder::new(&settings)?;
    let mut simulator = Simulator::new(scenario, args.seed);
    let mut labels = args.labels.as_deref().map(AtomicFile::create).transpose()?;
    let mut elapsed = Elapsed::new(scenario);
    let mut summary = Summary::default();
    let mut pace = Pace::new(args.speed);
    while args.events.is_none_or(|max| summary.events < max) {
        let Some(event) = simulator.next() else { break };
        while let Some(wait) = pace.wait(event.ingest) {
            feeder.serve(wait)?;
        }
        summary.add(&event);
        elapsed.tell(event.ingest);
        feed(&mut feeder, &event)?;
    }
    feeder.flush(Duration::from_secs(60))?;
    elapsed.bar.finish();
    summary.campaigns = simulator.labels();
    if let Some(file) = &mut labels {
        for campaign in &summary.campaigns {
            let line = serde_json::to_string(campaign).expect("a label always serialises");
            writeln!(file, "{line}").map_err(|error| CliError::new(Exit::Internal, format!("{error}")))?;
        }
    }
    labels.map_or(Ok(()), AtomicFile::commit)?;
    Ok(summary)
}

fn feed(feeder: &mut Feeder, event: &SimEvent) -> Result<(), CliError> {
    let topic = format!("{}.v1", event.event.body.type_name());
    let value = serde_json::to_vec(&CanonicalEvent(&event.event)).expect("an event always serialises");
    feeder.feed(&topic, &event.event.tenant, value, event.ingest)?;
    Ok(())
}

/// Longest sleep, so that the connection is served meanwhile.
const NAP: Duration = Duration::from_millis(20);

/// Turns simulated time into real time.
struct Pace {
    speed: f64,
    began: Option<(Instant, Millis)>,
}

impl Pace {
    fn new(speed: f64) -> Self {
        Self { speed, began: None }
    }

    /// How long to wait before asking again; `None`: it is due.
    fn wait(&mut self, due: Millis) -> Option<Duration> {
        let (began, first) = *self.began.get_or_insert_with(|| (Instant::now(), due));
        if self.speed <= 0.0 {
            return None;
        }
        let at = Duration::from_secs_f64(due.seconds_since(first).max(0.0) / self.speed);
        let left = at.checked_sub(began.elapsed())?;
        (!left.is_zero()).then(|| left.min(NAP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_a_multiple_of_real_time() {
        assert_eq!(speed("60"), Ok(60.0));
        assert!(speed("-1").is_err() && speed("fast").is_err() && speed("NaN").is_err());
        let mut fast = Pace::new(0.0);
        assert_eq!(fast.wait(Millis(0)), None);
        assert_eq!(fast.wait(Millis(86_400_000)), None);
        let mut real = Pace::new(1.0);
        assert_eq!(real.wait(Millis(1_000)), None);
        assert!(real.wait(Millis(61_000)).is_some_and(|nap| nap <= NAP));
        let mut quick = Pace::new(1e6);
        assert_eq!(quick.wait(Millis(0)), None);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(quick.wait(Millis(1_000)), None);
    }
}
