//! `pumpwatch topics`: the topics, with the settings that they need.

use clap::{Args, Subcommand};

use crate::config::Brokers;

use super::config_args::ConfigArgs;
use super::error::CliError;
use super::wire;

#[derive(Debug, Subcommand)]
pub(super) enum TopicsCommand {
    /// Create the topics that are missing; those that are there stay as they are
    Create(CreateArgs),
    /// Show partitions and settings of each topic, and what differs from what is needed
    Describe(DescribeArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Partitions of the internal log: fixed for its life, and the bound on members that share the work
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    partitions: u32,

    /// Copies of each partition [default: the broker's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    replication_factor: Option<u16>,
}

#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn execute(command: &TopicsCommand) -> Result<(), CliError> {
    match command {
        TopicsCommand::Create(args) => {
            let config = args.config.load(Brokers::Required)?;
            wire::create_topics(&config, args.partitions, args.replication_factor)
        }
        TopicsCommand::Describe(args) => wire::describe_topics(&args.config.load(Brokers::Required)?),
    }
}
