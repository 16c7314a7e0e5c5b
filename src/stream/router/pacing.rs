//! What the router does because time passed: batches leave, ticks go to every
//! partition, positions are committed, the observer hears.

use std::time::{Duration, Instant};

use super::memory::FeedMemory;
use super::slot::Source;
use super::{Committed, Router};
use crate::model::Millis;
use crate::model::log::{FeedProgress, LogRecord, Tick};
use crate::stream::error::StreamError;
use crate::stream::group::positions_of;

/// Feeds in one tick, at most; the rest goes into further ticks.
const TICK_FEEDS_MAX: usize = 500;
/// A clock that moved this far is committed even when no record came.
const CLOCK_COMMIT_MS: i64 = 10_000;
/// Time between what the observer is told.
const TELL: Duration = Duration::from_millis(500);

impl Router<'_> {
    /// Sends batches that waited long enough.
    pub(crate) fn flush_due(&mut self, wall: Millis) -> Result<(), StreamError> {
        let linger = self.parts.settings.pace.batch_linger.as_millis() as i64;
        let due: Vec<_> = self.packer.take_due(wall - linger).collect();
        for (partition, batch) in due {
            self.append_events(partition, batch)?;
        }
        Ok(())
    }

    /// Sends every batch.
    pub(crate) fn flush_all(&mut self) -> Result<(), StreamError> {
        let all: Vec<_> = self.packer.take_all().collect();
        for (partition, batch) in all {
            self.append_events(partition, batch)?;
        }
        Ok(())
    }

    pub(crate) fn tick_if_due(&mut self, wall: Millis) -> Result<(), StreamError> {
        let pace = &self.parts.settings.pace;
        let since = self.last_tick.elapsed();
        let due = since >= pace.tick_idle
            || self.events_since_tick >= pace.tick_events
            || (self.events_since_tick > 0 && since >= pace.tick_busy);
        if due && !self.outbox.is_blocked() {
            self.tick(wall)?;
        }
        Ok(())
    }

    /// A tick to every partition. It speaks of what was produced before it, so the
    /// batches leave first; the producer keeps the order within each partition.
    pub(crate) fn tick(&mut self, wall: Millis) -> Result<(), StreamError> {
        self.flush_all()?;
        self.last_tick = Instant::now();
        self.events_since_tick = 0;
        let feeds: Vec<FeedProgress> = self
            .slots
            .iter()
            .filter(|slot| slot.source != Source::Feedback)
            .map(|slot| slot.progress(wall))
            .collect();
        for feeds in feeds.chunks(TICK_FEEDS_MAX) {
            let record = LogRecord::Tick(Tick {
                member: self.member.as_str().into(),
                generation: self.generation,
                wall,
                feeds: feeds.to_vec(),
            });
            for partition in 0..self.header.partitions as i32 {
                self.append(partition, &record)?;
            }
        }
        Ok(())
    }

    pub(crate) fn commit_if_due(&mut self) -> Result<(), StreamError> {
        if self.last_commit.elapsed() >= self.parts.settings.pace.commit {
            self.last_commit = Instant::now();
            self.cut(false)?;
        }
        if self.draining.is_none() {
            self.commit_now()?;
        }
        Ok(())
    }

    /// Closes an epoch at the present positions; with `all`, also those that hardly
    /// changed. Gives the epoch.
    pub(crate) fn cut(&mut self, all: bool) -> Result<u64, StreamError> {
        self.flush_all()?;
        let mut positions: Committed = Vec::new();
        for slot in &mut self.slots {
            let now = slot.cut_now(self.generation);
            let stale = slot.cut.is_none_or(|last| {
                (last.next_offset, last.generation, last.live) != (now.next_offset, now.generation, now.live)
                    || now.clock - last.clock >= CLOCK_COMMIT_MS
            });
            if !(all || stale) {
                continue;
            }
            slot.cut = Some(now);
            let memory = FeedMemory {
                deployment: self.header.deployment_id,
                policy: self.policy.clone(),
                generation: self.generation,
                clock: slot.clock,
                counts: slot.counts,
            };
            positions.push((slot.feed.clone(), slot.next_offset, memory.encode()));
        }
        Ok(self.checkpoints.cut(positions))
    }

    /// Sends the commit of what is acknowledged, unless one is on its way.
    pub(crate) fn commit_now(&mut self) -> Result<(), StreamError> {
        if self.commit_in_flight || self.committable.is_empty() {
            return Ok(());
        }
        let positions = std::mem::take(&mut self.committable);
        let positions = positions
            .iter()
            .map(|(feed, (next_offset, metadata))| (feed, *next_offset, Some(metadata.as_str())));
        let list = positions_of(positions).map_err(|error| self.client_error("committing", &error))?;
        self.commit_in_flight = true;
        self.committer.commit(list)
    }

    /// Tells the observer, when it is time.
    pub(crate) fn tell(&mut self, wall: Millis) {
        if self.last_told.elapsed() >= TELL {
            self.tell_now(wall);
        }
    }

    pub(crate) fn tell_now(&mut self, wall: Millis) {
        self.last_told = Instant::now();
        self.alive(wall);
        if self.events_untold > 0 {
            self.parts.observer.events_routed(self.events_untold);
            self.events_untold = 0;
        }
        for slot in &mut self.slots {
            if slot.told != Some(slot.counts) {
                self.parts.observer.records(&slot.feed, slot.counts);
                slot.told = Some(slot.counts);
            }
            self.parts.observer.feed(&slot.feed, slot.clock.value(), slot.lag());
        }
    }
}
