//! One property of an attack or its world varied, all else equal: how a measure
//! moves with it. The frontier is one of them: the rate of a campaign of a week.

use serde::Serialize;

use super::intervals::{Estimate, quantile, share};
use super::run::{Entrant, Run};
use super::score::CampaignOutcome;
use super::suite::Job;
use crate::lab::simulate::{LabError, Scenario, SimEvent};
use crate::model::{Client, EventBody};

/// What is varied.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    points: &'static [f64],
    /// World and overlay at a point.
    at: fn(f64) -> (World, String),
    /// Only the fields that every event must have are shown.
    is_bare: bool,
}

struct World {
    sends_per_day: f64,
    days: u32,
}

const USUAL: World = World {
    sends_per_day: 20_000.0,
    days: 5,
};
/// Four days of history and a week of a campaign.
const WEEK: World = World {
    sends_per_day: 5_000.0,
    days: 11,
};
/// Hours of a frontier campaign.
const WEEK_HOURS: f64 = 168.0;

const SWEEPS: &[Sweep] = &[
    Sweep {
        name: "rate",
        title: "Delay by the attack's rate",
        unit: "messages a second",
        points: &[0.03, 0.1, 0.3, 1.0, 4.0, 16.0],
        at: |rate| {
            let overlay = format!("kind: burst, start: 4d 3h, duration: 6h, messages: 3000, rate: {rate}");
            (USUAL, overlay)
        },
        is_bare: false,
    },
    Sweep {
        name: "faked",
        title: "Delay by the share of faked conversions",
        unit: "share of messages whose code comes back",
        points: &[0.0, 0.15, 0.3, 0.45, 0.6, 0.75],
        at: |share| {
            let overlay = format!(
                "kind: faked_conversions, start: 4d 3h, duration: 2h, messages: 3000, rate: 0.5, converted_share: {share}"
            );
            (USUAL, overlay)
        },
        is_bare: false,
    },
    Sweep {
        name: "honest",
        title: "Delay by the honest traffic around it, in one of the three busiest countries",
        unit: "honest sends a day",
        points: &[300.0, 1_000.0, 5_000.0, 20_000.0, 50_000.0],
        at: |sends_per_day| {
            let overlay = "kind: burst, start: 4d 3h, duration: 2h, messages: 3000, rate: 0.5, country: busy";
            (World { sends_per_day, ..USUAL }, overlay.into())
        },
        is_bare: false,
    },
    Sweep {
        name: "bare",
        title: "Delay by the attack's rate, from events with type, id, time and number only",
        unit: "messages a second",
        points: &[0.1, 1.0, 16.0],
        at: |rate| {
            let overlay = format!("kind: burst, start: 4d 3h, duration: 6h, messages: 3000, rate: {rate}");
            (USUAL, overlay)
        },
        is_bare: true,
    },
    Sweep {
        name: "frontier busy",
        title: "Low and slow for a week over 100 blocks of a busy country",
        unit: "messages an hour",
        points: FRONTIER,
        at: |hourly| {
            (
                WEEK,
                week(hourly, "country: busy, ranges: 100, block_digits: 3, source: local"),
            )
        },
        is_bare: false,
    },
    Sweep {
        name: "frontier rare",
        title: "Low and slow for a week over ten ranges of a seldom served country",
        unit: "messages an hour",
        points: FRONTIER,
        at: |hourly| {
            (
                WEEK,
                week(
                    hourly,
                    "country: rare, ranges: 10, block_digits: 4, source: residential",
                ),
            )
        },
        is_bare: false,
    },
];

const FRONTIER: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

fn week(hourly: f64, what: &str) -> String {
    let rate = hourly / 3_600.0;
    format!("kind: low_and_slow, start: 4d, duration: 7d, rate: {rate}, {what}")
}

/// One world of a sweep.
#[derive(Clone, Debug)]
pub struct Point {
    sweep: usize,
    value: f64,
    /// What is run.
    pub job: Job,
}

/// The worlds of all sweeps, each point in both worlds with so many seeds.
pub fn points(seeds: u32, first_seed: u64) -> Result<Vec<Point>, LabError> {
    let mut points = Vec::new();
    for (place, sweep) in SWEEPS.iter().enumerate() {
        for value in sweep.points {
            let (world, overlay) = (sweep.at)(*value);
            // In world B some tenants' verifications bear no number: nothing joins
            // them once sessions are hidden.
            let kinds: &[&str] = if sweep.is_bare { &["a"] } else { &["a", "b"] };
            for kind in kinds {
                let text = format!(
                    "description: d\nworld: {{kind: {kind}, duration: {}d, tenants: [{{name: acme, sends_per_day: {}, \
                     countries: 45}}]}}\noverlays:\n  - {{tenant: acme, app: signup-otp, {overlay}}}\n",
                    world.days, world.sends_per_day
                );
                let spec = Scenario::parse(sweep.name, &text)?;
                for seed in first_seed..first_seed + u64::from(seeds) {
                    let mut job = Job::new(sweep.name, spec.clone(), seed);
                    if sweep.is_bare {
                        job.veil = bare;
                    }
                    points.push(Point {
                        sweep: place,
                        value: *value,
                        job,
                    });
                }
            }
        }
    }
    Ok(points)
}

/// Hides all that an event need not have.
fn bare(event: &mut SimEvent) {
    match &mut event.event.body {
        EventBody::Send(send) => {
            send.client = Client::default();
            send.session = None;
            send.message_id = None;
            send.sender = None;
            send.price = None;
            send.provider = None;
        }
        EventBody::Verification(verification) => verification.session = None,
        EventBody::Delivery(delivery) => delivery.session = None,
    }
}

/// One judge at one point of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepRow {
    /// Which sweep.
    pub sweep: &'static str,
    /// In words.
    pub title: &'static str,
    /// Unit of `value`.
    pub unit: &'static str,
    /// Where on it.
    pub value: f64,
    /// Which judge.
    pub judge: String,
    /// Share of campaigns that met a covering decision.
    pub detection: Estimate,
    /// Attack messages before it, median.
    pub messages_p50: Estimate,
    /// Share of the median campaign's messages that leaked.
    pub leak_p50: Estimate,
    /// What a campaign costs an hour on average, in US dollars; of a week's one only.
    pub dollars_per_hour: Option<f64>,
}

/// The largest rate of money that a judge left unseen for a week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frontier {
    /// Which sweep.
    pub sweep: &'static str,
    /// In words.
    pub title: &'static str,
    /// Which judge.
    pub judge: String,
    /// US dollars an hour at the highest rate at which most campaigns stayed
    /// unseen; 0: none did.
    pub dollars_per_hour: f64,
    /// The same in messages an hour.
    pub messages_per_hour: f64,
    /// It is the highest rate that was tried: the frontier may lie beyond.
    pub is_at_least: bool,
}

/// Puts the runs of the points together. `runs` are those of the points' jobs in
/// order, each with every entrant in order.
pub fn rows(points: &[Point], entrants: &[Entrant], runs: &[Run]) -> Vec<SweepRow> {
    let mut rows = Vec::new();
    for (place, sweep) in SWEEPS.iter().enumerate() {
        for value in sweep.points {
            for (number, entrant) in entrants.iter().enumerate() {
                let at_point = points
                    .iter()
                    .enumerate()
                    .filter(|(_, point)| point.sweep == place && point.value == *value);
                let campaigns: Vec<&CampaignOutcome> = at_point
                    .flat_map(|(job, _)| &runs[job * entrants.len() + number].outcome.campaigns)
                    .collect();
                rows.push(sweep_row(sweep, *value, &entrant.name, &campaigns));
            }
        }
    }
    rows
}

fn sweep_row(sweep: &Sweep, value: f64, judge: &str, campaigns: &[&CampaignOutcome]) -> SweepRow {
    let mut delays: Vec<f64> = campaigns
        .iter()
        .filter_map(|c| c.delay_messages.map(|n| n as f64))
        .collect();
    delays.sort_by(f64::total_cmp);
    let mut leaks: Vec<f64> = campaigns
        .iter()
        .map(|c| c.leaked as f64 / c.messages.max(1) as f64)
        .collect();
    leaks.sort_by(f64::total_cmp);
    let count = campaigns.len();
    let micros: f64 = campaigns.iter().map(|c| c.cost_micros as f64).sum();
    SweepRow {
        sweep: sweep.name,
        title: sweep.title,
        unit: sweep.unit,
        value,
        judge: judge.into(),
        detection: share(delays.len() as u64, count as u64),
        messages_p50: quantile(&delays, count - delays.len(), 0.5),
        leak_p50: quantile(&leaks, 0, 0.5),
        dollars_per_hour: (sweep.name.starts_with("frontier") && count > 0)
            .then(|| micros / 1e6 / WEEK_HOURS / count as f64),
    }
}

/// The frontier of each judge in each of the frontier's sweeps.
pub fn frontiers(rows: &[SweepRow]) -> Vec<Frontier> {
    let mut found: Vec<Frontier> = Vec::new();
    for row in rows {
        let Some(dollars) = row.dollars_per_hour else { continue };
        let place = found.iter().position(|f| f.sweep == row.sweep && f.judge == row.judge);
        let place = place.unwrap_or_else(|| {
            found.push(Frontier {
                sweep: row.sweep,
                title: row.title,
                judge: row.judge.clone(),
                dollars_per_hour: 0.0,
                messages_per_hour: 0.0,
                is_at_least: false,
            });
            found.len() - 1
        });
        if row.detection.value.is_some_and(|share| share < 0.5) {
            let best = &mut found[place];
            best.dollars_per_hour = best.dollars_per_hour.max(dollars);
            best.messages_per_hour = best.messages_per_hour.max(row.value);
            best.is_at_least |= FRONTIER.last() == Some(&row.value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_a_scenario() {
        let points = points(2, 1).unwrap();
        let kinds = |sweep: &Sweep| if sweep.is_bare { 1 } else { 2 };
        let expected: usize = SWEEPS.iter().map(|sweep| sweep.points.len() * 2 * kinds(sweep)).sum();
        assert_eq!(points.len(), expected);
        assert!(points.iter().all(|point| point.job.has_attack()));
    }

    #[test]
    fn the_frontier_is_the_largest_unseen_rate() {
        let row = |judge: &str, value: f64, seen: u64| SweepRow {
            sweep: "frontier busy",
            title: "t",
            unit: "u",
            value,
            judge: judge.into(),
            detection: share(seen, 4),
            messages_p50: Estimate::UNKNOWN,
            leak_p50: Estimate::UNKNOWN,
            dollars_per_hour: Some(value * 0.1),
        };
        let found = frontiers(&[row("x", 1.0, 0), row("y", 1.0, 4), row("x", 2.0, 1), row("x", 4.0, 3)]);
        assert_eq!((found[0].judge.as_str(), found[0].dollars_per_hour), ("x", 0.2));
        assert_eq!((found[1].judge.as_str(), found[1].messages_per_hour), ("y", 0.0));
    }
}
