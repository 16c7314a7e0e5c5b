//! Which breaches have an open episode, and until when it stays open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Key;
use crate::detector::episode::EpisodeId;
use crate::model::Millis;

/// Open episodes of one limit at most: a limit that everybody breaks is one that
/// is set wrong, and ten thousand findings say that no better than these.
const OPEN_MAX: usize = 256;

#[derive(Debug, Serialize, Deserialize)]
struct Open {
    until: Millis,
    keys: Vec<Key>,
}

/// One open episode for each limit and key. Two limits that are broken by the
/// same send under the same entity share one, since its identity is the same.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    by_key: BTreeMap<Key, EpisodeId>,
    episodes: BTreeMap<EpisodeId, Open>,
    open_of_limit: BTreeMap<u16, usize>,
}

impl Standing {
    /// The episode that was opened for a limit and key.
    pub(crate) fn episode_of(&self, key: &Key) -> Option<EpisodeId> {
        self.by_key.get(key).copied()
    }

    /// The limits that are broken, and what by.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.by_key.keys()
    }

    /// Whether the limit may have one more episode.
    pub(crate) fn has_room(&self, limit: u16) -> bool {
        self.open_of_limit.get(&limit).is_none_or(|open| *open < OPEN_MAX)
    }

    /// Whether there will be room for a further one when this one is filed.
    pub(crate) fn will_have_room(&self, limit: u16) -> bool {
        self.open_of_limit.get(&limit).is_none_or(|open| open + 1 < OPEN_MAX)
    }

    /// The key belongs to the episode, which stays open until `until` at least.
    pub(crate) fn put(&mut self, key: Key, id: EpisodeId, until: Millis) {
        let open = self.episodes.entry(id).or_insert(Open {
            until,
            keys: Vec::new(),
        });
        open.until = open.until.max(until);
        let before = self.by_key.insert(key, id);
        if before != Some(id) {
            open.keys.push(key);
        }
        if before.is_none() {
            *self.open_of_limit.entry(key.limit).or_default() += 1;
        }
    }

    /// When the episode closes if nothing further happens.
    pub(crate) fn until(&self, id: EpisodeId) -> Option<Millis> {
        self.episodes.get(&id).map(|open| open.until)
    }

    /// The episode is closed.
    pub(crate) fn forget(&mut self, id: EpisodeId) {
        for key in self.episodes.remove(&id).map(|open| open.keys).unwrap_or_default() {
            if self.by_key.get(&key) == Some(&id) {
                self.by_key.remove(&key);
                if let Some(open) = self.open_of_limit.get_mut(&key.limit) {
                    *open -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;

    fn key(limit: u16, asn: u32) -> Key {
        Key {
            limit,
            tenant: 0,
            scope: Scope::Asn(asn),
        }
    }

    #[test]
    fn a_limit_has_so_many_open_episodes_and_no_more() {
        let mut standing = Standing::default();
        for i in 0..OPEN_MAX as u32 {
            assert!(standing.has_room(1));
            standing.put(key(1, i), u64::from(i), Millis(5));
        }
        assert!(!standing.has_room(1));
        assert!(standing.has_room(0) && standing.has_room(2));
        standing.forget(7);
        assert!(standing.has_room(1));
        assert_eq!(standing.episode_of(&key(1, 7)), None);
        assert_eq!(standing.episode_of(&key(1, 8)), Some(8));
    }

    #[test]
    fn an_episode_stays_open_for_the_latest_of_its_breaches() {
        let mut standing = Standing::default();
        standing.put(key(1, 1), 9, Millis(50));
        standing.put(key(2, 1), 9, Millis(20));
        assert_eq!(standing.until(9), Some(Millis(50)));
        standing.put(key(1, 1), 10, Millis(60));
        standing.forget(9);
        assert_eq!(standing.episode_of(&key(1, 1)), Some(10));
        assert_eq!(standing.episode_of(&key(2, 1)), None);
    }
}
