//! Innocent oddities under way: those that add traffic of their own, and those
//! that twist what is there.

use super::Label;
use super::draw::{Rng, hash, index, mix, poisson, stream, uniform, unit};
use super::honest::{Users, conversion};
use super::overlay::{InnocentKind, InnocentSpec, OverlaySpec};
use super::pace::Pace;
use super::people::{Habits, Person, Release, client, device_name, hex_id, person};
use super::scenario::{AppKind, TenantSpec};
use super::talk::{Chances, Talk, honest_plan};
use super::world::{World, number};
use crate::model::{Client, DAY, Destination, HOUR, MINUTE, Micros};
use compact_str::CompactString;
use rand::Rng as _;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What oddities do to an attempt that is there anyway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twist {
    pub outage: f64,
    pub conversion: f64,
    pub price: f64,
    pub masked: bool,
    pub client_lost: f64,
    pub release: Option<(f64, Release)>,
    pub label: Option<Label>,
}

impl Default for Twist {
    fn default() -> Self {
        Self {
            outage: 0.0,
            conversion: 1.0,
            price: 1.0,
            masked: false,
            client_lost: 0.0,
            release: None,
            label: None,
        }
    }
}

/// What an oddity does to the way of a record into its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Usual,
    Lost,
    /// Arrives then instead.
    At(i64),
    /// Arrives as usual and once more then.
    Twice(i64),
}

/// One oddity.
#[derive(Clone, Debug)]
pub(super) struct Oddity {
    pub overlay: usize,
    pub kind: InnocentKind,
    pub tenant: usize,
    app: Option<usize>,
    pub start: i64,
    pub end: i64,
    spec: InnocentSpec,
    rng: Rng,
    served: Vec<(usize, f64)>,
    drawn: u64,
    /// Who is still to be sent to, the last one first, by country.
    lists: BTreeMap<usize, Vec<Person>>,
    /// The app that added traffic goes through.
    door: (usize, AppKind),
    /// How long that app's people take.
    pace: Option<Pace>,
}

impl Oddity {
    pub(super) fn new(
        world: &World,
        (overlay, of): (usize, &OverlaySpec),
        (kind, spec): (InnocentKind, &InnocentSpec),
        tenant: &TenantSpec,
        served: &[(usize, f64)],
        start: i64,
    ) -> Self {
        let wanted = match kind {
            InnocentKind::MarketingBlast => AppKind::Marketing,
            InnocentKind::UserImport => AppKind::Login,
            _ => AppKind::Signup,
        };
        let door = of
            .app
            .or_else(|| tenant.apps.iter().position(|app| app.kind == wanted))
            .unwrap_or(0);
        let mut spec = spec.clone();
        if spec.country.is_none() {
            spec.country = match kind {
                // A country where nobody was before.
                InnocentKind::Launch => (0..world.countries.len()).find(|c| served.iter().all(|s| s.0 != *c)),
                InnocentKind::CarrierOutage => served.get(1).or(served.first()).map(|s| s.0),
                InnocentKind::Enrolment | InnocentKind::EventWifi | InnocentKind::TvSpikes => Some(served[0].0),
                InnocentKind::NewRange => served
                    .iter()
                    .map(|s| s.0)
                    .find(|&c| !world.countries[c].void.is_empty()),
                _ => None,
            };
        }
        Self {
            overlay,
            kind,
            tenant: of.tenant,
            app: of.app,
            start: start + of.start_ms,
            end: start + of.start_ms + of.duration_ms,
            spec,
            rng: stream(world.seed, &[81, overlay as u64]),
            served: served.to_vec(),
            drawn: 0,
            lists: BTreeMap::new(),
            door: (door, tenant.apps[door].kind),
            pace: tenant.apps[door].pace,
        }
    }

    pub(super) fn label(&self) -> Label {
        Label {
            overlay: self.overlay as u16,
            attack: false,
        }
    }

    /// Whether it adds traffic of its own.
    pub(super) fn adds(&self) -> bool {
        matches!(
            self.kind,
            InnocentKind::Launch
                | InnocentKind::MarketingBlast
                | InnocentKind::Enrolment
                | InnocentKind::LoadTest
                | InnocentKind::NewRange
                | InnocentKind::EventWifi
                | InnocentKind::UserImport
                | InnocentKind::TvSpikes
        )
    }

    pub(super) fn is_active(&self, from: i64, until: i64) -> bool {
        self.start < until && from < self.end
    }

    fn is_about(&self, tenant: usize, app: usize, time: i64) -> bool {
        self.tenant == tenant && self.app.is_none_or(|own| own == app) && (self.start..self.end).contains(&time)
    }

    /// What it does to the rate in a country at `time`: a factor, a shifted clock.
    pub(super) fn shape(&self, tenant: usize, app: usize, country: usize, time: i64) -> (f64, i64) {
        let here = self.spec.country.is_none_or(|own| own == country);
        if !here || !self.is_about(tenant, app, time) {
            return (1.0, 0);
        }
        match self.kind {
            InnocentKind::Holiday => (self.spec.factor, 0),
            InnocentKind::ClockShift => (1.0, self.spec.delay_ms),
            _ => (1.0, 0),
        }
    }

    /// Adds what it does to an attempt.
    pub(super) fn twist(&self, into: &mut Twist, tenant: usize, app: usize, country: usize, time: i64) {
        let here = self.spec.country.is_none_or(|own| own == country);
        if !here || !self.is_about(tenant, app, time) {
            return;
        }
        match self.kind {
            InnocentKind::CarrierOutage => into.outage = into.outage.max(self.spec.share),
            InnocentKind::ConversionDip => into.conversion *= self.spec.factor,
            InnocentKind::PriceChange => into.price *= self.spec.factor,
            InnocentKind::Masked => into.masked = true,
            InnocentKind::ClientFieldsLost => into.client_lost = self.spec.share,
            InnocentKind::AppRelease => {
                // People update within a day.
                let part = ((time - self.start) as f64 / DAY as f64).min(1.0);
                into.release = Some((self.spec.share * part, Release(1 + self.overlay as u64)));
            }
            _ => return,
        }
        into.label = Some(self.label());
    }

    /// What it does to a record that happened at `time` and would arrive at
    /// `ingest`; `of` is any hash of it.
    pub(super) fn way(&self, tenant: usize, app: usize, verification: bool, time: i64, ingest: i64, of: u64) -> Way {
        let concerned = match self.kind {
            InnocentKind::FeedDead | InnocentKind::FeedLate | InnocentKind::FeedStall => verification,
            InnocentKind::Disorder => true,
            _ => false,
        };
        if !concerned || !self.is_about(tenant, app, time) {
            return Way::Usual;
        }
        let u = unit(mix(of ^ self.overlay as u64));
        match self.kind {
            InnocentKind::FeedDead => Way::Lost,
            InnocentKind::FeedLate => Way::At(ingest + (self.spec.delay_ms as f64 * (0.7 + 0.6 * u)) as i64),
            // All that was held back comes in order, twenty times as fast.
            InnocentKind::FeedStall => Way::At(ingest.max(self.end + (time - self.start) / 20)),
            _ if u < self.spec.share / 3.0 => Way::Twice(ingest + (self.spec.delay_ms as f64 * unit(mix(of))) as i64),
            _ if u < self.spec.share => Way::At(ingest + (self.spec.delay_ms as f64 * unit(mix(of))) as i64),
            _ => Way::Usual,
        }
    }

    /// How many messages it adds in `width` milliseconds from `from`.
    pub(super) fn count(&mut self, from: i64, width: i64) -> u64 {
        if !self.adds() || !self.is_active(from, from + width) || from < self.start {
            return 0;
        }
        let age = from - self.start;
        let profile = match self.kind {
            // Up within half an hour, then slowly down.
            InnocentKind::Launch => {
                let hours = age as f64 / HOUR as f64;
                (2.0 * hours).min(1.0) * libm::exp(-hours / 4.0)
            }
            // A spot every half hour or so, gone after three minutes.
            InnocentKind::TvSpikes => {
                let every = 34 * MINUTE;
                let since = age % every - (mix((age / every) as u64) % 600_000) as i64;
                if since < 0 {
                    0.0
                } else {
                    libm::exp(-since as f64 / 60_000.0)
                }
            }
            _ => 1.0,
        };
        poisson(&mut self.rng, self.spec.rate / 1_000.0 * profile * width as f64)
    }

    /// A moment in a slot.
    pub(super) fn moment(&mut self, from: i64, width: i64) -> i64 {
        from + (uniform(&mut self.rng) * width as f64) as i64
    }

    /// App and country of the next attempt that it adds.
    pub(super) fn next_place(&mut self) -> (usize, usize) {
        let country = self.spec.country.unwrap_or_else(|| self.draw_country());
        (self.door.0, country)
    }

    /// The next attempt that it adds, to a [`Oddity::next_place`]; `twist` is what
    /// other oddities do to it.
    pub(super) fn next(
        &mut self,
        (world, habits, users): (&World, &Habits, &mut Users),
        country: usize,
        time: i64,
        twist: &Twist,
    ) -> Talk {
        self.drawn += 1;
        let (app, kind) = self.door;
        let home = &world.countries[country];
        // Beyond all places of the ordinary users: nobody has seen them.
        let place = (1 << 40) + ((self.overlay as u64) << 32) + self.drawn;
        let somebody = match self.kind {
            InnocentKind::MarketingBlast => self.addressee(world, users, country),
            _ => person(world, self.tenant, country, place),
        };
        let somebody = self.renumber(world, country, somebody);
        let mut chances = Chances {
            verified: conversion(world, kind, country),
            failure: home.failure,
            verifies: kind.verifies(),
            outage: 0.0,
            pace: self.pace,
        };
        match self.kind {
            InnocentKind::Enrolment => chances.verified = 0.94,
            InnocentKind::LoadTest => {
                chances.verified = 0.0;
                chances.failure = 0.9;
            }
            _ => {}
        }
        chances.verified = dipped(chances.verified, twist);
        chances.outage = twist.outage;
        let plan = honest_plan(world.kind, habits, &mut self.rng, chances);
        let release = updated(twist, somebody.who);
        let when = (time, release);
        let client = self.request(world, habits, country, &somebody, when, kind.is_asked());
        Talk {
            tenant: self.tenant,
            app,
            country,
            operator: somebody.operator,
            number: somebody.number,
            to: Destination::Number(somebody.number),
            client,
            session: self.rng.next_u64(),
            price: Micros((home.facts.price * 1e6).round() as i64),
            label: Some(self.label()),
            begun: time,
            next_round: 0,
            plan,
        }
    }

    /// Whom a blast is sent to next; from a sorted list in the order of numbers.
    fn addressee(&mut self, world: &World, users: &mut Users, country: usize) -> Person {
        let (tenant, rng) = (self.tenant, &mut self.rng);
        if !self.spec.sorted {
            return users.somebody(world, tenant, AppKind::Marketing, country, rng);
        }
        let share = match self.spec.country {
            Some(_) => 1.0,
            None => self.served.iter().find(|s| s.0 == country).map_or(0.0, |s| s.1),
        };
        let length = self.spec.rate * share * (self.end - self.start) as f64 / 1_000.0;
        let list = self.lists.entry(country).or_insert_with(|| {
            let all = (0..=length as u64).map(|_| users.somebody(world, tenant, AppKind::Marketing, country, rng));
            let mut list: Vec<Person> = all.collect();
            list.sort_by_key(|person| Reverse(person.number));
            list
        });
        list.pop()
            .unwrap_or_else(|| users.somebody(world, tenant, AppKind::Marketing, country, rng))
    }

    fn draw_country(&mut self) -> usize {
        if self.kind == InnocentKind::LoadTest {
            return self.served[0].0;
        }
        let mut u = uniform(&mut self.rng);
        let chosen = self.served.iter().find(|(_, share)| {
            u -= share;
            u < 0.0
        });
        chosen.unwrap_or(&self.served[0]).0
    }

    /// Numbers of a particular kind, where the oddity is about them.
    fn renumber(&mut self, world: &World, country: usize, mut somebody: Person) -> Person {
        let home = &world.countries[country];
        let own = hash(&[world.seed, 82, self.overlay as u64]);
        match self.kind {
            InnocentKind::Enrolment => {
                // The company's own thousand numbers.
                let range = home.ranges[index(own, home.ranges.len())];
                let block = range.base + mix(own) % 10u64.pow(range.free - 3) * 1_000;
                somebody.number = number(block + (self.drawn + mix(self.drawn) % 3) % 1_000);
            }
            InnocentKind::LoadTest => {
                // Set aside for fiction: +1 NXX 555 01XX and +44 7700 900XXX.
                somebody.number = if self.drawn.is_multiple_of(2) {
                    number(12_125_550_100 + mix(self.drawn) % 100)
                } else {
                    number(447_700_900_000 + mix(self.drawn) % 1_000)
                };
            }
            InnocentKind::NewRange => {
                // The widest holes of the plan: a new operator gets a large one.
                let widest = home.void.iter().map(|hole| hole.free).max().unwrap_or(0);
                let holes: Vec<_> = home.void.iter().filter(|hole| hole.free == widest).collect();
                if !holes.is_empty() {
                    let hole = holes[index(own, holes.len())];
                    somebody.number = number(hole.base + mix(somebody.who) % 10u64.pow(hole.free));
                }
            }
            _ => {}
        }
        somebody
    }

    fn request(
        &mut self,
        world: &World,
        habits: &Habits,
        country: usize,
        somebody: &Person,
        (time, release): (i64, Option<Release>),
        asked: bool,
    ) -> Client {
        if !asked {
            return Client::default();
        }
        let mut shown = client(world, habits, &mut self.rng, country, somebody, time, release);
        let own = hash(&[world.seed, 83, self.overlay as u64]);
        let home = &world.countries[country];
        let network = match self.kind {
            InnocentKind::Enrolment | InnocentKind::EventWifi => &home.fixed[index(own, home.fixed.len())],
            InnocentKind::LoadTest => &world.hosting[index(own, world.hosting.len())],
            _ => return shown,
        };
        if shown.ip.is_some() {
            shown.ip = Some(network.v4((own % 256) as u32, 7 + (own % 200) as u32).into());
            if habits.geography {
                shown.asn = Some(network.asn);
                shown.country = Some(network.region);
            }
        }
        if self.kind == InnocentKind::LoadTest && habits.device > 0.0 {
            shown.device = Some(device_name(own));
            shown.user_agent = Some(CompactString::const_new("k6/0.54.0"));
        }
        shown
    }
}

/// Applies to an attempt what stands in its records, whoever it is.
pub(super) fn record(twist: &Twist, talk: &mut Talk, rng_free: u64) {
    talk.price = Micros((talk.price.0 as f64 * twist.price).round() as i64);
    if twist.client_lost > 0.0 && unit(mix(rng_free)) < twist.client_lost {
        talk.client = Client::default();
    }
    if twist.masked {
        talk.to = Destination::Masked {
            prefix: talk.number.prefix(talk.number.len() - 4),
            token: hex_id("k1:", hash(&[talk.number.digits()]), 16),
        };
    }
    talk.label = talk.label.or(twist.label);
}

/// Whether somebody has updated to the release by now.
pub(super) fn updated(twist: &Twist, who: u64) -> Option<Release> {
    let (share, release) = twist.release?;
    (unit(hash(&[who, release.0])) < share).then_some(release)
}

/// So that a dip never lifts a share above one.
pub(super) fn dipped(verified: f64, twist: &Twist) -> f64 {
    (verified * twist.conversion).clamp(0.0, 0.99)
}
