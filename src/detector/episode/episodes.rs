//! Episodes: what is said about one attack or one failure from its first record
//! to its last, under one uid.
//!
//! | state | accusation at `alert` | accusation at `block` | nothing left |
//! |---|---|---|---|
//! | – | Create(alert) | Create(block) | – |
//! | open, alert | – | Update(block) | Close |
//! | open, block | – | Update on material change | Close |
//! | closed | a new episode | a new episode | – |

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Sketch;
use crate::detector::evidence::hammering::Hammer;
use crate::detector::trie::TenantIx;
use crate::model::{
    AccusedPrefix, Activity, BrokenLimit, Currency, EntityKey, EvidenceItem, Explanation, Finding, FindingKind,
    FindingUid, HOUR, Level, MINUTE, Micros, Millis, Prefix, RecommendedAction, Region,
};

/// Number of an episode within its partition.
pub(crate) type EpisodeId = u64;

/// A finding is updated when its messages have grown by this factor.
const GROWTH: u64 = 10;
/// An attack that begins so soon after the block of another may be the same.
const MOVE_MS: i64 = 15 * MINUTE;
/// Ranges that are remembered at most once their blocks have ended.
const ENDED_MAX: usize = 1_000;

/// One accused range and what was seen in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accused {
    pub(crate) prefix: Prefix,
    pub(crate) honest_per_hour: f64,
    pub(crate) sends: u64,
}

/// Attempts, their messages and what those cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) attempts: u64,
    pub(crate) verified: u64,
    pub(crate) sends: u64,
    pub(crate) cost: Micros,
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
    /// What is accused now.
    pub(crate) accused: Vec<Accused>,
    /// What was accused and whose block has ended since; the latest last.
    ended: Vec<Accused>,
    /// Those of them that are accused for a single number's sake.
    hammered: Vec<Prefix>,
    pub(crate) action: RecommendedAction,
    pub(crate) expires: Millis,
    pub(crate) evidence: Vec<EvidenceItem>,
    pub(crate) log_e_total: f64,
    pub(crate) log_e_threshold: f64,
    pub(crate) explanations: Vec<Explanation>,
    pub(crate) limits: Vec<BrokenLimit>,
    /// Totals of the whole episode: each attempt counts once, whatever of it is
    /// accused at present.
    pub(crate) attempts: u64,
    pub(crate) verified: u64,
    /// Messages: attempts and resends. Only attacks count them apart.
    sends: u64,
    pub(crate) cost: Micros,
    pub(crate) expected_conversion: f64,
    pub(crate) first_event: Millis,
    pub(crate) last_event: Millis,
    pub(crate) moved_from: Option<FindingUid>,
    /// Where the attack comes from.
    pub(crate) sketch: Sketch,
    /// When its first block and its latest one were put.
    pub(crate) blocked: Option<(Millis, Millis)>,
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
    /// Nothing is known but what it opens with.
    pub(super) fn new(id: EpisodeId, uid: FindingUid, opening: Opening) -> Self {
        Self {
            id,
            uid,
            key: opening.key,
            tenant: opening.tenant,
            region: opening.region,
            kind: opening.kind,
            level: opening.level,
            opened: opening.now,
            accused: Vec::new(),
            ended: Vec::new(),
            hammered: Vec::new(),
            action: opening.action,
            expires: opening.now,
            evidence: Vec::new(),
            log_e_total: 0.0,
            log_e_threshold: 0.0,
            explanations: Vec::new(),
            limits: Vec::new(),
            attempts: 0,
            verified: 0,
            sends: 0,
            cost: Micros(0),
            expected_conversion: 0.0,
            first_event: opening.now,
            last_event: opening.now,
            moved_from: opening.moved_from,
            sketch: Sketch::default(),
            blocked: None,
            samples: Vec::new(),
            detail: String::new(),
            sequence: 0,
            reported: 0,
        }
    }

    /// All ranges that it has accused, in order.
    pub(crate) fn ranges(&self) -> Vec<Prefix> {
        let mut ranges: Vec<Prefix> = self.all_accused().iter().map(|a| a.prefix).collect();
        ranges.dedup();
        ranges
    }

    fn all_accused(&self) -> Vec<Accused> {
        let mut all: Vec<Accused> = self.accused.iter().chain(&self.ended).cloned().collect();
        all.sort_by_key(|a| a.prefix);
        all
    }

    /// One more attempt inside an accused range.
    pub(crate) fn on_attempt(&mut self, prefix: Prefix, event_time: Millis, cost: Micros) {
        self.attempts += 1;
        self.last_event = self.last_event.max(event_time);
        self.on_message(prefix, cost);
    }

    /// One more message of an attempt that was counted, to a number in `inside`.
    pub(crate) fn on_message(&mut self, inside: Prefix, cost: Micros) {
        self.sends += 1;
        self.cost.0 += cost.0;
        if let Some(accused) = self.accused.iter_mut().find(|a| a.prefix.covers(inside)) {
            accused.sends += 1;
        }
    }

    /// Whether an attack that began at `began` and looks like `sketch` may be this one,
    /// which moved: it has stood at level `block` and was still seen since `since`; it
    /// uses the same app, and either comes from a network, autonomous system or device
    /// that was seen in this one, or began while this one was being blocked or within
    /// some minutes after its latest block.
    pub(crate) fn may_have_moved(&self, since: Millis, began: Millis, sketch: &Sketch) -> bool {
        let Some((first, latest)) = self.blocked else {
            return false;
        };
        let follows = began >= first && began <= latest + MOVE_MS;
        self.last_event >= since && self.sketch.shares_app(sketch) && (self.sketch.shares_source(sketch) || follows)
    }

    /// Attempts that were made before anything was accused, and are counted now.
    pub(crate) fn add(&mut self, tally: Tally) {
        self.attempts += tally.attempts;
        self.verified += tally.verified;
        self.sends += tally.sends;
        self.cost.0 += tally.cost.0;
    }

    /// Accuses a range, or one number in it; it takes the place of all that was accused
    /// inside it.
    pub(crate) fn accuse(&mut self, mut accused: Accused, of_one_number: bool) {
        self.hammered.retain(|p| !accused.prefix.covers(*p));
        self.hammered.extend(of_one_number.then_some(accused.prefix));
        for list in [&mut self.accused, &mut self.ended] {
            list.retain(|narrower| {
                let is_inside = accused.prefix.covers(narrower.prefix);
                accused.sends += if is_inside { narrower.sends } else { 0 };
                !is_inside
            });
        }
        self.accused.push(accused);
        self.accused.sort_by_key(|a| a.prefix);
    }

    /// The block of a range has ended while others stand.
    pub(crate) fn lapse(&mut self, prefix: Prefix) {
        let of = |a: &Accused| a.prefix == prefix;
        self.ended.extend(self.accused.iter().filter(|a| of(a)).cloned());
        self.accused.retain(|a| !of(a));
        let surplus = self.ended.len().saturating_sub(ENDED_MAX);
        self.ended.drain(..surplus);
    }

    /// Messages of the whole episode.
    fn messages(&self) -> u64 {
        self.sends.max(self.attempts)
    }

    /// Whether so much has happened since the last record that it is worth another.
    pub(crate) fn has_grown(&self) -> bool {
        self.messages() >= 50 && self.messages() >= GROWTH * self.reported
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
        // A range whose block has ended is no longer accused; the last record names all
        // that the episode had accused.
        let named = match activity {
            Activity::Close => self.all_accused(),
            Activity::Create | Activity::Update => self.accused.clone(),
        };
        let prefixes = named
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
            limits: self.limits.clone(),
            attempts: self.attempts,
            messages: self.messages(),
            verified: self.verified,
            expected_conversion: self.expected_conversion,
            loss: self.cost,
            loss_per_hour: Micros((self.cost.0 as f64 / hours) as i64),
            currency,
            moved_from: self.moved_from,
            config_hash: hash.clone(),
            samples: self.samples.clone(),
            message: self.message(&named),
        };
        self.sequence += 1;
        self.reported = self.messages();
        finding
    }

    fn message(&self, named: &[Accused]) -> String {
        if self.kind != FindingKind::SmsPumping {
            return self.detail.clone();
        }
        let shown: Vec<String> = named.iter().take(5).map(|a| a.prefix.to_string()).collect();
        let more = if named.len() > 5 {
            format!(" and {} more", named.len() - 5)
        } else {
            String::new()
        };
        let share = if self.attempts == 0 {
            0.0
        } else {
            100.0 * self.verified as f64 / self.attempts as f64
        };
        if !named.is_empty() && named.iter().all(|a| self.hammered.contains(&a.prefix)) {
            let whom = if named.len() == 1 {
                "one number"
            } else {
                "single numbers"
            };
            return format!(
                "SMS pumping towards {whom} of {}{more}: {} messages, {} of {} attempts verified; an honest person asks for {:.1}",
                shown.join(", "),
                self.messages(),
                self.verified,
                self.attempts,
                1.0 + Hammer::honest(),
            );
        }
        let seen = if self.messages() > self.attempts {
            format!("{} messages in {} attempts", self.messages(), self.attempts)
        } else {
            format!("{} attempts", self.attempts)
        };
        format!(
            "SMS pumping towards {}{more}: {seen}, {share:.1} % verified, {:.0} % expected",
            if shown.is_empty() {
                "no single range".to_owned()
            } else {
                shown.join(", ")
            },
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
pub(super) fn uid(key: &EntityKey, kind: FindingKind, opened: Millis) -> FindingUid {
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
