//! EARS C2 and C3 of the Early Aberration Reporting System, on hours instead of
//! days: seven hours of baseline, two hours of guard.

use super::Peer;
use super::history::Bins;
use super::rule::{PerPrefix, Rule};
use crate::model::HOUR;

pub(super) const C2: Peer = Peer {
    name: "EARS C2",
    title: "An hour's sends into one range of 10,000 numbers over the mean of seven hours before (two of guard) by the \
            threshold's standard deviations (published: 3)",
    grid: GRID,
    make: |threshold| Box::new(PerPrefix::new(Ears { threshold, sums: 1 })),
};

pub(super) const C3: Peer = Peer {
    name: "EARS C3",
    title: "The same excess over 1, summed over three hours, above the threshold (published: 2)",
    grid: GRID,
    make: |threshold| Box::new(PerPrefix::new(Ears { threshold, sums: 3 })),
};

const GRID: &[f64] = &[
    2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 32.0, 40.0, 60.0, 100.0, 200.0, 500.0, 1_000.0,
];

const BASELINE: usize = 7;
const GUARD: usize = 2;
/// Least deviation: a range without history would divide by nothing.
const DEVIATION_MIN: f64 = 1.0;

struct Ears {
    threshold: f64,
    /// Hours whose excess is added up.
    sums: usize,
}

/// How far an hour's count lies above its own baseline, in deviations.
fn excess(bins: &Bins, back: usize) -> f64 {
    let before = (1..=BASELINE).map(|i| f64::from(bins.ago(back + GUARD + i)));
    let mean = before.clone().sum::<f64>() / BASELINE as f64;
    let squares: f64 = before.map(|count| (count - mean) * (count - mean)).sum();
    let deviation = (squares / (BASELINE - 1) as f64).sqrt().max(DEVIATION_MIN);
    (f64::from(bins.ago(back)) - mean) / deviation
}

impl Rule for Ears {
    type Node = Bins;

    fn send(&self, node: &mut Bins, at: i64) -> bool {
        node.add(at, HOUR, BASELINE + GUARD + self.sums, |_, _| {});
        let statistic = if self.sums == 1 {
            excess(node, 0)
        } else {
            (0..self.sums).map(|back| (excess(node, back) - 1.0).max(0.0)).sum()
        };
        statistic > self.threshold
    }
}
