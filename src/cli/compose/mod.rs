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

impl From<StreamError> for CliError {
    fn from(error: StreamError) -> Self {
        let exit = match error.exit_code() {
            64 => Exit::Config,
            65 => Exit::Input,
            69 => Exit::Broker,
            _ => Exit::Internal,
        };
        Self::new(exit, error.to_string())
    }
}
