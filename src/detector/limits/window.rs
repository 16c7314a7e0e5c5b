//! What one limit counts of one key in its sliding window. Nothing here ever
//! overstates: a ring covers a little less than the window, never more, and a
//! user agent's tally may fall short of the truth, never pass it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::{Micros, Millis};

/// Parts of a window where it is not counted exactly.
const PARTS: usize = 12;
/// Thresholds up to this are counted exactly.
const EXACT_MAX: u64 = 1_000;
/// User agents told apart in one part of a window.
const AGENTS: usize = 8;
/// A share of fewer sends than this says nothing.
pub(crate) const SHARE_SENDS_MIN: u64 = 20;

/// One send: when it is counted, when it happened by its source, what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) at: Millis,
    pub(crate) event_time: Millis,
    pub(crate) cost: Micros,
}

/// Sends that were counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) sends: u64,
    pub(crate) cost: Micros,
    /// Event time of the earliest; nothing while there is none.
    pub(crate) first: Option<Millis>,
}

impl Counted {
    /// One more.
    pub(crate) fn add(&mut self, sent: &Sent) {
        self.merge(&Self {
            sends: 1,
            cost: sent.cost,
            first: Some(sent.event_time),
        });
    }

    fn merge(&mut self, other: &Self) {
        self.sends += other.sends;
        self.cost.0 = self.cost.0.saturating_add(other.cost.0);
        self.first = self.first.into_iter().chain(other.first).min();
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum.merge(part);
            sum
        })
    }
}

impl<'a> FromIterator<&'a Sent> for Counted {
    fn from_iter<I: IntoIterator<Item = &'a Sent>>(sends: I) -> Self {
        sends.into_iter().fold(Self::default(), |mut sum, sent| {
            sum.add(sent);
            sum
        })
    }
}

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
    /// The latest sends, one more than are allowed.
    Exact {
        #[serde(with = "crate::detector::snapshot::codec::roomy")]
        latest: VecDeque<Sent>,
        window_ms: i64,
        sends_max: usize,
    },
    /// Counts by part of the window.
    Coarse(Box<CoarseCount>),
}

/// A ring of counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CoarseCount(Ring<Counted>);

impl SlidingCount {
    /// Counts that can tell whether more than `threshold` lie within `window_ms`.
    pub(crate) fn new(window_ms: i64, threshold: u64) -> Self {
        if threshold > EXACT_MAX {
            return Self::Coarse(Box::new(CoarseCount(Ring::new(window_ms))));
        }
        Self::Exact {
            latest: VecDeque::new(),
            window_ms,
            sends_max: threshold as usize + 1,
        }
    }

    /// One more, never before the last; returns what the window holds, where counted
    /// exactly at most one send more than the threshold.
    pub(crate) fn push(&mut self, sent: &Sent) -> Counted {
        match self {
            Self::Exact {
                latest,
                window_ms,
                sends_max,
            } => {
                let gone = |first: &Sent| sent.at - first.at >= *window_ms;
                while latest.front().is_some_and(gone) || latest.len() >= *sends_max {
                    latest.pop_front();
                }
                latest.push_back(*sent);
                latest.iter().collect()
            }
            Self::Coarse(coarse) => {
                coarse.0.at(sent.at).add(sent);
                Counted::sum(coarse.0.parts.iter())
            }
        }
    }

    /// Bytes beyond the value itself.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact { latest, .. } => latest.capacity() * size_of::<Sent>(),
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
    pub(crate) of: Counted,
}

impl Part {
    /// From 0 to 1.
    pub(crate) fn share(self) -> f64 {
        if self.of.sends == 0 {
            0.0
        } else {
            self.with as f64 / self.of.sends as f64
        }
    }

    /// Whether there are enough sends, and the share is above `threshold`.
    pub(crate) fn exceeds(self, threshold: f64) -> bool {
        self.of.sends >= SHARE_SENDS_MIN && self.share() > threshold
    }
}

/// The frequent user agents of one part of a window (Misra and Gries: each count
/// falls short by at most a ninth of the part's sends).
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tally {
    all: Counted,
    agents: [(u64, u32); AGENTS],
}

impl Tally {
    fn add(&mut self, agent: u64, sent: &Sent) {
        self.all.add(sent);
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
    pub(crate) fn push(&mut self, agent: u64, sent: &Sent) -> Part {
        self.0.at(sent.at).add(agent, sent);
        let with = self
            .0
            .parts
            .iter()
            .flat_map(|p| &p.agents)
            .filter(|(a, _)| *a == agent)
            .map(|(_, n)| u64::from(*n))
            .sum();
        Part {
            with,
            of: Counted::sum(self.0.parts.iter().map(|p| &p.all)),
        }
    }
}

/// A share in a sliding window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShareWindow(Ring<(u64, Counted)>);

impl ShareWindow {
    pub(crate) fn new(window_ms: i64) -> Self {
        Self(Ring::new(window_ms))
    }

    /// One more send, with the property or without.
    pub(crate) fn push(&mut self, has: bool, sent: &Sent) -> Part {
        let part = self.0.at(sent.at);
        part.0 += u64::from(has);
        part.1.add(sent);
        Part {
            with: self.0.parts.iter().map(|p| p.0).sum(),
            of: Counted::sum(self.0.parts.iter().map(|p| &p.1)),
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

    fn sent(at: i64) -> Sent {
        Sent {
            at: Millis(at),
            event_time: Millis(at - 7),
            cost: Micros(3),
        }
    }

    #[test]
    fn a_send_slides_out_when_the_window_has_passed() {
        let mut count = SlidingCount::new(1_000, 5);
        assert_eq!(count.push(&sent(0)).sends, 1);
        assert_eq!(count.push(&sent(999)).sends, 2);
        assert_eq!(count.push(&sent(1_000)).sends, 2);
        assert_eq!(count.push(&sent(10_000)).sends, 1);
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
                let seen = count.push(&sent(now.0));
                prop_assert_eq!(seen.sends, truth.min(threshold + 1));
                prop_assert_eq!(seen.cost, Micros(3 * seen.sends as i64));
                let first = times[times.len() - seen.sends as usize];
                prop_assert_eq!(seen.first, Some(first - 7));
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
                let counted = count.push(&sent(now.0));
                let seen = counted.sends;
                prop_assert_eq!(counted.cost, Micros(3 * seen as i64));
                prop_assert!(seen <= within(1_200) && seen >= within(1_100));
            }
        }

        #[test]
        fn a_user_agents_share_is_never_overstated(agents in prop::collection::vec(0u64..30, 1..300)) {
            let mut window = AgentWindow::new(60_000);
            for (i, &agent) in agents.iter().enumerate() {
                let part = window.push(agent, &sent(i as i64));
                let truth = agents[..=i].iter().filter(|a| **a == agent).count() as u64;
                prop_assert_eq!((part.of.sends, part.of.cost), (i as u64 + 1, Micros(3 * (i as i64 + 1))));
                prop_assert!(part.with <= truth && part.with + part.of.sends / 9 >= truth);
            }
        }
    }

    #[test]
    fn a_share_needs_enough_sends_and_slides() {
        let mut window = ShareWindow::new(12_000);
        for i in 0..19 {
            assert!(!window.push(true, &sent(i)).exceeds(0.5));
        }
        assert!(window.push(true, &sent(19)).exceeds(0.5));
        assert!(!window.push(false, &sent(20)).exceeds(0.96));
        let part = window.push(false, &sent(12_000));
        assert_eq!((part.with, part.of.sends), (0, 1));
    }
}
