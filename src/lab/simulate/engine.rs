//! The clockwork: what is due when. Sends are drawn slot by slot, everything
//! that follows from them waits in a heap; what comes out is in order of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::attack::Campaign as Attack;
use super::draw::between;
use super::honest::{PERIOD_MS, Stream, Users, conversion, served};
use super::innocent::{self, Oddity, Twist, Way};
use super::overlay::OverlayKind;
use super::pending::{Blocks, Shelf};
use super::people::{Habits, client};
use super::scenario::Scenario;
use super::talk::{Chances, Names, Talk, honest_plan, lag_ms};
use super::world::World;
use super::{Campaign, Label, SimEvent};
use crate::model::{Client, Destination, Event, EventBody, Micros, Millis, Outcome, Prefix, SECOND};

/// Sends are drawn for so long at a time: short, so that a block acts at once.
const SLOT_MS: i64 = 10 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Honest { stream: u16, country: u16 },
    Odd { oddity: u16 },
    Attack { campaign: u16 },
    Resend { talk: u32 },
    Emit { event: u32 },
}

/// In order of time, then of creation.
type Due = Reverse<(i64, u64, What)>;

#[derive(Clone, Debug, Default)]
struct Tally {
    messages: u64,
    blocked: u64,
    cost: Micros,
    first: Option<Millis>,
    last: Option<Millis>,
}

/// The world as it runs: an iterator over its events in order of arrival.
#[derive(Clone, Debug)]
pub struct Simulator {
    world: World,
    scenario: Scenario,
    habits: Vec<Habits>,
    names: Vec<Vec<Names>>,
    streams: Vec<Stream>,
    users: Vec<Users>,
    attacks: Vec<Attack>,
    oddities: Vec<Oddity>,
    /// Oddities that twist attempts in this slot, by place.
    twisting: Vec<usize>,
    blocks: Vec<Blocks>,
    tallies: Vec<Tally>,
    due: BinaryHeap<Due>,
    talks: Shelf<Talk>,
    events: Shelf<SimEvent>,
    sequence: u64,
    slot: i64,
    period: i64,
    end: i64,
    start: Millis,
    scratch: Vec<i64>,
}

impl Simulator {
    /// The world of `scenario` and `seed`, at the scenario's own start.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        Self::starting_at(scenario, seed, scenario.world.start)
    }

    /// The same with scenario time 0 at `start`. Warm-up traffic comes before.
    pub fn starting_at(scenario: &Scenario, seed: u64, start: Millis) -> Self {
        let spec = &scenario.world;
        let world = World::new(spec.kind, seed);
        let habits: Vec<Habits> = (0..spec.tenants.len())
            .map(|t| Habits::of(spec.kind, seed, t))
            .collect();
        let begin = start.0 - spec.warm_up_ms;
        let mut streams = Vec::new();
        let mut users = Vec::new();
        let mut names = Vec::new();
        let mut markets = Vec::new();
        for (place, tenant) in spec.tenants.iter().enumerate() {
            let market = served(&world, place, tenant);
            let begins = tenant.joins_ms.map_or(begin, |after| start.0 + after);
            for app in 0..tenant.apps.len() {
                streams.push(Stream::new(&world, (place, tenant), app, &market, begins));
            }
            users.push(Users::new(&world, place, tenant, &market));
            names.push(names_of(tenant, habits[place], place));
            markets.push(market);
        }
        let mut attacks = Vec::new();
        let mut oddities = Vec::new();
        for (i, overlay) in scenario.overlays.iter().enumerate() {
            let market = &markets[overlay.tenant];
            match &overlay.kind {
                OverlayKind::Attack(attack) => {
                    attacks.push(Attack::new(&world, (i, overlay), attack, market, start.0));
                }
                OverlayKind::Innocent(kind, odd) => {
                    let tenant = &spec.tenants[overlay.tenant];
                    oddities.push(Oddity::new(&world, (i, overlay), (*kind, odd), tenant, market, start.0));
                }
            }
        }
        Self {
            world,
            habits,
            names,
            streams,
            users,
            attacks,
            oddities,
            twisting: Vec::new(),
            blocks: vec![Blocks::default(); spec.tenants.len()],
            tallies: vec![Tally::default(); scenario.overlays.len()],
            due: BinaryHeap::new(),
            talks: Shelf::new(),
            events: Shelf::new(),
            sequence: 0,
            slot: begin,
            period: i64::MIN,
            end: start.0 + spec.duration_ms,
            start,
            scratch: Vec::new(),
            scenario: scenario.clone(),
        }
    }

    /// Where scenario time 0 lies: earlier events are the warm-up.
    pub fn live_start(&self) -> Millis {
        self.start
    }

    /// The label of an event, as the scenario calls it.
    pub fn label_name(&self, label: Label) -> &str {
        &self.scenario.overlays[usize::from(label.overlay)].id
    }

    /// How many things are pending: what bounds the memory.
    pub fn pending(&self) -> usize {
        self.due.len()
    }

    /// Tells the world that a block stands (closed loop): sends into it are
    /// reported as blocked from now on, until `expires_at` or until it is taken
    /// back; attackers react when they see it. `app` of `None` stands for all
    /// apps. An unknown tenant or app is passed over.
    pub fn on_block(&mut self, tenant: &str, app: Option<&str>, prefix: Prefix, expires_at: Millis) {
        let Some((tenant, app)) = self.whom(tenant, app) else {
            return;
        };
        self.blocks[tenant].insert(prefix, app, (expires_at.0, 0.0));
    }

    /// The same for a block that lets a share of the sends through, from 0 to 1.
    pub fn on_sample(&mut self, tenant: &str, app: Option<&str>, prefix: Prefix, expires_at: Millis, allow_ratio: f64) {
        if let Some((tenant, app)) = self.whom(tenant, app) {
            self.blocks[tenant].insert(prefix, app, (expires_at.0, allow_ratio));
        }
    }

    /// Tells the world that a block was taken back.
    pub fn on_unblock(&mut self, tenant: &str, app: Option<&str>, prefix: Prefix) {
        if let Some((tenant, app)) = self.whom(tenant, app) {
            self.blocks[tenant].remove(prefix, app);
        }
    }

    fn whom(&self, tenant: &str, app: Option<&str>) -> Option<(usize, Option<usize>)> {
        let tenants = &self.scenario.world.tenants;
        let place = tenants.iter().position(|t| t.name == tenant)?;
        let app = match app {
            None => None,
            Some(name) => Some(tenants[place].apps.iter().position(|a| a.name == name)?),
        };
        Some((place, app))
    }

    /// What each overlay did so far; complete when the iterator has ended.
    pub fn labels(&self) -> Vec<Campaign> {
        let overlays = self.scenario.overlays.iter().zip(&self.tallies).enumerate();
        overlays
            .map(|(i, (overlay, tally))| {
                let tenant = &self.scenario.world.tenants[overlay.tenant];
                let attack = self.attacks.iter().find(|attack| attack.overlay == i);
                Campaign {
                    id: overlay.id.clone(),
                    kind: overlay.kind_name,
                    attack: overlay.is_attack(),
                    tenant: tenant.name.clone(),
                    app: overlay.app.map(|app| tenant.apps[app].name.clone()),
                    ranges: attack.map_or_else(Vec::new, |a| a.used.iter().map(ToString::to_string).collect()),
                    start: self.start + overlay.start_ms,
                    end: self.start + overlay.start_ms + overlay.duration_ms,
                    first_message: tally.first,
                    last_message: tally.last,
                    messages: tally.messages,
                    blocked: tally.blocked,
                    cost_micros: tally.cost,
                }
            })
            .collect()
    }

    fn push(&mut self, time: i64, what: What) {
        self.sequence += 1;
        self.due.push(Reverse((time, self.sequence, what)));
    }

    /// Puts a record on its way; oddities may hold it up, lose or double it.
    fn dispatch(&mut self, talk: &Talk, ingest: i64, event: Event, of: u64) {
        let verification = matches!(event.body, EventBody::Verification(_));
        let mut label = talk.label;
        let mut arrival = ingest;
        for oddity in &self.oddities {
            let way = oddity.way(talk.tenant, talk.app, verification, event.time.0, arrival, of);
            if way != Way::Usual {
                label = label.or(Some(oddity.label()));
            }
            match way {
                Way::Usual => {}
                Way::Lost => return,
                Way::At(at) => arrival = at,
                Way::Twice(again) => {
                    let copy = event.clone();
                    self.emit(again, copy, label, talk.price);
                    break;
                }
            }
        }
        self.emit(arrival, event, label, talk.price);
    }

    fn emit(&mut self, ingest: i64, event: Event, label: Option<Label>, price: Micros) {
        let event = self.events.put(SimEvent {
            ingest: Millis(ingest),
            event,
            label,
            price,
        });
        self.push(ingest, What::Emit { event });
    }

    /// Draws what begins in the next slot.
    fn fill_slot(&mut self) {
        let from = self.slot;
        let width = SLOT_MS.min(self.end - from);
        self.slot = from + width;
        let period = from.div_euclid(PERIOD_MS);
        for place in 0..self.streams.len() {
            if period != self.period {
                let stream = &mut self.streams[place];
                let (tenant, app) = (stream.tenant, stream.app);
                let oddities = &self.oddities;
                stream.set_rates(&self.world, from, |country| {
                    let shapes = oddities.iter().map(|o| o.shape(tenant, app, country, from));
                    shapes.fold((1.0, 0), |all, one| (all.0 * one.0, all.1 + one.1))
                });
            }
            for _ in 0..self.streams[place].count(from, width) {
                let stream = &mut self.streams[place];
                let country = stream.draw_country() as u16;
                let time = between(&mut stream.rng, from, from + width - 1);
                let stream = place as u16;
                self.push(time, What::Honest { stream, country });
            }
        }
        self.period = period;
        self.twisting.clear();
        for place in 0..self.oddities.len() {
            let oddity = &mut self.oddities[place];
            if !oddity.adds() && oddity.is_active(from, from + width) {
                self.twisting.push(place);
            }
            for _ in 0..oddity.count(from, width) {
                let time = self.oddities[place].moment(from, width);
                let oddity = place as u16;
                self.push(time, What::Odd { oddity });
            }
        }
        let mut times = std::mem::take(&mut self.scratch);
        for place in 0..self.attacks.len() {
            self.attacks[place].schedule(from, width, &mut times);
            for time in times.drain(..) {
                let campaign = place as u16;
                self.push(time, What::Attack { campaign });
            }
        }
        self.scratch = times;
    }

    fn twist(&self, tenant: usize, app: usize, country: usize, time: i64) -> Twist {
        let mut twist = Twist::default();
        for &place in &self.twisting {
            self.oddities[place].twist(&mut twist, tenant, app, country, time);
        }
        twist
    }

    fn honest(&mut self, stream: usize, country: usize, time: i64) {
        let twist = self.twist(self.streams[stream].tenant, self.streams[stream].app, country, time);
        let world = &self.world;
        let stream = &mut self.streams[stream];
        let (tenant, kind) = (stream.tenant, stream.kind);
        let rng = &mut stream.rng;
        let habits = &self.habits[tenant];
        let person = self.users[tenant].somebody(world, tenant, kind, country, rng);
        let home = &world.countries[country];
        let chances = Chances {
            verified: innocent::dipped(conversion(world, kind, country), &twist),
            failure: home.failure,
            verifies: kind.verifies(),
            outage: twist.outage,
            pace: stream.pace,
        };
        let plan = honest_plan(world.kind, habits, rng, chances);
        let client = if kind.is_asked() {
            client(
                world,
                habits,
                rng,
                country,
                &person,
                time,
                innocent::updated(&twist, person.who),
            )
        } else {
            Client::default()
        };
        let mut talk = Talk {
            tenant,
            app: stream.app,
            country,
            operator: person.operator,
            number: person.number,
            to: Destination::Number(person.number),
            client,
            session: rand::Rng::next_u64(rng),
            price: Micros((home.facts.price * 1e6).round() as i64),
            label: None,
            begun: time,
            next_round: 0,
            plan,
        };
        innocent::record(&twist, &mut talk, person.who);
        self.round(talk, time);
    }

    /// Sends the next message of an attempt and arranges what follows from it.
    fn round(&mut self, mut talk: Talk, time: i64) {
        let place = talk.next_round;
        let blocked = self.blocks[talk.tenant].stops(&talk, time);
        let names = &self.names[talk.tenant][talk.app];
        let lag = |tag: u64| lag_ms(talk.session.rotate_left(7) ^ (tag + 16 * place as u64));
        let round = *talk.plan.round(place);
        let send = talk.send(names, place, time, blocked);
        let mut follow: [Option<(i64, Event)>; 4] = [const { None }; 4];
        if !blocked {
            if let Some((delay, status, code)) = round.receipt {
                let at = time + delay;
                let home = &self.world.countries[talk.country];
                let event = talk.delivery(names, home, place, at, (status, code));
                follow[0] = Some((at + lag(1), event));
            }
            if talk.plan.is_last(place) {
                for (i, wrong) in talk.plan.wrong.iter().enumerate() {
                    if let Some(delay) = wrong {
                        let event = talk.verification(names, i as u64, time + delay, Outcome::Failed);
                        follow[1 + i] = Some((time + delay + lag(2), event));
                    }
                }
                if let Some((delay, outcome)) = talk.plan.end {
                    let event = talk.verification(names, 9, time + delay, outcome);
                    follow[3] = Some((time + delay + lag(3), event));
                }
            }
        }
        let send_lag = lag(0);
        self.tally(&talk, time, blocked);
        let of = talk.session ^ place as u64;
        self.dispatch(&talk, time + send_lag, send, of);
        for (i, followed) in follow.into_iter().enumerate() {
            if let Some((ingest, event)) = followed {
                self.dispatch(&talk, ingest, event, of ^ ((i as u64 + 1) << 32));
            }
        }
        if !talk.plan.is_last(place) {
            talk.next_round += 1;
            let at = talk.begun + talk.plan.round(talk.next_round).offset_ms;
            let talk = self.talks.put(talk);
            self.push(at, What::Resend { talk });
        }
    }

    fn tally(&mut self, talk: &Talk, time: i64, blocked: bool) {
        let Some(label) = talk.label else { return };
        let tally = &mut self.tallies[usize::from(label.overlay)];
        if blocked {
            tally.blocked += 1;
        } else {
            tally.messages += 1;
            tally.cost.0 += talk.price.0;
        }
        tally.first.get_or_insert(Millis(time));
        tally.last = Some(Millis(time));
    }

    fn act(&mut self, time: i64, what: What) -> Option<SimEvent> {
        match what {
            What::Emit { event } => return self.events.take(event),
            What::Honest { stream, country } => self.honest(usize::from(stream), usize::from(country), time),
            What::Attack { campaign } => {
                let attack = &mut self.attacks[usize::from(campaign)];
                let habits = &self.habits[attack.tenant];
                if let Some(mut talk) = attack.next(&self.world, habits, time) {
                    let blocked = self.blocks[talk.tenant].stops(&talk, time);
                    attack.on_result(talk.number, blocked, time);
                    let twist = self.twist(talk.tenant, talk.app, talk.country, time);
                    let of = talk.session;
                    innocent::record(&twist, &mut talk, of);
                    self.round(talk, time);
                }
            }
            What::Odd { oddity: place } => {
                let oddity = &mut self.oddities[usize::from(place)];
                let tenant = oddity.tenant;
                let (app, country) = oddity.next_place();
                let twist = self.twist(tenant, app, country, time);
                let whose = (&self.world, &self.habits[tenant], &mut self.users[tenant]);
                let mut talk = self.oddities[usize::from(place)].next(whose, country, time, &twist);
                let of = talk.session;
                innocent::record(&twist, &mut talk, of);
                self.round(talk, time);
            }
            What::Resend { talk } => {
                if let Some(talk) = self.talks.take(talk) {
                    self.round(talk, time);
                }
            }
        }
        None
    }
}

impl Iterator for Simulator {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        loop {
            let next = self.due.peek().map(|due| due.0.0);
            if self.slot < self.end && next.is_none_or(|time| time >= self.slot) {
                self.fill_slot();
                continue;
            }
            let Reverse((time, _, what)) = self.due.pop()?;
            if let Some(event) = self.act(time, what) {
                return Some(event);
            }
        }
    }
}

fn names_of(tenant: &super::TenantSpec, habits: Habits, place: usize) -> Vec<Names> {
    const PROVIDERS: [&str; 4] = ["twilio", "vonage", "sinch", "infobip"];
    let sender: String = tenant
        .name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(11)
        .collect();
    tenant
        .apps
        .iter()
        .map(|app| Names {
            tenant: tenant.name.as_str().into(),
            app: app.name.as_str().into(),
            sender: sender.to_ascii_uppercase().into(),
            provider: PROVIDERS[place % PROVIDERS.len()].into(),
            habits,
        })
        .collect()
}
