//! `pumpwatch run`: the service.

use clap::{Args, ValueEnum};

use crate::config::Brokers;

use super::config_args::ConfigArgs;
use super::error::CliError;
use super::wire;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Which half to run here
    #[arg(long, value_enum, default_value_t = RunRole::All)]
    role: RunRole,
}

/// Which half of the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RunRole {
    /// Router and detector in one process
    All,
    /// Sources to the internal log
    Router,
    /// The internal log to findings and blocks
    Detector,
}

pub(super) fn execute(args: &RunArgs) -> Result<(), CliError> {
    let config = args.config.load(Brokers::Required)?;
    wire::run(&config, args.role)
}
