//! Sends and approvals against the blocks that stand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use compact_str::CompactString;

use super::episode::Episode;
use super::money::Sum;
use super::seen::{Seen, SeenWhat};
use crate::detector::Effect;
use crate::lab::evaluate::judge::Decision;
use crate::model::{BlockAction, BlockChange, HOUR, Millis, Prefix};

/// Events that are kept back until what was decided before them is known: more
/// than are handed to a detector at once.
const KEPT_BACK: usize = 1_024;

/// A code comes back within this time, or is another one's.
const APPROVAL_MS: i64 = HOUR;

/// The episode of rules that know none.
const NO_EPISODE: u128 = 0;

/// What blocks would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Messages inside them while they stood, as far as they had left.
    pub stopped: Sum,
    /// Different numbers that were verified after a message that would have been
    /// stopped.
    pub verified_people: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Millis,
    allow_ratio: f64,
    episode: u128,
}

#[derive(Debug, Default)]
struct Blocks {
    entries: BTreeMap<(Prefix, Option<CompactString>), Entry>,
    /// Bit n: there was a block of n digits.
    lengths: u32,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Join {
    Session(CompactString, CompactString),
    Message(CompactString, CompactString),
    Person(CompactString, u64),
}

/// Keeps the account of one detector or rule while events go by.
#[derive(Debug, Default)]
pub struct Ledger {
    blocks: BTreeMap<CompactString, Blocks>,
    kept_back: VecDeque<Arc<Seen>>,
    /// Messages that would have been stopped, to be joined with approvals.
    stopped: AHashMap<Join, (u128, Millis)>,
    people: AHashSet<(u128, u64)>,
    everyone: AHashSet<u64>,
    strangers: u64,
    total: Account,
    episodes: BTreeMap<u128, Account>,
    found: BTreeMap<u128, Episode>,
    /// Messages that would have been stopped, by the hour since 1970.
    hours: BTreeMap<i64, Sum>,
    /// Prefixes that were blocked, by tenant, and by episode.
    blocked: BTreeSet<(CompactString, Prefix)>,
    blocked_by: BTreeMap<u128, BTreeSet<Prefix>>,
}

impl Ledger {
    /// One more event, before the detector is handed it.
    pub fn saw(&mut self, seen: Arc<Seen>) {
        self.kept_back.push_back(seen);
        while self.kept_back.len() > KEPT_BACK {
            self.settle_first();
        }
    }

    /// Something that the detector says.
    pub fn said(&mut self, effect: &Effect) {
        match effect {
            Effect::Finding(finding) => match self.found.get_mut(&finding.uid.0) {
                Some(episode) => episode.take(finding),
                None => {
                    self.found.insert(finding.uid.0, Episode::begin(finding));
                }
            },
            Effect::Block(time, change) => {
                self.settle_until(*time);
                match change {
                    BlockChange::Put(block) => {
                        let Some(prefix) = block.key.prefix else { return };
                        let entry = Entry {
                            until: block.expires_at,
                            allow_ratio: match block.action {
                                BlockAction::Block => 0.0,
                                BlockAction::Sample => block.allow_ratio,
                            },
                            episode: block.finding_uid.0,
                        };
                        self.put(&block.key.tenant, block.key.app.clone(), prefix, entry);
                    }
                    BlockChange::Delete(key) => {
                        if let Some(prefix) = key.prefix {
                            self.lift(&key.tenant, key.app.clone(), prefix);
                        }
                    }
                }
            }
            Effect::Stats(_) | Effect::Audit(_) => {}
        }
    }

    /// Something that a rule says at `now`.
    pub fn decided(&mut self, decision: &Decision, now: Millis) {
        match decision {
            Decision::Block {
                tenant,
                app,
                prefix,
                until,
                allow_ratio,
            } => {
                self.settle_until(now);
                let entry = Entry {
                    until: *until,
                    allow_ratio: *allow_ratio,
                    episode: NO_EPISODE,
                };
                self.put(tenant, app.clone(), *prefix, entry);
            }
            Decision::Lift { tenant, app, prefix } => {
                self.settle_until(now);
                self.lift(tenant, app.clone(), *prefix);
            }
            Decision::Alert { .. } => {}
        }
    }

    /// No more events come.
    pub fn finish(&mut self) {
        while !self.kept_back.is_empty() {
            self.settle_first();
        }
    }

    /// What all blocks together would have done.
    pub fn total(&self) -> Account {
        Account {
            verified_people: self.everyone.len() as u64 + self.strangers,
            ..self.total.clone()
        }
    }

    /// What the blocks of one episode would have done.
    pub fn of(&self, episode: u128) -> Account {
        self.episodes.get(&episode).cloned().unwrap_or_default()
    }

    /// The ranges that an episode blocked, or else accused.
    pub fn ranges_of(&self, episode: &Episode) -> Vec<Prefix> {
        let blocked = self.blocked_by.get(&episode.uid);
        match blocked {
            Some(blocked) if !blocked.is_empty() => blocked.iter().copied().collect(),
            _ => episode.prefixes.keys().copied().collect(),
        }
    }

    /// The episodes, by when they opened.
    pub fn found(&self) -> Vec<&Episode> {
        let mut episodes: Vec<&Episode> = self.found.values().collect();
        episodes.sort_by_key(|episode| (episode.opened, episode.uid));
        episodes
    }

    /// Messages that would have been stopped, by the hour since 1970.
    pub fn hours(&self) -> &BTreeMap<i64, Sum> {
        &self.hours
    }

    /// Different prefixes that were blocked.
    pub fn blocked_prefixes(&self) -> u64 {
        self.blocked.len() as u64
    }

    fn put(&mut self, tenant: &CompactString, app: Option<CompactString>, prefix: Prefix, entry: Entry) {
        let blocks = self.blocks.entry(tenant.clone()).or_default();
        blocks.lengths |= 1 << prefix.len();
        blocks.entries.insert((prefix, app), entry);
        self.blocked.insert((tenant.clone(), prefix));
        self.blocked_by.entry(entry.episode).or_default().insert(prefix);
    }

    fn lift(&mut self, tenant: &str, app: Option<CompactString>, prefix: Prefix) {
        if let Some(blocks) = self.blocks.get_mut(tenant) {
            blocks.entries.remove(&(prefix, app));
        }
    }

    /// What arrived by `now` was not touched by what is decided then.
    fn settle_until(&mut self, now: Millis) {
        while self.kept_back.front().is_some_and(|seen| seen.at <= now) {
            self.settle_first();
        }
    }

    fn settle_first(&mut self) {
        let Some(seen) = self.kept_back.pop_front() else { return };
        match &seen.what {
            SeenWhat::Send {
                app,
                number,
                has_left,
                session,
                message_id,
                luck,
            } => {
                let Some(episode) = self.stopping(&seen, app, *number, *luck) else {
                    return;
                };
                if *has_left {
                    self.total.stopped.add(seen.region, seen.price);
                    let hour = self.hours.entry(seen.at.0.div_euclid(HOUR)).or_default();
                    hour.add(seen.region, seen.price);
                    let own = self.episodes.entry(episode).or_default();
                    own.stopped.add(seen.region, seen.price);
                }
                let tenant = &seen.tenant;
                let joins = [
                    session.clone().map(|id| Join::Session(tenant.clone(), id)),
                    message_id.clone().map(|id| Join::Message(tenant.clone(), id)),
                    seen.who.map(|who| Join::Person(tenant.clone(), who)),
                ];
                for join in joins.into_iter().flatten() {
                    self.stopped.insert(join, (episode, seen.at));
                }
            }
            SeenWhat::Approved { session, message_id } => self.approved(&seen, session.as_ref(), message_id.as_ref()),
            SeenWhat::Receipt => {}
        }
    }

    fn approved(&mut self, seen: &Seen, session: Option<&CompactString>, message_id: Option<&CompactString>) {
        let tenant = &seen.tenant;
        // The surest join that is told decides.
        let join = match (session, message_id, seen.who) {
            (Some(id), ..) => Join::Session(tenant.clone(), id.clone()),
            (None, Some(id), _) => Join::Message(tenant.clone(), id.clone()),
            (None, None, Some(who)) => Join::Person(tenant.clone(), who),
            (None, None, None) => return,
        };
        let Some((episode, sent)) = self.stopped.get(&join).copied() else {
            return;
        };
        if seen.at - sent > APPROVAL_MS {
            return;
        }
        let is_new = if let Some(who) = seen.who {
            self.everyone.insert(who);
            self.people.insert((episode, who))
        } else {
            self.stopped.remove(&join);
            self.strangers += 1;
            true
        };
        if is_new {
            self.episodes.entry(episode).or_default().verified_people += 1;
        }
    }

    /// The episode whose block stops a message.
    fn stopping(&self, seen: &Seen, app: &str, number: Prefix, luck: f64) -> Option<u128> {
        let blocks = self.blocks.get(&seen.tenant)?;
        (1..=number.len())
            .filter(|len| blocks.lengths & (1 << len) != 0)
            .find_map(|len| {
                let prefix = number.truncated(len);
                let found = blocks.entries.range((prefix, None)..);
                found
                    .take_while(|((of, _), _)| *of == prefix)
                    .filter(|((_, of), _)| of.as_deref().is_none_or(|of| of == app))
                    .find(|(_, entry)| seen.at < entry.until && luck >= entry.allow_ratio)
                    .map(|(_, entry)| entry.episode)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::Policy;
    use crate::model::{Destination, E164, Event, EventBody, Outcome, Send, Verification};

    fn send(ledger: &mut Ledger, at: i64, number: &str, session: &str) {
        let event = Event {
            id: format!("{at}").into(),
            time: Millis(at),
            tenant: "acme".into(),
            app: "otp".into(),
            to: Destination::Number(E164::parse(number).unwrap()),
            body: EventBody::Send(Send {
                session: (!session.is_empty()).then(|| session.into()),
                ..Send::default()
            }),
        };
        ledger.saw(Arc::new(Seen::of(&event, Millis(at), &Policy::default()).unwrap()));
    }

    fn approve(ledger: &mut Ledger, at: i64, number: Option<&str>, session: &str) {
        let event = Event {
            id: "v".into(),
            time: Millis(at),
            tenant: "acme".into(),
            app: "otp".into(),
            to: number.map_or(Destination::Unknown, |n| Destination::Number(E164::parse(n).unwrap())),
            body: EventBody::Verification(Verification {
                session: (!session.is_empty()).then(|| session.into()),
                message_id: None,
                outcome: Outcome::Approved,
            }),
        };
        ledger.saw(Arc::new(Seen::of(&event, Millis(at), &Policy::default()).unwrap()));
    }

    fn block(ledger: &mut Ledger, at: i64, prefix: &str, until: i64) {
        let decision = Decision::Block {
            tenant: "acme".into(),
            app: None,
            prefix: Prefix::parse(prefix).unwrap(),
            until: Millis(until),
            allow_ratio: 0.0,
        };
        ledger.decided(&decision, Millis(at));
    }

    #[test]
    fn only_what_arrives_while_a_block_stands_is_stopped() {
        let mut ledger = Ledger::default();
        send(&mut ledger, 10, "+998901234567", "");
        send(&mut ledger, 20, "+998901234568", "");
        // Decided at 10, though more has been handed over by then.
        block(&mut ledger, 10, "+9989012", 100);
        send(&mut ledger, 30, "+998901234569", "");
        send(&mut ledger, 30, "+998911234569", "");
        send(&mut ledger, 100, "+998901234560", "");
        ledger.finish();
        assert_eq!(ledger.total().stopped.messages, 2);
        assert_eq!(ledger.blocked_prefixes(), 1);
    }

    #[test]
    fn verified_people_are_joined_by_session_or_number_and_counted_once() {
        let mut ledger = Ledger::default();
        block(&mut ledger, 0, "+9989012", 1_000_000);
        send(&mut ledger, 10, "+998901234567", "a");
        send(&mut ledger, 11, "+998901234567", "b");
        send(&mut ledger, 12, "+998901234568", "");
        send(&mut ledger, 13, "+998911234568", "c");
        send(&mut ledger, 14, "+998901234569", "d");
        for (number, session) in [
            (Some("+998901234567"), "a"),
            (Some("+998901234567"), "b"),
            (Some("+998901234568"), ""),
            (Some("+998911234568"), "c"),
        ] {
            approve(&mut ledger, 20, number, session);
        }
        // Neither another session of the same number nor one whose hour is over.
        approve(&mut ledger, 21, Some("+998901234569"), "e");
        approve(&mut ledger, 14 + APPROVAL_MS + 1, Some("+998901234569"), "d");
        ledger.finish();
        assert_eq!(ledger.total().verified_people, 2);
    }
}
