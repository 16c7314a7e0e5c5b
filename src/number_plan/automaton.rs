//! The deterministic automaton: all calling codes in one graph over digits.
//!
//! It is built once, by subset construction on the patterns of a calling code,
//! separately for each length of number (a pattern and the possible lengths
//! together decide), and sharing equal nodes. Every node knows the outcome of a
//! number that ends there and which regions have valid numbers that begin so.

use ahash::AHashMap;

use super::pattern::{Position, State};
use super::rules::{CodeRules, PlanError, Verdict};
use crate::model::{E164_DIGITS_MAX, NumberType, Region};

/// Calling codes have one to three digits.
const CALLING_CODE_DIGITS_MAX: u32 = 3;

/// Number of a node, an outcome, a region set or a region in its table.
pub(super) type Id = u16;

/// The node, outcome and region set of digits that no plan knows.
pub(super) const NOTHING: Id = 0;

/// After these digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// The node after one digit more.
    pub(super) next: [Id; 10],
    /// What a number is that ends here.
    pub(super) outcome: Id,
    /// The regions with valid numbers that begin so, the number that ends here included.
    pub(super) under: Id,
}

/// What a whole number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outcome {
    /// Position in [`Automaton::regions`]; `None` when the rules name no region.
    pub(super) region: Option<Id>,
    pub(super) calling_code: u16,
    pub(super) number_type: NumberType,
}

impl Outcome {
    pub(super) fn is_valid(self) -> bool {
        self.number_type != NumberType::Unknown
    }
}

/// The whole plan as tables.
#[derive(Debug)]
pub(super) struct Automaton {
    pub(super) nodes: Vec<Node>,
    pub(super) outcomes: Vec<Outcome>,
    /// Each in the order of [`Automaton::regions`].
    pub(super) region_sets: Vec<Box<[Id]>>,
    /// By calling code, main country first.
    pub(super) regions: Vec<Region>,
    pub(super) root: Id,
}

/// Compiles the metadata of all calling codes.
pub(super) fn compile() -> Result<Automaton, PlanError> {
    let mut builder = Builder::default();
    let nothing = Outcome {
        region: None,
        calling_code: 0,
        number_type: NumberType::Unknown,
    };
    builder.region_set(Vec::new())?;
    builder.outcome(nothing)?;
    builder.node(nothing, [NOTHING; 10], false)?;
    let root = builder.calling_codes(0, 0)?;
    Ok(Automaton {
        nodes: builder.nodes.items,
        outcomes: builder.outcomes.items,
        region_sets: builder.region_sets.items,
        regions: builder.regions.items,
        root,
    })
}

/// A table in which equal items share one number.
struct Interner<T> {
    items: Vec<T>,
    ids: AHashMap<T, Id>,
    name: &'static str,
}

impl<T: Clone + Eq + std::hash::Hash> Interner<T> {
    fn new(name: &'static str) -> Self {
        Self {
            items: Vec::new(),
            ids: AHashMap::new(),
            name,
        }
    }

    fn id(&mut self, item: T) -> Result<Id, PlanError> {
        if let Some(&id) = self.ids.get(&item) {
            return Ok(id);
        }
        let id = Id::try_from(self.items.len()).map_err(|_| PlanError::TooLarge(self.name))?;
        self.items.push(item.clone());
        self.ids.insert(item, id);
        Ok(id)
    }
}

struct Builder {
    nodes: Interner<Node>,
    outcomes: Interner<Outcome>,
    region_sets: Interner<Box<[Id]>>,
    regions: Interner<Region>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nodes: Interner::new("nodes"),
            outcomes: Interner::new("outcomes"),
            region_sets: Interner::new("sets of regions"),
            regions: Interner::new("regions"),
        }
    }
}

impl Builder {
    fn outcome(&mut self, outcome: Outcome) -> Result<Id, PlanError> {
        self.outcomes.id(outcome)
    }

    fn region_set(&mut self, mut set: Vec<Id>) -> Result<Id, PlanError> {
        set.sort_unstable();
        set.dedup();
        self.region_sets.id(set.into())
    }

    /// `counts`: whether the number that ends here makes the prefix its region's.
    fn node(&mut self, outcome: Outcome, next: [Id; 10], counts: bool) -> Result<Id, PlanError> {
        let mut under = Vec::new();
        for child in next {
            // A child that is not there yet is the node itself (see `sink`), which
            // has no regions.
            if let Some(child) = self.nodes.items.get(usize::from(child)) {
                under.extend(&self.region_sets.items[usize::from(child.under)]);
            }
        }
        if outcome.is_valid() && counts {
            under.extend(outcome.region);
        }
        let node = Node {
            next,
            outcome: self.outcome(outcome)?,
            under: self.region_set(under)?,
        };
        self.nodes.id(node)
    }

    /// The node that stays invalid whatever follows.
    fn sink(&mut self, outcome: Outcome) -> Result<Id, PlanError> {
        let itself = Id::try_from(self.nodes.items.len()).map_err(|_| PlanError::TooLarge("nodes"))?;
        self.node(outcome, [itself; 10], false)
    }

    /// The graph after `digits` digits of value `code`, none of which is a
    /// calling code yet.
    fn calling_codes(&mut self, code: u16, digits: u32) -> Result<Id, PlanError> {
        if digits > 0
            && let Some(rules) = CodeRules::read(code)?
        {
            return self.national_numbers(&rules, digits);
        }
        if digits == CALLING_CODE_DIGITS_MAX {
            return Ok(NOTHING);
        }
        let mut next = [NOTHING; 10];
        // No number begins with a zero.
        for digit in u16::from(digits == 0)..10 {
            next[usize::from(digit)] = self.calling_codes(code * 10 + digit, digits + 1)?;
        }
        self.node(self.outcomes.items[usize::from(NOTHING)], next, false)
    }

    fn national_numbers(&mut self, rules: &CodeRules, code_digits: u32) -> Result<Id, PlanError> {
        for region in rules.regions() {
            self.regions.id(region)?;
        }
        let no_match = vec![false; rules.nfa.accept_count()];
        let outcome = self.outcome_of(rules, rules.verdict(&no_match, 0))?;
        let sink = self.sink(outcome)?;
        let mut subsets = Subsets {
            builder: self,
            rules,
            sink,
            national_len_max: E164_DIGITS_MAX - code_digits as usize,
            made: AHashMap::new(),
            seen: vec![0; rules.nfa.len()],
            round: 0,
        };
        let start = subsets.closure(rules.starts.iter().copied());
        subsets.node(start, 0)
    }

    fn outcome_of(&mut self, rules: &CodeRules, verdict: Verdict) -> Result<Outcome, PlanError> {
        Ok(Outcome {
            region: verdict.region.map(|region| self.regions.id(region)).transpose()?,
            calling_code: rules.calling_code,
            number_type: verdict.number_type,
        })
    }
}

/// Subset construction for one calling code.
struct Subsets<'a> {
    builder: &'a mut Builder,
    rules: &'a CodeRules,
    /// Where numbers go that match nothing any more.
    sink: Id,
    national_len_max: usize,
    made: AHashMap<(usize, Vec<Position>), Id>,
    /// In which round a position was last added to a subset.
    seen: Vec<u32>,
    round: u32,
}

impl Subsets<'_> {
    fn node(&mut self, subset: Vec<Position>, national_len: usize) -> Result<Id, PlanError> {
        if subset.is_empty() {
            return Ok(self.sink);
        }
        let key = (national_len, subset);
        if let Some(&id) = self.made.get(&key) {
            return Ok(id);
        }
        let mut next = [self.sink; 10];
        if national_len < self.national_len_max {
            for (digit, next) in next.iter_mut().enumerate() {
                let after = self.after(&key.1, digit);
                *next = self.node(after, national_len + 1)?;
            }
        }
        let outcome = self.outcome(&key.1, national_len)?;
        let id = self.builder.node(outcome, next, self.rules.counts(national_len))?;
        self.made.insert(key, id);
        Ok(id)
    }

    fn outcome(&mut self, subset: &[Position], national_len: usize) -> Result<Outcome, PlanError> {
        let mut matched = vec![false; self.rules.nfa.accept_count()];
        for &position in subset {
            if let State::Accept(number) = self.rules.nfa.state(position) {
                matched[usize::from(*number)] = true;
            }
        }
        let verdict = self.rules.verdict(&matched, national_len);
        self.builder.outcome_of(self.rules, verdict)
    }

    fn after(&mut self, subset: &[Position], digit: usize) -> Vec<Position> {
        let rules = self.rules;
        let reached = subset.iter().filter_map(|&position| match rules.nfa.state(position) {
            State::Digit { mask, next } if mask & (1 << digit) != 0 => Some(*next),
            _ => None,
        });
        self.closure(reached)
    }

    /// All positions that are reached without a digit, splits left out, sorted.
    fn closure(&mut self, positions: impl Iterator<Item = Position>) -> Vec<Position> {
        self.round += 1;
        let mut subset = Vec::new();
        let mut pending: Vec<Position> = positions.collect();
        while let Some(position) = pending.pop() {
            let seen = &mut self.seen[position as usize];
            if *seen == self.round {
                continue;
            }
            *seen = self.round;
            match self.rules.nfa.state(position) {
                State::Split(ways) => pending.extend(ways),
                State::Digit { .. } | State::Accept(_) => subset.push(position),
            }
        }
        subset.sort_unstable();
        subset
    }
}
