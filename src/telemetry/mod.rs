//! What the program says of itself: log lines, metrics and health.
//!
//! `events` is the one catalogue of internal events: each is a struct whose
//! `emit` writes its log line and its metric, so that the two never disagree.
//! No number and no prefix is ever in a label.

pub mod events;
mod gate;
mod health;
mod latency;
mod logging;
mod metrics;
mod totals;

pub use health::{Check, Condition, Health, Heartbeat, Report};
pub use latency::LatencyHistogram;
pub use logging::{LogError, LogFormat, LogOptions, init};
pub use metrics::{CONTENT_TYPE, Metrics, Role};
