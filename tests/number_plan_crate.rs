//! The number plan beside the `phonenumber` crate's own parsing. Where they
//! differ, the difference is one of the crate's own, each listed by name.

#[path = "number_plan/mod.rs"]
mod sample;

use std::collections::BTreeMap;

use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{PhoneNumber, Type};
use pumpwatch::model::{Classification, E164, NumberType};
use pumpwatch::number_plan::{NumberPlan, describe};
use regex::Regex;

const NUMBERS: usize = 6_000;

/// What the crate does differently from the metadata that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CrateDifference {
    /// Region and type are looked up without the leading zeros of the national
    /// number (+39 06…, +225 01…).
    LosesLeadingZeros,
    /// Digits that look like a national prefix are removed although the number
    /// is in international form.
    RemovesNationalPrefix,
    /// A pattern need not match to the end of the number, and where an earlier
    /// alternative matches a part, a later one that matches the whole is not tried.
    PatternsEndAnywhere,
}

fn crate_type(kind: Type) -> NumberType {
    match kind {
        Type::FixedLine => NumberType::FixedLine,
        Type::Mobile => NumberType::Mobile,
        Type::FixedLineOrMobile => NumberType::FixedLineOrMobile,
        Type::TollFree => NumberType::TollFree,
        Type::PremiumRate => NumberType::PremiumRate,
        Type::SharedCost => NumberType::SharedCost,
        Type::Voip => NumberType::Voip,
        Type::PersonalNumber => NumberType::PersonalNumber,
        Type::Pager => NumberType::Pager,
        Type::Uan => NumberType::Uan,
        Type::Voicemail => NumberType::Voicemail,
        _ => NumberType::Unknown,
    }
}

/// Whether the crate says the same. It names no region for non-geographic
/// numbers; for invalid numbers of shared calling codes the plan's region is a guess.
fn agrees(class: &Classification, parsed: &PhoneNumber) -> bool {
    let region = parsed.metadata(&DATABASE).map(|territory| territory.id().to_owned());
    let same_region = match region {
        Some(region) => class.region.is_some_and(|own| own.as_str() == region),
        None => !class.valid,
    };
    same_region
        && class.calling_code == parsed.code().value()
        && class.valid == parsed.is_valid()
        && class.number_type == crate_type(parsed.number_type(&DATABASE))
}

/// Whether some pattern of the calling code matches this national number for
/// the crate but not as a whole, or the other way round.
fn patterns_end_anywhere(code: u16, national: &str) -> bool {
    let differs = |descriptor: &Descriptor| {
        let lengths = descriptor.possible_length();
        let pattern = descriptor.national_number().as_str();
        let whole = Regex::new(&format!("(?x)^(?:{pattern})$")).expect("a pattern of the metadata");
        let described = (lengths.is_empty() || lengths.contains(&(national.len() as u16))) && whole.is_match(national);
        descriptor.is_match(national) != described
    };
    DATABASE
        .by_code(&code)
        .unwrap_or_default()
        .into_iter()
        .any(|territory| {
            let types = sample::descriptors(territory).into_iter().flatten();
            types.chain([territory.descriptors().general()]).any(differs)
        })
}

fn explain(number: E164, class: &Classification, parsed: &PhoneNumber) -> Option<CrateDifference> {
    let digits = number.digits().to_string();
    let national = digits.strip_prefix(&class.calling_code.to_string())?;
    if national.starts_with('0') {
        return Some(CrateDifference::LosesLeadingZeros);
    }
    if parsed.national().to_string() != national {
        return Some(CrateDifference::RemovesNationalPrefix);
    }
    patterns_end_anywhere(class.calling_code, national).then_some(CrateDifference::PatternsEndAnywhere)
}

#[test]
fn every_difference_from_the_crates_own_parsing_is_one_of_the_crates() {
    let plan = NumberPlan::shared();
    let mut numbers = sample::numbers(NUMBERS, 3);
    // In order of country, which the crate's cache of regular expressions needs.
    numbers.sort_unstable_by_key(|number| number.digits().to_string());
    let mut agreed = 0;
    let mut differences: BTreeMap<CrateDifference, usize> = BTreeMap::new();
    for number in numbers {
        let class = plan.classify(number);
        let parsed = phonenumber::parse(None, number.to_string())
            .unwrap_or_else(|error| panic!("the crate refuses {number}: {error}"));
        if agrees(&class, &parsed) {
            agreed += 1;
            continue;
        }
        let Some(difference) = explain(number, &class, &parsed) else {
            panic!("{number}: the plan says {class:?}, the crate {parsed:?}");
        };
        *differences.entry(difference).or_default() += 1;
    }
    assert!(agreed > NUMBERS / 2, "{agreed} of {NUMBERS} agree; {differences:?}");
    // A difference that no longer occurs is to be taken off the list.
    assert_eq!(differences.len(), 3, "{differences:?}");
}

/// The fourth difference: the crate reads letters as the digits of a telephone's
/// keys and passes over other signs, where the plan refuses the input.
#[test]
fn the_crate_turns_letters_into_digits_and_the_plan_does_not() {
    for text in ["+1800FLOWERS", "+1 (204) 555-1234", "++12045551234"] {
        assert!(phonenumber::parse(None, text).is_ok(), "{text}");
        let report = describe(text);
        assert_eq!(report.e164, None, "{text}");
        assert!(report.reason.is_some(), "{text}");
    }
}
