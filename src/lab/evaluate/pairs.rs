//! The worlds of [`crate::lab::simulate::pairs`], stretch by stretch: which innocent
//! explanations, alone and in pairs, raised a block or an alert.

use std::collections::BTreeMap;

use serde::Serialize;

use super::run::Run;
use super::score::FalseAlarm;
use crate::lab::simulate::{Scenario, pairs};
use crate::model::Millis;

/// Alarms that are kept with their particulars for each stretch.
const SHOWN_MAX: usize = 5;

/// One or two explanations in one construction of the world.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairRow {
    /// Name of the first.
    pub first: &'static str,
    /// Name of the second; the same as of the first when it was alone.
    pub second: &'static str,
    /// `a` or `b`.
    pub world: &'static str,
    /// How often it was run.
    pub runs: u64,
    /// Blocks about the tenant while it lasted and in its aftermath.
    pub blocks: u64,
    /// Alerts likewise.
    pub alerts: u64,
    /// The first of them.
    pub alarms: Vec<FalseAlarm>,
}

/// How one judge did in the worlds of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairTable {
    /// Which judge.
    pub judge: String,
    /// All that were run, in the order of the kinds.
    pub rows: Vec<PairRow>,
    /// Blocks and alerts in these worlds outside any explanation.
    pub blocks_beside: u64,
    /// See `blocks_beside`.
    pub alerts_beside: u64,
    /// Whether some alarms are missing above, since there were too many to keep.
    pub is_cut: bool,
}

impl PairTable {
    /// How many rows have at least one alarm of a level.
    pub fn count(&self, of: fn(&PairRow) -> u64) -> usize {
        self.rows.iter().filter(|row| of(row) > 0).count()
    }
}

/// The table of each judge that is named, if any of the worlds was run.
pub fn tables<'a>(runs: &[Run], judges: impl Iterator<Item = &'a str>) -> Vec<PairTable> {
    let has_any = runs.iter().any(|run| pairs::number(&run.scenario).is_some());
    let judges = judges.filter(|_| has_any);
    judges.map(|judge| table(runs, judge)).collect()
}

fn table(runs: &[Run], judge: &str) -> PairTable {
    let mut rows: BTreeMap<(usize, usize, &str), PairRow> = BTreeMap::new();
    let mut table = PairTable {
        judge: judge.into(),
        rows: Vec::new(),
        blocks_beside: 0,
        alerts_beside: 0,
        is_cut: false,
    };
    for run in runs.iter().filter(|run| run.judge == judge) {
        let Some(number) = pairs::number(&run.scenario) else {
            continue;
        };
        let Ok(scenario) = Scenario::load(&format!("{}-{}", run.scenario, run.world)) else {
            continue;
        };
        let start = scenario.world.start;
        let stretches = pairs::stretches(number);
        for stretch in &stretches {
            let row = rows.entry(key(stretch, run.world)).or_insert_with(|| PairRow {
                first: stretch.first,
                second: stretch.second,
                world: run.world,
                runs: 0,
                blocks: 0,
                alerts: 0,
                alarms: Vec::new(),
            });
            row.runs += 1;
        }
        let kept = run.outcome.false_alarms.len() as u64;
        table.is_cut |= kept < run.outcome.false_blocks + run.outcome.false_alerts;
        for alarm in &run.outcome.false_alarms {
            let is_block = alarm.level == "block";
            let at = Millis::parse_rfc3339(&alarm.time).map_or(i64::MIN, |time| time - start);
            let of = stretches
                .iter()
                .find(|s| s.tenant == alarm.tenant && (s.start_ms..s.end_ms).contains(&at));
            let Some(row) = of.and_then(|stretch| rows.get_mut(&key(stretch, run.world))) else {
                table.blocks_beside += u64::from(is_block);
                table.alerts_beside += u64::from(!is_block);
                continue;
            };
            row.blocks += u64::from(is_block);
            row.alerts += u64::from(!is_block);
            if row.alarms.len() < SHOWN_MAX {
                row.alarms.push(alarm.clone());
            }
        }
    }
    table.rows = rows.into_values().collect();
    table
}

fn key(stretch: &pairs::Stretch, world: &'static str) -> (usize, usize, &'static str) {
    let place = |name: &str| pairs::kinds().position(|kind| kind == name).unwrap_or_default();
    let (a, b) = (place(stretch.first), place(stretch.second));
    (a.min(b), a.max(b), world)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::evaluate::score::Outcome;

    fn run(judge: &str, world: &'static str, alarms: Vec<FalseAlarm>, more: u64) -> Run {
        let count = |level: &str| alarms.iter().filter(|alarm| alarm.level == level).count() as u64;
        Run {
            scenario: "pairs-2".into(),
            world,
            seed: 2,
            judge: judge.into(),
            outcome: Outcome {
                events: 3_000,
                honest: 1_000,
                collateral: 0,
                blocks: 0,
                false_blocks: count("block") + more,
                alerts: 0,
                false_alerts: count("alert"),
                stopped: 0,
                campaigns: Vec::new(),
                false_alarms: alarms,
            },
        }
    }

    fn alarm(at: Millis, tenant: &str, level: &'static str) -> FalseAlarm {
        FalseAlarm {
            time: at.to_string(),
            tenant: tenant.into(),
            prefix: "+4474".into(),
            level,
        }
    }

    #[test]
    fn alarms_belong_to_what_was_under_way_at_their_tenant() {
        let start = Scenario::load("pairs-2-a").unwrap().world.start;
        let stretches = pairs::stretches(2);
        let pair = stretches.iter().find(|s| s.first != s.second).unwrap();
        let during = start + pair.start_ms;
        let elsewhere = stretches.iter().map(|s| s.tenant).find(|name| *name != pair.tenant);
        let alarms = vec![
            alarm(during, pair.tenant, "alert"),
            alarm(start + (pair.end_ms - 1), pair.tenant, "block"),
            // On the first day nothing is under way.
            alarm(start + 1_000, elsewhere.unwrap(), "block"),
            alarm(start + 1_000, elsewhere.unwrap(), "alert"),
        ];
        let runs = [
            run("own", "a", alarms, 0),
            run("own", "b", Vec::new(), 0),
            run("other", "a", Vec::new(), 7),
        ];
        let found = tables(&runs, ["own", "other"].into_iter());
        let own = &found[0];
        assert_eq!(own.rows.len(), 2 * stretches.len());
        assert_eq!((own.blocks_beside, own.alerts_beside, own.is_cut), (1, 1, false));
        assert_eq!((own.count(|row| row.blocks), own.count(|row| row.alerts)), (1, 1));
        let loud = own.rows.iter().find(|row| row.blocks > 0).unwrap();
        assert_eq!((loud.first, loud.second, loud.world), (pair.first, pair.second, "a"));
        assert_eq!((loud.blocks, loud.alerts, loud.runs, loud.alarms.len()), (1, 1, 1, 2));
        assert!(found[1].is_cut, "alarms that were not kept are missing");
        assert!(tables(&[], ["own"].into_iter()).is_empty());
    }
}
