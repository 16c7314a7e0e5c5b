//! What must happen at an absolute log time, in one total order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::model::Millis;

/// A queue of things due, ordered by time and, at equal times, by the order in
/// which they were asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "T: Ord + Serialize + serde::de::DeserializeOwned")]
pub(crate) struct Timers<T> {
    #[serde(with = "crate::detector::snapshot::codec::least_first")]
    heap: BinaryHeap<Reverse<(Millis, u64, T)>>,
    asked: u64,
}

impl<T: Ord> Timers<T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            asked: 0,
        }
    }

    /// `what` is due at `at`.
    pub(crate) fn set(&mut self, at: Millis, what: T) {
        self.heap.push(Reverse((at, self.asked, what)));
        self.asked += 1;
    }

    /// The earliest thing due at or before `now`, with its time.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<(Millis, T)> {
        if self.heap.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            self.heap.pop().map(|Reverse((at, _, what))| (at, what))
        } else {
            None
        }
    }

    /// How many things are due at some time.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn due_things_come_in_order_whatever_the_steps(times in prop::collection::vec(0i64..100, 1..60), cut in 0i64..100) {
            let fill = || {
                let mut timers = Timers::new();
                for (i, &t) in times.iter().enumerate() {
                    timers.set(Millis(t), i);
                }
                timers
            };
            let drain = |timers: &mut Timers<usize>, now: i64| {
                std::iter::from_fn(|| timers.pop_due(Millis(now))).collect::<Vec<_>>()
            };
            let mut whole = fill();
            let all = drain(&mut whole, 100);
            let mut parts = fill();
            let mut both = drain(&mut parts, cut);
            prop_assert!(both.iter().all(|(at, _)| at.0 <= cut));
            both.extend(drain(&mut parts, 100));
            prop_assert_eq!(&all, &both);
            let mut sorted = all.clone();
            sorted.sort();
            prop_assert_eq!(all, sorted);
            prop_assert_eq!(whole.len(), 0);
        }
    }
}
