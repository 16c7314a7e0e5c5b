//! What `pumpwatch number` says of its input.

use std::borrow::Cow;

use serde::Serialize;

use super::{NumberPlan, path};
use crate::model::{E164, E164_DIGITS_MAX, E164_DIGITS_MIN, Prefix, Region};

/// One line of `pumpwatch number`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberReport {
    /// The text as given.
    pub input: String,
    /// Whether the plan has such a number.
    pub valid: bool,
    /// The number with its plus; `None` when the input is none.
    pub e164: Option<String>,
    /// The region that owns the number.
    pub region: Option<Region>,
    /// What the number is used for; `None` when the input is no number.
    #[serde(rename = "type")]
    pub number_type: Option<&'static str>,
    /// The operator, where known.
    pub operator: Option<String>,
    /// The country calling code; `None` when no plan knows it.
    pub calling_code: Option<u16>,
    /// From the region's own prefix to the block of 100.
    pub path: Vec<String>,
    /// Why the input is no number; left out for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// Describes a text that should be an E.164 number: a plus and 7 to 15 digits.
/// Nothing is trimmed, repaired or guessed.
pub fn describe(input: &str) -> NumberReport {
    let Some(number) = E164::parse(input) else {
        return NumberReport {
            input: input.to_owned(),
            valid: false,
            e164: None,
            region: None,
            number_type: None,
            operator: None,
            calling_code: None,
            path: Vec::new(),
            reason: Some(why_no_number(input)),
        };
    };
    let class = NumberPlan::shared().classify(number);
    NumberReport {
        input: input.to_owned(),
        valid: class.valid,
        e164: Some(number.to_string()),
        region: class.region,
        number_type: Some(class.number_type.as_str()),
        path: path(number, &class).map(|prefix: Prefix| prefix.to_string()).collect(),
        operator: class.operator.map(Into::into),
        calling_code: (class.calling_code != 0).then_some(class.calling_code),
        reason: None,
    }
}

fn why_no_number(input: &str) -> Cow<'static, str> {
    let Some(digits) = input.strip_prefix('+') else {
        return "does not begin with '+': write the number in international form, such as +998901234567".into();
    };
    if let Some(other) = digits.chars().find(|c| !c.is_ascii_digit()) {
        return format!("contains {other:?}: only the digits 0 to 9 may follow the '+'").into();
    }
    if digits.starts_with('0') {
        return "begins with 0 after the '+': a calling code never does".into();
    }
    let count = digits.len();
    format!("has {count} digits: a number has {E164_DIGITS_MIN} to {E164_DIGITS_MAX}").into()
}
