//! What is evaluated: anything that sees the events and blocks prefixes.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::lab::simulate::SimEvent;
use crate::model::{Destination, E164, Millis, Prefix};

/// Something that a judge says.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Sends into the prefix are to be stopped: a new block or a renewed one.
    Block {
        /// Whose sends.
        tenant: CompactString,
        /// Of which app; `None`: of all.
        app: Option<CompactString>,
        /// Where to.
        prefix: Prefix,
        /// Until when, unless renewed or lifted.
        until: Millis,
        /// Share that is let through, 0 to 1.
        allow_ratio: f64,
    },
    /// A block is over.
    Lift {
        /// Whose sends.
        tenant: CompactString,
        /// Of which app; `None`: of all.
        app: Option<CompactString>,
        /// Where to.
        prefix: Prefix,
    },
    /// Something for a person to look at, below the level of a block.
    Alert {
        /// Whose sends.
        tenant: CompactString,
        /// Where to; empty when it is about no prefix.
        prefixes: Vec<Prefix>,
    },
}

/// One of those that are compared. All of them are handed the same events.
pub trait Judge {
    /// Everything that arrived before `now` has been handed over.
    fn tell_time(&mut self, now: Millis, out: &mut Vec<Decision>);

    /// One event, in order of arrival.
    fn see(&mut self, event: &SimEvent, out: &mut Vec<Decision>);
}

/// The number an event goes to, with as many digits as are known.
pub fn digits_of(to: &Destination) -> Option<Prefix> {
    match to {
        Destination::Number(number) => whole(*number),
        Destination::Masked { prefix, .. } => Some(*prefix),
        Destination::Unknown => None,
    }
}

/// A number as a prefix of full length.
pub fn whole(number: E164) -> Option<Prefix> {
    Prefix::from_digits(number.digits())
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Millis,
    allow_ratio: f64,
}

#[derive(Clone, Debug, Default)]
struct Blocks {
    entries: BTreeMap<(Prefix, Option<CompactString>), Entry>,
    /// Bit n: there was a block of n digits.
    lengths: u32,
}

/// The blocks of one judge that stand.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    tenants: BTreeMap<CompactString, Blocks>,
}

impl Standing {
    /// Takes a decision in; whether it is a block where none stood.
    pub fn take(&mut self, decision: &Decision, now: Millis) -> bool {
        match decision {
            Decision::Block {
                tenant,
                app,
                prefix,
                until,
                allow_ratio,
            } => {
                let blocks = self.tenants.entry(tenant.clone()).or_default();
                blocks.lengths |= 1 << prefix.len();
                let entry = Entry {
                    until: *until,
                    allow_ratio: *allow_ratio,
                };
                let before = blocks.entries.insert((*prefix, app.clone()), entry);
                before.is_none_or(|entry| entry.until <= now)
            }
            Decision::Lift { tenant, app, prefix } => {
                if let Some(blocks) = self.tenants.get_mut(tenant) {
                    blocks.entries.remove(&(*prefix, app.clone()));
                }
                false
            }
            Decision::Alert { .. } => false,
        }
    }

    /// Whether a send is stopped. `luck`, from 0 to 1, decides where a share is
    /// let through.
    pub fn stops(&self, tenant: &str, app: &str, number: Prefix, now: Millis, luck: f64) -> bool {
        let Some(blocks) = self.tenants.get(tenant) else {
            return false;
        };
        (1..=number.len())
            .filter(|len| blocks.lengths & (1 << len) != 0)
            .any(|len| {
                let prefix = number.truncated(len);
                let found = blocks.entries.range((prefix, None)..);
                found
                    .take_while(|((of, _), _)| *of == prefix)
                    .filter(|((_, of), _)| of.as_deref().is_none_or(|of| of == app))
                    .any(|(_, entry)| now < entry.until && luck >= entry.allow_ratio)
            })
    }
}

/// A number from 0 to 1 that is always the same for the same text.
pub fn luck_of(text: &str) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The multiplication mixes upwards only.
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(app: Option<&str>, prefix: &str, until: i64, allow_ratio: f64) -> Decision {
        Decision::Block {
            tenant: "acme".into(),
            app: app.map(Into::into),
            prefix: Prefix::parse(prefix).unwrap(),
            until: Millis(until),
            allow_ratio,
        }
    }

    #[test]
    fn a_block_stops_what_it_names_while_it_stands() {
        let mut standing = Standing::default();
        let number = Prefix::parse("+998901234567").unwrap();
        let stops = |standing: &Standing, tenant: &str, app: &str, now: i64| {
            standing.stops(tenant, app, number, Millis(now), 0.5)
        };
        assert!(standing.take(&block(Some("otp"), "+99890", 100, 0.0), Millis(0)));
        assert!(stops(&standing, "acme", "otp", 99));
        assert!(!stops(&standing, "acme", "otp", 100));
        assert!(!stops(&standing, "acme", "login", 99));
        assert!(!stops(&standing, "other", "otp", 99));
        // A renewal is no new block, one after the end is.
        assert!(!standing.take(&block(Some("otp"), "+99890", 200, 0.6), Millis(50)));
        assert!(!stops(&standing, "acme", "otp", 60), "half open");
        assert!(standing.take(&block(None, "+99890", 200, 0.0), Millis(50)));
        assert!(stops(&standing, "acme", "login", 60));
        let lift = Decision::Lift {
            tenant: "acme".into(),
            app: None,
            prefix: Prefix::parse("+99890").unwrap(),
        };
        standing.take(&lift, Millis(70));
        assert!(!stops(&standing, "acme", "login", 80));
    }

    #[test]
    fn luck_is_spread_evenly() {
        let low = (0..10_000).filter(|i| luck_of(&format!("SM{i}")) < 0.1).count();
        assert!((850..1_150).contains(&low), "{low}");
    }
}
