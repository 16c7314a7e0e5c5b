//! Ranges that regulators reserve for films, documentation and tests: nobody ever
//! holds a number there, so messages to them are a load test and never fraud.
//!
//! Sources: NANPA (555-0100 to 0199 in every area code), Ofcom (numbers for drama),
//! ARCEP (fiction), Bundesnetzagentur (media productions), ACMA (creative works),
//! PTS (fictional numbers).

use crate::model::Prefix;

/// Whole ranges, as digits after the plus.
const RANGES: [u64; 33] = [
    // United Kingdom
    441_134_960,
    441_144_960,
    441_154_960,
    441_164_960,
    441_174_960,
    441_184_960,
    441_214_960,
    441_314_960,
    441_414_960,
    441_514_960,
    441_614_960,
    441_914_980,
    441_632_960,
    442_079_460,
    442_896_496,
    442_920_180,
    443_069_990,
    447_700_900,
    448_081_570,
    449_098_790,
    // France
    3_319_900,
    3_326_191,
    3_335_301,
    3_346_571,
    3_353_649,
    3_363_998,
    // Germany
    493_023_125,
    496_990_009,
    494_066_969,
    492_214_710,
    498_999_998,
    // Australia
    61_491_570,
    61_491_571,
];

/// Digits of a North American number without its last two.
const NANP_BLOCK_DIGITS: usize = 9;

/// Whether a number of which only `prefix` is known, of `digits` digits in all, may
/// lie in a fictitious range: a masked one hides the digits that would tell.
pub fn may_be_fictitious(prefix: Prefix, digits: u8) -> bool {
    if prefix.len() + 2 >= usize::from(digits) {
        return is_fictitious(prefix);
    }
    // +1 NPA 555 and no more.
    if prefix.len() == 7 && prefix.digits() / 1_000_000 == 1 && prefix.digits() % 1_000 == 555 {
        return true;
    }
    is_fictitious(prefix)
        || RANGES.iter().any(|range| {
            Prefix::from_digits(*range).is_some_and(|range| prefix.len() + 2 >= range.len() && prefix.covers(range))
        })
}

/// Whether the block of 100 lies wholly in a fictitious range.
pub fn is_fictitious(block: Prefix) -> bool {
    let digits = block.digits();
    // +1 NPA 555 01xx, of which the block leaves the last two digits open.
    if block.len() == NANP_BLOCK_DIGITS && digits / 100_000_000 == 1 {
        return digits % 100_000 == 55_501;
    }
    RANGES
        .iter()
        .any(|&range| Prefix::from_digits(range).is_some_and(|range| range.covers(block)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_numbers_are_fictitious_and_their_neighbours_are_not() {
        let block = |number: u64| Prefix::from_digits(number / 100).unwrap();
        for number in [
            12_065_550_100,
            12_125_550_199,
            447_700_900_123,
            33_639_981_234,
            442_079_460_000,
        ] {
            assert!(is_fictitious(block(number)), "{number}");
        }
        for number in [
            12_065_550_200,
            12_065_551_100,
            447_700_800_123,
            33_639_971_234,
            998_901_234_567,
        ] {
            assert!(!is_fictitious(block(number)), "{number}");
        }
    }
}
