//! The demonstration itself: broker, router, detector and traffic in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cli::compose::{Service, Telemetry, stream_settings};
use crate::cli::error::{CliError, Exit};
use crate::cli::wall_clock;
use crate::config::{Brokers, Config};
use crate::lab::simulate::{Scenario, SimEvent, Simulator};
use crate::model::{HOUR, Millis, Mode};
use crate::number_plan::metadata_version;
use crate::render::canonical::CanonicalEvent;
use crate::stream::{EmbeddedBroker, Feeder, Observer, Role, Shutdown, StreamError, StreamSettings};
use crate::telemetry::{Health, Metrics};

use super::board::{Board, Watch};

/// Honest history that is played at once before the live part.
const HISTORY_MS: i64 = HOUR;
/// History events that may wait for the router: the embedded broker keeps little.
const AHEAD_MAX: u64 = 5_000;
/// How long the history may take before the demonstration gives up.
const HISTORY_PATIENCE: Duration = Duration::from_secs(120);
/// How often the live numbers are told.
const STATUS: Duration = Duration::from_secs(10);
/// Partitions of the embedded broker's internal log.
const LOG_PARTITIONS: u32 = 2;

/// Runs until `run_for` is over or a signal comes.
pub(super) fn show(listen: SocketAddr, run_for: Option<Duration>) -> Result<(), CliError> {
    let board = Arc::new(Board::new());
    let (settings, _broker) = settings()?;
    let (metrics, health) = (Arc::new(Metrics::new()), Health::new());
    let telemetry = Telemetry::new(Arc::clone(&metrics), &health, true, true);
    let observer: Arc<dyn Observer> = Arc::new(Watch::new(telemetry, Arc::clone(&board)));
    let service = Service::start(listen, &[], &health, &metrics)?;
    board.say(&format!("An embedded Kafka broker, a router and a detector run in this process. Health and metrics: http://{}/readyz, /metrics", service.address));
    let shutdown = Shutdown::new();
    service.watch_signals(&shutdown, &metrics, settings.pace.drain);
    let stream = start_stream(&settings, &observer, &shutdown)?;
    let outcome = traffic(&settings, &board, &metrics, &shutdown, run_for);
    shutdown.request();
    let ended = stream
        .join()
        .unwrap_or_else(|_| Err(StreamError::Internal("the stream panicked".into())));
    service.stop();
    board.farewell();
    outcome?;
    Ok(ended?)
}

fn settings() -> Result<(StreamSettings, EmbeddedBroker), CliError> {
    let config = Config::load(None, &[], Brokers::Optional)?;
    let mut settings = stream_settings(&config)?;
    let mut policy = config.policy.clone();
    // Nothing real can be blocked here, so the demonstration shows the whole way.
    policy.mode = Mode::Enforce;
    settings.policy = policy.to_record(metadata_version());
    let broker = EmbeddedBroker::for_settings(&settings, LOG_PARTITIONS)?;
    settings.brokers = broker.bootstrap().to_owned();
    Ok((settings, broker))
}

fn start_stream(
    settings: &StreamSettings,
    observer: &Arc<dyn Observer>,
    shutdown: &Shutdown,
) -> Result<JoinHandle<Result<(), StreamError>>, CliError> {
    let (settings, observer, shutdown) = (settings.clone(), Arc::clone(observer), shutdown.clone());
    std::thread::Builder::new()
        .name("stream".into())
        .spawn(move || {
            let result = crate::stream::run(&settings, Role::All, &observer, &shutdown);
            shutdown.request();
            result
        })
        .map_err(|error| CliError::new(Exit::Internal, format!("a thread could not be started: {error}")))
}

/// Plays the history at once, then the live part in real time.
fn traffic(
    settings: &StreamSettings,
    board: &Board,
    metrics: &Metrics,
    shutdown: &Shutdown,
    run_for: Option<Duration>,
) -> Result<(), CliError> {
    let failed = |error: crate::lab::simulate::LabError| CliError::new(Exit::Internal, error.to_string());
    let scenario = Scenario::demo().map_err(failed)?.with_warm_up(HISTORY_MS);
    let live = wall_clock();
    let seed = live.0 as u64;
    let mut simulator = Simulator::starting_at(&scenario, seed, live);
    let mut feeder = Feeder::new(settings)?;
    board.say("Playing an hour of honest history, so that the detector knows the customers …");
    let Some(first_live) = history(&mut simulator, &mut feeder, board, metrics, shutdown, live)? else {
        return Ok(());
    };
    let began = Instant::now();
    // The history took a while: live traffic happens that much later.
    let shift = wall_clock() - live;
    board.live(live + shift);
    let mut status = Instant::now();
    let mut next = Some(first_live);
    while let Some(event) = next.take() {
        let due = event.ingest + shift;
        while wall_clock() < due {
            if shutdown.is_set() || run_for.is_some_and(|limit| began.elapsed() >= limit) {
                feeder.flush(Duration::from_secs(5))?;
                return Ok(());
            }
            feeder.serve(Duration::from_millis(5))?;
            for (tenant, prefix, expires) in board.new_blocks() {
                simulator.on_block(&tenant, None, prefix, expires - shift);
            }
            if status.elapsed() >= STATUS {
                status = Instant::now();
                board.status();
            }
        }
        board.sent(&event, &simulator);
        feed(&mut feeder, shifted(event, shift))?;
        next = simulator.next();
    }
    Ok(())
}

/// Feeds everything before `live`; the first live event, or nothing when asked to stop.
fn history(
    simulator: &mut Simulator,
    feeder: &mut Feeder,
    board: &Board,
    metrics: &Metrics,
    shutdown: &Shutdown,
    live: Millis,
) -> Result<Option<SimEvent>, CliError> {
    let began = Instant::now();
    let mut fed = 0u64;
    for event in simulator.by_ref() {
        if event.ingest >= live {
            board.say(&format!(
                "{fed} events of history played in {:.1} s.",
                began.elapsed().as_secs_f64()
            ));
            return Ok(Some(event));
        }
        feed(feeder, event)?;
        fed += 1;
        while fed > metrics.record_counts().usable + AHEAD_MAX {
            if shutdown.is_set() {
                return Ok(None);
            }
            if began.elapsed() > HISTORY_PATIENCE {
                return Err(CliError::new(
                    Exit::Internal,
                    "the history was not read in time; is the machine overloaded?",
                ));
            }
            feeder.serve(Duration::from_millis(2))?;
        }
    }
    Ok(None)
}

/// The event as if everything happened `shift` later.
fn shifted(mut event: SimEvent, shift: i64) -> SimEvent {
    event.ingest = event.ingest + shift;
    event.event.time = event.event.time + shift;
    event
}

fn feed(feeder: &mut Feeder, event: SimEvent) -> Result<(), CliError> {
    let topic = format!("{}.v1", event.event.body.type_name());
    let value = serde_json::to_vec(&CanonicalEvent(&event.event)).expect("an event always serialises");
    feeder.feed(&topic, &event.event.tenant, value, event.ingest)?;
    Ok(())
}
