//! Findings put together: one entry an episode.

use std::collections::BTreeMap;

use crate::model::{Activity, EntityKey, Finding, FindingKind, Level, Micros, Millis, Prefix, Region};

/// A range that an episode accused.
#[derive(Clone, Debug, PartialEq)]
pub struct Accused {
    /// Since when.
    pub since: Millis,
    /// Messages into it since the evidence began, when it was last named.
    pub sends: u64,
}

/// One episode, from its opening to its close.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Its uid.
    pub uid: u128,
    /// About what.
    pub kind: FindingKind,
    /// About whom.
    pub key: EntityKey,
    /// The highest level that it reached.
    pub level: Level,
    /// When it opened.
    pub opened: Millis,
    /// When it first was of level `block`.
    pub blocked: Option<Millis>,
    /// When it closed; `None`: it was open at the end.
    pub closed: Option<Millis>,
    /// Event time of its first evidence.
    pub evidence_since: Millis,
    /// Region of the accused numbers.
    pub region: Option<Region>,
    /// Every range that it accused.
    pub prefixes: BTreeMap<Prefix, Accused>,
    /// Money lost when it was first decided to block, or else to alert.
    pub loss_at_decision: Micros,
    /// Messages into the accused ranges by then.
    pub sends_at_decision: u64,
    /// Of the attempts by then, how many were verified, of how many.
    pub verified_at_decision: (u64, u64),
    /// The sentence of its decisive record.
    pub message: String,
}

impl Episode {
    /// Begins with its first record.
    pub fn begin(finding: &Finding) -> Self {
        let mut episode = Self {
            uid: finding.uid.0,
            kind: finding.kind,
            key: finding.key.clone(),
            level: finding.level,
            opened: finding.opened,
            blocked: None,
            closed: None,
            evidence_since: finding.start_time,
            region: finding.region,
            prefixes: BTreeMap::new(),
            loss_at_decision: Micros(0),
            sends_at_decision: 0,
            verified_at_decision: (0, 0),
            message: String::new(),
        };
        episode.decide(finding);
        episode
    }

    /// One more record of it.
    pub fn take(&mut self, finding: &Finding) {
        if finding.level > self.level {
            self.level = finding.level;
            self.decide(finding);
        } else {
            self.accuse(finding);
        }
        if finding.activity == Activity::Close {
            self.closed = Some(finding.time);
        }
    }

    fn decide(&mut self, finding: &Finding) {
        if finding.level == Level::Block {
            self.blocked = Some(finding.time);
        }
        self.loss_at_decision = finding.loss;
        self.sends_at_decision = finding.prefixes.iter().map(|accused| accused.sends).sum();
        self.verified_at_decision = (finding.verified, finding.attempts);
        self.message.clone_from(&finding.message);
        self.accuse(finding);
    }

    fn accuse(&mut self, finding: &Finding) {
        for accused in &finding.prefixes {
            let known = self.prefixes.entry(accused.prefix).or_insert(Accused {
                since: finding.time,
                sends: 0,
            });
            known.sends = known.sends.max(accused.sends);
        }
    }

    /// When it acted at its highest level.
    pub fn decided(&self) -> Millis {
        self.blocked.unwrap_or(self.opened)
    }
}
