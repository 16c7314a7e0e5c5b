//! `pumpwatch check`: would `run` work?

use clap::Args;

use crate::config::Brokers;

use super::config_args::ConfigArgs;
use super::error::CliError;
use super::wire;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn execute(args: &CheckArgs) -> Result<(), CliError> {
    let config = args.config.load(Brokers::Required)?;
    wire::check(&config)
}
