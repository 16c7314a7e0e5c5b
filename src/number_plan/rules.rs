//! The rules of the metadata, calling code by calling code: which descriptions
//! a region has and in which order they are asked.
//!
//! The order is libphonenumber's. Region of a number: the regions of its calling
//! code, main country first; a region with leading digits owns what begins with
//! them, any other region owns what is of a known type there. Type: the general
//! description must match, then the special types in the order of
//! [`SPECIAL_TYPES`], then fixed line and mobile. Valid: the type is known.

use phonenumber::metadata::{DATABASE, Descriptor, Descriptors};

use super::pattern::{Nfa, PatternError, Position};
use crate::model::{NumberType, Region};

/// Why the metadata could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A pattern that the automaton cannot express.
    #[error("number plan of {region} (+{calling_code}): {source}")]
    Pattern {
        /// The region whose pattern it is.
        region: String,
        /// Its calling code.
        calling_code: u16,
        /// What is wrong with the pattern.
        source: PatternError,
    },
    /// An identifier in the metadata that is no region.
    #[error("number plan of +{calling_code}: {region:?} is neither an ISO 3166 code nor 001")]
    Region {
        /// The identifier.
        region: String,
        /// Its calling code.
        calling_code: u16,
    },
    /// More states, outcomes or region sets than their 16-bit numbers hold.
    #[error("the number plan has more than 65,536 {0}")]
    TooLarge(&'static str),
}

/// The North American calling code, all of whose numbers have ten digits but
/// Canada's 310-XXXX: these have no area code, cannot be dialled from abroad, and
/// begin with the digits of an area code of the United States.
const NORTH_AMERICA: u16 = 1;
const NORTH_AMERICA_DIGITS: usize = 10;

/// Picks one description of a region.
type DescriptorOf = fn(&Descriptors) -> Option<&Descriptor>;

/// The types that are asked before fixed line and mobile, in this order.
const SPECIAL_TYPES: [(NumberType, DescriptorOf); 8] = [
    (NumberType::PremiumRate, Descriptors::premium_rate),
    (NumberType::TollFree, Descriptors::toll_free),
    (NumberType::SharedCost, Descriptors::shared_cost),
    (NumberType::Voip, Descriptors::voip),
    (NumberType::PersonalNumber, Descriptors::personal_number),
    (NumberType::Pager, Descriptors::pager),
    (NumberType::Uan, Descriptors::uan),
    (NumberType::Voicemail, Descriptors::voicemail),
];

/// A description of numbers: a pattern in the automaton and the lengths of
/// national number that it allows.
#[derive(Clone, Copy, Debug)]
struct Description {
    accept: u16,
    /// Bit `n` set: `n` digits are possible.
    lengths: u32,
}

impl Description {
    fn matches(self, matched: &[bool], national_len: usize) -> bool {
        matched[usize::from(self.accept)] && self.lengths & (1 << national_len) != 0
    }
}

/// The descriptions of one region.
#[derive(Debug)]
struct RegionRules {
    region: Region,
    leading_digits: Option<u16>,
    general: Description,
    special: Vec<(NumberType, Description)>,
    fixed_line: Option<Description>,
    mobile: Option<Description>,
    /// Fixed line and mobile have one pattern, so that only one of them is asked.
    one_pattern: bool,
}

impl RegionRules {
    fn number_type(&self, matched: &[bool], national_len: usize) -> NumberType {
        let is = |description: Option<Description>| description.is_some_and(|d| d.matches(matched, national_len));
        if !is(Some(self.general)) {
            return NumberType::Unknown;
        }
        if let Some((special, _)) = self.special.iter().find(|(_, d)| is(Some(*d))) {
            return *special;
        }
        if is(self.fixed_line) {
            if self.one_pattern || is(self.mobile) {
                return NumberType::FixedLineOrMobile;
            }
            return NumberType::FixedLine;
        }
        if !self.one_pattern && is(self.mobile) {
            return NumberType::Mobile;
        }
        NumberType::Unknown
    }
}

/// What the rules of a calling code say of a national number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Verdict {
    /// `None`: the calling code has several regions and none of them has it.
    pub(super) region: Option<Region>,
    pub(super) number_type: NumberType,
}

/// The rules of one calling code and the automaton of its patterns.
#[derive(Debug)]
pub(super) struct CodeRules {
    pub(super) calling_code: u16,
    pub(super) nfa: Nfa,
    pub(super) starts: Vec<Position>,
    regions: Vec<RegionRules>,
}

impl CodeRules {
    /// Reads the rules of a calling code; `None` when nobody has it.
    pub(super) fn read(calling_code: u16) -> Result<Option<Self>, PlanError> {
        let Some(territories) = DATABASE.by_code(&calling_code) else {
            return Ok(None);
        };
        let mut rules = Self {
            calling_code,
            nfa: Nfa::default(),
            starts: Vec::new(),
            regions: Vec::new(),
        };
        for territory in territories {
            let region = Region::parse(territory.id()).ok_or_else(|| PlanError::Region {
                region: territory.id().to_owned(),
                calling_code,
            })?;
            let leading_digits = territory
                .leading_digits()
                .map(|pattern| without_space(pattern.as_str()));
            rules
                .add_region(region, leading_digits.as_deref(), territory.descriptors())
                .map_err(|source| PlanError::Pattern {
                    region: region.to_string(),
                    calling_code,
                    source,
                })?;
        }
        Ok(Some(rules))
    }

    /// The regions, main country first.
    pub(super) fn regions(&self) -> impl Iterator<Item = Region> {
        self.regions.iter().map(|rules| rules.region)
    }

    /// Whether valid numbers of this length decide which region a prefix belongs
    /// to. Canada's 310-XXXX do not: counted, they would leave the area code 310 of
    /// Los Angeles without a prefix of its own and break it into 80,000 pieces.
    pub(super) fn counts(&self, national_len: usize) -> bool {
        self.calling_code != NORTH_AMERICA || national_len == NORTH_AMERICA_DIGITS
    }

    /// `matched[n]`: the national number matches the pattern whose accepting
    /// state has number `n`; `national_len` is how many digits it has.
    pub(super) fn verdict(&self, matched: &[bool], national_len: usize) -> Verdict {
        let only_region = self.regions.len() == 1;
        for rules in &self.regions {
            let number_type = rules.number_type(matched, national_len);
            let owns = match rules.leading_digits {
                _ if only_region => true,
                Some(leading_digits) => matched[usize::from(leading_digits)],
                None => number_type != NumberType::Unknown,
            };
            if owns {
                return Verdict {
                    region: Some(rules.region),
                    number_type,
                };
            }
        }
        Verdict {
            region: None,
            number_type: NumberType::Unknown,
        }
    }

    fn add_region(
        &mut self,
        region: Region,
        leading_digits: Option<&str>,
        descriptors: &Descriptors,
    ) -> Result<(), PatternError> {
        let leading_digits = match leading_digits {
            Some(pattern) => {
                let (start, accept) = self.nfa.add_beginning(pattern)?;
                self.starts.push(start);
                Some(accept)
            }
            None => None,
        };
        let mut special = Vec::new();
        for (number_type, descriptor) in SPECIAL_TYPES {
            if let Some(description) = self.add_description(descriptor(descriptors))? {
                special.push((number_type, description));
            }
        }
        let fixed_line = self.add_description(descriptors.fixed_line())?;
        let mobile = self.add_description(descriptors.mobile())?;
        let mut general = self.add_descriptor(descriptors.general())?;
        // The source states no lengths for the general description: they are
        // those of all types together.
        let of_types = special.iter().map(|(_, d)| *d).chain(fixed_line).chain(mobile);
        general.lengths = of_types.fold(0, |lengths, d| lengths | d.lengths);
        let pattern = |descriptor: Option<&Descriptor>| descriptor.map(|d| without_space(d.national_number().as_str()));
        let one_pattern =
            descriptors.fixed_line().is_some() && pattern(descriptors.fixed_line()) == pattern(descriptors.mobile());
        self.regions.push(RegionRules {
            region,
            leading_digits,
            general,
            special,
            fixed_line,
            mobile,
            one_pattern,
        });
        Ok(())
    }

    fn add_description(&mut self, descriptor: Option<&Descriptor>) -> Result<Option<Description>, PatternError> {
        descriptor.map(|d| self.add_descriptor(d)).transpose()
    }

    fn add_descriptor(&mut self, descriptor: &Descriptor) -> Result<Description, PatternError> {
        let pattern = without_space(descriptor.national_number().as_str());
        let (start, accept) = self.nfa.add_whole(&pattern)?;
        self.starts.push(start);
        let lengths = descriptor.possible_length();
        let mask = lengths
            .iter()
            .fold(0, |mask, &len| mask | 1u32.checked_shl(len.into()).unwrap_or(0));
        Ok(Description { accept, lengths: mask })
    }
}

/// A pattern without the white space with which the source breaks long ones into lines.
fn without_space(pattern: &str) -> String {
    pattern.split_whitespace().collect()
}
