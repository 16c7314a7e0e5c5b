//! The figures of a report on own data, put together.

use serde::Serialize;

use super::traffic::{Gathering, Traffic};
use crate::detector::Policy;
use crate::lab::evaluate::peers::Peer;
use crate::lab::ledger::{Amount, Ledger, Prices, Shown};
use crate::lab::replay::{EpisodeCounter, Findings, Records};
use crate::model::FindingKind;

/// Bars of the timeline at most; above, an hour a bar gives way to a day.
const HOURS_MAX: i64 = 8 * 24;
/// Above these, a day gives way to a week.
const DAYS_MAX: i64 = 120;

/// What one setting or rule would have done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// A: at most so many false blocks in a million messages; of settings only.
    pub false_alarms_per_million: Option<f64>,
    /// Its threshold; of rules only.
    pub threshold: Option<f64>,
    /// Episodes by their highest level; of settings only.
    pub findings: Option<Findings>,
    /// Different prefixes that it would have blocked.
    pub blocked_prefixes: u64,
    /// Messages inside its blocks while they stood.
    pub stopped_messages: u64,
    /// What they cost: the saving.
    pub saved: Amount,
    /// Different numbers that were verified inside its blocks.
    pub verified_people_inside: u64,
}

impl Judged {
    /// A setting of the detector.
    pub(super) fn of_setting(policy: &Policy, ledger: &Ledger, prices: &Prices) -> Self {
        let a = policy.false_alarms_per_million;
        let mut counter = EpisodeCounter::default();
        for episode in ledger.found() {
            counter.add(episode.uid, episode.kind, episode.level);
        }
        Self {
            findings: Some(counter.counts()),
            false_alarms_per_million: Some(a),
            ..Self::of(
                &format!("Pumpwatch, {a}"),
                &format!(
                    "Pumpwatch with at most {a} false {} in a million messages",
                    if a == 1.0 { "block" } else { "blocks" }
                ),
                ledger,
                prices,
            )
        }
    }

    /// A rule of others.
    pub(super) fn of_rule(peer: &Peer, threshold: f64, ledger: &Ledger, prices: &Prices) -> Self {
        Self {
            threshold: Some(threshold),
            ..Self::of(
                &format!("{}, {threshold}", peer.name),
                &peer.title.replace("the threshold's", &threshold.to_string()),
                ledger,
                prices,
            )
        }
    }

    fn of(name: &str, title: &str, ledger: &Ledger, prices: &Prices) -> Self {
        let total = ledger.total();
        Self {
            name: name.into(),
            title: title.into(),
            false_alarms_per_million: None,
            threshold: None,
            findings: None,
            blocked_prefixes: ledger.blocked_prefixes(),
            stopped_messages: total.stopped.messages,
            saved: prices.value(&total.stopped),
            verified_people_inside: total.verified_people,
        }
    }
}

/// One bar of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// When it begins.
    pub time: String,
    /// What all messages cost.
    pub cost: f64,
    /// What those cost that the blocks would have stopped.
    pub stopped_cost: f64,
    /// All messages.
    pub messages: u64,
    /// Those that the blocks would have stopped.
    pub stopped_messages: u64,
}

/// The report. It says nothing of the time it took: the same input gives the same
/// bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnReport {
    /// Version of the program.
    pub version: &'static str,
    /// Version of the detector's logic.
    pub logic: &'static str,
    /// Currency of every amount.
    pub currency: String,
    /// What became of the records.
    pub records: Records,
    /// What the traffic is.
    pub traffic: Traffic,
    /// Each setting; the first is the one that the rest is about.
    pub settings: Vec<Judged>,
    /// Rules of others.
    pub rules: Vec<Judged>,
    /// Campaigns under the first setting, by when they were found.
    pub campaigns: Vec<Shown>,
    /// What else it would have said: limits and operational findings.
    pub others: Vec<Shown>,
    /// Hours in a bar of the timeline.
    pub bar_hours: i64,
    /// The timeline.
    pub timeline: Vec<Bar>,
}

impl OwnReport {
    pub(super) fn new(
        (policy, ledger): (&Policy, &Ledger),
        (settings, rules): (Vec<Judged>, Vec<Judged>),
        (gathering, prices): (&Gathering, &Prices),
        records: Records,
    ) -> Self {
        let of_kind = |is_wanted: fn(FindingKind) -> bool| -> Vec<Shown> {
            let found = ledger.found().into_iter().filter(|episode| is_wanted(episode.kind));
            found.map(|episode| Shown::of(episode, ledger, Some(prices))).collect()
        };
        let (bar_hours, timeline) = timeline(gathering, ledger, prices);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            logic: crate::detector::policy::LOGIC_VERSION,
            currency: policy.currency.to_string(),
            records,
            traffic: gathering.traffic(prices),
            settings,
            rules,
            campaigns: of_kind(|kind| kind == FindingKind::SmsPumping),
            others: of_kind(|kind| kind != FindingKind::SmsPumping),
            bar_hours,
            timeline,
        }
    }

    /// The setting that the report is about.
    pub fn main(&self) -> &Judged {
        &self.settings[0]
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report always serialises");
        text.push('\n');
        text
    }
}

fn timeline(gathering: &Gathering, ledger: &Ledger, prices: &Prices) -> (i64, Vec<Bar>) {
    let hours = gathering.hours();
    let (Some(first), Some(last)) = (hours.keys().next(), hours.keys().next_back()) else {
        return (1, Vec::new());
    };
    let width = match last - first + 1 {
        ..=HOURS_MAX => 1,
        span if span <= DAYS_MAX * 24 => 24,
        _ => 7 * 24,
    };
    let bars = (first.div_euclid(width)..=last.div_euclid(width)).map(|bar| {
        let range = bar * width..(bar + 1) * width;
        let sum = |of: &std::collections::BTreeMap<i64, crate::lab::ledger::Sum>| {
            let mut sum = crate::lab::ledger::Sum::default();
            of.range(range.clone()).for_each(|(_, other)| sum.merge(other));
            sum
        };
        let (all, stopped) = (sum(hours), sum(ledger.hours()));
        Bar {
            time: crate::model::Millis(bar * width * crate::model::HOUR).to_string(),
            cost: prices.value(&all).amount,
            stopped_cost: prices.value(&stopped).amount,
            messages: all.messages,
            stopped_messages: stopped.messages,
        }
    });
    (width, bars.collect())
}
