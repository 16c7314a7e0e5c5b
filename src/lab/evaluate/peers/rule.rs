//! What the rules have in common: a state for each prefix of each tenant, and a
//! block of a day when the rule is broken there.

use ahash::AHashMap;
use compact_str::CompactString;

use crate::lab::evaluate::judge::{Decision, Judge, digits_of};
use crate::lab::simulate::SimEvent;
use crate::model::{DAY, Destination, EventBody, HOUR, Millis, Outcome, Prefix};
use crate::number_plan::NumberPlan;

/// How long a prefix stays blocked once its rule is kept again.
const BLOCK_MS: i64 = DAY;

/// Digits at the end of a number that its range leaves open.
const OPEN_DIGITS: usize = 4;

/// A rule over the sends into one prefix.
pub(super) trait Rule {
    /// What is kept for a prefix.
    type Node: Default;

    /// The prefix that a number counts for.
    fn prefix(&self, to: &Destination) -> Option<Prefix> {
        range_of(to)
    }

    /// One more send; whether the rule is broken.
    fn send(&self, node: &mut Self::Node, at: i64) -> bool;

    /// One of them was verified. Only rules that ask for it are told.
    fn verified(&self, _node: &mut Self::Node, _at: i64) {}

    /// Whether verifications matter; sends of apps that never verify are then
    /// passed over.
    fn asks_for_verifications(&self) -> bool {
        false
    }
}

/// A number without its last four digits.
pub(super) fn range_of(to: &Destination) -> Option<Prefix> {
    let digits = digits_of(to)?;
    match to {
        Destination::Number(_) => Some(digits.truncated(digits.len() - OPEN_DIGITS)),
        Destination::Masked { .. } | Destination::Unknown => Some(digits),
    }
}

/// The shortest prefix that is the country's own.
pub(super) fn country_of(to: &Destination) -> Option<Prefix> {
    let digits = digits_of(to)?;
    let class = NumberPlan::shared().classify_prefix(digits);
    Some(digits.truncated(usize::from(class.region_digits).max(1)))
}

struct Watched<N> {
    node: N,
    blocked_until: i64,
}

/// A rule at work.
pub(super) struct PerPrefix<R: Rule> {
    rule: R,
    nodes: AHashMap<(CompactString, Prefix), Watched<R::Node>>,
    sessions: AHashMap<CompactString, Prefix>,
    verifying: AHashMap<(CompactString, CompactString), ()>,
}

impl<R: Rule> PerPrefix<R> {
    pub(super) fn new(rule: R) -> Self {
        Self {
            rule,
            nodes: AHashMap::new(),
            sessions: AHashMap::new(),
            verifying: AHashMap::new(),
        }
    }

    fn send(&mut self, event: &SimEvent, session: Option<&CompactString>, out: &mut Vec<Decision>) {
        let Some(prefix) = self.rule.prefix(&event.event.to) else {
            return;
        };
        let tenant = &event.event.tenant;
        if self.rule.asks_for_verifications() {
            if let Some(session) = session {
                self.sessions.insert(session.clone(), prefix);
            }
            if !self.verifying.contains_key(&(tenant.clone(), event.event.app.clone())) {
                return;
            }
        }
        let watched = self.nodes.entry((tenant.clone(), prefix)).or_insert_with(|| Watched {
            node: R::Node::default(),
            blocked_until: 0,
        });
        let now = event.ingest.0;
        // A block is renewed once an hour of it is over.
        if self.rule.send(&mut watched.node, now) && watched.blocked_until < now + BLOCK_MS - HOUR {
            watched.blocked_until = now + BLOCK_MS;
            out.push(Decision::Block {
                tenant: tenant.clone(),
                app: None,
                prefix,
                until: Millis(watched.blocked_until),
                allow_ratio: 0.0,
            });
        }
    }

    fn verified(&mut self, event: &SimEvent, session: Option<&CompactString>) {
        let tenant = &event.event.tenant;
        self.verifying.insert((tenant.clone(), event.event.app.clone()), ());
        let known = session.and_then(|session| self.sessions.remove(session));
        let prefix = known.or_else(|| self.rule.prefix(&event.event.to));
        if let Some(watched) = prefix.and_then(|prefix| self.nodes.get_mut(&(tenant.clone(), prefix))) {
            self.rule.verified(&mut watched.node, event.ingest.0);
        }
    }
}

impl<R: Rule> Judge for PerPrefix<R> {
    fn tell_time(&mut self, _now: Millis, _out: &mut Vec<Decision>) {}

    fn see(&mut self, event: &SimEvent, out: &mut Vec<Decision>) {
        match &event.event.body {
            EventBody::Send(send) => self.send(event, send.session.as_ref(), out),
            EventBody::Verification(verification)
                if verification.outcome == Outcome::Approved && self.rule.asks_for_verifications() =>
            {
                self.verified(event, verification.session.as_ref());
            }
            EventBody::Verification(_) | EventBody::Delivery(_) => {}
        }
    }
}
