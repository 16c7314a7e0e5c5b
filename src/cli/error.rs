//! Failures of a command: a sentence and an exit code.

use std::io;
use std::process::ExitCode;

use thiserror::Error;

use crate::config::ConfigError;
use crate::serve::ServeError;
use crate::telemetry::LogError;

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Wrong use of the command line.
    Usage = 2,
    /// The configuration was refused.
    Config = 64,
    /// An input cannot be used.
    Input = 65,
    /// The broker cannot be reached, or refuses.
    Broker = 69,
    /// A defect, or a resource such as the disk that failed.
    Internal = 70,
}

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// With sentences, one a line, that say what to change.
    #[error("{message}")]
    Failed {
        /// The exit code.
        exit: Exit,
        /// The sentences.
        message: String,
    },
    /// Whoever read the output has had enough (`pumpwatch … | head`): no failure.
    #[error("the reader of the output has gone")]
    ReaderGone,
}

impl CliError {
    /// A failure with its code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Failed {
            exit,
            message: message.into(),
        }
    }

    /// An input that cannot be used; the errors of [`super::input`] are sentences already.
    pub fn input(error: &io::Error) -> Self {
        Self::new(Exit::Input, error.to_string())
    }

    /// Standard output could not be written.
    pub fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::new(
            Exit::Internal,
            format!("cannot write the output: {error}; is the disk full?"),
        )
    }

    /// Prints the sentences and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Failed { exit, message } => {
                for line in message.lines() {
                    // Nobody is left to tell when standard error is closed too.
                    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("pumpwatch: {line}\n"));
                }
                ExitCode::from(*exit as u8)
            }
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error.to_string())
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        Self::new(Exit::Config, error.to_string())
    }
}

impl From<LogError> for CliError {
    fn from(error: LogError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}
