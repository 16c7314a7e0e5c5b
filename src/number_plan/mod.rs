//! The number plan: from digits to region, type, validity and path.
//!
//! Compiled once from the metadata of the `phonenumber` crate (which is that of
//! Google's libphonenumber) into one immutable automaton over digits; a look-up
//! takes one step a digit and needs no lock, no regular expression and no memory.
//!
//! The answers are those of libphonenumber for a number whose national part is
//! taken as dialled after the calling code, leading zeros included: the national
//! number of +39 06… is 06…. No national prefix is removed and nothing repaired.
//!
//! Two things are added, because traffic to invalid numbers is traffic too:
//!
//! * **Region of an invalid number.** Where libphonenumber names a region, it is
//!   that one. Where it names none (inside a calling code of several regions), it
//!   is the region with the longest match: of all regions with a valid number
//!   that shares the longest prefix with this one, the first in the order of the
//!   plan (main country first).
//! * **A region's own prefix.** A prefix, not shorter than the calling code, with
//!   which no valid number of another region begins. Area codes of shared calling
//!   codes are not listed anywhere: they follow from the patterns (+1204 is Canada's
//!   because every valid number under it matches Canada's patterns alone). A number's
//!   path begins with the shortest such prefix, which is never a shared calling code
//!   itself: +44740 for a British mobile number, +447797 for one of Jersey. Canada's
//!   seven-digit 310-XXXX are valid numbers but make no prefix Canada's, since they
//!   lie in the United States' area code 310.

mod automaton;
mod fictitious;
mod path;
mod pattern;
mod reading;
mod report;
mod rules;
mod territories;

use std::sync::LazyLock;

pub use fictitious::{is_fictitious, may_be_fictitious};
pub use path::{Path, path, prefix_path};
pub use pattern::PatternError;
pub use reading::Reading;
pub use report::{NumberReport, describe};
pub use rules::PlanError;
pub use territories::same_country;

use crate::model::{Classification, E164, E164_DIGITS_MAX, NumberType, Prefix, Region};
use automaton::{Automaton, Id, NOTHING, Node, Outcome};

/// The edition of libphonenumber's metadata that is compiled in.
pub fn metadata_version() -> &'static str {
    "9.0.33"
}

/// All numbers of the world. Immutable, and shared by all threads.
#[derive(Debug)]
pub struct NumberPlan {
    automaton: Automaton,
}

/// The nodes on the way of some digits.
struct Walk<'a> {
    last: &'a Node,
    /// `under[n]`: the set of regions after `n + 1` digits.
    under: [Id; E164_DIGITS_MAX],
    len: usize,
}

impl NumberPlan {
    /// Compiles the metadata, in well under a second.
    ///
    /// # Errors
    /// When the metadata contains what the automaton cannot express; the tests
    /// show that the compiled-in edition does not.
    pub fn compile() -> Result<Self, PlanError> {
        automaton::compile().map(|automaton| Self { automaton })
    }

    /// The plan of this process, compiled at the first call.
    ///
    /// # Panics
    /// When the compiled-in metadata cannot be compiled, which is a defect of the build.
    pub fn shared() -> &'static Self {
        static PLAN: LazyLock<NumberPlan> =
            LazyLock::new(|| NumberPlan::compile().expect("the compiled-in metadata is a number plan"));
        &PLAN
    }

    /// What the plan says of a whole number.
    pub fn classify(&self, number: E164) -> Classification {
        let walk = self.walk(number.digits(), number.len());
        let outcome = self.outcome(walk.last);
        let region = outcome.region.or_else(|| self.nearest_region(&walk, outcome));
        let block_len = number.len() - 2;
        let region_digits = self.own_prefix_len(&walk, outcome, region).min(block_len);
        self.classification(outcome, region, outcome.is_valid(), region_digits)
    }

    /// What the plan says of a masked number, of which only the first digits are
    /// known: valid when some continuation (or the prefix itself) is; the region
    /// that has all valid continuations, or the first of them in the order of the
    /// plan; never a type. Calling code 0 and no region when the prefix is shorter
    /// than its calling code.
    pub fn classify_prefix(&self, prefix: Prefix) -> Classification {
        let walk = self.walk(prefix.digits(), prefix.len());
        let outcome = Outcome {
            number_type: NumberType::Unknown,
            ..self.outcome(walk.last)
        };
        let valid = walk.last.under != NOTHING;
        let named = if valid { None } else { outcome.region };
        let region = named.or_else(|| self.nearest_region(&walk, outcome));
        let region_digits = self.own_prefix_len(&walk, outcome, region);
        self.classification(outcome, region, valid, region_digits)
    }

    /// The regions that have valid numbers under the prefix, in the order of the
    /// plan (by calling code, main country first). Canada's 310-XXXX do not
    /// count (see the module).
    pub fn regions_under(&self, prefix: Prefix) -> impl ExactSizeIterator<Item = Region> + '_ {
        let node = self.walk(prefix.digits(), prefix.len()).last;
        self.region_set(node.under).iter().map(|&id| self.region(id))
    }

    /// The shortest beginning of the digits, longer than a calling code, with which no
    /// valid number begins; `None` when some begins with all of them, or the calling code
    /// is nobody's.
    pub fn void_prefix(&self, digits: Prefix) -> Option<Prefix> {
        let walk = self.walk(digits.digits(), digits.len());
        let void = walk.under[..walk.len].iter().position(|&under| under == NOTHING)?;
        let is_within_a_code = void > 0 && self.outcome(walk.last).calling_code != 0;
        is_within_a_code.then(|| digits.truncated(void + 1))
    }

    /// The only region that has valid numbers under the prefix; `None` when
    /// several have, or none. A block of a prefix is within one region exactly
    /// when this is some region.
    pub fn sole_region(&self, prefix: Prefix) -> Option<Region> {
        let mut regions = self.regions_under(prefix);
        let first = regions.next()?;
        regions.next().is_none().then_some(first)
    }

    /// The shortest prefixes, none shorter than the calling code, that together
    /// hold every valid number of the region and none of another; none covers
    /// another, and they are ordered as text. One for most regions (+998), 285 for
    /// the United States, the most of all. Empty for a region without numbers, as
    /// is EH, whose numbers the metadata gives to Morocco.
    pub fn region_prefixes(&self, region: Region) -> Vec<Prefix> {
        let mut prefixes = Vec::new();
        if let Some(id) = self.automaton.regions.iter().position(|&known| known == region) {
            self.collect_prefixes(self.automaton.root, 0, id as Id, &mut prefixes);
        }
        prefixes
    }

    /// All regions of the plan, by calling code, main country first; `001` once.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = Region> + '_ {
        self.automaton.regions.iter().copied()
    }

    fn collect_prefixes(&self, node: Id, digits: u64, region: Id, prefixes: &mut Vec<Prefix>) {
        let node = self.node(node);
        let under = self.region_set(node.under);
        if !under.contains(&region) {
            return;
        }
        // Before the end of the calling code the node has none.
        let is_own = under.len() == 1 && self.outcome(node).calling_code != 0;
        match Prefix::from_digits(digits) {
            Some(prefix) if is_own => prefixes.push(prefix),
            _ => {
                for (digit, &next) in (0..).zip(&node.next) {
                    self.collect_prefixes(next, digits * 10 + digit, region, prefixes);
                }
            }
        }
    }

    fn walk(&self, digits: u64, len: usize) -> Walk<'_> {
        let mut rest = digits;
        let mut text = [0u8; E164_DIGITS_MAX];
        for digit in text[..len].iter_mut().rev() {
            *digit = (rest % 10) as u8;
            rest /= 10;
        }
        let mut last = self.node(self.automaton.root);
        let mut under = [NOTHING; E164_DIGITS_MAX];
        for (digit, under) in text[..len].iter().zip(&mut under) {
            last = self.node(last.next[usize::from(*digit)]);
            *under = last.under;
        }
        Walk { last, under, len }
    }

    /// The first region in the longest prefix with which valid numbers begin.
    fn nearest_region(&self, walk: &Walk<'_>, outcome: Outcome) -> Option<Id> {
        if outcome.calling_code == 0 {
            return None;
        }
        let longest = walk.under[..walk.len].iter().rev().find(|&&under| under != NOTHING)?;
        self.region_set(*longest).first().copied()
    }

    /// Length of the shortest prefix under which no other region has valid
    /// numbers; all digits when there is none.
    fn own_prefix_len(&self, walk: &Walk<'_>, outcome: Outcome, region: Option<Id>) -> usize {
        let code_len = outcome.calling_code.checked_ilog10().map_or(1, |log| log as usize + 1);
        (code_len..walk.len)
            .find(|&len| match self.region_set(walk.under[len - 1]) {
                [] => true,
                [only] => Some(*only) == region,
                _ => false,
            })
            .unwrap_or(walk.len)
    }

    fn classification(
        &self,
        outcome: Outcome,
        region: Option<Id>,
        valid: bool,
        region_digits: usize,
    ) -> Classification {
        Classification {
            region: region.map(|id| self.region(id)),
            calling_code: outcome.calling_code,
            number_type: outcome.number_type,
            valid,
            operator: None,
            region_digits: region_digits as u8,
        }
    }

    fn node(&self, id: Id) -> &Node {
        &self.automaton.nodes[usize::from(id)]
    }

    fn outcome(&self, node: &Node) -> Outcome {
        self.automaton.outcomes[usize::from(node.outcome)]
    }

    fn region_set(&self, id: Id) -> &[Id] {
        &self.automaton.region_sets[usize::from(id)]
    }

    fn region(&self, id: Id) -> Region {
        self.automaton.regions[usize::from(id)]
    }
}
#[cfg(test)]
mod tests;
