//! Which worlds an evaluation consists of.

use super::world::{Veil, no_veil};
use crate::lab::simulate::{LabError, OverlayKind, OverlaySpec, Scenario, WorldKind};
use crate::model::DAY;

/// How thorough an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Every scenario, in minutes.
    Standard,
    /// Attack-free worlds with at least thirty million honest sends, for the
    /// bound on false alarms.
    Long,
}

impl Suite {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Long => "long",
        }
    }

    /// Seeds of a small scenario unless told otherwise.
    pub fn default_seeds(self) -> u32 {
        match self {
            Self::Standard => 3,
            Self::Long => 4,
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

/// A scenario that is run with fewer seeds: more sends than this.
const HEAVY_SENDS: f64 = 400_000.0;

/// The worlds of a suite. `only` names scenarios (or files); empty: all of the
/// suite's.
pub fn jobs(suite: Suite, seeds: u32, first_seed: u64, only: &[String]) -> Result<Vec<Job>, LabError> {
    let names: Vec<String> = if only.is_empty() {
        let shipped = Scenario::builtin_names().into_iter();
        shipped.filter(|name| *name != "demo").map(Into::into).collect()
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
            let heavy = suite == Suite::Standard && only.is_empty() && one.sends() > HEAVY_SENDS;
            let count = if heavy { seeds.div_ceil(5) } else { seeds };
            for seed in first_seed..first_seed + u64::from(count) {
                one.seed = seed;
                jobs.push(one.clone());
            }
        }
    }
    Ok(jobs)
}

/// A shipped scenario that comes in both worlds by name stays in its own; all
/// others are run in both.
fn in_worlds(name: &str, spec: Scenario) -> (String, Vec<Scenario>) {
    let is_shipped = Scenario::builtin_names().contains(&name);
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

    #[test]
    fn the_standard_suite_has_every_scenario_in_both_worlds() {
        let jobs = jobs(Suite::Standard, Suite::Standard.default_seeds(), 1, &[]).unwrap();
        for name in Scenario::builtin_names() {
            let bare = name.strip_suffix("-a").or_else(|| name.strip_suffix("-b"));
            let bare = bare.unwrap_or(name);
            for world in ["a", "b"] {
                let found = jobs.iter().filter(|job| job.scenario == bare && job.world == world);
                let expected = usize::from(name != "demo");
                assert!((expected..=3).contains(&found.count()), "{name} {world}");
            }
        }
    }

    #[test]
    fn the_long_suite_has_no_attack_and_thirty_million_sends() {
        let jobs = jobs(Suite::Long, Suite::Long.default_seeds(), 1, &[]).unwrap();
        assert!(jobs.iter().all(|job| !job.has_attack()));
        assert!(jobs.iter().map(Job::sends).sum::<f64>() > 32e6);
    }
}
