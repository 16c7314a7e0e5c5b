//! Counts by equal intervals of time.

use std::collections::VecDeque;

/// Counts of the latest intervals, the present one last.
#[derive(Clone, Debug, Default)]
pub(super) struct Bins {
    counts: VecDeque<u32>,
    /// Number of the present interval since the epoch.
    present: i64,
    /// Intervals since the first send, the present one included.
    pub age: i64,
}

impl Bins {
    /// Counts a send; intervals that ended before it are handed to `closed`,
    /// oldest first, at most `keep` of them.
    pub(super) fn add(&mut self, at: i64, width_ms: i64, keep: usize, mut closed: impl FnMut(&mut Self, u32)) {
        let interval = at.div_euclid(width_ms);
        if self.age == 0 {
            self.present = interval;
            self.counts.push_back(0);
            self.age = 1;
        }
        let passed = interval - self.present;
        self.age += passed.max(0);
        // A long silence is as good as `keep` empty intervals.
        for _ in 0..passed.min(keep as i64 + 1) {
            let count = self.now();
            closed(self, count);
            self.counts.push_back(0);
            while self.counts.len() > keep + 1 {
                self.counts.pop_front();
            }
        }
        self.present = self.present.max(interval);
        if let Some(count) = self.counts.back_mut() {
            *count += 1;
        }
    }

    /// The count of the present interval.
    pub(super) fn now(&self) -> u32 {
        self.counts.back().copied().unwrap_or_default()
    }

    /// The count `back` intervals ago; 0 before the first send.
    pub(super) fn ago(&self, back: usize) -> u32 {
        let place = self.counts.len().checked_sub(back + 1);
        place
            .and_then(|place| self.counts.get(place))
            .copied()
            .unwrap_or_default()
    }

    /// The sum of the latest `count` intervals.
    pub(super) fn sum(&self, count: usize) -> u32 {
        self.counts.iter().rev().take(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_as_empty_intervals() {
        let mut bins = Bins::default();
        let mut closed = Vec::new();
        for at in [5, 6, 12, 45] {
            bins.add(at, 10, 3, |_, count| closed.push(count));
        }
        assert_eq!(closed, [2, 1, 0, 0]);
        assert_eq!((bins.now(), bins.ago(3), bins.ago(9), bins.age), (1, 1, 0, 5));
        assert_eq!(bins.sum(4), 2);
    }
}
