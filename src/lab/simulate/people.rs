//! People and what their requests look like. A person is a hash: number, device
//! and network follow from it, so that millions of them need no memory.

use compact_str::CompactString;

use super::draw::{Rng, chance, hash, index, mix, uniform, unit};
use super::scenario::WorldKind;
use super::world::{World, number_of};
use crate::model::{Client, DAY, E164};
use rand::Rng as _;

/// A user of a tenant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub who: u64,
    pub number: E164,
    pub operator: usize,
    /// What the device identifier is made of; a family may share one.
    device: u64,
}

/// How a tenant records things: the same for all its events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Sends and verifications share a session.
    pub sessions: bool,
    /// Verifications name the number.
    pub verification_to: bool,
    /// Sends bear their price, or receipts do, or neither.
    pub price_on_send: bool,
    pub price_on_receipt: bool,
    /// Share of messages with a delivery receipt.
    pub receipts: f64,
    /// Share of given-up codes that are reported as expired.
    pub expiry: f64,
    /// Share of requests with an address, a device, a user agent.
    pub address: f64,
    pub device: f64,
    pub user_agent: f64,
    /// Whether networks are looked up (ASN and country).
    pub geography: bool,
}

impl Habits {
    pub(super) fn of(kind: WorldKind, seed: u64, tenant: usize) -> Self {
        let u = |tag: u64| unit(hash(&[seed, 31, tenant as u64, tag]));
        match kind {
            WorldKind::A => Self {
                sessions: true,
                verification_to: true,
                price_on_send: true,
                price_on_receipt: true,
                receipts: 0.93,
                expiry: if u(1) < 0.5 { 0.9 } else { 0.0 },
                address: 0.995,
                device: 0.99,
                user_agent: 0.99,
                geography: true,
            },
            // Records as they are met in the wild: something is always missing.
            WorldKind::B => Self {
                sessions: u(1) < 0.75,
                verification_to: u(2) < 0.7 || u(1) >= 0.75,
                price_on_send: u(3) < 0.5,
                price_on_receipt: u(4) < 0.6,
                receipts: if u(5) < 0.25 { 0.0 } else { 0.8 },
                expiry: if u(6) < 0.5 { 0.6 } else { 0.0 },
                address: if u(7) < 0.2 { 0.0 } else { 0.93 },
                device: if u(8) < 0.4 { 0.0 } else { 0.85 },
                user_agent: if u(9) < 0.3 { 0.0 } else { 0.88 },
                geography: u(10) < 0.7,
            },
        }
    }
}

/// User number `place` of a tenant in a country.
pub(super) fn person(world: &World, tenant: usize, country: usize, place: u64) -> Person {
    let who = hash(&[world.seed, 41, tenant as u64, country as u64, place]);
    let home = &world.countries[country];
    let (number, range) = number_of(world, home, who);
    let family = if unit(mix(who ^ 0xfa)) < 0.02 { place / 2 } else { place };
    Person {
        who,
        number,
        operator: home.operator(range),
        device: hash(&[world.seed, 42, tenant as u64, country as u64, family]),
    }
}

/// Changes that an app release brings: new device identifiers and agents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Release(pub u64);

const AGENTS: &[&str] = &[
    "okhttp/4.12.0",
    "Dalvik/2.1.0 (Linux; U; Android 14; SM-A546B Build/UP1A.231005.007)",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "CFNetwork/1568.100.1 Darwin/24.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
];
const RELEASED_AGENTS: &[&str] = &["app/5.0.0 (Android)", "app/5.0.0 (iOS)"];

/// `head` and hexadecimal digits: short enough to need no heap.
pub(super) fn hex_id(head: &str, value: u64, digits: usize) -> CompactString {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut id = CompactString::with_capacity(0);
    id.push_str(head);
    for place in (0..digits).rev() {
        id.push(char::from(HEX[(value >> (4 * place)) as usize & 15]));
    }
    id
}

/// The device name of a device hash.
pub(super) fn device_name(device: u64) -> CompactString {
    hex_id("d-", device >> 16, 12)
}

/// A user agent by hash.
pub(super) fn user_agent(of: u64) -> CompactString {
    CompactString::const_new(AGENTS[index(of, AGENTS.len())])
}

/// What the application knows of a person's request at `time`.
pub(super) fn client(
    world: &World,
    habits: &Habits,
    rng: &mut Rng,
    country: usize,
    person: &Person,
    time: i64,
    release: Option<Release>,
) -> Client {
    let (vpn, mobile, away) = match world.kind {
        WorldKind::A => (0.04, 0.58, 0.012),
        WorldKind::B => (0.025, 0.3, 0.02),
    };
    let who = person.who;
    let day = time.div_euclid(DAY) as u64;
    let trait_of = |tag: u64| unit(mix(who ^ tag));
    let home = &world.countries[country];
    let abroad = unit(hash(&[who, day])) < away;
    let network = if trait_of(0x76) < vpn && chance(rng, 0.75) {
        &world.hosting[index(mix(who ^ day), world.hosting.len())]
    } else if abroad {
        let place = &world.countries[index(hash(&[who, day, 1]), 30.min(world.countries.len()))];
        &place.mobile[index(mix(who ^ day), place.mobile.len())]
    } else if (trait_of(0x6d) < mobile) != chance(rng, 0.15) {
        &home.mobile[person.operator]
    } else {
        &home.fixed[index(mix(who ^ 0x15), home.fixed.len())]
    };
    let at = match world.kind {
        // Carrier-grade NAT gives another address each time, a home line keeps it
        // (for good in one world, for a day in the other).
        _ if network.pools() <= 256 => rng.next_u64(),
        WorldKind::A => who,
        WorldKind::B => who ^ day,
    };
    let shown = uniform(rng);
    let mut client = Client::default();
    if shown < habits.address {
        client.ip = Some(network.address(who, at));
        if habits.geography {
            client.asn = Some(network.asn);
            client.country = Some(network.region);
        }
    }
    if shown < habits.device {
        let changed = release.map_or(0, |r| r.0);
        let device = if chance(rng, 0.02) {
            rng.next_u64()
        } else {
            mix(person.device ^ changed)
        };
        client.device = Some(device_name(device));
    }
    if shown < habits.user_agent {
        client.user_agent = Some(match release {
            Some(_) => CompactString::const_new(RELEASED_AGENTS[index(mix(who), RELEASED_AGENTS.len())]),
            None => user_agent(person.device),
        });
    }
    client
}
