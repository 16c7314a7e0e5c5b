//! Numbers to try on the number plan: the examples of every region and type with
//! digits changed, added and removed. The same seed gives the same numbers.

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use pumpwatch::model::E164;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// All territories of the metadata, by calling code, main country first.
pub(crate) fn territories() -> Vec<&'static Metadata> {
    (1..=999u16)
        .flat_map(|code| DATABASE.by_code(&code).unwrap_or_default())
        .collect()
}

/// The descriptions that decide the type, in the order in which they are asked:
/// the special types, fixed line, mobile.
pub(crate) fn descriptors(territory: &Metadata) -> [Option<&Descriptor>; 10] {
    let d = territory.descriptors();
    [
        d.premium_rate(),
        d.toll_free(),
        d.shared_cost(),
        d.voip(),
        d.personal_number(),
        d.pager(),
        d.uan(),
        d.voicemail(),
        d.fixed_line(),
        d.mobile(),
    ]
}

/// `count` numbers, valid and invalid, every territory as often as every other.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<E164> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let examples: Vec<(u16, Vec<&str>)> = territories()
        .into_iter()
        .map(|territory| {
            let national = descriptors(territory)
                .into_iter()
                .flatten()
                .filter_map(Descriptor::example);
            (territory.country_code(), national.collect())
        })
        .collect();
    std::iter::repeat_with(|| {
        let (code, nationals) = examples.choose(&mut rng)?;
        let national = variant(nationals.choose(&mut rng)?, &mut rng);
        E164::parse_digits(&format!("{code}{national}"))
    })
    .flatten()
    .take(count)
    .collect()
}

fn variant(national: &str, rng: &mut ChaCha8Rng) -> String {
    let mut digits = national.as_bytes().to_vec();
    let changed = match rng.random_range(0..5) {
        // The first digits, the last digits, or any.
        0 => 0..digits.len().min(4),
        1 => digits.len().saturating_sub(5)..digits.len(),
        _ => 0..digits.len(),
    };
    for _ in 0..rng.random_range(0..4) {
        digits[rng.random_range(changed.clone())] = rng.random_range(b'0'..=b'9');
    }
    match rng.random_range(0..12) {
        0 => digits.truncate(rng.random_range(1..=digits.len())),
        1 => digits.extend((0..rng.random_range(1..4)).map(|_| rng.random_range(b'0'..=b'9'))),
        2 => digits.insert(0, b'0'),
        _ => (),
    }
    digits.into_iter().map(char::from).collect()
}
