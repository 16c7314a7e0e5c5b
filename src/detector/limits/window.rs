//! What one limit counts of one key in its sliding window. Nothing here ever
//! overstates: a ring covers a little less than the window, never more, and a
//! user agent's tally may fall short of the truth, never pass it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::Millis;

/// Parts of a window where it is not counted exactly.
const PARTS: usize = 12;
/// Thresholds up to this are counted exactly.
const EXACT_MAX: u64 = 1_000;
/// User agents told apart in one part of a window.
const AGENTS: usize = 8;
/// A share of fewer sends than this says nothing.
pub(crate) const SHARE_SENDS_MIN: u64 = 20;

/// A ring of tumbling parts that together are one sliding window.
#[derive(Debug, Serialize, Deserialize)]
struct Ring<T> {
    parts: [T; PARTS],
    latest: i64,
    width_ms: i64,
}

impl<T: Default> Ring<T> {
    fn new(window_ms: i64) -> Self {
        Self {
            parts: std::array::from_fn(|_| T::default()),
            latest: i64::MIN,
            width_ms: (window_ms / PARTS as i64).max(1),
        }
    }

    /// The part that holds `now`; parts that have slid out are emptied.
    fn at(&mut self, now: Millis) -> &mut T {
        let part = now.0.div_euclid(self.width_ms);
        let steps = part.saturating_sub(self.latest).clamp(0, PARTS as i64);
        for step in 0..steps {
            self.parts[(part - step).rem_euclid(PARTS as i64) as usize] = T::default();
        }
        self.latest = self.latest.max(part);
        &mut self.parts[self.latest.rem_euclid(PARTS as i64) as usize]
    }
}

/// Sends in a sliding window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SlidingCount {
    /// The latest times, one more than are allowed.
    Exact {
        #[serde(with = "crate::detector::snapshot::codec::roomy")]
        times: VecDeque<Millis>,
        window_ms: i64,
        times_max: usize,
    },
    /// Counts by part of the window.
    Coarse(Box<CoarseCount>),
}

/// A ring of counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CoarseCount(Ring<u64>);

impl SlidingCount {
    /// Counts that can tell whether more than `threshold` lie within `window_ms`.
    pub(crate) fn new(window_ms: i64, threshold: u64) -> Self {
        if threshold > EXACT_MAX {
            return Self::Coarse(Box::new(CoarseCount(Ring::new(window_ms))));
        }
        Self::Exact {
            times: VecDeque::new(),
            window_ms,
            times_max: threshold as usize + 1,
        }
    }

    /// One more at `now`, which never falls; returns how many the window holds,
    /// where counted exactly at most one more than the threshold.
    pub(crate) fn push(&mut self, now: Millis) -> u64 {
        match self {
            Self::Exact {
                times,
                window_ms,
                times_max,
            } => {
                while times.front().is_some_and(|first| now - *first >= *window_ms) || times.len() >= *times_max {
                    times.pop_front();
                }
                times.push_back(now);
                times.len() as u64
            }
            Self::Coarse(coarse) => {
                *coarse.0.at(now) += 1;
                coarse.0.parts.iter().sum()
            }
        }
    }

    /// Bytes beyond the value itself.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact { times, .. } => times.capacity() * size_of::<Millis>(),
            Self::Coarse(_) => size_of::<CoarseCount>(),
        }
    }
}

/// Part of a number of sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    /// Sends that have the property.
    pub(crate) with: u64,
    /// Sends of which it is known whether they do.
    pub(crate) of: u64,
}

impl Part {
    /// From 0 to 1.
    pub(crate) fn share(self) -> f64 {
        if self.of == 0 {
            0.0
        } else {
            self.with as f64 / self.of as f64
        }
    }

    /// Whether there are enough sends, and the share is above `threshold`.
    pub(crate) fn exceeds(self, threshold: f64) -> bool {
        self.of >= SHARE_SENDS_MIN && self.share() > threshold
    }
}

/// The frequent user agents of one part of a window (Misra and Gries: each count
/// falls short by at most a ninth of the part's sends).
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tally {
    sends: u64,
    agents: [(u64, u32); AGENTS],
}

impl Tally {
    fn add(&mut self, agent: u64) {
        self.sends += 1;
        if let Some(own) = self.agents.iter_mut().find(|(a, n)| *a == agent && *n > 0) {
            own.1 += 1;
        } else if let Some(free) = self.agents.iter_mut().find(|(_, n)| *n == 0) {
            *free = (agent, 1);
        } else {
            for (_, count) in &mut self.agents {
                *count -= 1;
            }
        }
    }
}

/// User agents in a sliding window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentWindow(Ring<Tally>);

impl AgentWindow {
    pub(crate) fn new(window_ms: i64) -> Self {
        Self(Ring::new(window_ms))
    }

    /// One more send; returns the part of its user agent. The most frequent one
    /// is judged whenever it sends.
    pub(crate) fn push(&mut self, agent: u64, now: Millis) -> Part {
        self.0.at(now).add(agent);
        let of = self.0.parts.iter().map(|p| p.sends).sum();
        let with = self
            .0
            .parts
            .iter()
            .flat_map(|p| &p.agents)
            .filter(|(a, _)| *a == agent)
            .map(|(_, n)| u64::from(*n))
            .sum();
        Part { with, of }
    }
}

/// A share in a sliding window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShareWindow(Ring<(u64, u64)>);

impl ShareWindow {
    pub(crate) fn new(window_ms: i64) -> Self {
        Self(Ring::new(window_ms))
    }

    /// One more send, with the property or without.
    pub(crate) fn push(&mut self, has: bool, now: Millis) -> Part {
        let part = self.0.at(now);
        part.0 += u64::from(has);
        part.1 += 1;
        let sum = |f: fn(&(u64, u64)) -> u64| self.0.parts.iter().map(f).sum();
        Part {
            with: sum(|p| p.0),
            of: sum(|p| p.1),
        }
    }
}

/// All that one limit counts of one key; what it does not ask for takes no room.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    pub(crate) sends: Option<SlidingCount>,
    pub(crate) agents: Option<Box<AgentWindow>>,
    pub(crate) geography: Option<Box<ShareWindow>>,
}

impl Counter {
    /// Bytes it takes, its place in a table included.
    pub(crate) fn bytes(&self) -> usize {
        const ENTRY: usize = 64;
        ENTRY
            + size_of::<Self>()
            + self.sends.as_ref().map_or(0, SlidingCount::heap_bytes)
            + self.agents.as_ref().map_or(0, |_| size_of::<AgentWindow>())
            + self.geography.as_ref().map_or(0, |_| size_of::<ShareWindow>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_send_slides_out_when_the_window_has_passed() {
        let mut count = SlidingCount::new(1_000, 5);
        assert_eq!(count.push(Millis(0)), 1);
        assert_eq!(count.push(Millis(999)), 2);
        assert_eq!(count.push(Millis(1_000)), 2);
        assert_eq!(count.push(Millis(10_000)), 1);
    }

    proptest! {
        #[test]
        fn counts_are_exact_up_to_the_threshold_and_one(gaps in prop::collection::vec(0i64..400, 1..200), threshold in 1u64..20) {
            let mut count = SlidingCount::new(1_000, threshold);
            let (mut now, mut times) = (Millis(0), Vec::new());
            for gap in gaps {
                now = now + gap;
                times.push(now);
                let truth = times.iter().filter(|t| now - **t < 1_000).count() as u64;
                prop_assert_eq!(count.push(now), truth.min(threshold + 1));
            }
        }

        #[test]
        fn coarse_counts_never_overstate_and_miss_at_most_one_part(gaps in prop::collection::vec(0i64..400, 1..300)) {
            let mut count = SlidingCount::new(1_200, EXACT_MAX + 1);
            let (mut now, mut times) = (Millis(-5_000), Vec::new());
            for gap in gaps {
                now = now + gap;
                times.push(now);
                let within = |ms: i64| times.iter().filter(|t| now - **t < ms).count() as u64;
                let seen = count.push(now);
                prop_assert!(seen <= within(1_200) && seen >= within(1_100));
            }
        }

        #[test]
        fn a_user_agents_share_is_never_overstated(agents in prop::collection::vec(0u64..30, 1..300)) {
            let mut window = AgentWindow::new(60_000);
            for (i, &agent) in agents.iter().enumerate() {
                let part = window.push(agent, Millis(i as i64));
                let truth = agents[..=i].iter().filter(|a| **a == agent).count() as u64;
                prop_assert_eq!(part.of, i as u64 + 1);
                prop_assert!(part.with <= truth && part.with + part.of / 9 >= truth);
            }
        }
    }

    #[test]
    fn a_share_needs_enough_sends_and_slides() {
        let mut window = ShareWindow::new(12_000);
        for i in 0..19 {
            assert!(!window.push(true, Millis(i)).exceeds(0.5));
        }
        assert!(window.push(true, Millis(19)).exceeds(0.5));
        assert!(!window.push(false, Millis(20)).exceeds(0.96));
        assert_eq!(window.push(false, Millis(12_000)), Part { with: 0, of: 1 });
    }
}
