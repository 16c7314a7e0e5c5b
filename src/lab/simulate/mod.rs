//! A seeded world that sends: honest tenants, attacks and innocent oddities, as
//! one stream of canonical events in the order of their arrival. The same
//! scenario and seed give the same events on every run; memory is bounded by
//! what is pending, whatever the length.

mod attack;
mod builtin;
mod countries;
mod draw;
mod engine;
mod honest;
mod innocent;
mod output;
mod overlay;
mod overlay_file;
mod pace;
pub mod pairs;
mod pending;
mod people;
mod presets;
mod ranges;
mod scenario;
mod talk;
mod world;

pub use engine::Simulator;
pub use output::{Limits, Summary, simulate_to_file, write_line};
pub use overlay::{
    Agents, AttackSpec, Devices, FakeLatency, InnocentKind, InnocentSpec, Numbers, OverlayKind, OverlaySpec, Reaction,
    Source, Target, Timing,
};
pub use pace::Pace;
pub use scenario::{AppKind, AppSpec, LabError, Scenario, TenantSpec, WorldKind, WorldSpec};

use serde::Serialize;

use crate::model::{Event, Micros, Millis};

/// Which overlay an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Place of the overlay in the scenario.
    pub overlay: u16,
    /// Whether that overlay is an attack.
    pub attack: bool,
}

/// One event of the simulated world.
#[derive(Clone, Debug, PartialEq)]
pub struct SimEvent {
    /// When it arrives. Events come in this order.
    pub ingest: Millis,
    /// What arrives.
    pub event: Event,
    /// The truth about it; `None` for ordinary honest traffic.
    pub label: Option<Label>,
    /// What the message that it is about costs, in millionths of a US dollar,
    /// also where the record does not say it.
    pub price: Micros,
}

/// What an overlay did, known when (or as far as) it was generated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Campaign {
    /// Label of its events.
    pub id: String,
    /// Name of its kind.
    pub kind: &'static str,
    /// An attack, or an innocent oddity.
    pub attack: bool,
    /// Whose traffic.
    pub tenant: String,
    /// Which app, if one in particular.
    pub app: Option<String>,
    /// Every prefix an attack drew its numbers from.
    pub ranges: Vec<String>,
    /// When it was to begin and end.
    #[serde(serialize_with = "as_text")]
    pub start: Millis,
    /// See `start`.
    #[serde(serialize_with = "as_text")]
    pub end: Millis,
    /// Its first message; `None` before there is one.
    #[serde(serialize_with = "as_text_or_null")]
    pub first_message: Option<Millis>,
    /// Its last message so far.
    #[serde(serialize_with = "as_text_or_null")]
    pub last_message: Option<Millis>,
    /// Messages it caused that were sent.
    pub messages: u64,
    /// Messages that a block stopped.
    pub blocked: u64,
    /// What the sent ones cost, in millionths of a US dollar.
    pub cost_micros: Micros,
}

// The signatures are serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn as_text<S: serde::Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[allow(clippy::ref_option)]
fn as_text_or_null<S: serde::Serializer>(time: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
