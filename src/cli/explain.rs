//! `pumpwatch explain`: why, or why not.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueHint};
use serde_json::{Value, json};

use crate::config::{Brokers, Config, Secret};
use crate::detector::{Inspection, Policy};
use crate::lab::explain::{Asked, Question, Watcher};
use crate::lab::lines::{BoundedLines, Line};
use crate::lab::replay::{Replay, Sinks, replay};
use crate::model::Millis;
use crate::render::explain;
use crate::stream::ingest::Ingest;
use crate::stream::{LogHandover, ReplayOptions, continue_log, saved_folds};

use super::compose::stream_settings;
use super::config_args::ConfigArgs;
use super::error::{CliError, Exit};
use super::input::open_input;
use super::output::Output;
use super::source_args::SourceArgs;
use super::wire::{Bar, replay_error};
use super::{state_file, values};

/// Far more than a finding takes.
const FINDING_BYTES_MAX: usize = 4 << 20;

const AFTER_HELP: &str = "\
A number or range is explained as the detector sees it after the last event, or at --at. A finding is
told from its first record to its last; from --alerts alone it is told as it was published.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(group = ArgGroup::new("events").args(["input", "from_kafka"]))]
#[command(group = ArgGroup::new("known").required(true).multiple(true).args(["input", "from_kafka", "state", "alerts"]))]
pub(super) struct ExplainArgs {
    /// A finding's uid, or a number or its beginning, as in +998901234567 or +9989012
    #[arg(value_name = "FINDING_UID|NUMBER")]
    what: String,

    /// Fold these records, one a line, or a table (.csv, .tsv, .parquet); plain, .gz or .zst; `-` is standard input
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: Option<PathBuf>,

    /// Fold the internal log
    #[arg(long)]
    from_kafka: bool,

    /// Begin with a state that `replay --save-state` wrote, or look at it alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    state: Option<PathBuf>,

    /// Published findings, one a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "events")]
    alerts: Option<PathBuf>,

    /// The moment (RFC 3339 or epoch ms) [default: the end]
    #[arg(long, value_name = "TIME", requires = "events", value_parser = values::time)]
    at: Option<Millis>,

    /// Only what this tenant's traffic shows; records that name no tenant are its own
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,

    /// One JSON object, for machines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    written: SourceArgs,
}

pub(super) fn execute(args: &ExplainArgs) -> Result<(), CliError> {
    let question =
        Question::parse(&args.what, args.tenant.as_deref()).map_err(|sentence| CliError::new(Exit::Usage, sentence))?;
    let has_events = args.input.is_some() || args.from_kafka;
    match (&question, has_events) {
        (Question::Finding(_), false) if args.alerts.is_none() => {
            return Err(CliError::new(
                Exit::Usage,
                "a state alone does not hold a finding's story; add --alerts, --input or --from-kafka",
            ));
        }
        (Question::Number(_), false) if args.state.is_none() => {
            return Err(CliError::new(
                Exit::Usage,
                "findings alone do not tell what is known of a number; name --input, --from-kafka or --state",
            ));
        }
        _ => {}
    }
    let brokers = if args.from_kafka {
        Brokers::Required
    } else {
        Brokers::Optional
    };
    let config = args.config.load(brokers)?;
    let key = config.privacy.key.as_ref().map(|key| key.expose().to_vec());
    let mut watcher = Watcher::new(question.clone(), key);
    let state = args.state.as_deref().map(state_file::read).transpose()?;
    if let Some(path) = &args.input {
        fold_file(args, path, state, &config, &mut watcher)?;
    } else if args.from_kafka {
        fold_log(args, state, &config, &mut watcher)?;
    } else if let (Some(path), Some(bytes)) = (&args.state, state) {
        look_at_state(path, &bytes, &config, &mut watcher)?;
    }
    if let Some(path) = &args.alerts {
        read_alerts(path, &mut watcher)?;
    }
    answer(args, &question, &mut watcher)
}

fn fold_file(
    args: &ExplainArgs,
    path: &Path,
    state: Option<Vec<u8>>,
    config: &Config,
    watcher: &mut Watcher,
) -> Result<(), CliError> {
    let secret = config.privacy.key.as_ref().map(Secret::expose);
    let from = match (&args.state, state) {
        (Some(path), Some(bytes)) => {
            Replay::going_on(state_file::restore(path, &bytes, config, config_given(args, config))?)
        }
        _ => Replay::new(&config.policy, secret),
    };
    let mut source = args.written.open(path, args.tenant.as_deref())?;
    let mut sinks = Sinks {
        watch: Some(watcher),
        ..Sinks::default()
    };
    let mut bar = Bar::default();
    let told = &mut |done, of| bar.reach(done, of);
    let replayed = replay(source.as_mut(), from.until(args.at), &mut sinks, told);
    let replayed = replayed.map_err(|error| replay_error(&error))?;
    drop(bar);
    if replayed.summary.records.usable == 0 && args.state.is_none() {
        let mut sentence = source.advice();
        if let (Some(at), 0) = (args.at, replayed.summary.records.dead_lettered) {
            sentence = format!("{} holds no event that arrived before --at {at}", path.display());
        }
        return Err(CliError::new(Exit::Input, sentence));
    }
    Ok(())
}

fn fold_log(
    args: &ExplainArgs,
    state: Option<Vec<u8>>,
    config: &Config,
    watcher: &mut Watcher,
) -> Result<(), CliError> {
    let settings = stream_settings(config)?;
    let options = ReplayOptions {
        to: args.at,
        ..ReplayOptions::default()
    };
    let mut handover = LogHandover {
        state,
        ..LogHandover::default()
    };
    continue_log(&settings, &options, &mut handover, watcher)?;
    Ok(())
}

/// A state of files or of the log, whichever it is.
fn look_at_state(path: &Path, bytes: &[u8], config: &Config, watcher: &mut Watcher) -> Result<(), CliError> {
    let key = config.privacy.key.as_ref().map(Secret::expose);
    if let Ok(folds) = saved_folds(bytes) {
        for fold in &folds {
            if let Some(header) = fold.header() {
                watcher.look(fold.state(), &Ingest::for_log(header, key, false));
            }
        }
        return Ok(());
    }
    let mut fold = state_file::restore(path, bytes, config, false)?;
    // What its last moment decides was left to whoever goes on: nobody does here.
    fold.finish(&mut Vec::new());
    watcher.look(fold.state(), fold.ingest());
    Ok(())
}

fn config_given(args: &ExplainArgs, config: &Config) -> bool {
    args.config.is_given() || config.policy != Policy::default()
}

fn read_alerts(path: &Path, watcher: &mut Watcher) -> Result<(), CliError> {
    let input = open_input(path, true).map_err(|error| CliError::input(&error))?;
    let (mut findings, mut others) = (0_u64, 0_u64);
    let mut lines = BoundedLines::new(input as Box<dyn BufRead + Send>, FINDING_BYTES_MAX);
    while let Some(line) = lines.next_line().map_err(|error| CliError::input(&error))? {
        let record = match line {
            Line::Whole(bytes) => serde_json::from_slice::<Value>(bytes).ok(),
            Line::TooLong { .. } => None,
        };
        match record.filter(|record| record.pointer("/finding_info/uid").is_some()) {
            Some(record) => {
                findings += 1;
                watcher.record(record);
            }
            None => others += 1,
        }
    }
    if findings == 0 && others > 0 {
        let sentence = format!(
            "{} holds no findings; it must hold what `replay --alerts` writes, one a line",
            path.display()
        );
        return Err(CliError::new(Exit::Input, sentence));
    }
    Ok(())
}

fn answer(args: &ExplainArgs, question: &Question, watcher: &mut Watcher) -> Result<(), CliError> {
    let mut output = Output::new();
    match question {
        Question::Finding(uid) => {
            if watcher.story().records.is_empty() {
                let nearest = watcher.nearest_uid().map_or_else(
                    || "; there are no findings at all".to_owned(),
                    |nearest| format!("; the nearest is {nearest}"),
                );
                return Err(CliError::new(
                    Exit::Input,
                    format!("no finding has the uid {uid}{nearest}"),
                ));
            }
            let story = watcher.story();
            if args.json {
                output.json_line(&story_json(story))?;
            } else {
                output.bytes(story.text().as_bytes())?;
            }
        }
        Question::Number(asked) => {
            // A tenant lives in one partition: the others have nothing to say.
            let mut all = watcher.inspections().iter();
            let telling = all.clone().filter(|inspection| !inspection.tenants.is_empty());
            let shown: Vec<&Inspection> = match telling.clone().next() {
                Some(_) => telling.collect(),
                None => all.by_ref().take(1).collect(),
            };
            if let (Some(tenant), true) = (&args.tenant, shown.iter().all(|i| i.tenants.is_empty())) {
                let sentence =
                    format!("no tenant is called `{tenant}` in what was read; leave --tenant out to see all");
                return Err(CliError::new(Exit::Input, sentence));
            }
            for inspection in shown {
                if args.json {
                    output.json_line(&number_json(asked, inspection))?;
                } else {
                    output.bytes(explain::number(&asked.typed, asked.reading, inspection).as_bytes())?;
                }
            }
        }
    }
    output.flush()
}

fn number_json(asked: &Asked, inspection: &Inspection) -> Value {
    let typed = asked.typed.as_str();
    let read_as = if asked.reading.is_number() { "number" } else { "range" };
    let mut value = json!({"asked": typed, "read_as": read_as});
    let seen = serde_json::to_value(inspection).expect("an inspection always serialises");
    if let (Some(value), Value::Object(seen)) = (value.as_object_mut(), seen) {
        value.extend(seen);
    }
    for (ix, tenant) in inspection.tenants.iter().enumerate() {
        value["tenants"][ix]["conclusion"] = explain::conclusion(typed, tenant, inspection.fictitious).into();
    }
    value
}

fn story_json(story: &explain::Story) -> Value {
    let blocks = story
        .blocks
        .iter()
        .map(|(at, said)| json!({"time": at.to_string(), "text": said}));
    json!({
        "uid": story.records.last().and_then(|record| record.pointer("/finding_info/uid")),
        "records": story.records,
        "explanations": story.explanations,
        "blocks": blocks.collect::<Vec<_>>(),
    })
}
