//! What must hold of well-known numbers, and the size of the automaton.

use super::*;
use proptest::prelude::*;

fn classify(number: &str) -> Classification {
    NumberPlan::shared().classify(E164::parse(number).unwrap())
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

fn region(text: &str) -> Region {
    Region::parse(text).unwrap()
}

/// Region, type and the beginning of the path; `!` marks an invalid number.
fn summary(number: &str) -> String {
    let class = classify(number);
    let first = path(E164::parse(number).unwrap(), &class).next().unwrap();
    let mark = if class.valid { "" } else { "!" };
    let region = class.region.map_or("-".to_owned(), |r| r.to_string());
    format!(
        "{mark}{region} +{} {} {first}",
        class.calling_code,
        class.number_type.as_str()
    )
}

#[test]
fn a_masked_number_may_lie_in_a_fictitious_range() {
    let prefix = |digits: u64| crate::model::Prefix::from_digits(digits).unwrap();
    assert!(super::may_be_fictitious(prefix(44_770_090), 12));
    assert!(super::may_be_fictitious(prefix(1_212_555), 11));
    assert!(!super::may_be_fictitious(prefix(44_770_190), 12));
    assert!(!super::may_be_fictitious(prefix(4_477), 12));
    // A block of 100 hides nothing that would tell.
    assert!(!super::may_be_fictitious(prefix(121_255_599), 11));
    assert!(super::may_be_fictitious(prefix(121_255_501), 11));
}

#[test]
fn well_known_numbers() {
    for (number, expected) in [
        ("+998901234567", "UZ +998 mobile +998"),
        ("+12045551234", "CA +1 fixed_line_or_mobile +1204"),
        ("+13105551234", "US +1 fixed_line_or_mobile +131"),
        ("+18765551234", "JM +1 mobile +1876"),
        ("+18002345678", "US +1 toll_free +18002"),
        ("+77012345678", "KZ +7 mobile +77"),
        ("+79161234567", "RU +7 mobile +79"),
        ("+390612345678", "IT +39 fixed_line +39061"),
        ("+390669812345", "VA +39 fixed_line +3906698"),
        ("+2250123456789", "CI +225 mobile +225"),
        ("+447400123456", "GB +44 mobile +44740"),
        ("+447797712345", "JE +44 mobile +447797"),
        ("+80012345678", "001 +800 toll_free +800"),
        ("+212650123456", "MA +212 mobile +212"),
    ] {
        assert_eq!(summary(number), expected, "{number}");
    }
}

#[test]
fn invalid_numbers_have_the_nearest_region() {
    for (number, expected) in [
        // libphonenumber names these: one region only, or leading digits.
        ("+99890", "too short"),
        ("+9989012345", "!UZ +998 unknown +998"),
        ("+998012345678", "!UZ +998 unknown +998"),
        ("+77000", "too short"),
        ("+7700012345", "!KZ +7 unknown +77"),
        ("+18095551", "!DO +1 unknown +1809"),
        // It names none for these.
        ("+12040551234", "!CA +1 unknown +1204"),
        ("+12045551", "!CA +1 unknown +1204"),
        ("+10005551234", "!US +1 unknown +10"),
        ("+440000000000", "!GB +44 unknown +440"),
        // No plan has these calling codes.
        ("+999123456789", "!- +0 unknown +999"),
        ("+2109123456", "!- +0 unknown +210"),
    ] {
        let got = E164::parse(number).map_or("too short".to_owned(), |_| summary(number));
        assert_eq!(got, expected, "{number}");
    }
}

#[test]
fn a_void_prefix_is_the_shortest_with_which_no_number_begins() {
    let void = |text: &str| NumberPlan::shared().void_prefix(prefix(text)).map(|p| p.to_string());
    assert_eq!(void("+4400000000"), Some("+440".into()));
    assert_eq!(void("+4206364752"), Some("+42063".into()));
    assert_eq!(void("+1000555"), Some("+10".into()));
    assert_eq!(void("+120405512"), Some("+12040".into()));
    assert_eq!(void("+4474001234"), None);
    assert_eq!(void("+44"), None);
    assert_eq!(void("+999123456"), None, "nobody's calling code");
}

#[test]
fn leading_zeros_of_the_national_number_count() {
    assert!(classify("+390612345678").valid);
    assert!(!classify("+39612345678").valid);
    assert!(classify("+2250123456789").valid);
    assert!(!classify("+4407400123456").valid);
}

#[test]
fn canadas_short_numbers_leave_the_united_states_their_area_code() {
    let plan = NumberPlan::shared();
    assert_eq!(summary("+13105551"), "CA +1 uan +131055");
    assert_eq!(plan.sole_region(prefix("+1310")), Some(region("US")));
    assert_eq!(summary("+13100000"), "CA +1 uan +13100");
    // There is no other case: everywhere else a valid number's region is under it, and alone.
    for node in &plan.automaton.nodes {
        let outcome = plan.outcome(node);
        let Some(region) = outcome.region.filter(|_| outcome.is_valid()) else {
            continue;
        };
        let under = plan.region_set(node.under);
        if under != [region] {
            let owner = plan.region(region);
            assert_eq!(
                (owner.as_str(), outcome.calling_code, outcome.number_type),
                ("CA", 1, NumberType::Uan)
            );
        }
    }
}

#[test]
fn a_prefix_belongs_to_a_region_only_when_no_other_has_numbers_there() {
    let plan = NumberPlan::shared();
    for (text, expected) in [
        ("+998", Some("UZ")),
        ("+99", None),
        ("+1", None),
        ("+1204", Some("CA")),
        ("+7", None),
        ("+77", Some("KZ")),
        ("+79", Some("RU")),
        ("+3906", None),
        ("+44", None),
        ("+447797", Some("JE")),
        ("+800", Some("001")),
        ("+1000", None),
        ("+999", None),
    ] {
        assert_eq!(plan.sole_region(prefix(text)), expected.map(region), "{text}");
    }
    let under: Vec<String> = plan.regions_under(prefix("+7")).map(|r| r.to_string()).collect();
    assert_eq!(under, ["RU", "KZ"]);
}

#[test]
fn the_prefixes_of_a_region() {
    let plan = NumberPlan::shared();
    let prefixes = |code: &str| -> Vec<String> {
        plan.region_prefixes(region(code))
            .iter()
            .map(Prefix::to_string)
            .collect()
    };
    assert_eq!(prefixes("UZ"), ["+998"]);
    assert_eq!(prefixes("KZ"), ["+77"]);
    assert_eq!(prefixes("RU"), ["+73", "+74", "+78", "+79"]);
    assert_eq!(prefixes("JM"), ["+1658", "+1876"]);
    assert!(prefixes("CA").contains(&"+1204".to_owned()));
    assert!(prefixes("001").starts_with(&["+800".to_owned(), "+808".to_owned(), "+870".to_owned()]));
    assert!(prefixes("ZZ").is_empty());
    let most = plan.regions().map(|r| plan.region_prefixes(r).len()).max();
    assert_eq!(most, Some(prefixes("US").len()));
    assert_eq!(most, Some(285));
}

#[test]
fn masked_numbers() {
    let plan = NumberPlan::shared();
    let of = |text: &str| {
        let class = plan.classify_prefix(prefix(text));
        let path: Vec<String> = prefix_path(prefix(text), &class).map(|p| p.to_string()).collect();
        let region = class.region.map_or("-".to_owned(), |r| r.to_string());
        (region, class.calling_code, class.valid, path.join(" "))
    };
    let expect = |region: &str, code, valid, path: &str| (region.to_owned(), code, valid, path.to_owned());
    assert_eq!(
        of("+99890123"),
        expect("UZ", 998, true, "+998 +9989 +99890 +998901 +9989012 +99890123")
    );
    assert_eq!(of("+120455"), expect("CA", 1, true, "+1204 +12045 +120455"));
    assert_eq!(of("+12040"), expect("CA", 1, false, "+1204 +12040"));
    assert_eq!(of("+12"), expect("US", 1, true, "+12"));
    assert_eq!(of("+99"), expect("-", 0, true, "+99"));
    assert_eq!(of("+999"), expect("-", 0, false, "+999"));
}

#[test]
fn reports_have_the_contracts_fields_in_its_order() {
    let line = |input: &str| serde_json::to_string(&describe(input)).unwrap();
    assert_eq!(
        line("+998901234567"),
        r#"{"input":"+998901234567","valid":true,"e164":"+998901234567","region":"UZ","type":"mobile","operator":null,"calling_code":998,"path":["+998","+9989","+99890","+998901","+9989012","+99890123","+998901234","+9989012345"]}"#
    );
    assert_eq!(
        line("+9991234567"),
        r#"{"input":"+9991234567","valid":false,"e164":"+9991234567","region":null,"type":"unknown","operator":null,"calling_code":null,"path":["+999","+9991","+99912","+999123","+9991234","+99912345"]}"#
    );
    assert_eq!(
        line("+1 204 555"),
        r#"{"input":"+1 204 555","valid":false,"e164":null,"region":null,"type":null,"operator":null,"calling_code":null,"path":[],"reason":"contains ' ': only the digits 0 to 9 may follow the '+'"}"#
    );
}

#[test]
fn input_that_is_no_number_is_told_why() {
    for (input, part) in [
        ("", "does not begin with '+'"),
        ("998901234567", "does not begin with '+'"),
        (" +998901234567", "does not begin with '+'"),
        ("+1800FLOWERS", "contains 'F'"),
        ("+1-204-555-1234", "contains '-'"),
        ("+١٢٣٤٥٦٧٨", "contains '١'"),
        ("+0998901234567", "begins with 0"),
        ("+", "has 0 digits: a number has 7 to 15"),
        ("+123456", "has 6 digits"),
        ("+1234567890123456", "has 16 digits"),
    ] {
        let report = describe(input);
        let reason = report.reason.unwrap();
        assert!(reason.contains(part), "{input:?}: {reason}");
        assert!(!report.valid && report.e164.is_none() && report.path.is_empty());
    }
}

#[test]
fn the_automaton_fits_a_processors_cache() {
    let automaton = &NumberPlan::shared().automaton;
    assert_eq!(size_of::<Node>(), 24);
    assert!(automaton.nodes.len() < 20_000, "{}", automaton.nodes.len());
}

#[test]
fn the_version_is_that_of_the_locked_metadata() {
    let lock = include_str!("../../Cargo.lock");
    let locked = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"phonenumber\""));
    let version = format!("+{}\"", metadata_version());
    assert!(locked.is_some_and(|package| package.contains(&version)), "{locked:?}");
}

#[test]
fn two_compilations_are_equal() {
    let again = NumberPlan::compile().unwrap();
    let plan = NumberPlan::shared();
    assert_eq!(again.automaton.nodes, plan.automaton.nodes);
    assert_eq!(again.automaton.outcomes, plan.automaton.outcomes);
    assert_eq!(again.automaton.region_sets, plan.automaton.region_sets);
}

proptest! {
    #[test]
    fn any_digits_have_an_answer(digits in 1u64..1_000_000_000_000_000) {
        let plan = NumberPlan::shared();
        let prefix = Prefix::from_digits(digits).unwrap();
        let masked = plan.classify_prefix(prefix);
        prop_assert!((1..=prefix.len()).contains(&usize::from(masked.region_digits)));
        prop_assert_eq!(masked.valid, plan.regions_under(prefix).len() > 0);
        let shallow: Vec<Region> = plan.regions_under(prefix.parent().unwrap_or(prefix)).collect();
        prop_assert!(plan.regions_under(prefix).all(|region| shallow.contains(&region)));
        if let Some(number) = E164::from_digits(digits) {
            let class = plan.classify(number);
            prop_assert_eq!(class.region.is_some(), class.calling_code != 0);
            prop_assert_eq!(class.valid, class.number_type != NumberType::Unknown);
            prop_assert_eq!(path(number, &class).next_back(), Some(number.block()));
            prop_assert_eq!(path(number, &class).count(), number.len() - 1 - usize::from(class.region_digits));
        }
    }

    #[test]
    fn any_text_has_a_report(text in "\\PC{0,20}|\\+[0-9 a-z-]{0,20}") {
        let report = describe(&text);
        prop_assert_eq!(report.e164.is_none(), report.reason.is_some());
        prop_assert_eq!(report.e164.is_some(), E164::parse(&text).is_some());
    }
}
