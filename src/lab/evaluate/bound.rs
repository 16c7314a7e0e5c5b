//! False alarms on attack-free worlds against what is promised: D·N/A, where N are
//! the honest sends, D the kinds of node that a send touches, and A the evidence
//! that a level needs.

use serde::Serialize;

use super::intervals::poisson_one_sided;
use super::run::Run;

/// An alert opens at a hundredth of a block's evidence.
const ALERT_SHARE: f64 = 100.0;

/// What the detector promises.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// False alarms at level `block` in a million messages, at most.
    pub per_million: f64,
    /// Kinds of node that a message touches: D.
    pub node_kinds: f64,
}

/// One level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// `block` or `alert`.
    pub level: &'static str,
    /// Attack-free worlds.
    pub worlds: u64,
    /// Honest sends in them: N.
    pub honest: u64,
    /// False alarms in them.
    pub observed: u64,
    /// The same in a million sends.
    pub per_million: f64,
    /// The rate's 95 % upper bound, one-sided.
    pub upper_per_million: f64,
    /// The rate's 95 % lower bound, one-sided.
    pub lower_per_million: f64,
    /// ln A.
    pub log_a: f64,
    /// D·N/A.
    pub promised: f64,
    /// D/A in a million sends.
    pub promised_per_million: f64,
    /// Whether the lower bound lies within the promise.
    pub is_kept: bool,
}

/// Both levels of a judge; empty where no world is without an attack.
pub fn bounds(runs: &[Run], judge: &str, promise: Promise) -> Vec<Bound> {
    let own = runs
        .iter()
        .filter(|run| run.judge == judge && run.outcome.campaigns.is_empty());
    let (mut worlds, mut honest, mut observed) = (0, 0, [0, 0]);
    for run in own {
        worlds += 1;
        honest += run.outcome.honest;
        observed[0] += run.outcome.false_blocks;
        observed[1] += run.outcome.false_alerts;
    }
    if honest == 0 {
        return Vec::new();
    }
    let million = honest as f64 / 1e6;
    let level = |level: &'static str, observed: u64, share: f64| {
        let (lower, upper) = poisson_one_sided(observed);
        let promised_per_million = promise.per_million * share;
        Bound {
            level,
            worlds,
            honest,
            observed,
            per_million: observed as f64 / million,
            upper_per_million: upper / million,
            lower_per_million: lower / million,
            log_a: libm::log(promise.node_kinds * 1e6 / promised_per_million),
            promised: promised_per_million * million,
            promised_per_million,
            is_kept: lower / million <= promised_per_million,
        }
    };
    vec![
        level("block", observed[0], 1.0),
        level("alert", observed[1], ALERT_SHARE),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::evaluate::score::Outcome;

    fn run(honest: u64, false_blocks: u64, false_alerts: u64) -> Run {
        Run {
            scenario: "honest".into(),
            world: "a",
            seed: 1,
            judge: "own".into(),
            outcome: Outcome {
                events: honest,
                honest,
                collateral: 0,
                blocks: false_blocks,
                false_blocks,
                alerts: false_alerts,
                false_alerts,
                stopped: 0,
                campaigns: Vec::new(),
                false_alarms: Vec::new(),
            },
        }
    }

    #[test]
    fn thirty_million_sends_without_a_block_bound_the_rate_at_a_tenth() {
        let promise = Promise {
            per_million: 1.0,
            node_kinds: 8.0,
        };
        let found = bounds(&[run(20_000_000, 0, 100), run(10_000_000, 0, 0)], "own", promise);
        let [block, alert] = &found[..] else {
            panic!("two levels");
        };
        assert_eq!((block.worlds, block.honest, block.observed), (2, 30_000_000, 0));
        assert!((block.upper_per_million - 0.1).abs() < 0.001 && block.lower_per_million == 0.0);
        // D = 8 and one in a million: A is eight million.
        assert!((block.log_a - 15.895).abs() < 0.001 && (block.log_a - alert.log_a - 4.605).abs() < 0.001);
        assert!((block.promised - 30.0).abs() < 1e-9 && (alert.promised_per_million - 100.0).abs() < 1e-9);
        assert!(block.is_kept && alert.is_kept && (alert.per_million - 3.33).abs() < 0.01);
        let loud = bounds(&[run(1_000_000, 4, 0)], "own", promise);
        assert!(!loud[0].is_kept, "four where one is promised");
        assert!(bounds(&[run(1_000_000, 4, 0)], "other", promise).is_empty());
    }
}
