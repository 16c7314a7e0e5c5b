//! `--state` and `--save-state`: what was folded need not be folded again.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::config::{Config, Secret};
use crate::detector::Tuning;
use crate::lab::fold::{Fold, RestoreError};

use super::atomic::AtomicFile;
use super::error::{CliError, Exit};
use super::input::open_input;

/// Far more than a state may be; what unpacks to more is none.
const STATE_BYTES_MAX: u64 = 8 << 30;
/// Zstandard's level: higher ones gain little and take long.
const LEVEL: i32 = 3;

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// Go on from a state that --save-state wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) state: Option<PathBuf>,

    /// Write the state here to go on later; what the last millisecond decides is left to that
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "to")]
    pub(super) save_state: Option<PathBuf>,
}

impl StateArgs {
    /// The bytes of `--state`, unpacked.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, CliError> {
        self.state.as_deref().map(read).transpose()
    }

    /// Begins the file of `--save-state`, so that a path that cannot be written is
    /// told before the work, not after it.
    pub(super) fn create(&self) -> Result<Option<AtomicFile>, CliError> {
        self.save_state.as_deref().map(AtomicFile::create).transpose()
    }
}

/// The bytes of a state, unpacked.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    open_input(path, false)
        .and_then(|input| input.take(STATE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| CliError::input(&error))?;
    if bytes.len() as u64 > STATE_BYTES_MAX {
        let sentence = format!(
            "{} is too large for a state; name a file of --save-state",
            path.display()
        );
        return Err(CliError::new(Exit::Input, sentence));
    }
    Ok(bytes)
}

/// The fold that a state of files holds; under the configuration's policy when one
/// was given, else under its own.
pub(super) fn restore(path: &Path, bytes: &[u8], config: &Config, config_given: bool) -> Result<Fold, CliError> {
    let secret = config.privacy.key.as_ref().map(Secret::expose);
    let policy = config_given.then_some(&config.policy);
    // A change of policy says only that it changed, and a replay prints no audit.
    let mut effects = Vec::new();
    Fold::from_snapshot(bytes, policy, &Tuning::default(), secret, &mut effects).map_err(|error| {
        let exit = match error {
            RestoreError::Snapshot(_) => Exit::Input,
            RestoreError::Key => Exit::Config,
        };
        CliError::new(exit, format!("{}: {error}", path.display()))
    })
}

/// Writes a state, packed.
pub(super) fn write(mut file: AtomicFile, bytes: &[u8]) -> Result<(), CliError> {
    let packed = (|| {
        let mut encoder = zstd::Encoder::new(&mut file, LEVEL)?;
        encoder.write_all(bytes)?;
        encoder.finish().map(|_| ())
    })();
    packed.map_err(|error| CliError::stdout(&error))?;
    file.commit()
}
