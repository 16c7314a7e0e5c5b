//! `pumpwatch replay --against`: two configurations side by side.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use crate::config::{Config, Secret};
use crate::detector::Policy;
use crate::lab::backtest::{Comparison, replay_both, text};
use crate::lab::ledger::Ledger;
use crate::lab::replay::{Accounts, Sinks, Summary};
use crate::stream::{ReplayOptions, ReplaySink, Said, StreamSettings, replay_log};

use super::compose::stream_settings;
use super::error::CliError;
use super::progress::Progress;
use super::replay::{ReplaySinks, ReplaySource};
use super::wire::{Bar, replay_error, report_refused, write_summary};

/// What a backtest came to: the verdict on the input, and the comparison.
pub(super) struct Backtest {
    pub verdict: Result<(), CliError>,
    pub comparison: Comparison,
}

/// Folds the same events under both configurations. What the first says goes to
/// the sinks.
pub(super) fn backtest(
    [config, against]: [&Config; 2],
    source: ReplaySource,
    sinks: ReplaySinks<'_>,
) -> Result<Backtest, CliError> {
    let ReplaySinks {
        alerts,
        blocklist,
        summary: out,
        saved: _,
    } = sinks;
    let mut sinks = Sinks {
        alerts,
        blocklist,
        ..Sinks::default()
    };
    let policies = [&config.policy, &against.policy];
    match source {
        ReplaySource::File(mut source) => {
            let secret = config.privacy.key.as_ref().map(Secret::expose);
            let mut bar = Bar::default();
            let (replayed, comparison) = replay_both(source.as_mut(), policies, secret, &mut sinks, &mut |done, of| {
                bar.reach(done, of);
            })
            .map_err(|error| replay_error(&error))?;
            drop(bar);
            write_summary(out, &replayed.summary)?;
            Ok(Backtest {
                verdict: report_refused(&replayed, source.as_ref()),
                comparison,
            })
        }
        ReplaySource::Kafka { from, to, .. } => {
            let began = Instant::now();
            let settings = stream_settings(config)?;
            let (ledger, folded) = of_log(&settings, &config.policy, from, to, Some(&mut sinks))?;
            let summary = Summary::new(&Accounts {
                records: folded.records,
                events: folded.events,
                findings: sinks.episodes.counts(),
                first_time: folded.first_time,
                last_time: folded.last_time,
                began,
            });
            write_summary(out, &summary)?;
            let (other, _) = of_log(&settings, &against.policy, from, to, None)?;
            // The log's events are not shown to a replay's caller: nothing is said of
            // messages and money.
            Ok(Backtest {
                verdict: Ok(()),
                comparison: Comparison::new(policies, &[ledger, other], None),
            })
        }
    }
}

/// The text for people, under the names of the two files.
pub(super) fn shown(comparison: &Comparison, config: Option<&Path>, against: &Path) -> String {
    let first = config.map_or_else(|| "the defaults".into(), |path| path.display().to_string());
    text(comparison, [&first, &against.display().to_string()])
}

struct LogSink<'a, 'b> {
    ledger: Ledger,
    sinks: Option<&'a mut Sinks<'b>>,
    progress: Option<Progress>,
}

impl ReplaySink for LogSink<'_, '_> {
    fn said(&mut self, said: Said) -> io::Result<()> {
        self.ledger.said(&said.effect);
        match self.sinks.as_deref_mut() {
            Some(sinks) => sinks.take(&said.effect),
            None => Ok(()),
        }
    }

    fn progress(&mut self, done: u64, of: u64) {
        let bar = self.progress.get_or_insert_with(|| Progress::items(of, "log records"));
        bar.reach(done, of);
    }
}

fn of_log(
    settings: &StreamSettings,
    policy: &Policy,
    from: Option<crate::model::Millis>,
    to: Option<crate::model::Millis>,
    sinks: Option<&mut Sinks<'_>>,
) -> Result<(Ledger, crate::stream::ReplaySummary), CliError> {
    let mut sink = LogSink {
        ledger: Ledger::default(),
        sinks,
        progress: None,
    };
    let options = ReplayOptions {
        from,
        to,
        policy: Some(policy.to_record(crate::number_plan::metadata_version())),
    };
    let folded = replay_log(settings, &options, &mut sink)?;
    if let Some(bar) = &sink.progress {
        bar.finish();
    }
    Ok((sink.ledger, folded))
}

/// The comparison as a file of one JSON object.
pub(super) fn write_json(out: &mut dyn Write, comparison: &Comparison) -> Result<(), CliError> {
    let mut text = serde_json::to_vec_pretty(comparison).expect("a comparison always serialises");
    text.push(b'\n');
    out.write_all(&text).map_err(|error| CliError::stdout(&error))
}
