//! The process itself.

use std::net::SocketAddr;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::ms;
use crate::telemetry::{Metrics, Role};

/// A half of the program has begun.
#[derive(Clone, Copy, Debug)]
pub struct Started<'a> {
    /// Which half.
    pub role: Role,
    /// Its name in the group.
    pub member: &'a str,
    /// The consumer group.
    pub group: &'a str,
}

impl Started<'_> {
    /// Writes the log line.
    pub fn emit(&self, _: &Metrics) {
        info!(
            event = "started",
            role = self.role.as_str(),
            member = self.member,
            group = self.group,
            version = env!("CARGO_PKG_VERSION"),
            "the {} has started",
            self.role
        );
    }
}

/// The configuration in force.
#[derive(Clone, Copy, Debug)]
pub struct ConfigLoaded<'a> {
    /// Without its secrets: the redacted dump, nothing else.
    pub redacted: &'a serde_json::Value,
}

impl ConfigLoaded<'_> {
    /// Writes the log line.
    pub fn emit(&self, _: &Metrics) {
        info!(event = "config_loaded", config = %self.redacted, "the configuration in force");
    }
}

/// Another policy is in force from here on.
#[derive(Clone, Copy, Debug)]
pub struct PolicyChanged<'a> {
    /// Hash of the policy before; `None` for the first.
    pub before: Option<&'a str>,
    /// Hash of the policy now.
    pub now: &'a str,
}

impl PolicyChanged<'_> {
    /// Writes the log line and counts the change.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.policy_changes.inc();
        info!(
            event = "policy_changed",
            before = self.before,
            now = self.now,
            "another policy is in force"
        );
    }
}

/// The process has been asked to stop.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownBegun<'a> {
    /// Who asked, e.g. `SIGTERM`.
    pub cause: &'a str,
    /// How long draining may take.
    pub deadline: Duration,
}

impl ShutdownBegun<'_> {
    /// Writes the log line.
    pub fn emit(&self, _: &Metrics) {
        info!(
            event = "shutdown_begun",
            cause = self.cause,
            deadline_ms = ms(self.deadline),
            "stopping: what is under way is finished first"
        );
    }
}

/// Everything is drained and closed.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownFinished {
    /// What it took.
    pub elapsed: Duration,
}

impl ShutdownFinished {
    /// Writes the log line.
    pub fn emit(&self, _: &Metrics) {
        info!(event = "shutdown_finished", elapsed_ms = ms(self.elapsed), "stopped");
    }
}

/// Something took longer than it may.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineMissed<'a> {
    /// What, e.g. `drain of the detector`.
    pub what: &'a str,
    /// How long it was allowed to take.
    pub deadline: Duration,
}

impl DeadlineMissed<'_> {
    /// Writes the log line and counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.deadlines_missed.inc();
        warn!(
            event = "deadline_missed",
            what = self.what,
            deadline_ms = ms(self.deadline),
            "{} was not done in time; it goes on from the last commit at the next start",
            self.what
        );
    }
}

/// The HTTP server answers.
#[derive(Clone, Copy, Debug)]
pub struct HttpListening {
    /// Where.
    pub address: SocketAddr,
}

impl HttpListening {
    /// Writes the log line.
    pub fn emit(&self, _: &Metrics) {
        info!(event = "http_listening", address = %self.address, "listening on http://{}", self.address);
    }
}

/// A connection to the HTTP server could not be accepted or ended early.
#[derive(Clone, Copy, Debug)]
pub struct HttpConnectionFailed<'a> {
    /// Why.
    pub error: &'a str,
}

impl HttpConnectionFailed<'_> {
    /// Writes the log line (debug: any client can cause it), counts the failure.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.http_failures.inc();
        debug!(
            event = "http_connection_failed",
            error = self.error,
            "a connection ended early"
        );
    }
}
