//! Money as whole micro-units, so that sums are exact and do not depend on order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The default currency of reports.
    pub const USD: Self = Self(*b"USD");

    /// Three letters, of either case.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// `"USD"`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = compact_str::CompactString::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a currency is three letters, as in USD"))
    }
}

/// Millionths of a currency unit. Never negative in an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Micros(pub i64);

impl Micros {
    /// The largest amount one message may cost: a million units.
    pub const MESSAGE_MAX: Self = Self(1_000_000_000_000);

    /// Rounds an amount in units to micro-units; `None` when it is not finite,
    /// negative, or above [`Micros::MESSAGE_MAX`].
    pub fn from_units(amount: f64) -> Option<Self> {
        let scaled = (amount * 1e6).round();
        (scaled.is_finite() && scaled >= 0.0 && scaled <= Self::MESSAGE_MAX.0 as f64).then_some(Self(scaled as i64))
    }

    /// In units, for printing.
    pub fn to_units(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// An amount in a currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Money {
    /// How much, in millionths.
    pub micros: Micros,
    /// Of what.
    pub currency: Currency,
}
