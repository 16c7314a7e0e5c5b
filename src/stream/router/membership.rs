//! The router as a member of its group: taking partitions, giving them back,
//! losing them.

use std::time::Instant;

use rdkafka::consumer::Consumer;

use super::memory::{FeedMemory, MemoryError};
use super::slot::{Slot, Source};
use super::{Router, startup};
use crate::model::Millis;
use crate::model::log::{Feed, FeedScope};
use crate::stream::client::wall_now;
use crate::stream::error::{StreamError, is_authorization};
use crate::stream::group::{GroupEvent, Phase, answer_assign, answer_revoke, list_of, positions_of};
use crate::stream::observer::Half;
use crate::stream::offsets::{Ask, Position, Told};
use crate::stream::settings::Start;

/// 2020-01-01: generations count seconds from here, so that a group whose offsets
/// were deleted still goes on above the generations that are already in the log.
const GENERATION_EPOCH_MS: i64 = 1_577_836_800_000;

/// Partitions on their way back to the group.
pub(crate) struct Drain {
    pub(crate) feeds: Vec<Feed>,
    /// Everything routed from them lies in this epoch or before.
    pub(crate) epoch: u64,
    pub(crate) deadline: Instant,
    /// Whether the commit was sent.
    pub(crate) committing: bool,
}

impl Router<'_> {
    /// Handles what the group asks, one step at a time.
    pub(crate) fn serve_group(&mut self, wall: Millis) -> Result<(), StreamError> {
        self.progress_drain()?;
        while matches!(self.phase, Phase::Steady | Phase::Positioning | Phase::Closing) {
            let Some(event) = self.consumer.context().next() else {
                break;
            };
            self.handle(event, wall)?;
        }
        if self.phase == Phase::Draining {
            self.answers_while_draining()?;
        }
        Ok(())
    }

    fn handle(&mut self, event: GroupEvent, wall: Millis) -> Result<(), StreamError> {
        match event {
            GroupEvent::Commit(result) => self.commit_answered(result),
            GroupEvent::Assign(_) if self.phase == Phase::Closing => answer_assign(self.consumer, &list_of([]))
                .map_err(|error| self.client_error("leaving the group", &error)),
            GroupEvent::Revoke { feeds, .. } if self.phase == Phase::Closing => {
                answer_revoke(self.consumer, &list_of(&feeds))
                    .map_err(|error| self.client_error("leaving the group", &error))
            }
            GroupEvent::Assign(feeds) if feeds.is_empty() => self.take(&[]),
            GroupEvent::Assign(feeds) => {
                self.phase.advance(Phase::Positioning).map_err(StreamError::Internal)?;
                self.positioning.clone_from(&feeds);
                self.offsets.ask(Ask::Positions(feeds))
            }
            GroupEvent::Revoke { feeds, lost } => self.give_back(feeds, lost, wall),
        }
    }

    /// Only answers to commits are of interest while a drain is under way; a
    /// further rebalance comes after our answer.
    fn answers_while_draining(&mut self) -> Result<(), StreamError> {
        while let Some(event) = self.consumer.context().next() {
            match event {
                GroupEvent::Commit(result) => self.commit_answered(result)?,
                GroupEvent::Revoke { feeds, lost: true } => {
                    self.draining = None;
                    self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
                    self.release(&feeds)?;
                    break;
                }
                other => {
                    return Err(StreamError::Internal(format!(
                        "{other:?} came while a revocation was unanswered"
                    )));
                }
            }
        }
        Ok(())
    }

    fn commit_answered(&mut self, result: Result<usize, rdkafka::error::RDKafkaErrorCode>) -> Result<(), StreamError> {
        self.commit_in_flight = false;
        match result {
            Ok(partitions) => self.parts.observer.committed(Half::Router, partitions),
            Err(code) if is_authorization(code) => {
                return Err(StreamError::Unauthorized {
                    what: format!("committing for group `{}`", self.parts.settings.router_group()),
                    cause: code.to_string(),
                });
            }
            Err(code) => {
                // The position is committed again with the next cut.
                self.parts
                    .observer
                    .broker_trouble(Half::Router, &format!("a commit failed: {code}"));
                for slot in &mut self.slots {
                    slot.cut = None;
                }
            }
        }
        Ok(())
    }

    /// Answers of the asking thread.
    pub(crate) fn serve_answers(&mut self) -> Result<(), StreamError> {
        while let Some(told) = self.offsets.told() {
            match told {
                Told::Positions(positions) => {
                    let expected = self.phase == Phase::Positioning
                        && positions.len() == self.positioning.len()
                        && positions.iter().all(|p| self.positioning.contains(&p.feed));
                    if expected {
                        self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
                        self.take(&positions)?;
                    }
                }
                Told::Ends { asked, ends } => self.ends(asked, &ends),
                Told::Empty { feed, from, to } => {
                    if let Some(slot) = self.slots.iter_mut().find(|slot| slot.feed == feed)
                        && slot.next_offset == from
                        && slot.waiting() == 0
                    {
                        slot.empty_until = to;
                    }
                }
                Told::Trouble(message) => self.parts.observer.broker_trouble(Half::Router, &message),
                Told::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn ends(&mut self, asked: Millis, ends: &[(Feed, i64)]) {
        for (feed, end) in ends {
            let Some(slot) = self.slots.iter_mut().find(|slot| slot.feed == *feed) else {
                continue;
            };
            slot.end = Some(*end);
            if !slot.has_more() && slot.waiting() == 0 {
                slot.clock.confirmed(asked);
            }
        }
    }

    /// Takes the partitions at explicit positions.
    fn take(&mut self, positions: &[Position]) -> Result<(), StreamError> {
        let mut newest = self.generation;
        for position in positions {
            let (slot, generation) = self.open(position)?;
            newest = newest.max(generation);
            self.slots.push(slot);
        }
        let topics = self.slots.iter().map(|slot| slot.feed.topic.clone());
        self.known_topics.extend(topics);
        self.slots.sort_by(|a, b| a.feed.cmp(&b.feed));
        self.reindexed()?;
        let by_wall = ((wall_now().0 - GENERATION_EPOCH_MS) / 1_000).clamp(0, i64::from(i32::MAX)) as i32;
        self.generation = newest.saturating_add(1).max(by_wall);

        let list = positions_of(positions.iter().filter_map(|position| {
            let slot = self.slots.iter().find(|slot| slot.feed == position.feed)?;
            Some((&slot.feed, slot.next_offset, None))
        }))
        .and_then(|list| answer_assign(self.consumer, &list));
        list.map_err(|error| self.client_error("taking partitions", &error))?;
        self.parts.observer.assigned(Half::Router, self.slots.len());
        // Fences older owners: from this commit on theirs is the lower generation.
        self.cut(true)?;
        Ok(())
    }

    fn open(&self, position: &Position) -> Result<(Slot<'static>, i32), StreamError> {
        let settings = &self.parts.settings;
        let feed = &position.feed;
        let input = settings.inputs.iter().position(|input| input.topic == feed.topic);
        let (source, scope, start) = match input {
            Some(place) => (
                Source::Input(place),
                settings.inputs[place].scope(),
                settings.inputs[place].start,
            ),
            None => (
                Source::Feedback,
                FeedScope {
                    verifications: false,
                    tenant: None,
                },
                Start::Earliest,
            ),
        };
        let begin = match (&position.committed, start) {
            (Some((offset, _)), _) => *offset,
            (None, Start::Latest) if !self.known_topics.contains(&feed.topic) => position.end,
            // Also a partition that was added to a topic: all of it is new.
            (None, Start::Earliest | Start::Latest) => position.low,
        };
        if begin > position.end {
            return Err(StreamError::InputTruncated(format!(
                "`{}` partition {} ends at offset {} but was already read up to {begin}: the topic was truncated or created anew, and its records would be taken for old ones; name another `kafka.group` and another `topics.events`",
                feed.topic, feed.partition, position.end
            )));
        }
        let next_offset = begin.max(position.low);
        if begin < position.low {
            tracing::error!(
                topic = %feed.topic, partition = feed.partition, from = begin, to = position.low,
                "records were deleted by retention before they were read; raise the topic's retention"
            );
            self.parts.observer.input_gap(feed, begin, position.low);
        }
        let mut slot = Slot::new(feed.clone(), source, scope, next_offset);
        slot.end = Some(position.end);
        let mut generation = 0;
        if let Some((_, metadata)) = &position.committed {
            match FeedMemory::decode(metadata) {
                Ok(memory) if memory.deployment != self.header.deployment_id => {
                    return Err(startup::other_log(settings));
                }
                Ok(memory) => {
                    generation = memory.generation;
                    slot.remember(&memory);
                }
                Err(error @ (MemoryError::Missing | MemoryError::Unreadable(_))) => tracing::warn!(
                    topic = %feed.topic, partition = feed.partition, offset = next_offset, %error,
                    "the counts of this feed begin again at zero and its clock with its next record"
                ),
            }
        }
        Ok((slot, generation))
    }

    fn give_back(&mut self, feeds: Vec<Feed>, lost: bool, wall: Millis) -> Result<(), StreamError> {
        if self.phase == Phase::Positioning {
            // Nothing was taken yet, so there is nothing to drain.
            self.positioning.clear();
            self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
        }
        if lost || feeds.is_empty() {
            if lost {
                tracing::warn!(
                    partitions = feeds.len(),
                    "partitions were lost to another member; they go on from the last commit"
                );
            }
            return self.release(&feeds);
        }
        self.phase.advance(Phase::Draining).map_err(StreamError::Internal)?;
        for slot in &mut self.slots {
            slot.draining = slot.draining || feeds.contains(&slot.feed);
        }
        self.flush_all()?;
        self.tell_now(wall);
        let epoch = self.cut(true)?;
        self.draining = Some(Drain {
            feeds,
            epoch,
            deadline: Instant::now() + self.parts.settings.pace.revoke,
            committing: false,
        });
        Ok(())
    }

    fn progress_drain(&mut self) -> Result<(), StreamError> {
        let Some(drain) = &mut self.draining else {
            return Ok(());
        };
        let late = Instant::now() >= drain.deadline;
        if !late {
            if !self.checkpoints.is_behind(drain.epoch) || self.commit_in_flight {
                return Ok(());
            }
            if !drain.committing {
                drain.committing = true;
                return self.commit_now();
            }
        } else if !drain.committing {
            tracing::warn!(
                "revoked partitions were not acknowledged in time; their next owner goes on from the last commit"
            );
        }
        if let Some(drain) = self.draining.take() {
            self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
            self.release(&drain.feeds)?;
        }
        Ok(())
    }

    /// Lets the partitions go.
    fn release(&mut self, feeds: &[Feed]) -> Result<(), StreamError> {
        // What is still being packed names its feed by slot.
        self.flush_all()?;
        self.slots.retain(|slot| !feeds.contains(&slot.feed));
        self.reindexed()?;
        // The broker takes commits for any partition from any member: a position
        // that is no longer ours must not overwrite its new owner's.
        self.committable.retain(|feed, _| !feeds.contains(feed));
        for cut in self.checkpoints.waiting_mut() {
            cut.retain(|(feed, ..)| !feeds.contains(feed));
        }
        answer_revoke(self.consumer, &list_of(feeds))
            .map_err(|error| self.client_error("giving partitions back", &error))?;
        self.parts.observer.assigned(Half::Router, self.slots.len());
        Ok(())
    }

    /// The slots changed places.
    fn reindexed(&mut self) -> Result<(), StreamError> {
        self.flush_all()?;
        self.awaiting = None;
        self.offsets
            .ask(Ask::Watch(self.slots.iter().map(|slot| slot.feed.clone()).collect()))
    }

    pub(crate) fn client_error(&self, what: &str, error: &rdkafka::error::KafkaError) -> StreamError {
        StreamError::from_kafka(what, &self.parts.settings.brokers, error)
    }
}
