//! The detector task as a member of its group.

use std::time::Instant;

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::Detector;
use super::partition::PartitionTask;
use crate::model::log::Feed;
use crate::stream::error::{StreamError, is_authorization};
use crate::stream::group::{GroupEvent, Phase, answer_assign, answer_revoke, list_of, positions_of};
use crate::stream::observer::Half;
use crate::stream::offsets::{Ask, Position, Told};

/// Partitions on their way back to the group.
pub(crate) struct Drain {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) deadline: Instant,
    pub(crate) committing: bool,
}

impl Detector<'_> {
    /// Handles what the group asks, one step at a time.
    pub(crate) fn serve_group(&mut self) -> Result<(), StreamError> {
        self.progress_drain()?;
        while let Some(event) = self.consumer.context().next() {
            match event {
                GroupEvent::Commit(result) => self.commit_answered(result)?,
                GroupEvent::Assign(_) if self.phase == Phase::Closing => self.answer_nothing()?,
                GroupEvent::Revoke { feeds, .. } if self.phase == Phase::Closing => self.let_go(&feeds)?,
                GroupEvent::Assign(feeds) if feeds.is_empty() => self.answer_nothing()?,
                GroupEvent::Assign(feeds) => {
                    self.phase.advance(Phase::Positioning).map_err(StreamError::Internal)?;
                    self.positioning.clone_from(&feeds);
                    self.offsets.ask(Ask::Positions(feeds))?;
                }
                GroupEvent::Revoke { feeds, lost } => self.give_back(feeds, lost)?,
            }
        }
        Ok(())
    }

    fn answer_nothing(&mut self) -> Result<(), StreamError> {
        answer_assign(self.consumer, &list_of([])).map_err(|error| self.client_error("taking partitions", &error))
    }

    fn commit_answered(&mut self, result: Result<usize, RDKafkaErrorCode>) -> Result<(), StreamError> {
        self.commit_in_flight = false;
        match result {
            Ok(partitions) => self.parts.observer.committed(Half::Detector, partitions),
            Err(code) if is_authorization(code) => {
                return Err(StreamError::Unauthorized {
                    what: format!("committing for group `{}`", self.parts.settings.detector_group()),
                    cause: code.to_string(),
                });
            }
            Err(code) => {
                self.parts
                    .observer
                    .broker_trouble(Half::Detector, &format!("a commit failed: {code}"));
                for task in &mut self.tasks {
                    task.commit_failed();
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
                Told::Trouble(message) => self.parts.observer.broker_trouble(Half::Detector, &message),
                Told::Failed(error) => return Err(error),
                Told::Ends { .. } | Told::Empty { .. } => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, positions: &[Position]) -> Result<(), StreamError> {
        for position in positions {
            let task = PartitionTask::new(&self.parts.settings, position)?;
            self.tasks.push(task);
        }
        self.tasks.sort_by_key(PartitionTask::partition);
        // Every fold begins at the first record.
        positions_of(positions.iter().map(|position| (&position.feed, 0, None)))
            .and_then(|list| answer_assign(self.consumer, &list))
            .map_err(|error| self.client_error("taking partitions", &error))?;
        // New partitions come unpaused; the next round pauses all if it must.
        self.paused = false;
        self.parts.observer.assigned(Half::Detector, self.tasks.len());
        Ok(())
    }

    fn give_back(&mut self, feeds: Vec<Feed>, lost: bool) -> Result<(), StreamError> {
        match self.phase {
            Phase::Positioning => {
                self.positioning.clear();
                self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
            }
            // Lost while they were being given back.
            Phase::Draining => {
                self.draining = None;
                self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
            }
            Phase::Steady | Phase::Closing => {}
        }
        if lost || feeds.is_empty() {
            return self.let_go(&feeds);
        }
        self.phase.advance(Phase::Draining).map_err(StreamError::Internal)?;
        for task in &mut self.tasks {
            task.draining = task.draining || feeds.contains(&task.feed);
        }
        self.draining = Some(Drain {
            feeds,
            deadline: Instant::now() + self.parts.settings.pace.revoke,
            committing: false,
        });
        Ok(())
    }

    fn progress_drain(&mut self) -> Result<(), StreamError> {
        let Some(drain) = &mut self.draining else {
            return Ok(());
        };
        let delivered = !self
            .tasks
            .iter()
            .any(|task| task.draining && task.checkpoints.outstanding() > 0);
        if Instant::now() < drain.deadline {
            if !delivered || self.commit_in_flight {
                return Ok(());
            }
            if !drain.committing {
                drain.committing = true;
                return self.commit_if_due(true);
            }
        } else if !drain.committing {
            tracing::warn!(
                "revoked partitions were not acknowledged in time; their next owner publishes some findings again"
            );
        }
        if let Some(drain) = self.draining.take() {
            self.phase.advance(Phase::Steady).map_err(StreamError::Internal)?;
            self.let_go(&drain.feeds)?;
        }
        Ok(())
    }

    fn let_go(&mut self, feeds: &[Feed]) -> Result<(), StreamError> {
        for task in self.tasks.iter().filter(|task| feeds.contains(&task.feed)) {
            self.parts.observer.released(task.partition());
        }
        self.tasks.retain(|task| !feeds.contains(&task.feed));
        answer_revoke(self.consumer, &list_of(feeds))
            .map_err(|error| self.client_error("giving partitions back", &error))?;
        self.parts.observer.assigned(Half::Detector, self.tasks.len());
        Ok(())
    }
}
