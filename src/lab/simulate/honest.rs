//! Honest traffic: one stream for each app of each tenant. Rates follow local
//! time in every country and the weekday there, with noise of each world's own
//! kind on top, so that counts are over-dispersed.

use super::draw::{Rng, chance, cumulate, gamma, hash, index, log_normal, pick, poisson, stream, uniform, unit};
use super::pace::Pace;
use super::people::{Person, person};
use super::scenario::{AppKind, TenantSpec, WorldKind};
use super::world::World;
use crate::model::{DAY, HOUR, MINUTE};

/// Rates are set anew at this interval.
pub(super) const PERIOD_MS: i64 = 15 * MINUTE;

/// Where a tenant sends, most first, with weights that sum to 1.
pub(super) fn served(world: &World, place: usize, tenant: &TenantSpec) -> Vec<(usize, f64)> {
    let mut rng = stream(world.seed, &[51, place as u64]);
    // Popular countries are served by nearly all, others by some.
    let mut order: Vec<(f64, usize)> = (0..world.countries.len())
        .filter(|&country| country != tenant.home)
        .map(|country| (country as f64 + 18.0 * uniform(&mut rng), country))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let chosen = std::iter::once(tenant.home).chain(order.into_iter().map(|(_, country)| country));
    let chosen: Vec<usize> = chosen.take(tenant.countries.min(world.countries.len() - 12)).collect();
    let mut weights: Vec<f64> = match world.kind {
        WorldKind::A => (0..chosen.len())
            .map(|rank| 1.0 / libm::pow(1.0 + rank as f64, 1.15))
            .collect(),
        WorldKind::B => chosen.iter().map(|_| log_normal(&mut rng, 1.0, 1.5)).collect(),
    };
    weights.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = weights.iter().sum();
    chosen.into_iter().zip(weights.into_iter().map(|w| w / total)).collect()
}

/// How busy a local time is, over a mean of about 1.
pub(super) fn busyness(kind: WorldKind, app: AppKind, friday: bool, local_ms: i64) -> f64 {
    let hour = local_ms.rem_euclid(DAY) as f64 / HOUR as f64;
    // Day 0 of the epoch was a Thursday.
    let weekday = (local_ms.div_euclid(DAY) + 3).rem_euclid(7);
    let weekend = if friday {
        weekday == 4 || weekday == 5
    } else {
        weekday >= 5
    };
    let week = match (app, weekend) {
        (AppKind::Login, true) => 0.75,
        (AppKind::Marketing, true) => 0.5,
        (AppKind::Signup | AppKind::Link, true) => 1.1,
        (_, true) => 0.9,
        (_, false) => 1.04,
    };
    week * match kind {
        WorldKind::A => {
            let turn = |of: f64, at: f64| libm::cos(std::f64::consts::TAU * (hour - at) / of);
            libm::exp(0.95 * turn(24.0, 16.0) + 0.3 * turn(12.0, 20.5)) / 1.258
        }
        WorldKind::B => {
            const LOGIN: [f64; 12] = [0.1, 0.05, 0.1, 0.6, 2.2, 1.9, 1.6, 1.4, 1.3, 1.3, 1.0, 0.45];
            const OTHER: [f64; 12] = [0.25, 0.08, 0.06, 0.2, 0.8, 1.1, 1.4, 1.2, 1.3, 1.7, 2.4, 1.5];
            let table = if app == AppKind::Login { &LOGIN } else { &OTHER };
            let (slot, part) = ((hour / 2.0) as usize % 12, hour / 2.0 % 1.0);
            table[slot] * (1.0 - part) + table[(slot + 1) % 12] * part
        }
    }
}

/// The honest traffic of one app.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub tenant: usize,
    pub app: usize,
    pub kind: AppKind,
    pub pace: Option<Pace>,
    pub rng: Rng,
    /// Country, and attempts a millisecond on average.
    served: Vec<(usize, f64)>,
    /// State of the rate of each country (world B).
    busy: Vec<u8>,
    day: i64,
    /// Level of the day in each country.
    level: Vec<f64>,
    cumulated: Vec<f64>,
    begins: i64,
}

impl Stream {
    pub(super) fn new(
        world: &World,
        (place, tenant): (usize, &TenantSpec),
        app: usize,
        served: &[(usize, f64)],
        begins: i64,
    ) -> Self {
        let shares: f64 = tenant.apps.iter().map(|a| a.share).sum();
        let spec = &tenant.apps[app];
        // Resends are sends as well.
        let sends_per_attempt = match (spec.kind, world.kind) {
            (AppKind::Marketing | AppKind::Link, _) => 1.0,
            (_, WorldKind::A) => 1.2,
            (_, WorldKind::B) => 1.24,
        };
        let rate = tenant.sends_per_day * spec.share / shares / sends_per_attempt / DAY as f64;
        Self {
            tenant: place,
            app,
            kind: spec.kind,
            pace: spec.pace,
            rng: stream(world.seed, &[61, place as u64, app as u64]),
            served: served.iter().map(|&(country, share)| (country, rate * share)).collect(),
            busy: vec![1; served.len()],
            day: i64::MIN,
            level: vec![1.0; served.len()],
            cumulated: Vec::new(),
            begins,
        }
    }

    /// Sets the rates of the period that begins at `time`. `shape` gives what
    /// overlays do to a country: a factor, and a shift of its clock.
    pub(super) fn set_rates(&mut self, world: &World, time: i64, shape: impl Fn(usize) -> (f64, i64)) {
        let rng = &mut self.rng;
        if time.div_euclid(DAY) != self.day {
            self.day = time.div_euclid(DAY);
            for level in &mut self.level {
                *level = log_normal(rng, 1.0, 0.12);
            }
        }
        let rates = self.served.iter().enumerate().map(|(i, &(country, rate))| {
            let facts = world.countries[country].facts;
            let (factor, shift) = shape(country);
            let local = time + i64::from(facts.offset_min) * MINUTE + shift;
            let noise = match world.kind {
                WorldKind::A => gamma(rng, 5.0),
                WorldKind::B => {
                    // Calm, usual, busy: a few hours each.
                    let u = uniform(rng);
                    self.busy[i] = match (self.busy[i], u) {
                        (0, u) if u < 0.12 => 1,
                        (1, u) if u < 0.05 => 0,
                        (1, u) if u > 0.97 => 2,
                        (2, u) if u < 0.2 => 1,
                        (state, _) => state,
                    };
                    [0.6, 1.0, 1.9][usize::from(self.busy[i])]
                }
            };
            rate * factor * self.level[i] * noise * busyness(world.kind, self.kind, facts.friday, local)
        });
        self.cumulated = cumulate(rates.collect::<Vec<_>>());
    }

    /// How many attempts begin in `width` milliseconds from `time`.
    pub(super) fn count(&mut self, time: i64, width: i64) -> u64 {
        if time < self.begins {
            return 0;
        }
        let rate = self.cumulated.last().copied().unwrap_or(0.0);
        poisson(&mut self.rng, rate * width as f64)
    }

    /// Where one of them goes.
    pub(super) fn draw_country(&mut self) -> usize {
        let u = uniform(&mut self.rng);
        self.served[pick(&self.cumulated, u)].0
    }
}

/// How many users a tenant has, by country.
#[derive(Clone, Debug)]
pub(super) struct Users {
    counts: Vec<u64>,
    /// Share of sign-up attempts that are somebody new.
    new_share: f64,
}

impl Users {
    pub(super) fn new(world: &World, place: usize, tenant: &TenantSpec, served: &[(usize, f64)]) -> Self {
        let mut counts = vec![0; world.countries.len()];
        for &(country, share) in served {
            counts[country] = (tenant.users as f64 * share) as u64;
        }
        let u = unit(hash(&[world.seed, 52, place as u64]));
        let new_share = match world.kind {
            WorldKind::A => 0.4 + 0.2 * u,
            WorldKind::B => 0.3 + 0.3 * u,
        };
        Self { counts, new_share }
    }

    /// Who asks: for a sign-up often somebody new, otherwise mostly the regulars.
    pub(super) fn somebody(
        &mut self,
        world: &World,
        tenant: usize,
        kind: AppKind,
        country: usize,
        rng: &mut Rng,
    ) -> Person {
        let count = &mut self.counts[country];
        let new_share = match kind {
            AppKind::Signup | AppKind::Link => self.new_share,
            AppKind::Marketing => 0.0,
            // People who were invited, imported or came by other ways.
            AppKind::Login | AppKind::Reset => 0.03,
        };
        let place = if *count == 0 || chance(rng, new_share) {
            *count += 1;
            *count - 1
        } else {
            let draw = rand::Rng::next_u64(rng);
            let below = |share: u64| index(draw, (*count / share + 1).min(*count) as usize) as u64;
            match kind {
                // Who signs up once more did so in the last days.
                AppKind::Signup | AppKind::Link if chance(rng, 0.85) => *count - 1 - below(60),
                // A thirtieth of the users make two thirds of the traffic.
                AppKind::Login | AppKind::Reset if chance(rng, 0.65) => below(30),
                _ => below(1),
            }
        };
        person(world, tenant, country, place)
    }
}

/// Share of attempts that are verified, by country and what the app does.
pub(super) fn conversion(world: &World, kind: AppKind, country: usize) -> f64 {
    let base = world.countries[country].conversion;
    let shift = match kind {
        AppKind::Login => 0.02,
        AppKind::Reset => -0.03,
        AppKind::Signup | AppKind::Marketing | AppKind::Link => -0.01,
    };
    (base + shift).clamp(0.5, 0.85)
}
