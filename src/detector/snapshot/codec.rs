//! How the collections of the state are written: always in one order, so that
//! the same state has the same bytes, whatever its history.
//!
//! Each module is for `#[serde(with = "…")]`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::detector::Keyed;

/// A hash map: its key, then the entries in the order of their keys.
pub(crate) mod entries {
    use super::{Deserialize, Deserializer, Hash, HashMap, Keyed, Serialize, Serializer};

    pub(crate) fn serialize<K, V, S>(map: &HashMap<K, V, Keyed>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Ord + Serialize,
        V: Serialize,
        S: Serializer,
    {
        let mut entries: Vec<(&K, &V)> = map.iter().collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
        (map.hasher(), entries).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<HashMap<K, V, Keyed>, D::Error>
    where
        K: Eq + Hash + Deserialize<'de>,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let (hasher, entries): (Keyed, Vec<(K, V)>) = Deserialize::deserialize(deserializer)?;
        let mut map = HashMap::with_capacity_and_hasher(entries.len(), hasher);
        map.extend(entries);
        Ok(map)
    }
}

/// A set of 128-bit identities: they are random, so each takes its 16 bytes.
pub(crate) mod identities {
    use super::{Deserialize, Deserializer, HashSet, Keyed, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(set: &HashSet<u128, Keyed>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ids: Vec<[u8; 16]> = set.iter().map(|id| id.to_be_bytes()).collect();
        ids.sort_unstable();
        (set.hasher(), ids).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashSet<u128, Keyed>, D::Error> {
        let (hasher, ids): (Keyed, Vec<[u8; 16]>) = Deserialize::deserialize(deserializer)?;
        let mut set = HashSet::with_capacity_and_hasher(ids.len(), hasher);
        set.extend(ids.into_iter().map(u128::from_be_bytes));
        Ok(set)
    }
}

/// A queue that gives out its least element first, as a sorted list.
pub(crate) mod least_first {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T, S>(heap: &BinaryHeap<Reverse<T>>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Ord + Serialize,
        S: Serializer,
    {
        let mut items: Vec<&T> = heap.iter().map(|Reverse(item)| item).collect();
        items.sort_unstable();
        items.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<BinaryHeap<Reverse<T>>, D::Error>
    where
        T: Ord + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let items: Vec<T> = Deserialize::deserialize(deserializer)?;
        Ok(items.into_iter().map(Reverse).collect())
    }
}

/// A row together with its capacity: caps on memory count allocated bytes, so
/// the room that is left belongs to the state.
pub(crate) mod roomy {
    use serde::de::Error as _;

    use super::{Deserialize, Deserializer, Serialize, Serializer, VecDeque};

    /// No row of the state has more room to spare than this, or than it holds.
    const SPARE_MAX: usize = 2_048;

    /// A row of items.
    pub(crate) trait Row: From<Vec<Self::Item>> {
        type Item;
        fn room(&self) -> usize;
        fn items(&self) -> Vec<&Self::Item>;
    }

    impl<T> Row for Vec<T> {
        type Item = T;

        fn room(&self) -> usize {
            self.capacity()
        }

        fn items(&self) -> Vec<&T> {
            self.iter().collect()
        }
    }

    impl<T> Row for VecDeque<T> {
        type Item = T;

        fn room(&self) -> usize {
            self.capacity()
        }

        fn items(&self) -> Vec<&T> {
            self.iter().collect()
        }
    }

    pub(crate) fn serialize<R: Row<Item: Serialize>, S: Serializer>(row: &R, serializer: S) -> Result<S::Ok, S::Error> {
        (row.room(), row.items()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, R, D>(deserializer: D) -> Result<R, D::Error>
    where
        R: Row<Item: Deserialize<'de>>,
        D: Deserializer<'de>,
    {
        let (room, items): (usize, Vec<R::Item>) = Deserialize::deserialize(deserializer)?;
        if room < items.len() || room > items.len() + items.len().max(SPARE_MAX) {
            return Err(D::Error::custom("a row has an impossible size"));
        }
        let mut row = Vec::with_capacity(room);
        row.extend(items);
        Ok(row.into())
    }
}

/// A histogram as the values that occurred and how often each did.
pub(crate) mod histogram {
    use hdrhistogram::{Counter, Histogram};

    use super::BTreeMap;

    /// The counts by value.
    pub(crate) fn counts<T: Counter>(histogram: &Histogram<T>) -> BTreeMap<u64, u64> {
        histogram
            .iter_recorded()
            .map(|step| {
                let value = histogram.lowest_equivalent(step.value_iterated_to());
                (value, step.count_at_value().as_u64())
            })
            .collect()
    }

    /// Fills an empty histogram; an error names what does not fit.
    pub(crate) fn fill<T: Counter>(
        mut histogram: Histogram<T>,
        counts: BTreeMap<u64, u64>,
    ) -> Result<Histogram<T>, &'static str> {
        for (value, count) in counts {
            let count = T::from_u64(count).ok_or("a latency's count is impossible")?;
            histogram
                .record_n(value, count)
                .map_err(|_| "a latency is out of range")?;
        }
        Ok(histogram)
    }
}
