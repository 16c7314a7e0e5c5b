//! Which positions may be committed: those before which every record that was
//! produced is acknowledged. Pure.
//!
//! Records are produced within an *epoch*. A cut closes the epoch and notes the
//! positions that stand for it; it may be committed once it and every epoch
//! before it is acknowledged. The broker acknowledges partitions in any order, so
//! the epochs are counted rather than the records remembered.

use std::collections::VecDeque;

/// The open epochs, oldest first; the last one is still being filled.
#[derive(Debug)]
pub(crate) struct Checkpoints<P> {
    epochs: VecDeque<Epoch<P>>,
    first: u64,
    outstanding: u64,
}

#[derive(Debug)]
struct Epoch<P> {
    unacknowledged: u64,
    cut: Option<P>,
}

impl<P> Default for Checkpoints<P> {
    fn default() -> Self {
        Self {
            epochs: VecDeque::from([Epoch::new()]),
            first: 0,
            outstanding: 0,
        }
    }
}

impl<P> Epoch<P> {
    fn new() -> Self {
        Self {
            unacknowledged: 0,
            cut: None,
        }
    }
}

impl<P> Checkpoints<P> {
    /// Notes that a record is about to be produced; gives its epoch.
    pub(crate) fn produced(&mut self) -> u64 {
        self.outstanding += 1;
        if let Some(last) = self.epochs.back_mut() {
            last.unacknowledged += 1;
        }
        self.current()
    }

    /// Notes that a record of `epoch` is acknowledged.
    pub(crate) fn acknowledged(&mut self, epoch: u64) {
        let place = epoch.checked_sub(self.first).map(|place| place as usize);
        if let Some(epoch) = place.and_then(|place| self.epochs.get_mut(place))
            && epoch.unacknowledged > 0
        {
            epoch.unacknowledged -= 1;
            self.outstanding -= 1;
        }
    }

    /// Closes the epoch: everything before `positions` was produced by now.
    pub(crate) fn cut(&mut self, positions: P) -> u64 {
        let closed = self.current();
        if let Some(last) = self.epochs.back_mut() {
            last.cut = Some(positions);
        }
        self.epochs.push_back(Epoch::new());
        closed
    }

    /// The oldest positions that may be committed and were not taken yet.
    pub(crate) fn take_complete(&mut self) -> Option<P> {
        let oldest = self.epochs.front()?;
        if self.epochs.len() < 2 || oldest.unacknowledged > 0 {
            return None;
        }
        self.first += 1;
        self.epochs.pop_front().and_then(|epoch| epoch.cut)
    }

    /// The cuts that wait, for taking out what is no longer ours to commit.
    pub(crate) fn waiting_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.epochs.iter_mut().filter_map(|epoch| epoch.cut.as_mut())
    }

    /// Whether `epoch` and all before it are acknowledged and were taken.
    pub(crate) fn is_behind(&self, epoch: u64) -> bool {
        epoch < self.first
    }

    /// Records produced and not acknowledged.
    pub(crate) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    fn current(&self) -> u64 {
        self.first + self.epochs.len() as u64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_waits_for_the_epochs_before_it() {
        let mut points = Checkpoints::default();
        let a = points.produced();
        points.cut("first");
        let b = points.produced();
        points.cut("second");
        points.acknowledged(b);
        assert_eq!(points.take_complete(), None);
        points.acknowledged(a);
        assert_eq!(points.take_complete(), Some("first"));
        assert_eq!(points.take_complete(), Some("second"));
        assert_eq!(points.take_complete(), None);
        assert!(points.is_behind(b) && points.outstanding() == 0);
        points.cut("third");
        assert_eq!(points.take_complete(), Some("third"));
    }

    proptest! {
        /// Whatever the order of acknowledgements, a position is offered only when
        /// everything produced before its cut is acknowledged.
        #[test]
        fn nothing_is_committed_before_it_is_acknowledged(
            steps in prop::collection::vec(0u8..4, 0..300), seed in any::<u64>()
        ) {
            let mut points = Checkpoints::default();
            let mut in_flight: Vec<(u64, u64)> = Vec::new(); // (epoch, serial)
            let mut serial = 0u64;
            let mut random = seed | 1;
            for step in steps {
                match step {
                    0 => { let epoch = points.produced(); in_flight.push((epoch, serial)); serial += 1; }
                    1 => { points.cut(serial); }
                    2 if !in_flight.is_empty() => {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let (epoch, _) = in_flight.swap_remove((random >> 33) as usize % in_flight.len());
                        points.acknowledged(epoch);
                    }
                    _ => {
                        if let Some(position) = points.take_complete() {
                            prop_assert!(in_flight.iter().all(|&(_, s)| s >= position));
                        }
                    }
                }
                prop_assert_eq!(points.outstanding(), in_flight.len() as u64);
            }
        }
    }
}
