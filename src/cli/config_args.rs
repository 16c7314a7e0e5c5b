//! `--config`, as every command takes it.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::config::{Brokers, Config, ENV_PREFIX};

use super::error::{CliError, Exit};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Configuration file (YAML); without one the environment alone configures
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// As if this file had been named.
    pub(super) fn of(path: PathBuf) -> Self {
        Self { config: Some(path) }
    }

    /// The file that was named.
    pub(super) fn path(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }

    /// Whether a file was named.
    pub(super) fn is_given(&self) -> bool {
        self.config.is_some()
    }

    /// The same with other brokers than it names, if any are given.
    pub(super) fn load_with_brokers(&self, brokers: Option<&str>, need: Brokers) -> Result<Config, CliError> {
        let mut variables = variables()?;
        if let Some(brokers) = brokers {
            let name = format!("{ENV_PREFIX}KAFKA__BROKERS");
            variables.retain(|(other, _)| *other != name);
            variables.push((name, brokers.to_owned()));
        }
        Ok(Config::load(self.config.as_deref(), &variables, need)?)
    }

    /// Reads and checks the configuration.
    pub(super) fn load(&self, brokers: Brokers) -> Result<Config, CliError> {
        Ok(Config::load(self.config.as_deref(), &variables()?, brokers)?)
    }
}

/// The environment variables that belong to the configuration.
fn variables() -> Result<Vec<(String, String)>, CliError> {
    std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with(ENV_PREFIX))
        .map(|(name, value)| match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            (Ok(name), Err(_)) => Err(CliError::new(
                Exit::Config,
                format!("the environment variable {name} is not UTF-8 text; write it anew"),
            )),
            (Err(_), _) => Err(CliError::new(
                Exit::Config,
                "an environment variable of the configuration is not UTF-8 text; write it anew",
            )),
        })
        .collect()
}
