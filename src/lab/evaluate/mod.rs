//! Judges detectors: every scenario, several seeds, the detector beside the
//! rules that are in use elsewhere, all on the same events.
//!
//! | Part | What it does |
//! |---|---|
//! | `judge` | what is evaluated: sees events, blocks prefixes |
//! | `pumpwatch`, `peers` | those that are |
//! | `suite` | which worlds |
//! | `world`, `run` | one world before its judges; many on several threads |
//! | `truth`, `score` | what really happened; how well a judge met it |
//! | `sweep`, `ablation` | one property of an attack varied; one part of the detector switched off |
//! | `table`, `intervals` | runs put together, with confidence intervals |
//! | `bound`, `pairs` | false alarms against what is promised; innocent explanations in pairs |
//! | `report` | the same as JSON, Markdown and HTML |
//!
//! A decision acts from the next message on: delays of the plant (a tick a
//! second, the way to the blocker) are not part of it.

pub mod ablation;
pub mod bound;
pub mod intervals;
pub mod judge;
pub mod pairs;
pub mod peers;
pub mod pumpwatch;
pub mod report;
pub mod run;
pub mod score;
pub mod suite;
pub mod sweep;
pub mod table;
pub mod truth;
pub mod world;

use std::sync::Arc;

use crate::detector::{Policy, Tuning};

use judge::Judge;
use pumpwatch::Pumpwatch;
use run::Entrant;

/// Name of the detector among the judges.
pub const PUMPWATCH: &str = "pumpwatch";

/// The detector under `tuning`.
pub fn detector(name: &str, title: &str, policy: &Policy, tuning: Tuning) -> Entrant {
    let policy = policy.clone();
    Entrant {
        name: name.into(),
        title: title.into(),
        parameter: None,
        make: Arc::new(move || Box::new(Pumpwatch::new(&policy, tuning.clone())) as Box<dyn Judge>),
    }
}
