//! Looks on while a detector folds, and keeps what answers one question: the story
//! of a finding, or what is known of a number.

use std::collections::BTreeSet;

use compact_str::CompactString;

use super::fold::Fold;
use super::replay::Watch;
use crate::detector::{Effect, Inspection, State, Subject};
use crate::model::{BlockAction, BlockChange, Destination, E164, EntityKey, FindingUid, Millis, Mode, Prefix};
use crate::number_plan::{NumberPlan, Reading};
use crate::render::explain::Story;
use crate::render::ocsf;
use crate::stream::fold::PartitionFold;
use crate::stream::ingest::Ingest;
use crate::stream::{ReplaySink, Said};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Why this finding.
    Finding(FindingUid),
    /// Why, or why not, this number or range.
    Number(Asked),
}

/// A number or a range, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The text.
    pub typed: String,
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Whether that is a number or a range.
    pub reading: Reading,
    to: Destination,
    /// Digits of the numbers; 0 when not known.
    digits: u8,
}

impl Question {
    /// Reads a finding's uid, a number, or a range: its leading digits alone, or
    /// followed by an X for each hidden digit as findings show it.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn parse(text: &str, tenant: Option<&str>) -> Result<Self, String> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if let (true, Ok(uid)) = (is_hex, u128::from_str_radix(text, 16)) {
            return Ok(Self::Finding(FindingUid(uid)));
        }
        let asked = |reading, to, digits| {
            Self::Number(Asked {
                typed: text.to_owned(),
                tenant: tenant.map(str::to_owned),
                reading,
                to,
                digits,
            })
        };
        let shown = text.trim_end_matches(['X', 'x', '*']);
        let hidden = &text[shown.len()..];
        let Some(prefix) = Prefix::parse(shown) else {
            return Err(format!(
                "`{text}` is neither a finding nor a number: write the 32 hex digits of a finding's uid, or a number or its beginning with the plus, as in +998901234567, +9989012 or +99890123XXXX"
            ));
        };
        let masked = Destination::Masked {
            prefix,
            token: CompactString::default(),
        };
        if !hidden.is_empty() {
            let known = !hidden.contains('*');
            let digits = if known { prefix.len() + hidden.len() } else { 0 };
            return Ok(asked(Reading::Range, masked, digits.min(15) as u8));
        }
        let Some(number) = E164::parse(shown) else {
            return Ok(asked(Reading::Range, masked, 0));
        };
        let reading = NumberPlan::shared().reading(number);
        Ok(if reading.is_number() {
            asked(reading, Destination::Number(number), number.len() as u8)
        } else {
            asked(reading, masked, 0)
        })
    }
}

impl Asked {
    /// The question as the detector takes it, under the keys of its log.
    pub fn subject(&self, ingest: &Ingest) -> Option<Subject> {
        let mut number = ingest.number(NumberPlan::shared(), "", &self.to)?;
        number.digits = self.digits;
        Some(Subject::new(&number, self.reading.is_number(), self.tenant.as_deref()))
    }
}

/// Keeps what answers one question.
#[derive(Debug)]
pub struct Watcher {
    question: Question,
    privacy_key: Option<Vec<u8>>,
    story: Story,
    inspections: Vec<Inspection>,
    uids: BTreeSet<u128>,
    blocked: BTreeSet<EntityKey>,
}

impl Watcher {
    /// Waits for the answer. `privacy_key` is needed for numbers of an internal log.
    pub fn new(question: Question, privacy_key: Option<Vec<u8>>) -> Self {
        Self {
            question,
            privacy_key,
            story: Story::default(),
            inspections: Vec::new(),
            uids: BTreeSet::new(),
            blocked: BTreeSet::new(),
        }
    }

    /// The story of the finding that was asked for; without records when it did not
    /// occur.
    pub fn story(&mut self) -> &mut Story {
        &mut self.story
    }

    /// What each partition knew of the number that was asked for, at the end.
    pub fn inspections(&self) -> &[Inspection] {
        &self.inspections
    }

    /// The uid most like the one asked for, of those that occurred.
    pub fn nearest_uid(&self) -> Option<FindingUid> {
        let Question::Finding(asked) = &self.question else {
            return None;
        };
        let asked = asked.to_string();
        let like = |uid: &u128| strsim::jaro_winkler(&FindingUid(*uid).to_string(), &asked);
        let nearest = self.uids.iter().max_by(|a, b| like(a).total_cmp(&like(b)));
        nearest.map(|uid| FindingUid(*uid))
    }

    /// A record of a finding as it was published, from a file.
    pub fn record(&mut self, record: serde_json::Value) {
        let uid = record.pointer("/finding_info/uid").and_then(serde_json::Value::as_str);
        let Some(uid) = uid.and_then(|uid| u128::from_str_radix(uid, 16).ok()) else {
            return;
        };
        self.uids.insert(uid);
        if self.question == Question::Finding(FindingUid(uid)) {
            self.story.records.push(record);
        }
    }

    /// Takes the last look at a state, under the keys of its log.
    pub fn look(&mut self, state: &State, ingest: &Ingest) {
        if let Question::Number(asked) = &self.question {
            let inspection = asked.subject(ingest).and_then(|subject| state.inspect(&subject));
            self.inspections.extend(inspection);
        }
    }

    fn note(&mut self, effect: &Effect) {
        let Question::Finding(uid) = &self.question else { return };
        match effect {
            Effect::Finding(finding) => {
                self.uids.insert(finding.uid.0);
                if finding.uid == *uid {
                    let value = serde_json::from_slice(&ocsf::finding(finding).value);
                    self.story.records.push(value.expect("a finding is JSON"));
                    self.story.explanations.push(finding.explanations.clone());
                }
            }
            Effect::Block(at, change) => self.block(*at, change, *uid),
            Effect::Stats(_) | Effect::Audit(_) => {}
        }
    }

    fn block(&mut self, at: Millis, change: &BlockChange, uid: FindingUid) {
        let prefix = |key: &EntityKey| key.prefix.map_or_else(String::new, |prefix| prefix.to_string());
        let sentence = match change {
            BlockChange::Put(block) if block.finding_uid == uid => {
                let renewed = !self.blocked.insert(block.key.clone());
                let (prefix, until) = (prefix(&block.key), block.expires_at);
                let shadow = if block.mode == Mode::Shadow {
                    " (shadow mode)"
                } else {
                    ""
                };
                match block.action {
                    BlockAction::Block if renewed => format!("The block of {prefix} now stands until {until}{shadow}."),
                    BlockAction::Block => format!("{prefix} is blocked until {until}{shadow}."),
                    BlockAction::Sample => format!(
                        "The block of {prefix} lets {:.0} % through until {until}{shadow}.",
                        100.0 * block.allow_ratio
                    ),
                }
            }
            BlockChange::Delete(key) if self.blocked.remove(key) => {
                format!("The block of {} is gone.", prefix(key))
            }
            _ => return,
        };
        self.story.blocks.push((at, sentence));
    }
}

impl Watch for Watcher {
    fn said(&mut self, effect: &Effect) {
        self.note(effect);
    }

    fn ended(&mut self, fold: &Fold) {
        self.look(fold.state(), fold.ingest());
    }
}

impl ReplaySink for Watcher {
    fn said(&mut self, said: Said) -> std::io::Result<()> {
        self.note(&said.effect);
        Ok(())
    }

    fn ended(&mut self, fold: &PartitionFold) {
        if let Some(header) = fold.header() {
            let ingest = Ingest::for_log(header, self.privacy_key.as_deref(), false);
            self.look(fold.state(), &ingest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match Question::parse(text, None) {
            Ok(Question::Finding(uid)) => format!("finding {uid}"),
            Ok(Question::Number(asked)) => match asked.to {
                Destination::Number(_) => format!("number of {}", asked.digits),
                Destination::Masked { prefix, .. } => format!("range {prefix} of {}", asked.digits),
                Destination::Unknown => "unknown".into(),
            },
            Err(_) => "refused".into(),
        }
    }

    #[test]
    fn a_question_is_read_as_it_is_meant() {
        for (text, meant) in [
            (
                "3f2a0000000000000000000000000001",
                "finding 3f2a0000000000000000000000000001",
            ),
            ("+998901234567", "number of 12"),
            ("+9989012345XX", "range +9989012345 of 12"),
            ("+9989012", "range +9989012 of 0"),
            ("+9989012*", "range +9989012 of 0"),
            ("+99890123456789", "number of 14"),
            ("998901234567", "refused"),
            ("3f2a", "refused"),
            ("", "refused"),
            ("XX", "refused"),
        ] {
            assert_eq!(kind(text), meant, "{text}");
        }
    }
}
