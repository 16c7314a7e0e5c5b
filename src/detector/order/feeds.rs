//! The clocks of the input feeds, and log time: the smallest of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::log::{Feed, FeedScope, RecordCounts, Tick};
use crate::model::{MINUTE, Millis, SECOND};

/// A feed that no member has spoken of for this long is left out of log time.
pub(crate) const OWNERLESS_MS: i64 = 5 * MINUTE;

/// A feed that has held nothing more for this long does not hold log time back:
/// else the quiet partition of a backfill would stop time where it ended.
pub(super) const IDLE_MS: i64 = 5 * SECOND;
/// What a member said of idleness counts for this long.
const SAID_MS: i64 = 3 * SECOND;

/// Share of dead letters among an input's records that is worth a finding, and
/// the records and time over which it is judged.
pub(crate) const BAD_RATIO: f64 = 0.05;
const BAD_RECORDS_MIN: u64 = 100;

/// Something is wrong, or well again, with an input feed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FeedAlarm {
    /// No member has spoken of the feed for five minutes: for how long, in milliseconds.
    Gap(Feed, i64),
    /// It has an owner again.
    GapOver(Feed),
    /// Too many of its records cannot be used: the share since the last judgement.
    BadRatio(Feed, f64),
    /// The share is ordinary again.
    BadRatioOver(Feed),
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct FeedState {
    last: Option<(i64, u32)>,
    progress: Option<Progress>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    clock: Millis,
    started: bool,
    idle_ms: i64,
    scope: FeedScope,
    generation: i32,
    wall: Millis,
    gap: bool,
    bad: bool,
    judged: RecordCounts,
}

/// Every feed that the log has spoken of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Feeds {
    known: BTreeMap<Feed, FeedState>,
    log_time: Millis,
    wall: Millis,
}

impl Default for Feeds {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            log_time: Millis::MIN,
            wall: Millis::MIN,
        }
    }
}

impl Feeds {
    /// Whether (offset, index) lies beyond all that this feed gave so far.
    pub(crate) fn admit(&mut self, feed: &Feed, offset: i64, index: u32) -> bool {
        if !self.known.contains_key(feed) {
            self.known.insert(feed.clone(), FeedState::default());
        }
        let state = self.known.get_mut(feed).expect("it was just inserted");
        if state.last.is_some_and(|last| last >= (offset, index)) {
            return false;
        }
        state.last = Some((offset, index));
        true
    }

    /// Takes a member's word on its feeds and moves log time.
    pub(crate) fn tick(&mut self, tick: &Tick) -> Vec<FeedAlarm> {
        let mut alarms = Vec::new();
        self.wall = self.wall.max(tick.wall);
        for word in &tick.feeds {
            let state = self.known.entry(word.feed.clone()).or_default();
            match &mut state.progress {
                Some(known) if known.generation > tick.generation => {}
                Some(known) => {
                    known.clock = word.clock;
                    known.started |= word.started;
                    known.idle_ms = word.idle_ms;
                    known.scope = word.scope.clone();
                    known.generation = tick.generation;
                    known.wall = tick.wall;
                    if std::mem::take(&mut known.gap) {
                        alarms.push(FeedAlarm::GapOver(word.feed.clone()));
                    }
                    alarms.extend(known.judge_ratio(&word.feed, word.counts));
                }
                None => {
                    state.progress = Some(Progress {
                        clock: word.clock,
                        started: word.started,
                        idle_ms: word.idle_ms,
                        scope: word.scope.clone(),
                        generation: tick.generation,
                        wall: tick.wall,
                        gap: false,
                        bad: false,
                        judged: word.counts,
                    });
                }
            }
        }
        for (feed, state) in &mut self.known {
            let Some(known) = &mut state.progress else { continue };
            let silent_ms = self.wall - known.wall;
            if !known.gap && silent_ms > OWNERLESS_MS {
                known.gap = true;
                alarms.push(FeedAlarm::Gap(feed.clone(), silent_ms));
            }
        }
        self.advance();
        alarms
    }

    /// Log time is the smallest clock of the feeds that have an owner and are not
    /// idle; it never falls. While no feed has ever held a record there is nothing to time: the
    /// wall clock that empty feeds follow must not outrun a backlog's first record.
    fn advance(&mut self) {
        let known = || {
            self.known
                .values()
                .filter_map(|f| f.progress.as_ref())
                .filter(|p| !p.gap)
        };
        if !known().any(|p| p.started) {
            return;
        }
        let idle = |p: &&Progress| p.idle_ms >= IDLE_MS && self.wall - p.wall <= SAID_MS;
        let smallest = known().filter(|p| !idle(p)).map(|p| p.clock).min();
        // When nothing is left to read anywhere, time is where the input ended.
        let ended = || known().filter(|p| p.started).map(|p| p.clock).max();
        if let Some(time) = smallest.or_else(ended) {
            self.log_time = self.log_time.max(time);
        }
    }

    /// How far time has got; [`Millis::MIN`] before the first tick.
    pub(crate) fn log_time(&self) -> Millis {
        self.log_time
    }

    fn verification_feeds<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a Progress> {
        self.known
            .values()
            .filter_map(|f| f.progress.as_ref())
            .filter(move |p| p.scope.verifications && p.scope.tenant.as_deref().is_none_or(|t| t == tenant))
    }

    /// Whether all feeds that may carry the tenant's verifications have an owner.
    /// Log time is the smallest of all clocks, so then it is never ahead of the
    /// verification clock, and silence up to log time is real silence.
    pub(crate) fn verifications_flow(&self, tenant: &str) -> bool {
        self.verification_feeds(tenant).all(|p| !p.gap)
    }

    /// Whether any feed may carry the tenant's verifications.
    pub(crate) fn verifications_exist(&self, tenant: &str) -> bool {
        self.verification_feeds(tenant).next().is_some()
    }
}

impl Progress {
    /// Judges the share of dead letters over each [`BAD_RECORDS_MIN`] records.
    fn judge_ratio(&mut self, feed: &Feed, counts: RecordCounts) -> Option<FeedAlarm> {
        let total = |c: &RecordCounts| c.usable + c.ignored + c.dead_lettered;
        let records = total(&counts).saturating_sub(total(&self.judged));
        if records < BAD_RECORDS_MIN {
            return None;
        }
        let ratio = counts.dead_lettered.saturating_sub(self.judged.dead_lettered) as f64 / records as f64;
        self.judged = counts;
        let bad = ratio > BAD_RATIO;
        let changed = bad != self.bad;
        self.bad = bad;
        match (changed, bad) {
            (true, true) => Some(FeedAlarm::BadRatio(feed.clone(), ratio)),
            (true, false) => Some(FeedAlarm::BadRatioOver(feed.clone())),
            _ => None,
        }
    }
}
