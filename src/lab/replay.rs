//! The records of a file through the detector.

use std::io::{self, Write};
use std::time::Instant;

use serde::Serialize;
use thiserror::Error;

use super::fold::Fold;
use super::source::{Refused, Source, SourceError, What};
use crate::detector::{Effect, EventCounts, Policy, Tuning};
use crate::model::log::RecordCounts;
use crate::model::{FindingKind, Level, Millis};
use crate::render::{blocklist, ocsf};

/// Refused records that are reported one by one; all of them are counted.
const SHOWN_MAX: usize = 5;

/// Items between two calls of the progress.
const TOLD_EVERY: u64 = 4_096;

/// Where a replay writes; `None` is not wanted.
#[derive(Default)]
pub struct Sinks<'a> {
    /// One finding a line.
    pub alerts: Option<&'a mut dyn Write>,
    /// One change of the blocklist a line.
    pub blocklist: Option<&'a mut dyn Write>,
    /// Episodes, counted by the highest level that they reach.
    pub episodes: EpisodeCounter,
    /// The state after the last record, before its moment has passed: what a
    /// replay of the next file begins with.
    pub state: Option<&'a mut Vec<u8>>,
    /// Looks on.
    pub watch: Option<&'a mut dyn Watch>,
}

/// Looks on while a replay runs.
pub trait Watch {
    /// The detector said something.
    fn said(&mut self, effect: &Effect);

    /// The replay is over.
    fn ended(&mut self, fold: &Fold);
}

impl Sinks<'_> {
    /// Writes what the detector says.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn take(&mut self, effect: &Effect) -> io::Result<()> {
        if let Some(watch) = self.watch.as_deref_mut() {
            watch.said(effect);
        }
        match effect {
            Effect::Finding(finding) => {
                self.episodes.add(finding.uid.0, finding.kind, finding.level);
                if let Some(out) = self.alerts.as_deref_mut() {
                    out.write_all(&ocsf::finding(finding).value)?;
                    out.write_all(b"\n")?;
                }
            }
            Effect::Block(time, change) => {
                if let Some(out) = self.blocklist.as_deref_mut() {
                    out.write_all(&blocklist::line(*time, change))?;
                    out.write_all(b"\n")?;
                }
            }
            Effect::Stats(_) | Effect::Audit(_) => {}
        }
        Ok(())
    }
}

/// What a replay did: the contract's summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Lines, by what became of them.
    pub records: Records,
    /// Events, by what became of them.
    pub events: Events,
    /// Episodes opened, by their highest level, and operational ones.
    pub findings: Findings,
    /// Earliest arrival of a usable line; `None` when there was none.
    pub first_time: Option<String>,
    /// Latest arrival of a usable line.
    pub last_time: Option<String>,
    /// Wall time of the whole replay.
    pub elapsed_seconds: f64,
    /// Events over that time.
    pub events_per_second: f64,
    /// Largest resident memory of the process.
    pub peak_rss_bytes: u64,
}

/// See [`Summary::records`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Records {
    pub usable: u64,
    pub ignored: u64,
    pub dead_lettered: u64,
}

/// See [`Summary::events`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Events {
    pub counted: u64,
    pub duplicate: u64,
    pub late: u64,
    pub quarantined: u64,
}

/// See [`Summary::findings`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Findings {
    pub alert: u64,
    pub block: u64,
    pub operational: u64,
}

/// What a summary is put together from.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    /// Records, by what became of them.
    pub records: RecordCounts,
    /// Events, by what became of them.
    pub events: EventCounts,
    /// Episodes.
    pub findings: Findings,
    /// Earliest and latest arrival of a usable record.
    pub first_time: Option<Millis>,
    /// See `first_time`.
    pub last_time: Option<Millis>,
    /// When the replay began.
    pub began: Instant,
}

impl Summary {
    /// The summary of a replay that has just ended.
    pub fn new(accounts: &Accounts) -> Self {
        let elapsed = accounts.began.elapsed().as_secs_f64();
        let events: Events = accounts.events.into();
        let total = events.counted + events.duplicate + events.late + events.quarantined;
        Self {
            records: accounts.records.into(),
            events,
            findings: accounts.findings,
            first_time: accounts.first_time.map(|t| t.to_string()),
            last_time: accounts.last_time.map(|t| t.to_string()),
            elapsed_seconds: elapsed,
            events_per_second: if elapsed > 0.0 { total as f64 / elapsed } else { 0.0 },
            peak_rss_bytes: peak_rss_bytes(),
        }
    }
}

impl From<RecordCounts> for Records {
    fn from(c: RecordCounts) -> Self {
        Self {
            usable: c.usable,
            ignored: c.ignored,
            dead_lettered: c.dead_lettered,
        }
    }
}

impl From<EventCounts> for Events {
    fn from(c: EventCounts) -> Self {
        Self {
            counted: c.counted,
            duplicate: c.duplicate,
            late: c.late,
            quarantined: c.quarantined,
        }
    }
}

/// Counts episodes by the highest level that they reach.
#[derive(Debug, Default)]
pub struct EpisodeCounter {
    levels: std::collections::BTreeMap<u128, (FindingKind, Level)>,
}

impl EpisodeCounter {
    /// One more record of an episode.
    pub fn add(&mut self, uid: u128, kind: FindingKind, level: Level) {
        let known = self.levels.entry(uid).or_insert((kind, level));
        known.1 = known.1.max(level);
    }

    /// The counts so far.
    pub fn counts(&self) -> Findings {
        let mut findings = Findings::default();
        for (kind, level) in self.levels.values() {
            match (kind.is_operational(), level) {
                (true, _) => findings.operational += 1,
                (false, Level::Alert) => findings.alert += 1,
                (false, Level::Block) => findings.block += 1,
            }
        }
        findings
    }
}

/// A replay's result: the summary, and the first records that were refused.
#[derive(Debug)]
pub struct Replayed {
    /// The contract's summary.
    pub summary: Summary,
    /// Place and reason of the first refused records.
    pub refused: Vec<(u64, Refused)>,
}

/// Why a replay cannot go on.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(io::Error),
}

/// One detector over the records of a source.
#[derive(Debug)]
pub struct Replay {
    fold: Fold,
    effects: Vec<Effect>,
    refused: Vec<(u64, Refused)>,
    first: Option<Millis>,
    last: Option<Millis>,
    clock: Millis,
    until: Option<Millis>,
    is_over: bool,
    began: Instant,
}

/// Puts the records of `source` before `replay` to the end. `told` hears how many
/// of how many are done, where the source knows. The summary is about this source
/// only.
///
/// # Errors
/// What reading or writing fails with. Records that cannot be used are counted,
/// not errors.
pub fn replay(
    source: &mut dyn Source,
    mut replay: Replay,
    sinks: &mut Sinks<'_>,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, ReplayError> {
    let mut items = 0_u64;
    while !replay.is_over
        && let Some(item) = source.next_item()?
    {
        replay.take(item.place, item.what);
        replay.publish(|effect| sinks.take(effect))?;
        items += 1;
        if items.is_multiple_of(TOLD_EVERY)
            && let Some((done, of)) = source.progress()
        {
            told(done, of);
        }
    }
    match sinks.state.take() {
        Some(state) => *state = replay.save(),
        None => replay.finish(),
    }
    replay.publish(|effect| sinks.take(effect))?;
    if let Some(watch) = sinks.watch.as_deref_mut() {
        watch.ended(&replay.fold);
    }
    Ok(replay.result(sinks.episodes.counts()))
}

impl Replay {
    /// A detector that knows nothing, under a policy.
    pub fn new(policy: &Policy, secret: Option<&[u8]>) -> Self {
        let mut effects = Vec::new();
        let fold = Fold::new(policy, Tuning::default(), secret, &mut effects);
        Self {
            effects,
            ..Self::going_on(fold)
        }
    }

    /// Goes on from an earlier fold.
    pub fn going_on(fold: Fold) -> Self {
        Self {
            clock: fold.clock(),
            fold,
            effects: Vec::new(),
            refused: Vec::new(),
            first: None,
            last: None,
            until: None,
            is_over: false,
            began: Instant::now(),
        }
    }

    /// Takes nothing that arrives later than `until`.
    #[must_use]
    pub fn until(self, until: Option<Millis>) -> Self {
        Self { until, ..self }
    }

    /// One record, by its place in the source.
    pub fn take(&mut self, place: u64, what: What) {
        match what {
            What::Usable { at, .. } if self.until.is_some_and(|until| at > until) => self.is_over = true,
            What::Usable { events, at, is_further } => {
                self.clock = self.clock.max(at);
                self.first = Some(self.first.map_or(at, |first| first.min(at)));
                self.last = Some(self.clock);
                if is_further {
                    self.fold.further(events, at, &mut self.effects);
                } else {
                    self.fold.usable(events, at, &mut self.effects);
                }
            }
            What::Ignored => self.fold.ignored(),
            // A command arrives with the record before it.
            What::Feedback(feedback) => self.fold.feedback(feedback, self.clock, &mut self.effects),
            What::Refused(refused) => {
                self.fold.dead_lettered();
                if self.refused.len() < SHOWN_MAX {
                    self.refused.push((place, refused));
                }
            }
        }
    }

    /// No more records come.
    pub fn finish(&mut self) {
        match self.until {
            Some(until) if self.is_over => self.fold.tell_time(until + 1, &mut self.effects),
            _ => self.fold.finish(&mut self.effects),
        }
    }

    /// The state, to go on later with the records that come next; in place of
    /// [`Replay::finish`], which decides what the last moment's passing would.
    pub fn save(&mut self) -> Vec<u8> {
        self.fold.to_snapshot(&mut self.effects)
    }

    /// Hands over what the detector has said since the last time.
    ///
    /// # Errors
    /// What `publish` fails with.
    pub fn publish(&mut self, mut publish: impl FnMut(&Effect) -> io::Result<()>) -> Result<(), ReplayError> {
        for effect in self.effects.drain(..) {
            publish(&effect).map_err(ReplayError::Output)?;
        }
        Ok(())
    }

    /// The result, after [`Replay::finish`] or [`Replay::save`].
    pub fn result(self, findings: Findings) -> Replayed {
        let summary = Summary::new(&Accounts {
            records: self.fold.record_counts(),
            events: self.fold.event_counts(),
            findings,
            first_time: self.first,
            last_time: self.last,
            began: self.began,
        });
        Replayed {
            summary,
            refused: self.refused,
        }
    }
}

/// Largest resident memory of this process; 0 where the system does not tell.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|l| l.trim().strip_suffix("kB"))
        .and_then(|n| n.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
