//! Conversion: hardly any of the latest sends into a range were verified.

use std::collections::VecDeque;

use super::Peer;
use super::rule::{PerPrefix, Rule};
use crate::model::{DAY, MINUTE};

pub(super) const PEER: Peer = Peer {
    name: "conversion",
    title: "Below 10 % verified of at least the threshold's sends (published: 100) of a day into one range of 10,000 \
            numbers, each given five minutes",
    grid: &[
        10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 70.0, 100.0, 150.0, 250.0, 500.0, 1_000.0, 3_000.0,
    ],
    make: |threshold| Box::new(PerPrefix::new(Conversion { threshold })),
};

/// Least share that must be verified.
const SHARE: f64 = 0.1;
/// Time that a send is given.
const GRACE_MS: i64 = 5 * MINUTE;

struct Conversion {
    threshold: f64,
}

#[derive(Default)]
struct Node {
    sends: VecDeque<i64>,
    verified: VecDeque<i64>,
}

impl Rule for Conversion {
    type Node = Node;

    fn send(&self, node: &mut Node, at: i64) -> bool {
        node.sends.push_back(at);
        for times in [&mut node.sends, &mut node.verified] {
            while times.front().is_some_and(|first| *first <= at - DAY) {
                times.pop_front();
            }
        }
        let ripe = node.sends.partition_point(|sent| *sent <= at - GRACE_MS) as f64;
        ripe >= self.threshold && (node.verified.len() as f64) < SHARE * ripe
    }

    fn verified(&self, node: &mut Node, at: i64) {
        node.verified.push_back(at);
    }

    fn asks_for_verifications(&self) -> bool {
        true
    }
}
