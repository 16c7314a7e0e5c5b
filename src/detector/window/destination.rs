//! The key of a node: where messages go, at one level of coarseness.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{DestinationLevel, Prefix, Region};

/// A destination node's key, 16 bytes: a region, or a prefix with the region it
/// lies in and, where that matters, the length of the numbers.
///
/// The order is that of the output: level, then region, prefix, and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Destination {
    level: DestinationLevel,
    region: Option<Region>,
    /// The digits of the prefix, 0 for none: a prefix never begins with a zero.
    prefix: u64,
    digits: u8,
}

impl Destination {
    /// All numbers of a region; `None` stands for those that no plan knows.
    pub fn country(region: Option<Region>) -> Self {
        Self {
            level: DestinationLevel::Country,
            region,
            prefix: 0,
            digits: 0,
        }
    }

    /// An operator's or a number type's range.
    pub fn operator(region: Option<Region>, prefix: Prefix) -> Self {
        Self {
            level: DestinationLevel::Operator,
            region,
            prefix: prefix.digits(),
            digits: 0,
        }
    }

    /// Any other range. `digits` is the length of the numbers in it without the
    /// plus, 7 to 15, or 0 for numbers of every length.
    pub fn range(region: Option<Region>, prefix: Prefix, digits: u8) -> Self {
        Self {
            level: DestinationLevel::Range,
            region,
            prefix: prefix.digits(),
            digits,
        }
    }

    /// How coarse it is.
    pub fn level(self) -> DestinationLevel {
        self.level
    }

    /// The region it lies in.
    pub fn region(self) -> Option<Region> {
        self.region
    }

    /// The digits its numbers begin with; `None` for a country.
    pub fn prefix(self) -> Option<Prefix> {
        Prefix::from_digits(self.prefix)
    }

    /// The length of its numbers, 0 for every length.
    pub fn digits(self) -> u8 {
        self.digits
    }
}

/// `UZ`, `+99890`, `+99890/12` with a number length.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix(), self.region) {
            (Some(prefix), _) if self.digits > 0 => write!(f, "{prefix}/{}", self.digits),
            (Some(prefix), _) => write!(f, "{prefix}"),
            (None, Some(region)) => write!(f, "{region}"),
            (None, None) => f.write_str("unknown region"),
        }
    }
}
