//! A file of canonical events through the detector.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use serde::Serialize;

use super::fold::Fold;
use super::lines::{BoundedLines, Line};
use crate::decode::{Decoded, RECORD_BYTES_MAX, RecordMeta, Refusal, RefusalReason, decode_feedback, decode_line};
use crate::detector::{Effect, EventCounts, Policy, Tuning};
use crate::model::log::RecordCounts;
use crate::model::{FindingKind, Level, Millis};
use crate::render::{blocklist, ocsf};

/// Refused lines that are reported one by one; all of them are counted.
const SHOWN_MAX: usize = 5;

/// Where a replay writes; `None` is not wanted.
#[derive(Default)]
pub struct Sinks<'a> {
    /// One finding a line.
    pub alerts: Option<&'a mut dyn Write>,
    /// One change of the blocklist a line.
    pub blocklist: Option<&'a mut dyn Write>,
    /// The state after the last line, before its moment has passed: what a fold
    /// of the next file begins with.
    pub state: Option<&'a mut Vec<u8>>,
    /// Looks on.
    pub watch: Option<&'a mut dyn Watch>,
    /// Nothing that arrives later is taken.
    pub until: Option<Millis>,
}

/// Looks on while a replay runs.
pub trait Watch {
    /// The detector said something.
    fn said(&mut self, effect: &Effect);

    /// The replay is over.
    fn ended(&mut self, fold: &Fold);
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

/// A replay's result: the summary, and the first lines that were refused.
#[derive(Debug)]
pub struct Replayed {
    /// The contract's summary.
    pub summary: Summary,
    /// Number and reason of the first refused lines.
    pub refused: Vec<(u64, Refusal)>,
}

struct Replay<'a, 'b> {
    fold: Fold,
    sinks: &'a mut Sinks<'b>,
    effects: Vec<Effect>,
    episodes: EpisodeCounter,
    refused: Vec<(u64, Refusal)>,
    first: Option<Millis>,
    last: Option<Millis>,
    clock: Millis,
    over: bool,
}

/// Replays `input`, one canonical event a line, under `policy`, or going on from
/// an earlier fold. The summary is about this input only.
///
/// # Errors
/// What reading or writing fails with. Lines that cannot be used are counted, not
/// errors.
pub fn replay_file(
    input: impl BufRead,
    policy: &Policy,
    secret: Option<&[u8]>,
    earlier: Option<Fold>,
    sinks: &mut Sinks<'_>,
) -> io::Result<Replayed> {
    let began = Instant::now();
    let mut effects = Vec::new();
    let fold = earlier.unwrap_or_else(|| Fold::new(policy, Tuning::default(), secret, &mut effects));
    let clock = fold.clock();
    let mut replay = Replay {
        fold,
        sinks,
        effects,
        episodes: EpisodeCounter::default(),
        refused: Vec::new(),
        first: None,
        last: None,
        clock,
        over: false,
    };
    let mut lines = BoundedLines::new(input, RECORD_BYTES_MAX);
    let mut number = 0;
    while !replay.over
        && let Some(line) = lines.next_line()?
    {
        number += 1;
        match line {
            Line::Whole(bytes) => replay.line(number, bytes),
            Line::TooLong { len } => replay.refuse(number, Refusal::too_large(len)),
        }
        replay.publish()?;
    }
    match (replay.sinks.state.take(), replay.sinks.until) {
        (Some(state), _) => *state = replay.fold.to_snapshot(&mut replay.effects),
        (None, Some(until)) if replay.over => replay.fold.tell_time(until + 1, &mut replay.effects),
        (None, _) => replay.fold.finish(&mut replay.effects),
    }
    replay.publish()?;
    if let Some(watch) = replay.sinks.watch.as_deref_mut() {
        watch.ended(&replay.fold);
    }
    Ok(replay.result(began))
}

impl Replay<'_, '_> {
    fn line(&mut self, number: u64, bytes: &[u8]) {
        // A line without a time of its own arrives with the line before it.
        let meta = RecordMeta {
            record_time: self.clock,
            default_tenant: None,
            default_app: None,
        };
        match decode_line(&meta, bytes) {
            Ok(line) => {
                let at = line.ingest_time;
                match line.decoded {
                    Decoded::Usable(_) if self.sinks.until.is_some_and(|until| at > until) => self.over = true,
                    Decoded::Usable(events) => {
                        self.saw(at);
                        self.fold.usable(events, at, &mut self.effects);
                    }
                    Decoded::Ignored(_) => self.fold.ignored(),
                }
            }
            Err(refusal) if refusal.reason == RefusalReason::UnknownType => match decode_feedback(&meta, Some(bytes)) {
                Ok(feedback) => {
                    let at = self.clock;
                    self.fold.feedback(feedback, at, &mut self.effects);
                }
                Err(_) => self.refuse(number, refusal),
            },
            Err(refusal) => self.refuse(number, refusal),
        }
    }

    fn saw(&mut self, at: Millis) {
        self.clock = self.clock.max(at);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.clock);
    }

    fn refuse(&mut self, number: u64, refusal: Refusal) {
        self.fold.dead_lettered();
        if self.refused.len() < SHOWN_MAX {
            self.refused.push((number, refusal));
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        for effect in self.effects.drain(..) {
            if let Some(watch) = self.sinks.watch.as_deref_mut() {
                watch.said(&effect);
            }
            match effect {
                Effect::Finding(finding) => {
                    self.episodes.add(finding.uid.0, finding.kind, finding.level);
                    if let Some(out) = self.sinks.alerts.as_deref_mut() {
                        out.write_all(&ocsf::finding(&finding).value)?;
                        out.write_all(b"\n")?;
                    }
                }
                Effect::Block(time, change) => {
                    if let Some(out) = self.sinks.blocklist.as_deref_mut() {
                        out.write_all(&blocklist::line(time, &change))?;
                        out.write_all(b"\n")?;
                    }
                }
                Effect::Stats(_) | Effect::Audit(_) => {}
            }
        }
        Ok(())
    }

    fn result(self, began: Instant) -> Replayed {
        let elapsed = began.elapsed().as_secs_f64();
        let events: Events = self.fold.event_counts().into();
        let total = events.counted + events.duplicate + events.late + events.quarantined;
        let summary = Summary {
            records: self.fold.record_counts().into(),
            events,
            findings: self.episodes.counts(),
            first_time: self.first.map(|t| t.to_string()),
            last_time: self.last.map(|t| t.to_string()),
            elapsed_seconds: elapsed,
            events_per_second: if elapsed > 0.0 { total as f64 / elapsed } else { 0.0 },
            peak_rss_bytes: peak_rss_bytes(),
        };
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
