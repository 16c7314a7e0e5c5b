//! What is normal: who lives where, how many of them verify and how soon, and
//! which networks and devices they come from.
//!
//! Everything here errs on the side of the accused: shares are upper bounds,
//! conversion is a lower bound, latency is slower than people are. And nothing
//! here is learned from the accused: shares come from approved attempts, history
//! is held back and leaves out what was blocked in the meantime.

mod history;
mod hold;
mod latency;
mod learned_latency;
mod memory;
mod season;
mod share;

pub(crate) use history::{
    History, ceiling_within, conversion_lower_bound, honest_per_hour, region_ceiling, relative_conversion,
    source_ceiling,
};
pub(crate) use hold::{HeldCounts, HoldBack};
pub(crate) use latency::LatencyCurve;
#[cfg(test)]
pub(crate) use learned_latency::EDGES;
pub(crate) use learned_latency::{BINS, BinBounds, LearnedLatency, Prior, Votes, bin_of, bin_text};
pub(crate) use memory::Memory;
pub(crate) use season::{Exposure, Factors, Season};
pub(crate) use share::Share;

use crate::model::Millis;

/// What is left at `now` of a count as of `at` that fades with the time constant `decay_ms`.
pub(crate) fn kept(at: Millis, now: Millis, decay_ms: f64) -> f64 {
    libm::exp(-((now - at).max(0) as f64) / decay_ms)
}
