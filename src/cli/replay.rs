//! `pumpwatch replay`: the same detector over what has been.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueHint};

use crate::config::Brokers;
use crate::detector::Policy;
use crate::lab::source::Source;
use crate::model::Millis;

use super::atomic::AtomicFile;
use super::config_args::ConfigArgs;
use super::error::{CliError, Exit};
use super::source_args::TenantSourceArgs;
use super::state_file::{self, StateArgs};
use super::{backtest, values, wire};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["input", "from_kafka"]))]
pub(super) struct ReplayArgs {
    /// Records, one a line, or a table (.csv, .tsv, .parquet); plain, .gz or .zst; `-` is standard input
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: Option<PathBuf>,

    /// Fold the internal log again: the same bytes as the live run published
    #[arg(long)]
    from_kafka: bool,

    /// With --from-kafka: begin at this log time (RFC 3339 or epoch ms)
    #[arg(long, value_name = "TIME", conflicts_with = "input", value_parser = values::time)]
    from: Option<Millis>,

    /// With --from-kafka: end before this log time (RFC 3339 or epoch ms)
    #[arg(long, value_name = "TIME", conflicts_with = "input", value_parser = values::time)]
    to: Option<Millis>,

    #[command(flatten)]
    config: ConfigArgs,

    /// Write findings here, one a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    alerts: Option<PathBuf>,

    /// Write changes of the blocklist here, one a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    blocklist: Option<PathBuf>,

    /// Write the summary here, one JSON object [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    summary: Option<PathBuf>,

    /// Fold the same events under this configuration too, and print what appears, vanishes and moves
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    against: Option<PathBuf>,

    /// With --against: write the comparison here, one JSON object
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "against")]
    comparison: Option<PathBuf>,

    #[command(flatten)]
    written: TenantSourceArgs,

    #[command(flatten)]
    state: StateArgs,
}

/// Where the events of a replay come from.
pub(super) enum ReplaySource {
    /// The records of a file.
    File(Box<dyn Source>),
    /// The internal log, `from` (inclusive) and `to` (exclusive) in log time.
    /// `policy`: under the given configuration instead of the one in the log.
    Kafka {
        from: Option<Millis>,
        to: Option<Millis>,
        policy: bool,
    },
}

/// Where a replay writes; `None` is not wanted.
pub(super) struct ReplaySinks<'a> {
    pub alerts: Option<&'a mut dyn Write>,
    pub blocklist: Option<&'a mut dyn Write>,
    pub summary: &'a mut dyn Write,
    /// What `--save-state` is to hold; `None` is not wanted.
    pub saved: Option<&'a mut Vec<u8>>,
}

/// What a replay goes on from.
pub(super) struct Earlier {
    /// The file, for sentences.
    pub path: PathBuf,
    /// Its bytes, unpacked.
    pub bytes: Vec<u8>,
    /// Whether a configuration was given, whose policy replaces the state's.
    pub config_given: bool,
}

pub(super) fn execute(args: &ReplayArgs) -> Result<(), CliError> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(CliError::new(
            Exit::Usage,
            format!("--from {from} is not before --to {to}; exchange them"),
        ));
    }
    refuse_equal_outputs(args)?;
    refuse_state_of_two(args)?;
    let brokers = if args.from_kafka {
        Brokers::Required
    } else {
        Brokers::Optional
    };
    let config = args.config.load(brokers)?;
    let against = args
        .against
        .clone()
        .map(|path| ConfigArgs::of(path).load(Brokers::Optional));
    let against = against.transpose()?;
    let source = match &args.input {
        Some(path) => ReplaySource::File(args.written.open(path)?),
        None => ReplaySource::Kafka {
            from: args.from,
            to: args.to,
            policy: args.config.is_given(),
        },
    };
    let create = |path: &Option<PathBuf>| path.as_deref().map(AtomicFile::create).transpose();
    let (mut alerts, mut blocklist, mut summary) =
        (create(&args.alerts)?, create(&args.blocklist)?, create(&args.summary)?);
    let mut comparison = create(&args.comparison)?;
    let saved_file = args.state.create()?;
    let mut saved = saved_file.is_some().then(Vec::new);
    let earlier = match (args.state.state.clone(), args.state.read()?) {
        (Some(path), Some(bytes)) => Some(Earlier {
            path,
            bytes,
            config_given: args.config.is_given() || config.policy != Policy::default(),
        }),
        _ => None,
    };
    let mut printed = Vec::new();
    let sinks = ReplaySinks {
        alerts: alerts.as_mut().map(|file| file as &mut dyn Write),
        blocklist: blocklist.as_mut().map(|file| file as &mut dyn Write),
        summary: match &mut summary {
            Some(file) => file,
            None => &mut printed,
        },
        saved: saved.as_mut(),
    };
    let verdict = match (&args.against, &against) {
        (Some(path), Some(against)) => {
            let found = backtest::backtest([&config, against], source, sinks)?;
            if let Some(out) = &mut comparison {
                backtest::write_json(out, &found.comparison)?;
            }
            // The comparison takes the summary's place on standard output.
            printed = backtest::shown(&found.comparison, args.config.path(), path).into_bytes();
            found.verdict
        }
        _ => wire::replay(&config, source, earlier, sinks)?,
    };
    if let (Some(file), Some(bytes)) = (saved_file, saved) {
        state_file::write(file, &bytes)?;
    }
    for file in [alerts, blocklist, summary, comparison].into_iter().flatten() {
        file.commit()?;
    }
    let mut output = super::output::Output::new();
    output.bytes(&printed)?;
    output.flush()?;
    verdict
}

/// A state is of one configuration, and the blocks that stand in it are not in the
/// account of a comparison.
fn refuse_state_of_two(args: &ReplayArgs) -> Result<(), CliError> {
    let flag = match (&args.state.state, &args.state.save_state) {
        _ if args.against.is_none() => return Ok(()),
        (None, None) => return Ok(()),
        (Some(_), _) => "--state",
        (None, Some(_)) => "--save-state",
    };
    Err(CliError::new(
        Exit::Usage,
        format!(
            "{flag} is the state of one configuration, and --against compares two from the beginning; leave one of them out"
        ),
    ))
}

/// Two outputs in one file would overwrite each other at the end.
fn refuse_equal_outputs(args: &ReplayArgs) -> Result<(), CliError> {
    let named: Vec<(&str, &Path)> = [
        ("--alerts", &args.alerts),
        ("--blocklist", &args.blocklist),
        ("--summary", &args.summary),
        ("--comparison", &args.comparison),
        ("--save-state", &args.state.save_state),
    ]
    .into_iter()
    .filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    .filter(|(_, path)| !path.starts_with("/dev"))
    .collect();
    for (index, (flag, path)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..index].iter().find(|(_, earlier)| earlier == path) {
            return Err(CliError::new(
                Exit::Usage,
                format!(
                    "{other} and {flag} both name {}; give each its own file",
                    path.display()
                ),
            ));
        }
    }
    Ok(())
}
