//! Keeps a flood of equal events from flooding the log.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lets one line through in each interval and counts the others.
#[derive(Debug)]
pub(super) struct Gate {
    interval: Duration,
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    opened: Option<Instant>,
    held_back: u64,
}

impl Gate {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            state: Mutex::default(),
        }
    }

    /// `Some(n)`: write the line, `n` others were held back since the last one.
    pub(super) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = super::metrics::lock(&self.state);
        match state.opened {
            Some(opened) if now.duration_since(opened) < self.interval => {
                state.held_back += 1;
                None
            }
            _ => {
                state.opened = Some(now);
                Some(std::mem::take(&mut state.held_back))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_an_interval_and_the_rest_counted() {
        let gate = Gate::new(Duration::from_secs(1));
        let start = Instant::now();
        assert_eq!(gate.pass(start), Some(0));
        assert_eq!(gate.pass(start), None);
        assert_eq!(gate.pass(start + Duration::from_millis(999)), None);
        assert_eq!(gate.pass(start + Duration::from_secs(1)), Some(2));
        assert_eq!(gate.pass(start + Duration::from_secs(9)), Some(0));
    }
}
