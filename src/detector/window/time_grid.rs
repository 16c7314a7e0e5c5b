//! The grid on which all history is kept: slots of ten seconds, and the coarser
//! cells into which slots may be merged once no finer span reaches them.
//!
//! One rule serves counters and distinct numbers alike. A span `S` is answered
//! from the start of the cell of its own width `w` in which `now − S` lies, so
//! a slot that only spans of width `w` or more can still reach may be merged
//! with its neighbours of the same `w`-cell without changing any later answer.

use crate::model::{DAY, HOUR, MINUTE, Millis, SECOND};

/// Width of a slot, in milliseconds: the finest resolution that is kept.
pub(super) const SLOT_MS: i64 = 10 * SECOND;

/// A sliding span that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// The last minute; begins at a multiple of 10 seconds.
    Minute,
    /// The last ten minutes; begins at a multiple of a minute.
    TenMinutes,
    /// The last hour; begins at a multiple of five minutes.
    Hour,
    /// The last 24 hours; begins at a multiple of two hours (UTC).
    Day,
}

impl Span {
    /// All spans, the shortest first.
    pub const ALL: [Self; 4] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// Its length in milliseconds.
    pub const fn length_ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::TenMinutes => 10 * MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// The resolution in milliseconds: an answer begins up to this much earlier
    /// than `now − length_ms`, never later.
    pub const fn resolution_ms(self) -> i64 {
        match self {
            Self::Minute => SLOT_MS,
            Self::TenMinutes => MINUTE,
            Self::Hour => 5 * MINUTE,
            Self::Day => 2 * HOUR,
        }
    }

    /// The first time that an answer given at `now` includes.
    #[must_use]
    pub fn start(self, now: Millis) -> Millis {
        (now - self.length_ms()).floor_to(self.resolution_ms())
    }
}

/// The slot in which a time lies.
pub(super) fn slot_of(now: Millis) -> i64 {
    now.0.div_euclid(SLOT_MS)
}

/// What lies within which span, seen from one slot. Ages are in slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    slot: i64,
    ages: [u32; 4],
}

impl Reach {
    /// Seen from `slot`.
    pub(super) fn from(slot: i64) -> Self {
        // Spans are whole slots, so the place within the slot does not matter.
        let now = Millis(slot * SLOT_MS);
        let ages = Span::ALL.map(|span| (slot - slot_of(span.start(now))) as u32);
        Self { slot, ages }
    }

    /// The greatest age that `span` includes.
    pub(super) fn age_max(&self, span: Span) -> u32 {
        self.ages[span as usize]
    }

    /// Which cell a slot of this age belongs to by now: equal values may be
    /// merged. `None` when no span reaches it any more.
    pub(super) fn cell(&self, age: u32) -> Option<(u8, i64)> {
        let slot = self.slot - i64::from(age);
        for (level, span) in Span::ALL.into_iter().enumerate() {
            if age <= self.ages[level] {
                return Some((level as u8, slot.div_euclid(span.resolution_ms() / SLOT_MS)));
            }
        }
        None
    }
}

/// Slots are kept as their low 32 bits, which repeat after 1361 years; nothing
/// is kept for longer than two days, so ages come out right across the wrap.
pub(super) fn age_of(slot: i64, kept: u32) -> u32 {
    (slot as u32).wrapping_sub(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_begins_at_its_own_resolution_and_never_too_late() {
        for ms in [0, 1, 59_999, 60_000, 1_763_797_690_123, -5, -86_400_001] {
            for span in Span::ALL {
                let (now, start) = (Millis(ms), span.start(Millis(ms)));
                let covered = now - start;
                assert!(covered >= span.length_ms(), "{span:?} at {ms}");
                assert!(covered < span.length_ms() + span.resolution_ms(), "{span:?} at {ms}");
                let reach = Reach::from(slot_of(now));
                assert_eq!(
                    slot_of(now) - i64::from(reach.age_max(span)),
                    slot_of(start),
                    "{span:?} at {ms}"
                );
            }
        }
    }

    #[test]
    fn merged_cells_never_straddle_the_start_of_a_later_answer() {
        for base in (0..9_000i64).step_by(7) {
            let reach = Reach::from(base);
            for later in [base, base + 1, base + 5, base + 333, base + 8_000] {
                let after = Reach::from(later);
                for age in 1..9_500u32 {
                    let (Some(a), Some(b)) = (reach.cell(age), reach.cell(age - 1)) else {
                        continue;
                    };
                    if a != b {
                        continue;
                    }
                    let moved = (later - base) as u32;
                    for span in Span::ALL {
                        let within = |age: u32| age + moved <= after.age_max(span);
                        assert_eq!(within(age), within(age - 1), "slot {base}, later {later}, age {age}");
                    }
                }
                if base > 200 {
                    break;
                }
            }
        }
    }
}
