//! What stands now: current findings and the blocklist, bounded, in order.
//!
//! It is built from what is published, by whoever reads the output topics, and
//! is no part of the detector's state.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Activity, Block, BlockChange, EntityKey, Finding, FindingUid, Millis};

/// A blocklist entry with the log time at which it was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockEntry {
    /// Log time of the decision.
    pub decided: Millis,
    /// The entry.
    pub block: Block,
}

/// Current findings and blocks.
#[derive(Debug)]
pub struct View {
    entries_max: usize,
    findings: BTreeMap<FindingUid, Finding>,
    /// Episodes by the time of their last record: the first is the one to go.
    by_time: BTreeSet<(Millis, FindingUid)>,
    blocks: BTreeMap<EntityKey, BlockEntry>,
}

impl View {
    /// Keeps up to `entries_max` episodes and as many blocks.
    pub fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            findings: BTreeMap::new(),
            by_time: BTreeSet::new(),
            blocks: BTreeMap::new(),
        }
    }

    /// Takes a record of the alerts topic. A repeat or an older record of the
    /// episode changes nothing; beyond the bound the episode that has been
    /// quiet for longest goes.
    pub fn apply_finding(&mut self, finding: &Finding) {
        if let Some(known) = self.findings.get(&finding.uid) {
            if known.sequence >= finding.sequence {
                return;
            }
            self.by_time.remove(&(known.time, known.uid));
        }
        self.by_time.insert((finding.time, finding.uid));
        self.findings.insert(finding.uid, finding.clone());
        while self.findings.len() > self.entries_max {
            let Some((_, uid)) = self.by_time.pop_first() else {
                break;
            };
            self.findings.remove(&uid);
        }
    }

    /// Takes a change of the blocklist. Beyond the bound the entry that expires
    /// first goes.
    pub fn apply_block(&mut self, decided: Millis, change: &BlockChange) {
        match change {
            BlockChange::Put(block) => {
                let entry = BlockEntry {
                    decided,
                    block: block.clone(),
                };
                self.blocks.insert(block.key.clone(), entry);
                if self.blocks.len() > self.entries_max {
                    let first_to_expire = self
                        .blocks
                        .iter()
                        .min_by_key(|(_, entry)| entry.block.expires_at)
                        .map(|(key, _)| key.clone());
                    if let Some(key) = first_to_expire {
                        self.blocks.remove(&key);
                    }
                }
            }
            BlockChange::Delete(key) => {
                self.blocks.remove(key);
            }
        }
    }

    /// One episode.
    pub fn finding(&self, uid: FindingUid) -> Option<&Finding> {
        self.findings.get(&uid)
    }

    /// Every episode kept, the latest first.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.by_time.iter().rev().filter_map(|(_, uid)| self.findings.get(uid))
    }

    /// Episodes that are not closed, the latest first.
    pub fn open_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings().filter(|finding| finding.activity != Activity::Close)
    }

    /// The blocklist as it stands at `now`, by key: what has expired is not on
    /// it, even where its tombstone is still to come.
    pub fn blocks(&self, now: Millis) -> impl Iterator<Item = (&EntityKey, &BlockEntry)> {
        self.blocks
            .iter()
            .filter(move |(_, entry)| entry.block.expires_at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BlockAction, Currency, FindingKind, Level, Micros, Mode, Prefix, RecommendedAction};

    fn key(prefix: u64) -> EntityKey {
        EntityKey {
            tenant: "acme".into(),
            app: None,
            prefix: Prefix::from_digits(prefix),
        }
    }

    fn finding(uid: u128, sequence: u32, activity: Activity, time: i64) -> Finding {
        Finding {
            uid: FindingUid(uid),
            sequence,
            activity,
            key: key(998),
            kind: FindingKind::SmsPumping,
            level: Level::Alert,
            time: Millis(time),
            opened: Millis(0),
            start_time: Millis(0),
            end_time: Millis(time),
            region: None,
            prefixes: Vec::new(),
            recommended_action: RecommendedAction::Review,
            expires_at: Millis(time),
            evidence: Vec::new(),
            log_e_total: 0.0,
            log_e_threshold: 0.0,
            explanations: Vec::new(),
            limits: Vec::new(),
            attempts: 0,
            messages: 0,
            verified: 0,
            expected_conversion: 0.0,
            loss: Micros(0),
            loss_per_hour: Micros(0),
            currency: Currency::USD,
            moved_from: None,
            config_hash: "h".into(),
            samples: Vec::new(),
            message: String::new(),
        }
    }

    fn put(prefix: u64, expires_at: i64) -> BlockChange {
        BlockChange::Put(Block {
            key: key(prefix),
            action: BlockAction::Block,
            mode: Mode::Shadow,
            since: Millis(0),
            expires_at: Millis(expires_at),
            allow_ratio: 0.0,
            finding_uid: FindingUid(1),
            confidence: 0.9,
        })
    }

    fn uids<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<u128> {
        findings.map(|finding| finding.uid.0).collect()
    }

    #[test]
    fn an_episode_shows_its_last_record_and_repeats_change_nothing() {
        let mut view = View::new(10);
        view.apply_finding(&finding(1, 0, Activity::Create, 10));
        view.apply_finding(&finding(2, 0, Activity::Create, 20));
        view.apply_finding(&finding(1, 1, Activity::Close, 30));
        view.apply_finding(&finding(1, 0, Activity::Create, 10));
        assert_eq!(uids(view.findings()), [1, 2]);
        assert_eq!(uids(view.open_findings()), [2]);
        assert_eq!(view.finding(FindingUid(1)).unwrap().sequence, 1);
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes() {
        let mut view = View::new(2);
        for (uid, time) in [(1, 30), (2, 10), (3, 20)] {
            view.apply_finding(&finding(uid, 0, Activity::Create, time));
        }
        assert_eq!(uids(view.findings()), [1, 3]);
        for (prefix, expires_at) in [(1, 30), (2, 10), (3, 20)] {
            view.apply_block(Millis(0), &put(prefix, expires_at));
        }
        let kept: Vec<_> = view
            .blocks(Millis(0))
            .map(|(key, _)| key.prefix.unwrap().digits())
            .collect();
        assert_eq!(kept, [1, 3]);
    }

    #[test]
    fn expired_and_removed_blocks_are_not_shown() {
        let mut view = View::new(10);
        view.apply_block(Millis(5), &put(1, 100));
        view.apply_block(Millis(6), &put(2, 200));
        assert_eq!(view.blocks(Millis(99)).count(), 2);
        assert_eq!(view.blocks(Millis(100)).count(), 1);
        view.apply_block(Millis(7), &BlockChange::Delete(key(2)));
        assert_eq!(view.blocks(Millis(0)).count(), 1);
    }
}
