//! How many different numbers: exact while they are few, then HyperLogLog.
//!
//! The estimate is Otmar Ertl's "improved raw estimator" (New cardinality
//! estimation algorithms for HyperLogLog sketches, arXiv:1702.01284, section 4):
//! no tables and no logarithm, so it is the same on every platform. It is
//! written out here because the sliding counter needs it over registers that
//! carry times, which the published crates do not offer, and because they
//! evaluate the standard library's logarithm, which differs by platform.

use serde::{Deserialize, Serialize};

use crate::model::log::Token;

/// Different numbers a minute that are counted exactly.
pub(super) const MINUTE_EXACT_MAX: usize = 128;

/// Registers of the minute's sketch: standard error 1.04/√1024 = 3.3 %.
const MINUTE_REGISTERS: usize = 1024;

/// A number's hash for counting. The token is a keyed pseudonym already; the
/// salt keeps what a sketch makes of it out of the reach of whoever knows it.
pub(super) fn hash(token: Token, salt: u64) -> u64 {
    let low = (token.0 as u64) ^ salt;
    let high = ((token.0 >> 64) as u64).wrapping_add(salt.rotate_left(32));
    mix(mix(low) ^ high)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub(super) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Different numbers within one tumbling minute.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum MinuteDistinct {
    /// Sorted hashes.
    Exact(#[serde(with = "crate::detector::snapshot::codec::roomy")] Vec<u64>),
    /// Greatest rank of each register.
    Sketch(#[serde(with = "registers")] Box<[u8; MINUTE_REGISTERS]>),
}

mod registers {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::MINUTE_REGISTERS;

    // The signature is serde's: it hands over a reference to the field.
    #[allow(clippy::borrowed_box)]
    pub(super) fn serialize<S: Serializer>(
        registers: &Box<[u8; MINUTE_REGISTERS]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        registers.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<[u8; MINUTE_REGISTERS]>, D::Error> {
        let registers: Box<[u8]> = Deserialize::deserialize(deserializer)?;
        registers
            .try_into()
            .map_err(|_| D::Error::custom("a sketch has another size"))
    }
}

impl Default for MinuteDistinct {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl MinuteDistinct {
    /// Adds a hash.
    pub(super) fn insert(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) => {
                let Err(place) = hashes.binary_search(&hash) else {
                    return;
                };
                if hashes.len() < MINUTE_EXACT_MAX {
                    hashes.insert(place, hash);
                    return;
                }
                let mut registers = Box::new([0; MINUTE_REGISTERS]);
                for &h in hashes.iter().chain([&hash]) {
                    raise(&mut registers, h);
                }
                *self = Self::Sketch(registers);
            }
            Self::Sketch(registers) => raise(registers, hash),
        }
    }

    /// How many, at most `messages`.
    pub(super) fn count(&self, messages: u64) -> u64 {
        let count = match self {
            Self::Exact(hashes) => hashes.len() as u64,
            Self::Sketch(registers) => {
                let estimate = estimate(registers.iter().copied(), MINUTE_REGISTERS as u32, 54);
                // Whoever came to the sketch had more than the exact form holds.
                estimate.max(MINUTE_EXACT_MAX as u64 + 1)
            }
        };
        count.min(messages)
    }

    /// Memory behind it, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(hashes) => hashes.capacity() * size_of::<u64>(),
            Self::Sketch(_) => MINUTE_REGISTERS,
        }
    }
}

/// The first 10 bits choose the register, the others give the rank, 1 to 55.
fn raise(registers: &mut [u8; MINUTE_REGISTERS], hash: u64) {
    let register = &mut registers[(hash >> 54) as usize];
    let rank = (hash << 10 | 1 << 9).leading_zeros() as u8 + 1;
    *register = rank.max(*register);
}

/// 1 / (2 ln 2), the limit of HyperLogLog's constant for many registers.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// Ertl's improved estimator over `m` registers with ranks 0 to `q` + 1
/// (`q` at most 62), rounded to a whole number.
pub(super) fn estimate(ranks: impl Iterator<Item = u8>, m: u32, q: usize) -> u64 {
    let mut histogram = [0u32; 64];
    for rank in ranks {
        histogram[usize::from(rank).min(q + 1)] += 1;
    }
    let m = f64::from(m);
    let mut z = m * tau(1.0 - f64::from(histogram[q + 1]) / m);
    for &count in histogram[1..=q].iter().rev() {
        z = 0.5 * (z + f64::from(count));
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    libm::round(ALPHA * m * m / z) as u64
}

fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = libm::sqrt(x);
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_exact_up_to_its_cap() {
        let mut distinct = MinuteDistinct::default();
        for round in 0..3 {
            for i in 0..MINUTE_EXACT_MAX as u64 {
                distinct.insert(hash(Token(u128::from(i)), 5));
                if round > 0 {
                    assert_eq!(distinct.count(u64::MAX), MINUTE_EXACT_MAX as u64);
                }
            }
        }
    }

    #[test]
    fn beyond_the_cap_the_error_is_as_stated() {
        // The mean square over independent salts, against the stated 3.3 %.
        for n in [200u64, 1_000, 5_000, 50_000] {
            let mut squares = 0.0;
            for salt in 0..40 {
                let mut distinct = MinuteDistinct::default();
                (0..n).for_each(|i| distinct.insert(hash(Token(u128::from(i) << 40), salt)));
                let error = distinct.count(u64::MAX) as f64 / n as f64 - 1.0;
                squares += error * error;
            }
            let rms = libm::sqrt(squares / 40.0);
            assert!(rms < 0.045, "{n}: {rms}");
        }
    }

    #[test]
    fn the_estimate_never_exceeds_the_messages() {
        let mut distinct = MinuteDistinct::default();
        (0..300).for_each(|i| distinct.insert(mix(i)));
        assert!(distinct.count(300) <= 300);
        assert!(distinct.count(300) > MINUTE_EXACT_MAX as u64);
    }
}
