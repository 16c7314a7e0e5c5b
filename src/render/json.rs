//! The few scalars from which every output is made, so that no output prints a
//! number or a time in a way of its own.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::model::{Micros, Millis};

/// Largest magnitude that is printed. Evidence may be infinite (something that an
/// explanation rules out has happened) and JSON has no infinity.
const MAGNITUDE_MAX: f64 = 1e15;

/// A number of at most six decimals, always finite and never `-0`.
///
/// What is not a number says nothing and becomes 0; infinities and magnitudes
/// above 1e15 become ±1e15.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decimal(f64);

impl Decimal {
    /// Rounds to six decimals, half away from zero.
    pub(crate) fn new(value: f64) -> Self {
        if value.is_nan() {
            return Self(0.0);
        }
        let rounded = (value.clamp(-MAGNITUDE_MAX, MAGNITUDE_MAX) * 1e6).round() / 1e6;
        // Adding a positive zero turns -0 into 0 and changes nothing else.
        Self(rounded + 0.0)
    }

    /// The same for shares and probabilities: held within 0 to 1.
    pub(crate) fn share(value: f64) -> Self {
        if value.is_nan() {
            Self(0.0)
        } else {
            Self::new(value.clamp(0.0, 1.0))
        }
    }

    /// An amount in units of its currency.
    pub(crate) fn money(amount: Micros) -> Self {
        // Division of an integer by a million is correctly rounded, so the shortest
        // digits that print it are the micro-units themselves.
        Self(amount.to_units())
    }
}

/// Without an exponent, and without a fraction where there is none.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number"})
    }
}

/// A time as RFC 3339 in UTC. Times outside the years 1 to 9999, which RFC 3339
/// cannot write, become the nearest that it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc(pub(crate) Millis);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Millis::from_epoch_ms(self.0.0) {
            Some(time) => write!(f, "{time}"),
            None if self.0.0 < 0 => f.write_str("0001-01-01T00:00:00Z"),
            None => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl Serialize for Utc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Utc {
    fn schema_name() -> Cow<'static, str> {
        "Utc".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$",
        })
    }
}

/// One line of JSON, keys in the order of the fields.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("output structs have string keys and no failing serialiser")
}

/// 32 hex digits of SHA-256 over the parts, each with its length before it so
/// that no two lists of parts give the same bytes.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_json_cannot_say_is_clamped() {
        assert_eq!(Decimal::new(f64::NAN).0, 0.0);
        assert_eq!(Decimal::new(f64::INFINITY).0, 1e15);
        assert_eq!(Decimal::new(f64::NEG_INFINITY).0, -1e15);
        assert_eq!(Decimal::share(f64::NAN).0, 0.0);
        assert_eq!(Decimal::share(f64::INFINITY).0, 1.0);
        for negative_zero in [-0.0, -1e-9] {
            assert_eq!(Decimal::new(negative_zero).to_string(), "0");
        }
    }

    #[test]
    fn six_decimals() {
        assert_eq!(Decimal::new(21.412_345_678).to_string(), "21.412346");
        assert_eq!(Decimal::money(Micros(210_400_000)).to_string(), "210.4");
        assert_eq!(Decimal::money(Micros(1)).to_string(), "0.000001");
    }

    #[test]
    fn times_beyond_the_calendar_are_held_within_it() {
        assert_eq!(Utc(Millis::MIN).to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Utc(Millis(i64::MAX)).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Utc(Millis(1_700_000_000_000)).to_string(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"a"]).len(), 32);
    }

    proptest! {
        #[test]
        fn never_more_than_six_decimals(bits: u64, micros: i64) {
            for decimal in [Decimal::new(f64::from_bits(bits)), Decimal::money(Micros(micros))] {
                let text = decimal.to_string();
                let decimals = text.split_once('.').map_or(0, |(_, d)| d.len());
                prop_assert!(decimals <= 6, "{text}");
                prop_assert!(decimal.0.is_finite());
            }
        }
    }
}
