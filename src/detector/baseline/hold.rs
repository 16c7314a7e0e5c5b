//! The hold-back: what happened lately is not yet normal.
//!
//! Attempts wait in slices of time before they become history. An attack that
//! is found in the meantime is taken out again, place by place, so that it
//! teaches nothing; and what nobody verified teaches little.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::Millis;

/// Places one slice may hold; further ones are not learned.
const PLACES_MAX: usize = 1 << 17;

/// What was seen at one place within one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldCounts {
    /// Attempts.
    pub(crate) attempts: f64,
    /// Attempts of apps that verify.
    pub(crate) judged: f64,
    /// Of these, approved.
    pub(crate) verified: f64,
}

impl HeldCounts {
    fn add(&mut self, other: Self, sign: f64) {
        self.attempts = (self.attempts + sign * other.attempts).max(0.0);
        self.judged = (self.judged + sign * other.judged).max(0.0);
        self.verified = (self.verified + sign * other.verified).max(0.0);
    }

    /// The part of the attempts that may be learned: no more than the approved
    /// ones vouch for at the honest conversion, where approval can be had at all.
    pub(crate) fn vouched(&self, conversion: f64) -> f64 {
        let unjudged = self.attempts - self.judged;
        unjudged.max(0.0) + self.judged.min(self.verified / conversion)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "P: Serialize", deserialize = "P: Deserialize<'de>"))]
struct Slice<P> {
    number: u64,
    start: Millis,
    places: Vec<(P, HeldCounts)>,
    #[serde(skip, default = "no_index")]
    index: HashMap<P, u32, crate::detector::Keyed>,
}

/// One tenant's slices, oldest first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    bound(
        serialize = "P: Serialize",
        deserialize = "P: Copy + Eq + std::hash::Hash + Deserialize<'de>"
    ),
    from = "Saved<P>"
)]
pub(crate) struct HoldBack<P> {
    slices: VecDeque<Slice<P>>,
    next: u64,
    hasher: crate::detector::Keyed,
}

/// The hold-back as it is kept in a snapshot: the places in their order, their
/// index built anew.
#[derive(Deserialize)]
#[serde(bound = "P: Deserialize<'de>")]
struct Saved<P> {
    slices: VecDeque<Slice<P>>,
    next: u64,
    hasher: crate::detector::Keyed,
}

impl<P: Copy + Eq + std::hash::Hash> From<Saved<P>> for HoldBack<P> {
    fn from(mut saved: Saved<P>) -> Self {
        for slice in &mut saved.slices {
            slice.index = HashMap::with_capacity_and_hasher(slice.places.len(), saved.hasher.clone());
            let places = slice.places.iter().map(|(place, _)| *place);
            slice.index.extend(places.zip(0u32..));
        }
        Self {
            slices: saved.slices,
            next: saved.next,
            hasher: saved.hasher,
        }
    }
}

fn no_index<P>() -> HashMap<P, u32, crate::detector::Keyed> {
    HashMap::with_hasher(crate::detector::Keyed::with_seeds(0, 0, 0, 0))
}

impl<P: Copy + Eq + std::hash::Hash> HoldBack<P> {
    pub(crate) fn new(hasher: crate::detector::Keyed) -> Self {
        Self {
            slices: VecDeque::new(),
            next: 0,
            hasher,
        }
    }

    /// The slice that is open at `now`; a new one begins every `width_ms`.
    pub(crate) fn current(&mut self, now: Millis, width_ms: i64) -> u64 {
        if self.slices.back().is_none_or(|s| now - s.start >= width_ms) {
            self.slices.push_back(Slice {
                number: self.next,
                start: now,
                places: Vec::new(),
                index: HashMap::with_hasher(self.hasher.clone()),
            });
            self.next += 1;
        }
        self.next - 1
    }

    /// Adds to a place of a slice that may have been released already.
    pub(crate) fn add(&mut self, slice: u64, place: P, counts: HeldCounts) {
        let Some(first) = self.slices.front().map(|s| s.number) else {
            return;
        };
        let Some(slice) = slice.checked_sub(first).and_then(|i| self.slices.get_mut(i as usize)) else {
            return;
        };
        if let Some(&i) = slice.index.get(&place) {
            slice.places[i as usize].1.add(counts, 1.0);
        } else if slice.places.len() < PLACES_MAX {
            slice.index.insert(place, slice.places.len() as u32);
            slice.places.push((place, counts));
        }
    }

    /// Takes what lies inside a range that turned out to be attacked out of every
    /// slice: `at` gives the counts' own place, `above` the places that include it.
    pub(crate) fn forget(&mut self, inside: impl Fn(&P) -> bool, at: P, above: &[P]) {
        for slice in &mut self.slices {
            let counts = slice.index.get(&at).map(|&i| slice.places[i as usize].1);
            for (place, held) in &mut slice.places {
                if inside(place) {
                    *held = HeldCounts::default();
                } else if above.contains(place)
                    && let Some(counts) = counts
                {
                    held.add(counts, -1.0);
                }
            }
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// The oldest slice if it began at or before `until`: when that was, and what came.
    pub(crate) fn release(&mut self, until: Millis) -> Option<(Millis, Vec<(P, HeldCounts)>)> {
        if self.slices.front().is_some_and(|s| s.start <= until) {
            self.slices.pop_front().map(|s| (s.start, s.places))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> HeldCounts {
        HeldCounts {
            attempts: 1.0,
            judged: 1.0,
            verified: 0.0,
        }
    }

    #[test]
    fn what_is_found_in_time_teaches_nothing_there_or_above() {
        let mut hold: HoldBack<u64> = HoldBack::new(crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        let slice = hold.current(Millis(0), 1_000);
        for _ in 0..5 {
            hold.add(slice, 12, one());
            hold.add(slice, 1, one());
        }
        hold.add(slice, 1, one());
        hold.add(slice, 129, one());
        hold.forget(|p| *p == 12 || *p == 129, 12, &[1]);
        let (_, released) = hold.release(Millis(0)).unwrap();
        assert_eq!(released[0].1.attempts, 0.0);
        assert_eq!(released[1].1.attempts, 1.0);
        assert_eq!(released[2].1.attempts, 0.0);
        assert!(hold.release(Millis(5_000)).is_none());
    }

    #[test]
    fn what_nobody_verified_teaches_little() {
        let silent = HeldCounts {
            attempts: 1_000.0,
            judged: 1_000.0,
            verified: 0.0,
        };
        assert_eq!(silent.vouched(0.5), 0.0);
        let honest = HeldCounts {
            attempts: 100.0,
            judged: 100.0,
            verified: 60.0,
        };
        assert_eq!(honest.vouched(0.5), 100.0);
        let unjudged = HeldCounts {
            attempts: 7.0,
            judged: 0.0,
            verified: 0.0,
        };
        assert_eq!(unjudged.vouched(0.5), 7.0);
    }
}
