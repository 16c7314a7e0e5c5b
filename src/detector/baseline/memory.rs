//! What was seen lately, by key: two generations under a hard cap.

use serde::{Deserialize, Serialize};

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded map that forgets what was not used for a generation, once full.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    bound = "K: Ord + Eq + Hash + Serialize + serde::de::DeserializeOwned, V: Serialize + serde::de::DeserializeOwned"
)]
pub(crate) struct Memory<K, V> {
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    young: HashMap<K, V, crate::detector::Keyed>,
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    old: HashMap<K, V, crate::detector::Keyed>,
    generation_max: usize,
}

impl<K: Eq + Hash + Copy, V: Copy> Memory<K, V> {
    /// At most `entries_max` entries in both generations together.
    pub(crate) fn new(entries_max: usize, hasher: crate::detector::Keyed) -> Self {
        Self {
            young: HashMap::with_hasher(hasher.clone()),
            old: HashMap::with_hasher(hasher),
            generation_max: (entries_max / 2).max(1),
        }
    }

    /// What is remembered of `key`.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    /// Remembers `value`; returns what was remembered before.
    pub(crate) fn put(&mut self, key: K, value: V) -> Option<V> {
        let before = self.get(&key);
        if self.young.len() >= self.generation_max && !self.young.contains_key(&key) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, value);
        before
    }

    /// Entries held, in both generations.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

impl<K: Eq + Hash + Copy> Memory<K, u16> {
    /// One more of `key`.
    pub(crate) fn count(&mut self, key: K) {
        let before = self.get(&key).unwrap_or_default();
        self.put(key, before.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_cap_holds() {
        let mut memory = Memory::new(100, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        for key in 0..10_000u32 {
            memory.put(key, key);
            memory.put(0, 7);
            assert!(memory.len() <= 101);
        }
        assert_eq!(memory.get(&0), Some(7));
        assert_eq!(memory.get(&5), None);
    }

    #[test]
    fn counts_go_on_from_what_is_remembered_and_stop_at_the_end() {
        let mut memory: Memory<u32, u16> = Memory::new(4, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        memory.count(1);
        memory.count(1);
        memory.put(2, u16::MAX);
        memory.count(2);
        assert_eq!((memory.get(&1), memory.get(&2)), (Some(2), Some(u16::MAX)));
    }
}
