//! The world that stands still: countries with their ranges and networks. Built
//! once from the seed; everything that moves asks it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::countries::{COUNTRIES, CountryFacts};
use super::draw::{cumulate, hash, index, mix, pick, unit};
use super::ranges::{Range, plan_of};
use super::scenario::WorldKind;
use crate::model::{E164, Region};

/// One network: an autonomous system with its address blocks.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub asn: u32,
    pub region: Region,
    /// First of the /16 blocks it owns, as a running number.
    block: u32,
    blocks: u32,
    /// How many /24 its users are spread over (carrier-grade NAT: few).
    pools: u32,
    /// Share of its users with IPv6.
    ipv6: f64,
}

/// One country.
#[derive(Clone, Debug)]
pub(super) struct Country {
    pub facts: &'static CountryFacts,
    pub digits: u32,
    pub ranges: Vec<Range>,
    pub void: Vec<Range>,
    cumulated: Vec<f64>,
    /// Operator of each range.
    operators: Vec<u8>,
    pub mobile: Vec<Network>,
    pub fixed: Vec<Network>,
    /// Share of attempts that are verified.
    pub conversion: f64,
    /// Share of sends that are not delivered for ordinary reasons.
    pub failure: f64,
}

/// Everything that stands still.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub kind: WorldKind,
    pub seed: u64,
    pub countries: Vec<Country>,
    /// Data centres and VPN exits.
    pub hosting: Vec<Network>,
}

const HOSTING: usize = 40;

impl World {
    pub(super) fn new(kind: WorldKind, seed: u64) -> Self {
        let mut allot = Allot::default();
        let countries = COUNTRIES
            .iter()
            .map(|facts| {
                Country::new(facts, kind, seed, &mut allot)
                    .unwrap_or_else(|| unreachable!("a test holds every country of the table against the metadata"))
            })
            .collect();
        let hosting = (0..HOSTING)
            .map(|i| {
                let facts = &COUNTRIES[index(hash(&[seed, 77, i as u64]), 24)];
                allot.network(facts.region, 2, 512, 0.1)
            })
            .collect();
        Self {
            kind,
            seed,
            countries,
            hosting,
        }
    }
}

/// Hands out autonomous systems and address blocks, none twice.
#[derive(Default)]
struct Allot {
    networks: u32,
    blocks: u32,
}

impl Allot {
    fn network(&mut self, region: &str, blocks: u32, pools: u32, ipv6: f64) -> Network {
        let network = Network {
            // Private-use numbers: nobody real is named.
            asn: 4_200_000_000 + self.networks,
            region: Region::parse(region).unwrap_or(Region::WORLD),
            block: self.blocks,
            blocks,
            pools: pools.min(blocks * 256),
            ipv6,
        };
        self.networks += 1;
        self.blocks += blocks;
        network
    }
}

impl Country {
    fn new(facts: &'static CountryFacts, kind: WorldKind, seed: u64, allot: &mut Allot) -> Option<Self> {
        let plan = plan_of(facts.region)?;
        let own = hash(&[seed, 11, mix(u64::from(facts.mcc.as_bytes()[0])), plan.ranges[0].base]);
        let mnos = 3 + index(mix(own), 3);
        let shares: Vec<f64> = (0..mnos).map(|i| 1.0 / (1.0 + i as f64)).collect();
        let edges = cumulate(shares);
        // An operator holds whole leading groups of digits, not scattered blocks.
        let operators: Vec<u8> = plan
            .ranges
            .iter()
            .map(|range| {
                let group = range.base / 10u64.pow(range.free) / 10u64.pow(7u32.saturating_sub(range.free) / 2);
                pick(&edges, unit(hash(&[own, group]))) as u8
            })
            .collect();
        let weights = range_weights(kind, own, &plan.ranges);
        let (mobile_v6, fixed_v6, pools, isps) = match kind {
            WorldKind::A => (0.2, 0.12, 48, 5),
            WorldKind::B => (0.6, 0.4, 200, 8),
        };
        let mobile = (0..mnos)
            .map(|_| allot.network(facts.region, 1, pools, mobile_v6))
            .collect();
        let fixed = (0..isps)
            .map(|_| allot.network(facts.region, 4, 1_024, fixed_v6))
            .collect();
        Some(Self {
            facts,
            digits: plan.digits,
            cumulated: cumulate(weights),
            ranges: plan.ranges,
            void: plan.void,
            operators,
            mobile,
            fixed,
            conversion: 0.54 + 0.28 * unit(hash(&[own, 21])),
            failure: 0.08 + 0.07 * unit(hash(&[own, 22])),
        })
    }

    /// A range by popularity, from a number in [0, 1).
    pub(super) fn range_at(&self, u: f64) -> usize {
        pick(&self.cumulated, u)
    }

    /// Whose range it is.
    pub(super) fn operator(&self, range: usize) -> usize {
        usize::from(self.operators[range])
    }
}

/// How people are spread over the ranges of their country.
fn range_weights(kind: WorldKind, own: u64, ranges: &[Range]) -> Vec<f64> {
    match kind {
        // Everywhere, unevenly.
        WorldKind::A => ranges
            .iter()
            .map(|r| {
                let u = unit(hash(&[own, 1, r.base]));
                libm::pow(10.0, f64::from(r.free) - 7.0) * (0.15 - libm::log(u.max(1e-6)))
            })
            .collect(),
        // In few of them; at least six, so that no block is a country.
        WorldKind::B => {
            let alive = (ranges.len() / 12).clamp(6.min(ranges.len()), 60);
            let mut order: Vec<usize> = (0..ranges.len()).collect();
            order.sort_by_key(|&i| (std::cmp::Reverse(ranges[i].free), hash(&[own, 2, ranges[i].base])));
            let mut weights = vec![0.0; ranges.len()];
            for (rank, &i) in order.iter().take(alive).enumerate() {
                weights[i] = 1.0 / (3.0 + rank as f64);
            }
            weights
        }
    }
}

/// The number of subscriber `who` (any hash) of a country, and its range.
pub(super) fn number_of(world: &World, country: &Country, who: u64) -> (E164, usize) {
    let slot = country.range_at(unit(mix(who ^ 0x5eed)));
    let range = country.ranges[slot];
    let size = 10u64.pow(range.free);
    let within = match world.kind {
        WorldKind::A => mix(who ^ 0xb10c) % size,
        WorldKind::B => {
            // One block of ten thousand in twenty-five is in use.
            let blocks = size / 10_000;
            let used = (blocks / 25).max(blocks.min(8));
            let block = hash(&[range.base, mix(who ^ 0xb10c) % used]) % blocks;
            block * 10_000 + mix(who ^ 0xd161) % 10_000
        }
    };
    (number(range.base + within), slot)
}

/// From digits that were built to be a number.
pub(super) fn number(digits: u64) -> E164 {
    E164::from_digits(digits).unwrap_or_else(|| unreachable!("the plan's numbers have 7 to 15 digits"))
}

impl Network {
    /// An address out of the pool that user `who` is in, the host part by `at`
    /// (the same for a stable address, another one for each session).
    pub(super) fn address(&self, who: u64, at: u64) -> IpAddr {
        if unit(mix(who ^ 0x0ac6)) < self.ipv6 {
            return self.address_v6(who);
        }
        let pool = (mix(who ^ 0x9001) % u64::from(self.pools)) as u32;
        let host = (mix(at ^ 0x4057) % 254) as u32 + 1;
        IpAddr::V4(self.v4(pool, host))
    }

    fn address_v6(&self, who: u64) -> IpAddr {
        let site = mix(who ^ 0x0006);
        // One /32 for each network, one /48 for each site.
        let head = 0x2a00_0000u32 + self.block;
        let bits = (u128::from(head) << 96) | (u128::from(site as u32) << 64) | u128::from(site >> 32);
        IpAddr::V6(Ipv6Addr::from(bits))
    }

    /// The address `host` of /24 number `pool`.
    pub(super) fn v4(&self, pool: u32, host: u32) -> Ipv4Addr {
        let block = self.block + (pool / 256) % self.blocks;
        // Blocks of 16 bits in public space, in the order of the first octet.
        let first = OCTETS[(block / 256) as usize % OCTETS.len()];
        Ipv4Addr::new(first, (block % 256) as u8, (pool % 256) as u8, host as u8)
    }

    pub(super) fn pools(&self) -> u32 {
        self.pools
    }
}

/// First octets without private, loopback, link-local, shared and multicast space.
const OCTETS: [u8; 64] = {
    let mut table = [0u8; 64];
    let mut octet = 11u8;
    let mut i = 0;
    while i < 64 {
        if octet != 100 && octet != 127 {
            table[i] = octet;
            i += 1;
        }
        octet += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_of_the_table_has_a_mobile_plan() {
        for facts in COUNTRIES {
            let plan = plan_of(facts.region);
            assert!(plan.is_some_and(|p| p.ranges.len() >= 2), "{}", facts.region);
        }
    }
}
