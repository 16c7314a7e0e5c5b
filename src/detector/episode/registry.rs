//! The episodes of a partition: the open ones, and of the closed ones what a late
//! verdict asks for.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::episodes::{Episode, EpisodeId, Opening, uid};
use crate::detector::trie::TenantIx;
use crate::model::{EntityKey, FindingKind, FindingUid, Millis, Prefix, Region};

/// Closed episodes remembered, for verdicts that come late.
const CLOSED_MAX: usize = 10_000;
/// Ranges of closed episodes remembered, over all of them.
const RANGES_MAX: usize = 1 << 16;

/// What stays known of an episode when it is closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) id: EpisodeId,
    pub(crate) key: EntityKey,
    /// The ranges that it accused, once it is closed and while there is room.
    pub(crate) ranges: Vec<Prefix>,
}

/// The open episodes of a partition, and the closed ones that verdicts may name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Episodes {
    open: BTreeMap<EpisodeId, Episode>,
    known: BTreeMap<FindingUid, Known>,
    by_age: VecDeque<FindingUid>,
    /// Closed episodes whose ranges are remembered, and how many ranges those are.
    closed: VecDeque<FindingUid>,
    ranges: usize,
    next: EpisodeId,
}

impl Episodes {
    /// Opens an episode; its first record is still to be made.
    pub(crate) fn open(&mut self, opening: Opening) -> &mut Episode {
        let id = self.next;
        self.next += 1;
        let uid = uid(&opening.key, opening.kind, opening.now);
        let known = Known {
            id,
            key: opening.key.clone(),
            ranges: Vec::new(),
        };
        // One that opened at the same moment had the same identity, and is over.
        self.forget_ranges(uid);
        self.known.insert(uid, known);
        self.by_age.push_back(uid);
        if self.by_age.len() > CLOSED_MAX
            && let Some(oldest) = self.by_age.pop_front()
            && !self
                .known
                .get(&oldest)
                .is_some_and(|known| self.open.contains_key(&known.id))
        {
            self.forget_ranges(oldest);
            self.known.remove(&oldest);
            // What is forgotten by age leaves the line by which room is made, too.
            while let Some(first) = self.closed.front()
                && self.known.get(first).is_none_or(|known| known.ranges.is_empty())
            {
                self.closed.pop_front();
            }
        }
        self.open.entry(id).or_insert_with(|| Episode::new(id, uid, opening))
    }

    pub(crate) fn get(&self, id: EpisodeId) -> Option<&Episode> {
        self.open.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: EpisodeId) -> Option<&mut Episode> {
        self.open.get_mut(&id)
    }

    /// Takes an episode out; its last record is still to be made.
    pub(crate) fn close(&mut self, id: EpisodeId) -> Option<Episode> {
        let episode = self.open.remove(&id)?;
        let ranges = episode.ranges();
        if let Some(known) = self.known.get_mut(&episode.uid).filter(|_| !ranges.is_empty()) {
            self.ranges += ranges.len();
            known.ranges = ranges;
            self.closed.push_back(episode.uid);
        }
        while self.ranges > RANGES_MAX
            && let Some(oldest) = self.closed.pop_front()
        {
            self.forget_ranges(oldest);
        }
        Some(episode)
    }

    fn forget_ranges(&mut self, uid: FindingUid) {
        if let Some(known) = self.known.get_mut(&uid) {
            self.ranges -= std::mem::take(&mut known.ranges).len();
        }
    }

    /// The open episode of an attack on a tenant in a region.
    pub(crate) fn attack_on(&self, tenant: TenantIx, region: Region) -> Option<EpisodeId> {
        self.open
            .values()
            .find(|e| e.kind == FindingKind::SmsPumping && e.tenant == Some(tenant) && e.region == Some(region))
            .map(|e| e.id)
    }

    /// The episode that would have the same identity as one opened now.
    pub(crate) fn same(&self, kind: FindingKind, key: &EntityKey, now: Millis) -> Option<EpisodeId> {
        self.known.get(&uid(key, kind, now)).map(|known| known.id)
    }

    /// The latest open attack on the tenant that may have become another one, which
    /// `fits`. In a region there is one at a time: what goes on there is the same.
    pub(crate) fn moved(&self, tenant: TenantIx, fits: impl Fn(&Episode) -> bool) -> Option<FindingUid> {
        let attacks = self.open.values().rev();
        let mut attacks = attacks.filter(|e| e.kind == FindingKind::SmsPumping && e.tenant == Some(tenant));
        attacks.find(|e| fits(e)).map(|e| e.uid)
    }

    /// The open episode of a kind about an entity.
    pub(crate) fn about(&self, kind: FindingKind, key: &EntityKey) -> Option<EpisodeId> {
        self.open
            .values()
            .find(|e| e.kind == kind && e.key == *key)
            .map(|e| e.id)
    }

    /// The episode that a verdict names: open or closed.
    pub(crate) fn by_uid(&self, uid: FindingUid) -> Option<&Known> {
        self.known.get(&uid)
    }

    /// How many episodes are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Accused;
    use super::*;
    use crate::model::{Level, RecommendedAction};

    fn opening(now: i64) -> Opening {
        Opening {
            key: EntityKey {
                tenant: "acme".into(),
                app: None,
                prefix: Prefix::from_digits(998),
            },
            tenant: Some(0),
            region: Region::parse("UZ"),
            kind: FindingKind::SmsPumping,
            level: Level::Block,
            action: RecommendedAction::BlockPrefix,
            moved_from: None,
            now: Millis(now),
        }
    }

    fn accuse(episode: &mut Episode, digits: u64) {
        let accused = Accused {
            prefix: Prefix::from_digits(digits).unwrap(),
            honest_per_hour: 0.1,
            sends: 3,
        };
        episode.accuse(accused, false);
    }

    #[test]
    fn a_closed_episode_is_known_by_all_that_it_accused() {
        let mut episodes = Episodes::default();
        let episode = episodes.open(opening(1));
        let (id, uid) = (episode.id, episode.uid);
        accuse(episode, 9_989_012);
        accuse(episode, 9_989_355);
        episode.lapse(Prefix::from_digits(9_989_012).unwrap());
        assert_eq!(episode.accused.len(), 1);
        episodes.close(id);
        let known = episodes.by_uid(uid).unwrap();
        assert_eq!((known.id, known.ranges.len()), (id, 2));
        assert!(episodes.get(id).is_none());
    }

    #[test]
    fn what_is_known_of_closed_episodes_is_bounded() {
        let mut episodes = Episodes::default();
        let each = 100;
        for now in 0..2_000 {
            let episode = episodes.open(opening(now));
            for range in 0..each {
                accuse(episode, 99_890_000 + range);
            }
            let id = episode.id;
            episodes.close(id);
        }
        let held: usize = episodes.known.values().map(|known| known.ranges.len()).sum();
        assert_eq!(held, episodes.ranges);
        assert!(held <= RANGES_MAX && held > RANGES_MAX - each as usize, "{held}");
        assert_eq!(episodes.closed.len() * each as usize, held);
        for now in 2_000..2_000 + 2 * CLOSED_MAX as i64 {
            let id = episodes.open(opening(now)).id;
            episodes.close(id);
        }
        assert_eq!((episodes.ranges, episodes.closed.len()), (0, 0));
        assert!(episodes.known.len() <= CLOSED_MAX);
    }
}
