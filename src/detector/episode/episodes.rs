//! Episodes: what is said about one attack or one failure from its first record
//! to its last, under one uid.
//!
//! | state | accusation at `alert` | accusation at `block` | nothing left |
//! |---|---|---|---|
//! | – | Create(alert) | Create(block) | – |
//! | open, alert | – | Update(block) | Close |
//! | open, block | – | Update on material change | Close |
//! | closed | a new episode | a new episode | – |

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::detector::trie::TenantIx;
use crate::model::{
    AccusedPrefix, Activity, Currency, EntityKey, EvidenceItem, Explanation, Finding, FindingKind, FindingUid, HOUR,
    Level, MINUTE, Micros, Millis, Prefix, RecommendedAction, Region,
};

/// Number of an episode within its partition.
pub(crate) type EpisodeId = u64;

/// Closed episodes remembered, for verdicts that come late.
const CLOSED_MAX: usize = 10_000;
/// A finding is updated when its attempts have grown by this factor.
const GROWTH: u64 = 10;

/// One accused range and what was seen in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accused {
    pub(crate) prefix: Prefix,
    pub(crate) honest_per_hour: f64,
    pub(crate) sends: u64,
}

/// One episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) id: EpisodeId,
    pub(crate) uid: FindingUid,
    pub(crate) key: EntityKey,
    pub(crate) tenant: Option<TenantIx>,
    pub(crate) region: Option<Region>,
    pub(crate) kind: FindingKind,
    pub(crate) level: Level,
    pub(crate) opened: Millis,
    pub(crate) accused: Vec<Accused>,
    pub(crate) action: RecommendedAction,
    pub(crate) expires: Millis,
    pub(crate) evidence: Vec<EvidenceItem>,
    pub(crate) log_e_total: f64,
    pub(crate) log_e_threshold: f64,
    pub(crate) explanations: Vec<Explanation>,
    pub(crate) attempts: u64,
    pub(crate) verified: u64,
    pub(crate) expected_conversion: f64,
    pub(crate) cost: Micros,
    pub(crate) first_event: Millis,
    pub(crate) last_event: Millis,
    pub(crate) moved_from: Option<FindingUid>,
    pub(crate) samples: Vec<String>,
    pub(crate) detail: String,
    sequence: u32,
    reported: u64,
}

/// What an episode opens with.
pub(crate) struct Opening {
    pub(crate) key: EntityKey,
    pub(crate) tenant: Option<TenantIx>,
    pub(crate) region: Option<Region>,
    pub(crate) kind: FindingKind,
    pub(crate) level: Level,
    pub(crate) action: RecommendedAction,
    pub(crate) moved_from: Option<FindingUid>,
    pub(crate) now: Millis,
}

impl Episode {
    /// One more attempt inside an accused range.
    pub(crate) fn on_attempt(&mut self, prefix: Prefix, event_time: Millis, cost: Micros) {
        self.attempts += 1;
        self.cost.0 += cost.0;
        self.last_event = self.last_event.max(event_time);
        if let Some(accused) = self.accused.iter_mut().find(|a| a.prefix == prefix) {
            accused.sends += 1;
        }
    }

    /// Whether so much has happened since the last record that it is worth another.
    pub(crate) fn has_grown(&self) -> bool {
        self.attempts >= 50 && self.attempts >= GROWTH * self.reported
    }

    /// The next record of the episode.
    pub(crate) fn record(
        &mut self,
        activity: Activity,
        now: Millis,
        currency: Currency,
        hash: &CompactString,
    ) -> Finding {
        let hours = ((self.last_event - self.first_event).max(MINUTE)) as f64 / HOUR as f64;
        let since_start = ((now - self.first_event).max(MINUTE)) as f64 / HOUR as f64;
        let prefixes = self
            .accused
            .iter()
            .map(|a| AccusedPrefix {
                prefix: a.prefix,
                attack_share: attack_share(a.sends, a.honest_per_hour * since_start),
                honest_per_hour: a.honest_per_hour,
                sends: a.sends,
            })
            .collect();
        let finding = Finding {
            uid: self.uid,
            sequence: self.sequence,
            activity,
            key: self.key.clone(),
            kind: self.kind,
            level: self.level,
            time: now,
            opened: self.opened,
            start_time: self.first_event,
            end_time: self.last_event,
            region: self.region,
            prefixes,
            recommended_action: self.action,
            expires_at: self.expires,
            evidence: self.evidence.clone(),
            log_e_total: self.log_e_total,
            log_e_threshold: self.log_e_threshold,
            explanations: self.explanations.clone(),
            attempts: self.attempts,
            verified: self.verified,
            expected_conversion: self.expected_conversion,
            loss: self.cost,
            loss_per_hour: Micros((self.cost.0 as f64 / hours) as i64),
            currency,
            moved_from: self.moved_from,
            config_hash: hash.clone(),
            samples: self.samples.clone(),
            message: self.message(),
        };
        self.sequence += 1;
        self.reported = self.attempts;
        finding
    }

    fn message(&self) -> String {
        if self.kind != FindingKind::SmsPumping {
            return self.detail.clone();
        }
        let shown: Vec<String> = self.accused.iter().take(5).map(|a| a.prefix.to_string()).collect();
        let more = if self.accused.len() > 5 {
            format!(" and {} more", self.accused.len() - 5)
        } else {
            String::new()
        };
        let share = if self.attempts == 0 {
            0.0
        } else {
            100.0 * self.verified as f64 / self.attempts as f64
        };
        format!(
            "SMS pumping towards {}{more}: {} attempts, {share:.1} % verified, {:.0} % expected",
            if shown.is_empty() {
                "no single range".to_owned()
            } else {
                shown.join(", ")
            },
            self.attempts,
            100.0 * self.expected_conversion,
        )
    }
}

/// Part of `sends` that honest traffic does not account for.
fn attack_share(sends: u64, honest: f64) -> f64 {
    if sends == 0 {
        0.0
    } else {
        (1.0 - honest / sends as f64).clamp(0.0, 1.0)
    }
}

/// The uid of an episode: 128 bits of SHA-256 over what never changes in it.
fn uid(key: &EntityKey, kind: FindingKind, opened: Millis) -> FindingUid {
    let mut hash = Sha256::new();
    let text = key.to_string();
    for part in [key.tenant.as_str(), kind.as_str(), &text, &opened.0.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    FindingUid(u128::from_be_bytes(
        digest[..16].try_into().expect("SHA-256 has 32 bytes"),
    ))
}

/// The open episodes of a partition, and the closed ones that verdicts may name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Episodes {
    open: BTreeMap<EpisodeId, Episode>,
    by_uid: BTreeMap<FindingUid, (EpisodeId, EntityKey)>,
    by_age: std::collections::VecDeque<FindingUid>,
    next: EpisodeId,
}

impl Episodes {
    /// Opens an episode; its first record is still to be made.
    pub(crate) fn open(&mut self, opening: Opening) -> &mut Episode {
        let id = self.next;
        self.next += 1;
        let uid = uid(&opening.key, opening.kind, opening.now);
        self.by_uid.insert(uid, (id, opening.key.clone()));
        self.by_age.push_back(uid);
        if self.by_age.len() > CLOSED_MAX
            && let Some(oldest) = self.by_age.pop_front()
            && !self
                .by_uid
                .get(&oldest)
                .is_some_and(|(id, _)| self.open.contains_key(id))
        {
            self.by_uid.remove(&oldest);
        }
        self.open.entry(id).or_insert(Episode {
            id,
            uid,
            key: opening.key,
            tenant: opening.tenant,
            region: opening.region,
            kind: opening.kind,
            level: opening.level,
            opened: opening.now,
            accused: Vec::new(),
            action: opening.action,
            expires: opening.now,
            evidence: Vec::new(),
            log_e_total: 0.0,
            log_e_threshold: 0.0,
            explanations: Vec::new(),
            attempts: 0,
            verified: 0,
            expected_conversion: 0.0,
            cost: Micros(0),
            first_event: opening.now,
            last_event: opening.now,
            moved_from: opening.moved_from,
            samples: Vec::new(),
            detail: String::new(),
            sequence: 0,
            reported: 0,
        })
    }

    pub(crate) fn get(&self, id: EpisodeId) -> Option<&Episode> {
        self.open.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: EpisodeId) -> Option<&mut Episode> {
        self.open.get_mut(&id)
    }

    /// Takes an episode out; its last record is still to be made.
    pub(crate) fn close(&mut self, id: EpisodeId) -> Option<Episode> {
        self.open.remove(&id)
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
        self.by_uid.get(&uid(key, kind, now)).map(|(id, _)| *id)
    }

    /// The latest episode of the tenant that reached level `block` since `since`.
    pub(crate) fn latest_block_of(&self, tenant: TenantIx, since: Millis) -> Option<FindingUid> {
        self.open
            .values()
            .rev()
            .find(|e| {
                e.kind == FindingKind::SmsPumping
                    && e.tenant == Some(tenant)
                    && e.level == Level::Block
                    && e.last_event >= since
            })
            .map(|e| e.uid)
    }

    /// The open episode of a kind about an entity.
    pub(crate) fn about(&self, kind: FindingKind, key: &EntityKey) -> Option<EpisodeId> {
        self.open
            .values()
            .find(|e| e.kind == kind && e.key == *key)
            .map(|e| e.id)
    }

    /// The episode that a verdict names: open or closed.
    pub(crate) fn by_uid(&self, uid: FindingUid) -> Option<(EpisodeId, &EntityKey)> {
        self.by_uid.get(&uid).map(|(id, key)| (*id, key))
    }

    /// How many episodes are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}
