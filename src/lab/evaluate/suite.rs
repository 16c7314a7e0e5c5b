//! Which worlds an evaluation consists of.

use super::world::{Veil, no_veil};
use crate::lab::simulate::{LabError, OverlayKind, OverlaySpec, Scenario, WorldKind, pairs};
use crate::model::DAY;

/// How thorough an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Every scenario, in minutes.
    Standard,
    /// Attack-free worlds with at least thirty million honest sends and every
    /// innocent explanation, alone and in pairs, for the bound on false alarms.
    Long,
    /// The innocent explanations alone and in pairs.
    Pairs,
}

impl Suite {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Long => "long",
            Self::Pairs => "pairs",
        }
    }

    /// Seeds of a small scenario unless told otherwise.
    pub fn default_seeds(self) -> u32 {
        match self {
            Self::Standard => 3,
            Self::Long => 2,
            Self::Pairs => 1,
        }
    }
}

/// One world with its seed.
#[derive(Clone, Debug)]
pub struct Job {
    /// Name of the scenario, without its world.
    pub scenario: String,
    /// `a` or `b`.
    pub world: &'static str,
    /// Seed of the simulator.
    pub seed: u64,
    /// World and overlays.
    pub spec: Scenario,
    /// What is hidden from the judges.
    pub veil: Veil,
}

impl Job {
    /// A scenario in one of the worlds.
    pub fn new(scenario: &str, spec: Scenario, seed: u64) -> Self {
        let world = match spec.world.kind {
            WorldKind::A => "a",
            WorldKind::B => "b",
        };
        Self {
            scenario: scenario.into(),
            world,
            seed,
            spec,
            veil: no_veil,
        }
    }

    /// Sends that the honest world makes, about.
    pub fn sends(&self) -> f64 {
        let world = &self.spec.world;
        let days = (world.duration_ms + world.warm_up_ms) as f64 / DAY as f64;
        let honest: f64 = world.tenants.iter().map(|tenant| tenant.sends_per_day).sum();
        let attacks = self.spec.overlays.iter().map(|overlay| match &overlay.kind {
            OverlayKind::Attack(attack) => {
                (attack.rate * overlay.duration_ms as f64 / 1_000.0).min(attack.messages as f64)
            }
            OverlayKind::Innocent(..) => 0.0,
        });
        honest * days + attacks.sum::<f64>()
    }

    /// Whether any of its overlays is an attack.
    pub fn has_attack(&self) -> bool {
        self.spec.overlays.iter().any(OverlaySpec::is_attack)
    }
}

/// Scenarios that are harder, in one respect each, than what incident reports tell
/// of. They measure single families and are run by name.
const BEYOND: [&str; 7] = [
    "cron",
    "faked-quick",
    "few-networks",
    "link-form",
    "one-number",
    "scripted",
    "taught",
];

/// A scenario that is run with fewer seeds: more sends than this.
const HEAVY_SENDS: f64 = 400_000.0;

/// The worlds of a suite. `only` names scenarios (or files); empty: all of the
/// suite's.
pub fn jobs(suite: Suite, seeds: u32, first_seed: u64, only: &[String]) -> Result<Vec<Job>, LabError> {
    let names: Vec<String> = if only.is_empty() {
        let shipped = Scenario::builtin_names().into_iter().map(String::from);
        let shipped = shipped.filter(|name| *name != "demo" && suite != Suite::Pairs);
        let shipped = shipped.filter(|name| !BEYOND.contains(&name.as_str()));
        let generated = pairs::names().into_iter().filter(|_| suite != Suite::Standard);
        shipped.chain(generated).collect()
    } else {
        only.to_vec()
    };
    let mut jobs = Vec::new();
    for name in &names {
        let spec = Scenario::load(name)?;
        let (bare, worlds) = in_worlds(name, spec);
        for spec in worlds {
            let mut one = Job::new(&bare, spec, first_seed);
            if suite == Suite::Long && one.has_attack() && only.is_empty() {
                continue;
            }
            let place = pairs::number(name);
            let heavy = suite == Suite::Standard && only.is_empty() && one.sends() > HEAVY_SENDS;
            let count = match (suite, place) {
                _ if heavy => seeds.div_ceil(5),
                (Suite::Long, Some(_)) => seeds.div_ceil(2),
                _ => seeds,
            };
            for turn in 0..u64::from(count) {
                // Each world of pairs has people of its own.
                one.seed = first_seed
                    + match place {
                        Some(place) => (place as u64 - 1) + turn * pairs::WORLDS as u64,
                        None => turn,
                    };
                jobs.push(one.clone());
            }
        }
    }
    Ok(jobs)
}

/// A shipped scenario that comes in both worlds by name stays in its own; all
/// others are run in both.
fn in_worlds(name: &str, spec: Scenario) -> (String, Vec<Scenario>) {
    let is_shipped = Scenario::builtin_names().contains(&name) || pairs::number(name).is_some();
    match name.strip_suffix("-a").or_else(|| name.strip_suffix("-b")) {
        Some(bare) if is_shipped => (bare.into(), vec![spec]),
        _ if is_shipped => {
            let worlds = [WorldKind::A, WorldKind::B].map(|kind| spec.clone().in_world(kind));
            (name.into(), worlds.into())
        }
        _ => (name.into(), vec![spec]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_standard_suite_has_every_scenario_in_both_worlds() {
        let jobs = jobs(Suite::Standard, Suite::Standard.default_seeds(), 1, &[]).unwrap();
        for name in Scenario::builtin_names() {
            let bare = name.strip_suffix("-a").or_else(|| name.strip_suffix("-b"));
            let bare = bare.unwrap_or(name);
            for world in ["a", "b"] {
                let found = jobs.iter().filter(|job| job.scenario == bare && job.world == world);
                let expected = usize::from(name != "demo" && !BEYOND.contains(&name));
                assert!((expected..=3).contains(&found.count()), "{name} {world}");
            }
        }
    }

    #[test]
    fn the_long_suite_has_no_attack_and_thirty_million_sends() {
        let jobs = jobs(Suite::Long, Suite::Long.default_seeds(), 1, &[]).unwrap();
        assert!(jobs.iter().all(|job| !job.has_attack()));
        assert!(jobs.iter().map(Job::sends).sum::<f64>() > 40e6);
        for world in ["a", "b"] {
            let kinds = jobs.iter().filter(|job| job.world == world);
            let kinds = kinds
                .flat_map(|job| &job.spec.overlays)
                .map(|overlay| overlay.kind_name);
            assert_eq!(kinds.collect::<BTreeSet<_>>(), pairs::kinds().collect());
        }
    }

    #[test]
    fn worlds_of_pairs_have_seeds_of_their_own() {
        let all = jobs(Suite::Pairs, 2, 1, &[]).unwrap();
        assert_eq!(all.len(), 2 * 2 * pairs::WORLDS);
        let seeds: BTreeSet<(&str, u64)> = all.iter().map(|job| (job.world, job.seed)).collect();
        assert_eq!(seeds.len(), all.len());
        let third = jobs(Suite::Pairs, 1, 1, &["pairs-3-b".into()]).unwrap();
        assert_eq!((third.len(), third[0].seed, third[0].world), (1, 3, "b"));
        assert!(
            all.iter()
                .any(|job| job.scenario == "pairs-3" && job.spec == third[0].spec)
        );
        assert!(jobs(Suite::Pairs, 1, 1, &["pairs-11-b".into()]).is_err());
    }
}
