//! Membership in a consumer group, as events in a queue.
//!
//! librdkafka calls back inside `poll`. The callback only notes what is asked; the
//! loop answers it when it is ready ([`answer_assign`], [`answer_revoke`]), as the
//! protocol allows: until then the group waits, heartbeats go on, and polling
//! continues. What a member may do when is one table, [`LEGAL`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::client::forward_log;
use super::error::StreamError;
use crate::model::log::Feed;

/// What a member is doing about its assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Owns what it owns.
    Steady,
    /// Was given partitions and asks where to begin.
    Positioning,
    /// Must give partitions back and waits for acknowledgements, then the commit.
    Draining,
    /// Leaves the group.
    Closing,
}

/// The legal transitions; anything else is a broken invariant.
const LEGAL: &[(Phase, Phase)] = &[
    (Phase::Steady, Phase::Positioning),
    (Phase::Positioning, Phase::Steady),
    (Phase::Steady, Phase::Draining),
    (Phase::Draining, Phase::Steady),
    (Phase::Steady, Phase::Closing),
    (Phase::Positioning, Phase::Closing),
    (Phase::Draining, Phase::Closing),
];

impl Phase {
    /// Moves on, or names the step that must not happen.
    pub(crate) fn advance(&mut self, to: Self) -> Result<(), String> {
        if LEGAL.contains(&(*self, to)) {
            *self = to;
            Ok(())
        } else {
            Err(format!("a member of the group cannot go from {self:?} to {to:?}"))
        }
    }
}

/// What the group, or the broker, asks of a member.
#[derive(Debug)]
pub(crate) enum GroupEvent {
    /// These partitions are ours from the answer on.
    Assign(Vec<Feed>),
    /// These must be given back; when `lost`, they already belong to another.
    Revoke {
        /// Which.
        feeds: Vec<Feed>,
        /// Whether it is too late to commit.
        lost: bool,
    },
    /// A commit was answered.
    Commit(Result<usize, RDKafkaErrorCode>),
}

/// The callbacks of a group's consumer.
#[derive(Debug, Default)]
pub(crate) struct GroupContext {
    events: Mutex<VecDeque<GroupEvent>>,
    closing: AtomicBool,
}

impl GroupContext {
    /// The next thing asked.
    pub(crate) fn next(&self) -> Option<GroupEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From here on the callbacks give everything back at once: the consumer is
    /// about to be dropped, and nobody reads the queue any more.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn note(&self, event: GroupEvent) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(event);
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, fac: &str, message: &str) {
        forward_log(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "pumpwatch::kafka", %error, reason, "the client reports an error");
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let answered = if assigned {
                answer_assign(consumer, &TopicPartitionList::new())
            } else {
                answer_revoke(consumer, list)
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "leaving the group");
            }
            return;
        }
        let feeds = feeds_of(list);
        self.note(if assigned {
            GroupEvent::Assign(feeds)
        } else {
            GroupEvent::Revoke {
                feeds,
                lost: consumer.assignment_lost(),
            }
        });
    }
}

/// A consumer in its group, until it leaves.
///
/// Leaving polls until the group has let go, and nobody answers its callbacks any
/// more, so they must answer themselves. After an error or a panic the group may
/// wait for an answer that never comes: then leaving happens on a thread of its
/// own, so that the error is heard at once.
pub(crate) struct Membership(Option<Arc<BaseConsumer<GroupContext>>>);

impl Membership {
    pub(crate) fn new(consumer: BaseConsumer<GroupContext>) -> Self {
        Self(Some(Arc::new(consumer)))
    }

    /// The consumer; there until this value is gone.
    pub(crate) fn consumer(&self) -> &Arc<BaseConsumer<GroupContext>> {
        self.0
            .as_ref()
            .expect("it is taken only by those who consume the membership")
    }

    /// Leaves on this thread, the one that polls.
    pub(crate) fn leave(mut self) {
        if let Some(consumer) = self.0.take() {
            consumer.context().close();
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(consumer) = self.0.take() {
            consumer.context().close();
            let leaving = std::thread::Builder::new().name("leaving".into());
            if let Err(error) = leaving.spawn(move || drop(consumer)) {
                tracing::warn!(%error, "the consumer group notices the departure only after the session's time");
            }
        }
    }
}

/// Commits on a thread of its own. The polling thread must not wait for the
/// broker, and the answer to an asynchronous commit never comes: librdkafka tells
/// it only to a callback that the event interface of this binding does not set.
pub(crate) struct Committer {
    lists: Option<Sender<TopicPartitionList>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(crate) fn start(membership: &Membership, purpose: &str) -> Result<Self, StreamError> {
        let consumer = membership.consumer().clone();
        let (lists, wanted) = channel::<TopicPartitionList>();
        let body = move || {
            for list in wanted {
                let result = match consumer.commit(&list, CommitMode::Sync) {
                    Ok(()) => Ok(list.count()),
                    Err(error) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
                };
                consumer.context().note(GroupEvent::Commit(result));
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("{purpose}-commit"))
            .spawn(body)
            .map_err(|error| StreamError::Internal(format!("a thread could not be started: {error}")))?;
        Ok(Self {
            lists: Some(lists),
            thread: Some(thread),
        })
    }

    /// Sends a commit; its answer comes as [`GroupEvent::Commit`].
    pub(crate) fn commit(&self, list: TopicPartitionList) -> Result<(), StreamError> {
        let sent = self.lists.as_ref().is_some_and(|lists| lists.send(list).is_ok());
        sent.then_some(())
            .ok_or_else(|| StreamError::Internal("the thread that commits has ended".into()))
    }

    /// Ends the thread, so that the consumer is dropped by who polls it. Only when
    /// no commit is under way: it could wait for a broker that never answers.
    pub(crate) fn finish(mut self) {
        self.lists = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes the partitions, at the offsets in the list.
pub(crate) fn answer_assign(consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Eager => consumer.assign(list),
        RebalanceProtocol::Cooperative | RebalanceProtocol::None => consumer.incremental_assign(list),
    }
}

/// Gives the partitions back.
pub(crate) fn answer_revoke(consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Eager => consumer.unassign(),
        RebalanceProtocol::Cooperative | RebalanceProtocol::None => consumer.incremental_unassign(list),
    }
}

/// The partitions of a list.
pub(crate) fn feeds_of(list: &TopicPartitionList) -> Vec<Feed> {
    list.elements()
        .iter()
        .map(|element| Feed {
            topic: element.topic().into(),
            partition: element.partition(),
        })
        .collect()
}

/// A list of partitions without offsets.
pub(crate) fn list_of<'a>(feeds: impl IntoIterator<Item = &'a Feed>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for feed in feeds {
        list.add_partition(&feed.topic, feed.partition);
    }
    list
}

/// A list of positions, each the *next* offset to be read, with metadata.
pub(crate) fn positions_of<'a>(
    positions: impl IntoIterator<Item = (&'a Feed, i64, Option<&'a str>)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (feed, next_offset, metadata) in positions {
        let mut element = list.add_partition(&feed.topic, feed.partition);
        element.set_offset(Offset::Offset(next_offset))?;
        if let Some(metadata) = metadata {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_legal() {
        let all = [Phase::Steady, Phase::Positioning, Phase::Draining, Phase::Closing];
        for from in all {
            for to in all {
                let mut phase = from;
                assert_eq!(phase.advance(to).is_ok(), LEGAL.contains(&(from, to)));
            }
        }
        let mut closed = Phase::Closing;
        assert!(closed.advance(Phase::Steady).is_err());
    }
}
