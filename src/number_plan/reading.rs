//! Whether digits are a whole number or the beginning of longer ones.
//!
//! A range of ours leaves two digits open at least. Where valid numbers end at these
//! digits and others go on by as many, the plan leaves it open: South African mobile
//! numbers, by the plan, have five to nine digits, and in use nine. There the length
//! decides that the metadata's example has, which is one in use.

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};

use super::automaton::{NOTHING, Node};
use super::path::BLOCK_DIGITS;
use super::{E164, NumberPlan, NumberType};
use crate::model::Region;

/// How digits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As a number: the plan has no range there, or no valid number at all.
    Number,
    /// As a number of usual length, though valid numbers go on from it.
    RatherNumber,
    /// As a range, though it is a valid number: those in use are longer.
    RatherRange,
    /// As a range: valid numbers go on from it, and none ends there.
    Range,
}

impl Reading {
    /// Whether one number is meant.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::RatherNumber)
    }
}

impl NumberPlan {
    /// How the digits of what may be a number are best read.
    pub fn reading(&self, digits: E164) -> Reading {
        let node = self.walk(digits.digits(), digits.len()).last;
        let outcome = self.outcome(node);
        match (outcome.is_valid(), self.goes_on(node, BLOCK_DIGITS)) {
            (true, true) => {
                let region = outcome.region.map(|id| self.region(id));
                let usual = region.and_then(|region| usual_digits(region, outcome.number_type));
                if usual.is_none_or(|usual| digits.len() >= usual) {
                    Reading::RatherNumber
                } else {
                    Reading::RatherRange
                }
            }
            (false, _) if node.under != NOTHING => Reading::Range,
            _ => Reading::Number,
        }
    }

    /// Whether valid numbers go on from a node by so many digits or more.
    fn goes_on(&self, node: &Node, digits: usize) -> bool {
        // Where no valid number begins, the graph runs in circles.
        node.under != NOTHING
            && (digits == 0 || node.next.iter().any(|&next| self.goes_on(self.node(next), digits - 1)))
    }
}

/// Digits, with the calling code, of the example that the metadata gives of a region's
/// numbers of a type; `None` without one.
fn usual_digits(region: Region, number_type: NumberType) -> Option<usize> {
    let territory = match region {
        Region::WORLD => return None,
        _ => DATABASE.by_id(region.as_str())?,
    };
    let example = descriptor(territory, number_type)?.example()?;
    let code_digits = territory.country_code().checked_ilog10()? as usize + 1;
    Some(code_digits + example.len())
}

fn descriptor(territory: &Metadata, number_type: NumberType) -> Option<&Descriptor> {
    let types = territory.descriptors();
    match number_type {
        NumberType::FixedLine | NumberType::FixedLineOrMobile => types.fixed_line(),
        NumberType::Mobile => types.mobile(),
        NumberType::TollFree => types.toll_free(),
        NumberType::PremiumRate => types.premium_rate(),
        NumberType::SharedCost => types.shared_cost(),
        NumberType::Voip => types.voip(),
        NumberType::PersonalNumber => types.personal_number(),
        NumberType::Pager => types.pager(),
        NumberType::Uan => types.uan(),
        NumberType::Voicemail => types.voicemail(),
        NumberType::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_digits_are_read_as_people_mean_them() {
        use Reading::{Number, Range, RatherNumber, RatherRange};
        for (digits, reading) in [
            // South Africa: a thousand, by the plan a number; a whole number.
            ("+27816122", RatherRange),
            ("+27816122345", Number),
            // One length only.
            ("+9989012", Range),
            ("+99890123456", Range),
            ("+998901234567", Number),
            ("+12124567890", Number),
            ("+121245678", Range),
            // Several lengths: Germany, Austria, Indonesia, Italy, Finland, New Zealand.
            ("+491711234567", Number),
            ("+4917112345", Range),
            ("+436641234567", RatherNumber),
            ("+436641234", RatherRange),
            ("+6281234567890", Number),
            ("+62812345678", RatherNumber),
            ("+6281234567", Range),
            ("+393123456789", Number),
            ("+358412345678", Number),
            ("+3584123456", RatherRange),
            ("+64211234567", Number),
            // What nobody has is what it was typed as.
            ("+99912345678", Number),
            ("+9989012345678", Number),
        ] {
            let seen = NumberPlan::shared().reading(E164::parse(digits).unwrap());
            assert_eq!(seen, reading, "{digits}");
        }
    }
}
