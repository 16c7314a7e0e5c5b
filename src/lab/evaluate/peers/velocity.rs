//! Fixed velocity: more than so many sends into one range within ten minutes.

use std::collections::VecDeque;

use super::Peer;
use super::rule::{PerPrefix, Rule};
use crate::model::MINUTE;

pub(super) const PEER: Peer = Peer {
    name: "velocity",
    title: "More than the threshold's sends into one range of 10,000 numbers within ten minutes",
    grid: &[
        4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 60.0, 100.0, 200.0, 500.0, 1_000.0,
    ],
    make: |threshold| Box::new(PerPrefix::new(Velocity { threshold })),
};

const WINDOW_MS: i64 = 10 * MINUTE;

struct Velocity {
    threshold: f64,
}

impl Rule for Velocity {
    type Node = VecDeque<i64>;

    fn send(&self, node: &mut Self::Node, at: i64) -> bool {
        node.push_back(at);
        while node.front().is_some_and(|first| *first <= at - WINDOW_MS) {
            node.pop_front();
        }
        node.len() as f64 > self.threshold
    }
}
