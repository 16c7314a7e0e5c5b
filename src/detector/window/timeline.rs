//! The recent history of one node: one row of cells that get coarser with age
//! and from which every sliding span is answered.
//!
//! A cell is written only while it is the newest, so an update touches one cell
//! whatever the number of spans. Merging waits until the row is full.

use serde::{Deserialize, Serialize};

use super::time_grid::{Reach, Span, age_of};
use crate::model::Micros;

/// How the row grows: a quiet destination stays at the first steps.
const CAPACITY_STEPS: [usize; 5] = [4, 8, 16, 32, CELLS_MAX];

/// 7 slots, 11 minutes, 12 five-minute and 13 two-hour cells are the most that
/// can differ, the newest included; so merging always finds room.
const CELLS_MAX: usize = 44;

/// What one event adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) sends: u32,
    pub(super) attempts: u32,
    pub(super) verified: u32,
    pub(super) blocked: u32,
    pub(super) cost: i64,
}

impl Counts {
    /// Adds, stopping at the largest value rather than wrapping.
    pub(super) fn add(&mut self, other: Self) {
        self.sends = self.sends.saturating_add(other.sends);
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.verified = self.verified.saturating_add(other.verified);
        self.blocked = self.blocked.saturating_add(other.blocked);
        self.cost = self.cost.saturating_add(other.cost);
    }
}

/// Sums over a span; see [`super::Aggregate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) sends: u64,
    pub(super) attempts: u64,
    pub(super) verified: u64,
    pub(super) blocked: u64,
    pub(super) cost: Micros,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Cell {
    slot: u32,
    counts: Counts,
}

/// Cells in the order of time, no two of one slot. The newest lies in the node
/// itself: most updates find it without another wait for memory, and a node
/// that was active once needs no row at all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Timeline {
    newest: Cell,
    #[serde(with = "crate::detector::snapshot::codec::roomy")]
    older: Vec<Cell>,
}

impl Timeline {
    /// Adds to the cell of `slot`, which is never before the last one.
    #[inline]
    pub(super) fn add(&mut self, slot: i64, counts: Counts) {
        if self.newest.slot != slot as u32 {
            self.begin(slot);
        }
        self.newest.counts.add(counts);
    }

    /// The sums over `span`, seen from `slot`.
    pub(super) fn sums(&self, reach: &Reach, slot: i64, span: Span) -> Sums {
        let age_max = reach.age_max(span);
        let mut sums = Sums::default();
        for cell in std::iter::once(&self.newest).chain(self.older.iter().rev()) {
            if age_of(slot, cell.slot) > age_max {
                break;
            }
            sums.sends += u64::from(cell.counts.sends);
            sums.attempts += u64::from(cell.counts.attempts);
            sums.verified += u64::from(cell.counts.verified);
            sums.blocked += u64::from(cell.counts.blocked);
            sums.cost.0 = sums.cost.0.saturating_add(cell.counts.cost);
        }
        sums
    }

    /// Memory behind the row, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.older.capacity() * size_of::<Cell>()
    }

    #[cold]
    fn begin(&mut self, slot: i64) {
        if self.newest.counts != Counts::default() {
            if self.older.len() == self.older.capacity() {
                self.make_room(slot);
            }
            self.older.push(self.newest);
        }
        self.newest = Cell {
            slot: slot as u32,
            counts: Counts::default(),
        };
    }

    /// Merges what may be merged; grows only when that did not free a quarter,
    /// so that the merging is paid for by the cells that were added in between.
    fn make_room(&mut self, slot: i64) {
        self.merge(&Reach::from(slot), slot);
        let (len, capacity) = (self.older.len(), self.older.capacity());
        if len * 4 > capacity * 3 || capacity == 0 {
            let wanted = CAPACITY_STEPS.into_iter().find(|&step| step > capacity);
            self.older.reserve_exact(wanted.unwrap_or(len + 1).max(len + 1) - len);
        } else if len * 4 <= capacity {
            self.older.shrink_to(capacity / 2);
        }
    }

    fn merge(&mut self, reach: &Reach, slot: i64) {
        let mut kept = 0;
        let mut last = None;
        for i in 0..self.older.len() {
            let cell = self.older[i];
            let Some(place) = reach.cell(age_of(slot, cell.slot)) else {
                continue;
            };
            if last == Some(place) {
                self.older[kept - 1].counts.add(cell.counts);
            } else {
                self.older[kept] = cell;
                kept += 1;
                last = Some(place);
            }
        }
        self.older.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Counts {
        Counts {
            sends: 1,
            cost: 7,
            ..Counts::default()
        }
    }

    #[test]
    fn a_steady_stream_never_needs_more_than_the_largest_step() {
        let mut line = Timeline::default();
        for slot in 0..40_000 {
            line.add(slot, one());
            assert!(line.older.capacity() <= CELLS_MAX, "slot {slot}");
        }
        let reach = Reach::from(39_999);
        let expect = |span| u64::from(reach.age_max(span)) + 1;
        for span in Span::ALL {
            assert_eq!(line.sums(&reach, 39_999, span).sends, expect(span), "{span:?}");
        }
    }

    #[test]
    fn a_quiet_destination_stays_small() {
        let mut line = Timeline::default();
        for day in 0..50 {
            line.add(day * 8_640, one());
        }
        assert!(line.older.capacity() <= 4);
    }
}
