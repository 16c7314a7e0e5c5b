//! `pumpwatch man`.

use clap::{Args, Command};

use super::error::{CliError, Exit};
use super::output::Output;

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The page of this command [default: of the program]
    command: Option<String>,
}

pub(super) fn execute(args: &ManArgs, mut program: Command) -> Result<(), CliError> {
    // Gives the subcommands their full names and the global flags.
    program.build();
    let page_of = match &args.command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
            CliError::new(
                Exit::Usage,
                format!("there is no command `{name}`; the commands are {}", known.join(", ")),
            )
        })?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(page_of)
        .render(&mut page)
        .map_err(|error| CliError::stdout(&error))?;
    let mut output = Output::new();
    output.bytes(&page)?;
    output.flush()
}
