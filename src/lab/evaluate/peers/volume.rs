//! Volume: a country's sends of twelve hours, above its history and a floor.

use super::Peer;
use super::history::Bins;
use super::rule::{PerPrefix, Rule, country_of};
use crate::model::{Destination, HOUR, Prefix};

pub(super) const PEER: Peer = Peer {
    name: "volume",
    title: "A country's sends of twelve hours over their mean by the threshold's standard deviations (published: 6), \
            over 1,000, after 48 hours of history",
    grid: &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 50.0, 100.0],
    make: |threshold| Box::new(PerPrefix::new(Volume { threshold })),
};

/// Hours of a sum.
const HOURS: usize = 12;
/// Least sum that may alarm.
const FLOOR: f64 = 1_000.0;
/// Hours of history before the first alarm.
const HISTORY: i64 = 48;

struct Volume {
    threshold: f64,
}

#[derive(Default)]
struct Node {
    bins: Bins,
    count: f64,
    mean: f64,
    squares: f64,
}

impl Rule for Volume {
    type Node = Node;

    fn prefix(&self, to: &Destination) -> Option<Prefix> {
        country_of(to)
    }

    fn send(&self, node: &mut Node, at: i64) -> bool {
        let (mut count, mut mean, mut squares) = (node.count, node.mean, node.squares);
        node.bins.add(at, HOUR, HOURS, |bins, _| {
            // Welford's update, one sum an hour.
            let sum = f64::from(bins.sum(HOURS));
            count += 1.0;
            let off = sum - mean;
            mean += off / count;
            squares += off * (sum - mean);
        });
        (node.count, node.mean, node.squares) = (count, mean, squares);
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        let sum = f64::from(node.bins.sum(HOURS));
        node.bins.age > HISTORY && sum > FLOOR && sum > mean + self.threshold * deviation
    }
}
