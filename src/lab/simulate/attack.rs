//! A campaign under way: its ranges, its addresses, its pace, and how it reacts
//! when it is blocked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Label;
use super::draw::{Rng, between, chance, hash, index, log_normal, mix, poisson, stream, uniform};
use super::honest::busyness;
use super::overlay::{
    Agents, AttackSpec, Devices, FakeLatency, Numbers, OverlaySpec, Reaction, Source, Target, Timing,
};
use super::people::{Habits, device_name, user_agent};
use super::ranges::Range;
use super::scenario::AppKind;
use super::talk::{Plan, Talk};
use super::world::{World, number};
use crate::model::{Client, DeliveryStatus, Destination, E164, E164_DIGITS_MAX, MINUTE, Micros, Outcome, Prefix};
use compact_str::CompactString;
use rand::Rng as _;

/// A block of numbers under attack.
#[derive(Clone, Copy, Debug)]
struct Block {
    country: usize,
    operator: usize,
    base: u64,
    free: u32,
    cursor: u64,
    /// Share of its latest messages that were blocked, as the attacker sees it.
    refused: f64,
    /// When it is given up for another one.
    leaves_at: Option<i64>,
}

impl Block {
    fn prefix(&self) -> Option<Prefix> {
        Prefix::from_digits(self.base / 10u64.pow(self.free))
    }
}

/// One attack as it goes on.
#[derive(Clone, Debug)]
pub(super) struct Campaign {
    pub overlay: usize,
    pub tenant: usize,
    pub app: usize,
    pub start: i64,
    pub end: i64,
    spec: AttackSpec,
    rng: Rng,
    served: Vec<usize>,
    home_offset_ms: i64,
    blocks: Vec<Block>,
    countries: Vec<usize>,
    /// Every prefix it ever used.
    pub used: BTreeSet<Prefix>,
    hops_left: u32,
    next_hop: Option<i64>,
    rate: f64,
    converted: f64,
    drawn: u64,
    even_next: f64,
    over: bool,
}

impl Campaign {
    pub(super) fn new(
        world: &World,
        (overlay, of): (usize, &OverlaySpec),
        spec: &AttackSpec,
        served: &[(usize, f64)],
        start: i64,
    ) -> Self {
        let home = world.countries[served[0].0].facts;
        let begin = start + of.start_ms;
        let mut campaign = Self {
            overlay,
            tenant: of.tenant,
            app: of.app.unwrap_or(0),
            start: begin,
            end: begin + of.duration_ms,
            spec: spec.clone(),
            rng: stream(world.seed, &[71, overlay as u64]),
            served: served.iter().map(|s| s.0).collect(),
            home_offset_ms: i64::from(home.offset_min) * MINUTE,
            blocks: Vec::new(),
            countries: Vec::new(),
            used: BTreeSet::new(),
            hops_left: spec.hops,
            next_hop: (spec.hop_every_ms > 0).then_some(begin + spec.hop_every_ms),
            rate: spec.rate,
            converted: spec.converted_share,
            drawn: 0,
            even_next: begin as f64,
            over: false,
        };
        campaign.choose_countries(world);
        campaign.choose_blocks(world);
        campaign
    }

    fn choose_countries(&mut self, world: &World) {
        let mut candidates: Vec<usize> = match self.spec.target {
            Target::Country(country) => vec![country],
            Target::Busy => self.served.iter().copied().take(3.max(self.spec.countries)).collect(),
            Target::Rare => {
                let from = self.served.len() * 2 / 3;
                self.served[from..].to_vec()
            }
            Target::Unseen => {
                let mut unseen: Vec<usize> = (0..world.countries.len())
                    .filter(|c| !self.served.contains(c))
                    .collect();
                unseen.sort_by(|&a, &b| {
                    world.countries[b]
                        .facts
                        .price
                        .total_cmp(&world.countries[a].facts.price)
                });
                unseen.truncate(12.max(self.spec.countries));
                unseen
            }
        };
        while self.countries.len() < self.spec.countries && !candidates.is_empty() {
            let place = index(self.rng.next_u64(), candidates.len());
            self.countries.push(candidates.remove(place));
        }
        // More than the target offers: the dear ones of all the world.
        let mut rest: Vec<usize> = (0..world.countries.len())
            .filter(|c| !self.countries.contains(c))
            .collect();
        rest.sort_by(|&a, &b| {
            world.countries[b]
                .facts
                .price
                .total_cmp(&world.countries[a].facts.price)
        });
        let missing = self.spec.countries - self.countries.len();
        self.countries.extend(rest.into_iter().take(missing));
    }

    fn choose_blocks(&mut self, world: &World) {
        self.blocks.clear();
        for place in 0..self.spec.ranges {
            let block = self.choose_block(world, place);
            self.blocks.push(block);
        }
    }

    fn choose_block(&mut self, world: &World, place: usize) -> Block {
        let country = self.countries[place % self.countries.len()];
        let home = &world.countries[country];
        let slot = if self.spec.target == Target::Busy {
            home.range_at(uniform(&mut self.rng))
        } else {
            index(self.rng.next_u64(), home.ranges.len())
        };
        let range = home.ranges[slot];
        let free = self.spec.block_digits.min(range.free);
        let inside = self.rng.next_u64() % 10u64.pow(range.free - free);
        let block = Block {
            country,
            operator: home.operator(slot),
            base: range.base + inside * 10u64.pow(free),
            free,
            cursor: self.rng.next_u64() % 10u64.pow(free),
            refused: 0.0,
            leaves_at: None,
        };
        self.used.extend(block.prefix());
        block
    }

    /// When the messages of `from..from + width` are sent.
    pub(super) fn schedule(&mut self, from: i64, width: i64, out: &mut Vec<i64>) {
        if self.spec.probe > 0 {
            let (at, every) = (self.start - self.spec.probe_before_ms, self.spec.probe_every_ms);
            // Up to 20 seconds at the preset of 37, and in proportion.
            let spread = (every as u64 * 20 / 37).max(1);
            for i in 0..self.spec.probe as i64 {
                let time = at + i * every + (mix(i as u64) % spread) as i64;
                if (from..from + width).contains(&time) {
                    out.push(time);
                }
            }
        }
        let (low, high) = (from.max(self.start), (from + width).min(self.end));
        if low >= high || self.over {
            return;
        }
        let per_ms = self.rate / 1_000.0;
        match self.spec.timing {
            Timing::Even => {
                self.even_next = self.even_next.max(low as f64);
                while self.even_next < high as f64 {
                    out.push(self.even_next as i64);
                    self.even_next += (0.97 + 0.06 * uniform(&mut self.rng)) / per_ms;
                }
            }
            Timing::Random | Timing::Cover => {
                let cover = if self.spec.timing == Timing::Cover {
                    let local = low + self.home_offset_ms;
                    busyness(super::scenario::WorldKind::A, AppKind::Signup, false, local)
                } else {
                    1.0
                };
                for _ in 0..poisson(&mut self.rng, per_ms * cover * (high - low) as f64) {
                    out.push(between(&mut self.rng, low, high - 1));
                }
            }
        }
    }

    /// Moves on if its own plan says so (open loop).
    fn advance(&mut self, world: &World, now: i64) {
        while let Some(at) = self.next_hop.filter(|at| now >= *at) {
            self.next_hop = (self.hops_left > 1).then_some(at + self.spec.hop_every_ms);
            if self.hops_left > 0 {
                self.hops_left -= 1;
                self.choose_blocks(world);
            }
        }
    }

    /// Leaves a range that is blocked, if it is time and moves are left (closed loop).
    fn leave(&mut self, world: &World, place: usize, now: i64) {
        if self.blocks[place].leaves_at.is_none_or(|at| now < at) || self.hops_left == 0 {
            return;
        }
        self.hops_left -= 1;
        let share = 1.0 / self.blocks.len() as f64;
        match self.spec.on_block {
            Reaction::Slow => self.rate /= libm::pow(3.0, share),
            Reaction::Fake => self.converted = (self.converted + 0.3 * share).min(0.7),
            Reaction::Hop | Reaction::Stop | Reaction::Ignore => {}
        }
        self.blocks[place] = self.choose_block(world, place);
    }

    /// What the attacker sees: whether a message of his went out. He reacts to a
    /// range of which the latest messages mostly did not.
    pub(super) fn on_result(&mut self, number: E164, blocked: bool, now: i64) {
        let is_there = |block: &&mut Block| block.prefix().is_some_and(|prefix| prefix.covers_number(number));
        let Some(block) = self.blocks.iter_mut().find(is_there) else {
            return;
        };
        block.refused = 0.85 * block.refused + if blocked { 0.15 } else { 0.0 };
        if block.refused < 0.5 || block.leaves_at.is_some() {
            return;
        }
        match self.spec.on_block {
            Reaction::Ignore => {}
            Reaction::Stop => self.over = true,
            Reaction::Hop | Reaction::Slow | Reaction::Fake => block.leaves_at = Some(now + self.spec.hop_after_ms),
        }
    }

    /// The next message, or nothing when the campaign is over.
    pub(super) fn next(&mut self, world: &World, habits: &Habits, time: i64) -> Option<Talk> {
        self.advance(world, time);
        if self.over || self.drawn >= self.spec.messages {
            return None;
        }
        self.drawn += 1;
        let place = index(self.rng.next_u64(), self.blocks.len());
        self.leave(world, place, time);
        let spec = &self.spec;
        let rng = &mut self.rng;
        let block = &mut self.blocks[place];
        let size = 10u64.pow(block.free);
        let home = &world.countries[block.country];
        let within = match spec.numbers {
            Numbers::Uniform => rng.next_u64() % size,
            Numbers::Few => hash(&[block.base, rng.next_u64() % spec.few]) % size,
            Numbers::Sequential => {
                block.cursor = (block.cursor + between(rng, 1, 3) as u64) % size;
                block.cursor
            }
        };
        let mut digits = block.base + within;
        let mut reachable = true;
        let lesson = spec.probe_converted.filter(|_| time < self.start);
        let invalid = if lesson.is_some() { 0.0 } else { spec.invalid_share };
        if chance(rng, invalid) {
            reachable = false;
            digits = nowhere(rng, digits, home.digits, &home.void);
        }
        let converted = reachable && chance(rng, lesson.unwrap_or(self.converted));
        let plan = course(rng, habits, spec.latency, reachable, converted);
        let to = number(digits);
        let client = disguise(
            world,
            habits,
            spec,
            rng,
            (self.overlay, block.country, block.operator, self.drawn),
        );
        Some(Talk {
            tenant: self.tenant,
            app: self.app,
            country: block.country,
            operator: block.operator,
            number: to,
            to: Destination::Number(to),
            client,
            session: rng.next_u64(),
            price: Micros((home.facts.price * 1e6) as i64),
            label: Some(Label {
                overlay: self.overlay as u16,
                attack: true,
            }),
            begun: time,
            next_round: 0,
            plan,
        })
    }
}

/// A number that does not exist, near one that does.
fn nowhere(rng: &mut Rng, digits: u64, length: u32, void: &[Range]) -> u64 {
    match rng.next_u64() % 3 {
        0 if length as usize >= E164_DIGITS_MAX || rng.next_u64().is_multiple_of(2) => digits / 10,
        0 => digits * 10 + rng.next_u64() % 10,
        1 if !void.is_empty() => {
            let hole = void[index(rng.next_u64(), void.len())];
            hole.base + rng.next_u64() % 10u64.pow(hole.free)
        }
        _ => digits,
    }
}

fn course(rng: &mut Rng, habits: &Habits, latency: FakeLatency, reachable: bool, converted: bool) -> Plan {
    let delivered = converted || (reachable && chance(rng, 0.93));
    let receipt = chance(rng, habits.receipts).then(|| {
        if delivered {
            (
                log_normal(rng, 3_000.0, 0.6) as i64 + 300,
                DeliveryStatus::Delivered,
                "",
            )
        } else {
            (between(rng, 1_000, 30_000), DeliveryStatus::Undelivered, "30005")
        }
    });
    let end = if converted {
        let delay = match latency {
            FakeLatency::Plausible => (log_normal(rng, 19.0, 0.65).clamp(2.0, 500.0) * 1_000.0) as i64,
            FakeLatency::Narrow => (8_000.0 + 1_000.0 * uniform(rng)) as i64,
            FakeLatency::Own(pace) => pace.draw(rng),
        };
        Some((delay, Outcome::Approved))
    } else {
        chance(rng, habits.expiry).then(|| (600_000 + between(rng, 0, 2_000), Outcome::Expired))
    };
    Plan::single(receipt, end)
}

/// What the request pretends to be.
fn disguise(
    world: &World,
    habits: &Habits,
    spec: &AttackSpec,
    rng: &mut Rng,
    (overlay, country, operator, drawn): (usize, usize, usize, u64),
) -> Client {
    // Addresses used once or twice: two messages share one at times.
    let turn = if spec.addresses == 0 {
        drawn * 2 / 3
    } else {
        rng.next_u64() % spec.addresses
    };
    let who = hash(&[world.seed, 72, overlay as u64, turn]);
    let home = &world.countries[country];
    let (network, at) = match spec.source {
        Source::Residential => {
            let place = &world.countries[index(mix(who ^ 1), 45.min(world.countries.len()))];
            (&place.fixed[index(mix(who ^ 2), place.fixed.len())], who)
        }
        Source::Local if mix(who ^ 3).is_multiple_of(2) => (&home.mobile[operator], rng.next_u64()),
        Source::Local => (&home.fixed[index(mix(who ^ 2), home.fixed.len())], who),
        Source::Datacenter => (&world.hosting[index(mix(who ^ 1), 3)], who),
    };
    let mut client = Client::default();
    if habits.address > 0.0 {
        let ip: IpAddr = network.address(who, at);
        client.ip = Some(ip);
        if habits.geography {
            client.asn = Some(network.asn);
            client.country = Some(network.region);
        }
    }
    if habits.device > 0.0 {
        client.device = match spec.devices {
            Devices::Fresh => Some(device_name(rng.next_u64())),
            Devices::Pool => Some(device_name(hash(&[overlay as u64, rng.next_u64() % 20]))),
            Devices::Missing => None,
        };
    }
    if habits.user_agent > 0.0 {
        client.user_agent = Some(match spec.agents {
            Agents::Ordinary => user_agent(hash(&[overlay as u64, rng.next_u64() % 3])),
            Agents::Script => CompactString::const_new("python-requests/2.32.3"),
        });
    }
    client
}
