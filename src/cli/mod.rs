//! The command line: one subcommand a file, and what they share.
//!
//! Standard output is data, standard error is for people. Every failure is a
//! [`CliError`]: a sentence and an exit code of the contract.

pub mod atomic;
mod backtest;
mod check;
mod completions;
mod compose;
mod config_args;
mod decode;
mod demo;
mod error;
mod evaluate;
mod explain;
pub mod input;
mod man;
mod number;
mod output;
mod own_data;
mod panic;
pub mod progress;
mod replay;
mod run;
mod schema;
mod simulate;
mod source_args;
mod state_file;
mod topics;
mod values;
mod version;
mod wire;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::telemetry::{self, LogFormat, LogOptions};

pub use error::{CliError, Exit};

const AFTER_HELP: &str = "\
Exit codes: 0 done, 2 usage, 64 configuration, 65 input unusable, 69 broker unavailable, 70 internal.
Every key of the configuration may be set as an environment variable, as in PUMPWATCH__KAFKA__BROKERS.";

/// Finds SMS pumping in a stream of SMS sends and verifications.
#[derive(Debug, Parser)]
#[command(name = "pumpwatch", version, after_help = AFTER_HELP, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// What is logged, as in `info` or `info,pumpwatch::stream=debug` [default: RUST_LOG, else info]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,

    /// How log lines look [default: PUMPWATCH_LOG_FORMAT, else text at a terminal and json elsewhere]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the inputs, detect, publish findings and blocks, until stopped
    Run(run::RunArgs),
    /// Show it all at once: embedded broker, simulated traffic, a campaign, its finding and its block
    Demo(demo::DemoArgs),
    /// Check configuration, broker, topics and permissions, and say what is missing
    Check(check::CheckArgs),
    /// Run the detector over a file of events, or over the internal log again
    Replay(replay::ReplayArgs),
    /// Write simulated traffic, with or without attacks, to a file or to Kafka
    Simulate(simulate::SimulateArgs),
    /// Measure delays, leaks and false alarms over simulated worlds, or report on your own past traffic
    Evaluate(evaluate::EvaluateArgs),
    /// Say why a finding was made, or why a number is blocked or not
    Explain(explain::ExplainArgs),
    /// Show what each record of a source becomes
    Decode(decode::DecodeArgs),
    /// Show what the number plan says of telephone numbers
    Number(number::NumberArgs),
    /// Create or describe the topics that Pumpwatch needs
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Print the schemas of what is read, written and configured
    Schema(schema::SchemaArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(man::ManArgs),
    /// Print the version
    Version(version::VersionArgs),
}

impl Command {
    /// What is logged when nobody asked: the demonstration tells its own story.
    fn quiet_filter(&self) -> Option<String> {
        matches!(self, Self::Demo(_)).then(|| "warn".to_owned())
    }
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    panic::install_hook();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap knows the stream and the code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    match set_up_logging(&cli).and_then(|()| dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn set_up_logging(cli: &Cli) -> Result<(), CliError> {
    let from_env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let format = cli
        .log_format
        .clone()
        .or_else(|| from_env("PUMPWATCH_LOG_FORMAT"))
        .map(|text| text.parse::<LogFormat>())
        .transpose()?;
    let options = LogOptions {
        filter: cli
            .log
            .clone()
            .or_else(|| from_env("RUST_LOG"))
            .or_else(|| cli.command.quiet_filter()),
        format,
    };
    telemetry::init(&options)?;
    Ok(())
}

fn dispatch(command: Command) -> Result<(), CliError> {
    match command {
        Command::Run(args) => run::execute(&args),
        Command::Demo(args) => demo::execute(&args),
        Command::Check(args) => check::execute(&args),
        Command::Replay(args) => replay::execute(&args),
        Command::Simulate(args) => simulate::execute(&args),
        Command::Evaluate(args) => evaluate::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::Decode(args) => decode::execute(&args),
        Command::Number(args) => number::execute(&args),
        Command::Topics(command) => topics::execute(&command),
        Command::Schema(args) => schema::execute(&args),
        Command::Completions(args) => completions::execute(&args, Cli::command()),
        Command::Man(args) => man::execute(&args, Cli::command()),
        Command::Version(args) => version::execute(&args),
    }
}

/// Now, for what a file does not tell.
fn wall_clock() -> crate::model::Millis {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    crate::model::Millis(since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
