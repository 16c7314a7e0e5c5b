//! Which ranges to name: the narrowest that carries the excess.
//!
//! Pure functions over the late suspects of a region: attempts that stayed
//! unverified and lie in no block.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Prefix;

/// A suspect attempt: its block of 100 (or what is known of it) and the length
/// of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) block: Prefix,
    pub(crate) digits: u8,
}

/// Suspects a sub-prefix needs before it may be named.
const SUSPECTS_MIN: u32 = 3;
/// Log likelihood ratio from which a sub-prefix stands out.
const STANDS_OUT: f64 = 5.0;
/// A wider prefix must explain this much more to be preferred.
const WIDER_GAIN: f64 = 0.5;

/// How many suspects lie in each prefix that leaves `class` digits open, among
/// numbers of `digits` digits; in order of prefix.
pub(crate) fn count_by_prefix(suspects: &[Suspect], digits: u8, class: u8) -> BTreeMap<Prefix, u32> {
    let mut counts = BTreeMap::new();
    let len = usize::from(digits - class);
    for s in suspects.iter().filter(|s| s.digits == digits && s.block.len() >= len) {
        *counts.entry(s.block.truncated(len)).or_insert(0) += 1;
    }
    counts
}

/// The sub-prefix of a range of `class` that best explains where `suspects` lie,
/// against `relative(prefix, class)`: the honest share of the sub-prefix within
/// the range. Only an excess over that share counts.
pub(crate) fn narrow(
    suspects: &[Suspect],
    digits: u8,
    class: u8,
    mut relative: impl FnMut(Prefix, u8) -> f64,
) -> Option<(Prefix, u8)> {
    let total = suspects.len() as f64;
    let mut best: Option<(f64, Prefix, u8)> = None;
    for q in super::CLASS_MIN..class {
        for (prefix, count) in count_by_prefix(suspects, digits, q) {
            if count < SUSPECTS_MIN {
                continue;
            }
            let (x, rel) = (f64::from(count), relative(prefix, q).clamp(1e-9, 0.999));
            let share = x / total;
            if share <= rel {
                continue;
            }
            let outside = if count as usize == suspects.len() {
                0.0
            } else {
                (total - x) * libm::log((1.0 - share) / (1.0 - rel))
            };
            let ratio = x * libm::log(share / rel) + outside;
            if best.is_none_or(|(known, _, _)| ratio > known + WIDER_GAIN) {
                best = Some((ratio, prefix, q));
            }
        }
    }
    best.filter(|(ratio, _, _)| *ratio >= STANDS_OUT)
        .map(|(_, prefix, q)| (prefix, q))
}

/// The prefixes among numbers of `digits` digits, in the narrowest class up to
/// `class_max`, that hold three suspects or more and that `is_meant` names, where
/// together they hold at least a part `share` of all suspects, both of every length.
pub(crate) fn most_of(
    suspects: &[Suspect],
    digits: u8,
    class_max: u8,
    share: f64,
    is_meant: impl Fn(Prefix, u32) -> bool,
) -> Option<Vec<Prefix>> {
    (super::CLASS_MIN..=class_max).find_map(|class| {
        let counts = count_by_prefix(suspects, digits, class).into_iter();
        let named: BTreeSet<Prefix> = counts
            .filter(|(prefix, count)| *count >= SUSPECTS_MIN && is_meant(*prefix, *count))
            .map(|(prefix, _)| prefix)
            .collect();
        let len = usize::from(digits - class);
        let is_covered = |s: &&Suspect| s.block.len() >= len && named.contains(&s.block.truncated(len));
        let covered = suspects.iter().filter(is_covered).count();
        let is_most = covered as f64 >= share * suspects.len() as f64;
        is_most.then(|| named.into_iter().collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspects(blocks: &[u64]) -> Vec<Suspect> {
        blocks
            .iter()
            .map(|b| Suspect {
                block: Prefix::from_digits(*b).unwrap(),
                digits: 12,
            })
            .collect()
    }

    #[test]
    fn the_block_that_carries_the_excess_is_named() {
        let s = suspects(&[9_989_012_345; 8]);
        assert_eq!(
            narrow(&s, 12, 5, |_, _| 0.05),
            Some((Prefix::from_digits(9_989_012_345).unwrap(), 2))
        );
    }

    #[test]
    fn a_rare_length_is_no_excess_among_numbers_of_the_usual_one() {
        let mut all = suspects(&[20_234_561; 12]);
        for suspect in &mut all {
            suspect.digits = 10;
        }
        let most = |all: &[Suspect]| most_of(all, 10, 4, 0.7, |_, _| true);
        assert_eq!(most(&all), Some(vec![Prefix::from_digits(20_234_561).unwrap()]));
        let others: Vec<u64> = (0..40).map(|i| 2_010_000_000 + i * 250).collect();
        all.extend(suspects(&others));
        assert_eq!(most(&all), None);
    }

    #[test]
    fn numbers_of_two_lengths_under_one_prefix_are_held_by_it() {
        let mut all = suspects(&[628_123_456; 10]);
        let prefix = Prefix::from_digits(6_281_234).unwrap();
        for suspect in &mut all[..5] {
            suspect.digits = 11;
        }
        let most = |digits, class| most_of(&all, digits, class, 0.7, |p, _| prefix.covers(p));
        assert!(most(11, 4).is_some() && most(12, 4).is_some());
    }

    #[test]
    fn a_deficit_is_no_excess() {
        let mut blocks = vec![9_989_012_345; 3];
        blocks.extend((0..27).map(|i| 9_989_012_000 + i * 31 % 345));
        assert_eq!(
            narrow(&suspects(&blocks), 12, 5, |_, q| if q == 2 { 0.4 } else { 0.999 }),
            None
        );
    }

    #[test]
    fn evenly_spread_suspects_stand_out_nowhere() {
        let blocks: Vec<u64> = (0..40).map(|i| 9_989_010_000 + i * 250).collect();
        assert_eq!(
            narrow(&suspects(&blocks), 12, 6, |_, q| if q == 5 { 0.9 } else { 0.3 }),
            None
        );
    }
}
