//! Which episodes appear, vanish and move from one configuration to another.

use serde::Serialize;

use crate::detector::Policy;
use crate::lab::ledger::{Amount, Episode, Ledger, Prices, Shown};
use crate::lab::replay::{EpisodeCounter, Findings};
use crate::model::DAY;
use crate::number_plan::metadata_version;

/// Episodes that opened further apart are about different things.
const APART_MS: i64 = DAY;

/// What one configuration came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Hash of its detection settings.
    pub config_hash: String,
    /// Its budget of false alarms.
    pub false_alarms_per_million: f64,
    /// Episodes by their highest level.
    pub findings: Findings,
    /// Different prefixes that it blocked.
    pub blocked_prefixes: u64,
    /// Messages inside its blocks while they stood; `None`: not worked out.
    pub stopped_messages: Option<u64>,
    /// What they cost.
    pub stopped_cost: Option<Amount>,
    /// Different numbers among them that were verified.
    pub verified_people_inside: Option<u64>,
}

/// An episode under both configurations, where something of it differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Move {
    /// Under the first.
    pub before: Shown,
    /// Under the second.
    pub after: Shown,
    /// How much later it opened under the second; negative: earlier.
    pub opened_later_seconds: f64,
    /// How much later it blocked; `None` where one of them did not.
    pub blocked_later_seconds: Option<f64>,
    /// Ranges that only the second accused.
    pub prefixes_added: Vec<String>,
    /// Ranges that only the first accused.
    pub prefixes_removed: Vec<String>,
    /// By how many more messages the second stopped.
    pub stopped_messages_more: Option<i64>,
    /// By how much more money.
    pub stopped_cost_more: Option<f64>,
}

/// Two configurations on the same events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Currency of every amount: the first configuration's.
    pub currency: String,
    /// The configuration that `--config` names.
    pub first: Side,
    /// The one that `--against` names.
    pub second: Side,
    /// Episodes of the second alone.
    pub appear: Vec<Shown>,
    /// Episodes of the first alone.
    pub vanish: Vec<Shown>,
    /// Episodes of both that differ in time, level, ranges or what they stop.
    #[serde(rename = "move")]
    pub moved: Vec<Move>,
    /// Episodes of both that do not differ.
    pub unchanged: u64,
}

impl Comparison {
    /// Compares what two ledgers found. `prices` are `None` where no messages were
    /// seen: then nothing is said of what was stopped.
    pub fn new(policies: [&Policy; 2], ledgers: &[Ledger; 2], prices: Option<&Prices>) -> Self {
        let [first, second] = [0, 1].map(|place| side(policies[place], &ledgers[place], prices));
        let (before, after) = (ledgers[0].found(), ledgers[1].found());
        let pairs = pairs(&before, &after);
        let shown = |side: usize, episode: &Episode| Shown::of(episode, &ledgers[side], prices);
        let mut comparison = Self {
            currency: policies[0].currency.to_string(),
            first,
            second,
            appear: Vec::new(),
            vanish: Vec::new(),
            moved: Vec::new(),
            unchanged: 0,
        };
        for (place, episode) in before.iter().enumerate() {
            match pairs.iter().find(|pair| pair.0 == place) {
                None => comparison.vanish.push(shown(0, episode)),
                Some((_, other)) => {
                    let moved = moved((episode, shown(0, episode)), (after[*other], shown(1, after[*other])));
                    match moved {
                        Some(moved) => comparison.moved.push(moved),
                        None => comparison.unchanged += 1,
                    }
                }
            }
        }
        let alone = after.iter().enumerate();
        let alone = alone.filter(|(place, _)| !pairs.iter().any(|pair| pair.1 == *place));
        comparison.appear = alone.map(|(_, episode)| shown(1, episode)).collect();
        comparison
    }
}

fn side(policy: &Policy, ledger: &Ledger, prices: Option<&Prices>) -> Side {
    let mut counter = EpisodeCounter::default();
    for episode in ledger.found() {
        counter.add(episode.uid, episode.kind, episode.level);
    }
    let total = ledger.total();
    Side {
        config_hash: policy.to_record(metadata_version()).config_hash.to_string(),
        false_alarms_per_million: policy.false_alarms_per_million,
        findings: counter.counts(),
        blocked_prefixes: ledger.blocked_prefixes(),
        stopped_messages: prices.map(|_| total.stopped.messages),
        stopped_cost: prices.map(|prices| prices.value(&total.stopped)),
        verified_people_inside: prices.map(|_| total.verified_people),
    }
}

/// Which episode of one side is which of the other: the nearest in time of those
/// about the same thing, each once.
fn pairs(before: &[&Episode], after: &[&Episode]) -> Vec<(usize, usize)> {
    let mut candidates = Vec::new();
    for (i, a) in before.iter().enumerate() {
        for (j, b) in after.iter().enumerate() {
            if is_same_thing(a, b) {
                candidates.push(((a.opened - b.opened).abs(), i, j));
            }
        }
    }
    candidates.sort_unstable();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, i, j) in candidates {
        if !pairs.iter().any(|pair| pair.0 == i || pair.1 == j) {
            pairs.push((i, j));
        }
    }
    pairs
}

fn is_same_thing(a: &Episode, b: &Episode) -> bool {
    if a.kind != b.kind || a.key.tenant != b.key.tenant {
        return false;
    }
    let are_apart = |x: &Episode, y: &Episode| x.closed.unwrap_or(x.opened).max(x.opened) + APART_MS < y.opened;
    if are_apart(a, b) || are_apart(b, a) {
        return false;
    }
    let apps_agree = a.key.app == b.key.app || a.key.app.is_none() || b.key.app.is_none();
    let of = |episode: &Episode| -> Vec<_> { episode.prefixes.keys().copied().chain(episode.key.prefix).collect() };
    let (of_a, of_b) = (of(a), of(b));
    let overlap = of_a.iter().any(|x| of_b.iter().any(|y| x.covers(*y) || y.covers(*x)));
    apps_agree && (overlap || a.key == b.key)
}

fn moved((a, before): (&Episode, Shown), (b, after): (&Episode, Shown)) -> Option<Move> {
    let only = |these: &Shown, those: &Shown| -> Vec<String> {
        let alone = these.prefixes.iter().filter(|prefix| !those.prefixes.contains(prefix));
        alone.cloned().collect()
    };
    let (added, removed) = (only(&after, &before), only(&before, &after));
    let is_equal = a.opened == b.opened
        && a.blocked == b.blocked
        && a.level == b.level
        && added.is_empty()
        && removed.is_empty()
        && before.stopped_messages == after.stopped_messages;
    if is_equal {
        return None;
    }
    let messages = before.stopped_messages.zip(after.stopped_messages);
    let cost = before.stopped_cost.zip(after.stopped_cost);
    Some(Move {
        opened_later_seconds: b.opened.seconds_since(a.opened),
        blocked_later_seconds: a.blocked.zip(b.blocked).map(|(a, b)| b.seconds_since(a)),
        prefixes_added: added,
        prefixes_removed: removed,
        stopped_messages_more: messages.map(|(a, b)| b as i64 - a as i64),
        stopped_cost_more: cost.map(|(a, b)| b.amount - a.amount),
        before,
        after,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lab::ledger::Accused;
    use crate::model::{EntityKey, FindingKind, HOUR, Level, Micros, Millis, Prefix};

    fn episode(uid: u128, prefix: &str, opened: i64, level: Level) -> Episode {
        let prefix = Prefix::parse(prefix).unwrap();
        let accused = Accused {
            since: Millis(opened),
            sends: 12,
        };
        Episode {
            uid,
            kind: FindingKind::SmsPumping,
            key: EntityKey {
                tenant: "acme".into(),
                app: None,
                prefix: Some(prefix),
            },
            level,
            opened: Millis(opened),
            blocked: (level == Level::Block).then_some(Millis(opened)),
            closed: Some(Millis(opened + HOUR)),
            evidence_since: Millis(opened),
            region: None,
            prefixes: BTreeMap::from([(prefix, accused)]),
            loss_at_decision: Micros(0),
            sends_at_decision: 12,
            verified_at_decision: (0, 12),
            message: String::new(),
        }
    }

    #[test]
    fn episodes_are_the_same_when_their_ranges_overlap_and_their_times_are_near() {
        let a = [
            episode(1, "+9989012", 0, Level::Block),
            episode(2, "+9989012", 3 * DAY, Level::Block),
            episode(3, "+44770", 0, Level::Alert),
        ];
        let b = [
            episode(4, "+99890", 10_000, Level::Block),
            episode(5, "+9989013", 5_000, Level::Block),
            episode(6, "+9989012", 9 * DAY, Level::Block),
            episode(7, "+44770", 0, Level::Block),
        ];
        let found = pairs(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>());
        assert_eq!(found, [(2, 3), (0, 0)]);
    }

    #[test]
    fn a_move_says_how_much_later_and_which_ranges() {
        let (a, b) = (
            episode(1, "+9989012", 0, Level::Block),
            episode(4, "+99890", 10_000, Level::Block),
        );
        let ledger = Ledger::default();
        let prices = Prices::default();
        let shown = |episode: &Episode| Shown::of(episode, &ledger, Some(&prices));
        let found = moved((&a, shown(&a)), (&b, shown(&b))).unwrap();
        assert_eq!(found.blocked_later_seconds, Some(10.0));
        assert_eq!(
            (&found.prefixes_added[..], &found.prefixes_removed[..]),
            (&["+99890".to_owned()][..], &["+9989012".to_owned()][..])
        );
        assert!(moved((&a, shown(&a)), (&a, shown(&a))).is_none());
    }
}
