//! Telephone numbers, prefixes and regions as plain integers.
//!
//! An E.164 number never begins with a zero, so its digits fit a `u64` without
//! losing any of them and its length follows from the value. A prefix of a
//! number begins with the same digit and has the same property.

use std::fmt;

use serde::{Deserialize, Serialize};

const POW10: [u64; 17] = {
    let mut table = [1u64; 17];
    let mut i = 1;
    while i < 17 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// The longest E.164 number, in digits without the plus.
pub const E164_DIGITS_MAX: usize = 15;
/// The shortest number that is accepted as an event's destination.
pub const E164_DIGITS_MIN: usize = 7;

fn digit_count(value: u64) -> usize {
    value.checked_ilog10().map_or(0, |d| d as usize + 1)
}

/// A full number of 7 to 15 digits, the first of which is not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct E164(u64);

impl E164 {
    /// Reads `+` followed by 7 to 15 ASCII digits, the first of them not zero;
    /// anything else is `None`. Nothing is trimmed, repaired or guessed.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        Self::parse_digits(digits)
    }

    /// The same without the leading plus, for sources that omit it.
    pub fn parse_digits(digits: &str) -> Option<Self> {
        if !(E164_DIGITS_MIN..=E164_DIGITS_MAX).contains(&digits.len()) {
            return None;
        }
        parse_plain(digits).map(Self)
    }

    /// From the value of the digits; `None` outside 7 to 15 digits.
    pub fn from_digits(value: u64) -> Option<Self> {
        (E164_DIGITS_MIN..=E164_DIGITS_MAX)
            .contains(&digit_count(value))
            .then_some(Self(value))
    }

    /// The digits as an integer.
    pub fn digits(self) -> u64 {
        self.0
    }

    /// How many digits, 7 to 15. A number is never empty.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        digit_count(self.0)
    }

    /// The first `len` digits (at least one, at most all of them).
    pub fn prefix(self, len: usize) -> Prefix {
        Prefix(self.0).truncated(len)
    }

    /// The block of 100 numbers in which this one lies.
    pub fn block(self) -> Prefix {
        Prefix(self.0 / 100)
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A full number is personal data: debug output shows it masked.
        write!(
            f,
            "E164(+{}…)",
            Prefix(self.0).truncated(self.len().saturating_sub(4)).0
        )
    }
}

/// The leading digits of a number, 1 to 15 of them, the first not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix(u64);

impl Prefix {
    /// Reads `+` and 1 to 15 digits, the first not zero.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        if !(1..=E164_DIGITS_MAX).contains(&digits.len()) {
            return None;
        }
        parse_plain(digits).map(Self)
    }

    /// From the value of the digits; `None` for zero or more than 15 digits.
    pub fn from_digits(value: u64) -> Option<Self> {
        (1..=E164_DIGITS_MAX)
            .contains(&digit_count(value))
            .then_some(Self(value))
    }

    /// The digits as an integer.
    pub fn digits(self) -> u64 {
        self.0
    }

    /// How many digits, 1 to 15. A prefix is never empty.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        digit_count(self.0)
    }

    /// The first `len` digits; the prefix itself when it is not longer.
    /// A `len` of zero is read as one.
    #[must_use]
    pub fn truncated(self, len: usize) -> Self {
        let own = self.len();
        let len = len.max(1);
        if len >= own {
            self
        } else {
            Self(self.0 / POW10[own - len])
        }
    }

    /// One digit less; `None` when only one is left.
    pub fn parent(self) -> Option<Self> {
        (self.0 >= 10).then_some(Self(self.0 / 10))
    }

    /// Whether `other` begins with this prefix (or is it).
    pub fn covers(self, other: Prefix) -> bool {
        other.truncated(self.len()) == self && other.len() >= self.len()
    }

    /// Whether the number begins with this prefix.
    pub fn covers_number(self, number: E164) -> bool {
        self.covers(Prefix(number.0))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix(+{})", self.0)
    }
}

fn parse_plain(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    if bytes.first() == Some(&b'0') {
        return None;
    }
    let mut value = 0u64;
    for &b in bytes {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(b - b'0');
    }
    Some(value)
}

/// An ISO 3166 region, or `001` for numbers that belong to no country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region([u8; 3]);

impl Region {
    /// The region of non-geographic calling codes such as +800 and +882.
    pub const WORLD: Self = Self(*b"001");

    /// Two capital letters, or `001`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Some(Self([*a, *b, 0])),
            b"001" => Some(Self::WORLD),
            _ => None,
        }
    }

    /// `"UZ"`, `"001"`.
    pub fn as_str(&self) -> &str {
        let len = if self.0[2] == 0 { 2 } else { 3 };
        std::str::from_utf8(&self.0[..len]).unwrap_or("??")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.as_str())
    }
}

impl Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = compact_str::CompactString::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a region code"))
    }
}

/// What a number is used for, by the numbering plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum NumberType {
    FixedLine,
    Mobile,
    FixedLineOrMobile,
    TollFree,
    PremiumRate,
    SharedCost,
    Voip,
    PersonalNumber,
    Pager,
    Uan,
    Voicemail,
    Unknown,
}

impl NumberType {
    /// The name used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FixedLine => "fixed_line",
            Self::Mobile => "mobile",
            Self::FixedLineOrMobile => "fixed_line_or_mobile",
            Self::TollFree => "toll_free",
            Self::PremiumRate => "premium_rate",
            Self::SharedCost => "shared_cost",
            Self::Voip => "voip",
            Self::PersonalNumber => "personal_number",
            Self::Pager => "pager",
            Self::Uan => "uan",
            Self::Voicemail => "voicemail",
            Self::Unknown => "unknown",
        }
    }
}

/// What the number plan says of a number or of a masked number's prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classification {
    /// The region that owns the number; `None` when no plan knows its calling code.
    pub region: Option<Region>,
    /// The country calling code, e.g. 998; 0 when unknown.
    pub calling_code: u16,
    /// What the number is used for; `Unknown` for an invalid or masked one.
    pub number_type: NumberType,
    /// Whether the plan has such a number. A masked number counts as valid when
    /// some continuation of its prefix is.
    pub valid: bool,
    /// The operator, where known.
    pub operator: Option<compact_str::CompactString>,
    /// Length of the shortest prefix that is the region's own: where the path of
    /// prefixes begins (4 for +1204…, 3 for +998…).
    pub region_digits: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_plus_and_seven_to_fifteen_digits_are_numbers() {
        for good in ["+1234567", "+998901234567", "+123456789012345"] {
            assert_eq!(E164::parse(good).map(|n| n.to_string()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "+",
            "1234567",
            "+0123456",
            "+123456",
            "+1234567890123456",
            "+12345a7",
            "+１２３４５６７８",
            " +1234567",
        ] {
            assert_eq!(E164::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_covers_exactly_what_begins_with_its_digits(a in 1u64..1_000_000_000_000_000, b in 1u64..1_000_000_000_000_000) {
            let (pa, pb) = (Prefix::from_digits(a).unwrap(), Prefix::from_digits(b).unwrap());
            prop_assert_eq!(pa.covers(pb), b.to_string().starts_with(&a.to_string()));
            prop_assert!(pa.truncated(3).covers(pa));
        }
    }
}
