//! `pumpwatch number`: what the number plan says.

use std::io::Write;

use clap::Args;

use crate::number_plan;

use super::error::CliError;
use super::output::Output;
use crate::lab::lines::{BoundedLines, Line};

/// Far more than a number: what is longer is shown cut, and is none.
const LINE_BYTES_MAX: usize = 256;

#[derive(Debug, Args)]
pub(super) struct NumberArgs {
    /// Numbers with their +, as in +998901234567; `-` reads them from standard input, one a line
    #[arg(value_name = "NUMBER", required = true)]
    numbers: Vec<String>,
}

pub(super) fn execute(args: &NumberArgs) -> Result<(), CliError> {
    let mut output = Output::new();
    for number in &args.numbers {
        if number == "-" {
            describe_lines(&mut output)?;
        } else {
            describe(number, &mut output)?;
        }
    }
    output.flush()
}

fn describe(number: &str, output: &mut Output<impl Write>) -> Result<(), CliError> {
    output.json_line(&number_plan::describe(number))
}

fn describe_lines(output: &mut Output<impl Write>) -> Result<(), CliError> {
    let mut lines = BoundedLines::new(std::io::stdin().lock(), LINE_BYTES_MAX);
    while let Some(line) = lines.next_line().map_err(|error| CliError::input(&error))? {
        match line {
            Line::Whole(bytes) => describe(&String::from_utf8_lossy(bytes), output)?,
            Line::TooLong { len } => describe(&format!("a line of {len} bytes"), output)?,
        }
    }
    Ok(())
}
