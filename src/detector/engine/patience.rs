//! Whether the people of an app ask again: learned, and held against an outage.

use super::Engine;
use super::attempts::Attempt;
use crate::detector::evidence::patience;

/// Stage of silence, 100 seconds, by which who waits for a code has asked again.
const ASKED_STAGE: usize = 8;

impl Engine {
    /// An attempt's silence goes from its stage on to another: once it has waited for
    /// long, it tells whether its sender asked again.
    pub(super) fn weigh_patience(&mut self, attempt: &Attempt, stage: usize) {
        if attempt.repeat || attempt.stage >= ASKED_STAGE || stage < ASKED_STAGE {
            return;
        }
        let app = &mut self.apps[attempt.app as usize];
        let factor = patience::ratio(&app.asked, attempt.asked).filter(|_| self.tuning.enabled.patience);
        app.asked.observe(attempt.asked);
        if let Some(factor) = factor {
            self.weigh_against_outage(attempt, factor);
        }
    }
}
