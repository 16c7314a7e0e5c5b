//! A replay of the internal log that goes on where an earlier one ended: every
//! partition's state and how far it was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::StreamError;
use super::fold::PartitionFold;
use crate::detector::snapshot::{self, SnapshotError, SnapshotKind};
use crate::detector::{EventCounts, State, Tuning};
use crate::model::log::{Feed, Header, RecordCounts};

/// What a replay begins with, and what it leaves for the next one.
#[derive(Debug, Default)]
pub struct LogHandover {
    /// The bytes that an earlier replay left; `None` begins with the log.
    pub state: Option<Vec<u8>>,
    /// Whether to leave anything.
    pub save: bool,
    /// What is left, once the replay is done.
    pub saved: Option<Vec<u8>>,
}

/// The payload of a snapshot of the whole log.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    deployment_id: u128,
    partitions: BTreeMap<i32, Partition>,
    counts: BTreeMap<Feed, RecordCounts>,
}

/// One partition. Its state is a snapshot of its own, so that only one at a time
/// is unpacked.
#[derive(Debug, Serialize, Deserialize)]
struct Partition {
    next_offset: i64,
    state: Vec<u8>,
}

/// The folds that an earlier replay of the log left, in order of partition.
///
/// # Errors
/// Bytes that are no such state.
pub fn saved_folds(bytes: &[u8]) -> Result<Vec<PartitionFold>, StreamError> {
    let refuse = |error: SnapshotError| StreamError::State(error.to_string());
    let saved: Saved = snapshot::read(SnapshotKind::Log, bytes).map_err(refuse)?;
    let folds = saved.partitions.into_iter().map(|(partition, left)| {
        let state = State::from_snapshot(&left.state, &Tuning::default())?;
        Ok(PartitionFold::resume(partition, left.next_offset, state))
    });
    folds.collect::<Result<_, _>>().map_err(refuse)
}

/// The handover while a replay runs.
#[derive(Debug, Default)]
pub(crate) struct Continued {
    began: Saved,
    ended: Option<Saved>,
    events_before: EventCounts,
}

impl Continued {
    /// Reads what an earlier replay left, of the log that `header` begins.
    pub(crate) fn begin(handover: &LogHandover, topic: &str, header: Option<&Header>) -> Result<Self, StreamError> {
        let began = match &handover.state {
            None => Saved::default(),
            Some(bytes) => {
                let saved: Saved =
                    snapshot::read(SnapshotKind::Log, bytes).map_err(|e| StreamError::State(e.to_string()))?;
                if header.is_none_or(|header| header.deployment_id != saved.deployment_id) {
                    return Err(StreamError::LogMismatch(format!(
                        "the state belongs to another internal log than `{topic}`; name the one that it was saved from"
                    )));
                }
                saved
            }
        };
        let ended = handover.save.then(Saved::default);
        Ok(Self {
            began,
            ended,
            events_before: EventCounts::default(),
        })
    }

    /// The fold of a partition from where it was left, which lies before `end`.
    pub(crate) fn open(&mut self, topic: &str, partition: i32, end: i64) -> Result<PartitionFold, StreamError> {
        let Some(left) = self.began.partitions.remove(&partition) else {
            return Ok(PartitionFold::new(partition));
        };
        if left.next_offset > end {
            return Err(StreamError::LogGap(format!(
                "partition {partition} of `{topic}` ends at offset {end}, and the state was saved at offset {}: the log has lost records",
                left.next_offset
            )));
        }
        let state = State::from_snapshot(&left.state, &Tuning::default())
            .map_err(|error| StreamError::State(format!("partition {partition}: {error}")))?;
        let counts = state.counts();
        self.events_before.counted += counts.counted;
        self.events_before.duplicate += counts.duplicate;
        self.events_before.late += counts.late;
        self.events_before.quarantined += counts.quarantined;
        Ok(PartitionFold::resume(partition, left.next_offset, state))
    }

    /// A partition is done.
    pub(crate) fn close(&mut self, fold: &PartitionFold) {
        let (Some(ended), Some(header)) = (&mut self.ended, fold.header()) else {
            return;
        };
        ended.deployment_id = header.deployment_id;
        let left = Partition {
            next_offset: fold.next_offset(),
            state: fold.state().to_snapshot(),
        };
        ended.partitions.insert(fold.partition(), left);
    }

    /// Counts of the inputs' records that the earlier replay knew of.
    pub(crate) fn counts_before(&self) -> &BTreeMap<Feed, RecordCounts> {
        &self.began.counts
    }

    /// Counts of the events that the earlier replay knew of.
    pub(crate) fn events_before(&self) -> EventCounts {
        self.events_before
    }

    /// Everything is done; `counts` are the latest of every input.
    pub(crate) fn end(self, handover: &mut LogHandover, counts: &BTreeMap<Feed, RecordCounts>) {
        handover.saved = self.ended.map(|mut ended| {
            ended.counts.clone_from(counts);
            snapshot::write(SnapshotKind::Log, &ended)
        });
    }
}
