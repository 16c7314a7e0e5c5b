//! The calls into the layers below: the one place where commands meet them.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::detector::Effect;
use crate::lab::replay::{EpisodeCounter, Events, Records, Sinks, Summary, peak_rss_bytes, replay_file};
use crate::number_plan::metadata_version;
use crate::render::{blocklist, ocsf};
use crate::stream::check::{Gravity, check as check_stream};
use crate::stream::outputs::{Creation, create, describe, wanted};
use crate::stream::{LogHandover, ReplayOptions, ReplaySink, Role, Said, Shutdown, StreamSettings, continue_log};
use crate::telemetry::events::{ConfigLoaded, ShutdownFinished, Started};
use crate::telemetry::{Health, Metrics, Role as SpeakingRole};

use super::compose::{Service, Telemetry, exit_of, stream_settings};
use super::error::{CliError, Exit};
use super::output::Output;
use super::progress::Progress;
use super::replay::{Earlier, ReplaySinks, ReplaySource};
use super::run::RunRole;
use super::state_file::restore;

/// Runs until a signal, then drains.
pub(super) fn run(config: &Config, role: RunRole) -> Result<(), CliError> {
    let settings = stream_settings(config)?;
    let (metrics, health) = (Arc::new(Metrics::new()), Health::new());
    let (router, detector) = (role != RunRole::Detector, role != RunRole::Router);
    ConfigLoaded {
        redacted: &config.redacted(),
    }
    .emit(&metrics);
    for (wanted, role, group) in [
        (router, SpeakingRole::Router, settings.router_group()),
        (detector, SpeakingRole::Detector, settings.detector_group()),
    ] {
        if wanted {
            Started {
                role,
                member: &settings.member,
                group: &group,
            }
            .emit(&metrics);
        }
    }
    let observer: Arc<dyn crate::stream::Observer> =
        Arc::new(Telemetry::new(Arc::clone(&metrics), &health, router, detector));
    let service = Service::start(config.http.listen, &config.http.tokens, &health, &metrics)?;
    let shutdown = Shutdown::new();
    service.watch_signals(&shutdown, &metrics, settings.pace.drain);
    let role = match role {
        RunRole::All => Role::All,
        RunRole::Router => Role::Router,
        RunRole::Detector => Role::Detector,
    };
    let result = crate::stream::run(&settings, role, &observer, &shutdown);
    let ended = Instant::now();
    service.stop();
    result?;
    ShutdownFinished {
        elapsed: ended.elapsed(),
    }
    .emit(&metrics);
    Ok(())
}

/// Says what is in order and what is not.
pub(super) fn check(config: &Config) -> Result<(), CliError> {
    let settings = stream_settings(config)?;
    let mut output = Output::new();
    let mut failures: Vec<String> = Vec::new();
    let mut exit = Exit::Broker;
    for checked in check_stream(&settings) {
        let mark = match checked.gravity {
            Gravity::Fine => "ok",
            Gravity::Warning => "warning",
            Gravity::Failure => "failure",
        };
        output.bytes(format!("{mark}: {}\n", checked.sentence).as_bytes())?;
        if checked.gravity == Gravity::Failure {
            if failures.is_empty() {
                exit = checked.error.map_or(Exit::Broker, |error| exit_of(&error));
            }
            failures.push(checked.sentence);
        }
    }
    output.flush()?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(CliError::new(exit, failures.join("\n")))
    }
}

pub(super) fn create_topics(config: &Config, partitions: u32, replication_factor: Option<u16>) -> Result<(), CliError> {
    let settings = stream_settings(config)?;
    let specs = wanted(&settings, partitions, true);
    let mut output = Output::new();
    for (topic, creation) in create(&settings, &specs, replication_factor)? {
        let said = match creation {
            Creation::Created => "created".to_owned(),
            Creation::Existed => "exists".to_owned(),
        };
        output.bytes(format!("{topic}: {said}\n").as_bytes())?;
    }
    output.flush()
}

pub(super) fn describe_topics(config: &Config) -> Result<(), CliError> {
    let settings = stream_settings(config)?;
    let specs = wanted(&settings, crate::stream::DEFAULT_LOG_PARTITIONS, true);
    let mut output = Output::new();
    let mut missing = 0;
    for report in describe(&settings, &specs)? {
        let line = if let Some(n) = report.partitions {
            format!(
                "{}: {n} partitions, {} copies; {}\n",
                report.name, report.replication, report.purpose
            )
        } else {
            missing += 1;
            format!("{}: missing; {}\n", report.name, report.purpose)
        };
        output.bytes(line.as_bytes())?;
        for difference in report.differences {
            output.bytes(format!("  {difference}\n").as_bytes())?;
        }
    }
    output.flush()?;
    if missing > 0 {
        let sentence = format!("{missing} topics are missing; create them with `pumpwatch topics create`");
        return Err(CliError::new(Exit::Broker, sentence));
    }
    Ok(())
}

/// librdkafka's and the number plan's versions, with their names.
pub(super) fn library_versions() -> Vec<(&'static str, String)> {
    vec![
        ("librdkafka", crate::stream::librdkafka_version()),
        ("number plan", metadata_version().to_owned()),
    ]
}

/// Replays into the sinks. The inner result is the verdict on an input that could
/// be read and held nothing of use: its accounts are written all the same.
pub(super) fn replay(
    config: &Config,
    source: ReplaySource,
    earlier: Option<Earlier>,
    sinks: ReplaySinks<'_>,
) -> Result<Result<(), CliError>, CliError> {
    let ReplaySinks {
        alerts,
        blocklist,
        summary: out,
        saved,
    } = sinks;
    match source {
        ReplaySource::File(reader) => {
            let secret = config.privacy.key.as_ref().map(crate::config::Secret::expose);
            let earlier = earlier
                .map(|e| restore(&e.path, &e.bytes, config, e.config_given))
                .transpose()?;
            let mut files = Sinks {
                alerts,
                blocklist,
                state: saved,
                ..Sinks::default()
            };
            let replayed =
                replay_file(reader, &config.policy, secret, earlier, &mut files).map_err(|e| CliError::input(&e))?;
            write_summary(out, &replayed.summary)?;
            Ok(report_refused(&replayed))
        }
        ReplaySource::Kafka { from, to, policy } => {
            let settings = stream_settings(config)?;
            let policy = policy.then(|| settings.policy.clone());
            let mut handover = LogHandover {
                state: earlier.map(|earlier| earlier.bytes),
                save: saved.is_some(),
                saved: None,
            };
            let options = ReplayOptions { from, to, policy };
            replay_kafka(&settings, &options, &mut handover, alerts, blocklist, out)?;
            if let (Some(saved), Some(bytes)) = (saved, handover.saved) {
                *saved = bytes;
            }
            Ok(Ok(()))
        }
    }
}

fn write_summary(out: &mut dyn Write, summary: &Summary) -> Result<(), CliError> {
    let mut line = serde_json::to_vec(summary).expect("a summary always serialises");
    line.push(b'\n');
    out.write_all(&line).map_err(|error| CliError::stdout(&error))
}

/// The first refused lines on standard error; a file without one usable line is
/// an error after all.
fn report_refused(replayed: &crate::lab::replay::Replayed) -> Result<(), CliError> {
    for (line, refusal) in &replayed.refused {
        let _ = writeln!(
            io::stderr(),
            "pumpwatch: line {line} is not used ({}): {refusal}",
            refusal.class_name()
        );
    }
    let records = replayed.summary.records;
    let shown = replayed.refused.len() as u64;
    if records.dead_lettered > shown {
        let more = records.dead_lettered - shown;
        let _ = writeln!(
            io::stderr(),
            "pumpwatch: {more} more lines are not used; the summary counts them all"
        );
    }
    match (records.usable, records.dead_lettered) {
        (0, 0) => Err(CliError::new(
            Exit::Input,
            "the input is empty; it must hold one canonical event a line",
        )),
        (0, _) => Err(CliError::new(
            Exit::Input,
            "no line of the input is a canonical event; see `pumpwatch schema event`, or `pumpwatch decode` for other formats",
        )),
        _ => Ok(()),
    }
}

struct LogSink<'a, 'b> {
    alerts: Option<&'a mut dyn Write>,
    blocklist: Option<&'b mut dyn Write>,
    episodes: EpisodeCounter,
    progress: Option<Progress>,
    done: u64,
}

impl ReplaySink for LogSink<'_, '_> {
    fn said(&mut self, said: Said) -> io::Result<()> {
        match said.effect {
            Effect::Finding(finding) => {
                self.episodes.add(finding.uid.0, finding.kind, finding.level);
                if let Some(out) = self.alerts.as_deref_mut() {
                    out.write_all(&ocsf::finding(&finding).value)?;
                    out.write_all(b"\n")?;
                }
            }
            Effect::Block(time, change) => {
                if let Some(out) = self.blocklist.as_deref_mut() {
                    out.write_all(&blocklist::line(time, &change))?;
                    out.write_all(b"\n")?;
                }
            }
            Effect::Stats(_) | Effect::Audit(_) => {}
        }
        Ok(())
    }

    fn progress(&mut self, done: u64, of: u64) {
        let bar = self.progress.get_or_insert_with(|| Progress::items(of, "log records"));
        bar.advance(done.saturating_sub(self.done));
        self.done = done;
    }
}

fn replay_kafka(
    settings: &StreamSettings,
    options: &ReplayOptions,
    handover: &mut LogHandover,
    alerts: Option<&mut dyn Write>,
    blocklist: Option<&mut dyn Write>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let began = Instant::now();
    let mut sink = LogSink {
        alerts,
        blocklist,
        episodes: EpisodeCounter::default(),
        progress: None,
        done: 0,
    };
    let folded = continue_log(settings, options, handover, &mut sink)?;
    let elapsed = began.elapsed().as_secs_f64();
    let events: Events = folded.events.into();
    let total = events.counted + events.duplicate + events.late + events.quarantined;
    let summary = Summary {
        records: Records::from(folded.records),
        events,
        findings: sink.episodes.counts(),
        first_time: folded.first_time.map(|t| t.to_string()),
        last_time: folded.last_time.map(|t| t.to_string()),
        elapsed_seconds: elapsed,
        events_per_second: if elapsed > 0.0 { total as f64 / elapsed } else { 0.0 },
        peak_rss_bytes: peak_rss_bytes(),
    };
    write_summary(out, &summary)
}
