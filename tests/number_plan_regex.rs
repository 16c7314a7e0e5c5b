//! The automaton says what the regular expressions of the same metadata say,
//! evaluated one after the other on the national number with its leading zeros.

#[path = "number_plan/mod.rs"]
mod sample;

use std::collections::{BTreeMap, HashMap};

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use pumpwatch::model::{NumberType, Prefix, Region};
use pumpwatch::number_plan::{NumberPlan, path};
use regex::Regex;

const NUMBERS: usize = 40_000;

const TYPES: [NumberType; 8] = [
    NumberType::PremiumRate,
    NumberType::TollFree,
    NumberType::SharedCost,
    NumberType::Voip,
    NumberType::PersonalNumber,
    NumberType::Pager,
    NumberType::Uan,
    NumberType::Voicemail,
];

/// The rules, read as slowly and plainly as possible.
#[derive(Default)]
struct Naive {
    compiled: HashMap<String, Regex>,
}

impl Naive {
    fn matches(&mut self, pattern: &str, end: &str, text: &str) -> bool {
        let source = format!("(?x)^(?:{pattern}){end}");
        let regex = self
            .compiled
            .entry(source)
            .or_insert_with_key(|source| Regex::new(source).expect("a pattern of the metadata"));
        regex.is_match(text)
    }

    fn described(&mut self, descriptor: Option<&Descriptor>, national: &str) -> bool {
        descriptor.is_some_and(|d| {
            let lengths = d.possible_length();
            (lengths.is_empty() || lengths.contains(&(national.len() as u16)))
                && self.matches(d.national_number().as_str(), "$", national)
        })
    }

    fn number_type(&mut self, territory: &Metadata, national: &str) -> NumberType {
        if !self.described(Some(territory.descriptors().general()), national) {
            return NumberType::Unknown;
        }
        let [special @ .., fixed_line, mobile] = sample::descriptors(territory);
        for (number_type, descriptor) in TYPES.into_iter().zip(special) {
            if self.described(descriptor, national) {
                return number_type;
            }
        }
        match (self.described(fixed_line, national), self.described(mobile, national)) {
            (true, true) => NumberType::FixedLineOrMobile,
            (true, false) => NumberType::FixedLine,
            (false, true) => NumberType::Mobile,
            (false, false) => NumberType::Unknown,
        }
    }

    /// Calling code, region where the rules name one, type.
    fn classify(&mut self, digits: &str) -> (u16, Option<String>, NumberType) {
        let found = (1..=3).find_map(|len| {
            let code: u16 = digits[..len].parse().expect("digits");
            DATABASE.by_code(&code).map(|territories| (code, len, territories))
        });
        let Some((code, code_len, territories)) = found else {
            return (0, None, NumberType::Unknown);
        };
        let national = &digits[code_len..];
        for territory in &territories {
            let number_type = self.number_type(territory, national);
            let owns = match territory.leading_digits() {
                _ if territories.len() == 1 => true,
                Some(pattern) => self.matches(pattern.as_str(), "", national),
                None => number_type != NumberType::Unknown,
            };
            if owns {
                return (code, Some(territory.id().to_owned()), number_type);
            }
        }
        (code, None, NumberType::Unknown)
    }
}

#[test]
fn the_automaton_agrees_with_the_regular_expressions() {
    let plan = NumberPlan::shared();
    let mut naive = Naive::default();
    let mut valid = 0;
    for number in sample::numbers(NUMBERS, 7) {
        let digits = number.digits().to_string();
        let (code, region, number_type) = naive.classify(&digits);
        let class = plan.classify(number);
        assert_eq!(class.calling_code, code, "{digits}");
        assert_eq!(class.number_type, number_type, "{digits}");
        assert_eq!(class.valid, number_type != NumberType::Unknown, "{digits}");
        match region {
            Some(region) => assert_eq!(class.region.map(|r| r.to_string()), Some(region), "{digits}"),
            None => assert_eq!(class.region.is_some(), code != 0, "{digits}"),
        }
        valid += usize::from(class.valid);
    }
    assert!(
        (NUMBERS / 4..NUMBERS * 3 / 4).contains(&valid),
        "{valid} valid numbers are too one-sided a sample"
    );
}

#[test]
fn every_prefix_of_a_valid_number_knows_that_it_is_there() {
    let plan = NumberPlan::shared();
    for number in sample::numbers(NUMBERS, 8) {
        let class = plan.classify(number);
        for len in 1..=number.len() {
            let prefix = number.prefix(len);
            let masked = plan.classify_prefix(prefix);
            let sole = plan.sole_region(prefix);
            assert_eq!(masked.valid, plan.regions_under(prefix).len() > 0, "{prefix}");
            assert_eq!(masked.number_type, NumberType::Unknown);
            if class.valid && !is_canadian_310(number.digits()) {
                assert!(masked.valid, "{prefix}");
                assert!(sole.is_none() || sole == class.region, "{prefix}");
            }
            if sole.is_some() && masked.calling_code != 0 {
                assert_eq!(masked.region, sole, "{prefix}");
            }
        }
    }
}

/// Canada's seven-digit 310-XXXX, inside an area code of the United States: valid,
/// but they make no prefix Canada's.
fn is_canadian_310(digits: u64) -> bool {
    (13_100_000..=13_109_999).contains(&digits)
}

#[test]
fn a_path_begins_with_the_shortest_prefix_of_its_own_and_ends_with_the_block() {
    let plan = NumberPlan::shared();
    for number in sample::numbers(NUMBERS, 9) {
        let class = plan.classify(number);
        let prefixes: Vec<Prefix> = path(number, &class).collect();
        assert_eq!(prefixes.last(), Some(&number.block()));
        for pair in prefixes.windows(2) {
            assert_eq!(pair[1].parent(), Some(pair[0]));
        }
        let first = prefixes[0];
        assert_eq!(first.len(), usize::from(class.region_digits));
        let is_own = |prefix| plan.regions_under(prefix).all(|region| Some(region) == class.region);
        assert!(is_own(first) || first == number.block(), "{first} of {number}");
        let code_len = class.calling_code.max(1).to_string().len();
        if first.len() > code_len {
            assert!(
                first.parent().is_some_and(|parent| !is_own(parent)),
                "{first} of {number}"
            );
        }
        assert!(first.len() >= code_len);
    }
}

#[test]
fn the_prefixes_of_a_region_hold_its_numbers_and_no_others() {
    let plan = NumberPlan::shared();
    let prefixes: BTreeMap<Region, Vec<Prefix>> = plan
        .regions()
        .map(|region| (region, plan.region_prefixes(region)))
        .collect();
    for (region, prefixes) in &prefixes {
        // Morocco is asked first and has all that Western Sahara's patterns describe.
        assert_eq!(prefixes.is_empty(), region.as_str() == "EH", "{region}");
        for pair in prefixes.windows(2) {
            assert!(
                !pair[0].covers(pair[1]) && !pair[1].covers(pair[0]),
                "{region}: {pair:?}"
            );
        }
        for &prefix in prefixes {
            assert_eq!(plan.sole_region(prefix), Some(*region), "{prefix}");
            // The shortest: one digit less is another region's too, or no calling code yet.
            let parent = prefix.parent();
            assert!(
                parent.is_none_or(|p| plan.sole_region(p).is_none() || plan.classify_prefix(p).calling_code == 0),
                "{region}: {prefix} is not the shortest"
            );
        }
    }
    for number in sample::numbers(NUMBERS, 10) {
        let class = plan.classify(number);
        if !class.valid || is_canadian_310(number.digits()) {
            continue;
        }
        let owners: Vec<Region> = prefixes
            .iter()
            .filter(|(_, prefixes)| prefixes.iter().any(|prefix| prefix.covers_number(number)))
            .map(|(region, _)| *region)
            .collect();
        assert_eq!(owners, [class.region.expect("a valid number has a region")], "{number}");
    }
}
