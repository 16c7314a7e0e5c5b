//! What each family contributed, for the explanation only.

use serde::{Deserialize, Serialize};

use super::hammering;
use crate::detector::profile::PROFILES;

/// Products of each family's ratios since the change point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parts {
    pub(crate) digits: [f64; PROFILES],
    pub(crate) volume: [f64; PROFILES],
    pub(crate) verification: [f64; PROFILES],
    pub(crate) after_life: [f64; PROFILES],
    pub(crate) novelty: f64,
    pub(crate) geography: f64,
    pub(crate) device: f64,
    pub(crate) validity: f64,
    pub(crate) suspects: f64,
    pub(crate) regularity: f64,
    /// The number that was hammered last, at a block of 100.
    pub(crate) hammer: hammering::Hammer,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            digits: [1.0; PROFILES],
            volume: [1.0; PROFILES],
            verification: [1.0; PROFILES],
            after_life: [1.0; PROFILES],
            novelty: 1.0,
            geography: 1.0,
            device: 1.0,
            validity: 1.0,
            suspects: 1.0,
            regularity: 1.0,
            hammer: hammering::Hammer::default(),
        }
    }
}
