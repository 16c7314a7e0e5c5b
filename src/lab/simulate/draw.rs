//! Random draws. One ChaCha stream for each independent part of the world, so
//! that taking an overlay away (or blocking a campaign) changes nothing else.

use rand::{Rng as _, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal};

/// A reproducible stream of random numbers.
pub(super) type Rng = ChaCha8Rng;

/// The finaliser of SplitMix64: a bijection that spreads every input bit.
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of several integers, the same on every machine.
pub(super) fn hash(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0x51ed_270b_5f16_9b3d, |state, &part| mix(state ^ mix(part)))
}

/// A hash as a number in [0, 1).
pub(super) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// A hash as an index below `len` (at least 1).
pub(super) fn index(hash: u64, len: usize) -> usize {
    ((u128::from(hash) * len as u128) >> 64) as usize
}

/// The stream that belongs to `tag` in the world of `seed`.
pub(super) fn stream(seed: u64, tag: &[u64]) -> Rng {
    let own = hash(tag);
    let mut key = [0u8; 32];
    for (i, chunk) in key.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&hash(&[seed, own, i as u64]).to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

pub(super) fn uniform(rng: &mut Rng) -> f64 {
    unit(rng.next_u64())
}

pub(super) fn chance(rng: &mut Rng, probability: f64) -> bool {
    uniform(rng) < probability
}

/// A whole number in `low..=high`.
pub(super) fn between(rng: &mut Rng, low: i64, high: i64) -> i64 {
    if high <= low { low } else { rng.random_range(low..=high) }
}

/// Log-normal with the given median and standard deviation of the logarithm.
pub(super) fn log_normal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    median * libm::exp(sigma * z)
}

/// Weibull by inversion: scale · (−ln u)^(1/shape).
pub(super) fn weibull(rng: &mut Rng, scale: f64, shape: f64) -> f64 {
    scale * libm::pow(-libm::log(1.0 - uniform(rng)), 1.0 / shape)
}

/// Exponential with the given mean.
pub(super) fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * libm::log(1.0 - uniform(rng))
}

/// Poisson count; 0 for a mean that is not positive.
pub(super) fn poisson(rng: &mut Rng, mean: f64) -> u64 {
    Poisson::new(mean).map_or(0, |d| d.sample(rng) as u64)
}

/// Gamma of mean 1 and the given shape: 1/shape is its variance.
pub(super) fn gamma(rng: &mut Rng, shape: f64) -> f64 {
    Gamma::new(shape, 1.0 / shape).map_or(1.0, |d| d.sample(rng))
}

/// The place in a table of cumulated weights (the last one is the total) into
/// which `u` in [0, 1) falls.
pub(super) fn pick(cumulated: &[f64], u: f64) -> usize {
    let total = cumulated.last().copied().unwrap_or(0.0);
    cumulated
        .partition_point(|&edge| edge <= u * total)
        .min(cumulated.len().saturating_sub(1))
}

/// Cumulated sums for [`pick`].
pub(super) fn cumulate(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    weights
        .into_iter()
        .scan(0.0, |sum, w| {
            *sum += w;
            Some(*sum)
        })
        .collect()
}
