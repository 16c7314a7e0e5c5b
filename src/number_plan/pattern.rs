//! Digit patterns of the metadata as a nondeterministic automaton.
//!
//! The patterns are regular expressions over the ten digits, without look-around
//! and back-references. Everything else is refused, so that a future edition of
//! the metadata cannot be misread in silence.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Why a pattern of the metadata could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// Not a regular expression at all.
    #[error("the pattern {pattern:?} is no regular expression: {source}")]
    Syntax {
        /// The pattern as it stands in the metadata, without white space.
        pattern: String,
        /// What the parser says.
        source: Box<regex_syntax::Error>,
    },
    /// A regular expression of a kind that the automaton does not have.
    #[error("the pattern {pattern:?} uses {what}, which number patterns do not have")]
    Unsupported {
        /// The pattern as it stands in the metadata, without white space.
        pattern: String,
        /// The construct.
        what: &'static str,
    },
}

/// All ten digits.
const ANY_DIGIT: u16 = 0b11_1111_1111;

/// Position in the automaton.
pub(super) type Position = u32;

/// One state of the nondeterministic automaton.
#[derive(Debug)]
pub(super) enum State {
    /// Consumes one of the digits of the bit mask (bit 0 is digit 0).
    Digit { mask: u16, next: Position },
    /// Goes on in all of these at once, consuming nothing.
    Split(Vec<Position>),
    /// The digits so far match the description of this number.
    Accept(u16),
}

/// Several patterns in one automaton, each with its own accepting state.
#[derive(Debug, Default)]
pub(super) struct Nfa {
    states: Vec<State>,
    accepts: u16,
}

impl Nfa {
    /// Adds a pattern that must match a whole number. Returns where it starts
    /// and the number of its [`State::Accept`].
    pub(super) fn add_whole(&mut self, pattern: &str) -> Result<(Position, u16), PatternError> {
        let accept = self.new_accept();
        self.add(pattern, accept)
    }

    /// Adds a pattern that must match the beginning of a number.
    pub(super) fn add_beginning(&mut self, pattern: &str) -> Result<(Position, u16), PatternError> {
        let accept = self.new_accept();
        let rest = self.push(State::Split(Vec::new()));
        let more = self.push(State::Digit {
            mask: ANY_DIGIT,
            next: rest,
        });
        self.states[rest as usize] = State::Split(vec![more, accept]);
        self.add_to(pattern, rest, accept)
    }

    /// How many patterns there are; they are numbered from zero.
    pub(super) fn accept_count(&self) -> usize {
        usize::from(self.accepts)
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn state(&self, position: Position) -> &State {
        &self.states[position as usize]
    }

    fn new_accept(&mut self) -> Position {
        let number = self.accepts;
        self.accepts += 1;
        self.push(State::Accept(number))
    }

    fn add(&mut self, pattern: &str, accept: Position) -> Result<(Position, u16), PatternError> {
        self.add_to(pattern, accept, accept)
    }

    fn add_to(&mut self, pattern: &str, next: Position, accept: Position) -> Result<(Position, u16), PatternError> {
        let hir = ParserBuilder::new()
            .unicode(false)
            .build()
            .parse(pattern)
            .map_err(|source| PatternError::Syntax {
                pattern: pattern.to_owned(),
                source: Box::new(source),
            })?;
        let start = self.compile(&hir, next).map_err(|what| PatternError::Unsupported {
            pattern: pattern.to_owned(),
            what,
        })?;
        let State::Accept(number) = self.states[accept as usize] else {
            unreachable!("an accepting state is never overwritten")
        };
        Ok((start, number))
    }

    fn push(&mut self, state: State) -> Position {
        self.states.push(state);
        (self.states.len() - 1) as Position
    }

    /// Compiles backwards: the states of `hir` lead to `next`. Returns the first.
    fn compile(&mut self, hir: &Hir, next: Position) -> Result<Position, &'static str> {
        match hir.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Capture(capture) => self.compile(&capture.sub, next),
            HirKind::Literal(literal) => literal.0.iter().rev().try_fold(next, |next, &byte| {
                let mask = digit_mask(byte, byte).ok_or("a character that is no digit")?;
                Ok(self.push(State::Digit { mask, next }))
            }),
            HirKind::Class(class) => {
                let mask = class_mask(class).ok_or("a class with characters that are no digits")?;
                Ok(self.push(State::Digit { mask, next }))
            }
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.compile(part, next)),
            HirKind::Alternation(parts) => {
                let starts: Result<Vec<_>, _> = parts.iter().map(|part| self.compile(part, next)).collect();
                Ok(self.push(State::Split(starts?)))
            }
            HirKind::Repetition(repetition) => {
                let mut start = match repetition.max {
                    Some(max) => self.optional_copies(&repetition.sub, max - repetition.min, next)?,
                    None => self.any_copies(&repetition.sub, next)?,
                };
                for _ in 0..repetition.min {
                    start = self.compile(&repetition.sub, start)?;
                }
                Ok(start)
            }
            HirKind::Look(_) => Err("an assertion"),
        }
    }

    fn optional_copies(&mut self, sub: &Hir, count: u32, next: Position) -> Result<Position, &'static str> {
        let mut start = next;
        for _ in 0..count {
            let copy = self.compile(sub, start)?;
            start = self.push(State::Split(vec![copy, next]));
        }
        Ok(start)
    }

    fn any_copies(&mut self, sub: &Hir, next: Position) -> Result<Position, &'static str> {
        let again = self.push(State::Split(Vec::new()));
        let copy = self.compile(sub, again)?;
        self.states[again as usize] = State::Split(vec![copy, next]);
        Ok(again)
    }
}

fn class_mask(class: &Class) -> Option<u16> {
    match class {
        Class::Bytes(class) => class
            .iter()
            .try_fold(0, |mask, range| Some(mask | digit_mask(range.start(), range.end())?)),
        Class::Unicode(class) => class.iter().try_fold(0, |mask, range| {
            let start = u8::try_from(range.start()).ok()?;
            let end = u8::try_from(range.end()).ok()?;
            Some(mask | digit_mask(start, end)?)
        }),
    }
}

fn digit_mask(first: u8, last: u8) -> Option<u16> {
    if !first.is_ascii_digit() || !last.is_ascii_digit() {
        return None;
    }
    Some((first..=last).fold(0, |mask, byte| mask | 1 << (byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the automaton of one pattern, one state at a time.
    fn accepts(nfa: &Nfa, position: Position, digits: &[u8]) -> bool {
        match (nfa.state(position), digits) {
            (State::Accept(_), []) => true,
            (State::Accept(_), _) | (State::Digit { .. }, []) => false,
            (State::Split(ways), _) => ways.iter().any(|&way| accepts(nfa, way, digits)),
            (State::Digit { mask, next }, [first, rest @ ..]) => {
                mask & (1 << (first - b'0')) != 0 && accepts(nfa, *next, rest)
            }
        }
    }

    #[test]
    fn a_whole_pattern_accepts_what_the_regular_expression_matches() {
        for pattern in [
            "12?3",
            r"(?:2[4-79]|[3-8])\d{2,4}",
            "1(?:2|3(?:4|56)){2}",
            "[1-9]*0",
            r"\d+",
        ] {
            let mut nfa = Nfa::default();
            let (start, accept) = nfa.add_whole(pattern).unwrap();
            assert_eq!(accept, 0);
            let regex = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            for value in 0..20_000 {
                let text = format!("{value}");
                assert_eq!(
                    accepts(&nfa, start, text.as_bytes()),
                    regex.is_match(&text),
                    "{pattern} {text}"
                );
            }
        }
    }

    #[test]
    fn a_beginning_accepts_everything_that_begins_so() {
        let mut nfa = Nfa::default();
        let (start, _) = nfa.add_beginning("33622|7").unwrap();
        for (text, expected) in [
            ("7", true),
            ("7123", true),
            ("3362", false),
            ("336229", true),
            ("", false),
        ] {
            assert_eq!(accepts(&nfa, start, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_number_patterns_do_not_have_is_refused() {
        for (pattern, part) in [
            ("1(", "no regular expression"),
            ("^12", "an assertion"),
            ("1[a-f]", "a class"),
            ("12x", "a character"),
        ] {
            let error = Nfa::default().add_whole(pattern).unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }
}
