//! Negative-binomial CUSUM: counts of five minutes against a learned mean.

use super::Peer;
use super::history::Bins;
use super::rule::{PerPrefix, Rule};
use crate::model::MINUTE;

pub(super) const PEER: Peer = Peer {
    name: "NB-CUSUM",
    title: "Cumulative sum of the log-likelihood ratio of eightfold sends over the range's learned rate, negative \
            binomial counts of five minutes, above the threshold",
    grid: &[
        3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0, 30.0, 40.0, 60.0, 100.0, 200.0, 500.0,
    ],
    make: |threshold| Box::new(PerPrefix::new(Cusum { threshold })),
};

/// Width of a count.
pub(super) const WIDTH_MS: i64 = 5 * MINUTE;
/// Shift that the sum looks for.
const SHIFT: f64 = 8.0;
/// Size of the negative binomial: smaller is more over-dispersed.
pub(super) const SIZE: f64 = 1.0;
/// Least mean of a count: about one send in four hours.
const MEAN_MIN: f64 = 0.02;
/// Counts over which the mean is learned: three days.
const MEMORY: f64 = 864.0;
/// Intervals of silence that are worked through one by one.
const KEPT: usize = 36;

struct Cusum {
    threshold: f64,
}

#[derive(Default)]
pub(super) struct Node {
    bins: Bins,
    mean: Learned,
    sum: f64,
}

/// A mean that is learned from closed counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Learned {
    mean: f64,
    weight: f64,
}

impl Learned {
    pub(super) fn learn(&mut self, count: u32) {
        self.weight = (self.weight + 1.0).min(MEMORY);
        self.mean += (f64::from(count) - self.mean) / self.weight;
    }

    /// Shrunk towards the least while little is known.
    pub(super) fn mean(&self) -> f64 {
        (self.mean * self.weight / (self.weight + 12.0)).max(MEAN_MIN)
    }
}

/// Log-likelihood ratio of a count: mean `shifted` over mean `usual`.
pub(super) fn log_ratio(count: f64, usual: f64, shifted: f64) -> f64 {
    let tail = (SIZE + usual) / (SIZE + shifted);
    count * libm::log(shifted / usual * tail) + SIZE * libm::log(tail)
}

impl Rule for Cusum {
    type Node = Node;

    fn send(&self, node: &mut Node, at: i64) -> bool {
        let (mut mean, mut sum) = (node.mean, node.sum);
        node.bins.add(at, WIDTH_MS, KEPT, |_, count| {
            let usual = mean.mean();
            sum = (sum + log_ratio(f64::from(count), usual, SHIFT * usual)).max(0.0);
            mean.learn(count);
        });
        (node.mean, node.sum) = (mean, sum);
        // The present interval is judged as if it ended with this send.
        let usual = node.mean.mean();
        let now = log_ratio(f64::from(node.bins.now()), usual, SHIFT * usual);
        node.sum + now > self.threshold
    }
}
