//! The counters of one limit, by key, under a hard cap on bytes.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::window::Counter;

/// Two generations of counters: when the younger has used half of the room it
/// becomes the older, and what was not touched since then is forgotten. A flood
/// of keys seen once thus forgets idle keys first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    bound(serialize = "K: Ord + Serialize", deserialize = "K: Eq + Hash + Deserialize<'de>"),
    from = "Saved<K>"
)]
pub(crate) struct Table<K> {
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    young: HashMap<K, Counter, crate::detector::Keyed>,
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    old: HashMap<K, Counter, crate::detector::Keyed>,
    #[serde(skip)]
    young_bytes: usize,
    #[serde(skip)]
    old_bytes: usize,
    generation_bytes_max: usize,
}

/// A table as it is kept in a snapshot: what its counters take is counted anew.
#[derive(Deserialize)]
#[serde(bound = "K: Eq + Hash + Deserialize<'de>")]
struct Saved<K> {
    #[serde(deserialize_with = "crate::detector::snapshot::codec::entries::deserialize")]
    young: HashMap<K, Counter, crate::detector::Keyed>,
    #[serde(deserialize_with = "crate::detector::snapshot::codec::entries::deserialize")]
    old: HashMap<K, Counter, crate::detector::Keyed>,
    generation_bytes_max: usize,
}

impl<K> From<Saved<K>> for Table<K> {
    fn from(saved: Saved<K>) -> Self {
        let bytes = |counters: &HashMap<K, Counter, _>| counters.values().map(Counter::bytes).sum();
        Self {
            young_bytes: bytes(&saved.young),
            old_bytes: bytes(&saved.old),
            young: saved.young,
            old: saved.old,
            generation_bytes_max: saved.generation_bytes_max,
        }
    }
}

impl<K: Eq + Hash + Copy> Table<K> {
    /// At most `bytes_max` in both generations together, and one counter more.
    pub(crate) fn new(bytes_max: usize, hasher: crate::detector::Keyed) -> Self {
        Self {
            young: HashMap::with_hasher(hasher.clone()),
            old: HashMap::with_hasher(hasher),
            young_bytes: 0,
            old_bytes: 0,
            generation_bytes_max: bytes_max / 2,
        }
    }

    /// Works on the counter of `key`, which is made when there is none.
    pub(crate) fn with<R>(
        &mut self,
        key: K,
        make: impl FnOnce() -> Counter,
        work: impl FnOnce(&mut Counter) -> R,
    ) -> R {
        if self.young_bytes >= self.generation_bytes_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        let counter = match self.young.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => {
                let counter = entry.into_mut();
                self.young_bytes -= counter.bytes();
                counter
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                let known = self.old.remove(&key);
                if let Some(known) = &known {
                    self.old_bytes -= known.bytes();
                }
                entry.insert(known.unwrap_or_else(make))
            }
        };
        let result = work(counter);
        self.young_bytes += counter.bytes();
        result
    }

    /// Bytes that all counters take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.young_bytes + self.old_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::{Sent, SlidingCount};
    use super::*;
    use crate::model::{Micros, Millis};

    #[test]
    fn a_flood_of_keys_keeps_the_cap_and_forgets_no_busy_key() {
        let hasher = crate::detector::Keyed::with_seeds(1, 2, 3, 4);
        let mut table: Table<u64> = Table::new(100_000, hasher);
        let make = || Counter {
            sends: Some(SlidingCount::new(1 << 40, 500)),
            ..Counter::default()
        };
        let mut push = |key: u64, now: i64| {
            let sent = Sent {
                at: Millis(now),
                event_time: Millis(now),
                cost: Micros(0),
            };
            let count = table.with(key, make, |c| c.sends.as_mut().map(|s| s.push(&sent)));
            assert!(table.bytes() <= 130_000);
            count.unwrap().sends
        };
        for i in 0..20_000u64 {
            push(i + 1, i as i64);
            let busy = push(0, i as i64);
            assert_eq!(busy, (i + 1).min(501));
        }
        assert_eq!(push(1, 20_000), 1);
    }
}
