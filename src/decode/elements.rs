//! A record that may be one element or a list of them, folded into one outcome.

use serde_json::Value;

use super::refusal::{IgnoreReason, Refusal, RefusalReason};
use super::{Decoded, EVENTS_PER_RECORD_MAX, json};
use crate::model::Event;

/// What one element gives: its events, or why none.
pub(super) type Outcome = Result<Result<Vec<Event>, IgnoreReason>, Refusal>;

/// Decodes the record, or each element of its list (`index` from 0). One refused
/// element refuses the record; an ignored one lies beside usable ones without harm.
pub(super) fn decode_each(record: &Value, decode: impl Fn(&Value, usize) -> Outcome) -> Result<Decoded, Refusal> {
    let mut fold = Fold::default();
    match record {
        Value::Array(elements) => {
            fold.count(elements.len())?;
            for (index, element) in elements.iter().enumerate() {
                let outcome = object(element).and_then(|element| decode(element, index));
                fold.take(outcome.map_err(|refusal| refusal.in_element(index + 1))?);
            }
        }
        one => fold.take(object(one).and_then(|one| decode(one, 0))?),
    }
    fold.finish()
}

/// An element is an object.
fn object(value: &Value) -> Result<&Value, Refusal> {
    if value.is_object() {
        return Ok(value);
    }
    Err(Refusal::new(
        RefusalReason::NotAnObject,
        format!("an event is a JSON object, not {}", json::kind(value)),
    ))
}

/// The outcomes of a record's elements, of which none is refused.
#[derive(Default)]
pub(super) struct Fold {
    events: Vec<Event>,
    ignored: Option<IgnoreReason>,
    elements: usize,
}

impl Fold {
    /// Counts elements before they are decoded; refuses too many.
    pub(super) fn count(&mut self, elements: usize) -> Result<(), Refusal> {
        self.elements += elements;
        if self.elements > EVENTS_PER_RECORD_MAX {
            return Err(too_many(self.elements));
        }
        Ok(())
    }

    /// Takes one element's outcome.
    pub(super) fn take(&mut self, outcome: Result<Vec<Event>, IgnoreReason>) {
        match outcome {
            Ok(events) => self.events.extend(events),
            Err(reason) => self.ignored = self.ignored.or(Some(reason)),
        }
    }

    /// The record's outcome.
    pub(super) fn finish(self) -> Result<Decoded, Refusal> {
        match self.ignored {
            _ if self.events.len() > EVENTS_PER_RECORD_MAX => Err(too_many(self.events.len())),
            _ if !self.events.is_empty() => Ok(Decoded::Usable(self.events)),
            Some(reason) => Ok(Decoded::Ignored(reason)),
            None => Err(Refusal::new(RefusalReason::Empty, "the list holds no event")),
        }
    }
}

fn too_many(count: usize) -> Refusal {
    Refusal::new(
        RefusalReason::TooManyEvents,
        format!(
            "the record holds {count} events, more than the {EVENTS_PER_RECORD_MAX} that are read; send smaller batches"
        ),
    )
}
