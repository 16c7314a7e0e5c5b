//! What the demonstration tells, line by line, so that a newcomer understands it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use compact_str::CompactString;

use crate::cli::compose::Telemetry;
use crate::detector::{Effect, State};
use crate::lab::simulate::{SimEvent, Simulator};
use crate::model::log::{Feed, RecordCounts};
use crate::model::{
    Activity, BlockAction, BlockChange, Destination, EventBody, Finding, Level, Millis, Prefix, SendStatus,
};
use crate::stream::{Half, Observer};

/// What is known of the running show.
#[derive(Debug, Default)]
struct Score {
    live_since: Option<Millis>,
    honest: u64,
    campaign: u64,
    leaked: u64,
    stopped: u64,
    hit: u64,
    campaign_began: Option<Instant>,
    leaked_micros: i64,
    told_stopped: bool,
    blocks: BTreeSet<(CompactString, Prefix)>,
    fresh: Vec<(CompactString, Prefix, Millis)>,
}

/// The board on which everything is told.
#[derive(Debug)]
pub(super) struct Board {
    began: Instant,
    score: Mutex<Score>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            score: Mutex::new(Score::default()),
        }
    }

    fn score(&self) -> MutexGuard<'_, Score> {
        self.score.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line, with the time since the start. Nobody may be reading: no matter.
    pub(super) fn say(&self, line: &str) {
        let seconds = self.began.elapsed().as_secs();
        let _ = writeln!(std::io::stdout(), "[{:02}:{:02}] {line}", seconds / 60, seconds % 60);
    }

    /// The live part begins.
    pub(super) fn live(&self, at: Millis) {
        self.score().live_since = Some(at);
        self.say("Live from here on: honest people of three companies ask for codes and type them in. In ten seconds a bot joins; the detector is not told.");
    }

    /// A live event is about to be fed.
    pub(super) fn sent(&self, event: &SimEvent, simulator: &Simulator) {
        let EventBody::Send(send) = &event.event.body else {
            return;
        };
        let Destination::Number(to) = event.event.to else {
            return;
        };
        let mut score = self.score();
        let covered = score
            .blocks
            .iter()
            .any(|(tenant, prefix)| *tenant == event.event.tenant && prefix.covers_number(to));
        let Some(label) = event.label.filter(|l| l.attack) else {
            score.honest += 1;
            score.hit += u64::from(covered);
            return;
        };
        let first = score.campaign == 0;
        score.campaign += 1;
        if send.status == SendStatus::Blocked || covered {
            score.stopped += 1;
            let tell = !std::mem::replace(&mut score.told_stopped, true);
            let leaked = score.leaked;
            drop(score);
            if tell {
                self.say(&format!(
                    "  The campaign goes on, but the blocklist stops it now: {leaked} messages had leaked."
                ));
            }
            return;
        }
        score.leaked += 1;
        score.leaked_micros += send.price.map_or(0, |p| p.micros.0);
        if first {
            score.campaign_began = Some(Instant::now());
            drop(score);
            let name = simulator.label_name(label);
            self.say(&format!(
                "CAMPAIGN `{name}` begins: a bot fills in the form {} of {} for numbers such as {}XX, four times a second.",
                event.event.app, event.event.tenant, to.block()
            ));
        }
    }

    /// Blocks that the traffic has not been told of yet.
    pub(super) fn new_blocks(&self) -> Vec<(CompactString, Prefix, Millis)> {
        std::mem::take(&mut self.score().fresh)
    }

    /// The live numbers.
    pub(super) fn status(&self) {
        let score = self.score();
        let line = format!(
            "  {} honest messages, {} of the campaign: {} leaked, {} stopped; honest messages hit by a block: {}",
            score.honest, score.campaign, score.leaked, score.stopped, score.hit
        );
        drop(score);
        self.say(&line);
    }

    pub(super) fn farewell(&self) {
        self.status();
        let score = self.score();
        let lost = score.leaked_micros as f64 / 1e6;
        drop(score);
        self.say(&format!("The campaign cost {lost:.2} USD before it was stopped. Next: `pumpwatch run` against your own Kafka; see the README."));
    }

    fn finding(&self, finding: &Finding) {
        if self.score().live_since.is_none_or(|live| finding.time < live) {
            return;
        }
        let what = match finding.activity {
            Activity::Create => "FINDING",
            Activity::Update => "FINDING, updated",
            Activity::Close => "FINDING, closed",
        };
        let (began, leaked) = {
            let score = self.score();
            (score.campaign_began, score.leaked)
        };
        let after = began.map_or_else(String::new, |at| {
            format!(
                " ({:.1} s and {leaked} messages into the campaign)",
                at.elapsed().as_secs_f64()
            )
        });
        self.say(&format!(
            "{what} at level {}: {}{after}",
            finding.level.as_str(),
            finding.message
        ));
        if finding.activity != Activity::Create && finding.level != Level::Block {
            return;
        }
        for item in &finding.evidence {
            self.say(&format!("    {:>7.1} nats  {}: {}", item.log_e, item.family, item.text));
        }
        for accused in &finding.prefixes {
            self.say(&format!(
                "    {}: {} sends, {:.0} % of them attack; a block would hit {:.2} honest attempts an hour",
                accused.prefix,
                accused.sends,
                100.0 * accused.attack_share,
                accused.honest_per_hour
            ));
        }
    }

    fn block(&self, change: &BlockChange) {
        match change {
            BlockChange::Put(block) => {
                let Some(prefix) = block.key.prefix else { return };
                let entry = (block.key.tenant.clone(), prefix);
                let mut score = self.score();
                if block.action == BlockAction::Block {
                    score.fresh.push((entry.0.clone(), prefix, block.expires_at));
                    score.blocks.insert(entry);
                } else {
                    score.blocks.remove(&entry);
                }
                drop(score);
                self.say(&format!(
                    "BLOCK {} until {} ({})",
                    block.key,
                    block.expires_at,
                    block.mode.as_str()
                ));
            }
            BlockChange::Delete(key) => {
                if let Some(prefix) = key.prefix {
                    self.score().blocks.remove(&(key.tenant.clone(), prefix));
                }
                self.say(&format!("BLOCK {key} is lifted"));
            }
        }
    }
}

/// Hears the stream for the board, and passes everything on to telemetry.
pub(super) struct Watch {
    telemetry: Telemetry,
    board: std::sync::Arc<Board>,
}

impl Watch {
    pub(super) fn new(telemetry: Telemetry, board: std::sync::Arc<Board>) -> Self {
        Self { telemetry, board }
    }
}

impl Observer for Watch {
    fn records(&self, feed: &Feed, added: RecordCounts) {
        self.telemetry.records(feed, added);
    }
    fn dead_letter(&self, feed: &Feed, offset: i64, class: &str, message: &str) {
        self.telemetry.dead_letter(feed, offset, class, message);
    }
    fn feed(&self, feed: &Feed, clock: Millis, lag: Option<i64>) {
        self.telemetry.feed(feed, clock, lag);
    }
    fn input_gap(&self, feed: &Feed, from: i64, to: i64) {
        self.telemetry.input_gap(feed, from, to);
    }
    fn assigned(&self, half: Half, partitions: usize) {
        self.telemetry.assigned(half, partitions);
    }
    fn alive(&self, half: Half, wall: Millis) {
        self.telemetry.alive(half, wall);
    }
    fn paused(&self, half: Half, feed: &Feed, paused: bool) {
        self.telemetry.paused(half, feed, paused);
    }
    fn committed(&self, half: Half, partitions: usize) {
        self.telemetry.committed(half, partitions);
    }
    fn broker_trouble(&self, half: Half, message: &str) {
        self.telemetry.broker_trouble(half, message);
    }
    fn restored(&self, partition: i32, records: u64, took: Duration) {
        self.telemetry.restored(partition, records, took);
    }
    fn folded(&self, partition: i32, state: &State) {
        self.telemetry.folded(partition, state);
    }
    fn released(&self, partition: i32) {
        self.telemetry.released(partition);
    }
    fn published(&self, effect: &Effect, append_to_publish: Option<Duration>) {
        self.telemetry.published(effect, append_to_publish);
        match effect {
            Effect::Finding(finding) => self.board.finding(finding),
            Effect::Block(_, change) => self.board.block(change),
            Effect::Stats(_) | Effect::Audit(_) => {}
        }
    }
}
