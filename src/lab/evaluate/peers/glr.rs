//! Generalised likelihood ratio with negative-binomial counts: the shift is
//! estimated, from the most likely of the latest twelve intervals on.

use super::Peer;
use super::history::Bins;
use super::nb_cusum::{Learned, WIDTH_MS, log_ratio};
use super::rule::{PerPrefix, Rule};

pub(super) const PEER: Peer = Peer {
    name: "GLR-NB",
    title: "Largest log-likelihood ratio of a raised rate since one of the last twelve intervals of five minutes, \
            negative binomial, above the threshold",
    grid: &[
        3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0, 30.0, 40.0, 60.0, 100.0, 200.0, 500.0,
    ],
    make: |threshold| Box::new(PerPrefix::new(Glr { threshold })),
};

const WINDOW: usize = 12;

struct Glr {
    threshold: f64,
}

#[derive(Default)]
struct Node {
    bins: Bins,
    mean: Learned,
}

impl Rule for Glr {
    type Node = Node;

    fn send(&self, node: &mut Node, at: i64) -> bool {
        let mut mean = node.mean;
        // What left the window can no longer be part of a shift: it is learned.
        node.bins
            .add(at, WIDTH_MS, 3 * WINDOW, |bins, _| mean.learn(bins.ago(WINDOW)));
        node.mean = mean;
        let usual = mean.mean();
        let mut total = 0.0;
        (0..WINDOW).any(|back| {
            total += f64::from(node.bins.ago(back));
            let length = back as f64 + 1.0;
            let shifted = total / length;
            // Counts of one mean: their sum says all of the ratio.
            let ratio = length * log_ratio(shifted, usual, shifted.max(usual));
            ratio > self.threshold
        })
    }
}
