//! An episode with its account, as reports show it.

use serde::Serialize;

use super::account::Ledger;
use super::episode::Episode;
use super::money::{Amount, Prices};
use crate::model::{EntityKey, Millis};

/// One episode in a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// `finding_info.uid` of its findings.
    pub uid: String,
    /// About what.
    pub kind: &'static str,
    /// Whose traffic.
    pub tenant: String,
    /// One app, or `*`.
    pub app: String,
    /// Region of the numbers; empty when there is none.
    pub region: String,
    /// The ranges that it blocked, or else accused; those with most messages first.
    pub prefixes: Vec<String>,
    /// The highest level that it reached.
    pub level: &'static str,
    /// Event time of its first evidence.
    pub evidence_since: String,
    /// When it opened.
    pub opened: String,
    /// When it first was of level `block`.
    pub blocked: Option<String>,
    /// When it closed.
    pub closed: Option<String>,
    /// Messages into the accused ranges by the decision, and what was lost by then.
    pub sends_before: u64,
    /// See `sends_before`; in the report's currency.
    pub loss_before: f64,
    /// Attempts by then, and how many of them were verified.
    pub attempts_before: u64,
    /// See `attempts_before`.
    pub verified_before: u64,
    /// Messages inside its blocks while they stood; `None`: not worked out.
    pub stopped_messages: Option<u64>,
    /// What they cost.
    pub stopped_cost: Option<Amount>,
    /// Different numbers among them that were verified.
    pub verified_people_inside: Option<u64>,
    /// The sentence of the decisive finding.
    pub message: String,
}

impl Shown {
    /// An episode of a ledger. `prices` are `None` where no messages were seen.
    pub fn of(episode: &Episode, ledger: &Ledger, prices: Option<&Prices>) -> Self {
        let account = ledger.of(episode.uid);
        let mut prefixes = ledger.ranges_of(episode);
        let sends = |prefix: &crate::model::Prefix| episode.prefixes.get(prefix).map_or(0, |accused| accused.sends);
        prefixes.sort_by_key(|prefix| (std::cmp::Reverse(sends(prefix)), *prefix));
        let time = |time: Millis| time.to_string();
        Self {
            uid: format!("{:032x}", episode.uid),
            kind: episode.kind.as_str(),
            tenant: name(&episode.key).into(),
            app: episode.key.app.as_deref().unwrap_or("*").into(),
            region: episode.region.map_or_else(String::new, |region| region.as_str().into()),
            prefixes: prefixes.iter().map(ToString::to_string).collect(),
            level: episode.level.as_str(),
            evidence_since: time(episode.evidence_since),
            opened: time(episode.opened),
            blocked: episode.blocked.map(time),
            closed: episode.closed.map(time),
            sends_before: episode.sends_at_decision,
            loss_before: episode.loss_at_decision.to_units(),
            attempts_before: episode.verified_at_decision.1,
            verified_before: episode.verified_at_decision.0,
            stopped_messages: prices.map(|_| account.stopped.messages),
            stopped_cost: prices.map(|prices| prices.value(&account.stopped)),
            verified_people_inside: prices.map(|_| account.verified_people),
            message: episode.message.clone(),
        }
    }

    /// The first ranges, and how many more there are.
    pub fn ranges(&self, shown_max: usize) -> String {
        match (self.prefixes.is_empty(), self.prefixes.len() > shown_max) {
            (true, _) => "no range in particular".into(),
            (_, false) => self.prefixes.join(", "),
            _ => {
                let more = self.prefixes.len() - shown_max;
                format!("{} and {more} more", self.prefixes[..shown_max].join(", "))
            }
        }
    }
}

fn name(key: &EntityKey) -> &str {
    if key.tenant.is_empty() { "*" } else { &key.tenant }
}
