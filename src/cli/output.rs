//! Standard output as a stream of data.

use std::io::{BufWriter, StdoutLock, Write};

use serde::Serialize;

use super::error::CliError;

/// A buffered output whose failures are [`CliError`]s; a reader that has gone
/// ends the command quietly.
pub(super) struct Output<W: Write>(BufWriter<W>);

impl Output<StdoutLock<'static>> {
    /// Standard output.
    pub(super) fn new() -> Self {
        Self::over(std::io::stdout().lock())
    }
}

impl<W: Write> Output<W> {
    pub(super) fn over(writer: W) -> Self {
        Self(BufWriter::with_capacity(64 * 1024, writer))
    }

    /// One JSON value a line.
    pub(super) fn json_line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(value).expect("what is printed always serialises");
        line.push(b'\n');
        self.bytes(&line)
    }

    /// The bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.0.write_all(bytes).map_err(|error| CliError::stdout(&error))
    }

    /// Lets the reader see what was written so far.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.0.flush().map_err(|error| CliError::stdout(&error))
    }
}
