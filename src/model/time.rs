//! Points in time and spans, in whole milliseconds. The core never asks what
//! time it is: every time is an argument.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Millis(pub i64);

/// One second, in milliseconds.
pub const SECOND: i64 = 1_000;
/// One minute, in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour, in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// One day, in milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// 0001-01-01 and 9999-12-30T22:00:00Z, the last that prints in every offset:
/// times outside are refused at decoding.
const EARLIEST: i64 = -62_135_596_800_000;
const LATEST: i64 = 253_402_207_200_000;

impl Millis {
    /// Before every real time.
    pub const MIN: Self = Self(i64::MIN / 4);

    /// From epoch milliseconds; `None` outside the years 1 to 9999.
    pub fn from_epoch_ms(ms: i64) -> Option<Self> {
        (EARLIEST..=LATEST).contains(&ms).then_some(Self(ms))
    }

    /// Reads RFC 3339 with any offset; digits after the milliseconds are cut.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Self::from_epoch_ms(timestamp.as_millisecond().min(LATEST))
    }

    /// Seconds from `earlier` to this time; negative when it lies before.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1_000.0
    }

    /// The start of the tumbling window of `width_ms` in which this time lies.
    #[must_use]
    pub fn floor_to(self, width_ms: i64) -> Self {
        Self(self.0.div_euclid(width_ms) * width_ms)
    }
}

impl Add<i64> for Millis {
    type Output = Self;
    fn add(self, ms: i64) -> Self {
        Self(self.0 + ms)
    }
}

impl Sub<i64> for Millis {
    type Output = Self;
    fn sub(self, ms: i64) -> Self {
        Self(self.0 - ms)
    }
}

impl Sub for Millis {
    type Output = i64;
    fn sub(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

/// RFC 3339 in UTC; milliseconds only where they are not zero.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_honoured_and_printing_is_utc() {
        let t = Millis::parse_rfc3339("2026-11-22T08:48:10.123+01:00").unwrap();
        assert_eq!(t.to_string(), "2026-11-22T07:48:10.123Z");
        assert_eq!(
            Millis::parse_rfc3339("2026-11-22T07:48:10Z").unwrap().to_string(),
            "2026-11-22T07:48:10Z"
        );
    }

    #[test]
    fn times_without_an_offset_are_refused() {
        for bad in [
            "2026-11-22T07:48:10",
            "2026-11-22",
            "",
            "yesterday",
            "12026-11-22T07:48:10Z",
        ] {
            assert_eq!(Millis::parse_rfc3339(bad), None, "{bad}");
        }
        assert_eq!(Millis::from_epoch_ms(i64::MAX), None);
    }
}
