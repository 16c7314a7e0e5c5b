//! The composition root's parts: configuration into the stream layer's settings,
//! the stream layer's voice into metrics and health, and both into one service.

mod observer;
mod service;
mod settings;

pub(super) use observer::Telemetry;
pub(super) use service::Service;
pub(super) use settings::stream_settings;

use super::error::{CliError, Exit};
use crate::stream::StreamError;

/// The contract's exit code of a failure of the stream.
pub(super) fn exit_of(error: &StreamError) -> Exit {
    match error.exit_code() {
        64 => Exit::Config,
        65 => Exit::Input,
        69 => Exit::Broker,
        _ => Exit::Internal,
    }
}

impl From<StreamError> for CliError {
    fn from(error: StreamError) -> Self {
        Self::new(exit_of(&error), error.to_string())
    }
}
