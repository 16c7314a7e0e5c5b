//! The prefixes of a number, from its region down to its block of 100.

use std::iter::FusedIterator;
use std::ops::RangeInclusive;

use crate::model::{Classification, E164, Prefix};

/// Digits of a number that its block of 100 leaves open.
pub(super) const BLOCK_DIGITS: usize = 2;

/// Prefixes of growing length, one digit more at each step.
#[derive(Clone, Debug)]
pub struct Path {
    longest: Prefix,
    lengths: RangeInclusive<usize>,
}

impl Iterator for Path {
    type Item = Prefix;

    fn next(&mut self) -> Option<Prefix> {
        self.lengths.next().map(|len| self.longest.truncated(len))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.lengths.size_hint()
    }
}

impl DoubleEndedIterator for Path {
    fn next_back(&mut self) -> Option<Prefix> {
        self.lengths.next_back().map(|len| self.longest.truncated(len))
    }
}

impl ExactSizeIterator for Path {}
impl FusedIterator for Path {}

/// The path of a number: from the shortest prefix that is its region's own
/// ([`Classification::region_digits`]) to the block of 100 in which it lies.
/// Never empty: when no prefix before the block is the region's own, the path
/// is the block alone.
pub fn path(number: E164, classification: &Classification) -> Path {
    let block = number.prefix(number.len() - BLOCK_DIGITS);
    Path {
        longest: block,
        lengths: usize::from(classification.region_digits).clamp(1, block.len())..=block.len(),
    }
}

/// The path of a masked number, of which only `prefix` is known: it ends with
/// the known digits. Never empty.
pub fn prefix_path(prefix: Prefix, classification: &Classification) -> Path {
    Path {
        longest: prefix,
        lengths: usize::from(classification.region_digits).clamp(1, prefix.len())..=prefix.len(),
    }
}
