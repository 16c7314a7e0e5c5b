//! How well one judge did in one world: the measures of an evaluation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judge::{Decision, Standing, luck_of};
use super::truth::{Message, Sent, Truth};
use crate::lab::simulate::Campaign;
use crate::model::{Millis, Prefix};

/// Messages that a campaign still sends, on which a covering decision is judged.
/// A campaign that hops sends its later ones elsewhere: no decision covers half
/// of what it will ever send, but one covers half of what it sends next.
const AHEAD: usize = 100;
/// False alarms of each level that are kept with their particulars.
const FALSE_KEPT: usize = 1_000;
/// Ends of the classes of the leak curve, in messages of a campaign.
pub const CURVE: [u64; 20] = [
    1,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    32,
    50,
    75,
    100,
    150,
    250,
    500,
    1_000,
    3_000,
    10_000,
    1_000_000_000,
];

/// A block or alert that no campaign explains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FalseAlarm {
    /// When.
    pub time: String,
    /// Whose traffic.
    pub tenant: String,
    /// Which prefix; empty when it names none.
    pub prefix: String,
    /// `alert` or `block`.
    pub level: &'static str,
}

/// How one campaign fared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CampaignOutcome {
    /// Label of the campaign.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// Ranges that it drew from.
    pub ranges: usize,
    /// Messages that it sent or tried to.
    pub messages: u64,
    /// Messages sent before the first covering decision; `None`: there was none.
    pub delay_messages: Option<u64>,
    /// From its first message to that decision.
    pub delay_seconds: Option<f64>,
    /// Messages that no block stopped.
    pub leaked: u64,
    /// What all of them cost or would have, in millionths of a US dollar.
    pub cost_micros: i64,
    /// What those that no block stopped cost.
    pub leaked_micros: i64,
    /// Messages into each range before the first of them was stopped; `None`: none was.
    pub range_delays: Vec<Option<u64>>,
    /// For each class of [`CURVE`]: messages, and of them stopped by no block.
    pub curve: Vec<(u64, u64)>,
}

/// One judge in one world.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Events of the world.
    pub events: u64,
    /// Honest sends in it.
    pub honest: u64,
    /// Honest sends inside a standing block.
    pub collateral: u64,
    /// Blocks put where none stood.
    pub blocks: u64,
    /// Of them inside no campaign.
    pub false_blocks: u64,
    /// Alerts opened.
    pub alerts: u64,
    /// Of them about no campaign.
    pub false_alerts: u64,
    /// Attack messages inside a standing block.
    pub stopped: u64,
    /// Each campaign of the world.
    pub campaigns: Vec<CampaignOutcome>,
    /// The first false alarms.
    pub false_alarms: Vec<FalseAlarm>,
}

#[derive(Clone, Debug)]
struct Change {
    order: u64,
    at: Millis,
    decision: Decision,
}

/// Keeps the score of one judge while a world goes by.
#[derive(Debug, Default)]
pub struct Score {
    standing: Standing,
    changes: Vec<Change>,
    covered: BTreeMap<u16, Vec<bool>>,
    outcome: Counts,
    false_alarms: Vec<FalseAlarm>,
}

#[derive(Debug, Default)]
struct Counts {
    collateral: u64,
    blocks: u64,
    false_blocks: u64,
    alerts: u64,
    false_alerts: u64,
    stopped: u64,
}

impl Score {
    /// Takes in what the judge said at `now`.
    pub fn decided(&mut self, decision: &Decision, now: Millis, truth: &Truth) {
        let is_new = self.standing.take(decision, now);
        match decision {
            Decision::Alert { tenant, prefixes } => {
                self.outcome.alerts += 1;
                let is_true = if prefixes.is_empty() {
                    truth.has_campaign(tenant)
                } else {
                    prefixes.iter().any(|prefix| truth.is_attacked(tenant, *prefix))
                };
                if !is_true {
                    self.outcome.false_alerts += 1;
                    self.keep(tenant, prefixes.first().copied(), "alert", now);
                }
                return;
            }
            Decision::Block { tenant, prefix, .. } if is_new => {
                self.outcome.blocks += 1;
                if !truth.is_attacked(tenant, *prefix) {
                    self.outcome.false_blocks += 1;
                    self.keep(tenant, Some(*prefix), "block", now);
                }
            }
            Decision::Block { .. } | Decision::Lift { .. } => {}
        }
        self.changes.push(Change {
            order: truth.events,
            at: now,
            decision: decision.clone(),
        });
    }

    fn keep(&mut self, tenant: &str, prefix: Option<Prefix>, level: &'static str, now: Millis) {
        let kept = self.false_alarms.iter().filter(|alarm| alarm.level == level);
        if kept.count() < FALSE_KEPT {
            self.false_alarms.push(FalseAlarm {
                time: now.to_string(),
                tenant: tenant.into(),
                prefix: prefix.map(|p| p.to_string()).unwrap_or_default(),
                level,
            });
        }
    }

    /// Takes in a send, before it is handed to the judge. In a closed loop the
    /// world itself says what was stopped.
    pub fn sent(&mut self, sent: &Sent<'_>, closed_loop: bool) {
        let Sent {
            at,
            tenant,
            app,
            number,
            id,
            ..
        } = *sent;
        let stopped = if closed_loop {
            sent.blocked
        } else {
            self.standing.stops(tenant, app, number, at, luck_of(id))
        };
        match sent.campaign {
            Some(campaign) => {
                self.outcome.stopped += u64::from(stopped);
                self.covered.entry(campaign).or_default().push(stopped);
            }
            None => self.outcome.collateral += u64::from(stopped),
        }
    }

    /// The measures, once the world is over.
    pub fn outcome(self, truth: &Truth, labels: &[Campaign]) -> Outcome {
        let campaigns = truth.campaigns.iter().map(|(place, messages)| {
            let label = &labels[usize::from(*place)];
            let covered = self.covered.get(place).map(Vec::as_slice).unwrap_or_default();
            let first = self.first_covering(&label.tenant, messages);
            let (leaked, leaked_micros) = left(messages, covered);
            CampaignOutcome {
                id: label.id.clone(),
                kind: label.kind,
                ranges: label.ranges.len(),
                messages: messages.len() as u64,
                delay_messages: first.map(|(count, _)| count),
                delay_seconds: first.map(|(_, at)| at.seconds_since(messages[0].at).max(0.0)),
                leaked,
                cost_micros: messages.iter().map(|m| m.price.0).sum(),
                leaked_micros,
                range_delays: range_delays(&label.ranges, messages, covered),
                curve: curve(covered),
            }
        });
        let campaigns = campaigns.collect();
        let counts = self.outcome;
        Outcome {
            events: truth.events,
            honest: truth.honest,
            collateral: counts.collateral,
            blocks: counts.blocks,
            false_blocks: counts.false_blocks,
            alerts: counts.alerts,
            false_alerts: counts.false_alerts,
            stopped: counts.stopped,
            campaigns,
            false_alarms: self.false_alarms,
        }
    }

    /// The first time from which the standing blocks cover at least half of what
    /// the campaign sends next, and how many messages were out by then.
    fn first_covering(&self, tenant: &str, messages: &[Message]) -> Option<(u64, Millis)> {
        let first = messages.first()?;
        let mut standing = Standing::default();
        let earlier = self.changes.partition_point(|change| change.order < first.order);
        for change in &self.changes[..earlier] {
            standing.take(&change.decision, change.at);
        }
        if covers(&standing, tenant, &messages[..messages.len().min(AHEAD)], first.at) {
            return Some((0, first.at));
        }
        for change in &self.changes[earlier..] {
            standing.take(&change.decision, change.at);
            let Decision::Block { tenant: of, prefix, .. } = &change.decision else {
                continue;
            };
            let out = messages.partition_point(|message| message.order <= change.order);
            let ahead = &messages[out..messages.len().min(out + AHEAD)];
            let matters = of == tenant && ahead.iter().any(|message| prefix.covers(message.number));
            if matters && covers(&standing, tenant, ahead, change.at) {
                return Some((out as u64, change.at));
            }
        }
        None
    }
}

fn covers(standing: &Standing, tenant: &str, ahead: &[Message], now: Millis) -> bool {
    // A share that is let through counts as such, not message by message.
    let stopped = ahead
        .iter()
        .filter(|m| standing.stops(tenant, &m.app, m.number, now, 0.5));
    2 * stopped.count() >= ahead.len()
}

fn left(messages: &[Message], covered: &[bool]) -> (u64, i64) {
    let open = messages.iter().zip(covered).filter(|(_, covered)| !**covered);
    open.fold((0, 0), |(count, cost), (message, _)| {
        (count + 1, cost + message.price.0)
    })
}

fn range_delays(ranges: &[String], messages: &[Message], covered: &[bool]) -> Vec<Option<u64>> {
    let mut seen: BTreeMap<Prefix, (u64, Option<u64>)> = ranges
        .iter()
        .filter_map(|range| Some((Prefix::parse(range)?, (0, None))))
        .collect();
    let mut lengths: Vec<usize> = seen.keys().map(|prefix| prefix.len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for (message, covered) in messages.iter().zip(covered) {
        let range = lengths
            .iter()
            .map(|len| message.number.truncated(*len))
            .find(|p| seen.contains_key(p));
        let Some((count, first)) = range.and_then(|range| seen.get_mut(&range)) else {
            continue;
        };
        if *covered {
            first.get_or_insert(*count);
        }
        *count += 1;
    }
    seen.into_values()
        .filter(|(count, _)| *count > 0)
        .map(|(_, first)| first)
        .collect()
}

fn curve(covered: &[bool]) -> Vec<(u64, u64)> {
    let mut classes = vec![(0, 0); CURVE.len()];
    let mut class = 0;
    for (place, covered) in covered.iter().enumerate() {
        while place as u64 + 1 > CURVE[class] {
            class += 1;
        }
        classes[class].0 += 1;
        classes[class].1 += u64::from(!covered);
    }
    classes
}
