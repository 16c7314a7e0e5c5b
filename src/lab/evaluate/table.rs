//! Many runs put together: one row of measures for a judge and a group of runs.

use serde::Serialize;

use super::intervals::{Estimate, per_million, quantile, share};
use super::run::Run;
use super::score::{CURVE, CampaignOutcome};
use crate::lab::simulate::pairs;

/// Which runs or campaigns a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its name in the report.
    pub name: String,
    /// Only this scenario; `pairs` for all its worlds together.
    pub scenario: Option<String>,
    /// Only this world.
    pub world: Option<&'static str>,
    /// Only campaigns of at most so many ranges.
    pub ranges_max: Option<usize>,
}

impl Group {
    /// Everything.
    pub fn all() -> Self {
        Self {
            name: "all".into(),
            scenario: None,
            world: None,
            ranges_max: None,
        }
    }

    fn has(&self, run: &Run) -> bool {
        self.scenario.as_ref().is_none_or(|name| name == family(&run.scenario))
            && self.world.is_none_or(|world| world == run.world)
    }
}

/// What a scenario is called in tables: the worlds of pairs are one.
fn family(scenario: &str) -> &str {
    if pairs::number(scenario).is_some() {
        "pairs"
    } else {
        scenario
    }
}

/// The groups of a report: all, by world, by number of ranges, by scenario.
pub fn groups(runs: &[Run]) -> Vec<Group> {
    let mut groups = vec![Group::all()];
    groups.extend(["a", "b"].map(|world| Group {
        name: format!("world {}", world.to_ascii_uppercase()),
        world: Some(world),
        ..Group::all()
    }));
    groups.push(Group {
        name: "up to 8 ranges".into(),
        ranges_max: Some(8),
        ..Group::all()
    });
    let mut names: Vec<&str> = runs.iter().map(|run| family(&run.scenario)).collect();
    names.sort_unstable();
    names.dedup();
    groups.extend(names.into_iter().map(|name| Group {
        name: name.into(),
        scenario: Some(name.into()),
        ..Group::all()
    }));
    groups
}

/// The measures of one judge over one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which judge.
    pub judge: String,
    /// Which group.
    pub group: String,
    /// Honest sends.
    pub honest: u64,
    /// Campaigns.
    pub campaigns: u64,
    /// Share of campaigns that met a covering decision.
    pub detection: Estimate,
    /// Attack messages before that decision: median and 95th percentile. A
    /// campaign that was never met counts as endless.
    pub messages_p50: Estimate,
    /// See `messages_p50`.
    pub messages_p95: Estimate,
    /// Seconds before that decision.
    pub seconds_p50: Estimate,
    /// See `seconds_p50`.
    pub seconds_p95: Estimate,
    /// Share of a campaign's messages that no block stopped: the median campaign.
    pub leak_p50: Estimate,
    /// The same for its money.
    pub money_leak_p50: Estimate,
    /// Share of all campaigns' messages together.
    pub leak_total: Option<f64>,
    /// Share of all campaigns' money together.
    pub money_leak_total: Option<f64>,
    /// Messages into a range before the first of them was stopped.
    pub range_p50: Estimate,
    /// See `range_p50`.
    pub range_p95: Estimate,
    /// Blocks inside no campaign.
    pub false_blocks: u64,
    /// The same per million honest sends.
    pub false_block_rate: Estimate,
    /// Alerts about no campaign.
    pub false_alerts: u64,
    /// The same per million honest sends.
    pub false_alert_rate: Estimate,
    /// Honest sends inside a standing block, per million.
    pub collateral_rate: Option<f64>,
    /// Share of attack messages among all that standing blocks covered.
    pub precision: Estimate,
    /// For each class of a campaign's messages: the share that leaked.
    pub curve: Vec<Option<f64>>,
}

/// Puts the runs of a judge in a group together.
pub fn row(runs: &[Run], judge: &str, group: &Group) -> Row {
    let runs: Vec<&Run> = runs.iter().filter(|run| run.judge == judge && group.has(run)).collect();
    let campaigns: Vec<&CampaignOutcome> = runs
        .iter()
        .flat_map(|run| &run.outcome.campaigns)
        .filter(|campaign| group.ranges_max.is_none_or(|max| campaign.ranges <= max))
        .collect();
    let sum = |of: fn(&Run) -> u64| runs.iter().map(|run| of(run)).sum::<u64>();
    let honest = sum(|run| run.outcome.honest);
    let collateral = sum(|run| run.outcome.collateral);
    let stopped = sum(|run| run.outcome.stopped);
    let (false_blocks, false_alerts) = (sum(|run| run.outcome.false_blocks), sum(|run| run.outcome.false_alerts));
    let met = campaigns.iter().filter(|c| c.delay_messages.is_some()).count();
    let missed = campaigns.len() - met;
    let messages = sorted(campaigns.iter().filter_map(|c| c.delay_messages.map(|n| n as f64)));
    let seconds = sorted(campaigns.iter().filter_map(|c| c.delay_seconds));
    let leaks = sorted(campaigns.iter().map(|c| c.leaked as f64 / c.messages.max(1) as f64));
    let money = campaigns.iter().filter(|c| c.cost_micros > 0);
    let money_leaks = sorted(money.map(|c| c.leaked_micros as f64 / c.cost_micros as f64));
    let ranges: Vec<Option<u64>> = campaigns.iter().flat_map(|c| c.range_delays.iter().copied()).collect();
    let range_delays = sorted(ranges.iter().filter_map(|delay| delay.map(|n| n as f64)));
    let untouched = ranges.len() - range_delays.len();
    Row {
        judge: judge.into(),
        group: group.name.clone(),
        honest,
        campaigns: campaigns.len() as u64,
        detection: share(met as u64, campaigns.len() as u64),
        messages_p50: quantile(&messages, missed, 0.5),
        messages_p95: quantile(&messages, missed, 0.95),
        seconds_p50: quantile(&seconds, missed, 0.5),
        seconds_p95: quantile(&seconds, missed, 0.95),
        leak_p50: quantile(&leaks, 0, 0.5),
        money_leak_p50: quantile(&money_leaks, 0, 0.5),
        leak_total: ratio(
            campaigns.iter().map(|c| c.leaked as f64).sum(),
            campaigns.iter().map(|c| c.messages as f64).sum(),
        ),
        money_leak_total: ratio(
            campaigns.iter().map(|c| c.leaked_micros as f64).sum(),
            campaigns.iter().map(|c| c.cost_micros as f64).sum(),
        ),
        range_p50: quantile(&range_delays, untouched, 0.5),
        range_p95: quantile(&range_delays, untouched, 0.95),
        false_blocks,
        false_block_rate: per_million(false_blocks, honest),
        false_alerts,
        false_alert_rate: per_million(false_alerts, honest),
        collateral_rate: ratio(collateral as f64 * 1e6, honest as f64),
        precision: share_of_many(stopped, stopped + collateral),
        curve: curve(&campaigns),
    }
}

/// Exact intervals of millions of trials mean nothing here: messages are not
/// independent. The share alone.
fn share_of_many(hits: u64, trials: u64) -> Estimate {
    Estimate {
        value: ratio(hits as f64, trials as f64),
        ..Estimate::UNKNOWN
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The mean over campaigns, each counting once in each class that it reaches.
fn curve(campaigns: &[&CampaignOutcome]) -> Vec<Option<f64>> {
    let shares = |class: usize| {
        let of = campaigns.iter().map(move |c| c.curve[class]);
        of.filter(|(count, _)| *count > 0)
            .map(|(count, open)| open as f64 / count as f64)
    };
    (0..CURVE.len())
        .map(|class| ratio(shares(class).sum(), shares(class).count() as f64))
        .collect()
}
