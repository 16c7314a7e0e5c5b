//! The calls into the layers below: the one place where commands meet them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::config::Config;

use super::decode::Decoder;
use super::error::{CliError, Exit};
use super::replay::{ReplaySinks, ReplaySource};
use super::run::RunRole;
use super::schema::SchemaName;

/// The longest record that the decoders take, in bytes.
pub(super) const RECORD_BYTES_MAX: usize = 1 << 20;

fn unavailable(what: &str) -> CliError {
    CliError::new(Exit::Internal, format!("unavailable: this build has no {what}"))
}

pub(super) fn run(config: &Config, role: RunRole) -> Result<(), CliError> {
    let _ = (config, role);
    Err(unavailable("stream"))
}

pub(super) fn demo(listen: SocketAddr, run_for: Option<Duration>) -> Result<(), CliError> {
    let _ = (listen, run_for);
    Err(unavailable("demo"))
}

pub(super) fn check(config: &Config) -> Result<(), CliError> {
    let _ = config;
    Err(unavailable("stream"))
}

pub(super) fn replay(config: &Config, source: ReplaySource, sinks: ReplaySinks<'_>) -> Result<(), CliError> {
    match source {
        ReplaySource::File(reader) => drop(reader),
        ReplaySource::Kafka { from, to } => {
            let _ = (from, to);
        }
    }
    let _ = (config, sinks.alerts, sinks.blocklist, sinks.summary);
    Err(unavailable("lab"))
}

pub(super) fn create_topics(config: &Config, partitions: u32, replication_factor: Option<u16>) -> Result<(), CliError> {
    let _ = (config, partitions, replication_factor);
    Err(unavailable("stream"))
}

pub(super) fn describe_topics(config: &Config) -> Result<(), CliError> {
    let _ = config;
    Err(unavailable("stream"))
}

pub(super) fn decoder(format: &str) -> Result<Decoder, CliError> {
    let _ = format;
    Err(unavailable("decoders"))
}

pub(super) fn describe_number(number: &str) -> Result<Value, CliError> {
    let _ = number;
    Err(unavailable("number plan"))
}

pub(super) fn schema(name: SchemaName) -> Result<Value, CliError> {
    let _ = name;
    Err(unavailable("schemas"))
}

/// librdkafka's and the number plan's versions, with their names.
pub(super) fn library_versions() -> Result<Vec<(&'static str, String)>, CliError> {
    Err(unavailable("libraries"))
}
