//! The story of a finding.

use std::fmt::Write as _;

use serde_json::Value;

use super::{explanations, family, odds, plain};
use crate::model::{Explanation, Millis};

/// Entries of a timeline that are shown from its beginning, and as many from its end.
const ENTRIES_SHOWN: usize = 30;

/// A finding from its first record to its last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Its records as they are published, in their order.
    pub records: Vec<Value>,
    /// Where each innocent explanation stood at the accusation behind each record;
    /// empty where only the records are known.
    pub explanations: Vec<Vec<Explanation>>,
    /// What became of its blocks: log time, and a sentence.
    pub blocks: Vec<(Millis, String)>,
}

impl Story {
    /// The whole story in words.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let Some(last) = self.records.last() else {
            return text;
        };
        let string = |pointer: &str| last.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            text,
            "Finding {} of tenant {}: {}",
            string("/finding_info/uid"),
            string("/metadata/tenant_uid"),
            string("/finding_info/title")
        );
        let _ = writeln!(text, "{}.\n", string("/message").trim_end_matches('.'));
        let _ = writeln!(text, "Level {}, {}.", string("/unmapped/level"), string("/status"));
        if let Some(moved) = last.pointer("/unmapped/moved_from").and_then(Value::as_str) {
            let _ = writeln!(text, "It follows finding {moved}: the attack moved on.");
        }
        let _ = writeln!(text, "{}", string("/remediation/desc"));
        self.strongest(&mut text);
        ranges(&mut text, last);
        self.timeline(&mut text);
        text
    }

    /// The accusation that rests on the most evidence. Ranges that are accused while
    /// the attack is under way need less.
    fn strongest(&self, text: &mut String) {
        let number = |record: &Value, name: &str| record["unmapped"][name].as_f64().unwrap_or_default();
        let accusations = self.records.iter().enumerate();
        let strongest = accusations
            .filter(|(_, record)| number(record, "log_e_threshold") > 0.0)
            .max_by(|(_, a), (_, b)| number(a, "log_e_total").total_cmp(&number(b, "log_e_total")));
        let Some((ix, record)) = strongest else { return };
        let total = number(record, "log_e_total");
        let _ = writeln!(
            text,
            "\nThe strongest accusation, at {}: {total:.2} nats against the best innocent explanation, where {:.2} were asked for (odds of {})",
            Millis(record["time"].as_i64().unwrap_or_default()),
            number(record, "log_e_threshold"),
            odds(total)
        );
        if let Some(hardest) = record.pointer("/finding_info/desc").and_then(Value::as_str) {
            let _ = writeln!(text, "{hardest}");
        }
        for item in list(record, "/unmapped/evidence") {
            let number = |name: &str| item[name].as_f64().unwrap_or_default();
            let string = |name: &str| item[name].as_str().unwrap_or_default();
            family(
                text,
                "  ",
                string("family"),
                number("log_e"),
                number("observed"),
                number("expected"),
                string("text"),
            );
        }
        if let Some(all) = self.explanations.get(ix).filter(|all| !all.is_empty()) {
            text.push_str("\nInnocent explanations then: evidence against each, of the nats asked for\n");
            explanations(text, "  ", all);
        }
    }

    /// Records and blocks together, in the order of log time.
    fn timeline(&self, text: &mut String) {
        let records = self.records.iter().map(|record| {
            let at = Millis(record["time"].as_i64().unwrap_or_default());
            let attempts = record["count"].as_i64().unwrap_or_default();
            let status = record["status_detail"].as_str().unwrap_or_default();
            (at, 0, format!("{status} {attempts} attempts."))
        });
        let blocks = self.blocks.iter().map(|(at, said)| (*at, 1, said.clone()));
        let mut all: Vec<(Millis, u8, String)> = records.chain(blocks).collect();
        all.sort_by_key(|(at, order, _)| (*at, *order));
        text.push_str("\nTimeline (log time)\n");
        if let Some(first) = self.records.first().and_then(|record| record["start_time"].as_i64()) {
            let _ = writeln!(text, "  {}  The first message that counts was sent.", Millis(first));
        }
        let hidden = all.len().saturating_sub(2 * ENTRIES_SHOWN);
        for (n, (at, _, said)) in all.iter().enumerate() {
            if hidden > 0 && n == ENTRIES_SHOWN {
                let _ = writeln!(text, "  … {hidden} entries in between …");
            }
            if hidden == 0 || n < ENTRIES_SHOWN || n >= ENTRIES_SHOWN + hidden {
                let _ = writeln!(text, "  {at}  {said}");
            }
        }
    }
}

fn list<'a>(record: &'a Value, pointer: &str) -> &'a [Value] {
    record
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn ranges(text: &mut String, last: &Value) {
    let accused = list(last, "/unmapped/prefixes");
    if accused.is_empty() {
        return;
    }
    text.push_str("\nAccused ranges, and who else lives there\n");
    for range in accused {
        let number = |name: &str| range[name].as_f64().unwrap_or_default();
        let _ = writeln!(
            text,
            "  {:<17} {:>5.1} % attack of {} messages; a block hits {} honest messages an hour",
            range["prefix"].as_str().unwrap_or_default(),
            100.0 * number("attack_share"),
            plain(number("sends")),
            plain(number("honest_per_hour")),
        );
    }
}
