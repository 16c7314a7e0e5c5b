//! How many different numbers within any sliding span, in one structure.
//!
//! Up to [`EXACT_MAX`] numbers a day are kept one by one with the slot in which
//! each was last seen: exact. Beyond that a sliding HyperLogLog (Chabchoub and
//! Hébrail, Sliding HyperLogLog, ICDMW 2010) of 64 registers takes over: a
//! register keeps, of the ranks it saw, each that no later one has reached,
//! with its slot; the greatest within a span is the register's value for it.
//! Standard error 1.04/√64 = 13 %. It begins at the same instant as the sums.

use serde::{Deserialize, Serialize};

use super::distinct::estimate;
use super::time_grid::{Reach, Span, age_of};

/// Different numbers a day that are counted exactly.
pub(super) const EXACT_MAX: usize = 24;

const REGISTER_BITS: u32 = 6;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// Bits of a 32-bit hash that are left for the rank.
const RANK_BITS: usize = 26;
/// Slots are kept to 21 bits: they repeat after 242 days, and are swept every
/// two hours of use; a node idle for longer than a day is emptied.
const SLOT_BITS: u32 = 21;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// How often what no span reaches is swept out, in slots: two hours.
const SWEEP_EVERY: u32 = 720;

/// Who was last seen when.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SlidingDistinct {
    /// Hash and slot of last sight, in no order.
    Exact(#[serde(with = "crate::detector::snapshot::codec::roomy")] Vec<(u32, u32)>),
    /// The registers.
    Sketch(Staircases),
}

impl Default for SlidingDistinct {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

/// For each register, its ranks from the oldest and greatest to the newest and
/// least; one word an entry: register, slot, rank.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Staircases {
    #[serde(with = "crate::detector::snapshot::codec::roomy")]
    entries: Vec<u32>,
    swept: u32,
}

impl SlidingDistinct {
    /// Sees a hash in `slot`, which is never before the last one.
    pub(super) fn insert(&mut self, slot: i64, hash: u32) {
        match self {
            Self::Exact(seen) => {
                if let Some(found) = seen.iter_mut().find(|(h, _)| *h == hash) {
                    found.1 = slot as u32;
                    return;
                }
                if seen.len() == seen.capacity() {
                    make_room(seen, slot);
                }
                if seen.len() < EXACT_MAX {
                    seen.push((hash, slot as u32));
                    return;
                }
                // In the order of time, as the staircases need them.
                seen.sort_unstable_by_key(|&(h, s)| (std::cmp::Reverse(age_of(slot, s)), h));
                let mut stairs = Staircases {
                    entries: Vec::new(),
                    swept: slot as u32,
                };
                for &(h, s) in seen.iter() {
                    stairs.insert(s, h);
                }
                stairs.insert(slot as u32, hash);
                *self = Self::Sketch(stairs);
            }
            Self::Sketch(stairs) => {
                if age_of(slot, stairs.swept) >= SWEEP_EVERY {
                    stairs.sweep(slot);
                }
                stairs.insert(slot as u32, hash);
            }
        }
    }

    /// How many within `span`, seen from `slot`.
    pub(super) fn count(&self, reach: &Reach, slot: i64, span: Span) -> u64 {
        let age_max = reach.age_max(span);
        match self {
            Self::Exact(seen) => seen.iter().filter(|(_, s)| age_of(slot, *s) <= age_max).count() as u64,
            Self::Sketch(stairs) => stairs.count(slot, age_max),
        }
    }

    /// Memory behind it, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(seen) => seen.capacity() * size_of::<(u32, u32)>(),
            Self::Sketch(stairs) => stairs.entries.capacity() * size_of::<u32>(),
        }
    }
}

/// Forgets whom no span reaches; grows in steps up to [`EXACT_MAX`].
#[cold]
fn make_room(seen: &mut Vec<(u32, u32)>, slot: i64) {
    let reach = Reach::from(slot);
    seen.retain(|(_, s)| reach.cell(age_of(slot, *s)).is_some());
    if seen.len() == seen.capacity() {
        let wanted = (seen.capacity() * 2).clamp(4, EXACT_MAX);
        seen.reserve_exact(wanted.saturating_sub(seen.len()));
    }
}

fn register_of(entry: u32) -> u32 {
    entry >> (32 - REGISTER_BITS)
}

fn rank_of(entry: u32) -> u32 {
    entry & 0x1f
}

fn age_of_entry(slot: i64, entry: u32) -> u32 {
    (slot as u32).wrapping_sub(entry >> 5) & SLOT_MASK
}

impl Staircases {
    fn insert(&mut self, slot: u32, hash: u32) {
        let register = register_of(hash);
        let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() + 1;
        let end = self.entries.partition_point(|&e| register_of(e) <= register);
        let stamp = slot & SLOT_MASK;
        let mut from = end;
        while from > 0 {
            let entry = self.entries[from - 1];
            if register_of(entry) != register || rank_of(entry) > rank {
                break;
            }
            from -= 1;
        }
        if from > 0 && from == end {
            // A greater rank of the same slot hides this one from every span.
            let entry = self.entries[from - 1];
            if register_of(entry) == register && (entry >> 5) & SLOT_MASK == stamp {
                return;
            }
        }
        let word = register << (32 - REGISTER_BITS) | stamp << 5 | rank;
        if from < end {
            self.entries[from] = word;
            self.entries.drain(from + 1..end);
        } else {
            self.entries.insert(end, word);
        }
    }

    /// Drops what no span reaches, and of entries that by now fall into one
    /// cell all but the first, which has the greatest rank.
    #[cold]
    fn sweep(&mut self, slot: i64) {
        let reach = Reach::from(slot);
        let mut last = None;
        self.entries.retain(|&entry| {
            let Some(cell) = reach.cell(age_of_entry(slot, entry)) else {
                return false;
            };
            let place = Some((register_of(entry), cell));
            let first = place != last;
            last = place;
            first
        });
        self.entries.shrink_to(self.entries.len() * 3 / 2);
        self.swept = slot as u32;
    }

    fn count(&self, slot: i64, age_max: u32) -> u64 {
        let mut ranks = [0u8; REGISTERS];
        for &entry in &self.entries {
            let rank = &mut ranks[register_of(entry) as usize];
            // The first within the span is the greatest within it.
            if *rank == 0 && age_of_entry(slot, entry) <= age_max {
                *rank = rank_of(entry) as u8;
            }
        }
        estimate(ranks.into_iter(), REGISTERS as u32, RANK_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::distinct::mix;
    use super::*;

    #[test]
    fn few_numbers_are_counted_exactly_and_forgotten_in_time() {
        let mut distinct = SlidingDistinct::default();
        for slot in 0..30_000i64 {
            // Six different numbers, each for about three hours.
            distinct.insert(slot, mix((slot / 1_100) as u64) as u32);
        }
        let reach = Reach::from(29_999);
        assert_eq!(distinct.count(&reach, 29_999, Span::Minute), 1);
        assert_eq!(distinct.count(&reach, 29_999, Span::Hour), 2);
        assert!(matches!(distinct, SlidingDistinct::Exact(_)));
    }

    #[test]
    fn many_numbers_are_estimated_within_the_stated_error() {
        // 50 new numbers a slot for two days: the true count is known.
        let mut squares = [0.0; 4];
        let rounds = 12;
        for seed in 0..rounds {
            let mut distinct = SlidingDistinct::default();
            let last = 17_000 + 37 * seed as i64;
            for slot in 0..=last {
                for i in 0..50 {
                    distinct.insert(slot, mix(seed << 48 | (slot as u64) << 8 | i) as u32);
                }
            }
            let reach = Reach::from(last);
            for span in Span::ALL {
                let truth = f64::from(reach.age_max(span) + 1) * 50.0;
                let error = distinct.count(&reach, last, span) as f64 / truth - 1.0;
                squares[span as usize] += error * error / rounds as f64;
            }
            assert!(distinct.heap_bytes() < 4_096, "{}", distinct.heap_bytes());
        }
        for (span, square) in Span::ALL.iter().zip(squares) {
            assert!(libm::sqrt(square) < 0.2, "{span:?}: {}", libm::sqrt(square));
        }
    }

    #[test]
    fn a_longer_span_never_shows_fewer() {
        let mut distinct = SlidingDistinct::default();
        for slot in 0..9_000i64 {
            distinct.insert(slot, mix(slot as u64 / 3) as u32);
            let reach = Reach::from(slot);
            let counts = Span::ALL.map(|span| distinct.count(&reach, slot, span));
            assert!(counts.is_sorted(), "{counts:?} in slot {slot}");
        }
    }
}
