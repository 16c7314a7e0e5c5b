//! Number ranges from real number plans: the mobile pattern of a region in the
//! metadata of the `phonenumber` crate, unfolded once into the list of leading
//! digits below which every number is valid. Nothing is parsed per event.

use std::collections::BTreeMap;

use phonenumber::metadata::DATABASE;

/// A run of valid mobile numbers: all that begin with `base`'s leading digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first number, calling code included.
    pub base: u64,
    /// How many digits are free below: the range spans 10^free numbers.
    pub free: u32,
}

/// The mobile numbers of one region.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Digits of a mobile number, calling code included.
    pub digits: u32,
    /// Valid ranges in ascending order; never empty.
    pub ranges: Vec<Range>,
    /// Some runs of the same length in which no mobile number is valid, for
    /// numbers that do not exist. May be empty.
    pub void: Vec<Range>,
}

/// At most this many digits are free in a range, and the first two national ones
/// never are, so that a range is about what a regulator hands to one operator.
const FREE_MAX: u32 = 7;
/// Ranges narrower than this are passed over.
const FREE_MIN: u32 = 4;

/// Unfolds the mobile plan of `region`; `None` when the metadata has none.
pub(super) fn plan_of(region: &str) -> Option<Plan> {
    let metadata = DATABASE.by_id(region)?;
    let mobile = metadata.descriptors().mobile()?;
    let pattern = Pattern::compile(mobile.national_number().as_str())?;
    let general = Pattern::compile(metadata.descriptors().general().national_number().as_str())?;
    let digits = mobile.example()?.len() as u32;
    let calling_code = metadata.country_code();
    let origin = u64::from(calling_code) * 10u64.pow(digits);
    let mut walk = Walk {
        digits,
        origin,
        counts: BTreeMap::new(),
        ranges: Vec::new(),
        void: Vec::new(),
    };
    walk.descend(&pattern, &pattern.start(), 0, 0);
    // A hole of the mobile plan may hold other kinds of numbers.
    let mut void = std::mem::take(&mut walk.void);
    void.retain(|hole| general.rejects_all(hole.base - origin, digits, hole.free));
    void.truncate(64);
    (!walk.ranges.is_empty()).then_some(Plan {
        digits: digits + calling_code.ilog10() + 1,
        ranges: walk.ranges,
        void,
    })
}

struct Walk {
    digits: u32,
    origin: u64,
    counts: BTreeMap<(Vec<u32>, u32), u64>,
    ranges: Vec<Range>,
    void: Vec<Range>,
}

impl Walk {
    fn descend(&mut self, pattern: &Pattern, at: &[u32], value: u64, depth: u32) {
        let free = self.digits - depth;
        let free_max = FREE_MAX.min(self.digits - 2);
        let valid = pattern.count(at, free, &mut self.counts);
        let range = Range {
            base: self.origin + value * 10u64.pow(free),
            free,
        };
        if valid == 0 {
            if (FREE_MIN..=free_max).contains(&free) && self.void.len() < 1_000 {
                self.void.push(range);
            }
        } else if valid == 10u64.pow(free) && free <= free_max {
            if free >= FREE_MIN {
                self.ranges.push(range);
            }
        } else if free > FREE_MIN {
            for digit in 0..10 {
                let next = pattern.step(at, digit);
                self.descend(pattern, &next, value * 10 + u64::from(digit), depth + 1);
            }
        }
    }
}

/// The small language of the metadata's patterns: digits, `\d`, classes, groups,
/// alternatives, `?` and `{n,m}`; as a nondeterministic automaton.
struct Pattern {
    states: Vec<State>,
    entry: u32,
}

enum State {
    Accept,
    Digit { mask: u16, next: u32 },
    Split(Vec<u32>),
}

enum Node {
    Digit(u16),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, u32, u32),
}

impl Pattern {
    fn compile(text: &str) -> Option<Self> {
        let bytes: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let mut reader = Reader { bytes: &bytes, at: 0 };
        let node = reader.alternatives()?;
        if reader.at != bytes.len() {
            return None;
        }
        let mut pattern = Self {
            states: vec![State::Accept],
            entry: 0,
        };
        pattern.entry = pattern.add(&node, 0);
        Some(pattern)
    }

    fn push(&mut self, state: State) -> u32 {
        self.states.push(state);
        self.states.len() as u32 - 1
    }

    fn add(&mut self, node: &Node, next: u32) -> u32 {
        match node {
            Node::Digit(mask) => self.push(State::Digit { mask: *mask, next }),
            Node::Sequence(parts) => parts.iter().rev().fold(next, |next, part| self.add(part, next)),
            Node::Either(parts) => {
                let entries = parts.iter().map(|part| self.add(part, next)).collect();
                self.push(State::Split(entries))
            }
            Node::Repeat(part, min, max) => {
                let mut entry = next;
                for _ in *min..*max {
                    let once = self.add(part, entry);
                    entry = self.push(State::Split(vec![once, next]));
                }
                for _ in 0..*min {
                    entry = self.add(part, entry);
                }
                entry
            }
        }
    }

    fn close(&self, state: u32, into: &mut Vec<u32>) {
        match &self.states[state as usize] {
            State::Split(entries) => {
                for &entry in entries {
                    self.close(entry, into);
                }
            }
            State::Accept | State::Digit { .. } => into.push(state),
        }
    }

    fn start(&self) -> Vec<u32> {
        let mut set = Vec::new();
        self.close(self.entry, &mut set);
        set.sort_unstable();
        set.dedup();
        set
    }

    fn step(&self, at: &[u32], digit: u8) -> Vec<u32> {
        let mut set = Vec::new();
        for &state in at {
            if let State::Digit { mask, next } = &self.states[state as usize]
                && mask & (1 << digit) != 0
            {
                self.close(*next, &mut set);
            }
        }
        set.sort_unstable();
        set.dedup();
        set
    }

    /// How many of the 10^free continuations are accepted.
    fn count(&self, at: &[u32], free: u32, known: &mut BTreeMap<(Vec<u32>, u32), u64>) -> u64 {
        if at.is_empty() {
            return 0;
        }
        if free == 0 {
            return u64::from(at[0] == 0);
        }
        let key = (at.to_vec(), free);
        if let Some(&count) = known.get(&key) {
            return count;
        }
        let count = (0..10)
            .map(|digit| self.count(&self.step(at, digit), free - 1, known))
            .sum();
        known.insert(key, count);
        count
    }

    fn rejects_all(&self, national: u64, digits: u32, free: u32) -> bool {
        let mut at = self.start();
        for place in (free..digits).rev() {
            at = self.step(&at, (national / 10u64.pow(place) % 10) as u8);
        }
        self.count(&at, free, &mut BTreeMap::new()) == 0
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, wanted: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn alternatives(&mut self) -> Option<Node> {
        let mut parts = vec![self.sequence()?];
        while self.eat(b"|") {
            parts.push(self.sequence()?);
        }
        Some(Node::Either(parts))
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut parts = Vec::new();
        while let Some(byte) = self.peek() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            let one = self.one()?;
            parts.push(self.repeated(one)?);
        }
        Some(Node::Sequence(parts))
    }

    fn one(&mut self) -> Option<Node> {
        if self.eat(b"(?:") || self.eat(b"(") {
            let inside = self.alternatives()?;
            return self.eat(b")").then_some(inside);
        }
        if self.eat(b"\\d") {
            return Some(Node::Digit(0x3ff));
        }
        if self.eat(b"[") {
            return self.class();
        }
        let byte = self.peek()?;
        self.at += 1;
        byte.is_ascii_digit().then(|| Node::Digit(1 << (byte - b'0')))
    }

    fn class(&mut self) -> Option<Node> {
        let mut mask = 0u16;
        loop {
            let first = self.peek()?;
            self.at += 1;
            if first == b']' {
                return Some(Node::Digit(mask));
            }
            let last = if self.eat(b"-") {
                let last = self.peek()?;
                self.at += 1;
                last
            } else {
                first
            };
            if !first.is_ascii_digit() || !last.is_ascii_digit() {
                return None;
            }
            for digit in first..=last {
                mask |= 1 << (digit - b'0');
            }
        }
    }

    fn repeated(&mut self, node: Node) -> Option<Node> {
        if self.eat(b"?") {
            return Some(Node::Repeat(Box::new(node), 0, 1));
        }
        if !self.eat(b"{") {
            return Some(node);
        }
        let min = self.number()?;
        let max = if self.eat(b",") { self.number()? } else { min };
        self.eat(b"}").then(|| Node::Repeat(Box::new(node), min, max))
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            value = Some(value.unwrap_or(0) * 10 + u32::from(digit - b'0'));
            self.at += 1;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_unfold_exactly_what_the_pattern_says() {
        let pattern = Pattern::compile(r"(?:2[0-24]|3(?:1|5\d))\d{2}|9\d{2,3}").unwrap();
        let count = |free| pattern.count(&pattern.start(), free, &mut BTreeMap::new());
        assert_eq!(count(4), 4 * 100 + 100 + 1_000);
        assert_eq!(count(5), 1_000);
        assert_eq!(count(3), 100);
    }

    #[test]
    fn leading_zeros_of_national_numbers_are_kept() {
        let ivory_coast = plan_of("CI").unwrap();
        assert_eq!(ivory_coast.digits, 13);
        assert!(ivory_coast.ranges.iter().any(|r| r.base == 2_250_100_000_000));
    }
}
